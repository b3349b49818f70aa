"""Instants: UTC nanoseconds since 1970-01-01, as int64, and their text form.

Every time in Groundrule is one of these. Leap seconds are not counted (POSIX scale), because the operators' telemetry
and Parquet files use the same scale. Naive times are refused: a missing zone is an error of input, never guessed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from groundrule.errors import InputError, NaiveTime, OutOfRange

NS_PER_S = 1_000_000_000
NS_PER_DAY = 86_400 * NS_PER_S
MIN_NS = -(2**63) + 1
MAX_NS = 2**63 - 1
"""Largest instant; stands for "without end" in half-open intervals."""

_PATTERN = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?\s*(Z|z|[+-]\d{2}:?\d{2})?"
)


def parse_instant(text: str) -> int:
    """Read an ISO 8601 / RFC 3339 time with a zone.

    A bare date (`2026-02-01`) means midnight UTC, as dates in legal texts of a rulebook do; a date with a time of day
    must carry `Z` or an offset.

    Args:
        text: for instance `2026-02-01T00:00Z` or `2026-02-01T02:00:00.5+02:00`.
    Returns:
        The instant [ns since 1970, UTC].
    Raises:
        NaiveTime: time of day without a zone.
        InputError: not a time. OutOfRange: outside 1678 to 2262, the range of int64 nanoseconds.
    Example:
        >>> parse_instant("1970-01-01T00:00:01.5Z")
        1500000000
    """
    match = _PATTERN.fullmatch(text.strip())
    if match is None:
        raise InputError(f"`{text[:60]}` is not a time", help="write for instance 2026-02-01T00:00Z", value=text[:60])
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    if hour is not None and zone is None:
        raise NaiveTime(
            f"the time `{text[:60]}` has no zone", help="add Z for UTC or an offset such as +02:00", value=text[:60]
        )
    offset = timedelta(0)
    if zone and zone not in "Zz":
        sign = -1 if zone[0] == "-" else 1
        digits = zone[1:].replace(":", "")
        offset = sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=timezone(offset)
        )
    except ValueError as error:
        raise InputError(f"`{text[:60]}` is not a time: {error}", value=text[:60]) from None
    whole = moment - datetime(1970, 1, 1, tzinfo=UTC)
    ns = (whole.days * 86_400 + whole.seconds) * NS_PER_S + int((fraction or "0").ljust(9, "0"))
    if not MIN_NS <= ns <= MAX_NS:
        raise OutOfRange(f"the time `{text[:60]}` is outside 1678 to 2262", value=text[:60])
    return ns


def format_instant(instant_ns: int) -> str:
    """Write an instant as RFC 3339 in UTC, with as many fraction digits as it needs.

    Args:
        instant_ns: ns since 1970, UTC; MAX_NS gives `never`.
    Example:
        >>> format_instant(1_500_000_000)
        '1970-01-01T00:00:01.5Z'
    """
    if instant_ns == MAX_NS:
        return "never"
    seconds, fraction = divmod(int(instant_ns), NS_PER_S)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S") if moment.year >= 1000 else moment.isoformat()[:19]
    if fraction:
        text += f".{fraction:09d}".rstrip("0")
    return text + "Z"
