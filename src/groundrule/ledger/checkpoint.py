"""Checkpoints: the signed statement of a log about its size and root.

    <origin> LF
    <size, decimal> LF
    <base64 of the 32-byte root> LF
    <extension lines, none of ours>

The log signs with Ed25519 (type 1, over the text) and with ML-DSA-44 (type 6, a cosignature of its own), both under its
origin as name. Nothing else counts as the log: a witness signature of type 4 under the log's name does not.

Source: C2SP tlog-checkpoint.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from groundrule.canon import format_base64, parse_base64, parse_decimal
from groundrule.errors import InputError, ProofFailed
from groundrule.ledger.cosignature import cosign, verify_cosignature
from groundrule.ledger.note import (
    COSIGNATURE_ML_DSA_44,
    ED25519,
    Note,
    NoteSigner,
    Signature,
    VerifierKey,
    check_unambiguous,
    sign_text,
    verify_text,
)
from groundrule.ledger.tree import EMPTY_ROOT, HASH_SIZE

LOG_KEY_TYPES = (ED25519, COSIGNATURE_ML_DSA_44)
MAX_SIZE = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Size and root of a log.

    Attributes:
        origin: name of the log, its URL prefix without scheme and trailing slash.
        size: number of entries, 0 to 2^63 - 1.
        root: 32 bytes; of size 0 it is the hash of nothing.
        extensions: further lines; read, never produced.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lines = (self.origin, *self.extensions)
        if not all(lines) or any(char < " " for line in lines for char in line):
            raise InputError("a checkpoint with an empty line or a control character", help="origin, size and root")
        if not 0 <= self.size <= MAX_SIZE:
            raise InputError(f"a checkpoint of size {self.size}", help="from 0 to 2^63 - 1")
        if len(self.root) != HASH_SIZE:
            raise InputError(f"a root of {len(self.root)} bytes", help=f"a root has {HASH_SIZE}")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise InputError("a checkpoint of size 0 with a root that is not that of the empty tree")

    @classmethod
    def parse(cls, text: bytes) -> Checkpoint:
        """Read the text of a checkpoint's note.

        Raises:
            InputError: fewer than three lines, an empty line, a size with sign, spaces or leading zeros or beyond
                2^63 - 1, or a root that is not canonical base64 of 32 bytes.
        """
        if not text.endswith(b"\n"):
            raise InputError("the text of a checkpoint must end in a line feed")
        try:
            lines = text[:-1].decode().split("\n")
        except UnicodeDecodeError as error:
            raise InputError(f"a checkpoint that is not UTF-8 (byte {error.start})") from None
        if len(lines) < 3:
            raise InputError("a checkpoint with fewer than three lines", help="origin, size and root")
        origin, size, root, *extensions = lines
        return cls(
            origin,
            parse_decimal(size, what="the size of the checkpoint", maximum=MAX_SIZE),
            parse_base64(root, what="the root of the checkpoint"),
            tuple(extensions),
        )

    def format(self) -> bytes:
        """Write the text; `parse` reads it back."""
        lines = (self.origin, str(self.size), format_base64(self.root), *self.extensions)
        return "".join(line + "\n" for line in lines).encode()


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint whose log signatures hold.

    Attributes:
        checkpoint: what the log states.
        note: the note with all signature lines, also those not verified.
        log_keys_verified: keys of this log that signed, at least one.
    """

    checkpoint: Checkpoint
    note: Note
    log_keys_verified: tuple[VerifierKey, ...]


def sign_checkpoint(checkpoint: Checkpoint, signers: Sequence[NoteSigner], *, time_s: int) -> bytes:
    """Sign a checkpoint as the log.

    Args:
        checkpoint: what the log states.
        signers: keys of types 1 and 6 named like the origin.
        time_s: time that the ML-DSA-44 signature states [s since 1970, UTC].
    Returns:
        The note.
    Raises:
        InputError: a key of another name or type.
    """
    text = checkpoint.format()
    return Note(text, tuple(_sign(checkpoint, text, signer, time_s) for signer in signers)).format()


def open_checkpoint(data: bytes, log_keys: Sequence[VerifierKey], *, origin: str | None = None) -> SignedCheckpoint:
    """Open a checkpoint under the keys of the logs that are trusted.

    Args:
        data: the note.
        log_keys: keys trusted, of one or several logs; only types 1 and 6 count.
        origin: the log expected; any log of `log_keys` when None.
    Raises:
        InputError: not a checkpoint, or two keys with one name and id.
        ProofFailed: a signature of a trusted log key is wrong, no key of the origin signed, or another origin.
    """
    check_unambiguous(log_keys)
    note = Note.parse(data)
    checkpoint = Checkpoint.parse(note.text)
    if origin is not None and checkpoint.origin != origin:
        raise ProofFailed(f"the checkpoint is of the log `{checkpoint.origin[:80]}`", help=f"`{origin}` is expected")
    verified = []
    for key in dict.fromkeys(log_keys):
        signatures = note.of(key) if key.type in LOG_KEY_TYPES else ()
        for signature in signatures:
            _verify(note, checkpoint, key, signature)
        if signatures and key.name == checkpoint.origin:
            verified.append(key)
    if not verified:
        raise ProofFailed(
            f"no trusted log key of `{checkpoint.origin[:80]}` signed the checkpoint",
            help="a log signs under its origin; check the vkeys of the logs",
        )
    return SignedCheckpoint(checkpoint, note, tuple(verified))


def _sign(checkpoint: Checkpoint, text: bytes, signer: NoteSigner, time_s: int) -> Signature:
    if signer.name != checkpoint.origin or signer.type not in LOG_KEY_TYPES:
        raise InputError(
            f"the key of `{signer.name}` of type {signer.type} cannot sign as the log `{checkpoint.origin[:80]}`",
            help="keys of a log have its origin as name and type 1 or 6",
        )
    return sign_text(text, signer) if signer.type == ED25519 else cosign(checkpoint, text, signer, time_s)


def _verify(note: Note, checkpoint: Checkpoint, key: VerifierKey, signature: Signature) -> None:
    if key.type == COSIGNATURE_ML_DSA_44:
        verify_cosignature(note, checkpoint, key, signature)
    elif not verify_text(note, key, signature):
        raise ProofFailed(f"the signature of the log `{key.name}` is wrong", key=str(key))
