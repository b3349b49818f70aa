"""What is remembered of each terminal between observations: last fixes, speed, speed limits in force, stays.

The memory is columns, one row a terminal, so that ten million terminals fit and a batch updates in one compiled pass.
It is a pure function of each terminal's own observations in time order, so it can be rebuilt from history at any time and
does not depend on how the observations were batched.

1. `advance` takes the batch's positions, resolves a missing one to the last known with its age, and derives speed and the
   state of every speed limit with hysteresis.
2. The caller locates the resolved positions.
3. `count_stays` takes, per stay counter, whether the terminal is where the counter counts, and updates the days.

Speed comes from two fixes at least `MIN_BASE_S` and at most `max_gap_s` apart, because the noise of two fixes a fraction of
a second apart says more about the receiver than about motion. It is an interval: the distance is known to within twice the
combined standard deviation of the fixes (95 %), or to within the cells' radii where only cells are known. A reported speed
inside that interval replaces it; one below does not make a terminal slower than its positions show, and one above only
widens the interval.

A speed measured by radio takes the place of that interval: it does not rest on what the terminal says of its positions.

A limit switches on after its time and after `EXCESSES` estimates in a row, so that one displaced fix never does it. It
becomes a doubt when the positions grow too vague to tell, so that jamming keeps nobody at rest under a denial.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from groundrule.detect.memory import room_for
from groundrule.instant import MIN_NS, NS_PER_DAY

MIN_BASE_S = 10.0
"""Shortest base of a speed estimate [s]; below it, two fixes of 15 m sigma cannot tell 15 km/h from rest."""

CARRY_S = 86_400.0
"""How long a last known position is carried forward, with its age, before the position counts as unknown [s]."""

EARTH_A_M = 6_378_137.0
EARTH_E2 = 6.69437999014e-3
"""WGS 84 semi-major axis [m] and first eccentricity squared (NIMA TR8350.2)."""

FIX_DTYPE = np.dtype(
    [
        # Newer and older fix of the speed base; time MIN_NS means none.
        ("t_new", "i8"), ("lat_new", "f8"), ("lon_new", "f8"),
        ("t_old", "i8"), ("lat_old", "f8"), ("lon_old", "f8"),
        # Latest observation, and latest position of all, carried forward where an observation has none.
        ("t_seen", "i8"), ("t_pos", "i8"), ("lat_pos", "f8"), ("lon_pos", "f8"), ("cell", "u8"),
        ("err_new", "f4"), ("err_old", "f4"), ("sigma_pos", "f4"),
        # Bits HARD_NEW and HARD_OLD say whether these fixes are cells; a bit for each limit in force, and for each whose time runs.
        ("hard", "u1"), ("source_pos", "u1"), ("latched", "u1"), ("timing", "u1"),
    ]
)  # fmt: skip
HARD_NEW, HARD_OLD = np.uint8(1), np.uint8(2)

STAY_DTYPE = np.dtype([("since", "i8"), ("last_day", "i4"), ("run_days", "u2"), ("year_days", "u2")])
"""What one counter knows of one terminal: when the present stay began [ns; MIN_NS none], the last UTC day counted [days since 1970], days
in a row up to that day (at most MOST_DAYS; 0: none was ever counted), and days counted in the calendar year of that day."""

MOST_DAYS = 65_535

_AHEAD = 64
"""Rows whose memory is fetched together: many misses of the cache at a time instead of one after the other."""

EXCESSES = 3
"""Estimates in a row, from fixes that follow each other, that must lie above a limit before it switches on: one displaced
fix makes two, the jump there and the jump back."""

MAX_LATCHES = 8
"""Speed limits with hysteresis in one rulebook: their state is one byte of flags a terminal."""


@dataclass(slots=True)
class TerminalState:
    """Memory of n terminals.

    Attributes:
        fixes: structured array of FIX_DTYPE, shape (n,).
        since_ns: start of the present excess per latch [ns], shape (n, latches).
        excesses: estimates in the present excess, up to EXCESSES, shape (n, latches).
        stays: structured array of STAY_DTYPE, shape (n, counters).
    """

    fixes: NDArray[np.void]
    since_ns: NDArray[np.int64]
    excesses: NDArray[np.uint8]
    stays: NDArray[np.void]

    @classmethod
    def empty(cls, terminals: int, latches: int, counters: int) -> TerminalState:
        """Return the memory of terminals that have never been observed."""
        if latches > MAX_LATCHES or counters > MAX_LATCHES:
            raise ValueError(f"at most {MAX_LATCHES} latches and counters, not {latches} and {counters}")
        fixes = np.zeros(terminals, FIX_DTYPE)
        for name in ("t_new", "t_old", "t_pos", "t_seen"):
            fixes[name] = MIN_NS
        stays = np.zeros((terminals, counters), STAY_DTYPE)
        stays["since"] = MIN_NS
        return cls(
            fixes, np.full((terminals, latches), MIN_NS, np.int64), np.zeros((terminals, latches), np.uint8), stays
        )

    def __len__(self) -> int:
        return len(self.fixes)

    @property
    def nbytes(self) -> int:
        """Memory held [bytes]."""
        return sum(array.nbytes for array in self.columns().values())

    def columns(self) -> dict[str, NDArray]:
        """The arrays by name, for storing and for growing."""
        return {name: getattr(self, name) for name in self.__slots__}

    def grow(self, terminals: int) -> None:
        """Make room for terminals that were not known before; present rows keep their content."""
        if terminals <= len(self):
            return
        fresh = TerminalState.empty(room_for(terminals, len(self)), self.since_ns.shape[1], self.stays.shape[1])
        for name, old in self.columns().items():
            new = getattr(fresh, name)
            new[: len(old)] = old
            setattr(self, name, new)

    def last_observed_ns(self) -> NDArray[np.int64]:
        """Time of each terminal's latest observation, with or without a position [ns; MIN_NS if there was none]."""
        return self.fixes["t_seen"]

    def take(self, rows: NDArray[np.int32]) -> TerminalState:
        """Return a copy of some rows."""
        return TerminalState(*(column[rows] for column in self.columns().values()))

    def put(self, rows: NDArray[np.int32], other: TerminalState) -> None:
        """Overwrite some rows with those of another memory, in order."""
        for name, column in self.columns().items():
            column[rows] = getattr(other, name)


