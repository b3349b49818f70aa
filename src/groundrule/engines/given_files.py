"""Files of observations that are given to be decided: read by the reader of every command, and cut into slices on a worker."""

from __future__ import annotations

import io
import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from groundrule.engines.slices import GIVEN, REJECTED, REPORT, HistoryFile, Slice, cut_table
from groundrule.errors import InputError, StoreError
from groundrule.records import without_silent
from groundrule.store.observation_checks import TimeReading
from groundrule.store.observations import MappedSource, open_source
from groundrule.store.raw import Limits
from groundrule.store.rejects import RejectCounts

BATCH_ROWS = 250_000
"""Rows that are read at a time."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How given files are read; see `store.observations.open_observations`.

    Attributes:
        columns: names in the files → our names.
        assume_utc: take times without a zone as UTC.
        time_unit: unit of times given as numbers, or None.
        latest_ns: rows later than this are rejected [ns, UTC].
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    assume_utc: bool = False
    time_unit: str | None = None
    latest_ns: int | None = None

    def described(self) -> dict[str, Any]:
        """Return it as canonical JSON content."""
        latest = None if self.latest_ns is None else str(self.latest_ns)
        return {"columns": dict(self.columns), "assume_utc": self.assume_utc, "time_unit": self.time_unit, "latest_ns": latest}


class Report(msgspec.Struct, frozen=True):
    """What became of a given file.

    Attributes:
        name: of the file.
        rows: that can be used.
        rejected: rows by reason.
        notes: what was assumed or ignored.
        unreadable: why nothing of it can be read, or None.
    """

    name: str
    rows: int = 0
    rejected: dict[str, int] = {}
    notes: list[str] = []
    unreadable: str | None = None


def given_files(files: list[Path], batch: int) -> list[HistoryFile]:
    """Return files as they are read on workers; those of one name are told apart by their path."""
    names = [file.name for file in files]
    return [
        HistoryFile(
            GIVEN, batch, False, number, str(file.resolve()), file.stat().st_size, file.name if names.count(file.name) == 1 else str(file)
        )
        for number, file in enumerate(files)
    ]


def cut_given(file: HistoryFile, buckets: int, reading: Reading) -> Iterator[Slice]:
    """Yield the observations of a file by bucket, the rows that cannot be used, and a report.

    Raises:
        StoreError: the file is not on this machine.
        InputError: it breaks off.
    """
    path = Path(file.path)
    if not path.exists():
        raise StoreError(
            f"`{path}` is not on the machine `{platform.node()}`",
            help="every worker has to see the observations under the same path, for instance on a shared file system",
        )
    home = file.number % buckets
    try:
        time = TimeReading(reading.time_unit, reading.assume_utc, reading.latest_ns)
        source = MappedSource(open_source(path, file.name, Limits(batch_rows=BATCH_ROWS)), reading.columns, time)
    except InputError as error:
        yield _slice(REPORT, file, home, msgspec.json.encode(Report(file.name, unreadable=str(error))))
        return
    counts, rows = RejectCounts(), 0
    for table, rejects in source.read():
        rows += len(table)
        counts.add(rejects)
        if len(rejects):
            sink = io.BytesIO()
            rejects.write_jsonl(sink)
            yield _slice(REJECTED, file, home, sink.getvalue())
        if len(table):
            yield from cut_table(without_silent(table), file, buckets)
    report = Report(file.name, rows, dict(counts.by_reason), list(source.notes))
    yield _slice(REPORT, file, home, msgspec.json.encode(report))


def reports_of(slices: list[Slice]) -> list[Report]:
    """Return the reports among slices, by name."""
    return sorted((msgspec.json.decode(each.data, type=Report) for each in slices if each.kind == REPORT), key=lambda each: each.name)


def rejected_lines(slices: list[Slice]) -> list[bytes]:
    """Return rejected rows among slices as JSON lines, in order of their files and rows."""
    lines = [line for each in slices if each.kind == REJECTED for line in each.data.splitlines()]
    return sorted(lines, key=lambda line: _place(json.loads(line)))


def _place(row: dict[str, Any]) -> tuple[str, int]:
    return row["source"], row["source_row"]


def _slice(kind: str, file: HistoryFile, bucket: int, data: bytes) -> Slice:
    return Slice(bucket, kind, file.run, False, file.number, data)
