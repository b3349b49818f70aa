"""Probability that a position with a normal error lies inside an area.

For an error of one sigma in every direction of the local plane, seen from the reported point p,

    P(inside) = [p inside] - sum over edges of  1/(2 pi) * integral of exp(-r(phi)^2 / 2) dphi

where r is the distance to the edge [sigma] in the direction phi and dphi is positive where the inside lies between p
and the edge. Each term is a difference of Owen's T functions; here it is evaluated as

    1/(2 pi) * (angle seen - h * integral of (1 - exp(-(h^2 + t^2) / 2)) / (h^2 + t^2) dt)

over the part of the edge within `REACH` sigma, h being the distance of its line and t the place along it. That
integrand is smooth for every h, so that a point on an edge is no special case. A covariance is whitened first.

Accuracy: 3e-4 for given edges in the local plane, 5e-5 for edges longer than sigma / 5
(tests/unit/areas/test_probability.py); the cut at 4.5 sigma is 4e-5 of it.
Source: D. B. Owen, Tables for computing bivariate normal probabilities, Ann. Math. Stat. 27 (1956), 1075-1090.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from groundrule.areas.frame import LON_PER_METRE, MIN_KY, PIECE_DEG, Frame, frame_at, to_plane, window_around
from groundrule.areas.grid import COLUMNS, TOP_DEG, Grid
from groundrule.areas.lookup import (
    BLOCK,
    DONE,
    FULL,
    UNKNOWN,
    descend,
    descend_block,
    edges_in_leaf,
    edges_in_window,
    new_block,
    new_stack,
    set_at,
    window_fits,
)
from groundrule.areas.predicates import orientation
from groundrule.areas.sets import (
    INSIDE,
    MISSING,
    SET_EDGE,
    SET_INSIDE,
    SET_OUTSIDE,
    SetTable,
    Whole,
    membership_in,
    move_of,
    moved,
)

REACH = 4.5
"""Edges further than this many sigma are ignored: exp(-4.5**2 / 2) = 4e-5."""

MAX_SIGMA_M = 100_000.0
"""A position less certain than this is no position; it gets the code -1."""

MIN_SIGMA_M = 1e-3
"""Below a millimetre the position is taken as exact."""

_OFF_EAST, _OFF_NORTH = 1.1e-5, 0.7e-5  # shift of p [sigma] off edges and vertices, where the angle seen is undefined

# Gauss-Legendre on [-1, 1]
_X2 = 0.5773502691896257
_X4A, _W4A = 0.3399810435848563, 0.6521451548625461
_X4B, _W4B = 0.8611363115940526, 0.3478548451374538


@njit(cache=True)
def _deficit(u: float) -> float:
    """(1 - exp(-u / 2)) / u for u >= 0."""
    if u < 1e-4:
        return 0.5 - 0.125 * u
    return -math.expm1(-0.5 * u) / u


@njit(cache=True)
def _deficit_integral(h2: float, low: float, high: float) -> float:
    """Integral of `_deficit(h2 + t * t)` over t from low to high."""
    length = high - low
    if length < 0.2:
        middle, half = 0.5 * (low + high), 0.5 * length
        p, q = middle - _X2 * half, middle + _X2 * half
        return half * (_deficit(h2 + p * p) + _deficit(h2 + q * q))
    panels = int(length) + 1
    half = 0.5 * length / panels
    total = 0.0
    for k in range(panels):
        middle = low + (2 * k + 1) * half
        for sign in (-1.0, 1.0):
            p, q = middle + sign * _X4A * half, middle + sign * _X4B * half
            total += half * (_W4A * _deficit(h2 + p * p) + _W4B * _deficit(h2 + q * q))
    return total


@njit(cache=True)
def edge_mass(au: float, av: float, bu: float, bv: float, side: int) -> float:
    """Share of the normal distribution that is seen beyond an edge, signed.

    Args:
        au, av, bu, bv: the edge from a to b relative to the point [sigma].
        side: 1 if the point lies left of the edge, -1 right, 0 to take the side from the numbers.
    """
    du, dv = bu - au, bv - av
    length2 = du * du + dv * dv
    mu, mv = au + 0.5 * du, av + 0.5 * dv
    far2 = mu * mu + mv * mv
    if length2 <= 0.04 and 16.0 * length2 <= far2:
        # A short edge seen from afar: one or two points of Gauss-Legendre, relative error below 2e-4.
        cross = au * dv - av * du
        if far2 > (REACH + 0.1) * (REACH + 0.1):
            return 0.0
        if length2 <= 0.0025 and 1600.0 * length2 <= far2:
            return cross * math.exp(-0.5 * far2) / (2.0 * math.pi * far2)
        pu, pv = mu - 0.5 * _X2 * du, mv - 0.5 * _X2 * dv
        qu, qv = mu + 0.5 * _X2 * du, mv + 0.5 * _X2 * dv
        p2, q2 = pu * pu + pv * pv, qu * qu + qv * qv
        return cross * (math.exp(-0.5 * p2) / p2 + math.exp(-0.5 * q2) / q2) / (4.0 * math.pi)
    length = math.sqrt(length2)
    if length == 0.0:
        return 0.0
    h = (au * dv - av * du) / length
    if abs(h) >= REACH:
        return 0.0
    low = (au * du + av * dv) / length
    reach = math.sqrt(REACH * REACH - h * h)
    high = min(low + length, reach)
    low = max(low, -reach)
    if low >= high:
        return 0.0
    if side == 0:
        side = 1 if h >= 0.0 else -1
    h = abs(h)
    seen = math.atan2(high, h) - math.atan2(low, h)
    return side * (seen - h * _deficit_integral(h * h, low, high)) / (2.0 * math.pi)


@njit(cache=True)
def _side(ax: float, ay: float, bx: float, by: float, px: float, py: float) -> int:
    """Exact side of a point, ties broken as in `predicates`."""
    side = orientation(ax, ay, bx, by, px, py)
    if side == 0:
        if by != ay:
            return 1 if by > ay else -1
        return 1 if bx > ax else -1
    return side


@njit(cache=True)
def _whole_edge_mass(
    frame: Frame, ax: float, ay: float, bx: float, by: float, l11: float, l21: float, l22: float
) -> float:
    """`edge_mass` of an edge in degrees, for the lower Cholesky factor of the covariance [m]."""
    pieces = 1
    if frame.pole != 0:
        pieces = int(abs(bx - ax) / PIECE_DEG) + 1
    east, north = to_plane(frame, ax, ay)
    au = east / l11
    av = (north - l21 * au) / l22
    total = 0.0
    for k in range(1, pieces + 1):
        if k == pieces:
            east, north = to_plane(frame, bx, by)
        else:
            east, north = to_plane(frame, ax + (bx - ax) * k / pieces, ay + (by - ay) * k / pieces)
        bu = east / l11
        bv = (north - l21 * bu) / l22
        side = 0
        if frame.pole == 0 and abs(au * bv - av * bu) <= 1e-6 * (abs(bu - au) + abs(bv - av)):
            side = _side(ax, ay, bx, by, frame.lon, frame.lat)
        total += edge_mass(au, av, bu, bv, side)
        au, av = bu, bv
    return total


@njit(cache=True)
def collect_around(
    grid: Grid,
    lon: float,
    lat: float,
    half_lon: float,
    half_lat: float,
    stack: NDArray[np.float64],
    edges: NDArray[np.int32],
) -> tuple[NDArray[np.int32], int, int, float, float]:
    """Collect the edges of a window that may cross 180 degrees.

    Returns:
        (edges, used, split, first_shift, second_shift): rows up to `split` are to be moved by `first_shift` degrees of
        longitude to lie near the point, the others by `second_shift`.
    """
    south = max(lat - half_lat, -90.0)
    north = min(lat + half_lat, 90.0)
    if half_lon >= 180.0:
        edges, used = edges_in_window(grid, -180.0, south, 180.0, north, stack, edges, 0)
        return edges, used, used, 0.0, 0.0
    west, east = lon - half_lon, lon + half_lon
    edges, split = edges_in_window(grid, max(west, -180.0), south, min(east, 180.0), north, stack, edges, 0)
    if west <= -180.0:
        edges, used = edges_in_window(grid, west + 360.0, south, 180.0, north, stack, edges, split)
        return edges, used, split, 0.0, -360.0
    if east >= 180.0:
        edges, used = edges_in_window(grid, -180.0, south, east - 360.0, north, stack, edges, split)
        return edges, used, split, 0.0, 360.0
    return edges, split, split, 0.0, 0.0


@njit(cache=True)
def add_mass(mass: NDArray[np.float64], touched: NDArray[np.int32], count: int, member: int, share: float) -> int:
    """Add to a member's mass; returns how many are touched, which stay ascending so that moves come in one order."""
    if math.isnan(mass[member]):
        mass[member] = 0.0
        place = count
        while place > 0 and touched[place - 1] > member:
            touched[place] = touched[place - 1]
            place -= 1
        touched[place] = member
        count += 1
    mass[member] += share
    return count


