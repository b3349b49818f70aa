"""`kill -9` at random moments, real processes and files; the campaign does it 1,000 times."""

from __future__ import annotations

from pathlib import Path

from kill_runs import kill_runs

RUNS = 50


def test_no_kill_loses_what_was_acknowledged(tmp_path: Path) -> None:
    counts = kill_runs(tmp_path / "log", runs=RUNS, seed=20260, longest=300)
    assert counts.lost == 0
    assert counts.faults == 0
    assert counts.runs == RUNS
    assert counts.least_writes >= 20
    assert counts.repaired > 0, "no kill hit an append; the moments are badly chosen"
