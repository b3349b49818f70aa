"""Is everything well that answers rest on? Looked at now and then by the thread that makes runs; read by everybody.

    ledger, witnesses ──► ledger_down          clock against witnesses ──► clock_doubtful
    sanctions lists ──► screening_stale        rulebook, areas, registers ──► policy_store_down

Degrees are those of reliability.md: 1 is worrying, 2 is bad. What a fault does to an answer is in `pipeline.degraded`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from groundrule.errors import GroundruleError
from groundrule.instant import NS_PER_S
from groundrule.pipeline.clock_check import seen_ns
from groundrule.pipeline.degraded import CLOCK_TOLERANCE_S, LKG_ORDINARY_S, SCREENING_MAX_AGE_S, Cause
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.home_ledger import Committed, HomeLedger, has_ledger
from groundrule.pipeline.live.answers import Check, Staleness
from groundrule.pipeline.policy_check import check_policy
from groundrule.store.area_store import current_areas_digest
from groundrule.store.home import Home
from groundrule.store.registers import Registers
from groundrule.store.sanctions import SanctionsLists

WITNESS_MAX_S: Final = 3_600
"""A head that no quorum saw for longer is a sign that witnesses are out of reach [s]."""
POLICY_CHECK_S: Final = 300.0
"""How often what is in force is compared with the whole log [s]; each run does so as well."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen when health was looked at last.

    Attributes:
        checks: in words.
        degrees: of each cause that is active.
        policy_ns: when what is in force was last found to be what the log says [ns, UTC].
        lists_ns: when the oldest of the newest lists came into the home [ns, UTC]; None where there are none.
        witness_ns: when a quorum saw the newest published head [ns, UTC]; None where none did.
        clock_offset_ms: our clock minus theirs.
    """

    checks: tuple[Check, ...] = ()
    degrees: Mapping[Cause, int] = field(default_factory=dict)
    policy_ns: int | None = None
    lists_ns: int | None = None
    witness_ns: int | None = None
    clock_offset_ms: int | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        """`degraded:<cause>` for each active cause."""
        return tuple(cause.reason for cause in Cause if self.degrees.get(cause))

    def staleness(self, now_ns: int, location_s: int | None = None) -> Staleness:
        """Return how old everything is at an instant [ns, UTC]."""

        def since(then: int | None) -> int | None:
            return None if then is None else max(0, now_ns - then) // NS_PER_S

        return Staleness(since(self.policy_ns), since(self.lists_ns), since(self.witness_ns), location_s, self.clock_offset_ms)


class Health:
    """Looks at what a home rests on.

    Args:
        home: whose.
        ledger: its log, or None.
        clock: gives the time [ns, UTC].
        why_no_ledger: why the log is out of reach, where it is.
    Attributes:
        seen: what was seen last; replaced as a whole, so that any thread may read it.
    """

    def __init__(self, home: Home, ledger: HomeLedger | None, clock: Callable[[], int], why_no_ledger: str = "") -> None:
        self._home, self._ledger, self._clock, self._why = home, ledger, clock, why_no_ledger
        self._policy_checked_ns = 0
        self._policy_fault = ""
        self._failed = ""
        self.seen = Seen(policy_ns=clock())

    def committed(self, found: Committed | None, asked_ns: int, answered_ns: int) -> None:
        """Take what a commit to the log showed: whether it could be signed, and what witnesses said of the time."""
        if found is None:
            return
        self._failed = found.failed or ""
        if self._ledger is None or not found.witnessed:
            return
        seen = seen_ns(self._ledger)
        if seen is not None and seen >= asked_ns - CLOCK_TOLERANCE_S * NS_PER_S:
            # Cosigned while we waited: our clock lies between the two readings, theirs is known to the second.
            middle = (asked_ns + answered_ns) // 2
            offset = 0 if asked_ns - NS_PER_S <= seen <= answered_ns + NS_PER_S else (middle - seen) // 1_000_000
            self.seen = replace(self.seen, clock_offset_ms=offset)

    def policy_checked(self, fault: str = "") -> None:
        """Take what a run found when it compared what is in force with the log."""
        self._policy_checked_ns, self._policy_fault = self._clock(), fault
        if not fault:
            self.seen = replace(self.seen, policy_ns=self._policy_checked_ns)

    def look(self) -> Seen:
        """Look at everything once."""
        now = self._clock()
        checks: list[Check] = []
        degrees: dict[Cause, int] = {}
        witness_ns = self._log(now, checks, degrees)
        self._policy(now, checks, degrees)
        lists_ns = self._lists(now, checks, degrees)
        self._clock_check(now, witness_ns, checks, degrees)
        self.seen = replace(
            self.seen, checks=tuple(checks), degrees=degrees, lists_ns=lists_ns, witness_ns=witness_ns
        )
        return self.seen

    def _log(self, now: int, checks: list[Check], degrees: dict[Cause, int]) -> int | None:
        if self._ledger is None:
            missing = has_ledger(self._home)
            if missing:
                degrees[Cause.LEDGER_DOWN] = 2
            checks.append(Check("ledger", not missing, self._why if missing else "the home has no log"))
            return None
        if self._failed:
            degrees[Cause.LEDGER_DOWN] = 2
        checks.append(Check("ledger", not self._failed, self._failed))
        if not self._ledger.policy.witnesses:
            checks.append(Check("witnesses", True, "the log's policy asks for none"))
            return None
        seen = seen_ns(self._ledger)
        late = seen is None or now - seen > WITNESS_MAX_S * NS_PER_S
        if late:
            degrees.setdefault(Cause.LEDGER_DOWN, 1)
        why = "no quorum has seen the newest head" if seen is None else f"the newest head was seen {(now - seen) // NS_PER_S} s ago"
        checks.append(Check("witnesses", not late, why))
        return seen

    def _policy(self, now: int, checks: list[Check], degrees: dict[Cause, int]) -> None:
        try:
            rulebook_of(self._home)
            current_areas_digest(self._home)
            with Registers.open(self._home) as registers:
                registers.revision()
        except (GroundruleError, OSError) as error:
            since = self.seen.policy_ns
            old = since is None or now - since > LKG_ORDINARY_S * NS_PER_S
            degrees[Cause.POLICY_STORE_DOWN] = 2 if old else 1
            checks.append(Check("policy", False, str(error)))
            return
        if self._ledger is not None and now - self._policy_checked_ns > POLICY_CHECK_S * NS_PER_S:
            try:
                check_policy(self._home, self._ledger)
                self.policy_checked()
            except GroundruleError as error:
                self.policy_checked(str(error))
        elif self._ledger is None:
            self.seen = replace(self.seen, policy_ns=now)
        checks.append(Check("policy", not self._policy_fault, self._policy_fault))

    def _lists(self, now: int, checks: list[Check], degrees: dict[Cause, int]) -> int | None:
        try:
            held = _newest_lists(self._home)
        except (GroundruleError, OSError) as error:
            degrees[Cause.SCREENING_STALE] = 2
            checks.append(Check("screening", False, str(error)))
            return None
        if not held:
            checks.append(Check("screening", True, "no list was imported"))
            return None
        oldest = min(held)
        stale = now - oldest > SCREENING_MAX_AGE_S * NS_PER_S
        if stale:
            degrees[Cause.SCREENING_STALE] = 1
        checks.append(Check("screening", not stale, f"{len(held)} sources; the oldest is {(now - oldest) // NS_PER_S} s old"))
        return oldest

    def _clock_check(self, now: int, witness_ns: int | None, checks: list[Check], degrees: dict[Cause, int]) -> None:
        behind = witness_ns is not None and now + CLOCK_TOLERANCE_S * NS_PER_S < witness_ns
        offset = self.seen.clock_offset_ms
        off = behind or (offset is not None and abs(offset) > CLOCK_TOLERANCE_S * 1_000)
        if off:
            degrees[Cause.CLOCK_DOUBTFUL] = 1
        elif self._ledger is not None and self._ledger.policy.witnesses and witness_ns is None:
            degrees[Cause.CLOCK_DOUBTFUL] = 2
        why = "" if offset is None else f"{offset} ms from the quorum of witnesses"
        checks.append(Check("clock", Cause.CLOCK_DOUBTFUL not in degrees, why or "no witness has said the time"))


def _newest_lists(home: Home) -> list[int]:
    """When the newest snapshot of each source came into the home [ns, UTC]."""
    if not (home.path / "lists").exists():
        return []
    with SanctionsLists.open(home) as held:
        return [each.recorded_ns for each in held.newest_by_source().values()]
