"""Crossings: certainly inside one country or one side of a control line, later certainly inside another, and staying there.

What: a terminal settles in a country when it was certainly inside it for `persist_s` and in three samples, with none from
elsewhere between. A change of what it is settled in is a crossing. The same for areas of kind `control`, whose sides do not
touch: the front itself is neither.

Why: a terminal carried over a front line changes hands; one carried over a border may leave the country that it was sold for.

Not raised: at sea (a ship that hugs a border is settled where it last was on land; landing elsewhere is one crossing), in the
air above `flight_m` or faster than `flight_m_s` (overflight), by noise at an edge (an edge is certain of nothing), by one
displaced fix, or by what the navigation of a disturbed area shows. Versions of areas are those of the day of each
observation: when a line moves over a terminal that stays, it is settled on the other side, and that is no crossing of the terminal.

Source: the thresholds are rules of thumb, chosen on simulated traffic; two minutes are eight reports at a cadence of 15 s.
Strength: what has moved is certain, what it means is not. A plan that allows motion makes it usual.
"""

from __future__ import annotations

from dataclasses import dataclass

from numba import njit

from groundrule.detect.place_memory import AT_HOME, STILL_AT_BORDER, STILL_AT_LINE
from groundrule.detect.rows import NOWHERE


@dataclass(frozen=True, slots=True)
class CrossingSettings:
    """Thresholds; rules of thumb on simulated traffic.

    Attributes:
        persist_s: how long it must be certainly inside the other one [s].
        flight_m_s: from here on it flies over, and is in no country [m/s]; drones seen are below 60 m/s.
        flight_m: likewise of height [m].
        border_fixed, border_mobile: strength of a border crossing where the plan allows no motion, and where it does.
        line: strength of a crossing of a control line.
    """

    persist_s: float = 120.0
    flight_m_s: float = 70.0
    flight_m: float = 4_000.0
    border_fixed: float = 0.5
    border_mobile: float = 0.15
    line: float = 0.5


@njit(cache=True, nogil=True)
def settle_country(m, country: int, t: int, still: bool, persist_s: float) -> int:  # type: ignore[no-untyped-def]  # a record
    """Take a certain country; return the one that was left, or NOWHERE if none was, or if a border moved over what lay still."""
    if country == m.country:
        m.next_country = NOWHERE
        return NOWHERE
    if country != m.next_country:
        m.next_country = country
        m.country_since = t
        m.counts = (m.counts & 0xFC) | 1
        m.flags = (m.flags | STILL_AT_BORDER) if still else (m.flags & ~STILL_AT_BORDER)
        return NOWHERE
    count = min(3, (m.counts & 3) + 1)
    m.counts = (m.counts & 0xFC) | count
    if count < 3 or t - m.country_since < persist_s:
        return NOWHERE
    left = m.country
    m.country = country
    m.flags &= ~AT_HOME
    m.next_country = NOWHERE
    return NOWHERE if m.flags & STILL_AT_BORDER else left


@njit(cache=True, nogil=True)
def settle_side(m, side: int, t: int, still: bool, persist_s: float) -> int:  # type: ignore[no-untyped-def]  # a record
    """Take a certain side of a control line (from 1); return the one that was left, or 0 if none was or the line moved."""
    if side == m.side:
        m.next_side = 0
        return 0
    if side != m.next_side:
        m.next_side = side
        m.side_since = t
        m.counts = (m.counts & 0xF3) | 4
        m.flags = (m.flags | STILL_AT_LINE) if still else (m.flags & ~STILL_AT_LINE)
        return 0
    count = min(3, ((m.counts >> 2) & 3) + 1)
    m.counts = (m.counts & 0xF3) | (count << 2)
    if count < 3 or t - m.side_since < persist_s:
        return 0
    left = m.side
    m.side = side
    m.next_side = 0
    return 0 if m.flags & STILL_AT_LINE else left
