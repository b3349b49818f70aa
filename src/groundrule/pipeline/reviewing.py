"""Reviews as people open them: of an emergency, a late contact, or a proposal that was enacted."""

from __future__ import annotations

import os

from groundrule.govern.objects import Review, new_id
from groundrule.govern.signed import NS_PER_HOUR, format_time, whole_ms
from groundrule.govern.state import State


def open_review(state: State, case: str, now_ns: int) -> Review:
    """Return the review of a case as it is opened.

    Args:
        state: what governs, with a charter.
        case: id of an emergency or contact, or digest of a proposal.
        now_ns: [ns, UTC].
    """
    assert state.charter is not None
    emergency = state.emergencies.get(case)
    due = emergency.emergency.review_due if emergency else whole_ms(now_ns) + state.charter.limits.review_hours * NS_PER_HOUR
    return Review.parse(
        {"id": new_id("review", os.urandom(16)), "of": case, "reviewers": [], "verdict": None, "findings": "", "remedy": "",
         "due": format_time(due), "actual": None}
    )  # fmt: skip


def cases(state: State) -> set[str]:
    """Return everything that can be reviewed."""
    return {*state.emergencies, *state.contacts, *state.proposals}
