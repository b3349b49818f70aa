"""What a point decided without the log enters it later: the rows of its journal, in order, each with its own time.

What a row says to the public is which policy decided, what was down and between which powers of two the number of decisions
lies. The decisions are behind a commitment whose salt follows from a secret of the point, so that it can show later which they
were, and nobody can guess them.
"""

from __future__ import annotations

import hmac
import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from groundrule.canon import canonical_json
from groundrule.errors import ConflictError, StoreError
from groundrule.govern.signed import format_time, whole_ms
from groundrule.ledger.commitment import SALT_BYTES, seal_commitment
from groundrule.pipeline.home_ledger import HomeLedger, governs
from groundrule.store.durable import write_durably
from groundrule.store.journal_file import JournalFile, Row

KIND: Final = "evidence"
WHAT: Final = "decided-without-log"
LEAST_BUCKET: Final = 256
_SALTED_BY: Final = "journal.secret"


def salt_of(folder: Path, batch: str) -> bytes:
    """Return the salt of a batch of a point [SALT_BYTES]; a point without a secret gets one.

    Args:
        folder: of the point.
        batch: id of the batch [32 hex digits].
    Raises:
        StoreError: the secret cannot be read or written.
    """
    path = folder / _SALTED_BY
    if not path.exists():
        write_durably(path, os.urandom(32))
        with suppress(OSError):
            path.chmod(0o600)
    try:
        secret = path.read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read `{path}`: {error.strerror}", path=str(path)) from error
    return hmac.digest(secret, batch.encode(), sha256)[:SALT_BYTES]


def body_of(folder: Path, content: Mapping[str, Any], rows: int, about: Mapping[str, Any], at_ns: int) -> dict[str, Any]:
    """Return the body of a journal row about a batch of decisions.

    Args:
        folder: of the point.
        content: what is committed to.
        rows: number of decisions.
        about: what everybody may know.
        at_ns: now [ns, UTC].
    """
    batch = os.urandom(16).hex()
    sealed = seal_commitment(salt_of(folder, batch), dict(content) | {"rows": rows})
    bucket = max(LEAST_BUCKET, 1 << max(0, rows - 1).bit_length())
    return {
        "what": WHAT, "batch": batch, "commitment": b64encode(sealed).decode(), "bucket_size": bucket,
        "decided_at": format_time(whole_ms(at_ns)), **about,
    }  # fmt: skip


def merge_point(folder: Path, ledger: HomeLedger) -> int:
    """Append what waits in the journal of a point to the log of a home; return how many rows.

    A merge that was cut short goes on: what the log holds already is not appended twice.

    Args:
        folder: of the point.
        ledger: of the home, open; the caller holds the home's write lock.
    Raises:
        IntegrityError: a row is damaged; it and those after it wait.
        ConflictError: a row would govern: only acts do.
    """

    def append(rows: Sequence[Row]) -> None:
        for row in rows:
            body = row.body | {"journaled_at": format_time(whole_ms(row.created_at_ns))}
            if governs(row.kind, body):
                raise ConflictError(f"row {row.seq} of the journal is of kind `{row.kind}`", help="such entries are made by acts alone")
            if not ledger.records.is_queued(row.kind, canonical_json(body).decode()):
                ledger.queue(row.kind, body)
        ledger.flush()

    with JournalFile.open(folder) as journal:
        return journal.merge(append)
