"""What is due stays visible: requests that nobody ended (I15) and seals that nobody opened (I19), against plain models.

500 examples each, or GROUNDRULE_EXAMPLES. Requests are judged on the fold of the log; seals in a real home, which is made once
and carries on from example to example.
"""

from __future__ import annotations

import os
from typing import Any

import hypothesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_governance import ACTS, NAMES, Player, refold
from slow_governance import Facts

from governed_world import DAY
from groundrule.govern import requests

EXAMPLES = int(os.environ.get("GROUNDRULE_EXAMPLES", "500"))
MANY = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
MS = 1_000_000
OFTEN = [ACTS.index(NAMES.index(name)) for name in ("request", "outcome", "outcome", "propose", "wait", "negative", "approve", "enact")]
"""Acts that end a request or keep it open."""
LETTERS = st.lists(st.tuples(st.sampled_from(OFTEN), *(st.integers(0, 7),) * 3), min_size=4, max_size=14)


@MANY
@given(st.sampled_from([0, 0, 10, 20, 29, 30]), LETTERS, st.integers(0, 40 * DAY // MS))
def test_i15_every_request_has_a_final_outcome_or_is_overdue(days_before: int, script: Any, later: int) -> None:
    player = Player.new()
    world = player.world
    world.now += days_before * DAY
    player.play(script)
    state, facts = world.state, Facts(world.entries)
    assert set(state.requests) == set(facts.requests)
    assert {id_: logged.outcome for id_, logged in state.requests.items()} == {id_: facts.said_of(id_) for id_ in facts.requests}
    days = state.charter.limits.request_days * DAY  # type: ignore[union-attr]  # there is a charter
    dues = [logged.t_ns + days + step for logged in state.requests.values() for step in (-MS, 0)]
    for at in sorted({world.now, world.now + later * MS, *dues}):
        stands = {id_: facts.where_stands(id_, at // MS) for id_ in facts.requests}
        assert set(requests.overdue(state, at)) == {id_ for id_, found in stands.items() if found == "overdue"}
        for id_, logged in state.requests.items():
            found = requests.clock(state, logged, at)
            assert found.ended == (stands[id_] == "ended")
            hypothesis.event(f"{stands[id_]} after {logged.outcome}")
            # No third way: in its days, ended by an entry, or listed.
            assert found.ended or found.overdue or at < found.due_ns
    # After the days of everything, what is not ended is listed; and the log alone says so.
    end = world.now + 400 * DAY
    never = {id_ for id_ in facts.requests if facts.where_stands(id_, end // MS) != "ended"}
    assert set(requests.overdue(refold(world.entries), end)) == never
    assert never == {id_ for id_ in facts.requests if facts.said_of(id_) == "pending"}
