"""What is decided when a part of the system is down: one table, four rules, for whole batches.

    base result ──► held to what was in force ──► table by cause and class ──► combined ──► four rules ──► result

An outage is not a denial. The rules, which override the table:

1. An outage never creates a denial for a protected terminal.
2. An outage never lifts a denial by a sanctions list or a denylist.
3. A new denial comes into force only under a fresh snapshot and a clock that is right.
4. Every degraded decision carries `degraded:<cause>` and is counted.

Everything here is a pure function of its arguments. Degrees may differ from row to row; the table is applied to columns.

Source: reliability specification, sections 3.2 (degrees), 4.2 (combination), 5.2 (table) and 5.3 (rules); the readings that
it leaves open are argued in docs/degraded.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groundrule.errors import InputError
from groundrule.pipeline.classes import TerminalClass
from groundrule.records import Outcome, ServiceState
from groundrule.rules.classes import STATES


class Cause(StrEnum):
    """A part that is down; each has degree 0 (well), 1 or 2."""

    POLICY_STORE_DOWN = "policy_store_down"
    SNAPSHOT_INVALID = "snapshot_invalid"
    NO_SNAPSHOT = "no_snapshot"
    LOCATION_UNVERIFIABLE = "location_unverifiable"
    SCREENING_STALE = "screening_stale"
    LEDGER_DOWN = "ledger_down"
    CLOCK_DOUBTFUL = "clock_doubtful"

    @property
    def reason(self) -> str:
        """Its reason code."""
        return f"degraded:{self.value}"


CAUSES: Final = tuple(Cause)
"""All causes; cause k is bit k of a mask."""
LKG_ORDINARY_S: Final = 72 * 3600
"""How long the last good snapshot decides alone for ordinary terminals [s]; argued in docs/degraded.md."""
FAST_KM_H: Final = 100.0
"""Above this speed a terminal without a location that can be verified is denied in conflict areas [km/h]; argued there too."""
CLOCK_TOLERANCE_S: Final = 5
"""How far the clock may be off the quorum of witness times [s]."""
SCREENING_MAX_AGE_S: Final = 24 * 3600
"""How old a sanctions list may be before it counts as stale [s]."""

EMERGENCY_ONLY: Final = "service=emergency_calls"
CONFIRM_LOCATION: Final = "notice=confirm_location"
LIMITS: Final[tuple[tuple[str, ...], ...]] = ((), (CONFIRM_LOCATION,), (EMERGENCY_ONLY,))
"""Obligations of `restrict` by the number in `Degraded.limit`."""

Degrees = Mapping[Cause, "int | NDArray[np.uint8]"]
"""Degree of each cause, for the whole batch or by row; a cause that is missing is well."""
Codes = NDArray[np.uint8]
Flags = NDArray[np.bool_]

_FRESHNESS: Final = (Cause.POLICY_STORE_DOWN, Cause.SNAPSHOT_INVALID, Cause.NO_SNAPSHOT, Cause.CLOCK_DOUBTFUL)
"""Causes under which nothing new comes into force."""
_NOTHING: Final = 255
_SERVE, _RESTRICT, _REVIEW, _DENY = (np.uint8(each) for each in Outcome)
_NEVER, _DEGRADED = STATES.index(ServiceState.NEVER_SERVED), STATES.index(ServiceState.DEGRADED)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the table asks of a row besides its class; None is false for every row, but `known`, which is then true.

    Attributes:
        denied_by_list: a denial by a sanctions list or denylist is in force (bool, shape (n,)).
        landing: the bootstrap policy denies for want of landing rights (bool).
        emergency: the request is emergency traffic (bool).
        known: the snapshot knows the terminal (bool).
        fast: faster than `FAST_KM_H` for certain (bool).
        held: outcome of the same evidence under what was in force when policy and clock were last known to be right
            (uint8); None is the base result itself.
    """

    denied_by_list: Flags | None = None
    landing: Flags | None = None
    emergency: Flags | None = None
    known: Flags | None = None
    fast: Flags | None = None
    held: Codes | None = None


@dataclass(frozen=True, slots=True)
class Degraded:
    """Decisions of one batch under faults; row i belongs to row i of the base.

    Attributes:
        outcome: `Outcome` (uint8, shape (n,)).
        state: index into `STATES`: `degraded` where the outcome is not that of the policy (uint8).
        causes: bit k: cause k is active (uint8).
        decisive: bit k: cause k gave an outcome that is not the policy's (uint8).
        limit: index into `LIMITS` (uint8).
        changed: the outcome is not that of the policy (bool).
        counts: rows by reason code, of active causes only.
        opened, closed: rows that are served although the policy denied, and rows that are not although it did not.
    """

    outcome: Codes
    state: Codes
    causes: Codes
    decisive: Codes
    limit: Codes
    changed: Flags
    counts: Mapping[str, int] = field(default_factory=dict)
    opened: int = 0
    closed: int = 0

    def reasons(self, row: int) -> tuple[str, ...]:
        """Return the reason codes of a row, those that changed it first."""
        decisive, active = int(self.decisive[row]), int(self.causes[row])
        return codes_of(decisive) + codes_of(active & ~decisive)


