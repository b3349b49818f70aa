"""What terminals claimed a moment ago: observations that were just answered, for whoever tests them against measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from groundrule.instant import NS_PER_S
from groundrule.pipeline.live.committing import Chunk
from groundrule.pipeline.manifests import runs
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.store.history import read_terminals
from groundrule.store.home import Home
from groundrule.verify.assemble import CLAIM_GAP_S

COLUMNS: Final = (
    "terminal_id", "observed_at", "lat_deg", "lon_deg", "position_sigma_m", "position_source", "alt_m", "alt_datum", "speed_m_s",
    "course_deg",
)  # fmt: skip
"""What verification reads of a claim."""
_SCHEMA: Final = pa.schema([OBSERVATION_SCHEMA.field(name) for name in COLUMNS])


def claims_in(home: Home, chunks: Sequence[Chunk], whole: bool, ids: pa.Array, first_ns: int, last_ns: int) -> pa.Table:
    """Return what some terminals claimed near a span of time.

    Args:
        home: whose history is looked at where memory does not reach back over a run.
        chunks: what was answered in the last two runs and since, in order.
        whole: `chunks` hold both runs; else they are read from history.
        ids: of the terminals.
        first_ns, last_ns: of the measurements [ns, UTC].
    """
    low, high = first_ns - round(CLAIM_GAP_S * NS_PER_S), last_ns + round(CLAIM_GAP_S * NS_PER_S)
    parts = [_SCHEMA.empty_table()]
    for chunk in chunks:
        parts.append(_near(chunk.rows, ids, low, high))
    known = runs(home)
    if not whole and known:
        stored = read_terminals(home, "observations", ids, runs=known[-2:], until_ns=high, columns=list(COLUMNS))
        if len(stored):
            parts.append(_near(stored, ids, low, high))
    return pa.concat_tables(parts)


def _near(table: pa.Table, ids: pa.Array, low: int, high: int) -> pa.Table:
    at = table.column("observed_at")
    wanted = pc.and_(pc.and_(pc.greater_equal(at, low), pc.less_equal(at, high)), pc.is_in(table.column("terminal_id"), value_set=ids))
    return table.select(list(COLUMNS)).filter(wanted).cast(_SCHEMA)
