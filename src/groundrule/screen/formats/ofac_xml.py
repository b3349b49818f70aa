"""OFAC's XML files: the plain one (`sdn.xml`, `consolidated.xml`) and the advanced one (`sdn_advanced.xml`).

    plain     sdnList / publshInformation, sdnEntry: uid, firstName, lastName, sdnType, programList, idList, akaList,
              addressList, nationalityList, citizenshipList, dateOfBirthList, placeOfBirthList, vesselInfo
    advanced  Sanctions / ReferenceValueSets, Locations, IDRegDocuments, DistinctParties, SanctionsEntries; everything is
              told by numbers that the reference sets explain, so the sets are read first and the entries last

`publshInformation` is the publisher's own spelling. A weak alias has `category` weak or `LowQuality` true.

Source: sdn.xsd and the UN advanced sanctions data model as OFAC publishes it. Read here with invented fixtures after them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from groundrule.errors import InputError
from groundrule.instant import parse_instant
from groundrule.screen.dates import days_of, read_date, read_day
from groundrule.screen.formats.ofac_remarks import SCHEMES
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
from groundrule.screen.texts import Reading, bare_imo, distinct_names, unique

PLAIN_ROOT, ADVANCED_ROOT = "sdnList", "Sanctions"
_KINDS = {
    "individual": Kind.PERSON,
    "entity": Kind.ENTITY,
    "vessel": Kind.VESSEL,
    "aircraft": Kind.AIRCRAFT,
}
_ALIAS_KINDS = {"a.k.a.": NameKind.ALIAS, "f.k.a.": NameKind.FORMER, "n.k.a.": NameKind.NOW, "name": NameKind.PRIMARY}
_LINKED = "(Linked To: "
_FAMILY_PARTS = ("Last Name", "Patronymic", "Matronymic", "Maiden Name")
_GIVEN_PARTS = ("First Name", "Middle Name")


def read_plain(file: ListFile, findings: Findings) -> Reading:
    """Read `sdn.xml`."""
    entries: list[ListEntry] = []
    published: int | None = None
    for node in records(file, findings, tags={"sdnEntry", "publshInformation"}):
        if node.tag == "publshInformation":
            day = read_day(_american(node.say("Publish_Date")))
            published = parse_instant(day) if day is not None else None
        if node.tag != "sdnEntry":
            continue
        file.rows += 1
        entry = _plain_entry(node, SourceRow(file.name, node.line), findings)
        if entry is not None:
            entries.append(entry)
    return Reading(entries, (file.about,), published)


def _american(text: str) -> str:
    """`05/28/2024` as `28/05/2024`; anything else as it is."""
    parts = text.split("/")
    return f"{parts[1]}/{parts[0]}/{parts[2]}" if len(parts) == 3 else text


def _plain_entry(node: Node, place: SourceRow, findings: Findings) -> ListEntry | None:
    uid, kind_word = node.say("uid"), node.say("sdnType").lower()
    if not uid:
        findings.add(place.file, place.line, "uid", "", "no_uid", "write the number of the entry")
        return None
    kind = _KINDS.get(kind_word)
    if kind is None:
        findings.add(
            place.file, place.line, "sdnType", kind_word, "bad_value", "write Individual or Entity", uid=uid, kept=True
        )
    names = [_plain_name(node, NameKind.PRIMARY, Strength.STRONG)]
    if not names[0].text:
        findings.add(place.file, place.line, "lastName", "", "no_name", "write the name", uid=uid)
        return None
    for alias in node.each("akaList", "aka"):
        weak = alias.say("category").lower() == "weak"
        names.append(
            _plain_name(
                alias,
                _ALIAS_KINDS.get(alias.say("type").lower(), NameKind.ALIAS),
                Strength.WEAK if weak else Strength.STRONG,
            )
        )
    births = []
    for each in node.each("dateOfBirthList", "dateOfBirthItem"):
        text = each.say("dateOfBirth")
        found = read_date(text)
        if found is None:
            _bad_date(findings, place, "dateOfBirth", text, uid)
        else:
            births.append(found)
    identifiers: list[Identifier | None] = []
    gender = None
    for each in node.each("idList", "id"):
        label, number = each.say("idType"), each.say("idNumber")
        if label == "Gender":
            gender = number.lower() if number.lower() in ("male", "female") else gender
        elif number:
            identifiers.append(identifier_of(label, number, each.say("idCountry")))
    vessel = node.first("vesselInfo")
    if vessel is not None and vessel.say("callSign"):
        identifiers.append(Identifier("call_sign", vessel.say("callSign")))
    addresses = unique(_plain_address(each) for each in node.each("addressList", "address"))
    return ListEntry(
        uid=uid,
        kind=kind or Kind.UNKNOWN,
        names=distinct_names(names),
        identifiers=unique(identifiers),
        birth_dates=unique(births),
        birth_places=unique(node.says("placeOfBirthList", "placeOfBirthItem", "placeOfBirth")),
        nationalities=unique(
            [
                *node.says("nationalityList", "nationality", "country"),
                *node.says("citizenshipList", "citizenship", "country"),
            ]
        ),
        countries=unique(
            [vessel.say("vesselFlag") if vessel is not None else None, *(each.country for each in addresses)]
        ),
        programmes=unique(node.says("programList", "program")),
        positions=unique([node.say("title")]),
        addresses=addresses,
        linked_to=unique(
            [
                vessel.say("vesselOwner") if vessel is not None else None,
                *(part[len(_LINKED) : -1] for part in node.say("remarks").split("; ") if _is_linked(part)),
            ]
        ),
        remarks=unique([node.say("remarks")]),
        gender=gender,
        rows=(place,),
    )


def _is_linked(part: str) -> bool:
    return part.startswith(_LINKED) and part.endswith(")")


def identifier_of(label: str, number: str, country: str = "") -> Identifier:
    """An identifier by OFAC's label; numbers that begin with `IMO` are IMO numbers."""
    scheme = SCHEMES.get(label) or next(
        (scheme for known, scheme in SCHEMES.items() if label and label.rstrip(".") == known.rstrip(".")), "other_id"
    )
    if label.startswith("Digital Currency Address"):
        scheme, label = "wallet", label.rpartition("- ")[2]
    if number.startswith("IMO "):
        scheme, number = "imo_company" if label == "Company Number" else "imo", bare_imo(number)
    return Identifier(scheme, number, country or None, label or None)


