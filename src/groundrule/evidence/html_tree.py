"""An HTML tree and its visible blocks: what a reader sees, in order, without anything that runs or hides."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from groundrule.errors import InputError, MissingExtra
from groundrule.evidence.blocks import Block
from groundrule.evidence.characters import Cleaned, clean, problems_of, visible
from groundrule.evidence.raw_files import Limits
from groundrule.evidence.report import Problem

if TYPE_CHECKING:
    from lxml.html import HtmlElement

BLOCKS = frozenset(
    re.findall(
        r"[\w-]+",
        """address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption
        figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main menu nav ol p pre section summary
        table tbody td tfoot th thead tr ul amp-sidebar amp-accordion search""",
    )
)
_UNSEEN = frozenset(
    re.findall(
        r"[\w-]+",
        """script style template noscript head title meta link base iframe frame frameset noframes object embed applet
        param canvas audio video source track map area svg select option optgroup datalist input textarea progress
        meter portal dialog amp-analytics amp-ad amp-pixel amp-iframe amp-script noembed""",
    )
)
_ACTIVE = frozenset(
    re.findall(
        r"[\w-]+",
        """script iframe frame object embed applet portal amp-script amp-iframe""",
    )
)
_REGIONS = frozenset(
    re.findall(
        r"[\w-]+",
        """nav aside footer header figure figcaption blockquote article main form table ul ol dl button address q time""",
    )
)
_HIDING = re.compile(
    r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|opacity\s*:\s*0(?:\.0+)?\s*(?:;|!|$)|font-size\s*:\s*0(?:px|em|rem|%|pt)?\s*(?:;|!|$)"
    r"|(?:left|top|text-indent)\s*:\s*-\d{4,}px|clip-path\s*:\s*inset\(\s*(?:50|100)%)",
    re.IGNORECASE,
)
_SIMPLE = re.compile(r"^[.#][\w-]{1,80}$")
_GONE = re.compile(r"(?:^|;)\s*display\s*:\s*none", re.IGNORECASE)
_WORDS = re.compile(r"[A-Za-z]+")
_SPACE = re.compile(r"[^\S\n]*\n[^\S\n]*|[^\S\n]+")
# A parser compares each attribute of an element with those before it, so thousands of them take minutes.
_ATTRIBUTES = re.compile(
    r"<[a-zA-Z][\w:-]{0,60}+(?>[\s/]++[^\s<>/=]{1,2000}+"
    r"(?>\s*+=\s*+(?>\"[^\"]{0,100000}+\"|'[^']{0,100000}+'|[^\s>\"'][^\s>]{0,5000}+))?+){1000}"
)
_LINE = "\ue000"
"""Stands for a line break of the page while white space is put in order; private use, taken out of the source before."""


@dataclass(slots=True)
class Page:
    """A parsed page: its tree, blocks and what was odd."""

    tree: HtmlElement
    blocks: list[Block]
    problems: list[Problem] = field(default_factory=list)
    elements: int = 0
    depth: int = 0


def parse(text: str) -> HtmlElement:
    """An HTML tree of a text. Nothing is fetched, run or expanded; scripts are text to it.

    Raises:
        MissingExtra: the extra `evidence` is not installed.
        InputError: no element in it.
    """
    try:
        from lxml import etree, html  # noqa: PLC0415 - an optional package
    except ImportError as absent:
        raise MissingExtra("evidence", needed_for="reading HTML") from absent
    parser = html.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False, remove_pis=True, recover=True)
    try:
        tree = html.document_fromstring(text.replace("\x00", "").encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as broken:
        raise InputError(
            f"no page in the HTML: {visible(str(broken), 80)}", help="import the page as it was saved"
        ) from broken
    return tree


def read_page(text: str, *, base: str = "", limits: Limits, until: float | None = None) -> Page:
    """Parse a page and walk over what is visible.

    Args:
        text: the page. base: its address, for relative links.
        limits: beyond them the rest of the page is left out and reported.
        until: when to stop, on the clock of `time.monotonic`.
    """
    if _ATTRIBUTES.search(text):
        raise InputError(
            "the page has an element with over 1,000 attributes", help="import the page as its publisher made it"
        )
    tree = parse(text.replace(_LINE, ""))
    walk = _Walk(base, limits, _hidden_names(tree), until)
    walk.run(tree)
    problems = problems_of(walk.odd)
    problems += [
        Problem(code, "", detail.format(count)) for code, (count, detail) in sorted(walk.counted.items()) if count
    ]
    if re.search(r"<!ENTITY", text[:100_000], re.IGNORECASE):
        problems.append(Problem("entity_expansion", "", "the page declares entities of its own; none was expanded"))
    whole = sum(1 for _ in tree.iter())  # also what the walk left out: the library would be given all of it
    return Page(tree, walk.blocks, problems, whole, walk.depth)


def _hidden_names(tree: HtmlElement) -> frozenset[str]:
    """Simple selectors that the page's own style hides on every medium."""
    found: set[str] = set()
    for style in list(tree.iter("style"))[:50]:
        if (style.get("media") or "all").strip().lower() not in ("all", "screen"):
            continue
        depth, selector = 0, ""
        for part in re.split(r"([{}])", re.sub(r"/\*.*?\*/", "", (style.text or "")[:200_000], flags=re.DOTALL)):
            if part == "{":
                depth += 1
            elif part == "}":
                depth = max(0, depth - 1)
            elif depth == 0:
                selector = part
            elif depth == 1 and not selector.lstrip().startswith("@") and _GONE.search(part[:4_000]):
                found.update(name.strip() for name in selector[-2_000:].split(",") if _SIMPLE.match(name.strip()))
    return frozenset(found)


