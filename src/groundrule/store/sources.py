"""What every reader of observations has in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from groundrule.store.observation_checks import TimeReading
from groundrule.store.rejects import Rejects

MAX_LINE_BYTES = 1 << 20
"""Longest line of a text file; a longer one is rejected without being held. An observation takes about 200 bytes."""
BLOCK_BYTES = 8 << 20
"""Text files are read in blocks of this size."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How files are read.

    Attributes:
        columns: names in the files → our names.
        batch_rows: most observations per batch.
        time: how times are read.
        max_line_bytes: longest line of a text file.
        block_bytes: text files are read in blocks of this size.
    """

    columns: Mapping[str, str]
    batch_rows: int
    time: TimeReading
    max_line_bytes: int = MAX_LINE_BYTES
    block_bytes: int = BLOCK_BYTES


class Observations(Protocol):
    """One opened source of observations."""

    @property
    def notes(self) -> list[str]:
        """What was assumed or ignored."""

    def batches(self) -> Iterator[tuple[pa.Table, Rejects]]:
        """Read the source from its beginning."""
