"""A dossier as one self-contained page: no script, no address outside, everything escaped.

The page reads from the top as a stranger asks: what happened, on whose request, who decided, what is only claimed. Every statement
carries a mark of how it stands, in words and in shape, and leads to what it rests on and to whom it names; and back.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from textwrap import dedent
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from groundrule.evidence.dossier import Dossier, Phrase, Statement, Times
from groundrule.evidence.outlines import Outlines
from groundrule.evidence.render.map_svg import map_svg
from groundrule.evidence.render.page_parts import (
    Annex,
    Part,
    by_rule,
    first_of_each_act,
    groups,
    happened_at,
    headline,
    invented,
    not_known,
    opens_terminal,
    proof_files,
    receipts,
    report_anchors,
    sections_for,
)
from groundrule.evidence.render.timeline_svg import timeline_legend, timeline_svg, unit_of
from groundrule.evidence.render.words import Piece, Words, names_in, visible, words
from groundrule.instant import format_instant

CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What a browser may load for the page: its own styles and pictures inside it, and nothing from anywhere."""
MAX_LINKS = 8
SIGNS = {"recorded": "●", "claim": "◇", "inference": "□", "unknown": "?"}
"""A shape for each standing, so that none is told by colour alone; the picture of the timeline has the same."""


def page_html(
    dossier: Dossier, *, language: str = "en", files: Mapping[str, bytes] | None = None, outlines: Outlines | None = None
) -> bytes:
    """Return the page.

    Args:
        language: of the words; one of `words.LANGUAGES`.
        files: of the bundle, by name, whose digests the page lists; what the dossier rests on, if not given, without digests.
        outlines: basemap of the map; None: the shipped one.
    Raises:
        InputError: there are no words in this language.
    """
    said = words(language)
    view = _View(dossier, said, dict(files or {}))
    drawn = map_svg(dossier, said, outlines=outlines)
    picture = timeline_svg(dossier, said)
    made = _environment().get_template("dossier.html").render(
        d=dossier,
        w=said,
        v=view,
        language=language,
        policy=CONTENT_POLICY,
        # The only markup that does not come from the templates: drawn by our own modules, which escape every text in it.
        map=drawn,
        map_picture=Markup(drawn.svg) if drawn else None,  # noqa: S704 - see above
        legend=[(Markup(sign), text) for sign, text in drawn.legend] if drawn else [],  # noqa: S704 - see above
        picture=Markup(picture) if picture else None,  # noqa: S704 - see above
        unit=said("page", f"picture_{unit_of(dossier, said)}") if picture else "",
        picture_legend=[(Markup(sign), text) for sign, text in timeline_legend(dossier, said)],  # noqa: S704 - see above
        signs=SIGNS,
        dedent=dedent,
        title=headline(dossier, said, view.names),
        invented=invented(dossier),
        sections=sections_for(dossier, with_map=drawn is not None),
        people=groups(dossier, said),
        rules=by_rule(dossier),
        timeline=first_of_each_act(dossier, timeline(dossier)),
        not_known=not_known(dossier),
        decided=sum(row.count for row in dossier.decisions),
        proved=sum(bool(row.receipt) for row in dossier.decisions),
        opens="openings.json" in view.files,
        whose=opens_terminal(view.files),
        no_witness=b"\nquorum none" in view.files.get("log/policy", b""),
        short=visible,
    )
    return made.encode()


FAMILIES = {
    "sum_approve": ("approval_approve",),
    "sum_approve_stated": ("approval_approve",),
    "sum_allegation_status": ("contact_alleged_recorded",),
    "sum_meanwhile_alleged": ("decided_meanwhile_alleged_near", "decided_meanwhile_alleged"),
    "contact_own_word": ("approval_no_conflict",),
    "sum_reject": ("approval_reject",),
    "sum_recuse": ("approval_recuse",),
    "sum_request": ("request_received",),
    "sum_outcome": ("request_outcome",),
    "sum_proposed": ("proposal_made",),
    "sum_enacted": ("enactment_made",),
    "sum_not_enacted": ("not_enacted_because",),
    "sum_contact_status": ("contact_recorded",),
    "sum_meanwhile": ("decided_meanwhile_near", "decided_meanwhile"),
}
"""Sentences in which a section says what one of the summary says shortly."""


