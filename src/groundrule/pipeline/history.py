"""The stored observations of all runs as one stream in order of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from groundrule.pipeline.manifests import runs
from groundrule.records import OBSERVATION_SCHEMA, filtered, with_later
from groundrule.store.history import read_exactly, read_run, read_terminals
from groundrule.store.home import Home
from groundrule.store.ordering import Ordering, in_order
from groundrule.store.workplace import workplace


def all_observations(
    home: Home, *, from_ns: int | None = None, until_ns: int | None = None, of_runs: Sequence[int] | None = None
) -> Iterator[pa.Table]:
    """Yield the decided observations of all runs in one total order of time, in batches.

    Args:
        from_ns, until_ns: half-open interval of `observed_at` [ns, UTC]; None is without bound.
        of_runs: only those of these runs; None is all that are committed.
    """
    chosen = runs(home) if of_runs is None else list(of_runs)

    def stored() -> Iterator[pa.Table]:
        for run in chosen:
            for table in read_exactly(home, "observations", run, OBSERVATION_SCHEMA):
                exact = table
                if from_ns is not None:
                    exact = filtered(exact, pc.greater_equal(exact.column("observed_at"), from_ns))
                if until_ns is not None:
                    exact = filtered(exact, pc.less(exact.column("observed_at"), until_ns))
                if len(exact):
                    yield exact

    if len(chosen) == 1:
        # One run is stored in order already.
        yield from stored()
        return
    with workplace(home.cache) as folder, Ordering(folder) as ordering:
        yield from ordering.sorted(stored())


def first_observed_ns(home: Home) -> int | None:
    """Return the instant of the first decided observation of all runs [ns, UTC]; None without any."""
    starts = []
    for run in runs(home):
        for table in read_run(home, "observations", run, columns=["observed_at"]):
            if len(table):
                # A run is stored in order.
                starts.append(int(table.column("observed_at")[0].as_py()))
                break
    return min(starts, default=None)


def observations_of(home: Home, *terminal_ids: str, until_ns: int | None = None) -> pa.Table:
    """Return the decided observations of some terminals in order of time, up to and including an instant.

    Returns:
        A table of OBSERVATION_SCHEMA; empty if there are none.
    """
    found = read_terminals(home, "observations", list(terminal_ids), runs=runs(home), until_ns=until_ns)
    if not len(found):
        return OBSERVATION_SCHEMA.empty_table()
    return in_order(with_later(found).cast(OBSERVATION_SCHEMA))
