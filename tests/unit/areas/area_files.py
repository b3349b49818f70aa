"""Small files in every format that areas are imported from, written byte by byte. All names are invented."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import shapely

SQUARE = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]
HOLE = [[0.2, 0.2], [0.2, 0.8], [0.8, 0.8], [0.8, 0.2], [0.2, 0.2]]
WGS84_PRJ = pyproj.CRS("EPSG:4326").to_wkt("WKT1_ESRI")


def moved(ring: Sequence[Sequence[float]], lon: float, lat: float = 0.0) -> list[list[float]]:
    return [[p[0] + lon, p[1] + lat] for p in ring]


def polygon(*rings: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


def feature(geometry: Any, feature_id: Any = None, **properties: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "Feature", "geometry": geometry, "properties": properties}
    return made if feature_id is None else made | {"id": feature_id}


def collection(*features: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


def zone(identifier: str = "TST001", **changes: Any) -> dict[str, Any]:
    """One ED-269 zone."""
    return {
        "identifier": identifier,
        "country": "UKR",
        "name": f"Zone {identifier} (invented)",
        "type": "COMMON",
        "restriction": "REQ_AUTHORISATION",
        "reason": ["AIR_TRAFFIC"],
        "applicability": [{"permanent": "YES"}],
        "zoneAuthority": [{"name": "Authority (invented)"}],
        "geometry": [volume(polygon(SQUARE))],
    } | changes


def volume(projection: Any, **changes: Any) -> dict[str, Any]:
    return {
        "uomDimensions": "M",
        "lowerLimit": 0,
        "lowerVerticalReference": "AGL",
        "upperLimit": 120,
        "upperVerticalReference": "AGL",
        "horizontalProjection": projection,
    } | changes


def geography(**changes: Any) -> dict[str, Any]:
    """One MDS geography."""
    return {
        "geography_id": "8ad39dc3-005b-4348-9d61-c830c54c161b",
        "name": "Old town (invented)",
        "geography_type": "no_parking",
        "effective_date": 1_600_000_000_000,
        "published_date": 1_599_000_000_000,
        "geography_json": collection(feature(polygon(SQUARE)), feature(polygon(moved(SQUARE, 0.5)))),
    } | changes


def kml(*placemarks: str) -> str:
    body = "".join(placemarks)
    return f'<?xml version="1.0" encoding="UTF-8"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document>{body}</Document></kml>'


def placemark(rings: str, *, name: str = "Zone (invented)", extra: str = "") -> str:
    return f'<Placemark id="p1"><name>{name}</name>{extra}<Polygon>{rings}</Polygon></Placemark>'


def kml_ring(ring: Sequence[Sequence[float]], side: str = "outer") -> str:
    text = " ".join(f"{x},{y},0" for x, y in ring)
    return f"<{side}BoundaryIs><LinearRing><coordinates>{text}</coordinates></LinearRing></{side}BoundaryIs>"


def shp(*records: list[list[list[float]]] | None, kind: int = 5) -> bytes:
    """A .shp file; a record is a list of rings, or None for a null shape."""
    out = io.BytesIO()
    for number, rings in enumerate(records, start=1):
        body = struct.pack("<i", 0) if rings is None else _shape(rings, kind)
        out.write(struct.pack(">ii", number, len(body) // 2) + body)
    data = out.getvalue()
    header = struct.pack(">7i", 9994, 0, 0, 0, 0, 0, (100 + len(data)) // 2) + struct.pack(
        "<ii8d", 1000, kind, *[0.0] * 8
    )
    return header + data


def _shape(rings: list[list[list[float]]], kind: int) -> bytes:
    points = [p for ring in rings for p in ring]
    starts, at = [], 0
    for ring in rings:
        starts.append(at)
        at += len(ring)
    flat = [v for p in points for v in p]
    return struct.pack(f"<i4dii{len(starts)}i{len(flat)}d", kind, 0, 0, 0, 0, len(starts), len(points), *starts, *flat)


def dbf(names: Sequence[str], *rows: Sequence[str], size: int = 40) -> bytes:
    width = 1 + size * len(names)
    header = 32 + 32 * len(names) + 1
    out = struct.pack("<B3BIHH20x", 3, 126, 1, 1, len(rows), header, width)
    for name in names:
        out += struct.pack("<11sc4xBB14x", name.encode(), b"C", size, 0)
    out += b"\r"
    for row in rows:
        out += b" " + b"".join(value.encode()[:size].ljust(size) for value in row)
    return out + b"\x1a"


def zipped(**files: bytes | str) -> bytes:
    """A zip archive; `layer_shp=…` becomes `layer.shp`."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(".".join(name.rsplit("_", 1))), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def parquet(geometries: Sequence[Any], *, meta: Any = None, **columns: Sequence[Any]) -> bytes:
    """A GeoParquet file; geometries are shapely objects, bytes or None."""
    wkb = [g if g is None or isinstance(g, bytes) else shapely.to_wkb(g) for g in geometries]
    table = pa.table({"geometry": pa.array(wkb, pa.binary()), **{k: pa.array(v) for k, v in columns.items()}})
    about = {
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {"geometry": {"encoding": "WKB", "geometry_types": []} | (meta or {})},
    }
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(about)}), sink)
    return bytes(sink.getvalue().to_pybytes())
