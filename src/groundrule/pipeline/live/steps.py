"""How long each step behind an answer takes: counted in the desk's own threads, read by whoever watches the service.

    write ─► judge ─► answered     commit: a run of what was acknowledged     detect: a look of the detectors

What a step took is put into one of a few classes of duration, so that nothing grows and a reader can tell how many were slow.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper ends of the classes of duration [s]; what took longer has a class of its own."""


@dataclass(frozen=True, slots=True)
class Took:
    """How long one step took, each time since the start.

    Attributes:
        classes: how often, by class of `BOUNDS_S` and one for what took longer.
        sum_s: all together [s].
    """

    classes: tuple[int, ...]
    sum_s: float


class Step:
    """One step; any thread may time it and read it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._classes = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count what is done within; also where it fails, for what hangs and then fails is what one wants to see."""
        began = time.perf_counter()
        try:
            yield
        finally:
            spent_s = time.perf_counter() - began
            with self._lock:
                self._classes[bisect_left(BOUNDS_S, spent_s)] += 1
                self._sum_s += spent_s

    def took(self) -> Took:
        """Return how long it took so far."""
        with self._lock:
            return Took(tuple(self._classes), self._sum_s)
