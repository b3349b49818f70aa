"""Scenarios with misuse and innocence: departures, columns, pasts, traffic, holders, areas; and the shipped night."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from shapely.geometry import Point, shape

from groundrule.errors import InputError
from groundrule.instant import NS_PER_DAY, NS_PER_S
from groundrule.simulate.behaviours import areas_geojson
from groundrule.simulate.scenario import Generated, generate_scenario, read_scenario
from groundrule.simulate.scenario_file import parse_scenario

HEAD = '[scenario]\ntitle = "t"\nstart = 2026-06-03T05:00:12Z\nduration_s = 600\nhistory = true\n'
AREA = '[[area]]\nid = "f"\nname = "F (invented)"\ntags = ["front"]\noutline = [[47.0, 35.0], [47.0, 36.0], [48.0, 36.0]]\n'
ROAD = "route = [[48.0, 35.0], [48.4, 35.2], [48.8, 35.0]]\nspeed_km_h = [60, 80]\nmeasured = 0\n"
HOME = "centre = [49.8, 24.0]\nmeasured = 0\n"


def made(body: str) -> Generated:
    return generate_scenario(parse_scenario(HEAD + body, "x.toml", Path()), 1)


def fleet(name: str, count: int, more: str) -> str:
    return f'[[fleet]]\nname = "{name}"\ncount = {count}\n{more}\n'


def reports(scenario: Generated) -> pa.Table:
    return pa.concat_tables(scenario.observations())


def test_who_departs_stands_until_then_and_climbs_from_the_ground() -> None:
    scenario = made(fleet("drone", 20, ROAD + "departs_s = [120, 300]\naltitude_m = [200, 800]\n"))
    at_start, later = scenario.fleet.positions(0.0), scenario.fleet.positions(590.0)
    assert np.allclose(at_start[0], 48.0, atol=1e-6)
    assert at_start[3].max() == 0
    assert scenario.fleet.positions(110.0)[3].max() == 0
    assert later[3].min() > 10
    assert later[4].min() > 90
    assert len(np.unique(np.round(later[0], 4))) > 15


def test_a_column_keeps_its_distances() -> None:
    scenario = made(fleet("column", 8, ROAD + "spacing_m = 100\n"))
    for at in (0.0, 300.0, 590.0):
        lat = np.sort(scenario.fleet.positions(at)[0])
        gaps = np.diff(lat) * 111_195
        assert gaps.min() > 60
        assert gaps.max() < 130


def test_a_past_is_told_before_and_then_there_is_silence() -> None:
    past = "[fleet.past]\ncentre = [50.45, 30.52]\nspread_km = 2\ndays = 3\nasleep_days = 40\n"
    scenario = made(fleet("dormant", 4, HOME + past) + fleet("home", 4, HOME + "[fleet.past]\ndays = 2\n"))
    table = reports(scenario)
    of = scenario.fleet.kinds
    mine = table.filter(pa.array([of[name] == "dormant" for name in table["terminal_id"].to_pylist()]))
    ago = (scenario.scenario.start_ns - np.array(mine["observed_at"])) / NS_PER_DAY
    before = ago > 0
    assert before.sum() == 4 * 6
    assert (ago[before].min(), ago[before].max()) == (40.5, 43.0)
    assert np.abs(np.array(mine["lat_deg"])[before] - 50.45).max() < 0.05
    assert np.abs(np.array(mine["lat_deg"])[~before] - 49.8).max() < 0.05
    assert np.array(table["observed_at"]).tolist() == sorted(table["observed_at"].to_pylist())


def test_traffic_says_what_flowed_and_a_refusal_stops_it() -> None:
    zone = '[[refusal]]\nname = "r"\ncentre = [49.8, 24.0]\nradius_km = 50\nfrom_s = 300\n'
    far = "centre = [52.0, 21.0]\nmeasured = 0\n"
    body = fleet("a", 3, HOME + 'traffic = "yes"') + fleet("b", 3, far + 'traffic = "no"') + fleet("c", 3, far) + zone
    scenario = made(body)
    table = reports(scenario)
    of = scenario.fleet.kinds
    kind = np.array([of[name] for name in table["terminal_id"].to_pylist()])
    late = np.array(table["observed_at"]) >= scenario.scenario.start_ns + 300 * NS_PER_S
    served = np.array(table["served"].to_pylist(), object)
    assert set(served[(kind == "a") & ~late]) == {True}
    assert set(served[(kind == "a") & late]) == {False}
    assert set(served[kind == "b"]) == {False}
    assert set(served[kind == "c"]) == {None}


def test_one_fleet_may_be_held_by_the_holders_of_another() -> None:
    straw = "[fleet.straw]\nholders = 2\n"
    scenario = made(fleet("straw", 6, HOME + straw) + fleet("own", 2, HOME + 'holders_of = "straw"') + fleet("home", 3, HOME))
    account = dict(zip(*(scenario.registers.terminals[name].to_pylist() for name in ("terminal_id", "account_id")), strict=True))
    held: dict[str, set[str]] = {}
    for name, kind in scenario.fleet.kinds.items():
        held.setdefault(kind, set()).add(account[name])
    assert held["own"] == held["straw"]
    assert len(held["home"]) == 3
    assert not held["home"] & held["straw"]
    assert len(scenario.registers.accounts) == 5


def test_areas_become_a_file_and_the_truth_names_what_is_done_and_what_it_resembles(tmp_path: Path) -> None:
    body = AREA + fleet("bad", 2, HOME + 'behaviours = ["compound"]') + fleet("good", 2, HOME + 'resembles = ["compound"]')
    scenario = made(body)
    files = scenario.write(tmp_path / "s")
    feature = json.loads(files["areas"].read_text())["features"][0]
    assert feature["properties"]["tags"] == ["front"]
    assert shape(feature["geometry"]).exterior.is_ccw
    truth = {row["kind"]: row for row in scenario.terminals.to_pylist()}
    assert (truth["bad"]["behaviours"], truth["bad"]["innocent"]) == (["compound"], False)
    assert (truth["good"]["resembles"], truth["good"]["innocent"]) == (["compound"], True)
    made("\n" + fleet("good", 1, HOME)).write(tmp_path / "s")
    assert not (tmp_path / "s" / "areas.geojson").exists()


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (fleet("a", 1, HOME + 'behaviours = ["flying"]'), "kinds of signals"),
        (fleet("a", 1, HOME + 'behaviours = ["convoy"]\nresembles = ["convoy"]'), "does not only look like it"),
        (fleet("a", 1, HOME + "departs_s = [1, 2]"), "only fleets with lanes, route or flight move"),
        (fleet("a", 1, HOME + 'holders_of = "b"'), "stands before this one"),
        (fleet("a", 1, ROAD + "departs_s = [1, 2]\nspacing_m = 5"), "either departs_s or spacing_m"),
        (fleet("a", 1, ROAD + "[fleet.past]\ndays = 1"), "somewhere else before"),
        (AREA.replace(" (invented)", "") + fleet("a", 1, HOME), "no real area"),
        (AREA.replace(", [48.0, 36.0]", "") + fleet("a", 1, HOME), "at least three places"),
    ],
)
def test_what_makes_no_sense_is_told(body: str, wanted: str) -> None:
    with pytest.raises(InputError) as error:
        made(body)
    assert wanted in f"{error.value} {error.value.help}"


def test_in_the_shipped_night_everybody_is_where_the_story_says() -> None:
    scenario = read_scenario("night")
    areas = {one["properties"]["id"]: shape(one["geometry"]) for one in json.loads(areas_geojson(scenario.areas))["features"]}
    assert all(one.is_valid for one in areas.values())
    front = areas["night-front"]
    assert not front.intersects(areas["control:night-occupied"].buffer(-1e-6))
    generated = generate_scenario(scenario)
    lat, lon = generated.fleet.positions(0.0)[:2]
    kind = generated.fleet.columns["kind"].astype(str)
    for name in ("used_elsewhere", "journalist", "farmer", "dormant", "returned_owner", "straw", "tractor", "aid_at_front"):
        rows = np.flatnonzero(kind == name)
        inside = [front.contains(Point(lon[row], lat[row])) for row in rows]
        assert np.mean(inside) > 0.85, name
    doing = {word for row in generated.terminals.to_pylist() for word in row["behaviours"]}
    looking = {word for row in generated.terminals.to_pylist() for word in row["resembles"]}
    assert len(doing) >= 13
    assert len(looking) >= 12
    assert pc.sum(generated.terminals["innocent"]).as_py() > 1_200
