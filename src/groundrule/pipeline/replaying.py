"""Replay: the stored observations decided again, and every decision compared with the stored one.

It follows the same steps as `decide`, so that what differs was changed afterwards. Files, rulebook, areas and registers
are checked against the digests that the manifests name, and manifests and private records against the log. Whatever
somebody did to the files is reported as a fault or as the first difference.

Which machines decide is of no concern here: a `Decider` says what the runs give, and every check is the same for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from groundrule import __version__
from groundrule.errors import GroundruleError, IntegrityError
from groundrule.pipeline.comparing import Bounds, Difference, Rows, bounded_difference, surplus
from groundrule.pipeline.decisions import ENGINE
from groundrule.pipeline.digests import TableDigest, table_digest
from groundrule.pipeline.emergency_overlay import overlay_faults
from groundrule.pipeline.judge import Basis, Judge
from groundrule.pipeline.log_check import Answer, Answers, RecordCheck, check_log
from groundrule.pipeline.manifests import check_chain, read_manifest, runs
from groundrule.pipeline.policy_check import policy_differences
from groundrule.pipeline.redeciding import Redeciding
from groundrule.pipeline.snapshots import basis_of_run
from groundrule.pipeline.stored_history import HomeHistory
from groundrule.records import DECISION_SCHEMA, OBSERVATION_SCHEMA
from groundrule.store.area_store import load_areas
from groundrule.store.erasures import KINDS, Erasure, Remaining, chain_faults, erasures, remaining
from groundrule.store.history import read_exactly, run_numbers
from groundrule.store.home import Home
from groundrule.store.leaving import leaving
from groundrule.store.registers import EMPTY, Registers

__all__ = ["Compared", "Decider", "Difference", "Progress", "Replay", "no_progress", "replay"]

Progress = Callable[[str, int], None]
"""Called with a step's name and the rows done in it since the last call."""


