"""Find a point's areas in the compiled grid: exactly, and which edges lie in a window around it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from groundrule.areas.grid import COLUMNS, MAX_DEPTH, REFERENCE, ROWS, SPLIT, TOP_DEG, Grid, margin_of
from groundrule.areas.predicates import chain_walk
from groundrule.areas.sets import MISSING, SET_INSIDE, TOGGLE, SetTable, Whole, move_of, moved

DONE = -1
"""Returned instead of a missing move: all rows are done."""

FULL = -2
"""Returned instead of a missing move: the output lists must grow before the row can be done."""


UNKNOWN = np.int32(-(2**31))
"""Entry of a row without a position."""

BLOCK = 128
"""Rows that descend together."""


class Block(NamedTuple):
    """Where the rows of a block lie."""

    entry: NDArray[np.int32]
    cell: NDArray[np.float64]  # west, south, width [degree]


@njit(cache=True)
def descend(grid: Grid, lon: float, lat: float) -> tuple[int, float, float, float]:
    """Return entry, west, south and width [degree] of the leaf that holds a point."""
    column = min(int((lon + 180.0) * (1.0 / TOP_DEG)), COLUMNS - 1)
    row = min(int((lat + 90.0) * (1.0 / TOP_DEG)), ROWS - 1)
    entry = grid.top[row * COLUMNS + column]
    x0 = column * TOP_DEG - 180.0
    y0 = row * TOP_DEG - 90.0
    width = TOP_DEG
    while entry < 0 and (~entry) & 1:
        inverse = SPLIT / width
        width *= 1.0 / SPLIT
        # Truncation towards zero and the clips keep a point that rounding put a hair outside in the nearest child.
        i = min(max(int((lon - x0) * inverse), 0), SPLIT - 1)
        j = min(max(int((lat - y0) * inverse), 0), SPLIT - 1)
        entry = grid.child[((~entry) >> 1) * (SPLIT * SPLIT) + j * SPLIT + i]
        x0 += i * width
        y0 += j * width
    return entry, x0, y0, width


@njit(cache=True)
def set_at(
    grid: Grid, table: SetTable, leaf: int, x0: float, y0: float, width: float, lon: float, lat: float, closed: bool
) -> tuple[Whole, Whole]:
    """Return the set code at a point of a leaf with edges, and the missing move (DONE if none).

    Args:
        leaf: index of the leaf at (x0, y0) with that width, which holds the point or has it in its margin.
        closed: whether a point on an edge belongs to the area; otherwise the tie rule of `predicates` decides.
    """
    code = grid.leaves[leaf, 0]
    fx = x0 + REFERENCE * width
    fy = y0 + REFERENCE * width
    k = grid.leaves[leaf, 1]
    end = grid.leaves[leaf + 1, 1]
    while k < end:
        member = grid.chains[k, 1] >> 9
        flags = 0
        while k < end and grid.chains[k, 1] >> 9 == member:
            one = chain_walk(grid.vertices, grid.chains[k, 0], grid.chains[k, 1] & 255, fx, fy, lon, lat)
            flags = (flags ^ (one & 1)) | (one & 2)
            k += 1
        if closed and flags & 2:
            change = SET_INSIDE
        elif flags & 1:
            change = TOGGLE
        else:
            continue
        move = move_of(member, change)
        after = moved(table, code, move)
        if after == MISSING:
            return code, move
        code = after
    return code, DONE


@njit(cache=True)
def new_block() -> Block:
    """Scratch of `descend_block`."""
    return Block(np.empty(BLOCK, np.int32), np.empty((BLOCK, 3), np.float64))


@njit(cache=True)
def descend_block(
    grid: Grid, lat: NDArray[np.float64], lon: NDArray[np.float64], low: int, high: int, block: Block
) -> float:
    """Descend for the rows low to high, and touch what their walks will need.

    The steps of one row wait for memory; those of many rows wait together. Touching in a loop of its own makes
    clustered look-ups a third faster (0.26 to 0.18 us on the world areas).

    Returns:
        a number without meaning, which keeps the touches alive.
    """
    for i in range(low, high):
        y = lat[i]
        x = lon[i]
        j = i - low
        if not (-90.0 <= y <= 90.0 and -180.0 <= x <= 180.0):
            block.entry[j] = UNKNOWN
            continue
        entry, x0, y0, width = descend(grid, x, y)
        block.entry[j] = entry
        block.cell[j, 0] = x0
        block.cell[j, 1] = y0
        block.cell[j, 2] = width
    leaves = 0
    for j in range(high - low):
        if UNKNOWN < block.entry[j] < 0:
            leaves += grid.leaves[(~block.entry[j]) >> 1, 1]
    touched = 0.0
    if leaves:
        for j in range(high - low):
            if UNKNOWN < block.entry[j] < 0:
                touched += grid.vertices[grid.chains[grid.leaves[(~block.entry[j]) >> 1, 1], 0], 0]
    return touched


@njit(cache=True)
def locate_exact(
    grid: Grid, table: SetTable, lat: NDArray[np.float64], lon: NDArray[np.float64], out: NDArray[np.int32], begin: int
) -> tuple[int, Whole, Whole]:
    """Fill `out` with set codes from row `begin`; closed polygons, -1 for NaN or out of range.

    Returns:
        (row, code, move): the row reached; move is DONE, or the missing move of the set `code`.
    """
    block = new_block()
    touched = 0.0
    low = begin
    while low < len(lat):
        high = min(low + BLOCK, len(lat))
        touched += descend_block(grid, lat, lon, low, high, block)
        for i in range(low, high):
            code = block.entry[i - low]
            if code == UNKNOWN:
                code = np.int32(-1)
            elif code < 0:
                x0, y0, width = block.cell[i - low]
                code, move = set_at(grid, table, (~code) >> 1, x0, y0, width, lon[i], lat[i], True)
                if move != DONE:
                    return i, code, move
            out[i] = code
        low = high
    if touched == math.inf:  # never; see `descend_block`
        return 0, 0, DONE
    return len(lat), 0, DONE


@njit(cache=True)
def new_stack() -> NDArray[np.float64]:
    """Scratch of a descent; sixteen children per level at most, so it cannot overflow."""
    return np.empty((SPLIT * SPLIT * (MAX_DEPTH + 2), 4), np.float64)


@njit(cache=True)
def clip_to_window(
    ax: float, ay: float, bx: float, by: float, west: float, south: float, east: float, north: float
) -> tuple[bool, float, float]:
    """Part of the edge a to b within a closed window (Liang and Barsky): hit, and where it begins and ends, 0 to 1."""
    begin = 0.0
    end = 1.0
    dx = bx - ax
    dy = by - ay
    for side in range(4):
        if side == 0:
            p, q = -dx, ax - west
        elif side == 1:
            p, q = dx, east - ax
        elif side == 2:
            p, q = -dy, ay - south
        else:
            p, q = dy, north - ay
        if p == 0.0:
            if q < 0.0:
                return False, 0.0, 0.0
        else:
            r = q / p
            if p < 0.0:
                if r > end:
                    return False, 0.0, 0.0
                begin = max(begin, r)
            else:
                if r < begin:
                    return False, 0.0, 0.0
                end = min(end, r)
    return True, begin, end


@njit(cache=True)
def edges_in_window(
    grid: Grid,
    west: float,
    south: float,
    east: float,
    north: float,
    stack: NDArray[np.float64],
    out: NDArray[np.int32],
    used: int,
) -> tuple[NDArray[np.int32], int]:
    """Append each edge that meets a window, once, as (first vertex, 2 * member + flipped).

    Every leaf of the window is visited; an edge is taken only in the leaf that holds its first point within the
    window, so that long edges count once.

    Args:
        west, south, east, north: window [degree], within the grid's range.
        stack: scratch from `new_stack`.
        out: (n, 2) int32; grows as needed.
        used: rows of `out` already in use.
    Returns:
        (out, used), out maybe replaced by a longer copy.
    """
    first_column = min(max(int((west + 180.0) / TOP_DEG), 0), COLUMNS - 1)
    last_column = min(max(int((east + 180.0) / TOP_DEG), 0), COLUMNS - 1)
    first_row = min(max(int((south + 90.0) / TOP_DEG), 0), ROWS - 1)
    last_row = min(max(int((north + 90.0) / TOP_DEG), 0), ROWS - 1)
    for row in range(first_row, last_row + 1):
        for column in range(first_column, last_column + 1):
            entry = grid.top[row * COLUMNS + column]
            if entry >= 0:
                continue
            stack[0, 0] = entry
            stack[0, 1] = column * TOP_DEG - 180.0
            stack[0, 2] = row * TOP_DEG - 90.0
            stack[0, 3] = TOP_DEG
            waiting = 1
            while waiting:
                waiting -= 1
                entry = int(stack[waiting, 0])
                x0, y0, width = stack[waiting, 1], stack[waiting, 2], stack[waiting, 3]
                if (~entry) & 1:
                    small = width / SPLIT
                    for kid in range(SPLIT * SPLIT):
                        inner = grid.child[((~entry) >> 1) * (SPLIT * SPLIT) + kid]
                        kx = x0 + (kid % SPLIT) * small
                        ky = y0 + (kid // SPLIT) * small
                        if inner < 0 and kx <= east and kx + small >= west and ky <= north and ky + small >= south:
                            stack[waiting, 0] = inner
                            stack[waiting, 1] = kx
                            stack[waiting, 2] = ky
                            stack[waiting, 3] = small
                            waiting += 1
                    continue
                leaf = (~entry) >> 1
                # Half-open cells tile the plane; the last column and row also own the border of the world.
                x1 = x0 + width if x0 + width < 180.0 else 181.0
                y1 = y0 + width if y0 + width < 90.0 else 91.0
                for k in range(grid.leaves[leaf, 1], grid.leaves[leaf + 1, 1]):
                    start = grid.chains[k, 0]
                    ax = grid.vertices[start, 0]
                    ay = grid.vertices[start, 1]
                    for edge in range(start, start + (grid.chains[k, 1] & 255)):
                        bx = grid.vertices[edge + 1, 0]
                        by = grid.vertices[edge + 1, 1]
                        if not (
                            (ax < west and bx < west)
                            or (ax > east and bx > east)
                            or (ay < south and by < south)
                            or (ay > north and by > north)
                        ):
                            hit, x, y = True, ax, ay
                            if not (west <= ax <= east and south <= ay <= north):
                                hit, begin, _ = clip_to_window(ax, ay, bx, by, west, south, east, north)
                                x = min(max(ax + begin * (bx - ax), west), east)
                                y = min(max(ay + begin * (by - ay), south), north)
                            if hit and x0 <= x < x1 and y0 <= y < y1:
                                if used == len(out):
                                    longer = np.empty((2 * len(out) + 16, 2), np.int32)
                                    longer[:used] = out[:used]
                                    out = longer
                                out[used, 0] = edge
                                out[used, 1] = grid.chains[k, 1] >> 8
                                used += 1
                        ax = bx
                        ay = by
    return out, used


@njit(cache=True)
def edges_in_leaf(
    grid: Grid, leaf: int, west: float, south: float, east: float, north: float, out: NDArray[np.int32], used: int
) -> tuple[NDArray[np.int32], int]:
    """Like `edges_in_window` for a window within one leaf's widened cell, which lists every edge of the window."""
    for k in range(grid.leaves[leaf, 1], grid.leaves[leaf + 1, 1]):
        start = grid.chains[k, 0]
        ax = grid.vertices[start, 0]
        ay = grid.vertices[start, 1]
        for edge in range(start, start + (grid.chains[k, 1] & 255)):
            bx = grid.vertices[edge + 1, 0]
            by = grid.vertices[edge + 1, 1]
            # Without short cuts: one well predicted branch instead of four that are not.
            if (
                ((ax >= west) | (bx >= west))
                & ((ax <= east) | (bx <= east))
                & ((ay >= south) | (by >= south))
                & ((ay <= north) | (by <= north))
            ):
                if used == len(out):
                    longer = np.empty((2 * len(out) + 16, 2), np.int32)
                    longer[:used] = out[:used]
                    out = longer
                out[used, 0] = edge
                out[used, 1] = grid.chains[k, 1] >> 8
                used += 1
            ax = bx
            ay = by
    return out, used


@njit(cache=True)
def window_fits(x0: float, y0: float, width: float, west: float, south: float, east: float, north: float) -> bool:
    """Whether a window lies within the widened cell whose edges a leaf lists."""
    margin = margin_of(width)
    return west >= x0 - margin and east <= x0 + width + margin and south >= y0 - margin and north <= y0 + width + margin
