"""Observations that were acknowledged and are not in a run yet: an append-only journal of frames, flushed before each answer.

    HOME/ingest/NNNNNNNN.segment

A segment is a row of frames, each whole or not there:

    magic 4 bytes | length of metadata, length of payload: 4 bytes each, little-endian | CRC-32 4 bytes | metadata | payload

The CRC is over both lengths, metadata and payload. Metadata is JSON: when and from whom the rows came and under what they
were answered. The payload is one Arrow record batch, without its schema: `columns` in the metadata names those that are
not wholly unknown, and `records.OBSERVATION_SCHEMA` their types. What follows the last whole frame was never acknowledged.

A write for which there is no room is taken back, and the next may be tried. After a flush that failed nothing is written
any more: the kernel may have dropped what it could not write, and a second flush that succeeds would mean nothing.
"""

from __future__ import annotations

import errno
import os
import re
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from groundrule.canon import digest_file
from groundrule.errors import IntegrityError, StoreError
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.store.durable import sync_folder
from groundrule.store.home import Home

MAGIC: Final = b"GRs1"
MAX_METADATA: Final = 1 << 20
MAX_PAYLOAD: Final = 1 << 30
_HEAD: Final = struct.Struct("<4sIII")
_NAME: Final = re.compile(r"(\d{8,})\.segment")
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it was read.

    Attributes:
        metadata: what was written beside the rows.
        rows: the observations, of `OBSERVATION_SCHEMA`.
    """

    metadata: Mapping[str, Any]
    rows: pa.Table


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment that takes no more frames.

    Attributes:
        path: the file.
        number: counts up.
        size: its length [bytes].
    """

    path: Path
    number: int
    size: int

    @property
    def name(self) -> str:
        """How manifests name it."""
        return f"ingest/{self.path.name}"

    def described(self) -> dict[str, Any]:
        """Name, size and digest, as the inputs of a run name a file."""
        return {"name": self.name, "digest": digest_file(self.path), "bytes": self.size}


@dataclass(slots=True)
class Mended:
    """What was found and mended when segments were opened.

    Attributes:
        torn: segments with a tail that was never acknowledged, and was cut.
        bytes: length of what was cut [bytes].
        damaged: segments in which a whole frame follows what cannot be read; they are kept as they are.
    """

    torn: int = 0
    bytes: int = 0
    damaged: list[Path] = field(default_factory=list)


def ingest_folder(home: Home) -> Path:
    """Return where the segments of a home lie."""
    return home.path / "ingest"


def segments_of(home: Home) -> list[Segment]:
    """Return the segments that lie in a home, in the order in which they were begun."""
    folder = ingest_folder(home)
    if not folder.is_dir():
        return []
    found = ((path, _NAME.fullmatch(path.name)) for path in folder.iterdir())
    return sorted(
        (Segment(path, int(match.group(1)), path.stat().st_size) for path, match in found if match),
        key=lambda each: each.number,
    )


def encode_frame(metadata: Mapping[str, Any], rows: pa.Table) -> list[bytes | pa.Buffer]:
    """Return the parts of a frame, to be written one after the other.

    Args:
        metadata: JSON; `columns` is added.
        rows: of `OBSERVATION_SCHEMA`.
    """
    known = [(name, column) for name, column in zip(rows.column_names, rows.columns, strict=True) if column.null_count < len(rows)]
    names = [name for name, _ in known]
    if all(column.num_chunks == 1 for _, column in known) and known:
        batch = pa.RecordBatch.from_arrays([column.chunk(0) for _, column in known], names=names)
    else:
        batch = _one_batch(rows.select(names))
    payload = batch.serialize()
    text = msgspec.json.encode({**metadata, "columns": names, "rows": len(rows)})
    lengths = struct.pack("<II", len(text), payload.size)
    crc = zlib.crc32(payload, zlib.crc32(text, zlib.crc32(lengths)))
    return [_HEAD.pack(MAGIC, len(text), payload.size, crc), text, payload]


