"""A large home replayed and asked on a real standalone cluster, and on one machine: every answer is to be the same, byte for byte.

    python tests/campaign/spark_campaign.py [--observations 50000000] [--terminals 1000000] [--partitions N] [--workers 2]

1. A home is made: invented terminals that stand and drive over Europe, four runs; one terminal in ten delivers a tenth of its
   observations late and a tenth twice, so that it is decided again.
2. `groundrule replay --json`, without a cluster and with a master and workers of one core each, separate processes on loopback.
3. `groundrule whatif --json --map`, both ways, under the same rulebook without the licence of one country.

Prints a line for each with time, and the most memory of a process of each kind (Java, Python), then a JSON line. Exits 1
where an answer or a map differs, a replay is not identical, or nothing of the home is decided otherwise in the what-if.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests")]

import spark as spark_benchmark  # noqa: E402 - after the path
from groundrule.store.home import Home  # noqa: E402 - after the path
from spark_places import standalone  # noqa: E402 - after the path


def asked(name: str, *arguments: object) -> tuple[str, dict[str, float]]:
    """Run a command of groundrule; its output, time and most memory of it and what it has started."""
    command = [sys.executable, "-m", "groundrule", *map(str, arguments)]
    began = time.perf_counter()
    with spark_benchmark.peaks([os.getpid()]) as seen, tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as told:
        code = subprocess.run(command, stdout=said, stderr=told, check=False).returncode
        took = time.perf_counter() - began
        said.seek(0)
        told.seek(0)
        text, steps = said.read(), told.read()
    if code not in (0, 1):
        raise SystemExit(f"{name}: exit code {code}: {steps[-2_000:]}")
    found = {"s": round(took, 1), **{key.removeprefix("peak_"): round(value) for key, value in seen.items() if key != "peak_asking_mb"}}
    print(f"{name}: {found}; load {os.getloadavg()[0]:.1f}", flush=True)
    return text, found


def other_rules(home: Home, folder: Path) -> Path:
    """The rulebook of the home, under which Poland is no longer licensed."""
    (book,) = home.rulebooks.glob("*.yaml")
    text, changes = re.subn(r"^(  PL: \{status: )licensed\b", r"\1unlicensed", book.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if not changes:
        raise SystemExit("the rulebook has no licence for PL, so that nothing can be decided otherwise")
    file = folder / "other.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--observations", type=int, default=50_000_000)
    parser.add_argument("--terminals", type=int, default=1_000_000)
    parser.add_argument("--partitions", type=int, help="buckets of terminals; the default is that of the command")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--home", type=Path, help="of an earlier run; or where to make one that stays")
    told = parser.parse_args()
    found: dict[str, Any] = {"observations": told.observations, "terminals": told.terminals}
    with tempfile.TemporaryDirectory(prefix="groundrule-campaign-") as name:
        folder = Path(name)
        place = told.home or folder / "home"
        began = time.perf_counter()
        if not (place / "home.json").exists():
            spark_benchmark.made(place, told.observations, told.terminals, told.seed, late_terminals=0.1, registered=0.1)
        home = Home.open(place)
        print(f"home made in {time.perf_counter() - began:.0f} s", flush=True)
        rules = other_rules(home, folder)
        differ = 0
        with standalone(folder, told.workers) as cluster:
            on = ["--engine", "spark", "--master", cluster.master, *(["--partitions", told.partitions] if told.partitions else [])]
            alone, found["replay"] = asked("replay", "replay", "--home", place, "--json")
            spread, found["replay_spark"] = asked("replay on the cluster", "replay", "--home", place, "--json", *on)
            differ += spread != alone or not json.loads(alone)["identical"]
            found |= {key: json.loads(alone)[key] for key in ("decisions", "runs")}
            question = ("whatif", "--home", place, "--rules", rules, "--json", "--map")
            alone, found["whatif"] = asked("what-if", *question, folder / "alone.png")
            spread, found["whatif_spark"] = asked("what-if on the cluster", *question, folder / "spread.png", *on)
            differ += spread != alone or (folder / "alone.png").read_bytes() != (folder / "spread.png").read_bytes()
            found["changed_terminals"] = json.loads(alone)["changed_terminals"]
            differ += not found["changed_terminals"]
    print(json.dumps(found | {"answers_that_differ": differ}))
    return int(differ > 0)


if __name__ == "__main__":
    sys.exit(main())