def _plain_name(node: Node, kind: NameKind, strength: Strength) -> Name:
    family, given = node.say("lastName"), node.say("firstName")
    if not given:
        return Name(family, kind, strength)
    return Name(f"{family}, {given}" if family else given, kind, strength, family=family or None, given=given)


def _plain_address(node: Node) -> Address | None:
    address = Address(
        street=", ".join(node.says("address1") + node.says("address2") + node.says("address3")) or None,
        city=node.say("city") or None,
        region=node.say("stateOrProvince") or None,
        postcode=node.say("postalCode") or None,
        country=node.say("country") or None,
    )
    return None if address == Address() else address


def _bad_date(findings: Findings, place: SourceRow, column: str, text: str, uid: str) -> None:
    findings.add(place.file, place.line, column, text, "bad_date", "write for instance 29 Aug 1987", uid=uid, kept=True)


@dataclass(slots=True)
class _Sets:
    """What numbers mean: kind of set → number → text; and parts that parties refer to.

    Attributes:
        parents: sub-type of a party → its type.
        documents: identity → identifiers.
        places: number of a location → address.
    """

    words: dict[str, dict[str, str]] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    documents: dict[str, list[Identifier]] = field(default_factory=dict)
    places: dict[str, Address] = field(default_factory=dict)

    def say(self, tag: str, number: str) -> str:
        return self.words.get(tag, {}).get(number, "")


@dataclass(slots=True)
class _Listing:
    programmes: list[str] = field(default_factory=list)
    days: list[str] = field(default_factory=list)
    rows: list[SourceRow] = field(default_factory=list)


_REFERENCES = {
    "AliasTypeValues",
    "CountryValues",
    "DetailReferenceValues",
    "FeatureTypeValues",
    "IDRegDocTypeValues",
    "LocPartTypeValues",
    "NamePartTypeValues",
    "PartySubTypeValues",
    "PartyTypeValues",
    "ScriptValues",
}


def read_advanced(file: ListFile, findings: Findings) -> Reading:
    """Read `sdn_advanced.xml`."""
    sets = _Sets()
    drafts: list[ListEntry] = []
    listings: dict[str, _Listing] = {}
    published: int | None = None
    tags = {"Location", "IDRegDocument", "DistinctParty", "SanctionsEntry", "DateOfIssue", *_REFERENCES}
    for node in records(file, findings, tags=tags):
        place = SourceRow(file.name, node.line)
        if node.tag == "DateOfIssue":
            days = days_of(node.say("Year"), node.say("Month"), node.say("Day"))
            published = parse_instant(days[0]) if days is not None else None
        elif node.tag in _REFERENCES:
            for each in node.children:
                sets.words.setdefault(each.tag, {})[each.get("ID")] = " ".join(each.text.split())
                if each.get("PartyTypeID"):
                    sets.parents[each.get("ID")] = each.get("PartyTypeID")
        elif node.tag == "Location":
            sets.places[node.get("ID")] = _location(node, sets)
        elif node.tag == "IDRegDocument":
            _take_document(node, sets)
        elif node.tag == "DistinctParty":
            file.rows += 1
            if "FeatureType" not in sets.words:
                raise InputError(
                    f"`{file.name}` has parties before its ReferenceValueSets",
                    help="fetch the whole file",
                    file=file.name,
                )
            # A party becomes an entry at once: the elements of all would take many times the room of the file.
            for profile in node.each("Profile") or [node]:
                entry = _advanced_entry(node, profile, place, sets, findings)
                if entry is not None:
                    drafts.append(entry)
        elif node.tag == "SanctionsEntry":
            listing = listings.setdefault(node.get("ProfileID"), _Listing())
            listing.rows.append(place)
            listing.programmes += [each.say("Comment") for each in node.each("SanctionsMeasure") if each.say("Comment")]
            for each in node.each("EntryEvent", "Date"):
                found = days_of(each.say("Year"), each.say("Month"), each.say("Day"))
                if found is not None:
                    listing.days.append(found[0])
    entries = [_with_listing(entry, listings.get(entry.uid)) for entry in drafts]
    return Reading(entries, (file.about,), published)


