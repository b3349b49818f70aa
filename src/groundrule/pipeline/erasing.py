"""Erasure of history: all rows of some terminals leave a home, and what remains is decided again byte for byte as before.

The decision of a terminal rests on no other terminal, so whole terminals can go. An erasure has two halves:

1. *Begin*: what is stored of each run that is touched is compared with its manifest; rows and digest of what will remain go into a
   record (`store.erasures`), and that with the names of those who leave into one file (`store.leaving`). From then on it holds: readers
   leave those rows out, and a replay compares with the record.
2. *Complete*: the record gets its place and its entry in the log; keys and private records are destroyed; every file that holds a row
   is written anew. Each step can be done again; after a crash the next writer does them all.
"""

from __future__ import annotations

import os
import secrets
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.canon import canonical_json, digest_bytes
from groundrule.errors import ConflictError, InputError, IntegrityError
from groundrule.instant import NS_PER_DAY, format_instant
from groundrule.ledger.commitment import SALT_BYTES, seal_commitment
from groundrule.ledger.item import Item
from groundrule.pipeline import lateness
from groundrule.pipeline.digests import TableDigest
from groundrule.pipeline.home_ledger import GOVERNANCE, HomeLedger, has_ledger
from groundrule.pipeline.ledger_duties import ERASURE_DAYS
from groundrule.pipeline.manifests import read_manifest, runs
from groundrule.pipeline.stored_history import HomeHistory
from groundrule.records import DECISION_SCHEMA, OBSERVATION_SCHEMA, filtered
from groundrule.store.durable import sync_folder, write_durably
from groundrule.store.erasing_places import (
    clear_caches,
    history_folder,
    history_paths,
    leave_places,
    naming,
    rewrite_history,
)
from groundrule.store.erasures import KINDS, VERSION, chain_faults, erasures, remaining, write_erasure
from groundrule.store.history import count_terminals, marks_of, read_columns, read_exactly, read_run, remove_uncommitted
from groundrule.store.home import Home
from groundrule.store.leaving import MARK, OVER_LATE, Leaving, leaving
from groundrule.store.registers import Registers

WHAT: Final = "history-erasure"
"""How entries of the log call the record of an erasure."""
REQUEST, RETENTION = "request", "retention"
MOST_BASIS: Final = 500
_SCHEMAS: Final = {"observations": OBSERVATION_SCHEMA, "decisions": DECISION_SCHEMA, OVER_LATE: OBSERVATION_SCHEMA}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to leave a home.

    Attributes:
        terminals: whole terminals.
        subjects: whose keys for proofs go as well: `account:ID`, `terminal:ID`.
        before_ns: by kind, what is older than an instant goes [ns, UTC].
        keep: terminals of which nothing goes because of its age.
    """

    terminals: frozenset[str] = frozenset()
    subjects: tuple[str, ...] = ()
    before_ns: Mapping[str, int] = field(default_factory=dict)
    keep: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure does, or did.

    Attributes:
        record: its record.
        digest: of the record.
        salt: opens `record["subject"]`, together with the subject; kept nowhere. None where nobody is named.
    """

    record: Mapping[str, Any]
    digest: str
    salt: str | None = None

    @property
    def rows(self) -> dict[str, int]:
        """Rows of history that leave, by kind."""
        return {kind: sum(each[kind]["erased"] for each in self.record["runs"].values() if kind in each) for kind in KINDS}

    @property
    def empty(self) -> bool:
        """Does nothing leave?"""
        return not self.record["runs"] and not self.record["places"]


