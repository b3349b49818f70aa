"""Blocks: eight looks of one satellite side by side, so that the machine works on all of them at once.

A block is a flat array of columns of eight numbers; a column holds one quantity of eight looks. The loops over the eight are
simple enough for the compiler to make vectors of them, without fused or reordered arithmetic. A satellite's last block is
filled up with its last look, without weight.

What a satellite's looks say is then 44 sums over the range's line y = (h_x, h_y, h_z, g_S, g_R, g_C, e) and the rate's line z:

    0 to 27    sum w y y' + sum v z z', lower half by rows
    28 to 35   sum w y, sum w            (delta)
    36 to 43   sum v z, sum v            (f)

They hold what the five usual states (place, delta, f) need under least squares. Lanes are added in one order everywhere.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from groundrule.frames import OMEGA_EARTH_RAD_S
from groundrule.verify.model import SHIFT_STEP_S, Floats, flown, frame_of, lines_of

LANES = 8
# Columns of a block: a prepared satellite state as in `model`, then what was measured.
_SPEED = 16 * LANES
_RANGE, _RANGE_W, _RATE, _RATE_W, _LEG = 20 * LANES, 21 * LANES, 22 * LANES, 23 * LANES, 24 * LANES
CELL = 25 * LANES
SUMS = 44
# Of the scratch: a block, the sums of each lane, the sums of half the lanes.
_SUMS = CELL
_HALVES = _SUMS + SUMS * LANES
SCRATCH = _HALVES + 2 * SUMS
ONES_RANGE, ONES_RATE = 28, 36


@njit(cache=True, error_model="numpy")
def lay_out(starts: NDArray[np.int64], out: NDArray[np.int64]) -> None:
    """Write the first block of each satellite, and the end [satellites + 1]."""
    out[0] = 0
    for s in range(len(starts) - 1):
        out[s + 1] = out[s] + (starts[s + 1] - starts[s] + LANES - 1) // LANES


@njit(cache=True, error_model="numpy")
def fill_blocks(looks: Floats, along_m: float, cells: Floats, sat: Floats) -> None:
    """Fill the blocks of one satellite, moved along its track by a distance [m].

    Args:
        looks: its looks [n, 12]; cells: its blocks, written [blocks, `CELL`]; sat: its positions are written [n, 20].
    """
    last = len(looks) - 1
    for b in range(len(cells)):
        cell = cells[b]
        for at in range(LANES):
            i = min(b * LANES + at, last)
            look = looks[i]
            for k in range(6):
                cell[k * LANES + at] = look[1 + k]
            there = 1.0 if b * LANES + at <= last else 0.0
            cell[_RANGE + at], cell[_RANGE_W + at] = look[7], there * look[8]
            cell[_RATE + at], cell[_RATE_W + at] = look[9], there * look[10]
            cell[_LEG + at] = look[11]
        if along_m != 0.0:
            _shift(cell, along_m)
        for at in range(LANES):
            i = min(b * LANES + at, last)
            sat[i, 0], sat[i, 1], sat[i, 2] = cell[at], cell[LANES + at], cell[2 * LANES + at]
        _frames(cell)


@njit(cache=True, error_model="numpy")
def _shift(c: Floats, along_m: float) -> None:
    """Move the satellites of one block along their orbits, as `model.shift_along` does, in the steps of the slowest."""
    w = OMEGA_EARTH_RAD_S
    slowest = math.inf
    for at in range(LANES):
        c[3 * LANES + at] -= w * c[LANES + at]
        c[4 * LANES + at] += w * c[at]
        c[_SPEED + at] = math.sqrt(c[3 * LANES + at] ** 2 + c[4 * LANES + at] ** 2 + c[5 * LANES + at] ** 2)
    for at in range(LANES):
        slowest = min(slowest, c[_SPEED + at])
    steps = max(1, math.ceil(abs(along_m) / slowest / SHIFT_STEP_S))
    for _ in range(steps):
        for at in range(LANES):
            c[at], c[LANES + at], c[2 * LANES + at], c[3 * LANES + at], c[4 * LANES + at], c[5 * LANES + at] = flown(
                c[at], c[LANES + at], c[2 * LANES + at], c[3 * LANES + at], c[4 * LANES + at], c[5 * LANES + at],
                along_m / c[_SPEED + at] / steps,
            )  # fmt: skip
    for at in range(LANES):
        c[3 * LANES + at] += w * c[LANES + at]
        c[4 * LANES + at] -= w * c[at]


@njit(cache=True, error_model="numpy")
def _frames(c: Floats) -> None:
    """Triads and accelerations of one block."""
    for at in range(LANES):
        (
            c[6 * LANES + at], c[7 * LANES + at], c[8 * LANES + at], c[9 * LANES + at], c[10 * LANES + at], c[11 * LANES + at],
            c[12 * LANES + at], c[13 * LANES + at], c[14 * LANES + at], c[15 * LANES + at], c[16 * LANES + at],
            c[17 * LANES + at], c[18 * LANES + at], c[19 * LANES + at],
        ) = frame_of(
            c[at], c[LANES + at], c[2 * LANES + at], c[3 * LANES + at], c[4 * LANES + at], c[5 * LANES + at],
        )  # fmt: skip


@njit(cache=True, error_model="numpy", forceinline=True)
def _spread(
    out: Floats, at: int, w: float, a0: float, a1: float, a2: float, a3: float, a4: float, a5: float, a6: float, v: float, b0: float,
    b1: float, b2: float, b3: float, b4: float, b5: float, b6: float,
) -> None:
    """Add the products of one lane: of the range's line a with weight w and of the rate's line b with weight v."""
    c0, c1, c2, c3, c4, c5, c6 = w * a0, w * a1, w * a2, w * a3, w * a4, w * a5, w * a6
    d0, d1, d2, d3, d4, d5, d6 = v * b0, v * b1, v * b2, v * b3, v * b4, v * b5, v * b6
    out[_SUMS + at] += c0 * a0 + d0 * b0
    out[_SUMS + LANES + at] += c1 * a0 + d1 * b0
    out[_SUMS + 2 * LANES + at] += c1 * a1 + d1 * b1
    out[_SUMS + 3 * LANES + at] += c2 * a0 + d2 * b0
    out[_SUMS + 4 * LANES + at] += c2 * a1 + d2 * b1
    out[_SUMS + 5 * LANES + at] += c2 * a2 + d2 * b2
    out[_SUMS + 6 * LANES + at] += c3 * a0 + d3 * b0
    out[_SUMS + 7 * LANES + at] += c3 * a1 + d3 * b1
    out[_SUMS + 8 * LANES + at] += c3 * a2 + d3 * b2
    out[_SUMS + 9 * LANES + at] += c3 * a3 + d3 * b3
    out[_SUMS + 10 * LANES + at] += c4 * a0 + d4 * b0
    out[_SUMS + 11 * LANES + at] += c4 * a1 + d4 * b1
    out[_SUMS + 12 * LANES + at] += c4 * a2 + d4 * b2
    out[_SUMS + 13 * LANES + at] += c4 * a3 + d4 * b3
    out[_SUMS + 14 * LANES + at] += c4 * a4 + d4 * b4
    out[_SUMS + 15 * LANES + at] += c5 * a0 + d5 * b0
    out[_SUMS + 16 * LANES + at] += c5 * a1 + d5 * b1
    out[_SUMS + 17 * LANES + at] += c5 * a2 + d5 * b2
    out[_SUMS + 18 * LANES + at] += c5 * a3 + d5 * b3
    out[_SUMS + 19 * LANES + at] += c5 * a4 + d5 * b4
    out[_SUMS + 20 * LANES + at] += c5 * a5 + d5 * b5
    out[_SUMS + 21 * LANES + at] += c6 * a0 + d6 * b0
    out[_SUMS + 22 * LANES + at] += c6 * a1 + d6 * b1
    out[_SUMS + 23 * LANES + at] += c6 * a2 + d6 * b2
    out[_SUMS + 24 * LANES + at] += c6 * a3 + d6 * b3
    out[_SUMS + 25 * LANES + at] += c6 * a4 + d6 * b4
    out[_SUMS + 26 * LANES + at] += c6 * a5 + d6 * b5
    out[_SUMS + 27 * LANES + at] += c6 * a6 + d6 * b6
    out[_SUMS + 28 * LANES + at] += c0
    out[_SUMS + 29 * LANES + at] += c1
    out[_SUMS + 30 * LANES + at] += c2
    out[_SUMS + 31 * LANES + at] += c3
    out[_SUMS + 32 * LANES + at] += c4
    out[_SUMS + 33 * LANES + at] += c5
    out[_SUMS + 34 * LANES + at] += c6
    out[_SUMS + 35 * LANES + at] += w
    out[_SUMS + 36 * LANES + at] += d0
    out[_SUMS + 37 * LANES + at] += d1
    out[_SUMS + 38 * LANES + at] += d2
    out[_SUMS + 39 * LANES + at] += d3
    out[_SUMS + 40 * LANES + at] += d4
    out[_SUMS + 41 * LANES + at] += d5
    out[_SUMS + 42 * LANES + at] += d6
    out[_SUMS + 43 * LANES + at] += v


@njit(cache=True, error_model="numpy", forceinline=True)
def _add_block(c: Floats, x: float, y: float, z: float, delta: float, f: float, light: bool) -> None:
    """Add one block's products, lane by lane; both in one array, so that the compiler sees that they do not overlap."""
    for at in range(LANES):
        ux, uy, uz, rho, g_s, g_r, g_c, _, _, _, qx, qy, qz, rate, d_s, d_r, d_c = lines_of(
            (c[at], c[LANES + at], c[2 * LANES + at]), (c[3 * LANES + at], c[4 * LANES + at], c[5 * LANES + at]),
            (c[6 * LANES + at], c[7 * LANES + at], c[8 * LANES + at]), (c[9 * LANES + at], c[10 * LANES + at], c[11 * LANES + at]),
            (c[12 * LANES + at], c[13 * LANES + at], c[14 * LANES + at]), c[15 * LANES + at],
            (c[17 * LANES + at], c[18 * LANES + at], c[19 * LANES + at]), (x, y, z), (0.0, 0.0, 0.0), c[_LEG + at], light,
        )
        _spread(
            c, at, c[_RANGE_W + at], -ux, -uy, -uz, g_s, g_r, g_c, c[_RANGE + at] - (rho + delta),
            c[_RATE_W + at], -qx, -qy, -qz, d_s, d_r, d_c, c[_RATE + at] - (rate + f),
        )


@njit(cache=True, error_model="numpy")
def sum_blocks(
    cells: Floats, x: float, y: float, z: float, delta: float, f: float, light: bool, lanes: Floats, sums: Floats
) -> None:
    """Write the 44 sums of one satellite at a place [ECEF, m].

    Args:
        cells: its blocks [blocks, `CELL`]. delta, f: of the state [m, m/s]. light: light time is in the model.
        lanes: scratch [`SCRATCH`]; sums: written [`SUMS`].
    """
    lanes[_SUMS:_HALVES] = 0.0
    for b in range(len(cells)):
        cell = cells[b]
        for i in range(CELL):  # a loop, for a slice would first be looked at for overlaps
            lanes[i] = cell[i]
        if light:
            _add_block(lanes, x, y, z, delta, f, True)
        else:
            _add_block(lanes, x, y, z, delta, f, False)
    of_lanes, halves = lanes[_SUMS:_HALVES], lanes[_HALVES:]
    for q in range(2 * SUMS):
        halves[q] = (of_lanes[4 * q] + of_lanes[4 * q + 1]) + (of_lanes[4 * q + 2] + of_lanes[4 * q + 3])
    for p in range(SUMS):
        sums[p] = halves[2 * p] + halves[2 * p + 1]
