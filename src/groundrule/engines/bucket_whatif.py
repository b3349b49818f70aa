"""What if another rulebook were in force, asked of one bucket of terminals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from groundrule.engines.slices import Bucket
from groundrule.pipeline.comparing import Bounds
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.judge import Basis
from groundrule.pipeline.overlay import NO_OVERLAY, Overlay
from groundrule.pipeline.stored_history import TableHistory
from groundrule.pipeline.whatif import WhatIf, what_if
from groundrule.records import filtered
from groundrule.store.home import Home
from groundrule.store.policy import get_object


@dataclass(frozen=True, slots=True)
class Question:
    """A what-if, by the digests of what it is about.

    Attributes:
        before, after: digests of two rulebooks.
        areas: digest of the areas.
        overlay: digest of the emergencies; None where there are none.
        recorded_at_ns: registers as known at this instant [ns, UTC].
        bounds: of the observations.
        as_of_ns: apply both rulebooks as of this instant [ns, UTC], or None.
    """

    before: str
    after: str
    areas: str
    overlay: str | None
    recorded_at_ns: int
    bounds: Bounds
    as_of_ns: int | None


def bases_for(home: Home, question: Question) -> tuple[Basis, Basis]:
    """Read what a question is about, from a bundle that was unpacked.

    Raises:
        GroundruleError: it is not there, or is not what its digest says.
    """
    overlay = NO_OVERLAY if question.overlay is None else Overlay.parse(get_object(home, question.overlay.removeprefix("sha256:")))
    first = basis_of(home, recorded_at_ns=question.recorded_at_ns, rulebook=question.before, areas=question.areas)
    second = basis_of(
        home, recorded_at_ns=question.recorded_at_ns, rulebook=question.after, areas=question.areas, registers=first.registers
    )
    return replace(first, overlay=overlay), replace(second, overlay=overlay)


def what_if_of_bucket(bucket: Bucket, runs: Sequence[int], bases: tuple[Basis, Basis], question: Question) -> WhatIf:
    """Ask the question of the terminals of one bucket; `whatif.merged` puts the answers together.

    Args:
        bucket: their observations.
        runs: all of the home, ascending.
        bases: from `bases_for`.
        question: what is asked.
    """
    tables = {run: [_within(table, question.bounds) for table in tables] for run, tables in bucket.observations.items()}
    return what_if(TableHistory(tables).in_order(runs), *bases, as_of_ns=question.as_of_ns)


def _within(table: pa.Table, bounds: Bounds) -> pa.Table:
    mask = bounds.mask(table)
    return table if mask is None else filtered(table, pa.array(mask))
