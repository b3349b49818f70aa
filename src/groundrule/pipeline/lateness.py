"""Observations that come late: which of them still count, and what is decided again because of them.

A terminal's observation up to `LATE_NS` behind what was already known of that terminal makes a run decide that
terminal's later history again, as corrections. What comes later than that is stored, counted and not decided. What
history holds already is dropped. So the final decision of an observation, that of the last run that decided it, does
not depend on the order of delivery.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.detect.state import TerminalState
from groundrule.instant import MAX_NS, NS_PER_S
from groundrule.pipeline.counts import Counts
from groundrule.pipeline.decisions import DecisionWriter
from groundrule.pipeline.judge import Judge, Judged
from groundrule.pipeline.stored_history import StoredHistory
from groundrule.records import ATTACHED_COLUMNS, OBSERVATION_SCHEMA, filtered, taken, with_later
from groundrule.store.ordering import in_order

LATE_NS = 72 * 3600 * NS_PER_S
"""How far behind its terminal's latest known observation a late one may lie [ns]."""

CORRECTION_ROWS = 1_000_000
"""Observations decided again at a time, or those of one terminal if it has more; bounds memory."""


@dataclass(frozen=True, slots=True)
class DecidedBatch:
    """Decisions of one batch with what they rest on.

    Attributes:
        table: the decisions.
        judged: the columns behind them.
        chosen: which rows of `judged` they are, where it holds more; None is all.
    """

    table: pa.Table
    judged: Judged
    chosen: NDArray[np.bool_] | None = None

    @property
    def correction(self) -> bool:
        """Were these decided before, and are decided again because of a late observation?"""
        return self.chosen is not None


def accept(
    history: StoredHistory,
    judge: Judge,
    batches: Iterable[pa.Table],
    known: Sequence[int],
    counts: Counts,
    over_late: Callable[[pa.Table], None],
) -> Iterator[pa.Table]:
    """Set aside over-late observations and drop those that history holds already.

    Args:
        history: of the terminals in question.
        judge: with its memory as of the last run.
        batches: ordered, without repeats.
        known: earlier runs.
        counts: duplicates, late and over_late are counted here.
        over_late: called with what is too late.
    """
    frontier = judge.state.last_observed_ns().copy()
    registers = judge.basis.registers
    for batch in batches:
        seen = _seen_until(frontier, registers.add(batch.column("terminal_id")))
        observed = batch.column("observed_at").to_numpy()
        late = observed <= seen
        if not late.any():
            yield batch
            continue
        # Times are not negative, so the difference cannot leave the range of 64 bits.
        too_late = late & (observed < np.maximum(seen, 0) - LATE_NS)
        suspects = np.flatnonzero(late)
        repeated = np.zeros(len(batch), bool)
        repeated[suspects] = _stored_already(history, taken(batch, pa.array(suspects)), known)
        set_aside = too_late & ~repeated
        counts.duplicates += int(repeated.sum())
        counts.over_late += int(set_aside.sum())
        counts.late += int((late & ~too_late & ~repeated).sum())
        if set_aside.any():
            over_late(filtered(batch, pa.array(set_aside)))
        kept = ~(too_late | repeated)
        if kept.any():
            yield filtered(batch, pa.array(kept))


