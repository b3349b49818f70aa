"""What happened, in order, for those who listen: server-sent events, webhooks, the console.

    HOME/events.sqlite

An event has a number without gaps of meaning (numbers grow; some may be missing), its time, its type, what kind of thing it
is about, and data as JSON. A *public* event holds nothing personal and names no terminal. A private one names its subject in
a column of its own, so that what belongs to one owner can be picked out. Events are kept for a time and up to a number;
whoever asks for older ones is told that they are gone. The same event, by its `once`, is stored once.

The file is an account for listeners, not the record: history and log are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from groundrule.errors import InputError
from groundrule.store.home import Home
from groundrule.store.sqlite_file import SqliteFile

KIND: Final = 0x47524556
VERSION: Final = 1
MAX_DATA: Final = 65_536
_WHAT: Final = "log of events"
_SCHEMA: Final = (
    """CREATE TABLE event (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ns INTEGER NOT NULL,
        type TEXT NOT NULL,
        subject_kind TEXT NOT NULL,
        subject TEXT,
        public INTEGER NOT NULL CHECK (public IN (0, 1)),
        data TEXT NOT NULL,
        once TEXT UNIQUE,
        CHECK (public = 0 OR subject IS NULL)
    )""",
    "CREATE INDEX event_of_subject ON event (subject_kind, subject, seq) WHERE subject IS NOT NULL",
    "CREATE INDEX event_by_time ON event (at_ns)",
    """CREATE TABLE taken (
        key TEXT PRIMARY KEY,
        content TEXT NOT NULL,
        at_ns INTEGER NOT NULL
    )""",
)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Attributes:
        type: for instance `terminal.outcome`, `run.committed`, `degraded.began`.
        at_ns: when [ns, UTC].
        subject_kind: what it is about: terminal, run, proposal, request, appeal, emergency, snapshot, service.
        data: JSON; without personal data in a public event.
        subject: id of a terminal or account, in private events only.
        public: anybody may see it.
        seq: its number; 0 before it is stored.
        once: the same event again has the same; None may repeat.
    """

    type: str
    at_ns: int
    subject_kind: str
    data: dict[str, Any]
    subject: str | None = None
    public: bool = False
    seq: int = 0
    once: str | None = None


