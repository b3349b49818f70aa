"""`groundrule snapshot`: the policy as enforcement points load it, signed by several persons; and what a point accepts."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Annotated

import typer

from groundrule.canon import parse_canonical
from groundrule.cli.envelopes import merge_envelopes, sign_shown
from groundrule.cli.governing import entry_of, governed
from groundrule.cli.ledger import committed_dict, print_committed
from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_table, print_text, warn
from groundrule.cli.passphrase import PassphraseFile
from groundrule.errors import InputError
from groundrule.govern.bootstrap import BOOTSTRAP_TYPE, Bootstrap
from groundrule.govern.snapshot import REGISTERS, Snapshot
from groundrule.instant import format_instant
from groundrule.pipeline.emergency_overlay import Clocks
from groundrule.pipeline.enforcement_point import Point
from groundrule.pipeline.governance_view import read_state
from groundrule.pipeline.home_ledger import HomeLedger
from groundrule.pipeline.point_merge import merge_point
from groundrule.pipeline.publishing import (
    BOOTSTRAP_FILE,
    DEFAULT_DAYS,
    SNAPSHOT_FILE,
    draft_bootstrap,
    draft_snapshot,
    publish,
    publish_bootstrap,
)
from groundrule.store.durable import write_durably
from groundrule.store.home import Home

app = typer.Typer(no_args_is_help=True, help="Sign the policy for enforcement points: draft, sign, publish; verify and show at a point.")
PointOption = Annotated[Path, typer.Option("--point", help="Folder of the enforcement point.")]


@app.command()
def draft(
    home: HomeOption = DEFAULT_HOME,
    days: Annotated[int, typer.Option("--days", min=1, max=31, help="Until it expires.")] = DEFAULT_DAYS,
    out: Annotated[Path, typer.Option("--out", help="Where the exact bytes go that all sign.")] = Path("snapshot.json"),
    bootstrap: Annotated[
        bool, typer.Option("--bootstrap", help="Of the bootstrap policy, for new points: landing rights and protected terminals.")
    ] = False,
    as_json: OutputJson = False,
) -> None:
    """Make the exact bytes of a snapshot of what is in force, with the next number; or of the bootstrap policy that follows from it."""
    place = Home.open(home)
    if bootstrap:
        drawn = draft_bootstrap(place, now_ns=time.time_ns())
        write_durably(out, drawn.data)
        if as_json:
            print_json({"bootstrap": str(out), "digest": drawn.digest, "expires": format_instant(drawn.expires)})
            return
        _print_bootstrap(drawn)
        print_text(f"Written: {out}. Persons of role policy: groundrule snapshot sign {out} --key FILE --out NAME.sig")
        return
    made = draft_snapshot(place, read_state(place), now_ns=time.time_ns(), days=days)
    write_durably(out, made.data)
    if as_json:
        print_json({"snapshot": str(out), "digest": made.digest, "seq": made.seq, "expires": format_instant(made.expires)})
        return
    _print(made)
    print_text(f"Written: {out}. Persons of role policy: groundrule snapshot sign {out} --key FILE --out NAME.sig")


@app.command()
def sign(
    file: Annotated[Path, typer.Argument(help="The bytes that `snapshot draft` wrote.")],
    key: Annotated[Path, typer.Option("--key", help="Your private key file.")],
    out: Annotated[Path, typer.Option("--out", help="Where your signature goes.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether to sign what was shown.")] = False,
    passphrase_file: PassphraseFile = None,
    as_json: OutputJson = False,
) -> None:
    """Show a snapshot and sign it, on your own machine."""
    value = parse_canonical(file.read_bytes())
    made: Snapshot | Bootstrap
    if isinstance(value, dict) and "of_policy" in value:
        made = Bootstrap.parse(value)
        if not as_json:
            _print_bootstrap(made)
        sign_shown(made, "bootstrap", key, out, yes=yes, passphrase_file=passphrase_file)
    else:
        made = Snapshot.parse(value)
        if not as_json:
            _print(made)
        sign_shown(made, "snapshot", key, out, yes=yes, passphrase_file=passphrase_file)
    if as_json:
        print_json({"signature": str(out), "digest": made.digest})
        return
    print_text(f"Signed: {out}")


@app.command(name="publish")
def publish_(
    signatures: Annotated[list[Path], typer.Argument(help="What the persons signed with: snapshot sign.")],
    home: HomeOption = DEFAULT_HOME,
    out: Annotated[Path, typer.Option("--out", help="Folder for enforcement points.")] = Path("published"),
    as_json: OutputJson = False,
) -> None:
    """Put a signed snapshot on record, and write what enforcement points load: snapshot, content, charters, emergencies.

    Signatures of a bootstrap policy write that instead.
    """
    envelope = merge_envelopes(signatures)
    if envelope.get("payloadType") == BOOTSTRAP_TYPE:
        place = Home.open(home)
        drawn = publish_bootstrap(place, read_state(place), envelope, out, now_ns=time.time_ns())
        if as_json:
            print_json({"bootstrap": True, "digest": drawn.digest, "out": str(out)})
            return
        print_text(f"Published: bootstrap policy {drawn.policy_digest}, until {format_instant(drawn.expires)}")
        print_text(f"  {out / BOOTSTRAP_FILE}; it follows from the rulebook in force, and changes nothing in the home")
        return
    with governed(home) as governance:
        made, logged = publish(governance, envelope, out)
    if as_json:
        print_json({"seq": made.seq, "digest": made.digest, "index": logged.index, "out": str(out)})
        return
    print_text(f"Published: number {made.seq}, {entry_of(logged)}, until {format_instant(made.expires)}")
    print_text(f"  {out / SNAPSHOT_FILE} with its content; whoever carries the folder need not be trusted")


@app.command()
def verify(
    source: Annotated[Path, typer.Argument(help="Folder that `snapshot publish` wrote.")],
    point: PointOption,
    pin: Annotated[
        str | None, typer.Option("--pin", help="SHA-256 of the first charter to trust, learnt by another way; new points only.")
    ] = None,
    as_json: OutputJson = False,
) -> None:
    """Do what an enforcement point does: accept what is signed, newer and in time, refuse the rest with the reason; 1 if so."""
    if not source.is_dir():
        raise InputError(f"there is no folder `{source}`", help="name what `groundrule snapshot publish` wrote")
    if point.exists() and not point.is_dir():
        raise InputError(f"`{point}` is no folder", help="name the folder of an enforcement point, or a new one", option="--point")
    if pin is not None and re.fullmatch("[0-9a-f]{64}", pin) is None:
        raise InputError("--pin is no SHA-256", help="64 hex digits, as `groundrule charter show` prints them", option="--pin")
    clocks = Clocks.now()
    held = Point.open(point)
    made = held.take(source, clocks, pin=pin)
    status = held.status(clocks)
    if as_json:
        refused = [{"file": file, "code": code, "sentence": sentence} for file, code, sentence in made.refused]
        print_json({"accepted": made.accepted, "refused": refused, **status})
    else:
        for line in made.accepted or ([] if made.refused else ["nothing new"]):
            print_text(f"Accepted: {line}", style="green")
        for file, code, sentence in made.refused:
            warn(f"Refused: {file}: {sentence} ({code})")
        if made.refused and status["snapshot"]:
            print_text(f"The last good snapshot goes on: number {status['snapshot']['seq']}, {status['staleness_s']:,} s old")
    if made.refused:
        raise typer.Exit(1)


@app.command()
def show(point: PointOption, as_json: OutputJson = False) -> None:
    """Show what an enforcement point holds and how old it is; exits 1 where there is no snapshot, or it has expired."""
    status = _there(point).status(Clocks.now())
    snapshot = status["snapshot"]
    if as_json:
        print_json(status)
    elif snapshot is None:
        print_text("No snapshot was accepted here.")
    else:
        print_text(f"Snapshot {snapshot['seq']}, policy {snapshot['policy_digest']}", style="bold")
        print_text(f"  issued {snapshot['issued']}, {status['staleness_s']:,} s ago; expires {snapshot['expires']}")
        if status["expired"]:
            print_text("EXPIRED: it stays in use as the last good one; bring a newer one", style="red")
        for each in status["emergencies"]:
            print_text(f"  emergency {each['id']}, {each['direction']}, from {each['opened_at']} for {each['ttl_s']:,} s")
    if snapshot is None or status["expired"]:
        raise typer.Exit(1)


@app.command()
def merge(point: PointOption, home: HomeOption = DEFAULT_HOME, as_json: OutputJson = False) -> None:
    """Put what a point decided without the log into the log of the home, in order, each with its own time; 1 if it must wait."""
    place = Home.open(home)
    _there(point)
    with place.writer(), HomeLedger.open(place) as ledger:
        rows = merge_point(point, ledger)
        committed = ledger.try_commit()
    if as_json:
        print_json({"merged": rows, "log": committed_dict(committed)})
    else:
        print_text(f"Merged: {rows:,} rows of the journal of {point}")
        print_committed(committed)
    if not committed.accepted:
        raise typer.Exit(1)


def _there(folder: Path) -> Point:
    if not folder.is_dir():
        raise InputError(
            f"there is no enforcement point at `{folder}`", option="--point",
            help="make one with: groundrule snapshot verify FOLDER --point DIR",
        )  # fmt: skip
    return Point.open(folder)


def _print(made: Snapshot) -> None:
    print_text(f"Snapshot {made.seq} of policy {made.policy_digest}", style="bold")
    print_text(f"  from {format_instant(made.issued)} until {format_instant(made.expires)}, by log entry {made.enactment_index}")
    print_table(
        ["object", "type", "sha256", "content, bytes"],
        [
            *([each.id, each.type, each.sha256[:16], made.objects[each.id].size] for each in made.manifest.objects),
            *([name, "extract", each.sha256[:16], each.size] for name, each in made.objects.items() if name == REGISTERS),
        ],
    )
    print_text(f"  sha256 {made.digest}")


def _print_bootstrap(made: Bootstrap) -> None:
    print_text(f"Bootstrap policy {made.policy_digest}, drawn from policy {made.of_policy}", style="bold")
    print_text(f"  from {format_instant(made.issued)} until {format_instant(made.expires)}")
    print_text("  denials for want of landing rights, and service of protected terminals; nothing else")
    print_text(f"  sha256 {made.digest}")