def no_progress(step: str, rows: int) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay found.

    Attributes:
        runs: runs replayed.
        rows: decisions compared.
        identical: every stored decision is what its observations give, byte for byte, and every digest holds.
        difference: the first decision that differs, or None.
        faults: other faults, one sentence each: broken manifests, observations or files that were changed.
        notes: what could not be compared, and why.
        erased: rows that left the runs since; what remains was compared with what their records say of it.
    """

    runs: int
    rows: int
    identical: bool
    difference: Difference | None
    faults: tuple[str, ...]
    notes: tuple[str, ...] = ()
    erased: tuple[ErasedRows, ...] = ()


@dataclass(frozen=True, slots=True)
class ErasedRows:
    """What an erasure took from a run; the record of it says so, and the log has the digest of the record.

    Attributes:
        run: its number.
        erasure: number of the erasure.
        at, basis: when, and on what legal basis.
        rows: by kind.
    """

    run: int
    erasure: int
    at: str
    basis: str
    rows: Mapping[str, int]


@dataclass(slots=True)
class Compared:
    """What deciding one run again has shown so far; filled in by a decider.

    Attributes:
        rows: decisions compared.
        difference: the first decision that differs, or None.
        observations: rows and digest of the stored observations.
        decisions: rows and digest of the recomputed decisions; None where nothing was found that could be compared.
        answers: what the private records of the run have to say, in their order.
    """

    rows: int = 0
    difference: Difference | None = None
    observations: dict[str, Any] = field(default_factory=dict)
    decisions: dict[str, Any] | None = None
    answers: Sequence[Answer] = ()


class Decider(Protocol):
    """Decides stored runs again and compares, in the order of the runs; never asked for a run after one that differs."""

    def start(self, home: Home, known: Sequence[int], bounds: Bounds, recorded: Sequence[int], progress: Progress) -> None:
        """Take up the work.

        Args:
            home: whose runs.
            known: all of them, ascending.
            bounds: compare decisions in this interval only.
            recorded: runs that have private records.
            progress: told of rows done.
        """

    def begin(self, manifest: dict[str, Any], basis: Basis) -> None:
        """Begin the next run.

        Args:
            manifest: of that run.
            basis: what it was decided under.
        Raises:
            GroundruleError: what was remembered at its begin cannot be had.
        """

    def compare(self, manifest: dict[str, Any], found: Compared) -> None:
        """Decide the run again, and compare.

        Args:
            manifest: of that run.
            found: what is found; what was found before an error counts.
        Raises:
            IntegrityError: what is stored cannot be read any more.
            ArithmeticError, LookupError, TypeError, ValueError: no reader would have let the stored observations in.
        """

    def finish(self) -> None:
        """Let go of everything, also after an error."""


def replay(
    home: Home,
    *,
    from_ns: int | None = None,
    until_ns: int | None = None,
    progress: Progress = no_progress,
    decider: Decider | None = None,
) -> Replay:
    """Decide the stored observations again and compare every decision with the stored one.

    All runs are replayed from the first, because what is remembered of a terminal comes from there; the bounds choose
    which decisions are compared.

    Args:
        from_ns, until_ns: compare decisions in this half-open interval of `observed_at` only [ns, UTC].
        progress: told of rows done.
        decider: which machines decide; None is this one.
    """
    before = _state(home)
    found = _replayed(home, Bounds(from_ns, until_ns), progress, decider or _ThisMachine())
    if not found.identical and decider is None and _state(home) != before:
        # Something was erased meanwhile: half of it was read before, half after.
        found = _replayed(home, Bounds(from_ns, until_ns), progress, _ThisMachine())
    return found


def _state(home: Home) -> tuple[int, bool] | None:
    try:
        return len(erasures(home)), leaving(home.history) is not None
    except GroundruleError:
        return None


def _replayed(home: Home, bounds: Bounds, progress: Progress, decider: Decider) -> Replay:
    committed = runs(home)
    task = _Replaying(home, decider)
    done = 0
    try:
        task.faults += check_chain(home)
        log = check_log(home)
        task.faults += log.faults
        task.faults += policy_differences(home)
        task.faults += _uncommitted(home, committed)
        task.faults += _register_chain(home)
        task.start(committed, bounds, progress)
        for run in committed:
            done += 1
            task.replay_run(run)
            if task.difference:
                break
    except _StopReplay as stop:
        task.faults.append(str(stop))
    finally:
        task.close()
    task.faults += overlay_faults(home, task.manifests)
    identical = task.difference is None and not task.faults
    return Replay(done, task.compared, identical, task.difference, tuple(task.faults), log.notes, tuple(task.erased))


class _StopReplay(Exception):
    """A fault after which the later runs have no ground to stand on."""


class _Replaying:
    """A replay under way: all that is checked, whoever decides."""

    def __init__(self, home: Home, decider: Decider) -> None:
        self._home, self._decider = home, decider
        self._basis: Basis | None = None
        self._areas_read: set[str] = set()
        self._records = RecordCheck(home)
        self.faults: list[str] = []
        self.manifests: list[dict[str, Any]] = []
        self.erased: list[ErasedRows] = []
        self._erasures: list[Erasure] = []
        try:
            self._erasures = erasures(home)
            self.faults += chain_faults(home, self._erasures)
        except GroundruleError as error:
            self.faults.append(str(error))
        self.compared = 0
        self.difference: Difference | None = None

    def start(self, committed: Sequence[int], bounds: Bounds, progress: Progress) -> None:
        """Let the decider take up the work."""
        recorded = [run for run in committed if self._records.recorded(run)]
        self._decider.start(self._home, committed, bounds, recorded, progress)

    def close(self) -> None:
        """Let everything go."""
        self._decider.finish()
        self._records.close()

    def replay_run(self, run: int) -> None:
        """Replay one run.

        Raises:
            _StopReplay: the run cannot be replayed.
        """
        try:
            manifest = read_manifest(self._home, run)
            self.manifests.append(manifest)
            left = self._remaining(run, manifest)
            self._decider.begin(manifest, self._basis_for(run, manifest))
        except GroundruleError as error:
            raise _StopReplay(f"run {run}: {error}") from error
        if manifest["engine"] != ENGINE:
            self.faults.append(
                f"run {run} was decided by {manifest['engine']} and is replayed by groundrule/{__version__}"
            )
        found = Compared()
        try:
            self._decider.compare(manifest, found)
            if found.difference is None:
                self._check_digests(run, manifest, left, found)
                self.faults += self._records.faults(run, found.answers, erased=bool(left.by))
            elif not self._observations_hold(run, left):
                self.faults.append(f"run {run}: the stored observations are not the ones that were decided")
        except IntegrityError as error:
            raise _StopReplay(f"run {run}: {error}") from error
        except (ArithmeticError, LookupError, TypeError, ValueError, pa.ArrowException) as error:
            # Rows that no reader would have let in can break any step; if they are as decided, the program is at fault.
            if self._observations_hold(run, left):
                raise
            raise _StopReplay(f"run {run}: the stored observations are not the ones that were decided") from error
        finally:
            self.compared += found.rows
            self.difference = found.difference

    def _basis_for(self, run: int, manifest: dict[str, Any]) -> Basis:
        """Return what the run was decided under; the same object as for the run before where nothing has changed."""
        if manifest["areas"] not in self._areas_read:
            # Read from the file, whatever this process may hold of it in memory.
            load_areas(self._home, manifest["areas"])
            self._areas_read.add(manifest["areas"])
        basis = basis_of_run(self._home, manifest, self._basis)
        if basis is not self._basis:
            if basis.registers.digest != manifest["registers"]["digest"]:
                self.faults.append(f"run {run}: the register does not have the digest that the run was decided under")
            elif basis.registers.content != manifest["registers"]["content"]:
                self.faults.append(f"run {run}: the register's rows are not those that the run was decided under")
            self._basis = basis
        return basis

    def _remaining(self, run: int, manifest: dict[str, Any]) -> Remaining:
        """What must be left of a run; tells what was erased of it."""
        for each in self._erasures:
            if touched := each.runs.get(str(run)):
                rows = {kind: int(touched[kind]["erased"]) for kind in KINDS if kind in touched}
                self.erased.append(ErasedRows(run, each.number, str(each.content["at"]), str(each.content["basis"]), rows))
        return remaining(self._erasures, run, manifest)

    def _observations_hold(self, run: int, left: Remaining) -> bool:
        try:
            found = table_digest(HomeHistory(self._home).of_run(run))
        except IntegrityError:
            return False
        return bool(found == left.content["observations"]["digest"])

    def _check_digests(self, run: int, manifest: dict[str, Any], left: Remaining, found: Compared) -> None:
        over_late = TableDigest()
        for table in read_exactly(self._home, "over_late", run, OBSERVATION_SCHEMA):
            over_late.update(table)
        for what, content, name in (
            ("the stored observations are not the ones that were decided", found.observations, "observations"),
            ("the decisions do not have the digest in the manifest", found.decisions, "decisions"),
            ("the observations that came too late are not the ones that were set aside", over_late.content, "over_late"),
        ):
            if content is not None and left.content[name] != content:
                self.faults.append(f"run {run}: {what}")
        # What was erased counts as it did, for the manifest says what there was.
        decided = found.observations["rows"] + left.rows["observations"]
        counted = {"decided": decided, "over_late": over_late.rows + left.rows["over_late"]}
        if found.decisions is not None:
            counted["corrected"] = found.decisions["rows"] + left.rows["decisions"] - decided
        if {name: manifest["counts"][name] for name in counted} != counted:
            self.faults.append(f"run {run}: the counts in the manifest are not those of its rows")


class _ThisMachine:
    """Decides on this machine, batch after batch; see `Decider`."""

    def start(self, home: Home, known: Sequence[int], bounds: Bounds, recorded: Sequence[int], progress: Progress) -> None:
        """See `Decider.start`."""
        del known  # they come one after the other
        self._home, self._bounds, self._progress = home, bounds, progress
        self._recorded = frozenset(recorded)
        self._history = HomeHistory(home)
        self._redeciding = Redeciding(self._history)
        self._judge: Judge | None = None
        self._answers = Answers()

    def begin(self, manifest: dict[str, Any], basis: Basis) -> None:
        """See `Decider.begin`."""
        self._judge = self._redeciding.begin(manifest, basis)

    def compare(self, manifest: dict[str, Any], found: Compared) -> None:
        """See `Decider.compare`."""
        assert self._judge is not None
        run = int(manifest["run"])
        observations, decisions = TableDigest(), TableDigest()

        def batches() -> Iterator[pa.Table]:
            for table in self._history.of_run(run):
                observations.update(table)
                yield table

        self._answers.begin(self._judge, recorded=run in self._recorded)
        stored = {
            correction: Rows(read_exactly(self._home, "decisions", run, DECISION_SCHEMA, corrections=correction))
            for correction in (False, True)
        }
        row = 0
        for batch in self._redeciding.decided(manifest, batches()):
            decisions.update(batch.table)
            self._answers.see(batch, row + np.arange(len(batch.table)))
            kept = stored[batch.correction].take(len(batch.table))
            found.difference, rows = bounded_difference(run, row, kept, batch.table, self._bounds)
            if found.difference:
                return
            found.rows += rows
            row += len(batch.table)
            self._progress("replay", len(batch.table))
        for rest in stored.values():
            found.difference = surplus(run, row, rest.take(1))
            if found.difference:
                return
        found.observations, found.decisions = observations.content, decisions.content
        found.answers = self._answers.found

    def finish(self) -> None:
        """See `Decider.finish`."""


def _uncommitted(home: Home, committed: list[int]) -> list[str]:
    """Files of runs without a manifest: a run that was killed, or a manifest that was removed."""
    orphans = sorted(run_numbers(home) - set(committed))
    if not orphans or home.is_being_written():
        return []
    return [f"run {run} has files and no manifest: it was not finished, or its manifest was removed" for run in orphans]


def _register_chain(home: Home) -> list[str]:
    """Does every revision of the registers name the digest of the one before?"""
    try:
        with Registers.open(home) as registers:
            revisions = registers.revisions()
    except GroundruleError as error:
        return [str(error)]
    before = EMPTY
    for found in revisions:
        if found.revision != before.revision + 1 or found.previous != before.digest:
            return [f"revision {found.revision} of the registers does not follow revision {before.revision}"]
        before = found
    return []
