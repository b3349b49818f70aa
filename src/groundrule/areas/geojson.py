"""Read GeoJSON (RFC 7946): a FeatureCollection, one Feature, or a bare geometry."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from groundrule.areas.features import Feature
from groundrule.errors import InputError, MalformedArea

_MAX_DEPTH = 8  # of geometry collections inside each other
_GEOMETRIES = ("Polygon", "MultiPolygon", "GeometryCollection", "Point", "MultiPoint", "LineString", "MultiLineString")


def read(value: Any, text: str) -> Iterator[Feature]:
    """Yield the features of parsed GeoJSON.

    Args:
        value: the parsed document.
        text: its text, to find lines.
    Raises:
        InputError: the document is not GeoJSON at all, or in a projection.
    """
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "FeatureCollection":
        _refuse_projection(value)
        items = value.get("features")
        if not isinstance(items, list):
            raise InputError("the FeatureCollection has no list `features`", help="see RFC 7946, section 3.3")
        lines = _lines(text, len(items))
    elif kind == "Feature" or kind in _GEOMETRIES:
        items, lines = [value], [1]
    else:
        raise InputError("the JSON is not GeoJSON", help="its type is FeatureCollection or Feature")
    for number, item in enumerate(items, start=1):
        yield _feature(item, number, lines[number - 1] if lines else None)


def _feature(item: Any, number: int, line: int | None) -> Feature:
    if not isinstance(item, dict):
        problem = MalformedArea("the feature is not an object", help="see RFC 7946, section 3.2")
        return Feature(number, None, (), {}, line, problem=problem)
    if item.get("type") in _GEOMETRIES:
        item = {"geometry": item}
    properties = item.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    identifier = item.get("id")
    feature_id = str(identifier) if isinstance(identifier, str | int) and identifier != "" else None
    notes: list[str] = []
    try:
        polygons = polygons_of(item.get("geometry"), notes)
    except MalformedArea as problem:
        return Feature(number, feature_id, (), properties, line, problem=problem)
    return Feature(number, feature_id, polygons, properties, line, tuple(notes), winding=True)


def polygons_of(geometry: Any, notes: list[str], depth: int = 0) -> list[Sequence[Any]]:
    """Return the parts of a GeoJSON geometry, each a list of rings.

    Args:
        geometry: a GeoJSON geometry object.
        notes: receives a sentence if points or lines beside polygons are left out.
        depth: nesting of collections.
    Raises:
        MalformedArea: there is no polygon in it.
    """
    if not isinstance(geometry, Mapping):
        raise MalformedArea("the feature has no geometry", help="give a Polygon or MultiPolygon")
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind == "Polygon":
        return [_list(coordinates)]
    if kind == "MultiPolygon":
        return [_list(part) for part in _list(coordinates)]
    if kind == "GeometryCollection":
        if depth >= _MAX_DEPTH:
            raise MalformedArea("geometry collections are nested too deep", help="write one MultiPolygon")
        parts: list[Sequence[Any]] = []
        others = 0
        for member in _list(geometry.get("geometries")):
            if isinstance(member, Mapping) and member.get("type") in ("Polygon", "MultiPolygon", "GeometryCollection"):
                parts += polygons_of(member, notes, depth + 1)
            else:
                others += 1
        if parts:
            notes.extend([f"left out {others} geometries that are no polygons"] if others else [])
            return parts
    raise MalformedArea(f"a {str(kind)[:40]} has no area", help="give a Polygon or MultiPolygon")


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise MalformedArea("the geometry's coordinates are not a list", help="see RFC 7946, section 3.1")
    return value


def _refuse_projection(value: Mapping[str, Any]) -> None:
    name = value.get("crs")
    if isinstance(name, dict) and isinstance(name.get("properties"), dict):
        name = name["properties"].get("name", name)
    if name is not None and not re.search(r"CRS:?84$|EPSG:+(\d*(\.\d+)*:)?4326$", str(name)):
        raise InputError(f"the GeoJSON is in `{str(name)[:80]}`", help="write WGS 84 longitude and latitude")


def _lines(text: str, count: int) -> list[int] | None:
    """Line of each feature, found by decoding the list once more; None if it is not found."""
    start = re.search(r'"features"\s*:\s*\[', text)
    if start is None:
        return None
    decoder, position, line, counted = json.JSONDecoder(), start.end(), 1, 0
    lines: list[int] = []
    gap = re.compile(r"[\s,]*")
    while len(lines) < count:
        match = gap.match(text, position)
        position = match.end() if match else position
        line += text.count("\n", counted, position)
        counted = position
        lines.append(line)
        try:
            _, position = decoder.raw_decode(text, position)
        except ValueError:
            return None
    return lines
