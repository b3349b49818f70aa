"""Is it alive, is it ready, what does it count, and what can it do."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.types import ControllerRouterHandler

from groundrule.api.document import document
from groundrule.api.given import GivenPrincipal, GivenService

OPENAPI: Final = "application/vnd.oai.openapi+json;version=3.1"


class Check(msgspec.Struct):
    """One thing that must be in order.

    Attributes:
        name: what is checked.
        ok: whether it is in order.
        why: one sentence.
    """

    name: str
    ok: bool
    why: str


class Readiness(msgspec.Struct):
    """Whether the service can take decisions.

    Attributes:
        ready: everything that decisions cannot do without is in order.
        checks: each with its reason, for whoever may read the status; others learn which it is.
    """

    ready: bool
    checks: list[Check]


@get("/healthz", opt={"permission": "health:read", "open": True}, media_type=MediaType.TEXT, summary="Does the process answer?")
async def healthz() -> str:
    """Answer while the process lives."""
    return "ok\n"


@get("/readyz", opt={"permission": "health:read", "open": True}, summary="Can it take decisions?", raises=[])
async def readyz(service: GivenService, principal: GivenPrincipal) -> Response[Readiness]:
    """Answer 200 while decisions are taken, else 503.

    What is down beside that (witnesses, a list that is old) is named and does not make it 503: a service that decides under a
    fault must not be taken out, or the outage would cut off whom the degraded modes protect.
    """
    found = [tenant.status() for tenant in service.homes.values()]
    told = principal.may("status:read")  # reasons name files of this machine
    checks = [Check(each.name, each.ok, each.why if told else "") for status in found for each in status.checks]
    ready = all(status.ready for status in found)
    return Response(Readiness(ready, checks), status_code=200 if ready else 503)


@get("/metrics", opt={"permission": "metrics:read"}, media_type=MediaType.TEXT, summary="Counters for Prometheus")
async def metrics(service: GivenService) -> Response[bytes]:
    """Give the counters; none names a terminal, account, person or area."""
    text = await asyncio.to_thread(service.metrics.text, service.homes, service.outlets, service.clock())
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


_DOCUMENT: Final = {"responses": {"200": {"content": {OPENAPI: {"schema": {"type": "object"}}}}}}


@get(
    "/openapi.json", opt={"permission": "health:read", "open": True, "openapi": _DOCUMENT}, summary="This document", media_type=OPENAPI
)
async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Give the OpenAPI document of this service."""
    return Response(msgspec.json.encode(document(request.app)), media_type=OPENAPI)


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (healthz, readyz, metrics, openapi)
