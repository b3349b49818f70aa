"""Measurement model: what a range and a range rate to one satellite must be for a terminal at a stated place.

    h_r = ( |s(t1) - x(t2)| + |s(t3) - x(t2)| ) / 2 + delta + g_r . nu        range [m, one way]
    h_d = u . (v_s - v_t) + f + g_d . nu                                      range rate [m/s], positive moving apart

with t1 = t2 - |s(t1) - x|/c and t3 = t2 + |s(t3) - x|/c, u the unit vector from terminal to satellite, delta the residual
delay, f the oscillator's offset as a velocity and nu = (S, R, C) the ephemeris error along track, radial, cross track.

Light time is taken in the inertial frame whose axes are those of the Earth at t2, in which the event x(t2) does not move;
so the rotation of the Earth during the flight (Sagnac) is in it. Both legs together differ from the range at t2 in second
order only, below 1 mm in low orbits, and the kernels use that series (`two_way_excess`). The rate is of one leg: uplink
(satellite at t3) or downlink (t1); the leg moves it by up to 0.4 m/s, 19 Hz at 14 GHz.

Left out: terms of order v2/c in the rate (0.2 m/s for a whole pass, of which all but 0.03 m/s are constant and go into f),
troposphere (a few m, tens of m near the horizon: correct it before or widen sigma) and higher derivatives of the orbit
within one flight time (below 1e-6 m).

Source: section 4 of the specification; Montenbruck and Gill, Satellite Orbits (2000), 6.1 for the two-way range.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from groundrule.frames import C_M_S, MU_M3_S2, OMEGA_EARTH_RAD_S, WGS84_A_M

Floats = NDArray[np.float64]
Vector = tuple[float, float, float]

# Columns of a look: one satellite at one instant, with a range, a range rate, or both.
LOOK_DT = 0  # t2 - t_ref [s]
LOOK_R = 1  # satellite position at t2, ECEF [m], three columns
LOOK_V = 4  # satellite velocity at t2, ECEF [m/s], three columns
LOOK_RANGE = 7  # one-way range [m]
LOOK_RANGE_W = 8  # 1 / sigma^2, 0 where there is no range
LOOK_RATE = 9  # range rate [m/s]
LOOK_RATE_W = 10  # 1 / sigma^2, 0 where there is no rate
LOOK_LEG = 11  # +1 uplink (satellite at t3), -1 downlink (t1), 0 both at t2
LOOK_COLUMNS = 12

# Columns of a prepared satellite state: what does not depend on the terminal.
SAT_R = 0
SAT_V = 3
SAT_T = 6  # triad of the orbit: along track, radial, cross track
SAT_RAD = 9
SAT_K = 12
SAT_N = 15  # angular velocity [rad/s]
SAT_SPEED = 16  # transversal inertial speed [m/s]
SAT_A = 17  # inertial acceleration, axes of ECEF at t2
SAT_COLUMNS = 20

J2 = 1.08262668e-3  # WGS 84 (EGM96), only for shifting a satellite along its orbit by some seconds
SHIFT_STEP_S = 10.0


@njit(cache=True, error_model="numpy", forceinline=True)
def gravity(x: float, y: float, z: float) -> tuple[float, float, float]:
    """Acceleration of gravity with J2 [m/s2] at an inertial position [m]."""
    r2 = x * x + y * y + z * z
    r = math.sqrt(r2)
    g = -MU_M3_S2 / (r2 * r)
    q = 1.5 * J2 * WGS84_A_M * WGS84_A_M / r2
    zz = 5.0 * z * z / r2
    return g * x * (1.0 + q * (1.0 - zz)), g * y * (1.0 + q * (1.0 - zz)), g * z * (1.0 + q * (3.0 - zz))


@njit(cache=True, error_model="numpy", forceinline=True)
def flown(
    x: float, y: float, z: float, a: float, b: float, c: float, h: float
) -> tuple[float, float, float, float, float, float]:
    """One Runge-Kutta step [s] of an inertial state (position, velocity)."""
    ax, ay, az = gravity(x, y, z)
    x1, y1, z1 = x + 0.5 * h * a, y + 0.5 * h * b, z + 0.5 * h * c
    a1, b1, c1 = a + 0.5 * h * ax, b + 0.5 * h * ay, c + 0.5 * h * az
    bx, by, bz = gravity(x1, y1, z1)
    x2, y2, z2 = x + 0.5 * h * a1, y + 0.5 * h * b1, z + 0.5 * h * c1
    a2, b2, c2 = a + 0.5 * h * bx, b + 0.5 * h * by, c + 0.5 * h * bz
    cx, cy, cz = gravity(x2, y2, z2)
    x3, y3, z3 = x + h * a2, y + h * b2, z + h * c2
    a3, b3, c3 = a + h * cx, b + h * cy, c + h * cz
    dx, dy, dz = gravity(x3, y3, z3)
    return (
        x + h / 6.0 * (a + 2.0 * a1 + 2.0 * a2 + a3),
        y + h / 6.0 * (b + 2.0 * b1 + 2.0 * b2 + b3),
        z + h / 6.0 * (c + 2.0 * c1 + 2.0 * c2 + c3),
        a + h / 6.0 * (ax + 2.0 * bx + 2.0 * cx + dx),
        b + h / 6.0 * (ay + 2.0 * by + 2.0 * cy + dy),
        c + h / 6.0 * (az + 2.0 * bz + 2.0 * cz + dz),
    )


@njit(cache=True, error_model="numpy")
def shift_along(state: Floats, along_m: float) -> None:
    """Move an ECEF state (x, y, z, vx, vy, vz), in place, along its own orbit by a distance [m].

    The Earth does not turn meanwhile: an along-track error is the satellite being early or late in inertial space.

    Accuracy: against SGP4 over 100 km below 1.5 m and 5 mm/s; the remaining error goes into the nuisance.
    """
    w = OMEGA_EARTH_RAD_S
    state[3] -= w * state[1]
    state[4] += w * state[0]
    speed = math.sqrt(state[3] ** 2 + state[4] ** 2 + state[5] ** 2)
    total = along_m / speed
    steps = max(1, math.ceil(abs(total) / SHIFT_STEP_S))
    for _ in range(steps):
        state[0], state[1], state[2], state[3], state[4], state[5] = flown(
            state[0], state[1], state[2], state[3], state[4], state[5], total / steps
        )
    state[3] += w * state[1]
    state[4] -= w * state[0]


Frame = tuple[float, float, float, float, float, float, float, float, float, float, float, float, float, float]


@njit(cache=True, error_model="numpy", forceinline=True)
def frame_of(r0: float, r1: float, r2: float, v0: float, v1: float, v2: float) -> Frame:
    """What a satellite's state says by itself: the columns of a prepared state from `SAT_T` on."""
    w = OMEGA_EARTH_RAD_S
    length = math.sqrt(r0 * r0 + r1 * r1 + r2 * r2)
    e0, e1, e2 = r0 / length, r1 / length, r2 / length
    i0, i1, i2 = v0 - w * r1, v1 + w * r0, v2
    radial = i0 * e0 + i1 * e1 + i2 * e2
    t0, t1, t2 = i0 - radial * e0, i1 - radial * e1, i2 - radial * e2
    across = math.sqrt(t0 * t0 + t1 * t1 + t2 * t2)
    t0, t1, t2 = t0 / across, t1 / across, t2 / across
    g = -MU_M3_S2 / (length * length)  # two-body: J2 would change the range by less than 1e-6 m within a flight time
    return (
        t0, t1, t2, e0, e1, e2, e1 * t2 - e2 * t1, e2 * t0 - e0 * t2, e0 * t1 - e1 * t0, across / length, across,
        g * e0, g * e1, g * e2,
    )  # fmt: skip


