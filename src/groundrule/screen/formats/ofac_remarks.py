"""What OFAC writes into the remarks of its legacy files: dates, places, nationalities, numbers, weak aliases.

    DOB 29 Aug 1987; alt. DOB 1988; POB City, Country; nationality X; Gender Male; Passport A1 (X) issued 27 Sep 2002;
    a.k.a. 'SHORT NAME'; Linked To: SOME COMPANY.

The text itself is always kept; what is read here is in addition. Aliases in remarks are the weak ones. The publisher cuts
remarks at 1,000 characters, in the middle of a word: the last part of such a text is not read.

Source: OFAC, "SDN list data formats" (legacy fixed-field and delimited files); labels as found in published lists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from groundrule.screen.dates import read_date
from groundrule.screen.model import BirthDate, Identifier, Kind, Name, NameKind, Strength
from groundrule.screen.texts import joined, person_name

CUT_AT = 1000
"""Characters after which the publisher cuts remarks."""

SCHEMES: dict[str, str] = {
    "Passport": "passport",
    "Diplomatic Passport": "passport",
    "Stateless Person Passport": "passport",
    "Stateless Person ID Card": "national_id",
    "National ID No.": "national_id",
    "National Foreign ID Number": "national_id",
    "Personal ID Card": "national_id",
    "Identification Number": "national_id",
    "Identity Card": "national_id",
    "Cedula No.": "national_id",
    "Cedula de Residencia": "national_id",
    "Cedula de Ciudadania": "national_id",
    "Cartilla de Servicio Militar Nacional": "national_id",
    "Credencial electoral": "national_id",
    "Electoral Registry No.": "national_id",
    "C.U.R.P.": "national_id",
    "C.U.I.": "national_id",
    "D.N.I.": "national_id",
    "I.F.E.": "national_id",
    "N.I.E.": "national_id",
    "SSN": "national_id",
    "Kenyan ID No.": "national_id",
    "Bosnian Personal ID No.": "national_id",
    "British National Overseas Passport": "passport",
    "Refugee ID Card": "national_id",
    "Residency Number": "national_id",
    "Citizen's Card Number": "national_id",
    "Citizen's ID Card": "national_id",
    "Afghan ID No.": "national_id",
    "Turkish Identification Number": "national_id",
    "Tarjeta de Identidad": "national_id",
    "Numero de Identidad": "national_id",
    "Birth Certificate Number": "birth_certificate",
    "Driver's License No.": "driving_licence",
    "Seafarer's Identification Document": "seafarer_id",
    "Tax ID No.": "tax_id",
    "R.F.C.": "tax_id",
    "NIT #": "tax_id",
    "RUC #": "tax_id",
    "RIF #": "tax_id",
    "RTN": "tax_id",
    "C.U.I.T.": "tax_id",
    "V.A.T. Number": "tax_id",
    "Fiscal Code": "tax_id",
    "Italian Fiscal Code": "tax_id",
    "Paraguayan tax identification number": "tax_id",
    "Permanent Account Number (PAN)": "tax_id",
    "Registration Number": "registration",
    "Registration ID": "registration",
    "Business Registration Number": "registration",
    "Business Registration Document #": "registration",
    "Business Number": "registration",
    "Commercial Registry Number": "registration",
    "Company Number": "registration",
    "Company ID": "registration",
    "Chamber of Commerce Number": "registration",
    "Istanbul Chamber of Comm. No.": "registration",
    "Matricula Mercantil No": "registration",
    "Folio Mercantil No.": "registration",
    "C.R. No.": "registration",
    "Trade License No.": "registration",
    "Unified Social Credit Code (USCC)": "registration",
    "Economic Register Number (CBLS)": "registration",
    "Central Registration System Number (MERSIS)": "registration",
    "Central Registration System Number": "registration",
    "Government Gazette Number": "registration",
    "Public Registration Number": "registration",
    "Certificate of Incorporation Number": "registration",
    "Enterprise Number": "registration",
    "File Number": "registration",
    "License": "registration",
    "RSIN": "registration",
    "OKPO": "registration",
    "Legal Entity Number": "registration",
    "D-U-N-S Number": "duns",
    "LEI": "lei",
    "SWIFT/BIC": "swift",
    "BIK (RU)": "bank_code",
    "Vessel Registration Identification IMO": "imo",
    "Identification Number IMO": "imo",
    "Company Number IMO": "imo_company",
    "Other Vessel Call Sign": "call_sign",
    "MMSI": "mmsi",
    "Aircraft Manufacturer's Serial Number (MSN)": "aircraft_serial",
    "Aircraft Construction Number (also called L/N or S/N or F/N)": "aircraft_serial",
    "Aircraft Tail Number": "aircraft_tail",
    "Aircraft Mode S Transponder Code": "mode_s",
    "Email Address": "email",
    "Website": "website",
    "Phone Number": "phone",
    "Telephone": "phone",
    "Telephone:": "phone",
}
"""The publisher's label → scheme; a label that is not here but ends in `No.`, `Number`, `#`, `ID` or `Code` is `other_id`."""

