"""Two incidents of governance, told with invented persons: a request not to serve, and a contact that surfaces later.

The press carried accounts of this kind about real people. Nothing here is about them: every person, company, list entry,
letter and minute is invented and says so, and only the borders are real. What is shown is what would be on record.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from groundrule.errors import InputError
from groundrule.simulate.board import NOTICE, begin, signing
from groundrule.simulate.front_incident import front
from groundrule.simulate.roster import INVENTED
from groundrule.simulate.stories import Step, Story

_ENVOY, _MARSHAL, _HOLDING, _LINES, _COURIER = (f"party-{number:032x}" for number in range(1, 6))
_RULES: Final = f"""\
rulebook: island
version: 1
title: A small rulebook of an invented operator
operator: Example Orbit {INVENTED}
notice: An example, not legal advice.
default: {{outcome: serve, reason: served}}
precedence: [account, zone]
assumptions: {{position_sigma_m: {{gnss: 15}}, max_gap_s: 300, max_position_age_s: 900, decision_valid_s: 60}}
rules:
  - id: suspended
    title: Suspended accounts are not served
    tier: account
    who: {{account: suspended}}
    outcome: deny
    reason: account_disabled
    authority: {{basis: "terms {INVENTED}", illustrative: true}}
  - id: harbour-closed
    title: The naval harbour is not served
    tier: zone
    where: {{any: [area:harbour]}}
    outcome: deny
    reason: no_service_zone
    authority: {{basis: "an order {INVENTED}", illustrative: true}}
    appeal: write to appeals@example.org
"""
_OFF: Final = f"""\
  - id: island-off
    title: The island is not served
    tier: zone
    where: {{any: [country:TW]}}
    outcome: deny
    reason: no_service_zone
    authority: {{basis: "a favour, no legal basis stated {INVENTED}", illustrative: true}}
    appeal: write to appeals@example.org
"""
_FERRY: Final = _RULES.replace("version: 1", "version: 2").replace(
    "where: {any: [area:harbour]}\n", "where: {any: [area:harbour]}\n    unless: [{programme: ferry}]\n"
)
_ZONE: Final = json.dumps(
    {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {
                    "id": "harbour", "kind": "zone", "name": f"Naval harbour {INVENTED}", "source": INVENTED, "licence": "CC0-1.0",
                },
                "geometry": {"type": "Polygon", "coordinates": [
                    [[121.7, 25.1], [121.8, 25.1], [121.8, 25.2], [121.7, 25.2], [121.7, 25.1]],
                ]},
            }
        ],
    },
    indent=1,
)  # fmt: skip
_ACCOUNTS: Final = "account_id,party_id,country,state\nacc-clinic,p-clinic,TW,active\nacc-ferry,p-ferry,TW,active\n"
_TERMINALS: Final = (
    "terminal_id,account_id,plan,programmes,registration,activation_country,protected_class\n"
    "clinic-1,acc-clinic,business,,registered,TW,hospital\nferry-2,acc-ferry,ocean,ferry,registered,TW,\n"
    "home-3,acc-clinic,roam,,registered,TW,\n"
)
_SEEN: Final = (
    "terminal_id,observed_at,lat_deg,lon_deg\nclinic-1,{WHEN},25.05,121.55\nferry-2,{WHEN},25.15,121.75\nhome-3,{WHEN},24.15,120.68\n"
)
_DAYS: Final = {"said": 9.0, "told": 3.0, "first": 2.0, "second": 0.5, "listed": 20.0, "met": 400.0, "now": 0.0}


def load_story(name: str) -> Story:
    """Return a story.

    Raises:
        InputError: there is no story of that name.
    """
    if name not in _MAKERS:
        raise InputError(f"there is no story `{name}`", help=f"one of {', '.join(STORIES)}", value=name)
    return _MAKERS[name]()


def _begin() -> list[Step]:
    files = {
        "rules.yaml": _RULES, "harbour.geojson": _ZONE, "accounts.csv": _ACCOUNTS, "terminals.csv": _TERMINALS,
        "first.csv": _SEEN.replace("WHEN", "first"), "second.csv": _SEEN.replace("WHEN", "second"),
    }  # fmt: skip
    return begin(files, areas="harbour.geojson", says="Three reports come in and are decided.")


def _end(terminal: str, says: str) -> list[Step]:
    return [
        Step("The same terminals report again.", "decide {papers}/second.csv --home {home}"),
        Step(says, f"ledger prove {terminal} --home {{home}} --for owner --out {{out}}/{terminal}.tlog-proof"),
        Step("Anybody verifies the receipt with the log's policy file and nothing else.",
             f"ledger verify {{out}}/{terminal}.tlog-proof --policy {{home}}/ledger/policy"),
        Step("What is in force is what the log says.", "govern check --home {home}"),
    ]  # fmt: skip


def _taiwan() -> Story:
    request = f"""\
