"""Taking a charter into force: genesis by its own root quorum, afterwards by the quorums of both versions.

The time is fixed once and judged by the caller; every signature covers the same bytes; persons are counted, never keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from groundrule.govern.charter import Charter
from groundrule.govern.refusal import CLOCK_TOLERANCE_NS, refuse
from groundrule.govern.signed import payload_type
from groundrule.signing import open_envelope

CHARTER_TYPE = payload_type("charter")


def read_charter(envelope: Mapping[str, Any]) -> Charter:
    """Read the charter of an envelope, whoever signed it; `check_genesis` or `check_rotation` must follow."""
    payload, _ = open_envelope(envelope, (), CHARTER_TYPE)
    return _read(payload)


@lru_cache(maxsize=16)
def _read(payload: bytes) -> Charter:
    """Read a charter; it is checked before it is logged and again when it is folded."""
    return Charter.parse_bytes(payload)


def signers(charter: Charter, envelope: Mapping[str, Any], kind: str, at_ns: int) -> tuple[bytes, frozenset[str]]:
    """Return the payload of an envelope and the persons whose valid key signed it."""
    payload, keys = open_envelope(envelope, charter.trusted, payload_type(kind))
    return payload, frozenset(who for key in keys if (who := charter.person_of(key, at_ns)) is not None)


def check_genesis(charter: Charter, envelope: Mapping[str, Any], now_ns: int) -> None:
    """Check the first charter.

    Args:
        charter: what `read_charter` returned.
        envelope: with the signatures.
        now_ns: the time, fixed once.
    Raises:
        ConflictError: `charter_version`, `charter_expired`, `charter_from_future`, `charter_other` or `root_quorum`.
    """
    if charter.version != 1:
        raise refuse("charter_version", f"the first charter has version {charter.version}", help="it has version 1")
    _check_time(charter, now_ns)
    _check_root(charter, charter, envelope, now_ns, "its own")


def check_rotation(old: Charter, new: Charter, envelope: Mapping[str, Any], now_ns: int) -> None:
    """Check the successor of a charter; the old one may have expired, which only a rotation can mend.

    Raises:
        ConflictError: as `check_genesis`.
    """
    if new.version != old.version + 1:
        raise refuse(
            "charter_version",
            f"charter version {new.version} cannot follow version {old.version}",
            help=f"the next version is {old.version + 1}",
            found=new.version,
            expected=old.version + 1,
        )
    _check_time(new, now_ns)
    _check_root(old, new, envelope, now_ns, "the old")
    _check_root(new, new, envelope, now_ns, "the new")


def _check_time(charter: Charter, now_ns: int) -> None:
    if charter.expired(now_ns):
        raise refuse("charter_expired", "the charter has expired already", help="sign one with a later `expires`")
    if charter.issued > now_ns + CLOCK_TOLERANCE_NS:
        raise refuse("charter_from_future", "the charter is issued in the future", help="wait, or set the clock right")


def _check_root(judge: Charter, charter: Charter, envelope: Mapping[str, Any], now_ns: int, whose: str) -> None:
    payload, persons = signers(judge, envelope, "charter", now_ns)
    if payload != charter.data:
        raise refuse("charter_other", "the envelope holds another charter than the one that is checked")
    need = judge.change_class("charter")
    role = judge.role(need.role)
    counted = persons & role.parties
    groups = {judge.group_of(party) for party in counted}
    if not role.satisfied_by(counted) or len(counted) < need.min_persons or len(groups) < need.min_groups:
        raise refuse(
            "root_quorum",
            f"{len(counted)} of {whose} root persons signed the charter, {max(need.min_persons, role.minimum)} must",
            help="each signs the same bytes with an own key; two keys of one person are one person",
            counted=len(counted),
        )


