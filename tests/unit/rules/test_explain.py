"""Why, and why not, in two views."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources

import pytest
from books_small import SMALL

from groundrule.instant import parse_instant
from groundrule.records import Outcome
from groundrule.rules.cases import read_cases
from groundrule.rules.compile import compile_rulebook
from groundrule.rules.evidence import AreaFact, Membership, Profile, Truth
from groundrule.rules.explain import Explainer, explain
from groundrule.rules.model import Latch
from groundrule.rules.reference import decide_one, row_of
from groundrule.rules.situation import Situation, batch_of, decide_situation
from groundrule.rules.text import load_rulebook, read_rulebook

NOW = parse_instant("2026-03-01T12:00Z")
UKRAINE = (
    AreaFact("country:UA", "country", "UA", (), Membership.INSIDE),
    AreaFact("land:UA", "land", "UA", (), Membership.INSIDE),
)
PROFILE = Profile(plan="roam", account_state="active", screening="clear", registration="registered")


@pytest.fixture(scope="module")
def book():
    return read_rulebook(SMALL)


@pytest.fixture(scope="module")
def limit(book):
    return next(rule.what for rule in book.rules if isinstance(rule.what, Latch))


def _at(limit, speed_km_h, held, **changes):
    situation = Situation(
        NOW, UKRAINE, PROFILE, {"speed_m_s": speed_km_h / 3.6, "alt_m": 100.0, "position_age_s": 1.0}, {},
        {limit: Truth.TRUE if held else Truth.FALSE},
    )  # fmt: skip
    return replace(situation, **changes)


def test_a_served_terminal_names_the_nearest_denial_with_its_numbers(book, limit):
    found = Explainer(book).explain(_at(limit, 68, False), distances={"tag:no-service": 2100.0})
    assert found.outcome == Outcome.SERVE
    assert [miss.rule_id for miss in found.nearest] == ["ua-speed", "zone", "blocked"]
    assert found.nearest[0].sentence() == "speed 68 of 75 km/h"
    assert found.nearest[1].sentence() == "2.1 km outside tag:no-service"
    assert found.nearest[0].margin == pytest.approx(7 / 75)


def test_the_nearer_zone_comes_before_the_farther_speed(book, limit):
    near = {"tag:no-service": 50.0}
    found = Explainer(book).explain(_at(limit, 30, False), distances=near.get)
    assert [miss.rule_id for miss in found.nearest][:2] == ["zone", "ua-speed"]
    assert "50 m outside tag:no-service" in found.as_text()


def test_a_limit_passed_but_not_held_says_so(book, limit):
    found = Explainer(book).explain(_at(limit, 90, False))
    assert found.nearest[0].sentence() == "speed 90 km/h is above 75 km/h, but not yet for 30 s"


def test_an_exception_that_holds_is_what_keeps_the_rule_away(book, limit):
    found = Explainer(book).explain(_at(limit, 90, True, profile=replace(PROFILE, programmes=("rail",))))
    assert found.nearest[0].rule_id == "ua-speed"
    assert found.nearest[0].sentence() == "with programme rail"


def test_a_rule_that_applied_but_was_overridden_is_the_nearest_of_all(book, limit):
    found = Explainer(book).explain(_at(limit, 90, True, profile=replace(PROFILE, protected_class="hospital")))
    assert (found.outcome, found.rule_id) == (Outcome.SERVE, "protected")
    assert found.nearest[0].rule_id == "ua-speed"
    assert found.nearest[0].sentence() == "it applied, and protected in the earlier tier protected decided"


def test_a_rule_not_yet_in_force_says_when_it_will_be(book, limit):
    before = parse_instant("2026-01-31T23:59Z")
    found = Explainer(book).explain(_at(limit, 90, True, now_ns=before), distances={"tag:no-service": 9e5})
    assert "not in force before 2026-02-01T00:00:00Z" in {miss.sentence() for miss in found.nearest}


def test_a_denied_terminal_reads_what_would_have_to_differ(book, limit):
    found = Explainer(book).explain(_at(limit, 90, True))
    assert found.outcome == Outcome.DENY
    assert found.nearest == ()
    assert found.relief == (
        "not in country:UA",
        "speed not above 75 km/h (for at least 30 s; it holds until the value is below 70 km/h)",
        "an exception would apply: with programme rail",
        "an exception would apply: on list ua-speed-waiver",
    )
    assert found.retry == "after 60 s or after moving 2.0 km"


def test_every_applying_rule_is_listed_and_exactly_one_is_marked(book, limit):
    zone = AreaFact("z", "zone", None, ("no-service",), Membership.INSIDE)
    found = Explainer(book).explain(_at(limit, 90, True, facts=(*UKRAINE, zone)))
    assert [(item.rule_id, item.decisive) for item in found.applied] == [("ua-speed", True), ("zone", False)]
    assert found.also == ("zone",)
    assert found.as_text().count("=>") == 1


def test_a_doubt_is_shown_with_what_the_rule_makes_of_it(book, limit):
    edge = tuple(replace(fact, membership=Membership.EDGE) for fact in UKRAINE)
    found = Explainer(book).explain(_at(limit, 90, True, facts=edge))
    assert found.outcome == Outcome.REVIEW
    assert found.applied[0].stated == Outcome.DENY
    assert "perhaps in country:UA: the position may be on either side" in found.as_text()


def test_the_owner_reads_reason_basis_message_and_appeal_and_nothing_else(book, limit):
    inside = {"country:UA": -900.0}
    found = Explainer(book).explain(_at(limit, 90, True), audience="owner", language="uk", distances=inside)
    text = found.as_text()
    assert "The terminal moves faster than is allowed here" in text
    assert "an order (invented)" in text
    assert "Зв'язок призупинено" in text
    assert "Write to the operator." in text
    everything = text + json.dumps(found.as_dict())
    for secret in ("75", "70 ", "30 s", "90", "900", "km/h", "ua-speed", "waiver", "rail", 'UA"', "margin"):
        assert secret not in everything, secret
    assert set(found.as_dict()) == {
        "audience", "at", "outcome", "state", "reason", "reason_sentence", "basis", "message", "language", "appeal",
        "obligations",
    }  # fmt: skip


def test_no_owner_of_the_shipped_rulebook_reads_a_threshold_or_a_rule_id():
    world = load_rulebook("world-2026")
    text = (resources.files("groundrule.rules") / "books" / "world-2026.cases.yaml").read_text(encoding="utf-8")
    explainer = Explainer(world)
    signals = {"drone_flight", "dormant_at_front", "spoofed_position", "border_crossing"}
    for case in read_cases(world, text):
        found = explainer.explain(case.situation, audience="owner", distances=lambda _: 1234.0)
        shown = found.as_text()
        assert "km/h" not in shown, case.name
        assert "1.2 km" not in shown, case.name
        assert not any(word in shown for word in signals), case.name
        assert found.rule_id is None or found.rule_id not in shown, case.name


def test_the_message_falls_back_to_english_and_then_to_any(book, limit):
    assert Explainer(book).explain(_at(limit, 90, True), language="fr").language == "en"
    assert Explainer(book).explain(_at(limit, 90, True), language="uk-UA").language == "uk"


def test_an_unregistered_terminal_without_position_is_explained_without_guessing(book):
    found = explain(book, None, None, {}, {}, {}, NOW)
    assert found.outcome == Outcome.REVIEW
    assert "position is not known" in found.as_text()


def test_explanations_name_the_rule_that_both_evaluators_name():
    world = load_rulebook("world-2026")
    text = (resources.files("groundrule.rules") / "books" / "world-2026.cases.yaml").read_text(encoding="utf-8")
    situations = [case.situation for case in read_cases(world, text)]
    compiled = compile_rulebook(world)
    batch = batch_of(situations, compiled.latches)
    explainer = Explainer(world)
    for index, situation in enumerate(situations):
        oracle = decide_one(world, row_of(batch, index, compiled.latches))
        found = explainer.explain(situation)
        plain = decide_situation(world, situation)
        wanted = (oracle.rule_id, oracle.outcome, oracle.state)
        assert (found.rule_id or "default", found.outcome, found.state) == wanted
        assert (plain.rule or "default", plain.outcome, plain.state) == wanted
