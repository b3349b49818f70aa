"""Read a log directory without a lock, beside its writer or on a copy of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from groundrule.errors import InputError
from groundrule.ledger.checkpoint import Checkpoint
from groundrule.ledger.note import Note
from groundrule.ledger.policy import Policy
from groundrule.ledger.state import CHECKPOINT, POLICY, TREE_STATE, TreeState
from groundrule.ledger.tiles import TileTree


@dataclass(frozen=True, slots=True)
class LogReader:
    """A log directory as anybody may read it; nothing is verified here.

    Attributes:
        folder: of the log.
        checkpoint: the published checkpoint, or None.
    """

    folder: Path
    checkpoint: bytes | None

    @property
    def head(self) -> Checkpoint | None:
        """What the published checkpoint says; its signatures are not verified."""
        return None if self.checkpoint is None else Checkpoint.parse(Note.parse(self.checkpoint).text)

    @property
    def origin(self) -> str | None:
        """The log's name, as its published checkpoint gives it."""
        head = self.head
        return None if head is None else head.origin

    @property
    def policy(self) -> Policy | None:
        """The policy beside the checkpoint; a reader who trusts nobody brings his own."""
        path = self.folder / POLICY
        return Policy.parse(path.read_bytes()) if path.is_file() else None

    @property
    def integrated_size(self) -> int | None:
        """Number of entries that are durable, published or not; None where the writer's state is not there."""
        path = self.folder / TREE_STATE
        return TreeState.parse(TREE_STATE, path.read_bytes()).size if path.is_file() else None

    def read(self, path: str) -> bytes:
        """Return the bytes behind a path such as `tile/0/000`; raises OSError."""
        return (self.folder / path).read_bytes()

    def tree(self, size: int | None = None) -> TileTree:
        """Return the tree of the published checkpoint, or of `size` entries."""
        if size is None:
            head = self.head
            size = 0 if head is None else head.size
        return TileTree(self.read, size)


def read_log(folder: Path | str) -> LogReader:
    """Open a log directory for reading.

    Raises:
        InputError: there is no log.
    """
    path = Path(folder)
    checkpoint = path / CHECKPOINT
    if not checkpoint.is_file() and not (path / TREE_STATE).is_file():
        raise InputError(f"there is no log in `{path}`", help="give the folder that holds `checkpoint` and `tile`")
    return LogReader(path, checkpoint.read_bytes() if checkpoint.is_file() else None)
