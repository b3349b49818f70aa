"""Proofs are complete: planted holes are found, and on small rulebooks the solver agrees with trying everything."""

from __future__ import annotations

import itertools
import random
import sys

import pytest
from books_small import SMALL

from groundrule.errors import MissingExtra
from groundrule.instant import parse_instant
from groundrule.records import Outcome
from groundrule.rules.analyse import analyse
from groundrule.rules.cases import read_cases, run_cases
from groundrule.rules.evidence import AreaFact, Membership, Profile
from groundrule.rules.model import (
    All,
    AnyOf,
    Authority,
    Compare,
    Guarantee,
    In,
    LandingRight,
    ListIn,
    Not,
    Relation,
    Rule,
    Rulebook,
    Where,
)
from groundrule.rules.situation import Situation, decide_situation
from groundrule.rules.text import load_rulebook, read_rulebook


def _book(old: str = "", new: str = "", *, text: str = SMALL) -> Rulebook:
    assert old in text
    return read_rulebook(text.replace(old, new, 1))


def _verdicts(found):
    return {judged.guarantee.id: judged.verdict for judged in found.guarantees}


def test_a_sound_rulebook_is_proved():
    found = analyse(_book())
    assert _verdicts(found) == {"protected-never-denied": "proved"}
    assert found.unreachable == ()
    assert found.undecided == ()
    assert "proved: protected-never-denied" in found.as_text()


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        # The protected tier comes too late.
        ("[sanctions, protected, rules]", "[sanctions, rules, protected]", None),
        # One class is forgotten.
        ("who: {class: any}\n    outcome: serve", "who: {class: [hospital, emergency]}\n    outcome: serve", None),
        # The protection ends one day, so a protected terminal falls through afterwards.
        ("reason: protected_service\n", "reason: protected_service\n    effective: {expires: 2030-01-01}\n", None),
        # A rule with another reason slips into the first tier.
        ("tier: rules\n    where: tag:no-service", "tier: sanctions\n    where: tag:no-service", "zone"),
        # The protection stops at an altitude.
        (
            "who: {class: any}\n    outcome: serve",
            "who: {class: any, altitude_m: {below: 9000}}\n    outcome: serve",
            None,
        ),
    ],
)
def test_a_planted_hole_is_refuted_with_a_counterexample_that_both_evaluators_confirm(old, new, rule):
    book = _book(old, new)
    found = analyse(book)
    judged = found.guarantees[0]
    assert judged.verdict == "refuted"
    assert rule is None or judged.rule_id == rule
    # The counterexample is a cases file: it reads back and holds, and it is what the guarantee forbids.
    results = run_cases(book, found.cases())
    assert results
    assert all(result.passed for result in results)
    broken = results[0]
    assert broken.found.outcome == Outcome.DENY
    assert broken.found.reason != "sanctions"
    assert broken.case.situation.profile.protected_class not in (None, "none")


def test_the_counterexample_is_as_ordinary_as_it_can_be():
    found = analyse(_book("[sanctions, protected, rules]", "[sanctions, rules, protected]"))
    situation = found.guarantees[0].case.situation
    assert situation.facts is not None
    assert situation.profile is not None
    assert situation.profile.screening == "clear"
    assert situation.profile.programmes == ()


def test_a_planted_hole_in_the_shipped_rulebook_is_found():
    text = load_rulebook("world-2026").text
    holed = text.replace(
        "  unless: [{list: humanitarian}]          # the rule", "  unless: [{programme: press}]  # the rule", 1
    )
    assert holed != text
    found = analyse(read_rulebook(holed))
    refuted = {judged.guarantee.id: judged for judged in found.guarantees if judged.verdict == "refuted"}
    assert set(refuted) == {"no-licence-no-service"}
    assert "press" in refuted["no-licence-no-service"].case.situation.profile.programmes


