"""The consolidated list of financial sanctions of the European Union, as XML (schema 1.1 of the FSF service).

    export generationDate
     └ sanctionEntity logicalId, euReferenceNumber, unitedNationId
        ├ subjectType classificationCode P or E        ├ birthdate birthdate | year, month, day | yearRange, circa
        ├ nameAlias wholeName, strong, nameLanguage    ├ identification identificationTypeCode, number
        ├ regulation programme, publicationDate        ├ citizenship, address, remark
        └ …

Countries are ISO 3166 codes; `00` means that none is known. Names stand in every language of the Union.

Source: xmlFullSanctionsList 1.1 of the European Commission (FISMA). Read here with invented fixtures after that schema.
"""

from __future__ import annotations

from groundrule.screen.dates import days_of, read_date, read_day
from groundrule.screen.formats.un import instant_of
from groundrule.screen.markup import Node, records
from groundrule.screen.model import Address, BirthDate, Identifier, Kind, ListEntry, Name, NameKind, SourceRow, Strength
from groundrule.screen.source import Findings, ListFile
from groundrule.screen.texts import Reading, bare_imo, distinct_names, unique

ROOT = "export"
_KINDS = {"P": Kind.PERSON, "E": Kind.ENTITY, "person": Kind.PERSON, "enterprise": Kind.ENTITY}
_SCHEMES = {
    "passport": "passport",
    "diplopassport": "passport",
    "id": "national_id",
    "ssn": "national_id",
    "electionid": "national_id",
    "drivinglicence": "driving_licence",
    "birthcert": "birth_certificate",
    "fiscalcode": "tax_id",
    "tradelic": "registration",
    "regnumber": "registration",
    "swiftbic": "swift",
    "imo": "imo",
}
_GENDERS = {"M": "male", "F": "female"}


def read(file: ListFile, findings: Findings) -> Reading:
    """Read the list."""
    entries: list[ListEntry] = []
    published: int | None = None
    for node in records(file, findings, tags={"sanctionEntity"}):
        if node.tag == ROOT:
            published = instant_of(node.get("generationDate"))
        if node.tag != "sanctionEntity":
            continue
        file.rows += 1
        entry = _entry(node, SourceRow(file.name, node.line), findings)
        if entry is not None:
            entries.append(entry)
    return Reading(entries, (file.about,), published)


def _entry(node: Node, place: SourceRow, findings: Findings) -> ListEntry | None:
    uid = node.get("logicalId") or node.get("euReferenceNumber")
    if not uid:
        findings.add(place.file, place.line, "logicalId", "", "no_uid", "write the logicalId of the entity")
        return None
    names = [_name(each) for each in node.each("nameAlias")]
    # Strong names come first; the first of them is the primary name, because the format marks none.
    names = sorted((name for name in names if name.text), key=lambda name: name.strength is not Strength.STRONG)
    if not names:
        findings.add(place.file, place.line, "nameAlias", "", "no_name", "write wholeName", uid=uid)
        return None
    first = names[0]
    names[0] = Name(first.text, NameKind.PRIMARY, first.strength, first.family, first.given, lang=first.lang)
    subject = node.first("subjectType")
    code = (subject.get("classificationCode") or subject.get("code")) if subject is not None else ""
    if code not in _KINDS:
        findings.add(
            place.file, place.line, "classificationCode", code, "bad_value", "write P or E", uid=uid, kept=True
        )
    addresses = unique(_address(each) for each in node.each("address"))
    regulations = node.each("regulation")
    listed = sorted(filter(None, (read_day(each.get("publicationDate")) for each in regulations)))
    return ListEntry(
        uid=uid,
        kind=_KINDS.get(code, Kind.UNKNOWN),
        names=distinct_names(names),
        identifiers=unique(
            [
                Identifier("eu_ref", node.get("euReferenceNumber")) if node.get("euReferenceNumber") else None,
                Identifier("un_ref", node.get("unitedNationId")) if node.get("unitedNationId") else None,
                *(_identifier(each) for each in node.each("identification")),
            ]
        ),
        birth_dates=unique(
            found for each in node.each("birthdate") if (found := _birth(each, place, uid, findings)) is not None
        ),
        birth_places=unique(
            ", ".join(filter(None, (each.get("place"), each.get("city"), each.get("region"), _country(each) or "")))
            for each in node.each("birthdate")
        ),
        nationalities=unique(_country(each) or "" for each in node.each("citizenship")),
        countries=unique(address.country or "" for address in addresses),
        programmes=unique(each.get("programme") for each in regulations),
        positions=unique(text for each in node.each("nameAlias") for text in (each.get("title"), each.get("function"))),
        addresses=addresses,
        remarks=unique([node.get("designationDetails"), *node.says("remark")]),
        gender=next(
            (_GENDERS[code] for each in node.each("nameAlias") if (code := each.get("gender")) in _GENDERS), None
        ),
        listed_on=listed[0] if listed else None,
        rows=(place,),
    )


