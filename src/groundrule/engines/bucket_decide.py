"""Observations of one bucket of terminals decided by the functions of `pipeline.runs`, and written by whoever decided them.

    given ──► in order, without repeats ──► accept ──► decide, and decide again what is late ──► files of the bucket, and a summary

What is remembered comes from the memory that the batch before has left; before the first one, from the history of the home.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from groundrule.detect.state import TerminalState
from groundrule.engines.decided_folder import DecidedFile, DecidedFolder, batch_folder, put_file
from groundrule.engines.given_files import Report, rejected_lines, reports_of
from groundrule.engines.slices import Bucket, bucket_of
from groundrule.errors import IntegrityError
from groundrule.pipeline.counts import Counts
from groundrule.pipeline.digests import TableDigest
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.judge import Basis, Judge
from groundrule.pipeline.lateness import accept, decide_batches
from groundrule.pipeline.overlay import NO_OVERLAY, Overlay
from groundrule.pipeline.snapshots import read_memory, remember, remember_all, replayed_state, write_memory
from groundrule.pipeline.stored_history import TableHistory
from groundrule.records import DECISION_SCHEMA, OBSERVATION_SCHEMA, without_silent
from groundrule.store.home import Home
from groundrule.store.ordering import in_order
from groundrule.store.places import place_at
from groundrule.store.policy import get_object

HOME: Final = 0
"""Stands for all runs of the home, as batches are numbered."""
BATCH_ROWS: Final = 1_000_000


class Summary(msgspec.Struct):
    """What became of one bucket.

    Attributes:
        bucket: which.
        files: that were written.
        digests: rows and digest of content, by kind.
        counts: what became of the observations; answers as outcome, state and rows.
        answers, reasons: as in `counts.Counts`.
        reports: on given files.
    """

    bucket: int
    files: list[DecidedFile]
    digests: dict[str, dict[str, Any]]
    counts: dict[str, int]
    answers: list[tuple[str, str, int]]
    reasons: dict[str, int]
    reports: list[Report]


@dataclass(frozen=True, slots=True)
class DecideBuckets:
    """Decides given observations and writes what comes out; an `Answering`.

    Attributes:
        folder: of decisions, as every worker sees it: a path or an address.
        batch: number of this one.
        job: digits of this job, under which its files lie.
        previous: digest of the manifest before, or None.
        buckets: how many there are.
        rulebook, areas: digests. overlay: digest of the emergencies, or None.
        recorded_at_ns: registers as known at this instant [ns, UTC].
        as_of_ns: apply rules and areas as of this instant [ns, UTC], or None.
        base: last run of the home that is remembered, and the digest of its manifest; None where it has none.
        inputs: digest of how the given files are read.
    """

    folder: str
    batch: int
    job: str
    previous: str | None
    buckets: int
    rulebook: str
    areas: str
    overlay: str | None
    recorded_at_ns: int
    as_of_ns: int | None
    base: tuple[int, str] | None
    inputs: str

    def asked(self) -> dict[str, Any]:
        """See `Answering.asked`."""
        values = {name: getattr(self, name) for name in self.__slots__ if name not in ("folder", "job")}
        return {"decide": {name: None if value is None else str(value) for name, value in values.items()}}

    def __call__(self, home: Home, bucket: Bucket) -> Iterator[bytes]:
        """Decide a bucket, and yield its summary."""
        for run, message in sorted(bucket.unreadable.items()):
            raise IntegrityError(f"run {run}: {message}")
        yield msgspec.msgpack.encode(_Deciding(self, home, bucket).done())


class _Deciding:
    """One bucket under way."""

    def __init__(self, asked: DecideBuckets, home: Home, bucket: Bucket) -> None:
        self._asked, self._home, self._bucket = asked, home, bucket
        self._earlier = _earlier(asked.folder, asked.batch, asked.previous)
        self._target = batch_folder(place_at(asked.folder), asked.batch)
        self._files: list[DecidedFile] = []
        self._digests: dict[str, TableDigest] = {}
        self._accepted: list[pa.Table] = []
        self._counts = Counts()

    def done(self) -> Summary:
        """Decide and write everything."""
        self._remembered()
        tables: dict[str, list[pa.Table]] = {kind: [] for kind in ("decisions", "corrections", "over_late")}
        if self._bucket.given:
            self._decide(tables)
        elif self._bucket.observations:
            self._write("memory", self._memory(self._judge()))
        schemas = {"observations": OBSERVATION_SCHEMA, "over_late": OBSERVATION_SCHEMA}
        for kind, found in ({"observations": self._accepted} | tables).items():
            self._write(kind, pa.concat_tables([schemas.get(kind, DECISION_SCHEMA).empty_table(), *found]))
        lines = rejected_lines(self._bucket.beside)
        if lines:
            self._write("rejected", b"".join(line + b"\n" for line in lines), len(lines))
        counts = self._counts
        return Summary(
            self._bucket.number, self._files, {kind: digest.content for kind, digest in self._digests.items() if digest.rows},
            {name: getattr(counts, name) for name in ("decided", "corrected", "duplicates", "late", "over_late", "unregistered")},
            sorted((outcome, state, rows) for (outcome, state), rows in counts.answers.items()), counts.reasons,
            reports_of(self._bucket.beside),
        )  # fmt: skip

    # --- steps --------------------------------------------------------------------------------------------------------

    def _decide(self, tables: dict[str, list[pa.Table]]) -> None:
        judge, counts, history, known = self._judge(), self._counts, self._history(), self._known()
        given = pa.concat_tables(self._bucket.given)
        ordered = in_order(given.combine_chunks())
        counts.duplicates = len(given) - len(ordered)
        batches: Iterator[pa.Table] = (ordered.slice(first, BATCH_ROWS) for first in range(0, len(ordered), BATCH_ROWS))
        if known:
            batches = accept(history, judge, batches, known, counts, tables["over_late"].append)
        rows: list[np.ndarray[Any, np.dtype[np.int32]]] = [np.zeros(0, np.int32)]

        def stored() -> Iterator[pa.Table]:
            for table in batches:
                self._accepted.append(table)
                rows.append(judge.basis.registers.add(table.column("terminal_id")))
                yield table

        asked = self._asked
        for batch in decide_batches(history, judge, stored(), known, run=asked.batch, as_of_ns=asked.as_of_ns):
            tables["corrections" if batch.correction else "decisions"].append(batch.table)
            counts.add(batch.table)
        counts.decided = sum(map(len, self._accepted))
        counts.corrected = sum(len(each) for kind in ("decisions", "corrections") for each in tables[kind]) - counts.decided
        counts.over_late = sum(map(len, tables["over_late"]))
        counts.unregistered = judge.basis.registers.unregistered_among(np.concatenate(rows))
        self._write("memory", self._memory(judge))

    def _judge(self) -> Judge:
        """Return the judge with its memory as the one machine would have it before this batch."""
        asked = self._asked
        basis = _basis(self._home, asked)
        judge = Judge(basis)
        if not self._known():
            return judge
        if asked.batch == 1:
            held = replayed_state(self._home, basis, TableHistory(self._bucket.observations))
            mine = _mine(held, self._bucket.number, asked.buckets)
            remember(judge, *_taken(held, mine))
        elif found := self._earlier.memory(self._bucket.number, asked.rulebook, asked.areas):
            batch, file = found
            read = read_memory(io.BytesIO(batch.data(file)), "", judge.state)
            if read is None:
                raise IntegrityError(f"`{batch.folder / file.name}` cannot be read", help="decide again into another folder")
            remember(judge, *read)
        else:
            # Another rulebook or other areas begin with the whole history as they see it.
            remember_all(self._history(), judge, self._known())
        return judge

    def _memory(self, judge: Judge) -> bytes:
        """What the next batch needs to know of the terminals of this bucket."""
        ids, state = _taken(judge, _mine(judge, self._bucket.number, self._asked.buckets))
        sink = io.BytesIO()
        if len(ids):
            write_memory(sink, ids, state.columns(), "")
        return sink.getvalue()

    def _known(self) -> list[int]:
        """Batches whose observations are remembered; the runs of the home count as one."""
        return [*([HOME] if self._asked.base else []), *range(1, self._asked.batch)]

    def _history(self) -> TableHistory:
        kinds = ("observations", "remembered"), ("over_late", "remembered_over_late")
        first, second = (_Stored(self, *names) for names in kinds)
        return TableHistory(first, second)

    def stored(self, kind: str, batch: int) -> list[pa.Table]:
        """Return what is stored of this bucket."""
        if batch == self._asked.batch:
            return self._accepted if kind == "observations" else []
        if batch == HOME and self._asked.batch == 1:
            kept = self._bucket.observations if kind == "remembered" else self._bucket.over_late
            return [table for run in sorted(kept) for table in kept[run]]
        of = self._earlier.batches[max(batch, 1) - 1]
        file = of.file(kind, self._bucket.number)
        return [] if file is None else [of.table(file)]

    def _remembered(self) -> None:
        """Keep what the home remembers beside the first batch, so that no later one asks for it."""
        for kind, kept in (("remembered", self._bucket.observations), ("remembered_over_late", self._bucket.over_late)):
            self._write(kind, pa.concat_tables([OBSERVATION_SCHEMA.empty_table(), *(t for run in sorted(kept) for t in kept[run])]))

    def _write(self, kind: str, content: pa.Table | bytes, rows: int = 0) -> None:
        if not len(content):
            return
        if isinstance(content, pa.Table):
            digest = self._digests.setdefault(kind, TableDigest())
            digest.update(content)
            content = content if kind in ("decisions", "corrections") else without_silent(content)
        self._files.append(put_file(self._target, self._asked.job, kind, self._bucket.number, content, rows))


@dataclass(frozen=True)
class _Stored(Mapping[int, Sequence[pa.Table]]):
    """Batches of one kind, read when they are asked for."""

    of: _Deciding
    kind: str
    of_home: str
    _kept: dict[int, list[pa.Table]] = field(default_factory=dict)

    def __getitem__(self, batch: int) -> list[pa.Table]:
        if batch == self.of._asked.batch:
            return self.of.stored(self.kind, batch)
        if batch not in self._kept:
            self._kept[batch] = self.of.stored(self.of_home if batch == HOME else self.kind, batch)
        return self._kept[batch]

    def __iter__(self) -> Iterator[int]:
        return iter(self.of._known())

    def __len__(self) -> int:
        return len(self.of._known())


def _mine(judge: Judge, bucket: int, buckets: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Rows of the judge's terminals that are in the bucket and were observed, in order of their ids."""
    ids = judge.basis.registers.terminal_ids
    judge.state.grow(len(ids))
    observed = judge.state.last_observed_ns()[: len(ids)] >= 0
    rows = np.flatnonzero(observed & (bucket_of(ids, buckets) == bucket))
    names = ids.take(pa.array(rows)).to_pylist()
    return rows[np.array(sorted(range(len(rows)), key=names.__getitem__), np.int64)]


