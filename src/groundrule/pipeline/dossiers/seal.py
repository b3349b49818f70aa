"""From a dossier to a bundle: proofs of every entry that it rests on, receipts of its decisions, a manifest, and that manifest in the log.

The log gets the digest of the manifest and nothing else: that there is a dossier, not about whom. A bundle of a home without a log, or one
that was made without writing to it, says so when it is checked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from groundrule.canon import canonical_json, parse_canonical
from groundrule.errors import ConflictError, GroundruleError, StoreError
from groundrule.evidence.bundle import MANIFEST, MANIFEST_ENTRY, MANIFEST_PROOF, compose_manifest, pack
from groundrule.evidence.dossier import Dossier, Reader
from groundrule.evidence.dossier_json import dossier_json
from groundrule.evidence.histories import HASHES, log_hashes
from groundrule.evidence.readers import CLOSED_READERS
from groundrule.evidence.verify_bundle import OPENINGS, texts_of
from groundrule.govern.signed import COMMITTED
from groundrule.instant import format_instant
from groundrule.ledger.log import read_log
from groundrule.ledger.note import Note
from groundrule.ledger.policy import Policy
from groundrule.ledger.proof import Proof
from groundrule.ledger.reader import LogReader
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.home_ledger import HomeLedger, has_ledger, log_folder
from groundrule.pipeline.parties import openings_for
from groundrule.pipeline.receipts import issue_receipt
from groundrule.store.home import Home
from groundrule.store.policy import get_object

MAX_RECEIPTS = 20
"""Receipts in one bundle: the newest stretches, refusals first."""
ENTRY_KIND = "evidence"
_ENTRY_REF = re.compile(r"entry:([0-9]{1,18})")
_SHA256 = re.compile(r"[0-9a-f]{64}")
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
    files[HASHES] = log_hashes(tree)
    for index in sorted(_entries(dossier)):
        if index >= head.size:
            trouble.append(f"entry {index} is not covered by the published checkpoint of size {head.size}")
            continue
        files[f"proofs/entry-{index}.json"] = tree.entry(index)
        files[f"proofs/entry-{index}.tlog-proof"] = Proof(index, tuple(tree.inclusion_path(index)), checkpoint).format()
    files |= _openings(home, dossier, files) | _rulebooks(home, dossier)
    receipts, dossier, failed = _receipts(home, dossier)
    return Proofs(files | receipts, dossier, (*trouble, *failed))


def _openings(home: Home, dossier: Dossier, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """What the commitments in the entries of a bundle stand for, for readers who may know everybody in it."""
    if dossier.reader in CLOSED_READERS:
        return {}
    entries = [parse_canonical(data) for name, data in files.items() if name.endswith(".json")]
    said = {text for entry in entries for text in texts_of(entry)}
    made = openings_for(home, [each for each in said if each.startswith(COMMITTED)])
    evidence = [held for entry in entries if entry["kind"] == "contact" for held in _evidence(home, texts_of(entry))]
    return {OPENINGS: canonical_json({"v": 1, "openings": made, "evidence": evidence})} if made or evidence else {}


def _evidence(home: Home, texts: Iterable[str]) -> Iterator[Any]:
    """Records of evidence that an entry names by salted digest: each tells the digest of the page itself."""
    for each in texts:
        if _SHA256.fullmatch(each):
            with suppress(GroundruleError):
                record = parse_canonical(get_object(home, each))
                if isinstance(record, dict) and record.keys() == {"v", "salt", "evidence"}:
                    yield record


def _rulebooks(home: Home, dossier: Dossier) -> dict[str, bytes]:
    """Rulebooks as they are written: their SHA-256 is what a proposal names, for readers who read rules whole."""
    if dossier.reader is not Reader.OPERATOR:
        return {}  # a seal may still close a rule of it
    books = {each.rulebook: rulebook_of(home, each.rulebook).text.encode() for each in dossier.rules if each.rulebook}
    return {f"rulebooks/{sha256(text).hexdigest()}.yaml": text for text in books.values()}


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


def seal(
    home: Home,
    dossier: Dossier,
    proofs: Proofs,
    documents: Mapping[str, bytes],
    *,
    log: bool = True,
    vouching: Callable[[Mapping[str, Any]], Vouched] | None = None,
) -> Sealed:
    """Pack a bundle, and put its manifest's digest into the log.

    Args:
        documents: what people read, by name in the bundle.
        log: whether to write to the log of the home.
        vouching: does what `vouch` does, where somebody else holds the home's write lock; None takes it.
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
        vouched = (vouching or _locked(home))({"what": "dossier", "sha256": digest})
    except (ConflictError, StoreError) as error:
        return Sealed(pack(inside), digest, None, (*proofs.trouble, f"no log vouches for the manifest: {error.message}"))
    named = {MANIFEST_PROOF: vouched.proof, MANIFEST_ENTRY: vouched.entry}
    return Sealed(pack(inside | named), digest, vouched.index, proofs.trouble)


def _locked(home: Home) -> Callable[[Mapping[str, Any]], Vouched]:
    def vouching(body: Mapping[str, Any]) -> Vouched:
        with home.writer(), HomeLedger.open(home) as ledger:
            return vouch(ledger, body)

    return vouching


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
