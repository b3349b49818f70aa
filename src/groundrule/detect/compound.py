"""Compounds: many terminals of unrelated accounts that lie in one small place, none of them at home there.

What: at least `least` terminals of `least_accounts` accounts and parties, all activated in other countries than the one where they
are, linked by distances of `reach_m` within at most `widest_m`, for `persist_s`.

Why: camps of fraud and of armed groups run on terminals collected through many names.

Innocents that lie together: apartment blocks and hospitals (activated where they are: not counted), refugee camps and travellers on
a camping site (used in the country of their activation before: `seen_home`), festivals (some days), aid stations (protected: not
counted). Where most have been at home before there is no compound; until it has lasted `settled_days` its strength is low.

Strength is a rule of thumb.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class CompoundSettings:
    """Thresholds; rules of thumb on simulated terminals.

    Attributes:
        least, least_accounts: terminals, and accounts that nothing known connects.
        reach_m: distance that links two [m].
        widest_m: a group that reaches farther is a town [m].
        persist_s: how long together [s].
        again_s: told again after so long at the earliest, half of how long it counts [s].
        settled_days: festivals are over by then [d].
        seen_home_share: with more than this share who were at home before they are travellers or refugees.
        early, settled: strength before and after `settled_days`.
    """

    least: int = 8
    least_accounts: int = 5
    reach_m: float = 250.0
    widest_m: float = 2_000.0
    persist_s: float = 900.0
    again_s: float = 43_200.0
    settled_days: float = 7.0
    seen_home_share: float = 0.3
    early: float = 0.25
    settled: float = 0.5

    def strength(self, samples: NDArray[np.void]) -> float:
        """Strength of a group, or 0 if it is none."""
        if np.mean(samples["seen_home"] > 0) > self.seen_home_share:
            return 0.0
        return self.settled if float(np.median(samples["away_days"])) >= self.settled_days else self.early
