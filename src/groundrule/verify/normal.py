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

from groundrule.frames import OMEGA_EARTH_RAD_S
from groundrule.verify import blocks
from groundrule.verify.model import Floats, lines_of

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

# Rows of the scratch of `assemble`.
SUM_RANGE, SUM_RATE, RAW_ROW, VECTOR_ROW, G_ROW, C_ROW, CROSS_ROW = 0, 12, 24, 33, 34, 37, 38
LANES_ROW, SUMS_ROW = 41, 99
WORK_ROWS = 103
ROWS = 26  # of one look: its range row, its rate row, the weight of each


@njit(cache=True, error_model="numpy")
def loss_of(z: float, loss: int) -> tuple[float, float]:
    """Return the cost of a normalised residual and its weight against least squares."""
    if loss == LEAST_SQUARES or z <= 0.0:
        return z * z, 1.0
    if loss == HUBER:
        if z <= HUBER_Q:
            return z * z, 1.0
        return 2.0 * HUBER_Q * z - HUBER_Q * HUBER_Q, HUBER_Q / z
    return STUDENT_DOF * math.log1p(z * z / STUDENT_DOF), STUDENT_DOF / (STUDENT_DOF + z * z)


class Sight(NamedTuple):
    """What one terminal saw, by satellite, and how it is to be explained."""

    sat: Floats  # prepared satellite states [looks, 20]; of usual sights the positions only
    cells: Floats  # of usual sights: the looks in blocks [blocks, blocks.CELL]
    cell_starts: NDArray[np.int64]  # first block of each satellite, and the end [satellites + 1]
    look: Floats  # the looks, by satellite [looks, 12]
    starts: NDArray[np.int64]  # first look of each satellite, and the end [satellites + 1]
    precision: Floats  # Sigma^-1 of each satellite [satellites, 3, 3]
    mean: Floats  # prior mean of nu [satellites, 3]
    prior: Floats  # priors of the state [descend.PRIOR_COLUMNS]
    light: bool  # light time and rotation during the flight are in the model
    extended: bool  # fdot, velocity or tau may be estimated
    loss: int  # of range residuals


@njit(cache=True, error_model="numpy")
def is_usual(sight: Sight) -> bool:
    """Say whether the five usual states under least squares are all that is asked: then sums are made in blocks."""
    return not sight.extended and sight.loss == LEAST_SQUARES


@njit(cache=True, error_model="numpy")
def _invert3(work: Floats) -> None:
    """Invert the symmetric 3x3 matrix at `G_ROW` into the three columns beside it."""
    a, b, c = work[G_ROW, 0], work[G_ROW, 1], work[G_ROW, 2]
    d, e, f = work[G_ROW + 1, 1], work[G_ROW + 1, 2], work[G_ROW + 2, 2]
    p, q, r = d * f - e * e, c * e - b * f, b * e - c * d
    s = 1.0 / (a * p + b * q + c * r)
    work[G_ROW, 3], work[G_ROW + 1, 4], work[G_ROW + 2, 5] = p * s, (a * f - c * c) * s, (a * d - b * b) * s
    work[G_ROW, 4], work[G_ROW, 5], work[G_ROW + 1, 5] = q * s, r * s, (b * c - a * e) * s
    work[G_ROW + 1, 3], work[G_ROW + 2, 3], work[G_ROW + 2, 4] = q * s, r * s, (b * c - a * e) * s


