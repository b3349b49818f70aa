"""The registers over time: which view of them holds at each instant, with one numbering of terminals for all.

Lists begin and expire, terminals change their plan: an observation is judged by what held at its own instant. Between
two such changes one view serves; views are loaded when an observation first needs them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from numpy.typing import NDArray

from groundrule.canon import SCHEME, canonical_json
from groundrule.instant import MAX_NS, MIN_NS
from groundrule.rules.evidence import Profile
from groundrule.store.entities import ENTITIES
from groundrule.store.register_view import UNREGISTERED, RegisterView
from groundrule.store.registers import TABLES, Registers
from groundrule.store.terminal_index import text_buffers

EPOCH_BYTES = 1 << 30
"""Memory that views of instants other than the latest needed may take together [bytes]; further ones are read again."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """The registers between two changes; arrays are indexed by the timeline's rows and may end before the last of them.

    Attributes:
        profile_code: index into `profiles`, -1 for terminals that are not registered then.
        profiles: the distinct profiles.
        service_lat_deg, service_lon_deg: service address [degree; NaN unknown].
        lists_version: digest of the lists in force.
    """

    profile_code: NDArray[np.int32]
    profiles: list[Profile]
    service_lat_deg: NDArray[np.float64]
    service_lon_deg: NDArray[np.float64]
    lists_version: str

    def profile_codes_of(self, rows: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the profile code of each row, -1 for terminals that are not registered (int32, shape (n,))."""
        if not len(self.profile_code):
            return np.full(len(rows), UNREGISTERED, np.int32)
        codes = self.profile_code[np.minimum(rows, len(self.profile_code) - 1)]
        codes[rows >= len(self.profile_code)] = UNREGISTERED
        return codes

    @property
    def nbytes(self) -> int:
        """Memory of the columns [bytes]."""
        return self.profile_code.nbytes + self.service_lat_deg.nbytes + self.service_lon_deg.nbytes


