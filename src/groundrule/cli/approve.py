"""`groundrule approve`: on the approver's own machine, from a bundle alone; or at the home, for those who sit at it."""

from __future__ import annotations

import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from groundrule.canon import canonical_json
from groundrule.cli.envelopes import confirm_digest, write_envelope
from groundrule.cli.governing import export_bundle, receive_approval
from groundrule.cli.key import open_either, public_file
from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_text, warn
from groundrule.cli.passphrase import PassphraseFile
from groundrule.errors import InputError
from groundrule.govern.charter import parse_vkey
from groundrule.govern.duress import nonce_of
from groundrule.govern.objects import Approval
from groundrule.govern.quorum import proposal_end
from groundrule.govern.signed import COMMITTED, NS_PER_HOUR, format_time, payload_type, whole_ms
from groundrule.instant import format_instant
from groundrule.ledger.policy import Policy
from groundrule.pipeline.bundles import Bundle, Seen, open_bundle
from groundrule.pipeline.governance_view import read_state
from groundrule.signing import SigningKey, sign_envelope
from groundrule.store.durable import write_durably
from groundrule.store.home import Home

NO_CONFLICT: Final = "none"
MEMORY_SUFFIX: Final = ".seen"
WHY: Final = {
    "author": "you wrote it",
    "editor": "you wrote a version of it",
    "requester": "you asked for it",
    "principal": "it is asked for in your name",
    "beneficiary": "you gain by it",
    "contact": "a contact of yours with a party concerned is on record, whoever reported it",
    "recused": "you have recused",
    "suspended": "you are suspended from all roles until a review decides",
}


class Verdict(StrEnum):
    """What a person says about a proposal."""

    APPROVE = "approve"
    REJECT = "reject"
    RECUSE = "recuse"


def approve(
    proposal: Annotated[str, typer.Argument(help="A bundle from `groundrule govern export`, or the proposal's digest at the home.")],
    key: Annotated[Path, typer.Option("--key", help="Your private key file.")],
    home: HomeOption = DEFAULT_HOME,
    verdict: Annotated[Verdict, typer.Option("--verdict", help="What you say.")] = Verdict.APPROVE,
    conflict: Annotated[
        list[str] | None,
        typer.Option("--conflict", help="`none`, or the id of a contact that may bear on it; asked for if not given."),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", help="Your own copy of the log's policy file: whose signatures you trust.")
    ] = None,
    memory: Annotated[
        Path | None, typer.Option("--memory", help="Where the log as last seen is remembered; beside the key by default.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Where the signed envelope goes.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether to sign what was shown.")] = False,
    passphrase_file: PassphraseFile = None,
    as_json: OutputJson = False,
) -> None:
    """Check every digest of a proposal again, show what it would change and for whom, and sign a verdict.

    With a bundle this needs no network and no home; the envelope is then taken in at the home by `groundrule govern import`.
    """
    file = Path(proposal)
    at_home = not file.is_file()
    remembered = memory or key.with_name(key.name + MEMORY_SUFFIX)
    last = Seen.parse(remembered.read_bytes()) if remembered.exists() else None
    data = _at_home(home, proposal, key, last) if at_home else file.read_bytes()
    own = Policy.parse(policy.read_bytes()) if policy else None
    bundle = open_bundle(data, policy=own, last=last)
    shown = _describe(bundle)
    if not as_json:
        _print(shown)
    now_ns = time.time_ns()
    person = _person(bundle, key, now_ns)
    against = bundle.excluded(person, now_ns)
    _warn_excluded(bundle, person, against)
    statement = _statement(bundle, person, conflict, now_ns, verdict)
    confirm_digest(bundle.logged.proposal.id, f"`{verdict.value}`", yes=yes)
    signer, _, code = open_either(key, passphrase_file)
    envelope, approval = sign_verdict(bundle, signer, code, person, verdict.value, statement, now_ns=now_ns)
    target = out or Path(f"{bundle.logged.proposal.id[:12]}.{person.removeprefix('party-')[:12]}.approval")
    write_envelope(target, envelope)
    write_durably(remembered, canonical_json(bundle.seen.as_dict()) + b"\n")
    shown |= {"made_for": bundle.made_for, "excluded": against}
    result: dict[str, Any] = {**shown, "envelope": str(target), "approval": approval.value, "digest": approval.digest}
    if at_home:
        result["received"] = receive_approval(home, envelope)
    if as_json:
        print_json(result)
        return
    print_text(f"Signed: {verdict.value}, as {bundle.name(person)}, until {format_instant(approval.expires)}. Envelope: {target}")
    if at_home:
        print_text(f"Taken in at {home}: log entry {result['received']['index']}; {result['received']['standing']}")
    else:
        print_text(f"Bring it to the home: groundrule govern import {target}")


