"""Open a log directory: find out what is really stored, then repair what an unfinished append left, or refuse with a reason.

What a crash may leave is known, because the steps of an append have a fixed order: files beyond the size in the tree
state, which nobody was told about, and temporary files. They are removed. Everything else that is not as it should be is
damage or a roll-back, and a log is never signed again over either: opening refuses.

1. The small files are there and say something.
2. The tree state is not behind what was signed, nor that behind what was published.
3. Every tile and bundle of the size is there in its length; the right edge has the root of the tree state, its entries
   have the hashes of their leaves. (`fsck` reads the rest; opening must not take longer than the log is long.)
4. What was signed and published are roots of this tree.
5. Leftovers are removed, durably, before anything new is written.
6. Older partial files of the last two tiles are the beginning of the present ones; a failed fsync together with a power loss
   can bring back one of an unfinished append.
7. The streams stand where their entries say.
8. The mutable files are written once more: after a crash or a failed fsync they may have been read from memory only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from groundrule.errors import ConflictError, GroundruleError, InputError, IntegrityError
from groundrule.ledger.disk import TEMPORARY, Disk
from groundrule.ledger.durable import RESTORE, check_edge, check_leaves, check_present, damage, missing_is_damage
from groundrule.ledger.entry import Entry, Streams
from groundrule.ledger.policy import CheckedCheckpoint, Policy
from groundrule.ledger.state import (
    CHECKPOINT,
    EMPTY,
    POLICY,
    SIGNED,
    STATE,
    STREAMS,
    TREE_STATE,
    VERSION,
    Header,
    StreamsAt,
    TreeState,
)
from groundrule.ledger.tiles import TILE_WIDTH, TilePath, TileTree, encode_bundle
from groundrule.ledger.tree import HASH_SIZE

MAX_APPEND = 65_536
"""Most entries of one append; leftovers that reach further are not those of one."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What opening found.

    Attributes:
        header, policy, state, signed: as stored.
        published: the checkpoint published last, checked, or None.
        published_data: its bytes.
        streams: where each stream stands; empty for a raw log.
        edge: entries of the last bundle, if it is not full.
        repairs: what was removed or rebuilt, in words.
    """

    header: Header
    policy: Policy
    state: TreeState
    signed: TreeState
    published: CheckedCheckpoint | None
    published_data: bytes | None
    streams: Streams
    edge: list[bytes]
    repairs: tuple[str, ...]


def read_header(disk: Disk) -> Header:
    """Read what kind of log this is.

    Raises:
        InputError: there is no log here, or one of another format. ConflictError: its creation was not finished.
    """
    try:
        return Header.parse(disk.read(VERSION))
    except FileNotFoundError:
        if disk.list(STATE):
            raise ConflictError(
                "the log was not completely created", help="create it again; nothing was recorded in it yet"
            ) from None
        raise InputError("there is no log in this folder", help="create one first, or give its folder") from None


def recover(disk: Disk) -> Recovered:
    """Check a log directory, remove what an unfinished append left, and return where the log stands.

    Args:
        disk: its storage; the caller holds the writer's lock.
    Raises:
        IntegrityError: something that was recorded is damaged or missing.
        ConflictError: the directory was rolled back: what was signed or published is larger than what is there.
        StoreError: the disk fails, or is too full to remove leftovers.
    """
    header = read_header(disk)
    with missing_is_damage():
        policy = Policy.parse(disk.read(POLICY))
        state = TreeState.parse(TREE_STATE, disk.read(TREE_STATE))
        signed = TreeState.parse(SIGNED, disk.read(SIGNED))
    data = _optional(disk, CHECKPOINT)
    published = None if data is None else _published(policy, header, data)
    _check_order(state, signed, published)
    check_present(disk, state.size)
    tree = check_edge(disk, state)
    _check_heads(tree, signed, published)
    repairs = [*clear_leftovers(disk, state.size), *_mend_partials(disk, tree)]
    streams, rebuilt = (Streams(), ()) if header.raw else _streams(disk, tree, state)
    disk.replace(TREE_STATE, state.format())
    disk.replace(SIGNED, signed.format())
    if data is not None:
        disk.replace(CHECKPOINT, data)
    edge = tree.bundle(state.size // TILE_WIDTH) if state.size % TILE_WIDTH else []
    return Recovered(header, policy, state, signed, published, data, streams, edge, (*repairs, *rebuilt))


def clear_leftovers(disk: Disk, size: int) -> Iterator[str]:
    """Remove temporary files, and tiles and bundles beyond `size`; durable when done.

    Yields:
        One sentence for each kind of file that was removed.
    Raises:
        ConflictError: they are those of several appends, so that the tree state must be older than the tiles.
    """
    temporary: list[str] = []
    beyond: list[str] = []
    folders = _folders_near_edge(disk, size)
    for folder in folders:
        for name in disk.list(folder):
            path = f"{folder}/{name}" if folder else name
            if name.startswith(TEMPORARY):
                temporary.append(path)
            elif (end := _end(path)) > size:
                if end > size + MAX_APPEND:
                    raise _rolled_back(f"`{path}` belongs to a log of at least {end} entries", size)
                beyond.append(path)
    _refuse_history(disk, beyond, size)
    # A folder without files may never have reached the medium, although it can be seen: it is made again when needed.
    gone = {*temporary, *beyond}
    empty: list[str] = []
    for folder in sorted(folders, key=lambda path: path.count("/"), reverse=True):
        if folder.startswith("tile") and all(f"{folder}/{name}" in gone for name in disk.list(folder)):
            empty.append(folder)
            gone.add(folder)
    if gone:
        disk.remove([*temporary, *beyond], empty)
    if temporary:
        yield f"removed {len(temporary)} temporary files of an interrupted write"
    if beyond:
        yield f"removed {len(beyond)} files of an unfinished append beyond {size} entries"


def _refuse_history(disk: Disk, beyond: list[str], size: int) -> None:
    """Refuse if bundles beyond the tree state extend each other, as those of successive appends do.

    One unfinished append leaves one width of a bundle. Several that contradict each other come from several unfinished
    appends, when a failed fsync has brought back what was removed.
    """
    bundles = sorted((TilePath.parse(path) for path in beyond if path.startswith("tile/entries/")), key=TilePath.end)
    for shorter, longer in pairwise(bundles):
        if shorter.index == longer.index and disk.read(str(longer)).startswith(disk.read(str(shorter))):
            raise _rolled_back(f"`{longer}` extends `{shorter}`", size)


def _mend_partials(disk: Disk, tree: TileTree) -> Iterator[str]:
    """Write older partial files of the last two tiles of each level anew where they are not what they were.

    Whatever width they have, what belongs in them follows from the tree, whose root was checked.

    Yields:
        A sentence, if there were any.
    """
    mended: list[str] = []
    levels = [level for level in range(8) if tree.size >> 8 * level]
    for level in (None, *levels):
        count = tree.size >> 8 * (level or 0)
        for index in range(max(0, count // TILE_WIDTH - 1), -(-count // TILE_WIDTH)):
            folder = f"{TilePath(level, index)}.p"
            width = min(TILE_WIDTH, count - index * TILE_WIDTH)
            older = {int(name) for name in disk.list(folder) if _end(f"{folder}/{name}")} & set(range(1, width))
            if not older:
                continue
            parts = [encode_bundle([entry]) for entry in tree.bundle(index)] if level is None else None
            for held in sorted(older):
                path = str(TilePath(level, index, held))
                right = b"".join(parts[:held]) if parts else tree.tile(level or 0, index)[: HASH_SIZE * held]
                if disk.read(path) != right:
                    disk.replace(path, right)
                    mended.append(path)
    if mended:
        yield f"wrote {len(mended)} older partial files anew, among them {mended[0]}"


def _folders_near_edge(disk: Disk, size: int) -> list[str]:
    """Return every folder that an append to `size` entries may have touched."""
    found = ["", STATE, *(["tile"] if _is_there(disk, "tile") else [])]
    for kind in disk.list("tile"):
        if kind != "entries" and not (kind.isdecimal() and int(kind) < 8):
            continue
        level = None if kind == "entries" else int(kind)
        full = (size >> 8 * (level or 0)) // TILE_WIDTH
        reach = full + MAX_APPEND // TILE_WIDTH + 1
        groups = {_group(level, full), _group(level, reach)} | {f"tile/{kind}"}
        for folder in sorted(groups):
            if not _is_there(disk, folder):
                continue
            found.append(folder)
            partials = [name for name in disk.list(folder) if name.endswith(".p")]
            found += [f"{folder}/{name}" for name in partials if _index(f"{folder}/{name[:-2]}") >= full]
    return found


def _is_there(disk: Disk, folder: str) -> bool:
    parent, _, name = folder.rpartition("/")
    return name in disk.list(parent)


def _group(level: int | None, index: int) -> str:
    return str(TilePath(level, index)).rpartition("/")[0]


def _end(path: str) -> int:
    """Return the end of what a tile or bundle covers; 0 for other files."""
    try:
        return TilePath.parse(path).end()
    except InputError:
        return 0


def _index(path: str) -> int:
    try:
        return TilePath.parse(path).index
    except InputError:
        return -1


def _optional(disk: Disk, path: str) -> bytes | None:
    try:
        return disk.read(path)
    except FileNotFoundError:
        return None


def _published(policy: Policy, header: Header, data: bytes) -> CheckedCheckpoint:
    try:
        checked = policy.check(data)
    except GroundruleError as error:
        raise damage(f"the published checkpoint does not hold: {error.message}", path=CHECKPOINT) from error
    if checked.checkpoint.origin != header.origin:
        raise damage(f"the published checkpoint is of `{checked.checkpoint.origin[:80]}`", path=CHECKPOINT)
    return checked


def _check_order(state: TreeState, signed: TreeState, published: CheckedCheckpoint | None) -> None:
    size = 0 if published is None else published.checkpoint.size
    if state.size < signed.size:
        raise _rolled_back(f"a checkpoint of {signed.size} entries was signed", state.size)
    if state.size < size:
        raise _rolled_back(f"a checkpoint of {size} entries is published", state.size)
    if signed.size < size:
        raise ConflictError(
            f"a checkpoint of {size} entries is published, but only {signed.size} are noted as signed",
            help=RESTORE,
            published=size,
            signed=signed.size,
        )


def _check_heads(tree: TileTree, signed: TreeState, published: CheckedCheckpoint | None) -> None:
    with missing_is_damage():
        if tree.root_at(signed.size) != signed.root:
            raise damage(f"the first {signed.size} leaves do not have the root that was signed")
        if published is not None and tree.root_at(published.checkpoint.size) != published.checkpoint.root:
            raise damage(f"the first {published.checkpoint.size} leaves do not have the root that was published")


def _rolled_back(what: str, size: int) -> ConflictError:
    return ConflictError(
        f"the log was rolled back: {what}, and the tree state says {size}",
        help="restore the newest copy; a log that forgets what it signed would fork",
        size=size,
    )


def _streams(disk: Disk, tree: TileTree, state: TreeState) -> tuple[Streams, tuple[str, ...]]:
    """Take the cached positions and go on from there; without a usable cache, from the first entry."""
    known, why = StreamsAt(EMPTY, {}), ""
    data = _optional(disk, STREAMS)
    if data is None:
        why = "it was missing" if state.size else ""
    else:
        try:
            known = StreamsAt.parse(data)
            if known.state.size > state.size or tree.root_at(known.state.size) != known.state.root:
                known, why = StreamsAt(EMPTY, {}), "it belonged to another tree"
        except IntegrityError:
            why = "it was damaged"
    streams = known.streams()
    with missing_is_damage():
        check_leaves(tree, known.state.size, state.size)
        for index, data in enumerate(tree.entries(known.state.size), known.state.size):
            try:
                entry = Entry.decode(data)
                streams.check(entry)
            except GroundruleError as error:
                raise damage(f"entry {index} cannot follow what is recorded: {error.message}", index=index) from error
            streams.advance(entry)
    return streams, (f"rebuilt the positions of the streams from {state.size} entries, because {why}",) if why else ()
