"""An incident from end to end, with invented persons: a terminal that flies near a front line, and how it came to be served.

A rule refuses fast terminals in a strip along the front. Somebody asks, through an intermediary, for an exception; two of three approve it;
the terminal of a craft, activated in another country, is served. Later a newspaper tells of a contact. The story ends in a dossier that a
stranger can read and check.
"""

from __future__ import annotations

import json
from typing import Final

from groundrule.simulate.board import NAMES, NOTICE, begin, signing
from groundrule.simulate.roster import INVENTED
from groundrule.simulate.stories import Step, Story

_TRADING, _HOLDING, _COURIER = (f"party-{number:032x}" for number in range(11, 14))
_CADENCE_S: Final = 15
_REPORTS: Final = 9
_DAY_S: Final = 86_400
_RULES: Final = f"""\
rulebook: front
version: 1
title: A small rulebook of an invented operator
operator: Example Orbit {INVENTED}
notice: An example, not legal advice.
default: {{outcome: serve, reason: served}}
precedence: [account, motion]
assumptions: {{position_sigma_m: {{gnss: 15}}, max_gap_s: 300, max_position_age_s: 900, decision_valid_s: 60}}
rules:
  - id: suspended
    title: Suspended accounts are not served
    tier: account
    who: {{account: suspended}}
    outcome: deny
    reason: account_disabled
    authority: {{basis: "terms {INVENTED}", illustrative: true}}
  - id: strip-speed
    title: In the strip along the front nothing faster than 75 km/h is served
    tier: motion
    where: {{any: [area:front-strip]}}
    what: {{speed_km_h: {{above: 75, release_below: 70, for_s: 30}}}}
    outcome: deny
    reason: moving_too_fast_for_policy
    authority: {{basis: "an order of a ministry {INVENTED}", illustrative: true}}
    appeal: write to appeals@example.org
"""
_LOOSER: Final = _RULES.replace("version: 1", "version: 2").replace(
    "for_s: 30}}\n", "for_s: 30}}\n    unless: [{programme: survey}]\n"
)
_STRIP: Final = json.dumps(
    {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {
                    "id": "front-strip", "kind": "zone", "name": f"Strip along the front {INVENTED}", "source": INVENTED,
                    "licence": "CC0-1.0",
                },
                "geometry": {"type": "Polygon", "coordinates": [
                    [[35.0, 47.2], [36.6, 47.2], [36.6, 48.1], [35.0, 48.1], [35.0, 47.2]],
                ]},
            }
        ],
    },
    indent=1,
)  # fmt: skip
_ACCOUNTS: Final = (
    "account_id,party_id,country,state\nacc-survey,p-survey,AE,active\nacc-clinic,p-clinic,UA,active\n"
)
_TERMINALS: Final = (
    "terminal_id,account_id,plan,programmes,registration,activation_country,protected_class\n"
    "craft-9,acc-survey,roam,survey,registered,AE,\n"
    "clinic-1,acc-clinic,business,,registered,UA,hospital\n"
    "ambulance-3,acc-clinic,mobile,,registered,UA,hospital\n"
)
_ARTICLE: Final = f"""\
<!doctype html>
<html lang="en"><head><title>Dinners by the sea {INVENTED}</title>
<meta property="og:site_name" content="The Invented Courier {INVENTED}"><meta name="author" content="Pen Muster {INVENTED}">
<link rel="canonical" href="https://courier.example/dinners"></head>
<body><article><h1>Dinners by the sea {INVENTED}</h1>
<p>Ada Muster {INVENTED}, who signs changes of the network's rules, has met the owners of Steppe Survey Trading {INVENTED} regularly,
according to two former employees of the company. The meetings began more than a year ago, they said.</p>
<p>A spokesman of the network declined to comment. Ada Muster {INVENTED} did not respond to a request for comment.</p>
<p>Steppe Survey Trading {INVENTED} denied that service was ever discussed.</p>
</article></body></html>
"""


