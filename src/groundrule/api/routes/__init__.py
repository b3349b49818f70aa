"""One module for each capability, and the list of them all."""

from __future__ import annotations

from typing import Final

from litestar.types import ControllerRouterHandler

from groundrule.api.routes import areas, health, jobs, observations, rulebooks, session, static

HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    *health.HANDLERS,
    *session.HANDLERS,
    *observations.HANDLERS,
    *areas.HANDLERS,
    *rulebooks.HANDLERS,
    *jobs.HANDLERS,
    *static.HANDLERS,
)
"""Every route of the service. What stands here and names no permission stops the service from starting."""
