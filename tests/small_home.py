"""A small home for tests: two countries, a sea, a closed zone, a rulebook that uses memory, and invented terminals."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from groundrule.areas.model import Area
from groundrule.instant import NS_PER_S, parse_instant
from groundrule.pipeline.home import create_home
from groundrule.pipeline.home_ledger import LedgerSetup, keys_folder, ledger_of
from groundrule.pipeline.runs import Inputs, Run, decide
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.store.history import read_run
from groundrule.store.home import Home
from groundrule.store.register_import import ImportReport, import_register
from groundrule.store.registers import Registers
from register_places import Place

T0 = parse_instant("2026-03-02T10:00Z")
RECORDED = parse_instant("2026-03-20T00:00Z")

AREAS = (
    Area("country:AT", "country", "Aland (invented)", shapely.box(0, 0, 10, 10), country="AT"),
    Area("country:BE", "country", "Bland (invented)", shapely.box(10, 0, 20, 10), country="BE"),
    Area("sea:AT", "sea", "Sea of Aland (invented)", shapely.box(0, -2, 10, 0), country="AT"),
    Area("closed", "zone", "Closed zone (invented)", shapely.box(2, 2, 3, 3)),
)

BOOK = """\
rulebook: small
version: 1
title: A small rulebook
operator: Example Orbit (invented)
notice: An example, not legal advice.
default: {outcome: serve, reason: served}
precedence: [account, zone, speed, stay]
assumptions: {position_sigma_m: {gnss: 15}, max_gap_s: 300, max_position_age_s: 900, decision_valid_s: 60}
counters:
  abroad: {while: {home_country: outside}}
rules:
  - id: suspended
    title: Suspended accounts are not served
    tier: account
    who: {account: suspended}
    outcome: deny
    reason: account_disabled
    authority: {basis: "terms (invented)", illustrative: true}
  - id: closed-zone
    title: The closed zone is not served
    tier: zone
    where: {any: [area:closed]}
    unless: [{list: pass}]
    outcome: deny
    reason: no_service_zone
    edge: review
    authority: {basis: "an order (invented)", illustrative: true}
    message: {en: "There is no service at this place."}
    appeal: write to appeals@example.org
  - id: bland-window
    title: For one hour Bland is not served
    tier: zone
    where: {any: [country:BE]}
    outcome: deny
    reason: no_service_zone
    effective: {from: 2026-03-02T12:00Z, expires: 2026-03-02T13:00Z}
    authority: {basis: "an order (invented)", illustrative: true}
  - id: too-fast
    title: Over Aland nothing faster than 75 km/h is served
    tier: speed
    where: {any: [country:AT]}
    what: {speed_km_h: {above: 75, release_below: 70, for_s: 30}}
    unless: [{programme: rail}]
    outcome: deny
    reason: moving_too_fast_for_policy
    unknown: {speed: serve}
    authority: {basis: "an order (invented)", illustrative: true}
    message: {en: "The terminal moves too fast."}
    appeal: write to appeals@example.org
  - id: long-stay
    title: More than two days abroad are restricted
    tier: stay
    what: {stay: {abroad: {elapsed_days: {above: 2}}}}
    outcome: restrict
    reason: roam_restricted
    obligations: {max_down_mbit_s: 1}
    authority: {basis: "terms (invented)", illustrative: true}
"""

TERMINALS = """\
terminal_id,account_id,plan,programmes,registration,activation_country
car,acc-a,roam,,registered,AT
train,acc-a,business,rail,registered,AT
guest,acc-b,roam,,registered,BE
van,acc-a,roam,,registered,AT
late payer,acc-s,roam,,registered,AT
"""
ACCOUNTS = """\
account_id,party_id,country,state
acc-a,p1,AT,active
acc-b,p2,BE,active
acc-s,p3,AT,suspended
"""
LIST = "list_id,terminal_id,state,holder,legal_class\npass,van,active,p1,individual\n"
"""The van may pass the closed zone."""


def make_home(
    path: Path,
    *,
    book: str = BOOK,
    areas: tuple[Area, ...] = AREAS,
    registers: bool = True,
    ledger: LedgerSetup | None = None,
    place: Place | None = None,
    history: Path | str | None = None,
) -> Home:
    """Make a home with the small world in it; without a log, unless one is asked for; its registers in SQLite or in `place`, its
    history in the home or where `history` says."""
    rules = path.parent / f"{path.name}-rules.yaml"
    rules.write_text(book, encoding="utf-8")
    registers_at = place.address() if place else None
    home = create_home(path, rules=str(rules), world=False, areas=areas, ledger=ledger, registers=registers_at, history=history)
    if registers:
        register(home, "accounts", ACCOUNTS)
        register(home, "terminals", TERMINALS)
    return home


def copy_home(template: Home, path: Path, place: Place | None = None) -> Home:
    """Copy a home, which is quicker than making one; with the place of its registers where that may not be SQLite."""
    shutil.copytree(template.path, path)
    if keys_folder(template).exists():
        shutil.copytree(keys_folder(template), keys_folder(Home.open(path)))
    return Home.open(path) if place is None else place.copy_registers(Home.open(path))


def register(home: Home, kind: str, text: str, *, recorded_at: int = RECORDED - 3600 * NS_PER_S) -> ImportReport:
    """Import CSV text into a register."""
    file = home.path.parent / f"{home.path.name}-{kind}.csv"
    file.write_text(text, encoding="utf-8")
    with home.writer(), Registers.open(home) as registers:
        return import_register(
            registers, kind, file, recorded_at_ns=recorded_at, actor="test", rejected_folder=home.rejected
        )


def observation(terminal: str, at_s: float, lat: float | None, lon: float | None, **more: Any) -> dict[str, Any]:
    """One observation, at_s seconds after T0."""
    return {
        "terminal_id": terminal,
        "observed_at": T0 + round(at_s * NS_PER_S),
        "lat_deg": lat,
        "lon_deg": lon,
        "position_source": "none" if lat is None else "gnss",
        "source": "made",
        **more,
    }


def table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Observations as a table."""
    return pa.Table.from_pylist([dict(row) for row in rows], OBSERVATION_SCHEMA)


