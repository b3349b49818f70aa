"""The UK Sanctions List of the FCDO, as XML and CSV, and the consolidated list of HM Treasury (OFSI), as CSV.

    XML   Designations / Designation: UniqueID, Names / Name (Name1 … Name6, NameType), IndividualDetails …
    CSV   one line with the date, a header, then one row per name: rows with one UniqueID (OFSI: Group ID) are one entry

`Name6` is the family name, or the whole name of what is no person; `Name1` to `Name5` stand before it. Dates are
`dd/mm/yyyy`, where parts that are not known stand as `dd`, `mm` or `00`. The publisher writes `Primary name` and `Alias`
in several cases. HM Treasury's list ended on 28 January 2026; it is read because decisions before that used it.

Source: the publishers' formats of 2024 to 2026. Read here with invented fixtures after them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from groundrule.errors import InputError
from groundrule.instant import parse_instant
from groundrule.screen.dates import read_date, read_day
from groundrule.screen.markup import Node, records
from groundrule.screen.model import (
    Address,
    BirthDate,
    Identifier,
    Kind,
    ListEntry,
    Name,
    NameKind,
    SourceRow,
    Strength,
)
from groundrule.screen.rows import csv_rows
from groundrule.screen.source import Findings, ListFile
from groundrule.screen.texts import Reading, bare_imo, distinct_names, latest, unique

ROOT = "Designations"
_KINDS = {
    "individual": Kind.PERSON,
    "entity": Kind.ENTITY,
    "ship": Kind.VESSEL,
    "aircraft": Kind.AIRCRAFT,
}
_PLURAL = re.compile(r"\(\d+\) *")
"""Old rows of OFSI hold several values as `(1) A (2) B`."""


@dataclass(slots=True)
class _Draft:
    """An entry whose rows are still being read; lists hold what the fields of `ListEntry` will."""

    uid: str
    place: SourceRow
    kind: str = ""
    names: list[Name] = field(default_factory=list)
    identifiers: list[Identifier | None] = field(default_factory=list)
    births: list[str] = field(default_factory=list)
    birth_places: list[str] = field(default_factory=list)
    nationalities: list[str] = field(default_factory=list)
    countries: list[str] = field(default_factory=list)
    programmes: list[str] = field(default_factory=list)
    positions: list[str] = field(default_factory=list)
    addresses: list[Address | None] = field(default_factory=list)
    linked_to: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    gender: str = ""
    listed: str = ""
    rows: list[SourceRow] = field(default_factory=list)


def read_xml(file: ListFile, findings: Findings) -> Reading:
    """Read the FCDO's XML."""
    entries: list[ListEntry] = []
    times: list[int | None] = []
    for node in records(file, findings, tags={"Designation", "DateGenerated"}):
        if node.tag == "DateGenerated":
            times.append(_instant(node.text))
        if node.tag != "Designation":
            continue
        file.rows += 1
        entry = _finish(_draft_of(node, SourceRow(file.name, node.line)), findings)
        if entry is not None:
            entries.append(entry)
    return Reading(entries, (file.about,), latest(times))


def read_csv(file: ListFile, findings: Findings) -> Reading:
    """Read the FCDO's or OFSI's CSV."""
    columns: dict[str, int] = {}
    widths: set[int] = set()
    drafts: dict[str, _Draft] = {}
    published: int | None = None
    for line, raw in csv_rows(file, findings, widths=widths, multiline=True):
        if not columns:
            file.rows -= 1  # neither the date nor the header is a record
            if len(raw) > 3 and _header(raw):
                columns = _header(raw)
                widths.add(len(raw))  # from here on a row has as many fields as the header
            else:
                published = published or _instant(raw[-1].partition(":")[2] or raw[-1])
            continue
        row = {name: raw[position] for name, position in columns.items()}
        uid = row.get("unique id") or row.get("group id") or ""
        if not uid:
            findings.add(file.name, line, "Unique ID", "", "no_uid", "write the id of the designation")
            continue
        draft = drafts.setdefault(uid, _Draft(uid, SourceRow(file.name, line)))
        draft.rows.append(SourceRow(file.name, line))
        _take_row(draft, row)
    if not columns:
        raise InputError(
            f"`{file.name}` has no header", help="a UK list has columns `Name 6` and `Unique ID` or `Group ID`"
        )
    entries = [entry for draft in drafts.values() if (entry := _finish(draft, findings)) is not None]
    return Reading(entries, (file.about,), published)


def _header(raw: list[str]) -> dict[str, int]:
    """Columns by lower-case name; nothing if this is no header. A name that stands twice means its first column."""
    names = [" ".join(name.lower().split()) for name in raw]
    if "name 6" not in names or not {"unique id", "group id"} & set(names):
        return {}
    return {name: names.index(name) for name in names if name}


