"""Judge: from a batch of looks and claims to verdicts, in columns.

1. Solve all modes; test the residuals (T2). Where they fail: let the terminal move, then let it manoeuvre, then leave out one satellite
   at a time.
2. Test the claim (T1, T3), and what could have been seen (minimal detectable offset).
3. The same for each attacker class on what that attacker leaves honest; T4 and the feasible set against A2, the beam against A3.
4. Conditions, verdict, assurance.

A terminal alone gets the same verdict as in a batch, but for T4, which acts only on satellites that other terminals fit.

Source: sections 10 to 12 of the specification.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from groundrule.frames import ecef_to_geodetic
from groundrule.verify import descend as lm
from groundrule.verify import empirical
from groundrule.verify.attackers import A0, A1, A1D, A1R, A2, A3, CLASSES, FREE_DELAY_M, assurance
from groundrule.verify.batch import Batch, Ints
from groundrule.verify.case import Case, Settings
from groundrule.verify.chances import chi2_points
from groundrule.verify.detectability import worst_offset_m
from groundrule.verify.ephemeris import Grade, age_index
from groundrule.verify.feasible import Feasible, caps_of, feasible_set
from groundrule.verify.measurements import TRUST
from groundrule.verify.model import Floats
from groundrule.verify.solve import Estimate, solve
from groundrule.verify.statistics import OneSided, claim_tests, distance_m, one_sided
from groundrule.verify.verdict import Condition, decide
from groundrule.verify.zones import Zone, zone_chances

Flags = NDArray[np.bool_]

NETWORK, BOUND = TRUST.index("network"), TRUST.index("nonce_bound")
_CALM = 0.1
_MANOEUVRES = (_CALM, 1.0)
"""Shares of the sigma of a platform's accelerations that are tried: wind and a swell of speed, which leave Doppler its weight; then turns,
which take it, so that forged ranges would not be contradicted by it: then nothing is confirmed."""
RESOLVED = 13.8
"""Difference in cost from which a second mode counts as excluded: chi-square 1e-3, 2 degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Tests and conditions against one attacker class; columns by terminal.

    Attributes:
        found: modes. t1, t2, t3: statistics; t2_dof; threshold: of T1 and T3; t2_threshold.
        t2_passes; worst_offset_m: minimal detectable offset in the worst direction.
        conditions: bits of `Condition`. verdict: of `Verdict`.
    """

    found: Estimate
    t1: Floats
    t2: Floats
    t2_dof: Ints
    t2_threshold: Floats
    t2_passes: Flags
    t3: Floats
    threshold: Floats
    worst_offset_m: Floats
    conditions: Ints
    verdict: Ints


@dataclass(frozen=True, slots=True)
class Judgements:
    """Verdicts of a batch, in columns.

    Attributes:
        case: what was judged; its batch is the one in which terminals move and slots are left out as found necessary.
        settings: as given. a0: tests against A0, on which the verdict rests. classes: per class, None where not judged.
        verdict: [n]. conditions: [n]. verdicts: per class [n, 6]. class_conditions: [n, 6]. assurance: [n].
        excluded: slot left out, -1 for none [n]. moving: velocity is estimated [n]. manoeuvre_m_s2: taken into account; 0: none [n].
        t4: by slot. t4_acts: slots on which T4 may act [slots]. feasible: of each terminal with a usable range; or None.
        zone_chance: [n, zones]. zones: their names. allowed: a p-value is allowed for the grade [n].
        grade: worst grade of the slots used [n]. trust: weakest trust of the slots used, -1 for none [n].
    """

    case: Case
    settings: Settings
    a0: Judged
    classes: tuple[Judged | None, ...]
    verdict: Ints
    conditions: Ints
    verdicts: Ints
    class_conditions: Ints
    assurance: Ints
    excluded: Ints
    moving: Flags
    manoeuvre_m_s2: Floats
    t4: OneSided
    t4_acts: Flags
    feasible: tuple[Feasible | None, ...]
    zone_chance: Floats
    zones: tuple[str, ...]
    allowed: Flags
    grade: Ints
    trust: Ints

    def __len__(self) -> int:
        return len(self.verdict)

    @property
    def usable(self) -> Flags:
        """Positions that may stand for the terminal, whatever it claims: one mode, residuals fit, ellipse within d0."""
        blocking = (
            Condition.RESIDUAL | Condition.MODES | Condition.ELLIPSE | Condition.NO_ESTIMATE | Condition.WINDOW | Condition.UNTESTED
            | Condition.MANOEUVRE
        )
        return np.asarray((self.conditions & int(blocking)) == 0)


@dataclass(slots=True)
class _Limits:
    """What grade and window allow, by terminal."""

    allowed: Flags
    t1: Floats
    t2_excess: Floats
    offset_m: Floats
    empirical: Flags
    alpha_residual: float = field(default=1e-3)

    def t2(self, dof: Ints) -> Floats:
        """Thresholds of T2."""
        plain = chi2_points(self.alpha_residual, np.maximum(dof, 1).astype(np.float64))
        return np.where(self.empirical, dof + self.t2_excess, plain)

    def take(self, rows: Ints) -> _Limits:
        return _Limits(
            self.allowed[rows], self.t1[rows], self.t2_excess[rows], self.offset_m[rows], self.empirical[rows], self.alpha_residual
        )


def verify_batch(
    case: Case, settings: Settings | None = None, *, zones: tuple[Zone, ...] = (), fitting: Sequence[int] = ()
) -> Judgements:
    """Judge a batch of terminals.

    Args:
        case: looks and claims. settings: what is tolerated; the defaults of the specification.
        zones: whose chance is asked (T5).
        fitting: catalogue numbers of satellites that terminals outside the batch (anchors) fit, on which T4 may act.
    """
    settings = settings or Settings()
    n = len(case)
    terminal = case.terminal_of_slot
    has_weight = _slots_with_weight(case.batch)
    grade = _worst(terminal, case.slot_grade, has_weight, n)
    satellites = np.bincount(terminal[has_weight], minlength=n)
    allowance = _limits(case, settings, grade, satellites, has_weight, terminal)
    claims = (case.claim_lat, case.claim_lon)
    found, batch, passes, excluded, moving, manoeuvre = _fit(case, settings, allowance, satellites)
    case = replace(case, batch=batch)
    a0 = _judge(case, settings, found, passes, allowance)
    case, a0, found = _doubted(case, settings, a0, allowance, moving & (satellites < 3), manoeuvre)
    batch, passes = case.batch, a0.t2_passes
    calm = _CALM * (np.zeros(n) if case.manoeuvre_m_s2 is None else case.manoeuvre_m_s2)
    turned = np.where(manoeuvre > calm, int(Condition.MANOEUVRE), 0)
    a0 = replace(a0, conditions=a0.conditions | turned)
    has_weight = _slots_with_weight(batch)
    grade = _worst(terminal, case.slot_grade, has_weight, n)
    trust = -_worst(terminal, -case.slot_trust, has_weight, n, none=1)
    chance = zone_chances(found, zones)
    needed = [z for z, zone in enumerate(zones) if zone.needed]
    with np.errstate(invalid="ignore"):
        undecided = ((chance[:, needed] >= 0.02) & (chance[:, needed] <= 0.98)).any(axis=1)
    conditions = a0.conditions | np.where(undecided, int(Condition.ZONE), 0)
    t4 = one_sided(
        batch, *claims, case.claim_height_m, case.claim_sigma_m, settings.alpha, calibration_m=case.calibration_m,
        light_time=settings.light_time,
    )
    acts = _t4_acts(case, passes & (excluded < 0), np.asarray(fitting, np.int64), has_weight)
    beyond = t4.fires_beyond(terminal, settings.d0_m) & acts
    fires_bound = _any(terminal, beyond & (case.slot_trust >= BOUND), n)
    fires_network = _any(terminal, beyond & (case.slot_trust >= NETWORK), n)
    conditions = conditions | np.where(fires_bound, int(Condition.T4), 0)
    class_conditions = np.full((n, len(CLASSES)), int(Condition.CLASS), np.int64)
    class_conditions[:, A0] = conditions
    judged: list[Judged | None] = [a0, None, None, None, None, None]
    feasible: tuple[Feasible | None, ...] = (None,) * n
    if settings.classes:
        for which, other in (
            (A1, batch_with_free_delay(batch)), (A1D, batch.only(ranges=False)), (A1R, batch.only(rates=False))
        ):
            one = _judge_class(case, other, found, settings, allowance)
            judged[which] = one
            class_conditions[:, which] = one.conditions | turned | np.where(fires_network, int(Condition.T4), 0)
        feasible, class_conditions[:, A2] = _against_a2(case, settings, t4, fires_bound, found)
        class_conditions[:, A3] = _against_a3(case)
    verdicts = decide(class_conditions)
    final = decide(conditions)
    return Judgements(
        case, settings, a0, tuple(judged), final, conditions, verdicts, class_conditions, assurance(verdicts, final, trust),
        excluded, moving, manoeuvre, t4, acts, feasible, chance, tuple(zone.name for zone in zones), allowance.allowed, grade, trust,
    )


def batch_with_free_delay(batch: Batch) -> Batch:
    """The batch against A1: nothing is known of the delay."""
    priors = batch.priors.copy()
    priors[:, lm.SD] = FREE_DELAY_M
    return replace(batch, priors=priors)


def _slots_with_weight(batch: Batch) -> Flags:
    weight = batch.looks[:, 8] + batch.looks[:, 10]
    count = np.diff(batch.look_starts)
    out = np.zeros(len(count), np.bool_)
    np.logical_or.at(out, batch.slot_of_look, weight > 0)
    return out


def _worst(terminal: Ints, value: Ints, there: Flags, n: int, none: int = 0) -> Ints:
    out = np.full(n, -(2**31), np.int64)
    np.maximum.at(out, terminal[there], value[there])
    out[out == -(2**31)] = none
    return out


def _any(terminal: Ints, flags: Flags, n: int) -> Flags:
    return np.asarray(np.bincount(terminal[flags], minlength=n) > 0)


def _limits(case: Case, settings: Settings, grade: Ints, satellites: Ints, there: Flags, terminal: Ints) -> _Limits:
    n = len(case)
    judged_by_table = grade >= int(Grade.SUPPLEMENTAL)  # B is treated as C until its error has been measured
    t1 = np.full(n, float(chi2_points(settings.alpha, 2.0)))
    allowed, excess, offset = np.ones(n, np.bool_), np.zeros(n), np.zeros(n)
    if judged_by_table.any():
        soft = there & (case.slot_grade >= int(Grade.SUPPLEMENTAL))
        ages = _worst(terminal, age_index(case.slot_age_s), soft, n)
        rows = np.flatnonzero(judged_by_table)
        allowed[rows], t1[rows], excess[rows], offset[rows] = empirical.limits(ages[rows], case.window_s[rows], satellites[rows])
    return _Limits(allowed, t1, excess, offset, judged_by_table, settings.alpha_residual)


def _fit(
    case: Case, settings: Settings, allowance: _Limits, satellites: Ints
) -> tuple[Estimate, Batch, Flags, Ints, Flags, Floats]:
    """Modes, the batch they were found on, whether residuals fit, the slot left out, whether it moves, and its manoeuvres."""
    n, batch = len(case), case.batch
    found = _solve(batch, case.start_lat, case.start_lon, settings)
    moving = batch.priors[:, lm.SV] > 0
    excluded = np.full(n, -1, np.int64)
    passes = _passes(found, allowance)
    # 1. A terminal that was taken to stand still may move.
    able = ~passes & ~moving & (satellites >= 2) & (case.window_s >= 59.0) & (found.count > 0)
    rows = np.flatnonzero(able)
    if len(rows):
        priors = batch.priors.copy()
        priors[rows, lm.SV] = settings.moving_sigma_m_s
        loose = replace(batch, priors=priors)
        again = _solve(loose.take(rows), case.start_lat[rows], case.start_lon[rows], settings)
        better = _passes(again, allowance.take(rows))
        if better.any():
            keep = batch.priors.copy()
            keep[rows[better]] = priors[rows[better]]
            batch = replace(batch, priors=keep)
            found = _put(found, again, rows, better, batch)
            passes[rows[better]] = True
            moving = moving.copy()
            moving[rows[better]] = True
    # 2. A terminal that moves may have turned, braked or climbed.
    manoeuvre = np.zeros(n)
    if case.manoeuvre_m_s2 is not None:
        rows = np.flatnonzero(~passes & moving & (case.manoeuvre_m_s2 > 0) & (satellites >= 2) & (found.count > 0))
        for share in _MANOEUVRES:
            rows = rows[~passes[rows]]
            if not len(rows):
                break
            some = np.zeros(n)
            some[rows] = share * case.manoeuvre_m_s2[rows]
            again = _solve(batch.manoeuvring(some).take(rows), case.start_lat[rows], case.start_lon[rows], settings)
            better = _passes(again, allowance.take(rows))
            kept = rows[better]
            if len(kept):
                passes[kept] = True
                manoeuvre[kept] = some[kept]
                batch = batch.manoeuvring(np.where(passes & (some > 0), some, 0.0))
                found = _put(found, again, rows, better, batch)
    # 3. One satellite may be off.
    rows = np.flatnonzero(~passes & (satellites >= 3) & (found.count > 0))
    if len(rows):
        batch, found = _leave_one_out(case, batch, found, rows, passes, excluded, settings, allowance)
    return found, batch, passes, excluded, moving, manoeuvre


def _doubted(
    case: Case, settings: Settings, a0: Judged, allowance: _Limits, moving: Flags, manoeuvre: Floats
) -> tuple[Case, Judged, Estimate]:
    """Ask of claims that T3 rejects whether a manoeuvre explains them: what a turn explains is not held against anybody.

    Asked of terminals with two satellites at most: the residuals of three do not fit where there was a turn.

    Returns the case, tests and estimate, with those of the terminals that are acquitted by it in `manoeuvre`, which is changed.
    """
    found = a0.found
    if case.manoeuvre_m_s2 is None:
        return case, a0, found
    rejected = (a0.conditions & int(Condition.T3)) != 0
    rows = np.flatnonzero(rejected & moving & (manoeuvre < case.manoeuvre_m_s2))
    if not len(rows):
        return case, a0, found
    loose = case.batch.manoeuvring(np.where(np.isin(np.arange(len(case)), rows), case.manoeuvre_m_s2, 0.0))
    part = replace(
        case, batch=loose.take(rows), claim_lat=case.claim_lat[rows], claim_lon=case.claim_lon[rows],
        claim_sigma_m=case.claim_sigma_m[rows],
    )
    fresh = _solve(part.batch, case.start_lat[rows], case.start_lon[rows], settings)
    limits = allowance.take(rows)
    again = _judge(part, settings, fresh, _passes(fresh, limits), limits)
    better = (again.conditions & int(Condition.T3 | Condition.RESIDUAL)) == 0
    if not better.any():
        return case, a0, found
    kept = rows[better]
    manoeuvre[kept] = case.manoeuvre_m_s2[kept]
    batch = case.batch.manoeuvring(np.where(np.isin(np.arange(len(case)), kept), case.manoeuvre_m_s2, 0.0))
    found = _put(found, fresh, rows, better, batch)
    changed: dict[str, np.ndarray] = {}
    for name in ("t1", "t2", "t2_dof", "t2_threshold", "t2_passes", "t3", "threshold", "worst_offset_m", "conditions", "verdict"):
        changed[name] = getattr(a0, name).copy()
        changed[name][kept] = getattr(again, name)[better]
    return replace(case, batch=batch), replace(a0, found=found, **changed), found


def _leave_one_out(
    case: Case, batch: Batch, found: Estimate, rows: Ints, passes: Flags, excluded: Ints, settings: Settings, allowance: _Limits
) -> tuple[Batch, Estimate]:
    """Try without each slot in turn; keep the exclusion with the least cost if its residuals fit."""
    widest = int(np.diff(batch.slot_starts)[rows].max())
    best = np.full(len(rows), math.inf)
    choice = np.full(len(rows), -1, np.int64)
    for k in range(widest):
        able = np.flatnonzero(batch.slot_starts[rows] + k < batch.slot_starts[rows + 1])
        slots = batch.slot_starts[rows[able]] + k
        part = batch.without_slots(slots).take(rows[able])
        start_lat, start_lon = case.start_lat[rows[able]], case.start_lon[rows[able]]
        one = _solve(part, start_lat, start_lon, settings, mirrors=False, grid=False)
        with np.errstate(invalid="ignore", divide="ignore"):
            score = (one.cost[:, 0] - one.dof) / np.sqrt(2.0 * np.maximum(one.dof, 1))
        better = (one.count > 0) & (one.dof > 0) & (score < best[able])
        best[able[better]] = score[better]
        choice[able[better]] = slots[better]
    able = np.flatnonzero(choice >= 0)
    if not len(able):
        return batch, found
    trial = batch.without_slots(choice[able])
    again = _solve(trial.take(rows[able]), case.start_lat[rows[able]], case.start_lon[rows[able]], settings)
    good = _passes(again, allowance.take(rows[able]))
    if not good.any():
        return batch, found
    kept = rows[able[good]]
    excluded[kept] = choice[able[good]]
    passes[kept] = True
    batch = batch.without_slots(choice[able[good]])
    return batch, _put(found, again, rows[able], good, batch)


def _solve(
    batch: Batch, lat: Floats, lon: Floats, settings: Settings, *, mirrors: bool = True, grid: bool = True
) -> Estimate:
    return solve(batch, lat, lon, loss=settings.loss, light_time=settings.light_time, mirrors=mirrors, grid=grid)


def _passes(found: Estimate, allowance: _Limits) -> Flags:
    with np.errstate(invalid="ignore"):
        fits = found.cost[:, 0] <= allowance.t2(found.dof)
    return np.asarray((found.count > 0) & ((found.dof <= 0) | fits))


def _put(found: Estimate, other: Estimate, rows: Ints, which: Flags, batch: Batch) -> Estimate:
    """The estimate with some terminals' results taken from another solve."""
    changed = {}
    for name in (
        "count", "lat_deg", "lon_deg", "height_m", "state", "cost", "weight", "covariance", "iterations", "flags", "dof"
    ):
        whole = getattr(found, name).copy()
        whole[rows[which]] = getattr(other, name)[which]
        changed[name] = whole
    nus = found.nu_m.copy()
    offsets = np.concatenate([[0], np.cumsum(np.diff(batch.slot_starts)[rows])])
    for k in np.flatnonzero(which).tolist():
        nus[batch.slot_starts[rows[k]] : batch.slot_starts[rows[k] + 1]] = other.nu_m[offsets[k] : offsets[k + 1]]
    changed["nu_m"] = nus
    return replace(found, **changed)


