"""Memory of `decide` over streams of 6 and of 16 million rows; then a JSON line.

    python tests/campaign/memory_campaign.py [--terminals N]

Each stream runs in a process of its own, in batches of a million rows, in order of time or shuffled within an hour. Exits 1
where the longer stream takes more than a tenth more memory than the shorter one. Six million fill the sorting memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[1]))

from groundrule.instant import NS_PER_S
from groundrule.pipeline.runs import Inputs, decide
from groundrule.records import OBSERVATION_SCHEMA
from small_home import RECORDED, T0, make_home

ROWS = 1_000_000


def batches(count: int, terminals: int, shuffled: bool) -> Iterator[pa.Table]:
    rng = np.random.default_rng(1)
    names = pa.array([f"ut-{k:08d}" for k in range(terminals)])
    for number in range(count):
        rows = np.arange(number * ROWS, (number + 1) * ROWS)
        if shuffled:
            rng.shuffle(rows)
        who = (rows * 7919) % terminals
        at = T0 + rows // terminals * 15 * NS_PER_S + who
        columns = {
            "terminal_id": names.take(pa.array(who)),
            "observed_at": pa.array(at),
            "lat_deg": pa.array(who % 97 * 0.1),
            "lon_deg": pa.array(who % 193 * 0.1),
            "position_source": pa.repeat("gnss", ROWS),
            "source": pa.repeat("made", ROWS),
            "source_row": pa.array(rows),
        }
        yield pa.table(
            [columns.get(field.name, pa.nulls(ROWS, field.type)) for field in OBSERVATION_SCHEMA],
            schema=OBSERVATION_SCHEMA,
        )


def measure(count: int, terminals: int, shuffled: bool) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        home = make_home(Path(folder) / "home")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        with home.writer():
            done = decide(
                home,
                Inputs(batches(count, terminals, shuffled), files=list, rejected=dict),
                recorded_at_ns=RECORDED,
            )
        assert done.counts.decided == count * ROWS
        return {
            "seconds": time.perf_counter() - started,
            "start_mb": before / 1e3,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terminals", type=int, default=200_000)
    parser.add_argument("--child", nargs=2, type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure(args.child[0], args.terminals, bool(args.child[1]))))
        return 0
    found: dict[str, dict[str, float]] = {}
    for shuffled in (0, 1):
        for count in (6, 16):
            done = subprocess.run(
                [sys.executable, __file__, "--terminals", str(args.terminals), "--child", str(count), str(shuffled)],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            name = f"{count} million rows, {'shuffled' if shuffled else 'in order'}"
            found[name] = json.loads(done.stdout.splitlines()[-1])
            print(f"{name}: peak {found[name]['peak_mb']:,.0f} MB, {found[name]['seconds']:.1f} s", flush=True)
    peaks = [one["peak_mb"] for one in found.values()]
    good = peaks[1] <= 1.1 * peaks[0] and peaks[3] <= 1.1 * peaks[2]
    print(json.dumps({"campaign": "memory", "terminals": args.terminals, **found, "passed": good}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
