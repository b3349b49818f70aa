"""The behaviours that follow from where a terminal is, in one pass: crossings, use elsewhere, sleepers at a front, roaming.

One record of memory and one compiled loop for all of them, because with ten million terminals the access to memory is what
costs. Each behaviour has its own module, which says what it is; here are only samples, sleep and the order of questions.

Rows whose position is no evidence (`Rows.believed`) are seen, and nothing else: they neither convict nor acquit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from typing import Final, Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from groundrule.detect.crossing import CrossingSettings, settle_country, settle_side
from groundrule.detect.dormant import DormantSettings, fall_asleep
from groundrule.detect.elsewhere import ElsewhereSettings, used_elsewhere
from groundrule.detect.memory import grown
from groundrule.detect.place_memory import (
    AT_HOME,
    EVENT_DTYPE,
    EVENT_FRONT,
    EVENT_SETTLED,
    FRONT_SEEN,
    HOME_SEEN,
    LONG,
    SAMPLE_DTYPE,
    SAMPLE_S,
    STEP_S,
    UNSEEN,
    WALK_M_S,
    day_mark,
    first_use_cell,
    first_use_places,
    place_memory,
)
from groundrule.detect.roaming import RoamingSettings, roams_on
from groundrule.detect.rows import MOVING, NOWHERE, Facts, Places, Rows
from groundrule.detect.signals import Offending, Signal
from groundrule.detect.state import distance_m
from groundrule.instant import NS_PER_S

Name = Callable[[int], str]
"""Id of the terminal of a row in memory."""

_BORDER, _LINE, _ELSEWHERE, _DORMANT, _ROAMING = range(5)
_KINDS: Final = ("border_crossing", "control_line_crossing", "used_elsewhere", "dormant_at_front", "roaming_beyond_limits")
_RAISED = np.dtype([("row", "i8"), ("what", "u1"), ("from_s", "i8"), ("strength", "f4"), ("left", "i4"), ("number", "f8")])
_MOST_A_ROW = 5
_AHEAD: Final = 128
"""Rows whose memory is fetched together; their records fit into the innermost cache."""


@dataclass(frozen=True, slots=True)
class WhereaboutsSettings:
    """Settings of the behaviours, each described in its module."""

    crossing: CrossingSettings = field(default_factory=CrossingSettings)
    elsewhere: ElsewhereSettings = field(default_factory=ElsewhereSettings)
    dormant: DormantSettings = field(default_factory=DormantSettings)
    roaming: RoamingSettings = field(default_factory=RoamingSettings)


class Noting(Protocol):
    """Gives those that gather, beside each batch, what they need to know of its places; see `Whereabouts`."""

    company: NDArray[np.void]
    events: NDArray[np.void]


class Whereabouts:
    """Memory of where terminals are, and the signals that follow from it.

    Attributes:
        memory: PLACE_DTYPE, one element a terminal.
        company: of the latest update, samples of terminals that may be in company (SAMPLE_DTYPE), for `Company.update`.
        events: of the latest update, first uses (EVENT_DTYPE), for `Registrations.update`.
        began_s: time of the first observation ever given [s]; before it nothing is known of anybody's sleep.
    """

    def __init__(self, settings: WhereaboutsSettings | None = None, terminals: int = 0) -> None:
        self.settings = settings or WhereaboutsSettings()
        self.memory: NDArray[np.void] = place_memory(terminals)
        self.company: NDArray[np.void] = np.empty(0, SAMPLE_DTYPE)
        self.events: NDArray[np.void] = np.empty(0, EVENT_DTYPE)
        self.began_s = 0

    def __len__(self) -> int:
        return len(self.memory)

    @property
    def nbytes(self) -> int:
        """Memory held [bytes]."""
        return self.memory.nbytes

    def grow(self, terminals: int) -> None:
        """Make room for terminals that were not known before."""
        self.memory = grown(self.memory, terminals, place_memory)

    def first_use(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where each terminal was first used, to FIRST_USE_DEG [degree; NaN unknown]."""
        return first_use_places(self.memory["first_use"])

    def update(
        self, rows: Rows, facts: Facts, places: Places, name: Name, *, days_abroad: NDArray[np.float64] | None = None
    ) -> list[Signal]:
        """Take observations in order of time, and say what they raise.

        Args:
            rows: each terminal's in order of time, from one call to the next too. facts, places: see `detect.rows`.
            name: id of the terminal of a row.
            days_abroad: a stay counter's elapsed days at each row [d; NaN unknown]; None: those since it was last seen in the
                country of its activation count, for plans that allow motion.
        Returns:
            Signals in the order of their rows.
        """
        self.company = np.empty(len(rows), SAMPLE_DTYPE)
        self.events = np.empty(2 * len(rows), EVENT_DTYPE)
        if not len(rows):
            return []
        self.grow(len(facts))
        if not self.began_s:
            self.began_s = int(rows.t_ns[0] // NS_PER_S)
        s = self.settings
        raised = np.empty(_MOST_A_ROW * len(rows) + 1, _RAISED)
        many, in_company, told, _ = _pass(
            self.memory, rows.row, rows.t_ns, rows.lat_deg, rows.lon_deg, rows.sigma_m, rows.cell, rows.alt_m, rows.speed_m_s,
            rows.believed, rows.place, places.country, places.front, places.side, places.sea,
            facts.activation_country, facts.account_country, facts.activated_ns, facts.protected, facts.mobile,
            np.zeros(0) if days_abroad is None else days_abroad, self.began_s,
            _floats(s.crossing), _floats(s.elsewhere), _floats(s.dormant), _floats(s.roaming), raised, self.company, self.events,
        )  # fmt: skip
        self.company = self.company[:in_company].copy()
        self.events = self.events[:told].copy()
        return [self._signal(one, rows, places, name) for one in raised[:many]]

    def _signal(self, one: np.void, rows: Rows, places: Places, name: Name) -> Signal:
        i, what, from_ns = int(one["row"]), int(one["what"]), int(one["from_s"]) * NS_PER_S
        t, number = int(rows.t_ns[i]), float(one["number"])
        place = int(rows.place[i])
        group = None
        found: tuple[tuple[str, float, str], ...]
        if what == _BORDER:
            group = f"border:{places.countries[one['left']]}-{places.countries[places.country[place]]}"
            found = (("time inside", number, "s"),)
        elif what == _LINE:
            group = f"line:{places.sides[one['left']]}-{places.sides[places.side[place]]}"
            found = (("time inside", number, "s"),)
        elif what == _ELSEWHERE:
            found = (("at a front", float(bool(places.front[place])), ""), ("time elsewhere", number, "d"))
        else:
            found = (("time asleep" if what == _DORMANT else "time abroad", number, "d"),)
        lat, lon = float(rows.lat_deg[i]), float(rows.lon_deg[i])
        known = not np.isnan(lat)
        here = Offending(t, lat if known else None, lon if known else None, float(rows.sigma_m[i]) if known else None)
        return Signal(
            _KINDS[what], name(int(rows.row[i])), t, min(t, from_ns), round(float(one["strength"]), 6),
            lat if known else None, lon if known else None, group, found, (here,),
        )  # fmt: skip


def _floats(settings: object) -> tuple[float, ...]:
    return tuple(float(value) for value in astuple(settings))  # type: ignore[call-overload]  # dataclasses of numbers


@njit(cache=True, nogil=True)
def _pass(  # type: ignore[no-untyped-def]  # compiled; typed by numba
    memory, row, t_ns, lat, lon, sigma, cell, alt, speed, believed, place, country_of, front_of, side_of, sea_of,
    activation, account, activated_ns, protected, mobile, days_abroad, began_s,
    crossing, elsewhere, dormant, roaming, raised, company, events,
):  # fmt: skip
    persist_s, flight_m_s, flight_m, border_fixed, border_mobile, line_strength = crossing
    sleep_days, far_m, dormant_samples, seen_before, unseen = dormant
    away_days = elsewhere[1]
    limit_days, roaming_again, roaming_strength = roaming
    many = 0
    in_company = 0
    told = 0
    touched = 0
    for i in range(len(row)):
        if i % _AHEAD == 0:
            # Many misses of the cache at a time instead of one after the other: three times as fast with ten million terminals.
            for j in range(i, min(len(row), i + _AHEAD)):
                touched += memory[row[j]].t_seen + memory[row[j]].roaming_day + protected[row[j]] + activation[row[j]]
        r = row[i]
        m = memory[r]
        t = t_ns[i] // 1_000_000_000
        seen = np.int64(m.t_seen)
        if seen == 0:
            # Whoever was activated before observations begin may have been in use all the time.
            if activated_ns[r] // 1_000_000_000 >= began_s:
                fall_asleep(m, t - activated_ns[r] // 1_000_000_000, sleep_days)
                m.flags |= UNSEEN
            since = LONG
        else:
            if t - seen >= sleep_days * 86_400.0:
                fall_asleep(m, t - seen, sleep_days)
                m.flags &= ~UNSEEN
            since = min(LONG, m.since_sample + (t - seen))
        m.t_seen = t
        m.since_sample = since
        # What registers say lies elsewhere in memory, so it is asked only where it can matter.
        if len(days_abroad) and roams_on(m, days_abroad[i], t, limit_days, roaming_again) and not protected[r]:
            m.roaming_day = day_mark(t)
            raised[many].row = i
            raised[many].what = _ROAMING
            raised[many].from_s = t - int(days_abroad[i] * 86_400.0)
            raised[many].strength = roaming_strength
            raised[many].number = days_abroad[i]
            many += 1
        if not believed[i] or place[i] < 0 or since < SAMPLE_S:
            continue
        m.since_sample = 0
        positioned = not np.isnan(m.lat)
        lat_before = np.float64(m.lat)
        lon_before = np.float64(m.lon)
        moved = distance_m(lat_before, lon_before, lat[i], lon[i]) if positioned else 0.0
        m.lat = lat[i]
        m.lon = lon[i]
        if not positioned:
            m.first_use = first_use_cell(lat[i], lon[i])
        if m.slept_days and positioned and since >= LONG and moved < far_m:
            m.slept_days = 0
        flying = speed[i] > flight_m_s or alt[i] > flight_m
        if positioned and cell[i] == 0 and since < LONG and moved > flight_m_s * since:
            flying = True
        p = place[i]
        if flying or sea_of[p]:
            continue
        country = country_of[p]
        at_front = front_of[p]
        if positioned and cell[i] == 0 and since <= STEP_S and (t - since) // 60 != t // 60:
            moving = moved >= WALK_M_S * since and moved >= 3.0 * sigma[i]
            resting = moved <= max(30.0, 3.0 * sigma[i])
            if moving or (resting and country != NOWHERE and not m.flags & AT_HOME):
                one = company[in_company]
                one.row = r
                one.place = p
                one.t = t
                one.index = i
                one.lat = lat[i]
                one.lon = lon[i]
                one.speed = moved / since
                one.course = np.arctan2((lon[i] - lon_before) * np.cos(np.radians(lat[i])), lat[i] - lat_before)
                one.moving = moving
                one.seen_home = m.flags & HOME_SEEN
                one.away_days = 0 if m.away_day == 0 else t // 86_400 - m.away_day
                in_company += 1
        still = positioned and moved <= max(5.0, 2.0 * sigma[i])
        if at_front:
            m.counts = (m.counts & 0x0F) | (min(15, (m.counts >> 4) + 1) << 4)
        else:
            m.counts = m.counts & 0x0F
            m.slept_days = 0
        if country != NOWHERE:
            new = m.country == NOWHERE
            left = settle_country(m, country, t, still, persist_s)
            if new and m.country != NOWHERE:
                events[told].index = i
                events[told].what = EVENT_SETTLED
                told += 1
            if left != NOWHERE:
                raised[many].row = i
                raised[many].what = _BORDER
                raised[many].from_s = m.country_since
                raised[many].strength = border_fixed if mobile[r] == 0 else border_mobile
                raised[many].left = left
                raised[many].number = t - m.country_since
                many += 1
            if (m.counts >> 4) >= elsewhere[0] and not m.flags & FRONT_SEEN:
                m.flags |= FRONT_SEEN
                events[told].index = i
                events[told].what = EVENT_FRONT
                told += 1
        if side_of[p] != 0:
            left = settle_side(m, side_of[p], t, still, persist_s)
            if left != 0:
                raised[many].row = i
                raised[many].what = _LINE
                raised[many].from_s = m.side_since
                raised[many].strength = line_strength
                raised[many].left = left
                raised[many].number = t - m.side_since
                many += 1
        if country == NOWHERE:
            known = m.slept_days == 0
        elif m.flags & AT_HOME:
            known = country == m.country and m.slept_days == 0
        else:
            known = country == m.country and not at_front and m.away_day != 0 and t // 86_400 - m.away_day < away_days
        if not known and not protected[r]:
            strength = used_elsewhere(m, country, at_front, activation[r], account[r], t, elsewhere)
            if strength > 0.0:
                m.elsewhere_day = day_mark(t)
                raised[many].row = i
                raised[many].what = _ELSEWHERE
                raised[many].from_s = max(m.away_day * 86_400, began_s)
                raised[many].strength = strength
                raised[many].number = t / 86_400.0 - m.away_day
                many += 1
            days_away = 0 if m.away_day == 0 else t // 86_400 - m.away_day
            if len(days_abroad) == 0 and mobile[r] == MOVING and roams_on(m, days_away, t, limit_days, roaming_again):
                m.roaming_day = day_mark(t)
                raised[many].row = i
                raised[many].what = _ROAMING
                raised[many].from_s = m.away_day * 86_400
                raised[many].strength = roaming_strength
                raised[many].number = days_away
                many += 1
            if m.slept_days and (m.counts >> 4) >= dormant_samples:
                raised[many].row = i
                raised[many].what = _DORMANT
                raised[many].from_s = t
                raised[many].strength = unseen if m.flags & UNSEEN else seen_before
                raised[many].number = m.slept_days
                many += 1
                m.slept_days = 0
    return many, in_company, told, touched