@dataclass(frozen=True, slots=True)
class Motion:
    """What `advance` found for each observation; all arrays have shape (n,) unless said.

    Attributes:
        lat_deg, lon_deg: resolved position [degree; NaN if unknown].
        cell: resolved H3 cell where the position is a cell, else 0.
        sigma_m: standard deviation per axis of the resolved position [m].
        source: index into records.POSITION_SOURCES of the resolved position.
        age_s: age of the resolved position [s; NaN if unknown].
        speed_m_s: best single value [m/s; NaN if unknown].
        speed_low_m_s, speed_high_m_s: interval that holds the speed [m/s; NaN if unknown].
        latches: Truth per latch (0 false, 1 true, 2 unknown), shape (n, latches).
    """

    lat_deg: NDArray[np.float64]
    lon_deg: NDArray[np.float64]
    cell: NDArray[np.uint64]
    sigma_m: NDArray[np.float32]
    source: NDArray[np.uint8]
    age_s: NDArray[np.float64]
    speed_m_s: NDArray[np.float64]
    speed_low_m_s: NDArray[np.float64]
    speed_high_m_s: NDArray[np.float64]
    latches: NDArray[np.uint8]


_NONE_FORGOTTEN = np.zeros(0, np.bool_)
_NONE_VERIFIED = (np.zeros(0), np.zeros(0), np.zeros(0, np.int64))


