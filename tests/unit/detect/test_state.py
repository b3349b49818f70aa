"""The memory per terminal: speed as an interval, limits with hysteresis and persistence, stay counters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from groundrule.detect.state import Motion, TerminalState, advance, count_stays, distance_m, year_of_day
from groundrule.instant import NS_PER_DAY, NS_PER_S, parse_instant

KM_H = 1 / 3.6
LIMITS = np.array([[75 * KM_H, 70 * KM_H, 30.0]])
START_NS = parse_instant("2026-02-10T06:00Z")
M_PER_DEG = 111_132.95  # one degree of latitude at 45°, WGS 84


def run(
    state: TerminalState,
    seconds: list[float],
    north_m: list[float | None],
    *,
    sigma_m: float = 0.0,
    reported: list[float] | None = None,
    rows: list[int] | None = None,
) -> Motion:
    n = len(seconds)
    lat = np.array([np.nan if m is None else 45.0 + m / M_PER_DEG for m in north_m])
    return advance(
        state,
        np.array(rows if rows is not None else [0] * n, np.int32),
        np.array([START_NS + int(s * NS_PER_S) for s in seconds], np.int64),
        lat,
        np.where(np.isnan(lat), np.nan, 7.0),
        sigma_m=np.full(n, sigma_m, np.float32),
        cell=np.zeros(n, np.uint64),
        cell_radius_m=np.zeros(n, np.float32),
        source=np.zeros(n, np.uint8),
        reported_speed_m_s=np.array(reported if reported is not None else [np.nan] * n, np.float32),
        limits=LIMITS,
        max_gap_s=300.0,
    )


def steady(
    km_h: float, steps: int, first_s: float = 0.0, first_m: float = 0.0
) -> tuple[list[float], list[float | None]]:
    seconds = [first_s + 15.0 * i for i in range(steps)]
    return seconds, [first_m + km_h * KM_H * (s - first_s) for s in seconds]


def test_speed_is_unknown_at_the_first_fix_and_right_at_the_second() -> None:
    motion = run(TerminalState.empty(1, 1, 0), *steady(90, 3))
    assert np.isnan(motion.speed_m_s[0])
    assert motion.speed_m_s[1:] * 3.6 == pytest.approx(90, abs=0.1)


def test_speed_interval_is_twice_the_combined_sigma() -> None:
    motion = run(TerminalState.empty(1, 1, 0), *steady(90, 2), sigma_m=15.0)
    half_width = 2 * np.hypot(15, 15) / 15
    assert (motion.speed_high_m_s - motion.speed_low_m_s)[1] / 2 == pytest.approx(half_width, rel=1e-3)


def test_limit_switches_on_after_thirty_seconds_and_off_below_the_release() -> None:
    state = TerminalState.empty(1, 1, 0)
    seconds, metres = steady(90, 5)
    assert run(state, seconds, metres).latches[:, 0].tolist() == [2, 0, 0, 1, 1], "30 s, and three estimates in a row"
    at_72 = steady(72, 3, seconds[-1] + 15, metres[-1] + 72 * KM_H * 15)
    assert run(state, *at_72).latches[:, 0].tolist() == [1, 1, 1], "between release and limit it stays on"
    at_60 = steady(60, 2, at_72[0][-1] + 15, at_72[1][-1] + 60 * KM_H * 15)
    assert run(state, *at_60).latches[:, 0].tolist() == [0, 0]


def test_one_fast_interval_is_no_proof_of_motion() -> None:
    jump = [0.0, 0.0, 1000.0, 1000.0, 1000.0]
    motion = run(TerminalState.empty(1, 1, 0), [0, 15, 30, 45, 60], jump)
    assert 1 not in motion.latches[:, 0]


@given(st.floats(200, 50_000), st.sampled_from([15.0, 60.0, 120.0, 290.0]), st.integers(1, 6))
@settings(deadline=None)
def test_one_displaced_fix_never_switches_a_limit_on_at_any_cadence(jump_m: float, every_s: float, where: int) -> None:
    metres: list[float | None] = [jump_m if i == where else 0.0 for i in range(8)]
    motion = run(TerminalState.empty(1, 1, 0), [every_s * i for i in range(8)], metres, sigma_m=5.0)
    assert 1 not in motion.latches[:, 0]


def test_a_limit_in_force_becomes_a_doubt_when_accuracy_is_lost_at_rest() -> None:
    state = TerminalState.empty(1, 1, 0)
    seconds, metres = steady(130, 8)
    assert run(state, seconds, metres, sigma_m=5.0).latches[-1, 0] == 1
    resting = run(state, [seconds[-1] + 15.0 * i for i in range(1, 40)], [metres[-1]] * 39, sigma_m=300.0)
    assert 1 not in resting.latches[2:, 0], "nobody stays denied because positions have become vague"


def test_a_reported_speed_above_what_the_positions_show_is_a_doubt_and_no_proof() -> None:
    motion = run(
        TerminalState.empty(1, 1, 0), [15.0 * i for i in range(6)], [0.0] * 6, sigma_m=5.0, reported=[110.0] * 6
    )
    assert motion.latches[1:, 0].tolist() == [2] * 5


def test_speed_near_the_limit_within_the_noise_is_unknown_not_true() -> None:
    motion = run(TerminalState.empty(1, 1, 0), *steady(78, 6), sigma_m=15.0)
    assert set(motion.latches[1:, 0].tolist()) == {2}


def test_fixes_closer_than_the_base_do_not_turn_noise_into_speed() -> None:
    rng = np.random.default_rng(4)
    seconds = [0.2 * i for i in range(500)]
    motion = run(TerminalState.empty(1, 1, 0), seconds, list(rng.normal(0, 5, 500)), sigma_m=5.0)
    assert np.nanmax(motion.speed_low_m_s) < 2.0


def test_a_gap_says_nothing_about_speed_and_releases_a_limit() -> None:
    state = TerminalState.empty(1, 1, 0)
    run(state, *steady(120, 4))
    motion = run(state, [345.1 + 60], [90_000.0])
    assert np.isnan(motion.speed_m_s[0])
    assert motion.latches[0, 0] == 2


def test_leaving_out_positions_does_not_evade_a_limit() -> None:
    seconds, metres = steady(120, 8)
    holes: list[float | None] = [m if i % 2 == 0 else None for i, m in enumerate(metres)]
    latches = run(TerminalState.empty(1, 1, 0), seconds, holes).latches[:, 0].tolist()
    assert latches[-2:] == [1, 1]


def test_a_missing_position_is_carried_forward_with_its_age_for_one_day() -> None:
    motion = run(TerminalState.empty(1, 1, 0), [0, 600, 86_400, 86_401], [0.0, None, None, None])
    assert motion.age_s[:3].tolist() == [0.0, 600.0, 86_400.0]
    assert np.isnan(motion.age_s[3])
    assert np.isnan(motion.lat_deg[3])


def test_a_reported_speed_inside_the_interval_replaces_it_and_one_below_does_not() -> None:
    seconds, metres = steady(90, 2)
    inside = run(TerminalState.empty(1, 1, 0), seconds, metres, sigma_m=15.0, reported=[float("nan"), 24.0])
    assert inside.speed_low_m_s[1] == inside.speed_high_m_s[1] == pytest.approx(24.0)
    lie = run(TerminalState.empty(1, 1, 0), seconds, metres, sigma_m=15.0, reported=[float("nan"), 0.0])
    assert lie.speed_low_m_s[1] * 3.6 > 75


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_the_memory_does_not_depend_on_how_observations_were_batched(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, terminals = 60, 3
    rows = rng.integers(0, terminals, n).tolist()
    seconds = np.cumsum(rng.choice([0.0, 1.0, 7.0, 15.0, 200.0], n)).tolist()
    metres = [None if rng.random() < 0.1 else float(m) for m in rng.normal(0, 400, n).cumsum()]
    whole = run(TerminalState.empty(terminals, 1, 0), seconds, metres, rows=rows)
    state, cut = TerminalState.empty(terminals, 1, 0), int(rng.integers(1, n))
    first = run(state, seconds[:cut], metres[:cut], rows=rows[:cut])
    second = run(state, seconds[cut:], metres[cut:], rows=rows[cut:])
    for name in ("latches", "speed_low_m_s", "age_s"):
        joined = np.concatenate([getattr(first, name), getattr(second, name)])
        assert joined.tobytes() == getattr(whole, name).tobytes()


@given(st.floats(-84, 84), st.floats(-180, 180), st.floats(-0.9, 0.9), st.floats(-0.9, 0.9))
def test_near_distance_agrees_with_the_geodesic(lat: float, lon: float, dlat: float, dlon: float) -> None:
    other = (lat + dlat, (lon + dlon + 540) % 360 - 180)
    if abs(0.5 * (lat + other[0])) > 84.9:
        return
    truth = Geod(ellps="WGS84").inv(lon, lat, other[1], other[0])[2]
    tolerance = 1e-3 if abs(lat) > 75 else 2e-4
    assert distance_m(lat, lon, *other) == pytest.approx(truth, rel=tolerance, abs=0.01)


@given(st.integers(-100_000, 100_000))
def test_year_of_day_is_the_gregorian_year(day: int) -> None:
    assert year_of_day(day) == np.datetime64(day, "D").astype("datetime64[Y]").astype(int) + 1970


def stay(days: list[float], truth: list[int]) -> tuple[list[float], list[float], list[float]]:
    times = np.array([parse_instant("2025-12-30T00:00Z") + int(d * NS_PER_DAY) for d in days], np.int64)
    state = TerminalState.empty(1, 0, 1)
    found = count_stays(state, np.zeros(len(days), np.int32), times, np.array(truth, np.uint8)[:, None])
    return tuple(column[:, 0].tolist() for column in found)  # type: ignore[return-value]


def test_days_in_a_row_count_utc_days_and_break_only_on_a_whole_day_without() -> None:
    _, run_days, _ = stay([0.5, 0.9, 1.1, 1.2, 2.0, 4.0], [1, 1, 1, 0, 1, 1])
    assert run_days == [1, 1, 2, 2, 3, 1]


def test_days_in_year_start_anew_with_the_calendar_year() -> None:
    _, _, year_days = stay([0.0, 1.0, 2.0, 3.0], [1, 1, 1, 1])
    assert year_days == [1, 2, 1, 2], "30 and 31 December, then 1 and 2 January"


def test_false_ends_a_stay_and_unknown_neither_counts_nor_ends_it() -> None:
    elapsed, run_days, _ = stay([0.0, 1.0, 2.0, 3.0, 4.0], [1, 2, 1, 0, 1])
    assert elapsed == [0.0, 1.0, 2.0, 0.0, 0.0]
    assert run_days == [1, 1, 1, 1, 1]
