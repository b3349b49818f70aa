"""What a change set names, whoever is there at the moment: countries, conflict areas, ways around sanctions.

The fleet shows who changes today; a rule for a whole country where nobody happens to be is critical all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from groundrule.pipeline.changes import Plan
from groundrule.reasons import CATALOGUE
from groundrule.rules.model import All, AnyOf, Condition, ListIn, Not, Rule, Rulebook, Where

CONFLICT: Final = frozenset({"conflict", "war"})
"""Tags (and kind) of areas that are declared as conflict areas."""
EVERYWHERE: Final = "everywhere"


@dataclass(frozen=True, slots=True)
class Touched:
    """What a change set names.

    Attributes:
        countries: countries that a changed rule takes whole; `everywhere` for a rule without a place and without a person.
        conflict_areas: ids of areas.
        sanctions_exceptions: lists and waivers that lift a denial for sanctions.
    """

    countries: frozenset[str]
    conflict_areas: frozenset[str]
    sanctions_exceptions: frozenset[str]


def touched_by(made: Plan, book: Rulebook) -> Touched:
    """Return what a plan names beyond what is in force.

    Args:
        made: the plan.
        book: the rulebook in force.
    """
    old, new = {rule.id: rule for rule in book.rules}, {rule.id: rule for rule in made.rulebook.rules}
    changed = [rule for id_ in old.keys() | new.keys() for rule in (old.get(id_), new.get(id_))
               if rule is not None and _said(old.get(id_)) != _said(new.get(id_))]  # fmt: skip
    declared = {
        area.id for area in (*made.areas.areas, *made.imported) if CONFLICT & set(area.tags) or area.kind in CONFLICT
    }
    countries = {country for rule in changed for country in _whole_countries(rule)}
    named = {name for rule in changed for name in _selected(rule.where, "area:")}
    conflict = declared & (named | made.touched_areas)
    waived = {name for rule in (*old.values(), *new.values()) if _sanctions(rule) for name in _lists(rule.unless)}
    lists = {row[1] for write in made.writes if write.kind == "list_entries" for row in write.rows} & waived
    added = {
        name
        for id_, rule in new.items()
        if _sanctions(rule) and id_ in old and _sanctions(old[id_])
        for name in _lists(rule.unless) - _lists(old[id_].unless)
    }
    gone = {f"rule {rule.id}" for id_, rule in old.items() if _sanctions(rule) and _said(new.get(id_)) != _said(rule)}
    return Touched(frozenset(countries), frozenset(conflict), frozenset({*lists, *added, *gone}))


def _said(rule: Rule | None) -> object:
    """What a rule decides, apart from its words and its place in the text."""
    if rule is None:
        return None
    return (
        rule.tier, rule.outcome, rule.reason, rule.where, rule.who, rule.what, rule.unless, rule.state, rule.edge, rule.unknown,
        rule.stale, rule.obligations, rule.effective_from_ns, rule.effective_until_ns, rule.emergency,
    )  # fmt: skip


def _whole_countries(rule: Rule) -> Iterator[str]:
    """Countries that a rule takes as a whole: it selects them, and asks neither who nor what."""
    if rule.who != All(()) or rule.what != All(()):
        return
    if rule.where in (All(()), Where("anywhere")):
        yield EVERYWHERE
    for prefix in ("country:", "land:"):
        yield from _selected(rule.where, prefix)


def _leaves(condition: Condition) -> Iterator[Condition]:
    match condition:
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from _leaves(part)
        case Not(part):
            yield from _leaves(part)
        case _:
            yield condition


def _selected(condition: Condition, prefix: str) -> set[str]:
    return {
        leaf.selector.removeprefix(prefix)
        for leaf in _leaves(condition)
        if isinstance(leaf, Where) and leaf.selector.startswith(prefix)
    }


def _lists(conditions: tuple[Condition, ...]) -> set[str]:
    return {leaf.list_id for each in conditions for leaf in _leaves(each) if isinstance(leaf, ListIn)}


def _sanctions(rule: Rule) -> bool:
    found = CATALOGUE.get(rule.reason)
    return found is not None and found.group == "sanctions"
