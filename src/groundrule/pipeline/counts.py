"""What became of the observations of a run."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(slots=True)
class Counts:
    """What became of the observations of a run; in rows, unless said.

    Attributes:
        decided: decided for the first time.
        corrected: decided again because of late observations.
        duplicates: exact repeats, dropped.
        late: behind what was known, and decided.
        over_late: too far behind; stored and not decided.
        unregistered: terminals of this run that are not in the register [terminals].
        answers: rows by (outcome, service state), first decisions and corrections together.
        reasons: rows by decisive reason code.
    """

    decided: int = 0
    corrected: int = 0
    duplicates: int = 0
    late: int = 0
    over_late: int = 0
    unregistered: int = 0
    answers: dict[tuple[str, str], int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)

    def add(self, decisions: pa.Table) -> None:
        """Count the answers and decisive reasons of a decision table."""
        for batch in decisions.select(["outcome", "state", "reasons"]).to_batches():
            if len(batch):
                self._add(batch)

    def _add(self, batch: pa.RecordBatch) -> None:
        # Each chunk has dictionaries of its own.
        outcome, state = batch.column("outcome"), batch.column("state")
        states = len(state.dictionary)
        pairs = outcome.indices.to_numpy().astype(np.int64) * states + state.indices.to_numpy()
        for pair, rows in zip(*np.unique(pairs, return_counts=True), strict=True):
            o, s = divmod(int(pair), states)
            key = (outcome.dictionary[o].as_py(), state.dictionary[s].as_py())
            self.answers[key] = self.answers.get(key, 0) + int(rows)
        # The decisive reason comes first in every list.
        codes = pc.struct_field(pc.list_element(batch.column("reasons"), 0), "code")
        for item in pc.value_counts(codes).to_pylist():
            self.reasons[item["values"]] = self.reasons.get(item["values"], 0) + item["counts"]
