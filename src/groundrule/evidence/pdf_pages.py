"""PDF as a publication: text page by page, and what the file says about itself. Nothing in it is run, opened or followed."""

from __future__ import annotations

import io
import logging
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from groundrule.errors import InputError, MissingExtra
from groundrule.evidence.blocks import Block, Marked
from groundrule.evidence.characters import clean, line, problems_of, visible
from groundrule.evidence.plain_text import mark_text, paragraphs
from groundrule.evidence.raw_files import Limits
from groundrule.evidence.report import Problem, SpanRole

_ACTIVE = (b"/JavaScript", b"/JS", b"/Launch", b"/EmbeddedFile", b"/RichMedia", b"/SubmitForm", b"/OpenAction")
_NUMBER = re.compile(
    r"^\W*(?:(?:page|seite|page|página|pagina|strona|стор\w*|стр\w*)\W*)?\d{1,4}(?:\W+(?:of|von|de|z|из|з|/)?\W*\d{1,4})?\W*$",
    re.IGNORECASE,
)
_ENDS = re.compile(r"[.!?:…。][»\"”’)]?$")
_DATE = re.compile(r"^(?:D:)?(\d{4})(\d{2})?(\d{2})?(?:(\d{2})(\d{2})(\d{2})?(Z|[+-]\d{2}'?\d{2})?)?")


_FAILURES = (
    ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError, AssertionError, NotImplementedError,
    MemoryError, OSError, ArithmeticError,
)  # fmt: skip
"""What the library raises on broken files beside its own errors."""


@dataclass(slots=True)
class Document:
    """What a PDF says.

    Attributes:
        blocks: paragraphs in order, each with its page. running: numbers of the blocks that repeat from page to page.
        title, authors, published_at: of its own metadata.
        problems: what was odd or left out.
    """

    blocks: list[Block]
    running: set[int]
    title: str = ""
    authors: tuple[str, ...] = ()
    published_at: str = ""
    problems: list[Problem] = field(default_factory=list)


def read_document(raw: bytes, *, file_name: str, limits: Limits, until: float) -> Document:
    """Text of a PDF.

    Raises:
        InputError: broken, encrypted, or bigger unpacked than allowed from the start.
        MissingExtra: the extra `evidence` is not installed.
    """
    try:
        import pypdf  # noqa: PLC0415 - an optional package
        from pypdf.errors import PyPdfError  # noqa: PLC0415
    except ImportError as absent:
        raise MissingExtra("evidence", needed_for="reading PDF") from absent
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    most = limits.unpacked_bytes
    # Nothing outside is started for pictures, and a change of the library's defaults does not loosen the bounds.
    with pypdf.apply_configuration(
        jbig2dec_binary=None, zlib_maximum_output_length=most, lzw_maximum_output_length=most, run_length_maximum_output_length=most,
        jbig2_maximum_output_length=most, array_based_stream_maximum_output_length=most, maximum_declared_stream_length=most,
        brotli_maximum_output_length=most, disable_legacy_handling=True,
    ):  # fmt: skip
        return _read(raw, file_name, limits, until, (PyPdfError, *_FAILURES))