def terminals_of(home: Home, subject: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the terminals of a subject, and the accounts that any of them ever belonged to, as the registers know it.

    Args:
        subject: `terminal:ID` or `account:ID`.
    Raises:
        InputError: it is neither.
    """
    kind, _, name = subject.partition(":")
    if kind not in {"terminal", "account"} or not name:
        raise InputError(f"`{subject[:80]}` names no subject", help="write account:ID or terminal:ID")
    owners = _owners(home)
    terminals = {name} if kind == "terminal" else {terminal for terminal, account in owners if account == name}
    return frozenset(terminals), frozenset(account for terminal, account in owners if terminal in terminals and account)


def erase_history(home: Home, ledger: HomeLedger | None, subject: str, *, basis: str, now_ns: int) -> Erased:
    """Erase all rows of a terminal, or of all terminals that belong or belonged to an account; it cannot be undone.

    Args:
        home: the caller holds its write lock.
        ledger: its log, open; None only where it has none.
        subject: `terminal:ID` or `account:ID`.
        basis: legal basis; it is published, so it names nobody.
        now_ns: the time of the erasure [ns, UTC].
    Raises:
        InputError: no basis, one that names the subject, or nothing is kept about it.
        ConflictError: a legal hold forbids it. IntegrityError: what is stored is not what was decided; nothing is erased.
        StoreError: the disk refused; what was begun is completed by the next writer.
    """
    complete_begun(home, ledger)
    terminals, accounts = terminals_of(home, subject)
    check_basis(basis, terminals | {subject.partition(":")[2]})
    refuse_held(ledger, {subject, *(f"terminal:{each}" for each in terminals), *(f"account:{each}" for each in accounts)}, now_ns)
    wanted = Wanted(terminals, tuple(sorted({subject, *(f"terminal:{each}" for each in terminals)})))
    planned = plan(home, ledger, wanted, basis=basis, cause=REQUEST, subject=subject, now_ns=now_ns)
    if planned.empty:
        raise InputError(f"nothing is kept about `{subject[:80]}`", help="write account:ID or terminal:ID, with the id of the registers")
    carry_out(home, ledger, wanted, planned)
    return planned


def check_basis(basis: str, names: frozenset[str]) -> None:
    """Refuse a basis that says nothing, too much, or whom it is about.

    Raises:
        InputError: see above.
    """
    if not basis.strip() or len(basis) > MOST_BASIS:
        raise InputError("an erasure without a legal basis" if not basis.strip() else f"a basis of {len(basis):,} characters",
                         help=f"name it, for instance `GDPR Art. 17(1)(b)`; at most {MOST_BASIS} characters")  # fmt: skip
    if naming(names)(basis):
        raise InputError("the basis names whom the erasure is about", help="it is published: name the law, and nobody")
    Item("evidence", GOVERNANCE, _entry(1, basis, "0" * 64)).check()


def refuse_held(ledger: HomeLedger | None, subjects: set[str], now_ns: int) -> None:
    """Refuse where a legal hold stands on one of some subjects.

    Raises:
        ConflictError: it does.
    """
    held = [hold for hold in holds(ledger, now_ns) if hold[0] in subjects]
    if held:
        _, until_ns, reason = max(held, key=lambda each: each[1])
        raise ConflictError(f"a legal hold forbids the erasure until {format_instant(until_ns)}: {reason}", help="ask again after that day")


def holds(ledger: HomeLedger | None, now_ns: int) -> list[tuple[str, int, str]]:
    """Return subject, end [ns, UTC] and reason of every legal hold in force."""
    return [] if ledger is None else [(hold.subject, hold.until_ns, hold.reason) for hold in ledger.records.duties.holds(now_ns)]


# --- what would leave -----------------------------------------------------------------------------------------------------------


def plan(
    home: Home, ledger: HomeLedger | None, wanted: Wanted, *, basis: str, cause: str, now_ns: int, subject: str | None = None
) -> Erased:
    """Work out what an erasure takes away and what remains, and change nothing.

    Raises:
        ConflictError: history lies in object storage.
        IntegrityError: what is stored of a run is not what its manifest, or the erasure before, says.
    """
    history_folder(home)
    before = erasures(home)
    if faults := chain_faults(home, before):
        raise IntegrityError(faults[0], help="see what was changed with: groundrule replay")
    salt = os.urandom(SALT_BYTES) if subject is not None else None
    would = Leaving(wanted.terminals, dict(wanted.before_ns), wanted.keep, wanted.subjects, {})
    known = runs(home)
    remove_uncommitted(home, known)
    touched: dict[str, dict[str, Any]] = {}
    for run, kinds in _touched(would, home).items():
        told = remaining(before, run, read_manifest(home, run))
        touched[str(run)] = {kind: _left(home, run, kind, would, told.content[kind]) for kind in sorted(kinds)}
        if "decisions" in kinds and (held := _held(home, run, known, would)) is not None:
            touched[str(run)]["held"] = held
    places = leave_places(home, would, write=False)
    if ledger is not None and (number := _private(ledger, wanted)):
        places["records"] = number
    record = {
        "v": VERSION, "home": home.id, "number": len(before) + 1, "previous": before[-1].digest if before else None,
        "at": format_instant(now_ns), "at_ns": str(now_ns), "basis": basis, "cause": cause, "terminals": len(wanted.terminals),
        "subject": None if salt is None else b64encode(seal_commitment(salt, {"subject": subject})).decode(),
        "runs": touched, "places": places,
    }  # fmt: skip
    return Erased(record, digest_bytes(canonical_json(record)), None if salt is None else b64encode(salt).decode())


def _touched(would: Leaving, home: Home) -> dict[int, set[str]]:
    """Runs and kinds in which rows leave, in the order of the runs."""
    found: dict[int, set[str]] = {}
    for kind, path in history_paths(home):
        run = marks_of(path)[0]
        if kind in found.get(run, set()) or (kind == OVER_LATE and not would.terminals and OVER_LATE not in would.before_ns):
            continue
        if pc.any(_mask(would, kind, read_columns(path, ["terminal_id", "observed_at"]))).as_py():
            found.setdefault(run, set()).add(kind)
    return dict(sorted(found.items()))


def _mask(would: Leaving, kind: str, table: pa.Table) -> pa.Array:
    return would.mask(kind, table.column("terminal_id"), table.column("observed_at") if kind == OVER_LATE else None)


def _left(home: Home, run: int, kind: str, would: Leaving, told: Mapping[str, Any]) -> dict[str, Any]:
    """What remains of one kind of rows of a run, after those that are there were compared with what was told of them."""
    whole, rest = TableDigest(), TableDigest()
    for correction in (False, True) if kind == "decisions" else (False,):
        for table in read_exactly(home, kind, run, _SCHEMAS[kind], corrections=correction):
            whole.update(table)
            stays = pc.invert(_mask(would, kind, table))
            left = table.filter(stays) if kind == "decisions" else filtered(table, stays)
            if len(left):
                rest.update(left)
    if whole.content != told:
        raise IntegrityError(
            f"run {run}: the stored {kind} are not those that were decided, so nothing is erased",
            help="see what was changed with: groundrule replay; restore it from a backup",
        )
    return {"before": told["digest"], "erased": whole.rows - rest.rows, **rest.content}


def _held(home: Home, run: int, known: list[int], would: Leaving) -> list[list[int]] | None:
    """Rows of those who leave that still count where a run decided terminals again: they part the others (`correction_parts`).

    Without them, those who remain would be decided again in other company, and stand in another order.
    """
    parts = [table.column("terminal_id") for table in read_run(home, "decisions", run, corrections=True, columns=["terminal_id"])]
    ids = pc.unique(pa.chunked_array([chunk for part in parts for chunk in part.chunks], pa.string()))
    ids = ids.take(pc.sort_indices(ids))
    until = [each for each in known if each <= run]
    goes = would.mask("decisions", ids, None).to_numpy(zero_copy_only=False)
    if not goes.any():
        return None
    counted = HomeHistory(home).count(ids, until)
    if int(counted.sum()) < lateness.CORRECTION_ROWS:
        return None
    return _counted_on(counted, count_terminals(home, "observations", ids, runs=until), goes)


def _counted_on(counted: NDArray[np.int64], plain: NDArray[np.int64], goes: NDArray[np.bool_]) -> list[list[int]]:
    """Place among those who remain, and rows that are counted there beside one's own."""
    found: list[list[int]] = []
    carried = place = 0
    for count, own, leaves in zip(counted.tolist(), plain.tolist(), goes.tolist(), strict=True):
        if leaves:
            carried += count
            continue
        if extra := count + carried - own:
            found.append([place, extra])
        carried, place = 0, place + 1
    return found


def _private(ledger: HomeLedger, wanted: Wanted) -> int:
    """Private records and keys that go: how many."""
    records = sum(ledger.records.number_of_records(each) for each in wanted.terminals)
    keys = sum(len(ledger.keys.months_of(each)) for each in wanted.subjects)
    last = len(ledger.records.last_classes(sorted(wanted.terminals)))
    return records + keys + last


# --- doing it -----------------------------------------------------------------------------------------------------------------------


def reached(step: str) -> None:
    """Passed after each step of an erasure; nothing happens here. Tests end the process here."""


def carry_out(home: Home, ledger: HomeLedger | None, wanted: Wanted, planned: Erased) -> None:
    """Begin an erasure that was planned, and complete it; see `erase_history`."""
    begun = Leaving(wanted.terminals, dict(wanted.before_ns), wanted.keep, wanted.subjects, dict(planned.record))
    reached("planned")
    # INVARIANT: from this file on the erasure holds, and everything after can be done again from it.
    write_durably(history_folder(home) / MARK, begun.encoded())
    reached("begun")
    complete_begun(home, ledger)


def complete_begun(home: Home, ledger: HomeLedger | None) -> int | None:
    """Complete an erasure that was begun; return its number, or None where there is none.

    Args:
        home: the caller holds its write lock.
        ledger: its log; None where it has none, or where it is out of reach: then keys, private records and the log's entry wait for
            the next writer.
    Raises:
        StoreError: the disk refused; the next writer tries again.
    """
    begun = leaving(home.history)
    if begun is None:
        return None
    record = begun.record
    write_erasure(home, record)
    reached("recorded")
    if ledger is not None:
        _log(ledger, record)
        reached("logged")
        _destroy(ledger, begun)
        reached("destroyed")
    rewrite_history(home, begun, done=lambda path: reached(f"written {path.name}"))
    reached("history")
    leave_places(home, begun, write=True)
    reached("places")
    clear_caches(home)
    reached("caches")
    if ledger is not None or not has_ledger(home):
        (history_folder(home) / MARK).unlink()
        sync_folder(history_folder(home))
        reached("done")
    return int(record["number"])


def _entry(number: int, basis: str, sha256: str) -> dict[str, Any]:
    return {"basis": basis, "number": number, "sha256": sha256, "what": WHAT}


def entry_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the log says of an erasure: its number, its basis, and the digest of its record."""
    return _entry(int(record["number"]), str(record["basis"]), digest_bytes(canonical_json(record)).partition(":")[2])


def _log(ledger: HomeLedger, record: Mapping[str, Any]) -> None:
    body = entry_of(record)
    if not ledger.records.is_queued("evidence", canonical_json(body).decode()):
        ledger.queue("evidence", body)
    ledger.flush()


def _destroy(ledger: HomeLedger, begun: Leaving) -> None:
    """Destroy keys first, then private records, as `ledger_duties.erase` does."""
    now = ledger.clock()
    duties, basis = ledger.records.duties, str(begun.record["basis"])

    def due_ns() -> int:
        return now + secrets.randbelow(ERASURE_DAYS * NS_PER_DAY)

    with suppress(ConflictError):  # a reader delays the scrubbing, which stays due; the keys are gone
        ledger.keys.destroy_all([(subject, month) for subject in begun.subjects for month in ledger.keys.months_of(subject)])
    for subject in begun.subjects:
        for month in ledger.records.months_of(subject):
            duties.erase(subject, month, erased_at_ns=now, basis=basis, due_ns=due_ns, scrub_now=False, begun=True)
    for terminal in sorted(begun.terminals):
        with suppress(ConflictError):
            ledger.keys.destroy_index_key(terminal)
        duties.erase_terminal(terminal, erased_at_ns=now, basis=basis, due_ns=due_ns)
    with suppress(ConflictError):
        duties.scrub()


def _owners(home: Home) -> list[tuple[str, str | None]]:
    if not home.has_registers():
        return []
    with Registers.open(home) as registers:
        return [(terminal, account) for terminal, account, _, _ in registers.owners()]


__all__ = [
    "REQUEST", "RETENTION", "WHAT", "Erased", "Wanted", "carry_out", "check_basis", "complete_begun", "entry_of", "erase_history",
    "holds", "plan", "refuse_held", "terminals_of",
]  # fmt: skip
