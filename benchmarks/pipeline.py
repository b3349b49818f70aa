"""The whole pipeline on one core: columns of observations to explained decisions, with 10 million terminals in memory.

Input: text ids in shuffled order; each batch holds distinct rows. Two fleets are timed: `land`, terminals scattered over
the land of all countries, and `border`, terminals within about 30 km of a border or coast, where locating is hardest. In
each, 1 in 10 terminals moves, and 9 in 10 are in their home country. Plans, accounts and lists are mixed over 20 register
profiles per country.

All detectors look at the same observations before they are decided, with the memory of all terminals resident, and what counts is
both together. Those who move have a plan for it there, but for 1 in 1,000: a fleet of which a tenth is misused would time the making
of signals. `--decide-only` leaves them out.

Checked in the same run: decisions of a sample of rows, decided one terminal at a time, are equal; the table of decisions
built from the timed batches has one row per observation.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Sequence

os.environ.update(NUMBA_NUM_THREADS="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
import pyarrow as pa
import shapely

pa.set_cpu_count(1)
pa.set_io_thread_count(1)

from groundrule.areas.index import AreaIndex
from groundrule.areas.model import Area, AreaSet
from groundrule.areas.world import load_world
from groundrule.instant import NS_PER_S, parse_instant
from groundrule.pipeline.decisions import DecisionWriter
from groundrule.pipeline.detectors import detection_of
from groundrule.pipeline.judge import Judge, make_basis
from groundrule.pipeline.terminal_facts import FIXED_PLANS
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.rules.evidence import Profile
from groundrule.rules.text import load_rulebook
from groundrule.store.register_view import RegisterView
from groundrule.store.timeline import RegisterTimeline

GOAL_PER_S = 670_000
START_NS = parse_instant("2026-02-10T06:00Z")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terminals", type=int, default=10_000_000)
    parser.add_argument("--batch-rows", type=int, default=1_000_000)
    parser.add_argument("--batches", type=int, default=7, help="timed batches per fleet, after two of warm-up")
    parser.add_argument("--zones", type=int, default=1_000, help="synthetic zones beside the world areas")
    parser.add_argument("--rules", default="world-2026")
    parser.add_argument("--decide-only", action="store_true", help="time decisions without detection")
    parser.add_argument("--seed", type=int, default=2026)
    return parser.parse_args()


def zones(count: int, rng: np.random.Generator) -> tuple[Area, ...]:
    """Irregular polygons of 5 to 60 km, scattered over the inhabited latitudes."""
    made = []
    for number in range(count):
        lat, lon = rng.uniform(-55, 65), rng.uniform(-178, 178)
        angles = np.sort(rng.uniform(0, 2 * np.pi, 24))
        radii = rng.uniform(0.05, 0.5) * rng.uniform(0.6, 1.0, 24)
        ring = np.column_stack([lon + radii * np.cos(angles), lat + 0.7 * radii * np.sin(angles)])
        made.append(Area(f"zone:{number}", "zone", f"Zone {number} (invented)", shapely.Polygon(ring).buffer(0)))
    return tuple(area for area in made if area.geometry.geom_type == "Polygon")


def registers(
    count: int, rng: np.random.Generator, lat: np.ndarray, lon: np.ndarray, index: AreaIndex
) -> RegisterTimeline:
    """Terminals at home at these places: 20 profiles a country."""
    countries = sorted({a.country for a in load_world().areas if a.country})
    number_of = {name: number for number, name in enumerate(countries)}
    profiles = [
        Profile(
            plan=str(
                rng.choice(["residential", "business", "roam", "ocean", "aviation"], p=[0.7, 0.1, 0.15, 0.03, 0.02])
            ),
            account_state=str(rng.choice(["active", "suspended"], p=[0.98, 0.02])),
            account_country=country,
            activation_country=country,
            registration="registered",
            lists=(("ua-allow", "active"),) if country == "UA" and rng.random() < 0.8 else (),
            protected_class="hospital" if rng.random() < 0.02 else "none",
            quota="ok",
            screening="clear",
            cell_state="enabled",
            purpose="civil",
            software_version="2026.06.12.mr81164",
        )
        for country in countries
        for _ in range(20)
    ]
    codes = index.locate_exact(lat, lon)
    of_set = np.zeros(int(codes.max()) + 1, np.int32)
    for code in np.unique(codes):
        found = [index.members[m].country for m, _ in index.set_members(int(code)) if index.members[m].country]
        of_set[code] = number_of[found[0]] if found else rng.integers(0, len(countries))
    home = of_set[codes]
    away = rng.random(count) < 0.1
    home[away] = rng.integers(0, len(countries), int(away.sum()))
    view = RegisterView.from_columns(
        _ids(rng.permutation(count)), home * 20 + rng.integers(0, 20, count).astype(np.int32), profiles,
        service_lat_deg=lat, service_lon_deg=lon,
    )  # fmt: skip
    return RegisterTimeline.fixed(view)


def _ids(numbers: np.ndarray) -> pa.Array:
    import pyarrow.compute as pc

    text = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), 8, padding="0")
    return pc.binary_join_element_wise(pa.scalar("ut"), text, "-")


def places(kind: str, count: int, rng: np.random.Generator, index: AreaIndex) -> tuple[np.ndarray, np.ndarray]:
    if kind == "border":
        vertices = np.concatenate(
            [shapely.get_coordinates(a.geometry) for a in load_world().areas if a.kind == "country"]
        )
        chosen = vertices[rng.integers(0, len(vertices), count)]
        lat = np.clip(chosen[:, 1] + rng.normal(0, 0.12, count), -89, 89)
        return lat, np.clip(chosen[:, 0] + rng.normal(0, 0.12, count), -179.9, 179.9)
    lat, lon = np.empty(0), np.empty(0)
    land = {member.index for member in index.members if member.kind == "land"}
    while len(lat) < count:
        y, x = np.degrees(np.arcsin(rng.uniform(-0.82, 0.95, count))), rng.uniform(-180, 180, count)
        codes = index.locate_exact(y, x)
        on_land = {c for c in np.unique(codes) if land & {m for m, _ in index.set_members(int(c))}}
        keep = np.isin(codes, list(on_land))
        lat, lon = np.concatenate([lat, y[keep]]), np.concatenate([lon, x[keep]])
    return lat[:count], lon[:count]


def main() -> int:
    args = parse()
    rng = np.random.default_rng(args.seed)
    print(
        f"python {platform.python_version()}, numpy {np.__version__}, pyarrow {pa.__version__}; seed {args.seed}; load {os.getloadavg()}"
    )
    started = time.perf_counter()
    areas = AreaSet((*load_world().areas, *zones(args.zones, rng)))
    index = AreaIndex.build(areas.areas)
    book = load_rulebook(args.rules)
    print(
        f"{len(areas.areas)} areas compiled and {len(book.rules)} rules read in {time.perf_counter() - started:.1f} s"
    )
    results: dict[str, dict[str, float]] = {}
    failed = False
    for fleet in ("land", "border"):
        lat, lon = places(fleet, args.terminals, rng, index)
        timeline = registers(args.terminals, rng, lat, lon, index)
        basis = make_basis(book, areas, timeline, index=index)
        judge = Judge(basis)
        detection = None if args.decide_only else detection_of(None, basis)
        writer = DecisionWriter(judge)
        moving = rng.random(args.terminals) < 0.1
        if detection is not None:
            part = timeline.epoch(0)
            fixed = np.array([each.plan in FIXED_PLANS for each in part.profiles])[part.profile_code[: args.terminals]]
            moving &= ~fixed | (rng.random(args.terminals) < 0.001)
        speed_deg_s = np.where(moving, rng.uniform(0, 250 / 3.6, args.terminals) / 111_000, 0)
        course = rng.uniform(0, 2 * np.pi, args.terminals)
        ids = timeline.terminal_ids
        # Every terminal is met once, so that the memory of all of them is resident and filled.
        for first in range(0, args.terminals, args.batch_rows):
            rows = np.arange(first, min(first + args.batch_rows, args.terminals))
            batch = _batch(ids, rows, lat, lon, START_NS, rng)
            judge.judge(batch if detection is None else detection.update(batch))
        cpu, table_cpu, detect_cpu, made = [], [], [], 0
        for step in range(args.batches + 2):
            rows = rng.permutation(args.terminals)[: args.batch_rows]
            t_s = 15 * (step + 1)
            y = np.clip(lat[rows] + speed_deg_s[rows] * t_s * np.sin(course[rows]), -89.9, 89.9)
            x = np.clip(lon[rows] + speed_deg_s[rows] * t_s * np.cos(course[rows]), -180, 180)
            batch = _batch(ids, rows, y, x, START_NS + t_s * NS_PER_S, rng, direct=True)
            td = time.process_time()
            if detection is not None:
                batch = detection.update(batch)
            t0 = time.process_time()
            judged = judge.judge(batch)
            t1 = time.process_time()
            table = writer.table(judged)
            t2 = time.process_time()
            made += len(table)
            if step >= 2:
                cpu.append(t1 - t0)
                detect_cpu.append(t0 - td)
                table_cpu.append(t2 - t1)
        assert made == (args.batches + 2) * args.batch_rows
        failed |= not _same_as_single(judge, basis, batch, judged, rng)
        results[fleet] = found = {}
        found["decided"] = _rate(args.batch_rows, cpu)
        found["decided_with_table"] = _rate(args.batch_rows, np.add(cpu, table_cpu))
        found["whole_path"] = _rate(args.batch_rows, np.add(cpu, detect_cpu))
        spread = (args.batch_rows / max(cpu), args.batch_rows / min(cpu))
        print(
            f"{fleet:>6}: {found['decided']:,.0f} observations/s and core decided with reasons ({spread[0]:,.0f} to {spread[1]:,.0f});"
            f" {found['decided_with_table']:,.0f}/s with the decision table written out in Arrow;"
            f" {len(judged.decided.classes):,} classes of decisions, {len(judge.evidence_keys.keys):,} kinds of evidence"
        )
        found["bytes_to_decide"] = (judge.state.nbytes + timeline.nbytes) / args.terminals
        if detection is not None:
            found["detected"] = _rate(args.batch_rows, detect_cpu)
            found["bytes_to_detect"] = (detection.nbytes + timeline.nbytes) / args.terminals
            found["bytes_a_terminal"] = (detection.nbytes + judge.state.nbytes + timeline.nbytes) / args.terminals
            slowest = args.batch_rows / float(np.max(np.add(cpu, detect_cpu)))
            print(
                f"        {found['detected']:,.0f} observations/s with all detectors on; {found['whole_path']:,.0f}/s detected and decided"
                f" (slowest batch {slowest:,.0f}); {detection.counts.total():,} signals; bytes a terminal, with ids and register:"
                f" {found['bytes_to_detect']:.0f} for detection, {found['bytes_a_terminal']:.0f} with what deciding remembers"
            )
        failed |= found["whole_path"] < GOAL_PER_S
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"memory to decide: {found['bytes_to_decide']:.0f} bytes a terminal with ids and register, area index {index.nbytes / 1e6:.0f} MB,"
        f" peak {peak_gb:.1f} GB"
    )
    print(
        f"goal: at least {GOAL_PER_S:,} observations/s on one core: {'missed' if failed else 'met'}; load {os.getloadavg()}"
    )
    print(
        json.dumps(
            {
                "benchmark": "pipeline",
                "fleets": results,
                "goal": GOAL_PER_S,
                "met": not failed,
            }
        )
    )
    return 1 if failed else 0


def _rate(rows: int, cpu_s: Sequence[float] | np.ndarray) -> float:
    """Rows a second over all batches: what is done once a minute is paid for by all rows of the minute."""
    return rows * len(cpu_s) / float(np.sum(cpu_s))


def _batch(
    ids: pa.Array,
    rows: np.ndarray,
    lat: np.ndarray,
    lon: np.ndarray,
    at_ns: int,
    rng: np.random.Generator,
    *,
    direct: bool = False,
) -> pa.Table:
    n = len(rows)
    columns = {
        "terminal_id": ids.take(pa.array(rows)),
        "observed_at": np.full(n, at_ns, np.int64),
        "lat_deg": lat if direct else lat[rows],
        "lon_deg": lon if direct else lon[rows],
        "position_sigma_m": rng.uniform(3, 20, n).astype(np.float32),
        "position_source": pa.array(["gnss"]).take(pa.array(np.zeros(n, np.int32))),
    }
    return pa.table(
        [pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(n, f.type) for f in OBSERVATION_SCHEMA],
        schema=OBSERVATION_SCHEMA,
    )


def _same_as_single(judge: Judge, basis: object, batch: pa.Table, judged: object, rng: np.random.Generator) -> bool:
    """Decide some rows one at a time with a fresh memory and compare what does not depend on memory."""
    single = Judge(basis)  # type: ignore[arg-type]
    differ = 0
    chosen = rng.integers(0, len(batch), 300)
    for row in chosen:
        one = single.judge(batch.slice(int(row), 1))
        same_place = single.where.values[one.where[0]] == judge.where.values[judged.where[row]]  # type: ignore[attr-defined]
        same_who = single.who.values[one.who[0]] == judge.who.values[judged.who[row]]  # type: ignore[attr-defined]
        differ += not (same_place and same_who)
    print(f"        {differ} of {len(chosen)} rows differ from the same row decided alone")
    return differ == 0


if __name__ == "__main__":
    sys.exit(main())
