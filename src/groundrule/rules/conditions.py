"""Conditions between YAML and model, in both directions.

Reading: a mapping is the conjunction of its keys, a list under a word key means "one of". Writing gives the
same language back in base units, so that what is digested can itself be read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, cast

from groundrule.rules import attributes
from groundrule.rules.model import All, AnyOf, Compare, Condition, In, Latch, ListIn, Not, Relation, Where
from groundrule.rules.nodes import Node, Reader, did_you_mean

GROUP_KEYS = ("any", "all", "not")
RELATION_KEYS = {"home_country": "home_country", "activation": "activation_country"}
CONDITION_KEYS = (*attributes.KEY_OF, "where", "list", "stay", *RELATION_KEYS, *GROUP_KEYS)
"""Every key that a condition mapping may have."""

PLACE_KEYS = (*GROUP_KEYS, "buffer_m", *RELATION_KEYS)
NUMBER_KEYS = (*attributes.RELATIONS, "release_below", "for_s")
LIST_KEYS = ("id", "state")
LANDING_STATUSES = ("licensed", "unlicensed", "blocked", "not_offered")
SERVICE_STATES = ("never_served", "served", "ended")
PLAIN_SELECTORS = ("high_seas", "no_country", "anywhere")
SELECTOR_PREFIXES = ("country", "land", "sea", "area", "kind", "tag", "landing", "service")
BUFFERED_PREFIXES = ("area", "country", "kind")
MAX_BUFFER_M = 200_000
WORD = r"[A-Za-z0-9][A-Za-z0-9_.:/+-]*"


@dataclass(slots=True)
class ConditionReader:
    """Reads conditions; knows which counters the rulebook declares.

    Attributes:
        reader: takes the problems.
        counters: declared stay counters, or None where stays may not be tested.
    """

    reader: Reader
    counters: frozenset[str] = field(default_factory=frozenset)

    def condition(self, node: Node, what: str) -> Condition:
        """Read a condition mapping; what cannot be read is recorded and left out."""
        pairs = self.reader.mapping(node, CONDITION_KEYS, what)
        if node.pairs is not None and not node.pairs:
            self.reader.problem(node, f"{what} is empty", "write a condition or remove the line")
        return conjunction([self._term(key, value) for key, (_, value) in pairs.items()])

    def _term(self, key: str, value: Node) -> Condition:
        if key == "where":
            return self.place(value, "where")
        if key == "list":
            return self._list(value)
        if key == "stay":
            return self._stay(value)
        if key in RELATION_KEYS:
            return self._relation(key, value)
        if key in ("any", "all"):
            parts = [self.condition(item, f"`{key}`") for item in self.reader.sequence(value, f"`{key}`")]
            self._refuse_empty(value, key)
            return disjunction(parts) if key == "any" else conjunction(parts)
        if key == "not":
            return Not(self.condition(value, "`not`"))
        attribute, factor = attributes.KEY_OF[key]
        if attribute.kind == "number":
            return self._number(value, key, attribute.name, factor)
        if attribute.kind == "version":
            return self._version(value, key, attribute.name)
        return self._words(value, key, attribute)

    def _refuse_empty(self, value: Node, key: str) -> None:
        if value.items is not None and not value.items:
            self.reader.problem(value, f"`{key}` is an empty list", "name at least one condition")

    def _words(self, node: Node, key: str, attribute: attributes.Attribute) -> Condition:
        values = set()
        for item in self.reader.one_or_more(node, f"`{key}`"):
            if attribute.kind == "country":
                word = self.country(item)
            elif attribute.vocabulary:
                word = self.reader.choice(item, attribute.vocabulary, key)
            else:
                word = self.reader.name(item, key, WORD)
            if word is not None:
                values.add(word)
        return In(attribute.name, frozenset(values))

    def _number(self, node: Node, key: str, name: str, factor: Fraction) -> Condition:
        pairs = self.reader.mapping(node, NUMBER_KEYS, f"`{key}`")
        values: dict[str, float] = {}
        for word, (_, value) in pairs.items():
            number = self.reader.number(value, f"`{key}` {word}", 0.0 if word == "for_s" else -1e12, 1e12)
            if number is not None:
                values[word] = number if word == "for_s" else float(Fraction(number) * factor)
        tests = [word for word in pairs if word in attributes.RELATIONS]
        if node.pairs is not None and not tests:
            self.reader.problem(node, f"`{key}` states no limit", "write for instance {above: 75}")
        if "release_below" in pairs or "for_s" in pairs:
            return self._latch(node, key, name, tests, values)
        return conjunction(
            [Compare(name, cast(Any, word), values[word]) for word in tests if word in values]  # a checked literal
        )

    def _latch(self, node: Node, key: str, name: str, tests: list[str], values: dict[str, float]) -> Condition:
        if name != "speed_m_s":
            self.reader.problem(node, f"`{key}` cannot be held over time", "only speeds take release_below and for_s")
        if tests != ["above"]:
            self.reader.problem(
                node,
                f"`{key}` with release_below or for_s needs `above` and nothing else",
                "write {above: 75, release_below: 70, for_s: 30}",
            )
        above = values.get("above", values.get("release_below", 0.0))
        release = values.get("release_below", above)
        if release > above:
            self.reader.problem(node, f"`{key}` releases above its limit", "release_below must be at most `above`")
        return Latch(name, above, release, values.get("for_s", 0.0))

    def _version(self, node: Node, key: str, name: str) -> Condition:
        parts: list[Condition] = []
        for word, (_, value) in self.reader.mapping(node, attributes.RELATIONS, f"`{key}`").items():
            text = self.reader.text(value, f"`{key}` {word}")
            number = None if text is None else attributes.version_number(text)
            if text is not None and number is None:
                self.reader.problem(value, f"`{text[:40]}` is not a version", 'write for instance "2025.01.01"')
            if number is not None:
                parts.append(Compare(name, cast(Any, word), number))  # a checked literal
        if node.pairs is not None and not node.pairs:
            self.reader.problem(node, f"`{key}` states no limit", 'write for instance {below: "2025.01.01"}')
        return conjunction(parts)

    def _list(self, node: Node) -> Condition:
        if node.pairs is None:
            ids = [self.reader.name(item, "list id", WORD) for item in self.reader.one_or_more(node, "`list`")]
            return disjunction([ListIn(name) for name in ids if name is not None])
        pairs = self.reader.mapping(node, LIST_KEYS, "`list`", ("id",))
        states = frozenset({"active"})
        if "state" in pairs:
            items = self.reader.one_or_more(pairs["state"][1], "`state`")
            words = [self.reader.choice(item, attributes.LIST_STATES, "list state") for item in items]
            states = frozenset(word for word in words if word is not None)
        list_id = self.reader.name(pairs["id"][1], "list id", WORD) if "id" in pairs else None
        return ListIn(list_id or "", states)

    def _stay(self, node: Node) -> Condition:
        parts = []
        for counter, (key, tests) in self.reader.mapping(node, None, "`stay`").items():
            if counter not in self.counters:
                self.reader.problem(
                    key,
                    f"unknown counter `{counter}`",
                    did_you_mean(counter, self.counters) if self.counters else "declare it under `counters:`",
                )
            for measure, (_, limits) in self.reader.mapping(tests, attributes.MEASURES, f"`{counter}`").items():
                parts.append(self._number(limits, measure, f"stay.{counter}.{measure}", attributes.ONE))
        if not parts:
            self.reader.problem(node, "`stay` states no limit", "write {COUNTER: {elapsed_days: {above: 60}}}")
        return conjunction(parts)

    def _relation(self, key: str, node: Node) -> Condition:
        word = self.reader.choice(node, ("inside", "outside"), key)
        return Relation(cast(Any, RELATION_KEYS[key]), word == "inside")  # a checked literal

    # --- places ---------------------------------------------------------------------------------------------

    def place(self, node: Node, what: str, buffer_m: float = 0.0) -> Condition:
        """Read a place: one selector, or a mapping of any, all, not, buffer_m and relations to a country."""
        if node.text is not None:
            return self.selector(node, buffer_m)
        pairs = self.reader.mapping(node, PLACE_KEYS, f"`{what}`")
        if node.pairs is not None and not set(pairs) - {"buffer_m"}:
            self.reader.problem(node, f"`{what}` names no place", "write {any: [country:UA]}, or `anywhere`")
        if "buffer_m" in pairs:
            buffer_m = float(self.reader.integer(pairs["buffer_m"][1], "`buffer_m`", 0, MAX_BUFFER_M) or 0)
        parts: list[Condition] = []
        for key, (_, value) in pairs.items():
            if key == "buffer_m":
                continue
            if key in RELATION_KEYS:
                parts.append(self._relation(key, value))
                continue
            items = self.reader.one_or_more(value, f"`{key}`")
            # What is excluded is not widened: a buffer makes a place larger, never smaller.
            places = [self.place(item, key, 0.0 if key == "not" else buffer_m) for item in items]
            if key == "any":
                parts.append(disjunction(places))
            elif key == "all":
                parts.append(conjunction(places))
            else:
                parts.extend(Not(place) for place in places)
        return conjunction(parts)

    def selector(self, node: Node, buffer_m: float = 0.0) -> Condition:
        """Read and check one selector."""
        text = self.reader.text(node, "a selector")
        if text is None:
            return Where("anywhere")
        prefix, colon, rest = text.partition(":")
        if not colon:
            if text not in PLAIN_SELECTORS:
                words = [*PLAIN_SELECTORS, *(f"{p}:" for p in SELECTOR_PREFIXES)]
                self.reader.problem(node, f"`{text[:60]}` is not a place", did_you_mean(text, words))
        elif prefix not in SELECTOR_PREFIXES:
            self.reader.problem(node, f"unknown selector `{text[:60]}`", did_you_mean(prefix, SELECTOR_PREFIXES))
        elif prefix in ("country", "land", "sea"):
            if text != "sea:*":
                self.country(node, rest)
        elif prefix == "landing":
            self._known(node, rest, LANDING_STATUSES, "landing status")
        elif prefix == "service":
            self._known(node, rest, SERVICE_STATES, "service state")
        elif re.fullmatch(r"\S+", rest) is None:
            self.reader.problem(node, f"`{text[:60]}` names nothing", f"write {prefix}:ID")
        known = text in PLAIN_SELECTORS or (colon and prefix in SELECTOR_PREFIXES)
        if buffer_m > 0 and known and prefix not in BUFFERED_PREFIXES:
            self.reader.problem(
                node,
                f"`{text[:60]}` takes no buffer",
                "buffer_m is for " + ", ".join(f"`{p}:`" for p in BUFFERED_PREFIXES),
            )
        return Where(text, buffer_m)

    def _known(self, node: Node, word: str, words: tuple[str, ...], what: str) -> None:
        if word not in words:
            self.reader.problem(node, f"`{word[:60]}` is not a known {what}", did_you_mean(word, words))

    def country(self, node: Node, code: str | None = None) -> str | None:
        """Read a country code of two capital letters."""
        word = self.reader.text(node, "a country") if code is None else code
        if word is None:
            return None
        if word not in attributes.COUNTRIES:
            near = f"did you mean `{word.upper()}`" if word.upper() in attributes.COUNTRIES else None
            near = "did you mean `GB`" if word.upper() == "UK" else near
            self.reader.problem(
                node,
                f"`{word[:20]}` is not an ISO country code",
                near or "write two capital letters of ISO 3166-1, for instance `UA`",
            )
            return None
        return word


# --- building -----------------------------------------------------------------------------------------------


def conjunction(parts: list[Condition]) -> Condition:
    """All of the parts, flattened; one part stands for itself."""
    flat: list[Condition] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, All) else (part,))
    return flat[0] if len(flat) == 1 else All(tuple(flat))


def disjunction(parts: list[Condition]) -> Condition:
    """Any of the parts, flattened; one part stands for itself."""
    flat: list[Condition] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, AnyOf) else (part,))
    return flat[0] if len(flat) == 1 else AnyOf(tuple(flat))


# --- writing ------------------------------------------------------------------------------------------------


def number_text(value: float) -> str:
    """Write a number so that reading it gives the same float64."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def condition_tree(condition: Condition) -> dict[str, Any]:
    """Write a condition as a condition mapping in base units, sorted: the order of parts is not meaning.

    Args:
        condition: any condition.
    Returns:
        Nested dict, list and str only; `ConditionReader.condition` reads it back.
    """
    match condition:
        case All(parts):
            return {"all": in_order([condition_tree(part) for part in parts])}
        case AnyOf(parts):
            return {"any": in_order([condition_tree(part) for part in parts])}
        case Not(part):
            return {"not": condition_tree(part)}
        case In(attribute, values):
            return {attribute: sorted(values)}
        case ListIn(list_id, states):
            return {"list": {"id": list_id, "state": sorted(states)}}
        case Compare("software", relation, value):
            return {"software": {relation: attributes.version_text(value)}}
        case Compare(attribute, relation, value):
            return _number_tree(attribute, {relation: number_text(value)})
        case Latch(attribute, above, release_below, for_s):
            limits = {"above": above, "release_below": release_below, "for_s": for_s}
            return _number_tree(attribute, {name: number_text(value) for name, value in limits.items()})
        case Where():
            return {"where": place_tree(condition)}
        case Relation(of, inside):
            key = "home_country" if of == "home_country" else "activation"
            return {key: "inside" if inside else "outside"}


def place_tree(condition: Condition) -> Any:
    """Write a condition on the place as a `where:` value."""
    match condition:
        case Where(selector, buffer_m):
            return selector if buffer_m == 0 else {"any": [selector], "buffer_m": number_text(buffer_m)}
        case All(parts):
            return {"all": in_order([place_tree(part) for part in parts])}
        case AnyOf(parts):
            return {"any": in_order([place_tree(part) for part in parts])}
        case Not(part):
            return {"not": [place_tree(part)]}
        case _:
            return condition_tree(condition)


def in_order(trees: list[Any]) -> list[Any]:
    """Sort trees by their text: the order of the parts of a conjunction means nothing."""
    return sorted(trees, key=repr)


def _number_tree(attribute: str, limits: dict[str, str]) -> dict[str, Any]:
    if attribute.startswith("stay."):
        _, counter, measure = attribute.split(".", 2)
        return {"stay": {counter: {measure: limits}}}
    return {attributes.ATTRIBUTES[attribute].keys[-1][0]: limits}
