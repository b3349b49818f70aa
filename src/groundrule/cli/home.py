"""`groundrule init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from groundrule.cli.ledger import ledger_state
from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_text
from groundrule.pipeline.home import create_home, rulebook_of
from groundrule.store.area_store import current_areas_digest


def init(
    home: HomeOption = DEFAULT_HOME,
    rules: Annotated[str, typer.Option("--rules", help="Shipped rulebook by name, or a rulebook file.")] = "world-2026",
    no_world: Annotated[bool, typer.Option("--no-world", help="Leave out the shipped world areas.")] = False,
    registers: Annotated[
        str | None,
        typer.Option(help="Keep the registers in this PostgreSQL database: postgresql+psycopg://… without a password."),
    ] = None,
    history: Annotated[
        str | None,
        typer.Option(help="Keep observations and decisions in this empty directory, or in object storage: s3://bucket/prefix."),
    ] = None,
    as_json: OutputJson = False,
) -> None:
    """Make a home: rules and world areas come into force, once, on an empty directory."""
    made = create_home(Path(home), rules=rules, world=not no_world, registers=registers, history=history)
    book = rulebook_of(made)
    result = {
        "home": str(made.path),
        "id": made.id,
        "rulebook": {"id": book.id, "version": book.version, "digest": book.digest, "rules": len(book.rules)},
        "areas": current_areas_digest(made),
        "registers": made.registers,
        "history": str(made.history),
        "ledger": ledger_state(made),
        "governed": False,
    }
    if as_json:
        print_json(result)
        return
    print_text(f"Home {made.path} is ready: rulebook {book.id} version {book.version} with {len(book.rules)} rules.")
    print_text(f"  rulebook {book.digest}")
    print_text(f"  areas    {result['areas']}")
    if made.registers is not None:
        print_text(f"  registers {made.registers}")
    if made.history_at is not None:
        print_text(f"  history  {made.history_at}")
    if state := ledger_state(made):
        print_text(f"  log      {state['log']}, without witnesses yet; its keys are in {state['keys']}")
    if book.notice:
        print_text(f"  notice   {book.notice}")
    print_text("Next: groundrule register import terminals FILE, then groundrule decide OBSERVATIONS")
