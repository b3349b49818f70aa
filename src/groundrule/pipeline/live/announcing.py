"""Events of the live desk: stored by a thread of their own, then told to whoever subscribed; no answer waits for them.

Changes of terminals are private. What governs is announced from the log itself, which is public: an event says which
entry came, and holds what the entry holds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
from numpy.typing import NDArray

from groundrule.errors import GroundruleError
from groundrule.instant import NS_PER_DAY
from groundrule.ledger.entry import Entry
from groundrule.pipeline.decisions import STATE_WORDS
from groundrule.pipeline.home_ledger import GOVERNANCE, HomeLedger
from groundrule.pipeline.live.answers import LiveSettings
from groundrule.records import OUTCOME_WORDS
from groundrule.store.events import Event, EventLog

LOG_PREFIX: Final = "log:"
MAX_BODY: Final = 16_000
"""Longer bodies of log entries are left out of their events [characters]."""
PIECE: Final = 5_000
PRUNE_EVERY: Final = 10_000
WAITING: Final = 200_000
"""Events that wait to be stored; beyond, changes of terminals are counted and left out."""

Subscriber = Callable[[Event], None]
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Changes:
    """Terminals whose answer changed in one batch; a first answer is no change.

    Attributes:
        ids: of the terminals.
        before, after: answers as `fleet_view.answer_codes` gives them (uint8).
        rules: deciding rule of each, now.
        reasons: its decisive reason.
        observed_at: [ns, UTC].
        corrected: the answer was made again because a late observation came.
    """

    ids: pa.Array
    before: NDArray[Any]
    after: NDArray[Any]
    rules: Sequence[str]
    reasons: Sequence[str]
    observed_at: NDArray[Any]
    corrected: bool = False

    def events(self, at_ns: int) -> list[Event]:
        """Write them as events."""
        made: list[Event] = []
        for k, name in enumerate(self.ids.to_pylist()):
            before, after, observed = int(self.before[k]), int(self.after[k]), int(self.observed_at[k])
            data: dict[str, Any] = {
                "from": _answer(before),
                "to": {**_answer(after), "rule": self.rules[k], "reason": self.reasons[k]},
                "observed_at_ns": str(observed),
            }
            if self.corrected:
                data["corrected"] = True
            once = f"outcome:{name}:{observed}:{after}{':c' if self.corrected else ''}"
            made.append(Event("terminal.outcome", at_ns, "terminal", data, subject=name, once=once))
        return made


def _answer(code: int) -> dict[str, str]:
    return {"outcome": OUTCOME_WORDS[code // 8], "state": STATE_WORDS[code % 8]}


class Announcer:
    """Stores events and tells subscribers; everything is done by its own thread, in order.

    Args:
        log: where they are kept.
        settings: how long.
        clock: gives the time [ns, UTC].
    Attributes:
        dropped: changes that were left out because too many waited.
        failed: events that could not be stored.
    """

    def __init__(self, log: EventLog, settings: LiveSettings, clock: Callable[[], int]) -> None:
        self._log, self._settings, self._clock = log, settings, clock
        self._waiting: list[Event | tuple[Changes, int]] = []
        self._rows = 0
        self._subscribers: list[Subscriber] = []
        self._ready = threading.Condition()
        self._busy = False
        self._ended = False
        self._stored = 0
        self.dropped = self.failed = 0
        self._thread = threading.Thread(target=self._work, name="announcer", daemon=True)
        self._thread.start()

    def say(self, *events: Event) -> None:
        """Queue events."""
        with self._ready:
            self._waiting += events
            self._rows += len(events)
            self._ready.notify_all()

    def changed(self, changes: Changes) -> None:
        """Queue the changes of a batch."""
        with self._ready:
            if self._rows + len(changes.ids) > WAITING:
                self.dropped += len(changes.ids)
                return
            self._waiting.append((changes, self._clock()))
            self._rows += len(changes.ids)
            self._ready.notify_all()

    def say_log(self, ledger: HomeLedger, since: int) -> int:
        """Queue what came into the log since a size of it; return the size now, or `since` where it cannot be read."""
        try:
            found, size = log_events(ledger, since)
        except GroundruleError as error:
            _LOG.warning("the log could not be read for its events", exc_info=error)
            return since
        self.say(*found)
        return size

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Have a function called with each event once it is stored; returns what ends that."""
        with self._ready:
            self._subscribers.append(callback)

        def leave() -> None:
            with self._ready:
                if callback in self._subscribers:
                    self._subscribers.remove(callback)

        return leave

    def drain(self, timeout_s: float = 10.0) -> bool:
        """Wait until everything queued is stored; False after the time."""
        with self._ready:
            return self._ready.wait_for(lambda: not self._waiting and not self._busy, timeout_s)

    def close(self) -> None:
        """Store what is queued, and end."""
        with self._ready:
            self._ended = True
            self._ready.notify_all()
        self._thread.join(30)

    def _work(self) -> None:
        while True:
            with self._ready:
                self._busy = False
                self._ready.notify_all()
                self._ready.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    return
                taken, self._waiting, self._rows = self._waiting, [], 0
                self._busy = True
            events: list[Event] = []
            for each in taken:
                events += each[0].events(each[1]) if isinstance(each, tuple) else [each]
            for first in range(0, len(events), PIECE):
                self._store(events[first : first + PIECE])

    def _store(self, events: list[Event]) -> None:
        try:
            stored = self._log.append(events)
            self._stored += len(stored)
            if self._stored >= PRUNE_EVERY:
                self._stored = 0
                kept_ns = round(self._settings.event_days * NS_PER_DAY)
                self._log.prune(before_ns=self._clock() - kept_ns, most=self._settings.event_rows)
        except GroundruleError as error:
            self.failed += len(events)
            _LOG.warning("events could not be stored", exc_info=error)
            return
        with self._ready:
            subscribers = list(self._subscribers)
        for event in stored:
            for callback in subscribers:
                try:
                    callback(event)
                except Exception:  # noqa: BLE001 - a listener's fault must not keep others from hearing
                    _LOG.exception("a subscriber of events failed")


def log_events(ledger: HomeLedger, since: int) -> tuple[list[Event], int]:
    """Return what came into the stream of governance since a size of the log, as events, and the size now."""
    size = ledger.log.size
    made: list[Event] = []
    if size <= since:
        return made, size
    for index, data in enumerate(ledger.log.tree().entries(since, size), since):
        if b'"stream":"governance"' not in data:
            continue
        entry = Entry.decode(data)
        if entry.stream != GOVERNANCE or entry.kind == "heartbeat":
            continue
        body = dict(entry.body)
        found: dict[str, Any] = {"index": index, "kind": entry.kind, "at": entry.t}
        if len(data) <= MAX_BODY:
            found["body"] = body
        made.append(
            Event(f"log.{entry.kind}", ledger.clock(), subject_of(entry.kind), found, public=True, once=f"{LOG_PREFIX}{index}")
        )
    return made, size


def subject_of(kind: str) -> str:
    """What an entry of the log is about."""
    for word in ("emergency", "snapshot", "appeal", "request", "contact", "screening", "charter", "review"):
        if kind.startswith(word):
            return word
    return "proposal" if kind in ("proposal", "approval", "enactment", "rejection") else "log"
