"""Drive the processes of `log_server.py`, and check what they leave behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from log_server import POLICY, SIGNERS, items
from told_lines import told

import groundrule
from groundrule.ledger.audit.fsck import fsck
from groundrule.ledger.checkpoint import Checkpoint
from groundrule.ledger.log import Log, read_log
from groundrule.ledger.note import Note
from groundrule.ledger.policy import Policy

SERVER = Path(__file__).with_name("log_server.py")


class Broken(AssertionError):
    """A log lost or damaged something."""


@dataclass
class Outcome:
    """What a process told before it ended.

    Attributes:
        acked: bytes of each acknowledged entry, by index.
        published: the last checkpoint that it published, or None.
        error: class of the error that it reported, or None.
        exit: its exit code, negative for a signal.
        lines: everything else.
    """

    acked: dict[int, bytes] = field(default_factory=dict)
    published: bytes | None = None
    error: str | None = None
    message: str = ""
    raw: bool = False
    exit: int | None = None
    lines: list[dict[str, Any]] = field(default_factory=list)

    def take(self, line: dict[str, Any]) -> None:
        self.lines.append(line)
        for index, entry in line.get("acked", ()):
            self.acked[index] = b64decode(entry)
        if "published" in line:
            self.published = b64decode(line["published"])
        if "error" in line:
            self.error, self.message, self.raw = line["error"], line["message"], line.get("raw", False)
        if "exit" in line:
            self.exit = line["exit"]


class Server:
    """A running `log_server.py`."""

    def __init__(self) -> None:
        source = str(Path(groundrule.__file__).parents[1])
        path = os.pathsep.join([source, *[entry for entry in sys.path if "site-packages" in entry]])
        self._process = subprocess.Popen(
            [sys.executable, "-S", str(SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": path, "PATH": os.environ.get("PATH", "")},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout

    def start(self, job: str, *, wait: bool = False, **arguments: Any) -> int:
        """Fork a process; with `wait` it does nothing before `go`."""
        self._send({"job": job, "arguments": arguments, "wait": wait})
        return int(self.line()["pid"])

    def go(self) -> None:
        self._input.write(b"\n")
        self._input.flush()

    def line(self) -> dict[str, Any]:
        line = told(self._output)
        if line is None:
            raise Broken("the log server has ended")
        return line

    def finish(self, outcome: Outcome) -> Outcome:
        """Read until the process has ended."""
        while outcome.exit is None:
            outcome.take(self.line())
        return outcome

    def close(self) -> None:
        self._input.close()
        self._process.wait(timeout=10)
        self._output.close()

    def _send(self, command: dict[str, Any]) -> None:
        self._input.write(json.dumps(command).encode() + b"\n")
        self._input.flush()


@contextmanager
def server() -> Iterator[Server]:
    running = Server()
    try:
        yield running
    finally:
        running.close()


def create(folder: Path, entries: int) -> None:
    """Create a log with some entries, all published."""
    with Log.create(folder, signers=SIGNERS, policy=POLICY, clock=time.time_ns) as log:
        while log.size < entries:  # in few appends, as each leaves partial tiles that go one by one later
            log.append(items(min(max(2, entries // 4), entries - log.size), start=log.size))
        log.commit(patience_s=0)


def copy(base: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(base, target)
    return target


def check_readers_view(folder: Path) -> None:
    """What outsiders see just after the process ended must hold, before anything is repaired."""
    report = fsck(read_log(folder).read, Policy.parse(POLICY))
    if report.faults:
        raise Broken(f"published log damaged: {report.faults[0]}")


def check_recovery(folder: Path, acked: dict[int, bytes], published: bytes | None, *, more: int = 2) -> tuple[str, ...]:
    """Open the log again, look for everything acknowledged and published, append, publish, and check all of it."""
    with Log.open(folder, signers=SIGNERS, clock=time.time_ns) as log:
        repairs = log.repairs
        tree = log.tree()
        for index, entry in acked.items():
            if index >= log.size or tree.entry(index) != entry:
                raise Broken(f"entry {index} was acknowledged and is lost")
        if published is not None:
            head = Checkpoint.parse(Note.parse(published).text)
            if head.size > log.size or tree.root_at(head.size) != head.root:
                raise Broken(f"the published checkpoint of {head.size} entries does not belong to the log")
            now = log.checkpoint()
            if now is None or Checkpoint.parse(Note.parse(now).text).size < head.size:
                raise Broken("a published checkpoint was lost")
        if more:
            log.append(items(more, start=log.size))
        log.commit(patience_s=0)
        size = log.size
    report = fsck(folder, Policy.parse(POLICY), strict=True, pinned=[] if published is None else [published])
    if report.faults or report.size != size:
        raise Broken(f"{report.size} of {size} entries checked, faults: {report.faults[:3]}")
    return repairs
