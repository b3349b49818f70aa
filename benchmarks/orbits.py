# The thread counts must be set before the libraries are imported.
"""Orbits: propagating a whole fleet, pairs of satellite and instant, and who sees whom.

    python benchmarks/orbits.py [--elements FILE ...] [--points 20000] [--mask 25] [--rounds 9] [--seed 1]

Satellites are the 10,080 generated ones of `starlink-gen2`, or those of the files. CPU time, one thread, median of the
rounds; peers run in turn with ours, in the same rounds.

What is timed:
  fleet         Propagator.at: all satellites at one instant, Earth-fixed, with a code for each
  SatrecArray   the bare sgp4 package on the same satellites and instant: TEME, kilometres, no frame, no codes
  pairs         Propagator.pairs: 200,000 random instants of ten minutes of 200 satellites, exact and interpolated
  visible       VisibilityIndex.visible: exact lists for random points; building the index is shown beside it
  BallTree      scikit-learn, if installed, haversine, radius of the highest satellite: a superset, without the exact test
  cKDTree       scipy, three-dimensional, radius of the longest range at the mask: a superset, without the exact test
  product       NumPy: all satellites against the same points by a matrix product, exact

Before timing, lists are compared with the test of every pair, and states with the bare package's turned by hand. Exit 1
if an answer differs or a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np
from scipy.spatial import cKDTree
from sgp4.api import SatrecArray

from groundrule.frames import enu_axes, geodetic_to_ecef, gmst82_rad, teme_to_ecef
from groundrule.instant import parse_instant
from groundrule.orbit.elements import Elements, join
from groundrule.orbit.generate import generate
from groundrule.orbit.propagate import Propagator, _julian, _satrecs
from groundrule.orbit.reading import read_file
from groundrule.orbit.visible import VisibilityIndex

FLEET_GOAL_MS = 20.0  # for 10,000 satellites
SATREC_GOAL = 0.9
TREE_GOAL = 1.3
PRODUCT_GOAL = 60.0
PAIRS = 200_000


def timed(work: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def medians(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median CPU seconds of each, taken in turn so that a slow moment of the machine hits all."""
    for work in works.values():
        work()
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            taken[name].append(timed(work))
    return {name: statistics.median(values) for name, values in taken.items()}


def load(paths: list[Path]) -> tuple[Elements, int]:
    """Elements and the instant of use."""
    if not paths:
        epoch = parse_instant("2026-06-03T00:00Z")
        return generate("starlink-gen2", epoch), epoch + 3_600_000_000_000
    elements = join([read_file(path).elements for path in paths])
    return elements, int(np.median(elements.epoch_ns))


def product(r: np.ndarray, x: np.ndarray, up: np.ndarray, sin_mask: float) -> np.ndarray:
    """Seen or not, for all pairs, by matrix products."""
    height = up @ r.T - (up * x).sum(1)[:, None]
    square = (r * r).sum(1)[None] + (x * x).sum(1)[:, None] - 2.0 * (x @ r.T)
    return height >= sin_mask * np.sqrt(square)


