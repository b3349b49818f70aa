"""The register of contacts: when a report is late, whom it recuses, what is looked at again, and what is public.

An allegation is never fact. What nobody answerable signed recuses the person from one proposal at most, however often the
same reporter repeats it, and suspends nobody; only a review gives it more weight. A contact known later changes no past
decision: it yields the list of that person's decisions in the window.

Source: governance specification, sections 4.3, 5 and 6.6; privacy specification, section 4.7.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from groundrule.canon import canonical_json
from groundrule.errors import InputError
from groundrule.govern.charter import Charter, Limits
from groundrule.govern.logged import LoggedContact
from groundrule.govern.objects import Contact, Proposal
from groundrule.govern.refusal import refuse
from groundrule.govern.signed import COMMITTED, NS_PER_HOUR

if TYPE_CHECKING:
    from groundrule.govern.state import State

BUSINESS_DAYS: Final = 5
OFFICIAL_KINDS: Final = frozenset({"government_body", "head_of_state_or_government"})
HARMLESS: Final = frozenset({"denied", "withdrawn"})
NIL_PERIOD_MONTHS: Final = 6
NIL_GRACE_DAYS: Final = 30
_COMMIT: Final = b"groundrule/commit/v1\x00"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Lateness:
    """How long a report took.

    Attributes:
        late: whether it came after it was due.
        due_ns: until when it was in time; None when nobody says when the contact was, which counts as late.
        took_ns: from the contact to the report; None likewise.
    """

    late: bool
    due_ns: int | None
    took_ns: int | None


@dataclass(frozen=True, slots=True)
class ReReview:
    """One decision to look at again.

    Attributes:
        index: of the entry.
        act: `approval` (any verdict), `authorship`, `review` or `emergency`.
        of: id of the proposal, review or emergency.
        touches: whether the parties concerned touch the counterparty.
    """

    index: int
    act: str
    of: str
    touches: bool


def lateness(contact: Contact, limits: Limits, *, candidate: bool) -> Lateness:
    """Tell whether a contact was reported in time.

    Args:
        contact: the contact.
        limits: of the charter.
        candidate: whether the counterparty is, or may be, on a list.
    """
    since = contact.occurred_to if contact.occurred_to is not None else contact.occurred_from
    if since is None:
        return Lateness(True, None, None)
    if candidate or contact.counterparty_kind in OFFICIAL_KINDS:
        due = since + limits.contact_hours * NS_PER_HOUR
    else:
        due = business_days_after(since, BUSINESS_DAYS)
    return Lateness(contact.reported_at > due, due, contact.reported_at - since)


def business_days_after(instant_ns: int, days: int) -> int:
    """Return the same time of day so many business days later, Monday to Friday in UTC without holidays.

    What happens at a weekend counts from Monday 00:00.
    """
    moment, rest = _EPOCH + timedelta(seconds=instant_ns // 10**9), instant_ns % 10**9
    if moment.weekday() >= 5:
        moment = moment.replace(hour=0, minute=0, second=0) + timedelta(days=7 - moment.weekday())
        rest = 0
    left = days
    while left:
        moment += timedelta(days=1)
        left -= moment.weekday() < 5
    return int((moment - _EPOCH).total_seconds()) * 10**9 + rest


def months_before(instant_ns: int, months: int) -> int:
    """Return the same day and time so many calendar months earlier, or the last day of a shorter month."""
    moment, rest = _EPOCH + timedelta(seconds=instant_ns // 10**9), instant_ns % 10**9
    number = moment.year * 12 + moment.month - 1 - months
    year, month = divmod(number, 12)
    for day in (moment.day, 30, 29, 28):
        try:
            earlier = moment.replace(year=year, month=month + 1, day=min(day, moment.day))
        except ValueError:
            continue
        return int((earlier - _EPOCH).total_seconds()) * 10**9 + rest
    raise AssertionError("every month has 28 days")


def recent(contact: Contact, limits: Limits, at_ns: int) -> bool:
    """Tell whether a contact lies in the time in which it is a conflict; an open end lasts until now."""
    ended = contact.occurred_to
    if ended is None and contact.pattern == "single":
        ended = contact.occurred_from
    return ended is None or ended >= months_before(at_ns, limits.conflict_months)


# --- rule (b) ---------------------------------------------------------------------------------------------------------


def concerned(state: State, proposal: Proposal) -> frozenset[str]:
    """Return the parties with whom a contact is a conflict: requesters, chains, beneficiaries, and who controls them."""
    parties = set(proposal.beneficiaries)
    for request_id in proposal.requests:
        logged = state.requests.get(request_id)
        if logged is not None:
            parties |= {logged.request.requester} | logged.request.chain
    for party in tuple(parties):
        parties |= state.controllers(party)
    return frozenset(parties)


def in_scope(state: State, proposal: Proposal, at_ns: int) -> tuple[LoggedContact, ...]:
    """Return the contacts of persons with keys that bear on a proposal, whatever their strength, in the log's order."""
    parties = concerned(state, proposal)
    charter = state.charter
    if charter is None:
        return ()
    return tuple(
        logged
        for logged in state.contacts.values()
        if logged.status not in HARMLESS
        and state.party_of(logged.contact.covered_person) in charter.parties
        and state.party_of(logged.contact.counterparty) in parties
        and recent(logged.contact, charter.limits, at_ns)
    )


