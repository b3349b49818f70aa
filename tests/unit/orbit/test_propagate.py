"""States: equal to SGP4 turned by hand, a code for everything that cannot be answered, errors for single questions."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from orbit_files import DAY_NS, EPOCH_NS, orbits
from sgp4.api import WGS72, Satrec

from groundrule.errors import InputError, OutOfRange, StaleElements, UnknownSatellite
from groundrule.frames import gmst82_rad, teme_to_ecef
from groundrule.orbit import propagate
from groundrule.orbit.elements import Elements, columns_of, join
from groundrule.orbit.propagate import MEANING, Code, Propagator, error_of

HOUR_NS = 3_600_000_000_000


def by_hand(elements: Elements, row: int, t_ns: int) -> tuple[np.ndarray, np.ndarray]:
    """One state, from the package's scalar interface."""
    satellite = Satrec()
    radians = np.pi / 180
    satellite.sgp4init(
        WGS72, "i", 1, elements.epoch_ns[row] / DAY_NS + 7306.0, elements.bstar[row], 0.0, 0.0, elements.eccentricity[row],
        elements.arg_perigee_deg[row] * radians, elements.inclination_deg[row] * radians,
        elements.mean_anomaly_deg[row] * radians, elements.mean_motion_rev_day[row] * 2 * np.pi / 1440,
        elements.raan_deg[row] * radians,
    )  # fmt: skip
    error, r, v = satellite.sgp4_tsince((t_ns - int(elements.epoch_ns[row])) / 60e9)
    assert error == 0
    return teme_to_ecef(np.array(r) * 1e3, np.array(v) * 1e3, gmst82_rad(t_ns))


def test_states_equal_sgp4_turned_by_hand() -> None:
    elements = join(
        [orbits(count=4), orbits(motion=1.0027, count=2, first=60_001), orbits(motion=2.0056, first=60_011)]
    )
    times = EPOCH_NS + np.array([-5, 0, 1, 30]) * HOUR_NS + 12_345
    states = Propagator(elements).at(times)
    assert states.r_m.shape == (7, 4, 3)
    assert not states.code.any()
    for i in range(len(elements)):
        for j, t in enumerate(times.tolist()):
            r, v = by_hand(elements, i, t)
            assert states.r_m[i, j] == pytest.approx(r, abs=1e-5)
            assert states.v_m_s[i, j] == pytest.approx(v, abs=1e-8)


def test_pairs_are_the_same_states_bit_for_bit() -> None:
    elements = join([orbits(count=5), orbits(motion=2.0056, eccentricity=0.7, inclination=63.4, count=2, first=60_001)])
    propagator = Propagator(elements)
    times = EPOCH_NS + np.arange(6) * 7 * HOUR_NS
    states = propagator.at(times)
    random = np.random.default_rng(3)
    rows, which = random.integers(0, 7, 200), random.integers(0, 6, 200)
    pairs = propagator.pairs(rows, times[which])
    assert np.array_equal(pairs.r_m, states.r_m[rows, which])
    assert np.array_equal(pairs.v_m_s, states.v_m_s[rows, which])


def test_acceleration_is_that_of_the_positions() -> None:
    elements = orbits(count=20, motion=np.linspace(13, 15.9, 20), inclination=np.linspace(0, 98, 20))
    propagator = Propagator(elements)
    rows, t, step = np.arange(20), EPOCH_NS + HOUR_NS, 2_000_000_000
    before, now, after = (propagator.pairs(rows, t + k * step) for k in (-1, 0, 1))
    curve = (after.r_m - 2 * now.r_m + before.r_m) / 4.0
    assert np.abs(curve - now.a_m_s2).max() < 2e-4  # of 8; the rest is the theory's own roughness
    # A light time of 15 ms later, position from the derivatives alone:
    later = propagator.pairs(rows, t + 15_000_000).r_m
    assert np.abs(now.r_m + 0.015 * now.v_m_s + 0.5 * 0.015**2 * now.a_m_s2 - later).max() < 1e-3


