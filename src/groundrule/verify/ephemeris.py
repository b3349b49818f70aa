"""Ephemeris: how far a satellite may be from where its elements put it, by source and age.

The error is nearly one number per satellite, along its track (radial velocity error -n times it), with heavy tails. So
public element sets get Student-t priors and thresholds found by simulation (`empirical`), never a chi-square p-value.

| grade | from | p-values |
|---|---|---|
| A operator | a covariance of the operator, in the elements or declared | chi-square |
| A anchored | any set, corrected by measurements of anchors (`anchors`) | chi-square |
| B supplemental | sets fitted to the operator's ephemeris; until measured it is treated as C | empirical |
| C raw | public TLE or OMM | empirical |

Source: section 7 of the specification; the table is from 24,641 pairs of Starlink sets of April 2026 (arXiv 2605.19850).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from groundrule.orbit.elements import Elements
from groundrule.verify.model import Floats

Ints = NDArray[np.int64]


class Grade(IntEnum):
    """What the ephemeris of a satellite is worth; the grade of a verdict is the worst of its satellites."""

    OPERATOR = 0
    ANCHORED = 1
    SUPPLEMENTAL = 2
    RAW = 3

    @property
    def letter(self) -> str:
        """A, B or C."""
        return "AABC"[self]

    @property
    def word(self) -> str:
        """For people."""
        return ("A operator", "A anchored", "B supplemental", "C raw")[self]


_MOST_SCALES = 60.0
"""Radial and cross-track errors are drawn up to so many scales: the fits' tails go beyond what any satellite did."""
_T_999 = {1.20: _MOST_SCALES, 1.39: _MOST_SCALES, 1.83: 41.11, 2.55: 17.53, 4.07: 8.44, 6.16: 5.853, math.inf: 3.291}
"""Two-sided 99.9 % points of Student-t by degrees of freedom (tests compare them with SciPy)."""


@dataclass(frozen=True, slots=True)
class AgeClass:
    """Measured error of sets up to an age.

    Attributes:
        age_h: sets up to this age [h].
        along_km: absolute along-track error at p50, p68, p90, p95, p99, p99.9 [km].
        radial_km, cross_km: absolute error at p50 and p95 [km].
        dof, scale_m: Student-t of S, R, C, location 0 [1, m].
        mean_km: mean of S [km]. correlation: of S and R.
    """

    age_h: float
    along_km: tuple[float, ...]
    radial_km: tuple[float, float]
    cross_km: tuple[float, float]
    dof: tuple[float, float, float]
    scale_m: tuple[float, float, float]
    mean_km: float
    correlation: float

    @property
    def wide_m(self) -> tuple[float, float, float]:
        """Wide prior for anchors: the 99.9 % point over 3; along track as measured, otherwise of the Student-t fit [m]."""
        radial, cross = (self.scale_m[axis] * _T_999[self.dof[axis]] / 3 for axis in (1, 2))
        return self.along_km[5] / 3 * 1e3, radial, cross


AGE_CLASSES: tuple[AgeClass, ...] = (
    AgeClass(6, (0.93, 1.50, 3.62, 5.47, 13.8, 26.7), (0.034, 0.33), (0.039, 0.24), (1.83, 1.20, 1.83), (1140, 39, 49), 0.41, 0.0),
    AgeClass(24, (3.4, 5.1, 10.1, 13.9, 23.6, 34.5), (0.081, 0.39), (0.108, 0.34), (3.36, 2.55, 6.16), (4455, 104, 137), 2.4, -0.31),
    AgeClass(72, (11.7, 19.8, 38.5, 51.3, 88, 158), (0.20, 0.72), (0.32, 0.62), (2.99, 4.07, math.inf), (15991, 258, 359), 13, -0.63),
    AgeClass(168, (38, 77, 155, 206, 376, 909), (0.45, 3.9), (0.79, 1.6), (2.04, 1.39, math.inf), (52126, 579, 882), 54, -0.63),
)
"""Section 7.1; the correlations at 6 h and 168 h are not stated there (0, and as at 72 h)."""
QUANTILES = (0.5, 0.68, 0.9, 0.95, 0.99, 0.999)
OPERATOR_M = (20.0, 5.0, 5.0)
"""Assumed: no published accuracy of an operator's ephemeris is known."""
SUPPLEMENTAL_M = (200.0, 20.0, 20.0)
"""Assumed; used for positions only."""


