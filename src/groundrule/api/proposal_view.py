"""Proposals as readers see them: what would change, for whom, who is in conflict, who signed, what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from groundrule.api.governed import View
from groundrule.api.parties_seen import Parties, PartyView
from groundrule.api.principal import Principal
from groundrule.api.screening_view import ListUsed
from groundrule.api.times import when
from groundrule.errors import GroundruleError, StoreError
from groundrule.govern.logged import LoggedProposal
from groundrule.govern.objects import Impact
from groundrule.govern.quorum import Judgement, judge, proposal_end, subjects
from groundrule.pipeline.approving import standing_of
from groundrule.pipeline.change_words import change_lines, impact_lines
from groundrule.pipeline.proposing import contents_of
from groundrule.pipeline.unseen import unseen_lines
from groundrule.rules.text import read_rulebook

StateWord = Literal["open", "ready", "enacted", "rejected", "expired"]
PRIVATE_REASONS: Final = frozenset({"contact", "suspended"})
"""Why somebody is in conflict that only those learn who may know persons: it may rest on an allegation."""
WHY: Final[Mapping[str, str]] = {
    "author": "wrote the proposal",
    "editor": "wrote a version of the proposal",
    "requester": "asked for it",
    "principal": "it is asked for in that name",
    "beneficiary": "gains by it",
    "contact": "a contact with a party concerned is on record",
    "recused": "has recused",
    "suspended": "is suspended until a review decides",
    "rejected": "has rejected it",
    "approval_expired": "the approval has expired",
    "old_charter": "the approval was signed under an earlier charter",
    "not_in_role": "does not hold the role, or stands in for nobody",
    "checkpoint": "signed over a head that the log never had",
}


class ChangeView(msgspec.Struct):
    """One step of a change set.

    Attributes:
        op: create, replace, delete or disclose. object: what changes.
        lines: what changes, in words; empty for whoever may not see limits.
        before_sha256, after_sha256: digests of the content.
    """

    op: str
    object: str
    lines: list[str]
    before_sha256: str | None
    after_sha256: str | None


class EngineRun(msgspec.Struct):
    """One of the independent computations of an impact."""

    engine: str
    version: str
    result_digest: str


class ImpactView(msgspec.Struct):
    """For whom a change set changes what.

    Attributes:
        digest: of the impact; approvals name it.
        changed: terminals that would be answered otherwise.
        counts: outcome before, outcome after, class of terminal, number of terminals.
        lines: the same in words.
        not_seen: what the preview could not see.
        protected_changed, countries, conflict_areas, sanctions_exceptions, wartime_denials: what it touches beyond counts.
        suppressed: cells that are too small to be shown.
        runs: computations; they must agree.
        policy_before, policy_after: digests.
    """

    digest: str
    changed: int
    counts: dict[str, dict[str, dict[str, int]]]
    lines: list[str]
    not_seen: list[str]
    protected_changed: list[str]
    countries: list[str]
    conflict_areas: list[str]
    sanctions_exceptions: list[str]
    wartime_denials: int
    suppressed: int
    runs: list[EngineRun]
    policy_before: str
    policy_after: str


class PartyScreening(msgspec.Struct):
    """How a party behind a proposal was screened last.

    Attributes:
        party: who.
        result: clear, listed, open (a registrar has to decide on a candidate) or never.
        id, log_index, performed_at, valid_until, lists, candidates: of the screening; null or empty where there is none.
    """

    party: PartyView
    result: Literal["clear", "listed", "open", "never"]
    id: str | None = None
    log_index: int | None = None
    performed_at: str | None = None
    valid_until: str | None = None
    candidates: int = 0
    lists: list[ListUsed] = msgspec.field(default_factory=list)


class ConflictView(msgspec.Struct):
    """Somebody whose approval does not count.

    Attributes:
        party: who.
        reason: a short code; `private` where the reader may not know it.
        sentence: why.
    """

    party: PartyView
    reason: str
    sentence: str


class SignedView(msgspec.Struct):
    """A verdict that somebody signed.

    Attributes:
        party, unit, group: who, of which unit and independence group.
        verdict: approve, reject or recuse.
        at: when it was signed. role: in which role. expires_at: until when it counts.
        counts: it counts now.
        log_index, digest: its entry in the log, and the digest of what was signed.
    """

    party: PartyView
    unit: str | None
    group: str | None
    verdict: str
    at: str | None
    role: str
    expires_at: str | None
    counts: bool
    log_index: int
    digest: str


class Needs(msgspec.Struct):
    """What a class of change needs.

    Attributes:
        role, persons, groups, notice_hours: how many of whom from how many independence groups, and the hours of notice.
        members: who holds the role.
    """

    role: str
    persons: int
    groups: int
    notice_hours: int
    members: list[PartyView]


class Block(msgspec.Struct):
    """Something else that stands against enacting a proposal now."""

    code: str
    sentence: str


class AskedFor(msgspec.Struct):
    """A request that a proposal answers."""

    id: str
    requester: PartyView
    asks: list[str]
    outcome: str


class EnactmentView(msgspec.Struct):
    """When a proposal took effect."""

    log_index: int
    at: str | None
    policy_before: str
    policy_after: str


class ProposalRow(msgspec.Struct):
    """A proposal in a list.

    Attributes:
        id: digest of its bytes.
        log_index, at: its entry in the log.
        class_: of the change.
        state: open, ready (it can be enacted now), enacted, rejected or expired.
        standing: where it stands, in one sentence.
        author, rationale: who proposes it, and why.
        objects: what changes.
        changed: terminals that would be answered otherwise.
        approvals, needed: approvals that count, and how many are needed.
        expires_at: silence is a rejection from then on.
    """

    id: str
    log_index: int
    at: str | None
    class_: str = msgspec.field(name="class")
    state: StateWord
    standing: str
    author: PartyView
    rationale: str
    objects: list[str]
    changed: int
    approvals: int
    needed: int
    expires_at: str | None


class ProposalView(ProposalRow):
    """Everything that is on record about a proposal.

    Attributes:
        reversal_plan: how it is undone.
        effective_from, effective_until: when it is to hold.
        supersedes, superseded_by: earlier and later versions.
        base_policy_digest: what it changes. current: that is still in force.
        changes, impact: what would change, for whom.
        requests, beneficiaries: because of whom.
        screening: how everybody behind it was screened.
        conflicts: whose approval does not count.
        needs, signed, missing, blocks: what it takes, who signed, what is missing in one sentence, what else stands against it.
        contacts_in_scope: ids or commitments of contacts that bear on it, as the log has them.
        enactment: once it took effect.
    """

    reversal_plan: str
    effective_from: str | None
    effective_until: str | None
    supersedes: str | None
    superseded_by: list[str]
    base_policy_digest: str
    current: bool
    changes: list[ChangeView]
    impact: ImpactView
    requests: list[AskedFor]
    beneficiaries: list[PartyView]
    screening: list[PartyScreening]
    conflicts: list[ConflictView]
    needs: Needs
    signed: list[SignedView]
    missing: str
    blocks: list[Block]
    contacts_in_scope: list[str]
    enactment: EnactmentView | None


def row_of(view: View, proposal_id: str, parties: Parties, now_ns: int) -> ProposalRow:
    """Return a proposal for a list."""
    logged, state = view.state.proposals[proposal_id], view.state
    judged = judge(state, proposal_id, at_ns=now_ns, lists=view.lists, consistent=state.consistent)
    return ProposalRow(**_row(view, logged, judged, parties, now_ns))


def proposal_of(view: View, proposal_id: str, parties: Parties, principal: Principal, now_ns: int) -> ProposalView:
    """Return a proposal with everything that its reader may see.

    Args:
        view: what governs.
        proposal_id: digest of the proposal.
        parties: names for the reader.
        principal: the reader.
        now_ns: [ns, UTC].
    """
    state, charter = view.state, view.charter
    logged = state.proposals[proposal_id]
    proposal, need = logged.proposal, charter.change_class(logged.proposal.class_)
    judged = judge(state, proposal_id, at_ns=now_ns, lists=view.lists, consistent=state.consistent)
    open_reader = principal.reader == "operator"
    contents = _contents(view, logged) if open_reader else {}
    enacted = next((each for each in state.enactments if each.enactment.proposal_digest == proposal_id), None)
    done = proposal_id in state.enacted or proposal_id in state.rejected
    return ProposalView(
        **_row(view, logged, judged, parties, now_ns),
        reversal_plan=proposal.reversal_plan,
        effective_from=when(proposal.effective.from_),
        effective_until=None if proposal.effective.until is None else when(proposal.effective.until),
        supersedes=proposal.supersedes,
        superseded_by=[id_ for id_, each in state.proposals.items() if each.proposal.supersedes == proposal_id],
        base_policy_digest=proposal.base_policy_digest,
        current=proposal.base_policy_digest == state.policy_digest,
        changes=_changes(logged, contents, whole=open_reader),
        impact=impact_view(logged.impact, _not_seen(logged, contents)),
        requests=[_asked(view, each, parties) for each in proposal.requests if each in state.requests],
        beneficiaries=parties.each(proposal.beneficiaries),
        screening=[_screening(view, party, parties) for party in sorted(subjects(state, proposal))],
        conflicts=[_conflict(party, reason, parties) for party, reason in sorted(judged.excluded.items())],
        needs=Needs(
            need.role, need.min_persons, need.min_groups, need.notice_hours, parties.each(sorted(charter.role(need.role).parties))
        ),
        signed=_signed(view, proposal_id, judged, parties),
        missing="" if done else judged.missing,
        blocks=[] if done else [Block(each.code, each.sentence) for each in judged.blocks],
        contacts_in_scope=list(proposal.contacts_in_scope) if open_reader else [],
        enactment=None if enacted is None else EnactmentView(
            enacted.index, when(enacted.enactment.enacted_at), enacted.enactment.policy_digest_before,
            enacted.enactment.policy_digest_after,
        ),
    )  # fmt: skip


def impact_view(impact: Impact, not_seen: list[str]) -> ImpactView:
    """Return an impact."""
    reach = impact.reach
    return ImpactView(
        impact.digest, impact.changed, {a: {b: dict(cells) for b, cells in row.items()} for a, row in impact.counts.items()},
        impact_lines(impact), not_seen, list(impact.protected_changed), list(reach.countries), list(reach.conflict_areas),
        list(reach.sanctions_exceptions), reach.wartime_denials, len(impact.k_suppressed),
        [EngineRun(each.engine, each.version, each.result_digest) for each in impact.runs], impact.policy_a, impact.policy_b,
    )  # fmt: skip


def state_word(view: View, proposal_id: str, judged: Judgement, now_ns: int) -> StateWord:
    """Return in one word where a proposal stands."""
    state = view.state
    if proposal_id in state.enacted:
        return "enacted"
    if proposal_id in state.rejected or judged.rejected:
        return "rejected"
    if state.ended(proposal_id, now_ns):
        return "expired"
    return "ready" if judged.satisfied else "open"


def _row(view: View, logged: LoggedProposal, judged: Judgement, parties: Parties, now_ns: int) -> dict[str, Any]:
    proposal, charter = logged.proposal, view.charter
    need = charter.change_class(proposal.class_)
    word = state_word(view, proposal.id, judged, now_ns)
    ended = {"enacted": "enacted", "rejected": "rejected", "expired": "it has expired; no answer counts as rejection"}
    return {
        "id": proposal.id, "log_index": logged.index, "at": when(logged.t_ns), "class_": proposal.class_, "state": word,
        "standing": ended.get(word) or standing_of(judged), "author": parties.of(proposal.author), "rationale": proposal.rationale,
        "objects": [each.object for each in proposal.change_set], "changed": logged.impact.changed,
        "approvals": len(judged.counted), "needed": max(need.min_persons, charter.role(need.role).minimum),
        "expires_at": when(proposal_end(charter, logged)),
    }  # fmt: skip


def _contents(view: View, logged: LoggedProposal) -> Mapping[str, bytes]:
    try:
        return contents_of(view.home, logged.proposal.change_set)
    except StoreError:
        return {}  # erased, or on its way from a backup; the digests still stand


def _changes(logged: LoggedProposal, contents: Mapping[str, bytes], *, whole: bool) -> list[ChangeView]:
    made = [
        ChangeView(each.op, each.object, [], each.before_sha256, each.after_sha256) for each in logged.proposal.change_set
    ]
    if whole:
        try:
            lines = change_lines(logged.proposal, contents.get)
        except GroundruleError:
            lines = [line for each in made for line in (each.object, "  its content is not kept here, or was changed")]
        place = -1
        for line in lines:
            if line.startswith("  "):
                made[place].lines.append(line[2:])
            else:
                place += 1
    return made


def _not_seen(logged: LoggedProposal, contents: Mapping[str, bytes]) -> list[str]:
    books = [
        read_rulebook(data.decode(), file="the rulebook")
        for change in logged.proposal.change_set
        if change.object == "rulebook"
        for name in (change.before_sha256, change.after_sha256)
        if name is not None and (data := contents.get(name)) is not None
    ]
    return [line.removeprefix("NOT SEEN: ") for line in unseen_lines(*books)]


def _asked(view: View, request_id: str, parties: Parties) -> AskedFor:
    logged = view.state.requests[request_id]
    asks = [f"{ask.op} {ask.object}" for ask in logged.request.ask]
    return AskedFor(request_id, parties.of(logged.request.requester), asks, logged.outcome)


def _screening(view: View, party: str, parties: Parties) -> PartyScreening:
    found = view.state.screening_of(party)
    if found is None:
        return PartyScreening(parties.of(party), "never")
    made = found.screening
    result: Literal["clear", "listed", "open"] = "listed" if made.listed else "open" if made.unresolved else "clear"
    return PartyScreening(
        parties.of(party), result, made.id, found.index, when(made.performed_at), when(made.valid_until), len(made.candidates),
        [ListUsed(each.source, each.date, each.sha256) for each in made.snapshots],
    )  # fmt: skip


def _conflict(party: str, reason: str, parties: Parties) -> ConflictView:
    if reason in PRIVATE_REASONS and not parties.persons:
        return ConflictView(parties.of(party), "private", "does not count in this matter")
    return ConflictView(parties.of(party), reason, WHY.get(reason, reason.replace("_", " ")))


def _signed(view: View, proposal_id: str, judged: Judgement, parties: Parties) -> list[SignedView]:
    members = {each.party: (each.org_unit, each.independence_group) for each in view.charter.persons}
    counting = {each.digest_ for each in judged.approvals}
    made = []
    for each in view.state.approvals.get(proposal_id, ()):
        said = each.approval
        unit, group = members.get(said.person, (None, None))
        signed, expires = when(said.signed_at), when(said.expires)
        counts = each.digest in counting
        made.append(
            SignedView(parties.of(said.person), unit, group, said.verdict, signed, said.role, expires, counts, each.index, each.digest)
        )
    return made
