"""CAMARA's answers where the network measured the terminal itself: the estimate counts, whatever the terminal reports."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from homes import START, Served, served

from groundrule.instant import NS_PER_S, format_instant
from groundrule.store.home import Home
from groundrule.verify.records import VERIFICATION_SCHEMA
from groundrule.verify.statistics import distance_m
from small_home import copy_home, register

VERIFY = "/location-verification/v3/verify"
RETRIEVE = "/location-retrieval/v0.5/retrieve"
NOW = START + 7200 * NS_PER_S
SEEN = NOW - 90 * NS_PER_S
NAMES = ("liar", "honest", "odd", "doubt", "old", "never", "lost", "younger")
PHONES = {name: f"+49301234{i:02d}" for i, name in enumerate(NAMES)}


def verified(name: str, at_ns: int, verdict: str, *, usable: bool = True, **more: Any) -> dict[str, Any]:
    return {
        "terminal_id": name, "at_ns": at_ns, "t_ref_ns": at_ns, "verdict": verdict, "assurance": "a1", "conditions": [], "lat_deg": 5.0,
        "lon_deg": 15.0, "sigma_major_m": 90.0, "sigma_minor_m": 30.0, "azimuth_deg": 40.0, "alternatives": [], "usable": usable,
        "distance_m": 1.1e6, "mdo_m": 500.0, "speed_m_s": None, "speed_sigma_m_s": None, "grade": "A operator", "words": "x",
        "inputs": f"sha256:{abs(hash((name, at_ns))):064x}"[:71], "model": "m", "elements": None, **more,
    }  # fmt: skip


@pytest.fixture(scope="module")
def camara(served_template: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = copy_home(served_template, tmp_path_factory.mktemp("camara-radio") / "home")
    register(home, "addresses", "address,terminal_id\n" + "".join(f"{phone},{name}\n" for name, phone in PHONES.items()))
    with served(home, clock=lambda: NOW) as made:
        rows = [
            {"terminal_id": name, "observed_at": format_instant(SEEN), "lat_deg": 4.0, "lon_deg": 4.0, "position_sigma_m": 10.0}
            for name in NAMES if name != "never"
        ]  # fmt: skip
        rows[-2]["lat_deg"] = rows[-2]["lon_deg"] = None  # lost
        assert made.client.post("/v1/observations", json={"rows": rows}, headers=made.key("ingest")).json()["accepted"] == len(rows)
        found = [
            verified("liar", SEEN - 20 * NS_PER_S, "inconsistent"),
            verified("honest", SEEN - 60 * NS_PER_S, "consistent", lat_deg=4.0, lon_deg=4.0),
            verified("odd", SEEN - 20 * NS_PER_S, "fault", usable=False),
            verified("doubt", SEEN - 20 * NS_PER_S, "insufficient", usable=False),
            verified("old", SEEN - 121 * NS_PER_S, "inconsistent"), verified("never", NOW - 3_600 * NS_PER_S, "insufficient"),
            verified("lost", SEEN + 10 * NS_PER_S, "insufficient"), verified("younger", SEEN + 60 * NS_PER_S, "inconsistent", usable=False),
        ]  # fmt: skip
        made.service.homes["default"].measuring.memory.put(pa.Table.from_pylist(found, schema=VERIFICATION_SCHEMA))
        yield made


def ask(camara: Served, path: str, name: str, **more: Any) -> Any:
    body = {"device": {"phoneNumber": PHONES[name]}, **more}
    return camara.client.post(path, json=body, headers=camara.key("analyst")).json()


def circle(lat: float, lon: float, radius: float) -> dict[str, Any]:
    return {"areaType": "CIRCLE", "center": {"latitude": lat, "longitude": lon}, "radius": radius}


def test_a_contradicted_claim_is_not_believed_and_the_estimate_is_told(camara: Served) -> None:
    assert ask(camara, VERIFY, "liar", area=circle(4.0, 4.0, 50_000))["verificationResult"] == "FALSE"
    said = ask(camara, VERIFY, "liar", area=circle(5.0, 15.0, 1_000))
    assert (said["verificationResult"], said["lastLocationTime"]) == ("TRUE", format_instant(SEEN - 20 * NS_PER_S))
    place = ask(camara, RETRIEVE, "liar")
    assert place["area"]["areaType"] == "CIRCLE"
    centre = place["area"]["center"]
    assert (centre["latitude"], centre["longitude"]) == (5.0, 15.0)
    # The circle holds the 95 % ellipse: its radius is the larger semi-axis.
    assert place["area"]["radius"] == pytest.approx(90.0 * math.sqrt(5.991464547), abs=0.1)


def test_the_rate_is_probability_and_not_area(camara: Served) -> None:
    north = 5.0 + 90.0 / 110_574.0
    said = ask(camara, VERIFY, "liar", area=circle(north, 15.0, 90.0))
    assert said["verificationResult"] == "PARTIAL"
    away = float(distance_m(5.0, 15.0, north, 15.0))
    assert away == pytest.approx(90.0, abs=1.0)
    assert 30 <= said["matchRate"] <= 60


@pytest.mark.parametrize(
    ("name", "lat", "lon"),
    [("honest", 4.0, 4.0), ("doubt", 4.0, 4.0), ("old", 4.0, 4.0), ("never", 5.0, 15.0), ("lost", 5.0, 15.0), ("liar", 5.0, 15.0)],
)
def test_where_it_is_by_what_is_known(camara: Served, name: str, lat: float, lon: float) -> None:
    centre = ask(camara, RETRIEVE, name)["area"]["center"]
    assert (centre["latitude"], centre["longitude"]) == (lat, lon)


@pytest.mark.parametrize("name", ["odd", "younger"])
def test_what_is_refuted_without_a_better_place_is_nowhere(camara: Served, name: str) -> None:
    assert ask(camara, VERIFY, name, area=circle(4.0, 4.0, 1_000))["code"] == "LOCATION_VERIFICATION.UNABLE_TO_LOCATE"
    assert ask(camara, RETRIEVE, name)["code"] == "LOCATION_RETRIEVAL.UNABLE_TO_LOCATE"


def test_the_age_is_that_of_the_estimate(camara: Served) -> None:
    late = "LOCATION_RETRIEVAL.UNABLE_TO_FULFILL_MAX_AGE"
    assert "area" in ask(camara, RETRIEVE, "liar", maxAge=110)
    assert ask(camara, RETRIEVE, "liar", maxAge=109)["code"] == late
    # What the terminal reports is fresher, and was found consistent.
    fresher = ask(camara, RETRIEVE, "honest", maxAge=100)
    assert fresher["lastLocationTime"] == format_instant(SEEN)
    assert ask(camara, RETRIEVE, "honest")["lastLocationTime"] == format_instant(SEEN - 60 * NS_PER_S)
    assert ask(camara, RETRIEVE, "honest", maxAge=80)["code"] == late
    assert ask(camara, RETRIEVE, "never", maxAge=3_599)["code"] == late
    assert "area" in ask(camara, RETRIEVE, "never", maxAge=3_600)


def test_the_surface_is_that_of_the_circle(camara: Served) -> None:
    area = math.pi * (90.0 * math.sqrt(5.991464547)) ** 2
    assert "area" in ask(camara, RETRIEVE, "liar", maxSurface=round(area * 1.01))
    assert ask(camara, RETRIEVE, "liar", maxSurface=round(area * 0.99))["code"] == "LOCATION_RETRIEVAL.UNABLE_TO_FULFILL_MAX_SURFACE"
