"""Run the long counts and write docs/campaign.md; exits 1 if any of them finds a difference.

    python scripts/campaign.py [--only NAME] [--quick]

Every script of tests/campaign runs as a process of its own and prints one JSON line last. Counts of differences are the
numbers under keys that end in `differ` or `different`. Each count stands in the report with the day and commit it was made at;
with --only, the others stay as they are. Optional files of real data are looked for in the
folder `GROUNDRULE_SHARED_DATA`, or beside the project where the tests look for them; without them their counts are left out,
and the report says so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "tests" / "campaign"
REPORT = ROOT / "docs" / "campaign.md"
LIBRARIES = ("groundrule", "numpy", "numba", "pyarrow", "shapely", "h3", "duckdb", "z3-solver")
OPTIONAL = {
    "locate_campaign": (
        "boundaries/ne_10m_admin_0_countries.geojson.gz",
        "boundaries/osm_countries_with_territorial_sea.geojson.gz",
    ),
    "tracks_campaign": ("tracks/tracks.parquet",),
}
"""Files that a script is run with, once for each."""

TOGETHER = {
    "verify_campaign": {
        "--elements": "orbits/active-2026-08-08.tle.gz",
        "--older": "orbits/active-2026-06-03.tle.gz",
        "--newer": "orbits/active-2026-06-05.tle.gz",
    },
}
"""Files that a script is given together, where all are there; it runs without them otherwise."""

ALSO_WITHOUT = {"locate_campaign"}
"""Scripts of `OPTIONAL` that are run without a file as well."""

QUICK = {
    "locate_campaign": ["--random", "20000", "--hard", "5000", "--cases", "20"],
    "dossier_campaign": ["--mutations", "500"],
    "governance_breaks_campaign": ["--examples", "200", "--only", "I7"],
    "governance_campaign": ["--examples", "50", "--homes", "3"],
    "rules_campaign": ["--books", "100"],
    "late_campaign": ["--seeds", "8"],
    "detected_campaign": ["--seeds", "8"],
    "ledger_faults_campaign": ["--seeds", "200", "--kills", "10", "--entries", "20000", "--starts", "20", "--fsyncs", "30"],
    "ledger_flips_campaign": ["--every", "97", "--signed", "20"],
    "ledger_vectors_campaign": ["--sets", "2"],
    "live_kill_campaign": ["--kills", "5"],
    "mutation_campaign": ["--module", "conflicts", "--line", "68"],
    "spark_campaign": ["--observations", "200000", "--terminals", "5000"],
    "second_verifier_campaign": ["--receipts", "500", "--mutations", "1000"],
    "verify_campaign": ["--attacks", "20"],
    "watch_kill_campaign": ["--kills", "3"],
}
"""Arguments that try every script within a minute; they prove nothing and are not written into the report."""


@dataclass(frozen=True, slots=True)
class Count:
    """One script with its arguments, and what came of it.

    Attributes:
        name: script without suffix.
        arguments: as given, files by name only.
        exit_code: 0 is no difference.
        seconds: wall time.
        result: its last JSON line, or None if there was none.
        when: day and commit.
    """

    name: str
    arguments: tuple[str, ...]
    exit_code: int
    seconds: float
    result: dict[str, Any] | None
    when: str = ""

    @property
    def title(self) -> str:
        """Name and arguments."""
        return " ".join([self.name, *self.arguments])

    @property
    def differences(self) -> int:
        """Differences in all of its counts."""
        return sum(int(value) for key, value in flat(self.result or {}) if key.endswith(("differ", "different")))

    @property
    def failed(self) -> bool:
        """Did it find a difference, or not say what it found?"""
        return self.exit_code != 0 or self.result is None or self.differences > 0


def main() -> int:
    """Run all counts one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="run the scripts whose name contains this; the other counts stay as they are")
    parser.add_argument(
        "--quick", action="store_true", help="small counts, to see that all scripts run; nothing is written"
    )
    asked = parser.parse_args()
    scripts = [
        path
        for path in sorted(FOLDER.glob("*.py"))
        if not path.name.startswith("_") and (asked.only or "") in path.name
    ]
    if not scripts:
        print(f"no campaign in {FOLDER.relative_to(ROOT)} has `{asked.only}` in its name", file=sys.stderr)
        return 2
    counts, missing = [], []
    for script in scripts:
        files, absent = optional_files(script.stem)
        missing += absent
        alone = script.stem not in OPTIONAL or script.stem in ALSO_WITHOUT
        given, lacking = files_together(script.stem)
        missing += lacking
        for extra in [*([given] if alone else []), *([str(path)] for path in files)]:
            counts.append(run(script, [*extra, *(QUICK.get(script.stem, []) if asked.quick else [])]))
    before = REPORT.read_text(encoding="utf-8") if asked.only and REPORT.exists() else ""
    text = report(counts, missing, before)
    print(text)
    if not asked.quick:
        REPORT.write_text(text, encoding="utf-8")
    return 1 if any(count.failed for count in counts) else 0


