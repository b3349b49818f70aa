"""Emergencies over decisions: compared row by row with a slow model, however the rows are batched; and when they end (I9)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import governed_world as gw
from governed_world import DAY, HOUR, MINUTE, SECOND, START, World
from groundrule.govern.effect import Clocked, Effect, effects
from groundrule.govern.objects import Emergency
from groundrule.instant import NS_PER_S
from groundrule.pipeline.decisions import DecisionWriter
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.judge import Basis, Judge
from groundrule.pipeline.overlay import Measure, Overlay
from groundrule.pipeline.transitions import Transitions
from groundrule.records import OUTCOME_WORDS, Outcome
from small_home import ACCOUNTS, BOOK, LIST, RECORDED, T0, TERMINALS, make_home, register, stream

EXAMPLES = 500
HELD = BOOK.replace("reason: account_disabled", "reason: sanctions")
HOSPITALS = TERMINALS.replace("activation_country\n", "activation_country,protected_class\n")
AREAS = ("closed", "country:AT", "country:BE", "sea:AT", "unknown area")
NAMES = ("car", "train", "guest", "late payer", "stranger", "nobody")
PROTECTED = "train"
ORDINARY: dict[int, list[dict[str, Any]]] = {}
"""Decisions without an emergency, by seed."""


@pytest.fixture(scope="module")
def basis(tmp_path_factory: pytest.TempPathFactory) -> Basis:
    home = make_home(Path(tmp_path_factory.mktemp("overlay")) / "home", book=HELD, registers=False)
    register(home, "accounts", ACCOUNTS)
    lines = HOSPITALS.strip().splitlines()
    rows = [lines[0], *(f"{line},{'hospital' if line.startswith(PROTECTED) else 'none'}" for line in lines[1:])]
    register(home, "terminals", "\n".join(rows) + "\n")
    register(home, "list_entries", LIST)
    return basis_of(home, recorded_at_ns=RECORDED)


MEASURE = st.builds(
    lambda n, permits, areas, terminals, ops, start, length: Measure(
        f"emergency-{n:032x}", "danger_to_life", permits, frozenset(areas), frozenset(terminals),
        tuple(sorted(op for op in ops if (op in (Outcome.SERVE, Outcome.REVIEW)) is permits or op is Outcome.REVIEW)) or (Outcome.REVIEW,),
        T0 + start * NS_PER_S, T0 + (start + length) * NS_PER_S, T0 + 10 * DAY,
    ),
    st.integers(0, 2**100), st.booleans(), st.sets(st.sampled_from(AREAS), max_size=3), st.sets(st.sampled_from(NAMES), max_size=2),
    st.sets(st.sampled_from(list(Outcome)), min_size=1), st.integers(-100, 20_000), st.integers(0, 90_000),
)  # fmt: skip


def rows_under(basis: Basis, tables: list[pa.Table]) -> list[dict[str, Any]]:
    judge = Judge(basis)
    writer = DecisionWriter(judge)
    transitions = Transitions(judge, {})
    found: list[dict[str, Any]] = []
    for table in tables:
        judged = judge.judge(table)
        found += writer.table(judged).to_pylist()
        for row in transitions.of(judged):
            transitions.answer(judged, int(row))
    return found


def slow(row: dict[str, Any], measures: tuple[Measure, ...]) -> dict[str, Any]:
    """What the specification says about one ordinary decision, measure by measure; permits first."""
    outcome, rule, until, decisive = Outcome[row["outcome"].upper()], row["rule"], row["valid_until"], None
    fixed = any(each["rule"] == "suspended" for each in row["reasons"])
    for each in sorted(measures, key=lambda item: not item.permits):
        if row["decided_at"] >= each.until_ns:
            continue
        memberships = {hit["membership"] for hit in row["areas"] if hit["id"] in each.areas}
        named = row["terminal_id"] in each.terminals
        if not memberships and not named:
            continue
        if row["decided_at"] < each.from_ns:
            until = min(until, each.from_ns)
            continue
        inside = named or "inside" in memberships
        if each.permits:
            best = min(each.ops) if inside else max(min(each.ops), Outcome.REVIEW)
            change = outcome > best and not fixed
        else:
            best = max(each.ops) if inside else min(max(each.ops), Outcome.REVIEW)
            change = outcome < best and (named or row["terminal_id"] != PROTECTED)
        if change:
            outcome, rule, until = best, each.id, min(until, each.until_ns)
            decisive = "emergency_permit" if each.permits else "emergency_deny"
    return {"outcome": outcome.word, "rule": rule, "valid_until": until, "decisive": decisive}


@settings(max_examples=100, deadline=None)  # each decides 60 rows three times
@given(st.integers(0, 9), st.lists(MEASURE, min_size=1, max_size=4, unique_by=lambda item: item.id), st.integers(1, 60))
def test_every_row_is_what_the_slow_model_says(basis: Basis, seed: int, measures: list[Measure], size: int) -> None:
    table = stream(seed, rows=60).sort_by("observed_at")
    if seed not in ORDINARY:
        ORDINARY[seed] = rows_under(basis, [table])
    ordinary = ORDINARY[seed]
    under = replace(basis, overlay=Overlay(tuple(measures)))
    found = rows_under(under, [table])
    assert found == rows_under(under, [table.slice(first, size) for first in range(0, len(table), size)])
    for before, after in zip(ordinary, found, strict=True):
        wanted = slow(before, tuple(measures))
        assert {name: after[name] for name in ("outcome", "rule", "valid_until")} == {
            name: wanted[name] for name in ("outcome", "rule", "valid_until")
        }
        assert after["outcome"] in OUTCOME_WORDS
        if wanted["decisive"] is None:
            assert replace_until(after) == replace_until(before)
        else:
            assert after["reasons"][0] == {"code": wanted["decisive"], "rule": wanted["rule"], "class": "decisive"}
            assert [(each["code"], each["rule"]) for each in after["reasons"][1:]] == [
                (each["code"], each["rule"]) for each in before["reasons"]
            ]


def replace_until(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "valid_until"}


@settings(max_examples=200, deadline=None)
@given(st.lists(MEASURE, max_size=4, unique_by=lambda item: item.id))
def test_an_overlay_is_its_bytes(measures: list[Measure]) -> None:
    made = Overlay(tuple(measures))
    assert Overlay.parse(made.data) == made


# --- when it ends ---------------------------------------------------------------------------------------------------------

CLOCK = st.tuples(st.integers(0, 40), st.sampled_from((0, 0, 0, DAY, -DAY, 30 * MINUTE, -30 * MINUTE)), st.booleans())


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(2, 120), st.lists(CLOCK, min_size=1, max_size=20))
def test_nothing_decided_now_is_under_an_emergency_that_any_clock_says_is_over(ttl_min: int, steps: list[tuple[int, int, bool]]) -> None:
    """I9: the wall clock stepped by a day and back, restarts between; an observation of now, by the clock as it stands."""
    ttl = ttl_min * MINUTE
    clocked, true_ns, offset, furthest = Clocked(START, ttl).tick(START, 0), 0, 0, 0
    world = World.governed()
    world.now = START
    effect = Effect(Emergency.parse(world.emergency_value(ttl_s=ttl // SECOND)), START, START + ttl, START)
    for minutes, step, restart in steps:
        true_ns += minutes * MINUTE
        offset += step
        wall = START + true_ns + offset
        furthest = max(furthest, true_ns, wall - START)
        clocked = clocked.tick(wall, minutes * MINUTE)
        if restart:
            clocked = Clocked(**{name: getattr(clocked, name) for name in Clocked.__slots__})
        cut = clocked.cut(effect)
        assert START <= cut.from_ns <= cut.until_ns <= START + ttl
        if furthest >= ttl:
            assert clocked.ended_ns is not None
            assert not cut.from_ns <= wall < cut.until_ns, "an observation of now"
        elif offset == 0 and furthest == true_ns:
            assert cut == effect, "no clock was ever wrong: all of its time"


def test_with_clocks_that_are_right_it_has_all_of_its_time() -> None:
    clocked = Clocked(START, HOUR).tick(START, 0)
    for _ in range(7):
        clocked = clocked.tick(START + clocked.monotonic_ns + 10 * MINUTE, 10 * MINUTE)
    assert clocked.ended_ns == START + HOUR


def windows(world: World) -> list[tuple[int, int]]:
    return [((each.from_ns - START) // MINUTE, (each.until_ns - START) // MINUTE) for each in effects(world.state)]


def test_it_has_an_effect_from_its_entry_until_the_first_of_its_ends() -> None:
    world = World.governed()
    began = (world.now - START) // MINUTE
    name = world.open_emergency(ttl_s=7200)
    assert windows(world) == [(began, began + 120)]
    world.now += 30 * MINUTE
    close = {"emergency": name, "end": "closed", "at": gw.format_time(world.now)}
    world.log("emergency-close", gw.envelope("emergency-close", close, "e3"))
    assert windows(world) == [(began, began + 30)]


def test_a_missed_review_ends_it_and_a_reversal_too() -> None:
    world = World.governed()
    began = (world.now - START) // MINUTE
    due = {"review_due": gw.format_time(world.now + 60 * MINUTE)}
    world.open_emergency(ttl_s=7200, **due)
    assert windows(world) == [(began, began + 60)], "no review is concluded before it is due"
    other = World.governed()
    name = other.open_emergency(ttl_s=7200, **due)
    other.now += 20 * MINUTE
    other.conclude(name, "upheld")
    assert windows(other) == [(began, began + 120)]
    third = World.governed()
    name = third.open_emergency(ttl_s=7200, **due)
    third.now += 20 * MINUTE
    third.conclude(name, "reversed")
    assert windows(third) == [(began, began + 20)]
