"""The clock of appeals, and what they commit to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import governed_world as gw
from governed_world import DAY, HOUR
from groundrule.errors import ConflictError, InputError
from groundrule.evidence.render.words import LANGUAGES, vocabulary
from groundrule.govern import requests
from groundrule.govern.appeals import ORDINARY_NS, PROTECTED_NS, Appealed, appeals, due_ns, limit_ns, steps
from groundrule.govern.refusal import code_of
from groundrule.ledger.audit.appeals import Appeals
from groundrule.pipeline.appealing import stages

WHAT = Appealed(7, 3, "ab" * 32).commit(bytes(32))


def value(name: object = "appeal", until_ns: int | None = None, **more: Any) -> dict[str, Any]:
    until = None if until_ns is None else gw.format_time(until_ns)
    ask = [{"op": "review", "object": WHAT, "from": None, "until": until, "detail": ""}]
    return gw.request_value(name, appeal_of=WHAT, ask=ask, **more)


@given(st.integers(-DAY, 40 * DAY).map(lambda ns: ns // 10**6 * 10**6))
def test_nobody_gives_an_appeal_more_than_its_clock(after: int) -> None:
    world = gw.World.governed()
    world.log("request", value(until_ns=world.now + after))
    due = due_ns(world.state.requests[gw.ident("request", "appeal")], 30)
    assert due == min(world.now + after, world.now + ORDINARY_NS)
    watch = Appeals()
    watch.take(1, world.now // 10**9, value(until_ns=world.now + after))
    (name, (index, seen)), = watch.waiting.items()
    assert (name, index, seen) == (gw.ident("request", "appeal"), 1, due // 10**9)


def test_a_request_that_is_no_appeal_keeps_the_days_of_the_charter() -> None:
    world = gw.World.governed()
    ask = [{"op": "review", "object": "x", "from": None, "until": gw.format_time(world.now + HOUR), "detail": ""}]
    world.log("request", gw.request_value("other", ask=ask))
    assert due_ns(world.state.requests[gw.ident("request", "other")], 30) == world.now + 30 * DAY
    assert appeals(world.state) == ()
    with pytest.raises(ConflictError) as caught:
        world.log("request", gw.outcome_value("other", "corrected"))
    assert code_of(caught.value) == "not_an_appeal"


@pytest.mark.parametrize("outcome", ["refused", "withdrawn", "corrected", "informally_followed"])
def test_an_answer_ends_it(outcome: str) -> None:
    world = gw.World.governed()
    world.log("request", value(until_ns=world.now + PROTECTED_NS))
    request = gw.ident("request", "appeal")
    world.now += PROTECTED_NS
    assert requests.overdue(world.state, world.now) == (request,)
    world.log("request", gw.outcome_value("appeal", outcome))
    assert requests.overdue(world.state, world.now + 90 * DAY) == ()
    assert steps(world.state.requests[request]) == [("pending", ""), (outcome, "because (invented)")]
    for language in LANGUAGES:
        told = stages(world.state.requests[request], vocabulary(language))
        assert len(told) == 2
        assert told[1].endswith("(invented)")


def test_what_is_committed_to_cannot_be_guessed_or_exchanged() -> None:
    salt = bytes(range(32))
    made = Appealed(7, 3, "ab" * 32)
    assert made.commit(salt) != made.commit(bytes(32))
    assert made.commit(salt) != Appealed(7, 4, "ab" * 32).commit(salt)
    assert made.commit(salt) == made.commit(salt)
    with pytest.raises(InputError, match="32 random bytes"):
        made.commit(b"short")
    assert limit_ns(protected=True) < limit_ns(protected=False)


@pytest.mark.parametrize(
    "body", [{}, {"id": 7}, {"id": "r"}, {"id": "r", "requester": "p", "appeal_of": None}, {"id": "r", "outcome": "refused"}]
)
def test_a_monitor_takes_no_other_entry_for_an_appeal(body: dict[str, Any]) -> None:
    watch = Appeals()
    watch.take(1, 0, body)
    assert watch.waiting == {}


@pytest.mark.parametrize("ask", [None, 7, [7], [{}], [{"op": "review", "until": 3}], [{"op": "review", "until": "soon"}]])
def test_a_monitor_follows_an_appeal_whose_asks_make_no_sense(ask: Any) -> None:
    watch = Appeals()
    watch.take(1, 100, {"id": "r", "requester": "p", "appeal_of": "x", "ask": ask})
    assert watch.overdue(100 + 14 * 86_400) == [("r", 1, 0)]
    assert watch.overdue(99 + 14 * 86_400) == []
