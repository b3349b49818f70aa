"""May an entry of this kind stand in the log now?

One check for each kind, used before an entry is written and whenever the log is folded, so that what is refused at the
door also has no effect when it is found in a log.

Every check returns what the entry holds, None for something that is in the log already (the same envelope again has the
effect of one), and raises otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from groundrule.canon import parse_canonical
from groundrule.govern.charter import Charter
from groundrule.govern.classify import is_at_least
from groundrule.govern.clock import MAX_DELAY_NS
from groundrule.govern.conflicts import excluded
from groundrule.govern.contacts import concerned, suspensions, unlisted
from groundrule.govern.dealings import DECIDED
from groundrule.govern.disclosure import check_disclosure
from groundrule.govern.emergency import active, check_open, expired, reverts, with_terminals
from groundrule.govern.logged import LoggedProposal
from groundrule.govern.objects import (
    Approval,
    Contact,
    ContactUpdate,
    Emergency,
    EmergencyClose,
    Enactment,
    Impact,
    NilReturn,
    Proposal,
    Rejection,
    Request,
    RequestOutcome,
    Review,
    Screening,
)
from groundrule.govern.quorum import judge, proposal_end, required_class
from groundrule.govern.refusal import CLOCK_TOLERANCE_NS, refuse
from groundrule.govern.requests import FINAL, check_outcome
from groundrule.govern.rotation import check_genesis, check_rotation, read_charter, signers
from groundrule.govern.signed import NS_PER_HOUR, Signed
from groundrule.signing import open_envelope

if TYPE_CHECKING:
    from groundrule.govern.state import State

Body = Mapping[str, Any]
CHARTER_MAY_HAVE_EXPIRED: Final = frozenset(
    {"charter", "request", "contact", "contact-update", "screening", "rejection", "emergency-close", "review"}
)
"""What goes on when the charter has expired: its rotation, and everything that is only put on record."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """What an entry holds, checked.

    Attributes:
        item: the object.
        impact: with a proposal.
        digest: of the payload of an envelope.
        signed: of a contact: whether who vouches for it signed.
    """

    item: Signed
    impact: Impact | None = None
    digest: str = ""
    signed: bool = False


def admit(state: State, kind: str, body: Body, t_ns: int, index: int | None = None) -> Admitted | None:
    """Check an entry against the fold of everything before it.

    Args:
        state: the fold.
        kind: of the entry; one of those in `CHECKS`.
        body: of the entry.
        t_ns: the log's clock [ns].
        index: place of the entry in the log, when it is known.
    Returns:
        What it holds; None when the same is in the log already.
    Raises:
        InputError: not an object of its kind.
        ConflictError: refused; `refusal.code_of` tells why.
    """
    if state.charter is None and kind not in ("charter", "rejection"):  # a first charter may be refused, on record
        raise refuse("no_charter", "governance begins with a charter", help="log the charter first")
    if state.charter is not None and state.charter.expired(t_ns) and kind not in CHARTER_MAY_HAVE_EXPIRED:
        raise refuse("charter_expired", "the charter has expired; only a rotation is possible")
    return CHECKS[kind](state, body, t_ns, index)


def _charter(state: State, body: Body, t_ns: int, _: int | None) -> Admitted | None:
    new = read_charter(body)
    if state.charter is None:
        check_genesis(new, body, t_ns)
    elif new.digest == state.charter.digest:
        return None
    else:
        check_rotation(state.charter, new, body, t_ns)
    return Admitted(new)


def _request(state: State, body: Body, t_ns: int, _: int | None) -> Admitted | None:
    if "requester" not in body:
        outcome = RequestOutcome.parse(body)
        known = state.requests.get(outcome.id)
        if known is not None and outcome in known.outcomes:
            return None
        check_outcome(state, outcome)
        return Admitted(outcome)
    request = Request.parse(body)
    if request.id in state.requests:
        return _again(state.requests[request.id].request, request)
    if request.recorded_at > t_ns + CLOCK_TOLERANCE_NS:
        raise refuse("from_future", "the request is recorded in the future")
    _listed(state, request.received_by)
    return Admitted(request)


def _screening(state: State, body: Body, t_ns: int, _: int | None) -> Admitted | None:
    screening = Screening.parse(body)
    if screening.id in state.screenings:
        return _again(state.screenings[screening.id].screening, screening)
    if screening.performed_at > t_ns + CLOCK_TOLERANCE_NS:
        raise refuse("from_future", "the screening was performed in the future")
    registrars = _charter_of(state).role("registrar").parties - suspensions(state).keys()
    for candidate in screening.candidates:
        if candidate.disposition in DECIDED and candidate.by not in registrars:
            raise refuse("not_registrar", "a candidate was decided by somebody who is no registrar")
    return Admitted(screening)


def _contact(state: State, body: Body, t_ns: int, _: int | None) -> Admitted | None:
    value, persons = _perhaps_signed(state, body, "contact", t_ns)
    if "counterparty" not in value:
        nil = NilReturn.parse(value)
        _listed(state, nil.covered_person)
        if nil.until > t_ns:
            raise refuse("from_future", "a nil return for time that has not passed")
        return None if nil in state.nil_returns else Admitted(nil)
    contact = Contact.parse(value)
    if contact.id in state.contacts:
        return _again(state.contacts[contact.id].contact, contact)
    if contact.reported_at > t_ns + CLOCK_TOLERANCE_NS:
        raise refuse("from_future", "the contact is reported in the future")
    return Admitted(contact, signed=_vouched(state, contact, persons))


def _vouched(state: State, contact: Contact, persons: frozenset[str]) -> bool:
    """Tell whether somebody answerable signed: the person itself, or a registrar for what an authority knows."""
    if contact.basis == "self":
        return state.party_of(contact.covered_person) in persons
    if contact.basis in ("official", "intelligence"):
        # The accused may hold the role too, but nobody is a witness in the own cause.
        return bool(persons & _charter_of(state).role("registrar").parties - {state.party_of(contact.covered_person)})
    return False


def _contact_update(state: State, body: Body, t_ns: int, _: int | None) -> Admitted | None:
    value, persons = _perhaps_signed(state, body, "contact-update", t_ns)
    update = ContactUpdate.parse(value)
    logged = state.contacts.get(update.id)
    if logged is None:
        raise refuse("unknown_contact", f"there is no contact `{update.id}` in the log")
    if update in logged.updates:
        return None
    contact = logged.contact
    if update.status in ("corroborated", "denied"):
        review = state.reviews.get(update.review or "")
        verdicts = {"corroborated": ("reversed", "partly"), "denied": ("upheld",)}[update.status]
        if review is None or review.concluded is None or review.review.of != contact.id:
            raise refuse("needs_review", f"`{update.status}` rests on a concluded review of the contact")
        if review.concluded.verdict not in verdicts:
            raise refuse("needs_review", f"the review does not find the contact `{update.status}`")
    elif update.status == "disputed" and update.by != contact.covered_person:
        raise refuse("not_covered", "only the covered person disputes a contact")
    elif update.status == "withdrawn":
        reporter = state.party_of(contact.reported_by)
        vouchers = {reporter} if reporter in _charter_of(state).parties else _charter_of(state).role("registrar").parties
        if update.by != contact.reported_by or not persons & vouchers:
            raise refuse("not_reporter", "only the reporter withdraws a contact, and signs that", help="or a registrar for an outsider")
        if reporter == state.party_of(contact.covered_person):
            raise refuse("needs_review", "nobody withdraws the report of an own contact", help="ask for a review")
    return Admitted(update)


def _proposal(state: State, body: Body, t_ns: int, _: int | None) -> Admitted | None:
    if body.keys() != {"proposal", "impact"}:
        raise refuse("not_a_proposal", "a proposal entry holds `proposal` and `impact`")
    proposal, impact = Proposal.parse(body["proposal"]), Impact.parse(body["impact"])
    charter = _charter_of(state)
    if proposal.id in state.proposals:
        return None
    if impact.digest != proposal.impact_digest:
        raise refuse("other_impact", "the impact is not the one that the proposal names", help="compute it again")
    if proposal.author not in charter.parties:
        raise refuse("not_in_charter", "the author is no person of the charter")
    if proposal.author in suspensions(state):
        raise refuse("suspended", "the author is suspended until a review decides")
    if proposal.base_policy_digest != state.policy_digest or impact.policy_a != state.policy_digest:
        raise refuse("stale_base", "the policy that it changes is no longer in force", help="draft it on the current policy")
    if proposal.supersedes is not None and proposal.supersedes not in state.proposals:
        raise refuse("unknown_proposal", f"there is no proposal `{proposal.supersedes}` to edit")
    for request_id in proposal.requests:
        found = state.requests.get(request_id)
        if found is None:
            raise refuse("unknown_request", f"there is no request `{request_id}` in the log")
        if found.outcome in FINAL:
            raise refuse("request_ended", f"request `{request_id}` has ended: {found.outcome}")
    check_disclosure(state, proposal)
    if unknown := [id_ for id_ in proposal.screenings if id_ not in state.screenings]:
        raise refuse("unknown_screening", f"there is no screening `{unknown[0]}` in the log")
    logged = LoggedProposal(-1, t_ns, proposal, impact)
    if not is_at_least(proposal.class_, computed := required_class(state, logged)):
        raise refuse("class_too_low", f"the change is {computed}, the proposal says {proposal.class_}")
    if t_ns >= proposal_end(charter, logged) or (
        proposal.effective.until is not None and t_ns >= proposal.effective.until
    ):
        raise refuse("too_late", "the proposal is over before it begins")
    if unlisted(state, proposal, t_ns):
        raise refuse("contacts_missing", "a contact bears on it and is not listed", help="list every contact in scope")
    return Admitted(proposal, impact=impact)


def _approval(state: State, body: Body, t_ns: int, index: int | None) -> Admitted | None:
    charter = _charter_of(state)
    payload, keys = open_envelope(body, charter.trusted, "application/vnd.groundrule.approval+json")
    approval = Approval.parse_bytes(payload)
    digest = sha256(payload).hexdigest()
    _check_signature(charter, approval, keys, t_ns)
    if (used := state.nonces.get(approval.nonce)) is not None:
        if used == digest:
            return None
        raise refuse("nonce_reused", "the nonce was used for another approval", help="sign again with a fresh one")
    logged = state.proposals.get(approval.proposal_digest)
    if logged is None:
        raise refuse("unknown_proposal", "the approval is of a proposal that is not in the log", help="an edited proposal is another one")
    _check_binding(state, charter, approval, logged, t_ns, index)
    if approval.verdict == "approve":
        if (reason := excluded(state, logged.proposal.id, t_ns).get(approval.person)) is not None:
            raise refuse(reason, f"the approver does not count: {reason}", help="somebody without interest in it must approve")
        if unknown := [id_ for id_ in approval.conflict_statement if id_ not in state.contacts]:
            raise refuse("unknown_contact", f"contact `{unknown[0]}` is not registered", help="register it first")
        parties = concerned(state, logged.proposal)
        if any(state.party_of(state.contacts[id_].contact.counterparty) in parties for id_ in approval.conflict_statement):
            raise refuse("contact", "the conflict statement names a contact with a party concerned", help="recuse")
    return Admitted(approval, digest=digest)


def _check_signature(charter: Charter, approval: Approval, keys: frozenset[bytes], t_ns: int) -> None:
    person = approval.person
    if any(charter.person_of(key, t_ns) == charter.person_of(key, approval.signed_at) == person for key in keys):
        return
    own = {key.public for member in charter.persons if member.party == person for key in member.keys}
    if keys & own:
        raise refuse("key_expired", "the key is not valid at the time of signing and now", help="sign with a current key")
    if keys:
        raise refuse("wrong_person", "the signature is of another person than the approval names")
    raise refuse("bad_signature", "no key of the charter made this signature")


def _check_binding(
    state: State, charter: Charter, approval: Approval, logged: LoggedProposal, t_ns: int, index: int | None
) -> None:
    role = charter.change_class(logged.proposal.class_).role
    if approval.impact_digest != logged.proposal.impact_digest:
        raise refuse("other_impact", "the approval is of another impact", help="recompute it before signing")
    if approval.charter_version != charter.version:
        raise refuse("old_charter", f"the approval is under charter {approval.charter_version}, {charter.version} is in force")
    members = charter.role(role).parties | set(charter.substitutes.get(role, ()))
    if approval.role != role or approval.person not in members:
        raise refuse("not_in_role", f"a {logged.proposal.class_} change is decided by role {role}")
    if approval.signed_at > t_ns + CLOCK_TOLERANCE_NS:
        raise refuse("from_future", "the approval is signed in the future", help="set the clock right")
    if approval.signed_at < logged.t_ns - CLOCK_TOLERANCE_NS:
        raise refuse("signed_before_proposal", "the approval is older than the proposal", help="set the clock right")
    if approval.expires <= t_ns:
        raise refuse("approval_expired", "the approval has expired", help="sign again")
    seen = approval.seen_checkpoint
    if seen.size <= logged.index:
        raise refuse("not_seen", "the checkpoint that the approver saw does not include the proposal")
    if (index is not None and seen.size > index) or (
        state.consistent is not None and not state.consistent(seen.size, seen.root_hash)
    ):
        raise refuse("checkpoint", "the checkpoint that the approver saw is not of this log", help="this may be a split view: keep it")


def _enactment(state: State, body: Body, t_ns: int, _: int | None) -> Admitted | None:
    made = Enactment.parse(body)
    if any(each.enactment == made for each in state.enactments):
        return None
    if made.proposal_digest not in state.proposals:
        raise refuse("unknown_proposal", "there is no such proposal in the log")
    if not -CLOCK_TOLERANCE_NS <= t_ns - made.enacted_at <= MAX_DELAY_NS:
        raise refuse("clock_stepped", "the enactment was not judged when it was logged")
    judged = judge(state, made.proposal_digest, at_ns=made.enacted_at, consistent=state.consistent)
    if judged.blocks:
        raise judged.blocks[0].error()
    if not judged.quorum:
        raise refuse("quorum", judged.missing)
    logged = state.proposals[made.proposal_digest]
    relied = (
        made.approvals == judged.approvals
        and (made.charter_version, made.charter_index) == (_charter_of(state).version, state.charter_index)
        and made.proposal_index == logged.index
        and made.screening_indexes == judged.screening_indexes
        and (made.policy_digest_before, made.policy_digest_after) == (state.policy_digest, logged.impact.policy_b)
    )
    if not relied:
        raise refuse("other_grounds", "the enactment names other grounds than those that the log holds")
    return Admitted(made)


def _emergency_open(state: State, body: Body, t_ns: int, _: int | None) -> Admitted | None:
    payload, persons = signers(_charter_of(state), body, "emergency", t_ns)
    emergency = with_terminals(Emergency.parse_bytes(payload), state.openings)
    if emergency.id in state.emergencies:
        return _again(state.emergencies[emergency.id].emergency, emergency)
    check_open(state, emergency, persons, t_ns)
    return Admitted(emergency)


def _emergency_close(state: State, body: Body, t_ns: int, _: int | None) -> Admitted | None:
    value, persons = _perhaps_signed(state, body, "emergency-close", t_ns)
    close = EmergencyClose.parse(value)
    logged = state.emergencies.get(close.emergency)
    if logged is None:
        raise refuse("unknown_emergency", f"there is no emergency `{close.emergency}` in the log")
    if logged.closed is not None:
        return _again(logged.closed, close)
    due = {"expired": expired, "reverted": reverts}.get(close.end)
    if due is not None and close.emergency not in due(state, t_ns):
        raise refuse("not_over", f"emergency `{close.emergency}` is not {close.end}")
    if close.end == "closed":
        if logged.emergency not in active(state, t_ns):
            raise refuse("not_over", f"emergency `{close.emergency}` has ended otherwise", help="log how it ended")
        if not persons & _charter_of(state).role("emergency").parties:
            raise refuse("bad_signature", "a person of role emergency closes early, and signs that")
    return Admitted(close)


def _review(state: State, body: Body, t_ns: int, _: int | None) -> Admitted | None:
    value, persons = _perhaps_signed(state, body, "review", t_ns)
    review = Review.parse(value)
    known = state.reviews.get(review.id)
    if review.of not in state.emergencies and review.of not in state.contacts and review.of not in state.proposals:
        raise refuse("unknown_case", f"there is no `{review.of}` in the log to review")
    if known is not None and (review.of, review.due) != (known.review.of, known.review.due):
        raise refuse("id_taken", f"review `{review.id}` is of another case")
    charter = _charter_of(state)
    if known is None and not t_ns - CLOCK_TOLERANCE_NS <= review.due <= t_ns + charter.limits.review_hours * NS_PER_HOUR:
        emergency = state.emergencies.get(review.of)
        if emergency is None or review.due != emergency.emergency.review_due:
            raise refuse("review_too_late", f"a review is due within {charter.limits.review_hours} hours")
    if review.verdict is None:
        return Admitted(review) if known is None else _again(known.review, review)
    if known is not None and known.concluded is not None:
        return _again(known.concluded, review)
    if review.actual is not None and review.actual > t_ns + CLOCK_TOLERANCE_NS:
        raise refuse("from_future", "the review was concluded in the future")
    reviewers = set(review.reviewers)
    if not reviewers <= persons:
        raise refuse("bad_signature", "not every reviewer signed the review with a valid key")
    if reviewers & _involved(state, review.of):
        raise refuse("involved", "a reviewer opened, wrote or approved something in the case", help="others must review")
    if not charter.role("review").satisfied_by(reviewers - suspensions(state).keys()):
        raise refuse("quorum", f"{len(reviewers)} reviewers do not satisfy role review")
    return Admitted(review)


def _involved(state: State, case: str) -> frozenset[str]:
    """Return who opened, wrote or approved anything in a case, and who is its subject."""
    if (emergency := state.emergencies.get(case)) is not None:
        return frozenset(emergency.emergency.openers)
    if (contact := state.contacts.get(case)) is not None:
        parties = (contact.contact.covered_person, contact.contact.counterparty, contact.contact.reported_by)
        return frozenset(map(state.party_of, parties))
    approvers = {each.approval.person for each in state.approvals.get(case, ())}
    return frozenset(approvers | {state.proposals[case].proposal.author})


def _rejection(state: State, body: Body, _: int, __: int | None) -> Admitted | None:
    rejection = Rejection.parse(body)
    return None if rejection in state.rejections else Admitted(rejection)


CHECKS: Final[Mapping[str, Callable[[State, Body, int, int | None], Admitted | None]]] = {
    "charter": _charter,
    "request": _request,
    "screening": _screening,
    "contact": _contact,
    "contact-update": _contact_update,
    "proposal": _proposal,
    "approval": _approval,
    "enactment": _enactment,
    "emergency-open": _emergency_open,
    "emergency-close": _emergency_close,
    "review": _review,
    "rejection": _rejection,
}
"""Kinds of entries that govern; entries of other kinds change nothing here."""


def _charter_of(state: State) -> Charter:
    assert state.charter is not None
    return state.charter


def _again(old: Signed, new: Signed) -> Admitted | None:
    """Return None for the same object again; another one under its id is refused."""
    if old == new:
        return None
    raise refuse("id_taken", f"this id stands for another {type(new).__name__.lower()}", help="take a fresh id")


def _listed(state: State, person: str) -> None:
    charter = _charter_of(state)
    if person not in charter.parties and all(person != each.party for each in charter.covered_persons):
        raise refuse("not_in_charter", f"`{person}` is no person of the charter")


def _perhaps_signed(state: State, body: Body, kind: str, t_ns: int) -> tuple[Body, frozenset[str]]:
    """Return the value of a body, and the persons who signed it when it is an envelope."""
    if "payload" not in body:
        return body, frozenset()
    payload, persons = signers(_charter_of(state), body, kind, t_ns)
    return parse_canonical(payload), persons
