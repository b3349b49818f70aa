"""One offline page with a map: click a terminal and read why, and why not; switch between before and after a what-if.

1. Columns are interned: kinds, reasons and sentences are written once. Numbers in sentences are taken out first, so
   that "speed 66.2 of 75 km/h" and "speed 67.0 of 75 km/h" share their words.
2. Everything is embedded as JSON that no HTML parser can leave early, and reaches the page as text only.
3. A content security policy forbids every request and every script but the one whose hash it names.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from groundrule.errors import InputError
from groundrule.evidence.marks import KEYS, MARKS, answer
from groundrule.evidence.outlines import Line, Outlines, shipped_outlines
from groundrule.reasons import CATALOGUE

_OUTLINE_SCALE = 500
"""Outlines are rounded to 1/500 of a degree (0.2 km), finer than they are simplified."""

_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class PageText:
    """What the page says about itself.

    Attributes:
        title: headline.
        subtitle: line below it: which fleet, when, under which rulebook.
        before: name of the decisions shown, for instance `world-2026`.
        after: name of the decisions of the what-if.
    """

    title: str
    subtitle: str = ""
    before: str = "as decided"
    after: str = "what if"


def write_webmap(
    path: Path | str, terminals: Mapping[str, Sequence[Any]], *, text: PageText, outlines: Outlines | None = None
) -> int:
    """Write the page.

    Args:
        path: the HTML file to write.
        terminals: columns of equal length: id, lat, lon [degree; None or NaN for no position], kind, outcome, state,
            reason (code), why and why_not (short sentences each); for a what-if also after_outcome, after_state,
            after_reason, after_why, after_why_not. Any text is safe, hostile markup included.
        text: headline and names.
        outlines: basemap; None: the shipped one.
    Returns:
        Size of the file [bytes].
    Raises:
        InputError: a column is missing, columns differ in length, or an outcome or state is unknown.
    """
    data = page_data(terminals, text=text, outlines=outlines or shipped_outlines())
    template, style, script = (_asset(name) for name in ("webmap.html", "webmap.css", "webmap.js"))
    attribution = (outlines or shipped_outlines()).attribution
    page = Template(template).substitute(
        title=html.escape(text.title),
        subtitle=html.escape(text.subtitle),
        attribution=html.escape(f"Basemap {attribution}; for looking at, not for deciding"),
        style=style,
        style_hash=_source_hash(style),
        script=script,
        script_hash=_source_hash(script),
        data=embedded_json(data),
    )
    encoded = page.encode("utf-8", "backslashreplace")
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(encoded)
    return len(encoded)


def embedded_json(value: Any) -> str:
    r"""Write JSON that can stand inside a script element: it holds no `<`, `>` or `&`, and no line separators.

    Example:
        >>> embedded_json({"id": "</script><b>"})
        '{"id":"\\u003c/script\\u003e\\u003cb\\u003e"}'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    # A lone surrogate cannot be written as UTF-8, but its escape can.
    return re.sub("[\ud800-\udfff]", lambda match: f"\\u{ord(match[0]):04x}", text)


def page_data(terminals: Mapping[str, Sequence[Any]], *, text: PageText, outlines: Outlines) -> dict[str, Any]:
    """What is embedded in the page, as JSON types; see `write_webmap` for the arguments."""
    names = ["id", "lat", "lon", "kind", "outcome", "state", "reason", "why", "why_not"]
    with_after = "after_outcome" in terminals
    if with_after:
        names += [f"after_{name}" for name in ("outcome", "state", "reason", "why", "why_not")]
    for name in names:
        if name not in terminals:
            raise InputError(f"the map needs a column `{name}`", help=f"give {', '.join(names)}", field=name)
        if len(terminals[name]) != len(terminals["id"]):
            raise InputError(f"column `{name}` is not as long as `id`", field=name, value=len(terminals[name]))
    kinds, reasons, words = _Table(), _Table(), _Sentences()
    for kind in sorted({str(one) for one in terminals["kind"]}):
        kinds.index(kind)
    columns = {
        "id": [str(one) for one in terminals["id"]],
        "lat": [_fixed(one, other) for one, other in zip(terminals["lat"], terminals["lon"], strict=True)],
        "lon": [_fixed(one, other) for one, other in zip(terminals["lon"], terminals["lat"], strict=True)],
        "kind": [kinds.index(str(one)) for one in terminals["kind"]],
    }
    versions = [_version(terminals, "", text.before, reasons, words)]
    if with_after:
        versions.append(_version(terminals, "after_", text.after, reasons, words))
    return {
        "columns": columns,
        "versions": versions,
        "kinds": [kind.replace("_", " ") for kind in kinds.values],
        "reasons": [[code, CATALOGUE[code].sentence if code in CATALOGUE else ""] for code in reasons.values],
        "patterns": words.patterns.values,
        "sentences": [list(one) for one in words.sentences.values],
        "lists": [list(one) for one in words.lists.values],
        "marks": [asdict(mark) for mark in MARKS],
        "outlines": {
            "scale": _OUTLINE_SCALE,
            **{name: [_deltas(line) for line in getattr(outlines, name)] for name in ("land", "borders", "sea_limits")},
        },
    }


