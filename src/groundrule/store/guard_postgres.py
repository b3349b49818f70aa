"""What PostgreSQL needs besides the tables: the append-only triggers, the guard of policy, and whose registers these are.

The guard is made together with the tables, and stands from the first row of `policy_enactments` on: so genesis needs no
right to make anything. Whoever writes policy calls two functions, and can do nothing else with the tables of the guard:

    policy_begin(n)   puts the row into `policy_writing`; n must follow all enactments
    policy_state(n…)  writes the row of enactment n and takes that one away

So no transaction that wrote policy can end without stating an enactment. The triggers fire also where replication is
played back (ENABLE ALWAYS), and the functions look for tables in one schema only, whatever the caller's search path says.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from groundrule.errors import StoreError
from groundrule.instant import MAX_NS
from groundrule.store.guard import SALT_TABLE, InForce
from groundrule.store.register_tables import GUARD_TABLE, POLICY_KINDS, REVISIONS, TABLES

_TRIGGER = "LANGUAGE plpgsql SET search_path FROM CURRENT"
_OWNER_S = "LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT"
ROWS = {
    "registers_keep": """
BEGIN
  RAISE EXCEPTION 'registers are append-only' USING ERRCODE = 'integrity_constraint_violation';
END""",
    "policy_keep": """
BEGIN
  RAISE EXCEPTION 'what was in force is never changed' USING ERRCODE = 'integrity_constraint_violation';
END""",
    "policy_refuse": """
BEGIN
  RAISE EXCEPTION 'only an enactment writes policy' USING ERRCODE = 'integrity_constraint_violation';
END""",
    "policy_guard": """
BEGIN
  IF EXISTS (SELECT 1 FROM policy_enactments) AND NOT EXISTS (SELECT 1 FROM policy_writing) THEN
    RAISE EXCEPTION 'only an enactment writes policy' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END""",
    "policy_state_guard": """
BEGIN
  IF NOT EXISTS (SELECT 1 FROM policy_writing) THEN
    RAISE EXCEPTION 'only an enactment writes policy' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END""",
}
"""Bodies of the trigger functions."""
ACTS = {
    "policy_begin(entry bigint)": """
BEGIN
  IF EXISTS (SELECT 1 FROM policy_writing) OR EXISTS (SELECT 1 FROM policy_enactments WHERE log_index >= entry) THEN
    RAISE EXCEPTION 'only an enactment writes policy, and each once' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  INSERT INTO policy_writing VALUES (entry, '');
END""",
    "policy_state(entry bigint, proposed text, book text, area_set text, listed text, since bigint)": """
BEGIN
  IF NOT EXISTS (SELECT 1 FROM policy_writing WHERE enactment = entry) THEN
    RAISE EXCEPTION 'only an enactment writes policy' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  INSERT INTO policy_enactments VALUES (entry, proposed, book, area_set, listed, since);
  DELETE FROM policy_writing;
END""",
    "policy_salt(drawn bytea)": """
BEGIN
  IF EXISTS (SELECT 1 FROM policy_enactments) OR EXISTS (SELECT 1 FROM lists_salt) THEN
    RAISE EXCEPTION 'what was in force is never changed' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  INSERT INTO lists_salt VALUES (drawn);
