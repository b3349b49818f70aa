"""Rows that could not be used: where they came from, what was wrong, what would be right, and what they said.

Nothing of the input is lost: a row is either used or it is here with its content. Columns, so that ten million bad rows
cost no more than ten million good ones.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

VALUE_CHARS = 200
CONTENT_CHARS = 4096

REJECT_SCHEMA = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),  # rejected, or set_aside for rows that are no observations
        pa.field("source", pa.string(), nullable=False),
        pa.field("source_row", pa.int64(), nullable=False),
        pa.field("field", pa.string()),
        pa.field("value", pa.string()),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("help", pa.string()),
        pa.field("content", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Rejects:
    """Rejected rows as a table of `REJECT_SCHEMA`."""

    table: pa.Table = field(default_factory=REJECT_SCHEMA.empty_table)

    def __len__(self) -> int:
        return self.table.num_rows

    @property
    def counts(self) -> dict[str, int]:
        """Rows by reason."""
        if not len(self):
            return {}
        counted = pc.value_counts(self.table["reason"].combine_chunks())
        return {row["values"]: row["counts"] for row in counted.to_pylist()}

    def records(self) -> Iterator[dict[str, Any]]:
        """The rows as dicts, in the order of the source."""
        for batch in self.table.to_batches(max_chunksize=4096):
            yield from batch.to_pylist()

    def write_jsonl(self, stream: BinaryIO) -> None:
        """Append the rows to a stream as JSON lines."""
        for record in self.records():
            kept = {name: value for name, value in record.items() if value is not None}
            stream.write(json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


def rejects_of(parts: Sequence[pa.Table]) -> Rejects:
    """Join tables of rejected rows, ordered by source row within a kind of check."""
    full = [part for part in parts if part.num_rows]
    if not full:
        return Rejects()
    joined = pa.concat_tables(full)
    return Rejects(joined if len(full) == 1 else joined.sort_by([("source_row", "ascending")]))


def one_reject(
    source: str,
    source_row: int,
    *,
    reason: str,
    help: str | None = None,  # noqa: A002 - the field's name
    column: str | None = None,
    value: object = None,
    content: str | None = None,
    kind: str = "rejected",
) -> dict[str, Any]:
    """Describe one rejected row; long values and contents are cut."""
    return {
        "kind": kind,
        "source": source,
        "source_row": source_row,
        "field": column,
        "value": None if value is None else str(value)[:VALUE_CHARS],
        "reason": reason,
        "help": help,
        "content": None if content is None else content[:CONTENT_CHARS],
    }


def reject_table(records: Sequence[dict[str, Any]]) -> pa.Table:
    """Turn described rows into a table of `REJECT_SCHEMA`."""
    return pa.Table.from_pylist(list(records), REJECT_SCHEMA)


@dataclass(slots=True)
class RejectCounts:
    """Running totals over the batches of one run.

    Attributes:
        by_reason: rejected rows by reason.
        set_aside: rows that are no observations, by reason.
    """

    by_reason: Counter[str] = field(default_factory=Counter)
    set_aside: Counter[str] = field(default_factory=Counter)

    def add(self, rejects: Rejects) -> None:
        """Count the rows of one batch."""
        if not len(rejects):
            return
        for row in rejects.table.group_by(["kind", "reason"]).aggregate([([], "count_all")]).to_pylist():
            target = self.set_aside if row["kind"] == "set_aside" else self.by_reason
            target[row["reason"]] += row["count_all"]

    @property
    def total(self) -> int:
        """Rejected rows."""
        return sum(self.by_reason.values())
