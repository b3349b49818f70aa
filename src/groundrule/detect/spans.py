"""Intervals of time by cell: which cells were held when."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class Spans:
    """Half-open intervals by code of a cell; those of one cell do not overlap and are added in order of time.

    Attributes:
        rows: code, from, until [ns, UTC].
    """

    rows: list[tuple[int, int, int]] = field(default_factory=list)
    _last: dict[int, int] = field(default_factory=dict)
    _array: NDArray[np.int64] | None = None

    def prolong(self, code: int, from_ns: int, until_ns: int) -> None:
        """Add an interval; one that meets the cell's last is joined to it."""
        place = self._last.get(code)
        if place is not None and from_ns <= self.rows[place][2]:
            self.rows[place] = (code, self.rows[place][1], max(until_ns, self.rows[place][2]))
        else:
            self._last[code] = len(self.rows)
            self.rows.append((code, from_ns, until_ns))
        self._array = None

    def forget(self, before_ns: int) -> None:
        """Leave out what ended before an instant [ns, UTC]."""
        kept = [row for row in self.rows if row[2] >= before_ns]
        if len(kept) < len(self.rows):
            self.rows = kept
            self._last = {row[0]: place for place, row in enumerate(kept)}
            self._array = None

    def hold(self, code: NDArray[np.int32], t_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say which (code, instant) lie in an interval; shape (n,)."""
        inside = np.zeros(len(code), bool)
        if not self.rows or not len(code):
            return inside
        if self._array is None:
            spans = np.array(self.rows, np.int64)
            self._array = spans[np.lexsort((spans[:, 1], spans[:, 0]))]
        spans = self._array
        marked = np.zeros(max(int(code.max()), int(spans[-1, 0])) + 1, bool)
        marked[spans[:, 0]] = True
        chosen = np.flatnonzero(marked[code])
        if not len(chosen):
            return inside
        n = len(spans)
        codes = np.concatenate([spans[:, 0], code[chosen]])
        starts = np.concatenate([spans[:, 1], t_ns[chosen]])
        order = np.lexsort((np.arange(len(codes)) >= n, starts, codes))
        # The last interval at or before each row in this order; one of another cell does not count.
        last = np.maximum.accumulate(np.where(order < n, order, -1))
        query = order >= n
        which, found = chosen[order[query] - n], last[query]
        there = spans[np.maximum(found, 0)]
        inside[which] = (found >= 0) & (there[:, 0] == code[which]) & (t_ns[which] < there[:, 2])
        return inside