def advance(
    state: TerminalState,
    rows: NDArray[np.int32],
    observed_at_ns: NDArray[np.int64],
    lat_deg: NDArray[np.float64],
    lon_deg: NDArray[np.float64],
    *,
    sigma_m: NDArray[np.float32],
    cell: NDArray[np.uint64],
    cell_radius_m: NDArray[np.float32],
    source: NDArray[np.uint8],
    reported_speed_m_s: NDArray[np.float32],
    limits: NDArray[np.float64],
    max_gap_s: float,
    verified: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]] | None = None,
    forgotten: NDArray[np.bool_] | None = None,
) -> Motion:
    """Update the memory with a batch and say what is known of position and speed at each observation.

    Args:
        state: changed in place.
        rows: row of each observation's terminal in the state.
        observed_at_ns: not decreasing within one terminal [ns, UTC].
        lat_deg, lon_deg: reported position, or the cell's centre [degree, WGS 84; NaN if absent].
        sigma_m: standard deviation per axis [m]; 0 for cells.
        cell: H3 cell where the position is a cell, else 0.
        cell_radius_m: largest distance of a point of the cell from its centre [m]; 0 without a cell.
        source: index into records.POSITION_SOURCES.
        reported_speed_m_s: speed as reported [m/s; NaN if absent].
        limits: one row per latch: above [m/s], release_below [m/s], for_s [s]; shape (latches, 3).
        max_gap_s: longest base of a speed estimate [s].
        verified: speeds measured by radio with their sigma [m/s; NaN where there is none] and the time of each measurement
            [ns, UTC]. They take the place of speeds from positions; a limit counts a measurement once, however often it is attached.
        forgotten: rows that have no position, and at which what is remembered of positions is forgotten: it rests on the same doubt.
    """
    speed, doubt, at_ns = _NONE_VERIFIED if verified is None else verified
    n = len(rows)
    motion = Motion(
        np.empty(n), np.empty(n), np.empty(n, np.uint64), np.empty(n, np.float32), np.empty(n, np.uint8), np.empty(n),
        np.empty(n), np.empty(n), np.empty(n), np.empty((n, len(limits)), np.uint8),
    )  # fmt: skip
    _advance(
        state.fixes, state.since_ns, state.excesses, rows, observed_at_ns, lat_deg, lon_deg, sigma_m, cell, cell_radius_m, source,
        reported_speed_m_s, np.ascontiguousarray(limits, np.float64).reshape(len(limits), 3), max_gap_s, speed, doubt, at_ns,
        _NONE_FORGOTTEN if forgotten is None else forgotten,
        motion.lat_deg, motion.lon_deg, motion.cell, motion.sigma_m, motion.source, motion.age_s,
        motion.speed_m_s, motion.speed_low_m_s, motion.speed_high_m_s, motion.latches,
    )  # fmt: skip
    return motion


