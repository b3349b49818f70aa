"""The truth of one leaf of a condition for one known or unknown value (0 no, 1 unknown, 2 yes)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from groundrule.rules.attributes import ATTRIBUTES, version_number
from groundrule.rules.model import All, AnyOf, Compare, Condition, In, ListIn, Not
from groundrule.rules.selectors import NO, PERHAPS, YES

_TESTS: dict[str, Callable[[float, float], bool]] = {
    "above": lambda x, limit: x > limit,
    "at_least": lambda x, limit: x >= limit,
    "below": lambda x, limit: x < limit,
    "at_most": lambda x, limit: x <= limit,
}


def word_truth(leaf: In | ListIn | Compare, value: object) -> int:
    """Judge a word, a set of words, list entries or a software version.

    Args:
        leaf: the test.
        value: what is known; None is unknown.

    Raises:
        TypeError: the value has a type that the attribute cannot have; the engine turns this into `rule_error`.
    """
    if value is None:
        return PERHAPS
    if isinstance(leaf, ListIn):
        entries = {state for list_id, state in _pairs(value) if list_id == leaf.list_id} or {"none"}
        return YES if entries & leaf.states else NO
    if isinstance(leaf, Compare):
        number = version_number(_text(value))
        return PERHAPS if number is None else number_truth(leaf, number, number)
    known = _words(value) if ATTRIBUTES[leaf.attribute].set_valued else (_text(value),)
    hit = any(word in leaf.values for word in known)
    return YES if hit or ("any" in leaf.values and any(word != "none" for word in known)) else NO


def number_truth(leaf: Compare, low: float, high: float) -> int:
    """Judge a number known to lie in [low, high]; NaN in a bound leaves that side open."""
    low = -math.inf if math.isnan(low) else low
    high = math.inf if math.isnan(high) else high
    if low > high:
        return PERHAPS
    test = _TESTS[leaf.relation]
    ends = (test(low, leaf.value), test(high, leaf.value))
    return YES if all(ends) else PERHAPS if any(ends) else NO


def kleene(condition: Condition, truths: Mapping[Condition, int]) -> int:
    """Return the Kleene truth of a condition whose leaves are already judged."""
    match condition:
        case All(parts):
            return min((kleene(part, truths) for part in parts), default=YES)
        case AnyOf(parts):
            return max((kleene(part, truths) for part in parts), default=NO)
        case Not(part):
            return YES - kleene(part, truths)
        case _:
            return truths[condition]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a word is expected, found {type(value).__name__}")
    return value


def _words(value: object) -> tuple[str, ...]:
    if not isinstance(value, tuple | frozenset | set | list):
        raise TypeError(f"a set of words is expected, found {type(value).__name__}")
    return tuple(_text(word) for word in value)


def _pairs(value: object) -> list[tuple[str, str]]:
    if not isinstance(value, tuple | list):
        raise TypeError(f"list entries are expected, found {type(value).__name__}")
    return [(_text(list_id), _text(state)) for list_id, state in value]
