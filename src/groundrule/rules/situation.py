"""One moment of one terminal as plain values, and what a rule makes of it, leaf by leaf.

Explanations and analyses need more than the outcome: which leaf held, which did not, which was in doubt and why. This
module answers that for one moment; `rules.compile` answers the outcome for millions, and tests hold the two against
each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

import numpy as np

from groundrule.records import Outcome, ServiceState
from groundrule.rules import attributes
from groundrule.rules.evidence import AreaFact, Coded, EvidenceBatch, Interval, Profile, Truth
from groundrule.rules.leaves import number_truth, word_truth
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
from groundrule.rules.selectors import NO, PERHAPS, TRI_OF_TRUTH, YES, Place, landing_of

Doubt = Literal["edge", "stale", "unknown", "error"]
Number = float | tuple[float, float] | None


class Strength(IntEnum):
    """How far a condition holds: certainly not, as a doubt with an outcome, or certainly.

    The conjunction is the minimum, so of several doubts the most lenient counts; the disjunction is the maximum.
    """

    NO = 0
    RESTRICT = 1
    REVIEW = 2
    DENY = 3
    YES = 4


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known about one terminal at one instant.

    Attributes:
        now_ns: the instant [ns, UTC].
        facts: areas that the position is inside of or on the edge of; None if the position is unknown.
        profile: what the registers say; None for a terminal that is not registered.
        numbers: attribute name to a number, to an interval (low, high), or to None or NaN for unknown.
        categories: attribute name to a word or a set of words; None or missing is unknown.
        latches: truth of each limit with hysteresis; a missing one is unknown.
    """

    now_ns: int
    facts: tuple[AreaFact, ...] | None = ()
    profile: Profile | None = field(default_factory=Profile)
    numbers: Mapping[str, Number] = field(default_factory=dict)
    categories: Mapping[str, object] = field(default_factory=dict)
    latches: Mapping[Latch, Truth] = field(default_factory=dict)

    def interval(self, attribute: str) -> tuple[float, float] | None:
        """Return the bounds of a number in base units, or None if nothing is known."""
        value = self.numbers.get(attribute)
        if value is None:
            return None
        low, high = value if isinstance(value, tuple) else (value, value)
        return None if math.isnan(low) and math.isnan(high) else (float(low), float(high))

    def word(self, attribute: str) -> object:
        """Return a word, a set of words, or None if unknown."""
        if attribute == "list" or attributes.ATTRIBUTES[attribute].source == "who":
            return attributes.profile_value(self.profile, attribute)
        return self.categories.get(attribute)


@dataclass(frozen=True, slots=True)
class LeafTruth:
    """How one leaf stands.

    Attributes:
        truth: 0 no, 1 in doubt, 2 yes.
        doubt: why it is in doubt, or None.
        attribute: the unknown attribute if the doubt is `unknown`.
    """

    truth: int
    doubt: Doubt | None = None
    attribute: str = ""


_NO, _YES = LeafTruth(NO), LeafTruth(YES)
_EDGE, _STALE = LeafTruth(PERHAPS, "edge"), LeafTruth(PERHAPS, "stale")
_NO_POSITION = LeafTruth(PERHAPS, "unknown", "position")


class Judge:
    """Judges leaves of one situation; each distinct leaf once.

    Args:
        rulebook: gives claims, landing rights and the greatest age of a position.
        situation: the moment.
        landing: `landing_of(rulebook)`, where the caller keeps it.
        places: places met before, where the caller keeps them.
    """

    def __init__(
        self,
        rulebook: Rulebook,
        situation: Situation,
        landing: dict[str, str] | None = None,
        places: dict[tuple[AreaFact, ...], Place] | None = None,
    ) -> None:
        self.situation = situation
        self.place: Place | None = None
        if situation.facts is not None:
            self.place = None if places is None else places.get(situation.facts)
            if self.place is None:
                self.place = Place(situation.facts, rulebook.claims, landing_of(rulebook) if landing is None else landing)
                if places is not None:
                    places[situation.facts] = self.place
        age = situation.interval("position_age_s")
        self.is_stale = age is not None and age[0] > rulebook.assumptions.max_position_age_s
        self._known: dict[int, LeafTruth] = {}  # by identity: the rulebook keeps its leaves alive

    def leaf(self, leaf: Condition) -> LeafTruth:
        """Return how a leaf stands."""
        found = self._known.get(id(leaf))
        if found is None:
            try:
                found = self._judge(leaf)
            except (TypeError, KeyError):  # a fact of a type that it cannot have
                found = LeafTruth(PERHAPS, "error")
            self._known[id(leaf)] = found
        return found

    def strength(self, condition: Condition, rule: Rule, *, negated: bool = False) -> Strength:
        """Return how far a condition holds for a rule, with the rule's own word for each doubt."""
        if isinstance(condition, All | AnyOf):
            lowest = isinstance(condition, All) is not negated
            found, end = (Strength.YES, Strength.NO) if lowest else (Strength.NO, Strength.YES)
            for part in condition.parts:
                strength = self.strength(part, rule, negated=negated)
                if (strength < found) is lowest and strength != found:
                    found = strength
                if found is end:
                    break
            return found
        if isinstance(condition, Not):
            return self.strength(condition.part, rule, negated=not negated)
        return strength_of(self.leaf(condition), rule, negated=negated)

    def outcome(self, rule: Rule) -> Outcome | None:
        """Return the outcome with which a rule applies now, or None if it does not."""
        if not rule.effective_from_ns <= self.situation.now_ns < rule.effective_until_ns:
            return None
        strength = self.strength(rule.condition(), rule)
        if strength is Strength.NO:
            return None
        return rule.outcome if strength is Strength.YES else Outcome(int(strength))

    def _judge(self, leaf: Condition) -> LeafTruth:
        match leaf:
            case Where("anywhere"):
                return _YES
            case Where():
                if self.place is None:
                    return _NO_POSITION
                return _STALE if self.is_stale else _of(self.place.truth(leaf), _EDGE)
            case Relation():
                return self._relation(leaf)
            case Latch():
                truth = self.situation.latches.get(leaf, Truth.UNKNOWN)
                return _of(TRI_OF_TRUTH[int(truth)], LeafTruth(PERHAPS, "unknown", leaf.attribute))
            case In() | ListIn():
                name = "list" if isinstance(leaf, ListIn) else leaf.attribute
                return _of(word_truth(leaf, self.situation.word(name)), LeafTruth(PERHAPS, "unknown", name))
            case Compare("software"):
                return _of(word_truth(leaf, self.situation.word("software")), LeafTruth(PERHAPS, "unknown", "software"))
            case Compare():
                bounds = self.situation.interval(leaf.attribute)
                unknown = LeafTruth(PERHAPS, "unknown", leaf.attribute)
                return unknown if bounds is None else _of(number_truth(leaf, *bounds), unknown)
            case All() | AnyOf() | Not():
                raise AssertionError("only leaves are judged")

    def _relation(self, leaf: Relation) -> LeafTruth:
        name = attributes.attribute_of(leaf)
        country = attributes.profile_value(self.situation.profile, name)
        if self.place is None:
            return _NO_POSITION
        if country is None:
            return LeafTruth(PERHAPS, "unknown", name)
        if not isinstance(country, str):
            return LeafTruth(PERHAPS, "error")
        if self.is_stale:
            return _STALE
        inside = self.place.counted.get(country, NO)
        return _of(inside if leaf.inside else YES - inside, _EDGE)


