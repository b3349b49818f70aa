"""When a rulebook uses the place that radio gives: how it is read, written, compared, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from books_small import SMALL

from groundrule.rules.compare import compare
from groundrule.rules.model import In, RadioPosition
from groundrule.rules.schema import SCHEMA_FILE
from groundrule.rules.text import RulebookErrors, read_rulebook, write_rulebook


def with_assumption(text: str) -> str:
    return SMALL.replace("assumptions: {", "assumptions: {radio_position: " + text + ", ")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("{use_when: [suspended, lost, inconsistent], max_age_s: 60}", RadioPosition(("inconsistent", "lost", "suspended"), 60.0)),
        ("{use_when: lost}", RadioPosition(("lost",), 120.0)),
        ("{use_when: lost, hold_inconsistent_s: 900}", RadioPosition(("lost",), 120.0, 900.0)),
        ("{use_when: [inhibited, inhibited]}", RadioPosition(("inhibited",), 120.0)),
    ],
)
def test_it_is_read_and_written_back_the_same(text: str, wanted: RadioPosition) -> None:
    book = read_rulebook(with_assumption(text))
    assert book.assumptions.radio_position == wanted
    again = read_rulebook(write_rulebook(book))
    assert again.assumptions == book.assumptions
    assert again.digest == book.digest != read_rulebook(SMALL).digest
    jsonschema.validate(yaml.safe_load(write_rulebook(book)), json.loads(Path(SCHEMA_FILE).read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{max_age_s: 60}", "use_when"),
        ("{use_when: []}", "empty list"),
        ("{use_when: [moonlight]}", "moonlight"),
        ("{use_when: lost, max_age_s: 0}", "max_age_s"),
        ("{use_when: lost, max_age_s: 7200}", "max_age_s"),
        ("{use_when: lost, max_age: 60}", "max_age"),
        ("{use_when: lost, hold_inconsistent_s: 60}", "hold_inconsistent_s"),
        ("{use_when: lost, hold_inconsistent_s: 90000}", "hold_inconsistent_s"),
        ("always", "radio_position"),
    ],
)
def test_what_it_cannot_be_is_named_at_its_place(text: str, message: str) -> None:
    with pytest.raises(RulebookErrors, match=message) as caught:
        read_rulebook(with_assumption(text), file="book.yaml")
    assert {error.line for error in caught.value} == {7}


def test_a_comparison_says_what_changes() -> None:
    one, other = read_rulebook(SMALL), read_rulebook(with_assumption("{use_when: [lost, suspended]}"))
    lines = [change.sentence for change in compare(one, other) if change.subject == "assumption"]
    assert lines == ["assumption radio_position: never → when lost, suspended, at most 120 s old"]
    held = read_rulebook(with_assumption("{use_when: [lost, suspended], hold_inconsistent_s: 600}"))
    [line] = [change.sentence for change in compare(other, held) if change.subject == "assumption"]
    assert line.endswith("at most 120 s old, inconsistent held for 600 s")


def test_the_new_words_are_closed_and_their_doubts_have_names() -> None:
    rule = """\
  - id: checked
    title: A rule about radio
    tier: rules
    what: {assurance: [a1, a2], gnss: normal, verified_distance_km: {above: 20}}
    outcome: review
    reason: verification_failed
    unknown: {verified_distance: serve, gnss: serve, assurance: restrict}
    authority: {basis: "an order (invented)"}
"""
    book = read_rulebook(SMALL.replace("rules:\n", "rules:\n" + rule))
    [found] = [each for each in book.rules if each.id == "checked"]
    assert In("gnss", frozenset({"normal"})) in found.what.parts  # type: ignore[union-attr]  # an `All` of three
    assert dict(found.unknown).keys() == {"verified_distance_m", "gnss", "assurance"}
    for wrong in (("[a1, a2]", "[a9]"), ("gnss: normal", "gnss: jammed"), ("{above: 20}", "20")):
        with pytest.raises(RulebookErrors):
            read_rulebook(SMALL.replace("rules:\n", "rules:\n" + rule.replace(*wrong)))
