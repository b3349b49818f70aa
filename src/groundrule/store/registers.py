"""The registers: terminals, accounts, parties, plans, programmes, lists and their entries, addresses; bitemporal, in SQL.

Every row is one version of one thing:

    valid_from, valid_until         when it held in the world (half-open)
    recorded_at, superseded_at      when it was known here (half-open; without end while it is believed)

Nothing is ever deleted or overwritten: a change closes the recorded interval of the versions it contradicts and adds
new ones. So the question "what held then, as known at that time" has one answer for ever. Triggers refuse everything
else, whoever asks. Each import is one transaction and one revision; revisions form a chain of digests.

SQLite in the home is the default, PostgreSQL the other place (`store.databases`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from groundrule.canon import SCHEME, digest
from groundrule.errors import ConflictError, InputError, StoreError
from groundrule.instant import MAX_NS, MIN_NS, format_instant
from groundrule.store.databases import at_one_moment, engine_of, help_where_gone, is_postgres, said, shown
from groundrule.store.entities import ENTITIES, Entity
from groundrule.store.guard import guard_of
from groundrule.store.home import Home
from groundrule.store.raw import suggest
from groundrule.store.register_tables import GUARD_TABLE, METADATA, POLICY_KINDS, REVISIONS, TABLES
from groundrule.store.register_versions import lay_out, make_ready

__all__ = [
    "EMPTY", "GUARD_TABLE", "METADATA", "POLICY_KINDS", "REVISIONS", "TABLES", "Recording", "Registers", "Revision", "holds",
    "recording_on", "table_of",
]  # fmt: skip
_KEYS_PER_QUERY = 10_000


@dataclass(frozen=True, slots=True)
class Revision:
    """One import.

    Attributes:
        revision: counts from 1; 0 is the empty register.
        recorded_at_ns: when it was recorded [ns, UTC].
        kind: which register, for instance `terminals`.
        actor: who imported it.
        source: the file it came from.
        source_digest: digest of that file.
        governed: True if an enacted proposal stands behind it.
        inserted, changed, unchanged, rejected: what became of its rows.
        previous, digest: chain of digests over all changes.
    """

    revision: int
    recorded_at_ns: int
    kind: str
    actor: str
    source: str
    source_digest: str
    governed: bool
    inserted: int
    changed: int
    unchanged: int
    rejected: int
    previous: str
    digest: str


EMPTY = Revision(0, MIN_NS, "", "", "", "", True, 0, 0, 0, 0, "", digest([]))


class Registers:
    """Open registers; a context manager that closes them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def create(cls, home: Home) -> Registers:
        """Make the empty registers of a new home.

        Raises:
            ConflictError: the home has registers already. StoreError: the database cannot be made.
        """
        if home.registers is None and home.has_registers():
            raise ConflictError(
                f"`{home.path}` has registers already", help="import into them instead", path=str(home.path)
            )
        return cls._at(home.registers_url, lambda engine: lay_out(engine, home.id), make=True)

    @classmethod
    def open(cls, where: Home | str) -> Registers:
        """Open the registers of a home, or those at a SQLAlchemy URL.

        Nothing is made but in memory: registers that are gone are an error. Those in SQLite from before they had versions are
        completed (`register_versions`).

        Raises:
            StoreError: the database cannot be opened, its tables are of another program version, or those of another home.
            MissingExtra: they are in PostgreSQL, and its driver is not installed.
        """
        home_id = where.id if isinstance(where, Home) else None
        url = where.registers_url if isinstance(where, Home) else where
        return cls._at(url, lambda engine: make_ready(engine, home_id))

    @classmethod
    def _at(cls, url: str, prepare: Callable[[Engine], None], *, make: bool = False) -> Registers:
        try:
            engine = engine_of(url, make=make)
            prepare(engine)
        except (sa.exc.SQLAlchemyError, OSError) as error:
            lost = None if make else help_where_gone(url)
            raise StoreError(f"cannot open the registers: {said(error)}", help=lost, url=shown(url)) from error
        return cls(engine)

    def __enter__(self) -> Registers:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; those to PostgreSQL are kept for the next who opens the same registers."""
        if not is_postgres(self._engine):
            self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one moment, and whose errors are StoreError."""
        try:
            with self._engine.connect() as connection:
                yield at_one_moment(connection)
        except sa.exc.SQLAlchemyError as error:
            raise StoreError(f"reading the registers failed: {said(error)}") from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: everything written inside the block, or nothing if it ends with an error.

        Raises:
            StoreError: the database failed.
        """
        try:
            with self._engine.begin() as connection:
                guard_of(connection).wait_for_other_writers(connection)
                yield connection
        except sa.exc.SQLAlchemyError as error:
            raise StoreError(f"writing the registers failed: {said(error)}") from error

    @contextmanager
    def recording(
        self, kind: str, *, recorded_at_ns: int, actor: str, source: str, source_digest: str, governed: bool
    ) -> Iterator[Recording]:
        """Make one revision: everything put inside the block, or nothing if it ends with an error.

        Raises:
            ConflictError: something was recorded later than `recorded_at_ns` already, or the register is policy and the
                home has a charter: then only an enactment writes it.
            StoreError: the database failed.
        """
        with self.writing() as connection:
            if kind in POLICY_KINDS and guard_of(connection).stands(connection):
                raise ConflictError(
                    f"`{kind}` change only by enactment in a home with a charter",
                    help="propose the change: groundrule propose",
                    refusal="only_by_enactment",
                    register=kind,
                )
            with recording_on(
                connection, kind, recorded_at_ns=recorded_at_ns, actor=actor, source=source,
                source_digest=source_digest, governed=governed,
            ) as recording:  # fmt: skip
                yield recording

    def revision(self, recorded_at_ns: int | None = None) -> Revision:
        """The latest revision known at an instant [ns, UTC]; None is now. Revision 0 if there is none."""
        with self.reading() as connection:
            return _revision(connection, recorded_at_ns)

    def revisions(self) -> list[Revision]:
        """All revisions, oldest first."""
        with self.reading() as connection:
            return [Revision(*row) for row in connection.execute(sa.select(REVISIONS).order_by(REVISIONS.c.revision))]

    def rows(
        self, kind: str, *, valid_at_ns: int, recorded_at_ns: int | None = None, keys: Sequence[str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """The things of one kind as they held at one instant, as known at another, by key.

        Args:
            kind: for instance `terminals`.
            valid_at_ns: when they held [ns, UTC].
            recorded_at_ns: what was known by then [ns, UTC]; None is now.
            keys: only these.
        Raises:
            InputError: there is no such register.
        """
        table = table_of(kind)
        key = table.c[ENTITIES[kind].key]
        query = sa.select(table).where(holds(table, valid_at_ns, recorded_at_ns)).order_by(key)
        with self.reading() as connection:
            for chosen in _in_parts(keys):
                part = query if chosen is None else query.where(key.in_(chosen))
                with closing(connection.execute(part.execution_options(yield_per=10_000))) as found:
                    for row in found.mappings():
                        yield dict(row)

    def owners(
        self, *, recorded_at_ns: int | None = None, terminals: Sequence[str] | None = None
    ) -> Iterator[tuple[str, str | None, int, int]]:
        """Terminal, its account or None, valid from and until [ns, UTC], of all versions as known at an instant; of some alone."""
        table = table_of("terminals")
        columns = (table.c.terminal_id, table.c.account_id, table.c.valid_from, table.c.valid_until)
        query = sa.select(*columns).where(_known(table, recorded_at_ns)).order_by(table.c.version)
        with self.reading() as connection:
            for chosen in _in_parts(terminals):
                part = query if chosen is None else query.where(table.c.terminal_id.in_(chosen))
                with closing(connection.execute(part.execution_options(yield_per=10_000))) as found:
                    for row in found:
                        yield row[0], row[1], row[2], row[3]

    def versions(self, kind: str, key: str) -> list[dict[str, Any]]:
        """Every version of one thing, in the order in which they were recorded."""
        table = table_of(kind)
        query = sa.select(table).where(table.c[ENTITIES[kind].key] == key).order_by(table.c.version)
        with self.reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


@contextmanager
def recording_on(
    connection: Connection,
    kind: str,
    *,
    recorded_at_ns: int,
    actor: str,
    source: str,
    source_digest: str,
    governed: bool,
) -> Iterator[Recording]:
    """Make one revision in a transaction that the caller holds; see `Registers.recording`.

    Raises:
        ConflictError: something was recorded later than `recorded_at_ns` already.
    """
    before = _revision(connection, None)
    if recorded_at_ns < before.recorded_at_ns:
        raise ConflictError(
            f"revision {before.revision} was recorded at {format_instant(before.recorded_at_ns)}, after "
            f"{format_instant(recorded_at_ns)}",
            help="recorded time never goes back; look at the clock",
            revision=before.revision,
        )
    recording = Recording(connection, ENTITIES[kind], before, recorded_at_ns, governed)
    yield recording
    # What changes nothing is no revision: importing a file twice leaves the register as it is.
    if recording.inserted or recording.changed:
        recording.finish(actor=actor, source=source, source_digest=source_digest)


class Recording:
    """One revision in the making.

    Attributes:
        revision: its number.
        inserted, changed, unchanged: rows so far.
        rejected: set by the importer before the block ends.
    """

    def __init__(
        self, connection: Connection, entity: Entity, before: Revision, recorded_at_ns: int, governed: bool
    ) -> None:
        self._connection, self._entity, self._before = connection, entity, before
        self._table = TABLES[entity.kind]
        self._recorded_at, self._governed = recorded_at_ns, governed
        self._columns = (entity.key, *entity.attributes)
        self._hash = hashlib.sha256(f"{before.digest}\n{entity.kind}\n{recorded_at_ns}\n".encode())
        # In a register that was empty, look-ups can be spared as long as nothing is stated twice.
        self._new = connection.execute(sa.select(self._table.c.version).limit(1)).first() is None
        self.revision = before.revision + 1
        self.inserted = self.changed = self.unchanged = self.rejected = 0

    @property
    def connection(self) -> Connection:
        """The connection of the transaction, for look-ups of the importer."""
        return self._connection

    def current(self, keys: Iterable[str]) -> dict[str, list[Any]]:
        """Versions believed now, by key, in order of valid time."""
        if self._new:
            return {}
        table, found = self._table, dict[str, list[Any]]()
        for chosen in _in_parts(list(keys)):
            query = sa.select(table).where(table.c[self._entity.key].in_(chosen or []), table.c.superseded_at == MAX_NS)
            for row in self._connection.execute(query.order_by(table.c.valid_from)):
                found.setdefault(row[1], []).append(row)
        return found

    def put(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """State that things are so from some time on.

        Args:
            rows: (key, attributes in order, valid_from, valid_until); keys distinct within the call. Without a
                valid_from (None), the first statement about a thing holds from ever, a later one from now on.
        """
        if any(row[len(self._columns)] is not None for row in rows):
            self._new = False  # with dates of its own, a thing may be stated more than once in one revision
        known = self.current([row[0] for row in rows])
        closed: list[int] = []
        added: list[tuple[Any, ...]] = []
        width = len(self._columns)
        for row in rows:
            versions = known.get(row[0], [])
            since = row[width] if row[width] is not None else (self._recorded_at if versions else MIN_NS)
            until = row[width + 1] if row[width + 1] is not None else MAX_NS
            stated = row[:width]
            touched = [old for old in versions if old.valid_from < until and old.valid_until > since]
            if (
                touched
                and _covers(touched, since, until)
                and all(tuple(old[1 : width + 1]) == stated for old in touched)
            ):
                self.unchanged += 1
                continue
            for old in touched:
                closed.append(old.version)
                if old.valid_from < since:
                    added.append((*old[1 : width + 1], old.valid_from, since))
                if old.valid_until > until:
                    added.append((*old[1 : width + 1], until, old.valid_until))
            added.append((*stated, since, until))
            if versions:
                self.changed += 1
            else:
                self.inserted += 1
        self._write(closed, added)

    def _write(self, closed: Sequence[int], added: Sequence[tuple[Any, ...]]) -> None:
        table = self._table
        if closed:
            update = (
                sa.update(table)
                .where(table.c.version == sa.bindparam("closing"))
                .values(superseded_at=self._recorded_at)
            )
            self._connection.execute(update, [{"closing": version} for version in closed])
        if added:
            names = (*self._columns, "valid_from", "valid_until")
            fixed = {
                "recorded_at": self._recorded_at,
                "superseded_at": MAX_NS,
                "revision": self.revision,
                "governed": self._governed,
            }
            self._connection.execute(sa.insert(table), [dict(zip(names, row, strict=True)) | fixed for row in added])
        for version in closed:
            self._hash.update(b"-%d\n" % version)
        self._hash.update("".join(f"+{row!r}\n" for row in added).encode("utf-8", "surrogatepass"))

    def finish(self, *, actor: str, source: str, source_digest: str) -> None:
        """Write the revision itself."""
        row = Revision(
            self.revision,
            self._recorded_at,
            self._entity.kind,
            actor,
            source,
            source_digest,
            self._governed,
            self.inserted,
            self.changed,
            self.unchanged,
            self.rejected,
            self._before.digest,
            SCHEME + self._hash.hexdigest(),
        )
        self._connection.execute(
            sa.insert(REVISIONS).values(
                revision=row.revision,
                recorded_at=row.recorded_at_ns,
                kind=row.kind,
                actor=row.actor,
                source=row.source,
                source_digest=row.source_digest,
                governed=row.governed,
                inserted=row.inserted,
                changed=row.changed,
                unchanged=row.unchanged,
                rejected=row.rejected,
                previous=row.previous,
                digest=row.digest,
            )
        )


def holds(table: sa.Table, valid_at_ns: int, recorded_at_ns: int | None) -> sa.ColumnElement[bool]:
    """The condition that a version holds at one instant, as known at another."""
    return sa.and_(
        _known(table, recorded_at_ns), table.c.valid_from <= valid_at_ns, table.c.valid_until > valid_at_ns
    )


def _known(table: sa.Table, recorded_at_ns: int | None) -> sa.ColumnElement[bool]:
    """The condition that a version was known at an instant, now if None."""
    if recorded_at_ns is None:
        return table.c.superseded_at == MAX_NS
    return sa.and_(table.c.recorded_at <= recorded_at_ns, table.c.superseded_at > recorded_at_ns)


def table_of(kind: str) -> sa.Table:
    """The table of a register.

    Raises:
        InputError: there is no such register.
    """
    if kind not in TABLES:
        raise InputError(f"there is no register `{kind}`", help=suggest(kind, TABLES), value=kind)
    return TABLES[kind]


def _covers(versions: Sequence[Any], since: int, until: int) -> bool:
    """Do versions, in order of valid time, cover the interval without a gap?"""
    reached = since
    for version in versions:
        if version.valid_from > reached:
            return False
        reached = max(reached, version.valid_until)
    return reached >= until


def _in_parts(keys: Sequence[str] | None) -> Iterator[Sequence[str] | None]:
    if keys is None:
        yield None
        return
    for first in range(0, len(keys), _KEYS_PER_QUERY):
        yield keys[first : first + _KEYS_PER_QUERY]


def _revision(connection: Connection, recorded_at_ns: int | None) -> Revision:
    query = sa.select(REVISIONS).order_by(REVISIONS.c.revision.desc()).limit(1)
    if recorded_at_ns is not None:
        query = query.where(REVISIONS.c.recorded_at <= recorded_at_ns)
    row = connection.execute(query).first()
    return EMPTY if row is None else Revision(*row)
