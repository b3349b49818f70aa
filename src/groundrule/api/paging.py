"""Pages of long lists: a limit, and an opaque cursor that says where the next page begins."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from litestar.params import Parameter

from groundrule.api.problems import Refused

T = TypeVar("T")

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1_000

Limit = Annotated[int, Parameter(ge=1, le=MAX_LIMIT, description="At most so many items.")]
Cursor = Annotated[str | None, Parameter(max_length=1_000, description="`next` of the page before.")]


class Page(msgspec.Struct, Generic[T]):
    """A page of a list.

    Attributes:
        items: in the order of the list.
        next: cursor of the next page; null at the end.
    """

    items: list[T]
    next: str | None = None


def encode_cursor(position: Any) -> str:
    """Return the cursor of a position: anything that JSON can hold."""
    return urlsafe_b64encode(json.dumps(position, separators=(",", ":")).encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str | None, check: Callable[[Any], bool] = lambda _: True) -> Any:
    """Return the position of a cursor; None where there is none.

    Args:
        cursor: as it came from outside.
        check: tells whether a position is one of this list.
    Raises:
        Refused: 400, it is no cursor of this list.
    """
    if cursor is None:
        return None
    try:
        position = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        good = check(position)
    except (ValueError, RecursionError, TypeError, KeyError, IndexError):
        good = False
    if not good:
        raise Refused(400, "this cursor is none of this list", field="cursor", code="bad_cursor", help="take `next` of the page before")
    return position


def page_of(items: Sequence[T], limit: int, cursor: str | None) -> Page[T]:
    """Cut a page out of a list that is in memory; its cursor is a position in it."""
    first = decode_cursor(cursor, lambda found: isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= len(items)) or 0
    last = first + limit
    return Page(list(items[first:last]), encode_cursor(last) if last < len(items) else None)