def _read(raw: bytes, file_name: str, limits: Limits, until: float, failures: tuple[type[Exception], ...]) -> Document:
    import pypdf  # noqa: PLC0415 - an optional package

    problems = [
        Problem("script_removed", "", f"the PDF holds {name.decode()[1:]}; nothing in it was run or opened")
        for name in _ACTIVE
        if name in raw
    ]
    try:
        reader = pypdf.PdfReader(io.BytesIO(raw), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise InputError(f"`{file_name}` is encrypted", help="import it without a password", file=file_name)
        count = len(reader.pages)
    except InputError:
        raise
    except failures as broken:
        raise InputError(
            f"`{file_name}` is a broken PDF: {visible(str(broken) or type(broken).__name__, 100)}",
            help="a PDF that opens in a reader",
            file=file_name,
        ) from broken
    pages: list[list[str]] = []
    total = 0
    for number in range(min(count, limits.pages)):
        if time.monotonic() > until:
            problems.append(
                Problem("too_slow", f"page {number + 1}", "the rest was left out: reading it took too long")
            )
            break
        try:
            text = reader.pages[number].extract_text() or ""
        except failures as broken:
            code = "zip_bomb" if type(broken).__name__ == "LimitReachedError" else "broken_page"
            problems.append(Problem(code, f"page {number + 1}", visible(str(broken) or type(broken).__name__, 200)))
            pages.append([])
            continue
        cleaned = clean(text)
        problems += problems_of(cleaned, f"page {number + 1}")
        total += len(cleaned.text)
        if total > limits.text_chars:
            problems.append(
                Problem("too_large", f"page {number + 1}", "the text is longer than the limit; the rest was left out")
            )
            break
        pages.append([each for each in (" ".join(row.split()) for row in cleaned.text.split("\n")) if each])
    if count > limits.pages:
        problems.append(Problem("too_many_pages", "", f"only the first {limits.pages} of {count} pages were read"))
    blocks, running = _blocks(pages, limits)
    document = Document(blocks, running, problems=problems)
    try:
        info = reader.metadata
    except failures:
        info = None
    if info:
        document.title = line(str(info.get("/Title") or ""), 300)
        document.authors = tuple(each for each in [line(str(info.get("/Author") or ""), 120)] if each)
        document.published_at = _date(str(info.get("/CreationDate") or ""))
    return document


def mark_document(document: Document, language: str) -> list[Marked]:
    """Roles of a PDF's blocks: as of plain text, with running heads and page numbers left out of the reading."""
    running = document.running
    kept = [block for number, block in enumerate(document.blocks) if number not in running]
    title = document.title if any(block.text.casefold() == document.title.casefold() for block in kept[:8]) else ""
    marked = iter(mark_text(kept, language, title=title))
    return [
        Marked(block, SpanRole.BOILERPLATE, "rule:running_head") if number in running else next(marked)
        for number, block in enumerate(document.blocks)
    ]


def _blocks(pages: list[list[str]], limits: Limits) -> tuple[list[Block], set[int]]:
    """Paragraphs of the pages; lines at the edges that repeat on a third of the pages, and page numbers, stand alone."""
    edges = Counter(re.sub(r"\d+", "#", row) for rows in pages for row in {*rows[:2], *rows[-2:]} if len(row) <= 120)
    often = max(3, len(pages) // 3)
    blocks: list[Block] = []
    running: set[int] = set()
    for number, rows in enumerate(pages, start=1):
        body: list[str] = []
        for place, row in enumerate(rows):
            at_edge = place < 2 or place >= len(rows) - 2
            if at_edge and len(rows) > 1 and (_NUMBER.match(row) or edges[re.sub(r"\d+", "#", row)] >= often):
                blocks += _paragraphs(body, number, limits)
                body = []
                running.add(len(blocks))
                blocks.append(Block(row, where=f"page {number}"))
            else:
                body.append(row)
        blocks += _paragraphs(body, number, limits)
    return blocks, running


def _paragraphs(rows: list[str], page: int, limits: Limits) -> list[Block]:
    """Join the lines of a page: a line that ends a sentence well short of the usual width ends a paragraph."""
    if not rows:
        return []
    widths = sorted(len(row) for row in rows)
    width = widths[int(0.9 * (len(widths) - 1))]
    parts: list[str] = []
    current = ""
    for row in rows:
        current = f"{current[:-1]}{row}" if _broken_word(current, row) else f"{current} {row}".strip()
        short = len(row) < 0.8 * width
        if (short and (_ENDS.search(row) or len(row) < 0.6 * width)) or width < 40:
            parts.append(current)
            current = ""
    if current:
        parts.append(current)
    joined = [text for part in parts for text in paragraphs(part)]
    return [
        Block(text[at : at + limits.block_chars], where=f"page {page}")
        for text in joined
        for at in range(0, len(text), limits.block_chars)
    ]


def _broken_word(before: str, row: str) -> bool:
    return len(before) > 2 and before.endswith("-") and before[-2].islower() and row[:1].islower()


def _date(text: str) -> str:
    found = _DATE.match(text.strip())
    if not found:
        return ""
    year, month, day, hour, minute, second, zone = found.groups()
    try:
        if hour is None or zone is None:
            return datetime(int(year), int(month or 1), int(day or 1)).date().isoformat()  # noqa: DTZ001 - a date has no zone
        shift = "+00:00" if zone == "Z" else f"{zone[:3]}:{zone.replace(chr(39), '')[3:5]}"
        return datetime.fromisoformat(f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}{shift}").isoformat()
    except ValueError:
        return ""
