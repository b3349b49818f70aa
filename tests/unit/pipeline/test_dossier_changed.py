"""Whose answers were others under a change: counted over stored decisions, for whoever may know, and said where it was not counted."""

from __future__ import annotations

from collections import Counter

import pytest

from governed_home import START, Clock, base_home, decided, desk, quick_folder
from governed_world import DAY, HOUR
from groundrule.evidence.dossier import Dossier, Phrase, Reader, Standing, SubjectKind
from groundrule.evidence.render.page_parts import by_rule
from groundrule.evidence.render.words import LANGUAGES, words
from groundrule.pipeline.dossiers.changed import changed_answers
from groundrule.pipeline.dossiers.openings import redacted
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.manifests import runs
from groundrule.store.history import read_run
from investigated_home import Case
from small_home import RECORDED, drive, table

SPEEDS = {"car": 80, "guest": 40, "van": 97, "train": 80}
"""Between the old limit of 75 and the new one of 90 km/h, under both, over both, and exempt by its programme."""


@pytest.fixture(scope="module")
def case() -> Case:
    home = base_home(quick_folder() / "home")

    def driven(hours: float, speeds: dict[str, int]) -> None:
        rows = [each for name, km_h in speeds.items() for each in drive(name, hours * 3600, 12, lat=5.0, lon=5.0, km_h=km_h)]
        decided(home, table(rows), at_ns=case.clock.now if hours else RECORDED)

    case = Case(home, Clock(START))
    with home.writer():
        driven(0, SPEEDS | {"late payer": 20})
    with desk(home, case.clock) as office:
        office.genesis()
        text = rulebook_of(home).text.replace("version: 1", "version: 2")
        text = text.replace("above: 75, release_below: 70", "above: 90, release_below: 85")
        case.ids["change"] = office.propose(office.change("replace", "rulebook", text.encode()))
        office.approve(case.ids["change"], "p1", "p2", "p3")
        assert office.governance.enact(case.ids["change"]).in_force
        case.clock.now += DAY
        list_ = office.change("replace", "rulebook", text.replace("version: 2", "version: 3").replace("above: 90", "above: 91").encode())
        case.ids["second"] = office.propose(list_)
    with home.writer():
        driven(8, SPEEDS)
    case.clock.now += HOUR
    return case


def said(made: Dossier) -> dict[str, list[Phrase]]:
    found: dict[str, list[Phrase]] = {}
    for each in made.statements:
        found.setdefault(each.phrase.key, []).append(each.phrase)
    return found


def test_terminals_with_answers_on_both_sides_are_counted_and_those_that_changed_named_by_kind(case: Case) -> None:
    made = said(case.dossier(SubjectKind.CHANGE, case.ids["change"]))
    # By hand, over all rows: the last answer of each terminal in each of the two runs.
    sides = []
    for run in runs(case.home):
        rows = [row for part in read_run(case.home, "decisions", run) for row in part.to_pylist()]
        sides.append({row["terminal_id"]: row["outcome"] for row in sorted(rows, key=lambda each: each["observed_at"])})
    first, second = sides
    moved = Counter((first[each], second[each]) for each in first.keys() & second.keys() if first[each] != second[each])
    assert moved == {("deny", "serve"): 1}
    short = case.ids["change"][:16]
    assert [dict(each.values) for each in made["change_answers"]] == [{"proposal": short, "terminals": 4, "moved": 1}]
    assert [dict(each.values) for each in made["change_moved"]] == [
        {"proposal": short, "number": 1, "before": "code:deny", "after": "code:serve"}
    ]


def test_the_rule_stands_before_and_after_line_by_line(case: Case) -> None:
    [rule] = by_rule(case.dossier(SubjectKind.CHANGE, case.ids["change"]))
    assert rule.rule == "too-fast"
    assert [sign for sign, line in rule.diff if "speed_km_h" in line] == ["-", "+"]
    assert all("above: 75" in line for sign, line in rule.diff if sign == "-")
    assert all("above: 90" in line for sign, line in rule.diff if sign == "+")


def test_it_rests_on_the_change_and_on_decisions_and_is_an_inference(case: Case) -> None:
    made = case.dossier(SubjectKind.CHANGE, case.ids["change"])
    [each] = [each for each in made.statements if each.phrase.key == "change_answers"]
    assert each.standing is Standing.INFERENCE
    assert {source.kind for source in each.sources} == {"log_entry", "receipt"}
    assert case.ids["change"] in each.about


def test_a_person_who_approved_reads_the_same_and_a_change_not_in_force_has_none(case: Case) -> None:
    approver = next(iter(case.bench().state.approvals[case.ids["change"]])).approval.person
    assert "change_answers" in said(case.dossier(SubjectKind.PERSON, approver))
    assert not {"change_answers", "change_not_met", "change_too_many"} & said(case.dossier(SubjectKind.CHANGE, case.ids["second"])).keys()


def test_too_many_rows_are_not_read_and_that_is_said(case: Case) -> None:
    [(id_, each)] = changed_answers(case.bench(), {case.ids["change"]}, max_rows=5)
    assert (id_, each.phrase.key, each.standing) == (case.ids["change"], "change_too_many", Standing.UNKNOWN)


@pytest.mark.parametrize("reader", [Reader.OWNER, Reader.PUBLIC])
def test_small_numbers_of_terminals_are_not_for_everybody(case: Case, reader: Reader) -> None:
    left, openings = redacted(case.bench(reader), case.dossier(SubjectKind.CHANGE, case.ids["change"]))
    assert not {"change_answers", "change_moved"} & said(left).keys()
    assert any("change_moved" in each.text for each in openings)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_says_it(language: str) -> None:
    text = words(language).say(Phrase("change_answers", {"proposal": "c" * 16, "terminals": 4, "moved": 1}), {})
    assert "4" in text
    assert "{" not in text
