"""Is a log whole? Every byte of it is checked against its signed tree head, and every fault is reported.

1. Open the checkpoint under the configured keys; with witnesses, the quorum must be met.
2. Walk every bundle and every tile (`walk`) and recompute the root, also of every earlier head given.
3. Read every entry (`sequence`), unless the log is a generic one.
4. Compare with pinned heads (the log may only have grown) and with heads that others were shown (split view).
5. Name whatever lies in the folder and does not belong there.

A log that is being written is ahead of its published checkpoint: entries, tiles and tree state are durable first. If the
writer's own state lies beside the tiles, the walk goes to that size and checks its root too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from groundrule.canon import parse_base64, parse_canonical
from groundrule.errors import GroundruleError, InputError
from groundrule.ledger.audit.heads import Head, examine, policy_of
from groundrule.ledger.audit.sequence import SequenceCheck, StreamEnd
from groundrule.ledger.audit.source import Read, Source, source_of
from groundrule.ledger.audit.walk import TreeWalk, reason
from groundrule.ledger.note import VerifierKey
from groundrule.ledger.policy import CheckedCheckpoint, Policy
from groundrule.ledger.tiles import TILE_WIDTH, TilePath
from groundrule.ledger.tree import HASH_SIZE

CHECKPOINT = "checkpoint"
STATE_FOLDER = ".state/"
TREE_STATE = ".state/treeState"
SIGNED = ".state/signed"
STREAMS = ".state/streams"
MAX_FAULTS = 100_000
"""Faults kept; a log with more is counted to the end, and the report says how many more there are."""

_BESIDE = frozenset({CHECKPOINT, "policy"})
_EXTENT = frozenset({CHECKPOINT, TREE_STATE})
_STATE_FIELDS = frozenset({"size", "root", "streams"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        path: file of the log, or the name of the head that disagrees.
        index: entry concerned (the first one, where a hash covers several), or None.
        what: one line, without a final period.
    """

    path: str
    index: int | None
    what: str

    def __str__(self) -> str:
        return f"{self.path}{'' if self.index is None else f', entry {self.index}'}: {self.what}"


@dataclass(frozen=True, slots=True)
class FsckReport:
    """What a full check found.

    Attributes:
        size: entries walked; the size of the checkpoint, or more where the log is ahead of it.
        root: recomputed from the files, or None where too much is missing.
        entries: entries that could be read.
        faults: everything that is wrong.
        more_faults: further faults that were counted and not kept.
        remarks: what is unusual and no fault.
        checkpoint: the published head as checked, or None if the log did not sign it.
        split_view: two heads of one size that the log signed with two roots, if such were given; each is proof enough.
        streams: where each stream ends; empty for a generic log.
    """

    size: int
    root: bytes | None
    entries: int
    faults: tuple[Fault, ...]
    more_faults: int
    remarks: tuple[Fault, ...]
    checkpoint: CheckedCheckpoint | None
    split_view: tuple[bytes, bytes] | None
    streams: Mapping[str, StreamEnd]

    @property
    def ok(self) -> bool:
        """Nothing is wrong."""
        return not self.faults


def fsck(
    log: Source | Read | Path | str,
    policy: Policy | Sequence[VerifierKey],
    *,
    raw: bool = False,
    pinned: Sequence[bytes] = (),
    other: Sequence[bytes] = (),
    strict: bool = False,
    progress: Callable[[int], None] | None = None,
) -> FsckReport:
    """Check a log completely; whatever is wrong with it is reported, nothing about it is raised.

    Args:
        log: a folder, or a function from path to bytes.
        policy: keys of the log, witnesses and quorum; or keys of the log alone, when no witness is asked.
        raw: the entries are not Groundrule's and are not read.
        pinned: checkpoints seen earlier; the log must contain what they signed.
        other: checkpoints of the same log that were shown to others.
        strict: remarks count as faults, and one bad cosignature refuses the checkpoint.
        progress: called with the number of entries done since the last call.
    Raises:
        InputError: there is no such folder, or the policy is unusable.
    """
    return _Check(source_of(log), policy_of(policy), raw=raw, strict=strict).run(pinned, other, progress)


