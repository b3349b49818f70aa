"""Each format: entries as published, broken rows told, none lost beside them. Entries of the fixtures are invented."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundrule.errors import InputError
from groundrule.instant import parse_instant
from groundrule.screen.formats.ofac_remarks import read_remarks
from groundrule.screen.lists import FORMATS, FoundList, detect, find_lists, read_list
from groundrule.screen.model import (
    Address,
    BirthDate,
    Identifier,
    Kind,
    ListEntry,
    ListSnapshot,
    Name,
    NameKind,
    SourceRow,
    Strength,
)

FIXTURES = Path(__file__).parent / "lists"
DAY = parse_instant("2024-05-28")


def read(name: str, *, published_ns: int | None = None) -> ListSnapshot:
    (found,), passed = find_lists([FIXTURES / name])
    assert passed == []
    return read_list(found, published_ns=published_ns)


def told(snapshot: ListSnapshot) -> list[tuple[int, str, str, str, bool]]:
    return [(row.line, row.field, row.value, row.reason, row.entry_kept) for row in snapshot.broken]


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


# --- OFAC's legacy files ------------------------------------------------------------------------------------------------

SDN = (
    '901,"VOSKENDRA, Ilmar (invented)","individual","INV1] [INV2","Harbour master",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,'
    '"DOB 01 Mar 1961; alt. DOB circa 1962; DOB 31 Feb 1963; POB Port Invented; nationality Freedonia; Gender Male;'
    " Passport X0000001 (Freedonia) issued 27 Sep 2002; a.k.a. 'THE MOLE (INVENTED)'; Linked To: GREYMOLE (INVENTED).\"\r\n"
    '902,"GREYMOLE, S.A. (INVENTED)",-0- ,"INV2",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n'
    '903,"GREY MOLE (INVENTED)","vessel","INV2",-0- ,"INV1","Tanker","318","160",'
    '"Freedonia","GREYMOLE (INVENTED)","Vessel Registration Identification IMO 0000001; MMSI 000000001."\r\n'
    '904,"NOT WHOLE (INVENTED)","individual"\r\n'
    '905,"STRAY "quote (INVENTED)",-0- ,"INV2",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n'
    '902,"TWICE (INVENTED)",-0- ,"INV2",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n'
    'x,"NO NUMBER (INVENTED)",-0- ,"INV2",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n'
    '906,-0- ,-0- ,"INV2",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n'
    '907,"PLANE (INVENTED)","submarine","INV2",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n\x1a'
)
ALT = (
    '901,1,"aka","VOSKENDRE, Ilmar (invented)",-0- \r\n901,2,"fka","VOSKENDRA-OLD (INVENTED)",-0- \r\n'
    '999,3,"aka","OF NOBODY (INVENTED)",-0- \r\n901,4,"also","BAD KIND (INVENTED)",-0- \r\n\x1a'
)
ADD = '901,1,"1 Invented Quay","Port Invented","Freedonia",-0- \r\n902,2,-0- ,-0- ,-0- ,-0- \r\n\x1a'


def legacy(folder: Path, **files: str | bytes) -> FoundList:
    for role, text in files.items():
        write(folder, f"{role}.csv", text)
    (found,), passed = find_lists([folder])
    assert passed == []
    return found


def test_ofac_legacy_files_make_one_list(tmp_path: Path) -> None:
    found = legacy(tmp_path, sdn=SDN, alt=ALT, add=ADD)
    assert found.format == "ofac-csv"
    snapshot = read_list(found, published_ns=DAY)
    assert [entry.uid for entry in snapshot.entries] == ["901", "902", "903", "907"]
    assert [file.rows for file in snapshot.files] == [9, 4, 2]
    first = snapshot.by_uid["901"]
    assert first == ListEntry(
        uid="901",
        kind=Kind.PERSON,
        names=(
            Name("VOSKENDRA, Ilmar (invented)", family="VOSKENDRA", given="Ilmar (invented)"),
            Name("VOSKENDRE, Ilmar (invented)", NameKind.ALIAS, family="VOSKENDRE", given="Ilmar (invented)"),
            Name("VOSKENDRA-OLD (INVENTED)", NameKind.FORMER),
            Name("THE MOLE (INVENTED)", NameKind.ALIAS, Strength.WEAK),
        ),
        identifiers=(Identifier("passport", "X0000001", "Freedonia", "Passport", "issued 27 Sep 2002"),),
        birth_dates=(
            BirthDate("01 Mar 1961", "1961-03-01", "1961-03-01"),
            BirthDate("circa 1962", "1962-01-01", "1962-12-31", circa=True),
        ),
        birth_places=("Port Invented",),
        nationalities=("Freedonia",),
        countries=("Freedonia",),
        programmes=("INV1", "INV2"),
        positions=("Harbour master",),
        addresses=(Address("1 Invented Quay", "Port Invented", country="Freedonia"),),
        linked_to=("GREYMOLE (INVENTED)",),
        remarks=first.remarks,
        gender="male",
        rows=(SourceRow("sdn.csv", 1), SourceRow("alt.csv", 1), SourceRow("alt.csv", 2), SourceRow("add.csv", 1)),
    )
    assert snapshot.by_uid["902"].names == (Name("GREYMOLE, S.A. (INVENTED)"),), "a comma splits names of people only"
    vessel = snapshot.by_uid["903"]
    assert (vessel.kind, vessel.countries, vessel.linked_to) == (Kind.VESSEL, ("Freedonia",), ("GREYMOLE (INVENTED)",))
    assert [(each.scheme, each.value) for each in vessel.identifiers] == [
        ("imo", "0000001"),
        ("mmsi", "000000001"),
        ("call_sign", "INV1"),
    ]
    assert snapshot.by_uid["907"].kind is Kind.UNKNOWN


def test_ofac_legacy_files_tell_every_broken_row(tmp_path: Path) -> None:
    snapshot = read_list(legacy(tmp_path, sdn=SDN, alt=ALT, add=ADD), published_ns=DAY)
    assert {
        (row.file, *line[:2], line[3], line[4]) for row, line in zip(snapshot.broken, told(snapshot), strict=True)
    } == {
        ("alt.csv", 4, "alt_type", "bad_value", False),
        ("sdn.csv", 1, "DOB", "bad_date", True),
        ("sdn.csv", 4, "", "wrong_number_of_fields", False),
        ("sdn.csv", 5, "", "bad_quotes", False),
        ("sdn.csv", 6, "ent_num", "duplicate", False),
        ("sdn.csv", 7, "ent_num", "bad_number", False),
        ("sdn.csv", 8, "sdn_name", "no_name", False),
        ("sdn.csv", 9, "sdn_type", "bad_value", True),
        ("alt.csv", 3, "ent_num", "unknown_entry", False),
    }
    assert snapshot.broken_total == len(snapshot.broken) == 9
    assert all(row.help for row in snapshot.broken)
    assert snapshot.complete


def test_a_second_file_holds_what_the_publisher_cut_off(tmp_path: Path) -> None:
    remarks = "DOB 1961; " + "Linked To: GREYMOLE (INVENTED); " * 31
    cut = remarks[:991] + "a.k.a. 'T"
    row = f'901,"VOSKENDRA, Ilmar (invented)","individual","INV1",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,"{cut}"\n\x1a'
    assert len(cut) == 1000
    alone = read_list(legacy(tmp_path, sdn=row), published_ns=DAY)
    assert [line[1:4] for line in told(alone)] == [("remarks", cut.rpartition("; ")[2], "cut_by_publisher")]
    assert [name.text for name in alone.entries[0].names] == ["VOSKENDRA, Ilmar (invented)"]
    whole = read_list(legacy(tmp_path, sdn=row, sdn_comments='901,"HE MOLE (INVENTED)\'."\n\x1a'), published_ns=DAY)
    assert whole.broken == ()
    assert whole.entries[0].rows[-1] == SourceRow("sdn_comments.csv", 1)
    assert whole.entries[0].remarks[0].endswith("MOLE (INVENTED)'.")


def test_latin_1_and_utf_8_are_both_read(tmp_path: Path) -> None:
    row = '901,"MÜLDRÅ (INVENTED)",-0- ,"INV2",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \n'
    for encoding in ("latin-1", "utf-8"):
        snapshot = read_list(legacy(tmp_path, sdn=row.encode(encoding)), published_ns=DAY)
        assert snapshot.entries[0].name == "MÜLDRÅ (INVENTED)"


@pytest.mark.parametrize(
    ("part", "identifier"),
    [
        ("Tax ID No. 0000000001 (Freedonia)", Identifier("tax_id", "0000000001", "Freedonia", "Tax ID No.")),
        (
            "alt. Passport A1 (Korea, North) expires 01 Jan 2030",
            Identifier("passport", "A1", "Korea, North", "Passport", "expires 01 Jan 2030"),
        ),
        ("Digital Currency Address - XBT invented1", Identifier("wallet", "invented1", label="XBT")),
        ("Company Number IMO 0000002", Identifier("imo_company", "0000002", label="Company Number IMO")),
        (
            "Vessel Registration Identification IMO 0000001",
            Identifier("imo", "0000001", label="Vessel Registration Identification IMO"),
        ),
        (
            "Unified Social Credit Code (USCC) 0INV (China)",
            Identifier("registration", "0INV", "China", "Unified Social Credit Code (USCC)"),
        ),
        ("SWIFT/BIC INVENTED", Identifier("swift", "INVENTED", label="SWIFT/BIC")),
        ("Lighthouse Keeper Number 12", Identifier("other_id", "12", label="Lighthouse Keeper Number")),
    ],
)
def test_numbers_in_remarks(part: str, identifier: Identifier) -> None:
    assert read_remarks(f"DOB 1961; {part}.", Kind.PERSON).identifiers == [identifier]


@pytest.mark.parametrize("part", ["Passport issued in Port Invented", "Harbour master", "Secondary sanctions risk: 1"])
def test_what_is_no_number_stays_in_the_text(part: str) -> None:
    assert read_remarks(part, Kind.PERSON).identifiers == []


# --- the other formats --------------------------------------------------------------------------------------------------

NAMES = {
    "ofac_sdn.xml": [
        "VOSKENDRA, Ilmar (invented)",
        "VOSKENDRE, Ilmar (invented)",
        "THE MOLE (INVENTED)",
        "VOSKENDRA-OLD (INVENTED)",
    ],
    "ofac_sdn_advanced.xml": ["VOSKENDRA, Ilmar (invented)", "ВОСКЕНДРА (выдуман)", "THE MOLE (INVENTED)"],
    "eu.xml": ["Ilmar Q. Voskendra (invented)", "Илмар Воскендра (выдуман)", "The Mole (invented)"],
    "uk.xml": [
        "Ilmar Q. (invented) VOSKENDRA",
        "Ilmar (invented) VOSKENDRE",
        "The Mole (invented)",
        "Воскендра (выдуман)",
    ],
    "uk.csv": ["Ilmar Q. (invented) VOSKENDRA", "The Mole (invented)", "Воскендра (выдуман)"],
    "uk_ofsi.csv": ["Ilmar (invented) VOSKENDRA", "Ilmar (invented) VOSKENDRE"],
    "ftm.jsonl": [
        "Ilmar Voskendra (invented)",
        "Ilmar Voskendre (invented)",
        "Илмар Воскендра (выдуман)",
        "The Mole (invented)",
    ],
}
FORMAT_OF = {
    "ofac_sdn.xml": "ofac-xml",
    "ofac_sdn_advanced.xml": "ofac-advanced-xml",
    "eu.xml": "eu-xml",
    "uk.xml": "uk-xml",
    "uk.csv": "uk-csv",
    "uk_ofsi.csv": "uk-csv",
    "ftm.jsonl": "ftm-jsonl",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_person_reads_the_same_from_every_publisher(name: str) -> None:
    snapshot = read(name, published_ns=DAY if name == "ftm.jsonl" else None)
    assert snapshot.format == FORMAT_OF[name]
    assert snapshot.published_ns // 86_400_000_000_000 * 86_400_000_000_000 == DAY
    person = snapshot.entries[0]
    assert person.kind is Kind.PERSON
    assert [each.text for each in person.names] == NAMES[name]
    assert person.names[0].kind is NameKind.PRIMARY
    assert {each.text for each in person.names if each.strength is Strength.WEAK} <= {
        "The Mole (invented)",
        "THE MOLE (INVENTED)",
    }
    assert ("passport", "X0000001") in {(each.scheme, each.value) for each in person.identifiers}
    assert any(birth.earliest <= "1961-03-01" <= birth.latest for birth in person.birth_dates)
    assert any(nation in ("Freedonia", "XA", "xa") for nation in person.nationalities)
    assert person.gender == ("male" if name != "uk_ofsi.csv" else None)
    assert all((FIXTURES / row.file).is_file() and row.line > 0 for row in person.rows)
    assert all("invented" in each.name.lower() or "выдуман" in each.name for each in snapshot.entries)


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("ofac_sdn.xml", {(8, "dateOfBirth", "31 Feb 1962", "bad_date", True), (52, "uid", "", "no_uid", False)}),
        ("ofac_sdn_advanced.xml", set()),
        ("eu.xml", {(16, "birthdate", "1961-02-30", "bad_date", True), (24, "nameAlias", "", "no_name", False)}),
        ("uk.xml", {(5, "D.O.B", "spring", "bad_date", True), (39, "UniqueID", "", "no_uid", False)}),
        ("uk.csv", {(7, "Unique ID", "", "no_uid", False)}),
        ("uk_ofsi.csv", set()),
    ],
)
def test_what_is_broken_is_told_with_its_place(name: str, broken: set[tuple[int, str, str, str, bool]]) -> None:
    assert set(told(read(name))) == broken


def test_ofac_xml_reads_vessels_numbers_and_links() -> None:
    snapshot = read("ofac_sdn.xml")
    person, company, vessel = snapshot.entries
    assert person.linked_to == ("GREYMOLE SHIPPING (INVENTED)",)
    assert person.programmes == ("INVENTED-EO1", "INVENTED2")
    assert person.addresses[0].street == "1 Invented Quay, Hall B"
    assert person.names[3].kind is NameKind.FORMER
    assert Identifier("wallet", "invented1wallet", label="XBT") in person.identifiers
    assert company.kind is Kind.ENTITY
    assert [(each.scheme, each.value) for each in vessel.identifiers] == [("imo", "0000001"), ("call_sign", "INV1")]


def test_ofac_advanced_xml_resolves_its_numbers() -> None:
    person, vessel = read("ofac_sdn_advanced.xml").entries
    assert person.birth_dates == (BirthDate("1961-03-01 to 1961-03-31", "1961-03-01", "1961-03-31"),)
    assert (person.listed_on, person.programmes) == ("2023-07-09", ("INVENTED-EO1",))
    assert person.addresses == (Address("1 Invented Quay", "Port Invented", country="Sylvania"),)
    assert person.names[1].script == "Cyrillic"
    assert person.names[1].kind is NameKind.ORIGINAL_SCRIPT
    assert person.remarks == ("Hair (invented): grey",)
    assert vessel.kind is Kind.VESSEL
    assert vessel.countries == ("Freedonia",)
    assert vessel.identifiers[0].value == "0000001"


def test_eu_dates_countries_and_doubtful_papers() -> None:
    person, company = read("eu.xml").entries
    assert [(birth.earliest, birth.latest, birth.circa, birth.precision) for birth in person.birth_dates] == [
        ("1961-03-01", "1961-03-01", False, "day"),
        ("1962-03-01", "1962-03-31", True, "month"),
        ("1960-01-01", "1963-12-31", False, "span"),
    ]
    assert person.birth_places == ("Port Invented",), "country 00 is none"
    assert person.identifiers[1].note == "knownFalse"
    assert person.listed_on == "2022-01-02"
    assert Identifier("un_ref", "INVe.001") in company.identifiers


def test_uk_rows_of_one_designation_are_one_entry_and_may_run_over_lines() -> None:
    snapshot = read("uk.csv")
    assert snapshot.files[0].rows == 4
    person, ship = snapshot.entries
    assert person.rows == (SourceRow("uk.csv", 3), SourceRow("uk.csv", 5))
    assert person.remarks == ('An invented reason, written on "two" lines.',)
    assert person.birth_dates == (BirthDate("00/00/1961", "1961-01-01", "1961-12-31"),)
    assert (ship.kind, ship.countries) == (Kind.VESSEL, ("Freedonia",))
    treasury = read("uk_ofsi.csv").entries[0]
    assert treasury.nationalities == ("Freedonia", "Sylvania")
    assert [each.value for each in treasury.identifiers] == ["X0000001", "X0000002"]


def test_a_stray_quote_in_a_file_with_long_rows_costs_one_row(tmp_path: Path) -> None:
    lines = (FIXTURES / "uk.csv").read_bytes().split(b"\r\n")
    lines.insert(2, b'28/05/2024,INV0009,,,"STRAY (INVENTED)"x"' + b"," * 53)
    snapshot = read_list(find_lists([write(tmp_path, "uk.csv", b"\r\n".join(lines))])[0][0])
    assert [entry.uid for entry in snapshot.entries] == ["INV0001", "INV0002"]
    assert (3, "", "bad_quotes") in {(row.line, row.field, row.reason) for row in snapshot.broken}


def test_follow_the_money_joins_what_belongs_to_a_party() -> None:
    snapshot = read("ftm.jsonl", published_ns=DAY)
    person, company, vessel = snapshot.entries
    assert (person.listed_on, person.programmes) == ("2023-07-09", ("INV-1", "Invented programme"))
    assert Identifier("wallet", "invented1wallet", label="XBT") in person.identifiers
    assert person.addresses[0].city == "Port Invented"
    assert company.identifiers == (Identifier("registration", "INV-77"),)
    assert vessel.identifiers == (Identifier("imo", "0000001"),)
    assert {(row.line, row.reason, row.entry_kept) for row in snapshot.broken} == {
        (10, "not_ftm", False),
        (9, "unknown_entry", False),
        (2, "bad_date", True),
    }
    assert snapshot.notes == (
        "entities of schemas that name no party were not used: 1 Ownership",
        "1 parties have topics but no sanction, so they are not listed",
    )


def test_names_alone_survive_a_broken_record(tmp_path: Path) -> None:
    text = (
        '[{"id":1,"full_name":"Ilmar Voskendra (invented)","source":"Invented","aliases":["I. V. (invented)",7]},'
        '{"id":2,"full_name":"Br"oken (invented)"},{"id":3,"full_name":"  Greymole   (invented) ","aliases":[]},'
        '{"full_name":"No id (invented)"},{"id":5},17]'
    )
    (found,), _ = find_lists([write(tmp_path, "Some_Names.json", text)])
    assert found.source == "names-some-names"
    snapshot = read_list(found, published_ns=DAY)
    assert [(entry.uid, entry.name) for entry in snapshot.entries] == [
        ("1", "Ilmar Voskendra (invented)"),
        ("3", "Greymole (invented)"),
    ]
    assert {(row.line, row.field, row.reason, row.entry_kept) for row in snapshot.broken} == {
        (1, "aliases", "bad_value", True),
        (2, "", "not_json", False),
        (4, "id", "no_uid", False),
        (5, "full_name", "no_name", False),
        (6, "", "not_an_object", False),
    }
    assert snapshot.files[0].rows == 6
    assert snapshot.complete


# --- detection, dates, snapshots ----------------------------------------------------------------------------------------


def test_every_format_has_a_fixture_and_is_told_by_its_content(tmp_path: Path) -> None:
    for name, form in FORMAT_OF.items():
        assert detect(write(tmp_path, f"{form}.txt", (FIXTURES / name).read_bytes())) == form
    assert {*FORMAT_OF.values(), "ofac-csv", "names-json", "un-xml"} == set(FORMATS)


@pytest.mark.parametrize(
    "content",
    ["", "hello", "<html><body/></html>", '{"a": 1}', '[{"key": "x"}]', "a,b,c\n1,2,3\n", "\x00\x01\x02", "<!-- -->"],
)
def test_what_is_no_list_is_passed_over_with_the_reason(tmp_path: Path, content: str) -> None:
    path = write(tmp_path, "file", content)
    found, passed = find_lists([path])
    assert found == []
    assert passed[0][0] == path
    assert "no known list" in passed[0][1]


def test_aliases_without_their_list_are_passed_over(tmp_path: Path) -> None:
    found, passed = find_lists([write(tmp_path, "alt.csv", ALT)])
    assert found == []
    assert "belongs to an sdn.csv" in passed[0][1]


def test_a_date_is_asked_for_and_never_guessed(tmp_path: Path) -> None:
    folder = tmp_path / "list-2024-05-28"
    folder.mkdir()
    found = legacy(folder, sdn=SDN)
    with pytest.raises(InputError) as caught:
        read_list(found)
    assert caught.value.help == "give --published; 2024-05-28 seems meant, by the name"
    with pytest.raises(InputError, match="another day"):
        read_list(find_lists([FIXTURES / "eu.xml"])[0][0], published_ns=parse_instant("2024-05-29"))


def test_a_file_whose_every_row_is_broken_is_no_empty_list(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no entry"):
        read_list(legacy(tmp_path, sdn=SDN.split("\r\n")[6] + "\r\n906,-0- " + ",-0- " * 10), published_ns=DAY)


@pytest.mark.parametrize("source", ["", "UPPER", "../up", "a b", "x" * 65])
def test_a_source_is_a_plain_name(source: str) -> None:
    with pytest.raises(InputError, match="names no source"):
        read_list(FoundList("eu-xml", {"": FIXTURES / "eu.xml"}, source))


@pytest.mark.parametrize("name", NAMES)
def test_a_snapshot_reads_back_as_it_was_and_has_one_digest(name: str) -> None:
    import json

    published = DAY if name == "ftm.jsonl" else None
    snapshot = read(name, published_ns=published)
    again = ListSnapshot.parse(json.loads(line) for line in snapshot.lines())
    assert again == snapshot
    assert again.digest == snapshot.digest == read(name, published_ns=published).digest
    with pytest.raises(InputError, match="breaks off"):
        ListSnapshot.parse(json.loads(line) for line in list(snapshot.lines())[:-1])
