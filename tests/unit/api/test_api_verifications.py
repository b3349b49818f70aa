"""Verifications over the wire: lists, one with its drawing, pictures; and what owners and regulators are not told."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from homes import Served, served

import radio_world
from groundrule.instant import NS_PER_S, format_instant
from groundrule.store.home import Home
from groundrule.store.verifications import write_verifications
from groundrule.verify.assemble import assemble
from groundrule.verify.judge import verify_batch
from groundrule.verify.kept import report_to_json
from groundrule.verify.measurements import clean
from groundrule.verify.records import to_table
from groundrule.verify.report import reports
from radio_world import Truth, World, table
from small_home import copy_home

SECRET = ("major", "minor", "sigma", "distance_m", "mdo", "offset", "threshold", "assurance", "conditions", "ellipse", "lat", "lon")
"""Parts of names that nobody outside the operator's side may find in an answer."""


def made_home(template: Home, path: object) -> Home:
    """A home with verifications of three windows: the car lies, the guest is honest, the van is hardly seen."""
    home = copy_home(template, path)  # type: ignore[arg-type]  # a path of pytest
    world = World(seed=3)
    terminals = [Truth("car", claim=(51.25, 22.57)), Truth("guest", 44.0, 33.0), Truth("van", 45.0, 35.0)]
    for window in range(3):
        start = radio_world.START_NS + window * 60 * NS_PER_S
        rows = []
        for who in terminals:
            slots = world.schedule(who.lat_deg, who.lon_deg, 1 if who.name == "van" else 4, start)
            rows += world.measure(who, slots, start_ns=start, step_s=3.0)
        cases = assemble(clean(table(rows)), world.elements, world.claims(terminals, 60, start))
        found = reports(cases, verify_batch(cases.case))
        kept = to_table(found)
        write_verifications(home, kept.append_column("report", [[report_to_json(each) for each in found]]))
    return home


