"""Roles and their permissions, as data; and which permission each route needs.

The table of every route and role is made from the routes themselves, so that a route without a permission, or a permission
that no role has, stops the service from starting and the suite from passing.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from litestar import Litestar
from litestar.routes import HTTPRoute

PUBLIC: Final = "public"
"""The role of whoever has not said who they are."""


@dataclass(frozen=True, slots=True)
class Role:
    """A role.

    Attributes:
        name: as credentials name it.
        meaning: who it is for, in one sentence.
        permissions: all of them, those of included roles too.
    """

    name: str
    meaning: str
    permissions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Access:
    """One route, and what it needs.

    Attributes:
        method: of HTTP.
        path: with its parameters in braces.
        permission: what a principal must hold.
    """

    method: str
    path: str
    permission: str


@cache
def shipped_roles() -> Mapping[str, Role]:
    """Return the roles of `roles.toml` by name."""
    return read_roles(files("groundrule.api").joinpath("roles.toml").read_text(encoding="utf-8"))


def read_roles(text: str) -> Mapping[str, Role]:
    """Read roles.

    Args:
        text: TOML; a role may include those that stand before it.
    Raises:
        ValueError: a role includes one that does not stand before it, or `public` is missing.
    """
    found: dict[str, Role] = {}
    for name, table in tomllib.loads(text).items():
        held = set(table["permissions"])
        for other in table.get("includes", ()):
            if other not in found:
                raise ValueError(f"role {name} includes {other}, which does not stand before it")
            held |= found[other].permissions
        found[name] = Role(name, str(table["meaning"]), frozenset(held))
    if PUBLIC not in found:
        raise ValueError("there is no role `public`")
    return MappingProxyType(found)


def permissions_of(roles: Iterable[str]) -> frozenset[str]:
    """Return what somebody with these roles may do; unknown roles give nothing."""
    known = shipped_roles()
    held = known[PUBLIC].permissions
    for name in roles:
        if name in known:
            held |= known[name].permissions
    return held


def accesses(app: Litestar) -> list[Access]:
    """Return every route of an application with the permission it needs, by path and method.

    Raises:
        ValueError: a route names no permission, or one that no role has.
    """
    found = []
    known = frozenset[str]().union(*(role.permissions for role in shipped_roles().values()))
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            raise ValueError(f"{route.path} is not a route of HTTP, and nothing says who may use it")
        for handler in route.route_handlers:
            permission = handler.opt.get("permission")
            for method in sorted(handler.http_methods):
                if permission is None and (method == "OPTIONS" or handler.opt.get("internal")):
                    continue  # Litestar's own: about methods, which holds nothing, and pages that the guard gives to nobody
                if permission not in known:
                    raise ValueError(f"{method} {route.path_format} needs the permission {permission!r}, which no role has")
                found.append(Access(method, route.path_format, permission))
    return sorted(found, key=lambda each: (each.path, each.method))


def matrix(app: Litestar) -> list[tuple[Access, frozenset[str]]]:
    """Return, for every route, the roles that may use it."""
    return [
        (each, frozenset(name for name, role in shipped_roles().items() if each.permission in role.permissions))
        for each in accesses(app)
    ]
