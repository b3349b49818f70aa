from __future__ import annotations

import numpy as np
import pytest
import shapely
from made_areas import area, box, star
from pyproj import Geod
from scipy.stats import norm, qmc

from groundrule.areas.frame import scales
from groundrule.areas.index import AreaIndex

WGS84 = Geod(ellps="WGS84")
SHARE_TOLERANCE = 0.005  # the accuracy that is promised against Monte Carlo
FORMULA_TOLERANCE = 3e-4  # what the formula reaches for given edges in the local plane


def probability(index, lat, lon, sigma_m, member=0):
    location = index.locate_points([lat], [lon], sigma_m, edge_probability=1e-6)
    if (member, 1) in index.set_members(int(location.codes[0])):
        return 1.0
    found = location.edge_probability[location.edge_members == member]
    return float(found[0]) if len(found) else 0.0


@pytest.mark.parametrize("distance", [-3.0, -1.0, -0.1, -1e-7, 0.0, 1e-9, 0.01, 0.5, 2.0, 4.0])
@pytest.mark.parametrize("sigma_m", [0.05, 15.0, 2000.0])
def test_half_plane_is_the_normal_distribution(distance, sigma_m):
    index = AreaIndex.build([area("half", box(10, 40, 20, 60))])
    kx, _ = scales(50.0)
    got = probability(index, 50.0, 10 + distance * sigma_m / kx, sigma_m)
    assert got == pytest.approx(norm.cdf(distance), abs=5e-5)


@pytest.mark.parametrize(("u", "v"), [(0, 0), (0.3, -0.2), (1.5, 1.5), (-1, 2), (0, 3), (-2.2, -0.1)])
def test_quarter_plane_is_a_product(u, v):
    index = AreaIndex.build([area("corner", box(10, 50, 20, 60))])
    kx, ky = scales(50.0)
    got = probability(index, 50 + v * 15 / ky, 10 + u * 15 / kx, 15.0)
    assert got == pytest.approx(norm.cdf(u) * norm.cdf(v), abs=5e-5)


def test_strip_islet_and_hole_have_their_closed_forms():
    kx, ky = scales(0.0)
    strip = box(-1, -20 / ky, 1, 20 / ky)
    islet = shapely.Polygon([(30 * np.cos(a) / kx + 5, 30 * np.sin(a) / ky) for a in np.linspace(0, 2 * np.pi, 721)])
    pond = shapely.Polygon(box(9, -1, 11, 1).exterior, [shapely.affinity.translate(islet, 5, 0).exterior])
    index = AreaIndex.build([area("strip", strip), area("islet", islet), area("pond", pond)])
    assert probability(index, 0, 0, 15.0, 0) == pytest.approx(norm.cdf(20 / 15) - norm.cdf(-20 / 15), abs=5e-5)
    disc = 1 - np.exp(-0.5 * (30 / 15) ** 2)
    assert probability(index, 0, 5, 15.0, 1) == pytest.approx(disc, abs=1e-4)
    assert probability(index, 0, 10, 15.0, 2) == pytest.approx(1 - disc, abs=1e-4)


def sampled(index, lat, lon, east_m, north_m):
    """Share of each member over sampled offsets, moved along geodesics."""
    azimuth = np.degrees(np.arctan2(east_m, north_m))
    distance = np.hypot(east_m, north_m)
    n = len(east_m)
    lons, lats, _ = WGS84.fwd(np.full(n, lon), np.full(n, lat), azimuth, distance)
    codes = index.locate_exact(np.clip(lats, -90, 90), np.clip(lons, -180, 180))
    out = np.zeros(len(index.members))
    for code, count in zip(*np.unique(codes, return_counts=True), strict=True):
        for member, _ in index.set_members(int(code)):
            out[member] += count / n
    return out


def computed(index, location, row):
    out = np.zeros(len(index.members))
    for member, membership in index.set_members(int(location.codes[row])):
        out[member] = membership == 1
    of_row = location.edge_rows == row
    out[location.edge_members[of_row]] = location.edge_probability[of_row]
    return out


def test_islets_and_straits_against_monte_carlo():
    rng = np.random.default_rng(11)
    normal = norm.ppf(np.clip(qmc.Sobol(2, seed=1).random(1 << 15), 1e-9, 1 - 1e-9))
    worst = 0.0
    for sigma in (15.0, 300.0, 5000.0):
        lat0 = rng.uniform(-70, 70)
        spread = sigma / 111_000
        areas = [
            area(f"i{k}", star(20 + rng.normal(0, 3) * spread, lat0 + rng.normal(0, 2) * spread, 2.5 * sigma, 9, rng))
            for k in range(8)
        ]
        index = AreaIndex.build(areas)
        lat, lon = lat0 + rng.normal(0, 2, 20) * spread, 20 + rng.normal(0, 2, 20) * spread
        location = index.locate_points(lat, lon, sigma, edge_probability=1e-6)
        for row in range(20):
            mass = sampled(index, lat[row], lon[row], *(normal * sigma).T)
            worst = max(worst, np.abs(mass - computed(index, location, row)).max())
    assert worst < SHARE_TOLERANCE


