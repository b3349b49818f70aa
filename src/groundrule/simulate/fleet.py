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
from typing import Any, NamedTuple, Protocol

import h3.api.numpy_int as h3
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.errors import OutOfRange
from groundrule.instant import NS_PER_DAY, NS_PER_S, parse_instant
from groundrule.records import LATER_COLUMNS, OBSERVATION_SCHEMA
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


class Said(NamedTuple):
    """What terminals report instead of where they are; arrays of shape (n,).

    Attributes:
        lat_deg, lon_deg: reported place [degree]. speed_m_s, course_deg: reported motion.
        lost: no position is reported. silent: nothing is. state: index into `GNSS_WORDS`.
        refused: no data flows, whatever was decided.
    """

    lat_deg: Floats
    lon_deg: Floats
    speed_m_s: Floats
    course_deg: Floats
    lost: NDArray[np.bool_]
    silent: NDArray[np.bool_]
    state: NDArray[np.int8]
    refused: NDArray[np.bool_]


GNSS_WORDS = (None, "lost", "inhibited")
"""What a terminal says of its satellite navigation: most say nothing."""


class Effects(Protocol):
    """What stands between where terminals are and what they report: lies, jamming, false signals, outages."""

    def said(self, t_s: float, place: tuple[Floats, Floats], error: tuple[Floats, Floats], motion: tuple[Floats, Floats]) -> Said:
        """What is reported at a time.

        Args:
            t_s: after the start [s].
            place: true latitude and longitude [degree]. error: of the receivers [degree].
            motion: true speed [m/s] and course [degree].
        """

    def only(self, rows: NDArray[np.int64]) -> Effects:
        """The same for some of the terminals."""


class Report(NamedTuple):
    """Reports of one instant with what is needed to say the truth beside them.

    Attributes:
        table: `OBSERVATION_SCHEMA`. t_s: instant after the start [s]; rows: numbers of the terminals that report, in its order.
        said: what was reported, of all terminals; None where nothing stands between.
    """

    table: pa.Table
    t_s: float
    rows: NDArray[np.int64]
    said: Said | None


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
        effects: what stands between places and reports, or None.
        swaps: rows of terminals that exchange places, and from when [s].
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
    effects: Effects | None = None
    swaps: tuple[tuple[NDArray[np.int64], NDArray[np.int64], float], ...] = ()

    def __len__(self) -> int:
        return len(self.columns["terminal_id"])

    @property
    def kinds(self) -> dict[str, str]:
        """Truth about each terminal, by id; what uses the identity of another is left out."""
        own = ~self.columns["clone"].astype(bool)
        return dict(zip(self.columns["terminal_id"][own].tolist(), self.columns["kind"][own].tolist(), strict=True))

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
        pending: list[pa.Table] = []
        for report in self.reports(history=history):
            pending.append(report.table)
            if len(pending) == instants_per_batch:
                yield pa.concat_tables(pending)
                pending = []
        if pending:
            yield pa.concat_tables(pending)

    def reports(self, *, history: bool = True) -> Iterator[Report]:
        """Reports of one instant after the other; `batches` joins them."""
        row = 0
        for report in _Reports(self).all(history=history):
            numbered = _whole(report.table, row)
            row += len(numbered)
            yield report._replace(table=numbered)

    def reports_of(self, rows: NDArray[np.int64]) -> Iterator[pa.Table]:
        """What some terminals report, one table an instant, as it stands in `reports` without history.

        Args:
            rows: their numbers, ascending, whoever changes places with another together with it.
        """
        row = 0
        for table in _Reports(self).some(rows):
            yield _whole(table, row)
            row += len(table)

    def only(self, rows: NDArray[np.int64]) -> Fleet:
        """The same fleet with some of its terminals, in the order given, to ask for their positions alone."""
        if self.swaps:  # partners stay together
            partners = [part for a, b, _ in self.swaps for part in (a, b)]
            missing = np.setdiff1d(np.concatenate(partners), rows)
            assert not len(missing), "a terminal without the one that it changes places with"
        new = np.full(len(self), -1, np.int64)
        new[rows] = np.arange(len(rows))
        moving = np.flatnonzero(new[self.moving_rows] >= 0)
        return replace(
            self,
            columns={name: values[rows] for name, values in self.columns.items()},
            timetable=None if self.timetable is None else self.timetable.only(moving),
            moving_rows=new[self.moving_rows[moving]],
            swaps=tuple((new[a], new[b], at_s) for a, b, at_s in self.swaps),
            effects=None,
        )

    def positions(self, t_s: float, *, swapped_at: float | None = None) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """True latitude, longitude, course [degree], speed [m/s] and height [m] of all terminals at a time [s].

        `swapped_at` takes the exchanges of places as they stand at another time, so that a difference of two times is motion.
        """
        lat, lon = self.columns["lat_deg"].astype(np.float64), self.columns["lon_deg"].astype(np.float64)
        course, speed = np.full(len(self), np.nan), np.zeros(len(self))
        alt = self.columns["ground_m"].astype(np.float64)
        if self.timetable is not None and self.paths is not None:
            rows = self.moving_rows
            lat[rows], lon[rows], course[rows], speed[rows], flight = self.timetable.at(t_s, self.paths)
            lat[rows] += self.columns["shift_lat_deg"][rows]
            lon[rows] += self.columns["shift_lon_deg"][rows]
            alt[rows] += flight
        for one, other, at_s in self.swaps:
            if (t_s if swapped_at is None else swapped_at) >= at_s:
                for values in (lat, lon, course, speed, alt):
                    values[np.concatenate([one, other])] = values[np.concatenate([other, one])]
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
    return muster(world_population(terminals, minutes, seed, parse_instant(start)), seed=seed, cadence_s=cadence_s, minutes=minutes)


