"""`groundrule charter`: who may decide. Drafted as a document, signed by each root person, then taken into force."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from groundrule.canon import parse_canonical
from groundrule.cli.documents import read_document, with_times
from groundrule.cli.envelopes import merge_envelopes, sign_shown
from groundrule.cli.governing import governed
from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_table, print_text
from groundrule.cli.passphrase import PassphraseFile
from groundrule.govern.charter import Charter
from groundrule.govern.rotation import read_charter
from groundrule.instant import format_instant
from groundrule.pipeline.charter_draft import draft_charter
from groundrule.pipeline.governance_view import current_policy, read_state
from groundrule.store.durable import write_durably
from groundrule.store.home import Home

app = typer.Typer(no_args_is_help=True, help="Who may decide what together: draft, sign, take into force, show, rotate.")
Signatures = Annotated[list[Path], typer.Argument(help="What each root person signed with: charter sign.")]


@app.command()
def draft(
    file: Annotated[Path, typer.Argument(help="Persons, roles and what differs from the defaults: YAML or JSON.")],
    home: HomeOption = DEFAULT_HOME,
    out: Annotated[Path, typer.Option("--out", help="Where the exact bytes go that all sign.")] = Path("charter.json"),
    as_json: OutputJson = False,
) -> None:
    """Make the exact bytes of a charter, checked against every bound and floor. The next version, if there is one."""
    place = Home.open(home)
    state = read_state(place)
    value = with_times(read_document(file), ("issued", "expires"), file=file)
    made = draft_charter(
        value,
        vkey_of=lambda name: _vkey(file.parent / name),
        now_ns=time.time_ns(),
        version=1 if state.charter is None else state.charter.version + 1,
        policy_digest=current_policy(place) if state.charter is None else None,
    )
    write_durably(out, made.data)
    if as_json:
        print_json({"charter": str(out), "digest": made.digest, "version": made.version, "expires": format_instant(made.expires)})
        return
    _print(made)
    print_text(f"Written: {out}, sha256 {made.digest}. Each root person signs it on an own machine:")
    print_text(f"  groundrule charter sign {out} --key FILE --out NAME.sig")


@app.command()
def sign(
    file: Annotated[Path, typer.Argument(help="The bytes that `charter draft` wrote.")],
    key: Annotated[Path, typer.Option("--key", help="Your private key file.")],
    out: Annotated[Path, typer.Option("--out", help="Where your signature goes.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether to sign what was shown.")] = False,
    passphrase_file: PassphraseFile = None,
    as_json: OutputJson = False,
) -> None:
    """Show a charter and sign it, on your own machine."""
    made = _read(file)
    if not as_json:
        _print(made)
    signer = sign_shown(made, "charter", key, out, yes=yes, passphrase_file=passphrase_file)
    person = made.person_of(signer.public, max(time.time_ns(), made.issued))
    if as_json:
        print_json({"signature": str(out), "digest": made.digest, "person": person})
        return
    print_text(f"Signed {made.digest[:16]}… as {person or 'nobody of this charter: an old root person, perhaps'}: {out}")


@app.command()
def init(signatures: Signatures, home: HomeOption = DEFAULT_HOME, as_json: OutputJson = False) -> None:
    """Begin governance: the only moment without an earlier quorum, and it is in the log. From now on only enactments write policy."""
    _take(home, signatures, first=True, as_json=as_json)


@app.command()
def rotate(signatures: Signatures, home: HomeOption = DEFAULT_HOME, as_json: OutputJson = False) -> None:
    """Take the next version into force: signed by the root quorum of the present one and by its own, over the same bytes."""
    _take(home, signatures, first=False, as_json=as_json)


@app.command()
def show(home: HomeOption = DEFAULT_HOME, as_json: OutputJson = False) -> None:
    """Show the charter in force; exits 1 where there is none, or it has expired."""
    state = read_state(Home.open(home))
    if state.charter is None:
        if as_json:
            print_json({"charter": None})
        else:
            print_text("This home has no charter: its rules and areas are ungoverned. Begin with: groundrule charter draft")
        raise typer.Exit(1)
    expired = state.charter.expired(time.time_ns())
    if as_json:
        print_json({"charter": state.charter.value, "digest": state.charter.digest, "index": state.charter_index, "expired": expired})
    else:
        _print(state.charter)
        print_text(f"  log entry {state.charter_index}, sha256 {state.charter.digest}")
        if expired:
            print_text("EXPIRED: nothing but a rotation is possible; what is in force stays in force", style="red")
    if expired:
        raise typer.Exit(1)


def _take(home: Path, signatures: Sequence[Path], *, first: bool, as_json: bool) -> None:
    envelope = merge_envelopes(signatures)
    made = read_charter(envelope)
    with governed(home) as governance:
        index = (governance.genesis if first else governance.rotate)(envelope).index
    result: dict[str, Any] = {"version": made.version, "digest": made.digest, "index": index}
    if as_json:
        print_json(result)
        return
    print_text(f"Charter version {made.version} is in force; log entry {index}, sha256 {made.digest}")


def _read(file: Path) -> Charter:
    return Charter.parse(parse_canonical(file.read_bytes()))


def _vkey(file: Path) -> str:
    return file.read_text("utf-8").strip()


def _print(made: Charter) -> None:
    print_text(
        f"Charter version {made.version}, from {format_instant(made.issued)} to {format_instant(made.expires)}: "
        f"{len(made.persons)} persons", style="bold",
    )  # fmt: skip
    roles = {member.party: [name for name, role in made.roles.items() if member.party in role.parties] for member in made.persons}
    print_table(
        ["person", "unit", "independence group", "keys", "roles"],
        [[m.party, m.org_unit, m.independence_group, len(m.keys), ", ".join(roles[m.party])] for m in made.persons],
    )
    print_table(
        ["class of change", "role", "persons", "groups", "notice, hours"],
        [[name, c.role, f"{c.min_persons} of {len(made.role(c.role).parties)}", c.min_groups, c.notice_hours]
         for name, c in made.change_classes.items()],
    )  # fmt: skip
