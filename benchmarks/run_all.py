"""Run every benchmark as a process of its own and write its figures into docs/benchmarks.md.

    python benchmarks/run_all.py [--only NAME] [--no-write] [-- ARGUMENTS for the one benchmark]

Output is shown as it comes. The last JSON line of each goes into the section `Figures`, between its markers; figures of
benchmarks that did not run this time stay. Exits 1 if a benchmark missed a goal or said nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks"
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- figures of {} begin -->", "<!-- figures of {} end -->"


def main() -> int:
    """Run the benchmarks one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="run the one benchmark of this name")
    parser.add_argument("--no-write", action="store_true", help="leave docs/benchmarks.md as it is")
    parser.add_argument("arguments", nargs="*", help="given to the benchmark of --only")
    asked = parser.parse_args()
    # The tables of verification need element sets, and their figures stand beside the stated ones in docs/verify-estimator.md.
    scripts = [path for path in sorted(FOLDER.glob("*.py")) if path.stem != "run_all" and not path.stem.startswith("verify")]
    if asked.only:
        scripts = [path for path in scripts if path.stem == asked.only]
    if not scripts or (asked.arguments and not asked.only):
        parser.error(
            "name one benchmark with --only: "
            + ", ".join(sorted(p.stem for p in FOLDER.glob("*.py") if p.stem != "run_all" and not p.stem.startswith("verify")))
        )
    failed = []
    for script in scripts:
        code, figures = run(script, asked.arguments)
        if code or figures is None:
            failed.append(f"{script.stem} (exit code {code})")
        if figures is not None and not asked.no_write:
            page = PAGE.read_text(encoding="utf-8")
            PAGE.write_text(with_figures(page, script.stem, table(figures, code, asked.arguments)), encoding="utf-8")
    print(f"failed or missed a goal: {', '.join(failed)}" if failed else f"{len(scripts)} benchmarks, every goal met")
    return 1 if failed else 0


def run(script: Path, arguments: list[str]) -> tuple[int, dict[str, Any] | None]:
    """Run one benchmark; returns its exit code and its last JSON line."""
    print(f"== {' '.join([script.stem, *arguments])}", flush=True)
    last = None
    with subprocess.Popen(
        [sys.executable, str(script), *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            if line.startswith("{"):
                last = json.loads(line)
    return process.returncode, last


def table(figures: dict[str, Any], code: int, arguments: list[str]) -> str:
    """The figures of one benchmark as Markdown."""
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {platform.machine()}, {processor()}, "
        f"{os.cpu_count()} cores, one of them used; load afterwards {os.getloadavg()[0]:.1f}; "
        f"arguments: {' '.join(Path(argument).name for argument in arguments) or 'defaults'}; "
        + ("every goal met." if code == 0 else f"**a goal was missed, exit code {code}.**"),
        "",
        "| what | value |",
        "|---|---|",
    ]
    return "\n".join(
        [*lines, *(f"| {name} | {shown(value)} |" for name, value in flat(figures) if name != "benchmark")]
    )


def with_figures(page: str, name: str, text: str) -> str:
    """Put the figures of one benchmark between its markers, or at the end of the page if there are none yet."""
    begin, end = BEGIN.format(name), END.format(name)
    block = f"{begin}\n{text}\n{end}"
    if begin in page:
        return re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: block, page, flags=re.DOTALL)
    return f"{page.rstrip()}\n\n### {name}\n\n{block}\n"


def flat(value: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested objects with dotted names."""
    for key, item in value.items():
        if isinstance(item, dict):
            yield from flat(item, f"{path}{key}.")
        else:
            yield f"{path}{key}", item


def shown(value: object) -> str:
    """A value as it stands in a table."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value).replace("|", "\\|")
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def processor() -> str:
    """Return the processor's name, if the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown processor"
    )


if __name__ == "__main__":
    sys.exit(main())
