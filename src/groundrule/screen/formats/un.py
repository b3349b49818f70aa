"""The consolidated list of the Security Council of the United Nations, as XML.

    CONSOLIDATED_LIST dateGenerated
     ├ INDIVIDUALS / INDIVIDUAL  names in up to four parts, aliases with quality Good or Low, dates EXACT, APPROXIMATELY
     │                           or BETWEEN, documents, places
     └ ENTITIES / ENTITY         the same with fewer fields

An alias of quality Low is weak. An alias element may hold several names with semicolons. Dates inside aliases belong to
false identities; they are kept as birth dates too, because people use them.

Source: sc-sanctions.xsd of the United Nations; read with the list of 2026-02-27.
"""

from __future__ import annotations

from groundrule.errors import InputError
from groundrule.instant import parse_instant
from groundrule.screen.dates import days_of, read_date, read_day
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
from groundrule.screen.source import Findings, ListFile
from groundrule.screen.texts import Reading, distinct_names, unique

ROOT = "CONSOLIDATED_LIST"
_KINDS = {"INDIVIDUAL": Kind.PERSON, "ENTITY": Kind.ENTITY}
_QUALITIES = {
    "Good": (NameKind.ALIAS, Strength.STRONG),
    "Low": (NameKind.ALIAS, Strength.WEAK),
    "a.k.a.": (NameKind.ALIAS, Strength.STRONG),
    "f.k.a.": (NameKind.FORMER, Strength.STRONG),
    "": (NameKind.ALIAS, Strength.STRONG),
}


def read(file: ListFile, findings: Findings) -> Reading:
    """Read the list."""
    entries: list[ListEntry] = []
    published: int | None = None
    for node in records(file, findings, tags=_KINDS):
        if node.tag == ROOT:
            published = instant_of(node.get("dateGenerated"))
            continue
        if node.tag not in _KINDS:
            continue
        file.rows += 1
        entry = _entry(node, SourceRow(file.name, node.line), findings)
        if entry is not None:
            entries.append(entry)
    return Reading(entries, (file.about,), published)


def instant_of(text: str) -> int | None:
    """A time of publication, or None if it is not one."""
    try:
        return parse_instant(text) if text else None
    except InputError:
        # The publisher's summer time stands without a zone in old files; a day is then all that is certain.
        day = read_day(text)
        return parse_instant(day) if day is not None else None


def _entry(node: Node, place: SourceRow, findings: Findings) -> ListEntry | None:
    uid = node.say("DATAID") or node.say("REFERENCE_NUMBER")
    name = " ".join(filter(None, (node.say(f"{part}_NAME") for part in ("FIRST", "SECOND", "THIRD", "FOURTH"))))
    for value, column, help_ in ((uid, "DATAID", "write the number"), (name, "FIRST_NAME", "write the name")):
        if not value:
            findings.add(
                place.file, place.line, column, value, f"no_{'uid' if value is uid else 'name'}", help_, uid=uid
            )
            return None
    original = node.say("NAME_ORIGINAL_SCRIPT")
    names = [Name(name)]
    if original:
        names.append(Name(original, NameKind.ORIGINAL_SCRIPT))
    births = [_birth(each, place, uid, findings) for each in node.each("INDIVIDUAL_DATE_OF_BIRTH")]
    for alias in (*node.each("INDIVIDUAL_ALIAS"), *node.each("ENTITY_ALIAS")):
        quality = alias.say("QUALITY")
        if quality not in _QUALITIES:
            findings.add(
                place.file, alias.line, "QUALITY", quality, "bad_value", "write Good or Low", uid=uid, kept=True
            )
        kind, strength = _QUALITIES.get(quality, (NameKind.ALIAS, Strength.WEAK))
        names += [Name(text.strip(), kind, strength) for text in alias.say("ALIAS_NAME").split(";")]
        if text := alias.say("DATE_OF_BIRTH"):
            births.append(_dated(text, alias.line, place, uid, findings))
    addresses = unique(
        _address(each) for each in (*node.each("INDIVIDUAL_ADDRESS"), *node.each("ENTITY_ADDRESS")) if each.children
    )
    listed_text = node.say("LISTED_ON")
    listed = read_day(listed_text)
    if listed is None and listed_text:
        findings.add(
            place.file, node.line, "LISTED_ON", listed_text, "bad_date", "write YYYY-MM-DD", uid=uid, kept=True
        )
    return ListEntry(
        uid=uid,
        kind=_KINDS[node.tag],
        names=distinct_names(names),
        identifiers=unique(
            [
                Identifier("un_ref", reference) if (reference := node.say("REFERENCE_NUMBER")) else None,
                *(_document(each) for each in node.each("INDIVIDUAL_DOCUMENT")),
            ]
        ),
        birth_dates=unique(each for each in births if each is not None),
        birth_places=unique(_place(each) for each in node.each("INDIVIDUAL_PLACE_OF_BIRTH")),
        nationalities=unique(node.says("NATIONALITY", "VALUE")),
        countries=unique(address.country or "" for address in addresses),
        programmes=unique([node.say("UN_LIST_TYPE")]),
        positions=unique([*node.says("TITLE", "VALUE"), *node.says("DESIGNATION", "VALUE")]),
        addresses=addresses,
        remarks=unique([node.say("COMMENTS1")]),
        gender=gender if (gender := node.say("GENDER").lower()) in ("male", "female") else None,
        listed_on=listed,
        rows=(place,),
    )


