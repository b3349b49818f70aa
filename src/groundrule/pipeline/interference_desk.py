"""Interference for a service: a home's history watched on a thread of its own, and what was found kept for the next question.

Watching takes time in proportion to the observations of a span, so a question begins it and a later one has the answer. A span is
watched once for each state of history; the longest that may be asked for, and the most observations, are bounded.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from groundrule.errors import ConflictError, InputError, OutOfRange
from groundrule.instant import NS_PER_S
from groundrule.pipeline.interference import Found, watch_home
from groundrule.pipeline.manifests import runs
from groundrule.store.home import Home

LONGEST_S: Final = 7 * 86_400.0
DEFAULT_S: Final = 86_400.0
MOST_ROWS: Final = 50_000_000
"""Observations of a span that are watched; more would keep the thread for many minutes."""
KEPT: Final = 8
WAITING: Final = 4
_STEP_NS: Final = 60 * NS_PER_S


@dataclass(slots=True)
class Watching:
    """One span being watched, or watched.

    Attributes:
        from_ns, until_ns: of it [ns, UTC].
        rows: observations looked at so far.
        future: holds what was found.
    """

    from_ns: int
    until_ns: int
    future: Future[Found]
    rows: int = 0


class InterferenceDesk:
    """Watches the history of one home.

    Args:
        home: whose.
        most_rows: of one span.
    """

    def __init__(self, home: Home, *, most_rows: int = MOST_ROWS) -> None:
        self._home, self._most = home, most_rows
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="interference")
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, int, int], Watching] = OrderedDict()
        self._closed = threading.Event()

    def watch(self, until_ns: int, from_ns: int | None = None) -> Watching:
        """Begin to watch a span, or return how far it is.

        Args:
            until_ns: end of the span; taken to the next whole minute [ns, UTC].
            from_ns: its begin, taken to the minute before; None is a day earlier [ns, UTC].
        Raises:
            OutOfRange: the span is longer than may be asked for, or ends before it begins.
            ConflictError: too many spans wait.
        """
        last = -(-until_ns // _STEP_NS) * _STEP_NS
        first = (last - round(DEFAULT_S * NS_PER_S) if from_ns is None else from_ns) // _STEP_NS * _STEP_NS
        if not 0 < last - first <= round(LONGEST_S * NS_PER_S):
            raise OutOfRange("the span is none, or too long", help=f"at most {LONGEST_S / 86_400:g} days", field="from")
        known = runs(self._home)
        key = (known[-1] if known else 0, first, last)
        with self._lock:
            found = self._kept.get(key)
            if found is not None and not (found.future.done() and found.future.exception() is not None):
                self._kept.move_to_end(key)
                return found
            if sum(not each.future.done() for each in self._kept.values()) >= WAITING:
                raise ConflictError("too many spans wait to be watched", help="ask again in a while", refusal="too_many_jobs")
            made = Watching(first, last, Future())
            self._kept[key] = made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._pool.submit(self._run, made)
        return made

    def close(self) -> None:
        """Watch nothing more."""
        self._closed.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, made: Watching) -> None:
        def progress(_: str, rows: int) -> None:
            made.rows += rows
            if made.rows > self._most:
                raise InputError(
                    f"the span has more than {self._most:,} observations", help="ask for a shorter one", field="from", too_large=True
                )
            if self._closed.is_set():
                raise ConflictError("the service is ending", help="ask again")

        try:
            made.future.set_result(watch_home(self._home, from_ns=made.from_ns, until_ns=made.until_ns, progress=progress))
        except Exception as error:  # noqa: BLE001 - whoever asks gets it, whatever it is
            made.future.set_exception(error)
