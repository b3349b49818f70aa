"""Behaviours of motion: what raises, when, and what does not."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from groundrule.detect.motions import Motions
from groundrule.detect.rows import Places, Rows
from groundrule.detect.signals import Signal
from groundrule.instant import NS_PER_S
from moved_rows import START_NS, facts_of, front_places, real_tracks, way_rows

KM_H = 1 / 3.6


def found(rows: Rows, *, mobile: int = 255, places: Places | None = None) -> list[Signal]:
    terminals = int(rows.row.max()) + 1
    motions = Motions()
    motions.grow(terminals)
    return motions.update(rows, facts_of(terminals, mobile), places or Places(), lambda row: f"ut{row}")


def launched(
    km_h: float, take_off_s: float, *, until_s: float = 600.0, gains_m_s2: float = 1e9, noise_m: float = 5.0, seed: int = 1
) -> Rows:
    """At rest, then flying north: at once, or gaining speed as an aeroplane does."""
    s = np.arange(0.0, until_s, 15.0)
    flown = np.maximum(0.0, s - take_off_s)
    v = km_h * KM_H
    gaining = np.minimum(flown, v / gains_m_s2)
    way = 0.5 * gains_m_s2 * gaining**2 + v * (flown - gaining)
    noise = np.random.default_rng(seed).normal(0, noise_m, (2, len(s)))
    return way_rows(s, way + noise[0], noise[1])


@pytest.mark.parametrize("km_h", [150.0, 165.0, 180.0, 200.0])
@pytest.mark.parametrize("phase_s", [0.1, 2.0, 14.0, 14.9])
def test_a_launched_drone_is_found_within_a_minute(km_h: float, phase_s: float) -> None:
    take_off = 300.0 + phase_s
    signals = found(launched(km_h, take_off))
    first = signals[0]
    assert first.kind == "drone_flight"
    assert (first.raised_at - START_NS) / NS_PER_S - take_off <= 60.0
    assert (first.from_at - START_NS) / NS_PER_S == 15.0 * ((take_off + 0.5) // 15), "from the last fix at rest"
    assert {each.kind for each in signals} == {"drone_flight"}


@pytest.mark.parametrize("km_h", [150.0, 200.0])
@pytest.mark.parametrize("phase_s", np.arange(0.5, 15.0).tolist())
def test_over_a_front_every_launch_is_found_within_a_minute(km_h: float, phase_s: float) -> None:
    rows = launched(km_h, 300.0 + phase_s)
    rows.place[:] = 0
    first = next(each for each in found(rows, mobile=1, places=front_places()) if each.kind == "drone_flight")
    assert (first.raised_at - START_NS) / NS_PER_S - 300.0 - phase_s <= 60.0


def test_a_launch_that_could_be_a_run_on_a_runway_is_none_elsewhere() -> None:
    assert found(launched(165.0, 307.0)) == []


@pytest.mark.parametrize("gains_m_s2", [0.5, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("phase_s", [0.1, 4.0, 9.0, 14.9])
def test_what_gains_speed_on_wheels_or_rotors_is_no_drone(gains_m_s2: float, phase_s: float) -> None:
    assert found(launched(180.0, 300.0 + phase_s, gains_m_s2=gains_m_s2)) == []


def test_a_drone_at_the_speed_of_a_car_is_not_told_from_one() -> None:
    assert found(launched(90.0, 300.0)) == []


def test_a_flight_that_goes_on_is_raised_again_after_half_its_lasting() -> None:
    signals = found(launched(170.0, 300.0, until_s=2_400.0))
    at = [(each.raised_at - START_NS) / NS_PER_S for each in signals]
    assert len(at) == 5
    assert all(440 <= later - sooner <= 480 for sooner, later in itertools.pairwise(at))


def at_rest(until_s: float, *, step_s: float = 15.0, noise_m: float = 5.0, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    s = np.arange(0.0, until_s, step_s)
    north, east = np.random.default_rng(seed).normal(0, noise_m, (2, len(s)))
    return s, north, east


@pytest.mark.parametrize("which", [0, 1, 2, 50, 238, 239])
@pytest.mark.parametrize("fixes", [1, 2])
def test_a_displaced_fix_is_a_word_about_data_and_nothing_else(which: int, fixes: int) -> None:
    s, north, east = at_rest(3_600.0)
    north[which : which + fixes] += 3_900_000.0
    signals = found(way_rows(s, north, east), mobile=0)
    assert [each.kind for each in signals] == ["displaced_fix"]


def test_a_terminal_that_stays_where_it_cannot_have_come_raises_an_impossible_journey() -> None:
    s, north, east = at_rest(3_600.0)
    north[100:] += 800_000.0
    kinds = [(each.kind, (each.raised_at - START_NS) / NS_PER_S) for each in found(way_rows(s, north, east))]
    assert kinds == [("displaced_fix", 1_500.0), ("impossible_travel", 1_800.0)]


@pytest.mark.parametrize("shift_s", [15.0, 60.0, 900.0])
def test_one_id_in_two_places_by_turns_is_a_clone(shift_s: float) -> None:
    s, north, east = at_rest(7_200.0)
    north[(s // shift_s).astype(int) % 2 == 1] += 60_000.0
    kinds = {each.kind for each in found(way_rows(s, north, east))}
    assert "cloned_identity" in kinds
    assert "moving_without_plan" not in kinds


def test_a_stay_in_a_disturbed_area_makes_no_journey_impossible() -> None:
    s, north, east = at_rest(3_600.0)
    north[100:180] += 300_000.0
    rows = way_rows(s, north, east)
    rows.gnss[106:178] = 1
    assert {each.kind for each in found(rows)} == {"displaced_fix"}


@pytest.mark.shared_data
def test_no_real_track_without_a_drone_looks_like_one(shared_data: Path) -> None:
    ids, rows, index = real_tracks(shared_data / "tracks")
    motions = Motions()
    motions.grow(len(ids))
    kinds = [
        (signal.kind, index[signal.terminal_id]["class"])
        for signal in motions.update(rows, facts_of(len(ids)), Places(), lambda row: ids[row])
    ]
    assert [each for each in kinds if each[0] == "drone_flight" and "uav" not in str(each[1])] == []
    assert [each for each in kinds if each[0] in {"impossible_travel", "cloned_identity"}] == []


def test_a_terminal_takes_a_cache_line_and_a_number() -> None:
    assert Motions(terminals=100_000).nbytes <= 70 * 100_000


def test_what_is_remembered_survives_growing() -> None:
    rows = launched(170.0, 300.0)
    whole = found(rows)
    motions, grown = Motions(), []
    for i in range(len(rows)):
        motions.grow(1 + 7 * i)
        grown += motions.update(rows.part(i, i + 1), facts_of(1 + 7 * i), Places(), lambda row: f"ut{row}")
    assert grown == whole


def test_offending_observations_are_among_those_that_were_given() -> None:
    rows = launched(170.0, 300.0)
    given = {int(t): (lat, lon) for t, lat, lon in zip(rows.t_ns, rows.lat_deg, rows.lon_deg, strict=True)}
    for signal in found(rows):
        assert len(signal.offending) >= 2
        assert signal.offending[-1].observed_at == signal.raised_at
        for each in signal.offending:
            lat, lon = given[each.observed_at]
            assert (each.lat_deg, each.lon_deg) == pytest.approx((lat, lon), abs=1e-7)
