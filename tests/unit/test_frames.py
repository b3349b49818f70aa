"""Frames: against closed forms and against pyproj, at the poles and at the equator."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
from sgp4.api import jday
from sgp4.propagation import gstime

from groundrule import frames
from groundrule.instant import parse_instant


def points(n: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(7)
    lat = np.concatenate([random.uniform(-90, 90, n), [90, -90, 0, 89.999999999, -89.9999, 1e-12, 45]])
    lon = np.concatenate([random.uniform(-180, 180, n), [0, 0, 0, 17, -120, 180, -90]])
    h = np.concatenate([random.uniform(-1e4, 2e6, n - 10), random.uniform(2e6, 4e7, 10), [0, 0, 0, 5e5, -1e5, 4e7, 0]])
    return lat, lon, h


def test_there_and_back() -> None:
    lat, lon, h = points()
    lat2, lon2, h2 = frames.ecef_to_geodetic(frames.geodetic_to_ecef(lat, lon, h))
    assert np.max(np.abs(lat2 - lat)) < 1e-11
    off_pole = np.abs(lat) < 89.99
    turn = (lon2 - lon + 180.0) % 360.0 - 180.0
    assert np.max(np.abs(turn[off_pole])) < 1e-10
    assert np.max(np.abs(h2 - h)) < 2e-8


def test_ecef_equals_pyproj() -> None:
    lat, lon, h = points()
    other = np.stack(pyproj.Transformer.from_crs(4979, 4978, always_xy=True).transform(lon, lat, h), axis=-1)
    assert np.max(np.abs(other - frames.geodetic_to_ecef(lat, lon, h))) < 2e-8


def test_known_points() -> None:
    xyz = frames.geodetic_to_ecef([0.0, 90.0], [90.0, 33.0], [10.0, -5.0])
    assert xyz == pytest.approx(np.array([[0, 6378147.0, 0], [0, 0, 6356747.314245179]]), abs=1e-8)
    lat, lon, h = frames.ecef_to_geodetic([0.0, 0.0, -6356752.314245179])
    assert (float(lat), float(lon)) == (-90.0, 0.0)
    assert float(h) == pytest.approx(0.0, abs=1e-8)


@pytest.mark.parametrize("lat", [90.0, -90.0, 0.0, 43.5])
def test_axes_are_right_handed_and_fixed_at_the_pole(lat: float) -> None:
    axes = frames.enu_axes(lat, 34.0)
    assert axes @ axes.T == pytest.approx(np.eye(3), abs=1e-15)
    assert np.cross(axes[0], axes[1]) == pytest.approx(axes[2], abs=1e-15)
    assert np.array(frames.enu_of(np.radians(lat), np.radians(34.0))) == pytest.approx(axes, abs=1e-15)


def test_axes_point_where_the_coordinates_grow() -> None:
    lat, lon, h = 43.5, 34.0, 120.0
    here = frames.geodetic_to_ecef(lat, lon, h)
    axes = frames.enu_axes(lat, lon)
    for row, step in enumerate([(0.0, 1e-7, 0.0), (1e-7, 0.0, 0.0), (0.0, 0.0, 0.01)]):
        d = frames.geodetic_to_ecef(lat + step[0], lon + step[1], h + step[2]) - here
        assert d / np.linalg.norm(d) == pytest.approx(axes[row], abs=1e-6)


@pytest.mark.parametrize("text", ["2026-05-13T02:00:00Z", "1999-12-31T23:59:59.5Z", "2000-01-01T12:00:00Z"])
def test_sidereal_time_equals_vallado(text: str) -> None:
    """Vallado's `gstime` loses digits in one Julian date: 1e-8 rad is what it can give."""
    t_ns = parse_instant(text)
    seconds = t_ns / 1e9
    jd = 2440587.5 + seconds / 86400.0
    other = gstime(jd)
    angle = float(frames.gmst82_rad(t_ns))
    assert (angle - other + np.pi) % (2 * np.pi) - np.pi == pytest.approx(0.0, abs=6e-9)


def test_sidereal_time_takes_ut1() -> None:
    t_ns = parse_instant("2026-05-13T02:00:00Z")
    turned = float(frames.gmst82_rad(t_ns, 1.0) - frames.gmst82_rad(t_ns))
    assert turned == pytest.approx(7.292115855e-5, rel=1e-8)
    assert turned * frames.WGS84_A_M == pytest.approx(465.1, abs=0.1)


def test_state_turns_with_its_velocity() -> None:
    """The velocity is the derivative of the position in the turning frame."""
    r = np.array([7.0e6, 1.0e5, 2.0e6])
    v = np.array([-1.0e3, 7.0e3, 500.0])
    t_ns = parse_instant("2026-05-13T02:00:00Z")
    step = 1_000_000
    r1, v1 = frames.teme_to_ecef(r, v, frames.gmst82_rad(t_ns))
    before, _ = frames.teme_to_ecef(r - v * 1e-3, v, frames.gmst82_rad(t_ns - step))
    after, _ = frames.teme_to_ecef(r + v * 1e-3, v, frames.gmst82_rad(t_ns + step))
    assert (after - before) / 2e-3 == pytest.approx(v1, abs=2e-5)
    assert np.linalg.norm(r1) == pytest.approx(np.linalg.norm(r), abs=1e-8)


def test_day_and_julian_date_agree() -> None:
    jd, fraction = jday(2000, 1, 1, 12, 0, 0.0)
    assert (jd + fraction - 2440587.5) * 86400e9 == frames.J2000_NS
