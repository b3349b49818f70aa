"""`groundrule screen --home`: the newest lists of a home, by command; every name is invented."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from console import groundrule, refused
from groundrule.store.home import Home

FACTS = "DOB 12 Mar 1960; nationality Russia; Passport X0001234 (Russia)."
SDN = '{uid},"{name}","individual","INV",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,"' + FACTS + '"\r\n'
FTM = {"id": "inv-7", "schema": "Person",
       "properties": {"name": ["Gawriil Exempel (invented)"], "nationality": ["ru"], "topics": ["sanction"]}}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = Home.create(tmp_path / "home").path
    (tmp_path / "sdn.csv").write_text(SDN.format(uid=1, name="EXEMPEL, Gavriil (INVENTED)") + "\x1a")
    (tmp_path / "invented.ftm.json").write_text(json.dumps(FTM) + "\n")
    took(place, tmp_path / "sdn.csv", "2026-01-02")
    took(place, tmp_path / "invented.ftm.json", "2026-01-03", "--source", "invented-list")
    return place


def took(home: Path, file: Path, published: str, *more: str) -> None:
    answer = groundrule("lists", "import", file, "--published", published, "--home", home, *more)
    assert answer.code == 0, answer


def screened(home: Path, *words: str) -> dict[str, Any]:
    answer = groundrule("screen", *words, "--home", home, "--json")
    assert answer.code == 0, answer
    return dict(answer.json)


def test_every_source_of_the_home_is_asked_at_its_newest(home: Path, tmp_path: Path) -> None:
    told = screened(home, "Gavriil Exempel")
    assert [(each["source"], each["date"][:10]) for each in told["lists"]] == [
        ("invented-list", "2026-01-03"), ("us-ofac-sdn", "2026-01-02"),
    ]  # fmt: skip
    assert {each["list"] for each in told["screened"][0]["candidates"]} == {"invented-list", "us-ofac-sdn"}
    (tmp_path / "sdn.csv").write_text(SDN.format(uid=2, name="GRAUER, Muster (INVENTED)") + "\x1a")
    took(home, tmp_path / "sdn.csv", "2026-02-02")
    told = screened(home, "Gavriil Exempel")
    assert {each["list"] for each in told["screened"][0]["candidates"]} == {"invented-list"}, "the newer list has him no more"


def test_citizenship_agrees_with_every_list_in_its_own_words(home: Path) -> None:
    for country in ("RU", "Russian Federation", "rus"):
        (one,) = screened(home, "Gavriil Exempel", "--country", country)["screened"]
        assert {each["list"]: each["features"]["country"][0] for each in one["candidates"]} == {
            "invented-list": "agrees", "us-ofac-sdn": "agrees",
        }  # fmt: skip
    (other,) = screened(home, "Gavriil Exempel", "--country", "Germany")["screened"]
    assert {each["features"]["country"][0] for each in other["candidates"]} == {"differs"}


def test_dates_and_numbers_count(home: Path) -> None:
    (one,) = screened(home, "Somebody Else", "--id", "passport:x-000 1234")["screened"]
    assert [(each["entry_uid"], each["verdict"]) for each in one["candidates"]] == [("1", "strong_candidate")]
    (one,) = screened(home, "Gavriil Exempel", "--born", "1960-03-12")["screened"]
    born = {each["list"]: each["features"]["birth"][0] for each in one["candidates"]}
    assert born == {"invented-list": "unknown", "us-ofac-sdn": "day"}


def test_a_file_of_people_and_text_for_people(home: Path, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("name,birth_date,country\nGavriil Exempel,1960,RU\nNobody Atall,,DE\n")
    answer = groundrule("screen", "--file", tmp_path / "people.csv", "--home", home)
    assert answer.code == 0, answer
    assert "Gavriil Exempel: 2 candidates" in answer.out
    assert "country: agrees (+15)" in answer.out
    assert "Nobody Atall: no candidate" in answer.out


def test_a_home_without_a_list_clears_nobody(tmp_path: Path) -> None:
    bare = Home.create(tmp_path / "bare").path
    refused(groundrule("screen", "Gavriil Exempel", "--home", bare), "holds no list")
    refused(groundrule("screen", "Gavriil Exempel", "--home", tmp_path / "nowhere"), "home")
