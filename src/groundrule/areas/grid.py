"""Compile polygons into an adaptive longitude-latitude grid in which every point finds its areas in a few steps.

1. `rings_of` lays the rings of all areas out as one vertex array; edge i joins vertices i and i + 1.
2. The top grid has cells of half a degree. A cell that more than `LEAF_EDGES` edges touch is split into 4 by 4, again
   and again.
3. A cell without edges holds the code of its area set. A leaf with edges holds the code at its reference point and
   chains of edges. Chains have no fixed width and cover every edge that meets the cell **or its margin**.
4. A query walks from the reference point to itself and toggles an area per crossing (`predicates.chain_walk`).

INVARIANT: cell borders are multiples of a power of two, hence exact in float64. A leaf lists a superset of the edges
of its widened cell; correctness never depends on the rounding of the rasterisation, whose error (1e-12 degree) is far
below the margin.
INVARIANT: no list has a fixed capacity. Scratch space is sized by counting first, or grows; numbers of areas and
vertices that int32 could not hold are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray

from groundrule.errors import MalformedArea

LAYOUT = "grid-2"
"""Version of the arrays below; part of the key of cached grids."""

TOP_DEG = 0.5
COLUMNS, ROWS = 720, 360
SPLIT = 4
LEAF_EDGES = 10
LONGEST_CHAIN = 255
MAX_VERTICES = 1 << 27  # leaves and nodes, at most a few per vertex, have 30 bits in an entry
MAX_MEMBERS = (1 << 31) // (2 * (LONGEST_CHAIN + 1))
MAX_DEPTH = 6  # 0.5 / 4**6 degrees, 14 m; crowded points such as a fan of zones stop there with more edges
REFERENCE = 0.47265625  # place of the reference point within a cell; off the round numbers that data favours
MARGIN_DEG = (
    1.0 / 1024.0
)  # at most; a window of 15 m sigma fits into a leaf's widened cell up to 60 degrees of latitude


class Grid(NamedTuple):
    """The compiled arrays; see the module's docstring.

    An entry (of `top` and `child`) is a set code if >= 0. Otherwise its complement is 2 * leaf or 2 * node + 1.
    An owner is 2 * member, + 1 if the ring runs clockwise around its area.
    """

    vertices: NDArray[np.float64]  # (v, 2) lon, lat [degree]
    top: NDArray[np.int32]  # (ROWS * COLUMNS,) entries, row by row from the south-west
    child: NDArray[np.int32]  # (16 * nodes,) entries
    leaves: NDArray[np.int32]  # (leaves + 1, 2) set code at the reference point, first chain
    chains: NDArray[np.int32]  # (c, 2) first edge, 256 * owner + number of edges; a longer run takes several chains

    @property
    def nbytes(self) -> int:
        """Memory of all arrays [byte]."""
        return sum(array.nbytes for array in self)


class Rings(NamedTuple):
    """All rings laid out one after the other."""

    vertices: NDArray[np.float64]  # (v, 2)
    ring_start: NDArray[np.int64]  # (rings + 1,)
    ring_owner: NDArray[np.int32]  # (rings,)


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
    if len(array) > MAX_MEMBERS:
        raise MalformedArea(f"{len(array)} areas are too many for one index", help=f"give at most {MAX_MEMBERS}")
    kinds = shapely.get_type_id(array)
    _refuse(~np.isin(kinds, (3, 6)), names, "is not a polygon", "give a Polygon or MultiPolygon")
    _refuse(shapely.is_empty(array), names, "has an empty geometry", "leave it out")
    _refuse(
        ~shapely.is_valid(array), names, "has an invalid geometry", "repair it, for instance with shapely.make_valid"
    )
    bounds = shapely.bounds(array)
    outside = (bounds[:, 0] < -180) | (bounds[:, 2] > 180) | (bounds[:, 1] < -90) | (bounds[:, 3] > 90)
    _refuse(
        outside | ~np.isfinite(bounds).all(axis=1),
        names,
        "leaves lon -180 to 180, lat -90 to 90",
        "cut it at the antimeridian (RFC 7946 section 3.1.9)",
    )
    parts, part_member = shapely.get_parts(array, return_index=True)
    rings, ring_part = shapely.get_rings(parts, return_index=True)
    counts = shapely.get_num_coordinates(rings)
    if int(counts.sum()) > MAX_VERTICES:
        raise MalformedArea(
            f"{int(counts.sum())} vertices are too many for one index", help=f"give at most {MAX_VERTICES}"
        )
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


@njit(cache=True)
def margin_of(width: float) -> float:
    """Width of the margin around a cell within which all edges are listed [degree]."""
    return min(MARGIN_DEG, width * 0.0625)
