"""Languages: as the page says, and as the text shows."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from groundrule.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable

_TAG = re.compile(r"^([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?(?:[-_]([A-Za-z]{2}|\d{3}))?(?:[-_].*)?$")
_LETTER = re.compile(r"[^\W\d_]")
_LEAST_LETTERS = 40
_SAMPLE = 8_000
# Decisive letters: the detector may err on short texts of near relatives, these letters do not.
_UKRAINIAN, _RUSSIAN = frozenset("іїєґІЇЄҐ"), frozenset("ыэъёЫЭЪЁ")


def tag(declared: str) -> str:
    """A declared language as BCP 47 writes it; empty if it is none.

    Example:
        >>> tag("DE_de"), tag("zh-hans-CN"), tag("uk"), tag("x-default"), tag("")
        ('de-DE', 'zh-Hans-CN', 'uk', '', '')
    """
    found = _TAG.match(declared.strip())
    if not found or found[1].lower() == "x":
        return ""
    parts = (found[1].lower(), (found[2] or "").title(), (found[3] or "").upper())
    return "-".join(part for part in parts if part)


def primary(language: str) -> str:
    """The language without script and region."""
    return language.partition("-")[0].lower()


def detect(text: str) -> str:
    """Language of a text by its letters and words; empty for fewer than forty letters.

    Raises:
        MissingExtra: the extra `evidence` is not installed.
    """
    sample = text[:_SAMPLE]
    if len(_LETTER.findall(sample)) < _LEAST_LETTERS:
        return ""
    found = _classifier()(sample)[0]
    if found in ("ru", "uk", "be", "bg"):
        ukrainian, russian = (sum(each in letters for each in sample) for letters in (_UKRAINIAN, _RUSSIAN))
        if "ў" not in sample and ukrainian + russian >= 3:
            return "uk" if ukrainian > russian else "ru"
    return found


@lru_cache(maxsize=1)
def _classifier() -> Callable[[str], tuple[str, float]]:
    try:
        import py3langid  # noqa: PLC0415 - an optional package
    except ImportError as absent:
        raise MissingExtra("evidence", needed_for="telling the language of a report") from absent
    return py3langid.classify
