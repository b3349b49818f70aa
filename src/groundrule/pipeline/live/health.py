"""Is everything well that answers rest on? Looked at now and then by the thread that makes runs; read by everybody.

What is down, and what that does to an answer, is judged by `pipeline.causes` and `pipeline.degraded`; here it is looked at:
the log and its witnesses, the clock against theirs, the registers, what is in force against what the log says, lists.

A home that nobody governs yet is not expected to hold sanctions lists. Whether a single position can be verified is the
rulebook's own matter (`unknown`, `stale`) as long as nothing that verifies positions is down.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from groundrule.errors import GroundruleError
from groundrule.govern.clock import Asked
from groundrule.instant import NS_PER_S
from groundrule.ledger.policy import existed_before, not_before
from groundrule.pipeline.causes import Causes, Staleness, causes_of, see_home
from groundrule.pipeline.clock_check import ask_time
from groundrule.pipeline.degraded import Cause
from groundrule.pipeline.home_ledger import Committed, HomeLedger, has_ledger
from groundrule.pipeline.live.answers import Check
from groundrule.pipeline.policy_check import check_policy
from groundrule.rules.model import Rulebook
from groundrule.store.guard import InForce
from groundrule.store.home import Home
from groundrule.store.policy import history, in_force

WELL: Final = Causes({}, Staleness())
"""Nothing is down."""
POLICY_CHECK_S: Final = 300.0
"""How often what is in force is compared with the log, of which only what is new is read [s]; each run does so as well."""
ASK_S: Final = 600.0
"""How often witnesses are asked where no run has done so [s]."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen when health was looked at last.

    Attributes:
        checks: in words.
        causes: what is down.
        policy_ns, lists_ns, witness_ns: since when what answers rest on is known to be right [ns, UTC]; None is unknown.
        rulebook_ns: since when the rulebook is in force [ns, UTC]; None where nobody enacted it, or it cannot be read.
    """

    checks: tuple[Check, ...] = ()
    causes: Causes = WELL
    policy_ns: int | None = None
    lists_ns: int | None = None
    witness_ns: int | None = None
    rulebook_ns: int | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        """`degraded:<cause>` for each active cause."""
        return self.causes.codes

    def staleness(self, now_ns: int, location_s: int | None = None) -> Staleness:
        """Return how old everything is at an instant [ns, UTC]."""

        def since(then: int | None) -> int | None:
            return None if then is None else max(0, now_ns - then) // NS_PER_S

        offset = self.causes.staleness.clock_offset_ms
        return Staleness(since(self.policy_ns), since(self.lists_ns), since(self.witness_ns), location_s, offset)


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
        self._checked_ns: int | None = None
        self._confirmed_ns: int | None = None
        self._policy_fault = ""
        self._failed = ""
        self._witnessed = True
        self._asked: Asked | None = None
        self._asked_at_ns: int | None = None
        self._enacted: InForce | None = None
        self._rulebook_ns: int | None = None
        self.seen = Seen()

    def committed(self, found: Committed | None, asked_ns: int, answered_ns: int) -> None:
        """Take what a commit to the log showed: whether it could be signed, and what witnesses said of the time.

        Args:
            found: the commit.
            asked_ns, answered_ns: our clock before and after it [ns, UTC].
        """
        if found is None or self._ledger is None:
            return
        self._failed = found.failed or ""
        if not self._ledger.policy.witnesses or not found.checkpoint:
            return
        self._asked_at_ns = answered_ns
        self._witnessed = found.witnessed
        if not found.witnessed:
            return
        checked = self._ledger.policy.check(found.checkpoint)
        after_s, before_s = not_before(checked, self._ledger.policy), existed_before(checked, self._ledger.policy)
        if after_s is not None and before_s is not None:
            self._asked = Asked(asked_ns, answered_ns, after_s * NS_PER_S, before_s * NS_PER_S)

    def policy_checked(self, fault: str = "") -> None:
        """Take what a run found when it compared what is in force with the log."""
        self._checked_ns, self._policy_fault = self._clock(), fault
        if not fault:
            self._confirmed_ns = self._checked_ns
            self.seen = replace(self.seen, policy_ns=self._checked_ns)

    def look(self, book: Rulebook, *, least_revision: int = 0) -> Seen:
        """Look at everything once.

        Args:
            book: the rulebook that decides.
            least_revision: revision of the registers in use; a store that has lost it is not up.
        """
        now = self._clock()
        self._ask(now)
        self._check_policy(now)
        found = see_home(
            self._home, self._ledger, book, now_ns=now, confirmed_ns=self._confirmed_ns, asked=self._asked,
            least_revision=least_revision, witnessed=self._witnessed, log_writable=not self._failed,
        )  # fmt: skip
        if not found.screening_ns and not self._governed():
            found = replace(found, screens=False)
        down = causes_of(found)
        lists_ns = min(found.screening_ns.values(), default=None)
        why_clock = "no witness has said the time" if found.clock_offset_ms is None else f"{found.clock_offset_ms} ms from the witnesses"
        missing = self._ledger is None and has_ledger(self._home)
        checks = (
            Check("store", found.store_up, "" if found.store_up else "the registers cannot be read"),
            Check("policy", not self._policy_fault, self._policy_fault),
            Check("ledger", found.log_writable, self._why if missing else self._failed),
            Check("witnesses", Cause.LEDGER_DOWN not in down.degrees, "" if found.has_witnesses else "the log's policy asks for none"),
            Check("clock", Cause.CLOCK_DOUBTFUL not in down.degrees, why_clock if found.has_witnesses else ""),
            Check("screening", Cause.SCREENING_STALE not in down.degrees, "" if found.screening_ns else "no list was imported"),
        )
        self.seen = Seen(checks, down, self._confirmed_ns, lists_ns, found.witness_ns, self._rulebook_since())
        return self.seen

    def _ask(self, now: int) -> None:
        """Ask the witnesses for the time, where no run has done so for a while."""
        if self._ledger is None or not self._ledger.policy.witnesses:
            return
        if self._asked_at_ns is None or not 0 <= now - self._asked_at_ns < ASK_S * NS_PER_S:
            self._asked_at_ns = now
            found = ask_time(self._ledger, self._clock)
            self._witnessed = found is not None
            self._asked = found or self._asked

    def _check_policy(self, now: int) -> None:
        if self._checked_ns is not None and 0 <= now - self._checked_ns < POLICY_CHECK_S * NS_PER_S:
            return
        try:
            if self._ledger is not None:
                check_policy(self._home, self._ledger)
            self.policy_checked()
        except GroundruleError as error:
            self.policy_checked(str(error))

    def _rulebook_since(self) -> int | None:
        """Since when is the rulebook in force? All that was enacted is read only where something new was."""
        try:
            last = in_force(self._home)
            if last != self._enacted:
                since = None
                for each in reversed(history(self._home)):
                    if last is None or each.rulebook != last.rulebook:
                        break
                    since = each.enacted_at_ns
                self._rulebook_ns, self._enacted = since, last
        except (GroundruleError, OSError):
            return None
        return self._rulebook_ns

    def _governed(self) -> bool:
        try:
            return in_force(self._home) is not None
        except (GroundruleError, OSError):
            return True
