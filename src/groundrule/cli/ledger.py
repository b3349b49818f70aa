"""`groundrule ledger`: the log of a home, its receipts, and the duties that come with it."""

from __future__ import annotations

import json
import os
import shlex
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from groundrule.canon import canonical_json
from groundrule.cli import ledger_aggregate, ledger_audit, ledger_key, ledger_log, ledger_witness
from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_table, print_text, warn
from groundrule.cli.rules import instant_option
from groundrule.errors import ConflictError, InputError, StoreError
from groundrule.instant import format_instant
from groundrule.ledger.policy import Policy
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.home_ledger import (
    Committed,
    HomeLedger,
    LedgerSetup,
    append_items,
    has_ledger,
    keys_folder,
    log_folder,
    policy_of,
    set_policy,
)
from groundrule.pipeline.ledger_duties import beat, erase, log_due_erasures, seal, unseal
from groundrule.pipeline.ledger_state import state_of
from groundrule.pipeline.receipts import issue_receipt
from groundrule.store.home import Home
from groundrule.store.records import RecordStore

app = typer.Typer(no_args_is_help=True, help="The tamper-evident log: prove, verify, audit, witness.")
app.command(name="verify")(ledger_audit.verify)
app.command(name="fsck")(ledger_audit.fsck)
app.command(name="monitor")(ledger_audit.monitor)
app.command(name="witness")(ledger_witness.witness)
app.command(name="conform")(ledger_witness.conform)
app.command(name="aggregate")(ledger_aggregate.aggregate)
app.add_typer(ledger_key.app, name="key")

MINUTE_S = 60

LogOption = Annotated[
    Path | None, typer.Option("--log", help="Folder of a log of its own, instead of that of a home.")
]
KeysOption = Annotated[Path | None, typer.Option("--keys", help="File with the private keys of the log in --log.")]


class For(StrEnum):
    """For whom a receipt is."""

    OPERATOR = "operator"
    OWNER = "owner"


@app.command()
def init(
    home: HomeOption = DEFAULT_HOME,
    log: LogOption = None,
    keys: KeysOption = None,
    origin: Annotated[
        str | None, typer.Option("--origin", help="Name of the log: the address it will have, without https://.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", help="Policy file with the log's keys, witnesses and quorum.")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="A log of any bytes, not of Groundrule's entries; with --log.")] = False,
    as_json: OutputJson = False,
) -> None:
    """Give a home that has none a log, or make a log of its own with --log. `groundrule init` does this for new homes."""
    if log is not None:
        result = ledger_log.make(log, keys=keys, origin=origin, policy=policy, raw=raw)
    else:
        place = Home.open(home)
        setup = LedgerSetup(origin, None, ledger_log.read_text(policy) if policy else None)
        with place.writer(), HomeLedger.create(place, rulebook=rulebook_of(place).digest, setup=setup) as made:
            committed = made.commit()
            result = {
                "log": str(log_folder(place)), "origin": made.log.origin, "keys": str(keys_folder(place)),
                "vkeys": [str(key) for key in made.policy.log_keys], "size": committed.size,
            }  # fmt: skip
    if as_json:
        print_json(result)
        return
    print_text(f"Log {result['log']} of {result['origin']} is ready.")
    for vkey in result["vkeys"]:
        print_text(f"  key {vkey[:120]}{'…' if len(vkey) > 120 else ''}")
    print_text(f"  private keys in {result['keys']}: keep them apart from the log, and a copy in a safe")
    print_text("Next: find witnesses, and name them with: groundrule ledger policy FILE (docs/witness.md)")


@app.command()
def status(home: HomeOption = DEFAULT_HOME, as_json: OutputJson = False) -> None:
    """Say how long the log is, who has witnessed it, and what is due."""
    result = state_of(Home.open(home), now_ns=time.time_ns())
    if as_json:
        print_json(result)
        return
    print_text(f"{result['origin']}: {result['entries']:,} entries, {result['published']:,} published")
    if result["quorum"] == "none":
        warn("No witnesses are asked for: outsiders can check the log, but not that all were shown the same one.")
    elif not result["witnessed"]:
        warn("UNWITNESSED: the published checkpoint lacks its quorum.")
    for name, seen in result["witnesses"].items():
        print_text(f"  witnessed by {name} at {seen}")
    counts = result["records"]
    print_text(f"  {counts['records']:,} records in {counts['batches']:,} batches, {counts['erased']:,} erased")
    if counts["pending"] or result["entries"] > result["published"]:
        warn(f"  {result['entries'] + counts['pending'] - result['published']:,} entries wait: groundrule ledger checkpoint")
    for item in result["overdue"]:
        warn(f"  OVERDUE by {item['days']} days: sealed {item['kind']} {item['commitment']}")


