"""Simulate: a scenario becomes terminals, satellites, what is reported, what is measured, and the truth.

    fleet (fleet, journeys) ──► effects (disturb) ──► observations ──┐
            │                                                        ├──► files, with the truth beside
            └──► sky ──► radio ──► attackers ──► measurements ───────┘

Everything is drawn from one seed; the same seed and scenario give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundrule.errors import InputError
from groundrule.instant import NS_PER_S
from groundrule.orbit.elements import Elements
from groundrule.orbit.generate import generate as generate_shells
from groundrule.orbit.generate import walker
from groundrule.orbit.reading import read_file
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.simulate import attackers
from groundrule.simulate.behaviours import WORLD_BEHAVIOURS, WORLD_MISUSE, marshalled
from groundrule.simulate.description import CLOCKS, FleetPlan, Scenario
from groundrule.simulate.disturb import Disturbance, open_to
from groundrule.simulate.fleet import Fleet, muster, world_population
from groundrule.simulate.journeys import Timetable, great_circle, winding
from groundrule.simulate.measured import Measured, measure
from groundrule.simulate.places import reached
from groundrule.simulate.population import Population
from groundrule.simulate.roster import Registers
from groundrule.simulate.scenario_file import read_scenario
from groundrule.simulate.sky import Sky
from groundrule.verify.ephemeris import age_class, draw_errors
from groundrule.verify.measurements import MEASUREMENT_SCHEMA, TRUST

__all__ = ["Generated", "generate_scenario", "read_scenario"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Streams of chance: each question has its own, so that adding one leaves the others as they are.
_PLACES, _ERRORS, _MEASURED, _ZONES, _CLAIMS, _RADIO = 20, 21, 22, 23, 24, 25


@dataclass(frozen=True, eq=False)
class Generated:
    """A simulated scenario.

    Attributes:
        scenario: as read. seed: what it was drawn from.
        fleet: all terminals, with what stands between them and their reports.
        elements: what everybody is told of the satellites, or None if nothing is measured.
        sky: where the satellites fly, or None.
        measured: radio of the terminals that are measured.
        terminals: the truth about each terminal, one row each.
    """

    scenario: Scenario
    seed: int
    fleet: Fleet
    disturbance: Disturbance
    elements: Elements | None
    sky: Sky | None
    measured: Measured
    terminals: pa.Table

    @property
    def registers(self) -> Registers:
        """The operator's registers; `kind` in them is the truth and is left out of files."""
        return self.fleet.registers

    def observations(self, *, instants_per_batch: int = 4) -> Iterator[pa.Table]:
        """What the terminals report, in order of time."""
        yield from self.fleet.batches(instants_per_batch=instants_per_batch, history=self.scenario.history)

    def claims(self) -> pa.Table:
        """What the measured terminals report: the places that verification tests."""
        swapped = [part for a, b, _ in self.fleet.swaps for part in (a, b)]
        rows = np.unique(np.concatenate([self.measured.rows, *swapped]))
        return pa.concat_tables([OBSERVATION_SCHEMA.empty_table(), *self.fleet.reports_of(rows)])

    def measurement_batches(self) -> Iterator[pa.Table]:
        """What the network measures, slot by slot, in order of time."""
        if self.sky is not None:
            yield from measure(self.scenario, self.fleet, self.sky, self.disturbance, self.measured, [self.seed, _RADIO])

    @cached_property
    def measurements(self) -> pa.Table:
        """All measurements in one table."""
        tables = list(self.measurement_batches())
        return pa.concat_tables(tables) if tables else MEASUREMENT_SCHEMA.empty_table()

    def write(self, folder: Path) -> dict[str, Path]:
        """Write everything; see `written.write_generated`."""
        from groundrule.simulate.written import write_generated  # noqa: PLC0415 - it writes what is made here

        return write_generated(self, folder)


