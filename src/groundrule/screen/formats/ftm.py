"""FollowTheMoney entities as JSON lines, as OpenSanctions publishes them.

    {"id": "…", "schema": "Person", "properties": {"name": ["…"], "weakAlias": ["…"], "birthDate": ["1970-01"], …}}

Parties become entries. `Sanction`, `Identification`, `Passport`, `Address` and `CryptoWallet` entities are added to the
party that they name; other schemas (ownership, family, …) are counted in a note and not used. Where entities are
`datasets`-tagged targets and non-targets, only those with the topic `sanction` or a sanction of their own are listed;
others are counted in a note.

Source: followthemoney schema 3 and 4. Read here with invented fixtures after it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from groundrule.screen.dates import read_date, read_day
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
from groundrule.screen.source import Findings, ListFile
from groundrule.screen.texts import Reading, bare_imo, distinct_names, is_sound, joined, unique

_KINDS = {
    "Person": Kind.PERSON,
    "Company": Kind.ENTITY,
    "Organization": Kind.ENTITY,
    "LegalEntity": Kind.UNKNOWN,
    "PublicBody": Kind.ENTITY,
    "Vessel": Kind.VESSEL,
    "Airplane": Kind.AIRCRAFT,
}
_NAMES = (
    ("name", NameKind.PRIMARY, Strength.STRONG),
    ("alias", NameKind.ALIAS, Strength.STRONG),
    ("previousName", NameKind.FORMER, Strength.STRONG),
    ("abbreviation", NameKind.ALIAS, Strength.WEAK),
    ("weakAlias", NameKind.ALIAS, Strength.WEAK),
)
_NUMBERS = {
    "passportNumber": "passport",
    "idNumber": "national_id",
    "socialSecurityNumber": "national_id",
    "taxNumber": "tax_id",
    "innCode": "tax_id",
    "vatCode": "tax_id",
    "registrationNumber": "registration",
    "ogrnCode": "registration",
    "kppCode": "registration",
    "okpoCode": "registration",
    "uscCode": "registration",
    "leiCode": "lei",
    "dunsCode": "duns",
    "swiftBic": "swift",
    "bikCode": "bank_code",
    "imoNumber": "imo",
    "mmsi": "mmsi",
    "callSign": "call_sign",
    "serialNumber": "aircraft_serial",
    "email": "email",
    "phone": "phone",
    "website": "website",
}


@dataclass(slots=True)
class _Party:
    place: SourceRow
    uid: str
    schema: str
    properties: dict[str, list[str]]
    sanctions: list[dict[str, list[str]]] = field(default_factory=list)
    identifiers: list[Identifier] = field(default_factory=list)
    addresses: list[Address] = field(default_factory=list)
    rows: list[SourceRow] = field(default_factory=list)


class _Line(msgspec.Struct):
    """What is used of a line; anything else in it is passed over."""

    id: str
    schema: str
    properties: dict[str, list[Any]] = {}


def read(file: ListFile, findings: Findings) -> Reading:
    """Read the entities; those that belong to a party may stand before or after it."""
    parties: dict[str, _Party] = {}
    beside: list[tuple[SourceRow, _Line, dict[str, list[str]]]] = []
    unused: Counter[str] = Counter()
    decoder = msgspec.json.Decoder(_Line)
    for line, data in file.lines():
        if not data.strip():
            continue
        file.rows += 1
        place = SourceRow(file.name, line)
        try:
            entity = decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            findings.add(
                file.name,
                line,
                "",
                data[:200].decode("utf-8", "replace"),
                "not_ftm",
                f"write one entity with id, schema and properties as JSON: {str(error)[:120]}",
            )
            continue
        uid = joined(entity.id)
        if not uid or not is_sound(entity.id):
            findings.add(file.name, line, "id", entity.id, "no_uid", "write the id")
        elif entity.schema in _KINDS:
            if uid in parties:
                findings.add(file.name, line, "id", uid, "duplicate", "each id stands once", uid=uid)
            else:
                parties[uid] = _Party(place, uid, entity.schema, _properties(entity, place, findings), rows=[place])
        elif entity.schema in _BESIDE:
            beside.append((place, entity, _properties(entity, place, findings)))
        else:
            unused[joined(entity.schema)[:40]] += 1
    _join(parties, beside, findings)
    if unused:
        shown = ", ".join(f"{count} {name}" for name, count in sorted(unused.items())[:20])
        findings.note(f"entities of schemas that name no party were not used: {shown}")
    return Reading(_listed(parties, findings), (file.about,))


def _properties(entity: _Line, place: SourceRow, findings: Findings) -> dict[str, list[str]]:
    """Texts by property; a value that is no text is broken. Nested entities are named by their id."""
    told: dict[str, list[str]] = {}
    for name, values in entity.properties.items():
        for value in values:
            given = value.get("id") if isinstance(value, dict) else value
            if isinstance(given, str) and is_sound(given):
                told.setdefault(name, []).append(joined(given))
            else:
                findings.add(
                    place.file, place.line, name[:80], given, "bad_value", "write texts", uid=entity.id, kept=True
                )
    return told


def _join(
    parties: dict[str, _Party], beside: list[tuple[SourceRow, _Line, dict[str, list[str]]]], findings: Findings
) -> None:
    addresses: dict[str, tuple[SourceRow, Address]] = {}
    for place, entity, properties in beside:
        if entity.schema == "Address":
            addresses[entity.id] = (place, _address(properties))
            continue
        for holder in properties.get(_BESIDE[entity.schema], []):
            party = parties.get(holder)
            if party is None:
                findings.add(
                    place.file,
                    place.line,
                    _BESIDE[entity.schema],
                    holder,
                    "unknown_entry",
                    "name the id of a party in this file",
                    uid=entity.id,
                )
                continue
            party.rows.append(place)
            if entity.schema == "Sanction":
                party.sanctions.append(properties)
            elif entity.schema == "CryptoWallet":
                label = next(iter(properties.get("currency", ())), None)
                party.identifiers += [Identifier("wallet", key, label=label) for key in properties.get("publicKey", ())]
            else:
                scheme = "passport" if entity.schema == "Passport" else "national_id"
                country = next(iter(properties.get("country", ())), None)
                kind = next(iter(properties.get("type", ())), None)
                party.identifiers += [
                    Identifier(scheme, number, country, kind) for number in properties.get("number", ())
                ]
    for party in parties.values():
        for key in party.properties.get("addressEntity", ()):
            if key in addresses:
                place, address = addresses[key]
                party.rows.append(place)
                party.addresses.append(address)


_BESIDE = {
    "Sanction": "entity",
    "Identification": "holder",
    "Passport": "holder",
    "CryptoWallet": "holder",
    "Address": "",
}


def _listed(parties: dict[str, _Party], findings: Findings) -> list[ListEntry]:
    entries, passed = [], 0
    for party in parties.values():
        if not party.properties.get("name"):
            findings.add(party.place.file, party.place.line, "name", "", "no_name", "write the name", uid=party.uid)
        elif not party.sanctions and "sanction" not in party.properties.get("topics", ("sanction",)):
            passed += 1
        else:
            entries.append(_entry(party, findings))
    if passed:
        findings.note(f"{passed} parties have topics but no sanction, so they are not listed")
    return entries


def _entry(party: _Party, findings: Findings) -> ListEntry:
    texts = party.properties
    births: list[BirthDate] = []
    for text in texts.get("birthDate", ()):
        found = read_date(text)
        if found is None:
            findings.add(
                party.place.file,
                party.place.line,
                "birthDate",
                text,
                "bad_date",
                "write YYYY, YYYY-MM or YYYY-MM-DD",
                uid=party.uid,
                kept=True,
            )
        else:
            births.append(found)
    kind = _KINDS[party.schema]
    days = sorted(
        day
        for sanction in party.sanctions
        for name in ("listingDate", "startDate")
        for text in sanction.get(name, ())
        if (day := read_day(text)) is not None
    )
    addresses = unique([*party.addresses, *(Address(street=text) for text in texts.get("address", ()))])
    gender = next(iter(texts.get("gender", ())), "")
    return ListEntry(
        uid=party.uid,
        kind=kind,
        names=_names(texts, kind),
        identifiers=unique(
            [
                *(
                    Identifier(scheme, bare_imo(text) if scheme == "imo" else text)
                    for name, scheme in _NUMBERS.items()
                    for text in texts.get(name, ())
                ),
                *party.identifiers,
            ]
        ),
        birth_dates=unique(births),
        birth_places=unique(texts.get("birthPlace", ())),
        nationalities=unique([*texts.get("nationality", ()), *texts.get("citizenship", ())]),
        countries=unique([*texts.get("country", ()), *texts.get("jurisdiction", ()), *texts.get("flag", ())]),
        programmes=unique(
            [*_all(party.sanctions, "programId"), *_all(party.sanctions, "program"), *texts.get("programId", ())]
        ),
        positions=unique([*texts.get("title", ()), *texts.get("position", ())]),
        addresses=addresses,
        remarks=unique([*texts.get("notes", ()), *texts.get("summary", ()), *_all(party.sanctions, "reason")]),
        gender=gender if gender in ("male", "female") else None,
        listed_on=days[0] if days else None,
        rows=tuple(party.rows),
    )


def _names(texts: dict[str, list[str]], kind: Kind) -> tuple[Name, ...]:
    names: list[Name] = []
    for key, name_kind, strength in _NAMES:
        for text in texts.get(key, ()):
            # The schema orders nothing; the first name is the primary one and the others are as good.
            told = NameKind.ALIAS if name_kind is NameKind.PRIMARY and names else name_kind
            names.append(Name(text, told, strength))
    family, given = texts.get("lastName", []), texts.get("firstName", [])
    if kind is Kind.PERSON and len(family) == len(given) == 1 and names[0].text == f"{given[0]} {family[0]}":
        names[0] = Name(names[0].text, NameKind.PRIMARY, family=family[0], given=given[0])
    return distinct_names(names)


def _all(sanctions: Iterable[dict[str, list[str]]], name: str) -> list[str]:
    return [text for sanction in sanctions for text in sanction.get(name, ())]


def _address(texts: dict[str, list[str]]) -> Address:
    def say(*names: str) -> str | None:
        return next((texts[name][0] for name in names if texts.get(name)), None)

    return Address(
        say("street", "full"), say("city"), say("state", "region"), say("postalCode"), say("country"), say("remarks")
    )
