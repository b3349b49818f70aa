"""Small observation files that the tests of this folder read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from groundrule.store import ObservationReader, open_observations


def read(
    path: Path | list[Path], **options: Any
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], ObservationReader]:
    """Good rows without their nulls, rejected rows likewise, and the reader."""
    reader = open_observations(path, **options)
    good: list[dict[str, Any]] = []
    bad: list[dict[str, Any]] = []
    for table, rejects in reader:
        good += [{name: value for name, value in row.items() if value is not None} for row in table.to_pylist()]
        bad += [{name: value for name, value in row.items() if value is not None} for row in rejects.records()]
    return good, bad, reader


def reasons(bad: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """Place and reason of rejected rows."""
    return [(row["source_row"], row["reason"]) for row in bad]
