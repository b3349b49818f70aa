"""What detectors are given: observations in order of time, the places they lie in, and what registers say of their terminals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from groundrule.instant import MIN_NS

NOWHERE = -1
"""Country of a place that is in none, in more than one, or on an edge."""
UNKNOWN = 255
"""Of a flag (uint8) that nobody knows."""
FIXED, MOVING, FLYING = 0, 1, 2
"""What a plan allows: one place, motion on land and sea, or flight too."""
SUSPENDED = 1
"""Index of `suspended` in records.GNSS_STATES."""
INCONSISTENT = 2
"""Code of the verdict that refutes a claimed place: none 0, consistent 1, inconsistent 2, ambiguous 3, insufficient 4, fault 5."""


@dataclass(slots=True)
class Places:
    """Distinct sets of areas that positions lie in; a row names one by its number.

    Attributes:
        countries: ISO 3166-1 alpha-2 codes, whose numbers `country` has.
        country: of each place, as the rulebook counts it: certainly inside, else NOWHERE (int16).
        front: is it in an area that is tagged as a front?
        side: number of the area of kind `control` that it is certainly inside of, from 1; 0 is none (int16).
        sea: is it at sea?
        sides: ids of the areas that `side` numbers; the first is empty.
    """

    countries: list[str] = field(default_factory=list)
    country: NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, np.int16))
    front: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    side: NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, np.int16))
    sea: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    sides: list[str] = field(default_factory=lambda: [""])


@dataclass(slots=True)
class Facts:
    """What registers say, one element for each terminal in memory; terminals that no register knows have the unknown value.

    Attributes:
        account, party: numbers of the account and of the party behind it (int32; -1 unknown).
        mobile: what the plan allows: FIXED, MOVING, FLYING or UNKNOWN (uint8).
        activation_country, account_country: index into Places.countries (int16; NOWHERE unknown).
        activated_ns: first activation [ns, UTC; MIN_NS unknown].
        protected: is it of a protected class?
        home_lat_deg, home_lon_deg: service address [degree; NaN unknown].
        accounts, parties: ids by number.
    """

    account: NDArray[np.int32]
    party: NDArray[np.int32]
    mobile: NDArray[np.uint8]
    activation_country: NDArray[np.int16]
    account_country: NDArray[np.int16]
    activated_ns: NDArray[np.int64]
    protected: NDArray[np.bool_]
    home_lat_deg: NDArray[np.float64]
    home_lon_deg: NDArray[np.float64]
    accounts: Sequence[str] = ()
    parties: Sequence[str] = ()

    @classmethod
    def unknown(cls, terminals: int) -> Facts:
        """Return facts of terminals that no register knows."""
        return cls(
            np.full(terminals, -1, np.int32), np.full(terminals, -1, np.int32), np.full(terminals, UNKNOWN, np.uint8),
            np.full(terminals, NOWHERE, np.int16), np.full(terminals, NOWHERE, np.int16), np.full(terminals, MIN_NS, np.int64),
            np.zeros(terminals, np.bool_), np.full(terminals, np.nan), np.full(terminals, np.nan),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.account)

    @property
    def nbytes(self) -> int:
        """Memory of the columns [bytes], but for service addresses: those are the registers' own."""
        columns = (self.account, self.party, self.mobile, self.activation_country, self.account_country, self.activated_ns, self.protected)
        return sum(column.nbytes for column in columns)


@dataclass(frozen=True, slots=True)
class Rows:
    """Observations in order of time; one terminal's never go back, in a batch and from one batch to the next.

    Attributes:
        row: of the terminal in memory (int32).
        t_ns: observed at [ns, UTC].
        lat_deg, lon_deg: position, or the centre of the cell [degree; NaN without either].
        sigma_m: standard deviation per axis; 0 for cells [m].
        cell: H3 cell, where the position is a cell; else 0.
        cell_radius_m: from its centre to its farthest corner [m]; 0 without a cell.
        source: index into records.POSITION_SOURCES.
        alt_m: altitude [m; NaN unknown].
        speed_m_s: as reported [m/s; NaN unknown].
        gnss: index into records.GNSS_STATES.
        verdict: of the radio; see INCONSISTENT. radio_distance_m: from the claim to the radio's place [m; NaN unknown].
        place: number of the place, of Places (int32; -1 unknown).
        served: was service measured? 0, 1 or UNKNOWN. denied: was it decided to be denied? 0, 1 or UNKNOWN (uint8).
    """

    row: NDArray[np.int32]
    t_ns: NDArray[np.int64]
    lat_deg: NDArray[np.float64]
    lon_deg: NDArray[np.float64]
    sigma_m: NDArray[np.float32]
    cell: NDArray[np.uint64]
    cell_radius_m: NDArray[np.float32]
    source: NDArray[np.uint8]
    alt_m: NDArray[np.float32]
    speed_m_s: NDArray[np.float32]
    gnss: NDArray[np.uint8]
    verdict: NDArray[np.uint8]
    radio_distance_m: NDArray[np.float64]
    place: NDArray[np.int32]
    served: NDArray[np.uint8]
    denied: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.row)

    @property
    def believed(self) -> NDArray[np.bool_]:
        """Rows whose position may be evidence about their terminal: one is given, no disturbed area, nothing that refutes it."""
        given = ~np.isnan(self.lat_deg)
        return np.asarray(given & (self.gnss != SUSPENDED) & (self.verdict != INCONSISTENT))

    def part(self, begin: int, end: int) -> Rows:
        """Return some of the rows, in their order."""
        return Rows(*(getattr(self, name)[begin:end] for name in self.__slots__))
