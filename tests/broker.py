"""A real NATS broker for tests: the machine's own (Debian: package nats-server), with JetStream in a folder that is removed at the end."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


class Broker:
    """A broker that runs."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self._folder = program, folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def address(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            told = [self._program, "-js", "-sd", str(self._folder / "store"), "-a", "127.0.0.1", "-p", str(self.port)]
            self._process = subprocess.Popen(told, stdout=log, stderr=log)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError((self._folder / "log").read_text())

    def stop(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(30)

    def do(self, what: Callable[[Any, Any], Awaitable[Any]]) -> Any:
        """Do something with a client and its streams."""
        import nats

        async def inside() -> Any:
            client = await nats.connect(self.address, connect_timeout=5)
            try:
                return await what(client, client.jetstream())
            finally:
                await client.close()

        return asyncio.run(inside())

    def make(self, stream: str, *subjects: str) -> None:
        self.do(lambda _, streams: streams.add_stream(name=stream, subjects=list(subjects)))

    def make_consumer(self, stream: str, name: str, *, again_s: float) -> None:
        """A pull consumer to which a message comes again after `again_s` [s] without an acknowledgement."""
        from nats.js.api import AckPolicy, ConsumerConfig

        config = ConsumerConfig(durable_name=name, ack_policy=AckPolicy.EXPLICIT, ack_wait=again_s, max_ack_pending=10_000)
        self.do(lambda _, streams: streams.add_consumer(stream, config))

    def publish(self, subject: str, messages: Sequence[bytes]) -> None:
        async def send(_: Any, streams: Any) -> None:
            for each in messages:
                await streams.publish(subject, each)

        self.do(send)

    def unacknowledged(self, stream: str, consumer: str) -> int:
        """Messages that wait, or were sent and not acknowledged."""
        info = self.do(lambda _, streams: streams.consumer_info(stream, consumer))
        return int(info.num_pending) + int(info.num_ack_pending)


@contextmanager
def running() -> Iterator[Broker]:
    """A broker for as long as the block lasts.

    Raises:
        pytest.skip.Exception: there is none.
    """
    pytest.importorskip("nats", reason="nats-py is not installed; the extra `nats` has it")
    program = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("no NATS broker on this machine (Debian: package nats-server)")
    folder = Path(tempfile.mkdtemp(prefix="groundrule-nats-"))
    try:
        broker = Broker(program, folder)
        try:
            yield broker
        finally:
            broker.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
