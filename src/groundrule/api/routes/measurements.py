"""Measurements in, verdicts out: acknowledged means durable."""

from __future__ import annotations

import asyncio
import io
from typing import Any, Final

import msgspec
import pyarrow as pa
from litestar import Request, Response, post
from litestar.types import ControllerRouterHandler

from groundrule.api.batches import ARROW, MAX_BODY, SHORT_BODY, Key, batch_document, read_batch
from groundrule.api.given import GivenLive, GivenPrincipal
from groundrule.instant import format_instant
from groundrule.pipeline.live.measuring import Measured
from groundrule.verify.measurements import KINDS, TRUST

LISTED: Final = 1_000
"""Rejected rows that are named; all are counted."""
_SAMPLE: Final = (
    '{"rows": [{"terminal_id": "t-1", "observed_at": "2026-06-03T05:00:12Z", "satellite": 44713, "kind": "rtt", "value": 0.0061, '
    '"sigma": 1e-6, "trust": "network"}]}'
)
_NUMBER: Final = {"type": ["number", "null"]}
_MEASUREMENT: Final = {
    "type": "object",
    "required": ["terminal_id", "observed_at", "kind"],
    "properties": {
        "terminal_id": {"type": "string", "minLength": 1, "maxLength": 200},
        "observed_at": {"type": "string", "format": "date-time", "description": "or nanoseconds since 1970, as a whole number"},
        "kind": {"enum": list(KINDS), "description": "docs/verify.md has their units"},
        "satellite": {"type": ["integer", "null"], "minimum": 1, "maximum": 999_999_999, "description": "catalogue number"},
        "value": _NUMBER, "sigma": _NUMBER, "time_of": {"enum": ["t2", "rx", None]}, "trust": {"enum": [*TRUST, None]},
        **dict.fromkeys(
            (
                "precomp", "carrier_hz", "feeder_m", "cal_m", "cal_sigma_m", "cell_lat_deg", "cell_lon_deg", "cell_radius_m", "quantum",
                "acf_sum",
            ),
            _NUMBER,
        ),
        "locked": {"type": ["boolean", "null"]},
    },
}  # fmt: skip
_TEXTS: Final = {"type": "array", "items": {"type": "string"}}
_ANSWER: Final = {
    "type": "object",
    "required": ["verifications", "accepted", "rejected", "rejected_count", "taken_before"],
    "properties": {
        "verifications": {
            "type": "object", "description": "by columns, one row for each terminal and window; `id` as /v1/verifications has it",
            "properties": {
                "id": _TEXTS, "terminal": _TEXTS, "at": _TEXTS, "verdict": _TEXTS, "assurance": _TEXTS,
                "usable": {"type": "array", "items": {"type": "boolean"}}, "conditions": {"type": "array", "items": _TEXTS},
            },
        },
        "accepted": {"type": "integer", "description": "measurements that were used"},
        "rejected": {"type": "array", "items": {"type": "object"}, "description": f"the first {LISTED:,} of the others, and why"},
        "rejected_count": {"type": "integer"},
        "taken_before": {"type": "boolean"},
    },
}  # fmt: skip
_DOCUMENT: Final = batch_document(_MEASUREMENT, sample=_SAMPLE, answer=_ANSWER, told="Verified; the verifications are durable")


@post(
    "/v1/measurements", status_code=200, request_max_body_size=MAX_BODY, summary="Hand in measurements; answered when they are verified",
    opt={"permission": "measurements:write", "idempotency": "own", "openapi": _DOCUMENT},
)  # fmt: skip
async def measure(request: Request[Any, Any, Any], live: GivenLive, principal: GivenPrincipal, key: Key = None) -> Response[bytes]:
    """Verify terminals by what the network measured, and keep the verifications durably.

    Observations of these terminals that come after the answer are decided with it. Rows that cannot be used are counted and named, and
    lose nothing beside them. Where orbits are old or not loaded, the verdict is `insufficient`, with the reason.
    """
    body, kind = await request.body(), request.headers.get("content-type", "")
    table = await asyncio.to_thread(_read, body, kind) if len(body) > SHORT_BODY else _read(body, kind)
    answer = await asyncio.wrap_future(live.measuring.submit(table, source=principal.id, key=key))
    arrow = ARROW in request.headers.get("accept", "")
    return Response(_as_arrow(answer) if arrow else _as_json(answer), media_type=ARROW if arrow else "application/json")


def _read(body: bytes, kind: str) -> pa.Table:
    return read_batch(body, kind, what="measurements", sample=_SAMPLE)


def _rejected(answer: Measured) -> list[dict[str, Any]]:
    return [
        {"row": each.row, "reason": each.reason, "field": each.field, "value": each.value, "wanted": each.wanted}
        for each in answer.rejected[:LISTED]
    ]


def _as_json(answer: Measured) -> bytes:
    found = answer.verifications
    columns = {
        "id": [each.removeprefix("sha256:") for each in found["inputs"].to_pylist()], "terminal": found["terminal_id"].to_pylist(),
        "at": [format_instant(each) for each in found["at_ns"].to_pylist()],
        **{name: found[name].to_pylist() for name in ("verdict", "assurance", "usable", "conditions")},
    }  # fmt: skip
    return msgspec.json.encode(
        {
            "verifications": columns, "accepted": answer.accepted, "rejected": _rejected(answer),
            "rejected_count": len({each.row for each in answer.rejected}), "taken_before": answer.taken_before,
        }
    )  # fmt: skip


def _as_arrow(answer: Measured) -> bytes:
    about = {"accepted": answer.accepted, "rejected": _rejected(answer), "rejected_count": len({each.row for each in answer.rejected}),
             "taken_before": answer.taken_before}  # fmt: skip
    table = answer.verifications.replace_schema_metadata({"measurements": msgspec.json.encode(about)})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (measure,)
