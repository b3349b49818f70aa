"""Statistics: the tests T1 to T4 and T6 of a claim, for a batch of terminals.

    T1  cost at the claim less the least cost                        chi-square, 2 degrees of freedom
    T2  least cost                                                   chi-square, rows + priors - states
    T3  least cost within d0 of the claim, less the least cost       as T1; conservative: the nearest point must be rejected
    T4  range measured less range of the claim, below -k sigma       impossible if delay can only be added
    T6  running sum of T1 - 2 - kappa over the verdicts of a terminal, never below 0

T5, the probability of a zone, is in `zones`.

Source: section 10 of the specification. T3's search: Moré and Sorensen 1983 (step within a disc), here in two dimensions.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from groundrule.frames import OMEGA_EARTH_RAD_S, ecef_to_geodetic, enu_axes, geodetic_to_ecef
from groundrule.verify import blocks, normal
from groundrule.verify import descend as lm
from groundrule.verify.batch import Batch, Ints
from groundrule.verify.chances import normal_quantile
from groundrule.verify.model import Floats, prepare, two_way_excess
from groundrule.verify.solve import Estimate, Loss, profile

Flags = NDArray[np.bool_]

_DISC_ROUNDS = 6
_HOPELESS = 0.2  # a step whose model gains less than this part of what is missing will not reach the threshold


def plane_at(lat_deg: ArrayLike, lon_deg: ArrayLike, to_lat_deg: ArrayLike, to_lon_deg: ArrayLike) -> Floats:
    """East and north of points seen from others, in the tangent plane [m; (..., 2)]; chords, so bounded by the radius."""
    gap = geodetic_to_ecef(to_lat_deg, to_lon_deg) - geodetic_to_ecef(lat_deg, lon_deg)
    axes = enu_axes(lat_deg, lon_deg)
    return np.einsum("...ij,...j->...i", axes[..., :2, :], gap)


def distance_m(lat_deg: ArrayLike, lon_deg: ArrayLike, to_lat_deg: ArrayLike, to_lon_deg: ArrayLike) -> Floats:
    """Distance over ground between points [m]: the chord of the ellipsoid bent onto a sphere; 0.3 % far away."""
    chord = np.linalg.norm(geodetic_to_ecef(to_lat_deg, to_lon_deg) - geodetic_to_ecef(lat_deg, lon_deg), axis=-1)
    radius = 6_371_000.0
    return 2.0 * radius * np.arcsin(np.minimum(chord / (2.0 * radius), 1.0))


def displaced(lat_deg: ArrayLike, lon_deg: ArrayLike, offset_m: Floats) -> tuple[Floats, Floats]:
    """Points at an offset east and north [m; (..., 2)] in the tangent plane; exact to 1 mm up to 10 km along the ground."""
    axes = enu_axes(lat_deg, lon_deg)
    size = np.linalg.norm(offset_m, axis=-1, keepdims=True)
    way = np.einsum("...i,...ij->...j", offset_m / np.maximum(size, 1e-12), axes[..., :2, :])
    # Bent onto the sphere, so that the distance over ground is the size of the offset.
    angle = size / 6_371_000.0
    start = geodetic_to_ecef(lat_deg, lon_deg)
    lat, lon, _ = ecef_to_geodetic(start + np.sin(angle) * 6_371_000.0 * way - 6_371_000.0 * (1 - np.cos(angle)) * axes[..., 2, :])
    return lat, lon


@njit(cache=True, error_model="numpy")
def _disc_steps(curvature: Floats, slope: Floats, at: Floats, radius: Floats, out: Floats) -> None:
    """For each row: y that minimises y'Ay - 2 b'y with |at + y| <= radius; A is symmetric and not negative."""
    for i in range(len(at)):
        a, b, c = curvature[i, 0, 0], 0.5 * (curvature[i, 0, 1] + curvature[i, 1, 0]), curvature[i, 1, 1]
        if not (a >= 0.0 and c >= 0.0 and a < math.inf and c < math.inf):
            out[i, 0] = out[i, 1] = 0.0
            continue
        half, spread = 0.5 * (a + c), math.hypot(0.5 * (a - c), b)
        turn = 0.5 * math.atan2(2.0 * b, a - c)
        co, si = math.cos(turn), math.sin(turn)
        large, small = half + spread, max(half - spread, 0.0)
        # In eigenaxes, with z = at + y: minimise (z - m)'L(z - m), where L m = b + A at.
        zx, zy = co * at[i, 0] + si * at[i, 1], -si * at[i, 0] + co * at[i, 1]
        px = co * slope[i, 0] + si * slope[i, 1] + large * zx
        py = -si * slope[i, 0] + co * slope[i, 1] + small * zy
        r = radius[i]
        floor = 1e-15 * large
        mx, my = px / (large + floor), py / (small + floor)
        if mx * mx + my * my > r * r:
            low, high = 0.0, math.hypot(px, py) / r
            for _ in range(60):
                mu = 0.5 * (low + high)
                mx, my = px / (large + mu), py / (small + mu)
                if mx * mx + my * my > r * r:
                    low = mu
                else:
                    high = mu
            mx, my = px / (large + high), py / (small + high)
        out[i, 0] = co * mx - si * my - at[i, 0]
        out[i, 1] = si * mx + co * my - at[i, 1]


class ClaimTest(NamedTuple):
    """T1 and T3 of every terminal; not-a-number where there is no claim or no estimate."""

    t1: Floats
    """Cost at the claim less the least cost, the claim's own sigma taken into account [n]."""
    t3: Floats
    """Least cost within d0 of the claim less the least cost [n]; an upper bound where it is above the threshold by far."""
    least: Floats
    """Least cost known: below the estimate's where the claim explains more than the search found [n]."""


