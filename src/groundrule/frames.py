"""Frames: where a point of the Earth or of an orbit is in metres, and how the two frames turn against each other.

Three frames are used. Geodetic: WGS 84 latitude, longitude [degree at the edge, rad inside] and ellipsoidal height [m].
ECEF: Earth-fixed x, y, z [m], x to Greenwich, z to the north pole. TEME: the true-equator mean-equinox frame in which
SGP4 answers. TEME is turned to ECEF by Greenwich mean sidereal time of 1982 alone.

What is left out, and what it costs at the height of low orbits: polar motion (below 0.35", 12 m), UT1 - UTC where no
`dut1_s` is given (465 m of rotation at the equator per second of it; below 0.1 s, 47 m, since 2021), and the small
terms of the equation of the equinoxes after 1997 (below 0.003", 0.1 m; TEME has no full definition beyond that).

Times are int64 nanoseconds since 1970 with leap seconds not counted, as in `groundrule.instant`. A leap second therefore
has no label of its own: an instant inside one is off by up to one second of rotation, and a difference of two instants
on both sides of one is a second short. None has been inserted since 2017-01-01, and element sets count UTC the same way.

`*_of` functions are compiled and take single points; the others take arrays. `areas.frame` measures local distances in
a plane, which is another question.

Source: WGS 84, NGA.STND.0036 (2014); Aoki et al. 1982 (GMST); Vallado et al., AIAA 2006-6753, appendix C (TEME);
Bowring 1976 (latitude).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

C_M_S = 299_792_458.0
"""Speed of light [m/s], exact (SI)."""
OMEGA_EARTH_RAD_S = 7.2921150e-5
"""Rotation of the Earth [rad/s], WGS 84."""
MU_M3_S2 = 3.986004418e14
"""Gravitational parameter of the Earth [m3/s2], WGS 84."""
WGS84_A_M = 6_378_137.0
"""Equatorial radius [m]."""
WGS84_F = 1.0 / 298.257223563
"""Flattening."""
WGS84_E2 = WGS84_F * (2.0 - WGS84_F)
"""First eccentricity, squared."""
WGS84_B_M = WGS84_A_M * (1.0 - WGS84_F)
"""Polar radius [m]."""
NS_PER_DAY = 86_400_000_000_000
J2000_NS = 946_728_000_000_000_000
"""2000-01-01T12:00Z [ns since 1970]."""

_EP2 = WGS84_E2 / (1.0 - WGS84_E2)
_TWO_PI = 2.0 * math.pi

Floats = NDArray[np.float64]


@njit(cache=True)
def ecef_of(lat_rad: float, lon_rad: float, h_m: float) -> tuple[float, float, float]:
    """Return x, y, z [m, ECEF] of one geodetic point."""
    sin_lat = math.sin(lat_rad)
    cos_lat = math.cos(lat_rad)
    n = WGS84_A_M / math.sqrt(1.0 - WGS84_E2 * sin_lat * sin_lat)
    across = (n + h_m) * cos_lat
    return across * math.cos(lon_rad), across * math.sin(lon_rad), (n * (1.0 - WGS84_E2) + h_m) * sin_lat


@njit(cache=True)
def geodetic_of(x: float, y: float, z: float) -> tuple[float, float, float]:
    """Return latitude, longitude [rad] and height [m] of one point of ECEF.

    On the axis the longitude is 0. Three rounds of Bowring's formula; the height comes from a form without a division
    by the cosine or sine of the latitude, so that it is as good at the poles and at the equator.

    Accuracy: latitude below 1e-11 degree and height below 2e-8 m from -100 km to 40,000 km (tests/unit/test_frames.py).
    """
    p = math.hypot(x, y)
    sin_b = z * WGS84_A_M
    cos_b = p * WGS84_B_M
    length = math.hypot(sin_b, cos_b)
    if length == 0.0:
        return 0.0, 0.0, -WGS84_A_M
    sin_b /= length
    cos_b /= length
    sin_lat = 0.0
    cos_lat = 1.0
    for _ in range(3):
        up = z + _EP2 * WGS84_B_M * sin_b * sin_b * sin_b
        out = p - WGS84_E2 * WGS84_A_M * cos_b * cos_b * cos_b
        length = math.hypot(up, out)
        sin_lat = up / length
        cos_lat = out / length
        sin_b = sin_lat * (1.0 - WGS84_F)
        length = math.hypot(sin_b, cos_lat)
        sin_b /= length
        cos_b = cos_lat / length
    h = p * cos_lat + z * sin_lat - WGS84_A_M * math.sqrt(1.0 - WGS84_E2 * sin_lat * sin_lat)
    return math.atan2(sin_lat, cos_lat), math.atan2(y, x), h


@njit(cache=True)
def enu_of(
    lat_rad: float, lon_rad: float
) -> tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]:
    """Return the unit vectors east, north and up [ECEF] at one point.

    At a pole the azimuth is the one that the longitude gives: arbitrary, but fixed. Nothing is divided by the cosine.
    """
    sin_lat = math.sin(lat_rad)
    cos_lat = math.cos(lat_rad)
    sin_lon = math.sin(lon_rad)
    cos_lon = math.cos(lon_rad)
    return (
        (-sin_lon, cos_lon, 0.0),
        (-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat),
        (cos_lat * cos_lon, cos_lat * sin_lon, sin_lat),
    )


@njit(cache=True)
def gmst82_of(t_ns: int, dut1_s: float) -> float:
    """Greenwich mean sidereal time [rad, 0 to 2 pi] at one instant [ns since 1970, UTC], with UT1 = UTC + dut1_s.

    Whole days and the part of the day are kept apart, so that rounding stays below 1e-13 rad (1 um at low orbits).
    """
    since = t_ns - J2000_NS
    days = since // NS_PER_DAY
    part = float(since - days * NS_PER_DAY) / NS_PER_DAY + dut1_s / 86_400.0
    t = (float(days) + part) / 36_525.0
    seconds = 67_310.54841 + 86_400.0 * part + (8_640_184.812866 + (0.093104 - 6.2e-6 * t) * t) * t
    angle = (seconds % 86_400.0) * (_TWO_PI / 86_400.0)
    return angle % _TWO_PI


@njit(cache=True)
def _gmst_many(t_ns: NDArray[np.int64], dut1_s: Floats) -> Floats:
    out = np.empty(len(t_ns))
    for i in range(len(t_ns)):
        out[i] = gmst82_of(t_ns[i], dut1_s[i])
    return out


@njit(cache=True)
def _ecef_many(lat: Floats, lon: Floats, h: Floats) -> Floats:
    out = np.empty((len(lat), 3))
    for i in range(len(lat)):
        out[i, 0], out[i, 1], out[i, 2] = ecef_of(lat[i] * math.pi / 180.0, lon[i] * math.pi / 180.0, h[i])
    return out


@njit(cache=True)
def _geodetic_many(xyz: Floats) -> tuple[Floats, Floats, Floats]:
    lat = np.empty(len(xyz))
    lon = np.empty(len(xyz))
    h = np.empty(len(xyz))
    for i in range(len(xyz)):
        phi, lam, h[i] = geodetic_of(xyz[i, 0], xyz[i, 1], xyz[i, 2])
        lat[i] = phi * 180.0 / math.pi
        lon[i] = lam * 180.0 / math.pi
    return lat, lon, h


@njit(cache=True)
def _turn_many(r: Floats, v: Floats, gmst: Floats, r_out: Floats, v_out: Floats) -> None:
    for i in range(len(r)):
        c = math.cos(gmst[i])
        s = math.sin(gmst[i])
        x = c * r[i, 0] + s * r[i, 1]
        y = c * r[i, 1] - s * r[i, 0]
        r_out[i, 0] = x
        r_out[i, 1] = y
        r_out[i, 2] = r[i, 2]
        v_out[i, 0] = c * v[i, 0] + s * v[i, 1] + OMEGA_EARTH_RAD_S * y
        v_out[i, 1] = c * v[i, 1] - s * v[i, 0] - OMEGA_EARTH_RAD_S * x
        v_out[i, 2] = v[i, 2]


def _own(values: NDArray) -> NDArray:
    """Copy to one flat array: numba compiles again for arrays that may not be written, as broadcast ones are."""
    return np.array(values).ravel()


def geodetic_to_ecef(lat_deg: ArrayLike, lon_deg: ArrayLike, h_m: ArrayLike = 0.0) -> Floats:
    """Turn geodetic points into ECEF.

    Args:
        lat_deg: latitude [degree; any shape].
        lon_deg: longitude [degree; broadcast with the others].
        h_m: ellipsoidal height [m].
    Returns:
        x, y, z [m; (..., 3)]; not-a-number where an input is.
    """
    lat, lon, h = np.broadcast_arrays(
        np.asarray(lat_deg, np.float64), np.asarray(lon_deg, np.float64), np.asarray(h_m, np.float64)
    )
    flat = _ecef_many(_own(lat), _own(lon), _own(h))
    return flat.reshape(*lat.shape, 3)


def ecef_to_geodetic(xyz_m: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Turn ECEF points into geodetic ones.

    Args:
        xyz_m: x, y, z [m; (..., 3)].
    Returns:
        latitude [degree], longitude [degree, -180 to 180] and ellipsoidal height [m], each of shape (...).

    Accuracy: as `geodetic_of`.
    """
    xyz = np.ascontiguousarray(xyz_m, np.float64)
    lat, lon, h = _geodetic_many(xyz.reshape(-1, 3))
    shape = xyz.shape[:-1]
    return lat.reshape(shape), lon.reshape(shape), h.reshape(shape)