def decide_batches(
    history: StoredHistory,
    judge: Judge,
    batches: Iterable[pa.Table],
    known: Sequence[int],
    *,
    run: int,
    as_of_ns: int | None,
) -> Iterator[DecidedBatch]:
    """Decide observations in time order, and decide again what late ones among them change.

    Args:
        history: where the corrections read.
        judge: with its memory as of the last run; it is advanced.
        batches: ordered, without repeats and without over-late rows.
        known: earlier runs, whose history the corrections read.
        run: this run, whose observations must be readable in history once `batches` is exhausted.
        as_of_ns: apply rules and areas as of this instant instead of each observation's own [ns, UTC].
    Returns:
        The decisions, batch after batch; corrections come last.
    """
    writer = DecisionWriter(judge)
    if not known:
        for batch in batches:
            judged = judge.judge(batch, as_of_ns=as_of_ns)
            yield DecidedBatch(writer.table(judged), judged)
        return
    frontier = judge.state.last_observed_ns().copy()
    registers = judge.basis.registers
    since = np.full(len(frontier), MAX_NS, np.int64)
    for batch in batches:
        rows = registers.add(batch.column("terminal_id"))
        if len(registers) > len(since):
            since = np.concatenate([since, np.full(len(registers) + len(registers) // 4 - len(since), MAX_NS)])
        observed = batch.column("observed_at").to_numpy()
        late = observed <= _seen_until(frontier, rows)
        np.minimum.at(since, rows[late], observed[late])
        # A terminal with a late row is set aside with all its rows: its memory would run ahead of them.
        aside = since[rows] != MAX_NS
        if aside.any():
            batch = filtered(batch, pa.array(~aside))  # noqa: PLW2901 - the rest of the same batch
        if len(batch):
            judged = judge.judge(batch, as_of_ns=as_of_ns)
            yield DecidedBatch(writer.table(judged), judged)
    held = np.flatnonzero(since != MAX_NS).astype(np.int32)
    if len(held):
        yield from _decide_again(history, judge, writer, held, since, [*known, run], as_of_ns=as_of_ns)


def _decide_again(
    history: StoredHistory,
    judge: Judge,
    writer: DecisionWriter,
    held: NDArray[np.int32],
    since: NDArray[np.int64],
    runs: Sequence[int],
    *,
    as_of_ns: int | None,
) -> Iterator[DecidedBatch]:
    """Decide terminals again from their first observation, and give what follows their earliest late one."""
    registers = judge.basis.registers
    ids = registers.ids_of(held)
    # By id, not by row: rows are numbered in order of appearance, which is another in a replay.
    order = pc.sort_indices(ids).to_numpy()
    held, ids = held[order], ids.take(pa.array(order))
    for chosen, whole in decided_together(history, ids, runs):
        state = judge.state
        state.put(held[chosen], TerminalState.empty(len(chosen), state.since_ns.shape[1], state.stays.shape[1]))
        for first in range(0, len(whole), CORRECTION_ROWS):
            judged = judge.judge(whole.slice(first, CORRECTION_ROWS), as_of_ns=as_of_ns)
            again = judged.table.column("observed_at").to_numpy() >= since[judged.rows]
            if again.any():
                yield DecidedBatch(writer.table(judged).filter(pa.array(again)), judged, again)


def correction_parts(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which terminals are decided again together, by their rows in history, in order of their ids (shape (n,))."""
    return np.cumsum(rows) // CORRECTION_ROWS


def decided_together(
    history: StoredHistory, ids: pa.Array, runs: Sequence[int]
) -> Iterator[tuple[NDArray[np.int64], pa.Table]]:
    """Yield terminals that are decided again together, as positions in `ids`, with all their observations in order.

    Args:
        ids: of all that are decided again, ascending.
        runs: whose observations count.
    """
    part = correction_parts(history.count(ids, runs))
    for number in np.unique(part):
        chosen = np.flatnonzero(part == number)
        yield chosen, history.of_terminals(ids.take(pa.array(chosen)), runs)


def _seen_until(frontier: NDArray[np.int64], rows: NDArray[np.int32]) -> NDArray[np.int64]:
    """Latest observation known of each row's terminal before this run [ns]; negative if there was none."""
    if not len(frontier):
        return np.full(len(rows), -1, np.int64)
    seen = frontier[np.minimum(rows, len(frontier) - 1)]
    seen[rows >= len(frontier)] = -1
    return seen


def _stored_already(history: StoredHistory, suspects: pa.Table, known: Sequence[int]) -> NDArray[np.bool_]:
    """Which of some ordered observations without repeats are in history, with the same content?

    One of which neither radio nor satellite navigation says anything is known, too, where history holds it with what they say.
    """
    ids = pc.unique(suspects.column("terminal_id"))
    times = np.unique(suspects.column("observed_at").to_numpy())
    numbers = pa.array(np.arange(len(suspects)))
    found = np.zeros(len(suspects), bool)
    # Signals are attached to what was accepted: what is held against history has none yet.
    suspects = _without(suspects, "signals")
    silent = pc.is_null(suspects.column("radio")).to_numpy()
    for kind in ("observations", "over_late"):
        stored = history.at(kind, ids, times, known)
        if not len(stored):
            continue
        # Of equal rows, ordering keeps the one with the lowest source and row: here the stored one.
        stored = _traced(_without(stored, "signals"), "stored", None)
        found |= ~_new(stored, suspects, numbers)
        if silent.any():
            found |= silent & ~_new(_as_told(stored), _as_told(suspects), numbers)
    return found


def _as_told(table: pa.Table) -> pa.Table:
    """Return observations without what was attached to them here."""
    state = table.column("gnss_state")
    told = pc.if_else(pc.fill_null(pc.equal(state, "suspended"), False), pa.scalar(None, pa.string()), state)
    table = table.set_column(table.schema.get_field_index("gnss_state"), OBSERVATION_SCHEMA.field("gnss_state"), told)
    return _without(table, *ATTACHED_COLUMNS)


def _without(table: pa.Table, *columns: str) -> pa.Table:
    """Return observations of which some columns say nothing."""
    return with_later(table.drop_columns(list(columns))).cast(OBSERVATION_SCHEMA)


def _new(stored: pa.Table, suspects: pa.Table, numbers: pa.Array) -> NDArray[np.bool_]:
    """Which of some observations, ordered and without repeats, are not among those that are stored?"""
    left = in_order(pa.concat_tables([stored, _traced(suspects, "suspect", numbers)]))
    fresh = left.filter(pc.equal(left.column("source"), "suspect")).column("source_row").to_numpy()
    new = np.zeros(len(suspects), bool)
    new[fresh] = True
    return new


def _traced(table: pa.Table, source: str, numbers: pa.Array | None) -> pa.Table:
    """Rows with another tracing, by which they are told apart after they have been ordered."""
    rows = numbers if numbers is not None else pa.array(np.full(len(table), -1, np.int64))
    for name, values in (("source", pa.repeat(source, len(table))), ("source_row", rows)):
        table = table.set_column(table.schema.get_field_index(name), OBSERVATION_SCHEMA.field(name), values)
    return table
