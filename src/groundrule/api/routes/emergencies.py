"""Emergencies: two persons, one direction, a narrow scope, at most 24 hours, reviewed or reverted, with clocks that run."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Annotated, Final, Literal

import msgspec
from litestar import get, post
from litestar.params import JSONBody
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenLive, GivenPrincipal, GivenService
from groundrule.api.governed import View, govern, one, view_of
from groundrule.api.paging import Cursor, Limit, Page, page_of
from groundrule.api.parties_seen import Parties, PartyView
from groundrule.api.party_bodies import Word
from groundrule.api.paths import Id, id_of
from groundrule.api.principal import Principal
from groundrule.api.problems import Refused
from groundrule.api.signed_bodies import Envelope, merged, value_of
from groundrule.api.times import when
from groundrule.errors import GroundruleError
from groundrule.govern.emergency import TERMINAL, active, frozen, opened_in, overdue_reviews, reverts
from groundrule.govern.logged import LoggedEmergency
from groundrule.govern.objects import Emergency, EmergencyClose
from groundrule.govern.refusal import CLOCK_TOLERANCE_NS
from groundrule.govern.signed import COMMITTED, payload_type
from groundrule.instant import NS_PER_S
from groundrule.ledger.reader import read_log
from groundrule.pipeline.emergency_draft import committed_emergency, plain_emergency
from groundrule.pipeline.emergency_overlay import Clocks, monotonic_of, overlay_for_run
from groundrule.pipeline.governing import Governance
from groundrule.pipeline.home_ledger import has_ledger, log_folder
from groundrule.pipeline.parties import openings_for
from groundrule.signing import open_envelope

MAX_WAIT_S: Final = 900


class ReviewClock(msgspec.Struct):
    """The review that must follow.

    Attributes:
        verdict: upheld, reversed or partly; null while it is not concluded.
        due, remaining_s: until when, and how long that is [s; negative: so late]. overdue: everything reverts, and the role is frozen.
    """

    verdict: str | None
    due: str | None
    remaining_s: int
    overdue: bool


class EmergencyView(msgspec.Struct):
    """An emergency.

    Attributes:
        id, log_index: in the log. witnessed: the published head covers it; until then it counts as unwitnessed.
        condition, direction: why, and permit_only or deny_only.
        areas, terminals, ops: what it touches; terminals as commitments for whoever may not see them.
        openers: the two persons.
        opened_at, ttl_s, ends_at, remaining_s: its clock; remaining_s is 0 when it does not run [s].
        state: active, expired, reverted or closed. closed_at: when it ended before its time, or was noted as ended.
        renewal_of: that it prolongs.
        returns_to: digest of the policy that holds when it ends.
        review: that must follow.
    """

    id: str
    log_index: int
    witnessed: bool
    condition: str
    direction: str
    areas: list[str]
    terminals: list[str]
    ops: list[str]
    openers: list[PartyView]
    opened_at: str | None
    ttl_s: int
    ends_at: str | None
    remaining_s: int
    state: Literal["active", "expired", "reverted", "closed"]
    closed_at: str | None
    renewal_of: str | None
    returns_to: str
    review: ReviewClock


class Emergencies(Page[EmergencyView]):
    """A page of emergencies, and how the power is used.

    Attributes:
        active: that run now. opened_in_30_days: how many were opened.
        frozen: the role may not act, because a review is overdue.
        overdue_reviews: ids of what waits for a review beyond its time.
        conditions: for which the charter allows one.
    """

    active: int = 0
    opened_in_30_days: int = 0
    frozen: bool = False
    overdue_reviews: list[str] = msgspec.field(default_factory=list)
    conditions: list[str] = msgspec.field(default_factory=list)


class NewEmergency(msgspec.Struct, forbid_unknown_fields=True):
    """An emergency to be signed.

    Attributes:
        openers: party ids of the two persons who will sign.
        condition: one of the charter's.
        direction: permit_only or deny_only.
        ops: serve; or restrict, review, deny.
        ttl_s: how long it lasts [s], at most 24 hours.
        areas, terminals: what it touches; empty lists mean nothing, never everything.
        opens_in_s: it opens this long from now [s]; both may sign until 15 minutes later.
        renewal_of: emergency that it prolongs.
    """

    openers: Annotated[list[Word], msgspec.Meta(min_length=2, max_length=2)]
    condition: Word
    direction: Literal["permit_only", "deny_only"]
    ops: Annotated[list[Word], msgspec.Meta(min_length=1, max_length=4)]
    ttl_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)]
    areas: Annotated[list[Word], msgspec.Meta(max_length=1_000)] = []
    terminals: Annotated[list[Word], msgspec.Meta(max_length=1_000)] = []
    opens_in_s: Annotated[int, msgspec.Meta(ge=0, le=MAX_WAIT_S)] = 0
    renewal_of: Word | None = None


class OpeningGiven(msgspec.Struct):
    """Which terminal a commitment stands for; for the two who sign, and nobody else."""

    commitment: str
    terminal: str
    salt: str


class EmergencyDraft(msgspec.Struct):
    """The exact bytes that both sign on their own devices: `groundrule emergency sign`.

    Attributes:
        id, digest: of the emergency, and of the bytes [SHA-256].
        payload: the bytes, in base64. payload_type: for the envelope.
        opens_at: from when it counts.
        openings: which terminals the commitments in it stand for.
    """

    id: str
    digest: str
    payload: str
    payload_type: str
    opens_at: str | None
    openings: list[OpeningGiven]


class SignedTogether(msgspec.Struct, forbid_unknown_fields=True):
    """Envelopes over the same bytes, of one or several signers."""

    envelopes: Annotated[list[Envelope], msgspec.Meta(min_length=1, max_length=20)]


@get("/v1/emergencies", opt={"permission": "emergencies:read"}, summary="Emergencies, the newest first", sync_to_thread=True)
def emergencies(
    live: GivenLive, principal: GivenPrincipal, service: GivenService, limit: Limit = 100, cursor: Cursor = None
) -> Emergencies:
    """List emergencies: active, ended, reviewed or overdue."""
    view, now_ns = view_of(live.home), service.clock()
    state = view.state
    shown = _Shown(view, principal, now_ns)
    # Which contacts wait for a review is for those who read reviews.
    late = [each for each in overdue_reviews(state, now_ns) if each in state.emergencies or principal.may("reviews:read")]
    page = page_of(list(reversed(state.emergencies.values())), limit, cursor)
    return Emergencies(
        [shown.of(each) for each in page.items], page.next, len(shown.running), opened_in(state, now_ns), frozen(state, now_ns),
        late, [] if state.charter is None else list(state.charter.limits.emergency_conditions),
    )  # fmt: skip


@get("/v1/emergencies/{emergency_id:str}", opt={"permission": "emergencies:read"}, summary="One emergency", sync_to_thread=True)
def emergency_(live: GivenLive, principal: GivenPrincipal, service: GivenService, emergency_id: Id) -> EmergencyView:
    """Give an emergency."""
    view = view_of(live.home)
    found = one(id_of(emergency_id, "emergency"), view.state.emergencies, "emergency")
    return _Shown(view, principal, service.clock()).of(found)


@post("/v1/emergencies/drafts", opt={"permission": "emergencies:write"}, status_code=200, summary="Make the bytes that two persons sign")
async def draft(data: JSONBody[NewEmergency], live: GivenLive, service: GivenService) -> EmergencyDraft:
    """Draft an emergency against what is in force; nothing is logged, and nothing opens."""
    written = {
        "openers": data.openers, "condition": data.condition, "direction": data.direction, "ops": data.ops, "ttl_s": data.ttl_s,
        "areas": data.areas, "terminals": data.terminals, "renewal_of": data.renewal_of,
    }  # fmt: skip

    def act(governance: Governance) -> EmergencyDraft:
        plain = plain_emergency(governance.state, written, service.clock() + data.opens_in_s * NS_PER_S)
        made = committed_emergency(governance.home, plain)
        openings = [OpeningGiven(**each) for each in openings_for(governance.home, made.scope.terminals)]
        payload = b64encode(made.data).decode()
        return EmergencyDraft(made.id, made.digest, payload, payload_type("emergency"), when(made.opened_at), openings)

    return await govern(live, service, act)


@post("/v1/emergencies", opt={"permission": "emergencies:write"}, status_code=201, summary="Open an emergency that two persons signed")
async def open_(data: JSONBody[SignedTogether], live: GivenLive, principal: GivenPrincipal, service: GivenService) -> EmergencyView:
    """Open an emergency within 15 minutes of the time that both signed, from which it counts: logged before it has an effect."""
    envelope = merged(data.envelopes)
    wait_ns = _opens_ns(envelope) - service.clock()
    if wait_ns > CLOCK_TOLERANCE_NS:
        seconds = -(-wait_ns // NS_PER_S)
        said = f"its time of opening comes in {seconds} s"
        raise Refused(409, said, code="conflict", help="hand it in then", headers={"Retry-After": str(seconds)})

    def act(governance: Governance) -> str:
        logged = governance.emergency_open(envelope)
        # Loaded at once: its time runs by every clock from now on, and it holds with the log out of reach.
        overlay_for_run(governance.home, governance.ledger, Clocks.now(service.clock()))
        return logged.id

    return await _shown(live, principal, service, await govern(live, service, act))


@post("/v1/emergencies/{emergency_id:str}/close", opt={"permission": "emergencies:write"}, status_code=200, summary="End it early")
async def close(
    data: JSONBody[Envelope], live: GivenLive, principal: GivenPrincipal, service: GivenService, emergency_id: Id
) -> EmergencyView:
    """Take in the end of an emergency, signed by a person of role emergency; its review stays due."""
    name, envelope = id_of(emergency_id, "emergency"), value_of(data)

    def act(governance: Governance) -> str:
        one(name, governance.state.emergencies, "emergency")
        if _closes(envelope) not in (name, None):
            raise Refused(422, "the envelope ends another emergency", code="bad_input", field="payload", help="hand it in where it belongs")
        governance.emergency_close(envelope)
        return name

    return await _shown(live, principal, service, await govern(live, service, act))


async def _shown(live: GivenLive, principal: Principal, service: GivenService, name: str) -> EmergencyView:
    view = await asyncio.to_thread(view_of, live.home)
    return _Shown(view, principal, service.clock()).of(view.state.emergencies[name])


def _opens_ns(envelope: dict[str, object]) -> int:
    try:
        return Emergency.parse_bytes(open_envelope(envelope, (), payload_type("emergency"))[0]).opened_at
    except GroundruleError:
        return 0  # what is no emergency is refused by governance, and goes on record


def _closes(envelope: dict[str, object]) -> str | None:
    try:
        return EmergencyClose.parse_bytes(open_envelope(envelope, (), payload_type("emergency-close"))[0]).emergency
    except GroundruleError:
        return None


class _Shown:
    """Emergencies for one reader at one instant."""

    def __init__(self, view: View, principal: Principal, now_ns: int) -> None:
        self._view, self._now = view, now_ns
        self._parties = Parties(view.home, principal, view.state)
        self._named = principal.reader == "operator" and principal.may("terminals:read")
        self._committed = {named: commitment for commitment, named in view.state.openings.items() if named.startswith(TERMINAL)}
        clocks = Clocks.now(now_ns)
        self.running = {each.id for each in active(view.state, now_ns, monotonic_of(view.home, clocks))}
        self._reverted = set(reverts(view.state, now_ns))
        self._late = set(overdue_reviews(view.state, now_ns))
        head = read_log(log_folder(view.home)).head if has_ledger(view.home) else None
        self._seen = 0 if head is None else head.size

    def _terminal(self, ref: str) -> str:
        """A terminal for whoever may see it, and else the commitment that stands for it in the log; the fold opens what it can."""
        if self._named:
            return self._view.state.openings.get(ref, ref).removeprefix(TERMINAL)
        return ref if ref.startswith(COMMITTED) else self._committed.get(TERMINAL + ref, "")

    def of(self, logged: LoggedEmergency) -> EmergencyView:
        state, now = self._view.state, max(self._now, self._view.state.last_t_ns)
        made = logged.emergency
        ends = made.opened_at + made.ttl_s * NS_PER_S
        running = made.id in self.running
        word = "active" if running else logged.closed.end if logged.closed else "reverted" if made.id in self._reverted else "expired"
        review = ReviewClock(
            state.verdict_on(made.id), when(made.review_due), (made.review_due - now) // NS_PER_S, made.id in self._late
        )
        return EmergencyView(
            made.id, logged.index, logged.index < self._seen, made.condition, made.direction, list(made.scope.areas),
            [self._terminal(each) for each in made.scope.terminals], list(made.scope.ops), self._parties.each(made.openers),
            when(made.opened_at), made.ttl_s,
            when(ends), max(0, (ends - now) // NS_PER_S) if running else 0, word,  # type: ignore[arg-type]  # a closed set
            None if logged.closed is None else when(logged.closed.at), made.renewal_of, made.auto_revert_digest, review,
        )  # fmt: skip


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (emergencies, emergency_, draft, open_, close)
