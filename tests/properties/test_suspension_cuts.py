"""What a disturbed area withdraws does not depend on where observations were cut into batches."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from groundrule.detect.rows import SUSPENDED, Rows
from groundrule.detect.signals import Signal
from groundrule.instant import NS_PER_S
from groundrule.pipeline.suspension import HELD_S, WITHDRAWN_S, Suspension
from moved_rows import START_NS, rows_of

KINDS = ("impossible_travel", "drone_flight")
"""One that is held back, and one that counts at once."""
# The ends of both waits, exactly and beside them, are what goes wrong.
SECONDS = st.sampled_from([0, 15, 30, int(HELD_S) - 15, int(HELD_S), int(HELD_S) + 15, int(WITHDRAWN_S) - 15, int(WITHDRAWN_S), 315, 400])


def part(rows: Rows, first: int, end: int) -> Rows:
    return Rows(*(getattr(rows, name)[first:end] for name in Rows.__slots__))


def outcome(rows: Rows, signals: list[Signal], cuts: list[int]) -> tuple[Counter[str], Counter[str]]:
    """What stands and what is held in the end, when batches end at these rows."""
    suspension, stands, end = Suspension(), Counter[str](), 0
    for first, end in zip([0, *cuts], [*cuts, len(rows.t_ns)], strict=True):
        batch = part(rows, first, end)
        found = [each for each in signals if len(batch.t_ns) and _raised_in(rows, each) in range(first, end)]
        standing = suspension.weigh([1] * len(found), found, batch)
        stands.update(f"{each.kind} {each.from_at}" for each in standing.counting if each.lasting_s is None)
        stands.subtract(f"{each.kind} {each.from_at}" for _, each, _ in standing.undone)
    held = Counter(f"{each.kind} {each.from_at}" for each in suspension.end(int(rows.t_ns[-1])))
    return +stands, held


def _raised_in(rows: Rows, signal: Signal) -> int:
    return int(np.flatnonzero((rows.t_ns == signal.raised_at) & (rows.row == 1))[0])


@settings(max_examples=400, deadline=None)
@given(
    own=st.sets(SECONDS, min_size=1, max_size=6),
    others=st.lists(SECONDS, max_size=4),
    suspended=st.sets(SECONDS, max_size=2),
    raised=st.lists(st.tuples(st.sampled_from([0, 15, int(HELD_S)]), st.sampled_from(KINDS)), min_size=1, max_size=3),
)
def test_batches_may_be_cut_anywhere(
    own: set[int], others: list[int], suspended: set[int], raised: list[tuple[int, str]]
) -> None:
    times = sorted(own | suspended | {second for second, _ in raised})
    row = [1] * len(times) + [0] * len(others)  # the other one comes first at an instant
    at = np.array(times + others, np.int64)
    rows = rows_of(row, START_NS + at * NS_PER_S, np.full(len(at), 48.0), np.full(len(at), 35.0))
    hit = np.isin(rows.t_ns, [START_NS + second * NS_PER_S for second in suspended]) & (rows.row == 1)
    gnss = rows.gnss.copy()
    gnss[hit] = SUSPENDED
    rows = replace(rows, gnss=gnss)
    signals = [Signal(kind, "t", START_NS + second * NS_PER_S, number, 0.5) for number, (second, kind) in enumerate(raised)]
    whole = outcome(rows, signals, [])
    for cut in range(len(at)):
        assert outcome(rows, signals, [cut]) == whole
    assert outcome(rows, signals, list(range(len(at)))) == whole
