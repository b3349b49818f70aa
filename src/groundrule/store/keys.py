"""The keys that make commitments openable, kept apart from the records, and destroyed to erase a person's data.

    FOLDER/wrap.key       the wrapping key, 32 random bytes, mode 0600; a key-management service can take its place
    FOLDER/keys.sqlite    keys of subjects and months, batch secrets, index keys, salts of seals, all wrapped
    FOLDER/signers/       private keys of the log, text, mode 0600, one file per origin

Keep this folder out of the backups of the records: whoever holds both can open every commitment, and a key that survives
in a backup has not been destroyed.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from groundrule.errors import ConflictError, InputError, IntegrityError, StoreError
from groundrule.store.durable import sync_folder
from groundrule.store.sqlite_file import SqliteFile

KEY_BYTES = 32
NONCE_BYTES = 12
_KIND = 0x47524B59  # "GRKY"
_VERSION = 1
_WHAT = "key store"
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_SCHEMA = (
    """CREATE TABLE subject_key (
        subject TEXT, month TEXT, wrapped BLOB NOT NULL, PRIMARY KEY (subject, month)) WITHOUT ROWID, STRICT""",
    """CREATE TABLE secret (
        kind TEXT, name TEXT, wrapped BLOB NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID, STRICT""",
)


class KeyWrapper(Protocol):
    """Encrypts keys before they are stored.

    A wrapper for a key-management service asks it once, at the start, for its data key, and keeps that in memory: a
    batch has tens of thousands of keys.
    """

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypt a key; it opens under the same context only."""

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Decrypt a key.

        Raises:
            IntegrityError: it was changed, or wrapped under another key or context.
        """


class AesGcmWrapper:
    """AES-256-GCM with a random nonce of 12 bytes before the ciphertext, under a key in memory.

    Random nonces are safe for 2^32 keys under one wrapping key (NIST SP 800-38D, section 8.3).
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise InputError(f"a wrapping key of {len(key)} bytes", help=f"it has {KEY_BYTES}")
        self._cipher = AESGCM(key)

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypt a key; it opens under the same context only."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Decrypt a key.

        Raises:
            IntegrityError: it was changed, or wrapped under another key or context.
        """
        try:
            return self._cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], context)
        except (InvalidTag, ValueError) as error:
            raise IntegrityError(
                "a stored key does not open", help="it was changed, or belongs to another wrapping key"
            ) from error


class KeyService:
    """Gives and destroys keys; use `create` or `open`, and `close` or a `with` block."""

    def __init__(self, folder: Path, database: SqliteFile, wrapper: KeyWrapper) -> None:
        self.folder = folder
        self._database = database
        self._wrapper = wrapper

    @classmethod
    def create(cls, folder: Path | str, *, wrapper: KeyWrapper | None = None) -> Self:
        """Make an empty key store.

        Args:
            folder: does not exist or is empty; made readable for its owner only.
            wrapper: wraps the keys; None draws a wrapping key and keeps it in `wrap.key`.
        Raises:
            ConflictError: the folder holds something. StoreError: the disk refused.
        """
        place = Path(folder)
        try:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            if any(place.iterdir()):
                raise ConflictError(
                    f"`{place}` is not empty", help="name a folder that does not exist yet", path=str(place)
                )
        except OSError as error:
            raise StoreError(f"cannot create `{place}`: {error.strerror}", path=str(place)) from error
        if wrapper is None:
            key = os.urandom(KEY_BYTES)
            _write_secret(place / "wrap.key", key)
            wrapper = AesGcmWrapper(key)
        database = SqliteFile.create(place / "keys.sqlite", kind=_KIND, version=_VERSION, schema=_SCHEMA)
        sync_folder(place)
        return cls(place, database, wrapper)

    @classmethod
    def open(cls, folder: Path | str, *, wrapper: KeyWrapper | None = None, read_only: bool = False) -> Self:
        """Open a key store.

        Args:
            folder: of the store.
            wrapper: wraps the keys; None takes the wrapping key in `wrap.key`.
            read_only: give keys and make none, also from a medium that cannot be written.

        Raises:
            InputError: there is none, or others than its owner can read the wrapping key.
        """
        place = Path(folder)
        if wrapper is None:
            wrapper = AesGcmWrapper(_read_secret(place / "wrap.key"))
        return cls(
            place,
            SqliteFile.open(place / "keys.sqlite", kind=_KIND, version=_VERSION, what=_WHAT, read_only=read_only),
            wrapper,
        )

    def close(self) -> None:
        """Close the files."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- keys of subjects ---------------------------------------------------------------------------------------------

    def subject_keys(self, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
        """Return the key [32 bytes] of each subject and month; a missing one is drawn and stored durably first.

        Args:
            pairs: subject (account holder, or terminal if there is none) and UTC month `YYYY-MM`.
        """
        wanted = list(dict.fromkeys(pairs))
        for subject, month in wanted:
            _check(subject, month)
        found = dict(self._stored(wanted))
        missing = [pair for pair in wanted if pair not in found]
        if missing:
            with self._database.transaction():
                found.update(self._stored(missing))  # drawn by another writer since
                missing = [pair for pair in missing if pair not in found]
                drawn = os.urandom(KEY_BYTES * len(missing))
                fresh = {
                    pair: drawn[at * KEY_BYTES : (at + 1) * KEY_BYTES] for at, pair in enumerate(missing)
                }
                self._database.many(
                    "INSERT INTO subject_key VALUES (?, ?, ?)",
                    ((*pair, self._wrapper.wrap(key, _context(*pair))) for pair, key in fresh.items()),
                )
            found.update(fresh)
        return found

    def subject_key(self, subject: str, month: str) -> bytes | None:
        """Return the key of a subject and month [32 bytes], or None if there is none (any more)."""
        _check(subject, month)
        return dict(self._stored([(subject, month)])).get((subject, month))

    def known_subject_keys(self, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
        """Return the keys that there are of subjects and months; none is drawn."""
        return dict(self._stored(list(dict.fromkeys(pairs))))

    def destroy(self, subject: str, month: str) -> bool:
        """Destroy the key of a subject and month: no commitment made under it can be opened again.

        Returns:
            False if there was none.
        Raises:
            ConflictError: another program reads the store; the key is deleted, but its bytes remain until that ends.
        """
        return self.destroy_all([(subject, month)]) == 1

    def destroy_all(self, pairs: Iterable[tuple[str, str]]) -> int:
        """Destroy the keys of several subjects and months at once; return how many there were."""
        wanted = list(pairs)
        for subject, month in wanted:
            _check(subject, month)
        with self._database.transaction():
            gone = sum(
                self._database.run("DELETE FROM subject_key WHERE subject=? AND month=?", pair)
                for pair in wanted
            )
            if gone:
                self._database.scrub_later()
        if gone:
            self._database.scrub()
        return gone

    def months_of(self, subject: str) -> list[str]:
        """Return the months for which a subject has keys, in order."""
        rows = self._database.rows("SELECT month FROM subject_key WHERE subject=? ORDER BY month", (subject,))
        return [month for (month,) in rows]

    # --- other secrets ------------------------------------------------------------------------------------------------

    def put_batch_secret(self, batch_id: str, secret: bytes) -> None:
        """Keep the secret of a batch [32 bytes]; ConflictError if the batch has another one."""
        self._put("batch", [(batch_id, secret)])

    def put_batch_secrets(self, secrets: Iterable[tuple[str, bytes]]) -> None:
        """Keep the secrets of many batches at once."""
        self._put("batch", secrets)

    def batch_secret(self, batch_id: str) -> bytes | None:
        """Return the secret of a batch [32 bytes], or None."""
        return self._get("batch", batch_id)

    def remove_batch_secrets(self, batch_ids: Iterable[str]) -> None:
        """Forget the secrets of batches that were never logged."""
        with self._database.transaction():
            self._database.many(
                "DELETE FROM secret WHERE kind='batch' AND name=?", ((each,) for each in batch_ids)
            )

    def index_key(self, terminal_id: str) -> bytes:
        """Return the index key of a terminal [32 bytes], drawn when first asked for; its owner holds a copy."""
        return self.index_keys([terminal_id])[terminal_id]

    def index_keys(self, terminal_ids: Iterable[str]) -> dict[str, bytes]:
        """Return the index keys of many terminals; missing ones are drawn and stored durably first."""
        wanted = list(dict.fromkeys(terminal_ids))
        found = self._secrets("index", wanted)
        missing = [name for name in wanted if name not in found]
        if missing:
            with self._database.transaction():
                found.update(self._secrets("index", missing))
                fresh = {name: os.urandom(KEY_BYTES) for name in missing if name not in found}
                self._insert("index", fresh.items())
            found.update(fresh)
        return found

    def destroy_index_key(self, terminal_id: str) -> bool:
        """Destroy the index key of a terminal: its owner tags can no longer be told from random values."""
        with self._database.transaction():
            gone = self._database.run("DELETE FROM secret WHERE kind='index' AND name=?", (terminal_id,))
            if gone:
                self._database.scrub_later()
        if gone:
            self._database.scrub()
        return bool(gone)

    def put_seal_salt(self, commitment: str, salt: bytes) -> None:
        """Keep the salt of sealed content [32 bytes] under its commitment in hexadecimal."""
        self._put("seal", [(commitment, salt)])

    def seal_salt(self, commitment: str) -> bytes | None:
        """Return the salt of sealed content [32 bytes], or None."""
        return self._get("seal", commitment)

    # --- signing keys of the log --------------------------------------------------------------------------------------

    def put_log_signers(self, origin: str, texts: Sequence[str]) -> None:
        """Keep the private keys of a log, in the text form of signed notes, one a line.

        Raises:
            ConflictError: keys of this origin exist; they are never overwritten.
        """
        if not texts or any("\n" in text or not text for text in texts):
            raise InputError(
                "private keys of a log are lines of text", help="give one or more, without line breaks"
            )
        place = self.folder / "signers"
        try:
            place.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreError(f"cannot create `{place}`: {error.strerror}", path=str(place)) from error
        _write_secret(self._signer_file(origin), "".join(f"{text}\n" for text in texts).encode())

    def log_signers(self, origin: str) -> tuple[str, ...]:
        """Return the private keys of a log as text.

        Raises:
            InputError: there are none, or others than their owner can read them.
        """
        path = self._signer_file(origin)
        try:
            texts = tuple(_read_secret(path).decode().splitlines())
        except UnicodeDecodeError:
            texts = ()
        if not texts:
            raise InputError(f"`{path}` holds no keys of a log", help="restore it from a backup", path=str(path))
        return texts

    def replace_log_signers(self, origin: str, texts: Sequence[str]) -> None:
        """Put other private keys in the place of those of a log, in one step: a reader finds the old ones or the new ones.

        Args:
            texts: as of `put_log_signers`; a key that is not among them is gone from here for ever.
        """
        self.log_signers(origin)  # raises where there are none
        path = self._signer_file(origin)
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        _write_secret(fresh, "".join(f"{text}\n" for text in texts).encode())
        fresh.replace(path)
        sync_folder(path.parent)

    def put_turn(self, origin: str, data: bytes) -> None:
        """Keep what a change of a log's keys has begun; it holds private keys.

        Raises:
            ConflictError: another change was begun.
        """
        _write_secret(self._turn_file(origin), data)

    def turn(self, origin: str) -> bytes | None:
        """Return what a change of a log's keys has begun and not ended; None where there is none."""
        path = self._turn_file(origin)
        return _read_secret(path) if path.exists() else None

    def end_turn(self, origin: str) -> None:
        """Forget what a change of keys had begun."""
        self._turn_file(origin).unlink(missing_ok=True)
        sync_folder(self.folder / "signers")

    def _turn_file(self, origin: str) -> Path:
        return self._signer_file(origin).with_suffix(".turn")

    def _signer_file(self, origin: str) -> Path:
        # An origin holds slashes and may hold anything else that a file name must not.
        return self.folder / "signers" / f"{sha256(origin.encode()).hexdigest()}.key"

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _stored(self, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], bytes]]:
        rows = self._database.each("SELECT wrapped FROM subject_key WHERE subject=? AND month=?", pairs)
        for pair, row in zip(pairs, rows, strict=True):
            if row is not None:
                yield pair, self._wrapper.unwrap(row[0], _context(*pair))

    def _put(self, kind: str, secrets: Iterable[tuple[str, bytes]]) -> None:
        given = list(secrets)
        if any(len(secret) != KEY_BYTES for _, secret in given):
            raise InputError(
                f"a secret of the kind {kind} has not {KEY_BYTES} bytes", help="draw 32 random bytes"
            )
        with self._database.transaction():
            held = self._secrets(kind, [name for name, _ in given])
            for name, secret in given:
                if held.get(name, secret) != secret:
                    raise ConflictError(
                        f"another secret of the kind {kind} is kept for `{name}`",
                        help="a secret is never replaced",
                    )
            self._insert(kind, ((name, secret) for name, secret in given if name not in held))

    def _get(self, kind: str, name: str) -> bytes | None:
        return self._secrets(kind, [name]).get(name)

    def _secrets(self, kind: str, names: Sequence[str]) -> dict[str, bytes]:
        rows = self._database.each(
            "SELECT wrapped FROM secret WHERE kind=? AND name=?", ((kind, name) for name in names)
        )
        return {
            name: self._wrapper.unwrap(row[0], _secret_context(kind, name))
            for name, row in zip(names, rows, strict=True)
            if row is not None
        }

    def _insert(self, kind: str, secrets: Iterable[tuple[str, bytes]]) -> None:
        self._database.many(
            "INSERT INTO secret VALUES (?, ?, ?)",
            (
                (kind, name, self._wrapper.wrap(secret, _secret_context(kind, name)))
                for name, secret in secrets
            ),
        )


def _context(subject: str, month: str) -> bytes:
    return b"groundrule/wrap/v1\x00" + subject.encode() + b"\x00" + month.encode()


def _secret_context(kind: str, name: str) -> bytes:
    return b"groundrule/wrap-" + kind.encode() + b"/v1\x00" + name.encode()


def _check(subject: str, month: str) -> None:
    if not subject or "\x00" in subject:
        raise InputError(
            "a subject is empty or has a NUL in it", help="give the account id, or else the terminal id"
        )
    if _MONTH.fullmatch(month) is None:
        raise InputError(f"`{month[:20]}` is not a month", help="write for instance 2026-03")


def _write_secret(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read and that did not exist before."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        sync_folder(path.parent)
    except FileExistsError:
        raise ConflictError(
            f"`{path}` exists already", help="a secret is never overwritten", path=str(path)
        ) from None
    except OSError as error:
        raise StoreError(f"cannot write `{path}`: {error.strerror}", path=str(path)) from error


def _read_secret(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise InputError(
                f"others than its owner may use `{path}`", help=f"run: chmod 600 {path}", path=str(path)
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"there is no `{path}`", help="create the key store first", path=str(path)) from None
    except OSError as error:
        raise StoreError(f"cannot read `{path}`: {error.strerror}", path=str(path)) from error
