"""Why, and why not: one decision in words, for the operator and for the owner of the terminal.

The operator reads every applying rule with the deciding one marked, the rules that came nearest to a denial and what
did not hold, and for a denial what would have to differ. The owner reads the reason, its legal basis, the message in a
language and the way to appeal, and never a threshold, a margin, a distance, a rule id or the name of a detector: those
would teach whoever misuses a terminal how to stay just below a limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from groundrule.instant import format_instant
from groundrule.reasons import CATALOGUE
from groundrule.records import Outcome, ServiceState
from groundrule.rules import wording
from groundrule.rules.evidence import AreaFact, Profile, Truth
from groundrule.rules.model import All, AnyOf, Condition, Latch, Not, Rule, Rulebook
from groundrule.rules.nearest import (
    TIME_MARGIN,
    Distances,
    Gap,
    NearMiss,
    Need,
    finding,
    gap,
    missing,
    near_miss,
    time_gap,
)
from groundrule.rules.normal import leaves_of
from groundrule.rules.selectors import NO, Place, landing_of
from groundrule.rules.situation import Judge, Number, Situation, Strength, deciding

Audience = Literal["operator", "owner"]
NEAREST = 3
"""How many near misses an explanation names."""
MAX_PLACES = 100_000
"""Places that an explainer remembers."""

_OWNER_OUTCOMES = {
    Outcome.SERVE: "Your terminal is served.",
    Outcome.RESTRICT: "Your terminal is served with limits.",
    Outcome.REVIEW: "Your terminal is served, and a person looks at its case.",
    Outcome.DENY: "Your terminal is not served here and now.",
}
_OWNER_STATES = {
    ServiceState.NORMAL: "",
    ServiceState.DEGRADED: "The network is degraded; this is a fault and not a decision about you.",
    ServiceState.PENDING_REGISTRATION: "A registration is being processed; this is not a denial.",
    ServiceState.NEVER_SERVED: "The network has never served this area; this is not a denial.",
}


@dataclass(frozen=True, slots=True)
class Applied:
    """One rule that applied.

    Attributes:
        rule_id, title, tier, reason: of the rule.
        outcome: the outcome with which it applied, after doubts.
        stated: the outcome that it states when nothing is in doubt.
        decisive: True for the one rule that decided.
        findings: what was found about its conditions, doubts marked by `perhaps`.
    """

    rule_id: str
    title: str
    tier: str
    reason: str
    outcome: Outcome
    stated: Outcome
    decisive: bool
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """One decision explained.

    Attributes:
        audience: for whom; `as_text` and `as_dict` show only what this audience may read.
        outcome, state, reason: of the decision.
        rule_id: deciding rule, or None if the rulebook's default decided.
        basis, requested_by, source: legal basis of the deciding rule.
        message, language: message to the owner, in the language asked for or the first that exists.
        appeal: the way to appeal, or None.
        obligations, retry: what the decision obliges to, and when a new attempt makes sense.
        applied: all applying rules, the deciding one first.
        nearest: the rules that came nearest to a denial; empty for a denied terminal.
        relief: for anything but plain service, what would have to differ for the deciding rule not to apply.
        also: ids of the other rules that would still deny if the deciding one did not.
        at: the instant explained (RFC 3339).
    """

    audience: Audience
    outcome: Outcome
    state: ServiceState
    reason: str
    rule_id: str | None
    basis: str
    requested_by: str | None
    source: str | None
    message: str | None
    language: str | None
    appeal: str | None
    obligations: tuple[str, ...]
    retry: str | None
    applied: tuple[Applied, ...]
    nearest: tuple[NearMiss, ...]
    relief: tuple[str, ...]
    also: tuple[str, ...]
    at: str

    @property
    def reason_sentence(self) -> str:
        """The catalogue's sentence for the reason."""
        found = CATALOGUE.get(self.reason)
        return found.sentence if found is not None else self.reason

    def as_dict(self) -> dict[str, Any]:
        """Return the explanation as JSON values; an owner's has no operator's fields."""
        shown: dict[str, Any] = {
            "audience": self.audience,
            "at": self.at,
            "outcome": self.outcome.word,
            "state": self.state.value,
            "reason": self.reason,
            "reason_sentence": self.reason_sentence,
            "basis": self.basis,
            "message": self.message,
            "language": self.language,
            "appeal": self.appeal,
            "obligations": list(self.obligations),
        }
        if self.audience == "owner":
            return shown
        return shown | {
            "rule": self.rule_id or "default",
            "requested_by": self.requested_by,
            "source": self.source,
            "retry": self.retry,
            "applied": [
                {
                    "rule": item.rule_id,
                    "title": item.title,
                    "tier": item.tier,
                    "reason": item.reason,
                    "outcome": item.outcome.word,
                    "stated_outcome": item.stated.word,
                    "class": "decisive" if item.decisive else "contributing",
                    "findings": list(item.findings),
                }
                for item in self.applied
            ],
            "nearest": [
                {
                    "rule": miss.rule_id,
                    "title": miss.title,
                    "outcome": miss.outcome.word,
                    "did_not_hold": [item.words for item in miss.gaps],
                    "margin": round(miss.margin, 4),
                    "note": miss.note,
                }
                for miss in self.nearest
            ],
            "would_have_to_differ": list(self.relief),
            "would_still_deny": list(self.also),
        }

    def as_text(self) -> str:
        """Return the explanation as lines of text for its audience."""
        return self._owner_text() if self.audience == "owner" else self._operator_text()

    def _owner_text(self) -> str:
        lines = [_OWNER_OUTCOMES[self.outcome], f"Why: {self.reason_sentence}", f"Basis: {self.basis}"]
        if self.state is ServiceState.NEVER_SERVED:
            lines[0] = "There is no service here."
        if _OWNER_STATES[self.state]:
            lines.insert(1, _OWNER_STATES[self.state])
        if self.message:
            lines.append(f"Message: {self.message}")
        if self.obligations:
            lines.append(f"What binds you: {', '.join(item.replace('_', ' ').replace('=', ': ') for item in self.obligations)}")
        if self.appeal:
            lines.append(f"Appeal: {self.appeal}")
        return "\n".join(lines)

    def _operator_text(self) -> str:
        state = "" if self.state is ServiceState.NORMAL else f", state {self.state.value}"
        by = self.rule_id or "the rulebook's default"
        lines = [f"{self.outcome.word}{state} at {self.at}: {self.reason} ({by})", f"  {self.reason_sentence}"]
        if self.basis:
            asked = f", asked for by {self.requested_by}" if self.requested_by else ""
            lines.append(f"  basis: {self.basis.rstrip('.')}{asked}")
        if self.applied:
            lines.append("rules that apply:")
        for item in self.applied:
            mark = "=>" if item.decisive else "  "
            stated = "" if item.outcome is item.stated else f" (states {item.stated.word}, in doubt)"
            lines.append(f"{mark} {item.rule_id}: {item.outcome.word}{stated}, {item.reason}; {item.title}")
            lines += [f"     {found}" for found in item.findings]
        if self.nearest:
            lines.append("nearest rules that would have denied it:")
        for miss in self.nearest:
            lines.append(f"   {miss.rule_id}: {miss.outcome.word}; {miss.title}")
            lines.append(f"     did not hold: {miss.sentence()}" if not miss.note else f"     {miss.note}")
        if self.relief:
            lines.append("what would have to differ:")
            lines += [f"   {item}" for item in self.relief]
        if self.also:
            lines.append(f"   and these would still deny: {', '.join(self.also)}")
        if self.obligations:
            lines.append(f"obligations: {', '.join(self.obligations)}")
        if self.retry:
            lines.append(f"retry: {self.retry}")
        return "\n".join(lines)


