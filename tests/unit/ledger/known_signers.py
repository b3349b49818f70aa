"""An invented log and its witnesses with fixed keys, for the tests of the formats."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

from groundrule.ledger.checkpoint import Checkpoint, sign_checkpoint
from groundrule.ledger.cosignature import cosign
from groundrule.ledger.note import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, ED25519, Note, NoteSigner
from groundrule.signing import SigningKey

ORIGIN = "log.invented.example/ledger"
ALGORITHM = {ED25519: "ed25519", COSIGNATURE_ED25519: "ed25519", COSIGNATURE_ML_DSA_44: "ml-dsa-44"}


@cache
def signer(name: str, kind: int, seed: str = "") -> NoteSigner:
    material = hashlib.sha256(f"{name}/{kind}/{seed}".encode()).digest()
    return NoteSigner(name, kind, SigningKey.from_seed(ALGORITHM[kind], material))


def log_signers() -> list[NoteSigner]:
    return [signer(ORIGIN, ED25519), signer(ORIGIN, COSIGNATURE_ML_DSA_44)]


def witness(number: int, kind: int = COSIGNATURE_ED25519) -> NoteSigner:
    return signer(f"witness{number}.invented.example", kind)


def checkpoint_of(size: int = 1000, root: bytes | None = None, extensions: tuple[str, ...] = ()) -> Checkpoint:
    return Checkpoint(ORIGIN, size, hashlib.sha256(b"%d" % size).digest() if root is None else root, extensions)


def cosigned(
    checkpoint: Checkpoint,
    witnesses: Sequence[tuple[NoteSigner, int]],
    *,
    signers: Sequence[NoteSigner] | None = None,
    log_time_s: int = 1_000,
) -> bytes:
    """A checkpoint signed by the log and by witnesses at times."""
    note = Note.parse(sign_checkpoint(checkpoint, log_signers() if signers is None else signers, time_s=log_time_s))
    lines = tuple(cosign(checkpoint, note.text, each, time_s) for each, time_s in witnesses)
    return Note(note.text, note.signatures + lines).format()


def outcome(call, *arguments):
    """What a strict reader answers: its result, or the class of the error it may raise."""
    from groundrule.errors import InputError, ProofFailed

    try:
        return call(*arguments)
    except (InputError, ProofFailed) as error:
        return type(error)
