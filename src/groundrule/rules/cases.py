"""Cases kept beside a rulebook: a situation in words, and what must be decided in it (`groundrule rules test`).

    cases_for: world-2026
    defaults:                                        # of every case; a case overrides single facts
      at: 2026-03-01T12:00Z
      where: land:PL
      terminal: {plan: residential, account: active}
      facts: {speed_km_h: 0, position_source: gnss}
    cases:
      - name: a van on the motorway to Odesa
        where: land:UA
        terminal: {plan: roam, lists: {ua-allow: active}}
        facts: {sustained_speed_km_h: 90}
        expect: {outcome: deny, rule: ua-speed, reason: moving_too_fast_for_policy}

`where` names areas: `land:UA` (its land), `sea:UA` (its territorial sea), `high_seas`, `unknown` (no position), or a
mapping {id, kind, country, tags, service}; `edge: true` or the word `edge` after the name puts the position on the
border. `terminal: unregistered` is a terminal that is not in the register. `unknown` as a value takes a fact away.
`sustained_speed_km_h` sets every limit with hysteresis: held if the limit is below it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from groundrule.instant import format_instant
from groundrule.records import OUTCOME_WORDS, Outcome, ServiceState, independent_causes
from groundrule.rules import attributes
from groundrule.rules.compile import compile_rulebook
from groundrule.rules.conditions import SERVICE_STATES
from groundrule.rules.evidence import AreaFact, Membership, Profile, Truth
from groundrule.rules.model import Latch, Rulebook
from groundrule.rules.nodes import Node, Reader, compose, did_you_mean
from groundrule.rules.normal import leaves_of
from groundrule.rules.situation import Found, Number, Situation, batch_of, decide_situation

CASE_KEYS = ("name", "at", "where", "terminal", "facts", "limits", "expect")
DEFAULT_KEYS = ("at", "where", "terminal", "facts")
EXPECT_KEYS = ("outcome", "rule", "reason", "state")
LIMIT_KEYS = ("above_km_h", "release_below_km_h", "for_s", "held")
AREA_KEYS = ("id", "kind", "country", "tags", "service", "edge")
_TERMINAL_KEYS = (
    *(a.name for a in attributes.ATTRIBUTES.values() if a.source == "who" and a.name != "programme"),
    "programmes",
    "lists",
)
_FACT_KEYS = {
    key: attribute for key, (attribute, _) in attributes.KEY_OF.items() if attribute.source in ("number", "category")
}


@dataclass(frozen=True, slots=True)
class Case:
    """One case.

    Attributes:
        name: what it shows.
        line: 1-based line of the cases file.
        situation: the evidence.
        expect: expected `outcome`, `rule` (`default` for the rulebook's default), `reason` and `state`, those named.
    """

    name: str
    line: int
    situation: Situation
    expect: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of one case.

    Attributes:
        case: the case.
        found: what was decided.
        problems: what differs from the expectation; empty if the case passes.
    """

    case: Case
    found: Found
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether everything expected was found."""
        return not self.problems

    def __str__(self) -> str:
        mark = "pass" if self.passed else "FAIL"
        return f"{mark}  line {self.case.line}: {self.case.name}" + "".join(f"\n      {item}" for item in self.problems)


def run_cases(rulebook: Rulebook, text: str, *, file: str = "") -> list[CaseResult]:
    """Decide every case of a cases file, by the compiled rulebook and by the plain walk over all rules.

    Args:
        rulebook: the rulebook under test.
        text: the cases file.
        file: its name, for messages.

    Returns:
        One result per case, in the order of the file.

    Raises:
        RulebookErrors: the cases file cannot be understood; with every problem, its line and column.
    """
    return check_cases(rulebook, read_cases(rulebook, text, file=file))


def check_cases(rulebook: Rulebook, cases: Iterable[Case]) -> list[CaseResult]:
    """Decide cases and compare with what they expect."""
    listed = list(cases)
    if not listed:
        return []
    compiled = compile_rulebook(rulebook)
    decided = compiled.decide(batch_of([case.situation for case in listed], compiled.latches))
    states = tuple(ServiceState)
    results = []
    for row, case in enumerate(listed):
        found = decide_situation(rulebook, case.situation)
        problems = [
            f"expected {name} {wanted}, found {actual}"
            for name, wanted in case.expect.items()
            if (actual := _part(found, name)) != wanted
        ]
        index = int(decided.rule[row])
        fast = (
            Outcome(int(decided.outcome[row])),
            states[int(decided.state[row])],
            rulebook.rules[index].id if index >= 0 else None,
        )
        if fast != (found.outcome, found.state, found.rule):
            problems.append(
                f"the compiled rulebook decides otherwise: {fast[0].word}, {fast[1].value}, {fast[2] or 'default'}"
            )
        results.append(CaseResult(case, found, tuple(problems)))
    return results


def _part(found: Found, name: str) -> str:
    match name:
        case "outcome":
            return found.outcome.word
        case "rule":
            return found.rule or "default"
        case "reason":
            return found.reason
        case _:
            return found.state.value


# --- reading ------------------------------------------------------------------------------------------------------


def read_cases(rulebook: Rulebook, text: str, *, file: str = "") -> list[Case]:
    """Read a cases file.

    Raises:
        RulebookErrors: with every problem, its line and column.
    """
    reader = Reader(file)
    root = compose(text, reader)
    pairs = reader.mapping(root, ("cases_for", "defaults", "cases"), "the cases file", ("cases_for", "cases"))
    if "cases_for" in pairs and pairs["cases_for"][1].text != rulebook.id:
        reader.problem(
            pairs["cases_for"][1], f"these cases are not for the rulebook `{rulebook.id}`", f"write `{rulebook.id}`"
        )
    draft = _Draft(now_ns=0)
    parser = _CaseReader(reader, rulebook)
    if "defaults" in pairs:
        draft = parser.apply(draft, reader.mapping(pairs["defaults"][1], DEFAULT_KEYS, "`defaults`"))
    cases = []
    if "cases" in pairs:
        cases = [parser.case(node, draft) for node in reader.sequence(pairs["cases"][1], "`cases`")]
    names: set[str] = set()
    for case, node in zip(cases, pairs["cases"][1].items or [] if "cases" in pairs else [], strict=True):
        if case.name in names:
            reader.problem(node, f"two cases are called `{case.name[:60]}`", "give each its own name")
        names.add(case.name)
    reader.raise_problems()
    return cases


@dataclass(frozen=True, slots=True)
class _Draft:
    """A situation while it is read: defaults first, then what the case says."""

    now_ns: int
    facts: tuple[AreaFact, ...] | None = ()
    profile: Mapping[str, Any] | None = field(default_factory=dict)
    numbers: Mapping[str, Number] = field(default_factory=dict)
    categories: Mapping[str, object] = field(default_factory=dict)
    held_below: float | None = 0.0
    latches: Mapping[Latch, Truth] = field(default_factory=dict)


class _CaseReader:
    """Reads cases for one rulebook."""

    def __init__(self, reader: Reader, rulebook: Rulebook) -> None:
        self.reader = reader
        self.rulebook = rulebook
        self.latches = sorted(
            {leaf for rule in rulebook.rules for leaf in leaves_of(rule.condition()) if isinstance(leaf, Latch)}
        )
        self.counters = [counter.id for counter in rulebook.counters]

    def case(self, node: Node, defaults: _Draft) -> Case:
        pairs = self.reader.mapping(node, CASE_KEYS, "a case", ("name", "expect"))
        draft = self.apply(defaults, pairs)
        name = (self.reader.text(pairs["name"][1], "`name`") if "name" in pairs else None) or ""
        expect = self._expect(pairs["expect"][1]) if "expect" in pairs else {}
        held = draft.held_below
        latches = {
            latch: Truth.UNKNOWN if held is None else Truth.TRUE if latch.above < held else Truth.FALSE
            for latch in self.latches
        } | dict(draft.latches)
        profile = None if draft.profile is None else Profile(**draft.profile)
        situation = Situation(draft.now_ns, draft.facts, profile, draft.numbers, draft.categories, latches)
        return Case(name, node.line, situation, expect)

    def apply(self, draft: _Draft, pairs: Mapping[str, tuple[Node, Node]]) -> _Draft:
        """Return a draft with what a mapping says laid over it."""
        now_ns, facts, profile = draft.now_ns, draft.facts, draft.profile
        numbers, categories = dict(draft.numbers), dict(draft.categories)
        latches, held = dict(draft.latches), draft.held_below
        if "at" in pairs:
            now_ns = self.reader.instant(pairs["at"][1], "`at`") or 0
        if "where" in pairs:
            facts = self._where(pairs["where"][1])
        if "terminal" in pairs:
            profile = self._terminal(pairs["terminal"][1], profile or {})
        if "facts" in pairs:
            held = self._facts(pairs["facts"][1], numbers, categories, held)
        if "limits" in pairs:
            self._limits(pairs["limits"][1], latches)
        return _Draft(now_ns, facts, profile, numbers, categories, held, latches)

    def _expect(self, node: Node) -> dict[str, str]:
        expect = {}
        rules = {rule.id for rule in self.rulebook.rules} | {"default"}
        for key, (_, value) in self.reader.mapping(node, EXPECT_KEYS, "`expect`").items():
            words = {
                "outcome": OUTCOME_WORDS,
                "state": tuple(s.value for s in ServiceState),
                "rule": tuple(sorted(rules)),
            }
            found = self.reader.choice(value, words[key], key) if key in words else self.reader.text(value, key)
            if found is not None:
                expect[key] = found
        if not expect and node.pairs is not None:
            self.reader.problem(node, "`expect` expects nothing", "write for instance {outcome: deny}")
        return expect

    # --- where -----------------------------------------------------------------------------------------------------

    def _where(self, node: Node) -> tuple[AreaFact, ...] | None:
        if node.text == "unknown":
            return None
        if node.text == "high_seas":
            return ()
        items = [node] if node.pairs is not None or node.text is not None else self.reader.sequence(node, "`where`")
        return tuple(fact for item in items for fact in self._area(item))

    def _area(self, node: Node) -> list[AreaFact]:
        if node.text is None:
            return self._area_mapping(node)
        name, _, rest = node.text.partition(" ")
        edge = rest.strip() == "edge"
        prefix, _, code = name.partition(":")
        if (rest and not edge) or prefix not in ("land", "sea"):
            self.reader.problem(
                node, f"`{node.text[:60]}` is not a place", "write land:UA, sea:UA, `land:UA edge`, or {id: …}"
            )
            return []
        country = self._country(node, code)
        if country is None:
            return []
        membership = Membership.EDGE if edge else Membership.INSIDE
        facts = [AreaFact(f"country:{country}", "country", country, (), membership)]
        if prefix == "land":
            facts.append(AreaFact(f"land:{country}", "land", country, (), membership))
        return facts

    def _country(self, node: Node, code: str) -> str | None:
        if code in attributes.COUNTRIES:
            return code
        self.reader.problem(
            node, f"`{code[:20]}` is not an ISO country code", did_you_mean(code.upper(), attributes.COUNTRIES)
        )
        return None

    def _area_mapping(self, node: Node) -> list[AreaFact]:
        pairs = self.reader.mapping(node, AREA_KEYS, "an area", ("id",))
        values: dict[str, Any] = {"id": "", "kind": "zone", "country": None, "tags": (), "service": None}
        membership = Membership.INSIDE
        for key, (_, value) in pairs.items():
            if key == "tags":
                tags = (self.reader.text(item, "a tag") for item in self.reader.one_or_more(value, "`tags`"))
                values["tags"] = tuple(tag for tag in tags if tag)
            elif key == "edge":
                membership = Membership.EDGE if self.reader.boolean(value, "`edge`") else Membership.INSIDE
            elif key == "service":
                values["service"] = self.reader.choice(value, SERVICE_STATES, "service state")
            else:
                values[key] = self.reader.text(value, f"`{key}`")
        return [
            AreaFact(
                values["id"] or "",
                values["kind"] or "",
                values["country"],
                values["tags"],
                membership,
                values["service"],
            )
        ]

    # --- who and what ----------------------------------------------------------------------------------------------

    def _terminal(self, node: Node, before: Mapping[str, Any]) -> dict[str, Any] | None:
        if node.text == "unregistered":
            return None
        profile = dict(before)
        for key, (_, value) in self.reader.mapping(node, _TERMINAL_KEYS, "`terminal`").items():
            if key == "lists":
                entries = self.reader.mapping(value, None, "`lists`")
                states = {
                    name: self.reader.choice(state, attributes.LIST_STATES, "list state")
                    for name, (_, state) in entries.items()
                }
                profile["lists"] = tuple(sorted((name, state) for name, state in states.items() if state))
            elif key == "programmes":
                tags = (self.reader.text(item, "a programme") for item in self.reader.sequence(value, "`programmes`"))
                profile["programmes"] = tuple(sorted(tag for tag in tags if tag))
            else:
                attribute = attributes.ATTRIBUTES[key]
                word = self.reader.text(value, f"`{key}`")
                if word not in (None, "unknown") and attribute.vocabulary:
                    word = self.reader.choice(value, attribute.vocabulary, key)
                profile[attribute.field] = None if word == "unknown" else word
        return profile

    def _facts(
        self, node: Node, numbers: dict[str, Number], categories: dict[str, object], held: float | None
    ) -> float | None:
        allowed = (*_FACT_KEYS, "sustained_speed_km_h", "stay")
        stated = self.reader.mapping(node, allowed, "`facts`")
        for key, (_, value) in stated.items():
            if key == "stay":
                self._stays(value, numbers)
            elif key == "sustained_speed_km_h":
                interval = self._number(value, key, 1 / 3.6)
                held = None if interval is None else interval if isinstance(interval, float) else interval[0]
                numbers["speed_m_s"] = interval
            elif _FACT_KEYS[key].source == "number":
                numbers[_FACT_KEYS[key].name] = self._number(value, key, float(attributes.KEY_OF[key][1]))
            else:
                categories[_FACT_KEYS[key].name] = self._words(value, _FACT_KEYS[key])
        if "signals" in stated and "independent_signals" not in stated:
            signals = categories["signals"]
            numbers["signal_causes"] = float(independent_causes(signals)) if isinstance(signals, frozenset) else None
        return held

    def _number(self, node: Node, key: str, factor: float) -> Number:
        """Read a number, an interval [low, high], or `unknown`."""
        if node.text == "unknown":
            return None
        if node.items is not None and len(node.items) == 2:
            low, high = (self.reader.number(item, f"`{key}`") for item in node.items)
            return None if low is None or high is None else (low * factor, high * factor)
        number = self.reader.number(node, f"`{key}`")
        return None if number is None else number * factor

    def _words(self, node: Node, attribute: attributes.Attribute) -> object:
        if node.text == "unknown":
            return None
        if attribute.set_valued:
            words = [
                self.reader.text(item, attribute.name) for item in self.reader.sequence(node, f"`{attribute.name}`")
            ]
            return frozenset(word for word in words if word)
        return self.reader.choice(node, attribute.vocabulary, attribute.name)

    def _stays(self, node: Node, numbers: dict[str, Number]) -> None:
        for counter, (key, measures) in self.reader.mapping(node, None, "`stay`").items():
            if counter not in self.counters:
                self.reader.problem(key, f"unknown counter `{counter}`", did_you_mean(counter, self.counters))
            for measure, (_, value) in self.reader.mapping(measures, attributes.MEASURES, f"`{counter}`").items():
                numbers[f"stay.{counter}.{measure}"] = self._number(value, measure, 1.0)

    def _limits(self, node: Node, latches: dict[Latch, Truth]) -> None:
        """Read the state of single limits, as counterexamples state them."""
        for item in self.reader.sequence(node, "`limits`"):
            pairs = self.reader.mapping(item, LIMIT_KEYS, "a limit", ("above_km_h", "held"))
            if "above_km_h" not in pairs or "held" not in pairs:
                continue
            stated = {key: self.reader.number(pairs[key][1], f"`{key}`") for key in LIMIT_KEYS[:3] if key in pairs}
            held = self.reader.choice(pairs["held"][1], ("true", "false", "unknown"), "state of a limit")
            truth = {"true": Truth.TRUE, "false": Truth.FALSE}.get(held or "", Truth.UNKNOWN)
            meant = [latch for latch in self.latches if _fits(latch, stated)]
            if not meant:
                known = "; ".join(str(_limit_tree(latch, Truth.TRUE)) for latch in self.latches)
                self.reader.problem(item, "no rule has this limit", f"known are {known}" if known else None)
            latches.update(dict.fromkeys(meant, truth))


def _fits(latch: Latch, stated: Mapping[str, float | None]) -> bool:
    """Say whether a limit has the numbers stated; numbers that are not stated fit."""
    actual = {"above_km_h": latch.above * 3.6, "release_below_km_h": latch.release_below * 3.6, "for_s": latch.for_s}
    return all(value is None or math.isclose(actual[key], value, abs_tol=1e-6) for key, value in stated.items())


# --- writing ------------------------------------------------------------------------------------------------------


def write_cases(rulebook: Rulebook, cases: Iterable[Case]) -> str:
    """Write cases as a cases file; reading it gives the same cases, but for their lines."""
    tree = {"cases_for": rulebook.id, "cases": [_case_tree(case) for case in cases]}
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)


def _case_tree(case: Case) -> dict[str, Any]:
    situation = case.situation
    return {
        "name": case.name,
        "at": format_instant(situation.now_ns),
        "where": "unknown" if situation.facts is None else [_fact_tree(fact) for fact in situation.facts],
        "terminal": _profile_tree(situation.profile),
        "facts": _facts_tree(situation),
        "limits": [_limit_tree(latch, truth) for latch, truth in sorted(situation.latches.items())],
        "expect": dict(case.expect),
    }


def _fact_tree(fact: AreaFact) -> dict[str, Any]:
    tree: dict[str, Any] = {"id": fact.id, "kind": fact.kind}
    if fact.country is not None:
        tree["country"] = fact.country
    if fact.tags:
        tree["tags"] = list(fact.tags)
    if fact.service is not None:
        tree["service"] = fact.service
    if fact.membership == Membership.EDGE:
        tree["edge"] = True
    return tree


def _profile_tree(profile: Profile | None) -> Any:
    if profile is None:
        return "unregistered"
    tree: dict[str, Any] = {}
    for attribute in attributes.ATTRIBUTES.values():
        if attribute.source == "who" and attribute.name != "programme":
            tree[attribute.name] = getattr(profile, attribute.field) or "unknown"
    return tree | {"programmes": list(profile.programmes), "lists": dict(profile.lists)}


def _facts_tree(situation: Situation) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name in situation.numbers:
        bounds = situation.interval(name)
        value: Any = "unknown" if bounds is None else bounds[0] if bounds[0] == bounds[1] else list(bounds)
        if name.startswith("stay."):
            _, counter, measure = name.split(".", 2)
            tree.setdefault("stay", {}).setdefault(counter, {})[measure] = value
        else:
            tree[attributes.ATTRIBUTES[name].keys[-1][0]] = value
    for name, word in situation.categories.items():
        tree[name] = "unknown" if word is None else sorted(word) if isinstance(word, frozenset | set) else word
    return tree


def _limit_tree(latch: Latch, truth: Truth) -> dict[str, Any]:
    tree = {
        "above_km_h": round(latch.above * 3.6, 6),
        "release_below_km_h": round(latch.release_below * 3.6, 6),
        "for_s": latch.for_s,
    }
    return tree | {"held": {Truth.TRUE: True, Truth.FALSE: False}.get(truth, "unknown")}
