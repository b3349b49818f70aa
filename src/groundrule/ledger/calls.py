"""The file calls that a log is made of, on a POSIX system.

What makes writes durable is one level up, in `disk`: this module does single calls, in the way that lets their errors be
seen.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from groundrule.errors import StoreError

_OPEN_FOLDERS = 64


class Held(Protocol):
    """A lock that is held until it is released."""

    def release(self) -> None:
        """Let another writer in."""


class Calls(Protocol):
    """The file calls that durable writes are made of; a simulated machine takes their place in the power-loss tests.

    Paths are relative to the log's folder, `""` is the folder itself. All raise OSError as the system does.
    """

    def read(self, path: str, *, cold: bool) -> bytes:
        """Return a file's bytes; `cold` asks for the medium's copy instead of the cached one, where that is possible."""

    def size_of(self, path: str) -> int:
        """Return a file's length [bytes] without reading it."""

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, unsorted; a missing folder has none."""

    def make_folder(self, folder: str) -> None:
        """Create a folder whose parent exists; raises FileExistsError."""

    def write_new(self, folder: str, name: str, data: bytes) -> None:
        """Create a file that must not exist; when this returns, its content is on the medium (its name need not be)."""

    def link(self, folder: str, name: str, target: str) -> None:
        """Give a file a second name that must not exist."""

    def rename(self, folder: str, name: str, target: str) -> None:
        """Move a file over another name, atomically."""

    def unlink(self, folder: str, name: str) -> None:
        """Remove a name."""

    def remove_folder(self, folder: str) -> None:
        """Remove an empty folder."""

    def sync(self, folder: str) -> None:
        """Return when the folder's names are on the medium."""

    def lock(self, path: str) -> Held:
        """Take an exclusive lock at once or raise BlockingIOError."""


class PosixCalls:
    """The file calls of a local POSIX file system, by open folders.

    Folders stay open between calls, so that a failure that the kernel met after a call is still reported by the next fsync
    of the same descriptor.
    """

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._folders: OrderedDict[str, int] = OrderedDict()

    def read(self, path: str, *, cold: bool) -> bytes:
        """Return a file's bytes; `cold` drops clean cached pages first."""
        descriptor = os.open(f"{self._root}/{path}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if cold and hasattr(os, "posix_fadvise"):
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            parts = []
            while part := os.read(descriptor, 1 << 20):
                parts.append(part)
        finally:
            os.close(descriptor)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def size_of(self, path: str) -> int:
        """Return a file's length [bytes]."""
        return os.stat(f"{self._root}/{path}").st_size  # noqa: PTH116 - one of thousands at start; Path doubles its cost

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder."""
        try:
            return os.listdir(f"{self._root}/{folder}")  # noqa: PTH208 - names only, no Path for each
        except FileNotFoundError:
            return []

    def make_folder(self, folder: str) -> None:
        """Create a folder."""
        parent, name = split(folder)
        os.mkdir(name, 0o755, dir_fd=self._open(parent))

    def write_new(self, folder: str, name: str, data: bytes) -> None:
        """Create a file and return when its content is on the medium."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_SYNC | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o644, dir_fd=self._open(folder))
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except BaseException:
            with suppress(OSError):  # the failed write is the one to report
                os.close(descriptor)
            raise
        os.close(descriptor)

    def link(self, folder: str, name: str, target: str) -> None:
        """Give a file a second name."""
        parent = self._open(folder)
        os.link(name, target, src_dir_fd=parent, dst_dir_fd=parent)

    def rename(self, folder: str, name: str, target: str) -> None:
        """Move a file over another name."""
        parent = self._open(folder)
        os.rename(name, target, src_dir_fd=parent, dst_dir_fd=parent)

    def unlink(self, folder: str, name: str) -> None:
        """Remove a name."""
        os.unlink(name, dir_fd=self._open(folder))

    def remove_folder(self, folder: str) -> None:
        """Remove an empty folder."""
        self._close(folder)
        parent, name = split(folder)
        os.rmdir(name, dir_fd=self._open(parent))

    def sync(self, folder: str) -> None:
        """Return when the folder's names are on the medium."""
        os.fsync(self._open(folder))

    def lock(self, path: str) -> Held:
        """Take an exclusive lock at once."""
        descriptor = os.open(f"{self._root}/{path}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        return _FileLock(descriptor)

    def _open(self, folder: str) -> int:
        if (descriptor := self._folders.get(folder)) is not None:
            self._folders.move_to_end(folder)
            return descriptor
        if len(self._folders) >= _OPEN_FOLDERS:
            self._close(next(iter(self._folders)))
        descriptor = os.open(f"{self._root}/{folder}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._folders[folder] = descriptor
        return descriptor

    def _close(self, folder: str) -> None:
        if (descriptor := self._folders.pop(folder, None)) is not None:
            os.close(descriptor)

    def __del__(self) -> None:
        for descriptor in self._folders.values():
            with suppress(OSError):  # nothing is written through a folder's descriptor
                os.close(descriptor)


class _FileLock:
    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let another writer in.

        Raises:
            StoreError: the system reports an error; nothing was written through the lock's file.
        """
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            try:
                os.close(descriptor)
            except OSError as error:
                raise StoreError(f"the lock could not be released: {said(error)}", errno=error.errno) from error

    def __del__(self) -> None:
        with suppress(StoreError):  # forgotten by its owner; there is nobody to tell
            self.release()


def split(path: str) -> tuple[str, str]:
    """Return the folder and the name of a path."""
    folder, _, name = path.rpartition("/")
    return folder, name


def said(error: OSError) -> str:
    """Return what the system said, in one line."""
    return f"{errno.errorcode.get(error.errno or 0, 'error')}: {(error.strerror or str(error)).lower()}"
