"""Does a bundle hold? The same questions as `tools/verify_dossier.py` asks, with our own code: a test compares the answers.

- archive: it has the one form of a bundle, and its manifest names every file with its digest
- manifest: an entry of the log names it; needed where the keys come from the reader
- entries: each that the dossier rests on is in that log, under one checkpoint
- receipts: each leads to the log, and opens what the dossier says was answered
- openings: each commitment that the bundle opens is that of what it names, and stands in an entry of it
- history: its heads, its entries and the hashes of the log's tree (`log/hashes`) fit together; and, where two bundles are compared, with
  those of the other: then whoever holds both was shown one log

What holds so is whole. It is vouched for only where an entry of the log names its manifest, by keys that the reader brought: whoever
makes a bundle can make one that is whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from groundrule.canon import canonical_json, parse_base64, parse_canonical
from groundrule.errors import GroundruleError, ProofFailed
from groundrule.evidence.bundle import MANIFEST, MANIFEST_ENTRY, MANIFEST_PROOF, OUTSIDE, Opened, unpack
from groundrule.evidence.histories import CHECKPOINT, HASHES, Head, History, hashes_of, head_of, told_apart
from groundrule.ledger.audit.receipts import verify_receipt
from groundrule.ledger.checkpoint import Checkpoint
from groundrule.ledger.entry import Entry
from groundrule.ledger.note import Note
from groundrule.ledger.policy import Policy
from groundrule.ledger.proof import Proof
from groundrule.ledger.tree import leaf_hash

_ENTRY_PROOF = re.compile(r"proofs/entry-([0-9]+)\.tlog-proof")
_RECEIPT = re.compile(r"proofs/receipt-[0-9]+\.tlog-proof")
_ENTRY_JSON = re.compile(r"proofs/entry-[0-9]+\.json")
OPENINGS = "openings.json"
SALT_BYTES = 32
_FIELDS = ("terminal_id", "outcome", "state")


@dataclass(frozen=True, slots=True)
class Verified:
    """What holds of a bundle.

    Attributes:
        subject, reader, made_at: as the manifest says. files: how many members.
        manifest_entry: index of the entry of the log that names the manifest; None where none does.
        logged_at: the log's clock at that entry, or empty.
        entries: (index, kind, time) of each entry that is in the log. receipts: (name, fields that it opens).
        own_policy: whether the keys came from the reader, not from the bundle.
        openings: how many commitments the bundle opens.
        same_policy: whether the reader's keys are, byte for byte, the bundle's own copy.
        history: what it shows of the log; None where it rests on none.
    """

    subject: dict[str, Any]
    reader: str
    made_at: str
    files: int
    manifest_entry: int | None
    logged_at: str
    entries: tuple[tuple[int, str, str], ...]
    receipts: tuple[tuple[str, dict[str, Any]], ...]
    own_policy: bool
    openings: int = 0
    same_policy: bool = False
    history: History | None = field(default=None, repr=False)

    @property
    def vouched(self) -> bool:
        """Whether an entry of the log names the manifest, by the reader's own keys; else the bundle is only whole."""
        return self.manifest_entry is not None and self.own_policy


def verify_bundle(data: bytes, policy: bytes | None = None) -> Verified:
    """Verify a bundle offline.

    Args:
        data: the archive.
        policy: whom to trust; None takes the keys from the bundle, which says that it is whole and not who made it.
    Raises:
        ProofFailed: something does not hold.
    """
    opened = unpack(data)
    try:
        return _verified(opened, policy)
    except ProofFailed:
        raise
    except GroundruleError as error:
        raise ProofFailed(error.message, help=error.help) from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ProofFailed(f"something in the bundle is not what it must be: {type(error).__name__} {error}"[:200]) from error


def _verified(opened: Opened, policy: bytes | None) -> Verified:
    files, manifest = opened.files, opened.manifest
    subject = {"kind": manifest["subject"]["kind"], "id": manifest["subject"]["id"]}
    head = (subject, manifest["reader"], manifest["made_at"], len(files))
    trusted = policy if policy is not None else files.get("log/policy")
    present = OUTSIDE & files.keys()
    if trusted is None:
        if present != {MANIFEST}:
            raise ProofFailed("there are proofs and no policy", help="give the policy of the log with --policy")
        return Verified(*head, None, "", (), (), own_policy=False)
    keys = Policy.parse(trusted)
    if present not in (OUTSIDE, {MANIFEST}):
        raise ProofFailed("half of the proof of the manifest is missing")
    index, logged_at = None, ""
    heads, leaves = list[Head](), dict[int, bytes]()
    if present == OUTSIDE:
        index, entry, head_ = _proved(files[MANIFEST_PROOF], files[MANIFEST_ENTRY], keys)
        heads, leaves[index] = [head_], leaf_hash(files[MANIFEST_ENTRY])
        if entry.kind != "evidence" or entry.body != {"what": "dossier", "sha256": opened.manifest_sha256}:
            raise ProofFailed("the entry of the log names another manifest")
        logged_at = entry.t
    if CHECKPOINT in files:
        _signed(Note.parse(files[CHECKPOINT]), keys)
        keys.require(files[CHECKPOINT], strict=True)
        heads.insert(0, head_of(files[CHECKPOINT]))
    entries, receipts = [], {}
    dossier = parse_canonical(files.get("dossier.json", b""))
    for name in sorted(manifest["files"]):
        if match := _ENTRY_PROOF.fullmatch(name):
            place, entry, _ = _proved(files[name], files.get(f"{name[:-10]}json", b""), keys)
            if place != int(match[1]) or Proof.parse(files[name]).checkpoint != files.get("log/checkpoint"):
                raise ProofFailed(f"`{name}` is about another entry or checkpoint")
            entries.append((place, entry.kind, entry.t))
            leaves[place] = leaf_hash(files[f"{name[:-10]}json"])
        elif _RECEIPT.fullmatch(name):
            receipts[name] = dict(verify_receipt(files[name], keys).fields)
            heads.append(head_of(Proof.parse(files[name]).checkpoint))
    number = _opened(opened)
    _agree(dossier, opened, receipts)
    history = _history(files, heads, leaves)
    return Verified(
        *head, index, logged_at, tuple(entries), tuple(receipts.items()), own_policy=policy is not None, openings=number,
        same_policy=policy is not None and policy == files.get("log/policy"), history=history,
    )  # fmt: skip


