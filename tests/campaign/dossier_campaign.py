"""Change bundles of dossiers in many ways; both verifiers must refuse every one of them, and agree.

    python tests/campaign/dossier_campaign.py [--mutations 10000]
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dossier_mutants import by_tool, by_us, make_bundles, mutants, tool
from investigated_home import make_case


def main() -> int:
    """Count what passes, and where the two differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutations", type=int, default=10_000)
    asked = parser.parse_args()
    made = make_bundles(make_case(report=False), make_case(report=False))
    module = tool()
    assert by_tool(module, made.data, made.policy)
    assert by_us(made.data, made.policy)
    seen = set[int]()
    passed = verdicts_differ = 0
    for seed in count(1):
        for name, data in mutants(made, seed=seed, flips=600):
            if hash(data) in seen:
                continue
            seen.add(hash(data))
            verdicts = by_tool(module, data, made.policy), by_us(data, made.policy)
            if any(verdicts):
                print(f"passed {verdicts}: seed {seed}, {name}")
            passed += any(verdicts)
            verdicts_differ += verdicts[0] != verdicts[1]
            if len(seen) >= asked.mutations:
                result = {"mutations": len(seen), "accepted_different": passed, "verdicts_differ": verdicts_differ, "seeds": seed}
                print(json.dumps({"campaign": "dossier"} | result))
                return 1 if passed else 0
    raise AssertionError("there are always more")


if __name__ == "__main__":
    sys.exit(main())
