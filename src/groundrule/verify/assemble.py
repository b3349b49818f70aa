"""Assemble: cleaned measurements, elements and claims become cases, one per terminal and window.

1. Rows are cut into windows at fixed instants, so that a row's window does not depend on what else is in a file.
2. Each satellite gets the newest elements that were there at the window (or, within the limit, the next ones), its state at
   every instant, and what is known of its error.
3. The claim nearest to the middle of the window is moved there.
4. Priors come from the platform, the calibration and the cell.

Source: sections 3 and 6 of the specification.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.errors import InputError, OutOfRange
from groundrule.frames import ecef_to_geodetic
from groundrule.instant import NS_PER_S
from groundrule.orbit.elements import Elements
from groundrule.orbit.propagate import MAX_AGE_S, Code, Propagator
from groundrule.verify.batch import Batch, Ints, Priors
from groundrule.verify.case import Case
from groundrule.verify.ephemeris import SlotPriors, slot_priors
from groundrule.verify.measurements import Intake, Issue
from groundrule.verify.model import Floats
from groundrule.verify.statistics import displaced, distance_m

Flags = NDArray[np.bool_]

MODEL = "groundrule-verify-3"
"""Version of the model; it goes into the digest of inputs and changes when the same input may give another verdict."""
SLOT_PHASE_NS = 12 * NS_PER_S
"""Slots of 15 s begin at seconds 12, 27, 42, 57 of the minute, and windows with them (observed at three sites)."""
CLAIM_GAP_S = 60.0
LOWEST_M, HIGHEST_M = -500.0, 50_000.0
"""Heights over the ellipsoid at which a terminal can be [m]."""
_UNKNOWN_SPEED_M_S = 30.0


class Platform(NamedTuple):
    """What is known of terminals of one class: velocity prior, height prior, and how much the velocity changes within a window."""

    velocity_sigma_m_s: float
    height_m: float
    height_sigma_m: float
    manoeuvre_m_s2: float


PLATFORMS: dict[str, Platform] = {
    "fixed": Platform(0.0, 400.0, 800.0, 0.0),
    "land": Platform(300.0, 400.0, 800.0, 1.0),
    "ship": Platform(300.0, 0.0, 60.0, 0.1),
    "aircraft": Platform(300.0, 5_000.0, 5_000.0, 3.0),
}
"""Without a terrain or geoid model: the land of the Earth lies 400 m high, give or take 800; the sea is within 60 m (geoid).
An airliner banks 25 to 30 degrees in a turn (4.6 to 5.7 m/s2, 1.9 of this sigma), a car brakes with 1 to 3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How cases are assembled.

    Attributes:
        window_s: a verdict is over so long [s].
        platform: of all terminals, one of `PLATFORMS`. platforms: of single ones, by id, where it is another.
        height_m, height_sigma_m: surveyed or from a terrain model, ellipsoidal; None takes the platform's.
        delay_sigma_m: of terminals without calibration: 300 m. f_sigma_m_s: 30 (0.1 ppm), 0.3 disciplined by GNSS.
        clock_sigma_s: of the network's clock against UTC, one offset for all satellites; 0: traced.
        declared_m: sigma of S, R, C that the operator states for its ephemeris; None: not stated.
        max_age_s, max_ahead_s: of elements. min_elevation_deg: at which satellites serve.
    """

    window_s: float = 60.0
    platform: str = "land"
    platforms: Mapping[str, str] = field(default_factory=dict)
    height_m: float | None = None
    height_sigma_m: float | None = None
    delay_sigma_m: float = 300.0
    f_sigma_m_s: float = 30.0
    clock_sigma_s: float = 0.0
    declared_m: tuple[float, float, float] | None = None
    max_age_s: float = MAX_AGE_S
    max_ahead_s: float = 6 * 3600.0
    min_elevation_deg: float = 5.0

    def __post_init__(self) -> None:
        for name in {self.platform, *self.platforms.values()}:
            if name not in PLATFORMS:
                raise InputError(f"`{name}` is no platform", help="platforms are " + ", ".join(PLATFORMS))
        if not 1.0 <= self.window_s <= 3600.0:
            raise OutOfRange(f"a window of {self.window_s} s", help="1 to 3600 s", value=self.window_s)
        if self.height_m is not None and not LOWEST_M <= self.height_m <= HIGHEST_M:
            raise OutOfRange(f"a height of {self.height_m:g} m", help=f"{LOWEST_M:g} to {HIGHEST_M:g} m", value=self.height_m)
        if self.declared_m is not None and not all(0 < sigma < 1e6 for sigma in self.declared_m):
            raise OutOfRange("a sigma of the ephemeris is not positive", help="three numbers of metres: S, R, C")


@dataclass(frozen=True, slots=True)
class Assembled:
    """Cases with what the report needs about them.

    Attributes:
        case: to be judged. terminal: id of each case [n]. first_ns, at_ns: first and last instant used; t_ref_ns: the middle [n].
        elements: the sets used; slot_element: row of each slot [slots].
        slot_rows: rows of the input of each slot. claim_age_s: instant of the claim less t_ref [n].
        has_cell: a cell prior is in force [n]. issues: rows not used, those of the intake included.
        inputs: digest of what each verdict rests on [n]. options: as given.
    """

    case: Case
    terminal: tuple[str, ...]
    first_ns: Ints
    at_ns: Ints
    t_ref_ns: Ints
    elements: Elements
    slot_element: Ints
    slot_rows: tuple[Ints, ...]
    claim_age_s: Floats
    has_cell: Flags
    issues: tuple[Issue, ...]
    inputs: tuple[str, ...]
    options: Options

    def __len__(self) -> int:
        return len(self.terminal)


def element_rows(elements: Elements, satellite: Ints, t_ns: Ints) -> Ints:
    """Row of the newest set of each satellite that was there at an instant, else the earliest after it; -1 for none."""
    if not len(elements):
        return np.full(len(satellite), -1, np.int64)
    order = np.lexsort((elements.epoch_ns, elements.catalogue))
    epochs, rank = np.unique(elements.epoch_ns[order], return_inverse=True)
    width = len(epochs) + 1
    keys = elements.catalogue[order] * width + rank
    at = np.searchsorted(keys, satellite * width + np.searchsorted(epochs, t_ns, side="right"), side="left")
    numbers = elements.catalogue[order]
    before, after = np.maximum(at - 1, 0), np.minimum(at, len(order) - 1)
    out = np.full(len(satellite), -1, np.int64)
    later = numbers[after] == satellite
    out[later] = order[after[later]]
    earlier = (at > 0) & (numbers[before] == satellite)
    out[earlier] = order[before[earlier]]
    return out


def assemble(intake: Intake, elements: Elements, claims: pa.Table | None = None, options: Options | None = None) -> Assembled:
    """Make cases of cleaned measurements.

    Args:
        intake: rows that can be used. elements: all that are loaded; rows are chosen by the time of each window.
        claims: observations (`records.OBSERVATION_SCHEMA`), of which terminal, time, place, sigma, height, speed and course
            are read; None: no claims, positions only.
        options: see `Options`.
    """
    options = options or Options()
    window_ns = round(options.window_s * NS_PER_S)
    cell_window = (intake.cell_t_ns - SLOT_PHASE_NS) // window_ns
    window = (intake.t2_ns - SLOT_PHASE_NS) // window_ns
    # The satellite's set is chosen once per satellite and window, by the window's end.
    row = element_rows(elements, intake.satellite, (window + 1) * window_ns + SLOT_PHASE_NS)
    issues = list(intake.issues)
    r, v, good = _states(intake, elements, row, options, issues)
    keep = np.flatnonzero(good)
    order = keep[np.lexsort((intake.is_rate[keep], intake.t2_ns[keep], intake.satellite[keep], window[keep], intake.terminal[keep]))]
    groups = np.unique(
        np.concatenate([np.stack([intake.terminal[order], window[order]], 1), np.stack([intake.cell_terminal, cell_window], 1)]), axis=0
    )
    group = _index(groups, intake.terminal[order], window[order])
    n = len(groups)
    # Looks: a range and a rate of one satellite and instant stand together.
    sat, t2, is_rate = intake.satellite[order], intake.t2_ns[order], intake.is_rate[order]
    new_slot = np.ones(len(order), np.bool_)
    new_slot[1:] = (np.diff(group) != 0) | (np.diff(sat) != 0)
    new_look = new_slot.copy()
    new_look[1:] |= np.diff(t2) != 0
    look = np.cumsum(new_look) - 1
    looks = int(new_look.sum())
    value = np.full((looks, 2), math.nan)
    sigma = np.full((looks, 2), math.inf)
    value[look, is_rate.astype(np.int64)] = intake.value[order]
    sigma[look, is_rate.astype(np.int64)] = intake.sigma[order]
    head = np.flatnonzero(new_look)
    slot_head = np.flatnonzero(new_slot)
    slot_group = group[slot_head]
    first, last = np.full(n, 2**62), np.full(n, -(2**62))
    np.minimum.at(first, group, t2)
    np.maximum.at(last, group, t2)
    empty = first > last
    middle = (groups[:, 1] * window_ns + SLOT_PHASE_NS + window_ns // 2)[empty]
    first[empty], last[empty] = middle, middle
    t_ref = first + (last - first) // 2
    slot_element = row[order[slot_head]]
    age = (t_ref[slot_group] - elements.epoch_ns[slot_element]) / NS_PER_S if len(slot_head) else np.zeros(0)
    known = slot_priors(elements, slot_element, age, declared_m=options.declared_m) if len(slot_head) else _nothing()
    cell, has_cell = _cells(intake, cell_window, groups)
    kinds = tuple(options.platforms.get(intake.terminals[i], options.platform) for i in groups[:, 0].tolist())
    platform = np.array([PLATFORMS[kind] for kind in kinds], np.float64).reshape(n, len(Platform._fields))
    fixed = np.array([kind == "fixed" for kind in kinds], np.bool_)
    claim = _claims(claims, intake.terminals, groups[:, 0], t_ref, fixed)
    start_lat, start_lon = _starts(cell, has_cell, claim, slot_group, r[order[slot_head]], n)
    delay = _delay_sigma(intake, order, group, is_rate, n, options)
    priors = Priors(
        height_m=platform[:, 1] if options.height_m is None else options.height_m,
        height_sigma_m=platform[:, 2] if options.height_sigma_m is None else options.height_sigma_m,
        delta_sigma_m=delay,
        f_sigma_m_s=options.f_sigma_m_s,
        cell_lat_deg=cell[:, 0],
        cell_lon_deg=cell[:, 1],
        cell_sigma_m=np.where(has_cell, cell[:, 2] / 2.0, math.inf),
        cell_radius_m=np.where(has_cell, cell[:, 2], math.inf),
        velocity_sigma_m_s=platform[:, 0],
        axes_lat_deg=start_lat,
        axes_lon_deg=start_lon,
        tau_sigma_s=options.clock_sigma_s,
        min_elevation_deg=options.min_elevation_deg,
    )
    batch = Batch.build(
        dt_s=(t2[head] - t_ref[group[head]]) / NS_PER_S,
        r_m=r[order[head]],
        v_m_s=v[order[head]],
        look_starts=np.append(np.searchsorted(head, slot_head), looks),
        slot_starts=np.append(np.searchsorted(slot_group, np.arange(n)), len(slot_head)),
        covariance_m2=known.covariance_m2,
        priors=priors,
        range_m=value[:, 0],
        range_sigma_m=sigma[:, 0],
        rate_m_s=value[:, 1],
        rate_sigma_m_s=sigma[:, 1],
        mean_m=known.mean_m,
        dof=known.dof,
    )
    trust = np.full(len(slot_head), 9, np.int64)
    slot = np.cumsum(new_slot) - 1
    np.minimum.at(trust, slot, intake.trust[order])
    case = Case(
        batch=batch, start_lat=start_lat, start_lon=start_lon, claim_lat=claim[:, 0], claim_lon=claim[:, 1],
        claim_height_m=claim[:, 3], claim_sigma_m=claim[:, 2], slot_satellite=sat[slot_head], slot_grade=known.grade,
        slot_age_s=age, slot_trust=trust, window_s=_lengths(group, t2, n), fixed=fixed,
        calibration_m=np.zeros(n), min_elevation_deg=options.min_elevation_deg, manoeuvre_m_s2=platform[:, 3],
    )
    edges = np.append(slot_head, len(order))
    slot_rows = tuple(np.sort(intake.row[order[a:b]]) for a, b in pairwise(edges.tolist()))
    used = np.unique(slot_element)
    assembled = Assembled(
        case, tuple(intake.terminals[i] for i in groups[:, 0].tolist()), first, last, t_ref,
        elements.select(used) if len(used) else elements.select(np.zeros(0, np.int64)), np.searchsorted(used, slot_element), slot_rows,
        claim[:, 4], has_cell, tuple(sorted(issues)), (), options,
    )
    return replace(assembled, inputs=_inputs(assembled))


def _index(groups: Ints, terminal: Ints, window: Ints) -> Ints:
    low = int(groups[:, 1].min()) if len(groups) else 0
    width = (int(groups[:, 1].max()) - low + 1) if len(groups) else 1
    return np.searchsorted(groups[:, 0] * width + groups[:, 1] - low, terminal * width + window - low)


def _nothing() -> SlotPriors:
    return SlotPriors(np.zeros((0, 3, 3)), np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, np.int64))


def _states(
    intake: Intake, elements: Elements, row: Ints, options: Options, issues: list[Issue]
) -> tuple[Floats, Floats, Flags]:
    """States at each row's instant; rows without one become issues."""
    k = len(intake)
    r, v = np.zeros((k, 3)), np.zeros((k, 3))
    code = np.full(k, int(Code.UNKNOWN_SATELLITE), np.int64)
    some = np.flatnonzero(row >= 0)
    if len(some):
        used, at = np.unique(row[some], return_inverse=True)
        propagator = Propagator(elements.select(used), max_age_s=options.max_age_s, max_ahead_s=options.max_ahead_s)
        states = propagator.pairs(at, intake.t2_ns[some], interpolated=len(some) > 10_000)
        r[some], v[some], code[some] = states.r_m, states.v_m_s, states.code
    words = {Code.UNKNOWN_SATELLITE: "unknown_satellite", Code.STALE: "stale_elements", Code.FUTURE_ELEMENTS: "future_elements"}
    for i in np.flatnonzero(code != 0).tolist():
        issues.append(Issue(int(intake.row[i]), "satellite", str(intake.satellite[i]), words.get(Code(int(code[i])), "no_state")))
    return r, v, code == 0


