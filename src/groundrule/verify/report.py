"""Report: everything that is said of one verdict, as a record, as JSON and in words.

Source: section 13 of the specification.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from groundrule.frames import ecef_to_geodetic
from groundrule.instant import format_instant
from groundrule.verify import descend as lm
from groundrule.verify.assemble import MODEL, Assembled
from groundrule.verify.attackers import A0, CLASSES, Assurance
from groundrule.verify.chances import chi2_tail, normal_tail
from groundrule.verify.crlb import bound
from groundrule.verify.detectability import DIRECTIONS, DISTANCES_M, chances_of_detection, offsets_m
from groundrule.verify.empirical import ALPHA
from groundrule.verify.ephemeris import Grade
from groundrule.verify.judge import Judgements
from groundrule.verify.measurements import TRUST
from groundrule.verify.model import Floats
from groundrule.verify.solve import profile
from groundrule.verify.statistics import CUSUM_LIMIT, cusum, distance_m, slot_costs
from groundrule.verify.verdict import MEANING, Condition, Verdict, listed


@dataclass(frozen=True, slots=True)
class Mode:
    """One place that explains the measurements.

    Attributes:
        lat_deg, lon_deg, height_m: of t_ref. weight: of this mode; cost: J.
        covariance_m2: east and north ((EE, EN), (EN, NN)). major_95_m, minor_95_m, azimuth_deg: the 95 % ellipse, its major
            axis clockwise from north.
    """

    lat_deg: float
    lon_deg: float
    height_m: float
    weight: float
    cost: float
    covariance_m2: tuple[tuple[float, float], tuple[float, float]]
    major_95_m: float
    minor_95_m: float
    azimuth_deg: float


@dataclass(frozen=True, slots=True)
class Tested:
    """One test: statistic, degrees of freedom (0: none), threshold, p (not-a-number: none), its kind, whether it fires."""

    name: str
    statistic: float
    dof: int
    threshold: float
    p: float
    kind: str
    fires: bool


@dataclass(frozen=True, slots=True)
class Satellite:
    """One satellite of a window.

    Attributes:
        catalogue, name: as in the elements. used: False with `why` where it was left out.
        grade, source, epoch_ns, age_s: of its elements. rows: of the input, from 0. trust: weakest of them.
        cost: what it adds to the cost at the estimate; cost_at_claim: at the claim. excess_m, excess_sigma_m: T4.
        position_m: at the middle of its looks [ECEF]; range_m: measured then, or not-a-number.
        track: ground points below it at its looks, at most nine (latitude, longitude) [degree].
    """

    catalogue: int
    name: str
    used: bool
    why: str
    grade: str
    source: str
    epoch_ns: int
    age_s: float
    rows: tuple[int, ...]
    trust: str
    cost: float
    cost_at_claim: float
    excess_m: float
    excess_sigma_m: float
    position_m: tuple[float, float, float]
    range_m: float
    track: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Report:
    """One verdict with all that it rests on; see section 13 of the specification for the order.

    Attributes:
        terminal, t_ref_ns, first_ns, at_ns: whose, of which time, over which measurements.
        verdict, assurance, conditions: words. class_verdicts: per attacker class.
        modes: best first. moving: velocity was estimated; speed_m_s, speed_sigma_m_s, course_deg: not-a-number otherwise.
        usable: the position may stand for the terminal, whatever it claims.
        claim_lat_deg, claim_lon_deg, claim_sigma_m, distance_m: the claim at t_ref, and how far the estimate is from it.
        tests: T1 to T4 and T6. zones: name and chance (T5); reliable: False under FAULT.
        seen: chance of having seen a lie of 1, 5, 10, 50, 100 km; offsets_m: minimal detectable per direction; worst_offset_m.
        satellites: used and left out. grade: worst of those used. anchors: how many corrected the ephemeris.
        mode_chosen_by: measurements or cell. mattered: what mattered most. words: the explanation.
        inputs: digest. model: version. priors: in words and numbers. feasible: furthest distance under A2, or not-a-number.
    """

    terminal: str
    t_ref_ns: int
    first_ns: int
    at_ns: int
    verdict: str
    assurance: str
    conditions: tuple[str, ...]
    class_verdicts: dict[str, str]
    modes: tuple[Mode, ...]
    moving: bool
    speed_m_s: float
    speed_sigma_m_s: float
    course_deg: float
    usable: bool
    claim_lat_deg: float
    claim_lon_deg: float
    claim_sigma_m: float
    distance_m: float
    tests: tuple[Tested, ...]
    zones: dict[str, float]
    reliable: bool
    seen: dict[str, float]
    offsets_m: tuple[float, ...]
    worst_offset_m: float
    tolerated_m: float
    satellites: tuple[Satellite, ...]
    grade: str
    anchors: int
    mode_chosen_by: str
    mattered: str
    words: str
    inputs: str
    model: str
    priors: dict[str, float]
    feasible_furthest_m: float
    feasible_edge: tuple[tuple[float, float], ...]

    @property
    def places(self) -> tuple[Mode, ...]:
        """Places that may be shown: none where the measurements contradict each other, since any place would be made up."""
        return () if self.verdict == Verdict.FAULT.word else self.modes

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON values: numbers that are not there are null, times are RFC 3339."""
        return {
            "terminal": self.terminal,
            "t_ref": format_instant(self.t_ref_ns),
            "first": format_instant(self.first_ns),
            "at": format_instant(self.at_ns),
            "verdict": self.verdict,
            "assurance": self.assurance,
            "conditions": list(self.conditions),
            "verdict_by_class": self.class_verdicts,
            "words": self.words,
            "mattered_most": self.mattered,
            "estimates": [
                {
                    "lat_deg": mode.lat_deg, "lon_deg": mode.lon_deg, "height_m": _number(mode.height_m), "weight": _number(mode.weight),
                    "cost": _number(mode.cost), "covariance_m2": [[_number(x) for x in row] for row in mode.covariance_m2],
                    "ellipse_95": {
                        "major_m": _number(mode.major_95_m), "minor_m": _number(mode.minor_95_m), "azimuth_deg": _number(mode.azimuth_deg)
                    },
                }
                for mode in self.modes
            ],
            "position_usable": self.usable,
            "mode_chosen_by": self.mode_chosen_by,
            "velocity": {
                "speed_m_s": _number(self.speed_m_s), "sigma_m_s": _number(self.speed_sigma_m_s), "course_deg": _number(self.course_deg)
            }
            if self.moving
            else "not estimated",
            "claim": None
            if math.isnan(self.claim_lat_deg)
            else {
                "lat_deg": self.claim_lat_deg, "lon_deg": self.claim_lon_deg, "sigma_m": _number(self.claim_sigma_m),
                "distance_m": _number(self.distance_m),
            },
            "tests": [
                {
                    "test": test.name, "statistic": _number(test.statistic), "dof": test.dof or None, "threshold": _number(test.threshold),
                    "p": _number(test.p), "p_kind": test.kind, "fires": test.fires,
                }
                for test in self.tests
            ],
            "zones": {"chances": {name: _number(p) for name, p in self.zones.items()}, "reliable": self.reliable},
            "could_have_seen": {name: _number(p) for name, p in self.seen.items()},
            "minimal_detectable_offset_m": [_number(x) for x in self.offsets_m],
            "worst_minimal_detectable_offset_m": _number(self.worst_offset_m),
            "tolerated_m": self.tolerated_m,
            "satellites": [
                {
                    "satellite": one.catalogue, "name": one.name, "used": one.used, "why": one.why or None, "grade": one.grade,
                    "source": one.source, "epoch": format_instant(one.epoch_ns), "age_h": round(one.age_s / 3600, 3),
                    "rows": [row + 1 for row in one.rows], "trust": one.trust,
                    "cost": _number(one.cost), "cost_at_claim": _number(one.cost_at_claim),
                    "excess_m": _number(one.excess_m), "excess_sigma_m": _number(one.excess_sigma_m),
                }
                for one in self.satellites
            ],
            "grade": self.grade,
            "anchors": self.anchors,
            "feasible_set": {"furthest_m": _number(self.feasible_furthest_m), "edge": [list(point) for point in self.feasible_edge]},
            "priors": {name: _number(value) for name, value in self.priors.items()},
            "model": self.model,
            "inputs": self.inputs,
        }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def reports(assembled: Assembled, judged: Judgements, *, anchors: int = 0) -> list[Report]:
    """Make the report of every verdict.

    Args:
        assembled: cases as assembled; judged: as `verify_batch` returned them. anchors: how many corrected the ephemeris.
    """
    case, found = judged.case, judged.a0.found
    at_best = slot_costs(
        case.batch, found.lat_deg[:, 0], found.lon_deg[:, 0], found.height_m[:, 0], np.nan_to_num(found.state[:, 0]),
        loss=judged.settings.loss, light_time=judged.settings.light_time,
    )
    at_claim = np.full(len(at_best), math.nan)
    claimed = np.flatnonzero(np.isfinite(case.claim_lat) & (found.count > 0))
    if len(claimed):
        part = case.batch.take(claimed)
        there = profile(part, case.claim_lat[claimed], case.claim_lon[claimed], light_time=judged.settings.light_time)
        costs = slot_costs(
            part, case.claim_lat[claimed], case.claim_lon[claimed], there.height_m, there.state, loss=judged.settings.loss,
            light_time=judged.settings.light_time,
        )
        at_claim[np.isin(case.terminal_of_slot, claimed)] = costs
    numbers = {name: i for i, name in enumerate(dict.fromkeys(assembled.terminal))}
    t6 = cusum(np.array([numbers[name] for name in assembled.terminal], np.int64), assembled.at_ns, judged.a0.t1)
    return [_report(assembled, judged, row, at_best, at_claim, float(t6[row]), anchors) for row in range(len(judged))]


