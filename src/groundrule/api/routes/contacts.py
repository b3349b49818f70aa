"""Contacts of covered persons with outside parties: how late each was told, what an allegation does, and express returns of none.

Names of natural persons, and who stands behind a commitment of the log, are for those who may know them (`parties:names`); everybody
else reads what the log says.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from hashlib import sha256
from typing import Annotated, Any, Final

import msgspec
from litestar import get, post
from litestar.params import JSONBody, Parameter
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenLive, GivenPrincipal, GivenService
from groundrule.api.governed import View, entry_of, govern, one, signed_time, view_of
from groundrule.api.paging import Cursor, Limit, Page, page_of
from groundrule.api.parties_seen import Parties, PartyView
from groundrule.api.party_bodies import PartyGiven, Word, check_exclusive, check_known, party_value
from groundrule.api.paths import Id, id_of
from groundrule.api.problems import Refused
from groundrule.api.signed_bodies import Envelope, value_of
from groundrule.api.times import when
from groundrule.govern.contacts import lateness, nil_overdue, re_review_set
from groundrule.govern.logged import LoggedContact
from groundrule.govern.objects import ContactUpdate, NilReturn, PartyRecord
from groundrule.govern.signed import COMMITTED, format_time, whole_ms
from groundrule.instant import NS_PER_S
from groundrule.pipeline.contact_intake import draft_contact, lodge_contact
from groundrule.pipeline.governing import Governance

MAX_PAGE: Final = 4_000_000
"""Longest page of evidence [characters of base64]."""
Late = Annotated[bool, Parameter(description="Only those that were told late.")]


class AgainView(msgspec.Struct):
    """A decision of the person to look at again; nothing that was decided is changed by it.

    Attributes:
        log_index: its entry. act: approval, authorship, review or emergency. of: its subject.
        touches: the parties concerned touch the counterparty.
    """

    log_index: int
    act: str
    of: str
    touches: bool


class EvidenceView(msgspec.Struct):
    """An outside report behind a contact, as the log holds it."""

    sha256: str
    url: str | None
    lang: str | None
    machine_translated: bool


class ContactView(msgspec.Struct):
    """A contact.

    Attributes:
        id, log_index: in the log.
        person, counterparty, reported_by: who, with whom, and who tells of it; commitments for whoever may not know them.
        counterparty_kind, capacity, channel, pattern, topics: as told.
        occurred_from, occurred_to: when; null is an open end. reported_at: when it was told.
        basis, status: how it is known, and how it stands now.
        allegation: nobody answerable vouches for it: no fact, and it recuses from one proposal at most.
        late: told after it was due. due: until when it was in time. took_s: from the contact to the report [s].
        review, verdict: of a late one.
        re_review: decisions of the person meanwhile, to look at again.
        evidence: outside reports.
        request: that was made at it.
    """

    id: str
    log_index: int
    person: PartyView
    counterparty: PartyView
    counterparty_kind: str
    reported_by: PartyView
    capacity: str
    channel: str
    pattern: str
    topics: list[str]
    occurred_from: str | None
    occurred_to: str | None
    reported_at: str | None
    basis: str
    status: str
    allegation: bool
    late: bool
    due: str | None
    took_s: int | None
    review: str | None
    verdict: str | None
    re_review: list[AgainView]
    evidence: list[EvidenceView]
    request: str | None


class NilView(msgspec.Struct):
    """An express return: no contact in a time."""

    person: PartyView
    from_: str | None = msgspec.field(name="from")
    until: str | None


class Contacts(Page[ContactView]):
    """A page of contacts, and returns.

    Attributes:
        nil_returns: express returns of none.
        nil_overdue: covered persons without a contact and without a return for the last half-year; null for whoever may not know whom
            contacts are about, because the list would tell.
    """

    nil_returns: list[NilView] = msgspec.field(default_factory=list)
    nil_overdue: list[PartyView] | None = None


class EvidenceGiven(msgspec.Struct, forbid_unknown_fields=True):
    """An outside report: its digest, or its content in base64, which then is kept in the home."""

    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")] | None = None
    content: Annotated[str, msgspec.Meta(max_length=MAX_PAGE)] | None = None
    url: Word | None = None
    archived: Word | None = None
    lang: Word | None = None
    machine_translated: bool = False
    original: Word | None = None


class ContactGiven(msgspec.Struct, forbid_unknown_fields=True):
    """A contact that somebody tells of.

    Attributes:
        covered_person: party id.
        counterparty, reported_by: an id, or a description.
        basis: self, third_party, press, official or intelligence.
        capacity: official, business, private or unknown. pattern: single or regular.
        occurred_from, occurred_to: leave out what nobody says.
        ask_made: request that was made at it.
        evidence: outside reports.
    """

    covered_person: Word
    counterparty: Word | PartyGiven
    reported_by: Word | PartyGiven
    basis: Word
    counterparty_kind: Word | None = None
    capacity: Word = "unknown"
    channel: Word = "other"
    pattern: Word = "single"
    topics: Annotated[list[Word], msgspec.Meta(max_length=50)] = []
    occurred_from: str | None = None
    occurred_to: str | None = None
    reported_at: str | None = None
    ask_made: Word | None = None
    evidence: Annotated[list[EvidenceGiven], msgspec.Meta(max_length=50)] = []


class NewContact(msgspec.Struct, forbid_unknown_fields=True):
    """A contact: told by somebody, or in an envelope that a covered person or registrar signed on an own device.

    Attributes:
        contact: what nobody answerable signs is an allegation, and the log holds commitments in place of the parties.
        public_ids: log the ids of the parties openly, because all of them hold public roles.
        envelope: signed.
    """

    contact: ContactGiven | None = None
    public_ids: bool = False
    envelope: Envelope | None = None


class UpdateGiven(msgspec.Struct, forbid_unknown_fields=True):
    """How a contact stands from now on.

    Attributes:
        status: disputed, corroborated, denied or withdrawn; only a review makes it denied.
        by: party id of whoever says so. review: concluded one on which it rests.
    """

    status: Word
    by: Word
    review: Word | None = None


class NewUpdate(msgspec.Struct, forbid_unknown_fields=True):
    """A change of status; unsigned, or in an envelope."""

    update: UpdateGiven | None = None
    envelope: Envelope | None = None


class NilGiven(msgspec.Struct, forbid_unknown_fields=True, rename={"from_": "from"}):
    """There was no contact from one time until another."""

    covered_person: Word
    from_: str
    until: str


class NewNil(msgspec.Struct, forbid_unknown_fields=True):
    """A return of none; unsigned, or in an envelope."""

    nil_return: NilGiven | None = None
    envelope: Envelope | None = None


class ActLogged(msgspec.Struct):
    """An act on record; `log_index` is null where the same was before."""

    id: str
    log_index: int | None


@get("/v1/contacts", opt={"permission": "contacts:read"}, summary="Contacts, the newest first", sync_to_thread=True)
def contacts(
    live: GivenLive, principal: GivenPrincipal, service: GivenService, limit: Limit = 100, cursor: Cursor = None, late: Late = False
) -> Contacts:
    """List contacts, how late each was told, and for a late one every decision of that person to look at again."""
    view = view_of(live.home)
    parties = Parties(live.home, principal, view.state)
    rows = [_view(view, each, parties) for each in reversed(view.state.contacts.values())]
    page = page_of([each for each in rows if each.late or not late], limit, cursor)
    nil = [NilView(parties.of(each.covered_person), when(each.from_), when(each.until)) for each in view.state.nil_returns]
    overdue = parties.each(nil_overdue(view.state, service.clock())) if parties.persons and view.state.charter else None
    return Contacts(page.items, page.next, nil, overdue)


@get("/v1/contacts/{contact_id:str}", opt={"permission": "contacts:read"}, summary="One contact", sync_to_thread=True)
def contact_(live: GivenLive, principal: GivenPrincipal, contact_id: Id) -> ContactView:
    """Give a contact."""
    view = view_of(live.home)
    return _view(view, one(id_of(contact_id, "contact"), view.state.contacts, "contact"), Parties(live.home, principal, view.state))


@post("/v1/contacts", opt={"permission": "contacts:write"}, request_max_body_size=16 << 20, status_code=201, summary="Tell of a contact")
async def tell(data: JSONBody[NewContact], live: GivenLive, principal: GivenPrincipal, service: GivenService) -> ContactView:
    """Record a contact. A late one opens the review of what the person decided meanwhile."""
    check_exclusive(contact=data.contact, envelope=data.envelope)

    def act(governance: Governance) -> ContactView:
        state = governance.state
        if data.envelope is not None:
            name = governance.contact(value_of(data.envelope)).id
            if name not in state.contacts:
                raise Refused(422, "the envelope holds no contact", code="bad_input", field="envelope", help="see /v1/contacts/returns")
        else:
            assert data.contact is not None
            name = _lodged(governance, data.contact, open_ids=data.public_ids, now_ns=service.clock())
        view = View(governance.home, state, governance.lists)
        return _view(view, state.contacts[name], Parties(governance.home, principal, state))

    return await govern(live, service, act)


@post("/v1/contacts/{contact_id:str}/updates", opt={"permission": "contacts:write"}, status_code=201, summary="Say how a contact stands")
async def update(data: JSONBody[NewUpdate], live: GivenLive, service: GivenService, contact_id: Id) -> ActLogged:
    """Change the status of a contact: a denial by the person alone makes it disputed; only a review makes it denied."""
    name = id_of(contact_id, "contact")
    check_exclusive(update=data.update, envelope=data.envelope)

    def act(governance: Governance) -> ActLogged:
        state = governance.state
        found = one(name, state.contacts, "contact")
        if data.envelope is not None:
            return ActLogged(name, entry_of(governance.contact_update(value_of(data.envelope))))
        assert data.update is not None
        told = (found.contact.covered_person, found.contact.reported_by)
        by = next((party for party in told if state.party_of(party) == data.update.by), data.update.by)
        value: dict[str, Any] = {
            "id": name, "status": data.update.status, "by": by, "review": data.update.review, "evidence": [],
            "at": format_time(whole_ms(service.clock())),
        }  # fmt: skip
        return ActLogged(name, entry_of(governance.contact_update(ContactUpdate.parse(value).value)))

    return await govern(live, service, act)


@post("/v1/contacts/returns", opt={"permission": "contacts:write"}, status_code=201, summary="State that there was no contact")
async def nil(data: JSONBody[NewNil], live: GivenLive, service: GivenService) -> ActLogged:
    """State expressly that there was no contact: silence is not an answer."""
    check_exclusive(nil_return=data.nil_return, envelope=data.envelope)
    body: dict[str, Any] = {}
    if data.nil_return is not None:
        given = data.nil_return
        times = {"from": signed_time(given.from_, "from"), "until": signed_time(given.until, "until")}
        body = NilReturn.parse({"covered_person": given.covered_person, **times}).value

    def act(governance: Governance) -> ActLogged:
        logged = governance.contact(body or value_of(data.envelope))  # type: ignore[arg-type]  # one of them is given
        return ActLogged(logged.id, entry_of(logged))

    return await govern(live, service, act)


def _lodged(governance: Governance, given: ContactGiven, *, open_ids: bool, now_ns: int) -> str:
    found: dict[str, PartyRecord] = {}
    pages = [_content(each.content) for each in given.evidence if each.content is not None]
    draft: dict[str, Any] = {
        "covered_person": given.covered_person, "counterparty": party_value(given.counterparty),
        "reported_by": party_value(given.reported_by), "basis": given.basis, "counterparty_kind": given.counterparty_kind,
        "capacity": given.capacity, "channel": given.channel, "pattern": given.pattern, "topics": given.topics, "ask_made": given.ask_made,
        **{name: signed_time(getattr(given, name), name) for name in ("occurred_from", "occurred_to", "reported_at")},
    }  # fmt: skip
    contact = draft_contact(draft, found, evidence=[_evidence(each) for each in given.evidence], now_ns=now_ns)
    check_known(governance.home, found.values())
    made, _ = lodge_contact(governance, contact, parties=found.values(), pages=pages, open_ids=open_ids)
    return made.id


def _evidence(given: EvidenceGiven) -> dict[str, Any]:
    check_exclusive(sha256=given.sha256, content=given.content)
    digest = given.sha256 or sha256(_content(given.content or "")).hexdigest()
    return {
        "sha256": digest, "url": given.url, "archived": given.archived, "lang": given.lang,
        "machine_translated": given.machine_translated, "original": given.original,
    }  # fmt: skip


def _content(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (NotBase64, ValueError):
        raise Refused(422, "the content of evidence is no base64", code="bad_input", field="evidence", help="encode the page") from None


def _view(view: View, logged: LoggedContact, parties: Parties) -> ContactView:
    contact, state = logged.contact, view.state
    # Whether the counterparty is on a list would tell who it is to whoever may not know.
    seen = parties.persons or not contact.counterparty.startswith(COMMITTED)
    how = lateness(contact, view.charter.limits, candidate=seen and state.candidate(state.party_of(contact.counterparty)))
    again = re_review_set(state, contact.id) if how.late and parties.persons else ()
    return ContactView(
        contact.id, logged.index, parties.of(contact.covered_person), parties.of(contact.counterparty), contact.counterparty_kind,
        parties.of(contact.reported_by), contact.capacity, contact.channel, contact.pattern, list(contact.topics),
        None if contact.occurred_from is None else when(contact.occurred_from),
        None if contact.occurred_to is None else when(contact.occurred_to), when(contact.reported_at), contact.basis, logged.status,
        logged.allegation, how.late, None if how.due_ns is None else when(how.due_ns),
        None if how.took_ns is None else how.took_ns // NS_PER_S,
        next((id_ for id_, each in state.reviews.items() if each.review.of == contact.id), None), state.verdict_on(contact.id),
        [AgainView(each.index, each.act, each.of, each.touches) for each in again],
        [EvidenceView(each.sha256, each.url, each.lang, each.machine_translated) for each in contact.evidence], contact.ask_made,
    )  # fmt: skip


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (contacts, contact_, tell, update, nil)
