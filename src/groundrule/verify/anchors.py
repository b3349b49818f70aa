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
from typing import NamedTuple

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
_TINY = 1e-17  # off the diagonal, of the diagonal: nothing is left to turn


class _Room(NamedTuple):
    """Scratch of a calibration, allocated once."""

    sat: Floats
    rows: Floats
    state: Floats
    scratch: Floats
    full: Floats
    vector: Floats
    line: Floats
    omega: Floats
    rest: Floats
    spread: Floats


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
    looks: Floats, first: int, last: int, place: Floats, along_m: float, light: bool, weak: bool, room: _Room, omega: Floats,
    right: Floats,
) -> None:
    """Information of one anchor about (S, R, C) beyond a shift along the track, its own biases eliminated."""
    n = last - first
    for i in range(n):
        lm.load(looks[first + i : first + i + 1], 0, 1, along_m, room.sat[i : i + 1], room.scratch)
    normal.fill_rows(room.sat[:n], looks[first:last], 0, n, place, room.state, light, False, room.rows)
    # Unknowns: east, north, up, delta, f with their own priors, then S, R, C; of the equations the lower half.
    full, vector, line = room.full, room.vector, room.line
    full[:, :] = 0.0
    vector[:] = 0.0
    for i in range(n):
        for kind in range(2):
            at = 12 * kind
            w = room.rows[i, 24 + kind]
            if w == 0.0:
                continue
            x, y, z = room.rows[i, at], room.rows[i, at + 1], room.rows[i, at + 2]
            for k in range(3):
                line[k] = x * place[3 + 3 * k] + y * place[4 + 3 * k] + z * place[5 + 3 * k]
                line[5 + k] = room.rows[i, at + 4 + k]
            line[3], line[4] = (1.0, 0.0) if kind == 0 else (0.0, 1.0)
            e = w * room.rows[i, at + 7]
            for a in range(8):
                vector[a] += line[a] * e
                for b in range(a + 1):
                    full[a, b] += w * line[a] * line[b]
    across = 1.0 / (WEAK_SIGMA_M * WEAK_SIGMA_M) if weak else 1e30
    height = WEAK_SIGMA_M if weak else HEIGHT_SIGMA_M
    full[0, 0] += across
    full[1, 1] += across
    full[2, 2] += 1.0 / (height * height)
    full[3, 3] += 1.0 / (DELAY_SIGMA_M * DELAY_SIGMA_M)
    full[4, 4] += 1.0 / (FREQUENCY_SIGMA_M_S * FREQUENCY_SIGMA_M_S)
    for k in range(5):
        for a in range(k + 1, 8):
            part = full[a, k] / full[k, k]
            vector[a] -= part * vector[k]
            for b in range(k + 1, a + 1):
                full[a, b] -= part * full[b, k]
    for a in range(3):
        right[a] = vector[5 + a]
        for b in range(a + 1):
            omega[a, b] = omega[b, a] = full[5 + a, 5 + b]


@njit(cache=True, error_model="numpy")
def _invert3(m: Floats, out: Floats) -> None:
    """Inverse of a symmetric 3x3 matrix."""
    a, b, c, d, e, f = m[0, 0], m[0, 1], m[0, 2], m[1, 1], m[1, 2], m[2, 2]
    p, q, r = d * f - e * e, c * e - b * f, b * e - c * d
    s = 1.0 / (a * p + b * q + c * r)
    out[0, 0], out[1, 1], out[2, 2] = p * s, (a * f - c * c) * s, (a * d - b * b) * s
    out[0, 1] = out[1, 0] = q * s
    out[0, 2] = out[2, 0] = r * s
    out[1, 2] = out[2, 1] = (b * c - a * e) * s


