"""`groundrule review`: emergencies, late contacts and enactments, looked at by people who had no part in them."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from groundrule.canon import parse_canonical
from groundrule.cli.envelopes import merge_envelopes, sign_shown
from groundrule.cli.governing import chosen, entry_of, governed, need_charter
from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_table, print_text
from groundrule.cli.passphrase import PassphraseFile
from groundrule.govern.objects import Review
from groundrule.govern.signed import format_time, whole_ms
from groundrule.govern.state import State
from groundrule.instant import format_instant
from groundrule.pipeline.governance_view import read_state
from groundrule.pipeline.reviewing import cases, open_review
from groundrule.store.durable import write_durably
from groundrule.store.home import Home

app = typer.Typer(no_args_is_help=True, help="Reviews: open, draft findings, sign, conclude, list.")


class Found(StrEnum):
    """What a review finds."""

    UPHELD = "upheld"
    REVERSED = "reversed"
    PARTLY = "partly"


@app.command(name="open")
def open_(
    case: Annotated[str, typer.Argument(help="Id of an emergency or contact, or digest of a proposal.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Open a review of a case; whoever had a part in it cannot review it."""
    with governed(home) as governance:
        need_charter(governance.state)
        made = _open_review(governance.state, case)
        logged = governance.review(made.value)
    if as_json:
        print_json({"index": logged.index, **made.value})
        return
    print_text(f"{made.id} of {made.of}: {entry_of(logged)}, due by {format_instant(made.due)}")


@app.command()
def draft(
    case: Annotated[str, typer.Argument(help="Id of the review, or of its case.")],
    reviewer: Annotated[list[str], typer.Option("--reviewer", help="Party id of each who will sign; may be repeated.")],
    verdict: Annotated[Found, typer.Option("--verdict", help="upheld: it was right. reversed: it was wrong.")],
    findings: Annotated[str, typer.Option("--findings", help="What was found, in public words.")],
    remedy: Annotated[str, typer.Option("--remedy", help="What follows.")] = "",
    home: HomeOption = DEFAULT_HOME,
    out: Annotated[Path, typer.Option("--out", help="Where the exact bytes go that all reviewers sign.")] = Path("review.json"),
    as_json: OutputJson = False,
) -> None:
    """Write findings and verdict as the exact bytes that the reviewers sign."""
    state = read_state(Home.open(home))
    need_charter(state)
    known = next((each.review for id_, each in state.reviews.items() if case in (id_, each.review.of) and not each.concluded), None)
    base = known or _open_review(state, case)
    made = Review.parse(
        base.value
        | {"reviewers": reviewer, "verdict": verdict.value, "findings": findings, "remedy": remedy,
           "actual": format_time(whole_ms(time.time_ns()))}
    )  # fmt: skip
    write_durably(out, made.data)
    if as_json:
        print_json({"review": made.id, "file": str(out), "digest": made.digest})
        return
    _print(made)
    print_text(f"Written: {out}. Each reviewer: groundrule review sign {out} --key FILE --out NAME.sig")


@app.command()
def sign(
    file: Annotated[Path, typer.Argument(help="The bytes that `review draft` wrote.")],
    key: Annotated[Path, typer.Option("--key", help="Your private key file.")],
    out: Annotated[Path, typer.Option("--out", help="Where your signature goes.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether to sign what was shown.")] = False,
    passphrase_file: PassphraseFile = None,
    as_json: OutputJson = False,
) -> None:
    """Show a review and sign it, on your own machine."""
    made = Review.parse(parse_canonical(file.read_bytes()))
    if not as_json:
        _print(made)
    sign_shown(made, "review", key, out, yes=yes, passphrase_file=passphrase_file)
    if as_json:
        print_json({"signature": str(out), "digest": made.digest})
        return
    print_text(f"Signed: {out}")


@app.command()
def conclude(
    signatures: Annotated[list[Path], typer.Argument(help="What the reviewers signed with: review sign.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Take the signed verdict in. It changes nothing that was decided; `reversed` calls for a proposal that reverts it."""
    with governed(home) as governance:
        logged = governance.review(merge_envelopes(signatures))
        made = governance.state.reviews[logged.id].concluded
    assert made is not None
    if as_json:
        print_json({"index": logged.index, **made.value})
        return
    print_text(f"{made.id}: {made.verdict}; {entry_of(logged)}")


@app.command(name="list")
def list_(home: HomeOption = DEFAULT_HOME, as_json: OutputJson = False) -> None:
    """List reviews: of what, due when, with which verdict."""
    state, now_ns = read_state(Home.open(home)), time.time_ns()
    rows = [
        {
            **(each.concluded or each.review).value,
            "index": each.index,
            "state": each.concluded.verdict if each.concluded else "OVERDUE" if now_ns >= each.review.due else "open",
        }
        for each in state.reviews.values()
    ]
    if as_json:
        print_json({"reviews": rows})
        return
    print_table(["review", "of", "due", "state"], [[r["id"][:20], r["of"][:24], r["due"], r["state"]] for r in rows])


def _open_review(state: State, case: str) -> Review:
    return open_review(state, chosen(case, cases(state), "case"), time.time_ns())


def _print(made: Review) -> None:
    print_text(f"Review {made.id} of {made.of}: {made.verdict or 'open'}", style="bold")
    print_text(f"  findings: {made.findings}")
    if made.remedy:
        print_text(f"  remedy: {made.remedy}")
    print_text(f"  signed by {', '.join(made.reviewers)}; due {format_instant(made.due)}; sha256 {made.digest}")
