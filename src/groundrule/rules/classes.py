"""Decision classes: equal decisions share one record, made only when somebody reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from groundrule.records import Outcome, ServiceState
from groundrule.rules import kernel
from groundrule.rules.columns import QUALIFIERS, SETTLED
from groundrule.rules.model import Rule, Rulebook

DECISIVE, CONTRIBUTING = "decisive", "contributing"
DEFAULT_RULE = "default"
"""Rule id in the reasons of a decision that no rule applied to."""

STATES = tuple(ServiceState)

ReasonLine = tuple[str, str, str]
Table = tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.int32]]


@dataclass(frozen=True, slots=True)
class DecisionClass:
    """What a decision says, apart from whom and when.

    Attributes:
        outcome: the effective outcome.
        state: the service state that the deciding rule carries, once it is settled.
        rule_id: the deciding rule, or `default`.
        reasons: (reason code, rule id, `decisive` or `contributing`): the deciding rule first, then the other applying
            rules by rank; after each rule that was in doubt stand the qualifiers that say why.
        obligations: sorted `name=value`.
    """

    outcome: Outcome
    state: ServiceState
    rule_id: str
    reasons: tuple[ReasonLine, ...]
    obligations: tuple[str, ...]


def make_class(
    book: Rulebook, deciding: Rule | None, outcome: Outcome, applying: Sequence[tuple[Rule, bool, tuple[str, ...]]]
) -> DecisionClass:
    """Write one decision class.

    Args:
        book: the rulebook.
        deciding: the deciding rule, or None for the default.
        outcome: the effective outcome.
        applying: the applying rules by rank, each with whether it is settled and the qualifiers of its doubt.
    """
    if deciding is None:
        reason = (book.default_reason, DEFAULT_RULE, DECISIVE)
        return DecisionClass(book.default_outcome, ServiceState.NORMAL, DEFAULT_RULE, (reason,), ())
    ordered = sorted(applying, key=lambda item: item[0] is not deciding)  # stable: only the deciding rule moves
    reasons: list[ReasonLine] = []
    for rule, _, qualifiers in ordered:
        reasons.append((rule.reason, rule.id, DECISIVE if rule is deciding else CONTRIBUTING))
        reasons.extend((code, rule.id, CONTRIBUTING) for code in qualifiers)
    settled = ordered[0][1]
    state = deciding.state if settled else ServiceState.NORMAL
    return DecisionClass(outcome, state, deciding.id, tuple(reasons), obligations_of(deciding, outcome, settled))


def obligations_of(rule: Rule, outcome: Outcome, settled: bool) -> tuple[str, ...]:
    """Return what a decision of a rule obliges to.

    The rule's obligations hold when it is settled or restricts; the limits of a retry hold after a denial.
    """
    found = list(rule.obligations) if settled or outcome == Outcome.RESTRICT else []
    if outcome == Outcome.DENY:
        if rule.retry_move_m is not None:
            found.append(f"retry_move_m={rule.retry_move_m}")
        if rule.retry_wait_s is not None:
            found.append(f"retry_wait_s={rule.retry_wait_s}")
    return tuple(sorted(found))


class ClassTable:
    """All classes seen so far by one compiled rulebook, with their numbers.

    Args:
        book: the rulebook.
        ranked: its rules by rank.
        term_rule: rule (by rank) of each term, by rank.
        tiers: tier of each ranked rule.
        words: words of a settled key.
    """

    def __init__(
        self, book: Rulebook, ranked: Sequence[Rule], term_rule: NDArray[np.int32], tiers: NDArray[np.int32], words: int
    ) -> None:
        self.book, self.ranked, self.words = book, ranked, words
        self._term_rule, self._tiers = term_rule, tiers
        self._outcomes = np.array([rule.outcome for rule in ranked], np.uint8)
        names = {rule_id: place for place, rule_id in enumerate(sorted(rule.id for rule in ranked))}
        self._names = np.array([names[rule.id] for rule in ranked], np.int32)
        index = {rule.id: place for place, rule in enumerate(book.rules)}
        self._index = np.array([*(index[rule.id] for rule in ranked), -1], np.int32)
        self._states = np.array([*(STATES.index(rule.state) for rule in ranked), 0], np.uint8)
        self.counts: NDArray[np.int64] = np.zeros(3, np.int64)
        self.tables = [self._table(64, words), self._table(64, words * (1 + kernel.PARTS))]
        self.outcome: NDArray[np.uint8] = np.zeros(64, np.uint8)
        self.state: NDArray[np.uint8] = np.zeros(64, np.uint8)
        self.rule: NDArray[np.int32] = np.zeros(64, np.int32)
        self._deciding: NDArray[np.int32] = np.zeros(64, np.int32)
        self._kind: NDArray[np.int8] = np.zeros(64, np.int8)
        self._entry: NDArray[np.int32] = np.zeros(64, np.int32)
        self._judged = [0, 0]
        self._made: dict[int, DecisionClass] = {}

    @staticmethod
    def _table(capacity: int, length: int) -> Table:
        return (
            np.zeros(4 * capacity, np.int64),
            np.zeros((capacity, length), np.uint64),
            np.zeros(capacity, np.int32),
        )

    def make_room(self) -> None:
        """Enlarge the hash tables that are full."""
        for kind, (_, keys, ids) in enumerate(self.tables):
            count = int(self.counts[kind])
            if count + 1 < len(ids):
                continue
            larger = self._table(4 * len(ids), keys.shape[1])
            larger[1][:count], larger[2][:count] = keys[:count], ids[:count]
            kernel.rehash(larger[1], count, keys.shape[1], larger[0])
            self.tables[kind] = larger

    def judge_new(self) -> None:
        """Find deciding rule, outcome and state of the classes that were added."""
        total = int(self.counts[2])
        if total > len(self.outcome):
            size = max(total, 2 * len(self.outcome))
            for name in ("outcome", "state", "rule", "_deciding", "_kind", "_entry"):
                old = getattr(self, name)
                grown = np.zeros(size, old.dtype)
                grown[: len(old)] = old
                setattr(self, name, grown)
        for kind in (0, 1):
            start, stop = self._judged[kind], int(self.counts[kind])
            if start == stop:
                continue
            _, keys, ids = self.tables[kind]
            found = np.empty((stop - start, 3), np.int32)
            kernel.judge_many(
                keys, start, stop, kind == 1, self._term_rule, self._tiers, self._outcomes, self._names, found
            )
            klass, rule = ids[start:stop], found[:, 0]
            self._deciding[klass], self._kind[klass] = rule, kind
            self._entry[klass] = np.arange(start, stop)
            self.rule[klass] = self._index[rule]
            self.outcome[klass] = np.where(rule < 0, self.book.default_outcome, found[:, 1])
            self.state[klass] = np.where(found[:, 2] == SETTLED, self._states[rule], 0)
            self._judged[kind] = stop

    def get(self, klass: int) -> DecisionClass:
        """Return the record of a class, made on first use."""
        made = self._made.get(klass)
        if made is None:
            made = self._made[klass] = self._make(klass)
        return made

    def _make(self, klass: int) -> DecisionClass:
        rule = int(self._deciding[klass])
        outcome = Outcome(int(self.outcome[klass]))
        if rule < 0:
            return make_class(self.book, None, outcome, ())
        key = self.tables[self._kind[klass]][1][self._entry[klass]]
        terms = self._terms(key[: self.words])
        if self._kind[klass] == 0:
            ranks = dict.fromkeys(int(self._term_rule[term]) for term in terms)
            applying = [(self.ranked[rank], True, ()) for rank in ranks]
            return make_class(self.book, self.ranked[rule], outcome, applying)
        return make_class(self.book, self.ranked[rule], outcome, self._doubtful(key))

    def _terms(self, words: NDArray[np.uint64]) -> list[int]:
        bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), bitorder="little")
        found: list[int] = np.flatnonzero(bits).tolist()
        return found

    def _doubtful(self, key: NDArray[np.uint64]) -> list[tuple[Rule, bool, tuple[str, ...]]]:
        parts = [self._terms(key[i * self.words : (i + 1) * self.words]) for i in range(1 + kernel.PARTS)]
        strength: dict[int, int] = {}
        for level, terms in zip((1, 2, 3, SETTLED), (parts[3], parts[2], parts[1], parts[0]), strict=True):
            strength.update(dict.fromkeys(terms, level))
        causes: dict[int, set[str]] = {}
        for code, terms in zip(QUALIFIERS, parts[1 + kernel.LEVELS :], strict=True):
            for term in terms:
                causes.setdefault(term, set()).add(code)
        by_rule: dict[int, list[tuple[int, frozenset[str]]]] = {}
        for term in sorted(strength):
            witness = (strength[term], frozenset(causes.get(term, ())))
            by_rule.setdefault(int(self._term_rule[term]), []).append(witness)
        return [
            (self.ranked[rank], max(s for s, _ in witnesses) == SETTLED, qualifiers_of(witnesses))
            for rank, witnesses in sorted(by_rule.items())
        ]


def qualifiers_of(witnesses: Sequence[tuple[int, frozenset[str]]]) -> tuple[str, ...]:
    """Return why a rule is in doubt: the smallest sets of doubts that give it its strength.

    Args:
        witnesses: (strength, causes) of each way in which the rule may apply.

    Returns:
        Reason codes in the order of `QUALIFIERS`; empty if one way is settled.
    """
    best = max(strength for strength, _ in witnesses)
    if best == SETTLED:
        return ()
    sets = {causes for strength, causes in witnesses if strength == best}
    smallest = [causes for causes in sets if not any(other < causes for other in sets)]
    return tuple(code for code in QUALIFIERS if any(code in causes for causes in smallest))


class ClassList(Sequence[DecisionClass]):
    """The classes of a batch in the order of their numbers; a record is made when it is read."""

    def __init__(self, table: ClassTable, length: int) -> None:
        self._table, self._length = table, length

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> DecisionClass: ...
    @overload
    def __getitem__(self, index: slice) -> list[DecisionClass]: ...
    def __getitem__(self, index: int | slice) -> DecisionClass | list[DecisionClass]:
        if isinstance(index, slice):
            return [self._table.get(i) for i in range(*index.indices(self._length))]
        place = index + self._length if index < 0 else index
        if not 0 <= place < self._length:
            raise IndexError(index)
        return self._table.get(place)

    def __iter__(self) -> Iterator[DecisionClass]:
        return (self._table.get(i) for i in range(self._length))
