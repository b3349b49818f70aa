"""Outages in the long run: simulated years at an enforcement point, and how long loading the last good snapshot takes.

    python tests/campaign/degraded_campaign.py [--seeds N] [--days D] [--minutes M] [--terminals N]

Prints one JSON line for each harness (docs/degraded.md). A violation prints its seed; the same seed shows it again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "faults"), str(TESTS / "properties")]

from simulated_outages import RESTART_S, FullDisk, Outages, Published  # noqa: E402 - the path comes first
from slow_degraded import decide  # noqa: E402
from test_degraded import FAULTS, GRID, ORDER, ROWS, found  # noqa: E402

from governed_world import MINUTE  # noqa: E402
from groundrule.pipeline import point_desk  # noqa: E402
from groundrule.pipeline.home import create_home  # noqa: E402
from groundrule.store.register_extract import read_extract, write_extract  # noqa: E402
from groundrule.store.register_import import import_register  # noqa: E402
from groundrule.store.registers import Registers  # noqa: E402

GOAL_AVAILABILITY = 0.9999
GOAL_LOAD_MS = 1000


def commit() -> str:
    """Return the commit that runs."""
    return subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=TESTS, check=False).stdout.strip()


def told(goal: str, started: datetime, **values: Any) -> bool:
    """Print the line of one harness; return whether it found no violation."""
    line = {"goal": goal, "commit": commit(), **values, "started": started.isoformat(), "finished": datetime.now(UTC).isoformat()}
    print(json.dumps(line), flush=True)
    return not values["violations"]


def grid() -> bool:
    """Every combination of faults against the slow model, with nothing taken as said: all seven causes are asked about."""
    started = datetime.now(UTC)
    wrong, first = 0, None
    for each in GRID:
        degree = dict(zip(FAULTS, each, strict=True))
        outcome = found(each).outcome
        different = sum(int(outcome[k]) != ORDER.index(decide(row, degree)) for k, row in enumerate(ROWS))
        found.cache_clear()
        wrong += different
        first = first or (each if different else None)
    return told("grid", started, runs=len(GRID) * len(ROWS), faults=len(GRID), violations=wrong, first_violation_seed=first)


def years(seeds: int, days: float, minutes: int) -> bool:
    """Simulated time with faults that come and go."""
    started = datetime.now(UTC)
    point_desk.JournalFile = FullDisk  # type: ignore[misc]  # its disk can be full
    total: Counter[str] = Counter()
    causes: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    shares, loads, violations = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        published = Published.make(Path(folder))
        for seed in range(seeds):
            report = Outages(published, Path(folder) / f"point-{seed}", seed, minutes * MINUTE).run(days)
            total.update(asked=report.asked, wrong=report.wrong, degraded=report.degraded, changed=report.changed)
            causes.update(report.by_cause)
            faults.update(report.faults)
            shares.append(report.availability)
            loads += report.loads_ms
            violations += report.violations
            print(f"seed {seed}: {report.availability:.6%}, {sum(report.kinds.values())} violations", file=sys.stderr, flush=True)
    below = [seed for seed, share in enumerate(shares) if share < GOAL_AVAILABILITY]
    return told(
        "availability", started, runs=seeds, days=days, step_minutes=minutes,
        decisions=total["asked"], degraded=total["degraded"], changed=total["changed"],
        wrong=total["wrong"], by_cause=dict(causes.most_common()), faults=dict(faults.most_common()), restart_s=RESTART_S,
        availability_mean=statistics.fmean(shares), availability_worst=min(shares), loads=len(loads),
        worst_ms=max(loads), median_ms=statistics.median(loads), violations=len(violations) + len(below),
        first_violation_seed=(violations or [None])[0], seeds_below_goal=below,
    )  # fmt: skip


def loading(terminals: int) -> bool:
    """How long a snapshot with so many terminals takes to be read and verified, once the program is warm."""
    started = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        home = create_home(Path(folder) / "home", ledger=None)
        file = Path(folder) / "terminals.csv"
        lines = (f"ut-{k:08d},,{'roam' if k % 7 else 'residential'},registered,{'DE' if k % 3 else 'PL'}" for k in range(terminals))
        file.write_text("\n".join(itertools.chain(["terminal_id,account_id,plan,registration,activation_country"], lines)) + "\n")
        at = time.time_ns()
        with home.writer(), Registers.open(home) as registers:
            import_register(registers, "terminals", file, recorded_at_ns=at, actor="campaign", rejected_folder=home.rejected)
        with Registers.open(home) as registers:
            data = write_extract(registers, at + 1_000_000, {})
    read_extract(data)
    times = []
    for _ in range(7):
        begun = time.perf_counter()
        read_extract(data)
        times.append((time.perf_counter() - begun) * 1000)
    return told(
        "loading the registers of a snapshot", started, runs=len(times), terminals=terminals, bytes=len(data), worst_ms=max(times),
        median_ms=statistics.median(times), violations=int(statistics.median(times) > GOAL_LOAD_MS),
    )  # fmt: skip


def main() -> int:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--days", type=float, default=363)
    parser.add_argument("--minutes", type=int, default=60, help="between two decisions of the fleet")
    parser.add_argument("--terminals", type=int, default=250_000)
    given = parser.parse_args()
    return 0 if all([grid(), loading(given.terminals), years(given.seeds, given.days, given.minutes)]) else 1


if __name__ == "__main__":
    sys.exit(main())
