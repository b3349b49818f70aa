"""What a page says about itself: title, publisher, authors, dates, languages, addresses, and whose translation it is."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from groundrule.evidence import language
from groundrule.evidence.characters import line

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_ARTICLES = re.compile(r"(?:Article|Posting|WebPage|Report)$")
_ISO = re.compile(r"^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s*(?:Z|[+-]\d{2}:?\d{2})?)?$")
_GOOGLE_HOST = re.compile(r"^([a-z0-9-]+)\.translate\.goog$")
_MOST_JSON, _MOST_NODES = 1_000_000, 5_000
_FIRST_YEAR, _LAST_DAY = "1990-01-01", "2099-12-31"


@dataclass(slots=True)
class PageFacts:
    """Metadata of a page; empty where it says nothing.

    Attributes:
        title, description, publisher, authors, published_at, modified_at: as the page says.
        declared_language: BCP 47. canonical_url: address it gives for itself.
        alternates: address by language of the same text in other languages.
        original_url, original_language, translators: as its structured data says.
        machine: rule by which a machine translated it, or empty. by: the machine.
    """

    title: str = ""
    description: str = ""
    publisher: str = ""
    authors: tuple[str, ...] = ()
    published_at: str = ""
    modified_at: str = ""
    declared_language: str = ""
    canonical_url: str = ""
    alternates: dict[str, str] = field(default_factory=dict)
    original_url: str = ""
    original_language: str = ""
    translators: tuple[str, ...] = ()
    machine: str = ""
    by: str = ""


def page_facts(tree: HtmlElement, *, base: str = "", guess: bool = True) -> PageFacts:
    """Read metadata: structured data first, then OpenGraph and other meta elements, then the library's guess.

    Args:
        tree: the page. base: its address, for relative links.
        guess: whether to ask the library, which takes long on very large pages.
    """
    facts = PageFacts()
    metas = _metas(tree)
    _from_structured(facts, _structured(tree), base)

    def meta(*names: str) -> str:
        return next((metas[name] for name in names if metas.get(name)), "")

    facts.title = facts.title or line(meta("og:title", "twitter:title", "dc.title"), 300)
    facts.description = line(meta("og:description", "description", "twitter:description"), 1_000)
    facts.publisher = facts.publisher or line(meta("og:site_name", "dc.publisher", "application-name"), 200)
    if not facts.authors:
        named = meta("author", "article:author", "dc.creator", "parsely-author")
        facts.authors = tuple(
            line(each, 120) for each in re.split(r"\s*[,;]\s*", named) if each and not each.startswith("http")
        )[:20]
    facts.published_at = facts.published_at or instant_of(
        meta(
            "article:published_time",
            "datepublished",
            "date",
            "dc.date",
            "dc.date.issued",
            "pubdate",
            "parsely-pub-date",
            "publishdate",
        )
    )
    facts.modified_at = facts.modified_at or instant_of(
        meta("article:modified_time", "datemodified", "last-modified", "og:updated_time")
    )
    declared = tree.get("lang") or tree.get("{http://www.w3.org/XML/1998/namespace}lang") or tree.get("xml:lang") or ""
    facts.declared_language = (
        language.tag(declared)
        or facts.declared_language
        or language.tag(meta("content-language", "og:locale", "dc.language"))
    )
    _links(facts, tree, base, meta("og:url"))
    if re.search(r"\btranslated-(?:ltr|rtl)\b", tree.get("class") or ""):
        facts.machine, facts.by = "page:translated_class", "Google"
    if guess:
        _from_library(facts, tree)
    return facts


def from_address(facts: PageFacts, address: str) -> None:
    """Machine translation by a service that serves pages under its own address."""
    try:
        host = (urlsplit(address).hostname or "").lower()
    except ValueError:
        return
    found = _GOOGLE_HOST.match(host)
    if found:
        original = found[1].replace("--", "\0").replace("-", ".").replace("\0", "-")
        facts.machine, facts.by = "address:translate.goog", "Google"
        facts.original_url = facts.original_url or f"https://{original}{urlsplit(address).path}"


def instant_of(text: str) -> str:
    """A date or instant as ISO 8601, or empty where it is none.

    Example:
        >>> instant_of("2026-02-10T06:00:00+0100"), instant_of("2026-02-10"), instant_of("yesterday")
        ('2026-02-10T06:00:00+01:00', '2026-02-10', '')
    """
    text = text.strip()[:60]
    if not _ISO.match(text):
        return ""
    try:
        return date.fromisoformat(text).isoformat() if len(text) == 10 else datetime.fromisoformat(text).isoformat()
    except ValueError:
        return ""


def _metas(tree: HtmlElement) -> dict[str, str]:
    found: dict[str, str] = {}
    for meta in list(tree.iter("meta"))[:2_000]:
        name = (
            (meta.get("property") or meta.get("name") or meta.get("itemprop") or meta.get("http-equiv") or "")
            .strip()
            .lower()
        )
        content = meta.get("content") or ""
        if name and content.strip():
            found.setdefault(name, content[:4_000].strip())
    return found


def _structured(tree: HtmlElement) -> list[dict[str, object]]:
    """Objects of the page's JSON-LD, flattened; broken ones count as absent."""
    objects: list[dict[str, object]] = []
    for script in list(tree.iter("script"))[:200]:
        if "ld+json" not in (script.get("type") or "").lower() or len(script.text or "") > _MOST_JSON:
            continue
        try:
            todo: list[object] = [json.loads(script.text or "", strict=False)]
        except (ValueError, RecursionError):
            continue
        while todo and len(objects) < _MOST_NODES:
            each = todo.pop(0)
            if isinstance(each, list):
                todo.extend(each[:500])
            elif isinstance(each, dict):
                objects.append(each)
                todo.extend(each[key] for key in ("@graph", "mainEntity") if key in each)
    return objects