class _View:
    """What the template asks for: sentences with their links, times and sources."""

    def __init__(self, dossier: Dossier, said: Words, files: dict[str, bytes]) -> None:
        self.dossier, self.said, self.files = dossier, said, files
        self.names = names_in(dossier, said)
        self.statements = {each.id: each for each in dossier.statements}
        self._people = {party.ref: f"p{number}" for number, party in enumerate(dossier.parties, 1)}
        self._wholes = {digest[:16]: digest for each in dossier.statements for digest in each.about if len(digest) == 64}
        self._first: dict[str, str] = {}
        for each in dossier.statements:
            for ref in each.about[:50]:
                self._first.setdefault(ref, each.id)
        self.annex = Annex(proof_files(dossier, files))
        self._cited = report_anchors(dossier)
        # A claim that is quoted in the table of its report is not said again below it.
        self.quoted = frozenset(each.statement for report in dossier.reports for each in report.claims if each.statement in self.statements)
        self._receipts = receipts(dossier)
        self._whose = opens_terminal(files)

    def anchor(self, ref: str) -> str:
        """Return the anchor of a party in the table of people, or empty."""
        return self._people.get(ref, "")

    def say(self, phrase: Phrase) -> Markup:
        """Return a sentence, each value of it marked as what it is."""
        return Markup("").join(self._piece(piece) for piece in self.said.pieces(phrase, self.names))

    def text(self, phrase: Phrase) -> str:
        """Return a sentence without any marks."""
        return self.said.say(phrase, self.names)

    def _piece(self, piece: Piece) -> Markup:
        if piece.kind == "name":
            link = self.anchor(piece.full)
            inside = Markup("<bdi>{}</bdi>").format(piece.text)
            return Markup('<a class="name" href="#{}">{}</a>').format(link, inside) if link else inside
        if piece.kind == "time":
            return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(piece.full, piece.text)
        if piece.kind == "id":
            return Markup('<abbr title="{}">{}</abbr>').format(visible(self._wholes.get(piece.full, piece.full)), piece.text)
        if piece.kind == "free":
            return Markup('<bdi class="free">{}</bdi>').format(piece.text)
        if piece.kind == "english":
            return Markup('<span lang="en" dir="ltr">{}</span>').format(piece.text)
        if piece.kind in ("code", "thing") and piece.full:
            return Markup('<bdi title="{}">{}</bdi>').format(piece.full, piece.text)
        return escape(piece.text)

    def english(self, text: str) -> Markup:
        """Return a text of our own that is in English in every language, with areas by their names."""
        return Markup("").join(self._piece(each) for each in self.said.english(text, self.names))

    def name(self, ref: str) -> str:
        """Return what a party is called."""
        return visible(self.names.get(ref, ref))

    def times(self, each: Statement) -> list[tuple[str, Markup]]:
        """Return the times of a statement with their names."""
        return [(name, self._piece(piece)) for name, piece in times_of(self.said, each.times)]

    def moment(self, at_ns: int | None, *, seconds: bool = False) -> Markup:
        """Return an instant in the form of the language, with the exact one as its title."""
        if at_ns is None:
            return Markup("–")
        return self._piece(Piece(self.said.forms.moment(at_ns, seconds=seconds), "time", format_instant(at_ns)))

    def when(self, at_ns: int, each: Statement) -> Markup:
        """Return the time of a statement in the timeline."""
        return self._piece(shown_at(self.said, at_ns, each))

    def where(self, where: str) -> Part:
        """Return where something was left out: the statement or line with a link, who it is, or the section."""
        if where in self.statements:
            return Part(where, where)
        line = next((place for place, each in enumerate(self.dossier.summary, 1) if each.id == where), 0)
        if line:
            return Part(self.said.fill("page", "summary_line", number=line), where)
        if where in self.names:
            return Part(visible(self.names[where]), self.anchor(where))
        return Part(self.said.word("titles", where))

    def sources(self, each: Statement) -> list[Part]:
        """Return what a statement rests on."""
        found = []
        for source in each.sources:
            kind, _, value = source.ref.partition(":")
            if kind in ("run", "revision") and value:
                text = self.said.fill("sources", kind, **{kind: value})
            elif source.ref in ("decision", "decisions"):
                text = self.said("sources", "decision")
            elif source.kind == "register" and f"register_{source.ref}" in self.said.tables["sources"]:
                text = self.said("sources", f"register_{source.ref}")
            elif (source.kind, source.ref) == ("rule", "default"):
                text = f"{self.said('sources', 'rule')} {self.said('codes', 'rule_default')}"
            elif source.ref == source.kind:  # this reader is told no more of it
                text = self.said.word("sources", source.kind)
            elif source.kind == "log_entry":
                text = f"{self.said('sources', 'log_entry')} {visible(value)}"
            else:
                text = f"{self.said.word('sources', source.kind)} {visible(source.ref[:40])}{'…' if len(source.ref) > 40 else ''}"
            found.append(Part(text, self.annex.anchors.get(source.file) or self._cited.get(source.ref, ""), visible(source.ref)))
        receipt = self._receipts.get(each.id, "")
        if receipt in self.annex.anchors:
            number = "".join(letter for letter in receipt if letter.isdigit())
            text = self.said.fill("sources", "proof" if self._whose else "proof_of_nobody", number=number)
            found.append(Part(text, self.annex.anchors[receipt], visible(receipt)))
        return found

    def flags(self, each: Statement) -> list[str]:
        """Return the flags of a statement in words."""
        return list(dict.fromkeys(self.said.word("flags", flag) for flag in each.flags))

    def evidence(self, each: Statement) -> list[str]:
        """Return the ids of the statements that say the same as one of the summary."""
        if each.phrase.key == "sum_decisions":
            return [row.statement for row in self.dossier.decisions[:MAX_LINKS] if row.statement]
        if each.phrase.key in ("sum_answer", "sum_answer_later"):
            at, outcome = str(each.phrase.values.get("at")), each.phrase.values.get("outcome")
            rows = [row for row in self.dossier.decisions if row.statement and f"code:{row.outcome}" == outcome]
            # Times may be cut to the day for this reader, in the sentence and in the row alike.
            same = [row.statement for row in rows if format_instant(row.last_ns)[: len(at)] == at]
            return same[-1:]
        found = self._evidence(each)
        return [found] if found else []

    def _evidence(self, each: Statement) -> str:
        # Only a statement of the same standing, that says the same or is of the same family and rests on the same entry.
        stand = [held for held in self.dossier.statements if held.standing is each.standing]
        same = next((held.id for held in stand if held.phrase == each.phrase), "")
        if same:
            return same
        refs = {source.ref for source in each.sources if source.kind in ("log_entry", "report")}
        family = FAMILIES.get(each.phrase.key, (each.phrase.key,))
        near = [held for held in stand if held.phrase.key in family and refs & {source.ref for source in held.sources}]
        return near[0].id if near else ""


