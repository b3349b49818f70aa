"""The clock is judged from both sides, and what waited too long on its way into the log is replaced by its rejection."""

from __future__ import annotations

from typing import Any

import pytest

import governed_world as gw
from governed_world import MINUTE, SECOND, START, World
from groundrule.govern.clock import Asked, clock_refusal, overtaken
from groundrule.govern.signed import format_time


def said(now: int, **more: Any) -> str | None:
    found = clock_refusal(now, **({"last_ns": START - MINUTE} | more))
    assert found is None or found.code == "clock_stepped"
    return None if found is None else found.sentence


def asked(ours: int, theirs: int) -> Asked:
    return Asked(ours, ours + SECOND, theirs, theirs)


def test_five_seconds_are_accepted_and_no_more() -> None:
    assert said(START, last_ns=START + 5 * SECOND) is None
    assert "behind the last entry" in str(said(START, last_ns=START + 5 * SECOND + 1))
    assert said(START, seen_ns=START + 5 * SECOND) is None
    assert "witnesses saw the log" in str(said(START, seen_ns=START + 5 * SECOND + 1))


@pytest.mark.parametrize(
    ("off_ns", "words"),
    [
        # Witnesses state whole seconds: up to one more may have passed when they said so.
        (6 * SECOND, None),
        (6 * SECOND + 1, "6 s ahead of the quorum"),
        # The second that asking took is counted for us.
        (-6 * SECOND, None),
        (-6 * SECOND - 1, "5 s behind the quorum"),
    ],
)
def test_the_quorum_of_witnesses_says_the_time_from_both_sides(off_ns: int, words: str | None) -> None:
    found = said(START + off_ns, asked=asked(START + off_ns, START))
    assert (found is None) == (words is None)
    assert (words or "") in (found or "")


def test_an_enactment_waits_ten_minutes_for_the_log_and_no_longer() -> None:
    body = {"proposal_digest": gw.digest("p"), "enacted_at": format_time(START)}
    assert overtaken("enactment", body, START + 10 * MINUTE) is None
    found = overtaken("enactment", body, START + 10 * MINUTE + 1)
    assert found is not None
    assert (found.what, found.digest_, found.code) == ("enactment", gw.digest("p"), "logged_too_late")


@pytest.mark.parametrize(("ttl_s", "minutes"), [(86_400, 15), (300, 5)])
def test_an_emergency_is_logged_while_it_lasts_and_within_fifteen_minutes(ttl_s: int, minutes: int) -> None:
    world = World.governed()
    value = world.emergency_value(ttl_s=ttl_s)
    body = gw.envelope("emergency", value, "e1", "e2")
    assert overtaken("emergency-open", body, world.now + minutes * MINUTE) is None
    found = overtaken("emergency-open", body, world.now + minutes * MINUTE + 1)
    assert found is not None
    assert found.what == "emergency-open"


def test_what_is_no_act_of_time_is_left_alone() -> None:
    assert overtaken("request", {"at": format_time(START)}, START + 10**18) is None
    assert overtaken("enactment", {}, START) is None
    assert overtaken("enactment", {"proposal_digest": "x", "enacted_at": "soon"}, START) is None
    assert overtaken("emergency-open", {"payload": "?"}, START) is None
