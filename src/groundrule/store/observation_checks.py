"""From columns as they were given to observations, and to rejected rows with the reason.

A row is used as a whole or rejected as a whole, with the first thing that is wrong with it. Three-valued where it must
be: a coordinate pair that is absent is valid input, half a pair is not. Nothing is guessed and nothing is clipped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.records import GNSS_STATES, OBSERVATION_SCHEMA, POSITION_SOURCES, filtered
from groundrule.store import conversions
from groundrule.store.cells import is_cell
from groundrule.store.conversions import Mask, is_null, plain
from groundrule.store.rejects import CONTENT_CHARS, REJECT_SCHEMA, VALUE_CHARS, Rejects

MAX_ID_BYTES = 200
"""Longer terminal ids are refused; the operator's have 29 characters."""
_NUMBERS: Mapping[str, tuple[float, float, str]] = {
    "lat_deg": (-90.0, 90.0, "a latitude lies in -90 to 90 degrees"),
    "lon_deg": (-180.0, 180.0, "a longitude lies in -180 to 180 degrees"),
    "position_sigma_m": (0.0, np.inf, "a sigma is not negative"),
    "alt_m": (-np.inf, np.inf, "an altitude is a number of metres"),
    "speed_m_s": (0.0, np.inf, "a speed is not negative"),
    "course_deg": (-360.0, 360.0, "a course lies in 0 to 360 degrees"),
}
_GNSS_TOLD = pa.array([state for state in GNSS_STATES if state != "suspended"])
_CODES = {name: code for code, name in enumerate(POSITION_SOURCES)}


@dataclass(frozen=True, slots=True)
class TimeReading:
    """How times are read.

    Attributes:
        unit: unit of times given as numbers: ns, us, ms or s; None is ns for integers, and refuses fractions.
        assume_utc: take times without a zone as UTC, because the caller says so.
        latest_ns: an observation after this instant cannot have been made yet [ns, UTC]; None accepts any. One made in
            the far future would make everything the terminal reports afterwards look too late.
    """

    unit: str | None = None
    assume_utc: bool = False
    latest_ns: int | None = None


class Faults:
    """The first fault of each row of a batch."""

    def __init__(self, rows: int) -> None:
        self._kinds: list[tuple[str, str, str]] = []
        self._kind = np.full(rows, -1, np.int16)
        self.rows = rows

    def flag(self, mask: Mask, field: str, reason: str, advice: str) -> None:
        """Mark rows that have no fault yet."""
        if mask.any():
            self._kind[mask & (self._kind < 0)] = len(self._kinds)
            self._kinds.append((field, reason, advice))

    @property
    def good(self) -> Mask:
        """Rows without a fault."""
        return self._kind < 0

    def rejects(self, given: Mapping[str, Any], *, source: str, source_rows: NDArray[np.int64]) -> Rejects:
        """Describe the faulty rows, with their content as it was given."""
        rows = np.flatnonzero(self._kind >= 0)
        if not len(rows):
            return Rejects()
        wanted = pa.array(rows)
        contents = {name: column.take(wanted).to_pylist() for name, column in given.items()}
        kinds = [self._kinds[kind] for kind in self._kind[rows]]
        values = [_cut(contents[field][k]) if field in contents else None for k, (field, _, _) in enumerate(kinds)]
        written = [
            json.dumps(
                {name: column[k] for name, column in contents.items() if column[k] is not None},
                ensure_ascii=False,
                default=str,
            )[:CONTENT_CHARS]
            for k in range(len(rows))
        ]
        n = len(rows)
        return Rejects(
            pa.table(
                [
                    pa.repeat("rejected", n),
                    pa.repeat(source, n),
                    pa.array(source_rows[rows]),
                    pa.array([field for field, _, _ in kinds], pa.string()),
                    pa.array(values, pa.string()),
                    pa.array([reason for _, reason, _ in kinds]),
                    pa.array([advice for _, _, advice in kinds]),
                    pa.array(written),
                ],
                schema=REJECT_SCHEMA,
            )
        )


def _cut(value: Any) -> str | None:
    return None if value is None else str(value)[:VALUE_CHARS]


