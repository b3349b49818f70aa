"""Gaps of a telemetry stream: times of which rows are missing, or may be.

A stream delivers nothing twice and keeps nothing for ever, so what did not come is told, with why it is thought to be missing:

    retention       nobody asked for longer than the server keeps rows
    reply_lost      a question was under way when the process ended, or a reply did not come whole: it may have been counted as read
    rows_missing    rows jump ahead by more than the time in which there was nothing to deliver
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from groundrule.instant import NS_PER_S

LEAST_NS: Final = 60 * NS_PER_S
"""A jump of rows that counts: four of their intervals [ns]."""
_EDGE: Final = 0.05
"""Share of a reply's rows, at either end, whose clocks may be wrong."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A time of which rows are missing.

    Attributes:
        from_ns, until_ns: from when to when [ns, UTC].
        why: see above.
        certain: rows are missing; otherwise they may be.
    """

    from_ns: int
    until_ns: int
    why: str
    certain: bool

    def told(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**asdict(self), "from_ns": str(self.from_ns), "until_ns": str(self.until_ns)}


@dataclass(slots=True)
class Gaps:
    """Follows the replies of one stream, in their order.

    Attributes:
        rows_until_ns: the last replies' rows go up to here [ns, UTC]; None before the first.
        replied_ns: when the last reply came [ns, UTC].
        empty_ns: time since `rows_until_ns` in which there was nothing to deliver [ns].
        doubt: a reply may have been lost since the last one.
    """

    rows_until_ns: int | None = None
    replied_ns: int | None = None
    empty_ns: int = 0
    doubt: bool = False
    found: list[Gap] = field(default_factory=list)

    @classmethod
    def of(cls, value: Mapping[str, Any] | None) -> Gaps:
        """Go on where a position was written."""
        return cls() if value is None else cls(value["rows_until"], value["replied"], value["empty"], value["doubt"])

    def position(self) -> dict[str, Any]:
        """Return what `of` takes."""
        return {"rows_until": self.rows_until_ns, "replied": self.replied_ns, "empty": self.empty_ns, "doubt": self.doubt}

    def replied(self, times: NDArray[np.int64], at_ns: int, retention_ns: int) -> Gap | None:
        """Take the times of a reply's rows and return the gap before them, or None.

        Args:
            times: of the rows [ns, UTC], as devices say; empty where there are none.
            at_ns: when it came [ns, UTC].
            retention_ns: how long the server keeps rows [ns].
        """
        before, self.replied_ns = self.replied_ns, at_ns
        waited = 0 if before is None else max(0, at_ns - before)
        if not len(times):
            if not self.doubt and waited < retention_ns:
                self.empty_ns += waited
            return None
        ordered = np.sort(times)
        edge = int(len(ordered) * _EDGE)
        first, last = int(ordered[edge]), int(ordered[-1 - edge])
        until, doubt, empty = self.rows_until_ns, self.doubt, self.empty_ns
        self.rows_until_ns = last if until is None else max(until, last)
        self.doubt, self.empty_ns = False, 0
        if until is None or before is None:
            return Gap(first, first, "reply_lost", False) if doubt else None
        jump = first - until - empty
        if waited > retention_ns:
            return Gap(until, max(until, min(first, at_ns - retention_ns)), "retention", jump > LEAST_NS)
        if doubt:
            return Gap(min(until, first), max(until, first), "reply_lost", jump > LEAST_NS)
        return Gap(until, first, "rows_missing", True) if jump > LEAST_NS else None
