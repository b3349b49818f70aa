"""Build the basemap of the console: land, borders, limits of territorial seas and places of country names.

    python scripts/build_basemap.py

Writes console/public/basemap/world.json from the world areas that the package ships, so that what is looked at and what
is decided with come from one source, and so that both sides of a dispute are drawn. Lines are simplified: they are for
looking, never for deciding. The source is cut at 180° already (RFC 7946, 3.1.9) and reaches the south pole.

    {"scale": 1000, "land": [[ring, ...], ...], "borders": [line, ...], "limits": [line, ...], "labels": [[code, x, y, rank], ...]}

A ring or line is [x, y, dx, dy, dx, dy, …]: whole numbers, thousandths of a degree, each the difference to the one before.
`rank` is 0 for the largest countries and grows as they get smaller.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from groundrule.areas.world import ATTRIBUTION, LAND_ID, load_world
from groundrule.evidence.outlines import world_outlines

TARGET = Path(__file__).parent.parent / "console" / "public" / "basemap" / "world.json"
SCALE = 1_000
"""Steps of a degree; 111 m at the equator, well below the tolerance."""
LAND_TOLERANCE_DEG = 0.03
LINE_TOLERANCE_DEG = 0.025
RANKS_DEG2 = (150.0, 40.0, 12.0, 3.0, 0.3)
"""Areas [square degree] from which a country has rank 0, 1, 2, …"""
MAX_BYTES = 1_500_000


def encode(points: NDArray[np.float64]) -> list[int] | None:
    """Write positions as whole differences; None if nothing is left of the line."""
    whole = np.rint(points * SCALE).astype(np.int64)
    kept = np.concatenate([[True], (np.diff(whole, axis=0) != 0).any(axis=1)])
    whole = whole[kept]
    if len(whole) < 2:
        return None
    return [int(value) for value in np.concatenate([whole[:1], np.diff(whole, axis=0)]).ravel()]


def land_polygons() -> list[list[list[int]]]:
    """Polygons of land with their holes, simplified one by one so that each stays valid."""
    parts = shapely.get_parts(load_world().versions(LAND_ID)[-1].geometry)
    parts = parts[shapely.area(parts) > 4 * LAND_TOLERANCE_DEG**2]
    found = []
    for part in shapely.get_parts(shapely.make_valid(shapely.simplify(parts, LAND_TOLERANCE_DEG))):
        for polygon in shapely.get_parts(part):
            if polygon.geom_type == "Polygon":
                rings = [encode(shapely.get_coordinates(ring)) for ring in shapely.get_rings(polygon)]
                found.append([ring for ring in rings if ring is not None and len(ring) >= 8])
    return [polygon for polygon in found if polygon]


def middle(polygon: shapely.Polygon) -> shapely.Point:
    """The one of a grid of places inside that is farthest from the edge."""
    west, south, east, north = polygon.bounds
    steps = np.linspace(0, 1, 26)[1:-1]
    x, y = np.meshgrid(west + steps * (east - west), south + steps * (north - south))
    places = shapely.points(x.ravel(), y.ravel())
    places = places[shapely.contains_properly(polygon, places)]
    if not len(places):
        return shapely.point_on_surface(polygon)
    edge = shapely.boundary(polygon)
    shapely.prepare(edge)
    return places[int(np.argmax(shapely.distance(places, edge)))]


def labels() -> list[list[object]]:
    """Where to write the name of each country: well inside its largest part."""
    # Parts one by one: simplifying them together would compare each with all others.
    land = shapely.get_parts(load_world().versions(LAND_ID)[-1].geometry)
    land = shapely.make_valid(shapely.simplify(land[shapely.area(land) > 0.01], 0.1))
    tree = shapely.STRtree(land)
    found: list[list[object]] = []
    for area in load_world():
        if area.kind != "country" or area.country is None:
            continue
        # The territorial sea would pull the names of islands and narrow countries off the land.
        country = shapely.union_all(shapely.make_valid(shapely.simplify(shapely.get_parts(area.geometry), 0.1)))
        near = shapely.intersection(country, land[tree.query(country, predicate="intersects")])
        dry = shapely.get_parts(near)
        dry = dry[shapely.get_dimensions(dry) == 2]
        parts = shapely.get_parts(dry if len(dry) else area.geometry)
        shapely.prepare(parts)
        largest = max(parts, key=lambda part: part.area)
        if largest.geom_type != "Polygon":
            continue
        centre = middle(largest)
        rank = sum(largest.area < bound for bound in RANKS_DEG2)
        found.append([area.country, round(centre.x, 2), round(centre.y, 2), rank])
    return sorted(found, key=lambda row: (row[3], row[0]))


def main() -> int:
    """Write the file; refuse one that is too large for a page."""
    lines = world_outlines(load_world(), tolerance_deg=LINE_TOLERANCE_DEG)
    value = {
        "attribution": ATTRIBUTION,
        "licence": "ODbL-1.0",
        "scale": SCALE,
        "land": land_polygons(),
        "borders": [found for line in lines.borders if (found := encode(line)) is not None],
        "limits": [found for line in lines.sea_limits if (found := encode(line)) is not None],
        "labels": labels(),
    }
    data = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    if len(data) > MAX_BYTES:
        print(f"{len(data):,} bytes are more than {MAX_BYTES:,}: raise the tolerances", file=sys.stderr)
        return 1
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(data)
    print(f"{TARGET}: {len(data):,} bytes, {len(value['land']):,} polygons, {len(value['labels'])} names")
    return 0


if __name__ == "__main__":
    sys.exit(main())
