"""Kept: a whole report as one line of JSON and back, so that a verification of the past can be shown and drawn as it was.

`Report.as_dict` is for readers and leaves out what only a drawing needs; this is for the home, and loses nothing: numbers come
back bit by bit, and numbers that are not there, or endless, stand as texts.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from groundrule.errors import IntegrityError
from groundrule.verify.report import Report

_DECODER = msgspec.json.Decoder(Report, strict=False)
MAX_CHARS = 4 << 20
"""Longest kept report that is read; one of 64 satellites has about 60,000 characters."""


def report_to_json(report: Report) -> str:
    """Return a report as one line of JSON."""
    return msgspec.json.encode(_plain(msgspec.to_builtins(report, enc_hook=_number))).decode()


def report_of_json(text: str) -> Report:
    """Return the report that `report_to_json` wrote.

    Raises:
        IntegrityError: it is none, or too long to be one.
    """
    if len(text) > MAX_CHARS:
        raise IntegrityError("a kept verification is too long", help="restore it from a copy")
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise IntegrityError(f"a kept verification cannot be read: {str(error)[:200]}", help="restore it from a copy") from error


def _number(value: Any) -> Any:  # whatever an array holds
    """A number of an array as one of Python."""
    return value.item()


def _plain(value: Any) -> Any:  # JSON has no types
    """JSON values with texts where numbers are not finite."""
    kind = type(value)
    if kind is float:
        return value if math.isfinite(value) else str(value)
    if kind is dict:
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if kind is list or kind is tuple else value
