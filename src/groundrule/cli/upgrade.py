"""`groundrule upgrade`."""

from __future__ import annotations

from typing import Annotated

import typer

from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_text
from groundrule.errors import InputError
from groundrule.store.home import Home
from groundrule.store.migrations import upgrade as upgrade_registers
from groundrule.store.register_versions import HEAD


def upgrade(
    home: HomeOption = DEFAULT_HOME,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Make every step and take them all back.")] = False,
    user: Annotated[str | None, typer.Option("--as", help="User of PostgreSQL who owns the tables of the registers.")] = None,
    as_json: OutputJson = False,
) -> None:
    """Bring a home of an earlier program version to this one: all steps or none; a later version is refused."""
    place = Home.open(home)
    if user is not None and place.registers is None:
        raise InputError("the registers of this home are in SQLite, which knows no users", help="leave out --as", option="--as")
    with place.writer():
        before, steps = upgrade_registers(place.registers_url, user=user, dry_run=dry_run)
    if as_json:
        print_json({"home": str(place.path), "before": before, "now": before if dry_run else HEAD, "steps": steps, "dry_run": dry_run})
        return
    if not steps:
        print_text(f"The registers of {place.path} are of version {HEAD}, which is what this program works with.")
        return
    print_text(f"Registers of {place.path}: {before} → {HEAD}" + (" (dry run: every step works, nothing was changed)" if dry_run else ""))
    for step in steps:
        print_text(f"  {step}")
