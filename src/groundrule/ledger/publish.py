"""Sign, have witnessed, publish: what leaves a log, and only after it was computed again from the medium.

A root is signed once: its size and value are durable in `signed` before the signature exists, and every later one must
extend it. What is published never shrinks and never loses its quorum.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from groundrule.errors import ConflictError, IntegrityError
from groundrule.ledger.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from groundrule.ledger.disk import Disk
from groundrule.ledger.durable import damage, missing_is_damage, reading, recompute
from groundrule.ledger.note import NoteSigner
from groundrule.ledger.recovery import Recovered
from groundrule.ledger.state import CHECKPOINT, PUBLISH_LOCK, SIGNED, TREE_STATE, TreeState
from groundrule.ledger.tiles import TilePath, TileTree

PATIENCE_S = 60
"""How long a checkpoint waits for its quorum before it is published as `unwitnessed` [s]."""
NS_PER_S = 1_000_000_000

Clock = Callable[[], int]
"""Gives the time [ns since 1970, UTC]."""
Witnesses = Callable[[bytes, Callable[[int], list[bytes]]], bytes]
"""Takes a signed checkpoint and what proves its consistency with an older size; returns it with cosignatures added."""


@dataclass(frozen=True, slots=True)
class Published:
    """What became of a checkpoint.

    Attributes:
        checkpoint: the note, with the cosignatures it has.
        witnessed: whether witnesses make the quorum of the policy; never under `quorum none`.
        accepted: whether the policy is satisfied; always under `quorum none`.
        published: whether it was published; one without its quorum waits `patience_s` first.
    """

    checkpoint: bytes
    witnessed: bool
    accepted: bool
    published: bool


class Publisher:
    """Steps 6 to 8 of a log; the caller holds `turn` and has made sure that the log is writable.

    Attributes:
        turn: one at a time signs and publishes.
        signed: size and root of the largest checkpoint ever signed.
        published: the checkpoint published last, or None.
        accepted_size: size of the largest published checkpoint that satisfies the policy.
        witnessed: whether the published checkpoint has its quorum of witnesses.
    """

    def __init__(self, disk: Disk, found: Recovered, signers: Sequence[NoteSigner], clock: Clock) -> None:
        self.turn = threading.RLock()
        self._disk = disk
        self._origin = found.header.origin
        self._policy = found.policy
        self._signers = tuple(signers)
        self._clock = clock
        self.signed = found.signed
        self.published = found.published_data
        self._published_size = 0 if found.published is None else found.published.checkpoint.size
        accepted = found.published is not None and found.published.quorum_met
        self.accepted_size = self._published_size if accepted else 0
        self.witnessed = accepted and found.policy.quorum is not None
        self._waiting_since: int | None = None

    def sign(self, acknowledged: int) -> bytes:
        """Do as `Log.sign`; `acknowledged` entries must be there."""
        if not self._signers:
            raise ConflictError("the log was opened without its keys", help="open it with its signers")
        with stop_on_damage(self._disk):
            with missing_is_damage():
                state = TreeState.parse(TREE_STATE, self._disk.read(TREE_STATE, cold=True))
            if state.size < acknowledged:
                raise damage(f"the stored tree state says {state.size} entries, and {acknowledged} are acknowledged")
            recompute(self._disk, self.signed, state)
            if state != self.signed:
                self._disk.replace(SIGNED, state.format())
                self.signed = state
            time_s = max(1, self._clock() // NS_PER_S)
            note = sign_checkpoint(Checkpoint(self._origin, state.size, state.root), self._signers, time_s=time_s)
            open_checkpoint(note, [signer.verifier for signer in self._signers], origin=self._origin)
            return note

    def publish(self, checkpoint: bytes) -> None:
        """Do as `Log.publish`."""
        checked = self._policy.check(checkpoint)
        head = checked.checkpoint
        if head.origin != self._origin or head.size > self.signed.size or self._root_at(head.size) != head.root:
            raise ConflictError(
                f"the checkpoint of {head.size} entries of `{head.origin[:80]}` is none that this log has signed",
                help="publish what sign returned, with cosignatures added",
            )
        if head.size < self._published_size:
            raise ConflictError(
                f"a checkpoint of {self._published_size} entries is published, this one has {head.size}",
                help="a published log never shrinks",
            )
        held = self._disk.lock(PUBLISH_LOCK)
        try:
            self._disk.replace(CHECKPOINT, checkpoint)
            before, self.published, self._published_size = self._published_size, checkpoint, head.size
            if checked.quorum_met:
                self.accepted_size = head.size
            self.witnessed = checked.quorum_met and self._policy.quorum is not None
        finally:
            held.release()
        self._discard_partials(before, head.size)

    def commit(self, acknowledged: int, witness: Witnesses | None, patience_s: int) -> Published:
        """Do as `Log.commit`."""
        signed = self.sign(acknowledged)
        note = signed if witness is None else witness(signed, self.consistency_path)
        accepted = self._policy.check(note).quorum_met
        now = self._clock()
        if accepted:
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = now
        waited = self._waiting_since is not None and now - self._waiting_since >= patience_s * NS_PER_S
        # A quorum that is published for this very size says more than the attempt that did not get one.
        better = self.published is not None and self.accepted_size == self._published_size == self.signed.size
        due = accepted or (waited and not better)
        if due:
            self.publish(note)
        return Published(note, accepted and self._policy.quorum is not None, accepted, due)

    def consistency_path(self, old: int) -> list[bytes]:
        """Prove that the checkpoint signed last extends the tree of its first `old` entries."""
        return TileTree(reading(self._disk), self.signed.size).consistency_path(old)

    def _root_at(self, size: int) -> bytes:
        return TileTree(reading(self._disk), self.signed.size).root_at(size)

    def _discard_partials(self, before: int, size: int) -> None:
        """Remove partial tiles whose full tile is public now; readers cut what they need from the full one."""
        folders = []
        for level in (None, *range(8)):
            old, new = before >> 8 * (level or 0) + 8, size >> 8 * (level or 0) + 8
            folders += [f"{TilePath(level, index)}.p" for index in range(old, new)]
        paths = [f"{folder}/{name}" for folder in folders for name in self._disk.list(folder)]
        if paths:
            self._disk.discard(paths, [folder for folder in folders if self._disk.list(folder)])


@contextmanager
def stop_on_damage(disk: Disk) -> Iterator[None]:
    """Let a disk take nothing more once damage was found on it."""
    try:
        yield
    except IntegrityError as error:
        disk.stop(error.message)
        raise
