"""What a look must show: light time against flights traced in inertial space, Jacobians against differences."""

from __future__ import annotations

import math

import numpy as np
import pytest

from groundrule.frames import C_M_S, MU_M3_S2, OMEGA_EARTH_RAD_S, enu_axes, geodetic_to_ecef
from groundrule.verify import descend, normal
from groundrule.verify.model import LOOK_COLUMNS, SAT_COLUMNS, displace, shift_along, triad
from groundrule.verify.plain import nuisance_rows, predict
from made_looks import RADIUS_M, circle, looks_at

LAT, LON = 43.5, 34.0


def rows_of(looks: np.ndarray, lat: float, lon: float, h: float, state: np.ndarray, *, light: bool) -> np.ndarray:
    sat, rows, place = np.zeros((len(looks), SAT_COLUMNS)), np.zeros((len(looks), normal.ROWS)), np.zeros(12)
    descend.load(looks, 0, len(looks), 0.0, sat, np.zeros(12))
    descend.set_place(math.radians(lat), math.radians(lon), h, place)
    normal.fill_rows(sat, looks, 0, len(looks), place, state, light, True, rows)
    return rows


def some_looks(lat: float = LAT, lon: float = LON, leg: int = 1) -> np.ndarray:
    t, r, v = looks_at(lat, lon, 4, 5, 3)
    looks = np.zeros((len(t), LOOK_COLUMNS))
    looks[:, 0], looks[:, 1:4], looks[:, 4:7], looks[:, 11] = 8 * t, r, v, leg
    return looks


