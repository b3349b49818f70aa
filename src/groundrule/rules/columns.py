"""Tests on one column, judged once per distinct value, as rows of term bits.

A row says for every term how strongly the value supports it: strength 4 is settled, 1 to 3 is the outcome (restrict,
review, deny) of a doubt, 0 rules the term out. Terms that do not test the column are supported by every value.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from operator import is_
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundrule.records import Outcome
from groundrule.rules import kernel
from groundrule.rules.attributes import edge_outcome, stale_outcome, unknown_outcome
from groundrule.rules.model import All, AnyOf, Condition, Not, Rule, Where
from groundrule.rules.normal import Column, column_of, leaves_of

SETTLED = 4
_CHUNK = 4_000_000  # strengths held at once, to bound memory [bytes]

U8 = NDArray[np.uint8]
I32 = NDArray[np.int32]


class Cause(IntEnum):
    """Why a test could not be settled; the order is that of the kernel's doubt parts."""

    EDGE = 0
    POSITION = 1
    ATTRIBUTE = 2
    STALE = 3
    ERROR = 4


QUALIFIERS = ("edge_of_area", "position_unknown", "attribute_unknown", "stale_evidence", "rule_error")
"""Reason code of each cause."""


class RowPool:
    """Rows of term bits of all groups in one growing table.

    Args:
        terms: number of terms.
    """

    def __init__(self, terms: int) -> None:
        self.terms = terms
        self.words = max(1, -(-terms // 64))
        self.count = 0
        self.settled: NDArray[np.uint64] = np.zeros((64, 2 * self.words), np.uint64)
        self.doubt: NDArray[np.uint64] = np.zeros((64, kernel.PARTS * self.words), np.uint64)

    def add(self, settled: NDArray[np.uint64], doubt: NDArray[np.uint64]) -> I32:
        """Append rows and return their numbers."""
        new = self.count + len(settled)
        if new > len(self.settled):
            size = max(new, 2 * len(self.settled))
            for name in ("settled", "doubt"):
                old = getattr(self, name)
                grown = np.zeros((size, *old.shape[1:]), old.dtype)
                grown[: self.count] = old[: self.count]
                setattr(self, name, grown)
        rows = np.arange(self.count, new, dtype=np.int32)
        weakest = doubt[:, (kernel.LEVELS - 1) * self.words : kernel.LEVELS * self.words]
        self.settled[rows] = np.concatenate([settled, weakest], axis=1)
        self.doubt[rows] = doubt
        self.count = new
        return rows

    def pack(self, bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
        """Turn booleans per term, shape (n, terms), into words, shape (n, words)."""
        packed = np.zeros((len(bits), 8 * self.words), np.uint8)
        if self.terms:
            raw = np.packbits(bits, axis=1, bitorder="little")
            packed[:, : raw.shape[1]] = raw
        return packed.view("<u8").astype(np.uint64, copy=False)

    def combine(self, parts: Sequence[tuple[NDArray[np.uint64], NDArray[np.uint64]]]) -> I32:
        """Append the conjunction of several rows per value; causes add up."""
        settled, doubt = parts[0][0].copy(), parts[0][1].copy()
        levels = kernel.LEVELS * self.words
        for more_settled, more_doubt in parts[1:]:
            settled &= more_settled
            doubt[:, :levels] &= more_doubt[:, :levels]
            doubt[:, levels:] |= more_doubt[:, levels:]
        return self.add(settled, doubt)


@dataclass(slots=True)
class Tests:
    """All tests on one column.

    Attributes:
        column: the column.
        leaves: distinct leaves in the tests.
        tests: distinct tests.
        terms: term of each use of a test.
        uses: test of each use.
        doubts: strength of each use by cause, shape (uses, causes).
    """

    column: Column
    leaves: list[Condition] = field(default_factory=list)
    tests: list[Condition] = field(default_factory=list)
    terms: list[int] = field(default_factory=list)
    uses: list[int] = field(default_factory=list)
    doubts: list[tuple[int, ...]] = field(default_factory=list)
    _places: dict[Condition, int] = field(default_factory=dict)
    _tests: dict[Condition, int] = field(default_factory=dict)

    def add(self, term: int, test: Condition, rule: Rule, attribute: str) -> None:
        """Note that a term of a rule needs a test."""
        if test not in self._tests:
            self._tests[test] = len(self.tests)
            self.tests.append(test)
            for leaf in leaves_of(test):
                if column_of(leaf) is not None and leaf not in self._places:
                    self._places[leaf] = len(self.leaves)
                    self.leaves.append(leaf)
        self.terms.append(term)
        self.uses.append(self._tests[test])
        outcomes = (
            edge_outcome(rule),
            unknown_outcome(rule, "position"),
            unknown_outcome(rule, attribute),
            stale_outcome(rule),
            Outcome.REVIEW,  # a rule that fails is reviewed, whatever its outcome
        )
        self.doubts.append(tuple(int(outcome) for outcome in outcomes))

    def rows(self, pool: RowPool, truths: U8, causes: U8) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Turn the truth of the leaves for some values into rows of term bits.

        Args:
            pool: says how bits are packed; nothing is added to it.
            truths: 0, 1, 2 per value and leaf, shape (values, leaves).
            causes: why truths of 1 are unknown, per value.

        Returns:
            Words of the settled terms and of the doubt parts, for `RowPool.add`.
        """
        step = max(1, _CHUNK // max(1, pool.terms))
        blocks = [
            self._block(pool, truths[i : i + step], causes[i : i + step]) for i in range(0, max(1, len(truths)), step)
        ]
        return np.concatenate([b[0] for b in blocks]), np.concatenate([b[1] for b in blocks])

    def _block(self, pool: RowPool, truths: U8, causes: U8) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        count = len(truths)
        judged = np.empty((count, len(self.tests)), np.uint8)
        for index, test in enumerate(self.tests):
            judged[:, index] = self._kleene(test, truths)
        uses = np.array(self.uses, np.int64)
        by_cause = np.array(self.doubts, np.uint8)
        truth = judged[:, uses]
        strength = np.where(truth == 2, np.uint8(SETTLED), np.uint8(0))
        unknown = truth == 1
        if unknown.any():
            strength = np.where(unknown, by_cause.T[causes], strength)
        full = np.full((count, pool.terms), SETTLED, np.uint8)
        full[:, np.array(self.terms, np.int64)] = strength
        settled = pool.pack(full >= SETTLED)
        if not unknown.any():
            nothing = np.zeros((count, (kernel.PARTS - kernel.LEVELS) * pool.words), np.uint64)
            return settled, np.concatenate([settled, settled, settled, nothing], axis=1)
        parts = [pool.pack(full >= level) for level in (3, 2, 1)]
        held = (full > 0) & (full < SETTLED)
        parts += [pool.pack(held & (causes == cause)[:, None]) for cause in Cause]
        return settled, np.concatenate(parts, axis=1)

    def _kleene(self, condition: Condition, truths: U8) -> U8:
        match condition:
            case All(parts):
                result = np.full(len(truths), 2, np.uint8)
                for part in parts:
                    result = np.minimum(result, self._kleene(part, truths))
                return result
            case AnyOf(parts):
                result = np.zeros(len(truths), np.uint8)
                for part in parts:
                    result = np.maximum(result, self._kleene(part, truths))
                return result
            case Not(part):
                return (2 - self._kleene(part, truths)).astype(np.uint8)
            case Where("anywhere"):
                return np.full(len(truths), 2, np.uint8)
            case _:
                return truths[:, self._places[condition]]

    def judge(self, values: Sequence[Any], leaf_truths: Callable[[Any], tuple[list[int], int]]) -> tuple[U8, U8]:
        """Judge every leaf for every value.

        Args:
            values: the values.
            leaf_truths: value to truths of `leaves` in order, and the cause of unknown ones. Whatever it raises makes
                all leaves unknown with the cause `ERROR`: a rule that cannot be evaluated must not disappear.
        """
        truths = np.empty((len(values), len(self.leaves)), np.uint8)
        causes = np.empty(len(values), np.uint8)
        for index, value in enumerate(values):
            try:
                truths[index], causes[index] = leaf_truths(value)
            except Exception:  # noqa: BLE001 - any failure of a rule is a reason to review, with its own reason code
                truths[index], causes[index] = 1, Cause.ERROR
        return truths, causes


class ValueIndex:
    """Numbers the distinct values of a coded column across batches.

    The same list of values (element by element the same objects, possibly longer) is recognised without hashing.
    """

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[Hashable, int] = {}
        self._seen: list[Any] = []
        self._ids: I32 = np.zeros(0, np.int32)

    def ids_of(self, values: Sequence[Any]) -> I32:
        """Return the number of each value; new values are appended to `values`."""
        known = len(self._seen)
        if len(values) < known or not all(map(is_, self._seen, values)):
            known, self._seen, self._ids = 0, [], np.zeros(0, np.int32)
        if len(values) > known:
            fresh = list(values[known:])
            more = np.fromiter((self._number(value) for value in fresh), np.int32, len(fresh))
            self._seen.extend(fresh)
            self._ids = np.concatenate([self._ids, more])
        return self._ids

    def _number(self, value: Any) -> int:
        try:
            number = self._numbers.get(value)
            if number is None:
                number = self._numbers[value] = len(self.values)
                self.values.append(value)
        except TypeError:  # not hashable, hence malformed; it gets a number of its own
            number = len(self.values)
            self.values.append(value)
        return number
