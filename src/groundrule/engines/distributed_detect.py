"""Detection over the history of a home by buckets of terminals, on whatever carries the slices.

    workers             observations of a bucket ──► detectors that watch one terminal ──► signals, and notes of what others ask
    the asking machine  notes of all buckets, in order of time ──► those that look at many terminals ──► all signals

Which areas were disturbed is stored with the observations, so that suspension needs no other terminal. See `pipeline.watched`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from groundrule.detect.signals import Signal
from groundrule.engines.bundle import pack
from groundrule.engines.distributed import Cluster, Job, answers_to
from groundrule.engines.slices import Bucket, buckets_for, files_of, reads_of
from groundrule.errors import IntegrityError
from groundrule.pipeline.detecting import Detection
from groundrule.pipeline.detectors import meeting_of, watching_of
from groundrule.pipeline.history import first_observed_ns
from groundrule.pipeline.home import basis_of, rulebook_of
from groundrule.pipeline.judge import Basis
from groundrule.pipeline.manifests import read_manifest, runs
from groundrule.pipeline.replaying import Progress, no_progress
from groundrule.pipeline.stored_history import TableHistory
from groundrule.pipeline.watched import Watched, meet, terminal_days
from groundrule.store.area_store import current_areas_digest
from groundrule.store.home import Home
from groundrule.store.places import Place
from groundrule.store.registers import Registers


class Answer(msgspec.Struct):
    """What became of one bucket; see `Watched`.

    Attributes:
        notes: an Arrow stream.
        terminal_days: how many (`watched.terminal_days`).
    """

    observations: int
    late: int
    withdrawn: int
    signals: list[Signal]
    held: list[Signal]
    notes: bytes
    terminal_days: int

    @property
    def watched(self) -> Watched:
        """What the bucket shows by itself."""
        notes = pa.ipc.open_stream(pa.BufferReader(self.notes)).read_all()
        return Watched(self.observations, self.late, self.withdrawn, self.signals, self.held, notes)


@dataclass(frozen=True, slots=True)
class DetectBuckets:
    """Watches the terminals of a bucket; an `Answering`.

    Attributes:
        runs: of the home, ascending.
        rulebook, areas: digests.
        recorded_at_ns: registers as known at this instant [ns, UTC].
        began_ns: the first observation of any terminal [ns, UTC].
    """

    runs: tuple[int, ...]
    rulebook: str
    areas: str
    recorded_at_ns: int
    began_ns: int

    def asked(self) -> dict[str, Any]:
        """See `Answering.asked`."""
        times = {"recorded_at_ns": str(self.recorded_at_ns), "began_ns": str(self.began_ns)}
        return {"detect": list(self.runs), "rulebook": self.rulebook, "areas": self.areas, **times}

    def __call__(self, home: Home, bucket: Bucket) -> Iterator[bytes]:
        """Yield an `Answer`."""
        for run, message in sorted(bucket.unreadable.items()):
            raise IntegrityError(f"run {run}: {message}")
        key = (home, self.rulebook, self.areas, self.recorded_at_ns)
        if key not in _BASIS:
            _BASIS.clear()
            _BASIS[key] = basis_of(home, recorded_at_ns=self.recorded_at_ns, rulebook=self.rulebook, areas=self.areas)
        basis = _BASIS[key]
        detection, notes = watching_of(home, basis, recorded_at_ns=self.recorded_at_ns, began_ns=self.began_ns)
        batches = list(TableHistory(bucket.observations).in_order(self.runs))
        for batch in batches:
            detection.update(batch)
        found = notes.watched(detection)
        answer = Answer(
            found.observations, found.late, found.withdrawn, found.signals, found.held, _packed(found.notes),
            len(terminal_days(basis.registers, batches)),
        )  # fmt: skip
        yield msgspec.msgpack.encode(answer, enc_hook=_number)


_BASIS: dict[tuple[Home, str, str, int], Basis] = {}
"""What the worker keeps from one bucket to the next."""


def distributed_detection(
    home: Home,
    cluster: Cluster,
    *,
    recorded_at_ns: int,
    buckets: int | None = None,
    progress: Progress = no_progress,
    checkpoint: Place | None = None,
) -> tuple[Detection, int]:
    """Look at all that a home has decided, and return the detection at its end, and how many terminal-days there are.

    Args:
        home: whose history.
        cluster: that answers.
        recorded_at_ns: registers as known at this instant [ns, UTC].
        buckets: into how many terminals are divided; None goes by rows.
        progress: told of observations done.
        checkpoint: where answers of buckets are kept; see `answers_to`.
    Raises:
        InputError: the rulebook states a threshold that there is not.
        IntegrityError: history cannot be read any more.
        StoreError: the cluster failed.
    """
    known, book, areas = runs(home), rulebook_of(home), current_areas_digest(home)
    with Registers.open(home) as registers:
        # The same registers are the same question, whenever it is asked.
        known_ns = min(recorded_at_ns, max((each.recorded_at_ns for each in registers.revisions()), default=recorded_at_ns))
    basis = basis_of(home, recorded_at_ns=recorded_at_ns, rulebook=book.digest, areas=areas)
    detection, recalled = meeting_of(home, basis, recorded_at_ns=recorded_at_ns)
    began_ns = first_observed_ns(home)
    if began_ns is None:
        return detection, 0
    rows = sum(int(read_manifest(home, run)["observations"]["rows"]) for run in known)
    with tempfile.TemporaryDirectory(prefix="groundrule-bundle-") as folder:
        bundle = pack(home, Path(folder), rulebooks=[book], areas=[areas])
        reads = reads_of(files_of(home, known, decisions=False), cluster.at_once())
        answer = DetectBuckets(tuple(known), book.digest, areas, known_ns, began_ns)
        job = Job("detect", reads, buckets or buckets_for(rows), bundle, answer, rows)
        try:
            answers = answers_to(cluster, job, progress, checkpoint)
        except BaseException:
            cluster.stop()
            raise
    found = [msgspec.msgpack.decode(each, type=Answer) for each in answers]
    meet(detection, recalled, [each.watched for each in found])
    return detection, sum(each.terminal_days for each in found)


def _packed(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def _number(value: object) -> float:
    """Numbers of NumPy that a detector has put into a signal."""
    if isinstance(value, np.floating):
        return float(value)
    raise TypeError(f"cannot carry {type(value)}")
