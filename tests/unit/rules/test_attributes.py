"""The vocabulary: each attribute has evidence behind it, and the doubts that a rule states are found by name."""

from __future__ import annotations

from dataclasses import fields

import pytest

from groundrule.records import Outcome
from groundrule.rules.attributes import (
    ATTRIBUTES,
    DOUBT_ALIASES,
    KEY_OF,
    attribute_of,
    edge_outcome,
    profile_value,
    unknown_outcome,
    version_number,
    version_text,
)
from groundrule.rules.evidence import Profile
from groundrule.rules.model import Rule


def rule(outcome: Outcome = Outcome.DENY, **unknown: Outcome) -> Rule:
    stated = tuple((name.replace("__", "."), value) for name, value in unknown.items())
    return Rule("r", "r", "t", outcome, "served", unknown=stated)


def test_every_register_attribute_is_a_field_of_the_profile() -> None:
    names = {field.name for field in fields(Profile)}
    assert {a.field for a in ATTRIBUTES.values() if a.source == "who"} | {"lists"} == names


def test_an_unregistered_terminal_has_a_registration_and_nothing_else() -> None:
    assert profile_value(None, "registration") == "none"
    assert profile_value(None, "plan") is None
    assert profile_value(None, "list") is None
    assert profile_value(Profile(plan="roam"), "plan") == "roam"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2026.06.12.mr81164", 202600060012.0),
        ("2025.01.01", 202500010001.0),
        ("2025.1", 202500010000.0),
        ("mr81164", None),
        ("2025", None),
        ("2025.123456.1", None),
    ],
)
def test_versions_compare_by_their_first_three_numbers(text: str, number: float | None) -> None:
    assert version_number(text) == number


def test_a_later_version_is_a_greater_number() -> None:
    ordered = ["2024.12.31", "2025.1.9", "2025.01.10.mr1", "2025.10.1", "2026.01.01"]
    numbers = [version_number(text) or 0.0 for text in ordered]
    assert numbers == sorted(numbers)
    assert version_text(numbers[2]) == "2025.01.10"


def test_the_nearest_word_about_a_doubt_counts_and_never_exceeds_the_rule() -> None:
    assert unknown_outcome(rule(), "plan") == Outcome.REVIEW
    assert unknown_outcome(rule(plan=Outcome.SERVE), "plan") == Outcome.SERVE
    assert unknown_outcome(rule(**{"*": Outcome.DENY}), "plan") == Outcome.DENY
    named = rule(**{"*": Outcome.DENY, "stay": Outcome.RESTRICT, "stay.abroad": Outcome.SERVE})
    assert unknown_outcome(named, "stay.abroad.elapsed_days") == Outcome.SERVE
    assert unknown_outcome(named, "stay.coastal.elapsed_days") == Outcome.RESTRICT
    assert unknown_outcome(rule(Outcome.RESTRICT), "plan") == Outcome.RESTRICT
    assert edge_outcome(rule(Outcome.SERVE)) == Outcome.SERVE


def test_every_key_may_stand_under_unknown() -> None:
    assert set(KEY_OF) <= set(DOUBT_ALIASES)
    with pytest.raises(TypeError):
        attribute_of(rule().condition())
