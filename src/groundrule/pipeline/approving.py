"""What approvers are told: where a proposal stands, and the bundle that one of them checks and signs on an own machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from groundrule.govern.objects import ListSnapshot
from groundrule.govern.quorum import Judgement, judge, subjects
from groundrule.govern.state import State
from groundrule.pipeline.bundles import make_bundle, told_to
from groundrule.pipeline.parties import names_of
from groundrule.pipeline.proposing import contents_of
from groundrule.store.home import Home


def standing(state: State, proposal_id: str, lists: Mapping[str, ListSnapshot], now_ns: int) -> str:
    """Say in one sentence where a proposal stands.

    Args:
        state: what governs.
        lists: newest list snapshots of the home, by source.
        now_ns: [ns, UTC].
    """
    if proposal_id in state.enacted:
        return "enacted"
    return standing_of(judge(state, proposal_id, at_ns=now_ns, lists=lists))


def standing_of(judged: Judgement) -> str:
    """Say in one sentence what a judgement means for a proposal that was not enacted."""
    if judged.rejected:
        return "rejected"
    if judged.satisfied:
        return "the quorum holds: it can be enacted"
    return "; ".join(filter(None, [judged.missing, *(block.sentence for block in judged.blocks)]))


def bundle_for(
    home: Home, state: State, proposal_id: str, *, now_ns: int, since: Iterable[int] = (), person: str | None = None
) -> bytes:
    """Make the bundle of a proposal, for one approver or for any.

    Args:
        home: whose.
        state: what governs, with the openings of the home.
        proposal_id: digest of the proposal.
        now_ns: [ns, UTC].
        since: sizes of the log that the approver may have seen before.
        person: party id of the approver; opens that person's own contacts, and nobody else's.
    """
    logged = state.proposals[proposal_id]
    parties = set(subjects(state, logged.proposal)) | {logged.proposal.author}
    parties |= {each.contact.counterparty for each in state.contacts.values()}
    told = None
    if person is not None:
        told = told_to(home, state, proposal_id, person, now_ns)
        parties |= {str(each["party"]) for each in told["openings"] if "party" in each}
    sizes = {each.approval.seen_checkpoint.size for some in state.approvals.values() for each in some}
    return make_bundle(
        home, proposal_id, objects=contents_of(home, logged.proposal.change_set), names=names_of(home, parties),
        since={*since, *sizes}, made_for=told,
    )  # fmt: skip
