"""Read GeoParquet 1.x with WKB geometries.

Source: OGC GeoParquet 1.1.0, sections "File metadata" and "Column metadata".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import shapely

from groundrule.areas.features import Feature
from groundrule.errors import InputError, MalformedArea


def read(data: bytes, name: str) -> Iterator[Feature]:
    """Yield one feature per row.

    Raises:
        InputError: not Parquet, without `geo` metadata, or with an encoding or edges that are not supported.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        raw = (file.schema_arrow.metadata or {}).get(b"geo")
        about = json.loads(raw) if raw is not None else None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"`{name}` is a damaged Parquet file", help="write it again") from error
    column, to_wgs84 = _geometry(about, file.schema_arrow.names, name)
    number = 0
    try:
        for batch in file.iter_batches(batch_size=4096):
            for row in batch.to_pylist():
                number += 1
                wkb = row.pop(column)
                row.pop("bbox", None)
                yield _feature(wkb, row, number, to_wgs84)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"`{name}` is damaged after row {number}", help="write it again") from error


def _geometry(about: Any, names: list[str], file: str) -> tuple[str, pyproj.Transformer | None]:
    if not isinstance(about, Mapping) or not isinstance(about.get("columns"), Mapping):
        raise InputError(f"`{file}` is Parquet without `geo` metadata", help="write it as GeoParquet 1.x")
    column = about.get("primary_column")
    meta = about["columns"].get(column)
    if not str(about.get("version", "")).startswith("1.") or column not in names or not isinstance(meta, Mapping):
        raise InputError(f"the `geo` metadata of `{file}` is not GeoParquet 1.x", help="write it as GeoParquet 1.x")
    if meta.get("encoding") != "WKB":
        raise InputError(f"the geometries of `{file}` are written as {meta.get('encoding')}", help="write them as WKB")
    if meta.get("edges", "planar") != "planar":
        raise InputError(f"the edges of `{file}` are {meta['edges']}", help="densify them and write planar edges")
    crs = meta.get("crs", "absent")
    if crs == "absent":
        return str(column), None
    if crs is None:
        raise InputError(f"`{file}` says that its coordinate system is unknown", help="write it in OGC:CRS84")
    try:
        known = pyproj.CRS.from_user_input(crs)
        same = known.equals(pyproj.CRS("OGC:CRS84"), ignore_axis_order=True)
        return str(column), None if same else pyproj.Transformer.from_crs(known, "OGC:CRS84", always_xy=True)
    except pyproj.exceptions.ProjError as error:
        raise InputError(
            f"the coordinate system of `{file}` is not understood", help="write it in OGC:CRS84"
        ) from error


def _feature(wkb: Any, row: dict[str, Any], number: int, to_wgs84: pyproj.Transformer | None) -> Feature:
    if wkb is None:
        problem = MalformedArea("the row has no geometry", help="give a Polygon or MultiPolygon")
        return Feature(number, None, (), row, problem=problem)
    try:
        geometry = shapely.from_wkb(wkb)
    except shapely.errors.ShapelyError as error:
        problem = MalformedArea(f"the geometry is not WKB: {str(error)[:80]}", help="write the row again")
        return Feature(number, None, (), row, problem=problem)
    if geometry.geom_type not in ("Polygon", "MultiPolygon") or geometry.is_empty:
        problem = MalformedArea(f"a {geometry.geom_type} has no area", help="give a Polygon or MultiPolygon")
        return Feature(number, None, (), row, problem=problem)
    parts = shapely.get_parts(geometry).tolist()
    polygons = [[_ring(ring, to_wgs84) for ring in (part.exterior, *part.interiors)] for part in parts]
    return Feature(number, None, polygons, row)


def _ring(ring: Any, to_wgs84: pyproj.Transformer | None) -> Any:
    xy = shapely.get_coordinates(ring)
    return xy if to_wgs84 is None else np.column_stack(to_wgs84.transform(xy[:, 0], xy[:, 1]))
