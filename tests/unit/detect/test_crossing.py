"""Crossings of borders and control lines, what lies beside them, and that batches make no difference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundrule.detect.rows import Rows
from groundrule.detect.signals import Signal
from groundrule.detect.whereabouts import Whereabouts
from place_rows import START_S, facts, name, places, rows_of, stays


def found(told: list[dict[str, object]], **about: object) -> list[Signal]:
    return Whereabouts().update(rows_of(told), facts(8, **about), places(), name)  # type: ignore[arg-type]  # keywords of facts


def drive(*legs: tuple[str, int], speed_m_s: float = 20.0) -> list[dict[str, object]]:
    """One terminal that drives north through places, so many reports in each."""
    told: list[dict[str, object]] = []
    for place, count in legs:
        begin = len(told) * 15.0
        told += stays(place, begin, count, speed_m_s=speed_m_s, lat=48.0 + speed_m_s * begin / 111_195.0)
    return told


def test_a_car_that_crosses_a_border_is_raised_once_after_two_minutes_inside() -> None:
    signals = found(drive(("ukraine", 20), ("edge", 3), ("poland", 40)))
    assert [(one.kind, one.group) for one in signals] == [("border_crossing", "border:UA-PL")]
    assert signals[0].from_at == (START_S + 23 * 15) * 10**9
    assert signals[0].raised_at == signals[0].from_at + 120 * 10**9
    assert signals[0].strength == pytest.approx(0.15)
    assert found(drive(("ukraine", 20), ("poland", 40)), mobile=0)[0].strength == pytest.approx(0.5)


def test_crossing_a_control_line_through_the_front_is_raised() -> None:
    signals = found(drive(("held", 20), ("edge", 20), ("occupied", 20)))
    assert [(one.kind, one.group) for one in signals] == [("control_line_crossing", "line:ua-held-ru-held")]


@pytest.mark.parametrize(
    "told",
    [
        drive(*[("ukraine", 3), ("edge", 1), ("poland", 3), ("edge", 2)] * 20, speed_m_s=1.0),  # noise at a border
        drive(*[("ukraine", 30), ("sea", 10), ("sea_poland", 60), ("sea", 60)] * 3, speed_m_s=8.0),  # a ship along a border
        drive(("ukraine", 20), ("poland", 60), speed_m_s=240.0),  # an airliner
        drive(("ukraine", 20), ("poland", 2), ("ukraine", 20), ("poland", 2)),  # displaced fixes
        drive(("held", 40), ("edge", 400)),  # into the front and no farther
        stays("ukraine", 0, 20) + stays("poland", 300, 60),  # the border moved over what lay still
        stays("held", 0, 20) + stays("occupied", 300, 60),  # the line did
        stays("ukraine", 0, 20) + stays("poland", 300, 60, gnss=1, lat=52.0),  # what a disturbed area shows
        stays("poland", 0, 60),  # first seen abroad
    ],
)
def test_what_is_no_crossing(told: list[dict[str, object]]) -> None:
    assert found(told) == []


def test_a_ship_that_lands_elsewhere_has_crossed_once() -> None:
    told = drive(("ukraine", 20), ("sea", 50), ("sea_poland", 50), ("poland", 30), speed_m_s=8.0)
    assert [one.group for one in found(told)] == ["border:UA-PL"]


def crowd(seed: int, count: int = 900) -> Rows:
    """Five terminals that wander through all places, with sleep, disturbance and flights."""
    rng = np.random.default_rng(seed)
    told: list[dict[str, object]] = []
    for row in range(5):
        t, where, lat = float(rng.uniform(0, 60)), "ukraine", 48.0
        for _ in range(count // 5):
            t += float(rng.choice([1.0, 5.0, 15.0, 600.0, 90_000.0, 30 * 86_400.0], p=[0.05, 0.1, 0.8, 0.03, 0.01, 0.01]))
            if rng.random() < 0.08:
                where = str(rng.choice(["ukraine", "poland", "front", "occupied", "edge", "sea", "front_edge", "held"]))
            lat += float(rng.choice([0.0, 0.002, 0.01, 0.3], p=[0.4, 0.4, 0.15, 0.05]))
            told.append({
                "t": round(t, 3), "row": row, "place": where, "lat": 40 + lat % 20, "gnss": int(rng.choice([0, 1], p=[0.95, 0.05])),
                "verdict": int(rng.choice([0, 2], p=[0.97, 0.03])),
            })  # fmt: skip
    return rows_of(told)


@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, 900), max_size=12))
@settings(max_examples=40)
def test_every_split_into_batches_gives_the_same_signals(seed: int, cuts: list[int]) -> None:
    rows, known, where = crowd(seed), facts(5, activation="PL", account="PL"), places()
    days = np.linspace(50, 90, len(rows))
    whole = Whereabouts().update(rows, known, where, name, days_abroad=days)
    watch, parts = Whereabouts(), []
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(rows)], strict=True):
        parts += watch.update(rows.part(begin, end), known, where, name, days_abroad=days[begin:end])
    assert parts == whole
    if seed < 5:
        assert {one.kind for one in whole} >= {"border_crossing", "used_elsewhere"}


def test_terminals_do_not_disturb_each_other() -> None:
    rows, known, where = crowd(3), facts(5, activation="PL"), places()
    together = Whereabouts().update(rows, known, where, name)
    watch = Whereabouts()
    watch.began_s = int(rows.t_ns[0] // 10**9)
    alone = []
    for row in range(5):
        mine = Rows(*(getattr(rows, field)[rows.row == row] for field in Rows.__slots__))
        alone += watch.update(mine, known, where, name)
    assert sorted(one.id for one in alone) == sorted(one.id for one in together)


def test_memory_is_small_and_grows() -> None:
    watch = Whereabouts(terminals=100)
    assert watch.nbytes <= 40 * 100
    watch.grow(1_000)
    assert len(watch) >= 1_000
    assert watch.memory["country"][-1] == -1
