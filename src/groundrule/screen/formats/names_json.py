"""Names and aliases alone, as one JSON array: `[{"id": 1, "full_name": "…", "source": "…", "aliases": ["…"]}, …]`.

Extracts of this form carry no kind, no dates and no identifiers, so that a match with them can never be more than a name.
A record that is no JSON costs that record: reading goes on at the next `{` after a comma, unless thousands are broken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from groundrule.errors import InputError
from groundrule.screen.model import Kind, ListEntry, Name, NameKind, SourceRow
from groundrule.screen.source import Findings, ListFile
from groundrule.screen.texts import Reading, distinct_names, is_sound, joined

MAX_BYTES = 256 << 20
"""An array is read as a whole; the largest known extract has 2 MB."""
RECORD_CHARS = 1 << 15
LONG_CHARS = 1 << 20
_MAX_LONG = 100
"""Records of more than RECORD_CHARS and at most LONG_CHARS characters that a file may have."""
_GAP = re.compile(r"[ \t\r\n,]*")
_NEXT = re.compile(r",\s*(?=\{)")
_SHOWN = 200


def read(file: ListFile, findings: Findings) -> Reading:
    """Read the array; the number of a row is the number of its record, because such files have no lines."""
    entries: list[ListEntry] = []
    for number, value in _values(file, findings):
        file.rows += 1
        entry = _entry(value, SourceRow(file.name, number), findings)
        if entry is not None:
            entries.append(entry)
    return Reading(entries, (file.about,))


def _values(file: ListFile, findings: Findings) -> Iterator[tuple[int, Any]]:
    held = bytearray()
    for block in file.blocks():
        held += block
        if len(held) > MAX_BYTES:
            raise InputError(f"`{file.name}` has more than {MAX_BYTES} bytes", help="check what it is", file=file.name)
    text = held.decode("utf-8", "replace").strip()
    del held
    if not text.startswith("["):
        raise InputError(f"`{file.name}` is no JSON array", help="it begins with `[`", file=file.name)
    decoder = json.JSONDecoder()
    # The decoder counts lines from the start of its text to say where an error is, so it gets a part of the text.
    start, part = 0, ""
    position, number, wrong, widened = 1, 0, 0, 0
    while True:
        gap = _GAP.match(text, position)
        assert gap is not None, "the pattern matches the empty text"
        position = gap.end()
        if position >= len(text):
            if findings.complete:
                findings.breaks_off(file.name, number, text[-_SHOWN:])
            return
        if text[position] == "]":
            if text[position + 1 :].strip():
                findings.add(
                    file.name, number, "", text[position + 1 : position + _SHOWN], "text_after_end", "end with `]`"
                )
            return
        number += 1
        if start + len(part) - position < RECORD_CHARS and start + len(part) < len(text):
            start, part = position, text[position : position + 2 * RECORD_CHARS]
        try:
            value, stop = decoder.raw_decode(part, position - start)
        except (ValueError, RecursionError) as error:
            # It may also be a very long record; some are allowed, but not so many that they take long.
            if widened < _MAX_LONG and start + len(part) < len(text):
                widened += 1
                long = _long_record(decoder, text, position)
                if long is not None:
                    value, length = long
                    position += length
                    yield number, value
                    continue
            wrong += 1
            following = _NEXT.search(text, position + 1)
            piece = text[position : position + _SHOWN]
            if following is None or wrong > findings.limits.broken:
                findings.breaks_off(file.name, number, piece)
                return
            file.rows += 1
            reason = "too_deep" if isinstance(error, RecursionError) else "not_json"
            findings.add(file.name, number, "", piece, reason, "write one JSON object per record")
            position = following.end()
            continue
        position = start + stop
        yield number, value


def _long_record(decoder: json.JSONDecoder, text: str, position: int) -> tuple[Any, int] | None:
    try:
        return decoder.raw_decode(text[position : position + LONG_CHARS])
    except (ValueError, RecursionError):
        return None


def _entry(value: Any, place: SourceRow, findings: Findings) -> ListEntry | None:
    if not isinstance(value, dict):
        findings.add(place.file, place.line, "", value, "not_an_object", "write an object with id and full_name")
        return None
    uid = value.get("id")
    if not isinstance(uid, int | str) or isinstance(uid, bool) or not is_sound(str(uid)) or not joined(str(uid)):
        findings.add(place.file, place.line, "id", uid, "no_uid", "write a number or text")
        return None
    told = joined(str(uid))
    name = value.get("full_name")
    if not isinstance(name, str) or not is_sound(name) or not joined(name):
        findings.add(place.file, place.line, "full_name", name, "no_name", "write the name", uid=told)
        return None
    names = [Name(joined(name))]
    aliases = value.get("aliases", [])
    for alias in aliases if isinstance(aliases, list) else [aliases]:
        if isinstance(alias, str) and is_sound(alias):
            names.append(Name(joined(alias), NameKind.ALIAS))
        else:
            findings.add(place.file, place.line, "aliases", alias, "bad_value", "write texts", uid=told, kept=True)
    return ListEntry(told, Kind.UNKNOWN, distinct_names(names), rows=(place,))
