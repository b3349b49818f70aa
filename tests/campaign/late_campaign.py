"""Late, repeated and shuffled delivery over several runs gives the final decisions of the ordered stream; then a JSON line.

    python tests/campaign/late_campaign.py [--seeds N] [--radio]

With --radio half of the observations have a verification, and the rulebook uses what radio says.
Every tenth seed is replayed too, and every seventh loses its cache between two runs. Exits 1 at any difference.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from groundrule.pipeline.runs import replay
from groundrule.pipeline.verifying import Attendance
from late_delivery import deliver
from radio_rows import RADIO_BOOK, verified
from small_home import BOOK, copy_home, final_decisions, make_home, run, stream


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=240)
    parser.add_argument("--rows", type=int, default=180)
    parser.add_argument("--radio", action="store_true")
    args = parser.parse_args()
    wrong: list[int] = []
    totals = dict.fromkeys(("observations", "runs", "late", "corrected", "duplicates"), 0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        template = make_home(folder / "template", book=RADIO_BOOK if args.radio else BOOK)
        for seed in range(1000, 1000 + args.seeds):
            whole = stream(seed, rows=args.rows)
            once, home = copy_home(template, folder / "once"), copy_home(template, folder / "late")
            known = verified(whole, seed) if args.radio else None
            run(once, whole, attendance=Attendance(known))
            parts, _ = deliver(whole, seed)
            for number, part in enumerate(parts):
                if seed % 7 == 0 and number == 1:
                    (home.cache / "state.npz").unlink()
                counts = run(home, part, attendance=Attendance(known)).counts
                for key in ("late", "corrected", "duplicates"):
                    totals[key] += getattr(counts, key)
                if counts.over_late:
                    wrong.append(seed)
            totals["observations"] += len(whole)
            totals["runs"] += len(parts)
            same = final_decisions(home, range(1, len(parts) + 1)) == final_decisions(once, [1])
            if not same or (seed % 10 == 0 and not replay(home).identical):
                wrong.append(seed)
            shutil.rmtree(once.path)
            shutil.rmtree(home.path)
    for seed in wrong:
        print(f"seed {seed}: the final decisions differ")
    print(json.dumps({"campaign": "late", "seeds": args.seeds, **totals, "different": len(wrong), "passed": not wrong}))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
