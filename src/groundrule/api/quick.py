"""The short way of single observations: what is plainly right is taken and answered without the framework.

Of a request to `POST /v1/observations` with a few observations as JSON the framework's part (finding the route, reading parameters,
building responses) costs several times what deciding does. Here the same is done with the same functions: the name that was asked for,
who asks, what they may, how often, headers, counters and the log. Whether the key was revoked is asked of the store for each group of
requests right before their rows are written, by the thread that writes them. Whatever is not the plain case (other credentials than a
key that was seen before, a key that does not hold, a missing permission, too many requests, an `Idempotency-Key`, another form, a
row that is not plainly right) is not judged here at all: it takes the long way from the beginning, with what was read of its body, and
is answered there.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future
from typing import Any, Final, cast

from litestar import Request
from litestar.types import HTTPScope, Message, Receive, Send

from groundrule.api.batches import ARROW, SHORT_BODY, brief_as_json
from groundrule.api.credentials import PREFIX
from groundrule.api.guard import HEADERS, is_ours, note_request
from groundrule.api.principal import Principal
from groundrule.api.problems import on_any_error, on_groundrule_error
from groundrule.api.routes.observations import observe
from groundrule.api.state import Service
from groundrule.errors import GroundruleError
from groundrule.pipeline.live import Brief, NotGood
from groundrule.store.regular_rows import read_regular

PATH: Final = "/v1/observations"
PERMISSION: Final = str(observe.opt["permission"])
_KEY: Final = f"bearer {PREFIX}.".encode()
_JSON: Final = (b"application/json", b"application/json; charset=utf-8")


class NotPlain(Exception):
    """The request takes the long way; `receive` gives what was read of it again."""

    def __init__(self, receive: Receive) -> None:
        super().__init__()
        self.receive = receive


async def observe_quickly(service: Service, scope: HTTPScope, receive: Receive, send: Send) -> None:
    """Take and answer a plain request.

    Raises:
        NotPlain: it is another one; nothing was done or counted.
    """
    began = time.perf_counter()
    principal = _admitted(service, scope)
    live = None if principal is None else service.homes.get(principal.tenant)
    if principal is None or live is None:
        raise NotPlain(receive)
    first = cast("Any", await receive())
    found = None if first["type"] != "http.request" or first.get("more_body") else read_regular(first.get("body", b""))
    if found is None or service.limiter.wait_s("key", principal.id):
        raise NotPlain(_again(first, receive))
    waiting = live.submit_few(found, source=principal.id, good=lambda: service.desk.holds(principal))
    if waiting is None:
        # The token that was taken is spent once more; a clock that runs ahead is rare.
        raise NotPlain(_again(first, receive))
    try:
        brief: Brief | Exception = await _of(waiting)
    except NotGood:
        raise NotPlain(_again(first, receive)) from None
    except Exception as error:  # noqa: BLE001 - as the framework's long way: whatever it is, it is answered
        brief = error
    scope["user"] = principal
    scope["path_template"] = PATH
    scope["route_handler"] = observe
    status, kind, headers = 200, b"application/json", HEADERS
    try:
        if isinstance(brief, Exception):
            status, kind, headers, body = _problem(Request(scope), brief)
        else:
            service.metrics.count_brief(brief)
            body = brief_as_json(brief)
        await send({"type": "http.response.start", "status": status, "headers": [
            (b"content-type", kind), (b"content-length", str(len(body)).encode()), *headers,
        ]})  # fmt: skip
        await send({"type": "http.response.body", "body": body, "more_body": False})
    finally:
        note_request(service, scope, status, time.perf_counter() - began)


def _admitted(service: Service, scope: HTTPScope) -> Principal | None:
    """Return who asks, where the head of the request is plain and they may do this."""
    shown = kind = accept = host = b""
    length, hosts = -1, 0
    for name, value in scope["headers"]:
        if name == b"authorization":
            shown = value
        elif name == b"content-type":
            kind = value
        elif name == b"content-length":
            length = int(value) if value.isdigit() and len(value) < 10 else -1
        elif name == b"host":
            host, hosts = value, hosts + 1
        elif name == b"accept":
            accept = value
        elif name in (b"idempotency-key", b"content-encoding", b"expect"):
            return None
    if kind not in _JSON or not 0 < length <= SHORT_BODY or hosts != 1 or ARROW.encode() in accept:
        return None
    if shown[: len(_KEY)].lower() != _KEY or not is_ours(service, scope, host):
        return None
    principal = service.desk.signed_before(shown[7:].decode("latin-1").strip())
    return principal if principal is not None and principal.may(PERMISSION) else None


def _again(first: Message, receive: Receive) -> Receive:
    """Return what receives a message that was received already, and then what follows."""
    held: list[Message] = [first]

    async def receiving() -> Any:
        return held.pop() if held else await receive()

    return receiving


async def _of(waiting: Future[Brief]) -> Brief:
    """Wait for an answer that another thread gives."""
    if waiting.done():
        return waiting.result()
    loop = asyncio.get_running_loop()
    mine: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not mine.done():
            mine.set_result(None)

    waiting.add_done_callback(lambda _: loop.call_soon_threadsafe(wake))
    await mine
    return waiting.result()


def _problem(request: Request[Any, Any, Any], error: Exception) -> tuple[int, bytes, list[tuple[bytes, bytes]], bytes]:
    """Return status, media type, headers and body of the answer to an error."""
    told = on_groundrule_error(request, error) if isinstance(error, GroundruleError) else on_any_error(request, error)
    own = [(name.lower().encode(), value.encode()) for name, value in told.headers.items()]
    present = {name for name, _ in own}
    headers = [*own, *(each for each in HEADERS if each[0] not in present)]
    return told.status_code or 500, str(told.media_type).encode(), headers, told.content
