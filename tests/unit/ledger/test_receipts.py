"""A receipt verifies exactly as it was issued; whatever is changed in it is refused with the step that fails."""

from __future__ import annotations

import json
import random
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import audit_logs as logs
from groundrule.canon import canonical_json
from groundrule.errors import ProofFailed
from groundrule.ledger.audit.receipts import VerifiedReceipt, is_receipt, verify_entry, verify_receipt
from groundrule.ledger.audit.words import as_dict, not_proved, proved
from groundrule.ledger.batch import close_batch
from groundrule.ledger.commitment import commit, commitments_of, record_leaf
from groundrule.ledger.entry import policy_digest
from groundrule.ledger.note import NoteSigner
from groundrule.ledger.policy import Policy
from groundrule.ledger.proof import Proof
from groundrule.ledger.receipt import make_receipt

SUBJECT_KEY = sha256(b"subject (invented)").digest()
RECORD_ID = bytes(range(16))
POLICY_DIGEST = policy_digest("1" * 64, "2" * 64)
RECORD: dict[str, Any] = {
    "terminal_id": "T-0001 (invented)",
    "outcome": "deny",
    "reasons": ["moving_too_fast_for_policy"],
    "position": {"lat_e7": 481234567, "lon_e7": 111234567, "sigma_m": 12},
    "speed_kmh": None,
    "policy_digest": POLICY_DIGEST,
    "evaluator": logs.EVALUATOR_DIGEST,
    "register": {"revision": 8},
    "policy": {"rulebook": "sha256:" + "1" * 64, "areas": "sha256:" + "2" * 64},
    "rule": "a-rule-that-stays-closed",
}
OPEN = [name for name in RECORD if name != "rule"]
INDEX = 40


class Issued(NamedTuple):
    """A receipt and all that it was made of."""

    entries: list[bytes]
    receipt: dict[str, Any]
    proof: Proof
    data: bytes


@lru_cache(maxsize=1)
def issued() -> Issued:
    fields = {name: canonical_json(value) for name, value in RECORD.items()}
    leaf = record_leaf(commitments_of(SUBJECT_KEY, RECORD_ID, fields))
    inner = close_batch([sha256(b"another").digest(), leaf], sha256(b"batch secret").digest())
    story = logs.Story()
    story.enact(0)
    story.batches(0, INDEX - 1)
    assert story.batch(INDEX - 1, POLICY_DIGEST, inner_root=inner.root) == INDEX
    story.batches(INDEX, 90)
    made = make_receipt(story.entries[INDEX], INDEX, RECORD, SUBJECT_KEY, RECORD_ID, inner, inner.positions[1], OPEN)
    proof = Proof(INDEX, tuple(logs.tree(story.entries).inclusion_path(INDEX)), logs.head(story.entries), made)
    return Issued(story.entries, json.loads(made), proof, proof.format())


def verify(receipt: dict[str, Any] | None = None, **changes: Any) -> VerifiedReceipt:
    """Verify the receipt with another content or with other parts of the proof."""
    proof = issued().proof
    parts = {
        "index": proof.index,
        "hashes": proof.hashes,
        "checkpoint": proof.checkpoint,
        "extra": proof.extra if receipt is None else canonical_json(receipt),
    }
    strict = changes.pop("strict", False)
    return verify_receipt(Proof(**{**parts, **changes}).format(), logs.POLICY, strict=strict)


def failing(step: str, call: Callable[[], object]) -> str:
    with pytest.raises(ProofFailed) as caught:
        call()
    assert caught.value.context["step"] == step, caught.value
    assert caught.value.message.startswith(f"{step}: ")
    assert "\n" not in caught.value.message
    return caught.value.message


def test_a_receipt_as_issued_is_verified_and_says_what_it_proves() -> None:
    found = verify()
    assert found.fields == {name: RECORD[name] for name in sorted(OPEN)}
    assert (found.batch_index, found.origin, found.size) == (INDEX, logs.ORIGIN, 91)
    assert found.entry_bytes == issued().entries[INDEX]
    times = sorted(found.checked.times.values())
    assert found.existed_before_s == times[1]
    words = "\n".join(proved(found))
    for expected in (
        "deny", "T-0001", POLICY_DIGEST, "1" * 64, "2" * 64, "register revision    8", f"entry {INDEX}", logs.ORIGIN,
        "91 entries", "W0", "W1", "W2", "before 2026-",
    ):  # fmt: skip
        assert expected in words
    assert "a-rule-that-stays-closed" not in words
    assert "everything that happened was recorded" in "\n".join(not_proved(found))
    assert json.loads(json.dumps(as_dict(found)))["fields"]["outcome"] == "deny"


