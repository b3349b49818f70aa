"""Record: what one element set must say, whatever its form, and what is wrong with one that does not.

The readers of TLE and OMM hand over text; here it becomes numbers, is held against what the theory allows, and is put
in the order of `elements.COLUMNS`. Limits are wide: they catch wrong units and cut digits, not odd orbits.

Source: CCSDS 502.0-B-3, 4.2 and 7.5 (values), Table 4-3 (fields); Kelso 1998 (two-digit years).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from groundrule.instant import MAX_NS, NS_PER_DAY, NS_PER_S, format_instant, parse_instant
from groundrule.orbit.elements import constellation_of

Row = tuple[object, ...]

SPUTNIK_NS = parse_instant("1957-10-04T19:28Z")
"""No artificial satellite has an earlier epoch."""
MAX_CATALOGUE = 999_999_999
FIRST_OF_OURS = 800_000_001
"""Numbers from here to 899,999,999 are made from the OBJECT_ID of an OMM that leaves the optional number out."""
MAX_MEAN_MOTION_REV_DAY = 17.1
"""A circular orbit at the ground has 17.04 revolutions a day."""
MIN_MEAN_MOTION_REV_DAY = 0.01
MAX_BSTAR = 10.0
MAX_NDOT = 10.0
MAX_NDDOT = 100.0
MAX_NAME = 100

UNITS = {
    "MEAN_MOTION": "rev/day",
    "INCLINATION": "deg",
    "RA_OF_ASC_NODE": "deg",
    "ARG_OF_PERICENTER": "deg",
    "MEAN_ANOMALY": "deg",
    "BSTAR": "1/er",
    "MEAN_MOTION_DOT": "rev/day**2",
    "MEAN_MOTION_DDOT": "rev/day**3",
    **{f"C{a}_{b}": "km**2" for a, b in ("XX", "YX", "YY", "ZX", "ZY", "ZZ")},
}
"""The only unit in which a field may stand; OMM allows it to be written beside the value."""
_EXPECTED = {
    "MEAN_ELEMENT_THEORY": ("SGP4", "SGP/SGP4", "SDP4", "SGP4/SDP4"),
    "REF_FRAME": ("TEME",),
    "CENTER_NAME": ("EARTH",),
    "TIME_SYSTEM": ("UTC",),
    "EPHEMERIS_TYPE": ("0", "2", "3", "+0", "+2", "+3", "SGP4"),
}
_RSW = ("RSW", "RTN")

_NUMBER = re.compile(r"[+-]?(?:\d{1,30}\.?\d{0,30}|\.\d{1,30})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_VALUE_UNIT = re.compile(r"(.*?)\s*\[([^\[\]]*)\]\s*")
_EPOCH = re.compile(r"(\d{4})-(?:(\d{2})-(\d{2})|(\d{3}))T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,18}))?Z?", re.ASCII)
_DESIGNATOR = re.compile(r"(\d{4})-\d{3}[A-Z]{0,3}", re.ASCII)
_DAY_1970 = date(1970, 1, 1).toordinal()


class Refused(Exception):
    """One record cannot be used; carries field, value and what is wanted. It never leaves this room: it becomes an Issue."""

    def __init__(self, field: str, value: object, wanted: str) -> None:
        super().__init__(field)
        self.field, self.value, self.wanted = field, str(value), wanted


@dataclass(frozen=True, slots=True)
class Issue:
    """Something wrong in a file of elements.

    Attributes:
        file: its name. line: 1-based, 0 if unknown. record: 1-based, 0 where no record is meant.
        field, value: what is wrong, the value cut to 80 characters. wanted: what would be right.
        kept: the record is used all the same; only what the issue names is left out.
    """

    file: str
    line: int
    record: int
    field: str
    value: str
    wanted: str
    kept: bool = False

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        what = f"{where}: {self.field} is `{self.value}`" if self.value else f"{where}: {self.field}"
        return f"{what}; wanted {self.wanted}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What all records of one reading have in common.

    Attributes:
        source: goes into every row. constellation, grade: as told by the user, or None to go by name and classification.
        latest_ns: no epoch may be later [ns since 1970, UTC].
    """

    source: str
    constellation: str | None = None
    grade: str | None = None
    latest_ns: int = MAX_NS


def number(field: str, text: str, low: float, high: float, wanted: str = "") -> float:
    """Read a decimal number within limits."""
    if _NUMBER.fullmatch(text):
        value = float(text)
        if low <= value <= high:
            return value
    raise Refused(field, text, wanted or f"a number from {low:g} to {high:g}")


