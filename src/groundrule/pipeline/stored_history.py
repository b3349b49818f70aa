"""What deciding again reads of history: observations by run, in order of time, and those of single terminals.

A home is one such history. Another holds some of its terminals in memory (`TableHistory`): what is remembered of a terminal
depends on nobody else, so whoever decides them alone gets the same decisions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.pipeline.history import all_observations
from groundrule.records import OBSERVATION_SCHEMA, filtered
from groundrule.store.erasures import held_rows
from groundrule.store.history import count_terminals, read_exactly, read_terminals
from groundrule.store.home import Home
from groundrule.store.ordering import in_order


class StoredHistory(Protocol):
    """Decided observations of committed runs."""

    def of_run(self, run: int) -> Iterator[pa.Table]:
        """Yield the observations that a run decided, in its order.

        Raises:
            IntegrityError: they cannot be read any more.
        """

    def in_order(self, runs: Sequence[int]) -> Iterator[pa.Table]:
        """Yield the observations of some runs in one total order of time, without exact repeats.

        Raises:
            IntegrityError: they cannot be read any more.
        """

    def count(self, terminal_ids: pa.Array, runs: Sequence[int]) -> NDArray[np.int64]:
        """Return the number of rows of each terminal that a run decided again, over it and all runs before (int64, shape (n,)).

        Rows of erased terminals count on where they stood, so that those who remain are decided again in the same company.

        Args:
            terminal_ids: all of them, ascending.
            runs: that run is the last.
        """

    def of_terminals(self, terminal_ids: pa.Array, runs: Sequence[int]) -> pa.Table:
        """Return all observations of some terminals over some runs, in the total order, without exact repeats."""

    def at(self, kind: str, terminal_ids: pa.Array, at_ns: NDArray[np.int64], runs: Sequence[int]) -> pa.Table:
        """Return what is stored of some terminals at some instants, with the columns of an observation, if there is anything.

        Args:
            kind: `observations`, or `over_late`.
            at_ns: these instants [ns, UTC].
        """


def with_held(counts: NDArray[np.int64], held: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """Add the rows of erased terminals to the counts of those who follow them, by place."""
    for place, rows in held:
        if place < len(counts):
            counts[place] += rows
    return counts


@dataclass(frozen=True, slots=True)
class HomeHistory:
    """The history of a home; see `StoredHistory`."""

    home: Home

    def of_run(self, run: int) -> Iterator[pa.Table]:
        """See `StoredHistory.of_run`."""
        return read_exactly(self.home, "observations", run, OBSERVATION_SCHEMA)

    def in_order(self, runs: Sequence[int]) -> Iterator[pa.Table]:
        """See `StoredHistory.in_order`."""
        return all_observations(self.home, of_runs=runs)

    def count(self, terminal_ids: pa.Array, runs: Sequence[int]) -> NDArray[np.int64]:
        """See `StoredHistory.count`."""
        counts = count_terminals(self.home, "observations", terminal_ids, runs=runs)
        return with_held(counts, held_rows(self.home, runs[-1])) if len(runs) else counts

    def of_terminals(self, terminal_ids: pa.Array, runs: Sequence[int]) -> pa.Table:
        """See `StoredHistory.of_terminals`."""
        found = read_terminals(self.home, "observations", terminal_ids, runs=runs, columns=OBSERVATION_SCHEMA.names)
        return in_order(found.cast(OBSERVATION_SCHEMA)) if len(found) else OBSERVATION_SCHEMA.empty_table()


    def at(self, kind: str, terminal_ids: pa.Array, at_ns: NDArray[np.int64], runs: Sequence[int]) -> pa.Table:
        """See `StoredHistory.at`."""
        return read_terminals(self.home, kind, terminal_ids, runs=runs, at_ns=at_ns, columns=OBSERVATION_SCHEMA.names)


@dataclass(frozen=True, slots=True)
class TableHistory:
    """A history in memory; see `StoredHistory`.

    Attributes:
        tables: observations of each run, OBSERVATION_SCHEMA, in its order; runs without any may be left out.
        over_late: those that came too late, likewise.
    """

    tables: Mapping[int, Sequence[pa.Table]]
    over_late: Mapping[int, Sequence[pa.Table]] = field(default_factory=dict)

    def of_run(self, run: int) -> Iterator[pa.Table]:
        """See `StoredHistory.of_run`."""
        return iter(self.tables.get(run, ()))

    def in_order(self, runs: Sequence[int]) -> Iterator[pa.Table]:
        """See `StoredHistory.in_order`."""
        whole = in_order(self._of(runs))
        if len(whole):
            yield whole

    def count(self, terminal_ids: pa.Array, runs: Sequence[int]) -> NDArray[np.int64]:
        """See `StoredHistory.count`."""
        found = pc.index_in(self._of(runs).column("terminal_id"), value_set=terminal_ids)
        return np.bincount(pc.drop_null(found).to_numpy(), minlength=len(terminal_ids)).astype(np.int64)

    def of_terminals(self, terminal_ids: pa.Array, runs: Sequence[int]) -> pa.Table:
        """See `StoredHistory.of_terminals`."""
        whole = self._of(runs)
        return in_order(filtered(whole, pc.is_in(whole.column("terminal_id"), value_set=terminal_ids)))

    def at(self, kind: str, terminal_ids: pa.Array, at_ns: NDArray[np.int64], runs: Sequence[int]) -> pa.Table:
        """See `StoredHistory.at`."""
        kept = self.tables if kind == "observations" else self.over_late
        whole = pa.concat_tables([OBSERVATION_SCHEMA.empty_table(), *(table for run in runs for table in kept.get(run, ()))])
        whole = filtered(whole, pc.is_in(whole.column("observed_at"), value_set=pa.array(at_ns)))
        return filtered(whole, pc.is_in(whole.column("terminal_id"), value_set=terminal_ids.cast(pa.string())))

    def _of(self, runs: Sequence[int]) -> pa.Table:
        return pa.concat_tables([OBSERVATION_SCHEMA.empty_table(), *(table for run in runs for table in self.of_run(run))])
