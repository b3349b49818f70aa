"""Properties of the estimator that hold whatever the geometry: turning the Earth, order, duplicates, time, mirror."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from groundrule.verify import model
from groundrule.verify.batch import Batch
from groundrule.verify.solve import solve
from made_looks import away_m, make

SEEDS = st.integers(1, 10_000)
LATS = st.floats(-89.0, 89.0)


def turned(batch: Batch, degrees: float) -> Batch:
    """The whole sky turned about the axis of the Earth."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    looks = batch.looks.copy()
    looks[:, 1:4], looks[:, 4:7] = looks[:, 1:4] @ turn.T, looks[:, 4:7] @ turn.T
    return replace(batch, looks=looks)


@settings(max_examples=25)
@given(SEEDS, LATS, st.floats(-180.0, 180.0))
def test_a_turn_in_longitude_turns_the_answer(seed: int, lat: float, degrees: float) -> None:
    batch = make(lat, 10.0, seed=seed, per_slot=5)
    here, there = solve(batch, lat, 10.1), solve(turned(batch, degrees), lat, 10.1 + degrees)
    assert here.count[0] == there.count[0]
    place = (here.lat_deg[0, 0], here.lon_deg[0, 0] + degrees, here.height_m[0, 0])
    assert away_m(there.lat_deg[0, 0], there.lon_deg[0, 0], there.height_m[0, 0], place) < 0.02
    assert np.allclose(here.covariance[0, 0], there.covariance[0, 0], rtol=1e-4, atol=1e-2)


@settings(max_examples=25)
@given(SEEDS, LATS, st.floats(-1e5, 1e5))
def test_for_a_still_terminal_the_reference_time_does_not_matter(seed: int, lat: float, shift: float) -> None:
    batch = make(lat, 10.0, seed=seed, per_slot=5)
    looks = batch.looks.copy()
    looks[:, model.LOOK_DT] += shift
    assert solve(batch, lat, 10.1).lat_deg.tobytes() == solve(replace(batch, looks=looks), lat, 10.1).lat_deg.tobytes()


@settings(max_examples=25)
@given(SEEDS, LATS)
def test_order_does_not_matter(seed: int, lat: float) -> None:
    batch = make(lat, 10.0, seed=seed, per_slot=5)
    rng = np.random.default_rng(seed)
    order = np.concatenate([5 * s + rng.permutation(5) for s in rng.permutation(4)])
    here, there = solve(batch, lat, 10.1), solve(replace(batch, looks=batch.looks[order]), lat, 10.1)
    place = (here.lat_deg[0, 0], here.lon_deg[0, 0], here.height_m[0, 0])
    assert away_m(there.lat_deg[0, 0], there.lon_deg[0, 0], there.height_m[0, 0], place) < 0.02


@settings(max_examples=25)
@given(SEEDS, LATS)
def test_a_duplicate_is_a_look_of_twice_the_weight(seed: int, lat: float) -> None:
    batch = make(lat, 10.0, seed=seed, per_slot=5)
    later = batch.look_starts + np.array([0, 1, 1, 1, 1])
    doubled = replace(batch, looks=np.insert(batch.looks, 3, batch.looks[3], axis=0), look_starts=later)
    heavy = batch.looks.copy()
    heavy[3, [model.LOOK_RANGE_W, model.LOOK_RATE_W]] *= 2.0
    here, there = solve(doubled, lat, 10.1), solve(replace(batch, looks=heavy), lat, 10.1)
    place = (here.lat_deg[0, 0], here.lon_deg[0, 0], here.height_m[0, 0])
    assert away_m(there.lat_deg[0, 0], there.lon_deg[0, 0], there.height_m[0, 0], place) < 0.02
    assert abs(here.cost[0, 0] - there.cost[0, 0]) < 1e-5
    once = solve(batch, lat, 10.1)
    assert np.linalg.det(here.covariance[0, 0, :2, :2]) < np.linalg.det(once.covariance[0, 0, :2, :2])


@settings(max_examples=25)
@given(SEEDS, st.floats(-70.0, 70.0))
def test_modes_do_not_depend_on_the_side_one_starts_from(seed: int, lat: float) -> None:
    batch = make(lat, 10.0, seed=seed, slots=1, per_slot=3)
    first = solve(batch, lat, 10.05)
    for m in range(int(first.count[0])):
        again = solve(batch, first.lat_deg[0, m], first.lon_deg[0, m])
        assert abs(again.cost[0, 0] - first.cost[0, 0]) < 1e-3
        place = (first.lat_deg[0, 0], first.lon_deg[0, 0], first.height_m[0, 0])
        assert away_m(again.lat_deg[0, 0], again.lon_deg[0, 0], again.height_m[0, 0], place) < 5.0
