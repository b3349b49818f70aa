"""Words: the sentences of a dossier in the language of its reader.

Every language is a file of the same keys; a test compares them. A sentence is made of pieces: the words of the language, and values, each
of which says what it is, so that a page can set an id, an instant or somebody's own words apart. Values are put into a sentence as text
and never as markup, and what could change how a line reads (bidirectional and other controls, look-alike letters) is made visible.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from groundrule.errors import GroundruleError, InputError
from groundrule.evidence.characters import reveal
from groundrule.evidence.dossier import LASTING, PARTIES, Dossier, Party, Phrase, Value
from groundrule.evidence.render.forms import Forms
from groundrule.instant import NS_PER_S, parse_instant
from groundrule.reasons import CATALOGUE
from groundrule.rules.vocabulary import ENGLISH, Vocabulary

LANGUAGES = ("en", "de", "uk")
_VISIBLE = {code: f"[U+{code:04X}]" for code in (*range(0x20), 0x7F, *range(0x80, 0xA0), 0xAD, 0x061C, 0x180E, *range(0x200B, 0x2010),
            *range(0x2028, 0x202F), *range(0x2060, 0x2070), 0xFEFF, *range(0xFFF9, 0xFFFC), *range(0xE0000, 0xE0080),
            *range(0xD800, 0xE000), 0xFFFE, 0xFFFF) if code not in (0x0A,)}  # fmt: skip
_SLOT = re.compile(r"\{(\w+)(?:\|([^{}]*))?\}")
_ID = re.compile(r"(request|contact|review|emergency|screening|party|report|claim)-([0-9a-f]{32})")
_DIGEST = re.compile(r"[0-9a-f]{16}(?:[0-9a-f]{48})?")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d{1,9})?Z)?")
_LASTING = re.compile(rf"{LASTING}\d{{1,18}}")
_SPAN = re.compile(r"(\d{4}-\d\d-\d\d|\.\.)/(\d{4}-\d\d-\d\d|\.\.)")
_OBJECT = re.compile(r"(rulebook|area|service|list|programme|waiver|charter|record|terminal|country)(?:[/:](.+))?", re.DOTALL)
_AREA = re.compile(r"\barea:[a-z0-9][a-z0-9-]*")
LEFT_OUT = "…"
"""What stands in the place of a text that was left out for a reader."""
STANDIN = "withheld-"
"""Begins the reference of a party that is not named to a reader."""
_OWN_ENGLISH = frozenset({
    ("act_refused", "sentence"), ("entry_no_effect", "sentence"), ("not_enacted_because", "why"), ("why_finding", "finding"),
    ("why_heard", "heard"),
    ("why_not_denied", "gaps"), ("why_relief", "relief"), ("why_relief_one", "relief"), ("why_exception", "exception"),
    ("why_not_explained", "error"), ("report_problem", "problem"),
    ("report_contradiction", "detail"), ("terminal_registered", "what"), ("account_registered", "what"), ("party_registered", "what"),
    ("made_by_exception", "exempt"), ("hinge_register", "exempt"), ("unknown_entered", "exempt"),
    ("rule_exempts", "limit"), ("rule_exempts", "exempt"), ("rule_altered", "before"), ("rule_altered", "after"),
})  # fmt: skip
"""Values that Groundrule itself says in English: (phrase, value). They stay so in every language, and are marked; but where a phrase has
the same value as `NAME_LANGUAGE`, that stands in this language instead."""
_NAMES_INSIDE = frozenset({("act_refused", "sentence"), ("entry_no_effect", "sentence"), ("not_enacted_because", "why")})
"""Of these, sentences that name parties and objects by their ids."""
_TO_THE_SECOND = frozenset({
    "answered", "answered_once", "answer_changed", "sum_answer", "why_answer", "own_contested", "own_contested_at", "others_there",
    "others_there_still", "own_not_contested", "judged_at", "unknown_approval", "beside_protected", "beside_other",
    "rule_younger", "decided_by_change", "decided_by_before", "decided_by_unknown",
    "proposal_effective", "sum_proposed", "sum_enacted", "sum_not_enacted", "answered_later", "answered_once_later", "sum_answer_later",
    "others_there_once", "others_there_once_still", "measured_speed", "measured_speed_even", "rule_waits", "rule_waits_closed",
    "made_difference", "made_no_difference", "contact_own_word", "statement_against_claim", "statement_against_contact",
    "contact_alleged_recorded", "hinge_register",
})  # fmt: skip
"""Phrases about single answers and about acts, which may follow each other within a minute."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a sentence.

    Attributes:
        text: as shown; made visible, not escaped.
        kind: words (of the language), name, id, thing (an area or another object by its name), time, number, code, free (somebody's
            own words) or english (our own, untranslated).
        full: what `text` stands for where it is shorter: the whole id, or the exact instant.
    """

    text: str
    kind: str = "words"
    full: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language.

    Attributes:
        language: BCP 47 tag.
        tables: titles, page, standings, standing_help, times, roles, phrases, codes, reasons, conditions, forms and others.
    """

    language: str
    tables: Mapping[str, Mapping[str, str]]

    def __call__(self, table: str, key: str) -> str:
        """Return a word.

        Raises:
            KeyError: the language has no such word.
        """
        return self.tables[table][key]

    @property
    def forms(self) -> Forms:
        """How the language writes numbers, dates and plurals."""
        return Forms(self.language, self.tables["forms"])

    def word(self, table: str, key: str) -> str:
        """Return a word, or its key in plain letters where the language has none."""
        return self.tables[table].get(key) or visible(key.replace("_", " "))

    def say(self, phrase: Phrase, names: Mapping[str, str]) -> str:
        """Return a sentence with its values in it.

        Args:
            names: what each party is called here, by reference.
        Raises:
            KeyError: the language has no such sentence, or the sentence wants a value that is not there.
        """
        return "".join(each.text for each in self.pieces(phrase, names))

    def fill(self, table: str, key: str, **values: Value) -> str:
        """Return a line of another table than the phrases, with values in it."""
        return "".join(each.text for each in self._filled(self.tables[table][key], key, values, {}))

    def pieces(self, phrase: Phrase, names: Mapping[str, str]) -> list[Piece]:
        """Return a sentence as pieces; their texts in a row are what `say` returns.

        Raises:
            KeyError: as of `say`.
        """
        return list(self._filled(self.tables["phrases"][phrase.key], phrase.key, phrase.values, names))

    def _filled(self, template: str, key: str, values: Mapping[str, Value], names: Mapping[str, str]) -> Iterator[Piece]:
        at = 0
        for slot in _SLOT.finditer(template):
            if slot.start() > at:
                yield Piece(template[at : slot.start()])
            at = slot.end()
            name, choices = slot[1], slot[2]
            value = values[name]
            own = values.get(f"{name}_{self.language}")
            if choices is not None:
                yield Piece(self.forms.choose(value if isinstance(value, int) else 0, choices.split("|")))
            elif isinstance(own, str) and (key, name) in _OWN_ENGLISH:
                yield Piece(visible(own), "free")  # said in this language, too, by the same words
            else:
                yield from self._value(key, name, value, names)
        if at < len(template):
            yield Piece(template[at:])

    @property
    def vocabulary(self) -> Vocabulary:
        """The words in which rules and answers are said."""
        return Vocabulary(self.language, self.tables["conditions"], self.tables["reasons"])

    def value(self, value: Value, names: Mapping[str, str]) -> str:
        """Return one value as text."""
        return "".join(each.text for each in self._value("", "", value, names))

    def _value(self, key: str, name: str, value: Value, names: Mapping[str, str]) -> Iterator[Piece]:
        if value is None:
            yield Piece("–")
        elif isinstance(value, int):
            yield Piece(self.forms.number(value), "number")
        elif value.startswith("code:"):
            yield Piece(self.word("codes", value[5:]), "code")
        elif value.startswith(PARTIES):
            yield from self._named(value.removeprefix(PARTIES).split(), names)
        elif _LASTING.fullmatch(value):
            yield Piece(self._lasting(int(value.removeprefix(LASTING))))
        elif value.startswith("reason:"):
            yield Piece(self.reason(value[7:]), "code", visible(value[7:]))
        elif value in names:
            yield Piece(visible(names[value]), "name", visible(value))
        elif name in ("rule", "old", "new") and value in ("default", LEFT_OUT):
            yield Piece(self("codes", "rule_default") if value == "default" else self("page", "rule_name_left_out"), "code")
        elif (key, name) in _OWN_ENGLISH:
            yield from self._english(value, names, named=(key, name) in _NAMES_INSIDE)
        elif name == "areas":
            yield from self._listed(value.split(", "), names)
        elif (span := _SPAN.fullmatch(value)) is not None:
            yield Piece(self.forms.span(*(None if each == ".." else parse_instant(each) for each in span.groups())), "time", value)
        elif _INSTANT.fullmatch(value):
            yield self.moment_of(value, seconds=key in _TO_THE_SECOND)
        elif (id_ := _ID.fullmatch(value)) is not None:
            yield Piece(f"{self('ids', id_[1])} {id_[2][:8]}", "id", value)
        elif _DIGEST.fullmatch(value):
            yield Piece(value[:8], "id", value)
        elif name == "object" and (thing := _OBJECT.fullmatch(value)) is not None:
            named = names.get(f"area:{thing[2]}", thing[2]) if thing[1] in ("area", "service", "country") else thing[2]
            yield Piece(self("ids", thing[1]) + (f" {visible(named)}" if named else ""), "thing", visible(value))
        else:
            yield Piece(visible(value), "free")

    def _named(self, refs: list[str], names: Mapping[str, str]) -> Iterator[Piece]:
        for place, each in enumerate(refs):
            if place:
                yield Piece(", ")
            yield Piece(visible(names[each]), "name", visible(each)) if each in names else Piece(visible(each), "id", visible(each))

    def _lasting(self, duration_ns: int) -> str:
        return self.forms.lasting(duration_ns) if duration_ns >= NS_PER_S else self("forms", "under_a_second")

    def english(self, text: str, names: Mapping[str, str]) -> list[Piece]:
        """Return a text that Groundrule says in English in every language, with areas by their names."""
        return list(self._english(text, names, named=False))

    def _listed(self, ids: list[str], names: Mapping[str, str]) -> Iterator[Piece]:
        for place, each in enumerate(ids):
            if place:
                yield Piece(", ")
            yield Piece(visible(names.get(f"area:{each}", each)), "thing", visible(each))

    def _english(self, text: str, names: Mapping[str, str], *, named: bool) -> Iterator[Piece]:
        at = 0
        for found in re.finditer(rf"`?({_ID.pattern}|[0-9a-f]{{64}})`?", text) if named else ():
            yield Piece(visible(text[at : found.start()]), "english")
            yield from self._value("", "", found[1], names)
            at = found.end()
        rest = _AREA.sub(lambda found: names.get(found[0], found[0]), text[at:])
        yield Piece(visible(rest), "english")

    def reason(self, code: str) -> str:
        """Return the sentence of a reason: in this language, else as the catalogue has it, else the code."""
        if code in self.tables["reasons"]:
            return self.tables["reasons"][code]
        return CATALOGUE[code].sentence if code in CATALOGUE else visible(code)

    def moment_of(self, text: str, *, seconds: bool = False) -> Piece:
        """Return an instant or date, written as ISO 8601, in the form of the language; something else as it is."""
        try:
            at = parse_instant(text)
        except GroundruleError:
            return Piece(visible(text), "free")
        shown = self.forms.date(at) if len(text) == 10 else self.forms.moment(at, seconds=seconds)
        return Piece(shown, "time", text)


