"""Contacts: lateness, recusal, forged allegations, suspension, re-review, and what is public."""

from __future__ import annotations

from typing import Any

import pytest

import governed_world as gw
from governed_world import DAY, HOUR, MINUTE, START, World, party
from groundrule.errors import GroundruleError, InputError
from groundrule.govern.contacts import (
    business_days_after,
    commit_party,
    in_scope,
    lateness,
    months_before,
    nil_overdue,
    public_form,
    re_review_set,
    suspensions,
)
from groundrule.govern.objects import Contact
from groundrule.govern.refusal import code_of
from groundrule.govern.signed import format_time, parse_time
from groundrule.govern.state import State
from groundrule.ledger.commitment import commit

LIMITS = gw.charter().limits


@pytest.fixture
def world() -> World:
    made = World.governed()
    made.log("request", gw.request_value())
    made.screen(party("requester"), party("principal"))
    return made


def about(world: World, name: str = "change", **changes: Any) -> str:
    scope = list(world.state.contacts)
    return world.propose(name, requests=[gw.ident("request", "request")], contacts_in_scope=scope, **changes)


def refusal(world: World, kind: str, body: dict[str, Any]) -> str:
    with pytest.raises(GroundruleError) as caught:
        world.state.check(kind, body, world.now)
    return code_of(caught.value)


def update(name: str, status: str, by: str, review: str | None = None) -> dict[str, Any]:
    at = format_time(START)
    return {"id": gw.ident("contact", name), "status": status, "by": by, "review": review, "evidence": [], "at": at}


# --- lateness ---


def test_five_business_days() -> None:
    def after(text: str, days: int = 5) -> int:
        return business_days_after(parse_time(text), days)

    assert after("2026-03-02T10:00:00.000Z") == parse_time("2026-03-09T10:00:00.000Z")  # Monday to Monday
    assert after("2026-03-06T10:00:00.000Z", 1) == parse_time("2026-03-09T10:00:00.000Z")  # Friday to Monday
    assert after("2026-03-07T10:00:00.000Z", 1) == parse_time("2026-03-10T00:00:00.000Z")  # Saturday counts as Monday 0 h
    assert after("2026-03-08T23:59:59.999Z") == parse_time("2026-03-16T00:00:00.000Z")


def test_months_back_keep_the_day_or_take_the_last_one() -> None:
    assert months_before(parse_time("2026-03-31T05:06:07.008Z"), 1) == parse_time("2026-02-28T05:06:07.008Z")
    assert months_before(parse_time("2024-02-29T00:00:00.000Z"), 24) == parse_time("2022-02-28T00:00:00.000Z")
    assert months_before(parse_time("2026-01-15T00:00:00.000Z"), 24) == parse_time("2024-01-15T00:00:00.000Z")


@pytest.mark.parametrize(
    ("kind", "candidate", "hours", "late"),
    [
        ("government_body", False, 24, False),
        ("government_body", False, 25, True),
        ("head_of_state_or_government", False, 25, True),
        ("legal_entity", True, 25, True),
        ("legal_entity", False, 25, False),
        ("natural_person", False, 7 * 24, False),
        ("natural_person", False, 7 * 24 + 1, True),
    ],
)
def test_a_report_is_late_by_the_kind_of_counterparty(kind: str, candidate: bool, hours: int, late: bool) -> None:
    when = format_time(START)
    value = gw.contact_value("c", party("p1"), party("x"), counterparty_kind=kind, occurred_from=when, occurred_to=when)
    contact = Contact.parse(value | {"reported_at": format_time(START + hours * HOUR)})
    found = lateness(contact, LIMITS, candidate=candidate)
    assert found.late is late
    assert found.took_ns == hours * HOUR


def test_a_contact_without_any_time_is_late() -> None:
    contact = Contact.parse(gw.contact_value("c", party("p1"), party("x"), occurred_from=None, occurred_to=None))
    assert lateness(contact, LIMITS, candidate=False).late


def test_an_open_end_counts_from_the_beginning() -> None:
    years = {"occurred_from": format_time(START - 800 * DAY), "occurred_to": None, "pattern": "regular"}
    found = lateness(Contact.parse(gw.contact_value("c", party("p1"), party("x"), **years)), LIMITS, candidate=False)
    assert found.late
    assert found.took_ns == 800 * DAY


# --- recusal ---


@pytest.mark.parametrize("other", ["requester", "principal"])
def test_a_reported_contact_recuses_whatever_the_conflict_statement_says(world: World, other: str) -> None:
    world.log("contact", gw.own_contact("own", "p2", party(other)))
    name = about(world)
    assert refusal(world, "approval", world.approval(name, "p2")) == "contact"
    assert world.judge(name).excluded[party("p2")] == "contact"
    world.approve(name, "p1", "p3")
    assert world.judge(name).satisfied


