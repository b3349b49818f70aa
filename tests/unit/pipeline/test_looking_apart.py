"""Detectors in a process of their own: they find the same, are started anew when they are gone, and end with the desk."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from groundrule.instant import NS_PER_S
from groundrule.pipeline.live import detection as module
from groundrule.pipeline.live.answers import LiveSettings
from groundrule.pipeline.live.desk import Live
from groundrule.pipeline.looking import Ended, Looked, Looker
from groundrule.pipeline.looking_apart import LookerApart, LookerFailed, LookerGone
from groundrule.pipeline.looking_child import serve
from groundrule.store.home import Home
from groundrule.store.signals import SIGNALS
from journey_rows import JOURNEY, START_NS, seen
from small_home import copy_home, make_home

NOW_NS = START_NS + 40 * 86_400 * NS_PER_S
@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("template") / "home", ledger=None)


@pytest.fixture
def home(template: Home, tmp_path: Path) -> Home:
    return copy_home(template, tmp_path / "home")


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GATHER_S", 0.01)


def desk(home: Home, *, apart: bool = True) -> Live:
    settings = LiveSettings(check_every_s=3_600, commit_every_s=3_600, interference=False, detection_apart=apart)
    return Live.open(home, clock=lambda: NOW_NS, settings=settings)


def look(live: Live, *places: tuple[int, float, float]) -> None:
    live.submit(seen(*places), source="test").result(60)
    assert live.detection is not None
    assert live.detection.drain()


def process_of(live: Live) -> subprocess.Popen[bytes]:
    assert live.detection is not None
    looker = live.detection._looker
    assert isinstance(looker, LookerApart)
    assert looker.process is not None
    return looker.process


def test_the_same_is_found_in_the_process_that_asks_and_in_one_apart(home: Home, tmp_path: Path) -> None:
    other = copy_home(home, tmp_path / "other")
    for each, apart in ((home, True), (other, False)):
        with desk(each, apart=apart) as live:
            look(live, *JOURNEY[:30])
            look(live, *JOURNEY[30:])
    found = SIGNALS.read(home)
    assert found.num_rows >= 1
    assert found.equals(SIGNALS.read(other))


def test_it_is_started_anew_when_it_is_gone_and_nothing_is_missed(home: Home) -> None:
    with desk(home) as live:
        look(live, *JOURNEY[:25])
        first = process_of(live)
        first.send_signal(signal.SIGKILL)
        first.wait()
        look(live, *JOURNEY[25:])
        assert process_of(live).pid != first.pid
        assert SIGNALS.read(home).num_rows >= 1
        counted = live.status().counters
        assert (counted["detector_restarts"], counted["undetected"]) == (1, 0)
        (check,) = [each for each in live.status().checks if each.name == "detection"]
        assert check.ok


def test_one_that_never_starts_keeps_no_observation_out_and_is_said(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with desk(home) as live:
        look(live, *JOURNEY[:5])
        (check,) = [each for each in live.status().checks if each.name == "detection"]
        assert not check.ok
        assert "ended" in check.why
        assert live.status().ready
        assert live.status().counters["detector_restarts"] == module.MOST_GONE + 1


def test_it_ends_with_the_desk_and_heeds_no_signal_that_is_meant_for_both(home: Home) -> None:
    with desk(home) as live:
        look(live, *JOURNEY[:5])
        process = process_of(live)
        for each in (signal.SIGINT, signal.SIGTERM):
            process.send_signal(each)
        look(live, *JOURNEY[5:])
        assert process.poll() is None
        assert SIGNALS.read(home).num_rows >= 1
    assert process.poll() == 0


def test_it_ends_where_the_desk_was_killed(home: Home) -> None:
    program = (
        "import sys, pathlib, time\n"
        "from groundrule.pipeline.looking import Under\n"
        "from groundrule.pipeline.looking_apart import LookerApart\n"
        "from groundrule.pipeline.home import basis_of\n"
        "from groundrule.store.home import Home\n"
        "home = Home.open(pathlib.Path(sys.argv[1])); basis = basis_of(home, recorded_at_ns=int(sys.argv[2]))\n"
        "looker = LookerApart(home)\n"
        "under = Under(basis.rulebook.digest, basis.areas.digest, basis.registers.revision)\n"
        "looker.remember(under, [], of_runs=None, now_ns=int(sys.argv[2]), ended=lambda: False)\n"
        "print(looker.process.pid, flush=True); time.sleep(600)\n"
    )
    command = [sys.executable, "-c", program, str(home.path), str(NOW_NS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as desk_process:
        assert desk_process.stdout is not None
        pid = int(desk_process.stdout.readline())
        desk_process.kill()
    until = time.monotonic() + 60
    while _runs(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    """Does a process run? One that ended and that nobody has asked after yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


class Broken(Looker):
    """Cannot look; asks for what is kept, and then fails."""

    def __init__(self) -> None:
        self.kept: list[pa.Table] = []

    def remember(self, under: Any, kept: Any, **_: Any) -> Looked:
        assert under
        self.kept = list(kept)
        return Looked([], [], [], rows=sum(map(len, self.kept)))

    def look(self, table: pa.Table, outcome: Any, *, now_ns: int) -> Looked:
        raise ValueError(f"{len(table)} rows at {now_ns}, answered {outcome.tolist()}")


@pytest.fixture
def served(home: Home) -> Iterator[LookerApart]:
    ours, theirs = Pipe()
    thread = threading.Thread(target=serve, args=(theirs, Broken()))
    thread.start()
    looker = LookerApart(home)
    looker._socket = ours
    yield looker
    looker.close()
    thread.join(60)
    assert not thread.is_alive()


def test_what_fails_there_is_said_here_and_the_process_goes_on(served: LookerApart) -> None:
    with pytest.raises(LookerFailed, match=r"ValueError\('1 rows at 7, answered \[3\]'\)"):
        served.look(seen(JOURNEY[0]), np.array([3], np.uint8), now_ns=7)
    kept = [seen(*JOURNEY[:3]), seen(*JOURNEY[3:5])]
    assert served.remember(("a", "b", 1), kept, of_runs=None, now_ns=7, ended=lambda: False).rows == 5  # type: ignore[arg-type]


def test_who_closes_waits_for_no_memory(home: Home) -> None:
    ours, theirs = socket.socketpair()
    looker = LookerApart(home)
    looker._socket = Connection(ours.detach())
    with theirs, pytest.raises(Ended):
        looker.remember(("a", "b", 1), [], of_runs=None, now_ns=7, ended=lambda: True)  # type: ignore[arg-type]


def test_an_end_in_mid_answer_is_an_end(home: Home) -> None:
    ours, theirs = socket.socketpair()
    looker = LookerApart(home)
    looker._socket = Connection(ours.detach())
    os.write(theirs.fileno(), b"\x00\x00\x10\x00half")
    theirs.close()
    with pytest.raises(LookerGone):
        looker.remember(("a", "b", 1), [], of_runs=None, now_ns=7, ended=lambda: False)  # type: ignore[arg-type]
