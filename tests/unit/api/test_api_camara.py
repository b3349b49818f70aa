"""The CAMARA facades: answers and errors as the documents say, and where devices are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h3
import httpx
import numpy as np
import pytest
from homes import QUICK, Served, served
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from camara_documents import NAMES, Document
from governed_home import START
from groundrule.api.settings import RateLimit, Settings
from groundrule.instant import NS_PER_S, format_instant
from groundrule.store.home import Home
from small_home import copy_home, observation, register, table

VERIFY = "/location-verification/v3/verify"
RETRIEVE = "/location-retrieval/v0.5/retrieve"
NOW = START + 7200 * NS_PER_S
SEEN = NOW - 90 * NS_PER_S
CELL = h3.latlng_to_cell(5.0, 15.0, 6)
DATELINE = h3.latlng_to_cell(8.0, 180.0, 4)
ADDRESSES = """\
address,terminal_id
+123456789,car
84.125.93.10:59765,car
123.234.1.2,cellular
198.51.100.7/10.0.0.5,van
2001:db8:85a3:8d3::/64,car
+4930000001,silent
+4930000002,edge of the world
+4930000003,polar
+4930000004,exact
"""
CENTRE = {"latitude": 4.0, "longitude": 4.0}


@pytest.fixture(scope="module")
def camara(served_template: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = copy_home(served_template, tmp_path_factory.mktemp("camara") / "home")
    register(home, "addresses", ADDRESSES)
    with served(home, clock=lambda: NOW) as made:
        rows = [
            {"terminal_id": "car", "observed_at": format_instant(SEEN), "lat_deg": 4.0, "lon_deg": 4.0, "position_sigma_m": 100.0},
            {"terminal_id": "van", "observed_at": format_instant(SEEN), "lat_deg": 7.0, "lon_deg": 7.0},
            {"terminal_id": "cellular", "observed_at": format_instant(SEEN), "h3_cell": CELL},
            {"terminal_id": "edge of the world", "observed_at": format_instant(SEEN), "h3_cell": DATELINE},
            {"terminal_id": "polar", "observed_at": format_instant(SEEN), "lat_deg": 90.0, "lon_deg": 0.0, "position_sigma_m": 50.0},
            {"terminal_id": "exact", "observed_at": format_instant(SEEN), "lat_deg": 1.0, "lon_deg": 1.0, "position_sigma_m": 0.0},
        ]
        answer = made.client.post("/v1/observations", json={"rows": rows}, headers=made.key("ingest"))
        assert answer.json()["accepted"] == len(rows), answer.text
        yield made


@pytest.fixture(scope="module")
def documents(shared_data: Path) -> dict[str, Document]:
    return {prefix: Document(shared_data, prefix) for prefix in NAMES}


def ask(camara: Served, path: str, body: Any, *, roles: tuple[str, ...] = ("analyst",), **headers: str) -> httpx.Response:
    return camara.client.post(path, json=body, headers=camara.key(*roles) | {"x-correlator": "b4333c46"} | headers)


def circle(radius: float, latitude: float = 4.0, longitude: float = 4.0) -> dict[str, Any]:
    return {"areaType": "CIRCLE", "center": {"latitude": latitude, "longitude": longitude}, "radius": radius}


PHONE = {"phoneNumber": "+123456789"}


@pytest.mark.parametrize(
    ("area", "result", "rate"),
    [
        (circle(245), "TRUE", None), (circle(244), "PARTIAL", 99), (circle(122.385), "PARTIAL", 25), (circle(1), "PARTIAL", 1),
        (circle(100, 4.1), "FALSE", None), (circle(21_000_000, -4.0, -176.0), "TRUE", None),
        (circle(19_000_000, -4.0, -176.0), "FALSE", None),
        (circle(10_810, 4.1), "FALSE", None), (circle(11_400, 4.1), "TRUE", None), (circle(11_058, 4.1), "PARTIAL", 50),
    ],
)  # fmt: skip
def test_the_region_of_95_per_cent_is_held_against_the_circle(camara: Served, area: Any, result: str, rate: int | None) -> None:
    answer = ask(camara, VERIFY, {"device": PHONE, "area": area})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["verificationResult"], said["lastLocationTime"]) == (result, format_instant(SEEN))
    if rate is None:
        assert "matchRate" not in said
    else:
        assert abs(said["matchRate"] - rate) <= 1
    assert answer.headers["x-correlator"] == "b4333c46"
    assert "device" not in said


@pytest.mark.parametrize(
    ("device", "used"),
    [
        ({"ipv4Address": {"publicAddress": "84.125.93.10", "publicPort": 59765}}, None),
        ({"ipv6Address": "2001:db8:85a3:8d3:1319:8a2e:370:7344"}, None),
        (PHONE | {"ipv6Address": "2001:DB8:85A3:8D3::1"}, {"ipv6Address": "2001:DB8:85A3:8D3::1"}),
        (PHONE | {"networkAccessIdentifier": "a@example.org"}, PHONE),
        (PHONE | {"ipv4Address": {"publicAddress": "84.125.93.10", "publicPort": 1}}, PHONE),
        ({"ipv4Address": {"publicAddress": "123.234.1.2", "publicPort": 1234}}, None),
        ({"ipv4Address": {"publicAddress": "198.51.100.7", "privateAddress": "10.0.0.5"}}, None),
    ],
)  # fmt: skip
def test_a_device_is_known_by_one_of_its_identifiers(camara: Served, device: Any, used: Any) -> None:
    answer = ask(camara, VERIFY, {"device": device, "area": circle(1_000_000)})
    assert answer.status_code == 200, answer.text
    assert answer.json().get("device") == used


UNKNOWN = (404, "IDENTIFIER_NOT_FOUND")
BAD = (400, "INVALID_ARGUMENT")
OUT = (400, "OUT_OF_RANGE")


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"area": circle(5)}, (422, "MISSING_IDENTIFIER")),
        ({"device": {}, "area": circle(5)}, BAD), ({"device": None, "area": circle(5)}, BAD),
        ({"device": {"networkAccessIdentifier": "a@example.org"}, "area": circle(5)}, (422, "UNSUPPORTED_IDENTIFIER")),
        ({"device": {"phoneNumber": "+999999999"}, "area": circle(5)}, UNKNOWN),
        ({"device": {"phoneNumber": "0301234"}, "area": circle(5)}, BAD),
        ({"device": {"ipv4Address": {"publicAddress": "84.125.93.10", "publicPort": 59766}}, "area": circle(5)}, UNKNOWN),
        ({"device": {"ipv4Address": {"publicAddress": "84.125.93.10"}}, "area": circle(5)}, BAD),
        ({"device": {"ipv4Address": {"publicAddress": "84.125.93.300", "publicPort": 1}}, "area": circle(5)}, BAD),
        ({"device": {"ipv4Address": {"publicAddress": "84.125.93.10", "publicPort": 65_536}}, "area": circle(5)}, OUT),
        ({"device": {"ipv4Address": {"publicAddress": "198.51.100.7", "privateAddress": "10.0.0.6"}}, "area": circle(5)}, UNKNOWN),
        ({"device": {"ipv6Address": "2001:db8:85a3:8d4::1"}, "area": circle(5)}, UNKNOWN),
        ({"device": {"ipv6Address": "84.125.93.10"}, "area": circle(5)}, BAD),
        ({"device": PHONE}, BAD), ({}, BAD), ([], BAD), ({"device": PHONE, "area": {"areaType": "CIRCLE"}}, BAD),
        ({"device": PHONE, "area": circle(5) | {"areaType": "POLYGON"}}, BAD),
        ({"device": PHONE, "area": circle(0.5)}, OUT), ({"device": PHONE, "area": circle(-1)}, OUT),
        ({"device": PHONE, "area": circle(5, 90.1)}, OUT), ({"device": PHONE, "area": circle(5, 4, -180.1)}, OUT),
        ({"device": PHONE, "area": circle(5), "maxAge": -1}, OUT), ({"device": PHONE, "area": circle(5), "maxAge": "1"}, BAD),
        ({"device": PHONE, "area": circle(5), "maxAge": 89}, (422, "LOCATION_VERIFICATION.UNABLE_TO_FULFILL_MAX_AGE")),
        ({"device": PHONE, "area": circle(5), "maxAge": 0}, (422, "LOCATION_VERIFICATION.UNABLE_TO_FULFILL_MAX_AGE")),
        ({"device": {"phoneNumber": "+4930000001"}, "area": circle(5)}, (422, "LOCATION_VERIFICATION.UNABLE_TO_LOCATE")),
        (
            {"device": {"phoneNumber": "+4930000001"}, "area": circle(5), "maxAge": 5},
            (422, "LOCATION_VERIFICATION.UNABLE_TO_FULFILL_MAX_AGE"),
        ),
        ({"device": {"phoneNumber": "+4930000004"}, "area": circle(5)}, (422, "LOCATION_VERIFICATION.UNABLE_TO_LOCATE")),
        ({"device": PHONE, "area": circle(5), "colour": 1}, BAD), ({"device": PHONE, "area": circle(5) | {"z": 1}}, BAD),
        ({"device": PHONE | {"imsi": "1"}, "area": circle(5)}, BAD),
    ],
)  # fmt: skip
def test_every_failure_is_one_that_the_document_names(camara: Served, documents: Any, body: Any, wanted: tuple[int, str]) -> None:
    answer = ask(camara, VERIFY, body)
    assert (answer.status_code, answer.json()["code"]) == wanted, answer.text
    assert answer.json()["status"] == wanted[0]
    assert documents["/location-verification/v3"].answer_faults(VERIFY, "post", *facts(answer)) == []


def facts(answer: httpx.Response) -> tuple[int, Any, Any]:
    return answer.status_code, answer.json() if answer.content else None, answer.headers


def test_a_position_is_as_young_as_is_asked_for(camara: Served) -> None:
    for age in (90, 120, 10**30):
        assert ask(camara, VERIFY, {"device": PHONE, "area": circle(500), "maxAge": age}).json()["verificationResult"] == "TRUE"


@pytest.mark.parametrize(
    ("path", "method", "content", "headers", "status", "code"),
    [
        (VERIFY, "POST", b"{", {}, 400, "INVALID_ARGUMENT"), (VERIFY, "POST", b"", {}, 400, "INVALID_ARGUMENT"),
        (VERIFY, "POST", b"\xff", {}, 400, "INVALID_ARGUMENT"), (VERIFY, "POST", b'{"maxAge":1e999}', {}, 400, None),
        (VERIFY, "POST", b"<a/>", {"content-type": "application/xml"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (VERIFY, "GET", b"", {}, 405, "METHOD_NOT_ALLOWED"), (VERIFY, "PUT", b"{}", {}, 405, "METHOD_NOT_ALLOWED"),
        ("/location-verification/v3/other", "GET", b"", {}, 404, "NOT_FOUND"),
        ("/location-verification/v3", "GET", b"", {}, 404, "NOT_FOUND"),
        (VERIFY, "POST", b'"' + b"a" * 1_100_000 + b'"', {}, 413, "PAYLOAD_TOO_LARGE"),
        (VERIFY, "POST", b"{}", {"authorization": ""}, 401, "UNAUTHENTICATED"),
        (VERIFY, "POST", b"{}", {"authorization": "Bearer no"}, 401, "UNAUTHENTICATED"),
        (VERIFY, "POST", b"{}", {"x-correlator": "no spaces"}, 400, "INVALID_ARGUMENT"),
        (VERIFY, "POST", b"{}", {"x-correlator": "a" * 257}, 400, "INVALID_ARGUMENT"),
    ],
)  # fmt: skip
def test_what_the_edge_refuses_is_in_camaras_form_too(
    camara: Served, path: str, method: str, content: bytes, headers: dict[str, str], status: int, code: str | None
) -> None:
    sent = camara.key("analyst") | {"content-type": "application/json", "x-correlator": "c:1"}
    sent = {name.lower(): value for name, value in sent.items()} | headers
    answer = camara.client.request(method, path, content=content, headers={k: v for k, v in sent.items() if v})
    said = answer.json()
    assert (answer.status_code, sorted(said)) == (status, ["code", "message", "status"]), answer.text
    assert said["status"] == status
    assert code is None or said["code"] == code
    assert answer.headers["content-type"].startswith("application/json")
    if "x-correlator" in headers:
        assert "x-correlator" not in answer.headers
    else:
        assert answer.headers["x-correlator"] == "c:1"


def test_who_may_not_is_told_in_camaras_form(camara: Served) -> None:
    for roles in (("viewer",), ("auditor",), ("ingest",), ("administrator",)):
        answer = ask(camara, VERIFY, {"device": PHONE, "area": circle(5)}, roles=roles)
        assert (answer.status_code, answer.json()["code"]) == (403, "PERMISSION_DENIED")
    assert camara.get("/v1/terminals", {}).headers["content-type"].startswith("application/problem+json")


def test_too_many_requests_and_faults_are_in_camaras_form(served_template: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(rates=dict(QUICK.rates) | {"key": RateLimit(0.001, 2)})
    with served(copy_home(served_template, tmp_path / "home"), settings=settings) as made:
        who = made.key("analyst") | {"x-correlator": "c"}

        def broken(*_: Any) -> Any:
            raise RuntimeError("a secret of ours")

        monkeypatch.setattr("groundrule.api.routes.camara_location.found", broken)
        body = {"device": PHONE, "area": circle(5)}
        answers = [made.client.post(VERIFY, json=body, headers=who) for _ in range(3)]
    assert [(each.status_code, each.json()["code"]) for each in answers] == [(500, "INTERNAL")] * 2 + [(429, "TOO_MANY_REQUESTS")]
    assert "secret" not in answers[0].text
    assert int(answers[2].headers["retry-after"]) > 1
    assert all(each.headers["x-correlator"] == "c" for each in answers)


def test_a_device_is_where_its_circle_or_its_cell_is(camara: Served, documents: Any) -> None:
    document = documents["/location-retrieval/v0.5"]
    answer = ask(camara, RETRIEVE, {"device": PHONE})
    assert answer.json() == {
        "lastLocationTime": format_instant(SEEN), "area": {"areaType": "CIRCLE", "center": CENTRE, "radius": 244.8},
    }  # fmt: skip
    assert document.answer_faults(RETRIEVE, "post", *facts(answer)) == []
    answer = ask(camara, RETRIEVE, {"device": {"ipv4Address": {"publicAddress": "123.234.1.2", "publicPort": 9}}})
    area = answer.json()["area"]
    assert area["areaType"] == "POLYGON"
    assert np.allclose([(each["latitude"], each["longitude"]) for each in area["boundary"]], h3.cell_to_boundary(CELL), atol=1e-6)
    assert document.answer_faults(RETRIEVE, "post", *facts(answer)) == []
    answer = ask(camara, RETRIEVE, {"device": {"phoneNumber": "+4930000002"}})
    area = answer.json()["area"]
    assert area["areaType"] == "CIRCLE"
    assert math.pi * area["radius"] ** 2 > h3.cell_area(DATELINE, "m^2")
    assert ask(camara, RETRIEVE, {"device": {"phoneNumber": "+4930000003"}}).json()["area"]["center"]["latitude"] == 90.0


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({}, (422, "MISSING_IDENTIFIER")), ({"device": {"networkAccessIdentifier": "a@b"}}, (422, "UNSUPPORTED_IDENTIFIER")),
        ({"device": {"phoneNumber": "+999999999"}}, UNKNOWN), ({"device": PHONE, "maxAge": 1.5}, BAD),
        ({"device": PHONE, "maxAge": -1}, BAD),
        ({"device": PHONE, "maxSurface": 0}, BAD), ({"device": PHONE, "area": circle(5)}, BAD),
        ({"device": PHONE, "maxAge": 10}, (422, "LOCATION_RETRIEVAL.UNABLE_TO_FULFILL_MAX_AGE")),
        ({"device": PHONE, "maxSurface": 188_000}, (422, "LOCATION_RETRIEVAL.UNABLE_TO_FULFILL_MAX_SURFACE")),
        ({"device": {"phoneNumber": "+4930000001"}}, (422, "LOCATION_RETRIEVAL.UNABLE_TO_LOCATE")),
        ({"device": PHONE, "maxSurface": 189_000, "maxAge": 90}, (200, None)),
    ],
)  # fmt: skip
def test_retrieval_fails_as_its_document_says(camara: Served, documents: Any, body: Any, wanted: tuple[int, str | None]) -> None:
    answer = ask(camara, RETRIEVE, body)
    assert (answer.status_code, answer.json().get("code")) == wanted, answer.text
    assert documents["/location-retrieval/v0.5"].answer_faults(RETRIEVE, "post", *facts(answer)) == []


def test_every_example_of_a_request_is_understood(camara: Served, documents: Any) -> None:
    asked = 0
    for prefix, path in (("/location-verification/v3", VERIFY), ("/location-retrieval/v0.5", RETRIEVE)):
        document = documents[prefix]
        for pointer, name, value in document.examples():
            assert document.faults(pointer, value) == [], name
            if "/requestBody/" not in pointer:
                continue
            answer = ask(camara, path, value)
            wanted = {"INPUT_NO_DEVICE": 422, "INPUT_NO_DEVICE_AND_MAX_AGE": 422}.get(name, 200)
            assert answer.status_code == wanted, (name, answer.text)
            assert document.answer_faults(path, "post", *facts(answer)) == []
            asked += 1
    assert asked == 9


_DEVICES = st.fixed_dictionaries(
    {},
    optional={
        "phoneNumber": st.one_of(st.sampled_from(["+123456789", "+4930000001", "+4930000002", "+4930000003"]), st.text(max_size=9)),
        "networkAccessIdentifier": st.text(max_size=9),
        "ipv6Address": st.one_of(st.just("2001:db8:85a3:8d3::1"), st.ip_addresses(v=6).map(str), st.text(max_size=5)),
        "ipv4Address": st.fixed_dictionaries(
            {"publicAddress": st.one_of(st.just("123.234.1.2"), st.ip_addresses(v=4).map(str))},
            optional={"publicPort": st.integers(-1, 70_000), "privateAddress": st.ip_addresses(v=4).map(str)},
        ),
    },
)
_AREAS = st.fixed_dictionaries(
    {
        "areaType": st.sampled_from(["CIRCLE", "CIRCLE", "CIRCLE", "POLYGON"]),
        "center": st.fixed_dictionaries({"latitude": st.floats(-91, 91), "longitude": st.floats(-181, 181)}),
        "radius": st.one_of(st.floats(0, 3e7), st.floats(0, 3e6), st.floats(0.9, 300)),
    }
)
_AGES = st.one_of(st.integers(-1, 200), st.floats(0, 5), st.none())


@examples(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.fixed_dictionaries(
        {}, optional={"device": _DEVICES, "area": _AREAS, "maxAge": _AGES, "maxSurface": st.integers(0, 10**9), "other": st.none()}
    ),
    path=st.sampled_from([VERIFY, RETRIEVE]),
)
def test_every_answer_is_as_its_document_says_and_none_is_a_fault(camara: Served, documents: Any, body: Any, path: str) -> None:
    prefix = path.rsplit("/", 1)[0]
    answer = ask(camara, path, body)
    assert answer.status_code < 500, answer.text
    document = documents[prefix]
    assert document.answer_faults(path, "post", *facts(answer)) == []
    asked = document.faults(document.schema({VERIFY: "VerifyLocationRequest", RETRIEVE: "RetrievalLocationRequest"}[path]), body)
    if asked:
        assert answer.status_code == 400, (asked, answer.text)


def test_observations_before_the_service_began_count(camara: Served) -> None:
    # `guest` was decided when the home was made, and has no address of its own until one is imported.
    assert table([observation("guest", 0, 5, 9)]).num_rows == 1
    with_guest = "address,terminal_id\n+49777,guest\n"
    answer = camara.client.post(
        "/v1/registers/addresses", content=with_guest, headers=camara.key("administrator") | {"content-type": "text/csv"}
    )
    assert answer.status_code in (200, 201), answer.text
    answer = ask(camara, RETRIEVE, {"device": {"phoneNumber": "+49777"}})
    assert answer.status_code == 200, answer.text
    assert answer.json()["area"]["radius"] == pytest.approx(36.7, abs=0.1)
