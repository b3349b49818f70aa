"""A fleet: registers of who there is, and a stream of what its terminals report.

1. `generate` draws a population from a seed and shuffles it.
2. `Fleet.batches` walks through time. A position is where the timetable says, plus the error of its receiver. That
   error is correlated in time, as real ones are: white noise of 15 m would look like 5 km/h of motion.
3. Chance at one instant depends on the seed and the instant's number alone, so the same rows come out whatever
   the batch size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import h3.api.numpy_int as h3
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundrule.errors import OutOfRange
from groundrule.instant import NS_PER_DAY, NS_PER_S, parse_instant
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.simulate.journeys import Paths, Timetable
from groundrule.simulate.kinds import FAMILIES, add_homes
from groundrule.simulate.places import KM_PER_DEG
from groundrule.simulate.population import Population
from groundrule.simulate.roster import Registers, Roster

Floats = NDArray[np.float64]

LEAST_TERMINALS = 500
"""A fleet smaller than this could not hold one of every kind."""

GNSS_CORRELATION_S = 120.0
"""How long the error of a satellite receiver keeps its direction, roughly [s]."""

NETWORK_CORRELATION_S = 21_600.0
"""Likewise for a position estimated by the network, whose error follows slow geometry [s]."""

MISSED_SHARE = 0.004
"""Share of reports that never arrive: obstruction, restarts."""

STALE_AFTER_S = 300.0
"""Terminals of mode `stale` lose their position after this, and those of mode `silent` stop reporting [s]."""

SOURCE = "generated"


@dataclass(frozen=True, slots=True)
class Fleet:
    """A generated fleet.

    Attributes:
        seed: what it was generated from.
        start_ns: first instant [ns, UTC].
        cadence_s: time between the reports of one terminal [s].
        instants: number of reports of each terminal.
        registers: terminals, accounts, parties and list entries.
        columns: everything that is known of each terminal, in the order of its number (`kind` is the truth).
    """

    seed: int
    start_ns: int
    cadence_s: float
    instants: int
    registers: Registers
    columns: dict[str, NDArray[Any]]
    paths: Paths | None
    timetable: Timetable | None
    moving_rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.columns["terminal_id"])

    @property
    def kinds(self) -> dict[str, str]:
        """Truth about each terminal, by id."""
        return dict(zip(self.columns["terminal_id"].tolist(), self.columns["kind"].tolist(), strict=True))

    def batches(self, *, instants_per_batch: int = 4, history: bool = True) -> Iterator[pa.Table]:
        """Observations in order of time.

        Args:
            instants_per_batch: instants joined into one table; the rows are the same for every value.
            history: first give the earlier reports of terminals that have stayed somewhere for long.
        Yields:
            Tables of `OBSERVATION_SCHEMA`; `source_row` counts through the whole stream.
        """
        if instants_per_batch < 1:
            raise OutOfRange("a batch has at least one instant", field="instants_per_batch", value=instants_per_batch)
        reports = _Reports(self)
        row = 0
        pending: list[pa.Table] = []
        for table in reports.all(history=history):
            numbered = _whole(table, row)
            row += len(table)
            pending.append(numbered)
            if len(pending) == instants_per_batch:
                yield pa.concat_tables(pending)
                pending = []
        if pending:
            yield pa.concat_tables(pending)

    def positions(self, t_s: float) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """True latitude, longitude, course [degree], speed [m/s] and height [m] of all terminals at a time [s]."""
        lat, lon = self.columns["lat_deg"].astype(np.float64), self.columns["lon_deg"].astype(np.float64)
        course, speed = np.full(len(self), np.nan), np.zeros(len(self))
        alt = self.columns["ground_m"].astype(np.float64)
        if self.timetable is not None and self.paths is not None:
            rows = self.moving_rows
            lat[rows], lon[rows], course[rows], speed[rows], flight = self.timetable.at(t_s, self.paths)
            lat[rows] += self.columns["shift_lat_deg"][rows]
            lon[rows] += self.columns["shift_lon_deg"][rows]
            alt[rows] += flight
        return lat, lon, course, speed, alt


def generate(
    *,
    terminals: int = 50_000,
    minutes: float = 30,
    cadence_s: float = 15,
    seed: int = 2026,
    start: str = "2026-02-10T06:00Z",
) -> Fleet:
    """Generate the demo's fleet.

    Args:
        terminals: how many, at least `LEAST_TERMINALS`.
        minutes: how long it is watched [min].
        cadence_s: time between the reports of a terminal [s].
        seed: the same seed gives the same bytes.
        start: first instant.
    Raises:
        OutOfRange: too few terminals, or a duration or cadence that is not positive.
    Example:
        >>> len(generate(terminals=600, minutes=1))
        600
    """
    if terminals < LEAST_TERMINALS:
        raise OutOfRange(
            f"a fleet of {terminals} terminals cannot hold one of every kind",
            help=f"ask for {LEAST_TERMINALS} or more",
            field="terminals",
            value=terminals,
        )
    if not minutes > 0 or not cadence_s > 0:
        raise OutOfRange("minutes and cadence_s are positive", field="minutes", value=minutes)
    start_ns = parse_instant(start)
    rng = np.random.default_rng([seed, 0])
    population = Population(Roster(rng, start_ns), rng, 60.0 * minutes, terminals / 50_000)
    for add in FAMILIES:
        add(population)
    add_homes(population, terminals - population.roster.size)
    return muster(population, seed=seed, cadence_s=cadence_s, minutes=minutes)


def muster(population: Population, *, seed: int, cadence_s: float, minutes: float) -> Fleet:
    """Close a population and make it a fleet.

    Args:
        population: with all its groups.
        seed: of the reports' errors.
        cadence_s: time between reports [s].
        minutes: how long the fleet is watched [min].
    """
    columns, timetable, rows, registers = population.roster.close()
    paths = Paths.build(population.curves) if timetable is not None else None
    instants = max(1, round(60 * minutes / cadence_s))
    return Fleet(seed, population.roster.start_ns, cadence_s, instants, registers, columns, paths, timetable, rows)


class _Reports:
    """What the terminals of a fleet report, instant by instant."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        columns, n = fleet.columns, len(fleet)
        self.mode = columns["mode"].astype(str)
        self.sigma = columns["sigma_m"].astype(np.float64)
        network = self.mode == "network"
        tau = np.where(network, NETWORK_CORRELATION_S, GNSS_CORRELATION_S)
        self.keep = np.exp(-fleet.cadence_s / tau)
        self.fresh = np.sqrt(1 - self.keep**2)
        self.sea_level = columns["plan"] == "ocean"
        self.moving = np.zeros(n, np.bool_)
        self.moving[fleet.moving_rows] = True
        self.reports_speed = columns["reports_speed"].astype(bool)
        self.by_cell = self.mode == "cell"
        self.east_m_per_deg = KM_PER_DEG * 1000 * np.maximum(np.cos(np.radians(fleet.positions(0.0)[0])), 0.05)
        text = pa.string()
        self.ids = pa.array(columns["terminal_id"], text)
        self.software = pa.array(columns["software_version"], text)
        self.early, self.late = self._position_columns(late=False), self._position_columns(late=True)
        self.country = pa.array(columns["country"], text, mask=~self.by_cell)
        self.at_sea = pa.array(np.zeros(n, np.bool_), mask=~self.by_cell)
        self.alerts = pa.array([[] if cell else None for cell in self.by_cell.tolist()], pa.list_(pa.int32()))
        self.generated = pa.array(np.full(n, SOURCE, object), text)
        self.cells = np.zeros(n, np.uint64)
        self._fill_cells(np.flatnonzero(self.by_cell & ~self.moving), *fleet.positions(0.0)[:2])
        self.moving_cells = np.flatnonzero(self.by_cell & self.moving)

    def all(self, *, history: bool) -> Iterator[pa.Table]:
        """Tables in order of time, without `source_row`."""
        if history:
            yield from self._history()
        fleet, n = self.fleet, len(self.fleet)
        error = self.sigma * np.random.default_rng([fleet.seed, 1]).standard_normal((2, n))
        for k in range(fleet.instants):
            rng = np.random.default_rng([fleet.seed, 2, k])
            if k:
                error = self.keep * error + self.fresh * self.sigma * rng.standard_normal((2, n))
            t_s = k * fleet.cadence_s
            heard = rng.random(n) >= MISSED_SHARE
            noise = rng.standard_normal((2, n), np.float32)
            if t_s > STALE_AFTER_S:
                heard &= self.mode != "silent"
            yield self._table(t_s, error, noise, heard)

    def _history(self) -> Iterator[pa.Table]:
        """Two reports a day of terminals that have been where they are for some days."""
        fleet = self.fleet
        days = fleet.columns["history_days"].astype(np.int64)
        rows = np.flatnonzero(days)
        if not len(rows):
            return
        stayers = replace(
            fleet,
            columns={name: values[rows] for name, values in fleet.columns.items()},
            paths=None,
            timetable=None,
            moving_rows=np.zeros(0, np.int64),
        )
        reports = _Reports(stayers)
        rng = np.random.default_rng([fleet.seed, 3])
        for half_days in range(2 * int(days.max()), 0, -1):
            error = reports.sigma * rng.standard_normal((2, len(rows)))
            noise = rng.standard_normal((2, len(rows)), np.float32)
            told = 2 * days[rows] >= half_days
            yield reports._table(-half_days * NS_PER_DAY / 2 / NS_PER_S, error, noise, told)

    def _table(self, t_s: float, error: Floats, noise: NDArray[np.float32], heard: NDArray[np.bool_]) -> pa.Table:
        fleet, n = self.fleet, len(self.fleet)
        lat, lon, course, speed, alt = fleet.positions(max(0.0, t_s))
        lat += error[0] / (KM_PER_DEG * 1000)
        lon += error[1] / self.east_m_per_deg
        lon = np.where(np.abs(lon) > 180.0, (lon + 180.0) % 360.0 - 180.0, lon)
        if len(self.moving_cells):
            self._fill_cells(self.moving_cells, lat, lon)
        no_fix, source, sigma, datum = self.late if t_s > STALE_AFTER_S else self.early
        said = self.reports_speed & ~no_fix
        height = np.where(self.sea_level, 12.0, alt).astype(np.float32) + 4 * noise[0]
        spoken = np.maximum(0.0, speed.astype(np.float32) + np.float32(0.15) * noise[1])
        arrays = [
            self.ids,
            pa.array(np.full(n, fleet.start_ns + round(t_s * NS_PER_S), np.int64)),
            pa.array(lat, mask=no_fix),
            pa.array(lon, mask=no_fix),
            pa.array(self.cells, mask=~self.by_cell),
            sigma,
            source,
            pa.array(height, mask=no_fix),
            datum,
            pa.array(spoken, mask=~said),
            pa.array(course.astype(np.float32), mask=~said | ~(speed > 0.5)),
            self.country,
            self.at_sea,
            self.software,
            self.alerts,
            self.generated,
        ]
        table = pa.table(arrays, schema=_SCHEMA)
        return table.filter(pa.array(heard))

    def _position_columns(self, *, late: bool) -> tuple[NDArray[np.bool_], pa.Array, pa.Array, pa.Array]:
        """Which terminals have no fix, and source, sigma and datum: early, or late, after some lost their position."""
        lost = (self.mode == "none") | (late & (self.mode == "stale"))
        no_fix = lost | self.by_cell
        usual = np.where(np.isin(self.mode, ("stale", "silent")), "gnss", self.mode)
        return (
            no_fix,
            pa.array(np.where(lost, "none", usual).astype(object), pa.string()),
            pa.array(self.sigma.astype(np.float32), mask=no_fix),
            pa.array(np.full(len(no_fix), "wgs84", object), pa.string(), mask=no_fix),
        )

    def _fill_cells(self, rows: NDArray[np.int64], lat: Floats, lon: Floats) -> None:
        resolutions = self.fleet.columns["h3_resolution"]
        for row in rows.tolist():
            self.cells[row] = h3.latlng_to_cell(lat[row], lon[row], int(resolutions[row]))


def _whole(table: pa.Table, first_row: int) -> pa.Table:
    """Reports in the columns of `OBSERVATION_SCHEMA`: numbered, and empty where a generated fleet says nothing."""
    numbers = pa.array(np.arange(first_row, first_row + len(table)))
    columns = [
        numbers if field.name == "source_row"
        else table[field.name] if field.name in _SCHEMA.names
        else pa.nulls(len(table), field.type)
        for field in OBSERVATION_SCHEMA
    ]  # fmt: skip
    return pa.table(columns, schema=OBSERVATION_SCHEMA)


_UNSAID = ("source_row", "radio", "gnss_state")
_SCHEMA = pa.schema([field for field in OBSERVATION_SCHEMA if field.name not in _UNSAID])
