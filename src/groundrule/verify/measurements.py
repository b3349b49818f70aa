"""Measurements: what the network measured, one row per value, and which rows can be used.

1. `MEASUREMENT_SCHEMA` is the record. Times are instants of the measurement, values are in the unit of their kind (`KINDS`).
2. `clean` reduces values to a one-way range or a range rate: what the terminal compensated is added back, feeder and
   equipment delay are taken away, quantisation and correlated noise widen sigma.
3. A row that cannot be used is never dropped silently: it stays in `Intake.issues` with its row, field, value and what would
   be right, and the good rows beside it are used.

Source: sections 3.1 and 6.1 of the specification; 3GPP TS 38.300 16.14 for what networks measure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.errors import InputError
from groundrule.frames import C_M_S
from groundrule.instant import NS_PER_S, parse_instant
from groundrule.verify.model import Floats

Ints = NDArray[np.int64]

KINDS: dict[str, str] = {
    "rtt": "round-trip time at the network, two-way, with feeder and equipment delay in it [s]",
    "range": "one-way range, already reduced [m]",
    "ul_doppler": "received minus nominal uplink frequency [Hz]; needs carrier_hz",
    "range_rate": "range rate, already reduced, positive moving apart [m/s]",
    "dl_timing_drift": "drift of downlink timing [s/s]; kept, not used: the satellite's clock would be free per slot",
    "beam_cell": "the serving cell, in the cell's columns; gives a prior and a gate",
    "aoa": "angle of arrival [degree]; kept, not used: no reference figures",
    "tdoa": "time difference of arrival of one burst at two satellites [s]; kept, not used",
    "fdoa": "frequency difference of arrival [Hz]; kept, not used",
    "power_gate": "received power within the beam [dB]; kept, not used",
}
"""Kinds of measurement, with meaning and unit of `value`."""
USED = ("rtt", "range", "ul_doppler", "range_rate", "beam_cell")
TRUST = ("ue_reported", "network", "nonce_bound", "attested")
"""How a value came to be known, weakest first. A missing flag counts as `ue_reported`."""

MEASUREMENT_SCHEMA = pa.schema(
    [
        pa.field("terminal_id", pa.string(), nullable=False),
        pa.field("observed_at", pa.int64(), nullable=False, metadata={"unit": "ns since 1970, UTC"}),
        pa.field("time_of", pa.string(), metadata={"values": "t2 (at the terminal, the default) or rx (at the satellite)"}),
        pa.field("satellite", pa.int64(), metadata={"unit": "catalogue number"}),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("value", pa.float64(), metadata={"unit": "by kind"}),
        pa.field("sigma", pa.float64(), metadata={"unit": "as value, one sigma of one value"}),
        pa.field("precomp", pa.float64(), metadata={"unit": "as value: applied by the terminal, added back"}),
        pa.field("carrier_hz", pa.float64(), metadata={"unit": "Hz, nominal"}),
        pa.field("feeder_m", pa.float64(), metadata={"unit": "m, one way, of the feeder link within rtt"}),
        pa.field("cal_m", pa.float64(), metadata={"unit": "m, one way, equipment delay within rtt"}),
        pa.field("cal_sigma_m", pa.float64(), metadata={"unit": "m"}),
        pa.field("cell_lat_deg", pa.float64(), metadata={"unit": "degree"}),
        pa.field("cell_lon_deg", pa.float64(), metadata={"unit": "degree"}),
        pa.field("cell_radius_m", pa.float64(), metadata={"unit": "m"}),
        pa.field("trust", pa.string()),
        pa.field("locked", pa.bool_()),
        pa.field("quantum", pa.float64(), metadata={"unit": "as value: step of quantisation"}),
        pa.field("acf_sum", pa.float64(), metadata={"unit": "1, sum of the noise's autocorrelation at lags from 1"}),
        pa.field("source", pa.string()),
        pa.field("source_row", pa.int64()),
    ]
)
"""One measurement. Columns that are absent are empty; others are kept by nobody."""
REQUIRED = ("terminal_id", "observed_at", "kind")

EARLIEST_NS = 946_684_800 * NS_PER_S
"""2000-01-01: nothing that Groundrule verifies is older, and clocks that were never set say 1970."""
LATEST_NS = 4_102_444_800 * NS_PER_S
RANGE_M = (1.0e5, 5.0e7)
"""One-way ranges outside it are slips of units: the lowest orbit, and beyond the geostationary one."""
RATE_M_S = 1.2e4
SIGMA_RANGE_M = (1e-3, 1e6)
SIGMA_RATE_M_S = (1e-6, 1e4)
_CARRIER_HZ = (1e8, 1e11)

REASONS: dict[str, str] = {
    "missing": "a value that is needed is missing",
    "not_a_number": "the value is not a finite number",
    "unknown_kind": "kinds are " + ", ".join(KINDS),
    "not_used": "kept; no estimate uses this kind yet",
    "impossible_time": "times lie between 2000 and 2100; a clock that was never set says 1970",
    "negative_range": "a one-way range is positive after feeder, equipment and compensation",
    "out_of_range": "a one-way range lies between 100 km and 50,000 km, a range rate below 12 km/s: check the units",
    "bad_sigma": "sigma is positive, at most 1,000 km of range or 10 km/s of rate",
    "no_carrier": "a Doppler shift needs carrier_hz, between 100 MHz and 100 GHz",
    "bad_cell": "a cell has latitude, longitude and a radius between 100 m and 2,000 km",
    "not_locked": "the receiver was not locked",
    "duplicate": "the same value stands in an earlier row",
    "second_value": "another value of the same terminal, satellite, kind and instant stands in an earlier row",
    "no_range_for_time": "a Doppler row timed at the satellite needs a range of the same satellite within 1 s",
    "unknown_satellite": "no loaded elements have this satellite; import OMM or TLE that has it",
    "stale_elements": "the elements are older than the limit",
    "future_elements": "the epoch of the elements is after the measurement by more than the limit",
    "no_state": "the elements give no state: decayed, or no orbit",
}
"""Why a row is not used, with what would be right."""


class Issue(NamedTuple):
    """One row that is not used; `row` counts from 0, and people are told it from 1, as rows of observations."""

    row: int
    field: str
    value: str
    reason: str

    def __str__(self) -> str:
        return f"row {self.row + 1}: `{self.field}` is `{self.value}`: {REASONS[self.reason]}"


@dataclass(frozen=True, slots=True)
class Intake:
    """Rows that can be used, reduced, in order of terminal, satellite and time; and those that cannot.

    Attributes:
        terminals: their ids; `terminal` of each row points into them [k].
        row: row of the input [k]; t2_ns: instant at the terminal [k]; satellite: catalogue number [k].
        is_rate: range rate [m/s], otherwise one-way range [m] [k].
        value, sigma: [k]; cal_sigma_m: of the equipment delay [k]; trust: index into `TRUST` [k].
        cell_terminal, cell_t_ns, cell: rows of cells: latitude, longitude [degree], radius [m] [c], [c], [c, 3].
        issues: rows that are not used. rows: how many were read.
    """

    terminals: tuple[str, ...]
    terminal: Ints
    row: Ints
    t2_ns: Ints
    satellite: Ints
    is_rate: NDArray[np.bool_]
    value: Floats
    sigma: Floats
    cal_sigma_m: Floats
    trust: Ints
    cell_terminal: Ints
    cell_t_ns: Ints
    cell: Floats
    issues: tuple[Issue, ...]
    rows: int

    def __len__(self) -> int:
        return len(self.row)


class _Rows:
    """Columns of a table, each row with the first reason that speaks against it."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self.count = table.num_rows
        self.reason = np.full(self.count, "", dtype="U20")
        self.field = np.full(self.count, "", dtype="U16")
        self.cached: dict[str, Floats] = {}

    def strike(self, rows: NDArray[np.bool_], reason: str, field: str) -> None:
        new = rows & (self.reason == "")
        self.reason[new] = reason
        self.field[new] = field

    @property
    def good(self) -> NDArray[np.bool_]:
        return np.asarray(self.reason == "")

    def texts(self, name: str) -> NDArray[np.str_]:
        if name not in self.table.column_names:
            return np.full(self.count, "")
        return np.array(pc.fill_null(_as_text(self.table[name]), "").to_pylist(), dtype=np.str_).reshape(self.count)

    def numbers(self, name: str, default: float = math.nan) -> Floats:
        """Column as float64, `default` where empty; text that is no number strikes its row."""
        if name not in self.cached:
            values, broken = _numbers(self.table, name, self.count)
            self.strike(broken, "not_a_number", name)
            self.cached[name] = values
        values = self.cached[name]
        return values if math.isnan(default) else np.where(np.isnan(values), default, values)

    def issues(self) -> tuple[Issue, ...]:
        found = []
        for row in np.flatnonzero(~self.good).tolist():
            name = str(self.field[row])
            told = self.table[name][row].as_py() if name in self.table.column_names else None
            found.append(Issue(row, name, "" if told is None else str(told)[:60], str(self.reason[row])))
        return tuple(found)


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(column, pa.string())


