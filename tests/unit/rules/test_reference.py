"""The plain evaluator by hand: the oracle must be right where a person can check it."""

from __future__ import annotations

from groundrule.records import Outcome
from groundrule.rules.evidence import AreaFact, Membership, Profile
from groundrule.rules.model import All, AnyOf, In, Not, Rule, Rulebook, Where
from groundrule.rules.reference import Row, decide_one, valid_until

INSIDE, EDGE = Membership.INSIDE, Membership.EDGE


def book(*rules: Rule) -> Rulebook:
    return Rulebook("b", 1, "b", "o", ("t",), rules, Outcome.SERVE, "served")


def rule(**more: object) -> Rule:
    return Rule("r", "r", "t", Outcome.DENY, "blocked_area", **more)  # type: ignore[arg-type] # fields by name


def at(membership: Membership | None, plan: str | None = "roam") -> Row:
    facts = () if membership is None else (AreaFact("country:UA", "country", "UA", (), membership),)
    return Row(0, facts, Profile(plan=plan))


def outcome(of: Rule, row: Row) -> str:
    return decide_one(book(of), row).outcome.word


def test_kleene_by_hand() -> None:
    here, roam = Where("country:UA"), In("plan", frozenset({"roam"}))
    assert outcome(rule(where=here), at(INSIDE)) == "deny"
    assert outcome(rule(where=here), at(EDGE)) == "review"
    assert outcome(rule(where=Not(here)), at(EDGE)) == "review"
    assert outcome(rule(where=Not(here)), at(None)) == "deny"
    assert outcome(rule(what=All((here, roam))), at(EDGE, "home")) == "serve", "false and unknown is false"
    assert outcome(rule(what=AnyOf((here, roam))), at(EDGE)) == "deny", "true or unknown is true"
    assert outcome(rule(what=Not(AnyOf((here, roam)))), at(EDGE, "home")) == "review"
    assert outcome(rule(what=AnyOf(())), at(INSIDE)) == "serve"


def test_a_rule_holds_from_its_first_instant_to_before_its_last() -> None:
    limited = rule(effective_from_ns=10, effective_until_ns=20)
    words = [decide_one(book(limited), Row(now, (), None)).outcome.word for now in (9, 10, 19, 20)]
    assert words == ["serve", "deny", "deny", "serve"]
    assert valid_until(book(limited), 15) == 20
