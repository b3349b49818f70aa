"""The nonce that says duress: one form, no chance hits, nothing to see without the code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import governed_world as gw
from governed_world import HOUR
from groundrule.errors import InputError
from groundrule.govern.duress import Sign, approvals_under_duress, code_of, nonce_of

SEED = bytes(range(32))
ORDINARY, SECOND = code_of(SEED, b"ordinary words"), code_of(SEED, b"second words")


def test_only_the_code_of_the_second_passphrase_finds_it() -> None:
    world = gw.World.governed()
    proposal = world.propose()
    at = gw.format_time(world.now)
    for person, code in (("p1", SECOND), ("p2", ORDINARY)):
        world.log("approval", world.approval(proposal, person, nonce=nonce_of(code, proposal, at), signed_at=at))
    codes = {gw.party("p1"): SECOND, gw.party("p2"): SECOND}
    assert approvals_under_duress(world.state, codes) == [Sign(gw.party("p1"), proposal, 2)]
    assert approvals_under_duress(world.state, {gw.party("p2"): SECOND}) == []
    assert approvals_under_duress(world.state, {}) == []
    assert gw.party("p1") in world.judge(proposal).counted, "to the log it is an approval like any other"


@given(st.binary(max_size=60), st.binary(max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_nonces_differ_by_passphrase_and_by_what_is_signed(one: bytes, two: bytes, what: str, when: str) -> None:
    first, second = code_of(SEED, one), code_of(SEED, two)
    assert (first == second) is (one == two)
    made = nonce_of(first, what, when)
    assert len(made) == 32
    assert int(made, 16) >= 0
    assert made == nonce_of(first, what, when)
    assert made != nonce_of(first, what + "x", when)
    if one != two:
        assert made != nonce_of(second, what, when)


def test_bits_of_nonces_are_even() -> None:
    """Both kinds look random: each bit is set in half of 2,000 nonces, within five standard deviations."""
    for code in (ORDINARY, SECOND):
        numbers = [int(nonce_of(code, "proposal", str(n)), 16) for n in range(2_000)]
        assert len(set(numbers)) == len(numbers)
        for bit in range(128):
            assert abs(sum(number >> bit & 1 for number in numbers) - 1_000) < 112


def test_a_code_has_32_bytes() -> None:
    with pytest.raises(InputError, match="it has 32"):
        nonce_of(b"short", "x")


def test_a_review_of_a_proposal_holds_it_up_until_it_is_due_and_a_finding_against_it_for_good() -> None:
    world = gw.World.governed()
    world.screen()
    held, fine = world.propose("held"), world.propose("fine")
    for proposal in (held, fine):
        world.approve(proposal, "p1", "p2")
    assert world.judge(held).satisfied
    world.log("review", world.review_value(held, None))
    assert [each.code for each in world.judge(held).blocks] == ["under_review"]
    assert world.judge(fine).satisfied
    world.now += 72 * HOUR - 1_000_000
    assert "under_review" in [each.code for each in world.judge(held).blocks]
    world.now += 1_000_000
    assert "under_review" not in [each.code for each in world.judge(held).blocks], "one person must not hold it up for ever"
    reversed_ = gw.World.governed()
    proposal = reversed_.propose("held")
    reversed_.approve(proposal, "p1", "p2")
    reversed_.conclude(proposal, "reversed")
    assert [each.code for each in reversed_.judge(proposal).blocks] == ["review_reversed"]
    upheld = gw.World.governed()
    proposal = upheld.propose("held")
    upheld.approve(proposal, "p1", "p2")
    upheld.conclude(proposal, "upheld")
    assert upheld.judge(proposal).satisfied
