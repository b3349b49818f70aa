"""Plain path: one terminal, one start, in NumPy, written another way than the kernels on purpose.

The nuisances of all satellites are unknowns like the others, priors are rows like the others, light time is iterated on both
legs, and the least-squares problem is solved by QR. Nothing is eliminated, nothing is expanded. Where both paths agree, neither
is wrong alone: they do within 1 mm (tests/unit/verify/test_verify_plain.py).

Gaussian priors and least squares only; satellites are moved along their track as in the kernels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from groundrule.frames import C_M_S, MU_M3_S2, OMEGA_EARTH_RAD_S, ecef_to_geodetic, enu_axes, geodetic_to_ecef
from groundrule.verify import descend as lm
from groundrule.verify import model
from groundrule.verify.batch import Batch, Ints
from groundrule.verify.model import Floats
from groundrule.verify.normal import EARTH_RADIUS_M

_SPIN = np.array([0.0, 0.0, OMEGA_EARTH_RAD_S])


@dataclass(frozen=True, slots=True)
class PlainEstimate:
    """One minimum: place, state (E, N, U unused), cost, covariance of the state, nuisances, iterations."""

    lat_deg: float
    lon_deg: float
    height_m: float
    state: Floats
    cost: float
    covariance: Floats
    nu_m: Floats
    iterations: int


def flight(r_m: Floats, v_inertial: Floats, place_m: Floats, leg: int) -> tuple[Floats, Floats, Floats]:
    """Range, satellite position and inertial velocity at the far end of one leg, by iteration.

    Args:
        r_m, v_inertial: satellites at t2 in axes of ECEF at t2 [m, m/s; (n, 3)].
        place_m: terminal at t2 [m; (n, 3)].
        leg: +1 uplink, -1 downlink.
    """
    a = -MU_M3_S2 * r_m / np.linalg.norm(r_m, axis=1, keepdims=True) ** 3
    at, moving, length = r_m, v_inertial, np.linalg.norm(r_m - place_m, axis=1)
    for _ in range(4):
        tau = leg * length[:, None] / C_M_S
        at = r_m + v_inertial * tau + 0.5 * a * tau**2
        moving = v_inertial + a * tau
        length = np.linalg.norm(at - place_m, axis=1)
    return length, at, moving


def predict(looks: Floats, place: Floats, axes: Floats, state: Floats, *, light_time: bool) -> tuple[Floats, Floats]:
    """Range and range rate that looks must show, without ephemeris errors.

    Args:
        looks: columns `model.LOOK_*` [n, 12].
        place: terminal at t_ref [m; (3,); ECEF]; axes: its east, north, up [3, 3].
        state: the state vector [9].
        light_time: as in `solve`.
    Returns:
        ranges [m; (n,)] and rates [m/s; (n,)].
    """
    dt = looks[:, model.LOOK_DT, None]
    r, v = looks[:, 1:4], looks[:, 4:7]
    gravity = -MU_M3_S2 * r / np.linalg.norm(r, axis=1, keepdims=True) ** 3
    earth = gravity - 2.0 * np.cross(_SPIN, v) - np.cross(_SPIN, np.cross(_SPIN, r))
    tau = state[8]
    r, v = r + tau * v + 0.5 * tau**2 * earth, v + tau * earth
    velocity = state[6] * axes[0] + state[7] * axes[1]
    bend = velocity @ velocity / EARTH_RADIUS_M * axes[2]
    x = place + dt * velocity - 0.5 * dt**2 * bend
    own = velocity - dt * bend
    gap = r - x
    rho = np.linalg.norm(gap, axis=1)
    rate = np.einsum("ij,ij->i", gap, v - own) / rho
    if light_time:
        inertial = v + np.cross(_SPIN, r)
        turning = own + np.cross(_SPIN, x)
        up, at_up, v_up = flight(r, inertial, x, +1)
        down, at_down, v_down = flight(r, inertial, x, -1)
        rho = 0.5 * (up + down)
        leg = looks[:, model.LOOK_LEG]
        rate_up = np.einsum("ij,ij->i", at_up - x, v_up - turning) / up
        rate_down = np.einsum("ij,ij->i", at_down - x, v_down - turning) / down
        rate = np.where(leg > 0, rate_up, np.where(leg < 0, rate_down, rate))
    return rho + state[3], rate + state[4] + state[5] * looks[:, model.LOOK_DT]


def _unit(covariance: Floats) -> Floats:
    """Factor L' of a precision, so that |L' d|^2 is the cost of d."""
    return np.asarray(np.linalg.cholesky(covariance).T)


def _prior_rows(prior: Floats, place: Floats, axes: Floats, h: float, state: Floats) -> tuple[Floats, Floats]:
    """Rows of the state's priors: Jacobian [p, 9] and what is missing to the mean, both over sigma."""
    rows, values = [], []

    def add(index: int, away: float, sigma: float) -> None:
        if 0.0 < sigma < math.inf:
            row = np.zeros(9)
            row[index] = 1.0 / sigma
            rows.append(row)
            values.append(-away / sigma)

    add(2, h - prior[lm.H0], prior[lm.SH])
    add(3, state[3] - prior[lm.D0], prior[lm.SD])
    add(4, state[4] - prior[lm.F0], prior[lm.SF])
    add(5, state[5], prior[lm.SFDOT])
    add(8, state[8], prior[lm.STAU])
    for k in range(2):
        add(k, float(axes[k] @ (place - prior[lm.CELL : lm.CELL + 3])), prior[lm.SC])
        add(6 + k, state[6 + k] - float(axes[k] @ prior[lm.V0 : lm.V0 + 3]), prior[lm.SV])
    return np.array(rows).reshape(-1, 9), np.array(values)


