"""What does a receipt prove? A chain from the opened fields to a tree head that witnesses have seen, link by link.

    1 form          the file is a proof of a transparency log with a receipt inside
    2 fields        name, salt and value of each opened field give one of the 24 commitments of the record
    3 record        the commitments, in ascending order, give the record's leaf
    4 batch         the leaf lies in the tree of its batch
    5 entry         the root of that tree is in the public entry of the batch, and nothing in the two contradicts
    6 checkpoint    the log signed a tree head, and enough witnesses have seen it
    7 inclusion     the entry is in the tree of that head
    8 pinned        that tree agrees with one seen before, if one is given

Every failure raises `ProofFailed` and names the step. Nothing in the file is believed before it led to the signature.
A plain proof, of any entry that is given beside it, goes through steps 1, 5, 6, 7 and 8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from groundrule.canon import canonical_json, parse_base64, parse_canonical
from groundrule.errors import GroundruleError, InputError, ProofFailed
from groundrule.ledger.audit.heads import lines_of
from groundrule.ledger.checkpoint import Checkpoint
from groundrule.ledger.commitment import COMMITMENTS, MAX_FIELDS, SALT_BYTES, commit, record_leaf
from groundrule.ledger.entry import Entry, policy_digest
from groundrule.ledger.policy import CheckedCheckpoint, Policy, existed_before
from groundrule.ledger.proof import Proof
from groundrule.ledger.tree import HASH_SIZE, leaf_hash, verify_consistency, verify_inclusion

Consistency = Callable[[int, int], Sequence[bytes]]
"""Gives the consistency proof from an earlier to a later size of the same log."""

BATCH = "decision-batch"
MIN_BUCKET, MAX_BUCKET = 256, 1 << 32
_KEYS = frozenset({"v", "entry", "fields", "commitments", "leaf_index", "inner_path", "batch_index"})
_FIELD_KEYS = frozenset({"name", "value", "salt"})


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """What holds, after every link of the chain was checked.

    Attributes:
        fields: opened fields of the record by name; empty for a plain proof.
        entry: the public entry, or None for an entry of a generic log.
        entry_bytes: its bytes.
        batch_index: index of the entry in the log.
        leaf_index: place of the record in its batch, or None for a plain proof.
        checked: the tree head with the time of each cosignature.
        existed_before_s: the entry was in the log before this time [s since 1970, UTC], by the word of a quorum of
            witnesses; None where the policy asks for none.
        agrees_with_pinned: whether the tree was shown to agree with the pinned one; None if nothing was pinned.
        remarks: what is unusual and no failure.
    """

    fields: Mapping[str, Any]
    entry: Entry | None
    entry_bytes: bytes = field(repr=False)
    batch_index: int
    leaf_index: int | None
    checked: CheckedCheckpoint
    existed_before_s: int | None
    agrees_with_pinned: bool | None
    remarks: tuple[str, ...]

    @property
    def origin(self) -> str:
        """Name of the log."""
        return self.checked.checkpoint.origin

    @property
    def size(self) -> int:
        """Entries of the log under the tree head."""
        return self.checked.checkpoint.size


@dataclass(frozen=True, slots=True)
class _Receipt:
    entry: bytes
    fields: Mapping[str, Any]
    salts: Mapping[str, bytes]
    commitments: tuple[bytes, ...]
    leaf_index: int
    inner_path: tuple[bytes, ...]
    batch_index: int


def verify_receipt(
    receipt: bytes,
    policy: Policy,
    *,
    pinned: bytes | None = None,
    consistency: Consistency | None = None,
    strict: bool = False,
) -> VerifiedReceipt:
    """Verify a receipt offline.

    Args:
        receipt: bytes of the `.tlog-proof` whose `extra` line holds the receipt.
        policy: whom to trust.
        pinned: a checkpoint of the log that was seen earlier.
        consistency: gives consistency proofs, where the log itself is at hand.
        strict: refuse where any signature line is damaged, or agreement with `pinned` cannot be shown.
    Raises:
        ProofFailed: naming the step that fails and why; context `step`.
    """
    proof = _parse_proof(receipt)
    if proof.extra is None:
        _fail("form", "the file is a plain proof and opens no field; give the entry that it proves as well")
    opened = _parse_receipt(proof.extra)
    if opened.batch_index != proof.index:
        _fail("form", f"the receipt is of entry {opened.batch_index} and the proof of entry {proof.index}")
    _check_fields(opened)
    try:
        leaf = record_leaf(opened.commitments)
    except InputError as error:
        _fail("record", error.message)
    entry = _batch_entry(opened.entry)
    body = entry.body
    if leaf_position := _out_of_bucket(opened.leaf_index, body["bucket_size"]):
        _fail("batch", leaf_position)
    try:
        verify_inclusion(
            opened.leaf_index, body["bucket_size"], leaf, opened.inner_path, parse_base64(body["inner_root"])
        )
    except (ProofFailed, InputError) as error:
        _fail("batch", f"the record is not in the tree of its batch: {error.message}")
    _check_agreement(opened.fields, body)
    return _verified(proof, policy, opened.entry, entry, opened, pinned, consistency, strict)


def verify_entry(
    proof: bytes,
    entry: bytes,
    policy: Policy,
    *,
    pinned: bytes | None = None,
    consistency: Consistency | None = None,
    strict: bool = False,
) -> VerifiedReceipt:
    """Verify a plain proof of an entry that is given beside it; arguments and errors as for `verify_receipt`."""
    parsed = _parse_proof(proof)
    decoded: Entry | None
    try:
        decoded = Entry.decode(entry)
    except InputError:
        decoded = None  # a generic log may hold any bytes; the proof is about the bytes
    return _verified(parsed, policy, entry, decoded, None, pinned, consistency, strict)


def is_receipt(data: bytes) -> bool:
    """Tell whether a file carries its own receipt, or is a plain proof that needs the entry beside it.

    Raises:
        ProofFailed: it is neither.
    """
    return _parse_proof(data).extra is not None


def _verified(
    proof: Proof,
    policy: Policy,
    data: bytes,
    entry: Entry | None,
    opened: _Receipt | None,
    pinned: bytes | None,
    consistency: Consistency | None,
    strict: bool,
) -> VerifiedReceipt:
    try:
        checked = policy.require(proof.checkpoint, strict=strict)
    except (InputError, ProofFailed) as error:
        _fail("checkpoint", error.message)
    head = checked.checkpoint
    try:
        verify_inclusion(proof.index, head.size, leaf_hash(data), proof.hashes, head.root)
    except ProofFailed as error:
        _fail("inclusion", f"the entry is not entry {proof.index} of the log: {error.message}")
    remarks = lines_of(checked, policy)[0]
    if strict and remarks:
        _fail("checkpoint", remarks[0])
    agrees = None
    if pinned is not None:
        agrees, remark = _compare_pinned(head, pinned, policy, consistency, strict)
        remarks += [remark] if remark else []
    return VerifiedReceipt(
        fields={} if opened is None else opened.fields,
        entry=entry,
        entry_bytes=data,
        batch_index=proof.index,
        leaf_index=None if opened is None else opened.leaf_index,
        checked=checked,
        existed_before_s=existed_before(checked, policy),
        agrees_with_pinned=agrees,
        remarks=tuple(remarks),
    )


# --- steps ------------------------------------------------------------------------------------------------------------


def _parse_proof(data: bytes) -> Proof:
    try:
        return Proof.parse(data)
    except InputError as error:
        _fail("form", f"this is not a receipt: {error.message}")


def _parse_receipt(extra: bytes) -> _Receipt:
    try:
        value = parse_canonical(extra)
    except InputError as error:
        _fail("form", f"the receipt inside the proof is unreadable: {error.message}")
    if not isinstance(value, dict) or value.keys() != _KEYS or type(value["v"]) is not int or value["v"] != 1:
        _fail("form", f"the receipt inside the proof is not an object of version 1 with {', '.join(sorted(_KEYS))}")
    opened = _list(value, "fields", MAX_FIELDS)
    fields: dict[str, Any] = {}
    salts: dict[str, bytes] = {}
    for item in opened:
        if not isinstance(item, dict) or item.keys() != _FIELD_KEYS or not isinstance(item["name"], str):
            _fail("form", "an opened field is not an object of name, value and salt")
        name = item["name"]
        if name in fields:
            _fail("form", f"the field `{name[:60]}` is opened twice")
        fields[name], salts[name] = item["value"], _bytes(item["salt"], f"the salt of `{name[:60]}`", SALT_BYTES)
    return _Receipt(
        entry=_bytes(value["entry"], "the entry"),
        fields=fields,
        salts=salts,
        commitments=tuple(_bytes(each, "a commitment", HASH_SIZE) for each in _list(value, "commitments", COMMITMENTS)),
        leaf_index=_index(value, "leaf_index"),
        inner_path=tuple(
            _bytes(each, "a hash of the inner path", HASH_SIZE) for each in _list(value, "inner_path", 63)
        ),
        batch_index=_index(value, "batch_index"),
    )


def _check_fields(opened: _Receipt) -> None:
    if not opened.fields:
        _fail("fields", "the receipt opens no field")
    known = set(opened.commitments)
    for name, value in opened.fields.items():
        try:
            commitment = commit(name, opened.salts[name], canonical_json(value))
        except InputError as error:
            _fail("fields", error.message)
        if commitment not in known:
            _fail("fields", f"the value or salt of `{name}` is not the one that was committed to", field=name)


def _batch_entry(data: bytes) -> Entry:
    try:
        entry = Entry.decode(data)
    except InputError as error:
        _fail("entry", f"the public entry is unreadable: {error.message}")
    if entry.kind != BATCH:
        _fail("entry", f"the public entry is a `{entry.kind}` and no batch of decisions")
    return entry


def _out_of_bucket(leaf_index: int, bucket_size: int) -> str | None:
    if bucket_size > MAX_BUCKET or bucket_size < MIN_BUCKET or bucket_size & (bucket_size - 1):
        return f"the batch claims {bucket_size} places; it has a power of two from {MIN_BUCKET} to 2^32"
    if leaf_index >= bucket_size:
        return f"place {leaf_index} is not in a batch of {bucket_size}"
    return None


def _check_agreement(fields: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    """What a record says about the policy must be what its batch says."""
    for name, public in (("policy_digest", "policy_digest"), ("evaluator", "evaluator_digest")):
        value = fields.get(name)
        if isinstance(value, str) and _hex(value) != _hex(body[public]):
            _fail("entry", f"the record names {name} {value[:80]}, its batch {body[public]}", field=name)
    policy = fields.get("policy")
    if isinstance(policy, dict):
        rulebook, areas = policy.get("rulebook"), policy.get("areas")
        if not isinstance(rulebook, str) or not isinstance(areas, str):
            _fail("entry", "the record names a policy without rulebook or areas", field="policy")
        if policy_digest(rulebook, areas) != _hex(body["policy_digest"]):
            _fail("entry", "rulebook and areas that the record names are not the policy of its batch", field="policy")


def _compare_pinned(
    head: Checkpoint, pinned: bytes, policy: Policy, consistency: Consistency | None, strict: bool
) -> tuple[bool | None, str | None]:
    try:
        earlier = policy.check(pinned).checkpoint
    except (InputError, ProofFailed) as error:
        _fail("pinned", f"the pinned checkpoint is unusable: {error.message}")
    if earlier.origin != head.origin:
        _fail("pinned", f"the pinned checkpoint is of `{earlier.origin[:80]}` and the receipt of `{head.origin[:80]}`")
    if earlier.size == head.size:
        if earlier.root != head.root:
            _fail("pinned", f"split view: the log signed two roots for {head.size} entries; keep both checkpoints")
        return True, None
    if consistency is None:
        if earlier.size > head.size:
            _fail(
                "pinned",
                f"the receipt shows a log of {head.size} entries, and {earlier.size} were seen before; "
                "ask for a newer proof, or give the log itself",
            )
        what = f"that the log of {head.size} entries contains the {earlier.size} pinned ones was not checked"
        if strict:
            _fail("pinned", f"{what}; give the log itself")
        return None, f"{what}; that needs the log itself"
    (old, old_root), (new, new_root) = sorted([(earlier.size, earlier.root), (head.size, head.root)])
    try:
        verify_consistency(old, new, old_root, new_root, list(consistency(old, new)))
    except (GroundruleError, OSError, LookupError) as error:
        why = error.message if isinstance(error, GroundruleError) else "a file of the log cannot be read"
        _fail("pinned", f"the log of the receipt is not the one that was pinned: {why}")
    return True, None


# --- parts ------------------------------------------------------------------------------------------------------------


def _fail(step: str, what: str, **context: Any) -> NoReturn:
    raise ProofFailed(f"{step}: {what}", step=step, **context)


def _bytes(value: object, what: str, size: int | None = None) -> bytes:
    if not isinstance(value, str):
        _fail("form", f"{what} is not text in base64")
    try:
        data = parse_base64(value, what=what)
    except InputError as error:
        _fail("form", error.message)
    if size is not None and len(data) != size:
        _fail("form", f"{what} has {len(data)} bytes instead of {size}")
    return data


def _list(value: Mapping[str, Any], name: str, most: int) -> list[Any]:
    if not isinstance(value[name], list) or len(value[name]) > most:
        _fail("form", f"`{name}` is not a list of at most {most}")
    return list(value[name])


def _index(value: Mapping[str, Any], name: str) -> int:
    number = value[name]
    if type(number) is not int or number < 0:
        _fail("form", f"`{name}` is not a whole number from 0")
    return number


def _hex(digest: str) -> str:
    """A digest is written with or without the name of its algorithm."""
    return digest.removeprefix("sha256:")
