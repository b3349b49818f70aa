"""Does every byte below a tree head follow from the entries?

One pass from the first bundle to the last. Each bundle is hashed and compared with its tile; each full tile gives one
hash of the tile above, which is rebuilt in memory and compared when it is full. Memory holds one tile per level. A root
computed from tiles depends on the right edge only, so the pass reads every bundle and every tile.

Where the two sides of a comparison differ, the hash one level up says which of them was changed, and the pass goes on
with the other one: one flipped bit is one fault, not one for every level above it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from groundrule.errors import GroundruleError, InputError
from groundrule.ledger.audit.source import Source
from groundrule.ledger.tiles import TILE_WIDTH, TilePath, decode_bundle, tile_root
from groundrule.ledger.tree import EMPTY_ROOT, HASH_SIZE, leaf_hashes, root_of

Report = Callable[[str, int | None, str], None]
"""Takes path, entry index or None, and what is wrong."""
OnBundle = Callable[[int, Sequence[bytes | None]], None]
"""Takes the index of the first entry and the entries, None for each that is missing or not the one that was logged."""

MAX_MISSING = 64
"""Bundles missing in a row after which a log that cannot be listed is taken to have ended."""
MAX_UNKNOWN = 1 << 16
"""Bundles missing in a row after which the tiles above are no longer rebuilt."""

Hashes = list[bytes | None]


class TreeWalk:
    """One pass over the first `size` entries.

    Args:
        source: the log.
        size: entries to walk.
        heads: known roots by size; sizes above `size` are ignored.
        fault: called with each fault.
        remark: called with each file that lies beyond the tree.
        on_bundle: called with the entries of each bundle in order.
        progress: called with the number of entries done since the last call.
    """

    def __init__(
        self,
        source: Source,
        size: int,
        heads: Iterable[tuple[int, bytes]],
        *,
        fault: Report,
        remark: Report,
        on_bundle: OnBundle | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self._read, self._size = source.read, size
        self._fault, self._remark = fault, remark
        self._on_bundle, self._progress = on_bundle, progress
        self._expected: dict[int, set[bytes]] = defaultdict(set)
        for at, root in heads:
            self._expected[at].add(root)
        self._sizes = sorted(at for at in self._expected if 0 < at <= size)
        self._pending: list[Hashes] = [[]]
        self._done: list[int] = [0]
        self._rebuild = True
        self._above: dict[tuple[int, int], list[bytes] | None] = {}
        self._listed = source.names is not None
        self._present: list[int] = []
        self._partials: dict[tuple[int | None, int], list[int]] = defaultdict(list)
        if source.names is not None:
            self._take_stock(source.names)
        self.roots: dict[int, bytes | None] = {0: EMPTY_ROOT}
        """Recomputed root by size, for each size asked for; None where too much is missing to compute it."""

    def run(self) -> None:
        """Walk; what is found goes to the callbacks and to `roots`."""
        bundles = -(-self._size // TILE_WIDTH)
        number = missing = 0
        while number < bundles:
            found = self._step(number, min(TILE_WIDTH, self._size - TILE_WIDTH * number))
            missing = 0 if found else missing + 1
            number += 1
            if self._progress is not None:
                self._progress(min(TILE_WIDTH, self._size - TILE_WIDTH * (number - 1)))
            if missing >= MAX_MISSING:
                number = self._skip(number, bundles)
                missing = 0
        self._finish()
        self._check_partials_left()

    # --- one bundle and its tile --------------------------------------------------------------------------------------

    def _step(self, number: int, width: int) -> bool:
        first = TILE_WIDTH * number
        bundle_path, tile_path = TilePath(None, number, width), TilePath(0, number, width)
        entries = self._bundle(bundle_path)
        computed = leaf_hashes(entries) if entries is not None else None
        stored = self._tile(tile_path)
        chosen: list[bytes] | None
        if computed is None or stored is None:
            chosen = computed if stored is None else stored
        elif computed == stored:
            chosen = computed
        else:
            chosen = self._settle_leaves(bundle_path, tile_path, computed, stored)
        if self._on_bundle is not None:
            self._on_bundle(first, _as_logged(entries, computed, chosen, width))
        if chosen is not None:
            self._compare_partials(0, number, b"".join(chosen))
        self._note_roots(first, width, chosen)
        if width == TILE_WIDTH:
            self._raise(0, number, None if chosen is None else tile_root(chosen))
        return entries is not None or stored is not None

    def _settle_leaves(
        self, bundle_path: TilePath, tile_path: TilePath, computed: list[bytes], stored: list[bytes]
    ) -> list[bytes]:
        """Report entries and leaf hashes that disagree; return those that the tree above confirms."""
        differ = [i for i, (one, other) in enumerate(zip(computed, stored, strict=True)) if one != other]
        first = TILE_WIDTH * bundle_path.index
        confirmed = self._confirmed(tile_path, computed, stored)
        for i in differ:
            if confirmed is stored:
                self._fault(str(bundle_path), first + i, "this entry is not the one that was logged: its hash differs")
            elif confirmed is computed:
                self._fault(str(tile_path), first + i, "this leaf hash is not that of the entry that was logged")
            else:
                self._fault(str(bundle_path), first + i, f"this entry and its leaf hash in {tile_path} disagree")
        return computed if confirmed is None else confirmed

    def _confirmed(self, path: TilePath, computed: list[bytes], stored: list[bytes]) -> list[bytes] | None:
        if path.width == TILE_WIDTH:
            parent = self._parent_hash(0, path.index)
            tests = [(hashes, tile_root(hashes) == parent) for hashes in (computed, stored)]
        else:
            first = TILE_WIDTH * path.index
            heads = [at for at in self._sizes if first < at <= first + path.width]
            tests = [
                (hashes, any(self._root(hashes[: at - first]) in self._expected[at] for at in heads))
                for hashes in (computed, stored)
            ]
        agreeing = [hashes for hashes, agrees in tests if agrees]
        return agreeing[0] if len(agreeing) == 1 else None

    # --- the levels above ---------------------------------------------------------------------------------------------

    def _raise(self, level: int, index: int, node: bytes | None) -> None:
        """Give the root of a full tile to the level above; compare that tile when it is full too."""
        if not self._rebuild:
            return
        while True:
            if node is None:
                node = self._parent_hash(level, index)
            level += 1
            if level == len(self._pending):
                self._pending.append([])
                self._done.append(0)
            hashes = self._pending[level]
            hashes.append(node)
            if len(hashes) < TILE_WIDTH:
                return
            index = self._done[level]
            node = self._compare_tile(TilePath(level, index), hashes)
            self._pending[level] = []
            self._done[level] += 1

    def _compare_tile(self, path: TilePath, computed: Hashes) -> bytes | None:
        """Compare a rebuilt tile above level 0 with the stored one; return the root of the tile if it is known."""
        stored = self._tile(path)
        level = path.level or 0
        best = computed
        if stored is not None:
            best = [stored[i] if node is None else node for i, node in enumerate(computed)]
            if best != stored:
                self._report_nodes(path, computed, stored)
                if path.width == TILE_WIDTH and tile_root(stored) == self._parent_hash(level, path.index):
                    best = list(stored)
        known = [node for node in best if node is not None]
        if len(known) < len(best):
            return None
        self._compare_partials(level, path.index, b"".join(known))
        return tile_root(known) if path.width == TILE_WIDTH else None

    def _report_nodes(self, path: TilePath, computed: Hashes, stored: list[bytes]) -> None:
        span = TILE_WIDTH ** (path.level or 0)
        for i, node in enumerate(computed):
            if node is not None and node != stored[i]:
                start = (path.index * TILE_WIDTH + i) * span
                self._fault(
                    str(path), start, f"hash {i} does not follow from entries {start} to {start + span - 1} below it"
                )

    def _parent_hash(self, level: int, index: int) -> bytes | None:
        """Hash that the stored tile one level up gives for a full tile, or None."""
        parent, place = divmod(index, TILE_WIDTH)
        key = (level + 1, parent)
        if key not in self._above:
            width = min(TILE_WIDTH, self._size // TILE_WIDTH ** (level + 1) - TILE_WIDTH * parent)
            self._above = {key: self._tile(TilePath(level + 1, parent, width), quiet=True) if width > 0 else None}
        hashes = self._above[key]
        return None if hashes is None or place >= len(hashes) else hashes[place]

    def _finish(self) -> None:
        """Compare the partial tiles of the right edge above level 0."""
        if not self._rebuild:
            return
        for level in range(1, len(self._pending)):
            if self._pending[level]:
                path = TilePath(level, self._done[level], len(self._pending[level]))
                self._compare_tile(path, self._pending[level])

    # --- roots --------------------------------------------------------------------------------------------------------

    def _note_roots(self, first: int, width: int, leaves: list[bytes] | None) -> None:
        while self._sizes and self._sizes[0] <= first + width:
            at = self._sizes.pop(0)
            self.roots[at] = None if leaves is None or not self._rebuild else self._root(leaves[: at - first])

    def _root(self, leaves: list[bytes]) -> bytes | None:
        """Root of everything raised so far and these leaves; a perfect subtree counts as one leaf of the level above."""
        tail: Hashes = [root_of(leaves)]
        for level in self._pending[1:]:
            nodes = [*level, *tail]
            known = [node for node in nodes if node is not None]
            if len(known) < len(nodes):
                return None
            tail = [root_of(known)]
        return tail[0]

    # --- files --------------------------------------------------------------------------------------------------------

    def _bundle(self, path: TilePath) -> list[bytes] | None:
        data, width = self._file(path)
        if data is None:
            return None
        try:
            entries = decode_bundle(data, width)
        except InputError as error:
            self._fault(str(path), TILE_WIDTH * path.index, f"the bundle is malformed: {error.message}")
            return None
        self._compare_partial_bundles(path.index, data)
        return entries[: path.width]

    def _tile(self, path: TilePath, *, quiet: bool = False) -> list[bytes] | None:
        data, width = self._file(path, quiet=quiet)
        if data is None:
            return None
        if len(data) != HASH_SIZE * width:
            if not quiet:
                self._fault(str(path), None, f"the tile has {len(data)} bytes instead of {HASH_SIZE * width}")
            return None
        return [data[at : at + HASH_SIZE] for at in range(0, HASH_SIZE * path.width, HASH_SIZE)]

    def _file(self, path: TilePath, *, quiet: bool = False) -> tuple[bytes | None, int]:
        """Read a tile or bundle; once the full one exists, the partial one need not."""
        for width in dict.fromkeys((path.width, TILE_WIDTH)):
            try:
                return self._read(str(TilePath(path.level, path.index, width))), width
            except (FileNotFoundError, LookupError):
                continue
            except (OSError, GroundruleError) as error:
                if not quiet:
                    self._fault(str(path), None, f"cannot be read: {reason(error)}")
                return None, width
        if not quiet:
            first = path.index * TILE_WIDTH if not path.level else None
            self._fault(str(path), first, "is missing")
        return None, path.width

    def _take_stock(self, names: Iterable[str]) -> None:
        present = set()
        for name in names:
            try:
                path = TilePath.parse(name)
            except InputError:
                continue
            if not path.level:
                present.add(path.index)
            if path.width < TILE_WIDTH and not self._current(path):
                self._partials[path.level, path.index].append(path.width)
            if path.end() > self._size:
                self._remark(name, None, f"lies beyond the {self._size} entries of the tree")
        self._present = sorted(present)

    def _current(self, path: TilePath) -> bool:
        """Is this the partial file at the right edge of the tree walked?"""
        count = self._size >> 8 * (path.level or 0)
        return divmod(count, TILE_WIDTH) == (path.index, path.width)

    def _skip(self, number: int, bundles: int) -> int:
        """Go on with the next bundle that exists; without a listing, stop."""
        at = bisect_left(self._present, number)
        following = min(self._present[at], bundles) if at < len(self._present) else bundles
        if following == number:
            return number
        what = f"entries {TILE_WIDTH * number} to {min(TILE_WIDTH * following, self._size) - 1} are missing"
        self._fault(str(TilePath(None, number, 256)), TILE_WIDTH * number, what)
        if following < bundles and following - number < MAX_UNKNOWN:
            for each in range(number, following):
                self._note_roots(TILE_WIDTH * each, TILE_WIDTH, None)
                self._raise(0, each, None)
        else:
            self._rebuild = False
            self._note_roots(0, TILE_WIDTH * following, None)
        return following

    def _compare_partials(self, level: int, index: int, data: bytes) -> None:
        for width in self._partials.pop((level, index), ()):
            path = TilePath(level, index, width)
            if HASH_SIZE * width <= len(data):
                self._compare_older(path, data[: HASH_SIZE * width])

    def _compare_partial_bundles(self, index: int, data: bytes) -> None:
        widths = self._partials.pop((None, index), None)
        if not widths:
            return
        ends, at = [0], 0
        while at < len(data):
            at += 2 + int.from_bytes(data[at : at + 2], "big")
            ends.append(at)
        for width in widths:
            if width < len(ends):
                self._compare_older(TilePath(None, index, width), data[: ends[width]])

    def _compare_older(self, path: TilePath, expected: bytes) -> None:
        try:
            data = self._read(str(path))
        except (OSError, GroundruleError) as error:
            self._fault(str(path), None, f"cannot be read: {reason(error)}")
            return
        if data != expected:
            first = TILE_WIDTH * path.index if not path.level else None
            self._fault(str(path), first, "this older partial file is not the beginning of the present one")

    def _check_partials_left(self) -> None:
        """Older partial files beside something unreadable can be compared with nothing."""
        for (level, index), widths in sorted(self._partials.items(), key=str):
            for width in widths:
                path = TilePath(level, index, width)
                if path.end() <= self._size:
                    self._remark(str(path), None, "cannot be compared: the present file is missing or unreadable")


def _as_logged(
    entries: list[bytes] | None, computed: list[bytes] | None, chosen: list[bytes] | None, width: int
) -> Sequence[bytes | None]:
    """Leave out what is not the entry that was logged: its words would only mislead."""
    if entries is None or computed is None or chosen is None:
        return [None] * width
    if computed == chosen:
        return entries
    return [entry if one == other else None for entry, one, other in zip(entries, computed, chosen, strict=True)]


def reason(error: Exception) -> str:
    """Say in one line why something could not be read."""
    if isinstance(error, GroundruleError):
        return error.message
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
