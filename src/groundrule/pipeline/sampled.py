"""A second evaluator decides a share of all decisions again, and says where it comes to another outcome.

    decided batch ──► rows drawn by a secret ──► plain evaluator (`rules.plain_batch`) ──► differences

The second evaluator shares no table and no kernel with the first. Which rows it takes depends on a secret, the terminal and
the time, so that neither a fault nor a person can behave only when looked at; drawn at 1 % and more. What an emergency
altered is compared before the emergency, because the plain evaluator knows rules only.

Source: reliability specification, section 4.8 step 3.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundrule.errors import InputError
from groundrule.pipeline.judge import Judge, Judged
from groundrule.pipeline.overlay import OverlaidClasses
from groundrule.records import OUTCOME_WORDS
from groundrule.rules.evidence import Coded, EvidenceBatch, Interval
from groundrule.rules.plain_batch import Memo, plain_outcomes
from groundrule.store.terminal_index import text_buffers

LEAST_SHARE: Final = 0.01
"""Share of decisions that must be decided again; argued in docs/degraded.md."""
MAX_SHOWN: Final = 100
"""Differences that are kept with their details; all are counted."""
_SCALE: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class Difference:
    """One decision that the second evaluator does not come to.

    Attributes:
        terminal_id, observed_at_ns: which.
        decided, again: outcomes, in words.
        evidence: code of the evidence at the judge.
    """

    terminal_id: str
    observed_at_ns: int
    decided: str
    again: str
    evidence: int


@dataclass(slots=True)
class Sampled:
    """What was decided again so far.

    Attributes:
        seen: decisions that went by.
        again: of them decided again.
        different: of these with another outcome.
        differences: the first of them.
    """

    seen: int = 0
    again: int = 0
    different: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Share that was decided again."""
        return self.again / self.seen if self.seen else 0.0


class Sampler:
    """Decides a share of the batches of one judge again.

    Args:
        judge: whose batches they are.
        secret: what the draw depends on [at least 16 bytes].
        share: of the rows, at least `LEAST_SHARE`.
    Raises:
        InputError: a smaller share, or a secret that can be guessed.
    """

    def __init__(self, judge: Judge, secret: bytes, share: float = LEAST_SHARE) -> None:
        if not LEAST_SHARE <= share <= 1:
            raise InputError(f"a share of {share:g} is decided again", help=f"at least {LEAST_SHARE:g}, at most 1")
        if len(secret) < 16:
            raise InputError("the secret of the draw is shorter than 16 bytes", help="take it from the operating system")
        # A little more than the share, so that the share is reached in spite of chance.
        self._limit = min(_SCALE, int(share * 1.1 * _SCALE) + 1)
        self._key = np.frombuffer(sha256(secret).digest()[:16], np.uint64)
        self._judge = judge
        self._memo: Memo = {}
        self.found = Sampled()

    def check(self, judged: Judged) -> list[Difference]:
        """Decide a share of a batch again; return the rows that differ, and count them in `found`."""
        rows = self.drawn(judged) if len(judged.table) else np.zeros(0, np.int64)
        book, compiled = judged.basis.rulebook, judged.basis.compiled
        again, _ = plain_outcomes(book, _part(judged.evidence, rows), compiled.latches, self._memo)
        decided = _before_emergencies(judged, rows)
        made = [self._difference(judged, int(rows[k]), int(decided[k]), int(again[k])) for k in np.flatnonzero(decided != again)]
        self.found.seen += len(judged.table)
        self.found.again += len(rows)
        self.found.different += len(made)
        self.found.differences += made[: MAX_SHOWN - len(self.found.differences)]
        return made

    def drawn(self, judged: Judged) -> NDArray[np.int64]:
        """Return the rows that are decided again."""
        times = judged.now_ns.astype(np.uint64)
        names = _hash_texts(judged.table.column("terminal_id"), self._key[0])
        mixed = _mix(names ^ _mix(times + self._key[1]))
        return np.flatnonzero((mixed >> np.uint64(32)) < np.uint64(self._limit))

    def _difference(self, judged: Judged, row: int, decided: int, again: int) -> Difference:
        return Difference(
            str(judged.table.column("terminal_id")[row].as_py()),
            int(judged.table.column("observed_at")[row].as_py()),
            OUTCOME_WORDS[decided],
            OUTCOME_WORDS[again],
            int(judged.evidence_code[row]),
        )


def _before_emergencies(judged: Judged, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    decided, classes = judged.decided, judged.decided.classes
    if not isinstance(classes, OverlaidClasses):
        return decided.outcome[rows]
    return np.array([int(classes.origin(int(code))[0].outcome) for code in decided.klass[rows]], np.uint8)


def _part(batch: EvidenceBatch, rows: NDArray[np.int64]) -> EvidenceBatch:
    """Some rows of a batch."""
    return replace(
        batch,
        now_ns=batch.now_ns[rows],
        where=Coded(batch.where.codes[rows], batch.where.values),
        who=Coded(batch.who.codes[rows], batch.who.values),
        numbers={name: Interval(each.low[rows], each.high[rows]) for name, each in batch.numbers.items()},
        categories={name: Coded(each.codes[rows], each.values) for name, each in batch.categories.items()},
        latches=None if batch.latches is None else batch.latches[rows],
    )


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix 64 bits so that each of them depends on all (splitmix64)."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _hash_texts(column: pa.ChunkedArray, key: np.uint64) -> NDArray[np.uint64]:
    """Return a keyed 64-bit hash of each text: a polynomial in a secret point, one step for each byte of the longest."""
    texts = column.combine_chunks()
    texts = pa.concat_arrays(texts.chunks) if isinstance(texts, pa.ChunkedArray) else texts
    offsets, data = text_buffers(texts)
    starts, lengths = offsets[: len(texts)].astype(np.int64), np.diff(offsets[: len(texts) + 1]).astype(np.int64)
    found = _mix(lengths.astype(np.uint64) + key)
    point = key | np.uint64(1)
    with np.errstate(over="ignore"):
        for place in range(int(lengths.max(initial=0))):
            live = lengths > place
            byte = data[np.where(live, starts + place, 0)].astype(np.uint64)
            found = np.where(live, (found + byte + np.uint64(1)) * point ^ (found >> np.uint64(29)), found)
    return found
