"""The one writer of a log: append durably, sign only what was computed again, publish what the witnesses have seen.

The order of steps never changes:

    1  lock and tree state      one writer; the state on the medium is the one in memory
    2  entries checked          kind, stream, next number, length
    3  bundles durable
    4  bundles read back and hashed; tiles durable
    5  root from the tiles read back; tree state durable        → `append` returns: acknowledged
    6  root computed again from the medium, `signed` durable, then signed                    → `sign`
    7  witnesses asked, cosignatures verified                                                → `commit`
    8  checkpoint published; entries that make something effective count from here           → `publish`

A crash between two steps loses nothing that was acknowledged and leaves only files beyond the tree state, which opening
the log removes. After a failed write or fsync the log takes nothing more and signs nothing more: the process must end, and
opening the log in a new one finds out what is stored. Only a full disk is no failure: the same append may be tried again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from groundrule.errors import ConflictError, InputError, IntegrityError, StoreError
from groundrule.ledger.disk import Disk, Held, PosixDisk
from groundrule.ledger.durable import damage, missing_is_damage, read_back, reading
from groundrule.ledger.entry import MAX_BYTES, Entry, Streams, format_time
from groundrule.ledger.group import GroupCommit
from groundrule.ledger.item import Appended, Item
from groundrule.ledger.note import NoteSigner
from groundrule.ledger.policy import Policy
from groundrule.ledger.publish import PATIENCE_S, Clock, Published, Publisher, Witnesses, stop_on_damage
from groundrule.ledger.reader import LogReader, read_log
from groundrule.ledger.recovery import MAX_APPEND, Recovered, clear_leftovers, read_header, recover
from groundrule.ledger.state import (
    CHECKPOINT,
    EMPTY,
    POLICY,
    PUBLISH_LOCK,
    SIGNED,
    STATE,
    STREAMS,
    TREE_STATE,
    VERSION,
    WRITER_LOCK,
    Header,
    StreamsAt,
    TreeState,
)
from groundrule.ledger.tiles import (
    MAX_ENTRY_BYTES,
    TILE_WIDTH,
    TilePath,
    TileTree,
    encode_bundle,
    new_tiles,
)

__all__ = [
    "PATIENCE_S",
    "Appended",
    "Clock",
    "GroupCommit",
    "Item",
    "Log",
    "LogReader",
    "Published",
    "Witnesses",
    "read_log",
]

STREAMS_EVERY = 4096
"""Entries after which the positions of the streams are stored; opening a log replays at most about so many."""


class Log:
    """A log directory, held by its only writer. Safe to share between threads; a context manager.

    Attributes:
        origin: the log's name.
        policy: whom the log's readers trust.
        repairs: what opening it had to remove or rebuild, in words.
    """

    def __init__(
        self, disk: Disk, lock: Held, found: Recovered, signers: Sequence[NoteSigner], clock: Clock
    ) -> None:
        self.origin = found.header.origin
        self.policy = found.policy
        self.repairs = found.repairs
        self._header = found.header
        self._disk = disk
        self._lock: Held | None = lock
        self._clock = clock
        self._appending = threading.RLock()
        self._publisher = Publisher(disk, found, signers, clock)
        self._state = found.state
        self._edge = found.edge
        self._streams = found.streams
        self._streams_stored = found.state.size
        self._leftovers = False

    # --- opening ------------------------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        folder: Path | str | Disk,
        *,
        signers: Sequence[NoteSigner],
        policy: str | bytes,
        clock: Clock,
        raw: bool = False,
        unsafe_filesystem: bool = False,
    ) -> Log:
        """Create an empty log and open it.

        Args:
            folder: made if it is not there.
            signers: the log's keys, all named like the origin: Ed25519 (type 1) and ML-DSA-44 (type 6).
            policy: tlog-policy text that lists the log's keys and its witnesses.
            clock: gives the time [ns since 1970, UTC].
            raw: entries are any bytes; for logs of others.
            unsafe_filesystem: accept a network or FUSE mount.
        Raises:
            ConflictError: there is a log already, another writer, or an unreliable file system.
            InputError: keys of several names, or a policy that does not list one of them.
        """
        text = policy.encode("utf-8", "surrogateescape") if isinstance(policy, str) else policy
        header = Header(_origin(signers, Policy.parse(text)), raw)
        if isinstance(folder, Path | str):
            _make_durable_folder(Path(folder))
        disk = _disk(folder, unsafe_filesystem)
        disk.make_folder(STATE)
        lock = disk.lock(WRITER_LOCK)
        try:
            if disk.exists(VERSION):
                raise ConflictError("there is a log in this folder", help="open it, or create the new one elsewhere")
            if disk.list("tile") or disk.exists(CHECKPOINT):
                raise ConflictError(
                    "the folder holds tiles or a checkpoint but no log state", help="create the log in an empty folder"
                )
            disk.lock(PUBLISH_LOCK).release()
            # The version comes last: without it nothing was recorded, and creating the log again starts over.
            for path, data in ((POLICY, text), (TREE_STATE, EMPTY.format()), (SIGNED, EMPTY.format())):
                disk.replace(path, data)
            disk.replace(VERSION, header.format())
            return cls(disk, lock, recover(disk), signers, clock)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def open(
        cls,
        folder: Path | str | Disk,
        *,
        signers: Sequence[NoteSigner] = (),
        clock: Clock,
        unsafe_filesystem: bool = False,
    ) -> Log:
        """Open a log as its writer; repair what an unfinished append left, or refuse.

        Args:
            folder: of the log.
            signers: its keys; without them it can be appended to and not signed.
            clock: gives the time [ns since 1970, UTC].
            unsafe_filesystem: accept a network or FUSE mount.
        Raises:
            ConflictError: another writer, a directory that was rolled back, or an unreliable file system.
            IntegrityError: something recorded is damaged or missing.
            InputError: no log, or keys that are not its own. StoreError: the disk fails or is full.
        """
        disk = _disk(folder, unsafe_filesystem)
        header = read_header(disk)
        lock = disk.lock(WRITER_LOCK)
        try:
            found = recover(disk)
            if signers and _origin(signers, found.policy) != header.origin:
                raise InputError(
                    f"the keys are those of `{signers[0].name}`", help=f"the log's name is `{header.origin}`"
                )
            return cls(disk, lock, found, signers, clock)
        except BaseException:
            lock.release()
            raise

    def close(self) -> None:
        """Store where the streams stand and let another writer in; everything acknowledged is durable already."""
        with self._appending, self._publisher.turn:
            if self._lock is None:
                return
            try:
                if self._disk.stopped is None:
                    self._store_streams()
            except StoreError:
                pass  # a cache; opening reads the entries instead
            finally:
                self._lock.release()
                self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- what it holds ------------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Number of entries that are durable and integrated."""
        return self._state.size

    @property
    def root(self) -> bytes:
        """Root of all of them."""
        return self._state.root

    @property
    def signed_size(self) -> int:
        """Size of the largest checkpoint ever signed."""
        return self._publisher.signed.size

    @property
    def accepted_size(self) -> int:
        """Size of the largest published checkpoint that satisfies the policy; critical entries below it take effect."""
        return self._publisher.accepted_size

    @property
    def status(self) -> str:
        """`witnessed` if the newest published checkpoint has its quorum of witnesses, otherwise `unwitnessed`."""
        return "witnessed" if self._publisher.witnessed else "unwitnessed"

    @property
    def stopped(self) -> str | None:
        """Why nothing more is written, or None; the process should end."""
        return self._disk.stopped

    @property
    def positions(self) -> dict[str, tuple[int, str]]:
        """Next number and last time of each stream."""
        return self._streams.positions

    def checkpoint(self) -> bytes | None:
        """Return the checkpoint published last, or None."""
        return self._publisher.published

    def tree(self) -> TileTree:
        """Return the tree of all entries."""
        return TileTree(reading(self._disk), self._state.size)

    # --- append (steps 1 to 5) ----------------------------------------------------------------------------------------

    def append(self, items: Sequence[Item]) -> Appended:
        """Record items; when this returns they are durable and part of the tree.

        All or none of them are recorded. Within a stream, times never go back, even if the clock does.

        Args:
            items: at least one, at most `MAX_APPEND`.
        Raises:
            InputError: an item that no log could take; nothing was recorded.
            StoreError: with context `full`, nothing was recorded and the call may be repeated; otherwise the log has
                stopped, and only opening it again tells whether the items were recorded.
        """
        if self._header.raw:
            raise InputError("this log takes entries as bytes", help="use append_raw")
        with self._appending:
            streams = self._streams.copy()
            now = format_time(self._clock())
            entries = []
            for item in items:
                t = max(now, streams.last_time(item.stream))
                entry = Entry(item.kind, item.stream, streams.next(item.stream), t, item.body)
                entries.append(entry.encode())
                streams.advance(entry)
            return self._append(entries, streams, MAX_BYTES, tuple(item.kind for item in items))

    def append_raw(self, entries: Sequence[bytes]) -> Appended:
        """Record entries as they are; in a Groundrule log each must be the next of its stream.

        Raises:
            InputError, StoreError: as for `append`. ConflictError: a number or time out of order.
        """
        with self._appending:
            streams, kinds = self._streams.copy(), []
            if not self._header.raw:
                for data in entries:
                    entry = Entry.decode(data)
                    streams.check(entry)
                    streams.advance(entry)
                    kinds.append(entry.kind)
            longest = MAX_ENTRY_BYTES if self._header.raw else MAX_BYTES
            return self._append([bytes(data) for data in entries], streams, longest, tuple(kinds))

    def _append(self, entries: list[bytes], streams: Streams, longest: int, kinds: tuple[str, ...]) -> Appended:
        if not 0 < len(entries) <= MAX_APPEND:
            raise InputError(f"{len(entries):,} entries at once", help=f"append 1 to {MAX_APPEND:,}")
        for number, data in enumerate(entries):
            if len(data) > longest:
                raise InputError(f"entry {number} has {len(data):,} bytes", help=f"at most {longest:,}")
        with self._writing():
            start = self._state.size
            if self._leftovers:
                list(clear_leftovers(self._disk, start))
            self._leftovers = True
            hashes = self._write_bundles(entries)
            state = self._write_tiles(hashes, start + len(entries))
            self._disk.replace(TREE_STATE, state.format())
            self._state, self._streams, self._leftovers = state, streams, False
            kept = state.size % TILE_WIDTH
            self._edge = [*self._edge, *entries][-kept:] if kept else []
        if state.size - self._streams_stored >= STREAMS_EVERY:
            self._store_streams_if_possible()
        return Appended(start, tuple(entries), state.size, kinds)

    def _write_bundles(self, entries: list[bytes]) -> list[bytes]:
        """Write the bundles, read them back, and return the leaf hashes of the new entries (steps 3 and 4)."""
        first, held = divmod(self._state.size, TILE_WIDTH)
        pending = [*self._edge, *entries]
        bundles = []
        for start in range(0, len(pending), TILE_WIDTH):
            part = pending[start : start + TILE_WIDTH]
            bundles.append((TilePath(None, first + start // TILE_WIDTH, len(part)), encode_bundle(part)))
        self._create_once([(str(path), data) for path, data in bundles])
        hashes = [found for path, data in bundles for found in read_back(self._disk, path, data)]
        if held and b"".join(hashes[:held]) != self.tree().tile(0, first):
            raise damage(f"the entries of `{TilePath(None, first, held)}` do not have the hashes of their leaves")
        return hashes[held:]

    def _write_tiles(self, hashes: list[bytes], size: int) -> TreeState:
        """Write the tiles, read the right edge back, and return the new state (steps 4 and 5)."""
        read = reading(self._disk)
        with missing_is_damage():
            tiles = list(new_tiles(self._state.size, read, hashes))
            self._create_once([(str(path), data) for path, data in tiles])
            for path, data in tiles:
                if read(str(path)) != data:
                    raise damage(f"`{path}` did not come back as it was written", path=str(path))
            return TreeState(size, TileTree(read, size).root())

    def _create_once(self, items: list[tuple[str, bytes]]) -> None:
        size = self._state.size
        self._disk.create_once(items, replaceable=lambda path: TilePath.parse(path).end() > size)

    # --- sign and publish (steps 6 to 8) ------------------------------------------------------------------------------

    def sign(self) -> bytes:
        """Sign a checkpoint of everything appended so far, after computing its root again from the medium.

        Returns:
            The note, signed by the log and by nobody else.
        Raises:
            ConflictError: the log was opened without keys. IntegrityError: what is stored is not what was appended; the log
            stops. StoreError: it cannot be read or `signed` cannot be written.
        """
        with self._publisher.turn:
            self._check_writable()
            return self._publisher.sign(self._state.size)

    def publish(self, checkpoint: bytes) -> None:
        """Make a signed checkpoint the public one; durable when it returns.

        Raises:
            ProofFailed: no log of the policy signed it. ConflictError: it was not signed here, is older than the published
            one, or has another root. StoreError: it cannot be written.
        """
        with self._publisher.turn:
            self._check_writable()
            self._publisher.publish(checkpoint)

    def commit(self, witness: Witnesses | None = None, *, patience_s: int = PATIENCE_S) -> Published:
        """Sign, ask the witnesses, and publish what they have cosigned.

        Without its quorum a checkpoint is published, as `unwitnessed`, only when `patience_s` have gone by since the first
        attempt that failed. Until then the one published before stays, and it stays if nothing was appended since.

        Args:
            witness: asks the witnesses; None if there are none to ask.
            patience_s: how long to wait for a quorum [s]; 0 publishes at once.
        Raises:
            As `sign` and `publish`; what the witnesses add is verified before it is published.
        """
        with self._publisher.turn:
            self._check_writable()
            return self._publisher.commit(self._state.size, witness, patience_s)

    def consistency_path(self, old: int) -> list[bytes]:
        """Prove that the checkpoint signed last extends the tree of its first `old` entries."""
        return self._publisher.consistency_path(old)

    # --- inside -------------------------------------------------------------------------------------------------------

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Step 1: the state on the medium is the one in memory; whatever fails in between leaves that certain."""
        self._check_writable()
        with stop_on_damage(self._disk):
            with missing_is_damage():
                stored = TreeState.parse(TREE_STATE, self._disk.read(TREE_STATE))
            if stored != self._state:
                raise damage(f"the stored tree state says {stored.size} entries instead of {self._state.size}")
            try:
                yield
            except (StoreError, IntegrityError):
                raise
            except BaseException as error:
                self._disk.stop(f"an append was interrupted ({type(error).__name__})")
                raise

    def _check_writable(self) -> None:
        if self._lock is None:
            raise ConflictError("the log was closed", help="open it again")
        if self._disk.stopped is not None:
            raise StoreError(
                f"the log has stopped: {self._disk.stopped}",
                help="end this process; opening the log in a new one finds out what was stored",
                stopped=True,
            )

    def _store_streams_if_possible(self) -> None:
        try:
            self._store_streams()
        except StoreError as error:
            if not error.context.get("full"):
                raise

    def _store_streams(self) -> None:
        if self._header.raw or self._streams_stored == self._state.size:
            return
        self._disk.replace(STREAMS, StreamsAt(self._state, self._streams.positions).format())
        self._streams_stored = self._state.size


def _origin(signers: Sequence[NoteSigner], policy: Policy) -> str:
    names = {signer.name for signer in signers}
    if len(names) != 1:
        raise InputError(
            f"keys of {len(names)} names", help="a log has at least one key, and all are named like its origin"
        )
    for signer in signers:
        if signer.verifier not in policy.log_keys:
            raise InputError(
                f"the policy does not list the log key {signer.verifier}", help="add a line `log <vkey>` for it"
            )
    return names.pop()


def _disk(folder: Path | str | Disk, unsafe_filesystem: bool) -> Disk:
    if isinstance(folder, Path | str):
        return PosixDisk(folder, unsafe_filesystem=unsafe_filesystem)
    return folder


def _make_durable_folder(folder: Path) -> None:
    """Create the log's folder and sync the one it stands in; what is in it is synced by its own disk."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    PosixDisk(folder.parent, unsafe_filesystem=True).make_folder(folder.name)
