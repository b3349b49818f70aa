"""The area index: from positions to area sets, with probability, and to distances.

1. `AreaIndex.build` compiles the polygons once (`grid`) or takes them from a verified file (`gridfile`).
2. `locate_exact` is the closed planar point-in-polygon test, equal to shapely's `intersects_xy`.
3. `locate_points` takes the uncertainty of each position: an area is inside, outside, or edge with its probability.
4. `locate_cells` does the same for H3 cells; the probability is the share of the cell's area.
5. `edge_distance_m` tells how far the nearest edge of one area is.

Geometry is planar in lon and lat (RFC 7946), polygons are closed, the cut at 180 degrees belongs to both sides: on lon
180 or -180 an exact lookup returns the areas of both. See docs/areas-engine.md for all edge cases.

An index is not safe for two threads at once: its list of sets grows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundrule.areas import cells, gridfile, lookup, nearest, probability
from groundrule.areas.compile import compile_grid
from groundrule.areas.grid import COLUMNS, ROWS, Grid, rings_of
from groundrule.areas.model import Area, geometry_digest
from groundrule.areas.sets import AreaSets, Whole
from groundrule.errors import InputError, OutOfRange

_NO_COVARIANCE = np.zeros((0, 3))
_NO_SIGMA = np.zeros(0)


@dataclass(frozen=True, slots=True)
class Member:
    """One area version in the index, or a buffer around one.

    Attributes:
        index: its number, as used in area sets.
        id: the area's id; a buffer's is `id+metresm`, for instance `country:UA+1900m`.
        kind: the area's kind; `buffer` for a buffer.
        country, tags: as in the area.
        valid_from_ns, valid_until_ns: half-open validity [ns, UTC].
        base: member around which this is a buffer, or its own index.
        buffer_m: width of the buffer [m], 0 for an area.
    """

    index: int
    id: str
    kind: str
    country: str | None
    tags: tuple[str, ...]
    valid_from_ns: int
    valid_until_ns: int
    base: int
    buffer_m: float = 0.0


@dataclass(frozen=True, slots=True)
class Location:
    """Areas of n positions.

    Attributes:
        codes: (n,) area-set codes; -1 means position unknown (NaN, out of range, invalid cell, or sigma over 100 km).
        edge_rows: (m,) rows with a membership that is only probable, ascending.
        edge_members: (m,) its member.
        edge_probability: (m,) its probability, or share of the cell.
    """

    codes: NDArray[np.int32]
    edge_rows: NDArray[np.int64]
    edge_members: NDArray[np.int32]
    edge_probability: NDArray[np.float32]

    @property
    def unknown(self) -> int:
        """How many positions were unknown."""
        return int(np.count_nonzero(self.codes < 0))


class _Edges:
    """Growing lists of edge memberships that kernels fill."""

    def __init__(self, room: int) -> None:
        self.rows = np.empty(room, np.int64)
        self.members = np.empty(room, np.int32)
        self.probabilities = np.empty(room, np.float32)
        self.used = 0

    def grow(self, members: int) -> None:
        room = 2 * len(self.rows) + members
        self.rows = np.resize(self.rows, room)
        self.members = np.resize(self.members, room)
        self.probabilities = np.resize(self.probabilities, room)

    def location(self, codes: NDArray[np.int32], *, sort: bool) -> Location:
        rows, members, shares = self.rows[: self.used], self.members[: self.used], self.probabilities[: self.used]
        if sort:
            order = np.argsort(rows, kind="stable")
            rows, members, shares = rows[order], members[order], shares[order]
        return Location(codes, rows.copy(), members.copy(), shares.copy())


@dataclass(frozen=True, slots=True)
class _Buffer:
    base: int
    member: int
    radius_m: float
    flags: NDArray[np.uint8]
    flagged_m: float


class AreaIndex:
    """Compiled areas; make one with `build`."""

    def __init__(self, grid: Grid, sets: AreaSets, members: tuple[Member, ...], key: str) -> None:
        self._grid = grid
        self._sets = sets
        self.members = members
        self.key = key
        self._mass = np.full(max(1, sum(member.base == member.index for member in members)), np.nan)
        self._buffers = [self._new_buffer(member) for member in members if member.base != member.index]
        self._cells: dict[float, cells.CellCache] = {}

    @classmethod
    def build(
        cls, areas: Sequence[Area], *, buffers: Sequence[tuple[str, float]] = (), cache_dir: Path | None = None
    ) -> AreaIndex:
        """Compile areas, or take the grid of the same geometries from a verified file.

        Args:
            areas: valid polygons within lon -180 to 180, lat -90 to 90; versions may share an id.
            buffers: (area id, metres): further members for everything within that distance of the area.
            cache_dir: folder of compiled grids; None compiles always.
        Raises:
            MalformedArea: a geometry is invalid, empty or out of range; the error names the area.
            InputError: a buffer names an unknown area, or has no positive finite width up to 200 km.
        """
        geometries = [area.geometry for area in areas]
        key = gridfile.key_of([geometry_digest(area).removeprefix("sha256:") for area in areas])
        path = None if cache_dir is None else gridfile.path_of(cache_dir, key)
        loaded = None if path is None else gridfile.load_grid(path, key)
        if loaded is None:
            loaded = compile_grid(rings_of(geometries, [area.id for area in areas]))
            if path is not None:
                gridfile.save_grid(path, key, *loaded)
        grid, sets = loaded
        return cls(grid, AreaSets(sets.start, sets.members), _members(areas, buffers), key)

    @property
    def sets(self) -> list[tuple[tuple[int, int], ...]]:
        """All area sets by code, each as `set_members` gives it; the list only grows."""
        return [self._sets.members(code) for code in range(len(self._sets))]

    def set_members(self, code: int) -> tuple[tuple[int, int], ...]:
        """Return (member, membership) of each area of a set; membership 1 is inside, 2 edge."""
        return self._sets.members(code)

    @property
    def nbytes(self) -> int:
        """Memory of the arrays [byte]."""
        cached = sum(cache.nbytes for cache in self._cells.values())
        return self._grid.nbytes + self._sets.nbytes + cached + sum(buffer.flags.nbytes for buffer in self._buffers)

    def locate_exact(self, lat_deg: ArrayLike, lon_deg: ArrayLike) -> NDArray[np.int32]:
        """Return the area sets of exact positions: closed polygons, as shapely's `intersects_xy`.

        Args:
            lat_deg, lon_deg: (n,) [degree].
        Returns:
            (n,) codes, -1 for NaN or out of range.
        """
        lat, lon = _columns(lat_deg, lon_deg)
        return self._exact(lat, lon, _Edges(0))

    def locate_points(
        self,
        lat_deg: ArrayLike,
        lon_deg: ArrayLike,
        sigma_m: ArrayLike | None = None,
        edge_probability: float = 0.01,
    ) -> Location:
        """Return the area sets of positions with an error that is normal and alike in all directions.

        Args:
            lat_deg, lon_deg: (n,) [degree].
            sigma_m: scalar or (n,) one sigma per axis [m]; None, NaN, zero or negative means exact.
            edge_probability: an area is inside from 1 - this, outside up to this, edge between; above 0, below 0.5.
        Raises:
            OutOfRange: edge_probability.
        """
        lat, lon = _columns(lat_deg, lon_deg)
        _check_edge_probability(edge_probability)
        if sigma_m is None:
            edges = _Edges(0)
            return edges.location(self._exact(lat, lon, edges), sort=False)
        sigma = np.ascontiguousarray(sigma_m, dtype=np.float64)
        if sigma.shape != lat.shape:
            sigma = np.broadcast_to(sigma, lat.shape).copy()
        return self._uncertain(lat, lon, sigma, _NO_COVARIANCE, edge_probability)

    def locate_ellipses(
        self, lat_deg: ArrayLike, lon_deg: ArrayLike, covariance_m2: ArrayLike, edge_probability: float = 0.01
    ) -> Location:
        """Return the area sets of positions with a normal error of any covariance.

        Args:
            lat_deg, lon_deg: (n,) [degree].
            covariance_m2: (n, 3) east-east, east-north, north-north [m2]; a row with NaN or without variance is exact.
            edge_probability: as in `locate_points`.
        Raises:
            InputError: shape, or a matrix that is no covariance.
        """
        lat, lon = _columns(lat_deg, lon_deg)
        _check_edge_probability(edge_probability)
        covariance = np.ascontiguousarray(covariance_m2, dtype=np.float64)
        if covariance.shape != (len(lat), 3):
            raise InputError(f"covariance has the shape {covariance.shape}", help=f"give ({len(lat)}, 3)")
        bad: NDArray[np.bool_] = (covariance[:, 0] < 0) | (covariance[:, 2] < 0)
        bad |= covariance[:, 1] ** 2 > covariance[:, 0] * covariance[:, 2] * (1 + 1e-9)
        if bad.any():
            raise InputError(f"row {int(np.argmax(bad))} is not a covariance", help="it must not be indefinite")
        covariance = np.where(np.isnan(covariance.sum(axis=1, keepdims=True)), 0.0, covariance)
        if len(lat) == 0:
            return self._uncertain(lat, lon, _NO_SIGMA, _NO_COVARIANCE, edge_probability)
        return self._uncertain(lat, lon, _NO_SIGMA, covariance, edge_probability)

    def locate_cells(self, h3_cells: ArrayLike, edge_probability: float = 0.01) -> Location:
        """Return the area sets of H3 cells; the probability is the share of the cell's area.

        Each distinct cell is computed once and kept.

        Args:
            h3_cells: (n,) uint64.
            edge_probability: as in `locate_points`.
        Returns:
            location; -1 for what is not a valid cell (`Location.unknown` counts them).
        """
        _check_edge_probability(edge_probability)
        wanted = np.ascontiguousarray(h3_cells, dtype=np.uint64)
        distinct, inverse = np.unique(wanted, return_inverse=True)
        cache = self._cells.setdefault(float(edge_probability), cells.CellCache())
        new = cache.unknown(distinct)
        if len(new):
            found = self._new_cells(new, edge_probability)
            cache.add(new, found.codes, found.edge_rows, found.edge_members, found.edge_probability)
        return Location(*cache.spread(distinct, inverse.reshape(-1)))

    def edge_distance_m(
        self, lat_deg: ArrayLike, lon_deg: ArrayLike, member_index: int, max_m: float = 200_000.0
    ) -> NDArray[np.float64]:
        """Return the distance to the nearest edge of one area [m], negative inside.

        Cuts at 180 degrees and edges along a pole, which only close planar rings, are no edges.

        Args:
            lat_deg, lon_deg: scalar or (n,) [degree].
            member_index: the area, or a buffer (whose edge lies `buffer_m` further out).
            max_m: how far to look [m], at most 1,000 km.
        Returns:
            (n,) metres; infinite beyond max_m (minus infinite inside), NaN for an unknown position.
        Raises:
            OutOfRange: no such member, or max_m not above 0 or above 1,000 km.
        """
        if not 0 <= member_index < len(self.members):
            raise OutOfRange(
                f"no area has the index {member_index}", help=f"indices run from 0 to {len(self.members) - 1}"
            )
        if not 0 < max_m <= 1_000_000:
            raise OutOfRange(f"max_m is {max_m}", help="give metres above 0 up to 1,000,000")
        lat, lon = _columns(lat_deg, lon_deg)
        member = self.members[member_index]
        codes = self._plain(lat, lon)
        holds = np.array(
            [any(item[0] == member.base for item in self._sets.members(code)) for code in range(len(self._sets))]
        )
        inside = holds[codes] & (codes >= 0)
        out = np.empty(len(lat))
        reach = min(max_m + member.buffer_m, 1_200_000.0)
        nearest.signed_distances(self._grid, lat, lon, inside, member.base, reach, out)
        out -= member.buffer_m
        out[out > max_m] = np.inf
        out[out < -max_m] = -np.inf
        return out

    # -- drivers of the kernels ------------------------------------------------------------------------------------

    def _drive(self, step: Callable[[int], tuple[int, Whole, Whole]], grow: Callable[[], None]) -> None:
        """Run a kernel until all rows are done, supplying the moves and the room it asks for."""
        begin = 0
        while True:
            begin, code, move = step(begin)
            if move == lookup.DONE:
                return
            if move == lookup.FULL:
                grow()
            else:
                self._sets.learn(int(code), int(move))

    def _plain(self, lat: NDArray[np.float64], lon: NDArray[np.float64]) -> NDArray[np.int32]:
        """Exact codes without buffers."""
        codes = np.empty(len(lat), np.int32)
        self._drive(
            lambda begin: lookup.locate_exact(self._grid, self._sets.table, lat, lon, codes, begin), lambda: None
        )
        seam = np.flatnonzero(np.abs(lon) == 180.0)
        if len(seam):
            other = np.empty(len(seam), np.int32)
            lat_seam, lon_seam = lat[seam], -lon[seam]
            self._drive(
                lambda begin: lookup.locate_exact(self._grid, self._sets.table, lat_seam, lon_seam, other, begin),
                lambda: None,
            )
            for row, code in zip(seam.tolist(), other.tolist(), strict=True):
                if code >= 0:
                    both = set(self._sets.members(int(codes[row]))) | set(self._sets.members(code))
                    codes[row] = self._sets.intern(sorted(both))
        return codes

    def _exact(self, lat: NDArray[np.float64], lon: NDArray[np.float64], edges: _Edges) -> NDArray[np.int32]:
        codes = self._plain(lat, lon)
        if self._buffers:
            self._add_buffers(lat, lon, np.zeros(len(lat)), 0.01, codes, edges)
        return codes

    def _uncertain(
        self,
        lat: NDArray[np.float64],
        lon: NDArray[np.float64],
        sigma: NDArray[np.float64],
        covariance: NDArray[np.float64],
        edge_probability: float,
    ) -> Location:
        codes = np.empty(len(lat), np.int32)
        edges = _Edges(len(lat) // 8 + 64)

        def step(begin: int) -> tuple[int, Whole, Whole]:
            begin, code, move, edges.used = probability.locate_uncertain(
                self._grid,
                self._sets.table,
                lat,
                lon,
                sigma,
                covariance,
                edge_probability,
                self._mass,
                codes,
                edges.rows,
                edges.members,
                edges.probabilities,
                begin,
                edges.used,
            )
            return begin, code, move

        self._drive(step, lambda: edges.grow(len(self.members)))
        if self._buffers:
            if len(covariance):
                sigma = np.sqrt(0.5 * (covariance[:, 0] + covariance[:, 2]))
            self._add_buffers(lat, lon, sigma, edge_probability, codes, edges)
        return edges.location(codes, sort=bool(self._buffers))

    def _add_buffers(
        self,
        lat: NDArray[np.float64],
        lon: NDArray[np.float64],
        sigma: NDArray[np.float64],
        edge_probability: float,
        codes: NDArray[np.int32],
        edges: _Edges,
    ) -> None:
        for buffer in self._buffers:

            def step(begin: int, buffer: _Buffer = buffer) -> tuple[int, Whole, Whole]:
                begin, code, move, edges.used = nearest.apply_buffer(
                    self._grid,
                    self._sets.table,
                    buffer.flags,
                    buffer.flagged_m,
                    lat,
                    lon,
                    sigma,
                    buffer.base,
                    buffer.member,
                    buffer.radius_m,
                    edge_probability,
                    codes,
                    edges.rows,
                    edges.members,
                    edges.probabilities,
                    begin,
                    edges.used,
                )
                return begin, code, move

            self._drive(step, lambda: edges.grow(len(self.members)))

    def _new_buffer(self, member: Member) -> _Buffer:
        flags = np.zeros((ROWS, COLUMNS), np.uint8)
        flagged_m = member.buffer_m + 5000.0  # room for 4.5 sigma of a position within the flagged cells
        nearest.flag_cells(self._grid, member.base, flagged_m, flags)
        return _Buffer(member.base, member.index, member.buffer_m, flags, flagged_m)

    def _new_cells(self, new: NDArray[np.uint64], edge_probability: float) -> Location:
        outlines = cells.outlines_of(new)
        codes = np.empty(len(new), np.int32)
        edges = _Edges(len(new) + 64)

        def step(begin: int) -> tuple[int, Whole, Whole]:
            begin, code, move, edges.used = cells.locate_cells(
                self._grid,
                self._sets.table,
                outlines.lat,
                outlines.lon,
                outlines.start,
                outlines.boundary,
                edge_probability,
                self._mass,
                codes,
                edges.rows,
                edges.members,
                edges.probabilities,
                begin,
                edges.used,
            )
            return begin, code, move

        self._drive(step, lambda: edges.grow(len(self.members)))
        if self._buffers:
            known = codes >= 0
            sigma = np.where(known, outlines.sigma_m, 0.0)
            self._add_buffers(outlines.lat, outlines.lon, sigma, edge_probability, codes, edges)
        return edges.location(codes, sort=bool(self._buffers))


def _members(areas: Sequence[Area], buffers: Sequence[tuple[str, float]]) -> tuple[Member, ...]:
    members = [
        Member(i, area.id, area.kind, area.country, tuple(area.tags), area.valid_from_ns, area.valid_until_ns, i)
        for i, area in enumerate(areas)
    ]
    for area_id, metres in dict.fromkeys((area_id, float(metres)) for area_id, metres in buffers):
        if not 0 < metres <= 200_000:
            raise InputError(
                f"the buffer around `{area_id}` is {metres} m wide", help="give metres above 0 up to 200,000"
            )
        around = [member for member in members[: len(areas)] if member.id == area_id]
        if not around:
            raise InputError(f"a buffer names the unknown area `{area_id}`", help="name an area that is imported")
        for base in around:
            members.append(
                Member(
                    len(members),
                    f"{area_id}+{metres:g}m",
                    "buffer",
                    base.country,
                    base.tags,
                    base.valid_from_ns,
                    base.valid_until_ns,
                    base.index,
                    metres,
                )
            )
    return tuple(members)


def _columns(lat_deg: ArrayLike, lon_deg: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lat = np.ascontiguousarray(np.atleast_1d(np.asarray(lat_deg, dtype=np.float64)))
    lon = np.ascontiguousarray(np.atleast_1d(np.asarray(lon_deg, dtype=np.float64)))
    if lat.shape != lon.shape or lat.ndim != 1:
        raise InputError(f"lat has the shape {lat.shape} and lon {lon.shape}", help="give two columns of one length")
    return lat, lon


def _check_edge_probability(value: Any) -> None:
    if not 0.0 < value < 0.5:
        raise OutOfRange(f"edge probability {value}", help="give a number above 0 and below 0.5")
