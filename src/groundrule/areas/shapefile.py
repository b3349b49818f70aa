"""Read polygon layers of zipped Shapefiles, strictly, and bring them to WGS 84.

Source: ESRI Shapefile Technical Description, July 1998; dBASE III file layout. Only what polygons need is read.
Outer rings run clockwise in this format, and holes follow in any order; each hole belongs to the smallest outer ring
around it. Edges stay straight between the vertices, which alone are projected.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyproj
from numpy.typing import NDArray
from shapely.geometry import Point, Polygon

from groundrule.areas.features import Feature
from groundrule.errors import InputError, MalformedArea

Rings = list[NDArray[np.float64]]
"""Rings of one polygon, outer first; each [x, y], shape (n, 2)."""

_POLYGON_TYPES = (5, 15, 25)  # Polygon, PolygonZ, PolygonM
_NULL = 0
_WGS84 = ("World Geodetic System 1984", "WGS 84", "WGS_1984", "D_WGS_1984")
_MAX_FIELDS = 255


def read(members: Mapping[str, bytes], layers: Sequence[str]) -> Iterator[Feature]:
    """Yield the features of every layer.

    Args:
        members: files of the archive by name.
        layers: names of the .shp files among them.
    Raises:
        InputError: a layer has no projection file, or its header is not that of a polygon Shapefile.
    """
    number = 0
    for layer in layers:
        to_wgs84 = _projection(_beside(members, layer, ".prj"), layer)
        rows = _rows(_beside(members, layer, ".dbf"), _beside(members, layer, ".cpg"), layer)
        for index, (shape, problem) in enumerate(_shapes(members[layer], layer)):
            number += 1
            properties = rows[index] if index < len(rows) else {}
            polygons, found = shape, problem
            if rows and index >= len(rows) and found is None:
                found = MalformedArea("the shape has no row in the .dbf file", help="export the layer again")
            if found is None and to_wgs84 is not None:
                polygons, found = _project(polygons, to_wgs84)
            yield Feature(number, None, polygons, properties, problem=found)


def _beside(members: Mapping[str, bytes], layer: str, ending: str) -> bytes | None:
    wanted = str(PurePosixPath(layer).with_suffix(ending)).lower()
    return next((data for name, data in members.items() if name.lower() == wanted), None)


# --- shapes -----------------------------------------------------------------------------------------------------------


def _shapes(data: bytes, layer: str) -> Iterator[tuple[list[Rings], MalformedArea | None]]:
    if len(data) < 100 or struct.unpack_from(">i", data, 0)[0] != 9994 or struct.unpack_from("<i", data, 28)[0] != 1000:
        raise InputError(f"`{layer}` is not a Shapefile", help="zip the .shp, .shx, .dbf and .prj of a layer together")
    kind = struct.unpack_from("<i", data, 32)[0]
    if kind not in _POLYGON_TYPES:
        raise InputError(f"`{layer}` holds shapes of type {kind}, not polygons", help="export a polygon layer")
    if struct.unpack_from(">i", data, 24)[0] * 2 != len(data):
        raise InputError(f"the length of `{layer}` is not what its header says", help="is the file complete?")
    position = 100
    while position < len(data):
        if position + 12 > len(data):
            raise InputError(f"`{layer}` ends within a record", help="is the file complete?")
        length = struct.unpack_from(">i", data, position + 4)[0] * 2
        body = data[position + 8 : position + 8 + length]
        if length < 4 or len(body) != length:
            raise InputError(f"`{layer}` ends within a record", help="is the file complete?")
        try:
            yield _polygon(body), None
        except MalformedArea as problem:
            yield [], problem
        position += 8 + length


def _polygon(body: bytes) -> list[list[NDArray[np.float64]]]:
    kind = struct.unpack_from("<i", body, 0)[0]
    if kind == _NULL:
        raise MalformedArea("the feature has no geometry", help="delete the row, or draw its polygon")
    if kind not in _POLYGON_TYPES or len(body) < 44:
        raise MalformedArea(f"the record holds a shape of type {kind}", help="a polygon layer holds polygons only")
    parts, points = struct.unpack_from("<ii", body, 36)
    if parts < 1 or points < 1 or len(body) < 44 + 4 * parts + 16 * points:
        raise MalformedArea("the record is shorter than its counts say", help="export the layer again")
    starts = np.frombuffer(body, "<i4", parts, 44).astype(np.int64)
    xy = np.frombuffer(body, "<f8", 2 * points, 44 + 4 * parts).reshape(-1, 2)
    ends = np.append(starts[1:], points)
    if starts[0] != 0 or (ends <= starts).any():
        raise MalformedArea("the rings of the record are out of order", help="export the layer again")
    return _nest([xy[a:b] for a, b in zip(starts, ends, strict=True)])


def _nest(rings: list[NDArray[np.float64]]) -> list[list[NDArray[np.float64]]]:
    """Give each hole (counter-clockwise) to the smallest outer ring that holds it."""
    if not all(np.isfinite(ring).all() for ring in rings):
        raise MalformedArea("a position is not a finite number", help="export the layer again")
    outer = [[ring] for ring in rings if _twice_area(ring) <= 0]
    holes = [ring for ring in rings if _twice_area(ring) > 0]
    if not outer:  # written the wrong way round throughout, which many programs do
        return [[ring] for ring in holes] if len(holes) == 1 else _refuse_orientation()
    shells = [(Polygon(part[0]), part) for part in outer if len(part[0]) >= 4]
    for hole in holes:
        around = [pair for pair in shells if pair[0].covers(Point(hole[0]))] if len(shells) > 1 else shells
        if not around:
            raise MalformedArea("a hole lies outside every outer ring", help="export the layer again")
        min(around, key=lambda pair: pair[0].area)[1].append(hole)
    return outer


def _refuse_orientation() -> list[list[NDArray[np.float64]]]:
    raise MalformedArea("all rings run counter-clockwise, as holes do", help="export it with outer rings clockwise")


def _twice_area(ring: NDArray[np.float64]) -> float:
    x, y = ring[:, 0] - ring[0, 0], ring[:, 1] - ring[0, 1]
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))


# --- projection -------------------------------------------------------------------------------------------------------


def _projection(prj: bytes | None, layer: str) -> pyproj.Transformer | None:
    if prj is None:
        raise InputError(
            f"`{layer}` has no .prj file", help="add it: without it the numbers could be degrees or metres"
        )
    try:
        crs = pyproj.CRS.from_wkt(prj.decode("utf-8-sig", errors="replace").strip("\x00 \r\n"))
        if crs.is_geographic and crs.datum is not None and crs.datum.name in _WGS84:
            return None
        return pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
    except pyproj.exceptions.ProjError as error:
        raise InputError(f"the .prj of `{layer}` is not understood", help="export the layer in WGS 84") from error


def _project(parts: list[Rings], to_wgs84: pyproj.Transformer) -> tuple[list[Rings], MalformedArea | None]:
    moved = [[np.column_stack(to_wgs84.transform(ring[:, 0], ring[:, 1])) for ring in part] for part in parts]
    if not all(np.isfinite(ring).all() for part in moved for ring in part):
        return [], MalformedArea("a position lies outside of the .prj file's projection", help="check the .prj file")
    return moved, None


# --- rows -------------------------------------------------------------------------------------------------------------


def _rows(data: bytes | None, cpg: bytes | None, layer: str) -> list[dict[str, Any]]:
    if data is None:
        return []
    if len(data) < 33:
        raise InputError(f"the .dbf file of `{layer}` is cut short", help="export the layer again")
    count, header, width = struct.unpack_from("<IHH", data, 4)
    fields: list[tuple[str, str, int]] = []
    position = 32
    while position + 32 <= min(header, len(data)) and data[position] != 0x0D and len(fields) < _MAX_FIELDS:
        raw = data[position : position + 32]
        fields.append((raw[:11].split(b"\0")[0].decode("ascii", "replace"), chr(raw[11]), raw[16]))
        position += 32
    if 1 + sum(size for _, _, size in fields) > width or header < 33 or header + count * width > len(data):
        raise InputError(f"the .dbf file of `{layer}` is cut short", help="export the layer again")
    encoding = _encoding(cpg)
    return [_row(data[header + i * width : header + (i + 1) * width], fields, encoding) for i in range(count)]


def _row(record: bytes, fields: Sequence[tuple[str, str, int]], encoding: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    position = 1
    for name, kind, size in fields:
        text = record[position : position + size].strip(b" \0").decode(encoding, errors="replace").strip()
        position += size
        if text and not (kind in "NF" and set(text) == {"*"}):
            values[name.lower() if name.isupper() else name] = text
    return values


def _encoding(cpg: bytes | None) -> str:
    name = (cpg or b"").decode("ascii", "ignore").strip().lower()
    if name in ("", "utf8", "65001"):
        return "utf-8"
    try:
        return codecs.lookup(f"cp{name}" if name.isdigit() else name).name
    except LookupError:
        return "latin-1"
