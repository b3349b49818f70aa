"""One descent: Levenberg-Marquardt in local axes from one start to one minimum.

1. At each step the axes east, north, up are rebuilt at the estimate; the step is taken in them and pulled back to the
   ellipsoidal height h + dU, so that a long horizontal step does not leave the shell.
2. A velocity is carried as a vector of ECEF through a step, so that axes that swing round a pole do not turn it.
3. The descent ends at a step below 1 cm, or at a gain below 1e-6 with a step below 1 m.
4. `minimise` repeats it where the ephemeris prior is Student-t (weights from the nuisances, at most 12 rounds) and where
   a satellite proves to be more than 2 km along its track from where its elements put it (moved there, remainder linear).

Source: section 6, steps 5 to 9, of the specification.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from groundrule.frames import ecef_of, enu_of, geodetic_of
from groundrule.verify.blocks import fill_blocks
from groundrule.verify.model import Floats, prepare, shift_along
from groundrule.verify.normal import DELTA, FDOT, STATES, TAU, UP, VEAST, VNORTH, F, Sight, assemble, is_usual

# Columns of the priors of one terminal. A sigma of 0 means known (not estimated), infinity means free.
H0, SH, D0, SD, F0, SF, SFDOT, CELL, SC, V0, SV, STAU, SIN_EL, RADIUS = 0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 14, 15, 16, 17
PRIOR_COLUMNS = 18

FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 1e-6, 1e-9, 1e12
MAX_ITERATIONS = 40
SINGULAR = 1e-13  # of a diagonal: what is left of it below this is rounding
DAMPING_SMALL = 1e-3  # the quadratic model was right so far
ROUNDING = 1e-10  # of a cost: sums of squares cancel against what the nuisances explain
VECTOR_ROWS = 26
STEP_DONE_M, STEP_SMALL_M, GAIN_SMALL = 0.01, 1.0, 1e-6
GAIN_FAR, STEP_FAR, FAR = 1e-13, 1e-6, 1e7  # at a place that is held: of the square of the cost, and of the cost, up to here
ENOUGH_TO_MOVE = 0.01  # of the cost: a satellite that has to be moved need not wait until the rest has come to an end
MAX_ROUNDS = 12
SHIFT_FROM_M = 2_000.0
_STEP_TIME_S = 30.0  # a step of velocity counts as the way it makes in this time
_ORBIT_M_S = 7_600.0  # and one of the network clock as the way of a satellite

CONVERGED, UNOBSERVABLE, GATE, NEAR_TRACK, SHIFTED, FROM_MIRROR, FROM_GRID = 1, 2, 4, 8, 16, 32, 64
"""Flags of a mode."""


class Ephemeris(NamedTuple):
    """What is known of the satellites of one terminal before."""

    precision: Floats  # inverse covariance of S, R, C [satellites, 3, 3; 1/m2]
    mean: Floats  # [satellites, 3; m]
    scale2: Floats  # squared scale per component, for Student-t [satellites, 3; m2]
    dof: Floats  # infinite: Gaussian [satellites, 3]


@njit(cache=True, error_model="numpy")
def set_place(lat: float, lon: float, h: float, place: Floats) -> None:
    """Write x and the local axes at a geodetic point [rad, m]."""
    place[0], place[1], place[2] = ecef_of(lat, lon, h)
    east, north, up = enu_of(lat, lon)
    for k in range(3):
        place[3 + k], place[6 + k], place[9 + k] = east[k], north[k], up[k]


@njit(cache=True, error_model="numpy")
def _pull(value: float, sigma: float, index: int, normal: Floats, right: Floats) -> float:
    """Add one prior, given as deviation from its mean, and return its cost; 0 means the state is known."""
    if sigma == 0.0:
        return 0.0
    w = 1.0 / (sigma * sigma)
    normal[index, index] += w
    right[index] -= w * value
    return w * value * value


@njit(cache=True, error_model="numpy")
def add_priors(place: Floats, h: float, state: Floats, prior: Floats, extended: bool, normal: Floats, right: Floats) -> float:
    """Add the priors of one terminal to the normal equations and return their cost."""
    cost = _pull(h - prior[H0], prior[SH], UP, normal, right)
    cost += _pull(state[DELTA] - prior[D0], prior[SD], DELTA, normal, right)
    cost += _pull(state[F] - prior[F0], prior[SF], F, normal, right)
    if prior[SC] < math.inf:
        dx, dy, dz = place[0] - prior[CELL], place[1] - prior[CELL + 1], place[2] - prior[CELL + 2]
        for k in range(2):
            away = dx * place[3 + 3 * k] + dy * place[4 + 3 * k] + dz * place[5 + 3 * k]
            cost += _pull(away, prior[SC], k, normal, right)
    if extended:
        cost += _pull(state[FDOT], prior[SFDOT], FDOT, normal, right)
        cost += _pull(state[TAU], prior[STAU], TAU, normal, right)
        for k in range(2):
            told = prior[V0] * place[3 + 3 * k] + prior[V0 + 1] * place[4 + 3 * k] + prior[V0 + 2] * place[5 + 3 * k]
            cost += _pull(state[VEAST + k] - told, prior[SV], VEAST + k, normal, right)
    return cost


@njit(cache=True, error_model="numpy")
def factorise(normal: Floats, active: NDArray[np.int64], damping: float, factor: Floats) -> bool:
    """Cholesky factor of the damped equations of the active states; False where they are not positive definite.

    The diagonal of the factor is stored inverted.
    """
    for i in range(len(active)):
        p = active[i]
        for j in range(i):
            value = normal[p, active[j]]
            for k in range(j):
                value -= factor[i, k] * factor[j, k]
            factor[i, j] = value * factor[j, j]
        value = normal[p, p] * (1.0 + damping)
        for k in range(i):
            value -= factor[i, k] * factor[i, k]
        if not value > SINGULAR * normal[p, p]:
            return False
        factor[i, i] = 1.0 / math.sqrt(value)
    return True


@njit(cache=True, error_model="numpy")
def substitute(factor: Floats, right: Floats, active: NDArray[np.int64], step: Floats) -> None:
    """Solve for the active states with their factor."""
    count = len(active)
    for i in range(count):
        value = right[active[i]]
        for k in range(i):
            value -= factor[i, k] * step[k]
        step[i] = value * factor[i, i]
    for i in range(count - 1, -1, -1):
        value = step[i]
        for k in range(i + 1, count):
            value -= factor[k, i] * step[k]
        step[i] = value * factor[i, i]


@njit(cache=True, error_model="numpy")
def _move(place: Floats, point: Floats, state: Floats, full: Floats, extended: bool) -> None:
    """Apply a step to the place (12), the point (lat, lon, h) and the state, in place."""
    if full[0] == 0.0 and full[1] == 0.0:  # straight up: the axes stay
        point[2] += full[2]
        for k in range(3):
            place[k] += full[2] * place[9 + k]
        for k in range(3, STATES):
            state[k] += full[k]
        return
    x = place[0] + place[3] * full[0] + place[6] * full[1]
    y = place[1] + place[4] * full[0] + place[7] * full[1]
    z = place[2] + place[5] * full[0] + place[8] * full[1]
    vx = vy = vz = 0.0
    if extended:
        ve, vn = state[VEAST] + full[VEAST], state[VNORTH] + full[VNORTH]
        vx = place[3] * ve + place[6] * vn
        vy = place[4] * ve + place[7] * vn
        vz = place[5] * ve + place[8] * vn
    point[0], point[1], _ = geodetic_of(x, y, z)
    point[2] += full[2]
    set_place(point[0], point[1], point[2], place)
    for k in range(3, STATES):
        state[k] += full[k]
    if extended:
        state[VEAST] = vx * place[3] + vy * place[4] + vz * place[5]
        state[VNORTH] = vx * place[6] + vy * place[7] + vz * place[8]


@njit(cache=True, error_model="numpy")
def is_far(nu: Floats, satellites: int) -> bool:
    """Say whether one of the satellites is so far along its track that it has to be moved there."""
    for s in range(satellites):  # noqa: SIM110 - compiled
        if abs(nu[s, 0]) > SHIFT_FROM_M:
            return True
    return False


@njit(cache=True, error_model="numpy")
def descend(
    sight: Sight, active: NDArray[np.int64], point: Floats, state: Floats, nu: Floats, normal: Floats, work: Floats,
    vectors: Floats, rows: Floats, bound: float,
) -> tuple[float, int, bool]:
    """Go down from a start to a minimum.

    Args:
        sight: what the terminal saw.
        active: states that move, ascending.
        point: latitude, longitude [rad], height [m]; the start, then the estimate.
        state: the state vector; its first three are unused [9].
        nu: nuisances [satellites, 3].
        normal: written: A with priors at the estimate [9, 9].
        work: scratch [WORK_ROWS, 12]; vectors: scratch [VECTOR_ROWS, 12]; rows: scratch [looks, ROWS].
        bound: the descent is given up where even four times the gain in sight would leave the cost above it.
    Returns:
        cost, iterations, whether it converged; also where a satellite has to be moved first, before anything is exact.
    """
    prior, extended, count = sight.prior, sight.extended, len(active)
    place, place_before = vectors[0], vectors[1]
    right, step, full, state_before, point_before = vectors[2], vectors[3], vectors[4], vectors[5], vectors[6]
    right_new = vectors[7]
    factor, normal_new = vectors[8:17], vectors[17:26, :9]
    # At a place that is held (a claim), the cost alone is asked for; one of millions contradicts it, whatever its last digits.
    held = count == 0 or active[0] >= UP
    damping = FIRST_DAMPING
    set_place(point[0], point[1], point[2], place)
    cost, size = math.inf, math.inf
    evaluate, iterations = True, 0
    while True:
        if evaluate:
            new = assemble(sight, place, state, nu, normal_new, right_new, work, rows)
            new += add_priors(place, point[2], state, prior, extended, normal_new, right_new)
            if new <= cost + ROUNDING * (1.0 + abs(new)):
                gain, cost = cost - new, new
                normal[:, :] = normal_new
                right[:9] = right_new[:9]
                if iterations:
                    damping = max(0.2 * damping, LEAST_DAMPING)
                if gain < GAIN_SMALL and size < STEP_SMALL_M:
                    return cost, iterations, True
                if held and gain < GAIN_FAR * min(cost, FAR) * cost and size < STEP_SMALL_M * (1.0 + STEP_FAR * cost):
                    return cost, iterations, True
                if held and gain < ENOUGH_TO_MOVE * cost and is_far(nu, len(sight.starts) - 1):
                    return cost, iterations, True
            else:
                place[:] = place_before
                state[:] = state_before[:9]
                point[:] = point_before[:3]
                damping *= 10.0
        if iterations >= MAX_ITERATIONS or damping > MOST_DAMPING or not cost < math.inf:
            return cost, iterations, False
        iterations += 1
        evaluate = factorise(normal, active, damping, factor)
        if not evaluate:
            damping *= 10.0
            continue
        substitute(factor, right, active, step)
        full[:] = 0.0
        gain = 0.0
        for i in range(count):
            full[active[i]] = step[i]
            gain += step[i] * right[active[i]]
        size = math.sqrt(
            full[0] ** 2
            + full[1] ** 2
            + full[2] ** 2
            + _STEP_TIME_S**2 * (full[VEAST] ** 2 + full[VNORTH] ** 2)
            + (_ORBIT_M_S * full[TAU]) ** 2
        )
        place_before[:] = place
        state_before[:9] = state
        point_before[:3] = point
        _move(place, point, state, full, extended)
        if size < STEP_DONE_M:
            return cost - gain, iterations, True
        if cost - 4.0 * gain > bound and damping < DAMPING_SMALL:
            return cost, iterations, False


@njit(cache=True, error_model="numpy")
def load(look: Floats, first: int, last: int, along_m: float, sat: Floats, state: Floats) -> None:
    """Prepare the satellite states of some looks, each moved along its track by a distance [m]."""
    for i in range(first, last):
        if along_m == 0.0:
            prepare(look[i, 1], look[i, 2], look[i, 3], look[i, 4], look[i, 5], look[i, 6], sat[i])
        else:
            for k in range(6):
                state[k] = look[i, 1 + k]
            shift_along(state, along_m)
            prepare(state[0], state[1], state[2], state[3], state[4], state[5], sat[i])


@njit(cache=True, error_model="numpy")
def put(sight: Sight, satellite: int, along_m: float, state: Floats) -> None:
    """Put one satellite where its elements say, or moved along its track by a distance [m], for all its looks."""
    first, last = sight.starts[satellite], sight.starts[satellite + 1]
    if is_usual(sight):
        cells = sight.cells[sight.cell_starts[satellite] : sight.cell_starts[satellite + 1]]
        fill_blocks(sight.look[first:last], along_m, cells, sight.sat[first:last])
    else:
        load(sight.look, first, last, along_m, sight.sat, state)


@njit(cache=True, error_model="numpy")
def put_all(sight: Sight, state: Floats) -> None:
    """Put every satellite where its elements say."""
    for s in range(len(sight.starts) - 1):
        put(sight, s, 0.0, state)


@njit(cache=True, error_model="numpy")
def _reweight(nu: Floats, shift: float, mean: Floats, scale2: Floats, dof: Floats, precision: Floats) -> None:
    """Weights of one satellite's Student-t prior from its nuisances (in place); infinite dof is Gaussian."""
    precision[:, :] = 0.0
    for a in range(3):
        away = nu[a] - mean[a] + (shift if a == 0 else 0.0)
        k = dof[a]
        precision[a, a] = (k + 1.0) / (k * scale2[a] + away * away) if k < math.inf else 1.0 / scale2[a]


