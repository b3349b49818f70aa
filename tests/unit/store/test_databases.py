"""The door to the database of the registers: addresses, passwords, a server that goes and comes back, and the same in both places."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundrule.errors import ConflictError, InputError, MissingExtra, StoreError
from groundrule.instant import MAX_NS
from groundrule.store.databases import PASSWORD, checked_address, let_go, looking, shown, with_user
from groundrule.store.home import Home
from groundrule.store.policy import InForce, enacting, install_guard, lists_digest
from groundrule.store.register_dump import dump
from groundrule.store.registers import Registers
from register_places import WITH_PASSWORD, Place, Server, running
from small_home import ACCOUNTS, LIST, TERMINALS, register

FIRST = InForce(0, "", "", "", "", 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mysql://h/d", "are not known"),
        ("sqlite:////tmp/x", "are not known"),
        ("postgresql+asyncpg://h/d", "are not known"),
        ("nothing at all", "cannot be understood"),
        ("postgresql://h", "names no database"),
        ("postgresql://u:secret@h/d", "holds a password"),
        ("postgresql://u:@h/d", "holds a password"),
        ("postgresql:///d?password=secret", "holds a password"),
        ("postgresql:///d?options=-csession_replication_role%3Dreplica", "says `options`"),
        ("postgresql:///d?schema=a;b", "no plain name"),
        ("postgresql:///d?schema=A", "no plain name"),
        ("postgresql:///d?schema=a&schema=b", "no plain name"),
        ("postgresql:///d?service=x", "says `service`"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_saying_its_secrets(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        Home.create(tmp_path / "home", registers=text)
    assert "secret" not in str(refused.value)
    assert not (tmp_path / "home").exists()


def test_a_home_names_where_its_registers_are_and_an_older_program_refuses_it(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home", registers="postgresql://app@db.example:5433/d?sslmode=verify-full&schema=one")
    told = json.loads((home.path / "home.json").read_text())
    assert told["version"] == 2, "who reads version 1 only would make empty registers in the home"
    address = "postgresql+psycopg://app@db.example:5433/d?schema=one&sslmode=verify-full"
    assert told["registers"] == {"url": address} == {"url": Home.open(home.path).registers}
    assert checked_address(address) == address
    told["registers"]["url"] = "postgresql://app:secret@db.example/d"
    (home.path / "home.json").write_text(json.dumps(told))
    with pytest.raises(InputError, match="holds a password"):
        Home.open(home.path)
    assert shown("postgresql://app:secret@db.example/d") == "postgresql://app:***@db.example/d"
    embedded = Home.create(tmp_path / "embedded")
    assert json.loads((embedded.path / "home.json").read_text()).keys() == {"format", "version", "id"}


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    let_go()
    for name in [name for name in sys.modules if name.split(".")[0] == "psycopg"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    home = Home.create(tmp_path / "home", registers="postgresql:///d")
    with pytest.raises(MissingExtra) as refused:
        Registers.open(home)
    assert "groundrule[postgres]" in str(refused.value.help)


def test_the_password_comes_from_the_environment_and_stands_nowhere(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.run(f"CREATE ROLE {WITH_PASSWORD} LOGIN SUPERUSER PASSWORD 'very secret'")
    try:
        address = postgres.address(postgres.new_database(), WITH_PASSWORD)
        home = Home.create(tmp_path / "home", registers=address)
        for wrong in (None, "wrong secret"):
            monkeypatch.delenv(PASSWORD, raising=False)
            if wrong is not None:
                monkeypatch.setenv(PASSWORD, wrong)
            with pytest.raises(StoreError) as refused:
                Registers.create(home)
            assert "secret" not in f"{refused.value} {refused.value.context}"
        monkeypatch.setenv(PASSWORD, "very secret")
        with Registers.create(home) as registers:
            assert registers.revision().revision == 0
        let_go()
        monkeypatch.delenv(PASSWORD)
        (tmp_path / "pass").write_text(f"*:*:*:{WITH_PASSWORD}:very secret\n")
        (tmp_path / "pass").chmod(0o600)
        monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pass"))
        with Registers.open(home) as registers:
            assert registers.revision().revision == 0
        assert b"secret" not in (home.path / "home.json").read_bytes()
    finally:
        let_go()
        postgres.run(f"ALTER ROLE {WITH_PASSWORD} NOLOGIN NOSUPERUSER")


def test_a_server_that_goes_is_an_error_and_what_it_acknowledged_is_there_when_it_comes_back(tmp_path: Path) -> None:
    with running() as server:
        home = Home.create(tmp_path / "home", registers=server.address(server.new_database()))
        Registers.create(home).close()
        register(home, "terminals", TERMINALS)
        with Registers.open(home) as registers:
            known = registers.revision()
            server.stop(crash=True)
            for act in (registers.revision, lambda: register(home, "accounts", ACCOUNTS), lambda: Registers.open(home)):
                with pytest.raises(StoreError):
                    act()
            server.start()
            assert registers.revision() == known
        assert register(home, "accounts", ACCOUNTS).inserted > 0


def test_schemas_of_one_database_hold_a_home_each(postgres: Server, tmp_path: Path) -> None:
    database = postgres.new_database()
    homes = [Home.create(tmp_path / name, registers=postgres.address(database, schema=name)) for name in ("one", "two")]
    for home in homes:
        Registers.create(home).close()
    register(homes[0], "accounts", ACCOUNTS)
    with Registers.open(homes[0]) as one, Registers.open(homes[1]) as two:
        assert (one.revision().revision, two.revision().revision) == (1, 0)
    with pytest.raises(ConflictError, match="already"):
        Registers.create(Home(tmp_path, "third", homes[0].registers))


def test_two_writers_wait_for_each_other(postgres: Server, tmp_path: Path) -> None:
    place = Place(postgres)
    home = place.home(tmp_path / "home")
    options = {"recorded_at_ns": 5, "actor": "test", "source": "x", "source_digest": "", "governed": False}
    order: list[str] = []

    def second() -> None:
        with Registers.open(home) as registers, registers.recording("plans", **options) as recording:  # type: ignore[arg-type]  # named above
            order.append("second")
            recording.put([("b", None, None, None, None)])

    with Registers.open(home) as registers:
        with registers.recording("plans", **options) as recording:  # type: ignore[arg-type]  # named above
            recording.put([("a", None, None, None, None)])
            thread = threading.Thread(target=second)
            thread.start()
            thread.join(0.3)
            order.append("first")
        thread.join(10)
        assert order == ["first", "second"]
        assert [each.revision for each in registers.revisions()] == [1, 2]


def test_reading_sees_one_moment(place: Place, tmp_path: Path) -> None:
    home = place.home(tmp_path / "home")
    count = sa.text("SELECT count(*) FROM accounts")
    with Registers.open(home) as registers, registers.reading() as connection, looking(home.registers_url) as other:
        if not place.is_postgres:
            other.exec_driver_sql("BEGIN")
        assert (connection.scalar(count), other.scalar(count)) == (0, 0)
        register(home, "accounts", ACCOUNTS)
        assert (connection.scalar(count), other.scalar(count)) == (0, 0)
    with Registers.open(home) as registers, registers.reading() as connection:
        assert connection.scalar(count) > 0


_WORDS = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), min_size=1, max_size=8)
_ROW = st.tuples(_WORDS, st.none() | _WORDS, st.none() | st.integers(-(2**63), 2**63 - 1), st.sampled_from([None, 1, 2, 5]))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_ROW, max_size=8, unique_by=lambda row: row[0]), st.floats(-180, 180), st.booleans())
def test_both_places_hold_and_digest_the_same(
    postgres: Server, tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str | None, int | None, int | None]],
    longitude: float, charter: bool,
) -> None:  # fmt: skip
    told = []
    database = postgres.new_database()
    for where in (None, postgres.address(database)):
        home = Home.create(tmp_path_factory.mktemp("both") / "home", home_id="same", registers=where)
        options = {"actor": "ü\u202e", "source": "x", "source_digest": "", "governed": False}
        with Registers.create(home) as registers:
            for at, kind in ((3, "list_entries"), (4, "list_entries"), (5, "terminals")):
                with registers.recording(kind, recorded_at_ns=at, **options) as recording:  # type: ignore[arg-type]  # named above
                    width = len(recording._columns) - 1
                    empty = [None] * width
                    for key, text, number, since in rows:
                        values = list(empty)
                        values[0] = text
                        if kind == "terminals":
                            values[recording._columns.index("service_lon_deg") - 1] = longitude
                            values[recording._columns.index("activated_at") - 1] = number
                        else:
                            values[recording._columns.index("expires_at") - 1] = number
                        recording.put([(key, *values, since if at == 4 else None, MAX_NS if at == 4 and since else None)])
            if charter:
                install_guard(registers, FIRST, salt=b"s" * 32)
                with enacting(registers, InForce(7, "p", "r", "a", "", 9)) as tables, tables.recording("programmes") as recording:
                    recording.put([(key, text, None, None, None, None, None) for key, text, _, _ in rows])
            with registers.reading() as connection:
                digests = lists_digest(connection)
            told.append((digests, registers.revision(), registers.revisions(), list(registers.owners())))
        told[-1] += (dump(home.registers_url, tmp_path_factory.mktemp("dump")),)
    let_go()
    postgres.run(f"DROP DATABASE {database} WITH (FORCE)")
    assert told[0] == told[1]


def test_text_that_one_place_cannot_hold_is_refused_as_a_row(place: Place, tmp_path: Path) -> None:
    home = place.home(tmp_path / "home")
    report = register(home, "accounts", "account_id,party_id\na,p\nb,\x00p\nc,p\n")
    assert (report.inserted, report.rejected) == (2, 1)
    assert list(home.rejected.iterdir())


def test_lists_are_imported_and_found(place: Place, tmp_path: Path) -> None:
    home = place.home(tmp_path / "home")
    register(home, "list_entries", LIST)
    with Registers.open(Home(home.path, home.id, home.registers and with_user(home.registers, "groundrule_tests"))) as registers:
        assert [row["holder"] for row in registers.rows("list_entries", valid_at_ns=0, keys=[f"k{n}" for n in range(30_000)])] == []
        assert len(list(registers.rows("list_entries", valid_at_ns=0))) == 1
