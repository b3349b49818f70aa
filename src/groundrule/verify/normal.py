"""Normal equations of one terminal, with the ephemeris of every satellite eliminated in closed form.

Per satellite, with w = 1/sigma^2, h and g the Jacobian rows of the state and of nu = (S, R, C), e the residual and m the
prior mean of nu:

    A = sum w h h'   b = sum w h e   a = sum w g h'   c = sum w g e + Sigma^-1 m   G = sum w g g' + Sigma^-1
    A -= a' G^-1 a   b -= a' G^-1 c   J = sum w e^2 + m' Sigma^-1 m - c' G^-1 c    nu = G^-1 c

One look gives one row of eight numbers for the range and one for the rate: (h_x, h_y, h_z, 1, g_S, g_R, g_C, e). Its
outer product with itself, summed over the looks of a satellite, holds everything above; the column of ones is delta in
the range row and f in the rate row. Four more columns (v_E, v_N, tau, fdot) are made only where they are estimated.
Position stays in ECEF axes while summing and is turned to east, north, up once.

Sums are taken in the order of the looks, without fused or reordered arithmetic (`fastmath` is off), so that the same
input gives the same bits.

Source: section 6, steps 4 and 9, of the specification.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from groundrule.frames import C_M_S, OMEGA_EARTH_RAD_S
from groundrule.verify.model import Floats, two_way_excess

# States, in the order of every state vector and covariance.
EAST, NORTH, UP, DELTA, F, FDOT, VEAST, VNORTH, TAU = range(9)
STATES = 9

LEAST_SQUARES, HUBER, STUDENT = 0, 1, 2
"""Losses of range residuals; the robust ones bend on the positive side only."""
HUBER_Q = 1.345
STUDENT_DOF = 4.0
EARTH_RADIUS_M = 6_371_000.0  # curvature of a straight course; 0.3 % of a correction of 110 m at most
_ROUNDS = 8  # of weights against nuisances under a robust loss
_NU_STILL = 1e-4  # [m] nuisances that move less have settled

# Where the columns of a range row and of a rate row belong in the raw state (x, y, z, delta, f, fdot, v_E, v_N, tau).
_RANGE_TO = (0, 1, 2, 3, -1, -1, -1, -1, 6, 7, 8, -1)
_RATE_TO = (0, 1, 2, 4, -1, -1, -1, -1, 6, 7, 8, 5)
ROW = 12
WORK_ROWS = 43


@njit(cache=True)
def loss_of(z: float, loss: int) -> tuple[float, float]:
    """Return the cost of a normalised residual and its weight against least squares."""
    if loss == LEAST_SQUARES or z <= 0.0:
        return z * z, 1.0
    if loss == HUBER:
        if z <= HUBER_Q:
            return z * z, 1.0
        return 2.0 * HUBER_Q * z - HUBER_Q * HUBER_Q, HUBER_Q / z
    return STUDENT_DOF * math.log1p(z * z / STUDENT_DOF), STUDENT_DOF / (STUDENT_DOF + z * z)


@njit(cache=True)
def inverse3(g: Floats, out: Floats) -> None:
    """Invert a symmetric 3x3 matrix."""
    a, b, c, d, e, f = g[0, 0], g[0, 1], g[0, 2], g[1, 1], g[1, 2], g[2, 2]
    p, q, r = d * f - e * e, c * e - b * f, b * e - c * d
    s = 1.0 / (a * p + b * q + c * r)
    out[0, 0] = p * s
    out[0, 1] = out[1, 0] = q * s
    out[0, 2] = out[2, 0] = r * s
    out[1, 1] = (a * f - c * c) * s
    out[1, 2] = out[2, 1] = (b * c - a * e) * s
    out[2, 2] = (a * d - b * b) * s


@njit(cache=True)
def _add_outer(m: Floats, row: Floats, w: float, width: int) -> None:
    """Add w row row' to the 8x8 core, or to the whole of it."""
    h0, h1, h2, h3, h4, h5, h6, h7 = row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7]
    for i in range(8):
        s = w * row[i]
        m[i, 0] += s * h0
        m[i, 1] += s * h1
        m[i, 2] += s * h2
        m[i, 3] += s * h3
        m[i, 4] += s * h4
        m[i, 5] += s * h5
        m[i, 6] += s * h6
        m[i, 7] += s * h7
    for i in range(8, width):
        s = w * row[i]
        for j in range(width):
            m[i, j] += s * row[j]


