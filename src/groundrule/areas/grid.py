"""Compile polygons into an adaptive longitude-latitude grid in which every point finds its areas in a few steps.

1. `rings_of` lays the rings of all areas out as one vertex array; edge i joins vertices i and i + 1.
2. The top grid has cells of half a degree. A cell that more than `LEAF_EDGES` edges touch is split into 4 by 4, again and again.
3. A cell without edges holds the code of its area set. A leaf with edges holds the code at its reference point and
   chains of edges. Chains have no fixed width and cover every edge that meets the cell **or its margin**.
4. A query walks from the reference point to itself and toggles an area per crossing (`predicates.chain_walk`).

INVARIANT: cell borders are multiples of a power of two, hence exact in float64. A leaf lists a superset of the edges of its
widened cell; correctness never depends on the rounding of the rasterisation, whose error (1e-12 degree) is far below the margin.
INVARIANT: no list has a fixed capacity. Scratch space is sized by counting first, or grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray

from groundrule.areas.predicates import chain_walk
from groundrule.errors import MalformedArea

LAYOUT = "grid-1"
"""Version of the arrays below; part of the key of cached grids."""

TOP_DEG = 0.5
COLUMNS, ROWS = 720, 360
SPLIT = 4
LEAF_EDGES = 8
MAX_DEPTH = 6  # 0.5 / 4**6 degrees, 14 m; crowded points such as a fan of zones stop there with more edges
REFERENCE = 0.47265625  # place of the reference point within a cell; off the round numbers that data favours
MARGIN_DEG = 1.0 / 1024.0  # at most; a window of 15 m sigma fits into a leaf's widened cell up to 60 degrees of latitude


class Grid(NamedTuple):
    """The compiled arrays; see the module's docstring.

    An entry (of `top` and `child`) is a set code if >= 0. Otherwise its complement is 2 * leaf or 2 * node + 1.
    """

    vertices: NDArray[np.float64]  # (v, 2) lon, lat [degree]
    top: NDArray[np.int32]  # (ROWS * COLUMNS,) entries, row by row from the south-west
    child: NDArray[np.int32]  # (16 * nodes,) entries
    leaf_code: NDArray[np.int32]  # set code at the reference point
    leaf_start: NDArray[np.int32]  # (leaves + 1,) into chains
    chains: NDArray[np.int32]  # (c, 3) first edge, number of edges, 2 * member + (1 if the ring runs clockwise around its area)

    @property
    def nbytes(self) -> int:
        """Memory of all arrays [byte]."""
        return sum(array.nbytes for array in self)


class Rings(NamedTuple):
    """All rings laid out one after the other."""

    vertices: NDArray[np.float64]  # (v, 2)
    ring_start: NDArray[np.int64]  # (rings + 1,)
    ring_owner: NDArray[np.int32]  # (rings,) 2 * member + flipped


def rings_of(geometries: Sequence[shapely.Geometry], names: Sequence[str]) -> Rings:
    """Lay out the rings of valid polygons, ordered by member.

    Args:
        geometries: polygons or multipolygons, lon and lat [degree], within -180 to 180 and -90 to 90.
        names: what to call each in errors.
    Raises:
        MalformedArea: empty, not a polygon, invalid or outside the range.
    """
    array = np.array(list(geometries), dtype=object)
    if len(array) == 0:
        return Rings(np.zeros((0, 2)), np.zeros(1, np.int64), np.zeros(0, np.int32))
    kinds = shapely.get_type_id(array)
    _refuse(~np.isin(kinds, (3, 6)), names, "is not a polygon", "give a Polygon or MultiPolygon")
    _refuse(shapely.is_empty(array), names, "has an empty geometry", "leave it out")
    _refuse(~shapely.is_valid(array), names, "has an invalid geometry", "repair it, for instance with shapely.make_valid")
    bounds = shapely.bounds(array)
    outside = (bounds[:, 0] < -180) | (bounds[:, 2] > 180) | (bounds[:, 1] < -90) | (bounds[:, 3] > 90)
    _refuse(outside | ~np.isfinite(bounds).all(axis=1), names, "leaves lon -180 to 180, lat -90 to 90",
            "cut it at the antimeridian (RFC 7946 section 3.1.9)")
    parts, part_member = shapely.get_parts(array, return_index=True)
    rings, ring_part = shapely.get_rings(parts, return_index=True)
    counts = shapely.get_num_coordinates(rings)
    vertices = np.ascontiguousarray(shapely.get_coordinates(rings)) + 0.0  # turns -0.0 into 0.0
    is_shell = np.concatenate([[True], ring_part[1:] != ring_part[:-1]])
    flipped = shapely.is_ccw(rings) != is_shell
    owner = (part_member[ring_part].astype(np.int32) << 1) | flipped.astype(np.int32)
    return Rings(vertices, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), owner)


def _refuse(bad: NDArray[np.bool_], names: Sequence[str], what: str, help_text: str) -> None:
    if bad.any():
        name = names[int(np.flatnonzero(bad)[0])]
        raise MalformedArea(f"area `{name}` {what}", help=help_text, area=name)


class CompiledSets(NamedTuple):
    """Area sets met while compiling, in the order of their codes; code 0 is the empty set."""

    start: NDArray[np.int32]  # (sets + 1,)
    members: NDArray[np.int32]  # sorted within each set


def compile_grid(rings: Rings) -> tuple[Grid, CompiledSets]:
    """Compile rings into the grid and the area sets at its reference points."""
    edge_owner = np.full(len(rings.vertices), -1, dtype=np.int32)
    _spread_owner(rings.ring_start, rings.ring_owner, edge_owner)
    cell_start, cell_edges = _bin_top(rings.vertices, edge_owner)
    members = int(rings.ring_owner.max() >> 1) + 1 if len(rings.ring_owner) else 0
    top, child, leaf_code, leaf_start, chains, set_start, set_members = _compile(
        rings.vertices, edge_owner, cell_start, cell_edges, members
    )
    return Grid(rings.vertices, top, child, leaf_code, leaf_start, chains), CompiledSets(set_start, set_members)


@njit(cache=True)
def _spread_owner(ring_start, ring_owner, edge_owner):
    for ring in range(len(ring_owner)):
        edge_owner[ring_start[ring] : ring_start[ring + 1] - 1] = ring_owner[ring]  # the last vertex starts no edge


@njit(cache=True)
def margin_of(width):
    """Width of the margin around a cell within which all edges are listed [degree]."""
    return min(MARGIN_DEG, width / 16.0)


@njit(cache=True)
def _clip(value, low, high):
    return low if value < low else (high if value > high else value)


@njit(cache=True)
def _row_columns(ax, ay, bx, by, low, high, x0, width, margin, columns):
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
def _row_range(ay, by, y0, width, margin, rows):
    first = int(np.floor((min(ay, by) - margin - y0) / width))
    last = int(np.floor((max(ay, by) + margin - y0) / width))
    return max(first, 0), min(last, rows - 1)


@njit(cache=True)
def _bin_top(vertices, edge_owner):
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
def _grown(array, needed):
    if needed <= len(array):
        return array
    bigger = np.empty(max(needed, 2 * len(array)), array.dtype)
    bigger[: len(array)] = array
    return bigger


@njit(cache=True)
def _toggles(vertices, edge_owner, edges, low, high, fx, fy, tx, ty, found, count):
    """Append the members whose boundary the walk from f to t crosses an odd number of times.

    `found` is as long as two walks can fill, two entries per member.
    """
    k = low
    while k < high:
        member = edge_owner[edges[k]] >> 1
        parity = 0
        while k < high and edge_owner[edges[k]] >> 1 == member:
            run = 1
            while k + run < high and edges[k + run] == edges[k] + run and edge_owner[edges[k + run]] == edge_owner[edges[k]]:
                run += 1
            parity ^= chain_walk(vertices, edges[k], run, fx, fy, tx, ty) & 1
            k += run
        if parity:
            found[count] = member
            count += 1
    return count


@njit(cache=True)
def _symmetric_difference(set_start, set_members, code, member, out):
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
def _find_set(set_start, set_members, sets, wanted, length):
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
def _moved(code, member, moves, set_start, set_members, sets, wanted):
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
def _emit_chains(edge_owner, edges, low, high, chains, used):
    """Append the runs of consecutive edges of one leaf; returns the array, maybe grown, and its used length."""
    k = low
    while k < high:
        run = 1
        while k + run < high and edges[k + run] == edges[k] + run and edge_owner[edges[k + run]] == edge_owner[edges[k]]:
            run += 1
        chains = _grown(chains, 3 * used + 3)
        chains[3 * used] = edges[k]
        chains[3 * used + 1] = run
        chains[3 * used + 2] = edge_owner[edges[k]]
        used += 1
        k += run
    return chains, used


@njit(cache=True)
def _compile(vertices, edge_owner, cell_start, cell_edges, members):  # one function: it owns every growing array
    top = np.empty(ROWS * COLUMNS, np.int32)
    child = np.empty(1 << 12, np.int32)
    nodes = 0
    leaf_code = np.empty(1 << 12, np.int32)
    leaf_start = np.zeros(1 << 12, np.int32)
    leaves = 0
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
            count = _toggles(vertices, edge_owner, cell_edges, cell_start[cell - 1], low, rx - TOP_DEG, ry, x0, ry, found, 0)
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
                leaf_code = _grown(leaf_code, leaves + 1)
                leaf_start = _grown(leaf_start, leaves + 2)
                leaf_code[leaves] = code
                leaf_start[leaves] = used
                chains, used = _emit_chains(edge_owner, buffer, low, high, chains, used)
                leaf_start[leaves + 1] = used
                entry = np.int32(~(2 * leaves))
                leaves += 1
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
    return (
        top,
        child[: kids * nodes].copy(),
        leaf_code[:leaves].copy(),
        leaf_start[: leaves + 1].copy(),
        chains[: 3 * used].copy().reshape(used, 3),
        set_start[: sets + 1].copy(),
        set_members[: set_start[sets]].copy(),
    )
