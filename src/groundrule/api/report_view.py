"""Outside reports as readers see them: provenance, text with its roles, claims with their characters and stances."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import msgspec

from groundrule.api.times import when
from groundrule.evidence.report import Claim, ClaimStatus, Proposition, Report
from groundrule.evidence.side_by_side import SideBySide, who_says
from groundrule.store.reports import StoredReading

MAX_TEXT: Final = 500_000
"""How much of a report's text one answer holds [code points]."""


class ClaimCounts(msgspec.Struct):
    """Claims by how they stand: suggested by rules, confirmed or rejected by persons."""

    suggested: int = 0
    confirmed: int = 0
    rejected: int = 0


class ReportRow(msgspec.Struct):
    """A report in a list.

    Attributes:
        id: the same bytes are the same report. sha256: of the bytes.
        title, publisher, published_at, language, media_type: as the page says, or as found; empty where it does not.
        translation: machine, human, none or unknown.
        recorded_at, recorded_by: since when it is known here, and by whom.
        claims: how many.
    """

    id: str
    sha256: str
    title: str
    publisher: str
    published_at: str
    language: str
    media_type: str
    translation: str
    recorded_at: str | None
    recorded_by: str
    claims: ClaimCounts


class SpanView(msgspec.Struct):
    """A stretch of the text: half-open, in code points; role: title, lead, body, quote, caption, advertising and others."""

    start: int
    end: int
    role: str


class ProblemView(msgspec.Struct):
    """Something odd or hostile in a capture, never executed or followed."""

    code: str
    where: str
    detail: str


class TranslationView(msgspec.Struct):
    """What the capture shows about translation.

    Attributes:
        kind, by, from_language, original_url: as far as shown.
        original: id of the report that is the original, or empty. original_missing: it is not in the evidence.
    """

    kind: str
    by: str
    from_language: str
    original_url: str
    original: str
    original_missing: bool


class AttributionView(msgspec.Struct):
    """On whose word a claim rests: named, unnamed, how many unnamed at least, and another outlet."""

    named: list[str]
    unnamed: list[str]
    unnamed_count: int | None
    outlet: str


class ClaimView(msgspec.Struct):
    """What a report says that somebody says; it stays a claim, whoever confirmed that it is said.

    Attributes:
        id, report: which claim of which report.
        start, end, text: its characters in the report's text, in code points, and these.
        kind, statement, stance: fact or opinion, in one sentence, and how its source stands to it.
        attribution, who: on whose word, and the same in words.
        about, happened, proposition: what it is linked to, when it is said to have happened, and the proposition it speaks of.
        status, suggested_by, decided_by, decided_at: who stands behind the reading.
        problems: codes.
    """

    id: str
    report: str
    start: int
    end: int
    text: str
    kind: str
    statement: str
    stance: str
    attribution: AttributionView
    who: str
    about: list[str]
    happened: str
    proposition: str
    status: str
    suggested_by: str
    decided_by: str
    decided_at: str | None
    problems: list[str]


class ReportView(ReportRow):
    """A report.

    Attributes:
        authors, modified_at, declared_language, canonical_url: as the page says.
        captured_at, captured_by, source_url, file_name, size_bytes, member: of the capture; never guessed.
        about_translation: what is known.
        extractor: what read it. readings: how often it was read.
        outlets: others that it names as its sources.
        problems: what was odd. links: what it is linked to.
        text: whole visible text. text_cut: it is longer than that.
        spans: roles of its stretches.
        statements: its claims, by place.
    """

    authors: list[str]
    modified_at: str
    declared_language: str
    canonical_url: str
    captured_at: str | None
    captured_by: str
    source_url: str
    file_name: str
    size_bytes: int
    member: str
    about_translation: TranslationView
    extractor: str
    readings: int
    outlets: list[str]
    problems: list[ProblemView]
    links: list[str]
    text: str
    text_cut: bool
    spans: list[SpanView]
    statements: list[ClaimView]


class PropositionRow(msgspec.Struct):
    """One thing of which several claims can speak."""

    id: str
    sentence: str
    about: list[str]
    claims: int


class OriginView(msgspec.Struct):
    """One independent origin: several reports that retell one are one.

    Attributes:
        name, reports, claims: where it goes back to, and what retells it.
        stances: how often each occurs. joined_by: why these claims are one origin.
        named, unnamed_at_least: its sources.
    """

    name: str
    reports: list[str]
    claims: list[str]
    stances: dict[str, int]
    joined_by: list[str]
    named: list[str]
    unnamed_at_least: int


class Voice(msgspec.Struct):
    """One claim beside others; origin counts from 1, and is 0 for an opinion."""

    claim: ClaimView
    publisher: str
    published_at: str
    origin: int


