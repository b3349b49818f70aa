"""S1 at length: every parser of input from outside, each in a process of its own, with bounds on time and memory.

    python tests/campaign/fuzz_campaign.py [--seconds 120] [--only NAME] [--seed 0]

Where `atheris` can be imported, it drives the parsers with coverage; otherwise the seeded mutator of `tests/fuzzed_parsers.py`
does. Counted are exceptions that escape, inputs that take longer than 1 s per 1 MB, and growth of memory beyond 64 MiB over the
process after its first thousand inputs. Each failure prints its input; the last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import resource
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzzed_parsers import mutated, survives, targets

MIB = 1 << 20
MAX_GROWTH = 64 * MIB


def drive(name: str, seconds: float, seed: int, told: Any) -> None:
    """Try one parser for a time, and tell what came of it."""
    target, rng = targets()[name], random.Random(f"{seed}/{name}")
    for example in target.examples:
        survives(target, example)
    inputs, slow, worst, found, before = 0, 0, 0.0, list[str](), 0
    kept = list(target.examples)

    def one(data: bytes) -> None:
        nonlocal inputs, slow, worst, before
        began = time.thread_time()
        said = survives(target, data)
        spent = time.thread_time() - began
        inputs += 1
        worst = max(worst, spent)
        slow += spent > max(1.0, len(data) / MIB)
        if said is not None and len(found) < 20:
            found.append(f"{said}; input {data[:400]!r}")
        if inputs == 1_000:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def tell() -> None:
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before if before else 0
        told.put({"name": name, "inputs": inputs, "slow": slow, "worst_s": round(worst, 3), "grown_bytes": grown * 1024, "found": found})

    until = time.monotonic() + seconds
    if find_spec("atheris"):
        import atheris  # type: ignore[import-not-found]  # optional

        def guided(data: bytes) -> None:
            one(data)
            if time.monotonic() > until:
                tell()
                told.close()
                told.join_thread()
                os._exit(0)  # the engine would take an exception for a finding, and never returns

        atheris.instrument_all()
        atheris.Setup([sys.argv[0], "-rss_limit_mb=4096"], guided)
        atheris.Fuzz()
    while time.monotonic() < until:
        data = mutated(rng, kept)
        if rng.random() < 0.02:
            data = (data * (1 + MIB // max(1, len(data))))[:MIB]
        one(data)
        if rng.random() < 0.001 and len(data) < 20_000:
            kept.append(data)  # what was changed is changed further
            del kept[len(target.examples) : -50]
    tell()


def main() -> int:
    """Drive every parser."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0, help="for each parser; a release takes 1,800")
    parser.add_argument("--only", default="", help="parsers whose name contains this")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    results, context = [], multiprocessing.get_context("spawn")
    for name in [each for each in targets() if asked.only in each]:
        told: Any = context.Queue()
        process = context.Process(target=drive, args=(name, asked.seconds, asked.seed, told))
        process.start()
        try:
            result = told.get(timeout=asked.seconds + 120)
        except Exception:  # noqa: BLE001 - it died, or hangs
            result = {"name": name, "inputs": 0, "slow": 1, "worst_s": 0, "grown_bytes": 0, "found": [f"{name}: the process died or hangs"]}
            process.kill()
        process.join()
        results.append(result)
        more = f"worst {result['worst_s']:.3f} s, {result['grown_bytes'] / MIB:.0f} MiB more"
        print(f"{name:28} {result['inputs']:>9,} inputs, {more}", file=sys.stderr)
        for each in result["found"]:
            print(f"  {each}", file=sys.stderr)
    summary = {
        "goal": "S1", "seed": asked.seed, "coverage_guided": find_spec("atheris") is not None, "parsers": len(results),
        "inputs": sum(each["inputs"] for each in results), "worst_s": max(each["worst_s"] for each in results),
        "most_grown_mib": round(max(each["grown_bytes"] for each in results) / MIB, 1),
        "escaped_differ": sum(len(each["found"]) for each in results),
        "slow_differ": sum(each["slow"] for each in results),
        "memory_differ": sum(each["grown_bytes"] > MAX_GROWTH for each in results),
    }  # fmt: skip
    print(json.dumps(summary))
    return 1 if summary["escaped_differ"] or summary["slow_differ"] or summary["memory_differ"] else 0


if __name__ == "__main__":
    sys.exit(main())
