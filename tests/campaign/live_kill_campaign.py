"""Kill the live desk at random moments, again and again; what was acknowledged is there, once.

    python tests/campaign/live_kill_campaign.py [--kills 200] [--seed 1]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from groundrule.pipeline.home_ledger import LedgerSetup

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "faults")]

from live_process import kill_runs  # noqa: E402 - the path comes first

from small_home import make_home  # noqa: E402


def main() -> int:
    """Count what was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        template = make_home(Path(folder) / "template", ledger=LedgerSetup())
        counts = kill_runs(template, Path(folder), kills=asked.kills, seed=asked.seed)
    found = asdict(counts)
    print("\n".join(found.pop("faults")), file=sys.stderr)
    print(json.dumps({"campaign": "live_kill", "lost_or_doubled_different": counts.lost + counts.doubled} | found))
    return 1 if counts.faults or counts.lost or counts.doubled else 0


if __name__ == "__main__":
    sys.exit(main())