@njit(cache=True)
def settle(
    table: SetTable,
    code: Whole,
    mass: NDArray[np.float64],
    touched: NDArray[np.int32],
    count: int,
    edge_probability: float,
    row: int,
    rows: NDArray[np.int64],
    members: NDArray[np.int32],
    probabilities: NDArray[np.float32],
    used_rows: int,
) -> tuple[Whole, Whole, int]:
    """Turn the masses of one row into memberships, and clear them.

    Returns:
        (code, move, used_rows): DONE and the final code; or a missing move of `code`, or FULL, with nothing to keep.
    """
    before = code
    status = FULL if used_rows + count > len(rows) else DONE
    for k in range(count):
        member = touched[k]
        inside = membership_in(table, before, member) == INSIDE
        probability = (1.0 if inside else 0.0) - mass[member]
        mass[member] = math.nan
        if status != DONE:
            continue
        # Where the projection bends an edge, a point within its sagitta is on the wrong side, which is off by one.
        if probability > 1.0 + 1e-3:
            probability -= 1.0
        elif probability < -1e-3:
            probability += 1.0
        if probability >= 1.0 - edge_probability:
            change = SET_INSIDE
        elif probability <= edge_probability:
            change = SET_OUTSIDE
        else:
            change = SET_EDGE
            rows[used_rows] = row
            members[used_rows] = member
            probabilities[used_rows] = probability
            used_rows += 1
        if (change == SET_INSIDE and inside) or (change == SET_OUTSIDE and not inside):
            continue
        move = move_of(member, change)
        after = moved(table, code, move)
        if after == MISSING:
            status = move
        else:
            code = after
    return code, status, used_rows