@njit(cache=True)
def look_rows(
    sat: Floats, look: Floats, place: Floats, state: Floats, light: bool, extended: bool, range_row: Floats, rate_row: Floats
) -> None:
    """Fill both rows of one look: Jacobians in ECEF axes, and the residual in column 7.

    Args:
        sat: prepared satellite state, `model.SAT_COLUMNS`.
        look: columns of the look, `model.LOOK_COLUMNS`.
        place: x, then the axes east, north, up [12].
        state: delta, f, fdot, v_E, v_N, tau in their places of the state vector [9].
        light: light time and rotation during the flight are in the model.
        extended: columns of v_E, v_N, tau and fdot are wanted.
        range_row, rate_row: written [12].
    """
    dt = look[0]
    sx, sy, sz = sat[0], sat[1], sat[2]
    vx, vy, vz = sat[3], sat[4], sat[5]
    px, py, pz = place[0], place[1], place[2]
    tx = ty = tz = 0.0
    if extended:
        tau = state[8]
        w = OMEGA_EARTH_RAD_S
        ax = sat[20] + 2.0 * w * vy + w * w * sx
        ay = sat[21] - 2.0 * w * vx + w * w * sy
        az = sat[22]
        sx, sy, sz = sx + tau * (vx + 0.5 * tau * ax), sy + tau * (vy + 0.5 * tau * ay), sz + tau * (vz + 0.5 * tau * az)
        vx, vy, vz = vx + tau * ax, vy + tau * ay, vz + tau * az
        ve, vn = state[6], state[7]
        bend = (ve * ve + vn * vn) / EARTH_RADIUS_M
        tx = ve * place[3] + vn * place[6] - bend * dt * place[9]
        ty = ve * place[4] + vn * place[7] - bend * dt * place[10]
        tz = ve * place[5] + vn * place[8] - bend * dt * place[11]
        half = 0.5 * bend * dt * dt
        px += dt * tx + half * place[9]
        py += dt * ty + half * place[10]
        pz += dt * tz + half * place[11]
    dx, dy, dz = sx - px, sy - py, sz - pz
    rho = math.sqrt(dx * dx + dy * dy + dz * dz)
    inv = 1.0 / rho
    ux, uy, uz = dx * inv, dy * inv, dz * inv
    wx, wy, wz = vx - tx, vy - ty, vz - tz
    rate = ux * wx + uy * wy + uz * wz
    qx, qy, qz = (wx - rate * ux) * inv, (wy - rate * uy) * inv, (wz - rate * uz) * inv
    expected_range = rho + state[3]
    expected_rate = rate + state[4] + state[5] * dt
    if light:
        ix, iy, iz = sat[17], sat[18], sat[19]
        pull = ux * sat[20] + uy * sat[21] + uz * sat[22]
        own = ux * ix + uy * iy + uz * iz
        expected_range += two_way_excess(rho, own, ix * ix + iy * iy + iz * iz, pull)
        om = OMEGA_EARTH_RAD_S
        rx, ry, rz = ix - tx + om * py, iy - ty - om * px, iz - tz
        turn = ix * rx + iy * ry + iz * rz - own * (ux * rx + uy * ry + uz * rz) + rho * pull
        expected_rate += look[11] * turn / C_M_S
    g_range_s = ux * sat[6] + uy * sat[7] + uz * sat[8]
    g_radial = ux * sat[9] + uy * sat[10] + uz * sat[11]
    range_row[0], range_row[1], range_row[2], range_row[3] = -ux, -uy, -uz, 1.0
    range_row[4], range_row[5] = g_range_s, g_radial
    range_row[6] = ux * sat[12] + uy * sat[13] + uz * sat[14]
    range_row[7] = look[7] - expected_range
    rate_row[0], rate_row[1], rate_row[2], rate_row[3] = -qx, -qy, -qz, 1.0
    rate_row[4] = qx * sat[6] + qy * sat[7] + qz * sat[8] - sat[15] * g_radial
    rate_row[5] = qx * sat[9] + qy * sat[10] + qz * sat[11]
    rate_row[6] = qx * sat[12] + qy * sat[13] + qz * sat[14]
    rate_row[7] = look[9] - expected_rate
    if extended:
        up_u = ux * place[9] + uy * place[10] + uz * place[11]
        up_q = qx * place[9] + qy * place[10] + qz * place[11]
        for k in range(2):
            a0, a1, a2 = place[3 + 3 * k], place[4 + 3 * k], place[5 + 3 * k]
            speed = state[6 + k]
            along_u = ux * a0 + uy * a1 + uz * a2
            along_q = qx * a0 + qy * a1 + qz * a2
            fall = speed * dt / EARTH_RADIUS_M
            range_row[8 + k] = -dt * along_u + fall * dt * up_u
            rate_row[8 + k] = -dt * along_q + fall * dt * up_q - along_u + 2.0 * fall * up_u
        range_row[10] = ux * vx + uy * vy + uz * vz
        rate_row[10] = qx * vx + qy * vy + qz * vz + ux * ax + uy * ay + uz * az
        range_row[11] = 0.0
        rate_row[11] = dt


