"""Light is traced as it flies, satellites fly off their elements as they are told to, and attackers do what their class can.

The judge of ranges is a second tracer (`radio_world.traced`), written apart; of Doppler, differences of arrival times.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from groundrule.errors import InputError
from groundrule.frames import C_M_S, ecef_to_geodetic, enu_axes, geodetic_to_ecef
from groundrule.instant import NS_PER_S, parse_instant
from groundrule.orbit.elements import Elements
from groundrule.orbit.generate import Shell, walker
from groundrule.orbit.propagate import Propagator
from groundrule.simulate import attackers
from groundrule.simulate.attackers import Values, as_bound, forge
from groundrule.simulate.radio import Physics, trace
from groundrule.simulate.sky import Sky
from groundrule.verify.model import displace
from radio_world import traced

START = parse_instant("2026-06-03T05:00:12Z")
BARE = Physics(light_time=True, atmosphere=False, relativity=False)


@pytest.fixture(scope="module")
def elements() -> Elements:
    return walker((Shell(550.0, 53.0, 24, 22, 360.0, 17),), START - 2 * 3600 * NS_PER_S, constellation="invented")


@pytest.fixture(scope="module")
def sky(elements: Elements) -> Sky:
    return Sky(elements, START)


def places(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.uniform(-50, 50, n), rng.uniform(-180, 180, n)


def served(sky: Sky, n: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    lat, lon = places(n)
    seen = sky.seen(lat, lon, np.zeros(n), START, 25.0)
    return lat, lon, np.array([seen.of(i)[0] if len(seen.of(i)) else -1 for i in range(n)], np.int64)


def one_slot(sky: Sky, physics: Physics, t_ns: np.ndarray, v_m_s: float = 0.0) -> tuple:  # type: ignore[type-arg]  # of a test
    lat, lon, row = served(sky)
    used, which = np.unique(row[row >= 0], return_inverse=True)
    lat, lon = lat[row >= 0], lon[row >= 0]
    axes = enu_axes(lat, lon)
    x = np.repeat(geodetic_to_ecef(lat, lon, 0.0)[:, None], len(t_ns), axis=1)
    v = np.repeat(v_m_s * axes[:, 0][:, None], len(t_ns), axis=1)
    arcs = sky.arcs(used, START, 15.0)
    return used[which], x, v, arcs, which, trace(arcs, which, t_ns, x, v, axes[:, 2], np.zeros(len(lat)), physics)


def test_ranges_are_those_of_another_tracer_and_rates_nearly(elements: Elements, sky: Sky) -> None:
    t = START + np.array([0, 4, 9, 14]) * NS_PER_S
    rows, x, v, _, _, found = one_slot(sky, BARE, t, 200.0)
    assert len(rows) > 150
    propagator = Propagator(elements)
    for j, instant in enumerate(t.tolist()):
        got = propagator.pairs(rows, np.full(len(rows), instant))
        ranges, rates = traced(got.r_m, got.v_m_s, x[:, j], v[:, j])
        assert np.abs(found.range_m[:, j] - ranges).max() < 2e-3
        # SGP4's velocity, which the other tracer is given, is not the derivative of its positions (docs/orbits.md).
        assert 1e-4 < np.abs(found.rate_m_s[:, j] - rates).max() < 0.12
    up = enu_axes(*ecef_to_geodetic(x[:, 0])[:2])[:, 2]
    gap = propagator.pairs(rows, np.full(len(rows), t[0])).r_m - x[:, 0]
    sine = np.sum(gap * up, axis=1) / np.linalg.norm(gap, axis=1)
    assert np.abs(np.sin(np.radians(found.elevation_deg[:, 0])) - sine).max() < 1e-4


def test_the_rate_is_how_times_of_arrival_stretch(sky: Sky) -> None:
    step = 5_000_000  # ns
    at = START + 7 * NS_PER_S
    t = np.array([at - step, at, at + step])
    _, x, _, arcs, which, found = one_slot(sky, BARE, t)
    # Terminals at rest on the Earth: the uplink's flight at two instants, traced here with the way alone.
    flight = np.zeros((len(which), 2))
    omega = 7.2921150e-5
    for j, instant in ((0, t[0]), (1, t[2])):
        after = (instant - arcs.middle_ns) / NS_PER_S
        c, s = math.cos(omega * after), math.sin(omega * after)
        here = np.stack([c * x[:, j, 0] - s * x[:, j, 1], s * x[:, j, 0] + c * x[:, j, 1], x[:, j, 2]], axis=1)
        for _ in range(8):
            power = ((after + flight[:, j]) / arcs.half_s)[:, None] ** np.arange(arcs.coefficients.shape[1])
            satellite = np.einsum("np,npc->nc", power, arcs.coefficients[which])
            flight[:, j] = np.linalg.norm(satellite - here, axis=1) / C_M_S
    stretch = 1.0 + (flight[:, 1] - flight[:, 0]) / (2 * step / NS_PER_S)
    assert np.abs((1.0 - 1.0 / stretch) * C_M_S - found.rate_m_s[:, 1]).max() < 1e-3


def test_what_each_switch_costs(sky: Sky) -> None:
    t = START + np.array([7]) * NS_PER_S
    whole = one_slot(sky, Physics(), t)[-1]
    bare = one_slot(sky, BARE, t)[-1]
    still = one_slot(sky, Physics(light_time=False, atmosphere=False, relativity=False), t)[-1]
    air = (whole.range_m - bare.range_m)[:, 0]
    high = whole.elevation_deg[:, 0] > 70
    assert 2.3 < air[high].min() < air[high].max() < 2.8
    assert 4.0 < air.max() < 6.5  # at 25 degrees
    clocks = (whole.rate_m_s - bare.rate_m_s)[:, 0]
    # Half the square of the speed less the height, over c: the same for all satellites of a shell within millimetres a second.
    assert np.abs(clocks + 0.0805).max() < 0.02
    assert np.ptp(clocks) < 0.01
    assert np.abs(bare.range_m - still.range_m).max() < 0.01  # both legs cancel
    assert 0.05 < np.abs(bare.rate_m_s - still.rate_m_s).max() < 0.5  # the uplink alone does not


def test_a_way_goes_through_what_sgp4_gives(elements: Elements, sky: Sky) -> None:
    rows = np.arange(0, len(elements), 7)
    arcs = sky.arcs(rows, START, 120.0)  # the longest slot
    for after in (-61.0, -33.3, 0.0, 12.7, 61.0):
        at = arcs.middle_ns + round(after * NS_PER_S)
        power = (after / arcs.half_s) ** np.arange(arcs.coefficients.shape[1])
        way = np.einsum("p,npc->nc", power, arcs.coefficients)
        exact = Propagator(elements).pairs(rows, np.full(len(rows), at)).r_m
        turn = 7.2921150e-5 * after
        c, s = math.cos(turn), math.sin(turn)
        exact = np.stack([c * exact[:, 0] - s * exact[:, 1], s * exact[:, 0] + c * exact[:, 1], exact[:, 2]], axis=1)
        assert np.abs(way - exact).max() < 2e-3


def test_an_error_moves_the_satellite_as_the_estimator_means_it(elements: Elements) -> None:
    error = np.tile([30_000.0, 400.0, -700.0], (len(elements), 1))
    sky = Sky(elements, START, error_m=error)
    rows = np.arange(0, len(elements), 5)
    arcs = sky.arcs(rows, START, 15.0)
    got = Propagator(elements).pairs(rows, np.full(len(rows), arcs.middle_ns))
    told, _ = displace(got.r_m, got.v_m_s, error[rows])
    assert np.linalg.norm(arcs.coefficients[:, 0] - told, axis=1).max() < 10.0  # 30 km along the orbit by two ways of going
    assert np.linalg.norm(arcs.coefficients[:, 0] - got.r_m, axis=1).min() > 29_000
    as_told = sky.arcs(rows, START, 15.0, as_told=True)
    assert np.abs(as_told.coefficients[:, 0] - got.r_m).max() < 1e-3


def test_truth_may_come_from_other_elements(elements: Elements) -> None:
    later = walker((Shell(552.0, 53.0, 24, 22, 360.0, 17),), START, constellation="invented")
    sky = Sky(elements, START, true=later)
    rows = np.arange(10)
    gap = sky.arcs(rows, START, 15.0).coefficients[:, 0] - sky.arcs(rows, START, 15.0, as_told=True).coefficients[:, 0]
    assert np.linalg.norm(gap, axis=1).min() > 1_900.0
    strange = walker((Shell(550.0, 53.0, 2, 2),), START, constellation="other", first_number=990_000_001)
    with pytest.raises(InputError, match="no satellite is in both sets"):
        Sky(elements, START, true=strange)


def test_ut1_turns_the_sky(elements: Elements, sky: Sky) -> None:
    late = Sky(elements, START, dut1_s=0.1)
    rows = np.arange(5)
    gap = late.arcs(rows, START, 15.0).coefficients[:, 0] - sky.arcs(rows, START, 15.0).coefficients[:, 0]
    away = np.hypot(*sky.arcs(rows, START, 15.0).coefficients[:, 0, :2].T) * 7.292e-6
    assert np.allclose(np.linalg.norm(gap, axis=1), away, rtol=0.01)


def test_attackers_do_what_their_class_can_and_no_more() -> None:
    rng = np.random.default_rng(1)
    n = len(attackers.CLASSES)
    kind = np.arange(n)
    true = Values(rng.uniform(6e5, 1e6, (n, 15)), rng.uniform(-7e3, 7e3, (n, 15)))
    claimed = Values(true.range_m + rng.uniform(-2e5, 2e5, (n, 1)), rng.uniform(-7e3, 7e3, (n, 15)))
    got = forge(kind, true, claimed, np.full(n, 1234.0))
    same = (got.range_m == true.range_m).all(axis=1), (got.rate_m_s == true.rate_m_s).all(axis=1)
    honest_range = [attackers.NONE, attackers.A0, attackers.A1R, attackers.A4]
    honest_rate = [attackers.NONE, attackers.A0, attackers.A1, attackers.A1D, attackers.A4]
    assert same[0][honest_range].all()
    assert same[1][honest_rate].all()
    assert np.allclose(got.range_m[attackers.A1] - true.range_m[attackers.A1], 1234.0)
    for forged in (attackers.A1D, attackers.A3):
        assert np.array_equal(got.range_m[forged], claimed.range_m[forged])
    for forged in (attackers.A1R, attackers.A2, attackers.A3):
        assert np.array_equal(got.rate_m_s[forged], claimed.rate_m_s[forged])
    added = got.range_m[attackers.A2] - true.range_m[attackers.A2]
    assert np.ptp(added) < 1e-6
    assert added.min() >= 0
    near = Values(true.range_m[:1] - 5e4, true.rate_m_s[:1])
    short = forge(np.array([attackers.A2]), Values(true.range_m[:1], true.rate_m_s[:1]), near, np.zeros(1))
    assert np.array_equal(short.range_m, true.range_m[:1])  # a range cannot be made shorter
    assert as_bound("A3", "network") == attackers.A3
    assert as_bound("A3", "nonce_bound") == as_bound("A3", "attested") == attackers.A2
