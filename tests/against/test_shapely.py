"""The exact lookup against shapely's `intersects_xy`, which is GEOS."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
import shapely
from hard_points import hard_points, shapely_pairs

from groundrule.areas.index import AreaIndex
from groundrule.areas.model import Area


def differences(index, geometries, lat, lon):
    """Return the pairs (row, area) that only one of the two finds, and how many shapely finds."""
    row, member = shapely_pairs(geometries, lat, lon)
    want = set(zip(row.tolist(), member.tolist(), strict=True))
    sets = [[member for member, _ in members] for members in index.sets]
    got = {
        (i, member)
        for i, code in enumerate(index.locate_exact(lat, lon).tolist())
        for member in index_members(index, sets, code)
    }
    return want ^ got, len(want)


def index_members(index, sets, code):
    while code >= len(sets):
        sets.append([member for member, _ in index.set_members(len(sets))])
    return sets[code]


def as_areas(geometries):
    return [Area(f"a{i}", "zone", "test area (invented)", shape) for i, shape in enumerate(geometries)]


def ragged(rng, count):
    """Overlapping polygons with holes, on few digits so that vertices, edges and cell borders coincide."""
    out = []
    while len(out) < count:
        digits = 2.0 ** rng.integers(0, 12)
        centre = np.array([rng.uniform(-170, 170), rng.uniform(-80, 80)])
        radius = rng.choice([0.1, 2.0, 20.0])
        angle = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 60)))
        ring = centre + (radius * rng.uniform(0.2, 1, len(angle)) * np.array([np.cos(angle), np.sin(angle)])).T
        shape = shapely.make_valid(shapely.Polygon(np.round(np.clip(ring, (-180, -90), (180, 90)) * digits) / digits))
        hole = shapely.affinity.scale(shape.convex_hull, 0.2, 0.2)
        shape = shapely.make_valid(shape.difference(hole))
        if shape.geom_type in {"Polygon", "MultiPolygon"} and shape.area > 0:
            out.append(shape)
    return np.array([*out, shapely.box(-180, -90, 180, -60), shapely.box(-180, -90, 180, 90)], dtype=object)


def test_made_polygons_on_hard_points():
    geometries = ragged(np.random.default_rng(41), 150)
    index = AreaIndex.build(as_areas(geometries))
    lat, lon = hard_points(geometries, 20_000, 42)
    different, pairs = differences(index, geometries, lat, lon)
    assert pairs > 15_000
    assert different == set()


@pytest.mark.shared_data
def test_natural_earth_on_hard_points(shared_data):
    with gzip.open(shared_data / "boundaries" / "ne_10m_admin_0_countries.geojson.gz") as stream:
        features = json.load(stream)["features"]
    geometries = np.array([shapely.from_geojson(json.dumps(feature["geometry"])) for feature in features], dtype=object)
    index = AreaIndex.build(as_areas(geometries))
    lat, lon = hard_points(geometries, 20_000, 43)
    different, pairs = differences(index, geometries, lat, lon)
    assert pairs > 8_000
    assert different == set()
