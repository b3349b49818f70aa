"""Long count: the compiled rulebook against the plain evaluator on random pairs of rulebook and row.

    python tests/campaign/rules_campaign.py [--books 4000] [--rows 25] [--seed 1]

Prints one JSON line; exits 1 if any pair differs.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "properties"))

import random_rules

from groundrule.errors import MalformedRule
from groundrule.rules.compile import compile_rulebook
from groundrule.rules.reference import decide_one, row_of, valid_until


def run(books: int, rows: int, seed: int) -> dict[str, float]:
    """Compare; returns the counts."""
    started = time.process_time()
    pairs = differ = refused = 0
    outcomes: dict[str, int] = {}
    for book_seed in range(seed, seed + books):
        rng = random.Random(book_seed)
        book = random_rules.rulebook(rng)
        try:
            compiled = compile_rulebook(book)
        except MalformedRule:
            refused += 1
            continue
        batch = random_rules.batch(rng, rows, len(compiled.latches))
        decided = compiled.decide(batch)
        for i in range(rows):
            found = decided.classes[decided.klass[i]]
            wanted = decide_one(book, row_of(batch, i, compiled.latches))
            rule_id = "default" if decided.rule[i] < 0 else book.rules[decided.rule[i]].id
            same = (
                found == wanted
                and decided.outcome[i] == wanted.outcome
                and rule_id == wanted.rule_id
                and decided.valid_until[i] == valid_until(book, int(batch.now_ns[i]))
            )
            pairs += 1
            outcomes[found.outcome.word] = outcomes.get(found.outcome.word, 0) + 1
            if not same:
                differ += 1
                if differ <= 3:
                    print(f"seed {book_seed} row {i}:\n  compiled {found}\n  plain    {wanted}")
    return {
        "pairs": pairs, "differ": differ, "books": books, "refused_as_too_large": refused,
        "cpu_s": round(time.process_time() - started, 1), **{f"outcome_{k}": v for k, v in sorted(outcomes.items())},
    }  # fmt: skip


def main() -> int:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--books", type=int, default=4000)
    parser.add_argument("--rows", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    result = run(arguments.books, arguments.rows, arguments.seed)
    print(f"{result['differ']} of {result['pairs']} differ")
    print(json.dumps({"campaign": "rules", "seed": arguments.seed, **result}))
    return 1 if result["differ"] else 0


if __name__ == "__main__":
    sys.exit(main())
