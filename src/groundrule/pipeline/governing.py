"""The acts of governance on a home: each is checked, logged, and only then has an effect; a refused one is logged too.

    act ──► checked against the fold of the log ──► entry in the outbox, appended ──► witnesses, where it makes effective
                     │ refused                                                               ──► `enact` writes policy
                     └──► entry `rejection`: digest of what was refused, and the code of the reason

The log is the source: opening folds it again, so the live state is what replaying the log gives. The same envelope a second
time has the effect of one.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Self

from groundrule.canon import canonical_json
from groundrule.errors import ConflictError, GroundruleError, InputError, IntegrityError, StoreError
from groundrule.govern.clock import Asked
from groundrule.govern.contacts import check_listed, is_late, re_review_set
from groundrule.govern.emergency import check_committed, expired, reverts
from groundrule.govern.objects import (
    Change,
    EmergencyClose,
    Impact,
    ListSnapshot,
    Proposal,
    Rejection,
    Review,
    new_id,
)
from groundrule.govern.quorum import Judgement, judge
from groundrule.govern.refusal import Refusal, refuse
from groundrule.govern.requests import conflicting
from groundrule.govern.rotation import read_charter
from groundrule.govern.signed import NS_PER_HOUR, parse_time, whole_ms
from groundrule.govern.state import State
from groundrule.ledger.entry import Entry, policy_digest
from groundrule.pipeline.clock_check import ask_time, judge_clock
from groundrule.pipeline.disclosing import check_public_words
from groundrule.pipeline.enact import Enacted, Enactor
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.home_ledger import GOVERNANCE, Clock, HomeLedger
from groundrule.pipeline.impact import check_impact
from groundrule.pipeline.proposal_checks import check_against_home
from groundrule.pipeline.refusing import digest_of, rejection_of
from groundrule.store.area_store import current_areas_digest
from groundrule.store.home import Home
from groundrule.store.policy import in_force

Body = Mapping[str, Any]


def _no_step(_name: str) -> None:
    """Do nothing at a step; tests crash there."""


@dataclass(frozen=True, slots=True)
class Logged:
    """What became of an act.

    Attributes:
        index: its entry in the log; -1 where the same was in the log already.
        id: of the object: a proposal's digest, or the id that it carries.
        witnessed: the quorum of witnesses has seen it; False also while it waits for them.
        trouble: why witnesses have not.
    """

    index: int
    id: str
    witnessed: bool = False
    trouble: tuple[str, ...] = ()


@dataclass(slots=True)
class Governance:
    """Governance of one home, open for acts; the caller holds the home's write lock. Make one with `open`.

    Attributes:
        home, ledger: whose.
        state: the fold of the log; never changed but by entries.
        clock: gives the time [ns since 1970, UTC].
        lists: newest list snapshot by source, as the home holds them.
    """

    home: Home
    ledger: HomeLedger
    state: State
    clock: Clock
    lists: Mapping[str, ListSnapshot] = field(default_factory=dict)
    step: Callable[[str], None] = _no_step
    _roots: dict[int, bytes] = field(default_factory=dict)
    _asked: list[Asked | None] = field(default_factory=list)

    @classmethod
    def open(
        cls,
        home: Home,
        ledger: HomeLedger,
        clock: Clock | None = None,
        *,
        lists: Mapping[str, ListSnapshot] | None = None,
        openings: Mapping[str, str] | None = None,
        step: Callable[[str], None] = _no_step,
    ) -> Self:
        """Fold the log, and complete what a crash or missing witnesses left between log and tables.

        Args:
            home: its write lock is held.
            ledger: its log, open.
            clock: the ledger's if None.
            lists: newest list snapshots that the home holds, by source.
            openings: commitment to the party behind it, as far as it is known here.
            step: called with the name of each step of an enactment.
        """
        opened = cls(home, ledger, State(openings=openings), clock or ledger.clock, dict(lists or {}), step)
        opened.state.consistent = opened.consistent
        for index, entry in governance_entries(ledger):
            opened.state.apply(index, parse_time(entry.t), entry.kind, entry.body)
        opened.enactor.settle()
        return opened

    @property
    def enactor(self) -> Enactor:
        """The only writer of policy."""
        return Enactor(self.home, self.ledger, self.state, self.step)

    # --- acts ---------------------------------------------------------------------------------------------------------

    def genesis(self, envelope: Body) -> Logged:
        """Bring the first charter into force: from then on only enactments change policy.

        The charter names the policy that it takes over and is signed by its own root quorum.

        Raises:
            ConflictError: `already_governed`, `stale_base`, or those of `rotation.check_genesis`.
        """
        if self.state.charter is not None:
            if read_charter(envelope).digest == next(iter(self.state.charters.values())).digest:
                return Logged(-1, self.state.charter.digest, self._covered(self.state.charter_index))
            raise self._refuse("charter", envelope, refuse("already_governed", "the home has a charter", help="rotate it"))
        found = policy_digest(rulebook_of(self.home).digest, current_areas_digest(self.home))
        if read_charter(envelope).policy_digest != found:
            other = refuse("stale_base", "the charter names another policy than the one in force", help=f"name {found}")
            raise self._refuse("charter", envelope, other)
        made = self._act("charter", envelope, effective=True)
        self.enactor.settle()
        return made

    def rotate(self, envelope: Body) -> Logged:
        """Replace the charter by its successor, signed by the root quorums of both."""
        return self._act("charter", envelope, effective=True)

    def request(self, value: Body) -> Logged:
        """Record a request from outside, or the outcome of one; what an outcome says in public tells no place and no name."""
        words = [str(value.get(name) or "") for name in ("outcome_reason", "priority")]
        return self._act("request", value, before=lambda _now: check_public_words(self.home, words))

    def conflicts_of(self, request_id: str) -> tuple[str, ...]:
        """Return the open requests that oblige to the contrary; an outcome names them and the priority chosen."""
        return conflicting(self.state, self.state.requests[request_id].request)

    def screen(self, value: Body) -> Logged:
        """Record a screening."""
        return self._act("screening", value)

    def contact(self, value: Body) -> Logged:
        """Record a contact or a nil return; a late contact opens the review of what the person decided meanwhile."""
        made = self._act("contact", value)
        contact = self.state.contacts.get(made.id)
        if made.index >= 0 and contact is not None and is_late(self.state, contact) and re_review_set(self.state, made.id):
            charter = self.state.charter
            assert charter is not None
            review = Review(
                id=new_id("review", sha256(made.id.encode()).digest()[:16]), of=made.id, reviewers=(), verdict=None,
                findings="", remedy="", due=contact.t_ns + charter.limits.review_hours * NS_PER_HOUR, actual=None,
            )  # fmt: skip
            self._act("review", review.value)
        return made

    def contact_update(self, value: Body) -> Logged:
        """Record a change of a contact's status."""
        return self._act("contact-update", value)

    def propose(self, value: Body, impact: Body) -> Logged:
        """Record a proposal with its impact.

        The change set must apply to what is in force, and the impact must be what this home computes, so that nobody
        approves a preview that never was.

        Raises:
            ConflictError: `stale_base`, `stale_object`, `content_differs`, `quota_exceeded`, `step_not_allowed`,
                `other_impact`, `class_too_low`, `contacts_missing` and others.
        """
        body = {"proposal": dict(value), "impact": dict(impact)}

        def further(now: int) -> None:
            proposal, given = Proposal.parse(value), Impact.parse(impact)
            if proposal.id not in self.state.proposals:
                check_listed(self.state, proposal, now)
                check_against_home(self.home, proposal)
                check_impact(
                    self.home, proposal.change_set, given,
                    at_ns=proposal.effective.from_, until_ns=proposal.effective.until,
                )  # fmt: skip

        return self._act("proposal", body, before=further)

    def approve(self, envelope: Body) -> Logged:
        """Record a signed verdict of one person: approve, reject or recuse."""
        return self._act("approval", envelope)

    def reject(self, proposal_id: str) -> Logged:
        """Put on record that a proposal has ended without an enactment: rejected, or expired.

        Raises:
            ConflictError: `not_ended` while it could still be enacted, `unknown_proposal`.
        """
        if proposal_id not in self.state.proposals:
            raise refuse("unknown_proposal", "there is no such proposal in the log")
        if proposal_id in self.state.enacted or not self.state.ended(proposal_id, self.clock()):
            raise refuse("not_ended", "the proposal has not ended, or was enacted", help="let approvers reject it")
        code = "proposal_rejected" if proposal_id in self.state.rejected else "proposal_expired"
        sentence = "the proposal has ended without an enactment"
        return self._record(Rejection(what="proposal-ended", digest_=proposal_id, code=code, sentence=sentence))

    def refused(self, kind: str, body: object, error: GroundruleError) -> None:
        """Put an act on record that was refused before it could be logged; a slip of typing is not one.

        Args:
            kind, body: of the entry that it would have made.
        """
        if "refusal" in error.context and not self.ledger.clock.most_ns:
            self._refuse(kind, body, error)

    def announce(self, body: Body) -> Logged:
        """Put a signed snapshot on record; it changes nothing that is in force."""
        self.ledger.queue("snapshot-published", body)
        return Logged(self._flush(), str(body["snapshot"]))

    def judge(self, proposal_id: str, *, witness_ns: int | None = None) -> Judgement:
        """Return what the quorum says about a proposal now.

        Raises:
            ConflictError: `unknown_proposal`.
        """
        if proposal_id not in self.state.proposals:
            raise refuse("unknown_proposal", "there is no such proposal in the log")
        return judge(
            self.state, proposal_id, at_ns=whole_ms(self.clock()), lists=self.lists,
            consistent=self.consistent, witness_ns=witness_ns,
        )  # fmt: skip

    def enact(self, proposal_id: str) -> Enacted:
        """Let a proposal take effect: judged, logged, seen by the witnesses, then written; see `enact.Enactor`.

        Raises:
            ConflictError: what blocks it, by code; the refusal is on record.
            StoreError: the disk failed; opening governance again completes it or leaves what was in force.
        """
        enactor = self.enactor
        done = enactor.done(proposal_id)
        if done is not None:
            return done
        try:
            self._check_clock(ask=True)
            judged = self.judge(proposal_id)
            against = [block.error() for block in judged.blocks]
            if not judged.quorum:
                against.append(refuse("quorum", judged.missing, help="see: groundrule govern status"))
            for each in against:
                self._refuse("enactment", proposal_id, each)
            if against:
                raise against[0]
            body = enactor.prepare(proposal_id, judged, whole_ms(self.clock()))
        except (ConflictError, InputError) as error:
            raise self._refuse("enactment", proposal_id, error) from error
        made = self._act("enactment", body, effective=True)
        enactor.settle()
        return enactor.done(proposal_id) or Enacted(made.index, proposal_id, False, False, made.trouble)

    def emergency_open(self, envelope: Body) -> Logged:
        """Record an emergency of two persons; without witnesses it counts as unwitnessed until they have seen it."""
        return self._act("emergency-open", envelope, effective=True, wait=False, before=lambda _: check_committed(envelope))

    def emergency_close(self, value: Body) -> Logged:
        """Record the end of an emergency."""
        return self._act("emergency-close", value, effective=True, wait=False)

    def review(self, value: Body) -> Logged:
        """Record a review: opened without a verdict, concluded in an envelope that the reviewers sign."""
        return self._act("review", value)

    def due(self) -> list[Logged]:
        """Log what time alone has brought about: emergencies that ran out, and those whose review was missed.

        By a clock that is known to be wrong nothing has run out yet; the next act says so.
        """
        made: list[Logged] = []
        if (reverts(self.state, self.clock()) or expired(self.state, self.clock())) and self._clock_refusal(ask=True):
            return made
        for end, found in (("reverted", reverts), ("expired", expired)):
            for emergency in found(self.state, self.clock()):
                if self.state.emergencies[emergency].closed is None:
                    value = EmergencyClose(emergency=emergency, end=end, at=whole_ms(self.clock())).value
                    made.append(self._act("emergency-close", value, effective=True, wait=False))
        return made

    # --- checks -------------------------------------------------------------------------------------------------------

    def consistent(self, size: int, root: bytes) -> bool:
        """Tell whether (size, root [32 bytes]) is a head that the log really had."""
        if not 0 < size <= self.ledger.log.size:
            return False
        if size not in self._roots:
            self._roots[size] = self.ledger.log.tree().root_at(size)
        return self._roots[size] == root

    def check(self) -> list[str]:
        """Return where the live state and the policy tables differ from what replaying the whole log gives."""
        replayed = State.fold(
            (
                (index, parse_time(entry.t), entry.kind, entry.body)
                for index, entry in _all_entries(self.ledger)
            ),
            self.consistent,
            self.state.openings,
        )
        found = []
        if canonical_json(replayed.value()) != canonical_json(self.state.value()):
            found.append("the live state is not what the log gives")
        return found + self.enactor.differences()

    # --- how an act is logged -----------------------------------------------------------------------------------------

    def _act(
        self,
        kind: str,
        body: Body,
        *,
        effective: bool = False,
        wait: bool = True,
        before: Callable[[int], None] | None = None,
    ) -> Logged:
        """Check, log and fold one entry.

        Args:
            effective: it makes something effective, so the witnesses are asked.
            wait: it is not logged while they cannot be reached.
            before: checks beyond those of the fold, given the time.
        """
        now = whole_ms(self.clock())
        try:
            self._check_clock(ask=effective and wait)
            admitted = self.state.check(kind, body, now, self.ledger.log.size)
            if admitted is not None and before is not None:
                before(now)
        except (ConflictError, InputError) as error:
            raise self._refuse(kind, body, error) from error
        if admitted is None:
            return Logged(-1, _id_of(kind, body), True)
        if effective and wait:
            self._ask_witnesses()
        self.step(f"{kind}: checked")
        self.ledger.queue(kind, body)
        self.step(f"{kind}: queued")
        index = self._flush()
        self.step(f"{kind}: logged")
        if not effective:
            return Logged(index, _id_of(kind, body), self._covered(index))
        committed = self.ledger.try_commit()
        self.step(f"{kind}: witnessed")
        return Logged(index, _id_of(kind, body), self._covered(index), committed.trouble)

    def _flush(self) -> int:
        """Append what is queued and fold the new entries; return the index of the last one."""
        size = self.ledger.log.size
        self.ledger.flush()
        index = -1
        for index, data in enumerate(self.ledger.log.tree().entries(size), size):
            entry = Entry.decode(data)
            if entry.stream == GOVERNANCE:
                violation = self.state.apply(index, parse_time(entry.t), entry.kind, entry.body)
                if violation is not None:
                    raise IntegrityError(
                        f"entry {index} of the log has no effect: {violation.sentence}", help="look at the clock of the log"
                    )
        return index

    def _covered(self, index: int) -> bool:
        return covered(self.ledger, index)

    def _clock_refusal(self, *, ask: bool) -> Refusal | None:
        if ask or not self._asked:
            self._asked = [ask_time(self.ledger, self.clock)]
        return judge_clock(self.ledger, self.clock, self.state.last_t_ns, self._asked[0])

    def _check_clock(self, *, ask: bool) -> None:
        """Refuse to write by a clock that the log or its witnesses contradict; the witnesses are asked once, or again."""
        if (found := self._clock_refusal(ask=ask)) is not None:
            raise found.error(help="set the clock right, for instance by NTP; see: date -u")

    def _ask_witnesses(self) -> None:
        """Refuse to go on while the witnesses that the log's policy asks for cannot be reached."""
        committed = self.ledger.try_commit()
        if not committed.accepted:
            raise StoreError(
                "the quorum of witnesses cannot be reached, so nothing can be put into force: "
                + ("; ".join(committed.trouble) or "too few have cosigned"),
                help="try again; what is in force stays in force",
            )

    def _refuse(self, kind: str, body: object, error: GroundruleError) -> GroundruleError:
        """Put a refused act on record, and return the error to raise."""
        if self.state.charter is not None or kind == "charter":
            self._record(rejection_of(kind, body, error))
        return error

    def _record(self, rejection: Rejection) -> Logged:
        if self.state.check("rejection", rejection.value, whole_ms(self.clock()), self.ledger.log.size) is None:
            return Logged(-1, rejection.digest_)
        self.ledger.queue("rejection", rejection.value)
        return Logged(self._flush(), rejection.digest_)


