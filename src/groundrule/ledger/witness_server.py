"""The witness protocol over HTTP: bounded in size, time and number, and silent about who asks.

    POST /add-checkpoint                     → Witness.add_checkpoint
    GET  /<hex SHA-256 of origin>/checkpoint → Witness.latest

Requests must state their length. A body above the limit is answered 413 before it is read; a client that takes longer
than `REQUEST_S` for one request is cut off; more than `MAX_CONNECTIONS` at a time are answered 503. Addresses of clients
are neither logged nor kept. TLS belongs to the reverse proxy in front.
"""

from __future__ import annotations

import contextlib
import io
import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from groundrule.errors import GroundruleError
from groundrule.ledger.witness import MAX_BODY_BYTES, TEXT_TYPE, Response, Witness

REQUEST_S = 15.0
"""Longest time from the first byte of a request to its last [s]."""
IDLE_S = 30.0
"""Longest silence between two requests of one connection [s]."""
MAX_CONNECTIONS = 64
MAX_DRAIN_BYTES = 1 << 18
"""How much of a refused body is still read, so that the answer reaches a client that is sending [bytes]."""

FAILURE_CHECK_S = 0.5
"""How often `serve` looks whether the storage has failed [s]."""

_CHECKPOINT_PATH = re.compile(r"/([0-9a-f]{64})/checkpoint")
_LENGTH = re.compile(r"[0-9]{1,12}")

Report = Callable[[str, int], None]
"""Takes the route (`add-checkpoint`, `checkpoint` or `other`) and the status of each answer; nothing of the client."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a server.

    Args:
        request_s: longest time for one request [s].
        idle_s: longest silence between two requests [s].
        connections: most connections at a time.
    """

    request_s: float = REQUEST_S
    idle_s: float = IDLE_S
    connections: int = MAX_CONNECTIONS


