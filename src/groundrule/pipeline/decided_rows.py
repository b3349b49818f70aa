"""Every stored answer about one terminal, also those that a later run corrected, with where the terminal was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from groundrule.pipeline.manifests import runs
from groundrule.pipeline.map_view import positions
from groundrule.store.history import MAX_ROWS, read_newest
from groundrule.store.home import Home

_PLACE: Final = ("lat_deg", "lon_deg", "h3_cell")


def decided_rows(home: Home, terminal_id: str, *, from_ns: int | None = None, until_ns: int | None = None) -> pa.Table:
    """Return all stored decisions of a terminal in an interval; see `newest_decided`."""
    return newest_decided(home, terminal_id, MAX_ROWS, from_ns=from_ns, until_ns=until_ns)[0]


def newest_decided(
    home: Home,
    terminal_id: str,
    rows: int,
    *,
    from_ns: int | None = None,
    until_ns: int | None = None,
    columns: Sequence[str] | None = None,
) -> tuple[pa.Table, bool]:
    """Return the newest stored decisions of a terminal in order of observation, run and correction.

    Args:
        home: whose history.
        terminal_id: which terminal.
        rows: so many at least, where there are so many.
        from_ns, until_ns: of the observations, half-open [ns, UTC]; None is without end.
        columns: of the decisions; None is all.
    Returns:
        Columns of DECISION_SCHEMA, and `run`, `correction`, `superseded` (a later run decided the observation again),
        `lat_deg`, `lon_deg` [degree; NaN unknown]; without columns where there are no rows. And whether older ones are left
        out; all decisions about an observation stand together.
    Raises:
        IntegrityError: history cannot be read.
    """
    committed = runs(home)
    table, cut = read_newest(
        home, "decisions", terminal_id, runs=committed, rows=rows, from_ns=from_ns, until_ns=until_ns, columns=columns
    )
    if not len(table):
        return table, cut is not None
    observed, run = table.column("observed_at").to_numpy(), table.column("run").to_numpy()
    correction = table.column("correction").to_numpy(zero_copy_only=False)
    version = run.astype(np.int64) * 2 + correction
    order = np.lexsort((np.arange(len(table)), version, observed))
    table, observed, version = table.take(pa.array(order)).combine_chunks(), observed[order], version[order]
    # Several rows of one instant and one run stand beside each other; those of an earlier run are superseded.
    last = np.searchsorted(observed, observed, "right") - 1
    table = table.append_column("superseded", pa.array(version < version[last]))
    seen, _ = read_newest(
        home, "observations", terminal_id, runs=committed, rows=MAX_ROWS, from_ns=int(observed[0]), until_ns=int(observed[-1]) + 1,
        columns=_PLACE,
    )  # fmt: skip
    lat, lon = np.full(len(table), np.nan), np.full(len(table), np.nan)
    if len(seen):
        at = np.searchsorted(seen.column("observed_at").to_numpy(), observed, "right") - 1
        same = (at >= 0) & (seen.column("observed_at").to_numpy()[at] == observed)
        lat[same], lon[same] = positions(seen.take(pa.array(at[same])))
    table = table.append_column("lat_deg", pa.array(lat)).append_column("lon_deg", pa.array(lon))
    return table, cut is not None