def _with_listing(entry: ListEntry, listing: _Listing | None) -> ListEntry:
    if listing is None:
        return entry
    return replace(
        entry,
        programmes=unique(listing.programmes),
        listed_on=min(listing.days, default=None),
        rows=(*entry.rows, *listing.rows),
    )


def _location(node: Node, sets: _Sets) -> Address:
    parts: dict[str, str] = {}
    for each in node.each("LocationPart"):
        text = each.say("LocationPartValue", "Value")
        label = sets.say("LocPartType", each.get("LocPartTypeID")).upper()
        if text:
            parts[label] = text
    country = node.first("LocationCountry")
    street = ", ".join(parts[label] for label in ("ADDRESS1", "ADDRESS2", "ADDRESS3") if label in parts)
    return Address(
        street=street or parts.get("UNKNOWN"),
        city=parts.get("CITY"),
        region=parts.get("STATE/PROVINCE") or parts.get("REGION"),
        postcode=parts.get("POSTAL CODE"),
        country=(sets.say("Country", country.get("CountryID")) or None) if country is not None else None,
    )


def _take_document(node: Node, sets: _Sets) -> None:
    number = node.say("IDRegistrationNo")
    if number:
        label = sets.say("IDRegDocType", node.get("IDRegDocTypeID"))
        country = sets.say("Country", node.get("IssuedBy-CountryID"))
        sets.documents.setdefault(node.get("IdentityID"), []).append(identifier_of(label, number, country))


def _advanced_entry(party: Node, profile: Node, place: SourceRow, sets: _Sets, findings: Findings) -> ListEntry | None:
    uid = profile.get("ID") or party.get("FixedRef")
    if not uid:
        findings.add(place.file, place.line, "Profile ID", "", "no_uid", "write the number of the profile")
        return None
    kind_word = _party_kind(profile.get("PartySubTypeID"), sets)
    kind = _KINDS.get(kind_word)
    if kind is None:
        findings.add(
            place.file,
            place.line,
            "PartySubTypeID",
            profile.get("PartySubTypeID"),
            "bad_value",
            "name a sub-type of the reference sets",
            uid=uid,
            kept=True,
        )
    names: list[Name] = []
    identifiers: list[Identifier] = []
    for identity in profile.each("Identity"):
        parts = {
            group.get("ID"): sets.say("NamePartType", group.get("NamePartTypeID"))
            for group in identity.each("NamePartGroups", "MasterNamePartGroup", "NamePartGroup")
        }
        for alias in identity.each("Alias"):
            names += [_advanced_name(alias, written, parts, sets) for written in alias.each("DocumentedName")]
        identifiers += sets.documents.get(identity.get("ID"), [])
    names = sorted(
        (name for name in names if name.text),
        key=lambda name: (name.kind is not NameKind.PRIMARY, name.strength is not Strength.STRONG),
    )
    if not names:
        findings.add(place.file, place.line, "DocumentedName", "", "no_name", "write the name", uid=uid)
        return None
    told = _Features()
    for feature in profile.each("Feature"):
        label = sets.say("FeatureType", feature.get("FeatureTypeID"))
        for version in feature.each("FeatureVersion"):
            _take_feature(label, version, told, sets, findings, place, uid)
    return ListEntry(
        uid=uid,
        kind=kind or Kind.UNKNOWN,
        names=distinct_names(names),
        identifiers=unique([*identifiers, *told.identifiers]),
        birth_dates=unique(told.births),
        birth_places=unique(told.birth_places),
        nationalities=unique(told.nationalities),
        countries=unique([*told.countries, *(address.country for address in told.addresses)]),
        positions=unique(told.positions),
        addresses=unique(told.addresses),
        remarks=unique([party.say("Comment"), *told.remarks]),
        gender=told.gender,
        rows=(place,),
    )


