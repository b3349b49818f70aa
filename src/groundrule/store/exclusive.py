"""One writer at a time: a lock file that the operating system lets go of when its process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from groundrule.errors import ConflictError
from groundrule.store.places import Place


@contextmanager
def exclusive(lock: Path, place: Place) -> Iterator[None]:
    """Hold a lock for the length of the block.

    Args:
        lock: the lock file; it is made where it is missing, and names the process that holds it.
        place: what is locked, for people.
    Raises:
        ConflictError: another holds it; the context carries its process id, or None if not yet known.
    """
    with lock.open("a+b") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            text = stream.read(32).decode("ascii", "replace").strip()
            pid = int(text) if text.isdigit() else None
            who = f"process {pid}" if pid is not None else "another process"
            raise ConflictError(
                f"{who} is writing to `{place}`", help="wait until it has ended, or end it", pid=pid, path=str(place)
            ) from None
        stream.truncate(0)
        stream.write(str(os.getpid()).encode())
        stream.flush()
        try:
            yield
        finally:
            stream.truncate(0)
