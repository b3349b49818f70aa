"""A stream of lines as a source: JSON lines from a pipe or from standard input.

What was read from a pipe is gone from it. So the number of lines that are durable is told (`lines` of `said`), and whoever feeds the pipe
sends what is not among them again after a crash; what is sent twice is known by its content.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from groundrule.pipeline.watch.arrivals import ROWS, Arrival
from groundrule.pipeline.watch.reading import Reading, pieces
from groundrule.store.telemetry import MAX_REPLY_BYTES

PIECE_BYTES: Final = 8 << 20
_READ: Final = 1 << 20
_ABOUT_BYTES: Final = 128
"""Bytes of a short line: how much is read for a number of rows."""


class LinesSource:
    """Lines from an open file.

    Args:
        descriptor: of the file; it is not closed.
        reading: how they are read.
        name: what it is.
    """

    def __init__(self, descriptor: int, reading: Reading, *, name: str = "stdin") -> None:
        self.name, self._descriptor, self._reading = name, descriptor, reading
        self._held = bytearray()
        self._lines = self._durable = 0
        self._ended = False
        self._pending = 0

    @property
    def exhausted(self) -> bool:
        """Has the other end been closed, and is everything taken?"""
        return self._ended and not self._held and not self._pending

    def take(self, wait_s: float, most_rows: int) -> Sequence[Arrival]:
        """Return the lines that have come."""
        if self._ended and not self._held:
            if not self._pending:
                time.sleep(min(wait_s, 0.05))
            return ()
        most = min(PIECE_BYTES, max(_READ, most_rows * _ABOUT_BYTES))
        self._read(wait_s, most)
        cut = len(self._held) if self._ended else self._held.rfind(b"\n") + 1
        if not cut:
            if len(self._held) <= MAX_REPLY_BYTES:
                return ()
            cut = len(self._held)  # longer than anything that is read: the reader says so, and the rest is a line that is none
        data, self._held = bytes(self._held[:cut]), self._held[cut:]
        before, self._lines = self._lines, self._lines + data.count(b"\n") + (not data.endswith(b"\n"))
        parts = list(pieces(self._reading.text(data, name=f"{self.name}.jsonl", lines_before=before)))
        made = [Arrival(self.name, rows, rejects, None, before) for rows, rejects in parts[:-1]]
        made += [Arrival(self.name, rows, rejects, None, self._lines) for rows, rejects in parts[-1:]]
        if not made:
            self._durable = self._lines if not self._pending else self._durable
        self._pending += len(made)
        return made

    def _read(self, wait_s: float, most: int) -> None:
        """Read what is there; waits where nothing is."""
        patience = wait_s
        while not self._ended and len(self._held) < most + ROWS:
            if not select.select([self._descriptor], [], [], patience)[0]:
                return
            patience = 0.0
            try:
                data = os.read(self._descriptor, _READ)
            except BlockingIOError:
                return
            self._ended = not data
            self._held += data

    def taken(self, arrivals: Sequence[Arrival]) -> None:
        """Count lines as durable."""
        self._pending -= len(arrivals)
        self._durable = max([self._durable, *(int(each.place) for each in arrivals)])

    def said(self) -> Mapping[str, Any]:
        """Return how many lines are durable, or were rejected and kept."""
        return {"lines": self._durable}

    def close(self) -> None:
        """Leave the file as it is."""