def is_private(contact: Contact) -> bool:
    """Tell whether the log holds a commitment in place of whom a contact is about, on either side."""
    return any(party.startswith(COMMITTED) for party in (contact.covered_person, contact.counterparty))


def unlisted(state: State, proposal: Proposal, at_ns: int, *, exact: bool = False) -> tuple[str, ...]:
    """Return the contacts in scope that a proposal does not list, by their ids.

    A contact whose parties stand as commitments is listed by a commitment of its own. Whoever cannot open what is listed cannot
    say that it is missing, so a fold takes a commitment that does not open here for whatever is in scope.

    Args:
        state: with the openings that are known here.
        proposal: lists ids and commitments.
        at_ns: when [ns].
        exact: every contact must be listed by something that opens here.
    """
    listed = {state.openings.get(each, each) for each in proposal.contacts_in_scope}
    closed = not exact and any(each.startswith(COMMITTED) for each in listed)
    return tuple(
        each.contact.id
        for each in in_scope(state, proposal, at_ns)
        if each.contact.id not in listed and not (closed and is_private(each.contact))
    )


def check_listed(state: State, proposal: Proposal, at_ns: int) -> None:
    """Refuse a proposal, before it is logged, that leaves out a contact in scope or makes one public.

    Raises:
        ConflictError: `contacts_missing`, `contact_named`.
    """
    named = [each for each in proposal.contacts_in_scope if each in state.contacts and is_private(state.contacts[each].contact)]
    if named:
        raise refuse("contact_named", "a contact whose parties are not public is listed by its id", help="list its commitment")
    if unlisted(state, proposal, at_ns, exact=True):
        raise refuse("contacts_missing", "a contact bears on it and is not listed", help="list every contact in scope")


def recusals(state: State, proposal_id: str, at_ns: int) -> dict[str, str]:
    """Return who must recuse from a proposal by rule (b): person to the contact that says so.

    An allegation counts only for the first proposal on which it bears; all allegations of one reporter against one
    person, and all about one counterparty, share that one proposal.
    """
    target = state.proposals[proposal_id]
    found: dict[str, str] = {}
    for logged in in_scope(state, target.proposal, at_ns):
        person = state.party_of(logged.contact.covered_person)
        if not logged.allegation or _first_hit(state, logged) == proposal_id:
            found.setdefault(person, logged.contact.id)
    return found


def _first_hit(state: State, accused: LoggedContact) -> str | None:
    """Return the first proposal on which any allegation of the same making bears."""
    making = [
        other
        for other in state.contacts.values()
        if other.allegation
        and state.party_of(other.contact.covered_person) == state.party_of(accused.contact.covered_person)
        and (
            other.contact.reported_by == accused.contact.reported_by
            or state.party_of(other.contact.counterparty) == state.party_of(accused.contact.counterparty)
        )
    ]
    for proposal_id, logged in state.proposals.items():
        parties = concerned(state, logged.proposal)
        for other in making:
            # A proposal that had ended before the allegation was made was never touched by it.
            if state.party_of(other.contact.counterparty) in parties and other.t_ns < state.ended_ns(proposal_id):
                return proposal_id
    return None


# --- rule (d) ---------------------------------------------------------------------------------------------------------


def suspensions(state: State) -> dict[str, str]:
    """Return who is suspended from all roles: person to the contact behind it.

    An owner or executive with a vouched contact that was late, or whose counterparty was not screened, until a review
    decides; anybody whose contact a review decided against.
    """
    charter = state.charter
    if charter is None:
        return {}
    found: dict[str, str] = {}
    for logged in state.contacts.values():
        person = state.party_of(logged.contact.covered_person)
        verdict = state.verdict_on(logged.contact.id)
        if logged.status in HARMLESS or verdict in ("upheld", "partly"):
            continue
        unfit = verdict == "reversed" or (
            person in charter.owners
            and not logged.allegation
            and (is_late(state, logged) or not state.screened(logged.contact.counterparty))
        )
        if unfit:
            found.setdefault(person, logged.contact.id)
    return found


def is_late(state: State, logged: LoggedContact) -> bool:
    """Tell whether a logged contact came too late, under the charter in force."""
    if state.charter is None:
        return False
    listed = state.candidate(state.party_of(logged.contact.counterparty))
    return lateness(logged.contact, state.charter.limits, candidate=listed).late


