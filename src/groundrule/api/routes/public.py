"""The public page: what everybody may see, without a login."""

from __future__ import annotations

import threading
import time
from typing import Annotated, Final

import msgspec
from litestar import get
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenService
from groundrule.api.principal import DEFAULT_TENANT
from groundrule.api.problems import Refused
from groundrule.instant import format_instant
from groundrule.pipeline.public_view import PublicView, public_view
from groundrule.store.home import Home

KEPT_S: Final = 15.0
"""How long an answer is kept: strangers may ask often, and the log is folded for each [s]."""


class AggregateRow(msgspec.Struct):
    """Terminals with an outcome, rounded; groups that are too small are in no row."""

    area: str
    outcome: str
    rule: str
    terminals: int


class AggregateDay(msgspec.Struct):
    """The aggregates of one day.

    Attributes:
        day: UTC.
        sha256: of the published file, as entry `entry` of the log names it [hex].
    """

    day: str
    sha256: str
    entry: int
    rows: list[AggregateRow]


class SealedThing(msgspec.Struct):
    """Something sealed, and the day on which it must be opened.

    Attributes:
        commitment: to it, in the log.
        kind: what it is, in public words.
        entry: of the log.
        disclose_by: when it must be open.
        opened_at: when it was opened; null while it is closed.
        overdue_days: whole days beyond its time; null where it is not overdue.
    """

    commitment: str
    kind: str
    entry: int
    disclose_by: str
    opened_at: str | None
    overdue_days: int | None


class PublicEmergency(msgspec.Struct):
    """An emergency, as the log has it.

    Attributes:
        terminals: how many it names; the log does not tell which.
        until: when it ends, if it is not ended before.
        ended: how it ended: `expired`, `reverted` or `closed`.
        review: verdict of its review.
    """

    id: str
    condition: str
    direction: str
    ops: list[str]
    areas: list[str]
    terminals: int
    opened_at: str
    until: str
    review_due: str
    active: bool
    ended: str | None
    review: str | None
    review_overdue: bool


class Charter(msgspec.Struct):
    """The charter in force.

    Attributes:
        version: counts up.
        until: when it expires.
        policy: digest of the policy in force [hex].
    """

    version: int
    until: str
    policy: str | None


class BasisCount(msgspec.Struct):
    """Requests with one legal basis and one outcome."""

    legal_basis: str
    outcome: str
    number: int


class BodyCount(msgspec.Struct):
    """Requests of bodies with a public role; `jurisdiction` is `unknown` where none is registered."""

    jurisdiction: str
    number: int


class Requests(msgspec.Struct):
    """Requests from outside, as far as who asked is public.

    Attributes:
        by_basis: all of them.
        by_public_bodies: those of governments, heads of state and international organisations; who else asked the log does not tell.
    """

    by_basis: list[BasisCount]
    by_public_bodies: list[BodyCount]


class Public(msgspec.Struct):
    """What everybody may see.

    Attributes:
        at: as of this instant.
        charter: null where nobody governs.
        aggregates: newest day first.
        disclosures: open first.
        reviews_overdue: ids of emergencies and contacts whose review is.
        emergencies: newest first.
        emergencies_30_days: opened in the last 30 days.
        statistics: counts that whoever has the log can make.
    """

    at: str
    charter: Charter | None
    aggregates: list[AggregateDay]
    disclosures: list[SealedThing]
    reviews_overdue: list[str]
    emergencies: list[PublicEmergency]
    emergencies_30_days: int
    statistics: dict[str, int]
    requests: Requests


_LOCK: Final = threading.Lock()
_VIEWS: Final[dict[str, tuple[float, int, PublicView]]] = {}


@get(
    "/v1/public", opt={"permission": "public:read", "open": True}, sync_to_thread=True,
    summary="What everybody may see: aggregates, statistics, disclosures, emergencies",
)  # fmt: skip
def public(service: GivenService, tenant: Annotated[str, Parameter(max_length=80)] = DEFAULT_TENANT) -> Public:
    """Give what stands in the public log, and what was published with small groups left out."""
    if tenant not in service.homes:
        raise Refused(404, "there is no such log here", code="missing")
    at_ns, found = _view(service.homes[tenant].home, service.clock())
    charter = None
    if found.governed and found.charter_version is not None and found.charter_until_ns is not None:
        charter = Charter(found.charter_version, format_instant(found.charter_until_ns), found.policy)
    return Public(
        format_instant(at_ns), charter,
        [AggregateDay(each.day, each.sha256, each.entry, [AggregateRow(*row) for row in each.rows]) for each in found.days],
        [
            SealedThing(
                each.commitment, each.kind, each.entry, format_instant(each.disclose_by_ns),
                None if each.opened_at_ns is None else format_instant(each.opened_at_ns), each.overdue_days,
            )
            for each in found.disclosures
        ],
        list(found.reviews_overdue),
        [
            PublicEmergency(
                each.id, each.condition, each.direction, list(each.ops), list(each.areas), each.terminals,
                format_instant(each.opened_at_ns), format_instant(each.until_ns), format_instant(each.review_due_ns), each.active,
                each.closed, each.review, each.overdue,
            )
            for each in found.emergencies
        ],
        found.emergencies_30_days, dict(found.statistics),
        Requests(
            [BasisCount(basis, outcome, number) for (basis, outcome), number in sorted(found.by_basis.items())],
            [BodyCount(name, number) for name, number in found.by_public_bodies.items()],
        ),
    )  # fmt: skip


def _view(home: Home, now_ns: int) -> tuple[int, PublicView]:
    """Return what everybody may see, and as of when; one reader at a time makes it anew."""
    with _LOCK:
        key = str(home.path)
        held = _VIEWS.get(key)
        if held is None or time.monotonic() - held[0] > KEPT_S:
            held = _VIEWS[key] = (time.monotonic(), now_ns, public_view(home, now_ns=now_ns))
        return held[1], held[2]


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (public,)
