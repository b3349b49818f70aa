"""Intervals by cell: joined where they meet, found by cell and instant, forgotten when they are over."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from groundrule.detect.spans import Spans

ADDED = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(1, 8)), max_size=25)


def made(added: list[tuple[int, int, int]]) -> tuple[Spans, set[tuple[int, int]]]:
    """Spans of one code after the other in time, and every (code, instant) that lies in one."""
    spans, inside = Spans(), set()
    last: dict[int, int] = {}
    for code, pause, length in added:
        begin = last.get(code, 0) + pause - 2  # some overlap with what went before, some meet it, some leave a gap
        begin = max(begin, max((b for c, b, _ in spans.rows if c == code), default=0))
        spans.prolong(code, begin, begin + length)
        inside |= {(code, t) for t in range(begin, begin + length)}
        last[code] = max(last.get(code, 0), begin + length)
    return spans, inside


@given(ADDED)
def test_instants_are_held_as_a_set_of_them_says(added: list[tuple[int, int, int]]) -> None:
    spans, inside = made(added)
    code, t = (each.ravel() for each in np.meshgrid(np.arange(6), np.arange(-3, 260), indexing="ij"))
    held = spans.hold(code.astype(np.int32), t.astype(np.int64))
    assert {(int(c), int(s)) for c, s in zip(code[held], t[held], strict=True)} == inside
    for number in range(5):
        own = sorted(row[1:] for row in spans.rows if row[0] == number)
        assert all(first[1] < second[0] for first, second in pairwise(own))


@given(ADDED, st.integers(0, 40))
def test_what_is_forgotten_changes_nothing_from_there_on(added: list[tuple[int, int, int]], before: int) -> None:
    spans, inside = made(added)
    spans.forget(before)
    code, t = (each.ravel() for each in np.meshgrid(np.arange(5), np.arange(before, 260), indexing="ij"))
    held = spans.hold(code.astype(np.int32), t.astype(np.int64))
    assert {(int(c), int(s)) for c, s in zip(code[held], t[held], strict=True)} == {pair for pair in inside if pair[1] >= before}
    spans.prolong(0, 300, 310)
    assert spans.hold(np.array([0, 0], np.int32), np.array([305, 310])).tolist() == [True, False]
