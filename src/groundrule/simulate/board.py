"""The board of an invented operator, and the commands with which it begins and signs: what several stories share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from groundrule.simulate.roster import INVENTED
from groundrule.simulate.stories import Step

NOTICE: Final = (
    "Invented: every person, company, list entry, letter and minute. The borders are real, and so is the program. "
    "No verdict on real people."
)
GROUPS: Final = {
    "ada": "network", "bo": "legal", "cy": "safety", "di": "network", "eve": "legal",
    "fay": "audit", "gus": "audit", "ham": "audit", "reg": "registry", "ole": "network",
}  # fmt: skip
"""The board by independence group; ole drafts, reg records, fay, gus and ham review."""
NAMES: Final = {
    "ada": "Ada Muster", "bo": "Bo Beispiel", "cy": "Cy Sample", "di": "Di Primer", "eve": "Eve Vorlage",
    "fay": "Fay Exempel", "gus": "Gus Specimen", "ham": "Ham Maquette", "reg": "Reg Registrar", "ole": "Ole Drafter",
}  # fmt: skip
LIST: Final = (
    json.dumps(
        {"id": "invented-77", "schema": "Person", "properties": {
            "name": [f"Marshal Exempel Grandios {INVENTED}"], "alias": [f"Grandios Exempel {INVENTED}"], "birthDate": ["1951-02-03"],
            "topics": ["sanction"]}}
    )
    + "\n"
)  # fmt: skip


def begin(files: Mapping[str, str], *, areas: str, says: str) -> list[Step]:
    """Make a home of an invented operator, its board, its charter and an invented list.

    Args:
        files: rules.yaml, accounts.csv, terminals.csv, first.csv and the file of areas, by name.
        areas: which of them holds the areas.
        says: what the first reports are.
    """
    roles = {
        "root": (3, "ada, bo, cy, di"), "policy": (2, "ada, bo, cy"), "critical": (3, "ada, bo, cy, di, eve"),
        "emergency": (2, "ada, bo, cy"), "review": (2, "fay, gus, ham"), "registrar": (1, "reg"),
    }  # fmt: skip
    charter = ["persons:"]
    charter += [f"  {name}: {{keys: [{name}.key.pub], unit: {group} {INVENTED}, group: {group}}}" for name, group in GROUPS.items()]
    charter += ["roles:", *(f"  {role}: {{need: {need}, of: [{of}]}}" for role, (need, of) in roles.items()), "classes:"]
    charter += [
        "  routine: {of_persons: 3}",
        "  sensitive: {role: critical, min_persons: 3, of_persons: 5, min_groups: 2}",
        "  critical: {min_persons: 3, of_persons: 5, min_groups: 2}",
        "  charter: {min_persons: 3, of_persons: 4}",
        "  disclosure: {min_persons: 2, of_persons: 3}",
    ]
    steps = [
        Step(
            "An invented operator makes its home: rules, areas, terminals.", "init --home {home} --rules {papers}/rules.yaml",
            files={**files, "invented.ftm.json": LIST, "charter.yaml": "\n".join(charter) + "\n"},
            shown=False,
        ),
        Step("", f"areas import {{papers}}/{areas} --home {{home}}"),
        Step("", "register import accounts {papers}/accounts.csv --home {home}"),
        Step("", "register import terminals {papers}/terminals.csv --home {home}"),
        Step(says, "decide {papers}/first.csv --home {home}"),
    ]  # fmt: skip
    for name in GROUPS:
        opening = "Each person makes a key, on an own machine." if name == "ada" else ""
        steps.append(Step(opening, f"key new {{papers}}/{name}.key", keep={name: r"(party-[0-9a-f]{32})"}, shown=False))
    steps.append(
        Step("The charter says who may do what together. Three root persons sign the same bytes.",
             "charter draft {papers}/charter.yaml --home {home} --out {papers}/charter.json")
    )  # fmt: skip
    steps += [
        Step("", f"charter sign {{papers}}/charter.json --key {{papers}}/{name}.key --out {{papers}}/{name}.sig --yes")
        for name in ("ada", "bo", "cy")
    ]
    return [
        *steps,
        *(_known(name) for name in GROUPS),
        Step("From here on only an enactment changes rules, areas and lists.",
             "charter init {papers}/ada.sig {papers}/bo.sig {papers}/cy.sig --home {home}"),
        Step("", "lists import {papers}/invented.ftm.json --source invented-list --published {listed} --home {home}"),
    ]  # fmt: skip

def _known(name: str) -> Step:
    text = f'{{id: {{{name}}}, kind: natural_person, names: ["{NAMES[name]} {INVENTED}"]}}\n'
    return Step("", f"request party {{papers}}/{name}.yaml --home {{home}}", files={f"{name}.yaml": text})


def signing(name: str, proposal: str, *, code: int = 0, says: str = "") -> list[Step]:
    """One person checks a bundle on an own machine and signs; the envelope is taken in at the home."""
    bundle, out = f"{{papers}}/{proposal}.zip", f"{{papers}}/{name}-{proposal}.approval"
    return [
        Step(says, f"approve {bundle} --key {{papers}}/{name}.key --policy {{home}}/ledger/policy --conflict none --yes --out {out} "
             f"--memory {{papers}}/{name}-{proposal}.seen", shown=bool(says)),
        Step(f"{name}'s envelope comes to the home." if code == 0 else f"The home refuses {name}'s envelope, and says so in the log.",
             f"govern import {out} --home {{home}}", code=code),
    ]  # fmt: skip
