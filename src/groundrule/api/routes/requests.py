"""Requests from outside: who asks what on what basis, and what became of it. None is forgotten, and silence is no answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import get, post
from litestar.params import JSONBody, Parameter
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenLive, GivenPrincipal, GivenService
from groundrule.api.governed import View, entry_of, govern, one, signed_time, view_of
from groundrule.api.paging import Cursor, Limit, Page, page_of
from groundrule.api.parties_seen import Parties, PartyView
from groundrule.api.party_bodies import PartyGiven, Word, check_known, party_value
from groundrule.api.paths import Id, id_of
from groundrule.api.problems import Refused
from groundrule.api.screening_view import ScreeningView, screening_of
from groundrule.api.times import when
from groundrule.errors import StoreError
from groundrule.govern.appeals import is_appeal
from groundrule.govern.logged import LoggedRequest
from groundrule.govern.objects import RequestOutcome
from groundrule.govern.requests import clock, conflicting, proposals_of
from groundrule.govern.signed import format_time, whole_ms
from groundrule.instant import NS_PER_S
from groundrule.pipeline.governing import Governance
from groundrule.pipeline.intake import take_request
from groundrule.pipeline.parties import put_party
from groundrule.pipeline.party_screening import screen_parties
from groundrule.store.policy import get_object, put_object

MAX_TEXT: Final = 500_000
"""Longest letter that is taken in [characters]."""
SHOWN: Final = 100_000
"""How much of a letter an answer holds [characters]."""
Ending = Literal["proposed", "refused", "withdrawn", "informally_followed"]
Overdue = Annotated[bool, Parameter(description="Only those that are late for an answer.")]


class AskView(msgspec.Struct):
    """One thing that is asked for; `refrain` asks not to act."""

    op: str
    object: str
    from_: str | None = msgspec.field(name="from")
    until: str | None
    detail: str


class Basis(msgspec.Struct):
    """On what a request rests."""

    kind: str
    reference: str


class OutcomeView(msgspec.Struct):
    """What became of a request, at a time.

    Attributes:
        conflicts, priority: requests that oblige to the contrary, and which obligation comes first.
    """

    outcome: str
    reason: str
    at: str | None
    conflicts: list[str]
    priority: str | None


class RequestRow(msgspec.Struct):
    """A request.

    Attributes:
        id, log_index: in the log.
        asks: what is asked for.
        requester, on_behalf_of, conveyed_by: who asks, the chain to the real principal (`self`, `unknown`), and through whom.
        received_by, channel: who took it in, and how it came.
        occurred_at, received_at, recorded_at: when it was said, received and recorded. late_s: from the first to the last [s].
        basis, purpose: on what it rests, and what for.
        outcome, outcomes: the last one, and all.
        due, ended, overdue: until when an answer is due, and whether there is one.
        appeal: it is an appeal of an owner.
        proposals: made because of it. conflicting: requests that ask for the opposite.
        text_sha256: digest of the letter, or of the note of the talk.
    """

    id: str
    log_index: int
    asks: list[AskView]
    requester: PartyView
    on_behalf_of: list[PartyView]
    conveyed_by: PartyView | None
    received_by: PartyView
    channel: str
    occurred_at: str | None
    received_at: str | None
    recorded_at: str | None
    late_s: int
    basis: Basis
    purpose: str
    outcome: str
    outcomes: list[OutcomeView]
    due: str | None
    ended: bool
    overdue: bool
    appeal: bool
    proposals: list[str]
    conflicting: list[str]
    text_sha256: str


class RequestView(RequestRow):
    """A request with everything that its reader may see.

    Attributes:
        text: the letter; null for whoever may not read what persons wrote, where it was erased, or for an appeal.
        screenings: the last one of everybody behind it.
    """

    text: str | None
    screenings: list[ScreeningView]


class AskGiven(msgspec.Struct, forbid_unknown_fields=True, rename={"from_": "from"}):
    """One thing that is asked for: serve, restrict, review, deny, refrain, list_add, list_remove, disclose or other."""

    op: Word
    object: Word
    from_: str | None = None
    until: str | None = None
    detail: Annotated[str, msgspec.Meta(max_length=20_000)] = ""


class BasisGiven(msgspec.Struct, forbid_unknown_fields=True):
    """On what a request rests: law, court, contract, treaty, voluntary or none_stated, and the reference to it."""

    kind: Word
    reference: Annotated[str, msgspec.Meta(max_length=2_000)] = ""


class NewRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A request as a registrar takes it in. Names and text stay in the home; the log gets ids and what is asked.

    Attributes:
        requester, on_behalf_of, conveyed_by: an id, a description, or `self` and `unknown` in the chain.
        received_by: party id of the person who took it in.
        channel: letter, call, meeting, email, api, court_order, intermediary or other.
        purpose: military, law_enforcement, humanitarian, commercial or technical.
        text: the letter, or a note of the talk.
        ask: what is asked for, in words that name no person.
    """

    requester: Word | PartyGiven
    received_by: Word
    channel: Word
    purpose: Word
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT)]
    ask: Annotated[list[AskGiven], msgspec.Meta(min_length=1, max_length=200)]
    on_behalf_of: Annotated[list[Word | PartyGiven], msgspec.Meta(min_length=1, max_length=50)] = msgspec.field(
        default_factory=lambda: ["self"]
    )
    conveyed_by: Word | PartyGiven | None = None
    legal_basis: BasisGiven | None = None
    occurred_at: str | None = None
    received_at: str | None = None


