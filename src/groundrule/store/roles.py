"""Who may do what with registers in PostgreSQL: an owner, a service and a reader, as SQL.

    PREFIX_owner     owns tables and functions; makes and upgrades them; nobody works as the owner day by day
    PREFIX_service   reads all; adds rows, and ends the recorded interval of one; writes policy within an enactment only
    PREFIX_reader    reads all but the salt of lists

They cannot log in themselves: a user of the database becomes a member of one (`CREATE ROLE app LOGIN IN ROLE PREFIX_service`).
The service may not change or remove what is recorded, empty or alter a table, touch a trigger, or write the tables of the
guard: it calls `policy_begin` and `policy_state` (`store.guard_postgres`), and a transaction that began must state an enactment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from groundrule.errors import InputError, StoreError
from groundrule.store.databases import engine_of, said, schema_of, shown, with_user
from groundrule.store.guard import SALT_TABLE
from groundrule.store.guard_postgres import ACTS, GUARD_TABLES, ROWS
from groundrule.store.register_tables import REVISIONS, TABLES
from groundrule.store.register_versions import VERSION_TABLE

DEFAULT_PREFIX: Final = "groundrule"
_PREFIX: Final = re.compile(r"[a-z_][a-z0-9_]{0,40}")


def role_statements(address: str, prefix: str = DEFAULT_PREFIX) -> Iterator[str]:
    """Give the statements that make the three roles and share out the rights; doing it again does no harm.

    Args:
        address: where the registers are; its database and schema are named.
        prefix: the roles are `PREFIX_owner`, `PREFIX_service` and `PREFIX_reader`.
    Raises:
        InputError: the prefix is no plain name.
    """
    if _PREFIX.fullmatch(prefix) is None:
        raise InputError("the prefix of the roles is no plain name", help="lower-case letters, digits and _, at most 41")
    owner, service, reader = (f"{prefix}_{name}" for name in ("owner", "service", "reader"))
    schema, database = schema_of(address), _quoted(str(sa.make_url(address).database))
    for role in (owner, service, reader):
        yield (
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') "
            f"THEN CREATE ROLE {role} NOLOGIN; END IF; END $$"
        )
    yield f"REVOKE ALL ON DATABASE {database} FROM PUBLIC"
    yield f"GRANT CONNECT ON DATABASE {database} TO {owner}, {service}, {reader}"
    yield f"REVOKE ALL ON SCHEMA {schema} FROM PUBLIC"
    yield f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {owner}"
    yield f"GRANT USAGE ON SCHEMA {schema} TO {service}, {reader}"
    registers = [REVISIONS.name, *TABLES]
    held = [*registers, *GUARD_TABLES, VERSION_TABLE]
    for table in held:
        yield f"ALTER TABLE {schema}.{table} OWNER TO {owner}"
    for function in (*(f"{name}()" for name in ROWS), *ACTS):
        yield f"ALTER FUNCTION {schema}.{_signature(function)} OWNER TO {owner}"
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC, {service}, {reader}"
    yield f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM PUBLIC, {service}, {reader}"
    yield f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {schema} FROM PUBLIC, {service}, {reader}"
    yield f"GRANT SELECT ON {', '.join(f'{schema}.{table}' for table in held)} TO {service}"
    yield f"GRANT SELECT ON {', '.join(f'{schema}.{table}' for table in held if table != SALT_TABLE)} TO {reader}"
    yield f"GRANT INSERT ON {', '.join(f'{schema}.{table}' for table in registers)} TO {service}"
    for table in TABLES:
        yield f"GRANT UPDATE (superseded_at) ON {schema}.{table} TO {service}"
        yield f"GRANT USAGE ON SEQUENCE {schema}.{table}_version_seq TO {service}"
    for function in ACTS:
        yield f"GRANT EXECUTE ON FUNCTION {schema}.{_signature(function)} TO {service}"


def apply_roles(address: str, *, prefix: str = DEFAULT_PREFIX, user: str | None = None) -> None:
    """Make the roles and share out the rights, in one transaction.

    Args:
        address: where the registers are.
        prefix: of the names of the roles.
        user: who may make roles and owns the tables; None is the user of the address.
    Raises:
        StoreError: the database refused.
    """
    place = address if user is None else with_user(address, user)
    try:
        with engine_of(place).begin() as connection:
            for statement in role_statements(address, prefix):
                connection.exec_driver_sql(statement)
    except sa.exc.SQLAlchemyError as error:
        raise StoreError(
            f"the roles cannot be made: {said(error)}",
            help="do it as a user who may make roles and owns the tables (--as), or print the SQL for one who may (--print)",
            registers=shown(place),
        ) from error


@dataclass(frozen=True, slots=True)
class Standing:
    """What the user of a connection is.

    Attributes:
        user: its name.
        superuser: may do everything, also switch triggers off.
        owner: owns the tables of registers, or may act as their owner.
        adds: may add rows to registers.
    """

    user: str
    superuser: bool
    owner: bool
    adds: bool

    @property
    def can_break_the_guard(self) -> bool:
        """May this user switch off what guards policy and keeps registers append-only?"""
        return self.superuser or self.owner


def standing(connection: Connection) -> Standing:
    """Return what the user of a connection to PostgreSQL may do with the registers."""
    row = connection.execute(sa.text(
        "SELECT current_user::text, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user), "
        "(SELECT pg_has_role(current_user, relowner, 'MEMBER') FROM pg_class WHERE oid = to_regclass('revisions')), "
        "has_table_privilege('revisions', 'INSERT')"
    )).one()  # fmt: skip
    return Standing(row[0], bool(row[1]), bool(row[2]), bool(row[3]))


def _signature(function: str) -> str:
    """Name and types of a function, without the names of what it takes."""
    name, _, rest = function.partition("(")
    types = [each.split()[-1] for each in rest.rstrip(")").split(",") if each.strip()]
    return f"{name}({', '.join(types)})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
