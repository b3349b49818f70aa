"""Areas made for the tests of the index (invented)."""

from __future__ import annotations

import numpy as np
import shapely

from groundrule.areas.model import Area


def area(area_id: str, geometry: shapely.Geometry | str, kind: str = "zone") -> Area:
    """Make an area from a polygon or its WKT."""
    shape = shapely.from_wkt(geometry) if isinstance(geometry, str) else geometry
    return Area(area_id, kind, f"{area_id} (invented)", shape)


def star(lon: float, lat: float, radius_m: float, corners: int, rng: np.random.Generator) -> shapely.Polygon:
    """Make a ragged islet around a point."""
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
    reach = radius_m * rng.uniform(0.3, 1.0, corners)
    scale = 111_000.0
    x = lon + reach * np.cos(angle) / (scale * np.cos(np.radians(lat)))
    y = lat + reach * np.sin(angle) / scale
    return shapely.make_valid(shapely.Polygon(np.column_stack([x, y])))


def box(west: float, south: float, east: float, north: float) -> shapely.Polygon:
    """Make a rectangle."""
    return shapely.box(west, south, east, north)