def _jacobian(looks: Floats, lat: float, lon: float, h: float, state: Floats, *, light_time: bool) -> tuple[Floats, Floats]:
    """Derivatives of range and rate by the nine states, by central differences in local axes [n, 9] each."""
    place, axes = geodetic_to_ecef(lat, lon, h), enu_axes(lat, lon)
    steps = np.array([1.0, 1.0, 1.0, 1.0, 1e-3, 1e-5, 0.1, 0.1, 1e-4])
    ranges, rates = np.empty((len(looks), 9)), np.empty((len(looks), 9))
    for k in range(9):
        ends = []
        for sign in (1.0, -1.0):
            moved, changed = place, state.copy()
            if k < 3:
                moved = place + sign * steps[k] * axes[k]
            else:
                changed[k] += sign * steps[k]
            ends.append(predict(looks, moved, axes, changed, light_time=light_time))
        ranges[:, k] = (ends[0][0] - ends[1][0]) / (2.0 * steps[k])
        rates[:, k] = (ends[0][1] - ends[1][1]) / (2.0 * steps[k])
    return ranges, rates


def solve_one(batch: Batch, lat_deg: float, lon_deg: float, *, light_time: bool = True) -> PlainEstimate:
    """Descend from one start to one minimum of the first terminal of a batch.

    Args:
        batch: looks and priors; Gaussian ephemeris priors.
        lat_deg, lon_deg: the start [degree].
        light_time: as in `solve`.
    """
    last = int(batch.slot_starts[1])
    starts = batch.look_starts[: last + 1]
    looks = batch.looks[: starts[-1]].copy()
    slot: Ints = np.repeat(np.arange(last, dtype=np.int64), np.diff(starts))
    prior, root_r, root_d = batch.priors[0], np.sqrt(looks[:, 8]), np.sqrt(looks[:, 10])
    factors = [_unit(batch.precision[s]) for s in range(last)]
    active = np.array([k for k, column in enumerate(_SIGMAS) if column is None or prior[column] > 0.0])
    point = np.array([lat_deg, lon_deg, prior[lm.H0]])
    state = np.zeros(9)
    state[3], state[4] = prior[lm.D0], prior[lm.F0]
    state[6:8] = enu_axes(lat_deg, lon_deg)[:2] @ prior[lm.V0 : lm.V0 + 3]
    nu, mean = np.zeros((last, 3)), batch.mean_m[:last].copy()
    shift = np.zeros(last)
    damping, iterations, cost = lm.FIRST_DAMPING, 0, math.inf
    kept = (point, state, nu)
    matrix, misfit = np.zeros((0, 0)), np.zeros(0)
    for _ in range(6 * lm.MAX_ITERATIONS):
        built, wanted = _rows(looks, slot, point, state, nu, mean, prior, root_r, root_d, factors, light_time=light_time)
        new = float(wanted @ wanted)
        if new <= cost * (1.0 + lm.ROUNDING):
            cost, kept, matrix, misfit = new, (point, state, nu), built, wanted
            damping = max(0.2 * damping, lm.LEAST_DAMPING)
        else:
            damping *= 10.0
        point, state, nu = kept
        columns = np.concatenate([active, np.arange(9, matrix.shape[1])])
        reduced = matrix[:, columns]
        scale = np.sqrt(damping) * np.linalg.norm(reduced, axis=0)
        step = np.linalg.lstsq(
            np.vstack([reduced, np.diag(scale)]), np.concatenate([misfit, np.zeros(len(scale))]), rcond=None
        )[0]
        full = np.zeros(matrix.shape[1])
        full[columns] = step
        iterations += 1
        point, state, nu = _step(point, state, nu, full)
        if np.linalg.norm(full[:3]) < 1e-5 and np.linalg.norm(full[6:8]) < 1e-7:
            far = np.abs(nu[:, 0]) > lm.SHIFT_FROM_M
            if not far.any():
                break
            shift = shift + np.where(far, nu[:, 0], 0.0)
            _load_shifted(batch, looks, slot, shift)
            mean[:, 0] = batch.mean_m[:last, 0] - shift
            nu = nu.copy()
            nu[far, 0] = 0.0
            cost, damping, kept = math.inf, lm.FIRST_DAMPING, (point, state, nu)
    triangle = np.linalg.qr(matrix[:, columns], mode="r")
    inverse = np.linalg.inv(triangle)
    covariance = np.zeros((9, 9))
    covariance[np.ix_(active, active)] = (inverse @ inverse.T)[: len(active), : len(active)]
    total = nu.copy()
    total[:, 0] += shift
    return PlainEstimate(float(point[0]), float(point[1]), float(point[2]), state, cost, covariance, total, iterations)


