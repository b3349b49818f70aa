"""Whom a party may be. Every name and number here is invented."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from groundrule.errors import InputError
from groundrule.screen import match
from groundrule.screen.compare import compare
from groundrule.screen.lists import find_lists, read_list
from groundrule.screen.match import DEFAULT_THRESHOLD, Candidate, NameIndex, Query, Verdict
from groundrule.screen.model import BirthDate, Identifier, Kind, ListEntry, Name, Strength
from groundrule.screen.names import NameKind, normal_name

PERSON = NameKind.PERSON
ENTRIES = (
    ListEntry(
        "p1",
        Kind.PERSON,
        (Name("Exempel, Gavriil Primerovich"), Name("Гавриил Примерович Экземпель"), Name("Gavro", strength=Strength.WEAK)),
        identifiers=(Identifier("passport", "X 000-1234"), Identifier("email", "gavro@example.invalid")),
        birth_dates=(BirthDate("1960", "1960-01-01", "1960-12-31"),),
        nationalities=("Utopia",),
    ),
    ListEntry(
        "p2",
        Kind.PERSON,
        (Name("Khalid bin Salim al-Mithali"),),
        birth_dates=(BirthDate("3 May 1971", "1971-05-03", "1971-05-03"),),
    ),
    ListEntry("p3", Kind.PERSON, (Name("Salim bin Khalid al-Namudhaji"),)),
    ListEntry("p4", Kind.PERSON, (Name("Dororo Beispielsky"),)),
    ListEntry("e1", Kind.ENTITY, (Name("Exempelwerke Gesellschaft mit beschränkter Haftung"),)),
    ListEntry("v1", Kind.VESSEL, (Name("Exempla Star"),), identifiers=(Identifier("imo", "0000001"),)),
)  # fmt: skip


@pytest.fixture(scope="module")
def index() -> NameIndex:
    return NameIndex(ENTRIES)


def uids(found: list[Candidate]) -> list[str]:
    return [each.uid for each in found]


@pytest.mark.parametrize(
    "spelling",
    [
        "Gavriil Exempel",
        "EXEMPEL Gavriil",
        "Exempel, G. P.",
        "Gawriil Primerowitsch Exempel",
        "Gavriil Exmepel",
        "Dr. Gavriil P. Exempel",
        "Гавриил Экземпель",
    ],
)
def test_spellings_of_one_person_are_found(index: NameIndex, spelling: str) -> None:
    assert uids(index.screen(Query.of(spelling, PERSON))) == ["p1"]


@pytest.mark.parametrize(
    ("spelling", "uid"),
    [
        ("DororoBeispielsky", "p4"),
        ("Doror Obeispielsky", "p4"),
        ("خالد بن سالم المثالي", "p2"),
        ("Chalid ben Selim el-Mithali", "p2"),
        ("Khalid Salim Mithali", "p2"),
        ("Exempelwerke GmbH", "e1"),
        ("Exempel-Werke, G.m.b.H.", "e1"),
    ],
)
def test_joined_and_parted_words_other_scripts_and_legal_forms(index: NameIndex, spelling: str, uid: str) -> None:
    assert uids(index.screen(Query.of(spelling))) == [uid]


@pytest.mark.parametrize("other", ["Gavriil", "Ivan Exempel", "Gavriil Anders", "Maria Muster", "G. E."])
def test_other_people_and_single_given_names_are_not(index: NameIndex, other: str) -> None:
    assert index.screen(Query.of(other, PERSON)) == []


def test_a_name_alone_is_never_more_than_a_candidate(index: NameIndex) -> None:
    (found,) = index.screen(Query.of("Exempel, Gavriil Primerovich", PERSON))
    assert (found.score, found.verdict) == (1000, Verdict.CANDIDATE)
    (found,) = index.screen(
        Query(("Exempel, Gavriil Primerovich",), PERSON, birth_dates=("1960",), countries=("UTOPIA",))
    )
    assert found.verdict is Verdict.CANDIDATE
    assert {verdict.value for verdict in Verdict} == {"candidate", "strong_candidate", "weak_name_only"}


def test_an_equal_strong_identifier_is_a_strong_candidate_under_any_name(index: NameIndex) -> None:
    (found,) = index.screen(Query(("Somebody Else Entirely",), PERSON, identifiers=(("Passport", "x0001234"),)))
    assert (found.uid, found.score, found.verdict) == ("p1", 1000, Verdict.STRONG_CANDIDATE)
    assert found.features.identifiers == ("passport",)
    assert found.features.name is None


def test_an_identifier_that_anybody_can_claim_is_no_strong_one(index: NameIndex) -> None:
    assert index.screen(Query(("Somebody Else",), PERSON, identifiers=(("email", "gavro@example.invalid"),))) == []
    assert index.screen(Query(("Somebody Else",), PERSON, identifiers=(("passport", "X0001235"),))) == []
    assert index.screen(Query(("Somebody Else",), PERSON, identifiers=(("tax_id", "X0001234"),))) == []


@pytest.mark.parametrize(
    ("born", "found", "points"),
    [("1960", "year", 15), ("1960-07-01", "year", 15), ("1961", "near", 0), ("1985", "contradicts", -200)],
)
def test_dates_of_birth_move_the_score(index: NameIndex, born: str, found: str, points: int) -> None:
    (alone,) = index.screen(Query.of("Gavriil Exempel", PERSON))
    (dated,) = index.screen(Query(("Gavriil Exempel",), PERSON, birth_dates=(born,)), threshold=500)
    assert dated.features.birth == (found, points)
    assert dated.score == min(1000, alone.score + points)


def test_a_contradicting_year_takes_a_middling_name_below_the_threshold(index: NameIndex) -> None:
    assert uids(index.screen(Query.of("Gawril Eksempel", PERSON))) == ["p1"]
    assert index.screen(Query(("Gawril Eksempel",), PERSON, birth_dates=("1990",))) == []


def test_the_day_of_birth_is_the_best_date(index: NameIndex) -> None:
    (found,) = index.screen(Query(("Khalid bin Salim al-Mithali",), PERSON, birth_dates=("1971-05-03",)))
    assert found.features.birth == ("day", 30)
    (found,) = index.screen(Query(("Khalid bin Salim al-Mithali",), PERSON, birth_dates=("1971-05-04",)))
    assert found.features.birth == ("year", 15), "one day beside is no contradiction: publishers copy slips"


def test_countries_move_the_score(index: NameIndex) -> None:
    (found,) = index.screen(Query(("Gavriil Exempel",), PERSON, countries=("utopia",)))
    assert found.features.country == ("agrees", 15)
    (found,) = index.screen(Query(("Gavriil Exempel",), PERSON, countries=("DE",)))
    assert found.features.country == ("unknown", 0), "Utopia is in no table: see test_countries for what differs"


def test_a_weak_name_needs_something_else(index: NameIndex) -> None:
    (found,) = index.screen(Query.of("Gavro", PERSON))
    assert found.verdict is Verdict.WEAK_NAME_ONLY
    (found,) = index.screen(Query(("Gavro",), PERSON, birth_dates=("1960",)))
    assert found.verdict is Verdict.CANDIDATE


def test_father_and_son_are_not_the_same() -> None:
    same = compare(normal_name("Khalid bin Salim", PERSON), normal_name("Khalid ibn Salim", PERSON))
    turned = compare(normal_name("Khalid bin Salim", PERSON), normal_name("Salim bin Khalid", PERSON))
    assert same.score == 1000
    assert turned.order == "reversed_filiation"
    assert turned.score < DEFAULT_THRESHOLD


def test_kinds_that_are_known_and_differ_are_not_compared(index: NameIndex) -> None:
    assert index.screen(Query.of("Exempla Star", PERSON)) == []
    assert uids(index.screen(Query.of("MV Exempla Star", NameKind.VESSEL))) == ["v1"]
    assert uids(index.screen(Query.of("Exempelwerke GmbH", NameKind.UNKNOWN))) == ["e1"]


def test_features_tell_every_word() -> None:
    told = compare(normal_name("Abdulkarim J. Muster Exempel", PERSON), normal_name("EXEMPLE Abd al-Karim Jan", PERSON))
    words = {(pair.query, pair.listed): pair.link for pair in told.words}
    assert words[("abdulkarim", "abd al karim")] == "joined"
    assert words[("j", "jan")] == "initial"
    assert words[("exempel", "exemple")] == "similar"
    assert told.only_query == ("muster",)
    assert told.only_listed == ()


def test_a_candidate_says_why_in_words_and_json(index: NameIndex) -> None:
    (found,) = index.screen(
        Query(("Gavriil Exempel",), PERSON, birth_dates=("1960",), identifiers=(("passport", "X0001234"),))
    )
    lines = found.features.sentences()
    assert "gavriil = gavriil (equal, 1000)" in lines
    assert "listed only: primerovich" in lines
    assert "birth: year (+15)" in lines
    assert "equal: passport" in lines
    told = json.loads(json.dumps(found.value))
    assert told["entry_uid"] == "p1"
    assert told["verdict"] == "strong_candidate"


def test_several_names_of_one_party_count_as_the_best(index: NameIndex) -> None:
    (found,) = index.screen(Query(("Nobody Atall", "Gavriil Exempel"), PERSON))
    assert found.asked == "Gavriil Exempel"


@pytest.mark.parametrize("query", [Query.of("…"), Query.of(""), Query((), PERSON), Query(("A B",), birth_dates=("May",))])
def test_a_query_that_says_nothing_clears_nobody(index: NameIndex, query: Query) -> None:
    with pytest.raises(InputError):
        index.screen(query)


@pytest.mark.parametrize("threshold", [0, 1001, -5])
def test_a_threshold_has_bounds(index: NameIndex, threshold: int) -> None:
    with pytest.raises(InputError):
        index.screen(Query.of("A B"), threshold=threshold)


def test_an_empty_index_finds_nobody() -> None:
    empty = NameIndex(())
    assert len(empty) == 0
    assert empty.screen(Query.of("Gavriil Exempel")) == []
    assert empty.screen_many([]) == []


def test_a_block_is_the_same_as_each_name_alone(index: NameIndex) -> None:
    asked = ["Gavriil Exempel", "خالد المثالي", "Dororo Beispielski", "김보기", "Khalid Salim Mithali", "Nobody"] * 60
    queries = [Query.of(name, PERSON) for name in asked]
    assert len(queries) > match.BLOCK
    assert index.screen_many(queries) == [index.screen(query) for query in queries]


@pytest.mark.shared_data
def test_treated_names_of_listed_people_are_found(shared_data: Path) -> None:
    found, _ = find_lists([shared_data / "sanctions" / "un-sc-consolidated-2026-02-27.xml.gz"])
    entries = read_list(found[0]).entries
    listed = {name.text.casefold() for entry in entries for name in entry.names}
    with (shared_data / "names" / "un_positives_dev.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["untreated_name"].casefold() in listed]
    answers = NameIndex(entries).screen_many([Query.of(row["treated_name"], PERSON) for row in rows])
    right = [
        any(row["untreated_name"].casefold() == name.text.casefold() for each in answer for name in each.entry.names)
        for row, answer in zip(rows, answers, strict=True)
    ]
    assert len(right) > 300
    assert sum(right) >= 0.994 * len(right)
