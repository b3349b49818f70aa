"""Where a preview and the decisions of a run differ, the difference is one that the preview announces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundrule.instant import MAX_NS
from groundrule.pipeline.fleet import load_fleet
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.impact import timeline
from groundrule.pipeline.judge import Judge
from groundrule.pipeline.unseen import unseen
from groundrule.records import OUTCOME_WORDS
from groundrule.rules.text import read_rulebook
from groundrule.store.home import Home
from small_home import BOOK, RECORDED, copy_home, make_home, run, stored, stream

TIMELESS = BOOK[: BOOK.index("  - id: bland-window")] + BOOK[BOOK.index("  - id: too-fast") :]
"""No rule that begins or ends: what time brings is announced in general, not rule by rule."""
PASTLESS = TIMELESS[: TIMELESS.index("  - id: too-fast")]


@pytest.fixture(scope="module", params=["with memory", "without"])
def template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Home:
    book = {"with memory": TIMELESS, "without": PASTLESS}[request.param]
    return make_home(tmp_path_factory.mktemp("unseen") / "home", book=book)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_every_difference_is_announced(template: Home, tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    home = copy_home(template, Path(tmp_path_factory.mktemp("case")) / "home")
    run(home, stream(seed))
    decided = {row["terminal_id"]: (row["outcome"], row["rule"]) for row in stored(home, 1)}  # in order of time
    fleet = load_fleet(home)
    basis = basis_of(home, recorded_at_ns=MAX_NS - 1, registers=timeline(home, RECORDED))
    seen = Judge(basis).judge(fleet.table, as_of_ns=RECORDED)
    announced = {each.rule for each in unseen(basis.rulebook)}
    names = [rule.id for rule in basis.rulebook.rules]
    placeless = np.isnan(seen.motion.lat_deg)
    for row, terminal in enumerate(fleet.table["terminal_id"].to_pylist()):
        outcome = OUTCOME_WORDS[seen.decided.outcome[row]]
        rule = names[seen.decided.rule[row]] if seen.decided.rule[row] >= 0 else ""
        if outcome != decided[terminal][0]:
            assert placeless[row] or {rule, decided[terminal][1]} & announced, (terminal, outcome, rule, decided[terminal])


def test_what_is_announced() -> None:
    assert {each.rule for each in unseen(read_rulebook(TIMELESS))} == {"too-fast", "long-stay"}
    assert unseen(read_rulebook(PASTLESS)) == ()
    assert len(unseen(read_rulebook(TIMELESS), read_rulebook(PASTLESS))) == 2
