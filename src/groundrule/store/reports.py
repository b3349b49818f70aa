"""Outside reports of a home: their bytes, what was read from them, and what people say about them. Nothing is overwritten.

    HOME/reports/raw/<sha256>              the bytes as they came; never changed
    HOME/reports/readings/<sha256>.gz      JSON of a report as read from them; its name is the digest of the JSON
    HOME/reports/index.sqlite              which readings, claims, propositions and links there are, each row with when and by whom

A better reader makes a new reading of the same bytes; a confirmation, a rejection or a correction is a new row; a link is taken
back by a row that says so. The newest row of an id holds, and with `known_at_ns` the newest of that time. Triggers refuse changes and
deletions. Nothing here is a register: no decision, list, area or rule ever reads these tables.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from groundrule.errors import InputError, IntegrityError, StoreError
from groundrule.instant import MAX_NS
from groundrule.store.durable import write_durably
from groundrule.store.home import Home
from groundrule.store.sqlite_file import SqliteFile

KIND = 0x47525250  # "GRRP"
VERSION = 1
MAX_RAW_BYTES = 1 << 30
"""Longest file that is kept; a reader has its own, smaller bounds."""
MAX_READING_BYTES = 512 << 20
"""Longest JSON of a reading, without compression."""

_FIXED = ("reading", "claim", "proposition", "link")
_SCHEMA = (
    """CREATE TABLE reading (
        number INTEGER PRIMARY KEY, report TEXT NOT NULL, raw TEXT NOT NULL, digest TEXT NOT NULL, about TEXT NOT NULL,
        recorded_ns INTEGER NOT NULL, actor TEXT NOT NULL) STRICT""",
    "CREATE INDEX reading_by_report ON reading (report, number)",
    """CREATE TABLE claim (
        number INTEGER PRIMARY KEY, claim TEXT NOT NULL, report TEXT NOT NULL, proposition TEXT NOT NULL, status TEXT NOT NULL,
        body TEXT NOT NULL, recorded_ns INTEGER NOT NULL, actor TEXT NOT NULL) STRICT""",
    "CREATE INDEX claim_by_id ON claim (claim, number)",
    "CREATE INDEX claim_by_report ON claim (report, number)",
    """CREATE TABLE proposition (
        number INTEGER PRIMARY KEY, proposition TEXT NOT NULL, body TEXT NOT NULL, recorded_ns INTEGER NOT NULL, actor TEXT NOT NULL)
        STRICT""",
    "CREATE INDEX proposition_by_id ON proposition (proposition, number)",
    """CREATE TABLE link (
        number INTEGER PRIMARY KEY, subject TEXT NOT NULL, ref TEXT NOT NULL, holds INTEGER NOT NULL CHECK (holds IN (0, 1)),
        recorded_ns INTEGER NOT NULL, actor TEXT NOT NULL) STRICT""",
    "CREATE INDEX link_by_subject ON link (subject, number)",
    "CREATE INDEX link_by_ref ON link (ref, number)",
    *(
        f"CREATE TRIGGER {table}_{act.lower()} BEFORE {act} ON {table} BEGIN SELECT RAISE(ABORT, 'what was recorded stays'); END"
        for table in _FIXED
        for act in ("UPDATE", "DELETE")
    ),
)


@dataclass(frozen=True, slots=True)
class StoredReading:
    """What the index tells of a reading.

    Attributes:
        report: id of the report.
        raw: SHA-256 of the bytes it was read from [64 hex digits].
        digest: SHA-256 of its JSON [64 hex digits].
        about: what the caller wants to find and list it by, without opening it.
        recorded_ns: when it came into this home [ns since 1970, UTC].
        actor: who imported it.
        number: order of recording.
    """

    report: str
    raw: str
    digest: str
    about: dict[str, Any]
    recorded_ns: int
    actor: str
    number: int


@dataclass(frozen=True, slots=True)
class Row:
    """A row about a claim or a proposition.

    Attributes:
        body: as JSON.
        recorded_ns, actor: when it was recorded [ns since 1970, UTC], and by whom.
        number: order of recording.
    """

    body: dict[str, Any]
    recorded_ns: int
    actor: str
    number: int


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a report or claim to something of the home.

    Attributes:
        subject: id of the report or claim.
        ref: such as `party:…`.
        recorded_ns, actor: since when and by whom.
    """

    subject: str
    ref: str
    recorded_ns: int
    actor: str


