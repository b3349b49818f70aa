"""Attackers: what each class does to what the network measures, so that it looks like the place that is claimed.

Everybody here claims a false place. They differ in what else they control:

    A0   nothing else: the modem is honest
    A1   one hidden delay for all ranges (a long cable, a delay line); never negative
    A1D  ranges forged, Doppler honest          A1R  Doppler forged, ranges honest
    A2   another delay in each slot, never negative, and Doppler forged
    A3   sends early: ranges and Doppler are those of the claimed place; where the ranges are bound it is an A2
    A4   the claim and the radio are honest; the person served is elsewhere, behind a relay

An attacker knows the public elements and none of their errors: forged values are those that the claimed place would give if
the elements were true.

Source: section 11 of the specification of verification.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CLASSES = ("none", "A0", "A1", "A1D", "A1R", "A2", "A3", "A4")
"""Attackers; `none` is honest."""
NONE, A0, A1, A1D, A1R, A2, A3, A4 = range(len(CLASSES))
LIES = (A0, A1, A1D, A1R, A2, A3)
"""Those whose terminal is not where it claims."""


class Values(NamedTuple):
    """Ranges [m] and range rates [m/s] of one slot [n, k]."""

    range_m: Floats
    rate_m_s: Floats


def forge(kind: NDArray[np.int64], true: Values, claimed: Values, constant_m: Floats) -> Values:
    """Do to a slot what attackers of each class do.

    Args:
        kind: index into `CLASSES` of each terminal [n].
        true: what an honest radio would give [n, k].
        claimed: what the claimed place would give by the elements [n, k]; rows of honest terminals are not read.
        constant_m: hidden delay of A1 [n; m].
    Returns:
        what arrives at the network, before noise.
    """
    ranges, rates = true.range_m.copy(), true.rate_m_s.copy()
    forged_range = np.isin(kind, (A1D, A3))
    ranges[forged_range] = claimed.range_m[forged_range]
    forged_rate = np.isin(kind, (A1R, A2, A3))
    rates[forged_rate] = claimed.rate_m_s[forged_rate]
    ranges[kind == A1] += constant_m[kind == A1, None]
    late = kind == A2
    ranges[late] += best_delay(true.range_m[late], claimed.range_m[late])[:, None]
    return Values(ranges, rates)


def as_bound(kind: str, trust: str) -> int:
    """Index of what a class can do where values are worth `trust`: a bound turn-around cannot be answered early."""
    return A2 if kind == "A3" and trust in {"nonce_bound", "attested"} else CLASSES.index(kind)


def best_delay(true_m: Floats, claimed_m: Floats) -> Floats:
    """The one delay that brings the ranges of a slot nearest to the claimed ones, if it may only be added [n; m]."""
    result: Floats = np.maximum(np.mean(claimed_m - true_m, axis=1), 0.0)
    return result
