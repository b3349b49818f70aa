"""The private records behind the public log: what was committed to, where its leaf lies, and what is still to be logged.

    batch       one per public batch entry          record    one per committed decision; its content can be erased
    outbox      entries on their way into the log   run_proof salted commitment of a run's manifest
    last        last recorded decision per terminal erasure, hold, sealed: duties with dates (`record_duties`)

The store knows bytes and text only. Keys are elsewhere (`store.keys`), and who computes leaves is `groundrule.ledger`.

A run is written in one transaction (`add`), before its manifest. What a crash leaves of a run without a manifest is taken
back by `remove_uncommitted`; what is in the outbox is appended to the log until it is marked as logged.
"""

# ruff: noqa: S608 - statements are put together from constants of this module; every value is bound

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from groundrule.errors import ConflictError, InputError
from groundrule.store.record_duties import RecordDuties
from groundrule.store.record_rows import (
    BATCH_COLUMNS,
    KIND,
    OUTBOX_COLUMNS,
    RECORD_COLUMNS,
    SCHEMA,
    VERSION,
    WHAT,
    Batch,
    Last,
    Outgoing,
    Queued,
    Record,
    RunProof,
)
from groundrule.store.sqlite_file import SqliteFile

__all__ = [
    "Batch",
    "Last",
    "Outgoing",
    "Queued",
    "Record",
    "RecordStore",
    "RunProof",
]


