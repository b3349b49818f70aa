"""What radio measurements and satellite navigation say of the observations of a batch, and what the judge makes of it.

1. The claimed place is left where nothing speaks against it. Where the rulebook says so (`assumptions.radio_position`) and a
   recent verification has one well-known place, that place counts, with the source `network`.
2. While satellite navigation is suspended in an area, places that rest on it are of unknown quality: without a radio place
   there is none then, and none is carried forward from before, since nobody knows since when they were wrong. That is a doubt,
   and what a rule makes of a missing place it says itself.
3. A speed measured by radio takes the place of the one that follows from claimed places.
4. Signals of detectors are words that rules may test, and nothing else.

A batch of which none says anything costs three looks at null counts.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.detect.signals import BIT, KINDS, kinds_of
from groundrule.instant import MIN_NS, NS_PER_S
from groundrule.pipeline.confronted import confronted
from groundrule.records import GNSS_STATES, POSITION_SOURCES, independent_causes
from groundrule.rules.attributes import ATTRIBUTES
from groundrule.rules.evidence import Coded, Interval
from groundrule.rules.model import RadioPosition

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

VERDICTS: Final[tuple[str | None, ...]] = (None, *ATTRIBUTES["verdict"].vocabulary)
ASSURANCES: Final[tuple[str | None, ...]] = (None, *ATTRIBUTES["assurance"].vocabulary)
"""Words in the order of their codes; code 0 is that nobody verified."""
VERIFIED_DISTANCE: Final = "verified_distance_m"
NETWORK: Final = POSITION_SOURCES.index("network")
NOWHERE: Final = POSITION_SOURCES.index("none")
SUSPENDED: Final = GNSS_STATES.index("suspended")
_INCONSISTENT: Final = VERDICTS.index("inconsistent")
_NO_SPEED: Final = tuple(VERDICTS.index(word) for word in (None, "fault", "insufficient"))
SIGNAL_CAUSES: Final = "signal_causes"
_PER_VERDICT: Final = len(ASSURANCES) * len(GNSS_STATES)
_SIGNALS_FROM: Final = 8
"""Bits of a code below those of its signals."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What is said of n observations, in columns.

    Attributes:
        observed_at: of the observations [ns, UTC].
        verdict, assurance: index into VERDICTS and ASSURANCES (uint8).
        gnss: index into GNSS_STATES (uint8); what is not told is normal.
        at_ns: last measurement of the verification [ns, UTC; MIN_NS without one].
        usable: it has one place that is well enough known.
        lat_deg, lon_deg, sigma_m: that place, with the sigma of its major axis.
        distance_m: from the claim to it [m; NaN without either].
        speed_m_s, speed_sigma_m_s: measured by radio [m/s; NaN if not].
        unclaimed: the observation claims neither a position nor a cell.
        signals: mask of signals that count (`detect.signals.BIT`, uint32).
    """

    observed_at: NDArray[np.int64]
    verdict: NDArray[np.uint8]
    assurance: NDArray[np.uint8]
    gnss: NDArray[np.uint8]
    at_ns: NDArray[np.int64]
    usable: Flags
    lat_deg: Floats
    lon_deg: Floats
    sigma_m: NDArray[np.float32]
    distance_m: Floats
    speed_m_s: Floats
    speed_sigma_m_s: Floats
    unclaimed: Flags
    signals: NDArray[np.uint32]

    @property
    def codes(self) -> NDArray[np.int64]:
        """One number for each row: 0 where nothing is said that a rule could tell from silence (int64)."""
        code: NDArray[np.int64] = self.verdict.astype(np.int64) * _PER_VERDICT
        code += self.assurance.astype(np.int64) * len(GNSS_STATES) + self.gnss
        code |= self.signals.astype(np.int64) << _SIGNALS_FROM
        return code

    def fresh(self, max_age_s: float) -> Flags:
        """Rows whose verification is at most this old."""
        age = self.observed_at - np.where(self.at_ns == MIN_NS, self.observed_at, self.at_ns)
        return np.asarray((self.at_ns != MIN_NS) & (age >= 0) & (age <= round(max_age_s * NS_PER_S)))

    def placed(self, used: RadioPosition | None) -> Flags:
        """Rows whose place is the one that radio gives."""
        if used is None:
            return np.zeros(len(self.verdict), np.bool_)
        wanted = np.isin(self.gnss, [GNSS_STATES.index(word) for word in used.use_when if word in GNSS_STATES])
        if "no_position" in used.use_when:
            wanted |= self.unclaimed
        if "inconsistent" in used.use_when:
            wanted |= self.verdict == _INCONSISTENT
        young = self.fresh(used.max_age_s)
        if used.held_s > used.max_age_s and "inconsistent" in used.use_when:
            young |= (self.verdict == _INCONSISTENT) & self.fresh(used.held_s)
        return np.asarray(wanted & self.usable & young)

    def claims(self, source: NDArray[np.uint8], used: RadioPosition | None) -> Claims:
        """Say of each row what becomes of the claimed place.

        Args:
            source: of the claimed place, index into POSITION_SOURCES.
            used: when the rulebook uses radio places.
        """
        placed = self.placed(used)
        return Claims(placed, ~placed & (self.gnss == SUSPENDED) & (source != NETWORK))

    def carried_sigma_m(self) -> NDArray[np.float32]:
        """Sigma of the radio place when the observation was made [m]: it may have gone on since, whither is not known.

        Half of the way at the measured speed plus twice its sigma; a place whose speed was not measured is taken to rest.
        """
        age_s = np.maximum(self.observed_at - np.where(self.at_ns == MIN_NS, self.observed_at, self.at_ns), 0) / NS_PER_S
        speed = np.nan_to_num(self.speed_m_s) + 2.0 * np.nan_to_num(self.speed_sigma_m_s)
        return np.hypot(self.sigma_m.astype(np.float64), 0.5 * speed * age_s).astype(np.float32)

    def speeds(self, max_gap_s: float) -> tuple[Floats, Floats, NDArray[np.int64]]:
        """Speeds that take the place of those from claimed places, with sigma [m/s; NaN where there is none], and their times [ns]."""
        good = self.usable & ~np.isin(self.verdict, _NO_SPEED) & self.fresh(max_gap_s)
        good &= np.isfinite(self.speed_m_s) & np.isfinite(self.speed_sigma_m_s)
        return np.where(good, self.speed_m_s, np.nan), np.where(good, self.speed_sigma_m_s, np.nan), self.at_ns

    def distances(self, claimed_sigma_m: NDArray[Any]) -> Interval:
        """Distance from claim to radio place, to within twice the sigma of both [m]."""
        known = np.where(self.usable, self.distance_m, np.nan)
        doubt = 2.0 * np.hypot(self.carried_sigma_m().astype(np.float64), np.nan_to_num(claimed_sigma_m.astype(np.float64)))
        return Interval(np.maximum(known - doubt, 0.0), known + doubt)

    def categories(self) -> dict[str, Coded]:
        """The words that rules may test."""
        masks, place = _distinct(self.signals)
        return {
            "signals": Coded(place, tuple(kinds_of(int(mask)) for mask in masks)),
            "verdict": Coded(self.verdict.astype(np.int32), VERDICTS),
            "assurance": Coded(self.assurance.astype(np.int32), ASSURANCES),
            "gnss": Coded(self.gnss.astype(np.int32), GNSS_STATES),
        }


@dataclass(frozen=True, slots=True)
class Claims:
    """What becomes of the claimed places of a batch.

    Attributes:
        placed: another place counts, the one that radio gives.
        dropped: no place counts: the claim rests on suspended satellite navigation.
    """

    placed: Flags
    dropped: Flags

    @property
    def left(self) -> bool:
        """Are all as they were claimed?"""
        return not (self.placed.any() or self.dropped.any())


def heard_of(table: pa.Table, observed_at: NDArray[np.int64]) -> Heard | None:
    """Read what radio, satellite navigation and detectors say; None where they are silent of every row.

    Args:
        table: OBSERVATION_SCHEMA, with one chunk a column.
        observed_at: its times [ns, UTC].
    """
    n = len(table)
    said, state, raised = table.column("radio"), table.column("gnss_state"), table.column("signals")
    if said.null_count == n and state.null_count == n and raised.null_count == n:
        return None
    signals = masks_of(raised)
    unclaimed = pc.and_(pc.is_null(table.column("lat_deg"), nan_is_null=True), pc.is_null(table.column("h3_cell"))).to_numpy()
    gnss = pc.fill_null(pc.index_in(state, value_set=_STATES), 0).to_numpy().astype(np.uint8)
    if said.null_count == n:
        nothing, none = np.full(n, np.nan), np.zeros(n, np.uint8)
        return Heard(
            observed_at, none, none, gnss, np.full(n, MIN_NS, np.int64), np.zeros(n, np.bool_), nothing, nothing,
            np.full(n, np.nan, np.float32), nothing, nothing, nothing, unclaimed, signals,
        )  # fmt: skip
    said = confronted(table)
    fields = dict(zip((each.name for each in said.type), said.flatten(), strict=True))
    lat, lon, sigma = (_floats(fields[name]) for name in ("lat_deg", "lon_deg", "sigma_major_m"))
    usable = pc.fill_null(fields["usable"], False).to_numpy(zero_copy_only=False)
    return Heard(
        observed_at,
        _coded(fields["verdict"], VERDICTS),
        _coded(fields["assurance"], ASSURANCES),
        gnss,
        pc.fill_null(fields["at_ns"], MIN_NS).to_numpy(zero_copy_only=False),
        usable & np.isfinite(lat) & np.isfinite(lon) & np.isfinite(sigma),
        lat,
        lon,
        sigma.astype(np.float32),
        _floats(fields["distance_m"]),
        _floats(fields["speed_m_s"]),
        _floats(fields["speed_sigma_m_s"]),
        unclaimed,
        signals,
    )


def silence(n: int, wanted: Container[str]) -> dict[str, Coded]:
    """Return the words of n observations of which nobody says anything: navigation is normal, and no detector found anything."""
    usual: dict[str, tuple[object, ...]] = {"gnss": GNSS_STATES, "signals": ((),)}
    return {name: Coded(np.zeros(n, np.int32), words) for name, words in usual.items() if name in wanted}


def causes(heard: Heard | None, n: int) -> Interval:
    """Return how many independent causes the signals of each of n rows have."""
    count = np.zeros(n)
    if heard is not None:
        masks, place = _distinct(heard.signals)
        count = np.array([independent_causes(kinds_of(int(mask))) for mask in masks], np.float64)[place]
    return Interval(count, count)


def _distinct(masks: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """Return the distinct masks, none first, and the place of each row's among them; most rows have no signal, and only others cost."""
    some = np.flatnonzero(masks)
    found, place = np.unique(masks[some], return_inverse=True)
    places = np.zeros(len(masks), np.int32)
    places[some] = place + 1
    return np.concatenate([np.zeros(1, np.uint32), found]), places


