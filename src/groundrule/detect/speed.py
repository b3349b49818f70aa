"""Speed above what the plan allows, and motion on a plan without motion: with hysteresis and persistence.

What. `over_speed`: faster than a plan in motion allows. `moving_without_plan`: faster than a walk on a plan that is bound to one
place, and away from where it rested. The speed is the least that the positions allow: twice their combined standard deviation is
taken off the way, or the radii of both cells. It must lie above the limit for a time and in three steps that follow each other; it
counts as over until it has surely fallen below the release.

Why. Alerts 59 and 60 of the operators' stream say the same, but their edges are not in the stream and the newest set lacks them.

The rulebook's own limits have their state in `detect.state`, in 17 bytes for each limit, with the start of each excess in
nanoseconds. Here one limit a terminal is in force, its state is four bits of the track's record, and its start is the mark of the
regime; so the kernels share the interval and the count of excesses (`state.EXCESSES`) and not the code.

Sources: 16 km/h (10 mph) on plans without mobility, alert 59; 160 km/h (100 mph) for plans in motion, operator's support page.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from groundrule.detect.state import EXCESSES
from groundrule.detect.track import DEGREE, EXCESS, NO_PLAN, OVER, offset_m, put_mark


@dataclass(frozen=True, slots=True)
class SpeedSettings:
    """The limits.

    Attributes:
        over_m_s, over_release_m_s, over_for_s: limit of plans in motion, its release [m/s] and how long it must be exceeded [s].
        still_m_s, still_release_m_s, still_for_s: the same of plans without motion.
        still_away_m: and so far from where the excess began [m].
    """

    over_m_s: float = 160 / 3.6
    over_release_m_s: float = 150 / 3.6
    over_for_s: float = 30.0
    still_m_s: float = 16 / 3.6
    still_release_m_s: float = 10 / 3.6
    still_for_s: float = 60.0
    still_away_m: float = 500.0

    @property
    def values(self) -> tuple[float, ...]:
        """For the compiled pass: limit, release, time, way of both, one after the other."""
        return (
            self.over_m_s, self.over_release_m_s, self.over_for_s, 0.0,
            self.still_m_s, self.still_release_m_s, self.still_for_s, self.still_away_m,
        )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def exceeds(m, t, lat, lon, low, high, plan, limit, release, for_s, away_m):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """Update the limit of a terminal after a step that began at its last fix, and say whether it is exceeded.

    Args:
        m: its record, with the fix before this one as the last.
        t: instant of this fix [ns]. lat, lon: its position [degree].
        low, high: interval of its speed [m/s].
        plan: NO_PLAN if the limit is that of plans without motion, else 0.
    """
    if m.flags & NO_PLAN != plan:
        # Another plan: what was counted was of another limit.
        m.flags = np.uint8((m.flags & (255 - EXCESS - OVER - NO_PLAN)) | plan)
    if m.flags & OVER:
        if high < release:
            m.flags &= np.uint8(255 - OVER - EXCESS)
            return False
        return low > release or high <= limit
    if low <= limit:
        m.flags &= np.uint8(255 - EXCESS)
        return False
    count = m.flags & EXCESS
    if count == 0:
        put_mark(m)
    if count < EXCESSES:
        count += 1
        m.flags = np.uint8((m.flags & (255 - EXCESS)) | count)
    if count < EXCESSES or (t - m.mark_t) * 1e-9 < for_s:
        return False
    if away_m > 0.0:
        east, north = offset_m(m.mark_lat / DEGREE, m.mark_lon / DEGREE, lat, lon)
        if east * east + north * north < away_m * away_m:
            return False
    m.flags |= np.uint8(OVER)
    return True
