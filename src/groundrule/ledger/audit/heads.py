"""What does a signed tree head show under a policy, and what is wrong with it?

A head that fails is still read as far as it can be, so that a check of a whole log goes on and reports every fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from groundrule.errors import InputError, ProofFailed
from groundrule.ledger.checkpoint import Checkpoint
from groundrule.ledger.cosignature import verify_cosignature
from groundrule.ledger.note import ED25519, Note, Signature, VerifierKey
from groundrule.ledger.policy import CheckedCheckpoint, Policy
from groundrule.signing import verify


@dataclass(frozen=True, slots=True)
class Head:
    """One checkpoint as it was found.

    Attributes:
        data: its bytes.
        checkpoint: what its text says, or None if that cannot be read; believe it only if `checked` is not None.
        checked: the result under the policy, or None if the log did not sign it.
        problems: what is wrong, one line each.
        remarks: what is unusual and no fault.
    """

    data: bytes
    checkpoint: Checkpoint | None
    checked: CheckedCheckpoint | None
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def policy_of(policy: Policy | Sequence[VerifierKey]) -> Policy:
    """Take a policy, or keys of a log for which no witness is asked."""
    if isinstance(policy, Policy):
        return policy
    return Policy.parse(Policy.format_simple([str(key) for key in policy], [], None))


def examine(data: bytes, policy: Policy, *, strict: bool = False, quorum: bool = True) -> Head:
    """Check a checkpoint under a policy; whatever fails becomes a problem, nothing is raised.

    Args:
        data: the signed note.
        policy: keys of the log, witnesses and quorum.
        strict: a failing cosignature of a configured witness refuses the whole note.
        quorum: an unmet quorum is a problem.
    """
    problems: list[str] = []
    remarks: list[str] = []
    checked: CheckedCheckpoint | None = None
    try:
        checked = policy.check(data, strict=strict)
    except (InputError, ProofFailed) as error:
        problems.append(error.message)
    checkpoint = checked.checkpoint if checked is not None else _claimed(data)
    if checked is not None:
        bad, unusual = lines_of(checked, policy)
        problems += bad
        remarks += unusual
        if quorum and not checked.quorum_met:
            problems.append(f"the quorum of the policy is not met: {cosigners(checked)}")
    return Head(data, checkpoint, checked, tuple(problems), tuple(remarks))


def lines_of(checked: CheckedCheckpoint, policy: Policy) -> tuple[list[str], list[str]]:
    """Look at every signature line; return what is wrong and what is merely unknown."""
    problems = [f"the cosignature of witness `{name}` does not verify" for name in checked.failed]
    remarks: list[str] = []
    for damaged, line in _unknown_lines(checked, policy):
        (problems if damaged else remarks).append(line)
    return problems, remarks


def cosigners(checked: CheckedCheckpoint) -> str:
    """Say in words who cosigned."""
    return f"cosigned by {', '.join(sorted(checked.times))}" if checked.times else "no configured witness cosigned"


def _claimed(data: bytes) -> Checkpoint | None:
    """What the text says, although nobody vouches for it; for reporting further faults only."""
    try:
        return Checkpoint.parse(Note.parse(data).text)
    except InputError:
        return None


def _unknown_lines(checked: CheckedCheckpoint, policy: Policy) -> Iterator[tuple[bool, str]]:
    """Signature lines of no configured key.

    They are ignored by rule. A line whose signature is that of a configured key, though, and only its name or key id is
    not, was damaged or tampered with.
    """
    keys = [*policy.log_keys, *(witness.key for witness in policy.witnesses.values())]
    known = {(key.name, key.key_id) for key in keys}
    for signature in checked.note.signatures:
        if (signature.name, signature.key_id) in known:
            continue
        owner = next((key for key in keys if _signed_by(key, signature, checked)), None)
        if owner is not None:
            yield True, f"the signature line of `{owner.name}` is damaged: it carries another name or key id"
        else:
            yield False, f"a signature by an unknown key, named `{signature.name}`, was ignored"


def _signed_by(key: VerifierKey, signature: Signature, checked: CheckedCheckpoint) -> bool:
    if _verifies(key, signature.blob, checked):
        return True
    if signature.name != key.name:
        return False
    # The sixth character of the line's base64 holds the end of the key id and the first four bits of the signature: where
    # it was changed, neither is what it was, and sixteen beginnings are to be tried.
    first, rest = signature.blob[0], signature.blob[1:]
    return any(_verifies(key, bytes([first & 0x0F | top << 4]) + rest, checked) for top in range(16))


def _verifies(key: VerifierKey, blob: bytes, checked: CheckedCheckpoint) -> bool:
    if key.type == ED25519:
        return verify("ed25519", key.public, blob, checked.note.text)
    try:
        verify_cosignature(checked.note, checked.checkpoint, key, Signature(key.name, key.key_id, blob))
    except (InputError, ProofFailed):
        return False
    return True
