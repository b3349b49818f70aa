"""Turning rows of evidence into codes of distinct values, so that each distinct value is judged once.

`WhereCoder` maps an area set found by the index, at one instant, to the area facts that the rules see: only the versions
then in force, with the service history state then in force. `WhoCoder` maps a terminal, in an epoch of the registers and with
the software that it reports, to its profile. `PairTable` remembers an answer per pair of codes. `Interner`
numbers distinct 64-bit keys in order of first appearance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray

from groundrule.areas.index import AreaIndex
from groundrule.areas.model import Area, service_state_at
from groundrule.rules.evidence import AreaFact, Membership, Profile
from groundrule.store.timeline import RegisterTimeline

_EMPTY = np.int64(-1)
_DENSE = 1 << 22


class WhereCoder:
    """Codes of (area set, instant) as the tuple of area facts in force then.

    Args:
        index: the index whose set codes are mapped.
        areas: the areas by id that the index was built from; several versions of an id may stand in it.
    """

    def __init__(self, index: AreaIndex, areas: Sequence[Area]) -> None:
        self._index = index
        self._areas = areas
        cuts: set[int] = set()
        for area in areas:
            cuts.update((area.valid_from_ns, area.valid_until_ns))
            for interval in area.service_history:
                cuts.update((interval.from_ns, interval.until_ns))
        limits = np.iinfo(np.int64)
        self._cuts = np.array(sorted(c for c in cuts if limits.min + 1 < c < limits.max), np.int64)
        self._table = np.full((len(self._cuts) + 1, 1), -1, np.int32)
        self.values: list[tuple[AreaFact, ...] | None] = [None]
        self.members: list[tuple[int, ...]] = [()]
        self._known: dict[tuple[tuple[int, ...], tuple[AreaFact, ...]], int] = {}

    def code(self, set_codes: NDArray[np.int32], now_ns: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return indices into `values`; code 0 (None) where the position is unknown (set code -1)."""
        highest = int(set_codes.max(initial=-1)) + 1
        if highest > self._table.shape[1]:
            wider = np.full((len(self._cuts) + 1, max(highest, 2 * self._table.shape[1])), -1, np.int32)
            wider[:, : self._table.shape[1]] = self._table
            self._table = wider
        if len(self._cuts):
            epochs = np.searchsorted(self._cuts, now_ns, side="right")
            codes = self._table[epochs, set_codes]
        else:
            epochs = None
            codes = self._table[0][set_codes]
        codes[set_codes < 0] = 0
        missing = np.flatnonzero(codes < 0)
        if len(missing):
            where = set_codes[missing].astype(np.int64)
            epoch = epochs[missing] if epochs is not None else np.zeros(len(missing), np.int64)
            for key in np.unique(epoch * self._table.shape[1] + where):
                self._fill(*divmod(int(key), self._table.shape[1]))
            codes[missing] = self._table[epoch, where]
        return codes

    def _fill(self, epoch: int, set_code: int) -> None:
        at_ns = int(self._cuts[epoch - 1]) if epoch else np.iinfo(np.int64).min + 1
        kept: list[tuple[int, AreaFact]] = []
        for member_index, membership in self._index.set_members(set_code):
            member = self._index.members[member_index]
            if not member.valid_from_ns <= at_ns < member.valid_until_ns:
                continue
            base = self._areas[member.base]
            tags = tuple(member.tags)
            service = None
            if member.kind == "buffer":
                tags = (*tags, f"kind:{base.kind}")
            else:
                service = service_state_at(base, at_ns)
            fact = AreaFact(member.id, member.kind, member.country, tags, Membership(membership), service)
            kept.append((member_index, fact))
        kept.sort(key=lambda item: (item[1].id, item[1].membership))
        key = (tuple(i for i, _ in kept), tuple(fact for _, fact in kept))
        if key not in self._known:
            self._known[key] = len(self.values)
            self.values.append(key[1])
            self.members.append(key[0])
        self._table[epoch, set_code] = self._known[key]


