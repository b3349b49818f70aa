"""The way back from values of a space's variables to evidence: a counterexample as a situation that can be decided again.

Of the evidence that gives the variables these values, one is made: a number in the band, a country of the kind, a place of the
name. What the variables do not speak of stays as unremarkable as it can be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from groundrule.instant import NS_PER_DAY
from groundrule.rules import attributes
from groundrule.rules.evidence import AreaFact, Membership, Profile, Truth
from groundrule.rules.model import Latch
from groundrule.rules.normal import leaves_of
from groundrule.rules.selectors import NO, TRUTH_OF_TRI, YES
from groundrule.rules.situation import Number, Situation
from groundrule.rules.space import LANDING, OTHER, UNKNOWN, Space, latch_name


def situation_of(space: Space, values: Mapping[str, Any]) -> Situation:
    """Turn values of the variables into evidence.

    Args:
        space: whose variables they are.
        values: of each variable by its name, as `Variable.values` has them; they satisfy the constraints of the space.
    """
    slot = values["time"]
    now_ns = space.moments[slot - 1] if slot else (space.moments[0] - NS_PER_DAY if space.moments else 0)
    known = values["position"] == "known"
    return Situation(
        now_ns=now_ns,
        facts=_facts(space, values) if known else None,
        profile=None if values["register"] == "unregistered" else _profile(space, values),
        numbers={n: _number(space, n, values) for n in space.limits if n != "software"},
        categories=_categories(values),
        latches={
            leaf: Truth(TRUTH_OF_TRI[values[latch_name(leaf)]])
            for rule in space.rulebook.rules
            for leaf in leaves_of(rule.condition())
            if isinstance(leaf, Latch)
        },
    )


def _facts(space: Space, values: Mapping[str, Any]) -> tuple[AreaFact, ...]:
    facts = []
    present = [(c, values[f"country {c}"]) for c in space.countries]
    for status in LANDING:
        code = space.elsewhere(status)
        if code is not None:
            present.append((code, values[f"countries {status}"]))
    for code, truth in present:
        if truth != NO:
            facts.append(AreaFact(f"country:{code}", "country", code, (), _membership(truth)))
    if values["land"] != NO:
        facts.append(AreaFact("example-land", "land", None, (), _membership(values["land"])))
    for name, truth in values.items():
        if name.startswith("place ") and truth != NO:
            facts.append(_fact_of(name.removeprefix("place "), _membership(truth)))
    return tuple(facts)


def _number(space: Space, name: str, values: Mapping[str, Any]) -> Number:
    limits = space.limits[name]
    low, high = values[f"{name} low"], values[f"{name} high"]
    if low == 0 and high == 2 * len(limits):
        return None
    return _in_band(limits, low), _in_band(limits, high)


def _profile(space: Space, values: Mapping[str, Any]) -> Profile:
    parts: dict[str, Any] = {}
    for name, attribute in attributes.ATTRIBUTES.items():
        if attribute.source == "who" and not attribute.set_valued and name in values:
            parts[attribute.field] = None if values[name] == UNKNOWN else values[name]
    for name in ("account_country", "activation_country"):
        if values.get(name) == OTHER:
            parts[name] = _other_country(space, values, name)
    if "software" in space.limits:
        number = _number(space, "software", values)
        parts["software_version"] = None if number is None else attributes.version_text(number[0])  # type: ignore[index]  # `_number` gives None or a pair
    prefix = "programme "
    parts["programmes"] = tuple(
        n.removeprefix(prefix) for n, v in values.items() if n.startswith(prefix) and n != "programme known" and v
    )
    parts["lists"] = tuple(
        (n.removeprefix("list "), v) for n, v in sorted(values.items()) if n.startswith("list ") and v != "none"
    )
    return Profile(**parts)


def _other_country(space: Space, values: Mapping[str, Any], name: str) -> str:
    inside = values.get(f"inside {name}", NO)
    mentioned = set(space.variables[name].values)
    here = {code: values[f"country {code}"] for code in space.countries}
    here |= {code: values[f"countries {s}"] for s in LANDING if (code := space.elsewhere(s)) is not None}
    free = sorted(attributes.COUNTRIES - mentioned - set(here))
    return next((c for c, truth in here.items() if truth == inside != NO and c not in mentioned), free[0])


def _categories(values: Mapping[str, Any]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, attribute in attributes.ATTRIBUTES.items():
        if attribute.source != "category":
            continue
        if attribute.set_valued and f"{name} known" in values:
            words = [n.partition(" ")[2] for n, v in values.items() if n.startswith(f"{name} ") and v is True]
            known = values[f"{name} known"]
            found[name] = frozenset(word for word in words if word != "known") if known else None
        elif name in values:
            found[name] = None if values[name] == UNKNOWN else values[name]
    return found


def _fact_of(selector: str, membership: Membership) -> AreaFact:
    prefix, _, name = selector.partition(":")
    if "+" in selector and selector.endswith("m"):
        if prefix == "kind":
            return AreaFact(f"example-{name}", "buffer", None, (selector.rpartition("+")[0],), membership)
        return AreaFact(name if prefix == "area" else selector, "buffer", None, (), membership)
    match prefix:
        case "area":
            return AreaFact(name, "example", None, (), membership)
        case "kind":
            return AreaFact(f"example-{name}", name, None, (), membership)
        case "tag":
            return AreaFact(f"example-{name}", "example", None, (name,), membership)
        case _:
            return AreaFact(f"example-{name}", "example", None, (), membership, name)


def _membership(truth: int) -> Membership:
    return Membership.INSIDE if truth == YES else Membership.EDGE


def _in_band(limits: Sequence[float], band: int) -> float:
    """Return a number in a band: even bands lie between limits, odd ones are a limit."""
    if band % 2:
        return limits[band // 2]
    index = band // 2
    if index == 0:
        return limits[0] / 2 if limits[0] > 0 else limits[0] - 1.0
    if index == len(limits):
        return limits[-1] * 1.25 + 1.0 if limits[-1] >= 0 else limits[-1] + 1.0
    return (limits[index - 1] + limits[index]) / 2
