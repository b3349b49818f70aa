"""Nothing is opened, and no request for it answered, but by an enacted disclosure: random orders of acts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

import governed_world as gw
from groundrule.errors import ConflictError, InputError
from groundrule.govern.disclosure import Opening, Order, disclosures_of, order_of
from groundrule.govern.objects import Proposal
from groundrule.govern.refusal import code_of
from groundrule.govern.requests import FINAL

BASIS = {"kind": "court", "reference": "order 7 (invented)"}
HEX = st.binary(min_size=32, max_size=32).map(bytes.hex)
OPENINGS = st.lists(
    st.fixed_dictionaries(
        {"batch_index": st.integers(0, 10**6), "leaf_index": st.integers(0, 300), "leaf": HEX,
         "fields": st.lists(st.sampled_from(["position", "outcome", "terminal_id"]), min_size=1, max_size=3, unique=True)}
    ),
    min_size=1, max_size=4, unique_by=lambda each: str(each["leaf"]),
)  # fmt: skip


def change_of(openings: list[dict[str, Any]], recipient: str = gw.party("requester")) -> dict[str, Any]:
    order = Order.parse({"openings": openings, "recipient": recipient, "legal_basis": BASIS})
    return {"op": "disclose", "object": order.object, "before_sha256": order.before, "after": order.value, "after_sha256": None}


def asking(world: gw.World, op: str, name: str) -> str:
    ask = [{"op": op, "object": "one terminal (invented)", "from": None, "until": None, "detail": ""}]
    value = gw.request_value(name, ask=ask, legal_basis=BASIS)
    world.log("request", value)
    return str(value["id"])


def propose(world: gw.World, change: dict[str, Any], request: str) -> str:
    return world.propose(change_set=[change], requests=[request], **{"class": "disclosure"})


@given(
    acts=st.lists(
        st.sampled_from(["propose", "v1", "v2", "v3", "v3", "enact", "enact", "answer", "answer", "refuse", "informal"]),
        min_size=3, max_size=16,
    ),
    asks=st.sampled_from(["disclose", "serve"]),
)  # fmt: skip
def test_a_request_for_a_disclosure_is_only_answered_by_an_enacted_one(acts: list[str], asks: str) -> None:
    world = gw.World.governed()
    request = asking(world, asks, "r")
    world.screen(gw.party("requester"), gw.party("principal"))
    opening = [{"batch_index": 1, "leaf_index": 2, "leaf": "ab" * 32, "fields": ["position"]}]
    proposal, codes = None, set()
    for number, act in enumerate(acts):
        world.now += gw.MINUTE
        outcome = {"answer": "proposed", "refuse": "refused", "informal": "informally_followed"}.get(act)
        try:
            if act == "propose":
                proposal = propose(world, change_of(opening), request)
            elif act in ("v1", "v2", "v3") and proposal:
                world.approve(proposal, act)
            elif act == "enact" and proposal:
                if len(world.judge(proposal).counted) >= 3:
                    world.enact(proposal)
            elif outcome:
                world.log("request", gw.outcome_value("r", outcome, at=gw.format_time(world.now), outcome_reason=f"{number}"))
        except ConflictError as error:
            if act == "answer" and asks == "disclose" and world.state.requests[request].outcome not in FINAL:
                codes.add(code_of(error))
    assert codes <= {"not_disclosed", "not_proposed"}
    logged = world.state.requests[request]
    answered = any(each.outcome == "proposed" for each in logged.outcomes)
    event(f"{asks}: {'answered' if answered else 'not answered'}")
    if asks == "disclose":
        assert not answered or disclosures_of(world.state, request)
    else:
        assert proposal is None
        assert not answered


@given(OPENINGS, st.data())
def test_an_order_binds_its_records_and_reads_back(openings: list[dict[str, Any]], data: st.DataObject) -> None:
    order = Order.parse({"openings": openings, "recipient": gw.party("court"), "legal_basis": BASIS})
    assert Order.parse(order.value) == order
    assert order.object == f"record/{order.before[:32]}"
    which = data.draw(st.integers(0, len(openings) - 1))
    field = data.draw(st.sampled_from(["batch_index", "leaf_index"]))
    other = [dict(each) for each in openings]
    other[which][field] += 1
    assert Order.parse(order.value | {"openings": other}).before != order.before
    twice = [*openings, openings[which]]
    with pytest.raises(InputError):
        Order.parse(order.value | {"openings": twice})


@given(OPENINGS)
def test_a_change_that_names_other_records_than_its_digest_is_refused(openings: list[dict[str, Any]]) -> None:
    world = gw.World.governed()
    request = asking(world, "disclose", "r")
    change = change_of(openings)
    moved = [openings[0] | {"leaf_index": openings[0]["leaf_index"] + 1}, *openings[1:]]
    change["after"] = change_of(moved)["after"]
    with pytest.raises(ConflictError) as caught:
        propose(world, change, request)
    assert code_of(caught.value) == "other_records"
    assert isinstance(Opening.parse(openings[0]), Opening)
    made = propose(world, change_of(openings), request)
    assert isinstance(world.state.proposals[made].proposal, Proposal)
    assert order_of(world.state.proposals[made].proposal) == Order.parse(change_of(openings)["after"])


def test_the_way_through_is_open() -> None:
    world = gw.World.governed()
    request = asking(world, "disclose", "r")
    world.screen(gw.party("requester"), gw.party("principal"))
    proposal = propose(world, change_of([{"batch_index": 1, "leaf_index": 2, "leaf": "ab" * 32, "fields": ["position"]}]), request)
    with pytest.raises(ConflictError, match="enacted disclosure only"):
        world.log("request", gw.outcome_value("r", "proposed"))
    world.approve(proposal, "v1", "v2", "v3")
    world.enact(proposal)
    world.log("request", gw.outcome_value("r", "proposed"))
    assert disclosures_of(world.state, request) == (proposal,)