def _name(node: Node) -> Name:
    family = node.get("lastName")
    given = " ".join(filter(None, (node.get("firstName"), node.get("middleName"))))
    return Name(
        text=node.get("wholeName") or " ".join(filter(None, (given, family))),
        kind=NameKind.ALIAS,
        strength=Strength.WEAK if node.get("strong") == "false" else Strength.STRONG,
        family=family or None,
        given=given or None,
        lang=node.get("nameLanguage").lower() or None,
    )


def _birth(node: Node, place: SourceRow, uid: str, findings: Findings) -> BirthDate | None:
    circa = node.get("circa") == "true"
    if text := node.get("birthdate"):
        found = read_date(text, circa=circa)
        if found is None:
            _bad(node, text, place, uid, findings)
        return found
    first, last = node.get("yearRangeFrom"), node.get("yearRangeTo")
    if first or last:
        start, end = days_of(first or last), days_of(last or first)
        text = f"{first or last} to {last or first}"
    else:
        year, month, day = node.get("year"), node.get("monthOfYear"), node.get("dayOfMonth")
        if not year:
            return None  # the element then only tells a place
        start = end = days_of(year, month, day)
        text = "-".join(part.zfill(2) for part in (year, month, day) if part)
    if start is None or end is None or start[0] > end[1]:
        _bad(node, text, place, uid, findings)
        return None
    return BirthDate(text, start[0], end[1], circa)


def _bad(node: Node, text: str, place: SourceRow, uid: str, findings: Findings) -> None:
    findings.add(place.file, node.line, "birthdate", text, "bad_date", "write YYYY-MM-DD", uid=uid, kept=True)


def _identifier(node: Node) -> Identifier | None:
    number = node.get("number") or node.get("latinNumber")
    if not number:
        return None
    code = node.get("identificationTypeCode")
    doubts = [
        word for word in ("knownFalse", "knownExpired", "reportedLost", "revokedByIssuer") if node.get(word) == "true"
    ]
    scheme = _SCHEMES.get(code, "other_id")
    return Identifier(
        scheme,
        bare_imo(number) if scheme == "imo" else number,
        _country(node),
        node.get("identificationTypeDescription") or code or None,
        "; ".join(filter(None, (*doubts, *node.says("remark")))) or None,
    )


def _address(node: Node) -> Address | None:
    box = node.get("poBox")
    address = Address(
        street=", ".join(filter(None, (node.get("street"), f"PO box {box}" if box else ""))) or None,
        city=node.get("city") or node.get("place") or None,
        region=node.get("region") or None,
        postcode=node.get("zipCode") or None,
        country=_country(node),
        note="; ".join(node.says("remark")) or None,
    )
    return None if address == Address() else address


def _country(node: Node) -> str | None:
    code = node.get("countryIso2Code")
    return None if code in ("", "00") else code
