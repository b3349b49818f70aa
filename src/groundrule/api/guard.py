"""Every request passes here: who asks, how often, whether they may; and what is logged about it."""

from __future__ import annotations

import ipaddress
import logging
import math
import re
import time
from functools import lru_cache
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final, cast
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from groundrule.api.credentials import BadCredentials
from groundrule.api.principal import NOBODY, Principal
from groundrule.api.problems import Refused
from groundrule.api.state import COOKIE, REQUEST_HEADER, Service
from groundrule.errors import GroundruleError

LOG: Final = logging.getLogger("groundrule.access")
_SAFE: Final = ("GET", "HEAD", "OPTIONS")

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "worker-src 'self' blob:; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""What pages of this service may load: its own files, and nothing inline."""
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")
_HOST: Final = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")

HEADERS: Final = [
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"geolocation=(), camera=(), microphone=()"),
]
"""Headers of every answer that does not say them itself."""


class Door(ASGIMiddleware):
    """Finds out who asks, limits how often, adds security headers, and counts and logs without personal data."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Handle one request."""
        scope = cast("HTTPScope", scope)  # `scopes` says so
        service: Service = scope["app"].state.service
        began = time.perf_counter()
        status = 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(each for each in HEADERS if each[0] not in present)]
            await send(message)

        headers = dict(scope["headers"])
        try:
            check_host(service, scope)
            principal = who(service, headers, scope["method"])
            scope["user"] = principal
            kind, asker = ("none", _address(scope)) if principal.by == "none" else (principal.by, principal.id)
            wait = service.limiter.wait_s(kind, asker)
            if wait:
                service.metrics.limited.labels(kind).inc()
                raise Refused(
                    429, "more requests than are allowed to you", headers={"Retry-After": str(math.ceil(wait))},
                    help=f"wait {math.ceil(wait)} s", code="too_many_requests",
                )  # fmt: skip
            await next_app(scope, receive, sending)
        except BadCredentials as error:
            status = 401
            scope["user"] = NOBODY
            note_denied(service, NOBODY, scope, "", status)
            raise Refused(
                status, str(error), help="log in again, or use a key that is valid", code="bad_credentials",
                headers={"WWW-Authenticate": 'Bearer realm="groundrule", error="invalid_token"'},
            ) from None  # fmt: skip
        except Refused as error:
            status = error.status_code
            raise
        finally:
            note_request(service, scope, status, time.perf_counter() - began)


def note_request(service: Service, scope: HTTPScope, status: int, spent_s: float) -> None:
    """Count and log a request that was answered."""
    route, method = route_of(scope), scope["method"]
    service.metrics.answered(route, method, status, spent_s)
    if LOG.isEnabledFor(logging.INFO):
        LOG.info("request", extra={"route": route, "method": method, "status": status, "ms": round(spent_s * 1e3, 2)})


def check_host(service: Service, scope: HTTPScope) -> None:
    """Refuse names that are not this service's while it listens on this machine alone.

    A foreign page can have its own name lead to 127.0.0.1 (DNS rebinding); the browser then takes the service for that page's
    own server and lets it read everything. The name that the browser asked for still tells.

    Raises:
        Refused: 400 for none or several names, 421 for a foreign one.
    """
    if _may_be_called_anything(service):
        return
    named = [value for name, value in scope["headers"] if name == b"host"]
    if len(named) != 1:
        raise Refused(400, "a request names one host", code="bad_host", help="send one Host header")
    if not is_ours(service, scope, named[0]):
        note_denied(service, NOBODY, scope, "host", 421)
        raise Refused(421, "this service has another name", code="bad_host", help="open it as localhost, or set `origin` to its name")


def is_ours(service: Service, scope: HTTPScope, named: bytes) -> bool:
    """Is a name, as a request gives it, one of this service?"""
    return _may_be_called_anything(service) or _is_name(named, service.settings.origin or "", str((scope.get("server") or ("",))[0]))


def _may_be_called_anything(service: Service) -> bool:
    # Outside of this machine HTTPS proves the name; a proxy without an origin may call it anything.
    settings = service.settings
    return settings.host not in _LOCAL or (settings.behind_proxy and not settings.origin)


@lru_cache(maxsize=256)
def _is_name(named: bytes, origin: str, server: str) -> bool:
    found = _HOST.fullmatch(named.decode("latin-1").lower())
    return found is not None and found[1].strip("[]") in {*_LOCAL, urlsplit(origin).hostname, server}


def who(service: Service, headers: dict[bytes, bytes], method: str) -> Principal:
    """Return who asks.

    Args:
        headers: of the request, names in lower case.
        method: of HTTP.
    Raises:
        BadCredentials: credentials were shown and do not hold.
    """
    shown = headers.get(b"authorization", b"").decode("latin-1")
    if shown:
        scheme, _, value = shown.partition(" ")
        if scheme.lower() != "bearer" or not value.strip():
            raise BadCredentials("the authorization is no bearer token")
        return service.desk.of_bearer(value.strip())
    secret = _cookie(headers.get(b"cookie", b""))
    if not secret:
        return NOBODY
    if method not in _SAFE and REQUEST_HEADER.lower().encode() not in headers:
        # A page of somebody else can send the cookie, but not this header.
        return NOBODY
    try:
        return service.desk.of_session(secret)
    except BadCredentials:
        return NOBODY  # an old cookie must not lock anybody out of the login


async def permission_guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let nobody through who may not: what no role allows is denied.

    It waits for nothing; a plain function would be given a thread of its own for each request.

    Raises:
        Refused: 401 for nobody, 403 for somebody without the permission.
    """
    permission = handler.opt.get("permission")
    scope = cast("HTTPScope", connection.scope)  # there are no other routes: `roles.accesses` refuses them
    principal: Principal = scope.get("user") or NOBODY
    if scope["method"] == "OPTIONS" and permission is None:
        return
    if isinstance(permission, str) and principal.may(permission):
        return
    status = 401 if principal.by == "none" else 403
    service: Service = connection.app.state.service
    note_denied(service, principal, scope, str(permission), status)
    if status == 401:
        raise Refused(
            401, "this needs a login", headers={"WWW-Authenticate": 'Bearer realm="groundrule"'},
            help="open the login link that `groundrule serve` prints, or send a key", code="no_credentials",
        )  # fmt: skip
    said = f"your roles ({', '.join(principal.roles)}) do not allow {permission}"
    raise Refused(403, said, code="not_allowed", help="ask an administrator")


def note_denied(service: Service, principal: Principal, scope: HTTPScope, permission: str, status: int) -> None:
    """Keep that an attempt was denied."""
    service.metrics.denied.labels(permission or "credentials", str(status)).inc()
    try:
        service.desk.store.note_denial(service.clock(), principal.id, scope["method"], route_of(scope), permission, status)
    except GroundruleError as error:
        # On a full disk it stays denied: that it cannot be kept must not become another answer.
        LOG.warning("a denied attempt could not be kept", exc_info=error)


def route_of(scope: HTTPScope) -> str:
    """Return the route of a request with its parameters in braces: no terminal is named in it."""
    template = scope.get("path_template")
    return str(template) if template else "unknown"


def _address(scope: HTTPScope) -> str:
    client = scope.get("client")
    if not client:
        return "unknown"
    try:
        address = ipaddress.ip_address(client[0])
    except ValueError:
        return "unknown"
    # One household has a network of 64 bits; it must not have as many buckets.
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)


def _cookie(header: bytes) -> str:
    if COOKIE.encode() not in header:
        return ""
    try:
        found = SimpleCookie(header.decode("latin-1")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
