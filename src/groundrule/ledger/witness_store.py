"""Where a witness keeps what it has cosigned: one checkpoint per log, replaced by check-and-set.

    lock                            held while a process serves
    identity                        public keys that the folder belongs to, one vkey per line
    <hex SHA-256 of origin>/latest  the checkpoint cosigned last: log signatures and own cosignatures, a plain note
    <hex …>/evidence/<what>-<digest>.request    a request that the log signed and that cannot be true
    <hex …>/evidence/<what>-<digest>.recorded   the checkpoint that it contradicts

A witness without its memory is a second witness under the same key, and could cosign a second history. The folder is
therefore as important as the key, and a copy that is not the newest must not be used (docs/witness.md).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

from groundrule.errors import ConflictError, InputError
from groundrule.ledger.disk import PosixDisk

MAX_EVIDENCE = 64
"""Contradictions kept per log and kind; the first ones prove as much as all."""


class WitnessStore(Protocol):
    """What a witness asks of its storage; every driver passes the same tests."""

    def latest(self, origin: str) -> bytes | None:
        """Return the checkpoint cosigned last for this log, or None."""

    def advance(self, origin: str, expected: bytes | None, new: bytes) -> bool:
        """Replace `expected` by `new` durably if it is still the latest; return whether it was.

        Raises:
            StoreError: `new` could not be made durable; whether it is stored, only a new start can tell.
        """

    def keep_evidence(self, origin: str, what: str, text: bytes, request: bytes, recorded: bytes | None) -> None:
        """Keep a request that contradicts the record.

        Args:
            origin: the log.
            what: kind of contradiction, letters and hyphens.
            text: checkpoint text that the log signed; one request is kept per text, whoever repeats it.
            request: whole body.
            recorded: checkpoint it contradicts, if any.
        """


class MemoryWitnessStore:
    """Keeps everything in memory; for tests and for vectors, never for a witness that anyone relies upon."""

    def __init__(self) -> None:
        self.evidence: dict[tuple[str, str, str], tuple[bytes, bytes | None]] = {}
        self._notes: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def latest(self, origin: str) -> bytes | None:
        """Return the checkpoint cosigned last for this log, or None."""
        return self._notes.get(origin)

    def advance(self, origin: str, expected: bytes | None, new: bytes) -> bool:
        """Replace `expected` by `new` if it is still the latest."""
        with self._lock:
            if self._notes.get(origin) != expected:
                return False
            self._notes[origin] = new
            return True

    def keep_evidence(self, origin: str, what: str, text: bytes, request: bytes, recorded: bytes | None) -> None:
        """Keep a request that contradicts the record."""
        with self._lock:
            kept = sum(1 for key in self.evidence if key[:2] == (origin, what))
            if kept < MAX_EVIDENCE:
                self.evidence.setdefault((origin, what, _digest(text)), (request, recorded))


class FileWitnessStore:
    """Keeps the records in a local folder that one process at a time may use; a context manager.

    Args:
        folder: created if it is missing.
    Raises:
        ConflictError: another process uses it, or it lies on a file system without reliable locks.
        StoreError: the file system fails.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError:
            raise InputError(f"`{folder}` is not a folder", help="name a folder for the state of the witness") from None
        self._disk = PosixDisk(self.folder)
        try:
            self._held = self._disk.lock("lock")
        except ConflictError:
            raise ConflictError(
                f"another process uses the witness state in `{folder}`",
                help="one process serves one state folder; stop the other one first",
            ) from None
        self._lock = threading.Lock()
        self._notes: dict[str, bytes | None] = {}
        self._kept: dict[str, set[str]] = {}

    def __enter__(self) -> FileWitnessStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let another process use the folder."""
        self._held.release()

    def identity(self) -> tuple[str, ...] | None:
        """Return the vkeys that the folder belongs to, or None if it is new."""
        try:
            return tuple(self._disk.read("identity").decode("utf-8", "replace").splitlines())
        except FileNotFoundError:
            return None

    def bind(self, vkeys: Sequence[str]) -> None:
        """Write down which keys the folder belongs to."""
        self._disk.replace("identity", "".join(vkey + "\n" for vkey in vkeys).encode())

    def is_empty(self) -> bool:
        """Tell whether nothing has been cosigned yet."""
        return not any(self._disk.exists(f"{name}/latest") for name in self._disk.list("") if len(name) == 64)

    def latest(self, origin: str) -> bytes | None:
        """Return the checkpoint cosigned last for this log, or None; raises StoreError."""
        with self._lock:
            return self._load(origin)

    def advance(self, origin: str, expected: bytes | None, new: bytes) -> bool:
        """Replace `expected` by `new` durably if it is still the latest; raises StoreError."""
        with self._lock:
            if self._load(origin) != expected:
                return False
            self._disk.replace(f"{_name(origin)}/latest", new)
            self._notes[origin] = new
            return True

    def keep_evidence(self, origin: str, what: str, text: bytes, request: bytes, recorded: bytes | None) -> None:
        """Keep a request that contradicts the record; raises StoreError."""
        folder = f"{_name(origin)}/evidence"
        name = f"{what}-{_digest(text)}"
        with self._lock:
            kept = self._kept.setdefault(origin, set(self._disk.list(folder)))
            count = sum(1 for item in kept if item.startswith(f"{what}-") and item.endswith(".request"))
            if f"{name}.request" in kept or count >= MAX_EVIDENCE:
                return
            files = [(f"{folder}/{name}.request", request)]
            if recorded is not None:
                files.insert(0, (f"{folder}/{name}.recorded", recorded))
            for path, data in files:
                self._disk.replace(path, data)
            kept.update(path.rpartition("/")[2] for path, _data in files)

    def _load(self, origin: str) -> bytes | None:
        if origin not in self._notes:
            try:
                self._notes[origin] = self._disk.read(f"{_name(origin)}/latest")
            except FileNotFoundError:
                self._notes[origin] = None
        return self._notes[origin]


def _name(origin: str) -> str:
    return hashlib.sha256(origin.encode()).hexdigest()


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:32]
