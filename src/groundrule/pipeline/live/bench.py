"""The live judge: what is in force, the memory of every terminal, and the answers that come of both.

Used by the intake thread alone, but for the views of last answers, which others take under `lock`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray

from groundrule.errors import GroundruleError
from groundrule.instant import MIN_NS, NS_PER_S
from groundrule.ledger.entry import policy_digest
from groundrule.pipeline.causes import Causes, verdict_degrees
from groundrule.pipeline.classes import Classes, Classifier
from groundrule.pipeline.decisions import DecisionWriter
from groundrule.pipeline.degraded import Degraded
from groundrule.pipeline.degraded_answers import decide_under, told
from groundrule.pipeline.emergency_overlay import Clocks, overlay_now
from groundrule.pipeline.home import basis_of, rulebook_of
from groundrule.pipeline.judge import Basis, Judge, Judged
from groundrule.pipeline.live.announcing import Changes
from groundrule.pipeline.live.answers import ANSWER_SCHEMA, CLASSES, LastPositions, Stamp
from groundrule.pipeline.live.committing import Corrected
from groundrule.pipeline.live.fleet_view import FleetView, Generation, LastAnswers, answer_codes, columns_of
from groundrule.pipeline.live.health import WELL
from groundrule.pipeline.live.intake import FRESH, sort_out
from groundrule.pipeline.live.words import WordBook, Words
from groundrule.pipeline.log_fold import kept_state
from groundrule.pipeline.overlay import NO_OVERLAY, Overlay
from groundrule.pipeline.private_records import evaluator_digest
from groundrule.pipeline.publishing import last_seq
from groundrule.pipeline.snapshots import carry_over, load_state, replayed_state
from groundrule.pipeline.verifying import oldest_used
from groundrule.store.area_store import current_areas_digest
from groundrule.store.home import Home
from groundrule.store.policy import in_force
from groundrule.store.registers import Registers
from groundrule.store.regular_rows import Measured


@dataclass(frozen=True)
class Judgement:
    """One batch, decided; what it says is written when it is asked for, on the thread that judges.

    Attributes:
        judged: columns.
        classes: of the terminals.
        degraded: what faults made of it; None without any.
        columns: what is kept as last answers.
        writer, book: write it.
    """

    judged: Judged
    classes: Classes
    degraded: Degraded | None
    columns: dict[str, Any]
    writer: DecisionWriter
    book: WordBook

    @cached_property
    def table(self) -> pa.Table:
        """Answers of ANSWER_SCHEMA, in the order of the batch."""
        made = self.writer.table(self.judged)
        if self.degraded is not None:
            made = told(made, self.degraded)
        kind = pa.DictionaryArray.from_arrays(pa.array(self.classes.codes.view(np.int8)), CLASSES)
        late = pa.array(np.zeros(len(made), bool))
        return pa.Table.from_arrays([*made.columns, kind, late], schema=ANSWER_SCHEMA)

    @cached_property
    def words(self) -> Words:
        """The same, in words."""
        return self.book.words(self.judged, self.classes) if self.degraded is None else Words.of_table(self.table)


@dataclass(frozen=True)
class Answers:
    """What a group is answered; written when it is asked for, on the thread that judges.

    Attributes:
        judgement: of the rows that were in order; None if none was.
        changes: terminals whose answer changed.
        joined: answers of ANSWER_SCHEMA in the order of the group; None where all of it was judged as it came.
    """

    judgement: Judgement | None
    changes: Changes | None
    joined: pa.Table | None

    @property
    def table(self) -> pa.Table:
        """Answers of ANSWER_SCHEMA, in the order of the group."""
        return self.judgement.table if self.joined is None and self.judgement is not None else self.joined

    @property
    def words(self) -> Words:
        """The same, in words; for few rows."""
        return self.judgement.words if self.joined is None and self.judgement is not None else Words.of_table(self.joined)


@dataclass(frozen=True, slots=True)
class Fresh:
    """What is in force, read and not judged under yet.

    Attributes:
        basis: None where only emergencies have changed.
        loaded_at_ns: when it was read [ns, UTC].
        rebuilt: rules or areas are others, so that memory is made anew from history.
    """

    basis: Basis | None
    loaded_at_ns: int | None
    rebuilt: bool


class Bench:
    """Judges observations under what is in force, and remembers the answers.

    Args:
        home: its write lock is held.
        clock: gives the time [ns, UTC].
    Attributes:
        judge: with the memory as of the last acknowledged observation.
        answers: last answers, by the rows of the judge.
        frontier: latest known observation of each terminal [ns; MIN_NS if none].
        stamp: what is decided under; `decided_at_ns` is when it was loaded.
        lock: taken while last answers change.
        radio_ages: how old a verification may be that an observation gets.
    """

    def __init__(self, home: Home, clock: Callable[[], int]) -> None:
        self._home, self._clock = home, clock
        self.lock = threading.Lock()
        self.answers = LastAnswers()
        self._names: dict[str, int] = {}
        self._view: FleetView | None = None
        self._known_overlay = NO_OVERLAY
        self.loaded_at_ns = clock()
        self._install(basis_of(home, recorded_at_ns=self.loaded_at_ns), None)

    # --- what is in force -------------------------------------------------------------------------------------------------

    def _install(self, basis: Basis, before: Judge | None) -> None:
        """Begin to judge under a basis; memory is carried on as a run would carry it on."""
        basis = replace(basis, overlay=self._overlay())
        judge = Judge(basis) if before is None else Judge(basis, before.discs)
        if before is not None and _same_policy(before.basis, basis):
            carry_over(before, judge)
        else:
            # A run under other rules or areas starts from the whole history as these see it.
            load_state(self._home, judge, lambda: replayed_state(self._home, basis))
        with self.lock:
            if before is not None and before.basis.registers is not basis.registers:
                rows = basis.registers.add(before.basis.registers.terminal_ids)
                count = min(len(rows), len(self.answers))
                self.answers.renumber(rows[:count], len(basis.registers))
            self.judge = judge
            self._writer, self._book = DecisionWriter(judge), WordBook(judge)
            self._classifier = Classifier(judge)
            self._generation = self.answers.begin(judge, self._writer)
        self._rules = self.rule_numbers(basis.overlay.rule_names(basis.rulebook))
        self._default = len(basis.rulebook.rules)
        self.radio_ages = oldest_used(basis.rulebook.assumptions)
        self.frontier = np.zeros(0, np.int64)
        self.grow()
        self.stamp = Stamp(
            policy_digest(basis.rulebook.digest, basis.areas.digest), basis.rulebook.digest, basis.areas.digest,
            basis.registers.lists_version, self._snapshot_seq(), evaluator_digest(),
            self.loaded_at_ns,
        )  # fmt: skip

    def _overlay(self) -> Overlay:
        """Emergencies now; where they cannot be read, those that are known, which end by their own clock."""
        with suppress(GroundruleError):
            self._known_overlay = overlay_now(self._home, Clocks.now(self._clock()))
        return self._known_overlay

    def _snapshot_seq(self) -> int:
        """Number of the last signed snapshot on record; 0 before the first, or where nobody governs."""
        try:
            return 0 if in_force(self._home) is None else last_seq(kept_state(self._home))
        except GroundruleError:
            return 0

    def prepare(self) -> Fresh | None:
        """Read what is in force now; None where it is what is judged under. Another thread than the intake's may do so.

        Raises:
            GroundruleError: it cannot be read.
        """
        book, areas = rulebook_of(self._home), current_areas_digest(self._home)
        basis = self.judge.basis
        with Registers.open(self._home) as registers:
            same_registers = registers.revision().digest == basis.registers.digest
        if same_registers and (book.digest, areas) == (basis.rulebook.digest, basis.areas.digest):
            return None if self._overlay() == basis.overlay else Fresh(None, None, rebuilt=False)
        now = self._clock()
        made = basis_of(
            self._home, recorded_at_ns=now, rulebook=book, areas=areas, registers=basis.registers if same_registers else None
        )
        if not same_registers:
            made.registers.add(basis.registers.terminal_ids)
        return Fresh(made, now, rebuilt=not _same_policy(basis, made))

    def install(self, fresh: Fresh) -> None:
        """Judge under what `prepare` read."""
        if fresh.basis is None or fresh.loaded_at_ns is None:
            self._install(self.judge.basis, self.judge)
            return
        self.loaded_at_ns = fresh.loaded_at_ns
        self._install(fresh.basis, self.judge)

    def refresh_overlay(self) -> bool:
        """Begin or end emergencies; returns whether something changed."""
        overlay = self._overlay()
        if overlay == self.judge.basis.overlay:
            return False
        self._install(self.judge.basis, self.judge)
        return True

    def next_boundary(self, now_ns: int) -> int | None:
        """Return when the next emergency begins, ends or must have been reviewed [ns, UTC], or None."""
        measures = self.judge.basis.overlay.measures
        moments = [at for each in measures for at in (each.from_ns, each.until_ns, each.review_due_ns) if at > now_ns]
        return min(moments, default=None)

    def basis_metadata(self) -> dict[str, str]:
        """Return what frames say of what their rows are answered under."""
        basis = self.judge.basis
        return {
            "rulebook": basis.rulebook.digest, "areas": basis.areas.digest, "registers": basis.registers.digest,
            "recorded_at_ns": str(self.loaded_at_ns),
        }  # fmt: skip

    def rule_numbers(self, names: Sequence[str]) -> NDArray[np.int32]:
        """Return a number for each rule's name, the same for ever."""
        with self.lock:
            return np.array([self._names.setdefault(name, len(self._names)) for name in names], np.int32)

    # --- judging ----------------------------------------------------------------------------------------------------------

    def rows_of(self, ids: pa.ChunkedArray) -> NDArray[np.int32]:
        """Return the row of each terminal; new ones get rows."""
        rows = self.judge.basis.registers.add(ids)
        self.grow()
        return rows

    def grow(self) -> None:
        """Make room for terminals that are new."""
        needed = len(self.judge.basis.registers)
        if needed <= min(len(self.frontier), len(self.judge.state), len(self.answers)) and needed:
            return
        self.judge.state.grow(needed)
        seen = self.judge.state.last_observed_ns()
        wider = np.full(max(needed + needed // 4, 1), MIN_NS, np.int64)
        count = min(len(seen), len(wider))
        wider[:count] = seen[:count]
        # What was sorted out and is not judged yet is ahead of the memory.
        count = min(len(self.frontier), len(wider))
        wider[:count] = np.maximum(wider[:count], self.frontier[:count])
        self.frontier = wider
        with self.lock:
            self.answers.grow(needed)

    def judge_rows(
        self, table: pa.Table, causes: Causes, known: NDArray[np.int32] | None = None, measured: Measured | None = None
    ) -> Judgement:
        """Judge observations that are in order within each terminal; memory is advanced.

        Args:
            table: of OBSERVATION_SCHEMA.
            causes: what is down.
            known: row of each terminal, where it is known.
            measured: what the table says of places and speeds, where that was read already.
        """
        judged = self.judge.judge(table, known=known, measured=measured)
        classes = self._classifier.of(judged)
        columns = columns_of(judged, self._generation, self.answers.book, classes.codes)
        degraded = None
        # A position that is old or not there is the rulebook's own matter here, and so is a verdict that it tests: whoever is
        # measured and not found guilty of anything by the rules must not fare worse than who is not measured.
        locations = None if "verdict" in self.judge.basis.compiled.categories else verdict_degrees(judged)
        if causes.degrees or (locations is not None and locations.any()):
            locations = np.zeros(len(table), np.uint8) if locations is None else locations
            degraded = decide_under(self.judge, judged, classes, causes, locations=locations).degraded
            columns["answer"] = answer_codes(degraded.outcome, degraded.state)
        return Judgement(judged, classes, degraded, columns, self._writer, self._book)

    def remember(self, judgement: Judgement) -> Changes | None:
        """Keep last answers, and return those that changed."""
        judged, columns = judgement.judged, judgement.columns
        after = columns["answer"]
        before = np.empty(len(after), np.uint8)
        with self.lock:
            places = _changed(judged.rows, after, self.answers.columns["answer"], before)
            self.answers.put(judged.rows, columns)
        return self._changes(judged, places, before, after, columns["klass"]) if len(places) else None

    def _changes(
        self, judged: Judged, places: NDArray[np.int64], before: NDArray[Any], after: NDArray[Any], klass: NDArray[np.int32]
    ) -> Changes:
        book = self.answers.book
        names, reasons = book.rules, book.reasons
        chosen = klass[places].tolist()
        return Changes(
            judged.table.column("terminal_id").take(pa.array(places)), before[places], after[places],
            [names[book.rule_of[code]] for code in chosen], [reasons[book.reason_of[code]] for code in chosen],
            judged.table.column("observed_at").to_numpy()[places],
        )  # fmt: skip

    def rules_of(self, judged: Judged) -> NDArray[np.int32]:
        """Return the number of each row's deciding rule."""
        rule = judged.decided.rule
        found: NDArray[np.int32] = self._rules[np.where(rule < 0, self._default, rule)]
        return found

    def try_out(self, table: pa.Table, causes: Causes) -> pa.Table:
        """Answer observations as if they came now, and leave nothing behind; the order of the rows stays."""
        rows = self.rows_of(table.column("terminal_id"))
        observed = table.column("observed_at").to_numpy()
        touched = np.unique(rows)
        frontier, memory = self.frontier[touched], self.judge.state.take(touched)
        try:
            found, order = sort_out(rows, observed, self.frontier)
            return self.answer(table, rows, found, order, causes).table
        finally:
            self.frontier[touched] = frontier
            self.judge.state.put(touched, memory)

    def answer(
        self,
        table: pa.Table,
        rows: NDArray[np.int32],
        found: NDArray[np.uint8],
        order: NDArray[np.int64] | None,
        causes: Causes,
        *,
        keep: bool = False,
        measured: Measured | None = None,
    ) -> Answers:
        """Judge what is in order, and give the present decisions for what is late.

        Args:
            table: of OBSERVATION_SCHEMA, as it came.
            rows: of the terminals.
            found: FRESH, LATE or KNOWN for each row.
            order: in which the rows are judged; None is as they came.
            causes: what is down.
            keep: remember the answers.
            measured: what the table says of places and speeds, where that was read already.
        """
        if order is None and len(found) and not np.count_nonzero(found):
            whole = self.judge_rows(table, causes, rows, measured)
            return Answers(whole, self.remember(whole) if keep else None, None)
        fresh = np.flatnonzero(found == FRESH) if order is None else order[found[order] == FRESH]
        judgement: Judgement | None = None
        changes: Changes | None = None
        if len(fresh):
            judgement = self.judge_rows(table.take(pa.array(fresh)).combine_chunks(), causes, rows[fresh])
            if keep:
                changes = self.remember(judgement)
        late = np.flatnonzero(found != FRESH)
        parts = [] if judgement is None else [judgement.table]
        if len(late):
            parts.append(self.present(rows[late], table.column("terminal_id").take(pa.array(late)).combine_chunks(), judgement, keep))
        joined = pa.concat_tables(parts, promote_options="none") if parts else ANSWER_SCHEMA.empty_table()
        places = np.empty(len(table), np.int64)
        places[np.concatenate([fresh, late])] = np.arange(len(table))
        return Answers(judgement, changes, joined.unify_dictionaries().take(pa.array(places)))

    def present(
        self, rows: NDArray[np.int32], ids: pa.Array, judgement: Judgement | None = None, kept: bool = True
    ) -> pa.Table:
        """Return the present decisions of terminals that have one (ANSWER_SCHEMA, marked late).

        Args:
            rows, ids: of the terminals.
            judgement: what was just judged and is not kept; it is newer.
            kept: the answers of `judgement` are kept already.
        """
        with self.lock:
            if judgement is not None and not kept:
                saved = {name: column[judgement.judged.rows] for name, column in self.answers.columns.items()}
                self.answers.put(judgement.judged.rows, judgement.columns)
            made = self.answers.table(rows, ids)
            kind = self.answers.columns["kind"][rows]
            if judgement is not None and not kept:
                self.answers.put(judgement.judged.rows, saved)
        coded = pa.DictionaryArray.from_arrays(pa.array(kind.astype(np.int8)), CLASSES)
        return pa.Table.from_arrays([*made.columns, coded, pa.array(np.ones(len(rows), bool))], schema=ANSWER_SCHEMA)

    def last_positions(self, ids: Sequence[str]) -> LastPositions:
        """Return where terminals were last."""
        rows = self.judge.basis.registers.lookup(pa.array(list(ids), pa.string()))
        rows[rows >= len(self.judge.state)] = -1
        known = rows >= 0
        return LastPositions([name for name, there in zip(ids, known.tolist(), strict=True) if there], self.judge.state.fixes[rows[known]])

    # --- corrections ------------------------------------------------------------------------------------------------------

    def stamped(self, now_ns: int) -> Stamp:
        """Return what is decided under, at an instant [ns, UTC]."""
        return replace(self.stamp, decided_at_ns=now_ns)

    def correct(self, found: Corrected, later: Sequence[pa.Table]) -> tuple[Changes | None, set[str]]:
        """Take the memory and the answers of terminals with late rows from a run, and judge again what came since.

        Args:
            found: from the run.
            later: observations that were judged since the run's rows, in order.
        Returns:
            What changed, and the terminals whose later observations were answered before.
        """
        again_of: set[str] = set()
        if not len(found.ids):
            return None, again_of
        rows = self.rows_of(found.ids)
        assert found.state is not None
        self.judge.state.put(rows, found.state)
        changes = self.take(found, rows)
        for table in later:
            again = table.filter(pc.is_in(table.column("terminal_id"), value_set=found.ids))
            if len(again):
                self.remember(self.judge_rows(again.combine_chunks(), WELL))
                again_of.update(again.column("terminal_id").to_pylist())
        return changes, again_of

    def take(self, found: Corrected, rows: NDArray[np.int32]) -> Changes | None:
        """Keep last answers that another judge gave, and return those that changed."""
        book = self.answers.book
        after = found.columns["answer"].astype(np.uint8)
        before = np.empty(len(after), np.uint8)
        with self.lock:
            number = max(self.answers.generations, default=-1) + 1
            self.answers.generations[number] = Generation(
                number, found.rulebook, found.areas, found.revision, found.places, None, None,
                _lists=dict(enumerate(found.lists)), _evidence=dict(enumerate(found.evidence)),
            )  # fmt: skip
            klass = np.array([book.code(each) for each in found.classes], np.int32)[found.columns["klass"]]
            places = _changed(rows, after, self.answers.columns["answer"], before)
            self.answers.put(rows, {**found.columns, "seen": True, "klass": klass, "generation": number})
        if not len(places):
            return None
        names, reasons, chosen = book.rules, book.reasons, klass[places].tolist()
        return Changes(
            found.ids.take(pa.array(places)), before[places], after[places],
            [names[book.rule_of[code]] for code in chosen], [reasons[book.reason_of[code]] for code in chosen],
            found.columns["observed_at"][places], corrected=True,
        )  # fmt: skip

    def view(self) -> FleetView:
        """Return the last answers of all terminals; the same object while nothing changes."""
        with self.lock:
            if self._view is None or self._view.version != self.answers.version:
                self._view = self.answers.view(self.judge.basis.registers)
            return self._view


def _same_policy(one: Basis, other: Basis) -> bool:
    return (one.rulebook.digest, one.areas.digest) == (other.rulebook.digest, other.areas.digest)


@njit(cache=True, nogil=True)
def _changed(rows, after, last, before):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """Places of rows whose answer is another than the last of their terminal, which is noted and replaced.

    The first answer of a terminal (255 before it) is no change.
    """
    found = np.empty(len(rows), np.int64)
    count = 0
    for i in range(len(rows)):
        before[i] = last[rows[i]]
        if before[i] != after[i]:
            last[rows[i]] = after[i]
            if before[i] != 255:
                found[count] = i
                count += 1
    return found[:count].copy()


def location_age_s(judged: Judged, now_ns: int) -> int | None:
    """Return the age of the oldest position of a batch at an instant [s]; None if some position is unknown."""
    age = judged.motion.age_s
    if not len(age) or np.isnan(age).any():
        return None
    observed = judged.table.column("observed_at").to_numpy()
    oldest = float((age + (now_ns - observed) / NS_PER_S).max())
    return max(0, round(oldest)) if np.isfinite(oldest) else None

