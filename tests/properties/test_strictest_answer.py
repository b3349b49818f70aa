"""A what-if names of each terminal the first of its strictest answers, and the last, wherever observations were cut into batches."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from groundrule.pipeline.whatif import Tally

ANSWER = st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 1), st.integers(-1, 4), st.integers(-1, 2))
ANSWERS = st.lists(ANSWER, min_size=1, max_size=12)
"""Terminal, outcome, service state, rule and class of each observation."""


@given(answers=ANSWERS, cuts=st.sets(st.integers(0, 12)))
def test_the_first_of_the_strictest_answers_counts(answers: list[tuple[int, int, int, int, int]], cuts: set[int]) -> None:
    tally = Tally.empty(0)
    ends = [*sorted(cut for cut in cuts if cut < len(answers)), len(answers)]
    for first, end in zip([0, *ends], ends, strict=False):
        rows, outcome, state, rule, klass = np.array(answers[first:end], np.int32).reshape(-1, 5).T
        decided = SimpleNamespace(outcome=outcome, state=state, rule=rule, klass=klass)
        tally.add(SimpleNamespace(rows=rows, decided=decided))  # type: ignore[arg-type]  # all that is read of it
    for terminal in {answer[0] for answer in answers}:
        mine = [answer[1:] for answer in answers if answer[0] == terminal]
        strictest = max(mine, key=lambda answer: answer[0])
        assert (tally.strictest[terminal], tally.state[terminal], tally.rule[terminal], tally.klass[terminal]) == strictest
        assert (tally.last[terminal], tally.last_state[terminal], tally.last_rule[terminal], tally.last_klass[terminal]) == mine[-1]
    assert (np.delete(tally.strictest, sorted({answer[0] for answer in answers})) == 255).all()
