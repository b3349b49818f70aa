"""Is what the log is about to sign really what is on the medium?

A root is signed only after it was computed again from the stored copy: one flipped bit in the memory of a writer has ended
a public log, because the tree that was signed was not the tree that was stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from groundrule.errors import IntegrityError, StoreError
from groundrule.ledger.disk import Disk
from groundrule.ledger.state import TreeState
from groundrule.ledger.tiles import TILE_WIDTH, ReadResource, TileBuilder, TilePath, TileTree, decode_bundle, resources
from groundrule.ledger.tree import HASH_SIZE, Frontier, leaf_hashes

CHUNK = 65_536
"""Entries that are re-read at a time."""
RESTORE = "run `groundrule ledger fsck` and restore the log from a copy; it is never signed again over damage"


def recompute(disk: Disk, signed: TreeState, state: TreeState) -> None:
    """Compute the tree again from what is stored, and everything that came after `signed` from its entries.

    1. The first `signed.size` leaves must have the root that was signed.
    2. Every entry since is read from its bundle and hashed; with them the root must become that of `state`.
    3. Every tile that these entries changed must hold exactly the hashes that follow from them.
    4. The right edge of the tiles must give the root of `state` too.

    Files are read from the medium, not from the cache, where the system allows it.

    Raises:
        IntegrityError: something differs or is missing. StoreError: something cannot be read.
    """
    read = reading(disk, cold=True)
    with missing_is_damage():
        tree = TileTree(read, state.size)
        frontier = Frontier.at(signed.size, tree.hash)
        if frontier.root() != signed.root:
            raise damage(f"the first {signed.size} leaves do not have the root that was signed")
        # Its partial tiles are cut from those of now: the older ones need not be kept.
        builder = TileBuilder.at(signed.size, lambda path: _cut(tree, TilePath.parse(path)))
        for start in range(signed.size, state.size, CHUNK):
            end = min(state.size, start + CHUNK)
            hashes = list(leaves(tree, start, end))
            frontier.extend(hashes)
            for path, data in builder.extend(hashes):
                # Partial tiles of sizes in between were never stored.
                if (path.width == TILE_WIDTH or end == state.size) and read(str(path)) != data:
                    raise damage(f"`{path}` does not hold the hashes of its entries", path=str(path))
        if frontier.root() != state.root or tree.root() != state.root:
            raise damage(f"the stored tree of {state.size} leaves does not have the root of the tree state")


def _cut(tree: TileTree, path: TilePath) -> bytes:
    return tree.tile(path.level or 0, path.index)[: HASH_SIZE * path.width]


def leaves(tree: TileTree, start: int, end: int) -> Iterator[bytes]:
    """Yield the leaf hashes of the entries [start, end), hashed from their bundles.

    Whole bundles are hashed, so that an entry before `start` that shares one is compared with its stored hash as well.
    """
    for number in range(start // TILE_WIDTH, -(-end // TILE_WIDTH)):
        first = number * TILE_WIDTH
        hashes = leaf_hashes(tree.bundle(number))
        for index, found in enumerate(hashes[: max(0, start - first)], first):
            if found != tree.hash(0, index):
                raise damage(f"entry {index} does not have the hash of its leaf", index=index)
        yield from hashes[max(0, start - first) : end - first]


def check_present(disk: Disk, size: int) -> None:
    """Check that every bundle and tile of a size is there and has a possible length; nothing is read.

    Raises:
        IntegrityError: naming the first that is wrong and how many are.
    """
    wrong: list[str] = []
    for path in resources(size):
        try:
            length = disk.size_of(str(path))
        except FileNotFoundError:
            wrong.append(f"`{path}` is missing")
            continue
        if (length < 2 * path.width) if path.level is None else (length != HASH_SIZE * path.width):
            wrong.append(f"`{path}` has {length:,} bytes")
    if wrong:
        more = f", and {len(wrong) - 1} more files are wrong" if len(wrong) > 1 else ""
        raise damage(f"{wrong[0]}{more}", faults=len(wrong))


def check_edge(disk: Disk, state: TreeState) -> TileTree:
    """Check the right edge of the tree against the tree state, and the entries of its last bundle against their leaves.

    Returns:
        The tree.
    Raises:
        IntegrityError: something differs.
    """
    tree = TileTree(reading(disk), state.size)
    with missing_is_damage():
        if tree.root() != state.root:
            raise damage(f"the tiles of {state.size} leaves do not have the root of the tree state")
        check_leaves(tree, max(0, state.size - 1) // TILE_WIDTH * TILE_WIDTH, state.size)
    return tree


def check_leaves(tree: TileTree, start: int, end: int) -> None:
    """Check the entries [start, end) against their leaves.

    Raises:
        IntegrityError: one does not have the hash of its leaf.
    """
    for index, found in enumerate(leaves(tree, start, end), start):
        if found != tree.hash(0, index):
            raise damage(f"entry {index} does not have the hash of its leaf", index=index)


def read_back(disk: Disk, path: TilePath, written: bytes) -> list[bytes]:
    """Read a bundle that was just written and hash what is stored.

    Raises:
        IntegrityError: other bytes came back.
    """
    with missing_is_damage():
        stored = disk.read(str(path))
    if stored != written:
        raise damage(f"`{path}` did not come back as it was written", path=str(path))
    return leaf_hashes(decode_bundle(stored, path.width))


def reading(disk: Disk, *, cold: bool = False) -> ReadResource:
    """Return how a tree reads its tiles from a disk."""
    return lambda path: disk.read(path, cold=cold)


@contextmanager
def missing_is_damage() -> Iterator[None]:
    """Turn a missing file into an IntegrityError; a file that is there and cannot be read stays a StoreError."""
    try:
        yield
    except FileNotFoundError as error:
        raise damage(f"`{error.filename}` is missing", path=str(error.filename)) from error
    except StoreError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise damage(f"`{error.__cause__.filename}` is missing", path=str(error.__cause__.filename)) from error
        raise


def damage(what: str, **context: object) -> IntegrityError:
    """Return the error for stored bytes that are not what was recorded."""
    return IntegrityError(what, help=RESTORE, **context)