def generate_scenario(scenario: Scenario, seed: int | None = None, *, elements: Elements | None = None) -> Generated:
    """Draw a scenario.

    Args:
        scenario: as read. seed: the same gives the same bytes; None: the scenario's own.
        elements: take the place of the scenario's constellation, for instance those of a home.
    Raises:
        InputError: elements are wanted and none are there.
    """
    seed = scenario.seed if seed is None else seed
    population = world_population(scenario.world, scenario.duration_s / 60.0, seed, scenario.start_ns)
    _add_fleets(population, scenario, np.random.default_rng([seed, _PLACES]))
    fleet = muster(population, seed=seed, cadence_s=scenario.cadence_s, minutes=scenario.duration_s / 60.0)
    kind = fleet.columns["kind"].astype(str)
    # Clones carry the name of whom they copy.
    for clone in scenario.clones:
        originals, copies = np.flatnonzero(kind == clone.fleet), np.flatnonzero(kind == f"clone_of_{clone.fleet}")
        fleet.columns["terminal_id"][copies] = fleet.columns["terminal_id"][originals[: len(copies)]]
    disturbance = _disturbance(scenario, fleet, kind, seed)
    swaps = tuple(
        (np.flatnonzero(kind == swap.fleets[0])[: swap.pairs], np.flatnonzero(kind == swap.fleets[1])[: swap.pairs], swap.at_s)
        for swap in scenario.swaps
    )
    fleet = replace(fleet, effects=disturbance, swaps=swaps)
    measured = _measured(scenario, fleet, kind, seed)
    sky = told = None
    if len(measured):
        told = _told(scenario, elements)
        sky = _sky(scenario, told, seed)
    return Generated(scenario, seed, fleet, disturbance, told, sky, measured, _terminals(scenario, fleet, disturbance, measured))


def _add_fleets(population: Population, scenario: Scenario, rng: np.random.Generator) -> None:
    population.rng = population.roster.rng = rng
    for plan in scenario.fleets:
        attributes: dict[str, Any] = {**plan.attributes}
        per_holder = plan.per_holder
        if plan.straw is not None:
            per_holder = math.ceil(plan.count / plan.straw.holders)
            attributes["country"] = plan.straw.country
        if plan.inhibits_gnss:
            attributes["mode"] = "gnss"
        if attributes["mode"] != "cell":
            attributes.pop("h3_resolution")
        conduct, where = plan.conduct, _where(population, plan)
        if isinstance(where, Timetable):
            where = marshalled(where, conduct, rng)
        attributes["traffic"] = conduct.traffic
        if conduct.past is not None:
            attributes["history_days"], attributes["asleep_days"] = conduct.past.days, conduct.past.asleep_days
            if conduct.past.centre is not None:
                past = _disc(conduct.past.centre, conduct.past.spread_km, plan.count, rng)
                attributes["past_lat_deg"], attributes["past_lon_deg"] = past
        population.roster.add(
            plan.name, where, per_holder=per_holder, holders_of=conduct.holders_of, lists=plan.lists, **attributes
        )
    for clone in scenario.clones:
        original = next(plan for plan in scenario.fleets if plan.name == clone.fleet)
        attributes = {name: original.attributes[name] for name in ("plan", "country", "reports_speed", "ground_m", "sigma_m")}
        late = round(0.5 * scenario.cadence_s * NS_PER_S)
        where = _disc(clone.centre, clone.spread_km, clone.count, rng)
        population.roster.add(f"clone_of_{clone.fleet}", where, registered=False, clone=True, late_ns=late, **attributes)


def _where(population: Population, plan: FleetPlan) -> tuple[Floats, Floats] | Timetable:
    n = plan.count
    if plan.where == "cities":
        return population.near(list(plan.what), n)[0]
    if plan.where == "homes":
        return population.homes(n, None if plan.what == ("world",) else frozenset(plan.what))[0]
    if plan.where == "spots":
        return population.at_spots(plan.what, n, plan.spread_km)[0]
    if plan.where == "centre":
        return _disc(plan.what, plan.spread_km, n, population.rng)
    if plan.where == "lanes":
        paths = population.lanes(plan.what)
    elif plan.where == "route":
        paths = np.array([population.add_path(winding(_unwrapped(np.array(plan.what)), step_km=0.5))])
    else:
        legs = [great_circle(a, b, step_km=2) for a, b in zip(plan.what[:-1], plan.what[1:], strict=True)]
        way = np.concatenate([leg[: len(leg) - (k < len(legs) - 1)] for k, leg in enumerate(legs)])
        paths = np.array([population.add_path(_unwrapped(way))])
    return population.travel(n, paths, **plan.motion)


def _unwrapped(way: Floats) -> Floats:
    """Longitudes that go on beyond 180 degrees instead of jumping."""
    return np.column_stack([way[:, 0], np.unwrap(way[:, 1], period=360.0)])


