"""The bootstrap policy: what an enforcement point decides by before it has ever had a snapshot, and when all are damaged.

It holds the denials for want of landing rights and the service of protected terminals, and nothing else. It is signed like
a snapshot, comes with the installation, and counts as number 0. It lives long, because it is for the time when nothing newer
can come; once it is accepted it stays in use until another replaces it.

Source: reliability specification, sections 3.1 (number 0), 3.3 and 5.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from groundrule.errors import InputError
from groundrule.govern.refusal import CLOCK_TOLERANCE_NS, refuse
from groundrule.govern.signed import NS_PER_HOUR, Digest, Kept, Time, integer, nested, payload_type, table
from groundrule.govern.snapshot import Content, PolicyManifest, Trust, counted
from groundrule.signing import open_envelope

BOOTSTRAP_TYPE: Final = payload_type("bootstrap")
MAX_LIFE_NS: Final = 3660 * 24 * NS_PER_HOUR
"""Longest time in which a bootstrap policy can be installed [ns]."""


@dataclass(frozen=True, kw_only=True)
class Bootstrap(Kept):
    """A bootstrap policy to be installed.

    Attributes:
        policy_digest: of the manifest.
        manifest: rulebook and areas.
        objects: content of each, by id.
        of_policy: digest of the policy that it was drawn from.
        issued, expires: instants [ns].
    """

    v: Annotated[int, integer(1, 1)]
    policy_digest: Digest
    manifest: Annotated[PolicyManifest, nested(PolicyManifest)]
    objects: Annotated[Mapping[str, Content], table(nested(Content))]
    of_policy: Digest
    issued: Time
    expires: Time

    seq = 0
    """Its number among snapshots."""

    def check(self) -> None:
        """Refuse what contradicts itself."""
        if self.manifest.policy_digest != self.policy_digest:
            raise InputError("bootstrap: the policy digest is not that of the manifest", help="draft it again at the home")
        if self.objects.keys() != {each.id for each in self.manifest.objects}:
            raise InputError("bootstrap: contents and manifest name other objects", help="one content for each object")
        if not self.issued < self.expires <= self.issued + MAX_LIFE_NS:
            raise InputError("bootstrap: it lives for more than 3,660 days or not at all", help="`expires` follows within ten years")


def judge_bootstrap(trust: Trust, envelope: Mapping[str, Any], at_ns: int) -> Bootstrap:
    """Return the bootstrap policy of an envelope that may be installed.

    Args:
        trust: of the enforcement point.
        envelope: DSSE envelope.
        at_ns: the wall clock [ns].
    Raises:
        InputError: not a bootstrap policy.
        ConflictError: `charter_expired`, `snapshot_signers`, `snapshot_from_future`, `snapshot_expired` or
            `snapshot_before_rotation`.
    """
    now = max(at_ns, trust.seen_ns)
    charter = trust.charter
    payload, keys = open_envelope(envelope, charter.trusted, BOOTSTRAP_TYPE)
    made = Bootstrap.parse_bytes(payload)
    if charter.expired(now):
        raise refuse("charter_expired", "the charter that is trusted here has expired", help="bring its successor first")
    persons, need = counted(charter, keys, made.issued) & counted(charter, keys, now), charter.limits.snapshot_signers
    if len(persons) < need:
        raise refuse("snapshot_signers", f"{len(persons)} of {need} persons of role policy signed the bootstrap policy")
    if made.issued > now + CLOCK_TOLERANCE_NS:
        raise refuse("snapshot_from_future", "the bootstrap policy is issued in the future", help="set the clock right")
    if now >= made.expires:
        raise refuse("snapshot_expired", "the bootstrap policy has expired; what is installed stays", help="ask for a newer one")
    if made.issued < trust.since_ns:
        raise refuse("snapshot_before_rotation", "the bootstrap policy was issued before keys were replaced", help="ask for a newer one")
    return made
