"""CAMARA: the answer of location verification 3.0.0 to a circle, from the network's estimate, never from the GNSS claim.

N is the 95 % region of all modes, P the probability in the circle. matchRate is probability mass, round(100 P) held between
1 and 99; the standard defines an area ratio, which is equal only for a uniform density.

Source: section 14 of the specification; CAMARA DeviceLocation, location-verification 3.0.0 (release r3.2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from groundrule.verify.judge import Judgements
from groundrule.verify.solve import Estimate
from groundrule.verify.statistics import displaced, distance_m, plane_at
from groundrule.verify.verdict import Condition, Verdict
from groundrule.verify.zones import sample

_POINT_95 = 5.991464547
_HORIZON_M = 5e6  # beyond it the plane at the mode says nothing
_BY_TERMINAL = ("count", "lat_deg", "lon_deg", "height_m", "state", "cost", "weight", "covariance", "iterations", "flags", "dof")

TRUE, FALSE, PARTIAL, UNKNOWN = "TRUE", "FALSE", "PARTIAL", "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Answer:
    """Result, the rate for PARTIAL, and the probability behind it (not part of the standard's answer)."""

    result: str
    match_rate: int | None
    probability: float


def match_circle(judged: Judgements, row: int, lat_deg: float, lon_deg: float, radius_m: float) -> Answer:
    """Answer whether a terminal is in a circle.

    Args:
        judged: verdicts; row: which. lat_deg, lon_deg, radius_m: the circle [degree, m].
    Returns:
        UNKNOWN under FAULT or without a bounded region; version 3.0.0 has no UNKNOWN and answers 422 UNABLE_TO_LOCATE.
    """
    found = judged.a0.found
    bounded = found.count[row] > 0 and np.isfinite(found.covariance[row, : found.count[row], :2, :2]).all()
    if judged.verdict[row] == int(Verdict.FAULT) or judged.conditions[row] & int(Condition.NO_ESTIMATE) or not bounded:
        return Answer(UNKNOWN, None, float("nan"))
    lat, lon, weight = sample(_one(found, row))
    there = weight[0] > 0
    away = distance_m(np.full(there.sum(), lat_deg), np.full(there.sum(), lon_deg), lat[0][there], lon[0][there])
    probability = float(np.clip(weight[0][there][away <= radius_m].sum(), 0.0, 1.0))
    inside, disjoint = _region(found, row, lat_deg, lon_deg, radius_m)
    unclear = bool(judged.conditions[row] & int(Condition.MODES))
    if inside and probability >= 0.98 and not unclear:
        return Answer(TRUE, None, probability)
    if disjoint and probability <= 0.02:
        return Answer(FALSE, None, probability)
    return Answer(PARTIAL, int(min(max(round(100 * probability), 1), 99)), probability)


def _one(found: Estimate, row: int) -> Estimate:
    """The estimate of one terminal."""
    return replace(found, **{name: getattr(found, name)[row : row + 1] for name in _BY_TERMINAL})


def _region(found: Estimate, row: int, lat_deg: float, lon_deg: float, radius_m: float) -> tuple[bool, bool]:
    """Whether the 95 % ellipses of all modes lie inside the circle, and whether none touches it."""
    inside, disjoint = True, True
    turn = np.linspace(0.0, 2.0 * np.pi, 72, endpoint=False)
    for m in range(min(int(found.count[row]), found.cost.shape[1])):
        p = found.covariance[row, m, :2, :2]
        values, vectors = np.linalg.eigh(p)
        edge = (vectors * np.sqrt(np.maximum(values, 0.0) * _POINT_95)) @ np.stack([np.cos(turn), np.sin(turn)])
        lat, lon = np.full(72, found.lat_deg[row, m]), np.full(72, found.lon_deg[row, m])
        at_lat, at_lon = displaced(lat, lon, edge.T)
        away = distance_m(np.full(72, lat_deg), np.full(72, lon_deg), at_lat, at_lon)
        inside &= bool((away <= radius_m).all())
        to = plane_at(lat[0], lon[0], lat_deg, lon_deg)
        near = float(distance_m(lat[0], lon[0], lat_deg, lon_deg)) < _HORIZON_M
        held = near and float(to @ np.linalg.solve(p, to)) <= _POINT_95
        disjoint &= not held and bool((away > radius_m).all())
    return inside, disjoint
