"""Half-open intervals: what begins and what ends at an instant does so exactly there."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import governed_world as gw
from governed_world import DAY, HOUR, SECOND, START, World, party
from groundrule.errors import InputError
from groundrule.govern import objects
from groundrule.govern.contacts import months_before, recent
from groundrule.govern.objects import Approval, Contact, Emergency, Enactment, Interval, Review, Scope, SeenCheckpoint
from groundrule.govern.signed import format_time, parse_time

MS = 1_000_000
WORLD = World.governed()


def interval(start: int, end: int | None) -> Interval:
    return Interval.parse({"from": format_time(start), "until": None if end is None else format_time(end), "tz": "UTC"})


def test_an_interval_holds_its_start_and_not_its_end() -> None:
    made = interval(START, START + MS)
    assert [made.covers(at) for at in (START - 1, START, START + MS - 1, START + MS, START + DAY)] == [False, True, True, False, False]
    assert [interval(START, None).covers(at) for at in (START - 1, START, START + 10_000 * DAY)] == [False, True, True]
    for end in (START, START - MS):
        with pytest.raises(InputError, match="empty interval"):
            interval(START, end)


def test_intervals_that_meet_leave_no_gap_and_no_double() -> None:
    before, after = interval(START, START + HOUR), interval(START + HOUR, None)
    for at in (START, START + HOUR - 1, START + HOUR, START + HOUR + 1, START + DAY):
        assert before.covers(at) + after.covers(at) == 1


def approval(**changes: Any) -> dict[str, Any]:
    return {
        "proposal_digest": gw.digest("p"), "impact_digest": gw.digest("i"), "verdict": "approve", "role": "policy",
        "person": party("p1"), "charter_version": 1, "seen_checkpoint": {"size": 1, "root": gw.digest("root")},
        "conflict_statement": "none", "nonce": "0" * 32, "signed_at": format_time(START), "expires": format_time(START + MS),
    } | changes  # fmt: skip


def test_an_approval_ends_after_it_is_signed() -> None:
    assert Approval.parse(approval()).expires == START + MS
    for end in (START, START - MS):
        with pytest.raises(InputError, match="expires before it is signed"):
            Approval.parse(approval(expires=format_time(end)))


def test_an_approval_names_a_version_and_a_size_of_at_least_one() -> None:
    for change in ({"charter_version": 0}, {"seen_checkpoint": {"size": 0, "root": gw.digest("root")}}):
        with pytest.raises(InputError, match="is `0`"):
            Approval.parse(approval(**change))
    made = Approval.parse(approval())
    assert made.seen_checkpoint.root_hash == bytes.fromhex(gw.digest("root"))
    assert (made.charter_version, made.seen_checkpoint.size) == (1, 1)


def test_a_conflict_statement_names_one_to_two_hundred_contacts_or_none() -> None:
    contacts = [gw.ident("contact", n) for n in range(201)]
    assert Approval.parse(approval(conflict_statement=contacts[:1])).conflict_statement == (contacts[0],)
    assert Approval.parse(approval(conflict_statement=contacts[:200])).value["conflict_statement"] == contacts[:200]
    assert Approval.parse(approval()).conflict_statement == ()
    assert Approval.parse(approval()).value["conflict_statement"] == "none"
    for wrong in ([], contacts, "None", "nonf", "", "a", "z", None):
        with pytest.raises(InputError, match="conflict_statement"):
            Approval.parse(approval(conflict_statement=wrong))


def emergency(**changes: Any) -> Emergency:
    return Emergency.parse(WORLD.emergency_value(**changes))


def test_an_emergency_lasts_a_second_to_a_day() -> None:
    assert emergency(ttl_s=1).ttl_s == 1
    assert emergency(ttl_s=86_400).ttl_s == objects.MAX_EMERGENCY_S == 86_400
    for wrong in (0, 86_401, -1):
        with pytest.raises(InputError, match="ttl_s"):
            emergency(ttl_s=wrong)


def test_its_review_is_due_within_72_hours_of_the_opening() -> None:
    assert objects.MAX_REVIEW_NS == 72 * 3_600 * 10**9
    for due in (MS, 72 * HOUR):
        assert emergency(review_due=format_time(START + due)).review_due == START + due
    for due in (-MS, 0, 72 * HOUR + MS):
        with pytest.raises(InputError, match="within 72 hours"):
            emergency(review_due=format_time(START + due))


def test_two_open_it_no_fewer_and_no_more() -> None:
    for openers in (["e1"], ["e1", "e2", "e3"], [], ["e1", "e1"]):
        with pytest.raises(InputError, match="openers"):
            emergency(openers=[party(each) for each in openers])


@pytest.mark.parametrize(("direction", "allowed", "against"), [
    ("permit_only", ("serve", "review"), ("deny", "restrict")), ("deny_only", ("restrict", "review", "deny"), ("serve",)),
])  # fmt: skip
def test_it_goes_one_way(direction: str, allowed: tuple[str, ...], against: tuple[str, ...]) -> None:
    scope = {"areas": ["a"], "terminals": [], "ops": list(allowed)}
    assert emergency(direction=direction, scope=scope).scope.ops == allowed
    for op in against:
        for ops in ([op], [*allowed, op]):
            with pytest.raises(InputError, match=f"`{op}` goes against"):
                emergency(direction=direction, scope=scope | {"ops": ops})


def test_a_scope_is_areas_or_terminals_and_what_may_be_done() -> None:
    for areas, terminals in ((["a"], []), ([], ["t"]), (["a"], ["t"])):
        assert emergency(scope={"areas": areas, "terminals": terminals, "ops": ["serve"]}).scope.areas == tuple(areas)
        with pytest.raises(InputError, match="scope of nothing"):
            emergency(scope={"areas": areas, "terminals": terminals, "ops": []})
    for ops in (["serve"], []):
        with pytest.raises(InputError, match="scope of nothing"):
            emergency(scope={"areas": [], "terminals": [], "ops": ops})


def test_a_verdict_has_reviewers_findings_and_a_time() -> None:
    whole = WORLD.review_value(gw.ident("emergency", "e"))
    assert Review.parse(whole).verdict == "upheld"
    for missing in ({"reviewers": []}, {"findings": ""}, {"actual": None}):
        with pytest.raises(InputError, match="a verdict needs"):
            Review.parse(whole | missing)
    assert Review.parse(whole | {"verdict": None, "reviewers": [], "findings": "", "actual": None}).verdict is None


def test_an_enactment_names_two_to_five_hundred_approvals() -> None:
    refs = [{"digest": gw.digest(n), "log_index": n} for n in range(501)]
    value = {
        "proposal_digest": gw.digest("p"), "charter_version": 1, "charter_index": 0, "proposal_index": 0, "screening_indexes": [],
        "policy_digest_before": gw.POLICY, "policy_digest_after": gw.digest("after"), "enacted_at": format_time(START),
    }  # fmt: skip
    for count in (2, 500):
        assert len(Enactment.parse(value | {"approvals": refs[:count]}).approvals) == count
    for count in (0, 1, 501):
        with pytest.raises(InputError, match="approvals"):
            Enactment.parse(value | {"approvals": refs[:count]})
    for wrong in ({"charter_version": 0}, {"charter_index": -1}, {"proposal_index": -1}):
        with pytest.raises(InputError, match="is `"):
            Enactment.parse(value | {"approvals": refs[:2]} | wrong)


@pytest.mark.parametrize("made", [
    interval(START, None), SeenCheckpoint.parse({"size": 1, "root": gw.digest("r")}), Approval.parse(approval()), emergency(),
    emergency().scope, Review.parse(WORLD.review_value(gw.ident("emergency", "e"))),
    objects.ApprovalRef.parse({"digest": gw.digest("a"), "log_index": 1}),
    objects.EmergencyClose.parse({"emergency": gw.ident("emergency", "e"), "end": "expired", "at": format_time(START)}),
    Enactment.parse({
        "proposal_digest": gw.digest("p"), "charter_version": 1, "charter_index": 0, "proposal_index": 0, "screening_indexes": [],
        "policy_digest_before": gw.POLICY, "policy_digest_after": gw.digest("after"), "enacted_at": format_time(START),
        "approvals": [{"digest": gw.digest(n), "log_index": n} for n in range(2)],
    }),
])  # fmt: skip
def test_what_was_signed_cannot_be_changed(made: Any) -> None:
    first = dataclasses.fields(made)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, first, getattr(made, first))
    with pytest.raises(TypeError, match="takes 1 positional argument"):
        type(made)("a")
    assert made == type(made).parse(made.value)
    assert isinstance(emergency().scope, Scope)


# --- the time in which a contact is a conflict ---


@pytest.mark.parametrize(("at", "months", "before"), [
    ("2026-03-31T05:06:07.008Z", 1, "2026-02-28T05:06:07.008Z"),
    ("2024-03-31T00:00:00.000Z", 1, "2024-02-29T00:00:00.000Z"),
    ("2024-03-30T00:00:00.000Z", 1, "2024-02-29T00:00:00.000Z"),
    ("2024-03-29T00:00:00.000Z", 1, "2024-02-29T00:00:00.000Z"),
    ("2026-05-31T00:00:00.000Z", 1, "2026-04-30T00:00:00.000Z"),
    ("2026-05-30T00:00:00.000Z", 1, "2026-04-30T00:00:00.000Z"),
    ("2026-05-01T00:00:00.000Z", 1, "2026-04-01T00:00:00.000Z"),
    ("2026-01-15T00:00:00.000Z", 1, "2025-12-15T00:00:00.000Z"),
    ("2026-12-31T23:59:59.999Z", 12, "2025-12-31T23:59:59.999Z"),
    ("2026-12-31T23:59:59.999Z", 11, "2026-01-31T23:59:59.999Z"),
    ("2026-01-01T00:00:00.000Z", 0, "2026-01-01T00:00:00.000Z"),
    ("2026-01-01T00:00:00.000Z", 24, "2024-01-01T00:00:00.000Z"),
    ("2026-02-28T00:00:00.000Z", 24, "2024-02-28T00:00:00.000Z"),
    ("2024-02-29T12:00:00.001Z", 12, "2023-02-28T12:00:00.001Z"),
    ("1970-02-01T00:00:00.000Z", 2, "1969-12-01T00:00:00.000Z"),
    ("1970-02-01T00:00:00.500Z", 2, "1969-12-01T00:00:00.500Z"),
])  # fmt: skip
def test_months_are_those_of_the_calendar(at: str, months: int, before: str) -> None:
    assert months_before(parse_time(at), months) == parse_time(before)


def test_the_fraction_of_a_second_stays() -> None:
    assert months_before(START + 123_456_789, 1) == months_before(START, 1) + 123_456_789


@pytest.mark.parametrize(("begun", "ended", "pattern", "counts"), [
    (0, 0, "single", True), (-MS, -MS, "single", False), (0, None, "single", True), (-MS, None, "single", False),
    (-DAY, None, "regular", True), (-DAY, 0, "regular", True), (-DAY, -MS, "regular", False), (None, None, "single", True),
    (None, -MS, "regular", False),
])  # fmt: skip
def test_a_contact_is_a_conflict_for_24_months_after_its_end(begun: int | None, ended: int | None, pattern: str, counts: bool) -> None:
    edge = months_before(START, 24)
    times = {"occurred_from": begun, "occurred_to": ended}
    value = gw.contact_value("c", party("p1"), party("x"), pattern=pattern) | {
        name: None if at is None else format_time(edge + at) for name, at in times.items()
    }
    assert recent(Contact.parse(value), gw.charter().limits, START) is counts


# --- which policy is in force ---


def test_a_policy_is_in_force_from_its_enactment_until_the_next() -> None:
    world = World.governed()
    enacted = []
    for name in ("first", "second"):
        world.now += HOUR
        proposal = world.propose(name, effective={"from": format_time(world.now), "until": format_time(START + DAY), "tz": "UTC"})
        world.approve(proposal, "p1", "p2")
        world.enact(proposal)
        enacted.append(proposal)
    policies = [gw.POLICY, gw.digest(("policy after", "first")), gw.digest(("policy after", "second"))]
    at = [START - 1, START, START + HOUR - 1, START + HOUR, START + 2 * HOUR - 1, START + 2 * HOUR, START + 9 * DAY]
    zero, one, two = policies
    assert [world.state.policy_at(each) for each in at] == [None, zero, zero, one, one, two, two]
    first, second = enacted
    asked = [START, START + HOUR - 1, START + HOUR, START + 2 * HOUR, START + DAY - 1, START + DAY, START + DAY + SECOND]
    assert [world.state.in_effect(each) for each in asked] == [(), (), (first,), (first, second), (first, second), (), ()]


def test_a_policy_without_an_end_stays_and_a_rotation_changes_none() -> None:
    world = World.governed()
    name = world.propose()
    world.approve(name, "p1", "p2")
    world.enact(name)
    world.now += DAY
    world.log("charter", gw.envelope("charter", gw.charter_value(version=2, policy_digest=None), *gw.ROOT_MEMBERS[:4]))
    assert world.state.in_effect(START + 10_000 * DAY) == (name,)
    assert world.state.policy_at(START + 10_000 * DAY) == gw.digest(("policy after", "change"))
