"""Propagate: where satellites are at instants, Earth-fixed, with a status for every state.

1. SGP4 (the `sgp4` package, WGS 72 constants, as the elements are fitted with) answers in TEME.
2. The answer is turned by sidereal time into ECEF (`groundrule.frames`, which says what is left out).
3. Each state has a code. A state without code 0 is not-a-number, never a guess.

`at` is for many satellites at the same instants, `pairs` for one satellite and one instant per row. An answer for a
satellite and an instant depends on nothing else in the batch, so that one terminal and a replay of all agree in every bit.

SGP4's velocity is not the derivative of its own position: they differ by up to 0.08 m/s in near-circular low orbits, and
by up to 0.35 m/s where the eccentricity is 0.05. It is given as SGP4 gives it, as other programs do.

Source: Vallado, Crawford, Hujsak, Kelso, AIAA 2006-6753; WGS 84 (gravity, for the acceleration).
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from sgp4.api import WGS72, Satrec, SatrecArray

from groundrule.errors import InputError, OutOfRange, StaleElements, UnknownSatellite
from groundrule.frames import MU_M3_S2, NS_PER_DAY, OMEGA_EARTH_RAD_S, WGS84_A_M, gmst82_rad
from groundrule.instant import NS_PER_S, format_instant
from groundrule.orbit.elements import Elements

MAX_AGE_S = 7 * 86_400.0
"""Default limit of age: beyond it the error of public sets has no measured table."""
MAX_AHEAD_S = 3 * 86_400.0
"""Default limit for elements whose epoch is after the instant."""
MAX_STATES = 40_000_000
"""Most states of one call (2 GB): more is a slip of units, and the caller can take pieces."""
NODE_NS = 30 * NS_PER_S
"""Distance of the exact states between which `pairs` interpolates."""
INTERPOLATION_BOUND_M = 1e-3
"""Bound of the interpolation error for the orbits that are interpolated (tests/properties/test_orbit_states.py)."""
_INTERPOLATED_ECCENTRICITY = 0.05
_POINTS = 8

_JD_1970 = 2_440_587.5
_JD_1949 = 2_433_281.5
_J2 = 1.08262668e-3
_DEG = math.pi / 180.0
_REV_DAY = 2.0 * math.pi / 1440.0  # rad/min

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Codes = NDArray[np.uint8]


class Code(IntEnum):
    """Why there is no state, or OK. 1 to 6 are SGP4's own numbers."""

    OK = 0
    ECCENTRICITY = 1
    MEAN_MOTION = 2
    PERTURBED_ECCENTRICITY = 3
    SEMI_LATUS_RECTUM = 4
    SUBORBITAL_ELEMENTS = 5
    DECAYED = 6
    UNKNOWN_SATELLITE = 10
    STALE = 11
    FUTURE_ELEMENTS = 12
    NOT_FINITE = 13


MEANING: dict[int, str] = {
    Code.OK: "usable",
    Code.ECCENTRICITY: "mean eccentricity left the interval from 0 to 1: the elements are no orbit at that time",
    Code.MEAN_MOTION: "mean motion fell below zero",
    Code.PERTURBED_ECCENTRICITY: "perturbed eccentricity left the interval from 0 to 1",
    Code.SEMI_LATUS_RECTUM: "semi-latus rectum fell below zero",
    Code.SUBORBITAL_ELEMENTS: "the elements lie below the ground",
    Code.DECAYED: "the satellite has decayed by then",
    Code.UNKNOWN_SATELLITE: "no loaded elements have this satellite",
    Code.STALE: "the elements are older than the limit",
    Code.FUTURE_ELEMENTS: "the epoch of the elements is further in the future than the limit",
    Code.NOT_FINITE: "the state is not a number",
}
"""One sentence for each code."""


class States(NamedTuple):
    """Earth-fixed states of satellites (first axis) at instants (second axis); not-a-number where code is not 0."""

    r_m: Floats
    """(sat, t, 3) positions [m, ECEF]."""
    v_m_s: Floats
    """(sat, t, 3) velocities relative to the turning Earth [m/s, ECEF]."""
    code: Codes
    """(sat, t) of `Code`."""