def world_population(terminals: int, minutes: float, seed: int, start_ns: int) -> Population:
    """The demo's population, to which others may be added: every kind that a rule of the shipped rulebook speaks of.

    Args:
        terminals: how many, at least `LEAST_TERMINALS`; 0: an empty population.
        minutes: how long they will be watched [min]. seed: see `generate`. start_ns: first instant [ns, UTC].
    """
    rng = np.random.default_rng([seed, 0])
    population = Population(Roster(rng, start_ns), rng, 60.0 * minutes, terminals / 50_000)
    if terminals:
        for add in FAMILIES:
            add(population)
        add_homes(population, terminals - population.roster.size)
    return population


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
        self.late_ns = columns["late_ns"].astype(np.int64)
        self.traffic = columns["traffic"].astype(np.int8)
        self.cells = np.zeros(n, np.uint64)
        self._fill_cells(np.flatnonzero(self.by_cell & ~self.moving), *fleet.positions(0.0)[:2])
        self.moving_cells = np.flatnonzero(self.by_cell & self.moving)

    def all(self, *, history: bool) -> Iterator[Report]:
        """Reports in order of time; tables without the columns of `_UNSAID`."""
        if history:
            yield from self._history()
        for t_s, error, noise, heard in self._drawn():
            yield self._table(t_s, error, noise, heard)

    def some(self, rows: NDArray[np.int64]) -> Iterator[pa.Table]:
        """What some terminals report, as in `all` without history; chance is drawn for all, so that theirs is the same."""
        effects = None if self.fleet.effects is None else self.fleet.effects.only(rows)
        part = _Reports(replace(self.fleet.only(rows), effects=effects))
        for t_s, error, noise, heard in self._drawn():
            yield part._table(t_s, error[:, rows], noise[:, rows], heard[rows]).table

    def _drawn(self) -> Iterator[tuple[float, Floats, NDArray[np.float32], NDArray[np.bool_]]]:
        """Time, error of the receivers, noise, and who is heard, of each instant."""
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
            yield t_s, error, noise, heard

    def _history(self) -> Iterator[Report]:
        """Two reports a day of terminals that have been where they are for some days."""
        fleet = self.fleet
        days, asleep = (fleet.columns[name].astype(np.int64) for name in ("history_days", "asleep_days"))
        rows = np.flatnonzero(days)
        if not len(rows):
            return
        columns = {name: values[rows] for name, values in fleet.columns.items()}
        for name in ("lat_deg", "lon_deg"):
            past = columns[f"past_{name}"].astype(np.float64)
            columns[name] = np.where(np.isnan(past), columns[name].astype(np.float64), past)
        stayers = replace(
            fleet,
            columns=columns,
            paths=None,
            timetable=None,
            moving_rows=np.zeros(0, np.int64),
            effects=None,
            swaps=(),
        )
        reports = _Reports(stayers)
        rng = np.random.default_rng([fleet.seed, 3])
        for half_days in range(2 * int((days + asleep)[rows].max()), 0, -1):
            error = reports.sigma * rng.standard_normal((2, len(rows)))
            noise = rng.standard_normal((2, len(rows)), np.float32)
            told = (2 * (days[rows] + asleep[rows]) >= half_days) & (2 * asleep[rows] < half_days)
            report = reports._table(-half_days * NS_PER_DAY / 2 / NS_PER_S, error, noise, told)
            yield report._replace(rows=rows[report.rows])

    def _table(self, t_s: float, error: Floats, noise: NDArray[np.float32], heard: NDArray[np.bool_]) -> Report:
        fleet = self.fleet
        true_lat, true_lon, course, speed, alt = fleet.positions(max(0.0, t_s))
        off = error[0] / (KM_PER_DEG * 1000), error[1] / self.east_m_per_deg
        lat, lon = true_lat + off[0], true_lon + off[1]
        no_fix, source, sigma, datum = self.late if t_s > STALE_AFTER_S else self.early
        said = None
        if fleet.effects is not None:
            said = fleet.effects.said(t_s, (true_lat, true_lon), off, (speed, course))
            lat, lon, speed, course = said.lat_deg, said.lon_deg, said.speed_m_s, said.course_deg
            heard = heard & ~said.silent
            if said.lost.any():
                no_fix = no_fix | said.lost
                source = pc.if_else(pa.array(said.lost), "none", source)
                sigma, datum = (pc.if_else(pa.array(said.lost), None, column) for column in (sigma, datum))
        lat = np.clip(lat, -90.0, 90.0)
        lon = np.where(np.abs(lon) > 180.0, (lon + 180.0) % 360.0 - 180.0, lon)
        if len(self.moving_cells):
            self._fill_cells(self.moving_cells, lat, lon)
        speaks = self.reports_speed & ~no_fix
        height = np.where(self.sea_level, 12.0, alt).astype(np.float32) + 4 * noise[0]
        spoken = np.maximum(0.0, speed.astype(np.float32) + np.float32(0.15) * noise[1])
        arrays = [
            self.ids,
            pa.array(fleet.start_ns + round(t_s * NS_PER_S) + self.late_ns),
            pa.array(lat, mask=no_fix),
            pa.array(lon, mask=no_fix),
            pa.array(self.cells, mask=~self.by_cell),
            sigma,
            source,
            pa.array(height, mask=no_fix),
            datum,
            pa.array(spoken, mask=~speaks),
            pa.array(course.astype(np.float32), mask=~speaks | ~(speed > 0.5)),
            self.country,
            self.at_sea,
            self.software,
            self.alerts,
            self.generated,
        ]
        table = pa.table(arrays, schema=_SCHEMA)
        if said is not None and said.state.any():
            states = pa.array(np.array(GNSS_WORDS, object)[said.state], pa.string())
            table = table.append_column(OBSERVATION_SCHEMA.field("gnss_state"), states)
        if (self.traffic >= 0).any():
            flows = (self.traffic > 0) if said is None else (self.traffic > 0) & ~said.refused
            table = table.append_column(OBSERVATION_SCHEMA.field("served"), pa.array(flows, mask=self.traffic < 0))
        if not self.late_ns.any():
            return Report(table.filter(pa.array(heard)), t_s, np.flatnonzero(heard), said)
        rows = np.flatnonzero(heard)
        rows = rows[np.argsort(self.late_ns[rows], kind="stable")]
        return Report(table.take(pa.array(rows)), t_s, rows, said)

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
        else table[field.name] if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in OBSERVATION_SCHEMA
    ]  # fmt: skip
    return pa.table(columns, schema=OBSERVATION_SCHEMA)


_UNSAID = ("source_row", *LATER_COLUMNS)
_SCHEMA = pa.schema([field for field in OBSERVATION_SCHEMA if field.name not in _UNSAID])
