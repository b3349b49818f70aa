"""Results of benchmarks as files, one each: what was found, when, of which commit, on which machine, under which load.

    docs/benchmarks/NAME.result.json

A result is replaced by the next one of the same benchmark and by nothing else, so each figure keeps its date.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

SUFFIX = ".result.json"
PACKAGES = (
    "numpy", "numba", "pyarrow", "duckdb", "shapely", "h3", "sgp4", "rapidfuzz", "cryptography", "sqlalchemy", "msgspec", "litestar",
    "uvicorn", "uvloop", "pyspark", "geopandas", "cedarpy", "pymerkle", "scipy", "trafilatura",
)  # fmt: skip
"""Ours and those of peers, as far as they are installed: a figure that moved may have moved with one of them."""


@dataclass(frozen=True)
class Machine:
    """What a benchmark ran on; None is not recorded.

    Attributes:
        processor: its model. system: architecture. cores: of the machine, whatever a benchmark uses of them.
        memory_gb: main memory [GB]. python: its version. packages: versions by name.
    """

    processor: str
    system: str
    cores: int
    python: str
    memory_gb: float | None = None
    packages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """One run of one benchmark.

    Attributes:
        benchmark: its name.
        date: when it ended, UTC, as 2026-11-23.
        commit: what was measured; with `+` where files differed from it.
        exit_code: 0, or not where a goal was missed or an answer differed.
        arguments: it was given, files by their names alone.
        machine: what it ran on.
        figures: what it found, as it printed them; objects may be nested.
        load_before, load_after: of the last minute, over all cores; None is not recorded.
        spent_s: how long it took [s].
    """

    benchmark: str
    date: str
    commit: str
    exit_code: int
    arguments: tuple[str, ...]
    machine: Machine
    figures: Mapping[str, Any]
    load_before: float | None = None
    load_after: float | None = None
    spent_s: float | None = None

    @property
    def flat(self) -> dict[str, Any]:
        """All figures by dotted name."""
        return dict(_leaves(self.figures))


def read_results(folder: Path) -> dict[str, Result]:
    """Return what is kept, by name of the benchmark."""
    found = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        held = json.loads(path.read_text(encoding="utf-8"))
        machine = Machine(**held.pop("machine"))
        result = Result(**{**held, "arguments": tuple(held["arguments"]), "machine": machine})
        if path.name != f"{result.benchmark}{SUFFIX}":
            raise SystemExit(f"{path} holds the result of `{result.benchmark}`; it must be named {result.benchmark}{SUFFIX}")
        found[result.benchmark] = result
    return found


def write_result(folder: Path, result: Result) -> None:
    """Keep a result in the place of the one before; whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.benchmark}{SUFFIX}"
    half = path.with_suffix(".tmp")
    half.write_text(json.dumps(asdict(result), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    half.replace(path)


def this_machine() -> Machine:
    """Describe the machine that this process runs on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    memory_gb = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    return Machine(_processor(), platform.machine(), os.cpu_count() or 1, platform.python_version(), memory_gb, found)


def this_commit(root: Path) -> str:
    """Return the commit of a folder, short, with `+` where its sources differ from it; empty where there is none."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout.strip()

    try:
        commit = git("rev-parse", "--short", "HEAD")
        changed = git("status", "--porcelain", "--", "src", "benchmarks", ":!benchmarks/page.toml")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{commit}+" if changed else commit


def _processor() -> str:
    """Return the processor's name, if the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown processor")


def _leaves(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from _leaves(item, f"{path}{key}.")
        else:
            yield f"{path}{key}", item
