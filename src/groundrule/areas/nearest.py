"""How far is a point from the edge of an area?

Distances are counted in the local plane of `frame`, with the scale of the latitude half-way between the point and
the foot of the perpendicular, so that 200 km are as good as 20.

Accuracy: against a geodesic on a densified edge within 0.1 % up to 200 km below 75 degrees of latitude, and within
0.3 % beyond (tests/unit/areas/test_distance.py).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from groundrule.areas.frame import MIN_KY, PIECE_DEG, POLAR_DEG, Frame, frame_at, scales, to_plane, window_around
from groundrule.areas.grid import COLUMNS, MAX_DEPTH, ROWS, SPLIT, TOP_DEG, Grid
from groundrule.areas.lookup import DONE, FULL, descend, new_stack, set_at
from groundrule.areas.probability import MIN_SIGMA_M, REACH, collect_around
from groundrule.areas.sets import INSIDE, MISSING, SET_EDGE, SET_INSIDE, SetTable, Whole, membership_in, move_of, moved

_SLACK = 1.5  # the affine scale at the point is never further off within the distances served
FIRST_RADIUS_M = 2000.0


@njit(cache=True)
def _foot(au: float, av: float, bu: float, bv: float) -> tuple[float, float]:
    """Distance from the origin to a segment, and the place of the foot (0 at a, 1 at b)."""
    du, dv = bu - au, bv - av
    length2 = du * du + dv * dv
    place = 0.0
    if length2 > 0.0:
        place = min(max(-(au * du + av * dv) / length2, 0.0), 1.0)
    return math.hypot(au + place * du, av + place * dv), place


@njit(cache=True)
def _edge_distance(frame: Frame, ax: float, ay: float, bx: float, by: float, best: float) -> float:
    """Distance [m] to an edge in degrees, or something >= best."""
    if frame.pole != 0:
        pieces = int(abs(bx - ax) / PIECE_DEG) + 1
        au, av = to_plane(frame, ax, ay)
        nearest = math.inf
        for k in range(1, pieces + 1):
            share = k / pieces
            bu, bv = to_plane(frame, ax + (bx - ax) * share, ay + (by - ay) * share)
            distance, _ = _foot(au, av, bu, bv)
            nearest = min(nearest, distance)
            au, av = bu, bv
        return nearest
    ax -= frame.lon
    bx -= frame.lon
    ay -= frame.lat
    by -= frame.lat
    distance, place = _foot(ax * frame.kx, ay * frame.ky, bx * frame.kx, by * frame.ky)
    if distance < FIRST_RADIUS_M or distance > _SLACK * best:
        return distance
    for _ in range(2):
        kx, ky = scales(min(max(frame.lat + 0.5 * (ay + place * (by - ay)), -90.0), 90.0))
        distance, place = _foot(ax * kx, ay * ky, bx * kx, by * ky)
    return distance


@njit(cache=True)
def _is_artificial(
    vertices: NDArray[np.float64], edges: NDArray[np.int32], used: int, edge: int, member: int, lat: float
) -> bool:
    """Whether an edge only closes a planar ring: along a pole, or a cut at 180 degrees with the area beyond it."""
    ax, ay, bx, by = vertices[edge, 0], vertices[edge, 1], vertices[edge + 1, 0], vertices[edge + 1, 1]
    if ay == by and abs(ay) == 90.0:
        return True
    if ax != bx or abs(ax) != 180.0:
        return False
    nearest = min(max(lat, min(ay, by)), max(ay, by))
    for k in range(used):
        other = edges[k, 0]
        if (
            edges[k, 1] >> 1 == member
            and vertices[other, 0] == -ax
            and vertices[other + 1, 0] == -ax
            and min(vertices[other, 1], vertices[other + 1, 1])
            <= nearest
            <= max(vertices[other, 1], vertices[other + 1, 1])
        ):
            return True
    return False


@njit(cache=True)
def distance_within(
    grid: Grid,
    lon: float,
    lat: float,
    member: int,
    radius_m: float,
    stack: NDArray[np.float64],
    edges: NDArray[np.int32],
) -> tuple[float, NDArray[np.int32]]:
    """Distance [m] to the nearest edge of one area, or infinity if it is beyond the radius.

    Returns:
        (distance, edges): edges is scratch that may have grown.
    """
    frame = frame_at(lon, lat)
    # The window is widened, because the scale of longitude shrinks towards the pole.
    half_lon, half_lat = window_around(frame, radius_m, radius_m)
    poleward = min(abs(lat) + half_lat, 90.0)
    if frame.pole == 0 and half_lon < 180.0:
        kx, _ = scales(poleward)
        half_lon = min(half_lon * frame.kx / max(kx, 1.0), 360.0)
    edges, used, split, first_shift, second_shift = collect_around(grid, lon, lat, half_lon, half_lat, stack, edges)
    best = math.inf
    for k in range(used):
        if edges[k, 1] >> 1 != member:
            continue
        edge = edges[k, 0]
        shift = first_shift if k < split else second_shift
        if _is_artificial(grid.vertices, edges, used, edge, member, lat):
            continue
        distance = _edge_distance(
            frame,
            grid.vertices[edge, 0] + shift,
            grid.vertices[edge, 1],
            grid.vertices[edge + 1, 0] + shift,
            grid.vertices[edge + 1, 1],
            best,
        )
        best = min(best, distance)
    return (best if best <= radius_m else math.inf), edges


@njit(cache=True)
def signed_distances(
    grid: Grid,
    lat: NDArray[np.float64],
    lon: NDArray[np.float64],
    inside: NDArray[np.bool_],
    member: int,
    max_m: float,
    out: NDArray[np.float64],
) -> None:
    """Fill `out` with distances [m] to the edge of an area, negative inside, infinite beyond max_m."""
    stack = new_stack()
    edges = np.empty((64, 2), np.int32)
    for i in range(len(lat)):
        if not (-90.0 <= lat[i] <= 90.0 and -180.0 <= lon[i] <= 180.0):
            out[i] = math.nan
            continue
        radius = min(FIRST_RADIUS_M, max_m)
        while True:
            distance, edges = distance_within(grid, lon[i], lat[i], member, radius, stack, edges)
            if distance < math.inf or radius >= max_m:
                break
            radius = min(4.0 * radius, max_m)
        out[i] = -distance if inside[i] else distance


@njit(cache=True)
def flag_cells(grid: Grid, member: int, radius_m: float, flags: NDArray[np.uint8]) -> None:
    """Mark the top cells within a distance of an area's edge, generously, in `flags` (ROWS, COLUMNS)."""
    stack = np.empty(SPLIT * SPLIT * (MAX_DEPTH + 2), np.int32)
    for row in range(ROWS):
        south = -90.0 + row * TOP_DEG
        poleward = max(abs(south), abs(south + TOP_DEG)) + radius_m / MIN_KY + TOP_DEG
        high = int(radius_m / MIN_KY / TOP_DEG) + 1
        wide = COLUMNS
        if poleward < POLAR_DEG:
            kx, _ = scales(poleward)
            wide = min(COLUMNS, int(radius_m / kx / TOP_DEG) + 1)
        for column in range(COLUMNS):
            entry = grid.top[row * COLUMNS + column]
            if entry >= 0:
                continue
            stack[0] = entry
            waiting = 1
            found = False
            while waiting and not found:
                waiting -= 1
                entry = stack[waiting]
                if (~entry) & 1:
                    for kid in range(SPLIT * SPLIT):
                        inner = grid.child[((~entry) >> 1) * (SPLIT * SPLIT) + kid]
                        if inner < 0:
                            stack[waiting] = inner
                            waiting += 1
                    continue
                leaf = (~entry) >> 1
                for k in range(grid.leaves[leaf, 1], grid.leaves[leaf + 1, 1]):
                    found = found or grid.chains[k, 1] >> 9 == member
            if found:
                for near in range(max(row - high, 0), min(row + high, ROWS - 1) + 1):
                    if wide >= COLUMNS:
                        flags[near, :] = 1
                        continue
                    for offset in range(-wide, wide + 1):
                        flags[near, (column + offset) % COLUMNS] = 1


