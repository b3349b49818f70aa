"""The detectors of motion and identity in one pass over a batch: drone flight, speed, impossible travel, clones.

Signals do not depend on how the ordered observations are cut into batches: all that is remembered is in the record of the terminal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numba import njit

from groundrule.detect.clone import CloneSettings
from groundrule.detect.drone import CRUISE, LAUNCH, NOTHING, DroneSettings, found_by
from groundrule.detect.memory import grown
from groundrule.detect.rows import FLYING as FLYING_PLAN
from groundrule.detect.rows import INCONSISTENT, SUSPENDED, Facts, Places, Rows
from groundrule.detect.signals import KINDS, Offending, Signal
from groundrule.detect.speed import SpeedSettings, exceeds
from groundrule.detect.state import distance_m
from groundrule.detect.track import (
    CELL,
    DEGREE,
    ELSEWHERE,
    ERR_M,
    EXCESS,
    FLYING,
    LOW,
    NO_PLAN,
    OVER,
    STEPS,
    SUPPORT,
    UNEVEN,
    TrackSettings,
    climbed_m,
    empty_tracks,
    forget_motion,
    offset_m,
    push_velocity,
    put_fix,
    put_mark,
    shape_of_steps,
)
from groundrule.detect.travel import TravelSettings, empty_others, reach_m
from groundrule.instant import MIN_NS

_KINDS = ("drone_flight", "over_speed", "moving_without_plan", "displaced_fix", "impossible_travel", "cloned_identity")
_DRONE, _OVER, _STILL, _DISPLACED, _IMPOSSIBLE, _CLONED = range(6)
_PATTERNS = {LAUNCH: "launch", CRUISE: "cruise"}

_STRENGTHS = {LAUNCH: 0.9, CRUISE: 0.6}
"""Rules of thumb: over a front helicopters and gliders cruise alike."""

_EVENT_DTYPE = np.dtype(
    [
        ("i", "i8"), ("kind", "u1"), ("pattern", "u1"), ("from_t", "i8"), ("from_lat", "f8"), ("from_lon", "f8"),
        ("before_t", "i8"), ("before_lat", "f8"), ("before_lon", "f8"), ("a", "f8"), ("b", "f8"), ("c", "f8"),
    ]
)  # fmt: skip


_AHEAD = 64
"""Rows whose records are fetched together."""
_ROOM = 1_024
"""Other places that there is room for beyond those in use, and rows whose events are; a pass goes as far as there is."""
_MOST_A_ROW = 3


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """Thresholds of all behaviours of motion and identity; see their modules."""

    track: TrackSettings = field(default_factory=TrackSettings)
    drone: DroneSettings = field(default_factory=DroneSettings)
    speed: SpeedSettings = field(default_factory=SpeedSettings)
    travel: TravelSettings = field(default_factory=TravelSettings)
    clone: CloneSettings = field(default_factory=CloneSettings)


class Motions:
    """Behaviours that follow from the motion of single terminals.

    Args:
        settings: thresholds.
        terminals: to make room for at once.
    """

    def __init__(self, settings: MotionSettings | None = None, terminals: int = 0) -> None:
        self._settings = settings or MotionSettings()
        self._tracks = empty_tracks(terminals)
        self._slot = np.full(terminals, -1, np.int32)
        self._others = empty_others(_ROOM)
        self._used = 0
        self._events = np.empty(_MOST_A_ROW * _ROOM, _EVENT_DTYPE)

    @property
    def nbytes(self) -> int:
        """Memory held between batches [bytes]."""
        return self._tracks.nbytes + self._slot.nbytes + self._others.nbytes

    def grow(self, terminals: int) -> None:
        """Make room for terminals that were not known before; present rows keep their content."""
        self._tracks = grown(self._tracks, terminals, empty_tracks)
        self._slot = grown(self._slot, terminals, lambda more: np.full(more, -1, np.int32))

    def update(self, rows: Rows, facts: Facts, places: Places, name: Callable[[int], str]) -> list[Signal]:
        """Take a batch in and return what it raised.

        Args:
            rows: observations; see Rows.
            facts: of all terminals in memory.
            places: that rows name.
            name: id of the terminal of a row of the memory.
        """
        s = self._settings
        front = places.front if len(places.front) else np.zeros(1, np.bool_)
        signals: list[Signal] = []
        done = 0
        while done < len(rows):
            if self._used == len(self._others):
                self._others = np.concatenate([self._others, empty_others(_ROOM + self._used // 4)])
            done, events, self._used, _ = _pass(
                self._tracks, self._slot, self._others, self._used, self._events, done,
                rows.row, rows.t_ns, rows.lat_deg, rows.lon_deg, rows.sigma_m, rows.cell, rows.cell_radius_m, rows.alt_m, rows.speed_m_s,
                rows.gnss, rows.verdict, rows.place, facts.mobile, front,
                (s.track.thin_s, s.track.gap_s, s.track.cell_gap_s, s.track.rest_m_s, s.track.sigma_m),
                s.drone.values, s.drone.step_s, s.speed.values, s.travel.values, s.clone.values, _QUIET_NS, _QUIET_STEPS,
            )  # fmt: skip
            signals += [self._signal(self._events[k], rows, name) for k in range(events)]
        return signals

    def _signal(self, event: np.void, rows: Rows, name: Callable[[int], str]) -> Signal:
        i = int(event["i"])
        now = int(rows.t_ns[i])
        lat, lon = float(rows.lat_deg[i]), float(rows.lon_deg[i])
        kind = _KINDS[int(event["kind"])]
        a, b, c = float(event["a"]), float(event["b"]), float(event["c"])
        found: tuple[tuple[str, float, str], ...]
        strength = 0.2
        if event["kind"] == _DRONE:
            pattern = _PATTERNS[int(event["pattern"])]
            found = ((f"speed_after_{pattern}", a * 3.6, "km/h"), ("straightness", b, "1"))
            if not np.isnan(c):
                found = (*found, ("climbed", c, "m"))
            strength = _STRENGTHS[int(event["pattern"])]
        elif event["kind"] in {_OVER, _STILL}:
            found = (("speed_at_least", a * 3.6, "km/h"), ("limit", b * 3.6, "km/h"), ("away", c, "m"))
        elif event["kind"] == _CLONED:
            found = (("apart", a, "m"), ("returns", b, "1"), ("over", c, "s"))
            strength = 0.9
        else:
            found = (("apart", a, "m"), ("in", b, "s"), ("fixes", c, "1"))
            strength = 0.8
        sigma = float(rows.sigma_m[i])
        offending = [Offending(now, lat, lon, None if np.isnan(sigma) else sigma)]
        for part in ("before", "from"):
            t = int(event[f"{part}_t"])
            if t != MIN_NS and t < offending[0].observed_at:
                offending.insert(0, Offending(t, round(float(event[f"{part}_lat"]), 7), round(float(event[f"{part}_lon"]), 7)))
        return Signal(
            kind=kind, terminal_id=name(int(rows.row[i])), raised_at=now, from_at=offending[0].observed_at, strength=strength,
            lat_deg=lat, lon_deg=lon, found=found, offending=tuple(offending),
        )  # fmt: skip


_QUIET_NS = tuple(int(KINDS[kind].lasting_s * 5e8) for kind in _KINDS)
_QUIET_STEPS = tuple(min(255, round(KINDS[kind].lasting_s / 4)) for kind in _KINDS)
"""Half of a kind's lasting, in nanoseconds and in steps of two seconds: sooner it is not raised again."""


