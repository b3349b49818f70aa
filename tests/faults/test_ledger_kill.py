"""`kill -9` at random moments, real processes and files; the campaign does it 1,000 times."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kill_runs import KillCounts, kill_runs

LOGS, RUNS = 5, 10
"""Side by side, since each waits for the disk nearly all the time."""


def test_no_kill_loses_what_was_acknowledged(tmp_path: Path) -> None:
    def killed(number: int) -> KillCounts:
        return kill_runs(tmp_path / f"log-{number}", runs=RUNS, seed=20260 + number, longest=300)

    with ThreadPoolExecutor(LOGS) as beside:
        counts = list(beside.map(killed, range(LOGS)))
    assert [what for each in counts for what in each.what] == []
    assert [(each.lost, each.faults, each.runs) for each in counts] == [(0, 0, RUNS)] * LOGS
    assert min(each.least_writes for each in counts) >= 20
    assert sum(each.repaired for each in counts) > 0, "no kill hit an append; the moments are badly chosen"
