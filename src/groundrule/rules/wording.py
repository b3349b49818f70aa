"""Conditions in words: what `rules diff`, explanations and analyses say about them.

Words are for operators and lawyers. The owner of a terminal never reads them, because they carry thresholds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from groundrule.instant import MAX_NS, MIN_NS, format_instant
from groundrule.rules.attributes import version_text
from groundrule.rules.model import All, AnyOf, Compare, Condition, In, Latch, ListIn, Not, Relation, Where

_NAMES = {
    "speed_m_s": "speed",
    "alt_m": "altitude",
    "position_sigma_m": "sigma of the position",
    "position_age_s": "age of the position",
    "distance_from_service_address_m": "distance from the service address",
    "class": "protected class",
    "account": "account state",
    "account_country": "home country",
    "activation_country": "country of activation",
    "software": "software version",
    "cell_state": "cell state",
    "position_source": "position source",
    "verdict": "verdict of verification",
    "position": "position",
}
_MEASURES = {
    "elapsed_days": "days of stay",
    "consecutive_days": "days in a row",
    "days_in_year": "days in the year",
}
_RELATIONS = {"above": "above", "at_least": "at least", "below": "below", "at_most": "at most"}
_OPPOSITE = {"above": "at most", "at_least": "below", "below": "at least", "at_most": "above"}


def attribute_name(attribute: str) -> str:
    """Return the name of an attribute in words, for instance `days of stay (abroad)`."""
    if attribute.startswith("stay."):
        _, counter, measure = attribute.split(".", 2)
        return f"{_MEASURES.get(measure, measure)} ({counter})"
    return _NAMES.get(attribute, attribute.replace("_", " "))


def quantity(attribute: str, value: float, *, unit: bool = True) -> str:
    """Write a number of an attribute in the unit that people use.

    Args:
        attribute: attribute name.
        value: number in the attribute's base unit.
        unit: False leaves the unit out.

    Example:
        >>> quantity("speed_m_s", 75 / 3.6)
        '75 km/h'
    """
    if attribute == "software":
        return version_text(value)
    number, name = value, ""
    if attribute == "speed_m_s":
        number, name = value * 3.6, "km/h"
    elif attribute.startswith("stay."):
        name = "days"
    elif attribute.endswith("_s"):
        name = "s"
    elif attribute.endswith("_m"):
        number, name = (value / 1000, "km") if abs(value) >= 1000 else (value, "m")
    digits = f"{round(number, 2 if abs(number) < 10 else 1):.10g}"
    return f"{digits} {name}" if unit and name else digits


def distance(metres: float) -> str:
    """Write a distance: `340 m`, `2.1 km`, `57 km`."""
    metres = abs(metres)
    if metres < 1000:
        return f"{metres:.0f} m"
    return f"{metres / 1000:.1f} km" if metres < 20_000 else f"{metres / 1000:.0f} km"


def words(values: Iterable[str], joiner: Literal["or", "and"] = "or") -> str:
    """Join sorted words: `a, b or c`."""
    items = sorted(values)
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {joiner} {items[-1]}"


def place(where: Where) -> str:
    """Write a selector with its buffer in words."""
    named = {
        "high_seas": "on the high seas",
        "no_country": "in no country",
        "anywhere": "anywhere",
    }.get(where.selector)
    if named is not None:
        return named
    if where.selector.startswith("service:"):
        return f"where service history says {where.selector.partition(':')[2].replace('_', ' ')}"
    if where.selector.startswith("landing:"):
        return f"in a country with status {where.selector.partition(':')[2].replace('_', ' ')}"
    if where.buffer_m:
        return f"within {distance(where.buffer_m)} of {where.selector}"
    return f"in {where.selector}"


def leaf(condition: Condition, *, negated: bool = False) -> str:
    """Write a leaf, or its negation, in words."""
    match condition:
        case Where():
            return f"not {place(condition)}" if negated else place(condition)
        case In():
            return _membership(condition, negated)
        case ListIn():
            states = "" if condition.states == {"active"} else f" as {words(condition.states)}"
            return f"{'not ' if negated else ''}on list {condition.list_id}{states}"
        case Compare():
            relation = (_OPPOSITE if negated else _RELATIONS)[condition.relation]
            limit = quantity(condition.attribute, condition.value)
            return f"{attribute_name(condition.attribute)} {relation} {limit}"
        case Latch():
            limit = quantity(condition.attribute, condition.above)
            if negated:
                return f"{attribute_name(condition.attribute)} not above {limit}{_persistence(condition)}"
            return f"{attribute_name(condition.attribute)} above {limit}{_persistence(condition)}"
        case Relation():
            inside = condition.inside is not negated
            return f"{'inside' if inside else 'outside'} the {attribute_name(_relation_attribute(condition))}"
        case All() | AnyOf() | Not():
            return describe(condition, negated=negated)


def describe(condition: Condition, *, negated: bool = False, nested: bool = False) -> str:
    """Write a whole condition in words; the empty conjunction is `always`."""
    match condition:
        case Not():
            return describe(condition.part, negated=not negated, nested=nested)
        case All() | AnyOf():
            conjunction = isinstance(condition, All) is not negated
            parts = [describe(part, negated=negated, nested=True) for part in condition.parts]
            if not parts:
                return "always" if conjunction else "never"
            if len(parts) == 1:
                return parts[0]
            text = (" and " if conjunction else " or ").join(parts)
            return f"({text})" if nested else text
        case _:
            return leaf(condition, negated=negated)


def interval(from_ns: int, until_ns: int) -> str:
    """Write a half-open interval in words."""
    start = "" if from_ns <= MIN_NS else f"from {format_instant(from_ns)}"
    end = "" if until_ns == MAX_NS else f"until {format_instant(until_ns)}"
    return " ".join(part for part in (start, end) if part) or "at all times"


def _membership(condition: In, negated: bool) -> str:
    name = attribute_name(condition.attribute)
    if condition.attribute == "class" and "any" in condition.values:
        return "of no protected class" if negated else "of a protected class"
    if condition.attribute in ("programme", "signals"):
        noun = "programme" if condition.attribute == "programme" else "signal"
        return f"without {noun} {words(condition.values)}" if negated else f"with {noun} {words(condition.values)}"
    return f"{name} {'is not' if negated else 'is'} {words(condition.values)}"


def _persistence(latch: Latch) -> str:
    notes = []
    if latch.for_s:
        notes.append(f"for at least {latch.for_s:g} s")
    if latch.release_below != latch.above:
        notes.append(f"it holds until the value is below {quantity(latch.attribute, latch.release_below)}")
    return f" ({'; '.join(notes)})" if notes else ""


def _relation_attribute(relation: Relation) -> str:
    return "account_country" if relation.of == "home_country" else "activation_country"
