"""Used elsewhere, dormant at a front, roaming: those who are meant, and the innocent ones beside them."""

from __future__ import annotations

import numpy as np
import pytest

from groundrule.detect.signals import Signal
from groundrule.detect.whereabouts import Whereabouts
from place_rows import START_S, facts, name, places, rows_of, stays

DAY = 86_400.0


def found(told: list[dict[str, object]], kind: str | None = None, *, days: list[float] | None = None, **about: object) -> list[Signal]:
    watch = Whereabouts()
    known = facts(8, **about)  # type: ignore[arg-type]  # keywords of facts
    signals = watch.update(rows_of(told), known, places(), name, days_abroad=None if days is None else np.array(days))
    return [one for one in signals if kind is None or one.kind == kind]


def test_activated_in_poland_and_used_at_a_front_in_ukraine_is_raised_once_within_a_minute() -> None:
    signals = found(stays("front", 0, 200), activation="PL", account="PL")
    assert [one.kind for one in signals] == ["used_elsewhere"]
    assert signals[0].strength == pytest.approx(0.6)
    assert signals[0].raised_at == (START_S + 45) * 10**9
    assert signals[0].offending[0].observed_at == signals[0].raised_at


def test_ordinary_explanations_weaken_it() -> None:
    plain = found(stays("front", 0, 9), activation="PL", account="PL")[0].strength
    account_there = found(stays("front", 0, 9), activation="PL", account="UA")[0].strength
    seen_home = found(stays("poland", 0, 9) + stays("front", 90_000, 9), "used_elsewhere", activation="PL", account="PL")[0].strength
    assert account_there < plain
    assert seen_home < plain


@pytest.mark.parametrize(
    "about",
    [
        {"activation": "UA", "account": "UA"},  # a farmer at the front
        {"activation": "PL", "account": "PL", "protected": True},  # a relief organisation's, a hospital's
        {"activation": None, "account": "PL"},  # nobody knows where it was activated
    ],
)
def test_innocents_at_a_front_are_not_raised(about: dict[str, object]) -> None:
    assert found(stays("front", 0, 400), **about) == []


def test_a_refugee_is_never_raised_in_the_first_weeks_and_only_weakly_later() -> None:
    early = stays("poland", 0, 28, every_s=DAY)
    assert found(early, activation="UA", account="UA") == []
    late = found(stays("poland", 0, 90, every_s=DAY), activation="UA", account="UA")
    assert {one.kind for one in late} == {"used_elsewhere"}
    assert max(one.strength for one in late) <= 0.15
    assert len(late) <= 5


def test_a_traveller_who_was_at_home_once_is_not_raised_away_from_fronts() -> None:
    assert found(stays("ukraine", 0, 9) + stays("poland", DAY, 200, every_s=DAY, lat=52.0), "used_elsewhere", activation="UA") == []


def test_positions_of_a_disturbed_area_or_refuted_by_radio_are_no_evidence() -> None:
    assert found(stays("front", 0, 100, gnss=1), activation="PL") == []
    assert found(stays("front", 0, 100, verdict=2), activation="PL") == []


def test_what_flies_over_a_front_fast_or_high_is_not_there() -> None:
    assert found(stays("front", 0, 40, speed=240.0), activation="PL") == []
    assert found(stays("front", 0, 40, alt=11_000.0), activation="PL") == []
    assert found(stays("front", 0, 40, speed_m_s=230.0), activation="PL") == []


def test_one_that_sleeps_for_weeks_and_wakes_at_a_front_far_away_is_raised() -> None:
    told = stays("ukraine", 0, 10, lat=50.4) + stays("front", 40 * DAY, 10, lat=47.5)
    assert [one.kind for one in found(told, activation="UA")] == ["dormant_at_front"]
    signal = found(told)[0]
    assert {key: value for key, value, _ in signal.found}["time asleep"] == 39


@pytest.mark.parametrize(
    "told",
    [
        stays("front", 0, 10) + stays("front", 40 * DAY, 10),  # a power cut, an owner who returns
        stays("ukraine", 0, 10, lat=50.4) + stays("front", 5 * DAY, 10, lat=47.5),  # a short sleep
        stays("ukraine", 0, 10, lat=50.4) + stays("poland", 40 * DAY, 10, lat=51.0) + stays("front", 40 * DAY + 9000, 10, lat=47.5),
        stays("ukraine", 0, 10, lat=50.4) + stays("front", 40 * DAY, 10, lat=47.5, gnss=1),
    ],
)
def test_innocent_sleepers_are_not_raised(told: list[dict[str, object]]) -> None:
    assert found(told, "dormant_at_front") == []


def test_never_seen_since_its_activation_counts_only_if_observations_go_back_to_it() -> None:
    activated = (START_S - 40 * 86_400) * 10**9
    unseen = stays("front", 0, 10)
    assert found(unseen, activated_ns=activated) == []
    other = stays("ukraine", -60 * DAY, 3, row=1)
    assert found(other + unseen, "dormant_at_front", activated_ns=(START_S - 300 * 86_400) * 10**9) == []
    signals = found(other + unseen, "dormant_at_front", activated_ns=activated)
    assert [one.terminal_id for one in signals] == [name(0)]
    assert signals[0].strength < found(stays("ukraine", 0, 10, lat=50.4) + stays("front", 40 * DAY, 10, lat=47.5))[0].strength


def test_days_abroad_beyond_the_plan_are_told_and_told_again_after_some_days() -> None:
    told = stays("poland", 0, 100, every_s=DAY / 4)
    days = [58 + k / 4 for k in range(100)]
    signals = found(told, "roaming_beyond_limits", days=days)
    assert [round((one.raised_at / 1e9 - START_S) / DAY, 2) for one in signals] == [2.25, 6.0, 10.0, 14.0, 18.0, 22.0]
    assert found(told, days=days, protected=True) == []
    assert found(told, days=[float("nan")] * 100) == []


def test_without_a_counter_the_days_since_it_was_at_home_count_for_travellers_plans() -> None:
    told = stays("poland", 0, 75, every_s=DAY)
    signals = found(told, "roaming_beyond_limits", activation="UA", account="UA", mobile=1)
    assert [round((one.raised_at / 1e9 - START_S) / DAY) for one in signals] == [61, 65, 69, 73]
    assert found(told, "roaming_beyond_limits", activation="UA", account="UA", mobile=0) == []
