"""Ids in paths: `/v1/terminals/a%2Fb` names the terminal `a/b`, wherever in a path the id stands.

A server decodes a path before routes are looked for, and then nothing tells the slash of an id from one between two parts.
So a slash within a part is kept in another form until the id is read.
"""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import unquote_to_bytes

from litestar.params import PathParameter

from groundrule.api.problems import Refused

_MARK: Final = "\uf8ff"
"""A character without meaning; where an id has it, it is doubled with an `e`, as a slash is it with an `s`."""
MAX_ID_BYTES: Final = 200

Id = Annotated[str, PathParameter(min_length=1, max_length=600, description="An id; a slash in it is written %2F.")]


def routable(raw_path: bytes) -> str | None:
    """Return the path under which routes are looked for; None where it is the plain path.

    Args:
        raw_path: as it was asked for, with percent signs.
    """
    if b"%2f" not in raw_path.lower() and b"%ef%a3%bf" not in raw_path.lower():
        return None
    parts = (unquote_to_bytes(part).decode("utf-8", "replace") for part in raw_path.partition(b"?")[0].split(b"/"))
    return "/".join(part.replace(_MARK, f"{_MARK}e").replace("/", f"{_MARK}s") for part in parts)


def id_of(part: str, what: str) -> str:
    """Return the id that a part of a path names.

    Args:
        part: as the route got it.
        what: is named, for the answer where it cannot be one.
    Raises:
        Refused: 404, no id is like this.
    """
    name = part.replace(f"{_MARK}s", "/").replace(f"{_MARK}e", _MARK)
    if not 0 < len(name.encode("utf-8", "replace")) <= MAX_ID_BYTES or any(each < " " for each in name):
        raise missing(what, name)
    return name


def missing(what: str, name: str) -> Refused:
    """Return the answer for what does not exist, or not for whoever asks: the two are told alike."""
    return Refused(404, f"there is no {what} `{name[:80]}`", code="missing", help="check the id")
