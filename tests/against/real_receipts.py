"""Real logs with real receipts: random records, made with Groundrule, witnessed by keys of this process.

Nothing in here is a mock: records are committed, batches closed, entries appended to a log on disk, and the checkpoint is signed
by the log and cosigned by two of three witnesses, one of them with ML-DSA-44.
"""

from __future__ import annotations

import json
import random
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from groundrule.canon import canonical_json
from groundrule.ledger.batch import close_batch, public_body
from groundrule.ledger.checkpoint import Checkpoint
from groundrule.ledger.commitment import commitments_of, record_leaf
from groundrule.ledger.cosignature import cosign
from groundrule.ledger.log import Item, Log
from groundrule.ledger.note import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, ED25519, Note, NoteSigner
from groundrule.ledger.policy import Policy
from groundrule.ledger.proof import Proof
from groundrule.ledger.receipt import make_receipt
from groundrule.signing import SigningKey

ORIGIN = "log.invented.example/receipts"
START_S = 1_790_000_040
"""A whole minute of the year 2026."""
LETTERS = "abcXYZ09 _-\"\\/\n\t\u00e9\u4e2d\u2028\u20ac\ue000\U0001f6f0\x7f\x01"


def key(rng: random.Random, name: str, kind: int) -> NoteSigner:
    algorithm = "ml-dsa-44" if kind == COSIGNATURE_ML_DSA_44 else "ed25519"
    return NoteSigner(name, kind, SigningKey.from_seed(algorithm, rng.randbytes(32)))


def value(rng: random.Random, depth: int = 0) -> Any:
    """Any JSON value without fractions; keys and texts from letters that are hard to sort, escape or encode."""
    kind = rng.randrange(9 if depth < 3 else 6)
    if kind < 2:
        return rng.choice([0, 1, -1, 2**53 - 1, 1 - 2**53, rng.randrange(-(10**9), 10**9)])
    if kind < 5:
        return "".join(rng.choices(LETTERS, k=rng.randrange(12)))
    if kind == 5:
        return rng.choice([None, True, False])
    if kind < 8:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {"".join(rng.choices(LETTERS, k=rng.randrange(1, 5))): value(rng, depth + 1) for _ in range(rng.randrange(4))}


def record(rng: random.Random) -> dict[str, Any]:
    names = {"".join(rng.choices("abcdefgh_0123", k=rng.randrange(1, 12))).lstrip("_0123") or "x" for _ in range(rng.randrange(1, 21))}
    if rng.random() < 0.05:
        names.add("n" * 255)
    return {name: value(rng) for name in sorted(names)[:20]}


@dataclass(frozen=True)
class Receipt:
    """One receipt with what it must show."""

    data: bytes
    opened: dict[str, Any]
    index: int


