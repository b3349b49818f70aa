"""The local plane in which metres are counted: WGS 84 radii of curvature at the point.

Up to 85 degrees of latitude the plane is the affine one, east = N cos(lat) dlon and north = M dlat. It keeps straight
edges straight and sides exact. Its scale along a parallel is off by tan(lat) * distance / radius: 0.3 % at 10 km from
a point at 60 degrees. Nearer to a pole it is the polar azimuthal equidistant plane, in which the edge along a pole and
the two cuts at 180 degrees fold away; its scale is off by at most 0.13 %, and long edges along a parallel are taken in
pieces.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

EQUATOR_RADIUS_M = 6378137.0  # WGS 84, NGA.STND.0036 (2014)
ECCENTRICITY_2 = 0.0066943799901413165
POLE_RADIUS_M = 6399593.6258  # radius of curvature at a pole
POLAR_DEG = 85.0
PIECE_DEG = 0.25  # longest step of longitude that is taken as straight in the polar plane
DEGREE = math.pi / 180.0
MIN_KY = 110574.0  # metres per degree of latitude are nowhere fewer


class Frame(NamedTuple):
    """The plane at one point."""

    lon: float
    lat: float
    kx: float  # m per degree of longitude at the point
    ky: float  # m per degree of latitude at the point
    pole: int  # 1 north, -1 south: polar plane; 0: affine plane
    rho: float  # m from the pole, in the polar plane


@njit(cache=True)
def scales(lat: float) -> tuple[float, float]:
    """Metres per degree of longitude and of latitude at a latitude [degree]."""
    sine = math.sin(lat * DEGREE)
    q = 1.0 - ECCENTRICITY_2 * sine * sine
    n = EQUATOR_RADIUS_M / math.sqrt(q)
    return n * math.cos(lat * DEGREE) * DEGREE, n * (1.0 - ECCENTRICITY_2) / q * DEGREE


@njit(cache=True)
def frame_at(lon: float, lat: float) -> Frame:
    """Return the plane at a point [degree]."""
    kx, ky = scales(lat)
    if abs(lat) <= POLAR_DEG:
        return Frame(lon, lat, kx, ky, 0, 0.0)
    pole = 1 if lat > 0 else -1
    return Frame(lon, lat, kx, ky, pole, (90.0 - abs(lat)) * DEGREE * POLE_RADIUS_M)


@njit(cache=True)
def to_plane(frame: Frame, lon: float, lat: float) -> tuple[float, float]:
    """East and north [m] of a point from the frame's origin; lon may lie beyond 180 degrees."""
    if frame.pole == 0:
        return (lon - frame.lon) * frame.kx, (lat - frame.lat) * frame.ky
    rho = (
        (90.0 - abs(lat)) * DEGREE * POLE_RADIUS_M
        if lat * frame.pole > 0
        else (90.0 + abs(lat)) * DEGREE * POLE_RADIUS_M
    )
    angle = (lon - frame.lon) * DEGREE
    east = rho * math.sin(angle)
    # frame.rho - rho * cos(angle), without the cancellation for small angles
    half = math.sin(0.5 * angle)
    toward = (frame.rho - rho) + 2.0 * rho * half * half
    return east, toward * frame.pole


@njit(cache=True)
def window_around(frame: Frame, east_m: float, north_m: float) -> tuple[float, float]:
    """Half widths [degree] of a window of longitude and latitude that holds a box of the plane."""
    high = north_m / frame.ky * (1.0 + 1e-9)
    if frame.pole == 0:
        return east_m / frame.kx * (1.0 + 1e-9), high
    reach = math.hypot(east_m, north_m)
    if reach >= frame.rho:
        return 360.0, max(high, reach / (DEGREE * POLE_RADIUS_M) * (1.0 + 1e-9))
    return math.asin(min(1.0, reach / frame.rho)) / DEGREE * (1.0 + 1e-9) + 1e-9, reach / frame.ky * (1.0 + 1e-2)


def _widest_lon_per_metre() -> NDArray[np.float64]:
    """Upper bound of degrees of longitude per metre in each half-degree row of latitude; infinite near the poles."""
    edges = np.arange(-90.0, 90.5, 0.5)
    widest = np.maximum(abs(edges[:-1]), abs(edges[1:]))
    out = np.full(len(widest), np.inf)
    usual = widest <= POLAR_DEG - 0.5
    out[usual] = (1.0 + 1e-9) / (EQUATOR_RADIUS_M * np.cos(np.radians(widest[usual])) * DEGREE)
    return out


LON_PER_METRE = _widest_lon_per_metre()
