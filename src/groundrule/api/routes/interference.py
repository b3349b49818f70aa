"""Interference with satellite navigation: where and when many terminals lost it, jumped, or were contradicted by radio together."""

from __future__ import annotations

import asyncio
from concurrent.futures import wait
from typing import Annotated, Any, Final, Literal

import msgspec
import pyarrow as pa
from litestar import Response, get
from litestar.params import Parameter, QueryParameter
from litestar.types import ControllerRouterHandler

from groundrule.api.drawings import Drawings, Form, drawn_as
from groundrule.api.given import GivenLive, GivenPrincipal, GivenService
from groundrule.api.principal import Principal
from groundrule.api.problems import Refused
from groundrule.api.state import Service
from groundrule.api.times import instant_of
from groundrule.instant import NS_PER_S, format_instant
from groundrule.pipeline.interference import MIN_OWNERS, MIN_TERMINALS, Found, geojson, published
from groundrule.pipeline.interference_desk import Watching
from groundrule.pipeline.live import Live

WAIT_S: Final = 2.0
"""How long an answer waits for a span that is being watched [s]."""
INTERNAL: Final = "interference:internal"
"""Who holds it sees every cell and number; all others, what could be published."""


class Interference(msgspec.Struct):
    """What was found in a span.

    Attributes:
        state: `ready`, or `working`: ask again in some seconds; then nothing but the span is said.
        from_: begin of the span; until: its end.
        seen_rows: observations that were looked at so far.
        terminals: distinct ones among them.
        suspended: observations whose positions would be suspended.
        internal: every cell and number is shown, else cells with enough troubled terminals of enough holders alone.
        least_terminals, least_holders: how many that is.
        cells: GeoJSON features with `kind` (`jump`, `lost`, `radio_disagrees`), `from`, `until`, `terminals`, `share`.
    """

    state: Literal["ready", "working"]
    from_: str = msgspec.field(name="from")
    until: str
    seen_rows: int
    terminals: int | None = None
    suspended: int | None = None
    internal: bool = False
    least_terminals: int = MIN_TERMINALS
    least_holders: int = MIN_OWNERS
    cells: dict[str, Any] | None = None


From = Annotated[
    str | None, QueryParameter(name="from", max_length=40, description="Begin of the span; the default is a day before its end.")
]
Until = Annotated[str | None, Parameter(max_length=40, description="End of the span; the default is the newest observation.")]
_EXAMPLE: Final = {
    "state": "ready", "from": "2026-06-02T06:00:00Z", "until": "2026-06-03T06:00:00Z", "seen_rows": 61440, "terminals": 512,
    "suspended": 1204, "internal": False, "least_terminals": MIN_TERMINALS, "least_holders": MIN_OWNERS,
    "cells": {"type": "FeatureCollection", "features": [{
        "type": "Feature", "geometry": {"type": "Polygon", "coordinates": []},
        "properties": {
            "h3_cell": "832d33fffffffff", "kind": "jump", "terminals": 41, "share": 0.8, "from": "2026-06-03T04:10:00Z",
            "until": "2026-06-03T04:31:00Z",
        },
    }]},
}  # fmt: skip


@get(
    "/v1/interference", summary="Where and when satellite navigation was disturbed", sync_to_thread=True,
    opt={
        "permission": "interference:read",
        "openapi": {"responses": {"200": {"content": {"application/json": {"example": _EXAMPLE}}}}},
    },
)  # fmt: skip
def interference(
    live: GivenLive, service: GivenService, principal: GivenPrincipal, from_: From = None, until: Until = None
) -> Interference:
    """Watch a span of history for areas in which many terminals are in trouble at once; the first question begins it."""
    watching = _watching(live, service, principal, from_, until)
    begin, end = format_instant(watching.from_ns), format_instant(watching.until_ns)
    wait([watching.future], WAIT_S)
    if not watching.future.done():
        return Interference("working", begin, end, watching.rows)
    found = watching.future.result()
    table, internal = _shown(found, principal)
    return Interference(
        "ready", begin, end, found.anomalies.rows, found.terminals, found.suspended, internal, MIN_TERMINALS, MIN_OWNERS, geojson(table)
    )


@get(
    "/v1/interference/map.png", summary="The map of a span as PNG",
    opt={"permission": "interference:read", "openapi": drawn_as("png", "The map")},
)  # fmt: skip
async def png(
    live: GivenLive, service: GivenService, principal: GivenPrincipal, from_: From = None, until: Until = None
) -> Response[bytes]:
    """Draw the cells of a span that was watched."""
    return await asyncio.to_thread(_picture, _watching(live, service, principal, from_, until), principal, "png")


@get(
    "/v1/interference/map.svg", summary="The map of a span as SVG",
    opt={"permission": "interference:read", "openapi": drawn_as("svg", "The map")},
)  # fmt: skip
async def svg(
    live: GivenLive, service: GivenService, principal: GivenPrincipal, from_: From = None, until: Until = None
) -> Response[bytes]:
    """Draw the cells of a span that was watched."""
    return await asyncio.to_thread(_picture, _watching(live, service, principal, from_, until), principal, "svg")


def _watching(live: Live, service: Service, principal: Principal, from_: str | None, until: str | None) -> Watching:
    newest = live.status().newest_observed_ns
    end = (newest + NS_PER_S if newest is not None else service.clock()) if until is None else instant_of(until, "until")
    return service.interference(principal.tenant).watch(end, None if from_ is None else instant_of(from_, "from"))


def _shown(found: Found, principal: Principal) -> tuple[pa.Table, bool]:
    if principal.may(INTERNAL):
        return found.anomalies.table, True
    return published(found.anomalies.table), False


_PICTURES: Final = Drawings(kept=8)


def _picture(watching: Watching, principal: Principal, form: Form) -> Response[bytes]:
    wait([watching.future], WAIT_S)
    if not watching.future.done():
        raise Refused(503, "the span is being watched", headers={"Retry-After": "5"}, help="ask again in 5 s", code="busy")
    found = watching.future.result()
    table, internal = _shown(found, principal)
    rows = table.to_pylist()
    cells = len({row["h3_cell"] for row in rows})
    kind = "internal: every cell" if internal else f"cells with at least {MIN_TERMINALS} troubled terminals of {MIN_OWNERS} holders"
    title = f"Interference with satellite navigation: {cells:,} cells"
    span = f"{format_instant(watching.from_ns)} to {format_instant(watching.until_ns)}"
    subtitle = f"{span} · {found.terminals:,} terminals watched · {kind}"

    def draw() -> bytes:
        from groundrule.evidence.interference_map import picture_of_interference  # noqa: PLC0415 - slow to load, and only this draws

        return picture_of_interference(rows, form, title=title, subtitle=subtitle)

    return _PICTURES.response((title, subtitle, str(rows)), form, f"interference-{format_instant(watching.until_ns)[:10]}", draw)


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (interference, png, svg)
