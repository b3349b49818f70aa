"""Shapes of one verification on the ground: range circles, ellipses, tracks and places, for whoever draws them.

Lines are arrays of (latitude, longitude) [degree]; those for maps have longitudes that go on beyond 180, so that a line is not
drawn around the world.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from groundrule.frames import WGS84_A_M, WGS84_B_M
from groundrule.verify.report import Mode, Report, Satellite
from groundrule.verify.statistics import displaced

Floats = NDArray[np.float64]

CIRCLE_POINTS: Final = 721
ELLIPSE_POINTS: Final = 121
_ROUNDS: Final = 8
_DIGITS: Final = 6


def range_circle(position_m: Floats, range_m: float, height_m: float = 0.0) -> Floats | None:
    """Return the places at a distance from a satellite.

    Args:
        position_m: of the satellite [ECEF]. range_m: measured. height_m: of the places above the ellipsoid.
    Returns:
        (n, 2); None where there is no such place.

    Accuracy: the distance of each point is within 1 m of what was asked, which tests hold it to.
    """
    size = float(np.linalg.norm(position_m))
    if not (size > 0 and math.isfinite(size) and math.isfinite(range_m) and range_m > 0):
        return None
    up = position_m / size
    side = np.cross(up, [0.0, 0.0, 1.0] if abs(up[2]) < 0.9 else [1.0, 0.0, 0.0])
    side /= np.linalg.norm(side)
    other = np.cross(up, side)
    turn = np.linspace(0, 2 * math.pi, CIRCLE_POINTS)[:, None]
    around = np.cos(turn) * side + np.sin(turn) * other
    radius = np.full(CIRCLE_POINTS, _radius(up[None, :], height_m)[0])
    for _ in range(_ROUNDS):  # the Earth's radius changes slowly along the circle, so each round gains two digits and more
        cosine = (radius**2 + size**2 - range_m**2) / (2 * radius * size)
        if not (np.abs(cosine) < 1).all():
            return None
        points = cosine[:, None] * up + np.sqrt(1 - cosine**2)[:, None] * around
        radius = _radius(points, height_m)
    flat = ((WGS84_B_M + height_m) / (WGS84_A_M + height_m)) ** 2
    lat = np.degrees(np.arctan2(points[:, 2] / flat, np.hypot(points[:, 0], points[:, 1])))
    return np.stack([lat, np.degrees(np.arctan2(points[:, 1], points[:, 0]))], axis=1)


def _radius(direction: Floats, height_m: float) -> Floats:
    """Distance of the ellipsoid, grown by a height, from the centre in some directions [m]; (n, 3) of length 1."""
    z2 = direction[:, 2] ** 2
    return np.asarray(1.0 / np.sqrt((1 - z2) / (WGS84_A_M + height_m) ** 2 + z2 / (WGS84_B_M + height_m) ** 2))


def ellipse_95(mode: Mode) -> Floats | None:
    """Return the edge of the 95 % ellipse of a mode; None where it has no bounds."""
    if not (math.isfinite(mode.major_95_m) and math.isfinite(mode.minor_95_m) and mode.major_95_m < 5e6):
        return None
    turn = np.linspace(0, 2 * math.pi, ELLIPSE_POINTS)
    azimuth = math.radians(mode.azimuth_deg)
    along, across = mode.major_95_m * np.cos(turn), mode.minor_95_m * np.sin(turn)
    east = along * math.sin(azimuth) + across * math.cos(azimuth)
    north = along * math.cos(azimuth) - across * math.sin(azimuth)
    n = len(turn)
    lat, lon = displaced(np.full(n, mode.lat_deg), np.full(n, mode.lon_deg), np.stack([east, north], axis=1))
    return np.stack([lat, lon], axis=1)


def drawing_of(report: Report) -> dict[str, Any]:
    """Return everything that a map shows of a verification, as JSON values.

    Returns:
        `claim`, `places` (best first, each with `lon`, `lat`, `weight`, `ellipse`), `satellites` (each with `track`, `circle`), and
        `feasible`, the edge of where a terminal that can add delay may be. Lines are lists of [longitude, latitude].
    """
    first = report.places[0].lon_deg if report.modes else 0.0 if math.isnan(report.claim_lon_deg) else report.claim_lon_deg
    height = report.places[0].height_m if report.modes and math.isfinite(report.modes[0].height_m) else 0.0
    claim = None
    if not math.isnan(report.claim_lat_deg):
        claim = {"lon": _near(report.claim_lon_deg, first), "lat": report.claim_lat_deg, "sigma_m": _number(report.claim_sigma_m)}
    return {
        "claim": claim,
        "places": [
            {
                "lon": _near(mode.lon_deg, first), "lat": mode.lat_deg, "weight": _number(mode.weight),
                "ellipse": _line(ellipse_95(mode), first), "major_95_m": _number(mode.major_95_m),
                "minor_95_m": _number(mode.minor_95_m), "azimuth_deg": _number(mode.azimuth_deg),
            }
            for mode in report.places
        ],
        "satellites": [_satellite(one, first, height) for one in report.satellites],
        "feasible": _line(np.array(report.feasible_edge, np.float64) if report.feasible_edge else None, first),
    }  # fmt: skip


def _satellite(one: Satellite, first: float, height_m: float) -> dict[str, Any]:
    circle = range_circle(np.array(one.position_m), one.range_m, height_m) if math.isfinite(one.range_m) else None
    return {
        "satellite": one.catalogue, "name": one.name, "used": one.used, "why": one.why or None, "grade": one.grade,
        "age_h": round(one.age_s / 3600, 3) if math.isfinite(one.age_s) else None, "range_km": _km(one.range_m),
        "track": _line(np.array(one.track, np.float64) if one.track else None, first), "circle": _line(circle, first),
    }  # fmt: skip


def _line(points: Floats | None, first: float) -> list[list[float]] | None:
    """A line for a map: longitudes that do not jump, in the turn that is nearest to a first one."""
    if points is None or not len(points) or not np.isfinite(points).all():
        return None
    lon = np.degrees(np.unwrap(np.radians(points[:, 1])))
    middle = (float(lon.min()) + float(lon.max())) / 2
    lon = lon + 360.0 * round((first - middle) / 360.0)
    found: list[list[float]] = np.round(np.stack([lon, points[:, 0]], axis=1), _DIGITS).tolist()
    return found


def _near(lon: float, first: float) -> float:
    return round(lon + 360.0 * round((first - lon) / 360.0), _DIGITS + 1)


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _km(value: float) -> float | None:
    return round(value / 1e3, 3) if math.isfinite(value) else None
