"""The process that reads files from outside: one after the other, within the memory and time it was given.

    python -P -m groundrule.pipeline.reading_child MEMORY_BYTES

Frames (8 bytes length, big endian, and so many bytes) come on standard input: a question as JSON and the file. For each, frames go to
standard output: a JSON that says how many publications there are or why it was refused, and for each publication its report and its
suggested claims. Only JSON goes back, so that even a reader that a file has taken over can do no more than answer wrongly.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import struct
import sys
from typing import IO, Any, Final

from groundrule.errors import GroundruleError
from groundrule.evidence.raw_files import Limits
from groundrule.evidence.reading import read_reports
from groundrule.evidence.report_json import claim_value, encode
from groundrule.evidence.suggest import suggest

try:
    import resource
except ImportError:  # not on every system; time is bounded by the parent there, and memory by the system
    resource = None  # type: ignore[assignment]  # told apart where it is used

LENGTH: Final = struct.Struct(">Q")
OPEN_FILES: Final = 64
"""Files that the reader may hold open: its own pipes, and modules while they load."""


def send(stream: IO[bytes], body: bytes) -> None:
    """Write one frame."""
    stream.write(LENGTH.pack(len(body)))
    stream.write(body)


def receive(stream: IO[bytes]) -> bytes | None:
    """Read one frame of the parent, or None where there are no more."""
    head = stream.read(LENGTH.size)
    return stream.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else None


def answer(question: dict[str, Any], raw: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """Read one file; what it cannot be read for is an answer, too.

    Returns:
        The head of the answer, and the frames that follow it. `spent` in the head: this process is not to be used again.
    """
    limits = Limits(**question["limits"])
    spent = False
    try:
        reports = read_reports(
            raw,
            file_name=question["file_name"],
            captured_at_ns=question["captured_at_ns"],
            captured_by=question["captured_by"],
            source_url=question["source_url"],
            limits=limits,
        )
        frames = []
        for report in reports:
            frames.append(encode(report))
            frames.append(json.dumps([claim_value(claim) for claim in suggest(report)]).encode())
        return {"reports": len(reports)}, frames
    except GroundruleError as error:
        said, advice = error.message, error.help
    except MemoryError:
        said, advice, spent = "reading it needs more memory than a report may have", "import the article alone", True
    except RecursionError:
        said, advice = "it is nested deeper than can be read", "import the article alone"
    except Exception as error:  # noqa: BLE001 - a file that trips a library must stop none beside it
        said, advice, spent = f"it broke the reader ({type(error).__name__})", "save the page anew, or as plain text", True
    return {"refused": said, "help": advice, "spent": spent}, []


def warm_up() -> None:
    """Load what every reading needs, while files may still be written: the model of languages is unpacked to a nameless one."""
    # Where a package is missing, each file that needs it is told.
    with contextlib.suppress(GroundruleError):
        read_reports(b"Nobody has sent anything so far; this line is read so that all is in place.", file_name="first.txt")


def confine(memory_bytes: int) -> None:
    """Bound what this process may take, as far as the system can.

    Args:
        memory_bytes: of address space.
    """
    if resource is None:
        return
    wanted = {
        "RLIMIT_AS": memory_bytes,
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": 0,  # pipes are no files: it can answer, and write nothing else
        "RLIMIT_NOFILE": OPEN_FILES,
    }
    for name, most in wanted.items():
        # Some systems know a limit and refuse to set it.
        with contextlib.suppress(AttributeError, ValueError, OSError):
            kind = getattr(resource, name)
            _, hard = resource.getrlimit(kind)
            bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (bound, bound))


def allow_work(seconds: float) -> None:
    """End this process by the system itself after so much more work, should the parent be gone by then."""
    if resource is None:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    with contextlib.suppress(ValueError, OSError):
        soft = math.ceil(used.ru_utime + used.ru_stime + seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def serve(source: IO[bytes], sink: IO[bytes]) -> None:
    """Answer until nobody asks any more."""
    send(sink, json.dumps({"ready": True}).encode())
    sink.flush()
    while (asked := receive(source)) is not None and (raw := receive(source)) is not None:
        question = json.loads(asked)
        allow_work(question["seconds"])
        head, frames = answer(question, raw)
        send(sink, json.dumps(head).encode())
        for frame in frames:
            send(sink, frame)
        sink.flush()
        if head.get("spent"):
            return


def main(memory_bytes: int) -> None:
    """Serve on the standard streams, which nobody else in this process can reach."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(nothing, stream)
    warm_up()
    confine(memory_bytes)
    with contextlib.suppress(BrokenPipeError):
        serve(source, sink)


if __name__ == "__main__":
    main(int(sys.argv[1]))
