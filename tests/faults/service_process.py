"""Drive the processes of `service_server.py`: a service that is loaded by several clients, and then something happens."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from live_server import batch, named
from told_lines import told

import groundrule
from groundrule.api.serving import open_desk
from groundrule.api.settings import Settings
from groundrule.pipeline.manifests import runs
from groundrule.store.history import read_run
from groundrule.store.home import Home

SERVER = Path(__file__).with_name("service_server.py")
CLIENTS = 4


class Services:
    """Starts services, one after the other."""

    def __init__(self) -> None:
        source = str(Path(groundrule.__file__).parents[1])
        path = os.pathsep.join([source, str(SERVER.parents[1]), str(SERVER.parent)])
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        self._running = 0

    def start(self, home: Home, *, commit_every_s: float = 0.5) -> Running:
        """Start the service of a home, and wait until it listens."""
        with socket.socket() as tried:
            tried.bind(("127.0.0.1", 0))
            port = int(tried.getsockname()[1])
        command = {"home": str(home.path), "port": port, "commit_every_s": commit_every_s}
        self._input.write(json.dumps(command).encode() + b"\n")
        self._input.flush()
        pid = int(self.line()["pid"])
        said = self.line()
        self._running = pid
        assert said == {"listening": port}, said
        until = time.monotonic() + 60
        while time.monotonic() < until:  # the port is had a moment before it is listened on
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
                return Running(self, pid, port)
            time.sleep(0.01)
        raise AssertionError(f"nobody listens at port {port}")

    def line(self) -> dict[str, Any]:
        line = told(self._output)
        assert line, "the server has ended"
        return line

    def ended(self) -> int:
        """Wait until the service has ended; returns its exit code, negative if a signal ended it."""
        while "exit" not in (said := self.line()):
            assert "error" not in said, said
        self._running = 0
        return int(said["exit"])

    def close(self) -> None:
        if self._running:  # a test failed
            os.kill(self._running, signal.SIGKILL)
        self._input.close()
        self._process.wait(timeout=60)
        self._output.close()


class Running:
    """A service that runs."""

    def __init__(self, services: Services, pid: int, port: int) -> None:
        self._services, self.pid, self.port = services, pid, port

    def end(self, sent: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait; returns the exit code, negative if a signal ended it."""
        os.kill(self.pid, sent)
        return self._services.ended()

    def client(self, key: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=30)


@contextmanager
def services() -> Iterator[Services]:
    made = Services()
    try:
        yield made
    finally:
        made.close()


def key_of(home: Home, *roles: str) -> str:
    """A key of the home's service, which must not run."""
    desk = open_desk(home, Settings())
    try:
        return desk.give_key("test", roles or ("ingest", "officer", "administrator"))[1]
    finally:
        desk.store.close()


def body_of(number: int) -> dict[str, Any]:
    return {"rows": batch(number).to_pylist()}


class Load:
    """Clients that submit without end, each submission under its own key, until they are told to stop or nobody answers.

    Attributes:
        acked: numbers of submissions that were acknowledged, with the answer.
        refused: status and body of other answers.
        broken: requests that were sent and not answered.
    """

    def __init__(self, running: Running, key: str, first: int) -> None:
        self.acked: dict[int, dict[str, Any]] = {}
        self.refused: list[tuple[int, dict[str, Any]]] = []
        self.broken: list[int] = []
        self._running, self._key = running, key
        self._numbers = iter(range(first, 10**9))
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._submit, daemon=True) for _ in range(CLIENTS)]
        for each in self._threads:
            each.start()

    def _submit(self) -> None:
        with self._running.client(self._key) as client:
            while not self._stop.is_set():
                with self._lock:
                    number = next(self._numbers)
                try:
                    answer = client.post("/v1/observations", json=body_of(number), headers={"Idempotency-Key": f"k-{number}"})
                except httpx.ConnectError:
                    return  # nothing was sent
                except httpx.HTTPError:
                    self.broken.append(number)
                    return
                if answer.status_code == 200:
                    self.acked[number] = answer.json()
                else:
                    self.refused.append((answer.status_code, answer.json()))

    def wait(self, acked: int) -> None:
        """Wait until so many were acknowledged."""
        pause = threading.Event()
        while len(self.acked) < acked and any(each.is_alive() for each in self._threads):
            pause.wait(0.005)

    def end(self) -> None:
        self._stop.set()
        for each in self._threads:
            each.join(60)


def lost_and_doubled(home: Home, acked: set[int], every: set[int]) -> tuple[int, int]:
    """Observations that were acknowledged and are in no run, and those that are there more often than they were sent."""
    stored: Counter[tuple[str, int]] = Counter()
    for run in runs(home):
        for table in read_run(home, "observations", run, columns=["terminal_id", "observed_at"]):
            stored.update(named(table))
    wanted, sent = Counter[tuple[str, int]](), Counter[tuple[str, int]]()
    for number in every:
        sent.update(named(batch(number)))
    for number in acked:
        wanted.update(named(batch(number)))
    return sum((wanted - stored).values()), sum((stored - sent).values())
