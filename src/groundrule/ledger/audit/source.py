"""Where does an auditor read a log? From a function that turns a path into bytes; a folder is one such function.

Nothing that lies in a foreign folder is trusted: links, pipes and devices are never opened, no file is read beyond the
largest size that the format allows, and names are taken from the folder only to find what should not be there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from groundrule.errors import InputError

Read = Callable[[str], bytes]
"""Gives the bytes of a path such as `tile/0/000`; raises FileNotFoundError if there is no such file."""

MAX_FILE_BYTES = 256 * (2 + 65_535)
"""Size of the largest entry bundle; nothing in a log is larger [bytes]."""


@dataclass(frozen=True, slots=True)
class Source:
    """A log that can be read.

    Attributes:
        read: gives the bytes of a path.
        names: every regular file, or None if the place cannot be listed.
        irregular: links, pipes, devices and the like that lie among the files.
    """

    read: Read
    names: frozenset[str] | None = None
    irregular: tuple[str, ...] = ()


def folder_source(folder: Path) -> Source:
    """Read a log from a folder.

    Raises:
        InputError: there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"`{folder}` is not a folder", help="name the folder that holds `checkpoint` and `tile`")
    names: set[str] = set()
    irregular: list[str] = []
    for parent, folders, files in os.walk(folder):
        prefix = Path(parent).relative_to(folder).as_posix()
        prefix = "" if prefix == "." else prefix + "/"
        for name in files:
            path = Path(parent, name)
            if stat.S_ISREG(path.lstat().st_mode):
                names.add(prefix + name)
            else:
                irregular.append(prefix + name)
        irregular.extend(prefix + name for name in folders if Path(parent, name).is_symlink())
    return Source(folder_reader(folder), frozenset(names), tuple(sorted(irregular)))


def folder_reader(folder: Path) -> Read:
    """Return the function that reads paths below a folder."""
    root = str(folder)

    def read(path: str) -> bytes:
        if path.startswith("/") or ".." in path.split("/"):
            raise InputError(f"`{path}` leaves the folder of the log", help="paths begin at the folder of the log")
        # Without waiting: opening a pipe that nobody writes to would block for ever.
        handle = os.open(f"{root}/{path}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as stream:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise InputError(f"`{path}` is not a regular file", help="a log consists of plain files")
            data = stream.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise InputError(f"`{path}` is too large", help=f"no file of a log exceeds {MAX_FILE_BYTES} bytes")
        return data

    return read


def source_of(log: Source | Read | Path | str) -> Source:
    """Take a folder, a reader or a source as a source."""
    if isinstance(log, Source):
        return log
    if isinstance(log, str | Path):
        return folder_source(Path(log))
    return Source(log)