def check_observations(
    given: Mapping[str, Any], *, source: str, source_rows: NDArray[np.int64], time: TimeReading
) -> tuple[pa.Table, Rejects]:
    """Turn mapped columns into observations.

    Args:
        given: Arrow column of any type by our name (`speed_km_h` too); absent columns are unknown in every row.
        source: where the rows come from.
        source_rows: place of each row in the source (int64, shape (n,)).
        time: how times are read.
    Returns:
        The usable rows as a table of `OBSERVATION_SCHEMA`, in the given order, and the rejected ones.
    Raises:
        InputError: the whole time column has no zone.
    """
    columns = {name: plain(column) for name, column in given.items()}
    n = len(source_rows)
    faults = Faults(n)
    made: dict[str, Any] = {}
    _identify(columns, faults, made)
    _time(columns, faults, made, time, source)
    _numbers(columns, faults, made)
    _cell(columns, faults, made)
    _position_source(columns, faults, made, n)
    _simple(columns, faults, made, "in_territorial_waters", convert=conversions.to_bool, advice="write true or false")
    _simple(columns, faults, made, "served", convert=conversions.to_bool, advice="write true or false")
    _simple(
        columns, faults, made, "alerts", convert=conversions.to_alerts, advice="write whole numbers, for instance 60;93"
    )
    for name in ("alt_datum", "country_reported", "software_version"):
        _simple(columns, faults, made, name, convert=conversions.to_text, advice="write text")
    _gnss_state(columns, faults, made)
    made["source"] = pa.repeat(source, n)
    made["source_row"] = pa.array(source_rows)
    arrays = [made[field.name] if field.name in made else pa.nulls(n, field.type) for field in OBSERVATION_SCHEMA]
    table = pa.table(arrays, schema=OBSERVATION_SCHEMA)
    good = faults.good
    if good.all():
        return table, Rejects()
    return filtered(table, pa.array(good)), faults.rejects(columns, source=source, source_rows=source_rows)


def _identify(columns: Mapping[str, Any], faults: Faults, made: dict[str, Any]) -> None:
    ids, bad = conversions.to_text(columns["terminal_id"], integers=True)
    faults.flag(bad, "terminal_id", "wrong_type", "a terminal id is text")
    faults.flag(is_null(ids), "terminal_id", "terminal_id_missing", "every observation names its terminal")
    lengths = pc.fill_null(pc.binary_length(ids), 0).to_numpy(zero_copy_only=False)
    faults.flag(lengths > MAX_ID_BYTES, "terminal_id", "terminal_id_too_long", f"at most {MAX_ID_BYTES} bytes")
    octets = conversions.text_bytes(ids)
    if len(octets) and octets.min() < 32:
        controls = pc.fill_null(pc.match_substring_regex(ids, r"[\x00-\x1f]"), False).to_numpy(zero_copy_only=False)
        faults.flag(controls, "terminal_id", "terminal_id_unprintable", "no control characters in a terminal id")
    # INVARIANT: rows that are rejected may hold nulls until the table is filtered; kept rows never do.
    made["terminal_id"] = ids


def _time(columns: Mapping[str, Any], faults: Faults, made: dict[str, Any], time: TimeReading, source: str) -> None:
    ns, bad, naive = conversions.to_time(
        columns["observed_at"], unit=time.unit, assume_utc=time.assume_utc, file=source
    )
    faults.flag(
        naive, "observed_at", "time_without_zone", "add Z for UTC or an offset such as +02:00, or say --assume-utc"
    )
    faults.flag(bad, "observed_at", "time_unreadable", "write for instance 2026-02-01T00:00:00Z, or ns since 1970")
    faults.flag(is_null(ns), "observed_at", "time_missing", "every observation has its time")
    values = pc.fill_null(ns, 0).to_numpy(zero_copy_only=False)
    faults.flag(values < 0, "observed_at", "time_out_of_range", "an observation is made after 1970-01-01")
    if time.latest_ns is not None:
        faults.flag(values > time.latest_ns, "observed_at", "time_in_the_future", "look at the clock of the device")
    made["observed_at"] = ns