def main() -> int:
    """Compare, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elements", type=Path, nargs="*", default=[])
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--mask", type=float, default=25.0)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    random = np.random.default_rng(asked.seed)
    elements, now = load(asked.elements)
    n = len(elements)

    propagator = Propagator(elements)
    bare = SatrecArray(_satrecs(elements))
    when = _julian(np.array([now]))
    states = propagator.at(now)
    _, r_teme, v_teme = bare.sgp4(*when)
    by_hand, _ = teme_to_ecef(r_teme[:, 0] * 1e3, v_teme[:, 0] * 1e3, gmst82_rad(now))
    usable = states.code[:, 0] == 0
    state_difference = float(np.abs(by_hand - states.r_m[:, 0])[usable].max())
    fleet = medians({"fleet": lambda: propagator.at(now), "SatrecArray": lambda: bare.sgp4(*when)}, asked.rounds * 3)

    rows = random.integers(0, min(n, 200), PAIRS)
    times = now + random.integers(0, 600 * 10**9, PAIRS)
    pairs = medians(
        {
            "exact": lambda: propagator.pairs(rows, times),
            "interpolated": lambda: propagator.pairs(rows, times, interpolated=True),
        },
        max(3, asked.rounds // 3),
    )

    r = states.r_m[usable, 0]
    lat = np.degrees(np.arcsin(random.uniform(-0.85, 0.85, asked.points)))
    lon = random.uniform(-180, 180, asked.points)
    index = VisibilityIndex.build(r)
    seen = index.visible(lat, lon, mask_deg=asked.mask)
    x, up = geodetic_to_ecef(lat, lon), enu_axes(lat, lon)[:, 2]
    sin_mask = math.sin(math.radians(asked.mask))
    wrong = 0
    for i in range(asked.points):
        sight = r - x[i]
        margin = sight @ up[i] - sin_mask * np.sqrt((sight * sight).sum(1))
        found = np.zeros(len(r), bool)
        found[seen.of(i)] = True
        wrong += bool(((found != (margin >= 0)) & (np.abs(margin) > 1e-6)).any())

    highest, lowest = float(np.linalg.norm(r, axis=1).max()), 6.3567e6
    least = math.radians(asked.mask - 0.2)
    reach = math.acos(6.3781e6 * math.cos(least) / highest) - least + 1e-3
    longest = math.sqrt(highest**2 + lowest**2 - 2 * highest * lowest * math.cos(reach))
    tree = cKDTree(r)
    share = max(1, asked.points // 10)  # the slow peers do a part of the points, and are scaled
    works: dict[str, Callable[[], object]] = {
        "visible": lambda: index.visible(lat, lon, mask_deg=asked.mask),
        "build": lambda: VisibilityIndex.build(r),
        "cKDTree": lambda: tree.query_ball_point(x[:share], longest),
        "product": lambda: product(r, x[: share // 4], up[: share // 4], sin_mask),
    }
    try:
        from sklearn.neighbors import BallTree
    except ImportError:
        pass
    else:
        under = np.radians(np.stack([np.degrees(np.arcsin(r[:, 2] / np.linalg.norm(r, axis=1))),
                                     np.degrees(np.arctan2(r[:, 1], r[:, 0]))], 1))  # fmt: skip
        ball, here = BallTree(under, metric="haversine"), np.radians(np.stack([lat, lon], 1))
        works["BallTree"] = lambda: ball.query_radius(here, reach)
    taken = medians(works, asked.rounds)
    per_point = {
        "visible": taken["visible"] / asked.points,
        "cKDTree": taken["cKDTree"] / share,
        "product": taken["product"] / (share // 4),
    }
    if "BallTree" in taken:
        per_point["BallTree"] = taken["BallTree"] / asked.points

    fleet_ms = fleet["fleet"] * 1e3
    figures = {
        "satellites": n,
        "ms per instant, whole fleet": round(fleet_ms, 2),
        "ms per instant of 10,000": round(fleet_ms * 10_000 / n, 2),
        "of bare SatrecArray (rate)": round(fleet["SatrecArray"] / fleet["fleet"], 2),
        "us per pair, exact": round(pairs["exact"] / PAIRS * 1e6, 3),
        "us per pair, interpolated": round(pairs["interpolated"] / PAIRS * 1e6, 3),
        "seen per point": round(len(seen.satellite) / asked.points, 1),
        "us per point, visible": round(per_point["visible"] * 1e6, 2),
        "ms to build the index": round(taken["build"] * 1e3, 2),
        "x cKDTree superset": round(per_point["cKDTree"] / per_point["visible"], 1),
        "x matrix product": round(per_point["product"] / per_point["visible"], 1),
        "points whose list differs": wrong,
        "largest difference of states m": state_difference,
    }
    if "BallTree" in per_point:
        figures["x BallTree superset"] = round(per_point["BallTree"] / per_point["visible"], 2)
    goals = {
        f"10,000 satellites <= {FLEET_GOAL_MS:g} ms": figures["ms per instant of 10,000"] <= FLEET_GOAL_MS,
        f"fleet >= {SATREC_GOAL} of bare SatrecArray": figures["of bare SatrecArray (rate)"] >= SATREC_GOAL,
        "no list differs": wrong == 0,
        "no state differs by more than 0.01 mm": state_difference <= 1e-5,
        f"visible >= {PRODUCT_GOAL:g} x matrix product": figures["x matrix product"] >= PRODUCT_GOAL,
        f"visible >= {TREE_GOAL} x trees": min(
            value for name, value in figures.items() if name.endswith("superset")
        ) >= TREE_GOAL,
    }  # fmt: skip
    for name, value in figures.items():
        print(f"{name:36} {value}")
    for name, met in goals.items():
        print(f"{'met' if met else 'MISSED':7} {name}")
    figures["python"] = platform.python_version()
    print(json.dumps({"benchmark": "orbits", "figures": figures, "goals": goals}))
    return 0 if all(goals.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