RULE = """\
  - id: {id}
    title: Another rule
    tier: {tier}
    {where}
    outcome: {outcome}
    reason: blocked_area
    authority: {{basis: "an example (invented)"}}
guarantees:
"""


def _with_rule(**parts: str) -> Rulebook:
    return _book(
        "guarantees:\n", RULE.format(**{"where": "where: tag:no-service", "tier": "rules", "id": "zz"} | parts)
    )


def test_a_shadowed_rule_is_found_with_the_rule_that_shadows_it():
    found = analyse(_with_rule(outcome="deny"))
    assert [(item.rule_id, item.applies, item.shadowed_by) for item in found.unreachable] == [("zz", True, ("zone",))]


def test_a_rule_with_contradicting_conditions_is_found():
    where = "what: {all: [{altitude_m: {above: 500}}, {altitude_m: {below: 400}}]}\n    unknown: {altitude: serve}"
    found = analyse(_with_rule(outcome="deny", where=where))
    assert [(item.rule_id, item.applies) for item in found.unreachable] == [("zz", False)]
    assert "never applies" in found.unreachable[0].sentence


def test_a_rule_shadowed_only_by_several_rules_together_is_found():
    book = _with_rule(
        id="zz", outcome="review", where="where: {all: [tag:no-service, country:UA]}\n    who: {class: any}"
    )
    assert [item.rule_id for item in analyse(book).unreachable] == ["zz"]


def test_a_rule_that_serves_what_another_of_its_tier_denies_is_a_contradiction():
    book = _with_rule(id="zz", outcome="serve", where="where: country:UA")
    found = analyse(book)
    assert {(item.serving, item.denying) for item in found.contradictions} == {
        ("zz", "ua-speed"),
        ("zz", "zone"),
    }  # and not `blocked`: where UA and RU are found together, UA alone counts
    for item in found.contradictions:
        assert decide_situation(book, item.case.situation).outcome == Outcome.DENY


def test_places_left_to_the_default_and_countries_without_a_line_are_listed():
    found = analyse(_book())
    assert "the high seas" in [item.place for item in found.uncovered]
    assert "DE" in found.silent_countries
    assert "UA" not in found.silent_countries


def test_a_rule_that_denies_on_a_doubt_is_named():
    assert analyse(_book("edge: review", "edge: deny")).denying_doubts == ("ua-speed",)


def test_what_exceeds_the_bound_is_not_decided_and_never_proved():
    found = analyse(load_rulebook("world-2026"), work=1)
    assert "proved" not in {judged.verdict for judged in found.guarantees}
    assert found.undecided
    assert not found.sound


def test_the_same_rulebook_gives_the_same_findings():
    book = _book("[sanctions, protected, rules]", "[sanctions, rules, protected]")
    assert analyse(book).as_text() == analyse(book).as_text()


def test_without_the_solver_the_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "z3", None)
    with pytest.raises(MissingExtra, match=r"rules analyse needs an optional package.*groundrule\[analyse\]"):
        analyse(_book())


# --- against exhaustion -------------------------------------------------------------------------------------------

START = parse_instant("2026-01-01T00:00Z")


def _everything() -> list[Situation]:
    """All evidence that the random rulebooks below can tell apart."""
    countries = [
        (), *(
            (AreaFact(f"country:{code}", "country", code, (), membership),)
            for code in ("UA", "RU")
            for membership in (Membership.INSIDE, Membership.EDGE)
        ),
        (AreaFact("country:RU", "country", "RU", (), Membership.INSIDE),
         AreaFact("country:UA", "country", "UA", (), Membership.INSIDE)),
    ]  # fmt: skip
    profiles: list[Profile | None] = [None] + [
        Profile(plan=plan, account_country=home, protected_class=held, lists=lists)
        for plan in ("a", "b", None)
        for home in ("UA", "PL", None)
        for held in ("none", "hospital", None)
        for lists in ((), (("l", "active"),))
    ]
    heights = (None, 50.0, 150.0, (50.0, 150.0))
    places = [*countries, None]
    return [
        Situation(moment, place, profile, {"alt_m": height, "position_age_s": age})
        for moment in (START - 1, START)
        for place, age in [*((place, 1.0) for place in places), (countries[1], 9999.0)]
        for profile in profiles
        for height in heights
    ]


