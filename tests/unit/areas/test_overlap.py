"""How much of a region lies in a circle, against points thrown at random, and against what is known in closed form."""

from __future__ import annotations

import math
from typing import Any

import h3
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pyproj import Geod

from groundrule.areas.overlap import FARTHEST_M, RADIUS_95, Region, around, cell_of, circle_of, match, share_inside

GEOD = Geod(ellps="WGS84")


def thrown(region: Region, lat: float, lon: float, radius: float, count: int = 40_000) -> float:
    """The share of points of the region, thrown evenly over its area, that lie in the circle."""
    random = np.random.default_rng(7)
    # Evenly over the sphere, with the weight of the ellipsoid's area there.
    reach = region.reach_m / 6_356_752.0 * 1.01
    bearing = random.uniform(0.0, 360.0, 4 * count)
    distance = 2.0 * np.arcsin(np.sqrt(random.uniform(0.0, math.sin(reach / 2.0) ** 2, 4 * count))) * 6_371_000.0
    lons, lats, _ = GEOD.fwd(np.full(4 * count, region.lon_deg), np.full(4 * count, region.lat_deg), bearing, distance)
    sine = np.sin(np.radians(lats))
    weight = np.ones(len(lats)) if region.reach_m < 50_000 else (1.0 - 0.00669437999014 * sine**2) ** -2
    if region.cell:
        name = h3.int_to_str(region.cell)
        size = h3.get_resolution(name)
        inside = np.array([h3.latlng_to_cell(a, b, size) == name for a, b in zip(lats, lons, strict=True)])
    else:
        inside = distance <= region.radius_m
    away = GEOD.inv(np.full(len(lons), lon), np.full(len(lons), lat), lons, lats)[2]
    return float(weight[inside & (away <= radius)].sum() / weight[inside].sum())


@pytest.mark.parametrize(
    ("region", "lat", "lon", "radius"),
    [
        (Region(50.0, 7.0, 40.0), 50.0003, 7.0, 40.0),
        (Region(50.0, 179.9999, 40.0), 50.0, -179.9999, 40.0),
        (Region(-16.5, -179.99, 5_000.0), -16.5, 179.97, 4_000.0),
        (Region(90.0, 0.0, 3_000.0), 89.99, 135.0, 2_500.0),
        (Region(-89.999, 12.0, 3_000.0), -89.97, -100.0, 3_500.0),
        (Region(10.0, 20.0, 900_000.0), 15.0, 25.0, 700_000.0),
        (Region(10.0, 20.0, 900_000.0), 60.0, 100.0, 8_000_000.0),
        (Region(10.0, 20.0, 200_000.0), -10.0, -160.0, 19_930_000.0),
        (Region(0.0, 0.0, 500_000.0), 0.0, 90.0, 10_000_000.0),
        (Region(70.0, 170.0, 300_000.0), -5.0, -20.0, 12_811_000.0),
        (Region(52.0, 13.0, 100.0), 40.0, 13.0, 1_333_845.0),
    ],
)
def test_the_share_of_a_circle_is_that_of_points_thrown_at_random(region: Region, lat: float, lon: float, radius: float) -> None:
    wanted = thrown(region, lat, lon, radius)
    assert 0.005 < wanted < 0.999, "the case must overlap"
    assert share_inside(region, lat, lon, radius) == pytest.approx(wanted, abs=0.008)


@pytest.mark.parametrize(
    ("lat", "lon", "size", "bearing", "distance", "radius"),
    [
        (48.2, 16.4, 5, 30.0, 9_000.0, 6_000.0), (0.0, 179.99, 4, 90.0, 20_000.0, 15_000.0), (89.99, 40.0, 3, 0.0, 40_000.0, 50_000.0),
        (-89.0, 0.0, 1, 200.0, 200_000.0, 300_000.0), (30.0, -60.0, 0, 120.0, 900_000.0, 700_000.0), (64.7, 10.5, 7, 10.0, 900.0, 900.0),
        (30.0, -60.0, 0, 120.0, 12_000_000.0, 12_100_000.0),
    ],
)  # fmt: skip
def test_the_share_of_a_cell_is_that_of_points_thrown_at_random(
    lat: float, lon: float, size: int, bearing: float, distance: float, radius: float
) -> None:
    region = cell_of(h3.str_to_int(h3.latlng_to_cell(lat, lon, size)))
    there_lon, there_lat, _ = GEOD.fwd(region.lon_deg, region.lat_deg, bearing, distance)
    wanted = thrown(region, there_lat, there_lon, radius, 15_000)
    assert 0.01 < wanted < 0.99, "the case must overlap"
    assert share_inside(region, there_lat, there_lon, radius) == pytest.approx(wanted, abs=0.012)


def lens(one: float, other: float, apart: float) -> float:
    """Area of the overlap of two circles in the plane."""
    first = one**2 * math.acos((apart**2 + one**2 - other**2) / (2 * apart * one))
    second = other**2 * math.acos((apart**2 + other**2 - one**2) / (2 * apart * other))
    rest = (-apart + one + other) * (apart + one - other) * (apart - one + other) * (apart + one + other)
    return first + second - 0.5 * math.sqrt(rest)