@njit(cache=True, error_model="numpy")
def _student_cost(nu: Floats, shift: float, mean: Floats, scale2: Floats, dof: Floats, precision: Floats) -> float:
    """Cost of a Student-t prior less that of the Gaussian one that stood in for it."""
    cost = 0.0
    for a in range(3):
        away = nu[a] - mean[a] + (shift if a == 0 else 0.0)
        k = dof[a]
        if k < math.inf:
            cost += (k + 1.0) * math.log1p(away * away / (k * scale2[a])) - precision[a, a] * away * away
    return cost


@njit(cache=True, error_model="numpy")
def minimise(
    sight: Sight, active: NDArray[np.int64], told: Ephemeris, point: Floats, state: Floats, nu: Floats, shift: Floats,
    normal: Floats, work: Floats, vectors: Floats, rows: Floats, bound: float,
) -> tuple[float, int, bool]:
    """Go down to a minimum, with Student-t weights and satellites far along their track.

    Args:
        sight: as in `descend`; its `sat`, `precision` and `mean` are overwritten.
        active, point, state, nu, normal, work, vectors, rows, bound: as in `descend`.
        told: what is known of the ephemeris before.
        shift: distance by which each satellite was moved along its track, written [satellites].
    Returns:
        cost, iterations, whether the last descent converged. nu is the remainder after `shift`.
    """
    satellites = len(sight.starts) - 1
    student = False
    for s in range(satellites):
        shift[s] = 0.0
        for a in range(3):
            nu[s, a] = sight.mean[s, a] = told.mean[s, a]
            for b in range(3):
                sight.precision[s, a, b] = told.precision[s, a, b]
        if told.dof[s, 0] < math.inf or told.dof[s, 1] < math.inf or told.dof[s, 2] < math.inf:
            student = True
            _reweight(nu[s], 0.0, told.mean[s], told.scale2[s], told.dof[s], sight.precision[s])
    cost, total, good = 0.0, 0, False
    x, y, z = 0.0, 0.0, 0.0
    for _ in range(MAX_ROUNDS):
        cost, iterations, good = descend(sight, active, point, state, nu, normal, work, vectors, rows, bound)
        total += iterations
        again = False
        if student:
            for s in range(satellites):
                cost += _student_cost(nu[s], shift[s], told.mean[s], told.scale2[s], told.dof[s], sight.precision[s])
            place = vectors[0]
            again = abs(place[0] - x) + abs(place[1] - y) + abs(place[2] - z) > STEP_DONE_M
            x, y, z = place[0], place[1], place[2]
        for s in range(satellites):
            if abs(nu[s, 0]) > SHIFT_FROM_M and good:
                shift[s] += nu[s, 0]
                put(sight, s, shift[s], vectors[2])
                nu[s, 0] = 0.0
                sight.mean[s, 0] = told.mean[s, 0] - shift[s]
                again = True
        if not again:
            break
        if student:
            for s in range(satellites):
                _reweight(nu[s], shift[s], told.mean[s], told.scale2[s], told.dof[s], sight.precision[s])
    return cost, total, good
