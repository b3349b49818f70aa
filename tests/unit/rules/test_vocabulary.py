"""Explanations in three languages: every line has words in each, with the same slots, and nothing of the English is left."""

from __future__ import annotations

import ast
import re
import string
from importlib import resources
from pathlib import Path

import pytest

import groundrule
from groundrule.evidence.render.words import LANGUAGES, vocabulary, words
from groundrule.govern.dealings import OUTCOMES
from groundrule.reasons import CATALOGUE
from groundrule.records import Outcome, ServiceState
from groundrule.rules.attributes import ATTRIBUTES, LIST_STATES, MEASURES, RELATIONS
from groundrule.rules.cases import read_cases
from groundrule.rules.conditions import LANDING_STATUSES, SERVICE_STATES
from groundrule.rules.explain import Explainer
from groundrule.rules.model import Latch, Where
from groundrule.rules.text import load_rulebook
from groundrule.rules.vocabulary import ENGLISH, ENGLISH_TERMS
from groundrule.rules.wording import attribute_name, leaf, place, quantity

SOURCE = Path(groundrule.__file__).parent
SAYING = [SOURCE / name for name in ("rules/wording.py", "rules/nearest.py", "rules/explain.py", "pipeline/explain.py",
          "pipeline/appealing.py", "cli/explain.py", "cli/appeal.py")]  # fmt: skip
LEFTOVERS = re.compile(r"\b(the|is|above|below|not|within|list|perhaps|found|with|where|exception|and|would|day|days)\b", re.IGNORECASE)


def slots(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def test_english_is_one_and_the_same_in_code_and_in_its_file() -> None:
    held = words("en").tables
    assert held["conditions"] == dict(ENGLISH_TERMS)
    assert held["reasons"] == {code: reason.sentence for code, reason in CATALOGUE.items()}


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_every_line_and_every_reason_has_words_with_the_same_slots(language: str) -> None:
    say = vocabulary(language)
    assert set(say.terms) == set(ENGLISH_TERMS)
    assert set(say.reasons) == set(CATALOGUE)
    for key, template in ENGLISH_TERMS.items():
        assert slots(say.terms[key]) == slots(template), key
        assert say.terms[key].strip(), key
    for code in CATALOGUE:
        assert say.reason(code) != CATALOGUE[code].sentence, code
        assert say.reason(code).endswith("."), code


def test_every_word_that_facts_and_answers_may_have_is_there() -> None:
    for attribute in ATTRIBUTES.values():
        assert f"name_{attribute.name}" in ENGLISH_TERMS
        assert not [word for word in attribute.vocabulary if f"value_{word}" not in ENGLISH_TERMS], attribute.name
    wanted = {f"value_{state}" for state in LIST_STATES} | {f"measure_{each}" for each in MEASURES} | set(RELATIONS)
    wanted |= {f"place_{each}" for each in (*LANDING_STATUSES, *SERVICE_STATES)} | {f"outcome_{each.word}" for each in Outcome}
    wanted |= {f"owner_{each.word}" for each in Outcome} | {f"appeal_{each}" for each in OUTCOMES}
    wanted |= {f"{start}state_{each.value}" for each in ServiceState if each is not ServiceState.NORMAL for start in ("", "owner_")}
    assert wanted <= set(ENGLISH_TERMS)


def test_every_line_that_is_asked_for_exists() -> None:
    asked = set()
    for path in SAYING:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "say" and call.args:
                key = call.args[0]
                either = [key.body, key.orelse] if isinstance(key, ast.IfExp) else [key]
                asked |= {each.value for each in either if isinstance(each, ast.Constant)}
    assert len(asked) > 60
    assert asked <= set(ENGLISH_TERMS)


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_no_english_is_left_in_an_explanation_of_the_shipped_rulebook(language: str) -> None:
    world = load_rulebook("world-2026")
    text = (resources.files("groundrule.rules") / "books" / "world-2026.cases.yaml").read_text(encoding="utf-8")
    explainer, say, lines = Explainer(world), vocabulary(language), 0
    for case in read_cases(world, text):
        found = explainer.explain(case.situation, distances=lambda _: 1234.0, language=language, say=say)
        english = explainer.explain(case.situation, distances=lambda _: 1234.0)
        assert (found.outcome, found.rule_id, found.reason) == (english.outcome, english.rule_id, english.reason)
        assert [miss.margin for miss in found.nearest] == [miss.margin for miss in english.nearest]
        said = [each for item in found.applied for each in item.findings] + [gap.words for miss in found.nearest for gap in miss.gaps]
        for each in (*said, *found.relief, found.retry or "", found.reason_sentence):
            # Ids of areas, lists and programmes stay as they are.
            assert not LEFTOVERS.search(re.sub(r"\S*[:_-]\S*", "", each)), each
            lines += 1
        owner = explainer.explain(case.situation, audience="owner", language=language, say=say)
        assert owner.as_text().splitlines()[0] != english.as_text().splitlines()[0]
    assert lines > 200


def test_numbers_and_units_are_those_of_the_language() -> None:
    limit = Latch("speed_m_s", 75.5 / 3.6, 70 / 3.6, 30.0)
    said = {language: leaf(limit, say=vocabulary(language)).partition(" (") for language in LANGUAGES}
    assert [said[language][0] for language in LANGUAGES] == [
        "speed above 75.5 km/h", "Geschwindigkeit über 75,5 km/h", "швидкість понад 75,5 км/год",
    ]  # fmt: skip
    assert said["de"][2] == "mindestens 30 s lang; es gilt, bis der Wert unter 70 km/h liegt)"
    assert said["uk"][2] == "щонайменше 30 с; діє, доки значення не стане меншим за 70 км/год)"
    assert place(Where("area:x", 2100.0), vocabulary("de")) == "höchstens 2,1 km von area:x entfernt"
    assert attribute_name("stay.abroad.elapsed_days", vocabulary("uk")) == "дні перебування (abroad)"
    assert quantity("position_age_s", 90.0, say=vocabulary("uk")) == "90 с"


def test_a_language_without_words_is_answered_in_english_and_a_region_in_its_language() -> None:
    assert vocabulary("fr") is ENGLISH
    assert vocabulary("de-AT").language == "de"
    assert vocabulary("uk").reason("not_in_the_catalogue") == "not_in_the_catalogue"
