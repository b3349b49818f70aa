"""`groundrule access`: who may use the service of a home."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_table, print_text, warn
from groundrule.errors import InputError
from groundrule.instant import format_instant
from groundrule.store.home import Home

if TYPE_CHECKING:
    from groundrule.api.credentials import Desk
    from groundrule.api.settings import Settings
    from groundrule.store.access import GivenKey

app = typer.Typer(
    name="access", help="Who may use the service of a home: login links, keys, roles, and attempts that were denied.", no_args_is_help=True
)
key_app = typer.Typer(name="key", help="Keys of machines and people that use the API.", no_args_is_help=True)
app.add_typer(key_app, name="key")

SettingsOption = Annotated[Path | None, typer.Option("--settings", help="TOML file of settings that the service uses.")]


@app.command("login")
def login(
    home: HomeOption = DEFAULT_HOME,
    role: Annotated[list[str] | None, typer.Option("--role", help="What the session may do; else officer and administrator.")] = None,
    settings: SettingsOption = None,
) -> None:
    """Print a link that logs its bearer in to the running service, once, within ten minutes."""
    from groundrule.api.credentials import check_grant  # noqa: PLC0415 - the service's libraries are slow to load
    from groundrule.api.serving import login_link, running_at  # noqa: PLC0415
    from groundrule.api.settings import address  # noqa: PLC0415

    with _desk(home, settings) as (desk, found):
        if role:
            if {"owner", "regulator"}.intersection(role):
                said = "a login link holds no accounts and no countries"
                raise InputError(said, help="make a key for owners and regulators", option="--role")
            check_grant(role, [], [])
        at = running_at(Home.open(home))
        if at is None:
            warn("no service says that it serves this home; the link is for the address of the settings")
        print_text(login_link(desk, at or address(found), roles=tuple(role or ())))


@app.command("roles")
def roles(as_json: OutputJson = False) -> None:
    """Show every role with what it may do."""
    from groundrule.api.roles import shipped_roles  # noqa: PLC0415

    if as_json:
        found = shipped_roles().items()
        print_json({name: {"meaning": each.meaning, "permissions": sorted(each.permissions)} for name, each in found})
        return
    rows = [[name, each.meaning, ", ".join(sorted(each.permissions))] for name, each in shipped_roles().items()]
    print_table(["role", "for whom", "permissions"], rows)


@app.command("denied")
def denied(
    home: HomeOption = DEFAULT_HOME,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 50,
    as_json: OutputJson = False,
) -> None:
    """Show attempts that were denied, newest first: which credentials tried which route."""
    with _desk(home, None) as (desk, _):
        found = desk.store.denials(limit=limit)
    rows = [
        [format_instant(each.at_ns), each.principal or "nobody", each.method, each.route, each.permission, each.status]
        for each in found
    ]
    names = ["at", "credentials", "method", "route", "needed", "answered"]
    if as_json:
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        print_table(names, rows)


@key_app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="What the key is for, for instance `gateway 3`; no personal data.")],
    role: Annotated[list[str], typer.Option("--role", help="What its bearer may do; see `groundrule access roles`. May be repeated.")],
    home: HomeOption = DEFAULT_HOME,
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="How long it works.")] = 90,
    account: Annotated[list[str] | None, typer.Option("--account", help="Account of an owner. Repeatable.")] = None,
    country: Annotated[
        list[str] | None, typer.Option("--country", help="Country of a regulator, as the areas have it: UA or UKR. Repeatable.")
    ] = None,
    tenant: Annotated[str, typer.Option("--tenant", help="Whose home it opens.")] = "default",
    as_json: OutputJson = False,
) -> None:
    """Make a key. It is shown once and kept nowhere."""
    with _desk(home, None) as (desk, _):
        given, text = desk.give_key(
            name, role, days=days, accounts=account or (), countries=country or (), tenant=tenant, given_by="command line"
        )
    if as_json:
        print_json({**_as_dict(given), "key": text})
        return
    print_text(text)
    print_text(f"{given.id}, until {format_instant(given.until_ns)}; send it as `Authorization: Bearer …`", style="dim")


@key_app.command("list")
def list_keys(home: HomeOption = DEFAULT_HOME, as_json: OutputJson = False) -> None:
    """Show every key that was given out; the keys themselves are kept nowhere."""
    with _desk(home, None) as (desk, _):
        found = [_as_dict(each) for each in desk.store.given_keys()]
    if as_json:
        print_json(found)
    else:
        print_table(list(found[0]) if found else ["id"], [list(each.values()) for each in found])


@key_app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="Id of the key, as `groundrule access key list` shows it.")], home: HomeOption = DEFAULT_HOME
) -> None:
    """Revoke a key: the running service refuses it from the next request on."""
    with _desk(home, None) as (desk, _):
        if not desk.revoke(key_id):
            raise InputError(f"there is no key `{key_id[:80]}` that still works", help="see groundrule access key list")
    print_text(f"{key_id} is revoked")


@contextmanager
def _desk(home: Path, settings: Path | None) -> Iterator[tuple[Desk, Settings]]:
    from groundrule.api.serving import open_desk  # noqa: PLC0415 - the service's libraries are slow to load
    from groundrule.api.settings import read_settings  # noqa: PLC0415

    found = read_settings(settings)
    desk = open_desk(Home.open(home), found)
    try:
        yield desk, found
    finally:
        desk.store.close()


def _as_dict(given: GivenKey) -> dict[str, object]:
    claims = given.claims
    return {
        "id": given.id, "name": claims["name"], "roles": " ".join(claims["roles"]), "tenant": claims["tenant"],
        "accounts": " ".join(claims["accounts"]), "countries": " ".join(claims["countries"]), "given": format_instant(given.given_ns),
        "until": format_instant(given.until_ns), "revoked": format_instant(given.revoked_ns) if given.revoked_ns else "",
    }  # fmt: skip