@njit(cache=True, error_model="numpy")
def fill_rows(
    sat: Floats, look: Floats, first: int, last: int, place: Floats, state: Floats, light: bool, extended: bool, rows: Floats
) -> None:
    """Fill the rows of some looks: Jacobians in ECEF axes, residuals and weights.

    Args:
        sat: prepared satellite states; look: columns of the looks; first, last: which.
        place: x, then the axes east, north, up [12].
        state: delta, f, fdot, v_E, v_N, tau in their places of the state vector [9].
        light: light time and rotation during the flight are in the model.
        extended: columns of v_E, v_N, tau and fdot are wanted.
        rows: written: the range's row, the rate's row, both weights [looks, `ROWS`].
    """
    px, py, pz = place[0], place[1], place[2]
    ex, ey, ez, nx, ny, nz = place[3], place[4], place[5], place[6], place[7], place[8]
    hx, hy, hz = place[9], place[10], place[11]
    delta, f, fdot, ve, vn, tau = state[3], state[4], state[5], state[6], state[7], state[8]
    om = OMEGA_EARTH_RAD_S
    bend = (ve * ve + vn * vn) / EARTH_RADIUS_M
    tx = ty = tz = 0.0
    ax = ay = az = 0.0
    for i in range(first, last):
        dt = look[i, 0]
        sx, sy, sz = sat[i, 0], sat[i, 1], sat[i, 2]
        vx, vy, vz = sat[i, 3], sat[i, 4], sat[i, 5]
        x, y, z = px, py, pz
        if extended:
            ax = sat[i, 17] + 2.0 * om * vy + om * om * sx
            ay = sat[i, 18] - 2.0 * om * vx + om * om * sy
            az = sat[i, 19]
            sx += tau * (vx + 0.5 * tau * ax)
            sy += tau * (vy + 0.5 * tau * ay)
            sz += tau * (vz + 0.5 * tau * az)
            vx += tau * ax
            vy += tau * ay
            vz += tau * az
            tx = ve * ex + vn * nx - bend * dt * hx
            ty = ve * ey + vn * ny - bend * dt * hy
            tz = ve * ez + vn * nz - bend * dt * hz
            half = 0.5 * bend * dt * dt
            x += dt * tx + half * hx
            y += dt * ty + half * hy
            z += dt * tz + half * hz
        ux, uy, uz, rho, g_s, g_r, g_c, bx, by, bz, qx, qy, qz, rate, d_s, d_r, d_c = lines_of(
            (sx, sy, sz), (vx, vy, vz), (sat[i, 6], sat[i, 7], sat[i, 8]), (sat[i, 9], sat[i, 10], sat[i, 11]),
            (sat[i, 12], sat[i, 13], sat[i, 14]), sat[i, 15], (sat[i, 17], sat[i, 18], sat[i, 19]), (x, y, z), (tx, ty, tz),
            look[i, 11], light,
        )
        rows[i, 0], rows[i, 1], rows[i, 2], rows[i, 3] = -ux, -uy, -uz, 1.0
        rows[i, 4], rows[i, 5], rows[i, 6] = g_s, g_r, g_c
        rows[i, 7] = look[i, 7] - (rho + delta)
        rows[i, 12], rows[i, 13], rows[i, 14], rows[i, 15] = -qx, -qy, -qz, 1.0
        rows[i, 16], rows[i, 17], rows[i, 18] = d_s, d_r, d_c
        rows[i, 19] = look[i, 9] - (rate + f + fdot * dt)
        rows[i, 24] = look[i, 8]
        rows[i, 25] = look[i, 10]
        if extended:
            up_u = ux * hx + uy * hy + uz * hz
            up_q = qx * hx + qy * hy + qz * hz
            east_b, north_b = bx * ex + by * ey + bz * ez, bx * nx + by * ny + bz * nz
            east_u, north_u = ux * ex + uy * ey + uz * ez, ux * nx + uy * ny + uz * nz
            east_q, north_q = qx * ex + qy * ey + qz * ez, qx * nx + qy * ny + qz * nz
            fall_e, fall_n = ve * dt / EARTH_RADIUS_M, vn * dt / EARTH_RADIUS_M
            rows[i, 8] = -dt * east_u + fall_e * dt * up_u
            rows[i, 9] = -dt * north_u + fall_n * dt * up_u
            rows[i, 10] = ux * vx + uy * vy + uz * vz
            rows[i, 11] = 0.0
            rows[i, 20] = -dt * east_q + fall_e * dt * up_q - east_b + 2.0 * fall_e * up_u
            rows[i, 21] = -dt * north_q + fall_n * dt * up_q - north_b + 2.0 * fall_n * up_u
            rows[i, 22] = qx * vx + qy * vy + qz * vz + ux * ax + uy * ay + uz * az
            rows[i, 23] = dt