def _lengths(group: Ints, t2: Ints, n: int) -> Floats:
    """Length of each window that is covered: the span of its instants and one step more [s]."""
    out = np.zeros(n)
    order = np.lexsort((t2, group))
    g, t = group[order], t2[order]
    distinct = np.ones(len(g), np.bool_)
    distinct[1:] = (np.diff(g) != 0) | (np.diff(t) != 0)
    count = np.bincount(g[distinct], minlength=n)
    low, high = np.full(n, 2**62), np.full(n, -(2**62))
    np.minimum.at(low, g, t)
    np.maximum.at(high, g, t)
    several = count > 1
    out[several] = (high - low)[several] / NS_PER_S * count[several] / (count[several] - 1)
    return out


def _delay_sigma(intake: Intake, order: Ints, group: Ints, is_rate: Flags, n: int, options: Options) -> Floats:
    """Prior of the delay: the calibration's sigma where every range has one, otherwise that of unknown terminals."""
    ranged = ~is_rate
    worst = np.zeros(n)
    np.maximum.at(worst, group[ranged], intake.cal_sigma_m[order][ranged])
    bare = np.zeros(n, np.bool_)
    bare[group[ranged & (intake.cal_sigma_m[order] <= 0)]] = True
    return np.where(bare | (worst <= 0), options.delay_sigma_m, worst)


