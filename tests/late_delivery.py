"""Deliveries of one stream over several runs: out of order, repeated, and late by at most 72 hours."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from groundrule.pipeline.runs import LATE_NS


def deliver(whole: pa.Table, seed: int) -> tuple[list[pa.Table], int]:
    """Split a stream into two to four runs, 10 % of it late and every row delivered three times.

    Returns:
        One table per run, shuffled, and how many rows were moved to a later run than their time asks for.
    """
    rng = np.random.default_rng(seed)
    n, count = len(whole), int(rng.integers(2, 5))
    times = whole["observed_at"].to_numpy()
    ids = np.array(whole["terminal_id"].to_pylist())
    cuts = np.sort(rng.choice(times, count - 1, replace=False))
    run = np.searchsorted(cuts, times, side="right")
    moved = 0
    for row in rng.permutation(n)[: n // 10]:
        later = int(rng.integers(run[row], count))
        # What its terminal has shown before that run may lie at most 72 hours ahead.
        others = (ids == ids[row]) & (run < later)
        if later > run[row] and (not others.any() or times[others].max() - times[row] <= LATE_NS):
            run[row] = later
            moved += 1
    delivered: list[list[int]] = [[] for _ in range(count)]
    for row in range(n):
        delivered[run[row]].append(row)
        for _ in range(2):
            delivered[int(rng.integers(run[row], count))].append(row)
    return [whole.take(pa.array(rng.permutation(rows).astype(np.int64))) for rows in delivered if rows], moved
