"""Speed above the plan and motion without one: limits with hysteresis, from fixes and from cells."""

from __future__ import annotations

import numpy as np
import pytest

from groundrule.detect.motions import Motions
from groundrule.detect.rows import FIXED, FLYING, MOVING, UNKNOWN, Places, Rows
from groundrule.detect.signals import Signal
from groundrule.instant import NS_PER_S
from moved_rows import START_NS, facts_of, way_rows

KM_H = 1 / 3.6


def raised(rows: Rows, mobile: int) -> list[Signal]:
    return Motions(terminals=1).update(rows, facts_of(1, mobile), Places(), str)


def at(signals: list[Signal]) -> list[float]:
    return [(each.raised_at - START_NS) / NS_PER_S for each in signals]


def driven(*legs: tuple[float, float], noise_m: float = 3.0, seed: int = 1) -> Rows:
    """Legs of speed [km/h] and duration [s], northwards."""
    speeds = np.concatenate([np.full(int(seconds / 15.0), km_h * KM_H) for km_h, seconds in legs])
    way = np.concatenate([[0.0], np.cumsum(15.0 * speeds)])
    noise = np.random.default_rng(seed).normal(0, noise_m, (2, len(way)))
    return way_rows(15.0 * np.arange(len(way)), way + noise[0], noise[1], sigma_m=noise_m)


def test_a_van_above_the_limit_of_its_plan_is_raised_once_for_each_episode_and_again_while_it_lasts() -> None:
    signals = raised(driven((60, 300), (180, 240), (120, 120), (180, 120)), MOVING)
    assert {each.kind for each in signals} == {"over_speed"}
    assert at(signals)[0] == 345.0, "three steps"
    assert at(signals) == [345.0, 405.0, 465.0, 525.0, 705.0, 765.0]


def test_between_limit_and_release_it_stays_over() -> None:
    assert at(raised(driven((180, 90), (155, 300)), MOVING))[-1] > 300.0
    assert at(raised(driven((155, 600)), MOVING)) == []


@pytest.mark.parametrize("mobile", [FLYING, UNKNOWN])
def test_an_aviation_plan_or_an_unknown_one_has_no_limit(mobile: int) -> None:
    assert raised(driven((0, 60), (250, 900)), mobile) == []


def test_a_fixed_plan_that_drives_off_is_raised_when_it_is_away() -> None:
    signals = raised(driven((0, 600), (50, 300)), FIXED)
    assert [each.kind for each in signals] == ["moving_without_plan"]
    assert 645.0 <= at(signals)[0] <= 675.0
    assert (signals[0].from_at - START_NS) / NS_PER_S == 600.0
    assert [each.observed_at for each in signals[0].offending] == sorted(each.observed_at for each in signals[0].offending)


@pytest.mark.parametrize("noise_m", [3.0, 10.0, 30.0])
def test_a_resting_receiver_does_not_move_however_bad_it_is(noise_m: float) -> None:
    for seed in range(20):
        assert raised(driven((0, 86_400), noise_m=noise_m, seed=seed), FIXED) == []


def test_one_jump_and_back_is_no_motion() -> None:
    rows = driven((0, 900))
    rows.lat_deg[30] += 0.02
    assert raised(rows, FIXED) == []


def cells(km_h: float, *, radius_m: float, seconds: float) -> Rows:
    """Reports of the cells on a straight way, as discs of one size."""
    s = np.arange(0.0, seconds, 15.0)
    step = 1.6 * radius_m
    rows = way_rows(s, step * np.round(km_h * KM_H * s / step))
    rows.cell[:] = 1 + np.round(rows.lat_deg * 1e6).astype(np.uint64)
    rows.cell_radius_m[:] = radius_m
    rows.sigma_m[:] = 0.0
    return rows


def test_cells_give_a_bound_that_finds_motion_late_and_never_wrongly() -> None:
    fine = raised(cells(60.0, radius_m=1_400.0, seconds=1_800.0), FIXED)
    coarse = raised(cells(60.0, radius_m=9_900.0, seconds=7_200.0), FIXED)
    assert at(fine)[0] < 600.0
    assert at(coarse)[0] > at(fine)[0]
    assert raised(cells(3.0, radius_m=1_400.0, seconds=7_200.0), FIXED) == []
    assert raised(cells(150.0, radius_m=1_400.0, seconds=3_600.0), MOVING) == []
