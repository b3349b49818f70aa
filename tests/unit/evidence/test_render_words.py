"""Words: the same keys in each language, every key that the composer uses, plurals, dates, and what values are."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import groundrule
from groundrule.errors import InputError
from groundrule.evidence.dossier import Phrase, Reader, Standing, SubjectKind
from groundrule.evidence.render.words import LANGUAGES, names_in, visible, words
from groundrule.evidence.report import ClaimKind, Stance, TranslationKind
from groundrule.govern import dealings, objects
from groundrule.govern.charter import CLASSES, ROLES
from groundrule.instant import MAX_NS, parse_instant
from groundrule.reasons import CATALOGUE
from groundrule.records import ServiceState
from sample_dossier import ADA, AT, sample

SOURCE = Path(groundrule.__file__).parent
COMPOSER = sorted((SOURCE / "pipeline" / "dossiers").glob("*.py"))
SLOT = re.compile(r"\{(\w+)(?:\|([^{}]*))?\}")
OUTCOMES = ("serve", "restrict", "review", "deny", "none")
BASES = ("self", "third_party", "press", "official", "intelligence")
# What can stand in the place of a value in a composed key; a prefix that is not here fails the test.
PHRASES = {
    "approval_": ("approve", "reject", "recuse"),
    "contact_basis_": BASES,
    "contact_": ("corroborated", "disputed", "denied", "withdrawn"),
    "contact_late": ("", "_if"),
    "contact_late_hours": ("", "_if"),
    "contact_late_unknown": ("", "_if"),
    "report_": tuple(Stance),
    "sum_": ("approve", "reject", "recuse", "claim", "unknown"),
}
CODES = {
    "": OUTCOMES,
    "act_": (
        "approval",
        "enactment",
        "proposal",
        "proposal_ended",
        "request",
        "charter",
        "contact",
        "contact_update",
        "screening",
        "review",
        "emergency_open",
        "emergency_close",
    ),
    "ask_": dealings.ASKS,
    "basis_": (*BASES, "law", "court", "contract", "treaty", "voluntary"),
    "capacity_": ("official", "business", "private", "unknown"),
    "channel_": dealings.CHANNELS,
    "class_": CLASSES,
    "contradiction_": (
        "opposite_stance",
        "differing_dates",
        "differing_numbers",
        "opposite_polarity",
        "reversed_in_translation",
    ),
    "direction_": ("permit_only", "deny_only"),
    "end_": ("expired", "reverted", "closed"),
    "excluded_": (
        "author",
        "editor",
        "requester",
        "principal",
        "beneficiary",
        "recused",
        "contact",
        "suspended",
        "rejected",
        "approval_expired",
        "old_charter",
        "not_in_role",
        "checkpoint",
    ),
    "meanwhile_": ("approval", "authorship", "review", "emergency"),
    "op_": ("create", "replace", "delete", "disclose"),
    "outcome_": dealings.OUTCOMES,
    "pattern_": ("single", "regular"),
    "purpose_": ("military", "law_enforcement", "humanitarian", "commercial", "technical"),
    "role_": ROLES,
    "state_": tuple(ServiceState),
    "status_": dealings.STATUSES,
    "verdict_": ("upheld", "reversed", "partly"),
}


def tables(language: str) -> dict[str, dict[str, str]]:
    return tomllib.loads((SOURCE / "evidence" / "render" / "words" / f"{language}.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_each_language_has_the_same_keys_and_the_same_values_in_each_sentence(language: str) -> None:
    english, other = tables("en"), tables(language)
    assert {name: set(table) for name, table in other.items()} == {name: set(table) for name, table in english.items()}
    for name, table in english.items():
        for key, sentence in table.items():
            if name != "forms" and key != "sum_enacted":
                assert {slot[1] for slot in SLOT.finditer(other[name][key])} == {
                    slot[1] for slot in SLOT.finditer(sentence)
                }, (name, key)


@pytest.mark.parametrize("language", LANGUAGES)
def test_plurals_have_the_forms_of_the_language(language: str) -> None:
    wanted = 3 if language == "uk" else 2
    forms = [
        slot[2]
        for table in tables(language).values()
        for text in table.values()
        for slot in SLOT.finditer(text)
        if slot[2]
    ]
    forms += [tables(language)["forms"][name] for name in ("days", "hours", "minutes", "seconds")]
    assert len(forms) > 15
    assert {len(each.split("|")) for each in forms} == {wanted}


def _literals(node: ast.expr, where: ast.AST) -> Iterator[str]:
    """Texts that an expression can give; `{}` stands for a value in it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(each.value) if isinstance(each, ast.Constant) else "{}" for each in node.values)
    elif isinstance(node, ast.IfExp):
        yield from _literals(node.body, where)
        yield from _literals(node.orelse, where)
    elif isinstance(node, ast.Name):
        for each in ast.walk(where):
            if isinstance(each, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id == node.id for target in each.targets
            ):
                yield from _literals(each.value, where)


def phrase_keys() -> set[str]:
    found: set[str] = set()
    for path in COMPOSER:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)]:
            for call in [each for each in ast.walk(function) if isinstance(each, ast.Call)]:
                name = call.func.id if isinstance(call.func, ast.Name) else ""
                if name in ("Phrase", "_said", "inferred", "ask", "_row") and call.args:
                    found |= set(_literals(call.args[0], function))
    return found


