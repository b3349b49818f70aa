"""The one door to the database of the registers: SQLite in the home, or PostgreSQL at an address that the home names.

    sqlite:////home/registers.sqlite                         the embedded default: WAL, synchronous FULL
    postgresql+psycopg://[user@][host][:port]/database       a database of its own for each home
        ?schema=NAME                                         the schema that holds the tables; `public` if not named
        &host=/folder &sslmode=verify-full …                 what libpq knows of where and how to connect

An address holds no password. That comes from the variable GROUNDRULE_REGISTERS_PASSWORD, or as libpq finds it: PGPASSWORD,
PGPASSFILE, ~/.pgpass. It is looked up when a connection is made, and stands in no file, manifest or message of ours.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import NullPool

from groundrule.errors import GroundruleError, InputError, MissingExtra, StoreError

PASSWORD: Final = "GROUNDRULE_REGISTERS_PASSWORD"  # noqa: S105 - the name of a variable
POSTGRES: Final = "postgresql+psycopg"
SCHEMA: Final = "schema"
_EXAMPLE: Final = "postgresql+psycopg://groundrule_service@db.example/groundrule"
_MAY_SAY: Final = frozenset(
    {SCHEMA, "host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile", "connect_timeout",
     "target_session_attrs", "gssencmode", "krbsrvname", "channel_binding", "application_name"}
)  # fmt: skip
_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_LOCK_WAIT: Final = "5s"


def checked_address(text: str) -> str:
    """Return the address of registers in PostgreSQL as a home keeps it.

    Raises:
        InputError: it is none, holds a password, or says something that is no place.
    """
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError) as error:
        # The text is not repeated: a password may be in it.
        raise InputError("the address of the registers cannot be understood", help=f"for example: {_EXAMPLE}") from error
    if url.drivername not in {POSTGRES, "postgresql"}:
        raise InputError(
            f"registers at `{url.drivername[:40]}://` are not known",
            help=f"leave the option out for SQLite in the home, or give an address like {_EXAMPLE}",
        )
    if url.password is not None or "password" in url.query:
        raise InputError(
            "the address of the registers holds a password",
            help=f"leave it out, since the home keeps the address; put the password into ~/.pgpass or {PASSWORD}",
        )
    if unknown := sorted(set(url.query) - _MAY_SAY):
        raise InputError(
            f"the address of the registers says `{unknown[0][:40]}`", help=f"it may say {', '.join(sorted(_MAY_SAY))}"
        )
    schema = url.query.get(SCHEMA, "public")
    if not isinstance(schema, str) or _NAME.fullmatch(schema) is None:
        raise InputError(
            "the schema of the registers is no plain name", help="lower-case letters, digits and _, at most 63, no digit first"
        )
    if not url.database:
        raise InputError("the address of the registers names no database", help=f"for example: {_EXAMPLE}")
    return url.set(drivername=POSTGRES).render_as_string(hide_password=True)


def shown(address: str) -> str:
    """Return an address as messages show it: without a password, should there be one."""
    try:
        return sa.make_url(address).render_as_string(hide_password=True)
    except (sa.exc.ArgumentError, ValueError):
        return "an address that cannot be understood"


def said(error: BaseException) -> str:
    """Return what a database says, in one line."""
    cause = getattr(error, "orig", None) or error
    return (str(cause).splitlines() or [type(cause).__name__])[0][:200]


def engine_of(address: str, *, make: bool = False) -> Engine:
    """Return the engine that connects to an address; that of a PostgreSQL database is kept and shared by the process.

    Args:
        address: a database.
        make: an SQLite file that is not there is made. Who only opens must not: an empty file in the place of one that is lost
            for a moment would look like registers without entries, and SQLite would throw the journal of the lost one away.
    Raises:
        MissingExtra: the driver of PostgreSQL is not installed.
        sqlalchemy.exc.SQLAlchemyError: there is nothing like that address.
    """
    if not address.startswith("postgresql"):
        return _sqlite_engine(address, make)
    return _shared_engine(address)


def is_postgres(where: Connection | Engine) -> bool:
    """Is this a database in PostgreSQL?"""
    return where.dialect.name == "postgresql"


def in_memory(engine: Engine) -> bool:
    """Does this database last only as long as its engine?"""
    return not is_postgres(engine) and engine.url.database in {None, "", ":memory:"}


def help_where_gone(address: str) -> str | None:
    """Return what to do where the file of an SQLite database is not there; None where it is, or is no file."""
    if address.startswith("postgresql") or Path(str(sa.make_url(address).database)).exists():
        return None
    return "the file is not there: bring it back, or restore the home from a backup"


def schema_of(address: str) -> str:
    """Return the schema that holds the tables."""
    return str(sa.make_url(address).query.get(SCHEMA, "public"))


def with_user(address: str, user: str) -> str:
    """Return the same place for another user of the database."""
    return sa.make_url(address).set(username=user).render_as_string(hide_password=True)


_ENGINES: Final[OrderedDict[tuple[int, str], Engine]] = OrderedDict()
_ENGINES_KEPT: Final = 16
_OPENING: Final = threading.Lock()


def _shared_engine(address: str) -> Engine:
    key = os.getpid(), address  # connections do not survive a fork
    with _OPENING:
        engine = _ENGINES.get(key)
        if engine is None:
            engine = _ENGINES[key] = _postgres_engine(address)
        _ENGINES.move_to_end(key)
        surplus = [_ENGINES.pop(next(iter(_ENGINES))) for _ in range(len(_ENGINES) - _ENGINES_KEPT)]
    for each in surplus:
        each.dispose()
    return engine


def let_go() -> None:
    """Close the connections that are kept for the next use; a database that is to be dropped must have none."""
    with _OPENING:
        mine = [_ENGINES.pop(key) for key in list(_ENGINES) if key[0] == os.getpid()]
    for engine in mine:
        engine.dispose()


def _postgres_engine(address: str) -> Engine:
    url = sa.make_url(address)
    schema = schema_of(address)
    try:
        engine = sa.create_engine(url.difference_update_query([SCHEMA]), pool_size=2, max_overflow=30, pool_pre_ping=True)
    except ModuleNotFoundError as absent:
        raise MissingExtra("postgres", needed_for="keeping registers in PostgreSQL") from absent

    @sa.event.listens_for(engine, "do_connect")
    def with_password(_dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> None:
        if password := os.environ.get(PASSWORD):
            parameters["password"] = password
        parameters.setdefault("application_name", "groundrule")
        parameters.setdefault("connect_timeout", 10)

    @sa.event.listens_for(engine, "connect")
    def prepared(connection: DBAPIConnection, _record: Any) -> None:
        cursor = connection.cursor()
        # Temporary tables come last, so that none of them can stand in for a table of ours.
        cursor.execute(f'SET search_path TO "{schema}", pg_temp')
        for setting in ("synchronous_commit = on", f"lock_timeout = '{_LOCK_WAIT}'", "timezone = 'UTC'"):
            cursor.execute(f"SET {setting}")
        cursor.close()
        connection.commit()

    return engine


def _sqlite_engine(address: str, make: bool) -> Engine:
    engine = sa.create_engine(address)
    if not make and not in_memory(engine):
        there = partial(_sqlite_that_is_there, Path(str(engine.url.database)))
        engine = sa.create_engine(address, creator=there)
    sa.event.listen(engine, "connect", _durable_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _durable_sqlite(connection: Any, _: Any) -> None:
    # SQLAlchemy begins transactions itself (`_begin_sqlite`); the driver must not do so as well.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_that_is_there(path: Path, mode: str = "rw", wait_s: float = 5.0) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=wait_s, check_same_thread=False)


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


@lru_cache(maxsize=64)
def _sqlite_reader(path: Path, untouched: bool) -> Engine:
    """An engine that makes nothing, and on a medium that is read-only touches nothing."""
    connect = partial(_sqlite_that_is_there, path, "ro&immutable=1" if untouched else "rw", 10.0)
    # Closed after each use: no handle outlives a file that is put back.
    return sa.create_engine("sqlite://", creator=connect, poolclass=NullPool)


def _is_read_only(path: Path) -> bool:
    writable = os.access(path.parent, os.W_OK) and os.access(path, os.W_OK)
    return not writable or bool(os.statvfs(path).f_flag & os.ST_RDONLY)


@contextmanager
def looking(address: str) -> Iterator[Connection]:
    """A connection for looking at registers that are there: nothing is made, and one moment is seen throughout.

    Raises:
        StoreError: they cannot be read.
    """
    try:
        if address.startswith("postgresql"):
            engine = engine_of(address)
        else:
            path = Path(str(sa.make_url(address).database))
            engine = _sqlite_reader(path, _is_read_only(path))
        with engine.connect() as connection:
            yield at_one_moment(connection)
    except GroundruleError:
        raise
    except (sa.exc.SQLAlchemyError, OSError) as error:
        why = said(error)
        raise StoreError(f"cannot read the registers: {why}", help=help_where_gone(address), registers=shown(address)) from error


def at_one_moment(connection: Connection) -> Connection:
    """Let everything that a connection reads be of one moment."""
    # A transaction in SQLite sees one moment anyway.
    return connection.execution_options(isolation_level="REPEATABLE READ") if is_postgres(connection) else connection