@njit(cache=True)
def distance_m(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Distance on the ellipsoid between two near points, or on the sphere between far ones [m].

    Below one degree: local tangent plane with the WGS 84 radii at the mean latitude (error below 1e-4 of the distance up
    to 85° of latitude). Beyond: haversine (error below 0.56 %).
    """
    dlat = lat2 - lat1
    dlon = lon2 - lon1
    if dlon > 180.0:
        dlon -= 360.0
    elif dlon < -180.0:
        dlon += 360.0
    mid = np.radians(0.5 * (lat1 + lat2))
    if abs(dlat) < 1.0 and abs(dlon) < 1.0 and abs(mid) < 1.4835:
        sin_mid = np.sin(mid)
        w2 = 1.0 - EARTH_E2 * sin_mid * sin_mid
        w = np.sqrt(w2)
        north = np.radians(dlat) * EARTH_A_M * (1.0 - EARTH_E2) / (w2 * w)
        east = np.radians(dlon) * EARTH_A_M * np.cos(mid) / w
        return np.sqrt(north * north + east * east)
    a = (
        np.sin(np.radians(dlat) * 0.5) ** 2
        + np.cos(np.radians(lat1)) * np.cos(np.radians(lat2)) * np.sin(np.radians(dlon) * 0.5) ** 2
    )
    return 2.0 * 6_371_008.8 * np.arcsin(min(1.0, np.sqrt(a)))


@njit(cache=True, nogil=True)
def distances_m(lat1, lon1, lat2, lon2):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    """Distance of each of n pairs of points, as `distance_m`; arguments and result of shape (n,)."""
    found = np.empty(len(lat1))
    for i in range(len(lat1)):
        found[i] = distance_m(lat1[i], lon1[i], lat2[i], lon2[i])
    return found


@njit(cache=True, nogil=True)
def _advance(  # type: ignore[no-untyped-def]  # compiled; typed by numba
    fixes, since_ns, excesses, rows, t_ns, lat, lon, sigma, cell, cell_radius, source, reported, limits, max_gap_s,
    verified, verified_sigma, verified_at, forgotten,
    out_lat, out_lon, out_cell, out_sigma, out_source, out_age, out_speed, out_low, out_high, out_latch,
):  # fmt: skip
    n_latches = limits.shape[0]
    lowest_limit = np.inf
    for k in range(n_latches):
        lowest_limit = min(lowest_limit, limits[k, 0])
    base_ns = np.int64(MIN_BASE_S * 1e9)
    gap_ns = np.int64(max_gap_s * 1e9)
    by_radio = len(verified) > 0
    forgetting = len(forgotten) > 0
    touched = 0
    for i in range(len(rows)):
        if i % _AHEAD == 0:
            for k in range(i, min(i + _AHEAD, len(rows))):
                touched += fixes[rows[k]].t_new + fixes[rows[k]].timing
        fix = fixes[rows[i]]
        t = t_ns[i]
        stepped = False
        by_fixes = False
        seen_before = fix.t_seen
        fix.t_seen = t
        if forgetting and forgotten[i]:
            fix.t_pos = MIN_NS
            fix.t_new = MIN_NS
            fix.t_old = MIN_NS
        low = np.nan
        high = np.nan
        value = np.nan
        began = t
        has_position = not (np.isnan(lat[i]) or np.isnan(lon[i]))
        if has_position:
            hard = cell[i] != 0
            err = cell_radius[i] if hard else np.float32(2.0) * sigma[i]
            if fix.t_new == MIN_NS or t - fix.t_new > gap_ns:
                # First fix, or a gap: two fixes this far apart say nothing about speed, and a limit is not kept over it.
                fix.t_old = MIN_NS
                fix.latched = 0
                fix.timing = 0
                fix.t_new = t
                fix.lat_new = lat[i]
                fix.lon_new = lon[i]
                fix.err_new = err
                fix.hard = HARD_NEW if hard else np.uint8(0)
            elif t - fix.t_new >= base_ns:
                stepped = True
                fix.t_old = fix.t_new
                fix.lat_old = fix.lat_new
                fix.lon_old = fix.lon_new
                fix.err_old = fix.err_new
                fix.hard = (HARD_OLD if fix.hard & HARD_NEW else np.uint8(0)) | (HARD_NEW if hard else np.uint8(0))
                fix.t_new = t
                fix.lat_new = lat[i]
                fix.lon_new = lon[i]
                fix.err_new = err
            if fix.t_old != MIN_NS and t - fix.t_old <= gap_ns:
                seconds = (t - fix.t_old) * 1e-9
                distance = distance_m(fix.lat_old, fix.lon_old, lat[i], lon[i])
                if hard or fix.hard & HARD_OLD:
                    doubt = np.float64(err) + np.float64(fix.err_old)
                else:
                    doubt = np.sqrt(np.float64(err) * err + np.float64(fix.err_old) * fix.err_old)
                low = max(0.0, distance - doubt) / seconds
                high = (distance + doubt) / seconds
                value = distance / seconds
                began = fix.t_old
                by_fixes = True
            fix.t_pos = t
            fix.lat_pos = lat[i]
            fix.lon_pos = lon[i]
            fix.cell = cell[i]
            fix.sigma_pos = sigma[i]
            fix.source_pos = source[i]
            out_lat[i] = lat[i]
            out_lon[i] = lon[i]
            out_cell[i] = cell[i]
            out_sigma[i] = sigma[i]
            out_source[i] = source[i]
            out_age[i] = 0.0
        elif fix.t_pos != MIN_NS and (t - fix.t_pos) * 1e-9 <= CARRY_S:
            out_lat[i] = fix.lat_pos
            out_lon[i] = fix.lon_pos
            out_cell[i] = fix.cell
            out_sigma[i] = fix.sigma_pos
            out_source[i] = fix.source_pos
            out_age[i] = (t - fix.t_pos) * 1e-9
        else:
            out_lat[i] = np.nan
            out_lon[i] = np.nan
            out_cell[i] = 0
            out_sigma[i] = np.nan
            out_source[i] = source[i]
            out_age[i] = np.nan
        if by_radio and not np.isnan(verified[i]):
            value = verified[i]
            low = max(0.0, value - 2.0 * verified_sigma[i])
            high = value + 2.0 * verified_sigma[i]
            began = verified_at[i]
            by_fixes = True
            # One measurement is attached to all that is observed soon after it.
            stepped = verified_at[i] > seen_before
        said = np.float64(reported[i])
        if not np.isnan(said):
            if np.isnan(low):
                low = said
                high = said
                value = said
                began = t
            elif said > high:
                # More than the positions show: neither is believed over the other.
                high = said
            elif said >= low:
                low = said
                high = said
                value = said
                by_fixes = False
        out_speed[i] = value
        out_low[i] = low
        out_high[i] = high
        if n_latches == 0:
            continue
        if np.isnan(low):
            # A short silence keeps a limit in force, or leaving out every second position would evade it.
            if fix.t_pos == MIN_NS or t - fix.t_pos > gap_ns:
                fix.latched = 0
                fix.timing = 0
            for k in range(n_latches):
                out_latch[i, k] = np.uint8(1) if fix.latched & np.uint8(1 << k) else np.uint8(2)
            continue
        if fix.latched == 0 and fix.timing == 0 and high <= lowest_limit:
            for k in range(n_latches):
                out_latch[i, k] = 0
            continue
        for k in range(n_latches):
            bit = np.uint8(1 << k)
            truth = np.uint8(0)
            if fix.latched & bit:
                if high < limits[k, 1]:
                    fix.latched &= ~bit
                elif low < limits[k, 1] and high > limits[k, 0]:
                    # Too vague to say on which side: with worse accuracy a limit in force becomes a doubt.
                    truth = np.uint8(2)
                else:
                    truth = np.uint8(1)
            elif low > limits[k, 0]:
                if not fix.timing & bit:
                    fix.timing |= bit
                    since_ns[rows[i], k] = began
                    excesses[rows[i], k] = 1
                elif stepped and excesses[rows[i], k] < EXCESSES:
                    excesses[rows[i], k] += 1
                enough = excesses[rows[i], k] >= EXCESSES or not by_fixes
                if enough and (t - since_ns[rows[i], k]) * 1e-9 >= limits[k, 2]:
                    fix.latched |= bit
                    fix.timing &= ~bit
                    truth = np.uint8(1)
            else:
                fix.timing &= ~bit
                if high > limits[k, 0]:
                    truth = np.uint8(2)
            out_latch[i, k] = truth
    return touched


def count_stays(
    state: TerminalState, rows: NDArray[np.int32], observed_at_ns: NDArray[np.int64], truth: NDArray[np.uint8]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Update the stay counters and return their values at each observation.

    True counts. False ends the stay (`elapsed` starts anew), while days in a row break only when a whole UTC day had no
    observation that counted. Unknown neither counts nor ends anything: the doubt is given to the terminal.

    Args:
        state: changed in place.
        rows, observed_at_ns: as for `advance`.
        truth: Truth per counter, shape (n, counters).
    Returns:
        elapsed days, consecutive days and days in the UTC calendar year; each of shape (n, counters).
    """
    observations, counters = truth.shape
    # Rules ask for one counter of all rows, so that each counter's values lie side by side.
    elapsed, run, year = (np.zeros((counters, observations)).T for _ in range(3))
    if counters:
        _count_stays(state.stays, rows, observed_at_ns, truth, elapsed, run, year)
    return elapsed, run, year


@njit(cache=True)
def year_of_day(day: int) -> int:
    """Gregorian year of a day since 1970 (Hinnant, "chrono-compatible low-level date algorithms", civil_from_days)."""
    z = day + 719_468
    era = z // 146_097
    doe = z - era * 146_097
    yoe = (doe - doe // 1_460 + doe // 36_524 - doe // 146_096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    month = (5 * doy + 2) // 153
    return yoe + era * 400 + (1 if month >= 10 else 0)


@njit(cache=True, nogil=True)
def _count_stays(stays, rows, t_ns, truth, out_elapsed, out_run, out_year):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    counters = truth.shape[1]
    day = np.int64(-1)
    year = np.int64(0)
    touched = 0
    for i in range(len(rows)):
        if i % _AHEAD == 0:
            for k in range(i, min(i + _AHEAD, len(rows))):
                touched += stays[rows[k], 0].run_days + stays[rows[k], counters - 1].run_days
        r = rows[i]
        for c in range(counters):
            stay = stays[r, c]
            if truth[i, c] != 1 and stay.run_days == 0:
                continue
            if t_ns[i] // NS_PER_DAY != day:
                day = t_ns[i] // NS_PER_DAY
                year = year_of_day(day)
            if truth[i, c] == 1:
                if stay.since == MIN_NS:
                    stay.since = t_ns[i]
                if stay.run_days == 0:
                    stay.run_days = 1
                    stay.year_days = 1
                elif day != stay.last_day:
                    stay.run_days = min(MOST_DAYS, stay.run_days + 1) if day == stay.last_day + 1 else 1
                    stay.year_days = stay.year_days + 1 if year_of_day(stay.last_day) == year else 1
                stay.last_day = day
            elif truth[i, c] == 0:
                stay.since = MIN_NS
            if stay.since != MIN_NS:
                out_elapsed[i, c] = (t_ns[i] - stay.since) / NS_PER_DAY
            if stay.last_day >= day - 1:
                out_run[i, c] = stay.run_days
            if stay.last_day == day or year_of_day(stay.last_day) == year:
                out_year[i, c] = stay.year_days
    return touched
