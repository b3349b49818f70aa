"""What can be said about all decisions of a rulebook at once: proofs, and counterexamples that were decided again.

1. `space` turns every fact that the rulebook can tell apart into a variable of a solver.
2. Each rule becomes four tests (applies at least at each strength), and "this rule decides with this outcome" one more.
3. The solver is asked: can this rule ever decide? Can two rules of a tier contradict each other? Is a place left to the
   default? Can a guarantee be broken? No is a proof over all evidence; yes comes with a situation, which is then
   decided by both evaluators, and only reported if they confirm it.

Every question has a bound on the solver's work, which does not depend on the clock; what exceeds it is `not decided`,
never proved.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from groundrule.errors import MissingExtra
from groundrule.records import Outcome
from groundrule.rules import attributes, wording
from groundrule.rules.cases import Case, check_cases, write_cases
from groundrule.rules.counterexample import situation_of
from groundrule.rules.model import Condition, Guarantee, Rule, Rulebook, Where
from groundrule.rules.normal import leaves_of
from groundrule.rules.selectors import YES
from groundrule.rules.situation import Found, Judge, Situation, decide_situation
from groundrule.rules.space import LANDING, SETTLED, Space

_T = TypeVar("_T")
Verdict = Literal["proved", "refuted", "not decided"]
WORK = 2_000_000
"""Bound on the solver's work for one question, in its own units (some seconds on one core)."""
TRIES = 20
"""How many models are turned back into evidence before a question is left undecided."""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A rule that never decides.

    Attributes:
        rule_id: the rule.
        applies: True if its condition can hold at all.
        shadowed_by: rules each of which decides wherever this one applies; empty if only several together do.
        sentence: the finding in words.
    """

    rule_id: str
    applies: bool
    shadowed_by: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two rules of one tier that serve and deny the same situation; the stricter one decides."""

    serving: str
    denying: str
    tier: str
    case: Case


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A kind of place in which no rule applies, so that the rulebook's default decides there.

    Attributes:
        place: the place in words.
        case: a situation of that kind.
    """

    place: str
    case: Case


@dataclass(frozen=True, slots=True)
class Judged:
    """A guarantee and what became of it.

    Attributes:
        guarantee: the guarantee.
        verdict: proved, refuted, or not decided.
        rule_id: the rule that breaks it (None for the default), if refuted.
        case: the counterexample, confirmed by both evaluators, if refuted.
        note: why it was not decided, or empty.
    """

    guarantee: Guarantee
    verdict: Verdict
    rule_id: str | None = None
    case: Case | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What was found.

    Attributes:
        rulebook: the rulebook.
        unreachable: rules that never decide.
        contradictions: overlapping rules of one tier that serve and deny.
        uncovered: kinds of places left to the default.
        silent_countries: countries without a line in the landing rights (they count as `not_offered`).
        denying_doubts: rules that deny on an edge, an unknown or a stale fact.
        guarantees: the guarantees judged, in the order of the rulebook.
        undecided: questions that exceeded the bound.
    """

    rulebook: Rulebook
    unreachable: tuple[Unreachable, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    uncovered: tuple[Uncovered, ...] = ()
    silent_countries: tuple[str, ...] = ()
    denying_doubts: tuple[str, ...] = ()
    guarantees: tuple[Judged, ...] = ()
    undecided: tuple[str, ...] = field(default=())

    @property
    def sound(self) -> bool:
        """Whether nothing was refuted, unreachable, contradictory or left undecided."""
        return not (
            self.unreachable
            or self.contradictions
            or self.undecided
            or any(judged.verdict != "proved" for judged in self.guarantees)
        )

    def cases(self) -> str:
        """Return all counterexamples and overlaps as one cases file, as they are decided today."""
        listed = [judged.case for judged in self.guarantees if judged.case is not None]
        listed += [item.case for item in self.contradictions]
        listed += [item.case for item in self.uncovered]
        return write_cases(self.rulebook, listed)

    def as_text(self) -> str:
        """Return the findings as lines of text."""
        lines = [f"{self.rulebook.id} version {self.rulebook.version}: {len(self.rulebook.rules)} rules"]
        for judged in self.guarantees:
            lines.append(f"{judged.verdict}: {judged.guarantee.id}: {judged.guarantee.title}")
            if judged.case is not None:
                lines.append(f"  broken by {judged.rule_id or 'the default'} in this case:")
                lines += [f"    {line}" for line in write_cases(self.rulebook, [judged.case]).splitlines()[2:]]
            if judged.note:
                lines.append(f"  {judged.note}")
        lines += [f"unreachable: {item.sentence}" for item in self.unreachable]
        lines += [
            f"contradiction in tier {item.tier}: {item.serving} serves what {item.denying} denies"
            for item in self.contradictions
        ]
        lines += [f"left to the default: {item.place}" for item in self.uncovered]
        if self.silent_countries:
            lines.append(f"no line in landing_rights: {', '.join(self.silent_countries)}")
        if self.denying_doubts:
            lines.append(f"deny on a doubt: {', '.join(self.denying_doubts)}")
        else:
            lines.append("proved: no rule denies on an edge, an unknown or a stale fact")
        lines += [f"not decided: {item}" for item in self.undecided]
        return "\n".join(lines)


def analyse(rulebook: Rulebook, *, guarantees: Sequence[Guarantee] | None = None, work: int = WORK) -> Analysis:
    """Analyse a rulebook completely.

    Args:
        rulebook: the rulebook.
        guarantees: promises to judge; the rulebook's own if None.
        work: bound on the solver's work for each question.

    Raises:
        MissingExtra: the solver is not installed.
    """
    promised = rulebook.guarantees if guarantees is None else tuple(guarantees)
    solver = _Solver(rulebook, [guarantee.when for guarantee in promised], work)
    unreachable = tuple(_unreachable(solver))
    named = {right.country for right in rulebook.landing_rights}
    return Analysis(
        rulebook,
        unreachable=unreachable,
        contradictions=tuple(_contradictions(solver)),
        uncovered=tuple(_uncovered(solver)),
        silent_countries=tuple(sorted(attributes.COUNTRIES - named)),
        denying_doubts=tuple(rule.id for rule in rulebook.rules if _denies_on_doubt(rule)),
        guarantees=tuple(_judge(solver, guarantee) for guarantee in promised),
        undecided=tuple(solver.undecided),
    )


def _denies_on_doubt(rule: Rule) -> bool:
    leaves = leaves_of(rule.condition())
    doubts = {attributes.unknown_outcome(rule, attributes.attribute_of(leaf)) for leaf in leaves}
    if any(attributes.attribute_of(leaf) in ("position", "account_country", "activation_country") for leaf in leaves):
        doubts |= {attributes.edge_outcome(rule), attributes.stale_outcome(rule)}
    return Outcome.DENY in doubts


# --- the solver ---------------------------------------------------------------------------------------------------


def _z3() -> Any:
    """Import the solver; only this module needs it, and only when it is asked something."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its bindings use parts of the standard library that are deprecated
            import z3  # noqa: PLC0415 - optional package, slow to import
    except ImportError as error:
        raise MissingExtra("analyse", needed_for="rules analyse") from error
    return z3


class _UndecidedError(Exception):
    """The bound on the solver's work was reached."""


class _Solver:
    """The rules of one rulebook over its space.

    Args:
        rulebook: the rulebook.
        extra: conditions of guarantees.
        work: bound for each question.
    """

    def __init__(self, rulebook: Rulebook, extra: Iterable[Condition], work: int) -> None:
        self.z3 = _z3()
        self.rulebook = rulebook
        self.space = Space(self.z3, rulebook, tuple(extra))
        self.undecided: list[str] = []
        self._last: list[Any] = []
        self.unusual = 0  # how many facts of the last witness are not as usual
        self._solver = self.z3.SolverFor("QF_LIA")
        self._solver.set("random_seed", 0)
        self._solver.set("rlimit", work)
        self._solver.add(self.space.constraints)
        self._levels: dict[str, dict[int, Any]] = {}
        for rule in rulebook.rules:
            named = {}
            for level in (1, 2, 3, SETTLED):
                name = self.z3.Bool(f"{rule.id} at {level}")
                test = self.space.holds(rule.condition(), rule, level)
                self._solver.add(name == self.z3.And(self.space.in_force(rule), test))
                named[level] = name
            self._levels[rule.id] = named
        tiers = {tier: index for index, tier in enumerate(rulebook.precedence)}
        self.tier = {rule.id: tiers[rule.tier] for rule in rulebook.rules}

    def applies(self, rule: Rule) -> Any:
        """Return the test that a rule applies, certainly or in doubt."""
        return self._levels[rule.id][1]

    def settled(self, rule: Rule) -> Any:
        """Return the test that a rule applies for certain."""
        return self._levels[rule.id][SETTLED]

    def at_least(self, rule: Rule, outcome: int) -> Any:
        """Return the test that a rule applies with at least an outcome."""
        if outcome > rule.outcome:
            return self.z3.BoolVal(False)
        return self._levels[rule.id][max(1, outcome)]

    def exactly(self, rule: Rule, outcome: Outcome) -> Any:
        """Return the test that a rule applies with an outcome."""
        return self.z3.And(self.at_least(rule, outcome), self.z3.Not(self.at_least(rule, outcome + 1)))

    def beaten_by(self, rule: Rule, outcome: Outcome, other: Rule) -> Any:
        """Return the test that another rule decides in place of a rule that applies with an outcome."""
        mine, its = self.tier[rule.id], self.tier[other.id]
        if its > mine:
            return self.z3.BoolVal(False)
        if its < mine:
            return self.applies(other)
        lower = other.id.encode() < rule.id.encode()
        return self.at_least(other, outcome if lower else outcome + 1)

    def decides(self, rule: Rule, outcome: Outcome) -> Any:
        """Return the test that a rule decides with an outcome."""
        others = [self.beaten_by(rule, outcome, other) for other in self.rulebook.rules if other.id != rule.id]
        return self.z3.And(self.exactly(rule, outcome), self.z3.Not(self.z3.Or(others)))

    def default_decides(self) -> Any:
        """Return the test that no rule applies."""
        return self.z3.Not(self.z3.Or([self.applies(rule) for rule in self.rulebook.rules]))

    def possible(self, *tests: Any) -> bool:
        """Say whether tests can hold together.

        Raises:
            _UndecidedError: the bound was reached.
        """
        answer = self._solver.check(*tests)
        if answer == self.z3.unknown:
            raise _UndecidedError
        return bool(answer == self.z3.sat)

    def witness(self, *tests: Any, ordinary: bool = True) -> Situation | None:
        """Return a situation in which tests hold, or None if there is none.

        Args:
            tests: the tests.
            ordinary: let every fact that does not matter take its usual value, so that what matters stands out.

        Raises:
            _UndecidedError: the bound was reached.
        """
        held = list(tests)
        if not self.possible(*held):
            return None
        if ordinary:
            for variable in self.space.variables.values():
                usual = variable.term == variable.usual
                if self._solver.check(*held, usual) == self.z3.sat:
                    held.append(usual)
            self.possible(*held)
        model = self._solver.model()
        values: dict[str, Any] = {}
        self._last = []
        self.unusual = 0
        for name, variable in self.space.variables.items():
            index = model.eval(variable.term, model_completion=True).as_long()
            values[name] = variable.values[index]
            self.unusual += index != variable.usual
            if name.startswith(("country ", "countries ", "some country", "land", "inside ", "place ")):
                self._last.append(variable.term == index)
        return situation_of(self.space, values)

    def confirmed(self, accept: Callable[[Situation], _T | None], *tests: Any, ordinary: bool = True) -> _T | None:
        """Return what `accept` makes of a situation in which tests hold; None proves that there is no such situation.

        The space is wider than the world, so a situation may turn out otherwise when it is decided as evidence. Then
        the next one is tried, plain places first; when none is accepted the question stays undecided, because the
        world was not exhausted.

        Raises:
            _UndecidedError: the bound was reached, or situations were found and none was confirmed.
        """
        refused = False
        for assumed in ([self.space.plain_place()], []):
            excluded: list[Any] = []
            for _ in range(TRIES):
                situation = self.witness(*tests, *assumed, *excluded, ordinary=ordinary)
                if situation is None:
                    break
                found = accept(situation)
                if found is not None:
                    return found
                refused = True
                excluded.append(self.z3.Not(self.z3.And(self._last)))
        if refused:
            raise _UndecidedError
        return None


def _case(name: str, situation: Situation, found: Found) -> Case:
    expect = {"outcome": found.outcome.word, "rule": found.rule or "default", "reason": found.reason}
    return Case(name, 0, situation, expect)


def _confirmed(solver: _Solver, name: str, situation: Situation) -> Case | None:
    """Decide a situation by both evaluators; return it as a case if they agree."""
    case = _case(name, situation, decide_situation(solver.rulebook, situation))
    return case if all(result.passed for result in check_cases(solver.rulebook, [case])) else None


# --- questions ----------------------------------------------------------------------------------------------------


def _outcomes(rule: Rule) -> list[Outcome]:
    return [outcome for outcome in reversed(Outcome) if outcome <= rule.outcome]


def _unreachable(solver: _Solver) -> Iterable[Unreachable]:
    for rule in solver.rulebook.rules:
        try:
            found = _why_unreachable(solver, rule)
        except _UndecidedError:
            solver.undecided.append(f"whether {rule.id} ever decides")
            continue
        if found is not None:
            yield found


def _why_unreachable(solver: _Solver, rule: Rule) -> Unreachable | None:
    """Return None for a rule that decides in some confirmed situation, otherwise why it never does."""

    def decided(situation: Situation) -> bool | None:
        return True if decide_situation(solver.rulebook, situation).rule == rule.id else None

    decides = solver.z3.Or([solver.decides(rule, outcome) for outcome in _outcomes(rule)])
    if solver.confirmed(decided, decides, ordinary=False):
        return None
    if not solver.possible(solver.applies(rule)):
        return Unreachable(rule.id, False, (), f"{rule.id} never applies: its conditions exclude each other")
    earlier = [o for o in solver.rulebook.rules if o.id != rule.id and solver.tier[o.id] <= solver.tier[rule.id]]
    shadows = tuple(
        other.id
        for other in earlier
        if not any(
            solver.possible(solver.exactly(rule, outcome), solver.z3.Not(solver.beaten_by(rule, outcome, other)))
            for outcome in _outcomes(rule)
        )
    )
    by = "each of " * (len(shadows) > 1) + wording.words(shadows, "and") if shadows else "some other rule"
    sentence = f"{rule.id} never decides: wherever it applies, {by} decides before it"
    return Unreachable(rule.id, True, shadows, sentence)


def _contradictions(solver: _Solver) -> Iterable[Contradiction]:
    rules = solver.rulebook.rules
    pairs = [
        (serving, denying)
        for serving in rules
        for denying in rules
        if serving.tier == denying.tier and serving.outcome == Outcome.SERVE and denying.outcome == Outcome.DENY
    ]
    for serving, denying in pairs:
        name = f"{serving.id} serves what {denying.id} denies"

        def both(
            situation: Situation, serving: Rule = serving, denying: Rule = denying, name: str = name
        ) -> Case | None:
            judge = Judge(solver.rulebook, situation)
            applies = judge.outcome(serving) == Outcome.SERVE and judge.outcome(denying) == Outcome.DENY
            return _confirmed(solver, name, situation) if applies else None

        try:
            case = solver.confirmed(both, solver.settled(serving), solver.settled(denying))
        except _UndecidedError:
            solver.undecided.append(f"whether {name}")
            continue
        if case is not None:
            yield Contradiction(serving.id, denying.id, serving.tier, case)


def _uncovered(solver: _Solver) -> Iterable[Uncovered]:
    """Find kinds of places in which no rule applies to a known position."""
    space = solver.space
    kinds: list[tuple[str, Any]] = [("the high seas", space.holds(Where("high_seas"), None, SETTLED))]
    for status in LANDING:
        if f"countries {status}" in space.variables:
            inside = space.variables[f"countries {status}"].term == YES
            here = space.variables["position"].equals("known")
            kinds.append((f"countries with status {status.replace('_', ' ')}", solver.z3.And(inside, here)))
    for place, test in kinds:
        name = f"no rule speaks of {place}"

        def by_default(situation: Situation, name: str = name) -> Case | None:
            case = _confirmed(solver, name, situation)
            return case if case is not None and case.expect["rule"] == "default" else None

        try:
            case = solver.confirmed(by_default, test, solver.default_decides())
        except _UndecidedError:
            solver.undecided.append(f"whether {name}")
            continue
        if case is not None:
            yield Uncovered(place, case)


def _judge(solver: _Solver, guarantee: Guarantee) -> Judged:
    """Prove a guarantee, or find a confirmed counterexample."""
    spoken_of = solver.space.holds(guarantee.when, None, SETTLED)
    breaking: list[tuple[str | None, Any]] = [
        (rule.id, solver.decides(rule, guarantee.never))
        for rule in solver.rulebook.rules
        if rule.reason not in guarantee.except_reasons and rule.outcome >= guarantee.never
    ]
    default = (solver.rulebook.default_outcome, solver.rulebook.default_reason)
    if default[0] == guarantee.never and default[1] not in guarantee.except_reasons:
        breaking.append((None, solver.default_decides()))

    def broken(situation: Situation) -> Case | None:
        case = _confirmed(solver, f"breaks {guarantee.id}", situation)
        if case is None or case.expect["outcome"] != guarantee.never.word:
            return None
        return None if case.expect["reason"] in guarantee.except_reasons else case

    open_questions = []
    refuted: list[tuple[int, Judged]] = []
    for rule_id, test in breaking:
        try:
            case = solver.confirmed(broken, spoken_of, test)
        except _UndecidedError:
            open_questions.append(rule_id or "the default")
            continue
        if case is not None:
            refuted.append((solver.unusual, Judged(guarantee, "refuted", rule_id, case)))
    if refuted:  # the plainest counterexample says most
        return min(refuted, key=lambda item: item[0])[1]
    if open_questions:
        solver.undecided.append(f"guarantee {guarantee.id}")
        note = f"neither proved nor refuted for {wording.words(open_questions, 'and')}"
        return Judged(guarantee, "not decided", note=note)
    return Judged(guarantee, "proved")
