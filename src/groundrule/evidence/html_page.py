"""HTML as a publication: which blocks are its text, and what the others are.

trafilatura judges which text is the main text; its output is aligned with the blocks, so that nothing it leaves out or rewrites is
lost from the report. Then rules correct it: notices, quotations, titles, bylines, captions and navigation have their own roles,
and paragraphs that stand among the main text belong to it.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from dataclasses import replace

from groundrule.errors import MissingExtra
from groundrule.evidence.blocks import Block, Marked, mark_notices, mark_quotations
from groundrule.evidence.html_tree import Page, parse
from groundrule.evidence.notices import notice
from groundrule.evidence.raw_files import Limits
from groundrule.evidence.report import READ, SpanRole

_TOKEN = re.compile(r"\w+")
_RUN = 4
_NEAR = 60
_CONTENT_WORDS = frozenset({"body", "content", "message", "text"})
_CLOCK = re.compile(r"^\D{0,20}\d{1,2}[:.]\d{2}\D{0,20}$")
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_TITLE_WORDS = frozenset({"headline", "title"})
_LEAD_WORDS = frozenset(
    re.findall(
        r"[\w-]+",
        """lead lede standfirst dek deck intro vorspann chapo chapeau subheadline subtitle subhead strapline""",
    )
)
_BYLINE_WORDS = frozenset(
    re.findall(
        r"[\w-]+",
        """byline author authors dateline timestamp published pubdate meta""",
    )
)
_CAPTION_WORDS = frozenset(
    re.findall(
        r"[\w-]+",
        """caption credit credits copyright bildunterschrift legende""",
    )
)
_AD_WORDS = frozenset(
    re.findall(
        r"[\w-]+",
        """ad ads advert advertisement advertising adslot sponsored sponsor promo werbung anzeige publicidad publicite
        dfp outbrain taboola""",
    )
)
_ASIDE_WORDS = frozenset(
    re.findall(
        r"[\w-]+",
        """nav navbar navigation menu breadcrumb breadcrumbs sidebar footer related recommended recommendations mostread
        popular trending share sharing social newsletter subscribe subscription cookie cookies consent banner tags
        tagcloud pagination pager widget toolbar masthead login signup search comments comment disqus promo more
        signature blogroll archive archives rail teaserlist linklist""",
    )
)
_PULL_WORDS = frozenset(
    re.findall(
        r"[\w-]+",
        """pullquote pull pullquotes zitat blockzitat""",
    )
)
_FORUM_WORDS = frozenset(
    re.findall(
        r"[\w-]+",
        """post posts postbody message reply thread topic posting forum""",
    )
)


def mark_page(page: Page, text: str, *, title: str, description: str, language: str, limits: Limits) -> list[Marked]:
    """Roles of the blocks of a page.

    Args:
        page: its tree and blocks. text: the source again, for the library.
        title, description: as the page's metadata gives them. language: of the text.
        limits: beyond them only the rules judge.
    """
    blocks = [part for block in page.blocks for part in _lines_apart(block, language)]
    large = page.elements > limits.elements or page.depth >= limits.depth or len(text) > limits.markup_chars
    by_library = "" if large else library_text(text)
    marked = _from_library(blocks, by_library) if by_library else _from_rules(blocks)
    marked = _titled(marked, title)
    marked = _corrected(marked, description)
    marked = _joined(marked)
    marked = _quoted(marked)
    return mark_quotations(mark_notices(marked, language))


def _lines_apart(block: Block, language: str) -> list[Block]:
    """A short block of several lines, one of which is a notice or a byline, as one block for each line."""
    rows = block.text.split("\n")
    if len(rows) == 1 or len(block.text) > 600 or not any(notice(row, language) for row in rows):
        return [block]
    share = block.link_share
    return [replace(block, text=row, link_chars=int(share * len(row)), links=()) for row in rows if row.strip()]


def library_text(text: str) -> str:
    """Main text as trafilatura sees it, or empty. It gets a tree, never an address, and so has nothing to fetch.

    Raises:
        MissingExtra: the extra `evidence` is not installed.
    """
    try:
        import trafilatura  # noqa: PLC0415 - an optional package
    except ImportError as absent:
        raise MissingExtra("evidence", needed_for="reading HTML") from absent
    for name in ("trafilatura", "htmldate", "courlan", "justext"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    found = trafilatura.bare_extraction(
        parse(text), with_metadata=False, include_comments=False, include_tables=True, include_images=False, include_links=False,
        include_formatting=False, deduplicate=False,
    )  # fmt: skip
    return "" if found is None else str(getattr(found, "text", "") or "")


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.casefold())


def _from_library(blocks: list[Block], found: str) -> list[Marked]:
    """Main text are the blocks whose words stand in the library's output, in runs of four; short blocks as whole lines of it."""
    lines = Counter(" ".join(_tokens(line)) for line in found.split("\n"))
    words = _tokens(found)
    runs = {tuple(words[n : n + _RUN]) for n in range(len(words) - _RUN + 1)}
    marked = []
    for block in blocks:
        own = _tokens(block.text)
        if len(own) < 2 * _RUN:
            key = " ".join(own)
            main = bool(own) and lines[key] > 0
            if main:
                lines[key] -= 1
            main = main or (
                len(own) >= _RUN and all(tuple(own[n : n + _RUN]) in runs for n in range(len(own) - _RUN + 1))
            )
        else:
            inside = sum(tuple(own[n : n + _RUN]) in runs for n in range(len(own) - _RUN + 1))
            main = inside >= 0.6 * (len(own) - _RUN + 1)
        linked = block.link_share > 0.8 and len(block.text) < 600 and block.tag not in _HEADINGS
        marked.append(Marked(block, SpanRole.BODY, "trafilatura") if main and not linked else _aside(block))
    return marked


