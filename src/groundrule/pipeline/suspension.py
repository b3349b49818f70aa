"""Signals that a disturbed area puts in doubt: held back, let go, and withdrawn.

Where satellite navigation is disturbed, positions jump without anybody's doing, and that an area is disturbed shows only after a while:
then the observations of its terminals are suspended. So what follows from jumps is held back for HELD_S, and what follows from
positions at all is withdrawn, when its terminal is suspended within WITHDRAWN_S.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groundrule.detect.rows import SUSPENDED, Rows
from groundrule.detect.signals import KINDS, Signal
from groundrule.instant import MIN_NS, NS_PER_S

HELD_S: Final = 180.0
"""How long a finding from jumps of position waits for the watch over disturbed areas, which takes one to two minutes [s]."""
WITHDRAWN_S: Final = 300.0
"""How far back a suspension casts doubt on positions of its terminal [s]."""
_HELD_NS, _WITHDRAWN_NS = round(HELD_S * NS_PER_S), round(WITHDRAWN_S * NS_PER_S)
_ELSEWHERE: Final = -1
"""Row of a terminal that is not in memory here."""
_HELD: Final = frozenset(kind.name for kind in KINDS.values() if kind.cause in ("identity", "data"))
_POSITIONAL: Final = frozenset(kind.name for kind in KINDS.values() if kind.cause in ("motion", "identity", "place", "data"))


@dataclass(frozen=True, slots=True)
class Standing:
    """How signals stand after a batch.

    Attributes:
        counting: signals that count from now on; of those withdrawn in the same batch, until then.
        told: those of them that are to be told: not what is withdrawn in the same batch.
        undone: signals of earlier batches that are withdrawn, with the terminal's row and since when [ns, UTC].
        withdrawn: signals that are withdrawn, whether they were told or not.
    """

    counting: list[Signal]
    told: list[Signal]
    undone: list[tuple[int, Signal, int]]
    withdrawn: int


@dataclass(slots=True)
class Suspension:
    """Memory of signals that are held back, and of those that a suspension would still withdraw."""

    _held: list[tuple[int, Signal]] = field(default_factory=list)
    _recent: list[tuple[int, Signal]] = field(default_factory=list)

    def weigh(self, found_rows: Iterable[int], found: Sequence[Signal], rows: Rows) -> Standing:
        """Hold back what may follow from a disturbed area, release what has waited, and withdraw what a suspension puts in doubt.

        Args:
            found_rows: the row in memory of the terminal of each signal.
            found: signals of this batch.
            rows: observations of this batch, in order of time.
        """
        ready: list[tuple[int, Signal]] = []
        for row, signal in zip(found_rows, found, strict=True):
            if signal.kind in _HELD:
                self._held.append((row, signal))
            else:
                ready.append((row, signal))
                if signal.kind in _POSITIONAL:
                    self._recent.append((row, signal))
        if not self._held and not self._recent:
            signals = [signal for _, signal in ready]
            return Standing(signals, signals, [], 0)
        now_ns = int(rows.t_ns[-1]) if len(rows) else MIN_NS
        suspended = _suspended(rows, {row for row, _ in (*self._held, *self._recent)})
        fresh = {id(signal) for _, signal in ready}
        withdrawn = 0
        undone: list[tuple[int, Signal, int]] = []
        recent: list[tuple[int, Signal]] = []
        for row, signal in self._recent:
            since = _first_within(suspended.get(row), signal.raised_at, signal.raised_at + _WITHDRAWN_NS)
            if since is None:
                if signal.raised_at + _WITHDRAWN_NS > now_ns:
                    recent.append((row, signal))
                continue
            withdrawn += 1
            if id(signal) in fresh:
                short = replace(signal, lasting_s=(since - signal.raised_at) / NS_PER_S)
                ready = [(row, short) if each is signal else (place, each) for place, each in ready]
            else:
                undone.append((row, signal, since))
        held: list[tuple[int, Signal]] = []
        told = [signal for _, signal in ready if id(signal) in fresh]
        for row, signal in self._held:
            free_ns = signal.raised_at + _HELD_NS
            # From its raise on: what was seen before a suspension is forgotten there, and earlier rows may be of an earlier batch.
            if _first_within(suspended.get(row), signal.raised_at, free_ns) is not None:
                withdrawn += 1
            elif free_ns > now_ns:
                held.append((row, signal))
            else:
                free = replace(signal, raised_at=free_ns)
                ready.append((row, free))
                told.append(free)
        self._held, self._recent = held, recent
        return Standing([signal for _, signal in ready], told, undone, withdrawn)

    @property
    def held(self) -> list[Signal]:
        """What is held back now."""
        return [signal for _, signal in self._held]

    def take(self, held: Iterable[Signal]) -> None:
        """Hold back what was held back elsewhere, where all observations of its terminals were seen."""
        self._held += [(_ELSEWHERE, signal) for signal in held]

    def end(self, now_ns: int) -> list[Signal]:
        """Return what is held back, for good: the stream has ended, and its last observation is of `now_ns` [ns, UTC].

        What has waited long enough by then would have been let go by an observation of another terminal, and is here as well.
        """
        free = ((signal, signal.raised_at + _HELD_NS) for signal in self.held)
        held = [replace(signal, raised_at=free_ns) if free_ns <= now_ns else signal for signal, free_ns in free]
        self._held, self._recent = [], []
        return held


def _suspended(rows: Rows, wanted: set[int]) -> dict[int, NDArray[np.int64]]:
    """Return when some terminals were suspended, in order of time."""
    hit = rows.gnss == SUSPENDED
    if not hit.any():
        return {}
    hit &= np.isin(rows.row, np.fromiter(wanted, np.int32, len(wanted)))
    found: dict[int, list[int]] = {}
    for row, when in zip(rows.row[hit].tolist(), rows.t_ns[hit].tolist(), strict=True):
        found.setdefault(row, []).append(when)
    return {row: np.array(times, np.int64) for row, times in found.items()}


def _first_within(times: NDArray[np.int64] | None, from_ns: int, until_ns: int) -> int | None:
    """Return the first of ordered times in a half-open interval: its end may come before the rows of that instant are all there."""
    if times is None:
        return None
    place = int(np.searchsorted(times, from_ns))
    return int(times[place]) if place < len(times) and times[place] < until_ns else None