class _Table:
    """Distinct values in order of appearance."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[Any, int] = {}

    def index(self, value: Any) -> int:
        place = self._places.get(value)
        if place is None:
            place = self._places[value] = len(self.values)
            self.values.append(value)
        return place


class _Sentences:
    """Lists of sentences, interned as patterns with their numbers taken out."""

    def __init__(self) -> None:
        self.patterns, self.sentences, self.lists = _Table(), _Table(), _Table()
        self._met: dict[tuple[str, ...], int] = {}

    def list_index(self, sentences: Iterable[str]) -> int:
        key = tuple(str(one) for one in sentences)
        place = self._met.get(key)
        if place is None:
            place = self._met[key] = self.lists.index(tuple(self.sentences.index(self._split(one)) for one in key))
        return place

    def _split(self, sentence: str) -> tuple[int | float | str, ...]:
        # U+0001 marks the places of numbers, so it may not occur itself.
        plain = sentence.replace("\x01", " ")
        return (self.patterns.index(_NUMBER.sub("\x01", plain)), *(_compact(found) for found in _NUMBER.findall(plain)))


def _compact(digits: str) -> int | float | str:
    """A number where JSON and JavaScript print it as it was written, else text."""
    if len(digits) > 15:  # JavaScript's whole numbers end there
        return digits
    for value in (int(digits), float(digits)) if "." not in digits else (float(digits),):
        if str(value) == digits and not digits.endswith(".0") and "e" not in str(value):
            return value
    return digits


def _version(
    terminals: Mapping[str, Sequence[Any]], prefix: str, label: str, reasons: _Table, words: _Sentences
) -> dict[str, Any]:
    answers = []
    for outcome, state in zip(terminals[f"{prefix}outcome"], terminals[f"{prefix}state"], strict=True):
        key = answer(str(outcome), str(state or ""))
        if key not in KEYS:
            raise InputError(
                f"`{key}` is no answer", help=f"one of {', '.join(KEYS)}", field=f"{prefix}outcome", value=key
            )
        answers.append(KEYS.index(key))
    return {
        "label": label,
        "answer": answers,
        "used": sorted(set(answers)),
        "reason": [reasons.index(str(one)) for one in terminals[f"{prefix}reason"]],
        "why": [words.list_index(one or ()) for one in terminals[f"{prefix}why"]],
        "why_not": [words.list_index(one or ()) for one in terminals[f"{prefix}why_not"]],
    }


def _fixed(degrees: float | None, other: float | None) -> int | None:
    """Degrees in steps of 1e-5 (about 1 m), or None where the position is not whole."""
    if degrees is None or other is None or not math.isfinite(degrees) or not math.isfinite(other):
        return None
    return round(degrees * 1e5)


def _deltas(line: Line) -> list[int]:
    whole = np.rint(line * _OUTLINE_SCALE).astype(np.int64)
    moved = np.concatenate([[True], np.any(np.diff(whole, axis=0) != 0, axis=1)])
    kept = whole[moved]
    result: list[int] = np.diff(kept, axis=0, prepend=np.zeros((1, 2), np.int64)).ravel().tolist()
    return result


def _asset(name: str) -> str:
    return resources.files("groundrule.evidence").joinpath("page", name).read_text(encoding="utf-8")


def _source_hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
