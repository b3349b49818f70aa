"""The world areas that the package ships: countries with their territorial sea, and land.

    country:UA …   250 areas of kind `country`; overlapping claims are all there (Simferopol is in RU and UA)
    land           one area of kind `land`: all land, lakes and enclosed seas counted as land

Territorial sea is what is inside a country and not on land. South of 85.05° S no country is drawn; `land` reaches the
pole, so the answer there is "on land, in no country", not "high seas". See docs/areas.md for what the pack lacks.

Source: OpenStreetMap, through the npm packages named in `Area.source`; ODbL 1.0. The data lie in the folder
`world/` with their own licence and are not under the licence of this code.
"""

from __future__ import annotations

import functools
from importlib import resources

import numpy as np

from groundrule.areas.model import Area, AreaSet
from groundrule.areas.pack import Layer, decode_pack

ATTRIBUTION = "© OpenStreetMap contributors, ODbL 1.0"
"""To be shown wherever the world areas, or a map or table drawn from them, are published."""

LICENCE = "ODbL-1.0"
POINT_OF_VIEW = "OpenStreetMap mappers"
SOUTHERN_LIMIT_DEG = -85.05113
"""South of this latitude no country is drawn; only `land` is."""

LAND_ID = "land"
_LAYERS = ("countries.pack", "land.pack")


@functools.cache
def load_world() -> AreaSet:
    """Return the shipped areas, decoded once per process.

    Raises:
        IntegrityError: a data file is damaged.
    Accuracy: every vertex is that of the source, bit for bit; the source follows OpenStreetMap to 10 m for countries
        and 100 m for land (tests/unit/areas/test_world.py, and the figures in `world_about`).
    """
    return AreaSet(tuple(area for name in _LAYERS for area in _areas(_layer(name))))


def world_about() -> dict[str, dict[str, object]]:
    """Return the metadata of each layer: source, digest of the source, measured figures."""
    return {name.removesuffix(".pack"): dict(_layer(name).about) for name in _LAYERS}


@functools.cache
def _layer(name: str) -> Layer:
    file = resources.files("groundrule.areas").joinpath("world", name)
    return decode_pack(file.read_bytes(), name=name)


def _areas(layer: Layer) -> list[Area]:
    # A MultiPolygon of one part is written as the Polygon that it is, as readers of other formats do.
    return [
        Area(
            id=str(record["id"]),
            kind=str(record["kind"]),
            name=str(record["name"]),
            geometry=geometry.geoms[0] if len(geometry.geoms) == 1 else geometry,
            country=record.get("country"),
            tags=tuple(record.get("tags", ())),
            source=str(layer.about["source"]),
            licence=LICENCE,
            point_of_view=POINT_OF_VIEW,
        )
        for record, geometry in zip(layer.records, np.asarray(layer.geometries), strict=True)
    ]