_SIGMAS = (None, None, lm.SH, lm.SD, lm.SF, lm.SFDOT, lm.SV, lm.SV, lm.STAU)


def _rows(
    looks: Floats, slot: Ints, point: Floats, state: Floats, nu: Floats, mean: Floats, prior: Floats, root_r: Floats,
    root_d: Floats, factors: list[Floats], *, light_time: bool,
) -> tuple[Floats, Floats]:
    """All rows over sigma: measurements, priors of the state, priors of the nuisances."""
    lat, lon, h = point
    place, axes = geodetic_to_ecef(lat, lon, h), enu_axes(lat, lon)
    ranges, rates = predict(looks, place, axes, state, light_time=light_time)
    by_range, by_rate = _jacobian(looks, lat, lon, h, state, light_time=light_time)
    g_range, g_rate = nuisance_rows(looks, place, axes, state)
    satellites = len(factors)
    n = len(looks)
    wide = np.zeros((2 * n, 9 + 3 * satellites))
    wide[:n, :9], wide[n:, :9] = root_r[:, None] * by_range, root_d[:, None] * by_rate
    for a in range(3):
        wide[np.arange(n), 9 + 3 * slot + a] = root_r * g_range[:, a]
        wide[n + np.arange(n), 9 + 3 * slot + a] = root_d * g_rate[:, a]
    misfit = np.concatenate(
        [
            root_r * (looks[:, 7] - ranges - np.einsum("ij,ij->i", g_range, nu[slot])),
            root_d * (looks[:, 9] - rates - np.einsum("ij,ij->i", g_rate, nu[slot])),
        ]
    )
    told, missing = _prior_rows(prior, place, axes, h, state)
    blocks, parts = [wide, np.pad(told, ((0, 0), (0, 3 * satellites)))], [misfit, missing]
    for s, factor in enumerate(factors):
        block = np.zeros((3, wide.shape[1]))
        block[:, 9 + 3 * s : 12 + 3 * s] = factor
        blocks.append(block)
        parts.append(factor @ (mean[s] - nu[s]))
    return np.vstack(blocks), np.concatenate(parts)


def nuisance_rows(looks: Floats, place: Floats, axes: Floats, state: Floats) -> tuple[Floats, Floats]:
    """Derivatives of range and rate by S, R, C of the satellite [n, 3] each."""
    dt = looks[:, model.LOOK_DT, None]
    velocity = state[6] * axes[0] + state[7] * axes[1]
    bend = velocity @ velocity / EARTH_RADIUS_M * axes[2]
    x, own = place + dt * velocity - 0.5 * dt**2 * bend, velocity - dt * bend
    r, v = looks[:, 1:4], looks[:, 4:7]
    frame, n = model.triad(r, v)
    earth = -MU_M3_S2 * r / np.linalg.norm(r, axis=1, keepdims=True) ** 3
    earth = earth - 2.0 * np.cross(_SPIN, v) - np.cross(_SPIN, np.cross(_SPIN, r))
    tau = state[8]
    r, v = r + tau * v + 0.5 * tau**2 * earth, v + tau * earth
    rho = np.linalg.norm(r - x, axis=1, keepdims=True)
    u = (r - x) / rho
    w = v - own
    p = (w - np.sum(u * w, axis=1, keepdims=True) * u) / rho
    g_range, g_rate = np.einsum("ij,ikj->ik", u, frame), np.einsum("ij,ikj->ik", p, frame)
    g_rate[:, 0] -= n * g_range[:, 1]
    return g_range, g_rate


def _step(point: Floats, state: Floats, nu: Floats, full: Floats) -> tuple[Floats, Floats, Floats]:
    """Step in local axes, pull back to the height, carry the velocity as a vector."""
    lat, lon, h = point
    axes = enu_axes(lat, lon)
    there = geodetic_to_ecef(lat, lon, h) + full[0] * axes[0] + full[1] * axes[1]
    new_lat, new_lon, _ = ecef_to_geodetic(there)
    changed = state + full[:9]
    changed[:3] = 0.0
    changed[6:8] = enu_axes(new_lat, new_lon)[:2] @ (changed[6] * axes[0] + changed[7] * axes[1])
    return np.array([float(new_lat), float(new_lon), h + full[2]]), changed, nu + full[9:].reshape(-1, 3)


def _load_shifted(batch: Batch, looks: Floats, slot: Ints, shift: Floats) -> None:
    """Put satellites that were moved along their track into the looks."""
    r, v = model.displace(
        batch.looks[: len(looks), 1:4], batch.looks[: len(looks), 4:7], np.stack([shift, 0 * shift, 0 * shift], 1)[slot]
    )
    looks[:, 1:4], looks[:, 4:7] = r, v
