"""Runs over a home: `decide` takes observations in, orders them, decides them and commits everything by one manifest.

Observations may come out of order, twice, and late (`pipeline.lateness`). The final decision of an observation is that
of the last run that decided it; it does not depend on the order of delivery. `pipeline.replaying` shows that the
stored decisions follow from the stored observations.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from groundrule.errors import InputError, StoreError
from groundrule.instant import MIN_NS
from groundrule.pipeline.counts import Counts
from groundrule.pipeline.decisions import ENGINE
from groundrule.pipeline.detecting import Detection, signals_made
from groundrule.pipeline.digests import TableDigest
from groundrule.pipeline.emergency_overlay import Clocks, overlay_for_run
from groundrule.pipeline.erasing import complete_begun
from groundrule.pipeline.history import all_observations
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.home_ledger import Committed, HomeLedger, forget_unfinished
from groundrule.pipeline.journal import Journal, accounts_of
from groundrule.pipeline.judge import Basis, Judge
from groundrule.pipeline.lateness import LATE_NS, DecidedBatch, accept, decide_batches
from groundrule.pipeline.manifests import compose_manifest, runs, write_manifest
from groundrule.pipeline.overlay import Overlay
from groundrule.pipeline.policy_check import check_policy
from groundrule.pipeline.private_records import Excerpt
from groundrule.pipeline.replaying import Difference, Progress, Replay, no_progress, replay
from groundrule.pipeline.snapshots import load_state, replayed_state, save_state
from groundrule.pipeline.standing import Standing
from groundrule.pipeline.stored_history import HomeHistory
from groundrule.pipeline.verifying import Attendance, oldest_used
from groundrule.records import DECISION_SCHEMA
from groundrule.store.durable import durable_file
from groundrule.store.history import remove_uncommitted
from groundrule.store.history_writer import HistoryWriter
from groundrule.store.home import Home
from groundrule.store.ordering import Ordering
from groundrule.store.policy import history
from groundrule.store.signals import SIGNALS
from groundrule.store.workplace import remove_abandoned, workplace

__all__ = [
    "LATE_NS",
    "Counts",
    "Difference",
    "Inputs",
    "Progress",
    "Replay",
    "Run",
    "decide",
    "no_progress",
    "replay",
]


Watch = Callable[[Judge, DecidedBatch], None]
Agreed = Callable[[dict[str, Any]], None]

SCRIBE_QUEUE = 2
"""Tables that wait to be written; each is at most one batch."""


@dataclass(frozen=True, slots=True)
class Run:
    """A committed run.

    Attributes:
        number: counts from 1.
        manifest: digest of its manifest.
        counts: what became of the observations.
        decisions: digest of the decision table.
        committed: the log after the run; None where the home has none.
    """

    number: int
    manifest: str
    counts: Counts
    decisions: str
    committed: Committed | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """Observations that are ready to be decided.

    Attributes:
        batches: tables of OBSERVATION_SCHEMA, bad rows already set aside.
        files: name, digest and rows of every input file, for the manifest.
        rejected: number of rows set aside by reason, read after the last batch.
        in_order: every observation of a batch is later than all of the batches before it; checked, and spares the
            sorting of the whole.
        repeats: exact repeats that somebody dropped before [rows]; counted as if they had been dropped here.
    """

    batches: Iterable[pa.Table]
    files: Callable[[], list[dict[str, Any]]]
    rejected: Callable[[], dict[str, int]]
    in_order: bool = False
    repeats: int = 0


def decide(
    home: Home,
    inputs: Inputs,
    *,
    recorded_at_ns: int,
    as_of_ns: int | None = None,
    out: Path | None = None,
    progress: Progress = no_progress,
    basis: Basis | None = None,
    ledger: HomeLedger | None = None,
    watch: Watch | None = None,
    overlay: Overlay | None = None,
    attendance: Attendance | None = None,
    detection: Detection | None = None,
    agreed: Agreed | None = None,
) -> Run:
    """Decide a set of observations and commit the run.

    Args:
        home: the caller holds its write lock.
        inputs: what to decide.
        recorded_at_ns: the time of the run [ns, UTC]; registers are taken as known then.
        as_of_ns: apply rules and areas as of this instant instead of each observation's own [ns, UTC].
        out: also write the decisions into this Parquet file.
        progress: told of rows done.
        basis: what to decide under, if it is already in memory; otherwise what is in force in the home.
        ledger: the home's log, open, into which the run is committed; None only where the home has none.
        watch: told of each decided batch, in order, with the run's judge; what it raises breaks the run off.
        overlay: emergencies at the time of the run, where somebody has read them; None reads them.
        attendance: what radio and satellite navigation say of the observations; how old it may be, the rulebook says.
        detection: finds signals in the observations, for the same basis; it is first shown what the home has decided before.
        agreed: shown the whole manifest before anything is committed; what it raises breaks the run off.
    Raises:
        InputError: the inputs cannot be read at all, or hold no row that can be used; nothing is committed.
        IntegrityError: what is in force is not what the log says; nothing is committed.
        StoreError: the disk refused; nothing is committed.
    """
    known = runs(home)
    number = (known[-1] if known else 0) + 1
    remove_uncommitted(home, known)
    complete_begun(home, ledger)
    if ledger is None:
        forget_unfinished(home)
    remove_abandoned(home.cache)
    if ledger is not None:
        check_policy(home, ledger)
    if overlay is None:
        overlay = overlay_for_run(home, ledger, Clocks.now(recorded_at_ns))
    basis = replace(basis or basis_of(home, recorded_at_ns=recorded_at_ns), overlay=overlay)
    judge = Judge(basis)
    load_state(home, judge, lambda: replayed_state(home, basis))
    journal = Journal(ledger, judge, number, accounts_of(home, recorded_at_ns)) if ledger else None
    if attendance is not None:
        attendance.max_age_s, attendance.held_s = oldest_used(basis.rulebook.assumptions)
        attendance.served = Standing(lambda: judge, as_of_ns)
    if detection is not None and known:
        detection.remember(all_observations(home, of_runs=known))
    task = _Task(home, inputs, judge, number, known, progress, journal, watch, attendance, detection)
    try:
        task.run(as_of_ns, out)
        if detection is not None:
            detection.conclude()
    except BaseException:
        remove_uncommitted(home, known)
        raise
    counts, digests = task.counts, task.digests
    content = compose_manifest(
        home,
        number,
        {
            "engine": ENGINE,
            "recorded_at_ns": str(recorded_at_ns),
            "as_of_ns": None if as_of_ns is None else str(as_of_ns),
            "inputs": inputs.files(),
            "rejected": inputs.rejected(),
            "rulebook": basis.rulebook.digest,
            "areas": basis.areas.digest,
            "registers": {
                "revision": basis.registers.revision,
                "digest": basis.registers.digest,
                "lists": basis.registers.lists_version,
                "content": basis.registers.content,
            },
            **{name: {"rows": found.rows, "digest": found.hexdigest()} for name, found in digests.items()},
            **({} if detection is None else {"signals": signals_made(detection)}),
            "counts": {
                "decided": counts.decided,
                "corrected": counts.corrected,
                "duplicates": counts.duplicates,
                "late": counts.late,
                "over_late": counts.over_late,
            },
            "governed": _governed(home, basis),
            **({"emergencies": overlay.digest} if overlay.measures else {}),
        },
    )
    if agreed is not None:
        try:
            agreed(content)
        except BaseException:
            remove_uncommitted(home, known)
            raise
    if journal:
        journal.close(content)
    manifest = write_manifest(home, number, content)
    if detection is not None:
        SIGNALS.write(home, detection.table())
    # The run is committed. Without its cache, the next one rebuilds the memory from history.
    with suppress(StoreError):
        save_state(home, judge, manifest)
    committed = ledger.try_commit() if ledger else None
    return Run(number, manifest, counts, digests["decisions"].hexdigest(), committed)


def _governed(home: Home, basis: Basis) -> bool:
    """Were rulebook and areas of a run put into force by a charter or an enactment?"""
    pair = (basis.rulebook.digest, basis.areas.digest)
    return any((each.rulebook, each.areas) == pair for each in history(home))


class Scribe:
    """Does tasks one after the other on a thread of its own, so that writing goes on beside deciding."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="scribe")
        self._pending: deque[Future[None]] = deque()

    def __enter__(self) -> Scribe:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._worker.shutdown(wait=True, cancel_futures=kind is not None)

    def do(self, task: Callable[..., None], *arguments: object) -> None:
        """Queue a task; waits while two are waiting, which bounds memory, and raises what an earlier one raised."""
        self._pending.append(self._worker.submit(task, *arguments))
        while len(self._pending) > SCRIBE_QUEUE:
            self._pending.popleft().result()

    def finish(self) -> None:
        """Wait until everything queued is done, and raise what it raised."""
        while self._pending:
            self._pending.popleft().result()


