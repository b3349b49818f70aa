"""Signals of a home: what detectors found, kept for cases, for pages and for looking back.

    HOME/signals/           rows of `detect.signals.SIGNAL_SCHEMA`, written as they are raised
    HOME/withdrawals/       which of them were withdrawn since, because their terminal's area turned out to be disturbed

Files are never changed, so a signal that was withdrawn stays in its file; whoever reads signals does not get it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from groundrule.store.findings import Batch, Findings
from groundrule.store.home import Home

WITHDRAWALS: Final = Findings("withdrawals", "withdrawn_at", "signal_id", "withdrawals", "detect")
"""Which signals were withdrawn."""
_SCHEMA: Final = pa.schema([
    pa.field("terminal_id", pa.string()), pa.field("withdrawn_at", pa.int64()), pa.field("signal_id", pa.string()),
    pa.field("raised_at", pa.int64()),
])  # fmt: skip
_KNOWN: Final[dict[Path, tuple[tuple[str, ...], frozenset[tuple[str, int]]]]] = {}

Raised = tuple[str, int]
"""Id of a signal, and when it was raised [ns, UTC]."""


@dataclass(frozen=True, slots=True)
class Signals(Findings):
    """Findings of which some are withdrawn later."""

    def withdraw(self, home: Home, raised: Iterable[tuple[str, str, int]], *, at_ns: int) -> None:
        """Withdraw signals; the caller holds the home's write lock.

        Args:
            home: whose.
            raised: terminal, id and time [ns, UTC] of each.
            at_ns: now [ns, UTC].
        """
        rows = [{"terminal_id": who, "withdrawn_at": at_ns, "signal_id": name, "raised_at": when} for who, name, when in raised]
        WITHDRAWALS.write(home, pa.Table.from_pylist(rows, schema=_SCHEMA))

    def withdrawn(self, home: Home) -> frozenset[Raised]:
        """Return what was withdrawn."""
        return _withdrawn(home)

    def gather_small(self, home: Home, *, least: int = 16) -> int:
        """Do so with signals, also those that are withdrawn, and with withdrawals; see `Findings.gather_small`."""
        WITHDRAWALS.gather_small(home, least=least)
        return Findings.gather_small(self, home, least=least)

    def _read(self, batch: Batch, condition: pc.Expression, columns: Sequence[str] | None) -> pa.Table:
        table = Findings._read(self, batch, condition, columns)
        folder = batch.path.parents[1]
        if not len(table) or not (folder / WITHDRAWALS.folder).is_dir():
            return table
        gone = _withdrawn(Home(folder, ""))
        if not gone:
            return table
        keys = zip(table["signal_id"].to_pylist(), table[self.time].to_pylist(), strict=True)
        return table.filter(pa.array([key not in gone for key in keys], pa.bool_()))


def _withdrawn(home: Home) -> frozenset[Raised]:
    names = tuple(each.path.name for each in WITHDRAWALS.batches(home))
    held = _KNOWN.get(home.path)
    if held is not None and held[0] == names:
        return held[1]
    table = WITHDRAWALS.read(home)
    found = frozenset(zip(table["signal_id"].to_pylist(), table["raised_at"].to_pylist(), strict=True)) if len(table) else frozenset()
    _KNOWN[home.path] = names, found
    return found


SIGNALS: Final = Signals("signals", "raised_at", "signal_id", "signals", "detect")
"""Rows of `detect.signals.SIGNAL_SCHEMA`."""
