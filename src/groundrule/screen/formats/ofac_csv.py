"""OFAC's legacy files: `sdn.csv`, and beside it `alt.csv`, `add.csv` and `sdn_comments.csv`.

    sdn           ent_num, name, type, programmes, title, call sign, vessel type, tonnage, GRT, flag, owner, remarks
    alt           ent_num, alt_num, kind (aka, fka, nka), name, remarks
    add           ent_num, add_num, street, city with region and postcode, country, remarks
    sdn_comments  ent_num, the rest of remarks that were cut at 1,000 characters

No header; `-0-` is empty; Latin-1; the last line is one control character; several programmes stand as `A] [B`. The files
do not say when they were published.

Source: OFAC, "SDN list data formats".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from groundrule.screen.formats.ofac_remarks import Remarks, read_remarks
from groundrule.screen.model import Address, Identifier, Kind, ListEntry, Name, NameKind, SourceRow, Strength
from groundrule.screen.rows import csv_rows
from groundrule.screen.source import Findings, ListFile
from groundrule.screen.texts import Reading, distinct_names, person_name, unique

WIDTHS = {"sdn": 12, "alt": 5, "add": 6, "sdn_comments": 2}
KINDS = {
    "individual": Kind.PERSON,
    "": Kind.ENTITY,
    "entity": Kind.ENTITY,
    "vessel": Kind.VESSEL,
    "aircraft": Kind.AIRCRAFT,
}
_ALIASES = {
    "aka": (NameKind.ALIAS, Strength.STRONG),
    "fka": (NameKind.FORMER, Strength.STRONG),
    "nka": (NameKind.NOW, Strength.STRONG),
    "weak": (NameKind.ALIAS, Strength.WEAK),
}


def role_of(fields: list[str]) -> str | None:
    """Which of the files a row belongs to, or None."""
    if not fields or not fields[0].strip().isdigit():
        return None
    if len(fields) == WIDTHS["alt"] and fields[1].strip().isdigit():
        return "alt"
    if len(fields) == WIDTHS["add"] and fields[1].strip().isdigit():
        return "add"
    return {WIDTHS["sdn"]: "sdn", WIDTHS["sdn_comments"]: "sdn_comments"}.get(len(fields))


@dataclass(slots=True)
class _Beside:
    """Rows of the other files by entry."""

    names: dict[str, list[tuple[SourceRow, str, NameKind, Strength]]] = field(default_factory=dict)
    addresses: dict[str, list[tuple[SourceRow, Address]]] = field(default_factory=dict)
    remarks: dict[str, list[tuple[SourceRow, str]]] = field(default_factory=dict)


def read(files: Mapping[str, ListFile], findings: Findings) -> Reading:
    """Read `sdn` and whatever is given of `alt`, `add` and `sdn_comments`.

    Args:
        files: by role; `sdn` must be there.
        findings: takes what cannot be used.
    """
    beside = _Beside()
    for role, keep in _READERS.items():
        if role in files:
            _read_beside(files[role], role, findings, beside, keep)
    for role, what in (("alt", "aliases other than those in remarks"), ("add", "addresses")):
        if role not in files:
            findings.note(f"without {role}.csv the list has no {what}")
    entries = list(_entries(files["sdn"], findings, beside))
    for rows, role in ((beside.names, "alt"), (beside.addresses, "add"), (beside.remarks, "sdn_comments")):
        for uid, left in rows.items():
            for place, *_ in left:
                findings.add(
                    place.file,
                    place.line,
                    "ent_num",
                    uid,
                    "unknown_entry",
                    f"{role}.csv must be of the same day as sdn.csv, which has no such number",
                    uid=uid,
                )
    return Reading(entries, tuple(file.about for file in files.values()))


def _read_beside(
    file: ListFile,
    role: str,
    findings: Findings,
    beside: _Beside,
    keep: Callable[[_Beside, SourceRow, list[str]], tuple[str, str, str] | None],
) -> None:
    for line, raw in csv_rows(file, findings, widths={WIDTHS[role]}):
        fields = [_value(each) for each in raw]
        if not fields[0].isdigit():
            findings.add(file.name, line, "ent_num", fields[0], "bad_number", "write the number of an entry")
            continue
        wrong = keep(beside, SourceRow(file.name, line), fields)
        if wrong is not None:
            findings.add(file.name, line, wrong[0], wrong[1], "bad_value", wrong[2], uid=fields[0])


def _keep_alias(beside: _Beside, place: SourceRow, fields: list[str]) -> tuple[str, str, str] | None:
    uid, _, kind, name, remarks = fields
    if not name:
        return "alt_name", name, "write the name"
    if kind.lower() not in _ALIASES:
        return "alt_type", kind, "write aka, fka or nka"
    alias, strength = _ALIASES["weak" if "weak" in remarks.lower() else kind.lower()]
    beside.names.setdefault(uid, []).append((place, name, alias, strength))
    return None


def _keep_address(beside: _Beside, place: SourceRow, fields: list[str]) -> tuple[str, str, str] | None:
    uid, _, street, city, country, remarks = fields
    if street or city or country:
        address = Address(street or None, city or None, country=country or None, note=remarks or None)
        beside.addresses.setdefault(uid, []).append((place, address))
    return None


def _keep_remarks(beside: _Beside, place: SourceRow, fields: list[str]) -> tuple[str, str, str] | None:
    beside.remarks.setdefault(fields[0], []).append((place, fields[1]))
    return None


_READERS: dict[str, Callable[[_Beside, SourceRow, list[str]], tuple[str, str, str] | None]] = {
    "alt": _keep_alias,
    "add": _keep_address,
    "sdn_comments": _keep_remarks,
}


def _entries(file: ListFile, findings: Findings, beside: _Beside) -> Iterator[ListEntry]:
    met: set[str] = set()
    for line, raw in csv_rows(file, findings, widths={WIDTHS["sdn"]}):
        fields = [_value(each) for each in raw]
        uid, name, kind_word = fields[:3]
        if not uid.isdigit():
            findings.add(file.name, line, "ent_num", uid, "bad_number", "write the number of the entry", uid=uid)
        elif uid in met:
            findings.add(file.name, line, "ent_num", uid, "duplicate", "each number stands once", uid=uid)
        elif not name:
            findings.add(file.name, line, "sdn_name", name, "no_name", "write the name", uid=uid)
        else:
            met.add(uid)
            kind = KINDS.get(kind_word.lower())
            if kind is None:
                findings.add(
                    file.name,
                    line,
                    "sdn_type",
                    kind_word,
                    "bad_value",
                    "write individual, vessel, aircraft or -0-",
                    uid=uid,
                    kept=True,
                )
                kind = Kind.UNKNOWN
            yield _entry(SourceRow(file.name, line), fields, kind, findings, beside)


def _entry(place: SourceRow, fields: list[str], kind: Kind, findings: Findings, beside: _Beside) -> ListEntry:
    uid, name, _, programmes, title, call_sign, _, _, _, flag, owner, remarks = fields
    aliases = beside.names.pop(uid, [])
    addresses = beside.addresses.pop(uid, [])
    rest = beside.remarks.pop(uid, [])
    whole = remarks + "".join(text for _, text in rest)
    told = read_remarks(whole, kind, whole=bool(rest)) if whole else Remarks()
    for text in told.bad_dates:
        findings.add(
            place.file, place.line, "DOB", text, "bad_date", "write for instance 29 Aug 1987", uid=uid, kept=True
        )
    if told.cut:
        findings.add(
            place.file,
            place.line,
            "remarks",
            told.cut,
            "cut_by_publisher",
            "the publisher cuts remarks at 1,000 characters; sdn_comments.csv or the XML file has the rest",
            uid=uid,
            kept=True,
        )
    names: list[Name] = [person_name(name, of=kind)]
    names += [person_name(text, alias, strength, of=kind) for _, text, alias, strength in aliases]
    identifiers = list(told.identifiers)
    if call_sign:
        identifiers.append(Identifier("call_sign", call_sign))
    return ListEntry(
        uid=uid,
        kind=kind,
        names=distinct_names([*names, *told.names]),
        identifiers=unique(identifiers),
        birth_dates=unique(told.birth_dates),
        birth_places=unique(told.birth_places),
        nationalities=unique(told.nationalities),
        countries=unique([flag, *(address.country or "" for _, address in addresses)]),
        programmes=unique(part.strip(" []") for part in programmes.split("] [")),
        positions=unique([title]),
        addresses=unique(address for _, address in addresses),
        linked_to=unique([owner, *told.linked_to]),
        remarks=unique([whole]),
        gender=told.gender,
        rows=(
            place,
            *(each for each, *_ in aliases),
            *(each for each, _ in addresses),
            *(each for each, _ in rest),
        ),
    )


def _value(text: str) -> str:
    return "" if text in ("-0-", "-0") else " ".join(text.split())