@lru_cache(maxsize=1 << len(CAUSES))
def codes_of(mask: int) -> tuple[str, ...]:
    """Return the reason codes of a mask of causes."""
    return tuple(cause.reason for place, cause in enumerate(CAUSES) if mask >> place & 1)


def degrade(outcome: Codes, state: Codes, classes: Codes, degrees: Degrees, facts: Facts | None = None) -> Degraded:
    """Apply table and rules to a batch.

    Args:
        outcome: base result under the snapshot that is loaded, or under the bootstrap policy where none is (uint8, shape (n,)).
        state: its service state, index into `STATES` (uint8).
        classes: `TerminalClass` of terminal and request (uint8).
        degrees: of each cause.
        facts: about each row.
    Raises:
        InputError: lengths differ, or a degree is not 0, 1 or 2.
    """
    n = len(outcome)
    degree = {cause: _degree(cause, degrees.get(cause, 0), n) for cause in CAUSES}
    active = [degree[cause] > 0 for cause in CAUSES]
    causes = np.zeros(n, np.uint8)
    for place, each in enumerate(active):
        causes |= each.astype(np.uint8) << np.uint8(place)
    table = _Table(outcome, classes, degree, facts or Facts())
    result = table.combined()
    # Rule 1: no fault denies a protected terminal that the policy did not deny.
    result = np.where(table.protected & (outcome < _DENY), np.minimum(result, _REVIEW), result)
    # An outage opens nothing that the network has never served, and its own answer is no denial either.
    result = np.where(state == _NEVER, outcome, result)
    # Rule 2.
    result = np.where(table.by_list, _DENY, result).astype(np.uint8)
    changed: Flags = result != outcome
    decisive = np.zeros(n, np.uint8)
    for place in range(len(CAUSES)):
        gave = (table.gave[place] == result) | (table.left[place] == result)
        decisive |= (changed & active[place] & gave).astype(np.uint8) << np.uint8(place)
    return Degraded(
        result,
        np.where(changed, np.uint8(_DEGRADED), state).astype(np.uint8),
        causes,
        decisive,
        np.where((result == _RESTRICT) & (state != _NEVER), table.limit, 0).astype(np.uint8),
        changed,
        {cause.reason: int(each.sum()) for cause, each in zip(CAUSES, active, strict=True) if each.any()},
        int(((outcome == _DENY) & (result < _DENY)).sum()),
        int(((outcome < _DENY) & (result == _DENY)).sum()),
    )


