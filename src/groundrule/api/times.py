"""Times in requests and answers: RFC 3339, in UTC."""

from __future__ import annotations

from groundrule.api.problems import Refused
from groundrule.errors import InputError
from groundrule.instant import MAX_NS, MIN_NS, format_instant, parse_instant


def instant_of(text: str, field: str) -> int:
    """Return an instant [ns, UTC].

    Args:
        text: RFC 3339 with a zone.
        field: parameter that it came in.
    Raises:
        Refused: 400, it is none.
    """
    try:
        return parse_instant(text)
    except InputError as error:
        raise Refused(400, error.message, code="malformed", field=field, help=error.help or "for instance 2026-02-01T00:00:00Z") from None


def interval_of(text: str, field: str) -> tuple[int, int]:
    """Return an interval [ns, UTC; both ends included]: an instant, or `from/until` where `..` or nothing is an open end."""
    first, slash, last = text.partition("/")
    if not slash:
        at = instant_of(first, field)
        return at, at
    begin = MIN_NS if first in ("", "..") else instant_of(first, field)
    end = MAX_NS if last in ("", "..") else instant_of(last, field)
    if end < begin:
        raise Refused(400, "the interval ends before it begins", code="malformed", field=field, help="from/until")
    return begin, end


def when(instant_ns: int) -> str | None:
    """Return an instant as text; None is without an end."""
    return None if instant_ns in (MIN_NS, MAX_NS) else format_instant(instant_ns)
