"""How things move: along a path, by a timetable that is a closed formula of time.

1. A path is a smooth curve through way points, slightly winding as real roads and rails are, with its length.
2. A timetable says how far along its path a terminal is at any instant: it accelerates, cruises with a slow swell in
   speed, brakes, stands, and stops for good at the end of its path. No step depends on the step before, so any instant
   can be asked for in any order and at any cadence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from groundrule.simulate.places import KM_PER_DEG

Floats = NDArray[np.float64]
M_PER_DEG = KM_PER_DEG * 1000.0
_CLIMB = 0.045
"""Height gained per distance flown on climb and descent, a usual three-degree path [m/m]."""


@dataclass(frozen=True, slots=True)
class Paths:
    """Many curves in one array.

    Attributes:
        lat_deg, lon_deg: vertices of all curves, one after the other [degree; longitudes unwrapped].
        along_m: distance from the start of the first curve, running through all curves [m].
        first: index of the first vertex of each curve, and one past the last.
    """

    lat_deg: Floats
    lon_deg: Floats
    along_m: Floats
    first: NDArray[np.int64]

    @classmethod
    def build(cls, curves: Sequence[Floats]) -> Paths:
        """Join curves, each [latitude, longitude in degree; shape (n, 2)]."""
        lat = np.concatenate([curve[:, 0] for curve in curves])
        lon = np.concatenate([curve[:, 1] for curve in curves])
        first = np.concatenate([[0], np.cumsum([len(curve) for curve in curves])])
        step = segment_lengths(lat, lon)
        # The jump from one curve to the next counts as one metre, so that `along_m` ascends without a gap.
        step[first[1:-1] - 1] = 1.0
        return cls(lat, lon, np.concatenate([[0.0], np.cumsum(step)]), first)

    def length_m(self, path: NDArray[np.int64]) -> Floats:
        """Length of the given curves [m]."""
        return self.along_m[self.first[path + 1] - 1] - self.along_m[self.first[path]]

    def at(self, path: NDArray[np.int64], distance_m: Floats) -> tuple[Floats, Floats, Floats]:
        """Position and course at a distance from the start of each curve.

        Args:
            path: index of the curve [shape (n,)].
            distance_m: distance from its start, clipped to its length [m; shape (n,)].
        Returns:
            Latitude, longitude within ±180°, course [degree; degree; degree clockwise from north].
        """
        start = self.along_m[self.first[path]]
        s = start + np.clip(distance_m, 0.0, self.length_m(path))
        k = np.clip(np.searchsorted(self.along_m, s, side="right") - 1, self.first[path], self.first[path + 1] - 2)
        span = self.along_m[k + 1] - self.along_m[k]
        share = np.where(span > 0, (s - self.along_m[k]) / np.where(span > 0, span, 1.0), 0.0)
        dlat, dlon = self.lat_deg[k + 1] - self.lat_deg[k], self.lon_deg[k + 1] - self.lon_deg[k]
        lat = self.lat_deg[k] + share * dlat
        lon = self.lon_deg[k] + share * dlon
        course = np.degrees(np.arctan2(dlon * np.cos(np.radians(lat)), dlat)) % 360.0
        return lat, (lon + 180.0) % 360.0 - 180.0, course


def segment_lengths(lat_deg: Floats, lon_deg: Floats) -> Floats:
    """Distance between neighbours on the sphere, by haversine [m; shape (n - 1,)]."""
    lat = np.radians(lat_deg)
    dlat, dlon = np.diff(lat) / 2, np.radians(np.diff(lon_deg)) / 2
    h = np.sin(dlat) ** 2 + np.cos(lat[:-1]) * np.cos(lat[1:]) * np.sin(dlon) ** 2
    result: Floats = 2 * np.degrees(np.arcsin(np.minimum(1.0, np.sqrt(h)))) * M_PER_DEG
    return result


def winding(way: Floats, *, step_km: float, sway_km: float = 0.0, wave_km: float = 20.0, phase: float = 0.0) -> Floats:
    """A smooth curve through way points that sways gently to both sides.

    Args:
        way: latitude, longitude [degree; shape (n, 2)].
        step_km: distance between the vertices that are made, roughly [km].
        sway_km: how far the curve sways; it is still at both ends [km].
        wave_km: length of a sway, roughly [km].
        phase: shifts the sways, so that two curves through the same points differ [radian].
    """
    knots = np.concatenate([[0.0], np.cumsum(segment_lengths(way[:, 0], way[:, 1]) / 1000.0)])
    total = knots[-1]
    s = np.linspace(0.0, total, max(3, int(total / step_km) + 1))
    lat, lon = _hermite(knots, way[:, 0], s), _hermite(knots, way[:, 1], s)
    if sway_km == 0.0:
        return np.column_stack([lat, lon])
    taper = np.minimum(1.0, np.minimum(s, total - s) / max(1e-9, min(wave_km, total / 3)))
    offset = (
        sway_km * taper * (0.7 * np.sin(2 * np.pi * s / wave_km + phase) + 0.3 * np.sin(5.3 * s / wave_km + 2 * phase))
    )
    scale = np.cos(np.radians(lat))
    north, east = np.gradient(lat), np.gradient(lon) * scale
    norm = np.hypot(north, east) + 1e-12
    return np.column_stack([lat - offset * east / norm / KM_PER_DEG, lon + offset * north / norm / KM_PER_DEG / scale])


def great_circle(start: tuple[float, float], end: tuple[float, float], *, step_km: float = 20.0) -> Floats:
    """The shortest way between two points on the sphere [latitude, longitude in degree; longitudes unwrapped]."""
    a, b = (_unit(*point) for point in (start, end))
    angle = float(np.arccos(np.clip(a @ b, -1.0, 1.0)))
    share = np.linspace(0.0, 1.0, max(3, int(np.degrees(angle) * KM_PER_DEG / step_km) + 1))[:, None]
    xyz = (np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle)
    lat = np.degrees(np.arcsin(np.clip(xyz[:, 2], -1.0, 1.0)))
    lon = np.degrees(np.unwrap(np.arctan2(xyz[:, 1], xyz[:, 0])))
    return np.column_stack([lat, lon])


@dataclass(slots=True)
class Timetable:
    """When each terminal is how far along its path. All arrays have shape (n,).

    Attributes:
        path: index of the path.
        start_m: distance along the path at time zero [m].
        reverse: True where the path is travelled from its end to its start.
        cruise_m_s: cruising speed [m/s].
        accel_m_s2: acceleration and braking [m/s²].
        run_s: duration of one leg, from standstill to standstill [s]; infinite where there are no stops.
        stop_s: duration of a stop between legs [s].
        phase_s: how far into its leg the terminal is at time zero [s].
        swell: share by which speed swells around cruising speed [0 to 0.5].
        swell_s: period of the swell [s].
        cruise_alt_m: height of flight, or 0 for what stays on the ground [m].
    """

    path: NDArray[np.int64]
    start_m: Floats
    reverse: NDArray[np.bool_]
    cruise_m_s: Floats
    accel_m_s2: Floats
    run_s: Floats
    stop_s: Floats
    phase_s: Floats
    swell: Floats
    swell_s: Floats
    cruise_alt_m: Floats

    @classmethod
    def join(cls, parts: Sequence[Timetable]) -> Timetable:
        """One timetable of several, in their order."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def only(self, rows: NDArray[np.int64]) -> Timetable:
        """The timetable of some terminals, in the order given."""
        return Timetable(*(getattr(self, field.name)[rows] for field in fields(self)))

    def travelled_m(self, t_s: float) -> Floats:
        """Distance travelled since time zero, if the path had no end [m; shape (n,)]."""
        return self._covered(self.phase_s + t_s) - self._covered(self.phase_s)

    def at(self, t_s: float, paths: Paths) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Where each terminal is.

        Args:
            t_s: time since time zero, not negative [s].
            paths: the paths.
        Returns:
            Latitude, longitude, course [degree], speed over ground [m/s] and height of flight [m].
        """
        length = paths.length_m(self.path)
        distance = self._stopped_at_end(self.start_m + self.travelled_m(t_s), length)
        # Speed by central difference over two seconds: never out of step with the motion.
        before = self._stopped_at_end(self.start_m + self.travelled_m(max(0.0, t_s - 1.0)), length)
        after = self._stopped_at_end(self.start_m + self.travelled_m(t_s + 1.0), length)
        speed = (after - before) / (t_s + 1.0 - max(0.0, t_s - 1.0))
        lat, lon, course = paths.at(self.path, np.where(self.reverse, length - distance, distance))
        course = np.where(self.reverse, (course + 180.0) % 360.0, course)
        alt = np.minimum(self.cruise_alt_m, _CLIMB * np.minimum(distance, length - distance))
        return lat, lon, course, speed, alt

    def _covered(self, t: Floats) -> Floats:
        """Distance since the start of the first leg: standing starts, trapezoidal legs, stops."""
        endless = np.isinf(self.run_s)
        run = np.where(endless, 1.0, self.run_s)
        ramp = np.minimum(self.cruise_m_s / self.accel_m_s2, run / 3)
        period = run + self.stop_s
        legs = np.where(endless, 0.0, np.floor(t / period))
        u = np.minimum(t - legs * period, run)
        v, flat = self.cruise_m_s, run - 2 * ramp
        up, mid, down = np.minimum(u, ramp), np.clip(u - ramp, 0.0, flat), np.clip(u - ramp - flat, 0.0, ramp)
        # A whole number of swells fits into the flat part, so that a leg is as long with them as without.
        wave = np.maximum(1.0, np.round(flat / self.swell_s)) * 2 * np.pi / np.maximum(flat, 1e-9)
        swell = self.swell * v / wave * (1 - np.cos(wave * mid))
        leg = v * (up * up / (2 * ramp) + mid + down - down * down / (2 * ramp)) + swell
        wave = 2 * np.pi / self.swell_s
        free = v * t + self.swell * v / wave * (1 - np.cos(wave * t))
        return np.where(endless, free, legs * v * (run - ramp) + leg)

    def _stopped_at_end(self, distance: Floats, length: Floats) -> Floats:
        """Brake before the end of the path and stay there."""
        brake = np.minimum(self.cruise_m_s**2 / (2 * self.accel_m_s2), length / 2)
        x = np.clip(distance - (length - brake), 0.0, 2 * brake)
        return np.where(x > 0, length - brake + x - x * x / np.maximum(4 * brake, 1e-9), distance)


def _unit(lat_deg: float, lon_deg: float) -> Floats:
    lat, lon = np.radians(lat_deg), np.radians(lon_deg)
    return np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def _hermite(knots: Floats, values: Floats, s: Floats) -> Floats:
    """Cubic Hermite interpolation; slopes are limited means, so that the curve stays between its way points."""
    slope = np.diff(values) / np.diff(knots)
    tangent = np.concatenate([slope[:1], (slope[1:] + slope[:-1]) / 2, slope[-1:]])
    tangent[1:-1][slope[1:] * slope[:-1] <= 0] = 0.0
    k = np.clip(np.searchsorted(knots, s, side="right") - 1, 0, len(knots) - 2)
    h = np.diff(knots)[k]
    t = (s - knots[k]) / h
    result: Floats = (
        (1 + 2 * t) * (1 - t) ** 2 * values[k]
        + t * (1 - t) ** 2 * h * tangent[k]
        + t * t * (3 - 2 * t) * values[k + 1]
        + t * t * (t - 1) * h * tangent[k + 1]
    )
    return result
