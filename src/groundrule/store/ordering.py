"""Observations in one total order, without exact repeats, in bounded memory.

The order is (observed_at, terminal_id in byte order, content). Two rows with the same content are one observation that
was delivered twice: the one with the lower (source, source_row) stays. Where one of them has something attached to it here (radio,
signals, a suspension) and the other has not, the first stays. The result depends on the set of rows alone, not on how they were split
into files and batches or in which order these came.

1. Batches are gathered up to a quarter of the memory limit and sorted (nothing is done where they are in order).
2. If that was all, the result is handed out. Otherwise each sorted chunk is written to the work folder.
3. Chunks that follow each other in time are read back one after the other; chunks that overlap are merged by DuckDB,
   which spills to the same folder.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numba import njit
from numpy.typing import NDArray

from groundrule.errors import StoreError
from groundrule.records import ATTACHED_COLUMNS, OBSERVATION_SCHEMA, taken
from groundrule.store.terminal_index import text_buffers

_KEY = ("observed_at", "terminal_id")
_TRACING = ("source", "source_row")
_CONTENT = tuple(name for name in OBSERVATION_SCHEMA.names if name not in _KEY + _TRACING)
_ATTACHED_STATES = pa.array(["suspended", "normal"])
"""What is attached here, and what it takes the place of."""


class Ordering:
    """Sorts observations; a context manager that removes its work folder at the end.

    Args:
        workdir: folder for spilled chunks; created when needed, removed at the end.
        batch_rows: most rows of a batch handed out.
        memory_limit_mb: rough bound on memory [MB].

    Attributes:
        duplicates: exact repeats dropped so far [rows].
    """

    def __init__(self, workdir: Path, *, batch_rows: int = 1_000_000, memory_limit_mb: int = 2_048) -> None:
        self._workdir, self._batch_rows, self._limit_mb = workdir, batch_rows, memory_limit_mb
        self.duplicates = 0

    def __enter__(self) -> Ordering:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._workdir, ignore_errors=True)

    def sorted(self, batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Yield all rows in order, without repeats, in batches that are not empty.

        Raises:
            StoreError: the work folder cannot be written.
        """
        chunk: list[pa.Table] = []
        size = 0
        spilled: list[tuple[Path, int, int]] = []
        for batch in batches:
            if batch.num_rows:
                chunk.append(batch)
                size += batch.nbytes
            if size * 4 > self._limit_mb * 1_000_000:
                spilled.append(self._spill(chunk, len(spilled)))
                chunk, size = [], 0
        if not spilled:
            if chunk:
                yield from self._cut(self._order(pa.concat_tables(chunk)))
            return
        if chunk:
            spilled.append(self._spill(chunk, len(spilled)))
        spilled.sort(key=lambda part: part[1])
        if all(before[2] < after[1] for before, after in pairwise(spilled)):
            for path, _, _ in spilled:
                yield from self._cut(pq.read_table(path, schema=OBSERVATION_SCHEMA))
        else:
            yield from self._merge([path for path, _, _ in spilled])

    def _order(self, table: pa.Table) -> pa.Table:
        ordered = in_order(table)
        self.duplicates += table.num_rows - ordered.num_rows
        return ordered

    def _cut(self, table: pa.Table) -> Iterator[pa.Table]:
        for first in range(0, table.num_rows, self._batch_rows):
            yield table.slice(first, self._batch_rows)

    def _spill(self, chunk: list[pa.Table], number: int) -> tuple[Path, int, int]:
        table = self._order(pa.concat_tables(chunk))
        path = self._workdir / f"chunk-{number:05d}.parquet"
        try:
            self._workdir.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, path, compression="lz4", row_group_size=256_000)
        except OSError as error:
            raise StoreError(f"cannot write `{path}`: {error.strerror or error}", path=str(path)) from error
        times = table["observed_at"]
        return path, times[0].as_py(), times[-1].as_py()

    def _merge(self, paths: list[Path]) -> Iterator[pa.Table]:
        """Merge sorted chunks; rows with the key of a batch's last row wait for the next batch."""
        import duckdb  # noqa: PLC0415 - a tenth of a second to load, for what only large inputs need

        held: pa.Table | None = None
        try:
            with duckdb.connect(
                config={
                    "memory_limit": f"{max(self._limit_mb // 2, 256)}MB",
                    "threads": 1,
                    "temp_directory": str(self._workdir / "spill"),
                }
            ) as connection:
                rows = connection.read_parquet([str(path) for path in paths]).order("observed_at, terminal_id")
                for batch in rows.to_arrow_reader(self._batch_rows):
                    table = pa.Table.from_batches([batch]).select(OBSERVATION_SCHEMA.names).cast(OBSERVATION_SCHEMA)
                    if held is not None:
                        table = pa.concat_tables([held, table])
                    ready, held = _before_last_key(table)
                    if ready.num_rows:
                        yield from self._cut(self._order(ready))
        except duckdb.Error as error:
            raise StoreError(f"sorting failed: {str(error).splitlines()[0]}", path=str(self._workdir)) from error
        if held is not None and held.num_rows:
            yield self._order(held)