def covered(ledger: HomeLedger, index: int) -> bool:
    """Has the quorum that the log's policy asks for seen the entry with this index?"""
    return 0 <= index < ledger.log.accepted_size


def governance_entries(ledger: HomeLedger) -> list[tuple[int, Entry]]:
    """Return the entries of the stream `governance` with their indexes, found by what the home's outbox notes."""
    tree = ledger.log.tree()
    found = []
    for index in ledger.records.logged_in(GOVERNANCE):
        entry = Entry.decode(next(iter(tree.entries(index, index + 1))))
        if entry.stream != GOVERNANCE:
            raise IntegrityError(f"entry {index} of the log is of stream `{entry.stream}`, the home notes `{GOVERNANCE}`")
        found.append((index, entry))
    return found


def _all_entries(ledger: HomeLedger) -> list[tuple[int, Entry]]:
    marked = b'"stream":"governance"'
    entries = (
        (index, Entry.decode(data)) for index, data in enumerate(ledger.log.tree().entries()) if marked in data
    )
    return [(index, entry) for index, entry in entries if entry.stream == GOVERNANCE]


def draft_proposal(changes: Sequence[Body], impact: Impact, **fields: Any) -> dict[str, Any]:
    """Return the value of a proposal on what is in force, to be completed by its author.

    Args:
        changes: as `changes.draft` returns them.
        impact: as `impact.preview` returns it.
        fields: further fields of the proposal: class, author, rationale, effective and others.
    """
    return {
        "base_policy_digest": impact.policy_a,
        "change_set": [Change.parse(change).value for change in changes],
        "requests": [],
        "beneficiaries": [],
        "supersedes": None,
        "expires": None,
        "impact_digest": impact.digest,
        "screenings": [],
        "contacts_in_scope": [],
        "licence": None,
        "emergency": False,
    } | fields


def governed_by(home: Home) -> str | None:
    """Return the digest of the proposal that brought into force what is in force; None without a charter."""
    stated = in_force(home)
    return None if stated is None else stated.proposal


def _id_of(kind: str, body: Body) -> str:
    if kind == "proposal":
        return Proposal.parse(body["proposal"]).id
    if kind == "enactment":
        return str(body["proposal_digest"])
    if "payload" in body:
        payload = b64decode(str(body["payload"]).replace("-", "+").replace("_", "/"))
        value = json.loads(payload)
        found = value.get("id") or value.get("emergency")
        return str(found) if found else sha256(payload).hexdigest()
    found = body.get("id") or body.get("emergency")
    return str(found) if found else digest_of(body)