def sign_verdict(
    bundle: Bundle, key: SigningKey, code: bytes, person: str, verdict: str, statement: tuple[str, ...], *, now_ns: int
) -> tuple[dict[str, Any], Approval]:
    """Make the approval of a checked bundle, and its envelope; the code is that of the passphrase (`govern.duress`)."""
    logged, charter = bundle.logged, bundle.state.charter
    assert charter is not None
    now_ms = whole_ms(now_ns)
    start = max(now_ms, logged.proposal.effective.from_)
    end = min(start + charter.limits.approval_ttl_hours * NS_PER_HOUR, max(proposal_end(charter, logged), now_ms + NS_PER_HOUR))
    head = bundle.checked.checkpoint
    approval = Approval.parse(
        {
            "proposal_digest": logged.proposal.id,
            "impact_digest": logged.impact.digest,
            "verdict": verdict,
            "role": charter.change_class(logged.proposal.class_).role,
            "person": person,
            "charter_version": charter.version,
            "seen_checkpoint": {"size": head.size, "root": head.root.hex()},
            "conflict_statement": list(statement) or NO_CONFLICT,
            "nonce": nonce_of(code, logged.proposal.id, format_time(now_ms)),
            "signed_at": format_time(now_ms),
            "expires": format_time(whole_ms(end)),
        }
    )
    return sign_envelope(approval.data, payload_type("approval"), [key]), approval


def _describe(bundle: Bundle) -> dict[str, Any]:
    proposal, state, head = bundle.logged.proposal, bundle.state, bundle.checked.checkpoint
    assert state.charter is not None
    need = state.charter.change_class(proposal.class_)
    return {
        "proposal": proposal.id,
        "class": proposal.class_,
        "needs": f"{need.min_persons} persons of role {need.role}, {need.min_groups} independence groups, "
        f"{need.notice_hours} h of notice",
        "author": bundle.name(proposal.author),
        "rationale": proposal.rationale,
        "reversal_plan": proposal.reversal_plan,
        "effective_from": format_instant(proposal.effective.from_),
        "effective_until": None if proposal.effective.until is None else format_instant(proposal.effective.until),
        "changes": bundle.changes(),
        "impact": bundle.impact(),
        "impact_digest": proposal.impact_digest,
        "requests": [_request(bundle, request) for request in proposal.requests],
        "beneficiaries": [bundle.name(party) for party in proposal.beneficiaries],
        "charter_version": state.charter.version,
        "log": {
            "origin": head.origin, "size": head.size, "witnesses": sorted(bundle.checked.times),
            "own_policy": bundle.own_policy, "compared": bundle.compared,
        },
    }  # fmt: skip


def _request(bundle: Bundle, request_id: str) -> dict[str, Any]:
    logged = bundle.state.requests.get(request_id)
    if logged is None:
        return {"id": request_id, "asks": "not in the log"}
    request = logged.request
    screened = {
        party: bundle.state.screening_of(party) for party in sorted({request.requester, *request.chain})
    }
    return {
        "id": request_id,
        "requester": bundle.name(request.requester),
        "on_behalf_of": [bundle.name(party) for party in request.on_behalf_of],
        "conveyed_by": request.conveyed_by and bundle.name(request.conveyed_by),
        "asks": [f"{ask.op} {ask.object}" + (f": {ask.detail}" if ask.detail else "") for ask in request.ask],
        "legal_basis": f"{request.legal_basis.kind} {request.legal_basis.reference}".strip(),
        "screenings": {
            bundle.name(party): "never screened" if found is None else "LISTED" if found.screening.listed
            else "a candidate is open" if found.screening.unresolved else "clear"
            for party, found in screened.items()
        },
    }  # fmt: skip


