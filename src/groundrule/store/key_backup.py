"""Keys of a home in one encrypted file, apart from the backup of what they open.

    magic 8 bytes | salt 16 | nonce 12 | AES-256-GCM( tar of the folder )      key = scrypt(passphrase, salt, n=2^16, r=8, p=1)

Whoever has this file, its passphrase and a backup can open every commitment; and what is erased in the home is not erased here.
"""

from __future__ import annotations

import io
import os
import sqlite3
import tarfile
from contextlib import closing
from hashlib import scrypt
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from groundrule.errors import ConflictError, InputError, StoreError
from groundrule.store.durable import write_durably

_MAGIC: Final = b"GRKEYS1\n"
_SALT, _NONCE = 16, 12
MAX_BYTES: Final = 1 << 30


def seal_keys(folder: Path, passphrase: bytes) -> bytes:
    """Return the files of a folder of keys, encrypted.

    Raises:
        InputError: there is no such folder, or the passphrase is empty. StoreError: a file cannot be read.
    """
    if not folder.is_dir():
        raise InputError(f"there are no keys at `{folder}`", help="say where they are: GROUNDRULE_KEYS")
    if not passphrase:
        raise InputError("an empty passphrase", help="keys without a passphrase are anybody's keys")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or not path.is_file() or path.name.endswith(("-wal", "-shm")):
                continue
            data = sqlite_bytes(path) if path.suffix == ".sqlite" else path.read_bytes()
            member = tarfile.TarInfo(path.relative_to(folder).as_posix())
            member.size, member.mode = len(data), 0o600
            archive.addfile(member, io.BytesIO(data))
    salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
    return _MAGIC + salt + nonce + AESGCM(_derived(passphrase, salt)).encrypt(nonce, packed.getvalue(), _MAGIC)


def open_keys(sealed: bytes, passphrase: bytes) -> dict[str, bytes]:
    """Return the files of a sealed folder of keys by name.

    Raises:
        InputError: another passphrase, damage, or no such file.
    """
    if not sealed.startswith(_MAGIC) or len(sealed) > MAX_BYTES:
        raise InputError("this is no file of keys", help="name the file that backup --keys wrote")
    at = len(_MAGIC)
    salt, nonce = sealed[at : at + _SALT], sealed[at + _SALT : at + _SALT + _NONCE]
    try:
        plain = AESGCM(_derived(passphrase, salt)).decrypt(nonce, sealed[at + _SALT + _NONCE :], _MAGIC)
    except (InvalidTag, ValueError) as error:
        raise InputError("the keys do not open", help="another passphrase, or the file is damaged") from error
    found = {}
    with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
        for member in archive:
            stream = archive.extractfile(member)
            parts = member.name.split("/")
            if stream is None or not member.isreg() or member.name.startswith("/") or {"", ".", ".."} & set(parts):
                raise InputError("a file of keys with a name that leads elsewhere", help="it was not made by backup --keys")
            found[member.name] = stream.read()
    return found


def place_keys(files: dict[str, bytes], folder: Path) -> None:
    """Write keys into a folder that must not hold any.

    Raises:
        ConflictError: it holds something. StoreError: the disk refused.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConflictError(f"`{folder}` is not empty", help="keys are never written over others", path=str(folder))
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, data in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_durably(path, data)
            path.chmod(0o600)
    except OSError as error:
        raise StoreError(f"cannot write `{folder}`: {error.strerror}", path=str(folder)) from error


def sqlite_bytes(path: Path) -> bytes:
    """Return an SQLite file as it is at one moment, also while others write it.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=10.0)) as source:
            return source.serialize()
    except sqlite3.Error as error:
        raise StoreError(f"cannot read `{path}`: {error}", path=str(path)) from error


def _derived(passphrase: bytes, salt: bytes) -> bytes:
    return scrypt(passphrase, salt=salt, n=1 << 16, r=8, p=1, maxmem=1 << 28, dklen=32)
