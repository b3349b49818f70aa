"""Paths and timetables: smooth, of the stated length, and the same however they are asked."""

from __future__ import annotations

import numpy as np
import pytest

from groundrule.simulate.journeys import Paths, Timetable, great_circle, segment_lengths, winding

WAY = np.array([[50.0, 30.0], [50.3, 31.0], [49.9, 32.0], [49.95, 33.5]])


def timetable(**changes: object) -> Timetable:
    values: dict[str, object] = {
        "path": np.zeros(1, np.int64),
        "start_m": np.zeros(1),
        "reverse": np.zeros(1, np.bool_),
        "cruise_m_s": np.full(1, 20.0),
        "accel_m_s2": np.full(1, 0.5),
        "run_s": np.full(1, np.inf),
        "stop_s": np.full(1, 60.0),
        "phase_s": np.zeros(1),
        "swell": np.full(1, 0.1),
        "swell_s": np.full(1, 200.0),
        "cruise_alt_m": np.zeros(1),
    }
    return Timetable(**(values | changes))  # type: ignore[arg-type]  # a table of defaults


def test_a_curve_goes_through_its_ends_and_stays_near_its_way_points() -> None:
    curve = winding(WAY, step_km=1.0, sway_km=0.5, wave_km=20.0, phase=1.0)
    assert np.allclose(curve[[0, -1]], WAY[[0, -1]], atol=1e-9)
    for lat, lon in WAY:
        gap_km = np.hypot((curve[:, 0] - lat) * 111.2, (curve[:, 1] - lon) * 111.2 * np.cos(np.radians(lat))).min()
        assert gap_km < 1.2  # half a step and the sway
    # No corner: neighbouring steps of 1 km never turn by more than a hairpin bend would.
    north, east = np.diff(curve[:, 0]), np.diff(curve[:, 1]) * np.cos(np.radians(50))
    turn = np.abs((np.diff(np.degrees(np.arctan2(east, north))) + 180) % 360 - 180)
    assert turn.max() < 25


def test_a_great_circle_has_the_length_of_the_haversine_and_crosses_180_without_a_jump() -> None:
    tokyo, los_angeles = (35.7, 139.7), (34.0, -118.2)
    curve = great_circle(tokyo, los_angeles)
    direct = segment_lengths(np.array([tokyo[0], los_angeles[0]]), np.array([tokyo[1], los_angeles[1]]))[0]
    assert segment_lengths(curve[:, 0], curve[:, 1]).sum() == pytest.approx(direct, rel=1e-4)
    assert np.abs(np.diff(curve[:, 1])).max() < 1.0
    assert curve[:, 1].max() > 180.0


def test_position_along_a_path_is_the_distance_travelled() -> None:
    curves = [winding(WAY, step_km=1.0), great_circle((10, 170), (12, -170))]
    paths = Paths.build(curves)
    which = np.array([0, 1, 0, 1])
    assert paths.length_m(which[:2]) == pytest.approx([segment_lengths(c[:, 0], c[:, 1]).sum() for c in curves])
    lat, lon, _ = paths.at(which, np.array([0.0, 0.0, 1e9, 1e9]))
    assert lat == pytest.approx([50.0, 10.0, 49.95, 12.0])
    assert lon == pytest.approx([30.0, 170.0, 33.5, -170.0])
    s = np.linspace(0, paths.length_m(which[:1])[0], 2000)
    lat, lon, _ = paths.at(np.zeros(2000, np.int64), s)
    steps = segment_lengths(lat, lon)
    assert steps == pytest.approx(np.diff(s), rel=0.02)


def test_speed_is_the_derivative_of_distance_and_never_jumps() -> None:
    moving = timetable(run_s=np.full(1, 600.0), phase_s=np.full(1, 100.0))
    t = np.arange(0.0, 3000.0)
    s = np.array([moving.travelled_m(x)[0] for x in t])
    v = np.diff(s)
    assert v.min() >= -1e-6
    assert v.max() == pytest.approx(20.0 * 1.1, rel=0.01)
    assert (v < 1e-6).sum() > 100  # it stands between legs
    # Acceleration is the stated one, plus the swell: 0.1 × 20 m/s × 2π / 200 s.
    assert np.abs(np.diff(v)).max() < 0.5 + 0.1 * 20 * 2 * np.pi / 180


def test_a_terminal_brakes_before_the_end_of_its_path_and_stays() -> None:
    paths = Paths.build([winding(WAY, step_km=1.0)])
    length = paths.length_m(np.zeros(1, np.int64))
    late = timetable(start_m=length - 10_000)
    speeds = np.array([late.at(t, paths)[3][0] for t in np.arange(0.0, 1500.0, 5.0)])
    assert speeds[0] > 19
    assert speeds[-1] == pytest.approx(0.0, abs=1e-6)
    assert np.abs(np.diff(speeds)).max() < 5 * 0.7
    lat, lon, *_ = late.at(1500.0, paths)
    assert (lat[0], lon[0]) == pytest.approx((49.95, 33.5))


def test_going_back_is_the_same_way_with_the_opposite_course() -> None:
    paths = Paths.build([winding(WAY, step_km=1.0)])
    length = paths.length_m(np.zeros(1, np.int64))[0]
    there = timetable(start_m=np.full(1, 40_000.0))
    back = timetable(start_m=np.full(1, length - 40_000.0), reverse=np.ones(1, np.bool_))
    lat1, lon1, course1, *_ = there.at(0.0, paths)
    lat2, lon2, course2, *_ = back.at(0.0, paths)
    assert (lat1[0], lon1[0]) == pytest.approx((lat2[0], lon2[0]))
    assert abs(course1[0] - course2[0]) == pytest.approx(180.0)


def test_flight_climbs_and_descends_at_its_ends() -> None:
    paths = Paths.build([great_circle((50, 0), (50, 30))])
    length = paths.length_m(np.zeros(1, np.int64))[0]
    heights = [
        timetable(start_m=np.full(1, s), cruise_m_s=np.full(1, 230.0), cruise_alt_m=np.full(1, 11_000.0)).at(
            0.0, paths
        )[4][0]
        for s in (0.0, 100_000.0, length / 2, length - 50_000.0)
    ]
    assert heights[0] == 0
    assert heights[1] == pytest.approx(4_500)
    assert heights[2] == 11_000
    assert heights[3] == pytest.approx(2_250, rel=0.3)