@njit(cache=True)
def apply_buffer(
    grid: Grid,
    table: SetTable,
    flags: NDArray[np.uint8],
    flagged_m: float,
    lat: NDArray[np.float64],
    lon: NDArray[np.float64],
    sigma: NDArray[np.float64],
    area: int,
    buffer: int,
    radius_m: float,
    edge_probability: float,
    out: NDArray[np.int32],
    rows: NDArray[np.int64],
    members: NDArray[np.int32],
    probabilities: NDArray[np.float32],
    begin: int,
    used_rows: int,
) -> tuple[int, Whole, Whole, int]:
    """Add one buffer to the codes of `out`: the points within `radius_m` of an area, its inside included.

    Args:
        flags: top cells within `flagged_m` of the edge.
        area, buffer: members.
        sigma: (n,) [m]; the probability is that of a half-plane at the signed distance d, normal((radius - d) / sigma).
    Returns:
        (row, code, move, used_rows): as `probability.locate_uncertain`.
    """
    stack = new_stack()
    edges = np.empty((64, 2), np.int32)
    for i in range(begin, len(lat)):
        code = out[i]
        if code < 0:
            continue
        spread = sigma[i]
        if not spread >= MIN_SIGMA_M:
            spread = 0.0
        reach = radius_m + REACH * spread
        row = min(int((lat[i] + 90.0) / TOP_DEG), ROWS - 1)
        column = min(int((lon[i] + 180.0) / TOP_DEG), COLUMNS - 1)
        if reach <= flagged_m and not flags[row, column]:
            if membership_in(table, code, area) == INSIDE:
                move = move_of(buffer, SET_INSIDE)
                after = moved(table, code, move)
                if after == MISSING:
                    return i, code, move, used_rows
                out[i] = after
            continue
        exact, x0, y0, width = descend(grid, lon[i], lat[i])
        if exact < 0:
            exact, move = set_at(grid, table, (~exact) >> 1, x0, y0, width, lon[i], lat[i], True)
            if move != DONE:
                return i, exact, move, used_rows
        inside = membership_in(table, exact, area) == INSIDE
        if inside and spread == 0.0:
            probability = 1.0
        else:
            distance, edges = distance_within(grid, lon[i], lat[i], area, reach, stack, edges)
            if distance == math.inf:
                probability = 1.0 if inside else 0.0
            else:
                if inside:
                    distance = -distance
                if spread == 0.0:
                    probability = 1.0 if distance <= radius_m else 0.0
                else:
                    probability = 0.5 * math.erfc((distance - radius_m) / (spread * math.sqrt(2.0)))
        if probability <= edge_probability:
            continue
        change = SET_INSIDE if probability >= 1.0 - edge_probability else SET_EDGE
        if change == SET_EDGE and used_rows == len(rows):
            return i, code, FULL, used_rows
        move = move_of(buffer, change)
        after = moved(table, code, move)
        if after == MISSING:
            return i, code, move, used_rows
        if change == SET_EDGE:
            rows[used_rows] = i
            members[used_rows] = buffer
            probabilities[used_rows] = probability
            used_rows += 1
        out[i] = after
    return len(lat), 0, DONE, used_rows