# A note of the talk; who said it is named here and not in the log.
requester: {{id: {_ENVOY}, kind: government_body, names: ["Office of the Envoy Muster {INVENTED}"]}}
on_behalf_of:
  - {{id: {_MARSHAL}, kind: head_of_state_or_government, names: ["Exempel Grandios {INVENTED}"],
     identifiers: [{{scheme: birth_date, value: "1951-02-03"}}]}}
conveyed_by: {{id: {_HOLDING}, kind: legal_entity, names: ["Tidewater Holding {INVENTED}"]}}
channel: intermediary
received_by: {{reg}}
occurred_at: {{said}}
received_at: {{told}}
text: note.txt
ask: [{{op: refrain, object: "country:TW", detail: "no service over the island, as a favour to another"}}]
legal_basis: {{kind: none_stated, reference: ""}}
purpose: commercial
"""
    proposal = f"""\
author: {{ole}}
rationale: what was asked for in the talk {INVENTED}
reversal_plan: propose the present rulebook again
requests: [{{request}}]
beneficiaries: [{_MARSHAL}]
"""
    off = _RULES.replace("version: 1", "version: 2") + _OFF
    steps = [
        *_begin(),
        Step("A holding conveys a wish: do NOT serve the island, for the sake of somebody else. It is a request like any other.",
             "request open {papers}/request.yaml --home {home}", keep={"request": r"Recorded (request-[0-9a-f]{32})"},
             files={"request.yaml": request, "note.txt": f"They would take it as a favour. {INVENTED}\n"}),
        Step("Everybody behind it is screened, not only who spoke. One name is a candidate, which is no verdict.",
             "request screen {request} --home {home}", code=1, keep={"screening": r"Exempel Grandios[^:]*: (screening-[0-9a-f]{32})"}),
        Step("A registrar decides: by the date of birth it is the same.",
             "request dispose {screening} invented-list:invented-77 --as true --by {reg} --home {home} "
             f"--reason 'name and date of birth agree {INVENTED}'"),
        Step("Somebody drafts it all the same. Code says what it is and whom it would hit; nobody chose that.",
             "propose {papers}/favour.yaml --change rulebook={papers}/off.yaml --home {home}",
             keep={"favour": r"Proposal ([0-9a-f]{64})"}, files={"favour.yaml": proposal, "off.yaml": off}),
        Step("", "govern export {favour} --out {papers}/favour.zip --home {home}"),
        *signing("ada", "favour", says="What an approver sees, offline, before signing:"),
        *signing("bo", "favour"),
        *signing("cy", "favour"),
        Step("Three signatures are there, from three groups. It is refused all the same, and the refusal is in the log.",
             "enact {favour} --home {home}", code=2),
        Step("Why: the beneficiary is on a list, and a day of notice has not passed.", "govern status --home {home}"),
        Step("The request is closed, with the reason.",
             "request close {request} --outcome refused --reason 'no legal basis; the beneficiary is a listed person' --home {home}"),
        Step("It stays visible to everybody, without a name.", "request list --public --home {home}"),
        Step("And so does the attempt.", "govern refusals --home {home}"),
        *_end("clinic-1", "The clinic's owner gets the proof that it is served as before."),
    ]  # fmt: skip
    return Story(
        "taiwan",
        "A request not to serve, through an intermediary",
        NOTICE,
        _DAYS,
        tuple(steps),
        (
            "On record: who asked, for whom, through whom, how late it was told, on what basis, that it was refused and why.",
            "Not shown: a wish that nobody recorded. What the network did can be compared with what the log says it decided.",
        ),
    )


def _contacts() -> Story:
    request = f"""\
requester: {{id: {_LINES}, kind: legal_entity, names: ["Strait Muster Lines {INVENTED}"]}}
on_behalf_of: [self]
channel: letter
received_by: {{reg}}
occurred_at: {{told}}
received_at: {{told}}
text: letter.txt
ask: [{{op: serve, object: rulebook/island, detail: the harbour for ferries}}]
legal_basis: {{kind: voluntary, reference: ""}}
purpose: commercial
"""
    proposal = f"""\
