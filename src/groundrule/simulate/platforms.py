"""Simulated motion of every class of platform that may carry a terminal, from published dynamics; nothing is fitted to real tracks.

A track is a point that rests, gains speed with a bounded and power-limited acceleration, cruises in segments, turns within the
sideways acceleration of its kind, circles, climbs, descends, brakes and rests again, in steps of one second; the receiver adds
white and slowly varying noise. It is a caricature: no road, rail, runway, terrain or traffic exists, and every kind is drawn
from wide ranges, so that a model learns what the kinds can do and not where they go.

Sources of the ranges: walking 1.4 m/s (Bohannon 1997); road accelerations 1 to 3 m/s2, rarely 6, and limits of 50 to 130 km/h; rail 0.3
to 1.1 m/s2 (EN 13452, UIC 660), speeds to 300 km/h; ships 8 to 25 kn, boats to 45 kn; airliners after Eurocontrol BADA's public
summaries (cruise 220 to 260 m/s at 9 to 12 km, climb 8 to 15 m/s); light aeroplanes and helicopters after type certificates (45 to
120 m/s, climb 3 to 12 m/s); gliders 22 to 45 m/s and paragliders 8 to 14 m/s with circles of 18 to 35 s; small unmanned aeroplanes 13 to
30 m/s, one-way attack drones 41 to 53 m/s (press: 150 to 190 km/h) from a rail or booster; multirotors to 20 m/s with vertical starts.
"""

# ruff: noqa: NPY002 - the one generator that compiled code has
from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

CLASSES: Final = (
    "stationary", "pedestrian", "road", "rail", "ship", "small_boat", "airliner", "light_aircraft", "glider", "fixed_wing_uav",
    "multirotor",
)  # fmt: skip
"""As `detect.platform` has them; light_aircraft includes helicopters, and glider includes paragliders."""

Floats = NDArray[np.float64]

_FIELDS: Final = (
    # cruise [m/s], its spread from segment to segment [share], acceleration and braking [m/s2], speed from which power limits it [m/s],
    "cruise", "spread", "gain", "brake", "power",
    # mean time of a segment, of a rest and of a leg between two rests [s]
    "segment_s", "rest_s", "leg_s",
    # mean time between turns [s], standard deviation of their angle [rad], sideways acceleration [m/s2], speed in a turn [m/s]
    "turn_s", "turn_rad", "side", "turn_speed",
    # curvature that is always there [rad/m], share of segments that circle, their period [s] and climb [m/s]
    "bend", "circle", "circle_s", "circle_up",
    # height [m] (0: on the ground), climb and descent [m/s], sink outside circles [m/s], wind [m/s], slope of the ground
    "height", "up", "down", "sink", "wind", "slope",
    # way of starting: 0 on wheels or water, 1 at once, 2 straight up, 3 by winch; drift at rest [m/s]; height of the ground [m]
    "start", "drift", "ground",
    # fastest while it climbs, and while it leaves a place where it was parked [m/s]; how far it goes from its start [m]
    "climbing", "leaving", "range_m",
    # receiver: slow and white noise [m], share of fixes that jump aside, and how far [m]
    "slow_m", "white_m", "jump_share", "jump_m",
)  # fmt: skip
_AT: Final = {name: place for place, name in enumerate(_FIELDS)}


_FAR_M: Final = 1.2e6
"""Distance from the start at which a track turns back at the latest [m]."""
_CEILING_M: Final = 2_500.0
"""Height above ground beyond which nothing circles upwards [m]: a usual base of clouds."""


@dataclass(frozen=True, slots=True)
class Track:
    """One simulated track.

    Attributes:
        kind: what it is, finer than its class.
        t_s: [s].
        lat_deg, lon_deg: as the receiver has them [degree].
        alt_m: above sea level, as the receiver has it [m].
        off_s: instants at which a rest ended [s].
        speed_m_s: true speed over ground [m/s].
    """

    kind: str
    t_s: Floats
    lat_deg: Floats
    lon_deg: Floats
    alt_m: Floats
    off_s: Floats
    speed_m_s: Floats


def kinds_of(name: str) -> tuple[str, ...]:
    """Return the kinds of a class."""
    return _KINDS[name]


