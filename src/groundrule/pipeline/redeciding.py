"""Stored runs decided again, one after the other, each with the memory that it began with.

It follows the same steps as `decide`: a run under the rulebook and areas of the one before goes on with what that one left,
and any other begins with the whole history as its own rulebook and areas see it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from groundrule.pipeline.judge import Basis, Judge
from groundrule.pipeline.lateness import DecidedBatch, decide_batches
from groundrule.pipeline.snapshots import as_of_of, carry_over, continues, remember_all
from groundrule.pipeline.stored_history import StoredHistory


class Redeciding:
    """Decides runs again, in the order of their numbers.

    Args:
        history: of the terminals whose decisions are wanted.
    """

    def __init__(self, history: StoredHistory) -> None:
        self._history = history
        self._judge: Judge | None = None
        self._known: list[int] = []

    def begin(self, manifest: dict[str, Any], basis: Basis) -> Judge:
        """Return the judge of the next run, with the memory that the run began with.

        Args:
            manifest: of that run.
            basis: what it was decided under; the same object as before where nothing has changed.
        Raises:
            IntegrityError: history cannot be read any more.
        """
        before = self._judge
        if before is not None and basis is before.basis:
            return before
        judge = Judge(basis)
        if before is not None and continues(manifest, before.basis):
            carry_over(before, judge)
        else:
            remember_all(self._history, judge, self._known)
        self._judge = judge
        return judge

    def decided(self, manifest: dict[str, Any], batches: Iterator[pa.Table]) -> Iterator[DecidedBatch]:
        """Decide the run that was begun; see `lateness.decide_batches`.

        Args:
            manifest: of that run.
            batches: its observations.
        """
        assert self._judge is not None
        run = int(manifest["run"])
        as_of_ns = as_of_of(manifest)
        yield from decide_batches(self._history, self._judge, batches, self._known, run=run, as_of_ns=as_of_ns)
        self._known = [*self._known, run]
