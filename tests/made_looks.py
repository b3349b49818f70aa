"""Looks for tests of the estimator: circular orbits of an invented constellation over a place, seen without error or with noise."""

from __future__ import annotations

import math

import numpy as np

from groundrule.frames import C_M_S, MU_M3_S2, OMEGA_EARTH_RAD_S, enu_axes, geodetic_to_ecef
from groundrule.verify.batch import Batch, Priors
from groundrule.verify.plain import nuisance_rows, predict

RADIUS_M = 6_928_000.0
HZ = C_M_S / 14e9
OPERATOR = np.diag([400.0, 25.0, 25.0])


def circle(
    lat: float, lon: float, away_deg: float, azimuth_deg: float, heading_deg: float, t_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """States [ECEF] of a satellite on a circular orbit that passes a point near a place at t = 0 with a heading."""
    east, north, up = enu_axes(lat, lon)
    a, b, c = np.radians([away_deg, azimuth_deg, heading_deg])
    toward = math.sin(b) * east + math.cos(b) * north
    r0 = math.cos(a) * up + math.sin(a) * toward
    along = math.sin(c) * east + math.cos(c) * north
    along -= (along @ r0) * r0
    along /= np.linalg.norm(along)
    n = math.sqrt(MU_M3_S2 / RADIUS_M**3)
    r = RADIUS_M * (np.cos(n * t_s)[:, None] * r0 + np.sin(n * t_s)[:, None] * along)
    v = RADIUS_M * n * (-np.sin(n * t_s)[:, None] * r0 + np.cos(n * t_s)[:, None] * along)
    turn = OMEGA_EARTH_RAD_S * t_s
    cos, sin, zero = np.cos(turn), np.sin(turn), np.zeros_like(t_s)
    spin = np.stack([np.stack([cos, sin, zero], 1), np.stack([-sin, cos, zero], 1), np.stack([zero, zero, zero + 1], 1)], 1)
    r, v = np.einsum("nij,nj->ni", spin, r), np.einsum("nij,nj->ni", spin, v)
    return r, v - OMEGA_EARTH_RAD_S * np.stack([-r[:, 1], r[:, 0], zero], 1)


def looks_at(lat: float, lon: float, slots: int, per_slot: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times from the middle [s], positions and velocities of slots one after the other, 1 s between looks."""
    rng = np.random.default_rng(seed)
    times, rs, vs = [], [], []
    for k in range(slots):
        t = k * per_slot + np.arange(per_slot, dtype=float) - (slots * per_slot - 1) / 2
        r, v = circle(lat, lon, rng.uniform(2, 8), rng.uniform(0, 360), rng.choice([45.0, 135.0]) + rng.uniform(-5, 5), t - t.mean())
        times.append(t)
        rs.append(r)
        vs.append(v)
    return np.concatenate(times), np.concatenate(rs), np.concatenate(vs)


def make(
    lat: float, lon: float, *, slots: int = 4, per_slot: int = 15, seed: int = 1, runs: int = 1, range_sigma: float = 150.0,
    rate_sigma: float = 10 * HZ, priors: Priors | None = None, height: float = 0.0, velocity: tuple[float, float] = (0.0, 0.0),
    delta: float = 0.0, f: float = 0.0, noise: float = 1.0, covariance: np.ndarray = OPERATOR, src: np.ndarray | None = None,
    light_time: bool = True, ranges: bool = True, rates: bool = True, leg: int = 1, dof: float = math.inf,
) -> Batch:
    """A batch of runs that see the same satellites; noise 0: without error."""
    rng = np.random.default_rng(seed + 1)
    t, r, v = looks_at(lat, lon, slots, per_slot, seed)
    n = len(t)
    base = np.zeros((n, 12))
    base[:, 0], base[:, 1:4], base[:, 4:7], base[:, 11] = t, r, v, leg
    state = np.zeros(9)
    state[3], state[4], state[6:8] = delta, f, velocity
    place, axes = geodetic_to_ecef(lat, lon, height), enu_axes(lat, lon)
    h_r, h_d = predict(base, place, axes, state, light_time=light_time)
    if src is not None:
        g_r, g_d = nuisance_rows(base, place, axes, state)
        per_look = np.repeat(src, per_slot, axis=0)
        h_r, h_d = h_r + np.sum(g_r * per_look, 1), h_d + np.sum(g_d * per_look, 1)
    return Batch.build(
        dt_s=np.tile(t, runs), r_m=np.tile(r, (runs, 1)), v_m_s=np.tile(v, (runs, 1)),
        look_starts=np.arange(runs * slots + 1) * per_slot, slot_starts=np.arange(runs + 1) * slots,
        covariance_m2=covariance, priors=priors or Priors(), leg=leg, dof=dof,
        range_m=np.tile(h_r, runs) + noise * rng.normal(0, range_sigma, n * runs) if ranges else None,
        range_sigma_m=range_sigma,
        rate_m_s=np.tile(h_d, runs) + noise * rng.normal(0, rate_sigma, n * runs) if rates else None,
        rate_sigma_m_s=rate_sigma,
    )


def away_m(lat: np.ndarray | float, lon: np.ndarray | float, height: np.ndarray | float, to: tuple[float, float, float]) -> np.ndarray:
    """Distance of points from one [m]."""
    return np.linalg.norm(geodetic_to_ecef(lat, lon, height) - geodetic_to_ecef(*to), axis=-1)
