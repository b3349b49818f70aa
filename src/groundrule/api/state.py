"""What the application holds: homes by tenant, credentials, and counters."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from groundrule.api.credentials import Desk
from groundrule.api.limits import Limiter
from groundrule.api.metrics import Metrics
from groundrule.api.settings import Settings
from groundrule.errors import ConflictError

if TYPE_CHECKING:
    from groundrule.api.jobs import Jobs
    from groundrule.pipeline.live import Live

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
    """

    homes: Mapping[str, Live]
    desk: Desk
    settings: Settings
    jobs: Jobs
    limiter: Limiter = field(init=False)
    metrics: Metrics = field(default_factory=Metrics)
    clock: Callable[[], int] = time.time_ns
    started_ns: int = field(init=False)

    def __post_init__(self) -> None:
        self.limiter = Limiter(self.settings.rates)
        self.started_ns = self.clock()

    def live(self, tenant: str) -> Live:
        """Return the open home of a tenant.

        Raises:
            ConflictError: credentials name a tenant that this service does not hold.
        """
        try:
            return self.homes[tenant]
        except KeyError:
            raise ConflictError("your credentials are for another service", help="ask whoever gave them to you") from None