@app.command()
def append(
    file: Annotated[Path, typer.Argument(help="JSON lines, each with kind, body and perhaps stream.")],
    home: HomeOption = DEFAULT_HOME,
    log: LogOption = None,
    raw: Annotated[bool, typer.Option("--raw", help="Each line is one entry as it is; with --log.")] = False,
    as_json: OutputJson = False,
) -> None:
    """Append entries, durably: all of a file or, if one of them cannot be an entry, none."""
    if log is not None:
        first, size = ledger_log.append(log, file, raw=raw)
        count = size - first
    else:
        items = ledger_log.read_items(file, by_hand=True)
        place = Home.open(home)
        with place.writer(), HomeLedger.open(place) as ledger:
            count = append_items(ledger, items)
            size = ledger.log.size
    if as_json:
        print_json({"appended": count, "size": size})
        return
    print_text(f"{count:,} entries appended; the log has {size:,}. Publish them with: groundrule ledger checkpoint")


@app.command()
def checkpoint(
    home: HomeOption = DEFAULT_HOME,
    log: LogOption = None,
    keys: KeysOption = None,
    patience_s: Annotated[
        int, typer.Option("--patience-s", min=0, help="How long to try for a quorum before publishing without it [s].")
    ] = 60,
    out: Annotated[Path | None, typer.Option("--out", help="Also write the checkpoint into this file.")] = None,
    as_json: OutputJson = False,
) -> None:
    """Sign the log as it stands, ask the witnesses, and publish; exits 1 if the quorum was not reached."""
    if log is not None:
        found = ledger_log.commit(log, keys=keys, patience_s=patience_s)
    else:
        place = Home.open(home)

        def attempt(wait_s: int) -> Committed:
            with place.writer(), HomeLedger.open(place) as ledger:
                log_due_erasures(ledger)
                return ledger.commit(patience_s=wait_s)

        found = ledger_log.patiently(attempt, patience_s)
    if out:
        out.write_bytes(found.checkpoint)
    if as_json:
        print_json(committed_dict(found))
    else:
        print_text(found.checkpoint.decode("utf-8", "backslashreplace"))
        print_committed(found)
    if not found.accepted:
        raise typer.Exit(1)


@app.command()
def prove(
    terminal: Annotated[str | None, typer.Argument(help="Terminal whose decision is to be proved.")] = None,
    home: HomeOption = DEFAULT_HOME,
    at: Annotated[str | None, typer.Option("--at", help="The last decision up to this time; the default is the latest.")] = None,
    recipient: Annotated[
        For, typer.Option("--for", help="Owners get their answer without what was measured and how.")
    ] = For.OPERATOR,
    fields: Annotated[str | None, typer.Option("--fields", help="Open only these fields: outcome,reasons,rule")] = None,
    entry: Annotated[int | None, typer.Option("--entry", min=0, help="Prove one entry of the log instead.")] = None,
    log: LogOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="File of the receipt; TERMINAL.tlog-proof by default.")] = None,
    as_json: OutputJson = False,
) -> None:
    """Write the receipt of a decision, or the proof of an entry: a file that verifies without us."""
    if (terminal is None) == (entry is None):
        raise InputError("what is to be proved?", help="name a terminal, or an entry with --entry")
    if terminal is not None and log is not None:
        raise InputError("a terminal's decision is proved from its home", help="use --home, or --entry with --log")
    if entry is not None:
        place = log or log_folder(Home.open(home))
        path = out or Path(f"entry-{entry}.tlog-proof")
        data, proof = ledger_log.prove(place, entry)
        beside = path.with_suffix(".entry")
        if beside == path:
            raise InputError(f"the entry itself is written to `{beside}`", help="name the proof otherwise, with --out")
        path.write_bytes(proof)
        beside.write_bytes(data)
        result: dict[str, Any] = {"proof": str(path), "entry": str(beside), "index": entry}
        command = shlex.join(["groundrule", "ledger", "verify", str(path), "--entry", str(beside), "--policy", str(place / "policy")])
    else:
        assert terminal is not None
        chosen = [name.strip() for name in fields.split(",")] if fields else None
        opened = Home.open(home)
        issued = issue_receipt(
            opened, terminal, at_ns=instant_option(at, "--at"), recipient=recipient.value, fields=chosen
        )
        path = out or Path(f"{_file_name(terminal)}.tlog-proof")
        write_private(path, issued.proof)
        result = {
            "receipt": str(path), "terminal": issued.terminal_id, "observed_at": format_instant(issued.observed_at_ns),
            "since": format_instant(issued.since_ns), "entry": issued.batch_index, "size": issued.size, "fields": issued.fields,
            "erased": issued.erased,
        }  # fmt: skip
        command = shlex.join(["groundrule", "ledger", "verify", str(path), "--policy", str(log_folder(opened) / "policy")])
    if as_json:
        print_json(result)
        return
    if entry is None:
        print_text(
            f"{result['terminal']} at {result['observed_at']}: {result['fields'].get('outcome', 'closed')}, "
            f"{'as said' if result['erased'] else 'unchanged since'} {result['since']}; "
            f"entry {result['entry']} of {result['size']:,}"
        )
        if result["erased"]:
            warn(f"{result['erased']:,} records of this terminal were erased; they may have said something else in between")
    print_text(f"Written: {path}. Anybody verifies it with the log's policy file and nothing else of ours:")
    print_text(f"  {command}")


