"""Outside publications from files: the one entry to the import.

Nothing is fetched, run or expanded. The reading is the same for the same bytes and the same versions of the libraries.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from functools import lru_cache
from importlib import metadata

from groundrule.errors import InputError
from groundrule.evidence import language
from groundrule.evidence.blocks import Block, Composed, Marked, compose
from groundrule.evidence.characters import clean, line, mixed_scripts, problems_of, visible
from groundrule.evidence.html_page import mark_page
from groundrule.evidence.html_tree import read_page
from groundrule.evidence.page_facts import PageFacts, from_address, page_facts
from groundrule.evidence.pdf_pages import mark_document, read_document
from groundrule.evidence.plain_text import mark_text, paragraphs
from groundrule.evidence.raw_files import FileKind, Limits, decode, kind_of, safe_name
from groundrule.evidence.report import READ, Capture, Problem, Report, SpanRole, Translation, TranslationKind
from groundrule.evidence.web_archive import Part, saved_page, web_archive

RULES = "groundrule-reading/1"
"""Version of our own rules, kept in `Report.extractor`."""
_DEFAULT = Limits()
_SAMPLE = 40_000


def read_report(
    raw: bytes,
    *,
    file_name: str,
    captured_at_ns: int | None = None,
    captured_by: str = "",
    source_url: str = "",
    limits: Limits = _DEFAULT,
) -> Report:
    """Read the one publication of a file.

    Args:
        raw: bytes of the file. file_name: its name; only the base name is kept, and the type is told from the bytes.
        captured_at_ns: when it was captured, ns since 1970 UTC; what the file itself says goes before.
        captured_by: who or what captured it. source_url: where it came from; what the file itself says goes before.
        limits: how much is read.

    Raises:
        InputError: empty, too large, of no readable type, without text, or holding several publications.
        MissingExtra: the extra `evidence` is not installed.
    """
    found = read_reports(
        raw,
        file_name=file_name,
        captured_at_ns=captured_at_ns,
        captured_by=captured_by,
        source_url=source_url,
        limits=limits,
    )
    if len(found) > 1:
        raise InputError(
            f"`{safe_name(file_name)}` holds {len(found)} publications",
            help="import them with `read_reports`",
            file=safe_name(file_name),
        )
    return found[0]


def read_reports(
    raw: bytes,
    *,
    file_name: str,
    captured_at_ns: int | None = None,
    captured_by: str = "",
    source_url: str = "",
    limits: Limits = _DEFAULT,
) -> tuple[Report, ...]:
    """Read every publication of a file: one, or as many as a web archive has responses with text.

    Args and errors as `read_report`.
    """
    until = time.monotonic() + limits.seconds
    name = safe_name(file_name)
    kind = kind_of(raw, file_name=file_name, limits=limits)
    digest = hashlib.sha256(raw).hexdigest()
    parts = _parts(raw, kind, name, limits, until)
    reports: list[Report] = []
    unread: list[Problem] = []
    for part in parts:
        several = part.member if len(parts) > 1 else ""
        own = hashlib.sha256(f"{digest}#{several}".encode()).hexdigest() if several else digest
        when = captured_at_ns if part.captured_at_ns is None else part.captured_at_ns
        address = line(part.source_url or source_url, 2_000)
        capture = Capture(digest, len(raw), kind.value, name, when, line(captured_by, 200), address, several)
        if time.monotonic() > until and reports:
            unread.append(
                Problem("too_slow", part.member, "the rest of the file was left out: reading it took too long")
            )
            break
        try:
            reports.append(_report(f"report-{own[:32]}", capture, part, limits, until))
        except InputError as broken:
            if len(parts) == 1:
                raise
            unread.append(Problem("member_unreadable", part.member, broken.message))
    if not reports:
        raise InputError(
            f"nothing in `{name}` can be read", help="at least one page, text or PDF that is not broken", file=name
        )
    if unread:
        reports[0] = replace(reports[0], problems=_bounded([*reports[0].problems, *unread], limits))
    return tuple(reports)


def _parts(raw: bytes, kind: FileKind, name: str, limits: Limits, until: float) -> list[Part]:
    if kind is FileKind.WEB_ARCHIVE:
        return web_archive(raw, file_name=name, limits=limits, until=until)
    return saved_page(raw, file_name=name, limits=limits) if kind is FileKind.SAVED_PAGE else [Part(raw, kind)]


def _report(identity: str, capture: Capture, part: Part, limits: Limits, until: float) -> Report:
    facts = PageFacts(title=line(part.title, 300))
    problems = list(part.problems)
    if part.kind is FileKind.PDF:
        document = read_document(part.raw, file_name=capture.file_name, limits=limits, until=until)
        facts = PageFacts(title=document.title, authors=document.authors, published_at=document.published_at)
        marked = mark_document(document, language.detect("\n".join(block.text for block in document.blocks)[:_SAMPLE]))
        problems += document.problems
    else:
        decoded = decode(part.raw, part.charset, markup=part.kind is FileKind.HTML)
        cleaned = clean(decoded.text)
        problems += [*decoded.problems, *problems_of(cleaned)]
        if part.kind is FileKind.HTML:
            facts, marked, found = _html(cleaned.text, capture.source_url, limits, until)
        else:
            marked, found = _text(cleaned.text, limits)
        problems += found
    composed = compose(marked, publisher=facts.publisher)
    problems += mixed_scripts(composed.text)
    if not composed.text:
        problems.append(Problem("no_text", "", "nothing to read is visible in the capture"))
    title = facts.title or next((each.block.text for each in marked if each.role is SpanRole.TITLE), "")
    spoken = language.detect("\n".join(each.block.text for each in marked if each.role in READ)) or language.primary(
        facts.declared_language
    )
    return Report(
        id=identity, capture=capture, title=line(title, 300), publisher=facts.publisher, authors=facts.authors,
        published_at=facts.published_at, modified_at=facts.modified_at, language=spoken, declared_language=facts.declared_language,
        canonical_url=facts.canonical_url, translation=_translation(composed, facts, spoken, capture.source_url), text=composed.text,
        spans=composed.spans, outlets=composed.outlets, problems=_bounded(problems, limits), extractor=_extractor(),
    )  # fmt: skip


def _text(text: str, limits: Limits) -> tuple[list[Marked], list[Problem]]:
    problems = []
    if len(text) > limits.text_chars:
        problems.append(
            Problem("too_large", "", f"the text is longer than {limits.text_chars} characters; the rest was left out")
        )
        text = text[: limits.text_chars]
    blocks = [
        Block(part[start : start + limits.block_chars])
        for part in paragraphs(text)
        for start in range(0, len(part), limits.block_chars)
    ]
    spoken = language.detect("\n".join(block.text for block in blocks)[:_SAMPLE])
    return mark_text(blocks, spoken), problems


def _html(text: str, source_url: str, limits: Limits, until: float) -> tuple[PageFacts, list[Marked], list[Problem]]:
    page = read_page(text, base=source_url, limits=limits, until=until)
    large = page.elements > limits.elements or page.depth >= limits.depth or len(text) > limits.markup_chars
    facts = page_facts(page.tree, base=source_url, guess=not large)
    from_address(facts, source_url)
    problems = list(page.problems)
    if large:
        problems.append(
            Problem("rules_only", "", "the page is too large or too deep for the library; only our own rules judged it")
        )
    spoken = (
        language.detect("\n".join(block.text for block in page.blocks if len(block.text) > 60))
        or facts.declared_language
    )
    marked = mark_page(page, text, title=facts.title, description=facts.description, language=spoken, limits=limits)
    return facts, marked, problems


def _translation(composed: Composed, facts: PageFacts, spoken: str, source_url: str) -> Translation:
    """What notices, structured data, addresses and alternates say together."""
    found = composed.translation
    basis = list(found.basis)
    original = facts.original_url
    source = facts.original_language
    kind, by = found.kind, found.by or facts.by
    if facts.machine:
        kind = TranslationKind.MACHINE
        basis.append(facts.machine)
    if facts.translators:
        by = by or ", ".join(facts.translators)
        kind = kind if kind is TranslationKind.MACHINE else TranslationKind.HUMAN
        basis.append("structured:translator")
    if facts.original_url and "structured:translation_of" not in basis and not facts.machine:
        basis.append("structured:translation_of")
    others = {address: tag for tag, address in facts.alternates.items() if tag != "x-default"}
    pointed = others.get(facts.canonical_url, "")
    if pointed and spoken and language.primary(pointed) != language.primary(spoken):
        original, source = original or facts.canonical_url, source or pointed
        basis.append("canonical")
    default = facts.alternates.get("x-default", "")
    meant = others.get(default, "")
    if (
        default
        and meant
        and spoken
        and language.primary(meant) != language.primary(spoken)
        and (basis or kind is not TranslationKind.UNKNOWN)
    ):
        original, source = original or default, source or meant
        basis.append("hreflang")
    elif kind is TranslationKind.MACHINE and not original:
        elsewhere = [
            (tag, address) for address, tag in others.items() if language.primary(tag) != language.primary(spoken)
        ]
        if len(elsewhere) == 1:
            source, original = source or elsewhere[0][0], elsewhere[0][1]
            basis.append("hreflang")
    if not original and composed.notice_links:
        linked = [
            address for address in composed.notice_links if address and address not in (source_url, facts.canonical_url)
        ]
        if linked:
            original = linked[-1]
            basis.append("notice:link")
    if (
        not basis
        and default
        and default == facts.canonical_url
        and language.primary(meant or spoken) == language.primary(spoken)
    ):
        kind, basis = TranslationKind.NONE, ["hreflang"]
    return Translation(kind, line(by, 200), source, original, "", found.notice, tuple(basis))


def _bounded(problems: list[Problem], limits: Limits) -> tuple[Problem, ...]:
    kept = [
        replace(each, where=visible(each.where, 200), detail=visible(each.detail, 500))
        for each in dict.fromkeys(problems)
    ]
    if len(kept) <= limits.problems:
        return tuple(kept)
    return (
        *kept[: limits.problems],
        Problem("more_problems", "", f"{len(kept) - limits.problems} more problems are not listed"),
    )


@lru_cache(maxsize=1)
def _extractor() -> str:
    names = ("trafilatura", "htmldate", "lxml", "py3langid", "pypdf", "warcio")
    versions = []
    for name in names:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return "; ".join([RULES, *versions])
