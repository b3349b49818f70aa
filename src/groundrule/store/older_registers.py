"""Registers that an earlier version of this program made: columns that have come since are added when they are opened.

Only columns that may be empty come that way: what an older version recorded says nothing about them. Anything else that
differs is refused with what to do, instead of a complaint of the database about one of its columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from groundrule.errors import StoreError


def complete_tables(engine: Engine, tables: Iterable[tuple[sa.Table, Sequence[sa.DDL]]]) -> list[str]:
    """Add the columns that existing tables lack; one transaction, and nothing where nothing is missing.

    Args:
        tables: each table with the triggers that name its columns; they are made again after a column has come.
    Returns:
        What was added, as `table.column`.
    Raises:
        StoreError: a table has columns that this program does not know, or lacks one that may not be empty.
    """
    told = list(tables)
    with engine.connect() as connection:
        if not any(_missing(connection, table) for table, _ in told):
            return []
    added = []
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            # Taken before looking again, so that two programs that open the same registers do not both add a column.
            connection.exec_driver_sql("PRAGMA user_version = 0")
        for table, triggers in told:
            for column in _missing(connection, table):
                kind = column.type.compile(connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind}")
                added.append(f"{table.name}.{column.name}")
            if added and added[-1].startswith(f"{table.name}.") and connection.dialect.name == "sqlite":
                held = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
                made = {_name_of(str(ddl.statement)): ddl for ddl in triggers}
                for name, statement in held:
                    if name in made and statement != str(made[name].statement):
                        connection.exec_driver_sql(f"DROP TRIGGER {name}")
                        connection.execute(made[name])
    return added


def _missing(connection: Connection, table: sa.Table) -> list[sa.Column[object]]:
    looked = sa.inspect(connection)
    if not looked.has_table(table.name):
        return []
    held = {each["name"] for each in looked.get_columns(table.name)}
    if unknown := sorted(held - set(table.columns.keys())):
        raise StoreError(
            f"the registers have a column `{table.name}.{unknown[0]}` that this program does not know",
            help="use the program version that wrote them",
        )
    missing = [column for column in table.columns if column.name not in held]
    for column in missing:
        if not column.nullable:
            raise StoreError(
                f"the registers have no column `{table.name}.{column.name}`: another program or a much older version made them",
                help="restore them from a backup, or use the program version that wrote them",
            )
    return missing


def _name_of(statement: str) -> str:
    return statement.split()[2]
