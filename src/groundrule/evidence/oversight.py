"""The oversight report: questions that parliaments, inspectors and regulators ask, and what the data of a home answers.

Each answer holds figures with their unit, how they were computed, what they rest on and how they stand; and what cannot be answered, with
the reason and with what would be needed. Nothing that is not known is ever shown as zero. The words are in `evidence.render`; here
are keys. Instants are nanoseconds since 1970, UTC; intervals are half-open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from groundrule.canon import canonical_json
from groundrule.evidence.dossier import LogHead, Source, Standing
from groundrule.instant import format_instant

VERSION = 1
MOST_SOURCES = 200
"""Sources of an answer that are named one by one; of more, the first, and how many there are."""

Cell = str | int | None
"""A value of a table: text, a number, or None where it is not known or withheld."""


class Event(StrEnum):
    """Who asked: the events of the public record that the questions come from."""

    COVERAGE = "coverage"
    PARLIAMENT = "parliament"
    INSPECTOR = "inspector"
    REGULATOR = "regulator"
    GOVERNANCE = "governance"


class Edition(StrEnum):
    """For whom a report is made."""

    FULL = "full"
    PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class Question:
    """One question; `id` is also the key of its words."""

    id: str
    event: Event


def _questions(event: Event, *ids: str) -> tuple[Question, ...]:
    return tuple(Question(each, event) for each in ids)


QUESTIONS = (
    *_questions(Event.COVERAGE, "coverage"),
    *_questions(
        Event.PARLIAMENT, "policies", "found", "disabled", "alerts", "response", "carried_out", "complaints", "guardrails",
        "acquisition", "revenue",
    ),
    *_questions(Event.INSPECTOR, "programmes", "tags", "where_used", "occupied", "purpose", "custody"),
    *_questions(
        Event.REGULATOR, "administrations", "refused_requests", "conflicts", "published_disablements", "named_terminals",
        "collateral", "spill_over",
    ),
    *_questions(
        Event.GOVERNANCE, "officials", "emergencies", "overdue", "contacts", "refused_acts", "outages", "changes", "ledger",
        "unrecorded",
    ),
)  # fmt: skip
"""All questions in their order; every report answers or lists each of them."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number.

    Attributes:
        name: key of its words.
        value: whole number in `unit`; None where it is withheld in this edition.
        unit: terminals, decisions, s, entries …; key of its words.
        standing: recorded (counted) or inference (computed by a stated rule).
        open: may be published as it is, because whoever has the public log and the published aggregates can count it.
    """

    name: str
    value: int | None
    unit: str
    standing: Standing = Standing.RECORDED
    open: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Figures by something.

    Attributes:
        name: key of its title.
        columns: keys of their titles.
        rows: in a fixed order.
        open: as of a figure.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    open: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that was asked and the data does not answer.

    Attributes:
        why: key of the reason.
        need: key of what would be needed.
        detail: number or name that belongs to the reason; empty for none.
    """

    why: str
    need: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the data says to one question.

    Attributes:
        question: id.
        how: key of the sentence that says how the figures are computed.
        figures, tables: the answer; both empty where there is none.
        sources: what it rests on; `more` of them are not listed.
        cautions: keys of sentences against misreading.
        gaps: what of the question is not answered.
    """

    question: str
    how: str
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    sources: tuple[Source, ...] = ()
    more: int = 0
    cautions: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()

    @property
    def standing(self) -> Standing:
        """How the whole answer stands: unknown without one, inference if any figure is."""
        if not self.figures and not self.tables:
            return Standing.UNKNOWN
        inferred = any(each.standing is not Standing.RECORDED for each in self.figures)
        return Standing.INFERENCE if inferred else Standing.RECORDED


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a report was computed from; the same inputs give the same bytes.

    Attributes:
        log: head of the log that ends where the interval ends.
        runs: runs with decisions in the interval; `runs_sha256` is the SHA-256 of their manifests' digests, a line each.
        register_revision, register_digest: registers as known when the report was made.
    """

    log: LogHead
    runs: int
    runs_sha256: str
    register_revision: int
    register_digest: str


@dataclass(frozen=True, slots=True)
class Report:
    """An oversight report over [from_ns, until_ns).

    Attributes:
        home: id of the home. invented: whether it holds the invented data of a demo.
        answers: one for each question, in their order.
    """

    edition: Edition
    home: str
    from_ns: int
    until_ns: int
    inputs: Inputs
    answers: tuple[Answer, ...]

    def answer(self, question: str) -> Answer:
        """Return the answer to a question.

        Raises:
            KeyError: there is no such question.
        """
        return {each.question: each for each in self.answers}[question]

    @property
    def unanswered(self) -> tuple[str, ...]:
        """Questions without any figure."""
        return tuple(each.question for each in self.answers if each.standing is Standing.UNKNOWN)


def shorten(sources: tuple[Source, ...]) -> tuple[tuple[Source, ...], int]:
    """Return the sources that are named, and how many more there are."""
    return sources[:MOST_SOURCES], max(0, len(sources) - MOST_SOURCES)


def open_only(answer: Answer) -> Answer:
    """Return what of an answer may be published as it is; that something was left out is said."""
    figures = tuple(each for each in answer.figures if each.open)
    tables = tuple(each for each in answer.tables if each.open)
    gaps = answer.gaps
    if len(figures) + len(tables) < len(answer.figures) + len(answer.tables):
        gaps = (*gaps, Gap("withheld", "full_edition"))
    sources = tuple(each for each in answer.sources if each.kind == "log_entry") if figures or tables else ()
    return replace(answer, figures=figures, tables=tables, gaps=gaps, sources=sources, more=answer.more if sources else 0)


def report_json(report: Report) -> bytes:
    """Return the canonical bytes of a report: what is digested and logged."""
    inputs = report.inputs
    given: dict[str, Any] = {"log": {"origin": inputs.log.origin, "size": inputs.log.size, "root": inputs.log.root}}
    if report.edition is Edition.FULL:
        given["history"] = {"runs": inputs.runs, "manifests_sha256": inputs.runs_sha256}
        given["registers"] = {"revision": inputs.register_revision, "digest": inputs.register_digest}
    return canonical_json(
        {
            "v": VERSION,
            "what": "oversight",
            "edition": report.edition.value,
            "home": report.home,
            "from": format_instant(report.from_ns),
            "until": format_instant(report.until_ns),
            "inputs": given,
            "answers": [_answer(each) for each in report.answers],
        }
    )


_EVENT_OF: Mapping[str, Event] = {each.id: each.event for each in QUESTIONS}


def event_of(question: str) -> Event:
    """Return who asked a question."""
    return _EVENT_OF[question]


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "question": answer.question,
        "event": event_of(answer.question).value,
        "standing": answer.standing.value,
        "how": answer.how,
        "figures": [
            {"name": each.name, "value": each.value, "unit": each.unit, "standing": each.standing.value} for each in answer.figures
        ],
        "tables": [
            {"name": each.name, "columns": list(each.columns), "rows": [list(row) for row in each.rows]} for each in answer.tables
        ],
        "sources": [{"kind": each.kind, "ref": each.ref} for each in answer.sources],
        "more_sources": answer.more,
        "cautions": list(answer.cautions),
        "unknown": [{"why": each.why, "need": each.need, "detail": each.detail} for each in answer.gaps],
    }
