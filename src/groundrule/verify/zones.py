"""Zones (T5): the chance that the terminal is in a zone, from all modes, never rounded to yes or no.

Zones are asked, not known: a callable says of points whether they are inside, so that this room needs no polygons.
Points are quasi-random (Sobol needs tables; the R2 sequence of the plastic number covers as evenly in two dimensions).

Source: section 10 of the specification; Roberts 2018, the R2 sequence.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from groundrule.errors import OutOfRange
from groundrule.verify.chances import normal_quantile
from groundrule.verify.model import Floats
from groundrule.verify.solve import Estimate
from groundrule.verify.statistics import displaced

Contains = Callable[[Floats, Floats], NDArray[np.bool_]]
"""Says of latitudes and longitudes [degree] which are inside."""

POINTS = 512
_PLASTIC = 1.32471795724474602596


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone to ask about.

    Attributes:
        name: for the report. contains: see `Contains`.
        needed: the rule in question needs this zone: a chance between 2 % and 98 % makes a verdict AMBIGUOUS.
    """

    name: str
    contains: Contains
    needed: bool = False


@cache
def normal_points(count: int = POINTS) -> Floats:
    """Quasi-random points of the standard normal distribution in the plane [count, 2]."""
    if not 16 <= count <= 65_536:
        raise OutOfRange(f"{count} points are asked for", help="16 to 65536", value=count)
    k = np.arange(1, count + 1)[:, None]
    uniform = (0.5 + k * np.array([1 / _PLASTIC, 1 / _PLASTIC**2])) % 1.0
    flat = np.array([-normal_quantile(float(u)) for u in np.clip(uniform, 1e-9, 1 - 1e-9).ravel()])
    points = flat.reshape(count, 2)
    points -= points.mean(axis=0)
    return points / points.std(axis=0)


def sample(found: Estimate, count: int = POINTS) -> tuple[Floats, Floats, Floats]:
    """Points of the estimate's distribution.

    Returns:
        latitude, longitude [degree] and weight [n, modes, count]; weights of a terminal sum to 1; modes that are not there, or
        whose covariance is infinite, have weight 0 and stand at not-a-number.
    """
    p = found.horizontal()
    good = np.isfinite(p).all(axis=(2, 3)) & np.isfinite(found.weight)
    safe = np.where(good[..., None, None], p, np.eye(2))
    values, vectors = np.linalg.eigh(safe)
    root = vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]
    offset = np.einsum("nmij,kj->nmki", root, normal_points(count))
    lat = np.broadcast_to(found.lat_deg[..., None], offset.shape[:-1])
    lon = np.broadcast_to(found.lon_deg[..., None], offset.shape[:-1])
    at_lat, at_lon = displaced(np.where(good[..., None], lat, 0.0), np.where(good[..., None], lon, 0.0), offset)
    weight = np.where(good, found.weight, 0.0)[..., None] / count * np.ones(count)
    return np.where(good[..., None], at_lat, math.nan), np.where(good[..., None], at_lon, math.nan), weight


def zone_chances(found: Estimate, zones: tuple[Zone, ...], count: int = POINTS) -> Floats:
    """Chance of each zone for each terminal [n, zones]; not-a-number where no mode has a covariance."""
    out = np.full((len(found.count), len(zones)), math.nan)
    if not zones:
        return out
    lat, lon, weight = sample(found, count)
    there = weight > 0
    known = there.any(axis=(1, 2))
    for z, zone in enumerate(zones):
        inside = np.zeros(lat.shape)
        if there.any():
            inside[there] = np.asarray(zone.contains(lat[there], lon[there]), np.float64)
        out[known, z] = np.clip(np.einsum("nmk,nmk->n", inside, weight)[known], 0.0, 1.0)
    return out
