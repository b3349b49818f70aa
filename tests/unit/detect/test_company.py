"""Compounds and convoys, the innocent crowds beside them, and that neither batches nor order make a difference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundrule.detect.company import Company
from groundrule.detect.linking import groups_of
from groundrule.detect.rows import Facts, Rows
from groundrule.detect.signals import Signal
from groundrule.detect.whereabouts import Whereabouts
from place_rows import START_S, Told, facts, name, places, rows_of, stays

M = 1 / 111_195.0


def watched(rows: Rows, known: Facts, cuts: tuple[int, ...] = ()) -> list[Signal]:
    where, watch = places(), Whereabouts()
    company = Company(watch)
    signals: list[Signal] = []
    for begin, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        part = rows.part(begin, end)
        watch.update(part, known, where, name)
        signals += company.update(part, known, where, name)
    assert company.late == 0
    return signals + company.finish(name)


def crowd(count: int, minutes: int, spread_m: float, place: str = "russia", **more: object) -> Told:
    """Terminals that lie about in a square."""
    lat, lon = np.array([[48.0], [35.0]]) + M * np.random.default_rng(count).uniform(0, spread_m, (2, count))
    return [
        one
        for row in range(count)
        for one in stays(place, 3.0 * row % 15, minutes * 4, row=row, lat=lat[row], lon=lon[row], **more)
    ]


def column(count: int, minutes: int, gap_m: float, *, place: str = "ukraine", speed_m_s: float = 14.0, **more: object) -> Told:
    """Vehicles that drive north, one behind the other."""
    return [
        one
        for row in range(count)
        for one in stays(place, 3.0 * row % 15, minutes * 4, row=row, lat=48 - row * gap_m * M, speed_m_s=speed_m_s, **more)
    ]


def unrelated(count: int, **about: object) -> Facts:
    made = facts(count, **about)  # type: ignore[arg-type]  # keywords of facts
    made.account[:] = made.party[:] = np.arange(count)
    return made


def test_many_unrelated_terminals_away_from_home_in_one_place_are_a_compound() -> None:
    signals = watched(rows_of(crowd(12, 25, 250)), unrelated(12, activation="PL"))
    assert {one.kind for one in signals} == {"compound"}
    assert {one.terminal_id for one in signals} == {name(row) for row in range(12)}
    assert len(signals) == 12
    assert len({one.group for one in signals}) == 1
    assert signals[0].group is not None
    assert signals[0].group.startswith("place:48.001")
    assert (signals[0].raised_at / 1e9 - START_S) % 60 == 15
    assert signals[0].strength == pytest.approx(0.25)
    assert {one.terminal_id for one in signals[0].offending} == {None, *(name(row) for row in range(1, 12))}


def at_home_first(count: int) -> Told:
    return [one for row in range(count) for one in stays("poland", -90_000 + row, 2, row=row, lat=52.0)]


@pytest.mark.parametrize(
    ("told", "about"),
    [
        (crowd(12, 25, 250), {"activation": "RU"}),  # an apartment block, a hospital
        (crowd(12, 25, 250), {"activation": "PL", "protected": True}),  # an aid station
        (at_home_first(12) + crowd(12, 25, 250), {"activation": "PL"}),  # refugees, travellers, a festival's guests
        (crowd(7, 25, 250), {"activation": "PL"}),  # few
        (crowd(12, 10, 250), {"activation": "PL"}),  # short
        (crowd(12, 25, 250, "edge"), {"activation": "PL"}),  # who knows where
        (crowd(60, 25, 4_000), {"activation": "PL"}),  # a town
        (crowd(12, 25, 250, gnss=1), {"activation": "PL"}),  # a circle of a jammer
    ],
)
def test_crowds_that_are_no_compound(told: Told, about: dict[str, object]) -> None:
    assert watched(rows_of(told), unrelated(64, **about)) == []


def test_terminals_of_one_party_are_no_compound() -> None:
    known = unrelated(12, activation="PL")
    known.party[:] = 3
    assert watched(rows_of(crowd(12, 25, 250)), known) == []
    known.party[:] = known.account[:] = -1
    assert watched(rows_of(crowd(12, 25, 250)), known) == []


def test_vehicles_of_unrelated_accounts_that_drive_together_are_a_convoy() -> None:
    signals = watched(rows_of(column(8, 12, 90)), unrelated(8, activation="PL"))
    assert {one.kind for one in signals} == {"convoy"}
    assert len({one.terminal_id for one in signals}) == 8
    assert {one.group for one in signals} == {f"convoy:{START_S // 60 + 1}:{name(0)}"}
    assert signals[0].strength == pytest.approx(0.45)
    assert dict((what, value) for what, value, _ in signals[0].found)["speed"] == pytest.approx(50.4, abs=0.5)  # noqa: C402 - three in a row
    at_home = watched(rows_of(column(8, 12, 90)), unrelated(8, activation="UA"))
    assert {one.strength for one in at_home} == {0.15}  # an evacuation looks like this


@pytest.mark.parametrize(
    "told",
    [
        column(8, 12, 45),  # passengers of a train
        column(8, 12, 0.5),  # of a bus
        column(5, 12, 120),  # few
        column(8, 4, 90),  # short
        column(8, 12, 90, place="sea"),  # ships, a ferry
        column(8, 12, 900),  # traffic, far apart
        column(8, 12, 90, speed_m_s=2.0),  # a queue at a crossing
        column(4, 12, 150) + [{**one, "row": 4 + int(str(one["row"]))} for one in column(4, 12, 150, speed_m_s=25.0)],  # two lanes
    ],
)
def test_traffic_that_is_no_convoy(told: Told) -> None:
    assert watched(rows_of(told), unrelated(64, activation="PL")) == []


def test_one_operators_vehicles_and_an_aid_convoy_are_none() -> None:
    known = unrelated(8, activation="PL")
    known.party[:] = 0
    assert watched(rows_of(column(8, 12, 90)), known) == []
    known = unrelated(12, activation="PL")
    known.protected[:4] = True
    assert watched(rows_of(column(12, 12, 90)), known) == []


def world() -> tuple[Rows, Facts]:
    told = crowd(12, 22, 250) + [{**one, "row": 12 + int(str(one["row"]))} for one in column(9, 22, 90)]
    rng = np.random.default_rng(5)
    told = [one for one in told if rng.random() > 0.05]
    return rows_of(told), unrelated(21, activation="PL")


@given(cuts=st.lists(st.integers(0, 1_700), max_size=12))
@settings(max_examples=25)
def test_every_split_gives_the_same_signals(cuts: list[int]) -> None:
    rows, known = world()
    whole = watched(rows, known)
    assert {one.kind for one in whole} == {"compound", "convoy"}
    edges = tuple(sorted(min(cut, len(rows)) for cut in cuts))
    assert watched(rows, known, edges) == whole


@given(seed=st.integers(0, 1_000))
@settings(max_examples=25)
def test_numbers_of_terminals_and_their_order_within_a_moment_make_no_difference(seed: int) -> None:
    rows, known = world()
    whole = watched(rows, known)
    rng = np.random.default_rng(seed)
    number = rng.permutation(21).astype(np.int32)
    back = np.argsort(number)
    order = np.lexsort((rng.random(len(rows)), rows.t_ns))
    mixed = Rows(*(getattr(rows, field)[order] for field in Rows.__slots__))
    mixed = Rows(number[mixed.row], *(getattr(mixed, field) for field in Rows.__slots__[1:]))
    other = unrelated(21, activation="PL")
    other.account[:] = other.party[:] = back
    where, watch = places(), Whereabouts()
    company = Company(watch)
    watch.update(mixed, other, where, lambda row: name(int(back[row])))
    found = company.update(mixed, other, where, lambda row: name(int(back[row])))
    found += company.finish(lambda row: name(int(back[row])))
    key = [(one.id, one.raised_at, one.strength, one.found) for one in whole]
    assert sorted(key) == sorted((one.id, one.raised_at, one.strength, one.found) for one in found)


def test_what_comes_after_its_minute_is_counted_and_left_out() -> None:
    rows, known = world()
    where, company = places(), Company(Whereabouts())
    late = rows_of([{**one, "row": 3} for one in stays("russia", 600, 8, lat=48.001, lon=35.001)])
    for part in (rows, late):
        company.whereabouts = Whereabouts()
        company.whereabouts.update(part, known, where, name)
        company.update(part, known, where, name)
    assert company.late > 0


@given(seed=st.integers(0, 10_000), west=st.booleans())
@settings(max_examples=30)
def test_groups_are_those_of_comparing_all_pairs(seed: int, west: bool) -> None:
    rng = np.random.default_rng(seed)
    n = 80
    lat, lon = rng.uniform(-40, 60) + rng.uniform(0, 0.02, n), (-1 if west else 1) * rng.uniform(0.01, 100) + rng.uniform(0, 0.02, n)
    speed, course = rng.uniform(10, 14, n), rng.uniform(0, 1, n)
    for moving in (False, True):
        got = groups_of(lat, lon, 200.0, speed_m_s=speed if moving else None, course_rad=course if moving else None)
        east = (lon[:, None] - lon) * np.cos(np.radians(lat))[:, None]
        near = np.hypot(lat[:, None] - lat, east) / M <= 200.0
        if moving:
            near &= abs(course[:, None] - course) <= 0.35
            near &= abs(speed[:, None] - speed) <= 0.2 * np.maximum(speed[:, None], speed)
        near |= near.T
        for _ in range(7):
            near = (near.astype(int) @ near.astype(int)) > 0
        assert (near == (got[:, None] == got)).all()
