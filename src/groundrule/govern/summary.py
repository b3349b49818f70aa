"""The whole state of governance as one JSON value, so that two folds can be compared byte for byte."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from groundrule.canon import canonical_json

if TYPE_CHECKING:
    from groundrule.govern.state import State


def summary(state: State, *, places: bool = True) -> dict[str, Any]:
    """Return the state.

    Args:
        state: the fold.
        places: with the indexes of the log; without, independent entries may have been logged in any order.
    """

    def listed(items: Iterable[tuple[int, Any]]) -> list[Any]:
        if places:
            return [[index, item] for index, item in items]
        return sorted((item for _, item in items), key=canonical_json)

    requests, contacts = state.requests.values(), state.contacts.values()
    approvals = [each for some in state.approvals.values() for each in some]
    return {
        "charters": listed((index, each.digest) for index, each in state.charters.items()),
        "policy": state.policy_digest,
        "proposals": listed((each.index, id_) for id_, each in state.proposals.items()),
        "approvals": listed((each.index, each.digest) for each in approvals),
        "enactments": listed((each.index, each.enactment.proposal_digest) for each in state.enactments),
        "rejected": sorted(state.rejected),
        "requests": listed((each.index, [each.request.digest, each.outcome]) for each in requests),
        "contacts": listed((each.index, [each.contact.digest, each.status, each.signed]) for each in contacts),
        "nil_returns": listed((0, each.digest) for each in state.nil_returns),
        "screenings": listed((each.index, each.screening.digest) for each in state.screenings.values()),
        "lists": {source: each.value for source, each in sorted(state.newest_lists.items())},
        "emergencies": listed(
            (each.index, [each.emergency.digest, each.closed.value if each.closed else None])
            for each in state.emergencies.values()
        ),
        "reviews": listed(
            (each.index, [each.review.digest, each.concluded.digest if each.concluded else None])
            for each in state.reviews.values()
        ),
        "rejections": listed((0, each.digest) for each in state.rejections),
        "nonces": dict(sorted(state.nonces.items())),
        "violations": listed((each.index, [each.kind, each.code]) for each in state.violations),
    }
