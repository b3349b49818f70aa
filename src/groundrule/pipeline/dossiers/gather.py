"""Which acts bear on a subject: those that name it, those that they answer or rest on, and what was decided about those.

The closure is bounded by kind, not by depth: from a proposal to the requests behind it, the screenings of everybody concerned, the
verdicts on it, its enactment, the contacts that bear on it and the reviews; but not on through a person to everything else that person
ever did, unless the subject is the person.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from groundrule.errors import InputError
from groundrule.evidence.dossier import Reader, SubjectKind
from groundrule.govern.contacts import concerned, re_review_set
from groundrule.pipeline.dossiers.acts import Act
from groundrule.pipeline.dossiers.bench import Bench, one_of

TOLD_OF_ALLEGATIONS = frozenset({Reader.OPERATOR, Reader.REGULATOR})
"""Readers for whom acts are gathered along an allegation; for others that itself would tell about whom it is."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What bears on a subject.

    Attributes:
        kind, id: the subject, its id in full.
        acts: in the order of the log.
        proposals, requests, contacts, persons: ids among them.
        meanwhile: for a contact or person, acts to look at again because of a late contact: (contact, entry index, what, of, touches).
    """

    kind: SubjectKind
    id: str
    acts: tuple[Act, ...]
    proposals: frozenset[str]
    requests: frozenset[str]
    contacts: frozenset[str]
    persons: frozenset[str]
    meanwhile: tuple[tuple[str, int, str, str, bool], ...]


def resolve(bench: Bench, kind: SubjectKind, given: str) -> str:
    """Return the full id of a subject; terminals and areas stand for themselves.

    Raises:
        InputError: nothing in the log has this id, or more than one thing.
    """
    state = bench.state
    if kind is SubjectKind.CHANGE:
        return one_of(given, state.proposals, "proposal")
    if kind is SubjectKind.REQUEST:
        return one_of(given, state.requests, "request")
    if kind is SubjectKind.CONTACT:
        return one_of(given, state.contacts, "contact")
    if kind is SubjectKind.PERSON:
        known = {**dict.fromkeys(bench.parties, None), **dict.fromkeys(bench.units, None)}
        named = [ref for ref, record in bench.parties.items() if given in {each.text for each in record.names}]
        return named[0] if len(named) == 1 else one_of(given, known, "person or body")
    if kind is SubjectKind.CASE:
        raise InputError("this home keeps no cases", help="one of terminal, area, change, person, contact and request")
    return given


def gather(bench: Bench, acts: Iterable[Act], kind: SubjectKind, subject: str, *, also: Iterable[str] = ()) -> Gathered:
    """Collect the acts that bear on a subject.

    Args:
        acts: every act of the log.
        subject: its full id.
        also: further references that bear on it: changes that brought the rules of a terminal's decisions into force, and appeals.
    """
    everything = list(acts)
    proposals, requests, contacts, parties = _seeds(bench, everything, kind, subject, set(also))
    state = bench.state
    followed = contacts if bench.reader in TOLD_OF_ALLEGATIONS else {each for each in contacts if not told_by_others(bench, each)}
    for each in tuple(followed):
        asked = state.contacts[each].contact.ask_made
        if asked:
            requests.add(asked)
    for request in tuple(requests):
        proposals |= {id_ for id_, logged in state.proposals.items() if request in logged.proposal.requests}
    meanwhile = tuple(
        (contact, found.index, found.act, found.of, found.touches)
        for contact in sorted(followed)
        for found in re_review_set(state, contact)
    )
    if kind in (SubjectKind.CONTACT, SubjectKind.PERSON):
        proposals |= {of for _, _, act, of, _ in meanwhile if of in state.proposals and act != "emergency"}
    proposals |= _editions(bench, proposals)
    for id_ in proposals:
        requests |= set(state.proposals[id_].proposal.requests)
        contacts |= _bearing(bench, id_)
    concerned_parties = set(parties)
    for id_ in proposals:
        concerned_parties |= {bench.of(each) for each in concerned(state, state.proposals[id_].proposal)}
    for id_ in requests:
        asked_for = state.requests[id_].request
        concerned_parties |= {bench.of(asked_for.requester), *map(bench.of, asked_for.chain)}
    reviewed = proposals | contacts | {subject}
    reviews = {id_ for id_, logged in state.reviews.items() if logged.review.of in reviewed}
    named = {subject} if kind in (SubjectKind.AREA, SubjectKind.TERMINAL) else set()
    chosen = [
        act
        for act in everything
        if (act.kind in ("request", "outcome", "violation") and act.id in requests)
        or (act.kind in ("proposal", "approval", "enactment") and act.id in proposals)
        or (act.kind in ("contact", "contact_update") and act.id in contacts)
        or (act.kind in ("review", "conclusion") and act.id in reviews)
        or (act.kind == "screening" and act.refs & concerned_parties)
        or (act.kind == "rejection" and act.id in proposals)
        or (act.kind in ("emergency", "emergency_close") and _emergency(bench, act, kind, subject, named))
        or (act.kind == "nil_return" and act.id in parties)
        or (kind is SubjectKind.PERSON and subject in act.refs)
    ]
    persons = {party for act in chosen for party, _ in act.parts}
    return Gathered(
        kind, subject, tuple(chosen), frozenset(proposals), frozenset(requests), frozenset(contacts), frozenset(persons), meanwhile
    )


def told_by_others(bench: Bench, contact: str) -> bool:
    """Tell whether a contact was told by somebody other than the person concerned, whatever came of it."""
    return bench.state.contacts[contact].contact.status != "self_reported"


def _seeds(
    bench: Bench, acts: list[Act], kind: SubjectKind, subject: str, also: set[str]
) -> tuple[set[str], set[str], set[str], set[str]]:
    """Proposals, requests, contacts and parties that the subject names at once."""
    state = bench.state
    proposals, requests, contacts, parties = also & set(state.proposals), also & set(state.requests), set[str](), set[str]()
    names = {subject}
    if kind is SubjectKind.CHANGE:
        proposals.add(subject)
    elif kind is SubjectKind.REQUEST:
        requests.add(subject)
    elif kind is SubjectKind.CONTACT:
        contacts.add(subject)
        contact = state.contacts[subject].contact
        parties |= {bench.of(contact.covered_person), bench.of(contact.counterparty)}
    elif kind is SubjectKind.PERSON:
        parties.add(subject)
    else:
        prefix = "area" if kind is SubjectKind.AREA else "terminal"
        names = {subject, f"{prefix}/{subject}", f"{prefix}:{subject}", f"service/{subject}"}
    for act in acts:
        if not act.refs & names:
            continue
        if act.kind in ("proposal", "approval"):
            proposals.add(act.id)
        elif act.kind == "request":
            requests.add(act.id)
        elif act.kind == "contact":
            contacts.add(act.id)
    return proposals, requests, contacts, parties


def _editions(bench: Bench, proposals: set[str]) -> set[str]:
    """Earlier and later editions of proposals, along `supersedes`."""
    state = bench.state
    found: set[str] = set()
    waiting = set(proposals)
    while waiting:
        id_ = waiting.pop()
        found.add(id_)
        before = state.proposals[id_].proposal.supersedes
        near = {each for each, logged in state.proposals.items() if logged.proposal.supersedes == id_}
        near |= {before} if before in state.proposals else set()
        waiting |= {each for each in near if each is not None} - found
    return found


def _bearing(bench: Bench, proposal_id: str) -> set[str]:
    """Contacts of somebody who had a part in a proposal with somebody whom it concerns, whenever they came to light."""
    state = bench.state
    proposal = state.proposals[proposal_id].proposal
    acted = {proposal.author, *(each.approval.person for each in state.approvals.get(proposal_id, ()))}
    outside = {bench.of(each) for each in concerned(state, proposal)}
    return {
        id_
        for id_, logged in state.contacts.items()
        if bench.of(logged.contact.covered_person) in acted and bench.of(logged.contact.counterparty) in outside
    }


def _emergency(bench: Bench, act: Act, kind: SubjectKind, subject: str, named: set[str]) -> bool:
    logged = bench.state.emergencies.get(act.id)
    if logged is None:
        return False
    if kind is SubjectKind.PERSON:
        return subject in logged.emergency.openers
    return bool(named & {*logged.emergency.scope.areas, *logged.emergency.scope.terminals})
