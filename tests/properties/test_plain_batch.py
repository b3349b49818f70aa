"""The plain evaluator for many rows says what the plain evaluator for one row says, also of broken evidence."""

from __future__ import annotations

import random

import numpy as np
import pytest
import random_rules

from groundrule.rules.compile import compile_rulebook
from groundrule.rules.plain_batch import Memo, plain_outcomes
from groundrule.rules.reference import decide_one, row_of


@pytest.mark.parametrize("block", range(8))
def test_equal_to_the_reference_on_random_rulebooks(block: int) -> None:
    memo: Memo = {}
    for seed in range(block * 40, block * 40 + 40):
        rng = random.Random(seed)
        book = random_rules.rulebook(rng)
        latches = compile_rulebook(book).latches
        batch = random_rules.batch(rng, 20, len(latches))
        found, distinct = plain_outcomes(book, batch, latches, memo)
        wanted = [int(decide_one(book, row_of(batch, row, latches)).outcome) for row in range(len(batch))]
        assert found.tolist() == wanted, f"seed {seed}"
        assert 0 < distinct <= len(batch)


def test_an_empty_batch_has_no_outcomes() -> None:
    rng = random.Random(1)
    book = random_rules.rulebook(rng)
    latches = compile_rulebook(book).latches
    found, distinct = plain_outcomes(book, random_rules.batch(rng, 0, len(latches)), latches)
    assert (found.tolist(), distinct) == ([], 0)
    assert found.dtype == np.uint8
