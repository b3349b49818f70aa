"""`groundrule disclosure`: what was opened for whom by an enacted disclosure, and the openings themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from groundrule.cli.governing import chosen
from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_table, print_text
from groundrule.govern.disclosure import order_of
from groundrule.govern.state import State
from groundrule.pipeline.disclosing import write_openings
from groundrule.pipeline.governance_view import read_state
from groundrule.store.home import Home

app = typer.Typer(no_args_is_help=True, help="Fields of private records, opened by 3 of 5 of role review: list, write out.")


@app.command()
def write(
    proposal: Annotated[str, typer.Argument(help="Digest of the enacted disclosure, or how it begins.")],
    out: Annotated[Path, typer.Option("--out", help="New folder for the recipient; it holds what is opened: keep it safe.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Open exactly the fields that an enacted disclosure names: receipts that verify without us, for its recipient."""
    place = Home.open(home)
    state = read_state(place)
    made = write_openings(place, state, chosen(proposal, state.proposals, "proposal"), out)
    if as_json:
        print_json(
            {"folder": str(made.folder), "receipts": [str(each) for each in made.receipts], "entry": made.enactment_index,
             "recipient": made.recipient}
        )  # fmt: skip
        return
    print_text(f"Opened for {made.recipient} by log entry {made.enactment_index}: {len(made.receipts)} records in {made.folder}")
    print_text(f"The recipient verifies each: groundrule ledger verify {made.receipts[0]} --policy {made.folder / 'policy'}")
    proof, entry = made.folder / "enactment.tlog-proof", made.folder / "enactment.entry"
    print_text(f"and whose order it was: groundrule ledger verify {proof} --entry {entry} --policy {made.folder / 'policy'}")


@app.command(name="list")
def list_(home: HomeOption = DEFAULT_HOME, as_json: OutputJson = False) -> None:
    """List disclosures as outsiders see them in the log: fields, recipient, basis, requests; never a value."""
    rows = _rows(read_state(Home.open(home)))
    if as_json:
        print_json({"disclosures": rows})
        return
    print_table(
        ["proposal", "entry", "enacted", "records", "fields", "recipient", "basis"],
        [[r["proposal"][:16], r["index"], "no" if r["enacted_index"] is None else r["enacted_index"], len(r["order"]["openings"]),
          ", ".join(sorted({name for each in r["order"]["openings"] for name in each["fields"]})), r["order"]["recipient"],
          f"{r['order']['legal_basis']['kind']} {r['order']['legal_basis']['reference']}".strip()] for r in rows],
    )  # fmt: skip
    print_text(f"{len(rows)} disclosures")


def _rows(state: State) -> list[dict[str, Any]]:
    rows = []
    enacted = {each.enactment.proposal_digest: each.index for each in state.enactments}
    for id_, logged in state.proposals.items():
        order = order_of(logged.proposal)
        if order is not None:
            rows.append(
                {"proposal": id_, "index": logged.index, "enacted_index": enacted.get(id_), "order": order.value,
                 "requests": list(logged.proposal.requests)}
            )  # fmt: skip
    return rows
