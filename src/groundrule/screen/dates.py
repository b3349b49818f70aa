"""Dates of list publishers, which are often a year, a month or a span, and sometimes no date at all."""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta

from groundrule.screen.model import BirthDate

_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if number}
_MONTHS |= {name.lower(): number for number, name in enumerate(calendar.month_name) if number}
_WORDS = re.compile(r"(?:(?:(\d{1,2})[ -])?([A-Za-z]{3,9})\.?[ -])?(\d{4})")
_ISO = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?(?:[T ].*|Z|[+-]\d{2}:\d{2})?")
_SLASHES = re.compile(r"(\d{1,2}|dd|d)[/.](\d{1,2}|mm|m)[/.](\d{4})", re.IGNORECASE)
_CIRCA = re.compile(r"(?:circa|c\.|ca\.|approximately|approx\.?|about|around)\s+", re.IGNORECASE)
_SPAN = re.compile(r"\s+(?:to|and|or)\s+|(?<=\d{4})\s*[-–]\s*(?=\d{4})", re.IGNORECASE)
_DECADE = re.compile(r"(\d{3})0['’]?s")
FIRST_YEAR, LAST_YEAR = 1000, 2200


def read_date(text: str, *, circa: bool = False) -> BirthDate | None:
    """Read a date as publishers write them.

    Args:
        text: `29 Aug 1987`, `1987-08-29`, `29/08/1987`, `dd/mm/1987`, `Aug 1987`, `1987`, `circa 1987`,
            `1985 to 1987`, `1980s`.
        circa: it is known to be about then.
    Returns:
        The days that it can mean, or None if it is no date.
    Example:
        >>> read_date("circa Aug 1987")
        BirthDate(text='circa Aug 1987', earliest='1987-08-01', latest='1987-08-31', circa=True)
    """
    shown = " ".join(text.split())[:100]
    bare, found = _CIRCA.subn("", shown)
    parts = _SPAN.split(bare.removeprefix("between ").removeprefix("Between "))
    if len(parts) > 2:
        return None
    days = [_days(part.strip()) for part in parts]
    first, last = days[0], days[-1]
    if first is None or last is None or first[0] > last[1]:
        return None
    return BirthDate(shown, first[0].isoformat(), last[1].isoformat(), bool(circa or found))


def read_day(text: str) -> str | None:
    """Read one certain day and return it as `YYYY-MM-DD`, or None."""
    found = read_date(text)
    return found.earliest if found is not None and found.earliest == found.latest and not found.circa else None


def days_of(year: str, month: str = "", day: str = "") -> tuple[str, str] | None:
    """First and last day that numbers of a year, month and day can mean; missing ones are empty or zero."""
    found = _span_of(year, month, day)
    return (found[0].isoformat(), found[1].isoformat()) if found is not None else None


def _days(text: str) -> tuple[date, date] | None:
    if match := _ISO.fullmatch(text):
        return _span_of(match[1], match[2] or "", match[3] or "")
    if match := _SLASHES.fullmatch(text):
        return _span_of(match[3], match[2], match[1])
    if match := _WORDS.fullmatch(text):
        month = _MONTHS.get((match[2] or "").lower())
        return None if match[2] and month is None else _span_of(match[3], str(month or ""), match[1] or "")
    if match := _DECADE.fullmatch(text):
        decade = int(match[1]) * 10
        return (date(decade, 1, 1), date(decade + 9, 12, 31)) if decade >= FIRST_YEAR else None
    return None


def _span_of(year: str, month: str, day: str) -> tuple[date, date] | None:
    try:
        y, m, d = (int(part) if part.strip().isascii() and part.strip().isdigit() else 0 for part in (year, month, day))
        if not FIRST_YEAR <= y <= LAST_YEAR:
            return None
        if not m:
            return date(y, 1, 1), date(y, 12, 31)
        if not d:
            following = date(y + m // 12, m % 12 + 1, 1) if m <= 12 else None
            return None if following is None else (date(y, m, 1), following - timedelta(days=1))
        return date(y, m, d), date(y, m, d)
    except (ValueError, OverflowError):
        return None
