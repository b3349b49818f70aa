"""Duties with dates that private records bring: what must be erased, what must not be erased yet, and what must be opened.

    erasure     a leaf whose record was erased, and when that is to be logged
    hold        a legal hold: until when what concerns a subject must stay
    sealed      content whose commitment is in the log, and the day on which it must be opened

They lie in the file of `store.records`, beside the records that they are about.
"""

# ruff: noqa: S608 - statements are put together from constants of this module; every value is bound

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from groundrule.errors import ConflictError, InputError
from groundrule.instant import format_instant
from groundrule.store.record_rows import Erased, Hold, Sealed
from groundrule.store.sqlite_file import SqliteFile


class RecordDuties:
    """Erasures, legal holds and seals of a record store; `RecordStore.duties`.

    Args:
        database: the record store's file.
    """

    def __init__(self, database: SqliteFile) -> None:
        self._database = database

    # --- erasure and legal holds --------------------------------------------------------------------------------------

    def erase(
        self,
        subject: str,
        month: str,
        *,
        erased_at_ns: int,
        basis: str,
        due_ns: Callable[[], int],
        scrub_now: bool = True,
        begun: bool = False,
    ) -> list[tuple[str, int, bytes]]:
        """Erase the records of a subject and month; their leaves stay, so that all proofs stay valid.

        Destroy the key first: an erased record with a living key can be found again by trying values.

        Args:
            subject: account holder or terminal. month: `YYYY-MM`.
            erased_at_ns: now [ns, UTC].
            basis: legal basis, logged with each leaf; names no person.
            due_ns: gives the time at which a leaf's erasure is to be logged [ns, UTC], another one for each, so that the
                records of one subject cannot be grouped.
            scrub_now: remove the deleted bytes from the file at once, which rewrites it; False leaves that to `scrub`,
                after several erasures.
            begun: the erasure was begun before, when no hold forbade it, and is completed.
        Returns:
            Batch id, leaf index and leaf of each erased record.
        Raises:
            ConflictError: a legal hold forbids it; or a reader delays the scrubbing of the deleted bytes.
        """
        db = self._database
        if not begun and (held := [hold for hold in self.holds(erased_at_ns) if hold.subject == subject]):
            last = max(held, key=lambda hold: hold.until_ns)
            raise ConflictError(
                f"a legal hold forbids the erasure until {format_instant(last.until_ns)}: {last.reason}",
                help="ask again after that day",
                until_ns=last.until_ns,
                reason=last.reason,
            )
        found = self._empty("subject=? AND month=?", (subject, month), erased_at_ns, basis, due_ns)
        if found and scrub_now:
            db.scrub()
        return found

    def erase_terminal(self, terminal_id: str, *, erased_at_ns: int, basis: str, due_ns: Callable[[], int]) -> int:
        """Erase the records of one terminal, whoever holds it, and the last decision that is kept of it; `scrub` removes the bytes.

        With a record goes its random id, without which nothing can be found again by trying values, also under a key that others share.

        Args:
            terminal_id: whose. erased_at_ns, basis, due_ns: as for `erase`.
        Returns:
            How many records.
        """
        found = self._empty("terminal_id=?", (terminal_id,), erased_at_ns, basis, due_ns)
        with self._database.transaction():
            gone = sum(self._database.run(f"DELETE FROM {name} WHERE terminal_id=?", (terminal_id,)) for name in ("last", "last_before"))
            if gone:
                self._database.scrub_later()
        return len(found)

    def _empty(
        self, where: str, values: tuple[str, ...], erased_at_ns: int, basis: str, due_ns: Callable[[], int]
    ) -> list[tuple[str, int, bytes]]:
        db = self._database
        with db.transaction():
            found: list[tuple[str, int, bytes]] = db.rows(
                f"SELECT batch_id, leaf_index, leaf FROM record WHERE {where} ORDER BY leaf", values
            )
            db.many(
                "UPDATE record SET record_id=NULL, subject=NULL, month=NULL, terminal_id=NULL, observed_at=NULL, "
                "decided_at=NULL, content=NULL, erased_at=? WHERE batch_id=? AND leaf_index=?",
                ((erased_at_ns, batch_id, leaf_index) for batch_id, leaf_index, _ in found),
            )
            db.many(
                "INSERT INTO erasure (batch_id, leaf_index, leaf, basis, erased_at, due_at) VALUES (?,?,?,?,?,?)",
                ((*leaf, basis, erased_at_ns, due_ns()) for leaf in found),
            )
            if found:
                db.scrub_later()
        return found

    def scrub(self) -> None:
        """Remove the bytes of what was erased from the file and its journal; rewrites the file.

        Raises:
            ConflictError: a reader delays it; it stays due and is done when the store is opened next.
        """
        self._database.scrub()

    def due_erasures(self, now_ns: int) -> list[Erased]:
        """Return the erasures to be logged by now: due, not queued, and of a batch that is in the log."""
        return self._erasures(
            "due_at<=? AND outbox_id IS NULL AND batch.log_index IS NOT NULL ORDER BY due_at", (now_ns,)
        )

    def erasure_of(self, batch_id: str, leaf_index: int) -> Erased | None:
        """Return when and why the record of a leaf was erased, or None."""
        found = self._erasures("erasure.batch_id=? AND leaf_index=?", (batch_id, leaf_index))
        return found[0] if found else None

    def _erasures(self, where: str, values: Sequence[str | int]) -> list[Erased]:
        rows = self._database.rows(
            "SELECT erasure.id, erasure.batch_id, batch.log_index, leaf_index, leaf, basis, erased_at, due_at, "
            "outbox.log_index FROM erasure JOIN batch ON batch.batch_id=erasure.batch_id "
            f"LEFT JOIN outbox ON outbox.id=outbox_id WHERE {where}",
            values,
        )
        return [Erased(*row) for row in rows]

    def hold(self, subject: str, until_ns: int, reason: str) -> Hold:
        """Forbid the erasure of what concerns a subject until a time [ns, UTC], for a reason that can be told."""
        if not reason.strip():
            raise InputError("a legal hold without a reason", help="say which proceeding it is for")
        rows = self._database.rows(
            "INSERT INTO hold (subject, until, reason) VALUES (?,?,?) RETURNING id, subject, until, reason",
            (subject, until_ns, reason),
        )
        return Hold(*rows[0])

    def release(self, hold_id: int) -> bool:
        """End a legal hold early; False if there is none."""
        return bool(self._database.run("DELETE FROM hold WHERE id=?", (hold_id,)))

    def holds(self, now_ns: int) -> list[Hold]:
        """Return the legal holds that are in force, the longest last."""
        rows = self._database.rows(
            "SELECT id, subject, until, reason FROM hold WHERE until>? ORDER BY until, id", (now_ns,)
        )
        return [Hold(*row) for row in rows]

    # --- seals --------------------------------------------------------------------------------------------------------

    def add_sealed(self, sealed: Sealed) -> None:
        """Keep sealed content; ConflictError if its commitment is there already."""
        self._database.run(
            "INSERT INTO sealed VALUES (?,?,?,?,?,?,?)",
            (
                sealed.commitment,
                sealed.kind,
                sealed.content,
                sealed.salt,
                sealed.disclose_by_ns,
                sealed.log_index,
                sealed.opened_at_ns,
            ),
        )

    def sealed(self, *, still_closed: bool = False) -> Iterator[Sealed]:
        """Yield sealed content in order of the day on which it must be opened, or only what is still closed."""
        where = " WHERE opened_at IS NULL" if still_closed else ""
        for row in self._database.rows(
            f"SELECT commitment, kind, content, salt, disclose_by, log_index, opened_at FROM sealed{where} "
            "ORDER BY disclose_by, commitment"
        ):
            yield Sealed(*row)

    def mark_sealed(
        self, commitment: bytes, *, log_index: int | None = None, opened_at_ns: int | None = None
    ) -> None:
        """Note where a seal is in the log, or when it was opened; what was noted before stays.

        Raises:
            InputError: no such seal.
        """
        changed = self._database.run(
            "UPDATE sealed SET log_index=COALESCE(log_index, ?), opened_at=COALESCE(opened_at, ?) WHERE commitment=?",
            (log_index, opened_at_ns, commitment),
        )
        if not changed:
            raise InputError(
                f"nothing is sealed under `{commitment.hex()}`", help="give a commitment of the store"
            )
