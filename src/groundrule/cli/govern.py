"""`groundrule govern`: where everything stands, bundles out, signed envelopes in."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from groundrule.cli.envelopes import read_envelope
from groundrule.cli.governing import chosen, export_bundle, governed, receive_approval, standing
from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_table, print_text, warn
from groundrule.govern.appeals import is_appeal
from groundrule.govern.emergency import active, frozen, opened_in, overdue_reviews
from groundrule.govern.quorum import judge
from groundrule.govern.requests import alerts, overdue
from groundrule.govern.state import State
from groundrule.instant import format_instant
from groundrule.pipeline.governance_view import newest_lists, read_state
from groundrule.store.durable import write_durably
from groundrule.store.home import Home

app = typer.Typer(no_args_is_help=True, help="Status, bundles for approvers, envelopes from them, refused acts.")


@app.command()
def status(home: HomeOption = DEFAULT_HOME, as_json: OutputJson = False) -> None:
    """Say what governs, what waits for whom, and what is overdue; exits 1 if something is wrong or late."""
    place, now_ns = Home.open(home), time.time_ns()
    state = read_state(place)
    result = _status(place, state, now_ns)
    if as_json:
        print_json(result)
    else:
        _print(result)
    if result["wrong"]:
        raise typer.Exit(1)


@app.command()
def export(
    proposal: Annotated[str, typer.Argument(help="Digest of the proposal, or how it begins.")],
    out: Annotated[Path, typer.Option("--out", help="Bundle to write.")],
    since: Annotated[
        list[int] | None, typer.Option("--since", help="Size of the log that an approver saw last; may be repeated.")
    ] = None,
    person: Annotated[
        str | None, typer.Option("--for", help="Party id of the approver: opens that person's own contacts, and nobody else's.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Write all that an approver needs to check and sign a proposal on an own machine, offline. It holds names: keep it safe."""
    data = export_bundle(home, proposal, since=since or (), person=person)
    write_durably(out, data)
    out.chmod(0o600)
    if as_json:
        print_json({"bundle": str(out), "bytes": len(data), "for": person})
        return
    print_text(f"Written: {out}, {len(data):,} bytes. On the approver's machine: groundrule approve {out} --key FILE --policy FILE")


@app.command(name="import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="Envelopes that `groundrule approve` wrote.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Take signed approvals in. The same one again changes nothing; what is refused is in the log with its reason."""
    found = [{"file": str(file), **receive_approval(home, read_envelope(file))} for file in files]
    if as_json:
        print_json({"approvals": found})
        return
    for each in found:
        where = "in the log already: nothing new" if each["index"] < 0 else f"log entry {each['index']}"
        print_text(f"{each['file']}: {where}; {each['standing']}")


@app.command()
def refusals(home: HomeOption = DEFAULT_HOME, as_json: OutputJson = False) -> None:
    """List the acts that were refused, with their reasons: they are on record like any other."""
    state = read_state(Home.open(home))
    rows = [each.value for each in state.rejections]
    if as_json:
        print_json({"refused": rows})
        return
    print_table(["what", "reason", "because", "digest"], [[r["what"], r["code"], r["sentence"], r["digest"][:16]] for r in rows])


@app.command()
def check(home: HomeOption = DEFAULT_HOME, as_json: OutputJson = False) -> None:
    """Replay the whole log and compare: live state, policy tables, guard, announcements; exits 1 on any difference."""
    with governed(home) as governance:
        found = governance.check()
    if as_json:
        print_json({"differences": found})
    elif not found:
        print_text("What is in force is what the log says.", style="green")
    for line in [] if as_json else found:
        print_text(line, style="red")
    if found:
        raise typer.Exit(1)


@app.command()
def end(
    proposal: Annotated[str, typer.Argument(help="Digest of the proposal, or how it begins.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Put on record that a proposal ended without an enactment: rejected by its approvers, or expired in silence."""
    with governed(home) as governance:
        proposal_id = chosen(proposal, governance.state.proposals, "proposal")
        logged = governance.reject(proposal_id)
    if as_json:
        print_json({"proposal": proposal_id, "index": logged.index})
        return
    print_text(f"{proposal_id} has ended without an enactment; log entry {logged.index}")


def _status(home: Home, state: State, now_ns: int) -> dict[str, Any]:
    if state.charter is None:
        return {"governed": False, "wrong": [], "charter": None}
    lists = newest_lists(home)
    charter = state.charter
    wrong = [f"an entry of the log has no effect: {each.index} {each.kind}, {each.sentence}" for each in state.violations]
    if charter.expired(now_ns):
        wrong.append("the charter has expired; only a rotation is possible")
    wrong += [
        f"overdue {'appeal' if is_appeal(state.requests[each].request) else 'request'} {each}" for each in overdue(state, now_ns)
    ]
    wrong += [f"followed without an enactment: request {each}" for each in alerts(state)]
    wrong += [f"overdue review of {each}" for each in overdue_reviews(state, now_ns)]
    if frozen(state, now_ns):
        wrong.append("role emergency is frozen until its review is concluded")
    proposals = []
    for id_, logged in state.proposals.items():
        judged = judge(state, id_, at_ns=now_ns, lists=lists)
        proposals.append(
            {
                "id": id_, "index": logged.index, "class": logged.proposal.class_, "author": logged.proposal.author,
                "approve": sorted(judged.counted), "not_counted": dict(judged.excluded),
                "standing": standing(state, id_, lists), "ended": state.ended(id_, now_ns),
            }
        )  # fmt: skip
    return {
        "governed": True,
        "wrong": wrong,
        "policy": state.policy_digest,
        "charter": {"version": charter.version, "digest": charter.digest, "expires": format_instant(charter.expires)},
        "proposals": proposals,
        "requests": {id_: each.outcome for id_, each in state.requests.items()},
        "contacts": {id_: each.status for id_, each in state.contacts.items()},
        "re_reviews": {id_: len(found) for id_, found in state.re_reviews().items()},
        "emergencies": {
            "active": [each.id for each in active(state, now_ns)],
            "opened_in_30_days": opened_in(state, now_ns),
        },
        "reviews": {id_: "open" if each.concluded is None else each.concluded.verdict for id_, each in state.reviews.items()},
        "lists": {source: each.date for source, each in lists.items()},
        "refused_acts": len(state.rejections),
    }


def _print(found: dict[str, Any]) -> None:
    if not found["governed"]:
        print_text("This home has no charter: its rules and areas are ungoverned. Begin with: groundrule charter draft")
        return
    charter = found["charter"]
    print_text(f"Charter version {charter['version']} until {charter['expires']}; policy {found['policy']}", style="bold")
    if found["proposals"]:
        print_table(
            ["proposal", "entry", "class", "approve", "standing"],
            [[p["id"][:16], p["index"], p["class"], len(p["approve"]), p["standing"]] for p in found["proposals"]],
        )
    for name in ("requests", "contacts", "reviews"):
        if found[name]:
            counts: dict[str, int] = {}
            for value in found[name].values():
                counts[value] = counts.get(value, 0) + 1
            print_text(f"{name}: " + ", ".join(f"{number} {value.replace('_', ' ')}" for value, number in sorted(counts.items())))
    for contact, number in found["re_reviews"].items():
        print_text(f"to look at again because of {contact}: {number} acts; see groundrule contact list --late", style="yellow")
    emergencies = found["emergencies"]
    print_text(f"emergencies: {len(emergencies['active'])} active, {emergencies['opened_in_30_days']} opened in 30 days")
    print_text(f"refused acts on record: {found['refused_acts']}; see groundrule govern refusals")
    for line in found["wrong"]:
        warn(line)
