"""Long count: the second verifier against Groundrule on receipts of random records and on altered ones.

    python tests/campaign/second_verifier_campaign.py [--receipts 10000] [--mutations 20000] [--seed 1]

Prints one JSON line; exits 1 if a sound receipt is refused, an altered one accepted, or the two verifiers disagree.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "against"))

import real_receipts
from test_second_verifier import first, second

from groundrule.errors import GroundruleError
from groundrule.ledger.audit.receipts import verify_receipt
from groundrule.ledger.policy import Policy


def run(receipts: int, mutations: int, seed: int) -> dict[str, float]:
    """Make the log, then check every receipt and its share of the mutations; returns the counts."""
    started, rng = time.process_time(), random.Random(seed)
    sizes = [rng.choice([0, 1, 3, 100, 257, 300]) for _ in range(8)]
    while sum(sizes) < receipts:
        sizes.append(min(rng.randrange(600), receipts - sum(sizes)))
    counts = {"receipts": 0, "receipts_differ": 0, "mutations": 0, "mutations_accepted_differ": 0, "verdicts_differ": 0}
    with tempfile.TemporaryDirectory() as name:
        ledger = real_receipts.Ledger(Path(name) / "log", seed, sizes)
        policy = Policy.parse(ledger.policy)
        made = ledger.receipts()
        for receipt in made:
            wrong, facts = second(ledger.policy, receipt.data)
            try:
                fields = dict(verify_receipt(receipt.data, policy).fields)
            except GroundruleError:
                fields = None
            counts["receipts"] += 1
            counts["receipts_differ"] += wrong is not None or not facts["fields"] == receipt.opened == fields
        while counts["mutations"] < mutations:
            receipt, other = rng.sample(made, 2)
            altered = [] if receipt.index == other.index else real_receipts.field_mutations(receipt.data, other.data, rng)
            altered += real_receipts.frame_mutations(receipt.data, ledger.checkpoints[0], rng)
            whole = real_receipts.one_log_line(receipt.data, long=rng.random() < 0.5)
            altered += [found for found in real_receipts.byte_mutations(whole, rng, 100) if found[1] != whole]
            for what, data in altered:
                verdicts = (second(ledger.policy, data)[0] is None, first(policy, data) is None)
                counts["mutations"] += 1
                counts["mutations_accepted_differ"] += any(verdicts)
                counts["verdicts_differ"] += verdicts[0] != verdicts[1]
                if any(verdicts):
                    print(f"accepted by {verdicts}: {what} of receipt {receipt.index}")
    return {**counts, "entries": ledger.log.size, "cpu_s": round(time.process_time() - started, 1)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--receipts", type=int, default=10_000)
    parser.add_argument("--mutations", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    counts = run(options.receipts, options.mutations, options.seed)
    print(json.dumps(counts))
    return 1 if any(value for name, value in counts.items() if name.endswith("differ")) else 0


if __name__ == "__main__":
    sys.exit(main())
