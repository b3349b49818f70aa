"""Lines that a page carries beside its text, in thirteen languages, and what each of them is.

A rule fits a whole line or paragraph, or its beginning, never a word somewhere in it: a sentence about advertising is no
advertisement. An affiliate notice says three things together, in any order: a commission, a link or purchase, and the page
speaking of itself. The patterns stand in `notices.csv`; the basis of a finding names rule and language: `notice:affiliate:de`.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from groundrule.evidence.report import SpanRole

_LONGEST = 600
_OPEN = r"^[\s*(\[|–—-]*"
_SENTENCE = re.compile(r"[^.!?。\n]{10,600}[.!?。]?")


@dataclass(frozen=True, slots=True)
class Notice:
    """A line that is no text of the article.

    Attributes:
        role: what it is. basis: rule and language.
        machine: it says that a machine translated.
        by, from_word: translator and original language as written, where it says so.
    """

    role: SpanRole
    basis: str
    machine: bool = False
    by: str = ""
    from_word: str = ""


@dataclass(frozen=True, slots=True)
class _Rule:
    role: SpanRole
    name: str
    language: str
    pattern: re.Pattern[str]
    longest: int
    fold: bool


_EDGE = r"[\s\[\](){}*•·|–—\-=.:…»«>]*"


@lru_cache(maxsize=1)
def _rules() -> tuple[_Rule, ...]:
    """Rules in the order in which they are tried: of two that fit, the more telling stands first."""
    table = _table()
    earn, link, we, named = (table[f"affiliate_{part}"] for part in ("earn", "link", "we", "named"))
    affiliate = {
        language: rf"(?=[\s\S]*(?:{earn[language]}))(?=[\s\S]*(?:{link[language]}))(?=[\s\S]*(?:{we[language]}))"
        rf"|[\s\S]{{0,120}}(?:{named[language]})"
        for language in named
    }
    forms = (
        (SpanRole.ADVERTISING, "advertising", 80, f"^{_EDGE}", f"{_EDGE}$", True),
        (SpanRole.TRANSLATION, "machine", _LONGEST, _OPEN, "", True),
        (SpanRole.TRANSLATION, "human", 160, _OPEN, r"[\s.)\]]*$", False),
        (SpanRole.CAPTION, "credit", 240, _OPEN, "", True),
        (SpanRole.AFFILIATE, "affiliate", 320, "^", "", True),
        (SpanRole.BYLINE, "byline", 140, r"^[\s–—-]*", r"[\s.|]*$", False),
        (SpanRole.BOILERPLATE, "rights", 400, r"^[\s*(\[]*", r"[\s.)\]]*$", True),
        (SpanRole.NAVIGATION, "navigation", 180, r"^[\s»>→•*]*", "$", True),
    )
    made: list[_Rule] = []
    for role, name, longest, before, after, fold in forms:
        for language, pattern in (affiliate if name == "affiliate" else table[name]).items():
            compiled = re.compile(f"{before}(?:{pattern}){after}", re.IGNORECASE if fold else 0)
            made.append(_Rule(role, name, language, compiled, longest, fold))
    return tuple(made)


def _table() -> dict[str, dict[str, str]]:
    text = resources.files("groundrule.evidence").joinpath("notices.csv").read_text(encoding="utf-8")
    table: dict[str, dict[str, str]] = {}
    for row in csv.DictReader(text.splitlines()):
        table.setdefault(row["rule"], {})[row["language"]] = row["pattern"]
    return table


def notice(text: str, language: str = "") -> Notice | None:
    """What a whole line or paragraph is, if it is no text of the article.

    Args:
        text: the paragraph.
        language: of the text; rules of that language are tried first, the others after it.

    Example:
        >>> notice("Werbung").basis, notice("Photo: A. Person (invented)").role.value, notice("Advertising is not what they asked for.")
        ('notice:advertising:de', 'caption', None)
    """
    text = " ".join(text.split())
    if not text or len(text) > _LONGEST:
        return None
    first, _, rest = text.partition(" ")
    lowered = f"{first.lower()} {rest}" if rest else first.lower()
    main = language.partition("-")[0]
    best: tuple[Notice, str] | None = None
    for rule in _rules():
        if len(text) > rule.longest or (best and (best[0].role is not rule.role or rule.language != main)):
            continue
        found = rule.pattern.search(text if rule.fold else lowered)
        if found and not (rule.role is SpanRole.NAVIGATION and _sentence(text)):
            best = (
                Notice(rule.role, f"notice:{rule.name}:{rule.language}", rule.name == "machine", *_translator(found)),
                rule.language,
            )
            if rule.language == main:
                break
    return best[0] if best else None


def machine_sentence(text: str) -> tuple[int, int, str] | None:
    """Place and basis of a sentence that says that a machine translated, within a longer paragraph."""
    if len(text) <= _LONGEST:
        return None
    for start, end in ((found.start(), found.end()) for found in _SENTENCE.finditer(text[:20_000])):
        said = notice(text[start:end]) if end - start <= _LONGEST else None
        if said and said.machine:
            return start, end, said.basis
    return None


def _sentence(text: str) -> bool:
    """Whether a line that begins like navigation is rather a sentence of several words."""
    return len(text) > 60 and text.rstrip('»"”“’)').endswith((".", "!", "?", "。")) and text.count(" ") >= 9


def _translator(found: re.Match[str]) -> tuple[str, str]:
    named = found.groupdict()
    by = next((value for key, value in named.items() if key.startswith("by_") and value), "")
    source = next((value for key, value in named.items() if key.startswith("from_") and value), "")
    return by.strip(), source.strip()
