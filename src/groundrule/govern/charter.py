"""The charter: persons, their keys, who may do what together, and the limits. Root of every authority.

Version 1 is signed by its own root quorum and names the policy that it takes over; version N + 1 is signed by the root
quorum of N and by that of N + 1 over the same bytes (`rotation`). Bounds and floors are in code, so that no quorum can
vote them away.

Source: the root of The Update Framework, specification sections 5.3 and 6.1; governance specification sections 4.2 and 5.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Annotated, Any, Final

from groundrule.canon import parse_base64
from groundrule.errors import InputError
from groundrule.govern.expression import RoleExpression
from groundrule.govern.signed import (
    NS_PER_HOUR,
    Code,
    Codec,
    DigestOrNone,
    Kept,
    Person,
    Short,
    Signed,
    Time,
    TimeOrNone,
    identifier,
    integer,
    many,
    matching,
    nested,
    one_of,
    table,
    text,
)
from groundrule.signing import ED25519, check_public_key

ROLES: Final = ("root", "policy", "critical", "emergency", "review", "registrar")
CLASSES: Final = ("routine", "sensitive", "critical", "charter", "disclosure")
ROLE_OF_CLASS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "routine": ("policy", "critical", "root"),
        "sensitive": ("policy", "critical", "root"),
        "critical": ("critical", "root"),
        "charter": ("root",),
        "disclosure": ("review",),
    }
)
"""Which roles may decide a class."""
MAX_LIFE_NS: Final = 365 * 24 * NS_PER_HOUR
DEFAULT_CONDITIONS: Final = (
    "danger_to_life",
    "hostile_use_confirmed",
    "wrong_denial_by_fault",
    "court_order_immediate",
    "interference_area_wide",
)


@dataclass(frozen=True, slots=True)
class Floor:
    """What no charter may go below: persons, independence groups, hours of notice."""

    persons: int
    groups: int
    notice_hours: int


FLOORS: Final[Mapping[str, Floor]] = MappingProxyType(
    {
        "routine": Floor(2, 1, 0),
        "sensitive": Floor(3, 2, 0),
        "critical": Floor(3, 2, 24),
        "charter": Floor(3, 1, 0),
        "disclosure": Floor(2, 1, 0),
    }
)
ROLE_FLOORS: Final[Mapping[str, int]] = MappingProxyType(
    {"root": 3, "policy": 2, "critical": 3, "emergency": 2, "review": 2}
)
"""Fewest persons that may satisfy a role; `registrar` persons act singly."""


def _expression() -> Codec[RoleExpression]:
    def read(value: Any, where: str) -> RoleExpression:
        try:
            return RoleExpression.parse(text().read(value, where))
        except InputError as error:
            raise InputError(f"{where}: {error.message}", help=error.help, field=where) from None

    return Codec(read, lambda expression: expression.text)


@lru_cache(maxsize=4096)
def parse_vkey(vkey: str) -> tuple[str, bytes]:
    """Read `<name>+<key id>+<base64(0x01 ‖ public key)>`.

    Returns:
        The name and the public key [32 bytes].
    Raises:
        InputError: another form or type, a key id of another key, or a key that must not be trusted.
    """
    name, _, rest = vkey.partition("+")
    hex_id, _, encoded = rest.partition("+")
    blob = parse_base64(encoded, what="a vkey") if encoded else b""
    if not name or any(char.isspace() or char < " " for char in name) or len(blob) != 33 or blob[0] != 1:
        raise InputError(f"`{vkey[:80]}` is no vkey of an Ed25519 key", help="the line in FILE.pub of `groundrule key new`")
    if hex_id != sha256(name.encode() + b"\n" + blob).hexdigest()[:8]:
        raise InputError(f"the key id of `{name[:60]}` belongs to another key", help="copy the whole vkey again")
    check_public_key(ED25519, blob[1:])
    return name, blob[1:]


def _vkey() -> Codec[str]:
    def read(value: Any, where: str) -> str:
        try:
            parse_vkey(text(400).read(value, where))
        except InputError as error:
            raise InputError(f"{where}: {error.message}", help=error.help, field=where) from None
        return str(value)

    return Codec(read, str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key(Signed):
    """A key of a person, trusted in the half-open interval from `from_` to `to`."""

    vkey: Annotated[str, _vkey()]
    from_: Time
    to: TimeOrNone
    custody: Annotated[str, one_of("token", "hsm", "software")]

    def check(self) -> None:
        """Refuse an empty interval."""
        if self.to is not None and self.to <= self.from_:
            raise InputError("a key that is never valid", help="`to` is after `from`")

    @property
    def public(self) -> bytes:
        """The public key [32 bytes]."""
        return parse_vkey(self.vkey)[1]

    def valid_at(self, at_ns: int) -> bool:
        """Tell whether the key is trusted at an instant [ns]."""
        return self.from_ <= at_ns and (self.to is None or at_ns < self.to)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member(Signed):
    """A natural person with keys, and on whom that person depends."""

    party: Person
    keys: Annotated[tuple[Key, ...], many(nested(Key), least=1, most=16)]
    org_unit: Short
    independence_group: Code


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered(Signed):
    """Somebody whose contacts are registered, and why."""

    party: Person
    as_: Annotated[str, one_of("owner", "executive", "role", "instructor")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeClass(Signed):
    """How many of whom decide a class of change.

    Attributes:
        role: whose expression must be satisfied.
        min_persons, of_persons: fewest approvers, and fewest members that the role must have.
        min_groups: fewest independence groups among the approvers.
        notice_hours: shortest time between logging and enactment.
    """

    role: Annotated[str, one_of("root", "policy", "critical", "review")]
    min_persons: Annotated[int, integer(1, 100)]
    of_persons: Annotated[int, integer(2, 100)]
    min_groups: Annotated[int, integer(1, 100)]
    notice_hours: Annotated[int, integer(0, 24 * 90)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(Signed):
    """Lifetimes and clocks; the codecs hold the bounds."""

    emergency_ttl_hours: Annotated[int, integer(1, 24)]
    emergency_renewals: Annotated[int, integer(0, 1)]
    review_hours: Annotated[int, integer(1, 72)]
    screening_hours: Annotated[int, integer(1, 24)]
    seal_days: Annotated[int, integer(1, 180)]
    seal_extensions: Annotated[int, integer(0, 1)]
    conflict_months: Annotated[int, integer(24, 600)]
    approval_ttl_hours: Annotated[int, integer(1, 24 * 30)]
    proposal_ttl_days: Annotated[int, integer(1, 90)]
    request_days: Annotated[int, integer(1, 365)]
    contact_hours: Annotated[int, integer(1, 24)]
    emergency_conditions: Annotated[
        tuple[str, ...], many(matching(re.compile(r"[a-z][a-z0-9_]{0,63}"), "a code"), least=1, most=100)
    ]
    large_change_terminals: Annotated[int, integer(1, 100)]
    snapshot_signers: Annotated[int, integer(2, 100)]


DEFAULT_LIMITS: Final = Limits(
    emergency_ttl_hours=24,
    emergency_renewals=1,
    review_hours=72,
    screening_hours=24,
    seal_days=180,
    seal_extensions=1,
    conflict_months=24,
    approval_ttl_hours=72,
    proposal_ttl_days=14,
    request_days=30,
    contact_hours=24,
    emergency_conditions=DEFAULT_CONDITIONS,
    large_change_terminals=100,
    snapshot_signers=2,
)
DEFAULT_CLASSES: Final[Mapping[str, ChangeClass]] = MappingProxyType(
    {
        name: ChangeClass(role=role, min_persons=need, of_persons=of, min_groups=groups, notice_hours=hours)
        for name, role, need, of, groups, hours in (
            ("routine", "policy", 2, 5, 1, 0),
            ("sensitive", "policy", 3, 5, 2, 0),
            ("critical", "critical", 4, 7, 3, 24),
            ("charter", "root", 4, 7, 1, 0),
            ("disclosure", "review", 3, 5, 1, 0),
        )
    }
)


@dataclass(frozen=True, kw_only=True)  # without slots: what is asked often is kept on the object
class Charter(Kept):
    """A checked charter; `parse` refuses one that goes beyond a bound or below a floor.

    Attributes:
        version: 1 for genesis, then rising by 1.
        issued, expires: instants [ns]; at most 365 days apart.
        policy_digest: the policy in force when governance begins; version 1 only, null afterwards.
        persons: everyone with keys.
        roles: expression by role.
        substitutes: by role, who steps in, in order.
        change_classes: by class.
        limits: lifetimes and clocks.
        covered_persons: owners, executives and everyone with the power to instruct on service.
    """

    version: Annotated[int, integer(1)]
    issued: Time
    expires: Time
    policy_digest: DigestOrNone
    persons: Annotated[tuple[Member, ...], many(nested(Member), least=3, most=500)]
    roles: Annotated[Mapping[str, RoleExpression], table(_expression(), ROLES)]
    substitutes: Annotated[Mapping[str, tuple[str, ...]], table(many(identifier("party")))]
    change_classes: Annotated[Mapping[str, ChangeClass], table(nested(ChangeClass), CLASSES)]
    limits: Annotated[Limits, nested(Limits)]
    covered_persons: Annotated[tuple[Covered, ...], many(nested(Covered), most=500)]

    def check(self) -> None:
        """Refuse what contradicts itself, exceeds a bound or falls below a floor."""
        for reason in _faults(self):
            raise InputError(f"charter: {reason}", help="see the floors and bounds in docs/governance.md")

    @cached_property
    def parties(self) -> frozenset[str]:
        """Every person with keys."""
        return frozenset(member.party for member in self.persons)

    @cached_property
    def _owner(self) -> Mapping[bytes, tuple[str, Key]]:
        return {key.public: (member.party, key) for member in self.persons for key in member.keys}

    @cached_property
    def _group(self) -> Mapping[str, str]:
        return {member.party: member.independence_group for member in self.persons}

    @cached_property
    def owners(self) -> frozenset[str]:
        """Covered persons who own or lead the operator."""
        return frozenset(each.party for each in self.covered_persons if each.as_ in ("owner", "executive"))

    @property
    def trusted(self) -> frozenset[bytes]:
        """All public keys, whatever their interval; ask `person_of` about the instant."""
        return frozenset(self._owner)

    def person_of(self, public: bytes, at_ns: int) -> str | None:
        """Return whose key this is, if it is valid at the instant [ns]."""
        party, key = self._owner.get(public, (None, None))
        return party if key is not None and key.valid_at(at_ns) else None

    def role(self, name: str) -> RoleExpression:
        """Return the expression of a role.

        Raises:
            InputError: there is no such role.
        """
        if name not in self.roles:
            raise InputError(f"there is no role `{name[:40]}`", help=f"one of {', '.join(ROLES)}")
        return self.roles[name]

    def change_class(self, name: str) -> ChangeClass:
        """Return what a class of change needs.

        Raises:
            InputError: there is no such class.
        """
        if name not in self.change_classes:
            raise InputError(f"there is no class of change `{name[:40]}`", help=f"one of {', '.join(CLASSES)}")
        return self.change_classes[name]

    def group_of(self, party: str) -> str | None:
        """Return the independence group of a person; None for somebody without keys."""
        return self._group.get(party)

    def expired(self, at_ns: int) -> bool:
        """Tell whether the charter no longer governs at an instant [ns]."""
        return at_ns >= self.expires


def _faults(charter: Charter) -> Iterator[str]:
    """Yield what is wrong, most basic first."""
    if not charter.issued < charter.expires <= charter.issued + MAX_LIFE_NS:
        yield "it expires after it is issued, at most 365 days later"
    if (charter.policy_digest is None) is (charter.version == 1):
        yield "version 1 names the policy in force, later versions name none"
    seen: set[bytes] = set()
    persons: set[str] = set()
    for member in charter.persons:
        if member.party in persons:
            yield f"`{member.party}` is listed twice"
        persons.add(member.party)
        for key in member.keys:
            if key.public in seen:
                yield f"a key of `{member.party}` is listed twice; a public key belongs to one person, once"
            seen.add(key.public)
    if len({each.party for each in charter.covered_persons}) != len(charter.covered_persons):
        yield "a covered person is listed twice"
    for role, expression in charter.roles.items():
        if strangers := expression.parties - persons:
            yield f"role `{role}` names `{min(strangers)}`, who has no keys here"
        if role != "registrar" and not expression.threshold_ok(ROLE_FLOORS[role]):
            yield f"role `{role}` needs at least {ROLE_FLOORS[role]} persons, and more members than it needs"
    if charter.roles["emergency"].minimum != 2:
        yield "role `emergency` is satisfied by exactly 2 persons, who both sign"
    for role, substitutes in charter.substitutes.items():
        if role not in ROLES or role == "registrar":
            yield f"substitutes for `{role[:40]}`, which has none"
        elif set(substitutes) - persons or set(substitutes) & charter.roles[role].parties:
            yield f"a substitute of `{role}` has keys and is no member of the role"
    for name, each in charter.change_classes.items():
        floor, members = FLOORS[name], charter.roles[each.role].parties
        groups = {charter.group_of(party) for party in members}
        if each.role not in ROLE_OF_CLASS[name]:
            yield f"class `{name}` is decided by role {' or '.join(ROLE_OF_CLASS[name])}"
        if each.min_persons < floor.persons or each.min_groups < floor.groups or each.notice_hours < floor.notice_hours:
            yield (
                f"class `{name}` needs at least {floor.persons} persons, {floor.groups} independence groups "
                f"and {floor.notice_hours} hours of notice"
            )
        if not each.min_persons < each.of_persons <= len(members):
            yield f"class `{name}` asks for {each.min_persons} of {each.of_persons}; role `{each.role}` has {len(members)} members"
        if not each.min_groups <= min(len(groups), each.min_persons):
            yield f"class `{name}` asks for {each.min_groups} independence groups, role `{each.role}` has {len(groups)}"