def _birth(node: Node, place: SourceRow, uid: str, findings: Findings) -> BirthDate | None:
    """One date; elements that are all empty mean that it is not known."""
    circa = node.say("TYPE_OF_DATE") == "APPROXIMATELY"
    first, last = node.say("FROM_YEAR"), node.say("TO_YEAR")
    if first or last:
        start, end = days_of(first or last), days_of(last or first)
        if start is not None and end is not None and start[0] <= end[1]:
            return BirthDate(f"{first or last} to {last or first}", start[0], end[1], circa)
        _bad_birth(f"{first} to {last}", node.line, place, uid, findings)
        return None
    text = node.say("DATE") or node.say("YEAR")
    return _dated(text, node.line, place, uid, findings, circa=circa) if text else None


def _dated(
    text: str, line: int, place: SourceRow, uid: str, findings: Findings, *, circa: bool = False
) -> BirthDate | None:
    found = read_date(text, circa=circa)
    if found is None:
        _bad_birth(text, line, place, uid, findings)
    return found


def _bad_birth(text: str, line: int, place: SourceRow, uid: str, findings: Findings) -> None:
    findings.add(place.file, line, "DATE_OF_BIRTH", text, "bad_date", "write YYYY-MM-DD", uid=uid, kept=True)


def _document(node: Node) -> Identifier | None:
    number = node.say("NUMBER")
    if not number:
        return None
    label = node.say("TYPE_OF_DOCUMENT") or node.say("TYPE_OF_DOCUMENT2")
    word = label.lower()
    scheme = "passport" if "passe" in word or "pasa" in word or "passport" in word else "national_id"
    country = node.say("ISSUING_COUNTRY") or node.say("COUNTRY_OF_ISSUE")
    note = "; ".join(
        filter(
            None,
            (
                node.say("TYPE_OF_DOCUMENT2") if label != node.say("TYPE_OF_DOCUMENT2") else "",
                f"issued {day}" if (day := node.say("DATE_OF_ISSUE")) else "",
                node.say("CITY_OF_ISSUE"),
                node.say("NOTE"),
            ),
        )
    )
    return Identifier(scheme if label else "other_id", number, country or None, label or None, note or None)


def _address(node: Node) -> Address | None:
    address = Address(
        street=node.say("STREET") or None,
        city=node.say("CITY") or None,
        region=node.say("STATE_PROVINCE") or None,
        postcode=node.say("ZIP_CODE") or None,
        country=node.say("COUNTRY") or None,
        note=node.say("NOTE") or None,
    )
    return None if address == Address() else address


def _place(node: Node) -> str:
    return ", ".join(filter(None, (node.say(tag) for tag in ("STREET", "CITY", "STATE_PROVINCE", "COUNTRY"))))
