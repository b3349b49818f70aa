"""Run every benchmark as a process of its own, keep what each found, and write docs/benchmarks.md from what is kept.

    python benchmarks/run_all.py [--only NAME ...] [--quick] [--no-write] [-- ARGUMENTS for the one benchmark]
    python benchmarks/run_all.py --page

Output is shown as it comes. The last JSON line of each is kept in docs/benchmarks/NAME.result.json with date, commit, load and machine;
what did not run stays as it was. One that fails or misses a goal does not stop the others; it is told at the end, with exit code 1.
Texts and goals of the page stand in benchmarks/page.toml.

--quick runs each with small sizes, to see that it runs at all: nothing is kept, and no goal is judged, for none holds at such a size.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from report.described import Described, Page, disagreement, read_page
from report.page import write_page
from report.results import Result, this_commit, this_machine, write_result

ROOT = Path(__file__).resolve().parents[1]
DATA = "GROUNDRULE_SHARED_DATA"
"""Names the folder of optional data sets, if it is set."""


def main(given: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run the benchmarks one after the other.

    Args:
        given: arguments; None takes those of the command line.
        root: folder that holds `benchmarks` and `docs`.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="NAME", help="run this one; repeatable")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that each runs; keeps nothing")
    parser.add_argument("--no-write", action="store_true", help="keep nothing, and leave docs/benchmarks.md as it is")
    parser.add_argument("--page", action="store_true", help="run nothing; write the page from what is kept")
    parser.add_argument("arguments", nargs="*", help="given to the one benchmark of --only")
    asked = parser.parse_args(given)
    folder, kept, page = root / "benchmarks", root / "docs" / "benchmarks", root / "docs" / "benchmarks.md"
    texts = read_page(folder / "page.toml")
    if asked.page:
        write_page(folder / "page.toml", kept, page)
        return 0
    names = names_of(folder, texts)
    if unknown := sorted(set(asked.only or ()) - set(names)):
        parser.error(f"there is no benchmark `{unknown[0]}`; there are: {', '.join(names)}")
    if asked.arguments and len(asked.only or ()) != 1:
        parser.error("arguments are given to one benchmark; name it with --only")
    names = [name for name in names if not asked.only or name in asked.only]
    writes = not (asked.quick or asked.no_write)
    told: list[str] = []
    try:
        for number, name in enumerate(names, 1):
            described = texts.of(name) or Described(name, "", "", "")
            arguments = [*_sizes(described, quick=asked.quick), *asked.arguments]
            print(f"== [{number}/{len(names)}] {' '.join([name, *arguments])}", flush=True)
            code, result = run(folder / f"{name}.py", arguments, root)
            fault = _fault(described, code, result, quick=asked.quick)
            took = "" if result is None else f" in {result.spent_s:,.0f} s"
            print(f"== [{number}/{len(names)}] {name}: {fault or ('ran' if asked.quick else 'every goal met')}{took}", flush=True)
            told += [f"{name}: {fault}"] if fault else []
            if result is not None and writes:
                write_result(kept, result)
    finally:
        # At the end, for drawing takes seconds that would be in the load of the next one; and also where somebody interrupts.
        if writes:
            write_page(folder / "page.toml", kept, page)
    if told:
        print("\n".join(["failed or missed a goal:", *(f"  {each}" for each in told)]))
        return 1
    print(f"{len(names)} of {len(names)} ran" if asked.quick else f"{len(names)} of {len(names)} ran, every goal met")
    return 0


def names_of(folder: Path, texts: Page) -> list[str]:
    """Return the benchmarks in the order of the page; those of which nothing is said yet come last.

    Scripts whose names begin with that of another one and `_` are parts of it, if nothing is said of them.
    """
    there = [path.stem for path in sorted(folder.glob("*.py")) if path.stem != "run_all"]
    said = [each.name for each in texts.benchmarks if each.name in there]
    unsaid = [name for name in there if name not in said and not any(name.startswith(f"{other}_") for other in there)]
    separate = {each.name for each in texts.benchmarks if each.separate}
    return [name for name in [*said, *unsaid] if name not in separate]


def run(script: Path, arguments: Sequence[str], root: Path) -> tuple[int, Result | None]:
    """Run one benchmark; returns its exit code, and what it found if it said so."""
    figures: dict[str, Any] | None = None
    load_before, began = os.getloadavg()[0], time.monotonic()
    with subprocess.Popen([sys.executable, str(script), *arguments], cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            if line.startswith("{"):
                figures = json.loads(line)
    if figures is None:
        return process.returncode, None
    return process.returncode, Result(
        script.stem, f"{datetime.now(UTC):%Y-%m-%d}", this_commit(root), process.returncode, tuple(_bare(each) for each in arguments),
        this_machine(), figures, round(load_before, 2), round(os.getloadavg()[0], 2), round(time.monotonic() - began, 1),
    )  # fmt: skip


def _sizes(described: Described, *, quick: bool) -> list[str]:
    if quick:
        return list(described.quick)
    data = os.environ.get(DATA)
    return [each.replace("{data}", data) for each in described.with_data] if data else []


def _bare(argument: str) -> str:
    """An argument without the folders of this machine."""
    return Path(argument).name if os.sep in argument else argument


def _fault(described: Described, code: int, result: Result | None, *, quick: bool) -> str:
    if result is None:
        return f"found nothing, exit code {code}"
    if quick:
        return f"ended with exit code {code}" if code not in (0, 1) else ""
    said = disagreement(described, result)
    return "; ".join(each for each in ("a goal was missed" if code == 1 else f"exit code {code}" if code else "", said) if each)


if __name__ == "__main__":
    sys.exit(main())
