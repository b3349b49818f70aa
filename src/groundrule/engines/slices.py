"""History divided among buckets of terminals: which files are read together, and the rows of each bucket as bytes.

    file of history ──► rows by hash of the terminal id ──► one slice for each bucket ──► all slices of one bucket

An engine carries slices without looking into them, so every value arrives as it was stored. The hash depends on the bytes of an
id alone, so all rows of a terminal meet in one bucket, whichever machine has read them.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundrule.errors import GroundruleError, StoreError
from groundrule.records import DECISION_SCHEMA, OBSERVATION_SCHEMA, with_later, without_silent
from groundrule.store.history import read_file_exactly, run_files
from groundrule.store.home import Home
from groundrule.store.places import address_of, place_at, size_of
from groundrule.store.terminal_index import hash_ids

OBSERVATIONS: Final = "observations"
DECISIONS: Final = "decisions"
OVER_LATE: Final = "over_late"
GIVEN: Final = "given"
"""Observations that are to be decided; see `given_files`."""
REJECTED: Final = "rejected"
"""Kind of a slice that holds rows of given files that cannot be used, as JSON lines; the bucket of their file gets it."""
REPORT: Final = "report"
"""Kind of a slice that says what became of a given file; likewise."""
UNREADABLE: Final = "unreadable"
"""Kind of a slice that says which file could not be read, and why; bucket 0 gets it."""
PLACE: Final = "place"
"""Column of stored decisions: where in its run a row stands; see `place_of`."""
BUCKET_ROWS: Final = 500_000
"""Observations in a bucket, where nobody says how many buckets there are."""
READ_BYTES: Final = 32_000_000
"""Bytes of history that are read in one task, at least where a file alone has more [bytes]."""
_WITHOUT_ROWS: Final = (UNREADABLE, REJECTED, REPORT)
_FILE_BITS: Final = 32
_CORRECTION: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class HistoryFile:
    """One file of history.

    Attributes:
        kind: OBSERVATIONS, OVER_LATE, DECISIONS or GIVEN.
        run, correction, number: of which run, whether it holds corrections, and its place among such files of that run.
        path: where it lies; a path or an address.
        size: its length [bytes].
        name: what people call it, where it was given.
    """

    kind: str
    run: int
    correction: bool
    number: int
    path: str
    size: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Slice:
    """The rows of one bucket in one file.

    Attributes:
        bucket: from 0.
        kind, run, correction, number: as in `HistoryFile`.
        data: an Arrow stream; of an UNREADABLE file, what is wrong as text.
    """

    bucket: int
    kind: str
    run: int
    correction: bool
    number: int
    data: bytes


def files_of(home: Home, runs: Sequence[int], *, decisions: bool, over_late: bool = False) -> list[HistoryFile]:
    """Return the files of some runs.

    Args:
        decisions: decisions too, and not observations alone.
        over_late: observations that came too late, too.
    """
    kinds = [(OBSERVATIONS, False), *([(DECISIONS, False), (DECISIONS, True)] if decisions else [])]
    kinds += [(OVER_LATE, False)] if over_late else []
    return [
        HistoryFile(kind, run, correction, number, address_of(path), size_of(path))
        for run in runs
        for kind, correction in kinds
        for number, path in enumerate(run_files(home, kind, run, corrections=correction))
    ]


def reads_of(files: Sequence[HistoryFile], at_least: int) -> list[list[HistoryFile]]:
    """Divide files among tasks of about equal size.

    Args:
        at_least: tasks, where there are so many files.
    """
    limit = min(READ_BYTES, sum(each.size for each in files) // max(at_least, 1) + 1)
    tasks: list[list[HistoryFile]] = []
    size = limit
    for each in files:
        if size + each.size > limit:
            tasks.append([])
            size = 0
        tasks[-1].append(each)
        size += each.size
    return tasks


def buckets_for(rows: int) -> int:
    """Return how many buckets some observations are divided into."""
    return max(1, -(-rows // BUCKET_ROWS))


def bucket_of(ids: pa.Array | pa.ChunkedArray, buckets: int) -> NDArray[np.int64]:
    """Return the bucket of each terminal (int64, shape (n,))."""
    return (hash_ids(ids) % np.uint64(buckets)).astype(np.int64)


def cut(file: HistoryFile, buckets: int) -> Iterator[Slice]:
    """Yield the rows of a file by bucket, each in their order; what cannot be read is one slice that says so.

    Raises:
        StoreError: the file is not on this machine.
    """
    schema = DECISION_SCHEMA if file.kind == DECISIONS else OBSERVATION_SCHEMA
    place = place_at(file.path)
    if not place.exists():
        raise StoreError(
            f"`{file.path}` is not on the machine `{platform.node()}`",
            help="every worker has to see the history of the home under the same path, for instance on a shared file system",
        )
    try:
        table = read_file_exactly(place, schema, f"{file.kind} of run {file.run}")
    except GroundruleError as error:
        yield Slice(0, UNREADABLE, file.run, file.correction, file.number, str(error).encode())
        return
    if file.kind != DECISIONS:
        table = without_silent(table)
    else:
        table = table.append_column(PLACE, pa.array(place_of(file.correction, file.number, np.arange(len(table)))))
    yield from cut_table(table, file, buckets)


def cut_table(table: pa.Table, file: HistoryFile, buckets: int) -> Iterator[Slice]:
    """Yield the rows of a table by bucket, each in their order."""
    for number, part in by_bucket(table, buckets):
        yield Slice(number, file.kind, file.run, file.correction, file.number, _packed(part))


def by_bucket(table: pa.Table, buckets: int) -> Iterator[tuple[int, pa.Table]]:
    """Yield each bucket that has rows in a table, and these in their order."""
    bucket = bucket_of(table.column("terminal_id"), buckets)
    order = np.argsort(bucket, kind="stable")
    ends = np.cumsum(np.bincount(bucket, minlength=buckets))
    grouped = table.combine_chunks().take(pa.array(order))
    first = 0
    for number, end in enumerate(ends.tolist()):
        if end > first:
            yield number, grouped.slice(first, end - first)
        first = end


def place_of(correction: bool, number: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return numbers that order decisions of a run as they are stored: first those that correct nothing, file by file (int64)."""
    return rows + np.int64(number << _FILE_BITS) + np.int64(_CORRECTION if correction else 0)


