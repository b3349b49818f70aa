"""`groundrule request`: what others ask for, also what is asked not to be done, and what became of it."""

from __future__ import annotations

import os
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from groundrule.cli.documents import read_document, with_times
from groundrule.cli.governing import chosen, governed, need_charter
from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_table, print_text, warn
from groundrule.errors import InputError
from groundrule.govern.logged import LoggedRequest
from groundrule.govern.objects import RequestOutcome, new_id
from groundrule.govern.requests import clock, conflicting
from groundrule.govern.signed import format_time, whole_ms
from groundrule.govern.state import State
from groundrule.instant import NS_PER_S, format_instant
from groundrule.pipeline.governance_view import read_state
from groundrule.pipeline.intake import take_request
from groundrule.pipeline.parties import check_same, get_party, names_of, party_record, put_party
from groundrule.pipeline.party_screening import disposed, screen_parties
from groundrule.store.home import Home
from groundrule.store.policy import put_object

app = typer.Typer(no_args_is_help=True, help="Requests from outside: record, close with a reason, list. None is forgotten.")
HOUR_S = 3_600


class Outcome(StrEnum):
    """How a request ends."""

    PROPOSED = "proposed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    INFORMALLY_FOLLOWED = "informally_followed"


@app.command(name="open")
def open_(
    file: Annotated[Path, typer.Argument(help="Who asks what, for whom, through whom, on what basis: YAML or JSON.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Record a request. Names and text stay in the home; the log holds ids, what is asked, and a digest of the text."""
    draft = with_times(read_document(file), ("occurred_at", "received_at"), file=file)
    now_ns = time.time_ns()
    taken = take_request(draft, read=lambda name: (file.parent / name).read_bytes(), now_ns=now_ns)
    with governed(home) as governance:
        need_charter(governance.state)
        place = governance.home
        for record in taken.parties:
            put_party(place, record)
        put_object(place, taken.text)
        index = governance.request(taken.request.value).index
        against = conflicting(governance.state, taken.request)
        found = {"index": index, **_as_dict(governance.state, governance.state.requests[taken.request.id], place, now_ns)}
    found["conflicting"] = list(against)
    if as_json:
        print_json(found)
        return
    print_text(f"Recorded {found['id']}, log entry {index}: {found['asks']}")
    for role, party in found["parties"].items():
        print_text(f"  {role}: {party}")
    print_text(f"  {found['lateness']}; an answer is due by {found['due']}")
    if against:
        warn(f"  the opposite is asked by {', '.join(against)}: name the priority when you close it")


@app.command()
def close(
    request: Annotated[str, typer.Argument(help="Id of the request, or how it begins.")],
    outcome: Annotated[Outcome, typer.Option("--outcome", help="How it ends.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, in public words: it names no person.")],
    conflicts: Annotated[
        list[str] | None, typer.Option("--conflicts", help="A request that obliges to the contrary; may be repeated.")
    ] = None,
    priority: Annotated[str | None, typer.Option("--priority", help="Which obligation comes first, and why.")] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Record what became of a request; a refusal stays as visible as anything else."""
    with governed(home) as governance:
        known = governance.state.requests
        made = RequestOutcome.parse(
            {
                "id": chosen(request, known, "request"),
                "outcome": outcome.value,
                "outcome_reason": reason,
                "conflicts": [chosen(each, known, "request") for each in conflicts or []],
                "priority": priority,
                "at": format_time(whole_ms(time.time_ns())),
            }
        )
        index = governance.request(made.value).index
    if as_json:
        print_json({"index": index, **made.value})
        return
    print_text(f"{made.id}: {made.outcome}, because {made.outcome_reason}; log entry {index}")
    if outcome is Outcome.INFORMALLY_FOLLOWED:
        warn("It was done without an enactment: this is an alert in every status until a review ends it.")


@app.command()
def screen(
    request: Annotated[str | None, typer.Argument(help="Id of the request, or how it begins: requester and chain.")] = None,
    party: Annotated[
        list[str] | None, typer.Option("--party", help="A further party, for instance who gains; may be repeated.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Compare everybody behind a request with the newest lists of the home, and log it; exits 1 while a candidate is open."""
    with governed(home) as governance:
        need_charter(governance.state)
        wanted = set(party or [])
        if request is not None:
            found = governance.state.requests[chosen(request, governance.state.requests, "request")].request
            wanted |= {found.requester} | found.chain
        if not wanted:
            raise InputError("nobody is to be screened", help="name a request, or parties with --party")
        screened = screen_parties(governance.home, governance.state, sorted(wanted), now_ns=time.time_ns())
        indexes = [governance.screen(each.screening.value).index for each in screened]
        names = names_of(governance.home, wanted)
    rows = [
        {
            **each.screening.value,
            "index": index,
            "name": names.get(each.screening.subject),
            "why": [{"list": source, **candidate.value} for source, candidate in each.found],
        }
        for each, index in zip(screened, indexes, strict=True)
    ]
    if as_json:
        print_json({"screenings": rows})
    else:
        for each, row in zip(screened, rows, strict=True):
            used = ", ".join(f"{snapshot.source} of {snapshot.date}" for snapshot in each.screening.snapshots)
            print_text(f"{row['name']}: {row['id']}, log entry {row['index']}, with {used}")
            if not each.found:
                print_text("  no candidate")
            for source, candidate in each.found:
                print_text(f"  {source}:{candidate.uid} {candidate.name}, {candidate.score} of 1000, {candidate.verdict.value}")
                for line in candidate.features.sentences():
                    print_text(f"    {line}")
            if each.found:
                print_text("  a person decides each: groundrule request dispose SCREENING ENTRY --as true|false --by … --reason …")
    if any(each.screening.unresolved for each in screened):
        raise typer.Exit(1)


class Disposition(StrEnum):
    """What a registrar finds about a candidate."""

    TRUE = "true"
    FALSE = "false"


@app.command()
def dispose(
    screening: Annotated[str, typer.Argument(help="Id of the screening, or how it begins.")],
    entry: Annotated[str, typer.Argument(help="The candidate: SOURCE:ENTRY, as the screening shows it.")],
    found: Annotated[Disposition, typer.Option("--as", help="true: it is the same. false: it is somebody else.")],
    by: Annotated[str, typer.Option("--by", help="Party id of the registrar who decides.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, in public words.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Decide whether a candidate is the party: by a registrar, with a reason, never by the program."""
    with governed(home) as governance:
        known = governance.state.screenings
        old = known[chosen(screening, known, "screening")].screening
        made = disposed(old, entry, disposition=found.value, by=by, reason=reason)
        index = governance.screen(made.value).index
    if as_json:
        print_json({"index": index, "listed": made.listed, "unresolved": made.unresolved, **made.value})
        return
    verdict = "LISTED" if made.listed else "a candidate is still open" if made.unresolved else "not listed"
    print_text(f"{made.id}, log entry {index}: {made.subject} is {verdict}")


@app.command()
def party(
    file: Annotated[Path, typer.Argument(help="kind, names, identifiers, jurisdiction, whom it controls: YAML or JSON.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Describe a party in the private register; with `id`, say more of one that is known. Nothing of it is in the log."""
    draft = read_document(file)
    record = party_record(draft, str(draft.get("id") or new_id("party", os.urandom(16))))
    place = Home.open(home)
    with place.writer():
        known = get_party(place, record.id)
        if known is not None:
            check_same(known, record)
        new = put_party(place, record)
    if as_json:
        print_json({"party": record.id, "changed": new})
        return
    print_text(f"{record.id}: {record.names[0].text}" + ("" if new else "; nothing new"))


@app.command(name="list")
def list_(
    home: HomeOption = DEFAULT_HOME,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only those that are late for an answer.")] = False,
    public: Annotated[bool, typer.Option("--public", help="Only what the log says: ids, no names.")] = False,
    as_json: OutputJson = False,
) -> None:
    """List requests with their outcome: pending, proposed, refused, withdrawn, followed informally, overdue."""
    place, now_ns = Home.open(home), time.time_ns()
    state = read_state(place)
    rows = [_as_dict(state, logged, None if public else place, now_ns) for logged in state.requests.values()]
    rows = [row for row in rows if row["overdue"] or not overdue]
    if as_json:
        print_json({"requests": rows})
        return
    print_table(
        ["request", "entry", "asks", "who", "basis", "lateness", "outcome", "because"],
        [[r["id"][:20], r["index"], r["asks"], "; ".join(f"{k}: {v}" for k, v in r["parties"].items()), r["basis"],
          r["lateness"], "OVERDUE" if r["overdue"] else r["outcome"], r["reason"]] for r in rows],
    )  # fmt: skip
    print_text(f"{len(rows)} requests")


def _as_dict(state: State, logged: LoggedRequest, home: Home | None, now_ns: int) -> dict[str, Any]:
    request, where = logged.request, clock(state, logged, now_ns)
    roles = {"requester": [request.requester], "on behalf of": list(request.on_behalf_of)}
    if request.conveyed_by:
        roles["conveyed by"] = [request.conveyed_by]
    names = names_of(home, {party for some in roles.values() for party in some}) if home else {}
    last = logged.outcomes[-1] if logged.outcomes else None
    late_s = where.late_ns // NS_PER_S
    return {
        "id": request.id,
        "index": logged.index,
        "asks": ", ".join(f"{ask.op} {ask.object}" for ask in request.ask),
        "details": [ask.detail for ask in request.ask if ask.detail],
        "parties": {
            role: ", ".join(f"{names[party]} ({party[:14]}…)" if party in names else party for party in some)
            for role, some in roles.items()
        },
        "ids": roles,
        "basis": f"{request.legal_basis.kind} {request.legal_basis.reference}".strip(),
        "lateness": f"recorded {late_s / HOUR_S:.1f} h after it was said",
        "due": format_instant(where.due_ns),
        "overdue": where.overdue,
        "outcome": logged.outcome,
        "reason": last.outcome_reason if last else "",
        "outcomes": [each.value for each in logged.outcomes],
    }
