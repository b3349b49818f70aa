"""What a page has beside its sentences: a headline, an order of sections, who did what, rules before and after, files to check."""

from __future__ import annotations

import difflib
import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from textwrap import dedent

from groundrule.evidence.dossier import Dossier, Party, RuleText, Standing, Statement, SubjectKind, section_order
from groundrule.evidence.render.words import Words, visible

INVENTED = "(invented)"
_RECEIPT = re.compile(r"proofs/receipt-[0-9]+\.tlog-proof")
_EXTRA = re.compile(rb"^extra ([A-Za-z0-9+/]+=*)$", re.MULTILINE)
GROUPS = {
    "asked": ("requester", "on_behalf_of", "conveyed", "beneficiary"),
    "decided": ("author", "approved", "rejected", "opener", "reviewer"),
    "apart": ("recused", "abstained", "excluded"),
    "contacts": ("covered_person", "covered_alleged", "counterparty", "counterparty_alleged", "reporter", "reporter_alleged"),
    "screened": ("screened", "owner"),
    "office": ("registrar",),
}
"""Parts that parties had, in the order in which a stranger asks."""
EVENTS = ("asked", "appeal", "screened", "decided", "contacts", "reviews", "reports", "emergencies", "service")
"""Sections that tell of events."""
LATER = frozenset({"answered_later", "answered_once_later"})
"""Sentences about answers that were computed long after what they answer: they are acts of that later time."""
_AFTER = {"service": "map", "findings": "rules"}
"""What a page has after a section, beside its statements."""
_LAST = ("timeline", "redactions", "annex")


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of text that may lead somewhere: `link` is an anchor of the page, or empty; `full` what is meant exactly."""

    text: str
    link: str = ""
    full: str = ""


@dataclass(frozen=True, slots=True)
class RuleView:
    """A rule with its wordings; `diff` are lines with `+`, `-` or a blank before them, where one wording replaced another."""

    rule: str
    versions: tuple[RuleText, ...]
    diff: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ProofFile:
    """A file of the bundle: its name, its digest or empty, its anchor, and the statements that rest on it."""

    name: str
    sha256: str
    anchor: str
    statements: tuple[str, ...]


class Annex:
    """Files of the bundle by anchor."""

    def __init__(self, files: tuple[ProofFile, ...]) -> None:
        self.files = files
        self.anchors = {each.name: each.anchor for each in files}


def headline(dossier: Dossier, said: Words, names: Mapping[str, str]) -> str:
    """Return the subject in plain words."""
    by_role = {role: party.ref for party in reversed(dossier.parties) for role, _ in reversed(party.parts)}

    def who(role: str) -> str | None:
        return visible(names[by_role[role]]) if role in by_role else None

    kind = dossier.kind
    title = visible(dossier.title)
    if kind is SubjectKind.CHANGE and (author := who("author")):
        return said.fill("heads", "change", id=title[:8], who=author)
    if kind is SubjectKind.REQUEST and (asker := who("requester")):
        return said.fill("heads", "request", who=asker)
    one, other = who("covered_person") or who("covered_alleged"), who("counterparty") or who("counterparty_alleged")
    if kind is SubjectKind.CONTACT and one and other:
        claimed = any(
            each.standing is Standing.CLAIM and each.phrase.key.startswith("contact_basis") and dossier.id in each.about
            for each in dossier.statements
        )
        return said.fill("heads", "contact_claimed" if claimed else "contact", who=one, other=other)
    if kind is SubjectKind.PERSON:
        return title
    if kind in (SubjectKind.TERMINAL, SubjectKind.AREA, SubjectKind.CASE):
        return said.fill("heads", kind.value, id=title)
    return f"{said('titles', 'subject_' + kind.value)} {title[:24]}{'…' if len(title) > 24 else ''}"


def invented(dossier: Dossier) -> str:
    """Return `all` where the home holds invented data, `some` where names say so of themselves, else empty."""
    if dossier.invented:
        return "all"
    named = [dossier.title, *(party.name for party in dossier.parties), *(area.name for area in dossier.areas)]
    return "some" if any(name.endswith(INVENTED) for name in named) else ""


def sections_for(dossier: Dossier, *, with_map: bool) -> list[str]:
    """Return the sections that a page shows, in their order."""
    held = {section.key for section in dossier.sections if section.statements} | {"timeline", "annex"}
    if dossier.rules:
        held.add("rules")
    if with_map or dossier.kind is SubjectKind.TERMINAL:
        held.add("map")
    if dossier.redactions:
        held.add("redactions")
    if dossier.reports:
        held.add("reports")
    order = [each for key in section_order(dossier.kind) for each in (key, _AFTER.get(key, "")) if each]
    return [key for key in (*order, *_LAST) if key in held] + sorted(held - {*order, *_LAST})


def not_known(dossier: Dossier) -> list[Statement]:
    """Return what other sections say is not known: it is counted with the section of the unknown, and so is listed there, too."""
    return [
        each for section in dossier.sections if section.key != "unknown" for each in section.statements if each.standing is Standing.UNKNOWN
    ]


def happened_at(each: Statement) -> int | None:
    """Return when what a statement tells happened [ns, UTC], as far as is known: an answer given afterwards, when it was given."""
    if each.phrase.key in LATER and each.times.decided_at_ns is not None:
        return each.times.decided_at_ns
    return each.times.order_ns


def first_of_each_act(dossier: Dossier, statements: Iterable[tuple[int, Statement]]) -> list[tuple[int, Statement]]:
    """Return what happened: the first statement of each act, which may say more in several; what was computed from acts is none."""
    happened = {each.id for section in dossier.sections if section.key in EVENTS for each in section.statements}
    seen: set[tuple[object, ...]] = set()
    found = []
    for at, each in statements:
        if each.id not in happened or each.standing is Standing.INFERENCE:
            continue
        entries = tuple(source.ref for source in each.sources if source.kind in ("log_entry", "report"))
        act = (at, *entries, each.standing.value == "claim") if entries else (each.id,)
        if act not in seen:
            seen.add(act)
            found.append((at, each))
    return found


def groups(dossier: Dossier, said: Words) -> list[tuple[str, list[tuple[Party, str, list[Part]]]]]:
    """Return who did what: (title of a group, [(party, its anchor or empty, parts)]); a party's anchor is where it stands first."""
    number = {party.ref: f"p{place}" for place, party in enumerate(dossier.parties, 1)}
    known = {role for roles in GROUPS.values() for role in roles}
    found = []
    for key, roles in GROUPS.items():
        rows = []
        for party in dossier.parties:
            mine = [(role, statement) for role, statement in party.parts if role in roles or (key == "office" and role not in known)]
            if mine:
                parts = [Part(said.word("roles", role), statement) for role, statement in mine]
                rows.append((party, number.pop(party.ref, ""), parts))
        if rows:
            found.append((said("groups", key), rows))
    return found


