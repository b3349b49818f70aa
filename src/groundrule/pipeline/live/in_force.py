"""What observations are answered under: taken in where it changes, and read again where that failed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final, Protocol

from groundrule.errors import GroundruleError
from groundrule.instant import NS_PER_S
from groundrule.pipeline.live.announcing import Announcer
from groundrule.pipeline.live.bench import Bench, Fresh
from groundrule.pipeline.live.committing import Committer
from groundrule.store.events import Event

_LOG: Final = logging.getLogger(__name__)


class Runs(Protocol):
    """What the desk does with pending observations."""

    def seal(self) -> object:
        """Begin a run of what is pending, and do not wait for it."""

    def commit_and_wait(self) -> object:
        """Make a run of all that is pending."""


class InForce:
    """Swaps what is judged under; used by the intake thread.

    Args:
        bench: judges. committer: makes runs, on the one thread of `pool`.
        announcer: tells others. clock: gives the time [ns, UTC]. runs: the desk.
    Attributes:
        fault: why what is in force cannot be judged under, or empty.
    """

    def __init__(
        self, bench: Bench, committer: Committer, pool: Executor, announcer: Announcer, clock: Callable[[], int], runs: Runs
    ) -> None:
        self._bench, self._committer, self._pool, self._announcer = bench, committer, pool, announcer
        self._clock, self._runs = clock, runs
        self.fault = ""
        self._due = bench.next_boundary(clock())

    def due_in_s(self) -> float | None:
        """Return how long until an emergency begins, ends or must have been reviewed [s]; None where none does."""
        return None if self._due is None else (self._due - self._clock()) / NS_PER_S

    def take_in(self, fresh: Fresh | None, fault: str) -> None:
        """Judge under what an act has brought about; where that cannot be read, what was in force holds, and `fault` says why.

        Args:
            fresh: None where nothing has changed.
            fault: why it cannot be read.
        """
        self.fault = fault
        if fresh is not None:
            self._swap(fresh)

    def retry(self) -> None:
        """Read again what could not be read or judged under, if there is such a thing."""
        if not self.fault:
            return
        try:
            fresh = self._bench.prepare()
        except GroundruleError as error:
            self.fault = str(error)
            return
        self.take_in(fresh, "")

    def refresh(self) -> None:
        """Begin and end emergencies."""
        if self._bench.refresh_overlay():
            self._say_emergencies()
        self._due = self._bench.next_boundary(self._clock())

    def _swap(self, fresh: Fresh) -> None:
        before = self._bench.stamp
        try:
            if fresh.rebuilt:
                # Memory is made from history, so all that was answered must be in it.
                self._runs.commit_and_wait()
            else:
                self._runs.seal()
            self._bench.install(fresh)
        except Exception as error:  # noqa: BLE001 - the intake goes on, whatever was met; `fault` says so, and it is tried again
            self.fault = str(error) or type(error).__name__
            _LOG.warning("what is in force cannot be judged under", exc_info=error)
            return
        # After the run of what was answered before.
        self._pool.submit(self._committer.release, forget=True)
        now, after = self._clock(), self._bench.stamp
        if (before.policy_digest, before.lists) != (after.policy_digest, after.lists):
            data = {"policy_digest": after.policy_digest, "rulebook": after.rulebook, "areas": after.areas, "lists": after.lists}
            self._announcer.say(Event("policy.changed", now, "policy", data, public=True))
        if fresh.basis is None:
            self._say_emergencies()
        self._due = self._bench.next_boundary(now)

    def _say_emergencies(self) -> None:
        self._announcer.say(Event("emergencies.changed", self._clock(), "emergency", {}, public=True))
