"""What guards policy in the database of the registers: the same guard, in the words of SQLite and of PostgreSQL.

    policy_enactments   one row per enactment: which rulebook and areas are in force from it on; the last row holds
    policy_writing      has a row only inside the transaction that enacts; a foreign key to an empty table, checked at
                        commit, lets no transaction end with it
    triggers            refuse to write `programmes`, `lists`, `list_entries` and `policy_enactments` without that row

PostgreSQL says the same sentences when it refuses; they stand in `guard_postgres` once more, as SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from groundrule.store.databases import is_postgres
from groundrule.store.register_tables import GUARD_TABLE

ONLY_BY_ENACTMENT: Final = "only an enactment writes policy"
NEVER_CHANGED: Final = "what was in force is never changed"
SALT_TABLE: Final = "lists_salt"

ENACTMENTS = sa.table(
    GUARD_TABLE,
    *(sa.column(name) for name in ("log_index", "proposal", "rulebook", "areas", "lists", "enacted_at")),
)
"""For reading; who writes goes through a `Guard`."""


@dataclass(frozen=True, slots=True)
class InForce:
    """What is in force in a home with a charter.

    Attributes:
        log_index: the entry that brought it into force: the charter's at genesis, then the enactments'.
        proposal: digest of the proposal [64 hex digits]; empty for genesis.
        rulebook: digest of the rulebook.
        areas: digest of the area set.
        lists: digest of lists, entries and programmes, as `lists_digest` gives it.
        enacted_at_ns: since when [ns, UTC].
    """

    log_index: int
    proposal: str
    rulebook: str
    areas: str
    lists: str
    enacted_at_ns: int


class Guard(Protocol):
    """The guard in one kind of database; all acts within the transaction of the connection."""

    def stands(self, connection: Connection) -> bool:
        """Has the home a charter, so that the guard is up?"""

    def install(self, connection: Connection, salt: bytes) -> None:
        """Put the guard up; an empty salt keeps none."""

    def begin(self, connection: Connection, log_index: int) -> None:
        """Open the guard for the rest of this transaction."""

    def state(self, connection: Connection, stated: InForce) -> None:
        """State what is in force from now on, and shut the guard."""

    def salt(self, connection: Connection) -> bytes:
        """Return the salt of lists [32 bytes]; empty where there is none."""

    def damaged(self, connection: Connection) -> list[str]:
        """Return which parts of the guard are missing or changed."""

    def wait_for_other_writers(self, connection: Connection) -> None:
        """Let one transaction write registers at a time."""


def guard_of(where: Connection | Engine) -> Guard:
    """Return the guard of a database."""
    from groundrule.store.guard_postgres import PostgresGuard  # noqa: PLC0415 - both need this module
    from groundrule.store.guard_sqlite import SqliteGuard  # noqa: PLC0415 - both need this module

    return PostgresGuard() if is_postgres(where) else SqliteGuard()


def read_enactments(connection: Connection, *, last: bool) -> list[InForce]:
    """Return everything that was in force under a charter, oldest first; the guard must stand."""
    index = ENACTMENTS.c.log_index
    query = sa.select(ENACTMENTS).order_by(index.desc() if last else index)
    return [InForce(*row) for row in connection.execute(query.limit(1) if last else query)]
