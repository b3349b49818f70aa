"""Who sees whom by the index equals the test of every satellite: 100,000 points, all masks, and made-up skies."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "orbit"))

from orbit_files import EPOCH_NS, orbits

from groundrule.frames import enu_axes, geodetic_to_ecef
from groundrule.orbit.elements import join
from groundrule.orbit.generate import generate
from groundrule.orbit.propagate import Propagator
from groundrule.orbit.visible import VisibilityIndex

ROUNDING_M = 1e-6
"""Satellites nearer to the mask than this may fall on either side: NumPy and the kernel round differently."""


@njit
def brute_force(
    r: np.ndarray, x: np.ndarray, up: np.ndarray, sin_mask: float, seen: np.ndarray, near: np.ndarray
) -> None:
    """Fill (points, satellites): seen, and too near to the mask to tell. No index, no window: every pair is tested."""
    for p in range(len(x)):
        for s in range(len(r)):
            a, b, c = r[s, 0] - x[p, 0], r[s, 1] - x[p, 1], r[s, 2] - x[p, 2]
            margin = a * up[p, 0] + b * up[p, 1] + c * up[p, 2] - sin_mask * np.sqrt(a * a + b * b + c * c)
            seen[p, s] = margin >= 0.0
            near[p, s] = abs(margin) < ROUNDING_M


def differences(r: np.ndarray, lat: np.ndarray, lon: np.ndarray, h: np.ndarray, mask: float) -> int:
    seen = VisibilityIndex.build(r).visible(lat, lon, h, mask_deg=mask)
    found = np.zeros((len(lat), len(r)), bool)
    found[np.repeat(np.arange(len(lat)), np.diff(seen.offsets)), seen.satellite] = True
    assert found.sum() == len(seen.satellite), "no satellite stands twice in a list"
    wanted, near = np.zeros_like(found), np.zeros_like(found)
    axes = np.ascontiguousarray(enu_axes(lat, lon)[:, 2])
    brute_force(r, geodetic_to_ecef(lat, lon, h), axes, np.sin(np.radians(mask)), wanted, near)
    return int(((found != wanted) & ~near).sum())


def sky() -> np.ndarray:
    """Low, medium, geostationary and elongated orbits, some hundred of each, in one sky."""
    elements = join(
        [
            generate("iridium", EPOCH_NS),
            orbits(count=700, motion=15.3, inclination=53.0),
            orbits(count=400, motion=13.15, inclination=87.9, first=60_001),
            orbits(count=40, motion=2.0056, inclination=55.0, first=61_001),
            orbits(count=60, motion=1.0027, inclination=0.1, first=62_001),
            orbits(count=40, motion=2.0056, eccentricity=0.7, inclination=63.4, first=63_001),
        ]
    )
    states = Propagator(elements).at(EPOCH_NS)
    assert not states.code.any()
    return states.r_m[:, 0]


def test_a_hundred_thousand_points() -> None:
    r = sky()
    random = np.random.default_rng(20261123)
    for piece in range(50):
        lat = np.degrees(np.arcsin(random.uniform(-1, 1, 2000)))
        lon = random.uniform(-180, 180, 2000)
        h = random.choice([-400.0, 0.0, 9000.0, 12_000.0], 2000)
        # Places where windows fold: poles, the cut at 180 degrees, the equator, and edges of cells.
        lat[:200] = random.choice([90.0, -90.0, 89.9999, -89.9999, 0.0], 200)
        lon[200:400] = random.choice([180.0, -180.0, 179.99999, 0.0, -1e-12], 200)
        lat[400:500] = np.round(lat[400:500] / 2) * 2
        mask = [25.0, 10.0, 0.0, 40.0, -5.0, 70.0, 5.0, 90.0, 33.3, 15.0][piece % 10]
        assert differences(r, lat, lon, h, mask) == 0, piece


@settings(max_examples=200)
@given(
    satellites=st.lists(
        st.tuples(st.floats(-90, 90), st.floats(-400, 400), st.floats(1e4, 4e7)), min_size=1, max_size=30
    ),
    copies=st.sampled_from([1, 60]),
    points=st.lists(st.tuples(st.floats(-90, 90), st.floats(-400, 400), st.floats(-1e4, 5e5)), min_size=1, max_size=10),
    mask=st.floats(-5, 90),
)
def test_any_sky(
    satellites: list[tuple[float, float, float]], copies: int, points: list[tuple[float, float, float]], mask: float
) -> None:
    """Also satellites below the point, and crowds in one cell."""
    lat, lon, h = np.array(satellites * copies).T
    where = np.array(points).T
    assert differences(geodetic_to_ecef(lat, lon, h), where[0], where[1], where[2], mask) == 0


@pytest.mark.shared_data
def test_real_satellites(shared_data: Path) -> None:
    from groundrule.orbit.reading import read_file

    elements = read_file(shared_data / "orbits" / "active-2026-06-03.tle.gz").elements
    r = Propagator(elements).at(EPOCH_NS).r_m[:, 0]
    random = np.random.default_rng(5)
    for mask in (25.0, 5.0):
        lat, lon = np.degrees(np.arcsin(random.uniform(-1, 1, 200))), random.uniform(-180, 180, 200)
        finite = r[np.isfinite(r).all(axis=1)]
        assert differences(finite, lat, lon, np.zeros(200), mask) == 0