def test_a_contact_after_the_approval_takes_it_away(world: World) -> None:
    name = about(world)
    world.approve(name, "p1", "p2")
    assert world.judge(name).satisfied
    world.log("contact", gw.own_contact("own", "p2", party("requester")))
    assert world.judge(name).counted == {party("p1")}


def test_a_contact_with_a_listed_owner_recuses(world: World) -> None:
    owner = {"party": party("oligarch"), "path": [party("holding")], "share_bp": 3_000, "result": "listed"}
    world.screen(party("requester"), ownership=[owner])
    for name, other in (("a", "oligarch"), ("b", "holding")):
        world.log("contact", gw.own_contact(name, "p2" if name == "a" else "p3", party(other)))
    judged = world.judge(about(world))
    assert judged.excluded[party("p2")] == judged.excluded[party("p3")] == "contact"


def test_an_old_contact_or_one_with_others_recuses_nobody(world: World) -> None:
    old = {"occurred_from": format_time(START - 800 * DAY), "occurred_to": format_time(START - 740 * DAY)}
    world.log("contact", gw.own_contact("old", "p2", party("requester"), **old))
    world.log("contact", gw.own_contact("other", "p3", party("somebody else")))
    name = about(world)
    world.approve(name, "p2", "p3")
    assert world.judge(name).satisfied


def test_contacts_in_scope_are_listed_by_code(world: World) -> None:
    world.log("contact", gw.own_contact("own", "p2", party("requester")))
    body = world.proposal_body("hides", requests=[gw.ident("request", "request")])
    assert refusal(world, "proposal", body) == "contacts_missing"
    logged = world.state.proposals[about(world)]
    assert [each.contact.id for each in in_scope(world.state, logged.proposal, world.now)] == [gw.ident("contact", "own")]


def test_an_approver_who_names_a_contact_in_scope_recuses(world: World) -> None:
    world.log("contact", gw.contact_value("their", party("c1"), party("requester")))
    name = about(world)
    made = world.approval(name, "p1", conflict_statement=[gw.ident("contact", "their")])
    assert refusal(world, "approval", made) == "contact"
    made = world.approval(name, "p1", conflict_statement=[gw.ident("contact", "secret")])
    assert refusal(world, "approval", made) == "unknown_contact"


# --- forged contacts ---


def test_an_allegation_recuses_from_one_proposal_at_most(world: World) -> None:
    world.log("contact", gw.contact_value("forged", party("p1"), party("requester")))
    first = about(world, "first")
    assert world.judge(first).excluded[party("p1")] == "contact"
    second = about(world, "second")
    world.approve(second, "p1", "p2")
    assert world.judge(second).satisfied


def test_repeating_an_allegation_adds_nothing(world: World) -> None:
    world.log("contact", gw.contact_value("forged", party("p1"), party("requester")))
    about(world, "first")
    world.log("contact", gw.contact_value("same reporter", party("p1"), party("principal")))
    world.log("contact", gw.contact_value("same story", party("p1"), party("requester"), reported_by=party("another"), basis="press"))
    second = about(world, "second")
    world.approve(second, "p1", "p2")
    assert world.judge(second).satisfied


def test_a_self_report_that_the_person_did_not_sign_is_an_allegation(world: World) -> None:
    own = {"reported_by": party("p1"), "basis": "self", "status": "self_reported"}
    world.log("contact", gw.contact_value("forged", party("p1"), party("requester"), **own))
    signed_by_another = gw.envelope("contact", gw.contact_value("forged2", party("p1"), party("requester"), **own), "p2")
    world.log("contact", signed_by_another)
    assert all(each.allegation for each in world.state.contacts.values())
    about(world, "first")
    second = about(world, "second")
    world.approve(second, "p1", "p2")
    assert world.judge(second).satisfied


def test_an_official_report_that_no_registrar_signed_is_an_allegation(world: World) -> None:
    world.log("contact", gw.contact_value("bare", party("p1"), party("requester"), basis="intelligence"))
    value = gw.contact_value("vouched", party("p2"), party("requester"), basis="official")
    world.log("contact", gw.envelope("contact", value, "g1"))
    about(world, "first")
    judged = world.judge(about(world, "second"))
    assert party("p1") not in judged.excluded
    assert judged.excluded[party("p2")] == "contact"


def test_an_allegation_suspends_nobody_until_a_review(world: World) -> None:
    late = {"occurred_from": format_time(START - 99 * DAY), "occurred_to": format_time(START - 90 * DAY)}
    world.log("contact", gw.contact_value("forged", party("p1"), party("unscreened"), **late))
    assert not suspensions(world.state)
    world.conclude(gw.ident("contact", "forged"), "reversed")
    assert suspensions(world.state) == {party("p1"): gw.ident("contact", "forged")}
    name = about(world)
    assert refusal(world, "approval", world.approval(name, "p1")) == "suspended"


