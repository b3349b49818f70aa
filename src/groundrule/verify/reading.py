"""Reading: measurements and claims from Parquet, CSV or JSON lines.

CSV is read as text and JSON as it comes; `measurements.clean` turns text into numbers and times, row by row, so that one bad
cell costs one row.
"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from groundrule.errors import InputError

SUFFIXES = (".parquet", ".csv", ".jsonl", ".ndjson", ".json")
MAX_BYTES = 4 * 2**30
"""Largest file of text: more is a slip, and Parquet is read without such a bound."""


def read_measurements(path: Path) -> pa.Table:
    """Read a file of measurements.

    Raises:
        InputError: the suffix is none of `SUFFIXES`, or the file is not what its suffix says; the message names the line.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: measurements are not read from `{suffix or path.name}`", help="give " + ", ".join(SUFFIXES))
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is not there"
        raise InputError(f"{path}: {what}", help="name a file of measurements: " + ", ".join(SUFFIXES), file=str(path))
    try:
        if suffix == ".parquet":
            return pq.ParquetFile(path).read()
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: the file has more than {MAX_BYTES:,} bytes", help="give it as Parquet, or in pieces")
        return _csv(path) if suffix == ".csv" else _json_lines(path)
    except pa.ArrowException as error:
        raise InputError(f"{path}: cannot be read: {str(error).splitlines()[0]}", help="give Parquet, CSV or JSON lines") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text", help="write it in UTF-8") from error


def _csv(path: Path) -> pa.Table:
    with path.open("rb") as file:
        head = file.readline(1 << 20).decode("utf-8-sig").strip()
    if not head:
        raise InputError(f"{path}: line 1 is empty", help="the first line names the columns")
    names = [name.strip().strip('"') for name in head.split(",")]
    return pa_csv.read_csv(
        path,
        read_options=pa_csv.ReadOptions(column_names=names, skip_rows=1),
        convert_options=pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]),
    )


def _json_lines(path: Path) -> pa.Table:
    rows = []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line, parse_constant=str)
            except (json.JSONDecodeError, RecursionError) as error:
                raise InputError(f"{path}:{number}: not JSON", help="one object on each line", line=number) from error
            if not isinstance(row, dict):
                raise InputError(f"{path}:{number}: not an object", help="one object on each line", line=number)
            rows.append({key: None if value is None else _text(value) for key, value in row.items()})
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: pa.array([row.get(name) for row in rows], pa.string()) for name in names})


def _text(value: object) -> str:
    """A JSON value as CSV would hold it."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
