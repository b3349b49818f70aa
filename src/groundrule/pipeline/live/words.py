"""Answers in words, row by row: what a few rows are answered with, without a table.

Equal to what the decision table of the same rows says; a test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import pyarrow as pa

from groundrule.pipeline.classes import CLASS_WORDS, Classes
from groundrule.pipeline.decisions import STATE_WORDS
from groundrule.pipeline.judge import Judge, Judged
from groundrule.records import OUTCOME_WORDS


@dataclass(frozen=True, slots=True)
class Words:
    """Answers in columns of one length.

    Attributes:
        terminal_id: of the terminals.
        observed_at, decided_at, valid_until: [ns, UTC].
        outcome, state, rule: words.
        kind: class of the terminal.
        reasons: codes, the decisive one first.
        obligations: words.
        late: the answer is the present decision of a terminal of which something later was known.
    """

    terminal_id: Sequence[str]
    observed_at: Sequence[int]
    decided_at: Sequence[int]
    valid_until: Sequence[int]
    outcome: Sequence[str]
    state: Sequence[str]
    rule: Sequence[str]
    kind: Sequence[str]
    reasons: Sequence[Sequence[str]]
    obligations: Sequence[Sequence[str]]
    late: Sequence[bool]

    def __len__(self) -> int:
        return len(self.terminal_id)

    @classmethod
    def of_table(cls, table: pa.Table) -> Self:
        """Read answers from a table of ANSWER_SCHEMA."""
        lists = {each.name: table.column("class" if each.name == "kind" else each.name).to_pylist() for each in fields(cls)}
        lists["reasons"] = [[each["code"] for each in row] for row in lists["reasons"]]
        return cls(**lists)

    def cut(self, start: int, end: int) -> Words:
        """Return the rows from start to end."""
        if start == 0 and end == len(self.terminal_id):
            return self
        s = slice(start, end)
        return Words(
            self.terminal_id[s], self.observed_at[s], self.decided_at[s], self.valid_until[s], self.outcome[s], self.state[s],
            self.rule[s], self.kind[s], self.reasons[s], self.obligations[s], self.late[s],
        )  # fmt: skip


class WordBook:
    """Puts what one judge decided into words.

    Args:
        judge: whose codes are read.
    """

    def __init__(self, judge: Judge) -> None:
        basis = judge.basis
        # The rule -1 is the default, which stands behind the rules of the book.
        names, default = basis.overlay.rule_names(basis.rulebook), len(basis.rulebook.rules)
        self._rules = dict(enumerate(names)) | {-1: names[default]}
        self._said: dict[int, tuple[list[str], list[str]]] = {}

    def words(self, judged: Judged, classes: Classes) -> Words:
        """Return the decisions of a batch in words, in its order."""
        decided, table = judged.decided, judged.table
        said = [self._said.get(code) or self._learn(judged, code) for code in decided.klass.tolist()]
        rules = self._rules
        return Words(
            table.column("terminal_id").to_pylist(), table.column("observed_at").to_pylist(), judged.now_ns.tolist(),
            decided.valid_until.tolist(), [OUTCOME_WORDS[code] for code in decided.outcome.tolist()],
            [STATE_WORDS[code] for code in decided.state.tolist()], [rules[code] for code in decided.rule.tolist()],
            [CLASS_WORDS[code] for code in classes.codes.tolist()], [reasons for reasons, _ in said],
            [obligations for _, obligations in said], [False] * len(said),
        )  # fmt: skip

    def _learn(self, judged: Judged, code: int) -> tuple[list[str], list[str]]:
        found = judged.decided.classes[code]
        self._said[code] = made = [reason[0] for reason in found.reasons], list(found.obligations)
        return made