def inertial(t: float, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Satellite and terminal in space at a time, traced without any expansion; axes agree with ECEF at t = 0."""
    n = math.sqrt(MU_M3_S2 / RADIUS_M**3)
    r, v = circle(LAT, LON, 6.0, 70.0, 50.0, np.zeros(1))
    moving = v[0] + OMEGA_EARTH_RAD_S * np.array([-r[0, 1], r[0, 0], 0.0])
    along = moving / np.linalg.norm(moving)
    satellite = RADIUS_M * (math.cos(n * t) * r[0] / RADIUS_M + math.sin(n * t) * along)
    c, s = math.cos(OMEGA_EARTH_RAD_S * t), math.sin(OMEGA_EARTH_RAD_S * t)
    return satellite, np.array([c * place[0] - s * place[1], s * place[0] + c * place[1], place[2]])


def test_light_time_of_both_legs_and_of_one() -> None:
    """Traced flights: the range within 1 um, the rate of either leg (difference of two flights) within 2 mm/s."""
    place = geodetic_to_ecef(LAT, LON, 250.0)
    looks = np.zeros((1, LOOK_COLUMNS))
    r, v = circle(LAT, LON, 6.0, 70.0, 50.0, np.zeros(1))
    looks[0, 1:4], looks[0, 4:7] = r[0], v[0]

    def leg_length(t2: float, sign: int) -> float:
        at = inertial(t2, place)[1]
        length = float(np.linalg.norm(inertial(t2, place)[0] - at))
        for _ in range(6):
            length = float(np.linalg.norm(inertial(t2 + sign * length / C_M_S, place)[0] - at))
        return length

    for sign in (1, -1):
        looks[0, 11] = sign
        rows = rows_of(looks, LAT, LON, 250.0, np.zeros(9), light=True)
        both = 0.5 * (leg_length(0.0, 1) + leg_length(0.0, -1))
        assert abs(-rows[0, 7] - both) < 2e-6
        # The far end moves on while the flight lengthens: what u.(v_s - v_t) leaves out is this factor, below 3e-5.
        step = 1e-3
        rate = (leg_length(step, sign) - leg_length(-step, sign)) / (2 * step)
        moving = inertial(1e-3, place)[0] - inertial(-1e-3, place)[0]
        gap = inertial(0.0, place)[0] - place
        far = float(moving @ gap / np.linalg.norm(gap) / 2e-3)
        assert abs(-rows[0, 19] - (rate - sign * rate * far / C_M_S)) < 2e-3
        instant = rows_of(looks, LAT, LON, 250.0, np.zeros(9), light=False)
        assert abs(rows[0, 19] - instant[0, 19]) > 0.05, "the leg matters"


@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize("lat", [LAT, 90.0, -89.999, 0.0])
def test_jacobians_are_the_derivatives(light: bool, lat: float) -> None:
    looks = some_looks(lat)
    state = np.array([0, 0, 0, 40.0, 3.0, 1e-3, 60.0, -35.0, 0.02])
    rows = rows_of(looks, lat, LON, 500.0, state, light=light)
    axes, place = enu_axes(lat, LON), geodetic_to_ecef(lat, LON, 500.0)
    h_r, h_d = predict(looks, place, axes, state, light_time=light)
    assert np.abs(rows[:, 7] + h_r).max() < 1e-5
    assert np.abs(rows[:, 19] + h_d).max() < 1e-6
    for k in range(3):
        steps = np.eye(3)[k] * 5.0
        plus, minus = (predict(looks, place + s * steps, axes, state, light_time=light) for s in (1, -1))
        assert np.allclose(rows[:, k], (plus[0] - minus[0]) / 10.0, atol=1e-7)
        assert np.allclose(rows[:, 12 + k], (plus[1] - minus[1]) / 10.0, atol=2e-9)
    # the network clock's column leaves the light time's own change out: below 1e-4 of it
    for column, index, step, close in ((8, 6, 0.5, 1e-6), (9, 7, 0.5, 1e-6), (10, 8, 1e-3, 1e-4)):
        ends = []
        for sign in (1, -1):
            moved = state.copy()
            moved[index] += sign * step
            ends.append(predict(looks, place, axes, moved, light_time=light))
        for half in range(2):
            slope = (ends[0][half] - ends[1][half]) / (2 * step)
            assert np.allclose(rows[:, 12 * half + column], slope, rtol=close, atol=close * np.abs(slope).max())
    g_r, g_d = nuisance_rows(looks, place, axes, state)
    assert np.allclose(rows[:, 4:7], g_r, atol=1e-12)
    assert np.allclose(rows[:, 16:19], g_d, atol=1e-12)


def test_nuisances_are_displacements_of_the_satellite() -> None:
    looks = some_looks()
    axes, place = enu_axes(LAT, LON), geodetic_to_ecef(LAT, LON, 0.0)
    g_r, g_d = nuisance_rows(looks, place, axes, np.zeros(9))
    h_r, h_d = predict(looks, place, axes, np.zeros(9), light_time=False)
    for component in range(3):
        src = np.zeros((len(looks), 3))
        src[:, component] = 20.0
        moved = looks.copy()
        moved[:, 1:4], moved[:, 4:7] = displace(looks[:, 1:4], looks[:, 4:7], src)
        r2, d2 = predict(moved, place, axes, np.zeros(9), light_time=False)
        assert np.allclose(r2 - h_r, 20 * g_r[:, component], atol=2e-3)
        # Radial and cross errors move the place only; along track the velocity turns with it, in inertial space.
        assert np.allclose(d2 - h_d, 20 * g_d[:, component], atol=3e-3)


def test_a_shift_along_the_orbit_is_the_satellite_late() -> None:
    t = np.array([0.0])
    r, v = circle(LAT, LON, 6.0, 70.0, 50.0, t)
    state = np.concatenate([r[0], v[0]])
    n = math.sqrt(MU_M3_S2 / RADIUS_M**3)
    shift_along(state, 50_000.0)
    angle = math.acos(state[:3] @ r[0] / np.linalg.norm(state[:3]) / RADIUS_M)
    assert abs(angle * RADIUS_M - 50_000.0) < 2.0  # J2 within 6.6 s; the orbit of the comparison has none
    assert abs(angle / n - 50_000.0 / (RADIUS_M * n)) < 1e-3


def test_the_triad_is_right_handed_and_along_the_inertial_velocity() -> None:
    looks = some_looks()
    frame, n = triad(looks[:, 1:4], looks[:, 4:7])
    assert np.allclose(np.einsum("nij,nkj->nik", frame, frame), np.eye(3), atol=1e-14)
    assert np.allclose(np.cross(frame[:, 1], frame[:, 0]), frame[:, 2], atol=1e-14)
    assert np.allclose(n, math.sqrt(MU_M3_S2 / RADIUS_M**3), rtol=1e-6)