def _taken(judge: Judge, rows: np.ndarray[Any, np.dtype[np.int64]]) -> tuple[pa.StringArray, TerminalState]:
    ids = judge.basis.registers.terminal_ids.take(pa.array(rows))
    return ids, TerminalState(*(column[rows] for column in judge.state.columns().values()))


@lru_cache(maxsize=2)
def _earlier(folder: str, batch: int, previous: str | None) -> DecidedFolder:
    """The batches before, as the manifests say; kept from one bucket to the next."""
    found = DecidedFolder.open(place_at(folder), empty=True)
    earlier = DecidedFolder(found.path, found.batches[: batch - 1])
    if (earlier.latest.digest if earlier.latest else None) != previous:
        raise IntegrityError(f"`{folder}` is not as it was when this batch was begun", help="let nobody else write there", path=folder)
    return earlier


_BASIS: dict[tuple[Home, str, str, str | None, int], Basis] = {}


def _basis(home: Home, asked: DecideBuckets) -> Basis:
    """What is decided under, from a bundle that was unpacked; kept from one bucket to the next."""
    key = (home, asked.rulebook, asked.areas, asked.overlay, asked.recorded_at_ns)
    if key not in _BASIS:
        overlay = NO_OVERLAY if asked.overlay is None else Overlay.parse(get_object(home, asked.overlay.removeprefix("sha256:")))
        read = basis_of(home, recorded_at_ns=asked.recorded_at_ns, rulebook=asked.rulebook, areas=asked.areas)
        _BASIS.clear()
        _BASIS[key] = replace(read, overlay=overlay)
    return _BASIS[key]
