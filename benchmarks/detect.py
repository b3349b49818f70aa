# The thread counts must be set before the libraries are imported.
"""Detectors of motion and identity: what they find, what they raise wrongly, what carries a terminal, and what it costs.

    python benchmarks/detect.py [TRACKS INDEX] [--more FILE ...] [--seed 1] [--days 30000] [--terminals 10000000] [--write-rates]

TRACKS is a Parquet file with track_id, time, lat, lon, alt_m; INDEX names class and group (vehicle) of each track. Further files
of tracks follow --more. Without them only what is simulated is measured. Real tracks judge and are never learned from. Every bound
is the exact one-sided 95 % limit of a Poisson count; vehicles are counted, not tracks.

  platform    confusion of the classes on real tracks, by vehicle, from 15-second fixes and from H3 cells of resolution 5 side by side;
              unmanned against all else by its probability, above the highest of simulated innocents
  drone       UAV against all else on real tracks at the operating point of the shipped settings, from fixes and from
              cells of resolution 5; and once more as if every track lay over a front, on a plan that is known and not one of
              aviation, where the patterns are wider
  limits      a limit of 75 km/h (release 70, 30 s) and one of 160 (150, 30 s) with the rulebook's own kernel: tracks that are
              stopped, stops, and false stops: those during which the track, by the median over a minute, was not above the limit
  travel      impossible travel and clones on all real tracks; one fix of each track displaced by 3,900 km
  innocents   simulated terminal-days of every innocent kind of `simulate.platforms`, half of them with altitudes: drone flights, impossible
              journeys, clones raised
  found       simulated misuse found, and after what time: launches away from fronts and over them; clones; journeys; motion on fixed
              plans; speed
  cost        CPU per row with so many terminals in memory, rows in shuffled order, and bytes a terminal

Exit 1 if a goal is missed: no drone flight on a real track without a drone, at most one in 10,000 simulated terminal-days (counted), no
impossible journey on real tracks, each displaced fix exactly one word about data, nine in ten launches of one-way drones over
a front within 60 s, at most 0.3 us a row.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import numpy as np

from groundrule.detect.features import of_cells, of_fixes, thinned
from groundrule.detect.h3_words import cells_at, centres
from groundrule.detect.motions import Motions
from groundrule.detect.platform import CLASSES, FLEET, UNMANNED, PlatformModel, by_rules
from groundrule.detect.rates import Rate
from groundrule.detect.rows import FIXED, MOVING, UNKNOWN, Facts, Places, Rows
from groundrule.detect.signals import Signal
from groundrule.detect.state import TerminalState, advance
from groundrule.instant import NS_PER_S
from groundrule.simulate.platforms import kinds_of, simulate
from moved_rows import START_NS, Real, facts_of, front_places, rows_of, rows_of_tracks

CLASS_OF = {
    "stationary_moored": "stationary", "stationary_gnss": "stationary", "pedestrian": "pedestrian", "bicycle": "road", "car": "road",
    "bus": "road", "train": "rail", "tram": "rail", "subway": "rail", "ship": "ship", "aircraft_airliner": "airliner",
    "aircraft_military": "airliner", "aircraft_light": "light_aircraft", "aircraft_special": "light_aircraft",
    "aircraft_survey": "light_aircraft", "helicopter": "light_aircraft", "glider": "glider", "paraglider": "glider",
    "uav_fixed_wing": "fixed_wing_uav", "uav_fixed_wing_deadreckoned": "fixed_wing_uav", "uav_multirotor": "multirotor",
}  # fmt: skip
LIMITED = (
    "train", "subway", "tram", "bus", "car", "ship", "glider", "paraglider", "helicopter", "uav_multirotor", "uav_fixed_wing",
    "uav_fixed_wing_deadreckoned",
)  # fmt: skip
INNOCENT = tuple(kind for name in CLASSES if name not in UNMANNED for kind in kinds_of(name))
RATES = ROOT / "src" / "groundrule" / "detect" / "data" / "rates.json"
KM_H = 1 / 3.6


def watch(rows: Rows, terminals: int, *, mobile: int = UNKNOWN, places: Places | None = None) -> list[Signal]:
    motions = Motions(terminals=terminals)
    return motions.update(rows, facts_of(terminals, mobile), places or Places(), str)


def over(rows: Rows) -> Rows:
    """The same rows over the first place."""
    return replace(rows, place=np.zeros(len(rows), np.int32))


def bound(events: int, exposure: float) -> float:
    """Upper end of the one-sided 95 % interval of a rate."""
    return Rate("", events, exposure, "").upper95 if exposure else float("inf")


def bars(model: PlatformModel, seed: int, each: int) -> tuple[dict[str, float], float]:
    """The highest probability of being unmanned that simulated innocents reach, from fixes and from cells; and their hours."""
    rng = np.random.default_rng(seed)
    highest = {"fixes": 0.0, "cells": 0.0}
    hours = 0.0
    unmanned = [CLASSES.index(name) for name in UNMANNED]
    for kind in INNOCENT:
        for i in range(each):
            track = simulate(kind, seed * 500_009 + i, seconds=14_400.0, busy=4.0)
            begin = int(rng.choice(track.off_s) // 15.0) if len(track.off_s) else 0
            at = slice(begin, begin + int(rng.uniform(20, 480)))
            alt = track.alt_m[at] if rng.random() < 0.5 else np.full(len(track.alt_m[at]), np.nan)
            t, lat, lon = track.t_s[at], track.lat_deg[at], track.lon_deg[at]
            hours += len(t) * 15.0 / 3_600.0
            numbers = of_fixes(t, lat, lon, alt)
            if numbers is not None:
                highest["fixes"] = max(highest["fixes"], float(model.fixes.probabilities(numbers[None])[0][unmanned].sum()))
            c_lat, c_lon, radius = centres(cells_at(lat, lon, 5))
            numbers = of_cells(t, c_lat, c_lon, float(radius[0]))
            if numbers is not None:
                highest["cells"] = max(highest["cells"], float(model.cells.probabilities(numbers[None])[0][unmanned].sum()))
    return highest, hours


def platforms(real: Real, seed: int, each: int = 100) -> dict[str, Any]:
    """Confusion by vehicle: each vehicle counts once, in equal parts for its tracks."""
    model = PlatformModel.load()
    weight = np.array(list(map(FLEET.__getitem__, CLASSES)))
    matrices = {name: np.zeros((len(CLASSES), len(CLASSES) + 1)) for name in ("fixes", "cells", "rules")}
    of_group = Counter(real.group)
    unmanned = [CLASSES.index(name) for name in UNMANNED]
    score: dict[tuple[str, bool], list[tuple[float, str]]] = defaultdict(list)
    for i, rows in enumerate(real.parts):
        name = CLASS_OF[real.kind[i]]
        truth, share = CLASSES.index(name), 1.0 / of_group[real.group[i]]
        t, lat, lon = real.rows.t_ns[rows] / 1e9, real.rows.lat_deg[rows], real.rows.lon_deg[rows]
        numbers = of_fixes(t, lat, lon, real.rows.alt_m[rows].astype(np.float64))
        told = {"fixes": len(CLASSES), "cells": len(CLASSES), "rules": len(CLASSES)}
        if numbers is not None:
            chances = model.fixes.probabilities(numbers[None])[0]
            told["fixes"] = int((chances * weight).argmax())
            score["fixes", name in UNMANNED].append((float(chances[unmanned].sum()), real.group[i]))
            ruled = by_rules(numbers)
            told["rules"] = CLASSES.index(max(ruled, key=ruled.__getitem__))
        at = thinned(t)
        c_lat, c_lon, radius = centres(cells_at(lat[at], lon[at], 5))
        numbers = of_cells(t[at], c_lat, c_lon, float(radius[0]))
        if numbers is not None:
            chances = model.cells.probabilities(numbers[None])[0]
            told["cells"] = int((chances * weight).argmax())
            score["cells", name in UNMANNED].append((float(chances[unmanned].sum()), real.group[i]))
        for part, answer in told.items():
            matrices[part][truth, answer] += share
    figures: dict[str, Any] = {}
    for part, matrix in matrices.items():
        show_confusion(part, matrix)
        seen = matrix.sum(axis=1) > 0
        recall = np.divide(matrix.diagonal(), matrix.sum(axis=1), where=seen, out=np.zeros(len(CLASSES)))
        figures[f"right by vehicle, {part}"] = float(matrix.diagonal().sum() / matrix.sum())
        figures[f"mean recall of classes, {part}"] = float(recall[seen].mean())
        for k in np.flatnonzero(seen):
            column = matrix[:, k].sum()
            precision = matrix[k, k] / column if column else float("nan")
            figures[f"{CLASSES[k]}, {part}"] = f"recall {recall[k]:.2f}, precision {precision:.2f}, {matrix[k].sum():.0f} vehicles"
    highest, hours = bars(model, seed, each)
    for part, bar in highest.items():
        above = {is_uav: {group for value, group in score[part, is_uav] if value > bar} for is_uav in (True, False)}
        every = {is_uav: {group for _, group in score[part, is_uav]} for is_uav in (True, False)}
        top = max((value for value, _ in score[part, False]), default=0.0)
        best = {group for value, group in score[part, True] if value > top}
        figures[f"unmanned, {part}"] = (
            f"bar {bar:.3f}, the highest of simulated innocents in {hours:,.0f} h: {len(above[True])} of {len(every[True])} vehicles "
            f"with a drone above it, {len(above[False])} of {len(every[False])} without; {len(best)} above every real track without"
        )
    return figures


def show_confusion(title: str, matrix: np.ndarray) -> None:
    print(f"-- {title}: real class (row) against answer (column), vehicles")
    print(" " * 16 + " ".join(f"{name[:8]:>8}" for name in (*CLASSES, "nothing")))
    for k, row in enumerate(matrix):
        if row.sum():
            print(f"{CLASSES[k]:16}" + " ".join(f"{value:8.1f}" if value else "       ." for value in row))


def drones(real: Real) -> tuple[dict[str, Any], int, float]:
    """Drone flights on real tracks."""
    figures: dict[str, Any] = {}
    false = 0
    uav, others = ([i for i, kind in enumerate(real.kind) if ("uav" in kind) is is_uav] for is_uav in (True, False))
    days = sum(real.days[i] for i in others)
    for title, rows, mobile, places in (
        ("operating point", real.rows, UNKNOWN, None), ("from cells of resolution 5", in_cells(real.rows), UNKNOWN, None),
        ("as if over a front", over(real.rows), MOVING, front_places()),
    ):  # fmt: skip
        raised = {int(each.terminal_id) for each in watch(rows, len(real.ids), mobile=mobile, places=places) if each.kind == "drone_flight"}
        wrong = [i for i in others if i in raised]
        hit = [i for i in uav if i in raised]
        false += 0 if places else len(wrong)
        figures[title] = {
            "false tracks": len(wrong), "of tracks without a drone": len(others), "false vehicles": real.vehicles(wrong),
            "of vehicles": real.vehicles(others), "at most, of vehicles (95 %)": bound(real.vehicles(wrong), real.vehicles(others)),
            "terminal-days": days, "at most, a terminal-day (95 %)": bound(len(wrong), days),
            "recall, vehicles": f"{real.vehicles(hit)} of {real.vehicles(uav)}",
        }  # fmt: skip
        for kind in ("helicopter", "aircraft_light", "aircraft_special", "glider", "train", "car"):
            mine = {i for i in others if real.kind[i] == kind}
            figures[title][f"false, {kind}"] = f"{real.vehicles([*mine & raised])} of {real.vehicles([*mine])} vehicles"
    return figures, false, days


def in_cells(rows: Rows) -> Rows:
    """The same rows as an operator's stream has them: H3 cells of resolution 5, no altitude."""
    cell = cells_at(rows.lat_deg, rows.lon_deg, 5)
    lat, lon, radius = centres(cell)
    nothing = np.full(len(rows), np.nan, np.float32)
    return replace(
        rows, lat_deg=lat, lon_deg=lon, cell=cell, cell_radius_m=radius, sigma_m=np.zeros(len(rows), np.float32), alt_m=nothing
    )


