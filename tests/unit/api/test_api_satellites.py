"""Satellites over the wire: what is loaded, where they are, who is seen; and wrong questions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from homes import START, Served, served

from groundrule.frames import enu_axes, geodetic_to_ecef
from groundrule.instant import NS_PER_S, format_instant
from groundrule.orbit.generate import generate
from groundrule.orbit.propagate import Propagator
from groundrule.store.home import Home
from groundrule.store.orbits import save_elements
from small_home import copy_home

NOW = START + 7200 * NS_PER_S
AT = format_instant(NOW)


@pytest.fixture(scope="module")
def sky(served_template: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = copy_home(served_template, tmp_path_factory.mktemp("sky") / "home")
    with home.writer():
        for name in ("iridium", "oneweb"):
            save_elements(home, generate(name, START), START)
    with served(home) as made:
        yield made


def test_a_home_without_elements_says_so_and_is_no_fault(reading: Served) -> None:
    who = reading.key("viewer")
    told = reading.get("/v1/satellites", who).json()
    assert (told["elements"], told["constellations"]) == (0, [])
    found = reading.get("/v1/satellites/positions", who).json()
    assert (found["total"], found["satellite"], found["next"]) == (0, [], None)
    seen = reading.get("/v1/satellites/visible?lat=46&lon=30", who).json()
    assert (seen["total"], seen["satellites"]) == (0, [])
    assert reading.get("/v1/satellites/900000001/track", who).status_code == 404


def test_status_by_constellation_and_instant(sky: Served) -> None:
    who = sky.key("viewer")
    told = sky.get("/v1/satellites", who).json()
    assert told["at"] == AT
    assert {each["id"]: each["usable"] for each in told["constellations"]} == {"iridium-generated": 66, "oneweb-generated": 588}
    assert all(each["generated"] and each["median_age_days"] == 0.083 for each in told["constellations"])
    late = sky.get(f"/v1/satellites?at={format_instant(NOW + 30 * 86_400 * NS_PER_S)}", who).json()
    assert all(each["usable"] == 0 and each["stale"] == each["satellites"] for each in late["constellations"])
    gone = sky.get(f"/v1/satellites/positions?at={format_instant(NOW + 30 * 86_400 * NS_PER_S)}", who).json()
    assert (gone["total"], gone["without_position"]) == (0, 654)


def test_pages_of_positions_hold_each_satellite_once(sky: Served) -> None:
    who, found, cursor = sky.key("viewer"), [], ""
    for _ in range(10):
        page = sky.get(f"/v1/satellites/positions?constellation=oneweb-generated&limit=200{cursor}", who).json()
        assert page["total"] == 588
        found += page["satellite"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert found == sorted(set(found))
    assert len(found) == 588
    assert all(1_150 < height < 1_260 for height in page["height_km"])


@pytest.mark.parametrize("box", [(20.0, 30.0, 60.0, 60.0), (170.0, -40.0, -170.0, 40.0), (-200.0, -10.0, -150.0, 50.0)])
def test_a_box_holds_what_lies_in_it(sky: Served, box: tuple[float, float, float, float]) -> None:
    who = sky.key("viewer")
    west, south, east, north = box
    whole = sky.get("/v1/satellites/positions?limit=20000", who).json()
    part = sky.get(f"/v1/satellites/positions?west={west}&south={south}&east={east}&north={north}&limit=20000", who).json()
    inside = {
        number for number, lon, lat in zip(whole["satellite"], whole["lon"], whole["lat"], strict=True)
        if south <= lat <= north and (lon - west) % 360.0 <= (east - west) % 360.0
    }  # fmt: skip
    assert set(part["satellite"]) == inside
    assert inside


def test_geojson_where_it_is_asked_for(sky: Served) -> None:
    answer = sky.get("/v1/satellites/positions?limit=3", sky.key("viewer"), headers={"Accept": "application/geo+json"})
    assert answer.headers["content-type"].startswith("application/geo+json")
    told = answer.json()
    assert (told["type"], told["numberReturned"], told["numberMatched"]) == ("FeatureCollection", 3, 654)
    assert told["features"][0]["geometry"]["type"] == "Point"


def test_what_a_place_sees_is_what_a_test_of_every_satellite_says(sky: Served) -> None:
    who, lat, lon, mask = sky.key("viewer"), 46.48, 30.73, 20.0
    told = sky.get(f"/v1/satellites/visible?lat={lat}&lon={lon}&mask={mask}&at={AT}", who).json()
    want = {}
    for name in ("iridium", "oneweb"):
        elements = generate(name, START)
        gap = Propagator(elements).at(NOW).r_m[:, 0] - geodetic_to_ecef(lat, lon, 0.0)
        up = np.degrees(np.arcsin(gap @ enu_axes(lat, lon)[2] / np.linalg.norm(gap, axis=1)))
        want |= {int(elements.catalogue[row]): float(up[row]) for row in np.flatnonzero(up >= mask)}
    got = {each["satellite"]: each["elevation_deg"] for each in told["satellites"]}
    assert got == pytest.approx(want, abs=1e-3)
    assert len(got) > 5
    assert sum(each["seen"] for each in told["constellations"]) == told["total"] == len(got)
    heights = [each["elevation_deg"] for each in told["satellites"]]
    assert heights == sorted(heights, reverse=True)
    one = sky.get(f"/v1/satellites/visible?lat={lat}&lon={lon}&mask={mask}&at={AT}&constellation=iridium-generated&limit=1", who).json()
    assert len(one["satellites"]) == 1
    assert one["satellites"][0]["constellation"] == "iridium-generated"


def test_a_track_passes_below_its_satellite(sky: Served) -> None:
    who = sky.key("viewer")
    first = sky.get("/v1/satellites/positions?limit=1", who).json()
    told = sky.get(f"/v1/satellites/{first['satellite'][0]}/track?minutes=100", who).json()
    middle = len(told["lon"]) // 2
    assert (told["lon"][middle] - first["lon"][0]) % 360 == pytest.approx(0, abs=1e-3)
    assert told["lat"][middle] == pytest.approx(first["lat"][0], abs=1e-3)
    steps = np.abs(np.diff(told["lon"]))
    assert steps.max() < 180
    stale = sky.get(f"/v1/satellites/{first['satellite'][0]}/track?at={format_instant(NOW + 30 * 86_400 * NS_PER_S)}", who)
    assert (stale.status_code, stale.json()["code"]) == (422, "no_position")


@pytest.mark.parametrize(
    "query",
    [
        "visible?lat=91&lon=0", "visible?lat=nan&lon=0", "visible?lat=1e400&lon=0", "visible?lat=0&lon=181", "visible?lat=0",
        "visible?lat=0&lon=0&mask=-6", "visible?lat=0&lon=0&mask=91", "visible?lat=0&lon=0&mask=NaN", "visible?lat=0&lon=0&at=yesterday",
        "visible?lat=0&lon=0&at=1900-01-01T00:00:00Z", "visible?lat=0&lon=0&at=2200-01-01T00:00:00Z", "visible?lat=0&lon=0&height=-inf",
        "positions?limit=0", "positions?limit=20001", "positions?cursor=x", "positions?cursor=LTE", "positions?west=nan",
        "positions?east=1e9", "positions?at=" + "9" * 60, "900000001/track?minutes=1e9", "999999999999999999999/track",
        "900000001/track?minutes=nan", "none/track",
    ],
)  # fmt: skip
def test_wrong_questions_name_what_is_wrong(sky: Served, query: str) -> None:
    answer = sky.get(f"/v1/satellites/{query}", sky.key("viewer"))
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_elements_that_come_later_are_found(served_template: Home, tmp_path_factory: pytest.TempPathFactory) -> None:
    home = copy_home(served_template, tmp_path_factory.mktemp("later") / "home")
    with served(home) as made:
        who = made.key("viewer")
        assert made.get("/v1/satellites", who).json()["elements"] == 0
        save_elements(home, generate("iridium", START), START)
        assert made.get("/v1/satellites", who).json()["elements"] == 66