def _from_structured(facts: PageFacts, objects: list[dict[str, object]], base: str) -> None:
    for each in objects:
        if not any(_ARTICLES.search(kind) for kind in _strings(each.get("@type"))):
            continue
        facts.title = facts.title or line(_first(each.get("headline")), 300)
        facts.publisher = facts.publisher or line(_first(_names(each.get("publisher"))), 200)
        facts.authors = facts.authors or tuple(line(name, 120) for name in _names(each.get("author")))[:20]
        facts.published_at = facts.published_at or instant_of(_first(each.get("datePublished")))
        facts.modified_at = facts.modified_at or instant_of(_first(each.get("dateModified")))
        facts.declared_language = facts.declared_language or language.tag(_first(each.get("inLanguage")))
        facts.translators = facts.translators or tuple(line(name, 120) for name in _names(each.get("translator")))[:20]
        origin = each.get("translationOfWork")
        if origin and not facts.original_url:
            inner = origin[0] if isinstance(origin, list) and origin else origin
            if isinstance(inner, dict):
                facts.original_url = _web(_first(inner.get("url") or inner.get("@id")), base)
                facts.original_language = language.tag(_first(inner.get("inLanguage")))
            else:
                facts.original_url = _web(_first(inner), base)


def _links(facts: PageFacts, tree: HtmlElement, base: str, own: str) -> None:
    for link in list(tree.iter("link"))[:2_000]:
        kinds = (link.get("rel") or "").lower().split()
        address = _web(link.get("href") or "", base)
        if not address:
            continue
        if "canonical" in kinds and not facts.canonical_url:
            facts.canonical_url = address
        elif "alternate" in kinds and link.get("hreflang") and len(facts.alternates) < 200:
            wanted = (link.get("hreflang") or "").strip()
            key = "x-default" if wanted.lower() == "x-default" else language.tag(wanted)
            if key:
                facts.alternates.setdefault(key, address)
    facts.canonical_url = facts.canonical_url or _web(own, base)


def _from_library(facts: PageFacts, tree: HtmlElement) -> None:
    """What the library finds where the page's own metadata is silent; fixed bounds of dates, so that no clock is asked."""
    try:
        import trafilatura.metadata as library  # noqa: PLC0415 - an optional package
        from htmldate import find_date  # noqa: PLC0415
    except ImportError:  # the walk over the blocks says what is missing
        return
    try:
        if not facts.title:
            facts.title = line(library.extract_title(tree) or "", 300)
        if not facts.authors:
            author = library.extract_author(tree) or ""
            facts.authors = tuple(line(each, 120) for each in author.split(";") if each.strip())[:20]
        if not facts.published_at:
            found = find_date(
                tree, original_date=True, extensive_search=False, min_date=_FIRST_YEAR, max_date=_LAST_DAY
            )
            facts.published_at = instant_of(found or "")
    except Exception:  # noqa: BLE001 - a library's error on a strange page costs its guess, never the page
        return


def _web(address: str, base: str) -> str:
    try:
        whole = urljoin(base, address.strip()[:2_000])
        parts = urlsplit(whole)
    except ValueError:
        return ""
    return line(whole, 2_000) if parts.scheme in ("http", "https") and parts.hostname else ""


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _names(value: object) -> list[str]:
    if isinstance(value, dict):
        return _strings(value.get("name"))
    if isinstance(value, list):
        return [name for each in value[:50] for name in _names(each)]
    return [value] if isinstance(value, str) and not value.startswith("http") else []


def _first(value: object) -> str:
    return next(iter(_strings(value)), "")


def utc_instant(moment: datetime) -> int:
    """Nanoseconds since 1970 of an aware time."""
    return int(moment.astimezone(UTC).timestamp()) * 1_000_000_000 + moment.microsecond * 1_000
