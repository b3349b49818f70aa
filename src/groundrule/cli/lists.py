"""`groundrule lists import|show`."""

from __future__ import annotations

import getpass
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_table, print_text, warn
from groundrule.cli.rules import instant_option
from groundrule.errors import InputError
from groundrule.instant import format_instant
from groundrule.pipeline.home_ledger import ledger_of
from groundrule.pipeline.list_imports import keep_list
from groundrule.screen.lists import find_lists, read_list
from groundrule.screen.model import BrokenRow, ListSnapshot
from groundrule.store.home import Home
from groundrule.store.sanctions import Difference, SanctionsLists, StoredSnapshot, compare

app = typer.Typer(no_args_is_help=True, help="Import published sanctions lists, and ask what they said when.")
_BROKEN_SHOWN = 20
_SHRINKS_BELOW = 0.9
"""A list that loses more than a tenth between two publications is looked at; publishers remove some dozens."""


@app.command(name="import")
def import_(
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="List files, or folders of them; gzip or not.")
    ],
    home: HomeOption = DEFAULT_HOME,
    source: Annotated[str | None, typer.Option(help="Which list it is, if its format does not say.")] = None,
    published: Annotated[str | None, typer.Option(help="When it was published, if it does not say.")] = None,
    incomplete: Annotated[bool, typer.Option("--incomplete", help="Keep a list although its file breaks off.")] = False,
    as_json: OutputJson = False,
) -> None:
    """Import sanctions lists; every row that cannot be used is told, and none is lost beside it.

    Where the home has a log, the import is in it: source, dates, digests and counts, also of a list that is held already.
    """
    place = Home.open(home)
    found, passed = find_lists(paths)
    if source is not None and len(found) > 1:
        raise InputError(f"--source names one list, and there are {len(found)}", help="import them one by one")
    if not found:
        raise InputError(
            "there is no list to import" + (f": {passed[0][1]}" if passed else ""),
            help="see docs/lists.md for the formats",
        )
    published_ns = instant_option(published, "--published")
    told: list[dict[str, Any]] = []
    failed = 0
    with place.writer(), ledger_of(place) or nullcontext() as ledger, SanctionsLists.open(place) as lists:
        for each in found:
            try:
                snapshot = read_list(each, source=source, published_ns=published_ns)
                before = lists.snapshot_at(snapshot.source, snapshot.published_ns)
                stored, new, index = keep_list(
                    lists, ledger, snapshot,
                    recorded_ns=time.time_ns(), actor=getpass.getuser(), accept_incomplete=incomplete,
                )  # fmt: skip
            except InputError as error:
                if len(found) == 1:
                    raise
                # One list that cannot be used loses none beside it.
                failed += 1
                told.append({"file": str(each.path), "refused": str(error)})
                continue
            change = compare(lists.load(before), snapshot) if before is not None and new else None
            told.append({**_report(snapshot, stored, new, before, change), "log_entry": index})
        if ledger is not None and not (committed := ledger.try_commit()).accepted:
            for line in committed.trouble or ("too few witnesses have cosigned",):
                warn(f"  {line}")
    if as_json:
        print_json({"lists": told, "passed_over": [{"file": str(path), "reason": reason} for path, reason in passed]})
    else:
        for report in told:
            _print_report(report)
        for path, reason in passed:
            warn(f"passed over `{path}`: {reason}")
    if failed:
        raise typer.Exit(2)


@app.command()
def show(
    source: Annotated[str | None, typer.Argument(help="Which list; nothing shows the newest of every source.")] = None,
    home: HomeOption = DEFAULT_HOME,
    at: Annotated[
        str | None, typer.Option("--at", help="The list that was published then; the default is now.")
    ] = None,
    known_at: Annotated[str | None, typer.Option("--known-at", help="As known here at this time.")] = None,
    entry: Annotated[str | None, typer.Option("--entry", help="The publisher's number of one entry.")] = None,
    broken: Annotated[bool, typer.Option("--broken", help="Every row that could not be used.")] = False,
    as_json: OutputJson = False,
) -> None:
    """Show which lists are held, the snapshot that held at a time, or what it said of one entry.

    Exit code 1: the entry was not listed at that time.
    """
    place = Home.open(home)
    moment = instant_option(at, "--at")
    at_ns = time.time_ns() if moment is None else moment
    known = instant_option(known_at, "--known-at")
    known_ns = time.time_ns() if known is None else known
    with SanctionsLists.open(place) as lists:
        if source is None:
            if entry is not None or broken:
                raise InputError("--entry and --broken need a source", help="for instance: lists show us-ofac-sdn")
            held = [lists.snapshot_at(name, at_ns, known_at_ns=known_ns) for name in lists.sources()]
            _show_all([each for each in held if each is not None], as_json)
            return
        held_one = lists.snapshot_at(source, at_ns, known_at_ns=known_ns)
        if held_one is None:
            known_sources = ", ".join(lists.sources()) or "none"
            raise InputError(
                f"no list `{source[:80]}` was published and known by {format_instant(at_ns)}",
                help=f"sources here: {known_sources}; no list does not mean not listed",
            )
        snapshot = lists.load(held_one)
        history = lists.history(source)
    if entry is not None:
        _show_entry(snapshot, held_one, entry, as_json)
    elif broken:
        _show_broken(snapshot, as_json)
    else:
        _show_one(snapshot, held_one, history, as_json)


