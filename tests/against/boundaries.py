"""Real boundaries and made zones for the comparisons of the area index."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray

from groundrule.areas.model import Area


def load_boundaries(path: Path) -> tuple[list[Area], int]:
    """Read the polygons of a GeoJSON file, gzipped or not; also returns how many had to be repaired.

    Every feature becomes an area; one that has no polygon is an error, because a silent loss would change what is
    compared.
    """
    data = path.read_bytes()
    features = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)["features"]
    areas, repaired = [], 0
    for i, feature in enumerate(features):
        shape = shapely.from_geojson(json.dumps(feature["geometry"]))
        if not shapely.is_valid(shape):
            repaired += 1
            parts = shapely.get_parts(shapely.make_valid(shape))
            polygons = [p for part in parts for p in shapely.get_parts(part) if p.geom_type == "Polygon"]
            shape = shapely.MultiPolygon(polygons)
        areas.append(Area(f"f{i}", "country", str(next(iter(feature["properties"].values()), i)), shape))
    return areas, repaired


def load_all(paths: list[Path]) -> tuple[list[Area], str]:
    """Load files as one list of areas, or the shipped world areas if there are none; also returns a line about them."""
    if not paths:
        from groundrule.areas.world import load_world

        areas, about = list(load_world().areas), "shipped world areas"
    else:
        areas, notes = [], []
        for path in paths:
            found, repaired = load_boundaries(path)
            areas += found
            notes.append(f"{path.name} ({len(found)} features, {repaired} repaired)")
        about = ", ".join(notes)
    vertices = shapely.get_num_coordinates(np.array([area.geometry for area in areas], dtype=object)).sum()
    return areas, f"{about}: {len(areas)} areas, {int(vertices):,} vertices"


def made_zones(areas: list[Area], count: int, seed: int) -> list[Area]:
    """Make ragged zones (invented) of 1 to 60 km near borders, 8 to 64 corners each."""
    rng = np.random.default_rng(seed)
    vertices = shapely.get_coordinates([area.geometry for area in areas])
    vertices = vertices[(np.abs(vertices[:, 0]) < 178) & (np.abs(vertices[:, 1]) < 83)]
    zones = []
    for i in range(count):
        x, y = vertices[rng.integers(len(vertices))]
        corners = int(rng.integers(8, 65))
        angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
        reach = np.exp(rng.uniform(np.log(1), np.log(60))) / 111 * rng.uniform(0.5, 1, corners)
        ring = np.column_stack([x + reach * np.cos(angle) / np.cos(np.radians(y)), y + reach * np.sin(angle)])
        shape = shapely.make_valid(shapely.Polygon(np.clip(ring, (-180, -90), (180, 90))))
        if shape.geom_type not in {"Polygon", "MultiPolygon"}:
            shape = shape.convex_hull
        zones.append(Area(f"zone-{i}", "zone", f"zone {i} (invented)", shape))
    return zones


def random_points(count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (lat, lon) [degree] even on the sphere."""
    rng = np.random.default_rng(seed)
    return np.degrees(np.arcsin(rng.uniform(-1, 1, count))), rng.uniform(-180, 180, count)


def clustered_points(areas: list[Area], count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (lat, lon) [degree] within about 30 km of a vertex."""
    rng = np.random.default_rng(seed)
    vertices = shapely.get_coordinates([area.geometry for area in areas])
    near = vertices[rng.integers(0, len(vertices), count)]
    lat = np.clip(near[:, 1] + rng.normal(0, 0.12, count), -90, 90)
    lon = np.clip(near[:, 0] + rng.normal(0, 0.12, count) / np.maximum(np.cos(np.radians(lat)), 0.05), -180, 180)
    return lat, lon


def index_pairs(sets: list, codes: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the sorted (row, member) pairs of the inside memberships of area-set codes."""
    counts = np.array([len(members) for members in sets] + [0])
    flat = np.array([member for members in sets for member, _ in members], dtype=np.int64)
    start = np.cumsum(counts) - counts
    count = counts[codes]  # code -1 takes the empty set at the end
    rows = np.repeat(np.arange(len(codes)), count)
    take = np.repeat(start[codes] - (np.cumsum(count) - count), count) + np.arange(int(count.sum()))
    return rows, flat[take]
