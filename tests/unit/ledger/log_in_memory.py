"""A log in memory that signs checkpoints of any size and proves between them, and a witness of it; names are invented."""

from __future__ import annotations

from functools import cache

from groundrule.ledger.checkpoint import Checkpoint, sign_checkpoint
from groundrule.ledger.note import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, ED25519, NoteSigner, VerifierKey
from groundrule.ledger.tree import consistency_path, leaf_hashes, root_of
from groundrule.ledger.witness import AddCheckpoint, MemoryWitnessStore, Witness, WitnessStore
from groundrule.signing import SigningKey

ORIGIN = "log.invented.example/decisions"
NAME = "witness.invented.example/w1"
NOW_S = 1_900_000_000
SIGNERS = (
    NoteSigner(NAME, COSIGNATURE_ED25519, SigningKey.from_seed("ed25519", b"\x07" * 32)),
    NoteSigner(NAME, COSIGNATURE_ML_DSA_44, SigningKey.from_seed("ml-dsa-44", b"\x08" * 32)),
)


class MemoryLog:
    """A log of leaves `<name>/<i>`; logs of other names share the key and disagree about history."""

    def __init__(self, name: str = "true", origin: str = ORIGIN, *, seed: int = 1) -> None:
        self.origin = origin
        self.signers = [
            NoteSigner(origin, ED25519, SigningKey.from_seed("ed25519", bytes([seed]) * 32)),
            NoteSigner(origin, COSIGNATURE_ML_DSA_44, SigningKey.from_seed("ml-dsa-44", bytes([seed]) * 32)),
        ]
        self.keys: list[VerifierKey] = [signer.verifier for signer in self.signers]
        self._leaves = leaf_hashes(f"{name}/{index}".encode() for index in range(300))
        self.checkpoint = cache(self._checkpoint)

    def root(self, size: int) -> bytes:
        return root_of(self._leaves[:size])

    def _checkpoint(self, size: int) -> bytes:
        return sign_checkpoint(Checkpoint(self.origin, size, self.root(size)), self.signers, time_s=1_800_000_000)

    def hash(self, level: int, index: int) -> bytes:
        return root_of(self._leaves[index << level : (index + 1) << level])

    def proof(self, old: int, new: int) -> list[bytes]:
        return [] if old in (0, new) else consistency_path(old, new, self.hash)

    def request(self, old: int, new: int, proof: list[bytes] | None = None) -> bytes:
        return AddCheckpoint(
            old, tuple(self.proof(old, new) if proof is None else proof), self.checkpoint(new)
        ).format()


LOG = MemoryLog()


class Clock:
    def __init__(self, now_s: int = NOW_S) -> None:
        self.now_s = now_s

    def __call__(self) -> int:
        return self.now_s


def new_witness(store: WitnessStore | None = None, clock: Clock | None = None, log: MemoryLog = LOG) -> Witness:
    return Witness(NAME, SIGNERS, {log.origin: log.keys}, store or MemoryWitnessStore(), clock or Clock())