class Ledger:
    """A log with batches of random records.

    Checkpoints are published after the first, the middle and the last batch; `early` are the receipts of the first one then.

    Args:
        folder: of the log.
        seed: of all keys and records.
        batches: number of records of each batch.
    """

    def __init__(self, folder: Path, seed: int, batches: list[int]) -> None:
        self.rng, self.folder = random.Random(seed), folder
        self.now_s = START_S
        self.signers = [key(self.rng, ORIGIN, ED25519), key(self.rng, ORIGIN, COSIGNATURE_ML_DSA_44)]
        kinds = [COSIGNATURE_ED25519, COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44]
        self.witnesses = [key(self.rng, f"witness{i}.invented.example", kind) for i, kind in enumerate(kinds)]
        named = [(f"w{i}", str(w.verifier), None) for i, w in enumerate(self.witnesses)]
        text = Policy.format_simple([str(signer.verifier) for signer in self.signers], named, 2)
        self.policy = text.encode()
        self.log = Log.create(folder, signers=self.signers, policy=text, clock=lambda: self.now_s * 10**9)
        self.kept: list[Callable[[bytes], Receipt]] = []
        self.checkpoints: list[bytes] = []
        self.early: list[Receipt] = []
        for number, size in enumerate(batches):
            self.batch(number, size)
            if number in (0, len(batches) // 2, len(batches) - 1):
                self.checkpoints.append(self.publish())
            if number == 0:
                self.early = self.receipts()

    def batch(self, number: int, size: int) -> None:
        """Append some other entries and then a batch."""
        self.now_s += 60
        minute = _minute(self.now_s - 60)
        others = [Item("heartbeat", "governance", {"minute": minute})] * (1 + number % 3)
        made = []
        for _ in range(size):
            fields, subject, record_id = record(self.rng), self.rng.randbytes(32), self.rng.randbytes(16)
            committed = commitments_of(subject, record_id, {name: canonical_json(v) for name, v in fields.items()})
            made.append((fields, subject, record_id, record_leaf(committed)))
        inner = close_batch([leaf for *_, leaf in made], self.rng.randbytes(32))
        digests = {"policy_digest": self.rng.randbytes(32).hex(), "evaluator_digest": self.rng.randbytes(32).hex()}
        body = public_body(inner, minute=minute, **digests)
        appended = self.log.append([*others, Item("decision-batch", "decisions.engine-1", body)])
        index, entry = appended.indexes[-1], appended.entries[-1]
        for place, (fields, subject, record_id, _) in zip(inner.positions, made, strict=True):
            names = self.rng.sample(sorted(fields), self.rng.randrange(1, len(fields) + 1))
            data = make_receipt(entry, index, fields, subject, record_id, inner, place, names)
            opened = {name: fields[name] for name in names}

            def receipt(checkpoint: bytes, data: bytes = data, opened: dict[str, Any] = opened, index: int = index) -> Receipt:
                path = tuple(self.log.tree().inclusion_path(index))
                return Receipt(Proof(index, path, checkpoint, data).format(), opened, index)

            self.kept.append(receipt)

    def publish(self) -> bytes:
        return self.log.commit(lambda data, _consistency: self.witnessed(data, self.witnesses[1:])).checkpoint

    def witnessed(self, data: bytes, witnesses: list[NoteSigner]) -> bytes:
        note = Note.parse(data)
        head = Checkpoint.parse(note.text)
        made = [cosign(head, note.text, witness, self.now_s + i) for i, witness in enumerate(witnesses)]
        return Note(note.text, (*note.signatures, *made)).format()

    def receipts(self) -> list[Receipt]:
        return [receipt(self.checkpoints[-1]) for receipt in self.kept]


def _minute(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:00.000Z")


# --- mutations --------------------------------------------------------------------------------------------------------


def with_note_lines(data: bytes, keep: Callable[[str], bool]) -> bytes:
    """Drop signature lines; the rest stays as it is."""
    text, _, tail = data.decode().rpartition("\n\n")
    return (text + "\n\n" + "".join(f"{line}\n" for line in tail.splitlines() if keep(line))).encode()


def one_log_line(data: bytes, long: bool) -> bytes:
    """Keep one of the two signatures of the log, so that every byte of the file matters."""
    return with_note_lines(data, lambda line: ORIGIN not in line or (len(line) > 1000) == long)


def byte_mutations(data: bytes, rng: random.Random, count: int) -> list[tuple[str, bytes]]:
    """Flip, delete, insert and repeat bytes anywhere, and cut the end off."""
    made = []
    for _ in range(count):
        at = rng.randrange(len(data))
        what = rng.randrange(6)
        if what < 3:
            made.append((f"flip at {at}", data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]))
        elif what == 3:
            made.append((f"delete at {at}", data[:at] + data[at + 1 :]))
        elif what == 4:
            extra = rng.choice([b"\n", b" ", b"0", b"A", b"=", bytes([rng.randrange(256)])])
            made.append((f"insert at {at}", data[:at] + extra + data[at:]))
        else:
            made.append((f"cut at {at}", data[:at]))
    return made


def framed(proof: Proof, extra: bytes) -> bytes:
    """Write a proof file around any extra data, also around what `Proof` refuses."""
    lines = ["c2sp.org/tlog-proof@v1", f"extra {b64encode(extra).decode()}", f"index {proof.index}"]
    lines += [b64encode(part).decode() for part in proof.hashes]
    return ("\n".join(lines) + "\n\n").encode() + proof.checkpoint


def field_mutations(data: bytes, other: bytes, rng: random.Random) -> list[tuple[str, bytes]]:
    """Alter the receipt's content, written canonically again, so that only the mathematics can tell."""
    proof = Proof.parse(data)
    assert proof.extra is not None
    made: list[tuple[str, bytes]] = []

    def add(what: str, **changes: Any) -> None:
        changed = {**json.loads(proof.extra or b""), **changes}
        made.append((what, framed(proof, canonical_json(changed))))

    receipt = json.loads(proof.extra)
    fields, commitments, path = receipt["fields"], receipt["commitments"], receipt["inner_path"]
    strange = b64encode(rng.randbytes(32)).decode()
    first = fields[0]
    entry = json.loads(_unb64(receipt["entry"]))

    def entry_with(**changes: Any) -> str:
        return b64encode(canonical_json({**entry, **changes})).decode()

    add("value", fields=[{**first, "value": [first["value"]]}, *fields[1:]])
    add("name", fields=[{**first, "name": first["name"][:200] + "x"}, *fields[1:]])
    add("salt", fields=[{**first, "salt": strange}, *fields[1:]])
    add("salt short", fields=[{**first, "salt": first["salt"][:-4]}, *fields[1:]])
    add("field twice", fields=[first, *fields])
    add("field with another key", fields=[{**first, "note": "x"}, *fields[1:]])
    add("field without salt", fields=[{k: v for k, v in first.items() if k != "salt"}, *fields[1:]])
    add("invented field", fields=[*fields, {"name": "invented", "salt": strange, "value": 1}])
    add("commitments turned", commitments=commitments[::-1])
    add("two commitments swapped", commitments=[commitments[1], commitments[0], *commitments[2:]])
    add("commitment twice", commitments=[commitments[0], *commitments[:-1]])
    add("commitment replaced", commitments=sorted([*commitments[1:], strange], key=_unb64))
    add("23 commitments", commitments=commitments[:-1])
    add("25 commitments", commitments=sorted([*commitments, strange], key=_unb64))
    add("no commitments", commitments=[])
    add("commitments as text", commitments="".join(commitments))
    add("leaf beside", leaf_index=receipt["leaf_index"] ^ 1)
    add("leaf beyond", leaf_index=receipt["leaf_index"] + 2 ** len(path))
    add("leaf negative", leaf_index=-1 - receipt["leaf_index"])
    add("leaf as text", leaf_index=str(receipt["leaf_index"]))
    add("leaf as truth", leaf_index=True)
    add("inner path shorter", inner_path=path[:-1])
    add("inner path longer", inner_path=[*path, strange])
    add("inner path turned", inner_path=path[::-1])
    add("inner path altered", inner_path=[*path[:3], strange, *path[4:]])
    add("no inner path", inner_path=[])
    add("batch before", batch_index=receipt["batch_index"] - 1)
    add("batch after", batch_index=receipt["batch_index"] + 1)
    add("version 2", v=2)
    add("version true", v=True)
    add("another key", w=1)
    add("entry of another batch", entry=json.loads(Proof.parse(other).extra or b"")["entry"])
    add("entry another minute", entry=entry_with(body={**entry["body"], "minute": "2026-01-01T00:00:00.000Z"}))
    add("entry another policy", entry=entry_with(body={**entry["body"], "policy_digest": "0" * 64}))
    add("entry another root", entry=entry_with(body={**entry["body"], "inner_root": strange}))
    add("entry larger bucket", entry=entry_with(body={**entry["body"], "bucket_size": 2 * entry["body"]["bucket_size"]}))
    add("entry another kind", entry=entry_with(kind="heartbeat"))
    add("entry another stream", entry=entry_with(stream="decisions.engine-2"))
    add("entry another seq", entry=entry_with(seq=entry["seq"] + 1))
    add("no entry", entry="")
    for name in receipt:
        without = {k: v for k, v in receipt.items() if k != name}
        made.append((f"without {name}", framed(proof, canonical_json(without))))
    for what, extra in [
        ("spaces", json.dumps(receipt).encode()), ("line end", proof.extra + b"\n"), ("nothing", b""), ("a list", b"[]"),
        ("key twice", proof.extra[:-1] + b',"v":1}'), ("fraction", proof.extra.replace(b'"v":1', b'"v":1.0')),
        ("deep", b"[" * 100_000 + b"]" * 100_000), ("not UTF-8", proof.extra.replace(b'"v"', b'"\xff"')),
        ("lone surrogate", canonical_json({**receipt, "fields": [{**first, "value": "x"}]}).replace(b'"x"', b'"\\ud800"')),
        ("huge integer", proof.extra.replace(b'"v":1', b'"v":' + b"1" * 6000)),
        ("infinity", proof.extra.replace(b'"v":1', b'"v":Infinity')),
    ]:  # fmt: skip
        made.append((f"receipt with {what}", framed(proof, extra)))
    return made


def frame_mutations(data: bytes, older: bytes, rng: random.Random) -> list[tuple[str, bytes]]:
    """Alter the proof and the checkpoint around the receipt."""
    proof = Proof.parse(data)
    index, hashes, head, extra = proof.index, proof.hashes, proof.checkpoint, proof.extra
    size = int(head.split(b"\n")[1])
    made = []

    def add(what: str, changed: bytes) -> None:
        made.append((what, changed))

    def proved(*, at: int = index, path: tuple[bytes, ...] = hashes, checkpoint: bytes = head) -> bytes:
        return Proof(at, path, checkpoint, extra).format()

    for at in (index - 1, index + 1, size, 0 if index else 1):
        if at >= 0:
            add(f"index {at}", proved(at=at))
    add("path shorter", proved(path=hashes[:-1]))
    add("path longer", proved(path=(*hashes, rng.randbytes(32))))
    add("path turned", proved(path=hashes[::-1]))
    add("path altered", proved(path=(*hashes[:-1], rng.randbytes(32))))
    add("no path", proved(path=()))
    add("older checkpoint", proved(checkpoint=older))
    add("size + 1", proved(checkpoint=head.replace(b"\n%d\n" % size, b"\n%d\n" % (size + 1), 1)))
    add("other origin", proved(checkpoint=head.replace(ORIGIN.encode(), b"evil.example/log", 1)))
    add("another header", data.replace(b"@v1", b"@v2", 1))
    add("no extra", Proof(index, hashes, head).format())
    add("CRLF", data.replace(b"\n", b"\r\n"))
    add("no blank line", data.replace(b"\n\n", b"\n", 1))
    add("index with zero", data.replace(b"\nindex ", b"\nindex 0", 1))
    add("one witness", with_note_lines(data, lambda line: "witness1" not in line))
    add("no witness", with_note_lines(data, lambda line: "witness" not in line))
    add("no log signature", with_note_lines(data, lambda line: ORIGIN not in line))
    add("one witness twice", with_note_lines(data, lambda line: "witness2" not in line) + _line(data, "witness1"))
    foreign = key(rng, ORIGIN, ED25519)
    text = data[: data.rindex(b"\n\n")].rpartition(b"\n\n")[2] + b"\n"
    add("signed by another key", with_note_lines(data, lambda line: ORIGIN not in line) + _signature(foreign, foreign.key.sign(text)))
    return made


def neutral_changes(data: bytes, rng: random.Random) -> list[tuple[str, bytes]]:
    """What does not weaken a receipt and must not be refused."""
    stranger = key(rng, "stranger.example", ED25519)
    return [
        ("signature of a stranger", data + _signature(stranger, stranger.key.sign(b"x"))),
        ("identical signature twice", data + _line(data, "witness1")),
        ("one signature of the log", one_log_line(data, long=False)),
        ("the other signature of the log", one_log_line(data, long=True)),
    ]


def _line(data: bytes, name: str) -> bytes:
    return next(line for line in data.splitlines(keepends=True) if name.encode() in line)


def _signature(signer: NoteSigner, blob: bytes) -> bytes:
    made = signer.signature(blob)
    return f"\u2014 {made.name} {b64encode(made.key_id + made.blob).decode()}\n".encode()


def _unb64(text: str) -> bytes:
    return b64decode(text)