@njit(cache=True, error_model="numpy")
def prepare(r0: float, r1: float, r2: float, v0: float, v1: float, v2: float, sat: Floats) -> None:
    """Fill one prepared state from an ECEF position and velocity."""
    sat[0], sat[1], sat[2] = r0, r1, r2
    sat[3], sat[4], sat[5] = v0, v1, v2
    (
        sat[6], sat[7], sat[8], sat[9], sat[10], sat[11], sat[12], sat[13], sat[14], sat[15], sat[16], sat[17], sat[18], sat[19],
    ) = frame_of(r0, r1, r2, v0, v1, v2)  # fmt: skip


@njit(cache=True, error_model="numpy")
def two_way_excess(rho: float, rate: float, speed2: float, pull: float) -> float:
    """Mean of both legs minus the range at t2 [m].

    Args:
        rho: range at t2 [m].
        rate: u . v of the satellite, inertial [m/s].
        speed2: square of its inertial speed [m2/s2].
        pull: u . a of the satellite, inertial [m/s2].
    """
    return rho / (C_M_S * C_M_S) * (rate * rate + 0.5 * (speed2 - rate * rate) + 0.5 * rho * pull)


Lines = tuple[
    float, float, float, float, float, float, float, float, float, float, float, float, float, float, float, float, float
]


