"""The process of detectors: it looks at what a desk answered, for as long as the desk is there.

    python -P -m groundrule.pipeline.looking_child DESCRIPTOR HOME

A socket connects both: the desk asks with what `Looker` is asked with, tables as Arrow streams, and gets what `Looker` returns. Nobody
else can reach it, so what comes is not checked as input from outside is. The process reads the home, writes nothing, and ends when the
socket does, also where the desk was killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from groundrule.pipeline.looking import Looked, Looker
from groundrule.store.home import Home

OUTCOME: Final = "outcome"
"""Column of answers in what is looked at."""
NICENESS: Final = 5
"""Answers come first where both want the same core."""


def serve(connection: Connection, looker: Looker) -> None:
    """Answer until the socket ends."""
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            asked = connection.recv()
            try:
                connection.send(_asked(connection, looker, asked))
            except (EOFError, ConnectionError):
                return
            except Exception as error:  # noqa: BLE001 - whoever asked says it, whatever it is
                traceback.print_exc()
                connection.send(repr(error))


def _asked(connection: Connection, looker: Looker, asked: tuple[Any, ...]) -> Looked:
    if asked[0] == "remember":
        _, under, of_runs, now_ns = asked
        return looker.remember(under, _tables(connection), of_runs=of_runs, now_ns=now_ns, ended=lambda: False)
    table = _table(connection.recv_bytes())
    outcome = table.column(OUTCOME).combine_chunks().to_numpy()
    return looker.look(table.drop_columns([OUTCOME]), outcome, now_ns=asked[1])


def _tables(connection: Connection) -> Iterator[pa.Table]:
    while True:
        connection.send(None)
        if not (stream := connection.recv_bytes()):
            return
        yield _table(stream)


def _table(stream: bytes) -> pa.Table:
    return pa.ipc.open_stream(stream).read_all()


def main(descriptor: int, home: Path) -> None:
    """Serve the desk at the other end of a socket."""
    for each in (signal.SIGINT, signal.SIGTERM):  # both reach the whole group; the desk ends this process when it has ended
        signal.signal(each, signal.SIG_IGN)
    os.nice(NICENESS)
    serve(Connection(descriptor), Looker(Home.open(home)))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
