"""`groundrule cases list|show|assign|release|confirm|dismiss|reopen|note|rates`."""

from __future__ import annotations

import getpass
import time
from pathlib import Path
from typing import Annotated

import typer

from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_table, print_text
from groundrule.detect.case_states import DISMISSALS, OPEN, STATES
from groundrule.detect.cases import Case
from groundrule.detect.rates import rate_of
from groundrule.detect.signals import KINDS, Signal
from groundrule.errors import InputError
from groundrule.instant import format_instant
from groundrule.pipeline.case_desk import CaseDesk, case_dict
from groundrule.store.home import Home

app = typer.Typer(
    no_args_is_help=True,
    help="Cases: signals about the same thing, for a person to judge. What follows is a proposed change, never a switch.",
)
CaseId = Annotated[str, typer.Argument(help="Id of the case; one that it had before it grew will do.")]
By = Annotated[str | None, typer.Option("--by", help="Who does it; the user of this machine where it is not given.")]
_SHOWN = 40
_QUOTED = 6


@app.command(name="list")
def list_(
    home: HomeOption = DEFAULT_HOME,
    state: Annotated[list[str] | None, typer.Option("--state", help=f"One of {', '.join(STATES)}, or all; repeatable.")] = None,
    kind: Annotated[list[str] | None, typer.Option("--kind", help="With a signal of this kind; repeatable.")] = None,
    terminal: Annotated[str | None, typer.Option("--terminal", help="About this terminal.")] = None,
    assignee: Annotated[str | None, typer.Option("--assignee", help="Assigned to this person.")] = None,
    hidden: Annotated[bool, typer.Option("--hidden", help="Also those that weigh too little to be shown.")] = False,
    as_json: OutputJson = False,
) -> None:
    """Show the cases that wait for somebody, those that weigh most first."""
    for name in state or ():
        if name not in (*STATES, "all"):
            raise InputError(f"there is no state `{name}`", help=f"known are {', '.join(STATES)} and all", option="--state")
    for name in kind or ():
        if name not in KINDS:
            raise InputError(f"there is no signal `{name}`", help=f"known are {', '.join(KINDS)}", option="--kind")
    states = OPEN if not state else None if "all" in state else state
    found = CaseDesk(Home.open(home)).cases(states=states, kinds=kind, terminal=terminal, assignee=assignee, hidden=hidden)
    if as_json:
        print_json({"cases": [case_dict(case) for case in found]})
        return
    if not found:
        print_text("No cases wait. Signals come from `groundrule decide`, `watch` and `detect --keep`; --state all shows the others.")
        return
    rows = [
        (
            case.id, case.course.state, f"{case.weight:.2f}", f"{len(case.terminals):,}", format_instant(case.from_at)[:16],
            ", ".join(kind.replace("_", " ") for kind in case.kinds), case.course.assignee or "",
        )
        for case in found[:_SHOWN]
    ]  # fmt: skip
    print_table(("case", "state", "weight", "terminals", "since", "signals", "assigned to"), rows)
    if len(found) > _SHOWN:
        print_text(f"and {len(found) - _SHOWN:,} more; --json has all of them")
    print_text("Next: groundrule cases show CASE")


@app.command()
def show(case: CaseId, home: HomeOption = DEFAULT_HOME, as_json: OutputJson = False) -> None:
    """Show one case: its signals with what they rest on, and what was done with it."""
    found = CaseDesk(Home.open(home)).find(case)
    if as_json:
        print_json(case_dict(found))
        return
    _print(found)


@app.command()
def assign(
    case: CaseId,
    to: Annotated[str, typer.Option("--to", help="The person who looks at it.")],
    home: HomeOption = DEFAULT_HOME,
    by: By = None,
    as_json: OutputJson = False,
) -> None:
    """Give a case to a person."""
    _act(home, case, "assign", by, as_json, to=to)


@app.command()
def release(case: CaseId, home: HomeOption = DEFAULT_HOME, by: By = None, as_json: OutputJson = False) -> None:
    """Put an assigned case back, for anybody to take."""
    _act(home, case, "release", by, as_json)


@app.command()
def confirm(
    case: CaseId,
    note: Annotated[str | None, typer.Option("--note", help="What was found.")] = None,
    home: HomeOption = DEFAULT_HOME,
    by: By = None,
    as_json: OutputJson = False,
) -> None:
    """Say that a case is what it looks like. Nothing is switched: propose a change (`groundrule propose`)."""
    _act(home, case, "confirm", by, as_json, reason=note)


@app.command()
def dismiss(
    case: CaseId,
    reason: Annotated[str, typer.Option("--reason", help=f"One of {', '.join(DISMISSALS)}.")],
    home: HomeOption = DEFAULT_HOME,
    by: By = None,
    as_json: OutputJson = False,
) -> None:
    """Say that a case is not what it looks like, and why; that counts in the error rates of its detectors."""
    _act(home, case, "dismiss", by, as_json, reason=reason)