def _judge(case: Case, settings: Settings, found: Estimate, passes: Flags, allowance: _Limits) -> Judged:
    """Test the claims against modes that were found, and list the conditions."""
    batch = case.batch
    tests = claim_tests(
        batch, found, case.claim_lat, case.claim_lon, case.claim_sigma_m, settings.d0_m, allowance.t1, loss=settings.loss,
        light_time=settings.light_time,
    )
    n = len(case)
    estimated = found.count > 0
    claimed = np.isfinite(case.claim_lat) & np.isfinite(case.claim_lon)
    p = found.horizontal()[:, 0] if found.cost.shape[1] else np.full((n, 2, 2), math.inf)
    p = np.where(np.isfinite(p), p, math.inf)
    sigma2 = np.square(np.nan_to_num(case.claim_sigma_m))
    offset = np.maximum(worst_offset_m(p + sigma2[:, None, None] * np.eye(2), allowance.t1), allowance.offset_m)
    major = np.nan_to_num(found.semi_major_95_m()[:, 0], nan=math.inf)
    with np.errstate(invalid="ignore"):
        second = found.cost[:, 1] - found.cost[:, 0] if found.cost.shape[1] > 1 else np.full(n, math.inf)
        unresolved = (found.count > 1) & ~(second >= np.maximum(RESOLVED, np.where(allowance.empirical, allowance.t1, 0.0)))
        rejected = allowance.allowed & passes & (tests.t3 > allowance.t1)
    conditions = np.zeros(n, np.int64)
    for met, condition in (
        (estimated & ~passes, Condition.RESIDUAL),
        (rejected, Condition.T3),
        (unresolved, Condition.MODES),
        (estimated & ~(major <= settings.d0_m), Condition.ELLIPSE),
        (estimated & ~(offset <= settings.d0_m), Condition.OFFSET),
        (~allowance.allowed, Condition.WINDOW),
        (estimated & (found.dof <= 0), Condition.UNTESTED),
        (~estimated, Condition.NO_ESTIMATE),
        (~claimed, Condition.NO_CLAIM),
    ):
        conditions[met] |= int(condition)
    return Judged(
        found, tests.t1, np.where(estimated, found.cost[:, 0], math.nan), found.dof, allowance.t2(found.dof), passes, tests.t3,
        allowance.t1, offset, conditions, decide(conditions),
    )


