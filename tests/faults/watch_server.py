"""Forks one process after the other, each of which watches a source, so that it can be killed.

    python watch_server.py       reads one JSON command per line, answers in JSON lines

Imports are done once, before the first fork. A forked process tells each acknowledgement as soon as the source has it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from live_server import START_NS, batch
from told_lines import say, say_ended, watched

from groundrule.instant import NS_PER_S
from groundrule.pipeline.home_ledger import LedgerSetup
from groundrule.pipeline.live.answers import LiveSettings
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.watch import broker, folder, stream
from groundrule.pipeline.watch.arrivals import Arrival, Source
from groundrule.pipeline.watch.broker import BrokerAddress, BrokerSource
from groundrule.pipeline.watch.folder import FolderSource
from groundrule.pipeline.watch.lines import LinesSource
from groundrule.pipeline.watch.reading import Reading
from groundrule.pipeline.watch.stream import StreamSource
from groundrule.pipeline.watch.stream_settings import StreamSettings
from groundrule.pipeline.watch.watcher import Watcher
from groundrule.store.home import Home
from groundrule.store.watch_positions import Positions
from small_home import make_home

SETTINGS = LiveSettings(commit_every_s=0.5, check_every_s=0.2)
NOW_NS = START_NS + 30 * 86_400 * NS_PER_S


def lines(number: int) -> bytes:
    """Submission `number` as JSON lines."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in batch(number).to_pylist())


def watch(home: str, kind: str, where: str, once: bool) -> None:
    """Watch until killed or, `once`, until nothing is left."""
    folder.PIECE_BYTES = 2_000
    broker.ACK_WAIT_S, broker.MESSAGES = 1.0, 8
    stream.SLOWEST_S = 0.2
    place = Home.open(home)
    with Live.open(place, clock=lambda: NOW_NS, settings=SETTINGS) as live, tempfile.TemporaryDirectory(dir=place.cache) as work:
        counters = live.status().counters
        source = made(place, kind, where, Reading(Path(work)), once=once)
        told(source)
        # Once the source is open: whoever feeds a pipe may close it from now on.
        say(opened=True, torn=counters["torn_segments"], recovered=counters["recovered_rows"])
        watcher = Watcher(live, source, cycle_s=0.1, once=once)
        total = watcher.run()
        say(repeated=total.repeated, rows=total.rows, rejected=total.rejected.total(), said=str(source.said()))


def made(home: Home, kind: str, where: str, reading: Reading, *, once: bool) -> Source:
    if kind == "folder":
        return FolderSource(Path(where), Positions.open(home.path, "folder"), reading, once=once)
    if kind == "lines":
        return LinesSource(os.open(where, os.O_RDONLY), reading)
    if kind == "stream":
        os.environ["STREAM_TOKEN"] = "token"
        return StreamSource(StreamSettings(where, token_env="STREAM_TOKEN", batch_size=7, linger_ms=0), home, reading, once=once)
    return BrokerSource(BrokerAddress.parse(where), home.path, reading)


def told(source: Any) -> None:
    """Have a source tell what it has acknowledged."""
    taken: Callable[[Sequence[Arrival]], None] = source.taken

    def and_say(arrivals: Sequence[Arrival]) -> None:
        taken(arrivals)
        say(taken=sum(len(each.rows) for each in arrivals), lines=source.said().get("lines", 0))

    source.taken = and_say


def warm() -> None:
    """Load compiled kernels once, so that a forked process does little but the work under test; every thread ends here."""
    with tempfile.TemporaryDirectory() as place:
        home = make_home(Path(place) / "home", ledger=LedgerSetup())
        for number in (1, 2):
            with Live.open(home, clock=lambda: NOW_NS) as live:
                live.submit(batch(number), source="warm", key=f"warm-{number}").result(60)
                assert live.detection is not None
                live.detection.drain()


def main() -> None:
    warm()
    for line in sys.stdin:
        command = json.loads(line)
        process = os.fork()
        if process == 0:
            watched()
            say(pid=os.getpid())
            try:
                watch(**command["arguments"])
            except BaseException as error:  # noqa: BLE001 - told, whatever it is
                say(error=type(error).__name__, message=str(error))
                os._exit(3)
            os._exit(0)
        _, status = os.waitpid(process, 0)
        say_ended(status)


if __name__ == "__main__":
    main()
