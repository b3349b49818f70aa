"""Roaming beyond limits: more days abroad than a travel plan is for.

What: a stay counter of the rulebook (`stay.ID.elapsed_days`, kept by `detect.state.count_stays`) has passed `limit_days`. The
days are counted once, there; here they become a signal. Where the pipeline gives no counter, the days count since a terminal with
a plan for travellers was last seen in the country of its activation, which `used_elsewhere` remembers.

Why: a plan for travellers that lives abroad for months is a plan of another country's resident, or of a reseller. Refugees,
seasonal workers and long journeys look the same; rules that act on the days alone say so to the owner beforehand. Terminals of a
protected class are not raised.

Source of the limit: the operator's published terms let a roaming terminal stay abroad for two months at a time.
Strength is a rule of thumb.
"""

from __future__ import annotations

from dataclasses import dataclass

from numba import njit

from groundrule.detect.place_memory import days_since


@dataclass(frozen=True, slots=True)
class RoamingSettings:
    """Thresholds.

    Attributes:
        limit_days: days abroad without a return [d]; the operator's published terms.
        again_days: raised again after so long at the earliest, half of how long it counts [d].
        strength: a rule of thumb.
    """

    limit_days: float = 60.0
    again_days: float = 4.0
    strength: float = 0.3


@njit(cache=True, nogil=True)
def roams_on(m, days_abroad: float, t: int, limit_days: float, again_days: float) -> bool:  # type: ignore[no-untyped-def]  # a record
    """Is a signal due?"""
    return days_abroad > limit_days and days_since(m.roaming_day, t) >= again_days
