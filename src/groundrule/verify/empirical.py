"""Empirical: thresholds of the tests where a chi-square p-value would be false, that is with public element sets.

The table is fitted by simulation from the measured errors of `ephemeris` (scripts/fit_verify_table.py): honest terminals,
whose satellites are off as real ones were, judged with the Student-t priors of the same age. Half of the satellites fit a
row, the other half check it. A row holds for its age or younger, its window or longer, its number of satellites or more.

Source: sections 7.3 and 18 (R5) of the specification.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from groundrule.verify.ephemeris import AGE_CLASSES
from groundrule.verify.model import Floats

Ints = NDArray[np.int64]

ALPHA = 1e-3
"""False-positive rate of the table's thresholds: smaller ones rest on a handful of events."""
LEAST_WINDOW_S = (60.0, 300.0, math.inf, math.inf)
"""Shortest window of a verdict by age class: 6 h, 24 h; older sets only with anchors."""
_DISTANCES_M = (1e3, 5e3, 10e3, 50e3, 100e3)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    Attributes:
        age_h, window_s, satellites: where it holds. runs: simulated honest windows behind it.
        t1: threshold of T1 and T3 at `ALPHA`. t2_excess: of the cost above its degrees of freedom, per satellite.
        held_out: false-positive rate of T1 on the other half of the satellites.
        seen: chance of detection at 1, 5, 10, 50, 100 km.
    """

    age_h: float
    window_s: float
    satellites: int
    runs: int
    t1: float
    t2_excess: float
    held_out: float
    seen: tuple[float, ...]

    @property
    def offset_m(self) -> float:
        """Distance at which 99 % of lies were seen [m], between the distances of the table; infinite where none is."""
        for k, (distance, chance) in enumerate(zip(_DISTANCES_M, self.seen, strict=True)):
            if chance >= 0.99:
                if k == 0:
                    return distance
                low, before = _DISTANCES_M[k - 1], self.seen[k - 1]
                part = (0.99 - before) / max(chance - before, 1e-9)
                return float(math.exp(math.log(low) + part * math.log(distance / low)))
        return math.inf


@cache
def table() -> tuple[Row, ...]:
    """The shipped table."""
    text = (files("groundrule.verify") / "empirical.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return tuple(
        Row(
            float(row["age_h"]), float(row["window_s"]), int(row["satellites"]), int(row["runs"]), float(row["t1"]),
            float(row["t2_excess"]), float(row["held_out"]), tuple(float(x) for x in row["seen"].split()),
        )
        for row in csv.DictReader(lines)
    )


def find(age_index: int, window_s: float, satellites: int) -> Row | None:
    """Return the row that holds for an age class, a window and a number of satellites, or None."""
    if window_s < 0.99 * LEAST_WINDOW_S[age_index]:
        return None
    fits = [
        row
        for row in table()
        if row.age_h == AGE_CLASSES[age_index].age_h and row.window_s <= window_s * 1.01 and row.satellites <= satellites
    ]
    return max(fits, key=lambda row: (row.window_s, row.satellites), default=None)


def limits(age_index: Ints, window_s: Floats, satellites: Ints) -> tuple[NDArray[np.bool_], Floats, Floats, Floats]:
    """Return for each terminal: whether a row holds, the threshold of T1, excess of T2 in all, and the offset [m]."""
    n = len(age_index)
    allowed = np.zeros(n, np.bool_)
    t1, excess, offset = np.full(n, math.inf), np.full(n, math.inf), np.full(n, math.inf)
    keys = np.stack([age_index, np.rint(window_s).astype(np.int64), satellites], axis=1)
    distinct, which = np.unique(keys, axis=0, return_inverse=True)
    for k, (age, window, count) in enumerate(distinct.tolist()):
        row = find(age, float(window), count)
        if row is not None:
            mine = which.ravel() == k
            allowed[mine] = True
            t1[mine], excess[mine], offset[mine] = row.t1, row.t2_excess * count, row.offset_m
    return allowed, t1, excess, offset