class Explainer:
    """Explains decisions under one rulebook; what does not depend on the terminal is worked out once.

    Args:
        rulebook: the rulebook in force.
    """

    def __init__(self, rulebook: Rulebook) -> None:
        self.rulebook = rulebook
        self._landing = landing_of(rulebook)
        self._places: dict[tuple[AreaFact, ...], Place] = {}
        shared: dict[Condition, Condition] = {}
        self._conditions = {rule.id: _share(rule.condition(), shared) for rule in rulebook.rules}
        self._rules = {rule.id: rule for rule in rulebook.rules}
        self._by_outcome = {o: [rule for rule in rulebook.rules if rule.outcome == o] for o in Outcome}
        self._tiers = {tier: index for index, tier in enumerate(rulebook.precedence)}

    def explain(
        self,
        situation: Situation,
        *,
        audience: Audience = "operator",
        distances: Distances | None = None,
        language: str = "en",
    ) -> Explanation:
        """Explain what is decided in a situation.

        Args:
            situation: the evidence of one observation.
            audience: operator or owner.
            distances: signed metres to the edge of an area (negative inside) by area id or selector, or a function
                of it that returns None where it knows none.
            language: preferred language of the message; English is the second choice.
        """
        if len(self._places) > MAX_PLACES:
            self._places.clear()
        judge = Judge(self.rulebook, situation, self._landing, self._places)
        outcomes = self._outcomes(judge)
        rule = deciding(self.rulebook, outcomes, [self._rules[rule_id] for rule_id in outcomes])
        outcome = self.rulebook.default_outcome if rule is None else outcomes[rule.id]
        operator = audience == "operator"
        message, spoken = _message(rule, language)
        return Explanation(
            audience=audience,
            outcome=outcome,
            state=ServiceState.NORMAL if rule is None else rule.state,
            reason=self.rulebook.default_reason if rule is None else rule.reason,
            rule_id=None if rule is None else rule.id,
            basis="" if rule is None else rule.authority.basis,
            requested_by=None if rule is None else rule.authority.requested_by,
            source=None if rule is None else rule.authority.source,
            message=message,
            language=spoken,
            appeal=None if rule is None else rule.appeal,
            obligations=() if rule is None else rule.obligations,
            retry=None if rule is None else _retry(rule),
            applied=self._applied(judge, outcomes, rule) if operator else (),
            nearest=self._nearest(judge, outcomes, rule, distances) if operator and outcome != Outcome.DENY else (),
            relief=self._relief(judge, rule) if operator and rule is not None and outcome != Outcome.SERVE else (),
            also=tuple(
                sorted(
                    rule_id
                    for rule_id, found in outcomes.items()
                    if operator and outcome == Outcome.DENY == found and rule is not None and rule_id != rule.id
                )
            ),
            at=format_instant(situation.now_ns),
        )

    def _outcomes(self, judge: Judge) -> dict[str, Outcome]:
        now_ns = judge.situation.now_ns
        outcomes: dict[str, Outcome] = {}
        for rule in self.rulebook.rules:
            if rule.effective_from_ns <= now_ns < rule.effective_until_ns:
                strength = judge.strength(self._conditions[rule.id], rule)
                if strength is not Strength.NO:
                    certain = strength is Strength.YES
                    outcomes[rule.id] = rule.outcome if certain else Outcome(int(strength))
        return outcomes

    def _applied(self, judge: Judge, outcomes: Mapping[str, Outcome], decisive: Rule | None) -> tuple[Applied, ...]:
        order = sorted(
            outcomes,
            key=lambda rule_id: (
                decisive is None or rule_id != decisive.id,
                self._tiers[self._rules[rule_id].tier],
                -outcomes[rule_id],
                rule_id.encode(),
            ),
        )
        return tuple(
            Applied(
                rule_id,
                rule.title,
                rule.tier,
                rule.reason,
                outcomes[rule_id],
                rule.outcome,
                decisive is not None and rule_id == decisive.id,
                _findings(judge, rule),
            )
            for rule_id in order
            for rule in (self._rules[rule_id],)
        )

    def _nearest(
        self, judge: Judge, outcomes: Mapping[str, Outcome], decisive: Rule | None, distances: Distances | None
    ) -> tuple[NearMiss, ...]:
        reached = self.rulebook.default_outcome if decisive is None else outcomes[decisive.id]
        ranked: list[tuple[int, float, bytes, Rule, tuple[Need, ...], int]] = []
        for stricter in (outcome for outcome in reversed(Outcome) if outcome > reached):
            if len(ranked) >= NEAREST:
                break  # milder rules come after, however near they are
            level = []
            for rule in self._by_outcome[stricter]:
                found = near_miss(judge, rule, self._conditions[rule.id], distances)
                if found is None:
                    continue
                needs, out_of_force = found
                margin = sum(need.margin for need in needs) + TIME_MARGIN * out_of_force
                level.append((len(needs) + out_of_force, margin, rule.id.encode(), rule, needs, out_of_force))
            ranked += sorted(level, key=lambda item: item[:3])
        misses = []
        for _, margin, _, rule, needs, out_of_force in ranked[:NEAREST]:
            gaps: tuple[Gap, ...] = tuple(gap(judge, need, distances) for need in needs)
            if out_of_force:
                gaps = (*gaps, time_gap(rule, judge.situation.now_ns))
            note = ""
            if not gaps and decisive is not None:
                note = f"it applied, and {decisive.id} in the earlier tier {decisive.tier} decided"
            misses.append(NearMiss(rule.id, rule.title, rule.outcome, gaps, round(margin, 9), note))
        return tuple(misses)

    def _relief(self, judge: Judge, rule: Rule) -> tuple[str, ...]:
        """Say what would have to differ for a rule not to apply: its conditions first, then its exceptions."""
        lines = []
        for part in (rule.where, rule.who, rule.what):
            if part == All(()):
                continue
            needs = missing(judge, part, None, negated=True)
            if needs:
                lines.append(" and ".join(wording.leaf(need.leaf, negated=need.negated) for need in needs))
        for part in rule.unless:
            needs = missing(judge, part, None)
            if needs:
                lacking = " and ".join(wording.leaf(need.leaf, negated=need.negated) for need in needs)
                lines.append(f"an exception would apply: {lacking}")
        return tuple(lines)


