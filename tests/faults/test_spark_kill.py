"""A worker or the asking machine killed with kill -9 in mid-run: the answer of one machine, nothing lost, nothing doubled.

Real processes: a master, two workers with an executor each, and `groundrule replay` as a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console import groundrule
from groundrule.store.home import Home
from spark_places import Standalone, kill_tree, needs_spark, standalone
from wide_home import wide_home

BUCKETS = 40
WAIT_S = 120.0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return wide_home(tmp_path_factory.mktemp("wide") / "home", 2_000, 50)


@pytest.fixture(scope="module")
def alone(home: Home) -> Any:
    found = groundrule("replay", "--home", home.path, "--json").json
    assert found["identical"]
    assert found["decisions"] > 100_000
    return found


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    needs_spark()
    with standalone(tmp_path_factory.mktemp("spark")) as made:
        yield made


class Asking:
    """`groundrule replay --engine spark` as a process."""

    def __init__(self, home: Home, cluster: Standalone, checkpoint: Path) -> None:
        self.checkpoint = checkpoint
        command = [
            sys.executable, "-m", "groundrule", "replay", "--home", str(home.path), "--json", "--engine", "spark",
            "--master", cluster.master, "--partitions", str(BUCKETS), "--checkpoint", str(checkpoint),
        ]  # fmt: skip
        environment = {name: value for name, value in os.environ.items() if name not in ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON")}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    def answers(self) -> set[str]:
        """Names of the buckets that are answered."""
        return {path.name for path in self.checkpoint.rglob("bucket-*.answers")}

    def wait_for(self, answers: int) -> set[str]:
        """Wait until so many buckets are answered, and return which."""
        until = time.monotonic() + WAIT_S
        while len(found := self.answers()) < answers:
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < until, "nothing was answered"
            time.sleep(0.005)
        return found

    def printed(self) -> Any:
        """What it printed in the end."""
        out, err = self.process.communicate(timeout=WAIT_S)
        assert self.process.returncode == 0, err
        return json.loads(out)


def test_the_asking_machine_and_then_a_worker_are_killed_in_mid_run(home: Home, alone: Any, cluster: Standalone, tmp_path: Path) -> None:
    checkpoint = tmp_path / "kept"
    first = Asking(home, cluster, checkpoint)
    first.wait_for(3)
    kill_tree(first.process.pid)
    first.process.communicate(timeout=10)
    assert first.process.returncode == -9
    # What was under way at a worker may end after the kill, and is whole or not there. Here one is not.
    done = first.answers()
    assert 3 <= len(done) < BUCKETS
    times = {path: path.stat().st_mtime_ns for path in checkpoint.rglob("bucket-*.answers")}
    half = min(times)
    half.write_bytes(half.read_bytes()[:-20])

    again = Asking(home, cluster, checkpoint)
    again.wait_for(len(times) + 3)
    cluster.kill("worker0")
    left = BUCKETS - len(again.answers())
    assert again.process.poll() is None
    assert left > 0
    # Slices that the dead worker held are cut again by the other one.
    assert again.printed() == alone
    assert "Removing worker" in cluster.log("master")
    assert len(again.answers()) == BUCKETS
    # The half was answered again, and what was whole was not.
    assert half.stat().st_mtime_ns != times.pop(half)
    assert all(path.stat().st_mtime_ns == at for path, at in times.items())
