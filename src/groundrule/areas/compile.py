"""Compile rings into the grid of `grid`, and find the area set at every reference point.

1. `_bin_top` lists the edges of each top cell, counting first and filling second.
2. `_compile` goes through the top cells row by row. A cell's set is that of its western neighbour after the walk from
   one reference point to the other; west of -180 degrees there is nothing.
3. A crowded cell is split depth first; its children find their sets by the same walks from child to child, each over
   the edges of the two cells that it passes.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from groundrule.areas.grid import (
    COLUMNS,
    LEAF_EDGES,
    LONGEST_CHAIN,
    MAX_DEPTH,
    REFERENCE,
    ROWS,
    SPLIT,
    TOP_DEG,
    CompiledSets,
    Grid,
    Rings,
    margin_of,
)
from groundrule.areas.predicates import chain_walk


def compile_grid(rings: Rings) -> tuple[Grid, CompiledSets]:
    """Compile rings into the grid and the area sets at its reference points."""
    edge_owner = np.full(len(rings.vertices), -1, dtype=np.int32)
    _spread_owner(rings.ring_start, rings.ring_owner, edge_owner)
    cell_start, cell_edges = _bin_top(rings.vertices, edge_owner)
    members = int(rings.ring_owner.max() >> 1) + 1 if len(rings.ring_owner) else 0
    top, child, leaves, chains, set_start, set_members = _compile(
        rings.vertices, edge_owner, cell_start, cell_edges, members
    )
    return Grid(rings.vertices, top, child, leaves, chains), CompiledSets(set_start, set_members)


@njit(cache=True)
def _spread_owner(ring_start: NDArray[np.int64], ring_owner: NDArray[np.int32], edge_owner: NDArray[np.int32]) -> None:
    for ring in range(len(ring_owner)):
        edge_owner[ring_start[ring] : ring_start[ring + 1] - 1] = ring_owner[ring]  # the last vertex starts no edge


@njit(cache=True)
def _row_columns(
    ax: float,
    ay: float,
    bx: float,
    by: float,
    low: float,
    high: float,
    x0: float,
    width: float,
    margin: float,
    columns: int,
) -> tuple[int, int]:
    """Columns that an edge touches within the band low to high of latitude; (1, 0) if none."""
    if by < ay:
        ax, ay, bx, by = bx, by, ax, ay
    if by < low or ay > high:
        return 1, 0
    left = ax
    right = bx
    if by > ay:
        slope = (bx - ax) / (by - ay)
        if ay < low:
            left = ax + (low - ay) * slope
        if by > high:
            right = ax + (high - ay) * slope
    if left > right:
        left, right = right, left
    # Rounding of nearly level edges may leave the edge's own range.
    left = max(left, min(ax, bx))
    right = min(right, max(ax, bx))
    first = int(np.floor((left - margin - x0) / width))
    last = int(np.floor((right + margin - x0) / width))
    if last < 0 or first >= columns:
        return 1, 0
    return max(first, 0), min(last, columns - 1)


@njit(cache=True)
def _row_range(ay: float, by: float, y0: float, width: float, margin: float, rows: int) -> tuple[int, int]:
    first = int(np.floor((min(ay, by) - margin - y0) / width))
    last = int(np.floor((max(ay, by) + margin - y0) / width))
    return max(first, 0), min(last, rows - 1)


@njit(cache=True)
def _bin_top(
    vertices: NDArray[np.float64], edge_owner: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Edges of each top cell, ascending (CSR)."""
    start = np.zeros(ROWS * COLUMNS + 1, np.int64)
    edges = np.empty(0, np.int32)
    margin = margin_of(TOP_DEG)
    for filling in range(2):
        if filling:
            for i in range(ROWS * COLUMNS, 0, -1):
                start[i] = start[i - 1]
            start[0] = 0
            start[:] = np.cumsum(start)
            edges = np.empty(start[-1], np.int32)
        cursor = start[:-1].copy()
        for k in range(len(edge_owner)):
            if edge_owner[k] < 0:
                continue
            ax, ay, bx, by = vertices[k, 0], vertices[k, 1], vertices[k + 1, 0], vertices[k + 1, 1]
            first_row, last_row = _row_range(ay, by, -90.0, TOP_DEG, margin, ROWS)
            for row in range(first_row, last_row + 1):
                low = -90.0 + row * TOP_DEG
                first, last = _row_columns(
                    ax, ay, bx, by, low - margin, low + TOP_DEG + margin, -180.0, TOP_DEG, margin, COLUMNS
                )
                for column in range(first, last + 1):
                    cell = row * COLUMNS + column
                    if filling:
                        edges[cursor[cell]] = k
                        cursor[cell] += 1
                    else:
                        start[cell] += 1
    return start, edges


