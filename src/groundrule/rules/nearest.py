"""Why was this terminal not denied? The rules that came nearest to it, and what did not hold.

For each rule the fewest leaves that would have to change for it to apply are found: those of a conjunction add up, of
alternatives the nearest counts. Rules are ranked by outcome (deny first), then by how many leaves are missing, then by
how far they are away. A number is as far away as its share of the limit, a place as its distance over
(distance + 10 km); what has no measure counts as 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from groundrule.instant import format_instant
from groundrule.records import Outcome
from groundrule.rules import wording
from groundrule.rules.evidence import Truth
from groundrule.rules.model import All, AnyOf, Compare, Condition, In, Latch, ListIn, Not, Relation, Rule, Where
from groundrule.rules.selectors import PERHAPS, YES
from groundrule.rules.situation import Judge
from groundrule.rules.vocabulary import ENGLISH, Vocabulary

Distances = Mapping[str, float] | Callable[[str], float | None]
HALF_DISTANCE_M = 10_000.0
"""A place this far away counts as half of a missing leaf."""
UNKNOWN_MARGIN = 0.5
TIME_MARGIN = 0.5
EXCEPTION_MARGIN = 0.25
"""An exception that holds is nearer than a condition that does not: everything else speaks for the rule."""


@dataclass(frozen=True, slots=True)
class Gap:
    """One leaf that does not hold (or an exception that does).

    Attributes:
        words: what does not hold, with its numbers: `speed 68 of 75 km/h`, `2.1 km outside area:zone-1`.
        margin: how far away it is (0 at the limit, 1 far away or without measure).
    """

    words: str
    margin: float


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A rule that did not decide although it might have.

    Attributes:
        rule_id, title, outcome: the rule and what it would have done.
        gaps: what did not hold; empty for a rule that applied and was overridden.
        margin: sum of the margins of the gaps.
        note: why it did not decide although it applied, or empty.
    """

    rule_id: str
    title: str
    outcome: Outcome
    gaps: tuple[Gap, ...]
    margin: float
    note: str = ""

    def sentence(self) -> str:
        """Say in one line what kept the rule from applying."""
        return self.note or "; ".join(gap.words for gap in self.gaps)


@dataclass(frozen=True, slots=True)
class Need:
    """One leaf that must change.

    Attributes:
        leaf: the leaf.
        negated: True if it must not hold.
        margin: how far away that is.
    """

    leaf: Condition
    negated: bool
    margin: float


def missing(
    judge: Judge, condition: Condition, distances: Distances | None, *, negated: bool = False
) -> tuple[Need, ...] | None:
    """Return the fewest leaves that must change for a condition to hold for certain.

    Returns:
        Empty if it holds already; None if no change can make it hold (an empty alternative).
    """
    if isinstance(condition, Not):
        return missing(judge, condition.part, distances, negated=not negated)
    if isinstance(condition, All | AnyOf):
        if isinstance(condition, All) is not negated:
            return _together(judge, condition.parts, distances, negated)
        choices = [missing(judge, part, distances, negated=negated) for part in condition.parts]
        return min((choice for choice in choices if choice is not None), key=_cost, default=None)
    truth = judge.leaf(condition).truth
    if truth != PERHAPS and (truth == YES) is not negated:
        return ()
    margin = _margin(judge, condition, distances)
    if negated and truth != PERHAPS and isinstance(condition, In | ListIn):
        margin = EXCEPTION_MARGIN
    return (Need(condition, negated, margin),)


def gap(judge: Judge, need: Need, distances: Distances | None, say: Vocabulary = ENGLISH) -> Gap:
    """Write one missing leaf in words, with the value found and the value needed."""
    return Gap(_gap_words(judge, need.leaf, need.negated, distances, say), need.margin)


def near_miss(
    judge: Judge, rule: Rule, condition: Condition, distances: Distances | None
) -> tuple[tuple[Need, ...], int] | None:
    """Return what a rule lacks and 1 if it is not in force at this instant; None if it can never apply."""
    needs = missing(judge, condition, distances)
    if needs is None:
        return None
    in_force = rule.effective_from_ns <= judge.situation.now_ns < rule.effective_until_ns
    return needs, 0 if in_force else 1


def time_gap(rule: Rule, now_ns: int, say: Vocabulary = ENGLISH) -> Gap:
    """Write that a rule is not in force now."""
    if now_ns < rule.effective_from_ns:
        return Gap(say("not_in_force_before", at=format_instant(rule.effective_from_ns)), TIME_MARGIN)
    return Gap(say("expired_at", at=format_instant(rule.effective_until_ns)), TIME_MARGIN)


def finding(judge: Judge, leaf: Condition, *, negated: bool = False, say: Vocabulary = ENGLISH) -> str:
    """Write what was found about a leaf that holds or is in doubt, with numbers where there are any."""
    found, said = judge.leaf(leaf), wording.leaf(leaf, negated=negated, say=say)
    if found.doubt is not None:
        if found.doubt in ("edge", "stale", "error"):
            return say("perhaps", what=said, why=say(f"doubt_{found.doubt}"))
        return say("perhaps", what=said, why=say("doubt_unknown", name=wording.attribute_name(found.attribute, say)))
    if isinstance(leaf, Compare | Latch) and (value := _value(judge, leaf.attribute, say)):
        return say("found", what=said, value=value)
    return said


