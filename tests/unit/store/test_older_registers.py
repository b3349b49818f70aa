"""Registers that an earlier version made are completed when they are opened, and what cannot be completed says so."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from groundrule.errors import StoreError
from groundrule.instant import MAX_NS
from groundrule.store.home import Home
from groundrule.store.policy import InForce, install_guard, lists_digest, lists_salt
from groundrule.store.registers import Registers

LIST = "INSERT INTO lists (list_id, title, valid_from, valid_until, recorded_at, superseded_at, revision, governed) "
FIRST = InForce(0, "", "", "", "", 1)


def older(path: Path, *statements: str) -> Home:
    """A home whose registers are like those from before lists had submitters."""
    home = Home.create(path)
    Registers.create(home).close()
    with closing(sqlite3.connect(home.path / "registers.sqlite")) as connection:
        connection.execute("DROP TABLE alembic_version")
        connection.execute("DROP TRIGGER lists_fixed")
        connection.execute("ALTER TABLE lists DROP COLUMN submitters")
        connection.execute(
            "CREATE TRIGGER lists_fixed BEFORE UPDATE ON lists WHEN OLD.title IS NOT NEW.title "
            "BEGIN SELECT RAISE(ABORT, 'registers are append-only'); END"
        )
        connection.execute(LIST + f"VALUES ('aid', 'Aid (invented)', 0, {MAX_NS}, 1, {MAX_NS}, 1, 0)")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return home


def test_a_column_that_came_later_is_added_once_and_the_rest_stays(tmp_path: Path) -> None:
    home = older(tmp_path / "home")
    for _ in range(2):
        with Registers.open(home) as registers:
            (row,) = registers.rows("lists", valid_at_ns=5)
        assert (row["list_id"], row["title"], row["submitters"]) == ("aid", "Aid (invented)", None)


def test_the_triggers_know_the_new_column(tmp_path: Path) -> None:
    home = older(tmp_path / "home")
    Registers.open(home).close()
    with closing(sqlite3.connect(home.path / "registers.sqlite")) as connection, pytest.raises(sqlite3.Error, match="append-only"):
        connection.execute("UPDATE lists SET submitters = 'somebody'")


def test_a_charter_from_before_salts_keeps_the_digest_it_announced(tmp_path: Path) -> None:
    with Registers.open(older(tmp_path / "home")) as registers:
        install_guard(registers, FIRST, salt=b"")
        with registers.reading() as connection:
            assert lists_salt(connection) == b""
            # sha256 of "programmes", "lists", the row without submitters, "list_entries", as it was made then
            assert lists_digest(connection) == "825ddeb577346ad532c2711f683954e7f2b77e161717c22704d59a173450d7d7"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("ALTER TABLE lists ADD COLUMN colour TEXT", "`lists.colour` that this program does not know"),
        ("ALTER TABLE accounts DROP COLUMN governed", "no column `accounts.governed`"),
    ],
)
def test_tables_of_another_version_are_refused_with_what_to_do(tmp_path: Path, statement: str, said: str) -> None:
    drop = ["DROP TRIGGER accounts_fixed"] if "accounts" in statement else []
    home = older(tmp_path / "home", *drop, statement)
    with pytest.raises(StoreError, match=said) as error:
        Registers.open(home)
    assert "program version" in str(error.value.help)