def test_fewer_opened_fields_are_a_receipt_too() -> None:
    for name in OPEN:
        receipt = {**issued().receipt, "fields": [f for f in issued().receipt["fields"] if f["name"] == name]}
        assert verify(receipt).fields == {name: RECORD[name]}


def test_a_plain_proof_needs_the_entry_that_it_is_about() -> None:
    proof = issued().proof
    plain = Proof(proof.index, proof.hashes, proof.checkpoint).format()
    assert not is_receipt(plain)
    assert is_receipt(issued().data)
    found = verify_entry(plain, issued().entries[INDEX], logs.POLICY)
    assert found.entry is not None
    assert found.entry.kind == "decision-batch"
    assert "Not" not in proved(found)[0]
    failing("inclusion", lambda: verify_entry(plain, issued().entries[INDEX + 1], logs.POLICY))
    failing("form", lambda: verify_receipt(plain, logs.POLICY))


def test_an_entry_of_a_generic_log_is_proved_by_its_bytes() -> None:
    entries = [b"one", b"\xff two", b"three"]
    plain = Proof(1, tuple(logs.tree(entries).inclusion_path(1)), logs.head(entries)).format()
    found = verify_entry(plain, entries[1], logs.POLICY)
    assert found.entry is None
    assert "5 bytes" in proved(found)[0]


# --- mutations --------------------------------------------------------------------------------------------------------


def other_value(value: Any) -> Any:
    if isinstance(value, dict):
        name = next(iter(value))
        return {**value, name: other_value(value[name])}
    if isinstance(value, list):
        return [*value, "one_more"]
    if isinstance(value, int):
        return value + 1
    return "x" if value is None else value[:-1] + ("0" if value[-1] != "0" else "1")


def flips(text: str, count: int, rng: random.Random) -> Iterator[str]:
    data = b64decode(text)
    for bit in rng.sample(range(8 * len(data)), count):
        yield b64encode(logs.flip(data, bit)).decode()


def mutations() -> Iterator[tuple[str, frozenset[str], dict[str, Any]]]:
    """Family, steps that may refuse it, and the changed receipt."""
    rng = random.Random(20260201)
    good = issued().receipt
    for place, field in enumerate(good["fields"]):

        def with_field(new: dict[str, Any], place: int = place) -> dict[str, Any]:
            return {**good, "fields": [*good["fields"][:place], new, *good["fields"][place + 1 :]]}

        yield "value", frozenset({"fields"}), with_field({**field, "value": other_value(field["value"])})
        yield "value", frozenset({"fields"}), with_field({**field, "value": {"value": field["value"]}})
        for salt in flips(field["salt"], 9, rng):
            yield "salt", frozenset({"fields"}), with_field({**field, "salt": salt})
        for name in (field["name"] + "x", "rule", "X", ""):
            yield "name", frozenset({"fields"}), with_field({**field, "name": name})
        yield "twice", frozenset({"form"}), {**good, "fields": [*good["fields"], field]}
    for place in range(24):
        rest = good["commitments"][:place] + good["commitments"][place + 1 :]
        yield "left out", frozenset({"fields", "record"}), {**good, "commitments": rest}
        for changed in flips(good["commitments"][place], 4, rng):
            commitments = [*good["commitments"][:place], changed, *good["commitments"][place + 1 :]]
            yield "commitment", frozenset({"fields", "record", "batch"}), {**good, "commitments": commitments}
            resorted = sorted(commitments, key=b64decode)
            yield "commitment", frozenset({"fields", "batch"}), {**good, "commitments": resorted}
        if place:
            order = list(good["commitments"])
            order[place - 1], order[place] = order[place], order[place - 1]
            yield "order", frozenset({"record"}), {**good, "commitments": order}
    for place in range(8):
        for changed in flips(good["inner_path"][place], 6, rng):
            path = [*good["inner_path"][:place], changed, *good["inner_path"][place + 1 :]]
            yield "inner path", frozenset({"batch"}), {**good, "inner_path": path}
        yield "inner path", frozenset({"batch"}), {**good, "inner_path": good["inner_path"][:place]}
        yield "inner path", frozenset({"batch"}), {**good, "inner_path": good["inner_path"] + good["inner_path"][:1]}
    for leaf_index in {*range(256), 256, 1000, 2**40} - {good["leaf_index"]}:
        yield "leaf index", frozenset({"batch"}), {**good, "leaf_index": leaf_index}
    entry = json.loads(b64decode(good["entry"]))
    for bucket in (0, 1, 128, 255, 257, 512, 2**33, 2**40):
        body = {**entry["body"], "bucket_size": bucket}
        changed = b64encode(canonical_json({**entry, "body": body})).decode()
        yield "bucket", frozenset({"entry", "batch", "inclusion"}), {**good, "entry": changed}
    for batch_index in (0, INDEX - 1, INDEX + 1, 2**50):
        yield "batch index", frozenset({"form"}), {**good, "batch_index": batch_index}
    for changed in flips(good["entry"], 60, rng):
        yield "entry", frozenset({"entry", "batch", "inclusion"}), {**good, "entry": changed}
    for place in (INDEX - 1, INDEX + 1, 0):
        yield "entry", frozenset({"entry", "batch"}), {**good, "entry": b64encode(issued().entries[place]).decode()}
    for name in good:
        yield "shape", frozenset({"form"}), {key: value for key, value in good.items() if key != name}
        yield "shape", frozenset({"form"}), {**good, name: None}
        yield "shape", frozenset({"form"}), {**good, name: {"a": [1]}}
    yield "shape", frozenset({"form"}), {**good, "more": 1}
    yield "shape", frozenset({"form"}), {**good, "v": True}
    yield "shape", frozenset({"fields"}), {**good, "fields": []}
    yield "shape", frozenset({"form"}), {**good, "leaf_index": True}
    yield "shape", frozenset({"form"}), {**good, "leaf_index": -1}


