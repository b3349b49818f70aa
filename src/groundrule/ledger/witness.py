"""A witness: cosigns a log's checkpoint only if it extends everything this witness has cosigned before.

    POST add-checkpoint                                     answer
      1 body is `old <n>`, at most 63 hashes, checkpoint    400
      2 origin is one of mine                               404
      3 a trusted key of the log signed it                  403
      4 old <= size                                         400
      5 old is the size I cosigned last                     409 and that size
      6 the proof leads from my root to the new root        422, and the request is kept as evidence
      7 record it durably, then answer                      200 and my cosignature lines

Steps 5 to 7 hold the lock of the origin, and the record is advanced by a check-and-set: whatever happens between them,
a cosignature leaves this module only after the record that forbids its contradiction is durable. The witness therefore
never cosigns two roots of one size, nor a smaller tree after a larger one.

Source: C2SP tlog-witness and tlog-cosignature (commit 5ba5ee83); specification of the ledger, 4.7.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from groundrule.canon import format_base64
from groundrule.errors import ConflictError, InputError, IntegrityError, ProofFailed, StoreError
from groundrule.ledger.checkpoint import Checkpoint, open_checkpoint
from groundrule.ledger.cosignature import cosign, cosignatures
from groundrule.ledger.note import (
    COSIGNATURE_ED25519,
    COSIGNATURE_ML_DSA_44,
    ED25519,
    MAX_NOTE_BYTES,
    Note,
    NoteSigner,
    Signature,
    VerifierKey,
    verify_text,
)
from groundrule.ledger.tree import EMPTY_ROOT, HASH_SIZE, verify_consistency
from groundrule.ledger.witness_store import FileWitnessStore, MemoryWitnessStore, WitnessStore

MAX_PROOF_LINES = 63
"""A tree of 2^63 - 1 leaves needs no more."""
MAX_BODY_BYTES = MAX_NOTE_BYTES + 4_096
"""Largest request: a note of 1 MB, 63 hashes and the first line."""
MAX_ML_DSA_NAME_BYTES = 255
"""The signed message of an ML-DSA-44 cosignature gives names a length of one byte."""
MAX_CLOCK_REGRESSION_S = 60
"""A clock that was stepped back this far keeps the last time; further back, nothing is signed [s]."""
MAX_RACES = 100
"""How often a request is decided anew because another witness on the same store was faster."""
SIZE_TYPE = "text/x.tlog.size"
TEXT_TYPE = "text/plain; charset=utf-8"

__all__ = [
    "AddCheckpoint",
    "FileWitnessStore",
    "Latest",
    "MemoryWitnessStore",
    "Response",
    "Witness",
    "WitnessStore",
    "origin_hash",
    "signature_lines",
]

_OLD_LINE = re.compile(rb"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Response:
    """What one request is answered.

    Args:
        status: HTTP status.
        content_type: of the body.
        body: bytes of the body.
    """

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """Body of an `add-checkpoint` request.

    Args:
        old: size of the checkpoint that the log believes the witness cosigned last.
        proof: consistency proof from `old` to the checkpoint, hashes as sent.
        checkpoint: the signed checkpoint, verbatim.
    """

    old: int
    proof: tuple[bytes, ...]
    checkpoint: bytes

    @classmethod
    def parse(cls, body: bytes) -> AddCheckpoint:
        """Read a request; nothing but the exact form is accepted.

        Raises:
            InputError: not of that form; the message says which line.
        """
        if len(body) > MAX_BODY_BYTES:
            raise InputError(f"the request has {len(body)} bytes", help=f"at most {MAX_BODY_BYTES} are read")
        head, blank, checkpoint = body.partition(b"\n\n")
        if not blank:
            raise InputError("the request has no empty line between proof and checkpoint")
        first, *lines = head.split(b"\n")
        old = _OLD_LINE.fullmatch(first)
        if old is None or int(old[1]) > 2**63 - 1:
            raise InputError("the first line is not `old <size>`", help="write the size in decimal, no leading zeros")
        if len(lines) > MAX_PROOF_LINES:
            raise InputError(f"the proof has {len(lines)} lines", help=f"at most {MAX_PROOF_LINES} are possible")
        proof = tuple(_proof_hash(number, line) for number, line in enumerate(lines, start=2))
        return cls(int(old[1]), proof, checkpoint)

    def format(self) -> bytes:
        """Write the request as it is sent."""
        lines = [b"old %d" % self.old, *(base64.b64encode(item) for item in self.proof)]
        return b"\n".join(lines) + b"\n\n" + self.checkpoint


def _proof_hash(number: int, line: bytes) -> bytes:
    try:
        value = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != HASH_SIZE or base64.b64encode(value) != line:
        raise InputError(f"line {number} is not a hash", help="write 32 bytes in canonical base64", line=number)
    return value


@dataclass(frozen=True, slots=True)
class Latest:
    """What a witness has cosigned last for one log.

    Args:
        size: leaves.
        root: of those leaves.
        time_s: largest time of its own cosignatures on it [POSIX s].
        data: the checkpoint with log signatures and own cosignatures.
    """

    size: int
    root: bytes
    time_s: int
    data: bytes


class Witness:
    """The state machine of one witness; safe to call from many threads.

    Args:
        name: name that its cosignatures carry.
        signers: its keys of type 0x04 or 0x06, at least one, all under `name`.
        log_keys: origin → keys that sign for it (several while a log rotates its key).
        store: where the last cosigned checkpoints lie.
        clock: POSIX time [s].
    Raises:
        InputError: no key, a key of another name or type, no log, a log key of another name.
        IntegrityError: a stored record is damaged or was not made by these keys.
    """

    def __init__(
        self,
        name: str,
        signers: Sequence[NoteSigner],
        log_keys: Mapping[str, Sequence[VerifierKey]],
        store: WitnessStore,
        clock: Callable[[], int],
    ) -> None:
        _check_configuration(name, signers, log_keys)
        self.name = name
        self.keys = tuple(signer.verifier for signer in signers)
        self._signers = tuple(signers)
        self._log_keys = {origin: tuple(keys) for origin, keys in log_keys.items()}
        self._origins = {origin_hash(origin): origin for origin in self._log_keys}
        self._locks = {origin: threading.Lock() for origin in self._log_keys}
        self._store = store
        self._clock = clock
        self._records: dict[str, Latest] = {}
        for origin in self._log_keys:
            self._record(origin)

    @property
    def origins(self) -> tuple[str, ...]:
        """Logs that this witness follows."""
        return tuple(self._log_keys)

    def add_checkpoint(self, body: bytes) -> Response:
        """Answer one `add-checkpoint` request.

        Raises:
            StoreError: the record could not be made durable; no cosignature was given away.
        """
        try:
            request = AddCheckpoint.parse(body)
            text = request.checkpoint[: request.checkpoint.rfind(b"\n\n") + 1]
            origin = _origin_of_false_empty(text)
            checkpoint = None if origin is not None else Checkpoint.parse(text)
        except InputError as error:
            return _text(400, str(error))
        if checkpoint is not None:
            origin = checkpoint.origin
        assert origin is not None
        keys = self._log_keys.get(origin)
        if keys is None:
            return _text(404, "unknown log")
        try:
            note = Note.parse(request.checkpoint)
            if checkpoint is None:
                _require_text_signature(note, keys)
            else:
                open_checkpoint(request.checkpoint, keys, origin=origin)
        except (InputError, ProofFailed) as error:
            # A line that cannot be read is no valid signature either.
            return _text(403, f"invalid signature: {error}")
        size = 0 if checkpoint is None else checkpoint.size
        if request.old > size:
            return _text(400, f"old size {request.old} is larger than the checkpoint's {size}")
        with self._locks[origin]:
            return self._extend(origin, request, body, note, checkpoint)

    def latest(self, origin_hash_hex: str) -> Response:
        """Answer with the checkpoint cosigned last, or 404.

        Args:
            origin_hash_hex: SHA-256 of the origin in lowercase hexadecimal.
        """
        origin = self._origins.get(origin_hash_hex)
        data = None if origin is None else self._store.latest(origin)
        return _text(404, "nothing cosigned for this log") if data is None else Response(200, TEXT_TYPE, data)

    def recorded(self, origin: str) -> Latest | None:
        """Return what was cosigned last for a log of this witness, or None."""
        with self._locks[origin]:
            return self._record(origin)

    def remember(self, data: bytes) -> bool:
        """Move the record forward to a checkpoint that carries this witness's own cosignature.

        After a restore from a backup this brings back what was cosigned since: whatever this witness signed is its
        record, wherever it is found.

        Returns:
            True if the record moved; False if it was already at or beyond that size.
        Raises:
            ProofFailed: the log's signature or every own cosignature fails.
            IntegrityError: this witness has cosigned another root of the same size.
            InputError: not a checkpoint, or of a log that this witness does not follow.
        """
        note = Note.parse(data)
        origin = Checkpoint.parse(note.text).origin
        keys = self._log_keys.get(origin)
        if keys is None:
            raise InputError(f"the log `{origin[:120]}` is not one of this witness", help="name it with --log")
        open_checkpoint(data, keys, origin=origin)
        kept = Note(note.text, _lines_of(note, (*keys, *self.keys))).format()
        new = self._open(origin, kept)
        with self._locks[origin]:
            known = self._record(origin)
            if known is not None and known.size == new.size and known.root != new.root:
                raise IntegrityError(
                    f"this witness has cosigned two roots of `{origin[:120]}` at size {new.size}",
                    help="retire its key, and publish both checkpoints",
                )
            if known is not None and known.size >= new.size:
                return False
            if not self._store.advance(origin, None if known is None else known.data, new.data):
                raise ConflictError(f"the record of `{origin[:120]}` changed meanwhile", help="try again")
            return True

    def _extend(
        self, origin: str, request: AddCheckpoint, body: bytes, note: Note, checkpoint: Checkpoint | None
    ) -> Response:
        """Steps 5 to 7, under the lock of the origin."""
        for _attempt in range(MAX_RACES):
            known = self._record(origin)
            size, root = (0, EMPTY_ROOT) if known is None else (known.size, known.root)
            recorded = None if known is None else known.data
            if request.old != size:
                return Response(409, SIZE_TYPE, b"%d\n" % size)
            if checkpoint is None or (checkpoint.size == size and checkpoint.root != root):
                self._store.keep_evidence(origin, "two-roots", note.text, body, recorded)
                return _text(422, f"another root than the one of size {size}")
            try:
                verify_consistency(size, checkpoint.size, root, checkpoint.root, request.proof)
            except ProofFailed as error:
                self._store.keep_evidence(origin, "not-consistent", note.text, body, recorded)
                return _text(422, f"the consistency proof does not hold: {error}")
            time_s = self._time_s(known)
            if time_s is None:
                return _text(503, "the clock of this witness is behind its last cosignature; its operator must set it")
            own = tuple(cosign(checkpoint, note.text, signer, time_s) for signer in self._signers_of(origin))
            lines = (*_lines_of(note, self._log_keys[origin]), *own)
            new = Latest(checkpoint.size, checkpoint.root, time_s, Note(note.text, lines).format())
            if self._store.advance(origin, recorded, new.data):
                self._records[origin] = new
                return Response(200, TEXT_TYPE, signature_lines(own))
        raise StoreError(
            f"the record of `{origin[:120]}` changes all the time", help="does another witness use the same store?"
        )

    def _time_s(self, known: Latest | None) -> int | None:
        now_s = self._clock()
        if now_s <= 0:
            return None
        if known is None or now_s >= known.time_s:
            return now_s
        return known.time_s if known.time_s - now_s <= MAX_CLOCK_REGRESSION_S else None

    def _signers_of(self, origin: str) -> tuple[NoteSigner, ...]:
        if len(origin.encode()) <= MAX_ML_DSA_NAME_BYTES:
            return self._signers
        return tuple(signer for signer in self._signers if signer.type != COSIGNATURE_ML_DSA_44)

    def _record(self, origin: str) -> Latest | None:
        """Return the record of the store, parsed and verified once per change."""
        data = self._store.latest(origin)
        if data is None:
            return None
        known = self._records.get(origin)
        if known is None or known.data != data:
            known = self._records[origin] = self._open(origin, data)
        return known

    def _open(self, origin: str, data: bytes) -> Latest:
        """Read a checkpoint that this witness cosigned; raises ProofFailed when it did not."""
        try:
            note = Note.parse(data)
            checkpoint = Checkpoint.parse(note.text)
        except InputError as error:
            raise IntegrityError(
                f"the record of `{origin[:120]}` is damaged: {error.message}",
                help="restore the newest copy of the state folder, or retire this witness",
            ) from error
        times, _failed = cosignatures(note, checkpoint, self.keys)
        if checkpoint.origin != origin or not times:
            raise ProofFailed(
                f"the checkpoint of `{origin[:120]}` carries no cosignature of `{self.name}` that verifies",
                help="a record that this witness did not make is not used; restore the newest copy of the state folder",
            )
        return Latest(checkpoint.size, checkpoint.root, max(times.values()), data)


def origin_hash(origin: str) -> str:
    """Return the SHA-256 of an origin in hexadecimal: its name in URLs and folders."""
    return hashlib.sha256(origin.encode()).hexdigest()


def signature_lines(signatures: Iterable[Signature]) -> bytes:
    """Write signature lines alone, without a note above them."""
    return "".join(item.format() + "\n" for item in signatures).encode()


def _origin_of_false_empty(text: bytes) -> str | None:
    """Return the origin of a checkpoint that gives size 0 a root that no empty tree has; None for every other text.

    `Checkpoint` refuses such a text. For a witness it is not malformed: signed by the log, it is evidence (422).
    """
    origin, _, rest = text.partition(b"\n")
    size, _, rest = rest.partition(b"\n")
    root, _, extensions = rest.partition(b"\n")
    if size != b"0" or root == format_base64(EMPTY_ROOT).encode():
        return None
    _proof_hash(3, root)
    # The rest of the form is that of any checkpoint.
    return Checkpoint.parse(b"\n".join((origin, b"1", root, extensions))).origin


def _require_text_signature(note: Note, keys: Sequence[VerifierKey]) -> None:
    lines = [(key, line) for key in keys if key.type == ED25519 for line in note.of(key)]
    if not lines or not all(verify_text(note, key, line) for key, line in lines):
        raise ProofFailed("no trusted key of the log signed the checkpoint")


def _lines_of(note: Note, keys: Iterable[VerifierKey]) -> tuple[Signature, ...]:
    """Return the signature lines that claim to be of these keys; foreign lines are dropped."""
    return tuple(line for key in dict.fromkeys(keys) for line in note.of(key))


def _check_configuration(
    name: str, signers: Sequence[NoteSigner], log_keys: Mapping[str, Sequence[VerifierKey]]
) -> None:
    if not signers:
        raise InputError(
            f"the witness `{name[:120]}` has no key", help="give it an Ed25519 key, an ML-DSA-44 key or both"
        )
    for signer in signers:
        if signer.name != name or signer.type not in (COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44):
            raise InputError(
                f"the key `{signer.name[:120]}` of type {signer.type} is not a cosigning key of `{name[:120]}`",
                help="cosigning keys are of type 4 or 6 and carry the witness's name",
            )
    if not log_keys or not all(log_keys.values()):
        raise InputError("the witness follows no log", help="name at least one log with its verifier key")
    only_ml_dsa = all(signer.type == COSIGNATURE_ML_DSA_44 for signer in signers)
    for origin, keys in log_keys.items():
        for key in keys:
            if key.name != origin or key.type not in (ED25519, COSIGNATURE_ML_DSA_44):
                raise InputError(
                    f"the key `{key.name[:120]}` of type {key.type} does not sign for the log `{origin[:120]}`",
                    help="a log's keys are of type 1 or 6 and carry its origin as name",
                )
        if only_ml_dsa and len(origin.encode()) > MAX_ML_DSA_NAME_BYTES:
            raise InputError(
                f"the origin `{origin[:60]}…` is too long for an ML-DSA-44 cosignature",
                help="give the witness an Ed25519 key as well",
            )


def _text(status: int, reason: str) -> Response:
    return Response(status, TEXT_TYPE, reason.encode() + b"\n")