def limits(real: Real) -> dict[str, Any]:
    """Stops and false stops by speed limits, with the rulebook's kernel on fixes about 15 s apart."""
    figures = {}
    for above, release in ((75.0, 70.0), (160.0, 150.0)):
        stopped: dict[str, set[int]] = defaultdict(set)
        stops: Counter[str] = Counter()
        false: Counter[str] = Counter()
        hours: Counter[str] = Counter()
        for i, part in enumerate(real.parts):
            t_all = real.rows.t_ns[part] / 1e9
            rows = part[thinned(t_all)]
            n = len(rows)
            motion = advance(
                TerminalState.empty(1, 1, 0), np.zeros(n, np.int32), real.rows.t_ns[rows], real.rows.lat_deg[rows], real.rows.lon_deg[rows],
                sigma_m=real.rows.sigma_m[rows], cell=real.rows.cell[rows], cell_radius_m=real.rows.cell_radius_m[rows],
                source=real.rows.source[rows], reported_speed_m_s=real.rows.speed_m_s[rows],
                limits=np.array([[above * KM_H, release * KM_H, 30.0]]), max_gap_s=300.0,
            )  # fmt: skip
            held = motion.latches[:, 0] == 1
            starts = np.flatnonzero(held & ~np.concatenate([[False], held[:-1]]))
            kind = real.kind[i]
            hours[kind] += real.days[i] * 24
            stops[kind] += len(starts)
            if len(starts):
                stopped[kind].add(i)
            t = real.rows.t_ns[rows] / 1e9
            for start in starts.tolist():
                near = np.abs(t - (t[start] - 15.0)) <= 45.0
                false[kind] += bool(np.nanmedian(motion.speed_m_s[near]) <= above * KM_H)
        for kind in LIMITED:
            mine = [i for i, each in enumerate(real.kind) if each == kind]
            if mine:
                figures[f"{above:.0f} km/h, {kind}"] = (
                    f"{len(stopped[kind])} of {len(mine)} tracks "
                    f"({real.vehicles(sorted(stopped[kind]))} of {real.vehicles(mine)} vehicles), "
                    f"{stops[kind]} stops in {hours[kind]:.1f} h, {false[kind]} false"
                )
    return figures