def _cells(intake: Intake, window: Ints, groups: Ints) -> tuple[Floats, Flags]:
    """Cell of each case: one disc over all cells that were reported in the window."""
    n = len(groups)
    out, there = np.zeros((n, 3)), np.zeros(n, np.bool_)
    if not len(intake.cell):
        return out, there
    group = _index(groups, intake.cell_terminal, window)
    for g in np.unique(group).tolist():
        cells = np.unique(intake.cell[group == g], axis=0)
        lat, lon, radius = cells[0]
        for other in cells[1:]:  # a disc over both
            away = float(distance_m(lat, lon, other[0], other[1]))
            if away + other[2] <= radius:
                continue
            if away + radius <= other[2]:
                lat, lon, radius = other
                continue
            both = 0.5 * (away + radius + other[2])
            part = (both - radius) / away if away > 0 else 0.0
            lat, turn = lat + part * (other[0] - lat), (other[1] - lon + 180.0) % 360.0 - 180.0
            lon, radius = (lon + part * turn + 180.0) % 360.0 - 180.0, both
        out[g], there[g] = (lat, lon, radius), True
    return out, there


def _column(table: pa.Table, name: str) -> Floats:
    if name not in table.column_names:
        return np.full(table.num_rows, math.nan)
    return np.asarray(pc.cast(table[name], pa.float64()).to_numpy(zero_copy_only=False), np.float64)