@njit(cache=True, nogil=True, error_model="numpy")
def _pass(  # type: ignore[no-untyped-def]  # compiled; typed by numba
    tracks, slot, others, used, events, begin, row, t_ns, lat, lon, sigma, cell, cell_radius, alt, reported, gnss, verdict, place, mobile,
    front, track, drone, launch_step_s, speed, travel, clone, quiet_ns, quiet_steps,
):  # fmt: skip
    """Take rows in from one on, while there is room; returns the row reached, events written, and other places in use."""
    thin_s, gap_s, cell_gap_s, rest_m_s, default_sigma = track
    fastest, allowance, sigmas, stay_fixes, stay_s, established = travel
    returns, alternating_s, within_s = clone
    count = 0
    touched = 0
    for i in range(begin, len(row)):
        if used == len(others) or count + _MOST_A_ROW > len(events):
            return i, count, used, touched
        if i % _AHEAD == 0 or i == begin:
            # Reads that wait for nothing bring the records of the next rows into the cache side by side.
            for k in range(i, min(i + _AHEAD, len(row))):
                touched += tracks[row[k]].flags + mobile[row[k]]
        r = row[i]
        m = tracks[r]
        if np.isnan(lat[i]):
            continue
        if gnss[i] == SUSPENDED or verdict[i] == INCONSISTENT:
            # No evidence, and what came just before may have been of the same trouble: both places are in doubt.
            if m.t != MIN_NS:
                forget_motion(m)
                m.steps &= np.uint8(LOW)
                m.flags &= np.uint8(255 - ELSEWHERE)
                if slot[r] >= 0:
                    others[slot[r]].t = MIN_NS
                    others[slot[r]].swaps = 0
            continue
        t = t_ns[i]
        hard = cell[i] != 0
        err = np.float64(cell_radius[i]) if hard else 2.0 * (default_sigma if np.isnan(sigma[i]) else np.float64(sigma[i]))
        if m.t == MIN_NS:
            put_fix(m, t, lat[i], lon[i], err, alt[i])
            m.steps = SUPPORT
            m.flags = CELL if hard else 0
            put_mark(m)
            m.rest_alt = m.alt
            continue
        last_lat = m.lat / DEGREE
        last_lon = m.lon / DEGREE
        last_err = m.err * ERR_M
        seconds = (t - m.t) * 1e-9
        east, north = offset_m(last_lat, last_lon, lat[i], lon[i])
        way = np.sqrt(east * east + north * north)
        support = m.steps // SUPPORT
        if way > allowance and way > reach_m(seconds, err + last_err, fastest, allowance, sigmas):
            # --- out of reach of where the terminal was ---
            if support == 0:
                # Where it was is in doubt already.
                forget_motion(m)
                put_fix(m, t, lat[i], lon[i], err, alt[i])
                m.steps = SUPPORT
                m.flags = CELL if hard else 0
                continue
            if slot[r] < 0:
                slot[r] = used
                used += 1
            other = others[slot[r]]
            known = False
            if other.t != MIN_NS:
                since = (t - other.t) * 1e-9
                known = distance_m(other.lat, other.lon, lat[i], lon[i]) <= reach_m(since, err + other.err, fastest, allowance, sigmas)
            if not known:
                other.fixes = 0
                other.swaps = 0
                other.since = t
            elif not m.flags & ELSEWHERE:
                if other.swaps == 0 or (t - other.swapped_since) * 1e-9 > within_s:
                    other.swaps = 0
                    other.swapped_since = t
                if other.swaps < 65_535:
                    other.swaps += 1
                other.fixes = 0
                other.since = t
            m.flags |= np.uint8(ELSEWHERE)
            other.t = t
            other.lat = lat[i]
            other.lon = lon[i]
            other.err = err
            if other.fixes < 65_535:
                other.fixes += 1
            stayed = (t - other.since) * 1e-9
            if t >= other.quiet_displaced:
                other.quiet_displaced = t + quiet_ns[_DISPLACED]
                count = _tell(events, count, i, _DISPLACED, m, way, seconds, 1.0)
            if other.swaps >= returns and (t - other.swapped_since) * 1e-9 >= alternating_s and t >= other.quiet_cloned:
                other.quiet_cloned = t + quiet_ns[_CLONED]
                count = _tell(events, count, i, _CLONED, m, way, float(other.swaps), (t - other.swapped_since) * 1e-9)
            adopt = False
            if support < established:
                # One bad fix at the beginning: the place with more fixes is where the terminal is.
                adopt = other.fixes > support
                if adopt:
                    other.t = MIN_NS
                    other.swaps = 0
            elif other.fixes >= stay_fixes and stayed >= stay_s:
                adopt = True
                if t >= other.quiet_impossible:
                    other.quiet_impossible = t + quiet_ns[_IMPOSSIBLE]
                    count = _tell(events, count, i, _IMPOSSIBLE, m, way, (other.since - m.t) * 1e-9, float(other.fixes))
                # The old place becomes the other one: a second device may still be there.
                other.t = m.t
                other.lat = last_lat
                other.lon = last_lon
                other.err = last_err
            if adopt:
                fixes = min(7, other.fixes)
                other.fixes = 0
                forget_motion(m)
                put_fix(m, t, lat[i], lon[i], err, alt[i])
                m.steps = np.uint8(fixes * SUPPORT)
                m.flags = CELL if hard else 0
            continue
        m.flags &= np.uint8(255 - ELSEWHERE)
        if support < 7:
            m.steps += np.uint8(SUPPORT)
        # --- motion ---
        if hard != (m.flags & CELL != 0):
            forget_motion(m)
            put_fix(m, t, lat[i], lon[i], err, alt[i])
            m.flags = np.uint8((m.flags & (255 - CELL)) | (CELL if hard else 0))
            put_mark(m)
            continue
        base_s = cell_gap_s if hard else gap_s
        if seconds > base_s:
            _settle(m, t)
            forget_motion(m)
            put_fix(m, t, lat[i], lon[i], err, alt[i])
            put_mark(m)
            m.rest_alt = m.alt
            continue
        if hard:
            if way < 1.0:
                # Still in the cell: it is left later than thought.
                _settle(m, t)
                m.t = t
                m.flags &= np.uint8(255 - EXCESS - OVER)
                continue
            doubt = err + last_err
        else:
            if seconds < thin_s:
                continue
            doubt = np.sqrt(err * err + last_err * last_err)
        low = max(0.0, way - doubt) / seconds
        high = (way + doubt) / seconds
        said = np.float64(reported[i])
        if not np.isnan(said):
            if said > high:
                high = said
            elif said >= low:
                low = said
                high = said
        pace = way / seconds
        plan = mobile[r]
        limited = plan < FLYING_PLAN
        if not hard:
            _settle(m, t)
            push_velocity(m, east / seconds, north / seconds)
            if pace < rest_m_s:
                if m.steps & LOW:
                    m.rest_s = 0
                    m.steps &= np.uint8(255 - LOW)
                m.flags &= np.uint8(255 - UNEVEN - FLYING)
                m.rest_s = np.uint16(min(65_535.0, m.rest_s + np.rint(seconds)))
            elif m.steps & LOW < LOW:
                m.steps += np.uint8(1)
                if seconds > launch_step_s:
                    m.flags |= np.uint8(UNEVEN)
        excess = False
        if limited:
            k = 0 if plan else 4
            excess = exceeds(
                m, t, lat[i], lon[i], low, high, np.uint8(0) if plan else np.uint8(NO_PLAN),
                speed[k], speed[k + 1], speed[k + 2], speed[k + 3],
            )  # fmt: skip
            if excess and m.quiet_speed == 0:
                kind = _OVER if plan else _STILL
                m.quiet_speed = np.uint8(quiet_steps[kind])
                count = _tell(events, count, i, kind, m, low, speed[k], 0.0)
        if hard:
            # Speed is measured from the cell that was left, until it is too long ago.
            continue
        in_band = pace >= drone[0] and pace <= drone[2]
        steps = m.steps & LOW
        if steps == 0:
            put_fix(m, t, lat[i], lon[i], err, alt[i])
            put_mark(m)
            m.rest_alt = m.alt
            continue
        if not in_band:
            m.flags &= np.uint8(255 - FLYING)
        if steps > STEPS and not in_band and m.flags & EXCESS == 0 and not m.flags & OVER:
            # The present regime is over: another begins here.
            put_fix(m, t, lat[i], lon[i], err, alt[i])
            put_mark(m)
            continue
        put_fix(m, t, lat[i], lon[i], err, alt[i])
        if steps < 3 or not in_band:
            continue
        over_front = place[i] >= 0 and front[place[i]] and limited
        pattern = found_by(m, (t - m.mark_t) * 1e-9, over_front, drone)
        if pattern != NOTHING and m.quiet_drone == 0:
            m.quiet_drone = np.uint8(quiet_steps[_DRONE])
            m.flags |= np.uint8(FLYING)
            _, mean, _, along = shape_of_steps(m, 3)
            count = _tell(events, count, i, _DRONE, m, mean, along, climbed_m(m))
            events[count - 1].pattern = pattern
    return len(row), count, used, touched


@njit(cache=True, nogil=True, error_model="numpy")
def _settle(m, t) -> None:  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """Let the time pass that must pass before the next raise."""
    if m.quiet_drone == 0 and m.quiet_speed == 0:
        return
    passed = t // 2_000_000_000 - m.t // 2_000_000_000
    m.quiet_drone = np.uint8(max(0, np.int64(m.quiet_drone) - passed))
    m.quiet_speed = np.uint8(max(0, np.int64(m.quiet_speed) - passed))


@njit(cache=True, nogil=True, error_model="numpy")
def _tell(events, count, i, kind, m, a, b, c):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """Write an event: the start of the regime, the fix before, and three numbers; returns the new count."""
    event = events[count]
    event.i = i
    event.kind = kind
    event.pattern = 0
    event.from_t = m.mark_t
    event.from_lat = m.mark_lat / DEGREE
    event.from_lon = m.mark_lon / DEGREE
    event.before_t = m.t
    event.before_lat = m.lat / DEGREE
    event.before_lon = m.lon / DEGREE
    event.a = a
    event.b = b
    event.c = c
    return count + 1
