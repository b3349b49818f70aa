"""Roles in PostgreSQL: what the service does works as the service, and what it may not do is refused by the database itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from groundrule.errors import ConflictError, InputError, StoreError
from groundrule.instant import MAX_NS
from groundrule.store.databases import looking, with_user
from groundrule.store.home import Home
from groundrule.store.policy import InForce, check_guard, enacting, in_force, install_guard, lists_digest
from groundrule.store.registers import TABLES, Registers
from groundrule.store.roles import apply_roles, role_statements, standing
from register_places import ADMIN, Server
from small_home import ACCOUNTS, LIST, TERMINALS, register

GENESIS = InForce(3, "", "sha256:0", "sha256:0", "", 10**18)
DENIED, KEPT, GUARDED = "permission denied|must be owner", "append-only", "only an enactment"


@dataclass(frozen=True)
class Site:
    """One home as its service, its reader and its owner see it."""

    server: Server
    service: Home
    reader: Home
    database: str


@pytest.fixture(scope="module")
def site(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    database = postgres.new_database()
    address = postgres.address(database)
    home = Home.create(tmp_path_factory.mktemp("roles") / "home", registers=address)
    Registers.create(home).close()
    for _ in range(2):  # again does no harm
        apply_roles(address, prefix="site")
    postgres.run("CREATE ROLE app LOGIN IN ROLE site_service", "CREATE ROLE looker LOGIN IN ROLE site_reader", database=database)
    service = Home(home.path, home.id, with_user(address, "app"))
    register(service, "accounts", ACCOUNTS)
    register(service, "terminals", TERMINALS)
    register(service, "list_entries", LIST)
    with Registers.open(service) as registers:
        install_guard(registers, GENESIS)
    yield Site(postgres, service, Home(home.path, home.id, with_user(address, "looker")), database)
    postgres.run(f"DROP DATABASE {database} WITH (FORCE)", "DROP ROLE app", "DROP ROLE looker")


def test_the_service_imports_enacts_and_checks(site: Site) -> None:
    first = in_force(site.service)
    assert first is not None
    stated = InForce(first.log_index + 1, "1" * 64, "sha256:1", "sha256:1", "", 2 * 10**18)
    with Registers.open(site.service) as registers:
        with enacting(registers, stated) as tables, tables.recording("programmes") as recording:
            recording.put([("rail", "Rail (invented)", None, None, None, 0, MAX_NS)])
        with pytest.raises(ConflictError, match="only by enactment"):
            register(site.service, "programmes", "programme_id\nx\n", recorded_at=3 * 10**18)
        with registers.reading() as connection:
            assert in_force(site.service) == InForce(4, "1" * 64, "sha256:1", "sha256:1", lists_digest(connection), 2 * 10**18)
    assert check_guard(site.service) == []


REGISTERS = tuple(TABLES)
ROW = "valid_from, valid_until, recorded_at, superseded_at, revision, governed"
SAID = f"0, {MAX_NS}, 0, {MAX_NS}, 1, true"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        # policy outside an enactment
        (f"INSERT INTO programmes (programme_id, {ROW}) VALUES ('x', {SAID})", GUARDED),
        (f"INSERT INTO lists (list_id, {ROW}) VALUES ('x', {SAID})", GUARDED),
        (f"INSERT INTO list_entries (entry_id, {ROW}) SELECT 'x', {ROW} FROM list_entries", GUARDED),
        ("UPDATE list_entries SET superseded_at = 5", GUARDED),
        ("COPY programmes (programme_id) FROM PROGRAM 'echo x'", "must be superuser|permission denied"),
        ("WITH a AS (UPDATE list_entries SET superseded_at = 5 RETURNING 1) SELECT * FROM a", GUARDED),
        # the tables of the guard
        ("INSERT INTO policy_writing VALUES (9, '')", DENIED),
        ("DELETE FROM policy_writing", DENIED),
        ("INSERT INTO policy_never VALUES ('')", DENIED),
        ("INSERT INTO policy_enactments VALUES (9, '', '', '', '', 0)", DENIED),
        ("UPDATE policy_enactments SET rulebook = 'sha256:9'", DENIED),
        ("DELETE FROM policy_enactments", DENIED),
        ("TRUNCATE policy_enactments", DENIED),
        ("UPDATE lists_salt SET salt = ''", DENIED),
        ("SELECT policy_salt('aa')", "never changed"),
        ("SELECT policy_begin(0)", GUARDED),
        ("SELECT policy_state(9, '', '', '', '', 0)", GUARDED),
        ("SELECT policy_begin(9)", "foreign key"),  # and no enactment stated by the end
        (f"BEGIN; SELECT policy_begin(9); INSERT INTO programmes (programme_id, {ROW}) VALUES ('x', {SAID}); COMMIT", "foreign key"),
        ("BEGIN; SELECT policy_begin(9); SELECT policy_state(9, '', '', '', '', 0); UPDATE lists SET superseded_at = 5; COMMIT", GUARDED),
        ("UPDATE registers_home SET id = 'x'", DENIED),
        ("UPDATE alembic_version SET version_num = 'x'", DENIED),
        # what was recorded
        *((f"DELETE FROM {table}", DENIED) for table in (*REGISTERS, "revisions")),
        *((f"TRUNCATE {table}", DENIED) for table in (*REGISTERS, "revisions")),
        ("UPDATE terminals SET plan = 'roam'", DENIED),
        ("UPDATE terminals SET superseded_at = 5, plan = 'roam'", DENIED),
        ("UPDATE revisions SET actor = 'x'", DENIED),
        (("UPDATE terminals SET superseded_at = 6 WHERE superseded_at < 9; UPDATE terminals SET superseded_at = 5;"
          "UPDATE terminals SET superseded_at = 6"), KEPT),
        ("INSERT INTO terminals SELECT * FROM terminals ON CONFLICT (version) DO UPDATE SET plan = 'roam'", DENIED),
        ("MERGE INTO accounts a USING accounts b ON a.version = b.version WHEN MATCHED THEN DELETE", DENIED),
        # what enforces it
        *((f"DROP TABLE {table} CASCADE", DENIED) for table in (*REGISTERS, "revisions", "policy_enactments", "policy_writing")),
        ("ALTER TABLE list_entries DISABLE TRIGGER list_entries_enacted_insert", DENIED),
        ("ALTER TABLE list_entries DISABLE TRIGGER ALL", DENIED),
        ("ALTER TABLE terminals DISABLE TRIGGER USER", DENIED),
        ("ALTER TABLE terminals ADD COLUMN x text", DENIED),
        ("ALTER TABLE terminals RENAME TO was_terminals", DENIED),
        ("ALTER TRIGGER terminals_keep ON terminals RENAME TO x", DENIED),
        ("DROP TRIGGER terminals_keep ON terminals", DENIED),
        ("DROP FUNCTION registers_keep() CASCADE", DENIED),
        ("CREATE OR REPLACE FUNCTION policy_guard() RETURNS trigger LANGUAGE sql AS 'SELECT NULL'", DENIED),
        ("CREATE TRIGGER a BEFORE INSERT ON terminals EXECUTE FUNCTION registers_keep()", DENIED),
        ("CREATE RULE a AS ON INSERT TO policy_enactments DO INSTEAD NOTHING", DENIED),
        ("CREATE TABLE policy_writing_too (a int)", DENIED),
        ("CREATE SCHEMA mine", DENIED),
        ("CREATE TEMPORARY TABLE policy_writing (enactment bigint)", DENIED),
        ("SET session_replication_role = replica", DENIED),
        ("SET SESSION AUTHORIZATION site_owner", DENIED),
        ("SET ROLE site_owner", DENIED),
        ("ALTER ROLE app SUPERUSER", "must be|permission denied"),
        ("GRANT site_owner TO app", "must have|permission denied|must be"),
        ("REASSIGN OWNED BY site_owner TO app", DENIED),
        ("ALTER DATABASE {database} SET search_path TO mine", DENIED),
        ("BEGIN; LOCK TABLE policy_enactments IN ACCESS EXCLUSIVE MODE", DENIED),
        ("SECURITY LABEL ON TABLE terminals IS 'x'", f"{DENIED}|no security label"),
    ],
)
def test_the_service_can_do_nothing_but_its_work(site: Site, statement: str, said: str) -> None:
    before = everything(site)
    with pytest.raises(sa.exc.DBAPIError) as caught, site.server.connected(site.database, "app", commit=True) as connection:
        connection.exec_driver_sql(statement.format(database=site.database))
    assert_says(caught.value, said)
    assert everything(site) == before


def test_a_search_path_of_ones_own_does_not_fool_the_guard(site: Site) -> None:
    with site.server.connected(site.database, "app", commit=True) as connection:
        connection.exec_driver_sql("SET search_path TO pg_temp, pg_catalog")
        with pytest.raises(sa.exc.DBAPIError) as caught:
            connection.exec_driver_sql(f"INSERT INTO public.programmes (programme_id, {ROW}) VALUES ('x', {SAID})")
    assert_says(caught.value, GUARDED)


@pytest.mark.parametrize(
    "statement",
    [f"INSERT INTO terminals (terminal_id, {ROW}) VALUES ('x', {SAID})", "UPDATE terminals SET superseded_at = 5", "DELETE FROM terminals",
     "SELECT policy_begin(99)", "SELECT * FROM lists_salt", "TRUNCATE terminals"],
)  # fmt: skip
def test_the_reader_reads(site: Site, statement: str) -> None:
    with Registers.open(site.reader) as registers:
        assert list(registers.rows("terminals", valid_at_ns=0))
    assert in_force(site.reader) == in_force(site.service)
    with pytest.raises(sa.exc.DBAPIError) as caught, site.server.connected(site.database, "looker", commit=True) as connection:
        connection.exec_driver_sql(statement)
    assert_says(caught.value, DENIED)


def test_others_do_not_even_get_in(site: Site) -> None:
    site.server.run("CREATE ROLE stranger LOGIN")
    try:
        with pytest.raises(StoreError, match="permission denied for database"):
            Registers.open(Home(site.service.path, site.service.id, with_user(str(site.service.registers), "stranger")))
    finally:
        site.server.run("DROP ROLE stranger")


def test_triggers_fire_for_whoever_plays_replication_back(site: Site) -> None:
    before = everything(site)
    with site.server.connected(site.database, ADMIN, commit=True) as connection:
        connection.exec_driver_sql("SET session_replication_role = replica")
        with pytest.raises(sa.exc.DBAPIError) as caught:
            connection.exec_driver_sql("DELETE FROM terminals")
    assert_says(caught.value, KEPT)
    assert everything(site) == before


def test_who_could_break_the_guard_is_told(site: Site) -> None:
    for user, breaks, adds in (("app", False, True), ("looker", False, False), (ADMIN, True, True)):
        with looking(with_user(str(site.service.registers), user)) as connection:
            found = standing(connection)
        assert (found.user, found.can_break_the_guard, found.adds) == (user, breaks, adds)


@pytest.mark.parametrize(
    ("harm", "name"),
    [
        ("ALTER TABLE list_entries DISABLE TRIGGER list_entries_enacted_insert", "list_entries_enacted_insert"),
        ("ALTER TABLE list_entries ENABLE TRIGGER list_entries_enacted_insert", "list_entries_enacted_insert"),
        ("ALTER TABLE terminals DISABLE TRIGGER USER", "terminals_fixed"),
        ("DROP TRIGGER lists_keep ON lists", "lists_keep"),
        ("CREATE OR REPLACE FUNCTION policy_guard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'", "policy_guard"),
        ("ALTER FUNCTION policy_state_guard() RESET ALL", "policy_state_guard"),
        ("ALTER FUNCTION policy_begin(bigint) SECURITY INVOKER", "policy_begin"),
        ("ALTER TABLE policy_writing DISABLE TRIGGER ALL", "policy_writing"),
        ("ALTER TABLE policy_writing DROP CONSTRAINT policy_writing_never_fkey", "policy_writing"),
        (("DROP TRIGGER list_entries_fixed ON list_entries; CREATE TRIGGER list_entries_fixed BEFORE UPDATE ON list_entries "
          "FOR EACH ROW EXECUTE FUNCTION registers_keep()"), "list_entries_fixed"),
    ],
)
def test_a_guard_that_an_owner_broke_shows(site: Site, harm: str, name: str) -> None:
    copied = site.server.new_database(like=site.database)
    home = Home(site.service.path, site.service.id, site.server.address(copied))
    assert check_guard(home) == []
    site.server.run(harm, database=copied)
    assert name in check_guard(home)


def test_names_of_roles_are_plain() -> None:
    with pytest.raises(InputError, match="no plain name"):
        list(role_statements("postgresql+psycopg:///d", "x; DROP TABLE terminals"))
    assert '"a""b"' in next(each for each in role_statements('postgresql+psycopg:///a"b') if "REVOKE ALL ON DATABASE" in each)


def assert_says(error: BaseException, said: str) -> None:
    assert any(part in str(error) for part in said.split("|")), str(error)


def everything(site: Site) -> list[list[object]]:
    with site.server.connected(site.database) as connection:
        return [
            list(connection.execute(sa.text(f"SELECT * FROM {table} ORDER BY 1")))
            for table in (*REGISTERS, "revisions", "policy_enactments", "policy_writing", "policy_never", "lists_salt")
        ]


def test_the_file_that_says_where_the_registers_are_has_no_secret(tmp_path: Path) -> None:
    for text in ("postgresql+psycopg://u:secret@h/d", "postgresql+psycopg://h/d?password=secret", "postgresql://u:secret@h/d?options=-c"):
        with pytest.raises(InputError) as caught:
            Home.create(tmp_path / "home", registers=text)
        assert "secret" not in str(caught.value)
    assert not (tmp_path / "home").exists()
