"""Migrations of the registers: what each version of the tables changes, for SQLite and PostgreSQL alike.

1. A migration is a file `versions/vNNNN_name.py` that alembic runs; its revision is `NNNN_name` and stands in
   `register_versions.VERSIONS`.
2. What it does never changes once it is released: its SQL is written out, and asks nothing of the present tables.
3. All steps of an upgrade are one transaction: they are all made, or none.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from groundrule.errors import StoreError
from groundrule.store.databases import engine_of, is_postgres, said, shown, with_user
from groundrule.store.register_tables import METADATA
from groundrule.store.register_versions import (
    HEAD,
    VERSION_TABLE,
    VERSIONS,
    check_version,
    has_tables,
    stamp,
    version_of,
)

_FOLDER = Path(__file__).parent


class _Rehearsed(Exception):
    """Ends the transaction of a dry run."""


def upgrade(address: str, *, user: str | None = None, dry_run: bool = False, to: str = HEAD) -> tuple[str, list[str]]:
    """Bring registers up to a version, in one transaction.

    Args:
        address: where they are.
        user: the user of PostgreSQL who owns the tables; None is the one of the address.
        dry_run: make every step and take them all back.
        to: the version that is wanted.
    Returns:
        The version that they had, and the steps that were made, in order.
    Raises:
        StoreError: they are of a later version than this program knows, the database refused, or there are none.
    """
    place = address if user is None else with_user(address, user)
    try:
        engine = engine_of(place)
        try:
            return _upgrade(engine, to, dry_run)
        finally:
            if not is_postgres(engine):
                engine.dispose()
    except sa.exc.SQLAlchemyError as error:
        raise StoreError(
            f"the registers cannot be upgraded: {said(error)}",
            help="nothing was changed; who upgrades must own the tables (--as)",
            registers=shown(place),
        ) from error


def _upgrade(engine: Engine, to: str, dry_run: bool) -> tuple[str, list[str]]:
    held, steps = "", list[str]()
    try:
        with engine.begin() as connection:
            held = present_version(connection)
            steps = list(VERSIONS[VERSIONS.index(held) + 1 : VERSIONS.index(to) + 1])
            if version_of(connection) is None:
                stamp(connection, held)
            run(connection, to)
            if dry_run:
                raise _Rehearsed
    except _Rehearsed:
        pass
    return held, steps


def present_version(connection: Connection) -> str:
    """Return the version of registers; of those from before versions, the one that their tables show.

    Raises:
        StoreError: there are none, or they are of a later version than this program knows.
    """
    if not has_tables(connection):
        raise StoreError("there are no registers to upgrade", help="look at the address in home.json")
    version = version_of(connection)
    if version is None:
        looked = sa.inspect(connection)
        if looked.has_table("account_links"):
            return VERSIONS[3]
        if looked.has_table("addresses"):
            return VERSIONS[2]
        columns = {each["name"] for each in looked.get_columns("lists")}
        return VERSIONS[1] if "submitters" in columns else VERSIONS[0]
    if version not in VERSIONS:
        check_version(version)
    return version


def run(connection: Connection, to: str = HEAD) -> None:
    """Run migrations up to a version in the transaction of a connection; from nothing where there is nothing."""
    # Loaded where it is needed: every other command goes without.
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.environment import EnvironmentContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)

    def steps(present: Any, _context: Any) -> Iterable[Any]:
        return scripts._upgrade_revs(to, present)  # what alembic's own command does

    with EnvironmentContext(config, scripts, fn=steps, destination_rev=to) as environment:
        environment.configure(connection=connection, target_metadata=METADATA, version_table=VERSION_TABLE)
        with environment.begin_transaction():
            environment.run_migrations()


def run_sql(connection: Connection, name: str) -> None:
    """Run a file of statements beside the migrations; a line that is `--` ends each."""
    dialect = "postgresql" if is_postgres(connection) else "sqlite"
    text = (_FOLDER / "versions" / f"{name}.{dialect}.sql").read_text("utf-8")
    for statement in text.split("\n--\n"):
        if statement.strip():
            connection.exec_driver_sql(statement.strip())
