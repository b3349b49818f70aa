"""What the record store holds: its tables, and the rows that go in and come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

KIND = 0x47525243  # "GRRC"
VERSION = 1
WHAT = "record store"
SCHEMA = (
    """CREATE TABLE batch (
        batch_id TEXT PRIMARY KEY, run INTEGER NOT NULL, stream TEXT NOT NULL, minute TEXT NOT NULL,
        records INTEGER NOT NULL, bucket_size INTEGER NOT NULL, inner_root BLOB NOT NULL,
        policy_digest TEXT NOT NULL, evaluator_digest TEXT NOT NULL, log_index INTEGER) STRICT""",
    "CREATE INDEX batch_run ON batch (run)",
    "CREATE UNIQUE INDEX batch_log_index ON batch (log_index) WHERE log_index IS NOT NULL",
    """CREATE TABLE record (
        batch_id TEXT NOT NULL REFERENCES batch, leaf_index INTEGER NOT NULL, leaf BLOB NOT NULL,
        record_id BLOB, subject TEXT, month TEXT, terminal_id TEXT, observed_at INTEGER, decided_at INTEGER,
        content TEXT, erased_at INTEGER, PRIMARY KEY (batch_id, leaf_index)) STRICT""",
    "CREATE INDEX record_terminal ON record (terminal_id, decided_at) WHERE terminal_id IS NOT NULL",
    "CREATE INDEX record_subject ON record (subject, month) WHERE subject IS NOT NULL",
    "CREATE TABLE run_proof (run INTEGER PRIMARY KEY, salt BLOB NOT NULL, commitment BLOB NOT NULL, log_index INTEGER) STRICT",
    """CREATE TABLE outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, stream TEXT NOT NULL, body TEXT NOT NULL,
        run INTEGER, batch_id TEXT REFERENCES batch, state TEXT NOT NULL CHECK (state IN ('pending', 'logged')),
        log_index INTEGER) STRICT""",
    "CREATE INDEX outbox_pending ON outbox (id) WHERE state='pending'",
    "CREATE INDEX outbox_batch ON outbox (batch_id)",
    "CREATE INDEX outbox_run ON outbox (run)",
    """CREATE TABLE erasure (
        id INTEGER PRIMARY KEY, batch_id TEXT NOT NULL, leaf_index INTEGER NOT NULL, leaf BLOB NOT NULL,
        basis TEXT NOT NULL, erased_at INTEGER NOT NULL, due_at INTEGER NOT NULL, outbox_id INTEGER REFERENCES outbox,
        UNIQUE (batch_id, leaf_index)) STRICT""",
    "CREATE TABLE hold (id INTEGER PRIMARY KEY, subject TEXT NOT NULL, until INTEGER NOT NULL, reason TEXT NOT NULL) STRICT",
    """CREATE TABLE sealed (
        commitment BLOB PRIMARY KEY, kind TEXT NOT NULL, content TEXT NOT NULL, salt BLOB, disclose_by INTEGER NOT NULL,
        log_index INTEGER, opened_at INTEGER) STRICT""",
    "CREATE TABLE last (terminal_id TEXT PRIMARY KEY, class BLOB NOT NULL, n INTEGER NOT NULL) WITHOUT ROWID, STRICT",
    """CREATE TABLE last_before (
        terminal_id TEXT PRIMARY KEY, run INTEGER NOT NULL, class BLOB, n INTEGER) WITHOUT ROWID, STRICT""",
)
RECORD_COLUMNS = "batch_id, leaf_index, leaf, record_id, subject, month, terminal_id, observed_at, decided_at, content, erased_at"
BATCH_COLUMNS = "batch_id, run, stream, minute, records, bucket_size, inner_root, policy_digest, evaluator_digest, log_index"
OUTBOX_COLUMNS = "id, kind, stream, body, run, batch_id, state, log_index"


class Batch(NamedTuple):
    """A closed batch: its public entry's content, the run that made it, and its index in the log once it has one."""

    batch_id: str
    run: int
    stream: str
    minute: str
    records: int
    bucket_size: int
    inner_root: bytes
    policy_digest: str
    evaluator_digest: str
    log_index: int | None = None


class Record(NamedTuple):
    """One committed record; after an erasure only batch, leaf and the time of erasure are left.

    `content` is the canonical JSON of its fields; times are ns since 1970, UTC; `month` is `YYYY-MM`.
    """

    batch_id: str
    leaf_index: int
    leaf: bytes
    record_id: bytes | None
    subject: str | None
    month: str | None
    terminal_id: str | None
    observed_at_ns: int | None
    decided_at_ns: int | None
    content: str | None
    erased_at_ns: int | None = None


class Outgoing(NamedTuple):
    """An entry that is to be appended to the log; `body` is canonical JSON."""

    kind: str
    stream: str
    body: str
    run: int | None = None
    batch_id: str | None = None


class Queued(NamedTuple):
    """An entry of the outbox as it is stored; `log_index` is known once the state is `logged`."""

    id: int
    kind: str
    stream: str
    body: str
    run: int | None
    batch_id: str | None
    state: str
    log_index: int | None


class RunProof(NamedTuple):
    """Salted commitment of a run's manifest."""

    run: int
    salt: bytes
    commitment: bytes
    log_index: int | None = None


class Last(NamedTuple):
    """The last recorded decision of a terminal: its class [16 bytes], and how many records the terminal has."""

    terminal_id: str
    decision_class: bytes
    n: int


class Erased(NamedTuple):
    """A leaf whose record is gone; `batch_index` and `log_index` are positions in the log, None while not there."""

    id: int
    batch_id: str
    batch_index: int | None
    leaf_index: int
    leaf: bytes
    basis: str
    erased_at_ns: int
    due_at_ns: int
    log_index: int | None


class Hold(NamedTuple):
    """A legal hold: what concerns this subject must not be erased before `until_ns`."""

    id: int
    subject: str
    until_ns: int
    reason: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """Sealed content, its commitment, and the day on which it must be opened; times in ns since 1970, UTC."""

    commitment: bytes
    kind: str
    content: str
    salt: bytes | None
    disclose_by_ns: int
    log_index: int | None = None
    opened_at_ns: int | None = None
