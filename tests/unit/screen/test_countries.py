"""Names of countries across lists come down to one code, and nothing becomes a country by a guess."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundrule.screen.countries import _table, country_code, country_key, says_something
from groundrule.screen.lists import find_lists, read_list
from groundrule.screen.match import COUNTRY_DIFFERS, COUNTRY_EQUAL, NameIndex, Query
from groundrule.screen.model import ListEntry

SAME = {
    "RU": ("Russia", "Russian Federation", "ru", "RUS", "Russian", "RUSSIA"),
    "KP": ("Korea, North", "North Korea", "DPRK", "Democratic People's Republic of Korea", "Korea, Democratic People's Republic of"),
    "KR": ("Korea, South", "Republic of Korea", "KOR", "South Korea"),
    "CD": ("Congo, Democratic Republic of the", "Democratic Republic of the Congo", "DRC", "COD"),
    "CG": ("Congo, Republic of the", "Congo", "Republic of the Congo"),
    "IR": ("Iran", "Iran (Islamic Republic of)", "Islamic Republic of Iran", "IRN"),
    "CI": ("Cote d Ivoire", "Côte d'Ivoire", "Ivory Coast"),
    "TR": ("Turkey", "Türkiye", "Republic of Türkiye"),
    "TW": ("Taiwan", "Republic of China", "Taiwan, Province of China"),
    "CN": ("China", "People's Republic of China", "PRC"),
    "GB": ("United Kingdom", "UK", "U.K.", "United Kingdom of Great Britain and Northern Ireland"),
    "US": ("United States", "United States of America", "U.S.A."),
    "VG": ("Virgin Islands, British", "British Virgin Islands"),
    "KN": ("St. Kitts and Nevis", "Saint Kitts and Nevis", "St. Kitts & Nevis"),
    "PS": ("State of Palestine", "Palestinian", "West Bank", "Region: Gaza"),
    "MM": ("Burma", "Myanmar"),
    "NE": ("Niger",), "NG": ("Nigeria",), "DM": ("Dominica",), "DO": ("Dominican Republic",),
    "GN": ("Guinea", "Republic of Guinea"), "GW": ("Guinea-Bissau",), "GQ": ("Equatorial Guinea",), "NA": ("NA", "Namibia"),
}  # fmt: skip


@pytest.mark.parametrize(("code", "word"), [(code, word) for code, words in SAME.items() for word in words])
def test_every_spelling_is_one_code(code: str, word: str) -> None:
    assert country_code(word) == code
    assert country_key(word) == code


@pytest.mark.parametrize("word", ["Korea", "Region: Crimea", "former Soviet Union", "Netherlands Antilles", "Atlantis (invented)", "R", ""])
def test_what_no_row_has_is_no_country(word: str) -> None:
    assert country_code(word) is None


def test_the_table_is_whole() -> None:
    codes, names = _table()
    assert len(set(codes.values())) == 250
    assert set(names.values()) == set(codes.values()), "every code has a name"
    assert all(len(code) in (2, 3) and code.isupper() for code in codes)


def test_placeholders_say_nothing() -> None:
    assert not any(says_something(word) for word in ("na", "None Identified", "undetermined", "00", " "))
    assert country_code("na") is None


def found(asked: str, *listed: str) -> tuple[str, int]:
    entry = ListEntry.parse({"uid": "1", "kind": "person", "names": [{"text": "Doktor Exempel Muster (invented)"}],
                             "nationalities": list(listed)})  # fmt: skip
    (candidate,) = NameIndex([entry]).screen(Query(("Doktor Exempel Muster (invented)",), countries=(asked,)))
    return candidate.features.country


def test_citizenship_counts_whatever_it_is_called() -> None:
    assert found("RU", "Russian Federation") == ("agrees", COUNTRY_EQUAL)
    assert found("Russia", "rus") == ("agrees", COUNTRY_EQUAL)
    assert found("DE", "Russia") == ("differs", COUNTRY_DIFFERS)
    assert found("DE", "Russia", "Germany") == ("agrees", COUNTRY_EQUAL)


def test_an_unknown_place_agrees_with_itself_and_contradicts_nothing() -> None:
    assert found("Region: Crimea", "region: crimea") == ("agrees", COUNTRY_EQUAL)
    assert found("UA", "Region: Crimea") == ("unknown", 0)
    assert found("UA", "na") == ("unknown", 0)
    assert found("Atlantis (invented)", "Russia") == ("unknown", 0)


def test_published_lists_use_no_country_that_the_table_lacks(shared_data: Path) -> None:
    words: set[str] = set()
    for name, published in (("ofac-sdn-2023-12-28", 1_703_721_600_000_000_000), ("un-sc-consolidated-2026-02-27.xml.gz", None)):
        for each in find_lists([shared_data / "sanctions" / name])[0]:
            for entry in read_list(each, published_ns=published).entries:
                words |= {*entry.countries, *entry.nationalities}
    unknown = {word for word in words if says_something(word) and country_code(word) is None}
    assert unknown == {
        "Netherlands Antilles", "Region: Commonwealth of Independent States", "Region: Crimea", "Region: Kafia Kingi",
        "Region: Northern Mali", "former Soviet Union", "possibly Palestinian;arrested 23 Apr 2002",
    }  # fmt: skip
