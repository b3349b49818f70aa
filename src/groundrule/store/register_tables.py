"""The tables of the registers, and the SQLite triggers that keep them append-only.

The same tables stand in SQLite and in PostgreSQL (`store.guard_postgres` has what PostgreSQL needs besides). Text is compared
by code points in both, so that what is read in order of a key, and digested, is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from groundrule.instant import MAX_NS
from groundrule.store.entities import ENTITIES, Entity

METADATA = sa.MetaData()
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_COUNTER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
POLICY_KINDS = ("programmes", "lists", "list_entries")
"""Registers that decide who is served: in a home with a charter only an enactment writes them (`store.policy`)."""
GUARD_TABLE = "policy_enactments"
"""Has rows in the registers of a home with a charter; in SQLite it exists only there."""
_COLUMN_TYPES: Mapping[str, TypeEngine[Any]] = {
    "text": TEXT,
    "country": TEXT,
    "tags": TEXT,
    "float": sa.Double(),
    "time": sa.BigInteger(),
    "int": sa.BigInteger(),
    "address": TEXT,
    "digest": TEXT,
}

REVISIONS = sa.Table(
    "revisions",
    METADATA,
    sa.Column("revision", _COUNTER, primary_key=True, autoincrement=False),
    sa.Column("recorded_at", sa.BigInteger, nullable=False),
    sa.Column("kind", TEXT, nullable=False),
    sa.Column("actor", TEXT, nullable=False),
    sa.Column("source", TEXT, nullable=False),
    sa.Column("source_digest", TEXT, nullable=False),
    sa.Column("governed", sa.Boolean, nullable=False),
    sa.Column("inserted", sa.BigInteger, nullable=False),
    sa.Column("changed", sa.BigInteger, nullable=False),
    sa.Column("unchanged", sa.BigInteger, nullable=False),
    sa.Column("rejected", sa.BigInteger, nullable=False),
    sa.Column("previous", TEXT, nullable=False),
    sa.Column("digest", TEXT, nullable=False),
)


def _table_of(entity: Entity) -> sa.Table:
    return sa.Table(
        entity.kind,
        METADATA,
        sa.Column("version", _COUNTER, primary_key=True, autoincrement=True),
        sa.Column(entity.key, TEXT, nullable=False),
        *(sa.Column(name, _COLUMN_TYPES[spec.form]) for name, spec in entity.attributes.items()),
        sa.Column("valid_from", sa.BigInteger, nullable=False),
        sa.Column("valid_until", sa.BigInteger, nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("superseded_at", sa.BigInteger, nullable=False),
        sa.Column("revision", _COUNTER, nullable=False),
        sa.Column("governed", sa.Boolean, nullable=False),
        sa.Index(f"{entity.kind}_by_key", entity.key, "superseded_at"),
    )


TABLES: Mapping[str, sa.Table] = {kind: _table_of(entity) for kind, entity in ENTITIES.items()}


def _append_only(table: sa.Table) -> list[sa.DDL]:
    """Triggers that let nothing happen to a row but the one end of its recorded interval."""
    names = [column.name for column in table.columns if column.name != "superseded_at"]
    fixed = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in names)
    stop = "BEGIN SELECT RAISE(ABORT, 'registers are append-only'); END"
    ended = f"OLD.superseded_at <> {MAX_NS} OR {fixed}" if "superseded_at" in table.columns else "1"
    return [
        sa.DDL(f"CREATE TRIGGER {table.name}_keep BEFORE DELETE ON {table.name} {stop}"),  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy
        sa.DDL(f"CREATE TRIGGER {table.name}_fixed BEFORE UPDATE ON {table.name} WHEN {ended} {stop}"),  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy
    ]


TRIGGERS = [(_table, _append_only(_table)) for _table in (REVISIONS, *TABLES.values())]
"""Each table with the SQLite triggers that name its columns."""
for _table, _ddls in TRIGGERS:
    for _ddl in _ddls:
        sa.event.listen(_table, "after_create", _ddl.execute_if(dialect="sqlite"))
