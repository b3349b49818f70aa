"""Tiles and entry bundles of C2SP tlog-tiles, and a tree read from them.

A tile of level l holds up to 256 hashes; hash i of tile n is the root of leaves [(256n+i)·256^l, (256n+i+1)·256^l), so
that a full tile's root stands in the level above. A bundle holds up to 256 entries, each behind its 16-bit length.

Nothing here is authenticated: a root computed from tiles means something only beside a signed checkpoint. What is
missing, too short or too long is refused, never padded.

Source: C2SP tlog-tiles.md.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from groundrule.errors import GroundruleError, InputError, IntegrityError, OutOfRange, StoreError
from groundrule.ledger import tree

TILE_WIDTH = 256
TILE_BYTES = TILE_WIDTH * tree.HASH_SIZE
MAX_ENTRY_BYTES = 65_535
MAX_LEVEL = 63
_INNER = range(8)  # a tile holds eight levels of the tree

ReadResource = Callable[[str], bytes]
"""Gives the bytes behind a path such as `tile/0/000`; raises LookupError, OSError or StoreError for a missing one."""

_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([0-9]{1,3}))?")


@dataclass(frozen=True, slots=True)
class TilePath:
    """Name of one tile or entry bundle.

    Attributes:
        level: 0 to 63, or None for an entry bundle.
        index: number of the tile within its level.
        width: hashes or entries in it; 256 is a full tile, fewer a partial one.

    Raises:
        InputError: one of them is out of range.
    """

    level: int | None
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        level, index, width = self.level, self.index, self.width
        if (
            (level is not None and (type(level) is not int or not 0 <= level <= MAX_LEVEL))
            or type(index) is not int
            or not 0 <= index <= tree.MAX_SIZE
            or type(width) is not int
            or not 1 <= width <= TILE_WIDTH
        ):
            raise InputError(
                f"no tile has level {level!r:.40}, index {index!r:.40} and width {width!r:.40}",
                help="levels run from 0 to 63 or are None for entries, widths from 1 to 256",
            )

    @classmethod
    def parse(cls, path: str) -> TilePath:
        """Parse a path; only the one canonical spelling of a tile is accepted.

        Raises:
            InputError: the text is not exactly such a path.
        """
        match = _PATH.fullmatch(path) if isinstance(path, str) else None
        if match is not None:
            level, number, width = match.groups()
            if width is None or 1 <= int(width) < TILE_WIDTH:
                index = int(number.replace("x", "").replace("/", ""))
                if (level == "entries" or int(level) <= MAX_LEVEL) and index <= tree.MAX_SIZE:
                    parsed = cls(None if level == "entries" else int(level), index, int(width or TILE_WIDTH))
                    if str(parsed) == path:
                        return parsed
        raise InputError(
            f"`{path!s:.80}` is not the path of a tile",
            help="tile/<level or entries>/<number in groups of three, all but the last behind x>[.p/<width>]",
        )

    def __str__(self) -> str:
        number = f"{self.index % 1000:03}"
        rest = self.index // 1000
        while rest:
            number = f"x{rest % 1000:03}/{number}"
            rest //= 1000
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{'entries' if self.level is None else self.level}/{number}{partial}"

    @property
    def full(self) -> TilePath:
        """The full tile of the same place."""
        return TilePath(self.level, self.index)

    def end(self) -> int:
        """Number of leaves that a tree needs at least for this tile to exist, that is, the end of what it covers."""
        return self.index * TILE_WIDTH + self.width << 8 * (self.level or 0)


def resources(size: int) -> Iterator[TilePath]:
    """Yield every bundle and every tile that a log of exactly `size` entries consists of, in order."""
    yield from _row(None, size)
    level = 0
    while size:
        yield from _row(level, size)
        size //= TILE_WIDTH
        level += 1


def _row(level: int | None, count: int) -> Iterator[TilePath]:
    for index in range(count // TILE_WIDTH):
        yield TilePath(level, index)
    if count % TILE_WIDTH:
        yield TilePath(level, count // TILE_WIDTH, count % TILE_WIDTH)


# --- bundles and tiles as bytes ---------------------------------------------------------------------------------------


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Write entries one after the other, each behind its length.

    Raises:
        InputError: an entry is longer than 65,535 bytes.
    """
    parts = []
    for number, entry in enumerate(entries):
        if len(entry) > MAX_ENTRY_BYTES:
            raise InputError(
                f"entry {number} has {len(entry):,} bytes", help=f"an entry has at most {MAX_ENTRY_BYTES:,} bytes"
            )
        parts.append(len(entry).to_bytes(2, "big"))
        parts.append(entry)
    return b"".join(parts)


