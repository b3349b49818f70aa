"""Run manifests: what a run read, under what it decided, and the digest of what came out, each naming the one before.

A manifest makes a changed file or decision visible to whoever kept the digest of a later manifest. It is
tamper-checkable, and no proof against an operator who rewrites all of them: that needs a log with outside witnesses.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from groundrule.canon import canonical_json, digest_bytes
from groundrule.errors import IntegrityError, StoreError
from groundrule.store.durable import write_durably
from groundrule.store.home import Home

_NAME = re.compile(r"run-(\d{6,})\.json")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_INSTANT = re.compile(r"-?\d{1,19}")
VERSION: Final = 1


def manifest_path(home: Home, run: int) -> Path:
    """Return where the manifest of a run lies."""
    return home.manifests / f"run-{run:06d}.json"


def runs(home: Home) -> list[int]:
    """Return the numbers of the runs that have a manifest, ascending."""
    found = (_NAME.fullmatch(path.name) for path in home.manifests.iterdir())
    return sorted(int(match.group(1)) for match in found if match)


def compose_manifest(home: Home, run: int, content: dict[str, Any]) -> dict[str, Any]:
    """Return the whole manifest of the next run.

    Args:
        content: canonical JSON content without `run` and `previous`, which are added.
    """
    return {**content, "v": VERSION, "home": home.id, "run": run, "previous": latest_digest(home)}


def write_manifest(home: Home, run: int, manifest: dict[str, Any]) -> str:
    """Write the manifest of a run durably, as `compose_manifest` made it, and return its digest."""
    data = canonical_json(manifest)
    write_durably(manifest_path(home, run), data)
    return digest_bytes(data)


def read_manifest(home: Home, run: int) -> dict[str, Any]:
    """Read one manifest.

    Raises:
        StoreError: it cannot be read.
        IntegrityError: it is not the canonical JSON that was written.
    """
    path = manifest_path(home, run)
    data = _bytes(path)
    try:
        content = json.loads(data)
        intact = canonical_json(content) == data and content["run"] == run and _is_complete(content)
    except (ValueError, KeyError, TypeError, RecursionError):
        intact = False
    if not intact:
        raise IntegrityError(f"the manifest `{path}` has been changed", help="compare it with a backup", path=str(path))
    return content


def _is_complete(content: dict[str, Any]) -> bool:
    """Has a manifest all that a replay reads, in the form in which it was written?"""
    digests = [content["rulebook"], content["areas"], content["registers"]["digest"]]
    digests += [content[name]["digest"] for name in ("observations", "decisions", "over_late")]
    numbers = [content[name]["rows"] for name in ("observations", "decisions", "over_late")]
    numbers += [content["counts"][name] for name in ("decided", "corrected", "over_late")]
    instants = [content["recorded_at_ns"], content["as_of_ns"] if content["as_of_ns"] is not None else "0"]
    return (
        content["v"] == VERSION
        and all(isinstance(digest, str) and _DIGEST.fullmatch(digest) is not None for digest in digests)
        and all(isinstance(number, int) for number in numbers)
        and all(isinstance(instant, str) and _INSTANT.fullmatch(instant) is not None for instant in instants)
        and isinstance(content["registers"]["content"], str)
        and isinstance(content["engine"], str)
    )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read `{path}`: {error.strerror}", path=str(path)) from error


def latest_digest(home: Home) -> str | None:
    """Return the digest of the last manifest, or None before the first run."""
    known = runs(home)
    return digest_bytes(_bytes(manifest_path(home, known[-1]))) if known else None


def check_chain(home: Home) -> list[str]:
    """Check that the manifests are unbroken: numbers without gaps, each naming the digest of the one before.

    Returns:
        One sentence per fault, in order of the runs; empty if the chain holds.
    """
    faults: list[str] = []
    previous: str | None = None
    for expected, run in enumerate(runs(home), start=1):
        if run != expected:
            faults.append(f"run {expected} has no manifest")
            break
        try:
            content = read_manifest(home, run)
            previous, before = digest_bytes(_bytes(manifest_path(home, run))), previous
        except IntegrityError as error:
            faults.append(str(error))
            # The next one names this manifest as it was before the change, and will be reported as well.
            previous = digest_bytes(_bytes(manifest_path(home, run)))
            continue
        if content.get("previous") != before:
            faults.append(f"run {run} names {content.get('previous')} as its predecessor, which is {before}")
        if content.get("home") != home.id:
            faults.append(f"run {run} is of another home, {content.get('home')}")
    return faults
