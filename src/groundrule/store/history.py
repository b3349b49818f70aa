"""Append-only history in Parquet: observations as they were accepted, decisions as they were made.

    history/KIND/date=YYYY-MM-DD/hour=HH/run-NNNNNN[-c]-PPPP.parquet

KIND is `observations`, `decisions` or `over_late`. The parts of one run, read in the order of their paths, are in order of
time. `-c` marks corrections: rows that a run decided again because late observations had come in; they follow the others.
A run is committed by its manifest; files of a run without one are the leftovers of a crash and are removed before the next
run. Committed files are never changed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from groundrule.errors import IntegrityError, StoreError
from groundrule.instant import NS_PER_S
from groundrule.store.home import Home

PART_ROWS = 1_000_000
"""Most rows of one file; bounds the memory of a reader."""

_NS_PER_HOUR = 3_600 * NS_PER_S
_NAME = re.compile(r"run-(\d{6})(-c)?-(\d{4})\.parquet")


class HistoryWriter:
    """Writes one kind of rows of one run; rows must come in order of `observed_at`.

    Args:
        home: where to.
        kind: `observations`, `decisions` or `over_late`.
        run: number of the run.
        corrections: whether the rows are corrections.
    """

    def __init__(self, home: Home, kind: str, run: int, *, corrections: bool = False) -> None:
        self._root = home.history / kind
        self._stem = f"run-{run:06d}{'-c' if corrections else ''}"
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._hour: int | None = None
        self._part = 0
        self._files: list[Path] = []
        self.rows = 0

    def append(self, table: pa.Table) -> None:
        """Add rows, in order of time and not before the rows added so far."""
        hours = table.column("observed_at").to_numpy() // _NS_PER_HOUR
        cuts = np.flatnonzero(np.diff(hours)) + 1
        for start, end in zip([0, *cuts.tolist()], [*cuts.tolist(), len(table)], strict=True):
            if start == end:
                continue
            hour = int(hours[start])
            if hour != self._hour:
                self._flush()
                self._hour, self._part = hour, 0
            for first in range(start, end, PART_ROWS):
                piece = table.slice(first, min(PART_ROWS, end - first))
                if self._pending_rows + len(piece) > PART_ROWS:
                    self._flush()
                self._pending.append(piece)
                self._pending_rows += len(piece)
        self.rows += len(table)

    def close(self) -> int:
        """Write what is pending, make every file durable and return the number of rows."""
        self._flush()
        folders: set[Path] = set()
        for path in self._files:
            _sync(path)
            folders.update((path.parent, path.parent.parent, path.parent.parent.parent))
        for folder in folders:
            _sync(folder)
        return self.rows

    def _flush(self) -> None:
        if not self._pending or self._hour is None:
            return
        moment = datetime.fromtimestamp(self._hour * 3600, UTC) if self._hour >= 0 else _early(self._hour)
        folder = self._root / f"date={moment:%Y-%m-%d}" / f"hour={moment:%H}"
        path = folder / f"{self._stem}-{self._part:04d}.parquet"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.concat_tables(self._pending), path, compression="zstd", compression_level=1)
        except OSError as error:
            raise StoreError(f"cannot write `{path}`: {error.strerror or error}", path=str(path)) from error
        self._files.append(path)
        self._part += 1
        self._pending, self._pending_rows = [], 0


def run_files(home: Home, kind: str, run: int, *, corrections: bool = False) -> list[Path]:
    """Return the files of one run in order of time."""
    wanted = ("-c" if corrections else None)
    found = []
    for path in (home.history / kind).glob(f"date=*/hour=*/run-{run:06d}*.parquet"):
        match = _NAME.fullmatch(path.name)
        if match and match.group(2) == wanted:
            found.append(path)
    return sorted(found)


def read_run(home: Home, kind: str, run: int, *, corrections: bool = False, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Read the rows of one run in the order in which they were written.

    Raises:
        IntegrityError: a file cannot be read as Parquet any more.
    """
    for path in run_files(home, kind, run, corrections=corrections):
        try:
            yield pq.ParquetFile(path).read(columns=columns)
        except (OSError, pa.ArrowInvalid) as error:
            raise IntegrityError(f"history file `{path}` cannot be read", help="restore it from a backup", path=str(path)) from error


def read_terminals(
    home: Home, kind: str, terminal_ids: Sequence[str] | pa.Array, *, runs: Sequence[int], until_ns: int | None = None
) -> pa.Table:
    """Read all rows of some terminals over several runs, sorted by time, terminal and run.

    Args:
        until_ns: leave out rows after this instant [ns, UTC].
    Returns:
        The rows with two more columns, `run` (int32) and `correction` (bool).
    """
    condition = pc.field("terminal_id").isin(pa.array(terminal_ids, pa.string()))
    if until_ns is not None:
        condition &= pc.field("observed_at") <= until_ns
    parts: list[pa.Table] = []
    for run in runs:
        for corrections in (False, True):
            files = run_files(home, kind, run, corrections=corrections)
            if not files:
                continue
            table = ds.dataset([str(path) for path in files], format="parquet").to_table(filter=condition)
            table = table.append_column("run", pa.array(np.full(len(table), run, np.int32)))
            parts.append(table.append_column("correction", pa.array(np.full(len(table), corrections))))
    if not parts:
        return pa.table({})
    whole = pa.concat_tables(parts, promote_options="permissive")
    order = pc.sort_indices(whole, [("observed_at", "ascending"), ("terminal_id", "ascending"), ("run", "ascending")])
    return whole.take(order)


def remove_uncommitted(home: Home, committed: Sequence[int]) -> int:
    """Delete files of runs that have no manifest; return how many."""
    keep = set(committed)
    removed = 0
    for path in home.history.glob("*/date=*/hour=*/run-*.parquet"):
        match = _NAME.fullmatch(path.name)
        if match and int(match.group(1)) not in keep:
            path.unlink()
            removed += 1
    return removed


def _early(hour: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + (datetime.fromtimestamp(3600, UTC) - datetime.fromtimestamp(0, UTC)) * hour


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
