"""Stored decisions beside recomputed ones: the first row that differs, and in what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundrule.instant import MAX_NS, MIN_NS
from groundrule.records import DECISION_SCHEMA


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where a stored decision is not what the observations give.

    Attributes:
        run: run that stored it.
        row: its place in that run's decisions, from 0.
        terminal_id, observed_at_ns: which decision.
        field: the first column that differs.
        stored, recomputed: both values as text.
    """

    run: int
    row: int
    terminal_id: str
    observed_at_ns: int
    field: str
    stored: str
    recomputed: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """A half-open interval of `observed_at` [ns, UTC]; None is without bound."""

    from_ns: int | None = None
    until_ns: int | None = None

    def mask(self, table: pa.Table) -> NDArray[np.bool_] | None:
        """Which rows of a table lie in it (bool, shape (n,)); None is all."""
        if self.from_ns is None and self.until_ns is None:
            return None
        times = table.column("observed_at").to_numpy()
        low = MIN_NS if self.from_ns is None else self.from_ns
        high = MAX_NS if self.until_ns is None else self.until_ns
        found: NDArray[np.bool_] = (times >= low) & (times < high)
        return found


class Rows:
    """Takes any number of rows at a time from a stream of tables.

    Args:
        tables: the stream.
        schema: of tables without rows.
    """

    def __init__(self, tables: Iterator[pa.Table], schema: pa.Schema = DECISION_SCHEMA) -> None:
        self._tables, self._schema = tables, schema
        self._rest: pa.Table | None = None

    def take(self, rows: int) -> pa.Table:
        """Return the next rows, fewer where the stream ends."""
        parts: list[pa.Table] = []
        while rows > 0:
            if self._rest is None or not len(self._rest):
                self._rest = next(self._tables, None)
                if self._rest is None:
                    break
            parts.append(self._rest.slice(0, rows))
            self._rest = self._rest.slice(rows)
            rows -= len(parts[-1])
        return pa.concat_tables(parts) if parts else self._schema.empty_table()


def bounded_difference(
    run: int, first_row: int, stored: pa.Table, recomputed: pa.Table, bounds: Bounds, columns: Sequence[str] = DECISION_SCHEMA.names
) -> tuple[Difference | None, int]:
    """Compare the rows of a piece of a run that lie in an interval.

    Args:
        first_row: place of the piece in its run.
        stored, recomputed: the piece; the stored one is shorter where history ends too early.
        columns: in the order in which a difference is looked for.
    Returns:
        The first difference, and how many rows were compared.
    """
    mask = bounds.mask(recomputed)
    if mask is None or len(stored) != len(recomputed):
        return first_difference(run, first_row, stored, recomputed, columns), len(recomputed)
    places = np.flatnonzero(mask)
    kept, expected = stored.filter(pa.array(mask)), recomputed.filter(pa.array(mask))
    found = first_difference(run, 0, kept, expected, columns)
    if found is None:
        return None, len(expected)
    return replace(found, row=first_row + int(places[found.row])), len(expected)


def surplus(run: int, row: int, stored: pa.Table) -> Difference | None:
    """The difference that a run has more stored decisions than its observations give; None where none are left.

    Args:
        row: how many its observations give.
        stored: what is left of the stored ones.
    """
    if not len(stored):
        return None
    item = stored.slice(0, 1).select(["terminal_id", "observed_at"]).to_pylist()[0]
    name = item["terminal_id"]
    return Difference(run, row, name, item["observed_at"], "terminal_id", name, "no decision")


def first_difference(
    run: int, first_row: int, stored: pa.Table, recomputed: pa.Table, columns: Sequence[str] = DECISION_SCHEMA.names
) -> Difference | None:
    """Return the first place where two tables differ, and there the first of some columns; None where they are equal.

    Args:
        run: that the rows are of.
        first_row: place of the first row in its run.
    """
    shared = min(len(stored), len(recomputed))
    position, field_name = shared, "terminal_id"
    for name in columns:
        if name not in stored.column_names:
            position, field_name = 0, name
            break
        a, b = stored.column(name).slice(0, shared), recomputed.column(name).slice(0, shared)
        if _plain(a).equals(_plain(b)):
            continue
        for start in range(0, position, 4096):
            x, y = a.slice(start, 4096).to_pylist(), b.slice(start, 4096).to_pylist()
            hit = next((i for i, (u, v) in enumerate(zip(x, y, strict=True)) if u != v), None)
            if hit is not None:
                if start + hit < position:
                    position, field_name = start + hit, name
                break
    if position == shared and len(stored) == len(recomputed):
        return None
    source = recomputed if position < len(recomputed) else stored
    where = source.select(["terminal_id", "observed_at"]).slice(position, 1).to_pylist()[0]
    values = [
        str(table.column(field_name)[position].as_py())
        if field_name in table.column_names and position < len(table)
        else "no decision"
        for table in (stored, recomputed)
    ]
    return Difference(
        run, first_row + position, where["terminal_id"], where["observed_at"], field_name, values[0], values[1]
    )


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    whole = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        whole = pa.chunked_array(
            [c.dictionary_decode() for c in column.chunks], type=column.type.value_type
        ).combine_chunks()
    return whole
