"""The short way of single observations answers as the long one does, and whatever is not plain takes the long one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from homes import QUICK, Served, served

from governed_home import START
from groundrule.api import quick
from groundrule.api.batches import ARROW
from groundrule.api.settings import RateLimit, Settings
from groundrule.errors import StoreError
from groundrule.instant import NS_PER_S
from groundrule.store.home import Home
from small_home import copy_home

PATH = "/v1/observations"
AT = START + 7000 * NS_PER_S
JSON = {"Content-Type": "application/json"}
LONG = {"Content-Type": "application/json;charset=UTF-8"}
"""Another spelling of the same, for which the short way is not made."""


@pytest.fixture
def home(served_template: Home, tmp_path: Path) -> Home:
    return copy_home(served_template, tmp_path / "home")


@pytest.fixture
def here(home: Home) -> Iterator[Served]:
    with served(home) as made:
        yield made


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of each request that took the short way."""
    found: list[int] = []
    real = quick.brief_as_json

    def noting(brief: Any) -> bytes:
        found.append(len(brief.words))
        return real(brief)

    monkeypatch.setattr(quick, "brief_as_json", noting)
    return found


def row(name: str, seconds: float, **more: Any) -> dict[str, Any]:
    return {"terminal_id": name, "observed_at": AT + round(seconds * NS_PER_S), **more}


def post(here: Served, *rows: dict[str, Any], headers: dict[str, str], kind: dict[str, str] = JSON) -> httpx.Response:
    return here.client.post(PATH, content=json.dumps({"rows": list(rows)}).encode(), headers=headers | kind)


def known(here: Served, *roles: str, **more: Any) -> dict[str, str]:
    """A key that was shown before: the first time its signature is checked, on the long way."""
    who = here.key(*roles, **more)
    here.service.desk.of_bearer(who["Authorization"].removeprefix("Bearer "))
    return who


BATCHES = (
    [row("car", 0, lat_deg=5, lon_deg=5, speed_m_s=40.5, position_sigma_m=9, position_source="gnss")],
    [row("car", 15, lat_deg=5.01, lon_deg=5), row("van", 2, lat_deg=2.5, lon_deg=2.5), row("car", 30, lat_deg=5.02, lon_deg=5)],
    [row("guest", 9, lat_deg=5, lon_deg=11.0), row("nobody knows it".replace(" ", "-"), 9, lat_deg=8.0, lon_deg=12.5), row("train", 3)],
    [row("car", 30, lat_deg=5.02, lon_deg=5)],
    [row("car", 7, lat_deg=5.01, lon_deg=5), row("car", 60, lat_deg=5.1, lon_deg=5, software_version="9.1", country_reported="AT")],
    [row("car", 90, lat_deg=5.2, lon_deg=5), row("car", 75, lat_deg=5.15, lon_deg=5)],
)


def test_both_ways_answer_the_same(served_template: Home, tmp_path: Path, taken: list[int]) -> None:
    answers: dict[bool, list[tuple[int, dict[str, str], Any]]] = {}
    for short in (True, False):
        with served(copy_home(served_template, tmp_path / str(short))) as here:
            who = known(here, "ingest")
            found = [post(here, *batch, headers=who, kind=JSON if short else LONG) for batch in BATCHES]
            kept = [{name: value for name, value in each.headers.items() if name != "date"} for each in found]
            answers[short] = [(each.status_code, head, json.loads(each.content)) for each, head in zip(found, kept, strict=True)]
    assert taken == [len(batch) for batch in BATCHES]
    assert answers[True] == answers[False]
    assert [list(each) for _, _, each in answers[True]] == [list(each) for _, _, each in answers[False]]
    assert [each["late"] for _, _, each in answers[True]] == [0, 0, 0, 0, 1, 0]
    assert answers[True][3][2]["duplicates"] == 1


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"rows": [row("car", 0, lat_deg=95, lon_deg=5)]}, JSON),
        ({"rows": [row("car", 86_400, lat_deg=5, lon_deg=5)]}, JSON),
        ({"rows": [row("car", 0, lat_deg=5)]}, JSON),
        ({"rows": []}, JSON),
        ({"columns": {"terminal_id": ["car"], "observed_at": [AT]}}, JSON),
        ({"rows": [row("car", 0)]}, JSON | {"Idempotency-Key": "k-1"}),
        ({"rows": [row("car", 0)]}, JSON | {"Accept": ARROW}),
        ({"rows": [row("car", 0, colour="red")]}, JSON),
        ({"rows": [row(f"t-{k}", k) for k in range(65)]}, JSON),
        ({"rows": [row("car", 0)]}, {"Content-Type": "text/plain"}),
    ],
)
def test_what_is_not_plain_takes_the_long_way(here: Served, taken: list[int], body: Any, headers: dict[str, str]) -> None:
    answer = here.client.post(PATH, content=json.dumps(body).encode(), headers=known(here, "ingest") | headers)
    assert taken == []
    assert answer.status_code in (200, 400, 415, 422)
    if answer.status_code == 200 and answer.headers["content-type"] == "application/json":
        found = answer.json()
        assert found["accepted"] + len(found["rejected"]) == len(body.get("rows") or body["columns"]["terminal_id"])


