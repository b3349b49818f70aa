"""Slices of history carried by Apache Spark: the only module besides `spark_session` that knows it.

    range of tasks ──mapInArrow──► slices ──repartitionById(bucket)──► all of a bucket ──mapInArrow──► answers

Spark plans, places, repeats what failed, shuffles and collects. A slice is one value of bytes to it. The bundle travels by
`SparkContext.addFile`, and the functions by name: every machine has the same program installed.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pyarrow as pa

from groundrule.engines.distributed import Asked, Job, answers_of, check_engine
from groundrule.engines.slices import Slice
from groundrule.engines.spark_session import SparkFailed, first_line, spark_session
from groundrule.errors import InputError
from groundrule.pipeline.decisions import ENGINE
from groundrule.pipeline.replaying import Progress

_SLICES: Final = "bucket int, kind string, run int, correction boolean, number int, data binary"
_ANSWERS: Final = "answer binary"
_SLICE_SCHEMA: Final = pa.schema(
    [
        pa.field("bucket", pa.int32()), pa.field("kind", pa.string()), pa.field("run", pa.int32()),
        pa.field("correction", pa.bool_()), pa.field("number", pa.int32()), pa.field("data", pa.binary()),
    ]
)  # fmt: skip
_POLL_S: Final = 0.2
_OURS: Final = re.compile(r"groundrule\.errors\.(\w+): (.*)")

Batches = Iterator[pa.RecordBatch]


@contextmanager
def spark_cluster(master: str) -> Iterator[SparkCluster]:
    """Open a session at a master for the length of the block; see `spark_session.spark_session` for what it raises."""
    with spark_session(master) as session, tempfile.TemporaryDirectory(prefix="groundrule-bundles-") as folder:
        yield SparkCluster(session, Path(folder))


class SparkCluster:
    """See `distributed.Cluster`.

    Args:
        session: a `SparkSession`.
        folder: where bundles lie as long as the session, for executors that come later.
    """

    def __init__(self, session: Any, folder: Path) -> None:
        self.session, self._folder = session, folder

    def at_once(self) -> int:
        """See `Cluster.at_once`."""
        return int(self.session.sparkContext.defaultParallelism)

    def run(self, job: Job, progress: Progress) -> list[bytes]:
        """See `Cluster.run`.

        Raises:
            InputError: a machine has another program version.
            SparkFailed: something failed more often than Spark tries.
        """
        context, group = self.session.sparkContext, uuid4().hex
        bundle = self._folder / job.bundle.name
        if not bundle.exists():
            shutil.copyfile(job.bundle, bundle)
            context.addFile(str(bundle))
        tasks = len(job.reads)
        slices = self.session.range(0, tasks, 1, max(tasks, 1)).mapInArrow(_cutting(job), _SLICES)
        whole = slices.repartitionById(job.buckets, slices["bucket"])
        answers = whole.mapInArrow(_answering(Asked.of(job)), _ANSWERS)

        def collect() -> list[bytes]:
            context.setJobGroup(group, f"groundrule {job.step}")
            found: list[bytes] = answers.toArrow().column("answer").to_pylist()
            return found

        with ThreadPoolExecutor(1, thread_name_prefix="spark") as others:
            under_way: Future[list[bytes]] = others.submit(collect)
            shown = _Shown(context, group, job, progress)
            try:
                while not under_way.done():
                    time.sleep(_POLL_S)
                    shown.look()
                shown.end(done=under_way.exception() is None)
                return under_way.result()
            except Exception as error:  # py4j and Spark raise what they like
                raise _in_our_words(error) from error
            except BaseException:
                # Whoever is waited for at the end of this block has to end.
                self.stop()
                raise

    def stop(self) -> None:
        """See `Cluster.stop`."""
        with suppress(Exception):  # a session that is gone does nothing any more
            self.session.sparkContext.cancelAllJobs()


def _cutting(job: Job) -> Callable[[Batches], Batches]:
    engine = ENGINE

    def cut_files(batches: Batches) -> Batches:
        check_engine(engine)
        for batch in batches:
            for task in batch.column(0).to_pylist():
                for file in job.reads[task]:
                    yield _batch(list(job.pieces(file)))

    return cut_files


def _answering(asked: Asked) -> Callable[[Batches], Batches]:
    def answer_bucket(batches: Batches) -> Batches:
        from pyspark import SparkFiles  # noqa: PLC0415 - an optional package

        folder = Path(SparkFiles.getRootDirectory())
        for found in answers_of(folder, asked, _slices(batches)):
            yield pa.record_batch([pa.array([found], pa.binary())], names=["answer"])

    return answer_bucket


def _batch(slices: Sequence[Slice]) -> pa.RecordBatch:
    return pa.record_batch(
        [pa.array([getattr(each, field.name) for each in slices], field.type) for field in _SLICE_SCHEMA], schema=_SLICE_SCHEMA
    )


def _slices(batches: Batches) -> Iterator[Slice]:
    for batch in batches:
        for row in batch.to_pylist():
            yield Slice(**row)


class _Shown:
    """Progress of a job in rows, by the tasks that are done."""

    def __init__(self, context: Any, group: str, job: Job, progress: Progress) -> None:
        self._tracker, self._group, self._job, self._progress = context.statusTracker(), group, job, progress
        self._told = dict.fromkeys(("read", job.step), 0)

    def look(self) -> None:
        """Ask how far the stages are, and tell what is new."""
        stages: set[int] = set()
        for number in self._tracker.getJobIdsForGroup(self._group):
            found = self._tracker.getJobInfo(number)
            stages.update(found.stageIds if found else ())
        # Slices are cut in the first stage, and answered for in the second.
        for step, stage in zip(self._told, sorted(stages), strict=False):
            info = self._tracker.getStageInfo(stage)
            if info is not None and info.numTasks:
                self._tell(step, self._job.rows * info.numCompletedTasks // info.numTasks)

    def end(self, *, done: bool) -> None:
        """Tell the rest."""
        for step in self._told if done else ():
            self._tell(step, self._job.rows)

    def _tell(self, step: str, rows: int) -> None:
        if rows > self._told[step]:
            self._progress(step, rows - self._told[step])
            self._told[step] = rows


def _in_our_words(error: Exception) -> Exception:
    """What a worker said in our words, or what Spark says, without Java."""
    if found := _OURS.search(str(error)):
        kind, message = found.groups()
        return InputError(message) if kind == "InputError" else SparkFailed(f"a worker failed: {message}")
    return SparkFailed(f"the work on Spark failed: {first_line(error)}")
