"""Visible: which satellites a point of the ground sees above an elevation mask, exactly, by an index.

1. Satellites are sorted by bands of distance from the centre of the Earth, in each by the cell under them.
2. For a point, a band and a mask there is a largest angle at the Earth's centre; only cells that come so near are read.
3. Each satellite found is tested: (s - x) . up >= sin(mask) |s - x|, with up normal to the ellipsoid.
The window is always too large and the test is the definition, so the answer equals the test of every satellite. Lists
have no fixed width: they stand one after the other with offsets, and a bound on their sum raises when it is passed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from groundrule.errors import InputError, OutOfRange
from groundrule.frames import ecef_of

MAX_ENTRIES = 200_000_000
"""Default bound on the sum of all lists of one call (2.4 GB)."""
MIN_MASK_DEG = -5.0
_BAND = math.log(1.08)  # a band's highest satellites have a distance at most 8 % above its lowest
_LOWEST_M = 6.45e6
_HIGH_BAND = 4  # from here up, 2,400 km, a third of the Earth sees a satellite: reading all of them is quicker
_CROWDED = 256  # bands with fewer are read whole, too
_ROW_RAD = math.radians(2.0)
_MARGIN = 1e-9  # rad; rounding of angles is far below it
_TWO_PI = 2.0 * math.pi

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Visible(NamedTuple):
    """Lists of satellites, one after the other; those of point i stand from offsets[i] up to offsets[i + 1]."""

    offsets: Ints
    """(points + 1,)"""
    satellite: NDArray[np.int32]
    """Rows of the states given to the index; the order within a list is that of the index, the same every time."""

    def of(self, point: int) -> NDArray[np.int32]:
        """Return the satellites of one point."""
        return self.satellite[self.offsets[point] : self.offsets[point + 1]]


class _Grid(NamedTuple):
    """Satellites by band, row of latitude and column of longitude; the last band is one cell that is always read."""

    lowest: Floats
    """Per band, the smallest distance from the centre [m]."""
    highest: Floats
    first: Ints
    """Per band, its first cell."""
    columns: Ints
    """Per row of latitude, its number of columns."""
    row_cell: Ints
    """Per row of latitude, its first cell within a band."""
    edge: Floats
    """(3, rows + 1) southern edges of rows and the last northern one: latitude [rad], its sine and cosine."""
    start: NDArray[np.int32]
    """Per cell, and one more: where its satellites begin."""
    xyz: Floats
    """(3, n) positions in the order of the cells."""
    which: NDArray[np.int32]
    """Rows given, in the order of the cells."""


@dataclass(frozen=True, slots=True)
class VisibilityIndex:
    """Satellites at one instant, ready to be asked who is seen from where."""

    _grid: _Grid
    r_m: Floats

    @classmethod
    def build(cls, r_m: ArrayLike) -> VisibilityIndex:
        """Sort satellites into cells.

        Args:
            r_m: (n, 3) positions [m, ECEF]; rows that are not numbers (no state) are never visible.
        Raises:
            InputError: another shape.
        """
        r = np.array(r_m, np.float64)
        if r.ndim != 2 or r.shape[1] != 3:
            raise InputError("positions have the wrong shape", help="give (n, 3) positions at one instant [m, ECEF]")
        usable = np.flatnonzero(np.isfinite(r).all(axis=1))
        position = r[usable]
        distance = np.sqrt((position * position).sum(axis=1))
        above = distance > 0.0
        usable, position, distance = usable[above], position[above], distance[above]
        latitude = np.arcsin(np.clip(position[:, 2] / distance, -1.0, 1.0))
        longitude = np.arctan2(position[:, 1], position[:, 0]) % _TWO_PI
        band = np.floor(np.log(np.maximum(distance, _LOWEST_M) / _LOWEST_M) / _BAND).astype(np.int64)
        sizes = np.bincount(band, minlength=1)
        own = np.flatnonzero((sizes >= _CROWDED) & (np.arange(len(sizes)) < _HIGH_BAND))
        number = np.full(len(sizes), len(own))
        number[own] = np.arange(len(own))
        band = number[band]
        rows = math.ceil(math.pi / _ROW_RAD)
        edge = np.minimum(-math.pi / 2 + _ROW_RAD * np.arange(rows + 1), math.pi / 2)
        across = np.where((edge[:-1] < 0) & (edge[1:] > 0), 1.0, np.maximum(np.cos(edge[:-1]), np.cos(edge[1:])))
        columns = np.maximum(1, np.round(_TWO_PI * across / _ROW_RAD)).astype(np.int64)
        row_cell = np.concatenate([[0], np.cumsum(columns)])
        cells = int(row_cell[-1])
        row = np.clip(((latitude + math.pi / 2) / _ROW_RAD).astype(np.int64), 0, rows - 1)
        column = np.minimum((longitude / _TWO_PI * columns[row]).astype(np.int64), columns[row] - 1)
        cell = np.where(band < len(own), band * cells + row_cell[row] + column, len(own) * cells)
        order = np.argsort(cell, kind="stable")
        start = np.searchsorted(cell[order], np.arange(len(own) * cells + 2)).astype(np.int32)
        lowest, highest = np.full(len(own) + 1, np.inf), np.zeros(len(own) + 1)
        np.minimum.at(lowest, band, distance)
        np.maximum.at(highest, band, distance)
        grid = _Grid(
            lowest[:-1],
            highest[:-1],
            np.arange(len(own) + 1) * cells,
            columns,
            row_cell,
            np.stack([edge, np.sin(edge), np.cos(edge)]),
            start,
            np.ascontiguousarray(position[order].T),
            usable[order].astype(np.int32),
        )
        return cls(grid, r)

    def visible(
        self,
        lat_deg: ArrayLike,
        lon_deg: ArrayLike,
        h_m: ArrayLike = 0.0,
        *,
        mask_deg: float = 25.0,
        max_entries: int = MAX_ENTRIES,
    ) -> Visible:
        """Return which satellites stand at or above a mask, for each point.

        Args:
            lat_deg, lon_deg, h_m: points [degree, degree, m above the ellipsoid; one or (n,)].
            mask_deg: lowest elevation [degree; -5 to 90].
            max_entries: most entries of all lists together.
        Returns:
            A list for each point; empty where the point is not a number.
        Raises:
            OutOfRange: the mask is no elevation, a latitude is none, or the lists would hold more than `max_entries`.

        Accuracy: equal to testing every satellite (tests/properties/test_orbit_visible.py, 100,000 points).
        """
        if not MIN_MASK_DEG <= mask_deg <= 90.0:
            raise OutOfRange(f"a mask of {mask_deg} degrees is no elevation", help="give -5 to 90", value=mask_deg)
        lat, lon, h = (
            np.array(column, np.float64)
            for column in np.broadcast_arrays(np.atleast_1d(lat_deg), np.atleast_1d(lon_deg), np.atleast_1d(h_m))
        )
        if (np.abs(lat) > 90.0).any():
            raise OutOfRange(
                "a latitude is beyond a pole", help="give -90 to 90 degrees", value=float(np.abs(lat).max())
            )
        offsets = np.zeros(len(lat) + 1, np.int64)
        spare = len(self.r_m)  # the candidates of one row of cells are written before they are counted
        room = min(max_entries, max(1024, 64 * len(lat)))
        which = np.empty(room + spare, np.int32)
        point = 0
        while True:
            point = _fill(self._grid, lat, lon, h, math.radians(mask_deg), point, offsets, which)
            whole = point == len(lat)
            done = int(offsets[point])
            if whole and done <= max_entries:
                return Visible(offsets, which[:done])
            if whole or room >= max_entries:
                raise OutOfRange(
                    f"the lists of {len(lat)} points hold more than {max_entries:,} satellites",
                    help="ask in pieces, or raise the bound",
                    value=max_entries,
                )
            # A share of the points is done: the rest needs about as much each, and never more than the bound.
            room = min(max_entries, max(2 * room, int(1.1 * done * len(lat) / max(1, point))))
            which = np.concatenate([which[:done], np.empty(room + spare - done, np.int32)])

    def geometry(
        self, seen: Visible, lat_deg: ArrayLike, lon_deg: ArrayLike, h_m: ArrayLike = 0.0
    ) -> tuple[Floats, Floats, Floats]:
        """Return where each entry of the lists stands, seen from the same points.

        Returns:
            elevation above the plane that touches the ellipsoid [degree], azimuth from north over east [degree, 0 to
            360], and distance [m; light time is left out].
        Raises:
            InputError: another number of points than the lists have.
        """
        lat, lon, h = (
            np.array(column, np.float64)
            for column in np.broadcast_arrays(np.atleast_1d(lat_deg), np.atleast_1d(lon_deg), np.atleast_1d(h_m))
        )
        if len(lat) != len(seen.offsets) - 1:
            raise InputError("points are not those of the lists", help="give the points that `visible` was given")
        return _geometry(self.r_m, seen.offsets, seen.satellite, lat, lon, h)


@njit(cache=True)
def _reach(ground_m: float, lowest_m: float, highest_m: float, mask_rad: float, tilt_rad: float) -> float:
    """Largest angle at the centre [rad] between a point and a satellite of a band that it sees, or pi if all may be seen.

    The elevation above the plane normal to the radius is at least the mask less the tilt of the ellipsoid's normal, and
    the angle grows with the satellite's distance and falls with the elevation.
    """
    least = mask_rad - tilt_rad
    across = ground_m * math.cos(least)
    if lowest_m <= ground_m or across >= highest_m:
        return math.pi
    return min(math.pi, math.acos(across / highest_m) - least + _MARGIN)


@njit(cache=True)
def _fill(
    grid: _Grid,
    lat_deg: Floats,
    lon_deg: Floats,
    h_m: Floats,
    mask_rad: float,
    first: int,
    offsets: Ints,
    which: NDArray[np.int32],
) -> int:
    """Fill lists from one point on; return the point whose list had no room, or the number of points."""
    rows = len(grid.columns)
    bands = len(grid.lowest)
    sin_mask = math.sin(mask_rad)
    at = offsets[first]
    span = np.empty(4, np.int64)
    xs, ys, zs = grid.xyz[0], grid.xyz[1], grid.xyz[2]
    edge, edge_sin, edge_cos = grid.edge[0], grid.edge[1], grid.edge[2]
    for point in range(first, len(lat_deg)):
        begin = at
        phi = lat_deg[point] * math.pi / 180.0
        lam = lon_deg[point] * math.pi / 180.0
        if not math.isfinite(phi + lam + h_m[point]):
            offsets[point + 1] = at
            continue
        x, y, z = ecef_of(phi, lam, h_m[point])
        up_x = math.cos(phi) * math.cos(lam)
        up_y = math.cos(phi) * math.sin(lam)
        up_z = math.sin(phi)
        ground = math.sqrt(x * x + y * y + z * z)
        centric = math.atan2(z, math.hypot(x, y))
        sin_c = math.sin(centric)
        cos_c = math.cos(centric)
        lam = lam % _TWO_PI
        for band in range(bands + 1):
            low, high = 0, 0
            reach, cos_reach, widest, sin_w, cos_w = math.pi, -1.0, 0.0, 0.0, 1.0
            if band < bands:
                reach = _reach(ground, grid.lowest[band], grid.highest[band], mask_rad, abs(phi - centric) + _MARGIN)
                cos_reach = math.cos(reach)
                low = max(0, int((centric - reach + math.pi / 2) / _ROW_RAD))
                high = min(rows - 1, int((centric + reach + math.pi / 2) / _ROW_RAD))
                # Of all latitudes, the window is widest in longitude at this one, nearer to the pole than the point.
                if cos_reach > abs(sin_c):
                    sin_w = sin_c / cos_reach
                    widest = math.asin(sin_w)
                    cos_w = math.sqrt(1.0 - sin_w * sin_w)
                else:
                    widest = math.copysign(2.0, sin_c)
            for row in range(low, high + 1):
                span[0], span[1], span[2], span[3] = 0, 1, 0, 0
                base = grid.first[band]
                if band < bands:
                    columns = grid.columns[row]
                    base += grid.row_cell[row]
                    span[1] = columns
                    if widest < edge[row]:
                        near_sin, near_cos = edge_sin[row], edge_cos[row]
                    elif widest > edge[row + 1]:
                        near_sin, near_cos = edge_sin[row + 1], edge_cos[row + 1]
                    else:
                        near_sin, near_cos = sin_w, cos_w
                    across = cos_c * near_cos
                    rest = cos_reach - sin_c * near_sin
                    if reach < math.pi and across > 1e-9 and rest > -across:
                        half = math.acos(min(1.0, rest / across)) + 1e-6
                        west = int(math.floor((lam - half) / _TWO_PI * columns))  # noqa: RUF046 - numba's floor is a float
                        east = int(math.floor((lam + half) / _TWO_PI * columns)) + 1  # noqa: RUF046 - as above
                        if east - west < columns:
                            if west < 0:
                                span[1], span[2], span[3] = east, west + columns, columns
                            elif east > columns:
                                span[1], span[2], span[3] = east - columns, west, columns
                            else:
                                span[0], span[1] = west, east
                for half_span in range(0, 4, 2):
                    if span[half_span] >= span[half_span + 1]:
                        continue
                    start, end = grid.start[base + span[half_span]], grid.start[base + span[half_span + 1]]
                    if at + end - start > len(which):
                        offsets[point] = begin
                        return point
                    for i in range(start, end):
                        dx = xs[i] - x
                        dy = ys[i] - y
                        dz = zs[i] - z
                        # Written in any case and counted if seen: a branch that nobody can foretell costs more.
                        which[at] = grid.which[i]
                        at += dx * up_x + dy * up_y + dz * up_z >= sin_mask * math.sqrt(dx * dx + dy * dy + dz * dz)
        offsets[point + 1] = at
    return len(lat_deg)


@njit(cache=True)
def _geometry(
    r: Floats, offsets: Ints, satellite: NDArray[np.int32], lat_deg: Floats, lon_deg: Floats, h_m: Floats
) -> tuple[Floats, Floats, Floats]:
    elevation = np.empty(len(satellite))
    azimuth = np.empty(len(satellite))
    distance = np.empty(len(satellite))
    for point in range(len(lat_deg)):
        phi = lat_deg[point] * math.pi / 180.0
        lam = lon_deg[point] * math.pi / 180.0
        x, y, z = ecef_of(phi, lam, h_m[point])
        for i in range(offsets[point], offsets[point + 1]):
            dx = r[satellite[i], 0] - x
            dy = r[satellite[i], 1] - y
            dz = r[satellite[i], 2] - z
            outward = dx * math.cos(lam) + dy * math.sin(lam)
            up = outward * math.cos(phi) + dz * math.sin(phi)
            north = dz * math.cos(phi) - outward * math.sin(phi)
            east = dy * math.cos(lam) - dx * math.sin(lam)
            elevation[i] = math.atan2(up, math.hypot(east, north)) * 180.0 / math.pi
            azimuth[i] = math.atan2(east, north) * 180.0 / math.pi % 360.0
            distance[i] = math.sqrt(dx * dx + dy * dy + dz * dz)
    return elevation, azimuth, distance