def test_every_phrase_of_the_composer_has_words() -> None:
    keys, held = phrase_keys(), tables("en")["phrases"]
    assert len(keys) > 90
    for key in keys:
        prefix, slot, _ = key.partition("{}")
        if slot and prefix in PHRASES:
            assert not [end for end in PHRASES[prefix] if f"{prefix}{end}" not in held]
        elif key:
            assert key in held, f"no words for {key}; a composed key needs a line in PHRASES"


def test_every_code_of_the_composer_has_a_word() -> None:
    held, seen = tables("en")["codes"], set()
    for path in COMPOSER:
        for each in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for text in _literals(each, each) if isinstance(each, ast.Constant | ast.JoinedStr) else ():
                if text.startswith("code:") and len(text) > 5 and not text.endswith("_"):
                    prefix, slot, _ = text[5:].partition("{}")
                    assert not slot or prefix in CODES, f"say in CODES what can follow `{prefix}`"
                    seen.add(prefix)
                    assert not [end for end in (CODES[prefix] if slot else ("",)) if f"{prefix}{end}" not in held]
    assert len(seen) > 15


def test_other_tables_cover_their_enumerations() -> None:
    held = tables("en")
    assert set(held["reasons"]) == set(CATALOGUE)
    assert set(held["kinds"]) == set(dealings.PARTY_KINDS)
    assert set(held["stances"]) == set(Stance)
    assert set(held["translations"]) == set(TranslationKind)
    assert set(held["claim_kinds"]) == set(ClaimKind)
    assert set(held["readers"]) == set(Reader)
    assert set(held["standings"]) == set(held["standing_help"]) == set(Standing)
    assert {f"subject_{kind.value}" for kind in SubjectKind} <= set(held["titles"])
    assert set(objects.OBJECT_TYPES) <= set(held["ids"])


@pytest.mark.parametrize(
    ("language", "moment", "days"),
    [
        ("en", "22 Nov 2026, 22:14 UTC", ["1 day", "2 days", "5 days", "21 days"]),
        ("de", "22. November 2026, 22:14 UTC", ["1 Tag", "2 Tage", "5 Tage", "21 Tage"]),
        ("uk", "22 листопада 2026, 22:14 UTC", ["1 день", "2 дні", "5 днів", "21 день"]),
    ],
)
def test_dates_and_durations_are_those_of_the_language(language: str, moment: str, days: list[str]) -> None:
    forms = words(language).forms
    at = parse_instant("2026-11-22T22:14:59.999999999Z")
    assert forms.moment(at) == moment
    assert forms.moment(MAX_NS) == forms.words["never"]
    assert [forms.lasting(count * 86_400_000_000_000) for count in (1, 2, 5, 21)] == days


@pytest.mark.parametrize(
    ("language", "one", "many"),
    [
        ("en", "1 terminal goes from", "2,000 terminals go from"),
        ("de", "1 Terminal wechselt von", "2000 Terminals wechseln von"),
        ("uk", "1 термінал переходить від", "2000 терміналів переходять від"),
    ],
)
def test_a_number_takes_its_form(language: str, one: str, many: str) -> None:
    said = words(language)
    for number, wanted in ((1, one), (2_000, many)):
        phrase = Phrase("impact_moved", {"number": number, "before": "code:deny", "after": "code:serve"})
        assert wanted in said.say(phrase, {})


def test_values_are_told_apart_and_keep_their_exact_form() -> None:
    dossier = sample()
    said, names = words("en"), names_in(dossier)
    by_id = {each.id: said.pieces(each.phrase, names) for each in dossier.statements}
    assert ("20 Nov 2026, 23:10:51 UTC", "time", "2026-11-20T23:10:51Z") in [
        (p.text, p.kind, p.full) for p in by_id["s9"]
    ]
    assert ("c0ffee00", "id") in [(p.text, p.kind) for p in by_id["s6"]]
    assert ("from 18 Oct 2025, end not known", "time") in [(p.text, p.kind) for p in by_id["s7"]]
    assert ("Ada Muster (invented)", "name", ADA) in [(p.text, p.kind, p.full) for p in by_id["s1"]]
    assert [p.kind for p in by_id["s5"] if "survey craft" in p.text] == ["english"]
    assert [p.kind for p in by_id["s3"] if "survey craft" in p.text] == ["free"]


def test_a_refusal_names_people_and_not_their_ids() -> None:
    text = f"`{ADA}` is on a list"
    said = words("de").say(
        Phrase("act_refused", {"what": "code:act_enactment", "sentence": text}), {ADA: "Ada Muster (invented)"}
    )
    assert said == "Zurückgewiesen wurde ein Inkraftsetzen. Ada Muster (invented) is on a list."


def test_reasons_are_translated_and_unknown_ones_fall_back() -> None:
    assert words("de").value("reason:served", {}) == "Keine Regel schränkt den Dienst hier ein."
    assert words("uk").value("reason:not_in_the_catalogue", {}) == "not_in_the_catalogue"
    assert words("en").value("code:a_word_of_tomorrow", {}) == "a word of tomorrow"


def test_a_missing_value_is_an_error_and_a_withheld_one_a_dash() -> None:
    with pytest.raises(KeyError):
        words("en").say(Phrase("why_basis", {}), {})
    assert words("en").say(Phrase("why_basis", {"basis": None}), {}) == "Basis: –."


def test_what_cannot_be_seen_is_named() -> None:
    assert visible("a\u202eb\x00c\u200bd\n") == "a[U+202E]b[U+0000]c[U+200B]d\n"
    assert visible("\ud800") == "[U+D800]"


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(InputError, match="one of en, de, uk") as refused:
        words("tlh")
    assert AT
    assert refused.value.help.startswith("one of")