def claim_tests(
    batch: Batch,
    found: Estimate,
    lat_deg: Floats,
    lon_deg: Floats,
    sigma_m: Floats,
    d0_m: float,
    threshold: Floats,
    *,
    loss: Loss = "least_squares",
    light_time: bool = True,
) -> ClaimTest:
    """T1 and T3 of claims.

    Args:
        batch: as solved; found: its modes.
        lat_deg, lon_deg: claims [degree; (n,)], not-a-number where there is none.
        sigma_m: of the claim, per axis [m; (n,)].
        d0_m: tolerated distance [m].
        threshold: of T3 [n]; the search ends where the cost falls below it, or cannot any more.
        loss, light_time: as in `solve`.
    """
    n = len(batch)
    t1, t3 = np.full(n, math.nan), np.full(n, math.nan)
    best = found.cost[:, 0].copy()
    asked = np.flatnonzero(np.isfinite(lat_deg) & np.isfinite(lon_deg) & (found.count > 0) & np.isfinite(best))
    if not len(asked):
        return ClaimTest(t1, t3, best)
    part = batch if len(asked) == n else batch.take(asked)
    lat, lon = np.asarray(lat_deg, np.float64)[asked], np.asarray(lon_deg, np.float64)[asked]
    there = profile(part, lat, lon, loss=loss, light_time=light_time)
    s2 = np.square(np.asarray(sigma_m, np.float64)[asked])
    # The claim's own sigma: minimise over where it may truly be. A short way, so the curvature at the claim will do.
    least = np.minimum(best[asked], there.cost)
    precise = s2[:, None, None] * there.curvature + np.eye(2)
    relief = s2 * np.einsum("ni,ni->n", there.slope, np.linalg.solve(precise, there.slope[..., None])[..., 0])
    t1[asked] = np.maximum(there.cost - relief - least, 0.0)
    best[asked] = least
    centre = np.minimum(there.cost - least, t1[asked])
    t3[asked] = _nearest(part, found, asked, lat, lon, centre, least, d0_m, threshold[asked], loss, light_time)
    return ClaimTest(t1, t3, best)


