"""Rulebooks as text: YAML to `model.Rulebook` and back, with every problem reported at its line and column.

1. `nodes.compose` turns the text into located nodes and refuses what YAML makes ambiguous.
2. This module walks the nodes by the schema of the language and collects all problems.
3. The canonical tree (base units, sorted, defaults written out) is digested: comments, order and spelling of keys
   do not change the digest, and the canonical tree is itself a rulebook that this module reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml

from groundrule import canon, reasons
from groundrule.errors import InputError
from groundrule.instant import MAX_NS, MIN_NS
from groundrule.records import OUTCOME_WORDS, Outcome, ServiceState
from groundrule.rules import attributes
from groundrule.rules.assumptions import read_assumptions, read_detection
from groundrule.rules.canonical import canonical_tree
from groundrule.rules.conditions import (
    ConditionReader,
)
from groundrule.rules.model import (
    All,
    AnyOf,
    Assumptions,
    Authority,
    Claim,
    Condition,
    Counter,
    Guarantee,
    LandingRight,
    Not,
    Relation,
    Rule,
    Rulebook,
    Span,
    Where,
)
from groundrule.rules.nodes import Node, Reader, RulebookErrors, compose, did_you_mean

__all__ = ["RulebookErrors", "canonical_tree", "load_rulebook", "read_rulebook", "write_rulebook"]

BOOK_REQUIRED = ("rulebook", "version", "title", "operator", "default", "precedence", "rules")
BOOK_KEYS = (
    *BOOK_REQUIRED,
    "notice",
    "supersedes",
    "assumptions",
    "detection",
    "claims",
    "landing_rights",
    "counters",
    "guarantees",
)
RULE_REQUIRED = ("id", "title", "tier", "outcome", "reason", "authority")
RULE_KEYS = (
    *RULE_REQUIRED, "where", "who", "what", "unless", "state", "edge", "unknown", "stale", "obligations",
    "effective", "emergency", "review_by", "message", "appeal", "notes", "retry",
)  # fmt: skip
AUTHORITY_KEYS = ("basis", "requested_by", "source", "date", "illustrative")
CLAIM_KEYS = ("countries", "counts_as", "relation", "source", "note")
LANDING_KEYS = ("status", "source", "date", "illustrative")
GUARANTEE_KEYS = ("id", "title", "when", "never", "except_reasons")
ID = r"[a-z0-9][a-z0-9-]*"
LANGUAGE = r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?"
_BOOKS = "books"

Pairs = dict[str, tuple[Node, Node]]
_T = TypeVar("_T")


def read_rulebook(text: str, *, file: str = "") -> Rulebook:
    """Read a rulebook from YAML text.

    Args:
        text: one YAML document of at most 2 MB.
        file: name for messages.
    Returns:
        The rulebook with its digest; its rules in the order of the text.
    Raises:
        RulebookErrors: with every problem found, each with line, column and what would be right.
    """
    reader = Reader(file)
    root = compose(text, reader)
    book = _Book(reader).read(root)
    reader.raise_problems()
    assert book is not None
    tree = canonical_tree(book)
    return replace(book, digest=canon.digest(tree), text=text, canonical=tree)


def load_rulebook(name_or_path: str | Path) -> Rulebook:
    """Read a shipped rulebook by name (`world-2026`), or a file.

    Raises:
        InputError: no such rulebook or file, or it is not UTF-8. RulebookErrors: it cannot be understood.
    """
    shipped = resources.files("groundrule.rules") / _BOOKS / f"{name_or_path}.yaml"
    path = Path(name_or_path)
    try:
        if isinstance(name_or_path, str) and "/" not in name_or_path and not path.is_file() and shipped.is_file():
            return read_rulebook(shipped.read_text(encoding="utf-8"), file=f"{name_or_path}.yaml")
        return read_rulebook(path.read_text(encoding="utf-8"), file=str(name_or_path))
    except UnicodeDecodeError as error:
        raise InputError(f"`{name_or_path}` is not UTF-8 text at byte {error.start}", file=str(name_or_path)) from error
    except OSError as error:
        raise InputError(
            f"cannot read the rulebook `{name_or_path}`: {error.strerror}",
            help="name a file or a shipped rulebook such as world-2026",
            file=str(name_or_path),
        ) from error


def write_rulebook(book: Rulebook) -> str:
    """Write a rulebook as canonical YAML; reading it gives the same digest."""
    return yaml.safe_dump(canonical_tree(book), sort_keys=False, allow_unicode=True, width=110)


class _Book:
    """One walk over one rulebook."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.conditions = ConditionReader(reader)

    def read(self, root: Node) -> Rulebook | None:
        reader = self.reader
        pairs = reader.mapping(root, BOOK_KEYS, "the rulebook", BOOK_REQUIRED)
        tiers = self._tiers(pairs)
        counters = self._counters(pairs)
        self.conditions = ConditionReader(reader, frozenset(counter.id for counter in counters))
        outcome, reason = self._default(pairs)
        rules = self._rules(pairs, tiers)
        book = Rulebook(
            id=self._get(pairs, "rulebook", lambda n: reader.name(n, "rulebook name", ID)) or "",
            version=self._get(pairs, "version", lambda n: reader.integer(n, "`version`", 1)) or 1,
            title=self._text(pairs, "title") or "",
            operator=self._text(pairs, "operator") or "",
            precedence=tiers,
            rules=rules,
            default_outcome=outcome,
            default_reason=reason,
            claims=self._claims(pairs),
            landing_rights=self._landing(pairs),
            counters=counters,
            guarantees=self._guarantees(pairs),
            assumptions=read_assumptions(reader, pairs["assumptions"][1]) if "assumptions" in pairs else Assumptions(),
            detection=read_detection(reader, pairs["detection"][1]) if "detection" in pairs else (),
            notice=self._text(pairs, "notice"),
            supersedes=self._text(pairs, "supersedes"),
        )
        return None if reader.problems else book

    # --- small readings -------------------------------------------------------------------------------------

    def _get(self, pairs: Pairs, key: str, read: Callable[[Node], _T | None]) -> _T | None:
        return read(pairs[key][1]) if key in pairs else None

    def _text(self, pairs: Pairs, key: str) -> str | None:
        return self._get(pairs, key, lambda node: self.reader.text(node, f"`{key}`"))

    def _flag(self, pairs: Pairs, key: str) -> bool:
        return bool(self._get(pairs, key, lambda node: self.reader.boolean(node, f"`{key}`")))

    def _date(self, pairs: Pairs, key: str) -> str | None:
        text = self._text(pairs, key)
        if text is not None and self.reader.instant(pairs[key][1], f"`{key}`") is None:
            return None
        return text

    def _outcome(self, pairs: Pairs, key: str) -> Outcome | None:
        word = self._get(pairs, key, lambda node: self.reader.choice(node, OUTCOME_WORDS, "outcome"))
        return None if word is None else Outcome[word.upper()]

    def _reason(self, pairs: Pairs, key: str) -> str:
        return self._get(pairs, key, lambda node: self.reader.choice(node, reasons.RULE_REASONS, "reason")) or ""

    def _unique(self, seen: dict[str, int], name: str | None, node: Node, what: str) -> None:
        if name is None:
            return
        if name in seen:
            self.reader.problem(node, f"the {what} `{name}` stands twice", f"first in line {seen[name]}")
        seen.setdefault(name, node.line)

    # --- the head -------------------------------------------------------------------------------------------

    def _tiers(self, pairs: Pairs) -> tuple[str, ...]:
        if "precedence" not in pairs:
            return ()
        seen: dict[str, int] = {}
        items = self.reader.sequence(pairs["precedence"][1], "`precedence`")
        for item in items:
            self._unique(seen, self.reader.name(item, "tier"), item, "tier")
        if pairs["precedence"][1].items == [] or len(seen) > 200:
            self.reader.problem(pairs["precedence"][1], "`precedence` must name 1 to 200 tiers")
        return tuple(seen)

    def _default(self, pairs: Pairs) -> tuple[Outcome, str]:
        if "default" not in pairs:
            return Outcome.SERVE, ""
        inner = self.reader.mapping(pairs["default"][1], ("outcome", "reason"), "`default`", ("outcome", "reason"))
        return self._outcome(inner, "outcome") or Outcome.SERVE, self._reason(inner, "reason")

    def _claims(self, pairs: Pairs) -> tuple[Claim, ...]:
        if "claims" not in pairs:
            return ()
        claims: list[Claim] = []
        seen: dict[str, int] = {}
        for node in self.reader.sequence(pairs["claims"][1], "`claims`"):
            inner = self.reader.mapping(node, CLAIM_KEYS, "a claim", ("countries", "counts_as", "relation"))
            countries = self._countries(inner, "countries")
            counts = self._countries(inner, "counts_as")
            relation = self._get(
                inner, "relation", lambda n: self.reader.choice(n, ("dispute", "territory"), "relation")
            )
            if "countries" in inner and len(countries) < 2:
                self.reader.problem(node, "a claim needs at least two countries")
            if not set(counts) <= set(countries):
                self.reader.problem(
                    node,
                    "`counts_as` names a country that is not in `countries`",
                    f"choose from {', '.join(countries)}",
                )
            self._unique(seen, " ".join(countries), node, "claim on")
            claims.append(
                Claim(
                    countries,
                    counts,
                    cast(Any, relation or "dispute"),  # a checked literal
                    self._text(inner, "source"),
                    self._text(inner, "note"),
                )
            )
        return tuple(claims)

    def _countries(self, pairs: Pairs, key: str) -> tuple[str, ...]:
        if key not in pairs:
            return ()
        items = self.reader.one_or_more(pairs[key][1], f"`{key}`")
        codes = [self.conditions.country(item) for item in items]
        return tuple(sorted({code for code in codes if code is not None}))

    def _landing(self, pairs: Pairs) -> tuple[LandingRight, ...]:
        if "landing_rights" not in pairs:
            return ()
        rights = []
        for code, (key, node) in self.reader.mapping(pairs["landing_rights"][1], None, "`landing_rights`").items():
            self.conditions.country(key, code)
            inner = self.reader.mapping(node, LANDING_KEYS, f"the landing right of {code}", ("status",))
            statuses = ("licensed", "unlicensed", "blocked", "not_offered")
            status = self._get(inner, "status", lambda n: self.reader.choice(n, statuses, "landing status"))  # noqa: B023 - called at once
            illustrative = self._flag(inner, "illustrative")
            if not illustrative and not {"source", "date"} <= set(inner):
                self.reader.problem(
                    node,
                    f"the landing right of {code} has no source and date",
                    "give both, or mark the line `illustrative: true`",
                )
            rights.append(
                LandingRight(
                    code,
                    cast(Any, status or "licensed"),  # a checked literal
                    self._text(inner, "source"),
                    self._date(inner, "date"),
                    illustrative,
                )
            )
        return tuple(rights)

    def _counters(self, pairs: Pairs) -> tuple[Counter, ...]:
        if "counters" not in pairs:
            return ()
        counters = []
        for name, (key, node) in self.reader.mapping(pairs["counters"][1], None, "`counters`").items():
            self.reader.name(key, "counter name", r"[a-z][a-z0-9_]*")
            inner = self.reader.mapping(node, ("while",), f"the counter `{name}`", ("while",))
            if "while" in inner:
                condition = self.conditions.condition(inner["while"][1], "`while`")
                if not _places_only(condition):
                    self.reader.problem(
                        inner["while"][1],
                        f"the counter `{name}` tests more than the place",
                        "use where, home_country and activation only",
                    )
                counters.append(Counter(name, condition))
        return tuple(counters)

    def _guarantees(self, pairs: Pairs) -> tuple[Guarantee, ...]:
        if "guarantees" not in pairs:
            return ()
        found = []
        seen: dict[str, int] = {}
        for node in self.reader.sequence(pairs["guarantees"][1], "`guarantees`"):
            inner = self.reader.mapping(node, GUARANTEE_KEYS, "a guarantee", ("id", "title", "when", "never"))
            name = self._get(inner, "id", lambda n: self.reader.name(n, "guarantee id", ID))
            self._unique(seen, name, node, "guarantee")
            excepted = set()
            if "except_reasons" in inner:
                for item in self.reader.one_or_more(inner["except_reasons"][1], "`except_reasons`"):
                    excepted.add(self.reader.choice(item, reasons.RULE_REASONS, "reason") or "")
            when = self.conditions.condition(inner["when"][1], "`when`") if "when" in inner else All(())
            never = self._outcome(inner, "never")
            found.append(
                Guarantee(
                    name or "",
                    self._text(inner, "title") or "",
                    when,
                    Outcome.DENY if never is None else never,
                    frozenset(excepted),
                )
            )
        return tuple(found)

    # --- rules ----------------------------------------------------------------------------------------------

    def _rules(self, pairs: Pairs, tiers: tuple[str, ...]) -> tuple[Rule, ...]:
        if "rules" not in pairs or pairs["rules"][1].text == "none":
            return ()
        node = pairs["rules"][1]
        items = self.reader.sequence(node, "`rules`")
        if node.items == []:
            self.reader.problem(node, "the rulebook has no rules", "write rules, or `rules: none` if that is meant")
        seen: dict[str, int] = {}
        rules = []
        for item in items:
            rule = self._rule(item, tiers, seen)
            if rule is not None:
                rules.append(rule)
        return tuple(rules)

    def _rule(self, node: Node, tiers: tuple[str, ...], seen: dict[str, int]) -> Rule | None:
        reader = self.reader
        pairs = reader.mapping(node, RULE_KEYS, "a rule", RULE_REQUIRED)
        rule_id = self._get(pairs, "id", lambda n: reader.name(n, "rule id", ID))
        self._unique(seen, rule_id, pairs.get("id", (node, node))[1], "rule id")
        if rule_id == "default":
            reader.problem(pairs["id"][1], "the rule id `default` is taken", "it names the default of the rulebook")
        tier = self._get(pairs, "tier", lambda n: reader.choice(n, tiers, "tier")) if tiers else ""
        outcome = self._outcome(pairs, "outcome")
        start, until = self._effective(pairs)
        emergency = self._flag(pairs, "emergency")
        review_by = self._get(pairs, "review_by", lambda n: reader.instant(n, "`review_by`"))
        if emergency and (until == MAX_NS or "review_by" not in pairs):
            reader.problem(
                node,
                f"the emergency rule `{rule_id or ''}` has no expiry and review date",
                "give `effective: {expires: …}` and `review_by: …`",
            )
        state = self._get(pairs, "state", lambda n: reader.choice(n, tuple(ServiceState), "service state"))
        retry = reader.mapping(pairs["retry"][1], ("wait_s", "move_m"), "`retry`") if "retry" in pairs else {}
        conditions = self.conditions
        limit = Outcome.DENY if outcome is None else outcome
        return Rule(
            id=rule_id or "",
            title=self._text(pairs, "title") or "",
            tier=tier or "",
            outcome=limit,
            reason=self._reason(pairs, "reason"),
            where=conditions.place(pairs["where"][1], "where") if "where" in pairs else All(()),
            who=conditions.condition(pairs["who"][1], "`who`") if "who" in pairs else All(()),
            what=conditions.condition(pairs["what"][1], "`what`") if "what" in pairs else All(()),
            unless=self._unless(pairs),
            state=ServiceState(state) if state else ServiceState.NORMAL,
            edge=self._doubt(pairs, "edge", limit),
            unknown=self._unknown(pairs, limit),
            stale=self._doubt(pairs, "stale", limit),
            obligations=self._obligations(pairs),
            effective_from_ns=start,
            effective_until_ns=until,
            emergency=emergency,
            review_by_ns=review_by,
            authority=self._authority(pairs),
            message=self._message(pairs),
            appeal=self._text(pairs, "appeal"),
            notes=self._text(pairs, "notes"),
            retry_wait_s=self._get(retry, "wait_s", lambda n: reader.integer(n, "`wait_s`", 0)),
            retry_move_m=self._get(retry, "move_m", lambda n: reader.integer(n, "`move_m`", 0)),
            span=Span(node.line, node.column),
        )

    def _unless(self, pairs: Pairs) -> tuple[Condition, ...]:
        if "unless" not in pairs:
            return ()
        items = self.reader.sequence(pairs["unless"][1], "`unless`")
        return tuple(self.conditions.condition(item, "an exception") for item in items)

    def _effective(self, pairs: Pairs) -> tuple[int, int]:
        if "effective" not in pairs:
            return MIN_NS, MAX_NS
        node = pairs["effective"][1]
        inner = self.reader.mapping(node, ("from", "until", "expires"), "`effective`")
        if {"until", "expires"} <= set(inner):
            self.reader.problem(node, "`until` and `expires` say the same", "keep one of them")
        end = "until" if "until" in inner else "expires"
        start = self._get(inner, "from", lambda n: self.reader.instant(n, "`from`"))
        until = self._get(inner, end, lambda n: self.reader.instant(n, f"`{end}`"))
        if start is not None and until is not None and start >= until:
            self.reader.problem(node, "the rule ends before it begins", f"`from` must be before `{end}`")
        return MIN_NS if start is None else start, MAX_NS if until is None else until

    def _doubt(self, pairs: Pairs, key: str, limit: Outcome) -> Outcome:
        outcome = self._outcome(pairs, key)
        if outcome is None:
            return min(Outcome.REVIEW, limit)
        if outcome > limit:
            self.reader.problem(
                pairs[key][1],
                f"`{key}` is stricter than the rule's outcome `{limit.word}`",
                "a doubt is never stricter than the rule",
            )
        return outcome

    def _unknown(self, pairs: Pairs, limit: Outcome) -> tuple[tuple[str, Outcome], ...]:
        if "unknown" not in pairs:
            return ()
        names = (*attributes.DOUBT_ALIASES, *(f"stay.{c}" for c in self.conditions.counters))
        inner = self.reader.mapping(pairs["unknown"][1], None, "`unknown`")
        found: dict[str, Outcome] = {}
        for key, (node, _) in inner.items():
            if key not in names and not key.startswith("stay."):
                self.reader.problem(node, f"`{key}` is not a fact that can be unknown", did_you_mean(key, names))
                continue
            name = attributes.DOUBT_ALIASES.get(key, key)
            if name in found:
                self.reader.problem(node, f"`{key}` is stated twice under `unknown`", f"it means `{name}`")
            found[name] = self._doubt(inner, key, limit)
        return tuple(sorted(found.items()))

    def _obligations(self, pairs: Pairs) -> tuple[str, ...]:
        if "obligations" not in pairs:
            return ()
        found = []
        for key, (_, node) in self.reader.mapping(pairs["obligations"][1], None, "`obligations`").items():
            value = self.reader.text(node, f"the obligation `{key}`")
            if value is not None and "=" in key:
                self.reader.problem(node, f"the obligation `{key}` has `=` in its name")
            found.append(f"{key}={value}")
        return tuple(sorted(found))

    def _authority(self, pairs: Pairs) -> Authority:
        if "authority" not in pairs:
            return Authority("")
        inner = self.reader.mapping(pairs["authority"][1], AUTHORITY_KEYS, "`authority`", ("basis",))
        return Authority(
            self._text(inner, "basis") or "", self._text(inner, "requested_by"), self._text(inner, "source"),
            self._date(inner, "date"), self._flag(inner, "illustrative"),
        )  # fmt: skip

    def _message(self, pairs: Pairs) -> tuple[tuple[str, str], ...]:
        if "message" not in pairs:
            return ()
        found = []
        for language, (key, node) in self.reader.mapping(pairs["message"][1], None, "`message`").items():
            self.reader.name(key, "language", LANGUAGE)
            text = self.reader.text(node, f"the message in `{language}`")
            if text is not None:
                found.append((language, text))
        return tuple(sorted(found))


def _places_only(condition: Condition) -> bool:
    if isinstance(condition, All | AnyOf):
        return all(_places_only(part) for part in condition.parts)
    return _places_only(condition.part) if isinstance(condition, Not) else isinstance(condition, Where | Relation)
