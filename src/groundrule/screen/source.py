"""Bytes of a list file: gzip or not, digested while they are read, bounded whatever they hold.

A gzip file that breaks off gives what precedes the break. Text is UTF-8; a line that is not is read as Latin-1, which
OFAC's legacy files use. Lines longer than the limit are passed over without being held.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from groundrule.canon import SCHEME
from groundrule.errors import InputError
from groundrule.screen.model import VALUE_CHARS, BrokenRow, SourceFile

BLOCK_BYTES = 1 << 16
GZIP_MAGIC = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
END_MARK = b"\x1a"
"""The control character that ends OFAC's legacy files."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that keep memory and time bounded whatever a file holds; the largest published list has 120 MB.

    Attributes:
        file_bytes: largest file without compression.
        line_bytes: longest line of a text file.
        field_chars: longest field; real ones have at most some thousand characters.
        record_bytes: largest XML record; also the largest token of the parser.
        depth: deepest nesting of XML; published lists use 12.
        entries: most entries of a list.
        broken: broken rows that are kept in detail; more are counted.
    """

    file_bytes: int = 1 << 30
    line_bytes: int = 4 << 20
    field_chars: int = 1 << 17
    record_bytes: int = 4 << 20
    depth: int = 64
    entries: int = 2_000_000
    broken: int = 10_000


@dataclass(slots=True)
class Findings:
    """What could not be used, and what a reader must know, while one list is read.

    Attributes:
        limits: bounds of this reading.
        broken: rows in detail.
        total: rows counted.
        complete: whether every file was read to its end.
        notes: one sentence each.
    """

    limits: Limits = field(default_factory=Limits)
    broken: list[BrokenRow] = field(default_factory=list)
    total: int = 0
    complete: bool = True
    notes: list[str] = field(default_factory=list)

    def add(
        self,
        file: str,
        line: int,
        column: str,
        value: object,
        reason: str,
        help: str,  # noqa: A002 - the field's name
        *,
        uid: str | None = None,
        kept: bool = False,
    ) -> None:
        """Count a broken row, and keep it if not too many are kept already."""
        self.total += 1
        if len(self.broken) < self.limits.broken:
            shown = _printable(str(value)[:VALUE_CHARS])
            self.broken.append(BrokenRow(file, line, column, shown, reason, help, _uid(uid), kept))

    def breaks_off(self, file: str, line: int, value: object) -> None:
        """Note that a file ends before its end."""
        self.complete = False
        self.add(
            file, line, "", value, "file_breaks_off", "fetch the file again; what stands before this place was read"
        )

    def note(self, text: str) -> None:
        """Add a sentence for people, once."""
        if text not in self.notes:
            self.notes.append(text)


def _uid(uid: str | None) -> str | None:
    return None if uid is None else _printable(uid[:VALUE_CHARS])


def _printable(text: str) -> str:
    """Text that canonical JSON can hold and a terminal can show."""
    return "".join(
        char if char.isprintable() and not "\ud800" <= char <= "\udfff" else f"\\x{ord(char):02x}" for char in text
    )


class ListFile:
    """One opened file: blocks or lines of its content, and afterwards its digests.

    Args:
        path: the file; gzip is told by its first bytes, not by its name.
        findings: where a break is noted.
    Raises:
        InputError: it cannot be opened.
    """

    def __init__(self, path: Path, findings: Findings) -> None:
        self.path = path
        self.name = path.name
        self.rows = 0
        self._findings = findings
        self._raw = hashlib.sha256()
        self._content = hashlib.sha256()
        self._size = 0

    def blocks(self) -> Iterator[bytes]:
        """The content in blocks, without a byte-order mark of UTF-8.

        Raises:
            InputError: the file cannot be read, is larger than the limit, or is UTF-16.
        """
        first = True
        for block in self._unpacked():
            self._size += len(block)
            self._content.update(block)
            if self._size > self._findings.limits.file_bytes:
                raise InputError(
                    f"`{self.name}` has more than {self._findings.limits.file_bytes} bytes",
                    help="no published list is that large; check what it is",
                    file=self.name,
                )
            told = block
            if first:
                if block.startswith((b"\xff\xfe", b"\xfe\xff")):
                    raise InputError(f"`{self.name}` is UTF-16 text", help="save it as UTF-8", file=self.name)
                told, first = block.removeprefix(_BOM), False
            yield told

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Whole lines without their ends, with numbers from 1; too long ones and the end mark are left out.

        The last line of a file that breaks off is left out too, because it may be half a line that reads like a whole
        one.
        """
        limit = self._findings.limits.line_bytes
        number, held, passed = 1, bytearray(), 0
        for block in self.blocks():
            start = 0
            while (stop := block.find(b"\n", start)) >= 0:
                if passed or len(held) + stop - start > limit:
                    self._too_long(number, passed + len(held) + stop - start, bytes(held[:VALUE_CHARS]))
                else:
                    line = (bytes(held) + block[start:stop] if held else block[start:stop]).removesuffix(b"\r")
                    if line:
                        yield number, line
                held.clear()
                passed, number, start = 0, number + 1, stop + 1
            if passed:
                passed += len(block) - start
            else:
                held += block[start:]
                if len(held) > limit:
                    passed = len(held) - VALUE_CHARS
                    del held[VALUE_CHARS:]
        if passed:
            self._too_long(number, passed + len(held), bytes(held))
        elif held and held != END_MARK and not self._broken:
            yield number, bytes(held).removesuffix(b"\r")

    def head(self, size: int = BLOCK_BYTES) -> bytes:
        """The first bytes of the content; nothing if they cannot be unpacked."""
        return next((block[:size] for block in ListFile(self.path, Findings()).blocks()), b"")

    @property
    def about(self) -> SourceFile:
        """What was read; ask when the blocks or lines have ended."""
        return SourceFile(
            self.name, SCHEME + self._raw.hexdigest(), SCHEME + self._content.hexdigest(), self._size, self.rows
        )

    _broken = False

    def _unpacked(self) -> Iterator[bytes]:
        try:
            stream = self.path.open("rb")
        except OSError as error:
            raise InputError(f"cannot read `{self.path}`: {error.strerror}", file=str(self.path)) from error
        with stream:
            packed = stream.read(2) == GZIP_MAGIC
            stream.seek(0)
            try:
                yield from _unzipped(self._watched(stream)) if packed else self._watched(stream)
            except (EOFError, zlib.error) as error:
                self._broken = True
                self._findings.breaks_off(self.name, 0, error)
            except OSError as error:
                raise InputError(f"cannot read `{self.path}`: {error}", file=str(self.path)) from error

    def _watched(self, stream: BinaryIO) -> Iterator[bytes]:
        """The bytes as they lie there, digested."""
        while block := stream.read(BLOCK_BYTES):
            self._raw.update(block)
            yield block

    def _too_long(self, number: int, length: int, head: bytes) -> None:
        self.rows += 1
        self._findings.add(
            self.name,
            number,
            "",
            head.decode("utf-8", "replace"),
            "line_too_long",
            f"the line has {length} bytes; at most {self._findings.limits.line_bytes} are read",
        )


def _unzipped(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack gzip members one after the other, in pieces of BLOCK_BYTES; all that precedes a break comes out.

    Raises:
        EOFError: the last member breaks off. zlib.error: what comes is no gzip.
    """
    member, begun = zlib.decompressobj(31), False
    for block in blocks:
        rest = block
        while rest:
            rest = rest if begun else rest.lstrip(b"\0")  # members may be padded
            begun = begun or bool(rest)
            if data := member.decompress(rest, BLOCK_BYTES):
                yield data
            rest = member.unconsumed_tail
            if member.eof:
                rest, member, begun = member.unused_data, zlib.decompressobj(31), False
    while begun and (data := member.decompress(b"", BLOCK_BYTES)):
        yield data
    if begun and not member.eof:
        raise EOFError("the gzip file ends before its end mark")


def decoded(line: bytes) -> str | None:
    """Text of a line: UTF-8, else Latin-1; None if it holds null bytes or other control characters but tabs."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        text = line.decode("latin-1")
    if text.isprintable() or not any(_is_control(char) for char in text):
        return text
    return None


def _is_control(char: str) -> bool:
    return (char < " " and char not in "\t\n\r") or "\x7f" <= char < "\xa0"
