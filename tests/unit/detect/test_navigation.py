"""Navigation that is switched off or refuted, service that contradicts decisions, and what looks like it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundrule.detect.navigation import Navigation
from groundrule.detect.service import Service
from groundrule.detect.signals import Signal
from place_rows import Told, facts, name, places, rows_of, stays

OFF, DISTURBED = {"gnss": 3}, {"gnss": 1}
REFUTED, CONFIRMED = {"verdict": 2, "radio": 350_000.0}, {"verdict": 1}
AGAINST, REFUSED, FOLLOWED = {"served": 1, "denied": 1}, {"served": 0, "denied": 0}, {"served": 1, "denied": 0}


def found(told: Told, watch: type[Navigation] | type[Service] = Navigation) -> list[Signal]:
    return watch().update(rows_of(told), facts(64), places(), name)


def test_navigation_switched_off_is_a_weak_signal_told_once_an_episode() -> None:
    signals = found(stays("ukraine", 0, 100, **OFF))
    assert [one.kind for one in signals] == ["gnss_inhibited"]
    assert signals[0].strength < 0.2
    assert found(stays("front", 0, 100, **OFF))[0].strength == pytest.approx(0.3)
    assert len(found(stays("ukraine", 0, 300, **OFF))) == 3  # five, thirty-five and sixty-five minutes
    assert len(signals[0].offending) == 16


@pytest.mark.parametrize(
    "told",
    [
        stays("ukraine", 0, 15, **OFF) + stays("ukraine", 240, 20) + stays("ukraine", 600, 15, **OFF),  # short
        stays("ukraine", 0, 40, **DISTURBED) + stays("ukraine", 600, 300, **OFF),  # who lives under a jammer
        stays("ukraine", 0, 100, gnss=2),  # lost
    ],
)
def test_what_is_not_told_of_navigation(told: Told) -> None:
    assert found(told) == []


def test_the_excuse_ends_a_day_after_the_disturbance() -> None:
    told = stays("ukraine", 0, 4, **DISTURBED) + stays("ukraine", 26 * 3600, 40, **OFF)
    assert [one.kind for one in found(told)] == ["gnss_inhibited"]


def test_a_place_that_radio_refutes_again_and_again_is_told() -> None:
    signals = found(stays("poland", 0, 60, **REFUTED))
    assert [one.kind for one in signals] == ["spoofed_position"]
    assert signals[0].found == (("refuted observations", 13.0, ""), ("radio from claim", 350_000.0, "m"))


@pytest.mark.parametrize(
    "told",
    [
        stays("poland", 0, 8, **REFUTED) + stays("poland", 120, 8, **CONFIRMED) + stays("poland", 240, 8, **REFUTED),  # one wrong verdict
        stays("poland", 0, 60, **REFUTED, **DISTURBED),  # everybody around is led astray
        stays("poland", 0, 60, verdict=3),  # ambiguous
    ],
)
def test_what_is_not_told_of_places(told: Told) -> None:
    assert found(told) == []


def test_service_against_a_decision_is_told_after_the_grace() -> None:
    signals = found(stays("front", 0, 60, **AGAINST), Service)
    assert [one.kind for one in signals] == ["served_against_decision"]
    assert signals[0].raised_at - signals[0].from_at == 180 * 10**9


@pytest.mark.parametrize(
    "told",
    [
        stays("front", 0, 11, **AGAINST) + stays("front", 165, 60, served=0, denied=1),  # the network needs a moment
        stays("front", 0, 60, **FOLLOWED),
        stays("front", 0, 30, **REFUSED) + stays("front", 450, 60, **FOLLOWED),  # a restart
        stays("front", 0, 300, denied=1),  # nothing measured
        stays("front", 0, 300, served=1),  # nothing decided
    ],
)
def test_service_that_follows_decisions_is_not_told(told: Told) -> None:
    assert found(told, Service) == []


def test_one_refusal_is_weak_and_a_regions_is_not() -> None:
    alone = found(stays("ukraine", 0, 60, **REFUSED), Service)
    assert [(one.strength, one.group) for one in alone] == [(0.1, None)]
    region = [one for row in range(12) for one in stays("ukraine", 0, 60, row=row, lat=48.1 + row / 1000, **REFUSED)]
    signals = found(region, Service)
    together = [one for one in signals if one.strength == 0.5]
    assert {one.group for one in together} == {"place:48.00,35.00"}
    assert sorted(one.terminal_id for one in together) == [name(row) for row in range(12)]
    assert len(signals) == 9 + 12


@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, 400), max_size=10))
@settings(max_examples=40)
def test_every_split_gives_the_same_signals(seed: int, cuts: list[int]) -> None:
    told: Told = []
    for row in range(20):
        states = [{}, OFF, DISTURBED, REFUTED, CONFIRMED, AGAINST, REFUSED, FOLLOWED, {**OFF, **AGAINST}]
        for part in range(4):
            chosen = states[(seed * 7 + row * 31 + part * (row + 3)) % len(states)]
            told += stays("front", part * 1_500 + row, 5 if (seed + row + part) % 4 == 0 else 90, row=row, **chosen)  # type: ignore[arg-type]  # fields of a row
    rows, known, where = rows_of(told), facts(20), places()
    edges = sorted(cut * len(rows) // 400 for cut in cuts)
    for watch in (Navigation, Service):
        whole = watch().update(rows, known, where, name)
        parts, cut = watch(), []
        for begin, end in zip([0, *edges], [*edges, len(rows)], strict=True):
            cut += parts.update(rows.part(begin, end), known, where, name)
        assert cut == whole
        assert whole
        assert parts.nbytes == 20
