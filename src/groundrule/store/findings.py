"""Findings of a home: what was found out about terminals at instants, in files that are written once and never changed.

    HOME/<folder>/<first>-<last>-<digest>.parquet     times of the first and last row [s since 1970], SHA-256 of the file

One file for each batch; the same batch again is the same file. Rows are sorted by terminal and time, so that one terminal's are
found without reading the others'. What decisions rest on stands with their observations; these files show it. A file that is not
what its name says is damaged: it is named, and harms no other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groundrule.errors import InputError, IntegrityError, StoreError
from groundrule.instant import MAX_NS, MIN_NS, NS_PER_S
from groundrule.store.durable import write_durably
from groundrule.store.home import Home

SMALL_BYTES: Final = 1 << 20
"""Files below this are put together."""
ROWS: Final = 20_000
"""Rows of one group: what is read at least to find a terminal."""
_NAME: Final = re.compile(r"(-?\d+)-(-?\d+)-([0-9a-f]{64})\.parquet")
_TRIES: Final = 4


@dataclass(frozen=True, slots=True)
class Batch:
    """One file.

    Attributes:
        path: where it is.
        first_ns, last_ns: times of its rows lie between these, in whole seconds [ns, UTC].
        digest: of the file [64 hex digits].
    """

    path: Path
    first_ns: int
    last_ns: int
    digest: str


@dataclass(frozen=True, slots=True)
class Findings:
    """Findings of one kind.

    Attributes:
        folder: of the home.
        time: column with the instant of a row [ns, UTC]. key: column with the digest that tells rows of one terminal and instant apart.
        what: they are, in words. maker: command that makes them.
    """

    folder: str
    time: str
    key: str
    what: str
    maker: str

    @property
    def keys(self) -> dict[str, pa.DataType]:
        """Columns that every row has: whose, when, and the digest."""
        return {"terminal_id": pa.string(), self.time: pa.int64(), self.key: pa.string()}

    def write(self, home: Home, table: pa.Table) -> str | None:
        """Keep findings; the caller holds the home's write lock.

        Args:
            table: any columns; `keys` are needed.
        Returns:
            Digest of the file [64 hex digits]; None for no rows.
        Raises:
            InputError: a column of `keys` is missing, of another type, or has unknown values.
            StoreError: the disk refused.
        """
        for name, kind in self.keys.items():
            if name not in table.column_names or table.schema.field(name).type != kind or table[name].null_count:
                raise InputError(f"{self.what} have no whole column `{name}`", help=f"give what `{self.maker}` makes", field=name)
        if not len(table):
            return None
        ordered = table.sort_by([("terminal_id", "ascending"), (self.time, "ascending"), (self.key, "ascending")]).combine_chunks()
        ordered = ordered.replace_schema_metadata({"format": f"groundrule-{self.folder}-1"})
        sink = pa.BufferOutputStream()
        pq.write_table(ordered, sink, compression="zstd", row_group_size=ROWS, store_schema=True)
        data = sink.getvalue().to_pybytes()
        digest = sha256(data).hexdigest()
        times = pc.min_max(ordered[self.time]).as_py()
        path = home.path / self.folder / f"{times['min'] // NS_PER_S}-{times['max'] // NS_PER_S}-{digest}.parquet"
        if not path.exists():
            write_durably(path, data)
        return digest

    def batches(self, home: Home) -> list[Batch]:
        """Return the files of a home, the newest last; what is named otherwise is none of them."""
        folder = home.path / self.folder
        if not folder.is_dir():
            return []
        found = ((path, _NAME.fullmatch(path.name)) for path in folder.iterdir())
        made = [
            Batch(path, int(match[1]) * NS_PER_S, (int(match[2]) + 1) * NS_PER_S - 1, match[3])
            for path, match in found if match and len(match[1]) < 12 and len(match[2]) < 12
        ]  # fmt: skip
        return sorted(made, key=lambda each: (each.last_ns, each.first_ns, each.digest))

    def read(
        self, home: Home, *, terminal: str | None = None, from_ns: int | None = None, until_ns: int | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:  # fmt: skip
        """Return findings in order of time, then terminal.

        Args:
            home: whose.
            terminal: of this one alone.
            from_ns, until_ns: from the first to before the second [ns, UTC].
            columns: besides `keys`; None is all of them.
        Returns:
            A table; one that stands in several files is there once. Without rows it has the columns of `keys` alone.
        Raises:
            IntegrityError, StoreError: a file is damaged, or cannot be read.
        """
        low, high = MIN_NS if from_ns is None else from_ns, MAX_NS if until_ns is None else until_ns
        condition = (pc.field(self.time) >= low) & (pc.field(self.time) < high)
        if terminal is not None:
            condition &= pc.field("terminal_id") == terminal

        def read() -> pa.Table:
            chosen = [each for each in self.batches(home) if each.last_ns >= low and each.first_ns < high]
            return self._joined([self._read(each, condition, columns) for each in chosen])

        return _again(read)

    def newest(
        self, home: Home, most: int, *, terminal: str | None = None, before: tuple[int, str, str] | None = None,
        from_ns: int | None = None, until_ns: int | None = None, columns: Sequence[str] | None = None,
    ) -> pa.Table:  # fmt: skip
        """Return the last findings, the newest first; files that can hold none of them are not read.

        Args:
            home, terminal, from_ns, until_ns, columns: as for `read`.
            most: so many at most.
            before: only those that stand behind this one in that order: its time, terminal and digest.
        """
        low, high = MIN_NS if from_ns is None else from_ns, MAX_NS if until_ns is None else until_ns
        condition = (pc.field(self.time) >= low) & (pc.field(self.time) < high)
        if terminal is not None:
            condition &= pc.field("terminal_id") == terminal
        if before is not None:
            condition &= pc.field(self.time) <= before[0]
            high = min(high, before[0] + 1)
        order = [(self.time, "descending"), ("terminal_id", "ascending"), (self.key, "ascending")]

        def read() -> pa.Table:
            found = self._nothing()
            for each in reversed(self.batches(home)):
                if each.last_ns < low or each.first_ns >= high:
                    continue
                if len(found) >= most and each.last_ns < found[self.time][most - 1].as_py():
                    break
                more = self._read(each, condition, columns)
                if before is not None and len(more):
                    more = more.filter(self._behind(more, before))
                if len(more):
                    found = self._joined([found, more]).sort_by(order).slice(0, most)
            return found

        return _again(read)

    def find(self, home: Home, digest: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the finding with a digest: one row, or none.

        Args:
            home: whose.
            digest: as the column `key` has it.
            columns: as for `read`.
        """

        def read() -> pa.Table:
            for each in reversed(self.batches(home)):
                found = self._read(each, pc.field(self.key) == digest, columns)
                if len(found):
                    return found.slice(0, 1)
            return self._nothing()

        return _again(read)

    def latest(self, home: Home, *, since_ns: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the last finding of each terminal that is not older than an instant, by terminal; for the next start.

        Args:
            home: whose.
            since_ns: older ones are left out [ns, UTC].
            columns: as for `read`.
        """
        whole = self.read(home, from_ns=since_ns, columns=columns)
        if not len(whole):
            return whole
        ordered = whole.sort_by([("terminal_id", "ascending"), (self.time, "ascending"), (self.key, "ascending")])
        names = ordered["terminal_id"].combine_chunks()
        last = pc.not_equal(names.slice(0, len(names) - 1), names.slice(1)).to_pylist()
        return ordered.filter(pa.array([*last, True]))

    def gather_small(self, home: Home, *, least: int = 16) -> int:
        """Put small files together to one, and return how many went into it; the caller holds the home's write lock.

        A row is always in the old files, in the new one, or in both, which counts once.

        Args:
            least: fewer small files are left as they are.
        """
        small = [each for each in self.batches(home) if each.path.stat().st_size < SMALL_BYTES]
        if len(small) < least:
            return 0
        whole = pa.concat_tables([Findings._read(self, each, pc.scalar(True), None) for each in small], promote_options="default")
        written = self.write(home, self._joined([whole.slice(0, 0), whole]))
        for each in small:
            if each.digest != written:
                each.path.unlink(missing_ok=True)
        return len(small)

    def _joined(self, parts: Sequence[pa.Table]) -> pa.Table:
        """Put tables together, by time and terminal; a row that is there twice counts once."""
        held = [part for part in parts if len(part)]
        if not held:
            return self._nothing()
        order = [(self.time, "ascending"), ("terminal_id", "ascending"), (self.key, "ascending")]
        whole = pa.concat_tables(held, promote_options="default").sort_by(order)
        if len(parts) == 1:
            return whole.combine_chunks()
        seen: set[tuple[Any, ...]] = set()
        keep = []
        for row in zip(*(whole[name].to_pylist() for name in self.keys), strict=True):
            keep.append(row not in seen)
            seen.add(row)
        return whole.filter(pa.array(keep)).combine_chunks()

    def _behind(self, table: pa.Table, before: tuple[int, str, str]) -> pa.Array:
        rows = zip(*(table[name].to_pylist() for name in self.keys), strict=True)
        return pa.array([(-at, name, inputs) > (-before[0], before[1], before[2]) for name, at, inputs in rows])

    def _nothing(self) -> pa.Table:
        return pa.schema(self.keys.items()).empty_table()

    def _read(self, batch: Batch, condition: pc.Expression, columns: Sequence[str] | None) -> pa.Table:
        try:
            _check(batch)
            wanted: list[str] | None = None
            if columns is not None:
                there = pq.read_schema(batch.path).names
                wanted = [name for name in dict.fromkeys([*self.keys, *columns]) if name in there]
            return pq.read_table(batch.path, columns=wanted, filters=condition)
        except FileNotFoundError as error:
            raise _Gone(f"cannot read `{batch.path}`: it is gone", path=str(batch.path)) from error
        except OSError as error:
            raise StoreError(f"cannot read `{batch.path}`: {error}", path=str(batch.path)) from error
        except (pa.ArrowException, ValueError, KeyError) as error:
            raise IntegrityError(f"`{batch.path}` is damaged", help="restore it from a copy", path=str(batch.path)) from error


def _again(read: Callable[[], pa.Table]) -> pa.Table:
    """Read, and once more where a file went into another one meanwhile."""
    for _ in range(_TRIES - 1):
        try:
            return read()
        except _Gone:
            continue
    return read()


class _Gone(StoreError):
    """A file is not there any more."""


_CHECKED: dict[tuple[str, int, int], None] = {}
_MOST_CHECKED = 10_000


def _check(batch: Batch) -> None:
    """Hold a file against its name, once for each state of it in a process."""
    stat = batch.path.stat()
    key = (str(batch.path), stat.st_size, stat.st_mtime_ns)
    if key in _CHECKED:
        return
    if sha256(batch.path.read_bytes()).hexdigest() != batch.digest:
        raise IntegrityError(f"`{batch.path}` is not what its name says", help="restore it from a copy", path=str(batch.path))
    while len(_CHECKED) >= _MOST_CHECKED:
        _CHECKED.pop(next(iter(_CHECKED)))
    _CHECKED[key] = None
