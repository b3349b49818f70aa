"""The class of each row for degraded operation: protected, ordinary or conflict, in one pass over codes.

Who may never be cut off by an outage, and whose denial no outage may lift, follows from what the judge has coded already:

1. *listed*: a rule that denies asks for an entry on a list, or for a party that is listed in screening, and place, person
   and instant are its own. A listed terminal is `conflict`, also if it is protected: the denial of the list stays.
2. *protected*: the register says so.
3. *conflict area*: inside or on the edge of an area that is tagged `conflict` or `war`; *speed limit*: where a rule denies
   whoever moves too fast, unless the terminal is excepted. Such a terminal is `conflict`.
4. Everybody else is `ordinary`.

A limit that belongs to a plan (houses do not drive) is a product's, not a place's: it makes nobody a case of conflict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from groundrule.pipeline.judge import Judge, Judged
from groundrule.pipeline.reach import CONFLICT
from groundrule.records import Outcome
from groundrule.rules.attributes import WHO_NAMES, profile_value
from groundrule.rules.evidence import AreaFact, Profile
from groundrule.rules.leaves import kleene, word_truth
from groundrule.rules.model import All, AnyOf, Compare, Condition, In, Latch, ListIn, Not, Rule, Where
from groundrule.rules.normal import leaves_of
from groundrule.rules.selectors import NO, PERHAPS, YES, Place, landing_of


class TerminalClass(IntEnum):
    """What an outage may do to a terminal; the codes of `Classes.codes`."""

    PROTECTED = 0
    ORDINARY = 1
    CONFLICT = 2

    @property
    def word(self) -> str:
        """The lower-case word used in answers."""
        return self.name.lower()


CLASS_WORDS: Final = tuple(each.word for each in TerminalClass)
"""Words in the order of their codes."""

MAX_RULES: Final = 63
"""Rules of one kind that are told apart, one bit each; those beyond hold for everybody in their place."""


@dataclass(frozen=True, slots=True)
class Classes:
    """Classes of one batch; row i belongs to observation i.

    Attributes:
        codes: `TerminalClass` (uint8, shape (n,)).
        protected: the register says so (bool).
        listed: on a denylist or sanctions list (bool).
        conflict_area: in a declared conflict area or on its edge (bool).
        speed_limited: in a place where speed is denied, and not excepted (bool).
        denied_by_list: the base decision is a denial by such a list; no outage lifts it (bool).
    """

    codes: NDArray[np.uint8]
    protected: NDArray[np.bool_]
    listed: NDArray[np.bool_]
    conflict_area: NDArray[np.bool_]
    speed_limited: NDArray[np.bool_]
    denied_by_list: NDArray[np.bool_]


class Classifier:
    """Classes of the batches of one judge.

    Args:
        judge: whose codes are read; its lists of distinct values may grow.
    """

    def __init__(self, judge: Judge) -> None:
        book = judge.basis.rulebook
        self._judge = judge
        self._landing = landing_of(book)
        denying = [rule for rule in book.rules if rule.outcome == Outcome.DENY]
        self._by_list = _RuleBits(self, [rule for rule in denying if _asks_for_a_list(rule)])
        self._by_speed = _RuleBits(self, [rule for rule in denying if _limits_a_place(rule)])
        index = {rule.id: place for place, rule in enumerate(book.rules)}
        self._list_rules = np.zeros(len(book.rules) + 1, bool)
        self._list_rules[[index[rule.id] for rule in self._by_list.rules]] = True
        # Whoever is listed is listed, also under a rulebook that says nothing about it.
        self._flat = not any(_screens(rule) for rule in self._by_list.rules)
        self._at_war = _Flags(judge.where.values, _is_at_war)
        self._protected = _Flags(judge.who.values, is_protected)
        self._screened = _Flags(judge.who.values, lambda profile: profile is not None and profile.screening == "listed")

    def of(self, judged: Judged) -> Classes:
        """Return the classes of a batch that this classifier's judge has judged."""
        where, who, now = judged.where, judged.who, judged.now_ns
        protected = self._protected.of(who)
        listed = self._by_list.hold(where, who, now)
        if self._flat:
            listed = listed | self._screened.of(who)
        at_war = self._at_war.of(where)
        limited = self._by_speed.hold(where, who, now)
        codes = np.full(len(where), TerminalClass.ORDINARY, np.uint8)
        codes[at_war | limited] = TerminalClass.CONFLICT
        codes[protected] = TerminalClass.PROTECTED
        codes[listed] = TerminalClass.CONFLICT
        rule = judged.decided.rule
        # Rules of emergencies stand beyond those of the book, the default before them.
        inside = np.where((rule >= 0) & (rule < len(self._list_rules) - 1), rule, len(self._list_rules) - 1)
        denied = self._list_rules[inside] & (judged.decided.outcome == Outcome.DENY)
        return Classes(codes, protected, listed, at_war, limited, denied)

    def place(self, facts: Sequence[AreaFact]) -> Place:
        """Read a place as the rulebook counts it."""
        return Place(facts, self._judge.basis.rulebook.claims, self._landing)

    @property
    def where_values(self) -> Sequence[tuple[AreaFact, ...] | None]:
        """Distinct places of the judge."""
        return self._judge.where.values

    @property
    def who_values(self) -> Sequence[Profile | None]:
        """Distinct profiles of the judge."""
        return self._judge.who.values