def _claims(claims: pa.Table | None, terminals: tuple[str, ...], terminal: Ints, t_ref: Ints, fixed: Flags) -> Floats:
    """Claim of each case at t_ref: latitude, longitude, sigma, height, age [n, 5]; not-a-number where there is none."""
    n = len(terminal)
    out = np.full((n, 5), math.nan)
    out[:, 2] = 0.0
    if claims is None or not claims.num_rows or not n:
        return out
    missing = [name for name in ("terminal_id", "observed_at", "lat_deg", "lon_deg") if name not in claims.column_names]
    if missing:
        raise InputError(f"claims have no column `{missing[0]}`", help="give observations: docs/observations.md", field=missing[0])
    number = {name: i for i, name in enumerate(terminals)}
    who = np.array([number.get(name, -1) for name in claims["terminal_id"].to_pylist()], np.int64)
    time = np.asarray(pc.cast(claims["observed_at"], pa.int64()).to_numpy(zero_copy_only=False), np.int64)
    lat, lon = _column(claims, "lat_deg"), _column(claims, "lon_deg")
    with np.errstate(invalid="ignore"):
        good = (who >= 0) & (np.abs(lat) <= 90) & (np.abs(lon) <= 180)
    if "position_source" in claims.column_names:
        own = pc.fill_null(pc.is_in(claims["position_source"], pa.array(["network", "none"])), False)
        good &= ~np.asarray(own, np.bool_)
    rows = np.flatnonzero(good)
    rows = rows[np.lexsort((time[rows], who[rows]))]
    at = _nearest_rows(who[rows], time[rows], terminal, t_ref)
    for case in np.flatnonzero(at >= 0).tolist():
        row = rows[at[case]]
        late = (int(t_ref[case]) - int(time[row])) / NS_PER_S
        if abs(late) <= CLAIM_GAP_S:
            out[case, 0], out[case, 1], out[case, 4] = lat[row], lon[row], -late
            out[case, 2] = row
    there = np.flatnonzero(np.isfinite(out[:, 0]))
    if not len(there):
        out[:, 2] = 0.0
        return out
    row = out[there, 2].astype(np.int64)
    out[:, 2] = 0.0
    sigma = np.nan_to_num(_column(claims, "position_sigma_m")[row], nan=10.0)
    speed, course = _column(claims, "speed_m_s")[row], np.radians(_column(claims, "course_deg")[row])
    late = -out[there, 4]
    moved = np.isfinite(speed) & np.isfinite(course)
    way = np.where(moved, np.nan_to_num(speed) * late, 0.0)
    heading = np.nan_to_num(course)
    a, b = displaced(out[there, 0], out[there, 1], way[:, None] * np.stack([np.sin(heading), np.cos(heading)], 1))
    out[there, 0], out[there, 1] = np.where(way != 0, a, out[there, 0]), np.where(way != 0, b, out[there, 1])
    growth = np.where(moved, np.abs(way), np.where(fixed[there], 0.0, _UNKNOWN_SPEED_M_S * np.abs(late)))
    out[there, 2] = np.hypot(sigma, growth)
    if "alt_datum" in claims.column_names:
        ellipsoidal = np.asarray(pc.fill_null(pc.equal(claims["alt_datum"], "ellipsoid"), False))[row]
        out[there[ellipsoidal], 3] = _column(claims, "alt_m")[row][ellipsoidal]
    return out