def masks_of(column: Any) -> NDArray[np.uint32]:
    """Return the mask of each row's signals; a word that is no kind of signal is none."""
    masks = np.zeros(len(column), np.uint32)
    if column.null_count == len(column):
        return masks
    lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(lists, pa.ChunkedArray):
        lists = lists.chunk(0)
    which = pc.fill_null(pc.index_in(lists.flatten(), value_set=_KINDS), len(KINDS)).to_numpy(zero_copy_only=False)
    np.bitwise_or.at(masks, pc.list_parent_indices(lists).to_numpy(), _BITS[which])
    return masks


def signals_of(code: int) -> tuple[str, ...]:
    """Return the kinds of signals of one of `Heard.codes`."""
    return kinds_of(code >> _SIGNALS_FROM)


def words_of(code: int) -> tuple[str | None, str | None, str]:
    """Return verdict, assurance and state of satellite navigation of one of `Heard.codes`."""
    verdict, rest = divmod(code & ((1 << _SIGNALS_FROM) - 1), _PER_VERDICT)
    assurance, gnss = divmod(rest, len(GNSS_STATES))
    return VERDICTS[verdict], ASSURANCES[assurance], GNSS_STATES[gnss]


_STATES: Final = pa.array(GNSS_STATES)
_KINDS: Final = pa.array([*KINDS])
_BITS: Final = np.array([*BIT.values(), 0], np.uint32)


def _floats(column: Any) -> Floats:
    values: Floats = column.to_numpy(zero_copy_only=False).astype(np.float64)
    return values


def _coded(column: Any, words: tuple[str | None, ...]) -> NDArray[np.uint8]:
    found = pc.index_in(column, value_set=pa.array(words[1:], pa.string()))
    codes: NDArray[np.uint8] = (pc.fill_null(found, -1).to_numpy(zero_copy_only=False) + 1).astype(np.uint8)
    return codes
