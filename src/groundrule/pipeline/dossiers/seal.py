"""From a dossier to a bundle: proofs of every entry that it rests on, receipts of its decisions, a manifest, and that manifest in the log.

The log gets the digest of the manifest and nothing else: that there is a dossier, not about whom. A bundle of a home without a log, or one
that was made without writing to it, says so when it is checked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from groundrule.canon import canonical_json
from groundrule.errors import ConflictError, GroundruleError, StoreError
from groundrule.evidence.bundle import MANIFEST, MANIFEST_ENTRY, MANIFEST_PROOF, compose_manifest, pack
from groundrule.evidence.dossier import Dossier, Reader
from groundrule.evidence.dossier_json import dossier_json
from groundrule.instant import format_instant
from groundrule.ledger.log import read_log
from groundrule.ledger.note import Note
from groundrule.ledger.policy import Policy
from groundrule.ledger.proof import Proof
from groundrule.ledger.reader import LogReader
from groundrule.pipeline.home_ledger import HomeLedger, has_ledger, log_folder
from groundrule.pipeline.receipts import issue_receipt
from groundrule.store.home import Home

MAX_RECEIPTS = 20
"""Receipts in one bundle: the newest stretches, refusals first."""
ENTRY_KIND = "evidence"
_ENTRY_REF = re.compile(r"entry:([0-9]{1,18})")
_TOOLS = ("verify_dossier.py", "groundrule_verify.py")


@dataclass(frozen=True, slots=True)
class Proofs:
    """Files that prove what a dossier says.

    Attributes:
        files: by name in the bundle.
        dossier: with the names of receipts filled in.
        trouble: what could not be proved, one sentence each.
    """

    files: Mapping[str, bytes]
    dossier: Dossier
    trouble: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sealed:
    """A finished bundle.

    Attributes:
        archive: its bytes.
        manifest_sha256: digest of its manifest, hexadecimal.
        entry: index of the entry that names it; None where no log vouches for it.
        trouble: what could not be proved or logged.
    """

    archive: bytes
    manifest_sha256: str
    entry: int | None
    trouble: tuple[str, ...]


def prove(home: Home, dossier: Dossier) -> Proofs:
    """Collect the entries that a dossier names with their proofs under one checkpoint, and receipts of its decisions."""
    if not has_ledger(home):
        return Proofs({}, dossier, ("this home has no public log, so nothing in the bundle can be proved",))
    log = read_log(log_folder(home))
    head = log.head
    if head is None or log.checkpoint is None:
        return Proofs({}, dossier, ("the log has no published checkpoint yet: publish one with groundrule ledger checkpoint",))
    policy = (log.folder / "policy").read_bytes()
    checkpoint = in_order(log.checkpoint, policy)
    files = {"log/checkpoint": checkpoint, "log/policy": policy}
    trouble: list[str] = []
    tree = log.tree()
    for index in sorted(_entries(dossier)):
        if index >= head.size:
            trouble.append(f"entry {index} is not covered by the published checkpoint of size {head.size}")
            continue
        files[f"proofs/entry-{index}.json"] = tree.entry(index)
        files[f"proofs/entry-{index}.tlog-proof"] = Proof(index, tuple(tree.inclusion_path(index)), checkpoint).format()
    receipts, dossier, failed = _receipts(home, dossier)
    return Proofs(files | receipts, dossier, (*trouble, *failed))


def in_order(checkpoint: bytes, policy: bytes) -> bytes:
    """Return a checkpoint whose signatures stand in the order of the policy, those of others left out: a bundle has one form."""
    note, known = Note.parse(checkpoint), Policy.parse(policy)
    keys = [*known.log_keys, *(witness.key for witness in known.witnesses.values())]
    made = [next((each for each in note.signatures if key.made(each)), None) for key in keys]
    return Note(note.text, tuple(each for each in made if each is not None)).format()


def _entries(dossier: Dossier) -> set[int]:
    refs = (source.ref for each in (*dossier.summary, *dossier.statements) for source in each.sources if source.kind == "log_entry")
    return {int(match[1]) for ref in refs if (match := _ENTRY_REF.fullmatch(ref))}


def _receipts(home: Home, dossier: Dossier) -> tuple[dict[str, bytes], Dossier, list[str]]:
    """Receipts of the stretches of a dossier: all refusals first, then the newest others."""
    if dossier.reader is Reader.PUBLIC:
        return {}, dossier, []
    order = sorted(range(len(dossier.decisions)), key=lambda i: (dossier.decisions[i].outcome != "deny", -dossier.decisions[i].last_ns))
    files: dict[str, bytes] = {}
    rows = list(dossier.decisions)
    trouble: list[str] = []
    recipient: Any = "owner" if dossier.reader is Reader.OWNER else "operator"
    for place in order[:MAX_RECEIPTS]:
        row = rows[place]
        if row.rule.startswith("sealed:"):
            trouble.append(f"no receipt for the answer of {format_instant(row.last_ns)}: its rule is still sealed")
            continue
        name = f"proofs/receipt-{place + 1}.tlog-proof"
        try:
            files[name] = issue_receipt(home, row.terminal_id, at_ns=row.last_ns, recipient=recipient).proof
        except GroundruleError as error:
            trouble.append(f"no receipt for the answer of {format_instant(row.last_ns)}: {error.message}")
            continue
        rows[place] = replace(row, receipt=name)
    if len(order) > MAX_RECEIPTS:
        trouble.append(f"receipts for {MAX_RECEIPTS} of {len(order)} stretches of equal answers; groundrule ledger prove makes the others")
    return files, replace(dossier, decisions=tuple(rows)), trouble


def seal(home: Home, dossier: Dossier, proofs: Proofs, documents: Mapping[str, bytes], *, log: bool = True) -> Sealed:
    """Pack a bundle, and put its manifest's digest into the log.

    Args:
        documents: what people read, by name in the bundle.
        log: whether to write to the log of the home.
    Raises:
        InputError: a name that a bundle does not hold.
    """
    files = {**documents, **proofs.files, "dossier.json": dossier_json(dossier), **_tools()}
    about = {
        "subject": {"kind": dossier.kind.value, "id": dossier.id},
        "reader": dossier.reader.value,
        "made_at": format_instant(dossier.made_at_ns),
        "home": dossier.home,
        "log": {"origin": dossier.log.origin, "size": dossier.log.size, "root": dossier.log.root},
        "salt": os.urandom(16).hex(),  # so that nobody guesses from the log which dossier an entry is about
    }
    manifest = compose_manifest(files, about)
    inside = {MANIFEST: manifest, **files}
    digest = sha256(manifest).hexdigest()
    if not log or not has_ledger(home):
        return Sealed(pack(inside), digest, None, (*proofs.trouble, "no log vouches for the manifest of this bundle"))
    try:
        with home.writer(), HomeLedger.open(home) as ledger:
            vouched = vouch(ledger, {"what": "dossier", "sha256": digest})
    except (ConflictError, StoreError) as error:
        return Sealed(pack(inside), digest, None, (*proofs.trouble, f"no log vouches for the manifest: {error.message}"))
    named = {MANIFEST_PROOF: vouched.proof, MANIFEST_ENTRY: vouched.entry}
    return Sealed(pack(inside | named), digest, vouched.index, proofs.trouble)


@dataclass(frozen=True, slots=True)
class Vouched:
    """An entry of the log that names a document by digest: its index, its bytes and its proof."""

    index: int
    entry: bytes
    proof: bytes


def vouch(ledger: HomeLedger, body: Mapping[str, Any]) -> Vouched:
    """Put the digest of a document into the log; what is there already is not put there again.

    Args:
        ledger: of the home; the caller holds the home's write lock.
        body: of the entry, with `what` and `sha256`.
    Raises:
        ConflictError: the entry is not in a published checkpoint yet. StoreError: the log cannot be written.
    """
    if not ledger.records.is_queued(ENTRY_KIND, canonical_json(body).decode()):
        ledger.queue(ENTRY_KIND, dict(body))
    committed = ledger.commit()
    reader = read_log(log_folder(ledger.home))
    if reader.checkpoint is None or not committed.published:
        raise ConflictError("its entry is not in a published checkpoint yet", help="groundrule ledger checkpoint, then make it again")
    index = _find(reader, str(body["sha256"]), committed.size)
    checkpoint = in_order(reader.checkpoint, (reader.folder / "policy").read_bytes())
    proof = Proof(index, tuple(reader.tree().inclusion_path(index)), checkpoint).format()
    return Vouched(index, reader.tree().entry(index), proof)


def _find(reader: LogReader, digest: str, size: int) -> int:
    tree, wanted = reader.tree(), digest.encode()
    for index in range(size - 1, -1, -1):
        if wanted in tree.entry(index):
            return index
    raise ConflictError("its entry is not in the log", help="run groundrule ledger fsck")


def _tools() -> dict[str, bytes]:
    """The small verifiers, so that a reader who has only the file can read how it is checked."""
    beside = Path(__file__).resolve().parents[2] / "evidence" / "tools"
    folder = beside if beside.is_dir() else Path(__file__).resolve().parents[4] / "tools"
    return {name: (folder / name).read_bytes() for name in _TOOLS}
