"""CAMARA's answers from an estimate, held against a Monte Carlo count over its distribution."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest

from groundrule.verify.assemble import Assembled, assemble
from groundrule.verify.camara import FALSE, PARTIAL, TRUE, UNKNOWN, Kept, circle_95, match_circle, match_kept
from groundrule.verify.judge import Judgements, verify_batch
from groundrule.verify.measurements import clean
from groundrule.verify.records import to_table
from groundrule.verify.report import reports
from groundrule.verify.statistics import displaced, distance_m
from radio_world import Truth, World, table

TOLERANCE = 0.02
"""The answer counts a few hundred quasi-random points; the rate is told in whole per cent."""


@functools.cache
def judged() -> tuple[Assembled, Judgements]:
    """One place; a mirror of a single satellite; random delays, which are a fault."""
    world = World(seed=3)
    terminals = [Truth("good"), Truth("mirrored", 45.0, 35.0), Truth("noise", 46.0, 30.0, attack="A2")]
    rows = []
    for who, slots in zip(terminals, (4, 1, 4), strict=True):
        rows += world.measure(who, world.schedule(who.lat_deg, who.lon_deg, slots))
    made = assemble(clean(table(rows)), world.elements)
    return made, verify_batch(made.case)


def counted(places: list[tuple[float, float, float, np.ndarray]], lat: float, lon: float, radius_m: float, seed: int = 1) -> float:
    """Share of many draws from the distribution that lie in a circle."""
    rng, found, n = np.random.default_rng(seed), 0.0, 100_000
    for mode_lat, mode_lon, weight, covariance in places:
        offset = rng.multivariate_normal([0, 0], covariance, n)
        at_lat, at_lon = displaced(np.full(n, mode_lat), np.full(n, mode_lon), offset)
        found += weight * float((distance_m(np.full(n, lat), np.full(n, lon), at_lat, at_lon) <= radius_m).mean())
    return found


def modes_of(row: int) -> list[tuple[float, float, float, np.ndarray]]:
    found = judged()[1].a0.found
    count = int(found.count[row])
    return [
        (float(found.lat_deg[row, m]), float(found.lon_deg[row, m]), float(found.weight[row, m]), found.covariance[row, m, :2, :2])
        for m in range(count)
    ]


@pytest.mark.parametrize("row", [0, 1])
@pytest.mark.parametrize("away", [0.0, 0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("size", [0.5, 1.0, 2.0, 3.0, 6.0])
def test_the_rate_is_the_probability_in_the_circle(row: int, away: float, size: float) -> None:
    places = modes_of(row)
    lat, lon, _, covariance = places[0]
    sigma = math.sqrt(np.linalg.eigvalsh(covariance)[-1])
    at_lat, at_lon = (float(x[0]) for x in displaced(np.array([lat]), np.array([lon]), np.array([[away * sigma, 0.3 * away * sigma]])))
    answer = match_circle(judged()[1], row, at_lat, at_lon, size * sigma)
    want = counted(places, at_lat, at_lon, size * sigma)
    assert answer.probability == pytest.approx(want, abs=TOLERANCE)
    if answer.result == PARTIAL:
        assert answer.match_rate is not None
        assert answer.match_rate == pytest.approx(min(99, max(1, 100 * want)), abs=100 * TOLERANCE + 0.5)
    else:
        assert answer.match_rate is None
    assert {TRUE: want >= 0.98 - TOLERANCE, FALSE: want <= 0.02 + TOLERANCE, PARTIAL: True}[answer.result]


def test_a_mirror_is_never_surely_in_a_circle_and_a_fault_is_unknown() -> None:
    made, found = judged()
    assert made.terminal == ("good", "mirrored", "noise")
    assert match_circle(found, 0, 43.5, 34.0, 20_000).result == TRUE
    assert match_circle(found, 0, 20.0, 34.0, 20_000).result == FALSE
    assert match_circle(found, 0, -43.5, -146.0, 19_000_000).result == FALSE
    lat, lon, weight, _ = modes_of(1)[0]
    near = match_circle(found, 1, lat, lon, 300_000)
    assert near.result == PARTIAL
    assert near.match_rate == pytest.approx(100 * weight, abs=3)
    assert match_circle(found, 2, 46.0, 30.0, 1e6).result == UNKNOWN


def test_what_is_kept_answers_as_what_was_judged() -> None:
    made, found = judged()
    row = to_table(reports(made, found)).to_pylist()[0]
    kept = Kept(*(row[name] for name in ("lat_deg", "lon_deg", "sigma_major_m", "sigma_minor_m", "azimuth_deg")))
    assert kept.covariance_m2 == pytest.approx(modes_of(0)[0][3], rel=1e-6)
    for radius in (20.0, 60.0, 120.0, 1_000.0):
        for east in (0.0, 50.0, 400.0):
            lat, lon = (float(x[0]) for x in displaced(np.array([kept.lat_deg]), np.array([kept.lon_deg]), np.array([[east, 0.0]])))
            one, other = match_circle(found, 0, lat, lon, radius), match_kept(kept, lat, lon, radius)
            assert (one.result, one.match_rate) == (other.result, other.match_rate)


@pytest.mark.parametrize("seed", range(25))
def test_kept_estimates_against_a_count(seed: int) -> None:
    rng = np.random.default_rng(seed)
    major = float(10 ** rng.uniform(1.0, 4.0))
    others = () if seed % 3 else ((float(rng.uniform(-60, 60)), float(rng.uniform(-180, 180)), float(rng.uniform(0.01, 0.3))),)
    place = float(rng.uniform(-85, 85)), float(rng.uniform(-180, 180))
    kept = Kept(*place, major, major * float(rng.uniform(0.05, 1)), float(rng.uniform(0, 180)), others)
    offset = rng.normal(0, major, (1, 2))
    lat, lon = (float(x[0]) for x in displaced(np.array([kept.lat_deg]), np.array([kept.lon_deg]), offset))
    radius = float(major * rng.uniform(0.3, 5))
    answer = match_kept(kept, lat, lon, radius)
    want = counted([(a, b, w, kept.covariance_m2) for a, b, w in kept.places], lat, lon, radius)
    assert answer.probability == pytest.approx(want, abs=TOLERANCE)
    # The circle that is told holds 95 % and more of it.
    assert counted([(a, b, w, kept.covariance_m2) for a, b, w in kept.places], *circle_95(kept)) >= 0.945


@pytest.mark.parametrize("change", [
    {"sigma_major_m": math.inf}, {"sigma_minor_m": 0.0}, {"lat_deg": math.nan}, {"azimuth_deg": math.nan}, {"sigma_minor_m": 200.0},
])  # fmt: skip
def test_without_bounds_there_is_no_answer(change: dict[str, float]) -> None:
    good = {"lat_deg": 1.0, "lon_deg": 2.0, "sigma_major_m": 100.0, "sigma_minor_m": 50.0, "azimuth_deg": 30.0}
    kept = Kept(**{**good, **change})
    assert not kept.bounded
    assert match_kept(kept, 1.0, 2.0, 1e6).result == UNKNOWN
    assert Kept(**good).bounded
