"""What happens, as it happens: server-sent events that go on where a reader stopped."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get
from litestar.params import HeaderParameter, Parameter
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenLive, GivenPrincipal, GivenService
from groundrule.api.principal import Principal
from groundrule.api.problems import Refused
from groundrule.instant import format_instant
from groundrule.pipeline.live import Live
from groundrule.pipeline.live.delivering import missed
from groundrule.store.events import Event

HEARTBEAT_S: Final = 15.0
LONGEST_S: Final = 900.0
"""A stream ends after this time; its reader comes back and is asked for credentials that are good then."""
MOST: Final = 200
MOST_OF_ONE: Final = 10
PIECE: Final = 200
"""Events that are held for one reader at most: what a reader has not taken stays in the log of events."""

_DOCUMENT: Final = {
    "responses": {
        "200": {
            "description": "Events as they happen; see docs/events.md",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    }
}
Type = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*\.?$", max_length=80)]
Types = Annotated[
    list[Type] | None,
    Parameter(max_items=50, description="Only these; a name that ends in `.` stands for all that begin with it."),
]
LastEvent = Annotated[
    str | None,
    HeaderParameter(name="Last-Event-ID", pattern=r"^[0-9]{1,18}$", description="The last event that is known; 0 for all that are kept."),
]


def sees_private(principal: Principal) -> bool:
    """May somebody be told what happens to single terminals?"""
    return principal.may("terminals:read") and principal.reader == "operator"


class Readers:
    """How many streams are open, so that nobody can take them all."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def check(self, name: str) -> None:
        """See whether there is room for a reader.

        Raises:
            Refused: 429, 503: there are too many.
        """
        if self._open[name] >= MOST_OF_ONE:
            raise Refused(429, "too many streams are open for you", code="too_many_streams", help="close one", headers={"Retry-After": "5"})
        if self._open.total() >= MOST:
            raise Refused(503, "too many streams are open", code="too_many_streams", help="come back later", headers={"Retry-After": "30"})

    def enter(self, name: str) -> None:
        """Let a reader in."""
        self._open[name] += 1

    def leave(self, name: str) -> None:
        """Let a reader go."""
        self._open[name] -= 1
        if self._open[name] <= 0:
            del self._open[name]


READERS: Final = Readers()


@get(
    "/v1/events", summary="What happens, as it happens", media_type="text/event-stream",
    opt={"permission": "events:read", "openapi": _DOCUMENT},
)  # fmt: skip
async def events(
    live: GivenLive, principal: GivenPrincipal, service: GivenService, types: Types = None, last_event: LastEvent = None
) -> Response[Any]:
    """Tell events as they happen, those after `Last-Event-ID` first; without it, those that come.

    Changes of single terminals are told to those who may read terminals. A comment is sent every 15 seconds, and after a quarter of
    an hour the stream ends; a browser comes back by itself and goes on where it was.
    """
    READERS.check(principal.id)
    seq = int(last_event) if last_event is not None else (await asyncio.to_thread(live.events.bounds))[1]

    async def counted() -> AsyncIterator[bytes]:
        READERS.enter(principal.id)  # here, so that a stream that never begins is never counted
        try:
            told = follow(
                live, seq, types=types, private=sees_private(principal), clock=service.clock, ended=lambda: service.closing
            )
            async with aclosing(told):
                async for piece in told:
                    yield piece
        finally:
            READERS.leave(principal.id)

    return Stream(counted(), media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


async def follow(
    live: Live, seq: int, *, types: list[str] | None, private: bool, clock: Callable[[], int], ended: Callable[[], bool],
    heartbeat_s: float = HEARTBEAT_S, longest_s: float = LONGEST_S,
) -> AsyncGenerator[bytes, None]:  # fmt: skip
    """Yield events after a number as they are stored, in the form of an event stream.

    Args:
        live: the home.
        seq: the last that is known.
        types: only these; None is all.
        private: those of single terminals, too.
        clock: the time [ns, UTC].
        ended: tells whether the service ends.
        heartbeat_s: a comment is sent so often [s]. longest_s: how long it goes on [s].
    """
    loop = asyncio.get_running_loop()
    news = asyncio.Event()

    def wake(_: Event) -> None:
        with suppress(RuntimeError):  # the loop is closing
            loop.call_soon_threadsafe(news.set)

    leave = live.subscribe(wake)
    until, beat = loop.time() + longest_s, loop.time() + heartbeat_s
    try:
        yield b"retry: 2000\n: hello\n\n"
        while not ended() and loop.time() < until:
            news.clear()
            first, last = await asyncio.to_thread(live.events.bounds)
            seq = min(seq, last)  # it may be from another home, or from before a restore
            if seq + 1 < first:
                yield _written(missed(seq + 1, first - 1, clock()), first - 1)
                seq = first - 1
            after = partial(live.events.after, seq, limit=PIECE, until=last, types=types, public=None if private else True)
            found = await asyncio.to_thread(after)
            for event in found:
                yield _written(event, event.seq)
            if len(found) == PIECE:
                seq = found[-1].seq
                continue
            seq = last
            if loop.time() >= beat:
                # The number goes along, so that a reader of rare events does not begin too far back.
                beat = loop.time() + heartbeat_s
                yield f": {format_instant(clock())}\nid: {seq}\n\n".encode()
            with suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), min(1.0, heartbeat_s))
    finally:
        leave()


def _written(event: Event, number: int) -> bytes:
    value: dict[str, Any] = {"seq": number, "at": format_instant(event.at_ns), "type": event.type, "subject_kind": event.subject_kind}
    if event.subject is not None:
        value["subject"] = event.subject
    text = msgspec.json.encode(value | {"data": event.data}).decode()
    return f"id: {number}\nevent: {event.type}\ndata: {text}\n\n".encode()


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (events,)
