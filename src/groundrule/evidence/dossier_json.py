"""A dossier as canonical JSON: the form that is digested, packed and checked.

Instants are decimal text of nanoseconds since 1970, UTC, since JSON numbers of other programs do not hold them exactly; binary outlines
are base64; other numbers with fractions are text.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from groundrule.canon import canonical_json
from groundrule.evidence.dossier import Dossier

VERSION = 2
"""2: a claim of a report has named fields and says that it is one; 1 had a list of seven texts."""


def dossier_json(dossier: Dossier) -> bytes:
    """Return the canonical bytes of a dossier."""
    return canonical_json({"v": VERSION, **plain(dossier)})


def plain(value: Any) -> Any:
    """Return a value of the evidence room as JSON holds it."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _instant(each.name, getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Mapping):
        return {str(name): plain(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def _instant(name: str, value: Any) -> Any:
    return str(value) if name.endswith("_ns") and isinstance(value, int) else plain(value)
