"""`groundrule contact`: who met whom, told by themselves or by others; what an allegation does and does not do."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from groundrule.canon import canonical_json
from groundrule.cli.documents import digest_of, read_document, time_text, with_times
from groundrule.cli.governing import chosen, entry_of, governed, need_charter
from groundrule.cli.key import read_key
from groundrule.cli.output import DEFAULT_HOME, HomeOption, OutputJson, print_json, print_table, print_text, warn
from groundrule.cli.passphrase import PassphraseFile
from groundrule.errors import InputError
from groundrule.govern.contacts import is_late, lateness, nil_overdue, re_review_set
from groundrule.govern.logged import LoggedContact
from groundrule.govern.objects import Contact, ContactUpdate, NilReturn, PartyRecord
from groundrule.govern.signed import Signed, format_time, payload_type, whole_ms
from groundrule.govern.state import State
from groundrule.instant import format_instant
from groundrule.pipeline.contact_intake import FIELDS, draft_contact, lodge_contact
from groundrule.pipeline.governance_view import read_state
from groundrule.pipeline.intake import check_fields
from groundrule.pipeline.parties import names_of
from groundrule.signing import sign_envelope
from groundrule.store.home import Home

app = typer.Typer(no_args_is_help=True, help="Contacts of covered persons with outside parties: add, dispute, list, none.")
NS_PER_HOUR = 3_600_000_000_000
_TIMES = ("occurred_from", "occurred_to", "reported_at", "sealed_until")
KeyOption = Annotated[
    Path | None, typer.Option("--key", help="Private key of whoever answers for it: the person itself, or a registrar.")
]


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="Who, with whom, when, how it is known: YAML or JSON.")],
    home: HomeOption = DEFAULT_HOME,
    key: KeyOption = None,
    open_names: Annotated[
        bool, typer.Option("--public-ids", help="Log the ids of the parties openly: all of them hold public roles.")
    ] = False,
    passphrase_file: PassphraseFile = None,
    as_json: OutputJson = False,
) -> None:
    """Record a contact. What nobody answerable signed is an allegation: the log holds commitments in place of the parties."""
    draft = with_times(read_document(file), _TIMES, file=file)
    check_fields(draft, FIELDS, "the contact")
    found: dict[str, PartyRecord] = {}
    contact = _contact(draft, found, file)
    pages = [file.parent / str(each["file"]) for each in draft.get("evidence") or [] if "file" in each]
    signer = read_key(key, passphrase_file) if key else None
    with governed(home) as governance:
        need_charter(governance.state)
        place = governance.home
        contact, logged = lodge_contact(
            governance, contact, parties=found.values(), pages=[page.read_bytes() for page in pages], open_ids=open_names,
            sign=None if signer is None else lambda public: sign_envelope(public.data, payload_type("contact"), [signer]),
        )  # fmt: skip
        result = _as_dict(governance.state, governance.state.contacts[contact.id], place, time.time_ns())
    result["entry"] = entry_of(logged)
    if as_json:
        print_json(result)
        return
    print_text(f"Recorded {result['id']}, {result['entry']}: {result['status']}, {result['lateness']}")
    print_text(f"  in the log: {result['public']['covered_person']} with {result['public']['counterparty']}")
    _print_re_review(result)


@app.command()
def update(
    contact: Annotated[str, typer.Argument(help="Id of the contact, or how it begins.")],
    status: Annotated[str, typer.Option("--status", help="disputed, corroborated, denied or withdrawn.")],
    by: Annotated[str, typer.Option("--by", help="Party that says so.")],
    review: Annotated[str | None, typer.Option("--review", help="Concluded review on which it rests.")] = None,
    home: HomeOption = DEFAULT_HOME,
    key: KeyOption = None,
    passphrase_file: PassphraseFile = None,
    as_json: OutputJson = False,
) -> None:
    """Change the status of a contact: a denial by the person alone makes it disputed; only a review makes it denied."""
    signer = read_key(key, passphrase_file) if key else None
    with governed(home) as governance:
        known = governance.state.contacts
        found = known[chosen(contact, known, "contact")]
        parties = (found.contact.covered_person, found.contact.reported_by)
        public = next((party for party in parties if governance.state.party_of(party) == by), by)
        made = ContactUpdate.parse(
            {"id": found.contact.id, "status": status, "by": public, "review": review, "evidence": [],
             "at": format_time(whole_ms(time.time_ns()))}
        )  # fmt: skip
        logged = governance.contact_update(_signed(made, "contact-update", signer))
    if as_json:
        print_json({"index": logged.index, **made.value})
        return
    print_text(f"{made.id}: {made.status}; {entry_of(logged)}")


@app.command()
def nil(
    person: Annotated[str, typer.Argument(help="Party id of the covered person.")],
    start: Annotated[str, typer.Option("--from", help="From when there was no contact.")],
    until: Annotated[str, typer.Option("--until", help="Until when.")],
    home: HomeOption = DEFAULT_HOME,
    key: KeyOption = None,
    passphrase_file: PassphraseFile = None,
    as_json: OutputJson = False,
) -> None:
    """State expressly that there was no contact: silence is not an answer."""
    value = {"covered_person": person, "from": time_text(start, "--from"), "until": time_text(until, "--until")}
    signer = read_key(key, passphrase_file) if key else None
    with governed(home) as governance:
        need_charter(governance.state)
        logged = governance.contact(_signed(NilReturn.parse(value), "contact", signer))
    if as_json:
        print_json({"index": logged.index, **value})
        return
    print_text(f"No contact of {person} from {start} until {until}: {entry_of(logged)}")


@app.command(name="list")
def list_(
    home: HomeOption = DEFAULT_HOME,
    late: Annotated[bool, typer.Option("--late", help="Only those that were reported late.")] = False,
    public: Annotated[bool, typer.Option("--public", help="Only what the log says: commitments, no names.")] = False,
    as_json: OutputJson = False,
) -> None:
    """List contacts, how late each was told, and for a late one every decision of that person to look at again."""
    place, now_ns = Home.open(home), time.time_ns()
    state = read_state(place)
    need_charter(state)
    rows = [_as_dict(state, each, None if public else place, now_ns) for each in state.contacts.values()]
    rows = [row for row in rows if row["late"] or not late]
    missing = list(nil_overdue(state, now_ns))
    if as_json:
        print_json({"contacts": rows, "nil_returns": [each.value for each in state.nil_returns], "nil_overdue": missing})
        return
    print_table(
        ["contact", "entry", "person", "with", "when", "status", "how late"],
        [[r["id"][:20], r["index"], r["person"], r["with"], r["when"], r["status"], r["lateness"]] for r in rows],
    )
    for row in rows:
        _print_re_review(row)
    for party in missing:
        warn(f"no return of {party} for the last half-year: neither a contact nor an express `none`")


def _contact(draft: dict[str, Any], found: dict[str, PartyRecord], file: Path) -> Contact:
    evidence = [_evidence(each, file) for each in draft.get("evidence") or []]
    return draft_contact(draft, found, evidence=evidence, now_ns=time.time_ns())


def _evidence(value: Any, file: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError("`evidence` is no list of objects", help="[{file: page.html, url: …, lang: en}]")
    given = dict(value)
    if "file" in given:
        given["sha256"] = digest_of(file.parent / str(given.pop("file")))
    return {"url": None, "archived": None, "lang": None, "machine_translated": False, "original": None, **given}


def _signed(made: Signed, kind: str, signer: Any) -> dict[str, Any]:
    return made.value if signer is None else sign_envelope(canonical_json(made.value), payload_type(kind), [signer])


def _as_dict(state: State, logged: LoggedContact, home: Home | None, now_ns: int) -> dict[str, Any]:
    contact = logged.contact
    assert state.charter is not None
    limits = state.charter.limits
    parties = {name: getattr(contact, name) for name in ("covered_person", "counterparty", "reported_by")}
    shown = {name: state.party_of(party) if home else party for name, party in parties.items()}
    names = names_of(home, shown.values()) if home else {}
    how = lateness(contact, limits, candidate=state.candidate(state.party_of(contact.counterparty)))
    late = is_late(state, logged)
    took = "nobody says when it was" if how.took_ns is None else f"told {how.took_ns / NS_PER_HOUR:,.0f} h after it"
    start, end = (None if each is None else format_instant(each) for each in (contact.occurred_from, contact.occurred_to))
    return {
        "id": contact.id,
        "index": logged.index,
        "public": parties,
        "person": names.get(shown["covered_person"], shown["covered_person"][:27]),
        "with": names.get(shown["counterparty"], shown["counterparty"][:27]),
        "when": start if start == end else f"{start or 'open'} to {end or 'open'}",
        "basis": contact.basis,
        "status": logged.status,
        "allegation": logged.allegation,
        "late": late,
        "lateness": f"{took}: {'LATE' if late else 'in time'}",
        "review": next((id_ for id_, each in state.reviews.items() if each.review.of == contact.id), None),
        "verdict": state.verdict_on(contact.id),
        "re_review": [
            {"index": each.index, "act": each.act, "of": each.of, "touches": each.touches}
            for each in (re_review_set(state, contact.id) if late and home else ())
        ],
        "at": format_instant(now_ns),
    }


def _print_re_review(row: dict[str, Any]) -> None:
    if not row["re_review"]:
        return
    print_text(f"  To look at again, because {row['id'][:20]}… came late (nothing that was decided is changed by it):")
    print_table(
        ["entry", "act", "of", "touches the counterparty"],
        [[each["index"], each["act"], each["of"][:20], "yes" if each["touches"] else "no"] for each in row["re_review"]],
    )
    if row["review"]:
        print_text(f"  Review due: {row['review']}")