def drive(
    terminal: str, start_s: float, steps: int, *, lat: float, lon: float, km_h: float, every_s: float = 15
) -> list[dict[str, Any]]:
    """A terminal that moves to the east at a steady speed."""
    step = km_h / 3.6 * every_s / (111_320 * np.cos(np.radians(lat)))
    return [observation(terminal, start_s + k * every_s, lat, lon + k * step) for k in range(steps)]


def stream(seed: int, rows: int = 120) -> pa.Table:
    """A mixed stream over days: moves, gaps, missing positions, conflicting rows, an unregistered terminal."""
    rng = np.random.default_rng(seed)
    made: list[dict[str, Any]] = []
    for name in ("car", "train", "guest", "van", "late payer", "stranger"):
        at, lat, lon = rng.uniform(0, 3600), rng.uniform(-1, 4), rng.uniform(1, 12)
        km_h = 0
        for step in range(rows // 6):
            km_h = rng.choice([0, 40, 100]) if step % 5 == 0 else km_h
            gap = rng.choice([15, 60, 600, 30 * 3600], p=[0.7, 0.15, 0.05, 0.1])
            if name == "car" and step < 6:
                # Long enough above the limit that it is reached whatever the seed.
                gap, km_h, lat = 30, 100, 5.0
            at += gap
            lat = float(np.clip(lat + rng.normal(0, 0.3) * (gap > 500), -1.9, 9.9))
            lon = float(np.clip(lon + km_h / 3.6 * gap / 111_320, 0, 20))
            place = (None, None) if rng.random() < 0.1 else (lat, lon)
            said = float(rng.choice([0.0, 12.0, 30.0])) if rng.random() < 0.2 else None
            made.append(observation(name, at, *place, speed_m_s=said))
            if rng.random() < 0.05:
                made.append(observation(name, at, lat / 2, lon))
    return table(made)


def inputs(*batches: pa.Table, rejected: Mapping[str, int] | None = None) -> Inputs:
    """Batches as the input of a run."""
    return Inputs(iter(batches), files=list, rejected=lambda: dict(rejected or {}))


def run(home: Home, *batches: pa.Table, **options: Any) -> Run:
    """Decide batches in one run."""
    with home.writer(), ledger_of(home) or nullcontext() as ledger:
        return decide(
            home, inputs(*batches), recorded_at_ns=options.pop("recorded_at", RECORDED), ledger=ledger, **options
        )


def stored(home: Home, number: int, *, corrections: bool = False) -> list[dict[str, Any]]:
    """Stored decisions of a run."""
    return [row for part in read_run(home, "decisions", number, corrections=corrections) for row in part.to_pylist()]


def final_decisions(home: Home, runs: Iterable[int]) -> list[dict[str, Any]]:
    """Per terminal and time the decisions of the last run that decided it, in order of both."""
    last: dict[tuple[int, str], tuple[int, list[dict[str, Any]]]] = {}
    for number in runs:
        for corrections in (False, True):
            for row in stored(home, number, corrections=corrections):
                key = (row["observed_at"], row["terminal_id"])
                version = 2 * number + corrections
                if key not in last or last[key][0] < version:
                    last[key] = (version, [])
                last[key][1].append(row)
    return [row for _, (_, found) in sorted(last.items(), key=lambda item: item[0]) for row in found]


def answers(home: Home, number: int = 1, *, corrections: bool = False) -> list[tuple[str, float, str, str]]:
    """Terminal, seconds after T0, outcome and deciding rule of each decision of a run."""
    return [
        (row["terminal_id"], (row["observed_at"] - T0) / NS_PER_S, row["outcome"], row["rule"])
        for row in stored(home, number, corrections=corrections)
    ]
