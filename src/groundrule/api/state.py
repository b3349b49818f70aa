"""What the application holds: homes by tenant, credentials, and counters."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from groundrule.api.credentials import Desk
from groundrule.api.limits import Limiter
from groundrule.api.metrics import Metrics
from groundrule.api.settings import Settings
from groundrule.errors import ConflictError
from groundrule.pipeline.case_desk import CaseDesk
from groundrule.pipeline.explain_desk import ExplainDesk
from groundrule.pipeline.interference_desk import InterferenceDesk
from groundrule.pipeline.log_watch import LogWatch
from groundrule.pipeline.sky import Sky

if TYPE_CHECKING:
    from groundrule.api.jobs import Jobs
    from groundrule.api.outlets import Outlet
    from groundrule.pipeline.live import Live

Part = TypeVar("Part")

COOKIE: Final = "groundrule_session"
REQUEST_HEADER: Final = "X-Groundrule-Request"
"""Requests that change something and come with a cookie carry it: a foreign page cannot set it."""


@dataclass(slots=True)
class Service:
    """Everything behind the routes.

    Attributes:
        homes: the open home of each tenant.
        desk: gives and judges credentials.
        settings: how it runs.
        jobs: work that takes longer than a request.
        limiter: who asks how often.
        metrics: counters for Prometheus.
        clock: the time [ns, UTC].
        started_ns: when it started [ns, UTC].
        outlets: tell others what happens in the home of each tenant.
        explainers: explain decisions of the home of each tenant.
        watches: look at the log of the home of each tenant.
        skies: know the satellites of the home of each tenant.
        disturbed: look for interference in the history of each tenant.
        case_desks: hold the cases of each tenant.
        closing: it ends; whoever waits should leave.
    """

    homes: Mapping[str, Live]
    desk: Desk
    settings: Settings
    jobs: Jobs
    limiter: Limiter = field(init=False)
    metrics: Metrics = field(default_factory=Metrics)
    clock: Callable[[], int] = time.time_ns
    outlets: Mapping[str, Outlet] = field(default_factory=dict)
    started_ns: int = field(init=False)
    explainers: Mapping[str, ExplainDesk] = field(init=False)
    watches: Mapping[str, LogWatch] = field(init=False)
    skies: Mapping[str, Sky] = field(init=False)
    disturbed: Mapping[str, InterferenceDesk] = field(init=False)
    case_desks: Mapping[str, CaseDesk] = field(init=False)

    closing: bool = False

    def __post_init__(self) -> None:
        self.limiter = Limiter(self.settings.rates)
        self.started_ns = self.clock()
        self.explainers = {tenant: ExplainDesk(live.home) for tenant, live in self.homes.items()}
        self.watches = {tenant: LogWatch(live.home, self.clock) for tenant, live in self.homes.items()}
        self.skies = {tenant: Sky(live.home) for tenant, live in self.homes.items()}
        self.disturbed = {tenant: InterferenceDesk(live.home) for tenant, live in self.homes.items()}
        self.case_desks = {tenant: CaseDesk(live.home) for tenant, live in self.homes.items()}

    def close(self) -> None:
        """End what works beside the requests."""
        self.closing = True
        self.jobs.close()
        for outlet in self.outlets.values():
            outlet.close()
        for explainer in self.explainers.values():
            explainer.close()
        for watch in self.watches.values():
            watch.close()
        for each in self.disturbed.values():
            each.close()

    def outlet(self, tenant: str) -> Outlet:
        """Return what tells others what happens in the home of a tenant.

        Raises:
            ConflictError: credentials name a tenant that this service does not hold.
        """
        return _held(self.outlets, tenant)

    def sky(self, tenant: str) -> Sky:
        """Return the satellites of the home of a tenant.

        Raises:
            ConflictError: credentials name a tenant that this service does not hold.
        """
        return _held(self.skies, tenant)

    def interference(self, tenant: str) -> InterferenceDesk:
        """Return what looks for interference in the home of a tenant.

        Raises:
            ConflictError: credentials name a tenant that this service does not hold.
        """
        return _held(self.disturbed, tenant)

    def case_desk(self, tenant: str) -> CaseDesk:
        """Return the cases of the home of a tenant.

        Raises:
            ConflictError: credentials name a tenant that this service does not hold.
        """
        return _held(self.case_desks, tenant)

    def live(self, tenant: str) -> Live:
        """Return the open home of a tenant.

        Raises:
            ConflictError: credentials name a tenant that this service does not hold.
        """
        return _held(self.homes, tenant)


def _held(parts: Mapping[str, Part], tenant: str) -> Part:
    """Return the part of a tenant; ConflictError where credentials name one that this service does not hold."""
    try:
        return parts[tenant]
    except KeyError:
        raise ConflictError("your credentials are for another service", help="ask whoever gave them to you") from None
