"""Proof files: everything needed to verify offline that an entry is in a witnessed log.

    c2sp.org/tlog-proof@v1
    extra <base64>                 optional; not authenticated
    index <decimal>
    <base64 of a 32-byte hash>     from the leaf's sibling upwards, at most 63
    <empty line>
    <the checkpoint, verbatim>

Source: C2SP tlog-proof.md; RFC 9162 section 2.1.3.2.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from groundrule.canon import format_base64, parse_base64, parse_decimal
from groundrule.errors import InputError
from groundrule.ledger.policy import CheckedCheckpoint, Policy
from groundrule.ledger.tree import HASH_SIZE, verify_inclusion

HEADER = "c2sp.org/tlog-proof@v1"
MAX_HASHES = 63
MAX_PROOF_BYTES = 4_000_000
"""Largest proof file: a note of 1 MB, the hashes, and receipts in `extra`."""
MAX_INDEX = 2**63 - 1
_EXTRA, _INDEX = "extra ", "index "


@dataclass(frozen=True, slots=True)
class Proof:
    """That an entry is at an index of a log.

    Attributes:
        index: position of the entry, from 0.
        hashes: inclusion proof, from the leaf's sibling upwards.
        checkpoint: the note of the checkpoint, as it was published.
        extra: data of the application; not covered by any signature.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes = field(repr=False)
    extra: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.index <= MAX_INDEX:
            raise InputError(f"the index {self.index} of a proof", help="from 0 to 2^63 - 1")
        if len(self.hashes) > MAX_HASHES:
            raise InputError(f"a proof of {len(self.hashes)} hashes", help=f"at most {MAX_HASHES}")
        if any(len(node) != HASH_SIZE for node in self.hashes):
            raise InputError("a proof with a hash of another length", help=f"a hash has {HASH_SIZE} bytes")
        if self.extra == b"":
            raise InputError("a proof with empty extra data", help="leave the line out")

    @classmethod
    def parse(cls, data: bytes) -> Proof:
        """Read a proof file; the checkpoint inside is read when the proof is verified.

        Raises:
            InputError: another form, more than 63 hashes, or numbers and base64 that are not canonical.
        """
        if len(data) > MAX_PROOF_BYTES:
            raise InputError(f"a proof of {len(data)} bytes", help=f"at most {MAX_PROOF_BYTES} are accepted")
        head, separator, checkpoint = data.partition(b"\n\n")
        if not separator:
            raise InputError("a proof without an empty line", help="an empty line separates proof and checkpoint")
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError as error:
            raise InputError(f"a proof with the octet 0x{data[error.start]:02x} above the checkpoint") from None
        if lines.pop(0) != HEADER:
            raise InputError("not a proof of a transparency log", help=f"the first line is {HEADER}")
        extra = None
        if lines and lines[0].startswith(_EXTRA):
            extra = parse_base64(lines.pop(0)[len(_EXTRA) :], what="the extra data of the proof")
        if not lines or not lines[0].startswith(_INDEX):
            raise InputError("a proof without an index", help="`index <decimal>` follows the first line or `extra`")
        index = parse_decimal(lines.pop(0)[len(_INDEX) :], what="the index of the proof", maximum=MAX_INDEX)
        if len(lines) > MAX_HASHES:
            raise InputError(f"a proof of {len(lines)} hashes", help=f"at most {MAX_HASHES}")
        return cls(index, tuple(parse_base64(line, what="a hash of the proof") for line in lines), checkpoint, extra)

    def format(self) -> bytes:
        """Write the proof file; `parse` reads it back."""
        lines = [HEADER]
        if self.extra is not None:
            lines.append(_EXTRA + format_base64(self.extra))
        lines.append(f"{_INDEX}{self.index}")
        lines.extend(map(format_base64, self.hashes))
        return "".join(line + "\n" for line in lines).encode() + b"\n" + self.checkpoint

    def verify(self, leaf_hash: bytes, policy: Policy, *, strict: bool = False) -> CheckedCheckpoint:
        """Verify that the entry is in a log of the policy, under a checkpoint that its quorum of witnesses saw.

        Args:
            leaf_hash: `tree.leaf_hash` of the entry.
            policy: whom to trust.
            strict: refuse wrong cosignatures of trusted witnesses even when others make the quorum.
        Returns:
            The checkpoint with the times of its cosignatures.
        Raises:
            InputError: the checkpoint inside is malformed.
            ProofFailed: log signature, quorum or inclusion does not hold.
        """
        checked = policy.require(self.checkpoint, strict=strict)
        verify_inclusion(self.index, checked.checkpoint.size, leaf_hash, self.hashes, checked.checkpoint.root)
        return checked
