"""The slow, plain evaluator: one row, one rule, one leaf at a time. It is the oracle of the compiled one.

Nothing is shared with the compiled path but the records and the wording of a class (`classes.make_class`): selectors,
claims, relations, terms, bands, ranks and doubts are worked out here again, straight from docs/rules.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from groundrule.instant import MAX_NS
from groundrule.records import Outcome
from groundrule.rules.attributes import ATTRIBUTES, version_number
from groundrule.rules.classes import DecisionClass, make_class
from groundrule.rules.evidence import AreaFact, EvidenceBatch, Membership, Profile, Truth
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

SETTLED = 4
Witnesses = dict[frozenset[str], int]
"""Set of doubts → the strength that these doubts are enough for. Settled truth needs no doubt: `{frozenset(): 4}`."""


@dataclass(frozen=True, slots=True)
class Row:
    """Evidence of one observation; the fields are those of `EvidenceBatch`."""

    now_ns: int
    where: Any
    who: Any
    numbers: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    categories: Mapping[str, Any] = field(default_factory=dict)
    latches: Mapping[Latch, int] = field(default_factory=dict)


def row_of(batch: EvidenceBatch, index: int, latches: Sequence[Latch]) -> Row:
    """Take one row out of a batch."""
    return Row(
        now_ns=int(batch.now_ns[index]),
        where=batch.where.values[batch.where.codes[index]],
        who=batch.who.values[batch.who.codes[index]],
        numbers={name: (float(i.low[index]), float(i.high[index])) for name, i in batch.numbers.items()},
        categories={name: c.values[c.codes[index]] for name, c in batch.categories.items()},
        latches={}
        if batch.latches is None
        else {latch: int(batch.latches[index, column]) for column, latch in enumerate(latches)},
    )


def decide_one(book: Rulebook, row: Row) -> DecisionClass:
    """Decide one row.

    Args:
        book: the rulebook.
        row: the evidence.

    Returns:
        What the compiled rulebook must say, too.
    """
    applying: list[tuple[Rule, Outcome, bool, tuple[str, ...]]] = []
    for rule in book.rules:
        witnesses = _witnesses(book, rule, row)
        if not witnesses:
            continue
        strength = max(witnesses.values())
        settled = strength == SETTLED
        enough = [doubts for doubts, value in witnesses.items() if value == strength]
        order = ("edge_of_area", "position_unknown", "attribute_unknown", "stale_evidence", "rule_error")
        qualifiers = tuple(code for code in order if any(code in doubts for doubts in enough))
        applying.append((rule, rule.outcome if settled else Outcome(strength), settled, qualifiers))
    applying.sort(key=lambda item: (book.precedence.index(item[0].tier), -item[0].outcome, item[0].id))
    listed = [(rule, settled, qualifiers) for rule, _, settled, qualifiers in applying]
    if not applying:
        return make_class(book, None, book.default_outcome, ())
    tier = applying[0][0].tier
    deciding = min((item for item in applying if item[0].tier == tier), key=lambda item: (-item[1], item[0].id))
    return make_class(book, deciding[0], deciding[1], listed)


def valid_until(book: Rulebook, now_ns: int) -> int:
    """Return until when a decision made at `now_ns` holds [ns]."""
    moments = [m for rule in book.rules for m in (rule.effective_from_ns, rule.effective_until_ns) if m > now_ns]
    lasting = min(MAX_NS, now_ns + round(book.assumptions.decision_valid_s * 1_000_000_000))
    return min([lasting, *moments])


def _witnesses(book: Rulebook, rule: Rule, row: Row) -> Witnesses:
    if not rule.effective_from_ns <= row.now_ns < rule.effective_until_ns:
        return {}
    parts = [
        _weigh(book, rule, row, rule.where, True),
        _weigh(book, rule, row, rule.who, True),
        _weigh(book, rule, row, rule.what, True),
        *(_weigh(book, rule, row, exception, False) for exception in rule.unless),
    ]
    return _both(parts)


def _weigh(book: Rulebook, rule: Rule, row: Row, condition: Condition, wanted: bool) -> Witnesses:
    """Weigh a condition; with `wanted` False its negation, pushed down to the leaves."""
    match condition:
        case All(parts) | AnyOf(parts):
            weights = [_weigh(book, rule, row, part, wanted) for part in parts]
            return _both(weights) if isinstance(condition, All) == wanted else _either(weights)
        case Not(part):
            return _weigh(book, rule, row, part, not wanted)
    try:
        truth, doubt, outcome = _leaf(book, rule, row, condition)
    except Exception:  # noqa: BLE001 - a rule that cannot be evaluated is reviewed
        truth, doubt, outcome = None, "rule_error", Outcome.REVIEW
    if truth is not None:
        return {frozenset(): SETTLED} if truth == wanted else {}
    return {frozenset({doubt}): int(outcome)} if outcome > Outcome.SERVE else {}


def _both(parts: Sequence[Witnesses]) -> Witnesses:
    result: Witnesses = {frozenset(): SETTLED}
    for part in parts:
        joined: Witnesses = {}
        for left, a in result.items():
            for right, b in part.items():
                doubts = left | right
                joined[doubts] = max(joined.get(doubts, 0), min(a, b))
        result = _without_redundant(joined)
    return result


def _either(parts: Sequence[Witnesses]) -> Witnesses:
    merged: Witnesses = {}
    for part in parts:
        for doubts, strength in part.items():
            merged[doubts] = max(merged.get(doubts, 0), strength)
    return _without_redundant(merged)


def _without_redundant(witnesses: Witnesses) -> Witnesses:
    return {
        doubts: strength
        for doubts, strength in witnesses.items()
        if not any(fewer < doubts and value >= strength for fewer, value in witnesses.items())
    }


def _policy(rule: Rule, *names: str) -> Outcome:
    stated = dict(rule.unknown)
    found = next((stated[name] for name in (*names, "*") if name in stated), Outcome.REVIEW)
    return min(found, rule.outcome)


def _leaf(book: Rulebook, rule: Rule, row: Row, leaf: Condition) -> tuple[bool | None, str, Outcome]:
    """Return the truth of a leaf, or None with the doubt and what the rule does about it."""
    match leaf:
        case Where("anywhere"):
            return True, "", Outcome.SERVE
        case Where():
            if row.where is None:
                return None, "position_unknown", _policy(rule, "position")
            truth = _selected(book, row.where, leaf)
            return _placed(book, rule, row, truth)
        case Relation(of, inside):
            return _related(book, rule, row, of, inside)
        case ListIn(list_id, states):
            if row.who is None:
                return None, "attribute_unknown", _policy(rule, "list")
            if not isinstance(row.who.lists, tuple | list):
                raise TypeError(row.who.lists)
            held = [state for name, state in row.who.lists if name == list_id] or ["none"]
            return any(state in states for state in held), "", Outcome.SERVE
        case Latch(attribute):
            value = row.latches.get(leaf, 2)
            known = None if value not in (0, 1) else value == Truth.TRUE
            return known, "attribute_unknown", _policy(rule, attribute)
        case In(attribute, values):
            words = _words(row, attribute)
            known = None if words is None else _has(words, values)
            return known, "attribute_unknown", _policy(rule, attribute)
        case Compare("software", relation, value):
            software = _of_profile(row.who, "software_version", "software")
            if software is not None and not isinstance(software, str):
                raise TypeError(software)
            number = None if software is None else version_number(software)
            compared = None if number is None else _compare(relation, number, number, value)
            return compared, "attribute_unknown", _policy(rule, "software")
        case Compare(attribute, relation, value):
            low, high = row.numbers.get(attribute, (math.nan, math.nan))
            known = _compare(relation, low, high, value)
            names = (attribute, attribute.rpartition(".")[0], attribute.partition(".")[0])
            return known, "attribute_unknown", _policy(rule, *names)
    raise TypeError(leaf)


def _placed(book: Rulebook, rule: Rule, row: Row, truth: bool | None) -> tuple[bool | None, str, Outcome]:
    age = row.numbers.get("position_age_s", (math.nan, math.nan))[0]
    if age > book.assumptions.max_position_age_s:
        return None, "stale_evidence", min(rule.stale, rule.outcome)
    return truth, "edge_of_area", min(rule.edge, rule.outcome)


def _related(book: Rulebook, rule: Rule, row: Row, of: str, inside: bool) -> tuple[bool | None, str, Outcome]:
    name = "account_country" if of == "home_country" else "activation_country"
    if row.where is None:
        return None, "position_unknown", _policy(rule, "position")
    counted = _counted(book, row.where)
    country = _of_profile(row.who, name, name)
    if country is not None and not isinstance(country, str):
        raise TypeError(country)
    if country is None:
        return None, "attribute_unknown", _policy(rule, name)
    truth = counted.get(country, False)
    return _placed(book, rule, row, truth if inside or truth is None else not truth)


def _of_profile(profile: Profile | None, name: str, attribute: str) -> Any:
    if profile is None:
        return "none" if attribute == "registration" else None
    return getattr(profile, name)


def _words(row: Row, attribute: str) -> tuple[str, ...] | None:
    spec = ATTRIBUTES[attribute]
    of_category = spec.source == "category"
    value = row.categories.get(attribute) if of_category else _of_profile(row.who, spec.field, attribute)
    if value is None:
        return None
    if spec.set_valued and not isinstance(value, tuple | list | set | frozenset):
        raise TypeError(value)
    words = tuple(value) if spec.set_valued else (value,)
    if not all(isinstance(word, str) for word in words):
        raise TypeError(value)
    return words


def _has(words: Sequence[str], values: frozenset[str]) -> bool:
    if "any" in values and any(word != "none" for word in words):
        return True
    return any(word in values for word in words)


def _compare(relation: str, low: float, high: float, limit: float) -> bool | None:
    low, high = (-math.inf if math.isnan(low) else low), (math.inf if math.isnan(high) else high)
    if low > high:
        return None
    if relation == "above":
        return True if low > limit else False if high <= limit else None
    if relation == "at_least":
        return True if low >= limit else False if high < limit else None
    if relation == "below":
        return True if high < limit else False if low >= limit else None
    return True if high <= limit else False if low > limit else None


# --- places -----------------------------------------------------------------------------------------------------------


def _or(truths: Sequence[bool | None]) -> bool | None:
    return True if any(truth is True for truth in truths) else None if any(truth is None for truth in truths) else False


def _and(truths: Sequence[bool | None]) -> bool | None:
    return False if any(t is False for t in truths) else None if any(t is None for t in truths) else True


def _not(truth: bool | None) -> bool | None:
    return None if truth is None else not truth


def _in(fact: AreaFact) -> bool | None:
    return True if fact.membership == Membership.INSIDE else None


def _maps(facts: Sequence[AreaFact]) -> dict[str, bool | None]:
    kinds = ("country", "land", "territorial_sea")
    countries = {fact.country for fact in facts if fact.country is not None and fact.kind in kinds}
    return {c: _or([_in(f) for f in facts if f.country == c and f.kind in kinds]) for c in countries}


def _counted(book: Rulebook, facts: Sequence[AreaFact]) -> dict[str, bool | None]:
    maps = _maps(facts)
    result = {}
    for country, truth in maps.items():
        yields = [
            _and([maps.get(other, False) for other in claim.countries])
            for claim in book.claims
            if country in claim.countries and country not in claim.counts_as
        ]
        result[country] = _and([truth, _not(_or(yields))])
    return maps if all(truth is False for truth in result.values()) else result


def _selected(book: Rulebook, facts: Sequence[AreaFact], where: Where) -> bool | None:
    prefix, _, name = where.selector.partition(":")
    if where.buffer_m > 0:
        ending = f"+{where.buffer_m:g}m"
        buffers = [fact for fact in facts if fact.kind == "buffer"]
        if prefix == "kind":
            return _or([_in(f) for f in buffers if where.selector in f.tags and f.id.endswith(ending)])
        wanted = (name if prefix == "area" else where.selector) + ending
        return _or([_in(f) for f in buffers if f.id == wanted])
    facts = [fact for fact in facts if fact.kind != "buffer"]
    maps, counted = _maps(facts), _counted(book, facts)
    land = _or([_in(fact) for fact in facts if fact.kind == "land"])
    somewhere = _or(list(maps.values()))
    statuses = {right.country: right.status for right in book.landing_rights}
    answers = {
        "no_country": lambda: _not(somewhere),
        "high_seas": lambda: _and([_not(somewhere), _not(land)]),
        "country": lambda: counted.get(name, False),
        "land": lambda: _and([counted.get(name, False), land]),
        "sea": lambda: _and([somewhere if name == "*" else counted.get(name, False), _not(land)]),
        "area": lambda: _or([_in(fact) for fact in facts if fact.id == name]),
        "kind": lambda: _or([_in(fact) for fact in facts if fact.kind == name]),
        "tag": lambda: _or([_in(fact) for fact in facts if name in fact.tags]),
        "service": lambda: _or([_in(fact) for fact in facts if fact.service == name]),
        "landing": lambda: _or([t for c, t in counted.items() if statuses.get(c, "not_offered") == name]),
    }
    return answers[prefix]()