def by_rule(dossier: Dossier) -> list[RuleView]:
    """Return the rules, each with its wordings, and line by line what changed where a change replaced one by another."""
    together: dict[str, list[RuleText]] = {}
    for each in dossier.rules:
        together.setdefault(each.rule or each.title, []).append(each)
    made = []
    for rule, versions in together.items():
        # The composer gives wordings in the order in which they held; where that is not known, one is not said to have replaced another.
        known = dossier.kind is not SubjectKind.TERMINAL or bool(versions[-1].brought_by)
        ordered = known and len(versions) == 2 and all(each.text for each in versions) and versions[0].text != versions[1].text
        diff: list[tuple[str, str]] = []
        if ordered:
            before, after = (dedent(each.text).splitlines() for each in versions)
            lines = difflib.ndiff(before, after)
            diff = [(line[0], line[2:]) for line in lines if line[0] in "+- "]
        made.append(RuleView(rule, tuple(versions), tuple(diff)))
    return made


def proof_files(dossier: Dossier, files: Mapping[str, bytes]) -> tuple[ProofFile, ...]:
    """Return the files that statements rest on, then the other files given."""
    used: dict[str, list[str]] = {}
    for each in dossier.statements:
        for source in each.sources:
            if source.file:
                used.setdefault(source.file, []).append(each.id)
    for statement, receipt in receipts(dossier).items():
        used.setdefault(receipt, []).append(statement)
    order = sorted({*used, *files}, key=lambda name: (name not in used, _natural(name)))
    return tuple(
        ProofFile(name, sha256(files[name]).hexdigest() if name in files else "", f"f{place}", tuple(dict.fromkeys(used.get(name, ()))))
        for place, name in enumerate(order, 1)
    )


def receipts(dossier: Dossier) -> dict[str, str]:
    """Return the receipt of each statement about answers: the file in the bundle by the id of the statement."""
    named = {row.statement: row.receipt for row in dossier.decisions if row.statement and row.receipt}
    begins = {row.first_ns: row.receipt for row in dossier.decisions if row.receipt and not row.statement}
    for section in dossier.sections:
        for each in section.statements if section.key == "service" else ():
            if each.id not in named and (receipt := begins.get(each.times.observed_at_ns or 0)):
                named[each.id] = receipt
    return named


def opens_terminal(files: Mapping[str, bytes]) -> bool:
    """Tell whether every receipt among some files opens whose answer it proves."""
    found = [data for name, data in files.items() if _RECEIPT.fullmatch(name)]
    extras = [match[1] if (match := _EXTRA.search(data)) else b"" for data in found]
    return bool(found) and all(b'"name":"terminal_id"' in b64decode(each) for each in extras)


def report_anchors(dossier: Dossier) -> dict[str, str]:
    """Return where the page shows each report, `rN`, and each of its claims, `rNcN`, by what statements call them."""
    found = {}
    for place, report in enumerate(dossier.reports, 1):
        found[report.id] = f"r{place}"
        found |= {f"{report.id}#{claim.id}": f"r{place}c{row}" for row, claim in enumerate(report.claims, 1)}
    return found


def _natural(name: str) -> tuple[object, ...]:
    """Names with numbers in the order of the numbers."""
    digits = "".join(each for each in name if each.isdigit())
    return (name.rstrip("0123456789").partition("-")[0], int(digits[:18] or 0), name)
