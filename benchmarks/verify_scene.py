"""Scene of the reference tables of verification: geometries of real satellites over a place, and runs simulated on them.

Section 18.1 of the specification: start uniform in 5,400 s, back-to-back slots of 15 s, in each one satellite drawn from those
above 25 degrees at both ends; one look a second; truth of every run drawn from the priors that the estimator knows. Light time is
left out on both sides here, as in the reference (`light_time=True` puts it into both).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from groundrule.frames import C_M_S, enu_axes, geodetic_to_ecef
from groundrule.instant import NS_PER_S
from groundrule.orbit.propagate import Propagator
from groundrule.orbit.reading import read_file
from groundrule.verify.batch import Batch, Priors
from groundrule.verify.model import triad

Floats = NDArray[np.float64]
CARRIER_HZ = 14e9
HZ = C_M_S / CARRIER_HZ  # m/s of range rate per hertz
OPERATOR = (20.0, 5.0, 5.0)
SLOT_S, MASK_DEG, SPAN_S = 15, 25.0, 5_400
PLACE = (43.5, 34.0)  # Black Sea
SET_2_START_NS = int(np.datetime64("2026-05-24T12:00:00", "ns").astype(np.int64))
NOISES = ((150.0, 10.0), (150.0, 100.0), (1500.0, 100.0))
WINDOWS = {"1 fix": 1, "15 s": 15, "60 s": 60, "300 s": 300}
_COARSE_S = 60


@dataclass(frozen=True)
class Scene:
    """Satellites of one set of elements, the start of the span, the seed and how many runs to make."""

    propagator: Propagator
    truth: Propagator
    start_ns: int
    seed: int
    share: float
    light_time: bool
    is_set_2: bool
    coarse: dict[str, Floats] = field(default_factory=dict)

    @classmethod
    def load(cls, elements: Path, truth: Path, seed: int, share: float, *, light_time: bool) -> Scene:
        """Read both files; keep Starlink with a mean motion from 15.0 to 15.75 rev/day."""
        tables = []
        for path in (elements, truth):
            table = read_file(path).elements
            kept = (table.mean_motion_rev_day >= 15.0) & (table.mean_motion_rev_day <= 15.75)
            if "starlink" not in path.name:
                kept &= np.char.startswith(table.name.astype(str), "STARLINK")
            tables.append(table.select(kept).latest())
        is_set_2 = "starlink-2026-05-24" in elements.name
        start = SET_2_START_NS
        if not is_set_2:
            hour = 3600 * NS_PER_S
            start = int(np.median(tables[0].epoch_ns)) // hour * hour
        return cls(Propagator(tables[0]), Propagator(tables[1]), start, seed, share, light_time, is_set_2)

    def rng(self, *path: int) -> np.random.Generator:
        """Random numbers of one part of one table: the same whatever ran before."""
        return np.random.default_rng([self.seed, *path])

    def runs(self, full: int) -> int:
        """How many of the reference's runs to make."""
        return max(40, round(full * self.share))

    def near(self, place: Floats, t_ns: int) -> NDArray[np.int64]:
        """Satellites that could be above the mask about an instant: from states a minute apart, with room to spare."""
        if "unit" not in self.coarse:
            times = self.start_ns + np.arange(-_COARSE_S, SPAN_S + 900, _COARSE_S, dtype=np.int64) * NS_PER_S
            states = self.propagator.at(times)
            r = np.nan_to_num(states.r_m)
            self.coarse["unit"] = (r / np.maximum(np.linalg.norm(r, axis=2, keepdims=True), 1.0)).transpose(1, 0, 2).copy()
        at = round((t_ns - self.start_ns) / NS_PER_S / _COARSE_S) + 1
        return np.flatnonzero(self.coarse["unit"][at] @ (place / np.linalg.norm(place)) > math.cos(math.radians(14.0)))


@dataclass(frozen=True)
class Geometry:
    """One draw: 300 looks of 20 slots [ECEF, m, m/s], or of one tracked satellite; a slot is 15 looks."""

    r_m: Floats
    v_m_s: Floats
    start_ns: int


def elevation_deg(r_m: Floats, place: Floats, up: Floats) -> Floats:
    gap = r_m - place
    return np.degrees(np.arcsin(np.clip(gap @ up / np.linalg.norm(gap, axis=-1), -1, 1)))


def draw_geometry(scene: Scene, lat: float, lon: float, rng: np.random.Generator, slots: int = 20) -> Geometry:
    """Draw one geometry with random scheduling; where a slot sees nothing the start is drawn again."""
    place, up = geodetic_to_ecef(lat, lon, 0.0), enu_axes(lat, lon)[2]
    while True:
        start = scene.start_ns + int(rng.uniform(0, SPAN_S) * NS_PER_S)
        serving = []
        for k in range(slots):
            begin = start + k * SLOT_S * NS_PER_S
            rows = scene.near(place, begin)
            both = scene.propagator.pairs(
                np.concatenate([rows, rows]), np.repeat([begin, begin + SLOT_S * NS_PER_S], len(rows))
            )
            high = elevation_deg(both.r_m, place, up) > MASK_DEG
            seen = rows[high[: len(rows)] & high[len(rows) :]]
            if not len(seen):
                break
            serving.append(int(rng.choice(seen)))
        if len(serving) == slots:
            break
    times = start + np.arange(slots * SLOT_S, dtype=np.int64) * NS_PER_S
    states = scene.propagator.pairs(np.repeat(serving, SLOT_S), times)
    return Geometry(states.r_m, states.v_m_s, start)


