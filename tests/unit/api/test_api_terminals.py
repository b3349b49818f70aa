"""Terminals, their history, the map, the log, the public page and the registers, over a real small home."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pytest
from homes import LONG, STRANGE, T0, Served, served

import small_home
from governed_home import START
from groundrule.instant import NS_PER_S, format_instant
from groundrule.ledger.proof import Proof
from groundrule.ledger.tree import leaf_hash
from groundrule.pipeline.aggregates import publish_aggregate
from groundrule.pipeline.ledger_duties import seal
from groundrule.pipeline.map_view import CATEGORIES, Scene, Window, look
from groundrule.pipeline.public_view import public_view
from groundrule.store.home import Home
from small_home import copy_home, observation


@pytest.fixture
def who(reading: Served) -> dict[str, str]:
    return reading.key("officer")


@pytest.fixture
def writing(served_template: Home, tmp_path: Path):  # type: ignore[no-untyped-def]  # a generator of one Served
    with served(copy_home(served_template, tmp_path / "home")) as made:
        yield made


def pages(client: Served, path: str, who: dict[str, str]) -> list[dict]:  # type: ignore[type-arg]  # JSON
    found, cursor = [], ""
    for _ in range(100):
        page = client.get(f"{path}{'&' if '?' in path else '?'}{cursor}", who).json()
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = f"cursor={page['next']}"
    raise AssertionError("pages without end")


# --- terminals ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [STRANGE, LONG])
@pytest.mark.parametrize("rest", ["", "/decisions", "/track", "/explanation", "/receipt"])
def test_any_id_can_stand_in_a_path(reading: Served, who: dict[str, str], name: str, rest: str) -> None:
    answer = reading.get(f"/v1/terminals/{quote(name, safe='')}{rest}", who)
    assert answer.status_code == 200
    if rest == "":
        assert answer.json()["id"] == name


@pytest.mark.parametrize("name", ["a/b", "%2F", "\uf8ff", "\uf8ffs", "x" * 201, "\x00", "a\nb", "..", "%"])
def test_an_id_that_nobody_has_is_a_problem_and_no_fault(reading: Served, who: dict[str, str], name: str) -> None:
    for rest in ("/decisions", "/track", "/explanation", "/receipt"):
        answer = reading.get(f"/v1/terminals/{quote(name, safe='')}{rest}", who)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


def test_pages_hold_every_terminal_once_in_order(reading: Served, who: dict[str, str]) -> None:
    found = [each["id"] for each in pages(reading, "/v1/terminals?limit=3", who)]
    assert found == sorted(found, key=lambda name: name.encode())
    assert len(found) == 8


def test_filters_choose(reading: Served, who: dict[str, str]) -> None:
    def ids(query: str) -> set[str]:
        return {each["id"] for each in reading.get(f"/v1/terminals?{query}", who).json()["items"]}

    assert ids("outcome=deny") == {"car", "late payer"}
    assert ids("q=TR") == {"train", "stranger"}
    assert ids("state=never_served") == set()
    assert ids("outcome=deny&state=normal&q=PAYER") == {"late payer"}


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "outcome=Deny", "cursor=%25", "cursor=bnVsbA", "state=x"])
def test_a_question_that_cannot_be_understood_is_told_so(reading: Served, who: dict[str, str], query: str) -> None:
    answer = reading.get(f"/v1/terminals?{query}", who)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


def test_history_is_newest_first_and_pages_hold_each_decision_once(reading: Served, who: dict[str, str]) -> None:
    whole = reading.get("/v1/terminals/car/decisions", who).json()["items"]
    assert len(whole) == 12
    times = [each["observed_at"] for each in whole]
    assert times == sorted(times, reverse=True)
    assert pages(reading, "/v1/terminals/car/decisions?limit=5", who) == whole
    part = reading.get(f"/v1/terminals/car/decisions?from={times[5]}&until={times[2]}", who).json()["items"]
    assert [each["observed_at"] for each in part] == times[3:6]
    assert whole[0]["lat"] == pytest.approx(5)
    assert {area["name"] for area in whole[0]["areas"]} == {"Aland (invented)"}


def test_a_late_observation_shows_as_a_correction_beside_what_it_corrects(writing: Served) -> None:
    who = writing.key("officer")
    live = writing.service.homes["default"]
    before = writing.get("/v1/terminals/car/decisions", who).json()["items"]
    late = observation("car", 90, 5.0, 5.0, speed_m_s=0.0)
    rows = pa.Table.from_pylist([{key: value for key, value in late.items() if key != "source"}])
    assert live.submit(rows, source="test").result(60).late == 1
    live.commit().result(60)
    after = writing.get("/v1/terminals/car/decisions?limit=1000", who).json()["items"]
    assert len(after) > len(before)
    corrected = [each for each in after if each["correction"]]
    old = [each for each in after if each["superseded"]]
    assert corrected
    assert {each["observed_at"] for each in old} <= {each["observed_at"] for each in corrected}
    track = writing.get("/v1/terminals/car/track", who).json()["items"]
    assert len(track) == len(after) - len(old)


def test_what_is_acknowledged_and_not_in_a_run_says_so(writing: Served) -> None:
    who = writing.key("officer")
    live = writing.service.homes["default"]
    rows = pa.Table.from_pylist([{"terminal_id": "brand new", "observed_at": T0 + 900 * NS_PER_S, "lat_deg": 5.0, "lon_deg": 5.0}])
    live.submit(rows, source="test").result(60)
    answer = writing.get("/v1/terminals/brand%20new", who).json()
    assert answer["observed_at"] == format_instant(T0 + 900 * NS_PER_S)
    assert answer["stored"] is False
    said = writing.get("/v1/terminals/brand%20new/explanation", who).json()
    assert said.pop("not_in_history_yet") is True
    assert said["outcome"] == answer["outcome"]
    receipt = writing.get("/v1/terminals/brand%20new/receipt", who)
    assert (receipt.status_code, receipt.json()["code"], receipt.headers["retry-after"]) == (409, "pending", "30")
    assert writing.get("/v1/terminals/brand%20new/decisions", who).json() == {"items": [], "next": None}
    live.commit().result(60)
    assert writing.get("/v1/terminals/brand%20new", who).json()["stored"] is True
    assert writing.get("/v1/terminals/brand%20new/explanation", who).json() == said


def test_the_latest_answer_is_explained_with_all_that_came_before_it(writing: Served) -> None:
    who, owner = writing.key("officer"), writing.key("owner", accounts=["acc-a"])
    live = writing.service.homes["default"]
    before = {reader: writing.get("/v1/terminals/car/explanation", key).json() for reader, key in (("officer", who), ("owner", owner))}
    more = small_home.table(small_home.drive("car", 13 * 30, 6, lat=5, lon=5.4, km_h=30)).drop_columns(["source", "source_row"])
    answered = live.submit(more, source="test").result(60).decisions
    for reader, key in (("officer", who), ("owner", owner)):
        now = writing.get("/v1/terminals/car/explanation", key).json()
        assert now["not_in_history_yet"] is True
        assert now["observed_at"] == format_instant(answered["observed_at"][-1].as_py())
        assert now["outcome"] == answered["outcome"][-1].as_py()
        earlier = writing.get(f"/v1/terminals/car/explanation?at={before[reader]['observed_at']}", key).json()
        assert earlier == before[reader]
        live.commit().result(60) if reader == "owner" else None
    after = writing.get("/v1/terminals/car/explanation", owner).json()
    assert after == {name: value for name, value in now.items() if name != "not_in_history_yet"}


def test_a_terminal_that_is_registered_and_was_never_seen_is_known(writing: Served) -> None:
    who, keeper = writing.key("officer"), writing.key("administrator")
    made = writing.client.post(
        "/v1/registers/terminals", headers=keeper, json={"rows": [{"terminal_id": "in a box", "account_id": "acc-a", "plan": "roam"}]}
    )
    assert made.json()["inserted"] == 1
    answer = writing.get("/v1/terminals/in%20a%20box", who).json()
    assert answer["outcome"] is None
    assert answer["register"]["plan"] == "roam"


def test_a_reader_that_has_a_receipt_is_told_so(reading: Served, who: dict[str, str]) -> None:
    first = reading.get("/v1/terminals/car/receipt", who)
    again = reading.get("/v1/terminals/car/receipt", who, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert Proof.parse(first.content).index == Proof.parse(first.content).index


# --- map ---------------------------------------------------------------------------------------------------------------------


def test_the_map_shows_points_in_a_box_and_across_180_degrees(reading: Served, who: dict[str, str]) -> None:
    whole = reading.get("/v1/map", who).json()
    assert (whole["mode"], whole["total"], whole["in_view"]) == ("points", 8, 7)  # the train has no position
    box = reading.get("/v1/map?west=2&east=3&south=2&north=3&zoom=8", who).json()
    assert box["points"]["id"] == ["van"]
    around = reading.get("/v1/map?west=11&east=2.6&south=-90&north=90", who).json()
    assert set(around["points"]["id"]) == {LONG, "stranger", "van"}
    denied = reading.get("/v1/map?outcome=deny&outcome=review", who).json()
    assert set(denied["points"]["outcome"]) <= {"deny", "review"}


def test_the_map_of_an_earlier_instant_is_that_of_then(reading: Served, who: dict[str, str]) -> None:
    then = reading.get(f"/v1/map?at={format_instant(T0 + 8 * NS_PER_S)}", who).json()
    assert {LONG, "stranger"} <= set(then["points"]["id"])
    assert "van" not in then["points"]["id"]
    assert then["at"] == format_instant(T0 + 8 * NS_PER_S)
    assert reading.get("/v1/map?at=2020-01-01T00:00:00Z", who).json()["total"] == 0


def fleet(n: int, seed: int = 1) -> Scene:
    rng = np.random.default_rng(seed)
    lat, lon = np.degrees(np.arcsin(rng.uniform(-1, 1, n))), rng.uniform(-180, 180, n)
    lat[::50] = lon[::50] = np.nan
    return Scene(
        pa.array([f"t{k}" for k in range(n)]), lat, lon, rng.integers(0, 4, n).astype(np.uint8),
        (rng.integers(0, 40, n) % 37 % 4).astype(np.uint8) * (rng.random(n) < 0.1), np.zeros(n, np.int64),
    )  # fmt: skip


@pytest.mark.parametrize("window", [
    Window(-180, -90, 180, 90, 0), Window(10, 30, 60, 70, 3.7), Window(170, -20, -150, 40, 4), Window(-200, -80, 200, 85, 1),
    Window(-181, -10, -160, 10, 5), Window(0, 0, 0.001, 0.001, 22),
])  # fmt: skip
def test_cells_count_every_terminal_in_view_once_where_it_is(window: Window) -> None:
    scene = fleet(20_000)
    found = look(scene, window, most_points=0)
    known = ~np.isnan(scene.lat_deg)
    west, east = window.west, window.west + window.width_deg
    inside = known & (scene.lat_deg >= window.south) & (scene.lat_deg <= window.north)
    inside &= np.any([(scene.lon_deg + turn >= west) & (scene.lon_deg + turn <= east) for turn in (-360, 0, 360)], axis=0)
    assert found.in_view == inside.sum()
    assert found.total == len(scene.ids)
    if found.cells is None:
        return
    assert found.cells.counts.sum() == inside.sum()
    assert found.cells.counts.sum(axis=0).tolist() == [int((scene.category[inside] == code).sum()) for code in range(len(CATEGORIES))]
    cells = found.cells
    middle = np.mod(cells.lon - cells.west, 360)
    assert (middle <= cells.east - cells.west + 1e-9).all()
    assert ((cells.lat >= cells.south - 1e-6) | (cells.south < -85)).all()
    assert ((cells.lat <= cells.north + 1e-6) | (cells.north > 85)).all()


def test_cells_stay_where_they_are_when_the_map_is_moved() -> None:
    scene = fleet(20_000)
    first, second = (look(scene, Window(west, 0, west + 40, 50, 4), most_points=0).cells for west in (0.0, 3.3))
    assert first is not None
    assert second is not None
    places = [{(round(w, 6), round(s, 6)) for w, s in zip(each.west, each.south, strict=True)} for each in (first, second)]
    assert len(places[0] & places[1]) > 0.6 * len(places[0])


def test_a_hundred_thousand_terminals_are_looked_at_within_the_time_of_a_movement() -> None:
    scene = fleet(100_000)
    look(scene, Window(-180, -90, 180, 90, 2))
    best = min(_spent(scene, zoom) for zoom in (0.0, 2.0, 2.5) for _ in range(3))
    assert best < 0.02


def _spent(scene: Scene, zoom: float) -> float:
    began = time.process_time()
    look(scene, Window(-180, -90, 180, 90, zoom))
    return time.process_time() - began


# --- status, log, public -----------------------------------------------------------------------------------------------------


def test_the_status_says_what_is_decided_under_and_what_waits(reading: Served, who: dict[str, str]) -> None:
    found = reading.get("/v1/status", who).json()
    assert found["ready"]
    assert found["terminals"] == 8
    assert found["stamp"]["rulebook"] == reading.service.homes["default"].basis.rulebook.digest
    assert {"intake", "commit"} <= {each["name"] for each in found["checks"]}
    metrics = reading.get("/metrics", reading.key("administrator")).text
    assert "groundrule_pending_observations 0.0" in metrics
    assert "car" not in metrics


def test_the_log_tells_its_head_and_every_entry_proves_itself(reading: Served, who: dict[str, str]) -> None:
    head = reading.get("/v1/ledger", who).json()
    assert head["size"] == len(pages(reading, "/v1/ledger/entries?limit=2", who))
    assert head["growth"][-1]["size"] == head["size"]
    assert head["monitors"][0]["ok"] is True
    assert not head["gaps"]
    newest = reading.get("/v1/ledger/entries?limit=1", who).json()["items"][0]
    assert newest["index"] == head["size"] - 1
    oldest = pages(reading, "/v1/ledger/entries?from=0&limit=3", who)
    assert [each["index"] for each in oldest] == list(range(head["size"]))
    for each in oldest:
        assert leaf_hash(each["text"].encode()).hex() == each["leaf"]
        assert json.loads(each["text"])["body"] == each["body"]
        proof = Proof.parse(reading.get(f"/v1/ledger/proofs/{each['index']}", who).content)
        assert proof.index == each["index"]
    charters = pages(reading, "/v1/ledger/entries?kind=charter", who)
    assert [each["kind"] for each in charters] == ["charter"]
    assert sum(head["kinds"].values()) == head["size"]


@pytest.mark.parametrize("index", ["999999", "-1", "x", "1e3", "٣"])
def test_a_proof_of_nothing_is_not_found(reading: Served, who: dict[str, str], index: str) -> None:
    assert reading.get(f"/v1/ledger/proofs/{quote(index)}", who).status_code == 404


def test_everybody_sees_the_public_page_and_nobody_in_it(reading: Served) -> None:
    answer = reading.get("/v1/public")
    assert answer.status_code == 200
    found = answer.json()
    assert found["charter"]["version"] == 1
    assert found["statistics"]["enactments"] == 0
    for name in ("car", "van", "acc-a", "guest", "stranger", "p1"):
        assert f'"{name}"' not in answer.text


def test_the_public_page_holds_disclosures_with_their_days(writing: Served) -> None:
    def act(_home, ledger):  # type: ignore[no-untyped-def]  # shapes of Live.act
        made = seal(ledger, {"rule": "secret"}, kind="a rule", disclose_by_ns=START + 20 * 86_400 * NS_PER_S, custodians=["a court"])
        ledger.commit()
        return made

    writing.service.homes["default"].act(act).result(60)
    answer = writing.get("/v1/public")
    assert [(each["kind"], each["opened_at"], each["overdue_days"]) for each in answer.json()["disclosures"]] == [("a rule", None, None)]
    assert "secret" not in answer.text


def test_published_aggregates_are_shown_as_the_log_names_them_and_small_groups_are_in_no_row(served_template: Home, tmp_path: Path) -> None:
    home = copy_home(served_template, tmp_path / "home")
    with served(home) as service:

        def act(_home, ledger):  # type: ignore[no-untyped-def]  # shapes of Live.act
            made = publish_aggregate(ledger, "2026-03-02")
            ledger.commit()
            return made

        made = service.service.homes["default"].act(act).result(60)
        (day,) = service.get("/v1/public").json()["aggregates"]
        assert (day["day"], day["sha256"], day["rows"]) == ("2026-03-02", made.file.digest, [])
        named = service.get(f"/v1/ledger/entries?from={day['entry']}&limit=1", service.key("viewer")).json()["items"][0]
        assert named["body"]["sha256"] == day["sha256"]
    made.path.write_bytes(made.path.read_bytes().replace(b'"rows":[]', b'"rows":[ ]'))
    assert public_view(home, now_ns=START + 7200 * NS_PER_S).days == ()


# --- registers ---------------------------------------------------------------------------------------------------------------


def test_registers_answer_what_held_then_as_known_then(writing: Served) -> None:
    who = writing.key("administrator")
    changed = writing.client.post(
        "/v1/registers/terminals?valid_from=2026-04-01T00:00:00Z", headers=who | {"Content-Type": "text/csv"},
        content="terminal_id,account_id,plan\ncar,acc-a,business\n",
    ).json()
    assert (changed["inserted"], changed["changed"], changed["rejected"]) == (0, 1, 0)

    def plan(query: str) -> str:
        rows = writing.get(f"/v1/registers/terminals?limit=1000&{query}", who).json()["items"]
        return str(next(each["values"]["plan"] for each in rows if each["key"] == "car"))

    assert plan("valid_at=2026-03-02T00:00:00Z") == "roam"
    assert plan("valid_at=2026-05-01T00:00:00Z") == "business"
    assert plan("valid_at=2026-05-01T00:00:00Z&recorded_at=2026-03-20T12:00:00Z") == "roam"
    versions = writing.get("/v1/registers/terminals/car", who).json()["items"]
    assert [each["values"]["plan"] for each in versions] == ["roam", "roam", "business"]
    assert versions[0]["superseded_at"] is not None
    assert writing.get("/v1/registers", who).json()["imports"][0]["actor"].startswith("key-")


def test_pages_of_a_register_hold_each_row_once(reading: Served) -> None:
    who = reading.key("analyst")
    found = pages(reading, "/v1/registers/terminals?limit=2", who)
    assert len(found) == len({each["key"] for each in found}) == 7
    assert reading.get(f"/v1/registers/terminals/{quote(STRANGE, safe='')}", who).json()["items"][0]["key"] == STRANGE


def test_bad_rows_are_named_and_lose_nothing_beside_them(writing: Served) -> None:
    who = writing.key("administrator")
    rows = [{"account_id": "acc-n", "country": "AT"}, {"account_id": "acc-m", "country": "Austria"}, {"country": "AT"}]
    found = writing.client.post("/v1/registers/accounts", headers=who, json={"rows": rows}).json()
    assert (found["inserted"], found["rejected"]) == (1, 2)
    assert len(found["rejected_rows"]) == 2
    assert {each["field"] for each in found["rejected_rows"]} == {"country", "account_id"}


@pytest.mark.parametrize("kind", ["programmes", "lists", "list_entries"])
def test_policy_is_not_imported_where_a_charter_governs(writing: Served, kind: str) -> None:
    who = writing.key("administrator")
    key = {"programmes": "programme_id", "lists": "list_id", "list_entries": "entry_id"}[kind]
    answer = writing.client.post(f"/v1/registers/{kind}", headers=who, json={"rows": [{key: "x"}]})
    assert answer.status_code == 409
    assert answer.json()["refusal"] == "only_by_enactment"


@pytest.mark.parametrize(("body", "kind", "status"), [
    (b"{", "application/json", 400), (b'{"rows": 3}', "application/json", 400), (b"x", "image/png", 415),
    (b"", "text/csv", 422), (b"nothing\nof this\n", "text/csv", 422), (b'{"rows": []}', "application/json", 200),
    (b"\xff\xfe\x00", "text/csv", 422),
])  # fmt: skip
def test_a_body_that_holds_no_rows_is_refused(writing: Served, body: bytes, kind: str, status: int) -> None:
    who = writing.key("administrator") | {"Content-Type": kind}
    answer = writing.client.post("/v1/registers/accounts", headers=who, content=body)
    assert answer.status_code == status, answer.text
