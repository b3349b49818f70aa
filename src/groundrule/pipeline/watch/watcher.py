"""The loop of a watched source: what arrives is handed to the live desk, and acknowledged once it is durable.

Arrivals are handed over several at a time, so that the desk flushes and judges them together. What waits at the desk is bounded; beyond,
nothing more is taken from the source, and a folder, a pipe or a broker holds it. A desk that refuses for want of room is asked again;
until it takes, nothing is acknowledged.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any, Final

import pyarrow.compute as pc

from groundrule.errors import ConflictError, InputError, StoreError
from groundrule.instant import NS_PER_S
from groundrule.pipeline.live.answers import Answered
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.watch.arrivals import ROWS, Arrival, Source, short_digest
from groundrule.store.durable import write_durably
from groundrule.store.rejects import Rejects, one_reject, reject_table, rejects_of

MOST_ROWS: Final = 4 * ROWS
"""Rows that are at the desk at most."""
MOST_UNDETECTED: Final = 2_000_000
"""Rows that detectors have yet to look at; with more, nothing is read."""
LOOK_S: Final = 1.0
"""How often a quiet source is looked at [s]."""
_SLOWEST_S: Final = 5.0


@dataclass(slots=True)
class Cycle:
    """What happened in one cycle, or since the start.

    Attributes:
        began_ns, ended_ns: when [ns, UTC].
        rows: observations that arrived and are durable or were known already. decided: those that are new and in order.
        late: behind what is known of their terminal. repeated: known already. rejected: could not be used, by reason.
        set_aside: rows that are no observations. denied: decided so.
        newest_ns: latest observation [ns, UTC]; None where none came.
        tries: submissions that the desk refused for want of room, and that were tried again.
    """

    began_ns: int
    ended_ns: int = 0
    rows: int = 0
    decided: int = 0
    late: int = 0
    repeated: int = 0
    denied: int = 0
    tries: int = 0
    newest_ns: int | None = None
    rejected: Counter[str] = field(default_factory=Counter)
    set_aside: Counter[str] = field(default_factory=Counter)

    def add(self, other: Cycle) -> None:
        """Count another one in."""
        for name in ("rows", "decided", "late", "repeated", "denied", "tries"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.rejected.update(other.rejected)
        self.set_aside.update(other.set_aside)
        self.ended_ns = other.ended_ns
        if other.newest_ns is not None:
            self.newest_ns = other.newest_ns if self.newest_ns is None else max(self.newest_ns, other.newest_ns)

    def lag_s(self) -> float | None:
        """Return how far the latest observation was behind the clock at the end [s]; None where none came."""
        return None if self.newest_ns is None else (self.ended_ns - self.newest_ns) / NS_PER_S


@dataclass(slots=True)
class _Sent:
    arrival: Arrival
    future: Future[Any]
    again_s: float = 0.1


class Watcher:
    """Watches one source until it is told to stop; `run` is for one thread, `stop` for any.

    Args:
        live: the desk of the home.
        source: it is closed at the end.
        cycle_s: length of a cycle [s].
        once: end when the source is exhausted.
        clock: gives the time [ns, UTC].
    Attributes:
        said: is told each cycle, with all since the start.
        answered: is told each answer to what had not been taken before.
        total: everything since the start.
        fault: why the source cannot be read now, or empty.
    """

    def __init__(
        self, live: Live, source: Source, *, cycle_s: float = 15.0, once: bool = False, clock: Callable[[], int] = time.time_ns,
    ) -> None:  # fmt: skip
        self._live, self.source, self._cycle_s = live, source, cycle_s
        self.said: Callable[[Cycle, Cycle], None] = lambda _cycle, _total: None
        self.answered: Callable[[Answered], None] = lambda _answer: None
        self._once, self._clock = once, clock
        self._stop = threading.Event()
        self._sent: deque[_Sent] = deque()
        self._rows = 0
        self.total = Cycle(clock())
        self._cycle = Cycle(clock())
        self.fault = ""

    def stop(self) -> None:
        """End after what is under way; what was not taken stays with the source."""
        self._stop.set()

    def run(self) -> Cycle:
        """Watch until stopped or, `once`, until nothing is left.

        Raises:
            StoreError: the desk takes nothing more: it must be started again. InputError, StoreError: the source cannot be read.
        """
        until = time.monotonic() + self._cycle_s
        try:
            while not self._stop.is_set():
                left = until - time.monotonic()
                if left <= 0:
                    self._end_cycle()
                    until = time.monotonic() + self._cycle_s
                    continue
                self._step(min(LOOK_S, left))
                if self._once and not self._sent and self.source.exhausted:
                    break
            while self._sent:
                self._collect()
        finally:
            self.source.close()
        self._end_cycle()
        return self.total

    # --- steps --------------------------------------------------------------------------------------------------------------

    def _step(self, wait_s: float) -> None:
        room = MOST_ROWS - self._rows
        if room <= 0:
            self._collect()
            return
        detection = self._live.detection
        if detection is not None and detection.waiting > MOST_UNDETECTED and not self._sent:
            self._stop.wait(0.1)  # detectors are behind: what is not read yet waits at its source
            return
        arrivals = self.source.take(0.0 if self._sent else wait_s, room)
        for arrival in arrivals:
            self._hand_over(arrival)
        if self._sent and (not arrivals or self._sent[0].future.done()):
            self._collect()

    def _hand_over(self, arrival: Arrival) -> None:
        self._rows += len(arrival.rows)
        self._sent.append(_Sent(arrival, self._submit(arrival)))

    def _submit(self, arrival: Arrival) -> Future[Any]:
        if not len(arrival.rows):
            nothing: Future[Any] = Future()
            nothing.set_result(None)
            return nothing
        return self._live.submit(arrival.rows, source=arrival.source, key=arrival.key)

    def _collect(self) -> None:
        """Wait for the arrival that was handed over first; acknowledge it with those behind it that are durable too."""
        wait([self._sent[0].future], 0.5)
        done: list[Arrival] = []
        while self._sent and self._sent[0].future.done():
            sent = self._sent[0]
            error = sent.future.exception()
            if error is not None:
                if not self._overcome(sent, error):
                    break
                continue
            self._count(sent.arrival, sent.future.result())
            self._sent.popleft()
            self._rows -= len(sent.arrival.rows)
            done.append(sent.arrival)
        if done:
            self.source.taken(done)

    def _overcome(self, sent: _Sent, error: BaseException) -> bool:
        """Try again what the desk did not take; False where that has to wait.

        Raises:
            Exception: as it was, where trying again is of no use.
        """
        if isinstance(error, ConflictError):
            # Taken before, and since then the clock lets more of it pass: what is known already is known by its content.
            sent.arrival = replace(sent.arrival, key=None)
            sent.future = self._submit(sent.arrival)
            return True
        if isinstance(error, InputError):
            rows = [
                one_reject(sent.arrival.source, number, reason="not_taken", value=str(error), help=error.help, content=str(row))
                for number, row in enumerate(sent.arrival.rows.to_pylist(), 1)
            ]
            bad = rejects_of([sent.arrival.rejects.table, reject_table(rows)])
            self._rows -= len(sent.arrival.rows)
            sent.arrival = replace(sent.arrival, rows=sent.arrival.rows.slice(0, 0), rejects=bad)
            sent.future = self._submit(sent.arrival)
            return True
        if not isinstance(error, StoreError) or error.context.get("stopped"):
            raise error
        self._cycle.tries += 1
        if self._stop.wait(sent.again_s):
            raise error
        sent.again_s = min(2 * sent.again_s, _SLOWEST_S)
        sent.future = self._submit(sent.arrival)
        return False

    # --- what is kept and counted -------------------------------------------------------------------------------------------

    def _count(self, arrival: Arrival, answered: Answered | None) -> None:
        """Count what became of an arrival, and keep its rejected rows; before it is acknowledged."""
        cycle, bad = self._cycle, arrival.rejects
        if answered is not None:
            cycle.rows += len(arrival.rows)
            if answered.taken_before:
                cycle.repeated += len(arrival.rows)
            else:
                self.answered(answered)
                cycle.decided += answered.accepted - answered.late
                cycle.late += answered.late
                cycle.repeated += answered.duplicates
                outcomes = answered.decisions.column("outcome")
                cycle.denied += int(pc.sum(pc.equal(outcomes.cast("string"), "deny")).as_py() or 0)
            newest = pc.max(arrival.rows.column("observed_at")).as_py()
            cycle.newest_ns = newest if cycle.newest_ns is None else max(cycle.newest_ns, newest)
            if answered.rejected:
                bad = rejects_of([bad.table, self._refused(arrival, answered).table])
        if not len(bad):
            return
        for row in bad.table.group_by(["kind", "reason"]).aggregate([([], "count_all")]).to_pylist():
            (cycle.set_aside if row["kind"] == "set_aside" else cycle.rejected)[row["reason"]] += row["count_all"]
        if answered is None or not answered.taken_before:
            own = arrival.rejects.table
            self._live.reject(Rejects(own.filter(pc.not_equal(own["kind"], "set_aside"))).counts)
        self._keep(arrival, bad)

    @staticmethod
    def _refused(arrival: Arrival, answered: Answered) -> Rejects:
        """Describe rows that the desk did not take."""
        rows = arrival.rows
        return Rejects(reject_table([
            one_reject(
                arrival.source, int(rows.column("source_row")[each.row].as_py() or each.row), reason=each.reason, column=each.field,
                value=each.value, help=each.wanted, content=str(rows.slice(each.row, 1).to_pylist()[0]),
            )
            for each in answered.rejected
        ]))  # fmt: skip

    def _keep(self, arrival: Arrival, bad: Rejects) -> None:
        """Keep rejected rows; those of one arrival once, however often it is read."""
        name = short_digest(arrival.source, arrival.key) if arrival.key else f"{self._clock()}"
        held = BytesIO()
        bad.write_jsonl(held)
        write_durably(self._live.home.rejected / f"watch-{name}.jsonl", held.getvalue())

    def _end_cycle(self) -> None:
        self._cycle.ended_ns = self._clock()
        self.total.add(self._cycle)
        self.said(self._cycle, self.total)
        self._cycle = Cycle(self._cycle.ended_ns)

