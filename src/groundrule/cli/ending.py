"""Commands that run until they are told to end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def ends_in_order(stop: Callable[[], object]) -> Iterator[None]:
    """Have Ctrl-C and SIGTERM ask for an end instead of breaking off what is under way; afterwards they do what they did before."""
    before = {each: signal.signal(each, lambda *_: stop()) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