def _nearest_rows(who: Ints, time: Ints, terminal: Ints, t_ref: Ints) -> Ints:
    """Position of the row of the same terminal that is nearest in time; rows are sorted by terminal and time."""
    out = np.full(len(terminal), -1, np.int64)
    for case in range(len(terminal)):
        low, high = np.searchsorted(who, terminal[case], "left"), np.searchsorted(who, terminal[case], "right")
        if low == high:
            continue
        at = low + int(np.searchsorted(time[low:high], t_ref[case]))
        near = [i for i in (at - 1, at) if low <= i < high]
        out[case] = min(near, key=lambda i: abs(int(time[i]) - int(t_ref[case])))
    return out


def _starts(cell: Floats, has_cell: Flags, claim: Floats, slot_group: Ints, slot_r: Floats, n: int) -> tuple[Floats, Floats]:
    """Where to begin: the cell's centre, else the claim, else below the satellites."""
    total = np.zeros((n, 3))
    np.add.at(total, slot_group, slot_r)
    total[(total == 0).all(axis=1)] = (1.0, 0.0, 0.0)
    below = total / np.linalg.norm(total, axis=1, keepdims=True) * 6_371_000.0
    lat, lon, _ = ecef_to_geodetic(below)
    claimed = np.isfinite(claim[:, 0])
    lat, lon = np.where(claimed, claim[:, 0], lat), np.where(claimed, claim[:, 1], lon)
    return np.where(has_cell, cell[:, 0], lat), np.where(has_cell, cell[:, 1], lon)