_KINDS: Final = {
    "stationary": ("fixed", "moored"),
    "pedestrian": ("walker",),
    "road": ("town_car", "country_car", "motorway_car", "fast_car", "bus", "lorry", "bicycle", "tractor"),
    "rail": ("tram", "metro", "regional_train", "express_train", "high_speed_train"),
    "ship": ("cargo_ship", "ferry"),
    "small_boat": ("fishing_boat", "speed_boat", "sailing_boat"),
    "airliner": ("airliner",),
    "light_aircraft": ("aeroplane", "turboprop", "business_jet", "helicopter", "survey_aeroplane"),
    "glider": ("winched_glider", "towed_glider", "paraglider"),
    "fixed_wing_uav": ("one_way_drone", "small_uav", "tactical_uav"),
    "multirotor": ("camera_drone", "heavy_multirotor"),
}


def simulate(kind: str, seed: int, *, seconds: float, cadence_s: float = 15.0, busy: float = 1.0) -> Track:
    """Simulate one track that begins at rest.

    Args:
        kind: one of the kinds of a class.
        seed: the same gives the same track.
        seconds: duration [s].
        cadence_s: of the fixes [s].
        busy: rests are so many times as short.
    """
    rng = np.random.default_rng([seed, sum(map(ord, kind)), len(kind)])
    values = dict.fromkeys(_FIELDS, 0.0) | _usual(rng) | _drawn(kind, rng)
    p = np.array([values[name] for name in _FIELDS])
    p[_AT["rest_s"]] /= busy
    n = int(seconds // cadence_s)
    out = np.empty((5, n))
    offs = np.empty(4_096)
    found = _run(p, n, cadence_s, rng.integers(2**31), out, offs)
    lat0, lon0 = rng.uniform(-55, 65), rng.uniform(-170, 170)
    lat, lon = _on_sphere(lat0, lon0, out[0], out[1])
    return Track(kind, np.arange(n, dtype=np.float64) * cadence_s, lat, lon, out[2], offs[:found].copy(), out[3])


def _on_sphere(lat0_deg: float, lon0_deg: float, east_m: Floats, north_m: Floats) -> tuple[Floats, Floats]:
    """Return latitude and longitude of points of the plane that touches the sphere, by the azimuthal equidistant projection."""
    away = np.hypot(east_m, north_m)
    c = away / 6_371_008.8
    share = np.where(away > 0, np.sin(c) / np.maximum(away, 1e-9), 0.0)
    sin0, cos0 = np.sin(np.radians(lat0_deg)), np.cos(np.radians(lat0_deg))
    lat: Floats = np.degrees(np.arcsin(np.clip(np.cos(c) * sin0 + north_m * share * cos0, -1.0, 1.0)))
    lon: Floats = lon0_deg + np.degrees(np.arctan2(east_m * share, cos0 * np.cos(c) - north_m * share * sin0))
    return lat, (lon + 180.0) % 360.0 - 180.0


def _usual(rng: np.random.Generator) -> dict[str, float]:
    return {
        "spread": 0.1, "gain": 1.0, "brake": 1.0, "power": 1e3, "segment_s": 120.0, "rest_s": 600.0, "leg_s": 1_800.0, "turn_s": 300.0,
        "turn_rad": 0.8, "side": 2.0, "turn_speed": 1e3, "circle_s": 60.0, "slope": rng.choice([0.0, 0.01, 0.03]),
        "ground": rng.choice([0.0, rng.uniform(0, 300), rng.uniform(0, 2_000)]), "climbing": 1e3, "leaving": 1e3, "range_m": _FAR_M,
        "slow_m": 10 ** rng.uniform(-0.3, 1.0), "white_m": 10 ** rng.uniform(-0.5, 0.6),
        "jump_share": rng.choice([0.0, 0.0, rng.uniform(0.0, 0.03)]), "jump_m": 10 ** rng.uniform(1.3, 2.5),
    }  # fmt: skip


def _drawn(kind: str, rng: np.random.Generator) -> dict[str, float]:
    """Draw the parameters of one track of a kind."""
    u = rng.uniform
    if kind in {"fixed", "moored"}:
        return {"cruise": 0.0, "drift": u(0, 0.05) if kind == "moored" else 0.0}
    if kind == "walker":
        return {
            "cruise": u(0.9, 1.8), "spread": 0.2, "rest_s": u(20, 400), "leg_s": u(200, 2_500), "turn_s": u(30, 200), "slope": u(0, 0.1),
            "range_m": 10 ** u(2.5, 4),
        }  # fmt: skip
    road = {
        # cruise, rest, leg, time between turns, speed in turns
        "town_car": (u(8, 16), u(8, 60), u(20, 150), u(15, 140), u(3, 9)),
        "country_car": (u(14, 28), u(15, 300), u(80, 1_200), u(30, 400), u(6, 18)),
        "motorway_car": (u(25, 38), u(60, 900), u(600, 5_000), u(200, 2_000), u(18, 30)),
        "fast_car": (u(36, 55), u(60, 900), u(300, 3_000), u(400, 2_000), u(20, 40)),
        "bus": (u(7, 18), u(8, 90), u(20, 240), u(20, 250), u(3, 9)),
        "lorry": (u(14, 25), u(30, 1_200), u(200, 4_000), u(60, 900), u(4, 15)),
        "bicycle": (u(3.5, 8.5), u(10, 120), u(60, 900), u(20, 300), u(2, 6)),
        "tractor": (u(3, 11), u(30, 600), u(120, 1_500), u(60, 400), u(1.5, 4)),
    }
    if kind in road:
        cruise, rest, leg, turn, slow = road[kind]
        strong = kind in {"fast_car", "motorway_car"}
        gain = u(1.5, 6.5) if strong else u(0.6, 3.0)
        return {
            "cruise": cruise, "spread": u(0.05, 0.5), "gain": gain, "brake": u(1, 3), "power": u(8, 22) if strong else u(5, 12),
            "segment_s": 10 ** u(0.9, 2.3), "rest_s": rest, "leg_s": leg, "turn_s": turn, "turn_rad": u(0.4, 1.5),
            "turn_speed": slow, "side": u(1.5, 3.5),
            "bend": 10 ** u(-4.5, -2.3), "slope": u(0, 0.05), "leaving": u(4, 14),
            "range_m": 10 ** (u(3.2, 4.5) if kind in {"town_car", "bus", "bicycle", "tractor"} else u(4, 6)),
        }  # fmt: skip
    rail = {
        "tram": (u(8, 15), u(15, 40), u(40, 120)), "metro": (u(13, 22), u(20, 40), u(60, 150)),
        "regional_train": (u(22, 45), u(30, 180), u(150, 700)), "express_train": (u(33, 56), u(60, 300), u(600, 4_000)),
        "high_speed_train": (u(55, 86), u(100, 400), u(900, 5_000)),
    }  # fmt: skip
    if kind in rail:
        cruise, rest, leg = rail[kind]
        return {
            "cruise": cruise, "spread": u(0.05, 0.45), "gain": u(0.25, 1.1), "brake": u(0.3, 1.1), "power": u(8, 25),
            "segment_s": 10 ** u(1.3, 2.7),
            "rest_s": rest, "leg_s": leg, "turn_s": u(60, 600), "turn_rad": u(0.1, 0.5), "side": 0.9,
            "bend": 10 ** u(-5, -3.6 if kind == "high_speed_train" else -2.7), "slope": u(0, 0.02),
            "range_m": 10 ** (u(3.3, 4.5) if kind in {"tram", "metro"} else u(4.2, 6)),
        }  # fmt: skip
    if kind in {"cargo_ship", "ferry"}:
        return {
            "cruise": u(4, 13), "spread": 0.05, "gain": u(0.01, 0.06), "brake": u(0.01, 0.06), "segment_s": u(600, 4_000),
            "rest_s": u(600, 6_000),
            "leg_s": u(1_200, 20_000), "turn_s": u(400, 4_000), "turn_rad": u(0.2, 0.7), "side": 0.1, "bend": 10 ** u(-6, -4.5),
            "drift": u(0, 0.2), "ground": 0.0, "slope": 0.0,
        }  # fmt: skip
    if kind in {"fishing_boat", "speed_boat", "sailing_boat"}:
        cruise = {"fishing_boat": u(1.5, 6), "speed_boat": u(8, 24), "sailing_boat": u(1.5, 5)}[kind]
        return {
            "cruise": cruise, "spread": u(0.1, 0.4), "gain": u(0.1, 1), "brake": u(0.1, 0.6), "segment_s": u(60, 900),
            "rest_s": u(120, 3_000),
            "leg_s": u(300, 6_000), "turn_s": u(60, 900), "turn_rad": u(0.4, 1.5), "side": u(0.3, 2), "bend": 10 ** u(-5, -3),
            "drift": u(0.05, 0.7), "ground": 0.0, "slope": 0.0, "range_m": 10 ** u(3, 5),
        }  # fmt: skip
    if kind in {"airliner", "business_jet"}:
        quick = kind == "airliner"
        return {
            "cruise": u(200, 262) if quick else u(110, 230), "spread": 0.03, "gain": u(1.3, 2.2) if quick else u(1.8, 3.2),
            "brake": u(0.8, 2),
            "power": u(60, 90), "segment_s": u(300, 2_000), "rest_s": u(900, 5_000), "leg_s": u(2_500, 20_000),
            "turn_s": u(200, 1_500), "turn_rad": u(0.2, 0.8),
            "side": 4.0, "height": u(8_500, 12_300) if quick else u(4_000, 12_500), "climbing": u(110, 200) if quick else u(85, 150),
            "up": u(6, 14), "down": u(5, 11), "wind": u(0, 50),
        }  # fmt: skip
    if kind in {"aeroplane", "turboprop", "survey_aeroplane", "helicopter"}:
        lifted = kind == "helicopter"
        cruise = {"aeroplane": u(38, 75), "turboprop": u(75, 150), "survey_aeroplane": u(55, 130), "helicopter": u(35, 75)}[kind]
        return {
            "cruise": cruise, "climbing": cruise * u(0.55, 0.85),
            "spread": u(0.03, 0.25), "gain": u(0.8, 2.8) if lifted else u(1.2, 2.6), "brake": u(0.6, 2), "power": u(20, 50),
            "segment_s": u(60, 900),
            "rest_s": u(300, 4_000), "leg_s": u(600, 9_000), "turn_s": u(40, 900),
            "turn_rad": 3.1 if kind == "survey_aeroplane" else u(0.3, 1.4),
            "side": u(3, 8), "circle": rng.choice([0.0, 0.0, 0.2]), "circle_s": u(60, 240),
            "height": u(150, 800) if lifted else u(300, 6_000),
            "up": u(3, 8) if lifted else u(2.5, 11), "down": u(2, 6), "range_m": 10 ** u(4, 6), "wind": u(0, 15),
            "start": rng.choice([0.0, 2.0]) if lifted else 0.0,
        }  # fmt: skip
    if kind in {"winched_glider", "towed_glider", "paraglider"}:
        slow = kind == "paraglider"
        return {
            "cruise": u(8, 14) if slow else u(23, 45), "spread": 0.2, "gain": {"winched_glider": u(5, 10), "towed_glider": u(1.2, 2),
            "paraglider": 2.0}[kind],
            "brake": 1.5, "segment_s": u(90, 400), "rest_s": u(300, 3_000), "leg_s": u(900, 20_000), "turn_s": u(30, 300),
            "turn_rad": u(0.5, 1.2),
            "side": u(3, 7), "circle": u(0.2, 0.7), "circle_s": u(14, 26) if slow else u(18, 35), "circle_up": u(0.5, 4),
            "height": u(300, 600) if not slow else u(100, 800), "climbing": 14.0 if slow else u(25, 36),
            "up": u(7, 12) if kind == "winched_glider" else u(1.5, 4), "down": 2.0,
            "sink": u(0.6, 1.5), "wind": u(0, 8), "start": 3.0 if kind == "winched_glider" else 0.0, "ground": u(0, 1_500),
            "range_m": 10 ** u(3.7, 5.3),
        }  # fmt: skip
    if kind == "one_way_drone":
        return {
            "cruise": u(150, 200) / 3.6, "spread": u(0.0, 0.02), "gain": u(12, 40), "brake": 3.0, "segment_s": u(300, 2_000),
            "rest_s": u(300, 3_000),
            "leg_s": u(3_000, 20_000), "turn_s": u(300, 3_000), "turn_rad": u(0.1, 0.5), "side": u(2, 5), "height": u(100, 3_000),
            "up": u(1, 5),
            "down": u(5, 20), "wind": u(0, 8), "start": 1.0,
        }  # fmt: skip
    if kind in {"small_uav", "tactical_uav"}:
        return {
            "cruise": u(13, 26) if kind == "small_uav" else u(24, 42), "spread": u(0.02, 0.15), "gain": u(5, 30), "brake": 3.0,
            "segment_s": u(60, 600),
            "rest_s": u(200, 2_000), "leg_s": u(300, 6_000), "turn_s": u(15, 400), "turn_rad": u(0.5, 1.6), "side": u(3, 8),
            "circle": rng.choice([0.0, u(0.2, 0.9)]), "circle_s": u(12, 90), "range_m": 10 ** u(2.8, 5),
            "height": u(40, 500) if kind == "small_uav" else u(200, 3_000),
            "up": u(1.5, 6), "down": u(1.5, 6), "wind": u(0, 8), "start": 1.0,
        }  # fmt: skip
    return {
        # Multirotors: sharp starts and stops, hover, little height.
        "cruise": u(2, 16) if kind == "camera_drone" else u(5, 20), "spread": u(0.05, 0.5), "gain": u(1.5, 4), "brake": u(1.5, 4),
        "segment_s": u(10, 120),
        "rest_s": u(200, 1_500), "leg_s": u(200, 1_800), "turn_s": u(8, 90), "turn_rad": u(0.6, 1.6), "side": 4.0,
        "turn_speed": u(0.5, 10),
        "height": u(20, 200) if kind == "camera_drone" else u(50, 400), "up": u(2, 6), "down": u(1.5, 4), "start": 2.0,
        "circle": rng.choice([0.0, 0.3]),
        "circle_s": u(20, 90), "range_m": 10 ** u(2, 4),
    }  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _run(p, n, cadence_s, seed, out, offs):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """Fill east, north, altitude, speed of the fixes; returns how many rests ended."""
    np.random.seed(seed)
    (cruise, spread, gain, brake, power, segment_s, rest_s, leg_s, turn_s, turn_rad, side, turn_speed, bend, circle, circle_s, circle_up,
     height, up, down, sink, wind, slope, start, drift, ground, climbing, leaving, range_m, slow_m, white_m,
     jump_share, jump_m) = p  # fmt: skip
    x = y = z = v = 0.0
    heading = np.random.uniform(0.0, 2 * np.pi)
    blows = np.random.uniform(0.0, 2 * np.pi)
    wind_x, wind_y = wind * np.sin(blows), wind * np.cos(blows)
    rest_left = np.random.uniform(0.0, 1.0) * rest_s + 90.0
    rested = 0.0
    leaving_left = 0.0
    leg_left = 0.0
    segment_left = 0.0
    turn_left = 0.0
    goal = cruise
    circling = 0.0
    curve = 0.0
    to_turn = 0.0
    moving = False
    drift_h = heading
    hill = 0.0
    level = ground
    e_x = np.random.normal(0.0, slow_m)
    e_y = np.random.normal(0.0, slow_m)
    e_z = np.random.normal(0.0, 1.5 * slow_m)
    found = 0
    phase = np.random.randint(0, int(cadence_s))
    keep = np.exp(-cadence_s / 120.0)
    for i in range(n):
        for step in range(int(cadence_s) if i else phase + 1):
            vx = vy = 0.0
            if not moving:
                rest_left -= 1.0
                rested += 1.0
                if drift > 0.0:
                    drift_h += np.random.normal(0.0, 0.02)
                    vx, vy = drift * np.sin(drift_h), drift * np.cos(drift_h)
                if rest_left <= 0.0 and cruise > 0.0:
                    moving = True
                    # Whoever was parked leaves the place first; at a light one starts at once.
                    leaving_left = np.random.uniform(10.0, 60.0) if rested > 60.0 else 0.0
                    rested = 0.0
                    leg_left = leg_s * (0.3 + np.random.exponential(0.7))
                    segment_left = segment_s
                    turn_left = turn_s * (0.3 + np.random.exponential(0.7)) if height == 0.0 else 60.0 + np.random.exponential(turn_s)
                    goal = cruise
                    circling = 0.0
                    curve = 0.0
                    to_turn = 0.0
                    if start != 1.0 and height == 0.0:
                        heading = np.random.uniform(0.0, 2 * np.pi)
                    if found < len(offs):
                        offs[found] = i * cadence_s + step - (phase if i == 0 else int(cadence_s) - 1)
                        found += 1
            else:
                leg_left -= 1.0
                segment_left -= 1.0
                turn_left -= 1.0
                landing = leg_left <= 0.0
                if segment_left <= 0.0:
                    segment_left = segment_s * (0.3 + np.random.exponential(0.7))
                    goal = cruise * max(0.15, 1.0 + np.random.normal(0.0, spread))
                    circling = 0.0
                    if circle > 0.0 and np.random.random() < circle and z > 0.5 * height:
                        circling = 2 * np.pi / (circle_s * np.random.uniform(0.8, 1.25)) * (1.0 if np.random.random() < 0.5 else -1.0)
                    curve = np.random.normal(0.0, bend) if bend > 0.0 else 0.0
                if turn_left <= 0.0 and circling == 0.0:
                    turn_left = turn_s * (0.3 + np.random.exponential(0.7))
                    to_turn = np.random.normal(0.0, turn_rad)
                    if turn_rad > 3.0:
                        to_turn = np.pi if np.random.random() < 0.5 else -np.pi
                if x * x + y * y > range_m * range_m and to_turn == 0.0 and circling == 0.0:
                    # Back to where it came from: the plane of the simulation ends.
                    back = np.arctan2(-x, -y) - heading
                    to_turn = (back + np.pi) % (2 * np.pi) - np.pi
                    if abs(to_turn) < 0.5:
                        to_turn = 0.0
                # Slow down before a sharp turn, and to land or to stop.
                want = goal
                if abs(to_turn) > 0.3:
                    want = min(want, turn_speed)
                if landing and z <= 1.0:
                    want = 0.0
                elif landing and height > 0.0:
                    want = min(want, max(0.6 * cruise, 1.0)) if start != 2.0 else min(want, 3.0)
                if leaving_left > 0.0:
                    leaving_left -= 1.0
                    want = min(want, leaving)
                if height > 0.0 and z < 0.9 * height:
                    want = min(want, climbing)
                lifting = start == 2.0 and z < 0.3 * height and not landing
                if lifting:
                    want = 0.0 if z < 25.0 else 0.4 * cruise
                most = gain if v < power else gain * power / v
                v += min(most, want - v) if want > v else -min(brake, v - want)
                if circling != 0.0:
                    # Nobody holds a circle exactly; otherwise one of the cadence of reports would look like rest.
                    circling *= 1.0 + np.random.normal(0.0, 0.01)
                turning = circling
                if to_turn != 0.0 and circling == 0.0 and (v <= turn_speed + 0.5 or abs(to_turn) <= 0.3) and v > 0.2:
                    rate = min(0.7, side / max(v, 1.0))
                    turning = max(-rate, min(rate, to_turn))
                    to_turn -= turning
                    if abs(to_turn) < 1e-3:
                        to_turn = 0.0
                heading += turning + curve * v
                airborne = height > 0.0 and (z > 0.0 or v > min(0.65 * cruise, 0.9 * climbing) or start == 2.0)
                rise = 0.0
                if airborne:
                    if landing:
                        rise = -min(down, z)
                    elif z < height and (sink == 0.0 or z < 0.9 * height):
                        rise = up
                    elif circling != 0.0:
                        rise = circle_up if z < _CEILING_M else -sink
                    else:
                        rise = -sink
                        if sink > 0.0 and z < 0.4 * height:
                            rise = circle_up
                    ahead = v
                    if start == 3.0 and z < 300.0 and not landing and rise > 5.0:
                        ahead = 0.75 * v
                    vx, vy = ahead * np.sin(heading), ahead * np.cos(heading)
                    if start != 2.0:
                        # Wind grows with height; nothing flies off into a sudden one.
                        vx += wind_x * min(1.0, z / 300.0)
                        vy += wind_y * min(1.0, z / 300.0)
                    z = max(0.0, z + rise)
                else:
                    vx, vy = v * np.sin(heading), v * np.cos(heading)
                    if slope > 0.0:
                        # Hills, of a few hundred metres at most.
                        hill += 0.02 * (np.random.normal(0.0, slope) - 2e-5 * (ground - level) - hill)
                        ground += hill * v * 7.0
                if landing and v < 0.1 and z <= 0.0:
                    moving = False
                    v = 0.0
                    rest_left = rest_s * (0.2 + np.random.exponential(0.8))
            x += vx
            y += vy
        e_x = keep * e_x + np.sqrt(1 - keep * keep) * np.random.normal(0.0, slow_m)
        e_y = keep * e_y + np.sqrt(1 - keep * keep) * np.random.normal(0.0, slow_m)
        e_z = keep * e_z + np.sqrt(1 - keep * keep) * np.random.normal(0.0, 1.5 * slow_m)
        aside = jump_m if np.random.random() < jump_share else 0.0
        out[0, i] = x + e_x + np.random.normal(0.0, white_m + aside)
        out[1, i] = y + e_y + np.random.normal(0.0, white_m + aside)
        out[2, i] = ground + z + e_z + np.random.normal(0.0, 1.5 * white_m)
        out[3, i] = np.sqrt(vx * vx + vy * vy)
    return found
