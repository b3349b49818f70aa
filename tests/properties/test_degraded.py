"""All 2,187 combinations of faults, for every class, base result and fact: the table, and the four rules as properties."""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from slow_degraded import FAULTS, ORDER, Row, decide

from groundrule.errors import InputError
from groundrule.pipeline.classes import CLASS_WORDS, TerminalClass
from groundrule.pipeline.degraded import CAUSES, LIMITS, Cause, Degraded, Facts, codes_of, degrade
from groundrule.reasons import CATALOGUE
from groundrule.records import OUTCOME_WORDS, Outcome, ServiceState
from groundrule.rules.classes import STATES

NORMAL, NEVER, DEGRADED = (STATES.index(each) for each in (ServiceState.NORMAL, ServiceState.NEVER_SERVED, ServiceState.DEGRADED))
GRID = list(product((0, 1, 2), repeat=len(CAUSES)))
FRESH = [CAUSES.index(each) for each in (Cause.POLICY_STORE_DOWN, Cause.SNAPSHOT_INVALID, Cause.NO_SNAPSHOT, Cause.CLOCK_DOUBTFUL)]


def rows() -> list[Row]:
    """Every row that can be: a denial by a list is a denial, and was one; what was never served is no denial."""
    made = []
    for class_, base, held in product(CLASS_WORDS, ORDER, ORDER):
        for by_list, landing, emergency, known, fast, never in product((False, True), repeat=6):
            if (by_list and (base, held) != ("deny", "deny")) or (never and (base, held) != ("restrict", "restrict")):
                continue
            made.append(Row(class_, base, held, by_list, landing, emergency, known, fast, never))
    return made


ROWS = rows()


def column(name: str) -> NDArray[np.bool_]:
    return np.array([getattr(row, name) for row in ROWS], bool)


OUTCOME = np.array([OUTCOME_WORDS.index(row.base) for row in ROWS], np.uint8)
HELD = np.array([OUTCOME_WORDS.index(row.held) for row in ROWS], np.uint8)
CLASSES = np.array([CLASS_WORDS.index(row.class_) for row in ROWS], np.uint8)
STATE = np.where(column("never_served"), NEVER, NORMAL).astype(np.uint8)
FACTS = Facts(column("by_list"), column("landing"), column("emergency"), column("known"), column("fast"), HELD)
PROTECTED = CLASSES == TerminalClass.PROTECTED


@cache
def found(grid: tuple[int, ...]) -> Degraded:
    return degrade(OUTCOME, STATE, CLASSES, dict(zip(CAUSES, grid, strict=True)), FACTS)


@cache
def wanted(grid: tuple[int, ...]) -> NDArray[np.uint8]:
    """Of the slow model, which is asked once where only screening and the log differ: it says itself that they do not matter."""
    degree = dict(zip(FAULTS, grid, strict=True))
    return np.array([ORDER.index(decide(row, degree)) for row in ROWS], np.uint8)


def test_the_words_are_those_of_the_specification() -> None:
    assert tuple(each.value for each in CAUSES) == FAULTS
    assert ORDER == OUTCOME_WORDS
    assert {cause.reason for cause in CAUSES} == {code for code, reason in CATALOGUE.items() if reason.group == "degraded"}
    assert len(GRID) == 2187


@pytest.mark.parametrize("third", range(3))
def test_every_combination_of_faults_is_decided_as_the_table_says(third: int) -> None:
    assert len(ROWS) == 864
    for grid in GRID[third::3]:
        bare = (*grid[:4], 0, 0, grid[6])
        assert (found(grid).outcome == wanted(bare)).all(), grid


def test_the_slow_model_says_that_screening_and_log_change_nothing() -> None:
    for grid in GRID[5::97]:
        assert (wanted(grid) == wanted((*grid[:4], 0, 0, grid[6]))).all()


def test_rule_1_no_outage_creates_a_denial_for_a_protected_terminal() -> None:
    allowed = PROTECTED & (OUTCOME < Outcome.DENY)
    assert allowed.sum() > 100
    for grid in GRID:
        assert not (found(grid).outcome[allowed] == Outcome.DENY).any(), grid


def test_rule_2_no_outage_lifts_a_denial_by_a_list() -> None:
    listed = column("by_list")
    assert {CLASS_WORDS[each] for each in CLASSES[listed]} == set(CLASS_WORDS)
    for grid in GRID:
        assert (found(grid).outcome[listed] == Outcome.DENY).all(), grid