@njit(cache=True, error_model="numpy")
def _sum_rows(rows: Floats, first: int, last: int, at: int, weight: int, extended: bool, to: int, work: Floats) -> None:
    """Sum w row row' over looks; accumulators stay in registers. Of the first four rows only the first half is summed."""
    for i in range(4):
        b0 = b1 = b2 = b3 = 0.0
        for k in range(first, last):
            s = rows[k, weight] * rows[k, at + i]
            b0 += s * rows[k, at]
            b1 += s * rows[k, at + 1]
            b2 += s * rows[k, at + 2]
            b3 += s * rows[k, at + 3]
        work[to + i, 0], work[to + i, 1], work[to + i, 2], work[to + i, 3] = b0, b1, b2, b3
    for i in range(4, 8):
        a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = 0.0
        for k in range(first, last):
            s = rows[k, weight] * rows[k, at + i]
            a0 += s * rows[k, at]
            a1 += s * rows[k, at + 1]
            a2 += s * rows[k, at + 2]
            a3 += s * rows[k, at + 3]
            a4 += s * rows[k, at + 4]
            a5 += s * rows[k, at + 5]
            a6 += s * rows[k, at + 6]
            a7 += s * rows[k, at + 7]
        work[to + i, 0], work[to + i, 1], work[to + i, 2], work[to + i, 3] = a0, a1, a2, a3
        work[to + i, 4], work[to + i, 5], work[to + i, 6], work[to + i, 7] = a4, a5, a6, a7
    if extended:
        for i in range(8, ROW):
            for j in range(ROW):
                total = 0.0
                for k in range(first, last):
                    total += rows[k, weight] * rows[k, at + i] * rows[k, at + j]
                work[to + i, j] = total


@njit(cache=True, error_model="numpy")
def _bend_weights(sight: Sight, slot: int, nu: Floats, rows: Floats) -> float:
    """Set the weights of a robust loss from the residuals; return its cost less that of the weighted squares."""
    bent = 0.0
    for i in range(sight.starts[slot], sight.starts[slot + 1]):
        w = sight.look[i, 8]
        e = rows[i, 7] - rows[i, 4] * nu[slot, 0] - rows[i, 5] * nu[slot, 1] - rows[i, 6] * nu[slot, 2]
        cost, weight = loss_of(e * math.sqrt(w), sight.loss)
        bent += cost - weight * w * e * e
        rows[i, 24] = weight * w
    return bent


@njit(cache=True, error_model="numpy")
def _nuisances(sight: Sight, slot: int, nu: Floats, work: Floats) -> float:
    """Solve for one satellite's nuisances from its sums; return how far they moved [m]."""
    for i in range(3):
        c = work[SUM_RANGE + 4 + i, 7] + work[SUM_RATE + 4 + i, 7]
        for j in range(3):
            weight = sight.precision[slot, i, j]
            work[G_ROW + i, j] = work[SUM_RANGE + 4 + i, 4 + j] + work[SUM_RATE + 4 + i, 4 + j] + weight
            c += weight * sight.mean[slot, j]
        work[C_ROW, i] = c
    return _explain(slot, nu, work)


@njit(cache=True, error_model="numpy")
def _explain(slot: int, nu: Floats, work: Floats) -> float:
    """Write the nuisances that explain one satellite's sums best; return how far they moved [m]."""
    _invert3(work)
    moved = 0.0
    for i in range(3):
        value = 0.0
        for j in range(3):
            value += work[G_ROW + i, 3 + j] * work[C_ROW, j]
        moved = max(moved, abs(value - nu[slot, i]))
        nu[slot, i] = value
    return moved


@njit(cache=True, error_model="numpy")
def assemble(
    sight: Sight, place: Floats, state: Floats, nu: Floats, normal: Floats, right: Floats, work: Floats, rows: Floats
) -> float:
    """Build the reduced normal equations at a state and return the cost, both without the priors of the state.

    Args:
        sight: what the terminal saw.
        place: x, east, north, up [12]; state: the state vector [9], its first three unused.
        nu: nuisances [satellites, 3]; read under a robust loss, always written.
        normal: A in E, N, U, delta, f, fdot, v_E, v_N, tau, written [9, 9]; right: b, written [9].
        work: scratch [`WORK_ROWS`, 12]; rows: scratch [looks, `ROWS`].
    """
    size = STATES if sight.extended else 5
    for i in range(size):
        work[VECTOR_ROW, i] = 0.0
        for j in range(size):
            work[RAW_ROW + i, j] = 0.0
    total = 0.0
    if is_usual(sight):
        for s in range(len(sight.starts) - 1):
            total += _take_usual(sight, s, place, state, nu, work)
        _turn(place, 5, normal, right, work)
        return total
    fill_rows(sight.sat, sight.look, 0, len(sight.look), place, state, sight.light, sight.extended, rows)
    for s in range(len(sight.starts) - 1):
        bent = 0.0
        first, last = sight.starts[s], sight.starts[s + 1]
        for _ in range(1 if sight.loss == LEAST_SQUARES else _ROUNDS):
            if sight.loss != LEAST_SQUARES:
                bent = _bend_weights(sight, s, nu, rows)
            _sum_rows(rows, first, last, 0, 24, sight.extended, SUM_RANGE, work)
            _sum_rows(rows, first, last, 12, 25, sight.extended, SUM_RATE, work)
            if _nuisances(sight, s, nu, work) < _NU_STILL:
                break
        total += bent + work[SUM_RANGE + 7, 7] + work[SUM_RATE + 7, 7]
        for i in range(3):
            total -= work[C_ROW, i] * nu[s, i]
            for j in range(3):
                total += sight.mean[s, i] * sight.precision[s, i, j] * sight.mean[s, j]
        _eliminate(nu, s, sight.extended, size, work)
    _turn(place, size, normal, right, work)
    return total


