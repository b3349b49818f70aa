"""The plain evaluator for many rows: every leaf judged by `rules.reference` once for each value it can see, then combined.

A second engine beside `rules.compile`, for results that two engines must agree on. It shares no table and no kernel with the
compiled one: what a leaf says comes from the reference, and strengths are combined rule by rule in plain array arithmetic
(conjunction is the minimum, disjunction the maximum), straight from docs/rules.md. It tells outcomes only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundrule.records import Outcome
from groundrule.rules.attributes import ATTRIBUTES
from groundrule.rules.evidence import EvidenceBatch
from groundrule.rules.model import (
    All,
    AnyOf,
    Compare,
    Condition,
    In,
    Latch,
    ListIn,
    Not,
    Relation,
    Rule,
    Rulebook,
    Where,
)
from groundrule.rules.reference import SETTLED, Row, _leaf, row_of

Codes = NDArray[np.int64]
Memo = dict[tuple[Any, ...], tuple[bool | None, str]]
_UNKNOWN = 2
_ROOM = 1 << 62


def plain_outcomes(
    book: Rulebook, batch: EvidenceBatch, latches: Sequence[Latch], memo: Memo | None = None
) -> tuple[NDArray[np.uint8], int]:
    """Decide a batch.

    Args:
        book: the rulebook.
        batch: the evidence.
        latches: what the columns of `batch.latches` mean.
        memo: what selectors said of places, kept by a caller who decides several batches or rulebooks.
    Returns:
        Outcome of each row (uint8, shape (n,)), and how many distinct pieces of evidence there were.
    """
    if not len(batch):
        return np.zeros(0, np.uint8), 0
    columns = _Columns.of(book, batch, latches)
    judge = _Batch(book, batch, tuple(latches), columns, {} if memo is None else memo)
    strengths = {rule.id: judge.rule(rule) for rule in book.rules}
    outcome = np.full(columns.distinct, int(book.default_outcome), np.uint8)
    open_ = np.ones(columns.distinct, bool)
    for tier in book.precedence:
        found = np.zeros(columns.distinct, np.uint8)
        applies = np.zeros(columns.distinct, bool)
        for rule in book.rules:
            if rule.tier != tier:
                continue
            strength = strengths[rule.id]
            settled = strength == SETTLED
            applies |= strength > 0
            found = np.maximum(found, np.where(settled, np.uint8(int(rule.outcome)), strength))
        chosen = open_ & applies
        outcome[chosen] = found[chosen]
        open_ &= ~applies
    return outcome[columns.inverse], columns.distinct


@dataclass(slots=True)
class _Columns:
    """Distinct evidence: everything that some leaf can tell apart, as codes of the distinct rows.

    Attributes:
        rows: one row of the batch for each.
        inverse: which of them each row of the batch is.
        codes: by what is told apart, codes of the distinct rows.
    """

    rows: Codes
    inverse: Codes
    codes: dict[str, Codes]

    @property
    def distinct(self) -> int:
        return len(self.rows)

    @classmethod
    def of(cls, book: Rulebook, batch: EvidenceBatch, latches: Sequence[Latch]) -> _Columns:
        parts: dict[str, Codes] = {
            "where": batch.where.codes.astype(np.int64),
            "who": batch.who.codes.astype(np.int64),
            "now": _effective(book, batch.now_ns),
        }
        for name, column in batch.categories.items():
            parts[name] = column.codes.astype(np.int64)
        for name, cuts in _limits(book).items():
            if name in batch.numbers:
                interval = batch.numbers[name]
                low, high = _place(cuts, interval.low), _place(cuts, interval.high)
                # An interval that is empty is unknown, wherever its ends lie.
                parts[f"#{name}"] = (low * (2 * len(cuts) + 2) + high) * 2 + (interval.low > interval.high)
        if batch.latches is not None:
            for position, latch in enumerate(latches):
                parts[f"latch {latch}"] = batch.latches[:, position].astype(np.int64)
        code, room = np.zeros(len(batch), np.int64), 1
        for part in parts.values():
            least = int(part.min())
            width = int(part.max()) - least + 1
            if room * width >= _ROOM:
                _, code = np.unique(code, return_inverse=True)
                room = int(code.max()) + 1
            code, room = code * width + (part - least), room * width
        _, rows, inverse = np.unique(code, return_index=True, return_inverse=True)
        return cls(rows, inverse.ravel(), {name: part[rows] for name, part in parts.items()})


@dataclass(slots=True)
class _Batch:
    """Judges leaves over the distinct evidence of one batch."""

    book: Rulebook
    batch: EvidenceBatch
    latches: tuple[Latch, ...]
    columns: _Columns
    memo: Memo
    _setting: str = ""
    _rows: dict[int, Row] = field(default_factory=dict)
    _keys: dict[tuple[str, ...], tuple[Codes, Codes]] = field(default_factory=dict)
    _fields: dict[str, Codes] = field(default_factory=dict)
    _truths: dict[Condition, tuple[NDArray[np.uint8], Codes, dict[int, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._setting = repr((self.book.claims, self.book.landing_rights))

    def rule(self, rule: Rule) -> NDArray[np.uint8]:
        """Strength of a rule on each distinct evidence: 0 no, an outcome as a doubt, or SETTLED."""
        now = self.batch.now_ns[self.columns.rows]
        strength = np.where((rule.effective_from_ns <= now) & (now < rule.effective_until_ns), SETTLED, 0).astype(np.uint8)
        for condition, wanted in ((rule.where, True), (rule.who, True), (rule.what, True), *((e, False) for e in rule.unless)):
            if not strength.any():
                break
            strength = np.minimum(strength, self._weigh(rule, condition, wanted))
        return strength

    def _weigh(self, rule: Rule, condition: Condition, wanted: bool) -> NDArray[np.uint8]:
        match condition:
            case All(parts) | AnyOf(parts):
                both = isinstance(condition, All) == wanted
                strength = np.full(self.columns.distinct, SETTLED if both else 0, np.uint8)
                for part in parts:
                    weight = self._weigh(rule, part, wanted)
                    strength = np.minimum(strength, weight) if both else np.maximum(strength, weight)
                return strength
            case Not(part):
                return self._weigh(rule, part, not wanted)
        truth, keys, doubts = self._leaf(rule, condition)
        by_truth = np.array([0, SETTLED, 0] if wanted else [SETTLED, 0, 0], np.uint8)[truth]
        for key in doubts:
            # What the rule does about this doubt is asked of the reference for one row that has it.
            by_truth[key] = self._doubt(rule, condition, self._row(int(self._first(condition)[key])))
        return by_truth[keys]

    def _leaf(self, rule: Rule, leaf: Condition) -> tuple[NDArray[np.uint8], Codes, dict[int, str]]:
        """Truth by key, key of each distinct evidence, and the keys in doubt."""
        if leaf not in self._truths:
            first, inverse = self._key(self._seen_by(leaf))
            truth = np.empty(len(first), np.uint8)
            doubts: dict[int, str] = {}
            for key, row in enumerate(first):
                found, doubt = self._ask(rule, leaf, self._row(int(row)))
                truth[key] = _UNKNOWN if found is None else int(found)
                if found is None:
                    doubts[key] = doubt
            self._truths[leaf] = truth, inverse, doubts
        return self._truths[leaf]

    def _ask(self, rule: Rule, leaf: Condition, row: Row) -> tuple[bool | None, str]:
        key = None
        if isinstance(leaf, Where) and row.where is not None:
            # All that a selector's truth depends on, besides the leaf: the place, how old it is, and the map and rights.
            age = row.numbers.get("position_age_s", (np.nan, np.nan))[0] > self.book.assumptions.max_position_age_s
            key = (leaf, row.where, bool(age), self._setting)
            try:
                if key in self.memo:
                    return self.memo[key]
            except TypeError:  # a place that cannot be hashed is broken evidence, and is judged by itself
                key = None
        try:
            truth, doubt, _ = _leaf(self.book, rule, row, leaf)
        except Exception:  # noqa: BLE001 - a rule that cannot be evaluated is reviewed
            return None, "rule_error"
        if key is not None:
            self.memo[key] = truth, doubt
        return truth, doubt

    def _doubt(self, rule: Rule, leaf: Condition, row: Row) -> int:
        try:
            outcome = _leaf(self.book, rule, row, leaf)[2]
        except Exception:  # noqa: BLE001 - a rule that cannot be evaluated is reviewed
            outcome = Outcome.REVIEW
        return int(outcome) if outcome > Outcome.SERVE else 0

    def _first(self, leaf: Condition) -> Codes:
        return self._key(self._seen_by(leaf))[0]

    def _row(self, distinct: int) -> Row:
        if distinct not in self._rows:
            self._rows[distinct] = row_of(self.batch, int(self.columns.rows[distinct]), self.latches)
        return self._rows[distinct]

    def _seen_by(self, leaf: Condition) -> tuple[str, ...]:
        """Columns that a leaf can see; whoever sees more than it needs is only asked more often."""
        match leaf:
            case Where("anywhere"):
                return ()
            case Where():
                return "where", "#position_age_s"
            case Relation(of, _):
                country = "account_country" if of == "home_country" else "activation_country"
                return "where", "#position_age_s", f"who.{country}"
            case ListIn():
                return ("who.lists",)
            case Latch():
                return (f"latch {leaf}",)
            case In(attribute, _):
                spec = ATTRIBUTES[attribute]
                return (attribute,) if spec.source == "category" else (f"who.{spec.field}",)
            case Compare("software", _, _):
                return ("who.software_version",)
            case Compare(attribute, _, _):
                return (f"#{attribute}",)
        return tuple(self.columns.codes)

    def _key(self, names: tuple[str, ...]) -> tuple[Codes, Codes]:
        """First distinct evidence of each key, and the key of each distinct evidence."""
        if names not in self._keys:
            code = np.zeros(self.columns.distinct, np.int64)
            for name in names:
                part = self._column(name)
                if part is not None:
                    _, code = np.unique(code * (int(part.max(initial=0)) + 2) + part + 1, return_inverse=True)
            _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
            self._keys[names] = first, inverse.ravel()
        return self._keys[names]

    def _column(self, name: str) -> Codes | None:
        if not name.startswith("who."):
            return self.columns.codes.get(name)
        if name not in self._fields:
            known: dict[object, int] = {}
            attribute = name.removeprefix("who.")
            # Somebody who is not registered differs from everybody who is. Values are told apart by how they are written,
            # because broken evidence may hold anything.
            of = [
                known.setdefault((profile is None, repr(getattr(profile, attribute, None))), len(known))
                for profile in self.batch.who.values
            ]
            self._fields[name] = np.array(of, np.int64)[self.columns.codes["who"]]
        return self._fields[name]


def _effective(book: Rulebook, now_ns: NDArray[np.int64]) -> Codes:
    """Between which beginnings and ends of rules an instant lies."""
    cuts = sorted({t for rule in book.rules for t in (rule.effective_from_ns, rule.effective_until_ns)})
    return np.searchsorted(np.array(cuts, np.int64), now_ns, side="right").astype(np.int64)


def _limits(book: Rulebook) -> dict[str, NDArray[np.float64]]:
    """Numbers at which some leaf's answer can change, by attribute."""
    found: dict[str, set[float]] = {"position_age_s": {float(book.assumptions.max_position_age_s)}}
    for rule in book.rules:
        for condition in (rule.where, rule.who, rule.what, *rule.unless):
            for leaf in _leaves(condition):
                if isinstance(leaf, Compare):
                    found.setdefault(leaf.attribute, set()).add(float(leaf.value))
    return {name: np.array(sorted(values)) for name, values in found.items()}


def _leaves(condition: Condition) -> Iterator[Condition]:
    match condition:
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from _leaves(part)
        case Not(part):
            yield from _leaves(part)
        case _:
            yield condition


def _place(cuts: NDArray[np.float64], values: NDArray[np.float64]) -> Codes:
    """Below, at or above each limit; NaN comes after everything."""
    place = np.searchsorted(cuts, values, side="left") + np.searchsorted(cuts, values, side="right")
    return np.where(np.isnan(values), 2 * len(cuts) + 1, place).astype(np.int64)