def test_every_mutation_of_the_receipt_is_refused_at_its_step() -> None:
    families: dict[str, int] = {}
    for family, steps, receipt in mutations():
        families[family] = families.get(family, 0) + 1
        with pytest.raises(ProofFailed) as caught:
            verify(receipt)
        assert caught.value.context["step"] in steps, (family, caught.value)
    assert sum(families.values()) >= 700, families


def test_every_mutation_of_the_proof_is_refused() -> None:
    proof, rng, count = issued().proof, random.Random(7), 0
    for place in range(len(proof.hashes)):
        for bit in rng.sample(range(256), 12):
            hashes = [*proof.hashes]
            hashes[place] = logs.flip(hashes[place], bit)
            failing("inclusion", lambda hashes=hashes: verify(hashes=tuple(hashes)))
            count += 1
        failing("inclusion", lambda place=place: verify(hashes=proof.hashes[:place]))
    failing("inclusion", lambda: verify(hashes=(*proof.hashes, proof.hashes[0])))
    for bit in rng.sample(range(8 * len(proof.checkpoint)), 120):
        changed = logs.flip(proof.checkpoint, bit)
        failing("checkpoint", lambda changed=changed: verify(checkpoint=changed, strict=True))
        with suppress(ProofFailed):  # enough other witnesses may be left: then the damaged line is named
            assert verify(checkpoint=changed).remarks
        count += 1
    for index in {*range(91)} - {INDEX}:
        moved = {**issued().receipt, "batch_index": index}
        failing("inclusion", lambda index=index, moved=moved: verify(moved, index=index))
        count += 1
    assert count >= 200


def test_a_strict_reader_refuses_a_damaged_cosignature() -> None:
    proof = issued().proof
    lines = proof.checkpoint.decode().splitlines(keepends=True)
    place = next(i for i, line in enumerate(lines) if "witness.example.net" in line)
    name, packed = lines[place].rsplit(" ", 1)
    lines[place] = f"{name} {b64encode(logs.flip(b64decode(packed), 200)).decode()}\n"
    data = Proof(proof.index, proof.hashes, "".join(lines).encode(), proof.extra).format()
    found = verify_receipt(data, logs.POLICY)
    assert set(found.checked.times) == {"W1", "W2"}
    assert "W0" in found.remarks[0]
    failing("checkpoint", lambda: verify_receipt(data, logs.POLICY, strict=True))


def test_too_few_witnesses_or_another_log_are_refused() -> None:
    entries = issued().entries
    assert "W1" in failing("checkpoint", lambda: verify(checkpoint=logs.head(entries, witnesses=(1,))))
    thief = [NoteSigner(logs.ORIGIN, 1, logs.key("ed25519", "a key of somebody else"))]
    failing("checkpoint", lambda: verify(checkpoint=logs.head(entries, signers=thief)))
    stranger = Policy.parse(Policy.format_simple([str(logs.WITNESSES[2].verifier)], [], None))
    failing("checkpoint", lambda: verify_receipt(issued().data, stranger))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("policy_digest", "0" * 64),
        ("evaluator", "0" * 64),
        ("policy", {"rulebook": "1" * 64, "areas": "2" * 64}),
        ("policy", {"rulebook": "1" * 64}),
    ],
)
def test_a_record_that_contradicts_its_batch_is_refused(name: str, value: Any) -> None:
    record = {"outcome": "serve", name: value}
    fields = {name: canonical_json(value) for name, value in record.items()}
    leaf = record_leaf(commitments_of(SUBJECT_KEY, RECORD_ID, fields))
    inner = close_batch([leaf], bytes(32))
    story = logs.Story()
    story.batch(0, inner_root=inner.root)
    made = make_receipt(story.entries[0], 0, record, SUBJECT_KEY, RECORD_ID, inner, inner.positions[0], record)
    proof = Proof(0, (), logs.head(story.entries), made)
    assert name in failing("entry", lambda: verify_receipt(proof.format(), logs.POLICY))