@njit(cache=True, error_model="numpy", forceinline=True)
def lines_of(
    s: Vector, v: Vector, t: Vector, e: Vector, k: Vector, n: float, a: Vector, x: Vector, tv: Vector, leg: float, light: bool
) -> Lines:
    """What one look says of the place and of the satellite's error: the one formulation that all kernels share.

    Args:
        s, v: satellite at t2 [m, m/s; ECEF]; t, e, k: its triad; n: its angular velocity [rad/s]; a: its inertial acceleration.
        x, tv: terminal [m, m/s; ECEF]. leg: as in a look. light: light time and rotation during the flight count.
    Returns:
        u (3), the unit vector to the satellite; range without delta [m]; g of S, R, C for the range (3); b (3), the unit vector of the
        rate's leg; q (3), so that the rate's row is -q; rate without f [m/s]; g of S, R, C for the rate (3).
    """
    om = OMEGA_EARTH_RAD_S
    sx, sy, sz = s
    vx, vy, vz = v
    tx, ty, tz = tv
    dx, dy, dz = sx - x[0], sy - x[1], sz - x[2]
    rho = math.sqrt(dx * dx + dy * dy + dz * dz)
    inv = 1.0 / rho
    ux, uy, uz = dx * inv, dy * inv, dz * inv
    wx, wy, wz = vx - tx, vy - ty, vz - tz
    rate = ux * wx + uy * wy + uz * wz
    qx, qy, qz = (wx - rate * ux) * inv, (wy - rate * uy) * inv, (wz - rate * uz) * inv
    g_s = ux * t[0] + uy * t[1] + uz * t[2]
    g_r = ux * e[0] + uy * e[1] + uz * e[2]
    g_c = ux * k[0] + uy * k[1] + uz * k[2]
    d_s = qx * t[0] + qy * t[1] + qz * t[2] - n * g_r
    d_r = qx * e[0] + qy * e[1] + qz * e[2]
    d_c = qx * k[0] + qy * k[1] + qz * k[2]
    bx, by, bz = ux, uy, uz
    if light:
        ix, iy, iz = vx - om * sy, vy + om * sx, vz
        gx, gy, gz = a
        own = ux * ix + uy * iy + uz * iz
        pull = ux * gx + uy * gy + uz * gz
        excess = two_way_excess(rho, own, ix * ix + iy * iy + iz * iz, pull)
        leg = leg / C_M_S
        tau_leg = leg * rho * (1.0 + leg * own)
        half_leg = 0.5 * tau_leg * tau_leg
        fx, fy, fz = dx + tau_leg * ix + half_leg * gx, dy + tau_leg * iy + half_leg * gy, dz + tau_leg * iz + half_leg * gz
        ix, iy, iz = ix + tau_leg * gx, iy + tau_leg * gy, iz + tau_leg * gz
        inv = 1.0 / math.sqrt(fx * fx + fy * fy + fz * fz)
        bx, by, bz = fx * inv, fy * inv, fz * inv
        wx, wy, wz = ix - tx + om * x[1], iy - ty - om * x[0], iz - tz
        rate = bx * wx + by * wy + bz * wz
        qx, qy, qz = (wx - rate * bx) * inv, (wy - rate * by) * inv, (wz - rate * bz) * inv
        leg *= bx * gx + by * gy + bz * gz + qx * ix + qy * iy + qz * iz
        qx += om * by + leg * ux
        qy += leg * uy - om * bx
        qz += leg * uz
        rho += excess
    return ux, uy, uz, rho, g_s, g_r, g_c, bx, by, bz, qx, qy, qz, rate, d_s, d_r, d_c


def triad(r_m: Floats, v_m_s: Floats) -> tuple[Floats, Floats]:
    """Return the orbital triad of satellites.

    Args:
        r_m: positions [m; (..., 3); ECEF].
        v_m_s: velocities [m/s; (..., 3); ECEF].
    Returns:
        (..., 3, 3): rows along track, radial, cross track; and the angular velocity n [rad/s; (...)].
    """
    radius = np.linalg.norm(r_m, axis=-1, keepdims=True)
    e = r_m / radius
    inertial = v_m_s + np.cross(np.array([0.0, 0.0, OMEGA_EARTH_RAD_S]), r_m)
    across = inertial - np.sum(inertial * e, axis=-1, keepdims=True) * e
    speed = np.linalg.norm(across, axis=-1, keepdims=True)
    t = across / speed
    return np.stack([t, e, np.cross(e, t)], axis=-2), (speed / radius)[..., 0]


def displace(r_m: Floats, v_m_s: Floats, src_m: Floats) -> tuple[Floats, Floats]:
    """Move satellites by an ephemeris error: along track on the orbit, then radially and across.

    Args:
        r_m: positions [m; (n, 3); ECEF].
        v_m_s: velocities [m/s; (n, 3); ECEF].
        src_m: S, R, C [m; (n, 3)].
    Returns:
        positions and velocities of the same shape.
    """
    src = np.broadcast_to(np.asarray(src_m, np.float64), r_m.shape)
    out = np.concatenate([r_m, v_m_s], axis=1).astype(np.float64)
    _shift_many(out, np.ascontiguousarray(src[:, 0]))
    axes, _ = triad(out[:, :3], out[:, 3:])
    moved = out[:, :3] + src[:, 1, None] * axes[:, 1] + src[:, 2, None] * axes[:, 2]
    return moved, out[:, 3:]


@njit(cache=True, error_model="numpy")
def _shift_many(states: Floats, along: Floats) -> None:
    for i in range(len(states)):
        shift_along(states[i], along[i])
