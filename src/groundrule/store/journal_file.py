"""What was decided while the log took nothing: kept durably beside the deciding side, and merged into the log later.

    journal.sqlite (WAL, synchronous FULL)
    journal(seq, created_at, kind, entry, sha256, state)    state: pending, merged, unlogged-emergency

A row is written before the answer it is about is given. Rows are merged in their order, each with its own time in its body;
they are marked only after the log has acknowledged them, and none younger than 90 days is ever removed. An emergency that
was opened meanwhile shows as `unlogged-emergency` until it is merged.

Source: reliability specification, sections 3.3 and 4.3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

from groundrule.canon import canonical_json, parse_canonical
from groundrule.errors import InputError, IntegrityError
from groundrule.govern.signed import format_time, parse_time, whole_ms
from groundrule.store.sqlite_file import SqliteFile

FILE: Final = "journal.sqlite"
KIND: Final = 0x47524A4E  # "GRJN"
VERSION: Final = 1
PENDING, MERGED, EMERGENCY = "pending", "merged", "unlogged-emergency"
KEEP_NS: Final = 90 * 86_400 * 1_000_000_000
"""No row younger than this is removed [ns]."""
GROUP: Final = 500
"""Rows that are merged at a time."""
_SCHEMA: Final = (
    """CREATE TABLE journal (
        seq INTEGER PRIMARY KEY, created_at TEXT NOT NULL, kind TEXT NOT NULL, entry BLOB NOT NULL, sha256 BLOB NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('pending', 'merged', 'unlogged-emergency')))""",
    "CREATE INDEX journal_open ON journal (state, seq)",
    """CREATE TRIGGER journal_is_fixed BEFORE UPDATE OF seq, created_at, kind, entry, sha256 ON journal
        BEGIN SELECT RAISE(ABORT, 'rows of the journal are never changed'); END""",
    """CREATE TRIGGER journal_is_kept BEFORE DELETE ON journal WHEN old.state <> 'merged'
        BEGIN SELECT RAISE(ABORT, 'rows of the journal are kept until they are merged'); END""",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        seq: its place.
        created_at_ns: when it was written [ns, UTC].
        kind: kind of the entry that it becomes.
        body: body of that entry.
        state: `pending`, `merged` or `unlogged-emergency`.
    """

    seq: int
    created_at_ns: int
    kind: str
    body: dict[str, Any]
    state: str


class JournalFile:
    """A journal; use `open`. Threads may share it."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the journal of a folder; one without gets an empty one.

        Raises:
            InputError: the file is something else. StoreError: the disk refused.
        """
        folder.mkdir(parents=True, exist_ok=True)
        return cls(SqliteFile.open_or_create(folder / FILE, kind=KIND, version=VERSION, what="journal", schema=_SCHEMA))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def write(self, kind: str, body: Mapping[str, Any], *, at_ns: int, emergency: bool = False) -> int:
        """Write one row, durably; return its place.

        Args:
            kind: kind of the entry that it becomes.
            body: of that entry.
            at_ns: now [ns, UTC].
            emergency: it is an emergency that takes effect before the log holds it.
        """
        data = canonical_json(dict(body))
        values = (format_time(whole_ms(at_ns)), kind, data, sha256(data).digest(), EMERGENCY if emergency else PENDING)
        with self._file.transaction():
            self._file.run("INSERT INTO journal (created_at, kind, entry, sha256, state) VALUES (?, ?, ?, ?, ?)", values)
            return int(self._file.one("SELECT last_insert_rowid()")[0])

    def waiting(self, limit: int = GROUP) -> list[Row]:
        """Return the first rows that are not merged, in order.

        Raises:
            IntegrityError: a row is not what was written.
        """
        found = self._file.rows(
            "SELECT seq, created_at, kind, entry, sha256, state FROM journal WHERE state <> 'merged' ORDER BY seq LIMIT ?", (limit,)
        )
        return [_row(each) for each in found]

    def emergencies(self) -> list[Row]:
        """Return the emergencies that take effect and that the log does not hold."""
        found = self._file.rows(
            "SELECT seq, created_at, kind, entry, sha256, state FROM journal WHERE state = ? ORDER BY seq", (EMERGENCY,)
        )
        return [_row(each) for each in found]

    def counts(self) -> dict[str, int]:
        """Return the number of rows by state."""
        return {state: int(count) for state, count in self._file.rows("SELECT state, count(*) FROM journal GROUP BY state")}

    def merge(self, append: Callable[[Sequence[Row]], None]) -> int:
        """Hand all waiting rows to the log, in order; return how many it took.

        Args:
            append: takes rows, in order, and returns once the log has acknowledged them; whatever it raises ends the merge,
                and the rows it was given are handed over again by the next one.
        """
        merged = 0
        while rows := self.waiting():
            append(rows)
            with self._file.transaction():
                self._file.many("UPDATE journal SET state = 'merged' WHERE seq = ?", [(row.seq,) for row in rows])
            merged += len(rows)
        return merged

    def forget(self, now_ns: int) -> int:
        """Remove merged rows that are 90 days old; return how many."""
        before = format_time(whole_ms(now_ns - KEEP_NS))
        with self._file.transaction():
            return self._file.run("DELETE FROM journal WHERE state = 'merged' AND created_at < ?", (before,))


def _row(found: tuple[Any, ...]) -> Row:
    seq, created_at, kind, entry, digest, state = found
    try:
        if sha256(entry).digest() != digest:
            raise InputError("digest")
        body = parse_canonical(entry)
        if not isinstance(body, dict):
            raise InputError("body")
        return Row(int(seq), parse_time(created_at), str(kind), body, str(state))
    except (InputError, TypeError, ValueError) as error:
        raise IntegrityError(f"row {seq} of the journal is damaged", help="restore it from a copy; never merge it") from error
