"""Columns of any reasonable type to columns of one type, row by row, without stopping at a bad value.

Each function takes an Arrow array and returns the converted array (null where nothing was given) and a mask of the
rows whose value cannot be read. Whole columns are tried at once; only if that fails are good and bad rows separated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.errors import InputError

Mask = NDArray[np.bool_]
TIME_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_MISSING = pa.array(["", "nan", "null", "none", "na", "n/a"])
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_ZONED = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})$"
_NAIVE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?")


def plain(column: Any) -> Any:
    """Join chunks, decode dictionaries and long or view strings."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    return column


def is_null(column: Any) -> Mask:
    """Mask of missing values."""
    if not column.null_count:
        return np.zeros(len(column), np.bool_)
    return column.is_null().to_numpy(zero_copy_only=False)


def none_readable(column: Any, target: Any) -> tuple[Any, Mask]:
    """Every value given is of a kind that cannot be read."""
    return pa.nulls(len(column), target), ~is_null(column)


def to_float(column: Any) -> tuple[Any, Mask]:
    """Numbers as float64; not-a-number is missing, infinity is unreadable."""
    kind = column.type
    if pa.types.is_string(kind):
        column, bad = _numbers_from_text(column)
    elif pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        column, bad = column.cast(pa.float64(), safe=False), np.zeros(len(column), np.bool_)
    elif pa.types.is_null(kind):
        return pa.nulls(len(column), pa.float64()), np.zeros(len(column), np.bool_)
    else:
        return none_readable(column, pa.float64())
    values = column.to_numpy(zero_copy_only=False)
    finite = np.isfinite(values)
    if finite.all():
        return column, bad
    bad = bad | np.isinf(values)
    return pa.array(values, mask=~finite), bad


def _numbers_from_text(column: Any) -> tuple[Any, Mask]:
    none_bad = np.zeros(len(column), np.bool_)
    try:
        return column.cast(pa.float64()), none_bad
    except pa.ArrowInvalid:
        trimmed = pc.utf8_trim_whitespace(column)
    missing = pc.or_(pc.is_null(trimmed), pc.is_in(pc.utf8_lower(trimmed), value_set=_MISSING))
    readable = pc.fill_null(pc.match_substring_regex(trimmed, _NUMBER), False)
    numbers = pc.if_else(readable, trimmed, pa.scalar(None, pa.string())).cast(pa.float64())
    bad = pc.and_(pc.invert(readable), pc.invert(missing)).to_numpy(zero_copy_only=False)
    return numbers, bad


def to_text(column: Any, *, integers: bool = False) -> tuple[Any, Mask]:
    """Text without surrounding white space; the empty text is missing. Integers are taken as text if asked for."""
    kind = column.type
    if pa.types.is_null(kind):
        return pa.nulls(len(column), pa.string()), np.zeros(len(column), np.bool_)
    if integers and pa.types.is_integer(kind):
        return column.cast(pa.string()), np.zeros(len(column), np.bool_)
    if not pa.types.is_string(kind):
        return none_readable(column, pa.string())
    if _has_blanks(column):
        column = pc.utf8_trim_whitespace(column)
    lengths = pc.binary_length(column)
    if len(column) and pc.min(lengths).as_py() == 0:
        column = pc.if_else(pc.equal(lengths, 0), pa.scalar(None, pa.string()), column)
    return column, np.zeros(len(column), np.bool_)


def text_bytes(column: Any) -> NDArray[np.uint8]:
    """The bytes of all texts of a string array, one after the other."""
    _, offsets, data = column.buffers()
    if offsets is None or data is None or not len(column):
        return np.zeros(0, np.uint8)
    bounds = np.frombuffer(offsets, np.int32)[[column.offset, column.offset + len(column)]]
    return np.frombuffer(data, np.uint8)[bounds[0] : bounds[1]]


def _has_blanks(column: Any) -> bool:
    octets = text_bytes(column)
    # Bytes up to 32 are ASCII white space and controls; from 0x80 on there may be a Unicode space.
    return bool(len(octets) and (octets.min() <= 32 or octets.max() >= 128))


