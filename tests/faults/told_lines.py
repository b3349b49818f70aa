"""Lines of JSON that a process tells through a pipe until it is killed, the last of which may be torn."""

from __future__ import annotations

import faulthandler
import json
import os
from typing import IO, Any

LONGEST_S = 240.0
"""A forked process that lives longer hangs: it says where each of its threads is, and ends [s]."""


def say(**what: Any) -> None:
    """Tell one object."""
    os.write(1, json.dumps(what).encode() + b"\n")


def say_ended(status: int) -> None:
    """Tell how a process ended. What it was telling when it was killed may lack its end, so this begins a line of its own."""
    os.write(1, b"\n" + json.dumps({"exit": os.waitstatus_to_exitcode(status)}).encode() + b"\n")


def watched() -> None:
    """Let this process end, with the stacks of all threads, rather than hang."""
    faulthandler.dump_traceback_later(LONGEST_S, exit=True)


def told(output: IO[bytes]) -> dict[str, Any] | None:
    """Return the next object; None at the end of all.

    A line that was torn by the end of its process told nothing: what was not told whole was not acknowledged.

    Raises:
        ValueError: a line is none although its process had not ended.
    """
    torn = b""
    while line := output.readline():
        if not line.strip():
            continue
        try:
            said: dict[str, Any] = json.loads(line)
        except ValueError:
            if torn:
                raise
            torn = line
            continue
        if torn and "exit" not in said:
            raise ValueError(f"a line is no JSON: {torn[:200]!r}")
        return said
    return None
