"""Shapes of a verification: circles at the measured distance, ellipses of the size said, lines that do not run around the world."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from groundrule.evidence.verification import picture_of
from groundrule.evidence.verification_shapes import drawing_of, ellipse_95, range_circle
from groundrule.frames import geodetic_to_ecef
from groundrule.verify.assemble import assemble
from groundrule.verify.judge import verify_batch
from groundrule.verify.measurements import clean
from groundrule.verify.report import Mode, reports
from groundrule.verify.statistics import distance_m
from radio_world import Truth, World, table


@pytest.mark.parametrize(("lat", "lon"), [(0.0, 0.0), (48.3, 31.2), (-62.0, 179.9), (84.0, -120.0), (90.0, 0.0)])
@pytest.mark.parametrize("height", [0.0, 9_000.0])
def test_every_point_of_a_circle_is_at_the_measured_distance(lat: float, lon: float, height: float) -> None:
    satellite = geodetic_to_ecef(lat, lon, 550_000.0)
    for range_m in (600_000.0, 1_100_000.0, 2_000_000.0):
        circle = range_circle(satellite, range_m, height)
        assert circle is not None
        away = np.linalg.norm(geodetic_to_ecef(circle[:, 0], circle[:, 1], height) - satellite, axis=1)
        assert np.abs(away - range_m).max() < 1.0
        assert circle[0] == pytest.approx(circle[-1], abs=1e-6)


@pytest.mark.parametrize("range_m", [0.0, -1.0, 400_000.0, 5e7, math.nan, math.inf])
def test_there_is_no_circle_where_no_place_is_so_far(range_m: float) -> None:
    assert range_circle(geodetic_to_ecef(10.0, 20.0, 550_000.0), range_m) is None


def test_an_ellipse_has_its_axes_and_its_direction() -> None:
    mode = Mode(60.0, 179.999, 0.0, 1.0, 0.0, ((1.0, 0.0), (0.0, 1.0)), 3_000.0, 500.0, 30.0)
    edge = ellipse_95(mode)
    assert edge is not None
    away = distance_m(np.full(len(edge), mode.lat_deg), np.full(len(edge), mode.lon_deg), edge[:, 0], edge[:, 1])
    assert away.max() == pytest.approx(3_000, rel=0.005)
    assert away.min() == pytest.approx(500, rel=0.005)
    tip = edge[np.argmax(away)]
    north, east = tip[0] - mode.lat_deg, ((tip[1] - mode.lon_deg + 180) % 360 - 180) * math.cos(math.radians(60))
    assert math.degrees(math.atan2(east, north)) % 180 == pytest.approx(30, abs=0.5)
    assert ellipse_95(Mode(0, 0, 0, 1, 0, ((1.0, 0.0), (0.0, 1.0)), math.inf, 1.0, 0.0)) is None


def test_a_drawing_holds_what_the_report_says_and_is_json() -> None:
    world = World(seed=3)
    who = Truth("liar", lat_deg=46.0, lon_deg=179.6, claim=(46.5, -179.2))
    rows = world.measure(who, world.schedule(who.lat_deg, who.lon_deg, 4))
    cases = assemble(clean(table(rows)), world.elements, world.claims([who], 60))
    report = reports(cases, verify_batch(cases.case))[0]
    drawn = json.loads(json.dumps(drawing_of(report), allow_nan=False))
    best = drawn["places"][0]
    assert abs(best["lon"] - 179.6) < 0.1
    # The claim lies beyond 180 degrees, and near on the map.
    assert drawn["claim"]["lon"] == pytest.approx(180.8, abs=0.01)
    assert len(drawn["satellites"]) == len(report.satellites)
    for one in drawn["satellites"]:
        line = np.array(one["circle"])
        assert np.abs(np.diff(line[:, 0])).max() < 90
        # Each circle passes by the estimate: nearer than noise and delay allow is not needed, a few kilometres are enough.
        gaps = distance_m(np.full(len(line), best["lat"]), np.full(len(line), best["lon"]), line[:, 1], (line[:, 0] + 180) % 360 - 180)
        assert gaps.min() < 20_000
    assert picture_of(report, "svg").startswith(b"<?xml")
