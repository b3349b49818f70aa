"""The bootstrap rulebook, drawn from a rulebook: denials for want of landing rights, and service of protected terminals.

It follows from the rulebook by a rule of its own and holds nothing that the rulebook does not, so that nobody has to enact it
separately and anybody can make it again. Denials by sanctions lists and denylists are in it, too, for the time when
snapshots are damaged and the registers are not: no outage lifts them. To a point that has no registers they say nothing.
"""

from __future__ import annotations

from typing import Any, Final

import yaml

from groundrule.errors import InputError
from groundrule.pipeline.overlay import fixed_rules
from groundrule.records import Outcome
from groundrule.rules.model import Rulebook
from groundrule.rules.text import read_rulebook

LANDING: Final = frozenset({"unlicensed_country", "invalid_country", "blocked_country", "landing_right", "never_served"})
"""Reasons of rules about where the network may serve, and where it never has."""
PROTECTED: Final = "protected_service"
_DROPPED: Final = ("rules", "guarantees", "counters")
TITLE: Final = "Bootstrap policy of"


def bootstrap_of(book: Rulebook) -> Rulebook:
    """Return the bootstrap rulebook of a rulebook.

    Raises:
        InputError: it has no rule about landing rights or protected terminals.
    """
    # Every scalar is text to the reader of rulebooks, so nothing is turned into a date or a number on the way.
    value: dict[str, Any] = yaml.load(book.text, Loader=yaml.BaseLoader)  # noqa: S506 - the base loader makes texts only
    of_lists = {rule.id for rule in book.rules if rule.outcome is Outcome.DENY} & fixed_rules(book)
    kept = [rule for rule in value["rules"] if _belongs(rule)]
    if kept:
        chosen = {rule["id"] for rule in kept}
        kept = [
            rule | {"unknown": {"*": "serve"}} if rule["id"] in of_lists else rule
            for rule in value["rules"]
            if rule["id"] in chosen | of_lists
        ]
    else:
        raise InputError(
            f"the rulebook `{book.id}` has no rule about landing rights or protected terminals",
            help=f"give such rules one of the reasons {', '.join(sorted(LANDING - {'never_served'}))}, {PROTECTED}",
        )
    made = {key: each for key, each in value.items() if key not in _DROPPED}
    tiers = {rule["tier"] for rule in kept}
    made["precedence"] = [tier for tier in value["precedence"] if tier in tiers] or value["precedence"][:1]
    made["rulebook"] = f"{value['rulebook']}-bootstrap"
    made["title"] = f"{TITLE} {value['title']}"
    made["rules"] = kept
    text = yaml.dump(made, sort_keys=False, allow_unicode=True, width=110)
    return read_rulebook(text, file=f"bootstrap of {book.id}")


def _belongs(rule: dict[str, Any]) -> bool:
    return (rule["reason"] in LANDING or rule["reason"] == PROTECTED) and not _stays(rule.get("what"))


def _stays(what: object) -> bool:
    """Does a condition count stays? Their counters are not part of it."""
    if isinstance(what, dict):
        return "stay" in what or any(map(_stays, what.values()))
    return isinstance(what, list) and any(map(_stays, what))