def travel(real: Real, seed: int) -> tuple[dict[str, Any], bool]:
    """Impossible journeys on real tracks, and with one fix of each displaced."""
    terminals = len(real.ids)
    plain = watch(real.rows, terminals)
    guilty = [each for each in plain if each.kind in {"impossible_travel", "cloned_identity"}]
    rng = np.random.default_rng(seed)
    lat = real.rows.lat_deg.copy()
    for part in real.parts:
        row = part[rng.integers(len(part))]
        lat[row] += 35.07 if lat[row] < 20.0 else -35.07
    moved = watch(replace(real.rows, lat_deg=lat), terminals)
    words = Counter(each.terminal_id for each in moved if each.kind == "displaced_fix")
    before = Counter(each.terminal_id for each in plain if each.kind == "displaced_fix")
    exactly = sum(words[str(i)] - before[str(i)] == 1 for i in range(terminals))
    more = [each for each in moved if each.kind in {"impossible_travel", "cloned_identity", "drone_flight"}]
    quiet = [i for i, kind in enumerate(real.kind) if kind in {"stationary_moored", "stationary_gnss", "subway"}]
    return {
        "impossible journeys and clones, all tracks": len(guilty), "bad fixes in the tracks as they are": len(before),
        "hours": sum(real.days) * 24, "hours moored, static or under ground": sum(real.days[i] for i in quiet) * 24,
        "one fix displaced by 3,900 km: exactly one word about data": f"{exactly} of {terminals} tracks",
        "one fix displaced: anything else": len(more) - len([e for e in plain if e.kind == "drone_flight"]),
    }, not guilty and exactly == terminals and len(more) == sum(e.kind == "drone_flight" for e in plain)  # fmt: skip


