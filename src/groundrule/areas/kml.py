"""Read KML 2.2 placemarks with polygons, strictly: no document type, no entities, no links followed.

Document types and entities are refused before parsing, so that nothing can expand or be fetched.

Source: OGC 12-007r2, KML 2.3, sections on Placemark, Polygon, MultiGeometry, ExtendedData and TimeSpan.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

from groundrule.areas.features import Feature
from groundrule.errors import InputError, MalformedArea

_FORBIDDEN = re.compile(rb"<!\s*(DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", re.IGNORECASE)
_MAX_DEPTH = 200


def read(data: bytes, name: str) -> Iterator[Feature]:
    """Yield one feature per placemark.

    Raises:
        InputError: not well-formed, not UTF-8, or with a document type.
    """
    root = _parse(data, name)
    if _local(root) != "kml":
        raise InputError(f"`{name}` is XML but not KML", help="its outermost element is <kml>")
    placemarks = [element for element in root.iter() if _local(element) == "Placemark"]
    for number, placemark in enumerate(placemarks, start=1):
        yield _feature(placemark, number)


def _parse(data: bytes, name: str) -> ET.Element:
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"`{name}` is not UTF-8 text", help="save it as UTF-8") from error
    declared = re.match(rb"\s*<\?xml[^>]*encoding=[\"']([A-Za-z0-9._-]+)", data[:200].removeprefix(b"\xef\xbb\xbf"))
    if declared and declared.group(1).lower() not in (b"utf-8", b"utf8", b"us-ascii", b"ascii"):
        raise InputError(f"`{name}` declares the encoding {declared.group(1).decode()}", help="save it as UTF-8")
    if _FORBIDDEN.search(data):
        raise InputError(f"`{name}` has a document type or entities", help="remove the <!DOCTYPE …>; KML needs none")
    parser: Any = ET.XMLPullParser(events=("start", "end"))  # its events are typed as a union of all kinds
    depth = 0
    root: ET.Element | None = None
    try:
        for start in range(0, len(data), 1 << 16):
            parser.feed(data[start : start + (1 << 16)])
            for event, element in parser.read_events():
                root = element if root is None else root
                depth += 1 if event == "start" else -1
                if depth > _MAX_DEPTH:
                    raise InputError(f"`{name}` is nested deeper than {_MAX_DEPTH} elements", help="flatten it")
        parser.close()
        for _ in parser.read_events():
            pass
    except ET.ParseError as error:
        line, column = error.position
        raise InputError(
            f"{name}:{line}:{column + 1}: not well-formed XML", help="is the file complete?", file=name, line=line
        ) from error
    if root is None:
        raise InputError(f"`{name}` is empty", help="give a KML file")
    return root


def _feature(placemark: ET.Element, number: int) -> Feature:
    properties: dict[str, Any] = {}
    for element in placemark.iter():
        name = element.get("name")
        if _local(element) == "Data" and name:
            properties[name] = _text(_child(element, "value"))
        elif _local(element) == "SimpleData" and name:
            properties[name] = _text(element)
    for tag in ("name", "description"):
        text = _text(_child(placemark, tag))
        if text:
            properties.setdefault(tag, text)
    span = _child(placemark, "TimeSpan")
    if span is not None:
        for tag, key in (("begin", "valid_from"), ("end", "valid_until")):
            text = _text(_child(span, tag))
            if text:
                properties.setdefault(key, text)
    feature_id = placemark.get("id") or None
    polygons = []
    try:
        for polygon in (e for e in placemark.iter() if _local(e) == "Polygon"):
            outer = [_ring(b) for b in polygon if _local(b) == "outerBoundaryIs"]
            inner = [_ring(b) for b in polygon if _local(b) == "innerBoundaryIs"]
            polygons.append(outer + inner)
        if not polygons:
            others = ("Point", "LineString", "Model", "Track")
            found = next((_local(e) for e in placemark if _local(e) in others), "placemark")
            raise MalformedArea(f"a {found} has no area", help="draw a polygon")
    except MalformedArea as problem:
        return Feature(number, feature_id, (), properties, problem=problem)
    return Feature(number, feature_id, polygons, properties)


def _ring(boundary: ET.Element) -> list[tuple[float, float]]:
    text = next((_text(e) for e in boundary.iter() if _local(e) == "coordinates"), "")
    positions = []
    for number, item in enumerate(re.sub(r"\s*,\s*", ",", text).split(), start=1):
        fields = item.split(",")
        try:
            positions.append((float(fields[0]), float(fields[1])))
        except (ValueError, IndexError) as error:
            raise MalformedArea(
                f"position {number} of a ring is `{item[:40]}`", help="write longitude,latitude"
            ) from error
    return positions


def _child(element: ET.Element, name: str) -> ET.Element | None:
    return next((child for child in element if _local(child) == name), None)


def _text(element: ET.Element | None) -> str:
    return (element.text or "").strip() if element is not None else ""


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
