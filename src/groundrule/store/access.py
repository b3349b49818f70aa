"""Who may use the service of a home: keys that were given out, sessions, one-time logins, and attempts that were denied.

    HOME/access.sqlite     no secret is kept in clear: of sessions and logins only digests, of keys only their ids
    HOME-keys/service.key  the key that signs what the service gives out

A key that was given out holds its own claims under a signature; what is kept here is that it exists and whether it was
revoked. So a copy of this file opens nothing.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

from groundrule.errors import InputError, StoreError
from groundrule.signing import SEED_SIZE, SigningKey
from groundrule.store.sqlite_file import SqliteFile

KIND = 0x47524143  # "GRAC"
VERSION = 1
MAX_DENIALS: Final = 100_000
"""Denied attempts that are kept; older ones leave first."""

_SCHEMA = (
    """CREATE TABLE given_key (
        id TEXT PRIMARY KEY, claims TEXT NOT NULL, given_ns INTEGER NOT NULL, given_by TEXT NOT NULL, until_ns INTEGER NOT NULL,
        revoked_ns INTEGER) STRICT""",
    "CREATE TABLE login (digest TEXT PRIMARY KEY, claims TEXT NOT NULL, until_ns INTEGER NOT NULL, used_ns INTEGER) STRICT",
    "CREATE TABLE session (digest TEXT PRIMARY KEY, claims TEXT NOT NULL, began_ns INTEGER NOT NULL, until_ns INTEGER NOT NULL) STRICT",
    """CREATE TABLE denial (
        number INTEGER PRIMARY KEY AUTOINCREMENT, at_ns INTEGER NOT NULL, principal TEXT NOT NULL, method TEXT NOT NULL,
        route TEXT NOT NULL, permission TEXT NOT NULL, status INTEGER NOT NULL) STRICT""",
)

Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GivenKey:
    """A key that was given out.

    Attributes:
        id: of the key.
        claims: what it says about its bearer.
        given_ns, until_ns: from when to when it may be used [ns, UTC; half-open].
        given_by: id of the principal who made it.
        revoked_ns: since when it may not; None while it may.
    """

    id: str
    claims: Claims
    given_ns: int
    given_by: str
    until_ns: int
    revoked_ns: int | None


@dataclass(frozen=True, slots=True)
class Denial:
    """An attempt that was denied.

    Attributes:
        number: grows by one.
        at_ns: when [ns, UTC].
        principal: id of the credentials; empty for nobody.
        method, route: what was tried; the route with its parameters in braces, so that no terminal is named.
        permission: what was needed.
        status: what was answered.
    """

    number: int
    at_ns: int
    principal: str
    method: str
    route: str
    permission: str
    status: int


class AccessStore:
    """The open store; threads may share it."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the store, and make it where there is none.

        Raises:
            StoreError: the disk refused. InputError: the file is something else.
        """
        return cls(SqliteFile.open_or_create(path, kind=KIND, version=VERSION, what="store of access", schema=_SCHEMA))

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    # --- keys ---------------------------------------------------------------------------------------------------------

    def put_key(self, key: GivenKey) -> None:
        """Keep that a key was given out."""
        with self._file.transaction():
            self._file.run(
                "INSERT INTO given_key VALUES (?, ?, ?, ?, ?, NULL)",
                (key.id, json.dumps(dict(key.claims)), key.given_ns, key.given_by, key.until_ns),
            )

    def given_keys(self) -> list[GivenKey]:
        """Return every key, oldest first."""
        rows = self._file.rows("SELECT id, claims, given_ns, given_by, until_ns, revoked_ns FROM given_key ORDER BY given_ns, id")
        return [GivenKey(row[0], json.loads(row[1]), *row[2:]) for row in rows]

    def is_good(self, key_id: str, now_ns: int) -> bool:
        """Was a key given out, and may it be used now?"""
        found = self._file.rows("SELECT until_ns, revoked_ns FROM given_key WHERE id=?", (key_id,))
        return bool(found) and found[0][1] is None and now_ns < found[0][0]

    def revoke(self, key_id: str, now_ns: int) -> bool:
        """Revoke a key; False if there is none, or it was revoked before."""
        with self._file.transaction():
            return bool(self._file.run("UPDATE given_key SET revoked_ns=? WHERE id=? AND revoked_ns IS NULL", (now_ns, key_id)))

    # --- logins and sessions --------------------------------------------------------------------------------------------

    def new_login(self, claims: Claims, until_ns: int) -> str:
        """Return a secret that opens one session, once."""
        secret = secrets.token_urlsafe(32)
        with self._file.transaction():
            self._file.run("INSERT INTO login VALUES (?, ?, ?, NULL)", (_digest(secret), json.dumps(dict(claims)), until_ns))
        return secret

    def use_login(self, secret: str, now_ns: int, until_ns: int) -> tuple[str, Claims] | None:
        """Turn a login into a session.

        Args:
            secret: of the login.
            now_ns: the time [ns, UTC].
            until_ns: when the session ends [ns, UTC].
        Returns:
            The secret of the session and its claims; None if the login is unknown, used or over.
        """
        with self._file.transaction():
            used = self._file.run(
                "UPDATE login SET used_ns=? WHERE digest=? AND used_ns IS NULL AND until_ns>?", (now_ns, _digest(secret), now_ns)
            )
            if not used:
                return None
            claims = self._file.one("SELECT claims FROM login WHERE digest=?", (_digest(secret),))[0]
            session = secrets.token_urlsafe(32)
            self._file.run("INSERT INTO session VALUES (?, ?, ?, ?)", (_digest(session), claims, now_ns, until_ns))
            self._file.run("DELETE FROM session WHERE until_ns<=?", (now_ns,))
            self._file.run("DELETE FROM login WHERE until_ns<=?", (now_ns - (until_ns - now_ns),))
        return session, json.loads(claims)

    def session(self, secret: str, now_ns: int) -> Claims | None:
        """Return the claims of a session; None if there is none or it is over."""
        found = self._file.rows("SELECT claims FROM session WHERE digest=? AND until_ns>?", (_digest(secret), now_ns))
        return json.loads(found[0][0]) if found else None

    def end_session(self, secret: str) -> None:
        """End a session."""
        with self._file.transaction():
            self._file.run("DELETE FROM session WHERE digest=?", (_digest(secret),))

    # --- denied attempts ------------------------------------------------------------------------------------------------

    def note_denial(self, at_ns: int, principal: str, method: str, route: str, permission: str, status: int) -> None:
        """Keep that an attempt was denied."""
        with self._file.transaction():
            self._file.run("INSERT INTO denial VALUES (NULL, ?, ?, ?, ?, ?, ?)", (at_ns, principal, method, route, permission, status))
            self._file.run("DELETE FROM denial WHERE number <= (SELECT max(number) FROM denial) - ?", (MAX_DENIALS,))

    def denials(self, *, before: int | None = None, limit: int = 100) -> list[Denial]:
        """Return denied attempts, newest first.

        Args:
            before: only those with a smaller number.
            limit: at most so many.
        """
        clause, values = ("WHERE number < ?", (before, limit)) if before is not None else ("", (limit,))
        return [
            Denial(*row)
            for row in self._file.rows(f"SELECT * FROM denial {clause} ORDER BY number DESC LIMIT ?", values)  # noqa: S608 - one of two clauses above
        ]


def service_key(folder: Path) -> SigningKey:
    """Read the key that signs what the service gives out, and make it where there is none.

    Args:
        folder: of the home's keys.
    Raises:
        StoreError: the disk refused. InputError: the file holds something else.
    """
    path = folder / "service.key"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            seed = path.read_bytes()
        else:
            seed = os.urandom(SEED_SIZE)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(seed)
                stream.flush()
                os.fsync(stream.fileno())
    except OSError as error:
        raise StoreError(f"cannot use `{path}`: {error.strerror}", path=str(path)) from error
    if len(seed) != SEED_SIZE:
        raise InputError(f"`{path}` holds no key", help="remove it: a new one is made, and keys given out before end", path=str(path))
    return SigningKey.from_seed("ed25519", seed)


def _digest(secret: str) -> str:
    # The secrets are 32 random bytes: nobody finds one by guessing, so no slow digest is needed.
    return sha256(secret.encode()).hexdigest()
