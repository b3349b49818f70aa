"""Why, and why not: one decision in words, for the operator and for the owner of the terminal.

The operator reads every applying rule with the deciding one marked, the rules that came nearest to a denial and what
did not hold, and for a denial what would have to differ. The owner reads the reason, its legal basis, the message in a
language and the way to appeal, and never a threshold, a margin, a distance, a rule id or the name of a detector: those
would teach whoever misuses a terminal how to stay just below a limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from groundrule.instant import format_instant
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
from groundrule.rules.vocabulary import ENGLISH, Vocabulary

Audience = Literal["operator", "owner"]
NEAREST = 3
"""How many near misses an explanation names."""
MAX_PLACES = 100_000
"""Places that an explainer remembers."""


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
        say: the words of the language in which findings, gaps and relief were written.
        heard: what radio and satellite navigation say, for the operator.
        place: where the place that was judged comes from, for an owner: disturbed navigation, or a place that the network measured.
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
    say: Vocabulary = ENGLISH
    heard: tuple[str, ...] = ()
    place: str | None = None

    @property
    def reason_sentence(self) -> str:
        """The catalogue's sentence for the reason, in the language of the reader."""
        return self.say.reason(self.reason)

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
            return shown | ({"place": self.place} if self.place else {})
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
            **({"heard": list(self.heard)} if self.heard else {}),
        }

    def as_text(self) -> str:
        """Return the explanation as lines of text for its audience."""
        return self._owner_text() if self.audience == "owner" else self._operator_text()

    def _owner_text(self) -> str:
        say = self.say
        lines = [say(f"owner_{self.outcome.word}"), say("owner_why", reason=self.reason_sentence), say("owner_basis", basis=self.basis)]
        if self.state is ServiceState.NEVER_SERVED:
            lines[0] = say("owner_no_service")
        if self.state is not ServiceState.NORMAL:
            lines.insert(1, say(f"owner_state_{self.state.value}"))
        if self.place:
            lines.append(self.place)
        if self.message:
            lines.append(say("owner_message", message=self.message))
        if self.obligations:
            bound = ", ".join(item.replace("_", " ").replace("=", ": ") for item in self.obligations)
            lines.append(say("owner_obligations", obligations=bound))
        if self.appeal:
            lines.append(say("owner_appeal", appeal=self.appeal))
        return "\n".join(lines)

    def _operator_text(self) -> str:
        say, normal = self.say, self.state is ServiceState.NORMAL
        values = {"outcome": self._word(self.outcome), "at": self.at, "reason": self.reason, "rule": self.rule_id or say("default_rule")}
        head = say("head", **values) if normal else say("head_state", **values, state=say(f"state_{self.state.value}"))
        lines = [head, f"  {self.reason_sentence}"]
        if self.basis:
            basis, by = self.basis.rstrip("."), self.requested_by
            lines.append("  " + (say("basis_asked", basis=basis, by=by) if by else say("basis", basis=basis)))
        lines += [f"  {line}" for line in self.heard]
        if self.applied:
            lines.append(say("rules_that_apply"))
        for item in self.applied:
            values = {"rule": item.rule_id, "outcome": self._word(item.outcome), "reason": item.reason, "title": item.title}
            doubted = item.outcome is not item.stated
            line = say("rule_line_doubt", **values, stated=self._word(item.stated)) if doubted else say("rule_line", **values)
            lines.append(f"{'=>' if item.decisive else '  '} {line}")
            lines += [f"     {found}" for found in item.findings]
        if self.nearest:
            lines.append(say("nearest"))
        for miss in self.nearest:
            lines.append("   " + say("nearest_line", rule=miss.rule_id, outcome=self._word(miss.outcome), title=miss.title))
            lines.append("     " + (miss.note or say("did_not_hold", gaps=miss.sentence())))
        if self.relief:
            lines.append(say("relief"))
            lines += [f"   {item}" for item in self.relief]
        if self.also:
            lines.append("   " + say("also", rules=", ".join(self.also)))
        if self.obligations:
            lines.append(say("obligations", obligations=", ".join(self.obligations)))
        if self.retry:
            lines.append(say("retry", retry=self.retry))
        return "\n".join(lines)

    def _word(self, outcome: Outcome) -> str:
        return self.say(f"outcome_{outcome.word}")


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
        say: Vocabulary = ENGLISH,
    ) -> Explanation:
        """Explain what is decided in a situation.

        Args:
            situation: the evidence of one observation.
            audience: operator or owner.
            distances: signed metres to the edge of an area (negative inside) by area id or selector, or a function
                of it that returns None where it knows none.
            language: preferred language of the message; English is the second choice.
            say: words for everything else.
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
            retry=None if rule is None else _retry(rule, say),
            applied=self._applied(judge, outcomes, rule, say) if operator else (),
            nearest=self._nearest(judge, outcomes, rule, distances, say) if operator and outcome != Outcome.DENY else (),
            relief=self._relief(judge, rule, say) if operator and rule is not None and outcome != Outcome.SERVE else (),
            also=tuple(
                sorted(
                    rule_id
                    for rule_id, found in outcomes.items()
                    if operator and outcome == Outcome.DENY == found and rule is not None and rule_id != rule.id
                )
            ),
            at=format_instant(situation.now_ns),
            say=say,
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

    def _applied(
        self, judge: Judge, outcomes: Mapping[str, Outcome], decisive: Rule | None, say: Vocabulary
    ) -> tuple[Applied, ...]:
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
                _findings(judge, rule, say),
            )
            for rule_id in order
            for rule in (self._rules[rule_id],)
        )

    def _nearest(
        self, judge: Judge, outcomes: Mapping[str, Outcome], decisive: Rule | None, distances: Distances | None, say: Vocabulary
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
            gaps: tuple[Gap, ...] = tuple(gap(judge, need, distances, say) for need in needs)
            if out_of_force:
                gaps = (*gaps, time_gap(rule, judge.situation.now_ns, say))
            note = ""
            if not gaps and decisive is not None:
                note = say("overridden", rule=decisive.id, tier=decisive.tier)
            misses.append(NearMiss(rule.id, rule.title, rule.outcome, gaps, round(margin, 9), note))
        return tuple(misses)

    def _relief(self, judge: Judge, rule: Rule, say: Vocabulary) -> tuple[str, ...]:
        """Say what would have to differ for a rule not to apply: its conditions first, then its exceptions."""
        lines = []
        for part in (rule.where, rule.who, rule.what):
            if part == All(()):
                continue
            needs = missing(judge, part, None, negated=True)
            if needs:
                lines.append(_together(needs, say))
        for part in rule.unless:
            needs = missing(judge, part, None)
            if needs:
                lines.append(say("exception_would_apply", what=_together(needs, say)))
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
    say: Vocabulary = ENGLISH,
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
        say: words for everything else.
    """
    situation = Situation(now_ns, facts, profile, numbers, categories, latches)
    return Explainer(rulebook).explain(situation, audience=audience, distances=distances, language=language, say=say)