@njit(cache=True)
def _grown(array: NDArray[np.int32], needed: int) -> NDArray[np.int32]:
    if needed <= len(array):
        return array
    bigger = np.empty(max(needed, 2 * len(array)), np.int32)
    bigger[: len(array)] = array
    return bigger


@njit(cache=True)
def _toggles(
    vertices: NDArray[np.float64],
    edge_owner: NDArray[np.int32],
    edges: NDArray[np.int32],
    low: int,
    high: int,
    fx: float,
    fy: float,
    tx: float,
    ty: float,
    found: NDArray[np.int32],
    count: int,
) -> int:
    """Append the members whose boundary the walk from f to t crosses an odd number of times.

    `found` is as long as two walks can fill, two entries per member.
    """
    k = low
    while k < high:
        member = edge_owner[edges[k]] >> 1
        parity = 0
        while k < high and edge_owner[edges[k]] >> 1 == member:
            run = 1
            while k + run < high and edges[k + run] == edges[k] + run:  # never into another ring: a ring's last vertex
                run += 1  # starts no edge
            parity ^= chain_walk(vertices, edges[k], run, fx, fy, tx, ty) & 1
            k += run
        if parity:
            found[count] = member
            count += 1
    return count


@njit(cache=True)
def _symmetric_difference(
    set_start: NDArray[np.int32], set_members: NDArray[np.int32], code: int, member: int, out: NDArray[np.int32]
) -> int:
    """Write the set `code` with `member` toggled to `out`; returns its length."""
    length = 0
    placed = False
    for k in range(set_start[code], set_start[code + 1]):
        other = set_members[k]
        if not placed and other >= member:
            placed = True
            if other == member:
                continue
            out[length] = member
            length += 1
        out[length] = other
        length += 1
    if not placed:
        out[length] = member
        length += 1
    return length


@njit(cache=True)
def _find_set(
    set_start: NDArray[np.int32], set_members: NDArray[np.int32], sets: int, wanted: NDArray[np.int32], length: int
) -> int:
    for code in range(sets):
        if set_start[code + 1] - set_start[code] == length:
            same = True
            for k in range(length):
                if set_members[set_start[code] + k] != wanted[k]:
                    same = False
                    break
            if same:
                return code
    return -1


@njit(cache=True)
def _moved(
    code: int,
    member: int,
    moves: dict[np.int64, np.int32],
    set_start: NDArray[np.int32],
    set_members: NDArray[np.int32],
    sets: int,
    wanted: NDArray[np.int32],
) -> tuple[np.int32, NDArray[np.int32], NDArray[np.int32], int]:
    """Code of the set after toggling one member, interned; returns the set arrays too, because they may have grown."""
    key = (np.int64(code) << 32) | member
    if key in moves:
        return moves[key], set_start, set_members, sets
    length = _symmetric_difference(set_start, set_members, code, member, wanted)
    known = _find_set(set_start, set_members, sets, wanted, length)
    if known < 0:
        set_start = _grown(set_start, sets + 2)
        set_members = _grown(set_members, set_start[sets] + length)
        set_members[set_start[sets] : set_start[sets] + length] = wanted[:length]
        set_start[sets + 1] = set_start[sets] + length
        known = sets
        sets += 1
    moves[key] = np.int32(known)
    return np.int32(known), set_start, set_members, sets


