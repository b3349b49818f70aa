"""`kill -9` of a live desk at random moments: real processes, files and keys; what was acknowledged is there, once."""

from __future__ import annotations

from pathlib import Path

from live_process import kill_runs

from groundrule.pipeline.home_ledger import LedgerSetup
from small_home import make_home

KILLS = 15
"""The campaign (`live_kill_campaign`) counts hundreds."""


def test_no_kill_loses_or_doubles_what_was_acknowledged(tmp_path: Path) -> None:
    template = make_home(tmp_path / "template", ledger=LedgerSetup())
    counts = kill_runs(template, tmp_path, kills=KILLS, seed=20261123)
    assert counts.faults == []
    assert (counts.lost, counts.doubled) == (0, 0)
    assert counts.runs == KILLS
    assert counts.least_writes >= 20
    assert counts.recovered > 0, "no kill left anything to recover; the moments are badly chosen"
    assert counts.again >= KILLS * 9 // 10, "what was sent again was not known as taken"