def _judge_class(case: Case, batch: Batch, before: Estimate, settings: Settings, allowance: _Limits) -> Judged:
    """Judge on what one attacker leaves honest, starting from what all measurements said."""
    lat = np.where(np.isfinite(before.lat_deg[:, 0]), before.lat_deg[:, 0], case.start_lat)
    lon = np.where(np.isfinite(before.lon_deg[:, 0]), before.lon_deg[:, 0], case.start_lon)
    found = _solve(batch, lat, lon, settings)
    return _judge(replace(case, batch=batch), settings, found, _passes(found, allowance), allowance)


def _t4_acts(case: Case, fits: Flags, fitting: Ints, there: Flags) -> Flags:
    """Slots whose satellite another terminal fits, or an anchor: otherwise its ephemeris may be the fault."""
    terminal = case.terminal_of_slot
    good = there & fits[terminal]
    numbers, which = np.unique(case.slot_satellite, return_inverse=True)
    pairs = np.unique(np.stack([which[good], terminal[good]], axis=1), axis=0) if good.any() else np.zeros((0, 2), np.int64)
    others = np.bincount(pairs[:, 0], minlength=len(numbers))[which] - good  # the slot's own terminal does not count
    return np.asarray(
        (others > 0) | np.isin(case.slot_satellite, fitting) | (case.slot_grade == int(Grade.ANCHORED))
    )


