"""Duties of whoever keeps a log: seal and open rules that must stay closed for a time, erase people's data, beat the heart.

Each writes to the home first and then to the log, through the outbox. All need the home's write lock.
"""

from __future__ import annotations

import json
import os
import secrets
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from groundrule.canon import canonical_json
from groundrule.errors import ConflictError, InputError, IntegrityError
from groundrule.instant import NS_PER_DAY, NS_PER_S, format_instant
from groundrule.ledger.commitment import SALT_BYTES, seal_commitment
from groundrule.ledger.entry import MAX_SEQ, format_time
from groundrule.ledger.item import Item
from groundrule.pipeline.home_ledger import GOVERNANCE, HomeLedger
from groundrule.store.record_rows import Sealed
from groundrule.store.records import Outgoing

SEAL_DAYS: Final = 180
"""How long content may stay sealed at most [days]."""
ERASURE_DAYS: Final = 30
"""Within how many days erasures are logged, at random times, so that those of one person cannot be grouped [days]."""


_NO_LEAF: Final = b64encode(bytes(32)).decode()


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasure did.

    Attributes:
        months: the months whose keys were destroyed.
        records: records erased; each will be logged as an opaque leaf within ERASURE_DAYS.
    """

    months: tuple[str, ...]
    records: int


def seal(ledger: HomeLedger, content: Any, *, kind: str, disclose_by_ns: int, custodians: Sequence[str]) -> str:
    """Commit to content that is to stay closed until a day, and keep it.

    Args:
        content: JSON without floats, for instance a rule.
        kind: what it is, in public words: "military area".
        disclose_by_ns: the day on which it must be opened, at most SEAL_DAYS ahead [ns, UTC].
        custodians: who keeps it, in public words.
    Returns:
        The commitment, in base64.
    Raises:
        InputError: the day is past or too far ahead, nothing is said about kind or custodians, or an entry cannot hold it.
    """
    now = ledger.clock()
    if not now < disclose_by_ns <= now + SEAL_DAYS * NS_PER_DAY:
        raise InputError(
            f"sealed until {format_instant(disclose_by_ns)}",
            help=f"name a day after now and at most {SEAL_DAYS} days ahead, up to "
            f"{format_instant((now + SEAL_DAYS * NS_PER_DAY) // NS_PER_S * NS_PER_S)}",
        )
    if not kind.strip() or not custodians or not all(name.strip() for name in custodians):
        raise InputError("a seal without kind or custodians", help="say in public words what it is and who keeps it")
    salt = os.urandom(SALT_BYTES)
    commitment = seal_commitment(salt, content)
    # What could not be opened later must not be sealed now.
    Item("unsealed", GOVERNANCE, _opening(commitment, content, salt)).check()
    text = b64encode(commitment).decode()
    body = {"commitment": text, "custodians": list(custodians), "disclose_by": format_time(disclose_by_ns), "kind": kind}
    Item("sealed", GOVERNANCE, body).check()
    ledger.keys.put_seal_salt(commitment.hex(), salt)
    ledger.records.duties.add_sealed(Sealed(commitment, kind, canonical_json(content).decode(), None, disclose_by_ns))
    ledger.queue("sealed", body)
    ledger.flush()
    return text


def unseal(ledger: HomeLedger, commitment: str) -> dict[str, Any]:
    """Open sealed content: its salt and the content itself go into the log.

    Args:
        commitment: in base64, or the first characters of it.
    Returns:
        The body of the entry.
    Raises:
        InputError: there is no such seal, or several begin so. ConflictError: it is open already.
        IntegrityError: what was kept is not what was sealed.
    """
    found = [item for item in ledger.records.duties.sealed() if _text(item).startswith(commitment)]
    if len(found) != 1 or not commitment:
        raise InputError(
            f"{len(found)} seals begin with `{commitment[:60]}`", help="see them with: groundrule ledger status"
        )
    item = found[0]
    if item.opened_at_ns is not None:
        raise ConflictError(f"the seal was opened at {format_instant(item.opened_at_ns)}")
    salt = ledger.keys.seal_salt(item.commitment.hex())
    content = json.loads(item.content)
    if salt is None or seal_commitment(salt, content) != item.commitment:
        raise IntegrityError(
            f"what was kept for the seal `{_text(item)}` is not what was sealed", help="compare with the custodians' copies"
        )
    body = _opening(item.commitment, content, salt)
    # After a crash right here the entry is in the outbox already; to be opened twice would look like two seals.
    if not ledger.records.is_queued("unsealed", canonical_json(body).decode()):
        ledger.queue("unsealed", body)
    ledger.flush()
    ledger.records.duties.mark_sealed(item.commitment, opened_at_ns=ledger.clock())
    return body


def erase(ledger: HomeLedger, subject: str, *, months: Sequence[str], basis: str) -> Erasure:
    """Erase what the home keeps about a subject for proofs: keys first, then records; the proofs of others stay valid.

    Args:
        subject: `account:ID` or `terminal:ID`.
        months: `YYYY-MM` each; none means all.
        basis: legal basis; it is logged, so it names no person.
    Raises:
        ConflictError: a legal hold forbids it. InputError: nothing is kept about this subject.
    """
    if not basis.strip():
        raise InputError("an erasure without a legal basis", help="name it, for instance `GDPR Art. 17(1)(b)`")
    Item("erasure", GOVERNANCE, {"basis": basis, "batch_index": MAX_SEQ, "leaf": _NO_LEAF, "leaf_index": MAX_SEQ}).check()
    now = ledger.clock()
    held = [hold for hold in ledger.records.duties.holds(now) if hold.subject == subject]
    if held:
        last = max(held, key=lambda hold: hold.until_ns)
        raise ConflictError(
            f"a legal hold forbids the erasure until {format_instant(last.until_ns)}: {last.reason}",
            help="ask again after that day",
        )
    # Also the months whose keys are gone: a crash after that leaves the records to be emptied.
    known = sorted({*ledger.keys.months_of(subject), *ledger.records.months_of(subject)})
    chosen = sorted(set(months)) if months else known
    missing = [month for month in chosen if month not in known]
    if missing or not chosen:
        raise InputError(
            f"nothing is kept about `{subject[:80]}`" + (f" in {missing[0]}" if missing else ""),
            help="write account:ID or terminal:ID, and months as YYYY-MM",
        )
    ledger.keys.destroy_all([(subject, month) for month in chosen])
    erased = 0
    for month in chosen:
        found = ledger.records.duties.erase(
            subject, month, erased_at_ns=now, basis=basis, scrub_now=False,
            due_ns=lambda: now + secrets.randbelow(ERASURE_DAYS * NS_PER_DAY),
        )  # fmt: skip
        erased += len(found)
    ledger.records.duties.scrub()
    return Erasure(tuple(chosen), erased)


def log_due_erasures(ledger: HomeLedger) -> int:
    """Queue the erasures whose time to be logged has come, shuffled; return how many."""
    due = ledger.records.duties.due_erasures(ledger.clock())
    secrets.SystemRandom().shuffle(due)
    bodies = [
        {
            "basis": item.basis,
            "batch_index": item.batch_index,
            "leaf": b64encode(item.leaf).decode(),
            "leaf_index": item.leaf_index,
        }
        for item in due
    ]
    if due:
        ledger.records.queue(
            [Outgoing("erasure", GOVERNANCE, canonical_json(body).decode()) for body in bodies],
            erasures=[item.id for item in due],
        )
    return len(due)


def beat(ledger: HomeLedger) -> str:
    """Queue the heartbeat of this minute and whatever has become due; return the minute."""
    minute = format_time(ledger.clock() // (60 * NS_PER_S) * 60 * NS_PER_S)
    log_due_erasures(ledger)
    ledger.queue("heartbeat", {"minute": minute})
    return minute


def _opening(commitment: bytes, content: Any, salt: bytes) -> dict[str, Any]:
    return {"commitment": b64encode(commitment).decode(), "content": content, "salt": b64encode(salt).decode()}


def _text(item: Sealed) -> str:
    return b64encode(item.commitment).decode()