@pytest.fixture(scope="module")
def seen(served_template: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(made_home(served_template, tmp_path_factory.mktemp("verified") / "home")) as made:
        yield made


def test_a_list_is_the_newest_first_and_pages_hold_each_once(seen: Served) -> None:
    who, found, cursor = seen.key("viewer"), [], ""
    for _ in range(20):
        page = seen.get(f"/v1/verifications?limit=2{cursor}", who).json()
        found += page["items"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert len(found) == len({each["id"] for each in found}) == 9
    assert [each["at"] for each in found] == sorted((each["at"] for each in found), reverse=True)
    car = seen.get("/v1/verifications?terminal=car", who).json()["items"]
    assert [each["terminal"] for each in car] == ["car"] * 3
    assert {each["verdict"] for each in car} == {"inconsistent"}
    assert "contradicts" in car[0]["sentence"]
    assert "km from it" in car[0]["sentence"]
    only = seen.get("/v1/verifications?verdict=inconsistent&limit=2", who).json()
    assert [each["terminal"] for each in only["items"]] == ["car", "car"]
    begin = format_instant(radio_world.START_NS + 60 * NS_PER_S)
    between = seen.get(f"/v1/verifications?from={begin}&until={car[0]['at']}", who).json()
    assert [each["id"] for each in between["items"]] == [each["id"] for each in found if begin <= each["at"] < car[0]["at"]]


def test_one_is_told_with_its_drawing(seen: Served) -> None:
    who = seen.key("viewer")
    listed = seen.get("/v1/verifications?terminal=car&limit=1", who).json()["items"][0]
    one = seen.get(f"/v1/verifications/{listed['id']}", who).json()
    assert {name: one[name] for name in listed} == listed
    assert one["report"]["verdict"] == "inconsistent"
    drawing = one["drawing"]
    assert (drawing["claim"]["lat"], drawing["claim"]["lon"]) == pytest.approx((51.25, 22.57), abs=1e-3)
    assert len(drawing["places"][0]["ellipse"]) > 100
    assert all(len(each["circle"]) > 700 and each["track"] for each in drawing["satellites"])
    assert (one["lat"], one["lon"]) == pytest.approx((43.5, 34.0), abs=0.02)


def test_words_are_in_the_language_of_the_reader(seen: Served) -> None:
    who = seen.key("viewer")
    for language, word in (("de", "widerspricht"), ("uk", "суперечить"), ("fr", "contradicts")):
        answer = seen.get(f"/v1/verifications?terminal=car&limit=1&language={language}", who)
        assert word in answer.json()["items"][0]["sentence"]
    assert seen.get("/v1/verifications?terminal=car", who | {"Accept-Language": "uk"}).headers["content-language"] == "uk"


def test_pictures(seen: Served) -> None:
    who = seen.key("viewer")
    name = seen.get("/v1/verifications?terminal=car&limit=1", who).json()["items"][0]["id"]
    png = seen.get(f"/v1/verifications/{name}/picture.png", who)
    assert (png.status_code, png.headers["content-type"], png.content[:8]) == (200, "image/png", b"\x89PNG\r\n\x1a\n")
    assert "attachment" in png.headers["content-disposition"]
    svg = seen.get(f"/v1/verifications/{name}/picture.svg", who)
    assert svg.headers["content-type"].startswith("image/svg+xml")
    assert b"<script" not in svg.content
    assert seen.get(f"/v1/verifications/{name}/picture.svg", who).content == svg.content
    assert seen.get(f"/v1/verifications/{'0' * 64}/picture.png", who).status_code == 404


def keys_of(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*(keys_of(each) for each in value.values())) if value else set()
    return set().union(*(keys_of(each) for each in value)) if isinstance(value, list) and value else set()


@pytest.mark.parametrize(("role", "more", "sees"), [
    ("owner", {"accounts": ["acc-a"]}, True), ("owner", {"accounts": ["acc-b"]}, False),
    ("regulator", {"countries": ["BE"]}, False),
])  # fmt: skip
def test_an_owner_reads_a_verdict_in_words_and_how_to_appeal_and_no_number(seen: Served, role: str, more: dict, sees: bool) -> None:  # type: ignore[type-arg]  # arguments of a key
    viewer, who = seen.key("viewer"), seen.key(role, **more)
    name = seen.get("/v1/verifications?terminal=car&limit=1", viewer).json()["items"][0]["id"]
    listed = seen.get("/v1/verifications?terminal=car", who).json()
    one = seen.get(f"/v1/verifications/{name}", who)
    assert seen.get(f"/v1/verifications/{name}/picture.png", who).status_code == 403
    if not sees:
        assert listed["items"] == []
        assert one.status_code == 404
        return
    assert one.status_code == 200
    for told in (listed, one.json()):
        assert not [key for key in keys_of(told) if any(part in key for part in SECRET)]
        text = json.dumps(told)
        assert not [digit for digit in ("51.2", "22.5", "43.5", "34.0", " km", " m ") if digit in text]
    assert one.json()["audience"] == "owner"
    assert "appeal" in one.json()["appeal"].lower()


def test_a_regulator_reads_of_terminals_in_its_countries(seen: Served) -> None:
    every = {each["terminal"] for each in seen.get("/v1/verifications", seen.key("viewer")).json()["items"]}
    for country in ("AT", "BE"):
        who = seen.key("regulator", countries=[country])
        here = {each["id"] for each in seen.get("/v1/terminals?limit=1000", who).json()["items"]}
        told = seen.get("/v1/verifications", who).json()["items"]
        assert {each["terminal"] for each in told} == every & here
        assert all(each["audience"] == "owner" for each in told)


@pytest.mark.parametrize(
    "path",
    [
        "?limit=0", "?limit=1001", "?verdict=guilty", "?from=now", "?until=2026", "?cursor=x", "?cursor=WzEsMl0",
        "?cursor=W3RydWUsIiIsIiJd", "?terminal=" + "x" * 201, "/none",
        "/" + "0" * 63, "/..%2f..%2fetc", "/%00", "/" + "a" * 300, "/sha256:zz/picture.png",
    ],
)  # fmt: skip
def test_wrong_questions_are_problems_and_no_faults(seen: Served, path: str) -> None:
    answer = seen.get(f"/v1/verifications{path}", seen.key("viewer"))
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_damaged_file_is_said_and_names_no_path(served_template: Home, tmp_path: object) -> None:
    home = made_home(served_template, tmp_path / "home")  # type: ignore[operator]  # a path of pytest
    path = next((home.path / "verifications").glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-1])
    with served(home) as made:
        answer = made.get("/v1/verifications", made.key("viewer"))
        assert answer.status_code == 500
        assert str(home.path.parent) not in answer.text

