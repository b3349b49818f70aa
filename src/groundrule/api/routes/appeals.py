"""Appeals: an owner says that a decision is wrong, and has an answer in time. What the log says of it tells nobody whose it is."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Response, get, post
from litestar.params import JSONBody
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenLive, GivenPrincipal, GivenService
from groundrule.api.governed import View, charter_of, entry_of, govern, view_of
from groundrule.api.paging import Cursor, Limit, Page, page_of
from groundrule.api.parties_seen import NAMES
from groundrule.api.party_bodies import Word
from groundrule.api.paths import Id, id_of, missing
from groundrule.api.principal import Principal
from groundrule.api.routes.requests import OutcomeLogged, OutcomeView, Overdue, outcome_of, outcomes_of
from groundrule.api.seen import Sight, sight_of
from groundrule.api.spoken import Accepted, Language, language_of, told
from groundrule.api.terminal_facts import moment
from groundrule.api.times import instant_of, when
from groundrule.errors import ConflictError
from groundrule.evidence.render.words import vocabulary
from groundrule.govern.appeals import appeals, is_appeal
from groundrule.govern.logged import LoggedRequest
from groundrule.govern.requests import clock
from groundrule.instant import NS_PER_S
from groundrule.pipeline.appealing import check_correction, get_appeal, notice, stages, take_appeal
from groundrule.pipeline.governing import Governance
from groundrule.pipeline.live import Live
from groundrule.pipeline.parties import names_of

MAX_TEXT: Final = 200_000


class AppealRow(msgspec.Struct):
    """An appeal.

    Attributes:
        id, log_index: in the log. of: commitment to the decision, as the log has it.
        terminal: whose decision; null where nothing is kept of it. decided_at: observation that it is about.
        protected: the owner has an answer within 72 hours, else 14 days.
        who: who appeals, for whoever may know it.
        opened_at, due, remaining_s: its clock [s; negative: so late]. overdue, ended: whether there is an answer.
        outcome, outcomes: pending, refused, corrected, proposed or withdrawn; and how it came to that.
        stages: the same in plain words.
    """

    id: str
    log_index: int
    of: str
    terminal: str | None
    decided_at: str | None
    protected: bool | None
    who: str | None
    opened_at: str | None
    due: str | None
    remaining_s: int
    overdue: bool
    ended: bool
    outcome: str
    outcomes: list[OutcomeView]
    stages: list[str]


class Opening(msgspec.Struct):
    """What opens the commitment of the log: anybody who has it can check that the appeal is there, and is about this decision."""

    batch_index: int
    leaf_index: int
    leaf: str
    salt: str
    commitment: str


class Notice(AppealRow):
    """What the owner is told; no threshold, rule or detector.

    Attributes:
        decision: the answer in words, and on what basis.
        next: what the owner can do.
        opening: opens what the log says of it.
    """

    decision: list[str]
    next: list[str]
    opening: Opening


class NewAppeal(msgspec.Struct, forbid_unknown_fields=True):
    """An appeal.

    Attributes:
        terminal: whose decision.
        at: the decision in force at this time; the latest if not given.
        text: the owner's letter, or a note of the call; it stays in the home.
        name: who writes; it stays in the home.
    """

    terminal: Word
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT)]
    at: str | None = None
    name: Word | None = None


class TakenAppeal(NewAppeal, forbid_unknown_fields=True, kw_only=True):
    """An appeal that somebody of the operator takes in.

    Attributes:
        received_by: party id of the person who took it.
        channel: letter, call, meeting, email, api or other.
    """

    received_by: Word
    channel: Word = "email"


class AppealAnswer(msgspec.Struct, forbid_unknown_fields=True):
    """The answer to an appeal.

    Attributes:
        outcome: refused: the decision stands. corrected: the evidence was mended, and the terminal has another answer.
        reason: in public words: no person, no place, no threshold.
    """

    outcome: Literal["refused", "corrected", "proposed", "withdrawn"]
    reason: Word


@get("/v1/appeals", opt={"permission": "appeals:read"}, summary="Appeals of all owners, the newest first")
async def all_appeals(
    live: GivenLive, principal: GivenPrincipal, service: GivenService, limit: Limit = 100, cursor: Cursor = None, overdue: Overdue = False,
    language: Language = None, accepted: Accepted = None,
) -> Response[Page[AppealRow]]:  # fmt: skip
    """List appeals with their clock and outcome."""
    wanted = language_of(language, accepted)

    def listed() -> Page[AppealRow]:
        view, now_ns = view_of(live.home), service.clock()
        rows = [_row(view, each, principal, now_ns, wanted) for each in reversed(appeals(view.state))]
        return page_of([AppealRow(**each) for each in rows if each["overdue"] or not overdue], limit, cursor)

    # The framework puts a handler into a thread twice where its path has a second method, and then does not wait for a response.
    return told(await asyncio.to_thread(listed), wanted)


@get("/v1/appeals/{appeal_id:str}", opt={"permission": "appeals:read"}, summary="One appeal, as its owner is told", sync_to_thread=True)
def one_appeal(
    live: GivenLive, principal: GivenPrincipal, service: GivenService, appeal_id: Id, language: Language = None, accepted: Accepted = None
) -> Response[Notice]:
    """Give what the owner is told: the reason, where the appeal stands, until when, and what comes next."""
    view = view_of(live.home)
    wanted = language_of(language, accepted)
    return told(_notice(view, _known(view, appeal_id), principal, service.clock(), wanted), wanted)


@post("/v1/appeals", opt={"permission": "appeals:write"}, status_code=201, summary="Take in an appeal")
async def take(
    data: JSONBody[TakenAppeal], live: GivenLive, principal: GivenPrincipal, service: GivenService,
    language: Language = None, accepted: Accepted = None,
) -> Response[Notice]:  # fmt: skip
    """Record an appeal that came by letter, call or mail. The log holds a commitment and the due time."""
    at_ns = None if data.at is None else instant_of(data.at, "at")
    wanted = language_of(language, accepted)
    return await _opened(live, principal, service, data, at_ns, wanted, received_by=data.received_by, channel=data.channel)


@post("/v1/appeals/{appeal_id:str}/outcomes", opt={"permission": "appeals:write"}, status_code=201, summary="Answer an appeal")
async def answer(data: JSONBody[AppealAnswer], live: GivenLive, service: GivenService, appeal_id: Id) -> OutcomeLogged:
    """Answer an appeal. `corrected` is refused while the terminal has the answer that was appealed against."""

    def act(governance: Governance) -> OutcomeLogged:
        logged = _known(View(governance.home, governance.state, governance.lists), appeal_id)
        if data.outcome == "corrected":
            check_correction(governance.home, logged)
        made = outcome_of(logged.request.id, data.outcome, data.reason, service.clock())
        return OutcomeLogged(logged.request.id, entry_of(governance.request(made)), data.outcome, data.reason)

    return await govern(live, service, act)


@get("/v1/own/appeals", opt={"permission": "appeals:own"}, summary="Appeals about the own terminals")
async def own_appeals(
    live: GivenLive, principal: GivenPrincipal, service: GivenService, limit: Limit = 100, cursor: Cursor = None,
    language: Language = None, accepted: Accepted = None,
) -> Response[Page[AppealRow]]:  # fmt: skip
    """List the appeals about decisions that were made while a terminal was the reader's own."""
    wanted = language_of(language, accepted)

    def listed() -> Page[AppealRow]:
        view, now_ns = view_of(live.home), service.clock()
        sight = sight_of(live, principal)
        rows = [_row(view, each, principal, now_ns, wanted) for each in reversed(appeals(view.state)) if _is_own(sight, view, each)]
        return page_of([AppealRow(**each) for each in rows], limit, cursor)

    return told(await asyncio.to_thread(listed), wanted)


