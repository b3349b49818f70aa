"""One code for a country, however a list writes it: `Russian Federation`, `Russia`, `RU`, `RUS`, `Russian` are RU.

The table `country_words.csv` has the two codes of ISO 3166 for each country, its names, and what its citizens are called. The
order of words, case, accents, punctuation and articles do not matter: `Korea, North` is `North Korea`. What stands in no row
stays a word of its own, so that a country never becomes another by a guess; `Korea` alone is both and none.

Codes and names: Natural Earth (public domain), and what publishers of lists write. Where a state is recognised by some only,
the table has the code that lists use, and says nothing about whose it is.
"""

from __future__ import annotations

import csv
import re
from functools import lru_cache
from importlib import resources
from typing import Final

from anyascii import anyascii

TABLE_VERSION: Final = 1
"""Counted up with the table: a screening names it as a part of its algorithm's version."""
_WORD = re.compile(r"[a-z]+")
_LITTLE: Final = frozenset({"the", "of", "and", "a", "s", "d", "l", "region"})
_OFFICIAL: Final = frozenset(
    {"republic", "kingdom", "state", "federal", "islamic", "arab", "people", "peoples", "democratic", "socialist", "sultanate",
     "principality", "grand", "duchy", "commonwealth", "union"}
)  # fmt: skip
"""Words of official names; left out only where the rest is a country and not one of `_TWO`."""
_TWO: Final = frozenset({("congo",), ("korea",), ("china",)})
"""Names that are one country alone and another with its official words."""
_NOTHING: Final = frozenset({"", "00", "na", "n/a", "none", "none identified", "unknown", "undetermined", "not known", "stateless"})
"""What publishers write where they know no country; `NA` in capitals is Namibia."""


@lru_cache(maxsize=65_536)
def country_code(word: str) -> str | None:
    """Return the code of ISO 3166 of a country (two capital letters), or None for what is no country that the table knows.

    Example:
        >>> country_code("Korea, North"), country_code("RUS"), country_code("Crimea")
        ('KP', 'RU', None)
    """
    codes, names = _table()
    text = word.strip()
    if not says_something(text):
        return None
    if text.upper() in codes:
        return codes[text.upper()]
    tokens = _tokens(text)
    found = names.get(tokens)
    if found is None:
        plain = tuple(each for each in tokens if each not in _OFFICIAL)
        found = names.get(plain) if plain and plain != tokens and plain not in _TWO else None
    return found


def says_something(word: str) -> bool:
    """Tell whether a publisher meant a place by a word, and not that none is known."""
    return word.strip() == "NA" or word.strip().casefold() not in _NOTHING


def country_key(word: str) -> str:
    """Return what two spellings of one country have in common: its code, or the word itself without case."""
    return country_code(word) or word.strip().casefold()


def _tokens(text: str) -> tuple[str, ...]:
    # U.S.A. is one word; Côte d'Ivoire is three, of which one is little.
    plain = anyascii(text).casefold().replace("st. ", "saint ").replace("&", " ").replace(".", "")
    return tuple(sorted({each for each in _WORD.findall(plain) if each not in _LITTLE}))


@lru_cache(maxsize=1)
def _table() -> tuple[dict[str, str], dict[tuple[str, ...], str]]:
    codes: dict[str, str] = {}
    names: dict[tuple[str, ...], str] = {}
    text = resources.files("groundrule.screen").joinpath("country_words.csv").read_text("utf-8")
    for row in csv.DictReader(text.splitlines()):
        code = row["code"]
        codes |= {code: code, row["code3"]: code}
        for word in row["words"].split("|"):
            tokens = _tokens(word)
            if names.setdefault(tokens, code) != code:
                raise AssertionError(f"`{word}` is in two rows")
    return codes, names