@njit(cache=True, error_model="numpy")
def _square(m: Floats, v0: float, v1: float, v2: float) -> float:
    """The product v' M^-1 v of a symmetric 3x3 matrix that may have no inverse, by its eigenvalues (Jacobi); M is overwritten."""
    for _ in range(12):
        if abs(m[0, 1]) + abs(m[0, 2]) + abs(m[1, 2]) <= _TINY * (abs(m[0, 0]) + abs(m[1, 1]) + abs(m[2, 2])):
            break
        for p in range(2):
            for q in range(p + 1, 3):
                if m[p, q] == 0.0:
                    continue
                k = 3 - p - q
                half = 0.5 * (m[q, q] - m[p, p]) / m[p, q]
                t = math.copysign(1.0, half) / (abs(half) + math.sqrt(half * half + 1.0))
                c = 1.0 / math.sqrt(t * t + 1.0)
                s = t * c
                m[p, p] -= t * m[p, q]
                m[q, q] += t * m[p, q]
                m[p, q] = m[q, p] = 0.0
                at_p, at_q = m[k, p], m[k, q]
                m[k, p] = m[p, k] = c * at_p - s * at_q
                m[k, q] = m[q, k] = s * at_p + c * at_q
                at_p = v0 if p == 0 else v1
                at_q = v1 if q == 1 else v2
                new_p, new_q = c * at_p - s * at_q, s * at_p + c * at_q
                if p == 0:
                    v0 = new_p
                else:
                    v1 = new_p
                if q == 1:
                    v1 = new_q
                else:
                    v2 = new_q
    least = 1e-15 * max(m[0, 0], m[1, 1], m[2, 2])
    total = 0.0
    for k in range(3):
        v = v0 if k == 0 else (v1 if k == 1 else v2)
        if m[k, k] > least:
            total += v * v / m[k, k]
    return total


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
    anchor = np.repeat(np.arange(n), np.diff(batch.slot_starts))
    where = np.zeros((n, 3))
    where[:, 0], where[:, 1], where[:, 2] = np.radians(lat_deg), np.radians(lon_deg), height_m
    believed = np.ascontiguousarray(np.broadcast_to(np.asarray(weak, np.bool_), n))
    prior = np.broadcast_to(np.asarray(prior_m, np.float64), (len(anchor), 3))
    keys, first, which = np.unique(np.asarray(slot_satellite), return_index=True, return_inverse=True)
    slots = np.argsort(which, kind="stable")
    starts = np.searchsorted(which[slots], np.arange(len(keys) + 1))
    nu, covariance = np.zeros((len(keys), 3)), np.zeros((len(keys), 3, 3))
    counted, dropped = np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64)
    _calibrate_all(
        batch.looks, batch.look_starts, anchor, where, believed, slots, starts, 1.0 / np.square(prior[first]), light_time, nu,
        covariance, counted, dropped,
    )
    return Calibration(keys, nu, covariance, counted, dropped)


@njit(cache=True, error_model="numpy")
def _calibrate_all(
    looks: Floats, look_starts: Ints, anchor: Ints, where: Floats, believed: NDArray[np.bool_], slots: Ints, starts: Ints,
    sigma0: Floats, light: bool, nu: Floats, covariance: Floats, counted: Ints, dropped: Ints,
) -> None:
    """Calibrate every satellite k by its slots, `slots[starts[k] : starts[k + 1]]`."""
    longest, most = 1, 1
    for k in range(len(starts) - 1):
        most = max(most, starts[k + 1] - starts[k])
    for slot in slots:
        longest = max(longest, look_starts[slot + 1] - look_starts[slot])
    room = _Room(
        np.zeros((longest, 20)), np.zeros((longest, normal.ROWS)), np.zeros(9), np.zeros(12), np.zeros((8, 8)), np.zeros(8),
        np.zeros(8), np.zeros((3, 3)), np.zeros((3, 3)), np.zeros((3, 3)),
    )
    places = np.zeros((len(where), 12))
    for a in range(len(where)):
        lm.set_place(where[a, 0], where[a, 1], where[a, 2], places[a])
    omegas, rights, used = np.zeros((most, 3, 3)), np.zeros((most, 3)), np.zeros(most, np.bool_)
    for k in range(len(starts) - 1):
        mine = slots[starts[k] : starts[k + 1]]
        count, shift = len(mine), 0.0
        for _ in range(_ROUNDS):
            for i in range(count):
                slot = mine[i]
                a = anchor[slot]
                _sums(
                    looks, look_starts[slot], look_starts[slot + 1], places[a], shift, light, believed[a], room, omegas[i], rights[i]
                )
            _robust(omegas[:count], rights[:count], sigma0[k], shift, used, room, nu[k], covariance[k])
            if abs(nu[k, 0]) <= _SHIFT_FROM_M:
                break
            shift += nu[k, 0]
        nu[k, 0] += shift
        for i in range(count):
            counted[k] += used[i]
            dropped[k] += not used[i]


