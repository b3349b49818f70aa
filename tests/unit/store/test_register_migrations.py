"""Versions of the registers: an upgrade leaves what a new database is made as, keeps every row, and refuses what it does not know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from groundrule.errors import StoreError
from groundrule.instant import MAX_NS
from groundrule.store import migrations
from groundrule.store.databases import engine_of, is_postgres, looking
from groundrule.store.home import Home
from groundrule.store.policy import InForce, check_guard, install_guard
from groundrule.store.register_tables import METADATA
from groundrule.store.register_versions import HEAD, VERSIONS, make_tables, stamp, version_of
from groundrule.store.registers import Registers
from register_places import Place
from small_home import ACCOUNTS, LIST, TERMINALS, register

FIRST = InForce(0, "", "", "", "", 1)


def shape(engine: sa.Engine) -> dict[str, Any]:
    """All that a database says of its tables, in no order of columns."""
    with engine.connect() as connection:
        if is_postgres(connection):
            queries = (
                ("SELECT table_name, column_name, data_type, is_nullable, collation_name, column_default "
                 "FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY 1, 2"),
                "SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() ORDER BY 1",
                ("SELECT pg_get_triggerdef(t.oid), tgenabled::text FROM pg_trigger t WHERE NOT tgisinternal "
                 "ORDER BY tgrelid::regclass::text, 1"),
                ("SELECT pg_get_functiondef(p.oid), proacl::text FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace "
                 "WHERE n.nspname = current_schema() ORDER BY 1"),
                ("SELECT pg_get_constraintdef(c.oid) FROM pg_constraint c JOIN pg_namespace n ON n.oid = connamespace "
                 "WHERE n.nspname = current_schema() ORDER BY conrelid::regclass::text, 1"),
            )
            return {query[:40] + str(n): [tuple(row) for row in connection.execute(sa.text(query))] for n, query in enumerate(queries)}
        held = sa.inspect(connection)
        columns = {
            name: {(c["name"], str(c["type"]), c["nullable"], c["primary_key"]) for c in held.get_columns(name)}
            for name in held.get_table_names()
        }
        triggers = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type IN ('trigger', 'index') ORDER BY 1")
        return {"columns": columns, "made": [tuple(row) for row in triggers]}


def test_an_upgrade_from_nothing_makes_what_a_new_database_is(place: Place, tmp_path: Path) -> None:
    shapes = []
    for name, make in (("a", lambda c: make_tables(c, None)), ("b", migrations.run)):
        (tmp_path / name).mkdir()
        engine = engine_of(place.url(tmp_path / name), make=True)
        with engine.begin() as connection:
            make(connection)
            assert version_of(connection) == HEAD
        shapes.append(shape(engine))
        engine.dispose()
    assert shapes[0] == shapes[1]


def test_the_last_migration_is_the_version_that_the_program_works_with(place: Place, tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = engine_of(place.url(tmp_path), make=True)
    with engine.begin() as connection:
        migrations.run(connection)
        ignored = {"policy_never", "policy_writing", "policy_enactments", "lists_salt", "registers_home"}
        told = compare_metadata(MigrationContext.configure(connection), METADATA)
        assert [each for each in told if getattr(each[1], "name", None) not in ignored] == []
    engine.dispose()
    files = sorted(path.stem for path in (Path(migrations.__file__).parent / "versions").glob("v*.py"))
    assert files == [f"v{version}" for version in VERSIONS]


def first_version(place: Place, path: Path, *, stamped: bool = True) -> Home:
    """A home whose registers are of the first version, with rows."""
    home = Home.create(path, registers=place.address())
    engine = engine_of(home.registers_url, make=True)
    with engine.begin() as connection:
        migrations.run(connection, VERSIONS[0])
        connection.exec_driver_sql(
            "INSERT INTO lists (list_id, title, valid_from, valid_until, recorded_at, superseded_at, revision, governed) "
            f"VALUES ('aid', 'Aid (invented)', 0, {MAX_NS}, 1, {MAX_NS}, 1, false)"
        )
        if not stamped:
            connection.exec_driver_sql("DROP TABLE alembic_version")
    if not place.is_postgres:
        engine.dispose()
    return home


@pytest.mark.parametrize("stamped", [True, False])
def test_older_registers_are_refused_with_what_to_do_and_upgraded_with_every_row(place: Place, tmp_path: Path, stamped: bool) -> None:
    home = first_version(place, tmp_path / "home", stamped=stamped)
    if stamped:
        with pytest.raises(StoreError, match="of version 0001_registers") as refused:
            Registers.open(home)
        assert "groundrule upgrade" in str(refused.value.help)
    before = shape(engine_of(home.registers_url))
    assert migrations.upgrade(home.registers_url, dry_run=True) == (VERSIONS[0], list(VERSIONS[1:]))
    assert shape(engine_of(home.registers_url)) == before, "a dry run changes nothing"
    assert migrations.upgrade(home.registers_url) == (VERSIONS[0], list(VERSIONS[1:]))
    assert migrations.upgrade(home.registers_url) == (HEAD, [])
    with Registers.open(home) as registers:
        (row,) = registers.rows("lists", valid_at_ns=5)
        assert (row["list_id"], row["title"], row["submitters"]) == ("aid", "Aid (invented)", None)
        with pytest.raises(StoreError, match="append-only"), registers.writing() as connection:
            connection.execute(sa.text("UPDATE lists SET submitters = 'somebody'"))


def test_an_upgrade_that_fails_leaves_all_as_it_was(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = first_version(place, tmp_path / "home")
    before, real = shape(engine_of(home.registers_url)), migrations.run_sql

    def broken(connection: sa.Connection, name: str) -> None:
        real(connection, name)
        connection.exec_driver_sql("SELECT * FROM nowhere")

    monkeypatch.setattr(migrations, "run_sql", broken)
    with pytest.raises(StoreError, match="cannot be upgraded"):
        migrations.upgrade(home.registers_url)
    assert shape(engine_of(home.registers_url)) == before


def test_registers_of_a_later_program_are_refused(place: Place, tmp_path: Path) -> None:
    home = place.home(tmp_path / "home")
    with engine_of(home.registers_url).begin() as connection:
        stamp(connection, "0999_future")
    for act in (lambda: Registers.open(home), lambda: migrations.upgrade(home.registers_url)):
        with pytest.raises(StoreError, match="`0999_future`, which this program does not know") as refused:
            act()
        assert "program version that wrote them" in str(refused.value.help)


def test_a_home_of_the_present_version_from_before_versions_is_adopted(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    Registers.create(home).close()
    for kind, text in (("accounts", ACCOUNTS), ("terminals", TERMINALS), ("list_entries", LIST)):
        register(home, kind, text)
    with Registers.open(home) as registers:
        install_guard(registers, FIRST)
        known = registers.revision()
        with registers.writing() as connection:
            connection.exec_driver_sql("DROP TABLE alembic_version")
    with Registers.open(home) as registers, registers.reading() as connection:
        assert version_of(connection) == HEAD
        assert registers.revision() == known
    assert check_guard(home) == []


def test_registers_that_are_gone_or_those_of_another_home_are_not_taken_for_empty_ones(place: Place, tmp_path: Path) -> None:
    home = place.home(tmp_path / "home")
    if place.is_postgres:  # a file in the home is of that home
        other = Home(tmp_path / "other", "another", home.registers)
        with pytest.raises(StoreError, match="another home"):
            Registers.open(other)
        with pytest.raises(StoreError, match="no registers"):
            Registers.open(Home(tmp_path / "lost", "lost", place.address()))
        return
    register(home, "accounts", ACCOUNTS)
    there, away = home.path / "registers.sqlite", home.path / "away.sqlite"
    with Registers.open(home) as registers:
        known = registers.revision()
    there.rename(away)
    with pytest.raises(StoreError, match="the file is not there: bring it back"):
        Registers.open(home)
    with pytest.raises(StoreError), looking(home.registers_url):
        pass
    with pytest.raises(StoreError):
        migrations.upgrade(home.registers_url)
    assert not there.exists(), "an empty file in its place would take the journal of the other along"
    there.touch()
    with pytest.raises(StoreError, match="no registers"):
        Registers.open(home)
    away.rename(there)
    with Registers.open(home) as registers:
        assert registers.revision() == known