def test_covariance_against_monte_carlo():
    rng = np.random.default_rng(12)
    normal = norm.ppf(np.clip(qmc.Sobol(2, seed=2).random(1 << 15), 1e-9, 1 - 1e-9))
    index = AreaIndex.build([area(f"i{k}", star(30 + k / 500, 45, 400, 11, rng)) for k in range(4)])
    covariance = np.array([[90_000.0, 50_000, 40_000], [10_000, -9_000, 40_000], [250_000, 0, 400], [100, 0, 100]])
    lat, lon = np.full(4, 45.001), np.array([30.002, 30.004, 30.001, 30.003])
    location = index.locate_ellipses(lat, lon, covariance, edge_probability=1e-6)
    for row, (ee, en, nn) in enumerate(covariance):
        offsets = normal @ np.linalg.cholesky([[ee, en], [en, nn]]).T
        mass = sampled(index, lat[row], lon[row], *offsets.T)
        assert computed(index, location, row) == pytest.approx(mass, abs=SHARE_TOLERANCE)
    circle = index.locate_ellipses(lat, lon, [[900.0, 0, 900]] * 4, edge_probability=1e-6)
    same = index.locate_points(lat, lon, 30.0, edge_probability=1e-6)
    assert circle.edge_probability == pytest.approx(same.edge_probability, abs=1e-6)


def test_the_cut_at_180_degrees_is_no_edge():
    land = [box(179, 60, 180, 70), box(-180, 60, -179, 65), box(-180, 65, -179, 70)]  # split differently on both sides
    both = shapely.MultiPolygon([land[0], shapely.union(land[1], land[2])])
    index = AreaIndex.build([area("both", both), area("east", land[0])])
    for lon in (180.0, -180.0, 179.99999, -179.99999):
        assert probability(index, 62, lon, 500.0, 0) == 1.0
        assert probability(index, 62, lon, 500.0, 1) == pytest.approx(0.5, abs=1e-3)
    assert probability(index, 60, 180.0, 500.0, 0) == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize("south", [False, True])
def test_the_pole_is_an_ordinary_place(south):
    cap, half = box(-180, 89.5, 180, 90), box(0, 80, 180, 90)
    if south:
        cap, half = (shapely.affinity.scale(g, 1, -1, origin=(0, 0)) for g in (cap, half))
    index = AreaIndex.build([area("cap", cap), area("half", half)])
    sign = -1 if south else 1
    metres = 0.5 * scales(89.75)[1]
    assert probability(index, 90 * sign, 0, 15.0, 0) == 1.0
    assert probability(index, 89.9999 * sign, 180, 15.0, 0) == 1.0
    assert probability(index, 89.9999 * sign, 77, 15.0, 0) == 1.0
    assert probability(index, 89.5 * sign, 77, 3000.0, 0) == pytest.approx(0.5, abs=0.025)  # the cap curves away
    assert probability(index, 90 * sign, 0, metres, 0) == pytest.approx(1 - np.exp(-0.5), abs=2e-3)
    assert probability(index, 90 * sign, 123, 15.0, 1) == pytest.approx(0.5, abs=1e-3)
    assert probability(index, 89.9 * sign, 0, 15.0, 1) == pytest.approx(0.5, abs=1e-3)


def test_sigma_of_any_kind():
    index = AreaIndex.build([area("a", box(0, 0, 1, 1))])
    sigma = [np.nan, 0.0, -5.0, 1e-6, np.inf, 2e5, 5e4]
    location = index.locate_points([0.5] * 7, [0.9999999] * 7, sigma)
    contents = [index.set_members(int(code)) if code >= 0 else None for code in location.codes]
    assert contents[:4] == [((0, 1),)] * 4
    assert contents[4:6] == [None, None]
    assert contents[6] == ((0, 2),)
    exact = index.locate_points([0.5], [0.9999999])
    assert index.set_members(int(exact.codes[0])) == ((0, 1),)


def test_thresholds_turn_probabilities_into_memberships():
    index = AreaIndex.build([area("a", box(10, -1, 12, 1))])
    kx, _ = scales(0.0)
    distances = norm.ppf([0.004, 0.02, 0.5, 0.98, 0.996])
    for share, memberships in ((0.01, [0, 2, 2, 2, 1]), (0.03, [0, 0, 2, 1, 1])):
        location = index.locate_points(np.zeros(5), 10 + distances * 100 / kx, 100.0, edge_probability=share)
        got = [dict(index.set_members(int(code))).get(0, 0) for code in location.codes]
        assert got == memberships
