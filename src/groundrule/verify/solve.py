"""Solve: from looks to modes with covariance, for a batch of terminals.

`solve` searches all modes; `profile` holds the horizontal place and gives the cost there with its slope and curvature,
from which the tests of a claim are made. Both run the same descent; a terminal alone gives the same bits as in a batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from groundrule.errors import InputError
from groundrule.verify import blocks, model, modes, normal
from groundrule.verify import descend as lm
from groundrule.verify.batch import Batch, Ints
from groundrule.verify.model import Floats

Loss = Literal["least_squares", "huber", "student"]
_LOSSES: dict[str, int] = {"least_squares": normal.LEAST_SQUARES, "huber": normal.HUBER, "student": normal.STUDENT}


@dataclass(frozen=True, slots=True)
class Estimate:
    """Modes of every terminal, best first; rows beyond `count` are not-a-number.

    Attributes:
        count: modes of each terminal [n]; 0 where nothing could be estimated.
        lat_deg, lon_deg, height_m: [n, modes].
        state: E, N, U (0), delta [m], f [m/s], fdot [m/s2], v_E, v_N [m/s], tau [s] [n, modes, 9].
        cost: J [n, modes].
        weight: of each mode, summing to 1 [n, modes].
        covariance: of E, N, U, delta, f, fdot, v_E, v_N, tau; known states 0, unobservable infinite [n, modes, 9, 9].
        iterations, flags: of each mode; bits in `descend` (CONVERGED, GATE, ...) [n, modes].
        dof: degrees of freedom of J: rows with weight + priors - states [n].
        nu_m: S, R, C of each slot at the best mode [slots, 3].
    """

    count: Ints
    lat_deg: Floats
    lon_deg: Floats
    height_m: Floats
    state: Floats
    cost: Floats
    weight: Floats
    covariance: Floats
    iterations: Ints
    flags: Ints
    dof: Ints
    nu_m: Floats

    def horizontal(self) -> Floats:
        """Covariance of east and north [n, modes, 2, 2; m2]."""
        return self.covariance[:, :, :2, :2]

    def semi_major_95_m(self) -> Floats:
        """Semi-major axis of the 95 % ellipse [n, modes; m]."""
        p = self.covariance
        half = 0.5 * (p[..., 0, 0] + p[..., 1, 1])
        with np.errstate(invalid="ignore"):
            return np.sqrt(5.991464547 * (half + np.hypot(0.5 * (p[..., 0, 0] - p[..., 1, 1]), p[..., 0, 1])))

    def resolved(self, gap: float = 13.8) -> NDArray[np.bool_]:
        """Terminals with one mode, or whose second is worse by at least `gap` in cost [n]."""
        if self.cost.shape[1] < 2:
            return np.asarray(self.count == 1)
        with np.errstate(invalid="ignore"):
            far = self.cost[:, 1] - self.cost[:, 0] >= gap
        return np.asarray((self.count == 1) | ((self.count > 1) & far))


@dataclass(frozen=True, slots=True)
class Profile:
    """Cost of one horizontal place per terminal, with everything else at its best.

    Attributes:
        cost: J [n].
        slope: half the gradient of J by E and N, as a push toward the minimum: b = A d [n, 2; 1/m].
        curvature: half the second derivative, A reduced to E and N [n, 2, 2; 1/m2]; near the minimum P^-1.
        height_m: [n]; state: [n, 9]; good: the descent converged [n].
        nu_m: S, R, C of each slot [slots, 3].
    """

    cost: Floats
    slope: Floats
    curvature: Floats
    height_m: Floats
    state: Floats
    good: NDArray[np.bool_]
    nu_m: Floats


@njit(cache=True, error_model="numpy")
def make_room(looks: int, slots: int) -> modes.Room:
    """Allocate the scratch of a batch: of its longest terminal."""
    cells = looks // blocks.LANES + slots
    return modes.Room(
        np.zeros((looks, model.SAT_COLUMNS)),
        np.zeros((cells, blocks.CELL)),
        np.zeros(slots + 1, np.int64),
        np.zeros((looks, model.SAT_COLUMNS)),
        np.zeros((cells, blocks.CELL)),
        np.zeros(slots + 1, np.int64),
        np.zeros((looks, model.LOOK_COLUMNS)),
        np.zeros(slots + 1, np.int64),
        np.zeros((slots, 3, 3)),
        np.zeros((slots, 3)),
        np.zeros((slots, 3)),
        np.zeros(slots),
        np.zeros((slots, 3)),
        np.zeros((modes.KEPT + 1, modes.MODE_COLUMNS)),
        np.zeros((modes.KEPT + 1, 9, 9)),
        np.zeros(3),
        np.zeros(9),
        np.zeros((9, 9)),
        np.zeros((normal.WORK_ROWS, 12)),
        np.zeros((lm.VECTOR_ROWS, 12)),
        np.zeros((looks, normal.ROWS)),
        np.zeros(((modes.STARTS + 1) * (modes.MIRRORED + 2), 3)),
        np.zeros(12),
        np.zeros(9, np.int64),
    )


@njit(cache=True, error_model="numpy")
def is_extended(prior: Floats) -> bool:
    """Say whether drift, velocity or the network clock are estimated."""
    return bool(prior[lm.SFDOT] > 0.0 or prior[lm.SV] > 0.0 or prior[lm.STAU] > 0.0)


@njit(cache=True, error_model="numpy")
def count_rows(look: Floats) -> int:
    """Scalar measurements with weight."""
    rows = 0
    for i in range(len(look)):
        rows += int(look[i, 8] > 0.0) + int(look[i, 10] > 0.0)
    return rows


@njit(cache=True, error_model="numpy")
def _solve_all(
    looks: Floats, look_starts: Ints, slot_starts: Ints, precision: Floats, mean: Floats, scale2: Floats, dof: Floats,
    priors: Floats, starts: Floats, mirrors: bool, grid: bool, loss: int, light: bool, counts: Ints, out: Floats,
    covariances: Floats, freedom: Ints, nus: Floats,
) -> None:
    longest, widest = 0, 0
    for t in range(len(slot_starts) - 1):
        a, b = slot_starts[t], slot_starts[t + 1]
        widest = max(widest, b - a)
        longest = max(longest, look_starts[b] - look_starts[a])
    room = make_room(longest, widest)
    for t in range(len(slot_starts) - 1):
        a, b = slot_starts[t], slot_starts[t + 1]
        first, last = look_starts[a], look_starts[b]
        look = looks[first:last]
        n, k = last - first, b - a
        rows = count_rows(look)
        if rows == 0:
            continue
        offsets = look_starts[a : b + 1] - first
        prior = priors[t]
        extended = is_extended(prior)
        told = lm.Ephemeris(precision[a:b], mean[a:b], scale2[a:b], dof[a:b])
        blocks.lay_out(offsets, room.cell_starts)
        sight = normal.Sight(
            room.sat[:n], room.cells, room.cell_starts, look, offsets, room.precision[:k], room.mean[:k], prior, light, extended, loss
        )
        lm.put_all(sight, room.vectors[2])
        thin = sight
        if (mirrors or grid) and n > modes.THIN:
            m = modes.thin_out(look, offsets, room)
            blocks.lay_out(room.thin_starts[: k + 1], room.thin_cell_starts)
            thin = normal.Sight(
                room.thin_sat[:m], room.thin_cells, room.thin_cell_starts, room.thin_look[:m], room.thin_starts[: k + 1],
                room.precision[:k], room.mean[:k], prior, light, extended, loss,
            )
            lm.put_all(thin, room.vectors[2])
        states, pulls = modes.actives(prior, False, room.active)
        freedom[t] = rows + pulls - states
        found = modes.search(sight, thin, room.active[:states], told, room, starts[t], mirrors, grid, freedom[t])
        found = modes.weigh(room, found)
        counts[t] = found
        for m in range(min(found, out.shape[1])):
            out[t, m] = room.modes[m]
            covariances[t, m] = room.covariances[m]
        for s in range(k):
            nus[a + s] = room.best_nu[s]


@njit(cache=True, error_model="numpy")
def _profile_all(
    looks: Floats, look_starts: Ints, slot_starts: Ints, precision: Floats, mean: Floats, scale2: Floats, dof: Floats,
    priors: Floats, places: Floats, bounds: Floats, loss: int, light: bool, costs: Floats, slopes: Floats, curvatures: Floats,
    heights: Floats, states: Floats, good: NDArray[np.bool_], nus: Floats,
) -> None:
    longest, widest = 0, 0
    for t in range(len(slot_starts) - 1):
        a, b = slot_starts[t], slot_starts[t + 1]
        widest = max(widest, b - a)
        longest = max(longest, look_starts[b] - look_starts[a])
    room = make_room(longest, widest)
    right = np.zeros(12)
    for t in range(len(slot_starts) - 1):
        a, b = slot_starts[t], slot_starts[t + 1]
        first, last = look_starts[a], look_starts[b]
        look = looks[first:last]
        n, k = last - first, b - a
        offsets = look_starts[a : b + 1] - first
        prior = priors[t]
        told = lm.Ephemeris(precision[a:b], mean[a:b], scale2[a:b], dof[a:b])
        blocks.lay_out(offsets, room.cell_starts)
        sight = normal.Sight(
            room.sat[:n], room.cells, room.cell_starts, look, offsets, room.precision[:k], room.mean[:k], prior, light,
            is_extended(prior), loss,
        )
        lm.put_all(sight, room.vectors[2])
        size, _ = modes.actives(prior, True, room.active)
        rest = room.active[:size]
        point, state = room.point, room.state
        modes.begin(prior, places[t, 0], places[t, 1], point, state, room.vectors[0])
        cost, _, fine = lm.minimise(
            sight, rest, told, point, state, room.nu, room.shift, room.normal, room.work, room.vectors,
            room.rows, bounds[t],
        )
        # The equations once more at the minimum: slope and curvature belong to the place itself.
        full = room.normal
        lm.set_place(point[0], point[1], point[2], room.vectors[0])
        normal.assemble(sight, room.vectors[0], state, room.nu, full, right, room.work, room.rows)
        lm.add_priors(room.vectors[0], point[2], state, prior, sight.extended, full, right)
        costs[t], good[t], heights[t] = cost, fine, point[2]
        states[t] = state
        for s in range(k):
            for c in range(3):
                nus[a + s, c] = room.nu[s, c]
            nus[a + s, 0] += room.shift[s]
        reduce_horizontal(full, right, rest, room.vectors, slopes[t], curvatures[t])


@njit(cache=True, error_model="numpy")
def reduce_horizontal(full: Floats, right: Floats, rest: Ints, vectors: Floats, slope: Floats, curvature: Floats) -> None:
    """Eliminate every state but E and N: slope b and curvature A of the cost along them."""
    column, step = vectors[2], vectors[3]
    for i in range(2):
        for j in range(2):
            curvature[i, j] = full[i, j]
        slope[i] = right[i]
    factor = vectors[8:17]
    if not lm.factorise(full, rest, 0.0, factor):
        return
    for i in range(2):
        column[:] = 0.0
        for q in rest:
            column[q] = full[q, i]
        lm.substitute(factor, column, rest, step)
        for r in range(len(rest)):
            slope[i] -= step[r] * right[rest[r]]
            for j in range(2):
                curvature[i, j] -= step[r] * full[rest[r], j]


def _arrays(batch: Batch) -> tuple[Floats, Ints, Ints, Floats, Floats, Floats, Floats, Floats]:
    return (
        batch.looks, batch.look_starts, batch.slot_starts, batch.precision, batch.mean_m, batch.scale2_m2, batch.dof,
        batch.priors,
    )


def solve(
    batch: Batch,
    lat_deg: ArrayLike,
    lon_deg: ArrayLike,
    *,
    mirrors: bool = True,
    grid: bool = True,
    loss: Loss = "least_squares",
    light_time: bool = True,
    max_modes: int = 4,
) -> Estimate:
    """Estimate the places of a batch of terminals, all modes.

    Args:
        batch: looks and priors.
        lat_deg, lon_deg: starts: the cell's centre, or the claim where there is none [degree; one for all, (n,) or (n, starts)].
        mirrors: search from the mirrors of every start. Without them one mode is a guess: for timing, not for verdicts.
        grid: search the common footprint where no start explains the measurements.
        loss: of range residuals; "huber" and "student" bend on the positive side only (delay spikes).
        light_time: light time and rotation of the Earth during the flight are in the model; False only to meet a
            simulation that leaves them out.
        max_modes: modes returned, 1 to 8; further ones are counted only.
    Returns:
        the modes, best first.
    Raises:
        InputError: starts of another shape than the batch, or max_modes out of range.

    Accuracy: see docs/verify-estimator.md; equal to `plain.solve_one` within 1 mm (tests/unit/verify/test_verify_plain.py).
    """
    n = len(batch)
    starts = np.stack(np.broadcast_arrays(np.asarray(lat_deg, np.float64), np.asarray(lon_deg, np.float64)), axis=-1)
    if starts.ndim == 1:
        starts = np.broadcast_to(starts, (n, 2))
    if starts.ndim == 2:
        starts = starts[:, None, :]
    if starts.shape[0] != n or starts.ndim != 3:
        raise InputError(f"starts of shape {starts.shape} for {n} terminals", help="one or more starts for each terminal")
    if starts.shape[1] > modes.STARTS:
        raise InputError(f"{starts.shape[1]} starts for each terminal", help=f"at most {modes.STARTS}")
    if not 1 <= max_modes <= modes.KEPT:
        raise InputError(f"max_modes {max_modes} is not from 1 to {modes.KEPT}")
    counts, freedom = np.zeros(n, np.int64), np.zeros(n, np.int64)
    out = np.full((n, max_modes, modes.MODE_COLUMNS), math.nan)
    covariances = np.full((n, max_modes, 9, 9), math.nan)
    nus = np.full((len(batch.mean_m), 3), math.nan)
    _solve_all(
        *_arrays(batch), np.radians(np.ascontiguousarray(starts)), mirrors, grid, _LOSSES[loss], light_time, counts, out,
        covariances, freedom, nus,
    )
    state = out[:, :, :9].copy()
    state[:, :, :3] *= 0.0
    whole = np.nan_to_num(out[:, :, [modes.ITERATIONS, modes.FLAGS]]).astype(np.int64)
    return Estimate(
        counts,
        np.degrees(out[:, :, modes.LAT]),
        np.degrees(out[:, :, modes.LON]),
        out[:, :, modes.HEIGHT].copy(),
        state,
        out[:, :, modes.COST].copy(),
        out[:, :, modes.WEIGHT].copy(),
        covariances,
        whole[:, :, 0],
        whole[:, :, 1],
        freedom,
        nus,
    )


def profile(
    batch: Batch,
    lat_deg: ArrayLike,
    lon_deg: ArrayLike,
    *,
    loss: Loss = "least_squares",
    light_time: bool = True,
    enough: ArrayLike = math.inf,
) -> Profile:
    """Hold each terminal at a horizontal place and minimise over everything else.

    Lambda of a claim (T1) is `profile(batch, claim).cost - solve(batch, ...).cost[:, 0]`.

    Args:
        batch: looks and priors; a height prior of sigma 0 holds the height too (test with 3 degrees of freedom).
        lat_deg, lon_deg: the place of each terminal [degree; (n,)].
        loss, light_time: as in `solve`.
        enough: a cost above which it need not be exact: the descent is given up where even four times the gain in sight
            would leave it above (then `good` is False and `cost` is too high); saves time far from the place [(n,)].
    """
    n = len(batch)
    places = np.radians(
        np.stack(
            [np.broadcast_to(np.asarray(lat_deg, np.float64), n), np.broadcast_to(np.asarray(lon_deg, np.float64), n)],
            axis=-1,
        )
    )
    result = Profile(
        np.zeros(n), np.zeros((n, 2)), np.zeros((n, 2, 2)), np.zeros(n), np.zeros((n, 9)), np.zeros(n, np.bool_),
        np.full((len(batch.mean_m), 3), math.nan),
    )
    bounds = np.ascontiguousarray(np.broadcast_to(np.asarray(enough, np.float64), n))
    _profile_all(
        *_arrays(batch), places, bounds, _LOSSES[loss], light_time, result.cost, result.slope, result.curvature, result.height_m,
        result.state, result.good, result.nu_m,
    )
    return result
