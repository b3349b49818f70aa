"""A service that is told to end before it listens ends; whoever follows its link at once waits in line."""

from __future__ import annotations

import os
import signal
import socket
import threading
from typing import Any, cast

import pytest

from groundrule.api.serving import run
from groundrule.api.settings import Settings


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    """An application that has nothing to say; uvicorn asks it for its life span alone."""


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_between_the_link_and_the_first_answer_counts(told: signal.Signals) -> None:
    port, connected = free_port(), []
    before = signal.getsignal(told)

    def started() -> None:
        with socket.create_connection(("127.0.0.1", port), 1):
            connected.append(port)
        os.kill(os.getpid(), told)

    # Were the signal lost, the service would run on until this one.
    late = threading.Timer(20, os.kill, (os.getpid(), signal.SIGTERM))
    late.start()
    try:
        run(cast(Any, nothing), Settings(port=port), on_start=started)
        assert late.is_alive(), "it ran on"
    finally:
        late.cancel()
    assert connected == [port]
    assert signal.getsignal(told) is before