def _numbers(table: pa.Table, name: str, count: int) -> tuple[Floats, NDArray[np.bool_]]:
    broken = np.zeros(count, np.bool_)
    if name not in table.column_names:
        return np.full(count, math.nan), broken
    column = table[name]
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        there = np.asarray(pc.is_valid(column).to_numpy(zero_copy_only=False), np.bool_)
        values = np.asarray(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False), np.float64)
        return values, there & ~np.isfinite(values)
    out = np.full(count, math.nan)
    for row, text in enumerate(column.to_pylist()):
        if text is None or not text.strip():
            continue
        try:
            out[row] = float(text)
        except ValueError:
            out[row] = math.nan
        broken[row] = not math.isfinite(out[row])
    return out, broken


def _times(rows: _Rows) -> Ints:
    """Column `observed_at` as ns; text may be a number or a time with a zone."""
    name = "observed_at"
    column = rows.table[name]
    if pa.types.is_integer(column.type):
        rows.strike(np.asarray(pc.is_null(column).to_numpy(zero_copy_only=False)), "missing", name)
        return np.asarray(pc.fill_null(column, 0).to_numpy(zero_copy_only=False), np.int64)
    if pa.types.is_timestamp(column.type):
        if column.type.tz is None:
            raise InputError("the times of `observed_at` have no zone", help="write them in UTC, with the zone")
        return np.asarray(pc.fill_null(pc.cast(pc.cast(column, pa.timestamp("ns", "UTC")), pa.int64()), 0), np.int64)
    out = np.zeros(rows.count, np.int64)
    broken = np.zeros(rows.count, np.bool_)
    for row, told in enumerate(column.to_pylist()):
        try:
            text = str(told).strip()
            out[row] = int(text) if text.lstrip("-").isdigit() else parse_instant(text)
        except (InputError, OverflowError):
            broken[row] = True
    rows.strike(broken, "impossible_time", name)
    return out


