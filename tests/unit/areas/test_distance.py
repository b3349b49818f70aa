from __future__ import annotations

import numpy as np
import pytest
import shapely
from made_areas import area, box, star
from pyproj import Geod
from scipy.stats import norm

from groundrule.areas.index import AreaIndex
from groundrule.errors import InputError, OutOfRange

WGS84 = Geod(ellps="WGS84")
DISTANCE_TOLERANCE = 1e-3  # relative, below 75 degrees and 200 km
POLAR_TOLERANCE = 3e-3


def brute_force(shape, lat, lon):
    """Geodesic distance to edges densified to 0.002 degrees or finer."""
    dense = shapely.get_coordinates(shapely.segmentize(shape.boundary, 0.002))
    n = len(dense)
    return WGS84.inv(np.full(n, lon), np.full(n, lat), dense[:, 0], dense[:, 1])[2].min()


@pytest.mark.parametrize("lat0", [-74.0, -45.0, 0.0, 30.0, 60.0, 72.0, 84.0, 88.0])
def test_distance_is_that_of_a_geodesic(lat0):
    rng = np.random.default_rng(21)
    shape = star(20, lat0, 60_000, 12, rng)
    index = AreaIndex.build([area("other", box(100, -5, 101, 5)), area("islet", shape)])
    tolerance = DISTANCE_TOLERANCE if abs(lat0) < 75 else POLAR_TOLERANCE
    for metres in (300, 8_000, 100_000, 190_000):
        lon, lat, _ = WGS84.fwd(20, lat0, rng.uniform(0, 360), metres)
        want = brute_force(shape, lat, lon)
        inside = shapely.intersects_xy(shape, lon, lat)
        got = index.edge_distance_m(lat, lon, 1)[0]
        assert (got < 0) == inside
        assert abs(got) == pytest.approx(want, rel=tolerance, abs=0.1)


def test_long_edges_and_limits():
    index = AreaIndex.build([area("wide", box(-60, 10, 60, 20))])
    assert index.edge_distance_m(20.5, 0, 0)[0] == pytest.approx(WGS84.inv(0, 20.5, 0, 20)[2], rel=2e-3)
    assert index.edge_distance_m(25, 0, 0)[0] == np.inf
    assert index.edge_distance_m(15, 0, 0)[0] == -np.inf
    assert index.edge_distance_m(15, 0, 0, max_m=600_000)[0] == pytest.approx(-WGS84.inv(0, 15, 0, 10)[2], rel=2e-3)
    assert np.isnan(index.edge_distance_m(np.nan, 0, 0)[0])
    with pytest.raises(OutOfRange):
        index.edge_distance_m(0, 0, 1)


def test_cuts_are_no_edges():
    split = shapely.MultiPolygon([box(170, 60, 180, 70), box(-180, 60, -170, 70)])
    cap = box(-180, -90, 180, -80)
    index = AreaIndex.build([area("split", split), area("cap", cap)])
    assert index.edge_distance_m(60.5, 180, 0)[0] == pytest.approx(-WGS84.inv(0, 60.5, 0, 60)[2], rel=1e-3)
    assert index.edge_distance_m(59.9, -179.99, 0)[0] == pytest.approx(WGS84.inv(0, 59.9, 0, 60)[2], rel=1e-3)
    assert index.edge_distance_m(-90, 0, 1)[0] == -np.inf
    assert index.edge_distance_m(-81, 180, 1)[0] == pytest.approx(-WGS84.inv(0, -81, 0, -80)[2], rel=5e-3)


class TestBuffer:
    def build(self):
        return AreaIndex.build(
            [area("a", box(10, 50, 11, 51)), area("b", box(12, 50, 13, 51))], buffers=[("a", 1900), ("a", 1900.0)]
        )

    def test_members(self):
        index = self.build()
        assert [(m.id, m.kind, m.base) for m in index.members] == [
            ("a", "zone", 0),
            ("b", "zone", 1),
            ("a+1900m", "buffer", 0),
        ]

    def test_exact_membership_is_the_distance(self):
        index = self.build()
        rng = np.random.default_rng(7)
        lat, lon = rng.uniform(49.9, 51.1, 3000), rng.uniform(9.9, 11.1, 3000)
        codes = index.locate_exact(lat, lon)
        got = np.array([dict(index.set_members(int(code))).get(2, 0) for code in codes])
        distance = index.edge_distance_m(lat, lon, 0)
        assert np.array_equal(got == 1, distance <= 1900)
        assert (got == 1).sum() - sum(dict(index.set_members(int(c))).get(0, 0) == 1 for c in codes) > 100

    def test_probability_is_that_of_a_half_plane(self):
        index = self.build()
        for metres in (1000, 1850, 1900, 1950, 2800):
            lon, lat, _ = WGS84.fwd(11, 50.5, 90, metres)
            location = index.locate_points([lat], [lon], 50.0, edge_probability=1e-6)
            want = norm.cdf((1900 - metres) / 50)
            got = dict(zip(location.edge_members.tolist(), location.edge_probability.tolist(), strict=True))
            if 1e-5 < want < 1 - 1e-5:
                assert got[2] == pytest.approx(want, abs=2e-3)
            else:
                assert dict(index.set_members(int(location.codes[0]))).get(2, 0) == round(want)

    def test_large_sigma_reaches_beyond_the_flagged_cells(self):
        index = self.build()
        lon, lat, _ = WGS84.fwd(11, 50.5, 90, 61_900)
        location = index.locate_points([lat], [lon], 30_000.0)
        assert location.edge_probability[location.edge_members == 2] == pytest.approx([norm.cdf(-2)], abs=2e-3)

    @pytest.mark.parametrize("buffer", [("nowhere", 100.0), ("a", 0.0), ("a", float("nan")), ("a", 1e9)])
    def test_wrong_buffers_are_refused(self, buffer):
        with pytest.raises(InputError):
            AreaIndex.build([area("a", box(10, 50, 11, 51))], buffers=[buffer])
