"""Batches over the wire: JSON by rows or by columns, or an Arrow stream; and answers in the form that was asked for."""

from __future__ import annotations

import io
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from groundrule.api.problems import Refused
from groundrule.pipeline.live import Answered

ARROW: Final = "application/vnd.apache.arrow.stream"
MAX_COLUMNS: Final = 64
MAX_MEMORY: Final = 1 << 30
"""Longest unpacked Arrow stream that is read [bytes]."""

Scalar = str | int | float | bool | None


class Batch(msgspec.Struct, forbid_unknown_fields=True):
    """Observations as JSON: either by rows or by columns.

    Attributes:
        rows: one object for each observation.
        columns: one list for each column, all of one length.
    """

    rows: list[dict[str, Any]] | msgspec.UnsetType = msgspec.UNSET
    columns: dict[str, list[Any]] | msgspec.UnsetType = msgspec.UNSET


_BATCH: Final = msgspec.json.Decoder(Batch)


def read_batch(body: bytes, content_type: str) -> pa.Table:
    """Read observations as they came; what they say is not checked here.

    Args:
        body: of the request.
        content_type: JSON, or an Arrow stream.
    Raises:
        Refused: 415 for another type, 400 for a body that is not of its type.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == ARROW:
        return _arrow(body)
    if kind != "application/json":
        raise Refused(415, f"observations of type `{kind[:60]}`", code="media_type", help=f"application/json or {ARROW}")
    try:
        batch = _BATCH.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused(
            400, f"the body is no batch of observations: {error}", code="malformed",
            help='{"rows": [{"terminal_id": "t-1", "observed_at": "2026-02-01T00:00:00Z", "lat_deg": 50.1, "lon_deg": 30.2}]}',
        ) from None  # fmt: skip
    if (batch.rows is msgspec.UNSET) == (batch.columns is msgspec.UNSET):
        raise Refused(400, "a batch has either `rows` or `columns`", code="malformed", help="give one of the two")
    columns = _columns(batch.rows) if batch.rows is not msgspec.UNSET else batch.columns
    assert columns is not msgspec.UNSET
    lengths = {name: len(values) for name, values in columns.items()}
    if len(lengths) > MAX_COLUMNS:
        raise Refused(400, f"{len(lengths)} columns", code="malformed", help=f"at most {MAX_COLUMNS}")
    if len(set(lengths.values())) > 1:
        raise Refused(400, "columns of different lengths", code="malformed", help="each column has one value for each observation")
    return pa.table({name: _array(values) for name, values in columns.items()})


def answers_as_arrow(answered: Answered) -> bytes:
    """Return answers as an Arrow stream; what holds for all of them stands in the metadata of its schema."""
    about = {"stamp": msgspec.json.encode(stamp_of(answered)), "rows": msgspec.json.encode(summary_of(answered))}
    table = answered.decisions.append_column("row", answered.rows)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **{k.encode(): v for k, v in about.items()}})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def answers_as_json(answered: Answered) -> bytes:
    """Return answers as JSON by columns."""
    table = answered.decisions.combine_chunks()
    columns: dict[str, Any] = {
        "row": answered.rows.to_pylist(),
        "terminal_id": table["terminal_id"].to_pylist(),
        **{name: _instants(table[name]) for name in ("observed_at", "decided_at", "valid_until")},
        **{name: table[name].cast(pa.string()).to_pylist() for name in ("outcome", "state", "rule", "class")},
        "reasons": _lists(table["reasons"], "code"),
        "obligations": _lists(table["obligations"]),
        "late": table["late"].to_pylist(),
    }
    return msgspec.json.encode({"answers": columns, **stamp_of(answered), **summary_of(answered)})


def stamp_of(answered: Answered) -> dict[str, Any]:
    """Return what answers were decided under, and how stale that is."""
    stamp, age = answered.stamp, answered.staleness
    return {
        "stamp": {
            "policy_digest": stamp.policy_digest, "rulebook": stamp.rulebook, "areas": stamp.areas, "lists": stamp.lists,
            "snapshot_seq": stamp.snapshot_seq, "evaluator": stamp.evaluator, "decided_at": _instant(stamp.decided_at_ns),
        },
        "staleness": {
            "policy_s": age.policy_s, "screening_s": age.screening_s, "witness_s": age.witness_s,
            "location_s": age.location_s, "clock_offset_ms": age.clock_offset_ms,
        },
        "degraded": list(answered.degraded),
    }  # fmt: skip


def summary_of(answered: Answered) -> dict[str, Any]:
    """Return what became of the rows."""
    return {
        "accepted": answered.accepted,
        "duplicates": answered.duplicates,
        "late": answered.late,
        "rejected": [
            {"row": each.row, "reason": each.reason, "field": each.field, "value": each.value, "wanted": each.wanted}
            for each in answered.rejected
        ],
        "taken_before": answered.taken_before,
    }


def _arrow(body: bytes) -> pa.Table:
    try:
        with pa.ipc.open_stream(io.BytesIO(body)) as reader:
            batches, size = [], 0
            for batch in reader:
                batch.validate(full=True)
                size += batch.nbytes
                if size > MAX_MEMORY:
                    raise Refused(413, "the Arrow stream unpacks to too much", code="too_large", help="send several batches")
                batches.append(batch)
            table = pa.Table.from_batches(batches, reader.schema)
    except (pa.ArrowException, OSError, ValueError) as error:
        said = f"the body is no Arrow stream: {str(error)[:200]}"
        raise Refused(400, said, code="malformed", help="write it with Arrow's IPC stream format") from None
    if table.num_columns > MAX_COLUMNS:
        raise Refused(400, f"{table.num_columns} columns", code="malformed", help=f"at most {MAX_COLUMNS}")
    return table


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for row in rows for name in row)
    if len(names) > MAX_COLUMNS:
        raise Refused(400, f"{len(names)} different fields", code="malformed", help=f"at most {MAX_COLUMNS}")
    return {name: [row.get(name) for row in rows] for name in names}


def _array(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        # Kinds are mixed: as text every good value can still be read, and every bad one be named by its row.
        return pa.array([each if each is None or isinstance(each, str) else msgspec.json.encode(each).decode() for each in values])


def _instants(column: pa.ChunkedArray) -> list[str]:
    return np.char.add(np.datetime_as_string(column.to_numpy().astype("datetime64[ns]"), unit="ms"), "Z").tolist()


def _instant(ns: int) -> str:
    return f"{np.datetime_as_string(np.datetime64(ns, 'ns'), unit='ms')}Z"


def _lists(column: pa.ChunkedArray, member: str | None = None) -> list[list[Any]]:
    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], column.type)
    inner = whole.flatten()
    values = (inner.field(member) if member else inner).to_pylist()
    ends = np.cumsum(whole.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)).tolist()
    starts = [0, *ends][: len(ends)]
    return [values[first:last] for first, last in zip(starts, ends, strict=True)]
