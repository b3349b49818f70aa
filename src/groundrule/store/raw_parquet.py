"""Columns of a Parquet file, one batch of rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from groundrule.errors import InputError
from groundrule.store.raw import Limits, RawBatch


class ParquetSource:
    """A Parquet file whose footer has been read.

    Raises:
        InputError: not Parquet, or truncated.
    """

    def __init__(self, path: Path, name: str, limits: Limits) -> None:
        self.name, self._path, self._limits = name, path, limits
        try:
            with pq.ParquetFile(path) as file:
                self.schema: pa.Schema = file.schema_arrow
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _damaged(path, error) from error

    @property
    def names(self) -> Sequence[str]:
        """Names of the top-level columns."""
        return list(self.schema.names)

    def batches(self, wanted: Iterable[str] | None = None) -> Iterator[RawBatch]:
        """Read the wanted columns from the beginning.

        Raises:
            InputError: the bytes of a row group are damaged; the context carries the number of rows before it.
        """
        columns = list(self.names) if wanted is None else sorted(set(wanted))
        first = 1
        try:
            with pq.ParquetFile(self._path, memory_map=True, page_checksum_verification=True) as file:
                for batch in file.iter_batches(self._limits.batch_rows, columns=columns):
                    batch.validate(full=True)  # the reader takes any bytes for text; what reads the text does not
                    rows = np.arange(first, first + batch.num_rows, dtype=np.int64)
                    yield RawBatch(dict(zip(batch.schema.names, batch.columns, strict=True)), rows)
                    first += batch.num_rows
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _damaged(self._path, error, rows_read=first - 1) from error


def _damaged(path: Path, error: Exception, *, rows_read: int = 0) -> InputError:
    said = str(error).split("\n", maxsplit=1)[0].rstrip(".")[:160]
    return InputError(
        f"`{path}` is not a whole Parquet file: {said}",
        help="fetch or write the file again",
        file=str(path),
        rows_read=rows_read,
    )
