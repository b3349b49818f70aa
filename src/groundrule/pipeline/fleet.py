"""The stored fleet: the last observation of every terminal, as a table with a digest that two people can compare.

It is worked out from history once for each committed run and kept in the cache; a later run only adds to it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groundrule.canon import digest
from groundrule.errors import StoreError
from groundrule.pipeline.digests import TableDigest
from groundrule.pipeline.manifests import manifest_path, runs
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.store.durable import durable_file
from groundrule.store.history import read_exactly
from groundrule.store.home import Home
from groundrule.store.ordering import in_order

KEPT: Final = 2
"""Fleets kept in the cache."""
_FLAT: Final = tuple(name for name in OBSERVATION_SCHEMA.names if name not in ("alerts", "source", "source_row"))


@dataclass(frozen=True, slots=True)
class Fleet:
    """Last observations.

    Attributes:
        table: of OBSERVATION_SCHEMA, one row for each terminal, in order of terminal id.
        digest: of what they say [64 hex digits]; where they came from does not count.
        runs: committed runs that they are of.
    """

    table: pa.Table
    digest: str
    runs: int

    def __len__(self) -> int:
        return len(self.table)


def load_fleet(home: Home) -> Fleet:
    """Return the last observation of every terminal of a home, over all committed runs."""
    known = runs(home)
    if not known:
        return make_fleet(OBSERVATION_SCHEMA.empty_table(), 0)
    folder = home.cache / "fleet"
    for count in range(len(known), 0, -1):
        path = folder / f"seen-{_name(home, known[count - 1])}.parquet"
        if not path.exists():
            continue
        with suppress(OSError, pa.ArrowException):
            kept = pq.read_table(path, memory_map=True)
            if kept.schema.equals(OBSERVATION_SCHEMA):
                if count == len(known):
                    return make_fleet(kept, count)
                return _grown(home, kept, known[count:], len(known))
    return _grown(home, OBSERVATION_SCHEMA.empty_table(), known, len(known))


def make_fleet(table: pa.Table, of_runs: int) -> Fleet:
    """Return last observations with their digest."""
    sink = TableDigest()
    sink.update(table.select(_FLAT))
    return Fleet(table, sink.hexdigest().removeprefix("sha256:"), of_runs)


def last_of_each(table: pa.Table) -> pa.Table:
    """Return the last row of every terminal in the total order of observations, in order of terminal id."""
    if not len(table):
        return table
    ordered = in_order(table.combine_chunks()).combine_chunks()
    encoded = pc.dictionary_encode(ordered["terminal_id"]).combine_chunks()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    last = np.zeros(len(encoded.dictionary), np.int64)
    last[codes] = np.arange(len(codes))  # a later row overwrites an earlier one
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    return ordered.take(pa.array(last[order])).combine_chunks()


def _grown(home: Home, kept: pa.Table, fresh: list[int], count: int) -> Fleet:
    for run in fresh:
        for part in read_exactly(home, "observations", run, OBSERVATION_SCHEMA):
            kept = last_of_each(pa.concat_tables([kept, part]))
    kept = kept.cast(OBSERVATION_SCHEMA)
    folder = home.cache / "fleet"
    path = folder / f"seen-{_name(home, fresh[-1])}.parquet"
    with suppress(StoreError, OSError):
        with durable_file(path) as stream:
            pq.write_table(kept, stream, compression="none", use_dictionary=False)
        for old in sorted(folder.glob("seen-*.parquet"), key=lambda each: each.stat().st_mtime)[:-KEPT]:
            old.unlink()
    return make_fleet(kept, count)


def _name(home: Home, run: int) -> str:
    return digest(manifest_path(home, run).read_bytes().hex())[7:39]
