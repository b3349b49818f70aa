"""What every file reader has in common: columns as they were given, with the place of each row in its source."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundrule.store.rejects import Rejects

MAX_LINE_BYTES = 1 << 20
"""Longest line of a text file; a longer one is rejected without being held. An observation takes about 200 bytes."""
BLOCK_BYTES = 8 << 20
"""Text files are read in blocks of this size."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that keep memory bounded whatever a file holds.

    Attributes:
        batch_rows: most rows per batch.
        line_bytes: longest line of a text file.
        block_bytes: text files are read in blocks of this size.
    """

    batch_rows: int = 1_000_000
    line_bytes: int = MAX_LINE_BYTES
    block_bytes: int = BLOCK_BYTES


@dataclass(frozen=True, slots=True)
class RawBatch:
    """Rows as they were given.

    Attributes:
        columns: Arrow array of any type by the source's name.
        source_rows: place of each row in the source, from 1 (int64, shape (n,)).
        rejects: rows that could not even be split into columns.
    """

    columns: Mapping[str, Any]
    source_rows: NDArray[np.int64]
    rejects: Rejects = field(default_factory=Rejects)


class RawSource(Protocol):
    """One opened file.

    Attributes:
        name: what the file is called in rejects and traces.
    """

    name: str

    @property
    def names(self) -> Sequence[str] | None:
        """Column names, or None where every row names its own."""

    def batches(self, wanted: Iterable[str] | None = None) -> Iterator[RawBatch]:
        """Read the file from its beginning; only `wanted` columns where the format allows it."""


def arrow_column(values: Sequence[Any]) -> Any:
    """Turn decoded JSON values into an Arrow column; values of several kinds become their text."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        return pa.array([_as_text(value) for value in values], pa.string())


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def suggest(name: str, known: Iterable[str]) -> str:
    """Say what may have been meant."""
    options = list(known)
    near = difflib.get_close_matches(name, options, 1)
    return f"did you mean `{near[0]}`?" if near else f"known are {listed(options)}"


def listed(names: Sequence[str]) -> str:
    """Write names for a message; at most twelve."""
    shown = ", ".join(f"`{name[:40]}`" for name in names[:12])
    return (shown or "no columns") + (f" and {len(names) - 12} more" if len(names) > 12 else "")