_OF_ONE = ("platform", "platforms")


def _inputs(made: Assembled) -> tuple[str, ...]:
    """Digest of what each verdict rests on: values used, claim, elements, priors, options, model."""
    case, batch = made.case, made.case.batch
    # Whose platform is another does not concern the others; its own stands in its priors.
    given = ((each.name, getattr(made.options, each.name)) for each in fields(made.options) if each.name not in _OF_ONE)
    options = repr(sorted(given)).encode()
    sets = [made.elements.select([row]).digest.encode() for row in range(len(made.elements))]
    digests = []
    for i, name in enumerate(made.terminal):
        a, b = int(batch.slot_starts[i]), int(batch.slot_starts[i + 1])
        first, last = int(batch.look_starts[a]), int(batch.look_starts[b])
        whole = hashlib.sha256(f"{MODEL}\n{name}\n{int(made.t_ref_ns[i])}\n".encode())
        whole.update(options)
        for part in (
            batch.looks[first:last], case.slot_satellite[a:b], case.slot_trust[a:b], case.slot_grade[a:b], batch.priors[i],
            np.array([case.claim_lat[i], case.claim_lon[i], case.claim_sigma_m[i], case.claim_height_m[i]]),
            batch.precision[a:b], batch.mean_m[a:b], batch.dof[a:b],
            np.zeros(0) if made.case.manoeuvre_m_s2 is None else made.case.manoeuvre_m_s2[i : i + 1],
        ):
            whole.update(np.ascontiguousarray(part).tobytes())
        for slot in range(a, b):
            whole.update(sets[int(made.slot_element[slot])])
        digests.append(f"sha256:{whole.hexdigest()}")
    return tuple(digests)
