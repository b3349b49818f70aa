"""Used elsewhere: activated in one country and used at a front line in another, or used only in another.

What: at a front, four samples in a row certainly inside a country that is not the one of activation. Away from fronts, only
after `away_days` in which it was never seen in the country of its activation.

Why: terminals for a war are activated where that is easy and carried to the line. So are those of journalists, aid workers and
relatives, and most terminals in use in Ukraine were bought abroad; a refugee's terminal, activated at home and now abroad, is
never at a front. Therefore strength falls with every ordinary explanation: the account is of the country where it is used, it
was seen in the country of its activation, there is no front. Terminals of a protected class are not raised at all.

Strength is a rule of thumb: nobody has published how often such a terminal is misused.
"""

from __future__ import annotations

from dataclasses import dataclass

from numba import njit

from groundrule.detect.place_memory import AT_HOME, FRONT_TOLD, HOME_SEEN, days_since


@dataclass(frozen=True, slots=True)
class ElsewhereSettings:
    """Thresholds; rules of thumb on simulated terminals.

    Attributes:
        front_samples: samples in a row at a front, at least 10 s apart each [1 to 15].
        away_days: days abroad without one at home, where there is no front [d].
        again_days: raised again after so long at the earliest, half of how long it counts [d].
        front: strength at a front, never seen at home, the account from elsewhere too.
        front_seen_home: likewise, but seen in the country of its activation.
        front_account_there: at a front, the account of the country where it is used.
        away: strength where there is no front: refugees, students, seasonal workers are like that.
    """

    front_samples: int = 4
    away_days: float = 30.0
    again_days: float = 15.0
    front: float = 0.6
    front_seen_home: float = 0.35
    front_account_there: float = 0.3
    away: float = 0.15


@njit(cache=True, nogil=True)
def used_elsewhere(  # type: ignore[no-untyped-def]  # a record; typed by numba
    m, country: int, at_front: bool, activation: int, account: int, t: int, limits
):
    """Take a sample certainly inside a country; return the strength of a signal, or 0.

    Args:
        m: memory of the terminal; its count of samples at a front includes this one.
        country, activation, account: of the place, the terminal's activation, its account (NOWHERE unknown).
        t: time [s].
        limits: numbers of ElsewhereSettings, in their order.
    """
    samples, away_days, again_days, front, front_seen_home, front_account_there, away = limits
    if activation < 0 or country < 0:
        return 0.0
    if country == activation:
        m.flags |= HOME_SEEN
        if country == m.country:
            m.flags |= AT_HOME
        m.away_day = 0
        return 0.0
    day = t // 86_400
    if m.away_day == 0:
        m.away_day = day
    rested = days_since(m.elsewhere_day, t) >= again_days
    if at_front and (m.counts >> 4) >= samples:
        if not rested and m.flags & FRONT_TOLD:
            return 0.0
        m.flags |= FRONT_TOLD
        if account == country:
            return front_account_there
        return front_seen_home if m.flags & HOME_SEEN else front
    if at_front or not rested or m.flags & HOME_SEEN or account == country or day - m.away_day < away_days:
        return 0.0
    return away
