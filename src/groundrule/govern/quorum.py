"""Does a quorum hold, and may the change take effect now? Persons are counted, never keys or signatures.

1. Every logged approval had a valid signature, right digests and a fresh nonce (`admission`).
2. Of each person the last verdict that is valid now counts; a rejection withdraws, a recusal is final.
3. Who is in conflict is out (`conflicts`); substitutes step in; the threshold stays.
4. The rest must satisfy the role's expression, reach the number of persons and span the independence groups.
5. Whatever else blocks is listed: time, base, class, screenings, lists.

Source: governance specification, sections 5 and 6.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from groundrule.govern.charter import ChangeClass, Charter
from groundrule.govern.classify import classify, is_at_least
from groundrule.govern.conflicts import excluded, stand_ins
from groundrule.govern.logged import LoggedApproval, LoggedProposal, LoggedScreening
from groundrule.govern.objects import Approval, ApprovalRef, Enactment, ListSnapshot, Proposal
from groundrule.govern.refusal import CLOCK_TOLERANCE_NS, Refusal
from groundrule.govern.signed import NS_PER_HOUR, SELF, UNKNOWN, whole_ms

if TYPE_CHECKING:
    from groundrule.govern.state import State

Consistent = Callable[[int, bytes], bool]
"""Whether (size, root [32 bytes]) is a head that the log really had."""
LIST_AGE_NS: Final = 24 * NS_PER_HOUR
"""How long ago the home may have asked a publisher for the newest list."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a quorum says about one proposal at one instant.

    Attributes:
        satisfied: the quorum holds and nothing blocks: it may be enacted now.
        quorum: the approving persons suffice, whatever else blocks.
        rejected: not even everybody who has not rejected or recused could satisfy it any more.
        counted: persons whose approval counts.
        excluded: who does not count, and why: a reason of `conflicts.excluded`, or `rejected`, `approval_expired`,
            `old_charter`, `not_in_role`, `checkpoint`.
        missing: what is missing, one sentence; empty when the quorum holds.
        blocks: everything else against enacting it now.
        approvals: the counted approvals, by digest and place in the log.
        screening_indexes: the screenings relied on.
    """

    satisfied: bool
    quorum: bool
    rejected: bool
    counted: frozenset[str]
    excluded: Mapping[str, str]
    missing: str
    blocks: tuple[Refusal, ...]
    approvals: tuple[ApprovalRef, ...]
    screening_indexes: tuple[int, ...]


def judge(
    state: State,
    proposal_id: str,
    *,
    at_ns: int,
    lists: Mapping[str, ListSnapshot] | None = None,
    consistent: Consistent | None = None,
    witness_ns: int | None = None,
    asked_ns: Mapping[str, int] | None = None,
) -> Judgement:
    """Judge a proposal with everything that the log said before now.

    Args:
        state: the fold up to the log index at which is judged.
        proposal_id: digest of the proposal.
        at_ns: wall clock [ns since 1970].
        lists: newest list snapshot of the home by source; what the log's screenings used is known besides.
        consistent: whether a seen checkpoint belongs to the log; None checks its size alone.
        witness_ns: time of the quorum of witnesses, where it is known.
        asked_ns: when the home last made sure that its snapshot of each source is the newest, where that is not in the log.
    Raises:
        KeyError: there is no such proposal in the log.
    """
    logged = state.proposals[proposal_id]
    charter = state.charter
    assert charter is not None, "a proposal is admitted under a charter only"
    need = charter.change_class(logged.proposal.class_)
    out = excluded(state, proposal_id, at_ns)
    instead = stand_ins(state, need.role, out)
    eligible = (charter.role(need.role).parties - out.keys()) | frozenset(instead.values())

    verdicts, refused = _verdicts(state, logged, eligible, at_ns, consistent)
    counted = frozenset(verdicts)
    quorum = _holds(charter, need, counted, instead)
    stubborn = {party for party, reason in refused.items() if reason == "rejected"}
    rejected = not _holds(charter, need, eligible - stubborn, instead)
    screenings, blocked = screening_faults(state, logged.proposal, at_ns, lists or {})
    blocked += [
        Refusal("list_stale", f"the publisher of list `{source}` was not asked for 24 hours", {"source": source})
        for source, asked in sorted((state.lists.asked_ns | dict(asked_ns or {})).items())
        if at_ns - asked > LIST_AGE_NS
    ]
    blocks = (*_time_blocks(state, logged, need, at_ns, witness_ns), *_class_blocks(state, logged), *blocked)
    return Judgement(
        satisfied=quorum and not blocks,
        quorum=quorum,
        rejected=rejected,
        counted=counted,
        excluded=refused | out,
        missing="" if quorum else _missing(charter, need, counted, rejected=rejected),
        blocks=blocks,
        approvals=tuple(
            ApprovalRef(digest_=each.digest, log_index=each.index)
            for each in sorted(verdicts.values(), key=lambda each: each.index)
        ),
        screening_indexes=tuple(sorted(each.index for each in screenings)),
    )


def enactment(state: State, proposal_id: str, judgement: Judgement, enacted_at_ns: int) -> Enactment:
    """Return the enactment of a judged proposal; everything it relies on is named.

    Args:
        state: the fold that was judged.
        proposal_id: digest of the proposal.
        judgement: satisfied.
        enacted_at_ns: the instant that was judged.
    """
    logged = state.proposals[proposal_id]
    assert state.charter is not None
    assert state.policy_digest is not None
    return Enactment(
        proposal_digest=proposal_id,
        approvals=judgement.approvals,
        charter_version=state.charter.version,
        charter_index=state.charter_index,
        proposal_index=logged.index,
        screening_indexes=judgement.screening_indexes,
        policy_digest_before=state.policy_digest,
        policy_digest_after=logged.impact.policy_b,
        enacted_at=whole_ms(enacted_at_ns),
    )


def approval_end(charter: Charter, proposal: Proposal, approval: Approval) -> int:
    """Return when an approval stops counting [ns]: as signed, at most its lifetime after signing or after the start."""
    life = charter.limits.approval_ttl_hours * NS_PER_HOUR
    return min(approval.expires, max(approval.signed_at, proposal.effective.from_) + life)


def proposal_end(charter: Charter, logged: LoggedProposal) -> int:
    """Return when a proposal expires [ns]; the charter's days are the most, and a later start may be waited for."""
    latest = max(logged.t_ns, logged.proposal.effective.from_) + charter.limits.proposal_ttl_days * 24 * NS_PER_HOUR
    return latest if logged.proposal.expires is None else min(latest, logged.proposal.expires)