def test_a_review_corroborates_and_then_it_recuses_everywhere(world: World) -> None:
    world.log("contact", gw.contact_value("alleged", party("p2"), party("requester")))
    first = about(world, "first")
    review = world.conclude(gw.ident("contact", "alleged"), "partly")
    world.log("contact-update", update("alleged", "corroborated", party("v1"), review))
    for name in (first, about(world, "second"), about(world, "third")):
        assert world.judge(name).excluded[party("p2")] == "contact"


def test_a_denial_disputes_and_only_a_review_clears(world: World) -> None:
    world.log("contact", gw.contact_value("alleged", party("p2"), party("requester")))
    name = about(world)
    assert refusal(world, "contact-update", update("alleged", "denied", party("p2"))) == "needs_review"
    assert refusal(world, "contact-update", update("alleged", "disputed", party("p3"))) == "not_covered"
    world.log("contact-update", update("alleged", "disputed", party("p2")))
    assert world.judge(name).excluded[party("p2")] == "contact"
    review = world.conclude(gw.ident("contact", "alleged"), "upheld")
    assert refusal(world, "contact-update", update("alleged", "corroborated", party("v1"), review)) == "needs_review"
    world.log("contact-update", update("alleged", "denied", party("v1"), review))
    assert party("p2") not in world.judge(name).excluded


def test_only_the_reporter_withdraws_and_never_an_own_contact(world: World) -> None:
    world.log("contact", gw.contact_value("alleged", party("p2"), party("requester")))
    world.log("contact", gw.own_contact("own", "p3", party("requester")))
    plain = update("alleged", "withdrawn", party("outsider"))
    assert refusal(world, "contact-update", plain) == "not_reporter"
    assert refusal(world, "contact-update", gw.envelope("contact-update", plain, "p2")) == "not_reporter"
    world.log("contact-update", gw.envelope("contact-update", plain, "g1"))
    own = gw.envelope("contact-update", update("own", "withdrawn", party("p3")), "p3")
    assert refusal(world, "contact-update", own) == "needs_review"
    judged = world.judge(about(world))
    assert party("p2") not in judged.excluded
    assert judged.excluded[party("p3")] == "contact"


# --- suspension of owners and executives ---


def test_an_executive_with_a_late_contact_is_suspended_until_a_review(world: World) -> None:
    name = about(world)
    world.screen(party("friend"))
    late = {"occurred_from": format_time(START - 99 * DAY), "occurred_to": format_time(START - 90 * DAY)}
    world.log("contact", gw.own_contact("late", "p1", party("friend"), **late))
    world.log("contact", gw.own_contact("late too", "p2", party("friend"), **late))  # no executive
    assert world.judge(name).excluded[party("p1")] == "suspended"
    assert refusal(world, "proposal", world.proposal_body("own", author=party("p1"))) == "suspended"
    assert set(suspensions(world.state)) == {party("p1")}
    world.conclude(gw.ident("contact", "late"), "upheld")
    assert not suspensions(world.state)
    world.approve(name, "p1", "p2")
    assert world.judge(name).satisfied


def test_an_executive_with_an_unscreened_contact_is_suspended_until_it_is_screened(world: World) -> None:
    world.log("contact", gw.own_contact("fresh", "p1", party("friend")))
    assert party("p1") in suspensions(world.state)
    world.screen(party("friend"))
    assert not suspensions(world.state)


# --- re-review ---


def test_a_late_contact_lists_every_decision_in_its_window(world: World) -> None:
    other = world.propose("unrelated", author=party("p2"))
    world.now += HOUR
    name = about(world)
    world.approve(name, "p1", "p2")
    world.enact(name)
    emergency = world.open_emergency("e", "e1", "e2")
    world.now += 40 * DAY
    since = {"occurred_from": format_time(START), "occurred_to": None, "reported_at": format_time(world.now), "pattern": "regular"}
    world.log("contact", gw.contact_value("surfaces", party("p2"), party("requester"), basis="press", **since))
    found = re_review_set(world.state, gw.ident("contact", "surfaces"))
    assert [(each.act, each.of, each.touches) for each in found] == [("approval", name, True), ("authorship", other, False)]
    assert world.state.policy_digest == gw.digest(("policy after", "change"))
    assert gw.ident("contact", "surfaces") in world.state.re_reviews()
    world.log("contact", gw.contact_value("e1", party("e1"), party("nobody"), **since))
    assert [(each.act, each.of) for each in re_review_set(world.state, gw.ident("contact", "e1"))] == [("emergency", emergency)]