def decode_bundle(data: bytes, count: int) -> list[bytes]:
    """Read a bundle of exactly `count` entries.

    Raises:
        InputError: it ends too early, or bytes follow the last entry.
    """
    entries = []
    at, end = 0, len(data)
    for number in range(count):
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        if at > end:
            raise InputError(
                f"the bundle ends within entry {number} of {count}", help="a bundle is complete", entry=number
            )
        entries.append(data[start:at])
    if at != end:
        raise InputError(f"{end - at} bytes follow the last of {count} entries", help="a bundle ends with its entries")
    return entries


def tile_hashes(data: bytes, width: int) -> list[bytes]:
    """Split a tile into its `width` hashes.

    Raises:
        InputError: the tile does not have exactly that many.
    """
    if len(data) != width * tree.HASH_SIZE:
        raise InputError(
            f"a tile of width {width} has {len(data):,} bytes",
            help=f"{width} hashes are {width * tree.HASH_SIZE:,} bytes",
        )
    return [data[at : at + tree.HASH_SIZE] for at in range(0, len(data), tree.HASH_SIZE)]


# --- reading ----------------------------------------------------------------------------------------------------------


class TileTree:
    """The tree of `size` leaves behind a folder, archive or server of tiles.

    Tiles are read when they are needed and kept, expanded, in a bounded memory (16 kB a tile). May be used by several
    threads. A partial tile that is gone because the tile has filled up since is cut from the full one.

    Args:
        read: gives the bytes behind a path.
        size: number of leaves.
        cached_tiles: how many tiles to keep.

    Raises:
        OutOfRange: `size` is no size of a tree.
    """

    def __init__(self, read: ReadResource, size: int, *, cached_tiles: int = 512) -> None:
        if type(size) is not int or not 0 <= size <= tree.MAX_SIZE:
            raise OutOfRange(f"`{size!r:.40}` is no size of a tree", help="a size lies between 0 and 2^63-1")
        self.size = size
        self._read = read
        self._cached_tiles = max(1, cached_tiles)
        self._tiles: dict[tuple[int, int], list[bytes]] = {}
        self._edges: dict[int, bytes] = {}
        self._bundle: tuple[int, list[bytes]] = (-1, [])
        self._lock = threading.Lock()

    def hash(self, level: int, index: int) -> bytes:
        """Root of the perfect subtree of leaves [index·2^level, (index+1)·2^level); a `HashReader`.

        Raises:
            OutOfRange: the subtree is not wholly within the tree.
            IntegrityError: a tile has the wrong length.
            StoreError: a tile is missing.
        """
        row, inner = level >> 3, level & 7
        rows = self._rows(row, index << inner >> 8, inner)
        at = (index & (255 >> inner)) * 32
        found = rows[inner][at : at + 32]
        if len(found) != 32:
            raise OutOfRange(
                f"subtree {index} of level {level} is not in a tree of {self.size} leaves",
                help="ask for a subtree that is complete",
            )
        return found

    def root(self) -> bytes:
        """Root of the tree, from its right edge."""
        return tree.root_at(self.size, self.hash)

    def root_at(self, size: int) -> bytes:
        """Root of the first `size` leaves."""
        self._within(size)
        return tree.root_at(size, self.hash)

    def inclusion_path(self, index: int, size: int | None = None) -> list[bytes]:
        """Prove leaf `index` in the tree, or in the earlier tree of `size` leaves.

        Gives what `tree.inclusion_path` gives; eight siblings at a time come out of each tile.

        Raises:
            OutOfRange: there is no such leaf or size.
        """
        if size is not None and size != self.size:
            self._within(size)
            return tree.inclusion_path(index, size, self.hash)
        if type(index) is not int or not 0 <= index < self.size:
            return tree.inclusion_path(index, self.size, self.hash)  # says what is wrong
        path: list[bytes] = []
        node, last, row = index, self.size - 1, 0
        while last:
            inside = node & 255
            if node >> 8 < last >> 8:  # a full tile: all siblings are in it
                rows = self._rows(row, node >> 8, 7)
                path += [
                    below[at : at + 32]
                    for at, below in zip([(inside >> k ^ 1) << 5 for k in _INNER], rows, strict=True)
                ]
            else:
                for inner in _INNER:
                    sibling = node >> inner ^ 1
                    if sibling < last >> inner:
                        at = (inside >> inner ^ 1) << 5
                        path.append(self._rows(row, node >> 8, inner)[inner][at : at + 32])
                    elif sibling == last >> inner:
                        path.append(self._edge(8 * row + inner))
            node, last, row = node >> 8, last >> 8, row + 1
        return path

    def consistency_path(self, old: int, size: int | None = None) -> list[bytes]:
        """Prove that the tree, or its first `size` leaves, extends the tree of its first `old` leaves."""
        if size is not None:
            self._within(size)
        return tree.consistency_path(old, self.size if size is None else size, self.hash)

    def entry(self, index: int) -> bytes:
        """Read one entry; it is not compared with its leaf hash.

        Raises:
            OutOfRange: there is no such entry.
            IntegrityError: its bundle is damaged.
            StoreError: its bundle is missing.
        """
        if type(index) is not int or not 0 <= index < self.size:
            raise OutOfRange(
                f"entry `{index!r:.40}` is not in a log of {self.size} entries", help="indexes start at 0", index=index
            )
        number, entries = self._bundle
        if number != index >> 8:
            entries = self.bundle(index >> 8)
            self._bundle = (index >> 8, entries)
        return entries[index & 255]

    def bundle(self, number: int) -> list[bytes]:
        """Read all entries of one bundle, as far as they are within the tree."""
        width = self._width(0, number)
        data, held, path = self._fetch(None, number, width)
        try:
            return decode_bundle(data, held)[:width]
        except InputError as error:
            raise IntegrityError(f"{path}: {error.message}", help=error.help, path=str(path)) from error

    def entries(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the entries [start, end) in order."""
        stop = self.size if end is None else min(end, self.size)
        for number in range(start >> 8, stop + 255 >> 8):
            first = number << 8
            yield from self.bundle(number)[max(0, start - first) : stop - first]

    def tile(self, level: int, number: int) -> bytes:
        """Bytes of one tile, cut to what is within the tree."""
        return self._rows(level, number, 0)[0]

    def _within(self, size: int) -> None:
        if type(size) is not int or not 0 <= size <= self.size:
            raise OutOfRange(
                f"size `{size!r:.40}` is not within a tree of {self.size} leaves",
                help=f"sizes run from 0 to {self.size}",
            )

    def _edge(self, level: int) -> bytes:
        """Root of the leaves under the last node of a level, which need not be 2^level."""
        found = self._edges.get(level)
        if found is None:
            found = tree.range_root(self.size - 1 >> level << level, self.size, self.hash)
            self._edges[level] = found
        return found

    def _width(self, level: int, number: int) -> int:
        width = min(TILE_WIDTH, (self.size >> 8 * level) - number * TILE_WIDTH) if 0 <= level <= 7 else 0
        if number < 0 or width <= 0:
            raise OutOfRange(
                f"tile {number} of level {level} is not in a tree of {self.size} leaves",
                help="ask for a tile that the size has",
            )
        return width

    def _fetch(self, level: int | None, number: int, width: int) -> tuple[bytes, int, TilePath]:
        """Read a tile or bundle; returns its bytes, how wide it is, and its path."""
        path = TilePath(level, number, width)
        try:
            return self._read(str(path)), width, path
        except (LookupError, OSError, StoreError) as missing:
            if width < TILE_WIDTH:
                try:
                    return self._read(str(path.full)), TILE_WIDTH, path.full
                except (LookupError, OSError, StoreError):
                    pass  # the log has not grown that far: what is missing is the partial tile
            if isinstance(missing, GroundruleError):
                raise
            raise StoreError(f"{path} cannot be read", help=str(missing), path=str(path)) from missing

    def _rows(self, level: int, number: int, inner: int) -> list[bytes]:
        """The tile and its inner rows of nodes, at least up to row `inner`."""
        key = (level, number)
        rows = self._tiles.get(key)
        if rows is None:
            width = self._width(level, number)
            data, held, path = self._fetch(level, number, width)
            if len(data) != held * 32:
                raise IntegrityError(
                    f"{path} has {len(data):,} bytes", help=f"{held} hashes are {held * 32:,} bytes", path=str(path)
                )
            rows = [data[: width * 32]]
            with self._lock:
                self._tiles[key] = rows
                if len(self._tiles) > self._cached_tiles:
                    # The oldest goes first: the few upper tiles are read again once in a while, which costs next to
                    # nothing, and a hit needs no lock.
                    del self._tiles[next(iter(self._tiles))]
        while (row := len(rows)) <= inner:
            # Built beside the list, so that a thread which sees the row sees all of it; built twice it is the same. The
            # length is read once a turn: another thread may add the last row between two readings of it.
            below = rows[row - 1]
            made = b"".join([sha256(b"\x01" + below[at : at + 64]).digest() for at in range(0, len(below) - 63, 64)])
            with self._lock:
                if len(rows) == row:
                    rows.append(made)
        return rows


# --- writing ----------------------------------------------------------------------------------------------------------


class TileBuilder:
    """Makes the tiles of a growing log from its leaf hashes.

    Holds the hashes of the partial tile of each level and nothing else.

    Attributes:
        size: number of leaves so far.
    """

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[list[bytes]] = []

    @classmethod
    def at(cls, size: int, read_tile: ReadResource) -> TileBuilder:
        """Take up a log of `size` leaves at the right edge of its tiles.

        Raises:
            IntegrityError: a tile has the wrong length.
            StoreError: a tile is missing.
        """
        source = TileTree(read_tile, size, cached_tiles=1)
        builder = cls()
        builder.size = size
        level = 0
        while size >> 8 * level:
            width = (size >> 8 * level) % TILE_WIDTH
            number = size >> 8 * level + 8
            builder._edge.append(tile_hashes(source.tile(level, number), width) if width else [])
            level += 1
        return builder

    def extend(self, leaves: Iterable[bytes]) -> Iterator[tuple[TilePath, bytes]]:
        """Append leaf hashes and yield every new full tile and the new partial tiles, level by level.

        Everything is appended before the first tile is yielded.

        Raises:
            InputError: something in `leaves` is not a hash of 32 bytes; nothing was appended.
        """
        hashes = tree.checked_hashes(leaves)
        if self.size + len(hashes) > tree.MAX_SIZE:
            raise OutOfRange(f"the log would grow beyond {tree.MAX_SIZE} entries", help="start another log")
        made: list[tuple[TilePath, bytes]] = []
        level, before = 0, self.size
        self.size += len(hashes)
        while hashes:
            if level == len(self._edge):
                self._edge.append([])
            row = self._edge[level] + hashes
            first = before >> 8 * level + 8
            full, rest = divmod(len(row), TILE_WIDTH)
            hashes = []
            for number in range(full):
                tile = row[number * TILE_WIDTH : (number + 1) * TILE_WIDTH]
                made.append((TilePath(level, first + number), b"".join(tile)))
                hashes.append(tile_root(tile))
            self._edge[level] = row[len(row) - rest :]
            if rest:
                made.append((TilePath(level, first + full, rest), b"".join(self._edge[level])))
            level += 1
        return iter(made)


def tile_root(hashes: Sequence[bytes]) -> bytes:
    """Root of a full tile, which stands for it in the level above."""
    assert len(hashes) == TILE_WIDTH
    while len(hashes) > 1:
        hashes = tree.parents(hashes)
    return hashes[0]


def new_tiles(
    old_size: int, read_tile: ReadResource, new_leaf_hashes: Iterable[bytes]
) -> Iterator[tuple[TilePath, bytes]]:
    """Yield the tiles that appear when leaves are appended to a stored log of `old_size` leaves."""
    return TileBuilder.at(old_size, read_tile).extend(new_leaf_hashes)


def new_bundles(old_size: int, read: ReadResource, new_entries: Sequence[bytes]) -> Iterator[tuple[TilePath, bytes]]:
    """Yield the entry bundles that appear when entries are appended to a stored log of `old_size` entries.

    Raises:
        InputError: an entry is too long.
        IntegrityError: the stored partial bundle is damaged.
        StoreError: it is missing.
    """
    number, held = divmod(old_size, TILE_WIDTH)
    pending = [*TileTree(read, old_size).bundle(number), *new_entries] if held else list(new_entries)
    if not new_entries:
        return
    for start in range(0, len(pending), TILE_WIDTH):
        part = pending[start : start + TILE_WIDTH]
        yield TilePath(None, number + start // TILE_WIDTH, len(part)), encode_bundle(part)