def integer(field: str, text: str, low: int, high: int) -> int:
    """Read a whole number within limits; a sign and leading zeros are allowed."""
    if _INTEGER.fullmatch(text) and low <= int(text) <= high:
        return int(text)
    raise Refused(field, text, f"a whole number from {low} to {high}")


def epoch(text: str) -> int:
    """Read a CCSDS epoch, calendar date or day of year, in UTC [ns since 1970]; second 60 is the next midnight."""
    match = _EPOCH.fullmatch(text)
    wanted = "an epoch such as 2026-09-20T12:42:37.141056"
    if match is None:
        raise Refused("EPOCH", text, wanted)
    year, month, day, day_of_year, hour, minute, second, fraction = match.groups()
    try:
        if day_of_year is None:
            days = date(int(year), int(month), int(day)).toordinal()
        else:
            days = date(int(year), 1, 1).toordinal() + int(day_of_year) - 1
            if not 1 <= int(day_of_year) <= 366 or date.fromordinal(days).year != int(year):
                raise Refused("EPOCH", text, wanted)
    except ValueError:
        raise Refused("EPOCH", text, wanted) from None
    leap = second == "60" and hour == "23" and minute == "59"
    if int(hour) > 23 or int(minute) > 59 or (int(second) > 59 and not leap):
        raise Refused("EPOCH", text, wanted)
    seconds = int(hour) * 3600 + int(minute) * 60 + int(second)
    part = 0 if leap else int((fraction or "0")[:9].ljust(9, "0"))
    return in_range((days - _DAY_1970) * NS_PER_DAY + seconds * NS_PER_S + part, text)


def year_of(two_digits: int) -> int:
    """Return the year of two digits: 57 to 99 stand for 1957 to 1999, 00 to 56 for 2000 to 2056."""
    return two_digits + (1900 if two_digits >= 57 else 2000)


def in_range(epoch_ns: int, text: str) -> int:
    """Return an epoch that can be one: after the first satellite and not the zero of a clock."""
    if not SPUTNIK_NS <= epoch_ns <= MAX_NS:
        raise Refused("EPOCH", text, "an epoch after the first satellite, 1957-10-04, and before 2262")
    if 0 <= epoch_ns < NS_PER_DAY:
        raise Refused("EPOCH", text, "an epoch; the first day of 1970 is the zero of a clock that was never set")
    return epoch_ns


def checked_row(
    reading: Reading,
    *,
    form: str,
    catalogue: int,
    name: str,
    designator: str,
    epoch_ns: int,
    numbers: tuple[float, float, float, float, float, float, float, float, float],
    element_set: int,
    rev: int,
    classification: str,
) -> Row:
    """Return one row in the order of `elements.COLUMNS`; numbers begin with the mean motion and end with nddot."""
    if epoch_ns > reading.latest_ns:
        raise Refused(
            "EPOCH",
            format_instant(epoch_ns),
            f"an epoch not later than {format_instant(reading.latest_ns)}: is a clock wrong?",
        )
    match = _DESIGNATOR.fullmatch(designator)
    if match is not None and epoch_ns < (date(int(match[1]), 1, 1).toordinal() - _DAY_1970) * NS_PER_DAY:
        raise Refused("EPOCH", format_instant(epoch_ns), f"an epoch after the launch of `{designator}`")
    title = " ".join(name.split())[:MAX_NAME]
    grade = reading.grade or ("supplemental" if classification == "C" else "raw")
    return (
        catalogue, title, designator, epoch_ns, *numbers, element_set, rev, classification,
        reading.constellation or constellation_of(title), grade, form, reading.source,
    )  # fmt: skip