@njit(cache=True)
def _emit_chains(
    edge_owner: NDArray[np.int32], edges: NDArray[np.int32], low: int, high: int, chains: NDArray[np.int32], used: int
) -> tuple[NDArray[np.int32], int]:
    """Append the runs of consecutive edges of one leaf; returns the array, maybe grown, and its used length."""
    k = low
    while k < high:
        run = 1
        while run < LONGEST_CHAIN and k + run < high and edges[k + run] == edges[k] + run:
            run += 1
        chains = _grown(chains, 2 * used + 2)
        chains[2 * used] = edges[k]
        chains[2 * used + 1] = edge_owner[edges[k]] * (LONGEST_CHAIN + 1) + run
        used += 1
        k += run
    return chains, used


@njit(cache=True)
def _compile(
    vertices: NDArray[np.float64],
    edge_owner: NDArray[np.int32],
    cell_start: NDArray[np.int64],
    cell_edges: NDArray[np.int32],
    members: int,
) -> tuple[
    NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]
]:  # one function: it owns every growing array
    top = np.empty(ROWS * COLUMNS, np.int32)
    child = np.empty(1 << 12, np.int32)
    nodes = 0
    leaves = np.empty(1 << 12, np.int32)
    leaf_count = 0
    chains = np.empty(1 << 12, np.int32)
    used = 0
    set_start = np.zeros(64, np.int32)
    set_members = np.empty(64, np.int32)
    sets = 1
    found = np.empty(2 * members + 2, np.int32)
    wanted = np.empty(members + 1, np.int32)
    moves = {np.int64(-1): np.int32(-1)}  # (set, member) to set

    buffer = np.empty(1 << 12, np.int32)
    kids = SPLIT * SPLIT
    # Depth first, sixteen children per level at most: the stack cannot overflow.
    height = kids * (MAX_DEPTH + 2)
    stack_low = np.empty(height, np.int64)
    stack_high = np.empty(height, np.int64)
    stack_x = np.empty(height, np.float64)
    stack_y = np.empty(height, np.float64)
    stack_depth = np.empty(height, np.int64)
    stack_code = np.empty(height, np.int32)
    stack_slot = np.empty(height, np.int64)
    kid_low = np.empty(kids + 1, np.int64)
    kid_code = np.empty(kids, np.int32)

    west = np.int32(0)
    for cell in range(ROWS * COLUMNS):
        row, column = cell // COLUMNS, cell % COLUMNS
        x0, y0 = -180.0 + column * TOP_DEG, -90.0 + row * TOP_DEG
        rx, ry = x0 + REFERENCE * TOP_DEG, y0 + REFERENCE * TOP_DEG
        low, high = cell_start[cell], cell_start[cell + 1]
        # The code here is that of the western neighbour after the walk over the common border; west of -180 is nothing.
        if column == 0:
            code = np.int32(0)
            count = _toggles(vertices, edge_owner, cell_edges, low, high, -540.0, ry, rx, ry, found, 0)
        else:
            code = west
            count = _toggles(
                vertices, edge_owner, cell_edges, cell_start[cell - 1], low, rx - TOP_DEG, ry, x0, ry, found, 0
            )
            count = _toggles(vertices, edge_owner, cell_edges, low, high, x0, ry, rx, ry, found, count)
        for t in range(count):
            code, set_start, set_members, sets = _moved(code, found[t], moves, set_start, set_members, sets, wanted)
        west = code
        if low == high:
            top[cell] = code
            continue
        buffer = _grown(buffer, high - low)
        buffer[: high - low] = cell_edges[low:high]
        stack_low[0], stack_high[0], stack_x[0], stack_y[0] = 0, high - low, x0, y0
        stack_depth[0], stack_code[0], stack_slot[0] = 0, code, -1 - cell
        waiting = 1
        while waiting:
            waiting -= 1
            low, high = stack_low[waiting], stack_high[waiting]
            x0, y0, depth = stack_x[waiting], stack_y[waiting], stack_depth[waiting]
            code, slot = stack_code[waiting], stack_slot[waiting]
            width = TOP_DEG / SPLIT**depth
            if high == low:
                child[slot] = code
                continue
            if high - low <= LEAF_EDGES or depth == MAX_DEPTH:
                leaves = _grown(leaves, 2 * leaf_count + 4)
                leaves[2 * leaf_count] = code
                leaves[2 * leaf_count + 1] = used
                chains, used = _emit_chains(edge_owner, buffer, low, high, chains, used)
                entry = np.int32(~(2 * leaf_count))
                leaf_count += 1
                if slot < 0:
                    top[-1 - slot] = entry
                else:
                    child[slot] = entry
                continue
            entry = np.int32(~(2 * nodes + 1))
            if slot < 0:
                top[-1 - slot] = entry
            else:
                child[slot] = entry
            child = _grown(child, kids * (nodes + 1))
            slot = kids * nodes
            nodes += 1
            small = width / SPLIT
            margin = margin_of(small)
            # Count, then fill, the edges of each child behind the node's own.
            kid_low[:] = 0
            for filling in range(2):
                if filling:
                    total = high
                    for kid in range(kids):
                        counted = kid_low[kid]
                        kid_low[kid] = total
                        total += counted
                    kid_low[kids] = total
                    buffer = _grown(buffer, total)
                    cursor = kid_low[:-1].copy()
                for k in range(low, high):
                    edge = buffer[k]
                    ax, ay, bx, by = vertices[edge, 0], vertices[edge, 1], vertices[edge + 1, 0], vertices[edge + 1, 1]
                    first_row, last_row = _row_range(ay, by, y0, small, margin, SPLIT)
                    for row in range(first_row, last_row + 1):
                        bottom = y0 + row * small
                        first, last = _row_columns(
                            ax, ay, bx, by, bottom - margin, bottom + small + margin, x0, small, margin, SPLIT
                        )
                        for column in range(first, last + 1):
                            kid = row * SPLIT + column
                            if filling:
                                buffer[cursor[kid]] = edge
                                cursor[kid] += 1
                            else:
                                kid_low[kid] += 1
            px, py = x0 + REFERENCE * width, y0 + REFERENCE * width
            for kid in range(kids):
                row, column = kid // SPLIT, kid % SPLIT
                left, bottom = x0 + column * small, y0 + row * small
                rx, ry = left + REFERENCE * small, bottom + REFERENCE * small
                if kid == 0:
                    count = _toggles(vertices, edge_owner, buffer, low, high, px, py, rx, ry, found, 0)
                    kid_set = code
                else:
                    back = kid - 1 if column else kid - SPLIT
                    kid_set = kid_code[back]
                    qx, qy = (left, ry) if column else (rx, bottom)
                    bx, by = (rx - small, ry) if column else (rx, ry - small)
                    count = _toggles(
                        vertices, edge_owner, buffer, kid_low[back], kid_low[back + 1], bx, by, qx, qy, found, 0
                    )
                    count = _toggles(
                        vertices, edge_owner, buffer, kid_low[kid], kid_low[kid + 1], qx, qy, rx, ry, found, count
                    )
                for t in range(count):
                    kid_set, set_start, set_members, sets = _moved(
                        kid_set, found[t], moves, set_start, set_members, sets, wanted
                    )
                kid_code[kid] = kid_set
            for kid in range(kids):
                left, bottom = x0 + (kid % SPLIT) * small, y0 + (kid // SPLIT) * small
                stack_low[waiting], stack_high[waiting] = kid_low[kid], kid_low[kid + 1]
                stack_x[waiting], stack_y[waiting], stack_depth[waiting] = left, bottom, depth + 1
                stack_code[waiting], stack_slot[waiting] = kid_code[kid], slot + kid
                waiting += 1
    leaves[2 * leaf_count] = 0
    leaves[2 * leaf_count + 1] = used
    return (
        top,
        child[: kids * nodes].copy(),
        leaves[: 2 * leaf_count + 2].copy().reshape(leaf_count + 1, 2),
        chains[: 2 * used].copy().reshape(used, 2),
        set_start[: sets + 1].copy(),
        set_members[: set_start[sets]].copy(),
    )
