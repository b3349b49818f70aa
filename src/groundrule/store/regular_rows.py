"""Few observations that are as they should be, read value by value: with one row that costs a fraction of what columns do.

What is read here is read by `observation_checks` to the same table; a test holds the two against each other. Whatever is not
plainly right (another spelling of a time, a value out of its range, a field that is rarely sent) is not read here at all: it is left
to the columns, which can say what is wrong with it, or put it right.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundrule.instant import NS_PER_S
from groundrule.records import OBSERVATION_SCHEMA, POSITION_SOURCES

MOST: Final = 64
"""Rows that are read so; with more, columns cost less."""
_TIME: Final = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?Z", re.ASCII)
_LARGE: Final = 1e9
"""Beyond it a number is no plain measurement, whatever its unit."""

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Positive = Annotated[float, msgspec.Meta(ge=0, le=_LARGE)]


class RegularRow(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One observation as JSON; `records.OBSERVATION_SCHEMA` says what the fields mean.

    Attributes:
        observed_ns: its time, once it was read [ns, UTC].
    """

    terminal_id: _Id
    observed_at: str | Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]
    lat_deg: Annotated[float, msgspec.Meta(ge=-90, le=90)] | None = None
    lon_deg: Annotated[float, msgspec.Meta(ge=-180, le=180)] | None = None
    position_sigma_m: _Positive | None = None
    position_source: Literal["gnss", "network", "fused", "cell", "none"] | None = None
    alt_m: Annotated[float, msgspec.Meta(ge=-_LARGE, le=_LARGE)] | None = None
    alt_datum: _Text | None = None
    speed_m_s: _Positive | None = None
    course_deg: Annotated[float, msgspec.Meta(ge=0, lt=360)] | None = None
    country_reported: _Text | None = None
    software_version: _Text | None = None

    @property
    def plain(self) -> bool:
        """Is nothing to be trimmed, and is a position whole?"""
        if (self.lat_deg is None) != (self.lon_deg is None) or " " in self.terminal_id or not _printed(self.terminal_id):
            return False
        texts = (self.alt_datum, self.country_reported, self.software_version)
        return texts == _NO_TEXTS or all(each is None or (_printed(each) and each == each.strip()) for each in texts)


