"""A session on Apache Spark: what is asked of it, what is set, and its faults in our words.

    local, local[2], local[*]      threads of this machine's own Java
    spark://host:port[,host:port]  a standalone cluster
    yarn, k8s://…                  as Spark itself understands them

Everything else about a cluster is Spark's business: memory, security and networks are set in Spark's own files
(`SPARK_CONF_DIR/spark-defaults.conf`), which count as always.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from groundrule.errors import InputError, MissingExtra, StoreError

EXTRA: Final = "spark"
CONNECT_S: Final = 5.0
"""How long a master may take to accept a connection [s]."""
WORKERS_S: Final = 60.0
"""How long a cluster may take to give the first executor [s]; Java and Python start meanwhile."""
BATCH_BYTES: Final = 32 << 20
"""Slices that go to a Python process at a time [bytes]."""
_MASTER = re.compile(r"local(\[(\d+|\*)(,\d+)?\])?|spark://[^/\s]+:\d+|yarn|k8s://\S+")
_JAVA: Final = ("at ", "Traceback", "File ", "py4j.", ": org.apache", "An error occurred while calling")
BRIEF: Final = "-XX:TieredStopAtLevel=1"
"""Java compiles at once and no better: it only carries bytes here, and compiling costs more than it gives back.

A session and its first job took 11 s of CPU time instead of 21; whoever thinks otherwise sets extraJavaOptions, which come later.
"""
_LOG4J = """\
rootLogger.level = warn
rootLogger.appenderRef.file.ref = file
appender.file.type = File
appender.file.name = file
appender.file.fileName = {path}
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{ISO8601}} %p %c{{1}}: %m%n%ex
"""


@contextmanager
def spark_session(master: str) -> Iterator[Any]:
    """Open a session, and end it with its Java at the end of the block.

    What Java has to say goes into a file; where something fails, the file stays, and the error names it.

    Args:
        master: address of the master; see the module.
    Returns:
        The `SparkSession`, with executors that work.
    Raises:
        InputError: the address is none, nobody answers there, or there is no Java.
        MissingExtra: PySpark is not installed.
        StoreError: Spark does not start, or the cluster gives no executor.
    """
    check_master(master)
    context_type = _spark_context()
    _check_java()
    _check_answers(master)
    folder = Path(tempfile.mkdtemp(prefix="groundrule-spark-"))
    log = folder / "spark.log"
    with log.open("ab") as sink, _own_interrupts():
        try:
            context = _opened(context_type, master, folder, sink)
        except Exception as error:  # Spark raises what it likes
            raise StoreError(f"Spark does not start: {first_line(error)}", help=f"Spark's own words are in {log}") from error
        try:
            _wait_for_executors(context, master)
            from pyspark.sql import SparkSession  # noqa: PLC0415 - an optional package

            yield SparkSession(context)
        except SparkFailed as error:
            raise StoreError(error.message, help=f"Spark's own words are in {log}") from error
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            _close(context_type, context)


@contextmanager
def _own_interrupts() -> Iterator[None]:
    """PySpark takes over Ctrl-C to break off its jobs, and does not give it back."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


class SparkFailed(StoreError):
    """Spark could not do what was asked of it; `spark_session` says where its log is."""

    code = "spark_failed"


def check_master(master: str) -> None:
    """Refuse what is no address of a master.

    Raises:
        InputError: it is none.
    """
    if not _MASTER.fullmatch(master):
        raise InputError(
            f"`{master}` is no address of a Spark master",
            help="for instance local[2] on this machine, or spark://host:7077",
            field="--master",
        )