@njit(cache=True)
def _nothing_near(grid: Grid, west: float, south: float, east: float, north: float) -> bool:
    """Quickly tell, for a small window off the borders of the world, that no edge is in its top cells."""
    if not (west > -180.0 and east < 180.0 and south > -90.0 and north < 90.0):
        return False
    first, last = int((west + 180.0) / TOP_DEG), int((east + 180.0) / TOP_DEG)
    low, high = int((south + 90.0) / TOP_DEG), int((north + 90.0) / TOP_DEG)
    return (
        last - first <= 1
        and high - low <= 1
        and grid.top[low * COLUMNS + first] >= 0
        and grid.top[low * COLUMNS + last] >= 0
        and grid.top[high * COLUMNS + first] >= 0
        and grid.top[high * COLUMNS + last] >= 0
    )


@njit(cache=True)
def _beside(value: float, offset: float, limit: float) -> float:
    return value + offset if value + offset < limit else value - offset


@njit(cache=True)
def locate_uncertain(
    grid: Grid,
    table: SetTable,
    lat: NDArray[np.float64],
    lon: NDArray[np.float64],
    sigma: NDArray[np.float64],
    covariance: NDArray[np.float64],
    edge_probability: float,
    mass: NDArray[np.float64],
    out: NDArray[np.int32],
    rows: NDArray[np.int64],
    members: NDArray[np.int32],
    probabilities: NDArray[np.float32],
    begin: int,
    used_rows: int,
) -> tuple[int, Whole, Whole, int]:
    """Fill `out` with set codes from row `begin`, and append the edge memberships.

    Args:
        sigma: (n,) [m]; not positive or NaN means exact.
        covariance: (n, 3) east-east, east-north, north-north [m2]; empty to use sigma.
        mass: (areas,) NaN; scratch, left as it was.
        out: (n,) codes.
        rows, members, probabilities: lists of the edge memberships; `used_rows` of them are filled.
    Returns:
        (row, code, move, used_rows): as `lookup.locate_exact`; FULL asks for longer lists.
    """
    edges = np.empty((256, 2), np.int32)
    stack = new_stack()
    block = new_block()
    touched_memory = 0.0
    touched = np.empty(len(mass), np.int32)
    low = high = begin
    for i in range(begin, len(lat)):
        if i == high:
            low, high = high, min(high + BLOCK, len(lat))
            touched_memory += descend_block(grid, lat, lon, low, high, block)
        y = lat[i]
        x = lon[i]
        entry = block.entry[i - low]
        if entry == UNKNOWN:
            out[i] = -1
            continue
        if len(covariance):
            l11 = math.sqrt(max(covariance[i, 0], 0.0))
            l22 = math.sqrt(max(covariance[i, 2], 0.0))
            if l11 >= MIN_SIGMA_M or l22 >= MIN_SIGMA_M:  # one axis may be exact, not both
                l11, l22 = max(l11, MIN_SIGMA_M), max(l22, MIN_SIGMA_M)
        else:
            l11 = l22 = sigma[i]
        if not (l11 >= MIN_SIGMA_M and l22 >= MIN_SIGMA_M):
            l11 = l22 = 0.0
        if l11 > MAX_SIGMA_M or l22 > MAX_SIGMA_M:
            out[i] = -1
            continue
        l21 = 0.0
        x0, y0, width = block.cell[i - low]
        if l11 == 0.0:
            if entry < 0:
                entry, move = set_at(grid, table, (~entry) >> 1, x0, y0, width, x, y, True)
                if move != DONE:
                    return i, entry, move, used_rows
            out[i] = entry
            continue
        # A window that is surely wide enough, without trigonometry.
        half_lon = REACH * l11 * LON_PER_METRE[min(int((y + 90.0) * 2.0), 359)]
        half_lat = l22 * (REACH / MIN_KY)
        west, east, south, north = x - half_lon, x + half_lon, y - half_lat, y + half_lat
        fits = west > -180.0 and east < 180.0 and window_fits(x0, y0, width, west, south, east, north)
        used, split, first_shift, second_shift = 0, 0, 0.0, 0.0
        if fits:
            if entry >= 0:
                out[i] = entry
                continue
            edges, used = edges_in_leaf(grid, (~entry) >> 1, west, south, east, north, edges, 0)
            split = used
        elif entry < 0 or not _nothing_near(grid, west, south, east, north):
            if half_lon == math.inf:
                half_lon, half_lat = window_around(frame_at(x, y), REACH * l11, REACH * l22)
            edges, used, split, first_shift, second_shift = collect_around(grid, x, y, half_lon, half_lat, stack, edges)
        if used == 0:
            # Nothing is near: the exact answer.
            if entry < 0:
                entry, move = set_at(grid, table, (~entry) >> 1, x0, y0, width, x, y, True)
                if move != DONE:
                    return i, entry, move, used_rows
            out[i] = entry
            continue
        if len(covariance):
            l21 = covariance[i, 1] / l11
            l22 = math.sqrt(max(covariance[i, 2] - l21 * l21, MIN_SIGMA_M * MIN_SIGMA_M))
        # The origin lies a hair beside the point, so that it meets no vertex.
        frame = frame_at(x, y)
        px = _beside(x, _OFF_EAST * l11 / max(frame.kx, 1.0), 180.0)
        py = _beside(y, _OFF_NORTH * l22 / frame.ky, 90.0)
        frame = frame_at(px, py)
        code, x0, y0, width = descend(grid, px, py)
        if code < 0:
            code, move = set_at(grid, table, (~code) >> 1, x0, y0, width, px, py, False)
            if move != DONE:
                return i, code, move, used_rows
        count = 0
        for k in range(used):
            edge = edges[k, 0]
            shift = first_shift if k < split else second_shift
            share = _whole_edge_mass(
                frame,
                grid.vertices[edge, 0] + shift,
                grid.vertices[edge, 1],
                grid.vertices[edge + 1, 0] + shift,
                grid.vertices[edge + 1, 1],
                l11,
                l21,
                l22,
            )
            if share != 0.0:
                member = edges[k, 1] >> 1
                if edges[k, 1] & 1:
                    share = -share
                count = add_mass(mass, touched, count, member, share)
        code, move, after_rows = settle(
            table, code, mass, touched, count, edge_probability, i, rows, members, probabilities, used_rows
        )
        if move != DONE:
            return i, code, move, used_rows
        used_rows = after_rows
        out[i] = code
    if touched_memory == math.inf:  # never; see `lookup.descend_block`
        return 0, 0, DONE, used_rows
    return len(lat), 0, DONE, used_rows
