"""Detectors in a process of their own (`looking_child`), so that no answer waits while they look."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundrule.pipeline.looking import Ended, Looked, Under
from groundrule.pipeline.looking_child import OUTCOME
from groundrule.store.home import Home

PROGRAM: Final = "groundrule.pipeline.looking_child"
ENDING_S: Final = 10.0
"""How long it may take to end before it is killed [s]."""
_LOOK_AGAIN_S: Final = 0.2


class LookerGone(Exception):
    """The process ended without being asked to."""


class LookerFailed(Exception):
    """Looking failed in the other process; the text is that of its error."""


class LookerApart:
    """A `Looker` in a process of its own, which is started when it is asked for the first time.

    Args:
        home: whose.
    Attributes:
        process: while it runs, or None.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._socket: Connection | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def remember(
        self, under: Under, kept: Iterable[pa.Table], *, of_runs: Sequence[int] | None, now_ns: int, ended: Callable[[], bool]
    ) -> Looked:
        """As of `Looker`.

        Raises:
            Ended: `ended` said so; the process is killed. LookerGone: it ended by itself. LookerFailed: it could not.
        """
        with self._connected() as connection:
            connection.send(("remember", under, of_runs, now_ns))
            waiting = iter(kept)
            while True:
                while not connection.poll(_LOOK_AGAIN_S):
                    if ended():
                        self._kill()
                        raise Ended
                answer = connection.recv()
                if answer is not None:
                    return _looked(answer)
                # What is kept is asked for one by one when history was read, so that nobody is stuck in sending it.
                table = next(waiting, None)
                connection.send_bytes(b"" if table is None else _stream(table))

    def look(self, table: pa.Table, outcome: NDArray[np.uint8], *, now_ns: int) -> Looked:
        """As of `Looker`.

        Raises:
            LookerGone: the process ended by itself. LookerFailed: it could not look.
        """
        with self._connected() as connection:
            connection.send(("look", now_ns))
            connection.send_bytes(_stream(table.append_column(OUTCOME, pa.array(outcome))))
            return _looked(connection.recv())

    def close(self) -> None:
        """End the process."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self.process is not None:
            try:
                self.process.wait(ENDING_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def _kill(self) -> None:
        if self.process is not None:
            self.process.kill()
        self.close()

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Connection]:
        """Give the socket of the process; where it breaks, the process is gone."""
        if self._socket is None:
            self._start()
        assert self._socket is not None
        try:
            yield self._socket
        except (EOFError, OSError) as error:
            status = None if self.process is None else self.process.poll()
            self._kill()
            raise LookerGone(f"the process of detectors ended{'' if status is None else f' with status {status}'}") from error

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            places = [os.path.abspath(each) for each in sys.path if each]  # noqa: PTH100 - archives of modules are places, too
            self.process = subprocess.Popen(  # noqa: S603 - our own program with our own arguments
                [sys.executable, "-P", "-m", PROGRAM, str(theirs.fileno()), str(self._home.path)], pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
            )  # fmt: skip
        self._socket = Connection(ours.detach())


def _stream(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _looked(answer: Looked | str) -> Looked:
    if isinstance(answer, str):
        raise LookerFailed(answer)
    return answer
