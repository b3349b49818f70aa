"""Addresses of pages, and addresses of machines: which of them an import may ask at all. Nothing is asked here.

A program that fetches what it is told can be sent to machines that only it can reach: the one it runs on, the ones beside it, the service
that gives a cloud machine its secrets. So an address is refused unless all of it is plain: `https` (or `http`) on its own port, a whole
host name, no user. What looks like a number never counts as a name, in whatever form it is written, and what a name leads to
must lie in the public internet.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urljoin

from groundrule.errors import InputError
from groundrule.evidence.characters import visible

MAX_ADDRESS: Final = 2_000
"""Longest address [characters]."""
_PORTS = {"http": 80, "https": 443}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(.*)", re.DOTALL)
_KNOWN_SCHEMES = frozenset({
    "about", "blob", "data", "dict", "file", "ftp", "ftps", "gopher", "http", "https", "imap", "jar", "javascript", "ldap", "ldaps",
    "mailto", "netdoc", "news", "nntp", "phar", "php", "pop3", "rtsp", "sftp", "smb", "smtp", "ssh", "telnet", "tftp", "urn",
    "view-source", "ws", "wss",
})  # fmt: skip
_PARTS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<target>[^#]*)(?:#.*)?", re.DOTALL)
_PORT = re.compile(r"[0-9]{1,5}")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_UNSEEN = re.compile(r"[\x00-\x20\x7f-\xa0\\]|[\ud800-\udfff]")
_USER = re.compile(r"//[^/?#]*@")
_INNER = (
    "localhost", "localdomain", "local", "internal", "intranet", "private", "corp", "home", "lan", "arpa", "onion", "alt",
)  # fmt: skip
"""Last labels of names that are only known inside a network, or never lead to a public machine by way of DNS."""
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NEVER: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = tuple(
    ipaddress.ip_network(each)
    for each in (
        "192.0.0.0/24",  # protocol assignments; some clouds keep their secrets here
        "192.88.99.0/24",  # relays to 6to4
        "168.63.129.16/32",  # a public number that leads to the host of the machine in one cloud
        "2001::/23",  # Teredo, benchmarks, ORCHID: not machines that publish
        "2001:db8::/32",
        "2002::/16",  # 6to4: wraps any IPv4 address
        "3fff::/20",
    )
)


@dataclass(frozen=True, slots=True)
class WebAddress:
    """An address that may be asked, as far as it shows itself.

    Attributes:
        scheme: `https` or `http`.
        host: lower case, at least two labels.
        target: path and query as sent, ASCII.
    """

    scheme: str
    host: str
    target: str

    @property
    def port(self) -> int:
        """Return the port of its scheme."""
        return _PORTS[self.scheme]

    @property
    def text(self) -> str:
        """Return the whole address."""
        return f"{self.scheme}://{self.host}{self.target}"


def is_address(text: str) -> bool:
    """Tell whether something given for import is an address and no file name.

    Example:
        >>> is_address("https://paper.example/a"), is_address("page.html"), is_address("C:/x.html")
        (True, False, False)
    """
    found = _SCHEME.fullmatch(text.strip())
    return found is not None and (found[2][:1] in ("/", "\\") or found[1].lower() in _KNOWN_SCHEMES)


def shown(text: str) -> str:
    """Return an address as it may stand in a message: no password, no hostile characters."""
    return visible(_USER.sub("//…@", text, count=1))


def web_address(text: str) -> WebAddress:
    """Return an address taken apart, if it may be asked.

    Raises:
        InputError: another scheme, a user, a foreign port, a number or an inner name for a host, or characters that hide something.
    """
    where = shown(text)
    text = text.strip(" \t\r\n")
    if len(text) > MAX_ADDRESS:
        raise InputError(f"the address `{where[:60]}…` has {len(text):,} characters", help=f"at most {MAX_ADDRESS:,}")
    if _UNSEEN.search(text):
        raise InputError(f"`{where}` holds a space, a backslash or a control character", help="write them as %20 and so on")
    parts = _PARTS.fullmatch(text)
    if parts is None or parts["scheme"].lower() not in _PORTS:
        raise InputError(f"`{where}` is no address that is fetched", help="https:// (or http://), a host name and a path")
    scheme = parts["scheme"].lower()
    if "@" in parts["authority"]:
        raise InputError(f"`{where}` names a user", help="an address without user and password; none is ever sent")
    host, mark, port = parts["authority"].partition(":")
    if mark and (not _PORT.fullmatch(port) or int(port) != _PORTS[scheme]):
        raise InputError(
            f"`{where}` names a port or is no host name", help=f"{scheme} on port {_PORTS[scheme]}, and no other"
        )
    return WebAddress(scheme, _host(host, where), _target(parts["target"]))


def redirected(base: WebAddress, location: str) -> WebAddress:
    """Return where an answer leads to, checked like any other address.

    Args:
        base: what was asked.
        location: as the answer says, whole or relative.

    Raises:
        InputError: it may not be asked, or leads from a protected connection to an open one.
    """
    try:
        led = urljoin(base.text, location.strip(" \t\r\n"))
    except ValueError:
        raise InputError(f"`{base.text}` leads to `{shown(location)}`, which is no address") from None
    try:
        found = web_address(led)
    except InputError as error:
        raise InputError(f"`{base.text}` leads elsewhere: {error.message}", help=error.help) from None
    if base.scheme == "https" and found.scheme == "http":
        raise InputError(
            f"`{base.text}` leads from a protected connection to an open one, `{found.text}`",
            help="save the page in your browser and import the file",
        )
    return found


def not_public(text: str) -> str:
    """Return why a machine's address is not asked, or nothing if it lies in the public internet.

    Example:
        >>> not_public("127.0.0.1"), not_public("::ffff:10.0.0.1"), not_public("8.8.8.8")
        ('it does not lie in the public internet', 'it wraps another address', '')
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "it is no address of a machine"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return "it wraps another address"
        if address in _NAT64:
            # Networks without IPv4 reach it this way; what counts is what it leads to.
            return not_public(str(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)))
        if address.scope_id or address not in _GLOBAL_V6:
            return "it does not lie in the public internet"
    if any(address in net for net in _NEVER if net.version == address.version):
        return "it is kept for special use"
    if address.is_multicast or address.is_reserved or address.is_unspecified or not address.is_global:
        return "it does not lie in the public internet"
    return ""


def _host(host: str, where: str) -> str:
    if not host.isascii():
        raise InputError(f"the host of `{where}` is not ASCII", help="write the name as browsers send it, xn--…")
    host = host.lower()
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise InputError(f"the host of `{where}` is no name", help="letters, digits and hyphens, parts separated by points")
    if _NUMBER.fullmatch(labels[-1]):
        raise InputError(f"the host of `{where}` is a number", help="the name of the site; numbers are not asked")
    if len(labels) < 2 or labels[-1] in _INNER:
        raise InputError(f"the host of `{where}` is a name inside a network", help="a site of the public internet")
    return host


def _target(text: str) -> str:
    path = text if text.startswith("/") else f"/{text}"
    # What a browser shows in letters goes out as UTF-8 in per cents; what is coded already stays.
    return quote(path, safe="/?%:;=&,+$!*'()~@[].-_")
