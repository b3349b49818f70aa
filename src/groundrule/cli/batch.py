"""`groundrule batch`: what goes into a list: signed by who submits, or drafted as a cascade when a body is revoked."""

from __future__ import annotations

import json
import time
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer

from groundrule.canon import canonical_json
from groundrule.cli.documents import read_document
from groundrule.cli.envelopes import confirm_digest
from groundrule.cli.governing import chosen, need_charter
from groundrule.cli.key import open_either
from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_text
from groundrule.cli.passphrase import PassphraseFile
from groundrule.errors import ConflictError, InputError
from groundrule.govern.duress import nonce_of
from groundrule.govern.signed import whole_ms
from groundrule.instant import NS_PER_DAY, format_instant
from groundrule.pipeline.cascades import draft_cascade, mark_coerced
from groundrule.pipeline.governance_view import read_state
from groundrule.pipeline.intake import check_fields
from groundrule.pipeline.submitters import sign_batch
from groundrule.store.durable import write_durably
from groundrule.store.home import Home
from groundrule.store.registers import Registers

app = typer.Typer(no_args_is_help=True, help="Batches of list entries: sign one as a submitting body, draft a cascade, spare the coerced.")
_FIELDS = frozenset({"list", "add", "remove"})


@app.command()
def sign(
    file: Annotated[Path, typer.Argument(help="The diff, `add` and `remove`: YAML or JSON.")],
    list_id: Annotated[str, typer.Option("--list", help="For which list.")],
    key: Annotated[Path, typer.Option("--key", help="Your private key file.")],
    out: Annotated[Path, typer.Option("--out", help="Where the signed batch goes.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether to sign what was shown.")] = False,
    passphrase_file: PassphraseFile = None,
    as_json: OutputJson = False,
) -> None:
    """Sign a batch on the machine of the body that submits it; it needs no home and is good for 14 days."""
    written = read_document(file)
    check_fields(written, _FIELDS, f"the batch `{file}`")
    add, remove = written.get("add") or [], written.get("remove") or []
    if not isinstance(add, list) or not isinstance(remove, list) or not (add or remove):
        raise InputError(f"`{file}` adds and removes nothing", help="add: [{terminal_id: …, holder: …}], remove: [entry-…]")
    if not as_json:
        print_text(f"For the list {list_id}: {len(add):,} entries stated, {len(remove):,} taken away")
        for each in add:
            print_text(f"  {each}")
    diff = {"list_id": list_id, "add": add, "remove": remove}
    confirm_digest(_digest(diff), "this batch", yes=yes)
    now_ns = whole_ms(time.time_ns())
    signer, _, code = open_either(key, passphrase_file)
    envelope = sign_batch(list_id, add, remove, signer, now_ns=now_ns, nonce=nonce_of(code, list_id, str(now_ns)))
    made = {"list": written.get("list"), "add": add, "remove": remove, "signed": envelope}
    _write(out, made)
    if as_json:
        print_json({"batch": str(out), "add": len(add), "remove": len(remove)})
        return
    print_text(f"Signed: {out}. The operator proposes it: groundrule propose FILE --change list/{list_id}={out}")


@app.command()
def cascade(
    body: Annotated[str, typer.Argument(help="Who is revoked: a dealer, payer, party or account, as entries name it.")],
    list_id: Annotated[str, typer.Option("--list", help="In which list.")],
    out: Annotated[Path, typer.Option("--out", help="Where the batch goes.")],
    days: Annotated[int, typer.Option("--days", min=4, max=29, help="Until when what hangs on it must be looked at.")] = 14,
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Draft what follows from a revocation: all that hangs on the body goes to review with a deadline; the coerced are spared."""
    place = Home.open(home)
    due = whole_ms(time.time_ns()) + days * NS_PER_DAY
    with Registers.open(place) as registers, registers.reading() as connection:
        found = draft_cascade(place, connection, list_id, body, due_ns=due)
    _write(out, {"cascade": found, "add": [], "remove": []})
    if as_json:
        print_json({"batch": str(out), **found})
        return
    print_text(f"{len(found['entries']):,} entries go to review until {format_instant(due)}, {len(found['spared']):,} are spared: {out}")
    print_text("Nothing is denied before. Add the body's own entries to `remove`, and propose it:")
    print_text(f"  groundrule propose FILE --change list/{list_id}={out}")


@app.command()
def coerced(
    holder: Annotated[str, typer.Argument(help="Who acted under coercion, as list entries name holder or sponsor.")],
    review: Annotated[str, typer.Option("--review", help="Id of the concluded review that found so.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Mark who was coerced, on a concluded review: cascades spare them. It stays in the home and is never published."""
    place = Home.open(home)
    state = read_state(place)
    need_charter(state)
    found = state.reviews[chosen(review, state.reviews, "review")]
    if found.concluded is None:
        raise ConflictError(f"review `{found.review.id}` is not concluded", help="groundrule review conclude", refusal="needs_review")
    with place.writer():
        mark_coerced(place, holder, basis=found.review.id, at_ns=time.time_ns())
    if as_json:
        print_json({"holder": holder, "basis": found.review.id})
        return
    print_text(f"Spared by cascades from now on, on {found.review.id}: {holder}")


def _digest(diff: dict[str, Any]) -> str:
    return sha256(canonical_json(diff)).hexdigest()


def _write(file: Path, value: dict[str, Any]) -> None:
    write_durably(file, json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n")
    file.chmod(0o600)