def _report(
    assembled: Assembled, judged: Judgements, row: int, at_best: np.ndarray, at_claim: np.ndarray, t6: float, anchors: int
) -> Report:
    case, found, settings = judged.case, judged.a0.found, judged.settings
    modes = tuple(_mode(found, row, m) for m in range(min(int(found.count[row]), found.cost.shape[1])))
    verdict = Verdict(int(judged.verdict[row]))
    conditions = listed(int(judged.conditions[row]))
    moving = bool(judged.moving[row] and modes)
    speed = speed_sigma = course = math.nan
    if moving:
        state, p = found.state[row, 0], found.covariance[row, 0]
        speed = math.hypot(state[6], state[7])
        speed_sigma = math.sqrt(max(np.linalg.eigvalsh(p[6:8, 6:8])[-1], 0.0)) if np.isfinite(p[6:8, 6:8]).all() else math.inf
        course = math.degrees(math.atan2(state[6], state[7])) % 360.0
    claim = float(case.claim_lat[row]), float(case.claim_lon[row])
    away = math.nan
    if modes and math.isfinite(claim[0]):
        away = float(distance_m(claim[0], claim[1], modes[0].lat_deg, modes[0].lon_deg))
    p = np.array(modes[0].covariance_m2) if modes else np.full((2, 2), math.inf)
    p = np.where(np.isfinite(p), p, math.inf) + float(np.nan_to_num(case.claim_sigma_m[row])) ** 2 * np.eye(2)
    threshold = float(judged.a0.threshold[row])
    seen = chances_of_detection(p, threshold) if math.isfinite(threshold) else np.full(len(DISTANCES_M), math.nan)
    offsets = offsets_m(p, threshold) if math.isfinite(threshold) else np.full(DIRECTIONS, math.inf)
    satellites = _satellites(assembled, judged, row, at_best, at_claim)
    chosen = "cell" if assembled.has_cell[row] and len(satellites) == 1 else "measurements"
    one = judged.feasible[row]
    prior = case.batch.priors[row]
    made: dict[str, Any] = {
        "terminal": assembled.terminal[row],
        "t_ref_ns": int(assembled.t_ref_ns[row]),
        "first_ns": int(assembled.first_ns[row]),
        "at_ns": int(assembled.at_ns[row]),
        "verdict": verdict.word,
        "assurance": Assurance(int(judged.assurance[row])).word,
        "conditions": tuple(condition.name.lower() for condition in conditions if condition.name),
        "class_verdicts": {
            name: Verdict(int(judged.verdicts[row, k])).word for k, name in enumerate(CLASSES) if k == A0 or settings.classes
        },
        "modes": modes,
        "moving": moving,
        "speed_m_s": speed,
        "speed_sigma_m_s": speed_sigma,
        "course_deg": course,
        "usable": bool(judged.usable[row]),
        "claim_lat_deg": claim[0],
        "claim_lon_deg": claim[1],
        "claim_sigma_m": float(case.claim_sigma_m[row]),
        "distance_m": away,
        "tests": _tests(judged, row, t6),
        "zones": dict(zip(judged.zones, judged.zone_chance[row].tolist(), strict=True)),
        "reliable": verdict is not Verdict.FAULT,
        "seen": {f"{distance / 1e3:g}_km": float(x) for distance, x in zip(DISTANCES_M, seen, strict=True)},
        "offsets_m": tuple(offsets.tolist()),
        "worst_offset_m": float(judged.a0.worst_offset_m[row]),
        "tolerated_m": settings.d0_m,
        "satellites": satellites,
        "grade": Grade(int(judged.grade[row])).word if satellites else "none",
        "anchors": anchors,
        "mode_chosen_by": chosen,
        "inputs": assembled.inputs[row],
        "model": MODEL,
        "priors": {
            "height_m": prior[lm.H0], "height_sigma_m": prior[lm.SH], "delay_sigma_m": prior[lm.SD], "frequency_sigma_m_s": prior[lm.SF],
            "cell_sigma_m": prior[lm.SC], "velocity_sigma_m_s": prior[lm.SV], "clock_sigma_s": prior[lm.STAU],
            "manoeuvre_m_s2": float(judged.manoeuvre_m_s2[row]),
        },
        "feasible_furthest_m": one.furthest_m if one is not None else math.nan,
        "feasible_edge": tuple(zip(one.lat_deg.tolist(), one.lon_deg.tolist(), strict=True)) if one is not None else (),
    }
    mattered = _mattered(judged, row, satellites, verdict)
    words = _words(made, conditions, mattered)
    return Report(**made, mattered=mattered, words=words)