def _history(files: Mapping[str, bytes], heads: list[Head], leaves: dict[int, bytes]) -> History:
    """What a bundle shows of its log; within one bundle nothing of it may exclude anything else."""
    if HASHES in files and CHECKPOINT not in files:
        raise ProofFailed("there are hashes of a log and no head of it")
    hashes = hashes_of(files[HASHES], heads[0].size) if HASHES in files else None
    if hashes is not None and hashes.root_at(heads[0].size) != heads[0].root:
        raise ProofFailed(f"`{HASHES}` are not those of the log")
    history = History(heads[0] if CHECKPOINT in files else None, tuple(heads), hashes, leaves)
    for each in told_apart(history, history):
        raise ProofFailed(f"within this bundle: {each}")
    return history


def _proved(proof: bytes, entry: bytes, keys: Policy) -> tuple[int, Entry, Head]:
    parsed = Proof.parse(proof)
    if parsed.extra is not None or parsed.format() != proof:
        raise ProofFailed("a proof of an entry holds more than the proof")
    _signed(Note.parse(parsed.checkpoint), keys)
    checked = parsed.verify(leaf_hash(entry), keys, strict=True)
    return parsed.index, Entry.decode(entry), Head(checked.checkpoint.origin, checked.checkpoint.size, checked.checkpoint.root)


def _signed(note: Note, keys: Policy) -> None:
    """By whom a head is signed, and in which order; whether the signatures hold is asked elsewhere."""
    order = [*keys.log_keys, *(witness.key for witness in keys.witnesses.values())]
    makers = [next((place for place, key in enumerate(order) if key.made(each)), -1) for each in note.signatures]
    if not any(0 <= place < len(keys.log_keys) for place in makers):
        raise ProofFailed(
            "it is not signed by the keys of the policy: this is the wrong policy, or the bundle is a forgery",
            help="ask for the policy of the log that the bundle names",
        )
    if -1 in makers:
        raise ProofFailed("a signature is by a key that the policy does not name", help="the policy is another, or somebody added to it")
    if makers != sorted(set(makers)):
        raise ProofFailed("the signatures are not in the order of the policy, each once")
    own = {place for place, key in enumerate(keys.log_keys) if key.name == Checkpoint.parse(note.text).origin}
    if not own <= set(makers):
        raise ProofFailed("a signature of the log is missing")


def _opened(bundle: Opened) -> int:
    """Check what the bundle opens, and return how much."""
    if OPENINGS not in bundle.files:
        return 0
    made = parse_canonical(bundle.files[OPENINGS])
    if made.keys() != {"v", "openings", "evidence"} or made["v"] != 1:
        raise ProofFailed(f"`{OPENINGS}` is malformed")
    entries = [parse_canonical(data) for name, data in bundle.files.items() if _ENTRY_JSON.fullmatch(name)]
    said = {text for entry in entries for text in texts_of(entry)}
    for each in made["openings"]:
        (name,) = each.keys() - {"commitment", "salt"}
        salt = parse_base64(each["salt"])
        prefix = b"groundrule/commit/v1\x00" + bytes([len(name)]) + name.encode()
        digest = sha256(prefix + salt + canonical_json(each[name])).hexdigest()
        if each["commitment"] != f"commitment:{digest}" or each["commitment"] not in said or len(salt) != SALT_BYTES:
            raise ProofFailed(f"`{OPENINGS}` opens `{str(each['commitment'])[:80]}`, which no entry holds or which is another's")
    for each in made["evidence"]:
        if sha256(canonical_json(each)).hexdigest() not in said:
            raise ProofFailed(f"`{OPENINGS}` opens evidence that no entry in the bundle names")
    return len(made["openings"]) + len(made["evidence"])


def texts_of(value: Any) -> Iterator[str]:
    """Every text in an entry, also in what was signed in an envelope."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from texts_of(parse_canonical(parse_base64(each)) if name == "payload" and isinstance(each, str) else each)
    elif isinstance(value, list):
        for each in value:
            yield from texts_of(each)


def _agree(dossier: Any, opened: Opened, receipts: dict[str, dict[str, Any]]) -> None:
    """Every file that a statement rests on is there, and receipts open what the dossier says was answered."""
    for name in _cited(dossier):
        if name not in opened.files:
            raise ProofFailed(f"the dossier rests on `{str(name)[:80]}`, which is not in the bundle")
    for row in dossier["decisions"]:
        if not row["receipt"]:
            continue
        found = receipts[row["receipt"]]
        for name in _FIELDS:
            if found.get(name, row[name]) != row[name]:
                raise ProofFailed(f"the dossier says {name} `{row[name]}`, and `{row['receipt']}` opens another")


def _cited(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if value.keys() == {"kind", "ref", "file"} and value["file"]:
            yield value["file"]
        for each in value.values():
            yield from _cited(each)
    elif isinstance(value, list):
        for each in value:
            yield from _cited(each)
