"""Words of terminals about their navigation, as they wait for their step and count in its window."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numba import njit
from numpy.typing import NDArray

EVENT_DTYPE = np.dtype(
    [("t", "i8"), ("lat", "f8"), ("lon", "f8"), ("home_lat", "f4"), ("home_lon", "f4"),
     ("terminal", "i4"), ("cell", "i4"), ("flags", "u1")], align=True,
)  # fmt: skip
"""One word of one terminal: when, position shown [degree; NaN none], its home then [degree, to about a metre], row, finest cell by
code, flags of `gnss_track`."""


@dataclass(slots=True)
class Stream:
    """Words of one sort: those that wait for their step, and those of the window, in order of time.

    Args:
        window_ns: a word counts for so long [ns].
        kinds: numbers of the kinds of trouble that such words tell of.
    """

    window_ns: int
    kinds: tuple[int, ...]
    pending: list[NDArray[np.void]] = field(default_factory=list)
    recent: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, EVENT_DTYPE))
    mark: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))

    def first_pending(self) -> int | None:
        """Earliest instant that waits [ns, UTC]."""
        return min((int(part["t"].min()) for part in self.pending), default=None)

    def last_pending(self) -> int | None:
        """Latest instant that waits [ns, UTC]."""
        return max((int(part["t"].max()) for part in self.pending), default=None)

    def latest(self, end_ns: int) -> NDArray[np.void]:
        """The last word of each terminal that spoke in the window before an instant."""
        begin = np.searchsorted(self.recent["t"], end_ns - self.window_ns)
        self.recent = self.recent[begin:]
        if self.pending:
            fresh = self._fresh(end_ns)
            self.recent = np.concatenate([self.recent, fresh[fresh["t"] >= end_ns - self.window_ns]])
        terminal = self.recent["terminal"]
        highest = int(terminal.max(initial=-1)) + 1
        if highest > len(self.mark):
            self.mark = np.zeros(highest + highest // 2, bool)
        return self.recent[_last_of_each(terminal, self.mark)]

    def _fresh(self, end_ns: int) -> NDArray[np.void]:
        """Take out what waited for a step that ends now, in order of time."""
        fresh, later = [], []
        for part in self.pending:
            now = part["t"] < end_ns
            if now.all():
                fresh.append(part)
                continue
            later.append(part[~now])
            if now.any():
                fresh.append(part[now])
        self.pending = later
        found = np.concatenate(fresh) if fresh else np.zeros(0, EVENT_DTYPE)
        t_ns = found["t"]
        return found if (t_ns[1:] >= t_ns[:-1]).all() else found[np.argsort(t_ns, kind="stable")]


@njit(cache=True, nogil=True)
def _last_of_each(terminal, mark):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """Indices of the last word of each terminal, ascending; `mark` is all false before and after."""
    keep = np.empty(len(terminal), np.int64)
    count = 0
    for i in range(len(terminal) - 1, -1, -1):
        if not mark[terminal[i]]:
            mark[terminal[i]] = True
            keep[count] = i
            count += 1
    for i in range(count):
        mark[terminal[keep[i]]] = False
    return keep[:count][::-1].copy()