class PairStates(NamedTuple):
    """Earth-fixed states of (satellite, instant) pairs; not-a-number where code is not 0."""

    r_m: Floats
    """(k, 3) positions [m, ECEF]."""
    v_m_s: Floats
    """(k, 3) velocities [m/s, ECEF]."""
    a_m_s2: Floats
    """(k, 3) accelerations [m/s2, ECEF]: gravity with J2, and the terms of the turning frame."""
    code: Codes
    """(k,) of `Code`."""


class Propagator:
    """States of the satellites of one table of elements.

    Args:
        elements: one row per satellite; several sets of one satellite are several rows.
        max_age_s: a state is refused (STALE) where the epoch is earlier by more [s]; None accepts every age.
        max_ahead_s: a state is refused (FUTURE_ELEMENTS) where the epoch is later by more [s]; None accepts every one.
        dut1_s: UT1 - UTC [s] for the rotation of the Earth.
    Raises:
        InputError: the table is empty.
    """

    def __init__(
        self,
        elements: Elements,
        *,
        max_age_s: float | None = MAX_AGE_S,
        max_ahead_s: float | None = MAX_AHEAD_S,
        dut1_s: float = 0.0,
    ) -> None:
        if not len(elements):
            raise InputError("there are no elements", help="import OMM or TLE, or generate a constellation")
        self.elements = elements
        self.dut1_s = dut1_s
        self.max_age_s = math.inf if max_age_s is None else float(max_age_s)
        self.max_ahead_s = math.inf if max_ahead_s is None else float(max_ahead_s)
        self._satellites = _satrecs(elements)
        self._array: SatrecArray | None = None

    def at(self, t_ns: ArrayLike) -> States:
        """Return the states of all satellites at some instants.

        Args:
            t_ns: instants [ns since 1970, UTC; one or (t,)].
        Raises:
            OutOfRange: more than `MAX_STATES` states.

        Accuracy: the elements' own error, kilometres a day for public sets, is far above that of the frame.
        """
        times = np.atleast_1d(np.asarray(t_ns, np.int64))
        if len(times) * len(self.elements) > MAX_STATES:
            raise OutOfRange(
                f"{len(times)} instants of {len(self.elements)} satellites are more than {MAX_STATES} states",
                help="ask in pieces",
                value=len(times),
            )
        if self._array is None:
            self._array = SatrecArray(self._satellites)
        error, r, v = self._array.sgp4(*_julian(times))
        gmst = gmst82_rad(times, self.dut1_s)
        _to_earth(r, v, error, self.elements.epoch_ns, times, gmst, self.max_age_s, self.max_ahead_s)
        return States(r, v, error)

    def pairs(self, index: ArrayLike, t_ns: ArrayLike, *, interpolated: bool = False) -> PairStates:
        """Return one state per pair of satellite and instant.

        Args:
            index: (k,) rows of the elements; -1 is an unknown satellite.
            t_ns: (k,) instants [ns since 1970, UTC].
            interpolated: take states of orbits with an eccentricity below 0.05 from a polynomial of degree 7 through
                exact TEME states every 30 s; several times as fast where many pairs lie in the same minutes.
        Raises:
            OutOfRange: an index that is no row, or more than `MAX_STATES` pairs.

        Accuracy: interpolated positions are within 1 mm of exact ones, velocities within 1e-5 m/s.
        """
        rows = np.ascontiguousarray(np.atleast_1d(np.asarray(index, np.int64)))
        times = np.array(np.broadcast_to(np.asarray(t_ns, np.int64), rows.shape))
        if len(rows) > MAX_STATES:
            raise OutOfRange(f"{len(rows)} pairs are more than {MAX_STATES}", help="ask in pieces", value=len(rows))
        if len(rows) and (int(rows.min()) < -1 or int(rows.max()) >= len(self.elements)):
            raise OutOfRange(
                "a satellite index is no row of the elements",
                help=f"rows are 0 to {len(self.elements) - 1}; -1 stands for an unknown satellite",
                value=int(rows.max()),
            )
        error = np.zeros(len(rows), np.uint8)
        r = np.full((len(rows), 3), np.nan)
        v = np.full((len(rows), 3), np.nan)
        known = rows >= 0
        smooth = known & (self.elements.eccentricity[rows] < _INTERPOLATED_ECCENTRICITY) & interpolated
        for chosen, answer in ((known & ~smooth, self._exact), (smooth, self._interpolated)):
            if len(rows) and chosen.all():  # the usual case needs no copies
                r, v, error = answer(rows, times)
            elif chosen.any():
                r[chosen], v[chosen], error[chosen] = answer(rows[chosen], times[chosen])
        code = _pair_codes(error, rows, self.elements.epoch_ns, times, self.max_age_s, self.max_ahead_s)
        a = np.empty_like(r)
        _pairs_to_earth(r, v, a, gmst82_rad(times, self.dut1_s), code)
        return PairStates(r, v, a, code)

    def state(self, catalogue: int, t_ns: int) -> tuple[Floats, Floats]:
        """Return position [m, ECEF] and velocity [m/s, ECEF] of one satellite at one instant.

        Raises:
            UnknownSatellite, StaleElements, OutOfRange: what the code of the state says.
        """
        row = self.elements.row_of(catalogue)
        answer = self.pairs([row], [t_ns])
        code = int(answer.code[0])
        if code != Code.OK:
            raise error_of(code, self.elements, row, t_ns)
        return answer.r_m[0], answer.v_m_s[0]

    def _exact(self, rows: Ints, times: Ints) -> tuple[Floats, Floats, Codes]:
        """SGP4 in TEME [km, km/s] for each pair; equal pairs are computed once."""
        order = np.lexsort((times, rows))
        sat, when = rows[order], times[order]
        new = np.ones(len(order), bool)
        new[1:] = (np.diff(sat) != 0) | (np.diff(when) != 0)
        which = np.empty(len(order), np.int64)
        which[order] = np.cumsum(new) - 1
        sat, when = sat[new], when[new]
        jd, part = _julian(when)
        r, v = np.empty((len(sat), 3)), np.empty((len(sat), 3))
        error = np.empty(len(sat), np.uint8)
        edges = np.concatenate([[0], np.flatnonzero(np.diff(sat)) + 1, [len(sat)]])
        for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            error[start:end], r[start:end], v[start:end] = self._satellites[int(sat[start])].sgp4_array(
                jd[start:end], part[start:end]
            )
        return r[which], v[which], error[which]

    def _interpolated(self, rows: Ints, times: Ints) -> tuple[Floats, Floats, Codes]:
        """Polynomials through exact states at multiples of 30 s since 1970, so that the batch makes no difference."""
        node = times // NODE_NS
        span = int(node.max()) - int(node.min()) + 1
        if span > 2**31:
            return self._exact(rows, times)
        low = int(node.min())
        key, which = np.unique(rows * span + (node - low), return_inverse=True)
        sat, first = key // span, key % span + low - (_POINTS // 2 - 1)
        nodes = (first[:, None] + np.arange(_POINTS)).ravel()
        r, v, error = self._exact(np.repeat(sat, _POINTS), nodes * NODE_NS)
        shape = (len(key), _POINTS, 3)
        r_out, v_out = _interpolate(which, times, node, r.reshape(shape), v.reshape(shape))
        return r_out, v_out, error.reshape(len(key), _POINTS).max(axis=1)[which]