def to_time(
    column: Any, *, unit: str | None, assume_utc: bool, file: str, dates: bool = False
) -> tuple[Any, Mask, Mask]:
    """Instants [ns since 1970, UTC], the rows that cannot be read, and the rows that have no zone.

    Args:
        column: timestamps with a zone, integers, or text.
        unit: unit of integers and fractions: ns (the default), us, ms, s.
        assume_utc: take times without a zone as UTC.
        file: name for errors.
        dates: take a bare date as midnight UTC, as dates of contracts and laws are.
    Raises:
        InputError: the column's type has no zone and `assume_utc` is not set.
    """
    kind = column.type
    good = np.zeros(len(column), np.bool_)
    if pa.types.is_timestamp(kind):
        if kind.tz is None and not assume_utc:
            raise InputError(
                f"the times of `{file}` have no zone",
                help="write them with their zone" if dates else "if they are UTC, say so: --assume-utc",
                file=file,
                field="observed_at",
            )
        return *_scaled(column.cast(pa.int64()), TIME_UNITS[kind.unit]), good
    if pa.types.is_date(kind) and dates:
        return *_scaled(column.cast(pa.timestamp("s")).cast(pa.int64()), TIME_UNITS["s"]), good
    if pa.types.is_date(kind):
        raise InputError(
            f"`{file}` has dates where instants are needed",
            help="give the time of day, with its zone",
            file=file,
            field="observed_at",
        )
    if pa.types.is_uint64(kind):
        column, over = _narrowed(column)
        ns, bad = _scaled(column, TIME_UNITS[unit or "ns"])
        return ns, bad | over, good
    if pa.types.is_integer(kind):
        return *_scaled(column.cast(pa.int64()), TIME_UNITS[unit or "ns"]), good
    if pa.types.is_floating(kind) and unit is not None:
        scaled = column.to_numpy(zero_copy_only=False).astype(np.float64) * TIME_UNITS[unit]
        ok = np.abs(scaled) < 9.2e18
        absent = np.isnan(scaled)
        ns = np.where(ok, scaled, 0).astype(np.int64)
        return pa.array(ns, mask=~ok), ~ok & ~absent, good
    if pa.types.is_string(kind):
        return _times_from_text(column, unit, assume_utc, dates)
    return *none_readable(column, pa.int64()), good


def _narrowed(column: Any) -> tuple[Any, Mask]:
    over = pc.fill_null(pc.greater(column, pa.scalar(2**63 - 1, pa.uint64())), False)
    return pc.if_else(over, pa.scalar(None, pa.uint64()), column).cast(pa.int64()), over.to_numpy(zero_copy_only=False)


def _scaled(column: Any, factor: int) -> tuple[Any, Mask]:
    """Multiply integers, flagging those that leave int64."""
    absent = is_null(column)
    values = pc.fill_null(column, 0).to_numpy(zero_copy_only=False) if column.null_count else column.to_numpy()
    if factor == 1:
        return column, np.zeros(len(values), np.bool_)
    limit = (2**63 - 1) // factor
    bad = (values > limit) | (values < -limit)
    return pa.array(np.where(bad, 0, values) * np.int64(factor), mask=absent | bad), bad


def _times_from_text(column: Any, unit: str | None, assume_utc: bool, dates: bool) -> tuple[Any, Mask, Mask]:
    instant = pa.timestamp("ns", "UTC")
    none = np.zeros(len(column), np.bool_)
    try:
        return column.cast(instant).cast(pa.int64()), none, none
    except pa.ArrowInvalid:
        text = pc.utf8_trim_whitespace(column)
    try:
        return *_scaled(text.cast(pa.int64()), TIME_UNITS[unit or "ns"]), none
    except pa.ArrowInvalid:
        pass  # a mixture, or something that is no time
    values = np.zeros(len(column), np.int64)
    done = np.zeros(len(column), np.bool_)
    naive = np.zeros(len(column), np.bool_)
    absent = pc.fill_null(pc.equal(pc.binary_length(text), 0), True).to_numpy(zero_copy_only=False)
    zoned = pc.fill_null(pc.match_substring_regex(text, _ZONED), False).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(zoned)
    try:
        values[rows] = text.take(pa.array(rows)).cast(instant).cast(pa.int64()).to_numpy()
        done[rows] = True
        rest = np.flatnonzero(~zoned & ~absent)
    except pa.ArrowInvalid:  # the right shape but no such day, or out of range: one by one
        rest = np.flatnonzero(~absent)
    factor = TIME_UNITS[unit or "ns"]
    for row, written in zip(rest, text.take(pa.array(rest)).to_pylist(), strict=True):
        if re.fullmatch(r"-?\d{1,19}", written):
            number = int(written) * factor
            if abs(number) < 2**63:
                values[row], done[row] = number, True
            continue
        if unit is not None and re.fullmatch(r"-?\d{1,19}\.\d+", written):
            whole, fraction = written.split(".")
            number = int(whole) * factor + int(fraction[:9].ljust(9, "0")) * factor // 10**9 * (
                -1 if whole.startswith("-") else 1
            )
            if abs(number) < 2**63:
                values[row], done[row] = number, True
            continue
        if _NAIVE.fullmatch(written):
            naive[row] = True
            if not (dates if len(written) == 10 else assume_utc):
                continue
            written += "T00:00Z" if len(written) == 10 else "Z"  # noqa: PLW2901 - with the zone that is meant
        try:
            values[row] = pa.scalar(written).cast(instant).cast(pa.int64()).as_py()
            done[row] = True
        except pa.ArrowInvalid:
            continue
    naive &= ~done
    return pa.array(values, mask=~done), ~done & ~absent & ~naive, naive


