"""Kill a writing process again and again, always on the same growing log."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from log_process import Broken, Outcome, check_readers_view, check_recovery, create, server


@dataclass
class KillCounts:
    """What came of it.

    Attributes:
        runs: processes killed.
        writes: appends acknowledged before the kills; `least_writes` of one process.
        acked: entries acknowledged.
        repaired: kills that left something to repair.
        lost: runs after which something acknowledged was missing.
        faults: runs after which fsck found damage, a repeated or missing number, or the log refused to open.
        slowest_restart_s: longest time that opening and checking the log took.
    """

    runs: int = 0
    writes: int = 0
    least_writes: int = 10**9
    acked: int = 0
    repaired: int = 0
    lost: int = 0
    faults: int = 0
    slowest_restart_s: float = 0.0
    what: list[str] = field(default_factory=list)


def kill_runs(folder: Path, *, runs: int, seed: int, longest: int, fresh_every: int = 10) -> KillCounts:
    """Run a process until 20 to 30 of its writes are acknowledged, kill it at once or a little later, and check.

    Args:
        folder: for the log; it is made, and made anew every `fresh_every` runs.
        runs: processes to kill.
        seed: decides the moments and the load.
        longest: most entries of one append.
        fresh_every: runs on one log.
    """
    chance = random.Random(seed)
    counts = KillCounts()
    known: dict[int, bytes] = {}
    published: bytes | None = None
    with server() as running:
        for run in range(runs):
            if run % fresh_every == 0:
                shutil.rmtree(folder, ignore_errors=True)
                create(folder, chance.choice((0, 3, 255)))
                known, published = {}, None
            process = running.start("hammer", folder=str(folder), seed=chance.getrandbits(32), longest=longest)
            outcome, writes = Outcome(), 0
            until = chance.randint(20, 30)
            while writes < until:
                line = running.line()
                outcome.take(line)
                writes += "acked" in line
                if "exit" in line:
                    break
            if outcome.exit is None:
                time.sleep(chance.random() * 0.004)  # a random moment of the next append or commit
                os.kill(process, signal.SIGKILL)
                running.finish(outcome)
            known |= outcome.acked
            published = outcome.published or published
            counts.runs += 1
            counts.writes += writes
            counts.least_writes = min(counts.least_writes, writes)
            counts.acked += len(outcome.acked)
            started = time.perf_counter()
            try:
                if outcome.exit != -signal.SIGKILL:
                    raise Broken(f"the process ended by itself: {outcome.error} {outcome.message}")
                check_readers_view(folder)
                counts.repaired += bool(check_recovery(folder, known, published, more=0))
            except Exception as error:  # noqa: BLE001 - whatever goes wrong is counted and named, with its run
                counts.lost += "acknowledged" in str(error)
                counts.faults += "acknowledged" not in str(error)
                counts.what.append(f"seed {seed} run {run}: {type(error).__name__}: {error}")
            counts.slowest_restart_s = max(counts.slowest_restart_s, time.perf_counter() - started)
    return counts