class _Task:
    """One run in the making: everything before its manifest."""

    def __init__(
        self,
        home: Home,
        inputs: Inputs,
        judge: Judge,
        number: int,
        known: list[int],
        progress: Progress,
        journal: Journal | None,
        watch: Watch | None,
        attendance: Attendance | None,
        detection: Detection | None,
    ) -> None:
        self._home, self._inputs, self._judge, self._journal, self._watch = home, inputs, judge, journal, watch
        self._attendance, self._detection = attendance, detection
        self._number, self._known, self._progress = number, known, progress
        self._read = 0
        self._rows = np.zeros(0, bool)
        self._observations = HistoryWriter(home, "observations", number)
        self._scribe = Scribe()
        self.counts = Counts()
        self.digests = {name: TableDigest() for name in ("observations", "decisions", "over_late")}

    def run(self, as_of_ns: int | None, out: Path | None) -> None:
        """Order, decide and store the observations, durably."""
        home, number = self._home, self._number
        over_late = HistoryWriter(home, "over_late", number)
        first = HistoryWriter(home, "decisions", number)
        again = HistoryWriter(home, "decisions", number, corrections=True)

        def set_aside(table: pa.Table) -> None:
            over_late.append(table)
            self.digests["over_late"].update(table)

        with ExitStack() as stack:
            sink = None
            if out:
                stream = stack.enter_context(durable_file(out))
                sink = stack.enter_context(
                    pq.ParquetWriter(stream, DECISION_SCHEMA, compression="zstd", compression_level=1)
                )
            ordering = stack.enter_context(Ordering(stack.enter_context(workplace(home.cache))))
            stack.enter_context(self._scribe)
            ordered = self._each_in_order(ordering) if self._inputs.in_order else ordering.sorted(self._counted())
            if self._attendance is not None:
                ordered = self._attendance.attend(ordered)
            if self._known:
                ordered = accept(HomeHistory(home), self._judge, ordered, self._known, self.counts, set_aside)
            if self._detection is not None:
                ordered = map(self._detection.update, ordered)
            for batch in decide_batches(
                HomeHistory(home), self._judge, self._stored(ordered), self._known, run=number, as_of_ns=as_of_ns
            ):
                if self._watch:
                    self._watch(self._judge, batch)
                if self._detection is not None and not batch.correction:
                    self._detection.learn(batch.judged)
                self._scribe.do(
                    self._record, batch, self._excerpt(batch), again if batch.correction else first, sink
                )
                self._progress("decide", len(batch.table))
            self._scribe.finish()
            self.counts.duplicates += ordering.duplicates + self._inputs.repeats
            # Each new observation has one decision, among the corrections where its terminal was late.
            self.counts.decided = self.digests["observations"].rows
            self.counts.corrected = self.digests["decisions"].rows - self.counts.decided
            if not self._read + self._inputs.repeats:
                raise self._nothing_usable()
        for writer in (self._observations, over_late, first, again):
            writer.close()
        self.counts.unregistered = self._judge.basis.registers.unregistered_among(
            np.flatnonzero(self._rows).astype(np.int32)
        )

    def _counted(self) -> Iterator[pa.Table]:
        for batch in self._inputs.batches:
            self._read += len(batch)
            self._progress("read", len(batch))
            yield batch

    def _excerpt(self, batch: DecidedBatch) -> Excerpt | None:
        return self._journal.excerpt(batch) if self._journal else None

    def _record(
        self, batch: DecidedBatch, part: Excerpt | None, writer: HistoryWriter, sink: pq.ParquetWriter | None
    ) -> None:
        decisions = batch.table
        if self._journal and part:
            self._journal.write(part)
        writer.append(decisions)
        self.digests["decisions"].update(decisions)
        self.counts.add(decisions)
        if sink:
            sink.write_table(decisions)

    def _accepted(self, observations: pa.Table) -> None:
        self._observations.append(observations)
        self.digests["observations"].update(observations)

    def _each_in_order(self, ordering: Ordering) -> Iterator[pa.Table]:
        latest = MIN_NS
        for batch in self._counted():
            for table in ordering.sorted([batch]):
                if table["observed_at"][0].as_py() <= latest:
                    raise InputError("observations that were said to be in order are not", help="leave `in_order` out")
                latest = table["observed_at"][-1].as_py()
                yield table

    def _stored(self, batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
        registers = self._judge.basis.registers
        for batch in batches:
            self._scribe.do(self._accepted, batch)
            rows = registers.add(batch.column("terminal_id"))
            if len(registers) > len(self._rows):
                self._rows = np.concatenate(
                    [self._rows, np.zeros(len(registers) + len(registers) // 4 - len(self._rows), bool)]
                )
            self._rows[rows] = True
            yield batch
        # Corrections read what this run accepted back from history.
        self._scribe.finish()
        self._observations.flush()

    def _nothing_usable(self) -> InputError:
        rejected = self._inputs.rejected()
        if not rejected:
            return InputError("the input holds no observations", help="name a file with at least one row")
        said = ", ".join(f"{rows:,} × {reason}" for reason, rows in sorted(rejected.items(), key=lambda item: -item[1]))
        return InputError(
            f"no observation could be used: {said}",
            help=f"the rows with their reasons are in {self._home.rejected}",
            rejected=rejected,
        )
