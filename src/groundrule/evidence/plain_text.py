"""Plain text as a publication: paragraphs, and what each of them is."""

from __future__ import annotations

import re
import statistics

from groundrule.evidence.blocks import Block, Marked, mark_notices, mark_quotations
from groundrule.evidence.notices import notice
from groundrule.evidence.report import SpanRole

_TITLE, _LEAD = 250, 400
_ADDRESS = re.compile(r"^(?:https?://|www\.)\S+$", re.IGNORECASE)
_RULE = re.compile(r"^[\W_]{3,}$")


def paragraphs(text: str) -> list[str]:
    r"""Paragraphs of a text: parted by blank lines; lines of one paragraph stand alone unless they were wrapped.

    A paragraph counts as wrapped if it has several lines, all but the last of about the same length, none longer than 140.

    Example:
        >>> paragraphs("One line\nAnother (invented)\n\nLast")
        ['One line', 'Another (invented)', 'Last']
    """
    found: list[str] = []
    for part in re.split(r"\n[^\S\n]*(?:\n[^\S\n]*)+", text.strip("\n")):
        lines = [" ".join(line.split()) for line in part.split("\n")]
        lines = [line for line in lines if line]
        if _wrapped(lines):
            found.append(" ".join(lines))
        else:
            found += lines
    return found


def _wrapped(lines: list[str]) -> bool:
    if len(lines) < 2:
        return False
    lengths = [len(line) for line in lines[:-1]]
    longest = max(lengths)
    if longest > 140 or longest < 40 or len(lines[-1]) > longest + 15:
        return False
    return min(lengths) >= 0.6 * longest and statistics.fmean(lengths) >= 0.75 * longest


def mark_text(blocks: list[Block], language: str, *, title: str = "") -> list[Marked]:
    """Roles of the blocks of a text without markup.

    Args:
        blocks: in order. language: of the text.
        title: as metadata gives it; without one, a short first line without a period is the title.
    """
    marked = [Marked(block, SpanRole.BODY, "rule:paragraph") for block in blocks]
    for place, each in enumerate(marked):
        if _ADDRESS.match(each.block.text):
            marked[place] = Marked(each.block, SpanRole.NAVIGATION, "rule:address")
        elif _RULE.match(each.block.text):
            marked[place] = Marked(each.block, SpanRole.BOILERPLATE, "rule:line")
    first = next((n for n, each in enumerate(marked[:6]) if _is_title(each, language, title)), None)
    if first is not None and len(marked) > 1:
        marked[first] = Marked(marked[first].block, SpanRole.TITLE, "rule:first_line" if not title else "rule:title")
        second = first + 1
        lead = marked[second] if second + 1 < len(marked) else None
        if (
            lead
            and lead.role is SpanRole.BODY
            and 60 <= len(lead.block.text) <= _LEAD
            and not notice(lead.block.text, language)
        ):
            longer = [len(each.block.text) for each in marked[second + 1 :] if each.role is SpanRole.BODY]
            after = marked[second + 1].block.text
            if (
                longer
                and max(longer) > len(lead.block.text)
                and (notice(after, language) or len(lead.block.text) <= 220)
            ):
                marked[second] = Marked(lead.block, SpanRole.LEAD, "rule:second_line")
    return mark_quotations(mark_notices(marked, language))


def _is_title(each: Marked, language: str, title: str) -> bool:
    text = each.block.text
    if title:
        return " ".join(title.casefold().split()) == text.casefold()
    if each.role is not SpanRole.BODY or len(text) > _TITLE or notice(text, language):
        return False
    return not text.endswith((".", ",", ";", ":", "。"))
