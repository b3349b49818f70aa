"""The live desk: observations come in, are made durable, decided and answered; acts take their turn between them.

    submit ─► queue ─► intake thread: gathered, sorted out, segment flushed, judged, answered
                           │ every so often, and before each act
                           └─► commit thread: an ordinary run of what was acknowledged, held against the answers

One thread takes observations and does acts, so that an act never meets half a batch; runs are made beside it. What is
acknowledged is durable; what is not was never taken. `fleet`, `status` and events may be read by any thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from itertools import chain
from typing import Any, Final, Self, TypeVar

import pyarrow as pa

from groundrule.errors import GroundruleError
from groundrule.instant import NS_PER_S
from groundrule.pipeline.home_ledger import HomeLedger, has_ledger
from groundrule.pipeline.judge import Basis
from groundrule.pipeline.live.acting import Acts
from groundrule.pipeline.live.announcing import Announcer, Subscriber
from groundrule.pipeline.live.answers import Answered, Brief, Check, LastPositions, LiveSettings, LiveStatus
from groundrule.pipeline.live.bench import Bench, Fresh
from groundrule.pipeline.live.claims import claims_in
from groundrule.pipeline.live.commands import Command, failed_future, log_what_is_due, run_command
from groundrule.pipeline.live.committing import Chunk, Committer, Done, Work
from groundrule.pipeline.live.detection import LiveDetection
from groundrule.pipeline.live.disturbed import Disturbances
from groundrule.pipeline.live.fleet_view import FleetView
from groundrule.pipeline.live.health import Health
from groundrule.pipeline.live.in_force import InForce
from groundrule.pipeline.live.intake import Submission, hand_in, hand_in_few
from groundrule.pipeline.live.measuring import Measuring
from groundrule.pipeline.live.recovery import commit_others, found_after_crash
from groundrule.pipeline.live.restoring import restore_answers
from groundrule.pipeline.live.second_look import difference_event
from groundrule.pipeline.live.shelver import Shelver
from groundrule.pipeline.live.taking import Taker
from groundrule.pipeline.live.unstored import Unstored
from groundrule.pipeline.live.waiting import Waiting
from groundrule.pipeline.manifests import runs
from groundrule.pipeline.runs import Run
from groundrule.store.events import Event, EventLog
from groundrule.store.home import Home
from groundrule.store.regular_rows import Regular
from groundrule.store.segments import SegmentWriter, read_frames, remove

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
RETRY_S: Final = 5.0
"""How soon a run that could not be made is tried again [s]."""
FIRST_LOOK_S: Final = 10.0


class Live:
    """The pipeline of one home behind a service. Make one with `open`; until `close` nobody else writes to the home.

    Attributes:
        home: whose.
        events: what happened; any thread may read it.
        settings: how it works.
        measuring: takes measurements; observations that come after its answer are decided with what they say.
        detection: looks for signals behind the answers; None where nobody looks.
        beside: further checks for the status, of whoever works beside the desk.
    """

    def __init__(self, home: Home, clock: Callable[[], int], settings: LiveSettings) -> None:
        self.home, self.settings, self._clock = home, settings, clock
        self.beside: list[Callable[[], Check]] = []
        self._stack = ExitStack()
        self._waiting = Waiting(settings, lambda rows: self._taker.count(refused_busy=rows))
        self._committing: Future[Done] | None = None
        self._in_run: Work | None = None
        self._before: deque[list[Chunk]] = deque(maxlen=2)
        self._commit_fault: Exception | None = None
        self._commit_due = time.monotonic() + settings.commit_every_s
        self._look_due = 0.0
        self._degraded: tuple[str, ...] = ()

    @classmethod
    def open(
        cls, home: Home, *, clock: Callable[[], int] = time.time_ns, settings: LiveSettings = LiveSettings()  # noqa: B008 - frozen
    ) -> Self:
        """Take a home's write lock, commit what a crash left, and begin to take observations.

        Args:
            home: nobody else may write to it until `close`.
            clock: gives the time [ns, UTC].
            settings: how it works.
        Raises:
            ConflictError: another process writes to the home.
            GroundruleError: what decisions rest on cannot be read.
        """
        made = cls(home, clock, settings)
        try:
            made._start()
        except BaseException:
            made._stack.close()
            raise
        return made

    # --- what callers do ----------------------------------------------------------------------------------------------------

    def submit(self, table: pa.Table, *, source: str, key: str | None = None) -> Future[Answered]:
        """Hand in observations; the future holds the answer once they are durable.

        Args:
            table: columns of OBSERVATION_SCHEMA; times as text with a zone, or ns since 1970.
            source: who sends them, an id.
            key: the same key again, with the same content, is answered as before.
        Errors on the future:
            InputError: columns are missing or unknown. ConflictError: the key was used for other content.
            StoreError: nothing was taken; context `full`: there is no room; `busy`: too much waits; `stopped`: the service must
            be started again.
        """
        return self._hand_in(table, source, key, store=True)

    def submit_few(self, found: Regular, *, source: str, good: Callable[[], bool] | None = None) -> Future[Brief] | None:
        """Hand in a few observations that are plainly right; the future holds the answer once they are durable.

        Args:
            found: what was read.
            source: who sends them, an id.
            good: asked once for each group and source, before anything is written: do the credentials hold?
        Returns:
            None where one is ahead of the clock, so that `submit` has to say so; errors on the future are those of `submit`, and
            NotGood.
        """
        if max(found.observed_ns) > self._clock() + round(self.settings.ahead_s * NS_PER_S):
            return None
        return self._waiting.submit(hand_in_few(found, source=source, good=good))

    def evaluate(self, table: pa.Table) -> Future[Answered]:
        """Ask what would be decided if these observations came now; nothing is stored or remembered."""
        return self._hand_in(table, "evaluate", None, store=False)

    def act(self, fn: Callable[[Home, HomeLedger | None], T]) -> Future[T]:
        """Do something that writes to the home: what is pending is committed first, and what is in force is read anew after.

        Errors on the future: what `fn` raises; StoreError or IntegrityError where pending observations cannot be committed.
        """
        return self._acts.ask(fn)

    def commit(self) -> Future[Run | None]:
        """Commit what is pending now; the run, or None where nothing was."""
        return self._waiting.command(self.commit_and_wait)

    def present(self, ids: list[str]) -> Future[pa.Table]:
        """Return the present decisions of terminals (ANSWER_SCHEMA); those that were never decided are left out."""

        def read() -> pa.Table:
            view = self.fleet()
            known = pa.array([name for name, row in zip(ids, view.rows_of(ids), strict=True) if row >= 0], pa.string())
            return self._bench.present(self._bench.rows_of(known), known)

        return self._waiting.command(read)

    def last_positions(self, ids: Sequence[str]) -> Future[LastPositions]:
        """Return where terminals were last."""
        return self._waiting.command(lambda: self._bench.last_positions(ids))

    def unstored(self) -> Future[Unstored]:
        """Return what was answered since the last run, and what is in force."""
        return self._waiting.command(self._unstored)

    @property
    def basis(self) -> Basis:
        """What observations are decided under now."""
        return self._bench.judge.basis

    def fleet(self) -> FleetView:
        """Return the last answer of every terminal; the same object while nothing changes."""
        return self._bench.view()

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Have a function called with each event, on the thread that stores them; returns what ends that."""
        return self._announcer.subscribe(callback)

    def reject(self, rows: Mapping[str, int]) -> None:
        """Count rows that were set aside before they came here, by reason; the next manifest names them."""
        self._taker.reject(rows)

    def announce(self, *events: Event) -> None:
        """Store further events, of whoever works beside the desk, and tell subscribers."""
        self._announcer.say(*events)

    def status(self) -> LiveStatus:
        """Return how the desk is."""
        seen, stopped = self._health.seen, self._writer.stopped
        why = stopped or ("" if self._thread.is_alive() else "the intake has ended")
        lost = f"{self._announcer.failed} events could not be stored" if self._announcer.failed else ""
        failed = "" if self._commit_fault is None else str(self._commit_fault)
        checks = (
            Check("intake", not why, why, vital=True),
            Check("commit", not failed, failed),
            Check("basis", not self._in_force.fault, self._in_force.fault),
            Check("events", not lost, lost),
            Check("verifications", not self.measuring.fault, self.measuring.fault),
            *self._taker.checks(),
            self._committer.second.check(),
            *seen.checks,
            *(each() for each in self.beside),
        )
        taker = self._taker
        counters = taker.counted() | self._committer.second.counters() | self.measuring.counters
        counters |= {"events_dropped": self._announcer.dropped, "events_failed": self._announcer.failed}
        now = self._clock()
        pending = taker.pending + (0 if self._in_run is None else self._in_run.stored)
        return LiveStatus(
            checks, seen.reasons, seen.staleness(now), pending, taker.newest_ns, counters, self._bench.stamped(now), self._last_run,
            taker.set_aside(), 0 if self.detection is None else self.detection.waiting, self._log_size if self._ledger else None,
            seen.rulebook_ns, {**taker.took(), "commit": self._committer.committing.took()},
        )  # fmt: skip

    def close(self) -> None:
        """Answer what waits, commit it, and let the home go; closing twice does no harm."""
        self.measuring.close()
        self._waiting.close()
        self._thread.join()
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- beginning --------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        home, stack = self.home, self._stack
        stack.enter_context(home.writer())
        self._ledger, why = self._open_ledger()
        self.events = EventLog.open(home)
        stack.callback(self.events.close)
        crash = found_after_crash(home, self.events, self._ledger)
        self._announcer = Announcer(self.events, self.settings, self._clock)
        stack.callback(self._announcer.close)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="commit")
        stack.callback(self._pool.shutdown)
        self._shelver = Shelver(home)
        stack.callback(self._shelver.close)
        self._health = Health(home, self._ledger, self._clock, why)
        numbers: Callable[[Sequence[str]], Any] = lambda names: self._bench.rule_numbers(names)  # noqa: E731, PLW0108 - of the bench in use
        self._committer = Committer(home, self._ledger, self._clock, numbers)
        self._bench = Bench(home, self._clock)
        others = commit_others(crash, self._committer, self._bench, self.events)
        if others:
            self._bench = Bench(home, self._clock)
        restore_answers(home, self._bench)
        self._last_run = max(runs(home), default=0)
        self._log_size = self._ledger.log.size if self._ledger else 0
        self._writer = SegmentWriter(home, after=crash.highest)
        stack.callback(self._writer.close)
        self._damaged = crash.damaged
        self.measuring = Measuring(home, self.events, self.settings, self._clock, self._claims)
        stack.callback(self.measuring.close)
        apart = self.settings.detection_apart
        self.detection = LiveDetection(home, self._clock, self._bench, self._announcer, apart=apart) if self.settings.detection else None
        self._taker = Taker(
            self._bench, self._writer, self._health, self._announcer, self.events, self.settings, self._clock, self.measuring.memory,
            Disturbances(home, self._clock, lambda: self._bench.judge) if self.settings.interference else None, self.detection,
        )  # fmt: skip
        stack.callback(self._taker.close)
        self._taker.count(torn_segments=crash.torn, damaged_segments=len(crash.damaged), recovered_rows=others)
        for segment in crash.left:
            for _, frame in read_frames(segment.path):
                self._taker.replay(frame)
            self._taker.work.segments.append(segment)
        # The first answer says already what is down; witnesses that do not answer must not keep the desk closed for long.
        wait([self._pool.submit(self._look)], FIRST_LOOK_S)
        self._look_due = time.monotonic() + self.settings.check_every_s
        self._in_force = InForce(self._bench, self._committer, self._pool, self._announcer, self._clock, self)
        self._acts = Acts(home, self._ledger, self._pool, self._committer, self._bench, self._waiting, self)
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
        self._thread.start()
        self._shelver.wake()
        if crash.left:
            with suppress(GroundruleError):  # said by `status`, and tried again
                self.commit().result()

    def _open_ledger(self) -> tuple[HomeLedger | None, str]:
        """Open the home's log, or say why it is out of reach: decisions do not wait for it."""
        if not has_ledger(self.home):
            return None, ""
        try:
            return self._stack.enter_context(HomeLedger.open(self.home, clock=self._clock)), ""
        except GroundruleError as error:
            _LOG.error("the log is out of reach", exc_info=error)
            return None, str(error)

    # --- the intake thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._step():
                pass
            self._acts.settle(self._finish_if_any)
            with suppress(Exception):  # kept as fault; the segments stay for the next start
                self.commit_and_wait()
        finally:
            self._waiting.end()

    def _step(self) -> bool:
        """Do one thing; False when the desk closes and nothing waits."""
        taken = self._waiting.take(self._patience)
        if taken is None:
            return False
        if taken and isinstance(taken[0], Command):
            run_command(taken[0])
        elif taken:
            self._taker.serve([each for each in taken if isinstance(each, Submission)])
            self._waiting.served()
        self._tend()
        return True

    def _patience(self) -> float:
        """How long to wait for something to do [s]."""
        now = time.monotonic()
        due = [self._look_due]
        if self._committing is not None or self._acts.busy:
            due.append(now + 0.05)
        elif self._taker.pending:
            due.append(self._commit_due)
        if (boundary := self._in_force.due_in_s()) is not None and not self._acts.busy:
            due.append(now + boundary)
        return max(0.0, min(min(due) - now, 5.0))

    def _tend(self) -> None:
        """Do what time brings: emergencies that begin or end, runs, a look at health."""
        now = time.monotonic()
        boundary = self._in_force.due_in_s()
        if boundary is not None and boundary <= 0 and not self._acts.busy:
            self._in_force.refresh()
            if self._ledger is not None and not self._waiting.closing:
                self._acts.ask(log_what_is_due)
        if self._committing is not None and self._committing.done():
            with suppress(Exception):  # kept as fault and tried again: whatever a run met, the intake goes on
                self._finish()
        self._acts.tend()
        full = self._writer.rows >= self.settings.commit_rows and self._commit_fault is None
        if self._committing is None and self._taker.pending and (full or now >= self._commit_due):
            self._begin_commit()
        if now >= self._look_due:
            self._look_due = now + self.settings.check_every_s
            self._pool.submit(self._look)
            if not self._acts.busy:  # what an act changes takes effect when it ends, and not by halves
                self._in_force.retry()
                self._in_force.refresh()

    def _look(self) -> None:
        """Look at health; on the thread that makes runs, so that the log is used by one thread at a time."""
        try:
            basis = self._bench.judge.basis
            seen = self._health.look(basis.rulebook, least_revision=basis.registers.revision)
            before = self._degraded
        except Exception:  # noqa: BLE001 - a fault in looking must not end the thread that makes runs
            _LOG.exception("health could not be looked at")
            return
        self._degraded = seen.reasons
        now = self._clock()
        for kind, causes in (("began", set(seen.reasons) - set(before)), ("ended", set(before) - set(seen.reasons))):
            for cause in sorted(causes):
                self._announcer.say(Event(f"degraded.{kind}", now, "service", {"cause": cause}, public=True))

    # --- runs and acts ------------------------------------------------------------------------------------------------------

    def _begin_commit(self) -> None:
        self._in_run = work = self._taker.next_work()
        self._committing = self._pool.submit(self._make_run, work)

    def _make_run(self, work: Work) -> Done:
        """Make a run; on the commit thread."""
        asked = self._clock()
        done = self._committer.commit(work)
        self._health.policy_checked()
        self._health.committed(done.run.committed, asked, self._clock())
        # Keys first: while a segment is there, its frames say which keys were used.
        self.events.take_keys(work.keys, forget_before_ns=self._clock() - round(self.settings.keys_kept_s * NS_PER_S))
        remove(work.segments, keep=self._damaged)
        return done

    def _finish(self) -> Run:
        """Take in what a run made of the work, or take the work back.

        Raises:
            GroundruleError: the run could not be made.
        """
        assert self._committing is not None
        assert self._in_run is not None
        future, work = self._committing, self._in_run
        try:
            done = future.result()
        except Exception as error:
            self._committing = self._in_run = None
            self._commit_fault = error
            self._commit_due = time.monotonic() + RETRY_S
            self._taker.take_back(work)
            self._taker.count(failed_runs=1)
            # `status` says why, to those who may know: a message can name a terminal, and a log must not.
            _LOG.warning("pending observations could not be committed", exc_info=error)
            raise
        self._committing = self._in_run = None
        self._before.append(work.chunks)
        self._commit_fault = None
        self._commit_due = time.monotonic() + self.settings.commit_every_s
        run, counts = done.run, done.run.counts
        self._last_run = run.number
        self._taker.count(
            runs=1, committed=counts.decided, corrected=counts.corrected, over_late=counts.over_late,
            duplicates_in_runs=counts.duplicates, differences=done.differences,
        )  # fmt: skip
        data = {"run": run.number, "manifest": run.manifest, "decided": counts.decided, "corrected": counts.corrected, "late": counts.late}
        now = self._clock()
        self._announcer.say(Event("run.committed", now, "run", data, public=True, once=f"run:{run.number}"))
        if done.differences:
            _LOG.error("%d answers differ from what run %d decided", done.differences, run.number)
            self._announcer.say(
                Event("answers.differ", now, "run", {"run": run.number, "answers": done.differences}, public=True)
            )
        if done.doubted:
            _LOG.error("%d decisions of run %d are not what the second evaluator comes to", done.doubted, run.number)
            self._announcer.say(difference_event(run.number, done.doubted, now))
        self._shelver.wake()
        if done.corrected is not None:
            changes, again = self._bench.correct(done.corrected, [chunk.rows for chunk in self._taker.work.chunks])
            self._taker.work.excused.update(again)
            if changes is not None:
                self._announcer.changed(changes)
        self._say_log()
        return run

    def commit_and_wait(self) -> Run | None:
        """Commit everything that is pending; the last run, or None."""
        run = None
        if self._committing is not None:
            run = self._finish_soon()
        if self._taker.pending:
            self._begin_commit()
            run = self._finish_soon()
        return run

    def _finish_if_any(self) -> None:
        if self._committing is not None:
            with suppress(Exception):  # kept as fault
                self._finish_soon()

    def _finish_soon(self) -> Run:
        assert self._committing is not None
        with suppress(Exception):
            self._committing.result()
        return self._finish()

    def in_run(self) -> bool:
        """Tell whether a run is being made; for acts, like what follows."""
        return self._committing is not None

    def seal(self) -> Future[Done] | None:
        """Begin a run of what is pending."""
        if self._taker.pending:
            self._begin_commit()
        return self._committing

    def take_in(self, fresh: Fresh | None, fault: str) -> None:
        """Judge under what an act has brought about from now on."""
        self._in_force.take_in(fresh, fault)
        self._say_log()

    def _say_log(self) -> None:
        """Announce what came into the log."""
        if self._ledger is not None:
            self._log_size = self._announcer.say_log(self._ledger, self._log_size)

    def _unstored(self) -> Unstored:
        work = [] if self._in_run is None else self._in_run.chunks
        return Unstored.under(self.basis, [*work, *self._taker.work.chunks], self._bench.loaded_at_ns)

    def _claims(self, ids: pa.Array, first_ns: int, last_ns: int) -> pa.Table:
        """Return what terminals claimed; on the measuring thread."""
        before, now = self._waiting.command(lambda: ([*self._before], self._unstored().chunks)).result()
        return claims_in(self.home, [*chain(*before), *now], len(before) == 2, ids, first_ns, last_ns)

    # --- the queue ------------------------------------------------------------------------------------------------------------

    def _hand_in(self, table: pa.Table, source: str, key: str | None, *, store: bool) -> Future[Answered]:
        try:
            made = hand_in(table, source=source, key=key, store=store, most_rows=self.settings.submission_rows)
        except GroundruleError as error:
            return failed_future(error)
        return self._waiting.submit(made)
