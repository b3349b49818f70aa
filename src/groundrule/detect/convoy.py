"""Convoys: many terminals of unrelated accounts that drive together.

What: at least `least` terminals of `least_accounts` accounts and parties, linked by distances of `reach_m`, with speeds and
courses alike, longer than `shortest_m` from end to end, for `persist_s`; on land, on the ground.

Why: vehicles of an armed column whose terminals came through many names.

Innocents that move together: passengers of a train or a ferry (shorter than `shortest_m`: platforms of European railways end
at 400 m, Commission Regulation (EU) 1299/2014, 4.2.9.1), buses, vehicles of one operator or aid organisation (one account or
party), columns with protected terminals in them (at least `aid_share`), ships. An evacuation column looks the same; its
terminals are at home in the country, therefore strength rises with the share that is not.

Strength is a rule of thumb.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConvoySettings:
    """Thresholds; rules of thumb on simulated terminals.

    Attributes:
        least, least_accounts: terminals, and accounts that nothing known connects.
        reach_m: distance that links two [m].
        speed_share: how far speeds differ, as a share of the greater. turn_rad: and courses [radian].
        shortest_m, longest_m: from end to end [m]; beyond the longest it is traffic.
        persist_s: how long together [s].
        again_s: told again after so long at the earliest, half of how long it counts [s].
        aid_share: with this share of protected terminals it is an aid convoy or an evacuation.
        at_home, elsewhere: strength where all terminals were activated in the country, and where none was.
    """

    least: int = 6
    least_accounts: int = 4
    reach_m: float = 400.0
    speed_share: float = 0.25
    turn_rad: float = 0.5
    shortest_m: float = 450.0
    longest_m: float = 8_000.0
    persist_s: float = 300.0
    again_s: float = 1_800.0
    aid_share: float = 0.25
    at_home: float = 0.15
    elsewhere: float = 0.45
