"""The fold: replay gives the live state, wrong entries have no effect, questions about the past are answered."""

from __future__ import annotations

from functools import cache

import pytest

import governed_world as gw
from governed_world import DAY, HOUR, World, party
from groundrule.errors import ConflictError
from groundrule.govern.state import State


def story() -> World:
    return _story().copy()


@cache
def _story() -> World:
    world = World.governed()
    world.log("request", gw.request_value())
    world.screen(party("requester"), party("principal"))
    name = world.propose(requests=[gw.ident("request", "request")])
    world.approve(name, "p1")
    world.force("approval", world.approval(name, "author"))
    world.now += HOUR
    world.approve(name, "p2")
    world.enact(name)
    world.now += DAY
    world.open_emergency()
    world.log("contact", gw.own_contact("c", "p3", party("requester")))
    world.log("rejection", {"what": "approval", "digest": gw.digest("x"), "code": "wrong_person", "sentence": "another signed"})
    return world


def test_replay_gives_the_live_state() -> None:
    world = story()
    replayed = State.fold(world.entries)
    assert replayed.value() == world.state.value()
    assert replayed.digest == world.state.digest
    assert [each.code for each in replayed.violations] == ["not_in_role"]


def test_the_past_is_asked_by_index() -> None:
    world = story()
    for index in range(len(world.entries) + 1):
        assert world.state.as_of(index).digest == State.fold(world.entries[:index]).digest
    enacted = world.state.enactments[0].index
    assert world.state.as_of(enacted).policy_digest == gw.POLICY
    assert world.state.as_of(enacted + 1).policy_digest != gw.POLICY


def test_a_copy_goes_its_own_way() -> None:
    world = story()
    before = world.state.digest
    copy = world.state.copy()
    assert copy.digest == before
    ahead = World(world.now, copy, list(world.entries), world.counter)
    ahead.log("request", gw.outcome_value(outcome="withdrawn"))
    ahead.conclude(gw.ident("emergency", "emergency"))
    ahead.log("contact-update", {"id": gw.ident("contact", "c"), "status": "disputed", "by": party("p3"), "review": None,
                                 "evidence": [], "at": gw.format_time(world.now)})  # fmt: skip
    ahead.approve(ahead.propose("more"), "p4")
    assert world.state.digest == before
    assert ahead.state.digest != before
    assert world.state.verdict_on(gw.ident("emergency", "emergency")) is None


def test_policy_and_effect_by_time() -> None:
    world = story()
    state, made = world.state, world.state.enactments[0].enactment
    assert state.policy_at(state.began_ns - 1) is None
    assert state.policy_at(made.enacted_at - 1) == gw.POLICY
    assert state.policy_at(made.enacted_at) == made.policy_digest_after
    assert state.in_effect(made.enacted_at - 1) == ()
    assert state.in_effect(made.enacted_at) == (made.proposal_digest,)


def test_entries_out_of_order_are_no_log() -> None:
    world = story()
    with pytest.raises(ConflictError, match="out of order"):
        world.state.apply(0, world.now, "heartbeat", {})
    with pytest.raises(ConflictError, match="out of order"):
        world.state.apply(99, world.now - 1, "heartbeat", {})


def test_kinds_that_do_not_govern_change_nothing() -> None:
    world = story()
    before = world.state.digest
    world.force("heartbeat", {"minute": "2026-03-02T09:00:00.000Z"})
    assert world.state.digest == before
    with pytest.raises(ConflictError, match="do not govern"):
        world.state.check("heartbeat", {}, world.now)


@pytest.mark.parametrize("kind", ["charter", "request", "screening", "contact", "contact-update", "proposal", "approval",
                                  "enactment", "emergency-open", "emergency-close", "review", "rejection"])  # fmt: skip
@pytest.mark.parametrize("body", [{}, {"payload": 1}, {"payload": "e30=", "payloadType": "x", "signatures": []}, {"id": None}])
def test_rubbish_in_the_log_is_a_violation_and_nothing_else(kind: str, body: dict[str, object]) -> None:
    world = story()
    before = world.state.value()
    world.force(kind, body)
    after = world.state.value()
    assert len(after.pop("violations")) == len(before.pop("violations")) + 1
    assert before == after
