"""What is handed to somebody who may see some fields of one record, so that they can check it against the public log?

A receipt carries the opened fields with their salts, the 24 commitments of the record, the path from its leaf to the
root of its batch, and the bytes of the public entry. Together with a proof that this entry is in the log it proves the
opened fields and says nothing about the others. Nothing in a receipt is believed: everything is checked against the
log by `groundrule.ledger.audit.receipts`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from groundrule.canon import canonical_json, canonical_signed, format_base64
from groundrule.errors import ConflictError, InputError, IntegrityError
from groundrule.ledger.batch import InnerTree
from groundrule.ledger.commitment import commitments_of, field_salt, record_key, record_leaf

VERSION = 1
OWNER_FIELDS = frozenset(
    {
        "account_id",
        "country",
        "decided_at",
        "h3_r7",
        "obligations",
        "observed_at",
        "outcome",
        "owner_tag",
        "policy",
        "position",
        "reason_codes",
        "register",
        "state",
        "terminal_id",
    }
)
"""What an owner's receipt opens: what they sent, what was answered, and under which versions.

Everything else stays closed to owners (`rule`, `reasons` with the rules that gave them, `speed_kmh`, `altitude_m`,
`inputs_sha256`, `corrects`, and any field added later, such as alerts): what was measured, and which rule it met, teaches
whoever misuses a terminal how to stay below a limit. A court gets the other fields by an enacted disclosure.
"""


def owner_fields(record: Mapping[str, Any]) -> list[str]:
    """Return the names of the fields of a record that an owner's receipt opens, sorted."""
    return sorted(OWNER_FIELDS & record.keys())


def make_receipt(
    entry: bytes,
    batch_index: int,
    record: Mapping[str, Any],
    subject_key: bytes,
    record_id: bytes,
    inner: InnerTree,
    leaf_index: int,
    open_fields: Iterable[str],
) -> bytes:
    """Return the receipt of one record as canonical JSON.

    Args:
        entry: bytes of the public entry of the record's batch.
        batch_index: its index in the log.
        record: all fields of the record as they are stored; values are JSON without floats.
        subject_key: K of the record's subject and month [32 bytes].
        record_id: 16 bytes.
        inner: the tree of the batch, built again by `close_batch`.
        leaf_index: where the record's leaf is in it.
        open_fields: names of the fields to open; all others stay closed.
    Raises:
        InputError: no field is to be opened, or one that the record has not.
        ConflictError: the tree is not the one of this entry.
        IntegrityError: the record, as stored now, is not what was committed to.
    """
    names = sorted(set(open_fields))
    if not names:
        raise InputError("a receipt that opens no field", help="name the fields to open")
    if missing := [name for name in names if name not in record]:
        raise InputError(
            f"the record has no field `{missing[0][:60]}`", help=f"it has {', '.join(sorted(record))}"
        )
    path = inner.path(leaf_index)
    if _inner_root(entry) != format_base64(inner.root):
        raise ConflictError(
            f"the batch of entry {batch_index} has another root than the records and secret kept for it",
            help="check that the batch secret and all leaves of the batch are the stored ones",
        )
    encoded = {name: canonical_json(value) for name, value in record.items()}
    commitments = commitments_of(subject_key, record_id, encoded)
    if record_leaf(commitments) != inner.levels[0][leaf_index]:
        raise IntegrityError(
            f"the record stored for leaf {leaf_index} of batch {batch_index} is not what was committed to",
            help="a field, the key of its subject or its id was changed after it was logged; compare with a backup",
        )
    salts = record_key(subject_key, record_id)
    return canonical_signed(
        {
            "v": VERSION,
            "entry": format_base64(entry),
            "batch_index": batch_index,
            "leaf_index": leaf_index,
            "commitments": [format_base64(each) for each in commitments],
            "inner_path": [format_base64(each) for each in path],
            "fields": [
                {"name": name, "value": record[name], "salt": format_base64(field_salt(salts, name))}
                for name in names
            ],
        }
    )


def _inner_root(entry: bytes) -> str:
    try:
        return str(json.loads(entry)["body"]["inner_root"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            "the entry is not that of a batch", help="give the bytes of a decision-batch entry"
        ) from error
