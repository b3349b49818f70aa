"""Observations decided on a cluster into a folder: one batch, from what is given to the manifest that commits it.

The home is read and not written: it says what is in force, who is registered, and what was observed before. Decisions, and what the next
batch has to know, lie in the folder (`decided_folder`). A batch that was broken off is taken up again by the same command: it goes on as
of the instant at which it was begun, and what is wholly written is not decided again.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from groundrule.canon import digest, digest_file
from groundrule.engines.bucket_decide import DecideBuckets, Summary
from groundrule.engines.bundle import pack
from groundrule.engines.decided_folder import DecidedBatch, DecidedFolder, batch_folder, combined, commit, put_file
from groundrule.engines.distributed import Cluster, Job, answers_to
from groundrule.engines.given_files import Reading, given_files
from groundrule.engines.slices import buckets_for, files_of, reads_of
from groundrule.engines.taking import held_by
from groundrule.errors import ConflictError, InputError, IntegrityError, StoreError
from groundrule.pipeline.counts import Counts
from groundrule.pipeline.decisions import ENGINE
from groundrule.pipeline.home import rulebook_of
from groundrule.pipeline.manifests import latest_digest, read_manifest, runs
from groundrule.pipeline.overlay import Overlay
from groundrule.pipeline.policy_check import policy_differences
from groundrule.pipeline.replaying import Progress, no_progress
from groundrule.store.area_store import current_areas_digest
from groundrule.store.exclusive import exclusive
from groundrule.store.home import Home
from groundrule.store.places import Place, address_of, place_at, put, remove_folder
from groundrule.store.registers import Registers
from groundrule.store.timeline import RegisterTimeline

BEGUN: Final = "_begun.json"
"""Says when a batch was begun, and with what."""
ROW_BYTES: Final = 25
"""Bytes of a given file that one observation takes, roughly; only the number of buckets goes by it."""
_JOB_DIGITS: Final = 12


@dataclass(frozen=True)
class Decided:
    """What a batch came to.

    Attributes:
        batch: as it was committed.
        counts: what became of the observations.
        rejected: rows by reason.
        notes: what was assumed or ignored.
        unreadable: files that could not be opened, with the reason.
    """

    batch: DecidedBatch
    counts: Counts
    rejected: dict[str, int]
    notes: list[str]
    unreadable: dict[str, str]


def decide_into(
    home: Home,
    given: Sequence[Path],
    folder: Place,
    cluster: Cluster,
    *,
    recorded_at_ns: int,
    overlay: Overlay,
    reading: Reading = Reading(),  # noqa: B008 - frozen
    as_of_ns: int | None = None,
    buckets: int | None = None,
    progress: Progress = no_progress,
    stream: tuple[str, int] | None = None,
) -> Decided | None:
    """Decide observations as the next batch of a folder.

    Args:
        home: what is in force, who is registered, and what was observed before the first batch.
        given: files of observations.
        folder: of decisions, made where it is missing, or a prefix in object storage; every worker has to see it, and what is given, under
            the same path or address.
        cluster: that decides.
        recorded_at_ns: the time of the batch [ns, UTC]; a batch that was broken off keeps its own.
        overlay: emergencies.
        reading: how the files are read.
        as_of_ns: apply rules and areas as of this instant [ns, UTC].
        buckets: into how many terminals are divided; None goes by size. A folder keeps the number of its first batch.
        progress: told of rows done, as far as they can be known.
        stream: a query and the number of its batch, where a stream hands the files on: a batch may then hold nothing that can be used.
    Returns:
        What the batch came to; None where this batch of the stream was committed before.
    Raises:
        InputError: no file can be read, or no row can be used; nothing is committed.
        ConflictError: another writes there, or the folder is of another home, or the home has decided more since it was begun.
        IntegrityError: what is in force is not what the log says, or the folder is not as it was written.
        StoreError: the cluster failed; the same command goes on where it was.
    """
    if differences := policy_differences(home):
        raise IntegrityError(f"what is in force is not what the log says: {differences[0]}", help="see all: groundrule govern check")
    folder = place_at(address_of(folder))
    with exclusive(_lock(home, folder), folder):
        earlier = DecidedFolder.open(folder, empty=True)
        _check_same(earlier, home, buckets)
        if stream is not None and _committed_before(earlier, stream):
            return None
        number = len(earlier.batches) + 1
        place = batch_folder(folder, number)
        inputs = [{"name": path.name, "digest": digest_file(path), "bytes": path.stat().st_size} for path in given]
        begun = _begun(place, recorded_at_ns, {"inputs": inputs, "reading": reading.described(), "as_of_ns": _text(as_of_ns)})
        reading = replace(reading, latest_ns=begun.latest_ns)
        task = _Task(home, earlier, number, begun.recorded_at_ns, as_of_ns, overlay, stream)
        return task.run(cluster, list(given), inputs, reading, buckets, progress)


def _lock(home: Home, folder: Place) -> Path:
    """Where who writes a folder is noted; object storage has no locks, so there it is in the home that the folder belongs to."""
    if isinstance(folder, Path):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / "lock"
    home.cache.mkdir(exist_ok=True)
    return home.cache / f"decided-{sha256(folder.address.encode()).hexdigest()[:24]}.lock"


class _Begun(msgspec.Struct, frozen=True):
    recorded_at_ns: int
    latest_ns: int | None
    of: str


def _begun(place: Place, recorded_at_ns: int, what: dict[str, Any]) -> _Begun:
    """Return as of when a batch is decided: that of an earlier attempt with the same input, or now."""
    latest = what["reading"].pop("latest_ns")
    begun = _Begun(recorded_at_ns, None if latest is None else int(latest), digest(what))
    path = place / BEGUN
    if path.exists():
        try:
            before = msgspec.json.decode(path.read_bytes(), type=_Begun)
            if before.of == begun.of:
                return before
        except msgspec.DecodeError:
            pass
        # Another input: what an earlier attempt has written is no part of it.
        remove_folder(place)
    put(path, msgspec.json.encode(begun))
    return begun


def _check_same(earlier: DecidedFolder, home: Home, buckets: int | None) -> None:
    before = earlier.latest
    if before is None:
        return
    # What the home has taken of the folder since is known to it.
    if held_by(home, earlier).others:
        raise ConflictError(
            f"the home has decided more since `{earlier.path}` was begun", help="name another folder: it begins with what is known now"
        )
    if buckets is not None and before.manifest["buckets"] != buckets:
        raise ConflictError(
            f"`{earlier.path}` is divided into {before.manifest['buckets']} parts", help="leave --partitions out, or name another folder"
        )


def _committed_before(earlier: DecidedFolder, stream: tuple[str, int]) -> bool:
    """Was this batch of the stream committed, and only not acknowledged?"""
    query, number = stream
    done = [each.manifest["stream"]["batch"] for each in earlier.batches if each.manifest.get("stream", {}).get("query") == query]
    return number <= max(done, default=-1)


def _base(home: Home) -> dict[str, Any] | None:
    known = runs(home)
    return {"run": known[-1], "manifest": latest_digest(home)} if known else None


class _Task:
    """One batch in the making."""

    def __init__(
        self, home: Home, earlier: DecidedFolder, number: int, recorded_at_ns: int, as_of_ns: int | None, overlay: Overlay,
        stream: tuple[str, int] | None,
    ) -> None:  # fmt: skip
        self._stream = stream
        self._home, self._earlier, self._number, self._overlay = home, earlier, number, overlay
        self._recorded_at_ns, self._as_of_ns = recorded_at_ns, as_of_ns
        self._place = batch_folder(earlier.path, number)

    def run(
        self, cluster: Cluster, given: list[Path], inputs: list[dict[str, Any]], reading: Reading, buckets: int | None, progress: Progress
    ) -> Decided:
        """Decide and commit."""
        home, before = self._home, self._earlier.latest
        base = before.manifest["base"] if before else _base(home)
        remembered = runs(home) if before is None else []
        book, areas = rulebook_of(home), current_areas_digest(home)
        history = files_of(home, remembered, decisions=False, over_late=True)
        rows = sum(read_manifest(home, run)["observations"]["rows"] for run in remembered)
        rows += sum(each["bytes"] for each in inputs) // ROW_BYTES
        parts = before.manifest["buckets"] if before else buckets or buckets_for(rows)
        named = self._overlay.digest if self._overlay.measures else None
        asked = DecideBuckets(
            address_of(self._earlier.path), self._number, "", before.digest if before else None, parts, book.digest, areas, named,
            self._recorded_at_ns, self._as_of_ns, None if base is None else (base["run"], base["manifest"]), digest(reading.described()),
        )  # fmt: skip
        files = given_files(given, self._number)
        reads = reads_of([*history, *files], cluster.at_once())
        with tempfile.TemporaryDirectory(prefix="groundrule-bundle-") as made:
            overlays = [self._overlay] if self._overlay.measures else []
            bundle = pack(home, Path(made), runs=remembered, rulebooks=[book], areas=[areas], overlays=overlays)
            # Whatever an attempt under other circumstances writes late, it writes elsewhere.
            asked = replace(asked, job=digest({**asked.asked(), "bundle": bundle.name, "inputs": inputs})[7:][:_JOB_DIGITS])
            job = Job("decide", reads, parts, bundle, asked, rows, reading=reading)
            try:
                answers = answers_to(cluster, job, progress, self._place / "_answers")
            except BaseException:
                cluster.stop()
                raise
        summaries = [msgspec.msgpack.decode(each, type=Summary) for each in answers]
        return self._committed(summaries, asked, {file.name: each for file, each in zip(files, inputs, strict=True)}, base)

    def _committed(
        self, summaries: list[Summary], asked: DecideBuckets, inputs: dict[str, dict[str, Any]], base: dict[str, Any] | None
    ) -> Decided:
        counts, rejected = _together(summaries)
        reports = sorted((report for each in summaries for report in each.reports), key=lambda report: report.name)
        unreadable = {each.name: each.unreadable for each in reports if each.unreadable is not None}
        if len(reports) != len(inputs):
            raise StoreError(f"{len(inputs)} files were given, and the workers tell of {len(reports)}", help="start again")
        if self._stream is None and not sum(each.rows for each in reports):
            said = "; ".join([*unreadable.values(), *(f"{count:,} × {why}" for why, count in rejected.items())])
            raise InputError(f"no observation could be used: {said or 'the input holds none'}", help="name files with at least one row")
        with Registers.open(self._home) as registers:
            known = RegisterTimeline.load(registers, recorded_at_ns=self._recorded_at_ns)
        before = self._earlier.latest
        kinds = ("observations", "decisions", "corrections", "over_late")
        digests = {kind: combined({each.bucket: each.digests[kind] for each in summaries if kind in each.digests}) for kind in kinds}
        manifest = {
            "batch": self._number, "previous": before.digest if before else None, "home": self._home.id, "engine": ENGINE,
            "recorded_at_ns": str(self._recorded_at_ns), "as_of_ns": _text(self._as_of_ns), "base": base, "buckets": asked.buckets,
            "inputs": [{**each, **({"unreadable": True} if name in unreadable else {})} for name, each in inputs.items()],
            "unreadable": unreadable, "rejected": rejected, "rulebook": asked.rulebook, "areas": asked.areas,
            "registers": {
                "revision": known.revision, "digest": known.digest, "lists": known.lists_version, "content": known.content,
            },
            **({} if asked.overlay is None else {"emergencies": asked.overlay}), **digests,
            **({} if self._stream is None else {"stream": {"query": self._stream[0], "batch": self._stream[1]}}),
            "counts": {name: getattr(counts, name) for name in ("decided", "corrected", "duplicates", "late", "over_late")},
        }  # fmt: skip
        written = [file for each in summaries for file in each.files]
        if asked.overlay is not None:
            written.append(put_file(self._place, asked.job, "emergencies", 0, self._overlay.data, len(self._overlay.measures)))
        batch = commit(self._place, manifest, written)
        # They have served; what is committed says the same.
        with suppress(OSError, StoreError):
            remove_folder(self._place / "_answers")
        return Decided(batch, counts, rejected, [note for each in reports for note in each.notes], unreadable)


def _together(summaries: Sequence[Summary]) -> tuple[Counts, dict[str, int]]:
    counts, rejected, reasons, answers = Counts(), Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    for each in summaries:
        for name, value in each.counts.items():
            setattr(counts, name, getattr(counts, name) + value)
        answers.update({(outcome, state): rows for outcome, state, rows in each.answers})
        reasons.update(each.reasons)
        for report in each.reports:
            rejected.update(report.rejected)
    counts.answers, counts.reasons = dict(answers), dict(reasons)
    return counts, dict(sorted(rejected.items()))


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)
