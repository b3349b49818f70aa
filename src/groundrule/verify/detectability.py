"""Detectability: what a lie must be at least to be seen, and how surely one of a size would have been.

For a true offset d of the claim the test statistic T1 is noncentral chi-square with noncentrality d' P^-1 d. The minimal
detectable offset (MDO) along a direction e is sqrt(L / (e' P^-1 e)), where L makes the chance of detection 0.99.

Source: section 10 of the specification.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from groundrule.verify.chances import chi2_tail, noncentral_tail, noncentral_tails, noncentrality
from groundrule.verify.model import Floats

DIRECTIONS = 16
DISTANCES_M = (1e3, 5e3, 10e3, 50e3, 100e3)
CHANCE = 0.99
"""Chance of detection that the minimal detectable offset means."""


@cache
def needed(threshold: float, chance: float = CHANCE) -> float:
    """Noncentrality at which T1 with this threshold fires with this chance: 27.4, 35.2, 42.6 at 1e-2, 1e-3, 1e-4."""
    return float(noncentrality(threshold, 2.0, chance))


def directions() -> Floats:
    """Unit vectors (east, north) of 16 directions, from north, clockwise [16, 2]."""
    turn = np.arange(DIRECTIONS) * (2 * math.pi / DIRECTIONS)
    return np.stack([np.sin(turn), np.cos(turn)], axis=1)


def worst_offset_m(covariance: Floats, threshold: Floats | float) -> Floats:
    """MDO in the worst direction [m; (...)].

    Args:
        covariance: east and north, with the claim's own added [..., 2, 2; m2]; infinite or not-a-number gives infinity.
        threshold: of T1 [...].
    """
    half = 0.5 * (covariance[..., 0, 0] + covariance[..., 1, 1])
    with np.errstate(invalid="ignore"):
        large = half + np.hypot(0.5 * (covariance[..., 0, 0] - covariance[..., 1, 1]), covariance[..., 0, 1])
    factor = _needed(threshold, large.shape)
    return np.where(np.isfinite(large), np.sqrt(factor * np.where(np.isfinite(large), large, 0.0)), math.inf)


def _needed(threshold: Floats | float, shape: tuple[int, ...]) -> Floats:
    values = np.broadcast_to(np.asarray(threshold, np.float64), shape)
    distinct, which = np.unique(values, return_inverse=True)
    told = np.array([needed(float(value)) if math.isfinite(value) else math.inf for value in distinct])
    return told[which].reshape(shape)


def offsets_m(covariance: Floats, threshold: Floats | float) -> Floats:
    """MDO along each of the 16 directions [m; (..., 16)]."""
    e = directions()
    good = np.asarray(np.isfinite(covariance).all(axis=(-1, -2)))
    safe = np.where(good[..., None, None], covariance, np.eye(2))
    information = np.einsum("di,...ij,dj->...d", e, np.linalg.inv(safe), e)
    factor = _needed(threshold, information.shape[:-1])
    return np.where(good[..., None], np.sqrt(factor[..., None] / np.maximum(information, 1e-300)), math.inf)


def chances_of_detection(covariance: Floats, threshold: Floats | float, distances_m: tuple[float, ...] = DISTANCES_M) -> Floats:
    """Chance that T1 fires for a lie of each size, mean over 16 directions [..., distances]."""
    e = directions()
    good = np.asarray(np.isfinite(covariance).all(axis=(-1, -2)))
    safe = np.where(good[..., None, None], covariance, np.eye(2))
    information = np.einsum("di,...ij,dj->...d", e, np.linalg.inv(safe), e)
    away = information[..., None, :] * np.square(np.asarray(distances_m))[:, None]
    limit = np.broadcast_to(np.asarray(threshold, np.float64), information.shape[:-1])
    seen = noncentral_tails(limit[..., None, None], 2.0, away).mean(axis=-1)
    none = np.array([chi2_tail(float(x), 2.0) for x in limit.ravel()]).reshape(limit.shape)
    return np.where(good[..., None], seen, none[..., None])


def chance_at(covariance: Floats, threshold: float, offset_m: Floats) -> float:
    """Chance that T1 fires for one true offset (east, north) [m]."""
    away = float(offset_m @ np.linalg.solve(covariance, offset_m))
    return float(noncentral_tail(threshold, 2.0, away))