def is_protected(profile: Profile | None) -> bool:
    """Does the register say that a terminal belongs to a protected class?"""
    return profile is not None and profile.protected_class not in (None, "none")


def _is_at_war(facts: tuple[AreaFact, ...] | None) -> bool:
    return any(fact.kind != "buffer" and (fact.kind in CONFLICT or CONFLICT & set(fact.tags)) for fact in facts or ())


# --- which rules ----------------------------------------------------------------------------------------------------------


def _signed(condition: Condition, negated: bool = False) -> Iterator[tuple[Condition, bool]]:
    """Leaves of a condition, each with whether it stands under a negation."""
    match condition:
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from _signed(part, negated)
        case Not(part):
            yield from _signed(part, not negated)
        case _:
            yield condition, negated


def _asks_for_a_list(rule: Rule) -> bool:
    """Does a denial rest on an entry of a list, or on screening?"""
    return _screens(rule) or any(
        isinstance(leaf, ListIn) and not negated and leaf.states != {"none"} for leaf, negated in _signed(rule.who)
    )


def _screens(rule: Rule) -> bool:
    return any(
        isinstance(leaf, In) and leaf.attribute == "screening" and "listed" in leaf.values and not negated
        for leaf, negated in _signed(rule.who)
    )


def _limits_a_place(rule: Rule) -> bool:
    """Does a denial rest on a speed in a place, whoever it is?"""
    fast = any(
        (isinstance(leaf, Latch) or (isinstance(leaf, Compare) and leaf.relation in ("above", "at_least")))
        and leaf.attribute == "speed_m_s"
        and not negated
        for leaf, negated in _signed(rule.what)
    )
    return fast and rule.who == All(()) and any(leaf != Where("anywhere") for leaf in leaves_of(rule.where))


# --- codes ----------------------------------------------------------------------------------------------------------------


class _Flags:
    """One flag per distinct value of a list that grows."""

    def __init__(self, values: Sequence[Any], flag: Callable[[Any], bool]) -> None:
        self._values, self._flag = values, flag
        self._known = np.zeros(0, bool)

    def of(self, codes: NDArray[np.int32]) -> NDArray[np.bool_]:
        done = len(self._known)
        if done < len(self._values):
            fresh = [bool(self._flag(self._values[k])) for k in range(done, len(self._values))]
            self._known = np.concatenate([self._known, np.array(fresh, bool)])
        found: NDArray[np.bool_] = self._known[codes]
        return found


