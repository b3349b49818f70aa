"""Detection behind the desk's answers: a thread of its own looks at what was answered; what it finds counts for what comes after.

    intake thread                               detection thread                            a process of its own, or the thread
    attach: signals that count ◄─ news ────────┐
    written, judged, answered                   │
    take ─► rows that were answered ──────────► gathered for seconds ─────────────────────► ordered, detectors (`looking`)
                                                signals kept, told as events ◄──────────────┘

No answer waits for a detector. A terminal without signals costs its observations one look at a bit. What is remembered of terminals is
made from history at the start, and anew where rules, areas or registers change; meanwhile observations wait, and signals that were
raised before count.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundrule.detect.signals import KINDS, Signal, table_of
from groundrule.errors import GroundruleError
from groundrule.instant import NS_PER_S
from groundrule.pipeline.case_desk import CaseDesk
from groundrule.pipeline.live.announcing import Announcer
from groundrule.pipeline.live.answers import Check
from groundrule.pipeline.live.bench import Bench
from groundrule.pipeline.live.steps import Step
from groundrule.pipeline.looking import (
    PIECE_ROWS,
    Ended,
    Looked,
    Looker,
    Looking,
    News,
    Under,
    news_of,
    standing_signals,
)
from groundrule.pipeline.looking_apart import LookerApart, LookerGone
from groundrule.pipeline.manifests import runs
from groundrule.records import OBSERVATION_SCHEMA, combined
from groundrule.store.events import Event
from groundrule.store.home import Home
from groundrule.store.signals import SIGNALS

_LOG = logging.getLogger(__name__)
GATHER_S: Final = 5.0
"""How long observations are gathered before they are looked at together [s].

A look costs ten milliseconds, however few rows it has; a third of a terminal's cycle is soon enough."""
MOST_WAITING: Final = 8_000_000
"""Rows that wait to be looked at, at most; more are left out, counted, and said by the status."""
MOST_ROWS: Final = 16 * PIECE_ROWS
"""Rows that are handed over together, at most; so many are gathered where memory is being made."""
MOST_GONE: Final = 3
"""How often the process of detectors may end in a row before nothing is detected any more."""
COUNTERS: Final = ("detected", "signals", "withdrawn", "undetected", "signalled", "detector_restarts")
"""What is counted since the start; rows, signals, or how often the process of detectors was started anew."""
KEPT_NS: Final = 300 * NS_PER_S
"""Rows that were answered within this time are kept, for when memory is made anew: history may not hold them yet [ns]."""
KEPT_ROWS: Final = 4_000_000
_SIGNALS: Final = OBSERVATION_SCHEMA.get_field_index("signals")

Judged = tuple[pa.Table, NDArray[np.uint8]]
"""Rows that were answered, with the outcome of each."""


