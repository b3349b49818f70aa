"""The state of governance: a fold over the entries of the stream `governance`, and nothing else.

    state = State.fold(entries)             replaying the log gives the live state
    state.check(kind, body, t_ns)           before an entry is written
    state.apply(index, t_ns, kind, body)    when it has been

An entry that should not be there has no effect and is listed among the violations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any, Self

from groundrule.canon import canonical_json
from groundrule.errors import ConflictError, GroundruleError
from groundrule.govern.admission import CHECKS, Admitted, admit
from groundrule.govern.charter import Charter
from groundrule.govern.contacts import ReReview, is_late, re_review_set
from groundrule.govern.list_imports import ListsLogged, is_import
from groundrule.govern.logged import (
    Entry,
    LoggedApproval,
    LoggedContact,
    LoggedEmergency,
    LoggedEnactment,
    LoggedProposal,
    LoggedRequest,
    LoggedReview,
    LoggedScreening,
    Violation,
)
from groundrule.govern.objects import (
    Approval,
    Contact,
    ContactUpdate,
    Emergency,
    EmergencyClose,
    Enactment,
    ListSnapshot,
    NilReturn,
    Proposal,
    Rejection,
    Request,
    RequestOutcome,
    Review,
    Screening,
)
from groundrule.govern.quorum import Consistent, never_again, proposal_end
from groundrule.govern.refusal import code_of
from groundrule.govern.signed import COMMITTED
from groundrule.govern.summary import summary


class State:
    """What the log says about governance.

    Args:
        consistent: whether (size, root [32 bytes]) is a head that the log really had; None checks sizes only.
        openings: commitment to the party behind it, as far as it is known here; not part of the log.

    Attributes:
        charter, charter_index: the charter in force and its place in the log; `charters` holds all, by index.
        policy_digest: of the policy in force; None before the charter.
        proposals, approvals: by proposal id, in the order of the log.
        enacted, rejected: ids of proposals that ended so.
        requests, contacts, screenings, emergencies, reviews: by id.
        enactments, nil_returns, rejections: in the order of the log.
        nonces: nonce of every approval to the digest of its payload.
        newest_lists: newest snapshot of each source that was imported, or that a screening used where no import is logged.
        lists: the imports of lists.
        violations: entries without effect.
        last_t_ns: time of the last entry; `began_ns` of the first charter.
    """

    def __init__(self, consistent: Consistent | None = None, openings: Mapping[str, str] | None = None) -> None:
        self.consistent = consistent
        self.openings: dict[str, str] = dict(openings or {})
        self.charter: Charter | None = None
        self.charter_index = -1
        self.charters: dict[int, Charter] = {}
        self.policy_digest: str | None = None
        self.proposals: dict[str, LoggedProposal] = {}
        self.approvals: dict[str, list[LoggedApproval]] = {}
        self.enacted: dict[str, int] = {}
        self.rejected: dict[str, int] = {}
        self.requests: dict[str, LoggedRequest] = {}
        self.contacts: dict[str, LoggedContact] = {}
        self.nil_returns: list[NilReturn] = []
        self.screenings: dict[str, LoggedScreening] = {}
        self.enactments: list[LoggedEnactment] = []
        self.emergencies: dict[str, LoggedEmergency] = {}
        self.reviews: dict[str, LoggedReview] = {}
        self.rejections: list[Rejection] = []
        self.nonces: dict[str, str] = {}
        self.newest_lists: dict[str, ListSnapshot] = {}
        self.lists = ListsLogged()
        self.violations: list[Violation] = []
        self.last_t_ns = 0
        self.began_ns = 0
        self._entries: list[Entry] = []
        self._latest_screening: dict[str, LoggedScreening] = {}
        self._list_order: dict[str, tuple[str, int]] = {}
        self._conclusions: dict[str, list[tuple[int, Review]]] = {}

    @classmethod
    def fold(
        cls,
        entries: Iterable[Entry | tuple[int, int, str, Mapping[str, Any]]],
        consistent: Consistent | None = None,
        openings: Mapping[str, str] | None = None,
    ) -> Self:
        """Return the state after entries (index, t_ns, kind, body) in the order of the log."""
        state = cls(consistent, openings)
        for entry in entries:
            each = entry if isinstance(entry, Entry) else Entry(*entry)
            state.apply(each.index, each.t_ns, each.kind, each.body)
        return state

    def as_of(self, index: int) -> State:
        """Return the state before the entry with this index of the log."""
        return State.fold(
            (entry for entry in self._entries if entry.index < index), self.consistent, self.openings
        )

    def copy(self) -> State:
        """Return a state that can be taken further without changing this one."""
        other = State(self.consistent, self.openings)
        for name, held in vars(self).items():
            setattr(other, name, held.copy() if isinstance(held, dict | list) else held)
        other.lists = self.lists.copy()
        other.approvals = {id_: list(some) for id_, some in self.approvals.items()}
        other.requests = {id_: replace(each, outcomes=list(each.outcomes)) for id_, each in self.requests.items()}
        other.contacts = {id_: replace(each, updates=list(each.updates)) for id_, each in self.contacts.items()}
        other.emergencies = {id_: replace(each) for id_, each in self.emergencies.items()}
        other.reviews = {id_: replace(each) for id_, each in self.reviews.items()}
        other._conclusions = {case: list(some) for case, some in self._conclusions.items()}
        return other

    def check(self, kind: str, body: Mapping[str, Any], t_ns: int, index: int | None = None) -> Admitted | None:
        """Check an entry before it is written.

        Returns:
            What it holds; None when the same is in the log already and nothing need be written.
        Raises:
            InputError: not an object of its kind. ConflictError: refused, for the reason in `refusal.code_of`.
        """
        if kind not in CHECKS:
            raise ConflictError(f"entries of kind `{kind}` do not govern", help=f"one of {', '.join(CHECKS)}")
        return admit(self, kind, body, t_ns, index)

    def apply(self, index: int, t_ns: int, kind: str, body: Mapping[str, Any]) -> Violation | None:
        """Take an entry of the log into account.

        Args:
            index: place in the log, rising.
            t_ns: the log's clock [ns].
            kind, body: of the entry; other kinds than `admission.CHECKS` change nothing, but for imports of lists.
        Returns:
            Why it has no effect, or None.
        Raises:
            ConflictError: entries out of order, which no log has.
        """
        if self._entries and (index <= self._entries[-1].index or t_ns < self.last_t_ns):
            raise ConflictError("entries out of order", help="fold them by index", index=index)
        violation = None
        if kind in CHECKS:
            try:
                admitted = admit(self, kind, body, t_ns, index)
            except GroundruleError as error:
                violation = Violation(index, kind, code_of(error), error.message)
                self.violations.append(violation)
            else:
                if admitted is not None:
                    self._take(index, t_ns, admitted)
        elif is_import(kind, body):
            try:
                self.lists.take(t_ns, body)
            except GroundruleError as error:
                violation = Violation(index, kind, code_of(error), error.message)
                self.violations.append(violation)
            self.newest_lists |= self.lists.newest
        self._entries.append(Entry(index, t_ns, kind, body))
        self.last_t_ns = t_ns
        return violation

    def _take(self, index: int, t_ns: int, admitted: Admitted) -> None:
        item = admitted.item
        match item:
            case Charter():
                if self.charter is None:
                    self.policy_digest, self.began_ns = item.policy_digest, t_ns
                self.charter, self.charter_index = item, index
                self.charters[index] = item
            case Request():
                self.requests[item.id] = LoggedRequest(index, t_ns, item)
            case RequestOutcome():
                self.requests[item.id].outcomes.append(item)
            case Screening():
                self._take_screening(LoggedScreening(index, t_ns, item))
            case Contact():
                self.contacts[item.id] = LoggedContact(index, t_ns, item, admitted.signed)
            case ContactUpdate():
                self.contacts[item.id].updates.append(item)
            case NilReturn():
                self.nil_returns.append(item)
            case Proposal():
                assert admitted.impact is not None
                self.proposals[item.id] = LoggedProposal(index, t_ns, item, admitted.impact)
            case Approval():
                self.nonces[item.nonce] = admitted.digest
                self.approvals.setdefault(item.proposal_digest, []).append(
                    LoggedApproval(index, t_ns, item, admitted.digest)
                )
                open_ = item.proposal_digest not in self.enacted and item.proposal_digest not in self.rejected
                if open_ and item.verdict != "approve" and never_again(self, item.proposal_digest):
                    self.rejected[item.proposal_digest] = t_ns
            case Enactment():
                self.enactments.append(LoggedEnactment(index, t_ns, item))
                self.enacted[item.proposal_digest] = t_ns
                self.policy_digest = item.policy_digest_after
            case Emergency():
                self.emergencies[item.id] = LoggedEmergency(index, t_ns, item)
            case EmergencyClose():
                self.emergencies[item.emergency].closed = item
            case Review():
                self._take_review(index, t_ns, item)
            case Rejection():
                self.rejections.append(item)
            case _:
                raise AssertionError(f"no effect is defined for {type(item).__name__}")

    def _take_screening(self, logged: LoggedScreening) -> None:
        screening = logged.screening
        self.screenings[screening.id] = logged
        latest = self._latest_screening.get(screening.subject)
        if latest is None or screening.performed_at >= latest.screening.performed_at:
            self._latest_screening[screening.subject] = logged
        for snapshot in screening.snapshots:
            if snapshot.source in self.lists.newest:
                continue  # what was imported is on record; no screening makes another list the newest
            order = (snapshot.date, screening.performed_at)
            if order >= self._list_order.get(snapshot.source, ("", 0)):
                self._list_order[snapshot.source] = order
                self.newest_lists[snapshot.source] = snapshot

    def _take_review(self, index: int, t_ns: int, review: Review) -> None:
        logged = self.reviews.get(review.id)
        if logged is None:
            logged = self.reviews[review.id] = LoggedReview(index, t_ns, review)
        if review.verdict is not None:
            logged.concluded, logged.concluded_index = review, index
            self._conclusions.setdefault(review.of, []).append((t_ns, review))

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What was folded, in the order of the log."""
        return tuple(self._entries)

    # --- questions ----------------------------------------------------------------------------------------------------

    def party_of(self, party: str) -> str:
        """Return the party behind a commitment where it is known here; a party stands for itself."""
        return self.openings.get(party, party) if party.startswith(COMMITTED) else party

    def verdict_on(self, case: str) -> str | None:
        """Return the last verdict about a case; None while no review of it is concluded."""
        conclusions = self._conclusions.get(case)
        return conclusions[-1][1].verdict if conclusions else None

    def concluded_at(self, case: str) -> int | None:
        """Return when the first review of a case was concluded, by the log's clock [ns]."""
        conclusions = self._conclusions.get(case)
        return conclusions[0][0] if conclusions else None

    def screening_of(self, party: str) -> LoggedScreening | None:
        """Return the newest screening of a party."""
        return self._latest_screening.get(party) or self._latest_screening.get(self.party_of(party))

    def screened(self, party: str) -> bool:
        """Tell whether a party was ever screened."""
        return self.screening_of(party) is not None

    def candidate(self, party: str) -> bool:
        """Tell whether a party is on a list, or may be."""
        found = self.screening_of(party)
        return found is not None and (found.screening.listed or found.screening.unresolved)

    def controllers(self, party: str) -> frozenset[str]:
        """Return listed parties that hold shares of a party, and everyone between."""
        found = self.screening_of(party)
        return frozenset() if found is None else found.screening.controllers

    def controlled(self, party: str) -> frozenset[str]:
        """Return the parties of which the newest screening says that this one holds a share."""
        return frozenset(
            subject
            for subject, logged in self._latest_screening.items()
            if any(party in (each.party, *each.path) for each in logged.screening.ownership)
        ) - {party}

    def time_of(self, index: int) -> int:
        """Return the time of the entry with this index [ns].

        Raises:
            KeyError: no such entry was folded.
        """
        for entry in reversed(self._entries):
            if entry.index == index:
                return entry.t_ns
        raise KeyError(index)

    def ended_ns(self, proposal_id: str) -> int:
        """Return when a proposal ended or will: enacted, rejected or expired [ns]."""
        if (ended := self.enacted.get(proposal_id, self.rejected.get(proposal_id))) is not None:
            return ended
        assert self.charter is not None
        return proposal_end(self.charter, self.proposals[proposal_id])

    def ended(self, proposal_id: str, at_ns: int) -> bool:
        """Tell whether a proposal has been enacted, was rejected or has expired."""
        return proposal_id in self.enacted or proposal_id in self.rejected or at_ns >= self.ended_ns(proposal_id)

    def policy_at(self, at_ns: int) -> str | None:
        """Return the digest of the policy in force at an instant; None before governance began.

        The intervals are half-open: an enactment replaces the policy from `enacted_at`, never before.
        """
        if self.charter is None or at_ns < self.began_ns:
            return None
        policy = self.charters[min(self.charters)].policy_digest
        for each in self.enactments:
            if each.enactment.enacted_at <= at_ns:
                policy = each.enactment.policy_digest_after
        return policy

    def in_effect(self, at_ns: int) -> tuple[str, ...]:
        """Return the proposals in effect at an instant: enacted, and before the end of their interval."""
        found = []
        for each in self.enactments:
            until = self.proposals[each.enactment.proposal_digest].proposal.effective.until
            if each.enactment.enacted_at <= at_ns and (until is None or at_ns < until):
                found.append(each.enactment.proposal_digest)
        return tuple(found)

    def re_reviews(self) -> dict[str, tuple[ReReview, ...]]:
        """Return the decisions to look at again for every contact that came too late and was not reviewed."""
        return {
            id_: re_review_set(self, id_)
            for id_, logged in self.contacts.items()
            if is_late(self, logged) and self.verdict_on(id_) is None
        }

    def value(self, *, places: bool = True) -> dict[str, Any]:
        """Return the whole state as JSON, as `summary.summary` does."""
        return summary(self, places=places)

    @property
    def digest(self) -> str:
        """SHA-256 of the state's canonical bytes [64 hex digits]."""
        return sha256(canonical_json(self.value())).hexdigest()
