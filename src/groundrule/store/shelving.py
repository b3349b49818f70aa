"""Makes shelves: copies of history sorted by terminal (`store.shelves`), a bounded piece of work at a time.

Files that no shelf holds are copied when there are enough of them; shelves of about the same size that follow one another
are made one, from the files themselves, so that a terminal's rows lie in few places and each row is copied a few times at
most.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groundrule.store.durable import durable_file
from groundrule.store.history import history_files, marks_of
from groundrule.store.home import Home
from groundrule.store.places import Place, parquet_source
from groundrule.store.shelves import KEY, VERSION, Shelf, Source, discard, shelf_folder, shelves_for

KINDS: Final = ("decisions", "observations")
SHELF_ROWS: Final = 1_048_576
"""Most rows of a shelf made of several files; bounds memory while it is made [rows]."""
GROUP_ROWS: Final = 4_096
"""Rows that are read for one terminal at least [rows]."""
LEAST_FILES: Final = 8
LEAST_ROWS: Final = 32_768
"""Files that no shelf holds are left until there are so many of them, or so many rows."""
_FAN: Final = 4


@dataclass(frozen=True, slots=True)
class _Unit:
    """A shelf, or a file that lies on none."""

    sources: tuple[Source, ...]
    shelf: Shelf | None

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.sources)


def shelve(home: Home, runs: Sequence[int], *, stop: Callable[[], bool] = lambda: False) -> int:
    """Make the shelves that are wanting; return how many were made.

    Args:
        home: whose; its write lock is not needed. Where somebody else makes shelves of it, nothing is done.
        runs: numbers of the committed runs.
        stop: asked all the time; what is under way is then given up.
    Raises:
        OSError, StoreError: the cache cannot be written.
        IntegrityError: a file of history cannot be read.
    """
    made = 0
    root = home.cache / "shelves"
    root.mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("a+b") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        for kind in KINDS:
            folder = shelf_folder(home, kind)
            folder.mkdir(parents=True, exist_ok=True)
            rows_of: dict[str, int] = {}
            while not stop():
                wanted = _next(home, kind, runs, rows_of)
                if wanted is None:
                    break
                if not _make(home, kind, wanted, stop):
                    break
                _tidy(home, kind, runs)
                made += 1
    return made


def _next(home: Home, kind: str, runs: Sequence[int], rows_of: dict[str, int]) -> list[Source] | None:
    """Return the files of the next shelf to be made; None where all is well."""
    states = history_files(home, kind, runs)
    shelves = {each.sources[0].name: each for each in shelves_for(home, kind, states)}
    units: list[_Unit] = []
    skip = 0
    for name, state in states.items():
        if skip:
            skip -= 1
        elif name in shelves:
            skip = len(shelves[name].sources) - 1
            units.append(_Unit(shelves[name].sources, shelves[name]))
        else:
            if name not in rows_of:
                rows_of[name] = _rows_in(home.history / kind / name)
            units.append(_Unit((Source(name, state, rows_of[name]),), None))
    return _unshelved(units) or _alike(units)


def _unshelved(units: Sequence[_Unit]) -> list[Source] | None:
    """Files that follow one another and are enough for a shelf, or full."""
    for first, unit in enumerate(units):
        if unit.shelf is not None or (first and units[first - 1].shelf is None):
            continue
        taken = _fill(units, first, lambda each: each.shelf is None)
        if len(taken) >= LEAST_FILES or sum(each.rows for each in taken) >= LEAST_ROWS:
            return taken
    return None


def _alike(units: Sequence[_Unit]) -> list[Source] | None:
    """Shelves that follow one another, and none is larger than the others together: no row is copied again for a few."""
    for first in range(len(units) - _FAN + 1):
        group = units[first : first + _FAN]
        rows = [each.rows for each in group]
        if all(each.shelf is not None for each in group) and 2 * max(rows) <= sum(rows) <= SHELF_ROWS:
            return [source for each in group for source in each.sources]
    return None


def _fill(units: Sequence[_Unit], first: int, fits: Callable[[_Unit], bool]) -> list[Source]:
    taken: list[Source] = []
    rows = 0
    for unit in units[first:]:
        if not fits(unit) or (taken and rows + unit.rows > SHELF_ROWS):
            break
        taken += unit.sources
        rows += unit.rows
    return taken


class _Stopped(Exception):
    """Somebody said to stop."""


def _make(home: Home, kind: str, sources: Sequence[Source], stop: Callable[[], bool]) -> bool:
    """Copy files to a shelf; False where it was told to stop first, and then there is none."""
    try:
        _write(home, kind, sources, stop)
    except _Stopped:
        return False
    return True


def _write(home: Home, kind: str, sources: Sequence[Source], stop: Callable[[], bool]) -> None:
    root = home.history / kind
    tables = []
    for each in sources:
        _heed(stop)
        tables.append(_copied(root / each.name))
    table = pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()
    observed = table.column("observed_at").to_numpy()
    said = {
        "v": VERSION, "sources": [[each.name, list(each.state), each.rows] for each in sources],
        "first_ns": int(observed.min(initial=np.iinfo(np.int64).max)), "last_ns": int(observed.max(initial=np.iinfo(np.int64).min)),
    }  # fmt: skip
    names = table.column("terminal_id").combine_chunks()
    coded = names.dictionary_encode() if not isinstance(names, pa.ChunkedArray) else pa.concat_arrays(names.chunks).dictionary_encode()
    rank = pc.rank(coded.dictionary, tiebreaker="first").to_numpy().astype(np.int32)
    order = np.argsort(rank[coded.indices.to_numpy()], kind="stable")
    plain = pa.schema([pa.field(each.name, _plain(each.type)) for each in table.schema], metadata={KEY: json.dumps(said).encode()})
    name = sha256("\n".join(each.name for each in sources).encode()).hexdigest()[:24]
    with (
        durable_file(shelf_folder(home, kind) / f"shelf-{name}.parquet") as stream,
        pq.ParquetWriter(stream, plain, compression="zstd", compression_level=1, write_page_checksum=True) as writer,
    ):
        # Dictionaries are unpacked a group at a time: whole, they would take four times the memory.
        for low in range(0, len(order), GROUP_ROWS):
            _heed(stop)
            writer.write_table(table.take(pa.array(order[low : low + GROUP_ROWS])).cast(plain), row_group_size=GROUP_ROWS)


def _heed(stop: Callable[[], bool]) -> None:
    if stop():
        raise _Stopped


def _copied(path: Place) -> pa.Table:
    """Read a file with its texts as codes."""
    source = parquet_source(path)
    leaves = pq.ParquetFile(source).schema
    texts = [
        leaves.column(number).path
        for number in range(len(leaves))
        if leaves.column(number).physical_type == "BYTE_ARRAY" and leaves.column(number).path != "terminal_id"
    ]
    table = pq.ParquetFile(source, read_dictionary=texts).read(use_threads=False)
    run, correction = marks_of(path)
    table = table.append_column("run", pa.array(np.full(len(table), run, np.int32)))
    return table.append_column("correction", pa.array(np.full(len(table), correction))).replace_schema_metadata(None)


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return a type without dictionaries."""
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_list(kind):
        return pa.list_(_plain(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(each.name, _plain(each.type)) for each in kind])
    return kind


def _tidy(home: Home, kind: str, runs: Sequence[int]) -> None:
    """Remove shelves that others have replaced, or whose files have changed."""
    states = history_files(home, kind, runs)
    used = {each.path for each in shelves_for(home, kind, states)}
    for path in shelf_folder(home, kind).glob("shelf-*.parquet"):
        if path not in used:
            discard(path)
    for path in shelf_folder(home, kind).glob(".shelf-*.part"):
        with suppress(OSError):
            path.unlink()


def _rows_in(path: Place) -> int:
    return int(pq.ParquetFile(parquet_source(path)).metadata.num_rows)
