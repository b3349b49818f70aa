"""Append-only history in Parquet: observations as they were accepted, decisions as they were made.

    history/KIND/date=YYYY-MM-DD/hour=HH/run-NNNNNN[-c]-PPPPPP.parquet

KIND is `observations`, `decisions` or `over_late`. Where a day holds few rows, one file holds the whole day, under
`hour=00-23`. The parts of one run, read in the order of their numbers, are in order of time. `-c` marks corrections:
rows that a run decided again because late observations had come in; they are in order of time for each terminal. A run
is committed by its manifest; files of a run without one are the leftovers of a crash and are removed before the next
run. Committed files are never changed. They are written by `store.history_writer`.
"""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from groundrule.errors import IntegrityError
from groundrule.instant import NS_PER_S
from groundrule.records import LATER_COLUMNS, OBSERVATION_SCHEMA, with_later
from groundrule.store.home import Home
from groundrule.store.leaving import is_leaving, staying
from groundrule.store.places import ObjectPath, Place, State, dataset_of, parquet_source, state_of
from groundrule.store.shelves import Shelf, discard, shelves_for

_FIRST: Final = set(OBSERVATION_SCHEMA.names).difference(LATER_COLUMNS)
"""Columns of every file of observations."""

MAX_ROWS: Final = 1 << 62
"""More rows than there are."""

NS_PER_HOUR = 3_600 * NS_PER_S
_NAME = re.compile(r"run-(\d{6,})(-c)?-(\d{4,})\.parquet")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def run_files(home: Home, kind: str, run: int, *, corrections: bool = False) -> list[Place]:
    """Return the files of one run in the order in which they were written."""
    return _files_of(home, kind, [run], corrections=corrections)


def day_files(home: Home, kind: str, day: str, *, runs: Sequence[int]) -> list[tuple[int, bool, Place]]:
    """Return run, whether it holds corrections, and path of each file of one day (`YYYY-MM-DD`, UTC), in order of writing."""
    wanted = set(runs)
    found: list[tuple[int, bool, int, Place]] = []
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
        yield _read_file(path, columns)


def read_columns(path: Place, columns: list[str]) -> pa.Table:
    """Read some columns of one file of history; IntegrityError where it cannot be read."""
    return _read_file(path, columns)


def _read_file(path: Place, columns: list[str] | None = None) -> pa.Table:
    try:
        table = staying(path, columns, lambda wanted: pq.ParquetFile(parquet_source(path)).read(columns=wanted))
    except (OSError, pa.ArrowException) as error:
        raise IntegrityError(
            f"history file `{path}` cannot be read", help="restore it from a backup", path=str(path)
        ) from error
    return with_later(table) if columns is None and set(table.column_names) >= _FIRST else table


def read_exactly(
    home: Home, kind: str, run: int, schema: pa.Schema, *, corrections: bool = False
) -> Iterator[pa.Table]:
    """Read the rows of one run as tables of a schema.

    Raises:
        IntegrityError: a file cannot be read, or its columns are not those that were written.
    """
    for path in run_files(home, kind, run, corrections=corrections):
        yield read_file_exactly(path, schema, f"{kind} of run {run}")


def read_file_exactly(path: Place, schema: pa.Schema, what: str) -> pa.Table:
    """Read one file of history as a table of a schema.

    Args:
        what: what it holds, in the plural, for the error.
    Raises:
        IntegrityError: it cannot be read, or its columns are not those that were written.
    """
    return _as(_read_file(path), schema, what)


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
    if columns is None and len(terminal_ids) == 1:
        name = str(pa.scalar(terminal_ids[0]).as_py())
        if is_leaving(home.history, name):
            return pa.table({})
        held = _History(home, kind, runs)
        found = held.whole(name) if at_ns is None else held.at(name, at_ns)
        if until_ns is not None and len(found):
            found = found.filter(pc.field("observed_at") <= until_ns)
        return found if len(found) else pa.table({})
    condition = pc.field("terminal_id").isin(pa.array(terminal_ids, pa.string()))
    if until_ns is not None:
        condition &= pc.field("observed_at") <= until_ns
    if at_ns is not None:
        condition &= pc.field("observed_at").isin(pa.array(at_ns))
    return _sorted_rows(_files_of(home, kind, runs), condition, columns)


