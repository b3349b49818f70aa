"""Who asks: what credentials say about them, and what they may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from groundrule.api.roles import permissions_of

DEFAULT_TENANT: Final = "default"

Reader = Literal["operator", "regulator", "owner", "public"]


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or machine that uses the service.

    Attributes:
        id: of its credentials; never a name.
        name: what it calls itself, for its own eyes.
        roles: what it was given.
        tenant: whose home it may see; credentials say it, a request never does.
        accounts: the accounts of an owner; an owner without accounts sees nothing.
        countries: ISO 3166 codes of a regulator; one without countries sees nothing.
        by: how it said who it is: `none`, `key`, `oidc`, `session`.
    """

    id: str
    name: str
    roles: tuple[str, ...]
    tenant: str = DEFAULT_TENANT
    accounts: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset()
    by: Literal["none", "key", "oidc", "session"] = "none"
    permissions: frozenset[str] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        object.__setattr__(self, "permissions", permissions_of(self.roles))

    def may(self, permission: str) -> bool:
        """Does it hold a permission?"""
        return permission in self.permissions

    @property
    def reader(self) -> Reader:
        """As whom it reads explanations and dossiers: the most that one of its roles may see."""
        inside = {"viewer", "analyst", "officer", "auditor", "administrator"}
        if inside.intersection(self.roles):
            return "operator"
        if "regulator" in self.roles:
            return "regulator"
        return "owner" if "owner" in self.roles else "public"


NOBODY: Final = Principal("", "", ())
"""Whoever has not said who they are."""


def principal_of(claims: Mapping[str, Any], *, by: Literal["key", "oidc", "session"]) -> Principal:
    """Return the principal that checked claims describe.

    Args:
        claims: `id`, `name`, `roles`, `tenant`, `accounts`, `countries`; whoever calls has verified them.
        by: how they came.
    """
    return Principal(
        str(claims["id"]),
        str(claims.get("name", "")),
        tuple(str(each) for each in claims.get("roles", ())),
        str(claims.get("tenant", DEFAULT_TENANT)),
        frozenset(str(each) for each in claims.get("accounts", ())),
        frozenset(str(each) for each in claims.get("countries", ())),
        by,
    )
