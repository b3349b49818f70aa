"""Cases over the wire: listed, judged by a person once, counted for detectors, and closed to everybody else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from homes import Served, served

from groundrule.detect.signals import KINDS, Offending, Signal, table_of
from groundrule.instant import NS_PER_S, format_instant
from groundrule.store.home import Home
from groundrule.store.signals import SIGNALS
from small_home import T0, copy_home


def signal(kind: str, terminal: str, at_s: float) -> Signal:
    at = T0 + round(at_s * NS_PER_S)
    return Signal(kind, terminal, at, at - NS_PER_S, 0.7, 5.0, 6.0, None, (("speed", 141.5, "km/h"),), (Offending(at, 5.0, 6.0, 8.0),))


MADE = (
    signal("drone_flight", "car", 60), signal("straw_registration", "car", 120), signal("over_speed", "van", 5 * 86_400),
    signal("cloned_identity", "guest", 9 * 86_400), signal("gnss_inhibited", "train", 20 * 86_400), signal("displaced_fix", "car", 61),
)  # fmt: skip


@pytest.fixture(scope="module")
def seen(served_template: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = copy_home(served_template, tmp_path_factory.mktemp("cases") / "home")
    SIGNALS.write(home, table_of(MADE))
    with served(home) as made:
        yield made


def test_cases_that_weigh_most_come_first_and_pages_hold_each_once(seen: Served) -> None:
    who = seen.key("analyst")
    found, cursor = [], ""
    while True:
        page = seen.get(f"/v1/cases?limit=1{cursor}", who).json()
        found += page["items"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert [each["terminals"] for each in found] == [["car"], ["train"], ["guest"], ["van"]]
    assert found[0]["kinds"] == ["drone_flight", "straw_registration"]  # bad data says nothing about anybody
    assert [each["weight"] for each in found] == sorted((each["weight"] for each in found), reverse=True)
    chosen = seen.get("/v1/cases?kind=over_speed&kind=cloned_identity", who).json()["items"]
    assert [each["terminals"] for each in chosen] == [["guest"], ["van"]]
    assert seen.get("/v1/cases?terminal=nobody", who).json()["items"] == []
    assert seen.get("/v1/cases?kind=clone", who).status_code == 422
    assert seen.get("/v1/cases?state=lost", who).status_code in (400, 422)


def test_one_case_is_shown_with_what_it_rests_on(seen: Served) -> None:
    who = seen.key("analyst")
    case = seen.get("/v1/cases?terminal=car", who).json()["items"][0]
    one = seen.get(f"/v1/cases/{case['id']}", who).json()
    assert one["signals"][0]["found"] == [{"name": "speed", "value": 141.5, "unit": "km/h"}]
    assert one["signals"][0]["observations"] == [{"at": format_instant(T0 + 60 * NS_PER_S), "terminal": None, "lat": 5.0, "lon": 6.0}]
    assert (one["state"], one["can"]) == ("open", ["assign", "confirm", "dismiss", "note"])
    assert seen.get("/v1/cases/case-0", who).status_code == 404


def test_a_person_judges_a_case_once_and_the_detector_is_told(seen: Served) -> None:
    who = seen.key("officer")
    case = seen.get("/v1/cases?terminal=guest", who).json()["items"][0]["id"]
    key = {"Idempotency-Key": "first"}
    for _ in range(2):
        taken = seen.client.post(f"/v1/cases/{case}/acts", json={"what": "assign", "to": "Ada (invented)"}, headers=who | key)
        assert taken.status_code == 201, taken.text
    assert [each["what"] for each in taken.json()["acts"]] == ["assign"]
    assert seen.get("/v1/cases?assignee=Ada (invented)", who).json()["items"][0]["id"] == case
    assert seen.client.post(f"/v1/cases/{case}/acts", headers=who, json={"what": "dismiss", "reason": "because"}).status_code == 422
    assert seen.client.post(f"/v1/cases/{case}/acts", headers=who, json={"what": "arrest"}).status_code in (400, 422)
    done = seen.client.post(f"/v1/cases/{case}/acts", headers=who, json={"what": "dismiss", "reason": "innocent"}).json()
    assert (done["state"], done["reason"], done["can"]) == ("dismissed", "innocent", ["reopen", "note"])
    assert seen.client.post(f"/v1/cases/{case}/acts", headers=who, json={"what": "confirm"}).status_code == 409
    assert case not in [each["id"] for each in seen.get("/v1/cases", who).json()["items"]]
    told = {each["kind"]: each for each in seen.get("/v1/behaviours?base_rate=0.001", who).json()["items"]}
    assert list(told) == list(KINDS)
    assert told["cloned_identity"]["false_alarms"] == 1
    assert told["drone_flight"]["undecided"] == 1


def test_signals_are_listed_the_newest_first(seen: Served) -> None:
    who, found, cursor = seen.key("analyst"), [], ""
    while True:
        page = seen.get(f"/v1/signals?limit=2{cursor}", who).json()
        found += page["items"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert [each["id"] for each in found] == [each.id for each in sorted(MADE, key=lambda each: -each.raised_at)]
    assert [each["kind"] for each in seen.get("/v1/signals?terminal=car&kind=drone_flight", who).json()["items"]] == ["drone_flight"]
    assert len(seen.get(f"/v1/signals?until={format_instant(T0 + 61 * NS_PER_S)}", who).json()["items"]) == 1


@pytest.mark.parametrize("role", ["viewer", "regulator", "owner", "ingest", "administrator"])
@pytest.mark.parametrize("path", ["/v1/cases", "/v1/signals", "/v1/behaviours"])
def test_nobody_else_reads_detectors_or_open_cases(seen: Served, role: str, path: str) -> None:
    more = {"owner": {"accounts": ["acc-a"]}, "regulator": {"countries": ["AT"]}}.get(role, {})
    assert seen.get(path, seen.key(role, **more)).status_code == 403