class _RuleBits:
    """Which of a few rules hold: one bit per rule for each place, each profile and each instant.

    Parts of `unless` that ask for place and person at once, or for a number, except nobody here.
    """

    def __init__(self, classifier: Classifier, rules: Sequence[Rule]) -> None:
        self._of, self.rules = classifier, tuple(rules)
        self._told = self.rules[:MAX_RULES]
        self._where, self._who = np.zeros(0, np.int64), np.zeros(0, np.int64)
        moments = {moment for rule in self._told for moment in (rule.effective_from_ns, rule.effective_until_ns)}
        self._cuts = np.array(sorted(moments), np.int64)
        starts = [None, *self._cuts.tolist()]
        self._then = np.array(
            [
                sum(
                    1 << k
                    for k, rule in enumerate(self._told)
                    if start is not None and rule.effective_from_ns <= start < rule.effective_until_ns
                )
                for start in starts
            ],
            np.int64,
        )
        self._places = [_parts(rule, _of_place) for rule in self._told]
        self._persons = [_parts(rule, _of_person) for rule in self._told]

    def hold(
        self, where: NDArray[np.int32], who: NDArray[np.int32], now_ns: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Return for each row whether some rule holds for its place, profile and instant."""
        if not self._told:
            return np.zeros(len(where), bool)
        self._grow()
        bits = self._where[where] & self._who[who]
        bits &= self._then[np.searchsorted(self._cuts, now_ns, side="right")]
        return bits != 0

    def _grow(self) -> None:
        places, persons = self._of.where_values, self._of.who_values
        if len(self._where) < len(places):
            fresh = [self._bits_of_place(places[k]) for k in range(len(self._where), len(places))]
            self._where = np.concatenate([self._where, np.array(fresh, np.int64)])
        if len(self._who) < len(persons):
            fresh = [self._bits_of_person(persons[k]) for k in range(len(self._who), len(persons))]
            self._who = np.concatenate([self._who, np.array(fresh, np.int64)])

    def _bits_of_place(self, facts: tuple[AreaFact, ...] | None) -> int:
        place = None if facts is None else self._of.place(facts)

        def truth(leaf: Condition) -> int:
            if leaf == Where("anywhere"):
                return YES
            # Unknown is no reason to call a terminal a case of conflict.
            return NO if place is None or not isinstance(leaf, Where) else place.truth(leaf)

        return sum(
            1 << k
            for k, (own, excepted) in enumerate(self._places)
            if _kleene(own, truth) != NO and all(_kleene(each, truth) != YES for each in excepted)
        )

    def _bits_of_person(self, profile: Profile | None) -> int:
        def truth(leaf: Condition) -> int:
            if not isinstance(leaf, In | ListIn | Compare):
                return PERHAPS
            name = "list" if isinstance(leaf, ListIn) else leaf.attribute
            try:
                return word_truth(leaf, profile_value(profile, name))
            except (TypeError, KeyError):
                return PERHAPS

        return sum(
            1 << k
            for k, (own, excepted) in enumerate(self._persons)
            if _kleene(own, truth) == YES and all(_kleene(each, truth) != YES for each in excepted)
        )


def _parts(rule: Rule, mine: Callable[[Condition], bool]) -> tuple[Condition, tuple[Condition, ...]]:
    """What of a rule depends on place alone, or on the person alone: its own part, and the exceptions of that kind."""
    own = rule.where if mine is _of_place else rule.who
    return own, tuple(part for part in rule.unless if all(mine(leaf) for leaf in leaves_of(part)))


def _of_place(leaf: Condition) -> bool:
    return isinstance(leaf, Where)


def _of_person(leaf: Condition) -> bool:
    if isinstance(leaf, ListIn):
        return True
    return isinstance(leaf, In | Compare) and leaf.attribute in WHO_NAMES


def _kleene(condition: Condition, truth: Callable[[Condition], int]) -> int:
    return kleene(condition, {leaf: truth(leaf) for leaf in leaves_of(condition)})
