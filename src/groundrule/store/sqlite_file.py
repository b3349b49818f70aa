"""One SQLite file of one kind: opened the same way everywhere, never half written, and able to forget.

WAL lets readers go on while one process writes; `synchronous=FULL` makes a commit survive a power loss;
`secure_delete` overwrites what is deleted. Deleted bytes can still lie in the WAL and in unused parts of pages, so
`scrub` empties the one and rewrites the others. That a scrub is due is written in the same transaction as the deletion, so
a crash between the two is made good when the file is opened next.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Any, Self

from groundrule.errors import ConflictError, InputError, StoreError

_WAIT_S = 10.0
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "secure_delete=ON",
    "foreign_keys=ON",
    "cache_size=-65536",  # KiB; a large transaction with random keys would else write the same pages again and again
)
_SCRUB = "CREATE TABLE scrub (due INTEGER PRIMARY KEY CHECK (due = 1))"


class SqliteFile:
    """A connection to a file of a known kind and version.

    Threads may share it: statements run one after the other. Use `create`, `open` or `open_or_create`.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._lock = RLock()

    @classmethod
    def create(cls, path: Path, *, kind: int, version: int, schema: Iterable[str]) -> Self:
        """Make the file, readable and writable by its owner only.

        Args:
            path: must not exist; its folder must.
            kind: 32-bit number that tells what the file is.
            version: of the schema.
            schema: statements, one table or index each.
        Raises:
            ConflictError: the file exists. StoreError: the disk refused.
        """
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            raise ConflictError(f"`{path}` exists already", help="open it, or name another place") from None
        except OSError as error:
            raise StoreError(f"cannot create `{path}`: {error.strerror}", path=str(path)) from error
        made = cls(path, _connect(path))
        try:
            with made.transaction():
                for statement in (*schema, _SCRUB):
                    made.run(statement)
                # INVARIANT: the kind is set in the transaction that makes the tables: a file with a kind is whole.
                made.run(f"PRAGMA user_version={int(version)}")
                made.run(f"PRAGMA application_id={int(kind)}")
        except StoreError:
            made.close()
            with suppress(OSError):
                path.unlink()
            raise
        return made

    @classmethod
    def open(cls, path: Path, *, kind: int, version: int, what: str, read_only: bool = False) -> Self:
        """Open a file and make good an erasure that a crash interrupted.

        Raises:
            InputError: no such file, another kind of file, or of another version. StoreError: it cannot be read.
        """
        if not path.is_file():
            raise InputError(f"there is no {what} at `{path}`", help="create it first", path=str(path))
        opened = cls(path, _connect_for_reading(path) if read_only else _connect(path))
        try:
            found = opened.one("PRAGMA application_id")[0]
            if found != kind:
                raise InputError(
                    f"`{path}` is not a {what}", help=f"name a {what} that Groundrule made", path=str(path)
                )
            has = opened.one("PRAGMA user_version")[0]
            if has != version:
                raise InputError(
                    f"the {what} `{path}` has version {has}",
                    help=f"this program reads version {version}; use the program that wrote it",
                    path=str(path),
                )
            if read_only:
                opened.run("PRAGMA query_only=ON")
            elif opened.rows("SELECT due FROM scrub"):
                with suppress(ConflictError):  # a reader delays it; it stays due
                    opened.scrub()
        except (InputError, StoreError, ConflictError):
            opened.close()
            raise
        return opened

    @classmethod
    def open_or_create(cls, path: Path, *, kind: int, version: int, what: str, schema: Iterable[str]) -> Self:
        """Open a file for writing, and make it where there is none; see `create` and `open`.

        Raises:
            InputError: another kind of file, or of another version. StoreError: it cannot be read or made.
        """
        if not path.exists():
            try:
                return cls.create(path, kind=kind, version=version, schema=schema)
            except ConflictError:
                pass  # another process made it just now
        return cls.open(path, kind=kind, version=version, what=what)

    def close(self) -> None:
        """Close the connection; closing twice does no harm."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything in the block becomes durable together, or nothing of it; blocks do not nest."""
        with self._lock:
            self.run("BEGIN IMMEDIATE")
            try:
                yield
                self.run("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows that a statement gives."""
        with self._lock, self._told():
            return self._connection.execute(statement, values).fetchall()

    def one(self, statement: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
        """Return the only row that a statement gives."""
        return self.rows(statement, values)[0]

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement and return how many rows it changed."""
        with self._lock, self._told():
            return self._connection.execute(statement, values).rowcount

    def each(self, statement: str, values: Iterable[Sequence[Any]]) -> Iterator[tuple[Any, ...] | None]:
        """Run a query once for each set of values and give its first row, or None; for very many small look-ups."""
        with self._lock, self._told():
            execute = self._connection.cursor().execute
            for each in values:
                yield execute(statement, each).fetchone()

    def many(self, statement: str, values: Iterable[Sequence[Any]]) -> None:
        """Run a statement once for each set of values."""
        with self._lock, self._told():
            self._connection.executemany(statement, values)

    def scrub_later(self) -> None:
        """Note, in the transaction that deletes something, that its bytes must be scrubbed."""
        self.run("INSERT OR IGNORE INTO scrub VALUES (1)")

    def scrub(self) -> None:
        """Remove the bytes of what was deleted from the file and its WAL.

        Raises:
            ConflictError: another connection still reads an older state; the scrub stays due.
        """
        with self._lock:
            self._empty_wal()
            self.run("VACUUM")
            self._empty_wal()
            self.run("DELETE FROM scrub")

    def _empty_wal(self) -> None:
        if self.one("PRAGMA wal_checkpoint(TRUNCATE)")[0]:
            raise ConflictError(
                f"`{self.path}` is being read, so what was deleted could not yet be scrubbed from its journal",
                help="it is deleted, but its bytes remain; end the reader and open the file again",
                path=str(self.path),
            )

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError as error:
            raise ConflictError(f"`{self.path}` holds something that contradicts this: {error}") from error
        except sqlite3.Error as error:
            raise StoreError(f"cannot use `{self.path}`: {error}", path=str(self.path)) from error


def _connect_for_reading(path: Path) -> sqlite3.Connection:
    """Connect as the writer does where that is possible, and without touching anything on a medium that is read-only.

    A file whose journal cannot be written is taken as it is; that is right only where no journal is left beside it.
    """
    journal = path.with_name(f"{path.name}-wal")
    if os.access(path.parent, os.W_OK) and os.access(path, os.W_OK) and not os.statvfs(path).f_flag & os.ST_RDONLY:
        return _connect(path)
    if journal.exists() and journal.stat().st_size:
        raise StoreError(
            f"`{path}` has a journal, and lies where nothing can be written", help="copy the folder, and read the copy"
        )
    try:
        return sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise StoreError(f"cannot open `{path}`: {error}", path=str(path)) from error


def _connect(path: Path) -> sqlite3.Connection:
    try:
        # An empty file is never made in the place of one that has just gone: with it would go the journal of the other.
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=_WAIT_S, isolation_level=None, check_same_thread=False
        )
        try:
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise StoreError(f"cannot open `{path}`: {error}", path=str(path)) from error
    return connection
