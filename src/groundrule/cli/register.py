"""`groundrule register import|show`."""

from __future__ import annotations

import getpass
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_table, print_text, warn
from groundrule.cli.rules import instant_option
from groundrule.errors import InputError
from groundrule.instant import format_instant
from groundrule.store.entities import ENTITIES
from groundrule.store.home import Home
from groundrule.store.observation_columns import parse_columns
from groundrule.store.policy import is_governed
from groundrule.store.register_import import import_register
from groundrule.store.registers import Registers

app = typer.Typer(
    no_args_is_help=True, help="Import and show terminals, accounts, parties, plans, programmes and lists."
)
Kind = StrEnum("Kind", {name.upper(): name for name in ENTITIES})  # type: ignore[misc]  # made from the one list of kinds


@app.command(name="import")
def import_(
    kind: Annotated[Kind, typer.Argument(help="What the file holds.")],
    file: Annotated[Path, typer.Argument(help="CSV, Parquet or JSON lines.")],
    home: HomeOption = DEFAULT_HOME,
    columns: Annotated[
        str | None, typer.Option("--columns", help="Names in the file = names of the register: id=terminal_id")
    ] = None,
    valid_from: Annotated[
        str | None, typer.Option(help="From when rows hold that do not say so; the default is from ever.")
    ] = None,
    actor: Annotated[
        str | None, typer.Option(help="Who imports; the default is the user's name on this machine.")
    ] = None,
    as_json: OutputJson = False,
) -> None:
    """Import a file; every bad row is kept with its reason, and nothing that was known is forgotten."""
    place = Home.open(home)
    with place.writer():
        report = import_register(
            Registers.open(place),
            kind.value,
            file,
            recorded_at_ns=time.time_ns(),
            actor=actor or getpass.getuser(),
            rejected_folder=place.rejected,
            valid_from_ns=instant_option(valid_from, "--valid-from"),
            columns=parse_columns(columns) if columns else None,
        )
    if as_json:
        print_json(
            {
                "kind": report.kind,
                "revision": report.revision,
                "inserted": report.inserted,
                "changed": report.changed,
                "unchanged": report.unchanged,
                "rejected": report.rejected,
                "by_reason": dict(report.by_reason),
                "rejected_rows": str(report.rejected_file) if report.rejected_file else None,
                "governed": report.governed,
                "notes": list(report.notes),
            }
        )
    else:
        print_text(
            f"{report.kind}: {report.inserted:,} inserted, {report.changed:,} changed, {report.unchanged:,} unchanged, "
            f"{report.rejected:,} rejected; register revision {report.revision}{_standing(place, kind.value)}."
        )
        for note in report.notes:
            warn(note)
        for reason, rows in sorted(report.by_reason.items(), key=lambda item: -item[1]):
            warn(f"  {rows:,} × {reason}")
        if report.rejected_file:
            warn(f"each rejected row with its reason: {report.rejected_file}")
    if report.rejected and not (report.inserted or report.changed or report.unchanged):
        raise typer.Exit(2)


@app.command()
def show(
    kind: Annotated[Kind | None, typer.Argument(help="What to show; nothing shows the imports.")] = None,
    key: Annotated[str | None, typer.Argument(help="Id of one thing: all its versions, what was known when.")] = None,
    home: HomeOption = DEFAULT_HOME,
    at: Annotated[str | None, typer.Option("--at", help="What held at this time; the default is now.")] = None,
    known_at: Annotated[
        str | None, typer.Option("--known-at", help="As known at this time; the default is now.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most rows shown.")] = 20,
    as_json: OutputJson = False,
) -> None:
    """Show imports, the content of a register, or every version of one thing."""
    place = Home.open(home)
    registers = Registers.open(place)
    if kind is None:
        rows = [_revision(item) for item in registers.revisions()]
    elif key is not None:
        rows = [_readable(row) for row in registers.versions(kind.value, key)]
        if not rows:
            raise InputError(f"there is nothing `{key[:80]}` in `{kind.value}`", help="check the id")
    else:
        moment = instant_option(at, "--at")
        found = registers.rows(
            kind.value,
            valid_at_ns=time.time_ns() if moment is None else moment,
            recorded_at_ns=instant_option(known_at, "--known-at"),
        )
        rows = [_readable(row) for row, _ in zip(found, range(limit), strict=False)]
    if as_json:
        print_json(rows)
        return
    if not rows:
        print_text("Nothing.")
        return
    names = [name for name in rows[0] if any(row.get(name) not in (None, "") for row in rows)]
    print_table(names, [[row.get(name, "") if row.get(name) is not None else "" for name in names] for row in rows])


def _standing(home: Home, kind: str) -> str:
    """Say whether what was imported is policy that nobody governs; in a home with a charter no import is."""
    if is_governed(home):
        return f"; the charter governs lists and programmes, not {kind}"
    return " (ungoverned)"


def _revision(item: Any) -> dict[str, Any]:
    row = {
        name: getattr(item, name)
        for name in ("revision", "kind", "actor", "source", "inserted", "changed", "rejected", "governed")
    }
    return {**row, "recorded_at": format_instant(item.recorded_at_ns), "digest": item.digest}


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    times = ("valid_from", "valid_until", "recorded_at", "superseded_at", "activated_at", "submitted_at", "expires_at")
    return {
        name: _instant(value) if name in times and value is not None else value
        for name, value in row.items()
        if name != "version"
    }


def _instant(value: int) -> str:
    return "from ever" if value <= -(2**63) + 1 else format_instant(value)
