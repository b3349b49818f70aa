"""Outside reports as evidence: handed in as files, read apart, claims decided by persons, set side by side. Facts stay theirs."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from litestar import Request, get, post
from litestar.params import JSONBody, Parameter, QueryParameter
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenLive, GivenPrincipal, GivenService
from groundrule.api.paging import Cursor, Limit, Page, page_of
from groundrule.api.party_bodies import Word
from groundrule.api.paths import Id, id_of, missing
from groundrule.api.problems import Refused
from groundrule.api.report_view import (
    ClaimView,
    PropositionRow,
    ReportRow,
    ReportView,
    SideBySideView,
    claim_of,
    compared,
    proposition_of,
    report_of,
    row_of,
)
from groundrule.api.state import Service
from groundrule.api.times import instant_of
from groundrule.errors import GroundruleError, InputError
from groundrule.evidence.raw_files import safe_name
from groundrule.evidence.report import Attribution, Claim, ClaimKind, ClaimStatus, Stance
from groundrule.pipeline.home_ledger import HomeLedger
from groundrule.pipeline.incoming import Incoming
from groundrule.pipeline.live import Live
from groundrule.pipeline.reading_apart import ReadBefore, ReaderApart
from groundrule.pipeline.reports import Imported, ReportDesk, import_reports
from groundrule.store.home import Home
from groundrule.store.reports import ReportStore, StoredReading

T = TypeVar("T")
MAX_FILE: Final = 64 << 20
READERS: Final = threading.BoundedSemaphore(2)
"""Files that are read at once; each reader may take 1.5 GB."""
FileName = Annotated[str, QueryParameter(name="name", min_length=1, max_length=200, description="Of the file; for people.")]
CapturedAt = Annotated[str | None, Parameter(max_length=40, description="When it was captured; never guessed.")]
CapturedBy = Annotated[str, Parameter(max_length=200, description="Who or what captured it.")]
SourceUrl = Annotated[str, Parameter(max_length=2_000, description="Address it was captured from. Nothing is fetched.")]
Refs = Annotated[list[Word], msgspec.Meta(max_length=100)]
StanceWord = Literal[
    "reports", "confirms", "denies", "unaware", "cannot_corroborate", "declines", "no_reply", "calls_for_inquiry"
]
KindWord = Literal["fact", "opinion"]
_UPLOAD: Final = {
    "requestBody": {
        "required": True,
        "description": "A saved page, web archive (WARC, MHTML), PDF or plain text, as it is",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class ImportedView(msgspec.Struct):
    """What became of a file.

    Attributes:
        reports: that were read from it; an archive may hold several.
        new: readings that were not held before. suggested: claims that rules suggest.
        logged: the log holds digest, size and time of capture; null where there is no log, or the bytes were known.
        trouble: why it does not yet.
    """

    reports: list[ReportRow]
    new: int
    suggested: int
    logged: bool | None
    trouble: list[str]


class AttributionGiven(msgspec.Struct, forbid_unknown_fields=True):
    """On whose word a claim rests: names and kinds of sources as they are written, and another outlet."""

    named: Refs = []
    unnamed: Refs = []
    unnamed_count: Annotated[int, msgspec.Meta(ge=0, le=10_000)] | None = None
    outlet: Annotated[str, msgspec.Meta(max_length=400)] = ""


class NewClaim(msgspec.Struct, forbid_unknown_fields=True):
    """A claim that no rule found.

    Attributes:
        start, end: its characters in the report's text, half-open, in code points.
        statement: in one sentence; the characters themselves if not given.
    """

    start: Annotated[int, msgspec.Meta(ge=0)]
    end: Annotated[int, msgspec.Meta(ge=0)]
    statement: Annotated[str, msgspec.Meta(max_length=20_000)] = ""
    kind: KindWord = "fact"
    stance: StanceWord = "reports"
    attribution: AttributionGiven | None = None
    about: Refs = []
    happened: Annotated[str, msgspec.Meta(max_length=100)] = ""
    proposition: Annotated[str, msgspec.Meta(max_length=100)] = ""


class ClaimDecision(msgspec.Struct, forbid_unknown_fields=True):
    """What a person decides about a claim.

    Attributes:
        verdict: confirm: the report says this, which does not say that it is so. reject: it does not.
        statement, stance, kind, about, happened, proposition: replace what was suggested, where given.
    """

    verdict: Literal["confirm", "reject"]
    statement: Annotated[str, msgspec.Meta(max_length=20_000)] = ""
    stance: StanceWord | None = None
    kind: KindWord | None = None
    about: Refs = []
    happened: Annotated[str, msgspec.Meta(max_length=100)] = ""
    proposition: Annotated[str, msgspec.Meta(max_length=100)] = ""


class NewLink(msgspec.Struct, forbid_unknown_fields=True):
    """A link of a report or claim to something of the home; nothing changes there.

    Attributes:
        subject: id of a report or claim.
        ref: party:…, area:…, terminal:…, contact:…, list_entry:… or rule:….
        holds: false takes it back; that it held stays on record.
    """

    subject: Word
    ref: Word
    holds: bool = True


class Linked(msgspec.Struct):
    """What a report or claim is linked to now."""

    subject: str
    new: bool
    links: list[str]


class NewProposition(msgspec.Struct, forbid_unknown_fields=True):
    """One neutral sentence, of which claims can say yes, no, or that they do not know."""

    sentence: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
    about: Refs = []


@get("/v1/reports", opt={"permission": "reports:read"}, summary="Outside reports", sync_to_thread=True)
def reports(live: GivenLive, limit: Limit = 100, cursor: Cursor = None) -> Page[ReportRow]:
    """List the reports of the home with their claims counted, the newest first."""
    with _reading(live.home) as desk:
        if desk is None:
            return Page([])
        counts = _counts(desk)
        page = page_of(list(reversed(desk.store.reports())), limit, cursor)
        return Page([row_of(each, counts) for each in page.items], page.next)


@get("/v1/reports/{report_id:str}", opt={"permission": "reports:read"}, summary="One report with its claims", sync_to_thread=True)
def report(live: GivenLive, report_id: Id) -> ReportView:
    """Give a report: where it comes from, what was odd, its text with roles, and its claims with characters and stances."""
    name = id_of(report_id, "report")
    with _reading(live.home) as desk:
        row = _row(desk, name)
        assert desk is not None
        found = desk.report(row)
        links = [link.ref for link in desk.store.links(subject=name)]
        return report_of(row, found, desk.claims(name), links, len(desk.store.readings_of(name)), _counts(desk))


@post(
    "/v1/reports", status_code=201, request_max_body_size=MAX_FILE, summary="Import a report",
    opt={"permission": "reports:write", "openapi": _UPLOAD},
)  # fmt: skip
async def import_(
    request: Request[Any, Any, Any], live: GivenLive, principal: GivenPrincipal, service: GivenService, file_name: FileName,
    captured_at: CapturedAt = None, captured_by: CapturedBy = "", source_url: SourceUrl = "",
) -> ImportedView:  # fmt: skip
    """Keep a file, read it in a process apart within bounds, and suggest what it claims. No register, list or policy changes."""
    captured_ns = None if captured_at is None else instant_of(captured_at, "captured_at")
    raw = await request.body()
    if not raw:
        raise Refused(422, "the body is empty", code="bad_input", help="send the file as the body of the request")
    given = _Given(raw, safe_name(file_name), captured_ns, captured_by, source_url)
    before = await asyncio.to_thread(_read_apart, given)

    def act(home: Home, ledger: HomeLedger | None) -> ImportedView:
        return _imported(home, ledger, given, before, principal.id, service)

    return await _acted(live, act)


@post("/v1/reports/{report_id:str}/claims", opt={"permission": "reports:write"}, status_code=201, summary="Enter a claim by hand")
async def add(
    data: JSONBody[NewClaim], live: GivenLive, principal: GivenPrincipal, service: GivenService, report_id: Id
) -> ClaimView:
    """Enter what no rule found."""
    name, said = id_of(report_id, "report"), data.attribution or AttributionGiven()
    attribution = Attribution(tuple(said.named), tuple(said.unnamed), said.unnamed_count, said.outlet)

    def act(desk: ReportDesk) -> ClaimView:
        found = desk.report(_row(desk, name))
        made = desk.add(
            found, data.start, data.end, by=principal.id, statement=data.statement, kind=ClaimKind(data.kind), stance=Stance(data.stance),
            attribution=attribution, about=data.about, happened=data.happened, proposition=data.proposition,
        )  # fmt: skip
        return claim_of(made, found)

    return await _wrote(live, service, act)


@post("/v1/claims/{claim_id:str}/decisions", opt={"permission": "reports:write"}, status_code=201, summary="Confirm or reject a claim")
async def decide(
    data: JSONBody[ClaimDecision], live: GivenLive, principal: GivenPrincipal, service: GivenService, claim_id: Id
) -> ClaimView:
    """Decide whether the report says this. What was suggested, and who decided, stays on record."""
    name = id_of(claim_id, "claim")

    def act(desk: ReportDesk) -> ClaimView:
        _claim(desk, name)
        if data.verdict == "reject":
            made = desk.reject(name, by=principal.id)
        else:
            made = desk.confirm(
                name, by=principal.id, statement=data.statement, stance=None if data.stance is None else Stance(data.stance),
                kind=None if data.kind is None else ClaimKind(data.kind), about=data.about, happened=data.happened,
                proposition=data.proposition,
            )  # fmt: skip
        return claim_of(made, desk.reports({made.report}).get(made.report))

    return await _wrote(live, service, act)


@post("/v1/reports/links", opt={"permission": "reports:write"}, status_code=201, summary="Link a report or claim")
async def link(data: JSONBody[NewLink], live: GivenLive, principal: GivenPrincipal, service: GivenService) -> Linked:
    """Link a report or a claim to something of the home, or take that back."""

    def act(desk: ReportDesk) -> Linked:
        if data.subject.startswith("claim-"):
            _claim(desk, data.subject)
        else:
            _row(desk, data.subject)
        new = desk.link(data.subject, data.ref, by=principal.id, holds=data.holds)
        return Linked(data.subject, new, [each.ref for each in desk.store.links(subject=data.subject)])

    return await _wrote(live, service, act)


@get("/v1/propositions", opt={"permission": "reports:read"}, summary="What claims of several reports speak of", sync_to_thread=True)
def propositions(live: GivenLive, limit: Limit = 100, cursor: Cursor = None) -> Page[PropositionRow]:
    """List propositions with how many claims speak of each."""
    with _reading(live.home) as desk:
        if desk is None:
            return Page([])
        count = Counter(each.proposition for each in desk.claims() if each.status is not ClaimStatus.REJECTED)
        page = page_of(desk.propositions(), limit, cursor)
        return Page([proposition_of(each, count[each.id]) for each in page.items], page.next)


@get("/v1/propositions/{proposition_id:str}", opt={"permission": "reports:read"}, summary="Who says what about it", sync_to_thread=True)
def compare(live: GivenLive, proposition_id: Id) -> SideBySideView:
    """Set side by side who says what: stances, independent origins, contradictions. None is preferred."""
    name = id_of(proposition_id, "proposition")
    with _reading(live.home) as desk:
        made = None if desk is None else next((each for each in desk.propositions() if each.id == name), None)
        if made is None or desk is None:
            raise missing("proposition", name)
        found = desk.compare(made)
        return compared(found, desk.reports({row.claim.report for row in found.rows}))


@post("/v1/propositions", opt={"permission": "reports:write"}, status_code=201, summary="Set up a proposition")
async def propose(data: JSONBody[NewProposition], live: GivenLive, principal: GivenPrincipal, service: GivenService) -> PropositionRow:
    """Set up a sentence that claims can be about; the same sentence is the same proposition."""
    return await _wrote(
        live, service, lambda desk: proposition_of(desk.propose(data.sentence, by=principal.id, about=data.about), 0)
    )


# --- import -----------------------------------------------------------------------------------------------------------


class _Given(msgspec.Struct, frozen=True):
    """A file as it was handed in."""

    raw: bytes
    name: str
    captured_ns: int | None
    captured_by: str
    source_url: str


def _read_apart(given: _Given) -> ReadBefore:
    """Read a file in a process of its own, before anybody who writes to the home would have to wait for it."""
    with READERS, ReaderApart() as reader:
        if len(given.raw) > reader.limits.raw_bytes:
            said = f"the file has {len(given.raw):,} bytes"
            raise Refused(413, said, code="too_large", help=f"at most {reader.limits.raw_bytes:,}; hand in the article alone")
        readings = reader.read(
            given.raw, file_name=given.name, captured_at_ns=given.captured_ns, captured_by=given.captured_by, source_url=given.source_url
        )
        return ReadBefore(reader.limits, {sha256(given.raw).hexdigest(): readings})


def _imported(
    home: Home, ledger: HomeLedger | None, given: _Given, before: ReadBefore, actor: str, service: Service
) -> ImportedView:
    with tempfile.TemporaryDirectory(prefix="report-") as folder:
        # The bytes are read from a file like any other; its name is that of the upload, made safe.
        path = Path(folder) / given.name
        path.write_bytes(given.raw)
        result = import_reports(
            home, [Incoming(given.name, path=path)], actor=actor, captured_at_ns=given.captured_ns, captured_by=given.captured_by,
            source_url=given.source_url, clock=service.clock, reader=before, ledger=ledger,
        )  # fmt: skip
    (one,) = result.files
    if one.refused:
        raise InputError(one.refused.replace(f"{folder}/", ""), help="hand in a saved page, web archive, PDF or plain text")
    return _view(home, one, result.logged, result.trouble)


def _view(home: Home, one: Imported, logged: bool | None, trouble: tuple[str, ...]) -> ImportedView:
    with ReportStore.open(home) as store:
        desk = ReportDesk(home, store)
        wanted = {each.id for each in one.reports}
        rows = [row_of(row, _counts(desk)) for row in store.reports() if row.report in wanted]
    return ImportedView(rows, one.new, one.suggested, logged, list(trouble))


# --- the desk ---------------------------------------------------------------------------------------------------------


@contextmanager
def _reading(home: Home) -> Iterator[ReportDesk | None]:
    if not ReportStore.exists(home):
        yield None
        return
    with ReportStore.open(home) as store:
        yield ReportDesk(home, store)


async def _wrote(live: Live, service: Service, do: Callable[[ReportDesk], T]) -> T:
    def act(home: Home, _: HomeLedger | None) -> T:
        with ReportStore.open(home) as store:
            return do(ReportDesk(home, store, service.clock))

    return await _acted(live, act)


async def _acted(live: Live, act: Callable[[Home, HomeLedger | None], T]) -> T:
    try:
        return await asyncio.wrap_future(live.act(act))
    except GroundruleError as error:
        # Where the home lies is nothing that a caller knows.
        error.message = error.message.replace(str(live.home.path), "this home")
        raise


def _row(desk: ReportDesk | None, name: str) -> StoredReading:
    found = None if desk is None else next((row for row in desk.store.reports() if row.report == name), None)
    if found is None:
        raise missing("report", name)
    return found


def _claim(desk: ReportDesk, name: str) -> Claim:
    if not desk.store.claim_history(name):
        raise missing("claim", name)
    return desk.claim(name)


def _counts(desk: ReportDesk) -> Counter[tuple[str, ClaimStatus]]:
    return Counter((each.report, each.status) for each in desk.claims())


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    reports, report, import_, add, decide, link, propositions, compare, propose,
)  # fmt: skip