class RegisterTimeline:
    """Views of the registers by instant.

    Make one with `load` or `fixed`.

    Attributes:
        revision: register revision.
        digest: `sha256:…` of the register's history up to that revision.
        notes: what a person should know about the state of the lists.
    """

    def __init__(self, cuts: NDArray[np.int64], view_at: Callable[[int], RegisterView], first_ns: int) -> None:
        self._cuts = cuts
        self._view_at = view_at
        self._first = int(np.searchsorted(cuts, first_ns, side="right"))
        self._base = view_at(first_ns)
        self._last: tuple[tuple[int, ...], Any, NDArray[np.int32]] | None = None
        self.revision, self.digest, self.notes = self._base.revision, self._base.digest, self._base.notes
        base = self._base
        n = base.n_registered
        self._epochs: dict[int, Epoch] = {
            self._first: Epoch(
                base.profile_code[:n],
                base.profiles,
                base.service_lat_deg[:n],
                base.service_lon_deg[:n],
                base.lists_version,
            )
        }
        self._registered = np.ones(n, bool)
        self.lists_version = base.lists_version

    @classmethod
    def fixed(cls, view: RegisterView) -> RegisterTimeline:
        """Return a timeline on which one view always holds."""
        return cls(np.zeros(0, np.int64), lambda _at: view, 0)

    @classmethod
    def load(cls, registers: Registers, *, recorded_at_ns: int) -> RegisterTimeline:
        """Read the registers over time, as known at one instant [ns, UTC]."""
        cuts: set[int] = set()
        remembered: dict[tuple[object, ...], Any] = {}
        with registers.reading() as connection:
            for table in (TABLES[kind] for kind, entity in ENTITIES.items() if entity.decides):
                known = sa.and_(table.c.recorded_at <= recorded_at_ns, table.c.superseded_at > recorded_at_ns)
                names = [name for name in ("valid_from", "valid_until", "expires_at") if name in table.c]
                for name in names:
                    found = connection.execute(sa.select(table.c[name]).where(known).distinct())
                    cuts.update(value for (value,) in found if value is not None)
        ordered = np.array(sorted(cut for cut in cuts if MIN_NS < cut < MAX_NS), np.int64)
        return cls(
            ordered,
            lambda at: RegisterView.load(
                registers, valid_at_ns=at, recorded_at_ns=recorded_at_ns, remembered=remembered
            ),
            recorded_at_ns,
        )

    def __len__(self) -> int:
        return len(self._base)

    def add(self, ids: pa.Array | pa.ChunkedArray) -> NDArray[np.int32]:
        """Return the row of each id; ids never met get new rows in order of appearance."""
        # Several steps ask for the same column one after the other.
        key = _identity(ids)
        if key is None:
            return self._base.add(ids)
        if self._last is None or self._last[0] != key:
            self._last = (key, ids, self._base.add(ids))
        return self._last[2].copy()

    def lookup(self, ids: pa.Array | pa.ChunkedArray) -> NDArray[np.int32]:
        """Return the row of each id; -1 for ids never met."""
        return self._base.lookup(ids)

    def ids_of(self, rows: NDArray[np.int32]) -> pa.StringArray:
        """Return the terminal ids of rows."""
        return self._base.ids_of(rows)

    def name_of(self, row: int) -> str:
        """Return the id of the terminal of one row."""
        return self._base.name_of(row)

    @property
    def terminal_ids(self) -> pa.StringArray:
        """All ids in row order."""
        return self._base.terminal_ids

    def epoch_of(self, instants_ns: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the epoch of each instant [ns, UTC]."""
        if not len(self._cuts):
            return np.zeros(len(instants_ns), np.int32)
        return np.searchsorted(self._cuts, instants_ns, side="right").astype(np.int32)

    @property
    def now(self) -> Epoch:
        """The registers as they held when they were read; never read again, so that any thread may ask."""
        return self._epochs[self._first]

    def epoch(self, number: int) -> Epoch:
        """Return the registers of one epoch."""
        if number not in self._epochs:
            view = self._view_at(int(self._cuts[number - 1]) if number else MIN_NS)
            n = view.n_registered
            rows = self._base.add(view.terminal_ids.slice(0, n))
            size = int(rows.max(initial=-1)) + 1
            codes = np.full(size, UNREGISTERED, np.int32)
            lat, lon = np.full(size, np.nan), np.full(size, np.nan)
            codes[rows] = view.profile_code[:n]
            lat[rows], lon[rows] = view.service_lat_deg[:n], view.service_lon_deg[:n]
            self._make_room()
            self._epochs[number] = Epoch(codes, view.profiles, lat, lon, view.lists_version)
            if size > len(self._registered):
                self._registered = np.concatenate([self._registered, np.zeros(size - len(self._registered), bool)])
            self._registered[rows] = True
        return self._epochs[number]

    def _make_room(self) -> None:
        """Forget views that were needed longest ago; observations come in order of time, so they are done with."""
        others = [number for number in self._epochs if number != self._first]
        held = sum(self._epochs[number].nbytes for number in others)
        while others and held > EPOCH_BYTES:
            held -= self._epochs.pop(others.pop(0)).nbytes

    @property
    def unregistered(self) -> int:
        """Terminals that were met and are registered at none of the instants needed so far."""
        return len(self) - int(self._registered.sum())

    def unregistered_among(self, rows: NDArray[np.int32]) -> int:
        """Return how many distinct rows are registered at none of the instants needed so far."""
        known = np.zeros(len(self), bool)
        known[: len(self._registered)] = self._registered
        return int((~known[np.unique(rows)]).sum())

    @property
    def content(self) -> str:
        """Digest of what the rules see of the registers at the instant of loading, and of when that changes.

        The register's own digest chains what was recorded; this one is of what is in it. So a row that somebody changed
        past the register shows, where it bears on decisions.
        """
        base = self._base
        n = base.n_registered
        offsets, data = text_buffers(base.terminal_ids)
        sink = hashlib.sha256()
        for part in (
            canonical_json([n, base.lists_version, [str(cut) for cut in self._cuts.tolist()]]),
            canonical_json([{name: getattr(profile, name) for name in Profile.__slots__} for profile in base.profiles]),
            (offsets[: n + 1] - offsets[0]).astype("<i4").data,
            data[int(offsets[0]) : int(offsets[n])].data if n else b"",
            base.profile_code[:n].astype("<i4").data,
            base.service_lat_deg[:n].astype("<f8").data,
            base.service_lon_deg[:n].astype("<f8").data,
        ):
            sink.update(hashlib.sha256(part).digest())
        return SCHEME + sink.hexdigest()

    @property
    def nbytes(self) -> int:
        """Memory of ids, index and columns [bytes]."""
        return self._base.nbytes


def _identity(ids: pa.Array | pa.ChunkedArray) -> tuple[int, ...] | None:
    """Tell a column by where its values lie in memory; None where that is not one place. Whoever keeps this keeps the column too."""
    chunk = ids.chunk(0) if isinstance(ids, pa.ChunkedArray) and ids.num_chunks == 1 else ids
    if isinstance(chunk, pa.ChunkedArray) or not pa.types.is_string(chunk.type):
        return None
    return (chunk.offset, len(chunk), *(0 if each is None else each.address for each in chunk.buffers()))
