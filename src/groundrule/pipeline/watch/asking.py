"""One question to a telemetry stream, and what came of it.

The server counts a reply as read when it has sent it, and never sends it again. So what matters is whether a reply may have been sent that
did not come: `Lost` says so, every other failure is harmless. Size and time are bounded in all; redirects are not followed, since the
token would go elsewhere.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import urlsplit

from groundrule.pipeline.fetching import AGENT, BoundedLine, TooMuch, left_of
from groundrule.pipeline.watch.stream_settings import StreamSettings
from groundrule.store.telemetry import MAX_REPLY_BYTES

CONNECT_S: Final = 10.0
PATIENCE_S: Final = 45.0
"""How long a reply may take beyond the time for which the server may wait [s]."""
_HEADERS: Final = 65_536
_PIECE: Final = 1 << 16
_OK: Final = 200
_EMPTY: Final = 204


class Refused(Exception):
    """The server gave no reply, and counts none as read.

    Attributes:
        why: in words, without anything secret.
        after_s: how long it asks to wait [s], or None.
        for_long: asking again soon is of no use.
    """

    def __init__(self, why: str, *, after_s: float | None = None, for_long: bool = False) -> None:
        super().__init__(why)
        self.why, self.after_s, self.for_long = why, after_s, for_long


class Lost(Exception):
    """The server may count a reply as read that did not come whole.

    Attributes:
        why: in words. part: what came of it. too_long: it was longer than anything that is read.
    """

    def __init__(self, why: str, part: bytes = b"", *, too_long: bool = False) -> None:
        super().__init__(why)
        self.why, self.part, self.too_long = why, part, too_long


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        settings: of the stream.
        batch_size: rows of the reply at most.
        most_bytes: of a reply.
        patience_s: beyond the linger of the settings [s].
    """

    settings: StreamSettings
    batch_size: int
    most_bytes: int = MAX_REPLY_BYTES
    patience_s: float = PATIENCE_S


def ask(question: Question) -> bytes:
    """Ask once, and return the reply as it came.

    Raises:
        Refused, Lost: there is none. InputError: there is no token.
    """
    settings = question.settings
    token = settings.token()
    until = time.monotonic() + settings.linger_ms / 1_000 + question.patience_s
    sent = False
    try:
        with _connection(settings.url, until) as line:
            sent = True  # from here on the server may answer
            line.settimeout(left_of(until))
            line.sendall(_written(question, token))
            return _reply(line, until, question.most_bytes)
    except TooMuch:
        raise Lost("a reply was longer than anything that is read", too_long=True) from None
    except ssl.SSLCertVerificationError as error:
        raise Refused(f"the certificate does not hold: {error.verify_message!s:.120}", for_long=True) from None
    except (OSError, http.client.HTTPException) as error:
        why = f"{type(error).__name__} {getattr(error, 'strerror', None) or ''}".strip()
        raise (Lost(f"no whole reply came: {why}") if sent else Refused(f"it cannot be reached: {why}")) from None


@contextlib.contextmanager
def _connection(url: str, until: float) -> Iterator[socket.socket]:
    parts = urlsplit(url)
    host, port = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
    with contextlib.closing(socket.create_connection((host, port), min(CONNECT_S, left_of(until)))) as line:
        if parts.scheme == "http":
            yield line
            return
        with ssl.create_default_context().wrap_socket(line, server_hostname=host) as protected:
            yield protected


def _written(question: Question, token: str) -> bytes:
    settings, parts = question.settings, urlsplit(question.settings.url)
    body = json.dumps({**settings.request, "batchSize": question.batch_size, "maxLingerMs": settings.linger_ms}).encode()
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = str(parts.netloc)
    head = (
        f"POST {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {AGENT}\r\nAuthorization: Bearer {token}\r\nAccept: application/json\r\n"
        f"Accept-Encoding: identity\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


def _reply(line: socket.socket, until: float, most_bytes: int) -> bytes:
    reader = BoundedLine(line, until, _HEADERS)
    response = http.client.HTTPResponse(cast(socket.socket, reader), method="POST")
    pieces: list[bytes] = []
    size = 0
    try:
        response.begin()
        _check(response)
        if response.length is not None and response.length > most_bytes:
            raise TooMuch
        reader.left = 2 * most_bytes + _HEADERS  # cutting a reply into tiny pieces may double it, and no more
        while piece := response.read(_PIECE):
            size += len(piece)
            if size > most_bytes:
                raise TooMuch
            pieces.append(piece)
        if response.length:
            raise Lost("a reply broke off", b"".join(pieces))
    except (OSError, http.client.HTTPException, ValueError) as error:
        if pieces or isinstance(error, http.client.IncompleteRead):
            part = error.partial if isinstance(error, http.client.IncompleteRead) else b""
            raise Lost("a reply broke off", b"".join(pieces) + part) from None
        raise Lost(f"no whole reply came: {type(error).__name__}") from None
    finally:
        response.close()
    return b"".join(pieces)


def _check(response: http.client.HTTPResponse) -> None:
    """Refuse what is no reply.

    Raises:
        Refused: it is none.
    """
    status = response.status
    if status in (_OK, _EMPTY):
        return
    if status in (401, 403):
        raise Refused(f"the server answers {status}: the token does not hold, or may not read telemetry", for_long=True)
    after = response.getheader("Retry-After", "")
    after_s = float(after) if after.isascii() and after.isdigit() and len(after) < 6 else None
    if status == 429 or status >= 500:
        raise Refused(f"the server answers {status}", after_s=after_s)
    raise Refused(f"the server answers {status}", for_long=True)