def visible(text: str) -> str:
    """Return text in which characters that cannot be seen, and letters that pass for others, are named."""
    if text.isascii() and text.isprintable():
        return text
    return reveal(text.translate(_VISIBLE))


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


def vocabulary(language: str) -> Vocabulary:
    """Return the words of rules and answers in a language; English for a language that has none.

    Args:
        language: BCP 47 tag; of `de-AT` the `de` counts.
    """
    bare = language.partition("-")[0].lower()
    return words(bare).vocabulary if bare in LANGUAGES else ENGLISH


def names_in(dossier: Dossier, said: Words | None = None) -> dict[str, str]:
    """Return what each party is called in a dossier: its name, and the end of its id where another has the same; areas as `area:ID`.

    Who is not named to its reader is called by the own unit and a number that begins anew for each.
    """
    said = words() if said is None else said
    count, unnamed = dict[str, int](), dict[str, int]()
    for party in dossier.parties:
        count[party.name] = count.get(party.name, 0) + 1
    found = {f"area:{area.id}": area.name for area in dossier.areas if area.name}
    for party in dossier.parties:
        if party.ref.startswith(STANDIN):
            found[party.ref] = _standing_in(party, said, unnamed)
        else:
            found[party.ref] = _called(party.ref, party.name, shared=count[party.name] > 1)
    return found


def _standing_in(party: Party, said: Words, unnamed: dict[str, int]) -> str:
    key = "person_of_unit" if party.office else "body_unnamed" if party.kind == "legal_entity" else "person_unnamed"
    unnamed[party.office or key] = number = unnamed.get(party.office or key, 0) + 1
    return said.fill("page", key, number=number, **({"unit": party.office} if party.office else {}))


def _called(ref: str, name: str, *, shared: bool) -> str:
    if not name:
        return f"{ref[:14]}…" if len(ref) > 15 else ref
    return f"{name} ({ref.rpartition('-')[2][:6]})" if shared else name
