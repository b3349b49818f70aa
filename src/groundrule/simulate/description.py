"""Scenarios: what a simulation consists of, as `scenario_file` reads it from TOML; docs/simulate.md is the reference."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from groundrule.instant import NS_PER_S
from groundrule.orbit.generate import Shell
from groundrule.simulate.behaviours import AreaPlan, Conduct
from groundrule.simulate.roster import ListPlace

CLOCKS = {"free": 30.0, "disciplined": 0.3, "perfect": 0.0}
"""Classes of oscillators with the sigma of their offset as a velocity [m/s]: 0.1 ppm, disciplined by GNSS, none."""

Place = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Constellation:
    """Which satellites there are.

    Attributes:
        name: of published shells, or None. shells: of one's own. file: elements, or None.
        truth: elements of the same satellites that truly fly, or None. home: elements of the home are used.
        age_s: epoch of generated elements before the start [s].
        mask_deg: lowest elevation of a serving satellite [degree].
        grade: hint in the elements written. error_m: sigma of S, R, C [m]. error_age_h: or errors as measured at that age [h].
        dut1_s: UT1 - UTC of the true Earth [s].
    """

    name: str | None
    shells: tuple[Shell, ...]
    file: Path | None
    truth: Path | None
    home: bool
    age_s: float
    mask_deg: float
    grade: str
    error_m: tuple[float, float, float]
    error_age_h: float | None
    dut1_s: float


@dataclass(frozen=True, slots=True)
class Radio:
    """What is measured, how often and how well; see docs/simulate.md for each key."""

    interval_s: float
    window_s: float
    every_s: float
    handover_s: float
    range_sigma_m: float
    rate_sigma_hz: float
    carrier_hz: float
    delay_sigma_m: float
    clock: str
    drift_m_s2: float
    trust: str
    correlation: float
    quantum_m: float
    spike_share: float
    spike_m: float
    cell_resolution: int
    precompensated: bool
    light_time: bool
    atmosphere: bool
    relativity: bool


@dataclass(frozen=True, slots=True)
class Attack:
    """What the terminals of a fleet do; see `attackers.CLASSES`.

    Attributes:
        kind: class. claim: claimed place, or None where it is not false. spread_km: scatter of claims [km].
        delay_m: hidden delay of A1 [m]; None: the best for the claim. user: where the person behind a relay is (A4).
    """

    kind: str
    claim: Place | None
    spread_km: float
    delay_m: float | None
    user: Place | None


@dataclass(frozen=True, slots=True)
class Straw:
    """Straw men in whose name a fleet is registered: how many, and in which country."""

    holders: int
    country: str


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """One fleet of a scenario.

    Attributes:
        name: kind of its terminals. count: how many.
        where: one of cities, spots, centre, homes, lanes, route, flight. what: the key's value. spread_km: scatter [km].
        motion: speeds, stops and heights of what moves. attributes: of the registers, as `Roster.add` takes them.
        measured: share of terminals that the network measures. trust, clock: as in radio, or None.
        height_m: of the ground over the ellipsoid [m].
        conduct: what it does and looks like.
    """

    name: str
    count: int
    where: str
    what: Any
    spread_km: float
    motion: dict[str, Any]
    attributes: dict[str, Any]
    per_holder: int
    lists: tuple[ListPlace, ...]
    measured: float
    trust: str | None
    clock: str | None
    inhibits_gnss: bool
    attack: Attack | None
    straw: Straw | None
    conduct: Conduct = field(default_factory=Conduct)


@dataclass(frozen=True, slots=True)
class Zone:
    """A disc and an interval: where and when something happens.

    Attributes:
        name: for people. centre: [degree], or None for everywhere. radius_km: [km]. from_s, until_s: after the start [s], half open.
        share: of the terminals there that are hit.
    """

    name: str
    centre: Place | None
    radius_km: float
    from_s: float
    until_s: float
    share: float


@dataclass(frozen=True, slots=True)
class Spoofing:
    """Navigation signals that put everybody in a zone onto one circle.

    Attributes:
        zone: where it is received. centre: of the circle. radius_km: of the circle. period_s: of one round [s].
        together: all receivers are at one place of the circle at a time; otherwise each has its own.
    """

    zone: Zone
    centre: Place
    radius_km: float
    period_s: float
    together: bool


@dataclass(frozen=True, slots=True)
class Swap:
    """Terminals of two fleets that exchange places at a time after the start [s]."""

    fleets: tuple[str, str]
    pairs: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Clone:
    """Devices that use the identities of a fleet's terminals somewhere else."""

    fleet: str
    count: int
    centre: Place
    spread_km: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario file.

    Attributes:
        file: name of the file. text: its content. title, about: for people.
        start_ns: first instant [ns, UTC]. duration_s, cadence_s: how long, and time between reports of a terminal [s].
        seed: used where none is given. world: terminals of the world's fleet, 0 for none. world_measured: share measured.
        history: whether terminals that have stayed somewhere for long first tell of it.
        refusals: zones in which no data flows, whatever was decided. areas: invented ones that belong to it.
    """

    file: str
    text: str
    name: str
    title: str
    about: str
    start_ns: int
    duration_s: float
    cadence_s: float
    seed: int
    world: int
    world_measured: float
    history: bool
    constellation: Constellation
    radio: Radio
    fleets: tuple[FleetPlan, ...]
    jamming: tuple[Zone, ...] = ()
    spoofing: tuple[Spoofing, ...] = ()
    outages: tuple[Zone, ...] = ()
    swaps: tuple[Swap, ...] = ()
    clones: tuple[Clone, ...] = ()
    refusals: tuple[Zone, ...] = ()
    areas: tuple[AreaPlan, ...] = ()

    @property
    def end_ns(self) -> int:
        """End [ns, UTC], not included."""
        return self.start_ns + round(self.duration_s * NS_PER_S)
