"""Break-glass: opening, renewing, ending, reviewing."""

from __future__ import annotations

from typing import Any

import pytest

import governed_world as gw
from governed_world import DAY, HOUR, SECOND, World, party
from groundrule.errors import GroundruleError
from groundrule.govern import emergency
from groundrule.govern.emergency import Running
from groundrule.govern.objects import Emergency
from groundrule.govern.refusal import code_of
from groundrule.govern.signed import format_time


@pytest.fixture
def world() -> World:
    return World.governed()


def refusal(world: World, value: dict[str, Any], *signers: str, kind: str = "emergency-open") -> str:
    with pytest.raises(GroundruleError) as caught:
        world.state.check(kind, gw.envelope(kind.removesuffix("-open"), value, *signers), world.now)
    return code_of(caught.value)


def active(world: World, **monotonic: int) -> set[str]:
    return {each.id for each in emergency.active(world.state, world.now, monotonic or None)}


def test_two_persons_open_it_and_it_ends_by_itself(world: World) -> None:
    name = world.open_emergency(ttl_s=3600)
    assert active(world) == {name}
    world.now += HOUR - 1
    assert active(world) == {name}
    world.now += 1
    assert active(world) == set()
    assert emergency.expired(world.state, world.now) == (name,)
    world.log("emergency-close", {"emergency": name, "end": "expired", "at": format_time(world.now)})
    assert emergency.expired(world.state, world.now) == ()
    assert world.state.policy_digest == gw.POLICY


@pytest.mark.parametrize(
    ("changes", "signers", "code"),
    [
        ({}, ("e1",), "openers_unsigned"),
        ({}, ("e1", "e1"), "openers_unsigned"),
        ({}, ("e1", "e3"), "openers_unsigned"),
        ({"openers": [party("e1"), party("p1")]}, ("e1", "p1"), "openers_not_in_role"),
        ({"condition": "convenience"}, ("e1", "e2"), "condition_unknown"),
        ({"auto_revert_digest": gw.digest("other")}, ("e1", "e2"), "stale_base"),
        ({"opened_at": format_time(gw.START - 901 * SECOND), "review_due": format_time(gw.START + DAY)}, ("e1", "e2"), "opened_too_late"),
        ({"opened_at": format_time(gw.START + 6 * SECOND)}, ("e1", "e2"), "clock_stepped"),
        ({"renewal_of": gw.ident("emergency", "nothing")}, ("e1", "e2"), "renewal_unknown"),
    ],
)
def test_what_is_wrong_is_refused(world: World, changes: dict[str, Any], signers: tuple[str, ...], code: str) -> None:
    assert refusal(world, world.emergency_value(**changes), *signers) == code


def test_the_limits_of_the_charter_hold() -> None:
    world = World.governed(limits=gw.charter_value()["limits"] | {"emergency_ttl_hours": 2, "review_hours": 10})
    fit = {"ttl_s": 7200, "review_due": format_time(world.now + 10 * HOUR)}
    assert refusal(world, world.emergency_value(**(fit | {"ttl_s": 7201})), "e1", "e2") == "ttl_too_long"
    late = fit | {"review_due": format_time(world.now + 10 * HOUR + 10**6)}
    assert refusal(world, world.emergency_value(**late), "e1", "e2") == "review_too_late"
    world.open_emergency("fit", **fit)


def test_one_renewal_no_wider_and_only_while_it_lasts(world: World) -> None:
    first = world.open_emergency("first")
    scope = {"areas": ["area first (invented)"], "terminals": [], "ops": ["serve"]}
    wider = scope | {"areas": ["area first (invented)", "more"]}
    assert refusal(world, world.emergency_value("x", renewal_of=first, scope=wider), "e1", "e2") == "renewal_wider"
    world.now += 23 * HOUR
    second = world.open_emergency("second", renewal_of=first, scope=scope)
    third = world.emergency_value("third", renewal_of=second, scope=scope)
    assert refusal(world, third, "e1", "e2") == "renewal_limit"
    assert refusal(world, third | {"renewal_of": first}, "e1", "e2") == "renewal_limit"
    world.now += 2 * HOUR
    assert active(world) == {second}
    assert refusal(world, world.emergency_value("y", renewal_of=first, scope=scope), "e1", "e2") == "renewal_too_late"
    assert refusal(world, world.emergency_value("first again", scope=scope), "e1", "e2") == "renewal_disguised"
    assert emergency.opened_in(world.state, world.now) == 2


def test_after_a_review_the_same_may_be_opened_anew(world: World) -> None:
    scope = {"areas": ["a"], "terminals": [], "ops": ["serve"]}
    first = world.open_emergency("first", scope=scope)
    assert refusal(world, world.emergency_value("again", scope=scope), "e1", "e2") == "renewal_disguised"
    world.conclude(first)
    world.now += 2 * DAY
    world.open_emergency("again", scope=scope)


