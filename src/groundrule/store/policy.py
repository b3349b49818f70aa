"""What is in force in a home with a charter, and the guard that lets only an enactment change it.

A home without a charter has none of this: its rulebook and areas are named by files, and imports write its lists. Genesis
of a charter installs the guard in `registers.sqlite`:

    policy_enactments   one row per enactment: which rulebook and areas are in force from it on; the last row holds
    policy_writing      has a row only inside the transaction that enacts; a foreign key to an empty table, checked at
                        commit, lets no transaction end with it
    triggers            refuse to write `programmes`, `lists`, `list_entries` and `policy_enactments` without that row

So one transaction of one file switches rulebook, areas and lists together: a crash leaves the old policy or the new one.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from groundrule.canon import SCHEME
from groundrule.errors import ConflictError, IntegrityError, StoreError
from groundrule.instant import MAX_NS
from groundrule.store.durable import write_durably
from groundrule.store.entities import ENTITIES
from groundrule.store.home import Home
from groundrule.store.registers import (
    GUARD_TABLE,
    POLICY_KINDS,
    REVISIONS,
    TABLES,
    Recording,
    Registers,
    recording_on,
)

_SALT_TABLE = "lists_salt"

_STOP = "BEGIN SELECT RAISE(ABORT, 'only an enactment writes policy'); END"
_UNLESS_ENACTING = "WHEN NOT EXISTS (SELECT 1 FROM policy_writing)"
_FIXED = "BEGIN SELECT RAISE(ABORT, 'what was in force is never changed'); END"


def _guard() -> dict[str, str]:
    """Statements of the guard by the name of what they make."""
    made = {
        "policy_never": "CREATE TABLE policy_never (id TEXT PRIMARY KEY) STRICT",
        "policy_writing": "CREATE TABLE policy_writing (enactment INTEGER NOT NULL, never TEXT NOT NULL "
        "REFERENCES policy_never (id) DEFERRABLE INITIALLY DEFERRED) STRICT",
        GUARD_TABLE: f"CREATE TABLE {GUARD_TABLE} (log_index INTEGER PRIMARY KEY, proposal TEXT NOT NULL, "
        "rulebook TEXT NOT NULL, areas TEXT NOT NULL, lists TEXT NOT NULL, enacted_at INTEGER NOT NULL) STRICT",
        "policy_never_empty": f"CREATE TRIGGER policy_never_empty BEFORE INSERT ON policy_never {_STOP}",
        f"{GUARD_TABLE}_keep": f"CREATE TRIGGER {GUARD_TABLE}_keep BEFORE DELETE ON {GUARD_TABLE} {_FIXED}",
        f"{GUARD_TABLE}_fixed": f"CREATE TRIGGER {GUARD_TABLE}_fixed BEFORE UPDATE ON {GUARD_TABLE} {_FIXED}",
    }
    for table in (*POLICY_KINDS, GUARD_TABLE):
        for act in ("INSERT", "UPDATE"):
            name = f"{table}_enacted_{act.lower()}"
            made[name] = f"CREATE TRIGGER {name} BEFORE {act} ON {table} {_UNLESS_ENACTING} {_STOP}"
    return made


@dataclass(frozen=True, slots=True)
class InForce:
    """What is in force in a home with a charter.

    Attributes:
        log_index: the entry that brought it into force: the charter's at genesis, then the enactments'.
        proposal: digest of the proposal [64 hex digits]; empty for genesis.
        rulebook: digest of the rulebook.
        areas: digest of the area set.
        lists: digest of lists, entries and programmes, as `lists_digest` gives it.
        enacted_at_ns: since when [ns, UTC].
    """

    log_index: int
    proposal: str
    rulebook: str
    areas: str
    lists: str
    enacted_at_ns: int


def in_force(home: Home) -> InForce | None:
    """Return what is in force, or None where the home has no charter.

    Raises:
        StoreError: the registers cannot be read.
    """
    found = history(home, last=True)
    return found[-1] if found else None


def history(home: Home, *, last: bool = False) -> list[InForce]:
    """Return everything that was in force under a charter, oldest first; empty where the home has none.

    Args:
        last: only what is in force now.
    """
    path = home.path / "registers.sqlite"
    if not path.exists():
        return []
    order = "DESC LIMIT 1" if last else "ASC"
    try:
        with closing(_reader(path)) as connection:
            exists = connection.execute("SELECT 1 FROM sqlite_master WHERE type='table' AND name=?", (GUARD_TABLE,))
            if exists.fetchone() is None:
                return []
            names = ", ".join(("log_index", "proposal", "rulebook", "areas", "lists", "enacted_at"))
            rows = connection.execute(
                f"SELECT {names} FROM {GUARD_TABLE} ORDER BY log_index {order}"  # noqa: S608 - names of this module
            ).fetchall()
    except sqlite3.Error as error:
        raise StoreError(f"cannot read `{path}`: {error}", path=str(path)) from error
    return [InForce(*row) for row in rows]


def _reader(path: Path) -> sqlite3.Connection:
    """Connect for reading, and touch nothing on a medium that is read-only."""
    if os.access(path.parent, os.W_OK) and os.access(path, os.W_OK) and not os.statvfs(path).f_flag & os.ST_RDONLY:
        return sqlite3.connect(path, timeout=10.0)
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)


def is_governed(home: Home) -> bool:
    """Has the home a charter in force?"""
    return in_force(home) is not None


def check_ungoverned(home: Home, what: str) -> None:
    """Refuse an act that a home with a charter knows only as an enactment.

    Args:
        what: what would change, in the plural: `areas`.
    Raises:
        ConflictError: the home has a charter.
    """
    if is_governed(home):
        raise ConflictError(
            f"{what} change only by enactment in a home with a charter",
            help="propose the change: groundrule propose",
            refusal="only_by_enactment",
        )


def check_guard(home: Home) -> list[str]:
    """Return which parts of the guard are missing or changed; empty if it is whole."""
    with closing(_reader(home.path / "registers.sqlite")) as connection:
        held = dict(connection.execute("SELECT name, sql FROM sqlite_master").fetchall())
        left = connection.execute("SELECT count(*) FROM policy_writing").fetchone()[0] if "policy_writing" in held else 0
    damaged = [name for name, statement in _guard().items() if held.get(name) != statement]
    # What keeps every register append-only guards policy, too; its text names columns, which homes of other ages have more or fewer of.
    damaged += [f"{kind}_{end}" for kind in POLICY_KINDS for end in ("keep", "fixed") if f"{kind}_{end}" not in held]
    return damaged + ["policy_writing"] * bool(left)


def install_guard(registers: Registers, first: InForce, *, salt: bytes | None = None) -> None:
    """Install the guard, and state what is in force at genesis; in one transaction. Doing it again does nothing.

    Args:
        salt: of the registers that these are to be compared with, empty where those are older than salts; None draws one.
    Raises:
        StoreError: the database failed, or is none that can hold the guard.
    """
    with registers.writing() as connection:
        if connection.dialect.name != "sqlite":
            raise StoreError("a charter needs registers in SQLite", help="use the registers of the home")
        if sa.inspect(connection).has_table(GUARD_TABLE):
            return
        for statement in _guard().values():
            connection.exec_driver_sql(statement)
        if salt is None or salt:
            connection.exec_driver_sql(f"CREATE TABLE {_SALT_TABLE} (salt BLOB NOT NULL)")
            connection.exec_driver_sql(f"INSERT INTO {_SALT_TABLE} VALUES (?)", (salt or os.urandom(32),))  # noqa: S608 - a name of this module
        with _writing_row(connection, first.log_index):
            _state(connection, replace(first, lists=lists_digest(connection)))


class Enacting:
    """Tables in the transaction of one enactment; made by `enacting`."""

    def __init__(self, connection: Connection, enacted: InForce) -> None:
        self._connection, self._enacted = connection, enacted
        latest = connection.execute(sa.select(sa.func.max(REVISIONS.c.recorded_at))).scalar()
        # Recorded time never goes back, also where another register was imported between the entry and its effect.
        self._recorded_at = max(enacted.enacted_at_ns, latest if latest is not None else enacted.enacted_at_ns)

    @property
    def connection(self) -> Connection:
        """The connection of the transaction, for reading what it has written."""
        return self._connection

    @contextmanager
    def recording(self, kind: str) -> Iterator[Recording]:
        """Make the revision of one register."""
        with recording_on(
            self._connection,
            kind,
            recorded_at_ns=self._recorded_at,
            actor="enactment",
            source=f"log entry {self._enacted.log_index}",
            source_digest=SCHEME + self._enacted.proposal,
            governed=True,
        ) as recording:
            yield recording


class _Rehearsed(Exception):
    """Ends the transaction of a rehearsal."""


@contextmanager
def enacting(registers: Registers, enacted: InForce, *, rehearsal: bool = False) -> Iterator[Enacting]:
    """Write policy: everything inside the block and the switch to what is then in force, or nothing.

    The caller has the enactment in the log, with the witnesses that its policy asks for.

    Args:
        enacted: what is in force when the block has ended; its `lists` are worked out here.
        rehearsal: write everything and take it back: what raises then would have raised in earnest.
    Raises:
        ConflictError: this or a later enactment is in the tables already.
        StoreError: the database failed.
    """
    with suppress(_Rehearsed), registers.writing() as connection:
        latest = connection.exec_driver_sql(
            f"SELECT max(log_index) FROM {GUARD_TABLE}"  # noqa: S608 - a name of this module
        ).scalar()
        if latest is None or latest >= enacted.log_index:
            raise ConflictError(
                f"enactment {enacted.log_index} cannot follow {latest}", help="each takes effect once, in their order"
            )
        with _writing_row(connection, enacted.log_index):
            yield Enacting(connection, enacted)
            _state(connection, replace(enacted, lists=lists_digest(connection)))
        if rehearsal:
            raise _Rehearsed


def lists_digest(connection: Connection, *, recorded_at_ns: int | None = None) -> str:
    """Return the digest [64 hex digits] of all that programmes, lists and entries state, over all valid time.

    Args:
        recorded_at_ns: as known at this instant [ns, UTC]; None is now.
    """
    # Salted, because the log holds it: without a salt whoever guesses an entry could confirm it.
    salt = lists_salt(connection)
    sink = sha256(salt)
    for kind in POLICY_KINDS:
        sink.update(f"{kind}\n".encode())
        for row in stated(connection, kind, recorded_at_ns=recorded_at_ns):
            digested = row if salt or kind != "lists" else _without_submitters(row)
            sink.update(repr(digested).encode("utf-8", "surrogatepass") + b"\n")
    return sink.hexdigest()


def _without_submitters(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a list as homes without a salt have always digested it: those are older than submitters."""
    place = 1 + list(ENTITIES["lists"].attributes).index("submitters")
    return row if row[place] is not None else row[:place] + row[place + 1 :]


