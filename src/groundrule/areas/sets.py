"""Interned area sets: each distinct set of memberships has a small code, and a change of one member is a table look-up.

A kernel that needs a change not yet known stops and names it; Python then makes the set, grows the table and lets the
kernel go on at the same row. So nothing has a capacity that could overflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from groundrule.errors import InputError

INSIDE, EDGE = 1, 2
"""Membership of an area: surely (within the edge probability) inside; or perhaps."""

TOGGLE, SET_INSIDE, SET_EDGE, SET_OUTSIDE = 0, 1, 2, 3
"""Changes of one member, in the two low bits of a move; the bits above hold the member."""

MISSING = -1

Whole = int | np.integer[Any]
"""An integer as Python or a kernel has it."""


class SetTable(NamedTuple):
    """What kernels see; arrays are replaced when they grow."""

    keys: NDArray[np.int64]  # open addressing; (code << 32) | move, or -1
    values: NDArray[np.int32]  # code after the move
    start: NDArray[np.int64]  # (sets + 1,) into items
    items: NDArray[np.int32]  # 4 * member + membership, ascending within a set


@njit(cache=True)
def move_of(member: int, change: int) -> Whole:
    """Return the number of a change to a member."""
    return np.int64(member) * 4 + change


@njit(cache=True)
def moved(table: SetTable, code: Whole, move: Whole) -> Whole:
    """Return the code of a set after a move, or MISSING if the table does not know it yet."""
    key = (np.int64(code) << 32) | np.int64(move)
    mask = len(table.keys) - 1
    slot = hash_of(key) & mask
    while True:
        found = table.keys[slot]
        if found == key:
            return table.values[slot]
        if found < 0:
            return np.int32(MISSING)
        slot = (slot + 1) & mask


@njit(cache=True)
def hash_of(key: Whole) -> Whole:
    """Mix a key (Fibonacci hashing, upper bits)."""
    mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64(mixed >> np.uint64(33))


@njit(cache=True)
def membership_in(table: SetTable, code: Whole, member: int) -> int:
    """Return 0 (outside), INSIDE or EDGE."""
    for k in range(table.start[code], table.start[code + 1]):
        item = table.items[k]
        if item >> 2 == member:
            return item & 3
    return 0


@njit(cache=True)
def _insert(keys: NDArray[np.int64], values: NDArray[np.int32], key: int, value: int) -> None:
    mask = len(keys) - 1
    slot = hash_of(key) & mask
    while keys[slot] >= 0:
        slot = (slot + 1) & mask
    keys[slot] = key
    values[slot] = value


@njit(cache=True)
def _rehash(
    old_keys: NDArray[np.int64], old_values: NDArray[np.int32], keys: NDArray[np.int64], values: NDArray[np.int32]
) -> None:
    for k in range(len(old_keys)):
        if old_keys[k] >= 0:
            _insert(keys, values, old_keys[k], old_values[k])


class AreaSets:
    """The growing list of sets and the table of moves between them.

    Args:
        start, members: sets of inside members in the order of their codes; code 0 is the empty set.
    """

    def __init__(self, start: NDArray[np.int32], members: NDArray[np.int32]) -> None:
        count = len(start) - 1
        if count < 1 or start[1] != 0:
            raise InputError("the first area set must be the empty set")
        self._count = count
        self._moves = 0
        self._start = np.zeros(max(64, 2 * count), np.int64)
        self._start[: count + 1] = start
        self._items = np.zeros(max(256, 2 * len(members)), np.int32)
        self._items[: len(members)] = members * 4 + INSIDE
        self._keys = np.full(1 << 12, -1, np.int64)
        self._values = np.zeros(1 << 12, np.int32)
        self._codes = {self._raw(code): code for code in range(count)}

    def __len__(self) -> int:
        return self._count

    @property
    def table(self) -> SetTable:
        """The arrays for kernels, as they are now."""
        return SetTable(self._keys, self._values, self._start, self._items)

    @property
    def nbytes(self) -> int:
        """Memory of the arrays [byte]."""
        return self._keys.nbytes + self._values.nbytes + self._start.nbytes + self._items.nbytes

    def members(self, code: int) -> tuple[tuple[int, int], ...]:
        """Return (member, membership) of each area of a set, ascending by member.

        Raises:
            InputError: no such code, -1 (position unknown) included.
        """
        if not 0 <= code < self._count:
            raise InputError(f"no area set has the code {code}", help=f"codes run from 0 to {self._count - 1}")
        return tuple((item >> 2, item & 3) for item in self._raw(code))

    def intern(self, members: Sequence[tuple[int, int]]) -> int:
        """Return the code of a set, making it if it is new.

        Args:
            members: (member, membership), each member once.
        """
        return self._intern(tuple(sorted(member * 4 + membership for member, membership in members)))

    def learn(self, code: int, move: int) -> int:
        """Add a move that a kernel missed; returns the code it leads to."""
        member, change = move >> 2, move & 3
        before = self._raw(code)
        rest = [item for item in before if item >> 2 != member]
        held = len(rest) < len(before)
        if change in (SET_INSIDE, SET_EDGE):
            rest.append(member * 4 + change)
        elif change == TOGGLE and not held:
            rest.append(member * 4 + INSIDE)
        after = self._intern(tuple(sorted(rest)))
        if 2 * (self._moves + 1) > len(self._keys):
            keys = np.full(2 * len(self._keys), -1, np.int64)
            values = np.zeros(len(keys), np.int32)
            _rehash(self._keys, self._values, keys, values)
            self._keys, self._values = keys, values
        _insert(self._keys, self._values, (code << 32) | move, after)
        self._moves += 1
        return after

    def _raw(self, code: int) -> tuple[int, ...]:
        return tuple(self._items[self._start[code] : self._start[code + 1]].tolist())

    def _intern(self, items: tuple[int, ...]) -> int:
        known = self._codes.get(items)
        if known is not None:
            return known
        code = self._count
        begin = int(self._start[code])
        if code + 2 > len(self._start):
            self._start = np.concatenate([self._start, np.zeros(len(self._start), np.int64)])
        if begin + len(items) > len(self._items):
            self._items = np.concatenate([self._items, np.zeros(len(self._items) + len(items), np.int32)])
        self._items[begin : begin + len(items)] = items
        self._start[code + 1] = begin + len(items)
        self._count += 1
        self._codes[items] = code
        return code