def _nearest(
    part: Batch, found: Estimate, asked: Ints, lat: Floats, lon: Floats, centre: Floats, least: Floats, d0_m: float,
    threshold: Floats, loss: Loss, light_time: bool,
) -> Floats:
    """Least cost within the disc less the least cost."""
    value = centre.copy()
    modes = found.cost.shape[1]
    starts = []
    for m in range(modes):
        there = found.count[asked] > m
        if not there.any():
            break
        gap = found.cost[asked, m] - least
        inside = there & (distance_m(lat, lon, found.lat_deg[asked, m], found.lon_deg[asked, m]) <= d0_m)
        value[inside] = np.minimum(value[inside], gap[inside])
        if m == 0 or (there & (gap < threshold)).any():
            starts.append((m, there & ((gap < threshold) | (m == 0))))
    for m, worth in starts:
        rows = np.flatnonzero(worth & (value > threshold))
        if not len(rows):
            continue
        to = plane_at(lat[rows], lon[rows], found.lat_deg[asked[rows], m], found.lon_deg[asked[rows], m])
        p = found.covariance[asked[rows], m, :2, :2]
        usable: Flags = np.asarray(np.isfinite(p).all(axis=(1, 2)))
        metric = np.where(usable[:, None, None], p, np.eye(2))
        a = np.linalg.inv(metric)
        at = np.zeros((len(rows), 2))
        _step(a, np.einsum("nij,nj->ni", a, to), at, d0_m)
        for _ in range(_DISC_ROUNDS):
            sub = part if len(rows) == len(part) else part.take(rows)
            places = displaced(lat[rows], lon[rows], at)
            here = profile(sub, *places, loss=loss, light_time=light_time)
            gap = here.cost - least[rows]
            value[rows] = np.minimum(value[rows], np.maximum(gap, 0.0))
            before = at.copy()
            _step(here.curvature, here.slope, at, d0_m)
            move = at - before
            gain = 2 * np.einsum("ni,ni->n", here.slope, move) - np.einsum("ni,nij,nj->n", move, here.curvature, move)
            on = (value[rows] > threshold[rows]) & (gain > _HOPELESS * (value[rows] - threshold[rows]))
            if not on.any():
                break
            rows, at = rows[on], at[on]
    return value


def _step(curvature: Floats, slope: Floats, at: Floats, d0_m: float) -> None:
    """Move points within the disc to where the quadratic model is least, in place."""
    out = np.zeros_like(at)
    _disc_steps(np.ascontiguousarray(curvature), np.ascontiguousarray(slope), at, np.full(len(at), d0_m), out)
    at += out


