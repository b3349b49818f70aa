"""Long count: one bit of every byte of a log of 600 entries, found by the full check and never signed over.

    python tests/campaign/ledger_flips_campaign.py [--every 1] [--signed 2000] [--seed 1]

Prints one JSON line; exits 1 if one flip is missed or a wrong root is signed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import log_flips


def main() -> int:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="take only every n-th byte")
    parser.add_argument("--signed", type=int, default=2000, help="flips after which the log is asked to sign")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    started = time.process_time()
    flips = list(islice(log_flips.every_byte(arguments.seed), 0, None, arguments.every))
    missed = log_flips.undetected(flips, raw=True)
    for name, bit in missed[:10]:
        print(f"missed: bit {bit} of {name}")
    with tempfile.TemporaryDirectory() as folder:
        damaged = log_flips.SignedOver(Path(folder))
        outcomes = Counter(damaged.outcome(flip) for flip in damaged.sample(arguments.signed, arguments.seed))
    passed = not missed and not outcomes["wrong"]
    result = {
        "campaign": "ledger flips",
        "seed": arguments.seed,
        "flips": len(flips),
        "files": len({name for name, _ in flips}),
        "missed": len(missed),
        "then_asked_to_sign": sum(outcomes.values()),
        "refused": outcomes["refused"],
        "signed_the_right_root": outcomes["right"],
        "signed_a_wrong_root": outcomes["wrong"],
        "cpu_s": round(time.process_time() - started, 1),
        "passed": passed,
    }
    print(json.dumps(result))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
