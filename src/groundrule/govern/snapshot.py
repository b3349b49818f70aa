"""Snapshots: the policy as enforcement points load it, signed by persons of role `policy`; which one may be loaded.

An enforcement point trusts one charter and remembers the highest sequence number that it accepted. It takes a snapshot
whose signatures count under that charter, whose number is higher and which has not expired, and refuses every other one
with a reason; what it holds stays. A number is remembered only as long as the keys that vouched for it are trusted: a
charter that takes a key from a person of role `policy` begins the numbers anew, so that whoever stole keys cannot block
later snapshots by a high number. From then on only what was issued under that charter is taken, so that no old snapshot
comes back.

Source: governance specification, sections 4.1, 4.4, 6.3 step 5 and 6.4 step 6; The Update Framework, section 5.3.11.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Annotated, Any, Final

from groundrule.canon import canonical_json
from groundrule.errors import InputError
from groundrule.govern.charter import Charter
from groundrule.govern.objects import Emergency
from groundrule.govern.refusal import CLOCK_TOLERANCE_NS, refuse
from groundrule.govern.rotation import check_rotation, read_charter
from groundrule.govern.signed import (
    NS_PER_HOUR,
    Code,
    Digest,
    Kept,
    Short,
    Signed,
    Time,
    integer,
    many,
    nested,
    payload_type,
    table,
)
from groundrule.signing import open_envelope

SNAPSHOT_TYPE: Final = payload_type("snapshot")
EMERGENCY_TYPE: Final = payload_type("emergency")
REGISTERS: Final = "registers"
"""The object beside those of the policy: what rules see of the registers, so that an enforcement point knows its terminals."""
MAX_LIFE_NS: Final = 31 * 24 * NS_PER_HOUR
"""Longest life of a snapshot: whoever can hold back newer ones can do so for no longer than this unseen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestObject(Signed):
    """One object of a policy, by the digest that names it."""

    id: Short
    type: Code
    sha256: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyManifest(Signed):
    """Every object of a policy, sorted by id; its digest is the policy's."""

    v: Annotated[int, integer(1, 1)]
    objects: Annotated[tuple[ManifestObject, ...], many(nested(ManifestObject), least=1)]

    def check(self) -> None:
        """Refuse objects out of order, which would give the same policy two digests."""
        ids = [each.id for each in self.objects]
        if ids != sorted(set(ids)):
            raise InputError("snapshot: the objects of the manifest are not sorted by id", help="each id once, ascending")

    @property
    def policy_digest(self) -> str:
        """SHA-256 of the manifest [64 hex digits]."""
        return sha256(canonical_json(self.value)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Content(Signed):
    """The bytes behind an object, which travel beside the envelope."""

    sha256: Digest
    size: Annotated[int, integer()]
    media_type: Short

    def holds(self, data: bytes) -> bool:
        """Tell whether these are the bytes."""
        return len(data) == self.size and sha256(data).hexdigest() == self.sha256


@dataclass(frozen=True, kw_only=True)
class Snapshot(Kept):
    """A policy to be loaded.

    Attributes:
        policy_digest: of the manifest.
        manifest: every object in force.
        objects: content of each, by id; maybe also of the registers.
        seq: rises with every snapshot.
        issued, expires: instants [ns]; at most 31 days apart.
        enactment_index: log index of the enactment, or charter, that brought the policy into force.
    """

    policy_digest: Digest
    manifest: Annotated[PolicyManifest, nested(PolicyManifest)]
    objects: Annotated[Mapping[str, Content], table(nested(Content))]
    seq: Annotated[int, integer(1)]
    issued: Time
    expires: Time
    enactment_index: Annotated[int, integer()]

    def check(self) -> None:
        """Refuse what contradicts itself."""
        if self.manifest.policy_digest != self.policy_digest:
            raise InputError("snapshot: the policy digest is not that of the manifest", help="draft it again at the home")
        if self.objects.keys() - {REGISTERS} != {each.id for each in self.manifest.objects}:
            raise InputError("snapshot: contents and manifest name other objects", help="one content for each object")
        if not self.issued < self.expires <= self.issued + MAX_LIFE_NS:
            raise InputError("snapshot: it lives for more than 31 days or not at all", help="`expires` follows within 31 days")


@dataclass(frozen=True, slots=True)
class Trust:
    """What an enforcement point believes before it reads anything.

    Attributes:
        charter: the charter that it trusts.
        seq: number of the last snapshot that it accepted; 0 before the first, and after a reset.
        since_ns: nothing that was issued before is accepted; set by a reset [ns].
        seen_ns: latest time that it has known [ns]; a clock set back makes nothing valid again.
    """

    charter: Charter
    seq: int = 0
    since_ns: int = 0
    seen_ns: int = 0

    def at(self, at_ns: int) -> Trust:
        """Return the trust once it is this late [ns]."""
        return replace(self, seen_ns=max(self.seen_ns, at_ns))


def judge_snapshot(trust: Trust, envelope: Mapping[str, Any], at_ns: int) -> tuple[Snapshot, Trust]:
    """Return the snapshot of an envelope that may be loaded, and the trust after it.

    Args:
        trust: of the enforcement point.
        envelope: DSSE envelope.
        at_ns: the wall clock [ns].
    Raises:
        InputError: not a snapshot.
        ConflictError: `charter_expired`, `snapshot_signers`, `snapshot_from_future`, `snapshot_expired`,
            `snapshot_before_rotation` or `seq_not_higher`.
    """
    now = max(at_ns, trust.seen_ns)
    charter = trust.charter
    payload, keys = open_envelope(envelope, charter.trusted, SNAPSHOT_TYPE)
    snapshot = Snapshot.parse_bytes(payload)
    if charter.expired(now):
        raise refuse("charter_expired", "the charter that is trusted here has expired", help="bring its successor first")
    # A key must have been trusted when it signed and be trusted now: whoever stole one can write any date.
    persons = counted(charter, keys, snapshot.issued) & counted(charter, keys, now)
    need = charter.limits.snapshot_signers
    if len(persons) < need:
        raise refuse(
            "snapshot_signers", f"{len(persons)} of {need} persons of role policy signed it",
            help="two keys of one person are one person; only keys of the charter in force count", counted=len(persons),
        )  # fmt: skip
    if snapshot.issued > now + CLOCK_TOLERANCE_NS:
        raise refuse("snapshot_from_future", "it is issued in the future", help="set the clock right")
    if now >= snapshot.expires:
        raise refuse("snapshot_expired", "it has expired; what is loaded stays loaded", help="ask for a newer one")
    if snapshot.issued < trust.since_ns:
        raise refuse("snapshot_before_rotation", "it was issued before keys were replaced", help="ask for a newer one")
    if snapshot.seq <= trust.seq:
        raise refuse(
            "seq_not_higher", f"its number is {snapshot.seq}, and number {trust.seq} was accepted already",
            help="an older policy is never loaded again", found=snapshot.seq, known=trust.seq,
        )  # fmt: skip
    return snapshot, replace(trust, seq=snapshot.seq, seen_ns=now)


def counted(charter: Charter, keys: frozenset[bytes], at_ns: int) -> frozenset[str]:
    """Return the persons of role `policy` whose keys these are at an instant [ns]; a person counts once."""
    found = {charter.person_of(key, at_ns) for key in keys}
    return frozenset(person for person in found if person is not None) & charter.role("policy").parties


def judge_rotation(trust: Trust, envelope: Mapping[str, Any], at_ns: int) -> Trust:
    """Return the trust under the next version of the charter.

    Raises:
        ConflictError: as `rotation.check_rotation`.
    """
    now = max(at_ns, trust.seen_ns)
    new = read_charter(envelope)
    check_rotation(trust.charter, new, envelope, now)
    if policy_keys(trust.charter, new.issued) <= policy_keys(new, now):
        return replace(trust, charter=new, seen_ns=now)
    return Trust(new, 0, new.issued, now)


def policy_keys(charter: Charter, at_ns: int) -> frozenset[bytes]:
    """Return the keys that count for a snapshot at an instant [ns]."""
    role = charter.role("policy").parties
    return frozenset(
        key.public for member in charter.persons if member.party in role for key in member.keys if key.valid_at(at_ns)
    )


def judge_emergency(trust: Trust, policy_digest: str, envelope: Mapping[str, Any], at_ns: int) -> Emergency:
    """Return the emergency of an envelope that may be loaded beside a snapshot.

    Args:
        trust: of the enforcement point.
        policy_digest: of the snapshot that is loaded; it returns when the emergency is over.
        envelope: signed by both openers.
        at_ns: the wall clock [ns].
    Raises:
        InputError: not an emergency.
        ConflictError: `openers_unsigned`, `openers_not_in_role`, `condition_unknown`, `ttl_too_long`, `clock_stepped`,
            `emergency_over` or `stale_base`.
    """
    now = max(at_ns, trust.seen_ns)
    charter = trust.charter
    payload, keys = open_envelope(envelope, charter.trusted, EMERGENCY_TYPE)
    emergency = Emergency.parse_bytes(payload)
    signed = {charter.person_of(key, emergency.opened_at) for key in keys} & {charter.person_of(key, now) for key in keys}
    openers = set(emergency.openers)
    if not openers <= signed:
        raise refuse("openers_unsigned", f"{len(openers & signed)} of 2 openers signed with a valid key")
    if not charter.role("emergency").satisfied_by(openers):
        raise refuse("openers_not_in_role", "the openers are not two persons of role emergency")
    if emergency.condition not in charter.limits.emergency_conditions:
        raise refuse("condition_unknown", f"`{emergency.condition}` is no condition of the charter")
    if emergency.ttl_s > charter.limits.emergency_ttl_hours * 3600:
        raise refuse("ttl_too_long", f"at most {charter.limits.emergency_ttl_hours} hours")
    if emergency.opened_at > now + CLOCK_TOLERANCE_NS:
        raise refuse("clock_stepped", "the time of opening has not come", help="wait for it, or set the clock right")
    if now - emergency.opened_at >= emergency.ttl_s * 1_000_000_000:
        raise refuse("emergency_over", "its time to live is over")
    if emergency.auto_revert_digest != policy_digest:
        raise refuse("stale_base", "it stands beside another policy than the one that is loaded", help="load its snapshot first")
    return emergency
