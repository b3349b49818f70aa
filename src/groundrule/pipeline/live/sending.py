"""Sending to addresses that others named: only to hosts that the settings name, encrypted, and to no machine that is reached by the way.

    hooks.example                     port 443, and public addresses only
    hooks.example:8443                this port
    10.20.0.5:8443                    a machine named by its very address, which may be a private one
    hooks.corp.example@10.20.0.0/16   a name that may lead into this private network, and nowhere else

A name is resolved once, every address that it leads to is judged, and the connection goes to one that was judged. The certificate is
checked for the name. Redirects are not followed. Time and size are bounded in all.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast
from urllib.parse import quote

from groundrule.errors import InputError
from groundrule.evidence.characters import visible
from groundrule.pipeline.fetching import AGENT, BoundedLine, Network, TooMuch, left_of, machines_of

MAX_ADDRESS: Final = 2_000
_READ_AHEAD: Final = 8_192
_ADDRESS: Final = re.compile(
    r"https://(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?(?P<target>[/?][^#]*)?", re.ASCII
)
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_UNSEEN: Final = re.compile(r"[\x00-\x20\x7f-\xa0\\]|[\ud800-\udfff]")

Net = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class SinkAddress:
    """Where something is sent.

    Attributes:
        host: lower case; an IPv6 address without brackets.
        port: of TCP.
        target: path and query, ASCII.
    """

    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Return host and port as a URL has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 443 else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """A host that may be sent to.

    Attributes:
        host, port: as in a `SinkAddress`.
        network: it may lead there, and nowhere else; None is the public internet.
    """

    host: str
    port: int
    network: Net | None = None


@dataclass(frozen=True, slots=True)
class SendBounds:
    """How much one delivery may take.

    Attributes:
        seconds: from the first question to the last byte of the answer's head.
        connect_seconds: for one machine to take a connection.
        header_bytes: of the answer.
        addresses: of one name that are tried.
    """

    seconds: float = 10.0
    connect_seconds: float = 5.0
    header_bytes: int = 16_384
    addresses: int = 3


@dataclass(frozen=True, slots=True)
class Sent:
    """What a receiver answered.

    Attributes:
        status: of HTTP.
        retry_after_s: how long it asks to wait [s], or None.
    """

    status: int
    retry_after_s: int | None


def sink_address(text: str) -> SinkAddress:
    """Take an address apart.

    Raises:
        InputError: it is no plain https address.
    """
    found = None if len(text) > MAX_ADDRESS or _UNSEEN.search(text) else _ADDRESS.fullmatch(text)
    if found is None:
        raise InputError("this is no address that is sent to", help="https://host/path, at most 2,000 characters, without user or #")
    host, port = _host(found["host"]), int(found["port"] or 443)
    if not 0 < port <= 0xFFFF:
        raise InputError("this is no port", help="1 to 65535")
    target = found["target"] or "/"
    target = target if target.startswith("/") else f"/{target}"
    return SinkAddress(host, port, quote(target, safe="/?%:;=&,+$!*'()~@[].-_"))


def allowed_hosts(entries: Sequence[str]) -> tuple[AllowedHost, ...]:
    """Read the hosts of the settings.

    Raises:
        InputError: one is not written as above.
    """
    made = []
    for entry in entries:
        place, mark, network = entry.partition("@")
        try:
            address = sink_address(f"https://{place}")
            net = ipaddress.ip_network(network) if mark else None
        except (InputError, ValueError):
            address, net = None, None
        if address is None or address.target != "/" or (mark and net is None):
            raise InputError(
                f"`{visible(entry, 80)}` of webhook_hosts is no host", field="webhook_hosts",
                help="hooks.example, hooks.example:8443, 10.20.0.5:8443 or hooks.corp.example@10.20.0.0/16",
            )  # fmt: skip
        with contextlib.suppress(ValueError):
            literal = ipaddress.ip_network(address.host)
            net = literal if net is None else net
        made.append(AllowedHost(address.host, address.port, net))
    return tuple(made)


def permitted(address: SinkAddress, allowed: Sequence[AllowedHost]) -> AllowedHost | None:
    """Return the entry that allows an address, or None."""
    return next((each for each in allowed if (each.host, each.port) == (address.host, address.port)), None)


def send(
    address: SinkAddress,
    allowed: AllowedHost,
    headers: Mapping[str, str],
    body: bytes,
    *,
    network: Network | None = None,
    bounds: SendBounds | None = None,
) -> Sent:
    """Send once, and return what was answered.

    Args:
        address: where to. allowed: the entry that allows it.
        headers: further ones; without line breaks.
        body: of the request.
        network: the ways out. bounds: how much it may take.
    Raises:
        InputError: it leads where it may not. OSError: it cannot be reached, or gives no whole answer in time.
    """
    network, bounds = _guarded(network or Network(), allowed.network), bounds or SendBounds()
    until = time.monotonic() + bounds.seconds
    try:
        with _connection(address, network, bounds, until) as line:
            line.settimeout(left_of(until))
            line.sendall(_question(address, headers, body))
            line.settimeout(left_of(until))
            # An answer only asks its socket for a reader; this one counts bytes and time.
            reader = cast(socket.socket, BoundedLine(line, until, bounds.header_bytes + _READ_AHEAD))
            response = http.client.HTTPResponse(reader, method="HEAD")
            try:
                response.begin()
                after = response.getheader("Retry-After", "")
                return Sent(response.status, int(after) if after.isascii() and after.isdigit() and len(after) < 9 else None)
            finally:
                response.close()
    except InputError:
        raise
    except ssl.SSLCertVerificationError as error:
        raise OSError(f"the certificate does not hold: {visible(error.verify_message, 120)}") from None
    except (http.client.HTTPException, TooMuch, ValueError) as error:
        raise OSError(f"no whole answer: {type(error).__name__}") from None


def _guarded(network: Network, private: Net | None) -> Network:
    """Return ways out that lead into one network only, or into the public internet."""
    if private is None:
        return network

    def refusal(machine: str) -> str:
        try:
            inside = ipaddress.ip_address(machine) in private
        except ValueError:
            inside = False
        return "" if inside else "it lies outside of the network that the settings name"

    return replace(network, refusal=refusal, connect=_straight)


def _straight(machine: str, port: int, timeout_s: float) -> socket.socket:
    """Connect to an address that the settings name, also where it is this machine's own."""
    return socket.create_connection((machine, port), timeout_s)


