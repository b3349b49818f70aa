"""Detection behind the desk's answers: a thread of its own looks at what was answered; what it finds counts for what comes after.

    intake thread                               detection thread
    attach: signals that count ◄─ news ────────┐
    written, judged, answered                   │
    take ─► rows that were answered ──────────► gathered for seconds, ordered, detectors ─► signals kept, told as events

No answer waits for a detector. A terminal without signals costs its observations one look at a bit. What is remembered of terminals is
made from history at the start, and anew where rules, areas or registers change; meanwhile observations wait, and signals that were
raised before count.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.detect.signals import KINDS, Signal, signals_of, table_of
from groundrule.errors import GroundruleError
from groundrule.instant import MAX_NS, MIN_NS, NS_PER_S
from groundrule.pipeline.case_desk import CaseDesk
from groundrule.pipeline.detecting import Detection
from groundrule.pipeline.detectors import detection_of
from groundrule.pipeline.history import all_observations
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.live.announcing import Announcer
from groundrule.pipeline.live.answers import Check
from groundrule.pipeline.live.bench import Bench
from groundrule.pipeline.live.steps import Step
from groundrule.pipeline.manifests import runs
from groundrule.records import OBSERVATION_SCHEMA, combined
from groundrule.store.events import Event
from groundrule.store.home import Home
from groundrule.store.ordering import in_order
from groundrule.store.signals import SIGNALS

_LOG = logging.getLogger(__name__)
GATHER_S: Final = 5.0
"""How long observations are gathered before they are looked at together [s].

A look costs ten milliseconds, however few rows it has, in which answers wait; a third of a terminal's cycle is soon enough."""
MOST_WAITING: Final = 8_000_000
"""Rows that wait to be looked at, at most; more are left out, counted, and said by the status."""
PIECE_ROWS: Final = 65_536
"""Rows that are looked at together, and that are gathered at most while answers are wanted."""
KEPT_NS: Final = 300 * NS_PER_S
"""Rows that were answered within this time are kept, for when memory is made anew: history may not hold them yet [ns]."""
KEPT_ROWS: Final = 4_000_000
AHEAD_ROWS: Final = 1_000_000
"""Rows of devices whose clocks are fast wait for ours, so many at most."""
UNTOLD_NS: Final = 3_600 * NS_PER_S
"""Whoever makes memory from history tells signals of its last hour that were not told: a crash, or a change, came before [ns]."""
ACCOUNTS_NS: Final = 3_600 * NS_PER_S
"""How often accounts are weighed by all signals that count [ns]."""
_LONGEST_NS: Final = round(max(kind.lasting_s for kind in KINDS.values()) * NS_PER_S)
_SIGNALS: Final = OBSERVATION_SCHEMA.get_field_index("signals")
_BY_ACCOUNT: Final = "account_risk"
_ATTACHED: Final = frozenset(kind.name for kind in KINDS.values() if kind.cause != "service")

Judged = tuple[pa.Table, NDArray[np.uint8]]
"""Rows that were answered, with the outcome of each."""


class _Ended(Exception):
    """The desk closes while memory is being made."""


