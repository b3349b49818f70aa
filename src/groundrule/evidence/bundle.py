"""A dossier as one file that a stranger can check: a ZIP archive with a manifest of digests, and proofs from the public log.

    manifest.json             v, subject, reader, made_at, log, files: {name: SHA-256}, in canonical JSON
    manifest.tlog-proof       that the log holds an entry with the manifest's digest, and its entry
    dossier.html, .pdf, .json, timeline.csv, words/…                       what people and programs read
    proofs/entry-N.json, .tlog-proof                                       entries of the log, with their proofs
    proofs/receipt-N.tlog-proof                                            receipts of single decisions
    openings.json                                                          who stands behind commitments in these entries
    rulebooks/….yaml                                                       rulebooks as they were proposed
    log/policy, log/checkpoint                                             whom to ask for signatures, and the head
    log/hashes                                                             of the log's tree, to hold two bundles against each other
    verify_dossier.py, groundrule_verify.py, READ-ME.txt                   how to check all this without our programs

The archive itself is in one form only: members stored without compression, in the order of their names, with one fixed date and no
comments, so that every changed byte shows. It is written and read here byte by byte, so that no reader of archives can see in it what
another does not. The archive is made and checked here; nothing is ever extracted to a path from a member's name.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from groundrule.canon import canonical_json, parse_canonical
from groundrule.errors import InputError, ProofFailed

MANIFEST = "manifest.json"
MANIFEST_PROOF = "manifest.tlog-proof"
MANIFEST_ENTRY = "manifest.entry.json"
OUTSIDE = frozenset({MANIFEST, MANIFEST_PROOF, MANIFEST_ENTRY})
"""Members that the manifest cannot name: itself, and what proves it."""
MAX_BYTES = 200_000_000
MAX_MEMBERS = 5_000
VERSION = 1
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}){0,3}")
_LOCAL: Final = b"PK\3\4"
_CENTRAL: Final = b"PK\1\2\x14\3"  # made by version 2.0 on Unix, as Python's zipfile writes it
_END: Final = b"PK\5\6"
_HEADER: Final = 30
_NEEDS, _DATE = 20, 0x21  # version 2.0; 1 January 1980


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle whose archive and digests hold.

    Attributes:
        manifest: as parsed.
        files: every member by name, the manifest included.
    """

    manifest: Mapping[str, Any]
    files: Mapping[str, bytes]

    @property
    def manifest_sha256(self) -> str:
        """Digest of the manifest, hexadecimal: what an entry of the log names."""
        return sha256(self.files[MANIFEST]).hexdigest()


def compose_manifest(files: Mapping[str, bytes], about: Mapping[str, Any]) -> bytes:
    """Return the manifest of some files.

    Args:
        files: members by name, without those of `OUTSIDE`.
        about: subject, reader, made_at and log.
    Raises:
        InputError: a name that a bundle does not hold.
    """
    for name in files:
        check_name(name)
    digests = {name: sha256(data).hexdigest() for name, data in files.items()}
    return canonical_json({"v": VERSION, **about, "files": digests})


def check_name(name: str) -> None:
    """Refuse a name that could lead out of a folder, or that is not plain ASCII.

    Raises:
        InputError: for such a name.
    """
    if _NAME.fullmatch(name) is None or ".." in name:
        raise InputError(f"`{name[:80]!a}` is no name of a member", help="letters, digits, dot, dash and underscore, at most four parts")


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return the archive: the same files always give the same bytes (PKWARE APPNOTE 4.3; one local header and one entry each)."""
    local, central, at = [], [], 0
    for name, data in sorted(files.items()):
        raw = name.encode("ascii")
        head = struct.pack("<5H3I2H", _NEEDS, 0, 0, 0, _DATE, crc32(data), len(data), len(data), len(raw), 0)
        local += [_LOCAL, head, raw, data]
        central += [_CENTRAL, head, struct.pack("<3H2I", 0, 0, 0, 0o644 << 16, at), raw]
        at += _HEADER + len(raw) + len(data)
    directory = b"".join(central)
    end = struct.pack("<4H2IH", 0, 0, len(files), len(files), len(directory), at, 0)
    return b"".join((*local, directory, _END, end))


def read_bounded(path: Path) -> bytes:
    """Read a file, and of a larger one or of a device at most one byte more than a bundle may have."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def unpack(data: bytes) -> Opened:
    """Read an archive strictly: its one form, its manifest, every digest, nothing missing and nothing more.

    Raises:
        ProofFailed: it is not such an archive, or something in it was changed.
    """
    if len(data) > MAX_BYTES:
        raise ProofFailed(f"a bundle of {len(data):,} bytes", help=f"at most {MAX_BYTES:,}")
    if data.startswith(_LOCAL) and data[4:14] != struct.pack("<5H", _NEEDS, 0, 0, 0, _DATE):
        raise ProofFailed(
            "the archive was packed again by another program, so it cannot be checked: that says nothing about its files",
            help="take the archive as it was given out",
        )
    files = _members(data)
    if not files or pack(files) != data:
        raise ProofFailed(
            "the archive is not in the one form that a bundle has: it was changed, or packed again by another program",
            help="take the archive as it was given out; packing it again changes it even where its files stay the same",
        )
    if MANIFEST not in files:
        raise ProofFailed("the bundle has no manifest", help="ask for the file as it was made")
    manifest = _manifest(files[MANIFEST])
    named = manifest["files"]
    inside = files.keys() - OUTSIDE
    if extra := sorted(inside - named.keys()):
        raise ProofFailed(f"`{extra[0][:80]}` is in the bundle and not in its manifest")
    for name, digest in named.items():
        if name not in inside:
            raise ProofFailed(f"`{str(name)[:80]}` is in the manifest and not in the bundle")
        if sha256(files[name]).hexdigest() != digest:
            raise ProofFailed(f"`{name}` was changed: its digest is not the one in the manifest")
    return Opened(manifest, files)


def _members(data: bytes) -> dict[str, bytes]:
    """Read member after member. What else an archive may hold cannot be seen here, and so is not in the one form that it is compared with.

    Nothing is unpacked, and nothing that the archive declares is believed, so time and memory are bounded by its length.
    """
    files: dict[str, bytes] = {}
    at = 0
    while data.startswith(_LOCAL, at) and len(data) >= at + _HEADER:
        size, length = struct.unpack_from("<I4xH", data, at + 18)
        name = data[at + _HEADER : at + _HEADER + length].decode("ascii", "replace")
        try:
            check_name(name)
        except InputError as error:
            raise ProofFailed(error.message, help=error.help) from error
        if name in files or len(files) >= MAX_MEMBERS:
            raise ProofFailed(f"the member `{name}` is twice there, or there are more than {MAX_MEMBERS:,}")
        summed = struct.unpack_from("<I", data, at + 14)[0]
        at += _HEADER + length + size
        files[name] = data[at - size : at]
        if len(files[name]) == size and crc32(files[name]) != summed:
            raise ProofFailed(f"`{name}` was changed: not even its checksum fits", help="ask for the file as it was made")
    return files


def _manifest(data: bytes) -> Mapping[str, Any]:
    try:
        manifest = parse_canonical(data)
    except InputError as error:
        raise ProofFailed(f"the manifest cannot be read: {error.message}") from error
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict) or manifest.get("v") != VERSION or not all(isinstance(each, str) for each in files.values()):
        raise ProofFailed("the manifest is not that of a bundle")
    return dict(manifest)