_LABELS = re.compile(
    "(" + "|".join(re.escape(label) for label in sorted(SCHEMES, key=len, reverse=True)) + r")(?:[:#]| -| No\.)? +(.+)"
)
_OTHER_LABEL = re.compile(r"([A-Z][A-Za-z.'/& -]{1,60}(?:No\.|Number|#|\bID|Code)(?: \([A-Z]{2,6}\))?):? +(.*\d.*)")
_WALLET = re.compile(r"Digital Currency Address - ([A-Z0-9]{2,8}) (\S+)")
_ALIAS = re.compile(r"(?:alt\. )?([afn])\.k\.a\.?s? ['\"‘“](.+)['\"’”]")
_NUMBER = re.compile(r"(.*?)(?: \(([^()]*(?:\([^()]*\))?[^()]*)\))?((?: (?:issued|expires|exp\.|expired)\b.*)?)")
_LETTERS_SUFFICE = frozenset({"email", "website", "swift", "aircraft_tail", "call_sign", "wallet", "lei"})
_ALIAS_KINDS = {"a": NameKind.ALIAS, "f": NameKind.FORMER, "n": NameKind.NOW}
_ENDS_IN_INITIALS = re.compile(r"(?:\b\w\.){2,}$|\b(?:Co|Ltd|Inc|Corp|Jr|Sr|LTD|CO|INC|CORP)\.$")


@dataclass(slots=True)
class Remarks:
    """What was read from one text.

    Attributes:
        bad_dates: texts after `DOB` that are no dates.
        cut: the last part, where the publisher cut the text; empty if it did not.
    """

    names: list[Name] = field(default_factory=list)
    identifiers: list[Identifier] = field(default_factory=list)
    birth_dates: list[BirthDate] = field(default_factory=list)
    birth_places: list[str] = field(default_factory=list)
    nationalities: list[str] = field(default_factory=list)
    linked_to: list[str] = field(default_factory=list)
    gender: str | None = None
    bad_dates: list[str] = field(default_factory=list)
    cut: str = ""


def read_remarks(text: str, kind: Kind, *, whole: bool = False) -> Remarks:
    """Read the remarks of one entry.

    Args:
        text: as published.
        kind: of the entry; names of persons are written `FAMILY, Given`.
        whole: the rest of a cut text has been added, so nothing of it is cut.
    """
    found = Remarks()
    parts = text.split("; ")
    if len(text) >= CUT_AT and not whole and not text.endswith("."):
        found.cut = parts.pop()
    elif parts[-1].endswith(".") and not _ENDS_IN_INITIALS.search(parts[-1]):
        parts[-1] = parts[-1][:-1]
    for part in parts:
        _read_part(joined(part), kind, found)
    return found


def _read_part(part: str, kind: Kind, found: Remarks) -> None:
    if match := _ALIAS.fullmatch(part.removesuffix(".")):
        found.names.append(person_name(match[2], _ALIAS_KINDS[match[1]], Strength.WEAK, of=kind))
        return
    bare = part.removeprefix("alt. ")
    word, _, rest = bare.partition(" ")
    if word == "DOB":
        day = read_date(rest)
        if day is None:
            found.bad_dates.append(rest)
        else:
            found.birth_dates.append(day)
    elif word == "POB":
        found.birth_places.append(rest)
    elif word in ("nationality", "citizen"):
        found.nationalities.append(rest)
    elif word == "Gender" and rest in ("Male", "Female"):
        found.gender = rest.lower()
    elif bare.startswith("Linked To: "):
        found.linked_to.append(bare.removeprefix("Linked To: "))
    elif match := _WALLET.fullmatch(bare):
        found.identifiers.append(Identifier("wallet", match[2], label=match[1]))
    elif (identifier := _identifier(bare)) is not None:
        found.identifiers.append(identifier)


def _identifier(text: str) -> Identifier | None:
    match = _LABELS.fullmatch(text)
    scheme = SCHEMES[match[1]] if match is not None else "other_id"
    match = match or _OTHER_LABEL.fullmatch(text)
    if match is None:
        return None
    number = _NUMBER.fullmatch(match[2])
    assert number is not None, "every part of the pattern may be empty"
    value = number[1].strip()
    if not value or value.startswith("issued ") or (scheme not in _LETTERS_SUFFICE and not _has_digit(value)):
        return None
    return Identifier(scheme, value, number[2] or None, match[1], number[3].strip() or None)


def _has_digit(text: str) -> bool:
    return any(char.isdigit() for char in text)