def _against_a2(
    case: Case, settings: Settings, t4: OneSided, fires: Flags, found: Estimate
) -> tuple[tuple[Feasible | None, ...], Ints]:
    """Feasible sets and conditions against A2: bound ranges only, and from them only that they cannot be too short."""
    n = len(case)
    bound = case.slot_trust >= BOUND
    terminal = case.terminal_of_slot
    usable = _any(terminal, bound & np.isfinite(t4.excess_m), n)
    conditions = np.where(usable, np.where(fires, int(Condition.T4), 0), int(Condition.CLASS)).astype(np.int64)
    claimed = np.isfinite(case.claim_lat)
    conditions[~claimed] |= int(Condition.NO_CLAIM)
    out: list[Feasible | None] = [None] * n
    for t in np.flatnonzero(usable & claimed).tolist():
        limit = float(t4.limit[t]) if math.isfinite(float(t4.limit[t])) else 4.42
        caps = caps_of(case.batch, t, t4.sigma_m, limit, min_elevation_deg=case.min_elevation_deg, bound=bound)
        start = (float(case.start_lat[t]), float(case.start_lon[t]))
        if found.count[t]:
            start = (float(found.lat_deg[t, 0]), float(found.lon_deg[t, 0]))
        height = float(case.batch.priors[t, lm.H0])
        one = feasible_set(caps, float(case.claim_lat[t]), float(case.claim_lon[t]), height, start=start)
        out[t] = one
        if one.empty:
            conditions[t] |= int(Condition.RESIDUAL)
        elif not one.furthest_m <= settings.d0_m:
            conditions[t] |= int(Condition.FEASIBLE)
    return tuple(out), conditions


def _against_a3(case: Case) -> Ints:
    """Conditions against A3: the beam confirms or excludes the footprint, nothing finer."""
    prior = case.batch.priors
    known = np.isfinite(prior[:, lm.RADIUS])
    claimed = np.isfinite(case.claim_lat)
    out = np.where(known, 0, int(Condition.NO_BEAM)).astype(np.int64)
    out[~claimed] |= int(Condition.NO_CLAIM)
    both = known & claimed
    if both.any():
        lat, lon, _ = ecef_to_geodetic(prior[both, lm.CELL : lm.CELL + 3])
        away = distance_m(case.claim_lat[both], case.claim_lon[both], lat, lon)
        outside = away > prior[both, lm.RADIUS] + 3.0 * np.nan_to_num(case.claim_sigma_m[both])
        out[np.flatnonzero(both)[outside]] |= int(Condition.T3)
    return out

