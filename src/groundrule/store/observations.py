"""Observation files to batches of observations, in bounded memory.

1. Every file is looked at first (kind, columns, footer), so that a file that cannot be read is named before any work.
2. Files are read in the given order, in batches; formats differ only in how a batch comes about.
3. Each batch is checked row by row (`observation_checks`); rejected rows travel beside the good ones.

Formats: Parquet, CSV (also gzipped), JSON lines, the operator's telemetry replies. A folder stands for the files in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from groundrule.errors import InputError
from groundrule.instant import NS_PER_S
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.store.observation_checks import TimeReading, check_observations
from groundrule.store.observation_columns import ColumnMap, check_targets, match_columns
from groundrule.store.raw import BLOCK_BYTES, MAX_LINE_BYTES, Limits, RawBatch, RawSource
from groundrule.store.raw_csv import CsvSource
from groundrule.store.raw_jsonl import JsonLinesSource
from groundrule.store.raw_parquet import ParquetSource
from groundrule.store.rejects import RejectCounts, Rejects, rejects_of
from groundrule.store.telemetry import TelemetrySource, looks_like_telemetry

_PARQUET = (".parquet", ".pq")
_CSV = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_JSON = (".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz", ".json.gz")
SUFFIXES = _PARQUET + _CSV + _JSON
BATCH_ROWS = 1_000_000


class MappedSource:
    """One file whose columns are matched to those of observations.

    Where every row names its own columns (JSON lines, telemetry), the first batch is matched as a file's header is, and
    columns that appear later are matched when they appear.

    Attributes:
        notes: what was assumed or ignored.
    """

    def __init__(self, raw: RawSource, explicit: Mapping[str, str], time: TimeReading) -> None:
        self._raw, self._explicit, self._time = raw, explicit, time
        self._seen: list[str] = []
        self._map: ColumnMap | None = None
        self._early = False
        self.notes: list[str] = []
        if raw.names is not None:
            self._match(raw.names)
        if isinstance(raw, ParquetSource):
            self._refuse_naive_times(raw)

    def read(self) -> Iterator[tuple[pa.Table, Rejects]]:
        """Read the file from its beginning."""
        fixed = self._map.source_of.values() if self._map is not None and self._raw.names is not None else None
        for batch in self._raw.batches(fixed):
            table, rejects = self._check(batch)
            self._early = self._early or _times_are_early(table)
            yield table, rejects
        if self._early and self._time.unit is None:
            self.notes.append(
                f"{self._raw.name}: times within an hour of 1970-01-01; numbers are ns unless --time-unit says so"
            )
        self.notes += getattr(self._raw, "notes", [])

    def _check(self, batch: RawBatch) -> tuple[pa.Table, Rejects]:
        new = [name for name in batch.columns if name not in self._seen]
        if self._raw.names is None and new:
            self._match([*self._seen, *new])
        if self._map is None or not len(batch.source_rows):
            return OBSERVATION_SCHEMA.empty_table(), batch.rejects
        absent = pa.nulls(len(batch.source_rows))
        given = {ours: batch.columns.get(theirs, absent) for ours, theirs in self._map.source_of.items()}
        table, rejects = check_observations(
            given, source=self._raw.name, source_rows=batch.source_rows, time=self._time
        )
        return table, rejects_of([batch.rejects.table, rejects.table])

    def _match(self, names: Sequence[str]) -> None:
        self._seen = list(names)
        self._map = match_columns(names, self._explicit, file=self._raw.name)
        self.notes = list(self._map.notes)

    def _refuse_naive_times(self, raw: ParquetSource) -> None:
        assert self._map is not None
        column = self._map.source_of["observed_at"]
        kind = raw.schema.field(column).type
        if pa.types.is_timestamp(kind) and kind.tz is None and not self._time.assume_utc:
            raise InputError(
                f"the times in column `{column}` of `{raw.name}` have no zone",
                help="if they are UTC, say so: --assume-utc",
                file=raw.name,
                field=column,
            )


def _times_are_early(table: pa.Table) -> bool:
    return table.num_rows > 0 and pc.max(table["observed_at"]).as_py() < 3_600 * NS_PER_S


@dataclass(slots=True)
class ObservationReader:
    """Iterates over (observations, rejected rows); made by `open_observations`.

    Attributes:
        sources: the files, in order.
        rows: observations handed out so far.
        counts: rejected rows so far, by reason.
        unreadable: files that could not be opened, with the reason; good files beside them are read.
    """

    sources: Sequence[MappedSource]
    rows: int = 0
    counts: RejectCounts = field(default_factory=RejectCounts)
    unreadable: Sequence[tuple[Path, InputError]] = ()

    def __iter__(self) -> Iterator[tuple[pa.Table, Rejects]]:
        for source in self.sources:
            for table, rejects in source.read():
                self.rows += table.num_rows
                self.counts.add(rejects)
                yield table, rejects

    @property
    def notes(self) -> list[str]:
        """What was assumed or ignored, for people; complete after the last batch."""
        return [note for source in self.sources for note in source.notes]


def open_observations(
    paths: Path | str | Iterable[Path | str],
    *,
    columns: Mapping[str, str] | None = None,
    batch_rows: int = BATCH_ROWS,
    assume_utc: bool = False,
    time_unit: str | None = None,
    latest_ns: int | None = None,
    max_line_bytes: int = MAX_LINE_BYTES,
    block_bytes: int = BLOCK_BYTES,
) -> ObservationReader:
    """Open files of observations.

    Args:
        paths: a file, a folder, or several; read in this order (a folder's files by name).
        columns: names in the files → our names (or `speed_km_h`); obvious names are found without.
        batch_rows: most observations per batch [> 0].
        assume_utc: take times without a zone as UTC.
        time_unit: unit of times given as numbers: ns (the default), us, ms, s.
        latest_ns: rows later than this are rejected [ns, UTC]; None accepts any time.
        max_line_bytes: longest line of a text file that is read.
        block_bytes: text files are read in blocks of this size.
    Returns:
        A reader: iterate over it for (table of OBSERVATION_SCHEMA, Rejects). `source_row` counts from 1: rows of a
        Parquet file, lines of a text file (the header is line 1), rows of a telemetry file's replies.
    Raises:
        InputError: no such file, or none of the files can be read: its format is not known, it is truncated, or its
            columns cannot be matched.
    """
    check_time_unit(time_unit)
    check_targets(columns or {})
    files = expand_paths(paths)
    names = [file.name for file in files]
    limits = Limits(batch_rows, max_line_bytes, block_bytes)
    time = TimeReading(time_unit, assume_utc, latest_ns)
    sources: list[MappedSource] = []
    unreadable: list[tuple[Path, InputError]] = []
    for file in files:
        name = file.name if names.count(file.name) == 1 else str(file)
        try:
            sources.append(MappedSource(open_source(file, name, limits), columns or {}, time))
        except InputError as error:
            unreadable.append((file, error))
    if not sources:
        raise unreadable[0][1]
    return ObservationReader(sources, unreadable=unreadable)


def check_time_unit(time_unit: str | None) -> None:
    """Refuse what is no unit of times given as numbers.

    Raises:
        InputError: it is none of ns, us, ms and s.
    """
    if time_unit is not None and time_unit not in ("ns", "us", "ms", "s"):
        raise InputError(f"`{time_unit}` is not a unit of time", help="one of ns, us, ms, s", value=time_unit)


def expand_paths(paths: Path | str | Iterable[Path | str]) -> list[Path]:
    """List the files that paths stand for.

    Raises:
        InputError: a path does not exist, or a folder holds no file of a known format.
    """
    given = [paths] if isinstance(paths, Path | str) else list(paths)
    files: list[Path] = []
    for path in map(Path, given):
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.is_file() and file.name.endswith(SUFFIXES))
            if not inside:
                raise InputError(
                    f"`{path}` holds no observations", help=f"files end in {', '.join(SUFFIXES)}", file=str(path)
                )
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            raise InputError(f"`{path}` does not exist", help="name a file or a folder of observations", file=str(path))
    if not files:
        raise InputError("no observations given", help="name at least one file")
    return files


def open_source(path: Path, name: str, limits: Limits) -> RawSource:
    """Open a file by the ending of its name; a JSON file that looks like telemetry is read as such.

    Raises:
        InputError: the ending is not known, or the file cannot be read.
    """
    lower = path.name.lower()
    if lower.endswith(_PARQUET):
        return ParquetSource(path, name, limits)
    if lower.endswith(_CSV):
        return CsvSource(path, name, limits)
    if lower.endswith(_JSON):
        return (
            TelemetrySource(path, name, limits) if looks_like_telemetry(path) else JsonLinesSource(path, name, limits)
        )
    raise InputError(f"`{path}` is of no known format", help=f"files end in {', '.join(SUFFIXES)}", file=str(path))
