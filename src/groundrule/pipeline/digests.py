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
from groundrule.records import LATER_COLUMNS

_PADDING = 65_536


class TableDigest:
    """Digest of a table's content, independent of batches, dictionaries and file format.

    Each column is hashed as one stream: fixed-width values as little-endian bytes, text as all lengths (int32) apart from
    all bytes, lists as lengths apart from their items, structs field by field; a null counts as a zero value, and one byte per value
    says which are valid. The digest is that of the canonical JSON of the column digests and the row count. A column that
    observations did not have from the beginning does not count while it is wholly null, so that older tables keep their digest.
    """

    def __init__(self) -> None:
        self._streams: dict[str, Any] = {}
        self._begun: dict[str, pa.DataType] = {}
        self.rows = 0

    def update(self, table: pa.Table) -> None:
        """Add the rows of a table with the same columns as before."""
        before = self.rows
        self.rows += len(table)
        for name in table.column_names:
            column = table.column(name)
            if name in LATER_COLUMNS and name not in self._begun:
                if column.null_count == len(column):
                    continue
                self._begin(name, column.type, before)
            for chunk in column.chunks:
                self._add(name, chunk)
        for name, kind in self._begun.items():
            if name not in table.column_names:
                self._pad(name, kind, len(table))

    def hexdigest(self) -> str:
        """Return `sha256:…` of all rows added so far."""
        streams = {name: hasher.hexdigest() for name, hasher in sorted(self._streams.items())}
        return SCHEME + hashlib.sha256(json.dumps([self.rows, streams], separators=(",", ":")).encode()).hexdigest()

    @property
    def content(self) -> dict[str, Any]:
        """Rows and digest of all rows added so far, as a manifest names them."""
        return {"rows": self.rows, "digest": self.hexdigest()}

    def _begin(self, name: str, kind: pa.DataType, rows: int) -> None:
        """Begin a later column: all rows before were null."""
        self._begun[name] = kind
        self._pad(name, kind, rows)

    def _pad(self, name: str, kind: pa.DataType, rows: int) -> None:
        for first in range(0, rows, _PADDING):
            self._add(name, pa.nulls(min(_PADDING, rows - first), kind))

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
            # What lies under a null depends on where the table comes from: flattened, it is null as well.
            fields = array.flatten() if array.null_count else [array.field(position) for position in range(len(kind))]
            for field, values in zip(kind, fields, strict=True):
                self._add(f"{name}.{field.name}", values)
        elif pa.types.is_list(kind):
            offsets = np.asarray(array.offsets)
            if np.diff(offsets)[~valid].any():
                array = array.take(pa.array(np.arange(len(array))))
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