@get("/v1/own/appeals/{appeal_id:str}", opt={"permission": "appeals:own"}, summary="One appeal about an own terminal", sync_to_thread=True)
def own_appeal(
    live: GivenLive, principal: GivenPrincipal, service: GivenService, appeal_id: Id, language: Language = None, accepted: Accepted = None
) -> Response[Notice]:
    """Give what the owner is told."""
    view = view_of(live.home)
    logged = _known(view, appeal_id)
    if not _is_own(sight_of(live, principal), view, logged):
        raise missing("appeal", id_of(appeal_id, "appeal"))
    wanted = language_of(language, accepted)
    return told(_notice(view, logged, principal, service.clock(), wanted), wanted)


@post("/v1/own/appeals", opt={"permission": "appeals:own"}, status_code=201, summary="Appeal against a decision about an own terminal")
async def appeal(
    data: JSONBody[NewAppeal], live: GivenLive, principal: GivenPrincipal, service: GivenService,
    language: Language = None, accepted: Accepted = None,
) -> Response[Notice]:  # fmt: skip
    """Say that a decision is wrong. An answer is due within 72 hours for a protected terminal, within 14 days for others."""
    sight = await asyncio.to_thread(sight_of, live, principal)
    if sight.held is None:
        raise missing("terminal", data.terminal)
    # Also "the latest" is the latest of those that were made while it was theirs.
    at_ns = await asyncio.to_thread(moment, live, data.terminal, sight, data.at)
    return await _opened(live, principal, service, data, at_ns, language_of(language, accepted), received_by=None, channel="api")


