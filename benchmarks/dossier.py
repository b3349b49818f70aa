"""Dossiers from a home with ten million decisions: a refused craft, a wrongly refused ambulance, and the change of a rule.

Input: the home of the story `front` (an invented operator with board, requests, contacts, reports), into which a generated fleet of
ten million observations is decided as well. Timed, each in a process of its own as a user would run it: reading the home, gathering,
explaining, drawing the page, proofs, receipts, manifest, entry of the log, archive. Bound: the machine's own cost of reading the
column of terminal ids of all decisions once (pyarrow), printed as a ratio.

Checked in the same run: the small verifier, which holds none of our code, accepts every bundle.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from groundrule.cli.story import play_story, run_command
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.home_ledger import HomeLedger
from groundrule.pipeline.manifests import runs
from groundrule.pipeline.runs import Inputs, decide
from groundrule.simulate.fleet import generate
from groundrule.simulate.governance_incidents import load_story
from groundrule.store.history import run_files
from groundrule.store.home import Home

GOAL_S = 10.0
ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terminals", type=int, default=50_000)
    parser.add_argument("--minutes", type=float, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "front"
        place.mkdir()
        _quietly_play(place)
        home = Home.open(place / "home")
        decided = _fill(home, args.terminals, args.minutes)
        change = json.loads(run_command(["govern", "status", "--home", str(home.path), "--json"])[1])["proposals"][0]["id"]
        subjects = {
            "refused craft": ("terminal", "craft-9"),
            "refused ambulance": ("terminal", "ambulance-3"),
            "change of a rule": ("change", change),
        }
        scan_s = min(_scan(home) for _ in range(args.rounds))
        found = {name: _timed(home, kind, id_, Path(folder) / "out", args.rounds) for name, (kind, id_) in subjects.items()}
    worst = max(median for median, _ in found.values())
    whole = all(holds for _, holds in found.values())
    print(f"{decided:,} decisions; reading their terminal ids once: {scan_s:.2f} s")
    for name, (median, holds) in found.items():
        print(f"{name}: {median:.2f} s, {median / scan_s:.1f} × that; verifier: {'holds' if holds else 'FAILED'}")
    met = whole and worst <= GOAL_S
    print(f"goal: at most {GOAL_S:.0f} s each: {'met' if met else 'missed'}; load {os.getloadavg()}")
    print(json.dumps({"decisions": decided, "scan_s": round(scan_s, 3), "median_s": {k: round(v, 2) for k, (v, _) in found.items()}}))
    return 0 if met else 1


def _quietly_play(place: Path) -> None:
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        play_story(load_story("front"), place, as_json=True)


def _fill(home: Home, terminals: int, minutes: float) -> int:
    """Decide a generated fleet into the home, and return how many decisions it then holds."""
    fleet = generate(terminals=terminals, minutes=minutes, seed=2026)
    now_ns = time.time_ns()
    with home.writer(), HomeLedger.open(home) as ledger:
        inputs = Inputs(fleet.batches(instants_per_batch=10), lambda: [{"name": "generated fleet"}], dict, in_order=True)
        decide(home, inputs, recorded_at_ns=now_ns, basis=basis_of(home, recorded_at_ns=now_ns), ledger=ledger)
    return sum(pq.read_metadata(path).num_rows for run in runs(home) for path in run_files(home, "decisions", run))


def _scan(home: Home) -> float:
    began = time.perf_counter()
    for run in runs(home):
        for path in run_files(home, "decisions", run):
            pq.read_table(path, columns=["terminal_id"], use_threads=False)
    return time.perf_counter() - began


def _timed(home: Home, kind: str, subject: str, out: Path, rounds: int) -> tuple[float, bool]:
    """Median seconds of the whole command, and whether the verifier accepts what it wrote."""
    spent = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "groundrule", "dossier", kind, subject, "--home", home.path, "--out", out],
            check=True, capture_output=True,
        )  # fmt: skip
        spent.append(time.perf_counter() - began)
    checked = subprocess.run(
        [sys.executable, ROOT / "tools" / "verify_dossier.py", out / "dossier.zip", "--policy", home.path / "ledger" / "policy"],
        check=False, capture_output=True,
    )  # fmt: skip
    return sorted(spent)[rounds // 2], checked.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
