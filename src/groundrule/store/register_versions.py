"""Which version the tables of the registers have; how new ones are made, and how those from before versions are adopted.

The table `alembic_version` names the last migration of `store.migrations` that was made. New registers are made at once as
the last migration leaves them (a test compares the two). Older ones are brought up by `groundrule upgrade`, never by the way.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from groundrule.errors import ConflictError, StoreError
from groundrule.store.databases import checked_address, in_memory, is_postgres, looking
from groundrule.store.guard_postgres import check_home, statements
from groundrule.store.older_registers import complete_tables
from groundrule.store.register_tables import METADATA, REVISIONS, TRIGGERS

VERSIONS: Final = ("0001_registers", "0002_submitters", "0003_addresses", "0004_account_links")
"""All migrations, oldest first."""
HEAD: Final = VERSIONS[-1]
VERSION_TABLE: Final = "alembic_version"


def version_of(connection: Connection) -> str | None:
    """Return the version of the registers; None where they have none yet.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database failed.
    """
    if not _has(connection, VERSION_TABLE):
        return None
    found: str | None = connection.scalar(sa.text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608 - a name of this module
    return found


def has_tables(connection: Connection) -> bool:
    """Are there registers at all?"""
    return _has(connection, REVISIONS.name)


def check_version(version: str) -> None:
    """Refuse registers that this program cannot use as they are.

    Raises:
        StoreError: they are older, or of a later program version.
    """
    if version == HEAD:
        return
    if version in VERSIONS:
        raise StoreError(
            f"the registers are of version {version}, and this program works with {HEAD}",
            help="make a backup (groundrule backup), then: groundrule upgrade",
            version=version,
        )
    raise StoreError(
        f"the registers are of version `{version[:40]}`, which this program does not know; it knows up to {HEAD}",
        help="use the program version that wrote them",
        version=version,
    )


def check_place(address: str) -> None:
    """See whether registers can be made in a PostgreSQL database.

    Raises:
        InputError: the address cannot be used. MissingExtra: the driver is not installed.
        StoreError: the database cannot be reached. ConflictError: it has registers already.
    """
    with looking(checked_address(address)) as connection:
        _check_empty(connection)


def _check_empty(connection: Connection) -> None:
    if has_tables(connection):
        raise ConflictError(
            "there are registers in this database already", help="give each home a database or a schema of its own"
        )


def lay_out(engine: Engine, home_id: str | None) -> None:
    """Make empty registers.

    Raises:
        ConflictError: there are registers already.
    """
    with engine.begin() as connection:
        _check_empty(connection)
        make_tables(connection, home_id)


def make_tables(connection: Connection, home_id: str | None) -> None:
    """Make the tables of the present version in an empty database, in the transaction of the connection."""
    if is_postgres(connection):
        # Where the first schema of the path is missing, PostgreSQL would make temporary tables.
        name = connection.scalar(sa.text("SELECT (string_to_array(current_setting('search_path'), ','))[1]"))
        if connection.scalar(sa.text("SELECT to_regnamespace(:name) IS NULL"), {"name": name}):
            connection.exec_driver_sql(f"CREATE SCHEMA {name}")
    METADATA.create_all(connection)
    if is_postgres(connection):
        for statement in statements():
            connection.exec_driver_sql(statement)
        if home_id is not None:
            connection.execute(sa.text("INSERT INTO registers_home VALUES (:id)"), {"id": home_id})
    stamp(connection, HEAD)


def make_ready(engine: Engine, home_id: str | None) -> None:
    """See to it that registers can be used; adopt them where they have no version yet, and in memory make them.

    Raises:
        StoreError: they are of another version, of another home, or gone.
    """
    with engine.connect() as connection:
        version = version_of(connection)
        if version is not None:
            check_version(version)
            if is_postgres(connection):
                check_home(connection, home_id)
            return
        there = has_tables(connection)
    if there and not is_postgres(engine):
        with suppress(sa.exc.OperationalError), engine.begin() as connection:
            METADATA.create_all(connection)  # registers that have come since
        complete_tables(engine, TRIGGERS)
        # Only what can be written gets its version; reading goes on without.
        with suppress(sa.exc.OperationalError), engine.begin() as connection:
            stamp(connection, HEAD)
    elif in_memory(engine):
        with engine.begin() as connection:
            make_tables(connection, home_id)
    else:
        # Whoever names an address that holds nothing has the wrong one, or has lost the registers: empty ones would hide that.
        raise StoreError(
            "there are no registers in this database", help="look at the address in home.json, or restore them from a backup"
        )


def stamp(connection: Connection, version: str) -> None:
    """Note the version, as alembic does."""
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL, "
        "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )
    connection.exec_driver_sql(f"DELETE FROM {VERSION_TABLE}")  # noqa: S608 - a name of this module
    connection.execute(sa.text(f"INSERT INTO {VERSION_TABLE} VALUES (:version)"), {"version": version})  # noqa: S608 - a name of this module


def _has(connection: Connection, table: str) -> bool:
    if is_postgres(connection):
        query = "SELECT to_regclass(quote_ident(current_schema()) || '.' || quote_ident(:name)) IS NOT NULL"
        return bool(connection.scalar(sa.text(query), {"name": table}))
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = :name"
    return connection.execute(sa.text(query), {"name": table}).first() is not None
