"""Weeks of simulated outages at an enforcement point: every decision within the rules, and nearly all of them answered."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest
from simulated_outages import RATES, FullDisk, Outages, Published

from groundrule.pipeline import point_desk

GOAL = 0.9999


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return Published.make(tmp_path_factory.mktemp("outages"))


@pytest.mark.parametrize("seed", [1, 2])
def test_weeks_of_outages(published: Published, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(point_desk, "JournalFile", FullDisk)
    report = Outages(published, tmp_path / "point", seed).run(14)
    assert (report.violations, report.kinds) == ([], {})
    assert report.asked == report.answered > 8_000
    assert report.availability >= GOAL
    assert report.degraded > report.asked / 20
    assert sum(report.faults.values()) > 5
    assert statistics.median(report.loads_ms) < 1000


def test_new_snapshots_make_no_point_forget_where_jammed_terminals_are(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(point_desk, "JournalFile", FullDisk)
    for part in RATES:
        monkeypatch.setitem(RATES, part, (0, 1.0))
    monkeypatch.setitem(RATES, "positions jammed", (3000, 200.0))
    report = Outages(published, tmp_path / "point", 1).run(4)
    assert (report.violations, len(report.loads_ms)) == ([], 5)
    assert report.by_cause["degraded:location_unverifiable"] > report.asked / 4


def test_the_same_seed_gives_the_same_run(published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(point_desk, "JournalFile", FullDisk)
    first, second = (Outages(published, tmp_path / name, 7).run(3) for name in ("a", "b"))
    assert (first.by_cause, first.faults, first.changed) == (second.by_cause, second.faults, second.changed)


def test_the_model_would_see_a_desk_that_forgets_a_rule(published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same simulation over a table that lifts denials of lists while the store is down."""
    from groundrule.pipeline import degraded_answers
    from groundrule.pipeline.degraded import Facts, degrade

    def forgetful(outcome, state, classes, degrees, facts):  # type: ignore[no-untyped-def]
        return degrade(outcome, state, classes * 0 + 1, degrees, Facts(held=facts.held))

    monkeypatch.setattr(degraded_answers, "degrade", forgetful)
    monkeypatch.setitem(RATES, "store for long", (500, 300.0))
    report = Outages(published, tmp_path / "point", 3).run(5)
    assert report.kinds["rule 2"] > 0
    assert report.availability < GOAL
