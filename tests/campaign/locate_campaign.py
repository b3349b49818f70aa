"""Long count: the exact lookup against shapely's `intersects_xy`, and probabilities against sampling.

    python tests/campaign/locate_campaign.py [FILE.geojson[.gz] ...] [--random 1000000] [--hard 100000] [--seed 1]
                                             [--cases 1000]

Without files the shipped world areas are used. Each file is compared by itself. Prints a line per set and one JSON
line; exits 1 if any pair differs or a probability is off by more than 0.005.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "against"))

import numpy as np
import shapely
from boundaries import clustered_points, index_pairs, load_all, random_points
from hard_points import hard_points, shapely_pairs

from groundrule.areas.frame import scales
from groundrule.areas.index import AreaIndex
from groundrule.areas.model import Area

SHARE_TOLERANCE = 0.005
SIGMAS_M = (15.0, 100.0, 500.0, 2000.0, 10_000.0)


def campaign(paths: list[Path], *, random: int, hard: int, seed: int, cases: int) -> dict[str, object]:
    """Compare each file (or, without files, the shipped areas); returns the counts per set."""
    out: dict[str, object] = {}
    for group in [[path] for path in paths] or [[]]:
        areas, about = load_all(group)
        print(about, flush=True)
        index = AreaIndex.build(areas)
        geometries = np.array([area.geometry for area in areas], dtype=object)
        counts: dict[str, float] = {}
        batches = {
            "random": random_points(random, seed),
            "clustered": clustered_points(areas, random, seed + 1),
            "hard": hard_points(geometries, hard + hard // 3, seed + 2),
        }
        for kind, (lat, lon) in batches.items():
            started = time.perf_counter()
            pairs, differ = compare(index, geometries, lat, lon)
            counts |= {f"{kind}_points": len(lat), f"{kind}_pairs": pairs, f"{kind}_differ": differ}
            took = time.perf_counter() - started
            print(f"  {kind:9} {differ} of {pairs:,} pairs differ on {len(lat):,} points ({took:.0f} s)", flush=True)
        counts["cases"], counts["worst_share_error"] = cases, sampling_error(index, areas, cases, seed + 3)
        print(f"  {cases} cases with sigma: worst probability off by {counts['worst_share_error']:.5f}", flush=True)
        out[group[0].name if group else "world"] = counts
    return out


def compare(index: AreaIndex, geometries: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> tuple[int, int]:
    """Return how many pairs shapely finds, and how many only one of the two finds."""
    row, member = shapely_pairs(geometries, lat, lon)
    codes = index.locate_exact(lat, lon)
    got_row, got_member = index_pairs(index.sets, codes)
    many = len(geometries)
    return len(row), len(np.setxor1d(row * many + member, got_row * many + got_member))


def sampling_error(index: AreaIndex, areas: list[Area], cases: int, seed: int) -> float:
    """Return the largest error of a probability against 65,536 quasi-random points each, at places near borders."""
    from scipy.stats import norm, qmc

    rng = np.random.default_rng(seed)
    normal = norm.ppf(np.clip(qmc.Sobol(2, seed=seed).random(1 << 16), 1e-12, 1 - 1e-12))
    vertices = shapely.get_coordinates([area.geometry for area in areas])
    vertices = vertices[np.abs(vertices[:, 1]) < 80]
    worst = 0.0
    for _ in range(cases):
        sigma = float(rng.choice(SIGMAS_M))
        x, y = vertices[rng.integers(len(vertices))]
        kx, ky = scales(y)
        x += rng.normal() * sigma / kx
        y = float(np.clip(y + rng.normal() * sigma / ky, -84, 84))
        x = (x + 180.0) % 360.0 - 180.0
        location = index.locate_points([y], [x], sigma, edge_probability=1e-6)
        got = np.zeros(len(areas))
        for member, membership in index.set_members(int(location.codes[0])):
            got[member] = membership == 1
        got[location.edge_members] = location.edge_probability
        kx, ky = scales(y)
        lon = (x + normal[:, 0] * sigma / kx + 180.0) % 360.0 - 180.0
        lat = np.clip(y + normal[:, 1] * sigma / ky, -90, 90)
        want = np.zeros(len(areas))
        for code, count in zip(*np.unique(index.locate_exact(lat, lon), return_counts=True), strict=True):
            for member, _ in index.set_members(int(code)):
                want[member] += count / len(lat)
        worst = max(worst, float(np.abs(got - want).max()))
    return worst


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--random", type=int, default=1_000_000)
    parser.add_argument("--hard", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", type=int, default=1000)
    asked = parser.parse_args()
    results = campaign(asked.files, random=asked.random, hard=asked.hard, seed=asked.seed, cases=asked.cases)
    bad = any(
        value > (SHARE_TOLERANCE if key == "worst_share_error" else 0)
        for counts in results.values()
        if isinstance(counts, dict)
        for key, value in counts.items()
        if key.endswith("_differ") or key == "worst_share_error"
    )
    print(json.dumps({"campaign": "locate", "seed": asked.seed, "sets": results}))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
