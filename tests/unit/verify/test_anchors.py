"""Anchors: what they find of a satellite, whom they help, and what no fleet can vouch for itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from groundrule.frames import enu_axes, geodetic_to_ecef
from groundrule.verify.anchors import calibrate, corrected, fleet, from_case, take, wide_prior
from groundrule.verify.batch import Batch, Priors
from groundrule.verify.case import Case, Settings
from groundrule.verify.ephemeris import AGE_CLASSES, Grade, age_class, draw_errors
from groundrule.verify.judge import verify_batch
from groundrule.verify.model import displace
from groundrule.verify.statistics import displaced, distance_m
from made_looks import HZ, looks_at

PLACE = (43.5, 34.0)
OLD = AGE_CLASSES[2]


def scene(errors: np.ndarray, places: np.ndarray, seed: int = 1, spoil: dict[int, float] | None = None) -> Case:
    """Terminals at places see the same four satellites, whose elements are off by `errors` [4, 3]."""
    rng = np.random.default_rng(seed)
    t, r, v = looks_at(*PLACE, 4, 15, 3)
    true_r, true_v = displace(r, v, np.repeat(errors, 15, axis=0))
    n = len(places)
    ranges, rates = [], []
    for k, (lat, lon) in enumerate(places):
        up, x = enu_axes(lat, lon)[2], geodetic_to_ecef(lat, lon, 0.0)
        gap = true_r - (x + rng.normal(0, 5.0) * up)
        rho = np.linalg.norm(gap, axis=1)
        ranges.append(rho + rng.normal(0, 30) + rng.normal(0, 150, len(t)) + (spoil or {}).get(k, 0.0))
        rates.append(np.sum(gap / rho[:, None] * true_v, axis=1) + rng.normal(0, 30) + rng.normal(0, 10 * HZ, len(t)))
    batch = Batch.build(
        dt_s=np.tile(t, n),
        r_m=np.tile(r, (n, 1)),
        v_m_s=np.tile(v, (n, 1)),
        look_starts=np.arange(4 * n + 1) * 15,
        slot_starts=np.arange(n + 1) * 4,
        covariance_m2=np.diag(np.square(OLD.scale_m)),
        dof=np.array(OLD.dof),
        priors=Priors(),
        range_m=np.concatenate(ranges),
        range_sigma_m=150.0,
        rate_m_s=np.concatenate(rates),
        rate_sigma_m_s=10 * HZ,
    )
    lat, lon = places[:, 0], places[:, 1]
    return Case.of(
        batch,
        lat,
        lon,
        lat,
        lon,
        grade=Grade.RAW,
        age_s=72 * 3600.0,
        satellites=np.tile(np.arange(4) + 100, n),
        claim_sigma_m=5.0,
    )


def ring(count: int, size_m: float = 400e3) -> np.ndarray:
    turn = np.arange(count) * 2 * math.pi / max(count, 1) + 0.3
    lat, lon = displaced(
        np.full(count, PLACE[0]), np.full(count, PLACE[1]), size_m * np.stack([np.sin(turn), np.cos(turn)], 1)
    )
    return np.stack([lat, lon], 1)


def off(seed: int) -> np.ndarray:
    return draw_errors(OLD, 4, np.random.default_rng(seed))


def test_five_anchors_find_the_error_of_a_three_day_old_set_and_know_how_well() -> None:
    away = []
    for seed in range(12):
        errors, places = off(seed), ring(5)
        case = scene(errors, places, seed)
        found = calibrate(
            case.batch, places[:, 0], places[:, 1], 0.0, case.slot_satellite, OLD.wide_m, light_time=False
        )
        assert found.satellite.tolist() == [100, 101, 102, 103]
        assert (found.anchors >= 4).all()
        gap = found.nu_m - errors
        away.append(np.einsum("ni,nij,nj->n", gap, np.linalg.inv(found.covariance_m2), gap))
        assert (np.sqrt(np.diagonal(found.covariance_m2, axis1=1, axis2=2)) < 200.0).all()
    assert 1.5 < np.mean(away) < 4.5  # three degrees of freedom


def test_with_anchors_an_old_public_set_gives_a_verdict_and_a_position() -> None:
    places = np.vstack([[PLACE], ring(5)])
    case = scene(off(3), places, 4)
    settings = Settings(light_time=False, classes=False)
    alone = verify_batch(take(case, [0]), settings)
    assert alone.verdict[0] == 1  # insufficient: three days old
    found = calibrate(
        case.batch.take(np.arange(1, 6)),
        places[1:, 0],
        places[1:, 1],
        0.0,
        case.slot_satellite[4:],
        OLD.wide_m,
        light_time=False,
    )
    helped = verify_batch(corrected(take(case, [0]), case.slot_satellite[:4], found), settings)
    assert helped.grade[0] == int(Grade.ANCHORED)
    assert helped.verdict[0] == 0
    best = helped.a0.found
    assert distance_m(best.lat_deg[0, 0], best.lon_deg[0, 0], *PLACE) < 300.0


def test_an_anchor_that_the_others_contradict_is_dropped_and_of_two_nobody_knows() -> None:
    places = ring(5)
    case = scene(np.zeros((4, 3)), places, 5, spoil={2: 40e3})
    found = calibrate(case.batch, places[:, 0], places[:, 1], 0.0, case.slot_satellite, OLD.wide_m, light_time=False)
    assert (found.dropped >= 1).all()
    assert (np.abs(found.nu_m) < 1_000.0).all()
    two = calibrate(
        case.batch.take([1, 2]),
        places[1:3, 0],
        places[1:3, 1],
        0.0,
        case.slot_satellite[4:12],
        OLD.wide_m,
        light_time=False,
    )
    assert (two.dropped == 0).all()


def test_a_case_with_its_own_anchors() -> None:
    places = np.vstack([[PLACE], ring(3)])
    case = scene(off(6), places, 7)
    helped, found = from_case(case, [1, 2, 3], places[1:, 0], places[1:, 1], 0.0)
    assert (helped.slot_grade == int(Grade.ANCHORED)).all()
    assert len(found.satellite) == 4


def test_a_cluster_never_vouches_for_itself_nor_a_terminal_for_itself() -> None:
    """Six terminals claim one place while they are 300 km away: they agree with each other, and nobody believes them."""
    liars = np.tile(displaced(*PLACE, np.array([0.0, 300e3])), (6, 1)) + np.arange(6)[:, None] * 0.01
    honest = ring(4, 500e3)
    case = scene(np.zeros((4, 3)), np.vstack([liars, honest]), 8)
    claim_lat, claim_lon = case.claim_lat.copy(), case.claim_lon.copy()
    claim_lat[:6], claim_lon[:6] = PLACE
    case = Case(
        **{**{name: getattr(case, name) for name in case.__slots__}, "claim_lat": claim_lat, "claim_lon": claim_lon}
    )
    cluster = np.array([0] * 6 + [1, 2, 3, 4])
    alone = fleet(case, np.arange(6).tolist(), cluster)[0]
    assert (alone.slot_grade == int(Grade.RAW)).all()  # only its own cluster is believed: nothing is corrected
    mixed = fleet(case, np.arange(10).tolist(), cluster)[0]
    assert (mixed.slot_grade == int(Grade.ANCHORED)).all()
    judged = verify_batch(mixed, Settings(light_time=False, classes=False))
    assert judged.verdict[0] in {1, 2, 3, 4}  # never consistent


def test_errors_are_drawn_as_they_were_measured() -> None:
    for row in AGE_CLASSES:
        drawn = draw_errors(row, 100_000, np.random.default_rng(1))
        got = np.quantile(np.abs(drawn[:, 0]) / 1e3, [0.5, 0.68, 0.9, 0.95, 0.99])
        np.testing.assert_allclose(got, row.along_km[:5], rtol=0.12)
        assert abs(np.mean(drawn[:, 0]) / 1e3 - row.mean_km) < 0.25 * row.along_km[2]
    assert age_class(7 * 3600).age_h == 24
    assert age_class(-5 * 3600).age_h == 6
    assert wide_prior(np.array([72 * 3600.0]))[0, 0] == 158e3 / 3
    for row in AGE_CLASSES:
        for axis in (1, 2):
            point = min(stats.t.isf(0.0005, row.dof[axis]), 60.0)
            assert row.wide_m[axis] == pytest.approx(row.scale_m[axis] * point / 3, rel=1e-3)
