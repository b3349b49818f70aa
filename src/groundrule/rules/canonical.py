"""The canonical tree of a rulebook: what is digested, and itself a rulebook of the same language.

Base units, defaults written out, and everything sorted whose order means nothing, so that two texts with one meaning
give the same bytes.
"""

from __future__ import annotations

from typing import Any

from groundrule.instant import MAX_NS, MIN_NS, format_instant
from groundrule.rules.conditions import condition_tree, in_order, number_text, place_tree
from groundrule.rules.model import All, Assumptions, Rule, Rulebook

NUMBERS_ASSUMED = ("edge_probability", "max_gap_s", "max_position_age_s", "decision_valid_s")
ASSUMPTION_KEYS = ("position_sigma_m", *NUMBERS_ASSUMED, "radio_position")


def canonical_tree(book: Rulebook) -> dict[str, Any]:
    """Write a rulebook as nested dict, list and text: base units, defaults written out, sorted.

    The order of `precedence` is meaning and stays; rules, claims, landing rights and counters are sorted by
    name. The tree is a rulebook of the same language.
    """
    tree: dict[str, Any] = {
        "rulebook": book.id,
        "version": str(book.version),
        "title": book.title,
        "operator": book.operator,
        "notice": book.notice,
        "supersedes": book.supersedes,
        "default": {"outcome": book.default_outcome.word, "reason": book.default_reason},
        "precedence": list(book.precedence),
        "assumptions": _assumption_tree(book.assumptions),
        "detection": {name: {key: number_text(value) for key, value in numbers} for name, numbers in book.detection},
        "claims": in_order([_stated(countries=list(c.countries), relation=c.relation,
        counts_as=list(c.counts_as),
                                    source=c.source, note=c.note) for c in book.claims]),
        "landing_rights": {
            r.country: _stated(status=r.status, source=r.source, date=r.date,
            illustrative=_word(r.illustrative)) for r in sorted(book.landing_rights, key=lambda r: r.country)
        },
        "counters": {c.id: {"while": condition_tree(c.condition)} for c in sorted(book.counters, key=lambda c:
        c.id)}, "guarantees": [
            _stated(id=g.id, title=g.title, when=condition_tree(g.when), never=g.never.word,
                    except_reasons=sorted(g.except_reasons) or None)
            for g in sorted(book.guarantees, key=lambda g: g.id)
        ],
        "rules": [_rule_tree(rule) for rule in sorted(book.rules, key=lambda rule: rule.id)] or "none",
    }  # fmt: skip
    return {key: value for key, value in tree.items() if value not in (None, [], {})}


def _stated(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in (None, [], {}, ())}


def _word(value: bool) -> str | None:
    return "true" if value else None


def _assumption_tree(assumptions: Assumptions) -> dict[str, Any]:
    tree: dict[str, Any] = {name: number_text(getattr(assumptions, name)) for name in NUMBERS_ASSUMED}
    tree["position_sigma_m"] = {name: number_text(value) for name, value in assumptions.position_sigma_m}
    if assumptions.radio_position is not None:
        used = assumptions.radio_position
        tree["radio_position"] = {"use_when": list(used.use_when), "max_age_s": number_text(used.max_age_s)}
        if used.hold_inconsistent_s is not None:
            tree["radio_position"]["hold_inconsistent_s"] = number_text(used.hold_inconsistent_s)
    return tree


def _rule_tree(rule: Rule) -> dict[str, Any]:
    effective = {}
    if rule.effective_from_ns != MIN_NS:
        effective["from"] = format_instant(rule.effective_from_ns)
    if rule.effective_until_ns != MAX_NS:
        effective["until"] = format_instant(rule.effective_until_ns)
    authority = rule.authority
    empty = All(())
    return _stated(
        id=rule.id,
        title=rule.title,
        tier=rule.tier,
        where=None if rule.where == empty else place_tree(rule.where),
        who=None if rule.who == empty else condition_tree(rule.who),
        what=None if rule.what == empty else condition_tree(rule.what),
        unless=in_order([condition_tree(part) for part in rule.unless]),
        outcome=rule.outcome.word,
        reason=rule.reason,
        state=rule.state.value,
        edge=rule.edge.word,
        unknown={name: outcome.word for name, outcome in rule.unknown},
        stale=rule.stale.word,
        obligations=dict(item.split("=", 1) for item in rule.obligations),
        effective=effective,
        emergency=_word(rule.emergency),
        review_by=None if rule.review_by_ns is None else format_instant(rule.review_by_ns),
        authority=_stated(basis=authority.basis, requested_by=authority.requested_by, source=authority.source,
                          date=authority.date, illustrative=_word(authority.illustrative)),
        message=dict(rule.message),
        appeal=rule.appeal,
        notes=rule.notes,
        retry=_stated(wait_s=None if rule.retry_wait_s is None else str(rule.retry_wait_s),
                      move_m=None if rule.retry_move_m is None else str(rule.retry_move_m)),
    )  # fmt: skip
