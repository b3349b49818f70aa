"""CAMARA: the answer of location verification 3.0.0 to a circle, from the network's estimate, never from the GNSS claim.

N is the 95 % region of all modes, P the probability in the circle. matchRate is probability mass, round(100 P) held between
1 and 99; the standard defines an area ratio, which is equal only for a uniform density.

Source: section 14 of the specification; CAMARA DeviceLocation, location-verification 3.0.0 (release r3.2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from groundrule.verify.judge import Judgements
from groundrule.verify.solve import Estimate
from groundrule.verify.statistics import displaced, distance_m, plane_at
from groundrule.verify.verdict import Condition, Verdict
from groundrule.verify.zones import normal_points, sample

_POINT_95 = 5.991464547
_HORIZON_M = 5e6  # beyond it the plane at the mode says nothing
_BY_TERMINAL = ("count", "lat_deg", "lon_deg", "height_m", "state", "cost", "weight", "covariance", "iterations", "flags", "dof")

_Placed = tuple[float, float, NDArray[np.float64]]
"""Latitude, longitude [degree] and covariance of east and north [m2] of one mode."""

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
        UNKNOWN under FAULT, where only a manoeuvre explains the measurements, or without a bounded region; version 3.0.0 has no UNKNOWN
        and answers 422 UNABLE_TO_LOCATE.
    """
    found = judged.a0.found
    bounded = found.count[row] > 0 and np.isfinite(found.covariance[row, : found.count[row], :2, :2]).all()
    unplaced = int(Condition.NO_ESTIMATE | Condition.MANOEUVRE)
    if judged.verdict[row] == int(Verdict.FAULT) or judged.conditions[row] & unplaced or not bounded:
        return Answer(UNKNOWN, None, float("nan"))
    lat, lon, weight = sample(_one(found, row))
    there = weight[0] > 0
    away = distance_m(np.full(there.sum(), lat_deg), np.full(there.sum(), lon_deg), lat[0][there], lon[0][there])
    probability = float(np.clip(weight[0][there][away <= radius_m].sum(), 0.0, 1.0))
    modes = range(min(int(found.count[row]), found.cost.shape[1]))
    places = [(float(found.lat_deg[row, m]), float(found.lon_deg[row, m]), found.covariance[row, m, :2, :2]) for m in modes]
    unclear = bool(judged.conditions[row] & int(Condition.MODES))
    return _told(places, probability, lat_deg, lon_deg, radius_m, unclear=unclear)


def _told(places: Sequence[_Placed], probability: float, lat_deg: float, lon_deg: float, radius_m: float, *, unclear: bool) -> Answer:
    inside, disjoint = _region(places, lat_deg, lon_deg, radius_m)
    if inside and probability >= 0.98 and not unclear:
        return Answer(TRUE, None, probability)
    if disjoint and probability <= 0.02:
        return Answer(FALSE, None, probability)
    return Answer(PARTIAL, int(min(max(round(100 * probability), 1), 99)), probability)


def _one(found: Estimate, row: int) -> Estimate:
    """The estimate of one terminal."""
    return replace(found, **{name: getattr(found, name)[row : row + 1] for name in _BY_TERMINAL})


@dataclass(frozen=True, slots=True)
class Kept:
    """An estimate as it is kept of a verification whose position is usable.

    Attributes:
        lat_deg, lon_deg: of it [degree].
        sigma_major_m, sigma_minor_m: semi-axes of one sigma [m]. azimuth_deg: of the major one, clockwise from north.
        alternatives: other places that explain the measurements: latitude, longitude [degree], weight. Their spread is not kept; that
            of the best is taken.
    """

    lat_deg: float
    lon_deg: float
    sigma_major_m: float
    sigma_minor_m: float
    azimuth_deg: float
    alternatives: tuple[tuple[float, float, float], ...] = ()

    @property
    def bounded(self) -> bool:
        """Is there a region at all?"""
        values = (self.lat_deg, self.lon_deg, self.sigma_major_m, self.sigma_minor_m, self.azimuth_deg)
        return all(map(math.isfinite, values)) and 0 < self.sigma_minor_m <= self.sigma_major_m

    @property
    def covariance_m2(self) -> NDArray[np.float64]:
        """East and north, 2 by 2 [m2]."""
        turn = math.radians(self.azimuth_deg)
        along, across = np.array([math.sin(turn), math.cos(turn)]), np.array([math.cos(turn), -math.sin(turn)])
        return np.asarray(self.sigma_major_m**2 * np.outer(along, along) + self.sigma_minor_m**2 * np.outer(across, across))

    @property
    def places(self) -> list[tuple[float, float, float]]:
        """Latitude, longitude [degree] and weight of every mode, best first; weights sum to 1."""
        others = [each for each in self.alternatives if each[2] > 0]
        rest = sum(each[2] for each in others)
        return [(self.lat_deg, self.lon_deg, max(0.0, 1.0 - rest)), *others]


def match_kept(kept: Kept, lat_deg: float, lon_deg: float, radius_m: float) -> Answer:
    """Answer whether a kept estimate is in a circle; as `match_circle`.

    Args:
        kept: the estimate. lat_deg, lon_deg, radius_m: the circle [degree, m].
    """
    if not kept.bounded:
        return Answer(UNKNOWN, None, float("nan"))
    values, vectors = np.linalg.eigh(kept.covariance_m2)
    offset = normal_points() @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    n = len(offset)
    probability = 0.0
    for lat, lon, weight in kept.places:
        at_lat, at_lon = displaced(np.full(n, lat), np.full(n, lon), offset)
        away = distance_m(np.full(n, lat_deg), np.full(n, lon_deg), at_lat, at_lon)
        probability += weight * float((away <= radius_m).mean())
    places = [(lat, lon, kept.covariance_m2) for lat, lon, weight in kept.places if weight > 0]
    return _told(places, min(probability, 1.0), lat_deg, lon_deg, radius_m, unclear=False)


def circle_95(kept: Kept) -> tuple[float, float, float]:
    """Return the circle about the estimate that holds the 95 % ellipses of all modes: latitude, longitude [degree], radius [m]."""
    reach = math.sqrt(_POINT_95) * kept.sigma_major_m
    far = 0.0
    for lat, lon, _ in kept.places[1:]:
        far = max(far, float(distance_m(kept.lat_deg, kept.lon_deg, lat, lon)))
    return kept.lat_deg, kept.lon_deg, far + reach


def _region(places: Sequence[_Placed], lat_deg: float, lon_deg: float, radius_m: float) -> tuple[bool, bool]:
    """Whether the 95 % ellipses of all modes lie inside the circle, and whether none touches it."""
    inside, disjoint = True, True
    turn = np.linspace(0.0, 2.0 * np.pi, 72, endpoint=False)
    for mode_lat, mode_lon, p in places:
        values, vectors = np.linalg.eigh(p)
        edge = (vectors * np.sqrt(np.maximum(values, 0.0) * _POINT_95)) @ np.stack([np.cos(turn), np.sin(turn)])
        lat, lon = np.full(72, mode_lat), np.full(72, mode_lon)
        at_lat, at_lon = displaced(lat, lon, edge.T)
        away = distance_m(np.full(72, lat_deg), np.full(72, lon_deg), at_lat, at_lon)
        inside &= bool((away <= radius_m).all())
        to = plane_at(lat[0], lon[0], lat_deg, lon_deg)
        near = float(distance_m(lat[0], lon[0], lat_deg, lon_deg)) < _HORIZON_M
        held = near and float(to @ np.linalg.solve(p, to)) <= _POINT_95
        disjoint &= not held and bool((away > radius_m).all())
    return inside, disjoint
