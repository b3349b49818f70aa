"""Long count: large sets of ledger vectors from new seeds, run through `groundrule ledger conform`.

    python tests/campaign/ledger_vectors_campaign.py [--sets 20] [--seed 1]

Prints one JSON line; exits 1 if any case differs.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import ledger_vectors
from groundrule.ledger.conform import conform


def run(sets: int, seed: int) -> dict[str, float]:
    """Make the sets one after the other and compare; returns the counts."""
    started = time.process_time()
    passed = failed = left_open = 0
    largest = 0
    for number in range(seed, seed + sets):
        with tempfile.TemporaryDirectory() as name:
            folder = ledger_vectors.write(Path(name), f"campaign{number}", large=True)
            trees = json.loads((folder / "trees.json").read_text(encoding="utf-8"))["cases"]
            largest = max(largest, *(case["size"] for case in trees))
            for result in conform(folder):
                passed += result.passed
                failed += len(result.failed)
                left_open += len(result.skipped)
                for failure in result.failed[:3]:
                    print(f"seed campaign{number}, {result.file}: {failure}")
    return {
        "cases": passed + failed, "differ": failed, "implementation_defined": left_open, "sets": sets, "largest_tree": largest,
        "cpu_s": round(time.process_time() - started, 1),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    counts = run(options.sets, options.seed)
    print(json.dumps(counts))
    return 1 if counts["differ"] else 0


if __name__ == "__main__":
    sys.exit(main())
