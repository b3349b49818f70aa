"""TLE: element sets in two lines of 69 columns, with or without a line for the name, five-digit or Alpha-5 numbers.

A set is used only if both lines are whole, both checksums hold, both numbers agree and every column is what it must be.
One bad set never takes its neighbour along: reading goes on at the next line that can begin one.

Source: Kelso, Satellite Times 4 (1998) 3, columns; Space-Track documentation, Alpha-5.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from groundrule.instant import NS_PER_DAY
from groundrule.orbit.record import (
    MAX_BSTAR,
    MAX_MEAN_MOTION_REV_DAY,
    MAX_NDDOT,
    MAX_NDOT,
    MIN_MEAN_MOTION_REV_DAY,
    Reading,
    Refused,
    Row,
    checked_row,
    in_range,
    number,
    year_of,
)

LENGTH = 69
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
"""First characters of Alpha-5, from 10 to 33; I and O look like digits and are left out."""
LARGEST_ALPHA5 = 339_999

_SHORTEST = 40  # a name has 24 columns; a longer line that begins with 1 or 2 is one of elements, whole or not
_DIGITS = re.compile(r" {0,4}\d{1,5}", re.ASCII)
_ALPHA5 = re.compile(r"[A-HJ-NP-Z]\d{4}", re.ASCII)
_EPOCH = re.compile(r"(\d{2})([ \d]{2}\d)\.(\d{8})", re.ASCII)
_IMPLIED = re.compile(r"([ +-])(\d{5})([+-]\d)", re.ASCII)
_FRACTION = re.compile(r"[ +-][ 0]?\.\d{8}", re.ASCII)
_DESIGNATOR = re.compile(r"(\d{2})(\d{3})([A-Z]{1,3})", re.ASCII)
_BLANKS = ((1, 8, 17, 32, 43, 52, 61, 63), (1, 7, 16, 25, 33, 42, 51))
_SUM = bytes(ord(c) - 48 if c.isdigit() and c.isascii() else 1 if c == "-" else 0 for c in map(chr, range(256)))


def is_line(text: str) -> bool:
    """Tell whether a line is one of elements, whole or not."""
    return text[:2] in ("1 ", "2 ") and len(text) >= _SHORTEST


def checksum(line: str) -> int:
    """Return the last digit that a line must have: digits count themselves, a minus counts one."""
    return sum(line[: LENGTH - 1].encode("latin-1", "replace").translate(_SUM)) % 10


def catalogue_of(text: str) -> int:
    """Read a number of five columns: digits, or Alpha-5."""
    if _ALPHA5.fullmatch(text):
        return (LETTERS.index(text[0]) + 10) * 10_000 + int(text[1:])
    if len(text) == 5 and _DIGITS.fullmatch(text) and int(text):
        return int(text)
    raise Refused("catalogue number", text, "five digits, or a letter other than I and O and four digits")


def alpha5(number: int) -> str:
    """Write a number in five columns.

    Raises:
        ValueError: above 339999, which five columns cannot say.
    """
    if number > LARGEST_ALPHA5 or number < 0:
        raise ValueError(f"{number} does not fit in five columns")
    return f"{number:05}" if number < 100_000 else LETTERS[number // 10_000 - 10] + f"{number % 10_000:04}"


def rows_of(
    lines: Iterator[tuple[int, str]], reading: Reading, refuse: Callable[[int, int, Refused], None]
) -> Iterator[tuple[int, int, Row, None]]:
    """Yield (line, record, row, None) of each usable set.

    Args:
        lines: line number and text.
        refuse: called with line, record and what is wrong for each set that cannot be used.
    """
    name, named_at = "", 0
    first, first_at = "", 0
    record = 0
    for at, raw in lines:
        text = raw.rstrip()
        if not text or text.startswith("#"):
            continue
        kind = text[0] if is_line(text) else "0"
        if first and kind != "2":
            refuse(first_at, record, Refused("line 2", "", "a second line after this first one; it is missing"))
            first, name, named_at = "", "", 0
        if kind == "2":
            if first:
                try:
                    yield first_at, record, row_of_lines(name, first, text, reading), None
                except Refused as refused:
                    refuse(first_at if refused.field.startswith("line 1") else at, record, refused)
            else:
                record += 1
                refuse(at, record, Refused("line 1", "", "a first line before this second one; it is missing"))
            first, name, named_at = "", "", 0
        elif kind == "1":
            first, first_at = text, at
            record += 1
        else:
            if named_at:
                refuse(named_at, 0, Refused("line", name, "two lines of elements after a name"))
            name, named_at = (text[2:] if text.startswith("0 ") else text).strip(), at
    if first:
        refuse(first_at, record, Refused("line 2", "", "a second line after this first one; the file ends"))
    elif named_at:
        refuse(named_at, 0, Refused("line", name, "two lines of elements after a name"))


def row_of_lines(name: str, one: str, two: str, reading: Reading) -> Row:
    """Return the row of one set.

    Raises:
        Refused: a line is not whole, or a column is not what it must be.
    """
    for which, line in (("line 1", one), ("line 2", two)):
        if len(line) != LENGTH:
            raise Refused(f"{which}, length", len(line), f"{LENGTH} columns")
        if line[-1] != str(checksum(line)):
            raise Refused(f"{which}, checksum", line[-1], f"{checksum(line)}")
        for column in _BLANKS[which == "line 2"]:
            if line[column] != " ":
                raise Refused(f"{which}, column {column + 1}", line[column], "a blank")
    catalogue = catalogue_of(one[2:7])
    if catalogue_of(two[2:7]) != catalogue:
        raise Refused("line 2, catalogue number", two[2:7], f"the number of line 1, {one[2:7]}")
    if one[62] not in " 023":
        raise Refused("line 1, ephemeris type", one[62], "0: other theories than SGP4 are not read")
    return checked_row(
        reading,
        form="tle",
        catalogue=catalogue,
        name=name,
        designator=_designator(one[9:17].strip()),
        epoch_ns=epoch_of(one[18:32]),
        numbers=(
            number("line 2, mean motion", two[52:63].strip(), MIN_MEAN_MOTION_REV_DAY, MAX_MEAN_MOTION_REV_DAY),
            _eccentricity(two[26:33]),
            number("line 2, inclination", two[8:16].strip(), 0, 180),
            number("line 2, right ascension", two[17:25].strip(), 0, 360) % 360.0,
            number("line 2, argument of perigee", two[34:42].strip(), 0, 360) % 360.0,
            number("line 2, mean anomaly", two[43:51].strip(), 0, 360) % 360.0,
            _implied("line 1, drag term", one[53:61], MAX_BSTAR),
            _fraction(one[33:43]),
            _implied("line 1, second derivative", one[44:52], MAX_NDDOT),
        ),
        element_set=_counter("line 1, element set", one[64:68]),
        rev=_counter("line 2, revolution", two[63:68]),
        classification=one[7].strip() or "U",
    )


def epoch_of(text: str) -> int:
    """Read year and day of a TLE, such as 26263.52959654 [ns since 1970, UTC]; eight digits of a day are exact."""
    match = _EPOCH.fullmatch(text)
    year = year_of(int(match[1])) if match else 0
    day = int(match[2]) if match else 0
    leap = year % 4 == 0  # 1957 to 2056 has no century that is not
    if match is None or not 1 <= day <= 365 + leap:
        raise Refused("line 1, epoch", text, "year and day, such as 26263.52959654")
    days = (year - 1970) * 365 + (year - 1969) // 4 + day - 1
    return in_range(days * NS_PER_DAY + int(match[3]) * (NS_PER_DAY // 10**8), text)


def _designator(text: str) -> str:
    match = _DESIGNATOR.fullmatch(text)
    return f"{year_of(int(match[1]))}-{match[2]}{match[3]}" if match else text


def _eccentricity(text: str) -> float:
    if not (text.isdigit() and text.isascii()):
        raise Refused("line 2, eccentricity", text, "seven digits")
    return float("0." + text)


def _implied(field: str, text: str, limit: float) -> float:
    """Read a number with its point left out before the first digit and a power of ten after the last."""
    match = _IMPLIED.fullmatch(text)
    if match is None:
        raise Refused(field, text, "five digits with a sign and a power of ten, such as -11606-4")
    return number(field, f"{match[1].strip()}.{match[2]}e{match[3]}", -limit, limit)


def _fraction(text: str) -> float:
    if not _FRACTION.fullmatch(text):
        raise Refused("line 1, first derivative", text, "a fraction such as -.00002182")
    return number("line 1, first derivative", text.replace(" ", ""), -MAX_NDOT, MAX_NDOT)


def _counter(field: str, text: str) -> int:
    plain = text.strip()
    if plain and not (plain.isdigit() and plain.isascii()):
        raise Refused(field, text, "digits or blanks")
    return int(plain or "0")