def to_bool(column: Any) -> tuple[Any, Mask]:
    """True and false, also as 1 and 0 and in words."""
    kind = column.type
    if pa.types.is_boolean(kind):
        return column, np.zeros(len(column), np.bool_)
    if pa.types.is_null(kind):
        return pa.nulls(len(column), pa.bool_()), np.zeros(len(column), np.bool_)
    if pa.types.is_integer(kind):
        return by_distinct(column, pa.bool_(), lambda value: bool(value) if value in (0, 1) else _UNREADABLE)
    if pa.types.is_string(kind):
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": None, "null": None}
        return by_distinct(column, pa.bool_(), lambda value: words.get(value.strip().casefold(), _UNREADABLE))
    return none_readable(column, pa.bool_())


def to_cell(column: Any) -> tuple[Any, Mask]:
    """H3 indexes as uint64, not asking whether they are cells.

    Text of 15 or 16 digits is hexadecimal, of 17 to 19 decimal; cells have 15 in the one form and 18 in the other.
    """
    kind = column.type
    if pa.types.is_null(kind):
        return pa.nulls(len(column), pa.uint64()), np.zeros(len(column), np.bool_)
    if pa.types.is_integer(kind):
        if pa.types.is_uint64(kind):
            return column, np.zeros(len(column), np.bool_)
        wide = column.cast(pa.int64())
        bad = pc.fill_null(pc.less(wide, 0), False).to_numpy(zero_copy_only=False)
        return pc.if_else(pa.array(~bad), wide, pa.scalar(None, pa.int64())).cast(pa.uint64()), bad
    if pa.types.is_string(kind):
        return by_distinct(column, pa.uint64(), _cell_from_text)
    return none_readable(column, pa.uint64())


def _cell_from_text(text: str) -> Any:
    written = text.strip().casefold().removeprefix("0x")
    if not written:
        return None
    if re.fullmatch(r"[0-9a-f]{15,16}", written):
        return int(written, 16)
    if re.fullmatch(r"[0-9]{17,19}", written):
        return int(written)
    return _UNREADABLE


def to_alerts(column: Any) -> tuple[Any, Mask]:
    """Lists of alert codes; text is `60;93` or `[60, 93]`. Unknown codes are kept."""
    target = pa.list_(pa.int32())
    kind = column.type
    if pa.types.is_null(kind):
        return pa.nulls(len(column), target), np.zeros(len(column), np.bool_)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        try:
            return column.cast(target), np.zeros(len(column), np.bool_)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            column = pa.array([None if row is None else json.dumps(row) for row in column.to_pylist()], pa.string())
            kind = column.type
    if pa.types.is_integer(kind):
        column = column.cast(pa.string())
    elif not pa.types.is_string(kind):
        return none_readable(column, target)
    return by_distinct(column, target, _alerts_from_text)


def _alerts_from_text(text: str) -> Any:
    if text.strip().casefold() in ("", "null"):
        return None
    stripped = text.strip().strip("[]")
    parts = [part.strip().strip("\"'") for part in re.split(r"[;,|\s]+", stripped) if part.strip()]
    if all(re.fullmatch(r"-?\d{1,9}", part) for part in parts):
        return [int(part) for part in parts]
    return _UNREADABLE


class _Unreadable:
    pass


_UNREADABLE = _Unreadable()


def by_distinct(column: Any, target: Any, read: Callable[[Any], Any]) -> tuple[Any, Mask]:
    """Read each distinct value once."""
    coded = column.dictionary_encode()
    answers = [read(value) for value in coded.dictionary.to_pylist()]
    codes = coded.indices.fill_null(len(answers)).to_numpy(zero_copy_only=False)
    unreadable = np.array([isinstance(answer, _Unreadable) for answer in answers] + [False], np.bool_)
    values = pa.array([None if isinstance(answer, _Unreadable) else answer for answer in answers] + [None], target)
    return values.take(pa.array(codes)), unreadable[codes]
