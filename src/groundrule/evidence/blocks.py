"""Visible blocks of a capture, their roles, and how they become a report's text and spans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from groundrule.evidence.notices import machine_sentence, notice
from groundrule.evidence.outlets import find_outlets
from groundrule.evidence.report import READ, Span, SpanRole, Translation, TranslationKind

_LONG = 150
"""Characters from which a paragraph is long: a list or a heading after a colon is no quotation."""
_QUOTE_PARAGRAPHS = 12
_NAME = 70
_OUTLETS = 2_000
_OPENING, _CLOSING = '„“"«‘『「‹”', '“”"»’』」›'


@dataclass(frozen=True, slots=True)
class Block:
    """A visible stretch of text that stands alone, such as a paragraph, in reading order.

    Attributes:
        text: without white space around it.
        tag: of the element it stands in, or `p` for plain text.
        inside: names of the kinds of element around it, such as `nav`, `figure`, `blockquote`.
        names: words of class and id around it, lower case.
        parents: numbers of the elements around it, innermost first.
        link_chars: how many of its characters are links.
        links: start, end and address of its links.
        cite: address that a quotation gives for itself.
        where: part it comes from, such as a page of a PDF.
    """

    text: str
    tag: str = "p"
    inside: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    parents: tuple[int, ...] = ()
    link_chars: int = 0
    links: tuple[tuple[int, int, str], ...] = ()
    cite: str = ""
    where: str = ""

    @property
    def link_share(self) -> float:
        """Share of its characters that are links, 0 to 1."""
        return self.link_chars / max(1, len(self.text))


@dataclass(frozen=True, slots=True)
class Marked:
    """A block with its role.

    Attributes:
        block, role, basis: what it is, and which rule said so.
        machine: it says that a machine translated. by, from_word: translator and original language as written.
    """

    block: Block
    role: SpanRole
    basis: str
    machine: bool = False
    by: str = ""
    from_word: str = ""


@dataclass(frozen=True, slots=True)
class Composed:
    """Text, spans and what they show, as a report holds them."""

    text: str
    spans: tuple[Span, ...]
    outlets: tuple[tuple[str, int, int], ...]
    translation: Translation
    notice_links: tuple[str, ...] = field(default=())


def mark_notices(marked: Sequence[Marked], language: str) -> list[Marked]:
    """Give notices their roles, whatever a library thought of them; a name above a photo credit goes with the credit."""
    found: list[Marked] = []
    for each in marked:
        said = None
        if each.role not in (SpanRole.TITLE, SpanRole.QUOTE) or len(each.block.text) < _NAME:
            said = notice(each.block.text, language)
        if said and each.role is SpanRole.TITLE:
            said = None
        if said and not (
            said.role is SpanRole.BOILERPLATE and each.role in (SpanRole.NAVIGATION, SpanRole.ADVERTISING)
        ):
            each = replace(  # noqa: PLW2901 - the block stays, its role changes
                each, role=said.role, basis=said.basis, machine=said.machine, by=said.by, from_word=said.from_word
            )
        found.append(each)
    for place in range(1, len(found)):
        here, before = found[place], found[place - 1]
        if (
            here.basis.startswith("notice:credit")
            and before.role in READ - {SpanRole.TITLE, SpanRole.LEAD}
            and _is_label(before.block)
        ):
            found[place - 1] = replace(before, role=SpanRole.CAPTION, basis="rule:above_credit")
    return found


def _is_label(block: Block) -> bool:
    return len(block.text) <= _NAME and block.text[-1:] not in ".!?:;…" and block.tag not in ("h1", "h2", "h3")


def mark_quotations(marked: Sequence[Marked]) -> list[Marked]:
    """Mark what is quoted at length from another outlet; the basis ends with the outlet's id where one is named.

    A passage counts as quoted where a paragraph that ends with a colon stands before it, and either that paragraph names an outlet, or
    another outlet was named before and at least two long paragraphs follow. It ends at a notice, a heading, or a paragraph that
    names an outlet itself.
    """
    found = list(marked)
    last, quoting, introduced = "", 0, ""
    for place, each in enumerate(found):
        text = each.block.text
        if each.role not in READ:
            quoting = 0
            continue
        hits = find_outlets(text) if each.role is not SpanRole.TITLE else ()
        if each.role is SpanRole.QUOTE:
            outlet = hits[0].id if hits else (_introducing(found, place) or last)
            found[place] = replace(each, basis=f"{each.basis}:{outlet}" if outlet else each.basis)
            quoting = 0
            continue
        if quoting:
            if hits or each.block.tag.startswith("h") or each.block.tag == "li":
                quoting = 0
            else:
                found[place] = replace(each, role=SpanRole.QUOTE, basis=f"quote:after_colon:{introduced}")
                quoting -= 1
                continue
        if hits:
            last = hits[-1].id
        if text.endswith((":", "：")) and each.role is SpanRole.BODY and last:
            following = _following(found, place)
            if hits and following:
                quoting, introduced = (_QUOTE_PARAGRAPHS if following[0] >= _LONG else 1), hits[-1].id
            elif len(following) >= 2 and min(following[:2]) >= _LONG:
                quoting, introduced = _QUOTE_PARAGRAPHS, last
    return found


def _introducing(marked: Sequence[Marked], place: int) -> str:
    before = next((each for each in reversed(marked[:place]) if each.role in READ), None)
    hits = find_outlets(before.block.text) if before and before.role is not SpanRole.QUOTE else ()
    return hits[-1].id if hits else ""


def _following(marked: Sequence[Marked], place: int) -> list[int]:
    """Lengths of the paragraphs that follow at once."""
    lengths = []
    for each in marked[place + 1 : place + 1 + _QUOTE_PARAGRAPHS]:
        if each.role is not SpanRole.BODY or each.block.tag in ("li", "h2", "h3", "h4"):
            break
        lengths.append(len(each.block.text))
    return lengths


def compose(marked: Iterable[Marked], *, publisher: str = "") -> Composed:
    """Put blocks together: text with a blank line between blocks, spans, outlets and what the notices say."""
    parts: list[str] = []
    spans: list[Span] = []
    kept: list[tuple[Marked, int]] = []
    at = 0
    translation = Translation()
    links: tuple[str, ...] = ()
    for each in marked:
        text = each.block.text
        if parts:
            at += 2
        parts.append(text)
        kept.append((each, at))
        end = at + len(text)
        sentence = machine_sentence(text) if each.role in READ else None
        if sentence:
            start, stop, basis = sentence
            inner = Span(at + start, at + stop, SpanRole.TRANSLATION, basis)
            spans += [Span(at, inner.start, each.role, each.basis)] if start else []
            spans.append(inner)
            spans += [Span(inner.end, end, each.role, each.basis)] if inner.end < end else []
            translation = Translation(TranslationKind.MACHINE, notice=inner, basis=(basis,))
            links = tuple(address for _, _, address in each.block.links)
        else:
            spans.append(Span(at, end, each.role, each.basis))
            if each.role is SpanRole.TRANSLATION and translation.kind is not TranslationKind.MACHINE:
                kind = TranslationKind.MACHINE if each.machine else TranslationKind.HUMAN
                translation = Translation(kind, by=each.by, notice=spans[-1], basis=(each.basis,))
                links = tuple(address for _, _, address in each.block.links)
        at = end
    return Composed("\n\n".join(parts), tuple(spans), _outlets(kept, publisher), translation, links)


def _outlets(kept: Sequence[tuple[Marked, int]], publisher: str) -> tuple[tuple[str, int, int], ...]:
    """Namings of other outlets in the reading; a newspaper found once beside a word of reporting is found everywhere."""
    read = [(each.block.text, at) for each, at in kept if each.role in READ]
    own = publisher.casefold()
    unknown: dict[str, None] = {}
    for text, _ in read:
        for hit in find_outlets(text):
            if hit.name == hit.spelling and len(hit.spelling) >= 8:
                unknown.setdefault(hit.spelling)
    hits = [hit for text, at in read for hit in find_outlets(text, at, extra=tuple(unknown)[:20])]
    return tuple(
        (hit.spelling, hit.start, hit.end)
        for hit in hits[:_OUTLETS]
        if not own or own not in (hit.name.casefold(), hit.spelling.casefold())
    )
