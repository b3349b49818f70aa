"""Durable files of a log: every write is on the medium before the next step begins, or the log stops.

One durable write is: a new temporary file in the target's own folder, written with O_SYNC and closed; then `link` to a
name that must not exist yet (tiles and bundles, which are written once) or `rename` over a name that may (the few mutable
files); then fsync of the folder. A step that writes several files syncs each folder once at its end.

A failed fsync is never repeated: the kernel may have dropped what it could not write, so that a second success would say
nothing. After such a failure, and after any other that leaves the medium in doubt, the disk is stopped: it answers every
later write with the same `StoreError` and only a new process, which reads what is really there, can go on. A full disk is
no such failure, because a file that was not completely written never got its name: the write may be tried again.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from groundrule.errors import ConflictError, IntegrityError, StoreError
from groundrule.ledger.calls import Calls, Held, PosixCalls, said, split
from groundrule.ledger.mounts import refuse_unreliable

__all__ = ["TEMPORARY", "Calls", "Disk", "DurableDisk", "Held", "PosixCalls", "PosixDisk"]

TEMPORARY = ".tmp-"
"""Prefix of files that have no name of their own yet."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Disk(Protocol):
    """What a log asks of its storage."""

    def read(self, path: str, *, cold: bool = False) -> bytes:
        """Return a file's bytes; raises FileNotFoundError or StoreError."""

    def size_of(self, path: str) -> int:
        """Return a file's length [bytes]; raises FileNotFoundError or StoreError."""

    def exists(self, path: str) -> bool:
        """Is there a file of this name?"""

    def list(self, folder: str) -> list[str]:
        """Return the sorted names in a folder; a missing folder has none."""

    def create_once(self, items: Sequence[tuple[str, bytes]], *, replaceable: Callable[[str], bool]) -> None:
        """Write files that are never changed, as one step; durable when it returns."""

    def replace(self, path: str, data: bytes) -> None:
        """Write a mutable file; durable when it returns, and at every moment either the old or the new content."""

    def make_folder(self, folder: str) -> None:
        """Create a folder with its parents; durable when it returns."""

    def remove(self, paths: Sequence[str], folders: Sequence[str] = ()) -> None:
        """Remove files, then those of the folders that are empty; durable when it returns."""

    def discard(self, paths: Sequence[str], folders: Sequence[str] = ()) -> None:
        """Do the same with files that nobody needs, without waiting for the medium."""

    def sync(self, folders: Sequence[str]) -> None:
        """Make the names in these folders durable."""

    def lock(self, path: str) -> Held:
        """Take an exclusive lock at once or raise ConflictError."""

    def stop(self, why: str) -> None:
        """Refuse every later write."""

    @property
    def stopped(self) -> str | None:
        """Why the disk takes no more writes, or None."""


