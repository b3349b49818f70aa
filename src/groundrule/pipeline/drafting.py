"""A change set with its author's words becomes a proposal: impact computed, contacts in scope found. Nothing is logged yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from groundrule.govern.contacts import in_scope
from groundrule.govern.objects import Change, Proposal
from groundrule.pipeline.governing import Governance
from groundrule.pipeline.impact import Preview, preview
from groundrule.pipeline.parties import commit_contacts
from groundrule.pipeline.proposing import effective_of, make_proposal


@dataclass(frozen=True, slots=True)
class Drafted:
    """A proposal that is not logged yet.

    Attributes:
        proposal: with its id.
        preview: for whom it changes what.
        scope: ids of contacts that bear on it, for eyes in the home.
    """

    proposal: Proposal
    preview: Preview
    scope: tuple[str, ...]


def draft_proposal(
    governance: Governance,
    written: Mapping[str, Any],
    change_set: Sequence[Mapping[str, Any]],
    *,
    now_ns: int,
    served: Mapping[str, bool] | None = None,
    keep: bool = True,
) -> Drafted:
    """Make the proposal of a change set.

    Args:
        governance: open for acts.
        written: the author's document, as `proposing.FIELDS`; times as signed objects write them.
        change_set: from `draft_changes` or `draft_disclosure`.
        now_ns: the time [ns, UTC].
        served: the truth about terminals, where it is known.
        keep: False for a trial: openings of commitments are not kept.
    Raises:
        InputError: something in the draft cannot be used. ConflictError: it is refused.
    """
    home = governance.home
    effective = effective_of(written, now_ns)
    seen = preview(
        home, [Change.parse(each) for each in change_set], at_ns=effective.from_, until_ns=effective.until, served=served
    )

    def commit(contacts: Sequence[str]) -> Sequence[str]:
        made = commit_contacts(home, contacts, keep=keep)
        governance.state.openings |= {commitment: contact for commitment, contact in made.items() if contact}
        return list(made)

    proposal = make_proposal(governance.state, written, change_set, seen.impact, effective, now_ns=now_ns, commit=commit)
    return Drafted(proposal, seen, tuple(each.contact.id for each in in_scope(governance.state, proposal, now_ns)))
