"""Folders for intermediate files, one per use, so that readers and the writer of a home never share one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from groundrule.errors import StoreError

_PREFIX = "work-"


@contextmanager
def workplace(cache: Path) -> Iterator[Path]:
    """Give a folder of one's own under a cache folder; it is removed at the end of the block.

    Args:
        cache: an existing folder that may be deleted at any time.
    Raises:
        StoreError: the folder cannot be made.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=cache))
    except OSError as error:
        raise StoreError(f"cannot write in `{cache}`: {error.strerror}", path=str(cache)) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(cache: Path) -> int:
    """Remove the folders of processes that are no more; return how many."""
    removed = 0
    for folder in cache.glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).split("-")[0]
        if owner.isdigit() and not _alive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
