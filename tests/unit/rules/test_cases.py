"""Cases files: read with line numbers, decided by both evaluators, written back."""

from __future__ import annotations

import pytest
from books_small import SMALL

from groundrule.rules.cases import read_cases, run_cases, write_cases
from groundrule.rules.evidence import Membership, Truth
from groundrule.rules.nodes import RulebookErrors
from groundrule.rules.text import read_rulebook

CASES = """\
cases_for: small
defaults:
  at: 2026-03-01T12:00Z
  where: land:PL
  terminal: {plan: roam, account: active, class: none}
  facts: {sustained_speed_km_h: 0}
cases:
  - name: slow over Ukraine
    where: land:UA
    facts: {sustained_speed_km_h: 70}
    expect: {outcome: serve, rule: default}
  - name: fast over Ukraine
    where: land:UA
    facts: {sustained_speed_km_h: 80}
    expect: {outcome: deny, rule: ua-speed, reason: moving_too_fast_for_policy, state: normal}
  - name: fast on the border
    where: land:UA edge
    facts: {sustained_speed_km_h: 80}
    expect: {outcome: review, rule: ua-speed}
"""


@pytest.fixture
def book():
    return read_rulebook(SMALL)


def test_cases_that_hold_pass(book):
    assert [str(r) for r in run_cases(book, CASES) if not r.passed] == []


def test_a_wrong_expectation_fails_with_its_line_and_both_values(book):
    results = run_cases(book, CASES.replace("expect: {outcome: serve, rule: default}", "expect: {outcome: deny}"))
    failed = [result for result in results if not result.passed]
    assert len(failed) == 1
    assert failed[0].case.line == 8
    assert failed[0].problems == ("expected outcome deny, found serve",)
    assert "FAIL  line 8: slow over Ukraine" in str(failed[0])


def test_defaults_are_laid_under_every_case(book):
    case = read_cases(book, CASES)[1]
    assert case.situation.profile.account_state == "active"
    assert case.situation.interval("speed_m_s") == pytest.approx((80 / 3.6, 80 / 3.6))
    assert set(case.situation.latches.values()) == {Truth.TRUE}
    assert {fact.id for fact in case.situation.facts} == {"country:UA", "land:UA"}
    assert read_cases(book, CASES)[2].situation.facts[0].membership == Membership.EDGE


def test_an_unknown_place_or_terminal_is_not_an_empty_one(book):
    nothing = "  - name: nothing known\n    where: unknown\n    terminal: unregistered\n    expect: {rule: default}\n"
    text = CASES + nothing
    situation = read_cases(book, text)[-1].situation
    assert situation.facts is None
    assert situation.profile is None


def test_a_limit_can_be_set_alone(book):
    text = CASES + (
        "  - name: not yet for long\n    where: land:UA\n    facts: {speed_km_h: 90}\n"
        "    limits: [{above_km_h: 75, held: unknown}]\n    expect: {outcome: serve}\n"
    )
    assert list(read_cases(book, text)[-1].situation.latches.values()) == [Truth.UNKNOWN]
    assert run_cases(book, text)[-1].passed


@pytest.mark.parametrize(
    ("old", "new", "message", "line"),
    [
        ("cases_for: small", "cases_for: large", "not for the rulebook", 1),
        ("outcome: serve", "outcome: served", "not a known outcome", 11),
        ("rule: default", "rule: nothing", "not a known rule", 11),
        ("where: land:UA edge", "where: land:UKR", "not an ISO country code", 17),
        ("at: 2026-03-01T12:00Z", "at: 2026-03-01T12:00", "no zone", 3),
        ("{sustained_speed_km_h: 70}", "{speed: 70}", "unknown key `speed`", 10),
        ("name: fast on the border", "name: fast over Ukraine", "two cases are called", 16),
        ("account: active", "account: alive", "not a known account", 5),
    ],
)
def test_a_mistake_is_reported_at_its_line(book, old, new, message, line):
    assert old in CASES
    with pytest.raises(RulebookErrors) as caught:
        read_cases(book, CASES.replace(old, new, 1), file="small.cases.yaml")
    found = caught.value.errors[0]
    assert message in str(found)
    assert found.line == line


def test_all_mistakes_are_reported_at_once(book):
    with pytest.raises(RulebookErrors) as caught:
        read_cases(book, CASES.replace("outcome: serve", "outcome: x").replace("outcome: review", "outcome: y"))
    assert len(caught.value.errors) == 2


def test_written_cases_read_back_as_the_same_situations(book):
    cases = read_cases(book, CASES)
    again = read_cases(book, write_cases(book, cases))
    assert [(c.name, c.expect) for c in again] == [(c.name, c.expect) for c in cases]
    for one, other in zip(cases, again, strict=True):
        assert one.situation.facts == other.situation.facts
        assert one.situation.profile == other.situation.profile
        assert one.situation.latches == other.situation.latches
        assert one.situation.interval("speed_m_s") == other.situation.interval("speed_m_s")


def test_a_file_without_cases_gives_no_results(book):
    assert run_cases(book, "cases_for: small\ncases: []\n") == []
