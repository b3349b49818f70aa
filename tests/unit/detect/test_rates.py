"""Measured rates: exact bounds, what a signal is worth, and that the shipped file is sound."""

from __future__ import annotations

import pytest
from scipy.stats import chi2

from groundrule.detect.rates import Rate, poisson_limit, rates
from groundrule.detect.signals import KINDS
from groundrule.errors import InputError


@pytest.mark.parametrize("events", [0, 1, 2, 7, 60, 2_500])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_bound_is_the_exact_one_of_a_poisson_count(events: int, confidence: float) -> None:
    assert poisson_limit(events, confidence) == pytest.approx(chi2.ppf(confidence, 2 * (events + 1)) / 2.0, rel=1e-9)


def test_nothing_seen_in_a_day_is_the_rule_of_three() -> None:
    assert Rate("x", 0, 1.0, "").upper95 == pytest.approx(3.0, abs=0.01)


def test_a_signal_is_worth_little_where_misuse_is_rare() -> None:
    rate = Rate("x", 3, 30_000.0, "", found=90, present=100)
    assert rate.posterior(0.0) == 0.0
    assert rate.posterior(1.0) == 1.0
    rare, common = rate.posterior(1e-5), rate.posterior(1e-2)
    assert rare is not None
    assert common is not None
    assert rare < 0.05
    assert common > 0.95
    assert Rate("x", 3, 30_000.0, "").posterior(0.5) is None
    with pytest.raises(InputError):
        rate.posterior(1.5)


def test_shipped_rates_are_of_signals_that_exist_and_were_measured_long() -> None:
    shipped = rates()
    assert set(shipped) <= set(KINDS)
    assert {"drone_flight", "impossible_travel", "cloned_identity", "over_speed", "moving_without_plan"} <= set(shipped)
    drone = shipped["drone_flight"]
    assert drone.terminal_days >= 30_000
    assert drone.per_terminal_day <= 1e-4
    assert all(rate.found <= rate.present for rate in shipped.values())
