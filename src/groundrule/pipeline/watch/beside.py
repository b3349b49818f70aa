"""A source that the service's own desk takes, on a thread beside what others hand in."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from groundrule.errors import GroundruleError, InputError
from groundrule.pipeline.live.answers import Answered, Check
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.watch.opening import STDIN, Watched, announce_gap, check_source, opened
from groundrule.pipeline.watch.watcher import Cycle, Watcher

_LOG = logging.getLogger(__name__)
AGAIN_S: Final = 5.0
"""How soon a source that failed is opened again, at first [s]."""
SLOWEST_S: Final = 60.0


class WatchBeside:
    """Watches one source beside a service; begins at once.

    Args:
        live: the desk.
        asked: the source; not standard input.
        answered: is told each answer that is new; on the watching thread.
    Raises:
        InputError: it is none.
    """

    def __init__(self, live: Live, asked: Watched, answered: Callable[[Answered], None] = lambda _: None) -> None:
        if asked.source == STDIN:
            raise InputError("a service does not read standard input", help="groundrule watch - does", option="--watch")
        check_source(asked)
        self._live, self._asked, self._answered = live, asked, answered
        self._ended = threading.Event()
        self._watcher: Watcher | None = None
        self._fault = ""
        live.beside.append(self.check)
        self._thread = threading.Thread(target=self._work, name="watch", daemon=True)
        self._thread.start()

    def check(self) -> Check:
        """Say whether the source is read, and what it says of itself."""
        watcher = self._watcher
        if self._fault or watcher is None:
            return Check("watch", not self._fault, self._fault)
        said = {name: count for name, count in watcher.source.said().items() if count}
        away = any(name.endswith("_away") for name in said)
        return Check("watch", not away, ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in said.items()))

    def close(self) -> None:
        """End in order: what is under way is acknowledged."""
        self._ended.set()
        if self._watcher is not None:
            self._watcher.stop()
        self._thread.join()

    def _work(self) -> None:
        wait_s = AGAIN_S
        while not self._ended.is_set():
            try:
                with opened(self._live.home, self._asked, lambda gap: announce_gap(self._live, gap)) as (source, _):
                    watcher = Watcher(self._live, source)
                    watcher.said, watcher.answered = self._say, self._answered
                    self._watcher, self._fault = watcher, ""
                    if self._ended.is_set():
                        watcher.stop()
                    watcher.run()
                wait_s = AGAIN_S
            except Exception as error:  # noqa: BLE001 - the service goes on without this source, says so, and tries again
                self._fault = str(error) if isinstance(error, GroundruleError) else repr(error)
                _LOG.warning("the source cannot be watched", exc_info=error)
                self._watcher = None
                self._ended.wait(wait_s)
                wait_s = min(2 * wait_s, SLOWEST_S)

    def _say(self, cycle: Cycle, _: Cycle) -> None:
        if cycle.rows or cycle.rejected:
            _LOG.info(
                "watched: rows %d, decided %d, denied %d, late %d, repeated %d, rejected %d",
                cycle.rows, cycle.decided, cycle.denied, cycle.late, cycle.repeated, cycle.rejected.total(),
            )  # fmt: skip
