"""`groundrule database show|roles`: registers in PostgreSQL."""

from __future__ import annotations

from typing import Annotated

import sqlalchemy as sa
import typer

from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_text, warn
from groundrule.errors import InputError
from groundrule.store.databases import is_postgres, looking, shown
from groundrule.store.home import Home
from groundrule.store.register_versions import HEAD, version_of
from groundrule.store.roles import DEFAULT_PREFIX, apply_roles, role_statements, standing

app = typer.Typer(no_args_is_help=True, help="Look at the database of the registers, and set its roles.")


@app.command()
def show(home: HomeOption = DEFAULT_HOME, as_json: OutputJson = False) -> None:
    """Say where the registers are, of which version, and what the user of the database may do."""
    place = Home.open(home)
    with looking(place.registers_url) as connection:
        version = version_of(connection)
        told: dict[str, object] = {"registers": shown(place.registers_url), "version": version, "program": HEAD}
        found = None
        if is_postgres(connection):
            found = standing(connection)
            told |= {
                "server": connection.scalar(sa.text("SELECT current_setting('server_version')")),
                "user": found.user, "adds_rows": found.adds, "can_break_the_guard": found.can_break_the_guard,
            }  # fmt: skip
    if as_json:
        print_json(told)
        return
    for name, value in told.items():
        print_text(f"{name.replace('_', ' '):20} {value}")
    if found is not None and found.can_break_the_guard:
        warn(f"`{found.user}` could switch off what guards policy; work as a member of the service role: groundrule database roles")


@app.command()
def roles(
    home: HomeOption = DEFAULT_HOME,
    prefix: Annotated[str, typer.Option(help="The roles are PREFIX_owner, PREFIX_service and PREFIX_reader.")] = DEFAULT_PREFIX,
    user: Annotated[str | None, typer.Option("--as", help="User who may make roles; the default is that of the address.")] = None,
    only_print: Annotated[bool, typer.Option("--print", help="Print the SQL, and change nothing.")] = False,
) -> None:
    """Make the roles of owner, service and reader in PostgreSQL, and share out the rights; again does no harm."""
    place = Home.open(home)
    if place.registers is None:
        raise InputError("the registers of this home are in SQLite, which has no roles", help="who may read the file, may read all")
    if only_print:
        for statement in role_statements(place.registers, prefix):
            print_text(f"{statement};")
        return
    apply_roles(place.registers, prefix=prefix, user=user)
    print_text(f"Roles {prefix}_owner, {prefix}_service and {prefix}_reader are set for {shown(place.registers)}.")
    print_text(f"Next, as an administrator of the database: CREATE ROLE app LOGIN IN ROLE {prefix}_service")
