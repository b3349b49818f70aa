"""`groundrule duress`: a second passphrase that signs and says silently that it was under duress; and who reads that."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Annotated, Any

import typer

from groundrule.canon import format_base64, parse_base64
from groundrule.cli.governing import need_charter
from groundrule.cli.key import open_either, other_file, public_file
from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_text, warn
from groundrule.cli.passphrase import PassphraseFile, passphrase_for
from groundrule.errors import InputError
from groundrule.govern.charter import parse_vkey
from groundrule.govern.duress import CODE_BYTES, approvals_under_duress, code_of
from groundrule.pipeline.duress_batches import batches_under_duress
from groundrule.pipeline.governance_view import read_state
from groundrule.signing import seal_key
from groundrule.store.durable import write_durably
from groundrule.store.home import Home

app = typer.Typer(no_args_is_help=True, help="Report duress without the coercer seeing it: a second passphrase, read by role review alone.")


@app.command()
def enrol(
    key: Annotated[Path, typer.Argument(help="Your private key file.")],
    out: Annotated[Path, typer.Option("--out", help="Code for role review: hand it over in person, then destroy the file.")],
    passphrase_file: PassphraseFile = None,
    duress_file: Annotated[
        Path | None, typer.Option("--duress-passphrase-file", help="File whose first line is the second passphrase; else a prompt.")
    ] = None,
    as_json: OutputJson = False,
) -> None:
    """Choose a second passphrase for your key. It signs like the first; only role review can see which one was used."""
    signer, ordinary, _ = open_either(key, passphrase_file)
    other = other_file(key)
    if duress_file is None:
        typer.echo("Now the second passphrase, for duress.", err=True)
    second = passphrase_for(key, duress_file, new=True, ask=duress_file is None)
    if second == ordinary:
        raise InputError("the two passphrases are the same", help="the second one must be another")
    name, _ = parse_vkey(public_file(key).read_text("utf-8").strip())
    pems = [seal_key(signer, ordinary), seal_key(signer, second)]
    # Which file opens with which passphrase is drawn, or the files would tell which one is for duress.
    secrets.SystemRandom().shuffle(pems)
    for path, pem in zip((key, other), pems, strict=True):
        write_durably(path, pem)
        path.chmod(0o600)
    code = {"v": 1, "party": name, "code": format_base64(code_of(signer.seed, second))}
    write_durably(out, json.dumps(code).encode() + b"\n")
    out.chmod(0o600)
    if as_json:
        print_json({"code": str(out), "party": name})
        return
    print_text(f"{key} opens with either passphrase now. Code for role review: {out}")
    warn("Hand it over in person, then destroy it here: whoever finds it can tell which passphrase you used.")


@app.command()
def check(
    codes: Annotated[list[Path], typer.Argument(help="Codes that persons handed over.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """For role review: which approvals and batches were signed under duress; exits 1 if any. Nothing is logged by looking."""
    place = Home.open(home)
    state = read_state(place)
    need_charter(state)
    known = dict(map(_code, codes))
    found = approvals_under_duress(state, known) + batches_under_duress(place, state, known)
    if as_json:
        print_json({"duress": [{"person": each.person, "proposal": each.what, "index": each.index} for each in found]})
    else:
        for each in found:
            print_text(f"UNDER DURESS: {each.person}, proposal {each.what}, log entry {each.index}", style="bold red")
        if found:
            print_text("Open a review of the proposal: it is not enacted while the review is open, and not after it finds `reversed`.")
        else:
            print_text("No sign of duress by the codes given.")
    if found:
        raise typer.Exit(1)


def _code(file: Path) -> tuple[str, bytes]:
    try:
        value: Any = json.loads(file.read_bytes()[:4096])
        party, code = str(value["party"]), parse_base64(str(value["code"]))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"`{file}` is no duress code", help="a file that `groundrule duress enrol` wrote") from error
    if len(code) != CODE_BYTES:
        raise InputError(f"`{file}` is no duress code", help="a file that `groundrule duress enrol` wrote")
    return party, code
