"""Batches over the wire: JSON by rows or by columns, or an Arrow stream; and answers in the form that was asked for."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import pyarrow as pa
from litestar.params import HeaderParameter

from groundrule.api.problems import Refused
from groundrule.instant import NS_PER_S
from groundrule.pipeline.live import Answered, Brief, Staleness, Stamp
from groundrule.pipeline.live.words import Words
from groundrule.store.regular_rows import MOST

ARROW: Final = "application/vnd.apache.arrow.stream"
MAX_BODY: Final = 64 << 20
SHORT_BODY: Final = 16 << 10
"""Bodies that are read where they arrive [bytes]."""
MAX_COLUMNS: Final = 64
MAX_MEMORY: Final = 1 << 30
"""Longest unpacked Arrow stream that is read [bytes]."""

FEW: Final = 64
"""Answers that are written value by value [rows]."""
NS_PER_MS: Final = 1_000_000
_MILLIS: Final = np.array([f"{each:03d}Z" for each in range(1_000)], object)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES: Final = ("observed_at", "decided_at", "valid_until")
Scalar = str | int | float | bool | None
Key = Annotated[
    str | None, HeaderParameter(name="Idempotency-Key", max_length=255, description="The same batch with the same key is taken once.")
]


class Batch(msgspec.Struct, forbid_unknown_fields=True):
    """Observations as JSON: either by rows or by columns.

    Attributes:
        rows: one object for each observation.
        columns: one list for each column, all of one length.
    """

    rows: list[dict[str, Any]] | msgspec.UnsetType = msgspec.UNSET
    columns: dict[str, list[Any]] | msgspec.UnsetType = msgspec.UNSET


_BATCH: Final = msgspec.json.Decoder(Batch)
_ENCODER: Final = msgspec.json.Encoder()
_ROWS: Final = tuple(range(MOST))


SAMPLE: Final = '{"rows": [{"terminal_id": "t-1", "observed_at": "2026-02-01T00:00:00Z", "lat_deg": 50.1, "lon_deg": 30.2}]}'


def read_batch(body: bytes, content_type: str, *, what: str = "observations", sample: str = SAMPLE) -> pa.Table:
    """Read observations, or other rows, as they came; what they say is not checked here.

    Args:
        body: of the request.
        content_type: JSON, or an Arrow stream.
        what: the rows are. sample: of a body, for the answer to one that cannot be read.
    Raises:
        Refused: 415 for another type, 400 for a body that is not of its type.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == ARROW:
        return _arrow(body)
    if kind != "application/json":
        raise Refused(415, f"{what} of type `{kind[:60]}`", code="media_type", help=f"application/json or {ARROW}")
    try:
        batch = _BATCH.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Refused(
            400, f"the body is no batch of {what}: {error}", code="malformed", help=sample,
        ) from None  # fmt: skip
    if (batch.rows is msgspec.UNSET) == (batch.columns is msgspec.UNSET):
        raise Refused(400, "a batch has either `rows` or `columns`", code="malformed", help="give one of the two")
    columns = _columns(batch.rows) if batch.rows is not msgspec.UNSET else batch.columns
    assert columns is not msgspec.UNSET
    lengths = {name: len(values) for name, values in columns.items()}
    if len(lengths) > MAX_COLUMNS:
        raise Refused(400, f"{len(lengths)} columns", code="malformed", help=f"at most {MAX_COLUMNS}")
    if len(set(lengths.values())) > 1:
        raise Refused(400, "columns of different lengths", code="malformed", help=f"each column has one value for each of the {what}")
    return pa.table({name: _array(values) for name, values in columns.items()})


def batch_document(row: dict[str, Any], *, sample: str, answer: dict[str, Any], told: str) -> dict[str, Any]:
    """Return what the API's document says of a route that takes a batch, by rows or by columns or as an Arrow stream.

    Args:
        row: schema of one row; what it requires is required of columns too.
        sample: of a body. answer: schema of the answer as JSON. told: what the answer tells.
    """
    by_columns = {"type": "object", "required": row["required"], "additionalProperties": {"type": "array"}}
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"oneOf": [_one_of("rows", {"type": "array", "items": row}), _one_of("columns", by_columns)]},
                    "example": msgspec.json.decode(sample),
                },
                ARROW: {"schema": {"type": "string", "contentMediaType": ARROW}},
            },
        },
        "responses": {
            "200": {
                "description": told,
                "content": {"application/json": {"schema": answer}, ARROW: {"schema": {"type": "string"}}},
            },
        },
    }


