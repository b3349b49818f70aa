"""Outside reports in a home: imported with their provenance, claims suggested by rules and decided by people, set side by side.

Import keeps bytes, a reading and suggestions. It never touches a register, list, area, contact or policy: a claim stays a claim until
somebody acts on it by the commands of governance. Where the home has a log, each import adds one entry `evidence` with the digest
and the size of the bytes and when they were captured, and nothing of what they say; so it can be proved later since when a report was
known here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from groundrule.errors import ConflictError, GroundruleError, InputError
from groundrule.evidence.contradictions import Contradiction, contradictions, interval
from groundrule.evidence.origins import address_key
from groundrule.evidence.raw_files import Limits
from groundrule.evidence.report import (
    Attribution,
    Claim,
    ClaimKind,
    ClaimStatus,
    Problem,
    Proposition,
    Report,
    Stance,
)
from groundrule.evidence.report_json import (
    check_refs,
    check_statement,
    claim_value,
    encode,
    parse_claim,
    parse_proposition,
    parse_report,
    proposition_value,
)
from groundrule.evidence.side_by_side import SideBySide, side_by_side
from groundrule.evidence.web_record import Fetched
from groundrule.ledger.entry import format_time
from groundrule.pipeline.fetching import AGENT
from groundrule.pipeline.home_ledger import HomeLedger, ledger_of
from groundrule.pipeline.incoming import Incoming, bytes_of, incoming
from groundrule.pipeline.reading_apart import Reader, ReaderApart, ReadingBounds
from groundrule.pipeline.report_links import check_link
from groundrule.store.home import Home
from groundrule.store.reports import ReportStore, StoredReading

WHAT: Final = "outside-report"
"""What the `evidence` entry of the log says that it is about."""
Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one file.

    Attributes:
        file: as given.
        reports: what was read from it; empty where it was refused.
        new: number of readings that were not held before.
        suggested: number of claims that rules suggested and that were not held before.
        refused: why it was refused, or empty.
        fetched: what the address answered, where it is none of a file.
    """

    file: str
    reports: tuple[Report, ...] = ()
    new: int = 0
    suggested: int = 0
    refused: str = ""
    fetched: Fetched | None = None


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of a batch.

    Attributes:
        files: one each, in order.
        logged: whether the log took it in: None where the home has no log.
        trouble: what stands in the way of the log, for people.
    """

    files: tuple[Imported, ...]
    logged: bool | None = None
    trouble: tuple[str, ...] = ()


def import_reports(
    home: Home,
    sources: Iterable[Path | Incoming],
    *,
    actor: str,
    captured_at_ns: int | None = None,
    captured_by: str = "",
    source_url: str = "",
    clock: Clock = time.time_ns,
    limits: Limits | None = None,
    bounds: ReadingBounds | None = None,
    reader: Reader | None = None,
    ledger: HomeLedger | None = None,
) -> ImportResult:
    """Import reports; one that cannot be used stops none beside it. The caller holds the home's write lock.

    Each is read in a process apart, within bounds of time and memory, and refused where it goes beyond.

    Args:
        home: where they are kept.
        sources: files, and what `incoming` made of what a person gave. Nothing is fetched here.
        actor: who imports.
        captured_at_ns: when files were captured [ns since 1970, UTC], unless they say so themselves.
        captured_by: who captured them. source_url: from where files were, unless they say so themselves.
        clock: gives the time of recording.
        limits: how much is read of each.
        bounds: what reading each may take.
        reader: reads them in place of a new process; whoever gives it ends it.
        ledger: the log of the home where it is open already.
    """
    done: list[Imported] = []
    kept: list[StoredReading] = []
    captured: dict[str, int | None] = {}
    with ExitStack() as stack:
        store = stack.enter_context(ReportStore.open(home))
        reading = reader or stack.enter_context(ReaderApart(limits, bounds))
        for each in sources:
            source = each if isinstance(each, Incoming) else incoming([str(each)])[0]
            given = _Given(captured_at_ns, captured_by, source_url)
            try:
                one, rows = _import_one(store, reading, source, given, actor, clock())
            except (GroundruleError, OSError) as error:
                said = error.strerror or str(error) if isinstance(error, OSError) else str(error)
                done.append(Imported(source.name, refused=said, fetched=source.fetched))
                continue
            done.append(one)
            kept += rows
            captured |= {row.raw: report.capture.captured_at_ns for row, report in zip(rows, one.reports, strict=False)}
        sizes = {report.capture.sha256: report.capture.size_bytes for one in done for report in one.reports}
    logged, trouble = _log(home, {row.raw: (sizes[row.raw], captured.get(row.raw)) for row in kept}, clock, ledger)
    return ImportResult(tuple(done), logged, trouble)


@dataclass(frozen=True, slots=True)
class _Given:
    """What the importer says of the capture."""

    captured_at_ns: int | None
    captured_by: str
    source_url: str


def _import_one(
    store: ReportStore, reader: Reader, source: Incoming, given: _Given, actor: str, now_ns: int
) -> tuple[Imported, list[StoredReading]]:
    raw, file_name = bytes_of(source, most=reader.limits.raw_bytes)
    if source.fetched is not None:
        given = _Given(source.fetched.captured_at_ns, given.captured_by or AGENT, source.fetched.address)
    readings = reader.read(
        raw,
        file_name=file_name,
        captured_at_ns=given.captured_at_ns,
        captured_by=given.captured_by,
        source_url=given.source_url,
    )
    known_bytes = {row.raw for row in store.reports()}
    reports = tuple(
        _with_remarks(_with_known_capture(store, reading.report), source.fetched) for reading in readings
    )
    rows = store.add(
        raw, [(report.id, _about(report), encode(report)) for report in reports], recorded_ns=now_ns, actor=actor
    )
    suggested = 0
    for reading in readings:
        # What a person decided about a suggestion stays as decided.
        known = {row.body["id"] for row in store.claims(report=reading.report.id)}
        found = [claim_value(claim) for claim in reading.claims if claim.id not in known]
        suggested += store.put_claims(found, recorded_ns=now_ns, actor=actor)
    new = [row for row, is_new in rows if is_new]
    # The log says since when the bytes were known; a new reading of known bytes is no news.
    read = tuple(_resolved(store, row) for row, _ in rows)
    done = Imported(source.name, read, len(new), suggested, fetched=source.fetched)
    return done, [row for row in new if row.raw not in known_bytes]


def _with_remarks(report: Report, fetched: Fetched | None) -> Report:
    """Add what a reader of the report must know about the way it came."""
    if fetched is None:
        return report
    remarks = []
    if fetched.redirects:
        way = f"asked was `{fetched.asked}`; {len(fetched.redirects)} redirects led to `{fetched.address}`"
        remarks.append(Problem("redirected", "", way[:500]))
    if not fetched.protected:
        remarks.append(
            Problem("unprotected", "", "it came over http: anybody on the way could have changed it, and it proves no origin")
        )
    return replace(report, problems=(*remarks, *report.problems))


def _with_known_capture(store: ReportStore, report: Report) -> Report:
    """Keep what an earlier import said about the capture where this one says nothing."""
    held = store.readings_of(report.id)
    if not held:
        return report
    before = parse_report(store.load(held[-1])).capture
    mine = report.capture
    capture = replace(
        mine,
        captured_at_ns=before.captured_at_ns if mine.captured_at_ns is None else mine.captured_at_ns,
        captured_by=mine.captured_by or before.captured_by,
        source_url=mine.source_url or before.source_url,
        file_name=before.file_name,
    )
    return replace(report, capture=capture)


def _about(report: Report) -> dict[str, Any]:
    """What a report is listed and found by."""
    addresses = {address_key(each) for each in (report.canonical_url, report.capture.source_url)} - {""}
    return {
        "addresses": sorted(addresses),
        "captured_at_ns": report.capture.captured_at_ns,
        "language": report.language,
        "media_type": report.capture.media_type,
        "original": address_key(report.translation.original_url),
        "published_at": report.published_at,
        "publisher": report.publisher[:200],
        "title": report.title[:500],
        "translation": report.translation.kind.value,
    }


def _log(
    home: Home, kept: Mapping[str, tuple[int, int | None]], clock: Clock, open_one: HomeLedger | None
) -> tuple[bool | None, tuple[str, ...]]:
    if not kept:
        return None, ()
    if open_one is not None:
        return _queue(open_one, kept)
    ledger = ledger_of(home, clock=clock)
    if ledger is None:
        return None, ()
    with ledger:
        return _queue(ledger, kept)


def _queue(ledger: HomeLedger, kept: Mapping[str, tuple[int, int | None]]) -> tuple[bool, tuple[str, ...]]:
    for raw, (size, captured) in kept.items():
        # No title, address or name: these may be personal, and the log never forgets.
        ledger.queue(
            "evidence",
            {
                "captured_at": None if captured is None else format_time(captured),
                "sha256": raw,
                "size": size,
                "what": WHAT,
            },
        )
    committed = ledger.try_commit()
    trouble = committed.trouble if committed.failed is None else (committed.failed,)
    return committed.accepted, trouble


def _resolved(store: ReportStore, stored: StoredReading) -> Report:
    report = parse_report(store.load(stored))
    original = stored.about.get("original")
    if not original or report.translation.original_captured:
        return report
    for other in store.reports():
        if other.report != report.id and original in other.about["addresses"]:
            return replace(report, translation=replace(report.translation, original_captured=other.report))
    return report


class ReportDesk:
    """Reports and claims of a home, to be read and decided on; the caller holds the write lock for what writes.

    Args:
        home: whose reports they are.
        store: its store, open.
        clock: gives the time of recording [ns since 1970, UTC].
    """

    def __init__(self, home: Home, store: ReportStore, clock: Clock = time.time_ns) -> None:
        self.home, self.store, self.clock = home, store, clock

    def report(self, stored: StoredReading) -> Report:
        """Return a report as read, with its original where that lies in the home by now."""
        return _resolved(self.store, stored)

    def reports(self, only: Iterable[str] | None = None) -> dict[str, Report]:
        """Return reports by id, as read last: all, or only some."""
        wanted = None if only is None else set(only)
        return {row.report: self.report(row) for row in self.store.reports() if wanted is None or row.report in wanted}

    def claims(self, report: str | None = None) -> list[Claim]:
        """Return claims as they now are, by place; of one report or of all."""
        found = [parse_claim(row.body) for row in self.store.claims(report=report)]
        return sorted(found, key=lambda claim: (claim.report, claim.start, claim.end, claim.id))

    def propositions(self) -> list[Proposition]:
        """Return every proposition."""
        return [parse_proposition(row.body) for row in self.store.propositions()]

    def claim(self, claim_id: str) -> Claim:
        """Return one claim.

        Raises:
            InputError: there is none.
        """
        history = self.store.claim_history(claim_id)
        if not history:
            raise InputError(
                f"there is no claim `{claim_id[:80]}`", help="see them with: groundrule report claims REPORT"
            )
        return parse_claim(history[-1].body)

    def add(
        self,
        report: Report,
        start: int,
        end: int,
        *,
        by: str,
        statement: str = "",
        kind: ClaimKind = ClaimKind.FACT,
        stance: Stance = Stance.REPORTS,
        attribution: Attribution | None = None,
        about: Sequence[str] = (),
        happened: str = "",
        proposition: str = "",
    ) -> Claim:
        """Enter a claim by hand.

        Args:
            report: what it stands in. start, end: its characters in the report's text, half-open.
            by: who enters it.
            statement: one sentence; the characters themselves if empty.
            kind, stance, attribution, about, happened, proposition: as of `Claim`.
        Raises:
            InputError: the characters are not in the text, or a value is not what it must be.
        """
        if not 0 <= start < end <= len(report.text):
            raise InputError(
                f"the report has no characters {start} to {end}",
                help=f"half-open, within 0 to {len(report.text)}, as `report claims` prints",
            )
        claim = Claim(
            id=f"claim-{os.urandom(16).hex()}", report=report.id, start=start, end=end, kind=kind,
            statement=" ".join((statement or report.text[start:end]).split()), stance=stance, attribution=attribution or Attribution(),
            status=ClaimStatus.CONFIRMED, decided_by=by,
        )  # fmt: skip
        return self._decided(claim, by, about=about, happened=happened, proposition=proposition)

    def confirm(
        self,
        claim_id: str,
        *,
        by: str,
        statement: str = "",
        stance: Stance | None = None,
        kind: ClaimKind | None = None,
        about: Sequence[str] = (),
        happened: str = "",
        proposition: str = "",
    ) -> Claim:
        """Confirm that a report says this; it does not say that it is so. What is given replaces what was suggested.

        Raises:
            InputError: there is no such claim, or a value is not what it must be.
        """
        claim = self.claim(claim_id)
        changed = replace(
            claim,
            status=ClaimStatus.CONFIRMED,
            statement=" ".join(statement.split()) or claim.statement,
            stance=stance or claim.stance,
            kind=kind or claim.kind,
        )
        return self._decided(
            changed,
            by,
            about=about or claim.about,
            happened=happened or claim.happened,
            proposition=proposition or claim.proposition,
        )

    def reject(self, claim_id: str, *, by: str) -> Claim:
        """Reject a claim: the report does not say this. It stays on record."""
        return self._put(replace(self.claim(claim_id), status=ClaimStatus.REJECTED), by)

    def propose(self, sentence: str, *, by: str, about: Sequence[str] = ()) -> Proposition:
        """Set up a proposition that claims can be about; the same sentence is the same proposition.

        Raises:
            InputError: the sentence is empty, or something it is about is not in the home.
        """
        check_statement(sentence, "the proposition")
        self._check(about)
        words = " ".join(sentence.split())
        id_ = f"proposition-{sha256(words.encode()).hexdigest()[:32]}"
        held = {each.id: each for each in self.propositions()}.get(id_)
        if held is not None and set(about) <= set(held.about):
            return held
        made = Proposition(id_, words, tuple(dict.fromkeys((*(held.about if held else ()), *about))))
        self.store.put_proposition(proposition_value(made), recorded_ns=self.clock(), actor=by)
        return made

    def link(self, subject: str, ref: str, *, by: str, holds: bool = True) -> bool:
        """Link a report or claim to something of the home, or take that back; return whether that is new.

        Raises:
            InputError: it is not there.
        """
        if holds:
            self._check((ref,))
        else:
            check_refs((ref,))
        return self.store.set_link(subject, ref, holds=holds, recorded_ns=self.clock(), actor=by)

    def compare(self, proposition: Proposition) -> SideBySide:
        """Set side by side who says what about a proposition."""
        claims = [claim for claim in self.claims() if claim.proposition == proposition.id]
        return side_by_side(proposition, claims, self.reports({claim.report for claim in claims}))

    def contradictions(self) -> tuple[Contradiction, ...]:
        """Return everything among the home's reports that does not go together."""
        return contradictions(self.claims(), self.reports())

    def _decided(self, claim: Claim, by: str, *, about: Sequence[str], happened: str, proposition: str) -> Claim:
        self._check(about)
        interval(happened)
        if proposition and proposition not in {each.id for each in self.propositions()}:
            raise InputError(
                f"there is no proposition `{proposition[:80]}`", help="make one with: groundrule report propose"
            )
        return self._put(
            replace(claim, about=tuple(dict.fromkeys(about)), happened=happened, proposition=proposition), by
        )

    def _put(self, claim: Claim, by: str) -> Claim:
        if not by.strip():
            raise ConflictError("a claim is decided by nobody", help="say who decides with --by")
        now = self.clock()
        decided = parse_claim(claim_value(replace(claim, decided_by=by, decided_at_ns=now)))
        self.store.put_claims([claim_value(decided)], recorded_ns=now, actor=by)
        return decided

    def _check(self, refs: Sequence[str]) -> None:
        check_refs(refs)
        for ref in refs:
            check_link(self.home, ref)
