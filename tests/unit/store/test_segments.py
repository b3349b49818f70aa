"""Segments: whole frames or none, torn tails cut, full disks and failed flushes told apart."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import small_home as sh
from groundrule.errors import IntegrityError, StoreError
from groundrule.store.home import Home
from groundrule.store.segments import (
    SegmentWriter,
    encode_frame,
    ingest_folder,
    mend,
    read_frames,
    remove,
    segments_of,
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.create(tmp_path / "home")


ROWS = sh.table(
    [
        sh.observation("car", 0, 5.0, 1.0, alerts=[60, 93], speed_m_s=3.5),
        sh.observation("van", 1, None, None, in_territorial_waters=True),
        sh.observation("Ünïcödé", 2, -1.0, 1.0, h3_cell=599686042433355775),
    ]
)


def write(writer: SegmentWriter, *tables: pa.Table, **metadata: Any) -> None:
    parts = [piece for k, table in enumerate(tables) for piece in encode_frame({"k": k, **metadata}, table)]
    writer.write(parts, sum(len(table) for table in tables))
    writer.flush()


def frames(path: Path) -> list[tuple[int, pa.Table]]:
    return [(frame.metadata["k"], frame.rows) for _, frame in read_frames(path)]


def test_what_is_written_comes_back(home: Home) -> None:
    writer = SegmentWriter(home, after=7)
    write(writer, ROWS, ROWS.slice(1, 1))
    write(writer, ROWS.slice(0, 0))
    sealed = writer.seal()
    assert sealed is not None
    assert sealed.path == ingest_folder(home) / "00000008.segment"
    assert sealed.size == sealed.path.stat().st_size == sealed.described()["bytes"]
    found = frames(sealed.path)
    assert [(k, len(table)) for k, table in found] == [(0, 3), (1, 1), (0, 0)]
    assert found[0][1].equals(ROWS)
    assert found[1][1].equals(ROWS.slice(1, 1))
    assert [each.number for each in segments_of(home)] == [8]
    remove([sealed])
    assert segments_of(home) == []
    write(writer, ROWS)
    assert [each.number for each in segments_of(home)] == [9]


def test_a_segment_without_frames_is_not_left(home: Home) -> None:
    writer = SegmentWriter(home, after=0)
    assert writer.seal() is None
    writer._open()
    assert writer.seal() is None
    writer.close()
    assert segments_of(home) == []


def test_a_tail_is_cut_wherever_it_tears(home: Home) -> None:
    writer = SegmentWriter(home, after=0)
    write(writer, ROWS)
    first = writer.size
    write(writer, ROWS)
    sealed = writer.seal()
    assert sealed is not None
    whole = sealed.path.read_bytes()
    for cut in (*range(first, first + 40), len(whole) - 1):
        sealed.path.write_bytes(whole[:cut])
        mended = mend(home)
        assert (mended.torn, mended.bytes, mended.damaged) == (int(cut > first), cut - first, [])
        assert sealed.path.read_bytes() == whole[:first]
        assert len(frames(sealed.path)) == 1


def test_zeros_after_the_last_frame_are_cut(home: Home) -> None:
    writer = SegmentWriter(home, after=0)
    write(writer, ROWS)
    sealed = writer.seal()
    assert sealed is not None
    with sealed.path.open("ab") as stream:
        stream.write(bytes(4096))
    assert mend(home).torn == 1
    assert sealed.path.stat().st_size == sealed.size


def test_damage_before_whole_frames_loses_none_of_them(home: Home) -> None:
    writer = SegmentWriter(home, after=0)
    ends = []
    for _ in range(3):
        write(writer, ROWS)
        ends.append(writer.size)
    sealed = writer.seal()
    assert sealed is not None
    data = bytearray(sealed.path.read_bytes())
    data[ends[0] + 100] ^= 1
    sealed.path.write_bytes(data)
    mended = mend(home)
    assert (mended.torn, mended.damaged) == (0, [sealed.path])
    assert sealed.path.read_bytes() == bytes(data)
    assert len(frames(sealed.path)) == 2
    remove([sealed], keep=mended.damaged)
    assert segments_of(home) == []
    assert sealed.path.with_suffix(".damaged").read_bytes() == bytes(data)


def test_every_flipped_bit_of_a_frame_is_seen(home: Home) -> None:
    writer = SegmentWriter(home, after=0)
    write(writer, ROWS.slice(0, 1))
    sealed = writer.seal()
    assert sealed is not None
    data = sealed.path.read_bytes()
    for place in range(0, len(data), 3):
        flipped = bytearray(data)
        flipped[place] ^= 1 << (place % 8)
        sealed.path.write_bytes(flipped)
        assert frames(sealed.path) == []


def test_a_whole_frame_that_nobody_writes_is_named(home: Home) -> None:
    writer = SegmentWriter(home, after=0)
    import struct
    import zlib

    text = b"[]"
    lengths = struct.pack("<II", len(text), 0)
    head = struct.pack("<4sIII", b"GRs1", len(text), 0, zlib.crc32(text, zlib.crc32(lengths)))
    writer.write([head, text], 0)
    sealed = writer.seal()
    assert sealed is not None
    with pytest.raises(IntegrityError, match="cannot be read"):
        list(read_frames(sealed.path))


def test_no_room_is_refused_and_the_next_write_is_taken(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = SegmentWriter(home, after=0)
    write(writer, ROWS)
    real, calls = os.writev, []

    def full(handle: int, views: list[memoryview]) -> int:
        calls.append(1)
        if len(calls) == 1:
            return real(handle, [views[0][:7]])  # a part is written before the disk is full
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "writev", full)
    with pytest.raises(StoreError) as refused:
        write(writer, ROWS)
    assert (refused.value.context["full"], refused.value.context["stopped"]) == (True, False)
    monkeypatch.undo()
    write(writer, ROWS)
    sealed = writer.seal()
    assert sealed is not None
    assert len(frames(sealed.path)) == 2
    assert mend(home).torn == 0


@pytest.mark.parametrize("what", ["write", "flush"])
def test_any_other_failure_stops_the_writer(home: Home, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    writer = SegmentWriter(home, after=0)
    write(writer, ROWS)
    calls: list[int] = []

    def fail(*_: object) -> int:
        calls.append(1)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "writev" if what == "write" else "fdatasync", fail)
    with pytest.raises(StoreError) as first:
        write(writer, ROWS)
    assert (first.value.context["full"], first.value.context["stopped"]) == (False, True)
    monkeypatch.undo()
    for attempt in (lambda: write(writer, ROWS), writer.flush):
        with pytest.raises(StoreError, match="not taken any more"):
            attempt()
    assert len(calls) == 1, "a failed flush or write was tried again"


def test_a_flush_without_room_stops_the_writer_too(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a flush could not write may be gone from memory already, whatever the reason."""
    writer = SegmentWriter(home, after=0)

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(StoreError) as refused:
        write(writer, ROWS)
    assert (refused.value.context["full"], refused.value.context["stopped"]) == (False, True)
    assert writer.stopped is not None