class _DeadlineReader(io.RawIOBase):
    """Reads a socket until a deadline that no trickle of bytes can move."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.deadline_s = time.monotonic() + IDLE_S

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_s = self.deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the request took too long")
        self._connection.settimeout(left_s)
        return self._connection.recv_into(buffer)


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], witness: Witness, limits: Limits, report: Report | None) -> None:
        self.witness = witness
        self.limits = limits
        self.report = report
        self._slots = threading.BoundedSemaphore(limits.connections)
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        self.closing = False
        self.failure: GroundruleError | None = None
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # The base class of the standard library looks up the host's name here, which can ask a name server.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._slots.acquire(blocking=False):
            with contextlib.suppress(OSError):
                request.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.shutdown_request(request)
            return
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._open_lock:
                self._open.discard(request)
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about connections that break; faults of the witness are answered 500 and reported there."""

    def fail(self, error: GroundruleError) -> None:
        """Remember the failure that ends the process, or a lesser one until then."""
        if self.failure is None or not _fatal(self.failure):
            self.failure = error

    def end_reading(self) -> None:
        """Let every connection finish the answer it is at, and read no further request."""
        self.closing = True
        with self._open_lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "groundrule-witness"
    sys_version = ""

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.reader = _DeadlineReader(self.connection)
        self.rfile = io.BufferedReader(self.reader)

    def handle_one_request(self) -> None:
        limits = self.server.limits
        try:
            self.reader.deadline_s = time.monotonic() + limits.idle_s
            if self.server.closing or not self.rfile.peek(1):  # type: ignore[attr-defined]  # it is a BufferedReader
                self.close_connection = True
                return
            self.reader.deadline_s = time.monotonic() + limits.request_s
            super().handle_one_request()
        except (TimeoutError, ConnectionError):
            self.close_connection = True

    def handle_expect_100(self) -> bool:
        # A body that will be refused is not asked for; the refusal is the answer.
        length = self._length()
        return super().handle_expect_100() if length is not None and length <= MAX_BODY_BYTES else True

    def do_POST(self) -> None:
        if self.path != "/add-checkpoint":
            self._refuse_body(405 if _CHECKPOINT_PATH.fullmatch(self.path) else 404, "there is nothing here to post to")
            return
        length = self._length()
        if length is None:
            self._refuse_body(411, "the request does not state its length")
            return
        if length > MAX_BODY_BYTES:
            self._refuse_body(413, f"at most {MAX_BODY_BYTES} bytes are read")
            return
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        self._answer("add-checkpoint", lambda: self.server.witness.add_checkpoint(body))

    def do_GET(self) -> None:
        match = _CHECKPOINT_PATH.fullmatch(self.path)
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # a body after GET would be taken for the next request
        if match is None:
            self._send("other", _plain(405 if self.path == "/add-checkpoint" else 404, "there is nothing here"))
            return
        self._answer("checkpoint", lambda: self.server.witness.latest(match[1]))

    def _answer(self, route: str, ask: Callable[[], Response]) -> None:
        try:
            response = ask()
        except GroundruleError as error:
            self.close_connection = True
            self.server.fail(error)
            response = _plain(503, f"this witness cannot answer: {error.message}")
        except Exception:  # noqa: BLE001 - a fault of ours must be answered, and must not take the server down
            self.close_connection = True
            response = _plain(500, "this witness has failed")
        self._send(route, response)

    def _length(self) -> int | None:
        lengths = self.headers.get_all("Content-Length", [])
        if len(lengths) != 1 or "Transfer-Encoding" in self.headers or not _LENGTH.fullmatch(lengths[0].strip()):
            return None
        return int(lengths[0])

    def _refuse_body(self, status: int, reason: str) -> None:
        self.close_connection = True
        self._send("other", _plain(status, reason))
        self.wfile.flush()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            left = MAX_DRAIN_BYTES
            while left > 0 and (block := self.rfile.read1(1 << 14)):
                left -= len(block)

    def _send(self, route: str, response: Response) -> None:
        self.send_response_only(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if response.status == 405:
            self.send_header("Allow", "POST" if self.path == "/add-checkpoint" else "GET")
        if self.close_connection or self.server.closing:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(response.body)
        if self.server.report is not None:
            self.server.report(route, response.status)

    def send_error(
        self,
        code: int,
        message: str | None = None,  # noqa: ARG002 - the base class's name
        explain: str | None = None,  # noqa: ARG002 - the base class's name
    ) -> None:
        """Answer requests that the standard library refuses, in plain text and without echoing them."""
        self.close_connection = True
        if not hasattr(self, "path"):
            self.path = ""
        self._send("other", _plain(code, "the request cannot be read" if code < 500 else "this method is not known"))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log nothing: the standard form names the client's address."""


class WitnessServer:
    """A witness that listens; a context manager, for tests and for `serve`.

    Args:
        witness: whom it asks.
        host: address to listen on.
        port: TCP port; 0 takes a free one.
        limits: bounds of size, time and number.
        report: told of each answer.
    Raises:
        OSError: the address cannot be listened on.
    """

    def __init__(
        self,
        witness: Witness,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        limits: Limits | None = None,
        report: Report | None = None,
    ) -> None:
        self._server = _Server((host, port), witness, limits or Limits(), report)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="witness-server")

    @property
    def port(self) -> int:
        """TCP port that it listens on."""
        return self._server.server_port

    @property
    def failure(self) -> GroundruleError | None:
        """First failure of the witness's storage, after which it should be started anew; None while all is well."""
        return self._server.failure

    @property
    def url(self) -> str:
        """Submission prefix and monitoring prefix; both are the same."""
        host = self._server.server_name
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def __enter__(self) -> WitnessServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, finish the answers under way and end every thread."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.end_reading()
        self._server.server_close()


def serve(
    witness: Witness,
    host: str,
    port: int,
    ready: Callable[[int], None] | None = None,
    *,
    stop: threading.Event | None = None,
    report: Report | None = None,
) -> None:
    """Serve until `stop` is set or the process is interrupted; answers under way are finished.

    Args:
        witness: whom to ask.
        host: address to listen on.
        port: TCP port; 0 takes a free one.
        ready: told the port once requests are accepted.
        stop: set by a signal handler of the caller.
        report: told of each answer.
    Raises:
        OSError: the address cannot be listened on.
        StoreError: the state could no longer be written; only a new start, which reads what is really there, may go on.
    """
    ended = stop or threading.Event()
    with WitnessServer(witness, host, port, report=report) as server:
        if ready is not None:
            ready(server.port)
        with contextlib.suppress(KeyboardInterrupt):
            while not ended.wait(FAILURE_CHECK_S) and not _fatal(server.failure):
                pass
    if server.failure is not None and _fatal(server.failure):
        raise server.failure


def _fatal(failure: GroundruleError | None) -> bool:
    """A full disk passes, and nothing is in doubt; every other failure of the storage ends the process."""
    return failure is not None and not failure.context.get("full", False)


def _plain(status: int, reason: str) -> Response:
    return Response(status, TEXT_TYPE, reason.encode() + b"\n")
