"""The clock of a governed home, held against its log and its witnesses before anything is written.

Where witnesses can be asked, their quorum says the time from both sides. Where they cannot, only a clock that lies before
what the log already holds is known to be wrong; what makes something effective is refused then for want of witnesses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from groundrule.errors import GroundruleError
from groundrule.govern.clock import NS_PER_S, Asked, clock_refusal
from groundrule.govern.refusal import Refusal
from groundrule.ledger.policy import existed_before, not_before

if TYPE_CHECKING:
    from groundrule.pipeline.home_ledger import HomeLedger

Clock = Callable[[], int]


class HeldClock:
    """A clock that can be kept from running ahead of a time known to be right [ns since 1970, UTC]."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.most_ns: int | None = None

    def __call__(self) -> int:
        """Return the time, no later than `most_ns`."""
        now = self._clock()
        return now if self.most_ns is None else min(now, self.most_ns)


def seen_ns(ledger: HomeLedger) -> int | None:
    """Return when a quorum of witnesses saw the newest published head at the earliest [ns]; None without witnesses."""
    if not ledger.policy.witnesses or not (published := ledger.log.checkpoint()):
        return None
    try:
        time_s = not_before(ledger.policy.check(published), ledger.policy)
    except GroundruleError:
        return None  # a head that does not verify says nothing; the log's own checks report it
    return None if time_s is None else time_s * NS_PER_S


def ask_time(ledger: HomeLedger, clock: Clock) -> Asked | None:
    """Have the log cosigned now, and return what the witnesses said about the time; None where no quorum answered."""
    if not ledger.policy.witnesses:
        return None
    asked = clock()
    committed = ledger.try_commit()
    answered = clock()
    if not committed.checkpoint:
        return None
    checked = ledger.policy.check(committed.checkpoint)
    after_s, before_s = not_before(checked, ledger.policy), existed_before(checked, ledger.policy)
    if after_s is None or before_s is None:
        return None
    return Asked(asked, answered, after_s * NS_PER_S, before_s * NS_PER_S)


def judge_clock(ledger: HomeLedger, clock: Clock, last_ns: int, asked: Asked | None) -> Refusal | None:
    """Say why nothing may be written by a clock; one that is ahead is held, so that the log does not take its time over.

    Args:
        clock: ours.
        last_ns: time of the newest entry that governs [ns].
        asked: from `ask_time`.
    """
    found = clock_refusal(clock(), last_ns=last_ns, seen_ns=seen_ns(ledger), asked=asked)
    if found is not None and asked is not None and asked.asked_ns > asked.before_ns:
        ledger.clock.most_ns = asked.before_ns
    return found