@njit(cache=True)
def _sum_slot(
    sat: Floats, look: Floats, first: int, last: int, place: Floats, state: Floats, nu: Floats, light: bool,
    extended: bool, loss: int, m_range: Floats, m_rate: Floats, rows: Floats,
) -> float:
    """Sum the rows of one satellite; return the cost of the residuals as far as it is not least squares."""
    width = ROW if extended else 8
    m_range[:width, :width] = 0.0
    m_rate[:width, :width] = 0.0
    range_row, rate_row = rows[0], rows[1]
    bent = 0.0
    for i in range(first, last):
        look_rows(sat[i], look[i], place, state, light, extended, range_row, rate_row)
        w = look[i, 8]
        if w > 0.0:
            if loss != LEAST_SQUARES:
                e = range_row[7] - range_row[4] * nu[0] - range_row[5] * nu[1] - range_row[6] * nu[2]
                cost, weight = loss_of(e * math.sqrt(w), loss)
                bent += cost - weight * w * e * e
                w *= weight
            _add_outer(m_range, range_row, w, width)
        if look[i, 10] > 0.0:
            _add_outer(m_rate, rate_row, look[i, 10], width)
    return bent


class Sight(NamedTuple):
    """What one terminal saw, by satellite, and how it is to be explained."""

    sat: Floats  # prepared satellite states [looks, 23]
    look: Floats  # the looks, by satellite [looks, 12]
    starts: NDArray[np.int64]  # first look of each satellite, and the end [satellites + 1]
    precision: Floats  # Sigma^-1 of each satellite [satellites, 3, 3]
    mean: Floats  # prior mean of nu [satellites, 3]
    prior: Floats  # priors of the state [descend.PRIOR_COLUMNS]
    light: bool  # light time and rotation during the flight are in the model
    extended: bool  # fdot, velocity or tau may be estimated
    loss: int  # of range residuals


@njit(cache=True)
def assemble(sight: Sight, place: Floats, state: Floats, nu: Floats, normal: Floats, right: Floats, work: Floats) -> float:
    """Build the reduced normal equations at a state and return the cost, both without the priors of the state.

    Args:
        sight: what the terminal saw.
        place: x, east, north, up [12]; state: the state vector [9], its first three unused.
        nu: nuisances [satellites, 3]; read under a robust loss, always written.
        normal: A in E, N, U, delta, f, fdot, v_E, v_N, tau, written [9, 9]; right: b, written [9].
        work: scratch [`WORK_ROWS`, 12].
    """
    sat, look, starts, precision, mean = sight.sat, sight.look, sight.starts, sight.precision, sight.mean
    light, extended, loss = sight.light, sight.extended, sight.loss
    m_range, m_rate, rows = work[0:12], work[12:24], work[24:26]
    raw, vector = work[26:35, :9], work[35, :9]
    g, inverse, c, cross = work[36:39, 0:3], work[36:39, 3:6], work[39], work[40:43]
    raw[:, :] = 0.0
    vector[:] = 0.0
    total = 0.0
    size = STATES if extended else 5
    for s in range(len(starts) - 1):
        rounds = 1 if loss == LEAST_SQUARES else _ROUNDS
        bent = 0.0
        for _ in range(rounds):
            bent = _sum_slot(
                sat, look, starts[s], starts[s + 1], place, state, nu[s], light, extended, loss, m_range, m_rate, rows
            )
            for i in range(3):
                c[i] = m_range[4 + i, 7] + m_rate[4 + i, 7]
                for j in range(3):
                    g[i, j] = m_range[4 + i, 4 + j] + m_rate[4 + i, 4 + j] + precision[s, i, j]
                    c[i] += precision[s, i, j] * mean[s, j]
            inverse3(g, inverse)
            moved = 0.0
            for i in range(3):
                value = inverse[i, 0] * c[0] + inverse[i, 1] * c[1] + inverse[i, 2] * c[2]
                moved = max(moved, abs(value - nu[s, i]))
                nu[s, i] = value
            if moved < _NU_STILL:
                break
        total += bent + m_range[7, 7] + m_rate[7, 7]
        for i in range(3):
            total -= c[i] * nu[s, i]
            for j in range(3):
                total += mean[s, i] * precision[s, i, j] * mean[s, j]
        _eliminate(m_range, m_rate, inverse, nu[s], extended, size, cross, raw, vector)
    _turn(raw, vector, place, size, normal, right)
    return total