@contextlib.contextmanager
def _connection(address: SinkAddress, network: Network, bounds: SendBounds, until: float) -> Iterator[ssl.SSLSocket]:
    machines = machines_of(address.host, address.port, network, until)
    failed: OSError | None = None
    for machine in machines[: bounds.addresses]:
        try:
            line = network.connect(machine, address.port, min(bounds.connect_seconds, left_of(until)))
        except OSError as error:
            failed = error
            continue
        with contextlib.closing(line):
            line.settimeout(left_of(until))
            with network.tls().wrap_socket(line, server_hostname=address.host) as protected:
                yield protected
                return
    raise failed or OSError("no address")


def _question(address: SinkAddress, headers: Mapping[str, str], body: bytes) -> bytes:
    if any(_UNSEEN.search(name) or "\r" in value or "\n" in value for name, value in headers.items()):
        raise InputError("a header with a line break", help="one line each")
    told = {"Host": address.authority, "User-Agent": AGENT, **headers, "Content-Length": str(len(body)), "Connection": "close"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"POST {address.target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


def _host(text: str) -> str:
    host = text.lower()
    if host.startswith("["):
        return str(ipaddress.IPv6Address(_literal(host[1:-1], 6)))
    if re.fullmatch(r"[0-9.]+|0x[0-9a-f]*", host):
        return str(ipaddress.IPv4Address(_literal(host, 4)))
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels) or re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):
        raise InputError("this is no host name", help="letters, digits and hyphens, parts separated by points")
    return host


def _literal(text: str, version: int) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        address = None
    if address is None or address.version != version:
        raise InputError("this is no address of a machine", help="four numbers from 0 to 255, or an IPv6 address in brackets")
    return str(address)
