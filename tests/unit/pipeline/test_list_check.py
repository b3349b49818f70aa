"""A row of a list that nobody enacted shows, whatever the tables say of themselves."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from governed_home import OTHER_BOOK, START, Desk, base_home, desk
from governed_world import HOUR
from groundrule.canon import canonical_json
from groundrule.pipeline import list_check
from groundrule.store.home import Home
from groundrule.store.policy import lists_digest, objects_folder
from groundrule.store.registers import GUARD_TABLE, POLICY_KINDS, Registers
from register_places import Place
from small_home import copy_home


def batch(*terminals: str, remove: tuple[str, ...] = (), state: str = "active") -> bytes:
    add = [{"terminal_id": name, "holder": f"h {name}", "legal_class": "individual", "state": state} for name in terminals]
    return canonical_json({"v": 1, "salt": "5a" * 16, "list": None, "add": add, "remove": list(remove)})


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, place: Place) -> Home:
    """A list that was there at genesis, and three enactments: a batch, a rulebook, a batch with a waiver and a programme."""
    home = base_home(tmp_path_factory.mktemp("lists") / "home", place=place)
    with desk(home) as office:
        office.genesis()
        office.clock.now = START + HOUR
        office.pass_through(office.change("replace", "list/pass", batch("car", state="submitted")))
        office.pass_through(office.change("replace", "rulebook", OTHER_BOOK.encode()))
        waiver = canonical_json({"v": 1, "salt": "6b" * 16, "list_id": "pass", "terminal_id": "guest", "holder": "p9",
                                 "legal_class": "individual", "expires_at_ns": str(START + 900 * HOUR)})  # fmt: skip
        office.pass_through(
            office.change("replace", "list/pass", batch("car", "train")), office.change("create", "waiver/entry-w", waiver),
        )  # fmt: skip
    return home


@pytest.fixture
def office(template: Home, tmp_path: Path, place: Place) -> Iterator[Desk]:
    with desk(copy_home(template, tmp_path / "home", place)) as opened:
        opened.clock.now = START + 2 * HOUR
        opened.nonces = itertools.count(1000)
        yield opened


def tamper(office: Desk, place: Place, *statements: str) -> None:
    """What somebody with the database does: triggers off, rows changed, the digest beside them made right, triggers on."""
    with without_triggers(office, place) as connection:
        for statement in statements:
            assert connection.exec_driver_sql(statement).rowcount > 0, statement
    with Registers.open(office.home) as registers, registers.reading() as reading:
        digest = lists_digest(reading)
    with without_triggers(office, place) as connection:
        last = connection.scalar(sa.text(f"SELECT max(log_index) FROM {GUARD_TABLE}"))
        connection.execute(sa.text(f"UPDATE {GUARD_TABLE} SET lists = :lists WHERE log_index = :at"), {"lists": digest, "at": last})


@contextmanager
def without_triggers(office: Desk, place: Place) -> Iterator[sa.Connection]:
    with place.inside(office.home) as connection:
        if place.is_postgres:
            tables = (*POLICY_KINDS, GUARD_TABLE)
            for table in tables:
                connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            yield connection
            query = "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal"
            for table, name in connection.exec_driver_sql(query).fetchall():
                connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")
            return
        triggers = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type='trigger'").fetchall()
        for name, _ in triggers:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        yield connection
        for _, sql in triggers:
            connection.exec_driver_sql(sql)


def test_what_was_enacted_is_what_the_tables_state(office: Desk) -> None:
    assert office.governance.check() == []
    office.pass_through(office.change("replace", "list/pass", batch(remove=("entry-w",))))
    office.pass_through(office.change("create", "programme/new", canonical_json({"title": "New (invented)"})))
    assert office.governance.check() == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE list_entries SET terminal_id = 'stranger' WHERE terminal_id = 'train' AND superseded_at = 9223372036854775807",
         "differs from what was enacted: terminal_id"),
        ("UPDATE list_entries SET state = 'active' WHERE entry_id = 'entry-w'", None),
        ("UPDATE list_entries SET expires_at = NULL WHERE entry_id = 'entry-w'", "`entry-w` of list_entries differs"),
        ("DELETE FROM list_entries WHERE entry_id = 'entry-w'", "`entry-w` of list_entries was enacted and is not in the tables"),
        (("INSERT INTO list_entries (entry_id, list_id, terminal_id, state, holder, legal_class, valid_from, valid_until, recorded_at,"
         " superseded_at, revision, governed) SELECT 'entry-x', list_id, 'friend', state, 'h', legal_class, valid_from, valid_until,"
         " recorded_at, superseded_at, revision, governed FROM list_entries WHERE entry_id = 'entry-w'"),
         "`entry-x` of list_entries is in the tables and was never enacted"),
        ("UPDATE list_entries SET terminal_id = 'friend' WHERE terminal_id = 'van'", "the lists of genesis in the log"),
    ],
)  # fmt: skip
def test_a_changed_row_shows_by_name(office: Desk, place: Place, statement: str, words: str | None) -> None:
    tamper(office, place, statement)
    found = office.governance.check()
    if words is None:
        assert found == [], "it says what it said"
    else:
        assert any(words in line for line in found), found
        assert not any("friend" in line or "stranger" in line for line in found), "what a row holds stays private"


def test_content_that_is_gone_or_changed_shows(office: Desk) -> None:
    change = office.governance.state.proposals[office.governance.state.enactments[0].enactment.proposal_digest].proposal.change_set[0]
    assert change.after_sha256 is not None
    path = objects_folder(office.home) / change.after_sha256
    path.write_bytes(path.read_bytes().replace(b"car", b"cat"))
    assert any("cannot be made again" in line and "has been changed" in line for line in office.governance.check())
    path.unlink()
    assert any("cannot be made again" in line for line in office.governance.check())


def test_an_enactment_that_wrote_something_else_shows(office: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program that enacted was another one: tables, guard and announcement agree, and the object does not."""
    made = office.propose(office.change("replace", "list/pass", batch("late payer")))
    office.approve(made)
    real = office.governance.enactor.__class__._plan

    def forged(self: object, proposal_id: str, at_ns: int) -> object:
        plan = real(self, proposal_id, at_ns)  # type: ignore[arg-type]
        (write,) = plan.writes
        names = [tuple("stranger" if cell == "late payer" else cell for cell in row) for row in write.rows]
        object.__setattr__(write, "rows", tuple(names))
        return plan

    monkeypatch.setattr(office.governance.enactor.__class__, "_plan", forged)
    assert office.governance.enact(made).in_force
    monkeypatch.undo()
    found = office.governance.check()
    assert any("are not what its objects make of them" in line for line in found), found
    assert any("differs from what was enacted: terminal_id" in line for line in found), found


def test_few_lines_for_many_rows() -> None:
    rows = [(f"e{n}", *(None for _ in list_check.ENTITIES["list_entries"].attributes), 0, 1) for n in range(50)]
    empty: dict[str, list[tuple[object, ...]]] = {kind: [] for kind in list_check.POLICY_KINDS}
    found = list_check._rows_that_differ(empty | {"list_entries": rows}, empty)
    assert len(found) == list_check.MAX_SHOWN + 1
    assert found[-1] == "and 30 rows more"