def error_of(code: int, elements: Elements, row: int, t_ns: int) -> InputError:
    """Return the error that a code stands for, naming satellite, epoch and instant."""
    if code == Code.UNKNOWN_SATELLITE or row < 0:
        return UnknownSatellite("a satellite has no loaded elements", help="import the elements that have it")
    number, epoch = int(elements.catalogue[row]), format_instant(int(elements.epoch_ns[row]))
    what = f"satellite `{number}` at {format_instant(t_ns)}: {MEANING[code]} (epoch {epoch})"
    if code in (Code.STALE, Code.FUTURE_ELEMENTS):
        return StaleElements(what, help="import elements nearer to that time", value=number)
    return OutOfRange(what, help="import newer elements, or leave the satellite out", value=number)


def _satrecs(elements: Elements) -> list[Satrec]:
    days, part = np.divmod(elements.epoch_ns, NS_PER_DAY)
    jd = _JD_1970 + days
    fraction = part / NS_PER_DAY
    rows = zip(
        (jd + fraction - _JD_1949).tolist(),
        jd.tolist(),
        fraction.tolist(),
        elements.bstar.tolist(),
        elements.ndot.tolist(),
        elements.nddot.tolist(),
        elements.eccentricity.tolist(),
        (elements.arg_perigee_deg * _DEG).tolist(),
        (elements.inclination_deg * _DEG).tolist(),
        (elements.mean_anomaly_deg * _DEG).tolist(),
        (elements.mean_motion_rev_day * _REV_DAY).tolist(),
        (elements.raan_deg * _DEG).tolist(),
        strict=True,
    )
    made = []
    for epoch, whole, rest, bstar, ndot, nddot, ecc, argp, inc, anomaly, motion, raan in rows:
        satellite = Satrec()
        # The number plays no part in the mathematics, and the package's field ends at 339999.
        satellite.sgp4init(
            WGS72, "i", 0, epoch, bstar, ndot * _REV_DAY / 1440.0, nddot * _REV_DAY / 1440.0**2, ecc, argp, inc,
            anomaly, motion, raan,
        )  # fmt: skip
        # One number holds an epoch to 0.3 us only, 2 mm of way; two hold it to 0.01 ns.
        satellite.jdsatepoch, satellite.jdsatepochF = whole, rest
        made.append(satellite)
    return made


