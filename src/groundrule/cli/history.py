"""`groundrule history show|erase|retention|prune`: what is kept of observations and decisions, and how it leaves."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import Annotated, Any

import typer

from groundrule.cli.ledger import committed_dict, print_committed
from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_table, print_text, warn
from groundrule.errors import InputError
from groundrule.pipeline.erasing import Erased, erase_history, terminals_of
from groundrule.pipeline.history_view import history_view
from groundrule.pipeline.home_ledger import ledger_of
from groundrule.pipeline.retention import prune
from groundrule.store.erasing_places import still_named
from groundrule.store.home import Home
from groundrule.store.leaving import leaving
from groundrule.store.retention import CLASSES, read_retention, write_retention

app = typer.Typer(no_args_is_help=True, help="What is kept of observations and decisions, for how long, and how it is erased.")
_EVER = "ever"


@app.command()
def show(home: HomeOption = DEFAULT_HOME, as_json: OutputJson = False) -> None:
    """Say what is kept: files, rows and days by kind, what was erased, and which retention is set."""
    found = history_view(Home.open(home))
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["kind"], each["files"], each["small"], "-" if each["rows"] is None else f"{each['rows']:,}", f"{each['bytes'] / 1e6:,.1f}",
            each["first"] or "-", each["last"] or "-", "-" if each["runs"] is None else f"{each['runs']:,}", each["erased"],
            _kept_for(each["days"]),
        )
        for each in found["kinds"] if each["files"] or each["erased"]
    ]  # fmt: skip
    print_table(("kind", "files", "small", "rows", "MB", "first day", "last day", "runs", "erased", "kept"), rows)
    small = sum(each["small"] for each in found["kinds"])
    print_text(f"{small:,} files are smaller than 1 MiB.")
    for each in found["erasures"]:
        print_text(
            f"Erasure {each['number']} at {each['at'][:19]}Z, {each['cause']}: {each['rows']['observations']:,} observations and "
            f"{each['rows']['decisions']:,} decisions of {each['runs']:,} runs, {each['terminals']:,} terminals; {each['basis']}"
        )
    if found["under_way"]:
        warn("An erasure was begun and is not completed; the next writer completes it, for instance: groundrule history prune")
    set_ = {name: days for name, days in found["retention"].items() if days is not None}
    said = ", ".join(f"{name} {days} days" for name, days in set_.items())
    print_text(f"Retention: {said or 'none is set; everything is kept for ever'}")


@app.command(name="erase")
def erase_(
    subject: Annotated[str, typer.Argument(help="terminal:ID, or account:ID for all terminals that belong or belonged to it.")],
    basis: Annotated[str, typer.Option("--basis", help="Legal basis; it is published, so it names nobody.")],
    home: HomeOption = DEFAULT_HOME,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: OutputJson = False,
) -> None:
    """Erase every row about a terminal, or about all terminals of an account, with its keys and private records. Cannot be undone.

    All other decisions still follow from their observations byte for byte. What left each run, when and why is on record, and in the log.
    """
    place = Home.open(home)
    with place.writer(), ledger_of(place) or nullcontext() as ledger:
        terminals, accounts = terminals_of(place, subject)
        others = sorted(accounts - {subject.partition(":")[2]}) if subject.startswith("account:") else []
        if not yes and not typer.confirm(
            f"Erase the whole history of {_count(len(terminals), 'terminal')} for ever?"
            + (f" It belonged to {_count(len(others), 'other account')}, too." if others else ""),
            err=True,
        ):
            raise typer.Exit(1)
        done = erase_history(place, ledger, subject, basis=basis, now_ns=time.time_ns())
        committed = ledger.try_commit() if ledger is not None else None
    named = still_named(place, terminals)
    if as_json:
        print_json({
            "subject": subject, **_told(done), "commitment": done.record["subject"], "salt": done.salt, "other_accounts": others,
            "still_named_in": named, **(committed_dict(committed) if committed else {}),
        })  # fmt: skip
        return
    _print(done)
    print_text(f"Salt {done.salt} opens commitment {done.record['subject']}, which says whom it was about:")
    print_text("  give both to who asked; the salt is kept nowhere.")
    for each in named:
        warn(f"The id still stands in {each}, which has rules of its own.")
    print_text("Backups and files that were handed out must forget it, too.")
    if committed is not None:
        print_committed(committed)


@app.command()
def retention(
    classes: Annotated[list[str] | None, typer.Argument(help="CLASS=DAYS, or CLASS=ever; without any, what is set is shown.")] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Show or set for how many days each class of data is kept; `groundrule history prune` applies it."""
    place = Home.open(home)
    if classes:
        changed = dict(_days(each) for each in classes)
        with place.writer():
            days: dict[str, int | None] = {**read_retention(place), **changed}
            write_retention(place, {name: number for name, number in days.items() if number is not None})
    held = read_retention(place)
    if as_json:
        print_json({"retention": {name: held.get(name) for name in CLASSES}})
        return
    print_table(("class", "kept", "what"), [(name, _kept_for(held.get(name)), what) for name, what in CLASSES.items()])