def files_together(name: str) -> tuple[list[str], list[str]]:
    """Return the options of a script that takes several files together, where all are there, and the names of those that are not."""
    wanted = {option: data_folder() / path for option, path in TOGETHER.get(name, {}).items()}
    absent = [path.name for path in wanted.values() if not path.is_file()]
    return ([] if absent else [part for option, path in wanted.items() for part in (option, str(path))]), absent


def data_folder() -> Path:
    """Where the optional files are looked for."""
    return Path(os.environ.get("GROUNDRULE_SHARED_DATA", ROOT.parent / "shared" / "data"))


def optional_files(name: str) -> tuple[list[Path], list[str]]:
    """Return the optional files of a script that are there, and the names of those that are not."""
    wanted = [data_folder() / path for path in OPTIONAL.get(name, ())]
    return [path for path in wanted if path.is_file()], [path.name for path in wanted if not path.is_file()]


def run(script: Path, arguments: list[str]) -> Count:
    """Run one script, show its output as it comes, and keep its last JSON line."""
    names = tuple(Path(argument).name for argument in arguments)
    print(f"== {' '.join([script.stem, *names])}", flush=True)
    started = time.perf_counter()
    result = None
    with subprocess.Popen(
        [sys.executable, str(script), *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            result = json_object(line) or result
    when = f"{datetime.now(UTC):%Y-%m-%d}, {commit()}"
    return Count(script.stem, names, process.returncode, time.perf_counter() - started, result, when)


def json_object(line: str) -> dict[str, Any] | None:
    """Return the JSON object that a line is, or None."""
    if not line.startswith("{"):
        return None
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def flat(value: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested objects with dotted names."""
    for key, item in value.items():
        if isinstance(item, dict):
            yield from flat(item, f"{path}{key}.")
        else:
            yield f"{path}{key}", item


def report(counts: list[Count], missing: list[str], before: str = "") -> str:
    """Write the report.

    Args:
        counts: made now.
        missing: names of optional files that were not there.
        before: the report as it was; counts that were not made anew are taken over from it.
    """
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    rows, sections = kept(before)
    for count in counts:
        outcome = f"FAILED, exit code {count.exit_code}" if count.failed else "passed"
        cells = (count.name, " ".join(count.arguments) or "defaults", count.differences, f"{count.seconds:.0f}", outcome, count.when)
        rows[count.title] = f"| {' | '.join(str(cell) for cell in cells)} |"
        told = [f"| {key} | {figure(value)} |" for key, value in flat(count.result or {}) if key != "campaign"]
        sections[count.title] = "\n".join(["| what | value |", "|---|---|", *told])
    lines = [
        "# Campaign",
        "",
        "Written by `make campaign`: counts that take too long for the test suite. Each compares the product with something that is",
        "independent of it and obviously right; 0 differences is the only pass. A count stands with the day and the commit it was made at.",
        "",
        f"- last written with Python {platform.python_version()}, {versions}",
        f"- {platform.system()} {platform.machine()}, {processor()}, {os.cpu_count()} cores",
        *[f"- not counted, because the optional file is not there: {name}" for name in missing],
        "- `mutation_campaign`: `raw_score` counts every mutant that the published filter (`tests/campaign/mutation_filter.toml`, a",
        "  reason for each) leaves out as one that survived, though nothing tried it.",
        "",
        "| count | arguments | differences | seconds | result | when |",
        "|---|---|---|---|---|---|",
        *[rows[title] for title in sorted(rows)],
    ]
    for title in sorted(sections):
        lines += ["", f"## {title}", "", sections[title]]
    return "\n".join(lines) + "\n"


def kept(report: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the rows and the sections of a report, by name and arguments."""
    head, *parts = report.split("\n## ")
    sections = {title: body.strip() for title, _, body in (part.partition("\n") for part in parts)}
    rows: dict[str, str] = {}
    for line in head.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 6 and cells[0].endswith("_campaign"):
            rows[" ".join([cells[0], *(cells[1].split() if cells[1] != "defaults" else [])])] = line
    return rows, sections


def figure(value: object) -> str:
    """A value as it stands in a table."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value).replace("|", "\\|")
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def commit() -> str:
    """Return the commit that was measured, marked if files differ from it."""
    try:
        ran = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return "unknown"
    return ran.stdout.strip() or "unknown"


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
