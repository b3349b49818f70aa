"""How the service is: what is degraded, how stale everything is, what was counted."""

from __future__ import annotations

from typing import Final

import msgspec
from litestar import get
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenLive, GivenService
from groundrule.instant import format_instant


class StatusCheck(msgspec.Struct):
    """One thing that must be well.

    Attributes:
        name: what was looked at.
        ok: it is well.
        why: what is wrong, or what it shows.
        vital: without it the service is not ready.
    """

    name: str
    ok: bool
    why: str
    vital: bool


class Ages(msgspec.Struct):
    """How old is what answers rest on; null is unknown.

    Attributes:
        policy_s: since what is in force was last found to be what the log says [s].
        screening_s: age of the oldest of the newest sanctions lists [s].
        witness_s: since a quorum of witnesses saw the newest published head [s].
        clock_offset_ms: our clock minus that of the witnesses [ms].
    """

    policy_s: int | None
    screening_s: int | None
    witness_s: int | None
    clock_offset_ms: int | None


class Under(msgspec.Struct):
    """What is decided under now: digests of rulebook, areas and lists, the last signed snapshot, and the engine."""

    policy_digest: str
    rulebook: str
    areas: str
    lists: str
    snapshot_seq: int
    evaluator: str


class Status(msgspec.Struct):
    """How the service is.

    Attributes:
        ready: everything vital is well.
        now: the service's clock.
        degraded: active causes, `degraded:<cause>`.
        staleness: how old everything is.
        checks: what was looked at.
        counters: what happened since the start.
        pending: acknowledged observations that no run holds yet.
        newest_observed_at: the latest observation of all.
        run: number of the last run.
        commit_every_s: how often a run is made at least, while observations wait [s].
        stamp: what is decided under.
        terminals: that were decided at least once.
    """

    ready: bool
    now: str
    degraded: list[str]
    staleness: Ages
    checks: list[StatusCheck]
    counters: dict[str, int]
    pending: int
    newest_observed_at: str | None
    run: int
    commit_every_s: float
    stamp: Under | None
    terminals: int


@get("/v1/status", opt={"permission": "status:read"}, summary="Degraded causes, staleness, checks and counters")
async def status(live: GivenLive, service: GivenService) -> Status:
    """Say how the service is."""
    found = live.status()
    age, stamp = found.staleness, found.stamp
    return Status(
        found.ready, format_instant(service.clock()), list(found.degraded),
        Ages(age.policy_s, age.screening_s, age.witness_s, age.clock_offset_ms),
        [StatusCheck(each.name, each.ok, each.why, each.vital) for each in found.checks], dict(sorted(found.counters.items())),
        found.pending_rows, None if found.newest_observed_ns is None else format_instant(found.newest_observed_ns), found.run,
        live.settings.commit_every_s,
        None if stamp is None else Under(
            stamp.policy_digest, stamp.rulebook, stamp.areas, stamp.lists, stamp.snapshot_seq, stamp.evaluator
        ),
        len(live.fleet()),
    )  # fmt: skip


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (status,)
