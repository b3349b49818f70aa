"""Anchors: trusted terminals at surveyed places measure a satellite's ephemeris error, for everybody else it serves.

    y_a - h(x_a) = G_a nu + F_a b_a + e       b_a = (height, delta, f) of the anchor, with the sigmas below
    Omega = Sigma0^-1 + sum_a G_a' R_a^-1 G_a        nu = Omega^-1 sum_a G_a' R_a^-1 (y_a - h(x_a))

1. The satellite is moved along its track by S and the equations are made anew where |S| is above 2 km.
2. An anchor whose residual is above 4 of its sigmas is dropped; from two anchors on the others decide by their median.
3. The satellite's prior becomes mean nu with the full Omega^-1; its grade becomes A anchored.
4. A terminal never calibrates itself, nor a cluster its own zone: `leave_out` names the anchors that must not count.

One anchor is usable, five make a three-day-old public set as good as an operator's. Terminals whose history agrees with
their claim may serve as weak anchors, with a sigma of 1 km.

Source: section 7.4 of the specification; doi 10.23919/ICIF.2017.8009716 (calibration stations).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from groundrule.verify import descend as lm
from groundrule.verify import normal
from groundrule.verify.batch import Batch, Ints
from groundrule.verify.case import Case
from groundrule.verify.ephemeris import AGE_CLASSES, Grade, age_index
from groundrule.verify.model import Floats

HEIGHT_SIGMA_M, DELAY_SIGMA_M, FREQUENCY_SIGMA_M_S = 5.0, 30.0, 30.0
WEAK_SIGMA_M = 1_000.0
"""A terminal that is believed, not surveyed: its place counts with this sigma in all directions."""
DROP_ABOVE = 4.0
_ROUNDS = 4
_SHIFT_FROM_M = 2_000.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """What anchors found of satellites.

    Attributes:
        satellite: key of each calibrated satellite and window, as the caller numbers them [k].
        nu_m: S, R, C [k, 3]. covariance_m2: Omega^-1 [k, 3, 3].
        anchors: how many counted [k]. dropped: how many did not [k].
    """

    satellite: Ints
    nu_m: Floats
    covariance_m2: Floats
    anchors: Ints
    dropped: Ints


@njit(cache=True, error_model="numpy")
def _sums(
    looks: Floats, first: int, last: int, place: Floats, along_m: float, light: bool, sigma_h: float, sigma_d: float, sigma_f: float,
    weak: float, sat: Floats, rows: Floats, state: Floats, scratch: Floats, omega: Floats, right: Floats,
) -> float:
    """Information of one anchor about (S, R, C) beyond a shift along the track, its own biases eliminated; and e'Re."""
    n = last - first
    for i in range(n):
        lm.load(looks[first + i : first + i + 1], 0, 1, along_m, sat[i : i + 1], scratch)
    normal.fill_rows(sat[:n], looks[first:last], 0, n, place, state, light, False, rows)
    # Unknowns: S, R, C, then east, north, up, delta, f with their own priors.
    full, vector = np.zeros((8, 8)), np.zeros(8)
    total = 0.0
    line = np.zeros(8)
    for i in range(n):
        for kind in range(2):
            at = 12 * kind
            w = rows[i, 24 + kind]
            if w == 0.0:
                continue
            line[0], line[1], line[2] = rows[i, at + 4], rows[i, at + 5], rows[i, at + 6]
            for k in range(3):
                line[3 + k] = rows[i, at] * place[3 + 3 * k] + rows[i, at + 1] * place[4 + 3 * k] + rows[i, at + 2] * place[5 + 3 * k]
            line[6], line[7] = (1.0, 0.0) if kind == 0 else (0.0, 1.0)
            e = rows[i, at + 7]
            total += w * e * e
            for a in range(8):
                vector[a] += w * line[a] * e
                for b in range(8):
                    full[a, b] += w * line[a] * line[b]
    across = 1.0 / (weak * weak) if weak > 0.0 else 1e30
    full[3, 3] += across
    full[4, 4] += across
    full[5, 5] += 1.0 / (sigma_h * sigma_h)
    full[6, 6] += 1.0 / (sigma_d * sigma_d)
    full[7, 7] += 1.0 / (sigma_f * sigma_f)
    inner = np.linalg.inv(full[3:, 3:])
    cross = np.ascontiguousarray(full[:3, 3:])
    own = np.ascontiguousarray(vector[3:])
    omega[:, :] = full[:3, :3] - cross @ inner @ cross.T
    right[:] = vector[:3] - cross @ (inner @ own)
    return total - float(np.sum(own * (inner @ own)))


