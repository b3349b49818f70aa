"""Answers that are given once: entity tags for what is read, idempotency keys for what is done.

A reader that has an answer already is told so (304). A request to do something that carries an `Idempotency-Key` is done once: the
same key with the same body gives the first answer again, with another body it is refused. Routes that keep their own keys, such as
observations, say so in `opt`.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, cast

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from groundrule.api.principal import NOBODY, Principal
from groundrule.api.problems import Refused

KEEP_S: Final = 24 * 3_600
MAX_KEPT: Final = 10_000
MAX_KEPT_BYTES: Final = 256 << 10
"""Longest answer that is kept [bytes]; a longer one is not given again, and its key is refused."""
MAX_TAGGED_BYTES: Final = 8 << 20


class EntityTags(ASGIMiddleware):
    """Gives answers to GET a tag of their bytes, and answers 304 where the reader has them."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Handle one request."""
        scope = cast("HTTPScope", scope)
        if scope["method"] not in ("GET", "HEAD"):
            await next_app(scope, receive, send)
            return
        wanted = dict(scope["headers"]).get(b"if-none-match", b"")
        start: Message | None = None

        async def sending(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            if start is None:
                await send(message)
                return
            head, start = start, None
            body = message.get("body", b"") if message["type"] == "http.response.body" else b""
            whole = message["type"] == "http.response.body" and not message.get("more_body") and len(body) <= MAX_TAGGED_BYTES
            headers = list(cast("Any", head)["headers"])
            if whole and cast("Any", head)["status"] == 200:
                tag = next((value for name, value in headers if name.lower() == b"etag"), None)
                if tag is None:
                    tag = b'"' + sha256(body).hexdigest()[:32].encode() + b'"'
                    headers.append((b"etag", tag))
                if not any(name.lower() == b"cache-control" for name, _ in headers):
                    # What one reader may see, no cache may give another.
                    headers.append((b"cache-control", b"private, no-cache"))
                if body and tag in [each.strip() for each in wanted.split(b",")]:
                    kept = [each for each in headers if each[0].lower() not in (b"content-length", b"content-type")]
                    await send(cast("Message", {**cast("Any", head), "status": 304, "headers": kept}))
                    await send(cast("Message", {"type": "http.response.body", "body": b"", "more_body": False}))
                    return
            await send(cast("Message", {**cast("Any", head), "headers": headers}))
            await send(message)

        await next_app(scope, receive, sending)


@dataclass(slots=True)
class _Kept:
    """What a key stands for.

    Attributes:
        digest: of the request.
        until_s: when it is forgotten [s, of the clock that never goes back].
        head, body: of the answer; None while the request is being worked on.
    """

    digest: bytes
    until_s: float
    head: Message | None = None
    body: bytes = b""


class Idempotency(ASGIMiddleware):
    """Does what carries an `Idempotency-Key` once, and gives the first answer again."""

    scopes = (ScopeType.HTTP,)

    def __init__(self) -> None:
        super().__init__()
        self._kept: OrderedDict[tuple[str, str, str], _Kept] = OrderedDict()

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Handle one request."""
        scope = cast("HTTPScope", scope)
        key = dict(scope["headers"]).get(b"idempotency-key", b"").decode("latin-1")
        handler = scope.get("route_handler")
        own = handler is not None and handler.opt.get("idempotency") == "own"
        if scope["method"] != "POST" or not key or own:
            await next_app(scope, receive, send)
            return
        if len(key) > 200:
            raise Refused(400, "an idempotency key of more than 200 characters", code="bad_idempotency_key", help="use a UUID")
        principal: Principal = scope.get("user") or NOBODY
        limit = scope["app"].state.service.settings.max_upload_bytes
        messages, digest = await _read(receive, limit)
        name = (principal.id, f"{scope['method']} {scope['path']}", key)
        now = time.monotonic()
        while self._kept and (len(self._kept) > MAX_KEPT or next(iter(self._kept.values())).until_s <= now):
            self._kept.popitem(last=False)
        if (kept := self._kept.get(name)) is not None:
            await _again(kept, digest, send)
            return
        kept = self._kept[name] = _Kept(digest, now + KEEP_S)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept.head = message
            elif message["type"] == "http.response.body":
                kept.body += message.get("body", b"")[: MAX_KEPT_BYTES + 1]
            await send(message)

        replayed = iter(messages)

        async def receiving() -> Any:
            return next(replayed, None) or await receive()

        good = False
        try:
            await next_app(scope, receiving, sending)
            good = kept.head is not None and cast("Any", kept.head)["status"] < 300
        finally:
            if not good:
                # It was not done, so it may be tried again.
                self._kept.pop(name, None)


async def _read(receive: Receive, limit: int) -> tuple[list[Any], bytes]:
    found: list[Any] = []
    sink, size = sha256(), 0
    while True:
        message = cast("Any", await receive())
        found.append(message)
        if message["type"] != "http.request":
            break
        size += len(message.get("body", b""))
        if size > limit:
            raise Refused(413, "the body is too long", code="too_large", help=f"at most {limit} bytes")
        sink.update(message.get("body", b""))
        if not message.get("more_body"):
            break
    return found, sink.digest()


async def _again(kept: _Kept, digest: bytes, send: Send) -> None:
    if kept.digest != digest:
        raise Refused(422, "this idempotency key was used for another request", code="idempotency_key_reused", help="use a new key")
    if kept.head is None:
        said = "the first request with this idempotency key is still being worked on"
        raise Refused(409, said, code="in_progress", help="ask again later")
    if len(kept.body) > MAX_KEPT_BYTES:
        raise Refused(409, "it was done; its answer was too long to be kept", code="done_before", help="read what it made")
    head = cast("Any", kept.head)
    await send(cast("Message", {**head, "headers": [*head["headers"], (b"idempotent-replayed", b"true")]}))
    await send(cast("Message", {"type": "http.response.body", "body": kept.body, "more_body": False}))
