"""What a home keeps of what was observed and decided: how much, of when, what was erased, and for how long it is kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from groundrule.errors import IntegrityError
from groundrule.instant import NS_PER_S
from groundrule.store.erasing_places import FINDINGS, RAW, REJECTED, history_paths
from groundrule.store.erasures import KINDS, Erasure, erasures
from groundrule.store.history import marks_of
from groundrule.store.home import Home
from groundrule.store.leaving import leaving
from groundrule.store.places import Place, parquet_source, size_of
from groundrule.store.retention import AGES, CLASSES, read_retention
from groundrule.store.segments import segments_of

SMALL_BYTES: Final = 1 << 20
"""A file below this is small: a reader pays for opening it more than for what is in it [bytes]."""


@dataclass(slots=True)
class Kept:
    """One kind of what is kept.

    Attributes:
        kind: for instance `observations`.
        files, small: how many, and how many below SMALL_BYTES.
        bytes: their length [bytes].
        rows: in them; None where nobody counts them.
        first, last: first and last day (`YYYY-MM-DD`, UTC); None where there is none.
        runs: runs that have rows; None where they are of no run.
        erased: rows that were erased.
        days: for so many days it is kept; None is for ever.
    """

    kind: str
    files: int = 0
    small: int = 0
    bytes: int = 0
    rows: int | None = 0
    first: str | None = None
    last: str | None = None
    runs: int | None = None
    erased: int = 0
    days: int | None = None
    _runs: set[int] = field(default_factory=set)

    def add(self, path: Place, rows: int | None, days: Iterable[str] = ()) -> None:
        """Count one file."""
        size = size_of(path)
        self.files, self.bytes, self.small = self.files + 1, self.bytes + size, self.small + (size < SMALL_BYTES)
        self.rows = None if rows is None or self.rows is None else self.rows + rows
        for day in days:
            self.first = min(self.first or day, day)
            self.last = max(self.last or day, day)

    @property
    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name) for name in Kept.__slots__ if not name.startswith("_")}


def history_view(home: Home) -> dict[str, Any]:
    """Return what a home keeps, as JSON.

    Raises:
        IntegrityError: a file, or a record of an erasure, cannot be read.
    """
    days = read_retention(home)
    found = erasures(home)
    kinds = {kind: Kept(kind, runs=0) for kind in KINDS}
    for kind, path in history_paths(home):
        held = kinds[kind]
        held.add(path, _rows(path), [path.parent.parent.name.removeprefix("date=")])
        held._runs.add(marks_of(path)[0])
        held.runs = len(held._runs)
    for each in FINDINGS:
        held = kinds[each.folder] = Kept(each.folder)
        for batch in each.batches(home):
            held.add(batch.path, _rows(batch.path), [_day(batch.first_ns), _day(batch.last_ns)])
    kinds[RAW] = Kept(RAW)
    for path in home.raw.rglob("*.json.gz"):
        kinds[RAW].add(path, None, [part.removeprefix("date=") for part in path.parts[-2:-1] if part.startswith("date=")])
    kinds[REJECTED] = Kept(REJECTED)
    for path in home.rejected.glob("*.jsonl"):
        kinds[REJECTED].add(path, path.read_bytes().count(b"\n"), [_day(path.stat().st_mtime_ns)])
    kinds["ingest"] = Kept("ingest")
    for segment in segments_of(home):
        kinds["ingest"].add(segment.path, None)
    for kind, held in kinds.items():
        held.erased = sum(_erased(each, kind) for each in found)
        held.days = days.get({"withdrawals": "signals"}.get(kind, kind)) if kind in {*AGES, "withdrawals"} else None
    return {
        "kinds": [held.told for held in kinds.values()],
        "erasures": [
            {
                "number": each.number, "at": each.content["at"], "basis": each.content["basis"], "cause": each.content["cause"],
                "terminals": each.content["terminals"], "runs": len(each.runs), "places": dict(each.content["places"]),
                "rows": {kind: _erased(each, kind) for kind in KINDS}, "record": each.digest,
            }
            for each in found
        ],
        "under_way": leaving(home.history) is not None,
        "retention": {name: days.get(name) for name in CLASSES},
    }  # fmt: skip


def _erased(erasure: Erasure, kind: str) -> int:
    if kind in KINDS:
        return sum(int(touched[kind]["erased"]) for touched in erasure.runs.values() if kind in touched)
    return int(erasure.content["places"].get(kind, 0))


def _rows(path: Place) -> int:
    try:
        return int(pq.ParquetFile(parquet_source(path)).metadata.num_rows)
    except (OSError, pa.ArrowException) as error:
        raise IntegrityError(f"`{path}` cannot be read", help="restore it from a backup", path=str(path)) from error


def _day(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // NS_PER_S, UTC):%Y-%m-%d}"
