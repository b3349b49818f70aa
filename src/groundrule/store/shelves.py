"""Copies of history sorted by terminal, so that what concerns one terminal is read without searching everything.

    HOME/cache/shelves/KIND/shelf-NNNNNNNNNNNN.parquet

History lies in order of time, as it was written, and every file holds something of most terminals. A shelf is a copy of
some consecutive files, sorted by terminal; the rows of one terminal stand together in one or two of its row groups. Shelves
are made by `store.shelving`; they lie in the cache, may be deleted at any time, and are never needed for an answer.

A shelf counts only while every file that it was copied from is the one it was copied from: size, times and inode, which
change when somebody writes, replaces or restores a file; of an object size and time, to the second. Its pages carry
checksums, and its rows are counted against those of its sources; one that is damaged is removed, and the files themselves
are read.
"""

from __future__ import annotations

import json
import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groundrule.store.home import Home
from groundrule.store.places import State, state_of

KEY: Final = b"groundrule.shelf"
"""Under this name a shelf says what it was copied from."""
VERSION: Final = 1
_OPEN: Final = 48
"""Shelves whose directories of row groups are kept in memory, of all homes."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file of history.

    Attributes:
        name: its path below the folder of its kind.
        state: as it was when it was copied.
        rows: in it.
    """

    name: str
    state: State
    rows: int


@dataclass(slots=True)
class Shelf:
    """A copy of consecutive files, sorted by terminal and, for each, as in the files.

    Attributes:
        path: where it lies.
        sources: files, in the order of history.
        first_ns, last_ns: earliest and latest observation [ns, UTC].
    """

    path: Path
    sources: tuple[Source, ...]
    first_ns: int
    last_ns: int
    _file: pq.ParquetFile
    _first: list[str]
    _last: list[str]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def rows(self) -> int:
        """Rows of all its sources."""
        return sum(each.rows for each in self.sources)

    @classmethod
    def open(cls, path: Path) -> Shelf:
        """Open a shelf.

        Raises:
            ValueError: it is none, or damaged. OSError: it cannot be read.
        """
        try:
            file = pq.ParquetFile(path, memory_map=True, page_checksum_verification=True)
            said = json.loads(file.schema_arrow.metadata[KEY])
            sources = tuple(Source(str(name), _state(state), int(rows)) for name, state, rows in said["sources"])
            column = file.schema_arrow.get_field_index("terminal_id")
            groups = [file.metadata.row_group(number).column(column) for number in range(file.metadata.num_row_groups)]
            # The ids stand before every nested column, so that their place among fields is that among leaves.
            first, last = [str(group.statistics.min) for group in groups], [str(group.statistics.max) for group in groups]
            whole = said["v"] == VERSION and all(group.path_in_schema == "terminal_id" for group in groups)
            made = cls(path, sources, int(said["first_ns"]), int(said["last_ns"]), file, first, last)
        except (KeyError, TypeError, AttributeError, pa.ArrowException) as error:
            raise ValueError(f"`{path}` is no shelf") from error
        if not whole or not sources or file.metadata.num_rows != made.rows or last != sorted(last):
            raise ValueError(f"`{path}` does not hold what it says")
        return made

    def read(self, terminal_id: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows of one terminal in the order of history, with `run` and `correction`; or only some columns.

        Raises:
            ValueError: it is damaged. OSError: it cannot be read.
        """
        first, end = bisect_left(self._last, terminal_id), bisect_right(self._first, terminal_id)
        if first >= end:
            return pa.table({})
        try:
            with self._lock:
                table = self._file.read_row_groups(list(range(first, end)), columns=columns, use_threads=False)
        except pa.ArrowException as error:
            raise ValueError(f"`{self.path}` is damaged") from error
        mine = np.flatnonzero(pc.equal(table.column("terminal_id"), terminal_id).to_numpy(zero_copy_only=False))
        if not len(mine):
            return pa.table({})
        if mine[-1] - mine[0] + 1 != len(mine):
            raise ValueError(f"`{self.path}` is not in order")
        # Nested columns are slow to filter, and what stands together need not be.
        return table.slice(int(mine[0]), len(mine)).replace_schema_metadata(None)


class _Opened:
    """Shelves that were opened; the ones used longest ago are let go."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[Path, State], Shelf] = OrderedDict()

    def get(self, path: Path) -> Shelf | None:
        """Return a shelf; None where it cannot be used, and then it is removed."""
        try:
            key = (path, state_of(path.stat()))
            with self._lock:
                if key in self._held:
                    self._held.move_to_end(key)
                    return self._held[key]
            found = Shelf.open(path)
        except OSError:
            return None
        except ValueError:
            discard(path)
            return None
        with self._lock:
            self._held[key] = found
            while len(self._held) > _OPEN:
                self._held.popitem(last=False)
        return found


_OPENED: Final = _Opened()


def shelf_folder(home: Home, kind: str) -> Path:
    """Return where the shelves of a kind of history lie."""
    return home.cache / "shelves" / kind


def discard(path: Path) -> None:
    """Remove a shelf that is of no use; where the folder cannot be written, it stays and is passed by."""
    with suppress(OSError):
        path.unlink()


def shelves_for(home: Home, kind: str, files: Mapping[str, State]) -> list[Shelf]:
    """Return the shelves that can stand for files: each file in one of them at most, in the order of history.

    Args:
        home: whose.
        kind: `observations` or `decisions`.
        files: state of each file, by its path below the folder of its kind, in the order of history.
    """
    try:
        found = [_OPENED.get(path) for path in shelf_folder(home, kind).glob("shelf-*.parquet")]
    except OSError:
        return []
    place = {name: number for number, name in enumerate(files)}
    good = [each for each in found if each is not None and all(files.get(source.name) == source.state for source in each.sources)]
    taken: set[str] = set()
    chosen: list[Shelf] = []
    for shelf in sorted(good, key=lambda each: -each.rows):
        names = [source.name for source in shelf.sources]
        if taken.isdisjoint(names) and _follow(names, place):
            taken.update(names)
            chosen.append(shelf)
    return sorted(chosen, key=lambda each: place[each.sources[0].name])


def _follow(names: Sequence[str], place: Mapping[str, int]) -> bool:
    """Do files follow one another in history without a gap?"""
    first = place[names[0]]
    return all(place[name] == first + number for number, name in enumerate(names))


def _state(given: Sequence[int]) -> State:
    size, changed, status, inode = given
    return int(size), int(changed), int(status), int(inode)
