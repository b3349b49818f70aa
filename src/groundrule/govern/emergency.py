"""Break-glass: two persons, one direction, a narrow scope, at most 24 hours, reviewed or reverted.

An emergency ends by the largest of all clocks that are known: wall clock, the log's last time, and the monotonic time
that an enforcement point persisted since loading it. A clock that is set back prolongs nothing; one that is set forward
ends it early, and it stays ended.

Source: governance specification, sections 4.5 and 6.7.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from groundrule.govern.clock import OPENING_NS
from groundrule.govern.contacts import suspensions
from groundrule.govern.logged import LoggedEmergency
from groundrule.govern.objects import Emergency
from groundrule.govern.refusal import CLOCK_TOLERANCE_NS, refuse
from groundrule.govern.signed import COMMITTED, NS_PER_HOUR, payload_type
from groundrule.signing import open_envelope

if TYPE_CHECKING:
    from groundrule.govern.state import State

NS_PER_S: Final = 1_000_000_000
COUNTED_DAYS: Final = 30
_COMMITMENT: Final = re.compile(rf"{COMMITTED}[0-9a-f]{{64}}")
TERMINAL: Final = "terminal/"
"""How an opening names a terminal, beside parties and contacts."""


@dataclass(frozen=True, slots=True)
class Running:
    """What an enforcement point keeps of an emergency, also over restarts.

    Attributes:
        opened_at_ns, ttl_ns: from the signed envelope.
        monotonic_ns: time since loading, summed over restarts; persisted.
        elapsed_ns: the largest time that any clock has shown since the opening; persisted, never decreases.
    """

    opened_at_ns: int
    ttl_ns: int
    monotonic_ns: int = 0
    elapsed_ns: int = 0

    @classmethod
    def load(cls, emergency: Emergency) -> Running:
        """Start counting when the envelope is loaded."""
        return cls(emergency.opened_at, emergency.ttl_s * NS_PER_S)

    def tick(self, wall_ns: int, monotonic_delta_ns: int) -> Running:
        """Return the record after time has passed.

        Args:
            wall_ns: the wall clock now [ns since 1970].
            monotonic_delta_ns: time since the last tick by a clock that is never set; negative counts as 0.
        """
        monotonic = self.monotonic_ns + max(0, monotonic_delta_ns)
        elapsed = max(self.elapsed_ns, monotonic, wall_ns - self.opened_at_ns)
        return Running(self.opened_at_ns, self.ttl_ns, monotonic, elapsed)

    @property
    def over(self) -> bool:
        """Whether its time to live has passed."""
        return self.elapsed_ns >= self.ttl_ns


def with_terminals(emergency: Emergency, openings: Mapping[str, str]) -> Emergency:
    """Return an emergency that names the terminals behind its commitments, as far as they open here; the log never does."""
    if not any(each.startswith(COMMITTED) for each in emergency.scope.terminals):
        return emergency
    opened = (openings.get(each, each).removeprefix(TERMINAL) for each in emergency.scope.terminals)
    return replace(emergency, scope=replace(emergency.scope, terminals=tuple(opened)))


def check_committed(envelope: Mapping[str, Any]) -> None:
    """Refuse to log the name of a terminal.

    Args:
        envelope: of an emergency.
    Raises:
        ConflictError: `terminal_in_clear`.
    """
    emergency = Emergency.parse_bytes(open_envelope(envelope, (), payload_type("emergency"))[0])
    if not all(map(_COMMITMENT.fullmatch, emergency.scope.terminals)):
        raise refuse("terminal_in_clear", "the emergency names a terminal in clear", help="make it with: groundrule emergency draft")


def active(state: State, at_ns: int, monotonic_ns: Mapping[str, int] | None = None) -> tuple[Emergency, ...]:
    """Return the emergencies in force, in the order of the log.

    Args:
        state: the fold.
        at_ns: wall clock [ns since 1970].
        monotonic_ns: time since each emergency was loaded, by its id, persisted over restarts.
    """
    now = max(at_ns, state.last_t_ns)
    clocks = monotonic_ns or {}
    return tuple(
        logged.emergency
        for id_, logged in state.emergencies.items()
        if logged.closed is None
        and max(now - logged.emergency.opened_at, clocks.get(id_, 0)) < logged.emergency.ttl_s * NS_PER_S
        and not _reverted(state, logged, now)
    )


def _overdue(state: State, logged: LoggedEmergency, now_ns: int) -> bool:
    return state.verdict_on(logged.emergency.id) is None and now_ns >= logged.emergency.review_due


def _reverted(state: State, logged: LoggedEmergency, now_ns: int) -> bool:
    """Tell whether it was not reviewed in time, or reversed; a review that comes late does not bring it back."""
    concluded = state.concluded_at(logged.emergency.id)
    due = logged.emergency.review_due
    return (now_ns >= due and (concluded is None or concluded >= due)) or (
        state.verdict_on(logged.emergency.id) == "reversed"
    )


def overdue_reviews(state: State, at_ns: int) -> tuple[str, ...]:
    """Return what waits for a review beyond its time: ids of emergencies, and of contacts that came too late."""
    now = max(at_ns, state.last_t_ns)
    emergencies = [id_ for id_, logged in state.emergencies.items() if _overdue(state, logged, now)]
    reviews = [
        logged.review.of
        for logged in state.reviews.values()
        if logged.concluded is None and now >= logged.review.due and logged.review.of not in state.emergencies
    ]
    return tuple(dict.fromkeys(emergencies + reviews))


def reverts(state: State, at_ns: int) -> tuple[str, ...]:
    """Return emergencies that revert, because of a review overdue or against them, and have no closing entry yet."""
    now = max(at_ns, state.last_t_ns)
    return tuple(
        id_ for id_, logged in state.emergencies.items() if logged.closed is None and _reverted(state, logged, now)
    )


def expired(state: State, at_ns: int) -> tuple[str, ...]:
    """Return emergencies whose time is over and that have no closing entry yet."""
    now = max(at_ns, state.last_t_ns)
    return tuple(
        id_
        for id_, logged in state.emergencies.items()
        if logged.closed is None and now - logged.emergency.opened_at >= logged.emergency.ttl_s * NS_PER_S
    )


def frozen(state: State, at_ns: int) -> bool:
    """Tell whether the emergency role may not act, because a review of what it did is overdue."""
    now = max(at_ns, state.last_t_ns)
    return any(_overdue(state, logged, now) for logged in state.emergencies.values())


def opened_in(state: State, at_ns: int, days: int = COUNTED_DAYS) -> int:
    """Return how many emergencies were opened in the days before; the count is public."""
    since = at_ns - days * 24 * NS_PER_HOUR
    return sum(since < logged.emergency.opened_at <= at_ns for logged in state.emergencies.values())


def check_open(state: State, emergency: Emergency, signers: Collection[str], at_ns: int) -> None:
    """Check that an emergency may be opened; a renewal is checked as such.

    Args:
        state: the fold before it.
        emergency: the signed object.
        signers: persons of whom a valid signature was found.
        at_ns: the time of the entry.
    Raises:
        ConflictError: `no_charter`, `charter_expired`, `id_taken`, `role_frozen`, `openers_unsigned`,
            `openers_not_in_role`, `condition_unknown`, `ttl_too_long`, `clock_stepped`, `opened_too_late`, `review_too_late`,
            `stale_base`, `renewal_disguised`, or those of `check_renewal`.
    """
    charter = state.charter
    if charter is None:
        raise refuse("no_charter", "there is no charter")
    if charter.expired(at_ns):
        raise refuse("charter_expired", "the charter has expired", help="rotate it")
    if emergency.id in state.emergencies:
        raise refuse("id_taken", f"emergency `{emergency.id}` exists already")
    if frozen(state, at_ns):
        raise refuse("role_frozen", "a review of an emergency is overdue; the role is frozen", help="conclude the review")
    openers = set(emergency.openers)
    if not openers <= set(signers):
        raise refuse("openers_unsigned", f"{len(openers & set(signers))} of 2 openers signed with a valid key")
    if not charter.role("emergency").satisfied_by(openers - suspensions(state).keys()):
        raise refuse("openers_not_in_role", "the openers are not two persons of role emergency who may act")
    if emergency.condition not in charter.limits.emergency_conditions:
        raise refuse("condition_unknown", f"`{emergency.condition}` is no condition of the charter")
    if emergency.ttl_s > charter.limits.emergency_ttl_hours * 3600:
        raise refuse("ttl_too_long", f"at most {charter.limits.emergency_ttl_hours} hours")
    if emergency.opened_at > at_ns + CLOCK_TOLERANCE_NS or at_ns < state.last_t_ns - CLOCK_TOLERANCE_NS:
        raise refuse("clock_stepped", "the time of opening has not come", help="wait for it, or set the clock right")
    # It counts from the time that both signed: time spent on signing shortens it, and no clock prolongs it.
    if at_ns - emergency.opened_at > min(OPENING_NS, emergency.ttl_s * NS_PER_S):
        raise refuse("opened_too_late", "it was signed too long ago", help="draft it again; both sign within 15 minutes")
    if emergency.review_due > emergency.opened_at + charter.limits.review_hours * NS_PER_HOUR:
        raise refuse("review_too_late", f"the review is due within {charter.limits.review_hours} hours")
    if emergency.auto_revert_digest != state.policy_digest:
        raise refuse("stale_base", "the policy that would return is not the one in force")
    if emergency.renewal_of is not None:
        check_renewal(state, emergency, at_ns)
        return
    for other in state.emergencies.values():
        if state.verdict_on(other.emergency.id) is None and _same_purpose(other.emergency, emergency):
            raise refuse(
                "renewal_disguised",
                f"emergency `{other.emergency.id}` touched the same and is not reviewed",
                help="renew it while it lasts, or conclude its review",
            )


def check_renewal(state: State, emergency: Emergency, at_ns: int) -> None:
    """Check that an emergency renews another one.

    Raises:
        ConflictError: `renewal_unknown`, `renewal_too_late`, `renewal_limit` or `renewal_wider`.
    """
    assert state.charter is not None
    before = state.emergencies.get(emergency.renewal_of or "")
    if before is None:
        raise refuse("renewal_unknown", f"there is no emergency `{emergency.renewal_of}` in the log")
    if before.emergency not in active(state, at_ns):
        raise refuse("renewal_too_late", f"emergency `{before.emergency.id}` has ended", help="renew while it lasts")
    renewals, step = 1, before
    while step.emergency.renewal_of is not None:
        renewals, step = renewals + 1, state.emergencies[step.emergency.renewal_of]
    renewed = any(each.emergency.renewal_of == before.emergency.id for each in state.emergencies.values())
    if renewals > state.charter.limits.emergency_renewals or renewed:
        raise refuse("renewal_limit", f"at most {state.charter.limits.emergency_renewals} renewal of an emergency")
    old, new = before.emergency, emergency
    narrower = (
        set(new.scope.areas) <= set(old.scope.areas)
        and set(new.scope.terminals) <= set(old.scope.terminals)
        and set(new.scope.ops) <= set(old.scope.ops)
    )
    if not narrower or new.direction != old.direction or new.condition != old.condition:
        raise refuse("renewal_wider", "a renewal keeps condition and direction, and touches no more")


def _same_purpose(old: Emergency, new: Emergency) -> bool:
    shared = set(old.scope.areas) & set(new.scope.areas) or set(old.scope.terminals) & set(new.scope.terminals)
    return old.direction == new.direction and bool(shared)
