"""Conditions as terms: an "or" of "and"s over evidence columns.

A *test* is a condition all of whose leaves depend on one column (the place, the plan, the altitude …); however large,
it is judged once per distinct value of its column. A *term* is a conjunction of at most one test per column. A rule
applies with the greatest strength among its terms; min and max distribute over each other, so terms and the original
condition always give the same strength.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from groundrule.errors import MalformedRule
from groundrule.rules.attributes import ATTRIBUTES
from groundrule.rules.conditions import conjunction, disjunction
from groundrule.rules.model import All, AnyOf, Compare, Condition, In, Latch, ListIn, Not, Relation, Rule, Where

MAX_TERMS = 256
"""Terms one rule may have; a rule with more is refused by name instead of growing without bound."""


class Column(NamedTuple):
    """One column of evidence.

    Attributes:
        source: where, home_country, activation_country, who, category, number, latch or time.
        name: the attribute, or the latch's description, or empty.
    """

    source: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Effective:
    """The instant is inside a half-open interval [ns]; stands beside the leaves of the model."""

    from_ns: int
    until_ns: int


Term = dict[Column, Condition]


def column_of(leaf: Condition) -> Column | None:
    """Return the column that a leaf depends on, or None for what holds everywhere.

    Raises:
        MalformedRule: the leaf names an attribute that does not exist.
    """
    if isinstance(leaf, Effective):
        return Column("time")
    if isinstance(leaf, Where):
        return None if leaf.selector == "anywhere" else Column("where")
    if isinstance(leaf, Relation):
        return Column(leaf.of)
    if isinstance(leaf, ListIn):
        return Column("who", "list")
    if isinstance(leaf, Latch):
        return Column("latch", repr(leaf))
    if isinstance(leaf, In | Compare):
        if leaf.attribute.startswith("stay."):
            return Column("number", leaf.attribute)
        if leaf.attribute in ATTRIBUTES:
            return Column(ATTRIBUTES[leaf.attribute].source, leaf.attribute)
        raise MalformedRule(f"unknown attribute `{leaf.attribute}`")
    raise MalformedRule(f"`{type(leaf).__name__}` is not a condition")


def leaves_of(condition: Condition) -> list[Condition]:
    """Return the leaves of a condition from left to right."""
    if isinstance(condition, All | AnyOf):
        return [leaf for part in condition.parts for leaf in leaves_of(part)]
    return leaves_of(condition.part) if isinstance(condition, Not) else [condition]


def terms_of(rule: Rule) -> list[Term]:
    """Return the terms of a rule's condition; no terms means that it can never apply.

    Raises:
        MalformedRule: more than `MAX_TERMS`.
    """
    try:
        return _terms(rule.condition(), False)
    except OverflowError:
        raise MalformedRule(
            f"the rule `{rule.id}` combines alternatives in more than {MAX_TERMS} ways",
            line=rule.span.line,
            column=rule.span.column,
            help="split it into several rules",
        ) from None


def _columns(condition: Condition) -> set[Column | None]:
    return {column_of(leaf) for leaf in leaves_of(condition)}


def _terms(condition: Condition, negated: bool) -> list[Term]:
    columns = _columns(condition) - {None}
    if len(columns) == 1:
        (column,) = columns
        assert column is not None
        return [{column: Not(condition) if negated else condition}]
    if isinstance(condition, Not):
        return _terms(condition.part, not negated)
    if isinstance(condition, All | AnyOf):
        if isinstance(condition, All) != negated:
            return _product([_terms(part, negated) for part in _by_column(condition)])
        terms = [term for part in _by_column(condition) for term in _terms(part, negated)]
        _bound(len(terms))
        return terms
    return [] if negated else [{}]  # the only leaf without a column is `anywhere`


def _by_column(condition: All | AnyOf) -> list[Condition]:
    """Merge the parts that depend on one and the same column, so that they stay one test."""
    merged: dict[Column, list[Condition]] = {}
    rest: list[Condition] = []
    for part in condition.parts:
        columns = _columns(part) - {None}
        column = next(iter(columns)) if len(columns) == 1 else None
        if column is None:
            rest.append(part)
        else:
            merged.setdefault(column, []).append(part)
    join = conjunction if isinstance(condition, All) else disjunction
    return [*(join(parts) for parts in merged.values()), *rest]


def _product(factors: list[list[Term]]) -> list[Term]:
    product: list[Term] = [{}]
    for factor in sorted(factors, key=len):
        _bound(len(product) * len(factor))
        product = [_join(left, right) for left in product for right in factor]
    return product


def _join(left: Term, right: Term) -> Term:
    joined = dict(left)
    for column, test in right.items():
        joined[column] = conjunction([joined[column], test]) if column in joined else test
    return joined


def _bound(count: int) -> None:
    if count > MAX_TERMS:
        raise OverflowError
