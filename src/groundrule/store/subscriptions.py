"""Who is told what happens: webhooks and geofences, and what waits to be delivered to them.

    HOME/subscriptions.sqlite

A *sink* is an address that is told. What it is told is stored before it is sent, each piece once under its own id, and leaves
only when the sink has taken it, or is laid aside as *dead*. So nothing is lost by a crash or an outage, and a piece may arrive twice
but never under two ids. Within a sink the order is that of `place`.

What opens a sink (a token) is kept sealed; with the row it is overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Self, get_args

from groundrule.store.home import Home
from groundrule.store.sqlite_file import SqliteFile

KIND: Final = 0x47525342  # "GRSB"
VERSION: Final = 1
_SCHEMA: Final = (
    """CREATE TABLE sink (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('webhook', 'geofence')), owner TEXT NOT NULL, address TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('active', 'gone', 'ended')), made_ns INTEGER NOT NULL, spec TEXT NOT NULL, secret BLOB,
        position INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0, next_ns INTEGER NOT NULL DEFAULT 0, failed TEXT,
        delivered INTEGER NOT NULL DEFAULT 0, delivered_ns INTEGER) STRICT""",
    """CREATE TABLE delivery (
        number INTEGER PRIMARY KEY AUTOINCREMENT, sink TEXT NOT NULL REFERENCES sink (id) ON DELETE CASCADE, place INTEGER NOT NULL,
        id TEXT NOT NULL, body TEXT NOT NULL, made_ns INTEGER NOT NULL, dead_ns INTEGER, error TEXT, UNIQUE (sink, id)) STRICT""",
    "CREATE INDEX waiting ON delivery (sink, place) WHERE dead_ns IS NULL",
    "CREATE INDEX dead ON delivery (sink, number) WHERE dead_ns IS NOT NULL",
)
_SINK: Final = "id, kind, owner, address, state, made_ns, spec, secret, position, tries, next_ns, failed, delivered, delivered_ns"

SinkKind = Literal["webhook", "geofence"]
SinkState = Literal["active", "gone", "ended"]
SINK_KINDS: Final[tuple[SinkKind, ...]] = get_args(SinkKind)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What has not arrived at the sinks of one kind.

    Attributes:
        waiting: pieces that will be tried; those for a sink that is gone are not among them.
        dead: pieces that were laid aside and are still kept.
        oldest_ns: when the oldest of those that wait was stored [ns, UTC]; None where none waits.
    """

    waiting: int = 0
    dead: int = 0
    oldest_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Sink:
    """An address that is told.

    Attributes:
        id: random.
        kind: webhook or geofence.
        owner: id of the credentials that made it.
        address: https URL.
        state: active; gone (it said that it is no more); ended (what it is told of is over).
        made_ns: [ns, UTC].
        spec: what it is told of; JSON.
        secret: sealed.
        position: last event of the home's log that was looked at for it.
        tries: how often the delivery at the head failed.
        next_ns: when it is tried again [ns, UTC].
        failed: why the last try failed.
        delivered, delivered_ns: how many were taken, and when the last was [ns, UTC].
    """

    id: str
    kind: SinkKind
    owner: str
    address: str
    state: SinkState
    made_ns: int
    spec: dict[str, Any]
    secret: bytes | None = field(default=None, repr=False)
    position: int = 0
    tries: int = 0
    next_ns: int = 0
    failed: str | None = None
    delivered: int = 0
    delivered_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One piece for one sink.

    Attributes:
        number: grows by one; names it for redelivery.
        id: of the event, unique within its source.
        body: as it is sent.
        made_ns: when it was stored [ns, UTC].
        dead_ns: when it was given up [ns, UTC]; None while it waits.
        error: why.
    """

    number: int
    id: str
    body: str
    made_ns: int
    dead_ns: int | None = None
    error: str | None = None


class SubscriptionStore:
    """The open store; threads may share it."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    @classmethod
    def open(cls, home: Home) -> Self:
        """Open the store of a home, and make it where there is none; the caller holds the write lock.

        Raises:
            StoreError: the disk refused. InputError: the file is something else.
        """
        path, what = home.path / "subscriptions.sqlite", "store of subscriptions"
        return cls(SqliteFile.open_or_create(path, kind=KIND, version=VERSION, what=what, schema=_SCHEMA))

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    # --- sinks ------------------------------------------------------------------------------------------------------------

    def add(self, sink: Sink, bodies: Iterable[tuple[str, str]] = ()) -> None:
        """Keep a sink, with what it is told first: (event id, body)."""
        with self._file.transaction():
            self._file.run(
                f"INSERT INTO sink ({_SINK}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608 - names of this module
                (sink.id, sink.kind, sink.owner, sink.address, sink.state, sink.made_ns, json.dumps(sink.spec), sink.secret,
                 sink.position, sink.tries, sink.next_ns, sink.failed, sink.delivered, sink.delivered_ns),
            )  # fmt: skip
            self._put(sink.id, bodies, sink.made_ns)

    def sinks(self, kind: SinkKind, *, owner: str | None = None) -> list[Sink]:
        """Return the sinks of a kind in the order in which they were made."""
        clause, values = (" AND owner = ?", (kind, owner)) if owner is not None else ("", (kind,))
        query = f"SELECT {_SINK} FROM sink WHERE kind = ?{clause} ORDER BY made_ns, rowid"  # noqa: S608 - one of two clauses above
        return [_sink(row) for row in self._file.rows(query, values)]

    def sink(self, sink_id: str) -> Sink | None:
        """Return a sink, or None."""
        found = self._file.rows(f"SELECT {_SINK} FROM sink WHERE id = ?", (sink_id,))  # noqa: S608 - names of this module
        return _sink(found[0]) if found else None

    def remove(self, sink_id: str) -> bool:
        """Forget a sink with all that waits for it."""
        with self._file.transaction():
            return bool(self._file.run("DELETE FROM sink WHERE id = ?", (sink_id,)))

    def tell(
        self, sink_id: str, bodies: Iterable[tuple[str, str]], now_ns: int, *, position: int | None = None,
        spec: dict[str, Any] | None = None, state: SinkState | None = None,
    ) -> None:  # fmt: skip
        """Store what a sink is told, together with what it makes of the sink: all of it, or nothing.

        Args:
            sink_id: which.
            bodies: (event id, body); one that was stored before is left as it is.
            now_ns: the time [ns, UTC].
            position: last event that was looked at.
            spec, state: what they are now; None leaves them.
        """
        with self._file.transaction():
            self._put(sink_id, bodies, now_ns)
            if position is not None:
                self._file.run("UPDATE sink SET position = ? WHERE id = ?", (position, sink_id))
            if spec is not None:
                self._file.run("UPDATE sink SET spec = ? WHERE id = ?", (json.dumps(spec), sink_id))
            if state is not None:
                self._file.run("UPDATE sink SET state = ? WHERE id = ?", (state, sink_id))

    def _put(self, sink_id: str, bodies: Iterable[tuple[str, str]], now_ns: int) -> None:
        place = self._last_place(sink_id)
        rows = [(sink_id, place + n, event, body, now_ns) for n, (event, body) in enumerate(bodies, 1)]
        self._file.many("INSERT OR IGNORE INTO delivery (sink, place, id, body, made_ns) VALUES (?,?,?,?,?)", rows)

    def _last_place(self, sink_id: str) -> int:
        return int(self._file.one("SELECT coalesce(max(place), 0) FROM delivery WHERE sink = ?", (sink_id,))[0])

    # --- deliveries -------------------------------------------------------------------------------------------------------

    def waiting(self, sink_id: str) -> int:
        """Return how many pieces wait for a sink."""
        return int(self._file.one("SELECT count(*) FROM delivery WHERE sink = ? AND dead_ns IS NULL", (sink_id,))[0])

    def backlog(self) -> dict[SinkKind, Backlog]:
        """Return what has not arrived, by kind of sink; every kind is named."""
        waiting = (
            "SELECT kind, count(*), min(delivery.made_ns) FROM delivery JOIN sink ON sink.id = sink "
            "WHERE dead_ns IS NULL AND state <> 'gone' GROUP BY kind"
        )
        dead = "SELECT kind, count(*) FROM delivery JOIN sink ON sink.id = sink WHERE dead_ns IS NOT NULL GROUP BY kind"
        found = dict.fromkeys(SINK_KINDS, Backlog())
        for kind, count, oldest_ns in self._file.rows(waiting):
            found[kind] = Backlog(count, 0, oldest_ns)
        for kind, count in self._file.rows(dead):
            found[kind] = replace(found[kind], dead=count)
        return found

    def due(self, now_ns: int) -> list[str]:
        """Return the sinks for which something waits that may be sent now."""
        query = (
            "SELECT id FROM sink WHERE next_ns <= ? AND state <> 'gone' "
            "AND EXISTS (SELECT 1 FROM delivery WHERE sink = sink.id AND dead_ns IS NULL) ORDER BY next_ns"
        )
        return [str(row[0]) for row in self._file.rows(query, (now_ns,))]

    def next_due_ns(self) -> int | None:
        """Return when the next try is due [ns, UTC]; None where nothing waits."""
        query = (
            "SELECT min(next_ns) FROM sink WHERE state <> 'gone' "
            "AND EXISTS (SELECT 1 FROM delivery WHERE sink = sink.id AND dead_ns IS NULL)"
        )
        found = self._file.one(query)[0]
        return None if found is None else int(found)

    def head(self, sink_id: str) -> Delivery | None:
        """Return the piece that is sent next to a sink."""
        query = "SELECT number, id, body, made_ns, dead_ns, error FROM delivery WHERE sink = ? AND dead_ns IS NULL ORDER BY place LIMIT 1"
        found = self._file.rows(query, (sink_id,))
        return Delivery(*found[0]) if found else None

    def taken(self, sink_id: str, number: int, now_ns: int) -> None:
        """Note that a sink took a piece."""
        with self._file.transaction():
            self._file.run("DELETE FROM delivery WHERE number = ?", (number,))
            self._file.run(
                "UPDATE sink SET tries = 0, next_ns = 0, failed = NULL, delivered = delivered + 1, delivered_ns = ? WHERE id = ?",
                (now_ns, sink_id),
            )

    def failed(self, sink_id: str, error: str, next_ns: int) -> None:
        """Note that a try failed, and when the next is due [ns, UTC]."""
        with self._file.transaction():
            self._file.run("UPDATE sink SET tries = tries + 1, next_ns = ?, failed = ? WHERE id = ?", (next_ns, error, sink_id))

    def give_up(self, sink_id: str, number: int, error: str, now_ns: int, *, gone: bool = False) -> None:
        """Lay a piece aside as dead, and go on with the next; of a sink that is gone nothing more is tried."""
        with self._file.transaction():
            self._file.run("UPDATE delivery SET dead_ns = ?, error = ? WHERE number = ?", (now_ns, error, number))
            self._file.run("UPDATE sink SET tries = 0, next_ns = ?, failed = ? WHERE id = ?", (now_ns, error, sink_id))
            if gone:
                self._file.run("UPDATE sink SET state = 'gone' WHERE id = ?", (sink_id,))

    def dead(self, sink_id: str, *, after: int = 0, limit: int = 100) -> list[Delivery]:
        """Return pieces that were laid aside, the oldest first, beyond a number."""
        query = (
            "SELECT number, id, body, made_ns, dead_ns, error FROM delivery "
            "WHERE sink = ? AND dead_ns IS NOT NULL AND number > ? ORDER BY number LIMIT ?"
        )
        return [Delivery(*row) for row in self._file.rows(query, (sink_id, after, limit))]

    def dead_count(self, sink_id: str) -> int:
        """Return how many pieces were laid aside."""
        return int(self._file.one("SELECT count(*) FROM delivery WHERE sink = ? AND dead_ns IS NOT NULL", (sink_id,))[0])

    def redeliver(self, sink_id: str, numbers: Sequence[int] | None) -> int:
        """Let dead pieces wait again, behind all that waits already, under the ids that they have; return how many.

        Args:
            sink_id: of which sink; one that was gone is tried again.
            numbers: of the pieces; None is all.
        """
        with self._file.transaction():
            place = self._last_place(sink_id)
            chosen = [each.number for each in self.dead(sink_id, limit=1_000_000) if numbers is None or each.number in set(numbers)]
            self._file.many(
                "UPDATE delivery SET dead_ns = NULL, error = NULL, place = ? WHERE number = ?",
                [(place + n, number) for n, number in enumerate(chosen, 1)],
            )
            self._file.run("UPDATE sink SET state = 'active', next_ns = 0 WHERE id = ? AND state = 'gone'", (sink_id,))
        return len(chosen)

    def drop_dead(self, *, before_ns: int, most: int) -> int:
        """Forget dead pieces from before an instant, and the oldest of a sink beyond a number; return how many."""
        with self._file.transaction():
            gone = self._file.run("DELETE FROM delivery WHERE dead_ns < ?", (before_ns,))
            gone += self._file.run(
                "DELETE FROM delivery WHERE number IN (SELECT number FROM (SELECT number, row_number() OVER "
                "(PARTITION BY sink ORDER BY number DESC) AS n FROM delivery WHERE dead_ns IS NOT NULL) WHERE n > ?)",
                (most,),
            )
        return gone


def _sink(row: Sequence[Any]) -> Sink:
    known = dict(zip(_SINK.split(", "), row, strict=True))
    return Sink(**{**known, "spec": json.loads(known["spec"])})
