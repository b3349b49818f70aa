"""Documents that people write by hand, YAML or JSON, and what the program fills in for them.

Times may be written as people write them (`2026-03-02`, `2026-03-02T10:00Z`); signed objects hold them in one form only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml

from groundrule.errors import InputError
from groundrule.instant import parse_instant
from groundrule.ledger.entry import format_time

MAX_BYTES: Final = 4_000_000
"""Largest document [bytes]; evidence is named by digest and not written into it."""


class _PlainLoader(yaml.SafeLoader):
    """YAML without guessed dates: a time stays the text that was written."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_document(file: Path) -> dict[str, Any]:
    """Read an object from a YAML or JSON file.

    Raises:
        InputError: with the file, and the line where the text is malformed.
    """
    with file.open("rb") as stream:
        data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise InputError(f"`{file}` is larger than {MAX_BYTES:,} bytes", help="name large content by its digest")
    try:
        text = data.decode()
        # The loader is safe: a SafeLoader with fewer resolvers.
        value = json.loads(text) if file.suffix == ".json" else yaml.load(text, Loader=_PlainLoader)  # noqa: S506
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        first = " ".join(str(error).split())[:200]
        raise InputError(f"`{file}` is neither JSON nor YAML", help=first or "see docs/governance.md") from error
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise InputError(f"`{file}` holds no object", help="write lines of the form `name: value`")
    return value


def with_times(value: dict[str, Any], names: Iterable[str], *, file: Path) -> dict[str, Any]:
    """Return the object with these fields written as signed objects write times; None and absent ones stay."""
    made = dict(value)
    for name in names:
        if made.get(name) is not None:
            made[name] = time_text(made[name], f"`{name}` of `{file}`")
    return made


def time_text(value: object, what: str) -> str:
    """Write a time given by a person as signed objects write it.

    Raises:
        InputError: no time, or one without a zone.
    """
    if not isinstance(value, str):
        raise InputError(f"{what} is `{value!s:.40}`", help="write a time with its zone, 2026-03-02T10:00Z")
    return format_time(parse_instant(value))


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file as 64 hex digits."""
    hasher = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()
