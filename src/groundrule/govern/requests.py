"""Requests from outside: outcomes, clocks, and obligations that contradict each other.

Every request ends in `refused`, `withdrawn`, `informally_followed`, or `proposed` with that proposal ended; one that has
not ended after the days of the charter is shown as overdue. Silence is never an answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from groundrule.govern.appeals import check_corrected, due_ns
from groundrule.govern.disclosure import check_answer
from groundrule.govern.logged import LoggedRequest
from groundrule.govern.objects import Request, RequestOutcome
from groundrule.govern.refusal import refuse

if TYPE_CHECKING:
    from groundrule.govern.state import State

FINAL: Final = frozenset({"refused", "withdrawn", "informally_followed", "corrected"})
OPPOSITE: Final = {
    "serve": frozenset({"deny", "restrict", "refrain"}),
    "deny": frozenset({"serve", "refrain"}),
    "restrict": frozenset({"serve"}),
    "refrain": frozenset({"serve", "deny"}),
    "list_add": frozenset({"list_remove"}),
    "list_remove": frozenset({"list_add"}),
}


@dataclass(frozen=True, slots=True)
class RequestClock:
    """Where a request stands.

    Attributes:
        id: of the request.
        due_ns: when it must have ended [ns].
        ended: whether it has.
        overdue: whether it is late.
        late_ns: from what happened to the record of it [ns].
    """

    id: str
    due_ns: int
    ended: bool
    overdue: bool
    late_ns: int


def clock(state: State, logged: LoggedRequest, at_ns: int) -> RequestClock:
    """Return where a request stands at an instant."""
    assert state.charter is not None
    request = logged.request
    due = due_ns(logged, state.charter.limits.request_days)
    ended = logged.outcome in FINAL or (
        logged.outcome == "proposed"
        and all(state.ended(proposal_id, at_ns) for proposal_id in proposals_of(state, request.id))
        and bool(proposals_of(state, request.id))
    )
    return RequestClock(request.id, due, ended, not ended and at_ns >= due, request.recorded_at - request.occurred_at)


def overdue(state: State, at_ns: int) -> tuple[str, ...]:
    """Return the requests without a final outcome after their days."""
    return tuple(
        request_id for request_id, logged in state.requests.items() if clock(state, logged, at_ns).overdue
    )


def alerts(state: State) -> tuple[str, ...]:
    """Return requests that were followed without an enactment."""
    return tuple(id_ for id_, logged in state.requests.items() if logged.outcome == "informally_followed")


def proposals_of(state: State, request_id: str) -> tuple[str, ...]:
    """Return the proposals made because of a request."""
    return tuple(id_ for id_, logged in state.proposals.items() if request_id in logged.proposal.requests)


def conflicting(state: State, request: Request) -> tuple[str, ...]:
    """Return requests that are not ended and ask for the opposite on the same object."""
    wants = [(ask.object, OPPOSITE.get(ask.op, frozenset())) for ask in request.ask]
    return tuple(
        id_
        for id_, other in state.requests.items()
        if id_ != request.id
        and other.outcome not in ("withdrawn", "refused")
        and any(ask.object == what and ask.op in against for ask in other.request.ask for what, against in wants)
    )


def check_outcome(state: State, outcome: RequestOutcome) -> None:
    """Check that an outcome may follow.

    Raises:
        ConflictError: `unknown_request`, `request_ended`, `not_proposed` or `unknown_conflict`.
    """
    logged = state.requests.get(outcome.id)
    if logged is None:
        raise refuse("unknown_request", f"there is no request `{outcome.id}` in the log")
    if logged.outcome in FINAL:
        raise refuse("request_ended", f"request `{outcome.id}` has ended: {logged.outcome}", help="record a new request")
    if outcome.outcome == "proposed" and not proposals_of(state, outcome.id):
        raise refuse("not_proposed", f"no proposal names request `{outcome.id}`", help="propose first")
    check_answer(state, logged, outcome.outcome)
    check_corrected(logged, outcome.outcome)
    if unknown := [other for other in outcome.conflicts if other not in state.requests]:
        raise refuse("unknown_conflict", f"there is no request `{unknown[0]}` in the log")
