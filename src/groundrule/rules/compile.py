"""A rulebook compiled to columns: the cost of `decide` follows the number of distinct values, hardly that of rules.

1. Negation is pushed to the tests and each rule becomes terms (`normal`).
2. Terms are ordered by rank: tier, stricter outcome, rule id.
3. Each distinct value of each column group is judged once (`columns`, `groups`) and becomes a row of term bits.
4. Per observation the rows of its values are combined and the class that results is numbered (`kernel`).
5. Deciding rule, outcome, reasons and obligations are found once per class (`classes`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundrule.errors import InputError, MalformedRule
from groundrule.instant import MAX_NS, MIN_NS, NS_PER_S
from groundrule.rules import kernel
from groundrule.rules.attributes import attribute_of
from groundrule.rules.classes import ClassList, ClassTable, DecisionClass
from groundrule.rules.columns import RowPool, Tests
from groundrule.rules.evidence import AreaFact, Coded, EvidenceBatch, Profile, Truth
from groundrule.rules.groups import (
    LATCHES_PER_GROUP,
    CategoryGroup,
    LatchGroup,
    NumberGroup,
    PlaceGroup,
    ProfileGroup,
    RelationGroup,
    TimeGroup,
)
from groundrule.rules.leaves import kleene
from groundrule.rules.model import Compare, Condition, Counter, Latch, Relation, Rule, Rulebook, Where
from groundrule.rules.normal import Column, Effective, column_of, leaves_of, terms_of
from groundrule.rules.selectors import NO, PERHAPS, TRUTH_OF_TRI, YES, Place, landing_of

BLOCK = 8_192
"""Observations worked on at once, so that their codes stay in the cache."""

PAD = 48
"""Keeps the columns of a block from lying a power of two apart, where they would push each other out of the cache."""

MAX_VALUES = 500_000
"""Distinct places or profiles that are remembered before the memory is begun anew."""


@dataclass(frozen=True, slots=True)
class Decided:
    """Decisions of one batch, one row each.

    Attributes:
        outcome: `Outcome` (uint8, shape (n,)).
        rule: index into `rulebook.rules` of the deciding rule, -1 for the default (int32).
        state: index into `classes.STATES` (uint8).
        klass: index into `classes`; the numbers hold for one `CompiledRulebook` object, their content for ever (int32).
        valid_until: until when the decision holds without a new observation [ns, UTC; int64].
        classes: the decision classes; records are made when they are read.
    """

    outcome: NDArray[np.uint8]
    rule: NDArray[np.int32]
    state: NDArray[np.uint8]
    klass: NDArray[np.int32]
    valid_until: NDArray[np.int64]
    classes: Sequence[DecisionClass]


def compile_rulebook(book: Rulebook) -> CompiledRulebook:
    """Compile a rulebook.

    Raises:
        MalformedRule: a rule names an unknown tier or attribute, or combines too many alternatives.
    """
    return CompiledRulebook(book)


class CompiledRulebook:
    """A rulebook ready to decide.

    `decide` is a pure function of the batch; what the object remembers between calls saves time and numbers classes.
    Calls from several threads take turns.

    Attributes:
        rulebook: the rulebook.
        latches: limits with hysteresis, in the order of `EvidenceBatch.latches`.
        counters: the stay counters.
        buffers: (selector, metres) of every widened area.
        numbers: names of the numeric attributes that are needed.
        categories: names of the category attributes that are needed.
    """

    def __init__(self, book: Rulebook) -> None:
        self.rulebook = book
        leaves = [leaf for rule in book.rules for leaf in leaves_of(rule.condition())]
        everywhere = [*leaves, *(leaf for counter in book.counters for leaf in leaves_of(counter.condition))]
        self.latches: tuple[Latch, ...] = tuple(sorted({leaf for leaf in leaves if isinstance(leaf, Latch)}))
        self.counters = book.counters
        self.buffers = tuple(
            sorted({(w.selector, w.buffer_m) for w in everywhere if isinstance(w, Where) and w.buffer_m > 0})
        )
        self._ranked = _by_rank(book)
        self._terms: list[tuple[int, dict[Column, Condition]]] = [
            (rank, term) for rank, rule in enumerate(self._ranked) for term in terms_of(rule)
        ]
        self._tests = self._collect()
        self.numbers = tuple(sorted(c.name for c in self._tests if c.source == "number"))
        self.categories = tuple(sorted(c.name for c in self._tests if c.source == "category"))
        self._landing = landing_of(book)
        self._valid_ns = round(book.assumptions.decision_valid_s * NS_PER_S)
        self._lock = threading.Lock()
        self._forget()
        self._classes = ClassTable(
            book,
            self._ranked,
            np.array([rank for rank, _ in self._terms], np.int32),
            np.array([book.precedence.index(rule.tier) for rule in self._ranked], np.int32),
            self._pool.words,
        )

    def _collect(self) -> dict[Column, Tests]:
        found: dict[Column, Tests] = {}
        for number, (rank, term) in enumerate(self._terms):
            rule = self._ranked[rank]
            for column, test in term.items():
                attribute = next(attribute_of(leaf) for leaf in leaves_of(test) if column_of(leaf) is not None)
                found.setdefault(column, Tests(column)).add(number, test, rule, attribute)
            if rule.effective_from_ns != MIN_NS or rule.effective_until_ns != MAX_NS:
                span: Any = Effective(rule.effective_from_ns, rule.effective_until_ns)  # a leaf beside the model's
                time = Column("time")
                found.setdefault(time, Tests(time)).add(number, span, rule, "time")
        return found

    def _forget(self) -> None:
        """Begin the memory of judged values anew."""
        pool = self._pool = RowPool(len(self._terms))
        tests = self._tests
        self._places = PlaceGroup.make(
            tests.get(Column("where"), Tests(Column("where"))), pool, self.rulebook.claims, self._landing
        )
        self._profiles = ProfileGroup([t for c, t in sorted(tests.items()) if c.source == "who"])
        attributes = {"home_country": "account_country", "activation_country": "activation_country"}
        self._relations = [
            RelationGroup(tests[Column(source)], pool, attribute)
            for source, attribute in attributes.items()
            if Column(source) in tests
        ]
        self._categories = {c.name: CategoryGroup(t) for c, t in sorted(tests.items()) if c.source == "category"}
        self._numbers = {c.name: NumberGroup(t, pool) for c, t in sorted(tests.items()) if c.source == "number"}
        used = [(i, tests[Column("latch", repr(latch))]) for i, latch in enumerate(self.latches)
                if Column("latch", repr(latch)) in tests]  # fmt: skip
        self._latches = [
            LatchGroup(
                [t for _, t in used[i : i + LATCHES_PER_GROUP]], [p for p, _ in used[i : i + LATCHES_PER_GROUP]], pool
            )
            for i in range(0, len(used), LATCHES_PER_GROUP)
        ]
        rules = self.rulebook.rules
        moments = {moment for rule in rules for moment in (rule.effective_from_ns, rule.effective_until_ns)}
        self._time = TimeGroup(tests.get(Column("time"), Tests(Column("time"))), pool, moments)

    def decide(self, batch: EvidenceBatch) -> Decided:
        """Decide every row of a batch.

        Args:
            batch: the evidence; columns that the rules need and that are missing are unknown.

        Returns:
            The decisions, one per row and in its order.

        Raises:
            InputError: columns of different length, or codes that point outside of their values.
        """
        n = len(batch)
        _check(batch, n, len(self.latches))
        with self._lock:
            return self._decide(batch, n)

    def _decide(self, batch: EvidenceBatch, n: int) -> Decided:
        if max(len(self._places.index.values), len(self._profiles.index.values)) > MAX_VALUES:
            self._forget()
        pool = self._pool
        place_ids = self._places.learn(pool, batch.where.values)
        profile_ids = self._profiles.learn(pool, batch.who.values)
        for relation in self._relations:
            relation.learn_profiles(self._profiles.index.values)
            relation.learn_places(self._places.counted)
        coded: list[tuple[NDArray[np.int32], NDArray[np.int32]]] = []
        if self._profiles.columns:
            coded.append((_codes(batch.who), self._profiles.rows[profile_ids]))
        for name, group in self._categories.items():
            column = batch.categories.get(name)
            rows = group.learn(pool, (None,) if column is None else column.values)
            coded.append((np.zeros(n, np.int32) if column is None else _codes(column), rows))
        place_rows, place_known = self._places.rows[place_ids], self._places.known[place_ids]
        where = _codes(batch.where)
        who = _codes(batch.who)
        stale = self._stale(batch, n)
        now = np.ascontiguousarray(batch.now_ns, np.int64)
        klass, valid_until = np.empty(n, np.int32), np.empty(n, np.int64)
        numbers = {name: _interval(batch, name) for name in self._numbers}
        count = 2 + len(coded) + len(self._relations) + len(self._numbers) + len(self._latches)
        codes = np.empty((count, min(n, BLOCK) + PAD), np.int32)
        for start in range(0, n, BLOCK):
            stop = min(n, start + BLOCK)
            block = codes[:, : stop - start]
            outs = iter(block)
            kernel.fill_places(
                where[start:stop], place_rows, stale[start:stop], self._places.stale_row, place_known, next(outs)
            )
            for column_codes, rows in coded:
                kernel.fill_coded(column_codes[start:stop], rows, next(outs))
            for relation in self._relations:
                kernel.fill_relations(
                    place_ids[where[start:stop]], relation.of_profile[profile_ids[who[start:stop]]], relation.status,
                    stale[start:stop], relation.rows, next(outs),
                )  # fmt: skip
            for name, number in self._numbers.items():
                number.fill(pool, numbers[name], start, stop, next(outs))
            for latch in self._latches:
                latch.fill(batch.latches, start, stop, next(outs))
            kernel.fill_time(
                now[start:stop],
                self._time.boundaries,
                self._time.rows,
                self._valid_ns,
                next(outs),
                valid_until[start:stop],
            )
            self._classify(block, klass[start:stop])
        table = self._classes
        table.judge_new()
        outcome, rule, state = np.empty(n, np.uint8), np.empty(n, np.int32), np.empty(n, np.uint8)
        kernel.spread(klass, table.outcome, table.rule, table.state, outcome, rule, state)
        return Decided(outcome, rule, state, klass, valid_until, ClassList(table, int(table.counts[2])))

    def _classify(self, codes: NDArray[np.int32], klass: NDArray[np.int32]) -> None:
        pool, table = self._pool, self._classes
        done = 0
        while True:
            done = kernel.classify(
                done,
                codes,
                pool.settled,
                pool.doubt,
                *table.tables[0],
                *table.tables[1],
                table.counts,
                klass,
            )
            if done == len(klass):
                return
            table.make_room()

    def _stale(self, batch: EvidenceBatch, n: int) -> NDArray[np.bool_]:
        age = batch.numbers.get("position_age_s")
        if age is None:
            return np.zeros(n, np.bool_)
        return np.asarray(age.low) > self.rulebook.assumptions.max_position_age_s

    def counter_truth(self, counter: Counter, facts: tuple[AreaFact, ...] | None, profile: Profile | None) -> Truth:
        """Say whether a stay counter runs at a place for a profile.

        Args:
            counter: one of `counters`.
            facts: the areas of the position, or None if it is unknown.
            profile: the register's profile, or None if the terminal is not registered.
        """
        place = None if facts is None else Place(facts, self.rulebook.claims, self._landing)
        truths = {leaf: _place_truth(leaf, place, profile) for leaf in leaves_of(counter.condition)}
        return TRUTH_OF_TRI[kleene(counter.condition, truths)]


def _place_truth(leaf: Condition, place: Place | None, profile: Profile | None) -> int:
    if isinstance(leaf, Where):
        if leaf.selector == "anywhere":
            return YES
        return PERHAPS if place is None else place.truth(leaf)
    assert isinstance(leaf, Relation)  # the reader admits nothing else in a counter
    country = None
    if profile is not None:
        country = profile.account_country if leaf.of == "home_country" else profile.activation_country
    if place is None or country is None:
        return PERHAPS
    inside = place.counted.get(country, NO)
    return inside if leaf.inside else YES - inside


def _by_rank(book: Rulebook) -> list[Rule]:
    tiers = {tier: place for place, tier in enumerate(book.precedence)}
    for rule in book.rules:
        if rule.tier not in tiers:
            raise MalformedRule(
                f"the rule `{rule.id}` has the unknown tier `{rule.tier}`",
                line=rule.span.line,
                column=rule.span.column,
                help="known are " + ", ".join(book.precedence),
            )
        for leaf in leaves_of(rule.condition()):
            if isinstance(leaf, Compare) and not np.isfinite(leaf.value):
                raise MalformedRule(f"the rule `{rule.id}` compares with a number that is not finite")
    return sorted(book.rules, key=lambda rule: (tiers[rule.tier], -rule.outcome, rule.id))


def _codes(column: Coded) -> NDArray[np.int32]:
    return np.ascontiguousarray(column.codes, np.int32)


def _interval(batch: EvidenceBatch, name: str) -> Any:
    found = batch.numbers.get(name)
    if found is None:
        return None
    low = np.ascontiguousarray(found.low, np.float64)
    high = low if found.high is found.low else np.ascontiguousarray(found.high, np.float64)
    return type(found)(low, high)


def _check(batch: EvidenceBatch, n: int, latches: int) -> None:
    columns: list[tuple[str, Coded]] = [("where", batch.where), ("who", batch.who), *batch.categories.items()]
    for name, column in columns:
        _same_length(name, len(column.codes), n)
        if n and (column.codes.min() < 0 or column.codes.max() >= len(column.values)):
            raise InputError(
                f"a code of the column `{name}` points outside of its {len(column.values)} values", field=name
            )
    for name, interval in batch.numbers.items():
        _same_length(name, len(interval.low), n)
        _same_length(name, len(interval.high), n)
    if batch.latches is not None and batch.latches.shape != (n, latches):
        raise InputError(
            f"the latches have the shape {batch.latches.shape}", help=f"it must be ({n}, {latches})", field="latches"
        )


def _same_length(name: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise InputError(f"the column `{name}` has {found} rows, the batch has {wanted}", field=name)


__all__: Sequence[str] = ("CompiledRulebook", "Decided", "compile_rulebook")
