"""Earth-fixed positions against Skyfield, with its UT1 and without.

Stated bound: 2 m and 2 mm/s in low orbits where UT1 - UTC is given, all the way to the geostationary ring 10 m; without
UT1 - UTC another 560 m for each second of it in low orbits. Both sides leave polar motion out.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

skyfield = pytest.importorskip("skyfield.api")

from skyfield.framelib import itrs  # noqa: E402 - only where skyfield is
from skyfield.sgp4lib import EarthSatellite  # noqa: E402 - as above

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "orbit"))

from orbit_files import EPOCH_NS, orbits  # noqa: E402 - follows the path of the examples

from groundrule.frames import ecef_to_geodetic, geodetic_to_ecef  # noqa: E402 - as above
from groundrule.orbit.elements import Elements, join  # noqa: E402 - as above
from groundrule.orbit.propagate import Propagator, _satrecs  # noqa: E402 - as above
from groundrule.orbit.reading import read_file  # noqa: E402 - as above
from groundrule.orbit.visible import VisibilityIndex  # noqa: E402 - as above

LOW_M, LOW_M_S, HIGH_M = 2.0, 2e-3, 10.0
SCALE = skyfield.load.timescale(builtin=True)
LOW_ORBIT_M = 8.4e6


def moments(t_ns: np.ndarray) -> object:
    start = datetime(1970, 1, 1, tzinfo=UTC)
    return SCALE.from_datetimes([start + timedelta(microseconds=int(t) // 1000) for t in t_ns])


def compare(elements: Elements, hours: np.ndarray, *, with_ut1: bool) -> np.ndarray:
    """(cases, 4): distance from the Earth's centre, difference of position [m] and velocity [m/s], UT1 - UTC [s]."""
    times = EPOCH_NS + (hours * 3600e9).astype(np.int64) // 1000 * 1000
    at = moments(times)
    found = []
    for row, satellite in enumerate(_satrecs(elements)):
        r, v = EarthSatellite.from_satrec(satellite, SCALE).at(at).frame_xyz_and_velocity(itrs)
        for j, t in enumerate(times.tolist()):
            dut1 = float(at.dut1[j])
            propagator = Propagator(elements.select([row]), dut1_s=dut1 if with_ut1 else 0.0)
            ours = propagator.pairs([0], [t])
            assert ours.code[0] == 0
            found.append(
                (
                    np.linalg.norm(ours.r_m[0]),
                    np.linalg.norm(ours.r_m[0] - r.m[:, j]),
                    np.linalg.norm(ours.v_m_s[0] - v.km_per_s[:, j] * 1e3),
                    abs(dut1),
                )
            )
    return np.array(found)


def made() -> Elements:
    return join(
        [
            orbits(count=12, motion=np.linspace(12.5, 15.8, 12), inclination=np.linspace(0, 98, 12)),
            orbits(count=3, motion=2.0056, eccentricity=0.6, inclination=63.4, first=60_001),
            orbits(count=3, motion=1.0027, inclination=0.05, first=60_011),
        ]
    )


def judged(found: np.ndarray) -> None:
    low = found[:, 0] < LOW_ORBIT_M
    assert low.any()
    assert found[low, 1].max() < LOW_M
    assert found[low, 2].max() < LOW_M_S
    assert found[:, 1].max() < HIGH_M


def test_positions_with_ut1() -> None:
    judged(compare(made(), np.array([-30.0, -0.1, 0.0, 7.3, 55.5, 130.0]), with_ut1=True))


def test_positions_without_ut1_are_off_by_its_rotation() -> None:
    found = compare(made(), np.array([0.0, 7.3, 55.5]), with_ut1=False)
    assert (found[:, 1] < found[:, 3] * 7.2921e-5 * found[:, 0] + HIGH_M).all()
    assert found[:, 3].max() > 0.005, "otherwise this says nothing"


@pytest.mark.shared_data
def test_real_satellites(shared_data: Path) -> None:
    elements = read_file(shared_data / "orbits" / "active-2026-06-03.tle.gz").elements
    judged(compare(elements.select(np.arange(0, len(elements), 401)), np.array([0.3, 50.0]), with_ut1=True))


def test_geodetic_points_equal_skyfield() -> None:
    random = np.random.default_rng(1)
    lat, lon, h = random.uniform(-90, 90, 50), random.uniform(-180, 180, 50), random.uniform(-500, 6e5, 50)
    for i in range(50):
        point = skyfield.wgs84.latlon(lat[i], lon[i], elevation_m=h[i])
        assert np.linalg.norm(point.itrs_xyz.m - geodetic_to_ecef(lat[i], lon[i], h[i])) < 1e-6
        back = ecef_to_geodetic(point.itrs_xyz.m)
        assert float(back[0]) == pytest.approx(lat[i], abs=1e-9)


def test_look_angles_equal_skyfield() -> None:
    """Geometry at one instant: Skyfield's difference of places is without light time, as ours is."""
    elements = orbits(count=30, motion=15.2)
    t = np.array([EPOCH_NS])
    dut1 = float(moments(t).dut1[0])
    index = VisibilityIndex.build(Propagator(elements, dut1_s=dut1).at(t).r_m[:, 0])
    place = skyfield.wgs84.latlon(43.5, 34.0, elevation_m=120.0)
    seen = index.visible(43.5, 34.0, 120.0, mask_deg=-5.0)
    elevation, azimuth, distance = index.geometry(seen, 43.5, 34.0, 120.0)
    satellites = _satrecs(elements)
    assert len(seen.satellite)
    for entry, row in enumerate(seen.satellite.tolist()):
        sight = (EarthSatellite.from_satrec(satellites[row], SCALE) - place).at(moments(t)[0])
        alt, az, range_ = sight.altaz()
        assert elevation[entry] == pytest.approx(alt.degrees, abs=1e-3)
        assert azimuth[entry] == pytest.approx(az.degrees, abs=1e-3)
        assert distance[entry] == pytest.approx(range_.m, abs=LOW_M)
