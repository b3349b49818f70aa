"""H3 cells of an area: those whose centres lie in it, those that touch it, and points spread over it."""

from __future__ import annotations

import math
from typing import Final

import antimeridian
import h3.api.basic_int as h3
import numpy as np
import shapely
from h3 import H3BaseException, LatLngPoly
from numpy.typing import NDArray

from groundrule.detect.h3_words import centres
from groundrule.errors import OutOfRange

MOST_CELLS: Final = 1_000_000
_STRIP_DEG: Final = 30.0
_FINEST, _COARSEST = 8, 0
_CELL_M2: Final = tuple(h3.average_hexagon_area(resolution, "m^2") for resolution in range(16))
_EARTH_M: Final = 6_371_008.8


def cells_touching(area: shapely.Geometry, resolution: int) -> NDArray[np.uint64]:
    """Return the cells of one resolution that have a point in common with an area, ascending.

    Edges of cells are taken as straight in longitude and latitude, as the area's own are.

    Raises:
        OutOfRange: there would be more than a million.
    """
    near = _near(area, resolution, wide=True)
    shapely.prepare(area)
    return near[shapely.intersects(area, shapes_of(near))]


def touches(area: shapely.Geometry, cells: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Say which cells have a point in common with an area; cells are looked at once each."""
    distinct, which = np.unique(cells, return_inverse=True)
    shapely.prepare(area)
    # A rough box first: most of a fleet is far away.
    lat, _, size = centres(distinct)
    found = np.zeros(len(distinct), bool)
    south, north = area.bounds[1], area.bounds[3]
    margin = 2.0 * np.nan_to_num(size.astype(np.float64), nan=0.0) / 111_000.0
    rows = np.flatnonzero((lat >= south - margin) & (lat <= north + margin))
    found[rows] = shapely.intersects(area, shapes_of(distinct[rows]))
    return found[which.ravel()]


def points_in(area: shapely.Geometry, most: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint64]]:
    """Return points spread evenly over an area: latitude, longitude [degree] and the H3 cell that each stands for.

    They are the centres of the finest cells of which at most `most` lie in it; a small area is one point, with its cell.
    """
    for resolution in range(_FINEST, _COARSEST - 1, -1):
        if _area_m2(area) / _CELL_M2[resolution] > 2.0 * most:
            continue
        cells = _near(area, resolution, wide=False)
        lat, lon, _ = centres(cells)
        cells = cells[shapely.intersects_xy(area, lon, lat)] if len(cells) else cells
        if 0 < len(cells) <= most:
            lat, lon, _ = centres(cells)
            return lat, lon, cells
        if not len(cells):
            break
    point = area.representative_point()
    cell = h3.latlng_to_cell(point.y, point.x, _FINEST)
    return np.array([point.y]), np.array([point.x]), np.array([cell], np.uint64)


def shapes_of(cells: NDArray[np.uint64]) -> NDArray[np.object_]:
    """Return the outlines of cells in longitude and latitude, cut at 180° [degree]."""
    found = np.empty(len(cells), object)
    for i, cell in enumerate(cells.tolist()):
        ring = [(lon, lat) for lat, lon in h3.cell_to_boundary(cell)]
        lon = [each for each, _ in ring]
        shape = shapely.Polygon(ring)
        found[i] = antimeridian.fix_polygon(shape) if max(lon) - min(lon) > 180.0 else shape
    return found


def _near(area: shapely.Geometry, resolution: int, *, wide: bool) -> NDArray[np.uint64]:
    """Cells whose centres lie in an area, or, if wide, all that may touch it and some more; ascending."""
    reach = h3.average_hexagon_edge_length(resolution, "m") * 1.6 / 111_000.0 if wide else 0.0
    west, south, east, north = area.bounds
    expected = (_area_m2(area) + _edge_m(area) * 2.0 * h3.average_hexagon_edge_length(resolution, "m")) / _CELL_M2[resolution]
    if expected > MOST_CELLS:
        raise OutOfRange(
            f"the area has about {expected:,.0f} cells of resolution {resolution}", help="take coarser cells", value=resolution
        )
    found: set[int] = set()
    for left in np.arange(math.floor(west / _STRIP_DEG) * _STRIP_DEG, east + 1e-9, _STRIP_DEG).tolist():
        strip = shapely.intersection(area, shapely.box(left, south - 1.0, left + _STRIP_DEG, north + 1.0))
        for piece in shapely.get_parts(strip):
            if piece.geom_type == "Polygon" and not piece.is_empty:
                found.update(_of_piece(piece, resolution, reach))
    return np.array(sorted(found), np.uint64)


def _of_piece(piece: shapely.Geometry, resolution: int, reach: float) -> list[int]:
    if reach:
        low, high = piece.bounds[1] - reach, piece.bounds[3] + reach
        if max(-low, high) > 86.0:
            # Around a pole degrees of longitude mean nothing: everything beyond the lower of its latitudes is near.
            lat = max(0.0, min(abs(piece.bounds[1]), abs(piece.bounds[3])) - reach)
            lat = 0.0 if low < 0.0 < high else lat
            return _cap(lat, resolution, north=high > 0.0)
        across = reach / math.cos(math.radians(max(-low, high)))
        wide = shapely.simplify(piece, 0.2 * reach)
        # Wider in longitude than in latitude: buffered in a plane where both are alike.
        factor = reach / across
        plane = shapely.transform(wide, lambda xy: xy * np.array([factor, 1.0]))
        piece = shapely.transform(shapely.buffer(plane, 1.4 * reach, quad_segs=2), lambda xy: xy * np.array([1.0 / factor, 1.0]))
    cells: list[int] = []
    for part in shapely.get_parts(piece):
        outer = [(lat, lon) for lon, lat in part.exterior.coords[:-1]]
        holes = [[(lat, lon) for lon, lat in ring.coords[:-1]] for ring in part.interiors]
        try:
            cells += h3.h3shape_to_cells(LatLngPoly(outer, *holes), resolution)
        except H3BaseException:
            continue
    return cells


def _cap(lat: float, resolution: int, *, north: bool) -> list[int]:
    """All cells poleward of a latitude."""
    found = []
    for base in h3.get_res0_cells():
        here = h3.cell_to_latlng(base)[0] * (1 if north else -1)
        if here >= lat - 15.0:
            found += [cell for cell in h3.cell_to_children(base, resolution) if h3.cell_to_latlng(cell)[0] * (1 if north else -1) >= lat]
            if len(found) > MOST_CELLS:
                raise OutOfRange("the area around the pole has too many cells", help="take coarser cells", value=resolution)
    return found


def _area_m2(area: shapely.Geometry) -> float:
    """About the area on the sphere: planar area by strips of latitude [m2]."""
    total = 0.0
    for part in shapely.get_parts(area):
        middle = math.radians(float(part.centroid.y))
        total += part.area * math.cos(middle)
    return total * (math.pi / 180.0 * _EARTH_M) ** 2


def _edge_m(area: shapely.Geometry) -> float:
    """About the length of the border, simplified to 5 km [m]."""
    return float(shapely.simplify(area, 0.05).length) * math.pi / 180.0 * _EARTH_M
