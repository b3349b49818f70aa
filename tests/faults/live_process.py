"""Drive the processes of `live_server.py`, and check what they leave behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from live_server import START_NS, batch, named
from told_lines import told

import groundrule
from groundrule.instant import NS_PER_S
from groundrule.pipeline.live.answers import LiveSettings
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.manifests import runs
from groundrule.pipeline.replaying import replay
from groundrule.store.history import read_run
from groundrule.store.home import Home
from groundrule.store.segments import segments_of
from small_home import copy_home

SERVER = Path(__file__).with_name("live_server.py")


class Server:
    """A running `live_server.py`, or another one that takes the same commands."""

    def __init__(self, program: Path = SERVER) -> None:
        source = str(Path(groundrule.__file__).parents[1])
        self._process = subprocess.Popen(
            [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([source, str(SERVER.parents[1])])},
        )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout

    def start(self, job: str, **arguments: Any) -> int:
        self._input.write(json.dumps({"job": job, "arguments": arguments}).encode() + b"\n")
        self._input.flush()
        return int(self.line()["pid"])

    def line(self) -> dict[str, Any]:
        line = told(self._output)
        assert line, "the server has ended"
        return line

    def close(self) -> None:
        self._input.close()
        self._process.wait(timeout=30)
        self._output.close()


@contextmanager
def server() -> Iterator[Server]:
    running = Server()
    try:
        yield running
    finally:
        running.close()


@dataclass
class KillCounts:
    """What came of killing.

    Attributes:
        runs: processes killed.
        writes: acknowledgements, of all; `least_writes` of one process.
        torn: kills that left a torn tail; `recovered` rows that were acknowledged and in no run.
        again: submissions that were found taken when they were sent again.
        lost, doubled: observations that were acknowledged and are missing, or are there twice.
        slowest_restart_s: longest time from fork to open.
    """

    runs: int = 0
    writes: int = 0
    least_writes: int = 10**9
    torn: int = 0
    recovered: int = 0
    again: int = 0
    lost: int = 0
    doubled: int = 0
    slowest_restart_s: float = 0.0
    faults: list[str] = field(default_factory=list)


def kill_runs(template: Home, folder: Path, *, kills: int, seed: int, fresh_every: int = 10) -> KillCounts:
    """Kill a submitting process again and again; each begins with what the one before may have had under way.

    Args:
        template: an empty home, which is copied.
        folder: for the copies.
        kills: processes to kill.
        seed: decides the moments and the load.
        fresh_every: kills on one home.
    """
    chance = random.Random(seed)
    counts = KillCounts()
    with server() as running:
        for number in range(0, kills, fresh_every):
            home, acked = copy_home(template, folder / f"home-{number}"), set[int]()
            for _ in range(min(fresh_every, kills - number)):
                _kill_one(running, home, acked, counts, chance)
            check(home, acked, counts)
    return counts


def _kill_one(running: Server, home: Home, acked: set[int], counts: KillCounts, chance: random.Random) -> None:
    first = max(acked, default=0)  # known to be taken; those after it may be
    started = time.perf_counter()
    process = running.start("hammer", home=str(home.path), first=max(1, first), seed=chance.getrandbits(32))
    writes, until, ended = 0, chance.randint(20, 30), False
    while writes < until and not ended:
        line = running.line()
        if "opened" in line:
            counts.slowest_restart_s = max(counts.slowest_restart_s, time.perf_counter() - started)
            counts.torn += line["torn"]
            counts.recovered += line["recovered"]
        if "acked" in line:
            writes += 1
            acked.add(line["acked"])
            counts.again += line["again"]
        if "error" in line:
            counts.faults.append(f"{line['error']}: {line['message']}")
        ended = "exit" in line
    if not ended:
        time.sleep(chance.random() * 0.01)
        os.kill(process, signal.SIGKILL)
        while "exit" not in (line := running.line()):
            if "acked" in line:
                acked.add(line["acked"])
    counts.runs += 1
    counts.writes += writes
    counts.least_writes = min(counts.least_writes, writes)


def check(home: Home, acked: set[int], counts: KillCounts) -> None:
    """Everything acknowledged is in a run, once; stored decisions follow from stored observations."""
    with Live.open(home, clock=lambda: START_NS + 40 * 86_400 * NS_PER_S, settings=LiveSettings(check_every_s=3_600)):
        pass
    if segments_of(home):
        counts.faults.append("segments are left")
    stored: Counter[tuple[str, int]] = Counter()
    for run in runs(home):
        for table in read_run(home, "observations", run, columns=["terminal_id", "observed_at"]):
            stored.update(named(table))
    wanted: Counter[tuple[str, int]] = Counter()
    for number in acked:
        wanted.update(named(batch(number)))
    counts.lost += sum((wanted - stored).values())
    # One row of the last submission before a kill may be there without its acknowledgement; none may be there twice.
    every: Counter[tuple[str, int]] = Counter()
    for number in range(1, max(acked) + 5):
        every.update(named(batch(number)))
    counts.doubled += sum((stored - every).values())
    replayed = replay(home)
    if not replayed.identical:
        counts.faults.append(f"replay: {replayed.difference} {replayed.faults[:1]}")
