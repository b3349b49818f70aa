"""A judged batch under faults: what the table asks of each row, and decision tables that say what an outage did.

    judged ──► facts ──► `degraded.degrade` ──► decision table with `degraded:<cause>` among its reasons

`decide_under` does the first two, `told` the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundrule.pipeline.causes import Causes, Staleness, location_degrees
from groundrule.pipeline.classes import Classes
from groundrule.pipeline.degraded import FAST_KM_H, LIMITS, Cause, Degraded, Facts, codes_of, degrade
from groundrule.pipeline.judge import Judge, Judged
from groundrule.records import OUTCOME_WORDS, REASON_TYPE, Outcome, ServiceState
from groundrule.rules.classes import CONTRIBUTING, DECISIVE
from groundrule.rules.compile import CompiledRulebook
from groundrule.rules.model import Rulebook

LANDING_REASONS: Final = frozenset({"unlicensed_country", "invalid_country", "blocked_country"})
"""Reasons of denials for want of landing rights."""
NO_RULE: Final = "outage"
"""What stands as the rule of a reason that an outage gives."""
_FAST_M_S: Final = FAST_KM_H / 3.6
_STATES: Final = pa.array([state.value for state in ServiceState])


@dataclass(frozen=True, slots=True)
class UnderFaults:
    """Decisions of a batch under faults.

    Attributes:
        degraded: outcomes, causes, counts.
        staleness: how old is what they rest on.
    """

    degraded: Degraded
    staleness: Staleness


def decide_under(
    judge: Judge,
    judged: Judged,
    classes: Classes,
    causes: Causes,
    *,
    bootstrap: CompiledRulebook | None = None,
    locations: NDArray[np.uint8] | None = None,
) -> UnderFaults:
    """Apply the table to a batch that a judge has judged.

    Args:
        judge: of the batch.
        judged: the base result: under what is loaded, or under the bootstrap policy where nothing else is.
        classes: of the batch (`classes.Classifier.of`).
        causes: what is down.
        bootstrap: the bootstrap policy, which says where landing rights are missing; None takes that from the base.
        locations: degree of `location_unverifiable` by row; None reads it from the batch.
    """
    decided = judged.decided
    if locations is None:
        locations = location_degrees(judged, judge.basis.rulebook.assumptions.max_position_age_s)
    held = decided.outcome
    if causes.held_ns is not None and (judged.now_ns > causes.held_ns).any():
        held = judge.as_of(judged, causes.held_ns).outcome
    stale = causes.held_ns is not None
    facts = Facts(
        # A denial that waits for a fresh snapshot was never in force, so there is nothing to lift.
        denied_by_list=classes.denied_by_list & (held == Outcome.DENY) if stale else classes.denied_by_list,
        landing=_landing(judge, judged, bootstrap),
        known=judged.who != 0,
        fast=judged.motion.speed_low_m_s > _FAST_M_S,
        held=held,
    )
    degrees: Mapping[Cause, int | NDArray[np.uint8]] = {**causes.degrees, Cause.LOCATION_UNVERIFIABLE: locations}
    found = degrade(decided.outcome, decided.state, classes.codes, degrees, facts)
    ages = judged.motion.age_s[~np.isnan(judged.motion.age_s)]
    oldest = int(ages.max()) if len(ages) else None
    return UnderFaults(found, replace(causes.staleness, location_s=oldest))


def _landing(judge: Judge, judged: Judged, bootstrap: CompiledRulebook | None) -> NDArray[np.bool_]:
    """Which rows are denied for want of landing rights."""
    if bootstrap is None:
        book, decided = judge.basis.rulebook, judged.decided
    else:
        # Limits of speed are counted for the rulebook that decides; to another one they are unknown.
        book, decided = bootstrap.rulebook, bootstrap.decide(replace(judged.evidence, latches=None))
    # Rules of emergencies and the default lie outside of the book.
    rule = np.where((decided.rule >= 0) & (decided.rule < len(book.rules)), decided.rule, len(book.rules))
    found: NDArray[np.bool_] = _landing_rules(book)[rule] & (decided.outcome == Outcome.DENY)
    return found


@lru_cache(maxsize=8)
def _landing_rules(book: Rulebook) -> NDArray[np.bool_]:
    return np.array([*(rule.reason in LANDING_REASONS for rule in book.rules), False], bool)


def told(decisions: pa.Table, degraded: Degraded) -> pa.Table:
    """Return a decision table as it is answered: outcomes under faults, and what the outage did among the reasons.

    What the policy said stays: its reasons stand behind those of the outage, as contributing where the outage decided. Rows
    that no cause touches stay as they are.

    Args:
        decisions: of DECISION_SCHEMA, maybe with further columns; row i is row i of `degraded`.
        degraded: from `degrade`.
    """
    if not degraded.causes.any():
        return decisions
    made = decisions
    n = len(decisions)
    changed = degraded.changed
    outcome = pa.DictionaryArray.from_arrays(pa.array(degraded.outcome.astype(np.int8)), pa.array(OUTCOME_WORDS))
    state = pa.DictionaryArray.from_arrays(pa.array(degraded.state.astype(np.int8)), _STATES)
    new = {"outcome": outcome, "state": state, "reasons": _reasons(decisions, degraded), "obligations": _obligations(decisions, degraded)}
    if changed.any():
        rule = decisions.column("rule").combine_chunks()
        rule = rule.chunk(0) if isinstance(rule, pa.ChunkedArray) else rule
        names = rule.dictionary.to_pylist()
        codes = np.where(changed, len(names), rule.indices.to_numpy(zero_copy_only=False)).astype(np.int32)
        new["rule"] = pa.DictionaryArray.from_arrays(pa.array(codes), pa.array([*names, NO_RULE], pa.string()))
    for name, column in new.items():
        place = made.schema.get_field_index(name)
        made = made.set_column(place, made.schema.field(place), column.cast(made.schema.field(place).type))
    assert len(made) == n
    return made


def _reasons(decisions: pa.Table, degraded: Degraded) -> pa.ListArray:
    """Reasons of the outage that decided, then those of the policy, then the other causes."""
    old = _plain_list(decisions, "reasons")
    offsets, values = _parts(old)
    struct = values.flatten()
    m = len(values)
    keys = degraded.causes.astype(np.int64) * 256 + degraded.decisive
    used, which = np.unique(keys, return_inverse=True)
    front: list[tuple[str, str, str]] = []
    spans = []
    for key in used.tolist():
        active, decisive = divmod(key, 256)
        first = [(code, NO_RULE, DECISIVE) for code in codes_of(decisive)]
        last = [(code, NO_RULE, CONTRIBUTING) for code in codes_of(active & ~decisive)]
        spans.append((len(front), len(first), len(front) + len(first), len(last)))
        front += [*first, *last]
    span = np.array(spans, np.int64).reshape(-1, 4)[which]
    lengths = np.diff(offsets)
    total = lengths + span[:, 1] + span[:, 3]
    made = np.concatenate([[0], np.cumsum(total)])
    index = np.empty(int(made[-1]), np.int64)
    _put(index, made[:-1], span[:, 1], span[:, 0] + m)
    _put(index, made[:-1] + span[:, 1], lengths, offsets[:-1])
    _put(index, made[:-1] + span[:, 1] + lengths, span[:, 3], span[:, 2] + m)
    columns = [
        pa.concat_arrays([column.cast(pa.string()), pa.array([row[k] for row in front], pa.string())]) for k, column in enumerate(struct)
    ]
    # Where the outage decided, what the policy said is contributing.
    by_row = np.repeat(np.arange(len(lengths)), total)
    weaker = degraded.changed[by_row] & (index < m)
    third = pc.if_else(pa.array(weaker), CONTRIBUTING, columns[2].take(pa.array(index)))
    taken = [columns[0].take(pa.array(index)), columns[1].take(pa.array(index)), third]
    return pa.ListArray.from_arrays(pa.array(made.astype(np.int32)), pa.StructArray.from_arrays(taken, fields=list(REASON_TYPE)))


def _obligations(decisions: pa.Table, degraded: Degraded) -> pa.ListArray:
    """Obligations of the policy where it decided, and those of the outage."""
    offsets, values = _parts(_plain_list(decisions, "obligations"))
    m = len(values)
    words = [word for limit in LIMITS for word in limit]
    starts = np.cumsum([0, *(len(limit) for limit in LIMITS)])[:-1]
    of_limit = np.array([len(limit) for limit in LIMITS])[degraded.limit]
    lengths = np.where(degraded.changed, 0, np.diff(offsets))
    made = np.concatenate([[0], np.cumsum(lengths + of_limit)])
    index = np.empty(int(made[-1]), np.int64)
    _put(index, made[:-1], lengths, offsets[:-1])
    _put(index, made[:-1] + lengths, of_limit, starts[degraded.limit] + m)
    both = pa.concat_arrays([values.cast(pa.string()), pa.array(words, pa.string())])
    return pa.ListArray.from_arrays(pa.array(made.astype(np.int32)), both.take(pa.array(index)))


def _put(index: NDArray[np.int64], at: NDArray[np.int64], lengths: NDArray[np.int64], first: NDArray[np.int64]) -> None:
    """Write runs of consecutive numbers: lengths[i] of them from first[i] on, at at[i]."""
    if not len(lengths):
        return
    within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    index[np.repeat(at, lengths) + within] = np.repeat(first, lengths) + within


def _plain_list(decisions: pa.Table, name: str) -> pa.ListArray:
    column = decisions.column(name).combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks else pa.array([], column.type)
    return column


def _parts(lists: pa.ListArray) -> tuple[NDArray[np.int64], pa.Array]:
    """Offsets from 0, and the values between the first and the last."""
    offsets = lists.offsets.to_numpy().astype(np.int64)
    if not len(offsets):
        return np.zeros(1, np.int64), lists.values
    return offsets - offsets[0], lists.values.slice(int(offsets[0]), int(offsets[-1] - offsets[0]))
