"""Acknowledged observations become a run: the same code decides them again, and what was answered is held against it.

    sealed segments ──► pipeline.runs.decide ──► manifest, log ──► compared with the answers ──► segments removed
                                                                └► memory and answers of terminals with late rows

Runs are made by one thread beside the intake, under a basis of its own: nothing that grows is shared with the live judge.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundrule.detect.state import TerminalState
from groundrule.pipeline.classes import Classifier
from groundrule.pipeline.decisions import DecisionWriter
from groundrule.pipeline.emergency_overlay import Clocks, overlay_for_run
from groundrule.pipeline.home import basis_of
from groundrule.pipeline.home_ledger import HomeLedger
from groundrule.pipeline.judge import Basis, Judge
from groundrule.pipeline.lateness import DecidedBatch
from groundrule.pipeline.live.second_look import SecondLook
from groundrule.pipeline.live.steps import Step
from groundrule.pipeline.manifests import read_manifest, runs
from groundrule.pipeline.overlay import Overlay
from groundrule.pipeline.runs import Inputs, Run, decide
from groundrule.rules.classes import DecisionClass
from groundrule.rules.evidence import AreaFact
from groundrule.store.home import Home
from groundrule.store.segments import Frame, Segment, read_frames

LOOK_BACK: Final = 16
"""Manifests that are searched for a segment that a crash left behind."""
PIECE_ROWS: Final = 262_144
_SEGMENT: Final = re.compile(r"ingest/(\d+)\.segment")


@dataclass(slots=True)
class Chunk:
    """What one group was answered.

    Attributes:
        rows: the observations that were in order, as judged (OBSERVATION_SCHEMA).
        terminal: row of each terminal in the live judge.
        outcome, state: as decided, before anything degraded (uint8).
        rule: number of the deciding rule's name (int32).
    """

    rows: pa.Table
    terminal: NDArray[np.int32]
    outcome: NDArray[np.uint8]
    state: NDArray[np.uint8]
    rule: NDArray[np.int32]


@dataclass(slots=True)
class Work:
    """What the next run takes.

    Attributes:
        segments: sealed, in order.
        chunks: what their rows were answered.
        late: ids of terminals with a late row.
        excused: ids of terminals that were answered before a late row was known to count.
        rejected: rows set aside since the last run, by reason.
        keys: digest, content and time [ns] of idempotency keys.
        stored: observations in the segments.
    """

    segments: list[Segment] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)
    late: set[str] = field(default_factory=set)
    excused: set[str] = field(default_factory=set)
    rejected: dict[str, int] = field(default_factory=dict)
    keys: list[tuple[str, str, int]] = field(default_factory=list)
    stored: int = 0


@dataclass(slots=True)
class Corrected:
    """Last decisions and memory of terminals with late rows, as a run left them.

    Attributes:
        ids: of the terminals.
        state: their memory; None where only answers were read.
        columns: what is kept of their last decisions; codes index the lists below.
        classes, places, evidence, lists: what the codes mean.
        rulebook, areas, revision: what they were decided under.
    """

    ids: pa.Array
    state: TerminalState | None
    columns: dict[str, NDArray[Any]]
    classes: list[DecisionClass]
    places: list[tuple[AreaFact, ...] | None]
    evidence: list[str]
    lists: list[str]
    rulebook: str
    areas: str
    revision: int


@dataclass(slots=True)
class Done:
    """A run that was made of some work.

    Attributes:
        run: it.
        work: what it was made of.
        differences: answers that the run decided otherwise, without a late row being the cause.
        doubted: decisions that the second evaluator did not come to.
        corrected: None if no row was late.
    """

    run: Run
    work: Work
    differences: int
    corrected: Corrected | None
    doubted: int = 0


class Committer:
    """Makes runs; used by one thread at a time.

    Args:
        home: its write lock is held.
        ledger: its log, or None where it has none or it is out of reach.
        clock: gives the time [ns, UTC].
        names: gives the number of a rule's name.
        second: decides a share again.
    Attributes:
        committing: how long it takes to make a run.
    """

    def __init__(
        self, home: Home, ledger: HomeLedger | None, clock: Callable[[], int], names: Callable[[Sequence[str]], NDArray[np.int32]],
        second: SecondLook | None = None,
    ) -> None:  # fmt: skip
        self._home, self.ledger, self._clock, self._names = home, ledger, clock, names
        self.second = second or SecondLook()
        self.committing = Step()
        self._basis: Basis | None = None
        self._held: tuple[int, Overlay] | None = None

    def forget(self) -> None:
        """Read the basis anew for the next run."""
        self._basis = None

    def hold(self) -> None:
        """Decide runs as of now until `release`: an act begins, and answers rest on what is in force before it.

        Raises:
            GroundruleError: it cannot be read.
        """
        now = self._clock()
        if self._basis is None:
            self._basis = basis_of(self._home, recorded_at_ns=now)
        self._held = now, overlay_for_run(self._home, self.ledger, Clocks.now(now))

    def release(self, *, forget: bool) -> None:
        """Decide runs as of their own time again, and where `forget` under what is in force then."""
        self._held = None
        if forget:
            self._basis = None

    def commit(self, work: Work) -> Done:
        """Make a run of some work under what is in force.

        Raises:
            GroundruleError: nothing was committed; the work is as it was.
        """
        with self.committing.timed():
            return self._commit(work)

    def _commit(self, work: Work) -> Done:
        now, overlay = self._held or (self._clock(), None)
        if self._basis is None:
            self._basis = basis_of(self._home, recorded_at_ns=now)
        watcher = _Watcher(self._basis, work, self._names)
        before = self.second.different
        try:
            run = self._decide(work, self._basis, now, watcher, overlay)
        finally:
            self.second.forget()
        return Done(run, work, watcher.compare(), watcher.corrected(), self.second.different - before)

    def recover(self, frames: Sequence[Frame], segments: Sequence[Segment]) -> Run:
        """Commit what a crash left, under the basis that the frames name.

        Args:
            frames: of one basis.
            segments: those that end with these frames, for the manifest.
        """
        named = frames[0].metadata
        recorded = max(int(each.metadata["received_at_ns"]) for each in frames)
        basis = basis_of(self._home, recorded_at_ns=recorded, rulebook=named["rulebook"], areas=named["areas"])
        if basis.registers.digest != named["registers"]:
            recorded = int(named["recorded_at_ns"])
            basis = basis_of(self._home, recorded_at_ns=recorded, rulebook=named["rulebook"], areas=named["areas"])
        described = [each.described() for each in segments]
        inputs = Inputs(merged(frames), files=lambda: described, rejected=dict)
        return decide(self._home, inputs, recorded_at_ns=recorded, basis=basis, ledger=self.ledger, watch=self.second.watch)

    def _decide(self, work: Work, basis: Basis, now: int, watcher: _Watcher, overlay: Overlay | None) -> Run:
        described = [each.described() for each in work.segments]
        inputs = Inputs(
            merged(frame for segment in work.segments for _, frame in read_frames(segment.path)),
            files=lambda: described,
            rejected=lambda: dict(sorted(work.rejected.items())),
        )
        watch = self.second.following(watcher)
        return decide(self._home, inputs, recorded_at_ns=now, basis=basis, ledger=self.ledger, watch=watch, overlay=overlay)


def merged(frames: Iterator[Frame] | Sequence[Frame]) -> Iterator[pa.Table]:
    """Yield the rows of frames in pieces that are worth sorting."""
    waiting: list[pa.Table] = []
    rows = 0
    for frame in frames:
        waiting.append(frame.rows)
        rows += len(frame.rows)
        if rows >= PIECE_ROWS:
            yield pa.concat_tables(waiting).combine_chunks()
            waiting, rows = [], 0
    if waiting:
        yield pa.concat_tables(waiting).combine_chunks()


def last_segment(home: Home) -> int:
    """Return the highest number of a segment that the last manifests name; 0 if none does."""
    return max((number for number, _ in _named(home)), default=0)


def already_committed(home: Home, segments: Sequence[Segment]) -> list[Segment]:
    """Return those segments that a run holds already: a crash came between its manifest and their removal."""
    named = {digest for _, digest in _named(home)}
    return [each for each in segments if each.described()["digest"] in named]


def _named(home: Home) -> Iterator[tuple[int, str]]:
    for run in runs(home)[-LOOK_BACK:]:
        for each in read_manifest(home, run)["inputs"]:
            match = _SEGMENT.fullmatch(str(each.get("name")))
            if match:
                yield int(match.group(1)), str(each.get("digest"))


class _Watcher:
    """Follows a run and keeps what is held against the answers."""

    def __init__(self, basis: Basis, work: Work, names: Callable[[Sequence[str]], NDArray[np.int32]]) -> None:
        self._basis, self._work, self._names = basis, work, names
        self._late_rows, self._late = _flagged(basis, work.late)
        self._excused = _flagged(basis, work.late | work.excused)[1]
        self._rules: NDArray[np.int32] | None = None
        self._judge: Judge | None = None
        self._decided: list[tuple[NDArray[Any], ...]] = []
        self._held: dict[int, tuple[Any, int]] = {}

    def __call__(self, judge: Judge, batch: DecidedBatch) -> None:
        judged = batch.judged
        if self._rules is None:
            self._judge = judge
            basis = judge.basis
            self._rules = self._names(basis.overlay.rule_names(basis.rulebook))
            self._default = len(basis.rulebook.rules)
        decided = judged.decided
        late = _marked(self._late, judged.rows)
        if not batch.correction:
            rule = self._rules[np.where(decided.rule < 0, self._default, decided.rule)]
            columns = (judged.rows, judged.table.column("observed_at").to_numpy(), decided.outcome, decided.state, rule)
            excused = _marked(self._excused, judged.rows)
            self._decided.append(columns if excused is None else tuple(column[~excused] for column in columns))
        if late is not None:
            chosen = late if batch.chosen is None else late & batch.chosen
            for place in np.flatnonzero(chosen).tolist():
                self._held[int(judged.rows[place])] = (judged, place)

    def compare(self) -> int:
        """Return how many answers the run decided otherwise, terminal by terminal in order of time."""
        answered: list[tuple[NDArray[Any], ...]] = []
        for chunk in self._work.chunks:
            rows = self._basis.registers.add(chunk.rows.column("terminal_id"))
            columns: tuple[NDArray[Any], ...] = (
                rows, chunk.rows.column("observed_at").to_numpy(), chunk.outcome, chunk.state, chunk.rule,
            )  # fmt: skip
            excused = _marked(self._excused, rows)
            answered.append(columns if excused is None else tuple(column[~excused] for column in columns))
        ours, theirs = _sorted(answered), _sorted(self._decided)
        if ours is None or theirs is None:
            return abs((0 if ours is None else len(ours[0])) - (0 if theirs is None else len(theirs[0])))
        if len(ours[0]) != len(theirs[0]) or (ours[0] != theirs[0]).any() or (ours[1] != theirs[1]).any():
            pairs = [set(zip(each[0].tolist(), each[1].tolist(), strict=True)) for each in (ours, theirs)]
            return len(pairs[0] ^ pairs[1])
        differ = np.flatnonzero((ours[2] != theirs[2]) | (ours[3] != theirs[3]) | (ours[4] != theirs[4]))
        return len(differ)

    def corrected(self) -> Corrected | None:
        """Return the memory and the last decisions of terminals with late rows."""
        if self._judge is None or not len(self._late):
            return None
        judge, rows = self._judge, self._late_rows
        classifier = Classifier(judge)
        writer = DecisionWriter(judge)
        kinds: dict[int, NDArray[np.uint8]] = {}
        known = [int(row) for row in rows if int(row) in self._held]
        classes: dict[DecisionClass, int] = {}
        places: dict[Any, int] = {}
        evidence: dict[int, int] = {}
        lists: dict[int, int] = {}
        made: dict[str, list[Any]] = {
            name: [] for name in ("observed_at", "decided_at", "valid_until", "lat", "lon", "speed", "answer", "kind", "klass", "where",
                                  "evidence", "epoch")
        }  # fmt: skip
        for row in known:
            judged, at = self._held[row]
            if id(judged) not in kinds:
                kinds[id(judged)] = classifier.of(judged).codes
            decided = judged.decided
            values = {
                "observed_at": judged.table.column("observed_at")[at].as_py(),
                "decided_at": judged.now_ns[at],
                "valid_until": decided.valid_until[at],
                "lat": judged.motion.lat_deg[at],
                "lon": judged.motion.lon_deg[at],
                "speed": judged.motion.speed_m_s[at],
                "answer": int(decided.outcome[at]) << 3 | int(decided.state[at]),
                "kind": kinds[id(judged)][at],
                "klass": classes.setdefault(decided.classes[int(decided.klass[at])], len(classes)),
                "where": places.setdefault(judge.where.values[int(judged.where[at])], len(places)),
                "evidence": evidence.setdefault(int(judged.evidence_code[at]), len(evidence)),
                "epoch": lists.setdefault(int(judged.epoch[at]), len(lists)),
            }
            for name, value in values.items():
                made[name].append(value)
        chosen = np.array(known, np.int32)
        registers = judge.basis.registers
        return Corrected(
            registers.ids_of(chosen),
            judge.state.take(chosen),
            {name: np.array(values) for name, values in made.items()},
            list(classes),
            list(places),
            writer.evidence_digests(np.array(list(evidence), np.int32)),
            [registers.epoch(number).lists_version for number in lists],
            judge.basis.rulebook.digest,
            judge.basis.areas.digest,
            registers.revision,
        )


def _flagged(basis: Basis, ids: set[str]) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Rows of terminals, and a mark for each row; nothing where there are none."""
    if not ids:
        return np.zeros(0, np.int32), np.zeros(0, bool)
    rows = basis.registers.add(pa.array(sorted(ids), pa.string()))
    marks = np.zeros(len(basis.registers), bool)
    marks[rows] = True
    return rows, marks


def _marked(marks: NDArray[np.bool_], rows: NDArray[np.int32]) -> NDArray[np.bool_] | None:
    """Which rows are marked; None if none is. Terminals that came later are not."""
    if not len(marks):
        return None
    found: NDArray[np.bool_] = marks[np.minimum(rows, len(marks) - 1)] & (rows < len(marks))
    return found if found.any() else None


def _sorted(parts: Sequence[tuple[NDArray[Any], ...]]) -> list[NDArray[Any]] | None:
    """Columns of all parts, by terminal; the order of each terminal's rows stays."""
    if not parts:
        return None
    columns = [np.concatenate([part[k] for part in parts]) for k in range(len(parts[0]))]
    order = np.argsort(columns[0], kind="stable")
    return [column[order] for column in columns]

