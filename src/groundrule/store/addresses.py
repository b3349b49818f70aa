"""Addresses by which others know a terminal, in one form: the keys of the register `addresses`.

    192.0.2.7              an IPv4 address that is one terminal's alone
    192.0.2.7:59765        a port of an address that several share
    192.0.2.7/10.0.0.5     a public address and the private one behind it
    2001:db8:85a3:8d3::/64 the network of one terminal; every address in it is the terminal's
    +123456789             a telephone number (E.164)

Addresses wander: from when to when one is a terminal's is said by the times of its rows.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Final

from groundrule.store.registers import Registers

PHONE: Final = re.compile(r"\+[1-9][0-9]{4,14}")
_PORT: Final = re.compile(r"0|[1-9][0-9]{0,4}")


def canonical_address(text: str) -> str | None:
    """Return an address in the form of a key; None if it is none.

    Example:
        >>> canonical_address("2001:DB8::7"), canonical_address("192.0.2.7:080"), canonical_address("192.0.2.7/192.0.2.7")
        ('2001:db8::/64', None, '192.0.2.7')
    """
    text = text.strip()
    if PHONE.fullmatch(text):
        return text
    try:
        if text.count(":") > 1:
            if "%" in text:
                return None  # an address within one link is nobody else's to know
            network = ipaddress.IPv6Network(text if "/" in text else f"{text}/64", strict=False)
            return str(network) if network.prefixlen == 64 else None
        if "/" in text:
            public, _, private = text.partition("/")
            return _behind(str(ipaddress.IPv4Address(public)), str(ipaddress.IPv4Address(private)))
        address, mark, port = text.partition(":")
        found = str(ipaddress.IPv4Address(address))
    except ValueError:
        return None
    if not mark:
        return found
    return f"{found}:{port}" if _PORT.fullmatch(port) and int(port) <= 0xFFFF else None


def ipv4_keys(public: str, private: str | None, port: int | None) -> list[str]:
    """Return the keys that a device with such addresses may have, the narrowest first.

    Args:
        public, private: IPv4 addresses; the public one is what the world sees.
        port: as the world sees it.
    """
    keys = [] if port is None else [f"{public}:{port}"]
    if private is not None:
        keys.append(_behind(public, private))
    return list(dict.fromkeys([*keys, public]))


def terminals_at(registers: Registers, keys: Sequence[str], at_ns: int) -> dict[str, str]:
    """Return the terminal of each address that is one's at an instant.

    Args:
        registers: open.
        keys: as from `canonical_address`.
        at_ns: the instant [ns, UTC].
    """
    return {row["address"]: row["terminal_id"] for row in registers.rows("addresses", valid_at_ns=at_ns, keys=list(keys))}


def _behind(public: str, private: str) -> str:
    return public if public == private else f"{public}/{private}"