def calibrate(
    batch: Batch,
    lat_deg: ArrayLike,
    lon_deg: ArrayLike,
    height_m: ArrayLike,
    slot_satellite: Ints,
    prior_m: ArrayLike,
    *,
    weak: ArrayLike = False,
    light_time: bool = True,
) -> Calibration:
    """Estimate the error of satellites from measurements of anchors.

    Args:
        batch: looks of the anchors; its priors are not read. lat_deg, lon_deg, height_m: surveyed places [degree, m; (anchors,)].
        slot_satellite: key of each slot; slots with the same key speak of the same satellite and window [slots].
        prior_m: wide sigma of S, R, C [m; (3,) or (slots, 3)].
        weak: anchors that are believed terminals, not surveyed [anchors].
        light_time: as in `solve`.
    """
    n = len(batch)
    places = np.zeros((n, 12))
    for a in range(n):
        lm.set_place(
            math.radians(float(np.broadcast_to(lat_deg, n)[a])), math.radians(float(np.broadcast_to(lon_deg, n)[a])),
            float(np.broadcast_to(height_m, n)[a]), places[a],
        )
    anchor = np.repeat(np.arange(n), np.diff(batch.slot_starts))
    believed = np.broadcast_to(np.asarray(weak, np.bool_), n)
    prior = np.broadcast_to(np.asarray(prior_m, np.float64), (len(anchor), 3))
    keys, which = np.unique(np.asarray(slot_satellite), return_inverse=True)
    nu, covariance = np.zeros((len(keys), 3)), np.zeros((len(keys), 3, 3))
    counted, dropped = np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64)
    longest = int(np.diff(batch.look_starts).max(initial=1))
    sat, rows, state, scratch = np.zeros((longest, 20)), np.zeros((longest, normal.ROWS)), np.zeros(9), np.zeros(12)
    for k in range(len(keys)):
        slots = np.flatnonzero(which == k)
        sigma0 = np.diag(1.0 / np.square(prior[slots[0]]))
        nu[k], covariance[k], counted[k], dropped[k] = _one_satellite(
            batch, slots, anchor, places, believed, sigma0, light_time, (sat, rows, state, scratch)
        )
    return Calibration(keys, nu, covariance, counted, dropped)


def _one_satellite(
    batch: Batch, slots: Ints, anchor: Ints, places: Floats, believed: NDArray[np.bool_], sigma0: Floats, light: bool,
    room: tuple[Floats, Floats, Floats, Floats],
) -> tuple[Floats, Floats, int, int]:
    shift = 0.0
    omegas, rights = np.zeros((len(slots), 3, 3)), np.zeros((len(slots), 3))
    used = np.ones(len(slots), np.bool_)
    value: Floats = np.zeros(3)
    inverse: Floats = np.zeros((3, 3))
    for _ in range(_ROUNDS):
        for i, slot in enumerate(slots.tolist()):
            _sums(
                batch.looks, int(batch.look_starts[slot]), int(batch.look_starts[slot + 1]), places[anchor[slot]], shift, light,
                HEIGHT_SIGMA_M if not believed[anchor[slot]] else WEAK_SIGMA_M, DELAY_SIGMA_M, FREQUENCY_SIGMA_M_S,
                WEAK_SIGMA_M if believed[anchor[slot]] else 0.0, *room, omegas[i], rights[i],
            )
        used, value, inverse = _robust(omegas, rights, sigma0, np.array([shift, 0.0, 0.0]))
        if abs(value[0]) <= _SHIFT_FROM_M:
            break
        shift += float(value[0])
    total: Floats = value + np.array([shift, 0.0, 0.0])
    return total, inverse, int(used.sum()), int((~used).sum())


def _robust(omegas: Floats, rights: Floats, sigma0: Floats, mean: Floats) -> tuple[NDArray[np.bool_], Floats, Floats]:
    """Combine anchors; leave out, worst first, those that the others contradict by more than 4 sigma."""
    used = np.ones(len(omegas), np.bool_)
    while True:
        omega = sigma0 + omegas[used].sum(axis=0)
        inverse = np.linalg.inv(omega)
        value = inverse @ (rights[used].sum(axis=0) - sigma0 @ mean)
        if used.sum() < 3:  # of two that differ nobody knows which is wrong
            return used, value, inverse
        worst, at = DROP_ABOVE, -1
        for i in np.flatnonzero(used).tolist():
            rest = np.linalg.inv(omega - omegas[i])
            others = rest @ (rights[used].sum(axis=0) - sigma0 @ mean - rights[i])
            gap = rights[i] - omegas[i] @ others  # of its own equations, at what the others say
            spread = omegas[i] + omegas[i] @ rest @ omegas[i]
            size = math.sqrt(max(float(gap @ np.linalg.pinv(spread) @ gap) / 3.0, 0.0))
            if size > worst:
                worst, at = size, i
        if at < 0:
            return used, value, inverse
        used[at] = False


