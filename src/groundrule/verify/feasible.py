"""Feasible set: where a terminal can be whose delay was only ever added to (attacker class A2).

    { x : range_i(x) <= y_i + k sigma_i for every satellite i, elevation at every satellite, within the beam }

Each condition is a cap on the ground, so the set is convex along great circles and is told by its edge in 72 directions
from an inner point. Under A2 the true terminal lies in it; the claim need not.

Source: section 10 (T4) of the specification.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from groundrule.frames import ecef_of, geodetic_of, geodetic_to_ecef
from groundrule.verify import descend as lm
from groundrule.verify.batch import Batch
from groundrule.verify.model import Floats
from groundrule.verify.statistics import displaced, distance_m

DIRECTIONS = 72
_REACH_M = 4.0e6


@dataclass(frozen=True, slots=True)
class Feasible:
    """The set of one terminal.

    Attributes:
        empty: no place satisfies all conditions: a range is too short for any.
        lat_deg, lon_deg: edge, clockwise from north about the inner point [72]; empty arrays where the set is.
        furthest_m: largest distance of the edge from the claim [m]; infinite without a claim or an edge.
        holds_claim: the claim satisfies all conditions.
    """

    empty: bool
    lat_deg: Floats
    lon_deg: Floats
    furthest_m: float
    holds_claim: bool


@njit(cache=True, error_model="numpy")
def slack(caps: Floats, x: float, y: float, z: float) -> float:
    """Least slack of all conditions at a point [m]; negative where one is broken. Caps: satellite, longest range."""
    least = math.inf
    for i in range(len(caps)):
        gap = caps[i, 3] - math.sqrt((caps[i, 0] - x) ** 2 + (caps[i, 1] - y) ** 2 + (caps[i, 2] - z) ** 2)
        least = min(least, gap)
    return least


@njit(cache=True, error_model="numpy")
def _edge(caps: Floats, lat: float, lon: float, h: float, count: int, out: Floats) -> None:
    """Distance to the edge in each direction, by bisection over great circles of a sphere through the point."""
    place = np.zeros(12)
    lm.set_place(lat, lon, h, place)
    radius = math.sqrt(place[0] ** 2 + place[1] ** 2 + place[2] ** 2)
    for d in range(count):
        turn = 2.0 * math.pi * d / count
        s, c = math.sin(turn), math.cos(turn)
        wx = s * place[3] + c * place[6]
        wy = s * place[4] + c * place[7]
        wz = s * place[5] + c * place[8]
        low, high = 0.0, _REACH_M
        while high - low > 1.0:
            middle = 0.5 * (low + high)
            lat_, lon_, _ = geodetic_of(
                math.cos(middle / radius) * place[0] + math.sin(middle / radius) * radius * wx,
                math.cos(middle / radius) * place[1] + math.sin(middle / radius) * radius * wy,
                math.cos(middle / radius) * place[2] + math.sin(middle / radius) * radius * wz,
            )
            x, y, z = ecef_of(lat_, lon_, h)
            if slack(caps, x, y, z) >= 0.0:
                low = middle
            else:
                high = middle
        out[d] = low


@njit(cache=True, error_model="numpy")
def _inner(caps: Floats, lat: float, lon: float, h: float) -> tuple[float, float, float]:
    """Climb from a point to one where the least slack is not negative, or the largest that is found."""
    place = np.zeros(12)
    lm.set_place(lat, lon, h, place)
    best = slack(caps, place[0], place[1], place[2])
    step = 4.0e5
    while step > 1.0 and best < 0.0:
        moved = False
        for d in range(16):
            turn = 2.0 * math.pi * d / 16.0
            s, c = math.sin(turn) * step, math.cos(turn) * step
            a, b, _ = geodetic_of(
                place[0] + s * place[3] + c * place[6], place[1] + s * place[4] + c * place[7], place[2] + s * place[5] + c * place[8]
            )
            x, y, z = ecef_of(a, b, h)
            value = slack(caps, x, y, z)
            if value > best + 1e-3:
                best, lat, lon, moved = value, a, b, True
        if moved:
            lm.set_place(lat, lon, h, place)
        else:
            step *= 0.5
    return lat, lon, best


def caps_of(
    batch: Batch, terminal: int, sigma_m: Floats, limit: float, *, min_elevation_deg: float = -90.0, bound: np.ndarray | None = None
) -> Floats:
    """Conditions of one terminal: satellite position and longest range [caps, 4].

    Args:
        batch: looks; terminal: which. sigma_m: T4's sigma of each slot [slots]; limit: k.
        min_elevation_deg: gives each satellite a longest range of its own.
        bound: slots whose ranges may be used [slots]; all by default.
    """
    first, last = batch.slot_starts[terminal], batch.slot_starts[terminal + 1]
    prior = batch.priors[terminal]
    caps = []
    for s in range(int(first), int(last)):
        rows = batch.looks[batch.look_starts[s] : batch.look_starts[s + 1]]
        ranged = rows[rows[:, 7 + 1] > 0]
        if len(ranged) and (bound is None or bound[s]):
            middle = ranged[len(ranged) // 2]
            # The slot's ranges as one, at the instant of its middle look: their deviations from it average out.
            width = math.sqrt(max(float(sigma_m[s]) ** 2, 1.0 / float(ranged[:, 8].sum())))
            longest = float(middle[7]) + limit * math.hypot(width, 1.0 / math.sqrt(float(middle[8]))) - float(prior[lm.D0])
            caps.append([*middle[1:4], longest])
        if min_elevation_deg > -90.0:
            for row in (rows[0], rows[-1]):
                size = float(np.linalg.norm(row[1:4]))
                sine = math.sin(math.radians(min_elevation_deg - 1.0))
                earth = 6_371_000.0
                caps.append([*row[1:4], math.sqrt((earth * sine) ** 2 + size**2 - earth**2) - earth * sine])
    if math.isfinite(prior[lm.RADIUS]):
        # A satellite straight above the cell, so far that its range cap is the cell's disc.
        centre = prior[lm.CELL : lm.CELL + 3]
        up = centre / np.linalg.norm(centre)
        height = 4e7
        radius = float(prior[lm.RADIUS]) + 3.0 * limit
        angle = radius / float(np.linalg.norm(centre))
        away = float(np.linalg.norm(centre)) * np.array([math.cos(angle), math.sin(angle)])
        total = float(np.linalg.norm(centre)) + height
        caps.append([*(centre + height * up), math.hypot(total - away[0], away[1])])
    return np.array(caps, np.float64).reshape(-1, 4)


def feasible_set(caps: Floats, lat_deg: float, lon_deg: float, height_m: float, *, start: tuple[float, float]) -> Feasible:
    """Return the feasible set of one terminal.

    Args:
        caps: as from `caps_of`. lat_deg, lon_deg: the claim [degree], not-a-number without one.
        height_m: of the terminal [m]. start: where to look for an inner point [degree]: the estimate, or under a satellite.
    """
    none = np.zeros(0)
    claimed = math.isfinite(lat_deg) and math.isfinite(lon_deg)
    if not len(caps):
        return Feasible(False, none, none, math.inf, claimed)
    holds = claimed and slack(caps, *geodetic_to_ecef(lat_deg, lon_deg, height_m).ravel()) >= 0.0
    first = (lat_deg, lon_deg) if holds else start
    lat, lon, best = _inner(caps, math.radians(first[0]), math.radians(first[1]), height_m)
    if best < 0.0:
        return Feasible(True, none, none, math.inf, False)
    out = np.zeros(DIRECTIONS)
    _edge(caps, lat, lon, height_m, DIRECTIONS, out)
    turn = 2 * math.pi * np.arange(DIRECTIONS) / DIRECTIONS
    edge_lat, edge_lon = displaced(
        np.full(DIRECTIONS, math.degrees(lat)), np.full(DIRECTIONS, math.degrees(lon)),
        out[:, None] * np.stack([np.sin(turn), np.cos(turn)], axis=1),
    )
    furthest = math.inf
    if claimed:
        furthest = float(np.max(distance_m(np.full(DIRECTIONS, lat_deg), np.full(DIRECTIONS, lon_deg), edge_lat, edge_lon)))
    return Feasible(False, edge_lat, edge_lon, furthest, bool(holds))