def in_order(table: pa.Table) -> pa.Table:
    """Return observations in the total order, without exact repeats; the table itself if it is so already.

    Args:
        table: of OBSERVATION_SCHEMA.
    """
    if table.num_rows < 2:
        return table
    times = table["observed_at"].to_numpy()
    if _is_ordered(times, *text_buffers(table["terminal_id"].combine_chunks())):
        return table
    ranks = _ranks(table["terminal_id"])
    order = np.lexsort((ranks, times))
    times, ranks = times[order], ranks[order]
    same = (times[1:] == times[:-1]) & (ranks[1:] == ranks[:-1])
    if not same.any():
        return taken(table, pa.array(order))
    tied = np.concatenate([same, [False]]) | np.concatenate([[False], same])
    group = np.concatenate([[0], np.cumsum(~same)])[tied]
    rows = taken(table, pa.array(order[tied]))
    contents = [_as_integers(rows[name]) for name in _CONTENT]
    tracing = [_as_integers(rows[name]) for name in _TRACING]
    inner = np.lexsort((*reversed(tracing), *reversed(contents), group))
    repeated = np.ones(len(inner) - 1, np.bool_)
    for key in (group, *contents):
        repeated &= key[inner][1:] == key[inner][:-1]
    order[tied] = order[tied][inner]
    keep = np.ones(len(order), np.bool_)
    keep[np.flatnonzero(tied)[1:][repeated]] = False
    silent = _silent(rows)
    if silent.any() and not silent.all():
        keep[np.flatnonzero(tied)[_said_beside(rows, contents, group, silent)[inner]]] = False
    return taken(table, pa.array(order[keep]))


def _silent(rows: pa.Table) -> NDArray[np.bool_]:
    """Which observations has nothing been attached to here?"""
    found = pc.invert(pc.fill_null(pc.equal(rows["gnss_state"], "suspended"), False))
    for name in ATTACHED_COLUMNS:
        found = pc.and_(found, pc.is_null(rows[name]))
    return np.asarray(found.to_numpy())


def _said_beside(
    rows: pa.Table, contents: Sequence[NDArray[np.int64]], group: NDArray[np.int64], silent: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which silent observations came again beside one that says the same and has something attached?"""
    state = pc.if_else(pc.is_in(rows["gnss_state"], value_set=_ATTACHED_STATES), pa.scalar(None, pa.string()), rows["gnss_state"])
    told = [values for name, values in zip(_CONTENT, contents, strict=True) if name not in (*ATTACHED_COLUMNS, "gnss_state")]
    keys = (group, *told, _as_integers(state))
    inner = np.lexsort((*reversed(keys),))
    first = np.ones(len(inner), np.bool_)
    for key in keys:
        first[1:] &= key[inner][1:] == key[inner][:-1]
    first[1:] = ~first[1:]
    cluster = np.empty(len(inner), np.int64)
    cluster[inner] = np.cumsum(first) - 1
    speaks = np.zeros(int(cluster.max()) + 1, np.bool_)
    speaks[cluster[~silent]] = True
    return silent & speaks[cluster]


@njit(cache=True)
def _is_ordered(times, offsets, data):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """Are (time, id bytes) strictly increasing?"""
    for row in range(1, len(times)):
        if times[row] > times[row - 1]:
            continue
        if times[row] < times[row - 1]:
            return False
        a, b, end = offsets[row - 1], offsets[row], offsets[row + 1]
        length = min(b - a, end - b)
        k = 0
        while k < length and data[a + k] == data[b + k]:
            k += 1
        if k == length:
            if b - a >= end - b:
                return False
        elif data[a + k] > data[b + k]:
            return False
    return True


def _before_last_key(table: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Split a sorted table before the first row that has the key of its last row."""
    times = table["observed_at"].to_numpy()
    last_id = table["terminal_id"][-1]
    first = int(np.searchsorted(times, times[-1], "left"))
    tail = table["terminal_id"].slice(first)
    cut = first + int(pc.index(tail, last_id).as_py())
    return table.slice(0, cut), table.slice(cut)


def _ranks(texts: pa.ChunkedArray) -> NDArray[np.int64]:
    """Rank of each text in byte order; null is below all."""
    coded = texts.combine_chunks().dictionary_encode()
    order = pc.sort_indices(coded.dictionary).to_numpy()
    rank_of = np.empty(len(order) + 1, np.int64)
    rank_of[order] = np.arange(len(order))
    rank_of[-1] = -1
    return rank_of[coded.indices.fill_null(len(order)).to_numpy(zero_copy_only=False)]


def _as_integers(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Integers that are equal where the values are, in an order that depends on the values alone; null is lowest."""
    kind = column.type
    if column.null_count == len(column):
        return np.zeros(len(column), np.int64)
    if pa.types.is_string(kind):
        return _ranks(column)
    if pa.types.is_struct(kind):
        texts = [None if value is None else json.dumps(value, sort_keys=True) for value in column.to_pylist()]
        return _ranks(pa.chunked_array([pa.array(texts, pa.string())]))
    if pa.types.is_list(kind) and pa.types.is_string(kind.value_type):
        texts = [None if value is None else json.dumps(value) for value in column.to_pylist()]
        return _ranks(pa.chunked_array([pa.array(texts, pa.string())]))
    if pa.types.is_list(kind):
        lists: list[Any] = column.to_pylist()
        written = ["".join(f"{code + 2**31:010d}" for code in one) if one is not None else None for one in lists]
        return _ranks(pa.chunked_array([pa.array(written, pa.string())]))
    values = column.combine_chunks()
    missing = values.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_boolean(kind):
        bits = values.fill_null(False).to_numpy(zero_copy_only=False).astype(np.int64)
    else:
        plain = values.fill_null(0).to_numpy(zero_copy_only=False)
        # + 0.0 makes the negative zero a zero; bits of floats are equal only where the values are.
        bits = plain.view(np.int64) if plain.dtype.itemsize == 8 else plain.astype(np.float64).view(np.int64)
        if plain.dtype.kind == "f":
            bits = (plain.astype(np.float64) + 0.0).view(np.int64)
    return np.where(missing, np.int64(-(2**63)), bits)
