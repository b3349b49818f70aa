"""What rules decide: places, claims, relations, doubts, precedence, time and obligations, by example."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from groundrule.errors import InputError, MalformedRule
from groundrule.instant import MAX_NS, parse_instant
from groundrule.records import Outcome, ServiceState
from groundrule.rules.compile import compile_rulebook
from groundrule.rules.evidence import AreaFact, Coded, EvidenceBatch, Interval, Membership, Profile, Truth
from groundrule.rules.model import All, AnyOf, In, ListIn, Rule, Rulebook
from groundrule.rules.normal import MAX_TERMS, terms_of
from groundrule.rules.reference import decide_one, row_of
from groundrule.rules.text import read_rulebook

INSIDE, EDGE = Membership.INSIDE, Membership.EDGE
NOW = parse_instant("2026-03-01T12:00Z")

HEAD = """\
rulebook: example
version: 1
title: Example
operator: Example Orbit (invented)
default: {outcome: serve, reason: served}
precedence: [first, second]
assumptions: {max_position_age_s: 900, decision_valid_s: 60}
claims:
  - {countries: [RU, UA], relation: dispute, counts_as: [UA]}
landing_rights:
  UA: {status: licensed, illustrative: true}
  RU: {status: blocked, illustrative: true}
counters:
  abroad: {while: {home_country: outside}}
  coastal: {while: {where: "sea:*"}}
