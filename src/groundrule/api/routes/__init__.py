"""One module for each capability, and the list of them all."""

from __future__ import annotations

from typing import Final

from litestar.types import ControllerRouterHandler

from groundrule.api.routes import (
    appeals,
    areas,
    camara_location,
    charter,
    contacts,
    decisions,
    dossiers,
    emergencies,
    explanations,
    fleet_map,
    health,
    jobs,
    ledger,
    lists,
    observations,
    oversight,
    proposals,
    public,
    registers,
    reports,
    requests,
    reviews,
    rulebooks,
    screenings,
    session,
    static,
    status,
    terminals,
)

HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    *health.HANDLERS,
    *session.HANDLERS,
    *observations.HANDLERS,
    *areas.HANDLERS,
    *rulebooks.HANDLERS,
    *jobs.HANDLERS,
    *fleet_map.HANDLERS,
    *terminals.HANDLERS,
    *decisions.HANDLERS,
    *explanations.HANDLERS,
    *status.HANDLERS,
    *ledger.HANDLERS,
    *public.HANDLERS,
    *registers.HANDLERS,
    *proposals.HANDLERS,
    *requests.HANDLERS,
    *screenings.HANDLERS,
    *contacts.HANDLERS,
    *appeals.HANDLERS,
    *emergencies.HANDLERS,
    *reviews.HANDLERS,
    *charter.HANDLERS,
    *lists.HANDLERS,
    *reports.HANDLERS,
    *dossiers.HANDLERS,
    *oversight.HANDLERS,
    *camara_location.HANDLERS,
    *static.HANDLERS,
)
"""Every route of the service. What stands here and names no permission stops the service from starting."""
