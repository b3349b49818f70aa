"""One page from the public internet, asked for by a person, and no other machine reached on the way.

A name is resolved once, every address it leads to is judged, and the connection goes to the very address that was judged: a name that
leads elsewhere a moment later changes nothing. The certificate is still checked for the name. Each redirect passes the same
gate. Nothing of this machine is sent: no cookies, no credentials, no proxy of the environment. Size and time are bounded in all, not
for each piece.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import quote

import groundrule
from groundrule.errors import InputError
from groundrule.evidence.characters import visible
from groundrule.evidence.web_address import WebAddress, not_public, redirected, web_address
from groundrule.evidence.web_record import KEPT, Fetched, Redirect, kept_value

AGENT: Final = f"groundrule/{groundrule.__version__}"
_REDIRECTS = (301, 302, 303, 307, 308)
_OK = 200
_PIECE = 1 << 16
_READ_AHEAD = 8_192
_MS = 1_000_000
_SAVE = "save the page in your browser and import the file"

Resolve = Callable[[str, int], Sequence[str]]
Connect = Callable[[str, int, float], socket.socket]


@dataclass(frozen=True, slots=True)
class FetchBounds:
    """How much one fetch may take, redirects included.

    Attributes:
        body_bytes: of the answer as it comes.
        header_bytes: of the head of each answer.
        seconds: from the first question to the last byte.
        connect_seconds: for one machine to take a connection.
        redirects: followed. addresses: of one name that are tried.
    """

    body_bytes: int = 24_000_000
    header_bytes: int = 65_536
    seconds: float = 30.0
    connect_seconds: float = 10.0
    redirects: int = 5
    addresses: int = 4


def resolve_name(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a name, as this machine resolves it.

    Raises:
        OSError: it has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def connect_to(machine: str, port: int, timeout_s: float) -> socket.socket:
    """Open a connection to an address that is not this machine's own.

    Raises:
        InputError: it is this machine's own. OSError: no connection.
    """
    family = socket.AF_INET6 if ":" in machine else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        # Nothing is sent: this only asks the system which address of its own it would send from.
        probe.connect((machine, port))
        if probe.getsockname()[0] == machine:
            raise InputError(f"`{machine}` is an address of this machine", help=_SAVE)
    line = socket.socket(family, socket.SOCK_STREAM)
    try:
        line.settimeout(timeout_s)
        line.connect((machine, port))
    except OSError:
        line.close()
        raise
    return line


@dataclass(frozen=True, slots=True)
class Network:
    """The ways out: all that a fetch uses of the world, so that tests can count them.

    Attributes:
        resolve: name and port to addresses.
        connect: address, port and time-out [s] to a connection.
        refusal: why an address is not asked, or nothing.
        tls: settings of protected connections.
    """

    resolve: Resolve = resolve_name
    connect: Connect = connect_to
    refusal: Callable[[str], str] = not_public
    tls: Callable[[], ssl.SSLContext] = ssl.create_default_context


def fetch(
    address: str,
    *,
    network: Network | None = None,
    bounds: FetchBounds | None = None,
    clock: Callable[[], int] = time.time_ns,
) -> Fetched:
    """Ask an address for its page.

    Args:
        address: https or http, as a person gave it.
        network: the ways out. bounds: how much it may take.
        clock: gives the time of capture [ns since 1970, UTC].

    Raises:
        InputError: it may not be asked, does not answer, or answers with something else than a page of bounded size; always before
            anything is sent to a machine outside the public internet.
    """
    network, bounds = network or Network(), bounds or FetchBounds()
    until = time.monotonic() + bounds.seconds
    asked = place = web_address(address)
    passed: list[Redirect] = []
    while True:
        answer = _ask(place, network, bounds, until)
        if answer.location is None:
            break
        if len(passed) == bounds.redirects:
            raise InputError(f"`{asked.text}` leads on more than {bounds.redirects} times", help=_SAVE)
        led = redirected(place, answer.location)
        passed.append(Redirect(answer.status, place.text, led.text))
        place = led
    if answer.status != _OK:
        raise InputError(f"`{place.text}` answers {answer.status} and no page", help=_SAVE)
    when = clock() // _MS * _MS
    return Fetched(
        asked.text, place.text, tuple(passed), answer.machine, answer.status, answer.headers, answer.body, when
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    machine: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    location: str | None = None


class TooMuch(Exception):
    """More came than is read."""


class BoundedLine(io.RawIOBase):
    """A connection that gives up in time, and after so many bytes.

    Args:
        used: the connection.
        until: when it gives up [s, of the clock that never goes back].
        most: bytes that may come.

    `http.client` reads from what `makefile` returns; so every byte of head and body passes here.
    """

    def __init__(self, used: socket.socket, until: float, most: int) -> None:
        self._socket, self._until = used, until
        self.left = most

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the base takes any buffer; a reader gives this one
        """Read what has come."""
        self._socket.settimeout(left_of(self._until))
        count = self._socket.recv_into(buffer)
        self.left -= count
        if self.left < 0:
            raise TooMuch
        return count

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return the reader that `http.client` asks a socket for."""
        return io.BufferedReader(self, _READ_AHEAD)


