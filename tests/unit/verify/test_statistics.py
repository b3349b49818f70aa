"""Tests of a claim: their null distributions by small simulation, and the pieces by definition."""

from __future__ import annotations

import math

import numpy as np
import pytest

from groundrule.frames import enu_axes, geodetic_to_ecef
from groundrule.verify import detectability, statistics, zones
from groundrule.verify.batch import Batch, Priors
from groundrule.verify.chances import chi2_point, noncentral_tail
from groundrule.verify.solve import solve
from made_looks import make

PLACE = (43.5, 34.0)


def claimed(batch: Batch, offset: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    n = len(batch)
    lat, lon = np.full(n, PLACE[0]), np.full(n, PLACE[1])
    return (lat, lon) if offset is None else statistics.displaced(lat, lon, np.broadcast_to(offset, (n, 2)))


@pytest.fixture(scope="module")
def honest() -> tuple[Batch, object]:
    # Noise is all that is drawn, so nothing else may be unknown.
    known = Priors(height_sigma_m=0.0, delta_sigma_m=0.0, f_sigma_m_s=0.0)
    batch = make(*PLACE, runs=3_000, seed=5, priors=known, covariance=1e-4 * np.eye(3))
    return batch, solve(batch, *claimed(batch))


def test_t1_of_honest_claims_is_chi_square_with_two_degrees(honest: tuple) -> None:
    batch, found = honest
    got = statistics.claim_tests(batch, found, *claimed(batch), np.zeros(len(batch)), 1.0, np.full(len(batch), 18.42))
    assert np.mean(got.t1) == pytest.approx(2.0, abs=0.15)
    for alpha in (0.1, 0.01):
        expected = alpha * len(batch)
        assert abs(np.sum(got.t1 > chi2_point(alpha, 2.0)) - expected) < 4 * math.sqrt(expected)
    assert np.mean(found.cost[:, 0] / found.dof) == pytest.approx(1.0, abs=0.01)


def test_t1_takes_the_claims_own_sigma_into_account(honest: tuple) -> None:
    batch, found = honest
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 60.0, (len(batch), 2))
    got = statistics.claim_tests(
        batch, found, *claimed(batch, noise), np.full(len(batch), 60.0), 1.0, np.full(len(batch), 18.42)
    )
    assert np.mean(got.t1) == pytest.approx(2.0, abs=0.2)


def test_chance_of_detection_is_the_noncentral_one(honest: tuple) -> None:
    batch, found = honest
    p = np.median(found.horizontal()[:, 0], axis=0)
    threshold = chi2_point(1e-3, 2.0)
    for direction in (np.array([1.0, 0.0]), np.array([0.0, 1.0])):
        size = math.sqrt(12.0 / (direction @ np.linalg.solve(p, direction)))
        got = statistics.claim_tests(
            batch, found, *claimed(batch, size * direction), np.zeros(len(batch)), 1.0, np.full(len(batch), threshold)
        )
        expected = noncentral_tail(threshold, 2.0, 12.0)
        assert np.mean(got.t1 > threshold) == pytest.approx(expected, abs=0.03)
        assert detectability.chance_at(p, threshold, size * direction) == pytest.approx(expected)


def test_t3_is_nothing_within_tolerance_falls_to_the_edge_and_never_exceeds_t1(honest: tuple) -> None:
    batch, _ = honest
    part = batch.take(np.arange(40))
    modes = solve(part, *claimed(part))
    for away, d0 in ((400.0, 500.0), (700.0, 500.0), (20e3, 10e3)):
        got = statistics.claim_tests(
            part, modes, *claimed(part, np.array([away, 0.0])), np.zeros(40), d0, np.full(40, 18.42)
        )
        assert (got.t3 <= got.t1 + 1e-9).all()
        if away < d0 - 200:
            assert (got.t3 == 0).all()
        if away == 20e3:
            assert (got.t3 > 18.42).all()
    # Against brute force over the edge: the least of 360 points on it is not below the value found.
    away, d0 = 700.0, 500.0
    claim = claimed(part, np.array([away, 0.0]))
    got = statistics.claim_tests(part, modes, *claim, np.zeros(40), d0, np.zeros(40))
    turn = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    least = np.full(40, math.inf)
    for angle in turn:
        lat, lon = statistics.displaced(*claim, np.tile(d0 * np.array([math.sin(angle), math.cos(angle)]), (40, 1)))
        there = statistics.profile(part, lat, lon)
        least = np.minimum(least, there.cost - modes.cost[:, 0])
    outside = got.t3 > 0
    assert outside.sum() > 20
    np.testing.assert_array_less(got.t3[outside], least[outside] * 1.01 + 0.05)


