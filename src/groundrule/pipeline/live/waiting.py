"""What waits for the intake thread: submissions and commands, in the order in which they came.

Submissions are taken in groups. Under load a group is not begun at once after the one before: what comes in a moment is taken with it,
so that flushing and judging, which cost nearly the same for one row as for twenty, do not take all the time there is. Whoever asks
while nothing else goes on is not made to wait.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final

from groundrule.errors import StoreError
from groundrule.pipeline.live.answers import LiveSettings
from groundrule.pipeline.live.commands import Command, ending, failed_future
from groundrule.pipeline.live.intake import Submission

GATHER_S: Final = 0.001
"""How long after a group small ones are gathered before the next begins [s]."""
GATHER_ROWS: Final = 64
"""Rows that are enough for a group."""


class Waiting:
    """The queue before the intake thread.

    Args:
        settings: how much may wait.
        refused: told how many rows were refused because too many wait.
    Attributes:
        closing: nothing more is taken in.
    """

    def __init__(self, settings: LiveSettings, refused: Callable[[int], None]) -> None:
        self._settings, self._refused = settings, refused
        self._ready = threading.Condition()
        self._queue: deque[Submission | Command] = deque()
        self._rows = 0
        self._served = -1.0
        self.closing = False

    # --- any thread -------------------------------------------------------------------------------------------------------

    def submit(self, made: Submission) -> Future[Any]:
        """Put a submission at the end; its future holds an error where it cannot wait."""
        with self._ready:
            if self.closing:
                return failed_future(ending())
            if self._queue and self._rows + len(made) > self._settings.queue_rows:
                self._refused(len(made))
                return failed_future(StoreError("too many observations wait", help="send them again in a while", busy=True))
            self._queue.append(made)
            self._rows += len(made)
            self._ready.notify_all()
        return made.future

    def command(self, do: Callable[[], Any]) -> Future[Any]:
        """Put something to do at the end; the future holds what comes of it."""
        future: Future[Any] = Future()
        with self._ready:
            if self.closing:
                return failed_future(ending())
            self._queue.append(Command(do, future))
            self._ready.notify_all()
        return future

    def close(self) -> None:
        """Take nothing more in."""
        with self._ready:
            self.closing = True
            self._ready.notify_all()

    # --- the intake thread ------------------------------------------------------------------------------------------------

    def take(self, patience_s: Callable[[], float]) -> list[Submission | Command] | None:
        """Return a command, or submissions up to the size of a group; nothing where the time is over.

        Args:
            patience_s: says how long to wait at most [s]; asked where nothing waits yet.
        Returns:
            None when it is closing and nothing waits.
        """
        with self._ready:
            if not self._queue and not self.closing:
                self._ready.wait(patience_s())
            few = bool(self._queue) and self._rows < GATHER_ROWS and not self.closing
        # Not waited for under the lock: whoever submits need not wake this thread, which would only look at the clock.
        if few and (rest := self._served + GATHER_S - time.monotonic()) > 0:
            time.sleep(rest)
        with self._ready:
            taken = self._take()
            return None if not taken and self.closing else taken

    def served(self) -> None:
        """Note that a group has been answered."""
        self._served = time.monotonic()

    def end(self) -> None:
        """Refuse what waits still, and what comes."""
        with self._ready:
            self.closing = True
            waiting, self._queue = list(self._queue), deque()
        for each in waiting:
            each.future.set_exception(ending())

    def _take(self) -> list[Submission | Command]:
        taken: list[Submission | Command] = []
        rows = 0
        while self._queue:
            first = self._queue[0]
            if isinstance(first, Command):
                if not taken:
                    taken.append(self._queue.popleft())
                break
            if taken and rows + len(first) > self._settings.group_rows:
                break
            taken.append(self._queue.popleft())
            rows += len(first)
        self._rows -= rows
        return taken
