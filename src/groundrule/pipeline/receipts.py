"""Receipts: what one decision was, provable to whoever holds the public log and nothing else.

A receipt opens chosen fields of the private record that holds for an observation, and shows that the record was committed
to in the log. It is made from the record store, the keys and the log; the stored decision is compared with the record
first, so that a changed database cannot give a receipt.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any, Final, Literal

import numpy as np

from groundrule.errors import ConflictError, InputError, IntegrityError
from groundrule.instant import format_instant
from groundrule.ledger.batch import InnerTree, close_batch
from groundrule.ledger.checkpoint import Checkpoint
from groundrule.ledger.log import read_log
from groundrule.ledger.note import Note
from groundrule.ledger.proof import Proof
from groundrule.ledger.receipt import make_receipt, owner_fields
from groundrule.pipeline.home_ledger import keys_folder, log_folder, policy_of
from groundrule.pipeline.manifests import runs
from groundrule.rules.classes import DECISIVE
from groundrule.store.history import read_newest
from groundrule.store.home import Home
from groundrule.store.keys import KeyService
from groundrule.store.policy import in_force
from groundrule.store.records import Record, RecordStore

Recipient = Literal["operator", "owner", "regulator"]
PLACE_OR_IDENTITY: Final = frozenset(
    {"terminal_id", "account_id", "position", "h3_r7", "owner_tag", "inputs_sha256", "corrects"}
)
"""Fields of a record that tell whose it is or where it was, or let either be guessed and confirmed.

