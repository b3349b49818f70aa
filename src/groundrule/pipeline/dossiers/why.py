"""Why a terminal was answered so, who is answerable for the rule, and what would have had to differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from groundrule.errors import GroundruleError
from groundrule.evidence.dossier import DecisionRow, Phrase, Standing, Times, Value
from groundrule.instant import format_instant
from groundrule.pipeline.dossiers.acts import Said
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.dossiers.reigns import GENESIS, Reign, reigns
from groundrule.pipeline.explain import Found, explain_terminal

_EXCEPTION = "an exception would apply: "
DEFAULT = "default"
MAX_TOLD = 5
"""Answers that a summary tells of."""


def why_of(
    bench: Bench, terminal_id: str, rows: Sequence[DecisionRow], until_ns: int | None
) -> tuple[tuple[Said, ...], set[tuple[str, str]]]:
    """Explain the last answer, and the last refusal if it is another.

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
            said.append(decided_by(row, held.get(row.rulebook)))
    for row in moments:
        try:
            found = explain_terminal(bench.home, terminal_id, at_ns=row.last_ns)
        except GroundruleError as error:
            at = Times(observed_at_ns=row.last_ns)
            said.append(Said(Phrase("why_not_explained", {"error": error.message}), Standing.UNKNOWN, at, ("integrity",)))
            continue
        said += _explained(found, row, held.get(row.rulebook))
        explanation = found.explanation
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


def _explained(found: Found, row: DecisionRow, held: Reign | None) -> Iterator[Said]:
    explanation, at = found.explanation, Times(observed_at_ns=found.observed_at_ns)
    outcome: dict[str, Value] = {
        "at": format_instant(row.last_ns), "outcome": f"code:{found.outcome}", "reason": f"reason:{explanation.reason}"
    }  # fmt: skip
    yield Said(Phrase("why_answer", outcome), Standing.RECORDED, at)
    yield decided_by(row, held)
    if explanation.basis:
        yield Said(Phrase("why_basis", {"basis": explanation.basis}), Standing.RECORDED, at)
    if explanation.appeal:
        yield Said(Phrase("why_appeal", {"appeal": explanation.appeal}), Standing.RECORDED, at)
    if explanation.requested_by:
        yield Said(Phrase("why_requested", {"by": explanation.requested_by}), Standing.RECORDED, at)
    for item in explanation.applied[:10]:
        for finding in item.findings:
            yield Said(Phrase("why_finding", {"rule": item.rule_id, "finding": finding}), Standing.INFERENCE, at)
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