def test_the_window_is_half_open(world: World) -> None:
    name = about(world)
    world.now += MINUTE
    world.approve(name, "p2")
    approved = world.now
    world.now += MINUTE
    for start, end, hit in ((approved, approved + 10**6, True), (approved + 10**6, approved + 2 * 10**6, False), (START, approved, False)):
        label = f"{start}{end}"
        times = {"occurred_from": format_time(start), "occurred_to": format_time(start), "reported_at": format_time(end)}
        world.log("contact", gw.contact_value(label, party("p2"), party("requester"), **times))
        acts = [each.act for each in re_review_set(world.state, gw.ident("contact", label))]
        assert acts == (["approval"] if hit else [])


# --- public form ---


def test_a_commitment_stands_for_a_party_until_it_is_opened(world: World) -> None:
    salt = bytes(range(32))
    contact = Contact.parse(gw.contact_value("alleged", party("p2"), party("requester"), basis="press"))
    public = public_form(contact, {party("p2"): salt, party("requester"): salt})
    assert party("p2") not in public.data.decode()
    assert party("requester") not in public.data.decode()
    assert public.covered_person == commit_party(party("p2"), salt)
    assert public.covered_person.removeprefix("commitment:") == commit("party", salt, b'"%b"' % party("p2").encode()).hex()
    world.log("contact", public.value)
    name = about(world)
    assert party("p2") not in world.judge(name).excluded  # an auditor without the openings sees no name
    openings = {commit_party(each, salt): each for each in (party("p2"), party("requester"))}
    inside = State.fold(world.entries, openings=openings)
    assert gw.quorum.judge(inside, name, at_ns=world.now).excluded[party("p2")] == "contact"
    assert inside.digest == world.state.digest
    with pytest.raises(InputError, match="salt"):
        commit_party(party("p2"), b"short")


def test_nil_returns_are_express_and_periodic(world: World) -> None:
    assert nil_overdue(world.state, world.now) == ()
    world.now = parse_time("2026-08-01T00:00:00.000Z")
    assert nil_overdue(world.state, world.now) == tuple(sorted((party("owner"), party("p1"))))
    nil = {"covered_person": party("owner"), "from": format_time(START), "until": "2026-07-01T00:00:00.000Z"}
    world.log("contact", nil)
    world.log("contact", nil)
    assert len(world.state.nil_returns) == 1
    assert nil_overdue(world.state, world.now) == (party("p1"),)
    assert refusal(world, "contact", nil | {"until": "2027-01-01T00:00:00.000Z"}) == "from_future"
    assert refusal(world, "contact", nil | {"covered_person": party("stranger")}) == "not_in_charter"


def test_a_contact_is_not_reported_in_the_future(world: World) -> None:
    for ahead, refused in ((5, False), (6, True)):
        body = gw.contact_value(ahead, party("p2"), party("x"), reported_at=format_time(world.now + ahead * 10**9))
        if refused:
            assert refusal(world, "contact", body) == "from_future"
        else:
            world.log("contact", body)


@pytest.mark.parametrize(("pattern", "recuses"), [("single", False), ("regular", True)])
def test_an_open_end_lasts_until_now_for_regular_contact_only(world: World, pattern: str, recuses: bool) -> None:
    since = {"occurred_from": format_time(START - 800 * DAY), "occurred_to": None, "pattern": pattern}
    world.log("contact", gw.own_contact("own", "p2", party("requester"), **since))
    assert (party("p2") in world.judge(about(world)).excluded) is recuses


def test_a_conflict_lasts_24_months_to_the_millisecond(world: World) -> None:
    edge = months_before(START, 24)
    for person, end in (("p2", edge), ("p3", edge - 10**6)):
        times = {"occurred_from": format_time(end), "occurred_to": format_time(end)}
        world.log("contact", gw.own_contact(person, person, party("requester"), **times))
    judged = world.judge(about(world))
    assert party("p2") in judged.excluded
    assert party("p3") not in judged.excluded


def test_a_review_by_the_person_is_reviewed_again(world: World) -> None:
    name = about(world)
    world.conclude(name)
    index = len(world.entries) - 1
    world.now += 40 * DAY
    since = {"occurred_from": format_time(START - DAY), "occurred_to": None, "reported_at": format_time(world.now)}
    world.log("contact", gw.contact_value("reviewer", party("v2"), party("requester"), **since))
    found = re_review_set(world.state, gw.ident("contact", "reviewer"))
    assert [(each.index, each.act, each.of, each.touches) for each in found] == [(index, "review", name, True)]
    world.log("contact", gw.contact_value("other", party("v4"), party("requester"), **since))
    assert re_review_set(world.state, gw.ident("contact", "other")) == ()
