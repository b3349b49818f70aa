"""Feed a source while the process that watches it is killed again and again, and check that each observation is in history once."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from live_process import Server
from live_server import START_NS, batch, named
from watch_server import lines

from broker import Broker
from groundrule.instant import NS_PER_S
from groundrule.pipeline.live.answers import LiveSettings
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.manifests import runs
from groundrule.pipeline.replaying import replay
from groundrule.store.history import read_run
from groundrule.store.home import Home
from groundrule.store.segments import segments_of
from small_home import copy_home
from telemetry_server import Telemetry, terminal_row

WATCH_SERVER = Path(__file__).with_name("watch_server.py")


@dataclass
class WatchCounts:
    """What came of killing.

    Attributes:
        kills: processes killed. rows: observations that were sent, each as often as the source sends it.
        acknowledged: rows that the source was told of before kills.
        recovered: rows that were acknowledged and in no run when a process began. torn: kills that left a torn tail.
        repeated: rows that were found taken when they were read again.
        lost, doubled: observations that are missing, or are there twice.
    """

    kills: int = 0
    rows: int = 0
    acknowledged: int = 0
    recovered: int = 0
    torn: int = 0
    repeated: int = 0
    lost: int = 0
    doubled: int = 0
    faults: list[str] = field(default_factory=list)


class Feed(Protocol):
    """Something that is watched.

    Attributes:
        kind, where: as `watch_server.watch` takes them.
        sent: terminal and instant of each observation that was sent, or will be until everything is.
    """

    kind: str
    where: str
    sent: Counter[tuple[str, int]]

    def more(self) -> None:
        """Send a little more."""

    def acknowledged(self, line: dict[str, Any]) -> None:
        """Hear what the process told."""

    def restarts(self) -> None:
        """A process was killed; another one comes."""

    def ends(self) -> None:
        """Nothing more will come."""


class FolderFeed:
    """Files that are dropped, renamed in, appended to and begun without an end."""

    kind = "folder"

    def __init__(self, folder: Path, seed: int) -> None:
        folder.mkdir()
        self.where, self.sent = str(folder), Counter[tuple[str, int]]()
        self._folder, self._chance, self._number, self._half = folder, random.Random(seed), 0, b""

    def more(self) -> None:
        self._number += 1
        data, way = lines(self._number), self._chance.choice(("append", "append", "rename", "torn", "again"))
        self.sent.update(named(batch(self._number)))
        grows = self._folder / f"grows-{self._number // 40}.jsonl"
        if way == "rename":
            (self._folder / ".new").write_bytes(data)
            (self._folder / ".new").rename(self._folder / f"{self._number}.jsonl")
            return
        if way == "again" and self._number > 1:
            (self._folder / f"again-{self._number}.jsonl").write_bytes(lines(self._number - 1))
        with grows.open("ab") as stream:
            cut = len(data) // 2 if way == "torn" else len(data)
            stream.write(data[:cut])
            stream.flush()
            if cut < len(data):
                time.sleep(0.002)
                stream.write(data[cut:])

    def acknowledged(self, line: dict[str, Any]) -> None:
        """A folder is told nothing."""

    def restarts(self) -> None:
        """The files are still there."""

    def ends(self) -> None:
        """Nothing more is written."""


class LinesFeed:
    """A pipe; what was not told to be durable is sent again."""

    kind = "lines"

    def __init__(self, path: Path, seed: int) -> None:
        os.mkfifo(path)
        self.where, self.sent = str(path), Counter[tuple[str, int]]()
        self._number = seed % 7
        self._made: list[bytes] = []
        self._base = self._durable = self._told = 0
        self._pipe = self._opened()

    def _opened(self) -> int:
        return os.open(self.where, os.O_RDWR | os.O_NONBLOCK)

    def more(self) -> None:
        self._number += 1
        self.sent.update(named(batch(self._number)))
        self._made += lines(self._number).splitlines(keepends=True)
        self._send()

    def _send(self) -> None:
        while self._told < len(self._made):
            try:
                # So little goes in as a whole or not at all.
                os.write(self._pipe, self._made[self._told])
            except BlockingIOError:
                return
            self._told += 1

    def acknowledged(self, line: dict[str, Any]) -> None:
        self._durable = max(self._durable, self._base + int(line["lines"]))
        self._send()

    def restarts(self) -> None:
        os.close(self._pipe)
        self._pipe = self._opened()
        self._base = self._told = self._durable
        self._send()

    def ends(self) -> None:
        while self._told < len(self._made):
            self._send()
            time.sleep(0.01)
        os.close(self._pipe)


class BrokerFeed:
    """Messages of a broker."""

    kind = "broker"

    def __init__(self, broker: Broker, stream: str) -> None:
        broker.make(stream, f"{stream}.>")
        self.where, self.sent = f"{broker.address}/{stream}/watch", Counter[tuple[str, int]]()
        self._broker, self._stream, self._number = broker, stream, 0

    def more(self) -> None:
        first, self._number = self._number + 1, self._number + 10
        for number in range(first, self._number + 1):
            self.sent.update(named(batch(number)))
        self._broker.publish(f"{self._stream}.a", [lines(number) for number in range(first, self._number + 1)])

    def acknowledged(self, line: dict[str, Any]) -> None:
        """The broker was told itself."""

    def restarts(self) -> None:
        """What was not acknowledged comes again."""

    def ends(self) -> None:
        """Nothing more is published."""

    def left(self) -> int:
        return self._broker.unacknowledged(self._stream, "watch")


class StreamFeed:
    """A telemetry stream: it delivers each row once, whatever becomes of the reply."""

    kind = "stream"

    def __init__(self, server: Telemetry) -> None:
        self.where, self._server, self._number = server.url, server, 0

    @property
    def sent(self) -> Counter[tuple[str, int]]:
        return self._server.delivered

    def more(self) -> None:
        for _ in range(10):
            self._number += 1
            self._server.add(terminal_row(f"ut-{self._number % 7}", START_NS + self._number * 15 * NS_PER_S))

    def acknowledged(self, line: dict[str, Any]) -> None:
        """The server hears nothing."""

    def restarts(self) -> None:
        """What it delivered it delivers never again."""

    def ends(self) -> None:
        """Nothing more comes."""


@contextmanager
def watch_server() -> Iterator[Server]:
    """A running `watch_server.py`."""
    running = Server(WATCH_SERVER)
    try:
        yield running
    finally:
        running.close()


def kill_watch(
    running: Server, template: Home, folder: Path, feed: Feed, *, kills: int, seed: int, may_be_lost: Callable[[Home], int] = lambda _: 0
) -> WatchCounts:
    """Kill a watching process again and again while its source is fed; then let one take what is left, and check.

    Args:
        running: forks the processes.
        template: an empty home, which is copied. folder: for the copy.
        feed: the source.
        kills: processes to kill.
        seed: decides the moments.
        may_be_lost: how many replies were told as lost; only for a source that delivers nothing twice.
    """
    chance, counts = random.Random(seed), WatchCounts()
    home = copy_home(template, folder / "home")
    for _ in range(kills):
        feed.more()
        process = running.start("watch", home=str(home.path), kind=feed.kind, where=feed.where, once=False)
        taken, until = 0, chance.randint(1, 12)
        while taken < until:
            line = running.line()
            if "error" in line or "exit" in line:
                counts.faults.append(str(line))
                break
            counts.recovered += line.get("recovered", 0)
            counts.torn += line.get("torn", 0)
            if "taken" in line:
                taken += 1
                counts.acknowledged += line["taken"]
                feed.acknowledged(line)
            feed.more()
        if taken >= until:
            time.sleep(chance.random() * 0.02)
            os.kill(process, signal.SIGKILL)
            while "exit" not in (line := running.line()):
                if "taken" in line:
                    counts.acknowledged += line["taken"]
                    feed.acknowledged(line)
        counts.kills += 1
        feed.restarts()
    running.start("watch", home=str(home.path), kind=feed.kind, where=feed.where, once=True)
    ended = False
    while "exit" not in (line := running.line()):
        if "error" in line:
            counts.faults.append(str(line))
        if "taken" in line:
            feed.acknowledged(line)
        counts.repeated += line.get("repeated", 0)
        if "opened" in line and not ended:
            ended = True
            feed.ends()
    check(home, feed.sent, counts, may_be_lost(home))
    return counts


def check(home: Home, sent: Counter[tuple[str, int]], counts: WatchCounts, may_be_lost: int) -> None:
    """Everything that was sent is in a run, once; stored decisions follow from stored observations."""
    with Live.open(home, clock=lambda: START_NS + 40 * 86_400 * NS_PER_S, settings=LiveSettings(check_every_s=3_600, detection=False)):
        pass
    if segments_of(home):
        counts.faults.append("segments are left")
    stored: Counter[tuple[str, int]] = Counter()
    for run in runs(home):
        for table in read_run(home, "observations", run, columns=["terminal_id", "observed_at"]):
            stored.update(named(table))
    wanted = Counter(dict.fromkeys(sent, 1))
    counts.rows = sent.total()
    missing = sum((wanted - stored).values())
    counts.lost += max(0, missing - may_be_lost)
    counts.doubled += sum((stored - wanted).values())
    replayed = replay(home)
    if not replayed.identical:
        counts.faults.append(f"replay: {replayed.difference} {replayed.faults[:1]}")
