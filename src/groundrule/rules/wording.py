"""Conditions in words: what `rules diff`, explanations and analyses say about them.

Words are for operators and lawyers. The owner of a terminal never reads them, because they carry thresholds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from groundrule.instant import MAX_NS, MIN_NS, format_instant
from groundrule.rules.attributes import version_text
from groundrule.rules.model import All, AnyOf, Compare, Condition, In, Latch, ListIn, Not, Relation, Where
from groundrule.rules.vocabulary import ENGLISH, Vocabulary

_OPPOSITE = {"above": "at_most", "at_least": "below", "below": "at_least", "at_most": "above"}
_NAMED_PLACES = ("high_seas", "no_country", "anywhere")


def attribute_name(attribute: str, say: Vocabulary = ENGLISH) -> str:
    """Return the name of an attribute in words, for instance `days of stay (abroad)`."""
    if attribute.startswith("stay."):
        _, counter, measure = attribute.split(".", 2)
        return say("measure", measure=say.term(f"measure_{measure}", measure), counter=counter)
    return say.term(f"name_{attribute}", attribute.replace("_", " "))


def quantity(attribute: str, value: float, *, unit: bool = True, say: Vocabulary = ENGLISH) -> str:
    """Write a number of an attribute in the unit that people use.

    Args:
        attribute: attribute name.
        value: number in the attribute's base unit.
        unit: False leaves the unit out.
        say: words of the language.

    Example:
        >>> quantity("speed_m_s", 75 / 3.6)
        '75 km/h'
    """
    if attribute == "software":
        return version_text(value)
    number, name = value, ""
    if attribute == "speed_m_s":
        number, name = value * 3.6, "unit_speed"
    elif attribute.startswith("stay."):
        name = "unit_days"
    elif attribute.endswith("_s"):
        name = "unit_s"
    elif attribute.endswith("_m"):
        number, name = (value / 1000, "unit_km") if abs(value) >= 1000 else (value, "unit_m")
    digits = say.number(number, 2 if abs(number) < 10 else 1)
    return f"{digits} {say(name)}" if unit and name else digits


def distance(metres: float, say: Vocabulary = ENGLISH) -> str:
    """Write a distance: `340 m`, `2.1 km`, `57 km`."""
    metres = abs(metres)
    if metres < 1000:
        return f"{metres:.0f} {say('unit_m')}"
    number = f"{metres / 1000:.1f}".replace(".", say("decimal")) if metres < 20_000 else f"{metres / 1000:.0f}"
    return f"{number} {say('unit_km')}"


def seconds(length_s: float, say: Vocabulary = ENGLISH) -> str:
    """Write a length of time: `30 s`."""
    return f"{length_s:.10g} {say('unit_s')}".replace(".", say("decimal"))


def words(values: Iterable[str], joiner: Literal["or", "and"] = "or") -> str:
    """Join sorted words: `a, b or c`."""
    return ENGLISH.listed(values, joiner)


def place(where: Where, say: Vocabulary = ENGLISH) -> str:
    """Write a selector with its buffer in words."""
    prefix, _, rest = where.selector.partition(":")
    if where.selector in _NAMED_PLACES:
        return say(f"place_{where.selector}")
    if prefix in ("service", "landing"):
        return say(f"place_{rest}")
    if where.buffer_m:
        return say("place_within", distance=distance(where.buffer_m, say), place=where.selector)
    return say("place_in", place=where.selector)


def leaf(condition: Condition, *, negated: bool = False, say: Vocabulary = ENGLISH) -> str:
    """Write a leaf, or its negation, in words."""
    match condition:
        case Where():
            return say("place_not", where=place(condition, say)) if negated else place(condition, say)
        case In():
            return _membership(condition, negated, say)
        case ListIn():
            key = "not_on_list" if negated else "on_list"
            if condition.states == {"active"}:
                return say(key, list=condition.list_id)
            return say(f"{key}_as", list=condition.list_id, states=say.listed(condition.states))
        case Compare():
            relation = _OPPOSITE[condition.relation] if negated else condition.relation
            name, limit = attribute_name(condition.attribute, say), quantity(condition.attribute, condition.value, say=say)
            return say(relation, name=name, limit=limit)
        case Latch():
            name, limit = attribute_name(condition.attribute, say), quantity(condition.attribute, condition.above, say=say)
            return say("not_above" if negated else "above", name=name, limit=limit) + _persistence(condition, say)
        case Relation():
            inside = condition.inside is not negated
            return say(f"{'inside' if inside else 'outside'}_{_relation_attribute(condition)}")
        case All() | AnyOf() | Not():
            return describe(condition, negated=negated, say=say)


def describe(condition: Condition, *, negated: bool = False, nested: bool = False, say: Vocabulary = ENGLISH) -> str:
    """Write a whole condition in words; the empty conjunction is `always`."""
    match condition:
        case Not():
            return describe(condition.part, negated=not negated, nested=nested, say=say)
        case All() | AnyOf():
            conjunction = isinstance(condition, All) is not negated
            parts = [describe(part, negated=negated, nested=True, say=say) for part in condition.parts]
            if not parts:
                return say("always" if conjunction else "never")
            if len(parts) == 1:
                return parts[0]
            text = f" {say('and' if conjunction else 'or')} ".join(parts)
            return f"({text})" if nested else text
        case _:
            return leaf(condition, negated=negated, say=say)


def interval(from_ns: int, until_ns: int) -> str:
    """Write a half-open interval in words."""
    start = "" if from_ns <= MIN_NS else f"from {format_instant(from_ns)}"
    end = "" if until_ns == MAX_NS else f"until {format_instant(until_ns)}"
    return " ".join(part for part in (start, end) if part) or "at all times"


def _membership(condition: In, negated: bool, say: Vocabulary) -> str:
    values = say.listed(condition.values)
    if condition.attribute == "class" and "any" in condition.values:
        return say("of_no_class" if negated else "of_a_class")
    if condition.attribute in ("programme", "signals"):
        return say(f"{'without' if negated else 'with'}_{condition.attribute}", values=values)
    return say("is_not" if negated else "is", name=attribute_name(condition.attribute, say), values=values)


def _persistence(latch: Latch, say: Vocabulary) -> str:
    notes = []
    if latch.for_s:
        notes.append(say("for_time", time=seconds(latch.for_s, say)))
    if latch.release_below != latch.above:
        notes.append(say("until_below", limit=quantity(latch.attribute, latch.release_below, say=say)))
    return f" ({'; '.join(notes)})" if notes else ""


def _relation_attribute(relation: Relation) -> str:
    return "account_country" if relation.of == "home_country" else "activation_country"