def _julian(times: Ints) -> tuple[Floats, Floats]:
    days, part = np.divmod(times, NS_PER_DAY)
    return _JD_1970 + days, part / NS_PER_DAY


@njit(cache=True)
def _code(error: int, epoch_ns: int, t_ns: int, max_age_s: float, max_ahead_s: float) -> int:
    """Code of one state: the guard of age comes before what SGP4 says of its own wild answer."""
    # Far ends of int64 have no difference in int64; near ones need each nanosecond.
    age_ns = float(t_ns) - float(epoch_ns)
    if abs(age_ns) < 4e18:
        age_ns = float(t_ns - epoch_ns)
    if age_ns > max_age_s * 1e9:
        return 11
    if -age_ns > max_ahead_s * 1e9:
        return 12
    return error


@njit(cache=True)
def _pair_codes(error: Codes, rows: Ints, epoch_ns: Ints, t_ns: Ints, max_age_s: float, max_ahead_s: float) -> Codes:
    out = np.empty(len(rows), np.uint8)
    for i in range(len(rows)):
        out[i] = 10 if rows[i] < 0 else _code(error[i], epoch_ns[rows[i]], t_ns[i], max_age_s, max_ahead_s)
    return out


@njit(cache=True)
def _turn(r: Floats, v: Floats, c: float, s: float) -> bool:
    """Turn one state of TEME [km, km/s] into ECEF [m, m/s] in its place; False if it is not a number."""
    x = (c * r[0] + s * r[1]) * 1000.0
    y = (c * r[1] - s * r[0]) * 1000.0
    vx = (c * v[0] + s * v[1]) * 1000.0 + OMEGA_EARTH_RAD_S * y
    vy = (c * v[1] - s * v[0]) * 1000.0 - OMEGA_EARTH_RAD_S * x
    r[0], r[1], r[2] = x, y, r[2] * 1000.0
    v[0], v[1], v[2] = vx, vy, v[2] * 1000.0
    return math.isfinite(x + y + r[2] + vx + vy + v[2])