def corrected(case: Case, slot_key: Ints, found: Calibration) -> Case:
    """Return a case whose calibrated slots have the anchors' result as prior, and grade A anchored.

    Args:
        case: to be judged. slot_key: key of each slot, as given to `calibrate` [slots]. found: of other terminals than these.
    """
    batch = case.batch
    at = np.searchsorted(found.satellite, slot_key)
    at = np.minimum(at, max(len(found.satellite) - 1, 0))
    known = (found.satellite[at] == slot_key) & (found.anchors[at] > 0) if len(found.satellite) else np.zeros(len(slot_key), np.bool_)
    mean, dof = batch.mean_m.copy(), batch.dof.copy()
    precision, scale2 = batch.precision.copy(), batch.scale2_m2.copy()
    mean[known] = found.nu_m[at[known]]
    dof[known] = math.inf
    precision[known] = np.linalg.inv(found.covariance_m2[at[known]])
    scale2[known] = np.diagonal(found.covariance_m2[at[known]], axis1=1, axis2=2)
    grade = case.slot_grade.copy()
    grade[known] = int(Grade.ANCHORED)
    return replace(case, batch=replace(batch, mean_m=mean, dof=dof, precision=precision, scale2_m2=scale2), slot_grade=grade)


def wide_prior(age_s: Floats) -> Floats:
    """Wide sigma of S, R, C by age: the 99.9 % point over 3 along track [n, 3; m]."""
    table = np.array([row.wide_m for row in AGE_CLASSES])
    return table[age_index(np.asarray(age_s, np.float64))]


def from_case(case: Case, anchors: Sequence[int], lat_deg: ArrayLike, lon_deg: ArrayLike, height_m: ArrayLike) -> tuple[Case, Calibration]:
    """Calibrate with some terminals of a case and return the others, corrected.

    Args:
        case: anchors and terminals of the same windows. anchors: rows of the anchors; places: surveyed, in that order.
    Returns:
        the case of all terminals with calibrated satellites (the anchors too, which prove nothing about themselves), and what was found.
    """
    rows = np.asarray(anchors, np.int64)
    part = case.batch.take(rows)
    slots = np.concatenate([np.arange(case.batch.slot_starts[r], case.batch.slot_starts[r + 1]) for r in rows.tolist()])
    found = calibrate(part, lat_deg, lon_deg, height_m, case.slot_satellite[slots], wide_prior(case.slot_age_s[slots]))
    return corrected(case, case.slot_satellite, found), found


def fleet(case: Case, believed: Sequence[int], cluster: Ints) -> list[Case]:
    """Calibrate by the fleet itself: for each terminal, the believed ones outside its own cluster are weak anchors.

    Args:
        case: terminals of one window with claims. believed: rows whose history agrees with their claim.
        cluster: zone or cell of each terminal's claim; those of the same cluster never vouch for each other [n].
    Returns:
        one case of each terminal alone, corrected by the others; a satellite that only its own cluster saw stays as it is.
    """
    out = []
    rows = np.asarray(believed, np.int64)
    for t in range(len(case)):
        others = rows[(rows != t) & (cluster[rows] != cluster[t])]
        alone = take(case, [t])
        if len(others):
            part = case.batch.take(others)
            slots = np.concatenate([np.arange(case.batch.slot_starts[r], case.batch.slot_starts[r + 1]) for r in others.tolist()])
            height = part.priors[:, lm.H0]
            found = calibrate(
                part, case.claim_lat[others], case.claim_lon[others], height, case.slot_satellite[slots],
                wide_prior(case.slot_age_s[slots]), weak=True,
            )
            alone = corrected(alone, alone.slot_satellite, found)
        out.append(alone)
    return out


def take(case: Case, terminals: Sequence[int] | Ints) -> Case:
    """Return the case of some terminals."""
    rows = np.asarray(terminals, np.int64)
    starts = case.batch.slot_starts
    slots = np.concatenate([np.arange(starts[r], starts[r + 1]) for r in rows.tolist()]) if len(rows) else np.zeros(0, np.int64)
    names = ("start_lat", "start_lon", "claim_lat", "claim_lon", "claim_height_m", "claim_sigma_m", "window_s", "fixed", "calibration_m")
    of_slots = ("slot_satellite", "slot_grade", "slot_age_s", "slot_trust")
    return replace(
        case, batch=case.batch.take(rows), **{name: getattr(case, name)[rows] for name in names},
        **{name: getattr(case, name)[slots] for name in of_slots},
    )