def _party_kind(sub_type: str, sets: _Sets) -> str:
    """`individual`, `entity`, `vessel` or `aircraft`: the sub-type, or its type where the sub-type says `Unknown`."""
    word = sets.say("PartySubType", sub_type).lower()
    return word if word in _KINDS else sets.say("PartyType", sets.parents.get(sub_type, "")).lower()


def _advanced_name(alias: Node, written: Node, parts: dict[str, str], sets: _Sets) -> Name:
    by_part: dict[str, list[str]] = {}
    script = ""
    for value in written.each("DocumentedNamePart", "NamePartValue"):
        text = " ".join(value.text.split())
        if text:
            by_part.setdefault(parts.get(value.get("NamePartGroupID"), ""), []).append(text)
            script = script or sets.say("Script", value.get("ScriptID"))
    family = " ".join(text for part in _FAMILY_PARTS for text in by_part.get(part, ()))
    given = " ".join(text for part in _GIVEN_PARTS for text in by_part.get(part, ()))
    others = [text for part, texts in by_part.items() if part not in (*_FAMILY_PARTS, *_GIVEN_PARTS) for text in texts]
    kind = _ALIAS_KINDS.get(sets.say("AliasType", alias.get("AliasTypeID")).lower(), NameKind.ALIAS)
    if alias.get("Primary") == "true":
        kind = NameKind.PRIMARY if not script or script == "Latin" else NameKind.ORIGINAL_SCRIPT
    elif kind is NameKind.PRIMARY:
        kind = NameKind.ALIAS
    return Name(
        ", ".join(filter(None, (family, given)))
        if family and given
        else " ".join(filter(None, (family, given, *others))),
        kind,
        Strength.WEAK if alias.get("LowQuality") == "true" else Strength.STRONG,
        family=family or None,
        given=given or None,
        script=script or None,
    )


@dataclass(slots=True)
class _Features:
    births: list[BirthDate] = field(default_factory=list)
    birth_places: list[str] = field(default_factory=list)
    nationalities: list[str] = field(default_factory=list)
    countries: list[str] = field(default_factory=list)
    positions: list[str] = field(default_factory=list)
    addresses: list[Address] = field(default_factory=list)
    identifiers: list[Identifier] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    gender: str | None = None


def _take_feature(
    label: str, version: Node, told: _Features, sets: _Sets, findings: Findings, place: SourceRow, uid: str
) -> None:
    where = version.first("VersionLocation")
    address = sets.places.get(where.get("LocationID")) if where is not None else None
    detail = version.first("VersionDetail")
    text = ""
    if detail is not None:
        text = " ".join(detail.text.split()) or sets.say("DetailReference", detail.get("DetailReferenceID"))
    if label == "Birthdate":
        period = version.first("DatePeriod")
        birth = _period(period) if period is not None else None
        if birth is None:
            _bad_date(findings, place, label, text, uid)
        else:
            told.births.append(birth)
    elif label == "Gender":
        told.gender = text.lower() if text.lower() in ("male", "female") else told.gender
    elif label == "Location" and address is not None:
        told.addresses.append(address)
    elif label == "Place of Birth":
        told.birth_places.append(text or (_shown(address) if address is not None else ""))
    elif label in ("Nationality Country", "Citizenship Country") and address is not None:
        told.nationalities.append(address.country or "")
    elif label == "Vessel Flag" and (text or address is not None):
        told.countries.append(text or (address.country or "" if address is not None else ""))
    elif label == "Title":
        told.positions.append(text)
    elif label == "Vessel Call Sign" and text:
        told.identifiers.append(Identifier("call_sign", text))
    elif text and (label in SCHEMES or label.startswith("Digital Currency Address")):
        told.identifiers.append(identifier_of(label, text))
    elif text:
        told.remarks.append(f"{label or 'feature'}: {text}")


def _shown(address: Address) -> str:
    return ", ".join(filter(None, (address.street, address.city, address.region, address.country)))


def _period(node: Node) -> BirthDate | None:
    """First day of the start and last day of the end; a period of one day, month or year is that day, month or year."""
    first = node.first("Start", "From")
    last = node.first("End", "To") or first
    if first is None or last is None:
        return None
    start = days_of(first.say("Year"), first.say("Month"), first.say("Day"))
    end = days_of(last.say("Year"), last.say("Month"), last.say("Day"))
    if start is None or end is None or start[0] > end[1]:
        return None
    circa = any(node.first(tag) is not None and _approximate(node, tag) for tag in ("Start", "End"))
    text = start[0] if start[0] == end[1] else f"{start[0]} to {end[1]}"
    return BirthDate(text, start[0], end[1], circa)


def _approximate(node: Node, tag: str) -> bool:
    found = node.first(tag)
    return found is not None and found.get("Approximate") == "true"
