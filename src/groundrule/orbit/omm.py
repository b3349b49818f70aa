"""OMM: Orbit Mean-Elements Messages as JSON, XML, KVN and CSV, taken apart into keywords and texts.

Numbers stay text here, so that each form is judged by the same rules (`record.row_of_omm`) and `25544.0` is not an
integer in any of them. A cut file gives the records before the cut, and an issue. XML with a document type or an entity
is refused whole: nothing in an OMM needs one.

Source: CCSDS 502.0-B-3 (KVN: 7.3 to 7.5), CCSDS 505.0-B-3 (XML); CelesTrak, GP data formats (JSON and CSV).
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from xml.parsers import expat

from groundrule.errors import MalformedElements
from groundrule.orbit.record import Refused

Fields = dict[str, str]
Refuse = Callable[[int, int, Refused], None]
Found = tuple[int, int, Fields]
"""Line, record and keywords of one message."""

_MAX_DEPTH = 20
_MAX_TEXT = 10_000
"""Longest text of one field [characters]; what is longer is no field of an OMM."""
_SPACE = re.compile(r"[\s,]*")
_KEYWORD = re.compile(r"[A-Z0-9_]{1,40}", re.ASCII)


def from_json(text: str, refuse: Refuse) -> Iterator[Found]:
    """Yield the messages of an array of objects, or of one object."""
    decoder = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_once)
    at = _SPACE.match(text).end()  # type: ignore[union-attr]  # the pattern matches everywhere
    in_array = text[at : at + 1] == "["
    at += in_array
    line, counted = 1, 0
    record = 0
    while True:
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]  # as above
        line += text.count("\n", counted, at)
        counted = at
        if at >= len(text):
            if in_array:
                refuse(line, 0, Refused("end of file", "", "the closing bracket; is the file complete?"))
            return
        if text[at] == "]" and in_array:
            return
        record += 1
        if text[at] != "{":
            refuse(line, record, Refused("JSON", text[at : at + 30], "an object between braces"))
            at = _next_object(text, at)
            continue
        try:
            value, at = decoder.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError) as error:
            place = getattr(error, "pos", at)
            refuse(line, record, Refused("JSON", text[max(0, place - 10) : place + 20], "well-formed JSON"))
            at = _next_object(text, at + 1)
            continue
        fields, twice = value
        if twice:
            refuse(line, record, Refused(twice, "", "a field that stands once; it stands twice"))
        else:
            yield line, record, fields


def from_kvn(lines: Iterator[tuple[int, str]], refuse: Refuse) -> Iterator[Found]:
    """Yield the messages of `KEYWORD = value` lines; each begins with CCSDS_OMM_VERS."""
    fields: Fields = {}
    start = record = 0
    bad: Refused | None = None
    for at, raw in lines:
        text = raw.strip()
        if not text or text == "COMMENT" or text.startswith("COMMENT "):
            continue
        keyword, equals, value = text.partition("=")
        keyword = keyword.strip()
        if keyword == "CCSDS_OMM_VERS" or not record:
            if record:
                yield from _whole(start, record, fields, bad, refuse)
            fields, start, bad = {}, at, None
            record += 1
            if keyword != "CCSDS_OMM_VERS":
                bad = Refused("CCSDS_OMM_VERS", text[:80], "a message that begins with CCSDS_OMM_VERS")
        if bad is not None:
            continue
        if not equals or not _KEYWORD.fullmatch(keyword):
            bad, start = Refused("line", text[:80], "KEYWORD = value"), at
        elif keyword in fields:
            bad, start = Refused(keyword, value.strip()[:80], "a field that stands once; it stands twice"), at
        else:
            fields[keyword] = value.strip()[:_MAX_TEXT]
    if record:
        yield from _whole(start, record, fields, bad, refuse)


def from_csv(lines: Iterator[tuple[int, str]], refuse: Refuse) -> Iterator[Found]:
    """Yield the rows below a header of keywords."""
    last = [0]

    def texts() -> Iterator[str]:
        for at, line in lines:
            last[0] = at
            yield line + "\n"

    rows = csv.reader(texts(), strict=True)
    header: list[str] = []
    record = 0
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            record += 1
            refuse(last[0], record, Refused("row", str(error), "well-formed CSV"))
            continue
        if not row or not any(row):
            continue
        if not header:
            header = [name.strip().upper() for name in row]
            if len(set(header)) != len(header):
                raise MalformedElements(
                    "a column stands twice in the header", help="name each column once", line=last[0]
                )
            continue
        record += 1
        if len(row) != len(header):
            refuse(last[0], record, Refused("row", f"{len(row)} values", f"{len(header)} values; is the file cut?"))
            continue
        yield last[0], record, dict(zip(header, row, strict=True))


def from_xml(data: bytes, name: str, refuse: Refuse) -> Iterator[Found]:
    """Yield every `omm` element, whatever it is wrapped in.

    Raises:
        MalformedElements: a document type or an entity is declared, or elements are nested too deep.
    """
    found: list[Found] = []
    reader = _XmlReader(name, found, refuse)
    for start in range(0, len(data) or 1, 1 << 16):
        try:
            reader.parser.Parse(data[start : start + (1 << 16)], start + (1 << 16) >= len(data))
        except expat.ExpatError as error:
            refuse(
                error.lineno, 0, Refused("XML", expat.ErrorString(error.code), "well-formed XML; is the file complete?")
            )
            yield from found
            return
        except MalformedElements:
            raise
        except (LookupError, ValueError) as error:  # an encoding that Python does not know, or not for XML
            refuse(1, 0, Refused("XML", str(error), "the encoding UTF-8"))
            return
        yield from found
        found.clear()


class _XmlReader:
    """Collects the leaves of each message; what declares a type or an entity ends the reading."""

    def __init__(self, name: str, found: list[Found], refuse: Refuse) -> None:
        self.name, self.found, self.refuse = name, found, refuse
        self.depth = self.record = self.line = 0
        self.fields: Fields | None = None
        self.twice = ""
        self.text: list[str] = []
        self.size = 0
        self.unit = ""
        parser = self.parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.data
        parser.StartDoctypeDeclHandler = self.forbid
        parser.EntityDeclHandler = self.forbid

    def forbid(self, *_: Any) -> None:
        raise MalformedElements(
            f"`{self.name}` has a document type or entities",
            help="remove the <!DOCTYPE …>; an OMM needs none",
            file=self.name,
            line=self.parser.CurrentLineNumber,
        )

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise MalformedElements(f"`{self.name}` is nested deeper than {_MAX_DEPTH} elements", help="is it an OMM?")
        if tag.rpartition(":")[2] == "omm" and self.fields is None:
            self.fields, self.twice = {}, ""
            self.record += 1
            self.line = self.parser.CurrentLineNumber
        self.text, self.size = [], 0
        self.unit = attributes.get("units", "")[:40]

    def data(self, text: str) -> None:
        self.size += len(text)
        if self.size <= _MAX_TEXT:
            self.text.append(text)

    def end(self, tag: str) -> None:
        self.depth -= 1
        local = tag.rpartition(":")[2]
        fields = self.fields
        if fields is None:
            return
        if local == "omm":
            if self.twice:
                self.refuse(
                    self.line, self.record, Refused(self.twice, "", "a field that stands once; it stands twice")
                )
            else:
                self.found.append((self.line, self.record, fields))
            self.fields = None
            return
        value = "".join(self.text).strip()
        if value and local not in ("COMMENT", "USER_DEFINED"):
            if local in fields:
                self.twice = local
            fields[local] = f"{value} [{self.unit}]" if self.unit else value
        self.text, self.size, self.unit = [], 0, ""


def _whole(start: int, record: int, fields: Fields, bad: Refused | None, refuse: Refuse) -> Iterator[Found]:
    if bad is None:
        yield start, record, fields
    else:
        refuse(start, record, bad)


def _once(pairs: list[tuple[str, Any]]) -> tuple[Fields, str]:
    """Texts of an object, and the name of a field that stands twice."""
    fields: Fields = {}
    for key, value in pairs:
        if key in fields:
            return fields, key
        if value is not None:  # a null is a missing field
            fields[key] = value[:_MAX_TEXT] if isinstance(value, str) else "not a text or a number"
    return fields, ""


def _next_object(text: str, at: int) -> int:
    """Where the next object may begin: after a brace that closes, a comma and one that opens, or nowhere."""
    found = re.compile(r"\}\s*,\s*(?=\{)").search(text, at)
    if found:
        return found.end()
    return len(text)