END""",
}
"""Bodies of the functions that a writer of policy calls."""
GUARD_TABLES = ("policy_never", "policy_writing", GUARD_TABLE, SALT_TABLE, "registers_home")
_TYPES = {"insert": 4, "update": 16, "delete": 8, "truncate": 32}
_EACH_ROW, _BEFORE = 1, 2


def statements() -> Iterator[str]:
    """What is made besides the tables, in order."""
    text = 'text COLLATE "C"'
    yield f"CREATE TABLE policy_never (id {text} PRIMARY KEY)"
    yield (
        f"CREATE TABLE policy_writing (enactment bigint NOT NULL, never {text} NOT NULL "
        "REFERENCES policy_never (id) DEFERRABLE INITIALLY DEFERRED)"
    )
    yield (
        f"CREATE TABLE {GUARD_TABLE} (log_index bigint PRIMARY KEY, proposal {text} NOT NULL, rulebook {text} NOT NULL, "
        f"areas {text} NOT NULL, lists {text} NOT NULL, enacted_at bigint NOT NULL)"
    )
    yield f"CREATE TABLE {SALT_TABLE} (salt bytea NOT NULL)"
    yield f"CREATE TABLE registers_home (id {text} NOT NULL)"
    for name, body in ROWS.items():
        yield f"CREATE FUNCTION {name}() RETURNS trigger {_TRIGGER} AS $body${body}$body$"
    for name, body in ACTS.items():
        yield f"CREATE FUNCTION {name} RETURNS void {_OWNER_S} AS $body${body}$body$"
        yield f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC"
    for table, name, event, function in statement_triggers():
        yield f"CREATE TRIGGER {name} BEFORE {event.upper()} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        yield f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"
    for kept in (REVISIONS, *TABLES.values()):
        yield from fixed_trigger(kept)


def statement_triggers() -> Iterator[tuple[str, str, str, str]]:
    """Table, name, event and function of the triggers that fire once for a statement, also where it finds no row."""
    for table in (REVISIONS.name, *TABLES):
        yield table, f"{table}_keep", "delete", "registers_keep"
        yield table, f"{table}_keep_all", "truncate", "registers_keep"
    for event, name in (("update", "fixed"), ("delete", "keep"), ("truncate", "keep_all")):
        yield GUARD_TABLE, f"{GUARD_TABLE}_{name}", event, "policy_keep"
        yield SALT_TABLE, f"{SALT_TABLE}_{name}", event, "policy_keep"
    yield "policy_never", "policy_never_empty", "insert", "policy_refuse"
    for table in POLICY_KINDS:
        for event in ("insert", "update"):
            yield table, f"{table}_enacted_{event}", event, "policy_guard"
    yield GUARD_TABLE, f"{GUARD_TABLE}_enacted_insert", "insert", "policy_state_guard"


def fixed_trigger(table: sa.Table) -> Iterator[str]:
    """The trigger that lets a row only end; it names the columns of its table."""
    names = [column.name for column in table.columns if column.name != "superseded_at"]
    fixed = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in names)
    ended = f"WHEN (OLD.superseded_at <> {MAX_NS} OR {fixed}) " if "superseded_at" in table.columns else ""
    name = f"{table.name}_fixed"
    yield f"CREATE TRIGGER {name} BEFORE UPDATE ON {table.name} FOR EACH ROW {ended}EXECUTE FUNCTION registers_keep()"
    yield f"ALTER TABLE {table.name} ENABLE ALWAYS TRIGGER {name}"


class PostgresGuard:
    """See `store.guard.Guard`."""

    def stands(self, connection: Connection) -> bool:
        """The guard stands from the first enactment on, which is that of genesis."""
        return bool(connection.scalar(sa.text(f"SELECT EXISTS (SELECT 1 FROM {GUARD_TABLE})")))  # noqa: S608 - a name of the store

    def install(self, connection: Connection, salt: bytes) -> None:
        """It is there; what a charter brings is the salt."""
        if salt:
            connection.execute(sa.text("SELECT policy_salt(:salt)"), {"salt": salt})

    def begin(self, connection: Connection, log_index: int) -> None:
        """Let the rest of this transaction write policy."""
        connection.execute(sa.text("SELECT policy_begin(:entry)"), {"entry": log_index})

    def state(self, connection: Connection, stated: InForce) -> None:
        """State what is in force, and shut the guard."""
        row = {
            "entry": stated.log_index, "proposed": stated.proposal, "book": stated.rulebook, "area_set": stated.areas,
            "listed": stated.lists, "since": stated.enacted_at_ns,
        }  # fmt: skip
        connection.execute(sa.text("SELECT policy_state(:entry, :proposed, :book, :area_set, :listed, :since)"), row)

    def salt(self, connection: Connection) -> bytes:
        """No row is no salt."""
        found = connection.scalar(sa.text(f"SELECT salt FROM {SALT_TABLE}"))  # noqa: S608 - a name of the store
        return b"" if found is None else bytes(found)

    def damaged(self, connection: Connection) -> list[str]:
        """Compare functions by their text, and triggers by what fires them and whether they are switched on."""
        functions = {
            row.proname: (row.prosrc, row.prosecdef, tuple(row.proconfig or ()))
            for row in connection.execute(sa.text(
                "SELECT proname, prosrc, prosecdef, proconfig FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace "
                "WHERE n.nspname = current_schema()"
            ))
        }  # fmt: skip
        path = connection.scalar(sa.text("SELECT 'search_path=' || current_setting('search_path')"))
        found = [name for name, body in ROWS.items() if functions.get(name) != (body, False, (path,))]
        found += [
            name for name, body in ((sign.split("(")[0], body) for sign, body in ACTS.items())
            if functions.get(name) != (body, True, (path,))
        ]  # fmt: skip
        triggers = {
            (row.relname, row.tgname): (row.tgtype, row.proname, row.tgenabled, row.bare)
            for row in connection.execute(sa.text(
                "SELECT relname, tgname, tgtype, proname, tgenabled, tgqual IS NULL AS bare FROM pg_trigger "
                "JOIN pg_class c ON c.oid = tgrelid JOIN pg_namespace n ON n.oid = relnamespace "
                "JOIN pg_proc p ON p.oid = tgfoid WHERE n.nspname = current_schema() AND NOT tgisinternal"
            ))
        }  # fmt: skip
        for table, name, event, function in statement_triggers():
            if triggers.get((table, name)) != (_BEFORE | _TYPES[event], function, "A", True):
                found.append(name)
        for table in (REVISIONS.name, *TABLES):
            wanted = (_EACH_ROW | _BEFORE | _TYPES["update"], "registers_keep", "A", table == REVISIONS.name)
            if triggers.get((table, f"{table}_fixed")) != wanted:
                found.append(f"{table}_fixed")
        kept = connection.scalar(sa.text(
            "SELECT count(*) FROM pg_constraint k JOIN pg_namespace n ON n.oid = connamespace JOIN pg_trigger t ON tgconstraint = k.oid "
            "WHERE n.nspname = current_schema() AND conrelid = to_regclass('policy_writing') AND confrelid = to_regclass('policy_never') "
            "AND contype = 'f' AND condeferred AND tgenabled = 'O'"
        ))  # fmt: skip
        left = connection.scalar(sa.text("SELECT count(*) FROM policy_writing"))
        return found + ["policy_writing"] * bool(left or kept != _TRIGGERS_OF_A_KEY)

    def wait_for_other_writers(self, connection: Connection) -> None:
        """Take a lock for the transaction that needs no rights on any table."""
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended('groundrule ' || current_schema(), 0))"))


_TRIGGERS_OF_A_KEY = 4
"""PostgreSQL checks a foreign key by two triggers on either table."""


def home_of(connection: Connection) -> str | None:
    """Return whose registers these are; None where they say nothing."""
    found: str | None = connection.scalar(sa.text("SELECT id FROM registers_home"))
    return found


def check_home(connection: Connection, home_id: str | None) -> None:
    """Refuse to use the registers of another home.

    Raises:
        StoreError: they are those of another home.
    """
    held = home_of(connection)
    if held is not None and home_id is not None and held != home_id:
        raise StoreError(
            "these are the registers of another home", help="each home has a database or a schema of its own", held=held
        )
