"""Why a terminal was answered so, who is answerable for the rule, and what would have had to differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from groundrule.errors import GroundruleError
from groundrule.evidence.dossier import DecisionRow, Phrase, Standing, Times, Value
from groundrule.evidence.render.words import LANGUAGES
from groundrule.instant import NS_PER_S, format_instant
from groundrule.pipeline.dossiers.acts import Said
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.dossiers.reigns import GENESIS, Reign, reigns
from groundrule.pipeline.explain import Found, basis_of_run, explain_terminal
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.judge import Basis
from groundrule.rules.model import All, AnyOf, Condition, In, Not, Rule, Where
from groundrule.rules.nearest import NearMiss
from groundrule.store.home import Home
from groundrule.store.registers import Registers
from groundrule.store.timeline import RegisterTimeline

TOO_FAST: Final = "moving_too_fast_for_policy"
LATER_NS: Final = 3_600 * NS_PER_S
"""How long after the last observation of a stretch its answers count as computed afterwards [ns]."""
_EXCEPTION = "an exception would apply: "
DEFAULT = "default"
MAX_TOLD = 5
"""Answers that a summary tells of."""


class Explaining:
    """Explanations of one dossier: registers are read once for all runs that knew the same, and what was explained is kept."""

    def __init__(self) -> None:
        self._registers: dict[int, RegisterTimeline] = {}
        self._nearest: dict[int, tuple[NearMiss, ...]] = {}

    def basis(self, home: Home, manifest: Mapping[str, Any]) -> Basis:
        """Return what a run rested on."""
        at_ns = int(manifest["recorded_at_ns"])
        if at_ns not in self._registers:
            self._registers[at_ns] = RegisterTimeline.load(Registers.open(home), recorded_at_ns=at_ns)
        return basis_of_run(home, manifest, self._registers[at_ns])

    def explain(self, bench: Bench, terminal_id: str, row: DecisionRow) -> Found:
        """Explain the last answer of a stretch; raises as `explain_terminal` does."""
        found = explain_terminal(bench.home, terminal_id, at_ns=row.last_ns, bases=self.basis)
        self._nearest[row.last_ns] = found.explanation.nearest
        return found

    def heard(self, bench: Bench, terminal_id: str, row: DecisionRow, language: str) -> tuple[str, ...]:
        """Return what radio says of an answer, in another language."""
        found = explain_terminal(bench.home, terminal_id, at_ns=row.last_ns, bases=self.basis, language=language)
        return found.explanation.heard

    def nearest(self, row: DecisionRow) -> tuple[NearMiss, ...]:
        """Return the rules that came nearest to an answer that was explained; empty for another."""
        return self._nearest.get(row.last_ns, ())


def why_of(
    bench: Bench, terminal_id: str, rows: Sequence[DecisionRow], until_ns: int | None, explaining: Explaining
) -> tuple[tuple[Said, ...], set[tuple[str, str]]]:
    """Explain the last answer, and the last refusal if it is another; of other answers that are told of, say by what they were given.

    Returns:
        The sentences, and (rulebook, rule) of each rule that they name.
    """
    moments = [*rows[-1:]]
    refused = [row for row in rows if row.outcome == "deny"]
    if refused and refused[-1] not in moments:
        moments.insert(0, refused[-1])
    said: list[Said] = []
    cited: set[tuple[str, str]] = set()
    held = {each.rulebook: each for each in reigns(bench.home)}
    for row in told(rows):
        if row not in moments:
            said += _by_rule(bench, row, held.get(row.rulebook))
    for row in moments:
        try:
            found = explaining.explain(bench, terminal_id, row)
        except GroundruleError as error:
            at = Times(observed_at_ns=row.last_ns)
            said.append(Said(Phrase("why_not_explained", {"error": error.message}), Standing.UNKNOWN, at, ("integrity",)))
            continue
        explanation = found.explanation
        others = [language for language in LANGUAGES if language != explanation.say.language] if explanation.heard else []
        heard = {language: explaining.heard(bench, terminal_id, row, language) for language in others}
        said += _explained(bench, found, row, held.get(row.rulebook), heard)
        cited |= {(row.rulebook, each.rule_id) for each in explanation.applied}
        cited |= {(row.rulebook, each.rule_id) for each in explanation.nearest}
    if until_ns is None and not rows:
        said.append(Said(Phrase("no_decision"), Standing.UNKNOWN))
    return tuple(said), cited


def told(rows: Sequence[DecisionRow]) -> list[DecisionRow]:
    """Return the answers that a summary tells of: of each rulebook the last refusal, and the last answer; of many the first and last."""
    chosen = [row for place, row in enumerate(rows) if place == len(rows) - 1 or _last_refusal(rows, place)]
    return chosen if len(chosen) <= MAX_TOLD else [chosen[0], *chosen[1 - MAX_TOLD :]]


def _last_refusal(rows: Sequence[DecisionRow], place: int) -> bool:
    row = rows[place]
    return row.outcome == "deny" and not any(each.outcome == "deny" and each.rulebook == row.rulebook for each in rows[place + 1 :])


def not_approved(bench: Bench, rows: Sequence[DecisionRow]) -> list[tuple[DecisionRow, Said]]:
    """Return, for answers that are told of, that who approved their rulebook is not known, where that is so."""
    held = {each.rulebook: each for each in reigns(bench.home)}
    found = []
    for row in told(rows):
        reign = held.get(row.rulebook)
        if reign is None or reign.brought_by == GENESIS:
            values: dict[str, Value] = {"rulebook": row.rulebook.removeprefix("sha256:"), "when": format_instant(row.last_ns)}
            found.append((row, Said(Phrase("unknown_approval", values), Standing.UNKNOWN)))
    return found


def reason_of(row: DecisionRow) -> Value:
    """Return why an answer was given, as a value; of a default that others restrict nothing, and not that there is no rule."""
    if row.rule == DEFAULT and row.reasons[:1] == ("served",):
        return "code:answer_default"
    return f"reason:{row.reasons[0]}" if row.reasons else None


def answered_later(row: DecisionRow) -> bool:
    """Tell whether an answer was computed long after what it answers: then it is no act of the time of the observation."""
    return row.decided_ns is not None and row.decided_ns - row.last_ns >= LATER_NS


def _by_rule(bench: Bench, row: DecisionRow, held: Reign | None) -> Iterator[Said]:
    """An answer with what stands beside its rule in the rulebook that gave it."""
    at = Times(observed_at_ns=row.last_ns)
    answer: dict[str, Value] = {"at": format_instant(row.last_ns), "outcome": f"code:{row.outcome}", "reason": reason_of(row)}
    yield Said(Phrase("why_answer", answer), Standing.RECORDED, at)
    yield decided_by(row, held)
    rule = rule_of(bench, row)
    if rule is None:
        return
    if rule.authority.basis:
        yield Said(Phrase("why_basis", {"basis": rule.authority.basis}), Standing.RECORDED, at)
    if rule.appeal:
        yield Said(Phrase("why_appeal", {"appeal": rule.appeal}), Standing.RECORDED, at)
    yield from _about_what(row, rule, at)


def rule_of(bench: Bench, row: DecisionRow) -> Rule | None:
    """Return the rule that gave an answer; None for a default or an emergency."""
    return next((each for each in rulebook_of(bench.home, row.rulebook).rules if each.id == row.rule), None)


def _about_what(row: DecisionRow, rule: Rule, at: Times) -> Iterator[Said]:
    """Whether a refusal for speed is about a place or about a plan: the reason that is told to terminals names both."""
    if row.reasons[:1] != (TOO_FAST,):
        return
    parts = list(leaves(All((rule.where, rule.who, rule.what))))
    place = any(isinstance(each, Where) and each.selector != "anywhere" for each in parts)
    plan = any(isinstance(each, In) and each.attribute == "plan" for each in parts)
    if place or plan:
        key = "why_place_and_plan" if place and plan else "why_place" if place else "why_plan"
        yield Said(Phrase(key), Standing.INFERENCE, at)


def leaves(condition: Condition) -> Iterator[Condition]:
    """Yield the conditions of which a condition is made."""
    if isinstance(condition, All | AnyOf):
        for part in condition.parts:
            yield from leaves(part)
    elif isinstance(condition, Not):
        yield from leaves(condition.part)
    else:
        yield condition


def _explained(
    bench: Bench, found: Found, row: DecisionRow, held: Reign | None, heard: Mapping[str, tuple[str, ...]]
) -> Iterator[Said]:
    explanation, at = found.explanation, Times(observed_at_ns=found.observed_at_ns)
    outcome: dict[str, Value] = {"at": format_instant(row.last_ns), "outcome": f"code:{found.outcome}", "reason": reason_of(row)}
    yield Said(Phrase("why_answer", outcome), Standing.RECORDED, at)
    yield decided_by(row, held)
    if explanation.basis:
        yield Said(Phrase("why_basis", {"basis": explanation.basis}), Standing.RECORDED, at)
    if explanation.appeal:
        yield Said(Phrase("why_appeal", {"appeal": explanation.appeal}), Standing.RECORDED, at)
    if explanation.requested_by:
        yield Said(Phrase("why_requested", {"by": explanation.requested_by}), Standing.RECORDED, at)
    if (rule := rule_of(bench, row)) is not None:
        yield from _about_what(row, rule, at)
    for item in explanation.applied[:10]:
        for finding in item.findings:
            yield Said(Phrase("why_finding", {"rule": item.rule_id, "finding": finding}), Standing.INFERENCE, at)
    for place, line in enumerate(explanation.heard):
        said: dict[str, Value] = {"heard": line, **{f"heard_{language}": lines[place] for language, lines in heard.items()}}
        yield Said(Phrase("why_heard", said), Standing.INFERENCE, at)
    for miss in explanation.nearest:
        gaps = "; ".join(each.words for each in miss.gaps)
        values: dict[str, Value] = {"rule": miss.rule_id, "title": miss.title, "gaps": gaps}
        yield Said(Phrase("why_not_denied", values), Standing.INFERENCE, at)
    # Each line alone would have been enough: a rule applies where all its parts do and none of its exceptions.
    ways = [each for each in explanation.relief if not each.startswith(_EXCEPTION)]
    if ways:
        values = {"rule": explanation.rule_id or DEFAULT, "relief": "; ".join(f"({place}) {each}" for place, each in enumerate(ways, 1))}
        yield Said(Phrase("why_relief" if len(ways) > 1 else "why_relief_one", values), Standing.INFERENCE, at)
    for each in explanation.relief:
        if each.startswith(_EXCEPTION):
            values = {"rule": explanation.rule_id or DEFAULT, "exception": each.removeprefix(_EXCEPTION)}
            yield Said(Phrase("why_exception", values), Standing.INFERENCE, at)


def decided_by(row: DecisionRow, held: Reign | None) -> Said:
    """Say that no person decided an answer, by which rule and rulebook it was decided, and who stands behind these."""
    values: dict[str, Value] = {
        "rule": row.rule, "rulebook": row.rulebook.removeprefix("sha256:"), "when": format_instant(row.last_ns)
    }  # fmt: skip
    at = Times(observed_at_ns=row.last_ns, decided_at_ns=row.decided_ns, recorded_at_ns=row.logged_ns)
    if held is None:
        return Said(Phrase("decided_by_unknown", values), Standing.RECORDED, at)
    if held.brought_by == GENESIS:
        return Said(Phrase("decided_by_before", values), Standing.RECORDED, at)
    values |= {"proposal": held.brought_by[:16], "since": format_instant(held.from_ns or 0)}
    return Said(Phrase("decided_by_change", values), Standing.RECORDED, at)