def first_line(error: BaseException) -> str:
    """Return what an error of Spark says, without its Java."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    kept = [line for line in lines if not line.startswith(_JAVA)]
    return (kept or lines or [type(error).__name__])[0][:300]


def _spark_context() -> Any:
    try:
        from pyspark import SparkContext  # noqa: PLC0415 - an optional package
    except ImportError:
        raise MissingExtra(EXTRA, needed_for="deciding on Spark") from None
    return SparkContext


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    if not (Path(home, "bin", "java").exists() if home else shutil.which("java")):
        raise InputError(
            "Spark needs Java, and there is none" + (f" in `{home}`" if home else ""),
            help="install version 17 or newer (Debian: openjdk-17-jre-headless), or set JAVA_HOME",
        )


def _check_answers(master: str) -> None:
    """Does anybody listen there? Spark itself would ask for minutes."""
    hosts = _hosts(master)
    for host, port in hosts:
        with suppress(OSError), socket.create_connection((host, port), timeout=CONNECT_S):
            return
    if hosts:
        raise InputError(
            f"no Spark master answers at `{master}`",
            help="is it running, and is the port the one of spark://, not of its page?",
            field="--master",
        )


def _hosts(master: str) -> list[tuple[str, int]]:
    if not master.startswith("spark://"):
        return []
    pairs = (each.rpartition(":") for each in master.removeprefix("spark://").split(","))
    return [(host, int(port)) for host, _, port in pairs if port.isdigit()]


def _is_loopback(master: str) -> bool:
    return master.startswith("local") or all(host in ("127.0.0.1", "localhost") for host, _ in _hosts(master) or [("", 0)])


def _opened(context_type: Any, master: str, folder: Path, sink: Any) -> Any:
    from pyspark import SparkConf  # noqa: PLC0415 - an optional package
    from pyspark.java_gateway import launch_gateway  # noqa: PLC0415 - an optional package

    # Workers start the interpreter of this name; the system's has no pyarrow.
    for name in ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"):
        os.environ.setdefault(name, sys.executable)
    settings = {
        "spark.app.name": "groundrule",
        "spark.master": master,
        "spark.driver.defaultJavaOptions": f"{BRIEF} -XX:+UseSerialGC -Dlog4j2.configurationFile={_log4j(folder).as_uri()}",
        "spark.executor.defaultJavaOptions": BRIEF,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # Rulebook, areas and registers are built once in a process, and serve all its buckets.
        "spark.python.worker.reuse": "true",
        # Slices are few and large, and buckets are divided evenly already.
        "spark.sql.execution.arrow.maxBytesPerBatch": str(BATCH_BYTES),
        "spark.sql.adaptive.enabled": "false",
        "spark.locality.wait": "0",
    }
    if _is_loopback(master):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        settings |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    conf = SparkConf().setAll(list(settings.items()))
    gateway = launch_gateway(conf, {"stdout": sink, "stderr": sink})
    return context_type(conf=conf, gateway=gateway)


def _log4j(folder: Path) -> Path:
    path = folder / "log4j2.properties"
    path.write_text(_LOG4J.format(path=folder / "spark.log"), encoding="utf-8")
    return path


def _wait_for_executors(context: Any, master: str) -> None:
    if master.startswith("local"):
        return
    until = time.monotonic() + WORKERS_S
    # The driver counts as one; PySpark has no other way to ask.
    while context._jsc.sc().getExecutorMemoryStatus().size() < 2:
        if time.monotonic() > until:
            raise SparkFailed(
                f"the Spark master at `{master}` gave no executor within {WORKERS_S:.0f} s: has it workers with free cores and memory?"
            )
        time.sleep(0.1)


def _close(context_type: Any, context: Any) -> None:
    """End the session and its Java, so that the next session can be another."""
    gateway = context_type._gateway  # as PySpark's own tests do
    with suppress(Exception):  # whatever it says at its end, the answer is there or an error is under way
        context.stop()
    with suppress(Exception):
        gateway.shutdown()
    context_type._gateway = context_type._jvm = None
    process = getattr(gateway, "proc", None)
    if process is not None:
        with suppress(OSError):
            process.stdin.close()
        with suppress(Exception):
            process.wait(timeout=CONNECT_S)