def enu_axes(lat_deg: ArrayLike, lon_deg: ArrayLike) -> Floats:
    """Return the local axes at points.

    Args:
        lat_deg: latitude [degree; any shape].
        lon_deg: longitude [degree]; at a pole it fixes the azimuth.
    Returns:
        (..., 3, 3): the rows are the unit vectors east, north, up in ECEF, so that `axes @ d` gives E, N, U of d.
    """
    lat = np.radians(np.asarray(lat_deg, np.float64))
    lon = np.radians(np.asarray(lon_deg, np.float64))
    lat, lon = np.broadcast_arrays(lat, lon)
    sin_lat, cos_lat, sin_lon, cos_lon = np.sin(lat), np.cos(lat), np.sin(lon), np.cos(lon)
    out = np.zeros((*lat.shape, 3, 3))
    out[..., 0, 0] = -sin_lon
    out[..., 0, 1] = cos_lon
    out[..., 1, 0] = -sin_lat * cos_lon
    out[..., 1, 1] = -sin_lat * sin_lon
    out[..., 1, 2] = cos_lat
    out[..., 2, 0] = cos_lat * cos_lon
    out[..., 2, 1] = cos_lat * sin_lon
    out[..., 2, 2] = sin_lat
    return out


def gmst82_rad(t_ns: ArrayLike, dut1_s: ArrayLike = 0.0) -> Floats:
    """Greenwich mean sidereal time (IAU 1982).

    Args:
        t_ns: instants [ns since 1970, UTC; int64, any shape].
        dut1_s: UT1 - UTC [s], or 0 where it is not known.
    Returns:
        angle [rad, 0 to 2 pi], of the shape of t_ns.
    """
    t, dut1 = np.broadcast_arrays(np.asarray(t_ns, np.int64), np.asarray(dut1_s, np.float64))
    return _gmst_many(_own(t), _own(dut1)).reshape(t.shape)


def teme_to_ecef(r_m: ArrayLike, v_m_s: ArrayLike, gmst_rad: ArrayLike) -> tuple[Floats, Floats]:
    """Turn states from TEME to ECEF: r' = R3(gmst) r, v' = R3(gmst) v - omega x r'.

    Args:
        r_m: positions [m; (..., 3); TEME].
        v_m_s: velocities [m/s; (..., 3); TEME].
        gmst_rad: sidereal time [rad; broadcast with (...)].
    Returns:
        positions [m] and velocities relative to the turning Earth [m/s], each (..., 3) in ECEF.
    """
    r = np.ascontiguousarray(r_m, np.float64)
    v = np.ascontiguousarray(v_m_s, np.float64)
    gmst = np.broadcast_to(np.asarray(gmst_rad, np.float64), r.shape[:-1])
    r_out, v_out = np.empty(r.shape), np.empty(r.shape)
    _turn_many(
        r.reshape(-1, 3),
        v.reshape(-1, 3),
        _own(gmst),
        r_out.reshape(-1, 3),
        v_out.reshape(-1, 3),
    )
    return r_out, v_out
