"""Forks one process after the other, each of which opens a live desk and submits without end, so that it can be killed.

    python live_server.py        reads one JSON command per line, answers in JSON lines

Imports are done once, before the first fork. A forked process tells each acknowledgement as soon as it has it.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
from told_lines import say, say_ended, watched

from groundrule.errors import GroundruleError
from groundrule.instant import NS_PER_S
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.pipeline.live.answers import LiveSettings
from groundrule.pipeline.live.desk import Live
from groundrule.store.home import Home
from small_home import make_home

TERMINALS = ("car", "train", "guest", "van", "late payer", "stranger")
START_NS = 1_772_445_600_000_000_000


def batch(number: int) -> pa.Table:
    """Submission `number`, the same whenever it is made; no two hold the same terminal and instant in order."""
    chance = random.Random(number)
    rows: list[dict[str, Any]] = []
    for k in range(chance.choice((1, 1, 2, 5, 40))):
        lat, lon = chance.uniform(1, 6), chance.uniform(1, 15)
        at = START_NS + number * 15 * NS_PER_S + k * 1_000_000
        if chance.random() < 0.05:
            at -= 3_600 * NS_PER_S - 7  # late, and at an instant of its own
        rows.append({"terminal_id": chance.choice(TERMINALS), "observed_at": at, "lat_deg": lat, "lon_deg": lon})
    return pa.Table.from_pylist(rows)


def named(table: pa.Table) -> list[tuple[str, int]]:
    return [(row["terminal_id"], row["observed_at"]) for row in table.to_pylist()]


def hammer(home: str, first: int, seed: int) -> None:
    """Submit from a number on, without end; every submission under its own key."""
    chance = random.Random(seed)
    settings = LiveSettings(commit_every_s=0.5, check_every_s=0.2)
    live = Live.open(Home.open(home), clock=lambda: START_NS + 30 * 86_400 * NS_PER_S, settings=settings)
    counters = live.status().counters
    say(opened=True, torn=counters["torn_segments"], recovered=counters["recovered_rows"])
    number = first
    while True:
        count = chance.choice((1, 1, 1, 4))
        futures = [live.submit(batch(n), source="hammer", key=f"key-{n}") for n in range(number, number + count)]
        for n, future in zip(range(number, number + count), futures, strict=True):
            answered = future.result(60)
            say(acked=n, again=answered.taken_before, rows=len(answered.decisions))
        number += count
        if chance.random() < 0.03:
            live.act(lambda _home, _ledger: None).result(60)
            say(acted=True)


def until_it_fails(home: str, seconds: float) -> None:
    """Submit until the disk fails; then everything else must go on, and nothing more be taken."""
    live = Live.open(Home.open(home), clock=lambda: START_NS + 30 * 86_400 * NS_PER_S, settings=LiveSettings(check_every_s=3_600))
    number, until = 1, time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            live.submit(batch(number), source="fail").result(60)
            say(acked=number)
            number += 1
    except GroundruleError as error:
        say(error=type(error).__name__, context={k: v for k, v in error.context.items() if isinstance(v, bool)})
        say(evaluated=len(live.evaluate(batch(number)).result(60).decisions), fleet=len(live.fleet()))
        try:
            live.submit(batch(number + 1), source="fail").result(60)
            say(went_on=True)
        except GroundruleError as second:
            say(again={k: v for k, v in second.context.items() if isinstance(v, bool)})
        say(ready=live.status().ready, why=[each.why for each in live.status().checks if each.name == "intake"])


JOBS = {"hammer": hammer, "until_it_fails": until_it_fails}


def warm() -> None:
    """Load compiled kernels once, so that a forked process does little but the work under test; every thread ends here."""
    with tempfile.TemporaryDirectory() as folder:
        home = make_home(Path(folder) / "home", ledger=LedgerSetup())
        for number in (1, 2):
            with Live.open(home, clock=lambda: START_NS + 30 * 86_400 * NS_PER_S) as live:
                live.submit(batch(number), source="warm", key=f"warm-{number}").result(60)
                live.submit(batch(1), source="warm").result(60)


def main() -> None:
    warm()
    for line in sys.stdin:
        command = json.loads(line)
        process = os.fork()
        if process == 0:
            watched()
            say(pid=os.getpid())
            try:
                JOBS[command["job"]](**command["arguments"])
            except BaseException as error:  # noqa: BLE001 - told, whatever it is
                say(error=type(error).__name__, message=str(error))
                os._exit(3)
            os._exit(0)
        _, status = os.waitpid(process, 0)
        say_ended(status)


if __name__ == "__main__":
    main()
