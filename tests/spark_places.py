"""Where Spark runs in tests: threads of one Java, or a real standalone cluster of separate processes on this machine.

The package from PyPI has no scripts that start a master or a worker, so their classes are started as it starts any other.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

START_S = 60.0


def needs_spark() -> None:
    """Skip where Java or PySpark is missing."""
    if importlib.util.find_spec("pyspark") is None:
        pytest.skip("PySpark is not installed; pip install 'groundrule[spark]'")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, and this machine has none (Debian: openjdk-17-jre-headless)")


@dataclass
class Standalone:
    """A standalone cluster."""

    master: str
    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, kind: str, *arguments: str) -> None:
        """Start a master or a worker as a process of its own."""
        home = Path(importlib.util.find_spec("pyspark").origin).parent  # type: ignore[union-attr,arg-type]  # needs_spark was asked
        environment = {
            **os.environ,
            "SPARK_HOME": str(home), "SPARK_SCALA_VERSION": "2.13", "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_NO_DAEMONIZE": "1",
            "SPARK_DAEMON_MEMORY": "256m", "SPARK_DAEMON_JAVA_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            "PYSPARK_PYTHON": sys.executable, "SPARK_WORKER_DIR": str(self.folder / name),
        }  # fmt: skip
        log = (self.folder / f"{name}.log").open("wb")
        command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{kind}", *arguments]
        self.processes[name] = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        log.close()

    def log(self, name: str) -> str:
        """What a process has written."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def wait_for(self, name: str, words: str) -> None:
        """Wait until a process has written something."""
        until = time.monotonic() + START_S
        while words not in self.log(name):
            assert self.processes[name].poll() is None, self.log(name)[-2000:]
            assert time.monotonic() < until, self.log(name)[-2000:]
            time.sleep(0.1)

    def kill(self, name: str) -> None:
        """Kill -9 a master or a worker with everything that it has started: executors, and their Python."""
        kill_tree(self.processes[name].pid)
        self.processes[name].wait(timeout=10)

    def stop(self) -> None:
        """End every process that was started here, and nothing else."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            if process.poll() is None:
                process.kill()
                process.wait(timeout=10)


def kill_tree(pid: int) -> None:
    """Kill -9 a process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name stands in brackets and may hold anything; the parent is the second word after it.
            parents.setdefault(int(status.read_text().rpartition(")")[2].split()[1]), []).append(int(status.parent.name))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    for each in found:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


@contextmanager
def standalone(folder: Path, workers: int = 2) -> Iterator[Standalone]:
    """Start a master and workers with one core each."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    cluster = Standalone(f"spark://127.0.0.1:{port}", folder)
    try:
        cluster.start("master", "master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0")
        cluster.wait_for("master", "I have been elected leader")
        for number in range(workers):
            size = ("--cores", "1", "--memory", "1g")
            cluster.start(f"worker{number}", "worker.Worker", "--host", "127.0.0.1", *size, "--webui-port", "0", cluster.master)
        for number in range(workers):
            cluster.wait_for(f"worker{number}", "Successfully registered with master")
        yield cluster
    finally:
        cluster.stop()