class NewOutcome(msgspec.Struct, forbid_unknown_fields=True):
    """What became of a request.

    Attributes:
        reason: in public words that name no person.
        conflicts, priority: requests that oblige to the contrary, and which obligation comes first and why.
    """

    outcome: Ending
    reason: Word
    conflicts: Annotated[list[Word], msgspec.Meta(max_length=100)] = []
    priority: Word | None = None


class ToScreen(msgspec.Struct, forbid_unknown_fields=True):
    """Who is screened besides requester and chain, for instance who gains."""

    parties: Annotated[list[Word], msgspec.Meta(max_length=100)] = []


class OutcomeLogged(msgspec.Struct):
    """An outcome on record; `log_index` is null where it was before."""

    id: str
    log_index: int | None
    outcome: str
    reason: str


@get("/v1/requests", opt={"permission": "requests:read"}, summary="Requests, the newest first", sync_to_thread=True)
def requests(
    live: GivenLive, principal: GivenPrincipal, service: GivenService, limit: Limit = 100, cursor: Cursor = None,
    overdue: Overdue = False,
) -> Page[RequestRow]:  # fmt: skip
    """List requests with their clock and outcome."""
    view, now_ns = view_of(live.home), service.clock()
    parties = Parties(live.home, principal, view.state)
    known: Sequence[LoggedRequest] = list(reversed(view.state.requests.values()))
    if overdue:
        known = [each for each in known if clock(view.state, each, now_ns).overdue]
    page = page_of(known, limit, cursor)
    return Page([RequestRow(**_row(view, each, parties, now_ns)) for each in page.items], page.next)


@get("/v1/requests/{request_id:str}", opt={"permission": "requests:read"}, summary="One request", sync_to_thread=True)
def request_(live: GivenLive, principal: GivenPrincipal, service: GivenService, request_id: Id) -> RequestView:
    """Give a request with the screenings of everybody behind it."""
    view = view_of(live.home)
    return _view(view, id_of(request_id, "request"), Parties(live.home, principal, view.state), service.clock())


@post("/v1/requests", opt={"permission": "requests:write"}, request_max_body_size=4 * MAX_TEXT, status_code=201, summary="Record a request")
async def open_(data: JSONBody[NewRequest], live: GivenLive, principal: GivenPrincipal, service: GivenService) -> RequestView:
    """Record what somebody asks for; also what is asked not to be done."""
    times = {name: signed_time(getattr(data, name), name) for name in ("occurred_at", "received_at")}
    draft = {
        "requester": party_value(data.requester), "on_behalf_of": [party_value(each) for each in data.on_behalf_of],
        "conveyed_by": party_value(data.conveyed_by), "channel": data.channel, "received_by": data.received_by, "text": "text",
        "ask": [
            {"op": each.op, "object": each.object, "from": signed_time(each.from_, "ask.from"),
             "until": signed_time(each.until, "ask.until"), "detail": each.detail}
            for each in data.ask
        ],
        "purpose": data.purpose, **{name: value for name, value in times.items() if value is not None},
        **({} if data.legal_basis is None else {"legal_basis": msgspec.to_builtins(data.legal_basis)}),
    }  # fmt: skip

    def act(governance: Governance) -> RequestView:
        home, now_ns = governance.home, service.clock()
        taken = take_request(draft, read=lambda _: data.text.encode(), now_ns=now_ns)
        check_known(home, taken.parties)
        for record in taken.parties:
            put_party(home, record)
        put_object(home, taken.text)
        governance.request(taken.request.value)
        view = View(home, governance.state, governance.lists)
        return _view(view, taken.request.id, Parties(home, principal, view.state), now_ns)

    return await govern(live, service, act)


