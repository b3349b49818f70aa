"""What would have been answered without a change: stored observations judged once more under the rulebook that held before it.

That one answer follows a change in time, and differs from the one before it, is no cause. Here everything else stays as it was for the run
that answered: observations, areas, registers. What then comes out is what the change made of it, by the one code that decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from groundrule.errors import GroundruleError
from groundrule.evidence.dossier import DecisionRow, Phrase, Source, Standing, Times, Value
from groundrule.instant import format_instant
from groundrule.pipeline.dossiers.acts import Said
from groundrule.pipeline.dossiers.bench import Bench
from groundrule.pipeline.dossiers.reigns import GENESIS, Reign, reigns
from groundrule.pipeline.dossiers.why import Explaining, told
from groundrule.pipeline.history import observations_of
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.judge import Judge
from groundrule.pipeline.manifests import read_manifest
from groundrule.records import OUTCOME_WORDS
from groundrule.rules.model import Condition, In
from groundrule.rules.wording import describe
from groundrule.store.registers import Registers

DEFAULT: Final = "default"
_REGISTERED: Final = frozenset({"programme", "plan", "class", "registration", "activation_country", "purpose", "quota", "software"})
"""Facts of a rule that stand in the register of terminals."""
Found = tuple[str, Said, tuple[Source, ...]]
"""A change, a sentence about it, and what the sentence rests on beside the entry of the change."""


@dataclass(frozen=True, slots=True)
class _Other:
    """What another rulebook makes of one observation."""

    outcome: str
    rule: str


def without_changes(
    bench: Bench, terminal_id: str, rows: Sequence[DecisionRow], proposals: frozenset[str], explaining: Explaining
) -> tuple[Found, ...]:
    """Return, for each change that brought a rulebook which answered a terminal, what would have been answered without it."""
    found: list[Found] = []
    for before, after in pairwise(reigns(bench.home)):
        mine = [row for row in told(rows) if row.rulebook == after.rulebook]
        if not mine or after.brought_by not in proposals or after.brought_by == GENESIS:
            continue
        row = mine[-1]
        try:
            other = _judged(bench, terminal_id, row, before, explaining)
        except GroundruleError:
            continue  # that the stored answer cannot be explained is said beside it
        if other is not None:
            found += _said(bench, terminal_id, row, other, before, after, explaining)
    return tuple(found)


def _judged(bench: Bench, terminal_id: str, row: DecisionRow, before: Reign, explaining: Explaining) -> _Other | None:
    manifest = read_manifest(bench.home, row.run)
    if manifest["as_of_ns"] is not None:
        return None
    table = observations_of(bench.home, terminal_id, until_ns=row.last_ns)
    if not len(table):
        return None
    basis = explaining.basis(bench.home, manifest | {"rulebook": before.rulebook})
    judged = Judge(basis).judge(table)
    place = len(table) - 1
    rule = judged.decided.classes[int(judged.decided.klass[place])].rule_id
    return _Other(OUTCOME_WORDS[int(judged.decided.outcome[place])], rule or DEFAULT)


def _said(
    bench: Bench, terminal_id: str, row: DecisionRow, other: _Other, before: Reign, after: Reign, explaining: Explaining
) -> Iterator[Found]:
    id_, short = after.brought_by, after.brought_by[:16]
    at = Times(observed_at_ns=row.last_ns)
    values: dict[str, Value] = {
        "proposal": short, "at": format_instant(row.last_ns), "outcome": f"code:{row.outcome}", "rule": row.rule
    }  # fmt: skip
    decisions = (Source("receipt", "decisions"),)
    if (other.outcome, other.rule) == (row.outcome, row.rule):
        yield id_, Said(Phrase("made_no_difference", values), Standing.INFERENCE, at), decisions
        return
    values |= {"other": f"code:{other.outcome}", "old": other.rule}
    yield id_, Said(Phrase("made_difference", values), Standing.INFERENCE, at), decisions
    exception = _exception_met(bench, row, other.rule, before, after, explaining)
    if exception is None:
        return
    exempt: Value = describe(exception, nested=True)
    values = {"proposal": short, "rule": other.rule, "exempt": exempt}
    yield id_, Said(Phrase("made_by_exception", values), Standing.INFERENCE, at), (Source("rule", other.rule), *decisions)
    if isinstance(exception, In) and exception.attribute in _REGISTERED:
        with Registers.open(bench.home) as registers:
            versions = registers.versions("terminals", terminal_id)
        if versions:
            last = versions[-1]
            entered: dict[str, Value] = {
                "exempt": exempt, "recorded": format_instant(int(last["recorded_at"])), "earlier": len(versions) - 1
            }  # fmt: skip
            flags = () if last.get("governed") else ("ungoverned",)
            times = Times(recorded_at_ns=int(last["recorded_at"]))
            source = (Source("register", f"revision:{int(last['revision'])}"),)
            yield id_, Said(Phrase("hinge_register", entered), Standing.RECORDED, times, flags), source
            yield id_, Said(Phrase("unknown_entered", {"exempt": exempt}), Standing.UNKNOWN), ()


def _exception_met(
    bench: Bench, row: DecisionRow, rule_id: str, before: Reign, after: Reign, explaining: Explaining
) -> Condition | None:
    """The exception that a change added to the rule that would have decided, where it is what the answer hung on."""
    old, new = (
        next((rule for rule in rulebook_of(bench.home, book).rules if rule.id == rule_id), None)
        for book in (before.rulebook, after.rulebook)
    )
    if old is None or new is None or replace(new, unless=old.unless) != old:
        return None
    missed = {gap for each in explaining.nearest(row) if each.rule_id == rule_id for gap in (found.words for found in each.gaps)}
    return next((each for each in new.unless if each not in old.unless and describe(each) in missed), None)
