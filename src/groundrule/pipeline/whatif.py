"""What if another rulebook were in force: the same observations decided twice, and who changes.

A terminal counts as changed if its strictest answer over the observations differs, or if any single observation's answer
does. Both rulebooks start with an empty memory, so that neither profits from what the other remembered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundrule.pipeline.judge import Basis, Judge, Judged
from groundrule.records import OUTCOME_WORDS, ServiceState
from groundrule.rules.evidence import Profile

_STATES = tuple(state.value for state in ServiceState)


@dataclass(slots=True)
class Tally:
    """Strictest and last answer per terminal under one rulebook; arrays are indexed by terminal row.

    Attributes:
        strictest: outcome of the first of its strictest answers, 255 where the terminal was not observed.
        state: service state of that answer.
        rule: deciding rule of that answer; -1 is the default.
        klass: decision class of that answer.
        last: the same for the last observation.
    """

    strictest: NDArray[np.uint8]
    state: NDArray[np.uint8]
    rule: NDArray[np.int32]
    klass: NDArray[np.int32]
    last: NDArray[np.uint8]
    last_state: NDArray[np.uint8]
    last_rule: NDArray[np.int32]
    last_klass: NDArray[np.int32]

    @classmethod
    def empty(cls, terminals: int) -> Tally:
        """Return the tally of terminals that were not observed."""
        unseen, state = np.full(terminals, 255, np.uint8), np.zeros(terminals, np.uint8)
        none = np.full(terminals, -1, np.int32)
        return cls(unseen, state, none, none.copy(), unseen.copy(), state.copy(), none.copy(), none.copy())

    def grow(self, terminals: int) -> None:
        """Make room for more terminals."""
        if terminals > len(self.strictest):
            fresh = Tally.empty(terminals + terminals // 4)
            for name in self.__slots__:
                getattr(fresh, name)[: len(self.strictest)] = getattr(self, name)
            for name in self.__slots__:
                setattr(self, name, getattr(fresh, name))

    def add(self, judged: Judged) -> None:
        """Take a batch into account."""
        rows, decided = judged.rows, judged.decided
        self.grow(int(rows.max(initial=-1)) + 1)
        outcome, state = decided.outcome.astype(np.uint8), decided.state.astype(np.uint8)
        # Later entries win in an assignment with repeated rows, and a batch is in order of time.
        self.last[rows], self.last_state[rows] = outcome, state
        self.last_rule[rows], self.last_klass[rows] = decided.rule, decided.klass
        present = self.strictest[rows]
        # Of equally strict answers the first counts, however observations were cut into batches: so the last is assigned first.
        better = np.flatnonzero((present == 255) | (outcome > present))[::-1]
        better = better[np.argsort(outcome[better], kind="stable")]
        chosen = rows[better]
        self.strictest[chosen], self.state[chosen] = outcome[better], state[better]
        self.rule[chosen], self.klass[chosen] = decided.rule[better], decided.klass[better]


@dataclass(slots=True)
class WhatIf:
    """Who changes between two rulebooks.

    Attributes:
        terminals: terminals observed.
        observations: observations decided under each.
        changed_observations: observations whose outcome or service state differs.
        changed: one row per changed terminal, in order of their ids: terminal_id, lat_deg, lon_deg, before, after, rule_before, rule_after,
            country, plan, programme, class.
        by: counts of changed terminals: by `change` (before → after), country, plan, programme, class, rule.
    """

    terminals: int = 0
    observations: int = 0
    changed_observations: int = 0
    changed: list[dict[str, Any]] = field(default_factory=list)
    by: dict[str, Counter[str]] = field(default_factory=dict)


def what_if(
    batches: Iterable[pa.Table],
    before: Basis,
    after: Basis,
    *,
    progress: Callable[[str, int], None] | None = None,
    as_of_ns: int | None = None,
    started: Callable[[tuple[Judge, Judge]], object] | None = None,
    seen: Callable[[Judged, Judged], object] | None = None,
) -> WhatIf:
    """Decide observations in time order under two rulebooks and say who changes.

    Args:
        batches: OBSERVATION_SCHEMA, in order of time.
        before, after: the two bases; they must share the registers.
        started: called with both judges before the first batch.
        seen: called with both results of each batch.
    """
    judges = Judge(before), Judge(after)
    if started:
        started(judges)
    tallies = Tally.empty(len(before.registers)), Tally.empty(len(before.registers))
    touched = np.zeros(len(before.registers), bool)
    position = np.full((len(before.registers), 2), np.nan)
    where = np.zeros(len(before.registers), np.int32)
    who = np.zeros(len(before.registers), np.int32)
    result = WhatIf()
    for batch in batches:
        first = judges[0].judge(batch, as_of_ns=as_of_ns)
        second = judges[1].judge(batch, as_of_ns=as_of_ns, like=first)
        needed = int(first.rows.max(initial=-1)) + 1
        if needed > len(touched):
            extra = needed + needed // 4 - len(touched)
            touched = np.concatenate([touched, np.zeros(extra, bool)])
            position = np.concatenate([position, np.full((extra, 2), np.nan)])
            where, who = (np.concatenate([a, np.zeros(extra, np.int32)]) for a in (where, who))
        for tally, judged in zip(tallies, (first, second), strict=True):
            tally.add(judged)
        differs = (first.decided.outcome != second.decided.outcome) | (first.decided.state != second.decided.state)
        touched[first.rows[differs]] = True
        position[first.rows, 0], position[first.rows, 1] = first.motion.lat_deg, first.motion.lon_deg
        where[first.rows], who[first.rows] = first.where, first.who
        result.observations += len(batch)
        result.changed_observations += int(differs.sum())
        if seen:
            seen(first, second)
        if progress:
            progress("what-if", len(batch))
    observed = tallies[0].strictest != 255
    result.terminals = int(observed.sum())
    changed = np.flatnonzero(touched[: len(observed)])
    ids = before.registers.ids_of(changed.astype(np.int32)).to_pylist()
    for row, name in zip(changed, ids, strict=True):
        profile = judges[0].who.values[who[row]]
        answers = [_answer(tally, int(row)) for tally in tallies]
        result.changed.append(
            {
                "terminal_id": name,
                "lat_deg": _known(position[row, 0]),
                "lon_deg": _known(position[row, 1]),
                "before": answers[0],
                "after": answers[1],
                "rule_before": _rule(before, int(tallies[0].rule[row])),
                "rule_after": _rule(after, int(tallies[1].rule[row])),
                "country": _country(judges[0], int(where[row])),
                **_register_facts(profile),
            }
        )
    return merged([result])


def merged(parts: Iterable[WhatIf]) -> WhatIf:
    """Return what several what-ifs say together that were asked of different terminals.

    Their order and how the terminals were divided among them make no difference: who changes stands in order of the ids.
    """
    whole = WhatIf()
    for part in parts:
        whole.terminals += part.terminals
        whole.observations += part.observations
        whole.changed_observations += part.changed_observations
        whole.changed += part.changed
    whole.changed.sort(key=lambda item: str(item["terminal_id"]))
    whole.by = {
        "change": Counter(f"{item['before']} → {item['after']}" for item in whole.changed),
        **{
            name: Counter(item[name] for item in whole.changed)
            for name in ("country", "plan", "programme", "class", "rule_after")
        },
    }
    return whole


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _answer(tally: Tally, row: int) -> str:
    state = _STATES[tally.state[row]]
    outcome = OUTCOME_WORDS[tally.strictest[row]]
    return outcome if state == ServiceState.NORMAL else f"{outcome} ({state})"


def _rule(basis: Basis, position: int) -> str:
    return basis.overlay.rule_names(basis.rulebook)[position] if position >= 0 else "default"


def _country(judge: Judge, where: int) -> str:
    facts = judge.where.values[where]
    if facts is None:
        return "position unknown"
    countries = sorted({fact.country for fact in facts if fact.country})
    return " and ".join(countries) if countries else "no country"


def _register_facts(profile: Profile | None) -> dict[str, str]:
    if profile is None:
        return {"plan": "not registered", "programme": "not registered", "class": "not registered"}
    return {
        "plan": profile.plan or "unknown",
        "programme": ", ".join(profile.programmes) or "none",
        "class": profile.protected_class or "unknown",
    }
