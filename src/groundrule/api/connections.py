"""Connections that cost too much are ended: heads that are too long, and whoever sends or reads too slowly to mean it.

The server waits for a request as long as somebody pretends to send one. A few thousand such connections would keep everybody
else out, so each has a bounded time for its head, a least rate for its body, and a bounded time without reading its answer.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES: Final = 64 << 10
"""Longest address and headers of a request together [bytes]."""
MAX_HEADERS: Final = 200
_REASONS: Final = {408: b"Request Timeout", 431: b"Request Header Fields Too Large", 503: b"Service Unavailable"}


def most_connections() -> int:
    """Return how many connections are held at once: half of the files that this process may open, 64 to 4,000."""
    try:
        import resource  # noqa: PLC0415 - there is none on Windows
    except ImportError:
        return 500
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(64, min(4_000, soft // 2))


class Connection(HttpToolsProtocol):
    """A connection with bounds; uvicorn makes one for each.

    Attributes:
        head_s: time for the head of a request, from its first byte or, of the first request, from connecting [s].
        period_s: how often a connection is looked at [s].
        least_bytes: of a body in each period [bytes].
        unread_s: how long an answer may wait for its reader [s].
        most: connections at once.
    """

    head_s: float = 10.0
    period_s: float = 5.0
    least_bytes: int = 5 << 10
    unread_s: float = 60.0
    most: int = most_connections()

    _ended = False
    _in_head = True
    _in_body = False
    _began = 0.0
    _head_bytes = 0
    _body_bytes = 0
    _unread_since: float | None = None
    _look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn narrows it
        """Begin to look after a connection, or refuse it where there are too many."""
        super().connection_made(transport)
        self._began = self.loop.time()
        if len(self.connections) > self.most:
            self._end(503)
        else:
            self._look = self.loop.call_later(self.period_s, self._look_after)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection that is over."""
        self._ended = True
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if self._ended:
            return
        super().data_received(data)
        if self._in_head:
            # Nothing of a head is shown before it is whole, so what came is counted.
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._end(431)

    def on_message_begin(self) -> None:
        """Begin a request."""
        if not self._in_head:
            self._began = self.loop.time()
        self._in_head, self._in_body, self._head_bytes = True, False, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Go on with a request whose head is whole."""
        self._in_head, self._in_body, self._body_bytes, self._head_bytes = False, True, 0, 0
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            self._end(431)
        if not self._ended:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._body_bytes += len(body)
        if not self._ended:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Take the end of a request."""
        self._in_body = False
        if not self._ended:
            super().on_message_complete()

    def pause_writing(self) -> None:
        """Note since when the reader has not read."""
        self._unread_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that the reader reads again."""
        self._unread_since = None
        super().resume_writing()

    def _look_after(self) -> None:
        """End the connection where it is too slow; otherwise look again later."""
        if self._ended or self.transport.is_closing():
            return
        now, cycle = self.loop.time(), self.cycle
        idle = cycle is None or cycle.response_complete
        if self._unread_since is not None and now - self._unread_since > self.unread_s:
            self._ended = True
            self.transport.abort()
            return
        slow_head = self._in_head and now - self._began > self.head_s
        # Where this side does not read for now, nobody can be blamed for sending nothing.
        slow_body = self._in_body and not idle and not self.flow.read_paused and self._body_bytes < self.least_bytes
        # Empty lines between requests end the server's own wait for the next one and begin none.
        silent = idle and not self._in_head and self.timeout_keep_alive_task is None and now - self._began > self.timeout_keep_alive
        if slow_head or slow_body or silent:
            self._end(408)
            return
        self._body_bytes = 0
        self._look = self.loop.call_later(self.period_s, self._look_after)

    def _end(self, status: int) -> None:
        self._ended = True
        cycle: Any = self.cycle
        if not self.transport.is_closing() and (cycle is None or cycle.response_complete or not cycle.response_started):
            head = b"HTTP/1.1 %d %s\r\ncontent-length: 0\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"
            self.transport.write(head % (status, _REASONS[status]))
        self.transport.close()
