"""Verifications to the observations they speak of, and what that costs the judge; against DuckDB's ASOF join of the same rows.

Input: observations of distinct terminals within a minute, and verifications of some of them, of up to 100 s before. Timed on one
core: ordering the verifications once, attaching them, reading what was attached in the judge, and the same look where nothing
was attached.

Checked in the same run: DuckDB finds the same verification for every observation.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.update(NUMBA_NUM_THREADS="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import duckdb
import numpy as np
import pyarrow as pa

pa.set_cpu_count(1)
pa.set_io_thread_count(1)

from groundrule.instant import NS_PER_S, parse_instant
from groundrule.pipeline.heard import heard_of
from groundrule.pipeline.verifying import Verifications, attach
from groundrule.records import OBSERVATION_SCHEMA, combined
from groundrule.verify.records import VERIFICATION_SCHEMA

START_NS = parse_instant("2026-02-10T06:00Z")
MAX_AGE_S = 120.0
GOAL_RATIO = 1.0
"""Ordering and attaching, with all that is attached, against DuckDB's join that gives one text a row [rate]."""
GOAL_SILENT_NS = 5.0
"""What a row of which nothing is said may cost the judge [ns]."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--observations", type=int, default=1_000_000)
    parser.add_argument("--verifications", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=2026)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    seen, known = inputs(args.observations, args.verifications, rng)
    order_s, ordered = best(lambda: Verifications.of(known), args.repeats)
    attach_s, attached = best(lambda: attach(seen, ordered, max_age_s=MAX_AGE_S), args.repeats)
    observed = seen.column("observed_at").to_numpy()
    whole = combined(attached)
    heard_s, _ = best(lambda: heard_of(whole, observed), args.repeats)
    silent_s, _ = best(lambda: heard_of(seen, observed), args.repeats)
    join_s, found = best(lambda: joined(seen, known), args.repeats)
    inputs_of = attached.column("radio").combine_chunks().field("inputs").to_pylist()
    differ = sum(one != other for one, other in zip(inputs_of, found.column("inputs").to_pylist(), strict=True))
    ratio = join_s / (attach_s + order_s)
    silent_ns = silent_s / args.observations * 1e9
    figures: dict[str, Any] = {
        "benchmark": "attach",
        "observations": args.observations,
        "verifications": args.verifications,
        "attached": args.observations - attached.column("radio").null_count,
        "order_s": order_s,
        "attach_s": attach_s,
        "read_in_judge_s": heard_s,
        "duckdb_asof_join_s": join_s,
        "ratio_to_duckdb": ratio,
        "silent_ns_a_row": silent_ns,
        "rows_that_differ": differ,
    }
    figures["met"] = differ == 0 and ratio >= GOAL_RATIO and silent_ns <= GOAL_SILENT_NS
    print(f"ordered in {order_s:.3f} s, attached in {attach_s:.3f} s, read in {heard_s:.3f} s; DuckDB {join_s:.3f} s; {differ} differ")
    print(json.dumps(figures))
    return 0 if figures["met"] else 1


def inputs(observations: int, verifications: int, rng: np.random.Generator) -> tuple[pa.Table, pa.Table]:
    """Observations in order of time, and verifications in none."""
    ids = pa.array([f"ut-{number:08d}" for number in range(observations)])
    columns: dict[str, Any] = {
        "terminal_id": ids.take(pa.array(rng.permutation(observations))),
        "observed_at": pa.array(START_NS + np.sort(rng.integers(0, 60 * NS_PER_S, observations))),
    }
    seen = pa.table(
        [columns[f.name] if f.name in columns else pa.nulls(observations, f.type) for f in OBSERVATION_SCHEMA],
        schema=OBSERVATION_SCHEMA,
    )
    m = verifications
    said: dict[str, Any] = {
        "terminal_id": ids.take(pa.array(rng.integers(0, observations, m))),
        "at_ns": pa.array(START_NS + 30 * NS_PER_S - rng.permutation(np.arange(m, dtype=np.int64)) * (100 * NS_PER_S // m)),
        "verdict": pa.array(["consistent", "inconsistent"]).take(pa.array(rng.integers(0, 2, m))),
        "assurance": pa.repeat("a1", m),
        "conditions": pa.array([[]] * m, pa.list_(pa.string())),
        "lat_deg": pa.array(rng.uniform(-60, 60, m)),
        "lon_deg": pa.array(rng.uniform(-180, 180, m)),
        "usable": pa.array(np.ones(m, np.bool_)),
        "grade": pa.repeat("A operator", m),
        "words": pa.repeat("", m),
        "inputs": pa.array([f"sha256:{number:064x}" for number in range(m)]),
        "model": pa.repeat("1", m),
    }
    for name in ("sigma_major_m", "sigma_minor_m", "azimuth_deg", "distance_m", "mdo_m", "speed_m_s", "speed_sigma_m_s"):
        said[name] = pa.array(rng.uniform(1, 100, m))
    given = [said[f.name] if f.name in said else pa.nulls(m, f.type) for f in VERIFICATION_SCHEMA]
    return seen, pa.table(given, names=VERIFICATION_SCHEMA.names)


def joined(seen: pa.Table, known: pa.Table) -> pa.Table:
    """The digest of the latest verification of each observation, by DuckDB, in the order of the observations."""
    rows = seen.select(["terminal_id", "observed_at"]).append_column("place", pa.array(np.arange(len(seen))))
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("seen", rows)
        connection.register("known", known.select(["terminal_id", "at_ns", "inputs"]))
        return connection.sql(
            f"SELECT CASE WHEN observed_at - at_ns <= {round(MAX_AGE_S * NS_PER_S)} THEN inputs END AS inputs "
            "FROM seen ASOF LEFT JOIN known ON seen.terminal_id = known.terminal_id AND seen.observed_at >= known.at_ns ORDER BY place"
        ).to_arrow_table()


def best(work: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """The least time of several [s of CPU], and what came out."""
    times, found = [], None
    for _ in range(repeats):
        begun = time.process_time()
        found = work()
        times.append(time.process_time() - begun)
    return min(times), found


if __name__ == "__main__":
    sys.exit(main())