def innocents(days: int, seed: int) -> tuple[dict[str, Any], Counter[str]]:
    """Signals that simulated innocents raise, by kind of signal and of innocent."""
    each, departures = max(1, days // len(INNOCENT)), 0
    rng = np.random.default_rng(seed)
    total: Counter[str] = Counter()
    by_kind: Counter[str] = Counter()
    for kind in INNOCENT:
        for begin in range(0, each, 50):
            tracks = [simulate(kind, seed * 1_000_003 + i, seconds=86_400.0) for i in range(begin, min(each, begin + 50))]
            departures += sum(len(track.off_s) for track in tracks)
            for signal in watch(rows_of_tracks(tracks, rng), len(tracks)):
                total[signal.kind] += 1
                if signal.kind == "drone_flight":
                    by_kind[kind] += 1
    count = each * len(INNOCENT)
    figures: dict[str, Any] = {"terminal-days": count, "departures": departures}
    for kind in ("drone_flight", "impossible_travel", "cloned_identity", "displaced_fix"):
        figures[kind] = f"{total[kind]}, at most {bound(total[kind], count):.2e} a terminal-day"
    figures["drone_flight by kind"] = ", ".join(f"{kind} {count}" for kind, count in by_kind.items()) or "none"
    total["days"] = count
    return figures, total


def launches(trials: int, seed: int) -> tuple[dict[str, Any], dict[str, tuple[int, int]], bool]:
    """Launches found within 300 s, and how soon."""
    figures: dict[str, Any] = {}
    counts, met = {}, True
    for kind in ("one_way_drone", "tactical_uav", "small_uav", "heavy_multirotor", "camera_drone"):
        tracks = [simulate(kind, seed * 7_919 + i, seconds=7_200.0, busy=1.0) for i in range(trials)]
        for title, front, alt in (
            ("away from fronts", False, False), ("away, with altitude", False, True), ("over a front", True, False)
        ):  # fmt: skip
            rows = rows_of_tracks(tracks)
            if not alt:
                rows = replace(rows, alt_m=np.full(len(rows), np.nan, np.float32))
            signals = (
                watch(over(rows), trials, mobile=MOVING, places=front_places()) if front else watch(rows, trials)
            )  # fmt: skip
            at = defaultdict(list)
            for signal in signals:
                if signal.kind == "drone_flight":
                    at[int(signal.terminal_id)].append((signal.raised_at - START_NS) / 1e9)
            delays, present = [], 0
            for i, track in enumerate(tracks):
                last = -1e9
                for off in track.off_s[(track.off_s > 240.0) & (track.off_s < 6_800.0)].tolist():
                    present += off - last > 1_200.0
                    later = [t - off for t in at[i] if 0 < t - off <= 300.0] if off - last > 1_200.0 else []
                    delays += later[:1]
                    last = off
            soon = sum(delay <= 60.0 for delay in delays)
            counts[f"{kind}, {title}"] = (len(delays), present)
            figures[f"{kind}, {title}"] = (
                f"{len(delays)} of {present} launches, {soon} within 60 s" + (f", median {np.median(delays):.0f} s" if delays else "")
            )
            if kind == "one_way_drone" and front:
                met &= present > 0 and soon >= 0.9 * present
    return figures, counts, met


def misuse(trials: int, seed: int) -> tuple[dict[str, Any], dict[str, tuple[int, int]]]:
    """Clones, impossible journeys, motion on fixed plans and speed above the plan: found of so many simulated."""
    rng = np.random.default_rng(seed)
    counts: dict[str, tuple[int, int]] = {}
    figures: dict[str, Any] = {}
    kinds = ("fixed", "moored", "country_car", "ferry", "helicopter")
    tracks = [simulate(kinds[i % len(kinds)], seed * 31 + i, seconds=7_200.0) for i in range(2 * trials)]
    # Two devices, 15 to 3,000 km apart, that report in shifts.
    for title, shift in (("alternating reports", 15.0), ("shifts of ten minutes", 600.0)):
        merged = []
        for i in range(trials):
            a, b = tracks[2 * i], tracks[2 * i + 1]
            other = (a.t_s // shift).astype(int) % 2 == 1
            away = 10 ** rng.uniform(np.log10(15.0), np.log10(3_000.0)) / 111.195
            lat = np.where(other, b.lat_deg - b.lat_deg[0] + a.lat_deg[0] * 0.5 + away, a.lat_deg - a.lat_deg[0] * 0.5)
            lon = np.where(other, b.lon_deg - b.lon_deg[0] + a.lon_deg[0], a.lon_deg)
            merged.append(replace(a, lat_deg=lat, lon_deg=lon))
        raised = [each for each in watch(rows_of_tracks(merged), trials) if each.kind == "cloned_identity"]
        first = {each.terminal_id: (each.raised_at - START_NS) / 1e9 for each in reversed(raised)}
        counts[f"clones, {title}"] = (len(first), trials)
        figures[f"clones, {title}"] = f"{len(first)} of {trials}, median after {np.median(list(first.values())):.0f} s"
    jumped = []
    for i in range(trials):
        a = tracks[i]
        away = 10 ** rng.uniform(np.log10(200.0), np.log10(3_000.0)) / 111.195
        jumped.append(replace(a, lat_deg=a.lat_deg * 0.5 + away * (a.t_s > 3_000.0)))
    raised = [each for each in watch(rows_of_tracks(jumped), trials) if each.kind == "impossible_travel"]
    first = {each.terminal_id: (each.raised_at - START_NS) / 1e9 - 3_000.0 for each in reversed(raised)}
    counts["journeys"] = (len(first), trials)
    figures["impossible journeys"] = f"{len(first)} of {trials}, median after {np.median(list(first.values())):.0f} s"
    for title, kind_of, mobile, signal, least in (
        (
            "motion on a fixed plan", ("country_car", "motorway_car", "bus", "regional_train", "speed_boat"), FIXED,
            "moving_without_plan", 0.0,
        ),
        ("speed above the plan", ("high_speed_train", "aeroplane", "helicopter"), MOVING, "over_speed", 175 * KM_H),
    ):  # fmt: skip
        moving = [simulate(kind_of[i % len(kind_of)], seed * 17 + i, seconds=7_200.0, busy=3.0) for i in range(trials)]
        present = [i for i, track in enumerate(moving) if np.median(track.speed_m_s) > max(least, 16 * KM_H)]
        raised_by = {int(e.terminal_id) for e in watch(rows_of_tracks(moving), trials, mobile=mobile) if e.kind == signal}
        counts[signal] = (len(raised_by & set(present)), len(present))
        figures[title] = f"{len(raised_by & set(present))} of {len(present)}"
    return figures, counts


def still_innocents(days: int, seed: int) -> tuple[dict[str, Any], Counter[str]]:
    """Fixed and moored terminals on fixed plans, and what drives at less than the limit on plans in motion."""
    total: Counter[str] = Counter()
    each = max(1, days // 40)
    for kinds, mobile, signal in (
        (("fixed", "moored"), FIXED, "moving_without_plan"), (("town_car", "lorry", "bus", "metro", "ferry"), MOVING, "over_speed")
    ):  # fmt: skip
        for kind in kinds:
            tracks = [simulate(kind, seed * 99_991 + i, seconds=86_400.0) for i in range(each)]
            # Some simulated traffic is faster than the limit, and rightly told.
            tracks = [track for track in tracks if track.speed_m_s.max() < 150 * KM_H]
            total[signal] += sum(e.kind == signal for e in watch(rows_of_tracks(tracks), len(tracks), mobile=mobile))
            total[f"{signal} days"] += len(tracks)
    return {
        signal: f"{total[signal]} in {total[f'{signal} days']} terminal-days, at most {bound(total[signal], total[f'{signal} days']):.2e}"
        for signal in ("moving_without_plan", "over_speed")
    }, total


def cost(terminals: int, seed: int) -> dict[str, float]:
    """CPU of a row, the median of batches of 100,000, after two rounds that fill the memory."""
    rng = np.random.default_rng(seed)
    motions = Motions(terminals=terminals)
    facts = Facts.unknown(terminals)
    facts.mobile[:] = MOVING
    order = rng.permutation(terminals).astype(np.int32)
    lat, lon = rng.uniform(-60, 60, terminals), rng.uniform(-170, 170, terminals)
    pace = np.where(rng.random(terminals) < 0.3, rng.uniform(0, 40, terminals), 0.0)
    block = 100_000
    taken = []
    for k in range(3):
        for begin in range(0, terminals, block):
            part = order[begin : begin + block]
            t_ns = START_NS + 15 * k * NS_PER_S + np.arange(len(part))
            moved = lat[part] + pace[part] * 15.0 * k / 111_195.0 + rng.normal(0, 5e-5, len(part))
            batch = rows_of(part, t_ns, moved, lon[part])
            began = time.process_time()
            motions.update(batch, facts, Places(), str)
            if k == 2:
                taken.append((time.process_time() - began) / len(part))
    return {"terminals": terminals, "us a row": float(np.median(taken)) * 1e6, "bytes a terminal": motions.nbytes / terminals}


def rates_of(
    counted: Counter[str], still: Counter[str], found: dict[str, tuple[int, int]], real_false: int, real_days: float
) -> list[dict[str, Any]]:
    """Rows of detect/data/rates.json."""
    also = f" and {real_days:.0f} days of real tracks" if real_days else ""
    on = f"simulated innocents of {len(INNOCENT)} kinds{also}"
    days = counted["days"] + real_days
    clones = [found[f"clones, {each}"] for each in ("alternating reports", "shifts of ten minutes")]
    rows = (
        Rate("drone_flight", counted["drone_flight"] + real_false, days, on, *found["one_way_drone, away from fronts"]),
        Rate("impossible_travel", counted["impossible_travel"], days, on, *found["journeys"]),
        Rate("cloned_identity", counted["cloned_identity"], days, on, *map(sum, zip(*clones, strict=True))),
        Rate("moving_without_plan", still["moving_without_plan"], still["moving_without_plan days"], "simulated fixed and moored terminals",
             *found["moving_without_plan"]),
        Rate("over_speed", still["over_speed"], still["over_speed days"], "simulated road, rail and water traffic below the limit",
             *found["over_speed"]),
    )  # fmt: skip
    keys = ("kind", "events", "terminal_days", "measured_on", "found", "present")
    return [{key: getattr(rate, key) for key in keys} for rate in rows]


def main() -> int:
    """Measure, print, and say whether the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tracks", type=Path, nargs="?")
    parser.add_argument("index", type=Path, nargs="?")
    parser.add_argument("--more", type=Path, action="append", default=[])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=30_000)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--terminals", type=int, default=10_000_000)
    parser.add_argument("--write-rates", action="store_true")
    asked = parser.parse_args()
    figures: dict[str, Any] = {"benchmark": "detect", "seed": asked.seed}
    missed: list[str] = []
    false, real_days = 0, 0.0
    if asked.tracks and asked.index:
        real = Real([asked.tracks, *asked.more], asked.index)
        figures["platform"] = platforms(real, asked.seed)
        figures["drone"], false, real_days = drones(real)
        figures["limits"] = limits(real)
        figures["travel"], sound = travel(real, asked.seed)
        missed += ["drone flight on a real track without a drone"] * bool(false) + ["travel"] * (not sound)
    figures["innocents"], counted = innocents(asked.days, asked.seed)
    more, still = still_innocents(asked.days, asked.seed)
    figures["innocents"] |= more
    figures["launches"], found, met = launches(asked.trials, asked.seed)
    figures["misuse"], others = misuse(asked.trials, asked.seed)
    figures["cost"] = cost(asked.terminals, asked.seed)
    missed += ["launches over a front"] * (not met)
    missed += ["innocents"] * (counted["drone_flight"] > counted["days"] / 10_000)
    missed += ["cost"] * (figures["cost"]["us a row"] > 0.3)
    if asked.write_rates:
        about = "False alarms of detectors, and simulated misuse found; written by benchmarks/detect.py --write-rates"
        rows = rates_of(counted, still, found | others, false, real_days)
        mine = {row["kind"] for row in rows}
        kept = json.loads(RATES.read_text(encoding="utf-8"))["rates"] if RATES.is_file() else []
        rows += [row for row in kept if row["kind"] not in mine]
        RATES.write_text(json.dumps({"about": about, "seed": asked.seed, "rates": rows}, indent=1) + "\n", encoding="utf-8")
    show(figures)
    print(f"missed: {', '.join(missed)}" if missed else "every goal met")
    print(json.dumps(figures))
    return 1 if missed else 0


def show(value: dict[str, Any], indent: int = 0) -> None:
    for key, item in value.items():
        if isinstance(item, dict):
            print(" " * indent + f"{key}:")
            show(item, indent + 2)
        else:
            print(" " * indent + f"{key}: {item:,.4g}" if isinstance(item, float) else " " * indent + f"{key}: {item}")


if __name__ == "__main__":
    sys.exit(main())
