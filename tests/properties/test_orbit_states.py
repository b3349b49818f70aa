"""States do not depend on the batch they are asked in, and interpolated ones are within the stated bound."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "orbit"))

from orbit_files import DAY_NS, EPOCH_NS, orbits

from groundrule.frames import OMEGA_EARTH_RAD_S
from groundrule.orbit.propagate import INTERPOLATION_BOUND_M, Propagator

RANDOM = np.random.default_rng(11)
ORBITS = orbits(
    count=60,
    motion=RANDOM.uniform(1.0, 15.9, 60),
    eccentricity=RANDOM.uniform(0, 0.049, 60) * (np.arange(60) % 2),
    inclination=RANDOM.uniform(0, 120, 60),
)
PROPAGATOR = Propagator(ORBITS)


def test_interpolated_states_are_within_the_bound() -> None:
    random = np.random.default_rng(12)
    rows = random.integers(0, 60, 20_000)
    times = EPOCH_NS + random.integers(-2 * DAY_NS, 5 * DAY_NS, 20_000)
    times[:100] -= times[:100] % (30 * 10**9)  # at the nodes themselves
    exact, quick = PROPAGATOR.pairs(rows, times), PROPAGATOR.pairs(rows, times, interpolated=True)
    assert np.array_equal(exact.code, quick.code)
    usable = exact.code == 0
    assert usable.mean() > 0.9
    assert np.abs(exact.r_m - quick.r_m)[usable].max() < INTERPOLATION_BOUND_M
    assert np.abs(exact.v_m_s - quick.v_m_s)[usable].max() < 1e-5


@given(
    pairs=st.lists(st.tuples(st.integers(-1, 59), st.integers(-DAY_NS, DAY_NS)), min_size=1, max_size=30),
    interpolated=st.booleans(),
)
def test_an_answer_depends_on_nothing_else_in_the_batch(pairs: list[tuple[int, int]], interpolated: bool) -> None:
    rows, shifts = np.array(pairs).T
    together = PROPAGATOR.pairs(rows, EPOCH_NS + shifts, interpolated=interpolated)
    for i, (row, shift) in enumerate(pairs):
        alone = PROPAGATOR.pairs([row], [EPOCH_NS + shift], interpolated=interpolated)
        for one, many in zip(alone, together, strict=True):
            assert np.array_equal(one[0], many[i], equal_nan=True)


@given(row=st.integers(0, 59), shift=st.integers(-DAY_NS, DAY_NS))
def test_energy_and_momentum_hold_over_a_second(row: int, shift: int) -> None:
    """The velocity belongs to the position, in the frame that does not turn: both move as a free body does."""
    t = EPOCH_NS + shift
    here, next_ = (PROPAGATOR.pairs([row], [t + k * 10**9]) for k in (0, 1))
    spin = np.array([0, 0, OMEGA_EARTH_RAD_S])
    momentum = [np.cross(s.r_m[0], s.v_m_s[0] + np.cross(spin, s.r_m[0])) for s in (here, next_)]
    assert np.linalg.norm(momentum[1]) == pytest.approx(np.linalg.norm(momentum[0]), rel=2e-5)
    moved = here.r_m[0] + here.v_m_s[0] + 0.5 * here.a_m_s2[0]
    assert np.linalg.norm(moved - next_.r_m[0]) < 0.4  # SGP4's velocity is so far from the derivative of its position
