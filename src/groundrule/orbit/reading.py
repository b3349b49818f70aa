"""Reading: files of element sets to `Elements`, with an issue for every record that cannot be used.

1. The bytes are unpacked (gzip) within a bound.
2. The form is told from the content: JSON, XML, KVN and CSV of OMM, or TLE.
3. Each record is checked; those that pass are run through SGP4 at their own epoch, and kept if it answers.
A good record is never lost because of a bad one beside it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from groundrule.errors import InputError, MalformedElements, StoreError
from groundrule.instant import MAX_NS, NS_PER_S
from groundrule.orbit import omm, tle
from groundrule.orbit.elements import GRADES, Elements, columns_of
from groundrule.orbit.propagate import MAX_AHEAD_S, MEANING, Propagator
from groundrule.orbit.record import Issue, Reading, Refused, Row, covariance_of_omm, numbered_by_us, row_of_omm

Form = Literal["json", "xml", "kvn", "csv", "tle"]
FORMS: tuple[Form, ...] = ("json", "xml", "kvn", "csv", "tle")
MAX_BYTES = 256 << 20
"""Largest file, unpacked: ten times the whole catalogue as XML."""
MAX_RECORDS = 1_000_000
MAX_ISSUES = 1_000
"""Issues that are kept in full; all are counted."""
_SHOWN = 80

_KVN_LINE = re.compile(r"\s*(CCSDS_OMM_VERS|COMMENT\b|[A-Z][A-Z0-9_]+\s*=)")


@dataclass(frozen=True, slots=True)
class Read:
    """What a file gave.

    Attributes:
        elements: the usable records, in the order of the file.
        form: how the file was read.
        records: number of records begun; rejected: how many of them cannot be used.
        issues: the first `MAX_ISSUES` of them; issue_count: all.
    """

    elements: Elements
    form: Form
    records: int
    rejected: int
    issues: tuple[Issue, ...]
    issue_count: int


class _Issues:
    def __init__(self, file: str) -> None:
        self.file = file
        self.kept: list[Issue] = []
        self.count = self.rejected = self.records = 0

    def refuse(self, line: int, record: int, refused: Refused) -> None:
        self.add(line, record, refused)
        self.rejected += record > 0

    def add(self, line: int, record: int, refused: Refused, *, kept: bool = False) -> None:
        self.count += 1
        self.records = max(self.records, record)
        if len(self.kept) < MAX_ISSUES:
            self.kept.append(
                Issue(self.file, line, record, refused.field, refused.value[:_SHOWN], refused.wanted, kept)
            )


def read_file(
    path: Path | str,
    *,
    form: Form | None = None,
    source: str | None = None,
    constellation: str | None = None,
    grade: str | None = None,
    now_ns: int | None = None,
) -> Read:
    """Read a file of element sets, plain or gzip-compressed; see `read_bytes`.

    Raises:
        InputError: it is a folder. StoreError: the file cannot be read.
    """
    place = Path(path)
    if place.is_dir():
        raise InputError(f"`{place}` is a folder", help="name a file of element sets: OMM or TLE", path=str(place))
    try:
        with place.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise StoreError(f"cannot read `{place}`: {error.strerror}", path=str(place)) from error
    return read_bytes(
        data, place.name, form=form, source=source, constellation=constellation, grade=grade, now_ns=now_ns
    )


def read_bytes(
    data: bytes,
    name: str,
    *,
    form: Form | None = None,
    source: str | None = None,
    constellation: str | None = None,
    grade: str | None = None,
    now_ns: int | None = None,
) -> Read:
    """Read element sets.

    Args:
        data: content, plain or gzip-compressed. name: for messages.
        form: how to read it; None goes by the content.
        source: where the elements come from; the default is the name.
        constellation: of all records; None goes by their names.
        grade: hint of all records, one of `elements.GRADES`; None goes by their classification.
        now_ns: the present [ns since 1970, UTC]; an epoch more than three days after it is refused. None refuses none.
    Returns:
        The usable records and what is wrong with the others; possibly no usable record.
    Raises:
        InputError: too large, or a grade that is none. MalformedElements: hostile XML, or more than a million records.
    """
    if grade is not None and grade not in GRADES:
        raise InputError(f"`{grade}` is no grade", help="grades are: " + ", ".join(GRADES), value=grade)
    issues = _Issues(name)
    plain = _unpacked(data, name, issues)
    text = "" if form == "xml" else plain.decode("utf-8-sig", "replace")
    how = form or _form_of(text)
    latest = MAX_NS if now_ns is None else now_ns + int(MAX_AHEAD_S * NS_PER_S)
    reading = Reading(source or name, constellation, grade, latest)
    places: list[tuple[int, int]] = []
    rows: list[Row] = []
    covariances: dict[int, list[list[float]]] = {}
    for line, record, row, covariance in _rows(how, plain, text, name, reading, issues):
        if len(rows) >= MAX_RECORDS:
            raise MalformedElements(f"`{name}` has more than {MAX_RECORDS:,} records", help="split it", file=name)
        if covariance is not None:
            covariances[len(rows)] = covariance
        rows.append(row)
        places.append((line, record))
        issues.records = max(issues.records, record)
    full = None
    if covariances:
        full = np.full((len(rows), 3, 3), np.nan)
        for at, matrix in covariances.items():
            full[at] = matrix
    elements = _usable(columns_of(rows, full), places, issues)
    return Read(elements, how, issues.records, issues.rejected, tuple(issues.kept), issues.count)


def _rows(
    how: Form, data: bytes, text: str, name: str, reading: Reading, issues: _Issues
) -> Iterator[tuple[int, int, Row, list[list[float]] | None]]:
    lines = enumerate(text.splitlines(), start=1)
    if how == "tle":
        yield from tle.rows_of(lines, reading, issues.refuse)
        return
    if how == "json":
        found = omm.from_json(text, issues.refuse)
    elif how == "xml":
        found = omm.from_xml(data, name, issues.refuse)
    elif how == "kvn":
        found = omm.from_kvn(lines, issues.refuse)
    else:
        found = omm.from_csv(lines, issues.refuse)
    for line, record, fields in found:
        try:
            row = row_of_omm(fields, reading)
        except Refused as refused:
            issues.refuse(line, record, refused)
            continue
        unnumbered = numbered_by_us(fields)
        if unnumbered is not None:
            issues.add(line, record, unnumbered, kept=True)
        covariance = None
        try:
            covariance = covariance_of_omm(fields)
        except Refused as refused:
            issues.add(line, record, refused, kept=True)
        yield line, record, row, covariance


def _usable(elements: Elements, places: list[tuple[int, int]], issues: _Issues) -> Elements:
    """Leave out what SGP4 refuses at the epoch itself, and all but the last of sets with one number and epoch."""
    if not len(elements):
        return elements
    judge = Propagator(elements, max_age_s=None, max_ahead_s=None)
    code = judge.pairs(np.arange(len(elements)), elements.epoch_ns).code
    good = code == 0
    for at in np.flatnonzero(~good).tolist():
        refused = Refused(
            "elements", int(elements.catalogue[at]), f"elements that SGP4 can use: {MEANING[int(code[at])]}"
        )
        issues.refuse(places[at][0], places[at][1], refused)
    order = np.lexsort((np.arange(len(elements)), elements.epoch_ns, elements.catalogue))
    same = (np.diff(elements.catalogue[order]) == 0) & (np.diff(elements.epoch_ns[order]) == 0)
    for at in order[:-1][same & good[order[:-1]] & good[order[1:]]].tolist():
        refused = Refused(
            "catalogue number and epoch", int(elements.catalogue[at]), "one set each; the last one is used"
        )
        issues.refuse(places[at][0], places[at][1], refused)
        good[at] = False
    return elements if good.all() else elements.select(good)


def _unpacked(data: bytes, name: str, issues: _Issues) -> bytes:
    if data[:2] != b"\x1f\x8b":
        return _bounded(data, name)
    whole = bytearray()
    while data:
        stream = zlib.decompressobj(31)
        try:
            whole += stream.decompress(data, MAX_BYTES + 1 - len(whole))
        except zlib.error as error:
            issues.add(0, 0, Refused("gzip", str(error), "a whole file; what could be unpacked is read"))
            break
        _bounded(whole, name)
        if not stream.eof:
            issues.add(0, 0, Refused("gzip", "", "a whole file; it is cut, and what could be unpacked is read"))
            break
        data = stream.unused_data
        if data and data[:2] != b"\x1f\x8b":
            break  # padding after the last member, as some programs leave it
    return bytes(whole)


def _bounded(data: bytes | bytearray, name: str) -> bytes:
    if len(data) > MAX_BYTES:
        raise InputError(
            f"`{name}` is larger than {MAX_BYTES >> 20} MB when unpacked",
            help="split it, or is it another file?",
            file=name,
        )
    return bytes(data)


def _form_of(text: str) -> Form:
    """Tell the form from the first line that is not empty."""
    start = text.lstrip()
    first = start.split("\n", 1)[0]
    if start[:1] in "[{" and start:
        return "json"
    if start[:1] == "<":
        return "xml"
    if "," in first and "NORAD_CAT_ID" in first.upper():
        return "csv"
    if _KVN_LINE.match(first):
        return "kvn"
    return "tle"