def _one_of(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": [name], "additionalProperties": False, "properties": {name: schema}}


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
    table = answered.decisions
    columns = _few(table) if len(table) <= FEW else _many(table.combine_chunks())
    return msgspec.json.encode(
        {"answers": {"row": answered.rows.to_pylist(), **columns}, **stamp_of(answered), **summary_of(answered)}
    )


def brief_as_json(brief: Brief) -> bytes:
    """Return a short answer as JSON by columns, as `answers_as_json` writes the same."""
    said = _ENCODER.encode({"answers": {"row": _ROWS[: len(brief.words)], **_said(brief.words)}})
    rest = _ENCODER.encode(
        {"accepted": brief.accepted, "duplicates": brief.duplicates, "late": brief.late, "rejected": (), "taken_before": False}
    )
    return said[:-1] + b"," + _about(brief.stamp, brief.staleness, brief.degraded)[1:-1] + b"," + rest[1:]


def words_of(column: pa.ChunkedArray) -> list[str]:
    """Return a column of few different texts as a list in which equal texts are one object."""
    found: list[str] = []
    for chunk in column.chunks:
        coded = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
        words = np.array(coded.dictionary.to_pylist(), object)
        found += words[coded.indices.to_numpy(zero_copy_only=False)].tolist()
    return found


def _few(table: pa.Table) -> dict[str, Any]:
    """Columns of answers, value by value: with few rows that costs less than what works by columns."""
    return _said(Words.of_table(table))


def _said(words: Words) -> dict[str, Any]:
    return {
        "terminal_id": words.terminal_id, "observed_at": [_instant(each) for each in words.observed_at],
        "decided_at": [_instant(each) for each in words.decided_at], "valid_until": [_instant(each) for each in words.valid_until],
        "outcome": words.outcome, "state": words.state, "rule": words.rule, "class": words.kind, "reasons": words.reasons,
        "obligations": words.obligations, "late": words.late,
    }  # fmt: skip


def _many(table: pa.Table) -> dict[str, Any]:
    """Columns of answers, by columns."""
    return {
        "terminal_id": table["terminal_id"].to_pylist(),
        **{name: _instants(table[name]) for name in _TIMES},
        **{name: words_of(table[name]) for name in ("outcome", "state", "rule", "class")},
        "reasons": _lists(table["reasons"], "code"),
        "obligations": _lists(table["obligations"]),
        "late": table["late"].to_pylist(),
    }


def stamp_of(answered: Answered) -> dict[str, Any]:
    """Return what answers were decided under, and how stale that is."""
    return _stamp_of(answered.stamp, answered.staleness, answered.degraded)


@lru_cache(maxsize=16)
def _about(stamp: Stamp, age: Staleness, degraded: tuple[str, ...]) -> bytes:
    """Return the same as JSON; all answers of a group have one."""
    return _ENCODER.encode(_stamp_of(stamp, age, degraded))


def _stamp_of(stamp: Stamp, age: Staleness, degraded: tuple[str, ...]) -> dict[str, Any]:
    return {
        "stamp": {
            "policy_digest": stamp.policy_digest, "rulebook": stamp.rulebook, "areas": stamp.areas, "lists": stamp.lists,
            "snapshot_seq": stamp.snapshot_seq, "evaluator": stamp.evaluator, "decided_at": _instant(stamp.decided_at_ns),
        },
        "staleness": {
            "policy_s": age.policy_s, "screening_s": age.screening_s, "witness_s": age.witness_s,
            "location_s": age.location_s, "clock_offset_ms": age.clock_offset_ms,
        },
        "degraded": list(degraded),
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
            if len(set(table.column_names)) < table.num_columns:  # also reads the names, which may be no text
                raise ValueError("two columns of one name")
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
    values = column.to_numpy()
    if len(values) and values[0] == values[-1] and (values == values[0]).all():
        return [_instant(int(values[0]))] * len(values)
    # A batch holds few different seconds; text is made once for each. Mostly they follow each other, so that none need be looked for.
    second = values // NS_PER_S
    first, last = (int(second.min()), int(second.max())) if len(second) else (0, 0)
    if last - first < len(second):
        seconds, which = np.arange(first, last + 1), second - first
    else:
        seconds, which = np.unique(second, return_inverse=True)
    begins = np.array([_instant(int(each) * NS_PER_S)[:-4] for each in seconds.tolist()], object)
    texts: list[str] = (begins[which] + _MILLIS[values % NS_PER_S // NS_PER_MS]).tolist()
    return texts


def _instant(ns: int) -> str:
    second, ms = divmod(ns // NS_PER_MS, 1_000)
    return f"{_second(second)}.{ms:03d}Z"


@lru_cache(maxsize=4_096)
def _second(second: int) -> str:
    return f"{_EPOCH + timedelta(seconds=second):%Y-%m-%dT%H:%M:%S}"


def _lists(column: pa.ChunkedArray, member: str | None = None) -> list[list[str]]:
    """Return lists of texts; equal lists are one object, since the rows of a batch have few different ones."""
    found: list[list[str]] = []
    for chunk in column.chunks:
        inner = chunk.flatten()
        coded = (inner.field(member) if member else inner).dictionary_encode()
        words, codes = coded.dictionary.to_pylist(), coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        lengths = chunk.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
        starts = np.cumsum(lengths) - lengths
        lists = np.empty(len(lengths), object)
        for length in np.unique(lengths).tolist():
            rows = np.flatnonzero(lengths == length)
            held = codes[starts[rows][:, None] + np.arange(length)]
            if len(words) ** length < 1 << 62:
                # The codes of a list as digits of one number: lists are equal where the numbers are.
                number = held @ (len(words) ** np.arange(length, dtype=np.int64))
                _, first, which = np.unique(number, return_index=True, return_inverse=True)
            else:
                first = which = np.arange(len(rows))
            different = np.empty(len(first), object)
            for place, row in enumerate(held[first].tolist()):
                different[place] = [words[code] for code in row]
            lists[rows] = different[which]
        found += lists.tolist()
    return found
