"""`groundrule propose` and `groundrule enact`: a change and its impact into the log; an approved change into force."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from groundrule.cli.documents import read_document, with_times
from groundrule.cli.governing import chosen, governed, need_charter, standing
from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_text, warn
from groundrule.errors import ConflictError
from groundrule.govern.disclosure import CLASS as DISCLOSURE
from groundrule.instant import format_instant
from groundrule.pipeline.change_words import change_lines, impact_lines
from groundrule.pipeline.disclosing import draft_disclosure, only_disclosure
from groundrule.pipeline.drafting import draft_proposal
from groundrule.pipeline.proposing import contents_of, draft_changes
from groundrule.pipeline.refusing import digest_of
from groundrule.pipeline.truth import read_truth
from groundrule.pipeline.unseen import ALWAYS
from groundrule.store.home import Home


def propose(
    file: Annotated[Path, typer.Argument(help="Author, rationale, how it is undone, requests, who gains: YAML or JSON.")],
    change: Annotated[
        list[str] | None,
        typer.Option("--change", help="OBJECT=FILE: rulebook, area, list/ID, programme/ID or waiver/ID; may be repeated."),
    ] = None,
    delete: Annotated[
        list[str] | None, typer.Option("--delete", help="Object to be taken away: area/ID or waiver/ID; may be repeated.")
    ] = None,
    disclose: Annotated[
        Path | None, typer.Option("--disclose", help="Records to be opened, fields, recipient, legal basis; it stands alone.")
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option("--truth", help="CSV with terminal_id and serve (yes or no): count false denials and false permissions."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show class and impact; log nothing.")] = False,
    as_json: OutputJson = False,
) -> None:
    """Draft a change against what is in force, compute for whom it changes what, and log both. Any edit is another proposal."""
    written = read_document(file)
    if isinstance(written.get("effective"), dict):
        written["effective"] = with_times(written["effective"], ("from", "until"), file=file)
    written = with_times(written, ("expires",), file=file)
    served = None if truth is None else read_truth(truth)
    with governed(home) as governance:
        place = Home.open(home)
        need_charter(governance.state)
        assert governance.state.charter is not None
        try:
            if disclose is not None:
                only_disclosure(change or (), delete or ())
                change_set = [draft_disclosure(place, read_document(disclose))]
            else:
                change_set = draft_changes(place, change or [], deleted=delete or [], read=read_document)
            drafted = draft_proposal(governance, written, change_set, now_ns=time.time_ns(), served=served, keep=not dry_run)
        except ConflictError as error:
            if not dry_run:
                governance.refused("proposal", digest_of({"draft": written, "changes": change, "deleted": delete}), error)
            raise
        proposal, seen, scope = drafted.proposal, drafted.preview, drafted.scope
        impact = seen.impact
        need = governance.state.charter.change_class(proposal.class_)
        index = None if dry_run else governance.propose(proposal.value, impact.value).index
        contents = contents_of(place, proposal.change_set)
        where = "not logged" if dry_run else standing(governance.state, proposal.id, governance.lists)
    result: dict[str, Any] = {
        "proposal": proposal.id, "index": index, "class": proposal.class_, "changes": change_lines(proposal, contents.get),
        "impact": impact_lines(impact), "by": seen.by, "truth": seen.truth, "terminals": seen.terminals,
        "not_seen": [ALWAYS, *(each.sentence for each in seen.unseen)], "without_position": seen.without_position,
        "changed": impact.changed, "impact_digest": impact.digest,
        "screenings": list(proposal.screenings), "contacts_in_scope": list(scope), "standing": where,
        "needs": {"role": need.role, "persons": need.min_persons, "groups": need.min_groups, "notice_hours": need.notice_hours},
    }  # fmt: skip
    if as_json:
        print_json(result)
        return
    print_text(f"Proposal {proposal.id}" + ("" if index is None else f", log entry {index}"), style="bold")
    for line in (*result["changes"], *result["impact"]):
        print_text(f"  {line}")
    for by, cells in seen.by.items():
        if cells:
            print_text(f"  by {by}: {', '.join(f'{number:,} {name}' for name, number in cells.items())}")
    for policy, counts in seen.truth.items():
        told = ", ".join(f"{number:,} {what.replace('_', ' ')}" for what, number in counts.items())
        print_text(f"  {policy}, where truth is known: {told}")
    for line in result["not_seen"]:
        print_text(f"  NOT SEEN: {line}", style="yellow")
    if seen.without_position:
        print_text(f"  NOT SEEN: where {seen.without_position:,} terminals are, whose last report has no position", style="yellow")
    print_text(
        f"  class {proposal.class_}: {need.min_persons} persons of role {need.role} from {need.min_groups} groups, "
        f"{need.notice_hours} h of notice"
    )
    for each in scope:
        print_text(f"  in scope: {each}; in the log stands a commitment where its parties are not public", style="yellow")
    print_text(f"  {where}")
    if index is not None:
        print_text(f"Each approver: groundrule govern export {proposal.id[:12]} --out FILE, then groundrule approve FILE --key KEY")


def enact(
    proposal: Annotated[str, typer.Argument(help="Digest of the proposal, or how it begins.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: OutputJson = False,
) -> None:
    """Bring an approved proposal into force: logged and witnessed first, then written; refused with everything that is missing."""
    with governed(home) as governance:
        proposal_id = chosen(proposal, governance.state.proposals, "proposal")
        try:
            done = governance.enact(proposal_id)
        except ConflictError as error:
            all_ = f"all that stands against it: {standing(governance.state, proposal_id, governance.lists)}"
            error.help = "; ".join(filter(None, (error.help, all_)))
            raise
        made = next(each for each in governance.state.enactments if each.enactment.proposal_digest == proposal_id)
        discloses = governance.state.proposals[proposal_id].proposal.class_ == DISCLOSURE
    result = {
        **made.enactment.value, "proposal": proposal_id, "in_force": done.in_force, "witnessed": done.witnessed,
        "index": made.index, "enacted_at": format_instant(made.enactment.enacted_at),
    }  # fmt: skip
    if as_json:
        print_json(result)
        return
    if not done.in_force:
        warn("Enacted in the log, and NOT in force: it waits for the quorum of witnesses. Run it again when they are back.")
    print_text(f"Enacted {proposal_id}: log entry {made.index}, since {format_instant(made.enactment.enacted_at)}")
    print_text(f"  policy {made.enactment.policy_digest_before} → {made.enactment.policy_digest_after}")
    if discloses and done.in_force:
        print_text(f"  open it for its recipient: groundrule disclosure write {proposal_id[:12]} --out FOLDER")
    entries = ", ".join(str(each.log_index) for each in made.enactment.approvals)
    print_text(f"  on {len(made.enactment.approvals)} approvals: log entries {entries}")