def test_a_body_in_pieces_takes_the_long_way(here: Served, taken: list[int]) -> None:
    whole = json.dumps({"rows": [row("car", 0)]}).encode()
    answer = here.client.post(PATH, content=iter([whole[:10], whole[10:]]), headers=known(here, "ingest") | JSON)
    assert (answer.status_code, answer.json()["accepted"], taken) == (200, 1, [])


def test_nobody_is_let_in_by_it(here: Served, taken: list[int]) -> None:
    good = known(here, "ingest")
    assert post(here, row("car", 0), headers=good).status_code == 200
    given = next(each for each in here.service.desk.store.given_keys() if "ingest" in each.claims["roles"])
    assert here.service.desk.revoke(given.id)
    refused = [
        post(here, row("car", 1), headers=good),
        post(here, row("car", 1), headers={}),
        post(here, row("car", 1), headers={"Authorization": "Bearer gr1.x.y"}),
        post(here, row("car", 1), headers={"Authorization": here.key("ingest")["Authorization"][:-4] + "AAAA"}),
        post(here, row("car", 1), headers=known(here, "viewer")),
        post(here, row("car", 1), headers=known(here, "ingest") | {"Host": "evil.example"}),
        post(here, row("car", 1), headers=known(here, "ingest", tenant="elsewhere")),
    ]
    assert [each.status_code for each in refused] == [401, 401, 401, 401, 403, 421, 409]
    assert {each.headers["content-type"] for each in refused} == {"application/problem+json"}
    assert taken == [1]
    # 409 is no denial: the credentials are good, and for another service.
    assert len(here.service.desk.store.denials(limit=100)) == 6


def test_each_request_is_limited_and_counted_once(home: Home, taken: list[int]) -> None:
    slow = Settings(rates=QUICK.rates | {"key": RateLimit(0.001, 3)})
    with served(home, settings=slow) as here:
        who = known(here, "ingest")
        # The second is not plain: it takes the long way, and one token all the same.
        found = [post(here, each, headers=who) for each in (row("car", 0), row("car", 1, colour="red"), row("car", 2), row("car", 3))]
        assert [each.status_code for each in found] == [200, 422, 200, 429]
        assert found[3].headers["retry-after"]
        assert taken == [1, 1]
        told = here.service.metrics.text({}, {}, 0).decode()
    said = 'groundrule_http_requests_total{method="POST",route="/v1/observations",status="%d"} %.1f'
    for status, count in ((200, 2), (422, 1), (429, 1)):
        assert said % (status, count) in told
    assert 'groundrule_http_request_seconds_count{route="/v1/observations"} 4.0' in told
    decided = [line for line in told.splitlines() if line.startswith("groundrule_decisions_total")]
    assert sum(float(line.rsplit(" ", 1)[1]) for line in decided) == 2


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (StoreError("no room", full=True), 507, "store"),
        (StoreError("too much waits", busy=True), 503, "store"),
        (ZeroDivisionError("a fault of ours"), 500, "internal"),
    ],
)
def test_what_cannot_be_taken_is_answered_as_a_problem(
    here: Served, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    live = here.service.homes["default"]

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(live._taker, "_write", fail)
    who = known(here, "ingest")
    both = [post(here, row("car", 0), headers=who, kind=kind) for kind in (JSON, LONG)]
    told = [{name: value for name, value in each.json().items() if name != "instance"} for each in both]
    assert told[0] == told[1]
    assert (told[0]["status"], told[0]["code"]) == (status, code)
    heads = [{name: value for name, value in each.headers.items() if name not in ("content-length", "date")} for each in both]
    assert heads[0] == heads[1]


def test_a_key_is_asked_for_right_before_anything_is_written(here: Served, taken: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    who, live = known(here, "ingest"), here.service.homes["default"]
    hand_in = live.submit_few
    key = next(each.id for each in here.service.desk.store.given_keys() if "ingest" in each.claims["roles"])

    def revoked_meanwhile(*given: Any, **more: Any) -> Any:
        assert here.service.desk.revoke(key)
        return hand_in(*given, **more)

    monkeypatch.setattr(type(live), "submit_few", lambda _, *given, **more: revoked_meanwhile(*given, **more))
    refused = post(here, row("car", 0), headers=who)
    assert (refused.status_code, refused.json()["code"], taken) == (401, "bad_credentials", [])
    assert live.status().counters["accepted"] == 0
    assert len(here.service.desk.store.denials(limit=10)) == 1


def test_where_credentials_cannot_be_asked_nothing_is_taken(here: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    who, live = known(here, "ingest"), here.service.homes["default"]

    def fail(*_: Any) -> bool:
        raise StoreError("cannot use the store of access")

    monkeypatch.setattr(here.service.desk.store, "is_good", fail)
    assert post(here, row("car", 0), headers=who).status_code == 503
    assert live.status().counters["accepted"] == 0