def test_a_forger_who_commits_to_another_value_needs_another_root() -> None:
    good = issued().receipt
    field = next(f for f in good["fields"] if f["name"] == "outcome")
    forged = b64encode(commit("outcome", b64decode(field["salt"]), b'"serve"')).decode()
    true = b64encode(commit("outcome", b64decode(field["salt"]), b'"deny"')).decode()
    commitments = sorted((forged if each == true else each for each in good["commitments"]), key=b64decode)
    fields = [{**f, "value": "serve"} if f is field else f for f in good["fields"]]
    failing("batch", lambda: verify({**good, "fields": fields, "commitments": commitments}))


# --- what was seen before ---------------------------------------------------------------------------------------------


def test_the_pinned_head_must_agree() -> None:
    entries, data = issued().entries, issued().data
    tree = logs.tree(entries)

    def consistency(old: int, new: int) -> list[bytes]:
        return tree.consistency_path(old, new)

    assert verify_receipt(data, logs.POLICY, pinned=logs.head(entries)).agrees_with_pinned is True
    smaller = logs.head(entries[:30])
    assert verify_receipt(data, logs.POLICY, pinned=smaller, consistency=consistency).agrees_with_pinned is True
    unknown = verify_receipt(data, logs.POLICY, pinned=smaller)
    assert unknown.agrees_with_pinned is None
    assert "not checked" in unknown.remarks[0]
    failing("pinned", lambda: verify_receipt(data, logs.POLICY, pinned=smaller, strict=True))
    other = logs.head([*entries[:-1], b"another"])
    assert "split view" in failing("pinned", lambda: verify_receipt(data, logs.POLICY, pinned=other))
    rewritten = logs.head([*entries[:10], b"another", *entries[11:30]])
    failing("pinned", lambda: verify_receipt(data, logs.POLICY, pinned=rewritten, consistency=consistency))
    failing("pinned", lambda: verify_receipt(data, logs.POLICY, pinned=b"nonsense"))


def test_a_log_smaller_than_the_pinned_one_is_refused_unless_it_is_shown_to_be_its_beginning() -> None:
    data = issued().data
    longer = [*issued().entries, b"one more", b"and another"]
    pinned = logs.head(longer)
    assert "93 were seen" in failing("pinned", lambda: verify_receipt(data, logs.POLICY, pinned=pinned))
    path = logs.tree(longer).consistency_path
    found = verify_receipt(data, logs.POLICY, pinned=pinned, consistency=path)
    assert found.agrees_with_pinned is True


# --- garbage ----------------------------------------------------------------------------------------------------------


def refused(data: bytes) -> None:
    with pytest.raises(ProofFailed) as caught:
        verify_receipt(data, logs.POLICY)
    assert caught.value.context["step"]


@given(st.binary(max_size=300))
def test_garbage_is_refused_and_nothing_else_happens(data: bytes) -> None:
    refused(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)


@given(st.fixed_dictionaries(dict.fromkeys(issued().receipt, json_values)))
def test_receipts_of_any_shape_are_refused(receipt: dict[str, Any]) -> None:
    with pytest.raises(ProofFailed):
        verify(receipt)


@given(st.sampled_from(sorted(issued().receipt)), json_values)
def test_any_other_value_in_one_place_is_refused(name: str, value: Any) -> None:
    if value == issued().receipt[name] and type(value) is type(issued().receipt[name]):
        return
    with pytest.raises(ProofFailed):
        verify({**issued().receipt, name: value})


@given(st.data())
def test_cutting_and_pasting_bytes_is_refused(data: st.DataObject) -> None:
    before = issued().data
    start = data.draw(st.integers(0, len(before)))
    end = data.draw(st.integers(start, min(len(before), start + 30)))
    changed = before[:start] + data.draw(st.binary(max_size=30)) + before[end:]
    try:
        found = verify_receipt(changed, logs.POLICY)
    except ProofFailed:
        return
    # What still verifies says the same: only a signature line that was not needed can have changed.
    assert found.fields == verify().fields
    assert changed == before or found.remarks or len(found.checked.times) == 2