def read_newest(
    home: Home, kind: str, terminal_id: str, *, runs: Sequence[int], rows: int, from_ns: int | None = None, until_ns: int | None = None,
    columns: Sequence[str] | None = None,
) -> tuple[pa.Table, int | None]:  # fmt: skip
    """Read the newest rows of one terminal, sorted by time and run, without reading what is older.

    Args:
        runs: numbers of committed runs.
        rows: so many of them at least, where there are so many.
        from_ns, until_ns: of the observations, half-open [ns, UTC]; None is without end.
        columns: only these, and those of which each row has some: `terminal_id`, `observed_at`, `run`, `correction`.
    Returns:
        The rows, as `read_terminals` gives them, and from which instant on they are all that there are [ns, UTC]; None
        where they are all of the interval.
    Raises:
        IntegrityError: a file cannot be read as Parquet any more.
    """
    if is_leaving(home.history, terminal_id):
        return pa.table({}), None
    return _History(home, kind, runs).newest(terminal_id, rows, from_ns, until_ns, columns)


_WHOLE: OrderedDict[tuple[object, ...], pa.Table] = OrderedDict()
"""Every row of a terminal: a dossier asks for them again and again."""
_WHOLE_KEPT: Final = 8
_WHOLE_LOCK = Lock()


class _History:
    """The files of some runs, and the shelves that stand for them."""

    def __init__(self, home: Home, kind: str, runs: Sequence[int]) -> None:
        self._home, self._kind = home, kind
        self._root = home.history / kind
        self._files: Mapping[str, State] = history_files(home, kind, runs)

    def at(self, name: str, at_ns: NDArray[np.int64]) -> pa.Table:
        """Return the rows of a terminal at some instants."""
        if not len(at_ns):
            return pa.table({})
        found = self.newest(name, MAX_ROWS, int(at_ns.min()), int(at_ns.max()) + 1)[0]
        return found if not len(found) else found.filter(pc.field("observed_at").isin(pa.array(at_ns)))

    def whole(self, name: str) -> pa.Table:
        """Return all rows of a terminal."""
        key = self._key(name)
        with _WHOLE_LOCK:
            if key in _WHOLE:
                _WHOLE.move_to_end(key)
                return _WHOLE[key]
        found = self._search(name, MAX_ROWS, None, None, None)[0]
        with _WHOLE_LOCK:
            _WHOLE[key] = found
            while len(_WHOLE) > _WHOLE_KEPT:
                _WHOLE.popitem(last=False)
        return found

    def newest(
        self, name: str, rows: int, from_ns: int | None = None, until_ns: int | None = None, columns: Sequence[str] | None = None
    ) -> tuple[pa.Table, int | None]:
        """See `read_newest`."""
        with _WHOLE_LOCK:
            held = _WHOLE.get(self._key(name))
        if held is None:
            return self._search(name, rows, from_ns, until_ns, columns)
        if columns is not None and len(held):
            held = held.select([*_chosen(columns), "run", "correction"])
        return _in_span(held, from_ns, until_ns), None

    def _search(
        self, name: str, rows: int, from_ns: int | None, until_ns: int | None, columns: Sequence[str] | None
    ) -> tuple[pa.Table, int | None]:
        chosen = None if columns is None else _chosen(columns)
        found: list[tuple[int, pa.Table]] = []
        times: list[NDArray[np.int64]] = []
        cut = None
        for last_ns, first_ns, place, piece in self._pieces():
            if (until_ns is not None and first_ns >= until_ns) or (from_ns is not None and last_ns < from_ns):
                continue
            # What is newer than all that is still to be read is complete.
            if sum(int((each > last_ns).sum()) for each in times) >= rows:
                cut = last_ns + 1
                break
            table = self._read(piece, name, from_ns, until_ns, chosen)
            if len(table):
                found.append((place, table))
                times.append(table.column("observed_at").to_numpy())
        table = _joined([table for _, table in sorted(found, key=lambda each: each[0])], ["observed_at", "terminal_id", "run"])
        return (table if cut is None or not len(table) else table.filter(pc.field("observed_at") >= cut)), cut

    def _pieces(self) -> list[tuple[int, int, int, Shelf | Place]]:
        """Latest and earliest observation, place in history, and what holds it; the newest first."""
        place = {name: number for number, name in enumerate(self._files)}
        shelves = shelves_for(self._home, self._kind, self._files)
        held = {source.name for shelf in shelves for source in shelf.sources}
        pieces: list[tuple[int, int, int, Shelf | Place]] = [
            (shelf.last_ns, shelf.first_ns, place[shelf.sources[0].name], shelf) for shelf in shelves
        ]
        for name, number in place.items():
            if name not in held:
                first_ns, end_ns = _hours_of(name)
                pieces.append((end_ns - 1, first_ns, number, self._root / name))
        return sorted(pieces, key=lambda each: (-each[0], -each[2]))

    def _read(
        self, piece: Shelf | Place, name: str, from_ns: int | None, until_ns: int | None, columns: list[str] | None
    ) -> pa.Table:
        if not isinstance(piece, Shelf):
            return _in_span(_marked(_of_file(piece, name, columns), piece), from_ns, until_ns)
        try:
            table = piece.read(name, None if columns is None else [*columns, "run", "correction"])
        except (OSError, ValueError):
            # Damaged since it was opened: the files themselves are read.
            discard(piece.path)
            parts = [self._read(self._root / source.name, name, from_ns, until_ns, columns) for source in piece.sources]
            parts = [each for each in parts if len(each)]
            return pa.concat_tables(parts, promote_options="permissive") if parts else pa.table({})
        return _in_span(table, from_ns, until_ns)

    def _key(self, name: str) -> tuple[object, ...]:
        return self._root, name, tuple(self._files.items())


