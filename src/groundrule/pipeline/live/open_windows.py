"""Measurements that came earlier of a window that goes on: a minute that comes in four batches is verified as one, each time anew."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.instant import NS_PER_S
from groundrule.verify.assemble import SLOT_PHASE_NS, Options
from groundrule.verify.measurements import MEASUREMENT_SCHEMA

ROWS_KEPT: Final = 500_000
"""Measurements that are kept, in memory only; those that came first are forgotten first."""
_PIECES: Final = 64
_KEY: Final = "window of a terminal"
_WINDOW_NS: Final = round(Options().window_s * NS_PER_S)


class OpenWindows:
    """The last measurements that were used, by window of their terminal.

    Args:
        most: rows that are kept.
    """

    def __init__(self, most: int = ROWS_KEPT) -> None:
        self._most = most
        self._pieces: deque[pa.Table] = deque()
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def with_earlier(self, table: pa.Table) -> pa.Table:
        """Return measurements, and after them those that came earlier of the same windows of the same terminals.

        Args:
            table: columns of MEASUREMENT_SCHEMA, as they came. Where they are not what they should be, they are returned alone.
        """
        made = _conform(table)
        if made is None or not self._pieces:
            return table
        wanted = pc.unique(made.column(_KEY))
        found = [each for piece in self._pieces if len(each := piece.filter(pc.is_in(piece.column(_KEY), value_set=wanted)))]
        if not found:
            return table
        return pa.concat_tables([made, *found]).drop_columns([_KEY])

    def keep(self, table: pa.Table, unused: NDArray[np.int64]) -> None:
        """Keep measurements for what comes after them.

        Args:
            table: as they came. unused: rows that could not be used.
        """
        made = _conform(table)
        if made is None:
            return
        used = np.ones(len(made), np.bool_)
        used[unused] = False
        made = made.filter(pa.array(used))
        self._pieces.append(made)
        self._rows += len(made)
        while self._rows > self._most:
            self._rows -= len(self._pieces.popleft())
        if len(self._pieces) > _PIECES:
            # The first half, so that a large piece is seldom copied and forgotten all at once seldom.
            half = [self._pieces.popleft() for _ in range(_PIECES // 2)]
            self._pieces.appendleft(pa.concat_tables(half).combine_chunks())


def _conform(table: pa.Table) -> pa.Table | None:
    """Return the known columns in their types with the key of each row's window; None where something is of another type."""
    try:
        columns = [
            table.column(field.name).cast(field.type) if field.name in table.column_names else pa.nulls(len(table), field.type)
            for field in MEASUREMENT_SCHEMA
        ]
    except pa.ArrowException:
        return None
    made = pa.table(columns, names=MEASUREMENT_SCHEMA.names)
    at_ns = pc.fill_null(made.column("observed_at"), 0).to_numpy()
    window = pa.array((at_ns - SLOT_PHASE_NS) // _WINDOW_NS).cast(pa.string())
    return made.append_column(_KEY, pc.binary_join_element_wise(pc.fill_null(made.column("terminal_id"), ""), window, "\n"))
