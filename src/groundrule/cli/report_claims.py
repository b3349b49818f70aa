"""`groundrule report claim add|confirm|reject`: what people decide about the claims of a report."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_text
from groundrule.cli.report_desk import (
    AboutOption,
    ByOption,
    HappenedOption,
    PropositionOption,
    characters_of,
    claim_of,
    opened,
    proposition_of,
    row_of,
    short,
)
from groundrule.evidence.report import Attribution, Claim, ClaimKind, ClaimStatus, Stance
from groundrule.evidence.report_json import claim_value

app = typer.Typer(no_args_is_help=True, help="Enter, confirm or reject what a report claims.")


@app.command(name="add")
def claim_add(
    report: Annotated[str, typer.Argument(help="Id of the report, or how it begins.")],
    characters: Annotated[
        str, typer.Option("--characters", help="Its characters in the report's text, as 120-240.")
    ] = "",
    text: Annotated[str, typer.Option("--text", help="Or the text itself, which must stand in the report once.")] = "",
    statement: Annotated[
        str, typer.Option("--statement", help="What is claimed, in one sentence; the text itself if not given.")
    ] = "",
    stance: Annotated[Stance, typer.Option("--stance", help="How its source stands to it.")] = Stance.REPORTS,
    kind: Annotated[
        ClaimKind, typer.Option("--kind", help="Put forward as having happened, or an opinion.")
    ] = ClaimKind.FACT,
    named: Annotated[list[str] | None, typer.Option("--named", help="Person or body by name, as written.")] = None,
    unnamed: Annotated[list[str] | None, typer.Option("--unnamed", help="Kind of unnamed sources, as written.")] = None,
    unnamed_count: Annotated[
        int | None, typer.Option("--unnamed-count", help="How many unnamed sources at least.")
    ] = None,
    outlet: Annotated[str, typer.Option("--outlet", help="Other outlet that it is quoted from.")] = "",
    about: AboutOption = None,
    happened: HappenedOption = "",
    proposition: PropositionOption = "",
    by: ByOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Enter a claim by hand: what no rule found."""
    with opened(home, write=True) as desk:
        found = desk.report(row_of(desk, report))
        start, end = characters_of(found, characters, text)
        made = desk.add(
            found, start, end, by=by or getpass.getuser(), statement=statement, kind=kind, stance=stance, about=about or (),
            attribution=Attribution(tuple(named or ()), tuple(unnamed or ()), unnamed_count, outlet), happened=happened,
            proposition=proposition_of(desk, proposition).id if proposition else "",
        )  # fmt: skip
    _print_decided(made, as_json)


@app.command()
def confirm(
    claim: Annotated[str, typer.Argument(help="Id of the claim, or how it begins.")],
    statement: Annotated[str, typer.Option("--statement", help="What is claimed, in one sentence of yours.")] = "",
    stance: Annotated[Stance | None, typer.Option("--stance", help="Another stance than was suggested.")] = None,
    kind: Annotated[ClaimKind | None, typer.Option("--kind", help="Another kind than was suggested.")] = None,
    about: AboutOption = None,
    happened: HappenedOption = "",
    proposition: PropositionOption = "",
    by: ByOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Confirm that a report says this. It does not say that it is so, and changes no register."""
    with opened(home, write=True) as desk:
        made = desk.confirm(
            claim_of(desk, claim).id, by=by or getpass.getuser(), statement=statement, stance=stance, kind=kind, about=about or (),
            happened=happened, proposition=proposition_of(desk, proposition).id if proposition else "",
        )  # fmt: skip
    _print_decided(made, as_json)


@app.command()
def reject(
    claim: Annotated[str, typer.Argument(help="Id of the claim, or how it begins.")],
    by: ByOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Reject a claim: the report does not say this. What was suggested, and who rejected it, stays on record."""
    with opened(home, write=True) as desk:
        made = desk.reject(claim_of(desk, claim).id, by=by or getpass.getuser())
    _print_decided(made, as_json)


def _print_decided(claim: Claim, as_json: bool) -> None:
    if as_json:
        print_json(claim_value(claim))
        return
    print_text(f"{claim.id}: {claim.status.value} by {claim.decided_by}")
    print_text(
        f"  {claim.kind.value}, {claim.stance.value}, characters {claim.start}-{claim.end}: {short(claim.statement)}"
    )
    if claim.status is ClaimStatus.CONFIRMED:
        print_text("  Confirmed is that the report says so. It stays a claim.")
