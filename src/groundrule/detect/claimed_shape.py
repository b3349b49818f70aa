"""The shape that displaced positions show together: one point, a circle, or neither."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

POINT_M = 1_000.0
"""Nine in ten positions within this of their middle are one point [m]."""

CIRCLE_M = 100_000.0
CIRCLE_ROUGHNESS = 0.1
CIRCLE_LEAST = 8
"""A circle has at most this radius [m], positions within this share of it, and at least so many of them."""

_M_PER_DEG = 111_195.0  # sphere of mean radius; shapes need no better


def shape_of(lat_deg: NDArray[np.float64], lon_deg: NDArray[np.float64]) -> dict[str, str | float | None]:
    """Return `pattern`, middle [degree] and median distance from it [m] of the positions that are there."""
    there = np.isfinite(lat_deg) & np.isfinite(lon_deg)
    lat, lon = lat_deg[there], lon_deg[there]
    if not len(lat):
        return {"pattern": None, "claimed_lat_deg": None, "claimed_lon_deg": None, "claimed_radius_m": None}
    # The middle over the antimeridian: angles from the first position.
    lon = lon[0] + (lon - lon[0] + 180.0) % 360.0 - 180.0
    mid_lat, mid_lon = float(np.median(lat)), float(np.median(lon))
    x = (lon - mid_lon) * _M_PER_DEG * np.cos(np.radians(mid_lat))
    y = (lat - mid_lat) * _M_PER_DEG
    away = np.hypot(x, y)
    pattern = "scattered"
    if np.quantile(away, 0.9) <= POINT_M:
        pattern = "point"
    else:
        # Those that lie far from the others are not of the circle.
        near = away <= 3.0 * np.median(away)
        fit = _circle(x[near], y[near]) if near.sum() >= max(CIRCLE_LEAST, 0.7 * len(x)) else None
        if fit is not None:
            pattern = "circle"
            a, b, radius = fit
            mid_lat += b / _M_PER_DEG
            mid_lon += a / (_M_PER_DEG * np.cos(np.radians(mid_lat)))
            away = np.full(1, radius)
    return {
        "pattern": pattern,
        "claimed_lat_deg": mid_lat,
        "claimed_lon_deg": (mid_lon + 180.0) % 360.0 - 180.0,
        "claimed_radius_m": float(np.median(away)),
    }


def _circle(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float, float] | None:
    """Middle and radius [m] by Kasa's fit, x² + y² = 2 a x + 2 b y + c, if the points lie on it and around it."""
    (a, b, c), *_ = np.linalg.lstsq(np.stack([2 * x, 2 * y, np.ones(len(x))], 1), x * x + y * y, rcond=None)
    radius = float(np.sqrt(max(0.0, c + a * a + b * b)))
    rough = float(np.sqrt(np.mean((np.hypot(x - a, y - b) - radius) ** 2)))
    inside = float(np.hypot(x.mean() - a, y.mean() - b)) <= 0.7 * radius
    return (float(a), float(b), radius) if 0.0 < radius <= CIRCLE_M and rough <= CIRCLE_ROUGHNESS * radius and inside else None