def _from_rules(blocks: list[Block]) -> list[Marked]:
    """Main text without the library: long blocks with few links outside of navigation."""
    marked = []
    for block in blocks:
        own = len(block.text) >= 80 and block.link_share < 0.4 and not block.inside & {"nav", "aside", "footer"}
        marked.append(Marked(block, SpanRole.BODY, "rule:long_block") if own else _aside(block))
    if not any(each.role is SpanRole.BODY for each in marked):
        marked = [
            Marked(block, SpanRole.BODY, "rule:only_text") if block.link_share < 0.5 else _aside(block)
            for block in blocks
        ]
    return marked


def _aside(block: Block) -> Marked:
    """What a block outside of the main text is."""
    if block.names & _AD_WORDS and len(block.text) < 400:
        return Marked(block, SpanRole.ADVERTISING, "rule:ad_element")
    if "nav" in block.inside or block.tag == "nav" or (block.link_share > 0.7 and len(block.text) < 600):
        return Marked(block, SpanRole.NAVIGATION, "rule:links")
    return Marked(block, SpanRole.BOILERPLATE, "rule:outside_main_text")


def _titled(marked: list[Marked], title: str) -> list[Marked]:
    """The title: the heading that says most of what the metadata says, else the only or first top heading."""
    wanted = set(_tokens(title))
    best, best_score = -1, 0.0
    for place, each in enumerate(marked):
        block = each.block
        heading = block.tag in _HEADINGS
        if len(block.text) > 300 or block.inside & {"nav", "footer"} or (block.link_share > 0.9 and not heading):
            continue
        own = set(_tokens(block.text))
        likeness = len(own & wanted) / max(1, len(own)) if len(own & wanted) >= min(2, len(wanted)) and wanted else 0.0
        covers = len(own & wanted) / max(1, len(wanted)) if wanted else 0.0
        score = (0.5 if block.tag == "h1" else 0.3 if block.tag == "h2" else 0.0) + likeness + covers
        score -= 0.6 * bool(block.inside & {"header", "aside"} and "article" not in block.inside and covers < 0.3)
        if (
            (heading or (likeness > 0.8 and covers > 0.5) or block.names & _TITLE_WORDS)
            and score > best_score + 0.01
            and score >= 0.5
        ):
            best, best_score = place, score
    if best >= 0:
        marked[best] = Marked(marked[best].block, SpanRole.TITLE, "rule:title")
    return marked


def _corrected(marked: list[Marked], description: str) -> list[Marked]:
    """Roles by the elements around a block, whatever the library thought."""
    title = next((n for n, each in enumerate(marked) if each.role is SpanRole.TITLE), -1)
    described = " ".join(_tokens(description))
    for place, each in enumerate(marked[: max(0, title)]):
        sentence = len(each.block.text) >= 80 or each.block.text.endswith((".", "!", "?", "。"))
        if each.role is SpanRole.BODY and not sentence:
            marked[place] = Marked(each.block, SpanRole.BOILERPLATE, "rule:above_title")
    for place, each in enumerate(marked):
        if each.role is not SpanRole.TITLE:
            marked[place] = _by_surroundings(marked, place, title, described)
    return marked


