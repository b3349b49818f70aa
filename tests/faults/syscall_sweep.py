"""One append, once for every file call that it makes and every way in which that call can fail (strace injects it)."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from log_process import Broken, Outcome, Server, check_readers_view, check_recovery, copy, create, server
from log_server import END_OF_WINDOW

CALLS = (
    *("openat", "open", "linkat", "link", "renameat", "renameat2", "rename", "mkdirat", "mkdir", "unlinkat", "unlink"),
    *("rmdir", "fsync", "fdatasync", "read", "write", "pwrite64", "close", "ftruncate"),
)
FAULTS = {
    "EIO": "error=EIO:when={}",
    "ENOSPC": "error=ENOSPC:when={}",
    "SIGKILL": "signal=KILL:when={}",
    "EIO from there on": "error=EIO:when={}+",
    "ENOSPC from there on": "error=ENOSPC:when={}+",
}
_LINE = re.compile(r"(\w+)\((.*)")


class CannotTrace(Exception):
    """strace is not there, or the system does not let it attach."""


@dataclass(frozen=True)
class Call:
    """One call of the window.

    Attributes:
        name: of the system call.
        number: how many calls of this name came up to it, itself included.
        position: place among all traced calls.
        text: as strace shows it.
        lists: whether it closes a folder whose names were read.
    """

    name: str
    number: int
    position: int
    text: str
    lists: bool = False


@dataclass
class SweepCounts:
    """What came of it.

    Attributes:
        calls: calls of the window, by name.
        listings: how many of them close a folder whose names were read.
        runs: injections, by fault.
        surfaced: injected errors that ended the process with an error of the ledger.
        tolerated: errors that Python itself swallows: closing a folder that was only listed. Nothing is written through it,
            and the append is checked to have succeeded.
        repaired: runs that left something to repair.
        silent: errors that were not reported.
        lost, damaged: runs after which something acknowledged was missing, or anything else was wrong.
    """

    calls: Counter[str] = field(default_factory=Counter)
    listings: int = 0
    runs: Counter[str] = field(default_factory=Counter)
    surfaced: int = 0
    tolerated: int = 0
    repaired: int = 0
    silent: int = 0
    lost: int = 0
    damaged: int = 0
    what: list[str] = field(default_factory=list)


def sweep(folder: Path, *, entries: int = 3, count: int = 2, faults: tuple[str, ...] = tuple(FAULTS)) -> SweepCounts:
    """Run the sweep.

    Args:
        folder: for logs and traces; it exists.
        entries: in the log before the append. count: appended.
        faults: of `FAULTS`.
    Raises:
        CannotTrace: strace is not there or may not attach.
    """
    base, log, trace = folder / "base", folder / "log", folder / "trace"
    create(base, entries)
    counts = SweepCounts()
    with server() as running:
        window = _window(_traced(running, copy(base, log), count, trace, None)[1])
        counts.calls.update(call.name for call in window)
        counts.listings = sum(call.lists for call in window)
        for fault in faults:
            for call in window:
                copy(base, log)
                inject = f"inject={call.name}:{FAULTS[fault].format(call.number)}"
                outcome, lines = _traced(running, log, count, trace, inject)
                counts.runs[fault] += 1
                try:
                    _judge(call, fault, outcome, lines, counts)
                    check_readers_view(log)
                    counts.repaired += bool(check_recovery(log, outcome.acked, outcome.published))
                except Exception as error:  # noqa: BLE001 - whatever goes wrong is counted and named, with its call
                    counts.lost += "acknowledged" in str(error)
                    counts.damaged += "acknowledged" not in str(error)
                    counts.what.append(f"{fault} at {call.name} {call.number} `{call.text[:90]}`: {error}")
    return counts


def _judge(call: Call, fault: str, outcome: Outcome, lines: list[str], counts: SweepCounts) -> None:
    if fault == "SIGKILL":
        if outcome.exit != -9:
            raise Broken(f"was not killed but ended with {outcome.exit}")
        return
    position = next((index for index, line in enumerate(lines) if "(INJECTED)" in line), None)
    if position != call.position:
        raise Broken(f"the fault was injected at call {position} instead of {call.position}")
    if call.name == "write" and fault.endswith("from there on") and outcome.exit not in (0, None):
        counts.surfaced += 1  # its report could not be written either; the exit code says it
        return
    if call.lists and outcome.exit == 0 and outcome.acked and outcome.published:
        counts.tolerated += 1
        return
    if outcome.exit == 0 or outcome.error is None or outcome.raw:
        counts.silent += 1
        raise Broken(f"not reported as an error of the ledger: exit code {outcome.exit}, {outcome.error} {outcome.message}")
    counts.surfaced += 1


def _window(lines: list[str]) -> list[Call]:
    """Return the calls from the first touch of the tree state to the published checkpoint."""
    window, numbers, inside, listed = [], Counter[str](), False, ""
    for position, line in enumerate(lines):
        match = _LINE.match(line)
        if match is None:
            continue
        name = match[1]
        numbers[name] += 1
        if END_OF_WINDOW in line:
            return window
        inside = inside or "treeState" in line
        if inside and not line.startswith("write(1,"):  # what the process tells the test
            window.append(Call(name, numbers[name], position, line, name == "close" and line.startswith(f"close({listed})")))
        if name == "openat":
            listed = line.rpartition("= ")[2] if "O_NONBLOCK" in line and "O_DIRECTORY" in line else ""
    raise Broken("the append did not come to its end under strace")


def _traced(running: Server, log: Path, count: int, trace: Path, inject: str | None) -> tuple[Outcome, list[str]]:
    """Run one append under strace, from the same point of the process each time."""
    with attach(running, "one_append", trace, inject, folder=str(log), count=count, sign=True):
        running.go()
        outcome = running.finish(Outcome())
    return outcome, trace.read_text(encoding="utf-8", errors="replace").splitlines()


@contextmanager
def attach(running: Server, job: str, trace: Path, inject: str | None, **arguments: Any) -> Iterator[None]:
    """Start a job that waits for `go`, under strace; afterwards `trace` is complete.

    Raises:
        CannotTrace: strace is not there or may not attach.
    """
    strace = shutil.which("strace")
    if strace is None:
        raise CannotTrace("strace is not installed")
    process = running.start(job, wait=True, **arguments)
    command = [strace, "-o", str(trace), "-e", "trace=" + ",".join(f"?{name}" for name in CALLS)]
    command += ["-e", inject] if inject else []
    with subprocess.Popen([*command, "-p", str(process)], stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        if "attached" not in said:
            running.go()
            running.finish(Outcome())
            raise CannotTrace(said.strip() or "strace did not attach")
        yield
        tracer.stderr.read()
