"""One batch of observations through locate, track and decide: the single code path of every command.

`decide`, `replay`, `whatif`, `explain` and the demo all call `Judge.judge`; one terminal is a batch of one. The judge keeps
nothing but the memory per terminal (`detect.state`) and tables of distinct values; given the same basis and the same
observations in time order it returns the same decisions, however they are batched.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray

from groundrule.areas.index import AreaIndex, Location
from groundrule.areas.model import AreaSet
from groundrule.detect.state import Motion, TerminalState, advance, count_stays, distance_m
from groundrule.pipeline.cells import CellDiscs
from groundrule.pipeline.coding import WhereCoder, WhoCoder, by_epoch
from groundrule.pipeline.evidence_keys import EvidenceKeys
from groundrule.pipeline.heard import (
    NETWORK,
    NOWHERE,
    SIGNAL_CAUSES,
    VERIFIED_DISTANCE,
    Heard,
    causes,
    heard_of,
    silence,
)
from groundrule.pipeline.overlay import NO_OVERLAY, Overlay, Overlaying
from groundrule.pipeline.stays import StayCondition
from groundrule.records import POSITION_SOURCES, combined
from groundrule.rules.compile import CompiledRulebook, Decided, compile_rulebook
from groundrule.rules.evidence import Coded, EvidenceBatch, Interval
from groundrule.rules.model import Rulebook
from groundrule.store.regular_rows import Measured
from groundrule.store.timeline import RegisterTimeline

SERVICE_DISTANCE = "distance_from_service_address_m"
_STAY_MEASURES = ("elapsed_days", "consecutive_days", "days_in_year")
_UNKNOWN_SOURCE = POSITION_SOURCES.index("none")


@dataclass(frozen=True, slots=True)
class Basis:
    """All that a decision is a function of, apart from the observations.

    Attributes:
        rulebook: rules in force.
        areas: areas with their digest.
        index: the areas compiled, with the buffers that the rulebook asks for.
        registers: terminals, accounts and lists over time.
        overlay: emergencies.
    """

    rulebook: Rulebook
    compiled: CompiledRulebook
    areas: AreaSet
    index: AreaIndex
    registers: RegisterTimeline
    overlay: Overlay = NO_OVERLAY


@dataclass(frozen=True, slots=True)
class Judged:
    """Decisions of one batch, in columns; row i belongs to observation i.

    Attributes:
        table: the observations.
        rows: row of each terminal in the judge's memory.
        now_ns: instant the rules were applied for [ns, UTC].
        location: area sets and probabilities as found.
        where: codes into the judge's area facts, `Judge.where.values`.
        who: codes into the judge's profiles, `Judge.who.values`.
        motion: resolved position, speed and limits.
        evidence: what the rules saw.
        decided: outcome, rule, reasons.
        evidence_code: codes into the judge's distinct evidence.
        basis: what it was decided under.
        epoch: which epoch of the registers held.
        heard: what radio and satellite navigation say; None where they are silent of all.
    """

    table: pa.Table
    rows: NDArray[np.int32]
    now_ns: NDArray[np.int64]
    location: Location
    where: NDArray[np.int32]
    who: NDArray[np.int32]
    motion: Motion
    evidence: EvidenceBatch
    decided: Decided
    evidence_code: NDArray[np.int32]
    basis: Basis
    epoch: NDArray[np.int32]
    heard: Heard | None = None


@dataclass(slots=True)
class Judge:
    """Applies one basis to observations in time order.

    Args:
        basis: rulebook, areas and registers.
        discs: cells worked out by another judge, which are the same for all.
    """

    basis: Basis
    discs: CellDiscs = field(default_factory=CellDiscs)
    state: TerminalState = field(init=False)
    where: WhereCoder = field(init=False)
    who: WhoCoder = field(init=False)
    evidence_keys: EvidenceKeys = field(init=False)
    _stays: list[StayCondition] = field(init=False)
    _limits: NDArray[np.float64] = field(init=False)
    _assumed: NDArray[np.float32] = field(init=False)
    _used: frozenset[str] = field(init=False)
    _overlaying: Overlaying | None = field(init=False)

    def __post_init__(self) -> None:
        compiled = self.basis.compiled
        self.state = TerminalState.empty(len(self.basis.registers), len(compiled.latches), len(compiled.counters))
        self.where = WhereCoder(self.basis.index, self.basis.areas.areas)
        self.who = WhoCoder(self.basis.registers)
        self.evidence_keys = EvidenceKeys(len(compiled.latches))
        overlay = self.basis.overlay
        self._overlaying = Overlaying(overlay, self.basis.rulebook) if overlay.measures else None
        self._stays = [
            StayCondition(compiled, counter, self.where.values, self.who.values) for counter in compiled.counters
        ]
        self._limits = np.array([[x.above, x.release_below, x.for_s] for x in compiled.latches], np.float64).reshape(
            -1, 3
        )
        self._used = frozenset(compiled.numbers)
        self._assumed = np.zeros(len(POSITION_SOURCES) + 1, np.float32)
        for name, sigma_m in self.basis.rulebook.assumptions.position_sigma_m:
            if name in POSITION_SOURCES:
                self._assumed[POSITION_SOURCES.index(name)] = sigma_m

    def judge(
        self,
        table: pa.Table,
        *,
        as_of_ns: int | None = None,
        like: Judged | None = None,
        known: NDArray[np.int32] | None = None,
        measured: Measured | None = None,
    ) -> Judged:
        """Locate, track and decide one batch.

        Args:
            table: OBSERVATION_SCHEMA; within one terminal, times must not go back, in this batch and since the last.
            as_of_ns: apply rules and areas as of this instant instead of each observation's own [ns, UTC].
            like: what another judge found for the same batch; its area sets are taken over where they must be the same.
            known: row of each terminal, where the caller has asked the registers for it already.
            measured: what the table says of places and speeds, where the caller has read it already.
        Returns:
            Decisions and everything they rest on.
        """
        # What was measured before was measured of a table in one piece.
        table = combined(table) if measured is None else table
        n = len(table)
        ids = table.column("terminal_id")
        rows = self.basis.registers.add(ids) if known is None else known
        self.state.grow(int(rows.max(initial=-1)) + 1)
        if measured is None:
            measured = self._measured(table)
        observed_at = measured.observed_at
        heard = heard_of(table, observed_at)
        motion = self._track(measured, rows, heard)
        now = observed_at if as_of_ns is None else np.full(n, as_of_ns, np.int64)
        location = like.location if like is not None and self._locates_like(like) else self._locate(motion)
        where = self.where.code(location.codes, now)
        epoch = self.basis.registers.epoch_of(now)
        who = self.who.code(table.column("software_version"), rows, epoch)
        truth = np.empty((n, len(self._stays)), np.uint8)
        for position, stay in enumerate(self._stays):
            truth[:, position] = stay.truth(where, who)
        stays = count_stays(self.state, rows, observed_at, truth)
        batch = self._evidence(measured, rows, now, epoch, motion, where, who, stays, heard)
        decided = self.basis.compiled.decide(batch)
        if self._overlaying:
            decided = self._overlaying.apply(decided, ids, now, batch.where, batch.who)
        evidence = self.evidence_keys.code(where, who, motion.source, motion.latches, None if heard is None else heard.codes)
        return Judged(
            table,
            rows,
            now,
            location,
            where,
            who,
            motion,
            batch,
            decided,
            evidence,
            self.basis,
            epoch,
            heard,
        )

    def afresh(self, table: pa.Table, *, as_of_ns: int | None = None) -> Decided:
        """Decide each row as the first that is heard of its terminal, and remember nothing of it.

        Args:
            table: OBSERVATION_SCHEMA, in one piece.
            as_of_ns: apply rules and areas as of this instant instead of each observation's own [ns, UTC].
        """
        kept, compiled = self.state, self.basis.compiled
        rows = self.basis.registers.add(table.column("terminal_id"))
        alone = np.arange(len(table), dtype=np.int32)
        measured = self._measured(table)
        heard = heard_of(table, measured.observed_at)
        now = measured.observed_at if as_of_ns is None else np.full(len(table), as_of_ns, np.int64)
        self.state = TerminalState.empty(len(table), len(compiled.latches), len(compiled.counters))
        try:
            motion = self._track(measured, alone, heard)
            where, epoch = self.where.code(self._locate(motion).codes, now), self.basis.registers.epoch_of(now)
            stays = count_stays(self.state, alone, measured.observed_at, np.zeros((len(table), len(self._stays)), np.uint8))
        finally:
            self.state = kept
        who = self.who.code(table.column("software_version"), rows, epoch)
        decided = compiled.decide(self._evidence(measured, rows, now, epoch, motion, where, who, stays, heard))
        if self._overlaying:
            coded = Coded(where, self.where.values), Coded(who, self.who.values)
            decided = self._overlaying.apply(decided, table.column("terminal_id"), now, *coded)
        return decided

    def as_of(self, judged: Judged, held_ns: int) -> Decided:
        """Decide a batch of this judge again, with nothing of rules, areas and registers that began after an instant.

        What is remembered of terminals and what emergencies do stays as it was. Used while nothing new may come into force.

        Args:
            judged: a batch that this judge has judged.
            held_ns: the instant [ns, UTC].
        """
        now = np.minimum(judged.now_ns, np.int64(held_ns))
        epoch = self.basis.registers.epoch_of(now)
        where = Coded(self.where.code(judged.location.codes, now), self.where.values)
        who = Coded(self.who.code(judged.table.column("software_version"), judged.rows, epoch), self.who.values)
        decided = self.basis.compiled.decide(replace(judged.evidence, now_ns=now, where=where, who=who))
        if self._overlaying:
            decided = self._overlaying.apply(decided, judged.table.column("terminal_id"), judged.now_ns, where, who)
        return decided

    def explained_key(self, code: int) -> tuple[int, int, int, tuple[int, ...], int]:
        """Take an evidence code apart; see `EvidenceKeys.explained`."""
        return self.evidence_keys.explained(code)

    def _locates_like(self, other: Judged) -> bool:
        """Resolved positions depend on observations and assumptions alone, so equal assumptions give equal area sets."""
        mine, theirs = self.basis.rulebook.assumptions, other.basis.rulebook.assumptions
        return self.basis.index is other.basis.index and mine == theirs

    # --- steps --------------------------------------------------------------------------------------------------------

    def _measured(self, table: pa.Table) -> Measured:
        cells = table.column("h3_cell")
        return Measured(
            _numpy(table, "observed_at", np.int64), _numpy(table, "lat_deg", np.float64), _numpy(table, "lon_deg", np.float64),
            _numpy(table, "position_sigma_m", np.float32), _source_codes(table.column("position_source")),
            pc.fill_null(cells, 0).to_numpy().astype(np.uint64) if cells.null_count < len(table) else None,
            _numpy(table, "speed_m_s", np.float32), _numpy(table, "alt_m", np.float32) if "alt_m" in self._used else None,
        )  # fmt: skip

    def _track(self, measured: Measured, rows: NDArray[np.int32], heard: Heard | None) -> Motion:
        n = len(rows)
        lat, lon, sigma = measured.lat_deg, measured.lon_deg, measured.sigma_m
        source, reported_cell, said = measured.source, measured.cell, measured.speed_m_s
        assumptions = self.basis.rulebook.assumptions
        sigma = np.where(np.isnan(sigma), self._assumed[source], sigma)
        forgotten = None
        if heard is not None:
            claims = heard.claims(source, assumptions.radio_position)
            if not claims.left:
                forgotten = claims.dropped
                lost = claims.placed | claims.dropped
                lat = np.where(claims.placed, heard.lat_deg, np.where(claims.dropped, np.nan, lat))
                lon = np.where(claims.placed, heard.lon_deg, np.where(claims.dropped, np.nan, lon))
                sigma = np.where(claims.placed, heard.carried_sigma_m(), sigma)
                source = np.where(claims.placed, NETWORK, np.where(claims.dropped, NOWHERE, source)).astype(np.uint8)
                # What a receiver says of its speed is worth as much as what it says of its place.
                said = np.where(lost, np.float32(np.nan), said)
                reported_cell = None if reported_cell is None else np.where(lost, np.uint64(0), reported_cell)
        cell = np.zeros(n, np.uint64)
        radius = np.zeros(n, np.float32)
        if reported_cell is not None:
            by_cell = np.isnan(lat) & (reported_cell != 0)
            if by_cell.any():
                cell = np.where(by_cell, reported_cell, np.uint64(0))
                centre_lat, centre_lon, disc = self.discs.of(cell[by_cell])
                lat, lon = lat.copy(), lon.copy()
                lat[by_cell], lon[by_cell], radius[by_cell] = centre_lat, centre_lon, disc
                sigma[by_cell] = 0.0
        return advance(
            self.state, rows, measured.observed_at, lat, lon, sigma_m=sigma, cell=cell, cell_radius_m=radius, source=source,
            reported_speed_m_s=said, limits=self._limits, max_gap_s=assumptions.max_gap_s,
            verified=None if heard is None else heard.speeds(assumptions.max_gap_s), forgotten=forgotten,
        )  # fmt: skip

    def _locate(self, motion: Motion) -> Location:
        index, edge = self.basis.index, self.basis.rulebook.assumptions.edge_probability
        by_cell = motion.cell != 0
        if not by_cell.any():
            return index.locate_points(motion.lat_deg, motion.lon_deg, motion.sigma_m, edge)
        cell_rows = np.flatnonzero(by_cell)
        point_rows = np.flatnonzero(~by_cell)
        points = index.locate_points(
            motion.lat_deg[point_rows], motion.lon_deg[point_rows], motion.sigma_m[point_rows], edge
        )
        cells = index.locate_cells(motion.cell[cell_rows], edge)
        codes = np.empty(len(by_cell), np.int32)
        codes[point_rows], codes[cell_rows] = points.codes, cells.codes
        edge_rows = np.concatenate([point_rows[points.edge_rows], cell_rows[cells.edge_rows]])
        order = np.argsort(edge_rows, kind="stable")
        return Location(
            codes,
            edge_rows[order].astype(np.int64),
            np.concatenate([points.edge_members, cells.edge_members])[order],
            np.concatenate([points.edge_probability, cells.edge_probability])[order],
        )

    def _evidence(
        self,
        measured: Measured,
        rows: NDArray[np.int32],
        now: NDArray[np.int64],
        epoch: NDArray[np.int32],
        motion: Motion,
        where: NDArray[np.int32],
        who: NDArray[np.int32],
        stays: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
        heard: Heard | None,
    ) -> EvidenceBatch:
        used = self._used
        numbers: dict[str, Interval] = {"position_age_s": Interval(motion.age_s, motion.age_s)}
        if "speed_m_s" in used:
            numbers["speed_m_s"] = Interval(motion.speed_low_m_s, motion.speed_high_m_s)
        if "alt_m" in used and measured.alt_m is not None:
            alt = measured.alt_m.astype(np.float64)
            numbers["alt_m"] = Interval(alt, alt)
        if "position_sigma_m" in used:
            sigma = motion.sigma_m.astype(np.float64)
            numbers["position_sigma_m"] = Interval(sigma, sigma)
        if SERVICE_DISTANCE in used:
            low, high = np.empty(len(rows)), np.empty(len(rows))
            for number, chosen in by_epoch(epoch):
                part = self.basis.registers.epoch(number)
                low[chosen], high[chosen] = _service_distance(
                    rows[chosen], motion.lat_deg[chosen], motion.lon_deg[chosen], motion.sigma_m[chosen],
                    part.service_lat_deg, part.service_lon_deg,
                )  # fmt: skip
            numbers[SERVICE_DISTANCE] = Interval(low, high)
        for position, counter in enumerate(self.basis.compiled.counters):
            for measure, values in zip(_STAY_MEASURES, stays, strict=True):
                name = f"stay.{counter.id}.{measure}"
                if name in used:
                    column = np.ascontiguousarray(values[:, position])
                    numbers[name] = Interval(column, column)
        categories = {"position_source": Coded(motion.source.astype(np.int32), _SOURCE_VALUES)}
        if heard is not None:
            categories |= heard.categories()
            if VERIFIED_DISTANCE in used:
                sigma = np.where(np.isnan(measured.sigma_m), self._assumed[measured.source], measured.sigma_m)
                numbers[VERIFIED_DISTANCE] = heard.distances(sigma)
        else:
            categories |= silence(len(rows), self.basis.compiled.categories)
        if SIGNAL_CAUSES in used:
            numbers[SIGNAL_CAUSES] = causes(heard, len(rows))
        return EvidenceBatch(
            now_ns=now,
            where=Coded(where, self.where.values),
            who=Coded(who, self.who.values),
            numbers=numbers,
            categories=categories,
            latches=motion.latches,
        )


_AHEAD = 64
"""Rows whose service addresses are fetched together."""
_SOURCE_VALUES: tuple[str | None, ...] = (*POSITION_SOURCES, None)


def make_basis(
    rulebook: Rulebook,
    areas: AreaSet,
    registers: RegisterTimeline,
    *,
    index: AreaIndex | None = None,
    cache_dir: object = None,
    overlay: Overlay = NO_OVERLAY,
) -> Basis:
    """Compile a rulebook and build the index with the buffers that it asks for.

    Args:
        index: an index already built from the same areas, used if the rulebook needs no buffers.
        cache_dir: folder for the compiled index, or None.
        overlay: emergencies.
    """
    compiled = compile_rulebook(rulebook)
    if index is None or compiled.buffers:
        buffers = sorted({pair for selector, metres in compiled.buffers for pair in _buffers(selector, metres, areas)})
        index = AreaIndex.build(areas.areas, buffers=buffers, cache_dir=cache_dir)  # type: ignore[arg-type]  # Path or None
    return Basis(rulebook, compiled, areas, index, registers, overlay)


def _buffers(selector: str, metres: float, areas: AreaSet) -> list[tuple[str, float]]:
    """Area ids that a widened selector stands for."""
    prefix, _, rest = selector.partition(":")
    if prefix == "kind":
        return [(area.id, metres) for area in areas.areas if area.kind == rest]
    wanted = rest if prefix == "area" else selector
    return [(wanted, metres)] if any(area.id == wanted for area in areas.areas) else []


def _numpy(table: pa.Table, name: str, dtype: type) -> NDArray:
    """One column as NumPy; null becomes NaN for floats."""
    column = table.column(name)
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], column.type)
    return array.to_numpy(zero_copy_only=False).astype(dtype, copy=False)


def _source_codes(column: pa.ChunkedArray) -> NDArray[np.uint8]:
    found = pc.index_in(column, value_set=pa.array(POSITION_SOURCES))
    codes = pc.fill_null(found, _UNKNOWN_SOURCE)
    return codes.to_numpy().astype(np.uint8)


@njit(cache=True, nogil=True)
def _service_distance(rows, lat, lon, sigma, home_lat, home_lon):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    low = np.empty(len(rows))
    high = np.empty(len(rows))
    home = np.empty((_AHEAD, 2))
    for i in range(len(rows)):
        if i % _AHEAD == 0:
            # Many misses of the cache at a time instead of one after the other.
            for k in range(i, min(i + _AHEAD, len(rows))):
                known = rows[k] < len(home_lat)
                home[k - i, 0] = home_lat[rows[k]] if known else np.nan
                home[k - i, 1] = home_lon[rows[k]] if known else np.nan
        there_lat, there_lon = home[i % _AHEAD]
        if np.isnan(there_lat) or np.isnan(lat[i]):
            low[i] = np.nan
            high[i] = np.nan
            continue
        d = distance_m(there_lat, there_lon, lat[i], lon[i])
        doubt = 2.0 * sigma[i]
        low[i] = max(0.0, d - doubt)
        high[i] = d + doubt
    return low, high