class LiveDetection:
    """Detectors of one desk. `attach` and `take` are for the intake thread, attributes for any.

    Args:
        home: its write lock is held.
        clock: gives the time [ns, UTC].
        bench: the desk's; it says what is judged under now, and numbers terminals.
        announcer: is told signals.
        apart: detectors work in a process of their own.
    Attributes:
        counters: what happened since the start, by name.
        fault: why nothing is detected, or empty. damaged: why signals of before are not known, or empty.
        rebuilding: memory is being made from history.
        looking: how long a look of the detectors takes.
    """

    def __init__(self, home: Home, clock: Callable[[], int], bench: Bench, announcer: Announcer, *, apart: bool = False) -> None:
        self._home, self._clock, self._bench, self._announcer = home, clock, bench, announcer
        self.counters: Counter[str] = Counter(dict.fromkeys(COUNTERS, 0))
        self.fault, self.damaged, self.rebuilding = "", "", True
        self.looking = Step()
        self._cases = CaseDesk(home)
        self._spared: dict[str, frozenset[str]] = {}
        self._runs: list[int] | None = runs(home)  # what comes later was taken by this desk
        self._ready = threading.Condition()
        self._waiting: deque[Judged] = deque()
        self._rows, self._hurried = 0, 0
        self._kept: deque[tuple[int, pa.Table]] = deque()
        self._kept_rows = 0
        self._ended = False
        self._news: deque[list[News]] = deque()
        self._until: dict[str, dict[str, tuple[int, int]]] = {}
        self._marked = np.zeros(1, np.bool_)
        self._numbered: object = None
        self._looker: Looking = LookerApart(home) if apart else Looker(home)
        self._made_for: Under | None = None
        self._gone = 0
        # Signals that were raised before count at once, whatever is made from history meanwhile.
        signals, self.damaged = standing_signals(home)
        if news := news_of(signals):
            self._news.append(news)
        self.look_at_cases()
        self._thread = threading.Thread(target=self._work, name="detection", daemon=True)
        self._thread.start()

    # --- the intake thread ------------------------------------------------------------------------------------------------

    def attach(self, table: pa.Table, rows: NDArray[np.int32], chosen: NDArray[np.bool_] | None) -> pa.Table:
        """Return observations with the signals that count for them; the same table where none does.

        Args:
            table: of OBSERVATION_SCHEMA, as they are to be written.
            rows: of their terminals, at the desk.
            chosen: only these (bool, shape (n,)); None is all of them.
        """
        while self._news:
            self._learn(self._news.popleft())
        if not self._until:
            return table
        if self._numbered is not self._bench.judge.basis.registers:
            self._mark(list(self._until))  # terminals were numbered anew
        hit = self._marked[np.minimum(rows, len(self._marked) - 1)] & (rows < len(self._marked))
        if chosen is not None:
            hit &= chosen
        places = np.flatnonzero(hit)
        if not len(places):
            return table
        marked = table.select(["terminal_id", "observed_at"]).take(pa.array(places))
        words: list[list[str] | None] = [None] * len(table)
        signalled = 0
        for place, who, at in zip(places.tolist(), *(column.to_pylist() for column in marked.columns), strict=True):
            kinds = self._counting(who, int(rows[place]), int(at))
            if kinds:
                words[place] = kinds
                signalled += 1
        if not signalled:
            return table
        self.counters["signalled"] += signalled
        field = OBSERVATION_SCHEMA.field(_SIGNALS)
        return table.set_column(_SIGNALS, field, pa.array(words, field.type))

    def look_at_cases(self) -> None:
        """Learn which signals persons found to be false alarms: those count no longer; any thread."""
        try:
            self._spared = self._cases.spared()
        except GroundruleError as error:
            _LOG.warning("cases cannot be read", exc_info=error)

    def take(self, table: pa.Table, outcome: NDArray[np.uint8]) -> None:
        """Take observations that are durable and were answered, in order of time for each terminal."""
        with self._ready:
            if self.fault or self._rows + len(table) > MOST_WAITING:
                self.counters["undetected"] += len(table)
                return
            self._waiting.append((table, outcome))
            self._rows += len(table)
            # Whoever gathers is not woken for each of them: that costs the thread that answers.
            if len(self._waiting) == 1 or self._rows >= PIECE_ROWS:
                self._ready.notify_all()

    def _counting(self, who: str, row: int, at_ns: int) -> list[str]:
        """Which kinds count for a terminal at an instant, in their order? What has lapsed is forgotten."""
        known, spared = self._until.get(who, {}), self._spared.get(who, frozenset())
        found = [kind for kind in KINDS if kind in known and kind not in spared and known[kind][0] <= at_ns < known[kind][1]]
        if all(until <= at_ns for _, until in known.values()):
            self._until.pop(who, None)
            self._marked[row] = False
        return found

    def _learn(self, news: Sequence[News]) -> None:
        """Take in signals: terminal, kind, from and until [ns]; those that end before they begin are withdrawn."""
        for who, kind, since, until in news:
            known = self._until.setdefault(who, {})
            before = known.get(kind)
            if until > since:
                known[kind] = (since, until) if before is None else (min(before[0], since), max(before[1], until))
            elif before is not None:
                known[kind] = before[0], min(before[1], since)
        self._mark([who for who, *_ in news])

    def _mark(self, ids: Sequence[str]) -> None:
        """Mark terminals whose observations are looked at more closely."""
        registers = self._bench.judge.basis.registers
        if self._numbered is not registers:
            ids, self._numbered = list(self._until), registers
            self._marked[:] = False
        rows = self._bench.rows_of(pa.chunked_array([pa.array(ids, pa.string())]))
        most = int(rows.max(initial=-1)) + 1
        if most > len(self._marked):
            wider = np.zeros(most * 5 // 4 + 1_024, np.bool_)
            wider[: len(self._marked)] = self._marked
            self._marked = wider
        self._marked[rows] = True

    # --- any thread -------------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Rows that wait to be looked at."""
        return self._rows

    def check(self) -> Check:
        """Say whether observations are looked at."""
        if self.fault:
            return Check("detection", False, self.fault)
        if self.damaged:
            return Check("detection", False, f"signals of before are not known: {self.damaged}")
        if left := self.counters["undetected"]:
            return Check("detection", False, f"{left:,} observations were not looked at: more came than detectors take")
        return Check("detection", True, "what is known of terminals is being made from history" if self.rebuilding else "")

    def drain(self, timeout_s: float = 60.0) -> bool:
        """Wait until everything taken has been looked at; False after the time."""
        with self._ready:
            self._hurried += 1
            self._ready.notify_all()
            try:
                return self._ready.wait_for(lambda: (not self._rows and not self.rebuilding) or bool(self.fault), timeout_s)
            finally:
                self._hurried -= 1

    def close(self) -> None:
        """Look at what waits, and end; memory that is being made is left."""
        with self._ready:
            self._ended = True
            self._ready.notify_all()
        self._thread.join()

    # --- the detection thread -----------------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while True:
                try:
                    if not self._turn():
                        return
                except LookerGone as gone:
                    # What it had not looked at is among what is kept, and so part of the memory that is made anew.
                    self._made_for, self._gone = None, self._gone + 1
                    self.counters["detector_restarts"] += 1
                    _LOG.warning("%s; it is started anew", gone)
                    if self._gone > MOST_GONE:
                        raise
        except Ended:
            return
        except Exception as error:  # noqa: BLE001 - a fault of a detector keeps no observation out
            _LOG.exception("nothing is detected any more")
            with self._ready:
                self.fault = f"nothing is detected until the next start: {error!r}"
                self.rebuilding = False
                self._waiting.clear()
                self._rows = 0
                self._ready.notify_all()
        finally:
            self._looker.close()

    def _turn(self) -> bool:
        """Make memory where that is due, and look at what waits; False when it has ended and nothing waits."""
        if self._stale():
            self._rebuild()
        with self._ready:
            self._ready.wait_for(lambda: self._waiting or self._ended, 5.0)
            if self._waiting and not self._ended:
                self._ready.wait_for(lambda: self._ended or self._hurried or self._rows >= PIECE_ROWS, GATHER_S)
            if not self._waiting:
                return not self._ended
        if self._stale():
            self._rebuild()
        taken, rows = list[Judged](), 0
        with self._ready:
            while self._waiting and rows < MOST_ROWS:
                taken.append(self._waiting.popleft())
                rows += len(taken[-1][0])
        try:
            with self.looking.timed():
                self._look(taken)
            self._gone = 0
        except LookerGone:
            self.rebuilding = True  # before anybody is told that nothing waits: what was handed over is looked at when memory is there
            raise
        finally:
            with self._ready:
                self._rows -= rows
                self._ready.notify_all()
        return True

    def _stale(self) -> bool:
        """Have rules, areas or registers changed since memory was made?"""
        return self._made_for != self._present()

    def _present(self) -> Under:
        basis = self._bench.judge.basis
        return Under(basis.rulebook.digest, basis.areas.digest, basis.registers.revision)

    def _rebuild(self) -> None:
        """Have memory of terminals made from history, and from what history may not hold yet."""
        self.rebuilding = True
        self._made_for = self._present()
        of_runs, self._runs = self._runs, None
        kept = [table for _, table in self._kept]
        looked = self._looker.remember(self._made_for, kept, of_runs=of_runs, now_ns=self._clock(), ended=lambda: self._ended)
        self._hear(looked)
        self.rebuilding = False
        with self._ready:
            self._ready.notify_all()

    def _look(self, taken: Sequence[Judged]) -> None:
        now = self._clock()
        whole = combined(pa.concat_tables([table for table, _ in taken]))
        self._kept.append((now, whole))
        self._kept_rows += len(whole)
        while self._kept and (self._kept[0][0] < now - KEPT_NS or self._kept_rows > KEPT_ROWS):
            self._kept_rows -= len(self._kept.popleft()[1])
        looked = self._looker.look(whole, np.concatenate([outcome for _, outcome in taken]), now_ns=now)
        self.counters["detected"] += looked.rows
        self._hear(looked)

    def _hear(self, looked: Looked) -> None:
        """Have what was found count from now on; keep it, durably, and then tell it."""
        if looked.damaged and looked.damaged != self.damaged:
            _LOG.error("signals cannot be read: %s", looked.damaged)
        self.damaged = looked.damaged
        if looked.news:
            self._news.append(looked.news)
        if looked.weighed:
            self._gather()
        self._write(looked.found, looked.undone)

    def _write(self, found: list[Signal], undone: list[Signal]) -> None:
        now = self._clock()
        if found:
            SIGNALS.write(self._home, table_of(found))
        if undone:
            SIGNALS.withdraw(self._home, [(each.terminal_id, each.id, each.raised_at) for each in undone], at_ns=now)
        self.counters["signals"] += len(found)
        self.counters["withdrawn"] += len(undone)
        if found and self._spared:
            self.look_at_cases()  # a case may have been opened again
        self._announcer.say(
            *(_event("signal.raised", each, now) for each in found), *(_event("signal.withdrawn", each, now) for each in undone)
        )

    def _gather(self) -> None:
        """Put the files of the hour together; each look that finds something writes one."""
        try:
            SIGNALS.gather_small(self._home)
        except GroundruleError as error:
            _LOG.warning("files of signals are left as they are", exc_info=error)


def _event(kind: str, signal: Signal, at_ns: int) -> Event:
    """Write a signal as an event; private, and for the operator's own people alone."""
    data: dict[str, Any] = {
        "signal": signal.id, "kind": signal.kind, "cause": KINDS[signal.kind].cause, "strength": round(signal.strength, 4),
        "raised_at_ns": str(signal.raised_at), "from_at_ns": str(signal.from_at), "until_at_ns": str(signal.until_at),
    }  # fmt: skip
    if signal.lat_deg is not None and signal.lon_deg is not None:
        data |= {"lat": round(signal.lat_deg, 5), "lon": round(signal.lon_deg, 5)}
    if signal.group is not None:
        data["group"] = signal.group
    return Event(kind, at_ns, "terminal", data, subject=signal.terminal_id, once=f"{kind}:{signal.id}:{signal.raised_at}")
