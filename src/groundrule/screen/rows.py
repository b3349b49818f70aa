"""Rows of CSV files, one by one: a row that cannot be read costs that row and none beside it.

A stray quote would make the rest of the file one field for an ordinary reader. Here a row is one line; where the format
allows line breaks inside quotes, lines are joined only if the result is a proper row of the right width.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Collection, Iterator

from groundrule.screen.source import Findings, ListFile, decoded

MAX_JOINED_LINES = 400
"""Most lines of one row; statements of reasons in the UK list have some dozens."""


def csv_rows(
    file: ListFile, findings: Findings, *, widths: Collection[int], multiline: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Split the lines of a file into fields.

    Args:
        file: the file; its rows are counted.
        findings: takes rows that are no text, have stray quotes or another number of fields.
        widths: numbers of fields that a row may have, none for any; a caller may add to it while rows come.
        multiline: a quoted field may hold line breaks.
    Returns:
        Pairs of line number and fields, white space around fields removed.
    """
    source = file.lines()
    waiting: deque[tuple[int, bytes]] = deque()
    while True:
        number, line = waiting.popleft() if waiting else next(source, (0, b""))
        if not number:
            return
        file.rows += 1
        text = decoded(line)
        if text is None:
            findings.add(file.name, number, "", line, "not_text", "write text without control characters")
            continue
        fields = _split(text, findings)
        if multiline and (fields is None or not _fits(fields, widths)) and line.count(b'"') % 2:
            joined = _joined(line, source, waiting, widths, findings)
            if joined is not None:
                yield number, joined
                continue
        if fields is None:
            findings.add(file.name, number, "", text, "bad_quotes", 'write fields as "text", with "" for a quote in it')
        elif not _fits(fields, widths):
            findings.add(
                file.name,
                number,
                "",
                text,
                "wrong_number_of_fields",
                f"a row has {' or '.join(map(str, sorted(widths)))} fields; this one has {len(fields)}",
            )
        else:
            yield number, fields


def _fits(fields: list[str], widths: Collection[int]) -> bool:
    return not widths or len(fields) in widths


def _split(text: str, findings: Findings) -> list[str] | None:
    try:
        rows = list(csv.reader([text] if "\n" not in text else text.splitlines(keepends=True), strict=True))
    except csv.Error:
        return None
    if len(rows) != 1:
        return None
    fields = [field.strip() for field in rows[0]]
    return None if any(len(field) > findings.limits.field_chars for field in fields) else fields


def _joined(
    line: bytes,
    source: Iterator[tuple[int, bytes]],
    waiting: deque[tuple[int, bytes]],
    widths: Collection[int],
    findings: Findings,
) -> list[str] | None:
    """Join following lines until the quotes are closed; the lines go back to `waiting` if that makes no row."""
    taken: list[tuple[int, bytes]] = []
    pieces = [line]
    quotes, size = line.count(b'"'), len(line)
    while quotes % 2 and len(taken) < MAX_JOINED_LINES and size <= findings.limits.line_bytes:
        following = waiting.popleft() if waiting else next(source, None)
        if following is None:
            break
        taken.append(following)
        pieces.append(following[1])
        quotes += following[1].count(b'"')
        size += len(following[1])
    text = decoded(b"\n".join(pieces)) if not quotes % 2 else None
    fields = _split(text, findings) if text is not None else None
    if fields is not None and _fits(fields, widths):
        return fields
    waiting.extendleft(reversed(taken))
    return None