@app.command(name="prune")
def prune_(
    home: HomeOption = DEFAULT_HOME,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would leave.")] = False,
    as_json: OutputJson = False,
) -> None:
    """Erase what is older than the retention says, and complete an erasure that was cut off. Doing it again does nothing."""
    place = Home.open(home)
    begun = leaving(place.history) is not None
    with place.writer(), ledger_of(place) or nullcontext() as ledger:
        found = prune(place, ledger, now_ns=time.time_ns(), dry_run=dry_run)
        committed = ledger.try_commit() if ledger is not None and found.erased is not None and not dry_run else None
    if as_json:
        told = {} if found.erased is None else _told(found.erased)
        print_json({
            "dry_run": dry_run, "completed": begun, "terminals_by_class": found.terminals, "spared": found.spared, **told,
            **(committed_dict(committed) if committed else {}),
        })  # fmt: skip
        return
    if begun:
        print_text("An erasure that had been begun is completed.")
    if found.spared:
        print_text(f"{_count(found.spared, 'terminal')} stay: a legal hold, an open case, an appeal, or rows that are not decided yet.")
    if found.erased is None:
        print_text("Nothing is older than the retention says." if found.before_ns else "No retention is set: groundrule history retention")
        return
    if dry_run:
        print_text("This would leave:")
    for name, number in found.terminals.items():
        print_text(f"  {_count(number, 'terminal')} of class {name}")
    _print(found.erased)
    if committed is not None:
        print_committed(committed)


def _told(done: Erased) -> dict[str, Any]:
    runs = {run: {kind: told["erased"] for kind, told in each.items() if kind != "held"} for run, each in done.record["runs"].items()}
    return {
        "erasure": done.record["number"], "record": done.digest, "terminals": done.record["terminals"], "basis": done.record["basis"],
        "rows": done.rows, "runs": runs, "places": done.record["places"],
    }  # fmt: skip


def _print(done: Erased) -> None:
    rows = done.rows
    print_text(
        f"Erasure {done.record['number']}: {rows['observations']:,} observations, {rows['decisions']:,} decisions and "
        f"{rows['over_late']:,} over-late rows of {_count(len(done.record['runs']), 'run')}."
    )
    for name, number in done.record["places"].items():
        print_text(f"  {number:,} from {name}")
    print_text(f"  record {done.digest}")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _kept_for(days: int | None) -> str:
    return "for ever" if days is None else f"{days:,} days"


def _days(text: str) -> tuple[str, int | None]:
    name, _, number = text.partition("=")
    if number == _EVER:
        if name not in CLASSES:
            raise InputError(f"there is no class `{name[:40]}`", help=f"known are {', '.join(CLASSES)}")
        return name, None
    try:
        return name, int(number)
    except ValueError:
        raise InputError(f"`{text[:80]}` says no days", help="write CLASS=DAYS, for instance unregistered=90, or CLASS=ever") from None