class OneSided(NamedTuple):
    """T4 of every slot, and of every terminal."""

    excess_m: Floats
    """Range measured less range of the claim, weighted mean of the slot [slots]; not-a-number without ranges."""
    sigma_m: Floats
    """Of that mean: noise, ephemeris, delay and its calibration, height, the claim [slots]."""
    limit: Floats
    """k of each terminal: normal quantile at alpha over the number of its slots with ranges [n]."""
    fires: Flags
    """excess < -k sigma [slots]."""
    slant: Floats
    """By how much the range shrinks per metre that the claim moves towards the satellite: cosine of elevation [slots]."""

    def fires_beyond(self, terminal: Ints, d0_m: float) -> Flags:
        """Slots on which T4 fires for every place within d0 of the claim: what is tolerated is not called false."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.excess_m + d0_m * self.slant < -self.limit[terminal] * self.sigma_m)


@njit(cache=True, error_model="numpy")
def _excesses(
    looks: Floats, look_starts: Ints, slot_starts: Ints, covariance: Floats, mean: Floats, priors: Floats, places: Floats,
    sigmas: Floats, calibration: Floats, light: bool, excess: Floats, sigma: Floats, slant: Floats,
) -> None:
    sat, place = np.zeros((1, 20)), np.zeros(12)
    for t in range(len(slot_starts) - 1):
        if math.isnan(places[t, 0]):
            continue
        prior = priors[t]
        lm.set_place(places[t, 0], places[t, 1], prior[lm.H0] if math.isnan(places[t, 2]) else places[t, 2], place)
        height = 0.0 if prior[lm.SH] == math.inf else prior[lm.SH]
        delay = 0.0 if prior[lm.SD] == math.inf else prior[lm.SD]
        for s in range(slot_starts[t], slot_starts[t + 1]):
            weight = total = up_sum = east_sum = north_sum = 0.0
            g0 = g1 = g2 = 0.0
            for i in range(look_starts[s], look_starts[s + 1]):
                w = looks[i, 8]
                if w == 0.0:
                    continue
                prepare(looks[i, 1], looks[i, 2], looks[i, 3], looks[i, 4], looks[i, 5], looks[i, 6], sat[0])
                dx, dy, dz = sat[0, 0] - place[0], sat[0, 1] - place[1], sat[0, 2] - place[2]
                rho = math.sqrt(dx * dx + dy * dy + dz * dz)
                ux, uy, uz = dx / rho, dy / rho, dz / rho
                expected = rho + prior[lm.D0]
                a0 = ux * sat[0, 6] + uy * sat[0, 7] + uz * sat[0, 8]
                a1 = ux * sat[0, 9] + uy * sat[0, 10] + uz * sat[0, 11]
                a2 = ux * sat[0, 12] + uy * sat[0, 13] + uz * sat[0, 14]
                if light:
                    ix, iy, iz = sat[0, 3] - OMEGA_EARTH_RAD_S * sat[0, 1], sat[0, 4] + OMEGA_EARTH_RAD_S * sat[0, 0], sat[0, 5]
                    own = ux * ix + uy * iy + uz * iz
                    pull = ux * sat[0, 17] + uy * sat[0, 18] + uz * sat[0, 19]
                    expected += two_way_excess(rho, own, ix * ix + iy * iy + iz * iz, pull)
                expected += a0 * mean[s, 0] + a1 * mean[s, 1] + a2 * mean[s, 2]
                weight += w
                total += w * (looks[i, 7] - expected)
                g0 += w * a0
                g1 += w * a1
                g2 += w * a2
                up_sum += w * (ux * place[9] + uy * place[10] + uz * place[11])
                east_sum += w * (ux * place[3] + uy * place[4] + uz * place[5])
                north_sum += w * (ux * place[6] + uy * place[7] + uz * place[8])
            if weight == 0.0:
                continue
            g0, g1, g2 = g0 / weight, g1 / weight, g2 / weight
            variance = 1.0 / weight
            variance += g0 * (covariance[s, 0, 0] * g0 + covariance[s, 0, 1] * g1 + covariance[s, 0, 2] * g2)
            variance += g1 * (covariance[s, 1, 0] * g0 + covariance[s, 1, 1] * g1 + covariance[s, 1, 2] * g2)
            variance += g2 * (covariance[s, 2, 0] * g0 + covariance[s, 2, 1] * g1 + covariance[s, 2, 2] * g2)
            variance += delay * delay + calibration[t] * calibration[t]
            variance += (up_sum / weight * height) ** 2
            variance += sigmas[t] ** 2 * ((east_sum / weight) ** 2 + (north_sum / weight) ** 2)
            excess[s] = total / weight
            sigma[s] = math.sqrt(variance)
            slant[s] = math.hypot(east_sum / weight, north_sum / weight)




def one_sided(
    batch: Batch,
    lat_deg: Floats,
    lon_deg: Floats,
    height_m: Floats,
    sigma_m: Floats,
    alpha: float,
    *,
    calibration_m: Floats | float = 0.0,
    light_time: bool = True,
) -> OneSided:
    """T4: a delay can only be added, so a range that is too short for the claim proves it false.

    Ranges of one slot are averaged: what is added cannot be negative on average either, and their noise is independent.

    Args:
        batch: looks and priors; Student-t priors count with three times their scale.
        lat_deg, lon_deg: claims [degree; (n,)]; height_m: not-a-number takes the height prior [m; (n,)].
        sigma_m: of the claim [m; (n,)]. alpha: chance that T4 fires on any slot of an honest terminal.
        calibration_m: sigma of the equipment delay [m; (n,)].
    """
    n, slots = len(batch), len(batch.mean_m)
    excess, sigma, slant = np.full(slots, math.nan), np.full(slots, math.nan), np.full(slots, math.nan)
    places = np.stack([np.radians(lat_deg), np.radians(lon_deg), np.asarray(height_m, np.float64)], axis=1)
    covariance = np.linalg.inv(batch.precision)
    heavy = np.isfinite(batch.dof).any(axis=1)
    covariance[heavy] *= 9.0
    _excesses(
        batch.looks, batch.look_starts, batch.slot_starts, covariance, batch.mean_m, batch.priors, places,
        np.ascontiguousarray(np.broadcast_to(np.nan_to_num(sigma_m), n), np.float64),
        np.ascontiguousarray(np.broadcast_to(np.asarray(calibration_m, np.float64), n)), light_time, excess, sigma, slant,
    )
    there = np.isfinite(excess)
    terminal = np.repeat(np.arange(n), np.diff(batch.slot_starts))
    count = np.bincount(terminal[there], minlength=n)
    points = np.array([math.nan] + [normal_quantile(alpha / m) for m in range(1, int(count.max(initial=0)) + 1)])
    limit = points[count]
    with np.errstate(invalid="ignore"):
        fires = there & (excess < -limit[terminal] * sigma)
    return OneSided(excess, sigma, limit, fires, slant)


@njit(cache=True, error_model="numpy")
def _slot_costs(
    looks: Floats, look_starts: Ints, slot_starts: Ints, precision: Floats, mean: Floats, priors: Floats, places: Floats,
    states: Floats, light: bool, loss: int, out: Floats,
) -> None:
    longest = 1
    for s in range(len(look_starts) - 1):
        longest = max(longest, look_starts[s + 1] - look_starts[s])
    sat, rows = np.zeros((longest, 20)), np.zeros((longest, normal.ROWS))
    nu, full, right, work = np.zeros((1, 3)), np.zeros((9, 9)), np.zeros(12), np.zeros((normal.WORK_ROWS, 12))
    place, scratch = np.zeros(12), np.zeros(12)
    offsets, cell_starts = np.zeros(2, np.int64), np.zeros(2, np.int64)
    cells = np.zeros((longest // blocks.LANES + 1, blocks.CELL))
    for t in range(len(slot_starts) - 1):
        if math.isnan(places[t, 0]):
            continue
        lm.set_place(places[t, 0], places[t, 1], places[t, 2], place)
        extended = priors[t, lm.SFDOT] > 0.0 or priors[t, lm.SV] > 0.0 or priors[t, lm.STAU] > 0.0
        for s in range(slot_starts[t], slot_starts[t + 1]):
            first, last = look_starts[s], look_starts[s + 1]
            offsets[1] = last - first
            blocks.lay_out(offsets, cell_starts)
            sight = normal.Sight(
                sat[: last - first], cells, cell_starts, looks[first:last], offsets, precision[s : s + 1], mean[s : s + 1], priors[t],
                light, extended, loss,
            )
            lm.put_all(sight, scratch)
            nu[0, :] = mean[s]
            out[s] = normal.assemble(sight, place, states[t], nu, full, right, work, rows)


_LOSSES = {"least_squares": normal.LEAST_SQUARES, "huber": normal.HUBER, "student": normal.STUDENT}


def slot_costs(
    batch: Batch, lat_deg: Floats, lon_deg: Floats, height_m: Floats, state: Floats, *, loss: Loss = "least_squares",
    light_time: bool = True,
) -> Floats:
    """Cost of each slot at a place and state, its own ephemeris error at its best [slots].

    Args:
        batch: looks and priors; Student-t priors count with their scale.
        lat_deg, lon_deg, height_m: [degree, m; (n,)]; state: [n, 9], as in `Estimate` or `Profile`.
    """
    out = np.full(len(batch.mean_m), math.nan)
    places = np.stack([np.radians(lat_deg), np.radians(lon_deg), np.asarray(height_m, np.float64)], axis=1)
    _slot_costs(
        batch.looks, batch.look_starts, batch.slot_starts, batch.precision, batch.mean_m, batch.priors, places,
        np.ascontiguousarray(state), light_time, _LOSSES[loss], out,
    )
    return out


KAPPA = 1.0
"""Drift of T6: an honest terminal loses as much on average."""
CUSUM_LIMIT = 40.0
"""Limit of T6; one honest verdict in 10^5 passes it if T1 is chi-square with 2 degrees of freedom. To be tuned on honest history."""


@njit(cache=True, error_model="numpy")
def _cusum(order: Ints, terminal: Ints, t1: Floats, start: Floats, kappa: float, out: Floats) -> None:
    held = start.copy()
    for i in order:
        if t1[i] == t1[i]:
            held[terminal[i]] = max(0.0, held[terminal[i]] + t1[i] - 2.0 - kappa)
        out[i] = held[terminal[i]]


def cusum(terminal: Ints, at_ns: Ints, t1: Floats, start: Floats | None = None, *, kappa: float = KAPPA) -> Floats:
    """T6 after each verdict: S := max(0, S + T1 - 2 - kappa), in order of time.

    Args:
        terminal: number of the terminal of each verdict [n]; at_ns: its time [n]; t1: not-a-number changes nothing [n].
        start: sum held before, by terminal number; 0 by default.
    """
    out = np.zeros(len(t1))
    held = np.zeros(int(terminal.max(initial=-1)) + 1) if start is None else np.asarray(start, np.float64)
    _cusum(np.lexsort((at_ns, terminal)), np.asarray(terminal, np.int64), np.asarray(t1, np.float64), held, kappa, out)
    return out
