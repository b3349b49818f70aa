"""Build the wheel so that whoever builds the same commit gets the same bytes; the console is built into it.

    python scripts/build_wheel.py [--out dist] [--twice] [--console-as-built | --without-console]

1. The console is built (scripts/build_console.py), unless it is taken as it lies in the package, or left out on purpose.
2. The time of the last commit stands in every member (SOURCE_DATE_EPOCH, unless it is set already); in a copy without git, 2020.
3. Hatchling of this Python builds. It is not installed for you: `pip install hatchling`.
4. With `--twice`, a copy of the sources in another folder, with other times of its files, is built too; digests must agree.

Prints a line as `sha256sum` does. Exit code 0: built. 1: not built, not the same twice, or something is missing in it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WANTED = (
    "groundrule/__main__.py", "groundrule/py.typed", "groundrule/api/roles.toml", "groundrule/store/migrations/__init__.py",
    "groundrule/store/migrations/versions/0001_registers.sqlite.sql", "groundrule/store/migrations/versions/0001_registers.postgresql.sql",
    "groundrule/areas/country_codes.csv", "groundrule/areas/world/land.pack", "groundrule/areas/world/countries.pack",
    "groundrule/areas/world/LICENSE-ODbL.md", "groundrule/rules/books/world-2026.yaml", "groundrule/evidence/render/words/en.toml",
)  # fmt: skip
"""Without these a home cannot be made, or not be served."""
DIST = "groundrule/console/dist/"
CONSOLE = ("index.html", "built-from.json", "basemap/world.json")
NEEDED = ("src", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md")
"""What the build reads."""
BUILD = "import hatchling.build, sys; print(hatchling.build.build_wheel(sys.argv[1]))"


class CannotBuild(Exception):
    """One sentence that says why, and what to do."""


def epoch() -> str:
    """Return the time that stands in the wheel [s since 1970, UTC]."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return given
    said = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False)
    return said.stdout.strip() if said.returncode == 0 and said.stdout.strip() else "1577836800"


def build(sources: Path, out: Path, time_s: str) -> Path:
    """Build the wheel of a folder of sources.

    Raises:
        CannotBuild: hatchling is missing, or fails.
    """
    out.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": time_s, "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-c", BUILD, out.resolve()]
    done = subprocess.run(command, cwd=sources, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        why = "hatchling is not installed; pip install hatchling" if "No module named 'hatchling" in done.stderr else done.stderr[-800:]
        raise CannotBuild(why)
    return out / done.stdout.strip().splitlines()[-1]


def of_console(archive: zipfile.ZipFile, names: set[str]) -> list[str]:
    """Return the files that a built console consists of: by its own list, and by what its page loads first."""
    wanted = [DIST + name for name in CONSOLE]
    if DIST + "built-from.json" in names:
        wanted += [DIST + name for name in json.loads(archive.read(DIST + "built-from.json"))["files"]]
    if DIST + "index.html" in names:
        page = archive.read(DIST + "index.html").decode()
        wanted += [DIST + name for name in re.findall(r'(?:src|href)="/([^"]+)"', page)] or [DIST + "assets/*.js"]
    return list(dict.fromkeys(wanted))


def missing(wheel: Path, *, console: bool) -> list[str]:
    """Return what should be in a wheel and is not, or is and should not be."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        wanted = [*WANTED, *(of_console(archive, names) if console else ())]
        started = [archive.read(name).decode() for name in names if name.endswith(".dist-info/entry_points.txt")]
    found = [name for name in wanted if name not in names]
    if not any("groundrule = groundrule.__main__:main" in text for text in started):
        found.append("the command groundrule")
    if not any(name.endswith("licenses/LICENSE") for name in names):
        found.append("LICENSE")
    private = ("__pycache__", "node_modules", ".env", ".git/")
    stray = [name for name in names if any(each in name for each in private) or name.endswith((".pyc", ".sqlite", ".key"))]
    return found + [f"(should not be there) {name}" for name in sorted(stray)]


def copy_of(sources: Path, folder: Path) -> Path:
    """Copy what the build reads, with other times and modes of files, as another machine would have it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in NEEDED:
        if (sources / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(sources / name, folder / name, ignore=ignored, copy_function=shutil.copyfile)
        elif (sources / name).exists():
            shutil.copyfile(sources / name, folder / name)
    shutil.copyfile(sources / ".gitignore", folder / ".gitignore")
    return folder


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> int:
    """Build."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--twice", action="store_true", help="build a copy too; the digests must agree")
    parser.add_argument("--console-as-built", action="store_true", help="take the console that lies in the package")
    parser.add_argument("--without-console", action="store_true", help="leave the console out; the service says so in its place")
    asked = parser.parse_args()
    try:
        if not asked.without_console and not asked.console_as_built:
            subprocess.run([sys.executable, ROOT / "scripts" / "build_console.py"], check=True)
        time_s = epoch()
        with tempfile.TemporaryDirectory() as folder:
            # A copy is built, so that nothing that only lies about here gets in.
            sources = copy_of(ROOT, Path(folder))
            if asked.without_console:
                shutil.rmtree(sources / "src" / "groundrule" / "console" / "dist", ignore_errors=True)
            wheel = build(sources, asked.out, time_s)
        if lacks := missing(wheel, console=not asked.without_console):
            wheel.unlink()  # nobody should install it by mistake
            raise CannotBuild(f"`{wheel.name}` is not whole: {', '.join(lacks[:5])}")
        if asked.twice:
            with tempfile.TemporaryDirectory() as folder:
                sources = copy_of(ROOT, Path(folder) / "elsewhere")
                if asked.without_console:
                    shutil.rmtree(sources / "src" / "groundrule" / "console" / "dist", ignore_errors=True)
                again = build(sources, Path(folder) / "out", time_s)
                if digest(again) != digest(wheel):
                    raise CannotBuild(f"built twice, `{wheel.name}` is not the same: {digest(wheel)}, {digest(again)}")
    except (CannotBuild, subprocess.CalledProcessError) as error:
        print(f"groundrule: {error}", file=sys.stderr)
        return 1
    print(f"{digest(wheel)}  {wheel}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