# --- rule (f) ---------------------------------------------------------------------------------------------------------


def re_review_set(state: State, contact_id: str) -> tuple[ReReview, ...]:
    """Return every approval, authorship, review and emergency of a person in the window of a contact.

    The window is `[occurred_from, reported_at)` by the log's clock. Those whose parties touch the counterparty come first.
    """
    logged = state.contacts[contact_id]
    contact = logged.contact
    person, counterparty = state.party_of(contact.covered_person), state.party_of(contact.counterparty)
    near = {counterparty} | state.controllers(counterparty) | state.controlled(counterparty)
    found = [
        item
        for t_ns, item in _acts(state, person, near)
        if (contact.occurred_from is None or contact.occurred_from <= t_ns) and t_ns < contact.reported_at
    ]
    return tuple(sorted(found, key=lambda item: (not item.touches, item.index, item.act)))


def _acts(state: State, person: str, near: set[str]) -> Iterator[tuple[int, ReReview]]:
    for proposal_id, logged in state.proposals.items():
        touches = bool(concerned(state, logged.proposal) & near)
        if logged.proposal.author == person:
            yield logged.t_ns, ReReview(logged.index, "authorship", proposal_id, touches)
        for each in state.approvals.get(proposal_id, ()):
            if each.approval.person == person:
                yield each.t_ns, ReReview(each.index, "approval", proposal_id, touches)
    for emergency_id, opened in state.emergencies.items():
        if person in opened.emergency.openers:
            yield opened.t_ns, ReReview(opened.index, "emergency", emergency_id, False)
    for review in state.reviews.values():
        if review.concluded is not None and person in review.concluded.reviewers and review.concluded_index is not None:
            touches = review.review.of in state.proposals and bool(
                concerned(state, state.proposals[review.review.of].proposal) & near
            )
            yield state.time_of(review.concluded_index), ReReview(review.concluded_index, "review", review.review.of, touches)


# --- public form ------------------------------------------------------------------------------------------------------


def commit_party(party: str, salt: bytes) -> str:
    """Return what stands for a party in a public entry: a commitment under a random salt of 32 bytes.

    It is the commitment of a record's field (privacy specification 4.2) with field name `party`.
    """
    return _commit("party", party, salt)


def commit_contact(contact_id: str, salt: bytes) -> str:
    """Return what stands for a contact in a public proposal: the commitment of a field `contact`, each time under another salt.

    The id itself beside a requester would tell with whom the person of an allegation is said to have met.
    """
    return _commit("contact", contact_id, salt)


def commit_terminal(terminal: str, salt: bytes) -> str:
    """Return what stands for a terminal in the scope of an emergency: the commitment of a field `terminal`.

    One home uses one salt for one terminal, so that everybody sees that two emergencies touch the same, and nobody which.
    """
    return _commit("terminal", terminal, salt)


def _commit(name: str, value: str, salt: bytes) -> str:
    if len(salt) != 32:
        raise InputError(f"a salt of {len(salt)} bytes", help="a salt has 32 random bytes")
    return COMMITTED + sha256(_COMMIT + bytes([len(name)]) + name.encode() + salt + canonical_json(value)).hexdigest()


def public_form(contact: Contact, salts: dict[str, bytes]) -> Contact:
    """Return the contact as it is logged: each party of which a salt is given stands as a commitment.

    Args:
        contact: with the parties' ids.
        salts: 32 random bytes by party; empty for a contact whose parties all hold public roles. The covered person of an
            allegation belongs among them until a response or a review.
    """

    def public(party: str) -> str:
        return commit_party(party, salts[party]) if party in salts else party

    return replace(
        contact,
        covered_person=public(contact.covered_person),
        counterparty=public(contact.counterparty),
        reported_by=public(contact.reported_by),
    )


def nil_overdue(state: State, at_ns: int) -> tuple[str, ...]:
    """Return covered persons whose last half-year without a contact has no nil return 30 days after its end.

    Half-years run from January and July.
    """
    charter: Charter | None = state.charter
    if charter is None:
        return ()
    moment = _EPOCH + timedelta(seconds=at_ns // 10**9) - timedelta(days=NIL_GRACE_DAYS)
    until = moment.replace(month=1 if moment.month <= 6 else 7, day=1, hour=0, minute=0, second=0, microsecond=0)
    until_ns = int((until - _EPOCH).total_seconds()) * 10**9
    from_ns = months_before(until_ns, NIL_PERIOD_MONTHS)
    if until_ns <= state.began_ns:
        return ()
    reported = {state.party_of(each.contact.covered_person) for each in state.contacts.values()
                if from_ns <= each.contact.reported_at}  # fmt: skip
    nil = {each.covered_person for each in state.nil_returns if each.from_ <= max(from_ns, state.began_ns) and each.until >= until_ns}
    return tuple(sorted({each.party for each in charter.covered_persons} - reported - nil))
