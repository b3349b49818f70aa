"""When is an area's share of troubled terminals more than chance and more than a few liars: the test and its price.

A witness is an account with terminals that have stayed in the cell; it counts once, however many terminals it has, and is
troubled when more than half of them are. Of n witnesses k are troubled. Before anything is tested, as many troubled
witnesses as could be in league are taken away from both numbers, as if they had not been there. What is left must

1. be at least `least` witnesses,
2. be at least the share `share` of all that are left,
3. be too many by chance: the upper tail of a beta-binomial law, with the rate that this cell had before and an allowance
   for terminals of one place that fail together, must be at most `alpha`.

So `colluders` accounts that lie in whatever way add nothing: with them the area is suspended only where it would have been
suspended, or chance alone would have done it. Nobody's own account decides about its own suspension, for the same reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class AreaTest:
    """The test of one cell at one instant.

    Attributes:
        least: honest witnesses that must be troubled, besides the colluders.
        colluders: accounts that may lie together without any effect.
        share: of the witnesses that are left, at least so many must be troubled.
        alpha: chance of one test to fail under the base rate.
        together: correlation of two terminals of one cell under the base rate (of the beta-binomial law).
        least_rate: base rate that is assumed at least, so that a long calm makes no test too sharp.
    """

    least: int = 5
    colluders: int = 3
    share: float = 0.5
    alpha: float = 1e-9
    together: float = 0.01
    least_rate: float = 0.01

    def chances(
        self, troubled: NDArray[np.int64], witnesses: NDArray[np.int64], rate: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the chance of so many troubled witnesses after the colluders are taken away; 1 where too few remain.

        Args:
            troubled, witnesses: counts, shape (cells,).
            rate: base rate of each cell.
        """
        rates = np.clip(np.asarray(rate, np.float64), self.least_rate, 0.5)
        return _chances(
            np.asarray(troubled, np.int64), np.asarray(witnesses, np.int64), rates,
            self.colluders, self.least, self.share, self.together,
        )  # fmt: skip

    def accounts_needed(self, honest: int, *, rate: float = 0.0, most: int = 100_000) -> int:
        """Return how many resident accounts of one will it takes to suspend a cell with so many calm honest witnesses.

        Args:
            honest: calm witnesses of the cell that the attacker does not hold.
            rate: base rate of the cell.
            most: give up here; then `most` + 1 is returned.
        """
        own = np.arange(1, most + 1)
        enough = self.chances(own[:4096], own[:4096] + honest, np.full(min(most, 4096), rate)) <= self.alpha
        if enough.any():
            return int(own[:4096][enough][0])
        enough = self.chances(own, own + honest, np.full(most, rate)) <= self.alpha
        return int(own[enough][0]) if enough.any() else most + 1


@njit(cache=True, nogil=True)
def _chances(troubled, witnesses, rate, colluders, least, share, together):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    found = np.ones(len(troubled))
    for i in range(len(troubled)):
        k = troubled[i] - colluders
        n = witnesses[i] - colluders
        if k < least or k < share * n:
            continue
        found[i] = _tail(k, n, rate[i], together)
    return found


@njit(cache=True, nogil=True)
def _tail(k, n, rate, together):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """P(X >= k) of a beta-binomial law of n trials, mean rate and intraclass correlation, summed from the top."""
    a = rate * (1.0 - together) / together
    b = (1.0 - rate) * (1.0 - together) / together
    # log of the term at x = n, then downwards by the ratio of neighbours.
    log_term = math.lgamma(n + a) + math.lgamma(a + b) - math.lgamma(n + a + b) - math.lgamma(a)
    total = 0.0
    term = 1.0
    for x in range(n, k - 1, -1):
        total += term
        if total > 1e250:
            # Keeps the sum in range; what is lost below is no longer seen in it.
            log_term += math.log(total)
            term /= total
            total = 1.0
        # term(x - 1) / term(x) = x (n - x + b) / ((n - x + 1) (x - 1 + a))
        if x > 0:
            term *= x * (n - x + b) / ((n - x + 1.0) * (x - 1.0 + a))
    return min(1.0, math.exp(min(0.0, log_term + math.log(total)))) if total > 0.0 else 1.0
