"""Observations from a Parquet file, one batch of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from groundrule.errors import InputError
from groundrule.store.observation_checks import check_observations
from groundrule.store.observation_columns import match_columns
from groundrule.store.rejects import Rejects
from groundrule.store.sources import ReadOptions


class ParquetObservations:
    """A Parquet file whose footer has been read and whose columns are matched.

    Raises:
        InputError: not Parquet, truncated, or columns that cannot be matched.
    """

    def __init__(self, path: Path, name: str, options: ReadOptions) -> None:
        self._path, self._name, self._options = path, name, options
        try:
            with pq.ParquetFile(path) as file:
                schema = file.schema_arrow
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from error
        self._map = match_columns(schema.names, options.columns, file=name)
        kind = schema.field(self._map.source_of["observed_at"]).type
        if pa.types.is_timestamp(kind) and kind.tz is None and not options.time.assume_utc:
            raise InputError(f"the times of `{name}` have no zone", help="if they are UTC, say so: --assume-utc", file=name,
                             field=self._map.source_of["observed_at"])
        self.notes = list(self._map.notes)

    def batches(self) -> Iterator[tuple[pa.Table, Rejects]]:
        """Read the file from its beginning.

        Raises:
            InputError: the bytes of a row group are damaged; the context carries the rows read before it.
        """
        source_of = self._map.source_of
        first = 1
        try:
            with pq.ParquetFile(self._path, memory_map=True) as file:
                for batch in file.iter_batches(self._options.batch_rows, columns=sorted(set(source_of.values()))):
                    given = {ours: batch.column(theirs) for ours, theirs in source_of.items()}
                    rows = np.arange(first, first + batch.num_rows, dtype=np.int64)
                    first += batch.num_rows
                    yield check_observations(given, source=self._name, source_rows=rows, time=self._options.time)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(self._path, error, rows_read=first - 1) from error


def _damaged(path: Path, error: Exception, *, rows_read: int = 0) -> InputError:
    said = str(error).split("\n", maxsplit=1)[0].rstrip(".")[:160]
    return InputError(f"`{path}` is not a whole Parquet file: {said}", help="fetch or write the file again", file=str(path),
                      rows_read=rows_read)
