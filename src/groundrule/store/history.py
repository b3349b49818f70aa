"""Append-only history in Parquet: observations as they were accepted, decisions as they were made.

    history/KIND/date=YYYY-MM-DD/hour=HH/run-NNNNNN[-c]-PPPPPP.parquet

KIND is `observations`, `decisions` or `over_late`. Where a day holds few rows, one file holds the whole day, under
`hour=00-23`. The parts of one run, read in the order of their numbers, are in order of time. `-c` marks corrections:
rows that a run decided again because late observations had come in; they are in order of time for each terminal. A run
is committed by its manifest; files of a run without one are the leftovers of a crash and are removed before the next
run. Committed files are never changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from numpy.typing import NDArray

from groundrule.errors import IntegrityError, StoreError
from groundrule.instant import NS_PER_S
from groundrule.store.durable import sync_folder
from groundrule.store.home import Home

PART_ROWS = 262_144
"""Most rows of one file; bounds the memory of a reader and of the writer."""

HOUR_ROWS = 20_000
"""A day's rows get one file an hour from this many rows an hour on; below, files would cost more than they order."""

SYNC_THREADS = 16

_NS_PER_HOUR = 3_600 * NS_PER_S
_NAME = re.compile(r"run-(\d{6,})(-c)?-(\d{4,})\.parquet")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
        self._files: list[Path] = []
        self.rows = 0

    def append(self, table: pa.Table) -> None:
        """Add rows; within one terminal, in order of time."""
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
        table = pa.concat_tables(self._pending)
        self._pending, self._pending_rows = [], 0
        hours = table.column("observed_at").to_numpy() // _NS_PER_HOUR
        for start, end in _segments(hours // 24):
            day = hours[start:end]
            by_hour = _segments(day)
            if (end - start) // len(by_hour) < HOUR_ROWS:
                by_hour = [(0, end - start)]
            for low, high in by_hour:
                name = f"{day[low] % 24:02d}" if day[low] == day[high - 1] else "00-23"
                self._write(table.slice(start + low, high - low), int(day[low]) // 24, name)

    def close(self) -> int:
        """Write what is pending, make every file durable and return the number of rows."""
        self.flush()
        folders: set[Path] = set()
        for path in self._files:
            folders.update((path.parent, path.parent.parent, self._root, self._history))
        _sync_all(self._files)
        _sync_all(sorted(folders))
        return self.rows

    def _write(self, table: pa.Table, day: int, hour: str) -> None:
        folder = self._root / f"date={_EPOCH + timedelta(days=day):%Y-%m-%d}" / f"hour={hour}"
        path = folder / f"{self._stem}-{len(self._files):06d}.parquet"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, path, compression="zstd", compression_level=1)
        except OSError as error:
            raise StoreError(f"cannot write `{path}`: {error.strerror or error}", path=str(path)) from error
        self._files.append(path)


def run_files(home: Home, kind: str, run: int, *, corrections: bool = False) -> list[Path]:
    """Return the files of one run in the order in which they were written."""
    return _files_of(home, kind, [run], corrections=corrections)


def day_files(home: Home, kind: str, day: str, *, runs: Sequence[int]) -> list[tuple[int, bool, Path]]:
    """Return run, whether it holds corrections, and path of each file of one day (`YYYY-MM-DD`, UTC), in order of writing."""
    wanted = set(runs)
    found: list[tuple[int, bool, int, Path]] = []
    for path in (home.history / kind / f"date={day}").glob("hour=*/run-*.parquet"):
        match = _NAME.fullmatch(path.name)
        if match is not None and int(match.group(1)) in wanted:
            found.append((int(match.group(1)), match.group(2) is not None, int(match.group(3)), path))
    return [(run, correction, path) for run, correction, _, path in sorted(found)]


def run_numbers(home: Home) -> set[int]:
    """Return the numbers of all runs that have files, whether they are committed or not."""
    found = (_NAME.fullmatch(path.name) for path in home.history.glob("*/date=*/hour=*/run-*.parquet"))
    return {int(match.group(1)) for match in found if match}


def read_run(
    home: Home, kind: str, run: int, *, corrections: bool = False, columns: list[str] | None = None
) -> Iterator[pa.Table]:
    """Read the rows of one run in the order in which they were written.

    Raises:
        IntegrityError: a file cannot be read as Parquet any more.
    """
    for path in run_files(home, kind, run, corrections=corrections):
        try:
            yield pq.ParquetFile(path).read(columns=columns)
        except (OSError, pa.ArrowException) as error:
            raise IntegrityError(
                f"history file `{path}` cannot be read", help="restore it from a backup", path=str(path)
            ) from error


def read_exactly(
    home: Home, kind: str, run: int, schema: pa.Schema, *, corrections: bool = False
) -> Iterator[pa.Table]:
    """Read the rows of one run as tables of a schema.

    Raises:
        IntegrityError: a file cannot be read, or its columns are not those that were written.
    """
    for table in read_run(home, kind, run, corrections=corrections):
        yield _as(table, schema, f"{kind} of run {run}")


def read_terminals(
    home: Home,
    kind: str,
    terminal_ids: Sequence[str] | pa.Array,
    *,
    runs: Sequence[int],
    until_ns: int | None = None,
    at_ns: NDArray[np.int64] | None = None,
    columns: list[str] | None = None,
) -> pa.Table:
    """Read all rows of some terminals over several runs, sorted by time, terminal and run.

    Args:
        runs: numbers of committed runs.
        until_ns: leave out rows after this instant [ns, UTC].
        at_ns: only rows at one of these instants [ns, UTC].
        columns: only these, without `run` and `correction`.
    Returns:
        The rows with two more columns, `run` (int32) and `correction` (bool).
    Raises:
        IntegrityError: a file cannot be read as Parquet any more.
    """
    files = tuple(_files_of(home, kind, runs))
    if columns is None and len(terminal_ids) == 1:
        whole = _of_one_terminal(str(pa.scalar(terminal_ids[0]).as_py()), tuple((path, _state(path)) for path in files))
        if not len(whole):
            return pa.table({})
        if until_ns is not None:
            whole = whole.filter(pc.field("observed_at") <= until_ns)
        if at_ns is not None:
            whole = whole.filter(pc.field("observed_at").isin(pa.array(at_ns)))
        return whole if len(whole) else pa.table({})
    condition = pc.field("terminal_id").isin(pa.array(terminal_ids, pa.string()))
    if until_ns is not None:
        condition &= pc.field("observed_at") <= until_ns
    if at_ns is not None:
        condition &= pc.field("observed_at").isin(pa.array(at_ns))
    return _sorted_rows(files, condition, columns)


def _state(path: Path) -> tuple[int, int, int]:
    """What differs when a file was written again."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


@lru_cache(maxsize=8)
def _of_one_terminal(terminal_id: str, files: tuple[tuple[Path, tuple[int, int, int]], ...]) -> pa.Table:
    """Every row of one terminal: a dossier asks for them again and again, and each time all files would be searched."""
    condition = pc.field("terminal_id") == terminal_id
    return _sorted_rows(tuple(path for path, _ in files), condition, None)


def _sorted_rows(files: Sequence[Path], condition: pc.Expression, columns: list[str] | None) -> pa.Table:
    parts: list[pa.Table] = []
    for path in files:
        try:
            table = ds.dataset(str(path), format="parquet").to_table(
                filter=condition,
                columns=columns,
                use_threads=False,  # a damaged file must end in an error, not in a thread
            )
        except (OSError, pa.ArrowException) as error:
            raise IntegrityError(
                f"history file `{path}` cannot be read", help="restore it from a backup", path=str(path)
            ) from error
        if not len(table):
            continue
        if columns is None:
            match = _NAME.fullmatch(path.name)
            assert match is not None
            table = table.append_column("run", pa.array(np.full(len(table), int(match.group(1)), np.int32)))
            table = table.append_column("correction", pa.array(np.full(len(table), match.group(2) is not None)))
        parts.append(table)
    if not parts:
        return pa.table({})
    whole = pa.concat_tables(parts, promote_options="permissive")
    keys = ["observed_at", "terminal_id", *(["run"] if columns is None else [])]
    return whole.take(pc.sort_indices(whole.select(keys), [(key, "ascending") for key in keys]))


def count_terminals(home: Home, kind: str, terminal_ids: pa.Array, *, runs: Sequence[int]) -> NDArray[np.int64]:
    """Return the number of rows of each terminal over several runs (int64, shape (n,))."""
    counts = np.zeros(len(terminal_ids), np.int64)
    for run in runs:
        for table in read_run(home, kind, run, columns=["terminal_id"]):
            found = pc.index_in(table.column("terminal_id"), value_set=terminal_ids)
            counts += np.bincount(pc.drop_null(found).to_numpy(), minlength=len(counts))
    return counts


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


def _files_of(home: Home, kind: str, runs: Sequence[int], *, corrections: bool | None = None) -> list[Path]:
    """Files of some runs by run, first decisions before corrections, by part; one walk for all runs."""
    wanted = set(runs)
    pattern = f"run-{runs[0]:06d}-*.parquet" if len(runs) == 1 and corrections is False else "run-*.parquet"
    found: list[tuple[int, bool, int, Path]] = []
    for path in (home.history / kind).glob(f"date=*/hour=*/{pattern}"):
        match = _NAME.fullmatch(path.name)
        if match is None or int(match.group(1)) not in wanted:
            continue
        corrected = match.group(2) is not None
        if corrections is None or corrected == corrections:
            found.append((int(match.group(1)), corrected, int(match.group(3)), path))
    return [path for *_, path in sorted(found)]


def _segments(values: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Bounds of stretches of equal neighbours."""
    cuts = (np.flatnonzero(np.diff(values)) + 1).tolist()
    return list(zip([0, *cuts], [*cuts, len(values)], strict=True))


def _sync_all(paths: Sequence[Path]) -> None:
    """Flush files or folders; at the same time, because the disk's journal then commits many of them at once."""
    if len(paths) < 4:
        for path in paths:
            sync_folder(path)
        return
    with ThreadPoolExecutor(SYNC_THREADS) as pool:
        for _ in pool.map(sync_folder, paths):
            pass


def _as(table: pa.Table, schema: pa.Schema, what: str) -> pa.Table:
    try:
        return table.select(schema.names).cast(schema)
    except (KeyError, ValueError, pa.ArrowException) as error:
        raise IntegrityError(
            f"the stored {what} do not have the columns that were written: {str(error).splitlines()[0][:200]}",
            help="restore them from a backup",
        ) from error
