"""I20 in PostgreSQL: no statement writes a table of policy outside an enactment, whoever sends it.

The statements go to the database itself: as the service, and as a superuser who changes rows and not the guard.
`test_governance_policy` does the same in SQLite.
"""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import groundrule
from groundrule.instant import MAX_NS
from groundrule.store.databases import with_user
from groundrule.store.home import Home
from groundrule.store.policy import InForce, enacting, install_guard
from groundrule.store.registers import POLICY_KINDS, Registers
from groundrule.store.roles import apply_roles
from register_places import ADMIN, Server
from small_home import LIST, register

EXAMPLES = 400
TABLES = (*POLICY_KINDS, "policy_enactments")
TIMES = ("valid_from", "valid_until", "recorded_at", "superseded_at", "revision", "governed")
COLUMNS = {
    "programmes": ("programme_id", "title", *TIMES),
    "lists": ("list_id", "title", *TIMES),
    "list_entries": ("entry_id", "list_id", "state", *TIMES),
    "policy_enactments": ("log_index", "proposal", "rulebook", "areas", "lists", "enacted_at"),
}
NUMBERS = {"log_index", "enacted_at", *TIMES} - {"governed"}
VALUE = st.integers(0, 12) | st.just(MAX_NS)


def literal(column: str, number: int) -> str:
    return "true" if column == "governed" else str(number) if column in NUMBERS else f"'{number}'"


@st.composite
def statements(draw: st.DrawFn) -> str:
    table = draw(st.sampled_from(TABLES))
    columns = COLUMNS[table]
    names, name = ", ".join(columns), draw(st.sampled_from(columns))
    values = ", ".join(literal(column, draw(VALUE)) for column in columns)
    value, at = literal(name, draw(VALUE)), draw(VALUE)
    key = "log_index" if table == "policy_enactments" else "version"
    return draw(st.sampled_from([
        f"INSERT INTO {table} ({names}) VALUES ({values})",
        f"INSERT INTO {table} ({names}) VALUES ({values}) ON CONFLICT DO NOTHING",
        f"INSERT INTO {table} SELECT * FROM {table} ON CONFLICT ({key}) DO UPDATE SET {name} = {value}",
        f"WITH made AS (INSERT INTO {table} ({names}) VALUES ({values}) RETURNING 1) SELECT * FROM made",
        f"WITH made AS (UPDATE {table} SET {name} = {value} RETURNING 1) SELECT count(*) FROM made",
        f"UPDATE {table} SET {name} = {value}",
        f"UPDATE ONLY {table} SET {name} = {value} WHERE {key} <> {at}",
        f"UPDATE {table} SET {name} = {value} FROM terminals",
        f"DELETE FROM {table}",
        f"DELETE FROM {table} USING revisions",
        f"DELETE FROM {table} WHERE {key} = {at}",
        f"TRUNCATE {table}",
        f"TRUNCATE {table}, terminals RESTART IDENTITY CASCADE",
        (f"MERGE INTO {table} a USING (SELECT 1 AS one) b ON a.{key} = b.one WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN "
         f"INSERT ({names}) VALUES ({values})"),
        f"DO $$ BEGIN UPDATE {table} SET {name} = {value}; EXCEPTION WHEN others THEN DELETE FROM {table}; END $$",
        f"SELECT policy_begin({at})",
        f"SELECT policy_state({at % 6}, '', '', '', '', 1)",  # a later one, begun before, would be an enactment
        "SELECT policy_salt('x')",
        "UPDATE lists_salt SET salt = 'x'", "DELETE FROM lists_salt", "TRUNCATE lists_salt",
        "INSERT INTO policy_never VALUES ('')",
    ]))  # fmt: skip


SETTINGS = st.sampled_from([
    "SELECT 1", "SET session_replication_role = replica", "SET search_path TO pg_temp, public", "SET CONSTRAINTS ALL DEFERRED",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET row_security = off",
    "CREATE TEMPORARY TABLE policy_writing AS SELECT 9 AS enactment",
])  # fmt: skip


@pytest.fixture(scope="module")
def site(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[Server, str]:
    database = postgres.new_database()
    home = Home.create(tmp_path_factory.mktemp("guarded") / "home", registers=postgres.address(database))
    Registers.create(home).close()
    register(home, "terminals", "terminal_id\nt\n")
    register(home, "lists", "list_id,title\npass,Passes (invented)\n")
    register(home, "list_entries", LIST)
    with Registers.open(home) as registers:
        install_guard(registers, InForce(3, "", "r", "a", "", 1))
        with enacting(registers, InForce(5, "p", "r", "a", "", 2)) as tables, tables.recording("programmes") as recording:
            recording.put([("rail", "Rail (invented)", None, None, None, None, None)])
    apply_roles(str(home.registers), prefix="guarded")
    postgres.run("CREATE ROLE guarded_app LOGIN IN ROLE guarded_service", database=database)
    assert with_user(str(home.registers), "guarded_app") != home.registers
    return postgres, database


def rows(server: Server, database: str) -> dict[str, list[tuple[object, ...]]]:
    with server.connected(database) as connection:
        held = (*TABLES, "policy_never", "policy_writing", "lists_salt")
        return {name: [tuple(row) for row in connection.execute(sa.text(f"SELECT * FROM {name} ORDER BY 1"))] for name in held}


@pytest.mark.parametrize("user", [ADMIN, "guarded_app"])
def test_i20_no_statement_writes_policy_outside_an_enactment(site: tuple[Server, str], user: str) -> None:
    server, database = site
    before = rows(server, database)
    assert all(before[name] for name in (*TABLES, "lists_salt"))

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(SETTINGS, st.booleans(), st.lists(statements(), min_size=1, max_size=4))
    def run(setting: str, together: bool, acts: list[str]) -> None:
        with server.connected(database, user, commit=True) as connection:
            for act in (*(["BEGIN"] if together else []), setting, *acts, *(["COMMIT"] if together else [])):
                try:
                    connection.exec_driver_sql(act)
                except sa.exc.DBAPIError as error:
                    hypothesis.event(str(error.orig)[:60])
        assert rows(server, database) == before

    run()


def test_registers_have_one_door() -> None:
    root = Path(groundrule.__file__).parent
    named = {str(path.relative_to(root)) for path in root.rglob("*.py") if "registers.sqlite" in path.read_text("utf-8")}
    assert named == {"store/home.py", "store/databases.py", "pipeline/backup.py"}
    engines = {str(path.relative_to(root)) for path in root.rglob("*.py") if "create_engine" in path.read_text("utf-8")}
    assert engines == {"store/databases.py"}