def _report(
    snapshot: ListSnapshot, stored: StoredSnapshot, new: bool, before: StoredSnapshot | None, change: Difference | None
) -> dict[str, Any]:
    report = {
        **_described(stored),
        "new": new,
        "files": [
            {"name": each.name, "sha256": each.sha256, "bytes": each.size, "rows": each.rows} for each in snapshot.files
        ],
        "kinds": dict(Counter(entry.kind.value for entry in snapshot.entries)),
        "names": sum(len(entry.names) for entry in snapshot.entries),
        "broken_by_reason": dict(Counter(row.reason for row in snapshot.broken)),
        "broken_rows": [_broken(row) for row in snapshot.broken[:_BROKEN_SHOWN]],
        "notes": list(snapshot.notes),
    }
    if before is not None and change is not None:
        report["since"] = format_instant(before.published_ns)
        report |= {name: len(getattr(change, name)) for name in ("added", "removed", "changed")}
        if len(snapshot.entries) < _SHRINKS_BELOW * before.entries:
            report["notes"].append(
                f"the list has {before.entries - len(snapshot.entries)} entries fewer than that of {report['since']}; "
                "check that it is whole"
            )
    return report


def _print_report(report: dict[str, Any]) -> None:
    if "refused" in report:
        warn(f"refused `{report['file']}`: {report['refused']}")
        return
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(report["kinds"].items(), key=lambda item: -item[1]))
    print_text(
        f"{report['source']} of {report['published']}: {report['entries']:,} entries ({kinds}), "
        f"{report['names']:,} names" + ("" if report["new"] else "; held already")
    )
    for each in report["files"]:
        print_text(f"  {each['name']}  {each['rows']:,} rows  {each['sha256']}")
    print_text(f"  snapshot {report['digest']}" + ("" if report["log_entry"] is None else f", log entry {report['log_entry']}"))
    if "since" in report:
        print_text(
            f"  since {report['since']}: {report['added']:,} added, {report['removed']:,} removed, "
            f"{report['changed']:,} changed"
        )
    for note in report["notes"]:
        warn(f"  {note}")
    if report["broken"]:
        warn(f"  {report['broken']:,} rows or fields could not be used:")
        for row in report["broken_rows"]:
            warn(f"    {_sentence(row)}")
        if report["broken"] > len(report["broken_rows"]):
            warn(f"    all of them: groundrule lists show {report['source']} --broken")


def _described(stored: StoredSnapshot) -> dict[str, Any]:
    return {
        "source": stored.source,
        "published": format_instant(stored.published_ns),
        "recorded": format_instant(stored.recorded_ns),
        "digest": stored.digest,
        "format": stored.format,
        "entries": stored.entries,
        "broken": stored.broken,
        "complete": stored.complete,
    }


def _broken(row: BrokenRow) -> dict[str, Any]:
    return {
        "file": row.file,
        "line": row.line,
        "field": row.field,
        "value": row.value,
        "reason": row.reason,
        "help": row.help,
        "uid": row.uid,
        "entry_kept": row.entry_kept,
    }


def _sentence(row: dict[str, Any]) -> str:
    field = f" {row['field']}" if row["field"] else ""
    kept = "; the entry is kept" if row["entry_kept"] else ""
    return f"{row['file']}:{row['line']}:{field} `{row['value'][:80]}`: {row['reason']}; {row['help']}{kept}"


def _show_all(held: list[StoredSnapshot], as_json: bool) -> None:
    rows = [_described(each) for each in held]
    if as_json:
        print_json(rows)
    elif not rows:
        print_text("No lists; import some with: groundrule lists import FILE")
    else:
        print_table(list(rows[0]), [list(row.values()) for row in rows])


def _show_one(snapshot: ListSnapshot, held: StoredSnapshot, history: list[StoredSnapshot], as_json: bool) -> None:
    if as_json:
        print_json(
            {
                **_described(held),
                "files": snapshot.manifest["files"],
                "notes": list(snapshot.notes),
                "history": [_described(each) for each in history],
            }
        )
        return
    print_text(
        f"{held.source} of {format_instant(held.published_ns)}: {held.entries:,} entries, {held.broken:,} broken"
    )
    print_text(f"  snapshot {held.digest}")
    for each in snapshot.files:
        print_text(f"  {each.name}  {each.rows:,} rows  {each.sha256}")
    for note in snapshot.notes:
        warn(f"  {note}")
    rows = [_described(each) for each in history]
    print_table(list(rows[0]), [list(row.values()) for row in rows], title="All snapshots of this source")


def _show_broken(snapshot: ListSnapshot, as_json: bool) -> None:
    rows = [_broken(row) for row in snapshot.broken]
    if as_json:
        print_json({"broken": snapshot.broken_total, "rows": rows})
        return
    for row in rows:
        print_text(_sentence(row))
    print_text(f"{snapshot.broken_total:,} rows or fields of {snapshot.source} {snapshot.published} could not be used.")


def _show_entry(snapshot: ListSnapshot, held: StoredSnapshot, uid: str, as_json: bool) -> None:
    entry = snapshot.by_uid.get(uid)
    if as_json:
        print_json(
            {"snapshot": _described(held), "uid": uid, "listed": entry is not None, "entry": entry and entry.value}
        )
    elif entry is None:
        print_text(f"`{uid[:80]}` is not on {held.source} of {format_instant(held.published_ns)}.")
    else:
        print_text(
            f"{held.source} of {format_instant(held.published_ns)} lists {uid}, {entry.kind.value}: {entry.name}"
        )
        for name in entry.names[1:]:
            print_text(f"  {name.strength.value} {name.kind.value}: {name.text}")
        value = entry.value
        for field in value:
            if field not in ("uid", "kind", "names"):
                print_text(f"  {field}: {_shown(value[field])}")
    if entry is None:
        raise typer.Exit(1)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(_shown(each) for each in value)
    if isinstance(value, dict):
        return " ".join(str(each) for each in value.values())
    return str(value)
