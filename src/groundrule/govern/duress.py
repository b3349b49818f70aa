"""A silent sign that somebody signed under duress, in a number that every approval has anyway.

    code    HMAC-SHA256(seed of the signing key, "groundrule/duress/v1" NUL passphrase)      32 bytes, one per passphrase
    nonce   HMAC-SHA256(code, context), first 16 bytes                                       the nonce of approval or batch

A key file opens with two passphrases: the ordinary one, and one for duress that role review was told of by its code, in person
and beforehand. Both give a nonce of the same form by the same steps from the same files, so whoever stands beside, types the
passphrase, holds the machine or reads the log cannot tell which one was used. Without the code a nonce is indistinguishable
from random; the code of the ordinary passphrase is given to nobody.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from groundrule.errors import InputError
from groundrule.govern.signed import format_time

if TYPE_CHECKING:
    from groundrule.govern.state import State

CODE_BYTES: Final = 32
_DOMAIN: Final = b"groundrule/duress/v1\x00"
_NONCE_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class Sign:
    """A signature that was given under duress.

    Attributes:
        person: party of the approver, or name of the submitting body.
        what: digest of the proposal.
        index: entry of the log.
    """

    person: str
    what: str
    index: int


def code_of(seed: bytes, passphrase: bytes) -> bytes:
    """Return the code of a passphrase [32 bytes]; without the key's seed nobody can try passphrases against a nonce."""
    return hmac.digest(seed, _DOMAIN + passphrase, "sha256")


def nonce_of(code: bytes, *context: str) -> str:
    """Return the nonce of a signature [32 hex digits].

    Args:
        code: 32 bytes, from `code_of`.
        context: what the signature is about and when, as it is signed: no context twice, or one nonce would come twice.
    """
    if len(code) != CODE_BYTES:
        raise InputError(f"a duress code of {len(code)} bytes", help=f"it has {CODE_BYTES}")
    text = "\x00".join(context)
    return hmac.new(code, sha256(text.encode()).digest(), "sha256").hexdigest()[:_NONCE_DIGITS]


def approvals_under_duress(state: State, codes: Mapping[str, bytes]) -> list[Sign]:
    """Return the approvals whose nonce says so, in the order of the log.

    Args:
        codes: of the duress passphrases, by party.
    """
    found = []
    for proposal_id, logged in state.approvals.items():
        for each in logged:
            code = codes.get(each.approval.person)
            if code is None:
                continue
            wanted = nonce_of(code, proposal_id, format_time(each.approval.signed_at))
            if hmac.compare_digest(wanted, each.approval.nonce):
                found.append(Sign(each.approval.person, proposal_id, each.index))
    return sorted(found, key=lambda each: each.index)
