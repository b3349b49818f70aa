"""Cosignatures: a witness, or the log itself, states that it saw a consistent tree at a time.

    blob, both types     u64 time ‖ signature                                      time in seconds since 1970, UTC
    signed by type 4     "cosignature/v1" LF "time <decimal>" LF ‖ whole checkpoint text, extension lines included
    signed by type 6     "subtree/v1" LF NUL ‖ u8 length ‖ cosigner ‖ u64 time ‖ u8 length ‖ origin
                         ‖ u64 start = 0 ‖ u64 end = size ‖ 32-byte root

Type 4 (Ed25519) does not name its cosigner, so every cosigner needs a key of its own. Type 6 (ML-DSA-44) does not cover
extension lines.

Source: C2SP tlog-cosignature.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from groundrule.errors import InputError, ProofFailed
from groundrule.ledger.note import (
    ALGORITHM_OF,
    COSIGNATURE_ED25519,
    COSIGNATURE_ML_DSA_44,
    Note,
    NoteSigner,
    Signature,
    VerifierKey,
)
from groundrule.signing import verify

if TYPE_CHECKING:
    from groundrule.ledger.checkpoint import Checkpoint

COSIGNATURE_TYPES = (COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44)
MAX_TIME_S = 2**63 - 1
_TIME_SIZE = 8


def cosign(checkpoint: Checkpoint, text: bytes, signer: NoteSigner, time_s: int) -> Signature:
    """Make a cosignature line.

    Args:
        checkpoint: what `text` says.
        text: text of the checkpoint's note, extension lines included.
        signer: key of type 4 or 6.
        time_s: time of signing [s since 1970, UTC; 1 to 2^63 - 1].
    Raises:
        InputError: another type of key, a time outside its range, or a name or origin too long for type 6.
    """
    if not 0 < time_s <= MAX_TIME_S:
        raise InputError(f"the time {time_s} of a cosignature", help="seconds since 1970, never zero")
    message = _message(signer.verifier, checkpoint, text, time_s)
    return signer.signature(time_s.to_bytes(_TIME_SIZE, "big") + signer.key.sign(message))


def verify_cosignature(note: Note, checkpoint: Checkpoint, key: VerifierKey, signature: Signature) -> int:
    """Verify one cosignature line.

    Args:
        note: note that carries the checkpoint.
        checkpoint: the checkpoint parsed from its text.
        key: key of type 4 or 6 of the cosigner.
        signature: the line.
    Returns:
        Time of the cosignature [s since 1970, UTC].
    Raises:
        ProofFailed: not a cosignature of this key on this checkpoint, or a time that is zero or beyond 2^63 - 1.
    """
    time_s = int.from_bytes(signature.blob[:_TIME_SIZE], "big")
    if not key.made(signature):
        raise ProofFailed(f"the signature of `{signature.name}` is not of the key of `{key.name}`")
    if not 0 < time_s <= MAX_TIME_S:
        raise ProofFailed(f"the cosignature of `{key.name}` has no valid time")
    try:
        message = _message(key, checkpoint, note.text, time_s)
    except InputError as error:
        raise ProofFailed(f"the cosignature of `{key.name}` cannot be checked: {error.message}") from error
    if not verify(ALGORITHM_OF[key.type], key.public, signature.blob[_TIME_SIZE:], message):
        raise ProofFailed(f"the cosignature of `{key.name}` is wrong", help="it does not cover this checkpoint")
    return time_s


def cosignatures(
    note: Note, checkpoint: Checkpoint, keys: Iterable[VerifierKey]
) -> tuple[dict[VerifierKey, int], tuple[VerifierKey, ...]]:
    """Verify the cosignatures of the keys given; lines of other keys are ignored.

    Args:
        note: note that carries the checkpoint.
        checkpoint: the checkpoint parsed from its text.
        keys: keys of cosigners.
    Returns:
        The time of each key that cosigned [s since 1970, UTC], each key once, the earliest when it cosigned more than
        once; and the keys of which at least one line is wrong.
    """
    times: dict[VerifierKey, int] = {}
    failed: list[VerifierKey] = []
    for key in dict.fromkeys(keys):
        for signature in note.of(key):
            try:
                time_s = verify_cosignature(note, checkpoint, key, signature)
            except ProofFailed:
                if key not in failed:
                    failed.append(key)
            else:
                times[key] = min(time_s, times.get(key, time_s))
    return times, tuple(failed)


def _message(key: VerifierKey, checkpoint: Checkpoint, text: bytes, time_s: int) -> bytes:
    if key.type == COSIGNATURE_ED25519:
        return b"cosignature/v1\ntime %d\n" % time_s + text
    if key.type == COSIGNATURE_ML_DSA_44:
        return b"".join(
            (
                b"subtree/v1\n\x00",
                _short(key.name),
                time_s.to_bytes(8, "big"),
                _short(checkpoint.origin),
                (0).to_bytes(8, "big"),
                checkpoint.size.to_bytes(8, "big"),
                checkpoint.root,
            )
        )
    raise InputError(f"a key of type {key.type} makes no cosignatures", help="types 4 and 6 do")


def _short(name: str) -> bytes:
    data = name.encode()
    if len(data) > 255:
        raise InputError(
            f"the name `{name[:40]}…` has {len(data)} bytes", help="ML-DSA-44 cosignatures take at most 255"
        )
    return bytes((len(data),)) + data