def never_again(state: State, proposal_id: str) -> bool:
    """Tell whether the verdicts alone have ended a proposal: nobody left who could complete the quorum.

    Contacts and suspensions are left out, because they can be lifted again.
    """
    logged, charter = state.proposals[proposal_id], state.charter
    assert charter is not None
    need = charter.change_class(logged.proposal.class_)
    last = {each.approval.person: each.approval.verdict for each in state.approvals.get(proposal_id, ())}
    final = {each.approval.person for each in state.approvals.get(proposal_id, ()) if each.approval.verdict == "recuse"}
    gone = final | {person for person, verdict in last.items() if verdict == "reject"}
    role = charter.role(need.role)
    ready = [party for party in charter.substitutes.get(need.role, ()) if party not in gone]
    instead = dict(zip((party for party in role.persons.values() if party in gone), ready, strict=False))
    return not _holds(charter, need, (role.parties - gone) | set(instead.values()), instead)


def _holds(charter: Charter, need: ChangeClass, persons: Iterable[str], instead: Mapping[str, str]) -> bool:
    counted = frozenset(persons)
    groups = {charter.group_of(party) for party in counted}
    return (
        charter.role(need.role).satisfied_by(counted, instead)
        and len(counted) >= need.min_persons
        and len(groups) >= need.min_groups
    )


def _missing(charter: Charter, need: ChangeClass, counted: frozenset[str], *, rejected: bool) -> str:
    if rejected:
        return "too few persons are left who could approve it"
    persons = max(need.min_persons, charter.role(need.role).minimum)
    if len(counted) < persons:
        return f"{len(counted)} of {persons} persons of role {need.role} approve"
    groups = {charter.group_of(party) for party in counted}
    if len(groups) < need.min_groups:
        return f"the approving persons come from {len(groups)} of {need.min_groups} independence groups"
    return f"the approving persons do not satisfy role {need.role}"


def _verdicts(
    state: State, logged: LoggedProposal, eligible: frozenset[str], at_ns: int, consistent: Consistent | None
) -> tuple[dict[str, LoggedApproval], dict[str, str]]:
    """Return the counting approval of each person, and the persons whose verdict does not count with the reason."""
    charter = state.charter
    assert charter is not None
    counted: dict[str, LoggedApproval] = {}
    refused: dict[str, str] = {}
    for each in state.approvals.get(logged.proposal.id, ()):
        person, approval = each.approval.person, each.approval
        if approval.verdict != "approve":
            # A withdrawal needs no more than authenticity: it must not lapse and let an older approval count again.
            counted.pop(person, None)
            refused[person] = "recused" if approval.verdict == "recuse" else "rejected"
            continue
        reason = None
        if person not in eligible:
            reason = "not_in_role"
        elif approval.charter_version != charter.version:
            reason = "old_charter"
        elif at_ns >= approval_end(charter, logged.proposal, approval):
            reason = "approval_expired"
        elif consistent is not None and not consistent(approval.seen_checkpoint.size, approval.seen_checkpoint.root_hash):
            reason = "checkpoint"
        if reason is None:
            counted[person] = each
            refused.pop(person, None)
        elif person not in counted:
            refused.setdefault(person, reason)
    return counted, refused