def parts_of_place(place: int) -> tuple[bool, int, int]:
    """Return whether a place is among corrections, the number of its file, and its row there."""
    rest = place & (_CORRECTION - 1)
    return bool(place & _CORRECTION), rest >> _FILE_BITS, rest & ((1 << _FILE_BITS) - 1)


@dataclass(frozen=True, slots=True)
class Bucket:
    """History of the terminals of one bucket.

    Attributes:
        observations: of each run, in its order.
        decisions: of each run, without and with those that correct; with the column PLACE.
        unreadable: runs with a file that could not be read, and what is wrong with it.
        number: of the bucket.
        over_late: observations of each run that came too late.
        given: observations to be decided, in no order.
        beside: slices that hold no rows of history: rejected rows, and reports.
    """

    observations: dict[int, list[pa.Table]]
    decisions: dict[tuple[int, bool], pa.Table]
    unreadable: dict[int, str]
    number: int = 0
    over_late: dict[int, list[pa.Table]] = field(default_factory=dict)
    given: list[pa.Table] = field(default_factory=list)
    beside: list[Slice] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Is there anything in it?"""
        return any((self.observations, self.decisions, self.unreadable, self.over_late, self.given, self.beside))

    @classmethod
    def of(cls, slices: Iterable[Slice]) -> Bucket:
        """Put slices together, in whatever order they come."""
        ordered = sorted(slices, key=lambda each: (each.run, each.kind, each.correction, each.number))
        found: dict[tuple[str, int, bool], list[pa.Table]] = {}
        for each in ordered:
            if each.kind not in _WITHOUT_ROWS:
                found.setdefault((each.kind, each.run, each.correction), []).append(_unpacked(each))
        observations = {
            # One batch a run: rules are applied to many rows at a time.
            run: [pa.concat_tables(tables).combine_chunks()] for (kind, run, _), tables in found.items() if kind == OBSERVATIONS
        }
        decisions = {
            (run, correction): pa.concat_tables(tables) for (kind, run, correction), tables in found.items() if kind == DECISIONS
        }
        return cls(
            observations, decisions, {each.run: each.data.decode() for each in ordered if each.kind == UNREADABLE},
            number=ordered[0].bucket if ordered else 0,
            over_late={run: tables for (kind, run, _), tables in found.items() if kind == OVER_LATE},
            given=[table for (kind, _, _), tables in found.items() if kind == GIVEN for table in tables],
            beside=[each for each in ordered if each.kind in (REJECTED, REPORT)],
        )  # fmt: skip


def _packed(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def _unpacked(piece: Slice) -> pa.Table:
    table = pa.ipc.open_stream(pa.BufferReader(piece.data)).read_all()
    return table if piece.kind == DECISIONS else with_later(table).cast(OBSERVATION_SCHEMA)

