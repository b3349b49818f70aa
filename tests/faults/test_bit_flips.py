"""A single bit anywhere in a log is found, and never signed over; the campaign turns one bit in every byte."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import log_flips


@pytest.mark.parametrize("part", range(4))
def test_every_flipped_bit_is_found_in_its_file(part: int) -> None:
    flips = log_flips.sample(1250, seed=part)
    assert len({name for name, _ in flips}) >= 8
    assert log_flips.undetected(flips, raw=True) == []


def test_every_bit_of_the_first_characters_of_a_signature_is_found() -> None:
    """Key id and signature share a character there."""
    data, flips = log_flips.files()["checkpoint"], []
    for line in range(5):
        start = data.index(b" ", data.index(b"\xe2\x80\x94", 0 if not flips else flips[-1][1] // 8) + 4) + 1
        flips += [("checkpoint", 8 * start + bit) for bit in range(8 * 7)]
        assert len(flips) == 56 * (line + 1)
    assert log_flips.undetected(flips, raw=True) == []


def test_every_flipped_bit_is_found_where_the_entries_are_read_too() -> None:
    assert log_flips.undetected(log_flips.sample(150, seed=99), raw=False) == []


def test_nothing_is_signed_over_damage(tmp_path: Path) -> None:
    damaged = log_flips.SignedOver(tmp_path)
    flips = damaged.sample(90, seed=5)
    outcomes = {flip: damaged.outcome(flip) for flip in flips}
    assert [flip for flip, outcome in outcomes.items() if outcome == "wrong"] == []
    # What is not signed yet is read again before it is; damage there is always refused.
    unsigned = [flip for flip in flips if flip[0] in ("tile/entries/002.p/88", "tile/0/002.p/88", ".state/treeState")]
    assert {outcomes[flip] for flip in unsigned} == {"refused"}
    assert Counter(outcomes.values())["refused"] >= 30
