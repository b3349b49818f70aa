"""Two bundles of one log held against each other: whether both show one history, two that exclude each other, or too little to tell.

A log grows, so two bundles of it name different numbers of entries and different roots, and that alone proves nothing. A forgery is
proved by two heads of one size, or by a longer log that does not begin with the shorter one. For that a bundle holds hashes of its log:

    log/hashes    32 bytes each: leaf hashes of the entries, in order; of a log of more than 16,384 entries first one hash for each full 256
                  entries (the root of their subtree), and leaf hashes from there on for the last 8,192 to 8,447

They are the hashes of the public log and tell nothing of its entries. What this cannot show: that the log is true or complete, and what
others were shown. The small verifier (tools/verify_dossier.py) asks the same; the form is in docs/verify-without-us.md.
Source: RFC 6962 section 2.1 (the tree).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from groundrule.errors import ProofFailed
from groundrule.ledger.checkpoint import Checkpoint
from groundrule.ledger.note import Note
from groundrule.ledger.tiles import TileTree
from groundrule.ledger.tree import HASH_SIZE, root_of

CHECKPOINT: Final = "log/checkpoint"
HASHES: Final = "log/hashes"
WHOLE: Final = 16_384
"""Entries up to which every leaf hash is kept (half a megabyte)."""
LAST: Final = 8_192
WIDTH: Final = 256
_LEVEL: Final = 8

ONE_HISTORY, TWO_HISTORIES, NOT_SHOWN = "one_history", "two_histories", "not_shown"


@dataclass(frozen=True, slots=True)
class Head:
    """What a signed checkpoint says: name of the log, number of entries, root of its tree."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Hashes:
    """Hashes of a log: `tiles` of each full 256 entries below `start`, `leaves` from there on."""

    start: int
    tiles: tuple[bytes, ...]
    leaves: tuple[bytes, ...]

    def root_at(self, size: int) -> bytes | None:
        """Return the root of the first entries; None where these hashes do not suffice."""
        if (size < self.start and size % WIDTH) or size > self.start + len(self.leaves):
            return None
        rest = self.leaves[: max(0, size - self.start)]
        # A row of the tree above whole tiles: an unpaired last node rises unchanged, whatever its width.
        return root_of([*self.tiles[: size // WIDTH], *(root_of(rest[at : at + WIDTH]) for at in range(0, len(rest), WIDTH))])


@dataclass(frozen=True, slots=True)
class History:
    """What a bundle shows of a log.

    Attributes:
        head: under which its entries are proved; None where it has none.
        heads: every head that is signed in it.
        hashes: of the tree of `head`, or None.
        leaves: leaf hash of each entry that it proves, by index.
    """

    head: Head | None
    heads: tuple[Head, ...]
    hashes: Hashes | None
    leaves: Mapping[int, bytes]


@dataclass(frozen=True, slots=True)
class Compared:
    """How two bundles stand to each other: `verdict` is one of the three of this module, `why` one line."""

    verdict: str
    why: str


def start_of(size: int) -> int:
    """Return from which entry on a log of a size keeps leaf hashes."""
    return 0 if size <= WHOLE else (size - LAST) // WIDTH * WIDTH


def log_hashes(tree: TileTree) -> bytes:
    """Return the hashes of a log as a bundle holds them."""
    start = start_of(tree.size)
    tiles = (tree.hash(_LEVEL, number) for number in range(start // WIDTH))
    return b"".join((*tiles, *(tree.tile(0, number) for number in range(start // WIDTH, -(-tree.size // WIDTH)))))


def hashes_of(data: bytes, size: int) -> Hashes:
    """Read the hashes of a log of some size.

    Raises:
        ProofFailed: there are more or fewer than a log of this size gives.
    """
    start = start_of(size)
    if len(data) != HASH_SIZE * (start // WIDTH + size - start):
        raise ProofFailed(f"`{HASHES}` has another length than a log of this size gives")
    every = tuple(data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE))
    return Hashes(start, every[: start // WIDTH], every[start // WIDTH :])


def head_of(checkpoint: bytes) -> Head:
    """Return what a checkpoint says; its signatures are verified elsewhere."""
    said = Checkpoint.parse(Note.parse(checkpoint).text)
    return Head(said.origin, said.size, said.root)


def told_apart(one: History, other: History) -> Iterator[str]:
    """Yield what cannot be true of both at once."""
    for mine in one.heads:
        for its in other.heads:
            if (mine.origin, mine.size) == (its.origin, its.size) and mine.root != its.root:
                yield f"at {mine.size} entries one head has the root {mine.root.hex()}, another {its.root.hex()}"
        whole = other.heads[0] if other.heads else None
        if whole is None or other.hashes is None or whole.origin != mine.origin or mine.size > whole.size:
            continue
        if (begun := other.hashes.root_at(mine.size)) is not None and begun != mine.root:
            yield f"the log of {whole.size} entries does not begin with the one of {mine.size} entries whose root is {mine.root.hex()}"
    if one.heads and other.heads and one.heads[0].origin == other.heads[0].origin:
        for index in sorted(one.leaves.keys() & other.leaves.keys()):
            if one.leaves[index] != other.leaves[index]:
                yield f"entry {index} is another in each"


def compare(one: History | None, other: History | None) -> Compared:
    """Hold two bundles of one log against each other, both verified by the same keys."""
    if one is None or other is None or one.head is None or other.head is None:
        return Compared(NOT_SHOWN, "one of them rests on no log")
    if one.head.origin != other.head.origin:
        names = f"`{one.head.origin[:100]}` and `{other.head.origin[:100]}`"
        return Compared(NOT_SHOWN, f"they are of two logs, {names}: nothing follows from one for the other")
    for each in (*told_apart(one, other), *told_apart(other, one)):
        return Compared(TWO_HISTORIES, each)
    if one.head.size == other.head.size:
        return Compared(ONE_HISTORY, f"both have the same head, of {one.head.size} entries")
    short, long = (one, other) if one.head.size < other.head.size else (other, one)
    assert short.head is not None  # asked above
    assert long.head is not None
    sizes = f"of {short.head.size} and {long.head.size} entries"
    if long.hashes is not None and long.hashes.root_at(short.head.size) is not None:
        return Compared(ONE_HISTORY, f"{sizes}; the longer log begins with the shorter one")
    return Compared(NOT_SHOWN, f"{sizes}; the longer bundle does not hold the hashes that it takes")
