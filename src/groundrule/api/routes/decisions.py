"""Every stored decision about a terminal, and where it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from litestar import get
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenLive, GivenPrincipal
from groundrule.api.paging import Cursor, Limit, Page, decode_cursor, encode_cursor
from groundrule.api.paths import Id, id_of
from groundrule.api.seen import Sight, decisive, sight_of
from groundrule.api.terminal_facts import AreaHit, From, OutcomeWord, StateWord, Until, area_names, number, visible
from groundrule.instant import format_instant

MAX_POINTS: Final = 10_000
_OF_A_TRACK: Final = ("outcome", "state")


class ReasonLine(msgspec.Struct):
    """One reason of a decision."""

    code: str
    rule: str
    class_: str = msgspec.field(name="class")


class Decision(msgspec.Struct):
    """One stored decision.

    Attributes:
        observed_at, decided_at, valid_until: its times.
        outcome, state, obligations: what was answered.
        rule, reasons, areas, evidence: why; null or empty for owners and regulators.
        reason: code of the decisive reason.
        lat, lon: where the terminal was [degree]; null if unknown.
        rulebook, areas_version, lists_version, register_revision, engine: under what it was decided.
        run: that stored it; `correction`: because an observation came late.
        superseded: a later run decided the same observation again.
    """

    observed_at: str
    decided_at: str
    valid_until: str
    outcome: OutcomeWord
    state: StateWord
    rule: str | None
    reason: str
    reasons: list[ReasonLine]
    obligations: list[str]
    lat: float | None
    lon: float | None
    areas: list[AreaHit]
    evidence: str | None
    rulebook: str
    areas_version: str
    lists_version: str
    register_revision: int
    engine: str
    run: int
    correction: bool
    superseded: bool


class Point(msgspec.Struct):
    """One place of a track."""

    observed_at: str
    lat: float | None
    lon: float | None
    outcome: OutcomeWord
    state: StateWord


class Track(msgspec.Struct):
    """Where a terminal was, in order of time.

    Attributes:
        items: the newest that were asked for, oldest first; what was corrected is left out.
        more: there are older ones.
    """

    items: list[Point]
    more: bool


@get(
    "/v1/terminals/{terminal:str}/decisions", opt={"permission": "decisions:read"}, sync_to_thread=True,
    summary="Every stored decision about a terminal, newest first",
)  # fmt: skip
def decisions(
    live: GivenLive,
    principal: GivenPrincipal,
    terminal: Id,
    since: From = None,
    until: Until = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Decision]:
    """List stored decisions with those that corrected them; what was acknowledged a moment ago follows with the next run."""
    name, sight = id_of(terminal, "terminal"), sight_of(live, principal)
    place = decode_cursor(cursor, _is_place)
    enough = limit + 1 + (0 if place is None else place[2])
    while True:
        table, more = visible(live, name, sight, enough, since, until, before_ns=None if place is None else place[0] + 1)
        page, following = _page(table, limit, place)
        if following is not None or not more:
            break
        enough = max(enough, len(table)) * 4
    names = area_names(live.basis.areas) if not sight.closed else {}
    items = [_decision(each, sight, names) for each in page.to_pylist()]
    return Page(items, None if following is None else encode_cursor(following))


@get(
    "/v1/terminals/{terminal:str}/track", opt={"permission": "decisions:read"}, sync_to_thread=True,
    summary="Where a terminal was, and what it was answered there",
)  # fmt: skip
def track(
    live: GivenLive,
    principal: GivenPrincipal,
    terminal: Id,
    since: From = None,
    until: Until = None,
    limit: Annotated[int, Parameter(ge=1, le=MAX_POINTS, description="At most so many places, the newest.")] = 2_000,
) -> Track:
    """Give the places of a terminal in order of time."""
    name, sight = id_of(terminal, "terminal"), sight_of(live, principal)
    enough = limit + 1
    while True:
        table, more = visible(live, name, sight, enough, since, until, columns=_OF_A_TRACK)
        enough = max(enough, len(table)) * 4
        table = table.filter(pc.invert(table.column("superseded")))
        if not more or len(table) > limit:
            break
    kept = table.slice(max(0, len(table) - limit)).select(["observed_at", "lat_deg", "lon_deg", "outcome", "state"])
    items = [
        Point(format_instant(each["observed_at"]), number(each["lat_deg"]), number(each["lon_deg"]), each["outcome"], each["state"])
        for each in kept.to_pylist()
    ]
    return Track(items, len(table) > limit)



def _decision(row: Mapping[str, Any], sight: Sight, names: Mapping[str, str]) -> Decision:
    closed = sight.closed
    return Decision(
        format_instant(row["observed_at"]), format_instant(row["decided_at"]), format_instant(row["valid_until"]),
        row["outcome"], row["state"], None if closed else row["rule"], decisive(row["reasons"]),
        [] if closed else [ReasonLine(each["code"], each["rule"], each["class"]) for each in row["reasons"]],
        list(row["obligations"]), number(row["lat_deg"]), number(row["lon_deg"]),
        [] if closed else [
            AreaHit(each["id"], names.get(each["id"], each["id"]), each["membership"], round(float(each["probability"]), 4))
            for each in row["areas"]
        ],
        None if closed else row["evidence"], row["rulebook"], row["areas_version"], row["lists_version"], row["register_revision"],
        row["engine"], row["run"], row["correction"], row["superseded"],
    )  # fmt: skip


def _is_place(found: Any) -> bool:
    whole = isinstance(found, list) and len(found) == 3 and all(type(each) is int and abs(each) < 1 << 62 for each in found)
    return whole and found[2] >= 0


def _page(table: pa.Table, limit: int, place: list[int] | None) -> tuple[pa.Table, list[int] | None]:
    """Cut a page out of decisions, newest first.

    Args:
        table: in order of time.
        limit: rows of the page.
        place: observation, version, and how many rows of both were given; what came meanwhile is newer and moves nothing.
    """
    table = table.take(pa.array(np.arange(len(table))[::-1]))
    observed = table.column("observed_at").to_numpy()
    version = table.column("run").to_numpy().astype(np.int64) * 2 + table.column("correction").to_numpy(zero_copy_only=False)
    first = 0
    if place is not None:
        newer = (observed > place[0]) | ((observed == place[0]) & (version > place[1]))
        first = int(newer.sum()) + place[2]
    end = min(first + limit, len(table))
    if end >= len(table):
        return table.slice(first), None
    same = (observed[:end] == observed[end - 1]) & (version[:end] == version[end - 1])
    return table.slice(first, limit), [int(observed[end - 1]), int(version[end - 1]), int(same.sum())]


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (decisions, track)
