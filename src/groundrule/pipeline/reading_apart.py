"""Reading files from outside apart from everything else: in a process that may be ended at any moment.

The readers of pages, PDF and archives look at the clock and count as they go, but what a library does in between is its own. So each file
is read in a second process with a bound on its memory, and a clock here that ends it. One process serves a whole batch; after an end
the next file gets a new one. What comes back is JSON, checked like any other input.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import IO, Any, Final, Protocol

import msgspec

from groundrule.errors import InputError, StoreError
from groundrule.evidence.raw_files import Limits, safe_name
from groundrule.evidence.report import Claim, Report
from groundrule.evidence.report_json import parse_claim, parse_report
from groundrule.pipeline.reading_child import LENGTH, send

PROGRAM: Final = (sys.executable, "-P", "-B", "-m", "groundrule.pipeline.reading_child")
"""The reader; `-P`: a file named like a module in the present folder is no module."""
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "TEMP", "TMP")
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class ReadingBounds:
    """What reading one file may take at the very most; beyond, the reader is ended and the file refused.

    Attributes:
        seconds: from handing over the file to the last byte of the answer. More than `Limits.seconds`, at which the readers themselves stop
            and give what they have.
        memory_bytes: of address space, the reader's own 0.3 GB included; not on systems without such a limit.
        answer_bytes: of what was read.
        starting_seconds: for the reader to start.
    """

    seconds: float = 90.0
    memory_bytes: int = 1_500_000_000
    answer_bytes: int = 256 << 20
    starting_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Reading:
    """One publication as read, and what rules suggest that it claims."""

    report: Report
    claims: tuple[Claim, ...]


class Reader(Protocol):
    """Reads files from outside."""

    limits: Limits

    def read(
        self, raw: bytes, *, file_name: str, captured_at_ns: int | None = None, captured_by: str = "", source_url: str = ""
    ) -> tuple[Reading, ...]:
        """Read every publication of a file."""


class ReadBefore:
    """Gives what was read of files before, so that nobody who writes to the home waits for a reader.

    Args:
        limits: under which they were read.
        readings: by SHA-256 of the file [64 hex digits].
    """

    def __init__(self, limits: Limits, readings: Mapping[str, tuple[Reading, ...]]) -> None:
        self.limits, self._readings = limits, dict(readings)

    def read(
        self,
        raw: bytes,
        *,
        file_name: str,
        captured_at_ns: int | None = None,  # noqa: ARG002 - as of `Reader`
        captured_by: str = "",  # noqa: ARG002 - as of `Reader`
        source_url: str = "",  # noqa: ARG002 - as of `Reader`
    ) -> tuple[Reading, ...]:
        """Return the readings of a file; what is said of its capture was said when it was read.

        Raises:
            InputError: it was not read before.
        """
        try:
            return self._readings[sha256(raw).hexdigest()]
        except KeyError:
            raise InputError(f"`{safe_name(file_name)}` has changed since it was read", help="import it again") from None


class _Gone(Exception):
    """The reader ended or answered what no reader answers."""


class ReaderApart:
    """Reads files in a process of its own; a context manager that ends it.

    Args:
        limits: how much is read of each file.
        bounds: what reading may take.
        program: command of the reader; the bound on memory is added to it.
    """

    def __init__(
        self, limits: Limits | None = None, bounds: ReadingBounds | None = None, *, program: Sequence[str] = PROGRAM
    ) -> None:
        self.limits, self.bounds, self._program = limits or Limits(), bounds or ReadingBounds(), program
        self._process: subprocess.Popen[bytes] | None = None
        self._never: StoreError | None = None

    def __enter__(self) -> ReaderApart:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the reader, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                # What could not be handed over is of no use any more.
                with contextlib.suppress(OSError):
                    stream.close()
        process.wait()

    def read(
        self, raw: bytes, *, file_name: str, captured_at_ns: int | None = None, captured_by: str = "", source_url: str = ""
    ) -> tuple[Reading, ...]:
        """Read every publication of a file.

        Args:
            raw: its bytes. file_name, captured_at_ns, captured_by, source_url: as of `read_reports`.

        Raises:
            InputError: it cannot be read, or not within the bounds.
            StoreError: no reader can be started.
        """
        name = safe_name(file_name)
        question = {
            "file_name": file_name, "captured_at_ns": captured_at_ns, "captured_by": captured_by, "source_url": source_url,
            "limits": asdict(self.limits), "seconds": self.bounds.seconds,
        }  # fmt: skip
        if self._process is None or self._process.poll() is not None:
            self.close()
            if self._never is not None:
                raise self._never  # what does not start for one file does not start for a thousand
            self._start()
        process = self._process
        assert process is not None
        done = False
        try:
            with _ended_after(process, self.bounds.seconds) as late:
                try:
                    head, frames = self._exchange(process, msgspec.json.encode(question), raw)
                except (_Gone, OSError, ValueError, msgspec.MsgspecError) as error:
                    self.close()
                    raise self._refusal(name, process, error, late=late.is_set()) from None
                done = not head.get("spent") and not late.is_set()
        finally:
            # Also when a person interrupts: half an answer in the pipe would be taken for that of the next file.
            if not done:
                self.close()
        if "refused" in head:
            raise InputError(_text(head["refused"]), help=_text(head.get("help")) or None, file=name)
        return tuple(_reading(*pair) for pair in zip(frames[::2], frames[1::2], strict=True))

    def _start(self) -> None:
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        places = [os.path.abspath(each) for each in sys.path if each]  # noqa: PTH100 - archives of modules are places, too
        environment = {**kept, **dict.fromkeys(_ONE_THREAD, "1"), "PYTHONPATH": os.pathsep.join(places)}
        try:
            process = subprocess.Popen(  # noqa: S603 - our own program with our own argument
                [*self._program, str(self.bounds.memory_bytes)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, env=environment,
            )  # fmt: skip
        except OSError as error:
            self._never = StoreError(f"no reader can be started: {error.strerror}", help="check the installation")
            raise self._never from error
        self._process = process
        try:
            with _ended_after(process, self.bounds.starting_seconds):
                assert process.stdout is not None
                _frame(process.stdout, 1_000)
        except (_Gone, OSError):
            self.close()
            self._never = StoreError(
                f"the reader does not start within {self.bounds.starting_seconds:g} s and {self.bounds.memory_bytes:,} bytes",
                help=f"see what it says: {' '.join(self._program)} {self.bounds.memory_bytes}",
            )
            raise self._never from None

    def _exchange(self, process: subprocess.Popen[bytes], question: bytes, raw: bytes) -> tuple[dict[str, Any], list[bytes]]:
        assert process.stdin is not None
        assert process.stdout is not None
        send(process.stdin, question)
        send(process.stdin, raw)
        process.stdin.flush()
        left = self.bounds.answer_bytes
        first = _frame(process.stdout, min(left, 100_000))
        head = msgspec.json.decode(first, type=dict[str, Any])
        count = head.get("reports", 0)
        if not isinstance(count, int) or not 0 <= count <= self.limits.members:
            raise _Gone("it says how many publications there are in no number")
        frames = []
        for _ in range(2 * count):
            frames.append(_frame(process.stdout, left))
            left -= len(frames[-1])
        return head, frames

    def _refusal(self, name: str, process: subprocess.Popen[bytes], error: Exception, *, late: bool) -> InputError:
        if late:
            why = f"reading it took longer than {self.bounds.seconds:g} s and was stopped"
        elif process.returncode is not None and process.returncode < 0 and isinstance(error, (_Gone, OSError)) and not str(error):
            why = f"reading it ended the reader (signal {-process.returncode})"
        else:
            why = f"the reader gave no answer to it{f': {error}' if str(error) else ''}"
        return InputError(f"`{name}`: {why}", help="import the article alone, or as plain text", file=name)


@contextlib.contextmanager
def _ended_after(process: subprocess.Popen[bytes], seconds: float) -> Iterator[threading.Event]:
    """End a process that takes longer; pipes that somebody waits at then end, too."""
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


def _frame(stream: IO[bytes], most: int) -> bytes:
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise _Gone
    length = LENGTH.unpack(head)[0]
    if length > most:
        raise _Gone(f"what was read from it is longer than {most:,} bytes")
    body = stream.read(length)
    if len(body) < length:
        raise _Gone
    return body


def _reading(report: bytes, claims: bytes) -> Reading:
    try:
        values = msgspec.json.decode(claims, type=list[dict[str, Any]])
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError(f"no list of claims: {error}") from None
    return Reading(parse_report(report), tuple(parse_claim(value) for value in values))


def _text(value: object) -> str:
    return value[:2_000] if isinstance(value, str) else ""
