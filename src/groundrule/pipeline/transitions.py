"""Which decisions begin something new for their terminal: its first, and each that answers otherwise than the one before.

Only these become records in the log. All others say what the record before them says, and the digests in the run's
manifest bind every one of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from groundrule.canon import canonical_json
from groundrule.pipeline.judge import Judge, Judged
from groundrule.rules.classes import DECISIVE, DecisionClass

ANSWER_BYTES = 16
"""Length of an answer's digest [bytes]; it only has to differ from the one before it."""

_NONE = -1


class Transitions:
    """Finds the transitions of one run, batch after batch.

    Args:
        judge: whose terminals and classes the batches use.
        last: digest of the last recorded answer of each terminal, as `answer_digest` gives it.
    """

    def __init__(self, judge: Judge, last: Mapping[str, bytes]) -> None:
        self._policy = (judge.basis.rulebook.digest, judge.basis.areas.digest)
        self._codes: dict[bytes, int] = {}
        self._digests: list[bytes] = []
        self._of_class = np.full(0, _NONE, np.int32)
        self._last = np.full(0, _NONE, np.int32)
        self._corrected = np.zeros(0, bool)
        if last:
            rows = judge.basis.registers.add(pa.array(list(last), pa.string()))
            self._grow(int(rows.max()) + 1)
            self._last[rows] = [self._code(digest) for digest in last.values()]

    def of(self, judged: Judged, *, chosen: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Return the rows of a batch that begin something new, ascending.

        Args:
            judged: the batch; within a terminal in order of time.
            chosen: which rows count, of a batch of corrections; the first of each terminal always begins something, so
                that it replaces what was recorded from there on. None is every row of a batch that corrects nothing.
        """
        self._grow(int(judged.rows.max(initial=-1)) + 1)
        answers = self._answers(judged)
        if chosen is None:
            return _changes(judged.rows, answers, self._last)
        rows = judged.rows[chosen]
        fresh = np.unique(rows[~self._corrected[rows]])
        self._last[fresh] = _NONE
        self._corrected[fresh] = True
        return np.flatnonzero(chosen)[_changes(rows, answers[chosen], self._last)]

    def answer(self, judged: Judged, row: int) -> bytes:
        """Return the digest of the answer that one row gives."""
        return self._digests[int(self._of_class[judged.decided.klass[row]])]

    def _answers(self, judged: Judged) -> NDArray[np.int32]:
        classes = judged.decided.classes
        known = len(self._of_class)
        if len(classes) > known:
            self._of_class = np.concatenate([self._of_class, np.full(len(classes) - known, _NONE, np.int32)])
        used = np.unique(judged.decided.klass)
        for code in used[self._of_class[used] == _NONE]:
            self._of_class[code] = self._code(answer_digest(classes[int(code)], self._policy))
        return self._of_class[judged.decided.klass]

    def _code(self, digest: bytes) -> int:
        if digest not in self._codes:
            self._codes[digest] = len(self._digests)
            self._digests.append(digest)
        return self._codes[digest]

    def _grow(self, rows: int) -> None:
        if rows > len(self._last):
            more = rows + rows // 4 - len(self._last)
            self._last = np.concatenate([self._last, np.full(more, _NONE, np.int32)])
            self._corrected = np.concatenate([self._corrected, np.zeros(more, bool)])


def answer_digest(found: DecisionClass, policy: tuple[str, str]) -> bytes:
    """Return the digest of what a terminal gets and why: outcome, state, rule, decisive reasons, obligations, policy.

    Args:
        found: the decision class.
        policy: digests of the rulebook and of the areas; under another policy the same answer is a new one.
    Returns:
        ANSWER_BYTES bytes.
    """
    content = [
        found.outcome.word,
        found.state.value,
        found.rule_id,
        [list(reason) for reason in found.reasons if reason[2] == DECISIVE],
        list(found.obligations),
        list(policy),
    ]
    return hashlib.sha256(canonical_json(content)).digest()[:ANSWER_BYTES]


@njit(cache=True, nogil=True)
def _changes(rows, answers, last):  # type: ignore[no-untyped-def]  # compiled; typed by numba
    found = np.empty(len(rows), np.int64)
    count = 0
    for i in range(len(rows)):
        if last[rows[i]] != answers[i]:
            last[rows[i]] = answers[i]
            found[count] = i
            count += 1
    return found[:count].copy()
