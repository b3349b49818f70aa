"""What the rules see: one batch of evidence, in coded columns.

A column with few distinct values is *coded*: an int32 per row and a list of the distinct values. The rule engine judges
each distinct value once and then works on codes, which is why a decision costs nanoseconds and a rulebook of 2,000 rules
hardly more than one of 20. Numbers travel as intervals [low, high]: a point where the number is known, wider where only a
bound is known (a cell says little about speed), NaN where nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Membership(IntEnum):
    """Relation of a position to an area that it is not certainly outside of."""

    INSIDE = 1
    EDGE = 2


class Truth(IntEnum):
    """Kleene truth values; UNKNOWN also stands for `on the edge`."""

    FALSE = 0
    TRUE = 1
    UNKNOWN = 2


@dataclass(frozen=True, slots=True)
class AreaFact:
    """One area that a position is inside of or on the edge of.

    Attributes:
        id: area id, for instance `country:UA`.
        kind: country, land, zone, control, point …
        country: ISO 3166-1 alpha-2 code for country areas, else None.
        tags: free tags of the area.
        membership: inside or edge.
        service: latest service history state then in force: served, never_served, ended, or None if not recorded.
    """

    id: str
    kind: str
    country: str | None
    tags: tuple[str, ...]
    membership: Membership
    service: str | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """What the registers say about a terminal, its account and its party. None always means unknown.

    Attributes:
        plan: plan id, for instance `residential`, `roam`, `ocean`, `aviation`.
        account_state: active, suspended, disabled, none.
        account_country: ISO code of the account's home country.
        activation_country: ISO code of the country of first activation.
        registration: registered, pending, revoked, none.
        lists: pairs (list id, state) sorted; states submitted, pending, active, revoked, over_quota, expired.
        programmes: programme tags (donor, rail, humanitarian …), sorted.
        protected_class: hospital, emergency, search_and_rescue, humanitarian …, or `none`.
        quota: ok, exceeded, rate_limited.
        screening: clear, pending, listed.
        cell_state: enabled, disabled.
        purpose: civil, military, …
        software_version: as reported or registered, for instance `2026.06.12.mr81164`.
    """

    plan: str | None = None
    account_state: str | None = None
    account_country: str | None = None
    activation_country: str | None = None
    registration: str | None = None
    lists: tuple[tuple[str, str], ...] = ()
    programmes: tuple[str, ...] = ()
    protected_class: str | None = "none"
    quota: str | None = None
    screening: str | None = None
    cell_state: str | None = None
    purpose: str | None = None
    software_version: str | None = None


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of few distinct values.

    Attributes:
        codes: index into `values` (int32, shape (n,)).
        values: the distinct values; None is `unknown`.
    """

    codes: NDArray[np.int32]
    values: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Interval:
    """A column of numbers known to lie in [low, high] (float64, shape (n,); NaN in both is unknown)."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class EvidenceBatch:
    """Evidence of n observations, one row each.

    Attributes:
        now_ns: the instant the rules are applied for [ns, UTC; int64, shape (n,)].
        where: values are tuple[AreaFact, ...] (empty: in no area) or None (position unknown).
        who: values are Profile, or None for a terminal that is not registered.
        numbers: by attribute name of `rules.attributes`, for instance `alt_m`, `position_sigma_m`, `position_age_s`,
            `distance_from_service_address_m`, `verified_distance_m`, `stay.abroad.elapsed_days`. Missing is unknown in every row.
        categories: by attribute name: `position_source`, `verdict`, `assurance`, `gnss`, `signals`, `motion`. Missing is unknown.
        latches: one uint8 column per latch of the compiled rulebook, values of Truth (shape (n, latches)).
    """

    now_ns: NDArray[np.int64]
    where: Coded
    who: Coded
    numbers: Mapping[str, Interval] = field(default_factory=dict)
    categories: Mapping[str, Coded] = field(default_factory=dict)
    latches: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.now_ns)
