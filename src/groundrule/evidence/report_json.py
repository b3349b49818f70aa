"""Reports and claims as JSON, both ways: strict, bounded, and exact.

Every field of the model appears under its own name, and nothing else does; enumerations are their values. Reading checks what
the types promise: ids, places inside the text, spans in order without overlap, sizes. A value that is read and written again gives the
same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, TypeVar

import msgspec

from groundrule.errors import InputError
from groundrule.evidence.report import Claim, Proposition, Report

MAX_BYTES = 256 << 20
"""Longest JSON of one report [bytes]."""
MAX_TEXT = 64 << 20
"""Longest text of a report [code points]."""
MAX_SPANS = 1_000_000
MAX_LIST = 100_000
MAX_STATEMENT = 20_000
_IDS = {name: re.compile(rf"{name}-[0-9a-f]{{32}}") for name in ("report", "claim", "proposition")}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REF = re.compile(r"(?:party|area|terminal|contact|list_entry|rule|case|change|request|person):[^\s:][^\n]{0,199}")
T = TypeVar("T", Report, Claim, Proposition)


def report_value(report: Report) -> dict[str, Any]:
    """Return a report as plain JSON."""
    return _value(report)


def claim_value(claim: Claim) -> dict[str, Any]:
    """Return a claim as plain JSON."""
    return _value(claim)


def proposition_value(proposition: Proposition) -> dict[str, Any]:
    """Return a proposition as plain JSON."""
    return _value(proposition)


def encode(item: Report | Claim | Proposition) -> bytes:
    """Return the JSON bytes of an item: fields in the order of the model, times as integers of nanoseconds.

    Raises:
        InputError: it holds what JSON cannot, such as a lone surrogate.
    """
    try:
        return msgspec.json.encode(item)
    except UnicodeEncodeError:
        raise InputError(f"`{item.id}` holds a lone surrogate", help="text is Unicode scalar values") from None


def parse_report(value: Any) -> Report:
    """Read a report from plain JSON or from bytes.

    Raises:
        InputError: an unknown or missing field, a wrong type, or a place outside the text.
    """
    report = _parsed(value, Report, "report")
    _check_id("report", report.id)
    capture = report.capture
    # Of several publications in one archive, each has the id of the archive's digest and its place in it.
    own = sha256(f"{capture.sha256}#{capture.member}".encode()).hexdigest() if capture.member else capture.sha256
    if not _SHA256.fullmatch(capture.sha256) or report.id != f"report-{own[:32]}":
        raise InputError(
            f"report `{report.id}` does not have the id of its capture", help="`report-` and 32 digits of the digest"
        )
    if len(report.text) > MAX_TEXT:
        raise InputError(f"the text of `{report.id}` has {len(report.text):,} characters", help=f"at most {MAX_TEXT:,}")
    _check_count(report.spans, MAX_SPANS, "spans")
    for name in ("outlets", "problems", "authors"):
        _check_count(getattr(report, name), MAX_LIST, name)
    last = 0
    for span in report.spans:
        if not last <= span.start <= span.end <= len(report.text):
            raise InputError(
                f"a span of `{report.id}` from {span.start} to {span.end} is out of order or out of the text"
            )
        last = span.end
    places = [*((start, end) for _, start, end in report.outlets)]
    if report.translation.notice is not None:
        places.append((report.translation.notice.start, report.translation.notice.end))
    for start, end in places:
        if not 0 <= start <= end <= len(report.text):
            raise InputError(f"`{report.id}` names characters {start} to {end}, which it does not have")
    return report


def parse_claim(value: Any) -> Claim:
    """Read a claim from plain JSON or from bytes; whether its characters exist is seen beside its report.

    Raises:
        InputError: an unknown or missing field, or a wrong value.
    """
    claim = _parsed(value, Claim, "claim")
    _check_id("claim", claim.id)
    _check_id("report", claim.report)
    if claim.proposition:
        _check_id("proposition", claim.proposition)
    if not 0 <= claim.start < claim.end:
        raise InputError(
            f"`{claim.id}` points at characters {claim.start} to {claim.end}", help="a claim points at some text"
        )
    check_statement(claim.statement, claim.id)
    count = claim.attribution.unnamed_count
    if count is not None and not 0 <= count <= 10_000:
        raise InputError(f"`{claim.id}` has {count} unnamed sources", help="0 to 10,000, or null where it is not said")
    for name in ("about", "problems"):
        _check_count(getattr(claim, name), 1_000, name)
    check_refs(claim.about)
    return claim


def parse_proposition(value: Any) -> Proposition:
    """Read a proposition from plain JSON or from bytes.

    Raises:
        InputError: an unknown or missing field, or a wrong value.
    """
    proposition = _parsed(value, Proposition, "proposition")
    _check_id("proposition", proposition.id)
    check_statement(proposition.sentence, proposition.id)
    check_refs(proposition.about)
    return proposition


def check_refs(refs: Iterable[str]) -> None:
    """Check that references are of a known kind, `party:…`.

    Raises:
        InputError: one is not.
    """
    for ref in refs:
        if not _REF.fullmatch(ref):
            raise InputError(
                f"`{ref[:80]}` is no reference",
                help="such as party:…, area:…, terminal:…, contact:…, list_entry:… or rule:…",
            )


def check_statement(text: str, of: str) -> None:
    """Check that a sentence says something and is not a book.

    Raises:
        InputError: empty or too long.
    """
    if not text.strip() or len(text) > MAX_STATEMENT:
        raise InputError(f"the sentence of `{of[:60]}` has {len(text):,} characters", help=f"1 to {MAX_STATEMENT:,}")


def _value(item: Report | Claim | Proposition) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.json.decode(encode(item))
    return made


def _parsed(value: Any, kind: type[T], what: str) -> T:
    if isinstance(value, bytes):
        if len(value) > MAX_BYTES:
            raise InputError(f"the JSON of a {what} has {len(value):,} bytes", help=f"at most {MAX_BYTES:,}")
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError) as error:
            raise InputError(f"no JSON of a {what}: {error}") from None
    if not isinstance(value, dict):
        raise InputError(f"a {what} is a JSON object", help="as `groundrule report show --json` prints it")
    try:
        parsed = msgspec.convert(value, kind, strict=True)
    except (msgspec.ValidationError, RecursionError) as error:
        raise InputError(f"no {what}: {error}", help="as `groundrule report show --json` prints it") from None
    # Dataclasses take unknown and missing optional fields in silence; nothing may be lost or added in silence here.
    again: dict[str, Any] = _value(parsed)
    if again != value:
        differing = sorted({name for name in (*again, *value) if again.get(name, _NOT) != value.get(name, _NOT)})
        raise InputError(
            f"no {what}: fields {', '.join(differing)[:200]} are not as they must be", help="every field, and no other"
        )
    return parsed


_NOT = object()


def _check_id(kind: str, text: str) -> None:
    if not _IDS[kind].fullmatch(text):
        raise InputError(f"`{text[:80]}` is no id of a {kind}", help=f"`{kind}-` and 32 hexadecimal digits")


def _check_count(items: tuple[Any, ...], most: int, what: str) -> None:
    if len(items) > most:
        raise InputError(f"{len(items):,} {what}", help=f"at most {most:,}")
