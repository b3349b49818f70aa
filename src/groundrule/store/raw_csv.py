"""Columns of a CSV file as text.

RFC 4180 with one restriction: a value in quotes does not hold a line end. A quote that is never closed therefore spoils
its own line and no other. The separator (comma, semicolon, tab) is the one that the header uses.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from groundrule.errors import InputError
from groundrule.store.lines import LineBlock, line_blocks
from groundrule.store.raw import Limits, RawBatch
from groundrule.store.rejects import Rejects, one_reject, reject_table


class CsvSource:
    """A CSV file whose header has been read.

    Raises:
        InputError: the file is empty, or two of its columns have one name.
    """

    def __init__(self, path: Path, name: str, limits: Limits) -> None:
        self.name, self._path, self._limits = name, path, limits
        # A small first block: the header is near.
        for block in line_blocks(path, name, Limits(limits.batch_rows, limits.line_bytes, 1 << 16)):
            if len(block.numbers):
                header = block.line(0).decode("utf-8")
                self._header_number = int(block.numbers[0])
                break
        else:
            raise InputError(f"`{path}` is empty", help="the first line names the columns", file=str(path))
        self._separator = max(",;\t", key=header.count)
        self._names = [column.strip() for column in next(csv.reader([header], delimiter=self._separator))]
        for column, count in Counter(self._names).items():
            if count > 1:
                raise InputError(
                    f"`{path}` has {count} columns `{column}`",
                    help="give every column its own name",
                    file=str(path),
                    line=self._header_number,
                )

    @property
    def names(self) -> Sequence[str]:
        """Names of the header."""
        return self._names

    def batches(self, wanted: Iterable[str] | None = None) -> Iterator[RawBatch]:  # noqa: ARG002 - all are split anyway
        """Read the lines after the header."""
        for block in line_blocks(self._path, self.name, self._limits):
            rejects = list(block.rejects)
            rows = np.flatnonzero(block.numbers > self._header_number)
            rows = rows[self._balanced(block, rows, rejects)]
            table, numbers = self._parse(block, rows, rejects)
            parts = range(0, max(len(numbers), 1), self._limits.batch_rows)
            for low in parts:
                high = low + self._limits.batch_rows
                columns = {column: table[column].slice(low, high - low) for column in self._names}
                bad = Rejects(reject_table(rejects)) if low == 0 else Rejects()
                if len(numbers) or len(bad):
                    yield RawBatch(columns, numbers[low:high], bad)

    def _balanced(self, block: LineBlock, rows: NDArray[np.int64], rejects: list[dict[str, Any]]) -> NDArray[np.bool_]:
        """Which lines have all their quotes closed."""
        fine = np.ones(len(rows), np.bool_)
        if b'"' not in block.data:
            return fine
        for k, row in enumerate(rows):
            line = block.line(row)
            if line.count(b'"') % 2:
                fine[k] = False
                rejects.append(
                    one_reject(
                        self.name,
                        int(block.numbers[row]),
                        reason="quote_not_closed",
                        value=line.decode()[:200],
                        content=line.decode(),
                        help="close the quote on the same line",
                    )
                )
        return fine

    def _parse(
        self, block: LineBlock, rows: NDArray[np.int64], rejects: list[dict[str, Any]]
    ) -> tuple[pa.Table, NDArray[np.int64]]:
        types = {column: pa.string() for column in self._names}
        if not len(rows):
            return pa.table({column: pa.array([], pa.string()) for column in self._names}), np.zeros(0, np.int64)
        data = b"\n".join([block.line(row) for row in rows]) + b"\n"
        dropped: list[int] = []

        def on_invalid(row: Any) -> str:
            place = row.number - 1
            dropped.append(place)
            rejects.append(
                one_reject(
                    self.name,
                    int(block.numbers[rows[place]]),
                    reason="wrong_number_of_fields",
                    value=f"{row.actual_columns} fields",
                    content=row.text,
                    help=f"the header has {row.expected_columns}",
                )
            )
            return "skip"

        table = pa_csv.read_csv(
            io.BytesIO(data),
            pa_csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=self._names),
            pa_csv.ParseOptions(delimiter=self._separator, invalid_row_handler=on_invalid, ignore_empty_lines=False),
            pa_csv.ConvertOptions(column_types=types, strings_can_be_null=False, check_utf8=False),
        )
        kept = np.delete(rows, dropped) if dropped else rows
        return table, block.numbers[kept]
