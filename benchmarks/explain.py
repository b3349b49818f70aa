"""One explanation, with the nearest rules that did not apply, under the shipped rulebook.

Input: the shipped rulebook's own cases (every rule decides at least one), in shuffled order. Checked in the same
run: each explanation names the outcome that the plain evaluator gives.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from importlib.resources import files

os.environ.update(NUMBA_NUM_THREADS="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import numpy as np

from groundrule.rules.cases import read_cases
from groundrule.rules.explain import Explainer
from groundrule.rules.situation import decide_situation
from groundrule.rules.text import load_rulebook

GOAL_MS = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="timed rounds over all cases, after one of warm-up")
    parser.add_argument("--seed", type=int, default=2026)
    args = parser.parse_args()
    book = load_rulebook("world-2026")
    text = files("groundrule.rules").joinpath("books", "world-2026.cases.yaml").read_text(encoding="utf-8")
    situations = [case.situation for case in read_cases(book, text)]
    explainer = Explainer(book)
    differ = sum(explainer.explain(s).outcome != decide_situation(book, s).outcome for s in situations)
    rng = np.random.default_rng(args.seed)
    spent_ms = []
    for _ in range(args.rounds):
        for position in rng.permutation(len(situations)):
            started = time.process_time()
            explainer.explain(situations[position])
            spent_ms.append(1e3 * (time.process_time() - started))
    mean, median, p99 = float(np.mean(spent_ms)), float(np.median(spent_ms)), float(np.percentile(spent_ms, 99))
    met = differ == 0 and mean <= GOAL_MS
    print(f"{differ} of {len(situations)} explanations differ from the plain evaluator")
    print(f"one explanation: mean {mean:.3f} ms, median {median:.3f} ms, 99th percentile {p99:.3f} ms of CPU; load {os.getloadavg()}")
    print(f"goal: at most {GOAL_MS} ms on average: {'met' if met else 'missed'}")
    figures = {"differ": differ, "mean_ms": mean, "median_ms": median, "p99_ms": p99, "goal": GOAL_MS, "met": met}
    print(json.dumps({"benchmark": "explain", "seed": args.seed, "cases": len(situations), **figures}))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