class EventLog:
    """The events of one home; threads may share it. Use `open`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    @classmethod
    def open(cls, home: Home) -> Self:
        """Open the events of a home, and make the file where there is none; the caller holds the write lock.

        Raises:
            StoreError: it cannot be read or made. InputError: it is another kind of file.
        """
        return cls(SqliteFile.open_or_create(events_file(home), kind=KIND, version=VERSION, what=_WHAT, schema=_SCHEMA))

    @classmethod
    def look(cls, home: Home) -> Self:
        """Open the events of a home for reading, beside whoever writes.

        Raises:
            InputError: there is none yet.
        """
        return cls(SqliteFile.open(events_file(home), kind=KIND, version=VERSION, what=_WHAT, read_only=True))

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def append(self, events: Sequence[Event]) -> list[Event]:
        """Store events durably and return those that were not there yet, with their numbers.

        Raises:
            InputError: a public event names a subject, or data are too long; nothing is stored.
            StoreError: the disk refused; nothing is stored.
        """
        rows = [_row(event) for event in events]
        stored: list[Event] = []
        if not rows:
            return stored
        with self._file.transaction():
            last = self._last()
            for event, row in zip(events, rows, strict=True):
                changed = self._file.run(
                    "INSERT OR IGNORE INTO event (at_ns, type, subject_kind, subject, public, data, once) VALUES (?,?,?,?,?,?,?)",
                    row,
                )
                if changed:
                    last = self._file.one("SELECT last_insert_rowid()")[0]
                    stored.append(
                        Event(event.type, event.at_ns, event.subject_kind, event.data, event.subject, event.public, last, event.once)
                    )
        return stored

    def after(
        self,
        seq: int,
        *,
        limit: int = 1_000,
        public: bool | None = None,
        types: Iterable[str] | None = None,
        subjects: Iterable[str] | None = None,
        until: int | None = None,
    ) -> list[Event]:
        """Return events in order, after a number.

        Args:
            seq: the last number that is known to whoever asks; 0 for all.
            limit: most events.
            public: only public ones, or only private ones; None is both.
            types: only these; a name that ends in `.` stands for all that begin with it.
            subjects: of private events only those about these; public ones are not affected.
            until: up to this number.
        """
        where, values = ["seq > ?"], [seq]
        more: list[Any] = list(values)
        if until is not None:
            where.append("seq <= ?")
            more.append(until)
        if public is not None:
            where.append("public = ?")
            more.append(int(public))
        if types is not None:
            parts = []
            for name in types:
                parts.append("substr(type, 1, ?) = ?" if name.endswith(".") else "type = ?")
                more += [len(name), name] if name.endswith(".") else [name]
            where.append(f"({' OR '.join(parts) or '0'})")
        if subjects is not None:
            where.append("(public = 1 OR subject IN (SELECT value FROM json_each(?)))")
            more.append(json.dumps(sorted(set(subjects))))
        text = f"SELECT seq, at_ns, type, subject_kind, subject, public, data, once FROM event WHERE {' AND '.join(where)}"  # noqa: S608 - parts are constants
        found = self._file.rows(f"{text} ORDER BY seq LIMIT ?", [*more, limit])
        return [
            Event(type_, at_ns, kind, json.loads(data), subject, bool(is_public), number, once)
            for number, at_ns, type_, kind, subject, is_public, data, once in found
        ]

    def each_after(self, seq: int, *, public: bool | None = None) -> Iterator[Event]:
        """Yield all events after a number, in pieces, without holding the file."""
        while found := self.after(seq, public=public):
            yield from found
            seq = found[-1].seq

    def bounds(self) -> tuple[int, int]:
        """Return the first number that is kept and the last that was given; (1, 0) before the first event."""
        first = self._file.one("SELECT min(seq) FROM event")[0]
        last = self._last()
        return (last + 1 if first is None else int(first)), last

    def prune(self, *, before_ns: int, most: int) -> int:
        """Forget events before an instant, and the oldest beyond a number; return how many.

        Args:
            before_ns: [ns, UTC].
            most: events that are kept at most.
        """
        with self._file.transaction():
            gone = self._file.run("DELETE FROM event WHERE at_ns < ?", (before_ns,))
            gone += self._file.run("DELETE FROM event WHERE seq <= ?", (self._last() - most,))
        return gone

    # --- idempotency keys -------------------------------------------------------------------------------------------------

    def take_keys(self, keys: Iterable[tuple[str, str, int]], *, forget_before_ns: int) -> None:
        """Keep (digest of a key, digest of its content, time [ns]) durably, and forget old ones."""
        with self._file.transaction():
            self._file.many("INSERT OR REPLACE INTO taken VALUES (?,?,?)", keys)
            self._file.run("DELETE FROM taken WHERE at_ns < ?", (forget_before_ns,))

    def taken(self, key: str) -> str | None:
        """Return the digest of the content that was taken under a key, or None."""
        found = self._file.rows("SELECT content FROM taken WHERE key = ?", (key,))
        return str(found[0][0]) if found else None

    def _last(self) -> int:
        found = self._file.rows("SELECT seq FROM sqlite_sequence WHERE name = 'event'")
        return int(found[0][0]) if found else 0


def events_file(home: Home) -> Path:
    """Return where the events of a home lie."""
    return home.path / "events.sqlite"


def _row(event: Event) -> tuple[Any, ...]:
    if event.public and event.subject is not None:
        raise InputError(f"a public event of type `{event.type}` names its subject", help="keep it private, or leave it out")
    text = json.dumps(event.data, ensure_ascii=False, separators=(",", ":"))
    if len(text) > MAX_DATA:
        raise InputError(f"an event of {len(text):,} characters", help=f"at most {MAX_DATA:,}")
    return event.at_ns, event.type, event.subject_kind, event.subject, int(event.public), text, event.once