@post("/v1/requests/{request_id:str}/outcomes", opt={"permission": "requests:write"}, status_code=201, summary="Answer a request")
async def close(data: JSONBody[NewOutcome], live: GivenLive, service: GivenService, request_id: Id) -> OutcomeLogged:
    """Record what became of a request, with the reason; a refusal stays as visible as anything else."""
    name = id_of(request_id, "request")

    def act(governance: Governance) -> OutcomeLogged:
        logged = one(name, governance.state.requests, "request")
        if is_appeal(logged.request):
            raise Refused(422, "this is an appeal", code="bad_input", help=f"answer it at /v1/appeals/{name}/outcomes")
        made = outcome_of(name, data.outcome, data.reason, service.clock(), data.conflicts, data.priority)
        return OutcomeLogged(name, entry_of(governance.request(made)), data.outcome, data.reason)

    return await govern(live, service, act)


@post("/v1/requests/{request_id:str}/screenings", opt={"permission": "requests:write"}, status_code=201, summary="Screen who is behind it")
async def screen(
    data: JSONBody[ToScreen], live: GivenLive, principal: GivenPrincipal, service: GivenService, request_id: Id
) -> list[ScreeningView]:
    """Compare requester, chain and further parties with the newest lists of the home, and log it; persons decide on candidates."""
    name = id_of(request_id, "request")

    def act(governance: Governance) -> list[ScreeningView]:
        state, home = governance.state, governance.home
        asked = one(name, state.requests, "request").request
        wanted = sorted({asked.requester} | asked.chain | set(data.parties))
        parties = Parties(home, principal, state)
        made = []
        for each in screen_parties(home, state, wanted, now_ns=service.clock()):
            governance.screen(each.screening.value)
            made.append(screening_of(state.screenings[each.screening.id], parties, each.found))
        return made

    return await govern(live, service, act)


def outcome_of(
    request_id: str, outcome: str, reason: str, now_ns: int, conflicts: Sequence[str] = (), priority: str | None = None
) -> dict[str, Any]:
    """Return the entry that says what became of a request."""
    return RequestOutcome.parse(
        {
            "id": request_id, "outcome": outcome, "outcome_reason": reason, "conflicts": list(conflicts), "priority": priority,
            "at": format_time(whole_ms(now_ns)),
        }
    ).value  # fmt: skip


def outcomes_of(logged: LoggedRequest) -> list[OutcomeView]:
    """Return what became of a request, in order."""
    return [
        OutcomeView(each.outcome, each.outcome_reason, when(each.at), list(each.conflicts), each.priority) for each in logged.outcomes
    ]


def _row(view: View, logged: LoggedRequest, parties: Parties, now_ns: int) -> dict[str, Any]:
    request, where = logged.request, clock(view.state, logged, now_ns)
    return {
        "id": request.id, "log_index": logged.index,
        "asks": [
            AskView(each.op, each.object, _time(each.from_), _time(each.until), each.detail) for each in request.ask
        ],
        "requester": parties.of(request.requester), "on_behalf_of": parties.each(request.on_behalf_of),
        "conveyed_by": None if request.conveyed_by is None else parties.of(request.conveyed_by),
        "received_by": parties.of(request.received_by), "channel": request.channel, "occurred_at": when(request.occurred_at),
        "received_at": when(request.received_at), "recorded_at": when(request.recorded_at), "late_s": where.late_ns // NS_PER_S,
        "basis": Basis(request.legal_basis.kind, request.legal_basis.reference), "purpose": request.purpose,
        "outcome": logged.outcome, "outcomes": outcomes_of(logged), "due": when(where.due_ns), "ended": where.ended,
        "overdue": where.overdue, "appeal": is_appeal(request), "proposals": list(proposals_of(view.state, request.id)),
        "conflicting": list(conflicting(view.state, request)), "text_sha256": request.text_sha256,
    }  # fmt: skip


def _view(view: View, request_id: str, parties: Parties, now_ns: int) -> RequestView:
    logged = one(request_id, view.state.requests, "request")
    request = logged.request
    found = (view.state.screening_of(party) for party in sorted({request.requester} | request.chain))
    text = _text(view, request.text_sha256) if parties.persons and not is_appeal(request) else None
    screened = [screening_of(each, parties) for each in found if each is not None]
    return RequestView(**_row(view, logged, parties, now_ns), text=text, screenings=screened)


def _text(view: View, digest: str) -> str | None:
    try:
        return get_object(view.home, digest).decode("utf-8", "replace")[:SHOWN]
    except StoreError:
        return None  # erased


def _time(instant_ns: int | None) -> str | None:
    return None if instant_ns is None else when(instant_ns)


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (requests, request_, open_, close, screen)