class WhoCoder:
    """Codes of (terminal, epoch of the registers, reported software) as the profile of the terminal then.

    Args:
        registers: terminals and their profiles over time.

    Attributes:
        values: the distinct profiles; the first is None, the terminal that is not registered.
    """

    def __init__(self, registers: RegisterTimeline) -> None:
        self._registers = registers
        self.values: list[Profile | None] = [None]
        self._known: dict[Profile, int] = {}
        self._of_epoch: dict[int, NDArray[np.int32]] = {}
        self._versions: dict[tuple[int, str], int] = {}

    def code(self, versions: pa.ChunkedArray, rows: NDArray[np.int32], epoch: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return indices into `values`.

        Args:
            versions: of the software, as terminals report them; null where one is silent. shape (n,).
            rows: of the terminals in the registers, shape (n,). epoch: of the registers, shape (n,).
        """
        codes = np.zeros(len(rows), np.int32)
        for number, chosen in by_epoch(epoch):
            part = self._registers.epoch(number)
            if number not in self._of_epoch:
                # One element more than there are profiles: code -1, not registered, reads the last.
                self._of_epoch[number] = np.array([*map(self._code_of, part.profiles), 0], np.int32)
            codes[chosen] = self._of_epoch[number][part.profile_codes_of(rows[chosen])]
        if versions.null_count == len(rows):
            return codes
        # A version that the terminal reports is newer than what the register holds.
        encoded = pc.dictionary_encode(versions).combine_chunks()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.chunk(0)
        names = encoded.dictionary.to_pylist()
        version_code = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
        pair = codes.astype(np.int64) * (len(names) + 1) + version_code + 1
        distinct, inverse = distinct_codes(pair)
        mapped = np.empty(len(distinct), np.int32)
        for position, key in enumerate(distinct):
            who, version = divmod(int(key), len(names) + 1)
            mapped[position] = who if version == 0 else self._with_version(who, names[version - 1])
        return mapped[inverse]

    def _code_of(self, profile: Profile) -> int:
        if profile not in self._known:
            self._known[profile] = len(self.values)
            self.values.append(profile)
        return self._known[profile]

    def _with_version(self, who: int, version: str) -> int:
        profile = self.values[who]
        if profile is None or profile.software_version == version:
            return who
        if (who, version) not in self._versions:
            self._versions[who, version] = self._code_of(replace(profile, software_version=version))
        return self._versions[who, version]


def by_epoch(epoch: NDArray[np.int32]) -> list[tuple[int, slice | NDArray[np.bool_]]]:
    """Split rows by their epoch, each with the rows that are in it; a batch mostly lies in one."""
    if not len(epoch):
        return []
    if epoch.min() == epoch.max():
        return [(int(epoch[0]), slice(None))]
    return [(int(number), epoch == number) for number in np.unique(epoch)]


def distinct_codes(codes: NDArray) -> tuple[NDArray, NDArray]:
    """Return the distinct non-negative codes, ascending, and the place of each row's code among them.

    The same as `np.unique` with its inverse, without sorting while the largest code is moderate.
    """
    highest = int(codes.max(initial=-1))
    if highest > _DENSE:
        distinct, inverse = np.unique(codes, return_inverse=True)
        return distinct, inverse.ravel()
    present = np.zeros(highest + 1, bool)
    present[codes] = True
    distinct = np.flatnonzero(present)
    place = np.zeros(highest + 1, np.int32)
    place[distinct] = np.arange(len(distinct), dtype=np.int32)
    return distinct, place[codes]


class PairTable:
    """Remembers a small integer answer per pair of codes and asks for each pair once.

    Args:
        answer: from a pair of codes to the answer, 0 to 126.
    """

    def __init__(self, answer: Callable[[int, int], int]) -> None:
        self._answer = answer
        self._table = np.full((1, 1), -1, np.int8)

    def lookup(self, first: NDArray[np.int32], second: NDArray[np.int32]) -> NDArray[np.int8]:
        """Return the answers, one per row."""
        rows, columns = int(first.max(initial=0)) + 1, int(second.max(initial=0)) + 1
        if rows > self._table.shape[0] or columns > self._table.shape[1]:
            wider = np.full((max(rows, self._table.shape[0]), max(columns, self._table.shape[1])), -1, np.int8)
            wider[: self._table.shape[0], : self._table.shape[1]] = self._table
            self._table = wider
        answers = self._table[first, second]
        missing = np.flatnonzero(answers < 0)
        if len(missing):
            width = self._table.shape[1]
            for key in np.unique(first[missing].astype(np.int64) * width + second[missing]):
                a, b = divmod(int(key), width)
                self._table[a, b] = self._answer(a, b)
            answers[missing] = self._table[first[missing], second[missing]]
        return answers


class Interner:
    """Numbers distinct 64-bit keys, all but -1, in order of first appearance."""

    def __init__(self) -> None:
        self._slots = np.full(1 << 12, _EMPTY, np.int64)
        self._codes = np.zeros(1 << 12, np.int32)
        self._count = 0
        self._keys = np.empty(1 << 10, np.int64)

    @property
    def keys(self) -> NDArray[np.int64]:
        """The distinct keys in order of first appearance."""
        return self._keys[: self._count]

    def code(self, keys: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the number of each key; new keys are added to `keys`."""
        codes = np.empty(len(keys), np.int32)
        done = 0
        while done < len(keys):
            if 2 * self._count > len(self._slots):
                self._grow()
            room = len(self._slots) - self._count - len(self._slots) // 4
            fresh = np.empty(min(room, len(keys) - done), np.int64)
            taken, new = _intern(keys[done:], self._slots, self._codes, self._count, codes[done:], fresh)
            if self._count + new > len(self._keys):
                self._keys = np.concatenate([self.keys, np.empty(max(new, len(self._keys)), np.int64)])
            self._keys[self._count : self._count + new] = fresh[:new]
            self._count += new
            done += taken
        return codes

    def _grow(self) -> None:
        size = 4 * len(self._slots)
        self._slots = np.full(size, _EMPTY, np.int64)
        self._codes = np.zeros(size, np.int32)
        known = self.keys.copy()
        _intern(known, self._slots, self._codes, 0, np.empty(len(known), np.int32), np.empty(len(known), np.int64))


@njit(cache=True, nogil=True)
def _intern(keys, slots, slot_codes, count, out, fresh):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    mask = np.uint64(len(slots) - 1)
    new = 0
    for i in range(len(keys)):
        key = keys[i]
        # Fibonacci hashing: the high bits of the product are well mixed.
        h = (np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)
        j = h & mask
        while slots[j] != key and slots[j] != -1:
            j = (j + np.uint64(1)) & mask
        if slots[j] == -1:
            if new == len(fresh):
                return i, new
            slots[j] = key
            slot_codes[j] = count + new
            fresh[new] = key
            new += 1
        out[i] = slot_codes[j]
    return len(keys), new
