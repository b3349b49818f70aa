"""Long count: every invariant of governance on many random histories, against the slow model.

    python tests/campaign/governance_campaign.py [--examples 10000] [--only i2]

Prints one JSON line; exits 1 if an invariant fails. The number of examples holds for each invariant.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "properties")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    # Read when the tests are imported.
    os.environ["GROUNDRULE_EXAMPLES"] = str(options.examples)
    import test_governance
    from slow_governance import good_signature

    from groundrule import signing

    # As in the suite: both sides ask the same library, and no signature is checked twice.
    signing.verify = lambda _, public, signature, message: good_signature(public, signature, message)
    started = time.process_time()
    failed: list[str] = []
    names = [name for name in vars(test_governance) if name.startswith(f"test_{options.only}")]
    for name in names:
        try:
            getattr(test_governance, name)()
        except Exception as error:  # noqa: BLE001 - every failure is reported, and the other invariants still run
            failed.append(name)
            print(f"{name}:", file=sys.stderr)
            traceback.print_exception(error, limit=-3)  # its notes hold the history that fails
    print(json.dumps({
        "invariants": len(names), "examples_each": options.examples, "failed": sorted(failed),
        "cpu_s": round(time.process_time() - started, 1),
    }))  # fmt: skip
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
