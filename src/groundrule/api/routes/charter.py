"""The charter: who may decide what together. It begins at the home, by command; here it is read, and its successor handed in."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import get, post
from litestar.params import JSONBody
from litestar.types import ControllerRouterHandler

from groundrule.api.given import GivenLive, GivenPrincipal, GivenService
from groundrule.api.governed import entry_of, govern, view_of
from groundrule.api.paging import Cursor, Limit, Page, page_of
from groundrule.api.parties_seen import Parties, PartyView
from groundrule.api.problems import Refused
from groundrule.api.routes.emergencies import SignedTogether
from groundrule.api.signed_bodies import merged
from groundrule.api.times import when
from groundrule.govern.charter import Charter
from groundrule.govern.rotation import read_charter
from groundrule.pipeline.governing import Governance


class KeyView(msgspec.Struct):
    """A public key of a person, and when it counts."""

    vkey: str
    from_: str | None = msgspec.field(name="from")
    until: str | None
    custody: str


class CharterPerson(msgspec.Struct):
    """Somebody with keys.

    Attributes:
        party: who. unit, group: organisational unit, and group of those who are not independent of each other.
        keys: public keys. roles: that the person holds.
    """

    party: PartyView
    unit: str
    group: str
    keys: list[KeyView]
    roles: list[str]


class RoleView(msgspec.Struct):
    """A role: who together may act in it.

    Attributes:
        name, expression: as signed. minimum: fewest persons who satisfy it.
        members, substitutes: who holds it, and who steps in.
    """

    name: str
    expression: str
    minimum: int
    members: list[PartyView]
    substitutes: list[PartyView]


class ClassView(msgspec.Struct):
    """What a class of change needs: persons of a role, from so many independence groups, after hours of notice."""

    name: str
    role: str
    persons: int
    of_persons: int
    groups: int
    notice_hours: int


class CoveredPerson(msgspec.Struct):
    """Somebody who could instruct on service, and must tell of contacts."""

    party: PartyView
    as_: str = msgspec.field(name="as")


class CharterVersion(msgspec.Struct):
    """A charter that was in force, or is."""

    version: int
    digest: str
    log_index: int
    issued_at: str | None
    expires_at: str | None


class CharterView(msgspec.Struct):
    """Who governs.

    Attributes:
        governed: there is a charter.
        policy_digest: of what is in force, as the log says.
        version, digest, log_index, issued_at, expires_at: of the charter in force; null without one.
        expired: only a rotation is possible; what is in force stays in force.
        persons, roles, classes, covered: its parts.
        limits: lifetimes and clocks, by name.
        history: all versions.
        violations: entries of the log that have no effect, one sentence each.
    """

    governed: bool
    policy_digest: str | None
    version: int | None
    digest: str | None
    log_index: int | None
    issued_at: str | None
    expires_at: str | None
    expired: bool
    persons: list[CharterPerson]
    roles: list[RoleView]
    classes: list[ClassView]
    covered: list[CoveredPerson]
    limits: dict[str, int | list[str]]
    history: list[CharterVersion]
    violations: list[str]


class RefusedAct(msgspec.Struct):
    """An act that was refused, on record like any other.

    Attributes:
        what: kind of entry that it would have made. code, sentence: why. digest: of what was refused.
    """

    what: str
    code: str
    sentence: str
    digest: str


class Rotated(msgspec.Struct):
    """The next charter, in force."""

    version: int
    digest: str
    log_index: int | None


@get("/v1/charter", opt={"permission": "charter:read"}, summary="Who may decide what together", sync_to_thread=True)
def charter(live: GivenLive, principal: GivenPrincipal, service: GivenService) -> CharterView:
    """Give the charter in force; `governed` is false where there is none."""
    view = view_of(live.home)
    state, found = view.state, view.state.charter
    history = [
        CharterVersion(each.version, each.digest, index, when(each.issued), when(each.expires))
        for index, each in state.charters.items()
    ]
    wrong = [f"{each.index} {each.kind}: {each.sentence}" for each in state.violations]
    if found is None:
        return CharterView(False, state.policy_digest, None, None, None, None, None, False, [], [], [], [], {}, history, wrong)
    parties = Parties(live.home, principal, state)
    return CharterView(
        True, state.policy_digest, found.version, found.digest, state.charter_index, when(found.issued), when(found.expires),
        found.expired(service.clock()), _persons(found, parties), _roles(found, parties),
        [
            ClassView(name, each.role, each.min_persons, each.of_persons, each.min_groups, each.notice_hours)
            for name, each in found.change_classes.items()
        ],
        [CoveredPerson(parties.of(each.party), each.as_) for each in found.covered_persons], _limits(found.limits.value), history, wrong,
    )  # fmt: skip


@get("/v1/refusals", opt={"permission": "charter:read"}, summary="Acts that were refused, the newest first", sync_to_thread=True)
def refusals(live: GivenLive, limit: Limit = 100, cursor: Cursor = None) -> Page[RefusedAct]:
    """List refused acts with their reasons: wrong use is on record."""
    page = page_of(list(reversed(view_of(live.home).state.rejections)), limit, cursor)
    return Page([RefusedAct(each.what, each.code, each.sentence, each.digest_) for each in page.items], page.next)


@post("/v1/charter/rotations", opt={"permission": "approvals:write"}, status_code=201, summary="Hand in the next charter, signed")
async def rotate(data: JSONBody[SignedTogether], live: GivenLive, service: GivenService) -> Rotated:
    """Take the next version into force: signed by the root quorum of the present one and by its own, over the same bytes."""
    envelope = merged(data.envelopes)

    def act(governance: Governance) -> Rotated:
        if governance.state.charter is None:
            # Whoever holds a key of the service must not be able to name those who govern.
            said = "this home has no charter, and its first one is not taken in over the service"
            raise Refused(409, said, code="conflict", refusal="no_charter", help="begin at the home: groundrule charter init")
        made = read_charter(envelope)
        return Rotated(made.version, made.digest, entry_of(governance.rotate(envelope)))

    return await govern(live, service, act, chartered=False)


def _persons(found: Charter, parties: Parties) -> list[CharterPerson]:
    return [
        CharterPerson(
            parties.of(each.party), each.org_unit, each.independence_group,
            [KeyView(key.vkey, when(key.from_), None if key.to is None else when(key.to), key.custody) for key in each.keys],
            [name for name, role in found.roles.items() if each.party in role.parties],
        )
        for each in found.persons
    ]  # fmt: skip


def _roles(found: Charter, parties: Parties) -> list[RoleView]:
    return [
        RoleView(name, each.text, each.minimum, parties.each(sorted(each.parties)), parties.each(found.substitutes.get(name, ())))
        for name, each in found.roles.items()
    ]


def _limits(value: dict[str, Any]) -> dict[str, int | list[str]]:
    return {name: each if isinstance(each, int) else [str(word) for word in each] for name, each in value.items()}


HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (charter, refusals, rotate)