def draw_pass(scene: Scene, lat: float, lon: float, rng: np.random.Generator, seconds: int = 180) -> Geometry:
    """Draw a pass of one tracked satellite: above 25 degrees at the start, above 15 throughout."""
    place, up = geodetic_to_ecef(lat, lon, 0.0), enu_axes(lat, lon)[2]
    while True:
        start = scene.start_ns + int(rng.uniform(0, SPAN_S) * NS_PER_S)
        rows = scene.near(place, start)
        row = int(rng.choice(rows))
        times = start + np.arange(seconds, dtype=np.int64) * NS_PER_S
        states = scene.propagator.pairs(np.full(seconds, row), times)
        high = elevation_deg(states.r_m, place, up)
        if high[0] > MASK_DEG and high.min() > 15.0:
            return Geometry(states.r_m, states.v_m_s, start)


def geometries(scene: Scene, lat: float, lon: float, count: int, *path: int) -> list[Geometry]:
    rng = scene.rng(1, *path)
    return [draw_geometry(scene, lat, lon, rng) for _ in range(count)]


@dataclass(frozen=True)
class Runs:
    """Runs simulated on geometries: the batch, the truth and the starts."""

    batch: Batch
    lat: float
    lon: float
    height_m: Floats
    start_lat: Floats
    start_lon: Floats
    geometry: NDArray[np.int64]
    clean_range_m: Floats

    def error_m(self, lat_deg: Floats, lon_deg: Floats) -> Floats:
        """Horizontal distance from the truth [m], in the plane at the truth (chord beyond it)."""
        shape = np.shape(lat_deg)
        height = np.broadcast_to(self.height_m.reshape(-1, *([1] * (len(shape) - 1))), shape)
        gap = geodetic_to_ecef(lat_deg, lon_deg, height) - geodetic_to_ecef(self.lat, self.lon, height)
        up = enu_axes(self.lat, self.lon)[2]
        return np.sqrt(np.maximum(np.sum(gap**2, axis=-1) - (gap @ up) ** 2, 0.0))


def offset(lat: float, lon: float, east: Floats, north: Floats) -> tuple[Floats, Floats]:
    """Points at a distance east and north [m] (in the tangent plane)."""
    from groundrule.frames import ecef_to_geodetic

    axes = enu_axes(lat, lon)
    points = geodetic_to_ecef(lat, lon, 0.0) + np.multiply.outer(east, axes[0]) + np.multiply.outer(north, axes[1])
    a, b, _ = ecef_to_geodetic(points)
    return a, b


def simulate(
    draws: list[Geometry], count: int, looks: int, sigma_m: float, sigma_hz: float, rng: np.random.Generator,
    *, lat: float = PLACE[0], lon: float = PLACE[1], ephemeris: tuple[float, float, float] = OPERATOR, cell: bool = False,
    f_sigma: float = 30.0, slot: int = SLOT_S,
) -> Runs:
    """Simulate runs on geometries, dealt round-robin; the estimator knows every sigma."""
    which = np.arange(count) % len(draws)
    slots = -(-looks // slot)
    up, place = enu_axes(lat, lon)[2], geodetic_to_ecef(lat, lon, 0.0)
    rate_sigma = sigma_hz * HZ
    h, delta, f = rng.normal(0, 100, count), rng.normal(0, 30, count), rng.normal(0, f_sigma, count)
    src = rng.normal(size=(count, slots, 3)) * np.array(ephemeris)
    r = np.stack([g.r_m[:looks] for g in draws])
    v = np.stack([g.v_m_s[:looks] for g in draws])
    frames, n = triad(r, v)
    of = np.arange(looks) // slot
    ranges, rates = np.empty((count, looks)), np.empty((count, looks))
    for g in range(len(draws)):
        mine = np.flatnonzero(which == g)
        gap = r[g][None] - (place + h[mine][:, None] * up)[:, None, :]
        rho = np.linalg.norm(gap, axis=2)
        u = gap / rho[..., None]
        rate = np.einsum("rij,ij->ri", u, v[g])
        p = (v[g][None] - rate[..., None] * u) / rho[..., None]
        g_r = np.einsum("rij,ikj->rik", u, frames[g])
        g_d = np.einsum("rij,ikj->rik", p, frames[g])
        g_d[..., 0] -= n[g] * g_r[..., 1]
        nu = src[mine][:, of]
        ranges[mine] = rho + delta[mine, None] + np.sum(g_r * nu, axis=2)
        rates[mine] = rate + f[mine, None] + np.sum(g_d * nu, axis=2)
    clean = ranges + rng.normal(0, sigma_m, ranges.shape)
    rates += rng.normal(0, rate_sigma, rates.shape)
    radius, turn = 12e3 * np.sqrt(rng.uniform(size=count)), rng.uniform(0, 2 * np.pi, count)
    start = (radius * np.cos(turn), radius * np.sin(turn)) if cell else (rng.normal(0, 20e3, count), rng.normal(0, 20e3, count))
    start_lat, start_lon = offset(lat, lon, *start)
    priors = Priors(
        f_sigma_m_s=f_sigma, cell_lat_deg=start_lat, cell_lon_deg=start_lon, cell_sigma_m=6e3 if cell else math.inf
    )
    batch = Batch.build(
        dt_s=np.tile(np.arange(looks) - (looks - 1) / 2, count),
        r_m=r[which].reshape(-1, 3),
        v_m_s=v[which].reshape(-1, 3),
        look_starts=np.append(0, (np.arange(count)[:, None] * looks + np.minimum((np.arange(slots) + 1) * slot, looks)).ravel()),
        slot_starts=np.arange(count + 1) * slots,
        covariance_m2=np.diag(np.square(ephemeris)),
        priors=priors,
        range_m=clean.ravel(),
        range_sigma_m=sigma_m,
        rate_m_s=rates.ravel(),
        rate_sigma_m_s=rate_sigma,
    )
    return Runs(batch, lat, lon, h, start_lat, start_lon, which, clean)