def age_class(age_s: float) -> AgeClass:
    """Return the class that covers an age, before or after the epoch: the first that is not younger."""
    hours = abs(age_s) / 3600
    return next((row for row in AGE_CLASSES if hours <= row.age_h), AGE_CLASSES[-1])


def age_index(age_s: Floats) -> Ints:
    """Return the index of the class of each age [s]."""
    edges = np.array([row.age_h for row in AGE_CLASSES]) * 3600.0
    return np.minimum(np.searchsorted(edges, np.abs(age_s), side="left"), len(AGE_CLASSES) - 1)


def draw_errors(row: AgeClass, count: int, rng: np.random.Generator) -> Floats:
    """Draw errors (S, R, C) as they were measured: S by its own quantiles and mean, R and C with their tails.

    Beyond the 99.9 % point the last slope of the logarithm goes on, so that the largest of 10^5 draws is not the point itself.

    Returns:
        (count, 3) [m].
    """
    levels = -np.log1p(-np.array((0.0, *QUANTILES)))
    sizes = np.array((1e-3, *row.along_km))
    u = -np.log(rng.uniform(1e-5, 1.0, count))
    u = np.minimum(u, levels[-1] + 2.0)
    slope = math.log(sizes[-1] / sizes[-2]) / (levels[-1] - levels[-2])
    away = np.interp(u, levels, sizes)
    away = np.where(u > levels[-1], sizes[-1] * np.exp(slope * (u - levels[-1])), away)
    # The mean of S comes from an excess of one sign; cohorts drift together.
    plus = np.clip(0.5 + 0.5 * row.mean_km / float(np.mean(away)), 0.0, 1.0)
    along = np.where(rng.uniform(size=count) < plus, away, -away)
    out = np.empty((count, 3))
    out[:, 0] = along * 1e3
    for axis in (1, 2):
        k = row.dof[axis]
        drawn = rng.standard_t(k, count) if k < math.inf else rng.normal(size=count)
        out[:, axis] = np.clip(drawn, -_MOST_SCALES, _MOST_SCALES) * row.scale_m[axis]
    typical = row.along_km[1] * 1e3
    out[:, 1] += row.correlation * row.scale_m[1] * np.clip(out[:, 0] / typical, -5, 5)
    return out


@dataclass(frozen=True, slots=True)
class SlotPriors:
    """What is known of the ephemeris of each slot, as `Batch.build` takes it.

    Attributes:
        covariance_m2: [slots, 3, 3]; mean_m: [slots, 3]; dof: [slots, 3]; grade: of `Grade` [slots].
    """

    covariance_m2: Floats
    mean_m: Floats
    dof: Floats
    grade: Ints


def slot_priors(
    elements: Elements, rows: Ints, age_s: Floats, *, declared_m: tuple[float, float, float] | None = None
) -> SlotPriors:
    """Return the prior of S, R, C of satellites.

    Args:
        elements: the table; rows: row of each slot [slots].
        age_s: age of the set at the time of use [s; (slots,)].
        declared_m: sigma of S, R, C that the operator states for its own ephemeris; makes elements of grade hint
            `operator` grade A where they carry no covariance of their own.
    """
    n = len(rows)
    covariance, dof = np.zeros((n, 3, 3)), np.full((n, 3), math.inf)
    grade = np.full(n, int(Grade.RAW), np.int64)
    which = age_index(age_s)
    for index, row in enumerate(AGE_CLASSES):
        mine = which == index
        covariance[mine] = np.diag(np.square(row.scale_m))
        dof[mine] = row.dof
    hint = elements.grade[rows]
    grade[hint == "supplemental"] = int(Grade.SUPPLEMENTAL)
    if declared_m is not None:
        mine = hint == "operator"
        covariance[mine] = np.diag(np.square(declared_m))
        dof[mine] = math.inf
        grade[mine] = int(Grade.OPERATOR)
    if elements.covariance_m2 is not None:
        own = elements.covariance_m2[rows]
        mine = np.isfinite(own).all(axis=(1, 2)) & (hint != "raw")
        if mine.any():
            mine[mine] = np.linalg.eigvalsh(own[mine])[:, 0] > 0
        covariance[mine] = own[mine]
        dof[mine] = math.inf
        grade[mine] = int(Grade.OPERATOR)
    return SlotPriors(covariance, np.zeros((n, 3)), dof, grade)