def timeline(dossier: Dossier) -> list[tuple[int, Statement]]:
    """Return the statements that have a time, in its order."""
    known = [(at, each) for each in dossier.statements if (at := happened_at(each)) is not None]
    return sorted(known, key=lambda pair: (pair[0], int(pair[1].id[1:])))


def shown_at(said: Words, at_ns: int, each: Statement) -> Piece:
    """Return the time of a statement in a table of times; only the day where that is all that is said."""
    if each.times.happened and at_ns == each.times.observed_at_ns:
        return Piece(said.forms.date(at_ns), "time", visible(each.times.happened))
    return Piece(said.forms.moment(at_ns, seconds=True), "time", format_instant(at_ns))


def times_of(said: Words, times: Times) -> list[tuple[str, Piece]]:
    """Return the times of a statement with their names."""
    found: list[tuple[str, Any]] = [
        # What somebody says about a day is not an observation, and had no minute.
        ("observed", None if times.happened else times.observed_at_ns),
        ("decided", times.decided_at_ns),
        ("effective_from", times.effective_from_ns),
        ("effective_until", times.effective_until_ns),
        ("recorded", times.recorded_at_ns),
    ]
    known = [(name, at) for name, at in found if at is not None]
    shown = [(said("times", name), Piece(said.forms.moment(at, seconds=True), "time", format_instant(at))) for name, at in known]
    if times.happened:
        start, slash, end = times.happened.partition("/")
        pieces = [said.moment_of(each) for each in (start, end) if each not in ("", "..")]
        text = " – ".join(piece.text for piece in pieces) + (" – …" if slash and end in ("", "..") else "")
        shown.append((said("times", "happened"), Piece(text or visible(times.happened), "time", visible(times.happened))))
    return shown


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("groundrule.evidence.render", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
