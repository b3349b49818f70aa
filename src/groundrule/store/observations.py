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

from groundrule.errors import InputError
from groundrule.store.observation_checks import TimeReading
from groundrule.store.observation_columns import check_targets
from groundrule.store.read_parquet import ParquetObservations
from groundrule.store.rejects import RejectCounts, Rejects
from groundrule.store.sources import Observations, ReadOptions

SUFFIXES = (".parquet", ".pq", ".csv", ".csv.gz", ".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz", ".json.gz")
BATCH_ROWS = 1_000_000


@dataclass(slots=True)
class ObservationReader:
    """Iterates over (observations, rejected rows); made by `open_observations`.

    Attributes:
        sources: the files, in order.
        rows: observations handed out so far.
        counts: rejected rows so far, by reason.
    """

    sources: Sequence[Observations]
    rows: int = 0
    counts: RejectCounts = field(default_factory=RejectCounts)

    def __iter__(self) -> Iterator[tuple[pa.Table, Rejects]]:
        for source in self.sources:
            for table, rejects in source.batches():
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
) -> ObservationReader:
    """Open files of observations.

    Args:
        paths: a file, a folder, or several; read in this order (a folder's files by name).
        columns: names in the files → our names (or `speed_km_h`); obvious names are found without.
        batch_rows: most observations per batch [> 0].
        assume_utc: take times without a zone as UTC.
        time_unit: unit of times given as numbers: ns (the default), us, ms, s.
    Returns:
        A reader: iterate over it for (table of OBSERVATION_SCHEMA, Rejects). `source_row` counts from 1: rows of a
        Parquet file, lines of a text file (the header is line 1), rows of a telemetry file's replies.
    Raises:
        InputError: no such file, no such format, a truncated Parquet file, or columns that cannot be matched.
    """
    if time_unit is not None and time_unit not in ("ns", "us", "ms", "s"):
        raise InputError(f"`{time_unit}` is not a unit of time", help="one of ns, us, ms, s", value=time_unit)
    check_targets(columns or {})
    files = expand_paths(paths)
    names = [file.name for file in files]
    options = ReadOptions(columns or {}, batch_rows, TimeReading(time_unit, assume_utc))
    sources = [
        _open_one(file, file.name if names.count(file.name) == 1 else str(file), options) for file in files
    ]
    return ObservationReader(sources)


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
                raise InputError(f"`{path}` holds no observations", help=f"files end in {', '.join(SUFFIXES)}", file=str(path))
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            raise InputError(f"`{path}` does not exist", help="name a file or a folder of observations", file=str(path))
    if not files:
        raise InputError("no observations given", help="name at least one file")
    return files


def _open_one(path: Path, name: str, options: ReadOptions) -> Observations:
    lower = path.name.lower()
    if lower.endswith((".parquet", ".pq")):
        return ParquetObservations(path, name, options)
    raise InputError(f"`{path}` is of no known format", help=f"files end in {', '.join(SUFFIXES)}", file=str(path))