def left_of(until: float) -> float:
    """Return how much time is left [s].

    Raises:
        TimeoutError: none is.
    """
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _ask(place: WebAddress, network: Network, bounds: FetchBounds, until: float) -> _Answer:
    name = place.text
    try:
        with _connection(place, network, bounds, until) as (used, machine):
            return _exchange(place, used, machine, bounds, until)
    except TimeoutError:
        raise InputError(f"`{name}` did not answer within {bounds.seconds:g} s", help=_SAVE) from None
    except ssl.SSLCertVerificationError as error:
        raise InputError(
            f"the certificate of `{place.host}` does not hold: {visible(error.verify_message, 120)}",
            help="nothing was sent; a page from an unproved place is no evidence",
        ) from None
    except TooMuch:
        raise InputError(f"`{name}` answers with more than {bounds.body_bytes:,} bytes", help=_SAVE) from None
    except http.client.HTTPException as error:
        said = visible(" ".join(str(error).split()), 120)
        raise InputError(f"`{name}` gives no whole answer: {type(error).__name__} {said}".rstrip(), help=_SAVE) from None
    except OSError as error:
        said = visible(error.strerror or type(error).__name__, 120)
        raise InputError(f"`{name}` cannot be reached: {said}", help=_SAVE) from None


@contextlib.contextmanager
def _connection(
    place: WebAddress, network: Network, bounds: FetchBounds, until: float
) -> Iterator[tuple[socket.socket, str]]:
    machines = machines_of(place.host, place.port, network, until)
    failed: OSError | None = None
    for machine in machines[: bounds.addresses]:
        try:
            line = network.connect(machine, place.port, min(bounds.connect_seconds, left_of(until)))
        except OSError as error:
            failed = error
            continue
        with contextlib.closing(line):
            if place.scheme == "http":
                yield line, machine
                return
            line.settimeout(left_of(until))
            context = network.tls()
            with context.wrap_socket(line, server_hostname=place.host) as protected:
                yield protected, machine
                return
    raise failed or OSError("no address")


def machines_of(host: str, port: int, network: Network, until: float) -> Sequence[str]:
    """Return the addresses of a name, none of them refused. One that is refuses them all: such a name wants something else.

    Raises:
        InputError: the name leads nowhere, or to an address that is refused. TimeoutError: nobody knew it in time.
    """
    found: list[Sequence[str]] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            found.append(network.resolve(host, port))
        except (OSError, UnicodeError) as error:
            failed.append(error)

    # The system's resolver knows no time-out; it is left behind where it takes too long.
    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(left_of(until))
    if not found and not failed:
        raise TimeoutError
    machines = found[0] if found else ()
    if not machines:
        raise InputError(f"the name `{host}` leads nowhere", help="check the address")
    for machine in machines:
        refusal = network.refusal(machine)
        if refusal:
            raise InputError(
                f"`{host}` leads to `{visible(machine, 60)}`, which is not asked: {refusal}",
                help="if you are meant to read it, save the page in your browser and import the file",
            )
    return machines


def _exchange(place: WebAddress, used: socket.socket, machine: str, bounds: FetchBounds, until: float) -> _Answer:
    used.settimeout(left_of(until))
    used.sendall(_question(place))
    line = BoundedLine(used, until, bounds.header_bytes + _READ_AHEAD)
    # An answer only asks its socket for a reader; this one counts bytes and time.
    response = http.client.HTTPResponse(cast(socket.socket, line), method="GET")
    try:
        try:
            response.begin()
        except TooMuch:
            raise http.client.HTTPException(f"the head is longer than {bounds.header_bytes:,} bytes") from None
        headers = tuple((name, kept_value(value)) for name in KEPT if (value := response.getheader(name)))
        location = response.getheader("Location") if response.status in _REDIRECTS else None
        if location:
            # A header is bytes; whatever is not ASCII in it goes on as it came.
            plain = quote(location.encode("latin-1", "replace"), safe="".join(map(chr, range(33, 127))) + " \t")
            return _Answer(machine, response.status, headers, location=plain)
        if response.status != _OK:
            return _Answer(machine, response.status, headers)
        # Cutting an answer into tiny pieces may double it, and no more.
        line.left = 2 * bounds.body_bytes + bounds.header_bytes
        return _Answer(machine, response.status, headers, _body(response, bounds))
    except ValueError as error:
        # The library takes a negative length of a piece for one to read.
        raise http.client.HTTPException(str(error)) from None
    finally:
        response.close()


def _body(response: http.client.HTTPResponse, bounds: FetchBounds) -> bytes:
    if response.length is not None and response.length > bounds.body_bytes:
        raise TooMuch
    pieces: list[bytes] = []
    size = 0
    while piece := response.read(_PIECE):
        size += len(piece)
        if size > bounds.body_bytes:
            raise TooMuch
        pieces.append(piece)
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(pieces)


def _question(place: WebAddress) -> bytes:
    return (
        f"GET {place.target} HTTP/1.1\r\n"
        f"Host: {place.host}\r\n"
        f"User-Agent: {AGENT}\r\n"
        "Accept: text/html, application/xhtml+xml, application/pdf, text/plain;q=0.9, */*;q=0.1\r\n"
        "Accept-Encoding: identity\r\n"
        "Connection: close\r\n"
        "\r\n"
    ).encode("ascii")
