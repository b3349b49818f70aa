"""What the public log says about terminals: nothing, tried by searching, by guessing and by comparing.

Every attack here is also shown to succeed where the protection is taken away, so that a test that passes means something.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import h3
import pytest

from canaries import Haystack, forms_of_place, forms_of_text, leaks
from groundrule.canon import canonical_json, format_base64, parse_canonical
from groundrule.errors import ProofFailed
from groundrule.ledger.audit.receipts import verify_receipt
from groundrule.ledger.batch import InnerTree, close_batch, public_body
from groundrule.ledger.checkpoint import Checkpoint, sign_checkpoint
from groundrule.ledger.commitment import (
    commit,
    commit_records,
    commitments_of,
    field_salt,
    owner_tag,
    record_key,
    record_leaf,
)
from groundrule.ledger.entry import Entry
from groundrule.ledger.note import ED25519, NoteSigner
from groundrule.ledger.policy import Policy
from groundrule.ledger.proof import Proof
from groundrule.ledger.receipt import make_receipt
from groundrule.ledger.tree import inclusion_path, leaf_hash, root_of
from groundrule.signing import SigningKey
from groundrule.store.keys import KeyService

MONTH = "2026-03"
NAMES = ("terminal_id", "account_id", "position", "h3_r7", "note", "outcome", "reasons", "owner_tag")


def entry_of(inner: InnerTree, seq: int = 0) -> bytes:
    minute = f"2026-03-01T{seq // 60 % 24:02d}:{seq % 60:02d}:00.000Z"
    body = public_body(inner, minute=minute, policy_digest="a1" * 32, evaluator_digest="b2" * 32)
    return Entry("decision-batch", "decisions.main", seq, minute, body).encode()


@dataclass(frozen=True)
class Decision:
    """A simulated decision whose private values are all canaries."""

    terminal: str
    account: str
    lat: float
    lon: float
    note: str

    def values(self, tag: bytes) -> list[bytes]:
        """Canonical JSON of each field, in the order of NAMES."""
        place = f'{{"lat_e7":{round(self.lat * 1e7)},"lon_e7":{round(self.lon * 1e7)},"sigma_m":15}}'
        return [
            f'"{self.terminal}"'.encode(),
            f'"{self.account}"'.encode(),
            place.encode(),
            f'"{h3.latlng_to_cell(self.lat, self.lon, 7)}"'.encode(),
            f'"{self.note}"'.encode(),
            b'"deny"',
            b'["moving_too_fast_for_policy"]',
            f'"{tag.hex()}"'.encode(),
        ]


def decisions(count: int, rng: random.Random) -> Iterator[Decision]:
    terminals = [f"ut{rng.getrandbits(64):016x}" for _ in range(count // 5)]
    accounts = [f"ACC-{rng.getrandbits(48):012X}" for _ in range(count // 20)]
    for _ in range(count):
        which = rng.randrange(len(terminals))
        yield Decision(
            terminals[which],
            accounts[which % len(accounts)],
            rng.uniform(44, 52),
            rng.uniform(22, 40),
            f"visited {rng.getrandbits(60):x} (invented)",
        )


# --- P1: searching ----------------------------------------------------------------------------------------------------


def test_no_canary_of_100_000_decisions_is_in_public_bytes() -> None:
    rng = random.Random(1)
    held = list(decisions(100_000, rng))
    keys: dict[str, bytes] = {}
    public = []
    for seq, start in enumerate(range(0, len(held), 400)):
        part = held[start : start + 400]
        leaves = commit_records(
            NAMES,
            [
                (
                    keys.setdefault(each.account, rng.randbytes(32)),
                    rng.randbytes(16),
                    each.values(owner_tag(keys[each.account], each.terminal, seq)),
                )
                for each in part
            ],
        )
        public.append(entry_of(close_batch(leaves, rng.randbytes(32)), seq))
    texts = [text for each in held for text in (each.terminal, each.account, each.note)]
    assert leaks(public, texts=texts, places=((each.lat, each.lon) for each in held)) == []


def test_the_search_finds_every_form_of_a_canary_wherever_it_stands() -> None:
    text, place = "ut0123456789abcdef/ACC?~ü", (48.512345678, -35.987654321)
    forms = [*forms_of_text(text), *forms_of_place(*place)]
    assert {form for form, _ in forms} >= {
        "plain", "base64 at alignment 0", "base64 at alignment 1", "base64 at alignment 2", "hexadecimal", "geohash",
        "H3 cell of resolution 5", "latitude in 1e-7 degree",
    }  # fmt: skip
    public = [entry_of(close_batch([], bytes(32)), seq) for seq in range(5)]
    assert leaks(public, texts=[text], places=[place]) == []
    for _, needle in forms:
        for before in range(4):
            for hidden in (
                b"x" * before + needle,
                format_base64(b"x" * before + needle + b"yyy").encode(),
                b"0" * before + needle.hex().encode(),
            ):
                found = leaks([*public, b'{"note":"' + hidden + b'"}'], texts=[text], places=[place])
                assert found, needle


def test_the_search_needs_the_whole_value() -> None:
    assert b"abcdefgh-long" in Haystack([b"...abcdefgh-long..."])
    assert b"abcdefgh-long" not in Haystack([b"...abcdefgh-lon..."])
    assert b"abcdefgh" not in Haystack([b"abcd", b"efgh"]), "parts are files of their own"
    with pytest.raises(AssertionError, match="too short"):
        leaks([b""], texts=["short"])


# --- P2: guessing -----------------------------------------------------------------------------------------------------


def guessed(
    candidates: Sequence[str], targets: set[bytes], salts: Sequence[Callable[[str], bytes]]
) -> list[str]:
    """Candidates of the field `h3_r5` that some salt, or a plain hash, matches to a target."""
    found = []
    prefix = b"groundrule/commit/v1\0" + bytes([5]) + b"h3_r5"
    for cell in candidates:
        value = f'"{cell}"'.encode()
        tries = [hashlib.sha256(value).digest(), hashlib.sha256(cell.encode()).digest()]
        tries += [hashlib.sha256(prefix + salt("h3_r5") + value).digest() for salt in salts]
        if not targets.isdisjoint(tries):
            found.append(cell)
    return found


def test_brute_force_over_all_cells_of_a_region_finds_nothing_without_the_key() -> None:
    candidates = sorted(h3.grid_disk(h3.latlng_to_cell(48.5, 35.0, 5), 80))
    rng = random.Random(2)
    true, key, record_id, secret = candidates[11_111], rng.randbytes(32), rng.randbytes(16), rng.randbytes(32)
    fields = {"h3_r5": f'"{true}"'.encode(), "outcome": b'"deny"'}
    commitments = commitments_of(key, record_id, fields)
    leaf = record_leaf(commitments)
    inner = close_batch([leaf], secret)
    # The attacker has more than the public: all commitments, the record's id, the leaf and the batch secret.
    targets = {*commitments, leaf, *inner.levels[0], inner.root}
    known = (b"", bytes(32), record_id, leaf, inner.root, secret, hashlib.sha256(record_id).digest())
    salts: list[Callable[[str], bytes]] = [lambda _, salt=salt: salt for salt in known]
    salts += [
        lambda name, key=key: field_salt(record_key(key, record_id), name)
        for key in (bytes(32), secret, leaf)
    ]
    assert len(candidates) == 19_441
    assert guessed(candidates, targets, salts) == []
    with_key = [*salts, lambda name: field_salt(record_key(key, record_id), name)]
    assert guessed(candidates, targets, with_key) == [true]
    unsalted = {commit("h3_r5", bytes(32), fields["h3_r5"])}
    assert guessed(candidates, unsalted, salts) == [true], "without a secret salt the hash is the place"


# --- erasure ----------------------------------------------------------------------------------------------------------

TRIALS = 10_000


def distinguish(
    keys: KeyService, subject: str, record_id: bytes, commitments: list[bytes], values: tuple[bytes, bytes]
) -> int:
    """Say which of two values was committed to, with everything that is left."""
    key = keys.subject_key(subject, MONTH)
    if key is None:
        key = hashlib.sha256(subject.encode()).digest()  # nothing better is left than to guess a key
    salt = field_salt(record_key(key, record_id), "h3_r5")
    for which, value in enumerate(values):
        if commit("h3_r5", salt, value) in commitments:
            return which
    # No match: lean on any likeness between the values and the commitments.
    near = [
        min(
            bytes(a ^ b for a, b in zip(hashlib.sha256(value).digest()[:2], each, strict=False))
            for each in commitments
        )
        for value in values
    ]
    return int(near[1] < near[0])


def test_after_erasure_a_distinguisher_is_at_chance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(3)
    monkeypatch.setattr(
        os, "urandom", rng.randbytes
    )  # the same keys in every run: 1.5 % are three sigma of chance
    cells = [f'"{cell}"'.encode() for cell in sorted(h3.grid_disk(h3.latlng_to_cell(48.5, 35.0, 5), 20))]
    pairs = [(f"account-{n}", MONTH) for n in range(TRIALS)]
    trials = []
    with KeyService.create(tmp_path / "keys") as keys:
        for (subject, month), key in keys.subject_keys(pairs).items():
            values, record_id, which = rng.sample(cells, 2), rng.randbytes(16), rng.randrange(2)
            commitments = commitments_of(key, record_id, {"h3_r5": values[which], "outcome": b'"deny"'})
            assert month == MONTH
            trials.append((subject, record_id, commitments, (values[0], values[1]), which))

        def score() -> float:
            return sum(distinguish(keys, *trial) == which for *trial, which in trials) / TRIALS

        assert score() == 1.0
        assert keys.destroy_all(pairs) == TRIALS
        assert abs(score() - 0.5) <= 0.015


# --- shape and unlinkability ------------------------------------------------------------------------------------------


def test_entries_of_any_minute_have_the_same_shape() -> None:
    rng = random.Random(4)

    def entry(count: int) -> bytes:
        leaves = commit_records(
            ["outcome"], [(rng.randbytes(32), rng.randbytes(16), [b'"deny"']) for _ in range(count)]
        )
        return entry_of(close_batch(leaves, rng.randbytes(32)))

    made = {count: entry(count) for count in (0, 1, 17, 256, 257)}
    assert len({len(data) for data in made.values()}) == 1
    assert {count: Entry.decode(data).body["bucket_size"] for count, data in made.items()} == {
        0: 256, 1: 256, 17: 256, 256: 256, 257: 512
    }  # fmt: skip
    varying = {
        data.replace(Entry.decode(data).body["inner_root"].encode(), b"") for data in list(made.values())[:4]
    }
    assert len(varying) == 1, "nothing but the root tells two minutes apart"


def windows(data: bytes, length: int = 8) -> set[bytes]:
    return {data[at : at + length] for at in range(len(data) - length + 1)}


def test_two_records_of_one_terminal_have_nothing_in_common() -> None:
    rng = random.Random(5)
    key, index_key = rng.randbytes(32), rng.randbytes(32)
    decision = next(decisions(20, rng))
    seen: list[set[bytes]] = []
    for number in range(40):
        tag = owner_tag(index_key, decision.terminal, number)
        fields = dict(zip(NAMES, decision.values(tag), strict=True))
        commitments = commitments_of(key, rng.randbytes(16), fields)
        inner = close_batch([record_leaf(commitments)], rng.randbytes(32))
        parts = [*commitments, record_leaf(commitments), tag, inner.root, *inner.levels[0]]
        entry = Entry.decode(entry_of(inner, number)).body
        public = entry["inner_root"].encode()
        seen.append(set().union(*map(windows, [*parts, public])))
    for one, other in pairwise(seen):
        assert one.isdisjoint(other)
    assert sum(map(len, seen)) == len(set().union(*seen))


def test_without_salts_two_records_would_be_linked() -> None:
    one, other = (commit("terminal_id", bytes(32), b'"ut-1"') for _ in range(2))
    assert windows(one) & windows(other)


# --- receipts ---------------------------------------------------------------------------------------------------------

ORIGIN = "log.invented.example/groundrule"
SIGNER = NoteSigner(ORIGIN, ED25519, SigningKey.from_seed("ed25519", bytes(range(32))))
POLICY = Policy.parse(Policy.format_simple([str(SIGNER.verifier)], [], None))


@dataclass(frozen=True)
class Logged:
    """A log of a few batches, and receipts of random records in them."""

    receipts: list[bytes]
    records: list[dict[str, object]]


def random_record(rng: random.Random) -> dict[str, object]:
    values: list[object] = [
        None, True, rng.randrange(-(2**53) + 1, 2**53), rng.getrandbits(20), "ü" * rng.randrange(5), "",
        [rng.randrange(9) for _ in range(rng.randrange(4))], {"lat_e7": rng.randrange(10**9), "z": None}, "\U0001f6f0\n",
    ]  # fmt: skip
    return {f"field_{n}": rng.choice(values) for n in range(rng.randrange(1, 21))}


@pytest.fixture(scope="module")
def logged() -> Logged:
    rng = random.Random(6)
    batches = []
    for seq in range(6):
        held = [
            (random_record(rng), rng.randbytes(32), rng.randbytes(16))
            for _ in range(rng.choice([1, 40, 90, 260]))
        ]
        leaves = [
            record_leaf(
                commitments_of(key, each, {name: canonical_json(value) for name, value in record.items()})
            )
            for record, key, each in held
        ]
        inner = close_batch(leaves, rng.randbytes(32))
        batches.append((entry_of(inner, seq), inner, held))
    hashes = [leaf_hash(entry) for entry, *_ in batches]
    checkpoint = sign_checkpoint(Checkpoint(ORIGIN, len(hashes), root_of(hashes)), [SIGNER], time_s=1)

    def read(level: int, index: int) -> bytes:
        return root_of(hashes[index << level : index + 1 << level])

    receipts, records = [], []
    for number, (entry, inner, held) in enumerate(batches):
        path = tuple(inclusion_path(number, len(hashes), read))
        for (record, key, record_id), place in zip(held, inner.positions, strict=True):
            opened = rng.sample(sorted(record), rng.randrange(1, len(record) + 1))
            receipt = make_receipt(entry, number, record, key, record_id, inner, place, opened)
            receipts.append(Proof(number, path, checkpoint, receipt).format())
            records.append({name: record[name] for name in opened})
    return Logged(receipts, records)


def test_every_receipt_of_random_records_verifies(logged: Logged) -> None:
    assert len(logged.receipts) >= 300
    for receipt, opened in zip(logged.receipts, logged.records, strict=True):
        assert dict(verify_receipt(receipt, POLICY).fields) == opened


def altered(receipt: bytes, rng: random.Random) -> bytes:
    """Change one thing of a receipt: field, name, salt, order, path, index, batch, entry, or any byte."""
    proof = Proof.parse(receipt)
    assert proof.extra is not None
    content = parse_canonical(proof.extra)
    field = rng.choice(content["fields"])
    kind = rng.choice(
        ["value", "name", "salt", "order", "commitment", "path", "place", "batch", "entry", "drop", "byte"]
    )
    if kind == "byte":
        at = rng.randrange(len(proof.extra))
        extra = proof.extra[:at] + bytes([proof.extra[at] ^ 1 << rng.randrange(8)]) + proof.extra[at + 1 :]
        return Proof(proof.index, proof.hashes, proof.checkpoint, extra).format()
    if kind == "value":
        field["value"] = rng.choice([each for each in ("other", 1, None, [], {}) if each != field["value"]])
    elif kind == "name":
        field["name"] += "x"
    elif kind == "salt":
        field["salt"] = format_base64(rng.randbytes(32))
    elif kind == "order":
        a, b = rng.sample(range(24), 2)
        content["commitments"][a], content["commitments"][b] = (
            content["commitments"][b],
            content["commitments"][a],
        )
    elif kind == "commitment":
        content["commitments"][rng.randrange(24)] = format_base64(rng.randbytes(32))
    elif kind == "path":
        content["inner_path"][rng.randrange(len(content["inner_path"]))] = format_base64(rng.randbytes(32))
    elif kind == "place":
        content["leaf_index"] = (content["leaf_index"] + rng.randrange(1, 256)) % (
            1 << len(content["inner_path"])
        )
    elif kind == "batch":
        content["batch_index"] = (content["batch_index"] + rng.randrange(1, 6)) % 6
        if rng.random() < 0.5:
            return Proof(
                content["batch_index"], proof.hashes, proof.checkpoint, canonical_json(content)
            ).format()
    elif kind == "entry":
        content["entry"] = format_base64(entry_of(close_batch([], rng.randbytes(32)), proof.index))
    else:
        content["inner_path"] = content["inner_path"][:-1]
    return Proof(proof.index, proof.hashes, proof.checkpoint, canonical_json(content)).format()


def test_every_altered_receipt_is_rejected(logged: Logged) -> None:
    rng = random.Random(7)
    rejected = 0
    for _ in range(1_000):
        receipt = rng.choice(logged.receipts)
        changed = altered(receipt, rng)
        if changed == receipt:
            continue
        with pytest.raises(ProofFailed):
            verify_receipt(changed, POLICY)
        rejected += 1
    assert rejected >= 990


def test_a_receipt_says_nothing_about_closed_fields(logged: Logged) -> None:
    del logged
    rng = random.Random(8)
    decision = next(decisions(20, rng))
    key, record_id, secret = rng.randbytes(32), rng.randbytes(16), rng.randbytes(32)
    values = dict(zip(NAMES, decision.values(rng.randbytes(32)), strict=True))
    record = {name: parse_canonical(value) for name, value in values.items()}
    inner = close_batch([record_leaf(commitments_of(key, record_id, values))], secret)
    receipt = make_receipt(entry_of(inner), 0, record, key, record_id, inner, inner.positions[0], ["outcome"])
    private = [decision.terminal, decision.account, decision.note, key.hex(), record_id.hex(), secret.hex()]
    private.append(hmac.digest(key, b"rec" + record_id, "sha256").hex())
    assert leaks([receipt], texts=private, places=[(decision.lat, decision.lon)]) == []
    binary = Haystack([receipt])
    assert not any(each in binary for each in (key, record_id, secret, record_key(key, record_id)))
    assert field_salt(record_key(key, record_id), "outcome") in binary, (
        "the search finds the salt that is opened"
    )
