"""Files that are either wholly there or not there, also after a power loss.

A file is written beside its place, flushed to the disk, renamed over its place, and the folder entry is flushed too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from groundrule.errors import StoreError


@contextmanager
def durable_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that appears at `path` only when the block ends without an error.

    Args:
        path: final place; its folder is created. An existing file is replaced at once, never half.
    Raises:
        StoreError: the disk refused; nothing is left at `path` that was not there before.
    """
    # Machines that share a disk may number their processes alike.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{uuid4().hex[:8]}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"cannot write `{path}`: {error.strerror or error}", path=str(path)) from error
    finally:
        # The first error is the one to tell; a temporary file that cannot be removed does no harm.
        with suppress(OSError):
            temporary.unlink()


def write_durably(path: Path, data: bytes) -> None:
    """Write bytes to a file so that a power loss leaves the old content or the new, never a part."""
    with durable_file(path) as stream:
        stream.write(data)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename in it survives a power loss."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
