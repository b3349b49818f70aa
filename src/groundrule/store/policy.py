"""What is in force in a home with a charter, and the guard that lets only an enactment change it.

A home without a charter has none of this: its rulebook and areas are named by files, and imports write its lists. Genesis
of a charter puts up the guard in the database of the registers (`store.guard`). One transaction of that database switches
rulebook, areas and lists together: a crash leaves the old policy or the new one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from groundrule.canon import SCHEME
from groundrule.errors import ConflictError, IntegrityError, StoreError
from groundrule.instant import MAX_NS
from groundrule.store.databases import looking
from groundrule.store.durable import write_durably
from groundrule.store.entities import ENTITIES
from groundrule.store.guard import ENACTMENTS, InForce, guard_of, read_enactments
from groundrule.store.home import Home
from groundrule.store.registers import POLICY_KINDS, REVISIONS, TABLES, Recording, Registers, recording_on

__all__ = [
    "Enacting", "InForce", "check_guard", "check_ungoverned", "copy_pointers", "enacting", "get_object", "history", "in_force",
    "install_guard", "is_governed", "lists_digest", "lists_salt", "objects_folder", "put_object", "stated",
]  # fmt: skip


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
    Raises:
        StoreError: the registers cannot be read, or are gone.
    """
    if not home.has_registers():
        if (home.rulebooks / "current.json").exists():  # registers are made before rules
            raise StoreError(
                f"the registers of `{home.path}` are gone, so that nobody can say whether it has a charter",
                help="bring the file of its registers back, or restore the home from a backup", path=str(home.path),
            )  # fmt: skip
        return []
    with looking(home.registers_url) as connection:
        return read_enactments(connection, last=last) if guard_of(connection).stands(connection) else []


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
    with looking(home.registers_url) as connection:
        return guard_of(connection).damaged(connection)


def install_guard(registers: Registers, first: InForce, *, salt: bytes | None = None) -> None:
    """Install the guard, and state what is in force at genesis; in one transaction. Doing it again does nothing.

    Args:
        salt: of the registers that these are to be compared with, empty where those are older than salts; None draws one.
    Raises:
        StoreError: the database failed.
    """
    with registers.writing() as connection:
        guard = guard_of(connection)
        if guard.stands(connection):
            return
        guard.install(connection, os.urandom(32) if salt is None else salt)
        guard.begin(connection, first.log_index)
        guard.state(connection, replace(first, lists=lists_digest(connection)))


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
        latest = connection.scalar(sa.select(sa.func.max(ENACTMENTS.c.log_index)))
        if latest is None or latest >= enacted.log_index:
            raise ConflictError(
                f"enactment {enacted.log_index} cannot follow {latest}", help="each takes effect once, in their order"
            )
        guard = guard_of(connection)
        guard.begin(connection, enacted.log_index)
        yield Enacting(connection, enacted)
        guard.state(connection, replace(enacted, lists=lists_digest(connection)))
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
    return guard_of(connection).salt(connection)


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