def test_every_refusal_has_a_code_and_no_number() -> None:
    elements = join(
        [
            orbits(),
            orbits(first=60_001, epoch_ns=EPOCH_NS - 8 * DAY_NS),
            orbits(first=60_002, epoch_ns=EPOCH_NS + 4 * DAY_NS),
            orbits(first=60_003, motion=16.6, epoch_ns=EPOCH_NS - 6 * DAY_NS),
        ]
    )
    elements = dataclasses.replace(elements, bstar=np.array([0, 0, 0, 0.5]))
    states = Propagator(elements).at(EPOCH_NS)
    assert states.code[:3, 0].tolist() == [Code.OK, Code.STALE, Code.FUTURE_ELEMENTS]
    assert 0 < states.code[3, 0] <= Code.DECAYED
    assert np.isnan(states.r_m[1:]).all()
    assert np.isnan(states.v_m_s[1:]).all()
    pairs = Propagator(elements).pairs([-1, 0, 1, 2, 3], EPOCH_NS)
    assert pairs.code.tolist() == [Code.UNKNOWN_SATELLITE, *states.code[:, 0].tolist()]
    assert np.isnan(np.hstack([pairs.r_m, pairs.v_m_s, pairs.a_m_s2])[[0, 2, 3, 4]]).all()
    free = Propagator(elements, max_age_s=None, max_ahead_s=None).at(EPOCH_NS)
    assert free.code[:3, 0].tolist() == [0, 0, 0]
    assert set(MEANING) == {int(code) for code in Code}


def test_limits_of_age_are_met_exactly() -> None:
    propagator = Propagator(orbits(), max_age_s=3600, max_ahead_s=60)
    times = EPOCH_NS + np.array([HOUR_NS, HOUR_NS + 1, -60 * 10**9, -60 * 10**9 - 1])
    assert propagator.at(times).code[0].tolist() == [0, Code.STALE, 0, Code.FUTURE_ELEMENTS]


def test_a_single_question_raises_a_named_error() -> None:
    propagator = Propagator(orbits())
    r, v = propagator.state(50_001, EPOCH_NS)
    assert 6.8e6 < np.linalg.norm(r) < 7.1e6
    assert 6.5e3 < np.linalg.norm(v) < 8e3
    with pytest.raises(UnknownSatellite, match="`7`"):
        propagator.state(7, EPOCH_NS)
    with pytest.raises(StaleElements, match=r"50001.*older than the limit.*2026-06-03"):
        propagator.state(50_001, EPOCH_NS + 8 * DAY_NS)
    with pytest.raises(StaleElements, match="future"):
        propagator.state(50_001, EPOCH_NS - 8 * DAY_NS)
    with pytest.raises(StaleElements):
        propagator.state(50_001, 0)  # 1970: a clock that was never set
    for code in Code:
        assert isinstance(error_of(int(code), propagator.elements, 0, EPOCH_NS), InputError)


def test_wrong_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no elements"):
        Propagator(columns_of(()))
    propagator = Propagator(orbits(count=2))
    for bad in ([2], [-2], [0, 99]):
        with pytest.raises(OutOfRange, match="no row"):
            propagator.pairs(bad, EPOCH_NS)
    monkeypatch.setattr(propagate, "MAX_STATES", 10)
    with pytest.raises(OutOfRange, match="pieces"):
        propagator.at(np.full(6, EPOCH_NS))
    with pytest.raises(OutOfRange, match="pieces"):
        propagator.pairs(np.zeros(11, int), EPOCH_NS)
    assert propagator.pairs([], []).r_m.shape == (0, 3)


def test_times_of_any_size_answer_with_a_code() -> None:
    propagator = Propagator(orbits())
    times = np.array([-(2**63) + 1, -1, 0, 2**63 - 1])
    codes = propagator.at(times).code[0].tolist()
    assert codes == [Code.FUTURE_ELEMENTS] * 3 + [Code.STALE], "no difference wraps around"
    assert propagator.pairs(np.zeros(4, int), times).code.tolist() == codes
    assert propagator.pairs(np.zeros(4, int), times, interpolated=True).code.tolist() == codes


def test_the_earth_turns_with_ut1() -> None:
    elements = orbits(inclination=0.0)
    here, there = (Propagator(elements, dut1_s=d).at(EPOCH_NS).r_m[0, 0] for d in (0.0, 0.3))
    assert np.linalg.norm(here - there) == pytest.approx(0.3 * 7.2921e-5 * np.linalg.norm(here), rel=1e-4)