class ReportStore:
    """The reports of a home. Use `open`; writing needs the home's writer lock, which the caller holds."""

    def __init__(self, folder: Path, index: SqliteFile) -> None:
        self._folder = folder
        self._index = index

    @classmethod
    def exists(cls, home: Home) -> bool:
        """Tell whether the home holds reports."""
        return (home.path / "reports" / "index.sqlite").exists()

    @classmethod
    def open(cls, home: Home) -> ReportStore:
        """Open the reports of a home; a home without any gets an empty index.

        Raises:
            StoreError: the disk refused. InputError: the index is something else.
        """
        folder = home.path / "reports"
        path = folder / "index.sqlite"
        if not path.exists():
            try:
                for name in ("raw", "readings"):
                    (folder / name).mkdir(parents=True, exist_ok=True)
                folder.chmod(0o700)
            except OSError as error:
                raise StoreError(f"cannot create `{folder}`: {error.strerror}", path=str(folder)) from error
        return cls(
            folder, SqliteFile.open_or_create(path, kind=KIND, version=VERSION, what="index of reports", schema=_SCHEMA)
        )

    def close(self) -> None:
        """Close the index."""
        self._index.close()

    def __enter__(self) -> ReportStore:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    # --- bytes and readings -------------------------------------------------------------------------------------------

    def add(
        self, raw: bytes, readings: Sequence[tuple[str, Mapping[str, Any], bytes]], *, recorded_ns: int, actor: str
    ) -> list[tuple[StoredReading, bool]]:
        """Keep the bytes of a file and what was read from it; the same again has no effect.

        Args:
            raw: the file as it came.
            readings: (id, what to find and list it by, JSON) of each report in it.
            recorded_ns: now [ns since 1970, UTC].
            actor: who imports.
        Returns:
            What is held of each, and whether it is new.
        Raises:
            InputError: too long. StoreError: the disk refused; nothing is held then that the index names.
        """
        if len(raw) > MAX_RAW_BYTES or any(len(body) > MAX_READING_BYTES for _, _, body in readings):
            raise InputError(f"the file has {len(raw):,} bytes", help=f"at most {MAX_RAW_BYTES:,} are kept")
        name = sha256(raw).hexdigest()
        # INVARIANT: the bytes are on the disk before the index names them.
        if not self._raw(name).exists():
            write_durably(self._raw(name), raw)
        rows = []
        for report, about, body in readings:
            digest = sha256(body).hexdigest()
            if not self._reading(digest).exists():
                packed = io.BytesIO()
                with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=6, mtime=0) as stream:
                    stream.write(body)
                write_durably(self._reading(digest), packed.getvalue())
            rows.append(
                (report, name, digest, json.dumps(about, ensure_ascii=False, sort_keys=True), recorded_ns, actor)
            )
        done = []
        with self._index.transaction():
            for row in rows:
                held = self._readings("report = ? AND digest = ?", (row[0], row[2]))
                newest = self._readings("report = ?", (row[0],), "number DESC LIMIT 1")
                new = not held or held[-1].number != newest[0].number
                if new:
                    self._index.run(
                        "INSERT INTO reading (report, raw, digest, about, recorded_ns, actor) VALUES (?, ?, ?, ?, ?, ?)",
                        row,
                    )
                done.append((self._readings("report = ?", (row[0],), "number DESC LIMIT 1")[0], new))
        return done

    def reports(self, *, known_at_ns: int = MAX_NS) -> list[StoredReading]:
        """Return the newest reading of every report, in the order in which reports first came."""
        rows = self._index.rows(
            "SELECT report, raw, digest, about, recorded_ns, actor, number FROM reading WHERE number IN"
            " (SELECT max(number) FROM reading WHERE recorded_ns <= ? GROUP BY report)"
            " ORDER BY (SELECT min(number) FROM reading AS first WHERE first.report = reading.report)",
            (known_at_ns,),
        )
        return [_stored(row) for row in rows]

    def readings_of(self, report: str) -> list[StoredReading]:
        """Return every reading of a report, oldest first."""
        return self._readings("report = ?", (report,))

    def load(self, stored: StoredReading) -> bytes:
        """Return the JSON of a reading, checked against its digest.

        Raises:
            IntegrityError: it has been changed, or is gone.
        """
        path = self._reading(stored.digest)
        try:
            with gzip.open(path, "rb") as stream:
                body = stream.read(MAX_READING_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise IntegrityError(
                f"reading `{path}` cannot be read: {error}", help="restore it from a backup", path=str(path)
            ) from error
        return self._checked(path, body, stored.digest)

    def raw_bytes(self, stored: StoredReading) -> bytes:
        """Return the bytes as they came, checked against their digest.

        Raises:
            IntegrityError: they have been changed, or are gone.
        """
        path = self._raw(stored.raw)
        try:
            return self._checked(path, path.read_bytes(), stored.raw)
        except OSError as error:
            raise IntegrityError(
                f"`{path}` cannot be read: {error.strerror}", help="restore it from a backup", path=str(path)
            ) from error

    # --- claims, propositions, links ----------------------------------------------------------------------------------

    def put_claims(self, bodies: Sequence[Mapping[str, Any]], *, recorded_ns: int, actor: str) -> int:
        """Record claims as they now are; one that says what is held already has no effect. Return how many rows are new."""
        written = 0
        with self._index.transaction():
            for body in bodies:
                text = json.dumps(body, ensure_ascii=False, sort_keys=True)
                newest = self._index.rows(
                    "SELECT body FROM claim WHERE claim = ? ORDER BY number DESC LIMIT 1", (body["id"],)
                )
                if newest and newest[0][0] == text:
                    continue
                self._index.run(
                    "INSERT INTO claim (claim, report, proposition, status, body, recorded_ns, actor) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (body["id"], body["report"], body["proposition"], body["status"], text, recorded_ns, actor),
                )
                written += 1
        return written

    def claims(self, *, report: str | None = None, known_at_ns: int = MAX_NS) -> list[Row]:
        """Return the newest row of every claim, of one report or of all."""
        rows = self._index.rows(
            "SELECT body, recorded_ns, actor, number FROM claim WHERE number IN"
            " (SELECT max(number) FROM claim WHERE recorded_ns <= ? AND (? IS NULL OR report = ?) GROUP BY claim) ORDER BY number",
            (known_at_ns, report, report),
        )
        return [_row(row) for row in rows]

    def claim_history(self, claim: str) -> list[Row]:
        """Return every row of a claim, oldest first."""
        return [
            _row(row)
            for row in self._index.rows(
                "SELECT body, recorded_ns, actor, number FROM claim WHERE claim = ? ORDER BY number", (claim,)
            )
        ]

    def put_proposition(self, body: Mapping[str, Any], *, recorded_ns: int, actor: str) -> None:
        """Record a proposition as it now is."""
        with self._index.transaction():
            self._index.run(
                "INSERT INTO proposition (proposition, body, recorded_ns, actor) VALUES (?, ?, ?, ?)",
                (body["id"], json.dumps(body, ensure_ascii=False, sort_keys=True), recorded_ns, actor),
            )

    def propositions(self, *, known_at_ns: int = MAX_NS) -> list[Row]:
        """Return the newest row of every proposition."""
        rows = self._index.rows(
            "SELECT body, recorded_ns, actor, number FROM proposition WHERE number IN"
            " (SELECT max(number) FROM proposition WHERE recorded_ns <= ? GROUP BY proposition) ORDER BY number",
            (known_at_ns,),
        )
        return [_row(row) for row in rows]

    def set_link(self, subject: str, ref: str, *, holds: bool, recorded_ns: int, actor: str) -> bool:
        """Record that a link holds, or that it holds no longer; return whether that is new."""
        with self._index.transaction():
            newest = self._index.rows(
                "SELECT holds FROM link WHERE subject = ? AND ref = ? ORDER BY number DESC LIMIT 1", (subject, ref)
            )
            if bool(newest and newest[0][0]) == holds:
                return False
            self._index.run(
                "INSERT INTO link (subject, ref, holds, recorded_ns, actor) VALUES (?, ?, ?, ?, ?)",
                (subject, ref, int(holds), recorded_ns, actor),
            )
        return True

    def links(self, *, subject: str | None = None, ref: str | None = None, known_at_ns: int = MAX_NS) -> list[Link]:
        """Return the links that hold, of one subject, to one thing, or all."""
        rows = self._index.rows(
            "SELECT subject, ref, recorded_ns, actor FROM link WHERE holds = 1 AND number IN (SELECT max(number) FROM link"
            " WHERE recorded_ns <= ? AND (? IS NULL OR subject = ?) AND (? IS NULL OR ref = ?) GROUP BY subject, ref) ORDER BY number",
            (known_at_ns, subject, subject, ref, ref),
        )
        return [Link(*row) for row in rows]

    def _raw(self, name: str) -> Path:
        return self._folder / "raw" / name

    def _reading(self, digest: str) -> Path:
        return self._folder / "readings" / f"{digest}.gz"

    def _readings(self, where: str, values: tuple[Any, ...], order: str = "number") -> list[StoredReading]:
        # Both pieces of SQL are constants of this module; what comes from outside is bound.
        statement = (
            f"SELECT report, raw, digest, about, recorded_ns, actor, number FROM reading WHERE {where} ORDER BY {order}"  # noqa: S608
        )
        return [_stored(row) for row in self._index.rows(statement, values)]

    @staticmethod
    def _checked(path: Path, data: bytes, digest: str) -> bytes:
        if sha256(data).hexdigest() != digest:
            raise IntegrityError(f"`{path}` has been changed", help="restore it from a backup", path=str(path))
        return data


def _stored(row: tuple[Any, ...]) -> StoredReading:
    report, raw, digest, about, recorded_ns, actor, number = row
    return StoredReading(report, raw, digest, json.loads(about), recorded_ns, actor, number)


def _row(row: tuple[Any, ...]) -> Row:
    return Row(json.loads(row[0]), row[1], row[2], row[3])