rules:
"""


def book(*rules: str) -> Rulebook:
    text = HEAD
    for number, rule in enumerate(rules):
        lines = [line.strip() for line in rule.split(";")]
        keys = {line.split(":")[0] for line in lines}
        for key, value in (("id", f"r{number}"), ("title", "t"), ("tier", "first"), ("outcome", "deny"),
                           ("reason", "blocked_area"), ("authority", "{basis: example}")):  # fmt: skip
            if key not in keys:
                lines.append(f"{key}: {value}")
        text += "  - " + "\n    ".join(lines) + "\n"
    return read_rulebook(text)


def country(code: str, membership: Membership = INSIDE, *, land: Membership | None = None, **more: Any) -> Any:
    facts = (AreaFact(f"country:{code}", "country", code, (), membership, **more),)
    return facts if land is None else (*facts, AreaFact(f"land:{code}", "land", code, (), land))


def decide(rules: Rulebook, where: Any = (), who: Any = None, now: int = NOW, **more: Any) -> Any:
    """Decide one row, and check it against the plain evaluator on the way."""
    compiled = compile_rulebook(rules)
    numbers = {
        name: Interval(np.array([low]), np.array([high])) for name, (low, high) in more.get("numbers", {}).items()
    }
    categories = {name: Coded(np.zeros(1, np.int32), [value]) for name, value in more.get("categories", {}).items()}
    zero = np.zeros(1, np.int32)
    latches = more.get("latches")
    batch = EvidenceBatch(
        np.array([now]), Coded(zero, [where]), Coded(zero, [who]), numbers, categories,
        None if latches is None else np.array([latches], np.uint8),
    )  # fmt: skip
    decided = compiled.decide(batch)
    found = decided.classes[decided.klass[0]]
    assert found == decide_one(rules, row_of(batch, 0, compiled.latches))
    assert decided.outcome[0] == found.outcome
    return found


UA_LAND = country("UA", land=INSIDE)
UA_SEA = country("UA")
CRIMEA = (*country("UA", land=INSIDE), *country("RU"))
BORDER = (*country("RU", land=INSIDE), *country("UA", EDGE))


@pytest.mark.parametrize(
    ("selector", "where", "expected"),
    [
        ("country:UA", UA_SEA, Outcome.DENY),
        ("country:UA", (), Outcome.SERVE),
        ("country:UA", None, Outcome.REVIEW),
        ("land:UA", UA_LAND, Outcome.DENY),
        ("land:UA", UA_SEA, Outcome.SERVE),
        ("sea:UA", UA_SEA, Outcome.DENY),
        ("sea:UA", UA_LAND, Outcome.SERVE),
        ("sea:UA", country("UA", land=EDGE), Outcome.REVIEW),
        ("sea:*", country("PL"), Outcome.DENY),
        ("high_seas", (), Outcome.DENY),
        ("high_seas", UA_SEA, Outcome.SERVE),
        ("high_seas", (AreaFact("land", "land", None, (), INSIDE),), Outcome.SERVE),
        ("no_country", (AreaFact("land", "land", None, (), INSIDE),), Outcome.DENY),
        ("anywhere", None, Outcome.DENY),
        ("area:zone-1", (AreaFact("zone-1", "zone", None, (), EDGE),), Outcome.REVIEW),
        ("kind:zone", (AreaFact("zone-1", "zone", None, (), INSIDE),), Outcome.DENY),
        ("tag:front", (AreaFact("z", "zone", None, ("front",), INSIDE),), Outcome.DENY),
        ("service:never_served", (AreaFact("z", "zone", None, (), INSIDE, "never_served"),), Outcome.DENY),
        ("landing:licensed", UA_SEA, Outcome.DENY),
        ("landing:not_offered", country("PL"), Outcome.DENY),
        ("landing:not_offered", (), Outcome.SERVE),
        ("{any: [area:zone-1], buffer_m: 1900}", (AreaFact("zone-1+1900m", "buffer", None, (), INSIDE),), Outcome.DENY),
        ("{any: [area:zone-1], buffer_m: 1900}", (AreaFact("zone-1+500m", "buffer", None, (), INSIDE),), Outcome.SERVE),
        (
            "{any: [country:UA], buffer_m: 1900}",
            (AreaFact("country:UA+1900m", "buffer", "UA", (), EDGE),),
            Outcome.REVIEW,
        ),
        (
            "{any: [kind:zone], buffer_m: 50}",
            (AreaFact("z+50m", "buffer", None, ("kind:zone",), INSIDE),),
            Outcome.DENY,
        ),
        ("{any: [country:UA], not: [sea:UA]}", UA_SEA, Outcome.SERVE),
        # Claims: both inside gives the claimed country alone; an edge leaves both open.
        ("country:RU", CRIMEA, Outcome.SERVE),
        ("country:UA", CRIMEA, Outcome.DENY),
        ("land:UA", CRIMEA, Outcome.DENY),
        ("landing:blocked", CRIMEA, Outcome.SERVE),
        ("landing:blocked", country("RU"), Outcome.DENY),
        ("country:RU", BORDER, Outcome.REVIEW),
        ("country:UA", BORDER, Outcome.REVIEW),
    ],
)
def test_selectors(selector: str, where: Any, expected: Outcome) -> None:
    assert decide(book(f"where: {selector}"), where).outcome == expected


@pytest.mark.parametrize(
    ("who", "where", "expected"),
    [
        (Profile(account_country="UA"), UA_SEA, Outcome.SERVE),
        (Profile(account_country="PL"), UA_SEA, Outcome.DENY),
        (Profile(account_country="PL"), (), Outcome.DENY),
        (Profile(account_country="RU"), CRIMEA, Outcome.DENY),
        (Profile(account_country="RU"), country("RU", EDGE), Outcome.REVIEW),
        (Profile(), UA_SEA, Outcome.REVIEW),
        (None, UA_SEA, Outcome.REVIEW),
        (Profile(account_country="PL"), None, Outcome.REVIEW),
    ],
)
def test_outside_the_home_country(who: Any, where: Any, expected: Outcome) -> None:
    assert decide(book("what: {home_country: outside}"), where, who).outcome == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(74, 75, "serve"), (75, 75, "serve"), (75.1, 75.1, "deny"), (70, 80, "review"), (np.nan, np.nan, "review"),
     (76, np.nan, "deny"), (np.nan, 75, "serve"), (80, 70, "review")],
)  # fmt: skip
def test_numbers_are_intervals(low: float, high: float, expected: str) -> None:
    rules = book("what: {altitude_m: {above: 75}}")
    assert decide(rules, numbers={"alt_m": (low, high)}).outcome.word == expected


def test_the_doubt_of_a_rule_decides_what_the_doubt_means() -> None:
    speed = "what: {speed_km_h: {above: 75}}; where: country:UA; edge: restrict; unknown: {speed: serve}; stale: deny"
    rules = book(speed)
    fast = {"speed_m_s": (30.0, 30.0)}
    assert decide(rules, UA_SEA).outcome == Outcome.SERVE, "no speed, no guess"
    edge = decide(rules, country("UA", EDGE), numbers=fast)
    assert (edge.outcome, edge.rule_id) == (Outcome.RESTRICT, "r0")
    assert edge.reasons == (("blocked_area", "r0", "decisive"), ("edge_of_area", "r0", "contributing"))
    stale = decide(rules, UA_SEA, numbers={**fast, "position_age_s": (901.0, 901.0)})
    assert (stale.outcome, stale.reasons[1][0]) == (Outcome.DENY, "stale_evidence")
    assert decide(rules, UA_SEA, numbers={**fast, "position_age_s": (900.0, 900.0)}).reasons[1:] == ()


def test_of_several_doubts_together_the_most_lenient_counts() -> None:
    rules = book("where: country:UA; who: {plan: roam}; edge: restrict; unknown: {plan: deny}")
    found = decide(rules, country("UA", EDGE), Profile())
    assert found.outcome == Outcome.RESTRICT
    assert [code for code, *_ in found.reasons] == ["blocked_area", "edge_of_area", "attribute_unknown"]


def test_of_alternative_doubts_the_strictest_counts_and_alone_is_named() -> None:
    rules = book("what: {any: [{where: country:UA}, {plan: roam}]}; edge: restrict; unknown: {plan: deny}")
    found = decide(rules, country("UA", EDGE), Profile())
    assert found.outcome == Outcome.DENY
    assert [code for code, *_ in found.reasons] == ["blocked_area", "attribute_unknown"]


def test_an_exception_that_is_unknown_does_not_lift_a_rule() -> None:
    rules = book("where: country:UA; unless: [{class: any}, {list: waiver}]")
    assert decide(rules, UA_SEA, Profile(protected_class="hospital")).outcome == Outcome.SERVE
    assert decide(rules, UA_SEA, Profile(lists=(("waiver", "active"),))).outcome == Outcome.SERVE
    assert decide(rules, UA_SEA, Profile(lists=(("waiver", "revoked"),))).outcome == Outcome.DENY
    assert decide(rules, UA_SEA, Profile(protected_class=None)).outcome == Outcome.REVIEW
    assert decide(rules, UA_SEA, None).outcome == Outcome.REVIEW


def test_an_unregistered_terminal_is_known_to_be_unregistered() -> None:
    rules = book("who: {registration: none}")
    assert decide(rules, (), None).outcome == Outcome.DENY
    assert decide(rules, (), Profile(registration="registered")).outcome == Outcome.SERVE


def test_the_first_tier_decides_then_the_stricter_outcome_then_the_lower_id() -> None:
    rules = book(
        "id: z-serve; outcome: serve; who: {class: any}; reason: protected_service",
        "id: b-review; outcome: review; tier: second",
        "id: a-review; outcome: review; tier: second",
        "id: x-deny; outcome: deny; tier: second; where: country:UA; edge: review",
    )
    protected = decide(rules, UA_SEA, Profile(protected_class="hospital"))
    assert (protected.rule_id, protected.outcome) == ("z-serve", Outcome.SERVE)
    assert [rule for _, rule, _ in protected.reasons] == ["z-serve", "x-deny", "a-review", "b-review"]
    assert decide(rules, UA_SEA, Profile()).rule_id == "x-deny"
    assert decide(rules, (), Profile()).rule_id == "a-review"
    assert decide(rules, country("UA", EDGE), Profile()).rule_id == "a-review", "equal outcome: the lower id"


def test_states_and_obligations_follow_the_deciding_rule() -> None:
    rules = book(
        "where: country:UA; state: never_served; obligations: {a: 1}; retry: {wait_s: 60, move_m: 5}; edge: restrict",
    )
    settled = decide(rules, UA_SEA)
    assert settled.state == ServiceState.NEVER_SERVED
    assert settled.obligations == ("a=1", "retry_move_m=5", "retry_wait_s=60")
    doubtful = decide(rules, country("UA", EDGE))
    assert (doubtful.state, doubtful.obligations) == (ServiceState.NORMAL, ("a=1",))


def test_intervals_are_half_open_and_bound_the_validity() -> None:
    rules = book("effective: {from: 2026-02-01, until: 2026-08-01}")
    start, end = parse_instant("2026-02-01"), parse_instant("2026-08-01")
    compiled = compile_rulebook(rules)
    times = np.array([start - 1, start, end - 1, end, MAX_NS - 5])
    zeros = np.zeros(len(times), np.int32)
    decided = compiled.decide(EvidenceBatch(times, Coded(zeros, [()]), Coded(zeros, [None])))
    assert decided.outcome.tolist() == [0, 3, 3, 0, 0]
    assert decided.valid_until.tolist() == [start, start + 60 * 10**9, end, end + 60 * 10**9, MAX_NS]


def test_latches_come_from_the_state_of_the_terminal() -> None:
    rules = book(
        "what: {speed_km_h: {above: 75, release_below: 70, for_s: 30}}; where: country:UA; unknown: {speed: serve}"
    )
    assert len(compile_rulebook(rules).latches) == 1
    for truth, outcome in ((Truth.TRUE, "deny"), (Truth.FALSE, "serve"), (Truth.UNKNOWN, "serve"), (9, "serve")):
        assert decide(rules, UA_SEA, latches=[truth]).outcome.word == outcome


def test_signals_are_sets() -> None:
    rules = book("what: {signals: [cloned_identity, convoy], verdict: inconsistent}")
    seen = {"signals": frozenset({"convoy", "other"}), "verdict": "inconsistent"}
    assert decide(rules, categories=seen).outcome == Outcome.DENY
    assert decide(rules, categories={**seen, "signals": frozenset()}).outcome == Outcome.SERVE
    assert decide(rules, categories={"verdict": "inconsistent"}).outcome == Outcome.REVIEW


def test_a_rule_that_cannot_be_evaluated_is_reviewed_with_its_own_reason() -> None:
    rules = book("who: {plan: roam}; outcome: restrict", "where: country:UA; tier: second")
    broken = Profile(plan=["roam"])  # type: ignore[arg-type] # what a faulty register might hand over
    found = decide(rules, UA_SEA, broken)
    assert (found.outcome, found.rule_id) == (Outcome.REVIEW, "r0")
    assert ("rule_error", "r0", "contributing") in found.reasons
    assert decide(rules, ("not a fact",), Profile(plan="home")).rule_id == "r1"


def test_what_the_pipeline_must_provide_is_listed() -> None:
    rules = book(
        "where: {any: [area:zone-1, country:UA], buffer_m: 1900}; what: {altitude_m: {above: 9}, verdict: consistent}",
        "what: {speed_km_h: {above: 75, for_s: 9}, stay: {abroad: {elapsed_days: {above: 60}}}}",
    )
    compiled = compile_rulebook(rules)
    assert compiled.buffers == (("area:zone-1", 1900.0), ("country:UA", 1900.0))
    assert compiled.numbers == ("alt_m", "stay.abroad.elapsed_days")
    assert compiled.categories == ("verdict",)
    assert [latch.for_s for latch in compiled.latches] == [9.0]


def test_counters_run_where_their_condition_holds() -> None:
    compiled = compile_rulebook(book("what: {stay: {abroad: {elapsed_days: {above: 60}}}}"))
    abroad, coastal = compiled.counters
    assert compiled.counter_truth(abroad, UA_SEA, Profile(account_country="PL")) == Truth.TRUE
    assert compiled.counter_truth(abroad, UA_SEA, Profile(account_country="UA")) == Truth.FALSE
    assert compiled.counter_truth(abroad, UA_SEA, None) == Truth.UNKNOWN
    assert compiled.counter_truth(abroad, None, Profile(account_country="UA")) == Truth.UNKNOWN
    assert compiled.counter_truth(coastal, UA_SEA, None) == Truth.TRUE
    assert compiled.counter_truth(coastal, country("UA", land=EDGE), None) == Truth.UNKNOWN


def test_a_rule_with_too_many_alternatives_is_refused_by_name() -> None:
    many = tuple(
        AnyOf((In("plan", frozenset({f"p{i}"})), ListIn(f"l{i}"), In("class", frozenset({f"c{i}"})))) for i in range(9)
    )
    assert terms_of(Rule("never", "w", "first", Outcome.DENY, "served", who=AnyOf(()))) == [], (
        "an empty any never holds"
    )
    rule = Rule("too-wide", "w", "first", Outcome.DENY, "served", who=All(many))
    with pytest.raises(MalformedRule, match=f"`too-wide` combines alternatives in more than {MAX_TERMS}"):
        terms_of(rule)


def test_columns_that_do_not_fit_are_refused() -> None:
    compiled = compile_rulebook(book("where: country:UA"))
    two, one = np.zeros(2, np.int32), np.zeros(1, np.int32)
    good = EvidenceBatch(np.zeros(2, np.int64), Coded(two, [()]), Coded(two, [None]))
    assert compiled.decide(good).outcome.tolist() == [0, 0]
    for bad in (
        EvidenceBatch(np.zeros(2, np.int64), Coded(one, [()]), Coded(two, [None])),
        EvidenceBatch(np.zeros(2, np.int64), Coded(two + 1, [()]), Coded(two, [None])),
        EvidenceBatch(np.zeros(2, np.int64), Coded(two - 1, [()]), Coded(two, [None])),
        EvidenceBatch(np.zeros(2, np.int64), Coded(two, [()]), Coded(two, [None]), latches=np.zeros((2, 3), np.uint8)),
    ):
        with pytest.raises(InputError):
            compiled.decide(bad)


def test_an_empty_batch_and_an_empty_rulebook_decide() -> None:
    empty = np.zeros(0, np.int32)
    none = EvidenceBatch(np.zeros(0, np.int64), Coded(empty, []), Coded(empty, []))
    assert len(compile_rulebook(book("where: country:UA")).decide(none).outcome) == 0
    rules = read_rulebook(HEAD + "  none\n")
    assert decide(rules).reasons == (("served", "default", "decisive"),)