Digest and tag stand here because whoever holds the observation, or the owner's key, can compare them.
"""

TREES_KEPT: Final = 4
"""Trees of batches that are kept; one takes up to 10 MB."""
_TREES: OrderedDict[tuple[Path, str, str, bytes], InnerTree] = OrderedDict()
_LOCK: Final = Lock()


@dataclass(frozen=True, slots=True)
class Issued:
    """A receipt.

    Attributes:
        proof: the file, in the form of a tlog-proof whose `extra` line is the receipt.
        terminal_id: whose decision.
        observed_at_ns: the observation asked about [ns, UTC].
        since_ns: the observation with which this answer began [ns, UTC].
        fields: what the receipt opens.
        batch_index: entry of the log that commits to it.
        size: entries of the log at the checkpoint in the receipt.
        erased: records of the terminal that were erased; one of them may have said something else in between.
    """

    proof: bytes
    terminal_id: str
    observed_at_ns: int
    since_ns: int
    fields: dict[str, Any]
    batch_index: int
    size: int
    erased: int


def issue_receipt(
    home: Home,
    terminal_id: str,
    *,
    at_ns: int | None = None,
    recipient: Recipient = "operator",
    fields: Iterable[str] | None = None,
) -> Issued:
    """Make the receipt of the decision that held for a terminal at an instant.

    Args:
        at_ns: the last observation up to this instant [ns, UTC]; None is the latest.
        recipient: an owner's receipt leaves closed what would teach how to stay below a limit; a regulator's that, and what
            tells a place or an identity; the operator's, in a governed home, the latter.
        fields: open only these; None opens what the recipient may see.
    Raises:
        InputError: no such decision, or a field that is not to be opened.
        ConflictError: in a governed home, a field that needs an enacted disclosure; or the record is not in a published
            checkpoint yet; or there is none, because the log was out of reach when this was decided, or because records
            of this terminal were erased.
        IntegrityError: stored decision, record, keys and log do not agree; the message says which.
    """
    policy_of(home)
    with (
        RecordStore.open(home.path / "records.sqlite", read_only=True) as records,
        KeyService.open(keys_folder(home), read_only=True) as keys,
    ):
        found = records.record_in_force(terminal_id, at_ns, until_run=max(runs(home), default=0))
        if found is None:
            raise InputError(
                f"no record of terminal `{terminal_id[:80]}`" + ("" if at_ns is None else f" up to {format_instant(at_ns)}"),
                help="check the id; records of erased subjects cannot be found again",
                terminal=terminal_id[:80],
            )
        content = _content(found)
        erased = _erased(records, terminal_id)
        observed_ns = _agrees(home, records, found, content, at_ns, erased)
        names = sorted(set(fields)) if fields is not None else sorted(content)
        if recipient != "operator":
            allowed = owner_fields(content)
            if recipient == "regulator":
                allowed = _open_without_order(allowed, asked=False)
            if fields is None:
                names = allowed
            elif closed := sorted(set(names) - set(allowed)):
                raise InputError(
                    f"a receipt for the {recipient} does not open `{closed[0][:60]}`", help=f"it opens {', '.join(allowed)}"
                )
        elif in_force(home) is not None:
            names = _open_without_order(names, asked=fields is not None)
        proof, index, size = prove_record(home, records, keys, found, names)
        return Issued(
            proof, terminal_id, observed_ns, int(found.observed_at_ns or 0),
            {name: content[name] for name in names}, index, size, erased,
        )  # fmt: skip


def prove_record(
    home: Home, records: RecordStore, keys: KeyService, found: Record, names: Iterable[str]
) -> tuple[bytes, int, int]:
    """Return the receipt of one record that opens these fields, the log's entry of its batch, and the size published.

    Raises:
        ConflictError: the record is not in a published checkpoint yet.
        IntegrityError: record, keys and log do not agree, or the keys are gone.
    """
    batch = records.batch_of(found.batch_id)
    index = batch.log_index
    if index is None:
        raise ConflictError(
            "the record waits for its place in the log", help="bring it there with: groundrule ledger checkpoint"
        )
    secret = keys.batch_secret(found.batch_id)
    subject_key = keys.subject_key(found.subject or "", found.month or "")
    if secret is None or subject_key is None or found.record_id is None:
        raise IntegrityError(
            f"the keys of terminal `{str(found.terminal_id)[:80]}` are gone, so its records cannot be opened",
            help="they were destroyed by an erasure, or the folder of keys is an older copy",
        )
    log = read_log(log_folder(home))
    checkpoint = log.checkpoint
    size = 0 if checkpoint is None else Checkpoint.parse(Note.parse(checkpoint).text).size
    if checkpoint is None or index >= size:
        raise ConflictError(
            f"entry {index} of the log is not covered by the published checkpoint, which has size {size}",
            help="publish a newer one with: groundrule ledger checkpoint",
        )
    tree = log.tree(size)
    inner = _inner_tree(home, records, found, secret)
    receipt = make_receipt(
        tree.entry(index), index, _content(found), subject_key, found.record_id, inner, found.leaf_index, names
    )
    return Proof(index, tuple(tree.inclusion_path(index)), checkpoint, receipt).format(), index, size


def _inner_tree(home: Home, records: RecordStore, found: Record, secret: bytes) -> InnerTree:
    """Return the tree of a record's batch; one of 50,000 records takes a second to build, so the last ones are kept.

    Whether it is the tree that the log commits to is checked for each receipt, and that this record's leaf is in its place, here.
    """
    key = home.path, home.id, found.batch_id, sha256(secret).digest()
    with _LOCK:
        held = _TREES.get(key)
    if held is not None and found.leaf_index < held.bucket_size and held.levels[0][found.leaf_index] == found.leaf:
        return held
    made = close_batch([member.leaf for member in records.batch(found.batch_id)[1]], secret)
    with _LOCK:
        _TREES[key] = made
        _TREES.move_to_end(key)
        while len(_TREES) > TREES_KEPT:
            _TREES.popitem(last=False)
    return made


def _open_without_order(names: list[str], *, asked: bool) -> list[str]:
    """Return the fields that the operator may hand out of a governed home without an enacted disclosure.

    Raises:
        ConflictError: a field was asked for that tells a place or an identity.
    """
    closed = sorted(PLACE_OR_IDENTITY & set(names))
    if asked and closed:
        raise ConflictError(
            f"`{closed[0]}` tells a place or an identity, and is opened by an enacted disclosure only",
            help="propose it with: groundrule propose FILE --disclose FILE; an owner gets the own receipt with --for owner",
            refusal="not_disclosed",
        )
    return [name for name in names if name not in PLACE_OR_IDENTITY]


def _content(record: Record) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(record.content or "{}")
    return content


def _erased(records: RecordStore, terminal_id: str) -> int:
    """How many of the records that a terminal had cannot be found any more."""
    last = records.last_classes([terminal_id]).get(terminal_id)
    return max(0, last.n - records.number_of_records(terminal_id)) if last else 0


def _agrees(
    home: Home, records: RecordStore, record: Record, content: dict[str, Any], at_ns: int | None, erased: int
) -> int:
    """Check that the stored decision says what the record says; return its observation's time.

    Raises:
        IntegrityError: it does not, or there is none. ConflictError: no record says what holds.
    """
    name = str(record.terminal_id)
    stored, _ = read_newest(home, "decisions", name, runs=runs(home), rows=1, until_ns=None if at_ns is None else at_ns + 1)
    if not len(stored):
        raise IntegrityError(
            f"the log holds a record of terminal `{name[:80]}`, and no decision of it is stored",
            help="run `groundrule replay` to see what was changed",
        )
    times = stored.column("observed_at").to_numpy()
    at = stored.filter(np.asarray(times == times.max())).select(["run", "outcome", "state", "rule", "reasons", "obligations"])
    rows: list[dict[str, Any]] = at.to_pylist()
    last = max(int(row["run"]) for row in rows)
    answers = [_answer(row) for row in rows if row["run"] == last]
    if not records.batches(run=last):
        raise ConflictError(
            f"run {last} decided this while the log was out of reach, and left no record of it",
            help="the digest of its decisions is in its manifest, which the log commits to",
        )
    if erased and _answer(content) not in answers:
        raise ConflictError(
            f"{erased} records of terminal `{name[:80]}` were erased, and with them the one that says what holds here",
            help="entries of kind `erasure` say when and why; `groundrule replay` tells whether anything else was changed",
        )
    if _answer(content) not in answers:
        said = " or ".join(f"{row['outcome']} by {row['rule']}" for row in rows if row["run"] == last)
        raise IntegrityError(
            f"the decision stored for terminal `{name[:80]}` at {format_instant(int(times.max()))} is {said}, and the record "
            f"committed to the log says {content['outcome']} by {content['rule']}",
            help="run `groundrule replay` to see what was changed",
        )
    return int(times.max())


def _answer(row: dict[str, Any]) -> tuple[Any, ...]:
    decisive = [(reason["code"], reason["rule"]) for reason in row["reasons"] if reason["class"] == DECISIVE]
    return row["outcome"], row["state"], row["rule"], decisive, list(row["obligations"])
