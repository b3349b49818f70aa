"""Replay and what-if over buckets of terminals, on whatever carries the slices: the part that knows of no engine.

this machine    bundle of rulebooks, areas and registers; all checks that concern the whole; digests of what is stored
the cluster     reads history, cuts it into slices, and answers bucket by bucket (`bucket_replay`, `bucket_whatif`)
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from groundrule.engines.bucket_replay import Bases, Finding, replay_bucket
from groundrule.engines.bucket_whatif import Question, bases_for, what_if_of_bucket
from groundrule.engines.bundle import pack, unpack
from groundrule.engines.given_files import Reading, cut_given
from groundrule.engines.kept_answers import folder_of, job_digest, keep, kept
from groundrule.engines.slices import GIVEN, Bucket, HistoryFile, Slice, buckets_for, cut, files_of, reads_of
from groundrule.engines.stored_order import put_together
from groundrule.errors import GroundruleError, InputError, IntegrityError, StoreError
from groundrule.pipeline.comparing import Bounds
from groundrule.pipeline.decisions import ENGINE
from groundrule.pipeline.digests import TableDigest
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.judge import Basis
from groundrule.pipeline.manifests import read_manifest, runs
from groundrule.pipeline.overlay import NO_OVERLAY, Overlay
from groundrule.pipeline.replaying import Compared, Progress, no_progress
from groundrule.pipeline.stored_history import HomeHistory
from groundrule.pipeline.whatif import WhatIf, merged
from groundrule.records import DECISION_SCHEMA
from groundrule.rules.model import Rulebook
from groundrule.store.area_store import current_areas_digest
from groundrule.store.history import read_exactly
from groundrule.store.home import Home
from groundrule.store.places import Place
from groundrule.store.registers import Registers


class Answering(Protocol):
    """Given a bundle that was unpacked and a bucket, gives any number of answers."""

    def __call__(self, home: Home, bucket: Bucket) -> Iterator[bytes]:
        """Yield the answers of one bucket."""

    def asked(self) -> dict[str, Any]:
        """Return the question as canonical JSON content: equal where all answers are."""


_AS_IS: Final = Reading()


@dataclass(frozen=True, slots=True)
class Job:
    """What a cluster has to do.

    Attributes:
        step: name of it, for people.
        reads: files, those that are read together in one list.
        buckets: how many buckets their rows are divided into.
        bundle: what decisions rest on; every worker needs a copy under the same name.
        answer: called for each bucket that has rows.
        rows: observations, for progress.
        kept: where answers are kept, a folder that every worker sees; None keeps none.
        done: buckets that nobody asks for any more.
        reading: how given files are read.
    """

    step: str
    reads: Sequence[Sequence[HistoryFile]]
    buckets: int
    bundle: Path
    answer: Answering
    rows: int
    kept: Place | None = None
    done: frozenset[int] = frozenset()
    reading: Reading = _AS_IS

    def pieces(self, file: HistoryFile) -> Iterator[Slice]:
        """Yield the slices of a file that somebody asks for; see `slices.cut` and `given_files.cut_given`."""
        found = cut_given(file, self.buckets, self.reading) if file.kind == GIVEN else cut(file, self.buckets)
        return (piece for piece in found if piece.bucket not in self.done)


class Cluster(Protocol):
    """Carries slices to whoever answers for their bucket."""

    def run(self, job: Job, progress: Progress) -> list[bytes]:
        """Do a job, and return the answers of all buckets, in any order.

        Raises:
            StoreError: the cluster failed, and nothing is known.
        """

    def at_once(self) -> int:
        """Return how many tasks run at the same time."""

    def stop(self) -> None:
        """Break off what is under way."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a worker needs to know of a job; see `Job`.

    Attributes:
        bundle: its name.
        answer: what is asked.
        engine: program version that asks.
        kept: where answers are kept, or None.
    """

    bundle: str
    answer: Answering
    engine: str
    kept: Place | None = None

    @classmethod
    def of(cls, job: Job, engine: str = ENGINE) -> Asked:
        """Return what the workers of a job need to know."""
        return cls(job.bundle.name, job.answer, engine, job.kept)


def answers_of(folder: Path, asked: Asked, slices: Iterable[Slice]) -> Iterator[bytes]:
    """Answer for one bucket, on a worker.

    Args:
        folder: where the worker has the bundle.
        asked: what is asked.
        slices: all of the bucket.
    Raises:
        InputError: another program version runs here.
        GroundruleError: the bundle cannot be used, or the answers cannot be kept.
    """
    check_engine(asked.engine)
    bucket = Bucket.of(slices)
    if not bucket:
        return
    answers = asked.answer(unpack(folder / asked.bundle), bucket)
    if asked.kept is None:
        yield from answers
        return
    whole = list(answers)
    keep(asked.kept, bucket.number, whole)
    yield from whole


def answers_to(cluster: Cluster, job: Job, progress: Progress, checkpoint: Place | None) -> list[bytes]:
    """Return the answers of all buckets, in any order: those that a checkpoint holds, and of the rest those of the cluster.

    Args:
        checkpoint: a folder that every worker sees, or a prefix in object storage, where answers are kept; None keeps none.
        progress: told of rows done.
    Raises:
        StoreError: the cluster failed; what was kept until then stays, and the same job goes on there.
    """
    if checkpoint is None:
        return cluster.run(job, progress)
    folder = folder_of(checkpoint, job_digest(job.answer.asked(), job.bundle, job.reads, job.buckets))
    held = kept(folder, job.buckets)
    left = job.rows * (job.buckets - len(held)) // job.buckets
    progress(job.step, job.rows - left)
    fresh: list[bytes] = []
    if len(held) < job.buckets:
        fresh = cluster.run(replace(job, rows=left, kept=folder, done=frozenset(held)), progress)
        # Buckets without rows answer nothing; that is known now as well.
        for bucket in sorted(set(range(job.buckets)) - set(kept(folder, job.buckets))):
            keep(folder, bucket, [])
    return [*(answer for answers in held.values() for answer in answers), *fresh]


def check_engine(engine: str) -> None:
    """Refuse to work for another program version.

    Raises:
        InputError: it is another.
    """
    if engine != ENGINE:
        raise InputError(f"a worker runs {ENGINE}, and {engine} asks it", help="install the same version on all machines")


@dataclass(frozen=True, slots=True)
class ReplayBuckets:
    """Answers with the findings of a replay; see `bucket_replay.replay_bucket`."""

    runs: tuple[int, ...]
    bounds: Bounds
    recorded: frozenset[int]

    def asked(self) -> dict[str, Any]:
        """See `Answering.asked`."""
        return {"replay": list(self.runs), "bounds": _texts(self.bounds), "recorded": sorted(self.recorded)}

    def __call__(self, home: Home, bucket: Bucket) -> Iterator[bytes]:
        """Yield a finding for each run."""
        if home not in _BASES:
            _BASES.clear()
            _BASES[home] = Bases(home)
        for found in replay_bucket(bucket, _BASES[home], self.runs, self.bounds, self.recorded):
            yield msgspec.msgpack.encode(found)


@dataclass(frozen=True, slots=True)
class AskBuckets:
    """Answers a what-if; see `bucket_whatif.what_if_of_bucket`."""

    runs: tuple[int, ...]
    question: Question

    def asked(self) -> dict[str, Any]:
        """See `Answering.asked`."""
        return {"what-if": list(self.runs), **_texts(self.question), "bounds": _texts(self.question.bounds)}

    def __call__(self, home: Home, bucket: Bucket) -> Iterator[bytes]:
        """Yield who changes in one bucket."""
        for run, message in sorted(bucket.unreadable.items()):
            raise IntegrityError(f"run {run}: {message}")
        key = (home, self.question)
        if key not in _ASKED:
            _ASKED.clear()
            _ASKED[key] = bases_for(home, self.question)
        found = what_if_of_bucket(bucket, self.runs, _ASKED[key], self.question)
        # What is counted of those who change is counted again where all of them meet.
        yield msgspec.msgpack.encode(replace(found, by={}))


def _texts(asked: Bounds | Question) -> dict[str, str | None]:
    values = {each.name: getattr(asked, each.name) for each in fields(asked)}
    return {name: None if value is None else str(value) for name, value in values.items()}


_BASES: dict[Home, Bases] = {}
_ASKED: dict[tuple[Home, Question], tuple[Basis, Basis]] = {}
"""What the worker keeps from one bucket to the next."""


def distributed_what_if(
    home: Home,
    rulebook: Rulebook,
    cluster: Cluster,
    *,
    recorded_at_ns: int,
    overlay: Overlay = NO_OVERLAY,
    bounds: Bounds = Bounds(),  # noqa: B008 - frozen
    as_of_ns: int | None = None,
    buckets: int | None = None,
    progress: Progress = no_progress,
    checkpoint: Place | None = None,
) -> WhatIf:
    """Decide the history of a home under what is in force and under another rulebook, and say who changes.

    Args:
        home: whose history.
        rulebook: the other rulebook.
        cluster: that answers.
        recorded_at_ns: registers as known at this instant [ns, UTC].
        overlay: emergencies.
        bounds: of the observations.
        as_of_ns: apply both rulebooks as of this instant instead of each observation's own [ns, UTC].
        buckets: into how many terminals are divided; None goes by rows.
        progress: told of observations done.
        checkpoint: where answers of buckets are kept; see `answers_to`.
    Raises:
        IntegrityError: history cannot be read any more.
        StoreError: the cluster failed.
    """
    known, present, areas = runs(home), rulebook_of(home), current_areas_digest(home)
    rows = sum(_observations(home, run) for run in known)
    named = overlay.digest if overlay.measures else None
    with Registers.open(home) as registers:
        # The same registers are the same question, whenever it is asked.
        known_ns = min(recorded_at_ns, max((each.recorded_at_ns for each in registers.revisions()), default=recorded_at_ns))
    question = Question(present.digest, rulebook.digest, areas, named, known_ns, bounds, as_of_ns)
    overlays = [overlay] if overlay.measures else []
    with tempfile.TemporaryDirectory(prefix="groundrule-bundle-") as folder:
        bundle = pack(home, Path(folder), rulebooks=[present, rulebook], areas=[areas], overlays=overlays)
        reads = reads_of(files_of(home, known, decisions=False), cluster.at_once())
        job = Job("what-if", reads, buckets or buckets_for(rows), bundle, AskBuckets(tuple(known), question), rows)
        try:
            answers = answers_to(cluster, job, progress, checkpoint)
        except BaseException:
            cluster.stop()
            raise
    return merged(msgspec.msgpack.decode(each, type=WhatIf) for each in answers)


@dataclass(slots=True)
class _Stored:
    """What the files of a run hold, as this machine has read them."""

    observations: TableDigest = field(default_factory=TableDigest)
    decisions: TableDigest = field(default_factory=TableDigest)
    files: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))
    error: GroundruleError | None = None


class DistributedReplay:
    """Decides stored runs again on a cluster; see `replaying.Decider`.

    The cluster decides all runs while this machine takes the digests of what is stored. Stored decisions that are equal to the
    recomputed ones, row by row and in the same order, have the same digest as these.

    Args:
        cluster: that answers.
        buckets: into how many terminals are divided; None goes by rows.
        checkpoint: where answers of buckets are kept; see `answers_to`.
    """

    def __init__(self, cluster: Cluster, buckets: int | None = None, checkpoint: Place | None = None) -> None:
        self._cluster, self._buckets, self._checkpoint = cluster, buckets, checkpoint
        self._folder: Path | None = None
        self._trouble: GroundruleError | None = None
        self._findings: Mapping[int, list[Finding]] = {}
        self._stored: dict[int, _Stored] = {}

    def start(self, home: Home, known: Sequence[int], bounds: Bounds, recorded: Sequence[int], progress: Progress) -> None:
        """See `Decider.start`.

        Raises:
            StoreError: the cluster failed.
        """
        self._home, self._known, self._bounds = home, list(known), bounds
        try:
            rows = sum(_observations(home, run) for run in known)
            self._folder = Path(tempfile.mkdtemp(prefix="groundrule-bundle-"))
            bundle = pack(home, self._folder, runs=known)
        except GroundruleError as error:
            # Whatever it is, the first run that needs it finds it as well, and says so in its own words.
            self._trouble = error
            return
        reads = reads_of(files_of(home, known, decisions=True), self._cluster.at_once())
        answer = ReplayBuckets(tuple(known), bounds, frozenset(recorded))
        job = Job("replay", reads, self._buckets or buckets_for(rows), bundle, answer, rows)
        with ThreadPoolExecutor(1, thread_name_prefix="cluster") as others:
            under_way: Future[list[bytes]] = others.submit(answers_to, self._cluster, job, progress, self._checkpoint)
            try:
                for run in known:
                    self._stored[run] = self._read(run)
                    if under_way.done() and under_way.exception():
                        break
                answers = under_way.result()
            except BaseException:
                self._cluster.stop()
                raise
        found: dict[int, list[Finding]] = {}
        for each in answers:
            finding = msgspec.msgpack.decode(each, type=Finding)
            found.setdefault(finding.run, []).append(finding)
        self._findings = found

    def begin(self, manifest: dict[str, Any], basis: Basis) -> None:
        """See `Decider.begin`; what is remembered is the workers' concern."""
        del manifest, basis
        if self._trouble is not None:
            raise self._trouble

    def compare(self, manifest: dict[str, Any], found: Compared) -> None:
        """See `Decider.compare`.

        Raises:
            StoreError: what the workers have read is not what is here.
        """
        run = int(manifest["run"])
        stored, findings = self._stored[run], self._findings.get(run, [])
        if stored.error is not None:
            raise stored.error
        for each in findings:
            if each.refused is not None:
                raise IntegrityError(each.refused)
            if each.broke is not None:
                raise ValueError(each.broke)
        runs_until = [each for each in self._known if each <= run]
        together = put_together(self._home, runs_until, findings, stored.files, self._bounds)
        found.rows, found.difference = together.rows, together.difference
        if found.difference is not None:
            return
        decided = sum(each.decided for each in findings)
        if self._bounds == Bounds() and (together.beyond or decided != stored.decisions.rows):
            raise StoreError(
                f"the workers have read other decisions of run {run} than are here", help="is the home shared, and does nobody write it?"
            )
        found.observations = stored.observations.content
        # What differs outside of the bounds is not compared, so that nothing is known of the digest of all.
        found.decisions = None if together.beyond else stored.decisions.content
        found.answers = sorted((answer for each in findings for answer in each.answers), key=lambda answer: answer.place)

    def finish(self) -> None:
        """See `Decider.finish`."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self, run: int) -> _Stored:
        read = _Stored()
        try:
            for table in HomeHistory(self._home).of_run(run):
                read.observations.update(table)
            for correction in (False, True):
                for table in read_exactly(self._home, "decisions", run, DECISION_SCHEMA, corrections=correction):
                    read.decisions.update(table)
                    read.files[int(correction)].append(len(table))
        except GroundruleError as error:
            read.error = error
        return read


def _observations(home: Home, run: int) -> int:
    try:
        return int(read_manifest(home, run)["observations"]["rows"])
    except IntegrityError:
        return 0  # how many buckets there are changes no answer