@njit(cache=True)
def _eliminate(
    m_range: Floats, m_rate: Floats, inverse: Floats, nu: Floats, extended: bool, size: int, cross: Floats, raw: Floats,
    vector: Floats,
) -> None:
    """Add one satellite's sums, less what its nuisances explain, to the lower half of the raw equations."""
    for k in range(3):
        for i in range(size):
            cross[k, i] = 0.0
    columns = ROW if extended else 4
    for i in range(columns):
        to_range, to_rate = _RANGE_TO[i], _RATE_TO[i]
        if to_range < 0 and to_rate < 0:
            continue
        for k in range(3):  # whole rows are summed from the eighth on, so the greater index comes first
            if to_range >= 0:
                cross[k, to_range] += m_range[i, 4 + k] if i >= 8 else m_range[4 + k, i]
            cross[k, to_rate] += m_rate[i, 4 + k] if i >= 8 else m_rate[4 + k, i]
        if to_range >= 0:
            vector[to_range] += m_range[i, 7]
        vector[to_rate] += m_rate[i, 7]
        for j in range(i + 1):
            other_range, other_rate = _RANGE_TO[j], _RATE_TO[j]
            if to_range >= 0 and other_range >= 0:
                raw[max(to_range, other_range), min(to_range, other_range)] += m_range[i, j]
            if other_rate >= 0:
                raw[max(to_rate, other_rate), min(to_rate, other_rate)] += m_rate[i, j]
    for i in range(size):
        p0 = inverse[0, 0] * cross[0, i] + inverse[0, 1] * cross[1, i] + inverse[0, 2] * cross[2, i]
        p1 = inverse[1, 0] * cross[0, i] + inverse[1, 1] * cross[1, i] + inverse[1, 2] * cross[2, i]
        p2 = inverse[2, 0] * cross[0, i] + inverse[2, 1] * cross[1, i] + inverse[2, 2] * cross[2, i]
        vector[i] -= nu[0] * cross[0, i] + nu[1] * cross[1, i] + nu[2] * cross[2, i]
        for j in range(i + 1):
            raw[i, j] -= p0 * cross[0, j] + p1 * cross[1, j] + p2 * cross[2, j]


@njit(cache=True)
def _turn(raw: Floats, vector: Floats, place: Floats, size: int, normal: Floats, right: Floats) -> None:
    """Turn the position's rows and columns from ECEF to east, north, up."""
    raw[0, 1], raw[0, 2], raw[1, 2] = raw[1, 0], raw[2, 0], raw[2, 1]
    for i in range(3):
        e0, e1, e2 = place[3 + 3 * i], place[4 + 3 * i], place[5 + 3 * i]
        right[i] = e0 * vector[0] + e1 * vector[1] + e2 * vector[2]
        h0 = e0 * raw[0, 0] + e1 * raw[1, 0] + e2 * raw[2, 0]
        h1 = e0 * raw[0, 1] + e1 * raw[1, 1] + e2 * raw[2, 1]
        h2 = e0 * raw[0, 2] + e1 * raw[1, 2] + e2 * raw[2, 2]
        for j in range(i + 1):
            value = h0 * place[3 + 3 * j] + h1 * place[4 + 3 * j] + h2 * place[5 + 3 * j]
            normal[i, j] = normal[j, i] = value
        for k in range(3, size):
            value = e0 * raw[k, 0] + e1 * raw[k, 1] + e2 * raw[k, 2]
            normal[i, k] = normal[k, i] = value
    for k in range(3, size):
        right[k] = vector[k]
        for j in range(3, k + 1):
            normal[k, j] = normal[j, k] = raw[k, j]
