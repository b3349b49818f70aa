"""Logging in with a one-time link, and who one is then."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Response, delete, get, post
from litestar.connection import Request
from litestar.datastructures import Cookie
from litestar.params import JSONBody
from litestar.types import ControllerRouterHandler

from groundrule import __version__
from groundrule.api.credentials import SESSION_NS, BadCredentials
from groundrule.api.given import GivenLive, GivenPrincipal, GivenService
from groundrule.api.principal import Principal
from groundrule.api.problems import Refused
from groundrule.api.state import COOKIE, Service
from groundrule.instant import NS_PER_S, format_instant
from groundrule.pipeline.live import Live

LANGUAGES: Final = ("en", "de", "uk")


class Who(msgspec.Struct):
    """Who is logged in."""

    id: str
    name: str
    roles: list[str]
    permissions: list[str]
    tenant: str
    accounts: list[str]
    countries: list[str]


class HomeFacts(msgspec.Struct):
    """What the console says about the home."""

    id: str
    demo: bool
    languages: list[str]


class ServerFacts(msgspec.Struct):
    """What the console says about the service."""

    version: str
    started_at: str
    now: str


class Session(msgspec.Struct):
    """Who is logged in, and where."""

    principal: Who
    home: HomeFacts
    server: ServerFacts


class Login(msgspec.Struct, forbid_unknown_fields=True):
    """A one-time login.

    Attributes:
        token: from the link.
    """

    token: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


@get("/v1/session", opt={"permission": "session:read"}, summary="Who am I, and what may I do?")
async def session(principal: GivenPrincipal, live: GivenLive, service: GivenService) -> Session:
    """Say who is logged in, with every permission."""
    return _session(principal, live, service)


@post("/v1/sessions", opt={"permission": "session:open", "open": True}, summary="Log in with a one-time link")
async def login(data: JSONBody[Login], request: Request[Any, Any, Any], service: GivenService) -> Response[Session]:
    """Turn the token of a login link into a session; the link then works no more."""
    try:
        secret, principal = service.desk.open_session(data.token)
    except BadCredentials as error:
        raise Refused(401, str(error), code="bad_login", help="ask for a new link: groundrule access login") from None
    secure = request.url.scheme == "https" or service.settings.behind_proxy
    cookie = Cookie(
        COOKIE, value=secret, httponly=True, samesite="strict", secure=secure, path="/", max_age=SESSION_NS // NS_PER_S,
    )  # fmt: skip
    return Response(_session(principal, service.live(principal.tenant), service), status_code=201, cookies=[cookie])


@delete("/v1/sessions/current", opt={"permission": "session:close"}, status_code=204, summary="Log out")
async def logout(request: Request[Any, Any, Any], service: GivenService) -> Response[None]:
    """End the session of the console."""
    secret = request.cookies.get(COOKIE)
    if secret:
        service.desk.store.end_session(secret)
    response: Response[None] = Response(None, status_code=204)
    response.delete_cookie(COOKIE, path="/")
    return response


def _session(principal: Principal, live: Live, service: Service) -> Session:
    return Session(
        Who(
            principal.id, principal.name, list(principal.roles), sorted(principal.permissions), principal.tenant,
            sorted(principal.accounts), sorted(principal.countries),
        ),
        HomeFacts(live.home.id, live.home.id.startswith("demo-"), list(LANGUAGES)),
        ServerFacts(__version__, format_instant(service.started_ns), format_instant(service.clock())),
    )  # fmt: skip


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (session, login, logout)