def front() -> Story:
    """Return the story."""
    request = f"""\
requester: {{id: {_TRADING}, kind: legal_entity, names: ["Steppe Survey Trading {INVENTED}"]}}
on_behalf_of: [unknown]
conveyed_by: {{id: {_HOLDING}, kind: legal_entity, names: ["Tidewater Holding {INVENTED}"]}}
channel: intermediary
received_by: {{reg}}
occurred_at: {{said}}
received_at: {{told}}
text: letter.txt
ask: [{{op: serve, object: area/front-strip, detail: "survey craft, whatever their speed"}}]
legal_basis: {{kind: none_stated, reference: ""}}
purpose: commercial
"""
    proposal = f"""\
author: {{ole}}
rationale: survey craft fly fast and do no harm {INVENTED}
reversal_plan: propose the rulebook of version 1 again
requests: [{{request}}]
beneficiaries: [{_TRADING}]
"""
    contact = f"""\
# What a newspaper says. It is no fact: the log holds commitments in place of the parties.
covered_person: {{ada}}
counterparty: {_TRADING}
capacity: private
channel: meeting
occurred_from: {{met}}
occurred_to: null
pattern: regular
topics: [areas]
reported_by: {{id: {_COURIER}, kind: legal_entity, names: ["The Invented Courier {INVENTED}"]}}
basis: press
evidence: [{{file: dinners.html, url: "https://courier.example/dinners", lang: en}}]
"""
    files = {
        "rules.yaml": _RULES, "strip.geojson": _STRIP, "accounts.csv": _ACCOUNTS, "terminals.csv": _TERMINALS,
        "first.csv": _seen("first"), "second.csv": _seen("second"),
    }  # fmt: skip
    steps = [
        *begin(files, areas="strip.geojson", says="A craft flies near the front, and an ambulance drives there. Both are decided."),
        Step("The craft was refused, and this is why.", "explain craft-9 --home {home}"),
        Step("The same rule hit an ambulance. Its owner appeals; 72 hours run, and the log holds neither the owner nor the terminal.",
             "appeal open ambulance-3 --text {papers}/appeal.txt --received-by {reg} --home {home}",
             keep={"appeal": r"(request-[0-9a-f]{32})"},
             files={"appeal.txt": f"We carry the wounded; why are we cut off? {INVENTED}\n"}),
        Step("Somebody asks, through an intermediary, that craft of its programme be served. For whom is not said.",
             "request open {papers}/request.yaml --home {home}", keep={"request": r"Recorded (request-[0-9a-f]{32})"},
             files={"request.yaml": request, "letter.txt": f"Kindly let survey craft be served. {INVENTED}\n"}),
        Step("", "request screen {request} --home {home}"),
        Step("A change is drafted. Code says what class it is and whom it touches.",
             "propose {papers}/looser-proposal.yaml --change rulebook={papers}/looser.yaml --home {home}",
             keep={"looser": r"Proposal ([0-9a-f]{64})"}, files={"looser-proposal.yaml": proposal, "looser.yaml": _LOOSER}),
        Step("", "govern export {looser} --out {papers}/looser.zip --home {home}"),
        *signing("ada", "looser"),
        *signing("bo", "looser"),
        *signing("cy", "looser"),
        Step("It is enacted.", "enact {looser} --home {home}"),
        Step("", "request close {request} --outcome proposed --reason 'enacted after three approvals' --home {home}"),
        Step("The same craft flies again, and is served.", "decide {papers}/second.csv --home {home}"),
        Step("Why was it let in? The nearest rule that would have denied it, and why it did not apply.", "explain craft-9 --home {home}"),
        Step("Later a newspaper tells of dinners. What it says is recorded as an allegation.",
             "contact add {papers}/contact.yaml --home {home}", keep={"contact": r"Recorded (contact-[0-9a-f]{32})"},
             files={"contact.yaml": contact, "dinners.html": _ARTICLE}),
        Step("The page itself is kept as evidence, and the log gets its digest. Rules suggest what it claims.",
             "report import {papers}/dinners.html --captured-at {now} --source-url https://courier.example/dinners --home {home}",
             keep={"report": r"(report-[0-9a-f]{32})"}),
        Step("", "report claims {report} --home {home}"),
        Step("", "report claims {report} --home {home} --json", shown=False,
             keep={stance: _claim_of(stance) for stance in ("reports", "denies", "no_reply")}),
        Step("A person reads them. To confirm a claim says that the paper says so, never that it is so.",
             f"report propose '{NAMES['ada']} {INVENTED} met owners of Steppe Survey Trading {INVENTED}' --by reg --home {{home}}",
             keep={"meetings": r"(proposition-[0-9a-f]{32})"}),
        Step("", "report claim confirm {reports} --proposition {meetings} --about contact:{contact} --by reg --home {home}"),
        Step("", "report claim confirm {no_reply} --about contact:{contact} --by reg --home {home}"),
        Step("", "report claim confirm {denies} --about contact:{contact} --by reg --home {home}"),
        Step("Who says what, side by side; how many independent origins there are.", "report compare {meetings} --home {home}"),
        Step("One file answers: who decided, on whose request, why was it served, and what is only a claim.",
             "dossier terminal craft-9 --home {home} --out {out}/dossier"),
        Step("The ambulance, wrongly refused, has a dossier of its own, as its owner may read it.",
             "dossier terminal ambulance-3 --for owner --home {home} --out {out}/dossier-ambulance"),
        Step("What is in force is what the log says.", "govern check --home {home}"),
    ]  # fmt: skip
    return Story(
        "front",
        "A craft near the front, and how it came to be served",
        NOTICE,
        _days(),
        tuple(steps),
        (
            "On record: which rule refused it, who asked for the exception and through whom, who signed, since when it was served.",
            "Only a claim: the dinners. Not known: for whom the company asked, what was said, and anything that nobody wrote down.",
        ),
    )


def _claim_of(stance: str) -> str:
    """Pattern of the id of the first suggested claim with a stance, in what `report claims --json` prints."""
    return rf'"id": "(claim-[0-9a-f]{{32}})"(?:(?!"id": "claim)[\s\S])*?"stance": "{stance}"'


def _days() -> dict[str, float]:
    days = {"said": 9.0, "told": 3.0, "listed": 20.0, "met": 400.0, "now": 0.0}
    for name, ago in (("first", 2.0), ("second", 0.5)):
        days |= {f"{name}{step}": ago - step * _CADENCE_S / _DAY_S for step in range(_REPORTS)}
    return days


def _seen(name: str) -> str:
    """A craft that flies east with 40 m/s, an ambulance that drives north with 25 m/s, and a clinic that stays."""
    rows = ["terminal_id,observed_at,lat_deg,lon_deg,speed_m_s,course_deg"]
    for step in range(_REPORTS):
        rows.append(f"craft-9,{{{name}{step}}},47.6,{35.4 + step * 0.008:.4f},40,90")
        rows.append(f"ambulance-3,{{{name}{step}}},{47.7 + step * 0.00337:.5f},35.3,25,0")
        rows.append(f"clinic-1,{{{name}{step}}},47.8,35.2,,")
    return "\n".join(rows) + "\n"
