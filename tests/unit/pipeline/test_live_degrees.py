"""Degrees of causes as a service sees them: lists that never came, and positions that a verifier doubts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import small_home as sh
from governed_home import base_home, desk
from groundrule.pipeline.degraded import Cause
from groundrule.pipeline.judge import Judge, Judged
from groundrule.pipeline.live.answers import LiveSettings
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.live.health import Health
from groundrule.rules.evidence import Coded
from groundrule.rules.text import load_rulebook

QUIET = LiveSettings(commit_every_s=3_600, check_every_s=3_600)


def test_lists_that_were_never_loaded_are_degree_2_where_rules_screen_and_somebody_governs(tmp_path: Path) -> None:
    home = base_home(tmp_path / "home")
    health = Health(home, None, lambda: sh.RECORDED)
    screening = load_rulebook("world-2026")
    assert Cause.SCREENING_STALE not in health.look(screening).causes.degrees, "nobody governs it yet"
    with desk(home) as governing:
        governing.genesis()
    seen = health.look(screening)
    assert seen.causes.degrees[Cause.SCREENING_STALE] == 2
    assert "degraded:screening_stale" in seen.reasons
    assert seen.staleness(sh.RECORDED).screening_s is None
    check = next(each for each in seen.checks if each.name == "screening")
    assert (check.ok, check.why, check.vital) == (False, "no list was imported", False)


@pytest.mark.parametrize(
    ("verdict", "outcome", "state"),
    [("consistent", "serve", "normal"), ("insufficient", "restrict", "degraded"), ("inconsistent", "review", "degraded")],
)
def test_a_position_that_a_verifier_doubts_degrades_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verdict: str, outcome: str, state: str
) -> None:
    plain = Judge.judge

    def verified(self: Judge, *given: Any, **named: Any) -> Judged:
        judged = plain(self, *given, **named)
        said = Coded(np.zeros(len(judged.table), np.int32), (verdict,))
        return replace(judged, evidence=replace(judged.evidence, categories={**judged.evidence.categories, "verdict": said}))

    monkeypatch.setattr(Judge, "judge", verified)
    with Live.open(sh.make_home(tmp_path / "home"), clock=lambda: sh.RECORDED, settings=QUIET) as live:
        rows = sh.table([sh.observation("guest", 0, 5, 12)]).drop_columns(["source", "source_row"])
        (row,) = live.submit(rows, source="test").result(30).decisions.to_pylist()
        assert (row["outcome"], row["state"]) == (outcome, state)
        assert ("degraded:location_unverifiable" in {each["code"] for each in row["reasons"]}) == (verdict != "consistent")
        live.commit().result(30)
        assert live.status().counters["differences"] == 0, "the run holds what the rules say"
