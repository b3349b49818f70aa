"""Files as they come: what they are by their bytes, how large they may be, and their text in the right encoding."""

from __future__ import annotations

import codecs
import re
import unicodedata
import zlib
from dataclasses import dataclass
from enum import StrEnum

from groundrule.errors import InputError
from groundrule.evidence.characters import visible
from groundrule.evidence.report import Problem

_HEAD = 4_096
_MEGABYTE = 1_000_000
_HTML = re.compile(
    r"^(?:\s|<!--.*?-->|<\?xml[^>]*\?>)*"
    r"<(?:!doctype\s+html|html|head|body|title|meta|link|script|style|base|article|main|section|header|div|table|h[1-6]|p|center|amp-)\b",
    re.IGNORECASE | re.DOTALL,
)
_HTML_INSIDE = re.compile(r"<html[\s>]", re.IGNORECASE)
_MARKUP = re.compile(r"^\s*<(?:\?xml|!DOCTYPE|!ENTITY)", re.IGNORECASE)
_ARCHIVED_PAGE = re.compile(
    rb"^(?:[\w-]+:[^\r\n]*\r?\n(?:[ \t][^\r\n]*\r?\n)*){1,60}?Content-Type:\s*multipart/related", re.IGNORECASE
)
_META_CHARSET = re.compile(rb"<meta[^>]{0,300}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE)
_XML_CHARSET = re.compile(rb"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.:-]{2,40})[\"']", re.IGNORECASE)
_REFUSED = (
    (b"PK\x03\x04", "a zip archive: unpack it and import what is in it"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\xd0\xcf\x11\xe0", "an old office document: save it as PDF"),
    (b"7z\xbc\xaf", "an archive: unpack it and import what is in it"),
    (b"Rar!", "an archive: unpack it and import what is in it"),
    (b"BZh", "a compressed file: unpack it first"),
    (b"\xfd7zXZ", "a compressed file: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a compressed file: unpack it first"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
)
# Encodings that carry pages; by the labels that browsers know. Others, such as UTF-7, are never used, whatever a page declares.
_ENCODINGS = {
    "utf-8": "utf-8", "utf8": "utf-8", "unicode-1-1-utf-8": "utf-8",
    "ascii": "cp1252", "us-ascii": "cp1252", "iso-8859-1": "cp1252", "latin1": "cp1252", "windows-1252": "cp1252", "cp1252": "cp1252",
    "iso-8859-2": "iso8859-2", "latin2": "iso8859-2", "iso-8859-5": "iso8859-5", "iso-8859-7": "iso8859-7", "iso-8859-9": "cp1254",
    "iso-8859-15": "iso8859-15", "windows-1250": "cp1250", "windows-1251": "cp1251", "cp1251": "cp1251", "windows-1253": "cp1253",
    "windows-1254": "cp1254", "windows-1255": "cp1255", "windows-1256": "cp1256", "windows-1257": "cp1257", "windows-1258": "cp1258",
    "koi8-r": "koi8-r", "koi8-u": "koi8-u", "ibm866": "cp866", "macintosh": "mac-roman", "gb2312": "gb18030", "gbk": "gb18030",
    "gb18030": "gb18030", "big5": "big5", "shift_jis": "cp932", "shift-jis": "cp932", "sjis": "cp932", "windows-31j": "cp932",
    "euc-jp": "euc-jp", "iso-2022-jp": "iso2022-jp", "euc-kr": "cp949", "ks_c_5601-1987": "cp949",
    "utf-16": "utf-16-le", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be",
}  # fmt: skip


class FileKind(StrEnum):
    """What a file is, as its bytes say."""

    HTML = "text/html"
    TEXT = "text/plain"
    PDF = "application/pdf"
    WEB_ARCHIVE = "application/warc"
    SAVED_PAGE = "multipart/related"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a capture is read. What goes beyond is refused, or left out and reported.

    Attributes:
        raw_bytes: of the file; beyond, it is refused.
        unpacked_bytes: of one part after unpacking. ratio: unpacked to packed, beyond the first megabyte.
        members: parts of an archive. nesting: parts within parts, of a saved page.
        pages: of a PDF.
        elements, depth: of an HTML tree; beyond, only our own rules read it, or only its beginning.
        markup_chars: of a page; beyond, the libraries do not judge it, only our own rules.
        text_chars: of the visible text. block_chars: of one block of it. blocks: of a page.
        problems: kept for one report.
        seconds: of work on one file, looked at between pages, members and steps.
    """

    raw_bytes: int = 25 * _MEGABYTE
    unpacked_bytes: int = 25 * _MEGABYTE
    ratio: int = 200
    members: int = 2_000
    nesting: int = 4
    pages: int = 500
    elements: int = 20_000
    depth: int = 200
    markup_chars: int = 5 * _MEGABYTE
    text_chars: int = 2 * _MEGABYTE
    blocks: int = 20_000
    block_chars: int = 200_000
    problems: int = 100
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text of a file, the encoding it was read in, and what was odd about it."""

    text: str
    encoding: str
    problems: tuple[Problem, ...] = ()


def safe_name(file_name: str) -> str:
    r"""Base name of a file, whatever path or characters it came with; at most 200 characters.

    Example:
        >>> safe_name("../../etc/pass\x00wd"), safe_name("C:\\x\\page.html"), safe_name("..")
        ('pass⟨U+0000⟩wd', 'page.html', 'unnamed')
    """
    name = re.split(r"[/\\]", file_name)[-1].strip()
    return "unnamed" if name in ("", ".", "..") else visible(unicodedata.normalize("NFC", name))


def kind_of(raw: bytes, *, file_name: str, limits: Limits) -> FileKind:
    """What a file is, from its bytes and never from its name.

    Raises:
        InputError: empty, too large, or nothing that can be read as a publication.
    """
    shown = safe_name(file_name)
    if not raw.strip():
        raise InputError(f"`{shown}` is empty", help="import a file with text", file=shown)
    if len(raw) > limits.raw_bytes:
        raise InputError(
            f"`{shown}` has {len(raw)} bytes, more than {limits.raw_bytes}",
            help="import the article alone, or raise the limit",
            file=shown,
        )
    head = raw[:_HEAD]
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if b"%PDF-" in head[:1_024]:
        return FileKind.PDF
    if start.startswith(b"WARC/"):
        return FileKind.WEB_ARCHIVE
    if head.startswith(b"\x1f\x8b"):
        if _gzip_head(raw).startswith(b"WARC/"):
            return FileKind.WEB_ARCHIVE
        raise _unreadable(shown, "a gzip file without a web archive in it: unpack it first")
    for magic, what in _REFUSED:
        if head.startswith(magic):
            raise _unreadable(shown, what)
    if _ARCHIVED_PAGE.match(start):
        return FileKind.SAVED_PAGE
    text = decode(raw[: 16 * _HEAD]).text
    if _HTML.match(text) or _HTML_INSIDE.search(text):
        return FileKind.HTML
    if _MARKUP.match(text):
        raise _unreadable(shown, "XML that is no page")
    strange = sum(unicodedata.category(each) in ("Cc", "Cn", "Co") and each not in "\t\n\r\f" for each in text)
    if strange + 2 * text.count("\ufffd") > max(20, len(text) // 20):
        raise _unreadable(shown, "binary data")
    return FileKind.TEXT


def _unreadable(shown: str, what: str) -> InputError:
    return InputError(
        f"`{shown}` is {what}",
        help="HTML, MHTML, WARC, PDF and plain text can be imported",
        file=shown,
        code="unreadable",
    )


def _gzip_head(raw: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(raw[:_HEAD], 64)
    except zlib.error:
        return b""


def decode(raw: bytes, declared: str = "", *, markup: bool = False) -> Decoded:
    """Text of bytes: by their byte order mark, else as declared if that fits, else UTF-8, else by the letters.

    Args:
        raw: the bytes.
        declared: encoding that came with them, such as from a header; it goes before the page's own.
        markup: whether to look for a declaration inside.
    """
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if raw.startswith(mark):
            return _lossy(raw[len(mark) :], name, [])
    problems: list[Problem] = []
    label = declared.strip().strip("\"'").lower()
    if not label and markup:
        found = _XML_CHARSET.search(raw[:_HEAD]) or _META_CHARSET.search(raw[: 4 * _HEAD])
        label = found[1].decode("ascii", "replace").lower() if found else ""
    if label and label not in _ENCODINGS:
        problems.append(
            Problem("unknown_encoding", "", f"the capture declares `{visible(label, 40)}`, which is not used")
        )
    name = _ENCODINGS.get(label, "")
    # A declaration in plain bytes proves that the page is not UTF-16.
    if name and not (markup and name.startswith("utf-16") and not declared):
        try:
            return Decoded(raw.decode(name), name, tuple(problems))
        except UnicodeDecodeError as broken:
            problems.append(
                Problem("wrong_encoding", f"byte {broken.start}", f"the text is not the declared `{label}`")
            )
    wide = _wide(raw)
    if wide:
        return _lossy(raw, wide, problems)
    try:
        return Decoded(raw.decode("utf-8"), "utf-8", tuple(problems))
    except UnicodeDecodeError as broken:
        if broken.end >= len(raw) and len(raw) == 16 * _HEAD:  # cut in a character: the head of a longer file
            return Decoded(raw.decode("utf-8", "ignore"), "utf-8", tuple(problems))
    if _mostly_utf8(raw):
        return _lossy(raw, "utf-8", problems)
    if name and name not in ("utf-8", "cp1252"):
        return _lossy(raw, name, problems)
    guess = _by_letters(raw)
    problems.append(
        Problem("encoding_guessed", "", f"no encoding is declared or the declared one is wrong; read as {guess}")
    )
    return _lossy(raw, guess, problems)


def _lossy(raw: bytes, name: str, problems: list[Problem]) -> Decoded:
    try:
        return Decoded(raw.decode(name), name, tuple(problems))
    except UnicodeDecodeError as broken:
        text = raw.decode(name, "replace")
        lost = text.count("\ufffd")
        said = Problem(
            "undecodable", f"byte {broken.start}", f"{lost} places are not {name}; they stand as \ufffd in the text"
        )
        return Decoded(text, name, (*problems, said))


def _wide(raw: bytes) -> str:
    """UTF-16 without a mark: every other byte is almost always the number of one alphabet, and some are zero."""
    sample = raw[:_HEAD]
    if len(sample) < 8 or not sample.count(0):
        return ""
    for name, first in (("utf-16-le", 1), ("utf-16-be", 0)):
        upper, lower = sample[first::2], sample[1 - first :: 2]
        alphabet = sum(each in (0x00, 0x03, 0x04, 0x05, 0x06, 0x20) for each in upper)
        if alphabet > 0.9 * len(upper) and lower.count(0) < 0.1 * len(lower):
            return name
    return ""


def _mostly_utf8(raw: bytes) -> bool:
    """Whether the longer characters of UTF-8 that are right outnumber the broken places by far."""
    sample = raw[: 64 * _HEAD].decode("utf-8", "replace")
    broken = sample.count("\ufffd")
    right = sum(each > "\x7f" for each in sample) - broken
    return right > 4 * broken


def _by_letters(raw: bytes) -> str:
    """The most likely one-byte encoding: the Cyrillic ones have words of high bytes only, and small letters prevail."""
    sample = raw[: 16 * _HEAD]
    high = sum(each >= 0xC0 for each in sample)
    low = sum(0x41 <= (each & 0xDF) <= 0x5A for each in sample if each < 0x80)
    if high > low:
        small = {name: sum(each.islower() for each in sample.decode(name, "replace")) for name in ("cp1251", "koi8-u")}
        return max(small, key=lambda name: small[name])
    central = sum(sample.count(each) for each in b"\xb9\xb3\x9c\x9f\xbf\xe6\xea\x8c\xa3")
    western = sum(sample.count(each) for each in b"\xe0\xe4\xe8\xe9\xf6\xfc\xdf\xe7\xf4\xee")
    return "cp1250" if central > western else "cp1252"
