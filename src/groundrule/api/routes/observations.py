"""Observations in, decisions out: acknowledged means durable."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pyarrow as pa
from litestar import Request, Response, post
from litestar.types import ControllerRouterHandler

from groundrule.api.batches import (
    ARROW,
    FEW,
    MAX_BODY,
    SAMPLE,
    SHORT_BODY,
    Key,
    answers_as_arrow,
    answers_as_json,
    batch_document,
    read_batch,
)  # fmt: skip
from groundrule.api.given import GivenLive, GivenService
from groundrule.api.principal import Principal
from groundrule.api.state import Service
from groundrule.pipeline.live import Answered

_OBSERVATION: Final = {
    "type": "object",
    "required": ["terminal_id", "observed_at"],
    "properties": {
        "terminal_id": {"type": "string", "minLength": 1, "maxLength": 200},
        "observed_at": {"type": "string", "format": "date-time", "description": "or nanoseconds since 1970, as a whole number"},
        "lat_deg": {"type": ["number", "null"], "minimum": -90, "maximum": 90},
        "lon_deg": {"type": ["number", "null"], "minimum": -180, "maximum": 180},
        "h3_cell": {"type": ["string", "null"]},
        "position_sigma_m": {"type": ["number", "null"], "minimum": 0},
        "position_source": {"enum": ["gnss", "network", "fused", "cell", "none", None]},
        "alt_m": {"type": ["number", "null"]},
        "speed_m_s": {"type": ["number", "null"], "minimum": 0},
        "course_deg": {"type": ["number", "null"]},
        "country_reported": {"type": ["string", "null"]},
        "software_version": {"type": ["string", "null"]},
        "gnss_state": {"enum": ["normal", "lost", "inhibited", None], "description": "what the terminal says of its satellite navigation"},
        "served": {"type": ["boolean", "null"], "description": "did the network carry traffic for it since its last observation?"},
    },
}
_TEXTS: Final = {"type": "array", "items": {"type": "string"}}
_SECONDS: Final = {"type": ["integer", "null"]}
_ANSWERS: Final = {
    "type": "object",
    "required": ["answers", "stamp", "staleness", "degraded", "accepted", "duplicates", "late", "rejected", "taken_before"],
    "properties": {
        "answers": {
            "type": "object",
            "description": "by columns; `row` is the place in what was sent",
            "properties": {
                "row": {"type": "array", "items": {"type": "integer"}}, "terminal_id": _TEXTS, "observed_at": _TEXTS, "decided_at": _TEXTS,
                "valid_until": _TEXTS,
                "outcome": {"type": "array", "items": {"enum": ["serve", "restrict", "review", "deny"]}}, "state": _TEXTS,
                "rule": _TEXTS, "class": {"type": "array", "items": {"enum": ["protected", "ordinary", "conflict"]}},
                "reasons": {"type": "array", "items": _TEXTS}, "obligations": {"type": "array", "items": _TEXTS},
                "late": {"type": "array", "items": {"type": "boolean"}},
            },
        },
        "stamp": {"type": "object", "description": "what the answers were decided under"},
        "staleness": {
            "type": "object",
            "properties": dict.fromkeys(("policy_s", "screening_s", "witness_s", "location_s", "clock_offset_ms"), _SECONDS),
        },
        "degraded": _TEXTS,
        "accepted": {"type": "integer"},
        "duplicates": {"type": "integer"},
        "late": {"type": "integer"},
        "rejected": {"type": "array", "items": {"type": "object"}},
        "taken_before": {"type": "boolean"},
    },
}  # fmt: skip
_DOCUMENT: Final = batch_document(_OBSERVATION, sample=SAMPLE, answer=_ANSWERS, told="Decided; what was stored is durable")


@post(
    "/v1/observations", status_code=200, request_max_body_size=MAX_BODY, summary="Hand in observations; answered when they are durable",
    opt={"permission": "observations:write", "idempotency": "own", "openapi": _DOCUMENT},
)  # fmt: skip
async def observe(request: Request[Any, Any, Any], key: Key = None) -> Response[bytes]:
    """Store observations durably and answer each with its decision.

    Rows that cannot be used are counted and named, and lose nothing beside them. A row that is not later than what is known of
    its terminal is stored and answered with the terminal's present decision.
    """
    # What other routes are given is taken here: on this route each microsecond is one of the fleet's.
    service: Service = request.app.state.service
    principal: Principal = request.scope["user"]
    table = await _table(request)
    waiting = service.live(principal.tenant).submit(table, source=principal.id, key=key)
    return await _answer(request, service, await asyncio.wrap_future(waiting))


@post(
    "/v1/decisions/evaluate", status_code=200, request_max_body_size=MAX_BODY, summary="What would be decided? Nothing is stored",
    opt={"permission": "decisions:evaluate", "idempotency": "own", "openapi": _DOCUMENT},
)  # fmt: skip
async def evaluate(request: Request[Any, Any, Any], live: GivenLive, service: GivenService) -> Response[bytes]:
    """Decide observations under what is in force, and leave nothing behind."""
    table = await _table(request)
    return await _answer(request, service, await asyncio.wrap_future(live.evaluate(table)))


async def _table(request: Request[Any, Any, Any]) -> pa.Table:
    """Read what came; what is long is read on another thread, so that nobody waits for it: a thread costs more than a row."""
    body, kind = await request.body(), request.headers.get("content-type", "")
    return read_batch(body, kind) if len(body) <= SHORT_BODY else await asyncio.to_thread(read_batch, body, kind)


async def _answer(request: Request[Any, Any, Any], service: Service, answered: Answered) -> Response[bytes]:
    service.metrics.count(answered)
    arrow = ARROW in request.headers.get("accept", "")
    write = answers_as_arrow if arrow else answers_as_json
    body = write(answered) if len(answered.decisions) <= FEW else await asyncio.to_thread(write, answered)
    return Response(body, media_type=ARROW if arrow else "application/json")


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (observe, evaluate)