def _share(condition: Condition, shared: dict[Condition, Condition]) -> Condition:
    """Rebuild a condition so that equal leaves of a rulebook are one object, which a `Judge` judges once."""
    if isinstance(condition, All | AnyOf):
        return type(condition)(tuple(_share(part, shared) for part in condition.parts))
    if isinstance(condition, Not):
        return Not(_share(condition.part, shared))
    return shared.setdefault(condition, condition)


def _findings(judge: Judge, rule: Rule, say: Vocabulary) -> tuple[str, ...]:
    """Write what carries a rule: leaves of its conditions that hold or are in doubt, and doubtful exceptions."""
    lines = []
    for part in (rule.where, rule.who, rule.what):
        lines += [
            finding(judge, leaf, negated=negated, say=say)
            for leaf, negated in _signed_leaves(part)
            if judge.leaf(leaf).truth not in ((NO,) if not negated else (2,))
        ]
    for part in rule.unless:
        lines += [
            say("exception_in_doubt", what=finding(judge, leaf, say=say))
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


def _together(needs: Iterable[Need], say: Vocabulary) -> str:
    return f" {say('and')} ".join(wording.leaf(need.leaf, negated=need.negated, say=say) for need in needs)


def _retry(rule: Rule, say: Vocabulary) -> str | None:
    parts = []
    if rule.retry_wait_s is not None:
        parts.append(say("retry_after", time=wording.seconds(rule.retry_wait_s, say)))
    if rule.retry_move_m is not None:
        parts.append(say("retry_moved", distance=wording.distance(rule.retry_move_m, say)))
    return f" {say('or')} ".join(parts) or None