def _chosen(columns: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(["terminal_id", "observed_at", *columns]))


def _hours_of(name: str) -> tuple[int, int]:
    """Return a half-open span of time that holds every row of a file [ns, UTC]; corrections of a day may lie in any hour."""
    date, hour, file = name.split("/")
    day = (datetime.strptime(date.removeprefix("date="), "%Y-%m-%d").replace(tzinfo=UTC) - EPOCH).days * 24
    hours = ["00", "23"] if marks_of(Path(file))[1] else hour.removeprefix("hour=").split("-")
    return (day + int(hours[0])) * NS_PER_HOUR, (day + int(hours[-1]) + 1) * NS_PER_HOUR


def _sorted_rows(files: Sequence[Place], condition: pc.Expression, columns: list[str] | None) -> pa.Table:
    found = ((path, _filtered(path, condition, columns)) for path in files)
    parts = [table if columns is not None else _marked(table, path) for path, table in found if len(table)]
    return _joined(parts, ["observed_at", "terminal_id", *(["run"] if columns is None else [])])


def _filtered(path: Place, condition: pc.Expression, columns: list[str] | None) -> pa.Table:
    try:
        stored = dataset_of(path)
        # Of what observations did not have from the beginning, a file holds only what says something.
        absent = [] if columns is None else [name for name in columns if name in LATER_COLUMNS and name not in stored.schema.names]
        table = staying(
            path,
            columns if columns is None else [name for name in columns if name not in absent],
            # A damaged file must end in an error, not in a thread.
            lambda wanted: stored.to_table(filter=condition, columns=wanted, use_threads=False),
        )
    except (OSError, pa.ArrowException) as error:
        raise IntegrityError(
            f"history file `{path}` cannot be read", help="restore it from a backup", path=str(path)
        ) from error
    for name in absent:
        table = table.append_column(OBSERVATION_SCHEMA.field(name), pa.nulls(len(table), OBSERVATION_SCHEMA.field(name).type))
    return table if columns is None else table.select(columns)


def _of_file(path: Place, name: str, columns: list[str] | None) -> pa.Table:
    """Rows of one terminal in a file, as they stand; where there are none, its ids alone are read."""
    try:
        file = pq.ParquetFile(parquet_source(path))
        parts: list[pa.Table] = []
        for group in range(file.num_row_groups):
            ids = file.read_row_group(group, columns=["terminal_id"], use_threads=False).column("terminal_id")
            mine = np.flatnonzero(pc.equal(ids, name).to_numpy(zero_copy_only=False))
            if len(mine):
                whole = file.read_row_group(group, columns=columns, use_threads=False)
                parts.append(whole.take(pa.array(mine)).replace_schema_metadata(None))
    except (OSError, pa.ArrowException) as error:
        raise IntegrityError(
            f"history file `{path}` cannot be read", help="restore it from a backup", path=str(path)
        ) from error
    return pa.concat_tables(parts) if parts else pa.table({})


