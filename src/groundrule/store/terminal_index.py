"""Terminal id text to row number, for millions of ids in memory.

The ids stay where Arrow has them: one buffer of bytes and one of offsets. Beside them lies an open-addressing table of
64-bit slots, `fingerprint << 32 | row + 1`, zero for empty. A probe compares 32 bits of the hash first and the bytes of
the id afterwards, so that an answer is exact.

A lookup costs cache misses and little else. Ids are therefore taken in blocks and every step (hash, slot, the slot with
the same mark, offset, bytes) is done for the whole block before the next, so that the processor waits for many of them at the same time.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from groundrule.errors import InputError

MAX_LOAD = 0.7
_BLOCK = 512
_T = TypeVar("_T", bound=np.generic)
_EMPTY_OFFSETS = np.zeros(1, dtype=np.int32)
_EMPTY_BYTES = np.zeros(8, dtype=np.uint8)


@njit(cache=True, inline="always")
def _hash(data, start, stop):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """64-bit hash of data[start:stop]: eight bytes at a time, multiply and fold, finished as in splitmix64."""
    # Unsigned, because a signed index is asked each time whether it counts from the end.
    at, end = np.uint64(start), np.uint64(stop)
    h = (end - at) * np.uint64(0x9E3779B97F4A7C15)
    while at + np.uint64(8) <= end:
        word = (
            np.uint64(data[at])
            | np.uint64(data[at + np.uint64(1)]) << np.uint64(8)
            | np.uint64(data[at + np.uint64(2)]) << np.uint64(16)
            | np.uint64(data[at + np.uint64(3)]) << np.uint64(24)
            | np.uint64(data[at + np.uint64(4)]) << np.uint64(32)
            | np.uint64(data[at + np.uint64(5)]) << np.uint64(40)
            | np.uint64(data[at + np.uint64(6)]) << np.uint64(48)
            | np.uint64(data[at + np.uint64(7)]) << np.uint64(56)
        )
        h = (h ^ word) * np.uint64(0xFF51AFD7ED558CCD)
        h ^= h >> np.uint64(32)
        at += np.uint64(8)
    word = np.uint64(0)
    shift = np.uint64(0)
    while at < end:
        word |= np.uint64(data[at]) << shift
        shift += np.uint64(8)
        at += np.uint64(1)
    h = (h ^ word) * np.uint64(0xFF51AFD7ED558CCD)
    h ^= h >> np.uint64(29)
    h *= np.uint64(0xC4CEB9FE1A85EC53)
    return h ^ (h >> np.uint64(32))


@njit(cache=True, inline="always")
def _same(a, a_start, b, b_start, length):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    one, other = np.uint64(a_start), np.uint64(b_start)
    end = one + np.uint64(length)
    while one < end:
        if a[one] != b[other]:
            return False
        one += np.uint64(1)
        other += np.uint64(1)
    return True


@njit(cache=True, inline="always")
def _slot_of(h, size):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """Slot in 0..size-1 by multiplication, so that any table size will do."""
    return np.int64(((h & np.uint64(0xFFFFFFFF)) * np.uint64(size)) >> np.uint64(32))


@njit(cache=True, inline="always")
def _slot_like(table, h, slot):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """First slot from this one on that has the mark of a hash, or the empty one at which to stop."""
    mark = h >> np.uint64(32)
    while table[slot] != np.uint64(0) and table[slot] >> np.uint64(32) != mark:
        slot += 1
        if slot == len(table):
            slot = 0
    return slot


@njit(cache=True)
def _find(  # type: ignore[no-untyped-def]
    offsets, data, first, count, table, base_offsets, base_data, extra_offsets, extra_data, n_base, rows
):
    """Write the row of each id offsets[first:first+count] to rows, -1 where unknown."""
    size = len(table)
    hashes = np.empty(_BLOCK, np.uint64)
    slots = np.empty(_BLOCK, np.int64)
    starts = np.empty(_BLOCK, np.int64)
    touched = np.uint64(0)
    for low in range(0, count, _BLOCK):
        m = min(_BLOCK, count - low)
        for k in range(m):
            hashes[k] = _hash(data, offsets[first + low + k], offsets[first + low + k + 1])
        for k in range(m):
            touched += table[_slot_of(hashes[k], size)]
        for k in range(m):
            slots[k] = _slot_like(table, hashes[k], _slot_of(hashes[k], size))
        for k in range(m):
            row = np.int64(table[slots[k]] & np.uint64(0xFFFFFFFF)) - 1
            starts[k] = base_offsets[row] if 0 <= row < n_base else -1
        for k in range(m):
            # Touching the bytes here lets their cache misses overlap; the sum keeps the load from being dropped.
            if starts[k] >= 0:
                touched += np.uint64(base_data[starts[k]])
        for k in range(m):
            start = offsets[first + low + k]
            length = offsets[first + low + k + 1] - start
            slot = slots[k]
            found = np.int64(-1)
            while table[slot] != np.uint64(0):
                row = np.int64(table[slot] & np.uint64(0xFFFFFFFF)) - 1
                if row < n_base:
                    there = np.int64(base_offsets[row])
                    if base_offsets[row + 1] - there == length and _same(data, start, base_data, there, length):
                        found = row
                        break
                else:
                    there = np.int64(extra_offsets[row - n_base])
                    if extra_offsets[row - n_base + 1] - there == length and _same(data, start, extra_data, there, length):
                        found = row
                        break
                slot = _slot_like(table, hashes[k], slot + 1 if slot + 1 < size else 0)
            rows[low + k] = found
    return touched


@njit(cache=True)
def _place(  # type: ignore[no-untyped-def]
    offsets, data, first, last, table, row_shift
):
    """Put ids first..last-1 into the table without comparing; their rows are row_shift + position."""
    size = len(table)
    hashes = np.empty(_BLOCK, np.uint64)
    for low in range(first, last, _BLOCK):
        m = min(_BLOCK, last - low)
        touched = np.uint64(0)
        for k in range(m):
            hashes[k] = _hash(data, offsets[low + k], offsets[low + k + 1])
        for k in range(m):
            touched += table[_slot_of(hashes[k], size)]
        for k in range(m):
            slot = _slot_of(hashes[k], size)
            while table[slot] != np.uint64(0):
                slot += 1
                if slot == size:
                    slot = 0
            table[slot] = ((hashes[k] >> np.uint64(32)) << np.uint64(32)) | np.uint64(low + k + row_shift + 1)


@njit(cache=True)
def _first_repeat(offsets, data, count, table):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """Position of the first id that equals an earlier one, or -1; the table holds all ids."""
    size = len(table)
    for i in range(count):
        h = _hash(data, offsets[i], offsets[i + 1])
        mark = h >> np.uint64(32)
        slot = _slot_of(h, size)
        length = offsets[i + 1] - offsets[i]
        while table[slot] != np.uint64(0):
            entry = table[slot]
            row = np.int64(entry & np.uint64(0xFFFFFFFF)) - 1
            if row == i:
                break
            if (
                entry >> np.uint64(32) == mark
                and offsets[row + 1] - offsets[row] == length
                and _same(data, np.int64(offsets[i]), data, np.int64(offsets[row]), length)
            ):
                return max(i, row)
            slot += 1
            if slot == size:
                slot = 0
    return -1


@njit(cache=True)
def _hash_all(offsets, data, count):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    found = np.empty(count, np.uint64)
    for i in range(count):
        found[i] = _hash(data, offsets[i], offsets[i + 1])
    return found


def hash_ids(ids: pa.Array | pa.ChunkedArray) -> NDArray[np.uint64]:
    """Return a number for each terminal id that depends on its bytes alone: the same on every machine (uint64, shape (n,))."""
    whole = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], pa.string())
    found: NDArray[np.uint64] = _hash_all(*text_buffers(_plain(whole)), len(whole))
    return found


class TerminalIndex:
    """Maps terminal ids to rows: 0..n_base-1 for the given ids, then further rows in the order of `add`.

    Args:
        ids: distinct ids without nulls; their buffers are used in place and must not change.
    Raises:
        InputError: an id occurs twice, is null, or the ids take 2 GiB or more.
    """

    def __init__(self, ids: pa.StringArray | None = None) -> None:
        self._base = pa.array([], pa.string()) if ids is None else ids
        if self._base.null_count:
            raise InputError("a terminal id is missing", help="every terminal of a register has an id")
        self._base_offsets, self._base_data = text_buffers(self._base)
        self._n_base = len(self._base)
        self._extra_offsets = np.zeros(1025, np.int32)
        self._extra_data = np.zeros(32 * 1024, np.uint8)
        self._n_extra = 0
        self._table = np.zeros(max(64, int(self._n_base / MAX_LOAD) + 1), np.uint64)
        _place(self._base_offsets, self._base_data, 0, self._n_base, self._table, 0)
        repeat = _first_repeat(self._base_offsets, self._base_data, self._n_base, self._table)
        if repeat >= 0:
            raise InputError(
                f"the terminal id `{self._base[repeat].as_py()}` occurs twice", help="one row per terminal", row=repeat
            )

    def __len__(self) -> int:
        return self._n_base + self._n_extra

    @property
    def nbytes(self) -> int:
        """Memory of ids and table [bytes]."""
        return int(
            self._base_offsets.nbytes
            + self._base_data.nbytes
            + self._extra_offsets.nbytes
            + self._extra_data.nbytes
            + self._table.nbytes
        )

    def find(self, ids: pa.Array | pa.ChunkedArray) -> NDArray[np.int32]:
        """Return the row of each id; -1 for unknown ids and nulls (int32, shape (n,))."""
        return self._each_chunk(ids, self._find_chunk)

    def add(self, ids: pa.Array | pa.ChunkedArray) -> NDArray[np.int32]:
        """Return the row of each id, giving new rows to unknown ids in order of first appearance; -1 for nulls."""
        return self._each_chunk(ids, self._add_chunk)

    def ids(self) -> pa.StringArray:
        """All ids in row order; the given ones are not copied unless ids were added."""
        if not self._n_extra:
            return self._base
        return pa.concat_arrays([self._base, self._extra()])

    def take(self, rows: NDArray[np.int32]) -> pa.StringArray:
        """Return the ids of rows (text, shape (n,)); every row must exist."""
        return pa.chunked_array([self._base, self._extra()], pa.string()).take(pa.array(rows)).combine_chunks()

    def name(self, row: int) -> str:
        """Return the id of one row, which must exist."""
        if row < self._n_base:
            base: str = self._base[row].as_py()
            return base
        begin, end = self._extra_offsets[row - self._n_base : row - self._n_base + 2].tolist()
        return self._extra_data[begin:end].tobytes().decode()

    def _extra(self) -> pa.StringArray:
        n = self._n_extra
        offsets = pa.py_buffer(self._extra_offsets[: n + 1].copy())
        data = pa.py_buffer(self._extra_data[: self._extra_offsets[n]].copy())
        return pa.StringArray.from_buffers(n, offsets, data)

    def _each_chunk(self, ids, answer) -> NDArray[np.int32]:  # type: ignore[no-untyped-def]  # pyarrow is untyped
        chunks = ids.chunks if isinstance(ids, pa.ChunkedArray) else [ids]
        parts = [answer(chunk) for chunk in chunks]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.zeros(0, np.int32)

    def _find_chunk(self, ids) -> NDArray[np.int32]:  # type: ignore[no-untyped-def]  # pyarrow is untyped
        if pa.types.is_dictionary(ids.type):
            return _through(ids, self._find_chunk(ids.dictionary))
        plain = _plain(ids)
        offsets, data = text_buffers(plain)
        rows = np.empty(len(plain), np.int32)
        _find(
            offsets,
            data,
            0,
            len(plain),
            self._table,
            self._base_offsets,
            self._base_data,
            self._extra_offsets,
            self._extra_data,
            self._n_base,
            rows,
        )
        if plain.null_count:
            rows[plain.is_null().to_numpy(zero_copy_only=False)] = -1
        return rows

    def _add_chunk(self, ids) -> NDArray[np.int32]:  # type: ignore[no-untyped-def]  # pyarrow is untyped
        rows = self._find_chunk(ids)
        if pa.types.is_dictionary(ids.type):
            ids = ids.cast(pa.string())
        unknown = np.flatnonzero(rows < 0)
        if not len(unknown):
            return rows
        # New ids are rare, so an Arrow dictionary finds their order of first appearance.
        coded = ids.take(pa.array(unknown)).dictionary_encode()
        first_new = len(self)
        self._append(_plain(coded.dictionary))
        codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
        rows[unknown] = np.where(codes < 0, -1, codes + first_new)
        return rows

    def _append(self, ids: pa.StringArray) -> None:
        count = len(ids)
        if not count:
            return
        offsets, data = text_buffers(ids)
        low, high = int(offsets[0]), int(offsets[count])
        used = int(self._extra_offsets[self._n_extra])
        if used + high - low >= 2**31:
            raise InputError(
                "the ids of unregistered terminals take 2 GiB", help="register the terminals, or split the run"
            )
        self._extra_offsets = _grown(self._extra_offsets, self._n_extra + count + 1)
        self._extra_data = _grown(self._extra_data, used + high - low)
        self._extra_data[used : used + high - low] = data[low:high]
        self._extra_offsets[self._n_extra + 1 : self._n_extra + count + 1] = offsets[1 : count + 1] - low + used
        first = self._n_extra
        self._n_extra += count
        if len(self) > MAX_LOAD * len(self._table) * 1.01:
            self._table = np.zeros(int(len(self) * 1.5 / MAX_LOAD) + 64, np.uint64)
            _place(self._base_offsets, self._base_data, 0, self._n_base, self._table, 0)
            first = 0
        _place(self._extra_offsets, self._extra_data, first, self._n_extra, self._table, self._n_base)


def _plain(ids: pa.Array) -> pa.StringArray:
    return ids if pa.types.is_string(ids.type) else ids.cast(pa.string())


def text_buffers(ids: pa.StringArray) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Return offsets (int32, shape (n + 1,)) and bytes of a string array, without a copy."""
    _, offsets, data = ids.buffers()
    if offsets is None or len(ids) == 0:
        return _EMPTY_OFFSETS, _EMPTY_BYTES
    numbers = np.frombuffer(offsets, np.int32)[ids.offset : ids.offset + len(ids) + 1]
    octets = _EMPTY_BYTES if data is None or not data.size else np.frombuffer(data, np.uint8)
    return numbers, octets


def _through(ids: pa.DictionaryArray, rows: NDArray[np.int32]) -> NDArray[np.int32]:
    """Rows of a dictionary array, given those of its dictionary."""
    codes = ids.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    if not len(rows):
        return np.full(len(codes), -1, np.int32)
    return np.where(codes < 0, -1, rows[codes]).astype(np.int32)


def _grown(array: NDArray[_T], needed: int) -> NDArray[_T]:
    if needed <= len(array):
        return array
    bigger = np.zeros(max(needed, len(array) * 2), array.dtype)
    bigger[: len(array)] = array
    return bigger