def lists_salt(connection: Connection) -> bytes:
    """Return the secret that every digest of lists is salted with [32 bytes]; empty before the charter."""
    if not sa.inspect(connection).has_table(_SALT_TABLE):
        return b""
    return bytes(connection.exec_driver_sql(f"SELECT salt FROM {_SALT_TABLE}").scalar_one())  # noqa: S608 - a name of this module


def stated(
    connection: Connection, kind: str, *conditions: sa.ColumnElement[bool], recorded_at_ns: int | None = None
) -> list[tuple[Any, ...]]:
    """Return (key, attributes in order, valid_from, valid_until) of the versions of one register that are believed."""
    table, entity = TABLES[kind], ENTITIES[kind]
    names = (entity.key, *entity.attributes, "valid_from", "valid_until")
    known = table.c.superseded_at == MAX_NS
    if recorded_at_ns is not None:
        known = sa.and_(table.c.recorded_at <= recorded_at_ns, table.c.superseded_at > recorded_at_ns)
    query = sa.select(*(table.c[name] for name in names)).where(known, *conditions)
    return [tuple(row) for row in connection.execute(query.order_by(table.c[entity.key], table.c.valid_from))]


@contextmanager
def _writing_row(connection: Connection, log_index: int) -> Iterator[None]:
    connection.exec_driver_sql("INSERT INTO policy_writing VALUES (?, '')", (log_index,))
    yield
    connection.exec_driver_sql("DELETE FROM policy_writing")