class LiveDetection:
    """Detectors of one desk. `attach` and `take` are for the intake thread, attributes for any.

    Args:
        home: its write lock is held.
        clock: gives the time [ns, UTC].
        bench: the desk's; it says what is judged under now, and numbers terminals.
        announcer: is told signals.
    Attributes:
        counters: what happened since the start, by name.
        fault: why nothing is detected, or empty. damaged: why signals of before are not known, or empty.
        rebuilding: memory is being made from history.
        looking: how long a look of the detectors takes.
    """

    def __init__(self, home: Home, clock: Callable[[], int], bench: Bench, announcer: Announcer) -> None:
        self._home, self._clock, self._bench, self._announcer = home, clock, bench, announcer
        self.counters: Counter[str] = Counter(dict.fromkeys(("detected", "signals", "withdrawn", "undetected", "signalled"), 0))
        self.fault, self.damaged, self.rebuilding = "", "", True
        self.looking = Step()
        self._cases = CaseDesk(home)
        self._spared: dict[str, frozenset[str]] = {}
        self._runs = runs(home)
        self._ready = threading.Condition()
        self._waiting: deque[Judged] = deque()
        self._rows, self._hurried = 0, 0
        self._kept: deque[tuple[int, Judged]] = deque()
        self._kept_rows = 0
        self._ahead: pa.Table | None = None
        self._ended = False
        self._news: deque[list[tuple[str, str, int, int]]] = deque()
        self._until: dict[str, dict[str, tuple[int, int]]] = {}
        self._marked = np.zeros(1, np.bool_)
        self._numbered: object = None
        self._made_for: tuple[str, str, int] | None = None
        self._detection: Detection | None = None
        self._found: list[Signal] = []
        self._undone: list[Signal] = []
        self._weighed_ns, self._weighed = MIN_NS, set[str]()
        self._load()
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

    def _learn(self, news: Sequence[tuple[str, str, int, int]]) -> None:
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
                if self._stale():
                    self._rebuild()
                with self._ready:
                    self._ready.wait_for(lambda: self._waiting or self._ended, 5.0)
                    if self._waiting and not self._ended:
                        self._ready.wait_for(lambda: self._ended or self._hurried or self._rows >= PIECE_ROWS, GATHER_S)
                    taken, self._waiting = self._waiting, deque()
                    if not taken and self._ended:
                        return
                if taken:
                    if self._stale():
                        self._rebuild()
                    with self.looking.timed():
                        self._look(taken)
                    with self._ready:
                        self._rows -= sum(len(table) for table, _ in taken)
                        self._ready.notify_all()
        except _Ended:
            return
        except Exception as error:  # noqa: BLE001 - a fault of a detector keeps no observation out
            _LOG.exception("nothing is detected any more")
            with self._ready:
                self.fault = f"nothing is detected until the next start: {error!r}"
                self.rebuilding = False
                self._waiting.clear()
                self._rows = 0
                self._ready.notify_all()

    def _stale(self) -> bool:
        """Have rules, areas or registers changed since memory was made?"""
        basis = self._bench.judge.basis
        return self._made_for != (basis.rulebook.digest, basis.areas.digest, basis.registers.revision)

    def _rebuild(self) -> None:
        """Make memory of terminals from history, and from what history may not hold yet."""
        self.rebuilding = True
        basis, now = self._bench.judge.basis, self._clock()
        # What was made before a change is read under its own registers; rows of terminals are numbered anew.
        first = self._made_for is None
        self._made_for = (basis.rulebook.digest, basis.areas.digest, basis.registers.revision)
        own = basis_of(self._home, recorded_at_ns=now, rulebook=basis.rulebook.digest, areas=basis.areas.digest)
        made = detection_of(self._home, own, recorded_at_ns=now, spared={})
        self._found, self._undone, self._ahead = [], [], None  # what is ahead stands in what is read now
        made.keep, made.told, made.undone = False, self._found.extend, self._undone.extend
        known = self._runs if first else runs(self._home)
        newest = self._feed(made, all_observations(self._home, of_runs=known)) if known else MIN_NS
        newest = max(newest, self._feed(made, (table for _, (table, _) in self._kept)))
        made.observations = made.attached = made.late = made.withdrawn = 0
        made.counts.clear()
        found, undone = self._found, self._undone
        self._found, self._undone = [], []
        made.told, made.undone = self._told, self._undid
        made.signals = self._standing()
        self._detection = made
        # What waited when history was read may stand in it already: seen there, it is told as if it had been looked at.
        since = newest - UNTOLD_NS
        self._catch_up([each for each in found if each.raised_at > since], [each for each in undone if each.raised_at > since])
        self.rebuilding = False
        with self._ready:
            self._ready.notify_all()

    def _feed(self, detection: Detection, tables: Iterable[pa.Table]) -> int:
        """Show observations to detectors, and return the time of the newest [ns, UTC]."""
        newest = MIN_NS
        for table in tables:
            come = self._come(table)
            newest = max(newest, int(pc.max(come.column("observed_at")).as_py() or MIN_NS))
            for start in range(0, len(come), PIECE_ROWS):
                if self._ended:
                    raise _Ended
                detection.update(come.slice(start, PIECE_ROWS))
        return newest

    def _come(self, table: pa.Table) -> pa.Table:
        """Return observations in order, without those ahead of the clock, which wait: one fast clock moves nobody else's time on.

        Findings that wait for the watch over disturbed areas, and minutes of those in company, go by the newest observation.
        """
        waited = [] if self._ahead is None else [self._ahead]
        ordered = in_order(combined(pa.concat_tables([*waited, table], promote_options="default")))
        until = int(np.searchsorted(ordered.column("observed_at").to_numpy(), self._clock(), side="right"))
        until = max(until, len(ordered) - AHEAD_ROWS)
        self._ahead = ordered.slice(until) if until < len(ordered) else None
        return ordered.slice(0, until)

    def _look(self, taken: Sequence[Judged]) -> None:
        assert self._detection is not None
        now = self._clock()
        for each in taken:
            self._kept.append((now, each))
            self._kept_rows += len(each[0])
        while self._kept and (self._kept[0][0] < now - KEPT_NS or self._kept_rows > KEPT_ROWS):
            self._kept_rows -= len(self._kept.popleft()[1][0])
        whole = combined(pa.concat_tables([table for table, _ in taken]))
        ordered = self._come(whole)
        for start in range(0, len(ordered), PIECE_ROWS):
            self._detection.update(ordered.slice(start, PIECE_ROWS))
        self.counters["detected"] += len(ordered)
        self._compare(whole, np.concatenate([outcome for _, outcome in taken]))
        newest = min(now, int(pc.max(whole.column("observed_at")).as_py()))
        if newest - self._weighed_ns >= ACCOUNTS_NS:
            self._weighed_ns = newest
            self._detection.signals = [each for each in self._detection.signals if each.until_at > newest]
            # An account that is as it was is told again only when half of the time for which it counts is over.
            self._weighed = {
                each.terminal_id for each in self._detection.signals
                if each.kind == _BY_ACCOUNT and 2 * newest < each.raised_at + each.until_at
            }  # fmt: skip
            self._detection.conclude()
            self._gather()
        self._write()

    def _compare(self, table: pa.Table, outcome: NDArray[np.uint8]) -> None:
        """Compare what the network did with what had been decided before."""
        assert self._detection is not None
        order = np.argsort(table.column("observed_at").to_numpy(), kind="stable")
        ordered = combined(table.take(pa.array(order)))
        row = self._detection.basis.registers.lookup(ordered.column("terminal_id"))
        self._detection.compare(ordered, row, outcome[order])

    def _told(self, signals: list[Signal]) -> None:
        """Hear what was found; it counts from now on."""
        signals = [each for each in signals if each.kind != _BY_ACCOUNT or each.terminal_id not in self._weighed]
        self._found += signals
        assert self._detection is not None
        self._detection.signals += signals
        news = [(each.terminal_id, each.kind, each.raised_at, each.until_at) for each in signals if each.kind in _ATTACHED]
        if news:
            self._news.append(news)

    def _undid(self, signals: list[Signal]) -> None:
        """Hear what is withdrawn; it counts no longer."""
        self._undone += signals
        self._news.append([(each.terminal_id, each.kind, each.raised_at, MIN_NS) for each in signals])

    def _write(self) -> None:
        """Keep what was found and withdrawn, durably; then tell it."""
        found, undone, self._found, self._undone = self._found, self._undone, [], []
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

    def _catch_up(self, found: list[Signal], undone: list[Signal]) -> None:
        """Tell what is found in the last of history and was not told, and withdraw what was told and does not stand."""
        if self.damaged or (not found and not undone):
            return  # without what was told before, nobody knows what is news
        assert self._detection is not None
        # By id alone: what came out of order was seen otherwise then, and is the same finding.
        held = SIGNALS.read(self._home, from_ns=min(each.raised_at for each in (*found, *undone)) - UNTOLD_NS, columns=())
        standing = set(zip(held["signal_id"].to_pylist(), held["raised_at"].to_pylist(), strict=True))
        known = {*(name for name, _ in standing), *(name for name, _ in SIGNALS.withdrawn(self._home))}
        gone = {(each.id, each.raised_at) for each in undone}
        self._told([each for each in found if each.id not in known and (each.id, each.raised_at) not in gone])
        if doubtful := [each for each in undone if (each.id, each.raised_at) in standing]:
            self._detection.signals = [each for each in self._detection.signals if (each.id, each.raised_at) not in gone]
            self._undid(doubtful)
        self._write()

    # --- what was raised before -----------------------------------------------------------------------------------------------

    def _load(self) -> None:
        """Have signals that were raised before count at once, whatever is made from history meanwhile."""
        news = [(each.terminal_id, each.kind, each.raised_at, each.until_at) for each in self._standing() if each.kind in _ATTACHED]
        if news:
            self._news.append(news)
        self.look_at_cases()

    def _standing(self) -> list[Signal]:
        """Signals that may still count: time is that of observations, so of the newest among them."""
        newest = SIGNALS.batches(self._home)
        if not newest:
            return []
        since = newest[-1].last_ns - _LONGEST_NS
        try:
            return signals_of(SIGNALS.read(self._home, from_ns=max(since, MIN_NS), until_ns=MAX_NS))
        except GroundruleError as error:
            # A damaged file keeps nobody from being looked at anew.
            _LOG.error("signals cannot be read", exc_info=error)
            self.damaged = str(error)
            return []


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