def _together(
    judge: Judge, parts: tuple[Condition, ...], distances: Distances | None, negated: bool
) -> tuple[Need, ...] | None:
    needs: list[Need] = []
    for part in parts:
        lacking = missing(judge, part, distances, negated=negated)
        if lacking is None:
            return None
        needs += lacking
    if len(needs) > 1:  # one leaf may stand in several parts
        needs = list({(need.leaf, need.negated): need for need in needs}.values())
    return tuple(needs)


def _cost(needs: tuple[Need, ...]) -> tuple[int, float]:
    return len(needs), sum(need.margin for need in needs)


def _margin(judge: Judge, leaf: Condition, distances: Distances | None) -> float:
    if isinstance(leaf, Where):
        metres = _distance(leaf, distances)
        if metres is None:
            return UNKNOWN_MARGIN if judge.leaf(leaf).truth == PERHAPS else 1.0
        return metres / (metres + HALF_DISTANCE_M)
    if isinstance(leaf, Compare | Latch) and leaf.attribute != "software":
        bounds = judge.situation.interval(leaf.attribute)
        if bounds is None:
            return UNKNOWN_MARGIN
        limit = leaf.above if isinstance(leaf, Latch) else leaf.value
        nearest = min(bounds, key=lambda bound: abs(bound - limit) if math.isfinite(bound) else math.inf)
        scale = max(abs(nearest), abs(limit))
        return min(1.0, abs(nearest - limit) / scale) if scale and math.isfinite(nearest) else UNKNOWN_MARGIN
    return UNKNOWN_MARGIN if judge.leaf(leaf).truth == PERHAPS else 1.0


def _distance(leaf: Where, distances: Distances | None) -> float | None:
    """Distance to the outside of the place's border [m], 0 if inside; None if not given."""
    if distances is None:
        return None
    prefix, _, rest = leaf.selector.partition(":")
    for name in dict.fromkeys((rest if prefix == "area" else leaf.selector, leaf.selector)):
        metres = distances(name) if callable(distances) else distances.get(name)
        if metres is not None and math.isfinite(metres):
            return abs(metres) if leaf.buffer_m == 0 else max(0.0, metres - leaf.buffer_m)
    return None


def _gap_words(judge: Judge, leaf: Condition, negated: bool, distances: Distances | None, say: Vocabulary) -> str:
    found = judge.leaf(leaf)
    match leaf:
        case Where() if found.truth != PERHAPS:
            metres = _distance(leaf, distances)
            if metres is None:
                return wording.leaf(leaf, negated=not negated, say=say)
            key, away = f"distance_{'inside' if negated else 'outside'}", wording.distance(metres, say)
            if leaf.buffer_m:
                return say(f"{key}_around", distance=away, buffer=wording.distance(leaf.buffer_m, say), place=leaf.selector)
            return say(key, distance=away, place=leaf.selector)
        case Latch() if not negated and found.doubt is None:
            return _limit_words(judge, leaf, say)
        case Compare() if found.doubt is None and leaf.attribute != "software":
            return _of_limit(judge, leaf.attribute, leaf.value, say)
        case In() if found.doubt is None and not negated and leaf.attribute not in ("programme", "signals"):
            word, name = say.word(judge.situation.word(leaf.attribute)), wording.attribute_name(leaf.attribute, say)
            return say("is_other", name=name, value=word, values=say.listed(leaf.values))
        case ListIn() if found.doubt is None and not negated:
            return wording.leaf(leaf, negated=True, say=say)
        case Relation() | In() | ListIn() | Latch() if found.doubt is None:
            return wording.leaf(leaf, negated=not negated, say=say)
    return finding(judge, leaf, negated=negated, say=say)


def _limit_words(judge: Judge, leaf: Latch, say: Vocabulary) -> str:
    name, limit = wording.attribute_name(leaf.attribute, say), wording.quantity(leaf.attribute, leaf.above, say=say)
    bounds = judge.situation.interval(leaf.attribute)
    if bounds is None:
        return say("not_above", name=name, limit=limit)
    if bounds[0] > leaf.above and judge.situation.latches.get(leaf) == Truth.FALSE:
        value = _value(judge, leaf.attribute, say)
        return say("not_yet_for", name=name, value=value, limit=limit, time=wording.seconds(leaf.for_s, say))
    return _of_limit(judge, leaf.attribute, leaf.above, say)


def _of_limit(judge: Judge, attribute: str, value: float, say: Vocabulary) -> str:
    """Write what was found of a limit; the unit once, where both have the same."""
    found, limit = _value(judge, attribute, say), wording.quantity(attribute, value, say=say)
    bare = found.partition(" ")[0] if found.partition(" ")[2] == limit.partition(" ")[2] else found
    return say("value_of_limit", name=wording.attribute_name(attribute, say), value=bare, limit=limit)


def _value(judge: Judge, attribute: str, say: Vocabulary) -> str:
    if attribute == "software":
        return str(judge.situation.word("software") or "")
    bounds = judge.situation.interval(attribute)
    if bounds is None:
        return ""
    low, high = bounds
    if low == high:
        return wording.quantity(attribute, low, say=say)
    if not math.isfinite(low) or math.isnan(low):
        return say("at_most_value", value=wording.quantity(attribute, high, say=say))
    if not math.isfinite(high) or math.isnan(high):
        return say("at_least_value", value=wording.quantity(attribute, low, say=say))
    return say("range", low=wording.quantity(attribute, low, unit=False, say=say), high=wording.quantity(attribute, high, say=say))