def test_an_overdue_review_reverts_freezes_and_is_listed() -> None:
    world = World.governed()
    name = world.open_emergency(review_due=format_time(world.now + HOUR))
    world.now += HOUR
    assert active(world) == set()
    assert emergency.overdue_reviews(world.state, world.now) == (name,)
    assert emergency.reverts(world.state, world.now) == (name,)
    assert refusal(world, world.emergency_value("other"), "e3", "e4") == "role_frozen"
    world.log("emergency-close", {"emergency": name, "end": "reverted", "at": format_time(world.now)})
    world.conclude(name, due=format_time(world.state.emergencies[name].emergency.review_due))
    assert emergency.overdue_reviews(world.state, world.now) == ()
    world.open_emergency("other", "e3", "e4", openers=[party("e3"), party("e4")])
    assert active(world) == {gw.ident("emergency", "other")}


def test_a_review_that_reverses_ends_it(world: World) -> None:
    name = world.open_emergency()
    world.conclude(name, "reversed")
    assert active(world) == set()
    assert emergency.reverts(world.state, world.now) == (name,)


def test_openers_do_not_review_themselves() -> None:
    roles = gw.charter_value()["roles"]
    roles["emergency"] = gw.k_of([party("v1"), party("v2"), party("v3"), party("e1")], 2)
    world = World.governed(roles=roles)
    name = world.open_emergency("own", "v1", "e1", openers=[party("v1"), party("e1")])
    value = world.review_value(name)
    assert refusal(world, value, "v1", "v2", "v3", kind="review") == "involved"
    assert refusal(world, value | {"reviewers": [party("v2"), party("v3")]}, "v2", "v3", kind="review") == "quorum"
    assert refusal(world, value | {"reviewers": [party("v2"), party("v3"), party("v4")]}, "v2", "v3", kind="review") == "bad_signature"
    world.log("review", gw.envelope("review", value | {"reviewers": [party(v) for v in ("v2", "v3", "v4")]}, "v2", "v3", "v4"))


def test_a_review_is_opened_first_and_concluded_later(world: World) -> None:
    name = world.open_emergency()
    opened = world.review_value(name, None)
    world.log("review", opened)
    world.log("review", opened)
    assert refusal(world, world.review_value(name, due=format_time(world.now + HOUR)), "v1", "v2", "v3", kind="review") == "id_taken"
    world.log("review", gw.envelope("review", world.review_value(name), "v1", "v2", "v3"))
    assert world.state.verdict_on(name) == "upheld"
    assert refusal(world, world.review_value(name, "reversed"), "v1", "v2", "v3", kind="review") == "id_taken"
    assert refusal(world, world.review_value(gw.digest("nothing")), "v1", "v2", "v3", kind="review") == "unknown_case"


def test_only_the_role_closes_early(world: World) -> None:
    name = world.open_emergency()
    close = {"emergency": name, "end": "closed", "at": format_time(world.now)}
    assert refusal(world, close, "p1", kind="emergency-close") == "bad_signature"
    assert refusal(world, close | {"end": "expired"}, "e1", kind="emergency-close") == "not_over"
    assert refusal(world, close | {"end": "reverted"}, "e1", kind="emergency-close") == "not_over"
    world.log("emergency-close", gw.envelope("emergency-close", close, "e3"))
    assert active(world) == set()


def test_a_suspended_person_opens_nothing() -> None:
    world = World.governed(covered_persons=[{"party": party("e1"), "as": "executive"}])
    world.log("contact", gw.own_contact("c", "e1", party("friend")))
    assert refusal(world, world.emergency_value(), "e1", "e2") == "openers_not_in_role"


def test_no_clock_prolongs_it(world: World) -> None:
    name = world.open_emergency(ttl_s=3600)
    made = world.state.emergencies[name].emergency
    assert emergency.active(world.state, world.now - DAY, {name: 3600 * SECOND - 1}) == (made,)
    assert emergency.active(world.state, world.now - DAY, {name: 3600 * SECOND}) == ()
    world.now += 2 * HOUR
    world.log("request", gw.request_value())
    assert emergency.active(world.state, world.now - DAY) == ()  # the log knows better


def test_what_an_enforcement_point_keeps(world: World) -> None:
    running = Running.load(Emergency.parse(world.emergency_value(ttl_s=3600)))
    running = running.tick(world.now - DAY, HOUR // 2)
    assert not running.over
    assert running.tick(world.now - DAY, -HOUR).monotonic_ns == HOUR // 2
    ahead = running.tick(world.now + DAY, 0)
    assert ahead.over
    assert ahead.tick(world.now, 0).over
    assert running.tick(world.now - DAY, HOUR // 2).over
