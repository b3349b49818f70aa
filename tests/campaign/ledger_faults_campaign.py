"""What a log survives, in full numbers: power losses, kills, failing calls, second writers, a long log; JSON lines.

    python tests/campaign/ledger_faults_campaign.py [--seeds N] [--first-seed S] [--kills N] [--entries N] [--only NAME] …

Each harness prints a line of its own, the last line holds them all. Exits 1 at any violation; the seed, the run or the
call that broke a promise is printed and breaks it again at the same commit.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "faults"))

from kill_runs import kill_runs
from log_process import Outcome, check_recovery, create, server
from log_server import POLICY, SIGNERS, items
from simulated_ledger import Totals, Violation, run
from syscall_sweep import FAULTS, CannotTrace, attach, sweep

from groundrule.ledger.log import Log

ROOT = Path(__file__).resolve().parents[2]

Result = dict[str, Any]


def power_loss(folder: Path, args: argparse.Namespace) -> Result:
    """R3 and R9: seeds of the simulated machine."""
    del folder
    totals, wrong = Totals(), []
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        try:
            totals.add(run(seed))
        except Violation as violation:
            wrong.append(seed)
            print(violation, flush=True)
    return {
        "goal": "R3, R9",
        "seed": args.first_seed,
        "runs": args.seeds,
        "faults": totals.power_losses + totals.failing_calls,
        **{name: value for name, value in vars(totals).items() if name != "seeds"},
        "simulated_days": round(totals.simulated_s / 86_400),
        "violations": len(wrong),
        "first_violation_seed": wrong[0] if wrong else None,
    }


def kills(folder: Path, args: argparse.Namespace) -> Result:
    """R1: kill -9 at random moments."""
    counts = kill_runs(folder / "log", runs=args.kills, seed=args.first_seed, longest=300)
    for what in counts.what:
        print(what, flush=True)
    return {
        "goal": "R1",
        "seed": args.first_seed,
        "runs": counts.runs,
        "faults": counts.runs,
        "writes": counts.writes,
        "least_writes": counts.least_writes,
        "acknowledged": counts.acked,
        "repaired": counts.repaired,
        "lost": counts.lost,
        "worst_ms": round(counts.slowest_restart_s * 1000),
        "violations": counts.lost + counts.faults,
    }


def syscalls(folder: Path, args: argparse.Namespace) -> Result:
    """R2: every file call of one append, in every way, within a tile and across the end of one."""
    del args
    runs = surfaced = tolerated = repaired = calls = violations = 0
    try:
        for number, (entries, count) in enumerate(((3, 2), (254, 5))):
            (folder / str(number)).mkdir()
            counts = sweep(folder / str(number), entries=entries, count=count, faults=tuple(FAULTS))
            for what in counts.what:
                print(what, flush=True)
            calls += counts.calls.total()
            runs += counts.runs.total()
            surfaced, tolerated = surfaced + counts.surfaced, tolerated + counts.tolerated
            repaired, violations = repaired + counts.repaired, violations + len(counts.what)
    except CannotTrace as error:
        return {"goal": "R2", "runs": 0, "skipped": str(error), "violations": 0}
    return {
        "goal": "R2",
        "calls": calls,
        "ways": list(FAULTS),
        "runs": runs,
        "faults": runs,
        "surfaced": surfaced,
        "tolerated": tolerated,
        "repaired": repaired,
        "violations": violations,
    }


def failed_fsync(folder: Path, args: argparse.Namespace) -> Result:
    """R4: the n-th fsync fails, for n up to 100; the process ends by itself and has signed nothing more."""
    violations, worst = 0, 0.0
    try:
        with server() as running:
            for number in range(1, args.fsyncs + 1):
                log = folder / f"log{number}"
                create(log, 3)
                inject = f"inject=fsync:error=EIO:when={number}"
                with attach(running, "until_it_fails", folder / "trace", inject, folder=str(log)):
                    running.go()
                    outcome = Outcome()
                    while outcome.error is None and outcome.exit is None:
                        outcome.take(running.line())
                    started = time.perf_counter()
                    running.finish(outcome)
                    worst = max(worst, time.perf_counter() - started)
                went_on = any(line.get("went_on") for line in outcome.lines)
                if outcome.exit != 3 or outcome.error != "StoreError" or went_on:
                    violations += 1
                    print(f"fsync {number}: exit code {outcome.exit}, {outcome.error}, went on: {went_on}", flush=True)
                check_recovery(log, {}, None)
    except CannotTrace as error:
        return {"goal": "R4", "runs": 0, "skipped": str(error), "violations": 0}
    return {"goal": "R4", "runs": args.fsyncs, "faults": args.fsyncs, "worst_ms": round(worst * 1000), "violations": violations}


def second_writers(folder: Path, args: argparse.Namespace) -> Result:
    """R8: 1,000 starts beside a running writer."""
    create(folder / "log", 3)
    violations, worst = 0, 0.0
    with server() as running, Log.open(folder / "log", signers=SIGNERS, clock=time.time_ns) as log:
        for number in range(args.starts):
            started = time.perf_counter()
            running.start("one_append", folder=str(folder / "log"), count=1, sign=True)
            outcome = running.finish(Outcome())
            worst = max(worst, time.perf_counter() - started)
            violations += (outcome.exit, outcome.error, outcome.acked) != (3, "ConflictError", {})
            if number % 100 == 0:
                log.append(items(1, start=log.size))
                log.commit(patience_s=0)
        size = log.size
    violations += size != 3 + (args.starts + 99) // 100
    check_recovery(folder / "log", {}, None)
    return {"goal": "R8", "runs": args.starts, "faults": args.starts, "worst_ms": round(worst * 1000), "violations": violations}


def restart(folder: Path, args: argparse.Namespace) -> Result:
    """R1: a long log is open again within 5 s of a kill."""
    log = Log.create(folder / "log", signers=SIGNERS, policy=POLICY, clock=time.time_ns)
    while log.size < args.entries:
        log.append(items(1000, start=log.size))
        if log.size % 100_000 == 0:
            log.commit(patience_s=0)
    log.close()
    with server() as running:
        process = running.start("hammer", folder=str(folder / "log"), seed=1, longest=1000)
        outcome = Outcome()
        while len(outcome.acked) < 3000 and outcome.exit is None:
            outcome.take(running.line())
        if outcome.exit is None:
            os.kill(process, signal.SIGKILL)
            running.finish(outcome)
    killed = outcome.exit == -signal.SIGKILL
    if not killed:
        print(f"the writer ended by itself: {outcome.error} {outcome.message}", flush=True)
    started = time.perf_counter()
    again = Log.open(folder / "log", signers=SIGNERS, clock=time.time_ns)
    seconds = time.perf_counter() - started
    tree = again.tree()
    lost = sum(index >= again.size or tree.entry(index) != entry for index, entry in outcome.acked.items())
    size = again.size
    again.close()
    return {
        "goal": "R1 (restart)",
        "runs": 1,
        "faults": 1,
        "entries": size,
        "worst_ms": round(seconds * 1000),
        "lost": lost,
        "violations": lost + (seconds > 5) + (not killed),
    }


HARNESSES: dict[str, Callable[[Path, argparse.Namespace], Result]] = {
    "power_loss": power_loss,
    "kills": kills,
    "syscalls": syscalls,
    "failed_fsync": failed_fsync,
    "second_writers": second_writers,
    "restart": restart,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--first-seed", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--starts", type=int, default=1000)
    parser.add_argument("--fsyncs", type=int, default=100)
    parser.add_argument("--only", choices=sorted(HARNESSES))
    args = parser.parse_args()
    results: dict[str, Result] = {}
    for name, harness in HARNESSES.items():
        if args.only not in (None, name):
            continue
        started = datetime.now(UTC)
        with tempfile.TemporaryDirectory() as folder:
            result = harness(Path(folder), args)
        result |= {"commit": commit(), "started": f"{started:%FT%TZ}", "finished": f"{datetime.now(UTC):%FT%TZ}"}
        result["different"] = result["violations"]
        results[name] = result
        print(json.dumps({"harness": name, **result}), flush=True)
    violations = sum(result["violations"] for result in results.values())
    print(json.dumps({"campaign": "ledger faults", **results, "passed": not violations}), flush=True)
    return 1 if violations else 0


def commit() -> str:
    ran = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return ran.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