def _print(shown: dict[str, Any]) -> None:
    log = shown["log"]
    print_text(f"Proposal {shown['proposal']}", style="bold")
    print_text(f"  class {shown['class']}: {shown['needs']}; by {shown['author']}")
    print_text(f"  why: {shown['rationale']}")
    print_text(f"  how it is undone: {shown['reversal_plan']}")
    print_text(f"  in force from {shown['effective_from']}" + (f" until {shown['effective_until']}" if shown["effective_until"] else ""))
    print_text("What would change", style="bold")
    for line in shown["changes"]:
        print_text(f"  {line}")
    print_text("For whom", style="bold")
    for line in shown["impact"]:
        print_text(f"  {line}")
    for request in shown["requests"]:
        print_text(f"Because of {request['id']}", style="bold")
        for name in ("requester", "on_behalf_of", "conveyed_by", "asks", "legal_basis", "screenings"):
            if request.get(name):
                print_text(f"  {name.replace('_', ' ')}: {_words(request[name])}")
    if shown["beneficiaries"]:
        print_text(f"Who gains: {', '.join(shown['beneficiaries'])}")
    print_text("Checked here: digests of proposal, impact and content; inclusion of every entry; the signed checkpoint", style="bold")
    print_text(f"  {log['origin']}, {log['size']:,} entries, cosigned by {', '.join(log['witnesses']) or 'no witness'}")
    if not log["own_policy"]:
        warn("  The log's policy came with the bundle. Keep a copy of your own and give it with --policy.")
    if not log["compared"]:
        warn("  This log is seen for the first time here: whether it was rolled back before cannot be told.")


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name}: {each}" for name, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _at_home(home: Path, proposal: str, key: Path, last: Seen | None) -> bytes:
    """Make the bundle at the home itself, for whoever has the key."""
    charter = read_state(Home.open(home)).charter
    public = parse_vkey(public_file(key).read_text("utf-8").strip())[1]
    person = None if charter is None else charter.person_of(public, time.time_ns())
    return export_bundle(home, proposal, since=[last.size] if last else [], person=person)


def _warn_excluded(bundle: Bundle, person: str, against: str | None) -> None:
    """Tell before anything is signed that it would not count, or that this could not be seen here."""
    if against is not None:
        warn(f"Your approval would NOT count: {WHY.get(against, against)}. Say so with --verdict recuse, or leave it to others.")
    if bundle.made_for not in (None, person):
        warn("This bundle was made for another person, and opens what only that person is to see: delete it, and tell the home.")
    elif bundle.made_for is None and any(each.startswith(COMMITTED) for each in bundle.logged.proposal.contacts_in_scope):
        warn(
            "This bundle was not made for you: whether somebody else has reported a contact of yours cannot be seen here. "
            f"Ask for one made with: groundrule govern export PROPOSAL --for {person}"
        )


def _person(bundle: Bundle, key: Path, now_ns: int) -> str:
    """Whose key it is; the home judges whether it counts, and keeps a record where it does not."""
    name, public = parse_vkey(public_file(key).read_text("utf-8").strip())
    charter = bundle.state.charter
    assert charter is not None
    person = charter.person_of(public, now_ns)
    if person is not None:
        return person
    warn(f"This key is not one that charter version {charter.version} trusts now; the home will refuse what it signs.")
    owners = [member.party for member in charter.persons for each in member.keys if each.public == public]
    return owners[0] if owners else name


def _statement(
    bundle: Bundle, person: str, given: list[str] | None, now_ns: int, verdict: Verdict
) -> tuple[str, ...]:
    on_record = bundle.contacts_of(person, now_ns)
    for each in on_record:
        warn(
            f"On record: contact {each.contact.id} of yours with {bundle.name(bundle.state.party_of(each.contact.counterparty))}, "
            f"{each.status}. "
            "Whatever you state, it keeps your approval from counting."
        )
    if given is None:
        if not sys.stdin.isatty():
            raise InputError("no statement about conflicts of interest", help="give --conflict none, or --conflict CONTACT")
        typer.echo(
            "Have you, in the last 24 months, had any contact with the requester, with anybody in whose name it is asked,\n"
            "or with anybody who gains? Private, business and chance meetings count.", err=True,
        )  # fmt: skip
        answer = typer.prompt("Type `none`, or the ids of the contacts", err=True)
        given = answer.replace(",", " ").split()
    if NO_CONFLICT in given and len(given) > 1:
        raise InputError("`none` stands alone", help="state the contacts, or none")
    statement = () if given == [NO_CONFLICT] else tuple(given)
    if statement and verdict is Verdict.APPROVE:
        warn("You state a conflict and approve: consider --verdict recuse.")
    return statement