@njit(cache=True, error_model="numpy")
def _take_usual(sight: Sight, slot: int, place: Floats, state: Floats, nu: Floats, work: Floats) -> float:
    """Add one satellite's sums, made in blocks, less what its nuisances explain; return its cost."""
    flat = work.ravel()
    sums = flat[12 * SUMS_ROW : 12 * SUMS_ROW + blocks.SUMS]
    blocks.sum_blocks(
        sight.cells[sight.cell_starts[slot] : sight.cell_starts[slot + 1]], place[0], place[1], place[2], state[DELTA], state[F],
        sight.light, flat[12 * LANES_ROW : 12 * LANES_ROW + blocks.SCRATCH], sums,
    )
    at_range, at_rate = blocks.ONES_RANGE, blocks.ONES_RATE
    prior = 0.0
    for i in range(3):
        line = (3 + i) * (4 + i) // 2
        c = sums[21 + 3 + i]
        for j in range(3):
            weight = sight.precision[slot, i, j]
            g = sums[line + 3 + j] if j <= i else sums[(3 + j) * (4 + j) // 2 + 3 + i]
            work[G_ROW + i, j] = g + weight
            c += weight * sight.mean[slot, j]
            prior += sight.mean[slot, i] * weight * sight.mean[slot, j]
            work[CROSS_ROW + i, j] = sums[line + j]
        work[C_ROW, i] = c
        work[CROSS_ROW + i, DELTA], work[CROSS_ROW + i, F] = sums[at_range + 3 + i], sums[at_rate + 3 + i]
        work[VECTOR_ROW, i] += sums[21 + i]
        work[RAW_ROW + DELTA, i] += sums[at_range + i]
        work[RAW_ROW + F, i] += sums[at_rate + i]
        for j in range(i + 1):
            work[RAW_ROW + i, j] += sums[i * (i + 1) // 2 + j]
    work[VECTOR_ROW, DELTA] += sums[at_range + 6]
    work[VECTOR_ROW, F] += sums[at_rate + 6]
    work[RAW_ROW + DELTA, DELTA] += sums[at_range + 7]
    work[RAW_ROW + F, F] += sums[at_rate + 7]
    _explain(slot, nu, work)
    _reduce(nu, slot, 5, work)
    return sums[27] + prior - (work[C_ROW, 0] * nu[slot, 0] + work[C_ROW, 1] * nu[slot, 1] + work[C_ROW, 2] * nu[slot, 2])


@njit(cache=True, error_model="numpy")
def _eliminate(nu: Floats, slot: int, extended: bool, size: int, work: Floats) -> None:
    """Add one satellite's sums, less what its nuisances explain, to the lower half of the raw equations."""
    if extended:
        _gather_all(size, work)
    else:
        for k in range(3):
            for i in range(3):
                work[CROSS_ROW + k, i] = work[SUM_RANGE + 4 + k, i] + work[SUM_RATE + 4 + k, i]
            work[CROSS_ROW + k, DELTA] = work[SUM_RANGE + 4 + k, 3]
            work[CROSS_ROW + k, F] = work[SUM_RATE + 4 + k, 3]
        for i in range(3):
            work[VECTOR_ROW, i] += work[SUM_RANGE + 7, i] + work[SUM_RATE + 7, i]
            work[RAW_ROW + DELTA, i] += work[SUM_RANGE + 3, i]
            work[RAW_ROW + F, i] += work[SUM_RATE + 3, i]
            for j in range(i + 1):
                work[RAW_ROW + i, j] += work[SUM_RANGE + i, j] + work[SUM_RATE + i, j]
        work[VECTOR_ROW, DELTA] += work[SUM_RANGE + 7, 3]
        work[VECTOR_ROW, F] += work[SUM_RATE + 7, 3]
        work[RAW_ROW + DELTA, DELTA] += work[SUM_RANGE + 3, 3]
        work[RAW_ROW + F, F] += work[SUM_RATE + 3, 3]
    _reduce(nu, slot, size, work)


@njit(cache=True, error_model="numpy")
def _gather_all(size: int, work: Floats) -> None:
    """Add one satellite's sums to the raw equations where more than the five usual states are estimated."""
    for k in range(3):
        for i in range(size):
            work[CROSS_ROW + k, i] = 0.0
    for i in range(ROW):
        to_range, to_rate = _RANGE_TO[i], _RATE_TO[i]
        if to_rate < 0:
            continue
        for k in range(3):  # of two indices the row that is summed whole
            p, q = (i, 4 + k) if i >= 8 else (4 + k, i)
            if to_range >= 0:
                work[CROSS_ROW + k, to_range] += work[SUM_RANGE + p, q]
            work[CROSS_ROW + k, to_rate] += work[SUM_RATE + p, q]
        if to_range >= 0:
            work[VECTOR_ROW, to_range] += work[SUM_RANGE + max(i, 7), min(i, 7)]
        work[VECTOR_ROW, to_rate] += work[SUM_RATE + max(i, 7), min(i, 7)]
        for j in range(i + 1):
            other_range, other_rate = _RANGE_TO[j], _RATE_TO[j]
            if other_rate < 0:
                continue
            if to_range >= 0 and other_range >= 0:
                work[RAW_ROW + max(to_range, other_range), min(to_range, other_range)] += work[SUM_RANGE + i, j]
            work[RAW_ROW + max(to_rate, other_rate), min(to_rate, other_rate)] += work[SUM_RATE + i, j]


@njit(cache=True, error_model="numpy")
def _reduce(nu: Floats, slot: int, size: int, work: Floats) -> None:
    """Take from the raw equations what one satellite's nuisances explain."""
    for i in range(size):
        x0, x1, x2 = work[CROSS_ROW, i], work[CROSS_ROW + 1, i], work[CROSS_ROW + 2, i]
        p0 = work[G_ROW, 3] * x0 + work[G_ROW, 4] * x1 + work[G_ROW, 5] * x2
        p1 = work[G_ROW + 1, 3] * x0 + work[G_ROW + 1, 4] * x1 + work[G_ROW + 1, 5] * x2
        p2 = work[G_ROW + 2, 3] * x0 + work[G_ROW + 2, 4] * x1 + work[G_ROW + 2, 5] * x2
        work[VECTOR_ROW, i] -= nu[slot, 0] * x0 + nu[slot, 1] * x1 + nu[slot, 2] * x2
        for j in range(i + 1):
            work[RAW_ROW + i, j] -= (
                p0 * work[CROSS_ROW, j] + p1 * work[CROSS_ROW + 1, j] + p2 * work[CROSS_ROW + 2, j]
            )


@njit(cache=True, error_model="numpy")
def _turn(place: Floats, size: int, normal: Floats, right: Floats, work: Floats) -> None:
    """Turn the position's rows and columns from ECEF to east, north, up."""
    r00, r10, r11 = work[RAW_ROW, 0], work[RAW_ROW + 1, 0], work[RAW_ROW + 1, 1]
    r20, r21, r22 = work[RAW_ROW + 2, 0], work[RAW_ROW + 2, 1], work[RAW_ROW + 2, 2]
    for i in range(3):
        e0, e1, e2 = place[3 + 3 * i], place[4 + 3 * i], place[5 + 3 * i]
        right[i] = e0 * work[VECTOR_ROW, 0] + e1 * work[VECTOR_ROW, 1] + e2 * work[VECTOR_ROW, 2]
        h0 = e0 * r00 + e1 * r10 + e2 * r20
        h1 = e0 * r10 + e1 * r11 + e2 * r21
        h2 = e0 * r20 + e1 * r21 + e2 * r22
        for j in range(i + 1):
            value = h0 * place[3 + 3 * j] + h1 * place[4 + 3 * j] + h2 * place[5 + 3 * j]
            normal[i, j] = value
            normal[j, i] = value
        for k in range(3, size):
            value = e0 * work[RAW_ROW + k, 0] + e1 * work[RAW_ROW + k, 1] + e2 * work[RAW_ROW + k, 2]
            normal[i, k] = value
            normal[k, i] = value
    for k in range(3, size):
        right[k] = work[VECTOR_ROW, k]
        for j in range(3, k + 1):
            normal[k, j] = work[RAW_ROW + k, j]
            normal[j, k] = work[RAW_ROW + k, j]
