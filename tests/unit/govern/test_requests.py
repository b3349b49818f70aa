"""Requests end, or are shown as overdue; contradicting obligations are found."""

from __future__ import annotations

from typing import Any

import pytest

import governed_world as gw
from governed_world import DAY, HOUR, World, party
from groundrule.errors import GroundruleError
from groundrule.govern import requests
from groundrule.govern.refusal import code_of

ID = gw.ident("request", "request")


@pytest.fixture
def world() -> World:
    made = World.governed()
    made.log("request", gw.request_value())
    return made


def refusal(world: World, body: dict[str, Any]) -> str:
    with pytest.raises(GroundruleError) as caught:
        world.state.check("request", body, world.now)
    return code_of(caught.value)


@pytest.mark.parametrize("outcome", ["refused", "withdrawn", "informally_followed"])
def test_every_request_ends_or_is_overdue(world: World, outcome: str) -> None:
    world.now += 30 * DAY - 1_000_000
    assert requests.overdue(world.state, world.now) == ()
    world.now += 1_000_000
    assert requests.overdue(world.state, world.now) == (ID,)
    world.log("request", gw.outcome_value(outcome=outcome))
    assert requests.overdue(world.state, world.now) == ()
    assert requests.alerts(world.state) == ((ID,) if outcome == "informally_followed" else ())
    assert refusal(world, gw.outcome_value(outcome="withdrawn", outcome_reason="second thoughts")) == "request_ended"


def test_proposed_is_final_when_the_proposal_has_ended(world: World) -> None:
    world.screen(party("requester"), party("principal"))
    assert refusal(world, gw.outcome_value(outcome="proposed")) == "not_proposed"
    name = world.propose(requests=[ID])
    world.log("request", gw.outcome_value(outcome="proposed"))
    logged = world.state.requests[ID]
    assert not requests.clock(world.state, logged, world.now).ended
    world.approve(name, "p1", "p2")
    world.enact(name)
    assert requests.clock(world.state, logged, world.now).ended
    world.now += 40 * DAY
    assert requests.overdue(world.state, world.now) == ()


def test_a_request_is_recorded_once(world: World) -> None:
    world.log("request", gw.request_value())
    assert len(world.state.requests) == 1
    assert refusal(world, gw.request_value(purpose="military")) == "id_taken"
    assert refusal(world, gw.outcome_value("nothing")) == "unknown_request"
    assert refusal(world, gw.request_value("x", received_by=party("stranger"))) == "not_in_charter"
    late = gw.format_time(world.now + HOUR)
    assert refusal(world, gw.request_value("x", recorded_at=late)) == "from_future"


def test_an_ended_request_carries_no_proposal(world: World) -> None:
    world.log("request", gw.outcome_value())
    with pytest.raises(GroundruleError) as caught:
        world.propose(requests=[ID])
    assert code_of(caught.value) == "request_ended"


def test_contradicting_obligations_are_found_and_the_priority_is_recorded(world: World) -> None:
    def asks(op: str, object_: str = "area/north (invented)") -> list[dict[str, Any]]:
        return [{"op": op, "object": object_, "from": None, "until": None, "detail": ""}]

    world.log("request", gw.request_value("deny", ask=asks("deny")))
    world.log("request", gw.request_value("elsewhere", ask=asks("deny", "area/south (invented)")))
    world.log("request", gw.request_value("refrain", ask=asks("refrain")))
    found = requests.conflicting(world.state, world.state.requests[ID].request)
    assert found == (gw.ident("request", "deny"), gw.ident("request", "refrain"))
    outcome = gw.outcome_value(conflicts=list(found), priority="court before contract (invented)")
    assert refusal(world, outcome | {"conflicts": [gw.ident("request", "nothing")]}) == "unknown_conflict"
    world.log("request", outcome)
    assert world.state.requests[ID].outcomes[-1].priority
    refused = world.state.requests[gw.ident("request", "deny")].request
    assert requests.conflicting(world.state, refused) == (gw.ident("request", "refrain"),)


def test_lateness_of_a_request_is_shown(world: World) -> None:
    start = gw.format_time(gw.START - 5 * DAY)
    world.log("request", gw.request_value("old", occurred_at=start, received_at=start))
    logged = world.state.requests[gw.ident("request", "old")]
    assert requests.clock(world.state, logged, world.now).late_ns == 5 * DAY


def test_an_appeal_has_a_clock_like_any_request(world: World) -> None:
    ask = [{"op": "review", "object": "decision 7 (invented)", "from": None, "until": None, "detail": ""}]
    world.log("request", gw.request_value("appeal", appeal_of="decision 7 (invented)", ask=ask))
    world.now += 30 * DAY
    assert gw.ident("request", "appeal") in requests.overdue(world.state, world.now)
