"""Digest of a table's content: the same rows give the same digest, however they are batched, encoded or stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from groundrule.canon import SCHEME


class TableDigest:
    """Digest of a table's content, independent of batches, dictionaries and file format.

    Each column is hashed as one stream: fixed-width values as little-endian bytes, text as all lengths (int32) apart from
    all bytes, lists as lengths apart from their items, structs field by field; a null counts as a zero value, and one byte per value
    says which are valid. The digest is that of the canonical JSON of the column digests and the row count.
    """

    def __init__(self) -> None:
        self._streams: dict[str, Any] = {}
        self.rows = 0

    def update(self, table: pa.Table) -> None:
        """Add the rows of a table with the same columns as before."""
        self.rows += len(table)
        for name in table.column_names:
            for chunk in table.column(name).chunks:
                self._add(name, chunk)

    def hexdigest(self) -> str:
        """Return `sha256:…` of all rows added so far."""
        streams = {name: hasher.hexdigest() for name, hasher in sorted(self._streams.items())}
        return SCHEME + hashlib.sha256(json.dumps([self.rows, streams], separators=(",", ":")).encode()).hexdigest()

    def _stream(self, name: str, data: Any) -> None:
        if name not in self._streams:
            self._streams[name] = hashlib.sha256()
        self._streams[name].update(data)

    def _add(self, name: str, array: pa.Array) -> None:
        kind = array.type
        if pa.types.is_dictionary(kind):
            self._add(name, array.dictionary_decode())
            return
        valid = pc.is_valid(array).to_numpy(zero_copy_only=False) if array.null_count else np.ones(len(array), bool)
        self._stream(f"{name}?", valid.astype("u1").data)
        if pa.types.is_struct(kind):
            for position, field in enumerate(kind):
                self._add(f"{name}.{field.name}", array.field(position))
        elif pa.types.is_list(kind):
            offsets = np.asarray(array.offsets)
            self._stream(f"{name}#", np.diff(offsets).astype("<i4").tobytes())
            self._add(f"{name}[]", array.values.slice(int(offsets[0]), int(offsets[-1] - offsets[0])))
        elif pa.types.is_string(kind):
            array = pc.fill_null(array, "") if array.null_count else array
            offsets = (
                np.frombuffer(array.buffers()[1], np.int32, len(array) + 1, array.offset * 4)
                if len(array)
                else np.zeros(1, np.int32)
            )
            self._stream(f"{name}#", np.diff(offsets).astype("<i4").tobytes())
            data = array.buffers()[2]
            if data is not None and len(array):
                self._stream(name, memoryview(data)[int(offsets[0]) : int(offsets[-1])])
        elif pa.types.is_boolean(kind):
            self._stream(name, pc.fill_null(array, False).to_numpy(zero_copy_only=False).astype("u1").tobytes())
        else:
            array = pc.fill_null(array, 0) if array.null_count else array
            values = array.to_numpy(zero_copy_only=False)
            self._stream(name, np.ascontiguousarray(values, values.dtype.newbyteorder("<")).data)


def table_digest(tables: Iterable[pa.Table]) -> str:
    """Return the digest of all rows of the tables, in order."""
    content = TableDigest()
    for table in tables:
        content.update(table)
    return content.hexdigest()
