"""Keep a compiled grid in a file, and take it back only if it is whole and belongs to the same areas.

    magic line   groundrule grid 1
    header line  JSON: key, payload digest, and name, type, shape, offset of each array
    payload      the arrays, each aligned to 64 bytes

The key is the digest of the geometry and of the versions of layout and numbers; the payload digest is checked on every
load (1.7 GB/s). Whatever does not match is reported with a warning and compiled again.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np

from groundrule.areas.grid import LAYOUT, CompiledSets, Grid
from groundrule.canon import digest_bytes

_MAGIC = b"groundrule grid 1\n"
_ALIGN = 64
_MAX_HEADER = 1 << 16
_NAMES = [*Grid._fields, *(f"set_{name}" for name in CompiledSets._fields)]


class GridCacheWarning(UserWarning):
    """A cached grid could not be used; the grid was compiled from the areas instead."""


def key_of(geometry_digests: list[str]) -> str:
    """Key of the grid of these geometries in this order."""
    return digest_bytes(json.dumps([LAYOUT, sys.byteorder, geometry_digests]).encode())


def path_of(folder: Path, key: str) -> Path:
    """File of a key within the cache folder."""
    return folder / f"{key.removeprefix('sha256:')[:32]}.grid"


def save_grid(path: Path, key: str, grid: Grid, sets: CompiledSets) -> None:
    """Write a grid so that a reader sees the whole file or none; a full disk only costs the cache."""
    arrays = [np.ascontiguousarray(array) for array in (*grid, *sets)]
    described, pieces, offset = [], [], 0
    for name, array in zip(_NAMES, arrays, strict=True):
        described.append([name, array.dtype.str, list(array.shape), offset])
        padding = -array.nbytes % _ALIGN
        pieces.append(array.tobytes() + bytes(padding))
        offset += array.nbytes + padding
    payload = b"".join(pieces)
    header = json.dumps({"key": key, "payload": digest_bytes(payload), "bytes": len(payload), "arrays": described})
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".grid-", delete=False) as stream:
            temporary = stream.name
            stream.write(_MAGIC + header.encode() + b"\n" + payload)
        os.replace(temporary, path)  # noqa: PTH105 - atomic, unlike a copy
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        warnings.warn(f"the grid could not be cached in `{path}`: {error}", GridCacheWarning, stacklevel=2)


def load_grid(path: Path, key: str) -> tuple[Grid, CompiledSets] | None:
    """Read a grid back; None, with a warning unless the file is merely absent, if it must be compiled."""
    try:
        with path.open("rb") as stream:
            problem, result = _read(stream, key)
    except FileNotFoundError:
        return None
    except OSError as error:
        problem, result = str(error), None
    if result is None:
        warnings.warn(f"cached grid `{path}` is not used: {problem}", GridCacheWarning, stacklevel=2)
    return result


def _read(stream: BinaryIO, key: str) -> tuple[str, tuple[Grid, CompiledSets] | None]:
    if stream.read(len(_MAGIC)) != _MAGIC:
        return "it is not a grid file", None
    try:
        header = json.loads(stream.readline(_MAX_HEADER))
        described = header["arrays"]
        if header["key"] != key:
            return "it belongs to other areas or another version", None
        payload = np.fromfile(stream, np.uint8)  # writable and aligned, as the compiled kernels expect
        if len(payload) != header["bytes"] or digest_bytes(payload.data) != header["payload"]:
            return "its bytes do not match its digest", None
        if [item[0] for item in described] != _NAMES:
            return "its arrays are others", None
        arrays = [
            payload[offset : offset + int(np.prod(shape)) * np.dtype(kind).itemsize].view(np.dtype(kind)).reshape(shape)
            for _, kind, shape, offset in described
        ]
    except (ValueError, KeyError, TypeError) as error:
        return f"its header is broken ({error})", None
    count = len(Grid._fields)
    return "", (Grid(*arrays[:count]), CompiledSets(*arrays[count:]))
