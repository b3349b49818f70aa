"""Sentences of a text with their places, for text as it comes: torn quotations, abbreviations, words run together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_SENTENCE = 2_000
"""Longest sentence that is looked at [characters]; what is longer is no sentence but a table or an attack."""
_END = re.compile(r"[.!?…]+[»“”\"’')\]]*(?=\s+[«„“\"‘(¿¡—–-]*\s?[A-ZÀ-ÖØ-ÞА-ЯЄІЇҐЁ0-9])|[.!?…]+[»“”\"’')\]]*\s*$")
_PARAGRAPH = re.compile(r"\S(?:.|\n(?!\s*\n))*")
_QUOTED = re.compile(r"„[^„“”\"]{1,600}[“”\"]|“[^“”]{1,600}”|«[^«»]{1,600}»|\"[^\"]{1,600}\"")
_OPENS, _CLOSES = "„«", "»"
_INITIAL = re.compile(r"(?:^|\s)[A-ZÀ-ÖØ-ÞА-ЯЄІЇҐ]$")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence.

    Attributes:
        start, end: half-open, in code points of the text; without white space around it.
        text: its characters.
        masked: the same with what stands in quotation marks made unreadable, character for character, so that words of
            the quoted are not taken for words of the report; names of a few words stay.
    """

    start: int
    end: int
    text: str
    masked: str


def paragraphs(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the paragraphs of a stretch, separated by blank lines."""
    for found in _PARAGRAPH.finditer(text, start, end):
        yield found.start(), start + len(text[start : found.end()].rstrip())


def sentences(text: str, start: int, end: int, abbreviations: frozenset[str]) -> list[Sentence]:
    """Split a paragraph into sentences.

    A quotation that is closed in a later sentence than it was opened keeps both together: torn by a translation, it is still
    one statement. Sentences longer than `MAX_SENTENCE` are left out.
    """
    cuts: list[tuple[int, int]] = []
    begin = start
    for found in _END.finditer(text, start, end):
        before = text[max(begin, found.start() - 14) : found.start()]
        word = re.split(r"[\s(„“\"«]", before)[-1].lower()
        if (
            found.end() < end
            and text[found.start()] == "."
            and (word in abbreviations or _INITIAL.search(before) or _is_ordinal(text, found))
        ):
            continue
        cuts.append((begin, found.end()))
        begin = found.end()
    if text[begin:end].strip():
        cuts.append((begin, end))
    joined: list[tuple[int, int]] = []
    for first, last in cuts:
        if joined and _closes_only(text[first:last]):
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return [each for first, last in joined if (each := _sentence(text, first, last)) is not None]


def _is_ordinal(text: str, found: re.Match[str]) -> bool:
    # `9. Januar`: a number of one or two digits before the full stop, and a word after it.
    return re.search(r"(?:^|\s)\d{1,2}$", text[max(0, found.start() - 3) : found.start()]) is not None


def _closes_only(piece: str) -> bool:
    bare = _QUOTED.sub("", piece)
    opened = min((bare.find(mark) for mark in _OPENS if mark in bare), default=len(bare))
    closing = bare.find("“") if "“" in bare else bare.find("»")
    # In German `“` closes; in English it opens, and then `”` stands behind it and both are gone with the pair.
    return 0 <= closing < opened and closing > 0 and (bare[closing - 1].isalnum() or bare[closing - 1] in " .")


def _sentence(text: str, first: int, last: int) -> Sentence | None:
    piece = text[first:last]
    first += len(piece) - len(piece.lstrip())
    piece = piece.strip()
    if not piece or len(piece) > MAX_SENTENCE:
        return None
    return Sentence(first, first + len(piece), piece, _QUOTED.sub(_hidden, piece))


def _hidden(found: re.Match[str]) -> str:
    quoted = found[0]
    words = quoted[1:-1].split()
    if 0 < len(words) <= 4 and words[0][:1].isupper() and quoted[-2] not in ".,!?":
        return quoted  # the name of an outlet, a ship, a firm
    return quoted[0] + "·" * (len(quoted) - 2) + quoted[-1]
