"""Two writers, a full disk, a failing fsync: real files and processes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from log_process import Outcome, Server, check_recovery, create, server
from log_server import POLICY, SIGNERS, items
from syscall_sweep import CannotTrace, attach

from groundrule.errors import ConflictError, StoreError
from groundrule.ledger.log import Appended, Log, read_log


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with server() as started:
        yield started


def test_the_second_writer_refuses_at_once_and_changes_nothing(running: Server, tmp_path: Path) -> None:
    create(tmp_path / "log", 3)
    before = sorted((path, path.read_bytes()) for path in (tmp_path / "log").rglob("*") if path.is_file())
    with Log.open(tmp_path / "log", signers=SIGNERS, clock=time.time_ns) as log:
        for _ in range(20):
            running.start("one_append", folder=str(tmp_path / "log"), count=1, sign=True)
            outcome = running.finish(Outcome())
            assert (outcome.exit, outcome.error) == (3, "ConflictError")
            assert "another writer" in outcome.message
        with pytest.raises(ConflictError, match="another writer"):
            Log.open(tmp_path / "log", clock=time.time_ns)
        assert sorted((path, path.read_bytes()) for path in (tmp_path / "log").rglob("*") if path.is_file()) == before
        log.append(items(2))
    assert check_recovery(tmp_path / "log", {}, None) == ()


def test_a_killed_writer_leaves_no_lock_behind(running: Server, tmp_path: Path) -> None:
    create(tmp_path / "log", 0)
    process = running.start("hammer", folder=str(tmp_path / "log"), seed=1, longest=3)
    outcome = Outcome()
    while not outcome.acked:
        outcome.take(running.line())
    with pytest.raises(ConflictError):
        Log.open(tmp_path / "log", clock=time.time_ns)
    os.kill(process, signal.SIGKILL)
    running.finish(outcome)
    check_recovery(tmp_path / "log", outcome.acked, outcome.published)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"needs the right to mount a small file system: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(ballast: Path, *, leave: int) -> None:
    """Use up all space but `leave` bytes."""
    with ballast.open("wb", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(bytes(4096))
    os.truncate(ballast, max(0, ballast.stat().st_size - leave))


def attempt(log: Log) -> tuple[Appended | None, StoreError | None]:
    try:
        return log.append(items(2, start=log.size)), None
    except StoreError as error:
        return None, error


def test_a_full_disk_refuses_appends_and_needs_no_repair_afterwards(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    acked: dict[int, bytes] = {}
    refused = 0
    with Log.create(small_disk / "log", signers=SIGNERS, policy=POLICY, clock=time.time_ns) as log:
        log.append(items(3))
        published = log.commit(patience_s=0).checkpoint
        for room in [*range(7), *range(7)]:  # pages; the space runs out at another step each time
            fill(ballast, leave=room * 4096)
            size = log.size
            appended, error = attempt(log)
            if error is not None:
                refused += 1
                assert error.context["full"]
                assert "space" in str(error)
                assert (log.size, log.stopped) == (size, None)
                assert read_log(small_disk / "log").checkpoint == published, "readers go on"
                assert log.tree().entry(0)
                ballast.write_bytes(b"")
                appended, error = attempt(log)  # the same process, no repair
            assert appended is not None
            acked |= dict(zip(appended.indexes, appended.entries, strict=True))
        assert refused >= 5
        ballast.unlink()
        published = log.commit(patience_s=0).checkpoint
    assert check_recovery(small_disk / "log", acked, published) == ()


def test_a_failed_fsync_ends_the_process(running: Server, tmp_path: Path) -> None:
    create(tmp_path / "log", 3)
    try:
        with attach(running, "until_it_fails", tmp_path / "trace", "inject=fsync:error=EIO:when=20", folder=str(tmp_path / "log")):
            running.go()
            outcome = running.finish(Outcome())
    except CannotTrace as error:
        pytest.skip(f"needs strace and the right to attach it: {error}")
    assert (outcome.exit, outcome.error) == (3, "StoreError"), "it ends by itself"
    assert "fsync" in outcome.message
    assert not any(line.get("went_on") for line in outcome.lines), "nothing was recorded or signed afterwards"
    check_recovery(tmp_path / "log", {}, None)