class DurableDisk:
    """Durable writes over the file calls of a machine; safe to share between threads.

    Args:
        calls: the machine.
        label: part of the names of temporary files, different for each process.
        place: how errors name the log's folder.
    """

    def __init__(self, calls: Calls, *, label: str, place: str) -> None:
        self._calls = calls
        self._label = label
        self._place = place
        self._writing = threading.RLock()
        self._known: set[str] = {""}
        self._made = 0
        self._stopped: str | None = None

    @property
    def stopped(self) -> str | None:
        """Why the disk takes no more writes, or None."""
        return self._stopped

    def stop(self, why: str) -> None:
        """Refuse every later write; the first reason is kept."""
        self._stopped = self._stopped or why

    def read(self, path: str, *, cold: bool = False) -> bytes:
        """Return a file's bytes.

        Args:
            path: relative to the log's folder.
            cold: ask the medium, not the cache, where that is possible.
        Raises:
            FileNotFoundError: there is none. StoreError: it cannot be read.
        """
        with self._reading(path):
            return self._calls.read(path, cold=cold)

    def size_of(self, path: str) -> int:
        """Return a file's length [bytes]; errors as for `read`."""
        with self._reading(path):
            return self._calls.size_of(path)

    def exists(self, path: str) -> bool:
        """Is there a file of this name?"""
        try:
            self.size_of(path)
        except FileNotFoundError:
            return False
        return True

    def list(self, folder: str) -> list[str]:
        """Return the sorted names in a folder; a missing folder has none."""
        with self._reading(folder):
            return sorted(self._calls.names(folder))

    def create_once(self, items: Sequence[tuple[str, bytes]], *, replaceable: Callable[[str], bool]) -> None:
        """Write files that are never changed, as one step; all are durable when it returns.

        A file that is there already with the same bytes is a success. One with other bytes is replaced if `replaceable`
        says that it is the leftover of an unfinished append.

        Raises:
            IntegrityError: a file that must not change has other bytes.
            StoreError: the disk is full (context `full`; nothing is in doubt), failed, or was stopped before.
        """
        with self._step() as touched:
            for path, data in items:
                folder, name = split(path)
                self._make_folders(folder, touched)
                temporary = self._write_temporary(folder, data)
                with self._change(path):
                    try:
                        self._calls.link(folder, temporary, name)
                    except FileExistsError:
                        if self._calls.read(path, cold=False) != data:
                            self._replace_leftover(folder, temporary, name, replaceable)
                            touched[folder] = None
                            continue
                    touched[folder] = None
                    self._calls.unlink(folder, temporary)

    def replace(self, path: str, data: bytes) -> None:
        """Write a mutable file; durable when it returns; errors as for `create_once`."""
        folder, name = split(path)
        with self._step() as touched:
            self._make_folders(folder, touched)
            temporary = self._write_temporary(folder, data)
            with self._change(path, undo=(folder, temporary)):
                self._calls.rename(folder, temporary, name)
            touched[folder] = None

    def make_folder(self, folder: str) -> None:
        """Create a folder with its parents; durable when it returns."""
        with self._step() as touched:
            self._make_folders(folder, touched)

    def remove(self, paths: Sequence[str], folders: Sequence[str] = ()) -> None:
        """Remove files, then those of the folders that are empty, inner ones first; durable when it returns.

        Raises:
            StoreError: the disk failed or was stopped before.
        """
        with self._step() as touched:
            self._remove(paths, folders, touched)

    def discard(self, paths: Sequence[str], folders: Sequence[str] = ()) -> None:
        """Do as `remove` with files that nobody needs any more, without waiting for the medium."""
        with self._step() as touched:
            self._remove(paths, folders, touched)
            touched.clear()

    def sync(self, folders: Sequence[str]) -> None:
        """Make the names in these folders durable."""
        with self._step() as touched:
            touched.update(dict.fromkeys(folders))

    def lock(self, path: str) -> Held:
        """Take an exclusive lock at once.

        Raises:
            ConflictError: another writer has it. StoreError: the system cannot lock.
        """
        with self._writing:
            try:
                return self._calls.lock(path)
            except BlockingIOError:
                raise ConflictError(
                    f"another writer holds `{path}` of {self._place}",
                    help="one process at a time writes to a log; stop the other one, readers need no lock",
                    path=path,
                ) from None
            except OSError as error:
                raise self._failure(path, error) from error

    @contextmanager
    def _step(self) -> Iterator[dict[str, None]]:
        """Collect the folders that a step touches, and sync each once at the end."""
        with self._writing:
            if self._stopped is not None:
                raise StoreError(
                    f"nothing more is written to {self._place}: {self._stopped}",
                    help="start again; opening the log finds out what was stored",
                    stopped=True,
                )
            touched: dict[str, None] = {}
            yield touched
            for folder in touched:
                try:
                    self._calls.sync(folder)
                except OSError as error:
                    self.stop(f"fsync of `{folder or '.'}` failed ({said(error)})")
                    raise self._failure(folder, error) from error
            self._known.update(folder for folder in touched if folder)

    @contextmanager
    def _change(self, path: str, undo: tuple[str, str] | None = None) -> Iterator[None]:
        """Turn a failed call into a StoreError; stop the disk unless it is merely full."""
        try:
            yield
        except OSError as error:
            if error.errno not in _FULL:
                self.stop(f"`{path}` could not be written ({said(error)})")
            if undo is not None:
                with suppress(OSError):  # the first failure is the one to report
                    self._calls.unlink(*undo)
            raise self._failure(path, error) from error

    @contextmanager
    def _reading(self, path: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileNotFoundError(errno.ENOENT, "no such file in the log", path) from error
        except OSError as error:
            raise self._failure(path, error) from error

    def _make_folders(self, folder: str, touched: dict[str, None]) -> None:
        """Create a folder and its parents.

        A folder counts as durable only after its parent was synced by this process: one that an earlier process made
        just before it died may exist in memory only.
        """
        if folder in self._known or folder in touched:
            return
        parent, _ = split(folder)
        self._make_folders(parent, touched)
        with self._change(folder), suppress(FileExistsError):
            self._calls.make_folder(folder)
        touched[parent] = None
        touched[folder] = None

    def _write_temporary(self, folder: str, data: bytes) -> str:
        self._made += 1
        name = f"{TEMPORARY}{self._label}-{self._made}"
        with self._change(f"{folder}/{name}", undo=(folder, name)):
            self._calls.write_new(folder, name, data)
        return name

    def _replace_leftover(self, folder: str, temporary: str, name: str, replaceable: Callable[[str], bool]) -> None:
        path = f"{folder}/{name}" if folder else name
        if replaceable(path):
            self._calls.rename(folder, temporary, name)
            return
        self._calls.unlink(folder, temporary)
        self.stop(f"`{path}` has other bytes than the entries it must hold")
        raise IntegrityError(
            f"`{path}` is there already with other bytes, and it belongs to what is recorded",
            help="run `groundrule ledger fsck` and restore the log from a copy; it is never signed again over damage",
            path=path,
        )

    def _remove(self, paths: Sequence[str], folders: Sequence[str], touched: dict[str, None]) -> None:
        for path in paths:
            folder, name = split(path)
            with self._change(path):
                self._calls.unlink(folder, name)
            touched[folder] = None
        for folder in sorted(folders, key=lambda path: path.count("/"), reverse=True):
            with self._change(folder):
                if self._calls.names(folder):
                    continue
                self._calls.remove_folder(folder)
            touched.pop(folder, None)
            self._known.discard(folder)
            touched[split(folder)[0]] = None

    def _failure(self, path: str, error: OSError) -> StoreError:
        full = error.errno in _FULL and self._stopped is None
        return StoreError(
            f"`{path or '.'}` of {self._place}: {said(error)}",
            help="free some space and try again; nothing is in doubt" if full else None,
            path=path,
            errno=error.errno,
            full=full,
        )


class PosixDisk(DurableDisk):
    """Durable files in a local folder.

    Args:
        root: the log's folder; it exists.
        unsafe_filesystem: accept network and FUSE mounts, whose link, rename, lock or fsync cannot be relied upon.
    Raises:
        ConflictError: the folder lies on such a mount. StoreError: it is no folder.
    """

    def __init__(self, root: Path | str, *, unsafe_filesystem: bool = False) -> None:
        folder = Path(root)
        if not folder.is_dir():
            raise StoreError(f"`{folder}` is no folder", help="give the folder of a log", path=str(folder))
        if not unsafe_filesystem:
            refuse_unreliable(folder)
        super().__init__(PosixCalls(folder), label=f"{os.getpid()}-{os.urandom(4).hex()}", place=f"`{folder}`")
        self.root = folder
