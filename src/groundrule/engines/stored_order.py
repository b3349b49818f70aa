"""The order of stored decisions over all terminals, which no bucket sees, and the findings of all buckets put together.

A bucket shows that the decisions of its terminals are right and stand in the right order among each other. What is left is the
order of terminals among each other: decisions stand in the order of their observations, and those that correct something by
part, time and terminal. That is looked at here with two columns, in the order in which they are stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.engines.bucket_replay import HELD_SCHEMA, KEYS, Finding
from groundrule.engines.slices import parts_of_place
from groundrule.pipeline.comparing import Bounds, Difference, Rows, bounded_difference, surplus
from groundrule.pipeline.lateness import CORRECTION_ROWS, correction_parts, decided_together
from groundrule.pipeline.stored_history import HomeHistory, with_held
from groundrule.records import DECISION_SCHEMA
from groundrule.store.erasures import held_rows
from groundrule.store.history import read_run
from groundrule.store.home import Home

_SCHEMA: Final = pa.schema([DECISION_SCHEMA.field(name) for name in KEYS])
_EVERYTHING: Final = Bounds()


@dataclass(frozen=True, slots=True)
class Together:
    """What all buckets together show of a run.

    Attributes:
        difference: the first inside of the bounds, with its row in the run; None if there is none.
        rows: decisions compared before it, as whole batches; all where there is none.
        beyond: whether anything differs outside of the bounds.
    """

    difference: Difference | None
    rows: int
    beyond: bool


def held_by(findings: Sequence[Finding]) -> pa.Table:
    """Return the terminals that a run decided again, ascending by id (HELD_SCHEMA)."""
    whole = pa.concat_tables([HELD_SCHEMA.empty_table(), *(each.held_terminals for each in findings)]).combine_chunks()
    return whole.take(pc.sort_indices(whole.column("terminal_id")))


def put_together(
    home: Home, runs: Sequence[int], findings: Sequence[Finding], stored_files: tuple[Sequence[int], Sequence[int]], bounds: Bounds
) -> Together:
    """Put the findings of all buckets for one run together.

    Args:
        home: whose history it is.
        runs: all up to and with this run.
        findings: one for each bucket that has rows.
        stored_files: rows of each file of decisions, of those that correct nothing and of those that do.
        bounds: what was compared.
    """
    order = _StoredOrder(home, runs, held_by(findings), bounds, uneven=any(each.uneven for each in findings))
    found, beyond = order.difference(), any(each.beyond for each in findings) or order.beyond
    for each in findings:
        if each.difference is not None:
            row = _row_of(each.difference.row, stored_files)
            # A row that stands where another should is told by its terminal and time, which come first of all columns.
            if found is None or row < found.row:
                found = replace(each.difference, row=row)
    if found is None:
        return Together(None, sum(each.rows for each in findings), beyond)
    return Together(found, order.compared_before(found.row), beyond)


class _StoredOrder:
    """Terminals and times of the decisions of one run, as its observations give them and as they are stored."""

    def __init__(self, home: Home, runs: Sequence[int], held: pa.Table, bounds: Bounds, *, uneven: bool) -> None:
        self._uneven = uneven
        self._home, self._runs, self._run, self._held, self._bounds = home, runs, runs[-1], held, bounds
        self._ends: list[tuple[int, int]] = []
        self._row = self._compared = 0
        self.beyond = False

    def difference(self) -> Difference | None:
        """Return the first place inside of the bounds where another terminal or time is stored, or nothing."""
        stored = {correction: Rows(self._stored(correction), _SCHEMA) for correction in (False, True)}
        for expected in self._first():
            if found := self._look(stored[False], expected):
                return found
        if found := self._corrections(stored[True]):
            return found
        for rest in stored.values():
            if found := surplus(self._run, self._row, rest.take(1)):
                return found
        return None

    def compared_before(self, row: int) -> int:
        """Return how many decisions inside of the bounds lie in batches before the one that holds a row."""
        return max((compared for end, compared in self._ends if end <= row), default=0)

    def _look(self, stored: Rows, expected: pa.Table) -> Difference | None:
        kept = stored.take(len(expected))
        found, rows = bounded_difference(self._run, self._row, kept, expected, self._bounds, KEYS)
        if found is not None:
            return found
        self.beyond |= bounded_difference(self._run, 0, kept, expected, _EVERYTHING, KEYS)[0] is not None
        self._row += len(expected)
        self._compared += rows
        self._ends.append((self._row, self._compared))
        return None

    def _stored(self, correction: bool) -> Iterator[pa.Table]:
        for table in read_run(self._home, "decisions", self._run, corrections=correction, columns=list(KEYS)):
            yield table.select(list(KEYS)).cast(_SCHEMA)

    def _first(self) -> Iterator[pa.Table]:
        """Decisions that correct nothing: those of all observations whose terminals are not decided again."""
        ids = self._held.column("terminal_id").combine_chunks()
        for table in read_run(self._home, "observations", self._run, columns=list(KEYS)):
            keys = table.select(list(KEYS)).cast(_SCHEMA)
            yield keys.filter(pc.invert(pc.is_in(keys.column("terminal_id"), value_set=ids))) if len(ids) else keys

    def _corrections(self, stored: Rows) -> Difference | None:
        if not len(self._held):
            return None
        whole = pa.concat_tables([_SCHEMA.empty_table(), *self._stored(correction=True)]).combine_chunks()
        counts = self._held.column("rows").to_numpy().copy()
        part = correction_parts(with_held(counts, held_rows(self._home, self._run)))
        place = pc.index_in(whole.column("terminal_id"), value_set=self._held.column("terminal_id").combine_chunks())
        known = pc.fill_null(place, -1).to_numpy().astype(np.int64)
        times = whole.column("observed_at").to_numpy()
        since = self._held.column("since").to_numpy()
        if not self._uneven and len(whole) and known.min() >= 0 and _ascend(part[known], times, known) and (times >= since[known]).all():
            # Each terminal's own rows are right, as its bucket has shown, so these are all of them in their order.
            for number in np.unique(part):
                rows = whole.filter(pa.array(part[known] == number))
                if found := self._look(stored, rows):
                    return found
            return None
        for expected in self._expected_corrections():
            if found := self._look(stored, expected):
                return found
        return None

    def _expected_corrections(self) -> Iterator[pa.Table]:
        """Decide-again order from the history of the terminals itself; costly, and needed only where something was changed."""
        ids, since = self._held.column("terminal_id").combine_chunks(), self._held.column("since").to_numpy()
        for _, whole in decided_together(HomeHistory(self._home), ids, self._runs):
            for first in range(0, len(whole), CORRECTION_ROWS):
                keys = whole.slice(first, CORRECTION_ROWS).select(list(KEYS)).cast(_SCHEMA)
                which = pc.index_in(keys.column("terminal_id"), value_set=ids).to_numpy()
                yield keys.filter(pa.array(keys.column("observed_at").to_numpy() >= since[which]))


def _ascend(part: NDArray[np.int64], times: NDArray[np.int64], terminal: NDArray[np.int64]) -> bool:
    """Do rows ascend by part, time and terminal? Equal ones are of one terminal."""
    same_part = part[1:] == part[:-1]
    same_time = same_part & (times[1:] == times[:-1])
    late = (part[1:] < part[:-1]) | (same_part & (times[1:] < times[:-1])) | (same_time & (terminal[1:] < terminal[:-1]))
    return not bool(late.any())


def _row_of(place: int, stored_files: tuple[Sequence[int], Sequence[int]]) -> int:
    correction, number, row = parts_of_place(place)
    before = sum(stored_files[0]) if correction else 0
    return before + sum(stored_files[1 if correction else 0][:number]) + row
