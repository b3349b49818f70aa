"""Every stored answer about one terminal, also those that a later run corrected, with where the terminal was."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from groundrule.pipeline.manifests import runs
from groundrule.pipeline.map_view import positions
from groundrule.store.history import read_terminals
from groundrule.store.home import Home


def decided_rows(home: Home, terminal_id: str, *, from_ns: int | None = None, until_ns: int | None = None) -> pa.Table:
    """Return the stored decisions of a terminal in order of observation, run and correction.

    Args:
        home: whose history.
        terminal_id: which terminal.
        from_ns, until_ns: of the observations, half-open [ns, UTC]; None is without end.
    Returns:
        Columns of DECISION_SCHEMA, and `run`, `correction`, `superseded` (a later run decided the observation again),
        `lat_deg`, `lon_deg` [degree; NaN unknown]. Without columns where there are no rows.
    Raises:
        IntegrityError: history cannot be read.
    """
    committed = runs(home)
    table = read_terminals(home, "decisions", [terminal_id], runs=committed)
    if not len(table):
        return table
    if from_ns is not None:
        table = table.filter(pc.field("observed_at") >= from_ns)
    if until_ns is not None:
        table = table.filter(pc.field("observed_at") < until_ns)
    if not len(table):
        return table
    observed, run = table.column("observed_at").to_numpy(), table.column("run").to_numpy()
    correction = table.column("correction").to_numpy(zero_copy_only=False)
    version = run.astype(np.int64) * 2 + correction
    order = np.lexsort((np.arange(len(table)), version, observed))
    table, observed, version = table.take(pa.array(order)).combine_chunks(), observed[order], version[order]
    # Several rows of one instant and one run stand beside each other; those of an earlier run are superseded.
    last = np.searchsorted(observed, observed, "right") - 1
    table = table.append_column("superseded", pa.array(version < version[last]))
    seen = read_terminals(home, "observations", [terminal_id], runs=committed)
    lat, lon = np.full(len(table), np.nan), np.full(len(table), np.nan)
    if len(seen):
        at = np.searchsorted(seen.column("observed_at").to_numpy(), observed, "right") - 1
        same = (at >= 0) & (seen.column("observed_at").to_numpy()[at] == observed)
        lat[same], lon[same] = positions(seen.take(pa.array(at[same])))
    return table.append_column("lat_deg", pa.array(lat)).append_column("lon_deg", pa.array(lon))