class _Table:
    """The cells of the table for the rows of one batch, and what they come to.

    Attributes:
        gave: what the cell of each cause gives a row; 255 where it gives nothing.
        left: what each cause made of the base result; 255 where it left it alone.
        limit: index into `LIMITS` for rows that come to `restrict`.
    """

    def __init__(self, outcome: Codes, classes: Codes, degree: Mapping[Cause, Codes], facts: Facts) -> None:
        n = len(outcome)
        self.protected: Flags = classes == TerminalClass.PROTECTED
        self._ordinary: Flags = classes == TerminalClass.ORDINARY
        self._conflict: Flags = classes == TerminalClass.CONFLICT
        if len(classes) != n or not (self.protected | self._ordinary | self._conflict).all():
            raise InputError("a class is missing or unknown", help="one of protected, ordinary, conflict for each row")
        self.by_list = _flags(facts.denied_by_list, n, False)
        self._landing, self._emergency = _flags(facts.landing, n, False), _flags(facts.emergency, n, False)
        self._known, self._fast = _flags(facts.known, n, True), _flags(facts.fast, n, False)
        self._held = outcome if facts.held is None else facts.held
        self._degree = degree
        self.gave = np.full((len(CAUSES), n), _NOTHING, np.uint8)
        self.left = np.full((len(CAUSES), n), _NOTHING, np.uint8)
        self.limit = np.zeros(n, np.uint8)
        self._base = self._in_force(outcome)

    def combined(self) -> Codes:
        """Return the most permissive cell of protected rows, and the strictest of all others; the base is one of them."""
        protected, ordinary, conflict = self.protected, self._ordinary, self._conflict
        degree = self._degree
        store, invalid, none = (degree[each] for each in (Cause.POLICY_STORE_DOWN, Cause.SNAPSHOT_INVALID, Cause.NO_SNAPSHOT))
        location, clock = degree[Cause.LOCATION_UNVERIFIABLE], degree[Cause.CLOCK_DOUBTFUL]
        self._give(Cause.POLICY_STORE_DOWN, (store > 0) & conflict & ~self._known, _RESTRICT, limit=2)
        self._give(Cause.SNAPSHOT_INVALID, (invalid == 2) & protected, _SERVE)
        self._give(Cause.SNAPSHOT_INVALID, (invalid == 2) & conflict, _DENY)
        self._give(Cause.NO_SNAPSHOT, (none > 0) & conflict, _DENY)
        self._give(Cause.NO_SNAPSHOT, (none == 2) & ordinary, _DENY)
        self._give(Cause.LOCATION_UNVERIFIABLE, (location > 0) & protected, _SERVE)
        self._give(Cause.LOCATION_UNVERIFIABLE, (location == 1) & ordinary, _RESTRICT, limit=1)
        self._give(Cause.LOCATION_UNVERIFIABLE, (location == 2) & ordinary, _REVIEW)
        self._give(Cause.LOCATION_UNVERIFIABLE, (location > 0) & conflict & self._fast, _DENY)
        self._give(Cause.LOCATION_UNVERIFIABLE, (location > 0) & conflict & ~self._fast, _REVIEW)
        self._give(Cause.CLOCK_DOUBTFUL, (clock > 0) & protected, _SERVE)
        self._give(Cause.CLOCK_DOUBTFUL, (clock > 0) & conflict & (self._held == _DENY), _DENY)
        low = self.gave.min(axis=0)
        high = np.where(self.gave == _NOTHING, 0, self.gave).max(axis=0)
        return np.where(protected, np.minimum(self._base, low), np.maximum(self._base, high)).astype(np.uint8)

    def _in_force(self, outcome: Codes) -> Codes:
        """The base result as far as faults leave it: nothing new, nothing too old, nothing that is not there."""
        degree, ordinary = self._degree, self._ordinary
        stale = np.zeros(len(outcome), bool)
        for cause in _FRESHNESS:
            stale |= degree[cause] > 0
        # Rule 3: a denial that was not in force when policy and clock were last right waits for a fresh snapshot.
        waits = stale & (outcome == _DENY) & (self._held < _DENY)
        # Under a doubtful clock an ordinary terminal keeps what held, whatever begins or ends by that clock.
        waits |= (degree[Cause.CLOCK_DOUBTFUL] > 0) & ordinary
        base = np.where(waits, self._held, outcome).astype(np.uint8)
        for cause in _FRESHNESS:
            self._leave(cause, waits & (degree[cause] > 0), base)
        # The last good snapshot is too old for an ordinary terminal; denials that stand outside of it stay.
        old = (degree[Cause.POLICY_STORE_DOWN] == 2) & ordinary
        stays = (base == _DENY) & (self.by_list | self._landing)
        base = self._leave(Cause.POLICY_STORE_DOWN, old & ~stays, _REVIEW, base)
        # No snapshot: the bootstrap policy for ordinary terminals, emergency traffic for protected ones.
        none, invalid = degree[Cause.NO_SNAPSHOT] > 0, degree[Cause.SNAPSHOT_INVALID] == 2
        base = self._leave(Cause.SNAPSHOT_INVALID, invalid & ordinary & self._landing, _DENY, base)
        base = self._leave(Cause.NO_SNAPSHOT, none & ordinary & self._landing, _DENY, base)
        emergency = np.where(self._emergency, _SERVE, _RESTRICT).astype(np.uint8)
        self.limit[none & self.protected] = 2
        return self._leave(Cause.NO_SNAPSHOT, none & self.protected, emergency, base)

    def _leave(self, cause: Cause, where: Flags, value: np.uint8 | Codes, base: Codes | None = None) -> Codes:
        """Note what a cause makes of the base result, and return the base with it."""
        row = self.left[CAUSES.index(cause)]
        row[:] = np.where(where, value, row)
        return row if base is None else np.where(where, value, base).astype(np.uint8)

    def _give(self, cause: Cause, where: Flags, value: np.uint8, *, limit: int = 0) -> None:
        """Note what the cell of a cause gives; no row has two cells of one cause."""
        self.gave[CAUSES.index(cause), where] = value
        if limit:
            self.limit[where] = np.maximum(self.limit[where], limit)


def _degree(cause: Cause, value: int | Codes, n: int) -> Codes:
    given = np.asarray(value)
    if given.size and not (given.min() >= 0 and given.max() <= 2):
        raise InputError(f"a degree of `{cause.value}` is not 0, 1 or 2", help="0 is well, 2 the worst")
    if given.ndim and given.shape != (n,):
        raise InputError(f"degrees of `{cause.value}` for {len(given)} rows of {n}", help="one for each row, or one for all")
    return np.broadcast_to(given.astype(np.uint8), (n,))


def _flags(given: Flags | None, n: int, otherwise: bool) -> Flags:
    found: Flags = np.full(n, otherwise) if given is None else given
    if found.shape != (n,):
        raise InputError(f"facts about {len(found)} rows of {n}", help="one for each row")
    return found