def _state(connection: Connection, stated: InForce) -> None:
    row = (stated.log_index, stated.proposal, stated.rulebook, stated.areas, stated.lists, stated.enacted_at_ns)
    connection.exec_driver_sql(
        f"INSERT INTO {GUARD_TABLE} VALUES (?, ?, ?, ?, ?, ?)", row  # noqa: S608 - a name of this module
    )


# --- content that entries name by digest --------------------------------------------------------------------------------


def objects_folder(home: Home) -> Path:
    """Return the folder of content that entries of the log name by digest; private, and never published."""
    return home.path / "governance" / "objects"


def put_object(home: Home, data: bytes) -> str:
    """Keep content under its SHA-256, durably, and return that [64 hex digits]."""
    name = _sha256(data)
    path = objects_folder(home) / name
    if not path.exists():
        write_durably(path, data)
        with suppress(OSError):
            path.chmod(0o600)
    return name


def get_object(home: Home, name: str) -> bytes:
    """Read content and check its digest.

    Raises:
        StoreError: it is not there. IntegrityError: it has been changed.
    """
    path = objects_folder(home) / name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StoreError(
            f"content {name[:16]}… is not in `{path.parent}`", help="import the bundle that holds it", path=str(path)
        ) from error
    if _sha256(data) != name:
        raise IntegrityError(f"`{path}` has been changed", help="restore it from a copy", path=str(path))
    return data


def _sha256(data: bytes) -> str:
    return sha256(data).hexdigest()


def copy_pointers(home: Home, stated: InForce) -> None:
    """Write what is in force into the files that name it in a home without a charter, as a copy for people."""
    for folder, key, value in ((home.rulebooks, "rulebook", stated.rulebook), (home.areas, "areas", stated.areas)):
        write_durably(folder / "current.json", json.dumps({key: value}).encode())
