"""Looks for private values in public bytes, in every form in which they could have got there.

The public bytes are searched as they are, and as whatever base64 (at each of four offsets) and hexadecimal (at both) in
them decodes to. Values are searched as text, in base64 at all three alignments, in hexadecimal, as packed numbers, geohash
and H3 cells. A form shorter than 8 bytes is not searched, because it would be found by chance.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import h3

WINDOW = 8
H3_RESOLUTIONS = (4, 5, 7, 9, 12)
"""Finer than the cells of resolution 3 that aggregates publish on purpose."""
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{11,}")
_HEX = re.compile(rb"[0-9A-Fa-f]{16,}")
_GEOHASH = "0123456789bcdefghjkmnpqrstuvwxyz"
_SPREAD = [sum((n >> bit & 1) << 2 * bit for bit in range(10)) for n in range(1024)]


class Leak(NamedTuple):
    """A private value that was found."""

    value: str
    form: str


class Haystack:
    """Public bytes with everything that they decode to, ready for millions of questions.

    Args:
        parts: the public files or entries, each searched on its own.
    """

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._texts = [text for part in parts for text in (part, *_decoded(part))]
        self._windows = {
            text[at : at + WINDOW] for text in self._texts for at in range(len(text) - WINDOW + 1)
        }

    def __contains__(self, needle: bytes) -> bool:
        return needle[:WINDOW] in self._windows and any(needle in text for text in self._texts)


def leaks(
    public: Iterable[bytes], *, texts: Iterable[str] = (), places: Iterable[tuple[float, float]] = ()
) -> list[Leak]:
    """Return every private value that the public bytes contain.

    Args:
        public: files or entries.
        texts: ids, names, free text; at least 8 bytes each.
        places: latitude and longitude [degree].
    """
    haystack = Haystack(public)
    found = [
        Leak(text, form)
        for text in dict.fromkeys(texts)
        for form, needle in forms_of_text(text)
        if needle in haystack
    ]
    found += [
        Leak(f"{lat},{lon}", form)
        for lat, lon in places
        for form, needle in forms_of_place(lat, lon)
        if needle in haystack
    ]
    return found


def forms_of_text(text: str) -> Iterator[tuple[str, bytes]]:
    """Yield the forms in which a text could be written."""
    plain = text.encode()
    assert len(plain) >= WINDOW, f"`{text}` is too short to be searched for"
    yield "plain", plain
    escaped = json.dumps(text)[1:-1].encode()
    if escaped != plain:
        yield "JSON with escapes", escaped
    for shift in range(3):
        # Only the characters that the value alone determines, whatever stands before and after it.
        whole = base64.b64encode(bytes(shift) + plain + bytes(3))
        shown = whole[-(-shift * 8 // 6) : (shift + len(plain)) * 8 // 6]
        yield f"base64 at alignment {shift}", shown
        if b"+" in shown or b"/" in shown:
            yield f"URL-safe base64 at alignment {shift}", shown.translate(bytes.maketrans(b"+/", b"-_"))
    yield "hexadecimal", plain.hex().encode()
    yield "hexadecimal in capitals", plain.hex().upper().encode()


def forms_of_place(lat: float, lon: float) -> Iterator[tuple[str, bytes]]:
    """Yield the forms in which a place could be written; they say it to about 20 m or better, or as a cell."""
    lat_e7, lon_e7 = round(lat * 1e7), round(lon * 1e7)
    for name, value, scaled in (("latitude", lat, lat_e7), ("longitude", lon, lon_e7)):
        for form, text in (("decimal", f"{value:.6f}"), ("in 1e-7 degree", str(scaled))):
            if len(text) >= WINDOW:
                yield f"{name} {form}", text[: WINDOW + 1].encode()
        for order in "<>":
            yield f"{name} as binary64", struct.pack(f"{order}d", value)
    for order in "<>":
        yield "both in 1e-7 degree, packed", struct.pack(f"{order}ii", lat_e7, lon_e7)
        yield "both as binary32", struct.pack(f"{order}ff", lat, lon)
    yield "geohash", geohash(lat, lon).encode()
    for resolution in H3_RESOLUTIONS:
        cell = h3.latlng_to_cell(lat, lon, resolution)
        number = int(cell, 16)
        yield f"H3 cell of resolution {resolution}", cell.encode()
        yield f"H3 cell of resolution {resolution} as decimal", str(number).encode()
        yield f"H3 cell of resolution {resolution}, packed", struct.pack("<Q", number)
        yield f"H3 cell of resolution {resolution}, packed", struct.pack(">Q", number)


def geohash(lat: float, lon: float) -> str:
    """Eight characters: a box of 38 m by 19 m at most."""
    y, x = int((lat + 90) / 180 * 2**20), int((lon + 180) / 360 * 2**20)
    bits = (_SPREAD[x >> 10] << 20 | _SPREAD[x & 1023]) << 1 | _SPREAD[y >> 10] << 20 | _SPREAD[y & 1023]
    return "".join(_GEOHASH[bits >> 35 - 5 * n & 31] for n in range(8))


def _decoded(part: bytes) -> Iterator[bytes]:
    for run in _BASE64.findall(part):
        standard = run.translate(bytes.maketrans(b"-_", b"+/"))
        for offset in range(4):
            shifted = standard[offset:]
            yield base64.b64decode(shifted[: len(shifted) // 4 * 4] + _tail(shifted))
    for run in _HEX.findall(part):
        for offset in range(2):
            shifted = run[offset:]
            yield binascii.unhexlify(shifted[: len(shifted) // 2 * 2])


def _tail(text: bytes) -> bytes:
    rest = text[len(text) // 4 * 4 :]
    return rest + b"=" * (4 - len(rest)) if len(rest) > 1 else b""
