"""The tree, tiles, keys and notes of a transparency log, as plain as the standards define them.

Nothing of Groundrule is imported, so that a mistake there cannot hide here: trees are hashed and proven by the recursive
definitions of RFC 6962, 2.1, and whether a proof holds is decided by reading those definitions backwards.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def split_point(n: int) -> int:
    """Largest power of two smaller than n."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k


# --- trees (RFC 6962, 2.1) --------------------------------------------------------------------------------------------


@dataclass
class Tree:
    """Entries with the definitions of RFC 6962; every range hashed once is remembered."""

    entries: Sequence[bytes]
    known: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def mth(self, low: int, high: int) -> bytes:
        """Return MTH of the entries from `low` until before `high`."""
        if low == high:
            return sha256(b"")
        if (low, high) not in self.known:
            if high - low == 1:
                found = sha256(b"\0" + self.entries[low])
            else:
                k = split_point(high - low)
                found = sha256(b"\1" + self.mth(low, low + k) + self.mth(low + k, high))
            self.known[low, high] = found
        return self.known[low, high]

    def root(self, size: int) -> bytes:
        return self.mth(0, size)

    def path(self, m: int, low: int, high: int) -> list[bytes]:
        """Return PATH(m) of the entries from `low` until before `high` (2.1.1)."""
        if high - low == 1:
            return []
        k = split_point(high - low)
        if m < k:
            return [*self.path(m, low, low + k), self.mth(low + k, high)]
        return [*self.path(m - k, low + k, high), self.mth(low, low + k)]

    def proof(self, m: int, n: int) -> list[bytes]:
        """Return PROOF(m, n) (2.1.2)."""
        return [] if m == 0 else self._sub(m, 0, n, True)

    def _sub(self, m: int, low: int, high: int, whole: bool) -> list[bytes]:
        if m == high - low:
            return [] if whole else [self.mth(low, high)]
        k = split_point(high - low)
        if m <= k:
            return [*self._sub(m, low, low + k, whole), self.mth(low + k, high)]
        return [*self._sub(m - k, low + k, high, False), self.mth(low, low + k)]


def root_from_path(m: int, n: int, leaf: bytes, path: list[bytes]) -> bytes | None:
    """Read PATH backwards; None if it has the wrong length."""
    if not 0 <= m < n or any(len(part) != 32 for part in path) or (n == 1) != (not path):
        return None
    if n == 1:
        return leaf
    k, *rest = split_point(n), path[-1]
    below = root_from_path(m, k, leaf, path[:-1]) if m < k else root_from_path(m - k, n - k, leaf, path[:-1])
    if below is None:
        return None
    return sha256(b"\1" + below + rest[0]) if m < k else sha256(b"\1" + rest[0] + below)


def roots_from_proof(m: int, n: int, first: bytes, proof: list[bytes], whole: bool = True) -> tuple[bytes, bytes] | None:
    """Read SUB backwards; None if it has the wrong length."""
    if m == n:
        if whole:
            return None if proof else (first, first)
        return (proof[0], proof[0]) if len(proof) == 1 else None
    if not proof:
        return None
    k, last = split_point(n), proof[-1]
    if m <= k:
        below = roots_from_proof(m, k, first, proof[:-1], whole)
        return below and (below[0], sha256(b"\1" + below[1] + last))
    below = roots_from_proof(m - k, n - k, first, proof[:-1], False)
    return below and (sha256(b"\1" + last + below[0]), sha256(b"\1" + last + below[1]))


def consistent(m: int, n: int, first: bytes, second: bytes, proof: list[bytes]) -> bool:
    if m > n or any(len(part) != 32 for part in (*proof, first, second)):
        return False
    if m == 0:
        return not proof and first == sha256(b"")
    return roots_from_proof(m, n, first, proof) == (first, second)


# --- tiles ------------------------------------------------------------------------------------------------------------


def tile_path(level: int | str, n: int, width: int | None) -> str:
    elements = [f"{n % 1000:03}"]
    while n := n // 1000:
        elements.insert(0, f"x{n % 1000:03}")
    return f"tile/{level}/{'/'.join(elements)}" + (f".p/{width}" if width else "")


def resources(tree: Tree, size: int) -> dict[str, bytes]:
    """Return the tiles and bundles of exactly that size by path (tlog-tiles)."""
    found: dict[str, bytes] = {}
    level, unit = 0, 1
    while size // unit:
        hashes = size // unit
        for n in range((hashes + 255) // 256):
            width = min(256, hashes - 256 * n)
            starts = [(256 * n + i) * unit for i in range(width)]
            part = None if width == 256 else width
            found[tile_path(level, n, part)] = b"".join(tree.mth(start, start + unit) for start in starts)
            if level == 0:
                entries = (tree.entries[start] for start in starts)
                bundle = b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
                found[tile_path("entries", n, part)] = bundle
        level, unit = level + 1, unit * 256
    return found


# --- keys and notes ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Signer:
    """A key with its name: type 1 signs notes, 4 and 6 cosign (signed-note, tlog-cosignature)."""

    name: str
    type: int
    seed: bytes

    @cached_property
    def private(self) -> Any:
        if self.type == 6:
            return mldsa.MLDSA44PrivateKey.from_seed_bytes(self.seed)
        return ed25519.Ed25519PrivateKey.from_private_bytes(self.seed)

    @cached_property
    def encoded(self) -> bytes:
        return bytes([self.type]) + self.private.public_key().public_bytes_raw()

    @property
    def key_id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + self.encoded)[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64(self.encoded)}"

    def line(self, blob: bytes, *, name: str | None = None, key_id: bytes | None = None) -> str:
        return f"\u2014 {name or self.name} {b64((key_id or self.key_id) + blob)}\n"

    def sign(self, text: str) -> str:
        """Return the signature line of a note."""
        return self.line(self.private.sign(text.encode()))

    def cosign(self, text: str, time: int, *, as_name: str | None = None) -> str:
        """Return the cosignature line of a checkpoint; `as_name` is the cosigner named in what ML-DSA-44 signs."""
        stamp = time.to_bytes(8, "big")
        if self.type == 4:
            return self.line(stamp + self.private.sign(f"cosignature/v1\ntime {time}\n{text}".encode()))
        origin, size, root, *_ = text.split("\n")
        names = [part.encode() for part in (as_name or self.name, origin)]
        owner, log = (bytes([len(part)]) + part for part in names)
        head = bytes(8) + int(size).to_bytes(8, "big") + base64.b64decode(root)
        return self.line(stamp + self.private.sign(b"subtree/v1\n\0" + owner + stamp + log + head))


def checkpoint(origin: str, size: int | str, root: bytes, *extensions: str) -> str:
    return "".join(f"{line}\n" for line in (origin, size, b64(root), *extensions))


def note(text: str, *lines: str) -> str:
    return f"{text}\n{''.join(lines)}"
