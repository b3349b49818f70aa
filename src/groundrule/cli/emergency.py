"""`groundrule emergency`: two persons, one direction, a narrow scope, at most 24 hours, reviewed or reverted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from groundrule.canon import parse_canonical
from groundrule.cli.documents import read_document
from groundrule.cli.envelopes import merge_envelopes, sign_shown, write_envelope
from groundrule.cli.governing import chosen, entry_of, governed, need_charter
from groundrule.cli.key import read_key
from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_table, print_text, warn
from groundrule.cli.passphrase import PassphraseFile
from groundrule.errors import InputError
from groundrule.govern.emergency import active, overdue_reviews, with_terminals
from groundrule.govern.objects import Emergency, EmergencyClose
from groundrule.govern.signed import COMMITTED, format_time, payload_type, whole_ms
from groundrule.instant import NS_PER_S, format_instant
from groundrule.pipeline.emergency_draft import committed_emergency, plain_emergency
from groundrule.pipeline.emergency_overlay import Clocks, monotonic_of, overlay_for_run
from groundrule.pipeline.governance_view import read_state
from groundrule.pipeline.parties import read_openings, write_openings
from groundrule.signing import open_envelope, sign_envelope
from groundrule.store.durable import write_durably
from groundrule.store.home import Home

app = typer.Typer(no_args_is_help=True, help="Act at once where a quorum would be too late: draft, sign, open, close, list.")
OPENINGS = ".openings"
"""Ends the name of the file beside a draft that names its terminals."""
MAX_WAIT_S = 900
"""How long `open` waits for the time of opening that both signed [s]."""


@app.command()
def draft(
    file: Annotated[Path, typer.Argument(help="openers, condition, areas, terminals, ops, direction, ttl_s: YAML or JSON.")],
    home: HomeOption = DEFAULT_HOME,
    within_s: Annotated[
        int, typer.Option("--in", min=0, max=MAX_WAIT_S, help="Opens this long from now [s]; both may sign until 15 min later.")
    ] = 0,
    out: Annotated[Path, typer.Option("--out", help="Where the exact bytes go that both sign.")] = Path("emergency.json"),
    as_json: OutputJson = False,
) -> None:
    """Make the exact bytes of an emergency; empty lists mean nothing, never everything."""
    written = read_document(file)
    place = Home.open(home)
    state = read_state(place)
    need_charter(state)
    plain = plain_emergency(state, written, time.time_ns() + within_s * NS_PER_S)
    with place.writer():
        made = committed_emergency(place, plain)
        beside = write_openings(place, made.scope.terminals, out.with_name(out.name + OPENINGS))
    write_durably(out, made.data)
    if as_json:
        print_json({"emergency": made.id, "file": str(out), "digest": made.digest, "opens": format_instant(made.opened_at)})
        return
    _print(made, plain)
    if beside:
        print_text(f"The log holds commitments in place of terminals; {out}{OPENINGS} names them: give it with {out}, to nobody else")
    print_text(f"Written: {out}. Both openers: groundrule emergency sign {out} --key FILE --out NAME.sig")


@app.command()
def sign(
    file: Annotated[Path, typer.Argument(help="The bytes that `emergency draft` wrote.")],
    key: Annotated[Path, typer.Option("--key", help="Your private key file.")],
    out: Annotated[Path, typer.Option("--out", help="Where your signature goes.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether to sign what was shown.")] = False,
    passphrase_file: PassphraseFile = None,
    as_json: OutputJson = False,
) -> None:
    """Show an emergency and sign it, on your own machine."""
    made = Emergency.parse(parse_canonical(file.read_bytes()))
    shown = with_terminals(made, read_openings(file.with_name(file.name + OPENINGS)))
    if any(each.startswith(COMMITTED) for each in shown.scope.terminals):
        raise InputError(f"`{file}` does not say which terminals it is about", help=f"bring {file.name}{OPENINGS} beside it")
    if not as_json:
        _print(made, shown)
    sign_shown(made, "emergency", key, out, yes=yes, passphrase_file=passphrase_file)
    if as_json:
        print_json({"signature": str(out), "digest": made.digest})
        return
    print_text(f"Signed: {out}")


@app.command(name="open")
def open_(
    signatures: Annotated[list[Path], typer.Argument(help="What both openers signed with: emergency sign.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Open an emergency within 15 minutes of the time that both signed, from which it counts: logged before it has an effect."""
    envelope = merge_envelopes(signatures)
    made = Emergency.parse_bytes(open_envelope(envelope, (), payload_type("emergency"))[0])
    wait_s = (made.opened_at - time.time_ns()) / NS_PER_S
    if wait_s > MAX_WAIT_S:
        raise InputError(f"it opens only at {format_instant(made.opened_at)}", help="draft one that opens now")
    if wait_s > 0:
        warn(f"Waiting {wait_s:.0f} s for the time that both signed.")
        time.sleep(wait_s)
    with governed(home) as governance:
        logged = governance.emergency_open(envelope)
        # Loaded at once: its time runs by every clock from now on, and it holds with the log out of reach.
        overlay_for_run(governance.home, governance.ledger, Clocks.now())
    if as_json:
        print_json({"index": logged.index, "witnessed": logged.witnessed, **made.value})
        return
    print_text(f"Open: {made.id}, {entry_of(logged)}, until {format_instant(made.opened_at + made.ttl_s * NS_PER_S)}")
    print_text(f"  The review is due by {format_instant(made.review_due)}; without it everything from it reverts.")
    if not logged.witnessed:
        warn("  No quorum of witnesses has seen it yet: it counts as an unwitnessed emergency until they have.")


