"""Forks one small process after the other, each of which opens a log and writes to it, so that it can be killed or failed.

    python log_server.py        reads one JSON command per line, answers in JSON lines

Imports are done once, before the first fork; a forked process therefore does little but the file calls under test. It
tells what it knows as soon as it knows it: `acked`, `signed`, `published`, `error`; after its end the server adds `exit`.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import select
import sys
import time
from base64 import b64encode
from contextlib import suppress
from typing import Any

from told_lines import say, say_ended

from groundrule.errors import GroundruleError
from groundrule.ledger.log import Item, Log
from groundrule.ledger.note import NoteSigner
from groundrule.ledger.policy import Policy
from groundrule.signing import SigningKey

ORIGIN = "log.invented.example/faults"
SIGNERS = (
    NoteSigner(ORIGIN, 1, SigningKey.from_seed("ed25519", b"\x01" * 32)),
    NoteSigner(ORIGIN, 6, SigningKey.from_seed("ml-dsa-44", b"\x02" * 32)),
)
POLICY = Policy.format_simple([str(signer.verifier) for signer in SIGNERS], [], None)
END_OF_WINDOW = "/nowhere/end-of-window"
"""Opening this tells a tracer that what follows no longer matters."""
PR_SET_PTRACER, ANY = 0x59616D61, -1
LIBC = ctypes.CDLL(None)


def items(count: int, start: int = 0) -> list[Item]:
    return [Item("manifest", "decisions.one", {"run": start + n, "commitment": "x" * 40}) for n in range(count)]


def one_append(folder: str, count: int, sign: bool) -> None:
    """Open, append once, sign and publish."""
    log = Log.open(folder, signers=SIGNERS, clock=time.time_ns)
    appended = log.append(items(count))
    say(acked=[[index, b64encode(entry).decode()] for index, entry in zip(appended.indexes, appended.entries, strict=True)])
    if sign:
        published = log.commit(patience_s=0)
        say(published=b64encode(published.checkpoint).decode())
    with suppress(FileNotFoundError):
        os.close(os.open(END_OF_WINDOW, os.O_RDONLY))
    log.close()


def hammer(folder: str, seed: int, longest: int) -> None:
    """Append and sign without end."""
    chance = random.Random(seed)
    log = Log.open(folder, signers=SIGNERS[:1], clock=time.time_ns)
    say(opened=log.size, repairs=list(log.repairs))
    while True:
        count = longest if chance.random() < 0.04 else chance.choice((1, 1, 1, 2, 3, 5, 9))
        appended = log.append(items(count, start=log.size))
        say(acked=[[index, b64encode(entry).decode()] for index, entry in zip(appended.indexes, appended.entries, strict=True)])
        if chance.random() < 0.2:
            say(published=b64encode(log.commit(patience_s=0).checkpoint).decode())


def until_it_fails(folder: str) -> None:
    """Append until a write fails; nothing here ends the process but the error itself."""
    log = Log.open(folder, signers=SIGNERS[:1], clock=time.time_ns)
    try:
        while True:
            log.append(items(3))
            say(appended=log.size)
    except GroundruleError:
        # A careless caller would try to go on; the log must refuse.
        for attempt in (lambda: log.append(items(1)), log.sign):
            with suppress(GroundruleError):
                attempt()
                say(went_on=True)
        raise


JOBS = {"one_append": one_append, "hammer": hammer, "until_it_fails": until_it_fails}


def child(command: dict[str, Any], go: int) -> int:
    with suppress(OSError, AttributeError):
        LIBC.prctl(PR_SET_PTRACER, ANY, 0, 0, 0)  # let a tracer that is no ancestor attach
    say(pid=os.getpid())
    select.select([go], [], [])  # not a call that is counted
    try:
        JOBS[command["job"]](**command["arguments"])
    except GroundruleError as error:
        say(error=type(error).__name__, message=str(error))
        return 3
    except OSError as error:
        say(error=type(error).__name__, message=str(error), raw=True)
        return 4
    return 0


def main() -> None:
    for line in sys.stdin:
        command = json.loads(line)
        go, release = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(release)
            os._exit(child(command, go))
        os.close(go)
        if command.get("wait"):
            sys.stdin.readline()
        os.write(release, b"g")
        os.close(release)
        _, status = os.waitpid(process, 0)
        say_ended(status)


if __name__ == "__main__":
    main()
