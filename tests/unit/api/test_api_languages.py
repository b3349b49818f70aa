"""Answers in the language of their reader: asked for, or preferred by the browser; each answer says in which it is."""

from __future__ import annotations

import re
import string
from pathlib import Path
from urllib.parse import quote

import pytest
from homes import Served, served
from hypothesis import given
from hypothesis import strategies as st

from groundrule.api.spoken import language_of
from groundrule.evidence.render.words import LANGUAGES, vocabulary
from groundrule.reasons import CATALOGUE
from groundrule.store.home import Home
from small_home import copy_home

CYRILLIC = re.compile("[а-яіїєґ]", re.IGNORECASE)


def explained(service: Served, who: dict[str, str], asked: str = "", **headers: str):  # type: ignore[no-untyped-def]  # an answer of the client
    return service.get(f"/v1/terminals/{quote('car')}/explanation{asked}", {**who, **headers})


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_asked_for_is_given_and_said(reading: Served, language: str) -> None:
    say, who = vocabulary(language), reading.key("viewer")
    answer = explained(reading, who, f"?language={language}", **{"Accept-Language": "en"})
    read = answer.json()
    assert answer.headers["content-language"] == language
    assert "accept-language" in answer.headers["vary"].lower()
    assert read["sentence"] == say.reason(read["reason"])
    assert read["relief"][0] != ""
    lines = [*read["applied"][0]["findings"], *read["relief"]]
    if language == "uk":
        assert all(CYRILLIC.search(line) for line in lines)
    if language == "de":
        assert any(line.startswith("Geschwindigkeit über") for line in lines)
    one = reading.get(f"/v1/terminals/car?language={language}", who)
    assert one.json()["reason_sentence"] == say.reason(one.json()["reason"])
    assert one.headers["content-language"] == language


def test_a_browser_is_answered_in_what_it_prefers(reading: Served) -> None:
    who = reading.key("viewer")
    assert explained(reading, who).headers["content-language"] == "en"
    assert explained(reading, who, **{"Accept-Language": "fr, uk-UA;q=0.9, en;q=0.5"}).headers["content-language"] == "uk"
    other = explained(reading, who, "?language=fr")
    assert (other.status_code, other.headers["content-language"]) == (200, "en")
    assert explained(reading, who, "?language=deutsch").status_code == 400


def test_each_language_has_its_own_tag(reading: Served) -> None:
    who = reading.key("viewer")
    tags = {explained(reading, who, f"?language={language}").headers["etag"] for language in LANGUAGES}
    assert len(tags) == len(LANGUAGES)


def test_the_reader_of_another_language_reads_no_threshold_either(reading: Served) -> None:
    who = reading.key("viewer")
    for language in LANGUAGES:
        read = explained(reading, who, f"?for=owner&language={language}").json()
        assert not {"rule", "applied", "nearest", "relief", "also"} & read.keys()
        assert not re.search(r"\d", read["sentence"])


def test_an_appeal_is_told_in_the_language_of_its_owner(served_template: Home, tmp_path: Path) -> None:
    with served(copy_home(served_template, tmp_path / "home")) as service:
        owner, officer = service.key("owner", accounts=["acc-a"]), service.key("officer")
        body = {"terminal": "car", "text": "why (invented)?"}
        made = service.client.post("/v1/own/appeals", json=body, headers={**owner, "Accept-Language": "uk"})
        assert (made.status_code, made.headers["content-language"]) == (201, "uk")
        seen: dict[str, set[str]] = {language: set() for language in LANGUAGES}
        for who, path in ((owner, "/v1/own/appeals"), (officer, "/v1/appeals")):
            for language in LANGUAGES:
                say = vocabulary(language)
                for rest in ("", f"/{made.json()['id']}"):
                    answer = service.get(f"{path}{rest}?language={language}", who)
                    assert (answer.status_code, answer.headers["content-language"]) == (200, language), answer.text
                    row = answer.json()["items"][0] if not rest else answer.json()
                    assert row["stages"] == [say("appeal_pending")]
                seen[language] |= {*row["decision"], *row["next"]}
                assert say("owner_deny") in row["decision"]
        # What the operator wrote is nobody else's to translate; all other lines are.
        shared = seen["en"] & seen["de"] | seen["en"] & seen["uk"] | seen["de"] & seen["uk"]
        assert not shared


@pytest.mark.parametrize(
    ("accepted", "wanted"),
    [
        (None, "en"), ("", "en"), ("*", "en"), ("de", "de"), ("DE-at, en;q=0.8", "de"), ("en;q=0.2, uk;q=0.3", "uk"), ("de;q=0", "en"),
        ("de;q=nan, uk;q=0.1", "uk"), ("de;q=9", "en"), ("de;q=", "en"), (",,;;==", "en"), ("fr", "en"), ("de;q=0.5;x=1", "en"),
    ],
)  # fmt: skip
def test_a_header_of_preferences_is_read(accepted: str | None, wanted: str) -> None:
    assert language_of(None, accepted) == wanted
    assert language_of("de", accepted) == "de"


@given(st.text(max_size=200))
def test_any_header_has_an_answer(accepted: str) -> None:
    assert language_of(None, accepted) in LANGUAGES


def test_no_reason_lacks_a_language_and_none_has_a_slot() -> None:
    for language in LANGUAGES:
        for code in CATALOGUE:
            assert not [name for _, name, _, _ in string.Formatter().parse(vocabulary(language).reasons[code]) if name]