@njit(cache=True)
def _to_earth(
    r: Floats, v: Floats, code: Codes, epoch_ns: Ints, t_ns: Ints, gmst: Floats, max_age_s: float, max_ahead_s: float
) -> None:
    """Turn SGP4's answers into ECEF in their place, and its error numbers into codes; the same sums as `_turn`."""
    cosine = np.cos(gmst)
    sine = np.sin(gmst)
    for i in range(r.shape[0]):
        for j in range(r.shape[1]):
            which = _code(code[i, j], epoch_ns[i], t_ns[j], max_age_s, max_ahead_s)
            c, s = cosine[j], sine[j]
            x = (c * r[i, j, 0] + s * r[i, j, 1]) * 1000.0
            y = (c * r[i, j, 1] - s * r[i, j, 0]) * 1000.0
            z = r[i, j, 2] * 1000.0
            vx = (c * v[i, j, 0] + s * v[i, j, 1]) * 1000.0 + OMEGA_EARTH_RAD_S * y
            vy = (c * v[i, j, 1] - s * v[i, j, 0]) * 1000.0 - OMEGA_EARTH_RAD_S * x
            vz = v[i, j, 2] * 1000.0
            if which == 0 and not math.isfinite(x + y + z + vx + vy + vz):
                which = 13
            if which != 0:
                x = y = z = vx = vy = vz = math.nan
            code[i, j] = which
            r[i, j, 0], r[i, j, 1], r[i, j, 2] = x, y, z
            v[i, j, 0], v[i, j, 1], v[i, j, 2] = vx, vy, vz


@njit(cache=True)
def _pairs_to_earth(r: Floats, v: Floats, a: Floats, gmst: Floats, code: Codes) -> None:
    for i in range(len(r)):
        if code[i] == 0 and not _turn(r[i], v[i], math.cos(gmst[i]), math.sin(gmst[i])):
            code[i] = 13
        if code[i] != 0:
            r[i, :] = np.nan
            v[i, :] = np.nan
            a[i, :] = np.nan
            continue
        x, y, z = r[i, 0], r[i, 1], r[i, 2]
        d2 = x * x + y * y + z * z
        pull = -MU_M3_S2 / (d2 * math.sqrt(d2))
        flat = 1.5 * _J2 * WGS84_A_M * WGS84_A_M / d2
        z2 = 5.0 * z * z / d2
        across = pull * (1.0 + flat * (1.0 - z2)) + OMEGA_EARTH_RAD_S * OMEGA_EARTH_RAD_S
        a[i, 0] = across * x + 2.0 * OMEGA_EARTH_RAD_S * v[i, 1]
        a[i, 1] = across * y - 2.0 * OMEGA_EARTH_RAD_S * v[i, 0]
        a[i, 2] = pull * (1.0 + flat * (3.0 - z2)) * z


@njit(cache=True)
def _interpolate(which: Ints, t_ns: Ints, node: Ints, r: Floats, v: Floats) -> tuple[Floats, Floats]:
    """Lagrange's polynomial through eight states; the fourth stands at the node before the instant."""
    r_out = np.empty((len(t_ns), 3))
    v_out = np.empty((len(t_ns), 3))
    weight = np.empty(_POINTS)
    scale = np.array([-1.0 / 5040, 1.0 / 720, -1.0 / 240, 1.0 / 144, -1.0 / 144, 1.0 / 240, -1.0 / 720, 1.0 / 5040])
    for i in range(len(t_ns)):
        x = (t_ns[i] - node[i] * NODE_NS) / NODE_NS + 3.0
        below = 1.0
        for j in range(_POINTS):
            weight[j] = scale[j] * below
            below *= x - j
        above = 1.0
        for j in range(_POINTS - 1, -1, -1):
            weight[j] *= above
            above *= x - j
        for axis in range(3):
            position = 0.0
            speed = 0.0
            for j in range(_POINTS):
                position += weight[j] * r[which[i], j, axis]
                speed += weight[j] * v[which[i], j, axis]
            r_out[i, axis] = position
            v_out[i, axis] = speed
    return r_out, v_out
