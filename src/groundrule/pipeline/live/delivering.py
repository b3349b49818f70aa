"""Delivers what waits for webhooks and geofences, each in order, again and again until it is taken or given up.

    events of the home ─► for each webhook: what it asked for, stored ─┐
    positions ─► geofences: entered, left, ended, stored ──────────────┴─► sent, one at a time for each sink

What is sent is stored before, so that a restart goes on where the last try ended. A try that fails is repeated after 1, 2, 4 …
seconds, up to an hour, each wait shortened by chance by up to a half; after 16 tries (about seven hours) a piece is laid aside and
the next is sent. A receiver that answers 410 is told nothing more.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote

from groundrule.errors import GroundruleError, InputError
from groundrule.instant import NS_PER_DAY, NS_PER_S, format_instant
from groundrule.pipeline.fetching import Network
from groundrule.pipeline.live.sending import AllowedHost, SendBounds, permitted, send, sink_address
from groundrule.pipeline.live.sink_keys import SinkKeys
from groundrule.store.events import Event, EventLog
from groundrule.store.subscriptions import SINK_KINDS, Delivery, Sink, SubscriptionStore

CLOUDEVENT: Final = "application/cloudevents+json"
MISSED: Final = "events.missed"
"""Type of the event that says that older ones are gone."""
_LOG: Final = logging.getLogger(__name__)
_AHEAD: Final = 500
"""Events that wait for one webhook at most; further ones stay in the log of events."""
_IN_A_ROW: Final = 50
_GONE: Final = 410
RESULTS: Final = ("taken", "failed", "dead")
"""What becomes of a try: the sink took it, it is tried again, or the piece is laid aside."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How deliveries are tried.

    Attributes:
        first_s: wait after the first failure [s].
        longest_s: longest wait [s].
        tries: until a piece is given up.
        dead_days: how long dead pieces are kept [days].
        dead_most: of one sink.
        look_s: how often geofences are looked at [s].
    """

    first_s: float = 1.0
    longest_s: float = 3_600.0
    tries: int = 16
    dead_days: float = 30.0
    dead_most: int = 10_000
    look_s: float = 1.0

    def wait_ns(self, tries: int, asked_s: int | None = None) -> int:
        """Return how long to wait after so many failures [ns]; `asked_s` is what the receiver asks for."""
        longest = min(self.longest_s, self.first_s * 2.0 ** min(tries - 1, 60))
        # Those that failed together must not come back together.
        wait = longest * random.uniform(0.5, 1.0)  # noqa: S311 - nobody gains by guessing it
        return round(max(wait, min(asked_s or 0, self.longest_s)) * NS_PER_S)


class Ticking(Protocol):
    """What is looked at every so often, and may store what is to be delivered."""

    def tick(self) -> None:
        """Look."""

    def given_up(self, sink: Sink) -> None:
        """Hear that a receiver is gone."""


class Courier:
    """Delivers; its thread runs from `start` to `close`.

    Args:
        store: what waits.
        events: of the home.
        subscribe: has a function called with each new event.
        keys: sign and unseal.
        allowed: hosts that may be sent to.
        source: of the events, a URI.
        prefix: reversed domain that types begin with.
        clock: gives the time [ns, UTC].
        network: the ways out. bounds: of one try. pace: of many.
    Attributes:
        ticking: looked at every so often.
        counters: tries since the start, by kind of sink and what became of them: taken, failed, dead; changed under a lock.
    """

    def __init__(
        self, store: SubscriptionStore, events: EventLog, subscribe: Callable[[Callable[[Event], None]], Callable[[], None]],
        keys: SinkKeys, allowed: Sequence[AllowedHost], *, source: str, prefix: str, clock: Callable[[], int],
        network: Network | None = None, bounds: SendBounds | None = None, pace: Pace | None = None,
    ) -> None:  # fmt: skip
        self._store, self._events, self._keys, self._allowed = store, events, keys, allowed
        self._source, self._prefix, self._clock = source, prefix, clock
        self._network, self._bounds, self._pace = network, bounds, pace or Pace()
        self._wake = threading.Event()
        self._ended = False
        self._lock = threading.Lock()
        self._sending: set[str] = set()
        self._tidied_ns = 0
        self._look_due = 0.0
        self.ticking: Ticking | None = None
        self.counters: Counter[tuple[str, str]] = Counter({(kind, result): 0 for kind in SINK_KINDS for result in RESULTS})
        self._subscribe = subscribe
        self._leave: Callable[[], None] = lambda: None
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="send")
        self._thread = threading.Thread(target=self._work, name="courier", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._leave = self._subscribe(lambda _: self._wake.set())
        self._thread.start()

    def close(self) -> None:
        """End: nothing new is sent, and what is being sent is waited for."""
        self._leave()
        self._ended = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(30)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def wake(self) -> None:
        """Look at once whether there is something to do."""
        self._wake.set()

    def permits(self, address: str) -> bool:
        """May an address be sent to?

        Raises:
            InputError: it is no address.
        """
        return permitted(sink_address(address), self._allowed) is not None

    # --- the thread -------------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._ended:
            try:
                self._step()
            except Exception:  # noqa: BLE001 - one fault must not end all deliveries
                _LOG.exception("deliveries could not be looked at")
            now, due = self._clock(), None
            try:
                due = self._store.next_due_ns()
            except GroundruleError:
                _LOG.exception("deliveries could not be looked at")
            with self._lock:
                busy = bool(self._sending)
            wait = self._pace.look_s
            if due is not None and not busy:
                wait = min(wait, max(0.01, (due - now) / NS_PER_S))
            self._wake.wait(wait)
            self._wake.clear()

    def _step(self) -> None:
        now = self._clock()
        for sink in self._store.sinks("webhook"):
            if sink.state == "active":
                self._fill(sink)
        if self.ticking is not None and time.monotonic() >= self._look_due:
            self._look_due = time.monotonic() + self._pace.look_s  # not with every event, of which there may be many
            self.ticking.tick()
        if now - self._tidied_ns > 3_600 * NS_PER_S:
            self._tidied_ns = now
            self._store.drop_dead(before_ns=now - round(self._pace.dead_days * NS_PER_DAY), most=self._pace.dead_most)
        for name in self._store.due(now):
            with self._lock:
                if name in self._sending or self._ended:
                    continue
                self._sending.add(name)
            self._pool.submit(self._send_waiting, name)

    def _fill(self, sink: Sink) -> None:
        """Store for a webhook what happened since, in order."""
        while (room := _AHEAD - self._store.waiting(sink.id)) > 0:
            first, last = self._events.bounds()
            if sink.position >= last:
                return
            bodies: list[tuple[str, str]] = []
            if sink.position + 1 < first:
                name = f"missed-{sink.position + 1}"
                bodies.append((name, self._body(missed(sink.position + 1, first - 1, self._clock()), name)))
            public = None if sink.spec.get("private") else True
            found = self._events.after(sink.position, limit=room, until=last, types=sink.spec.get("types") or None, public=public)
            bodies += [(str(event.seq), self._body(event, str(event.seq))) for event in found]
            reached = found[-1].seq if len(found) == room else last
            self._store.tell(sink.id, bodies, self._clock(), position=reached)
            sink = self._store.sink(sink.id) or sink
            if sink.position != reached:
                return

    def _body(self, event: Event, name: str) -> str:
        return json.dumps(cloud_event(event, name, self._source, self._prefix), ensure_ascii=False, separators=(",", ":"))

    # --- sending ----------------------------------------------------------------------------------------------------------

    def _send_waiting(self, name: str) -> None:
        """Send what waits for one sink, in order, until something fails."""
        again = False
        try:
            for _ in range(_IN_A_ROW):
                sink = self._store.sink(name)
                piece = None if sink is None or sink.state == "gone" or sink.next_ns > self._clock() else self._store.head(name)
                if self._ended or sink is None or piece is None or not self._send(sink, piece):
                    break
            again = True
        except Exception:  # noqa: BLE001 - one sink's fault must not end the others
            _LOG.exception("a delivery failed within this program")
        finally:
            with self._lock:
                self._sending.discard(name)
            if again:
                self._wake.set()

    def _send(self, sink: Sink, piece: Delivery) -> bool:
        """Try once; returns whether the next may be sent."""
        asked: int | None = None
        try:
            address = sink_address(sink.address)
            allowed = permitted(address, self._allowed)
            if allowed is None:
                raise InputError("the settings do not allow this host any more", help="webhook_hosts")
            body = piece.body.encode()
            sent = send(address, allowed, self._headers(sink, piece, body), body, network=self._network, bounds=self._bounds)
            if 200 <= sent.status < 300:
                self._store.taken(sink.id, piece.number, self._clock())
                self._count(sink, "taken")
                return True
            error, asked = f"answered {sent.status}", sent.retry_after_s if sent.status in (429, 503) else None
            if sent.status == _GONE:
                self._store.give_up(sink.id, piece.number, error, self._clock(), gone=True)
                self._count(sink, "dead")
                if self.ticking is not None:
                    self.ticking.given_up(sink)
                return False
        except GroundruleError as fault:
            error = fault.message[:200]
        except OSError as fault:
            error = f"cannot be reached: {str(fault)[:160] or type(fault).__name__}"
        tries = sink.tries + 1
        if tries >= self._pace.tries:
            self._store.give_up(sink.id, piece.number, error, self._clock())
            self._count(sink, "dead")
            return True
        self._store.failed(sink.id, error, self._clock() + self._pace.wait_ns(tries, asked))
        self._count(sink, "failed")
        return False

    def counted(self) -> Counter[tuple[str, str]]:
        """Return a copy of the counters."""
        with self._lock:
            return self.counters.copy()

    def _count(self, sink: Sink, result: str) -> None:
        with self._lock:
            self.counters[sink.kind, result] += 1

    def _headers(self, sink: Sink, piece: Delivery, body: bytes) -> Mapping[str, str]:
        told: dict[str, str] = {str(name): str(value) for name, value in sink.spec.get("headers", {}).items()}
        told["Content-Type"] = CLOUDEVENT
        if sink.kind == "webhook":
            return told | self._keys.headers(sink.id, sink.spec["signature"], piece.id, self._clock() // NS_PER_S, body)
        told["x-correlator"] = piece.id
        if sink.secret is not None:
            told["Authorization"] = f"Bearer {self._keys.open(sink.id, sink.secret)}"
        return told


def missed(first: int, last: int, at_ns: int) -> Event:
    """Return the event that says that older ones are gone: those from one number to another."""
    return Event(MISSED, at_ns, "service", {"from": first, "until": last}, public=True)


def cloud_event(event: Event, name: str, source: str, prefix: str) -> dict[str, Any]:
    """Return an event of a home as a CloudEvent 1.0.

    Args:
        event: with its number.
        name: unique within the source.
        source: a URI.
        prefix: reversed domain that types begin with.
    """
    made: dict[str, Any] = {
        "specversion": "1.0", "id": name, "source": source, "type": f"{prefix}.{event.type}", "time": format_instant(event.at_ns),
        "datacontenttype": "application/json",
    }  # fmt: skip
    if event.subject is not None:
        made["subject"] = f"{event.subject_kind}/{quote(event.subject, safe='')}"
    return made | {"data": event.data}