@app.command()
def policy(
    file: Annotated[Path | None, typer.Argument(help="New policy file; without it, the present one is printed.")] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Show or replace whom the log's readers are to trust: its keys, its witnesses and their quorum."""
    place = Home.open(home)
    if file is not None:
        with place.writer():
            set_policy(place, file.read_bytes())
    found: Policy = policy_of(place)
    if as_json:
        print_json(
            {
                "logs": [str(key) for key in found.log_keys],
                "witnesses": {name: {"vkey": str(ref.key), "url": ref.url} for name, ref in found.witnesses.items()},
                "quorum": found.quorum or "none",
                "quorums_intersect": found.quorums_intersect,
            }
        )
        return
    print_text((log_folder(place) / "policy").read_text("utf-8").rstrip("\n"))
    if found.quorum is None:
        warn("quorum none: nobody outside has to see the log before it counts as published")
    elif not found.quorums_intersect:
        warn("two quorums need not share a witness, so two versions of the log could both be witnessed")


@app.command(name="seal")
def seal_(
    file: Annotated[Path, typer.Argument(help="What is to be sealed: JSON or YAML, for instance a rule.")],
    disclose_by: Annotated[str, typer.Option("--disclose-by", help="Day on which it must be opened, at most 180 days ahead.")],
    kind: Annotated[str, typer.Option("--kind", help="What it is, in public words.")],
    custodian: Annotated[list[str], typer.Option("--custodian", help="Who keeps it, in public words; may be repeated.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Commit to something that must stay closed for a time, with the day on which it has to be opened."""
    due = instant_option(disclose_by, "--disclose-by")
    assert due is not None
    place = Home.open(home)
    with place.writer(), HomeLedger.open(place) as ledger:
        commitment = seal(ledger, _document(file), kind=kind, disclose_by_ns=due, custodians=custodian)
        committed = ledger.try_commit()
    if as_json:
        print_json({"commitment": commitment, "disclose_by": format_instant(due), **committed_dict(committed)})
        return
    print_text(f"Sealed under {commitment} until {format_instant(due)}; give the custodians a copy of {file}.")
    print_committed(committed)


@app.command(name="unseal")
def unseal_(
    commitment: Annotated[str, typer.Argument(help="The commitment, or how it begins.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Open sealed content: it is published with its salt, so that all can see that it is what was sealed."""
    place = Home.open(home)
    with place.writer(), HomeLedger.open(place) as ledger:
        body = unseal(ledger, commitment)
        committed = ledger.try_commit()
    if as_json:
        print_json({**body, **committed_dict(committed)})
        return
    print_text(f"Opened {body['commitment']}:")
    print_text(canonical_json(body["content"]).decode())
    print_committed(committed)


@app.command(name="erase")
def erase_(
    subject: Annotated[str, typer.Argument(help="account:ID, or terminal:ID of a terminal without account.")],
    basis: Annotated[str, typer.Option("--basis", help="Legal basis; it is published, so it names no person.")],
    month: Annotated[
        list[str] | None, typer.Option("--month", help="Month as YYYY-MM, may be repeated; the default is all.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: OutputJson = False,
) -> None:
    """Destroy the keys and records of a subject: nothing in the log can be opened about it again. Cannot be undone."""
    if not yes and not typer.confirm(f"Destroy what can be proved about {subject} for ever?", err=True):
        raise typer.Exit(1)
    place = Home.open(home)
    with place.writer(), HomeLedger.open(place) as ledger:
        done = erase(ledger, subject, months=month or [], basis=basis)
    if as_json:
        print_json({"subject": subject, "months": list(done.months), "records": done.records})
        return
    print_text(
        f"{done.records:,} records of {', '.join(done.months)} erased. Each is logged as an opaque leaf at a random time "
        "within 30 days, by `ledger heartbeat` or `ledger checkpoint`."
    )
    print_text("Backups that hold the keys or the records must forget them within 30 days, too.")
    print_text("Observations and decisions in the home's history stay; they go with: groundrule history erase")


@app.command()
def hold(
    subject: Annotated[str, typer.Argument(help="account:ID or terminal:ID.")],
    until: Annotated[str, typer.Option("--until", help="Until when nothing may be erased.")],
    reason: Annotated[str, typer.Option("--reason", help="Which proceeding it is for; it can be told to the subject.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Forbid the erasure of what concerns a subject until a day."""
    end = instant_option(until, "--until")
    assert end is not None
    if not subject.startswith(("account:", "terminal:")) or subject.endswith(":"):
        raise InputError(f"`{subject[:80]}` names no subject", help="write account:ID or terminal:ID")
    if end <= time.time_ns():
        raise InputError(f"a hold that ended at {format_instant(end)}", help="name a day after now")
    place = Home.open(home)
    with place.writer(), RecordStore.open(place.path / "records.sqlite") as records:
        made = records.duties.hold(subject, end, reason)
    if as_json:
        print_json({"hold": made.id, "subject": subject, "until": format_instant(end), "reason": reason})
        return
    print_text(f"Hold {made.id}: nothing of {subject} is erased before {format_instant(end)}.")


@app.command()
def heartbeat(
    home: HomeOption = DEFAULT_HOME,
    follow: Annotated[bool, typer.Option("--follow", help="Beat every minute until stopped.")] = False,
    as_json: OutputJson = False,
) -> None:
    """Write this minute's heartbeat and whatever is due, and publish: a monitor sees a suppressed minute as a gap."""
    place = Home.open(home)
    while True:
        try:
            with place.writer(), HomeLedger.open(place) as ledger:
                minute = beat(ledger)
                committed = ledger.try_commit()
        except (ConflictError, StoreError) as error:
            # Another command is writing, or the disk is full: both pass, and this one must not end with them.
            if not follow:
                raise
            warn(f"no heartbeat in this minute: {error}")
        else:
            if as_json:
                print_json({"minute": minute, **committed_dict(committed)})
            else:
                print_text(f"{minute}: {committed.size:,} entries")
                print_committed(committed)
            if not follow:
                return
        time.sleep(MINUTE_S - time.time() % MINUTE_S)


def committed_dict(found: Committed) -> dict[str, Any]:
    """What became of the log, as JSON."""
    return {
        "size": found.size,
        "witnessed": found.witnessed,
        "accepted": found.accepted,
        "published": found.published,
        "trouble": list(found.trouble),
        "failed": found.failed,
    }


def print_committed(found: Committed) -> None:
    """Say where the log stands, and what its witnesses did not do."""
    for line in found.trouble:
        warn(f"  {line}")
    if found.failed is not None:
        warn(f"Log: nothing could be signed: {found.failed}")
        warn("What was recorded waits in the home; see: groundrule ledger fsck, groundrule ledger status")
        return
    if found.witnessed:
        print_text(f"Log: {found.size:,} entries, witnessed.")
    elif found.accepted:
        print_text(f"Log: {found.size:,} entries, published; its policy asks for no witness.")
    elif found.published:
        warn(f"Log: {found.size:,} entries, published UNWITNESSED.")
    else:
        warn(f"Log: {found.size:,} entries wait for their quorum of witnesses; try again: groundrule ledger checkpoint")


def ledger_state(home: Home) -> dict[str, Any] | None:
    """What `init` says about the log; None where there is none."""
    if not has_ledger(home):
        return None
    found = policy_of(home)
    return {
        "log": str(log_folder(home)), "keys": str(keys_folder(home)), "origin": found.logs[0].key.name,
        "quorum": found.quorum or "none",
    }  # fmt: skip


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read: a receipt says where somebody was."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)


def _document(file: Path) -> Any:
    text = ledger_log.read_text(file)
    try:
        return json.loads(text) if file.suffix == ".json" else json.loads(json.dumps(yaml.safe_load(text), default=str))
    except (ValueError, yaml.YAMLError) as error:
        raise InputError(f"`{file}` is neither JSON nor YAML", help=str(error).splitlines()[0]) from error


def _file_name(terminal: str) -> str:
    kept = "".join(char if (char.isascii() and char.isalnum()) or char in "-_" else "-" for char in terminal)[:80]
    return kept.strip("-") or "receipt"


__all__ = ["app", "committed_dict", "ledger_state", "print_committed", "print_table"]