def _mode(found: Any, row: int, m: int) -> Mode:
    p = found.covariance[row, m, :2, :2]
    if np.isfinite(p).all():
        values, vectors = np.linalg.eigh(p)
        minor, major = np.sqrt(np.maximum(values, 0.0) * 5.991464547)
        azimuth = math.degrees(math.atan2(vectors[0, 1], vectors[1, 1])) % 180.0
    else:
        minor = major = math.inf
        azimuth = math.nan
    told = tuple(tuple(float(x) for x in line) for line in p)
    return Mode(
        float(found.lat_deg[row, m]), float(found.lon_deg[row, m]), float(found.height_m[row, m]), float(found.weight[row, m]),
        float(found.cost[row, m]), told, float(major), float(minor), azimuth,  # type: ignore[arg-type] # two rows of two
    )


def _tests(judged: Judgements, row: int, t6: float) -> tuple[Tested, ...]:
    a0 = judged.a0
    table = int(judged.grade[row]) >= int(Grade.SUPPLEMENTAL)
    kind = ("empirical" if judged.allowed[row] else "not allowed") if table else "chi-square"
    threshold = float(a0.threshold[row])
    t1, t3, t2 = float(a0.t1[row]), float(a0.t3[row]), float(a0.t2[row])
    dof = int(a0.t2_dof[row])

    def p(value: float, freedom: int) -> float:
        if math.isnan(value) or freedom <= 0:
            return math.nan
        if not table:
            return float(chi2_tail(value, float(freedom)))
        return math.nan if value <= threshold or not judged.allowed[row] else ALPHA  # the table holds one point: p is at most this

    mine = slice(int(judged.case.batch.slot_starts[row]), int(judged.case.batch.slot_starts[row + 1]))
    excess, sigma = judged.t4.excess_m[mine], judged.t4.sigma_m[mine]
    lowest = float(np.nanmin(excess / sigma)) if np.isfinite(excess).any() else math.nan
    count = int(np.isfinite(excess).sum())
    return (
        Tested("T1 claim", t1, 2, threshold, p(t1, 2), kind, bool(t1 > threshold)),
        Tested(
            "T2 residual", t2, max(dof, 0), float(a0.t2_threshold[row]), math.nan if table else p(t2, dof), kind,
            not bool(a0.t2_passes[row]),
        ),
        Tested("T3 within tolerance", t3, 2, threshold, p(t3, 2), kind, bool(judged.conditions[row] & int(Condition.T3))),
        Tested(
            "T4 too short", lowest, 0, -float(judged.t4.limit[row]), min(1.0, count * float(normal_tail(-lowest))) if count else math.nan,
            "normal", bool(judged.t4.fires[mine].any()),
        ),
        Tested("T6 over time", t6, 0, CUSUM_LIMIT, math.nan, "to be tuned on honest history", t6 > CUSUM_LIMIT),
    )