def test_steps_within_a_disc_minimise() -> None:
    rng = np.random.default_rng(2)
    for _ in range(30):
        m = rng.normal(size=(2, 2))
        a, b, r = m @ m.T + 1e-3 * np.eye(2), rng.normal(size=2) * 3, 1.0
        at, out = rng.uniform(-0.6, 0.6, (1, 2)), np.zeros((1, 2))
        statistics._disc_steps(a[None], b[None], at, np.array([r]), out)
        turn, size = np.meshgrid(np.linspace(0, 2 * math.pi, 400), np.linspace(0, r, 60))
        z = np.stack([size * np.cos(turn), size * np.sin(turn)], -1).reshape(-1, 2) - at[0]
        cost = np.einsum("ni,ij,nj->n", z, a, z) - 2 * z @ b
        y = out[0]
        assert np.hypot(*(at[0] + y)) <= r + 1e-9
        assert y @ a @ y - 2 * b @ y <= cost.min() + 1e-3


def test_t4_fires_on_short_ranges_only() -> None:
    batch = make(*PLACE, runs=200, seed=8)
    n = len(batch)
    none, zero = np.full(n, math.nan), np.zeros(n)
    honest = statistics.one_sided(batch, *claimed(batch), none, zero, 1e-4)
    assert not honest.fires.any()
    looks = batch.looks.copy()
    looks[:, 7] += 20e3
    late = statistics.one_sided(batch.__class__(looks, *list(_rest(batch))), *claimed(batch), none, zero, 1e-4)
    assert not late.fires.any()
    looks[:, 7] -= 22e3
    early = statistics.one_sided(batch.__class__(looks, *list(_rest(batch))), *claimed(batch), none, zero, 1e-4)
    assert early.fires.all()
    assert honest.limit[0] == pytest.approx(4.06, abs=0.01)  # alpha over four slots
    assert np.median(honest.sigma_m) > 50.0  # height and delay count


def _rest(batch: Batch) -> tuple:
    return (
        batch.look_starts,
        batch.slot_starts,
        batch.precision,
        batch.mean_m,
        batch.scale2_m2,
        batch.dof,
        batch.priors,
    )


def test_cusum_forgets_honest_terminals_and_holds_on_to_liars() -> None:
    rng = np.random.default_rng(3)
    honest = statistics.cusum(np.zeros(20_000, np.int64), np.arange(20_000), rng.chisquare(2, 20_000))
    assert honest.max() < statistics.CUSUM_LIMIT
    liar = statistics.cusum(np.zeros(30, np.int64), np.arange(30), rng.noncentral_chisquare(2, 6.0, 30))
    assert liar[-1] > statistics.CUSUM_LIMIT
    # By terminal and in order of time, whatever the order of rows; what is not a number changes nothing.
    mixed = statistics.cusum(np.array([1, 0, 1, 0]), np.array([2, 1, 1, 2]), np.array([10.0, 5.0, math.nan, 4.0]))
    assert mixed.tolist() == [7.0, 2.0, 0.0, 3.0]


def test_offsets_and_their_worst() -> None:
    p = np.diag([400.0, 2500.0])
    offsets = detectability.offsets_m(p, chi2_point(1e-4, 2.0))
    assert offsets[0] == pytest.approx(50.0 * math.sqrt(42.6), rel=2e-3)
    assert offsets[4] == pytest.approx(20.0 * math.sqrt(42.6), rel=2e-3)
    assert detectability.worst_offset_m(p, chi2_point(1e-4, 2.0)) == pytest.approx(offsets.max())
    assert np.isinf(detectability.worst_offset_m(np.full((2, 2), math.inf), 18.42))
    assert np.isinf(detectability.offsets_m(np.full((2, 2), math.inf), 18.42)).all()


def test_chances_of_zones_are_masses_of_the_distribution(honest: tuple) -> None:
    batch, _ = honest
    found = solve(batch.take([0, 1]), *claimed(batch.take([0, 1])))
    centre = (float(found.lat_deg[0, 0]), float(found.lon_deg[0, 0]))
    p = found.horizontal()[0, 0]
    for size in (0.5, 1.0, 2.0):

        def within(lat: np.ndarray, lon: np.ndarray, size: float = size) -> np.ndarray:
            gap = geodetic_to_ecef(lat, lon) - geodetic_to_ecef(*centre)
            d = gap @ enu_axes(*centre)[:2].T
            return np.einsum("ni,ij,nj->n", d, np.linalg.inv(p), d) <= size**2

        chance = zones.zone_chances(found, (zones.Zone("ellipse", within),))[0, 0]
        assert chance == pytest.approx(1 - math.exp(-0.5 * size**2), abs=0.015)


def test_a_terminal_without_position_has_no_chance_of_a_zone() -> None:
    batch = make(*PLACE, runs=1, slots=1, per_slot=1, rates=False, priors=Priors())
    found = solve(batch, *claimed(batch), grid=False)
    chance = zones.zone_chances(found, (zones.Zone("all", lambda lat, _lon: lat > -91),))
    assert np.isnan(chance[0, 0]) or chance[0, 0] == pytest.approx(1.0)