class Contradicted(msgspec.Struct):
    """Claims that do not go together: marked, and not resolved."""

    kind: str
    claims: list[str]
    detail: str


class SideBySideView(PropositionRow):
    """Who says what about a proposition; none is preferred.

    Attributes:
        articles, independent_origins, supporting_origins: counts.
        stances: claims by stance.
        origins, voices, contradictions: each.
    """

    articles: int
    independent_origins: int
    supporting_origins: int
    stances: dict[str, int]
    origins: list[OriginView]
    voices: list[Voice]
    contradictions: list[Contradicted]


def row_of(row: StoredReading, counts: Counter[tuple[str, ClaimStatus]]) -> ReportRow:
    """Return a report for a list."""
    return ReportRow(**_row(row, counts))


def report_of(
    row: StoredReading, report: Report, claims: list[Claim], links: list[str], readings: int, counts: Counter[tuple[str, ClaimStatus]]
) -> ReportView:
    """Return a report with its claims."""
    capture, about = report.capture, report.translation
    return ReportView(
        **_row(row, counts), authors=list(report.authors), modified_at=report.modified_at, declared_language=report.declared_language,
        canonical_url=report.canonical_url, captured_at=None if capture.captured_at_ns is None else when(capture.captured_at_ns),
        captured_by=capture.captured_by, source_url=capture.source_url, file_name=capture.file_name, size_bytes=capture.size_bytes,
        member=capture.member,
        about_translation=TranslationView(
            about.kind.value, about.by, about.from_language, about.original_url, about.original_captured, about.original_missing
        ),
        extractor=report.extractor, readings=readings, outlets=list(dict.fromkeys(name for name, _, _ in report.outlets)),
        problems=[ProblemView(each.code, each.where, each.detail) for each in report.problems], links=links,
        text=report.text[:MAX_TEXT], text_cut=len(report.text) > MAX_TEXT,
        spans=[SpanView(each.start, min(each.end, MAX_TEXT), each.role.value) for each in report.spans if each.start < MAX_TEXT],
        statements=[claim_of(each, report) for each in claims],
    )  # fmt: skip


def claim_of(claim: Claim, report: Report | None) -> ClaimView:
    """Return a claim; its characters are shown where its report is given."""
    said = claim.attribution
    return ClaimView(
        claim.id, claim.report, claim.start, claim.end, "" if report is None else report.text[claim.start : claim.end], claim.kind.value,
        claim.statement, claim.stance.value, AttributionView(list(said.named), list(said.unnamed), said.unnamed_count, said.outlet),
        who_says(said, report), list(claim.about), claim.happened, claim.proposition, claim.status.value, claim.suggested_by,
        claim.decided_by, None if claim.decided_at_ns is None else when(claim.decided_at_ns), list(claim.problems),
    )  # fmt: skip


def proposition_of(made: Proposition, claims: int) -> PropositionRow:
    """Return a proposition."""
    return PropositionRow(made.id, made.sentence, list(made.about), claims)


def compared(found: SideBySide, reports: dict[str, Report]) -> SideBySideView:
    """Return who says what about a proposition."""
    counted, made = found.corroboration, found.proposition
    origins = [] if counted is None else [
        OriginView(
            each.name, list(each.reports), list(each.claims), {stance.value: count for stance, count in each.stances.items()},
            list(each.joined_by), list(each.named), each.unnamed_at_least,
        )
        for each in counted.origins
    ]  # fmt: skip
    voices = [
        Voice(claim_of(row.claim, reports.get(row.claim.report)), row.publisher, row.published_at, row.origin) for row in found.rows
    ]
    return SideBySideView(
        made.id, made.sentence, list(made.about), len(found.rows), 0 if counted is None else counted.articles, len(origins),
        0 if counted is None else counted.supporting,
        {} if counted is None else {stance.value: count for stance, count in counted.stances.items()}, origins, voices,
        [Contradicted(each.kind, list(each.claims), each.detail) for each in found.contradictions],
    )  # fmt: skip


def _row(row: StoredReading, counts: Counter[tuple[str, ClaimStatus]]) -> dict[str, Any]:
    about = {name: str(row.about[name] or "") for name in ("title", "publisher", "published_at", "language", "media_type", "translation")}
    claims = ClaimCounts(*(counts[row.report, status] for status in (ClaimStatus.SUGGESTED, ClaimStatus.CONFIRMED, ClaimStatus.REJECTED)))
    return {
        "id": row.report, "sha256": row.raw, **about, "recorded_at": when(row.recorded_ns), "recorded_by": row.actor, "claims": claims,
    }  # fmt: skip
