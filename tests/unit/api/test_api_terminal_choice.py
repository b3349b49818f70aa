"""Choosing terminals by rule, reason, speed and kind, and points in words, over a real small home."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from homes import T0, Served, served

from groundrule.instant import NS_PER_S
from groundrule.store.home import Home
from small_home import copy_home


@pytest.fixture
def who(reading: Served) -> dict[str, str]:
    return reading.key("officer")


def ids(client: Served, who: dict[str, str], query: str) -> set[str]:
    answer = client.get(f"/v1/terminals?{query}", who)
    assert answer.status_code == 200, answer.text
    return {each["id"] for each in answer.json()["items"]}


def rows(client: Served, who: dict[str, str]) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in client.get("/v1/terminals?limit=100", who).json()["items"]}


def test_speed_and_kind_stand_in_each_row(reading: Served, who: dict[str, str]) -> None:
    found = rows(reading, who)
    assert found["car"]["speed_m_s"] * 3.6 == pytest.approx(100, rel=0.01)
    assert found["guest"]["speed_m_s"] * 3.6 == pytest.approx(70, rel=0.01)
    assert found["train"]["speed_m_s"] is None, "one observation without a place shows no speed"
    assert found["train"]["kind"] == {"plan": "business", "purpose": None, "programmes": ["rail"], "protected_class": None}
    assert found["stranger"]["kind"] is None, "who is not registered is registered as nothing"


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("faster_than_km_h=90", {"car"}),
        ("faster_than_km_h=60", {"car", "guest"}),
        ("slower_than_km_h=90&faster_than_km_h=60", {"guest"}),
        ("faster_than_km_h=101", set()),
        ("plan=business", {"train"}),
        ("programme=rail", {"train"}),
        ("plan=aviation", set()),
        ("reason=account_disabled", {"late payer", "stranger"}),
        ("reason=account_disabled&outcome=deny", {"late payer"}),
        ("rule=suspended&protected=none", {"late payer"}),
        ("rule=nobody-wrote-this", set()),
        ("reason=nobody_says_this", set()),
        ("outcome=deny&plan=roam&faster_than_km_h=60", {"car"}),
        ("purpose=military", set()),
    ],
)
def test_filters_choose_by_what_the_evidence_says(reading: Served, who: dict[str, str], query: str, wanted: set[str]) -> None:
    assert ids(reading, who, query) == wanted


def test_none_is_a_choice_and_strangers_are_of_no_kind(reading: Served, who: dict[str, str]) -> None:
    without = ids(reading, who, "programme=none")
    assert "train" not in without
    assert "stranger" not in without
    assert {"car", "guest", "van"} <= without
    assert ids(reading, who, "protected=none") == without | {"train"}


ASKED = {
    "reasons": "reason", "rules": "rule", "plans": "plan", "programmes": "programme", "protected": "protected", "purposes": "purpose",
}  # fmt: skip
WRONG = ("faster_than_km_h=-1", "faster_than_km_h=fast", "slower_than_km_h=1e9", "faster_than_km_h=nan", f"plan={'x' * 201}")


@pytest.mark.parametrize("query", WRONG)
def test_wrong_bounds_are_told(reading: Served, who: dict[str, str], query: str) -> None:
    assert reading.get(f"/v1/terminals?{query}", who).status_code == 400


def test_choices_count_every_terminal_that_can_be_chosen_by_them(reading: Served, who: dict[str, str]) -> None:
    told = reading.get("/v1/terminal-choices", who).json()
    assert sum(each["terminals"] for each in told["reasons"]) == len(rows(reading, who))
    for name, parameter in ASKED.items():
        assert told[name], name
        for each in told[name]:
            assert len(ids(reading, who, f"{parameter}={each['value']}&limit=100")) == each["terminals"], (name, each)
        counts = [each["terminals"] for each in told[name]]
        assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize("roles", [{"owner": {"accounts": ["acc-a"]}}, {"regulator": {"countries": ["AT"]}}])
def test_owners_and_regulators_cannot_feel_for_limits(reading: Served, roles: dict[str, Any]) -> None:
    ((role, more),) = roles.items()
    closed = reading.key(role, **more)
    for each in rows(reading, closed).values():
        assert (each["speed_m_s"], each["kind"], each["rule"]) == (None, None, None)
    for query in ("faster_than_km_h=50", "slower_than_km_h=50", *(f"{each}=none" for name, each in ASKED.items() if name != "reasons")):
        answer = reading.get(f"/v1/terminals?{query}", closed)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed"), query
    told = reading.get("/v1/terminal-choices", closed).json()
    assert [name for name, found in told.items() if found] == ["reasons"]
    assert sum(each["terminals"] for each in told["reasons"]) == len(rows(reading, closed))


def test_a_speed_is_known_as_soon_as_it_is_seen_and_is_the_same_after_a_restart(served_template: Home, tmp_path: Any) -> None:
    home = copy_home(served_template, tmp_path / "home")
    with served(home) as made:
        live, who = made.service.homes["default"], made.key("officer")
        seen = [
            {"terminal_id": "new one", "observed_at": T0 + (900 + 30 * k) * NS_PER_S, "lat_deg": 5.0 + k / 200, "lon_deg": 5.0}
            for k in range(3)
        ]
        live.submit(pa.Table.from_pylist(seen), source="test").result(60)
        before = rows(made, who)["new one"]["speed_m_s"]
        assert before == pytest.approx(0.005 * 110_574 / 30, rel=0.01)
        assert "new one" in ids(made, who, "faster_than_km_h=60")
        live.commit().result(60)
    with served(home) as again:
        assert rows(again, again.key("officer"))["new one"]["speed_m_s"] == pytest.approx(before, rel=1e-3)


def test_an_explanation_tells_the_operator_how_a_terminal_moved_and_its_owner_not(reading: Served, who: dict[str, str]) -> None:
    told = reading.get("/v1/terminals/car/explanation", who).json()
    assert told["speed_m_s"] * 3.6 == pytest.approx(100, rel=0.01)
    assert "speed_m_s" not in reading.get("/v1/terminals/car/explanation?for=owner", who).json()


# --- places ------------------------------------------------------------------------------------------------------------------


def test_points_are_said_in_words_in_the_order_asked(reading: Served, who: dict[str, str]) -> None:
    found = reading.get("/v1/places?point=2.5,2.5&point=-50,-140&point=5,15", who).json()
    assert [[each["id"] for each in place["areas"]] for place in found] == [["country:AT", "closed"], [], ["country:BE"]]
    assert found[1]["near"] is None, "no city is near the middle of an ocean"
    near = found[0]["near"]
    assert near["distance_km"] < 1_500
    assert 0 <= near["bearing_deg"] < 360


def test_a_city_is_near_itself_and_directions_are_right(reading: Served, who: dict[str, str]) -> None:
    kyiv, east = reading.get("/v1/places?point=50.45,30.52&point=50.45,31.2", who).json()
    assert kyiv["near"]["name"] == east["near"]["name"]
    assert kyiv["near"]["country"] == "UA"
    assert kyiv["near"]["distance_km"] < 15
    assert 60 < east["near"]["bearing_deg"] < 120


@pytest.mark.parametrize("point", ["", "1", "1,2,3", "91,0", "0,181", "nan,0", "x,y", "1;2"])
def test_what_is_no_point_is_told(reading: Served, who: dict[str, str], point: str) -> None:
    answer = reading.get("/v1/places", who, params={"point": point})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


def test_points_are_bounded(reading: Served, who: dict[str, str]) -> None:
    assert reading.get("/v1/places", who).json() == []
    assert len(reading.get("/v1/places", who, params={"point": ["1,1"] * 200}).json()) == 200
    assert reading.get("/v1/places", who, params={"point": ["1,1"] * 201}).status_code == 400
