"""The registers as columns in memory: what the pipeline sees of them while it decides.

A view is the state of the registers at one valid time as known at one recorded time. Terminals are rows; their account,
party, list entries and programmes are folded into few distinct profiles, so that the rules judge each profile once.
Terminals that appear in observations and not in the register get rows of their own with profile -1: unknown, not lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundrule.canon import digest
from groundrule.errors import InputError
from groundrule.rules.evidence import Profile
from groundrule.store.terminal_index import TerminalIndex

if TYPE_CHECKING:
    from groundrule.store.registers import Registers

UNREGISTERED = -1
"""Profile code of a terminal that is not in the register."""


class RegisterView:
    """Columns of the registers, and the index from terminal id to row.

    Make one with `load` or `from_columns`.

    Attributes:
        profiles: the distinct profiles, indexed by `profile_code`.
        revision: register revision that the view shows; 0 is an empty register.
        digest: `sha256:…` of the register's history up to that revision.
        lists_version: `sha256:…` of the list entries and quotas in force.
        notes: what a person should know about the state of the lists, for instance contradictory identifiers.
    """

    def __init__(
        self,
        index: TerminalIndex,
        profile_code: NDArray[np.int32],
        profiles: Sequence[Profile],
        service_lat_deg: NDArray[np.float64],
        service_lon_deg: NDArray[np.float64],
        *,
        revision: int,
        register_digest: str,
        lists_version: str,
        notes: Sequence[str] = (),
    ) -> None:
        self._index = index
        self._profile_code = profile_code
        self._service_lat_deg = service_lat_deg
        self._service_lon_deg = service_lon_deg
        self.profiles: list[Profile] = list(profiles)
        self.n_registered = len(profile_code)
        self.revision = revision
        self.digest = register_digest
        self.lists_version = lists_version
        self.notes = tuple(notes)

    @classmethod
    def load(
        cls,
        registers: Registers,
        *,
        valid_at_ns: int,
        recorded_at_ns: int | None = None,
        remembered: dict[tuple[object, ...], Any] | None = None,
    ) -> RegisterView:
        """Read the registers as they hold at one instant, as known at another.

        Args:
            registers: the open registers.
            valid_at_ns: the state of the world that is asked for [ns, UTC].
            recorded_at_ns: what was known by then [ns, UTC]; None is now, everything recorded.
            remembered: kept by a caller who loads several views of the same registers; saves reading twice.
        Raises:
            StoreError: the database failed.
        """
        from groundrule.store.profiles import load_view  # noqa: PLC0415 - profiles needs this class

        return load_view(
            registers, valid_at_ns=valid_at_ns, recorded_at_ns=recorded_at_ns, remembered=remembered
        )

    @classmethod
    def from_columns(
        cls,
        terminal_ids: pa.Array | pa.ChunkedArray,
        profile_code: NDArray[np.int32],
        profiles: Sequence[Profile],
        *,
        service_lat_deg: NDArray[np.float64] | None = None,
        service_lon_deg: NDArray[np.float64] | None = None,
        revision: int = 0,
        register_digest: str = "",
        lists_version: str = "",
        notes: Sequence[str] = (),
    ) -> RegisterView:
        """Make a view of columns that are in memory already.

        Args:
            terminal_ids: distinct ids, text, shape (n,); row i is terminal i.
            profile_code: index into `profiles` (int32, shape (n,)).
            profiles: the distinct profiles.
            service_lat_deg: latitude of the service address [degree; shape (n,); NaN unknown], None for none known.
            service_lon_deg: longitude likewise.
            revision: register revision to name in decisions.
            register_digest: digest of the register; the empty text gives that of an empty one.
            lists_version: digest of the lists; likewise.
            notes: remarks for people.
        Raises:
            InputError: lengths differ, an id occurs twice or is missing, or a code names no profile.
        """
        if isinstance(terminal_ids, pa.ChunkedArray):
            terminal_ids = terminal_ids.combine_chunks()
        if not pa.types.is_string(terminal_ids.type):
            terminal_ids = terminal_ids.cast(pa.string())
        n = len(terminal_ids)
        codes = np.ascontiguousarray(profile_code, np.int32)
        nowhere = np.full(n, np.nan)
        lat = nowhere if service_lat_deg is None else np.ascontiguousarray(service_lat_deg, np.float64)
        lon = nowhere if service_lon_deg is None else np.ascontiguousarray(service_lon_deg, np.float64)
        if not len(codes) == len(lat) == len(lon) == n:
            raise InputError(
                f"columns of {n}, {len(codes)}, {len(lat)} and {len(lon)} rows", help="give all the same length"
            )
        if n and not 0 <= int(codes.min()) <= int(codes.max()) < len(profiles):
            raise InputError("a profile code names no profile", help=f"codes go from 0 to {len(profiles) - 1}")
        return cls(
            TerminalIndex(terminal_ids),
            codes,
            profiles,
            lat,
            lon,
            revision=revision,
            register_digest=register_digest or digest([]),
            lists_version=lists_version or digest([]),
            notes=notes,
        )

    def __len__(self) -> int:
        """Terminals known: registered ones and those met in observations."""
        return len(self._index)

    @property
    def terminal_ids(self) -> pa.StringArray:
        """Ids in row order (copied if unregistered ones were added)."""
        return self._index.ids()

    @property
    def profile_code(self) -> NDArray[np.int32]:
        """Index into `profiles`, -1 for unregistered terminals (int32, shape (len(self),))."""
        return _padded(self._profile_code, len(self), UNREGISTERED)

    @property
    def service_lat_deg(self) -> NDArray[np.float64]:
        """Latitude of the service address [degree; shape (len(self),); NaN unknown]."""
        return _padded(self._service_lat_deg, len(self), np.nan)

    @property
    def service_lon_deg(self) -> NDArray[np.float64]:
        """Longitude of the service address [degree; shape (len(self),); NaN unknown]."""
        return _padded(self._service_lon_deg, len(self), np.nan)

    def lookup(self, ids: pa.Array | pa.ChunkedArray) -> NDArray[np.int32]:
        """Return the row of each id; -1 for ids never met (int32, shape (n,))."""
        return self._index.find(ids)

    def add(self, ids: pa.Array | pa.ChunkedArray) -> NDArray[np.int32]:
        """Return the row of each id; ids never met get new rows, from `n_registered` on, in order of appearance."""
        return self._index.add(ids)

    def ids_of(self, rows: NDArray[np.int32]) -> pa.StringArray:
        """Return the terminal ids of rows."""
        return self._index.take(rows)

    def name_of(self, row: int) -> str:
        """Return the id of the terminal of one row."""
        return self._index.name(row)

    def profile_codes_of(self, rows: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the profile code of each row, -1 for unregistered ones (int32, shape (n,))."""
        if not self.n_registered:
            return np.full(len(rows), UNREGISTERED, np.int32)
        known = rows < self.n_registered
        return np.where(known, self._profile_code[np.where(known, rows, 0)], UNREGISTERED).astype(np.int32)

    @property
    def nbytes(self) -> int:
        """Memory of ids, index and columns [bytes]."""
        return int(
            self._index.nbytes + self._profile_code.nbytes + self._service_lat_deg.nbytes + self._service_lon_deg.nbytes
        )


def _padded(column, length: int, filler):  # type: ignore[no-untyped-def]  # generic over the dtype
    if len(column) == length:
        return column
    return np.concatenate([column, np.full(length - len(column), filler, column.dtype)])
