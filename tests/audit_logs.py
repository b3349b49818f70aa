"""Small logs for auditors: whole ones, and whatever somebody who holds some of the keys could make of them.

Everything is in memory: a log is a dict from path to bytes. Names and keys are invented and follow from fixed seeds.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from groundrule.canon import canonical_json
from groundrule.ledger.checkpoint import Checkpoint, sign_checkpoint
from groundrule.ledger.cosignature import cosign
from groundrule.ledger.entry import Entry, format_time
from groundrule.ledger.note import Note, NoteSigner
from groundrule.ledger.policy import Policy
from groundrule.ledger.tiles import TileBuilder, TileTree, encode_bundle, resources
from groundrule.ledger.tree import leaf_hashes, root_of
from groundrule.signing import SigningKey

ORIGIN = "log.example.org/invented"
START_S = 1_780_000_020
"""Time of the first entry [s]; the start of a minute."""
POLICY_DIGEST = sha256(b"policy 1 (invented)").hexdigest()
EVALUATOR_DIGEST = sha256(b"engine (invented)").hexdigest()


def key(algorithm: str, name: str) -> SigningKey:
    return SigningKey.from_seed(algorithm, sha256(name.encode()).digest())


LOG_SIGNERS = (
    NoteSigner(ORIGIN, 1, key("ed25519", "log")),
    NoteSigner(ORIGIN, 6, key("ml-dsa-44", "log")),
)
WITNESSES = (
    NoteSigner("witness.example.net/one", 4, key("ed25519", "one")),
    NoteSigner("witness.example.com/two", 4, key("ed25519", "two")),
    NoteSigner("witness.example.org/three", 6, key("ml-dsa-44", "three")),
)
POLICY_TEXT = Policy.format_simple(
    [str(signer.verifier) for signer in LOG_SIGNERS],
    [(f"W{i}", str(signer.verifier), None) for i, signer in enumerate(WITNESSES)],
    2,
)
POLICY = Policy.parse(POLICY_TEXT)


def at(second: int) -> str:
    return format_time((START_S + second) * 1_000_000_000)


def batch_body(minute: int, policy_digest: str = POLICY_DIGEST, inner_root: bytes | None = None) -> dict[str, Any]:
    root = sha256(b"batch %d" % minute).digest() if inner_root is None else inner_root
    return {
        "minute": at(60 * minute),
        "policy_digest": policy_digest,
        "inner_root": b64encode(root).decode(),
        "bucket_size": 256,
        "evaluator_digest": EVALUATOR_DIGEST,
    }


class Story:
    """Entries that number themselves."""

    def __init__(self) -> None:
        self.entries: list[bytes] = []
        self._next: dict[str, int] = {}

    def tell(self, kind: str, stream: str, second: int, body: dict[str, Any]) -> int:
        """Add an entry; returns its index."""
        seq = self._next.get(stream, 0)
        self._next[stream] = seq + 1
        self.entries.append(Entry(kind, stream, seq, at(second), body).encode())
        return len(self.entries) - 1

    def enact(self, second: int, digest: str = POLICY_DIGEST, **more: Any) -> int:
        return self.tell("enactment", "governance", second, {"policy_digest_after": digest, **more})

    def batch(self, minute: int, digest: str = POLICY_DIGEST, inner_root: bytes | None = None) -> int:
        return self.tell("decision-batch", "decisions.main", 60 * minute + 60, batch_body(minute, digest, inner_root))

    def batches(self, first: int, end: int) -> Story:
        for minute in range(first, end):
            self.batch(minute)
        return self


def ordinary_story(entries: int) -> Story:
    """An enactment, and then one batch a minute."""
    story = Story()
    story.enact(0)
    return story.batches(0, entries - 1)


def head(
    entries: Sequence[bytes],
    *,
    time_s: int | None = None,
    witnesses: Iterable[int] = (0, 1, 2),
    signers: Sequence[NoteSigner] = LOG_SIGNERS,
) -> bytes:
    """Sign and cosign the tree of these entries; `time_s` defaults to a minute a entry after the start."""
    when = START_S + 60 * len(entries) if time_s is None else time_s
    checkpoint = Checkpoint(signers[0].name, len(entries), root_of(leaf_hashes(entries)))
    return cosigned(sign_checkpoint(checkpoint, signers, time_s=when), witnesses, when)


def cosigned(data: bytes, witnesses: Iterable[int], time_s: int) -> bytes:
    note = Note.parse(data)
    checkpoint = Checkpoint.parse(note.text)
    lines = tuple(cosign(checkpoint, note.text, WITNESSES[i], time_s + i) for i in witnesses)
    return Note(note.text, note.signatures + lines).format()


def tiles(entries: Sequence[bytes]) -> dict[str, bytes]:
    """Every bundle and tile of exactly these entries."""
    files = {str(path): data for path, data in TileBuilder().extend(leaf_hashes(entries))}
    for path in resources(len(entries)):
        if path.level is None:
            files[str(path)] = encode_bundle(entries[path.index * 256 : path.index * 256 + path.width])
    return files


def log_files(entries: Sequence[bytes], **how: Any) -> dict[str, bytes]:
    """A published log; arguments as for `head`."""
    return {"checkpoint": head(entries, **how), **tiles(entries)}


def state_file(entries: Sequence[bytes]) -> bytes:
    """The writer's own note of size and root."""
    root = b64encode(root_of(leaf_hashes(entries))).decode()
    return canonical_json({"root": root, "size": len(entries)}) + b"\n"


def reader(files: dict[str, bytes]) -> Any:
    def read(path: str) -> bytes:
        try:
            return files[path]
        except KeyError:
            raise FileNotFoundError(2, "no such file", path) from None

    return read


def tree(entries: Sequence[bytes]) -> TileTree:
    return TileTree(reader(tiles(entries)), len(entries))


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def flip(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def tree_of(files: dict[str, bytes], size: int) -> TileTree:
    """The tree that these files hold."""
    return TileTree(reader(files), size)
