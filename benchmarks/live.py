"""The live desk on one core: submissions to durable, answered observations, with a fleet in memory.

Input: Arrow tables of 10,000 rows, text ids in shuffled order, times in order. The home has the shipped world, the shipped
rulebook and a register of the whole fleet; terminals lie on the land of all countries, 1 in 10 moves.

Three figures, by process CPU time (both threads), in the same run:
- `live`: `Live.submit` to the answer, with class, last answers, events and the segment flushed; and with the runs behind it;
- `judge`: the bare judge and the decision table on the same batches, by a judge of its own: the bound from above;
- `append`: the same rows as frames, written and flushed without anything else.
Then the time of single observations, one after the other and from 16 threads at 500 a second, by the clock.

`--detection` lets detectors look at everything beside the answers. Then signals may change answers, which is no fault.

Checked: answers equal those of the bare judge; after the last run every acknowledged row is in history, and no answer
differs from what the run decided.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.update(NUMBA_NUM_THREADS="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
import pyarrow as pa

pa.set_cpu_count(1)
pa.set_io_thread_count(1)

from groundrule.instant import NS_PER_S, parse_instant
from groundrule.pipeline.decisions import DecisionWriter
from groundrule.pipeline.home import basis_of, create_home
from groundrule.pipeline.judge import Judge
from groundrule.pipeline.live.answers import LiveSettings
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.manifests import runs
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.store.history import read_run
from groundrule.store.home import Home
from groundrule.store.register_import import import_register
from groundrule.store.registers import Registers
from groundrule.store.segments import SegmentWriter, encode_frame

GOAL_PER_S = 300_000
START_NS = parse_instant("2026-02-10T06:00Z")
NOW_NS = START_NS + 86_400 * NS_PER_S
RECORDED_NS = START_NS - 86_400 * NS_PER_S


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terminals", type=int, default=250_000)
    parser.add_argument("--batch-rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3, help="times that the whole fleet reports, after one to warm up")
    parser.add_argument("--singles", type=int, default=2_000)
    parser.add_argument("--detection", action="store_true", help="with detectors at work on a thread beside; their time counts as well")
    parser.add_argument("--seed", type=int, default=2026)
    return parser.parse_args()


class Fleet:
    """Terminals over the land of the world; 1 in 10 moves."""

    def __init__(self, count: int, seed: int, home: Home) -> None:
        rng = np.random.default_rng(seed)
        index = basis_of(home, recorded_at_ns=RECORDED_NS).index
        land = {member.index for member in index.members if member.kind == "land"}
        self.lat, self.lon = np.empty(0), np.empty(0)
        while len(self.lat) < count:
            y, x = np.degrees(np.arcsin(rng.uniform(-0.82, 0.95, count))), rng.uniform(-180, 180, count)
            codes = index.locate_exact(y, x)
            keep = np.isin(codes, [c for c in np.unique(codes) if land & {m for m, _ in index.set_members(int(c))}])
            self.lat, self.lon = np.concatenate([self.lat, y[keep]])[:count], np.concatenate([self.lon, x[keep]])[:count]
        self.ids = pa.array([f"ut-{number:08d}" for number in rng.permutation(count)])
        self.speed = np.where(rng.random(count) < 0.1, rng.uniform(0, 250 / 3.6, count) / 111_000, 0)
        self.course = rng.uniform(0, 2 * np.pi, count)
        self._rng = rng

    def register(self, home: Home, folder: Path) -> None:
        """Import accounts and terminals."""
        plans = self._rng.choice(["residential", "business", "roam"], len(self.ids), p=[0.7, 0.15, 0.15])
        accounts = folder / "accounts.csv"
        countries = ("DE", "FR", "UA", "US", "BR", "IN", "JP", "ZA", "AU", "GB")
        held = "".join(f"acc-{k},p{k},{c},active\n" for k, c in enumerate(countries))
        accounts.write_text(f"account_id,party_id,country,state\n{held}", encoding="utf-8")
        terminals = folder / "terminals.csv"
        with terminals.open("w", encoding="utf-8") as stream:
            # Most terminals are used where they are registered, so that first uses are as rare an event as in a real fleet.
            stream.write("terminal_id,account_id,plan,registration,activation_country,service_lat_deg,service_lon_deg\n")
            for k, (name, plan) in enumerate(zip(self.ids.to_pylist(), plans, strict=True)):
                place = f"{self.lat[k]:.5f},{self.lon[k]:.5f}"
                stream.write(f"{name},acc-{k % len(countries)},{plan},registered,{countries[k % len(countries)]},{place}\n")
        with home.writer(), Registers.open(home) as registers:
            for kind, file in (("accounts", accounts), ("terminals", terminals)):
                import_register(
                    registers, kind, file, recorded_at_ns=RECORDED_NS, actor="benchmark", rejected_folder=home.rejected
                )

    def round(self, number: int, batch_rows: int) -> list[pa.Table]:
        """Every terminal reports once, 15 s after the round before."""
        t_s = 15.0 * number
        lat = np.clip(self.lat + self.speed * t_s * np.sin(self.course), -89.9, 89.9)
        lon = np.clip(self.lon + self.speed * t_s * np.cos(self.course), -180, 180)
        order = self._rng.permutation(len(self.ids))
        observed = START_NS + number * 15 * NS_PER_S + np.sort(self._rng.integers(0, 14 * NS_PER_S, len(order)))
        table = pa.table(
            {
                "terminal_id": self.ids.take(pa.array(order)),
                "observed_at": observed,
                "lat_deg": lat[order],
                "lon_deg": lon[order],
                "position_sigma_m": self._rng.uniform(3, 20, len(order)).astype(np.float32),
                "position_source": pa.array(["gnss"]).take(pa.array(np.zeros(len(order), np.int32))),
            }
        )
        return [pa.table(b.columns, names=table.column_names) for b in table.combine_chunks().to_batches(max_chunksize=batch_rows)]


def whole(table: pa.Table) -> pa.Table:
    columns = [
        table.column(f.name).cast(f.type) if f.name in table.column_names else pa.nulls(len(table), f.type) for f in OBSERVATION_SCHEMA
    ]
    return pa.table(columns, schema=OBSERVATION_SCHEMA).combine_chunks()


def singles(live: Live, fleet: Fleet, count: int, at_ns: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Single observations one after the other, then at 500 a second; seconds from submission to answer."""

    def one(k: int) -> pa.Table:
        return pa.table(
            {
                "terminal_id": fleet.ids.slice(k % len(fleet.ids), 1), "observed_at": [at_ns + k * 1_000],
                "lat_deg": fleet.lat[k % len(fleet.ids) :][:1], "lon_deg": fleet.lon[k % len(fleet.ids) :][:1],
            }
        )  # fmt: skip

    alone = []
    for k in range(count // 4):
        t0 = time.perf_counter()
        live.submit(one(k), source="single").result()
        alone.append(time.perf_counter() - t0)
    made = [one(k + count) for k in range(count)]
    taken: list[float] = []
    lock = threading.Lock()

    def done(began: float) -> None:
        with lock:
            taken.append(time.perf_counter() - began)

    cpu = time.process_time()
    start = time.perf_counter()
    for k, table in enumerate(made):
        wait = start + k / 500 - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        began = start + k / 500  # when it was due, so that nobody waits uncounted
        live.submit(table, source="single").add_done_callback(lambda _f, began=began: done(began))
    while len(taken) < count:
        time.sleep(0.01)
    return np.array(alone), np.array(taken), (time.process_time() - cpu) / count


def main() -> int:
    args = parse()
    print(f"python {platform.python_version()}, numpy {np.__version__}, pyarrow {pa.__version__}")
    print(f"seed {args.seed}; load {os.getloadavg()}")
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = create_home(folder / "home", ledger=None)
        fleet = Fleet(args.terminals, args.seed, home)
        fleet.register(home, folder)
        rounds = [fleet.round(number, args.batch_rows) for number in range(args.rounds + 1)]
        bare = Judge(basis_of(home, recorded_at_ns=NOW_NS))
        writer = DecisionWriter(bare)
        appender = SegmentWriter(Home.create(folder / "append"), after=0)
        settings = LiveSettings(commit_every_s=1e6, commit_rows=10**12, check_every_s=1e6, detection=args.detection)
        t0 = time.process_time()
        live = Live.open(home, clock=lambda: NOW_NS, settings=settings)
        print(f"opened with {args.terminals:,} terminals in {time.process_time() - t0:.1f} s of CPU")
        cpu: dict[str, list[float]] = {"live": [], "judge": [], "append": []}
        for number, batches in enumerate(rounds):
            full = [whole(batch) for batch in batches]
            for batch, observations in zip(batches, full, strict=True):
                t0 = time.process_time()
                answered = live.submit(batch, source="benchmark").result()
                t1 = time.process_time()
                table = writer.table(bare.judge(observations))
                t2 = time.process_time()
                appender.write(encode_frame({"source": "benchmark"}, observations), len(observations))
                appender.flush()
                t3 = time.process_time()
                assert answered.accepted == len(batch)
                if number:
                    for kind, seconds in (("live", t1 - t0), ("judge", t2 - t1), ("append", t3 - t2)):
                        cpu[kind].append(seconds)
            same = answered.decisions.select(table.column_names).equals(table)
            failed |= not same and not args.detection
            print(f"round {number}: the last batch is {'the same as' if same else 'NOT the same as'} the bare judge's")
        per_s = {kind: args.batch_rows / float(np.median(each)) for kind, each in cpu.items()}
        t0, w0 = time.process_time(), time.perf_counter()
        view = live.fleet()
        print(f"view of {len(view):,} terminals in {(time.perf_counter() - w0) * 1e3:.1f} ms")
        run = live.commit().result()
        assert run is not None
        committing = (time.process_time() - t0) / run.counts.decided
        with_runs = 1 / (1 / per_s["live"] + committing)
        ratio = per_s["live"] / per_s["judge"]
        print(f"{per_s['live']:,.0f} observations/s and core acknowledged and answered; with the runs behind it {with_runs:,.0f}/s")
        print(f"bare judge and table {per_s['judge']:,.0f}/s, so {ratio:.2f} of it; bare append {per_s['append']:,.0f}/s")
        alone, taken, each = singles(live, fleet, args.singles, START_NS + 3600 * NS_PER_S)
        for what, seconds in (("one after the other", alone), ("at 500 a second", taken)):
            p50, p99 = np.percentile(seconds * 1e3, [50, 99])
            print(f"single observations {what}: median {p50:.2f} ms, 99 % within {p99:.2f} ms")
        print(f"CPU of one at 500 a second: {each * 1e3:.2f} ms; load {os.getloadavg()}")
        last = live.commit().result()
        status = live.status()
        live.close()
        stored = sum(len(part) for number in runs(home) for part in read_run(home, "observations", number, columns=["observed_at"]))
        failed |= status.counters["differences"] > 0 or stored != status.counters["accepted"] or last is None
        accepted, differ = status.counters["accepted"], status.counters["differences"]
        print(f"{stored:,} of {accepted:,} acknowledged rows are in history; {differ} answers differ from the runs")
    met = per_s["live"] >= GOAL_PER_S and not failed
    print(f"goal: at least {GOAL_PER_S:,} observations/s on one core: {'met' if met else 'missed'}")
    p99_ms = {"alone": float(np.percentile(alone, 99) * 1e3), "at_500_per_s": float(np.percentile(taken, 99) * 1e3)}
    result = {"benchmark": "live", "observations_per_s": per_s, "with_runs_per_s": with_runs, "goal": GOAL_PER_S, "met": met}
    print(json.dumps({**result, "single_p99_ms": p99_ms}))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
