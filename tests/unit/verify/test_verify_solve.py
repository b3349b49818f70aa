"""The estimator: truth found, bound reached, modes, hard geometry, ephemeris far off, outliers, replay."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from groundrule.errors import InputError
from groundrule.frames import geodetic_to_ecef
from groundrule.verify import descend, model
from groundrule.verify.batch import Batch, Priors
from groundrule.verify.crlb import bound, radial
from groundrule.verify.solve import profile, solve
from made_looks import OPERATOR, away_m, circle, make

LAT, LON = 43.5, 34.0


@pytest.mark.parametrize(
    ("lat", "lon"), [(LAT, LON), (90.0, 0.0), (-90.0, 77.0), (89.9999, 10.0), (0.0, 180.0), (12.0, -179.99999), (65.0, 20.0)]
)
def test_the_truth_is_found_everywhere_without_noise(lat: float, lon: float) -> None:
    batch = make(lat, lon, noise=0.0)
    start = (lat - 0.2 * np.sign(lat or 1), lon + 0.1)
    found = solve(batch, *start)
    assert found.count[0] == 1
    assert away_m(found.lat_deg[0, 0], found.lon_deg[0, 0], found.height_m[0, 0], (lat, lon, 0.0)) < 0.02
    assert found.cost[0, 0] < 1e-6
    assert found.flags[0, 0] & descend.CONVERGED


def test_errors_reach_the_bound_and_costs_their_degrees_of_freedom() -> None:
    batch = make(LAT, LON, runs=1500)
    found = solve(batch, LAT + 0.1, LON)
    error = away_m(found.lat_deg[:, 0], found.lon_deg[:, 0], 0.0, (LAT, LON, 0.0))
    # Truth stands at the priors' means in every run, so errors stay below the bound.
    limit = radial(bound(batch.take([0]), [LAT], [LON]))[0]
    assert np.sqrt(np.mean(error**2)) < limit
    assert found.dof[0] == 120 + 3 - 5
    # with truth at the prior means J loses the priors' share only: m - 2 less at most 3 + 12 of nuisances
    assert 120 - 5 - 15 - 1 < found.cost[:, 0].mean() < 118.5


def test_drawn_truth_reaches_the_bound() -> None:
    rng = np.random.default_rng(5)
    pieces = []
    for _ in range(150):
        pieces.append(
            make(
                LAT, LON, seed=7, height=rng.normal(0, 100), delta=rng.normal(0, 30), f=rng.normal(0, 30), noise=0.0,
                src=rng.normal(size=(4, 3)) * np.sqrt(np.diag(OPERATOR)),
            )
        )
    looks = np.concatenate([p.looks for p in pieces])
    looks[:, model.LOOK_RANGE] += rng.normal(0, 150.0, len(looks))
    looks[:, model.LOOK_RATE] += rng.normal(0, 10 * model.C_M_S / 14e9, len(looks))
    shape = make(LAT, LON, seed=7, runs=150)
    batch = replace(shape, looks=looks)
    found = solve(batch, LAT, LON + 0.1)
    error = away_m(found.lat_deg[:, 0], found.lon_deg[:, 0], 0.0, (LAT, LON, 0.0))
    limit = radial(bound(batch.take([0]), [LAT], [LON]))[0]
    assert 0.85 < np.sqrt(np.mean(error**2)) / limit < 1.15
    assert abs(found.cost[:, 0].mean() / found.dof[0] - 1) < 0.04
    claim = profile(batch, LAT, LON)
    lam = claim.cost - found.cost[:, 0]
    assert lam.min() > -1e-6
    assert 1.5 < lam.mean() < 2.5, "T1 of an honest claim has two degrees of freedom"


def test_one_satellite_has_two_modes_and_a_false_start_hides_neither() -> None:
    batch = make(LAT, LON, slots=1, per_slot=2, noise=0.0)
    found = solve(batch, LAT + 0.05, LON)
    assert found.count[0] >= 2
    assert not found.resolved()[0]
    errors = away_m(found.lat_deg[0], found.lon_deg[0], found.height_m[0], (LAT, LON, 0.0))
    assert np.nanmin(errors) < 1.0
    other = int(np.nanargmax(errors[: found.count[0]]))
    claimed = solve(batch, found.lat_deg[0, other], found.lon_deg[0, other])
    again = away_m(claimed.lat_deg[0], claimed.lon_deg[0], claimed.height_m[0], (LAT, LON, 0.0))
    assert np.nanmin(again) < 1.0, "a start at the mirror point does not hide the truth"
    assert np.isclose(np.nansum(found.weight[0]), 1.0)


def test_the_cell_chooses_the_side_and_its_gate_drops_the_other() -> None:
    free = make(LAT, LON, slots=1, noise=0.0)
    cell = free.under(Priors(cell_lat_deg=LAT, cell_lon_deg=LON, cell_sigma_m=6e3, cell_radius_m=12e3))
    found = solve(cell, LAT, LON)
    assert found.count[0] == 1
    assert away_m(found.lat_deg[0, 0], found.lon_deg[0, 0], found.height_m[0, 0], (LAT, LON, 0.0)) < 1.0


def test_a_start_far_away_is_rescued_by_the_grid() -> None:
    batch = make(LAT, LON, noise=0.0, priors=Priors(min_elevation_deg=10.0))
    found = solve(batch, -30.0, -120.0)
    assert away_m(found.lat_deg[0, 0], found.lon_deg[0, 0], found.height_m[0, 0], (LAT, LON, 0.0)) < 1.0


def test_velocity_is_found_and_standing_still_fits_worse() -> None:
    batch = make(LAT, LON, noise=0.0, velocity=(200.0, -90.0), priors=Priors(velocity_sigma_m_s=300.0))
    found = solve(batch, LAT + 0.1, LON)
    assert np.allclose(found.state[0, 0, 6:8], [200.0, -90.0], atol=0.2)
    static = solve(batch.under(Priors()), LAT, LON)
    assert static.cost[0, 0] > found.cost[0, 0] + 100.0
    claimed = Priors(velocity_sigma_m_s=1.0, velocity_east_m_s=200.0, velocity_north_m_s=-90.0, axes_lat_deg=LAT, axes_lon_deg=LON)
    told = solve(batch.under(claimed), LAT, LON)
    assert told.cost[0, 0] < 1e-3
    pole = make(90.0, 0.0, noise=0.0, velocity=(0.0, 250.0), priors=Priors(velocity_sigma_m_s=300.0))
    at_pole = solve(pole, 89.9, 120.0)
    assert np.isclose(np.hypot(*at_pole.state[0, 0, 6:8]), 250.0, atol=0.3)


def test_a_satellite_far_along_its_track_is_moved_there() -> None:
    src = np.array([[30e3, 50, -40], [-12e3, 20, 60], [500, 0, 0], [-45e3, 10, 10]])
    clean = make(LAT, LON, noise=0.0)
    moved = clean.looks.copy()
    per_look = np.repeat(src, 15, axis=0)
    moved[:, 1:4], moved[:, 4:7] = model.displace(clean.looks[:, 1:4], clean.looks[:, 4:7], -per_look)
    batch = make(LAT, LON, noise=0.0, covariance=np.diag([19800.0**2, 280.0**2, 390.0**2]))
    found = solve(replace(batch, looks=moved), LAT + 0.05, LON)
    assert found.flags[0, 0] & descend.SHIFTED
    sigma = math.sqrt(found.covariance[0, 0, 0, 0] + found.covariance[0, 0, 1, 1])
    assert away_m(found.lat_deg[0, 0], found.lon_deg[0, 0], 0.0, (LAT, LON, 0.0)) < 3 * sigma
    assert np.abs(found.nu_m[:, 0] - src[:, 0]).max() < 6e3


def test_student_priors_let_one_satellite_be_far_off() -> None:
    covariance, src = np.diag([100.0**2, 50.0**2, 50.0**2]), np.array([[0, 0, 0], [1500.0, 0, 0], [0, 0, 0], [0, 0, 0]])
    gauss = solve(make(LAT, LON, noise=0.0, covariance=covariance, src=src), LAT, LON)
    student = solve(make(LAT, LON, noise=0.0, covariance=covariance, src=src, dof=2.0), LAT, LON)
    errors = [float(away_m(e.lat_deg[0, 0], e.lon_deg[0, 0], 0.0, (LAT, LON, 0.0))) for e in (gauss, student)]
    assert errors[1] < 0.7 * errors[0]


@pytest.mark.parametrize("loss", ["huber", "student"])
def test_positive_spikes_bend_the_robust_losses_only(loss: str) -> None:
    clean = make(LAT, LON, runs=60)
    rng = np.random.default_rng(4)
    hit = rng.uniform(size=len(clean.looks)) < 0.1
    for sign in (1, -1):
        looks = clean.looks.copy()
        looks[hit, model.LOOK_RANGE] += sign * rng.exponential(10e3, hit.sum())
        spoilt = replace(clean, looks=looks)
        plain = solve(spoilt, LAT, LON)
        robust = solve(spoilt, LAT, LON, loss=loss)  # type: ignore[arg-type]  # one of the literals
        p95 = [np.percentile(away_m(e.lat_deg[:, 0], e.lon_deg[:, 0], 0.0, (LAT, LON, 0.0)), 95) for e in (plain, robust)]
        if sign > 0:
            assert p95[1] < 0.3 * p95[0]
        else:
            assert p95[1] > 0.3 * p95[0], "what is too short is evidence of a lie and keeps its weight"


def test_what_cannot_be_observed_says_so() -> None:
    one = make(LAT, LON, slots=1, per_slot=1, rates=False)
    found = solve(one, LAT, LON)
    assert found.count[0] >= 1
    assert found.flags[0, 0] & descend.UNOBSERVABLE
    assert np.isinf(found.covariance[0, 0, 0, 0])
    nothing = make(LAT, LON, ranges=False, rates=False)
    assert solve(nothing, LAT, LON).count[0] == 0
    assert np.isnan(solve(nothing, LAT, LON).lat_deg).all()


def test_near_the_ground_track_the_blind_side_is_flagged() -> None:
    t = np.arange(15.0) - 7
    r, v = circle(0.0, LON, 0.05, 90.0, 0.0, t)
    place = geodetic_to_ecef(0.0, LON, 0.0)
    rho = np.linalg.norm(r - place, axis=1)
    batch = Batch.build(
        dt_s=t, r_m=r, v_m_s=v, look_starts=[0, 15], slot_starts=[0, 1], covariance_m2=OPERATOR, priors=Priors(),
        range_m=rho, range_sigma_m=150.0, rate_m_s=np.einsum("ij,ij->i", r - place, v) / rho, rate_sigma_m_s=0.2,
    )
    found = solve(batch, 0.0, LON, light_time=False)
    assert found.flags[0, 0] & descend.NEAR_TRACK


def test_a_batch_gives_the_bits_of_each_terminal_alone_and_of_every_replay() -> None:
    batch = make(LAT, LON, runs=8, seed=3)
    first, second = solve(batch, LAT + 0.1, LON), solve(batch, LAT + 0.1, LON)
    for name in ("lat_deg", "lon_deg", "cost", "covariance", "nu_m", "weight"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()
    for k in range(8):
        alone = solve(batch.take([k]), LAT + 0.1, LON)
        assert alone.lat_deg.tobytes() == first.lat_deg[k : k + 1].tobytes()
        assert alone.covariance.tobytes() == first.covariance[k : k + 1].tobytes()


def test_the_profile_has_the_curvature_of_the_covariance_and_gives_up_when_told() -> None:
    batch = make(LAT, LON)
    found = solve(batch, LAT, LON)
    at = profile(batch, found.lat_deg[:, 0], found.lon_deg[:, 0])
    assert np.allclose(np.linalg.inv(at.curvature[0]), found.covariance[0, 0, :2, :2], rtol=1e-3)
    assert np.abs(at.slope).max() < 1e-4
    assert abs(at.cost[0] - found.cost[0, 0]) < 1e-4
    far = profile(batch, [LAT + 1.0], [LON], enough=500.0)
    assert far.cost[0] > 500.0
    assert far.cost[0] >= profile(batch, [LAT + 1.0], [LON]).cost[0] - 1e-3


def test_wrong_columns_are_named() -> None:
    good = make(LAT, LON)
    with pytest.raises(InputError, match="starts of shape"):
        solve(good, [1.0, 2.0], [3.0, 4.0])
    with pytest.raises(InputError, match="look_starts"):
        Batch.build(
            dt_s=[0.0], r_m=[[7e6, 0, 0]], v_m_s=[[0, 7e3, 0]], look_starts=[0, 2], slot_starts=[0, 1], covariance_m2=OPERATOR,
            priors=Priors(),
        )
    with pytest.raises(InputError, match="not a number"):
        Batch.build(
            dt_s=[0.0], r_m=[[math.nan, 0, 0]], v_m_s=[[0, 7e3, 0]], look_starts=[0, 1], slot_starts=[0, 1],
            covariance_m2=OPERATOR, priors=Priors(),
        )
    with pytest.raises(InputError, match="sigma is not positive"):
        Batch.build(
            dt_s=[0.0], r_m=[[7e6, 0, 0]], v_m_s=[[0, 7e3, 0]], look_starts=[0, 1], slot_starts=[0, 1],
            covariance_m2=OPERATOR, priors=Priors(), range_m=[6e5], range_sigma_m=0.0,
        )
    with pytest.raises(InputError, match="prior"):
        good.under(Priors(delta_sigma_m=-1.0))