def _in_span(table: pa.Table, from_ns: int | None, until_ns: int | None) -> pa.Table:
    if len(table) and from_ns is not None:
        table = table.filter(pc.greater_equal(table.column("observed_at"), from_ns))
    if len(table) and until_ns is not None:
        table = table.filter(pc.less(table.column("observed_at"), until_ns))
    return table


def _marked(table: pa.Table, path: Place) -> pa.Table:
    """Say of each row which run wrote it."""
    if not len(table):
        return table
    run, correction = marks_of(path)
    table = table.append_column("run", pa.array(np.full(len(table), run, np.int32)))
    return table.append_column("correction", pa.array(np.full(len(table), correction)))


def _joined(parts: Sequence[pa.Table], keys: list[str]) -> pa.Table:
    """Rows in order; equal ones stay as they are."""
    if not parts:
        return pa.table({})
    whole = pa.concat_tables(parts, promote_options="permissive")
    return whole.take(pc.sort_indices(whole.select(keys), [(key, "ascending") for key in keys]))


def marks_of(path: Place) -> tuple[int, bool]:
    """Return the number of the run that wrote a file, and whether it holds corrections."""
    match = _NAME.fullmatch(path.name)
    assert match is not None
    return int(match.group(1)), match.group(2) is not None


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


def history_files(home: Home, kind: str, runs: Sequence[int]) -> dict[str, State]:
    """Return the state of each file of some runs, by its path below the folder of its kind, in the order of history.

    That is: by run, decisions before their corrections, by part.
    """
    wanted = set(runs)
    found: list[tuple[int, bool, int, str, State]] = []
    root = home.history / kind
    if isinstance(root, ObjectPath):
        return _objects(root, wanted)
    for date in _entries(root, "date="):
        for hour in _entries(date.path, "hour="):
            for entry in _entries(hour.path, "run-"):
                match = _NAME.fullmatch(entry.name)
                if match is not None and int(match.group(1)) in wanted:
                    name = f"{date.name}/{hour.name}/{entry.name}"
                    found.append((int(match.group(1)), match.group(2) is not None, int(match.group(3)), name, state_of(entry.stat())))
    return {name: state for *_, name, state in sorted(found)}


def _objects(root: ObjectPath, wanted: set[int]) -> dict[str, State]:
    found: list[tuple[int, bool, int, str, State]] = []
    for each in root.below():
        match = _NAME.fullmatch(each.name.rpartition("/")[2])
        if match is not None and int(match.group(1)) in wanted:
            found.append((int(match.group(1)), match.group(2) is not None, int(match.group(3)), each.name, each.state))
    return {name: state for *_, name, state in sorted(found)}


def _entries(folder: Path | str, prefix: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [each for each in entries if each.name.startswith(prefix)]
    except FileNotFoundError:
        return []


def _files_of(home: Home, kind: str, runs: Sequence[int], *, corrections: bool | None = None) -> list[Place]:
    """Files of some runs by run, first decisions before corrections, by part; one walk for all runs."""
    wanted = set(runs)
    pattern = f"run-{runs[0]:06d}-*.parquet" if len(runs) == 1 and corrections is False else "run-*.parquet"
    found: list[tuple[int, bool, int, Place]] = []
    for path in (home.history / kind).glob(f"date=*/hour=*/{pattern}"):
        match = _NAME.fullmatch(path.name)
        if match is None or int(match.group(1)) not in wanted:
            continue
        corrected = match.group(2) is not None
        if corrections is None or corrected == corrections:
            found.append((int(match.group(1)), corrected, int(match.group(3)), path))
    return [path for *_, path in sorted(found)]


def _as(table: pa.Table, schema: pa.Schema, what: str) -> pa.Table:
    try:
        given = with_later(table) if schema is OBSERVATION_SCHEMA else table
        return given.select(schema.names).cast(schema)
    except (KeyError, ValueError, pa.ArrowException) as error:
        raise IntegrityError(
            f"the stored {what} do not have the columns that were written: {str(error).splitlines()[0][:200]}",
            help="restore them from a backup",
        ) from error