def clean(table: pa.Table) -> Intake:
    """Reduce measurements to ranges and range rates at the terminal's instant.

    Args:
        table: columns of `MEASUREMENT_SCHEMA`, in any order, absent ones empty; text columns are read as numbers and times.
    Returns:
        the rows that can be used, and an issue for each that cannot.
    Raises:
        InputError: a column that every row needs is absent, or times without a zone.
    """
    missing = [name for name in REQUIRED if name not in table.column_names]
    if missing:
        raise InputError(
            f"measurements have no column `{missing[0]}`",
            help="needed are " + ", ".join(REQUIRED) + "; for ranges and rates also satellite, value and sigma",
            field=missing[0],
        )
    rows = _Rows(table)
    names, kinds = rows.texts("terminal_id"), rows.texts("kind")
    t_ns = _times(rows)
    rows.strike(names == "", "missing", "terminal_id")
    rows.strike(~np.isin(kinds, list(KINDS)), "unknown_kind", "kind")
    rows.strike(rows.good & ~np.isin(kinds, USED), "not_used", "kind")
    rows.strike((t_ns < EARLIEST_NS) | (t_ns > LATEST_NS), "impossible_time", "observed_at")
    rows.strike(rows.texts("locked") == "false", "not_locked", "locked")
    is_cell = kinds == "beam_cell"
    cells = np.stack([rows.numbers(name) for name in ("cell_lat_deg", "cell_lon_deg", "cell_radius_m")], axis=1)
    fits = (np.abs(cells[:, 0]) <= 90) & (np.abs(cells[:, 1]) <= 180) & (cells[:, 2] >= 100) & (cells[:, 2] <= 2e6)
    rows.strike((is_cell | ~np.isnan(cells).all(axis=1)) & ~fits, "bad_cell", "cell_radius_m")
    measured = ~is_cell
    for name in ("satellite", "value", "sigma"):
        rows.strike(measured & np.isnan(rows.numbers(name)), "missing", name)
    satellite = np.nan_to_num(rows.numbers("satellite"), nan=-1.0)
    rows.strike(measured & ((satellite < 1) | (satellite > 999_999_999)), "unknown_satellite", "satellite")
    value, sigma = _reduced(rows, kinds, measured)
    is_rate = (kinds == "ul_doppler") | (kinds == "range_rate")
    t2 = _at_terminal(rows, names, satellite.astype(np.int64), t_ns, is_rate, value)
    _strike_repeated(rows, measured, names, satellite.astype(np.int64), t2, is_rate, value)
    terminals, terminal = np.unique(names, return_inverse=True)
    good = np.flatnonzero(rows.good & measured)
    order = good[np.lexsort((is_rate[good], t2[good], satellite[good], terminal[good]))]
    trust_words = rows.texts("trust")
    trust = np.zeros(rows.count, np.int64)  # a missing or unknown word counts as the weakest
    for level, word in enumerate(TRUST):
        trust[trust_words == word] = level
    cell_rows = np.flatnonzero(rows.good & fits)
    return Intake(
        tuple(terminals.tolist()), terminal[order], order, t2[order], satellite[order].astype(np.int64), is_rate[order],
        value[order], sigma[order], np.nan_to_num(rows.numbers("cal_sigma_m"))[order], trust[order],
        terminal[cell_rows], t_ns[cell_rows], cells[cell_rows], rows.issues(), rows.count,
    )


