"""Long count: false alarms of verdicts, scripted attacks, and a real pair of element sets two days apart.

    python tests/campaign/verify_campaign.py --elements FILE [--older FILE --newer FILE] [--null 1000000] [--attacks 2000] [--seed 1]

1. Null: T1 of honest claims at 1e-2, 1e-3, 1e-4, with the operator's ephemeris (15 s and 60 s) and with 72-hour elements and
   five anchors (60 s). A rate outside 0.7 to 1.5 of nominal by more than three standard deviations is a difference.
2. Attacks A0 to A2 with every kind of trust: CONSISTENT against the attacker's own class beyond the stated miss rate is one.
3. Pair: satellites are off as the older set is from the newer one, and five anchors correct them. An alarm rate of T1 above
   1.5e-3 at nominal 1e-3, by three deviations, or a P95 above 200 m is one.

Prints a line per part and one JSON line; exits 1 if there is a difference.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests")]

import numpy as np  # noqa: E402 - after the path

from groundrule.orbit.propagate import Propagator  # noqa: E402 - after the path
from groundrule.verify.assemble import assemble  # noqa: E402 - after the path
from groundrule.verify.chances import chi2_point  # noqa: E402 - after the path
from groundrule.verify.ephemeris import AGE_CLASSES, draw_errors  # noqa: E402 - after the path
from groundrule.verify.judge import verify_batch  # noqa: E402 - after the path
from groundrule.verify.measurements import clean  # noqa: E402 - after the path
from groundrule.verify.model import triad  # noqa: E402 - after the path
from groundrule.verify.report import reports  # noqa: E402 - after the path
from radio_world import Truth, World, table  # noqa: E402 - after the path
from verify_judgement import ALPHAS, anchored, examine, lambdas  # noqa: E402 - after the path
from verify_scene import PLACE, Geometry, Scene, geometries, simulate  # noqa: E402 - after the path

LEVEL = {"none": 0, "beam_only": 1, "a0": 2, "a1": 3, "a2": 4}
CLASS_LEVEL = {"A0": 2, "A1": 3, "A1D": 3, "A1R": 3, "A2": 4}
MISS_RATE = 0.01
CHUNK = 2_000


def is_off(events: float, runs: int, alpha: float, low: float = 0.7, high: float = 1.5) -> bool:
    """Whether a count is outside the allowed band by more than three standard deviations."""
    most, least = high * alpha * runs, low * alpha * runs
    return events > most + 3 * math.sqrt(most) or events < least - 3 * math.sqrt(least)


def null(scene: Scene, runs: int) -> tuple[list[dict], int]:
    """False alarms under honesty."""
    out, differences = [], 0
    settings = (("operator 15 s", 15, 0), ("operator 60 s", 60, 0), ("72 h + 5 anchors 60 s", 60, 5))
    for name, looks, anchors in settings:
        rng = scene.rng(50, looks, anchors)
        # Geometries are many, so that the rate is not that of forty.
        draws = geometries(scene, *PLACE, 400, 51, looks)
        fired, done = np.zeros(3), 0
        while done < runs:
            count = min(CHUNK if not anchors else 500, runs - done)
            if anchors:
                slots = -(-looks // 15)
                errors = draw_errors(AGE_CLASSES[2], count * slots, rng).reshape(count, slots, 3)
                some = [draws[i] for i in rng.integers(0, len(draws), 100)]
                batch, _ = anchored(some, errors, looks, anchors, AGE_CLASSES[2], rng)
                t1 = examine(batch)[0]
            else:
                some = [draws[i] for i in rng.integers(0, len(draws), 100)]
                made = simulate(some, count, looks, 150.0, 10.0, rng)
                t1, _ = lambdas(made, (np.full(count, made.lat), np.full(count, made.lon)), scene)
            fired += [np.sum(t1 > chi2_point(alpha, 2.0)) for alpha in ALPHAS]
            done += count
        # Anchored priors keep the full covariance and are conservative at 1e-2 in the reference: only too many alarms count.
        low = 0.0 if anchors else 0.7
        differences += sum(is_off(x, done, alpha, low) for x, alpha in zip(fired, ALPHAS, strict=True))
        out.append({"setting": name, "runs": done, "rates": [float(x / done) for x in fired]})
        print(f"  {name}: " + " ".join(f"{x / done:.2e}" for x in fired) + f" in {done:,} runs", flush=True)
    return out, differences


def attacks(count: int, seed: int) -> tuple[dict, int]:
    """Scripted attacks: how many are consistent against their own class."""
    rng = np.random.default_rng(seed)
    fooled, total = dict.fromkeys(CLASS_LEVEL, 0), dict.fromkeys(CLASS_LEVEL, 0)
    for k in range(count):
        attack = list(CLASS_LEVEL)[k % len(CLASS_LEVEL)]
        world = World(seed=int(rng.integers(2**31)))
        lat, lon = float(rng.uniform(-50, 50)), float(rng.uniform(-180, 180))
        away, turn = float(10 ** rng.uniform(1.2, 3)) / 111.2, float(rng.uniform(0, 2 * math.pi))
        claim = (
            lat + away * math.cos(turn),
            (lon + away * math.sin(turn) / math.cos(math.radians(lat)) + 540) % 360 - 180,
        )
        trust = str(rng.choice(["ue_reported", "network", "nonce_bound", "attested"]))
        try:
            serving = world.schedule(lat, lon, 4)
        except ValueError:  # nothing above the mask there
            continue
        liar = Truth(
            "liar",
            lat,
            lon,
            claim=claim,
            attack=attack,
            trust=trust,
            delay_m=float(rng.uniform(0, 2e4)) if attack == "A1" else 0.0,
        )
        other = Truth("other", lat + 0.2, lon, trust=trust)
        rows = world.measure(liar, serving) + world.measure(other, serving)
        made = assemble(clean(table(rows)), world.elements, world.claims([liar, other]))
        report = next(one for one in reports(made, verify_batch(made.case)) if one.terminal == "liar")
        total[attack] += 1
        fooled[attack] += report.verdict == "consistent" and LEVEL[report.assurance] >= CLASS_LEVEL[attack]
    over = sum(fooled[a] > MISS_RATE * total[a] + 3 * math.sqrt(MISS_RATE * total[a]) for a in total)
    print(f"  attacks fooled {fooled} of {total}", flush=True)
    return {"fooled": fooled, "total": total}, over


def pair(older: Path, newer: Path, runs: int, seed: int) -> tuple[dict, int]:
    """Real errors: fly by the newer set, estimate with the older one, five anchors."""
    scene = Scene.load(older, newer, seed, 1.0, light_time=False)
    at_ns = int(np.median(scene.truth.elements.epoch_ns))
    rows = scene.truth.elements.rows_of(scene.propagator.elements.catalogue)
    both = np.flatnonzero(rows >= 0)
    new = Propagator(scene.truth.elements.select(rows[both])).at([at_ns])
    old = Propagator(scene.propagator.elements.select(both)).at([at_ns])
    good = (new.code[:, 0] == 0) & (old.code[:, 0] == 0)
    axes, _ = triad(old.r_m[good, 0], old.v_m_s[good, 0])
    gap = np.einsum("nij,nj->ni", axes, new.r_m[good, 0] - old.r_m[good, 0])
    # Along an orbit, not along its tangent: half S squared over the radius of it is curvature.
    gap[:, 1] += gap[:, 0] ** 2 / (2 * np.linalg.norm(old.r_m[good, 0], axis=1))
    kept = np.abs(gap[:, 0]) < AGE_CLASSES[2].along_km[-1] * 1e3  # beyond it they manoeuvred (7.1 filters them too)
    gap = gap[kept]
    quantiles = np.quantile(np.abs(gap) / 1e3, [0.5, 0.68, 0.95, 0.99], axis=0)
    print(
        "  pair: |S| km p50/68/95/99 " + "/".join(f"{x:.2f}" for x in quantiles[:, 0]) + f", {len(gap)} satellites",
        flush=True,
    )
    draws: list[Geometry] = geometries(Scene.load(older, older, seed, 1.0, light_time=False), *PLACE, 100, 60)
    rng = scene.rng(61)
    fired, done, sizes = np.zeros(3), 0, []
    while done < runs:
        errors = gap[rng.integers(0, len(gap), (500, 4))]
        batch, _ = anchored(draws, errors, 60, 5, AGE_CLASSES[2], rng)
        t1, _, error = examine(batch)
        fired += [np.sum(t1 > chi2_point(alpha, 2.0)) for alpha in ALPHAS]
        sizes.append(error)
        done += 500
    p95 = float(np.percentile(np.concatenate(sizes), 95))
    print(
        f"  pair with 5 anchors, 60 s: P95 {p95:.0f} m, T1 "
        + " ".join(f"{x / done:.1e}" for x in fired)
        + f" in {done:,}",
        flush=True,
    )
    off = is_off(fired[1], done, 1e-3, 0.0) or p95 > 200.0
    return {
        "p95_m": p95,
        "rates": (fired / done).tolist(),
        "along_km": quantiles[:, 0].tolist(),
        "manoeuvred": int((~kept).sum()),
    }, int(off)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elements", type=Path)
    parser.add_argument("--older", type=Path)
    parser.add_argument("--newer", type=Path)
    parser.add_argument("--null", type=int, default=1_000_000)
    parser.add_argument("--attacks", type=int, default=2_000)
    parser.add_argument("--pair", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    begin, out, differ = time.perf_counter(), {}, 0
    if asked.elements is not None and asked.null:
        scene = Scene.load(asked.elements, asked.elements, asked.seed, 1.0, light_time=False)
        out["null"], off = null(scene, asked.null)
        differ += off
    if asked.attacks:
        out["attacks"], off = attacks(asked.attacks, asked.seed)
        differ += off
    if asked.older is not None and asked.newer is not None:
        out["pair"], off = pair(asked.older, asked.newer, asked.pair, asked.seed)
        differ += off
    print(json.dumps({"verdicts_differ": int(differ), "seconds": round(time.perf_counter() - begin), **out}))
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
