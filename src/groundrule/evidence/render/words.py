"""Words: the sentences of a dossier in the language of its reader.

Every language is a file of the same keys; a test compares them. Values are put into a sentence as text and never as markup, and characters
that could change how a line reads (bidirectional controls, other controls) are made visible.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from groundrule.errors import InputError
from groundrule.evidence.dossier import Dossier, Phrase, Value
from groundrule.reasons import CATALOGUE

LANGUAGES = ("en",)
_VISIBLE = {code: f"[U+{code:04X}]" for code in (*range(0x20), 0x7F, *range(0x80, 0xA0), 0x061C, *range(0x200B, 0x2010),
            *range(0x2028, 0x202F), *range(0x2060, 0x2070), 0xFEFF) if code not in (0x0A,)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language.

    Attributes:
        language: BCP 47 tag.
        tables: titles, standings, standing_help, times, roles, phrases, codes.
    """

    language: str
    tables: Mapping[str, Mapping[str, str]]

    def __call__(self, table: str, key: str) -> str:
        """Return a word.

        Raises:
            KeyError: the language has no such word.
        """
        return self.tables[table][key]

    def say(self, phrase: Phrase, names: Mapping[str, str]) -> str:
        """Return a sentence with its values in it.

        Args:
            names: what each party is called here, by reference.
        Raises:
            KeyError: the language has no such sentence.
        """
        template = self.tables["phrases"][phrase.key]
        return template.format_map({name: self.value(held, names) for name, held in phrase.values.items()})

    def value(self, value: Value, names: Mapping[str, str]) -> str:
        """Return one value as text."""
        if value is None:
            return "–"
        if isinstance(value, int):
            return f"{value:,}"
        if value.startswith("code:"):
            return self.tables["codes"].get(value[5:], value[5:].replace("_", " "))
        if value.startswith("reason:"):
            found = CATALOGUE.get(value[7:])
            return found.sentence if found is not None else value[7:]
        return visible(names.get(value, value))


def visible(text: str) -> str:
    """Return text in which characters that cannot be seen are named."""
    return text.translate(_VISIBLE)


@lru_cache(maxsize=len(LANGUAGES))
def words(language: str = "en") -> Words:
    """Return the words of a language.

    Raises:
        InputError: there are none.
    """
    if language not in LANGUAGES:
        raise InputError(f"no words in `{language[:20]}`", help=f"one of {', '.join(LANGUAGES)}")
    tables: dict[str, Any] = tomllib.loads((files(__package__) / "words" / f"{language}.toml").read_text(encoding="utf-8"))
    return Words(language, tables)


def names_in(dossier: Dossier) -> dict[str, str]:
    """Return what each party is called in a dossier: its name, and the end of its id where another has the same."""
    count: dict[str, int] = {}
    for party in dossier.parties:
        count[party.name] = count.get(party.name, 0) + 1
    return {party.ref: _called(party.ref, party.name, shared=count[party.name] > 1) for party in dossier.parties}


def _called(ref: str, name: str, *, shared: bool) -> str:
    if not name:
        return f"{ref[:14]}…"
    return f"{name} ({ref.rpartition('-')[2][:6]})" if shared else name
