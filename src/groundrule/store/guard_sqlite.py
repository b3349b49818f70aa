"""The guard of policy in SQLite: made at the genesis of a charter, in the file of the registers."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from groundrule.store.guard import NEVER_CHANGED, ONLY_BY_ENACTMENT, SALT_TABLE, InForce
from groundrule.store.register_tables import GUARD_TABLE, POLICY_KINDS

_STOP = f"BEGIN SELECT RAISE(ABORT, '{ONLY_BY_ENACTMENT}'); END"
_UNLESS_ENACTING = "WHEN NOT EXISTS (SELECT 1 FROM policy_writing)"
_FIXED = f"BEGIN SELECT RAISE(ABORT, '{NEVER_CHANGED}'); END"


def _statements() -> dict[str, str]:
    """Statements of the guard by the name of what they make."""
    made = {
        "policy_never": "CREATE TABLE policy_never (id TEXT PRIMARY KEY) STRICT",
        "policy_writing": "CREATE TABLE policy_writing (enactment INTEGER NOT NULL, never TEXT NOT NULL "
        "REFERENCES policy_never (id) DEFERRABLE INITIALLY DEFERRED) STRICT",
        GUARD_TABLE: f"CREATE TABLE {GUARD_TABLE} (log_index INTEGER PRIMARY KEY, proposal TEXT NOT NULL, "
        "rulebook TEXT NOT NULL, areas TEXT NOT NULL, lists TEXT NOT NULL, enacted_at INTEGER NOT NULL) STRICT",
        "policy_never_empty": f"CREATE TRIGGER policy_never_empty BEFORE INSERT ON policy_never {_STOP}",
        f"{GUARD_TABLE}_keep": f"CREATE TRIGGER {GUARD_TABLE}_keep BEFORE DELETE ON {GUARD_TABLE} {_FIXED}",
        f"{GUARD_TABLE}_fixed": f"CREATE TRIGGER {GUARD_TABLE}_fixed BEFORE UPDATE ON {GUARD_TABLE} {_FIXED}",
    }
    for table in (*POLICY_KINDS, GUARD_TABLE):
        for act in ("INSERT", "UPDATE"):
            name = f"{table}_enacted_{act.lower()}"
            made[name] = f"CREATE TRIGGER {name} BEFORE {act} ON {table} {_UNLESS_ENACTING} {_STOP}"
    return made


class SqliteGuard:
    """See `store.guard.Guard`."""

    def stands(self, connection: Connection) -> bool:
        """The tables of the guard are there only under a charter."""
        return _has(connection, GUARD_TABLE)

    def install(self, connection: Connection, salt: bytes) -> None:
        """Make the guard."""
        for statement in _statements().values():
            connection.exec_driver_sql(statement)
        if salt:
            connection.exec_driver_sql(f"CREATE TABLE {SALT_TABLE} (salt BLOB NOT NULL)")
            connection.exec_driver_sql(f"INSERT INTO {SALT_TABLE} VALUES (?)", (salt,))  # noqa: S608 - a name of the store

    def begin(self, connection: Connection, log_index: int) -> None:
        """Write the row without which nothing of policy is written."""
        connection.exec_driver_sql("INSERT INTO policy_writing VALUES (?, '')", (log_index,))

    def state(self, connection: Connection, stated: InForce) -> None:
        """Write the row of the enactment, and take away the one that opened the guard."""
        row = (stated.log_index, stated.proposal, stated.rulebook, stated.areas, stated.lists, stated.enacted_at_ns)
        connection.exec_driver_sql(
            f"INSERT INTO {GUARD_TABLE} VALUES (?, ?, ?, ?, ?, ?)", row  # noqa: S608 - a name of the store
        )
        connection.exec_driver_sql("DELETE FROM policy_writing")

    def salt(self, connection: Connection) -> bytes:
        """Homes from before salts have no table of them."""
        if not _has(connection, SALT_TABLE):
            return b""
        return bytes(connection.exec_driver_sql(f"SELECT salt FROM {SALT_TABLE}").scalar_one())  # noqa: S608 - a name of the store

    def damaged(self, connection: Connection) -> list[str]:
        """Compare each statement with the one that the file remembers."""
        held: dict[str, str] = {row.name: row.sql for row in connection.exec_driver_sql("SELECT name, sql FROM sqlite_master")}
        left = 0
        if "policy_writing" in held:
            left = connection.exec_driver_sql("SELECT count(*) FROM policy_writing").scalar_one()
        found = [name for name, statement in _statements().items() if held.get(name) != statement]
        # What keeps every register append-only guards policy, too; its text names columns, which homes of other ages have more or fewer of.
        found += [f"{kind}_{end}" for kind in POLICY_KINDS for end in ("keep", "fixed") if f"{kind}_{end}" not in held]
        return found + ["policy_writing"] * bool(left)

    def wait_for_other_writers(self, connection: Connection) -> None:
        """The file has one writer anyway."""


def _has(connection: Connection, table: str) -> bool:
    query = sa.text("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = :name")
    return connection.execute(query, {"name": table}).first() is not None
