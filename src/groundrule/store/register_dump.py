"""Registers as files of lines, the same from SQLite and from PostgreSQL: what a backup holds, and how registers move.

One file for each table, gzip: the first line names the columns, each further one is a row, as JSON. Everything is read in one
transaction, so it is of one moment, also while others write. Loading makes the tables anew, puts every row back under its own
version number, and then reads all of it again: what comes out must be what went in, byte for byte.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from groundrule.errors import ConflictError, IntegrityError, StoreError
from groundrule.store.databases import engine_of, is_postgres, looking, said, shown
from groundrule.store.entities import ENTITIES
from groundrule.store.guard import InForce, guard_of, read_enactments
from groundrule.store.home import Home
from groundrule.store.register_tables import GUARD_TABLE, REVISIONS, TABLES
from groundrule.store.register_versions import HEAD, check_version, has_tables, make_tables, version_of
from groundrule.store.registers import Registers

_ROWS: Final = 5_000
_LINE_BYTES: Final = 1 << 20
_SALT: Final = "lists_salt"
_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    REVISIONS.name: tuple(column.name for column in REVISIONS.columns),
    **{name: tuple(column.name for column in table.columns) for name, table in TABLES.items()},
    GUARD_TABLE: ("log_index", "proposal", "rulebook", "areas", "lists", "enacted_at"),
    _SALT: ("salt",),
}

_WITHHELD: Final = (("parties", "name"),)
"""What deciding entities hold that no rule sees: table and column."""


@dataclass(frozen=True, slots=True)
class Dumped:
    """One table in a dump.

    Attributes:
        rows: how many.
        digest: SHA-256 of the lines, not packed [64 hex digits].
        plain_bytes: their length, not packed [bytes].
    """

    rows: int
    digest: str
    plain_bytes: int


def dump(address: str, folder: Path) -> dict[str, Dumped]:
    """Write every table into a folder, as of one moment.

    Raises:
        StoreError: the registers cannot be read, or are not of the present version.
    """
    made = {}
    with looking(address) as connection:
        if not is_postgres(connection):
            connection.exec_driver_sql("BEGIN")  # the driver would see each query at a moment of its own
        version = version_of(connection)
        if version is None and not has_tables(connection):
            raise StoreError("there are no registers", help="look at home.json", registers=shown(address))
        check_version(version or HEAD)
        for name in _COLUMNS:
            with gzip.GzipFile(folder / f"{name}.jsonl.gz", "wb", compresslevel=4, mtime=0) as stream:
                made[name] = _measured(_lines(connection, name), stream)
    return made


def load(address: str, folder: Path, wanted: Mapping[str, Dumped], home_id: str) -> None:
    """Make registers at an address from a dump, and compare what is there then with it; all of it, or nothing.

    Raises:
        ConflictError: there are registers. IntegrityError: the dump is not what it says it is. StoreError: the database failed.
    """
    engine = engine_of(address, make=True)
    try:
        with engine.begin() as connection:
            if has_tables(connection):
                raise ConflictError("there are registers in this database already", help="name an empty database or another schema")
            make_tables(connection, home_id)
            for name in (REVISIONS.name, *TABLES):
                _fill(connection, name, folder, wanted[name])
            _put_guard(connection, folder, wanted)
            for name, said_of_it in wanted.items():
                if _measured(_lines(connection, name)) != said_of_it:
                    raise IntegrityError(f"`{name}` is not what was backed up", help="the archive and this program disagree; keep both")
    except sa.exc.SQLAlchemyError as error:
        raise StoreError(f"the registers cannot be restored: {said(error)}", registers=shown(address)) from error
    finally:
        _leave(engine)


def copy_deciding(address: str, target: Home) -> None:
    """Make the registers of a new home from others, as of one moment: what decisions rest on, and no more.

    Left out are entities on which no decision rests, names of parties, the guard of policy and its salt.

    Args:
        address: the registers that are copied.
        target: a home without registers, which gets them in SQLite.
    Raises:
        StoreError: they cannot be read or written.
    """
    with looking(address) as source, Registers.create(target) as registers, registers.writing() as connection:
        if not is_postgres(source):
            source.exec_driver_sql("BEGIN")
        check_version(version_of(source) or HEAD)
        for table in (REVISIONS, *(TABLES[kind] for kind, entity in ENTITIES.items() if entity.decides)):
            withheld = {name: None for kind, name in _WITHHELD if kind == table.name}
            rows = _rows(source, table.name)
            while batch := [dict(zip(_COLUMNS[table.name], row, strict=True)) | withheld for row in islice(rows, _ROWS)]:
                connection.execute(sa.insert(table), batch)


def _leave(engine: Engine) -> None:
    if not is_postgres(engine):
        engine.dispose()


def _measured(lines: Iterator[bytes], stream: gzip.GzipFile | None = None) -> Dumped:
    sink, count, length = sha256(), -1, 0
    for line in lines:
        sink.update(line)
        length += len(line)
        count += 1
        if stream is not None:
            stream.write(line)
    return Dumped(count, sink.hexdigest(), length)


def _lines(connection: Connection, name: str) -> Iterator[bytes]:
    yield json.dumps(list(_COLUMNS[name])).encode() + b"\n"
    for row in _rows(connection, name):
        yield json.dumps(list(row), ensure_ascii=True, allow_nan=False).encode() + b"\n"


def _rows(connection: Connection, name: str) -> Iterator[tuple[Any, ...]]:
    if name == _SALT:
        if salt := guard_of(connection).salt(connection):
            yield (salt.hex(),)
        return
    if name == GUARD_TABLE:
        if guard_of(connection).stands(connection):
            for each in read_enactments(connection, last=False):
                yield (each.log_index, each.proposal, each.rulebook, each.areas, each.lists, each.enacted_at_ns)
        return
    table = REVISIONS if name == REVISIONS.name else TABLES[name]
    query = sa.select(table).order_by(next(iter(table.primary_key.columns))).execution_options(yield_per=_ROWS)
    result = connection.execute(query)
    try:
        for row in result:
            yield tuple(row)
    finally:
        result.close()


def read_rows(folder: Path, name: str, wanted: Dumped) -> Iterator[list[Any]]:
    """Read the rows of one table of a dump; never more bytes than it says it holds.

    Raises:
        IntegrityError: it is longer, shorter, or no dump of this table.
    """
    left, count = wanted.plain_bytes, -1
    try:
        with gzip.open(folder / f"{name}.jsonl.gz", "rb") as stream:
            while line := stream.readline(min(left, _LINE_BYTES) + 1):
                left -= len(line)
                if left < 0 or not line.endswith(b"\n"):
                    raise ValueError(name)
                row = json.loads(line)
                count += 1
                if not isinstance(row, list) or len(row) != len(_COLUMNS[name]) or (not count and tuple(row) != _COLUMNS[name]):
                    raise ValueError(name)
                if count:
                    yield row
    except (OSError, ValueError, EOFError) as error:
        raise IntegrityError(f"`{name}` in the archive cannot be read", help="take another backup") from error
    if left or count != wanted.rows:
        raise IntegrityError(f"`{name}` in the archive has {count:,} rows and says {wanted.rows:,}", help="take another backup")


def _fill(connection: Connection, name: str, folder: Path, wanted: Dumped) -> None:
    table = REVISIONS if name == REVISIONS.name else TABLES[name]
    batch: list[dict[str, Any]] = []
    for row in read_rows(folder, name, wanted):
        batch.append(dict(zip(_COLUMNS[name], row, strict=True)))
        if len(batch) == _ROWS:
            connection.execute(sa.insert(table), batch)
            batch.clear()
    if batch:
        connection.execute(sa.insert(table), batch)
    if is_postgres(connection) and table is not REVISIONS:
        connection.execute(
            sa.text("SELECT setval(pg_get_serial_sequence(:name, 'version'), max(version)) FROM "  # noqa: S608 - a name of the store
                    f"{name} HAVING max(version) IS NOT NULL"), {"name": name}
        )  # fmt: skip


def _put_guard(connection: Connection, folder: Path, wanted: Mapping[str, Dumped]) -> None:
    salt = [bytes.fromhex(row[0]) for row in read_rows(folder, _SALT, wanted[_SALT])]
    enacted = [InForce(*row) for row in read_rows(folder, GUARD_TABLE, wanted[GUARD_TABLE])]
    if not enacted:
        return
    guard = guard_of(connection)
    guard.install(connection, salt[0] if salt else b"")
    for each in enacted:
        guard.begin(connection, each.log_index)
        guard.state(connection, each)
