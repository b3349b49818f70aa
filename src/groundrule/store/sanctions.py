"""Snapshots of sanctions lists in a home: written once, never changed, asked by source and instant.

    HOME/lists/index.sqlite         which snapshots there are: source, published, recorded, digest
    HOME/lists/snapshots/<hex>.gz   the canonical lines of a snapshot; its name is the SHA-256 of what is in it

Two times answer two questions. `published` says what the publisher's list was at an instant. `recorded` says what was
known here: a list that was imported late did not bind a decision before. A snapshot is added, never replaced; if one day
is published twice, the one that was recorded later holds.

The index refuses updates and deletions by triggers, and a snapshot is read only if its bytes still have its digest.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from groundrule.canon import SCHEME, digest_bytes
from groundrule.errors import InputError, IntegrityError, StoreError
from groundrule.instant import MAX_NS, format_instant
from groundrule.screen.model import ListSnapshot
from groundrule.store.durable import write_durably
from groundrule.store.home import Home
from groundrule.store.sqlite_file import SqliteFile

KIND = 0x47524C53  # "GRLS"
VERSION = 1
MAX_SNAPSHOT_BYTES = 2 << 30
"""Largest snapshot without compression; the largest real one has some 30 MB."""
_SCHEMA = (
    """CREATE TABLE snapshot (
        number INTEGER PRIMARY KEY, source TEXT NOT NULL, published_ns INTEGER NOT NULL, recorded_ns INTEGER NOT NULL,
        digest TEXT NOT NULL UNIQUE, format TEXT NOT NULL, entries INTEGER NOT NULL, broken INTEGER NOT NULL,
        complete INTEGER NOT NULL CHECK (complete IN (0, 1)), actor TEXT NOT NULL)""",
    "CREATE INDEX snapshot_by_time ON snapshot (source, published_ns, recorded_ns)",
    """CREATE TRIGGER snapshot_is_kept BEFORE DELETE ON snapshot
        BEGIN SELECT RAISE(ABORT, 'snapshots are never deleted'); END""",
    """CREATE TRIGGER snapshot_is_fixed BEFORE UPDATE ON snapshot
        BEGIN SELECT RAISE(ABORT, 'snapshots are never changed'); END""",
)
_COLUMNS = "source, published_ns, recorded_ns, digest, format, entries, broken, complete, actor, number"


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """What the index tells of a snapshot.

    Attributes:
        source, digest, format: as in the snapshot.
        published_ns: by the publisher [ns since 1970, UTC].
        recorded_ns: when it came into this home [ns since 1970, UTC].
        entries, broken: counts.
        complete: False if its file broke off.
        actor: who imported it.
        number: order of recording.
    """

    source: str
    published_ns: int
    recorded_ns: int
    digest: str
    format: str
    entries: int
    broken: int
    complete: bool
    actor: str
    number: int

    @property
    def ref(self) -> dict[str, str]:
        """What a screening records of the list it used, as `ListSnapshot.ref`."""
        return {
            "source": self.source,
            "date": format_instant(self.published_ns),
            "sha256": self.digest.removeprefix(SCHEME),
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed between two snapshots of one source, by the publisher's numbers, in order."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


class SanctionsLists:
    """The snapshots of a home. Use `open`; writing needs the home's writer lock, which the caller holds."""

    def __init__(self, folder: Path, index: SqliteFile) -> None:
        self._folder = folder
        self._index = index

    @classmethod
    def open(cls, home: Home) -> SanctionsLists:
        """Open the lists of a home; a home without any gets an empty index.

        Raises:
            StoreError: the disk refused. InputError: the index is something else.
        """
        folder = home.path / "lists"
        path = folder / "index.sqlite"
        if not path.exists():
            try:
                (folder / "snapshots").mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(f"cannot create `{folder}`: {error.strerror}", path=str(folder)) from error
        return cls(
            folder, SqliteFile.open_or_create(path, kind=KIND, version=VERSION, what="index of sanctions lists", schema=_SCHEMA)
        )

    def close(self) -> None:
        """Close the index."""
        self._index.close()

    def __enter__(self) -> SanctionsLists:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def add(
        self, snapshot: ListSnapshot, *, recorded_ns: int, actor: str, accept_incomplete: bool = False
    ) -> tuple[StoredSnapshot, bool]:
        """Keep a snapshot; the same one again has no effect.

        Args:
            snapshot: as read.
            recorded_ns: now [ns since 1970, UTC].
            actor: who imports.
            accept_incomplete: keep it although its file broke off; nobody is cleared by it.
        Returns:
            What is held of it, and whether it is new.
        Raises:
            InputError: it is incomplete, or published later than now.
        """
        held = self._find("digest = ?", (snapshot.digest,))
        if held:
            return held[0], False
        if not snapshot.complete and not accept_incomplete:
            raise InputError(
                f"the list `{snapshot.source}` breaks off after {len(snapshot.entries)} entries",
                help="fetch it again, or accept it as incomplete with --incomplete; the rest would seem not to be listed",
                source=snapshot.source,
            )
        if snapshot.published_ns > recorded_ns:
            raise InputError(
                f"the list `{snapshot.source}` is published {snapshot.published}, which is yet to come",
                help="check the date and this machine's clock",
                source=snapshot.source,
            )
        packed = io.BytesIO()
        with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=6, mtime=0) as stream:
            for line in snapshot.lines():
                stream.write(line)
        # INVARIANT: the bytes are on the disk before the index names them.
        write_durably(self._path(snapshot.digest), packed.getvalue())
        with self._index.transaction():
            self._index.run(
                "INSERT INTO snapshot (source, published_ns, recorded_ns, digest, format, entries, broken, complete,"
                " actor) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    snapshot.source,
                    snapshot.published_ns,
                    recorded_ns,
                    snapshot.digest,
                    snapshot.format,
                    len(snapshot.entries),
                    snapshot.broken_total,
                    int(snapshot.complete),
                    actor,
                ),
            )
        return self._find("digest = ?", (snapshot.digest,))[0], True

    def sources(self) -> list[str]:
        """Every source of which there is a snapshot, in order."""
        return [str(row[0]) for row in self._index.rows("SELECT DISTINCT source FROM snapshot ORDER BY source")]

    def history(self, source: str | None = None) -> list[StoredSnapshot]:
        """All snapshots of a source, or of all, by source, publication and recording."""
        return self._find("? IS NULL OR source = ?", (source, source), "source, published_ns, number")

    def snapshot_at(self, source: str, at_ns: int, *, known_at_ns: int = MAX_NS) -> StoredSnapshot | None:
        """The list of a source that was in force at an instant.

        Args:
            source: which list.
            at_ns: published then or before [ns since 1970, UTC].
            known_at_ns: and recorded here then or before; without it, all that is known now counts.
        Returns:
            The newest such snapshot, or None.
        """
        found = self._find(
            "source = ? AND published_ns <= ? AND recorded_ns <= ?",
            (source, at_ns, known_at_ns),
            "published_ns DESC, number DESC LIMIT 1",
        )
        return found[0] if found else None

    def newest(self, source: str, *, known_at_ns: int = MAX_NS) -> StoredSnapshot | None:
        """The newest snapshot of a source that is known at an instant, or None."""
        return self.snapshot_at(source, MAX_NS, known_at_ns=known_at_ns)

    def newest_by_source(self, *, known_at_ns: int = MAX_NS) -> dict[str, StoredSnapshot]:
        """The newest known snapshot of every source; a screening must have used just these."""
        found = {source: self.newest(source, known_at_ns=known_at_ns) for source in self.sources()}
        return {source: snapshot for source, snapshot in found.items() if snapshot is not None}

    def by_digest(self, digest: str) -> StoredSnapshot | None:
        """What is held under a digest, with or without `sha256:`."""
        found = self._find("digest = ?", (SCHEME + digest.removeprefix(SCHEME),))
        return found[0] if found else None

    def load(self, stored: StoredSnapshot | str) -> ListSnapshot:
        """Read a snapshot, and check that its bytes are those that were kept.

        Args:
            stored: from the index, or a digest.
        Raises:
            InputError: there is no such snapshot. IntegrityError: its bytes have been changed.
        """
        digest = stored if isinstance(stored, str) else stored.digest
        digest = SCHEME + digest.removeprefix(SCHEME)
        if self.by_digest(digest) is None:
            raise InputError(f"there is no snapshot `{digest[:80]}`", help="see `groundrule lists show`")
        path = self._path(digest)
        try:
            with gzip.open(path, "rb") as stream:
                data = stream.read(MAX_SNAPSHOT_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise IntegrityError(
                f"list snapshot `{path}` cannot be read: {error}", help="restore it from a backup", path=str(path)
            ) from error
        if digest_bytes(data) != digest:
            raise IntegrityError(
                f"list snapshot `{path}` has been changed", help="restore it from a backup", path=str(path)
            )
        return ListSnapshot.parse(_values(data))

    def entry_at(self, source: str, uid: str, at_ns: int, *, known_at_ns: int = MAX_NS) -> dict[str, Any] | None:
        """What a list said of one number at an instant, or None if it was not listed.

        Raises:
            InputError: no list of the source was published by then, so that nothing can be said.
        """
        held = self.snapshot_at(source, at_ns, known_at_ns=known_at_ns)
        if held is None:
            raise InputError(
                f"no list `{source}` was published and known by {format_instant(at_ns)}",
                help="import one that is older, or ask for a later time; no list does not mean not listed",
                source=source,
            )
        entry = self.load(held).by_uid.get(uid)
        return None if entry is None else entry.value

    def _path(self, digest: str) -> Path:
        return self._folder / "snapshots" / f"{digest.removeprefix(SCHEME)}.gz"

    def _find(self, where: str, values: tuple[Any, ...], order: str = "number") -> list[StoredSnapshot]:
        # Both pieces of SQL are constants of this module; what comes from outside is bound.
        rows = self._index.rows(f"SELECT {_COLUMNS} FROM snapshot WHERE {where} ORDER BY {order}", values)  # noqa: S608
        return [_stored(row) for row in rows]


def _stored(row: tuple[Any, ...]) -> StoredSnapshot:
    source, published_ns, recorded_ns, digest, form, entries, broken, complete, actor, number = row
    return StoredSnapshot(
        source, published_ns, recorded_ns, digest, form, entries, broken, bool(complete), actor, number
    )


def compare(before: ListSnapshot, after: ListSnapshot) -> Difference:
    """What changed between two snapshots of one source; where an entry came from does not count as a change."""
    old, new = before.by_uid, after.by_uid
    return Difference(
        added=tuple(uid for uid in new if uid not in old),
        removed=tuple(uid for uid in old if uid not in new),
        changed=tuple(uid for uid in new if uid in old and _said(new[uid].value) != _said(old[uid].value)),
    )


def _said(value: dict[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in value.items() if name != "rows"}


def _values(data: bytes) -> Iterator[dict[str, Any]]:
    decoder = msgspec.json.Decoder(dict[str, Any])
    for line in io.BytesIO(data):
        yield decoder.decode(line)