def read_frames(path: Path) -> Iterator[tuple[int, Frame]]:
    """Yield the whole frames of a segment, each with where it ends [bytes]; what is not whole is passed over.

    Raises:
        StoreError: the file cannot be read.
        IntegrityError: a frame has the right check sum, and is nothing that this program writes.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read `{path}`: {error.strerror}", path=str(path)) from error
    position = 0
    while position >= 0:
        end = _frame_end(data, position)
        if end is None:
            position = _next_frame(data, position + 1)
            continue
        yield end, _decode(data, position, end, path)
        position = end


def mend(home: Home) -> Mended:
    """Cut what was never acknowledged off the end of each segment; the caller holds the home's write lock.

    Raises:
        StoreError: a segment cannot be read or cut.
    """
    mended = Mended()
    for segment in segments_of(home):
        data = _bytes(segment.path)
        position = 0
        while (end := _frame_end(data, position)) is not None:
            position = end
        if position == len(data):
            continue
        # A torn write has nothing after it; a whole frame behind unreadable bytes was acknowledged after them.
        if _next_frame(data, position + 1) >= 0:
            mended.damaged.append(segment.path)
            continue
        try:
            with segment.path.open("r+b") as stream:
                stream.truncate(position)
                os.fsync(stream.fileno())
        except OSError as error:
            raise StoreError(f"cannot mend `{segment.path}`: {error.strerror}", path=str(segment.path)) from error
        mended.torn += 1
        mended.bytes += len(data) - position
    return mended


def remove(segments: Sequence[Segment], *, keep: Sequence[Path] = ()) -> None:
    """Remove segments whose observations are in a run; damaged ones are put aside under another name."""
    for segment in segments:
        with suppress(FileNotFoundError):
            if segment.path in keep:
                segment.path.rename(segment.path.with_suffix(".damaged"))
            else:
                segment.path.unlink()
    if segments:
        with suppress(OSError):  # at the worst a segment is there again after a power loss, and its rows are repeats
            sync_folder(segments[0].path.parent)


class SegmentWriter:
    """Appends frames to the newest segment of a home; the caller holds the home's write lock.

    Args:
        home: whose.
        after: highest number that was ever used.

    Attributes:
        stopped: why nothing is taken any more, or None.
        rows: rows in the segment that is open.
        size: its length [bytes].
    """

    def __init__(self, home: Home, *, after: int) -> None:
        self._folder = ingest_folder(home)
        self._next = max([after, *(each.number for each in segments_of(home))]) + 1
        self._handle: int | None = None
        self._path: Path | None = None
        self.stopped: str | None = None
        self.rows = 0
        self.size = 0

    def write(self, parts: Sequence[bytes | pa.Buffer], rows: int) -> None:
        """Append the parts of one or more frames; `flush` makes them durable.

        Args:
            parts: from `encode_frame`.
            rows: observations in them.
        Raises:
            StoreError: nothing was taken; context `full` where there is no room, `stopped` where nothing is taken any more.
        """
        self._refuse_if_stopped()
        handle = self._open()
        try:
            written = _write_all(handle, parts)
        except OSError as error:
            self._take_back(handle, error)
            raise self._refused(error) from error
        self.size += written
        self.rows += rows

    def flush(self) -> None:
        """Make what was written durable.

        Raises:
            StoreError: it is not known to be; context `stopped`: nothing is taken any more.
        """
        self._refuse_if_stopped()
        assert self._handle is not None
        try:
            os.fdatasync(self._handle)
        except OSError as error:
            self.stopped = f"flushing `{self._path}` failed: {error.strerror}"
            raise self._refused(error) from error

    def seal(self) -> Segment | None:
        """End the segment that is open; None if there is none, or nothing in it."""
        handle, path = self._handle, self._path
        if handle is None or path is None:
            return None
        if not self.size:
            return None
        self._handle = self._path = None
        with suppress(OSError):  # everything in it was flushed
            os.close(handle)
        sealed = Segment(path, self._next - 1, self.size)
        self.rows = self.size = 0
        return sealed

    def close(self) -> None:
        """Let the file go; an empty one is removed."""
        if self._handle is not None and self._path is not None:
            with suppress(OSError):
                os.close(self._handle)
            if not self.size and self.stopped is None:
                with suppress(OSError):
                    self._path.unlink()
        self._handle = self._path = None

    def _open(self) -> int:
        if self._handle is not None:
            return self._handle
        path = self._folder / f"{self._next:08d}.segment"
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._refused(error) from error
        try:
            sync_folder(self._folder)
            sync_folder(self._folder.parent)
        except OSError as error:
            os.close(handle)
            self.stopped = f"flushing `{self._folder}` failed: {error.strerror}"
            raise self._refused(error) from error
        self._handle, self._path = handle, path
        self._next += 1
        self.rows = self.size = 0
        return handle

    def _take_back(self, handle: int, error: OSError) -> None:
        """Cut what a failed write left, so that the segment ends with a whole frame again."""
        try:
            os.ftruncate(handle, self.size)
            os.lseek(handle, self.size, os.SEEK_SET)
        except OSError as second:
            self.stopped = f"`{self._path}` cannot be mended after a failed write: {second.strerror}"
        if error.errno not in _FULL:
            self.stopped = self.stopped or f"writing `{self._path}` failed: {error.strerror}"

    def _refuse_if_stopped(self) -> None:
        if self.stopped is not None:
            raise StoreError(
                f"observations are not taken any more: {self.stopped}",
                help="look at the disk, and start the service again",
                full=False,
                stopped=True,
                path=str(self._folder),
            )

    def _refused(self, error: OSError) -> StoreError:
        full = error.errno in _FULL and self.stopped is None
        return StoreError(
            f"cannot write in `{self._folder}`: {error.strerror}",
            help="make room; nothing needs to be repaired" if full else "look at the disk, and start the service again",
            full=full,
            stopped=self.stopped is not None,
            path=str(self._folder),
        )


def _write_all(handle: int, parts: Sequence[bytes | pa.Buffer]) -> int:
    """Write every part; return how many bytes that were."""
    views = [memoryview(part).cast("B") for part in parts]
    total = 0
    while views:
        written = os.writev(handle, views[:1_000])
        total += written
        while views and written >= len(views[0]):
            written -= len(views.pop(0))
        if views and written:
            views[0] = views[0][written:]
    return total


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    whole = table.combine_chunks()
    batches = whole.to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=whole.schema)


def _frame_end(data: bytes, position: int) -> int | None:
    """Where the whole frame that begins at a position ends, or None if there is none."""
    if position + _HEAD.size > len(data):
        return None
    magic, metadata, payload, crc = _HEAD.unpack_from(data, position)
    end = position + _HEAD.size + metadata + payload
    if magic != MAGIC or metadata > MAX_METADATA or payload > MAX_PAYLOAD or end > len(data):
        return None
    lengths = data[position + 4 : position + 12]
    found = zlib.crc32(memoryview(data)[position + _HEAD.size : end], zlib.crc32(lengths))
    return end if found == crc else None


def _next_frame(data: bytes, position: int) -> int:
    """Where the next whole frame at or after a position begins; -1 if there is none."""
    found = data.find(MAGIC, position)
    while found >= 0 and _frame_end(data, found) is None:
        found = data.find(MAGIC, found + 1)
    return found


def _decode(data: bytes, position: int, end: int, path: Path) -> Frame:
    _, length, _, _ = _HEAD.unpack_from(data, position)
    start = position + _HEAD.size
    try:
        metadata = msgspec.json.decode(data[start : start + length])
        schema = pa.schema([OBSERVATION_SCHEMA.field(name) for name in metadata["columns"]])
        batch = pa.ipc.read_record_batch(pa.py_buffer(data[start + length : end]), schema)
        batch.validate()
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, OSError) as error:
        raise IntegrityError(
            f"a frame of `{path}` cannot be read: {str(error).splitlines()[0][:200]}",
            help="use the program version that wrote it",
            path=str(path),
        ) from error
    n = int(metadata["rows"])
    columns = [
        batch.column(batch.schema.get_field_index(field.name)) if field.name in metadata["columns"] else pa.nulls(n, field.type)
        for field in OBSERVATION_SCHEMA
    ]
    return Frame(metadata, pa.table(columns, schema=OBSERVATION_SCHEMA))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read `{path}`: {error.strerror}", path=str(path)) from error