def _disc(centre: tuple[float, float], radius_km: float, n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    angle, away = rng.uniform(0, 2 * np.pi, n), radius_km * np.sqrt(rng.uniform(0, 1, n))
    return reached(centre, angle, away)


def _disturbance(scenario: Scenario, fleet: Fleet, kind: NDArray[np.str_], seed: int) -> Disturbance:
    n = len(fleet)
    claim_lat, claim_lon = np.full(n, np.nan), np.full(n, np.nan)
    inhibited = np.zeros(n, np.bool_)
    rng = np.random.default_rng([seed, _CLAIMS])
    for plan in scenario.fleets:
        rows = np.flatnonzero(kind == plan.name)
        inhibited[rows] = plan.inhibits_gnss
        if plan.attack is not None and plan.attack.claim is not None:
            claim_lat[rows], claim_lon[rows] = _disc(plan.attack.claim, plan.attack.spread_km, len(rows), rng)
    rng = np.random.default_rng([seed, _ZONES])
    circles = open_to([one.zone for one in scenario.spoofing], n, rng)
    gnss = np.isin(fleet.columns["mode"].astype(str), ("gnss", "fused", "stale", "silent"))
    return Disturbance(
        claim_lat, claim_lon, inhibited, gnss, rng.uniform(0, 2 * np.pi, n), tuple(zip(scenario.spoofing, circles, strict=True)),
        open_to(scenario.jamming, n, rng), open_to(scenario.outages, n, rng), open_to(scenario.refusals, n, rng),
    )  # fmt: skip


def _measured(scenario: Scenario, fleet: Fleet, kind: NDArray[np.str_], seed: int) -> Measured:
    """Choose who is measured, and draw clocks and delays."""
    rng = np.random.default_rng([seed, _MEASURED])
    radio = scenario.radio
    named = {plan.name: plan for plan in scenario.fleets}
    chosen: list[Ints] = []
    attack, acts = np.zeros(len(fleet), np.int64), np.zeros(len(fleet), np.int64)
    trust = np.full(len(fleet), TRUST.index(radio.trust))
    clock = np.full(len(fleet), CLOCKS[radio.clock])
    hidden = np.full(len(fleet), np.nan)
    for name in np.unique(kind).tolist():
        rows = np.flatnonzero(kind == name)
        plan = named.get(name.removeprefix("clone_of_"))
        share = scenario.world_measured if plan is None else plan.measured
        chosen.append(np.sort(rng.permutation(rows)[: round(share * len(rows))]))
        if plan is not None and not name.startswith("clone_of_"):
            if plan.attack is not None:
                attack[rows] = attackers.CLASSES.index(plan.attack.kind)
                acts[rows] = attackers.as_bound(plan.attack.kind, plan.trust or radio.trust)
                hidden[rows] = np.nan if plan.attack.delay_m is None else plan.attack.delay_m
            trust[rows] = TRUST.index(plan.trust or radio.trust)
            clock[rows] = CLOCKS[plan.clock or radio.clock]
    rows = np.sort(np.concatenate(chosen))
    return Measured(
        rows=rows, attack=acts[rows], trust=trust[rows], delay_m=radio.delay_sigma_m * rng.standard_normal(len(rows)),
        clock_m_s=clock[rows] * rng.standard_normal(len(rows)), hidden_m=hidden[rows], all_attack=attack,
    )  # fmt: skip


def _told(scenario: Scenario, elements: Elements | None) -> Elements:
    """Elements as everybody has them, with grade and covariance as the scenario states them."""
    about = scenario.constellation
    if elements is not None:
        told = elements
    elif about.home:
        raise InputError(
            f"{scenario.file}: [constellation] `source` is `home`", help="wanted elements of a home: give --home, or --elements FILE"
        )
    elif about.file is not None:
        told = _read(about.file)
    else:
        epoch = scenario.start_ns - round(about.age_s * NS_PER_S)
        if about.shells:
            told = walker(about.shells, epoch, constellation=f"{scenario.name}-generated")
        else:
            told = generate_shells(about.name or "starlink", epoch)
    n = len(told)
    covariance = None
    if about.grade == "operator" and about.error_age_h is None and about.truth is None and min(about.error_m) > 0:
        covariance = np.broadcast_to(np.diag(np.square(about.error_m)), (n, 3, 3)).copy()
    return replace(told, grade=np.full(n, about.grade), covariance_m2=covariance)


def _read(path: Path) -> Elements:
    if not path.is_file():
        raise InputError(f"`{path}` is no file", help="name a file of elements, OMM or TLE", value=str(path))
    found = read_file(path).elements
    if not len(found):
        raise InputError(f"{path} has no usable elements", help="see: groundrule orbits import")
    return found


def _sky(scenario: Scenario, told: Elements, seed: int) -> Sky:
    about = scenario.constellation
    told = told.as_of(scenario.start_ns)
    if not len(told):
        raise InputError("no elements are from before the start of the scenario", help="give older elements, or a later start")
    if about.truth is not None:
        return Sky(told, scenario.start_ns, true=_read(about.truth), dut1_s=about.dut1_s)
    rng = np.random.default_rng([seed, _ERRORS])
    if about.error_age_h is None:
        error = rng.standard_normal((len(told), 3)) * np.array(about.error_m)
    else:
        error = draw_errors(age_class(about.error_age_h * 3600), len(told), rng)
    return Sky(told, scenario.start_ns, error_m=error, dut1_s=about.dut1_s)


def _terminals(scenario: Scenario, fleet: Fleet, disturbance: Disturbance, measured: Measured) -> pa.Table:
    """The truth about each terminal."""
    columns, n = fleet.columns, len(fleet)
    kind = columns["kind"].astype(str)
    user, straw, swapped = np.full((n, 2), np.nan), np.zeros(n, np.bool_), np.full(n, None, object)
    does: list[list[str]] = [[] for _ in range(n)]
    resembles: list[list[str]] = [[] for _ in range(n)]
    for plan in scenario.fleets:
        rows = kind == plan.name
        straw[rows] = plan.straw is not None
        for row in np.flatnonzero(rows).tolist():
            does[row], resembles[row] = list(plan.conduct.behaviours), list(plan.conduct.resembles)
        if plan.attack is not None and plan.attack.user is not None:
            user[rows] = plan.attack.user
    for one, other, _ in fleet.swaps:
        swapped[one], swapped[other] = columns["terminal_id"][other], columns["terminal_id"][one]
    known = np.isin(kind, [plan.name for plan in scenario.fleets])
    clone = columns["clone"].astype(bool)
    guilty = np.isin(kind, sorted(WORLD_MISUSE)) | clone | (measured.all_attack > 0) | straw
    for row in np.flatnonzero(~known & ~clone).tolist():
        does[row] = list(WORLD_BEHAVIOURS.get(kind[row], ()))
    innocent = ~guilty & np.array([not each for each in does], np.bool_)
    is_measured = np.zeros(n, np.bool_)
    is_measured[measured.rows] = True
    numbers = {"delay_m": measured.delay_m, "clock_m_s": measured.clock_m_s}
    drawn = {name: np.full(n, np.nan) for name in numbers}
    for name, values in numbers.items():
        drawn[name][measured.rows] = values
    table = {
        "terminal_id": pa.array(columns["terminal_id"], pa.string()),
        "kind": pa.array(columns["kind"], pa.string()),
        "fleet": pa.array(np.where(known, kind, "world").astype(object), pa.string()),
        "attack": pa.array(np.array(attackers.CLASSES, object)[measured.all_attack], pa.string()),
        "claim_lat_deg": pa.array(disturbance.claim_lat_deg, from_pandas=True),
        "claim_lon_deg": pa.array(disturbance.claim_lon_deg, from_pandas=True),
        "user_lat_deg": pa.array(user[:, 0], from_pandas=True),
        "user_lon_deg": pa.array(user[:, 1], from_pandas=True),
        "inhibits_gnss": pa.array(disturbance.inhibited),
        "straw": pa.array(straw),
        "clone": pa.array(columns["clone"].astype(bool)),
        "swapped_with": pa.array(swapped, pa.string()),
        "behaviours": pa.array(does, pa.list_(pa.string())),
        "resembles": pa.array(resembles, pa.list_(pa.string())),
        "innocent": pa.array(innocent),
        "measured": pa.array(is_measured),
        "delay_m": pa.array(drawn["delay_m"], from_pandas=True),
        "clock_m_s": pa.array(drawn["clock_m_s"], from_pandas=True),
    }
    return pa.table(table)
