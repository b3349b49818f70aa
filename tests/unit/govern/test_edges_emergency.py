"""Emergencies at their limits: the last second, the one renewal, the hour of review, and clocks that disagree."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

import governed_world as gw
from governed_world import DAY, HOUR, MINUTE, SECOND, START, World, party
from groundrule.errors import GroundruleError
from groundrule.govern import emergency
from groundrule.govern.emergency import Running
from groundrule.govern.objects import Emergency
from groundrule.govern.refusal import code_of
from groundrule.govern.signed import format_time

MS = 1_000_000
SCOPE = {"areas": ["a", "b"], "terminals": ["t", "u"], "ops": ["serve", "review"]}


@pytest.fixture
def world() -> World:
    return World.governed()


def refusal(world: World, value: dict[str, Any], *signers: str) -> str:
    with pytest.raises(GroundruleError) as caught:
        world.state.check("emergency-open", gw.envelope("emergency", value, *(signers or ("e1", "e2"))), world.now)
    return code_of(caught.value)


def opens(world: World, value: dict[str, Any], *signers: str) -> bool:
    return world.state.check("emergency-open", gw.envelope("emergency", value, *(signers or ("e1", "e2"))), world.now) is not None


def active(world: World, at: int, **monotonic: int) -> list[str]:
    return [each.id for each in emergency.active(world.state, at, monotonic)]


# --- time to live ---


def test_it_is_active_until_before_its_time_to_live(world: World) -> None:
    name = world.open_emergency(ttl_s=60)
    assert [active(world, START + at) for at in (0, 60 * SECOND - 1, 60 * SECOND, DAY)] == [[name], [name], [], []]
    assert [emergency.expired(world.state, START + at) for at in (0, 60 * SECOND - 1, 60 * SECOND, DAY)] == [
        (), (), (name,), (name,),
    ]  # fmt: skip


def test_the_largest_clock_counts(world: World) -> None:
    name = world.open_emergency(ttl_s=60)
    over = 60 * SECOND
    clocks: list[tuple[dict[str, int] | None, bool]] = [
        ({name: over - 1}, True), ({name: over}, False), ({name: over + 1}, False), ({"another": over}, True),
    ]
    clocks += [({name: -DAY}, True), (None, True)]
    for monotonic, lives in clocks:
        assert bool(emergency.active(world.state, START, monotonic)) is lives
    assert emergency.active(world.state, START + over, {name: 0}) == ()
    world.now += over
    world.log("request", gw.request_value())
    assert emergency.active(world.state, START) == ()
    assert emergency.expired(world.state, START) == (name,)


def test_several_are_told_apart_in_the_order_of_the_log(world: World) -> None:
    names = [world.open_emergency(each, ttl_s=seconds) for each, seconds in (("z", 60), ("a", 120), ("m", 60))]
    assert active(world, START) == names
    assert active(world, START + 60 * SECOND) == [names[1]]
    assert emergency.expired(world.state, START + 60 * SECOND) == (names[0], names[2])
    world.log("emergency-close", gw.envelope("emergency-close", {"emergency": names[1], "end": "closed", "at": format_time(START)}, "e1"))
    assert active(world, START) == [names[0], names[2]]


def test_what_an_enforcement_point_counts_never_goes_back() -> None:
    running = Running.load(Emergency.parse(World.governed().emergency_value(ttl_s=60)))
    assert (running.opened_at_ns, running.ttl_ns, running.monotonic_ns, running.elapsed_ns) == (START, 60 * SECOND, 0, 0)
    assert not running.over
    slow = running.tick(START - DAY, 40 * SECOND)
    assert (slow.monotonic_ns, slow.elapsed_ns) == (40 * SECOND, 40 * SECOND)
    assert not slow.tick(START, 20 * SECOND - 1).over
    assert slow.tick(START, 20 * SECOND).over
    assert slow.tick(START + 60 * SECOND - 1, 0).elapsed_ns == 60 * SECOND - 1
    assert not slow.tick(START + 60 * SECOND - 1, 0).over
    assert slow.tick(START + 60 * SECOND, 0).over
    back = slow.tick(START + 50 * SECOND, 1).tick(START, 1)
    assert (back.monotonic_ns, back.elapsed_ns) == (40 * SECOND + 2, 50 * SECOND)
    assert slow.tick(START, -1) == slow.tick(START, 0)
    assert slow.tick(START, 1).monotonic_ns == 40 * SECOND + 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        slow.elapsed_ns = 0  # type: ignore[misc] # the point


# --- opening ---


def test_nobody_opens_under_an_expired_charter(world: World) -> None:
    world.now = START + 300 * DAY
    assert refusal(world, world.emergency_value()) == "charter_expired"
    for at, code in ((START + 300 * DAY, "charter_expired"), (START, None)):
        value = Emergency.parse(world.emergency_value() | {"opened_at": format_time(at), "review_due": format_time(at + DAY)})
        if code is None:
            emergency.check_open(world.state, value, [party("e1"), party("e2")], at)
        else:
            with pytest.raises(GroundruleError) as caught:
                emergency.check_open(world.state, value, [party("e1"), party("e2")], at)
            assert code_of(caught.value) == code
    with pytest.raises(GroundruleError) as caught:
        emergency.check_open(World().state, value, [party("e1"), party("e2")], START)
    assert code_of(caught.value) == "no_charter"


def test_an_id_is_opened_once(world: World) -> None:
    name = world.open_emergency()
    value = world.state.emergencies[name].emergency
    with pytest.raises(GroundruleError) as caught:
        emergency.check_open(world.state, value, value.openers, START)
    assert code_of(caught.value) == "id_taken"


def test_both_openers_sign_whoever_signs_besides(world: World) -> None:
    value = world.emergency_value()
    assert opens(world, value, "e3", "e2", "e1")
    for signers in (("e1",), ("e2",), ("e3", "e4"), ("e1", "e3"), ("p1", "e1")):
        assert refusal(world, value, *signers) == "openers_unsigned"
        with pytest.raises(GroundruleError, match=f"^{len({'e1', 'e2'} & set(signers))} of 2 openers"):
            opens(world, value, *signers)
    for openers in (("e1", "p1"), ("p1", "p2"), ("g1", "e2")):
        assert refusal(world, world.emergency_value(openers=[party(each) for each in openers]), *openers) == "openers_not_in_role"


def test_the_time_of_opening_is_now(world: World) -> None:
    world.now += HOUR

    def opened(at: int, **changes: Any) -> dict[str, Any]:
        return world.emergency_value(**{"opened_at": format_time(at), "review_due": format_time(at + DAY)} | changes)

    assert opens(world, opened(world.now + 5 * SECOND))
    assert refusal(world, opened(world.now + 5 * SECOND + MS)) == "clock_stepped"
    assert opens(world, opened(world.now - 15 * MINUTE))
    assert refusal(world, opened(world.now - 15 * MINUTE - MS)) == "opened_too_late"
    assert opens(world, opened(world.now - 60 * SECOND, ttl_s=60))
    assert refusal(world, opened(world.now - 60 * SECOND - MS, ttl_s=60)) == "opened_too_late"


def test_one_that_is_signed_a_little_ahead_is_active_at_once_and_not_over(world: World) -> None:
    ahead = {"opened_at": format_time(START + 5 * SECOND), "review_due": format_time(START + DAY)}
    name = world.open_emergency(ttl_s=60, **ahead)
    assert active(world, START) == [name]
    assert emergency.expired(world.state, START) == ()
    assert active(world, START + 65 * SECOND - 1) == [name]
    assert active(world, START + 65 * SECOND) == []


def test_a_suspended_member_does_not_stand_beside_a_stranger() -> None:
    world = World.governed(covered_persons=[{"party": party("e3"), "as": "executive"}])
    world.log("contact", gw.own_contact("c", "e3", party("friend")))
    assert refusal(world, world.emergency_value(openers=[party("e1"), party("p1")]), "e1", "p1") == "openers_not_in_role"
    assert refusal(world, world.emergency_value(openers=[party("e1"), party("e3")]), "e1", "e3") == "openers_not_in_role"
    assert opens(world, world.emergency_value())


def test_the_clock_may_be_five_seconds_behind_the_log(world: World) -> None:
    world.now += HOUR
    world.log("request", gw.request_value())
    world.now -= 5 * SECOND
    assert opens(world, world.emergency_value())
    world.now -= MS
    assert refusal(world, world.emergency_value()) == "clock_stepped"


@pytest.mark.parametrize(("limit", "value", "fine"), [
    (1, 3600, True), (1, 3601, False), (24, 86_400, True), (2, 7200, True), (2, 7201, False),
])  # fmt: skip
def test_the_charter_bounds_its_life(limit: int, value: int, fine: bool) -> None:
    world = World.governed(limits=gw.charter_value()["limits"] | {"emergency_ttl_hours": limit})
    made = world.emergency_value(ttl_s=value)
    assert opens(world, made) if fine else refusal(world, made) == "ttl_too_long"


@pytest.mark.parametrize(("limit", "due", "fine"), [
    (10, 10 * HOUR, True), (10, 10 * HOUR + MS, False), (72, 72 * HOUR, True), (1, HOUR + MS, False),
])  # fmt: skip
def test_the_charter_bounds_the_time_to_its_review(limit: int, due: int, fine: bool) -> None:
    world = World.governed(limits=gw.charter_value()["limits"] | {"review_hours": limit})
    made = world.emergency_value(review_due=format_time(START + due))
    assert opens(world, made) if fine else refusal(world, made) == "review_too_late"


@pytest.mark.parametrize("digest", ["0" * 64, "f" * 64])
def test_the_policy_that_returns_is_the_one_in_force(world: World, digest: str) -> None:
    assert refusal(world, world.emergency_value(auto_revert_digest=digest)) == "stale_base"


def test_only_conditions_of_the_charter(world: World) -> None:
    for code in gw.charter().limits.emergency_conditions:
        assert opens(world, world.emergency_value(code, condition=code))
    assert refusal(world, world.emergency_value(condition="convenience")) == "condition_unknown"


# --- renewal ---


def renewal(world: World, of: str, name: str = "second", **changes: Any) -> dict[str, Any]:
    return world.emergency_value(name, **{"renewal_of": of, "scope": SCOPE} | changes)


@pytest.mark.parametrize("part", ["areas", "terminals", "ops"])
def test_a_renewal_may_touch_less_and_never_more(world: World, part: str) -> None:
    first = world.open_emergency("first", scope=SCOPE)
    more = {"areas": "c", "terminals": "v", "ops": "review"}[part]
    if part == "ops":
        world = World.governed()
        first = world.open_emergency("first", scope=SCOPE | {"ops": ["serve"]})
        assert opens(world, renewal(world, first, scope=SCOPE | {"ops": ["serve"]}))
        assert refusal(world, renewal(world, first, scope=SCOPE | {"ops": ["serve", more]})) == "renewal_wider"
        return
    assert opens(world, renewal(world, first))
    for other in SCOPE:
        assert opens(world, renewal(world, first, scope=SCOPE | {other: [SCOPE[other][0]]}))
    assert refusal(world, renewal(world, first, scope=SCOPE | {part: [*SCOPE[part], more]})) == "renewal_wider"
    assert refusal(world, renewal(world, first, scope=SCOPE | {part: [more]})) == "renewal_wider"


def test_a_renewal_keeps_direction_and_condition(world: World) -> None:
    for direction, other in (("permit_only", "deny_only"), ("deny_only", "permit_only")):
        scope = SCOPE | {"ops": ["review"]}
        first = world.open_emergency(direction, direction=direction, scope=scope | {"areas": [direction], "terminals": []})
        narrow = {"scope": scope | {"areas": [direction], "terminals": []}, "direction": direction}
        assert opens(world, renewal(world, first, **narrow))
        assert refusal(world, renewal(world, first, **narrow | {"direction": other})) == "renewal_wider"
    conditions = sorted(gw.charter().limits.emergency_conditions)
    first = world.open_emergency("middle", condition=conditions[2], scope=SCOPE)
    assert opens(world, renewal(world, first, condition=conditions[2]))
    for condition in (conditions[0], conditions[-1]):
        assert refusal(world, renewal(world, first, condition=condition)) == "renewal_wider"


def test_it_is_renewed_while_it_lasts_and_not_after(world: World) -> None:
    first = world.open_emergency("first", ttl_s=3600, scope=SCOPE)
    world.now += HOUR - MS
    assert opens(world, renewal(world, first))
    world.now += MS
    assert refusal(world, renewal(world, first)) == "renewal_too_late"
    assert refusal(world, renewal(world, gw.ident("emergency", "nothing"))) == "renewal_unknown"


def test_it_is_renewed_once(world: World) -> None:
    first = world.open_emergency("first", scope=SCOPE)
    second = world.open_emergency("second", scope=SCOPE, renewal_of=first)
    assert refusal(world, renewal(world, first, "third")) == "renewal_limit"
    assert refusal(world, renewal(world, second, "third")) == "renewal_limit"
    other = world.open_emergency("other", scope={"areas": ["elsewhere"], "terminals": [], "ops": ["serve"]})
    assert opens(world, renewal(world, other, "other again", scope={"areas": ["elsewhere"], "terminals": [], "ops": ["serve"]}))


def test_a_charter_may_allow_no_renewal() -> None:
    world = World.governed(limits=gw.charter_value()["limits"] | {"emergency_renewals": 0})
    first = world.open_emergency("first", scope=SCOPE)
    assert refusal(world, renewal(world, first)) == "renewal_limit"


# --- the same again under another name ---


@pytest.mark.parametrize(("scope", "direction", "same"), [
    ({"areas": ["a"], "terminals": []}, "permit_only", True), ({"areas": [], "terminals": ["u"]}, "permit_only", True),
    ({"areas": ["b", "c"], "terminals": ["v"]}, "permit_only", True), ({"areas": ["c"], "terminals": ["u", "v"]}, "permit_only", True),
    ({"areas": ["c"], "terminals": ["v"]}, "permit_only", False), ({"areas": ["t"], "terminals": ["a"]}, "permit_only", False),
    ({"areas": ["a"], "terminals": ["t"]}, "deny_only", False),
])  # fmt: skip
def test_what_touches_the_same_in_the_same_direction_is_a_renewal(world: World, scope: dict[str, Any], direction: str, same: bool) -> None:
    world.open_emergency("first", scope=SCOPE | {"ops": ["review"]})
    value = world.emergency_value("again", scope=scope | {"ops": ["review"]}, direction=direction)
    value = json.loads(json.dumps(value))
    assert refusal(world, value) == "renewal_disguised" if same else opens(world, value)


def test_the_other_direction_first(world: World) -> None:
    world.open_emergency("first", scope=SCOPE | {"ops": ["review"]}, direction="deny_only")
    assert opens(world, world.emergency_value("again", scope=SCOPE | {"ops": ["review"]}))
    assert refusal(world, world.emergency_value("again", scope=SCOPE | {"ops": ["review"]}, direction="deny_only")) == "renewal_disguised"


def test_any_of_several_may_be_the_same(world: World) -> None:
    for name in ("first", "second", "third"):
        world.open_emergency(name)
    first = {"areas": ["area first (invented)"], "terminals": [], "ops": ["serve"]}
    assert refusal(world, world.emergency_value("x", scope=first)) == "renewal_disguised"
    world.conclude(gw.ident("emergency", "first"))
    for name, same in (("first", False), ("second", True), ("third", True)):
        value = world.emergency_value("x", scope={"areas": [f"area {name} (invented)"], "terminals": [], "ops": ["serve"]})
        assert refusal(world, value) == "renewal_disguised" if same else opens(world, value)


# --- review ---


def test_an_overdue_review_reverts_and_freezes_from_its_hour(world: World) -> None:
    due = START + HOUR
    name = world.open_emergency(review_due=format_time(due))
    at = [due - 1, due, due + DAY]
    assert [active(world, each) for each in at] == [[name], [], []]
    assert [emergency.reverts(world.state, each) for each in at] == [(), (name,), (name,)]
    assert [emergency.overdue_reviews(world.state, each) for each in at] == [(), (name,), (name,)]
    assert [emergency.frozen(world.state, each) for each in at] == [False, True, True]
    world.now = due - MS
    assert opens(world, world.emergency_value("other"))
    world.now = due
    assert refusal(world, world.emergency_value("other")) == "role_frozen"


def test_the_log_tells_the_time_when_the_clock_is_set_back(world: World) -> None:
    name = world.open_emergency(review_due=format_time(START + HOUR))
    world.now += HOUR
    world.log("request", gw.request_value())
    assert emergency.overdue_reviews(world.state, START) == (name,)
    assert emergency.reverts(world.state, START) == (name,)
    assert emergency.frozen(world.state, START)
    assert active(world, START) == []


@pytest.mark.parametrize(("early", "stays"), [(MS, True), (0, False), (-HOUR, False)])
def test_a_review_in_time_leaves_it_and_a_late_one_does_not_bring_it_back(world: World, early: int, stays: bool) -> None:
    due = START + HOUR
    name = world.open_emergency(review_due=format_time(due))
    world.now = due - early
    world.conclude(name, due=format_time(due))
    assert active(world, due) == ([name] if stays else [])
    assert emergency.reverts(world.state, due) == (() if stays else (name,))
    assert emergency.overdue_reviews(world.state, due + DAY) == ()
    assert not emergency.frozen(world.state, due + DAY)


@pytest.mark.parametrize(("verdict", "ends"), [("upheld", False), ("partly", False), ("reversed", True)])
def test_only_a_reversal_ends_it_at_once(world: World, verdict: str, ends: bool) -> None:
    name = world.open_emergency()
    world.conclude(name, verdict)
    assert active(world, world.now) == ([] if ends else [name])
    assert emergency.reverts(world.state, world.now) == ((name,) if ends else ())


def test_a_closed_one_reverts_no_more(world: World) -> None:
    name = world.open_emergency()
    world.conclude(name, "reversed")
    world.log("emergency-close", {"emergency": name, "end": "reverted", "at": format_time(world.now)})
    assert emergency.reverts(world.state, world.now) == ()
    assert emergency.expired(world.state, world.now + DAY) == ()
    assert active(world, world.now) == []


def test_overdue_reviews_of_contacts_are_listed_after_those_of_emergencies(world: World) -> None:
    world.log("contact", gw.contact_value("c", party("p1"), party("x")))
    world.log("review", world.review_value(gw.ident("contact", "c"), None, due=format_time(START + HOUR)))
    name = world.open_emergency(review_due=format_time(START + 2 * HOUR))
    world.log("review", world.review_value(name, None, due=format_time(START + 2 * HOUR)))
    contact = gw.ident("contact", "c")
    at = [START + HOUR - 1, START + HOUR, START + 2 * HOUR - 1, START + 2 * HOUR]
    assert [emergency.overdue_reviews(world.state, each) for each in at] == [(), (contact,), (contact,), (name, contact)]
    assert [emergency.frozen(world.state, each) for each in at] == [False, False, False, True]
    world.log("review", gw.envelope("review", world.review_value(contact, due=format_time(START + HOUR)), "v1", "v2", "v3"))
    assert emergency.overdue_reviews(world.state, START + 2 * HOUR) == (name,)


def test_openings_are_counted_over_thirty_days(world: World) -> None:
    world.open_emergency("first", ttl_s=60)
    world.now += DAY
    world.open_emergency("second", ttl_s=60)
    at = [START - 1, START, START + DAY - 1, START + DAY, START + 30 * DAY - 1, START + 30 * DAY, START + 31 * DAY - 1, START + 31 * DAY]
    assert [emergency.opened_in(world.state, each) for each in at] == [0, 1, 1, 2, 2, 1, 1, 0]
    assert emergency.opened_in(world.state, START + DAY, days=1) == 1
    assert emergency.opened_in(world.state, START + DAY + MS, days=2) == 2
    assert emergency.COUNTED_DAYS == 30