def _by_surroundings(marked: list[Marked], place: int, title: int, described: str) -> Marked:
    """Role of one block by its elements, or as it was."""
    block, role, names, inside = (
        marked[place].block,
        marked[place].role,
        marked[place].block.names,
        marked[place].block.inside,
    )
    own = " ".join(_tokens(block.text))
    main = role is SpanRole.BODY
    short = len(block.text) < 400
    if "figcaption" in inside or block.tag in ("figcaption", "caption") or (names & _CAPTION_WORDS and short):
        return Marked(block, SpanRole.CAPTION, "rule:caption")
    if names & _AD_WORDS and short and block.link_share > 0.5:
        return Marked(block, SpanRole.ADVERTISING, "rule:ad_element")
    if names & _PULL_WORDS and own and _repeated(own, marked, place):
        return Marked(block, SpanRole.BOILERPLATE, "rule:pull_quote")
    if main and inside & {"nav", "footer", "dialog"} and "article" not in inside:
        return Marked(block, SpanRole.NAVIGATION, "rule:navigation")
    if main and names & _ASIDE_WORDS and not names & _FORUM_WORDS and (block.link_share > 0.5 or "aside" in inside):
        return Marked(block, SpanRole.NAVIGATION, "rule:navigation")
    poster = bool(names & {"author", "poster", "username"}) and not names & _CONTENT_WORDS
    if poster and names & _FORUM_WORDS and len(block.text) < 140:
        return Marked(block, SpanRole.BYLINE, "rule:byline")
    if (names & _BYLINE_WORDS or "address" in inside) and len(block.text) < 140 and not names & _FORUM_WORDS:
        if not main or (title >= 0 and abs(place - title) <= 4):
            return Marked(block, SpanRole.BYLINE, "rule:byline")
    elif 0 <= title < place <= title + 4 and len(block.text) >= 40 and block.link_share < 0.5:
        said = len(own) > 40 and bool(described) and (own in described or described in own)
        if (names & _LEAD_WORDS or said) and not any(each.role is SpanRole.LEAD for each in marked[:place]):
            return Marked(block, SpanRole.LEAD, "rule:lead")
    return marked[place]


def _repeated(own: str, marked: list[Marked], place: int) -> bool:
    """Whether the words of a block stand in a main block that is not it; asked of the nearest blocks only, to stay bounded."""
    around = range(max(0, place - _NEAR), min(len(marked), place + _NEAR))
    return any(
        n != place
        and marked[n].role is SpanRole.BODY
        and len(marked[n].block.text) >= len(own)
        and own in " ".join(_tokens(marked[n].block.text))
        for n in around
    )


def _joined(marked: list[Marked]) -> list[Marked]:
    """Take in paragraphs, subheadings and list items that stand in the same element as the main text and are no links."""
    body = [each for each in marked if each.role is SpanRole.BODY and len(each.block.text) >= 60]
    weight: Counter[int] = Counter()
    above: Counter[int] = Counter()
    for each in body:
        for parent in each.block.parents[1:2]:
            weight[parent] += len(each.block.text)
        for parent in each.block.parents[2:5]:
            above[parent] += len(each.block.text)
    total = sum(weight.values())
    homes = {parent for parent, chars in weight.items() if chars >= 0.15 * total}
    wide = {parent for parent, chars in above.items() if chars >= 0.3 * total}
    places = [n for n, each in enumerate(marked) if each.role is SpanRole.BODY]
    if not places:
        return marked
    first, last = places[0], places[-1]
    for place, each in enumerate(marked):
        block = each.block
        if each.role is not SpanRole.BOILERPLATE or each.basis == "rule:pull_quote" or not block.parents[1:2]:
            continue
        between = first < place < last
        long = (block.tag == "p" and len(block.text) >= 80) or (block.tag == "div" and len(block.text) >= 120)
        at_home = block.parents[1] in homes or (long and bool(wide & set(block.parents[1:5])))
        if between and block.parents[0] in weight and _CLOCK.match(block.text):  # the time of an entry of a ticker
            marked[place] = Marked(block, SpanRole.BODY, "rule:beside_main_text")
            continue
        if (
            not at_home
            or block.link_share > 0.5
            or block.inside & {"nav", "footer", "button"}
            or block.names & _ASIDE_WORDS
        ):
            continue
        sentence = len(block.text) >= 50 and block.text.rstrip('»"”’)').endswith((".", "!", "?", "…", ":", "。"))
        heading = block.tag in _HEADINGS and between
        if sentence or heading or (between and block.tag in ("p", "li", "blockquote") and len(block.text) >= 20):
            marked[place] = Marked(block, SpanRole.BODY, "rule:beside_main_text")
    return marked


def _quoted(marked: list[Marked]) -> list[Marked]:
    """Block quotations of the main text are quotations; those that repeat it are decoration."""
    for place, each in enumerate(marked):
        block = each.block
        if (
            "blockquote" not in block.inside
            or each.role not in READ | {SpanRole.BOILERPLATE}
            or each.role is SpanRole.TITLE
        ):
            continue
        own = " ".join(_tokens(block.text))
        if _repeated(own, marked, place):
            marked[place] = Marked(block, SpanRole.BOILERPLATE, "rule:pull_quote")
        elif each.role is SpanRole.BODY or _near_body(marked, place):
            marked[place] = replace(each, role=SpanRole.QUOTE, basis="quote:blockquote")
    return marked


def _near_body(marked: list[Marked], place: int) -> bool:
    around = [*marked[max(0, place - 3) : place], *marked[place + 1 : place + 4]]
    return (
        sum(each.role in (SpanRole.BODY, SpanRole.QUOTE) for each in around) >= 2
        and notice(marked[place].block.text) is None
    )