def explain(
    rulebook: Rulebook,
    facts: tuple[AreaFact, ...] | None,
    profile: Profile | None,
    numbers: Mapping[str, Number],
    categories: Mapping[str, object],
    latches: Mapping[Latch, Truth],
    now_ns: int,
    *,
    audience: Audience = "operator",
    distances: Distances | None = None,
    language: str = "en",
) -> Explanation:
    """Explain one decision; for many, keep an `Explainer`.

    Args:
        rulebook: the rulebook in force.
        facts: areas, or None if the position is unknown.
        profile: register row, or None if the terminal is not registered.
        numbers: numeric evidence in base units: a number, an interval (low, high), or None.
        categories: words or sets of words by attribute name.
        latches: truth of each limit with hysteresis; missing is unknown.
        now_ns: the instant [ns, UTC].
        audience: operator or owner.
        distances: signed metres to the edge by area id or selector, or a function of it.
        language: preferred language of the message.
    """
    situation = Situation(now_ns, facts, profile, numbers, categories, latches)
    return Explainer(rulebook).explain(situation, audience=audience, distances=distances, language=language)


def _share(condition: Condition, shared: dict[Condition, Condition]) -> Condition:
    """Rebuild a condition so that equal leaves of a rulebook are one object, which a `Judge` judges once."""
    if isinstance(condition, All | AnyOf):
        return type(condition)(tuple(_share(part, shared) for part in condition.parts))
    if isinstance(condition, Not):
        return Not(_share(condition.part, shared))
    return shared.setdefault(condition, condition)


