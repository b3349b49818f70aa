"""A light fleet for measuring how well areas are watched: honest receivers with their everyday trouble, and interference.

Everything is invented. Receivers stand or drive; each now and then loses its position for minutes, reports a poor one, or a
displaced one; sites lose theirs together when power or software fails. Over that, discs in which positions are jammed away or
moved. It has no orbits and no registers: `simulate.scenario` makes worlds, this makes many cheap ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

M_PER_DEG = 111_195.0  # sphere of mean radius [m per degree of latitude]


@dataclass(frozen=True, slots=True)
class Everyday:
    """What goes wrong without anybody's will.

    Attributes:
        lost_share: share of receivers without a position at any time.
        lost_s: mean length of a loss [s].
        jump_rate: displaced single positions per report (reflections).
        poor_rate: reports with a sigma of kilometres.
        site_rate: failures of a whole site per site and hour.
        site_s: length of such a failure [s].
        site_size: terminals of one site; they fail together, and stand within 300 m.
        moving: share of receivers that drive about.
    """

    lost_share: float = 0.01
    lost_s: float = 120.0
    jump_rate: float = 2e-5
    poor_rate: float = 1e-4
    site_rate: float = 0.02
    site_s: float = 90.0
    site_size: int = 3
    moving: float = 0.2


@dataclass(frozen=True, slots=True)
class Trouble:
    """Interference over a disc.

    Attributes:
        lat_deg, lon_deg, radius_m: the disc [degree, m]; those who are truly in it are hit.
        from_s, until_s: from the start of the run [s].
        mode: `jam` takes the position away; `point`, `circle` and `shift` move it.
        reached: share of the receivers in the disc that are hit.
        to_lat_deg, to_lon_deg: where the positions go [degree].
        circle_m: radius of the circle [m].
    """

    lat_deg: float
    lon_deg: float
    radius_m: float
    from_s: float
    until_s: float
    mode: str = "jam"
    reached: float = 0.9
    to_lat_deg: float = 0.0
    to_lon_deg: float = 0.0
    circle_m: float = 3_000.0


@dataclass(frozen=True, slots=True)
class WitnessFleet:
    """Observations and what was true.

    Attributes:
        table: terminal_id, observed_at, lat_deg, lon_deg, position_sigma_m, position_source, gnss_state; by time.
        accounts: account of each terminal.
        hit: which rows interference bore on, shape (rows,).
        inside: which rows were truly in a disc while it was troubled, shape (rows,).
    """

    table: pa.Table
    accounts: dict[str, str]
    hit: NDArray[np.bool_]
    inside: NDArray[np.bool_]


def witness_fleet(
    seed: int,
    *,
    terminals: int,
    seconds: float,
    centre: tuple[float, float] = (48.0, 33.0),
    spread_m: float = 40_000.0,
    cadence_s: float = 15.0,
    everyday: Everyday | None = None,
    troubles: tuple[Trouble, ...] = (),
    per_account: int = 1,
    start_ns: int = 1_780_272_000_000_000_000,
) -> WitnessFleet:
    """Generate a fleet about a place.

    Args:
        seed: the same seed gives the same fleet.
        terminals: how many; every `per_account` of them share an account.
        seconds: length of the run [s].
        centre: middle of the fleet [degree].
        spread_m: standard deviation of homes about the middle per axis [m].
        cadence_s: each terminal reports so often, with its own phase [s].
        everyday: honest trouble.
        troubles: interference.
        per_account: terminals of an account.
        start_ns: first instant [ns, UTC].
    """
    usual = everyday or Everyday()
    random = np.random.default_rng(seed)
    steps, n = int(seconds // cadence_s), terminals
    site = np.arange(n) // max(1, usual.site_size)
    sites = int(site.max()) + 1
    narrow = np.cos(np.radians(centre[0]))
    middle = random.normal(0.0, spread_m, (sites, 2))[site] + random.uniform(-150, 150, (n, 2))
    times = np.arange(steps)[:, None] * cadence_s + random.uniform(0, cadence_s, n)[None]
    # Those who move drive around a block of some kilometres at up to 25 m/s.
    moving = random.random(n) < usual.moving
    size, pace, phase = random.uniform(500, 8_000, n), random.uniform(5, 25, n), random.uniform(0, 2 * np.pi, n)
    angle = phase + pace / size * times
    east = middle[:, 0] + moving * size * np.cos(angle)
    north = middle[:, 1] + moving * size * np.sin(angle)
    sigma = np.exp(random.normal(np.log(8.0), 0.4, n))[None] * np.ones((steps, 1))
    shown_east = east + random.normal(0, 1, (steps, n)) * sigma
    shown_north = north + random.normal(0, 1, (steps, n)) * sigma

    lost = _episodes(random, steps, n, usual.lost_share, usual.lost_s / cadence_s)
    failing = _episodes(random, steps, sites, usual.site_rate * usual.site_s / 3600.0, usual.site_s / cadence_s)
    lost |= failing[:, site]
    poor = random.random((steps, n)) < usual.poor_rate
    sigma = np.where(poor, 3_000.0, sigma)
    jumped = random.random((steps, n)) < usual.jump_rate
    shown_east += jumped * random.normal(0, 60_000, (steps, n))
    shown_north += jumped * random.normal(0, 60_000, (steps, n))

    hit, inside = np.zeros((steps, n), bool), np.zeros((steps, n), bool)
    for trouble in troubles:
        x0 = (trouble.lon_deg - centre[1]) * M_PER_DEG * narrow
        y0 = (trouble.lat_deg - centre[0]) * M_PER_DEG
        there = np.hypot(east - x0, north - y0) <= trouble.radius_m
        there &= (times >= trouble.from_s) & (times < trouble.until_s)
        reached = there & (random.random(n) < trouble.reached)[None]
        inside |= there
        hit |= reached
        if trouble.mode == "jam":
            lost |= reached
            continue
        x1 = (trouble.to_lon_deg - centre[1]) * M_PER_DEG * narrow
        y1 = (trouble.to_lat_deg - centre[0]) * M_PER_DEG
        noise_x, noise_y = random.normal(0, 20, (2, steps, n))
        if trouble.mode == "circle":
            turn = 2 * np.pi * times / 300.0 + random.uniform(0, 2 * np.pi, n)[None]
            noise_x, noise_y = noise_x + trouble.circle_m * np.cos(turn), noise_y + trouble.circle_m * np.sin(turn)
        if trouble.mode == "shift":
            noise_x, noise_y = noise_x + east - x0, noise_y + north - y0
        shown_east = np.where(reached, x1 + noise_x, shown_east)
        shown_north = np.where(reached, y1 + noise_y, shown_north)

    order = np.lexsort((np.tile(np.arange(n), steps), times.ravel()))
    names = np.array([f"w-{seed}-{i:06d}" for i in range(n)])
    who = np.tile(np.arange(n), steps)[order]
    gone = lost.ravel()[order]
    lat = centre[0] + shown_north.ravel()[order] / M_PER_DEG
    lon = centre[1] + shown_east.ravel()[order] / (M_PER_DEG * narrow)
    table = pa.table(
        {
            "terminal_id": pa.array(names[who].tolist(), pa.string()),
            "observed_at": pa.array(start_ns + np.round(times.ravel()[order] * 1e3).astype(np.int64) * 1_000_000),
            "lat_deg": pa.array(lat, mask=gone),
            "lon_deg": pa.array(lon, mask=gone),
            "position_sigma_m": pa.array(sigma.ravel()[order].astype(np.float32), mask=gone),
            "position_source": pa.array(np.where(gone, "none", "gnss").tolist(), pa.string()),
            "gnss_state": pa.nulls(len(who), pa.string()),
        }
    )
    accounts = {name: f"a-{seed}-{i // per_account:06d}" for i, name in enumerate(names.tolist())}
    return WitnessFleet(table, accounts, hit.ravel()[order], inside.ravel()[order])


def _episodes(random: np.random.Generator, steps: int, n: int, share: float, length: float) -> NDArray[np.bool_]:
    """States that begin by chance and last a geometric time of `length` steps on average, shape (steps, n)."""
    if share <= 0:
        return np.zeros((steps, n), bool)
    end = 1.0 / max(1.0, length)
    begin = min(1.0, share / (1.0 - share) * end)
    found = np.zeros((steps, n), bool)
    found[0] = random.random(n) < share
    for i in range(1, steps):
        chance = random.random(n)
        found[i] = np.where(found[i - 1], chance >= end, chance < begin)
    return found
