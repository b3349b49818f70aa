"""`groundrule appeal`: an owner says that a decision is wrong, and has an answer in time."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from groundrule.cli.governing import chosen, governed, need_charter
from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_table, print_text
from groundrule.cli.rules import instant_option
from groundrule.errors import InputError
from groundrule.evidence.render.words import vocabulary
from groundrule.govern.appeals import appeals
from groundrule.govern.objects import RequestOutcome
from groundrule.govern.signed import format_time, whole_ms
from groundrule.govern.state import State
from groundrule.pipeline.appealing import check_correction, from_receipt, notice, rows, take_appeal
from groundrule.pipeline.governance_view import read_state
from groundrule.store.home import Home

app = typer.Typer(no_args_is_help=True, help="Appeals of terminal owners: open, close with a reason, list, what the owner is told.")
MAX_RECEIPT_BYTES = 1_000_000


class Ending(StrEnum):
    """How an appeal ends."""

    REFUSED = "refused"
    CORRECTED = "corrected"
    PROPOSED = "proposed"
    WITHDRAWN = "withdrawn"


@app.command(name="open")
def open_(
    decision: Annotated[str, typer.Argument(help="The owner's receipt, or the terminal's id.")],
    text: Annotated[Path, typer.Option("--text", help="The owner's letter, or a note of the call; it stays in the home.")],
    received_by: Annotated[str, typer.Option("--received-by", help="Party id of the person who took it.")],
    at: Annotated[str | None, typer.Option("--at", help="The decision in force at this time; default: the latest.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Who writes; it stays in the home.")] = None,
    channel: Annotated[str, typer.Option("--channel", help="How it came: letter, call, email, api …")] = "email",
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Record an appeal against a decision. The log holds a commitment and the due time: 72 h if protected, else 14 days."""
    place = Home.open(home)
    receipt = Path(decision)
    at_ns = instant_option(at, "--at")
    terminal = decision
    if receipt.is_file():
        with receipt.open("rb") as stream:
            terminal, at_ns = from_receipt(place, stream.read(MAX_RECEIPT_BYTES))
    now_ns = time.time_ns()
    with governed(home) as governance:
        need_charter(governance.state)
        request = take_appeal(
            governance.home, terminal, at_ns=at_ns, text=text.read_bytes(), name=name, received_by=received_by, channel=channel,
            now_ns=now_ns,
        )  # fmt: skip
        governance.request(request.value)
        told = notice(governance.home, governance.state, governance.state.requests[request.id], now_ns)
    if as_json:
        print_json(told)
        return
    print_text(f"Recorded {request.id}, log entry {told['entry']}; an answer is due by {told['due']}")
    print_text(f"Tell the owner: groundrule appeal notice {request.id}")


@app.command()
def close(
    appeal: Annotated[str, typer.Argument(help="Id of the appeal, or how it begins.")],
    outcome: Annotated[Ending, typer.Option("--outcome", help="refused: the decision stands. corrected: the evidence was mended.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, in public words: no person, no place, no threshold.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Answer an appeal, with the reason. `corrected` is refused while the terminal has the answer that was appealed against."""
    with governed(home) as governance:
        logged = governance.state.requests[_chosen(governance.state, appeal)]
        if outcome is Ending.CORRECTED:
            check_correction(governance.home, logged)
        made = RequestOutcome.parse(
            {
                "id": logged.request.id, "outcome": outcome.value, "outcome_reason": reason, "conflicts": [], "priority": None,
                "at": format_time(whole_ms(time.time_ns())),
            }
        )  # fmt: skip
        index = governance.request(made.value).index
    if as_json:
        print_json({"index": index, **made.value})
        return
    print_text(f"{made.id}: {made.outcome}, because {made.outcome_reason}; log entry {index}")


@app.command(name="list")
def list_(
    home: HomeOption = DEFAULT_HOME,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only those without an answer in time.")] = False,
    public: Annotated[bool, typer.Option("--public", help="Only what the log says.")] = False,
    as_json: OutputJson = False,
) -> None:
    """List appeals with their clock and outcome; exits 1 if one is overdue."""
    place, now_ns = Home.open(home), time.time_ns()
    found = [row for row in rows(None if public else place, read_state(place), now_ns) if row["overdue"] or not overdue]
    if as_json:
        print_json({"appeals": found})
    else:
        print_table(
            ["appeal", "entry", "terminal", "due", "outcome", "because"],
            [[r["id"][:20], r["index"], r.get("terminal", "closed"), r["due"], "OVERDUE" if r["overdue"] else r["outcome"], r["reason"]]
             for r in found],
        )  # fmt: skip
        print_text(f"{len(found)} appeals")
    if any(row["overdue"] for row in found):
        raise typer.Exit(1)


@app.command(name="notice")
def notice_(
    appeal: Annotated[str, typer.Argument(help="Id of the appeal, or how it begins.")],
    home: HomeOption = DEFAULT_HOME,
    language: Annotated[str, typer.Option("--language", help="Language of all that is said: en, de or uk.")] = "en",
    as_json: OutputJson = False,
) -> None:
    """Write what the owner is told: the reason, where the appeal stands, until when, and what comes next. No thresholds."""
    place = Home.open(home)
    state = read_state(place)
    told = notice(place, state, state.requests[_chosen(state, appeal)], time.time_ns(), language=language)
    if as_json:
        print_json(told)
        return
    say = vocabulary(language)
    print_text(say("notice_terminal", terminal=told["terminal"]), style="bold")
    for line in told["decision"]:
        print_text(f"  {line}")
    print_text(say("notice_appeal", appeal=told["appeal"], entry=str(told["entry"])), style="bold")
    for line in told["stages"]:
        print_text(f"  {line}")
    print_text("  " + say("notice_overdue" if told["overdue"] else "notice_due", due=told["due"]))
    for line in told["next"]:
        print_text(f"  {line}")
    opening = told["opening"]
    values = {"commitment": opening["commitment"], "entry": str(opening["batch_index"]), "leaf": str(opening["leaf_index"])}
    print_text("  " + say("notice_opening", **values, salt=opening["salt"]))


def _chosen(state: State, appeal: str) -> str:
    need_charter(state)
    known = [each.request.id for each in appeals(state)]
    if not known:
        raise InputError("there is no appeal", help="record one with: groundrule appeal open")
    return chosen(appeal, known, "appeal")