def _take_row(draft: _Draft, row: Mapping[str, str]) -> None:
    """Add one row of either CSV to its entry."""

    def say(*names: str) -> str:
        return next((" ".join(row[name].split()) for name in names if row.get(name)), "")

    draft.kind = draft.kind or say("designation type", "group type")
    draft.names.append(
        _name(
            [say(f"name {k}") for k in range(1, 7)],
            say("name type", "alias type"),
            say("alias strength", "alias quality"),
            draft.kind,
        )
    )
    if original := say("name non-latin script"):
        draft.names.append(
            Name(
                original,
                NameKind.ORIGINAL_SCRIPT,
                script=say("non-latin script type") or None,
                lang=say("non-latin script language") or None,
            )
        )
    draft.births += _several(say("d.o.b", "dob"))
    draft.birth_places.append(", ".join(filter(None, (say("town of birth"), say("country of birth")))))
    draft.nationalities += _several(say("nationality(/ies)", "nationality"))
    draft.programmes.append(say("regime name", "regime"))
    draft.positions += [*_several(say("position")), say("title")]
    draft.addresses.append(
        _address(
            [say(f"address line {k}", f"address {k}") for k in range(1, 7)],
            say("address postal code", "post/zip code"),
            say("address country", "country"),
        )
    )
    draft.remarks += [say("other information"), say("uk statement of reasons")]
    draft.linked_to += [
        text
        for name in ("parent company", "subsidiaries", "current owner/operator (s)", "previous owner/operator (s)")
        for text in _several(say(name))
    ]
    draft.countries.append(say("current believed flag of ship"))
    draft.gender = draft.gender or say("gender")
    draft.listed = draft.listed or say("date designated", "uk sanctions list date designated", "listed on")
    for scheme, label, note in _NUMBERS:
        draft.identifiers += [_numbered(scheme, value, say(note) if note else "") for value in _several(say(*label))]


_NUMBERS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("passport", ("passport number",), "passport additional information"),
    ("passport", ("passport details",), ""),
    (
        "national_id",
        ("national identifier number", "national identification number"),
        "national identifier additional information",
    ),
    ("registration", ("business registration number (s)",), ""),
    ("imo", ("imo number",), ""),
    ("hull", ("hull identification number (hin)",), ""),
    ("un_ref", ("un reference number",), ""),
    ("ofsi_group", ("ofsi group id",), ""),
    ("phone", ("phone number",), ""),
    ("email", ("email address",), ""),
    ("website", ("website",), ""),
)


def _draft_of(node: Node, place: SourceRow) -> _Draft:
    draft = _Draft(node.say("UniqueID"), place, kind=node.say("IndividualEntityShip"), rows=[place])
    for each in node.each("Names", "Name"):
        parts = [each.say(f"Name{k}") for k in range(1, 7)]
        draft.names.append(_name(parts, each.say("NameType"), each.say("AliasStrength"), draft.kind))
    for each in node.each("NonLatinNames", "NonLatinName"):
        text = each.say("NameNonLatinScript")
        script, lang = each.say("NonLatinScriptType"), each.say("NonLatinScriptLanguage")
        draft.names.append(Name(text, NameKind.ORIGINAL_SCRIPT, script=script or None, lang=lang or None))
    for each in node.each("Addresses", "Address"):
        lines = [each.say(f"AddressLine{k}") for k in range(1, 7)]
        draft.addresses.append(_address(lines, each.say("AddressPostalCode"), each.say("AddressCountry")))
    draft.programmes = [node.say("RegimeName")]
    draft.remarks = [node.say("OtherInformation"), node.say("UKStatementofReasons")]
    draft.listed = node.say("DateDesignated")
    draft.positions = node.says("Titles", "Title")
    draft.identifiers = [
        _numbered("un_ref", node.say("UNReferenceNumber"), ""),
        _numbered("ofsi_group", node.say("OFSIGroupID"), ""),
    ]
    for scheme, *path in (
        ("phone", "PhoneNumbers", "PhoneNumber"),
        ("email", "EmailAddresses", "EmailAddress"),
        ("website", "Websites", "Website"),
        ("registration", "EntityDetails", "Entity", "BusinessRegistrationNumbers", "BusinessRegistrationNumber"),
        ("imo", "ShipDetails", "Ship", "IMONumbers", "IMONumber"),
        ("hull", "ShipDetails", "Ship", "HullIdentificationNumbers", "HullIdentificationNumber"),
    ):
        draft.identifiers += [_numbered(scheme, text, "") for text in node.says(*path)]
    draft.linked_to = [
        *node.says("EntityDetails", "Entity", "ParentCompanies", "ParentCompany"),
        *node.says("EntityDetails", "Entity", "Subsidiaries", "Subsidiary"),
        *node.says("ShipDetails", "Ship", "CurrentOwnerOperators", "CurrentOwnerOperator"),
    ]
    draft.countries = node.says("ShipDetails", "Ship", "CurrentBelievedFlagOfShips", "CurrentBelievedFlagOfShip")
    for person in node.each("IndividualDetails", "Individual"):
        draft.births += person.says("DOBs", "DOB")
        draft.nationalities += person.says("Nationalities", "Nationality")
        draft.positions += person.says("Positions", "Position")
        draft.gender = person.say("Genders", "Gender") or draft.gender
        for each in person.each("BirthDetails", "Location"):
            draft.birth_places.append(", ".join(filter(None, (each.say("TownOfBirth"), each.say("CountryOfBirth")))))
        for each in person.each("PassportDetails", "Passport"):
            draft.identifiers.append(
                _numbered("passport", each.say("PassportNumber"), each.say("PassportAdditionalInformation"))
            )
        for each in person.each("NationalIdentifierDetails", "NationalIdentifier"):
            draft.identifiers.append(
                _numbered(
                    "national_id",
                    each.say("NationalIdentifierNumber"),
                    each.say("NationalIdentifierAdditionalInformation"),
                )
            )
    return draft


