"""Acts beside the intake: observations are answered while somebody previews, imports or enacts.

    asked ─► what is pending becomes a run ─► act, on the thread that makes runs ─► what is in force then is read, there too
          ─► intake: what was answered meanwhile is sealed, the new basis takes its place, who asked is told

The thread that makes runs does one thing at a time, so that acts and runs never meet and the log is used by one of them.
What the intake answers while an act is under way rests on what was in force before it, and a run of it is decided under that:
rulebook, areas, registers and emergencies are held until the new basis has taken its place. Whoever acted is told after that,
so that the next observation he sends is answered under what he did.

Where rules or areas change, memory is made from history as they see it, and the intake waits for that; register changes,
proposals, previews, appeals and whatever else leaves both as they are do not make it wait.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from groundrule.errors import GroundruleError
from groundrule.pipeline.home_ledger import HomeLedger
from groundrule.pipeline.live.bench import Bench, Fresh
from groundrule.pipeline.live.committing import Committer, Done
from groundrule.pipeline.live.waiting import Waiting
from groundrule.store.home import Home

T = TypeVar("T")
Act = Callable[[Home, HomeLedger | None], Any]
_LOG: Final = logging.getLogger(__name__)


class Intake(Protocol):
    """What acts ask of the desk; called on the intake thread."""

    def in_run(self) -> bool:
        """Tell whether a run is being made."""

    def seal(self) -> Future[Done] | None:
        """Begin a run of what is pending; None where nothing is."""

    def take_in(self, fresh: Fresh | None, fault: str) -> None:
        """Judge under a new basis from now on, or say why it cannot be read; None: nothing has changed."""


@dataclass(slots=True)
class _Acted:
    """What an act came to.

    Attributes:
        result, error: of the act.
        fresh: what is in force after it, where that is something else.
        fault: why that cannot be read.
    """

    result: Any = None
    error: BaseException | None = None
    fresh: Fresh | None = None
    fault: str = ""


class Acts:
    """Acts that wait, and the one that is under way; used by the intake thread, but for `ask`.

    Args:
        home: of the desk. ledger: its log, or None.
        pool: one thread, which makes runs.
        committer: makes runs. bench: judges.
        waiting: the intake's queue. intake: the desk.
    """

    def __init__(
        self, home: Home, ledger: HomeLedger | None, pool: Executor, committer: Committer, bench: Bench, waiting: Waiting, intake: Intake
    ) -> None:
        self._home, self._ledger, self._pool, self._committer, self._bench = home, ledger, pool, committer, bench
        self._waiting, self._intake = waiting, intake
        self._queue: deque[tuple[Act, Future[Any]]] = deque()
        self._under: tuple[Future[Any], Future[_Acted]] | None = None

    def ask(self, act: Callable[[Home, HomeLedger | None], T]) -> Future[T]:
        """Have something done; any thread may ask."""
        outer: Future[T] = Future()

        def refused(queued: Future[Any]) -> None:
            error = queued.exception()
            if error is not None and outer.set_running_or_notify_cancel():
                outer.set_exception(error)

        self._waiting.command(lambda: self._queue.append((act, outer))).add_done_callback(refused)
        return outer

    @property
    def busy(self) -> bool:
        """Is an act under way, or waiting?"""
        return bool(self._under or self._queue)

    def tend(self) -> None:
        """End the act that is done, and begin the next."""
        if self._under is not None and self._under[1].done() and not self._intake.in_run():
            self._end(*self._under)
            self._under = None
        while self._under is None and self._queue and not self._intake.in_run():
            act, outer = self._queue.popleft()
            if outer.set_running_or_notify_cancel():
                before = self._intake.seal()
                self._under = outer, self._pool.submit(self._do, act, before)

    def settle(self, wait_for_run: Callable[[], None]) -> None:
        """Do everything that waits, before the desk closes.

        Args:
            wait_for_run: takes in the run that is being made, if there is one.
        """
        while self.busy:
            if self._under is not None:
                with suppress(Exception):  # told to whoever asked, by `_end`
                    self._under[1].result()
            wait_for_run()
            self.tend()

    def _do(self, act: Act, before: Future[Done] | None) -> _Acted:
        """Act, and read what is in force then; on the thread that makes runs."""
        if before is not None:
            before.result()
        done = _Acted()
        with suppress(GroundruleError):  # what decides cannot be read; an act may be what mends it
            self._committer.hold()
        try:
            done.result = act(self._home, self._ledger)
        except BaseException as error:  # noqa: BLE001 - whoever asked gets it, whatever it is
            done.error = error
        try:
            done.fresh = self._bench.prepare()
        except GroundruleError as error:
            _LOG.warning("what is in force cannot be read", exc_info=error)
            done.fault = str(error)
        if done.fresh is None:
            self._committer.release(forget=bool(done.fault))
        return done

    def _end(self, outer: Future[Any], under: Future[_Acted]) -> None:
        try:
            done = under.result()
            self._intake.take_in(done.fresh, done.fault)
        except Exception as error:  # noqa: BLE001 - whoever asked gets it: the run before the act, or the new basis, failed
            outer.set_exception(error)
            return
        if done.error is not None:
            outer.set_exception(done.error)
        else:
            outer.set_result(done.result)