def _findings(judge: Judge, rule: Rule) -> tuple[str, ...]:
    """Write what carries a rule: leaves of its conditions that hold or are in doubt, and doubtful exceptions."""
    lines = []
    for part in (rule.where, rule.who, rule.what):
        lines += [
            finding(judge, leaf, negated=negated)
            for leaf, negated in _signed_leaves(part)
            if judge.leaf(leaf).truth not in ((NO,) if not negated else (2,))
        ]
    for part in rule.unless:
        lines += [
            f"exception in doubt: {finding(judge, leaf)}"
            for leaf in leaves_of(part)
            if judge.leaf(leaf).doubt is not None
        ]
    return tuple(dict.fromkeys(lines))


def _signed_leaves(condition: Condition, negated: bool = False) -> list[tuple[Condition, bool]]:
    if isinstance(condition, Not):
        return _signed_leaves(condition.part, not negated)
    parts = getattr(condition, "parts", None)
    if parts is None:
        return [(condition, negated)]
    return [found for part in parts for found in _signed_leaves(part, negated)]


def _message(rule: Rule | None, language: str) -> tuple[str | None, str | None]:
    if rule is None or not rule.message:
        return None, None
    messages = dict(rule.message)
    for wanted in (language, language.partition("-")[0], "en", *sorted(messages)):
        if wanted in messages:
            return messages[wanted], wanted
    return None, None


def _retry(rule: Rule) -> str | None:
    parts = []
    if rule.retry_wait_s is not None:
        parts.append(f"after {rule.retry_wait_s} s")
    if rule.retry_move_m is not None:
        parts.append(f"after moving {wording.distance(rule.retry_move_m)}")
    return " or ".join(parts) or None