def test_rule_3_a_new_denial_needs_a_fresh_snapshot() -> None:
    new = (OUTCOME == Outcome.DENY) & (HELD < Outcome.DENY)
    # The table itself denies where there is nothing to decide by, or a location cannot be verified; that is no activation.
    quiet = new & ~column("landing") & ~column("fast")
    assert quiet.sum() == 36
    for grid in GRID:
        stale = any(grid[each] for each in FRESH)
        table_denies = grid[CAUSES.index(Cause.SNAPSHOT_INVALID)] == 2 or grid[CAUSES.index(Cause.NO_SNAPSHOT)] > 0
        chosen = quiet & PROTECTED if table_denies else quiet
        if stale:
            assert not (found(grid).outcome[chosen] == Outcome.DENY).any(), grid
        else:
            unaffected = chosen & ~PROTECTED
            assert (found(grid).outcome[unaffected] == Outcome.DENY).all(), grid


def test_rule_4_every_degraded_decision_carries_its_causes_and_is_counted() -> None:
    for grid in GRID:
        degraded = found(grid)
        reasons = {cause.reason for cause, degree in zip(CAUSES, grid, strict=True) if degree}
        assert degraded.counts == dict.fromkeys(reasons, len(ROWS))
        for row in (0, len(ROWS) // 2, len(ROWS) - 1):
            assert set(degraded.reasons(row)) == reasons
        # What is not the policy's outcome says so, and names a cause that made it so.
        assert (degraded.changed == (degraded.outcome != OUTCOME)).all()
        assert (degraded.state[degraded.changed] == DEGRADED).all()
        assert (degraded.state[~degraded.changed] == STATE[~degraded.changed]).all()
        assert (degraded.decisive[degraded.changed] != 0).all()
        assert (degraded.decisive & ~degraded.causes == 0).all()
        assert degraded.opened == int(((OUTCOME == 3) & (degraded.outcome < 3)).sum())
        assert degraded.closed == int(((OUTCOME < 3) & (degraded.outcome == 3)).sum())


def test_without_faults_nothing_changes() -> None:
    well = found((0,) * len(CAUSES))
    assert (well.outcome == OUTCOME).all()
    assert not well.causes.any()
    assert well.counts == {}


def test_what_was_never_served_is_neither_opened_nor_closed() -> None:
    never = column("never_served")
    for grid in GRID[::13]:
        assert (found(grid).outcome[never] == OUTCOME[never]).all()
        assert (found(grid).state[never] == NEVER).all()


def test_whoever_is_restricted_by_an_outage_is_told_to_what() -> None:
    for grid in GRID:
        degraded = found(grid)
        restricted = degraded.changed & (degraded.outcome == Outcome.RESTRICT) & (HELD != Outcome.RESTRICT)
        assert (degraded.limit[restricted] > 0).all(), grid
        assert (degraded.limit[degraded.outcome != Outcome.RESTRICT] == 0).all()
    assert LIMITS[0] == ()


def test_degrees_may_differ_from_row_to_row() -> None:
    location = np.arange(len(ROWS), dtype=np.uint8) % 3
    mixed = degrade(OUTCOME, STATE, CLASSES, {Cause.LOCATION_UNVERIFIABLE: location, Cause.POLICY_STORE_DOWN: 2}, FACTS)
    for degree in range(3):
        alone = found((2, 0, 0, degree, 0, 0, 0))
        same = location == degree
        assert (mixed.outcome[same] == alone.outcome[same]).all()
        assert (mixed.causes[same] == alone.causes[same]).all()
    assert mixed.counts["degraded:location_unverifiable"] == int((location > 0).sum())


def test_bad_arguments_are_refused() -> None:
    one = np.zeros(1, np.uint8)
    for bad in (3, -1, np.array([0, 0], np.uint8)):
        with pytest.raises(InputError, match="degree"):
            degrade(one, one, one, {Cause.LEDGER_DOWN: bad})
    with pytest.raises(InputError, match="class"):
        degrade(one, one, one + np.uint8(7), {})
    with pytest.raises(InputError, match="facts"):
        degrade(one, one, one, {}, Facts(fast=np.zeros(2, bool)))


def test_codes_of_a_mask_stand_in_the_order_of_the_table() -> None:
    assert codes_of(0) == ()
    assert codes_of(0b1000001) == ("degraded:policy_store_down", "degraded:clock_doubtful")
    assert len({codes_of(mask) for mask in range(128)}) == 128