def strength_of(leaf: LeafTruth, rule: Rule, *, negated: bool = False) -> Strength:
    """Return the strength of a judged leaf for a rule."""
    if leaf.truth != PERHAPS:
        return Strength.YES if (leaf.truth == YES) is not negated else Strength.NO
    if leaf.doubt == "edge":
        outcome = attributes.edge_outcome(rule)
    elif leaf.doubt == "stale":
        outcome = attributes.stale_outcome(rule)
    elif leaf.doubt == "error":
        outcome = Outcome.REVIEW
    else:
        outcome = attributes.unknown_outcome(rule, leaf.attribute)
    return Strength(int(outcome))


def deciding(rulebook: Rulebook, outcomes: Mapping[str, Outcome], order: Sequence[Rule] | None = None) -> Rule | None:
    """Return the rule that decides among those that apply: first tier, strictest outcome, lower id in byte order.

    Args:
        rulebook: gives the precedence.
        outcomes: effective outcome of each applying rule by its id.
        order: the applying rules, where the caller has them.
    """
    rules = [rule for rule in rulebook.rules if rule.id in outcomes] if order is None else order
    tiers = {tier: index for index, tier in enumerate(rulebook.precedence)}
    return min(rules, key=lambda rule: (tiers[rule.tier], -outcomes[rule.id], rule.id.encode()), default=None)


def _of(truth: int, doubt: LeafTruth) -> LeafTruth:
    return doubt if truth == PERHAPS else _YES if truth == YES else _NO


@dataclass(frozen=True, slots=True)
class Found:
    """What is decided in one situation.

    Attributes:
        outcome: of the decision.
        state: service state.
        reason: code.
        rule: deciding rule, or None if the rulebook's default decided.
    """

    outcome: Outcome
    state: ServiceState
    reason: str
    rule: str | None


def decide_situation(rulebook: Rulebook, situation: Situation) -> Found:
    """Decide one situation by walking every rule; slow and plain."""
    judge = Judge(rulebook, situation)
    outcomes = {rule.id: outcome for rule in rulebook.rules if (outcome := judge.outcome(rule)) is not None}
    rule = deciding(rulebook, outcomes)
    if rule is None:
        return Found(rulebook.default_outcome, ServiceState.NORMAL, rulebook.default_reason, None)
    return Found(outcomes[rule.id], rule.state, rule.reason, rule.id)


def batch_of(situations: Sequence[Situation], latches: Sequence[Latch]) -> EvidenceBatch:
    """Write situations as one batch of evidence, a row each.

    Args:
        situations: the moments.
        latches: the limits in the order of the compiled rulebook's columns.
    """
    rows = range(len(situations))
    codes = np.arange(len(situations), dtype=np.int32)
    names = sorted({name for situation in situations for name in situation.numbers})
    words = sorted({name for situation in situations for name in situation.categories})
    bounds = {
        name: np.array([situation.interval(name) or (np.nan, np.nan) for situation in situations]).reshape(-1, 2)
        for name in names
    }
    held = [[int(s.latches.get(latch, Truth.UNKNOWN)) for latch in latches] for s in situations]
    return EvidenceBatch(
        now_ns=np.array([situation.now_ns for situation in situations], dtype=np.int64),
        where=Coded(codes, [situation.facts for situation in situations]),
        who=Coded(codes, [situation.profile for situation in situations]),
        numbers={
            name: Interval(np.ascontiguousarray(pair[:, 0]), np.ascontiguousarray(pair[:, 1]))
            for name, pair in bounds.items()
        },
        categories={name: Coded(codes, [situations[row].categories.get(name) for row in rows]) for name in words},
        latches=np.array(held, dtype=np.uint8).reshape(len(situations), len(latches)),
    )
