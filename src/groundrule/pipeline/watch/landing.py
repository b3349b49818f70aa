"""Messages of a broker become files in a folder, for whoever decides files: a cluster, or another machine.

    messages ─► read ─► file announced ─► rejected rows ─► FOLDER/NAME.parquet, fsynced and renamed ─► position ─► acknowledged

    FOLDER/NAME.parquet                    observations, under their own names; NAME says stream, first and last message, and a digest
    FOLDER/_landing/rejected/NAME.rejects  rows that could not be used, as JSON lines
    FOLDER/_landing/watch.sqlite, lock     which messages were taken; who writes

A message is in one file, also after a crash: the file is announced with the numbers of its messages before it is written. Where it is
there at the next start, they count as taken; where it is not, they come again. Nothing is decided, and no home is needed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groundrule.errors import InputError, StoreError
from groundrule.instant import NS_PER_S
from groundrule.pipeline.watch.arrivals import Arrival
from groundrule.records import OBSERVATION_SCHEMA
from groundrule.store.durable import durable_file
from groundrule.store.exclusive import exclusive
from groundrule.store.observation_columns import TARGETS
from groundrule.store.rejects import RejectCounts, rejects_of

STATE: Final = "_landing"
"""Folder within the folder: what reads landed files looks at no name that begins so."""
FILE_ROWS: Final = 262_144
"""A file is written with so many rows at the latest; one message more may be in it."""
FILE_S: Final = 30.0
"""And after so long at the latest [s]: a broker sends again what was not acknowledged within a minute."""
MOST_WAITING: Final = 65_536
"""Messages that may wait to be acknowledged, where the consumer is made here."""
_LOOK_S: Final = 0.5
_SLOWEST_S: Final = 5.0
_COLUMNS: Final = [name for name in OBSERVATION_SCHEMA.names if name in TARGETS]


class Announcing(Protocol):
    """A source that remembers which file is about to hold what it gave; see `BrokerSource`."""

    name: str
    most_waiting: int

    @property
    def exhausted(self) -> bool:
        """Will nothing more come before somebody adds something?"""

    @property
    def waiting(self) -> int:
        """Messages that are not acknowledged."""

    def announced(self) -> str | None:
        """Return what the process before announced and did not see taken."""

    def settle(self, *, durable: bool) -> None:
        """Say whether that had become durable."""

    def announce(self, arrivals: Sequence[Arrival], name: Callable[[int, int, str], str]) -> str:
        """Write down which file is about to hold arrivals."""

    def take(self, wait_s: float, most_rows: int) -> Sequence[Arrival]:
        """Return what has arrived; all of each message."""

    def taken(self, arrivals: Sequence[Arrival]) -> None:
        """Hear that arrivals are durable."""

    def said(self) -> Mapping[str, object]:
        """Return what happened, in counts by name."""

    def close(self) -> None:
        """Let everything go."""


@dataclass(slots=True)
class Landed:
    """What has landed, in a cycle or since the start.

    Attributes:
        ended_ns: until when [ns, UTC].
        files: written. rows: in them.
        rejects: rows that could not be used, or were set aside.
        newest_ns: latest observation [ns, UTC]; None where none came.
        tries: files that could not be written and were tried again.
    """

    ended_ns: int = 0
    files: int = 0
    rows: int = 0
    rejects: RejectCounts = field(default_factory=RejectCounts)
    newest_ns: int | None = None
    tries: int = 0

    def add(self, other: Landed) -> None:
        """Count another one in."""
        self.files += other.files
        self.rows += other.rows
        self.tries += other.tries
        self.rejects.by_reason.update(other.rejects.by_reason)
        self.rejects.set_aside.update(other.rejects.set_aside)
        self.ended_ns = other.ended_ns
        if other.newest_ns is not None:
            self.newest_ns = other.newest_ns if self.newest_ns is None else max(self.newest_ns, other.newest_ns)

    def lag_s(self) -> float | None:
        """Return how far the latest observation was behind the clock at the end [s]; None where none came."""
        return None if self.newest_ns is None else (self.ended_ns - self.newest_ns) / NS_PER_S


@contextmanager
def landing_folder(folder: Path) -> Iterator[Path]:
    """Hold a folder, which is made where it is missing, as the only one that lands files there; yields the folder of its state.

    Raises:
        ConflictError: another lands files there. InputError: it cannot be a folder.
    """
    state = folder / STATE
    try:
        state.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"`{folder}` is no folder", help="name one, or one that is not there yet", option="--land") from None
    except OSError as error:
        raise StoreError(f"cannot make `{state}`: {error.strerror or error}", path=str(state)) from error
    with exclusive(state / "lock", folder):
        for left in folder.glob(".*.parquet.*.part"):
            left.unlink(missing_ok=True)  # of a process that was killed; nobody reads hidden names
        yield state


class Lander:
    """Lands files from one source until it is told to stop; `run` is for one thread, `stop` for any.

    Args:
        source: it is closed at the end.
        folder: held by `landing_folder`.
        prefix: of the names of files: that of the stream.
        cycle_s: length of a cycle [s]; a file is written in each, or sooner (`FILE_ROWS`, `FILE_S`).
        once: end when the source is exhausted.
        clock: gives the time [ns, UTC].
    Attributes:
        said: is told each cycle, with all since the start.
        total: everything since the start.
        fault: why a file cannot be written now, or empty.
    """

    def __init__(
        self, source: Announcing, folder: Path, prefix: str, *, cycle_s: float = 15.0, once: bool = False,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:  # fmt: skip
        self.source, self._folder, self._prefix, self._cycle_s, self._once, self._clock = source, folder, prefix, cycle_s, once, clock
        self.said: Callable[[Landed, Landed], None] = lambda _cycle, _total: None
        self.total, self._cycle, self.fault = Landed(clock()), Landed(clock()), ""
        self._ends = threading.Event()
        self._held: list[Arrival] = []

    def stop(self) -> None:
        """End after writing what was read."""
        self._ends.set()

    def run(self) -> Landed:
        """Land files until stopped or, `once`, until nothing is left.

        Raises:
            InputError, StoreError: the source cannot be read; or the disk refused a file, and the end was asked for.
        """
        until = time.monotonic() + self._cycle_s
        try:
            self._settle()
            since = time.monotonic()
            while not self._ends.is_set():
                left = until - time.monotonic()
                if left <= 0:
                    self._write()
                    self._end_cycle()
                    until = since = time.monotonic()
                    until += self._cycle_s
                    continue
                if not self._held:
                    since = time.monotonic()
                arrivals = self.source.take(min(_LOOK_S, left), FILE_ROWS)
                self._held += arrivals
                full = sum(len(each.rows) for each in self._held) >= FILE_ROWS or time.monotonic() - since >= min(FILE_S, self._cycle_s)
                if full or (not arrivals and (self._once or self.source.waiting >= self.source.most_waiting)):
                    self._write()
                if self._once and not self._held and self.source.exhausted:
                    break
            self._write()
        finally:
            self.source.close()
        self._end_cycle()
        return self.total

    # --- files ----------------------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Find out what became of the file that the process before announced."""
        name = self.source.announced()
        if name is None:
            return
        durable = (self._folder / f"{name}.parquet").exists() or (self._rejected(name).exists() and name.endswith(_NOTHING))
        if not durable:
            self._rejected(name).unlink(missing_ok=True)
        self.source.settle(durable=durable)

    def _write(self) -> None:
        """Write a file of what was read, and let it be acknowledged; tried again where the disk refuses."""
        wait_s = 0.1
        while self._held:
            try:
                self._written()
            except StoreError as error:
                self.fault = str(error)
                self._cycle.tries += 1
                if self._ends.wait(wait_s):
                    raise
                wait_s = min(2 * wait_s, _SLOWEST_S)
            else:
                self.fault = ""

    def _written(self) -> None:
        held = self._held
        rows = pa.concat_tables([each.rows for each in held])
        bad = rejects_of([each.rejects.table for each in held])
        tail = "" if len(rows) else _NOTHING
        name = self.source.announce(held, lambda first, last, digest: f"{self._prefix}-{first:012d}-{last:012d}-{digest[:12]}{tail}")
        if len(bad):
            with durable_file(self._rejected(name)) as stream:
                bad.write_jsonl(stream)
        if len(rows):
            with durable_file(self._folder / f"{name}.parquet") as stream:
                pq.write_table(as_given(rows), stream, compression="zstd")
        self.source.taken(held)
        self._held = []
        self._cycle.files += bool(len(rows))
        self._cycle.rows += len(rows)
        self._cycle.rejects.add(bad)
        if len(rows):
            newest = int(pc.max(rows.column("observed_at")).as_py())
            self._cycle.newest_ns = newest if self._cycle.newest_ns is None else max(self._cycle.newest_ns, newest)

    def _rejected(self, name: str) -> Path:
        return self._folder / STATE / "rejected" / f"{name}.rejects"

    def _end_cycle(self) -> None:
        self._cycle.ended_ns = self._clock()
        self.total.add(self._cycle)
        self.said(self._cycle, self.total)
        self._cycle = Landed(self._cycle.ended_ns)


_NOTHING: Final = "-nothing"
"""End of the name of rejected rows beside which there is no file, since nothing else was in their messages."""


def as_given(rows: pa.Table) -> pa.Table:
    """Return observations as somebody would hand them in: what readers add is left out, and times say that they are UTC."""
    given = rows.select(_COLUMNS)
    place = given.schema.get_field_index("observed_at")
    times = given.column("observed_at").cast(pa.timestamp("ns", "UTC"))
    given = given.set_column(place, pa.field("observed_at", pa.timestamp("ns", "UTC")), times)
    silent = [name for name in given.column_names if given.column(name).null_count == len(given)]
    return given.drop_columns(silent)