def _satellites(
    assembled: Assembled, judged: Judgements, row: int, at_best: np.ndarray, at_claim: np.ndarray
) -> tuple[Satellite, ...]:
    case, batch, elements = judged.case, judged.case.batch, assembled.elements
    out = []
    for slot in range(int(batch.slot_starts[row]), int(batch.slot_starts[row + 1])):
        element = int(assembled.slot_element[slot])
        looks = batch.looks[batch.look_starts[slot] : batch.look_starts[slot + 1]]
        middle = looks[len(looks) // 2]
        gone = slot == int(judged.excluded[row])
        out.append(
            Satellite(
                int(case.slot_satellite[slot]), str(elements.name[element]), not gone,
                "left out: without it the others agree" if gone else "", Grade(int(case.slot_grade[slot])).word,
                str(elements.source[element]), int(elements.epoch_ns[element]), float(case.slot_age_s[slot]),
                tuple(int(x) for x in assembled.slot_rows[slot]), TRUST[int(case.slot_trust[slot])], float(at_best[slot]),
                float(at_claim[slot]), float(judged.t4.excess_m[slot]), float(judged.t4.sigma_m[slot]),
                (float(middle[1]), float(middle[2]), float(middle[3])), float(middle[7]) if middle[7] > 0 else math.nan,
                _track(looks),
            )
        )
    return tuple(out)


def _track(looks: Floats) -> tuple[tuple[float, float], ...]:
    rows = np.unique(np.linspace(0, len(looks) - 1, 9).round().astype(np.int64))
    lat, lon, _ = ecef_to_geodetic(looks[rows, 1:4])
    return tuple(zip(lat.tolist(), lon.tolist(), strict=True))


def _mattered(judged: Judgements, row: int, satellites: tuple[Satellite, ...], verdict: Verdict) -> str:
    """The one satellite that mattered most, and why."""
    there = [one for one in satellites if one.used]
    if not there:
        return "no satellite could be used"
    if verdict is Verdict.INCONSISTENT:
        worst = max(there, key=lambda one: np.nan_to_num(one.cost_at_claim - one.cost, nan=-1.0))
        return (
            f"satellite {worst.catalogue} ({worst.name}): at the claim its measurements would be off by"
            f" {_away(worst.excess_m, worst.cost_at_claim)}"
        )
    if verdict is Verdict.FAULT:
        worst = max(there, key=lambda one: np.nan_to_num(one.cost, nan=-1.0))
        return f"satellite {worst.catalogue} ({worst.name}): even at the best place it adds {worst.cost:,.0f} to the cost"
    if len(there) == 1:
        return f"satellite {there[0].catalogue} ({there[0].name}): the only one"
    found = judged.a0.found
    batch = judged.case.batch.take([row])
    sizes = []
    base = int(judged.case.batch.slot_starts[row])
    for one_slot in range(len(satellites)):
        if not satellites[one_slot].used:
            sizes.append(-1.0)
            continue
        gone = [one_slot] + ([int(judged.excluded[row]) - base] if judged.excluded[row] >= 0 else [])
        p = bound(batch.without_slots(gone), found.lat_deg[row, :1], found.lon_deg[row, :1], found.height_m[row, :1])[0, :2, :2]
        sizes.append(float(np.trace(p)) if np.isfinite(p).all() else math.inf)
    key = satellites[int(np.argmax(sizes))]
    size = math.sqrt(5.991 * max(sizes)) if math.isfinite(max(sizes)) else math.inf
    told = f"about {size:,.0f} m" if math.isfinite(size) else "unbounded"
    return f"satellite {key.catalogue} ({key.name}): without it the 95 % region would be {told}"


def _away(excess_m: float, cost: float) -> str:
    if math.isfinite(excess_m):
        side = "too long" if excess_m > 0 else "too short"
        return f"{abs(excess_m):,.0f} m of range ({side})"
    return f"a cost of {cost:,.0f}"


_CLASS_WORDS = {
    "a0": "a false GNSS position from an honest modem",
    "a1": "a false GNSS position and a constant hidden delay",
    "a2": "a false GNSS position, any added delay and a forged frequency",
    "beam_only": "nothing finer than the serving beam",
    "none": "no attacker",
}


def _words(made: dict[str, Any], conditions: tuple[Condition, ...], mattered: str) -> str:
    """The explanation in a few sentences."""
    modes, out = made["modes"], []
    if Condition.RESIDUAL in conditions:
        out.append("Radio gives no place.")
    elif len(modes) > 1 and Condition.MODES in conditions:
        out.append(f"Radio gives no single place: {len(modes)} places explain the measurements; none is preferred.")
    elif not modes or not math.isfinite(modes[0].major_95_m):
        out.append("Radio gives no place: no position with a bound can be found.")
    else:
        best = modes[0]
        ellipse = f"95 % ellipse {best.major_95_m:,.0f} × {best.minor_95_m:,.0f} m"
        if made["usable"]:
            north, east = "N" if best.lat_deg >= 0 else "S", "E" if best.lon_deg >= 0 else "W"
            out.append(f"Radio places it at {abs(best.lat_deg):.4f}° {north}, {abs(best.lon_deg):.4f}° {east}, {ellipse}")
            if math.isfinite(made["distance_m"]):
                out[-1] += f", {made['distance_m'] / 1e3:,.1f} km from the claim"
            out[-1] += "."
        else:
            out.append(f"Radio gives no place that can be used ({ellipse}).")
    word = made["verdict"].upper()
    if conditions:
        out.append(f"{word}: " + "; ".join(MEANING[condition] for condition in conditions) + ".")
    else:
        out.append(
            f"{word}: a claim that is false by more than {made['tolerated_m'] / 1e3:g} km and {made['worst_offset_m']:,.0f} m"
            " would have been seen in 99 of 100 cases."
        )
    if made["assurance"] not in {"none", "beam_only"}:
        out.append(f"It stands against {_CLASS_WORDS[made['assurance']]}.")
    if made["usable"] and made["moving"] and math.isfinite(made["speed_sigma_m_s"]):
        out.append(f"Speed {made['speed_m_s']:.1f} ± {made['speed_sigma_m_s']:.1f} m/s.")
    if made["priors"]["manoeuvre_m_s2"] > 0:
        out.append(f"It turned, braked or climbed: accelerations of {made['priors']['manoeuvre_m_s2']:g} m/s² are allowed for.")
    out.append(f"What mattered most: {mattered}.")
    if made["grade"] in {"B supplemental", "C raw"}:
        out.append(f"Grade {made['grade']}: judged by a table of measured errors of public elements, not by chi-square.")
    return " ".join(out)