def _time_blocks(
    state: State, logged: LoggedProposal, need: ChangeClass, at_ns: int, witness_ns: int | None
) -> Iterator[Refusal]:
    charter, proposal = state.charter, logged.proposal
    assert charter is not None
    if at_ns < state.last_t_ns - CLOCK_TOLERANCE_NS or (
        witness_ns is not None and abs(at_ns - witness_ns) > CLOCK_TOLERANCE_NS
    ):
        yield Refusal("clock_stepped", "the clock differs from the log or its witnesses by more than 5 s")
    if charter.expired(at_ns):
        yield Refusal("charter_expired", "the charter has expired; only a rotation is possible")
    if proposal.id in state.enacted:
        yield Refusal("already_enacted", "the proposal has been enacted")
    if proposal.id in state.rejected:
        yield Refusal("proposal_rejected", "the proposal was rejected")
    if at_ns >= proposal_end(charter, logged):
        yield Refusal("proposal_expired", "the proposal has expired; no answer counts as rejection")
    if at_ns < logged.t_ns + need.notice_hours * NS_PER_HOUR:
        yield Refusal("notice", f"{need.notice_hours} hours of notice have not passed")
    if at_ns < proposal.effective.from_:
        yield Refusal("not_yet", "its start has not come")
    elif not proposal.effective.covers(at_ns):
        yield Refusal("too_late", "its end has passed")
    yield from review_blocks(state, proposal.id, at_ns)
    if proposal.base_policy_digest != state.policy_digest:
        yield Refusal("stale_base", "the policy that it changes is no longer in force")


def review_blocks(state: State, proposal_id: str, at_ns: int) -> Iterator[Refusal]:
    """Yield why reviews of a proposal keep it from being enacted; one that is overdue holds nothing up any more."""
    for logged in state.reviews.values():
        if logged.review.of == proposal_id and logged.concluded is None and at_ns < logged.review.due:
            yield Refusal("under_review", "a review of the proposal is not concluded")
    if state.verdict_on(proposal_id) in ("reversed", "partly"):
        yield Refusal("review_reversed", "a review found against the proposal; another one must be made")


def _class_blocks(state: State, logged: LoggedProposal) -> Iterator[Refusal]:
    computed = required_class(state, logged)
    if not is_at_least(logged.proposal.class_, computed):
        yield Refusal("class_too_low", f"the change is {computed}, the proposal says {logged.proposal.class_}")


def required_class(state: State, logged: LoggedProposal) -> str:
    """Return the lowest class that a proposal may have, with its requests considered."""
    assert state.charter is not None
    unknown = any(
        UNKNOWN in found.request.on_behalf_of
        for id_ in logged.proposal.requests
        if (found := state.requests.get(id_)) is not None
    )
    return classify(logged.proposal.change_set, logged.impact, state.charter, unknown_principal=unknown)


# --- screenings -------------------------------------------------------------------------------------------------------


def subjects(state: State, proposal: Proposal) -> frozenset[str]:
    """Return the parties that must be screened: requesters, everyone in their chains, beneficiaries."""
    parties = set(proposal.beneficiaries)
    for request_id in proposal.requests:
        if (logged := state.requests.get(request_id)) is not None:
            parties |= {logged.request.requester} | logged.request.chain
    return frozenset(parties - {SELF, UNKNOWN})


def newest_lists(state: State, known: Mapping[str, ListSnapshot]) -> dict[str, ListSnapshot]:
    """Return the newest snapshot of each source: of the home, and of all screenings in the log."""
    newest = dict(state.newest_lists)
    for source, snapshot in known.items():
        if source not in newest or snapshot.date >= newest[source].date:
            newest[source] = snapshot
    return newest


def screening_faults(
    state: State, proposal: Proposal, at_ns: int, known: Mapping[str, ListSnapshot]
) -> tuple[list[LoggedScreening], list[Refusal]]:
    """Return the screenings that a proposal relies on at an instant, and what is wrong with them."""
    charter = state.charter
    assert charter is not None
    newest = newest_lists(state, known)
    used: list[LoggedScreening] = []
    blocks: list[Refusal] = []
    for party in sorted(subjects(state, proposal)):
        latest = state.screening_of(party)
        if latest is None:
            blocks.append(Refusal("unscreened", f"`{party}` was never screened", {"party": party}))
            continue
        used.append(latest)
        blocks += [
            Refusal(code, sentence, {"party": party, "screening": latest.screening.id})
            for code, sentence in _faults(latest, proposal, charter, newest, at_ns)
        ]
    return used, blocks


def _faults(
    logged: LoggedScreening, proposal: Proposal, charter: Charter, newest: Mapping[str, ListSnapshot], at_ns: int
) -> Iterator[tuple[str, str]]:
    screening = logged.screening
    oldest = screening.performed_at + charter.limits.screening_hours * NS_PER_HOUR
    if at_ns >= min(oldest, screening.valid_until):
        yield "screening_old", f"the screening of `{screening.subject}` is older than its limit"
    used = {each.source: each.sha256 for each in screening.snapshots}
    for source, snapshot in sorted(newest.items()):
        if used.get(source) != snapshot.sha256:
            yield "list_newer", f"list `{source}` of {snapshot.date} is newer than the screening of `{screening.subject}`"
    if screening.unresolved:
        yield "screening_unresolved", f"a candidate for `{screening.subject}` waits for a decision"
    if screening.listed and not (proposal.class_ == "critical" and proposal.licence):
        yield "listed", f"`{screening.subject}` is on a list: only a critical change that cites its licence may follow"
