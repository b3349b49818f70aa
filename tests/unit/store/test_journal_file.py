"""The journal of what the log could not take: durable before it answers, merged in order, kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from groundrule.errors import ConflictError, InputError, IntegrityError, StoreError
from groundrule.store.journal_file import EMERGENCY, FILE, GROUP, KEEP_NS, MERGED, PENDING, JournalFile, Row

NOW = 1_790_000_000_000_000_000


def filled(folder: Path, rows: int) -> JournalFile:
    journal = JournalFile.open(folder)
    for number in range(rows):
        assert journal.write("evidence", {"number": number}, at_ns=NOW + number * 1_000_000) == number + 1
    return journal


def test_a_row_is_there_once_it_is_written(tmp_path: Path) -> None:
    filled(tmp_path, 1)  # not closed: whoever opens the file next sees what was acknowledged
    with JournalFile.open(tmp_path) as journal:
        (row,) = journal.waiting()
        assert (row.seq, row.kind, row.body, row.state, row.created_at_ns) == (1, "evidence", {"number": 0}, PENDING, NOW)
        assert journal.counts() == {PENDING: 1}
    connection = sqlite3.connect(tmp_path / FILE)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    columns = [row[1:3] for row in connection.execute("PRAGMA table_info(journal)")]
    assert columns == [
        ("seq", "INTEGER"), ("created_at", "TEXT"), ("kind", "TEXT"), ("entry", "BLOB"), ("sha256", "BLOB"), ("state", "TEXT"),
    ]  # fmt: skip


def test_rows_are_merged_in_order_and_marked_after_they_are_acknowledged(tmp_path: Path) -> None:
    journal, taken, groups = filled(tmp_path, GROUP + 3), [], []

    def append(rows: Sequence[Row]) -> None:
        assert journal.counts().get(MERGED, 0) == len(taken), "marked before it was acknowledged"
        taken.extend(row.body["number"] for row in rows)
        groups.append(len(rows))

    assert journal.merge(append) == GROUP + 3
    assert (taken, groups) == (list(range(GROUP + 3)), [GROUP, 3])
    assert journal.merge(append) == 0
    assert journal.counts() == {MERGED: GROUP + 3}


def test_a_merge_that_breaks_off_goes_on_where_it_was(tmp_path: Path) -> None:
    journal, taken = filled(tmp_path, GROUP + 5), []

    def full(rows: Sequence[Row]) -> None:
        if taken:
            raise StoreError("the disk is full")
        taken.extend(rows)

    with pytest.raises(StoreError):
        journal.merge(full)
    assert journal.counts() == {MERGED: GROUP, PENDING: 5}
    assert [row.seq for row in journal.waiting()] == list(range(GROUP + 1, GROUP + 6))


def test_an_emergency_shows_as_not_logged_until_it_is(tmp_path: Path) -> None:
    journal = filled(tmp_path, 1)
    journal.write("emergency-open", {"id": "e"}, at_ns=NOW, emergency=True)
    (row,) = journal.emergencies()
    assert (row.state, row.kind) == (EMERGENCY, "emergency-open")
    journal.merge(lambda _rows: None)
    assert journal.emergencies() == []


def test_nothing_younger_than_90_days_and_nothing_that_waits_is_removed(tmp_path: Path) -> None:
    journal = filled(tmp_path, 3)
    assert journal.forget(NOW + 2 * KEEP_NS) == 0, "rows that wait are kept for ever"
    journal.merge(lambda _rows: None)
    assert journal.forget(NOW + KEEP_NS) == 0
    assert journal.forget(NOW + KEEP_NS + 2_500_000) == 2
    assert journal.counts() == {MERGED: 1}


def test_rows_are_never_changed(tmp_path: Path) -> None:
    filled(tmp_path, 1).close()
    connection = sqlite3.connect(tmp_path / FILE)
    for statement in ("UPDATE journal SET entry = x'7b7d'", "UPDATE journal SET created_at = ''", "DELETE FROM journal"):
        with pytest.raises(sqlite3.IntegrityError, match="journal"):
            connection.execute(statement)
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("UPDATE journal SET state = 'gone'")


def test_a_damaged_row_is_never_merged(tmp_path: Path) -> None:
    filled(tmp_path, 2).close()
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute("DROP TRIGGER journal_is_fixed")
    connection.execute("UPDATE journal SET entry = x'7b7d' WHERE seq = 1")
    connection.commit()
    with JournalFile.open(tmp_path) as journal, pytest.raises(IntegrityError, match="row 1 of the journal is damaged"):
        journal.merge(lambda rows: pytest.fail(f"merged {rows}"))


def test_another_file_is_refused(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / FILE).execute("CREATE TABLE x (y)").connection.close()
    with pytest.raises((InputError, ConflictError), match="not a journal"):
        JournalFile.open(tmp_path)