@examples(max_examples=60)
@given(
    lat=st.floats(-90, 90), lon=st.floats(-180, 180), one=st.floats(1, 3_000), other=st.floats(1, 3_000),
    bearing=st.floats(0, 360), place=st.floats(0.02, 0.98),
)  # fmt: skip
def test_small_circles_overlap_as_in_the_plane(
    lat: float, lon: float, one: float, other: float, bearing: float, place: float
) -> None:
    apart = abs(one - other) + place * (one + other - abs(one - other))
    if apart < 0.1 or min(one, other) / max(one, other) < 1e-3:
        return
    there_lon, there_lat, _ = GEOD.fwd(lon, lat, bearing, apart)
    found = share_inside(Region(lat, lon, one), there_lat, there_lon, other)
    assert found == pytest.approx(lens(one, other, apart) / (math.pi * one**2), abs=2e-3)


@examples(max_examples=60)
@given(
    lat=st.floats(-90, 90), lon=st.floats(-180, 180), bearing=st.floats(0, 360), distance=st.floats(0, 19_000_000),
    radius=st.floats(1, 19_000_000), sigma=st.floats(0, 200_000),
)  # fmt: skip
def test_the_verdict_is_that_of_the_points_of_the_region(
    lat: float, lon: float, bearing: float, distance: float, radius: float, sigma: float
) -> None:
    region = circle_of(lat, lon, sigma)
    there_lon, there_lat, _ = GEOD.fwd(lon, lat, bearing, distance)
    lons, lats = region.ring
    every = GEOD.inv(np.full(len(lons) + 1, there_lon), np.full(len(lons) + 1, there_lat), [*lons, lon], [*lats, lat])[2]
    verdict, rate = match(region, there_lat, there_lon, radius)
    if verdict == "TRUE":
        assert max(every) <= radius + 0.01
        assert rate is None
    elif verdict == "FALSE":
        assert min(every) > radius - 0.01
        assert rate is None
    else:
        assert rate is not None
        assert 1 <= rate <= 99
        # The ring has 720 points: what overlaps between two of them is seen by the verdict alone.
        slack = region.radius_m * 2e-5 + 0.01
        assert max(every) > radius - slack
        assert min(every) <= radius + slack or distance <= radius + region.radius_m


def test_a_region_is_inside_apart_or_partly_inside() -> None:
    region = circle_of(50.0, 7.0, 10.0)
    assert region.radius_m == pytest.approx(24.477)
    assert match(region, 50.0, 7.0, 25.0) == ("TRUE", None)
    assert match(region, 50.0, 7.0, 24.0) == ("PARTIAL", 96)
    assert match(region, 50.0, 7.0, 1.0) == ("PARTIAL", 1)
    assert match(region, 51.0, 7.0, 100_000.0) == ("FALSE", None)
    assert match(region, 51.0, 7.0, 112_000.0) == ("TRUE", None)


@pytest.mark.parametrize("lat", [0.0, 45.0, -89.9999, 90.0])
def test_the_far_side_of_the_earth_is_a_place_like_any_other(lat: float) -> None:
    region = circle_of(-lat, 33.0, 20.0)
    here = (lat, -147.0)
    assert match(region, *here, FARTHEST_M) == ("TRUE", None)
    assert match(region, *here, 1e12) == ("TRUE", None)
    verdict, rate = match(region, *here, FARTHEST_M - 20.0)
    assert verdict == "PARTIAL"
    assert rate is not None
    assert match(region, *here, FARTHEST_M - 100_000.0) == ("FALSE", None)


def test_a_circle_within_a_large_cell_is_a_small_part_of_it() -> None:
    region = cell_of(h3.str_to_int(h3.latlng_to_cell(10.0, 10.0, 0)))
    lons, lats = circle = region.ring
    assert len(circle[0]) > 1_000
    assert match(region, region.lat_deg, region.lon_deg, 1.0) == ("PARTIAL", 1)
    assert match(region, region.lat_deg, region.lon_deg, region.reach_m + 1) == ("TRUE", None)
    assert match(region, -region.lat_deg, region.lon_deg - 180, 1_000.0) == ("FALSE", None)
    assert share_inside(region, region.lat_deg, region.lon_deg, 100_000.0) == pytest.approx(math.pi * 1e10 / region.area_m2, rel=0.01)
    assert max(lats) < 90
    assert min(lons) >= -180


def test_every_cell_has_about_its_area_and_lies_within_its_circle() -> None:
    for size, name in ((0, "8009fffffffffff"), (2, h3.latlng_to_cell(85, 10, 2)), (9, h3.latlng_to_cell(52, 13, 9))):
        region = cell_of(h3.str_to_int(name))
        assert region.area_m2 == pytest.approx(h3.cell_area(name, "m^2"), rel=0.02), size
        whole: Any = around(region)
        assert whole.radius_m >= region.reach_m
        assert match(region, whole.lat_deg, whole.lon_deg, whole.radius_m)[0] == "TRUE"


def test_what_holds_a_pole_or_crosses_the_180th_meridian_is_not_drawn_on_a_plain_map() -> None:
    def plain(lat: float, lon: float, size: int) -> bool:
        return cell_of(h3.str_to_int(h3.latlng_to_cell(lat, lon, size))).plain

    assert plain(52.0, 13.0, 5)
    assert not plain(90.0, 0.0, 3)
    assert not plain(-90.0, 0.0, 1)
    assert not plain(10.0, 180.0, 4)
    assert plain(10.0, 170.0, 4)


def test_the_constant_is_that_of_two_dimensions() -> None:
    assert abs(RADIUS_95 - math.sqrt(-2 * math.log(0.05))) < 1e-4
    assert shapely.Polygon(np.column_stack(Region(0, 0, 1_000.0).ring)).is_valid