def _random_book(source: random.Random) -> Rulebook:
    def leaf():
        return source.choice([
            Where("country:UA"), Where("landing:blocked"), Where("high_seas"), In("plan", frozenset({"a"})),
            In("class", frozenset({"any"})), ListIn("l"), Compare("alt_m", "above", 100.0),
            Relation("home_country", True),
        ])  # fmt: skip

    def condition(depth: int):
        kind = source.random()
        if depth == 0 or kind < 0.4:
            return leaf()
        parts = tuple(condition(depth - 1) for _ in range(2))
        return All(parts) if kind < 0.6 else AnyOf(parts) if kind < 0.8 else Not(parts[0])

    doubts = (Outcome.SERVE, Outcome.REVIEW, Outcome.DENY)
    rules = tuple(
        Rule(
            f"r{index}", "t", source.choice(("one", "two")), source.choice(tuple(Outcome)),
            source.choice(("sanctions", "in_ocean")),
            what=condition(2), unless=tuple(leaf() for _ in range(source.randrange(2))),
            edge=source.choice(doubts), stale=source.choice(doubts), unknown=(("*", source.choice(doubts)),),
            authority=Authority("b"), **({"effective_from_ns": START} if source.random() < 0.3 else {}),
        )
        for index in range(5)
    )  # fmt: skip
    return Rulebook(
        "random", 1, "t", "o", ("one", "two"), rules, Outcome.SERVE, "served",
        landing_rights=(LandingRight("RU", "blocked"), LandingRight("UA", "licensed")),
        guarantees=tuple(
            Guarantee(f"g{outcome.word}", "t", In("class", frozenset({"any"})), outcome, frozenset({"sanctions"}))
            for outcome in Outcome
        ),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_the_solver_agrees_with_trying_everything(seed):
    book = _random_book(random.Random(seed))
    situations = _everything()
    decided = [(situation, decide_situation(book, situation)) for situation in situations]
    deciding = {found.rule for _, found in decided}
    found = analyse(book)
    assert found.undecided == ()
    # The solver calls exactly those rules unreachable that never decide.
    unreachable = {item.rule_id for item in found.unreachable}
    assert unreachable.isdisjoint(deciding)
    assert {rule.id for rule in book.rules} - deciding <= unreachable
    for judged in found.guarantees:
        broken = any(
            f.outcome == judged.guarantee.never
            and f.reason not in judged.guarantee.except_reasons
            and s.profile is not None
            and s.profile.protected_class not in (None, "none")
            for s, f in decided
        )
        assert judged.verdict == ("refuted" if broken else "proved"), judged.guarantee.id


def test_counterexamples_read_back_from_their_file():
    book = _book("[sanctions, protected, rules]", "[sanctions, rules, protected]")
    found = analyse(book)
    cases = read_cases(book, found.cases())
    assert list(itertools.chain.from_iterable(r.problems for r in run_cases(book, found.cases()))) == []
    assert cases[0].name == "breaks protected-never-denied"


def test_a_lapse_in_time_is_found_with_its_first_moment():
    text = load_rulebook("world-2026").text
    start, end = text.index("- id: humanitarian-lapsing"), text.index("- id: india-foreign-terminal")
    found = analyse(read_rulebook(text[:start] + text[end:]))
    refuted = {judged.guarantee.id: judged for judged in found.guarantees if judged.verdict == "refuted"}
    assert set(refuted) == {"no-licence-no-service"}
    situation = refuted["no-licence-no-service"].case.situation
    assert situation.now_ns == parse_instant("2027-01-01T00:00Z")
    assert situation.profile.lists == (("humanitarian", "active"),)