async def _opened(
    live: Live, principal: Principal, service: Any, data: NewAppeal, at_ns: int | None, language: str, *,
    received_by: str | None, channel: str,
) -> Response[Notice]:  # fmt: skip
    def act(governance: Governance) -> str:
        request = take_appeal(
            governance.home, data.terminal, at_ns=at_ns, text=data.text.encode(), name=data.name,
            received_by=received_by or _registrar(governance), channel=channel, now_ns=service.clock(),
        )  # fmt: skip
        governance.request(request.value)
        return request.id

    name = await govern(live, service, act)
    view = await asyncio.to_thread(view_of, live.home)
    made = await asyncio.to_thread(_notice, view, view.state.requests[name], principal, service.clock(), language)
    return told(made, language, status_code=201)


def _registrar(governance: Governance) -> str:
    """Who answers for what owners hand in themselves."""
    found = sorted(charter_of(governance.state).role("registrar").parties)
    if not found:
        raise ConflictError("the charter names nobody who takes in appeals", help="name a registrar", refusal="no_registrar")
    return found[0]


def _known(view: View, part: str) -> LoggedRequest:
    name = id_of(part, "appeal")
    logged = view.state.requests.get(name)
    if logged is None or not is_appeal(logged.request):
        raise missing("appeal", name)
    return logged


def _is_own(sight: Sight, view: View, logged: LoggedRequest) -> bool:
    kept = get_appeal(view.home, logged)
    return kept is not None and sight.owns(kept.terminal_id, kept.observed_at_ns)


def _row(view: View, logged: LoggedRequest, principal: Principal, now_ns: int, language: str) -> dict[str, Any]:
    request, where = logged.request, clock(view.state, logged, now_ns)
    kept = get_appeal(view.home, logged)
    named = principal.may(NAMES) or "owner" in principal.roles
    return {
        "id": request.id, "log_index": logged.index, "of": request.appeal_of, "terminal": None if kept is None else kept.terminal_id,
        "decided_at": None if kept is None else when(kept.observed_at_ns), "protected": None if kept is None else kept.protected,
        "who": names_of(view.home, [request.requester]).get(request.requester) if named else None, "opened_at": when(request.received_at),
        "due": when(where.due_ns), "remaining_s": (where.due_ns - now_ns) // NS_PER_S, "overdue": where.overdue, "ended": where.ended,
        "outcome": logged.outcome, "outcomes": outcomes_of(logged), "stages": stages(logged, vocabulary(language)),
    }  # fmt: skip


def _notice(view: View, logged: LoggedRequest, principal: Principal, now_ns: int, language: str) -> Notice:
    made = notice(view.home, view.state, logged, now_ns, language=language)
    row = _row(view, logged, principal, now_ns, language)
    return Notice(**row, decision=made["decision"], next=made["next"], opening=Opening(**made["opening"]))


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    all_appeals, one_appeal, take, answer, own_appeals, own_appeal, appeal,
)  # fmt: skip
