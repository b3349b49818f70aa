"""Text files as blocks of whole lines, in bounded memory, with the lines that cannot be text set apart.

A line longer than the limit is passed over without being held, so that one line of a gigabyte costs one block. A gzip
file that breaks off gives the lines before the break.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from groundrule.errors import InputError
from groundrule.store.raw import Limits
from groundrule.store.rejects import VALUE_CHARS, one_reject

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class LineBlock:
    """Some whole lines.

    Attributes:
        data: the bytes.
        starts, stops: where each kept line begins and ends in `data`, without its line end (int64, shape (n,)).
        numbers: line numbers, from 1 (int64, shape (n,)).
        rejects: descriptions of lines that cannot be used.
        last_is_open: the last kept line ends with the file and not with a line end.
    """

    data: bytes
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    numbers: NDArray[np.int64]
    rejects: list[dict[str, Any]]
    last_is_open: bool = False

    def line(self, k: int) -> bytes:
        """The bytes of the k-th kept line."""
        return self.data[self.starts[k] : self.stops[k]]


def line_blocks(path: Path, name: str, limits: Limits) -> Iterator[LineBlock]:
    """Read a text file, gzipped or not, in blocks of lines.

    Raises:
        InputError: the file cannot be opened, or is UTF-16.
    """
    carry = b""
    number = 1
    passed = 0  # bytes of an overlong line that is being passed over; 0 when none is
    head = b""
    first = True
    with _opened(path) as stream:
        while True:
            chunk, broken = _read(stream, limits.block_bytes)
            ended = not chunk or broken is not None
            if first:
                chunk, first = _without_bom(chunk, path), False
            if passed:
                stop = chunk.find(b"\n")
                if stop < 0 and not ended:
                    passed += len(chunk)
                    continue
                rejects = [_too_long(name, number, head, passed + max(stop, 0), limits)]
                yield LineBlock(b"", *_no_lines(), rejects)
                chunk, passed = chunk[stop + 1 :] if stop >= 0 else b"", 0
                number += 1
            data = carry + chunk
            cut = len(data) if ended else data.rfind(b"\n") + 1
            carry = data[cut:]
            if broken is not None:
                # What stands after the last line end may be half a line that reads like a whole one.
                cut = data.rfind(b"\n") + 1
                carry = b""
            if cut:
                block, number = _split(data[:cut], number, name, limits)
                yield block
            if len(carry) > limits.line_bytes:
                head, passed, carry = carry[:VALUE_CHARS], len(carry), b""
            if broken is not None:
                record = one_reject(
                    name,
                    number,
                    reason="file_breaks_off",
                    value=broken,
                    content=data[cut:][:VALUE_CHARS].decode("utf-8", "replace"),
                    help="fetch the file again; the lines before this one were used",
                )
                yield LineBlock(b"", *_no_lines(), [record])
            if ended:
                return


def _read(stream: BinaryIO, size: int) -> tuple[bytes, str | None]:
    """Read up to size bytes in pieces, so that what precedes a break is not lost; the second value says what broke."""
    pieces: list[bytes] = []
    length = 0
    while length < size:
        try:
            piece = stream.read(min(size - length, 1 << 16))
        except (EOFError, zlib.error, OSError) as error:  # a bad gzip file is an OSError
            return b"".join(pieces), str(error) or "it breaks off"
        if not piece:
            break
        pieces.append(piece)
        length += len(piece)
    return b"".join(pieces), None


def _opened(path: Path) -> BinaryIO:
    try:
        if path.name.lower().endswith(".gz"):
            return cast(BinaryIO, gzip.open(path, "rb"))
        return path.open("rb")
    except OSError as error:
        raise InputError(f"cannot read `{path}`: {error.strerror}", file=str(path)) from error


def _without_bom(chunk: bytes, path: Path) -> bytes:
    if chunk.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"`{path}` is UTF-16 text", help="save it as UTF-8", file=str(path))
    return chunk.removeprefix(_BOM)


def _no_lines() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64)


def _too_long(name: str, number: int, head: bytes, length: int, limits: Limits) -> dict[str, Any]:
    return one_reject(
        name,
        number,
        reason="line_too_long",
        value=head.decode("utf-8", "replace"),
        help=f"the line has at least {length} bytes; at most {limits.line_bytes} are read",
    )


def _split(data: bytes, number: int, name: str, limits: Limits) -> tuple[LineBlock, int]:
    """Find the lines of a block whose first line has the given number."""
    octets = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(octets == 10)
    is_open = data[-1:] != b"\n"
    if is_open:
        ends = np.append(ends, len(data))
    starts = np.concatenate([[0], ends[:-1] + 1])
    stops = ends.copy()
    ends_in_cr = (stops > starts) & (octets[np.maximum(stops - 1, 0)] == 13)
    stops -= ends_in_cr
    numbers = number + np.arange(len(ends), dtype=np.int64)
    keep = stops > starts
    rejects: list[dict[str, Any]] = []
    for k in np.flatnonzero(stops - starts > limits.line_bytes):
        rejects.append(
            _too_long(
                name, int(numbers[k]), data[starts[k] : starts[k] + VALUE_CHARS], int(stops[k] - starts[k]), limits
            )
        )
        keep[k] = False
    if not _is_text(data):
        for k in np.flatnonzero(keep):
            line = data[starts[k] : stops[k]]
            if not _is_text(line):
                rejects.append(
                    one_reject(
                        name,
                        int(numbers[k]),
                        reason="not_text",
                        value=line[:VALUE_CHARS].decode("utf-8", "replace"),
                        content=line[:4096].decode("utf-8", "replace"),
                        help="write UTF-8 without null bytes",
                    )
                )
                keep[k] = False
    last_is_open = bool(is_open and keep[-1])
    return LineBlock(data, starts[keep], stops[keep], numbers[keep], rejects, last_is_open), number + len(ends)


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in data
