"""What was erased from a home's history, and what remained: one record for each erasure, each naming the digest of the one before.

    HOME/erasures/erasure-NNNNNN.json

Manifests of runs stay as they were written. Where rows of a run were erased, the last record that names the run says how many rows of
each kind were left, and their digest in the form in which the manifest has that of all; `before` is the digest that they had until then.
A record names no terminal. `subject` is a salted commitment to whom it was asked for, or null; the salt is kept nowhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from groundrule.canon import canonical_json, digest_bytes
from groundrule.errors import IntegrityError, StoreError
from groundrule.store.durable import write_durably
from groundrule.store.home import Home
from groundrule.store.leaving import leaving

VERSION: Final = 1
KINDS: Final = ("observations", "decisions", "over_late")
"""Kinds of history that manifests digest."""
_NAME: Final = re.compile(r"erasure-(\d{6,})\.json")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Erasure:
    """One erasure.

    Attributes:
        number: counts from 1.
        content: the record.
        digest: of the record.
    """

    number: int
    content: Mapping[str, Any]
    digest: str

    @property
    def runs(self) -> Mapping[str, Mapping[str, Any]]:
        """What it left of each run that it touched, by number as text."""
        found: Mapping[str, Mapping[str, Any]] = self.content["runs"]
        return found


def erasure_path(home: Home, number: int) -> Path:
    """Return where the record of an erasure lies."""
    return home.path / "erasures" / f"erasure-{number:06d}.json"


def write_erasure(home: Home, content: Mapping[str, Any]) -> None:
    """Write a record durably; writing it again does nothing."""
    path, data = erasure_path(home, int(content["number"])), canonical_json(content)
    if not path.exists() or path.read_bytes() != data:
        write_durably(path, data)


def erasures(home: Home) -> list[Erasure]:
    """Return all erasures in their order, with the one that is under way.

    Raises:
        IntegrityError: a record is not what was written. StoreError: one cannot be read.
    """
    folder = home.path / "erasures"
    numbers = sorted(
        int(match[1]) for path in (folder.iterdir() if folder.is_dir() else ()) if (match := _NAME.fullmatch(path.name))
    )
    found = [_read(erasure_path(home, number)) for number in numbers]
    begun = leaving(home.history)
    if begun is not None and begun.record["number"] not in numbers:
        found.append(Erasure(int(begun.record["number"]), begun.record, digest_bytes(canonical_json(begun.record))))
    return found


def chain_faults(home: Home, found: Sequence[Erasure]) -> list[str]:
    """What is wrong with the chain of erasures itself, one sentence each."""
    previous: str | None = None
    for expected, each in enumerate(found, 1):
        if each.number != expected:
            return [f"erasure {expected} has no record"]
        if each.content["home"] != home.id:
            return [f"the record of erasure {expected} is of another home"]
        if each.content["previous"] != previous:
            return [f"the record of erasure {expected} does not follow the one before"]
        previous = each.digest
    return []


@dataclass(frozen=True, slots=True)
class Remaining:
    """What must be left of a run.

    Attributes:
        content: rows and digest by kind, as in its manifest.
        rows: erased since it was decided, by kind.
        by: numbers of the erasures that touched it.
        held: rows of erased terminals that count where the run decided terminals again, by place among those that remain.
    """

    content: Mapping[str, Mapping[str, Any]]
    rows: Mapping[str, int]
    by: tuple[int, ...]
    held: tuple[tuple[int, int], ...]


def remaining(found: Iterable[Erasure], run: int, manifest: Mapping[str, Any]) -> Remaining:
    """Return what must be left of a run after erasures.

    Raises:
        IntegrityError: a record does not begin where the manifest, or the record before it, ended.
    """
    content = {kind: dict(manifest[kind]) for kind in KINDS}
    gone = dict.fromkeys(KINDS, 0)
    by: list[int] = []
    held: tuple[tuple[int, int], ...] = ()
    for each in found:
        touched = each.runs.get(str(run))
        if touched is None:
            continue
        by.append(each.number)
        for kind in KINDS:
            if kind not in touched:
                continue
            told = touched[kind]
            if told["before"] != content[kind]["digest"] or told["erased"] + told["rows"] != content[kind]["rows"]:
                raise IntegrityError(
                    f"erasure {each.number} does not begin with the {kind} that run {run} had", help="compare the records with a backup"
                )
            content[kind] = {"rows": told["rows"], "digest": told["digest"]}
            gone[kind] += told["erased"]
        if "held" in touched:
            held = tuple((int(place), int(rows)) for place, rows in touched["held"])
    return Remaining(content, gone, tuple(by), held)


def held_rows(home: Home, run: int) -> tuple[tuple[int, int], ...]:
    """Return rows of erased terminals that still count where a run decided terminals again; see `Remaining.held`."""
    found: tuple[tuple[int, int], ...] = ()
    for each in erasures(home):
        told = each.runs.get(str(run), {})
        if "held" in told:
            found = tuple((int(place), int(rows)) for place, rows in told["held"])
    return found


def _read(path: Path) -> Erasure:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read `{path}`: {error.strerror}", path=str(path)) from error
    try:
        content = json.loads(data)
        intact = canonical_json(content) == data and content["v"] == VERSION and _whole(content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        intact = False
    if not intact:
        raise IntegrityError(f"the record `{path}` has been changed", help="compare it with a backup", path=str(path))
    return Erasure(int(content["number"]), content, digest_bytes(data))


def _whole(content: Mapping[str, Any]) -> bool:
    """Has a record all that a replay reads?"""
    for touched in content["runs"].values():
        for kind in set(KINDS) & touched.keys():
            told = touched[kind]
            if not all(isinstance(told[name], int) and told[name] >= 0 for name in ("rows", "erased")):
                return False
            if not all(isinstance(told[name], str) and _DIGEST.fullmatch(told[name]) for name in ("before", "digest")):
                return False
        if not all(len(pair) == 2 and all(isinstance(each, int) for each in pair) for pair in touched.get("held", [])):
            return False
    return (
        isinstance(content["number"], int) and isinstance(content["basis"], str)
        and "home" in content and "previous" in content and "subject" in content
    )  # fmt: skip