@njit(cache=True, error_model="numpy")
def _robust(
    omegas: Floats, rights: Floats, sigma0: Floats, shift: float, used: NDArray[np.bool_], room: _Room, value: Floats, inverse: Floats
) -> None:
    """Combine anchors; leave out, worst first, those that the others contradict by more than 4 sigma.

    Args:
        omegas, rights: of each anchor. sigma0: inverse variances of S, R, C before. shift: of S, already made.
        used, value, inverse: written: which anchors count, S, R, C beyond the shift, and their covariance.
    """
    n = len(omegas)
    omega, rest, spread = room.omega, room.rest, room.spread
    used[:n] = True
    left = n
    while True:
        b0, b1, b2 = -sigma0[0] * shift, 0.0, 0.0
        omega[:, :] = 0.0
        for a in range(3):
            omega[a, a] = sigma0[a]
        for i in range(n):
            if used[i]:
                omega += omegas[i]
                b0, b1, b2 = b0 + rights[i, 0], b1 + rights[i, 1], b2 + rights[i, 2]
        _invert3(omega, inverse)
        for a in range(3):
            value[a] = inverse[a, 0] * b0 + inverse[a, 1] * b1 + inverse[a, 2] * b2
        if left < 3:  # of two that differ nobody knows which is wrong
            return
        worst, at = DROP_ABOVE, -1
        for i in range(n):
            if not used[i]:
                continue
            own = omegas[i]
            spread[:, :] = omega
            spread -= own
            _invert3(spread, rest)
            c0, c1, c2 = b0 - rights[i, 0], b1 - rights[i, 1], b2 - rights[i, 2]
            o0 = rest[0, 0] * c0 + rest[0, 1] * c1 + rest[0, 2] * c2
            o1 = rest[1, 0] * c0 + rest[1, 1] * c1 + rest[1, 2] * c2
            o2 = rest[2, 0] * c0 + rest[2, 1] * c1 + rest[2, 2] * c2
            # Of its own equations, at what the others say.
            g0 = rights[i, 0] - (own[0, 0] * o0 + own[0, 1] * o1 + own[0, 2] * o2)
            g1 = rights[i, 1] - (own[1, 0] * o0 + own[1, 1] * o1 + own[1, 2] * o2)
            g2 = rights[i, 2] - (own[2, 0] * o0 + own[2, 1] * o1 + own[2, 2] * o2)
            for a in range(3):
                x0 = own[a, 0] * rest[0, 0] + own[a, 1] * rest[1, 0] + own[a, 2] * rest[2, 0]
                x1 = own[a, 0] * rest[0, 1] + own[a, 1] * rest[1, 1] + own[a, 2] * rest[2, 1]
                x2 = own[a, 0] * rest[0, 2] + own[a, 1] * rest[1, 2] + own[a, 2] * rest[2, 2]
                for b in range(a + 1):
                    spread[a, b] = spread[b, a] = own[a, b] + x0 * own[0, b] + x1 * own[1, b] + x2 * own[2, b]
            size = math.sqrt(max(_square(spread, g0, g1, g2) / 3.0, 0.0))
            if size > worst:
                worst, at = size, i
        if at < 0:
            return
        used[at] = False
        left -= 1


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