class RecordStore:
    """The private records of one deployment; use `create` or `open`, and `close` or a `with` block.

    One process writes; any number read meanwhile.

    Attributes:
        duties: erasures, legal holds and seals.
    """

    def __init__(self, database: SqliteFile) -> None:
        self._database = database
        self.duties = RecordDuties(database)

    @classmethod
    def create(cls, path: Path | str) -> Self:
        """Make an empty store.

        Raises:
            ConflictError: the file exists. StoreError: the disk refused.
        """
        return cls(SqliteFile.create(Path(path), kind=KIND, version=VERSION, schema=SCHEMA))

    @classmethod
    def open(cls, path: Path | str, *, read_only: bool = False) -> Self:
        """Open a store.

        Raises:
            InputError: no such file, or not a record store of this version. StoreError: it cannot be read.
        """
        return cls(SqliteFile.open(Path(path), kind=KIND, version=VERSION, what=WHAT, read_only=read_only))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- what a run writes --------------------------------------------------------------------------------------------

    def add(
        self,
        run: int,
        *,
        batches: Iterable[Batch] = (),
        records: Iterable[Record] = (),
        outbox: Iterable[Outgoing] = (),
        last: Iterable[Last] = (),
        proof: RunProof | None = None,
        begin_anew: bool = False,
    ) -> None:
        """Write what one run makes, all of it or nothing; may be called several times for one run.

        Args:
            run: its number; what it changes in `last` can be taken back until another run changes something.
            batches: closed batches. records: of these batches, in any order.
            outbox: entries for the log, in the order in which they are to be appended.
            last: the new last decisions.
            proof: the commitment of the run's manifest.
            begin_anew: the run decided without leaving records, so the next record of every terminal begins something new.
        Raises:
            ConflictError: a batch, leaf or proof is there already, or a record names no batch.
        """
        db = self._database
        with db.transaction():
            db.many(f"INSERT INTO batch ({BATCH_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)", batches)
            db.many(f"INSERT INTO record ({RECORD_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)", records)
            if proof is not None:
                db.run("INSERT INTO run_proof VALUES (?,?,?,?)", proof)
            self._queue(outbox)
            if begin_anew:
                db.run("UPDATE last SET class=x''")
            changed = list(last)
            if changed:
                db.run("DELETE FROM last_before WHERE run<>?", (run,))
                db.many(
                    "INSERT OR IGNORE INTO last_before SELECT ?1, ?2, class, n FROM (SELECT 1) "
                    "LEFT JOIN last ON terminal_id=?1",
                    ((each.terminal_id, run) for each in changed),
                )
                db.many("INSERT OR REPLACE INTO last VALUES (?,?,?)", changed)

    def add_batch(self, batch: Batch, records: Iterable[Record], outbox: Iterable[Outgoing] = ()) -> None:
        """Write one batch with its records; see `add`."""
        self.add(batch.run, batches=[batch], records=records, outbox=outbox)

    def remove_uncommitted(self, known_runs: Collection[int]) -> list[str]:
        """Take back what was written for runs that never finished.

        Args:
            known_runs: the runs that have a manifest.
        Returns:
            Ids of the batches that were removed; their secrets can be forgotten.
        Raises:
            ConflictError: an entry of such a run is in the log, which nothing can take back.
        """
        db = self._database
        known = set(known_runs)
        seen = db.rows(
            "SELECT run FROM batch UNION SELECT run FROM outbox UNION SELECT run FROM run_proof UNION SELECT run FROM last_before"
        )
        strange = [run for (run,) in seen if run is not None and run not in known]
        removed: list[str] = []
        with db.transaction():
            for run in strange:
                logged = db.rows(
                    "SELECT log_index FROM outbox WHERE run=? AND state='logged' LIMIT 1", (run,)
                )
                if logged:
                    raise ConflictError(
                        f"run {run} has no manifest, but entry {logged[0][0]} of the log is of it",
                        help="restore the manifest from a backup; what is in the log cannot be taken back",
                    )
                removed += [batch for (batch,) in db.rows("SELECT batch_id FROM batch WHERE run=?", (run,))]
                db.run("DELETE FROM outbox WHERE run=?", (run,))
                db.run(
                    "DELETE FROM record WHERE batch_id IN (SELECT batch_id FROM batch WHERE run=?)", (run,)
                )
                db.run("DELETE FROM batch WHERE run=?", (run,))
                db.run("DELETE FROM run_proof WHERE run=?", (run,))
                db.run(
                    "DELETE FROM last WHERE terminal_id IN (SELECT terminal_id FROM last_before WHERE run=? AND n IS NULL)",
                    (run,),
                )
                db.run(
                    "INSERT OR REPLACE INTO last SELECT terminal_id, class, n FROM last_before "
                    "WHERE run=? AND n IS NOT NULL",
                    (run,),
                )
                db.run("DELETE FROM last_before WHERE run=?", (run,))
        return removed

    # --- the outbox ---------------------------------------------------------------------------------------------------

    def queue(self, outgoing: Iterable[Outgoing], *, erasures: Sequence[int] = ()) -> None:
        """Queue entries for the log.

        Args:
            outgoing: in the order in which they are to be appended.
            erasures: ids of erasures, one per entry, that these entries log; or none.
        """
        given = list(outgoing)
        if erasures and len(erasures) != len(given):
            raise InputError(f"{len(given)} entries for {len(erasures)} erasures", help="one entry each")
        with self._database.transaction():
            ids = self._queue(given)
            self._database.many("UPDATE erasure SET outbox_id=? WHERE id=?", zip(ids, erasures, strict=False))

    def _queue(self, outgoing: Iterable[Outgoing]) -> list[int]:
        statement = "INSERT INTO outbox (kind, stream, body, run, batch_id, state) VALUES (?,?,?,?,?,'pending') RETURNING id"
        return [row[0] for row in self._database.each(statement, outgoing) if row is not None]

    def pending_outbox(self, limit: int = -1) -> list[Queued]:
        """Return the entries that are not known to be in the log, in order; at most `limit`, all if negative."""
        rows = self._database.rows(
            f"SELECT {OUTBOX_COLUMNS} FROM outbox WHERE state='pending' ORDER BY id LIMIT ?", (limit,)
        )
        return [Queued(*row) for row in rows]

    def replace_pending(self, id_: int, kind: str, body: str) -> None:
        """Let another entry of the same stream take the place of one that is not in the log."""
        with self._database.transaction():
            self._database.run("UPDATE outbox SET kind=?, body=? WHERE id=? AND state='pending'", (kind, body, id_))

    def is_queued(self, kind: str, body: str) -> bool:
        """Is there an entry of this kind with exactly this body (canonical JSON), in the outbox or in the log already?"""
        return bool(self._database.one("SELECT EXISTS (SELECT 1 FROM outbox WHERE kind=? AND body=?)", (kind, body))[0])

    def logged_in(self, stream: str, kind: str | None = None) -> list[int]:
        """Return the indexes in the log of all entries of a stream, or of one kind in it, ascending."""
        rows = self._database.rows(
            "SELECT log_index FROM outbox WHERE stream=? AND log_index IS NOT NULL AND (? IS NULL OR kind=?) ORDER BY log_index",
            (stream, kind, kind),
        )
        return [int(row[0]) for row in rows]

    def logged_until(self) -> int:
        """Return how many entries the log has as far as this store knows: one more than the highest index noted."""
        return int(self._database.one("SELECT coalesce(max(log_index) + 1, 0) FROM outbox")[0])

    def mark_logged(self, indexes: Mapping[int, int]) -> None:
        """Note where entries are in the log; batches and manifests get the index too. Marking twice does no harm.

        Args:
            indexes: index in the log by id of the outbox.
        Raises:
            ConflictError: an entry is marked with another index already.
        """
        db = self._database
        pairs = [(index, each) for each, index in indexes.items()]
        with db.transaction():
            held = db.each("SELECT log_index FROM outbox WHERE id=?", ((each,) for _, each in pairs))
            for (index, each), row in zip(pairs, held, strict=True):
                if row is None or row[0] not in (None, index):
                    raise ConflictError(
                        f"entry {each} of the outbox "
                        + ("does not exist" if row is None else f"has index {row[0]}"),
                        help=f"it cannot get index {index}",
                    )
            db.many("UPDATE outbox SET state='logged', log_index=? WHERE id=?", pairs)
            db.many(
                "UPDATE batch SET log_index=? WHERE batch_id=(SELECT batch_id FROM outbox WHERE id=? AND kind='decision-batch')",
                pairs,
            )
            db.many(
                "UPDATE run_proof SET log_index=? WHERE run=(SELECT run FROM outbox WHERE id=? AND kind='manifest')",
                pairs,
            )

    def run_proof(self, run: int) -> RunProof | None:
        """Return the commitment of a run's manifest, or None."""
        rows = self._database.rows(
            "SELECT run, salt, commitment, log_index FROM run_proof WHERE run=?", (run,)
        )
        return RunProof(*rows[0]) if rows else None

    # --- reading ------------------------------------------------------------------------------------------------------

    def batch(self, batch_id: str) -> tuple[Batch, list[Record]]:
        """Return a batch with all of its records, erased ones too, in the order of their leaves.

        Raises:
            InputError: no such batch.
        """
        rows = self._database.rows(f"SELECT {BATCH_COLUMNS} FROM batch WHERE batch_id=?", (batch_id,))
        if not rows:
            raise InputError(f"no batch `{batch_id[:80]}`", help="take its id from a record")
        records = self._database.rows(
            f"SELECT {RECORD_COLUMNS} FROM record WHERE batch_id=? ORDER BY leaf_index", (batch_id,)
        )
        return Batch(*rows[0]), [Record(*row) for row in records]

    def batch_of(self, batch_id: str) -> Batch:
        """Return a batch without its records; InputError if there is none."""
        rows = self._database.rows(f"SELECT {BATCH_COLUMNS} FROM batch WHERE batch_id=?", (batch_id,))
        if not rows:
            raise InputError(f"no batch `{batch_id[:80]}`", help="take its id from a record")
        return Batch(*rows[0])

    def batches(self, *, run: int | None = None) -> list[Batch]:
        """Return all batches, or those of one run, in the order in which they were written."""
        where, values = ("", ()) if run is None else (" WHERE run=?", (run,))
        return [
            Batch(*row)
            for row in self._database.rows(f"SELECT {BATCH_COLUMNS} FROM batch{where} ORDER BY rowid", values)
        ]

    def batch_at(self, log_index: int) -> Batch | None:
        """Return the batch whose entry has an index in the log, or None."""
        rows = self._database.rows(f"SELECT {BATCH_COLUMNS} FROM batch WHERE log_index=?", (log_index,))
        return Batch(*rows[0]) if rows else None

    def records_of(self, terminal_id: str, at_ns: int | None = None) -> list[Record]:
        """Return the records of a terminal, oldest decision first; with `at_ns`, those decided up to then [ns, UTC]."""
        return self._records(
            "terminal_id=? AND decided_at<=? ORDER BY decided_at, rowid", (terminal_id, _latest(at_ns))
        )

    def record_at(self, terminal_id: str, at_ns: int | None = None) -> Record | None:
        """Return the latest record of a terminal decided up to an instant [ns, UTC]; of one instant, the last written."""
        found = self._records(
            "terminal_id=? AND decided_at<=? ORDER BY decided_at DESC, rowid DESC LIMIT 1",
            (terminal_id, _latest(at_ns)),
        )
        return found[0] if found else None

    def record_in_force(
        self, terminal_id: str, observed_at_ns: int | None = None, *, until_run: int | None = None
    ) -> Record | None:
        """Return the record that says what holds for a terminal's observation of an instant [ns, UTC].

        A later run corrects what earlier runs recorded from the observation on with which its own records begin; so the
        highest run counts that has a record up to the instant, and in it the latest record.

        Args:
            until_run: leave out what later runs wrote, for instance one that is under way or was broken off.
        """
        columns = ", ".join(f"record.{name.strip()}" for name in RECORD_COLUMNS.split(","))
        rows = self._database.rows(
            f"SELECT {columns} FROM record JOIN batch ON batch.batch_id=record.batch_id "
            "WHERE terminal_id=? AND observed_at<=? AND run<=? "
            "ORDER BY run DESC, observed_at DESC, record.rowid DESC LIMIT 1",
            (terminal_id, _latest(observed_at_ns), _latest(until_run)),
        )
        return Record(*rows[0]) if rows else None

    def records_of_run(self, run: int) -> Iterator[Record]:
        """Yield the records of a run in the order in which they were made, erased ones too."""
        columns = ", ".join(f"record.{name.strip()}" for name in RECORD_COLUMNS.split(","))
        rows = self._database.rows(
            f"SELECT {columns} FROM record JOIN batch ON batch.batch_id=record.batch_id WHERE run=? ORDER BY record.rowid",
            (run,),
        )
        for row in rows:
            yield Record(*row)

    def records_of_subject(self, subject: str, month: str) -> list[Record]:
        """Return the records of a subject and month, as an erasure would find them."""
        return self._records("subject=? AND month=? ORDER BY batch_id, leaf_index", (subject, month))

    def months_of(self, subject: str) -> list[str]:
        """Return the months in which a subject has records, in order; with those of its keys, all that can be erased."""
        rows = self._database.rows("SELECT DISTINCT month FROM record WHERE subject=? ORDER BY month", (subject,))
        return [month for (month,) in rows]

    def _records(self, where: str, values: Sequence[str | int]) -> list[Record]:
        return [
            Record(*row)
            for row in self._database.rows(f"SELECT {RECORD_COLUMNS} FROM record WHERE {where}", values)
        ]

    def number_of_records(self, terminal_id: str) -> int:
        """Return how many records of a terminal can still be found; fewer than `Last.n` where some were erased."""
        return int(self._database.one("SELECT count(*) FROM record WHERE terminal_id=?", (terminal_id,))[0])

    def last_classes(self, terminal_ids: Sequence[str] | None = None) -> dict[str, Last]:
        """Return the last recorded decision of all terminals, or of those named that have one."""
        columns = "SELECT terminal_id, class, n FROM last"
        rows: Iterable[tuple[str, bytes, int] | None]
        if terminal_ids is None:
            rows = self._database.rows(columns)
        else:
            rows = self._database.each(f"{columns} WHERE terminal_id=?", ((each,) for each in terminal_ids))
        return {row[0]: Last(*row) for row in rows if row is not None}

    def forget_terminal(self, terminal_id: str) -> None:
        """Remove the last decision of a terminal that has left; a later record of it would begin anew."""
        with self._database.transaction():
            self._database.run("DELETE FROM last WHERE terminal_id=?", (terminal_id,))
            self._database.run("DELETE FROM last_before WHERE terminal_id=?", (terminal_id,))
            self._database.scrub_later()
        self._database.scrub()

    def counts(self) -> dict[str, int]:
        """Return how many batches, records, erased records and pending entries there are."""
        names = ("batches", "records", "erased", "pending")
        row = self._database.one(
            "SELECT (SELECT count(*) FROM batch), (SELECT count(*) FROM record), "
            "(SELECT count(*) FROM erasure), (SELECT count(*) FROM outbox WHERE state='pending')"
        )
        return dict(zip(names, row, strict=True))


def _latest(at_ns: int | None) -> int:
    return 2**63 - 1 if at_ns is None else at_ns