class _Rows(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    rows: Annotated[list[RegularRow], msgspec.Meta(min_length=1, max_length=MOST)]


_NO_TEXTS: Final = (None, None, None)
_DECODER: Final = msgspec.json.Decoder(_Rows)


@dataclass(frozen=True, slots=True)
class Regular:
    """Observations that were read.

    Attributes:
        rows: as they came.
        observed_ns: their times [ns, UTC].
    """

    rows: list[RegularRow]
    observed_ns: list[int]

    def __len__(self) -> int:
        return len(self.rows)


def read_regular(body: bytes) -> Regular | None:
    """Read `{"rows": [...]}`; None where not everything is plainly right, and columns have to say what it is."""
    try:
        rows = _DECODER.decode(body).rows
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    times = []
    for row in rows:
        at = row.observed_at
        ns = _instant(at) if isinstance(at, str) else at
        if ns is None or not row.plain:
            return None
        times.append(ns)
    return Regular(rows, times)


@dataclass(frozen=True, slots=True)
class Measured:
    """What the judge reads of observations, in columns of one length.

    Attributes:
        observed_at: [ns, UTC].
        lat_deg, lon_deg: as reported [degree; NaN if absent].
        sigma_m: as reported [m; NaN if absent].
        source: index into POSITION_SOURCES (uint8).
        cell: reported H3 cell, 0 for none; None where no row has one.
        speed_m_s: as reported [m/s; NaN if absent].
        alt_m: as reported [m; NaN if absent]; None where nobody asks for it.
    """

    observed_at: NDArray[np.int64]
    lat_deg: NDArray[np.float64]
    lon_deg: NDArray[np.float64]
    sigma_m: NDArray[np.float32]
    source: NDArray[np.uint8]
    cell: NDArray[np.uint64] | None
    speed_m_s: NDArray[np.float32]
    alt_m: NDArray[np.float32] | None


_NAN: Final = float("nan")
_SOURCE: Final = {word: code for code, word in enumerate(POSITION_SOURCES)}
_NONE, _GNSS = _SOURCE["none"], _SOURCE["gnss"]
_WORDS: Final = pa.array(POSITION_SOURCES)
_FLOATS: Final = ("lat_deg", "lon_deg", "position_sigma_m", "alt_m", "speed_m_s", "course_deg")
_TEXTS: Final = ("alt_datum", "country_reported", "software_version")


def columns_of(parts: Sequence[Regular], sources: Sequence[str]) -> tuple[pa.Table, Measured]:
    """Return observations as a table of OBSERVATION_SCHEMA, as `check_observations` makes it, and what the judge reads of them.

    Args:
        parts: what was read, one after the other.
        sources: where each part comes from.
    """
    rows = [row for part in parts for row in part.rows]
    n = len(rows)
    observed = np.array([at for part in parts for at in part.observed_ns], np.int64)
    observed.flags.writeable = False
    made: dict[str, Any] = {"terminal_id": pa.array([row.terminal_id for row in rows], _TEXT), "observed_at": pa.array(observed)}
    floats: dict[str, NDArray[Any]] = {}
    for name in _FLOATS:
        given = [getattr(row, name) for row in rows]
        absent = given.count(None)
        kind = _KINDS[name]
        if absent == n:
            floats[name] = np.full(n, np.nan, kind)
            continue
        values = np.array([_NAN if each is None else each for each in given] if absent else given, np.float64)
        values = values if kind == np.float64 else values.astype(np.float32)
        # Columns without gaps come from Arrow read-only; compiled functions are compiled for one or the other.
        values.flags.writeable = bool(absent)
        floats[name] = values
        made[name] = pa.array(values, mask=np.isnan(values)) if absent else pa.array(values)
    source = np.array([_source_of(row) for row in rows], np.uint8)
    made["position_source"] = pa.array([POSITION_SOURCES[code] for code in source.tolist()], _TEXT)
    for name in _TEXTS:
        texts = [getattr(row, name) for row in rows]
        if texts.count(None) < n:
            made[name] = pa.array(texts, _TEXT)
    made["source"] = pa.array([said for said, part in zip(sources, parts, strict=True) for _ in part.rows], _TEXT)
    made["source_row"] = pa.array([place for part in parts for place in range(len(part.rows))], pa.int64())
    nulls = _nulls(n) if n <= 4 * MOST else _nulls.__wrapped__(n)
    arrays = [made[name] if name in made else nulls[name] for name in _NAMES]
    measured = Measured(
        observed, floats["lat_deg"], floats["lon_deg"], floats["position_sigma_m"], source, None, floats["speed_m_s"], floats["alt_m"]
    )
    return pa.Table.from_arrays(arrays, schema=OBSERVATION_SCHEMA), measured


_TEXT: Final = pa.string()
_NAMES: Final = tuple(OBSERVATION_SCHEMA.names)
_KINDS: Final = {name: np.dtype(OBSERVATION_SCHEMA.field(name).type.to_pandas_dtype()) for name in _FLOATS}


@lru_cache(maxsize=4 * MOST)
def _nulls(n: int) -> dict[str, Any]:
    """Columns of which nothing is known."""
    return {field.name: pa.nulls(n, field.type) for field in OBSERVATION_SCHEMA}


def _source_of(row: RegularRow) -> int:
    """Where the position comes from; without a position a stated source says nothing."""
    if row.lat_deg is None:
        return _NONE
    return _GNSS if row.position_source is None else _SOURCE[row.position_source]


def _printed(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _instant(text: str) -> int | None:
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    second = _second(found[1])
    fraction = found[2]
    if second is None or fraction is None:
        return None if second is None else second * NS_PER_S
    return second * NS_PER_S + int(fraction) * 10 ** (9 - len(fraction))


@lru_cache(maxsize=4_096)
def _second(text: str) -> int | None:
    """Seconds since 1970 of a time of day in UTC; None for what is no time, or lies outside of 1970 to 2200."""
    try:
        at = datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(at.timestamp()) if 1970 <= at.year <= 2200 else None