def row_of_omm(fields: Mapping[str, str], reading: Reading) -> Row:
    """Return the row of one OMM, given as its keywords and texts.

    Raises:
        Refused: a field is missing, not a number, out of range, in another unit, frame or theory.
    """
    for field, allowed in _EXPECTED.items():
        value = fields.get(field, "").strip()
        if value and value.upper() not in allowed:
            raise Refused(field, value, " or ".join(allowed[:2]))
    if "BTERM" in fields or "AGOM" in fields:
        raise Refused("BTERM", fields.get("BTERM", ""), "BSTAR: SGP4-XP is another theory")

    def real(field: str, low: float, high: float, default: str | None = None) -> float:
        return number(field, _plain(fields, field, default), low, high)

    return checked_row(
        reading,
        form="omm",
        catalogue=_catalogue(fields),
        name=fields.get("OBJECT_NAME", ""),
        designator=fields.get("OBJECT_ID", "").strip()[:20],
        epoch_ns=epoch(_plain(fields, "EPOCH")),
        numbers=(
            real("MEAN_MOTION", MIN_MEAN_MOTION_REV_DAY, MAX_MEAN_MOTION_REV_DAY),
            _eccentricity(_plain(fields, "ECCENTRICITY")),
            real("INCLINATION", 0, 180),
            real("RA_OF_ASC_NODE", -180, 360) % 360.0,
            real("ARG_OF_PERICENTER", -180, 360) % 360.0,
            real("MEAN_ANOMALY", -180, 360) % 360.0,
            real("BSTAR", -MAX_BSTAR, MAX_BSTAR),
            # SGP4 does not read the derivatives, so a record without them is usable.
            real("MEAN_MOTION_DOT", -MAX_NDOT, MAX_NDOT, "0"),
            real("MEAN_MOTION_DDOT", -MAX_NDDOT, MAX_NDDOT, "0"),
        ),
        element_set=integer("ELEMENT_SET_NO", _plain(fields, "ELEMENT_SET_NO", "0"), 0, MAX_CATALOGUE),
        rev=integer("REV_AT_EPOCH", _plain(fields, "REV_AT_EPOCH", "0"), 0, MAX_CATALOGUE),
        classification=fields.get("CLASSIFICATION_TYPE", "U").strip()[:1].upper() or "U",
    )


def numbered_by_us(fields: Mapping[str, str]) -> Refused | None:
    """Say that an OMM leaves out the catalogue number, and under which it is known here; None if it has one."""
    if fields.get("NORAD_CAT_ID", "").strip() or "NORAD_CAT_ID" in fields:
        return None
    return Refused("NORAD_CAT_ID", "", f"a number; made from OBJECT_ID, it is {_catalogue(fields)} here")


def _catalogue(fields: Mapping[str, str]) -> int:
    """Catalogue number; for an OMM that leaves it out, one of 800,000,001 to 899,999,999 that its OBJECT_ID gives."""
    designator = fields.get("OBJECT_ID", "").strip()
    if "NORAD_CAT_ID" not in fields and designator:
        return FIRST_OF_OURS + int.from_bytes(hashlib.sha256(designator.encode()).digest()[:8], "big") % 99_999_999
    return integer("NORAD_CAT_ID", _plain(fields, "NORAD_CAT_ID"), 1, MAX_CATALOGUE)


def covariance_of_omm(fields: Mapping[str, str]) -> list[list[float]] | None:
    """Return the 3 by 3 covariance of position in S, R, C [m2], or None if the OMM has none.

    Raises:
        Refused: it stands in another frame than RSW (RTN), is incomplete, or is no covariance.
    """
    if not any(field.startswith("CX_") for field in fields):
        return None
    frame = fields.get("COV_REF_FRAME", fields.get("REF_FRAME", "TEME")).strip().upper()
    if frame not in _RSW:
        raise Refused("COV_REF_FRAME", frame, "RSW or RTN; the covariance is left out")
    value = {
        f"{a}{b}": number(f"C{a}_{b}", _plain(fields, f"C{a}_{b}"), -1e12, 1e12) * 1e6
        for a, b in ("XX", "YX", "YY", "ZX", "ZY", "ZZ")
    }
    # X, Y, Z are radial, along track, cross track; ours begin with along track.
    s, r, c, sr, sc, rc = value["YY"], value["XX"], value["ZZ"], value["YX"], value["ZY"], value["ZX"]
    determinant = s * (r * c - rc * rc) - sr * (sr * c - rc * sc) + sc * (sr * rc - r * sc)
    if min(s, r, c) <= 0 or s * r <= sr * sr or determinant <= 0:
        raise Refused("CX_X", fields["CX_X"], "a positive definite matrix; the covariance is left out")
    return [[s, sr, sc], [sr, r, rc], [sc, rc, c]]


def _plain(fields: Mapping[str, str], field: str, default: str | None = None) -> str:
    """Text of a field without the unit beside it, which must be the one that is meant."""
    text = fields.get(field, "").strip()
    if not text:
        if default is None:
            raise Refused(field, "", "a value; it is missing")
        return default
    match = _VALUE_UNIT.fullmatch(text)
    if match is None:
        return text
    if match[2].strip().lower() != UNITS.get(field):
        raise Refused(field, text, f"the unit {UNITS.get(field, 'left out')}")
    return match[1]


def _eccentricity(text: str) -> float:
    value = number("ECCENTRICITY", text, 0.0, 1.0, "a number from 0 up to 1")
    if value >= 1.0:
        raise Refused("ECCENTRICITY", text, "a number from 0 up to 1, not included")
    return value