class _Walk:
    """One pass over a tree, without recursion, however deep it is."""

    def __init__(self, base: str, limits: Limits, hidden: frozenset[str], until: float | None) -> None:
        self.base, self.limits, self.hidden, self.until = base, limits, hidden, until
        self.blocks: list[Block] = []
        self.elements = self.depth = self.chars = 0
        self.full = False
        self.odd = Cleaned("")
        self.counted: dict[str, tuple[int, str]] = {}
        self.pieces: list[str] = []
        self.links: list[tuple[int, int, str]] = []
        self.open_link: tuple[int, str] | None = None
        self.length = 0
        self.stack: list[tuple[str, frozenset[str], frozenset[str], int, str]] = []

    def count(self, code: str, detail: str) -> None:
        self.counted[code] = (self.counted.get(code, (0, detail))[0] + 1, detail)

    def run(self, tree: HtmlElement) -> None:
        """Visit start and end of every visible element in order."""
        todo: list[tuple[HtmlElement, bool]] = [(tree, True)]
        while todo and not self.full:
            element, begins = todo.pop()
            if not begins:
                self.end(element)
                self.add(element.tail)
                continue
            if not isinstance(element.tag, str):
                self.add(element.tail)
                continue
            self.elements += 1
            if self.elements % 4096 == 0 and self.until is not None and time.monotonic() > self.until:
                self.count("too_slow", "the rest of the page was left out: reading it took too long")
                break
            if self.unseen(element):
                self.add(element.tail)
                continue
            self.begin(element)
            todo.append((element, False))
            children = list(element)
            if len(self.stack) >= self.limits.depth:
                if children:
                    self.count("deep_nesting", "{} places are nested too deep; their text was run together")
                self.add(element.text)
                for inner in element.iterdescendants():
                    self.elements += 1
                    if isinstance(inner.tag, str) and inner.tag not in _UNSEEN:
                        self.add(inner.text)
                    self.add(inner.tail)
                    if self.full:
                        break
                continue
            self.add(element.text)
            todo.extend((child, True) for child in reversed(children))
        self.flush()

    def unseen(self, element: HtmlElement) -> bool:
        """Whether nothing of an element is shown; what runs or hides is counted."""
        tag = element.tag
        for name in element.keys():  # noqa: SIM118 - an element of lxml is no mapping
            if name.lower().startswith("on"):
                self.count("script_removed", "{} scripts, event handlers and embedded pages; none was run")
        if tag in _ACTIVE:
            kind = (element.get("type") or "").lower()
            if not (tag == "script" and ("json" in kind or "template" in kind)):
                self.count("script_removed", "{} scripts, event handlers and embedded pages; none was run")
        if tag == "meta" and (element.get("http-equiv") or "").lower() == "refresh":
            self.count("redirect", "{} orders to go elsewhere; none was followed")
        if tag == "head":
            for inner in element.iterdescendants("script", "meta", "link", "style"):
                self.unseen(inner)
            return True
        if tag in _UNSEEN:
            return True
        style = element.get("style") or ""
        classes = (element.get("class") or "").split()
        hides = (
            element.get("hidden") is not None
            or bool(style and _HIDING.search(style[:2_000]))
            or bool(
                self.hidden
                and (any(f".{name}" in self.hidden for name in classes) or f"#{element.get('id')}" in self.hidden)
            )
        )
        if hides and tag not in ("html", "body"):
            if any(text.strip() for text in element.itertext()):
                self.count("hidden_text", "{} stretches that a reader does not see; they are not in the text")
            return True
        return False

    def begin(self, element: HtmlElement) -> None:
        tag = element.tag
        around = self.stack[-1] if self.stack else ("", frozenset(), frozenset(), 0, "")
        self.depth = max(self.depth, len(self.stack))
        if tag in BLOCKS:
            self.flush()
        elif tag == "br":
            self.add_raw(_LINE)
        inside = around[1] | {tag} if tag in _REGIONS else around[1]
        own = " ".join(
            filter(
                None,
                (
                    element.get("class"),
                    element.get("id"),
                    element.get("role"),
                    element.get("itemprop"),
                    element.get("rel"),
                ),
            )
        )
        names = (
            around[2] | frozenset(_WORDS.findall(own[:500].lower()))
            if own and tag not in ("html", "body")
            else around[2]
        )
        cite = element.get("cite") or around[4] if tag in ("blockquote", "q") else around[4]
        self.stack.append((tag if tag in BLOCKS else around[0], inside, names, self.elements, cite))
        if tag == "a" and element.get("href"):
            address = self.address(element.get("href"))
            self.open_link = (self.length, address)

    def end(self, element: HtmlElement) -> None:
        if element.tag == "a" and self.open_link:
            start, address = self.open_link
            if self.length > start:
                self.links.append((start, self.length, address))
            self.open_link = None
        if element.tag in BLOCKS:
            self.flush()
        self.stack.pop()

    def address(self, href: str) -> str:
        """A link as an absolute address, if it is one of the web; never followed."""
        href = re.sub(r"[\x00-\x20]+", "", href[:2_000])
        try:
            whole = urljoin(self.base, href)
            scheme = urlsplit(whole).scheme.lower()
        except ValueError:
            scheme, whole = "broken", href
        if scheme in ("http", "https"):
            return visible(whole, 2_000)
        if scheme not in ("", "mailto", "tel"):
            self.count(
                "odd_link", "{} links that lead to no page, such as javascript:, data: or file:; none was followed"
            )
        return ""

    def add(self, text: str | None) -> None:
        if text:
            self.add_raw(
                text.replace("\n", " ") if not self.stack or self.stack[-1][0] != "pre" else text.replace("\n", _LINE)
            )

    def add_raw(self, text: str) -> None:
        room = self.limits.text_chars - self.chars
        if room <= 0 or self.full:
            if not self.full and text.strip():
                self.full = True
                self.count("too_large", "the text is longer than the limit; the rest was left out")
            return
        text = text[:room]
        self.pieces.append(text)
        self.length += len(text)
        self.chars += len(text)
        if self.length > self.limits.block_chars:
            self.flush()

    def flush(self) -> None:
        """End a block: two line breaks in a row part paragraphs, one stays a line break."""
        if self.open_link:
            start, address = self.open_link
            if self.length > start:
                self.links.append((start, self.length, address))
            self.open_link = (0, address)
        raw, links = "".join(self.pieces), self.links
        self.pieces, self.links, self.length = [], [], 0
        if len(self.blocks) >= self.limits.blocks:
            self.count("too_large", "the text is longer than the limit; the rest was left out")
            self.full = True
            return
        cleaned = clean(raw)
        if cleaned.text != raw:  # written as character references, which stand in no source text
            self.odd = Cleaned(
                "",
                self.odd.bidi + cleaned.bidi,
                self.odd.invisible + cleaned.invisible,
                self.odd.control + cleaned.control,
            )
            raw, links = cleaned.text.replace("\n", " "), []
        if not raw.strip(f" \t\r\f\u00a0{_LINE}"):
            return
        tag, inside, names, number, cite = (
            self.stack[-1] if self.stack else ("p", frozenset[str](), frozenset[str](), 0, "")
        )
        parents = tuple(each[3] for each in reversed(self.stack[-6:])) or (number,)
        at = 0
        for part in re.split(f"((?:{_LINE}\\s*){{2,}})", raw):
            start, at = at, at + len(part)
            text = _SPACE.sub(lambda found: "\n" if "\n" in found[0] else " ", part.replace(_LINE, "\n")).strip()
            if not text:
                continue
            mine = [(max(a, start), min(b, at), address) for a, b, address in links if a < at and b > start]
            linked = sum(len(raw[a:b].strip()) for a, b, _ in mine)
            placed = []
            for a, b, address in mine:
                words = " ".join(raw[a:b].replace(_LINE, " ").split())
                found = text.find(words) if words else -1
                if found >= 0:
                    placed.append((found, found + len(words), address))
            self.blocks.append(
                Block(text, tag or "p", inside, names, parents, min(linked, len(text)), tuple(placed), cite)
            )
