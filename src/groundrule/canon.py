"""Canonical bytes and digests: the same content always gives the same bytes.

Objects are written as RFC 8785 JSON with one restriction: no floats, because two writers may print them differently.
Numbers with fractions are scaled to integers or written as text by the caller.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import rfc8785

from groundrule.errors import InputError

SCHEME = "sha256:"


def canonical_json(value: Any) -> bytes:
    """Write a JSON value as RFC 8785 bytes.

    Args:
        value: dict, list, tuple, str, int, bool or None, nested; floats are refused.
    Raises:
        InputError: a float or a value that JSON does not have.
    Example:
        >>> canonical_json({"b": 1, "a": ["x", None]})
        b'{"a":["x",null],"b":1}'
    """
    _refuse_floats(value, "$")
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise InputError(f"not canonical JSON: {error}") from error


def digest_bytes(data: bytes | memoryview) -> str:
    """Return `sha256:` and the hexadecimal SHA-256 of the bytes."""
    return SCHEME + hashlib.sha256(data).hexdigest()


def digest(value: Any) -> str:
    """Return the digest of the canonical JSON of a value.

    Example:
        >>> digest({})
        'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'
    """
    return digest_bytes(canonical_json(value))


def digest_file(path: Path) -> str:
    """Return the digest of a file, read in blocks of 1 MiB."""
    hasher = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            hasher.update(block)
    return SCHEME + hasher.hexdigest()


def _refuse_floats(value: Any, path: str) -> None:
    if isinstance(value, float):
        raise InputError(
            f"float {value!r} at {path} in bytes that are digested", help="scale it to an integer or write text"
        )
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_floats(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _refuse_floats(item, f"{path}[{index}]")
