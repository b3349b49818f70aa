"""What an address answered, kept as a web archive (WARC 1.1): the form in which every archive of the world keeps pages.

The file holds one record: the body as it came, the lines of the answer's head that say what it is and since when, when it was asked and
which machine answered. Addresses on the way stand in lines of our own (`Groundrule-…`), as the standard allows. Cookies and whatever else
a server says about its visitor are not kept.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from groundrule.instant import format_instant

KEPT: Final = ("Content-Type", "Content-Encoding", "Content-Language", "Date", "Last-Modified")
"""Lines of the answer's head that are kept."""
_MAX_VALUE = 500
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")
_NAMES = uuid.UUID("6f0e5f5e-6d1c-5f3b-9a0e-2f4f2f6b7d11")


@dataclass(frozen=True, slots=True)
class Redirect:
    """An answer that led elsewhere.

    Attributes:
        status: such as 301. address: what answered so. to: where it led.
    """

    status: int
    address: str
    to: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an address answered.

    Attributes:
        asked: address as given. address: the one that answered in the end.
        redirects: answers on the way, in order.
        machine: address of the machine that answered.
        status: of the answer. headers: those of `KEPT` that it has.
        body: bytes as they came, still packed where `Content-Encoding` says so.
        captured_at_ns: when the answer had come [ns since 1970, UTC].
    """

    asked: str
    address: str
    redirects: tuple[Redirect, ...]
    machine: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    captured_at_ns: int

    @property
    def protected(self) -> bool:
        """Whether nobody on the way could change it: asked over `https` from the first address to the last."""
        return all(each.startswith("https:") for each in (self.asked.lower(), self.address))

    @property
    def file_name(self) -> str:
        """Return a name for the archive: the host's."""
        return f"{self.address.split('/')[2]}.warc"


def kept_value(value: str) -> str:
    """Return a value of a header as one printable line."""
    return " ".join(_UNPRINTABLE.sub(" ", value).split())[:_MAX_VALUE]


def archive(fetched: Fetched, *, agent: str) -> bytes:
    """Return the web archive of an answer; the same answer gives the same bytes.

    Args:
        fetched: the answer.
        agent: program and version that asked.
    """
    digest = hashlib.sha256(fetched.body)
    head = [f"HTTP/1.1 {fetched.status} {HTTPStatus(fetched.status).phrase}"]
    head += [f"{name}: {kept_value(value)}" for name, value in fetched.headers if name in KEPT]
    head += [f"Content-Length: {len(fetched.body)}", "", ""]
    block = "\r\n".join(head).encode("ascii") + fetched.body
    when = format_instant(fetched.captured_at_ns)
    lines = [
        "WARC/1.1",
        "WARC-Type: response",
        f"WARC-Record-ID: <urn:uuid:{uuid.uuid5(_NAMES, f'{fetched.address} {when} {digest.hexdigest()}')}>",
        f"WARC-Date: {when}",
        f"WARC-Target-URI: {fetched.address}",
        f"WARC-IP-Address: {fetched.machine}",
        f"WARC-Payload-Digest: sha256:{digest.hexdigest()}",
        f"WARC-Block-Digest: sha256:{hashlib.sha256(block).hexdigest()}",
        f"Groundrule-Agent: {kept_value(agent)}",
        f"Groundrule-Headers-Kept: {', '.join(KEPT)}",
        f"Groundrule-Asked: {kept_value(fetched.asked)}",
        *(f"Groundrule-Redirect: {each.status} {each.address} {each.to}" for each in fetched.redirects),
        "Content-Type: application/http; msgtype=response",
        f"Content-Length: {len(block)}",
        "",
        "",
    ]
    return "\r\n".join(lines).encode("ascii") + block + b"\r\n\r\n"
