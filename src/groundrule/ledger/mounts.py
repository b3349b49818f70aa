"""Refuse file systems on which link, rename, lock or fsync do not do what a log relies upon."""

from __future__ import annotations

import os
from pathlib import Path

from groundrule.errors import ConflictError

UNRELIABLE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "fuse", "fuseblk", "davfs"})
"""Types in the words of `/proc/self/mountinfo`; every `fuse.…` (object stores, sshfs) counts as well."""

LOCAL_FUSE = frozenset({"fuse.fuse-overlayfs"})
"""Layers that hand every call to a local file system (containers without root)."""


def refuse_unreliable(folder: Path, *, mountinfo: str | None = None) -> None:
    """Refuse a folder on a network or FUSE mount.

    Args:
        folder: an existing folder.
        mountinfo: text of `/proc/self/mountinfo`; read from there if None. Systems without it are not checked.
    Raises:
        ConflictError: the mount's type is one of `UNRELIABLE`.
    """
    if mountinfo is None:
        try:
            mountinfo = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return
    kind = filesystem_type(folder, mountinfo)
    if kind in UNRELIABLE or (kind.startswith("fuse.") and kind not in LOCAL_FUSE):
        raise ConflictError(
            f"`{folder}` lies on a file system of type `{kind}`, where renames, links or locks cannot be relied upon",
            help="keep a log on a local disk; `unsafe_filesystem=True` accepts the risk of losing or forking it",
            filesystem=kind,
        )


def filesystem_type(folder: Path, mountinfo: str) -> str:
    """Return the type of the mount that holds a folder, or an empty text if the list does not tell.

    The innermost mount point above the folder decides; of two on the same point the later one hides the earlier.
    """
    path = os.path.realpath(folder)
    best, kind = -1, ""
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = _unescape(fields[4])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= best:
            best, kind = len(point), after.split(" ")[0]
    return kind


def _unescape(text: str) -> str:
    """Undo the kernel's octal escapes of space, tab, newline and backslash."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