def _reduced(rows: _Rows, kinds: NDArray[np.str_], measured: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Values as one-way range [m] or range rate [m/s], with sigma; rows that cannot be are struck."""
    told = rows.numbers("value") + rows.numbers("precomp", 0.0)
    rows.strike(measured & (rows.numbers("sigma") <= 0), "bad_sigma", "sigma")
    spread = np.hypot(rows.numbers("sigma"), rows.numbers("quantum", 0.0) / math.sqrt(12.0))
    with np.errstate(invalid="ignore"):
        spread = spread * np.sqrt(np.maximum(1.0 + 2.0 * rows.numbers("acf_sum", 0.0), 1.0))
    carrier = rows.numbers("carrier_hz")
    doppler, rtt = kinds == "ul_doppler", kinds == "rtt"
    rows.strike(doppler & ~((carrier >= _CARRIER_HZ[0]) & (carrier <= _CARRIER_HZ[1])), "no_carrier", "carrier_hz")
    scale = np.ones(rows.count)
    scale[rtt] = 0.5 * C_M_S
    with np.errstate(divide="ignore", invalid="ignore"):
        scale[doppler] = -C_M_S / carrier[doppler]
    # What the modem shifted in advance is missing in the frequency received: f_rx - f_nom - f_precomp is the Doppler.
    told = np.where(doppler, rows.numbers("value") - rows.numbers("precomp", 0.0), told)
    value, sigma = told * scale, spread * np.abs(scale)
    ranged = measured & (rtt | (kinds == "range"))
    value = np.where(ranged, value - rows.numbers("feeder_m", 0.0) - rows.numbers("cal_m", 0.0), value)
    with np.errstate(invalid="ignore"):
        rows.strike(ranged & (value <= 0), "negative_range", "value")
        rows.strike(ranged & ~((value >= RANGE_M[0]) & (value <= RANGE_M[1])), "out_of_range", "value")
        rows.strike(measured & ~ranged & ~(np.abs(value) <= RATE_M_S), "out_of_range", "value")
        low = np.where(ranged, SIGMA_RANGE_M[0], SIGMA_RATE_M_S[0])
        high = np.where(ranged, SIGMA_RANGE_M[1], SIGMA_RATE_M_S[1])
        rows.strike(measured & ~((sigma >= low) & (sigma <= high)), "bad_sigma", "sigma")
    return value, sigma


def _at_terminal(
    rows: _Rows, names: NDArray[np.str_], satellite: Ints, t_ns: Ints, is_rate: NDArray[np.bool_], value: Floats
) -> Ints:
    """Instants at the terminal: a time at the satellite is earlier by the flight, known from the range itself."""
    late = rows.good & (rows.texts("time_of") == "rx") & (satellite > 0)
    if not late.any():
        return t_ns
    out = t_ns.copy()
    own = late & ~is_rate
    out[own] -= np.rint(value[own] / C_M_S * NS_PER_S).astype(np.int64)
    ranged = np.flatnonzero(rows.good & ~is_rate & (satellite > 0))
    for row in np.flatnonzero(late & is_rate).tolist():
        same = ranged[(names[ranged] == names[row]) & (satellite[ranged] == satellite[row])]
        near = same[np.argmin(np.abs(t_ns[same] - t_ns[row]))] if len(same) else -1
        if near < 0 or abs(int(t_ns[near]) - int(t_ns[row])) > NS_PER_S:
            rows.strike(np.arange(rows.count) == row, "no_range_for_time", "time_of")
            continue
        out[row] -= round(float(value[near]) / C_M_S * NS_PER_S)
    return out


def _strike_repeated(
    rows: _Rows, measured: NDArray[np.bool_], names: NDArray[np.str_], satellite: Ints, t2: Ints,
    is_rate: NDArray[np.bool_], value: Floats,
) -> None:
    good = np.flatnonzero(rows.good & measured)
    _, who = np.unique(names[good], return_inverse=True)
    order = np.lexsort((good, is_rate[good], t2[good], satellite[good], who))
    at = good[order]
    same = np.zeros(len(at), np.bool_)
    if len(at) > 1:
        keys = (who[order], satellite[at], t2[at], is_rate[at])
        same[1:] = np.logical_and.reduce([key[1:] == key[:-1] for key in keys])
    first = at[np.maximum.accumulate(np.where(same, 0, np.arange(len(at))))] if len(at) else at
    repeated = np.zeros(rows.count, np.bool_)
    repeated[at[same & (value[at] == value[first])]] = True
    rows.strike(repeated, "duplicate", "value")
    other = np.zeros(rows.count, np.bool_)
    other[at[same & (value[at] != value[first])]] = True
    rows.strike(other, "second_value", "value")