author: {{ole}}
rationale: ferries need the line when they berth {INVENTED}
reversal_plan: propose the rulebook of version 1 again
requests: [{{request}}]
beneficiaries: [{_LINES}]
"""
    report = f"""\
# What a newspaper says. It is no fact: the log holds commitments in place of the parties.
covered_person: {{ada}}
counterparty: {{id: {_LINES}, kind: legal_entity, names: ["Strait Muster Lines {INVENTED}"]}}
capacity: private
channel: meeting
occurred_from: {{met}}
occurred_to: null
pattern: regular
topics: [areas]
reported_by: {{id: {_COURIER}, kind: legal_entity, names: ["The Invented Courier {INVENTED}"]}}
basis: press
evidence: [{{file: page.html, url: "https://courier.example/dinners", lang: en}}]
"""
    again = _FERRY.replace("version: 2", "version: 3").replace("[{programme: ferry}]", "[{programme: ferry}, {programme: pilot}]")
    steps = [
        *_begin(),
        Step("A shipping company asks that ferries be served in the harbour.", "request open {papers}/request.yaml --home {home}",
             keep={"request": r"Recorded (request-[0-9a-f]{32})"},
             files={"request.yaml": request, "letter.txt": f"Kindly let our ferries be served at the berth. {INVENTED}\n"}),
        Step("", "request screen {request} --home {home}"),
        Step("", "propose {papers}/ferry-proposal.yaml --change rulebook={papers}/ferry.yaml --home {home}",
             keep={"ferry": r"Proposal ([0-9a-f]{64})"}, files={"ferry-proposal.yaml": proposal, "ferry.yaml": _FERRY}),
        Step("", "govern export {ferry} --out {papers}/ferry.zip --home {home}"),
        *signing("ada", "ferry"),
        *signing("bo", "ferry"),
        Step("Two of three approve, and it is enacted.", "enact {ferry} --home {home}"),
        Step("", "request close {request} --outcome proposed --reason 'enacted after two approvals' --home {home}"),
        Step("Later a newspaper tells of dinners. What it says is recorded as an allegation.",
             "contact add {papers}/report.yaml --home {home}", keep={"contact": r"Recorded (contact-[0-9a-f]{32})"},
             files={"report.yaml": report, "page.html": f"<p>Dinners over a year. {INVENTED}</p>\n"}),
        Step("In the log stands a commitment and no name.", "contact list --public --home {home}"),
        Step("It came late, so what that person decided since is listed, to be looked at again. Nothing that was decided changes.",
             "contact list --late --home {home}"),
        Step("The company asks for more. The person who is accused cannot approve this one, whatever the statement says.",
             "propose {papers}/more.yaml --change rulebook={papers}/pilots.yaml --home {home}",
             keep={"more": r"Proposal ([0-9a-f]{64})"}, files={"more.yaml": proposal, "pilots.yaml": again}),
        Step("", "govern export {more} --out {papers}/more.zip --home {home}"),
        *signing("ada", "more", code=2),
        Step("The person denies it, by commitment and unsigned, since a signature would tell the name. That makes it disputed, no more.",
             "contact update {contact} --status disputed --by {ada} --home {home}"),
        Step("Two reviewers who had no part in it look at what was decided, and sign what they found.",
             "review draft {contact} --reviewer {fay} --reviewer {gus} --verdict upheld --home {home} --out {papers}/review.json "
             f"--findings 'the change stands on its merits {INVENTED}'"),
        Step("", "review sign {papers}/review.json --key {papers}/fay.key --out {papers}/fay.sig --yes"),
        Step("", "review sign {papers}/review.json --key {papers}/gus.key --out {papers}/gus.sig --yes"),
        Step("", "review conclude {papers}/fay.sig {papers}/gus.sig --home {home}"),
        Step("Where everything stands.", "govern status --home {home}"),
        *_end("ferry-2", "The ferry's owner gets the proof of what was decided."),
    ]  # fmt: skip
    return Story(
        "contacts",
        "A contact surfaces later",
        NOTICE,
        _DAYS,
        tuple(steps),
        (
            "On record: that somebody alleges a contact, when it was told, what that person decided meanwhile, who looked again.",
            "Not shown: whether the dinners took place. A contact that nobody tells and no press finds is in no register.",
        ),
    )


_MAKERS: dict[str, Callable[[], Story]] = {"taiwan": _taiwan, "contacts": _contacts, "front": front}
STORIES: tuple[str, ...] = tuple(_MAKERS)
"""Names of the stories."""
