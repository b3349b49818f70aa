"""Who may not decide a proposal, and who steps in.

Rule (a): authors, editors, requesters, everyone in the chain and beneficiaries never count. Rule (b): who has a contact
with them recuses. Rule (d): who is suspended acts in no role. Rule (e): when half or more of a role is out, substitutes
take the places of those who are out, in order; the threshold stays.

Source: governance specification, section 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from groundrule.govern.contacts import recusals, suspensions
from groundrule.govern.objects import Proposal

if TYPE_CHECKING:
    from groundrule.govern.state import State


def editors(state: State, proposal: Proposal) -> frozenset[str]:
    """Return the authors of the proposals that this one edits, along the chain, without its own author."""
    found: set[str] = set()
    before = proposal.supersedes
    while before is not None and (logged := state.proposals.get(before)) is not None:
        found.add(logged.proposal.author)
        before = logged.proposal.supersedes
    return frozenset(found - {proposal.author})


def interested(state: State, proposal: Proposal) -> dict[str, str]:
    """Return who is out by rule (a): party to reason."""
    out = dict.fromkeys(editors(state, proposal), "editor")
    for request_id in proposal.requests:
        if (logged := state.requests.get(request_id)) is not None:
            out |= dict.fromkeys(logged.request.chain, "principal") | {logged.request.requester: "requester"}
    return out | dict.fromkeys(proposal.beneficiaries, "beneficiary") | {proposal.author: "author"}


def excluded(state: State, proposal_id: str, at_ns: int) -> dict[str, str]:
    """Return everybody who is out by rules (a), (b) and (d), and who recused: party to reason.

    Reasons: `author`, `editor`, `requester`, `principal`, `beneficiary`, `recused`, `contact`, `suspended`.
    """
    out = dict.fromkeys(suspensions(state), "suspended")
    out |= dict.fromkeys(recusals(state, proposal_id, at_ns), "contact")
    out |= {
        each.approval.person: "recused"
        for each in state.approvals.get(proposal_id, ())
        if each.approval.verdict == "recuse"
    }
    return out | interested(state, state.proposals[proposal_id].proposal)


def stand_ins(state: State, role: str, out: dict[str, str]) -> dict[str, str]:
    """Return who stands in for whom by rule (e): member of the role to substitute.

    Args:
        state: for the charter.
        role: name of the role.
        out: who is excluded.
    Returns:
        Empty unless half or more of the members are out. Those who are out are replaced in the order of the role's text.
    """
    assert state.charter is not None
    members = list(state.charter.role(role).persons.values())
    absent = [party for party in members if party in out]
    if 2 * len(absent) < len(members):
        return {}
    ready = [party for party in state.charter.substitutes.get(role, ()) if party not in out]
    return dict(zip(absent, ready, strict=False))