@app.command()
def reopen(
    case: CaseId,
    note: Annotated[str | None, typer.Option("--note", help="Why.")] = None,
    home: HomeOption = DEFAULT_HOME,
    by: By = None,
    as_json: OutputJson = False,
) -> None:
    """Look at a decided case again."""
    _act(home, case, "reopen", by, as_json, reason=note)


@app.command()
def note(
    case: CaseId,
    text: Annotated[str, typer.Argument(help="What is to be remembered.")],
    home: HomeOption = DEFAULT_HOME,
    by: By = None,
    as_json: OutputJson = False,
) -> None:
    """Write a note into a case."""
    _act(home, case, "note", by, as_json, reason=text)


@app.command()
def rates(home: HomeOption = DEFAULT_HOME, as_json: OutputJson = False) -> None:
    """Show how often each detector errs: measured beforehand, and on the cases that were decided here."""
    decided = CaseDesk(Home.open(home)).rates()
    shown = {kind: (rate_of(kind), decided.get(kind)) for kind in KINDS}
    if as_json:
        print_json(
            {
                kind: {
                    "cause": KINDS[kind].cause,
                    "measured": None if rate is None else rate.value,
                    "confirmed": 0 if here is None else here.confirmed,
                    "false_alarms": 0 if here is None else here.false_alarms,
                    "undecided": 0 if here is None else here.undecided,
                }
                for kind, (rate, here) in shown.items()
            }
        )
        return
    rows = [
        (
            kind, KINDS[kind].cause, "not measured" if rate is None else rate.words,
            *(("0", "0", "0") if here is None else (f"{here.confirmed:,}", f"{here.false_alarms:,}", f"{here.undecided:,}")),
        )
        for kind, (rate, here) in shown.items()
    ]  # fmt: skip
    print_table(("signal", "rests on", "false alarms a terminal-day", "confirmed here", "false here", "undecided"), rows)


def _act(home: Path, case: str, what: str, by: str | None, as_json: bool, *, to: str | None = None, reason: str | None = None) -> None:
    place = Home.open(home)
    with place.writer():
        found = CaseDesk(place).act(case, what, by=by or getpass.getuser(), at_ns=time.time_ns(), to=to, reason=reason)
    if as_json:
        print_json(case_dict(found))
    else:
        print_text(f"{found.id} is {found.course.state}{f' to {found.course.assignee}' if found.course.state == 'assigned' else ''}.")
        if found.course.state == "confirmed":
            print_text("Nothing is switched by that. Next: groundrule propose FILE --change …, with the case as its rationale")


def _print(case: Case) -> None:
    course = case.course
    print_text(f"{case.id}  {course.state}{f' to {course.assignee}' if course.state == 'assigned' else ''}  weight {case.weight:.2f}")
    print_text(f"{len(case.terminals):,} terminals: {', '.join(case.terminals[:_QUOTED])}{' …' if len(case.terminals) > _QUOTED else ''}")
    if case.groups:
        print_text(f"about {', '.join(case.groups[:_QUOTED])}{' …' if len(case.groups) > _QUOTED else ''}")
    if not case.shown:
        print_text("It weighs too little to be shown to anybody who doesn't ask for it.")
    print_text()
    for signal in case.signals[:_SHOWN]:
        for line in _lines(signal):
            print_text(line)
    if len(case.signals) > _SHOWN:
        print_text(f"and {len(case.signals) - _SHOWN:,} signals more; --json has all of them")
    for act in course.acts:
        said = f": {act.reason}" if act.reason else ""
        print_text(f"{format_instant(act.at_ns)}  {act.by}  {act.what}{f' to {act.to}' if act.to else ''}{said}")
    if course.reason == "new_evidence":
        print_text("It was dismissed, and signals that the dismissal does not speak of reopened it.")


def _lines(signal: Signal) -> list[str]:
    numbers = ", ".join(f"{name.replace('_', ' ')} {value:.4g} {unit}".strip() for name, value, unit in signal.found)
    basis = "calibrated" if KINDS[signal.kind].learned else "rule of thumb"
    about = f" · {signal.group}" if signal.group else ""
    rate = rate_of(signal.kind)
    measured = "false alarms not measured" if rate is None else f"false alarms {rate.words} a terminal-day"
    where = "" if signal.lat_deg is None else f" at {signal.lat_deg:.4f}, {signal.lon_deg:.4f}"
    head = f"{format_instant(signal.raised_at)}  {signal.terminal_id}  {signal.kind.replace('_', ' ')}{where}{about}"
    lines = [head, f"    strength {signal.strength:.2f}, {basis}; {measured}{f'; {numbers}' if numbers else ''}"]
    for each in signal.offending[:_QUOTED]:
        place = "no position" if each.lat_deg is None or each.lon_deg is None else f"{each.lat_deg:.4f}, {each.lon_deg:.4f}"
        other = f" of {each.terminal_id}" if each.terminal_id and each.terminal_id != signal.terminal_id else ""
        lines.append(f"    observed {format_instant(each.observed_at)}{other}: {place}")
    return lines
