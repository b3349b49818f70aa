"""What was answered and is in no run yet, for whoever explains it: observations, answers, and what they were decided under."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from groundrule.pipeline.judge import Basis
from groundrule.pipeline.live.committing import Chunk
from groundrule.pipeline.overlay import Overlay


@dataclass(frozen=True, slots=True)
class Unstored:
    """Acknowledged observations that no run holds, and what is in force.

    Attributes:
        chunks: what was answered, in order; late observations are not among it: they count with the next run.
        rulebook, areas, registers: digests of what is in force.
        recorded_at_ns: the registers as known then [ns, UTC].
        overlay: emergencies.
    """

    chunks: Sequence[Chunk]
    rulebook: str
    areas: str
    registers: str
    recorded_at_ns: int
    overlay: Overlay

    @classmethod
    def under(cls, basis: Basis, chunks: Sequence[Chunk], loaded_at_ns: int) -> Self:
        """Return what was answered under a basis that was read at an instant [ns, UTC]."""
        return cls(chunks, basis.rulebook.digest, basis.areas.digest, basis.registers.digest, loaded_at_ns, basis.overlay)

    def of(self, terminal_id: str, *, after_ns: int | None, until_ns: int | None) -> tuple[pa.Table | None, int]:
        """Return the observations of one terminal, and the outcome that the last of them was answered with.

        Args:
            terminal_id: whose.
            after_ns: what is not later is in history already: a run may have been made meanwhile [ns, UTC].
            until_ns: nothing later [ns, UTC].
        Returns:
            A table of OBSERVATION_SCHEMA in order of time, None where there is none; and the outcome, before outages.
        """
        parts: list[pa.Table] = []
        outcome = 0
        for chunk in self.chunks:
            observed = chunk.rows.column("observed_at").to_numpy()
            mine = pc.equal(chunk.rows.column("terminal_id"), terminal_id).to_numpy(zero_copy_only=False)
            if after_ns is not None:
                mine &= observed > after_ns
            if until_ns is not None:
                mine &= observed <= until_ns
            places = np.flatnonzero(mine)
            if len(places):
                parts.append(chunk.rows.take(pa.array(places)))
                outcome = int(chunk.outcome[places[-1]])
        return (pa.concat_tables(parts).combine_chunks() if parts else None), outcome