@dataclass
class _Check:
    source: Source
    policy: Policy
    raw: bool
    strict: bool
    faults: list[Fault] = field(default_factory=list)
    remarks: list[Fault] = field(default_factory=list)
    more: int = 0
    entries: int = 0
    split_view: tuple[bytes, bytes] | None = None
    positions: tuple[int, object] | None = None

    def run(
        self, pinned: Sequence[bytes], other: Sequence[bytes], progress: Callable[[int], None] | None
    ) -> FsckReport:
        state = {name: self._state(name) for name in (TREE_STATE, SIGNED, STREAMS)}
        head = self._head(state)
        earlier = [(f"pinned checkpoint {i}", self._foreign(data, f"pinned checkpoint {i}"), False)
                   for i, data in enumerate(pinned, 1)]  # fmt: skip
        earlier += [(f"other checkpoint {i}", self._foreign(data, f"other checkpoint {i}"), True)
                    for i, data in enumerate(other, 1)]  # fmt: skip
        own = [(name, found) for name, found in state.items() if found is not None]
        if head is not None and head.checkpoint is not None:
            own.insert(0, (CHECKPOINT, (head.checkpoint.size, head.checkpoint.root)))
        # Without the writer's state only the checkpoint says how far the log goes.
        size = max((size for name, (size, _) in own if name in _EXTENT), default=None)
        if size is None:
            size = self._size_of_files()
        sequence = SequenceCheck(lambda index, _, what: self._entry_fault(index, what, size))
        walk = TreeWalk(
            self.source,
            size,
            [*(found for _, found in own), *(_named(each) for _, each, _ in earlier if each is not None)],
            fault=self._fault,
            remark=self._remark,
            on_bundle=lambda first, entries: self._bundle(sequence, first, entries),
            progress=progress,
        )
        walk.run()
        for name, (at, root) in own:
            self._compare_own(name, at, root, size, walk.roots)
        self._compare_positions(size, sequence)
        if head is not None and head.checkpoint is not None:
            self._right_edge(head.checkpoint.size, size)
            for name, each, is_other in earlier:
                if each is not None:
                    self._compare_heads(name, each, head, walk.roots, size, is_other=is_other)
        self._unexpected()
        if self.strict:
            self.faults += self.remarks
            self.remarks = []
        return FsckReport(
            size=size,
            root=walk.roots.get(size),
            entries=self.entries,
            faults=tuple(self.faults),
            more_faults=self.more,
            remarks=tuple(self.remarks),
            checkpoint=None if head is None else head.checked,
            split_view=self.split_view,
            streams={} if self.raw else dict(sorted(sequence.streams.items())),
        )

    # --- what is reported ---------------------------------------------------------------------------------------------

    def _fault(self, path: str, index: int | None, what: str) -> None:
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(Fault(path, index, what))
        else:
            self.more += 1

    def _remark(self, path: str, index: int | None, what: str) -> None:
        if len(self.remarks) < MAX_FAULTS:
            self.remarks.append(Fault(path, index, what))

    def _entry_fault(self, index: int, what: str, size: int) -> None:
        number = index // TILE_WIDTH
        self._fault(str(TilePath(None, number, min(TILE_WIDTH, size - number * TILE_WIDTH))), index, what)

    def _bundle(self, sequence: SequenceCheck, first: int, entries: Sequence[bytes | None]) -> None:
        self.entries += len(entries) - entries.count(None)
        if not self.raw:
            sequence.feed(first, entries)

    # --- heads --------------------------------------------------------------------------------------------------------

    def _head(self, state: Mapping[str, tuple[int, bytes] | None]) -> Head | None:
        try:
            data = self.source.read(CHECKPOINT)
        except (FileNotFoundError, LookupError):
            signed = state[SIGNED]
            if state[TREE_STATE] is not None and (signed is None or signed[0] == 0):
                self._remark(CHECKPOINT, None, "nothing is published yet")
            elif signed is not None:
                self._fault(
                    CHECKPOINT, None, f"is missing, although {signed[0]} entries were signed; sign and publish again"
                )
            else:
                self._fault(CHECKPOINT, None, "is missing")
            return None
        except (OSError, GroundruleError) as error:
            self._fault(CHECKPOINT, None, f"cannot be read: {reason(error)}")
            return None
        head = examine(data, self.policy, strict=self.strict)
        for problem in head.problems:
            self._fault(CHECKPOINT, None, problem)
        for remark in head.remarks:
            self._remark(CHECKPOINT, None, remark)
        return head

    def _foreign(self, data: bytes, name: str) -> Head | None:
        """Open a head that was given; only one that the log signed says anything about the log."""
        head = examine(data, self.policy, strict=self.strict, quorum=False)
        if head.checked is None:
            self._fault(name, None, f"cannot be used: {head.problems[0]}")
            return None
        return head

    def _compare_own(self, name: str, at: int, root: bytes, size: int, roots: Mapping[int, bytes | None]) -> None:
        if at > size:
            self._fault(name, None, f"names {at} entries, the tree state only {size}: the folder was rolled back")
        elif (computed := roots.get(at)) is None:
            self._fault(name, None, f"the root of its {at} entries cannot be recomputed: too much is missing")
        elif computed != root:
            self._fault(name, None, f"its root is not that of the first {at} entries")

    def _compare_positions(self, size: int, sequence: SequenceCheck) -> None:
        """The writer's note of where the streams stand must be what the entries say, if it is of this size."""
        if self.raw or self.positions is None or self.positions[0] != size:
            return
        if self.positions[1] != {name: [end.next_seq, end.t] for name, end in sequence.streams.items()}:
            self._fault(STREAMS, None, "the streams do not stand where it says")

    def _compare_heads(
        self, name: str, found: Head, head: Head, roots: Mapping[int, bytes | None], size: int, *, is_other: bool
    ) -> None:
        at, root = _named(found)
        mine = head.checkpoint
        assert mine is not None
        if found.checkpoint is not None and found.checkpoint.origin != mine.origin:
            self._fault(name, None, f"is of another log, `{found.checkpoint.origin[:80]}`")
        elif at == mine.size and root != mine.root:
            if head.checked is not None and self.split_view is None:
                self.split_view = (head.data, found.data)
            self._fault(name, None, f"split view: the log signed two roots for {at} entries")
        elif at > size:
            if is_other:
                self._remark(name, None, f"has {at} entries and is ahead of this copy; compare it with a newer one")
            else:
                self._fault(name, None, f"the log shrank: it had {at} entries and has {size}")
        elif at > mine.size and not is_other:
            self._fault(name, None, f"the published log shrank: it had {at} entries and has {mine.size}")
        elif (computed := roots.get(at)) is None:
            self._fault(name, None, f"cannot be compared: too much of the first {at} entries is missing")
        elif computed != root:
            self._fault(name, None, f"history was rewritten: the first {at} entries are not those that it signed")

    # --- files --------------------------------------------------------------------------------------------------------

    def _state(self, path: str) -> tuple[int, bytes] | None:
        """Size and root in a state file of the writer, if the folder is the writer's own."""
        try:
            data = self.source.read(path)
        except (FileNotFoundError, LookupError):
            return None
        except (OSError, GroundruleError) as error:
            self._fault(path, None, f"cannot be read: {reason(error)}")
            return None
        try:
            value = parse_canonical(data.removesuffix(b"\n"))
            size, root = value["size"], parse_base64(value["root"])
            if type(size) is not int or size < 0 or len(root) != HASH_SIZE or not value.keys() <= _STATE_FIELDS:
                raise ValueError
        except (ValueError, KeyError, TypeError, AttributeError):
            self._fault(path, None, "is damaged: not a size and a root")
            return None
        if path == STREAMS:
            self.positions = (size, value.get("streams"))
        return size, root

    def _size_of_files(self) -> int:
        """Entries in the bundles that exist without a gap, for a log whose head says nothing."""
        names = self.source.names or frozenset()
        full = 0
        while str(TilePath(None, full)) in names:
            full += 1
        partial = [width for width in range(1, TILE_WIDTH) if str(TilePath(None, full, width)) in names]
        return full * TILE_WIDTH + max(partial, default=0)

    def _right_edge(self, published: int, size: int) -> None:
        """Readers of the published head need its partial files, or the full ones that replaced them."""
        if published == size or self.source.names is None:
            return
        level: int | None = None
        count = published
        while count:
            index, width = divmod(count, TILE_WIDTH)
            path = TilePath(level, index, width) if width else None
            if path is not None and not {str(path), str(path.full)} & self.source.names:
                self._fault(str(path), None, "is missing, and readers of the published checkpoint need it")
            if level is None:
                level = 0
            else:
                level, count = level + 1, index

    def _unexpected(self) -> None:
        for name in self.source.irregular:
            self._fault(name, None, "is not a plain file; a log holds no links, pipes or devices")
        for name in sorted(self.source.names or ()):
            if name in _BESIDE or name.startswith(STATE_FOLDER):
                continue
            if name.rsplit("/", 1)[-1].startswith(".tmp-"):
                self._remark(name, None, "is left over from an interrupted write")
            elif not name.startswith("tile/"):
                self._remark(name, None, "does not belong to the log")
            elif not _is_tile(name):
                self._fault(name, None, "is not the name of a tile or bundle; nothing may stand among them")


def _is_tile(name: str) -> bool:
    try:
        TilePath.parse(name)
    except InputError:
        return False
    return True


def _named(head: Head) -> tuple[int, bytes]:
    assert head.checkpoint is not None
    return head.checkpoint.size, head.checkpoint.root
