"""Writes history: the rows of one run, in the files that `store.history` reads."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundrule.records import without_silent
from groundrule.store.history import EPOCH, NS_PER_HOUR
from groundrule.store.home import Home
from groundrule.store.places import Place, settle, write_parquet

PART_ROWS = 262_144
"""Most rows of one file; bounds the memory of a reader and of the writer."""

HOUR_ROWS = 20_000
"""A day's rows get one file an hour from this many rows an hour on; below, files would cost more than they order."""


class HistoryWriter:
    """Writes one kind of rows of one run; the order of the rows is kept.

    Args:
        home: where to.
        kind: `observations`, `decisions` or `over_late`.
        run: number of the run.
        corrections: whether the rows are corrections.
    """

    def __init__(self, home: Home, kind: str, run: int, *, corrections: bool = False) -> None:
        self._history = home.history
        self._root = home.history / kind
        self._stem = f"run-{run:06d}{'-c' if corrections else ''}"
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._files: list[Place] = []
        self.rows = 0

    def append(self, table: pa.Table) -> None:
        """Add rows; within one terminal, in order of time. Columns that came later and say nothing are left out."""
        table = without_silent(table)
        for first in range(0, len(table), PART_ROWS):
            piece = table.slice(first, PART_ROWS)
            if self._pending_rows + len(piece) > PART_ROWS:
                self.flush()
            self._pending.append(piece)
            self._pending_rows += len(piece)
        self.rows += len(table)

    def flush(self) -> None:
        """Write what is pending, so that it can be read; `close` makes it durable."""
        if not self._pending:
            return
        table = pa.concat_tables(self._pending, promote_options="default")
        self._pending, self._pending_rows = [], 0
        hours = table.column("observed_at").to_numpy() // NS_PER_HOUR
        wanted: list[tuple[pa.Table, Place]] = []
        for start, end in _segments(hours // 24):
            day = hours[start:end]
            by_hour = _segments(day)
            if (end - start) // len(by_hour) < HOUR_ROWS:
                by_hour = [(0, end - start)]
            for low, high in by_hour:
                name = f"{day[low] % 24:02d}" if day[low] == day[high - 1] else "00-23"
                place = self._place(int(day[low]) // 24, name, len(self._files) + len(wanted))
                wanted.append((table.slice(start + low, high - low), place))
        write_parquet(wanted)
        self._files += [place for _, place in wanted]

    def close(self) -> int:
        """Write what is pending, make every file durable and return the number of rows."""
        self.flush()
        settle(self._files, self._history)
        return self.rows

    def _place(self, day: int, hour: str, part: int) -> Place:
        folder = self._root / f"date={EPOCH + timedelta(days=day):%Y-%m-%d}" / f"hour={hour}"
        return folder / f"{self._stem}-{part:06d}.parquet"


def _segments(values: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Bounds of stretches of equal neighbours."""
    cuts = (np.flatnonzero(np.diff(values)) + 1).tolist()
    return list(zip([0, *cuts], [*cuts, len(values)], strict=True))
