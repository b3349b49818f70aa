"""The area pack: polygons on a fixed decimal grid, in one small file that decodes to the same bits everywhere.

    magic      8 bytes  b"GRAREAS1"
    length     4 bytes  unsigned little-endian, bytes of the header
    header     canonical JSON: layer metadata, one record per area, column sizes, digest of the columns
    columns    one zstd block; inside, in this order, little-endian
               polygons of each area     uint32
               rings of each polygon     uint32
               vertices of each ring     uint32, without the closing vertex
               x, then y of each vertex  uint32 in four byte planes: zigzag of the difference from the vertex before

A coordinate is an integer k and stands for the double nearest to k / scale, which is what reading its decimals gives.
Differences run on from ring to ring, so that one running sum decodes a layer. The digest covers the columns before
compression and is checked at every load.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from groundrule.canon import canonical_json, digest_bytes
from groundrule.errors import InputError, IntegrityError

MAGIC = b"GRAREAS1"
_LEVEL = 22  # zstd's strongest; packing happens once
_MAX_COLUMNS_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Layer:
    """One decoded pack.

    Attributes:
        about: metadata of the layer (source, licence, attribution, measured figures).
        records: one record of texts per area.
        geometries: shapely MultiPolygons (object array, shape (n,)), one per record.
    """

    about: Mapping[str, Any]
    records: tuple[Mapping[str, Any], ...]
    geometries: NDArray[np.object_]


def encode_pack(
    about: Mapping[str, Any], records: Sequence[Mapping[str, Any]], geometries: Sequence[Any], *, scale: int
) -> bytes:
    """Write a layer as pack bytes; the same input gives the same bytes.

    Args:
        about: metadata; JSON without floats.
        records: one per geometry; JSON without floats.
        geometries: Polygons or MultiPolygons whose coordinates are the doubles nearest to k / scale.
        scale: grid steps per degree, for instance 100000.
    Raises:
        InputError: a coordinate is not on the grid.
    """
    polygons, polygon_area = shapely.get_parts(np.asarray(geometries, dtype=object), return_index=True)
    rings, ring_polygon = shapely.get_rings(polygons, return_index=True)
    vertices, vertex_ring = shapely.get_coordinates(rings, return_index=True)
    closing = np.append(vertex_ring[1:] != vertex_ring[:-1], True)
    steps = np.rint(vertices[~closing] * scale).astype(np.int64)
    if not np.array_equal(steps / scale, vertices[~closing]):
        raise InputError(f"a coordinate is not on the grid of 1/{scale} degree", help="round the coordinates first")
    columns = b"".join(
        (
            _counts(polygon_area, len(records)),
            _counts(ring_polygon, len(polygons)),
            _counts(vertex_ring[~closing], len(rings)),
            _planes(steps[:, 0]),
            _planes(steps[:, 1]),
        )
    )
    header = canonical_json(
        {
            "about": dict(about),
            "areas": [dict(record) for record in records],
            "polygons": len(polygons),
            "rings": len(rings),
            "vertices": len(steps),
            "scale": scale,
            "bytes": len(columns),
            "digest": digest_bytes(columns),
        }
    )
    packed: bytes = pa.Codec("zstd", compression_level=_LEVEL).compress(columns, asbytes=True)
    return MAGIC + struct.pack("<I", len(header)) + header + packed


def decode_pack(data: bytes, *, name: str = "pack") -> Layer:
    """Read pack bytes.

    Args:
        data: the whole file.
        name: used in messages.
    Raises:
        IntegrityError: not a pack, cut short, or changed.
    """
    if data[:8] != MAGIC or len(data) < 12:
        raise IntegrityError(f"`{name}` is not an area pack", help="reinstall the package, or build the pack again")
    (length,) = struct.unpack_from("<I", data, 8)
    try:
        header = json.loads(data[12 : 12 + length])
        size = int(header["bytes"])
        if not 0 < size <= _MAX_COLUMNS_BYTES:
            raise ValueError("size of columns")
        columns = pa.Codec("zstd").decompress(memoryview(data)[12 + length :], decompressed_size=size, asbytes=True)
        areas, polygons, rings, count = (
            len(header["areas"]), int(header["polygons"]), int(header["rings"]), int(header["vertices"]),
        )  # fmt: skip
        whole = len(columns) == size == 4 * (areas + polygons + rings) + 8 * count
    except (ValueError, KeyError, TypeError, OSError) as error:  # OSError: how pyarrow reports broken zstd
        raise IntegrityError(f"`{name}` is damaged", help="reinstall the package, or build the pack again") from error
    if not whole or digest_bytes(columns) != header["digest"]:
        raise IntegrityError(
            f"the polygons in `{name}` do not match their digest", help="reinstall the package, or build the pack again"
        )
    structure = np.frombuffer(columns, dtype="<u4", count=areas + polygons + rings).astype(np.int64)
    bulk = np.frombuffer(columns, dtype=np.uint8, offset=4 * len(structure))
    scale = int(header["scale"])
    geometries = _assemble(
        structure[:areas], structure[areas : areas + polygons], structure[areas + polygons :],
        _running(bulk[: 4 * count], scale), _running(bulk[4 * count :], scale),
    )  # fmt: skip
    return Layer(header["about"], tuple(header["areas"]), geometries)


def _assemble(
    area_polygons: NDArray[np.int64],
    polygon_rings: NDArray[np.int64],
    ring_vertices: NDArray[np.int64],
    x_deg: NDArray[np.float64],
    y_deg: NDArray[np.float64],
) -> NDArray[np.object_]:
    """Close the rings and build one MultiPolygon per area."""
    starts = np.cumsum(ring_vertices) - ring_vertices
    closed_ends = np.cumsum(ring_vertices + 1)
    take = np.arange(closed_ends[-1]) - np.repeat(np.arange(len(ring_vertices)), ring_vertices + 1)
    take[closed_ends - 1] = starts
    coordinates = np.empty((len(take), 2))
    coordinates[:, 0] = x_deg[take]
    coordinates[:, 1] = y_deg[take]
    offsets = tuple(np.append(0, np.cumsum(counts)) for counts in (ring_vertices + 1, polygon_rings, area_polygons))
    built: NDArray[np.object_] = shapely.from_ragged_array(shapely.GeometryType.MULTIPOLYGON, coordinates, offsets)
    return built


def _counts(parent_of: NDArray[np.int64], parents: int) -> bytes:
    return np.bincount(parent_of, minlength=parents).astype("<u4").tobytes()


def _planes(steps: NDArray[np.int64]) -> bytes:
    difference = np.diff(steps, prepend=0)
    zigzag = ((difference << 1) ^ (difference >> 63)).astype("<u4")
    return np.ascontiguousarray(zigzag.view(np.uint8).reshape(-1, 4).T).tobytes()


def _running(planes: NDArray[np.uint8], scale: int) -> NDArray[np.float64]:
    zigzag = np.ascontiguousarray(planes.reshape(4, -1).T).view("<u4").ravel().astype(np.int64)
    degrees: NDArray[np.float64] = np.cumsum((zigzag >> 1) ^ -(zigzag & 1)) / scale
    return degrees