@app.command()
def close(
    emergency: Annotated[str, typer.Argument(help="Id of the emergency, or how it begins.")],
    key: Annotated[Path, typer.Option("--key", help="Private key of a person of role emergency.")],
    home: HomeOption = DEFAULT_HOME,
    out: Annotated[
        Path | None, typer.Option("--out", help="Only sign, without a home: the signed end goes here, to be handed in; needs the whole id.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    as_json: OutputJson = False,
) -> None:
    """End an emergency before its time."""
    signer = read_key(key, passphrase_file)
    if out is not None:
        made = EmergencyClose.parse({"emergency": emergency, "end": "closed", "at": format_time(whole_ms(time.time_ns()))})
        write_envelope(out, sign_envelope(made.data, payload_type("emergency-close"), [signer]))
        if as_json:
            print_json({"signature": str(out), **made.value})
            return
        print_text(f"Signed: {out}; it ends {emergency} once it is handed in")
        return
    with governed(home) as governance:
        found = chosen(emergency, governance.state.emergencies, "emergency")
        made = EmergencyClose.parse({"emergency": found, "end": "closed", "at": format_time(whole_ms(time.time_ns()))})
        logged = governance.emergency_close(sign_envelope(made.data, payload_type("emergency-close"), [signer]))
    if as_json:
        print_json({"index": logged.index, **made.value})
        return
    print_text(f"Closed: {found}, {entry_of(logged)}; its review stays due")


@app.command(name="list")
def list_(home: HomeOption = DEFAULT_HOME, as_json: OutputJson = False) -> None:
    """List emergencies: active, ended, reviewed or overdue."""
    place, clocks = Home.open(home), Clocks.now()
    state, now_ns = read_state(place), clocks.wall_ns
    running = {each.id for each in active(state, now_ns, monotonic_of(place, clocks))}
    late = set(overdue_reviews(state, now_ns))
    rows: list[dict[str, Any]] = [
        {
            **logged.emergency.value,
            "index": logged.index,
            "state": "active" if id_ in running else logged.closed.end if logged.closed else "expired",
            "review": state.verdict_on(id_) or ("OVERDUE" if id_ in late else "due"),
        }
        for id_, logged in state.emergencies.items()
    ]
    if as_json:
        print_json({"emergencies": rows})
        return
    print_table(
        ["emergency", "entry", "condition", "direction", "opened", "state", "review"],
        [[r["id"][:22], r["index"], r["condition"], r["direction"], r["opened_at"], r["state"], r["review"]] for r in rows],
    )


def _print(made: Emergency, shown: Emergency) -> None:
    """Show an emergency.

    Args:
        made: what is signed.
        shown: the same with its terminals by name.
    """
    print_text(f"Emergency {made.id}, {made.direction}, because of {made.condition}", style="bold")
    print_text(f"  {', '.join(made.scope.ops)} for {', '.join((*shown.scope.areas, *shown.scope.terminals))}")
    print_text(f"  from {format_instant(made.opened_at)} for {made.ttl_s:,} s; then policy {made.auto_revert_digest[:16]}… again")
    print_text(f"  review due by {format_instant(made.review_due)}; sha256 {made.digest}")
