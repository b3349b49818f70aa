"""Share of an H3 cell's area that lies inside each area.

A cell is a polygon that is star-shaped around its centre. In an equal-area plane the share is

    [centre inside] - sum over edges of (the part of the cell beyond the edge, seen from the centre) / area of the cell

with the sign of `probability.edge_mass`. Each edge is cut by the triangles that the centre spans with the cell's sides;
in such a triangle the part beyond the edge is a quadrilateral. Sides longer than 30 km are densified along the great
circle.

The plane is (lon, sin lat); for cells that reach beyond 80 degrees of latitude it is Lambert's azimuthal projection at
the pole. Both are equal-area on the sphere, whose areas differ from the ellipsoid's by a factor that is constant to
1e-3 within a cell of resolution 2 or finer.

Accuracy: 1e-3 against sampling (tests/unit/areas/test_cells.py).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import h3
import numpy as np
from numba import njit
from numpy.typing import NDArray

from groundrule.areas.frame import DEGREE, PIECE_DEG
from groundrule.areas.grid import Grid
from groundrule.areas.lookup import DONE, clip_to_window, descend, new_stack, set_at
from groundrule.areas.probability import add_mass, collect_around, settle
from groundrule.areas.sets import SetTable, Whole

POLAR_CELL_DEG = 80.0
_LONGEST_SIDE_RAD = 30.0 / 6371.0
_OFF_CENTRE_DEG = 1.3e-8  # the centre is moved off vertices and level lines by a millimetre


def outline(cell: int) -> tuple[float, float, NDArray[np.float64]] | None:
    """Return centre and boundary of an H3 cell, or None if it is not a valid cell.

    Returns:
        lat, lon [degree] of the centre; (k, 2) lon, lat [degree] of the boundary counter-clockwise, without repetition
        of the first point, long sides densified, lon continued beyond 180 where the cell crosses it.
    """
    try:
        lat, lon = h3.api.basic_int.cell_to_latlng(cell)
        boundary = np.radians(np.array(h3.api.basic_int.cell_to_boundary(cell), dtype=np.float64))
    except (h3.H3BaseException, OverflowError):
        return None
    xyz = np.column_stack(
        [
            np.cos(boundary[:, 0]) * np.cos(boundary[:, 1]),
            np.cos(boundary[:, 0]) * np.sin(boundary[:, 1]),
            np.sin(boundary[:, 0]),
        ]
    )
    following = np.roll(xyz, -1, axis=0)
    longest = float(np.linalg.norm(following - xyz, axis=1).max())
    steps = math.ceil(longest / _LONGEST_SIDE_RAD)
    if steps > 1:
        share = (np.arange(steps) / steps)[None, :, None]
        xyz = (xyz[:, None, :] * (1 - share) + following[:, None, :] * share).reshape(-1, 3)
    lats = np.degrees(np.arctan2(xyz[:, 2], np.hypot(xyz[:, 0], xyz[:, 1])))
    lons = np.degrees(np.arctan2(xyz[:, 1], xyz[:, 0]))
    lons = lon + (lons - lon + 180.0) % 360.0 - 180.0
    return lat, lon, np.column_stack([lons, lats])


@njit(cache=True)
def _equal_area(lon: float, lat: float, lon0: float, pole: int) -> tuple[float, float]:
    """Project to the equal-area plane; east is right and the orientation is kept."""
    if pole == 0:
        return (lon - lon0) * DEGREE, math.sin(lat * DEGREE)
    rho = 2.0 * math.sin(0.5 * (90.0 - lat * pole) * DEGREE)
    angle = (lon - lon0) * DEGREE
    return rho * math.sin(angle), -pole * rho * math.cos(angle)


@njit(cache=True)
def _beyond_in_wedge(ax: float, ay: float, bx: float, by: float, cx: float, cy: float, dx: float, dy: float) -> float:
    """Area between an edge a-b and the side c-d within the triangle (origin, c, d), signed by the turn from a to b."""
    wedge = cx * dy - cy * dx
    if wedge <= 0.0:
        return 0.0
    # Clip the edge by three half-planes: left of the ray to c, right of the ray to d, this side of c-d.
    begin = 0.0
    end = 1.0
    for side in range(3):
        if side == 0:
            p, q = cx * ay - cy * ax, cx * by - cy * bx
        elif side == 1:
            p, q = ax * dy - ay * dx, bx * dy - by * dx
        else:
            p = (dx - cx) * (ay - cy) - (dy - cy) * (ax - cx)
            q = (dx - cx) * (by - cy) - (dy - cy) * (bx - cx)
        if p < 0.0 and q < 0.0:
            return 0.0
        if p < 0.0:
            begin = max(begin, p / (p - q))
        elif q < 0.0:
            end = min(end, p / (p - q))
    if begin >= end:
        return 0.0
    px, py = ax + begin * (bx - ax), ay + begin * (by - ay)
    qx, qy = ax + end * (bx - ax), ay + end * (by - ay)
    triangle = px * qy - py * qx
    # Where the rays through p and q meet the side c-d: the ray through p meets it at p * wedge / n(p).
    n_p = px * (dy - cy) - py * (dx - cx)
    n_q = qx * (dy - cy) - qy * (dx - cx)
    if n_p <= 0.0 or n_q <= 0.0:
        return 0.0
    return 0.5 * (triangle * (wedge / n_p) * (wedge / n_q) - triangle)


@njit(cache=True)
def locate_cells(
    grid: Grid,
    table: SetTable,
    lat: NDArray[np.float64],
    lon: NDArray[np.float64],
    start: NDArray[np.int64],
    boundary: NDArray[np.float64],
    edge_probability: float,
    mass: NDArray[np.float64],
    out: NDArray[np.int32],
    rows: NDArray[np.int64],
    members: NDArray[np.int32],
    probabilities: NDArray[np.float32],
    begin: int,
    used_rows: int,
) -> tuple[int, Whole, Whole, int]:
    """Fill `out` with the set codes of cells; see `probability.locate_uncertain` for the protocol.

    Args:
        lat, lon: (n,) centres [degree].
        start: (n + 1,) into boundary; an empty range is an invalid cell, which gets -1.
        boundary: (k, 2) lon, lat [degree], as from `outline`.
    """
    stack = new_stack()
    edges = np.empty((256, 2), np.int32)
    touched = np.empty(len(mass), np.int32)
    for i in range(begin, len(lat)):
        low, high = start[i], start[i + 1]
        if low == high:
            out[i] = -1
            continue
        x, y = lon[i] + _OFF_CENTRE_DEG, lat[i] + 0.7 * _OFF_CENTRE_DEG
        if x > 180.0:
            x -= 360.0
        y = min(y, 90.0)
        turn = x - lon[i]  # the boundary is continuous around the centre as given
        turn = 360.0 * round(turn / 360.0)
        west = east = x
        south = north = y
        winding = 0.0
        for k in range(low, high):
            bx, by = boundary[k, 0] + turn, boundary[k, 1]
            west, east, south, north = min(west, bx), max(east, bx), min(south, by), max(north, by)
            following = boundary[k + 1, 0] if k + 1 < high else boundary[low, 0]
            step = following - boundary[k, 0]
            winding += step - 360.0 * round(step / 360.0)
        polar = abs(winding) > 180.0
        if polar and y > 0:
            north = 90.0
        elif polar:
            south = -90.0
        pole = 0
        if north > POLAR_CELL_DEG:
            pole = 1
        elif south < -POLAR_CELL_DEG:
            pole = -1
        half_lon = 180.0 if polar else max(x - west, east - x)
        half_lat = max(y - south, north - y)
        edges, used, split, first_shift, second_shift = collect_around(grid, x, y, half_lon, half_lat, stack, edges)
        code, x0, y0, width = descend(grid, x, y)
        if code < 0:
            code, move = set_at(grid, table, (~code) >> 1, x0, y0, width, x, y, False)
            if move != DONE:
                return i, code, move, used_rows
        if used == 0:
            out[i] = code
            continue
        sides = high - low
        flat = np.empty((sides + 1, 2))
        ox, oy = _equal_area(x, y, x, pole)
        total = 0.0
        for k in range(sides + 1):
            u, v = _equal_area(boundary[low + k % sides, 0] + turn, boundary[low + k % sides, 1], x, pole)
            flat[k, 0], flat[k, 1] = u - ox, v - oy
            if k:
                total += 0.5 * (flat[k - 1, 0] * flat[k, 1] - flat[k - 1, 1] * flat[k, 0])
        count = 0
        for e in range(used):
            edge = edges[e, 0]
            shift = first_shift if e < split else second_shift
            ax, ay = grid.vertices[edge, 0] + shift, grid.vertices[edge, 1]
            bx, by = grid.vertices[edge + 1, 0] + shift, grid.vertices[edge + 1, 1]
            if not polar:
                # The part within the window, because pieces of the whole might be coarse for a small cell.
                hit, p, q = clip_to_window(ax, ay, bx, by, x - half_lon, y - half_lat, x + half_lon, y + half_lat)
                if not hit:
                    continue
                ax, ay, bx, by = ax + p * (bx - ax), ay + p * (by - ay), ax + q * (bx - ax), ay + q * (by - ay)
            pieces = int(max(abs(bx - ax), abs(by - ay)) / PIECE_DEG) + 1
            share = 0.0
            au, av = _equal_area(ax, ay, x, pole)
            for piece in range(1, pieces + 1):
                if piece == pieces:
                    bu, bv = _equal_area(bx, by, x, pole)
                else:
                    bu, bv = _equal_area(ax + (bx - ax) * piece / pieces, ay + (by - ay) * piece / pieces, x, pole)
                for k in range(sides):
                    share += _beyond_in_wedge(
                        au - ox, av - oy, bu - ox, bv - oy, flat[k, 0], flat[k, 1], flat[k + 1, 0], flat[k + 1, 1]
                    )
                au, av = bu, bv
            if share != 0.0:
                member = edges[e, 1] >> 1
                if edges[e, 1] & 1:
                    share = -share
                count = add_mass(mass, touched, count, member, share / total)
        code, move, after_rows = settle(
            table, code, mass, touched, count, edge_probability, i, rows, members, probabilities, used_rows
        )
        if move != DONE:
            return i, code, move, used_rows
        used_rows = after_rows
        out[i] = code
    return len(lat), 0, DONE, used_rows


class Outlines(NamedTuple):
    """Outlines of n cells for the kernel."""

    lat: NDArray[np.float64]  # (n,) centre, NaN for an invalid cell
    lon: NDArray[np.float64]
    start: NDArray[np.int64]  # (n + 1,) into boundary
    boundary: NDArray[np.float64]  # (k, 2) lon, lat
    sigma_m: NDArray[np.float64]  # (n,) standard deviation per axis of a position uniform in the cell


def outlines_of(wanted: NDArray[np.uint64]) -> Outlines:
    """Collect the outlines of cells; an invalid cell has an empty one."""
    lat, lon = np.full(len(wanted), np.nan), np.full(len(wanted), np.nan)
    sigma = np.zeros(len(wanted))
    start = np.zeros(len(wanted) + 1, np.int64)
    pieces = []
    for i, cell in enumerate(wanted.tolist()):
        found = outline(cell)
        start[i + 1] = start[i]
        if found is not None:
            lat[i], lon[i], piece = found
            pieces.append(piece)
            start[i + 1] += len(piece)
            # A hexagon of area A has a variance of 5 / (18 sqrt 3) * A / 2 per axis, about that of a disc.
            sigma[i] = math.sqrt(5.0 / (36.0 * math.sqrt(3.0)) * h3.api.basic_int.cell_area(cell, "m^2"))
    boundary = np.concatenate(pieces) if pieces else np.zeros((0, 2))
    return Outlines(lat, lon, start, np.ascontiguousarray(boundary), sigma)


class CellCache:
    """Codes and edge memberships of the cells met so far, sorted by cell."""

    def __init__(self) -> None:
        self._cells = np.zeros(0, np.uint64)
        self._codes = np.zeros(0, np.int32)
        self._count = np.zeros(0, np.int64)  # edge memberships per cell
        self._members = np.zeros(0, np.int32)
        self._shares = np.zeros(0, np.float32)

    @property
    def nbytes(self) -> int:
        """Memory of the arrays [byte]."""
        arrays = (self._cells, self._codes, self._count, self._members, self._shares)
        return sum(array.nbytes for array in arrays)

    def unknown(self, distinct: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return those cells, sorted and distinct, that are not in the cache."""
        place = np.searchsorted(self._cells, distinct)
        known = place < len(self._cells)
        known[known] = self._cells[place[known]] == distinct[known]
        return distinct[~known]

    def add(
        self,
        new: NDArray[np.uint64],
        codes: NDArray[np.int32],
        edge_rows: NDArray[np.int64],
        edge_members: NDArray[np.int32],
        edge_shares: NDArray[np.float32],
    ) -> None:
        """Merge located cells, none of which is in the cache."""
        count = np.bincount(edge_rows, minlength=len(new))
        order = np.argsort(np.concatenate([self._cells, new]), kind="stable")
        counts = np.concatenate([self._count, count])
        members = np.concatenate([self._members, edge_members])
        shares = np.concatenate([self._shares, edge_shares])
        take = _ranges((np.cumsum(counts) - counts)[order], counts[order])
        self._cells = np.concatenate([self._cells, new])[order]
        self._codes = np.concatenate([self._codes, codes])[order]
        self._count, self._members, self._shares = counts[order], members[take], shares[take]

    def spread(
        self, distinct: NDArray[np.uint64], inverse: NDArray[np.intp]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
        """Return codes and edge memberships for rows that point to distinct cells, all of which are in the cache."""
        place = np.searchsorted(self._cells, distinct)[inverse]
        count = self._count[place]
        take = _ranges((np.cumsum(self._count) - self._count)[place], count)
        rows = np.repeat(np.arange(len(place), dtype=np.int64), count)
        return self._codes[place], rows, self._members[take], self._shares[take]


def _ranges(start: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.int64]:
    """Concatenate the ranges start[i] to start[i] + count[i] - 1."""
    return np.repeat(start - (np.cumsum(count) - count), count) + np.arange(int(count.sum()))
