"""Impact preview of a rule change on a stored home: both engines, from the files on the disk to the digest that is signed.

Input: a home with the shipped rulebook and world, a generated fleet of all its kinds, and one committed run. Timed: reading
the fleet of last observations and the registers, deciding every terminal under both rulebooks with the compiled engine,
deciding every distinct evidence with the plain one, comparing both, and composing the impact. A first preview, which compiles
kernels and keeps the fleet for later ones, is timed apart.

Checked in the same run: the two engines agree (or there is no impact); the impact is the same again; and it is what deciding
the same fleet in two separate judgements really changes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.update(NUMBA_NUM_THREADS="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

pa.set_cpu_count(1)
pa.set_io_thread_count(1)

from groundrule.govern.objects import Change
from groundrule.instant import NS_PER_S
from groundrule.pipeline.changes import draft
from groundrule.pipeline.fleet import load_fleet
from groundrule.pipeline.home import create_home, rulebook_of
from groundrule.pipeline.impact import preview, timeline
from groundrule.pipeline.judge import Judge, make_basis
from groundrule.pipeline.runs import Inputs, decide
from groundrule.rules.text import read_rulebook
from groundrule.simulate.fleet import generate
from groundrule.store.area_store import load_areas
from groundrule.store.register_import import import_register
from groundrule.store.registers import Registers

GOAL_S = 2.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terminals", type=int, default=250_000)
    parser.add_argument("--rounds", type=int, default=5, help="timed previews, after the first")
    parser.add_argument("--seed", type=int, default=2026)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home, at_ns = prepared(Path(folder), args.terminals, args.seed)
        book = rulebook_of(home)
        text = book.text.replace("above: 75, release_below: 70", "above: 90, release_below: 85")
        text = text.replace("distance_from_service_address_km: {above: 50}", "distance_from_service_address_km: {above: 20}")
        text = text.replace("outcome: restrict", "outcome: review")
        changes = [Change.parse(draft(home, "replace", "rulebook", text.encode()))]
        started = time.perf_counter()
        first = preview(home, changes, at_ns=at_ns)
        cold_s = time.perf_counter() - started
        spent, waited, again = [], [], []
        for _ in range(args.rounds):
            began, worked = time.perf_counter(), time.process_time()
            again.append(preview(home, changes, at_ns=at_ns))
            spent.append(time.process_time() - worked)
            waited.append(time.perf_counter() - began)
        same = all(each.impact == first.impact for each in again)
        actual = really_changed(home, text, at_ns)
    median = float(np.median(spent))
    agree = actual == first.impact.changed > 0
    met = same and agree and median <= GOAL_S
    print(f"{first.terminals:,} terminals, {first.impact.changed:,} change; deciding them separately: {actual:,}")
    print(f"distinct evidence judged by the plain engine: {first.distinct:,}")
    print(f"first preview {cold_s:.2f} s; then median {median:.2f} s of CPU on one core, worst {max(spent):.2f} s")
    print(f"by the clock on the wall median {np.median(waited):.2f} s; load {os.getloadavg()}")
    print(f"goal: at most {GOAL_S} s: {'met' if met else 'missed'}")
    figures = {
        "terminals": first.terminals, "changed": first.impact.changed, "distinct": first.distinct, "first_s": cold_s,
        "median_s": median, "worst_s": max(spent), "wall_s": float(np.median(waited)), "same": same, "agree": agree,
        "goal_s": GOAL_S, "met": met,
    }  # fmt: skip
    print(json.dumps({"benchmark": "impact", "seed": args.seed, **figures}))
    return 0 if met else 1


def prepared(folder: Path, terminals: int, seed: int):  # type: ignore[no-untyped-def]
    """A home with one run over one report of every terminal."""
    fleet = generate(terminals=terminals, minutes=0.5, seed=seed)
    home = create_home(folder / "home", ledger=None)
    recorded = fleet.start_ns + 3600 * NS_PER_S
    with home.writer():
        with Registers.open(home) as registers:
            for position, (kind, table) in enumerate(fleet.registers.items()):
                path = folder / f"{kind}.parquet"
                pq.write_table(table, path)
                import_register(
                    registers, kind, path, recorded_at_ns=recorded + position, actor="benchmark", rejected_folder=home.rejected
                )
        inputs = Inputs(fleet.batches(history=False), files=list, rejected=dict, in_order=False)
        decide(home, inputs, recorded_at_ns=recorded + 100)
    return home, recorded + 200


def really_changed(home, text: str, at_ns: int) -> int:  # type: ignore[no-untyped-def]
    """Terminals that two separate judgements of the same fleet answer differently."""
    fleet, registers, areas = load_fleet(home), timeline(home, at_ns), load_areas(home)[0]
    outcomes = []
    for book in (rulebook_of(home), read_rulebook(text)):
        judge = Judge(make_basis(book, areas, registers))
        parts = [judge.judge(fleet.table.slice(at, 50_000), as_of_ns=at_ns) for at in range(0, len(fleet), 50_000)]
        outcomes.append(np.concatenate([part.decided.outcome for part in parts]))
    return int((outcomes[0] != outcomes[1]).sum())


if __name__ == "__main__":
    sys.exit(main())
