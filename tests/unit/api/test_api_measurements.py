"""Measurements over the wire: JSON and Arrow, once by key, who may, and wrong bodies."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pyarrow as pa
import pytest
from homes import Served, served

import radio_world
from groundrule.instant import NS_PER_S, format_instant
from groundrule.store.home import Home
from groundrule.store.orbits import save_elements
from radio_world import START_NS, Truth, World
from small_home import copy_home

ARROW = "application/vnd.apache.arrow.stream"
LIAR = Truth("car", 5.0, 15.0, claim=(5.0, 5.0), trust="network")


@pytest.fixture(scope="module")
def desk(served_template: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = copy_home(served_template, tmp_path_factory.mktemp("measured") / "home")
    world = World(seed=5)
    save_elements(home, world.elements, START_NS)
    with served(home, clock=lambda: START_NS + 90 * NS_PER_S) as made:
        yield made


def rows() -> list[dict]:  # type: ignore[type-arg]  # JSON
    world = World(seed=5)
    return world.measure(LIAR, world.schedule(LIAR.lat_deg, LIAR.lon_deg, 4), step_s=3.0)


def arrow(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def observe(desk: Served, who: dict[str, str], second: float) -> str:
    row = {"terminal_id": "car", "observed_at": format_instant(START_NS + round(second * NS_PER_S)), "lat_deg": 5.0, "lon_deg": 5.0}
    answer = desk.client.post("/v1/observations", headers=who, json={"rows": [row]})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["answers"]["outcome"][0])


def test_measurements_in_json_and_arrow_give_verdicts_that_can_be_read(desk: Served) -> None:
    who, viewer = desk.key("ingest"), desk.key("viewer")
    assert observe(desk, who, 30) == "serve"
    told = desk.client.post("/v1/measurements", headers=who | {"Idempotency-Key": "a"}, json={"rows": rows()})
    assert told.status_code == 200, told.text
    answer = told.json()
    assert answer["verifications"]["terminal"] == ["car"]
    assert answer["verifications"]["verdict"] == ["inconsistent"]
    assert (answer["rejected_count"], answer["accepted"]) == (0, len(rows()))
    again = desk.client.post("/v1/measurements", headers=who | {"Idempotency-Key": "a"}, json={"rows": rows()})
    assert again.json() == answer
    other = desk.client.post("/v1/measurements", headers=who | {"Idempotency-Key": "a"}, json={"rows": rows()[:3]})
    assert other.status_code == 409
    columns = radio_world.table(rows()).to_pydict()
    same = desk.client.post("/v1/measurements", headers=who, json={"columns": columns}).json()
    assert same["verifications"]["id"] == answer["verifications"]["id"]
    binary = desk.client.post(
        "/v1/measurements", headers=who | {"Content-Type": ARROW, "Accept": ARROW}, content=arrow(radio_world.table(rows()))
    )
    table = pa.ipc.open_stream(binary.content).read_all()
    assert [each.removeprefix("sha256:") for each in table["inputs"].to_pylist()] == answer["verifications"]["id"]
    assert json.loads((table.schema.metadata or {})[b"measurements"])["accepted"] == len(rows())
    name = answer["verifications"]["id"][0]
    assert desk.get(f"/v1/verifications/{name}", viewer).json()["drawing"]["claim"]["lat"] == 5.0
    assert [each["id"] for each in desk.get("/v1/verifications?terminal=car", viewer).json()["items"]] == [name]
    # Both ways of observations answer alike: a key that was seen before takes the short one.
    assert observe(desk, who, 60) == observe(desk, who, 61)


def test_bad_rows_are_named_beside_good_ones(desk: Served) -> None:
    bad = [{**rows()[0], "value": -5}, {**rows()[1], "satellite": None}, {"terminal_id": "car"}, {**rows()[2], "observed_at": "soon"}]
    answer = desk.client.post("/v1/measurements", headers=desk.key("ingest"), json={"rows": bad}).json()
    assert {each["row"] for each in answer["rejected"]} == {0, 1, 2, 3}
    assert answer["accepted"] == 0
    assert all(each["wanted"] for each in answer["rejected"])


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/json", 400), (b"[]", "application/json", 400), (b'{"rows": 1}', "application/json", 400),
        (b'{"rows": []}', "application/json", 422), (b'{"rows": [{"terminal_id": "a"}]}', "application/json", 422),
        (b'{"rows": [], "columns": {}}', "application/json", 400), (b"\xff\xfe", ARROW, 400), (b"x", "text/plain", 415),
        (b'{"columns": {"terminal_id": ["a"], "observed_at": [], "kind": []}}', "application/json", 400),
        (b'{"rows": [' + b"[" * 2_000 + b"]}", "application/json", 400),
    ],
)  # fmt: skip
def test_bodies_that_are_none_are_problems(desk: Served, body: bytes, kind: str, status: int) -> None:
    answer = desk.client.post("/v1/measurements", headers=desk.key("ingest") | {"Content-Type": kind}, content=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("role", ["viewer", "officer", "owner", "regulator", "administrator"])
def test_others_hand_in_nothing(desk: Served, role: str) -> None:
    more = {"owner": {"accounts": ["acc-a"]}, "regulator": {"countries": ["AT"]}}.get(role, {})
    assert desk.client.post("/v1/measurements", headers=desk.key(role, **more), json={"rows": rows()[:2]}).status_code == 403
    assert desk.client.post("/v1/measurements", json={"rows": rows()[:2]}).status_code == 401
