"""The shipped rulebook: every case holds, every public reason is shown, every promise is proved."""

from __future__ import annotations

from importlib import resources

import pytest

from groundrule.instant import MAX_NS, MIN_NS
from groundrule.reasons import CATALOGUE, OPERATOR_CODES
from groundrule.records import Outcome
from groundrule.rules import attributes
from groundrule.rules.analyse import analyse
from groundrule.rules.cases import run_cases
from groundrule.rules.model import Rulebook
from groundrule.rules.text import load_rulebook

PUBLIC = {*OPERATOR_CODES.values(), "blocked_area", "aviation_flyover_limit"}


@pytest.fixture(scope="module")
def book() -> Rulebook:
    return load_rulebook("world-2026")


def _cases() -> str:
    return (resources.files("groundrule.rules") / "books" / "world-2026.cases.yaml").read_text(encoding="utf-8")


def test_every_case_holds_in_both_evaluators(book):
    results = run_cases(book, _cases(), file="world-2026.cases.yaml")
    assert len(results) > 80
    assert [str(result) for result in results if not result.passed] == []


def test_every_public_reason_is_given_by_a_deciding_rule_in_some_case(book):
    shown = {result.found.reason for result in run_cases(book, _cases())}
    assert PUBLIC - shown == set()


def test_every_rule_decides_some_case(book):
    shown = {result.found.rule for result in run_cases(book, _cases())}
    assert {rule.id for rule in book.rules} - shown == set()


def test_every_reason_is_in_the_catalogue(book):
    assert {rule.reason for rule in book.rules} - set(CATALOGUE) == set()


def test_analysis_proves_every_guarantee_and_finds_no_dead_rule(book):
    found = analyse(book)
    assert {judged.guarantee.id: judged.verdict for judged in found.guarantees} == {
        guarantee.id: "proved" for guarantee in book.guarantees
    }
    assert found.unreachable == ()
    assert found.contradictions == ()
    assert found.undecided == ()
    assert found.denying_doubts == ()
    assert [item.place for item in found.uncovered] == ["the high seas"]


def test_every_country_has_a_line_with_source_and_date_or_the_mark_illustrative(book):
    assert {right.country for right in book.landing_rights} == attributes.COUNTRIES
    bare = [r.country for r in book.landing_rights if not r.illustrative and not (r.source and r.date)]
    assert bare == []


def test_standing_rules_have_no_start_and_emergency_rules_expire_and_are_reviewed(book):
    lapse, allow_list = {"humanitarian-lapsing", "humanitarian-lapsed"}, {"ground-allow-list", "ua-not-listed"}
    dated = lapse | allow_list | {"ua-pending", "ua-over-quota", "ua-expired", "ua-revoked"}
    for rule in book.rules:
        if rule.emergency:
            assert rule.effective_until_ns < MAX_NS
            assert rule.review_by_ns is not None
            assert rule.review_by_ns < rule.effective_until_ns
        elif rule.id not in dated:
            assert rule.effective_from_ns == MIN_NS, rule.id


def test_whoever_is_denied_or_limited_is_told_why_in_english_and_ukrainian_and_how_to_appeal(book):
    for rule in book.rules:
        assert {language for language, _ in rule.message} >= {"en", "uk"}, rule.id
        assert rule.authority.basis, rule.id
        assert rule.appeal or rule.outcome == Outcome.SERVE, rule.id


def test_messages_to_owners_carry_no_numbers_of_limits(book):
    for rule in book.rules:
        for _, text in rule.message:
            assert not any(char.isdigit() for char in text), (rule.id, text)


def test_every_claim_counts_a_country_that_it_names(book):
    for claim in book.claims:
        assert set(claim.counts_as) <= set(claim.countries), claim


def test_the_text_says_that_it_is_no_legal_advice(book):
    assert book.notice is not None
    assert "not legal advice" in book.notice
    assert "(invented)" in book.operator
