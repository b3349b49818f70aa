"""Names and aliases alone, as one JSON array: `[{"id": 1, "full_name": "…", "source": "…", "aliases": ["…"]}, …]`.

Extracts of this form carry no kind, no dates and no identifiers, so that a match with them can never be more than a name.
A record that is no JSON costs that record: reading goes on at the next `{` after a comma.
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
    position, number = 1, 0
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
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            following = _NEXT.search(text, position + 1)
            piece = text[position : position + _SHOWN]
            if following is None:
                findings.breaks_off(file.name, number, piece)
                return
            file.rows += 1
            reason = "too_deep" if isinstance(error, RecursionError) else "not_json"
            findings.add(file.name, number, "", piece, reason, "write one JSON object per record")
            position = following.end()
            continue
        yield number, value


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
