"""Late, repeated and shuffled delivery over several runs gives the signals of the ordered stream in the end; then a JSON line.

    python tests/campaign/detected_campaign.py [--seeds N]

Every row comes three times, 10 % of them late by up to 72 hours. Exits 1 at any difference.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from detected_stream import final_signals, fresh_detection, signals_over, wild_observations
from late_delivery import deliver
from small_home import copy_home, make_home, run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=240)
    args = parser.parse_args()
    wrong: list[int] = []
    kinds: Counter[str] = Counter()
    totals = dict.fromkeys(("observations", "runs", "late", "duplicates", "signals"), 0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        template = make_home(folder / "template")
        for seed in range(1000, 1000 + args.seeds):
            whole = wild_observations(seed)
            wanted = signals_over(fresh_detection(template), [whole])
            home = copy_home(template, folder / "late")
            parts, _ = deliver(whole, seed)
            for part in parts:
                counts = run(home, part, detection=fresh_detection(home)).counts
                totals["late"] += counts.late
                totals["duplicates"] += counts.duplicates
            totals["observations"] += len(whole)
            totals["runs"] += len(parts)
            totals["signals"] += len(wanted)
            kinds.update(wanted["kind"].to_pylist())
            if not final_signals(home).equals(wanted):
                wrong.append(seed)
            shutil.rmtree(home.path)
    for seed in wrong:
        print(f"seed {seed}: the final signals differ")
    print(json.dumps({"seeds": args.seeds, "differ": len(wrong), **totals, "kinds": dict(kinds.most_common())}))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
