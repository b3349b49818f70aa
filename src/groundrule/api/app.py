"""The application: routes, guard, errors and the document that describes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from litestar import Litestar, Request, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.openapi.config import OpenAPIConfig
from litestar.types import (
    ControllerRouterHandler,
    HTTPScope,
    LifeSpanReceive,
    LifeSpanScope,
    LifeSpanSend,
    Receive,
    Scope,
    Send,
)

from groundrule import __version__
from groundrule.api.camara import by_route
from groundrule.api.collector import Traced
from groundrule.api.conditional import EntityTags, Idempotency
from groundrule.api.guard import Door, permission_guard
from groundrule.api.paths import routable
from groundrule.api.principal import NOBODY, Principal
from groundrule.api.problems import HANDLERS as PROBLEM_HANDLERS
from groundrule.api.quick import PATH as QUICK
from groundrule.api.quick import NotPlain, observe_quickly
from groundrule.api.roles import accesses
from groundrule.api.routes import HANDLERS
from groundrule.api.routes.observations import observe
from groundrule.api.state import Service
from groundrule.pipeline.live import Live

API_VERSION = "1"


class Application(Litestar):
    """An application in whose paths an id may hold a slash, written `%2F`, and that has a short way for single observations."""

    quick = False
    """Is the route there that has the short way?"""

    tracing: Traced | None = None
    """Makes a span of each request, where traces are wanted."""

    async def __call__(
        self, scope: Scope | LifeSpanScope, receive: Receive | LifeSpanReceive, send: Send | LifeSpanSend
    ) -> None:
        """Take a request."""
        if self.tracing is not None and scope["type"] == ScopeType.HTTP:
            await self.tracing(cast("HTTPScope", scope), cast("Receive", receive), cast("Send", send), self._take)
        else:
            await self._take(scope, receive, send)

    async def _take(
        self, scope: Scope | LifeSpanScope, receive: Receive | LifeSpanReceive, send: Send | LifeSpanSend
    ) -> None:
        """Answer; before any route is looked for, a slash within an id gets another form (`api.paths`)."""
        if scope["type"] == ScopeType.HTTP:
            request = cast("HTTPScope", scope)
            if (path := routable(request.get("raw_path") or b"")) is not None:
                request["path"] = path
            if self.quick and request["path"] == QUICK and request["method"] == "POST":
                try:
                    await observe_quickly(self.state.service, request, cast("Receive", receive), cast("Send", send))
                except NotPlain as error:
                    receive = error.receive
                else:
                    return
        await super().__call__(scope, receive, send)


def make_app(service: Service, *, handlers: Sequence[ControllerRouterHandler] = HANDLERS, debug: bool = False) -> Application:
    """Make the application of a service.

    Args:
        service: what stands behind the routes.
        handlers: the routes.
        debug: show traces in answers; never in operation.
    Raises:
        ValueError: a route names no permission, or one that no role has.
    """

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        try:
            yield
        finally:
            service.close()

    app = Application(
        route_handlers=list(handlers),
        guards=[permission_guard],
        middleware=[Door(), EntityTags(), Idempotency()],
        dependencies=_dependencies(),
        exception_handlers=by_route(PROBLEM_HANDLERS),
        state=State({"service": service}),
        lifespan=[lifespan],
        request_max_body_size=service.settings.max_body_bytes,
        openapi_config=OpenAPIConfig(
            title="Groundrule", version=f"{API_VERSION}.0.0", create_examples=False, render_plugins=[],
            # The framework's own pages about the API are for nobody; `routes.health` gives the document.
            openapi_router=Router("/-", route_handlers=[], include_in_schema=False, opt={"internal": True}),
            description=f"Where and for whom a satellite network serves, why, and the proof. Groundrule {__version__}.",
        ),
        debug=debug,
        logging_config=None,  # `api.logs` alone says what is logged, and how
        pdb_on_exception=False,
    )  # fmt: skip
    accesses(app)
    app.quick = observe in handlers
    return app


def empty_app(handlers: Sequence[ControllerRouterHandler] = HANDLERS) -> Litestar:
    """Make an application with nothing behind it, for looking at its routes."""
    return Litestar(route_handlers=list(handlers), dependencies=_dependencies(), openapi_config=None)


def _dependencies() -> dict[str, Provide]:
    return {
        "principal": Provide(_principal, sync_to_thread=False),
        "live": Provide(_live, sync_to_thread=False),
        "service": Provide(_service, sync_to_thread=False),
    }


def _principal(request: Request[Any, Any, Any]) -> Principal:
    found = request.scope.get("user")
    return found if isinstance(found, Principal) else NOBODY


def _service(request: Request[Any, Any, Any]) -> Service:
    found: Service = request.app.state.service
    return found


def _live(request: Request[Any, Any, Any]) -> Live:
    return _service(request).live(_principal(request).tenant)
