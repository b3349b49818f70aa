"""Read geographies of the Mobility Data Specification, in which cities publish zones.

A geography is immutable; its features together are one area, valid from `effective_date` until `retire_date`.

Source: Open Mobility Foundation, MDS 2.0.2, Geography API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import shapely
from shapely.geometry import Polygon

from groundrule.areas.features import Feature
from groundrule.areas.geojson import polygons_of
from groundrule.areas.repair import build_polygon
from groundrule.errors import GroundruleError, MalformedArea
from groundrule.instant import MAX_NS, MIN_NS

_NS_PER_MS = 1_000_000


def is_mds(value: Any) -> bool:
    """Tell whether a parsed JSON document holds MDS geographies."""
    found = _geographies(value)
    return bool(found) and isinstance(found[0], Mapping) and "geography_json" in found[0]


def read(value: Any) -> Iterator[Feature]:
    """Yield one feature per geography."""
    for number, item in enumerate(_geographies(value), start=1):
        feature_id = str(item["geography_id"]) if isinstance(item, Mapping) and item.get("geography_id") else None
        try:
            yield _feature(item, number, feature_id)
        except GroundruleError as problem:
            yield Feature(number, feature_id, (), {}, problem=problem)


def _geographies(value: Any) -> list[Any]:
    for _ in range(3):  # {"data": {"geographies": […]}}, {"geographies": […]}, {"geography": {…}} or the list itself
        if not isinstance(value, Mapping):
            break
        if "geography_json" in value:
            return [value]
        value = next((value[k] for k in ("data", "geographies", "geography") if k in value), None)
    return value if isinstance(value, list) else []


def _feature(item: Any, number: int, feature_id: str | None) -> Feature:
    if not isinstance(item, Mapping):
        raise MalformedArea("the geography is not an object", help="see MDS 2.0, Geography")
    notes: list[str] = []
    document = item.get("geography_json")
    if not isinstance(document, Mapping):
        raise MalformedArea("the geography has no geography_json", help="give a FeatureCollection")
    features = document.get("features") if document.get("type") == "FeatureCollection" else [document]
    features = features if isinstance(features, list) else []
    parts: list[Any] = []
    points = 0
    for feature in features:
        geometry = feature.get("geometry", feature) if isinstance(feature, Mapping) else None
        if isinstance(geometry, Mapping) and geometry.get("type") in (
            "Point",
            "MultiPoint",
            "LineString",
            "MultiLineString",
        ):
            points += 1
            continue
        parts += polygons_of(geometry, notes)
    if points:
        notes.append(f"left out {points} features that are no polygons")
    if not parts:
        raise MalformedArea("the geography has no polygon", help="stops given as points are not areas")
    properties = {k: v for k, v in item.items() if k not in ("geography_json", "geography_id", "name")} | {
        "id": feature_id,
        "name": item.get("name") or feature_id,
        "tags": [f"geography_type:{item['geography_type']}"] if item.get("geography_type") else [],
        "valid_from": _milliseconds(item.get("effective_date"), MIN_NS, "effective_date"),
        "valid_until": _milliseconds(item.get("retire_date"), MAX_NS, "retire_date"),
    }
    return Feature(number, feature_id, _united(parts, notes), properties, notes=tuple(notes))


def _united(parts: list[Any], notes: list[str]) -> list[Any]:
    """Features of one geography may overlap, and together they are the area; each is judged alone first."""
    if len(parts) == 1:
        return parts
    shapes = []
    for part in parts:
        geometry, found = build_polygon([part])
        notes += found
        shapes.append(geometry)
    whole = shapely.union_all(shapes)
    polygons = [p for p in shapely.get_parts(whole).tolist() if isinstance(p, Polygon)]
    return [[shapely.get_coordinates(ring) for ring in (p.exterior, *p.interiors)] for p in polygons]


def _milliseconds(value: Any, default: int, name: str) -> int:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) * _NS_PER_MS < MAX_NS:
        raise MalformedArea(f"{name} is `{str(value)[:40]}`", help="give milliseconds since 1970", field=name)
    return int(value) * _NS_PER_MS
