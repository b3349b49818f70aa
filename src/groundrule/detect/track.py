"""The memory of a terminal's recent motion: 64 bytes a terminal, and the sums that detectors of motion share.

What is kept: the last fix that counted, the last five velocities, the fix at which the present regime began (the last one at
rest, or the first of a speed above a limit), how long the terminal had rested before it, and a few counters. Nothing else, so
that ten million terminals take one cache line each.

Fixes closer than `thin_s` to the last are left out (the noise of two near fixes says more of the receiver than of motion); a
gap of more than `gap_s` makes the memory of motion begin anew. A fix that is refuted by radio or lies in a disturbed area is no
evidence and makes it begin anew too. Cells are hard bounds: speed from them is what the motion had at least.

Resting receivers: moored ships keep 95 % of their fixes within 3.5 m; published logs of three resting consumer receivers show
implied speeds up to 4.7 km/h (95th percentile) and 22 km/h at most over 15 s. So one interval is never evidence of motion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from groundrule.detect.state import EARTH_A_M, EARTH_E2, distance_m
from groundrule.instant import MIN_NS

STEPS = 5
"""Velocities that are remembered."""

TRACK_DTYPE = np.dtype(
    [
        # Last fix that counted (of cells: the last time in the cell that speed is measured from), and the start of the regime.
        ("t", "i8"), ("mark_t", "i8"), ("lat", "i4"), ("lon", "i4"), ("mark_lat", "i4"), ("mark_lon", "i4"),
        # Velocities to the east and to the north [0.1 m/s], the newest first.
        ("e0", "i2"), ("e1", "i2"), ("e2", "i2"), ("e3", "i2"), ("e4", "i2"),
        ("n0", "i2"), ("n1", "i2"), ("n2", "i2"), ("n3", "i2"), ("n4", "i2"),
        # Altitude now and at the last rest [m; NO_ALTITUDE]; doubt of the last fix [4 m]; time at rest before the regime [s].
        ("alt", "i2"), ("rest_alt", "i2"), ("err", "u2"), ("rest_s", "u2"),
        # Steps since rest (low five bits) and fixes that agree with the last (high three); flags; time to the next raise [2 s].
        ("steps", "u1"), ("flags", "u1"), ("quiet_drone", "u1"), ("quiet_speed", "u1"),
    ]
)  # fmt: skip
"""One terminal: 64 bytes, a cache line."""

DEGREE = 1e7
"""Stored units of a degree: 1.1 cm."""
NO_ALTITUDE = -32_768
ERR_M = 4.0

# Bits of `flags`: two of the count of excesses, then
EXCESS = 3
OVER = 4
ELSEWHERE = 8
NO_PLAN = 16
CELL = 32
FLYING = 64
UNEVEN = 128
"""OVER: the limit is exceeded and stays so until the release. ELSEWHERE: the last fix was out of reach. NO_PLAN: the limit in use
is that of plans without motion. CELL: the last fix is a cell. FLYING: a flight was raised and goes on. UNEVEN: since rest there was
a step too long to judge a launch by."""

LOW = 31
SUPPORT = 32
"""`steps & LOW`: steps since rest; `steps // SUPPORT`: fixes that agree with the last one, up to 7."""


_HALF_RAD = np.pi / 360.0
_M_PER_DEG = EARTH_A_M * np.pi / 180.0


@dataclass(frozen=True, slots=True)
class TrackSettings:
    """How fixes become steps.

    Attributes:
        thin_s: shortest base of a velocity [s]; the operator's cadence is 15 s, with a little jitter.
        gap_s: longest base of a velocity from fixes [s]; beyond, the path between is unknown.
        cell_gap_s: the same from cells [s]: a cell of resolution 5 takes ten minutes at 75 km/h.
        rest_m_s: slower is rest [m/s]; above the 95th percentile of resting receivers (1.3), below a walk's end to a run.
        sigma_m: standard deviation where a fix has none [m]; of a consumer receiver with a free sky.
    """

    thin_s: float = 14.0
    gap_s: float = 300.0
    cell_gap_s: float = 1_800.0
    rest_m_s: float = 2.5
    sigma_m: float = 10.0


def empty_tracks(terminals: int) -> NDArray[np.void]:
    """Return the memory of terminals that have not been seen."""
    memory = np.zeros(terminals, TRACK_DTYPE)
    memory["t"] = MIN_NS
    memory["mark_t"] = MIN_NS
    memory["alt"] = NO_ALTITUDE
    memory["rest_alt"] = NO_ALTITUDE
    return memory


@njit(cache=True, nogil=True, error_model="numpy")
def offset_m(lat1: float, lon1: float, lat2: float, lon2: float) -> tuple[float, float]:
    """Way to the east and to the north from one point to another [m].

    Below one degree the plane of `state.distance_m`; beyond, its distance in the direction of that plane.
    """
    dlat = lat2 - lat1
    dlon = lon2 - lon1
    if dlon > 180.0:
        dlon -= 360.0
    elif dlon < -180.0:
        dlon += 360.0
    cos_mid = np.cos((lat1 + lat2) * _HALF_RAD)
    # Radii of curvature as series in the squared sine: below 1e-7 of either.
    s2 = EARTH_E2 * (1.0 - cos_mid * cos_mid)
    north = dlat * (_M_PER_DEG * (1.0 - EARTH_E2)) * (1.0 + s2 * (1.5 + s2 * 1.875))
    east = dlon * _M_PER_DEG * cos_mid * (1.0 + s2 * (0.5 + s2 * 0.375))
    if abs(dlat) >= 1.0 or abs(dlon) >= 1.0 or cos_mid < 0.0872:
        flat = np.sqrt(north * north + east * east)
        share = distance_m(lat1, lon1, lat2, lon2) / flat if flat > 0.0 else 0.0
        return east * share, north * share
    return east, north


@njit(cache=True, nogil=True, error_model="numpy")
def forget_motion(m) -> None:  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """Let the memory of motion begin anew; the last fix stays."""
    m.steps &= np.uint8(255 - LOW)
    m.flags &= np.uint8(ELSEWHERE | CELL)
    m.rest_s = 0
    m.mark_t = MIN_NS
    m.e0 = m.e1 = m.e2 = m.e3 = m.e4 = 0
    m.n0 = m.n1 = m.n2 = m.n3 = m.n4 = 0
    m.rest_alt = NO_ALTITUDE


@njit(cache=True, nogil=True, error_model="numpy")
def put_fix(m, t: int, lat: float, lon: float, err: float, alt: float) -> None:  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """Make a fix the last one."""
    m.t = t
    m.lat = np.int32(np.rint(lat * DEGREE))
    m.lon = np.int32(np.rint(lon * DEGREE))
    m.err = np.uint16(min(65_535.0, np.ceil(err / ERR_M)))
    m.alt = NO_ALTITUDE if np.isnan(alt) else np.int16(min(32_767.0, max(-32_767.0, np.rint(alt))))


@njit(cache=True, nogil=True, error_model="numpy")
def put_mark(m) -> None:  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """Let the present regime begin at the last fix."""
    m.mark_t = m.t
    m.mark_lat = m.lat
    m.mark_lon = m.lon


@njit(cache=True, nogil=True, error_model="numpy")
def push_velocity(m, east: float, north: float) -> None:  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """Remember a velocity [m/s] and forget the oldest."""
    m.e4, m.e3, m.e2, m.e1 = m.e3, m.e2, m.e1, m.e0
    m.n4, m.n3, m.n2, m.n1 = m.n3, m.n2, m.n1, m.n0
    m.e0 = np.int16(min(32_767.0, max(-32_767.0, np.rint(east * 10.0))))
    m.n0 = np.int16(min(32_767.0, max(-32_767.0, np.rint(north * 10.0))))


@njit(cache=True, nogil=True, error_model="numpy")
def shape_of_steps(m, steps: int) -> tuple[float, float, float, float]:  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """Slowest, mean and fastest speed of the newest steps [m/s], and their straightness (net over covered way, 0 to 1).

    Args:
        m: the terminal's record.
        steps: 1 to STEPS.
    """
    slowest = np.inf
    fastest = 0.0
    total = 0.0
    east = 0.0
    north = 0.0
    for k in range(steps):
        if k == 0:
            e, n = m.e0, m.n0
        elif k == 1:
            e, n = m.e1, m.n1
        elif k == 2:
            e, n = m.e2, m.n2
        elif k == 3:
            e, n = m.e3, m.n3
        else:
            e, n = m.e4, m.n4
        ve = 0.1 * e
        vn = 0.1 * n
        v = np.sqrt(ve * ve + vn * vn)
        slowest = min(slowest, v)
        fastest = max(fastest, v)
        total += v
        east += ve
        north += vn
    straight = np.sqrt(east * east + north * north) / total if total > 0.0 else 0.0
    return slowest, total / steps, fastest, straight


@njit(cache=True, nogil=True, error_model="numpy")
def climbed_m(m) -> float:  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """Climb since the last rest [m; NaN without both altitudes]."""
    if m.alt == NO_ALTITUDE:
        return np.nan
    return np.nan if m.rest_alt == NO_ALTITUDE else np.float64(m.alt) - m.rest_alt