def _numbers(columns: Mapping[str, Any], faults: Faults, made: dict[str, Any]) -> None:
    for name, (low, high, advice) in _NUMBERS.items():
        given = name if name != "speed_m_s" or name in columns else "speed_km_h"
        if given not in columns:
            continue
        numbers, bad = conversions.to_float(columns[given])
        faults.flag(bad, given, "not_a_number", advice)
        values = numbers.to_numpy(zero_copy_only=False)
        faults.flag((values < low) | (values > high), given, "out_of_range", advice)
        if given == "speed_km_h":
            numbers = pc.divide(numbers, 3.6)
        elif name == "course_deg":
            numbers = pa.array(np.mod(values, 360.0), mask=np.isnan(values))
        made[name] = numbers.cast(OBSERVATION_SCHEMA.field(name).type, safe=False)
    lat, lon = made.get("lat_deg"), made.get("lon_deg")
    if lat is not None and lon is not None:
        no_lat, no_lon = is_null(lat), is_null(lon)
        faults.flag(no_lat & ~no_lon, "lat_deg", "half_a_position", "give latitude and longitude, or neither")
        faults.flag(no_lon & ~no_lat, "lon_deg", "half_a_position", "give latitude and longitude, or neither")
    elif lat is not None or lon is not None:
        name = "lat_deg" if lat is not None else "lon_deg"
        faults.flag(~is_null(made[name]), name, "half_a_position", "the source has only one of latitude and longitude")


def _cell(columns: Mapping[str, Any], faults: Faults, made: dict[str, Any]) -> None:
    if "h3_cell" not in columns:
        return
    cells, bad = conversions.to_cell(columns["h3_cell"])
    absent = is_null(cells)
    faults.flag(bad, "h3_cell", "not_an_h3_cell", "an H3 cell is 15 hexadecimal digits or its number")
    values = pc.fill_null(cells, 0).to_numpy(zero_copy_only=False).astype(np.uint64, copy=False)
    faults.flag(~absent & ~is_cell(values), "h3_cell", "not_an_h3_cell", "the number is not a cell of H3")
    made["h3_cell"] = cells


def _position_source(columns: Mapping[str, Any], faults: Faults, made: dict[str, Any], n: int) -> None:
    placed = ~is_null(made["lat_deg"]) if "lat_deg" in made and "lon_deg" in made else np.zeros(n, np.bool_)
    in_cell = ~is_null(made["h3_cell"]) if "h3_cell" in made else np.zeros(n, np.bool_)
    codes = np.where(placed, _CODES["gnss"], np.where(in_cell, _CODES["cell"], _CODES["none"]))
    if "position_source" in columns:
        text, bad = conversions.to_text(columns["position_source"])
        coded = pc.utf8_lower(text).dictionary_encode()
        known = np.array([_CODES.get(word, -1) for word in coded.dictionary.to_pylist()] + [-2], np.int64)
        stated = known[coded.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)]
        faults.flag(
            bad | (stated == -1), "position_source", "position_source_unknown", f"one of {', '.join(POSITION_SOURCES)}"
        )
        # Where there is no position at all, a stated source says nothing.
        codes = np.where((stated >= 0) & (placed | in_cell), stated, codes)
    made["position_source"] = pa.array(POSITION_SOURCES).take(pa.array(codes))


def _gnss_state(columns: Mapping[str, Any], faults: Faults, made: dict[str, Any]) -> None:
    if "gnss_state" not in columns:
        return
    text, bad = conversions.to_text(columns["gnss_state"])
    words = pc.utf8_lower(text)
    known = pc.fill_null(pc.is_in(words, value_set=_GNSS_TOLD), False).to_numpy(zero_copy_only=False)
    advice = f"one of {', '.join(_GNSS_TOLD.to_pylist())}; a terminal cannot tell that it is suspended"
    faults.flag(bad | (~is_null(words) & ~known), "gnss_state", "gnss_state_unknown", advice)
    made["gnss_state"] = words


def _simple(
    columns: Mapping[str, Any],
    faults: Faults,
    made: dict[str, Any],
    name: str,
    *,
    convert: Callable[[Any], tuple[Any, Mask]],
    advice: str,
) -> None:
    if name in columns:
        values, bad = convert(columns[name])
        faults.flag(bad, name, "wrong_type", advice)
        made[name] = values