def _finish(draft: _Draft, findings: Findings) -> ListEntry | None:
    place, uid = draft.place, draft.uid
    if not uid:
        findings.add(place.file, place.line, "UniqueID", "", "no_uid", "write the id of the designation")
        return None
    # A primary name comes first, then strong names; an entry whose publisher marks none takes the first.
    order = (NameKind.PRIMARY, NameKind.ALIAS, NameKind.FORMER, NameKind.NOW, NameKind.ORIGINAL_SCRIPT)
    names = sorted(
        (name for name in draft.names if name.text),
        key=lambda name: (order.index(name.kind), name.strength is not Strength.STRONG),
    )
    if not names:
        findings.add(place.file, place.line, "Name6", "", "no_name", "write the name", uid=uid)
        return None
    kind = _KINDS.get(draft.kind.lower())
    if kind is None:
        findings.add(
            place.file,
            place.line,
            "IndividualEntityShip",
            draft.kind,
            "bad_value",
            "write Individual, Entity or Ship",
            uid=uid,
            kept=True,
        )
    births: list[BirthDate] = []
    for text in unique(draft.births):
        found = read_date(text)
        if found is None:
            findings.add(place.file, place.line, "D.O.B", text, "bad_date", "write dd/mm/1970", uid=uid, kept=True)
        else:
            births.append(BirthDate(text, found.earliest, found.latest, found.circa))
    listed = read_day(draft.listed)
    if listed is None and draft.listed:
        findings.add(
            place.file, place.line, "DateDesignated", draft.listed, "bad_date", "write dd/mm/yyyy", uid=uid, kept=True
        )
    addresses = unique(draft.addresses)
    gender = draft.gender.lower()
    return ListEntry(
        uid=uid,
        kind=kind or Kind.UNKNOWN,
        names=distinct_names(names),
        identifiers=unique(draft.identifiers),
        birth_dates=unique(births),
        birth_places=unique(draft.birth_places),
        nationalities=unique(draft.nationalities),
        countries=unique([*draft.countries, *(address.country or "" for address in addresses)]),
        programmes=unique(draft.programmes),
        positions=unique(draft.positions),
        addresses=addresses,
        linked_to=unique(draft.linked_to),
        remarks=unique(draft.remarks),
        gender=gender if gender in ("male", "female") else None,
        listed_on=listed,
        rows=tuple(draft.rows),
    )


def _name(parts: list[str], kind: str, strength: str, of: str) -> Name:
    family, given = parts[5], " ".join(filter(None, parts[:5]))
    word = kind.lower()
    name_kind = NameKind.ALIAS
    if word == "primary name":
        name_kind = NameKind.PRIMARY
    elif "formerly" in word or word == "fka":
        name_kind = NameKind.FORMER
    is_person = of.lower() == "individual"
    return Name(
        " ".join(filter(None, (given, family))),
        name_kind,
        Strength.WEAK if "low" in strength.lower() else Strength.STRONG,
        family=family or None if is_person else None,
        given=given or None if is_person else None,
    )


def _numbered(scheme: str, value: str, note: str) -> Identifier | None:
    return Identifier(scheme, bare_imo(value) if scheme == "imo" else value, note=note or None) if value else None


def _address(lines: list[str], postcode: str, country: str) -> Address | None:
    address = Address(", ".join(filter(None, lines)) or None, postcode=postcode or None, country=country or None)
    return None if address == Address() else address


def _several(text: str) -> list[str]:
    """Values of one cell: `(1) A (2) B`, or separated by `|` or semicolons, or one."""
    if _PLURAL.match(text):
        return [part.strip(" .;") for part in _PLURAL.split(text) if part.strip(" .;")]
    return [part.strip() for part in re.split(r"[|;]", text) if part.strip()]


def _instant(text: str) -> int | None:
    """The day a list was made, in any way the publisher writes it."""
    day = read_day(text.strip().partition("T")[0].partition(" ")[0]) or read_day(text)
    return parse_instant(day) if day is not None else None
